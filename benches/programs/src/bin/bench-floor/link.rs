//! Many WebSockets in one task: all are read at once, and written when nothing is left to read.

use dasf_bench_load::AnyError;
use futures_util::stream::{SelectAll, SplitSink, SplitStream};
use futures_util::{FutureExt, SinkExt, StreamExt, stream};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

/// The size of the buffer of each socket. `tungstenite` clears the whole buffer before each read, and
/// that of its default size takes longer than the rest when there are many sockets.
const READ_BUFFER: usize = 16 * 1024;

/// Returns the settings of all sockets.
pub(crate) fn settings() -> WebSocketConfig {
    WebSocketConfig::default().read_buffer_size(READ_BUFFER)
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The sockets of a process.
#[derive(Default)]
pub(crate) struct Links {
    readers: SelectAll<Reader>,
    writers: Vec<Writer>,
    /// The sockets with something to flush.
    waiting: Vec<usize>,
}

struct Writer {
    sink: SplitSink<Socket, Message>,
    is_waiting: bool,
}

/// Reads a socket, and tells which one it is.
type Reader = stream::Zip<stream::Repeat<usize>, SplitStream<Socket>>;

impl Links {
    /// Opens a socket, and returns its number.
    pub(crate) async fn open(&mut self, url: &str) -> Result<usize, AnyError> {
        let (socket, _) = connect_async_with_config(url, Some(settings()), true).await?;
        let (sink, reader) = socket.split();
        let number = self.writers.len();
        self.readers.push(stream::repeat(number).zip(reader));
        self.writers.push(Writer {
            sink,
            is_waiting: false,
        });
        Ok(number)
    }

    /// Returns the next text, and the number of its socket. Flushes before it waits.
    pub(crate) async fn next(&mut self) -> Result<(usize, Utf8Bytes), AnyError> {
        let read = match self.readers.next().now_or_never() {
            Some(read) => read,
            None => {
                self.flush().await?;
                self.readers.next().await
            }
        };
        let (number, message) = read.ok_or("all connections are closed")?;
        match message? {
            Message::Text(text) => Ok((number, text)),
            other => Err(format!("a text was expected, not {other:?}").into()),
        }
    }

    /// Puts a text into the buffer of a socket.
    pub(crate) async fn feed(&mut self, number: usize, text: Utf8Bytes) -> Result<(), AnyError> {
        let writer = self.writers.get_mut(number).ok_or("no such socket")?;
        writer.sink.feed(Message::Text(text)).await?;
        if !writer.is_waiting {
            writer.is_waiting = true;
            self.waiting.push(number);
        }
        Ok(())
    }

    /// Writes what is in the buffers.
    pub(crate) async fn flush(&mut self) -> Result<(), AnyError> {
        for number in self.waiting.drain(..) {
            let writer = &mut self.writers[number];
            writer.is_waiting = false;
            writer.sink.flush().await?;
        }
        Ok(())
    }
}
