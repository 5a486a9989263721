//! A broker behind a proxy.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

use dasf_examples::arithmetic;

use crate::support::{Run, Stage};

/// A broker that only the proxy knows.
const HIDDEN_URL: &str = "ws://broker.test:8080/ws";

/// Starts a proxy that accepts the login `ada` with `s:cret`, and connects every request to one
/// place. Returns the place of the proxy.
fn proxy_to(place: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap().to_string();
    // The thread ends with the process of the test.
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, place) = (client.unwrap(), place.clone());
            // A program hangs up when it has its answer.
            thread::spawn(move || lead(client, &place));
        }
    });
    own
}

fn lead(mut client: TcpStream, place: &str) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    assert!(
        head.starts_with("CONNECT broker.test:8080 HTTP/1.1\r\n"),
        "{head}"
    );
    // `ada:s:cret` in base64.
    if !head.contains("\r\nProxy-Authorization: Basic YWRhOnM6Y3JldA==\r\n") {
        return client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
    }
    let mut broker = TcpStream::connect(place)?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    let (mut from_client, mut to_broker) = (client.try_clone()?, broker.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut from_client, &mut to_broker);
        to_broker.shutdown(Shutdown::Write)
    });
    io::copy(&mut broker, &mut client)?;
    client.shutdown(Shutdown::Write)
}

#[test]
fn a_call_goes_through_the_proxy_that_the_environment_names() {
    let stage = Stage::new(None);
    stage.serve(arithmetic::module().unwrap(), "arithmetic");
    let broker = stage.url().replace("ws://", "").replace("/ws", "");
    let proxy = proxy_to(broker);
    let call = |variables: &[(&str, &str)]| {
        let mut command = stage.command(&["-t", "arithmetic", "call", "add", "a=1"]);
        command.env("DE_BACKEND_WEBSOCKET_URL", HIDDEN_URL);
        for name in ["http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY"] {
            command.env_remove(name);
        }
        command.envs(variables.iter().copied());
        Run(command.output().unwrap())
    };
    let with_login = format!("http://ada:s%3Acret@{proxy}");
    assert_eq!(call(&[("http_proxy", &with_login)]).succeeds(), "3\n");

    let without = format!("http://{proxy}");
    let refused = call(&[("HTTP_PROXY", &without)]).fails(1);
    assert_eq!(
        refused.split_once(": ").unwrap().1,
        format!(
            "the proxy {proxy} from HTTP_PROXY refuses a tunnel to broker.test:8080 with status 407; put the user \
             name and the password into the URL of the proxy: http://USER:PASSWORD@HOST:PORT"
        )
    );
    // Nobody but the proxy knows that host.
    let directly = call(&[("http_proxy", &with_login), ("NO_PROXY", ".test")]).fails(1);
    assert!(directly.contains("; check the address"), "{directly}");
    let socks = call(&[("http_proxy", "socks5://ada:secret@h")]).fails(1);
    assert!(
        socks.contains("the variable http_proxy is not a supported proxy"),
        "{socks}"
    );
    assert!(!socks.contains("secret"), "{socks}");
}
