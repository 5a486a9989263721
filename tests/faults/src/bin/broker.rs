//! A broker. The arguments: its port, and the directory in which it keeps its messages, if there is one.

// A program of tests panics when it fails.
#![allow(clippy::expect_used, clippy::unwrap_used)]

use dasf_broker::Broker;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().expect("a port").parse().unwrap();
    let mut builder = Broker::builder().bind(([127, 0, 0, 1], port).into());
    if let Some(directory) = arguments.next() {
        builder = builder.data_dir(directory);
    }
    let _broker = builder.start().await.unwrap();
    std::future::pending::<()>().await;
}
