//! A small HTTP client, which shows what is on the wire.

use std::collections::HashMap;
use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// The answer to a request.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map(String::as_str)
            .unwrap_or_default()
    }

    /// Checks that this is a problem, and returns its detail.
    pub fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json");
        let document = self.json();
        assert_eq!(document["status"], status);
        assert!(
            document["type"]
                .as_str()
                .unwrap()
                .starts_with("urn:dasf:problem:")
        );
        document["detail"].as_str().unwrap().to_owned()
    }
}

/// A request that is about to be sent.
#[derive(Debug, Clone)]
pub struct Request {
    address: SocketAddr,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// The size of the body that the request announces, if it is another one.
    announced: Option<usize>,
}

impl Request {
    pub fn new(address: SocketAddr, method: &str, path: &str) -> Self {
        Self {
            address,
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            announced: None,
        }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Announces a body of another size than that which is sent.
    pub fn announce(mut self, size: usize) -> Self {
        self.announced = Some(size);
        self
    }

    /// Returns the bytes before the body.
    fn head(&self) -> String {
        let mut head = format!(
            "{} {} HTTP/1.1\r\nconnection: close\r\n",
            self.method, self.path
        );
        let size = self.announced.unwrap_or(self.body.len());
        let mut has_host = false;
        for (name, value) in &self.headers {
            has_host |= name == "host";
            head += &format!("{name}: {value}\r\n");
        }
        if !has_host {
            head += &format!("host: {}\r\n", self.address);
        }
        head + &format!("content-length: {size}\r\n\r\n")
    }

    /// Sends the request, and reads the head of its answer.
    pub async fn open(&self) -> Open {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(self.head().as_bytes()).await.unwrap();
        // The server may answer before it has read all.
        let _ = stream.write_all(&self.body).await;
        let mut stream = BufReader::new(stream);
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let status = lines[0].split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines[1..].iter().map(|line| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        });
        Open {
            status,
            headers: headers.collect(),
            stream,
        }
    }

    /// Sends the request, and reads the whole answer.
    pub async fn send(&self) -> Answer {
        let mut open = self.open().await;
        let mut body = Vec::new();
        if open.is_chunked() {
            while let Some(chunk) = open.chunk().await {
                body.extend(chunk);
            }
        } else {
            open.stream.read_to_end(&mut body).await.unwrap();
        }
        Answer {
            status: open.status,
            headers: open.headers,
            body,
        }
    }
}

/// An answer that still comes.
pub struct Open {
    pub status: u16,
    pub headers: HashMap<String, String>,
    stream: BufReader<TcpStream>,
}

impl Open {
    fn is_chunked(&self) -> bool {
        self.headers
            .get("transfer-encoding")
            .is_some_and(|it| it == "chunked")
    }

    async fn chunk(&mut self) -> Option<Vec<u8>> {
        let mut line = String::new();
        self.stream.read_line(&mut line).await.unwrap();
        let size = usize::from_str_radix(line.trim(), 16).ok()?;
        let mut chunk = vec![0; size + 2];
        self.stream.read_exact(&mut chunk).await.unwrap();
        chunk.truncate(size);
        (size > 0).then_some(chunk)
    }

    /// Returns the name and the data of the next event. Each is in a chunk of its own.
    pub async fn event(&mut self) -> Option<(String, Value)> {
        loop {
            let chunk = String::from_utf8(self.chunk().await?).unwrap();
            let (mut name, mut data) = (String::new(), String::new());
            for line in chunk.lines() {
                match line.split_once(": ") {
                    Some(("event", value)) => name = value.to_owned(),
                    Some(("data", value)) => data.push_str(value),
                    _ => {}
                }
            }
            // Otherwise it is a comment that keeps the connection.
            if !name.is_empty() {
                return Some((name, serde_json::from_str(&data).unwrap()));
            }
        }
    }

    /// Returns all events until the end.
    pub async fn events(mut self) -> Vec<(String, Value)> {
        let mut events = Vec::new();
        while let Some(event) = self.event().await {
            events.push(event);
        }
        events
    }
}
