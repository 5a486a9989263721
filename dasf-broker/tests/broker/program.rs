//! The program `dasf-broker`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

#[cfg(unix)]
use futures_util::{SinkExt, StreamExt};
#[cfg(target_os = "linux")]
use serde_json::json;
#[cfg(unix)]
use tokio_tungstenite::tungstenite::Message;

#[cfg(target_os = "linux")]
use crate::link::Link;
#[cfg(unix)]
use crate::support::PATIENCE;
#[cfg(target_os = "linux")]
use crate::support::peak_memory;

pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dasf-broker"));
    command.args(arguments).env_remove("DASF_BROKER_TOKEN");
    command.env_remove("DASF_BROKER_CONFIG");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(crate) fn spawn(arguments: &[&str]) -> Child {
    command(arguments).spawn().unwrap()
}

fn stderr(child: &mut Child) -> String {
    let mut text = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    text
}

#[cfg(unix)]
#[test]
fn the_program_prints_its_address_and_stops_at_a_signal() {
    for signal in ["-TERM", "-INT"] {
        let mut child = spawn(&["--bind", "127.0.0.1:0"]);
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line.strip_prefix("dasf-broker listens on ").unwrap();
        let (address, rest) = address.split_once(';').unwrap();
        let url = format!("give modules and clients the URL ws://{address}/ws");
        assert_eq!(rest.trim(), url);

        // A second broker on the same address fails with one line.
        let mut second = spawn(&["--bind", address]);
        assert_eq!(second.wait().unwrap().code(), Some(1));
        let error = stderr(&mut second);
        assert!(error.starts_with("error: cannot listen on "), "{error}");
        assert!(error.contains("another port"), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");

        let pid = child.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &pid])
                .status()
                .unwrap()
                .success()
        );
        assert_eq!(child.wait().unwrap().code(), Some(0));
        assert_eq!(stderr(&mut child), "");
    }
}

/// The program `script` runs a command in a terminal of its own, which closes when `script` dies.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn it_stops_when_its_terminal_closes() {
    let broker = concat!(env!("CARGO_BIN_EXE_dasf-broker"), " --bind 127.0.0.1:0");
    // A test that runs with `nohup` ignores SIGHUP, and so do its children.
    let mut terminal = Command::new("env");
    terminal.args(["--default-signal=HUP", "script", "--quiet", "--flush"]);
    terminal.args(["--command", broker, "/dev/null"]);
    terminal.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut terminal = terminal.spawn().unwrap();
    let url = format!("ws://{}/ws/demo", address(&mut terminal));
    let (mut peer, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    terminal.kill().unwrap();
    terminal.wait().unwrap();
    let last = tokio::time::timeout(PATIENCE, peer.next()).await.unwrap();
    match last.unwrap().unwrap() {
        Message::Close(Some(frame)) => assert_eq!(u16::from(frame.code), 1001),
        other => panic!("{other:?}"),
    }
}

/// Returns the address in the first line that a broker prints.
pub(crate) fn address(child: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    let address = line.strip_prefix("dasf-broker listens on ").unwrap();
    address.split_once(';').unwrap().0.to_owned()
}

#[test]
fn it_listens_on_the_address_of_a_name() {
    let mut child = spawn(&["--bind", "localhost:0"]);
    let address = address(&mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(address.starts_with("127.0.0.1:"), "{address}");

    for wrong in [
        "localhost",
        ":8080",
        "::1:8080",
        "localhost:port",
        "localhost:70000",
    ] {
        let mut child = spawn(&["--bind", wrong]);
        assert_eq!(child.wait().unwrap().code(), Some(2), "{wrong}");
        let error = stderr(&mut child);
        assert!(
            error.contains(wrong) && error.contains("such as 127.0.0.1:8080, localhost:8080"),
            "{error}"
        );
    }
    let mut child = spawn(&["--bind", "no.such.host.invalid:8080"]);
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let error = stderr(&mut child);
    let begin = "error: cannot listen on no.such.host.invalid:8080: ";
    assert!(error.starts_with(begin), "{error}");
}

/// Connects to a broker with the token `secret`, and stops the broker. Returns the status of its answer.
fn status_with_secret(child: &mut Child) -> String {
    let mut peer = TcpStream::connect(address(child)).unwrap();
    let request = "GET /ws/topic?token=secret HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\n\
                   upgrade: websocket\r\nsec-websocket-version: 13\r\n\
                   sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    peer.write_all(request.as_bytes()).unwrap();
    let mut status = String::new();
    BufReader::new(peer).read_line(&mut status).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    status.trim_end().to_owned()
}

#[test]
fn its_token_is_one_line() {
    let spawn = |token: &str| {
        command(&["--bind", "127.0.0.1:0"])
            .env("DASF_BROKER_TOKEN", token)
            .spawn()
            .unwrap()
    };
    let mut child = spawn("secret\n");
    assert_eq!(
        status_with_secret(&mut child),
        "HTTP/1.1 101 Switching Protocols"
    );

    let mut child = spawn("sec\nret");
    assert_eq!(child.wait().unwrap().code(), Some(2));
    let error = stderr(&mut child);
    assert!(
        error.contains("the token of --token, DASF_BROKER_TOKEN or --token-file is refused: it contains a line break"),
        "{error}"
    );
    assert!(!error.contains("ret\n"), "{error}");
    // An empty token must not open the broker for everybody.
    let mut child = spawn("\n");
    assert_eq!(child.wait().unwrap().code(), Some(1));

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let of_file = || {
        let file = file.to_str().unwrap();
        self::spawn(&["--bind", "127.0.0.1:0", "--token-file", file])
    };
    let mut child = of_file();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let error = stderr(&mut child);
    assert!(
        error.starts_with("error: cannot read the token from "),
        "{error}"
    );
    std::fs::write(&file, "secret\n").unwrap();
    let mut child = of_file();
    assert_eq!(
        status_with_secret(&mut child),
        "HTTP/1.1 101 Switching Protocols"
    );
    std::fs::write(&file, "").unwrap();
    assert_eq!(of_file().wait().unwrap().code(), Some(1));
}

/// The commands that start the broker in the folder `packaging`, with the values of this test.
#[test]
fn the_unit_and_the_image_start_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().to_str().unwrap();
    std::fs::write(format!("{folder}/token"), "secret\n").unwrap();
    let read = |name: &str| {
        let packaging = concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/");
        std::fs::read_to_string(format!("{packaging}{name}")).unwrap()
    };
    let value = |text: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().to_owned()
    };
    let unit = value(
        &read("dasf-broker.service"),
        "ExecStart=/usr/local/bin/dasf-broker ",
    );
    let unit = unit.replace("%d", folder).replace("%S", folder);
    let image = value(&read("Containerfile"), "ENTRYPOINT ");
    let image: Vec<String> = serde_json::from_str(&image).unwrap();
    let image = image[1..]
        .join(" ")
        .replace(" /data", &format!(" {folder}/data"));
    let image = format!("{image} --token-file {folder}/token");
    for options in [unit, image] {
        let mut options: Vec<&str> = options.split(' ').collect();
        let bind = options.iter().position(|it| *it == "--bind").unwrap();
        options[bind + 1] = "127.0.0.1:0";
        let status = status_with_secret(&mut spawn(&options));
        assert_eq!(status, "HTTP/1.1 101 Switching Protocols", "{options:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_hang_up_opens_its_log_file_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("broker.log");
    let moved = folder.path().join("broker.log.1");
    let path = file.to_str().unwrap();
    // A test that runs with `nohup` ignores SIGHUP. In a session of its own, the broker has no terminal that
    // could have closed.
    let mut child = Command::new("setsid");
    child.args([
        "env",
        "--default-signal=HUP",
        env!("CARGO_BIN_EXE_dasf-broker"),
    ]);
    child.args([
        "--bind",
        "127.0.0.1:0",
        "--log-format",
        "json",
        "--log-file",
        path,
    ]);
    let mut child = child.stdout(Stdio::piped()).spawn().unwrap();
    address(&mut child);
    std::fs::rename(&file, &moved).unwrap();
    let signal = |name: &str| {
        let id = child.id().to_string();
        assert!(
            Command::new("kill")
                .args([name, &id])
                .status()
                .unwrap()
                .success()
        );
    };
    signal("-HUP");
    let begin = std::time::Instant::now();
    let log = loop {
        match std::fs::read_to_string(&file) {
            Ok(log) if log.ends_with('\n') => break log,
            _ => assert!(begin.elapsed() < PATIENCE),
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    };
    signal("-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let line: serde_json::Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["message"], "the log file is opened again");
}

#[cfg(unix)]
#[test]
fn the_service_manager_knows_its_state() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("notify");
    let manager = std::os::unix::net::UnixDatagram::bind(&socket).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let next = || {
        let mut note = [0; 64];
        let length = manager.recv(&mut note).unwrap();
        String::from_utf8_lossy(&note[..length]).into_owned()
    };
    let mut child = command(&["--bind", "127.0.0.1:0"]);
    child
        .env("NOTIFY_SOCKET", &socket)
        .env("WATCHDOG_USEC", "100000");
    let mut child = child.env_remove("WATCHDOG_PID").spawn().unwrap();
    assert_eq!(next(), "READY=1");
    // It is told after the address.
    address(&mut child);
    for _ in 0..3 {
        assert_eq!(next(), "WATCHDOG=1");
    }
    let id = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .unwrap()
            .success()
    );
    while next() != "STOPPING=1" {}
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// Machines without systemd do not run the units either.
#[cfg(target_os = "linux")]
#[test]
fn systemd_accepts_the_units() {
    if Command::new("systemd-analyze")
        .arg("--version")
        .output()
        .is_err()
    {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let project = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let guide = std::fs::read_to_string(project.join("guide/chapters/operating.md")).unwrap();
    let module = guide
        .split("<!-- file: dasf-module@.service -->\n```ini\n")
        .nth(1)
        .unwrap();
    let module = module.split("```").next().unwrap();
    let broker = std::fs::read_to_string(project.join("packaging/dasf-broker.service")).unwrap();
    for (name, unit) in [
        ("dasf-broker.service", broker.as_str()),
        ("dasf-module@.service", module),
    ] {
        assert!(unit.contains("\nType=notify\nWatchdogSec="), "{unit}");
        // systemd looks whether the program is there.
        let program = env!("CARGO_BIN_EXE_dasf-broker");
        let unit = unit
            .replace("/usr/local/bin/dasf-broker", program)
            .replace("/usr/local/bin/%i", program);
        let file = folder.path().join(name);
        std::fs::write(&file, unit).unwrap();
        let mut verify = Command::new("systemd-analyze");
        let verified = verify
            .args(["verify", "--man=no"])
            .arg(&file)
            .output()
            .unwrap();
        let problems = String::from_utf8_lossy(&verified.stderr);
        assert!(
            verified.status.success() && !problems.contains(name),
            "{problems}"
        );
    }
}

#[test]
fn its_limits_are_those_of_the_library() {
    let mut child = spawn(&["--bind", "127.0.0.1:0", "--max-topics", "0"]);
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let error = stderr(&mut child);
    assert!(error.contains("the limit max_topics is 0"), "{error}");
}

/// Each of the messages has two bytes, but a place in each of the subscriptions.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn its_memory_has_a_limit() {
    const LIMIT: u64 = 32 << 20;
    let limit = LIMIT.to_string();
    let mut command = command(&["--bind", "127.0.0.1:0", "--max-memory", &limit]);
    // On a busy machine, the task of the link changes its thread. What it frees then, in the memory of the
    // first thread, does not serve the second one.
    command.env("MALLOC_ARENA_MAX", "1");
    let mut child = command.spawn().unwrap();
    let address = address(&mut child);
    let mut link = Link::open_at(&address, "/ws/other/s").await;
    let before = peak_memory(&child);
    for topic in ["a", "b", "c", "d"] {
        let url = format!("ws://{address}/ws/{topic}/stays");
        let (stays, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        for number in 0..250 {
            let subscription = format!("subscription-{number}");
            for frame in ["subscribe", "close"] {
                let frame = json!({"type": frame, "topic": topic, "subscription": subscription});
                link.send(&frame, b"").await;
                link.next().await;
            }
        }
        drop(stays);
    }
    for number in 1..=12_000 {
        link.publish(["a", "b", "c", "d"][number % 4], b"").await;
        if number % 256 == 0 {
            link.send(&json!({"type": "confirm"}), b"").await;
            link.accepted(number as u64).await;
        }
    }
    let grown = peak_memory(&child) - before;
    child.kill().unwrap();
    child.wait().unwrap();
    // The limit is for the messages. The process also needs buffers, and pages of its code that it uses
    // for the first time. Without the limit, these three million places need 152 MB.
    const BESIDE: u64 = 2 << 20;
    assert!(grown < LIMIT + BESIDE, "the broker uses {grown} bytes more");
}

#[cfg(unix)]
fn terminate(child: &Child) {
    let pid = child.id().to_string();
    let status = Command::new("kill").args(["-TERM", &pid]).status();
    assert!(status.unwrap().success());
}

/// Each frame and each handshake is refused. Without a limit, each writes a line.
#[cfg(unix)]
#[tokio::test]
async fn repeated_lines_of_its_log_are_summed_up() {
    let mut child = spawn(&["--bind", "127.0.0.1:0"]);
    let address = address(&mut child);
    let url = format!("ws://{address}/ws/demo");
    let (mut producer, _) = tokio_tungstenite::connect_async(&url).await.unwrap();
    const FRAMES: usize = 5000;
    for _ in 0..FRAMES {
        producer.send(Message::text("no json")).await.unwrap();
    }
    for _ in 0..FRAMES {
        producer.next().await.unwrap().unwrap();
    }
    for _ in 0..100 {
        let refused = tokio_tungstenite::connect_async(format!("{url}/a/b")).await;
        refused.unwrap_err();
    }
    terminate(&child);
    let log = stderr(&mut child);
    child.wait().unwrap();
    let count = |text| log.lines().filter(|line| line.contains(text)).count();
    // The program may have taken more than one interval.
    assert!(count(" refused a frame") <= 100, "{log}");
    assert!(count("more lines like this: refused a frame") >= 1, "{log}");
    assert!(
        count("more lines like this: refused the handshake") >= 1,
        "{log}"
    );
    assert!(log.len() < 64 * 1024, "{} bytes", log.len());
}

#[cfg(all(feature = "tls", unix))]
#[tokio::test]
async fn it_reads_its_certificate_again_at_a_signal() {
    let authority = crate::tls::Authority::new();
    let (certificate, key) = (authority.certificate(), authority.key());
    let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    // A test that runs with `nohup` ignores SIGHUP, and so do its children.
    let mut command = Command::new("env");
    command
        .args(["--default-signal=HUP", env!("CARGO_BIN_EXE_dasf-broker")])
        .args([
            "--bind",
            "127.0.0.1:0",
            "--tls-cert",
            certificate,
            "--tls-key",
            key,
        ]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("dasf-broker listens on ").unwrap();
    let (address, rest) = address.split_once(';').unwrap();
    let url = format!(" give modules and clients the URL wss://{address}/ws");
    assert_eq!(rest, url);
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut says = |text: &str| {
        let line = log.find(|line| line.as_ref().unwrap().contains(text));
        assert!(line.is_some(), "{text}");
    };
    let hang_up = || {
        let pid = child.id().to_string();
        let status = Command::new("kill").args(["-HUP", &pid]).status();
        assert!(status.unwrap().success());
    };
    let new = authority.issue();
    hang_up();
    says("new connections get the new certificate");
    assert_eq!(authority.shown(address).await, new);
    std::fs::write(certificate, "").unwrap();
    hang_up();
    says("keeps the old certificate");
    assert_eq!(authority.shown(address).await, new);
    terminate(&child);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_certificate_needs_its_key() {
    for option in ["--tls-cert", "--tls-key"] {
        let mut child = spawn(&["--bind", "127.0.0.1:0", option, "file.pem"]);
        assert_eq!(child.wait().unwrap().code(), Some(2));
        let error = stderr(&mut child);
        assert!(
            error.contains("--tls-cert") && error.contains("--tls-key"),
            "{error}"
        );
    }
}

/// The pipe of standard error is full after 64 KiB.
#[cfg(unix)]
#[tokio::test]
async fn a_log_that_nobody_reads_does_not_stop_it() {
    let mut child = spawn(&["--bind", "127.0.0.1:0", "--log-level", "debug"]);
    let address = address(&mut child);
    for _ in 0..1500 {
        let connecting = tokio_tungstenite::connect_async(format!("ws://{address}/ws/demo"));
        let connecting = tokio::time::timeout(PATIENCE, connecting);
        let (mut socket, _) = connecting.await.unwrap().unwrap();
        socket.close(None).await.unwrap();
    }
    terminate(&child);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let log = stderr(&mut child);
    assert!(log.len() >= 32 * 1024, "{} bytes", log.len());
}

/// Runs a command to its end. Returns its exit code, and what it has printed.
fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = command(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn it_makes_tokens_and_checks_configurations() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("broker.toml");
    let file = path.to_str().unwrap();
    std::fs::write(&path, "# ours\n[users.ada]\ncall = [\"river\"]\n").unwrap();
    let new = [
        "token",
        "new",
        "ada",
        "--note",
        "n",
        "--expires",
        "2999-01-01",
        "--config",
        file,
    ];
    let (code, secret, errors) = run(&new);
    assert_eq!((code, &*errors), (Some(0), ""));
    assert!(
        secret.starts_with("dasf_") && secret.lines().count() == 1,
        "{secret}"
    );
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(
        text.starts_with("# ours\n") && !text.contains(secret.trim()),
        "{text}"
    );
    let (code, printed, _) = run(&["config", "check", file]);
    assert_eq!(
        (code, &*printed),
        (Some(0), "the configuration is right: 1 users\n")
    );
    // Only one file is left.
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);

    let (code, secret, errors) = run(&["token", "new", "bob"]);
    assert_eq!((code, secret.lines().count()), (Some(0), 1));
    assert!(errors.contains("[users.bob]:\n{ sha256 = \""), "{errors}");
    std::fs::write(&path, "[users.ada]\ncal = []\n").unwrap();
    for arguments in [
        &["config", "check", file][..],
        &new[..],
        &["--bind", "127.0.0.1:0", "--config", file],
    ] {
        let (code, printed, errors) = run(arguments);
        assert_eq!((code, &*printed), (Some(1), ""), "{arguments:?}");
        assert!(
            errors.contains("line 2") && errors.contains("`cal`"),
            "{errors}"
        );
    }
    std::fs::write(&path, "[users.ada]\ncall = []\n").unwrap();
    let (code, _, errors) = run(&["--config", file, "--token", "secret"]);
    assert_eq!(code, Some(1));
    assert!(errors.contains("leave the token out"), "{errors}");
}

/// Returns the status of a handshake.
fn status(address: &str, path: &str, token: &str) -> u16 {
    use std::io::Write;

    let mut peer = std::net::TcpStream::connect(address).unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         authorization: Token {token}\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    peer.write_all(request.as_bytes()).unwrap();
    let mut line = String::new();
    BufReader::new(peer).read_line(&mut line).unwrap();
    line.split(' ').nth(1).unwrap().parse().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn the_audit_log_tells_who_came_in() {
    use std::fs;

    let directory = tempfile::tempdir().unwrap();
    let (path, audit) = (
        directory.path().join("broker.toml"),
        directory.path().join("audit"),
    );
    let (file, audit_file) = (path.to_str().unwrap(), audit.to_str().unwrap());
    fs::write(&path, "[users.ada]\ncall = [\"river\"]\n").unwrap();
    let (_, secret, _) = run(&["token", "new", "ada", "--config", file]);
    let secret = secret.trim();
    let mut child = spawn(&[
        "--bind",
        "127.0.0.1:0",
        "--config",
        file,
        "--audit-log",
        audit_file,
    ]);
    let address = address(&mut child);
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut until = |text: &str| {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            assert!(log.read_line(&mut line).unwrap() > 0, "{text}");
        }
    };
    let hang_up = |child: &Child| {
        let pid = child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-HUP", &pid])
                .status()
                .unwrap()
                .success()
        );
    };
    assert_eq!(status(&address, "/ws/river", secret), 101);
    assert_eq!(status(&address, "/ws/river/s", secret), 403);
    assert_eq!(status(&address, "/ws/river", "wrong"), 401);
    let right = fs::read_to_string(&path).unwrap();
    fs::write(&path, "wrong").unwrap();
    hang_up(&child);
    until("keeps its users, rights and settings of topics");
    assert_eq!(status(&address, "/ws/river", secret), 101);
    fs::write(&path, right.replace("call =", "serve =")).unwrap();
    let moved = directory.path().join("moved");
    fs::rename(&audit, &moved).unwrap();
    hang_up(&child);
    until("read the configuration again; changed users: 1");
    assert_eq!(status(&address, "/ws/river/s", secret), 101);
    terminate(&child);
    assert_eq!(child.wait().unwrap().code(), Some(0));

    let read = |path| {
        let text = fs::read_to_string(path).unwrap();
        let lines = text
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let lines = lines.map(|line| {
            let field = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
            assert!(!field("time").is_empty());
            (
                field("event"),
                field("user"),
                field("right"),
                line["status"].as_u64(),
            )
        });
        lines.collect::<Vec<_>>()
    };
    let event = |event: &str, user: &str, right: &str, status| {
        (event.to_owned(), user.to_owned(), right.to_owned(), status)
    };
    let first = read(&moved);
    assert_eq!(
        first[..4],
        [
            event("login", "ada", "", None),
            event("refused", "ada", "serve", Some(403)),
            event("refused", "", "", Some(401)),
            event("config", "", "", None),
        ]
    );
    let later = read(&audit);
    assert!(
        later.contains(&event("rights", "ada", "", None)),
        "{later:?}"
    );
}
