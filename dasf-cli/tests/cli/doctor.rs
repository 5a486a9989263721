//! `dasf doctor`.

use std::net::TcpListener;

use dasf_examples::arithmetic;

use crate::support::Stage;

/// The states and names of the steps that the command prints, and the error at its end.
fn steps(stage: &Stage, arguments: &[&str]) -> (Vec<String>, String, Option<i32>) {
    let arguments = [&["doctor"], arguments].concat();
    let output = stage.command(&arguments).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let words = text.lines().map(|line| {
        let mut words = line.split_whitespace();
        format!("{} {}", words.next().unwrap(), words.next().unwrap())
    });
    let error = String::from_utf8(output.stderr).unwrap();
    (words.collect(), error, output.status.code())
}

const REACHED: [&str; 3] = ["ok address", "ok name", "ok port"];

#[test]
fn every_step_of_a_call_is_checked() {
    let stage = Stage::new(None);
    stage.serve(arithmetic::module().unwrap(), "arithmetic");
    let page = stage.run(&["doctor", "-t", "arithmetic"]).succeeds();
    let own = env!("CARGO_PKG_VERSION");
    for line in [
        &format!(
            "ok       address   {}, from DE_BACKEND_WEBSOCKET_URL",
            stage.url()
        )[..],
        "ok       name      127.0.0.1 is an IP address",
        "ok       TLS       not used, and not necessary: the broker is on this machine",
        "ok       broker    it answers",
        "ok       login     none was sent, and the broker needs none",
        "ok       rights    may send to the topic arithmetic, and read the answers",
        &format!("ok       versions  dasf {own}, dasf-broker {own}, the module "),
        "ok       clock     the broker and this machine have the same time",
    ] {
        assert!(
            page.lines().any(|it| it.starts_with(line)),
            "{line} in {page}"
        );
    }
    assert!(page.contains("module    arithmetic "), "{page}");

    let page = stage.run(&["doctor"]).succeeds();
    assert!(
        page.contains("module    modules listen on arithmetic\n"),
        "{page}"
    );
}

#[test]
fn the_first_step_that_fails_is_named_with_advice() {
    let stage = Stage::new(Some("secret"));
    let (steps_of_port, error, code) =
        steps(&stage, &["-t", "x", "--websocket-url", crate::DEAD_URL]);
    assert_eq!(steps_of_port, ["ok address", "ok name", "failed port"]);
    assert!(error.contains("127.0.0.1:1 cannot be reached"), "{error}");
    assert_eq!(code, Some(1));

    let (found, error, _) = steps(&stage, &["-t", "x"]);
    let refused = [&REACHED[..], &["ok TLS", "ok broker", "failed login"]].concat();
    assert_eq!(found, refused);
    assert!(error.contains("log in with --token"), "{error}");
    let (found, _, _) = steps(&stage, &[]);
    assert_eq!(found, refused);

    let secure = stage.url().replace("ws://", "wss://");
    let (found, error, _) = steps(&stage, &["-t", "x", "--websocket-url", &secure]);
    assert_eq!(found, [&REACHED[..], &["failed TLS"]].concat());
    assert!(error.contains("does not speak TLS"), "{error}");

    let (found, error, code) = steps(&stage, &["-t", "x", "--token", "secret"]);
    let all = [
        "ok TLS",
        "ok broker",
        "ok login",
        "ok rights",
        "failed module",
    ];
    assert_eq!(
        found,
        [&REACHED[..], &all, &["ok versions", "ok clock"]].concat()
    );
    assert!(error.contains("no module answers on topic x"), "{error}");
    assert_eq!(code, Some(1));
}

#[test]
fn a_server_that_is_no_broker_is_told_apart() {
    let stage = Stage::new(None);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/ws", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        use std::io::Write;
        // One connection tests the port.
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.write_all(b"SSH-2.0-\x1b[2J\r\n");
        }
    });
    let (found, error, code) = steps(&stage, &["-t", "x", "--websocket-url", &url]);
    server.join().unwrap();
    assert_eq!(found, [&REACHED[..], &["ok TLS", "failed broker"]].concat());
    assert!(
        error.contains("does not answer as a WebSocket broker"),
        "{error}"
    );
    assert!(!error.contains('\u{1b}'), "{error:?}");
    assert_eq!(code, Some(1));
}
