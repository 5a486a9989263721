//! The quickstart, which people run first.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

use dasf_test_support::program::signal;

use crate::command;

const QUICKSTART: &str = env!("CARGO_BIN_EXE_quickstart");

#[test]
fn the_quickstart_ends_with_the_address_of_the_page() {
    let output = command(QUICKSTART, &[]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let last = text.lines().last().unwrap();
    assert!(last.starts_with("The page http://127.0.0.1:"), "{last}");
    assert!(last.contains("--serve"), "{last}");
}

#[test]
fn the_page_of_the_quickstart_stays_with_serve() {
    let mut quickstart = command(QUICKSTART, &["--serve"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(quickstart.stdout.take().unwrap()).lines();
    let mut lines = lines.map(Result::unwrap);
    let last = lines.find(|line| line.contains("Ctrl-C")).unwrap();
    let (_, url) = last.split_once("http://").unwrap();
    let (address, _) = url.split_once('/').unwrap();
    let answer = |path: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let sum = answer("/api/arithmetic/add?a=1&b=5");
    assert!(
        sum.starts_with("HTTP/1.1 200") && sum.ends_with("\r\n\r\n6"),
        "{sum}"
    );
    let page = answer("/");
    assert!(page.contains("<!doctype html>"), "{page}");
    signal(quickstart.id(), "-INT");
    assert!(quickstart.wait().unwrap().success());
}
