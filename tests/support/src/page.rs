//! Pages over HTTP, read without a library.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

/// Returns the status and the text of a page of a server on this machine.
pub async fn get(port: u16, path: &str) -> (u16, String) {
    let path = path.to_owned();
    let reading = tokio::task::spawn_blocking(move || get_now(port, &path));
    reading.await.unwrap()
}

/// The same as [`get`], for tests without a runtime.
pub fn get_now(port: u16, path: &str) -> (u16, String) {
    // Without keep-alive, the response ends with the connection.
    let request = format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n");
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap();
    (status.parse().unwrap(), body.to_owned())
}
