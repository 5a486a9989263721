//! A small server of pages over HTTP/1, for programs that watch this one.
//!
//! A connection carries one request, and nothing after its head is read.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// The largest head of a request, in bytes.
const MAX_HEAD: usize = 8 << 10;
/// The largest number of headers of a request.
const MAX_HEADERS: usize = 64;
/// How many connections are served at a time. Further ones wait.
const MAX_CONNECTIONS: usize = 16;
/// How long a connection may take.
const MAX_TIME: Duration = Duration::from_secs(10);
/// The pause after the operating system has refused to accept a connection.
const PAUSE: Duration = Duration::from_millis(100);

/// The answer to a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) status: Status,
    pub(super) content_type: &'static str,
    pub(super) text: String,
}

/// The status of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Ok,
    BadRequest,
    NotFound,
    MethodNotAllowed,
    HeadTooLarge,
    Failed,
    Unavailable,
}

impl Status {
    /// Returns the rest of the first line of an answer.
    fn line(self) -> &'static str {
        match self {
            Self::Ok => "200 OK",
            Self::BadRequest => "400 Bad Request",
            Self::NotFound => "404 Not Found",
            // The header belongs to this status.
            Self::MethodNotAllowed => "405 Method Not Allowed\r\nallow: GET, HEAD",
            Self::HeadTooLarge => "431 Request Header Fields Too Large",
            Self::Failed => "500 Internal Server Error",
            Self::Unavailable => "503 Service Unavailable",
        }
    }
}

impl Page {
    pub(super) fn text(status: Status, text: &str) -> Self {
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            text: format!("{text}\n"),
        }
    }
}

/// Serves pages until it is dropped. `page` gets the path of a request.
pub(super) async fn serve(
    listener: TcpListener,
    page: impl Fn(&str) -> Page + Send + Sync + 'static,
) {
    let page = Arc::new(page);
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    while let Ok(permit) = Arc::clone(&connections).acquire_owned().await {
        match listener.accept().await {
            Ok((socket, _)) => {
                let page = Arc::clone(&page);
                tokio::spawn(async move {
                    // The peer is gone, or too slow.
                    let _ = tokio::time::timeout(MAX_TIME, answer(socket, &*page)).await;
                    drop(permit);
                });
            }
            Err(error) => {
                let error = error.to_string();
                tracing::warn!(error, "a connection to the status address is not accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Answers the request on a connection.
async fn answer(
    mut socket: impl AsyncRead + AsyncWrite + Unpin,
    page: impl Fn(&str) -> Page,
) -> io::Result<()> {
    let mut head = Vec::with_capacity(1024);
    let (page, has_body) = loop {
        if let Some(read) = read(&head, &page) {
            break read;
        }
        let room = MAX_HEAD.saturating_sub(head.len());
        if room == 0 {
            let text = format!("the head of a request must have at most {MAX_HEAD} bytes");
            break (Page::text(Status::HeadTooLarge, &text), true);
        }
        if (&mut socket).take(room as u64).read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    };
    let mut answer = format!(
        "HTTP/1.1 {}\r\ncontent-type: {}\r\ncontent-length: {}\r\ncache-control: no-store\r\nconnection: close\r\n\r\n",
        page.status.line(),
        page.content_type,
        page.text.len()
    );
    if has_body {
        answer.push_str(&page.text);
    }
    socket.write_all(answer.as_bytes()).await?;
    socket.shutdown().await
}

/// Returns the answer to the request with this head, and whether its text is sent; `None` if the head is not
/// complete.
fn read(head: &[u8], page: impl Fn(&str) -> Page) -> Option<(Page, bool)> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let refused = |status, text: &str| Some((Page::text(status, text), true));
    match request.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return None,
        Err(httparse::Error::TooManyHeaders) => {
            let text = format!("a request must have at most {MAX_HEADERS} headers");
            return refused(Status::HeadTooLarge, &text);
        }
        Err(error) => {
            return refused(Status::BadRequest, &format!("this is not HTTP/1: {error}"));
        }
    }
    let path = request.path.unwrap_or_default();
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    match request.method {
        Some("GET") => Some((page(path), true)),
        Some("HEAD") => Some((page(path), false)),
        _ => refused(Status::MethodNotAllowed, "only GET shows something here"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the answer to a request that comes in these parts.
    async fn ask(parts: &[&[u8]]) -> String {
        let (mut client, server) = tokio::io::duplex(64 << 10);
        let page = |path: &str| Page::text(Status::Ok, path);
        let asking = async {
            for part in parts {
                client.write_all(part).await.unwrap();
                tokio::task::yield_now().await;
            }
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            answer
        };
        let (answered, text) = tokio::join!(answer(server, page), asking);
        answered.unwrap();
        text
    }

    #[tokio::test]
    async fn a_page_has_one_answer_whatever_the_parts_of_its_request() {
        let whole = ask(&[b"GET /health?x=1 HTTP/1.1\r\nhost: a\r\n\r\n"]).await;
        assert!(whole.starts_with("HTTP/1.1 200 OK\r\n"), "{whole}");
        assert!(whole.contains("\r\ncontent-length: 8\r\n"), "{whole}");
        assert!(whole.ends_with("\r\n\r\n/health\n"), "{whole}");
        let parts: [&[u8]; 4] = [b"GE", b"T /health HTTP/1.1\r", b"\nhost: a", b"\r\n\r\n"];
        assert_eq!(ask(&parts).await, whole);
        let head = ask(&[b"HEAD /health HTTP/1.1\r\n\r\n"]).await;
        assert_eq!(head, whole.trim_end_matches("/health\n"));
    }

    #[tokio::test]
    async fn what_is_no_request_for_a_page_is_refused() {
        let many = "a: b\r\n".repeat(MAX_HEADERS + 1);
        let long = "a".repeat(MAX_HEAD);
        for (request, status) in [
            ("POST / HTTP/1.1\r\n\r\n".to_owned(), "405 "),
            ("\u{16}\u{3}\u{1}\u{2}\r\n\r\n".to_owned(), "400 "),
            (format!("GET / HTTP/1.1\r\n{many}\r\n"), "431 "),
            (format!("GET /{long}"), "431 "),
        ] {
            let answer = ask(&[request.as_bytes()]).await;
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status}")),
                "{answer}"
            );
        }
    }

    #[tokio::test]
    async fn a_peer_that_goes_gets_no_answer() {
        let (client, server) = tokio::io::duplex(64);
        drop(client);
        answer(server, |path: &str| Page::text(Status::Ok, path))
            .await
            .unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn silent_peers_do_not_keep_others_away() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(serve(listener, |path: &str| Page::text(Status::Ok, path)));
        let mut silent = Vec::new();
        for _ in 0..MAX_CONNECTIONS {
            silent.push(tokio::net::TcpStream::connect(address).await.unwrap());
        }
        let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
        socket.write_all(b"GET /x HTTP/1.1\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("/x\n"), "{answer}");
        serving.abort();
    }
}
