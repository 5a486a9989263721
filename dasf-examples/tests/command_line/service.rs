//! A module as a service: the form of its log, and its log file.

use dasf::Caller;
use dasf_test_support::page::get_now;
use serde_json::{Value, json};

use crate::{Listening, REFERENCE, broker, command, error_line, reference};

#[test]
fn the_log_is_json_for_programs_that_read_it() {
    let (runtime, broker) = broker(None);
    let url = broker.url();
    let arguments = [
        "-t",
        "json",
        "--websocket-url",
        &url,
        "--log-format",
        "json",
    ];
    let module = Listening::start(command(REFERENCE, &[&arguments[..], &["listen"]].concat()));
    runtime.block_on(async {
        let caller = Caller::builder("json")
            .websocket(&url)
            .connect()
            .await
            .unwrap();
        let sum = caller
            .call(&json!({"func_name": "add", "a": 1}))
            .await
            .unwrap();
        assert_eq!(sum, json!(3));
        let request = json!({"func_name": "fail", "msg": "\u{1b}]0;title\u{7}"});
        caller.call(&request).await.unwrap_err();
        caller.close().await;
    });
    let (code, log) = module.stop("-TERM");
    assert_eq!(code, Some(0), "{log}");
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |message: &str| {
        lines
            .iter()
            .find(|line| line["message"] == message)
            .unwrap()
    };
    let answered = of("request answered");
    assert_eq!(answered["level"], "INFO");
    assert!(answered["timestamp"].as_str().unwrap().ends_with('Z'));
    assert!(
        answered["target"]
            .as_str()
            .unwrap()
            .starts_with("dasf_runtime::")
    );
    let fields = &answered["fields"];
    assert_eq!(fields["function"], "add");
    assert_eq!(fields["topic"], "json");
    assert_eq!(fields["bytes"], 1);
    assert!(fields["milliseconds"].is_u64(), "{fields}");
    assert!(fields["message_id"].is_string(), "{fields}");
    let failure = of("request failed")["fields"]["failure"].as_str().unwrap();
    assert!(failure.contains("]0;title"), "{failure}");
    assert!(!failure.contains('\u{1b}'), "{failure:?}");
}

#[test]
fn the_health_of_a_module_is_served_at_its_status_address() {
    let (_runtime, broker) = broker(None);
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let mut module = command(REFERENCE, &["-t", "watched", "listen"]);
    module.env("DE_BACKEND_WEBSOCKET_URL", broker.url());
    module.env("DE_BACKEND_STATUS_ADDR", port.to_string());
    let module = Listening::start(module);
    assert_eq!(get_now(port, "/health"), (200, "ok\n".to_owned()));
    assert_eq!(get_now(port, "/metrics").0, 200);
    let (code, log) = module.stop("-TERM");
    assert_eq!(code, Some(0), "{log}");
    let output = reference(&["--status-addr", "here", "listen"]);
    let error = error_line(&output, 2);
    assert!(error.contains("use a port or ADDRESS:PORT"), "{error}");
}

#[test]
fn other_forms_of_the_log_are_refused() {
    let output = reference(&["--log-format", "xml", "schema"]);
    let error = error_line(&output, 2);
    assert!(error.contains("use text or json"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_hang_up_opens_the_log_file_again() {
    use std::fs;
    use std::time::{Duration, Instant};

    use dasf_test_support::program::signal;

    let (_runtime, broker) = broker(None);
    let url = broker.url();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("module.log");
    let moved = folder.path().join("module.log.1");
    let wait_for = |text: &str| {
        let begin = Instant::now();
        while !fs::read_to_string(&file).is_ok_and(|log| log.contains(text)) {
            assert!(begin.elapsed() < Duration::from_secs(30), "{text}");
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    // A test that runs with `nohup` ignores SIGHUP, and so do its children. In a session of its own, the module
    // has no terminal that could have closed.
    let mut module = command("setsid", &["env", "--default-signal=HUP", REFERENCE]);
    module.args(["-t", "rotated", "--websocket-url", &url, "listen"]);
    let mut module = module.arg("--log-file").arg(&file).spawn().unwrap();
    wait_for("listening");
    fs::rename(&file, &moved).unwrap();
    signal(module.id(), "-HUP");
    wait_for("the log file is opened again");
    signal(module.id(), "-TERM");
    wait_for("stopping");
    assert_eq!(module.wait().unwrap().code(), Some(0));
    assert!(!fs::read_to_string(&moved).unwrap().contains("stopping"));
}

#[cfg(unix)]
#[test]
fn a_module_that_was_built_again_starts_again() {
    use std::fs;
    use std::time::{Duration, Instant};

    use dasf_test_support::program::signal;

    let (runtime, broker) = broker(None);
    let url = broker.url();
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("module");
    let log = folder.path().join("module.log");
    fs::copy(REFERENCE, &program).unwrap();
    let mut module = command(program.to_str().unwrap(), &["listen", "--reload"]);
    module.args(["-t", "built", "--websocket-url", &url, "--log-file"]);
    let mut module = module.arg(&log).spawn().unwrap();
    let wait_for = |text: &str, times: usize| {
        let begin = Instant::now();
        while fs::read_to_string(&log).is_ok_and(|log| log.matches(text).count() < times) {
            assert!(begin.elapsed() < Duration::from_secs(60), "{text}");
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    wait_for("listening", 1);
    let call = || {
        runtime.block_on(async {
            let builder = Caller::builder("built").websocket(&url);
            let caller = builder.connect().await.unwrap();
            caller.call(&json!({"func_name": "add", "a": 1})).await
        })
    };
    assert_eq!(call().unwrap(), json!(3));
    // As cargo does: the program is another file with the same name.
    let built = folder.path().join("built");
    fs::copy(REFERENCE, &built).unwrap();
    fs::rename(&built, &program).unwrap();
    wait_for("the program has been built again", 1);
    wait_for("listening", 2);
    assert_eq!(call().unwrap(), json!(3));
    signal(module.id(), "-TERM");
    assert_eq!(module.wait().unwrap().code(), Some(0));
}

#[cfg(unix)]
#[test]
fn the_service_manager_knows_the_state_of_a_module() {
    use std::os::unix::net::UnixDatagram;
    use std::time::Duration;

    let (_runtime, broker) = broker(None);
    let url = broker.url();
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let next = || {
        let mut note = [0; 64];
        let length = manager.recv(&mut note).unwrap();
        String::from_utf8_lossy(&note[..length]).into_owned()
    };
    let mut module = command(
        REFERENCE,
        &["-t", "told", "--websocket-url", &url, "listen"],
    );
    module
        .env("NOTIFY_SOCKET", &socket)
        .env("WATCHDOG_USEC", "100000");
    module.env_remove("WATCHDOG_PID");
    let module = Listening::start(module);
    assert_eq!(next(), "READY=1");
    for _ in 0..3 {
        assert_eq!(next(), "WATCHDOG=1");
    }
    let (code, log) = module.stop("-TERM");
    assert_eq!(code, Some(0), "{log}");
    while next() != "STOPPING=1" {}
}
