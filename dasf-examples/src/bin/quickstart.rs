//! A broker, a module and a client in one process: every kind of call, with its answer. With `--serve`, the broker and
//! the module stay, and people call the functions from a page.

#![allow(clippy::print_stdout)] // this program speaks to a person

use std::error::Error;
use std::fmt::{Debug, Display};
use std::future::pending;
use std::time::Duration;

use dasf::{Address, Host, HostOptions};
use dasf_broker::Broker;
use dasf_examples::arithmetic;
use dasf_gateway::{Gateway, Options};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let stays = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("--serve") => true,
        Some(other) => {
            return Err(format!("unknown argument {other}; only --serve is known").into());
        }
    };
    let broker = Broker::builder()
        .bind(([127, 0, 0, 1], 0).into())
        .start()
        .await?;
    let url = broker.url();
    let topic = "arithmetic".parse()?;
    let address = Address::websocket(&url)?;
    let gateway = Gateway::new(address.clone(), Options::default())?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let page = format!("http://{}/", listener.local_addr()?);
    tokio::spawn(async move { gateway.serve(listener, pending()).await });
    let host = Host::start(
        arithmetic::module()?,
        &topic,
        address,
        HostOptions::default(),
    )
    .await?;
    let client = arithmetic::Client::connect(&url).await?;

    println!("broker   {url}");
    println!("module   arithmetic, listening on topic {topic}");
    println!("client   connected\n");

    show("add(1)", client.add(1).await);
    show("add(1).b(5)", client.add(1).b(5).await);
    show("sqrt(2.0)", client.sqrt(2.0).await);
    show("sqrt(-1.0)", client.sqrt(-1.0).await);
    let ada = client.greeter().greeting("Yo").greet("Ada").await;
    show(r#"greeter().greeting("Yo").greet("Ada")"#, ada);
    println!("count(5), with its progress reports:");
    let counted = client
        .count(5)
        .timeout(Duration::from_secs(30))
        .on_progress(|report| println!("    {report}"))
        .await;
    show("count(5)", counted);
    show("count(5000)", client.count(5000).await);

    let calls = (0..100).map(|number| tokio::spawn(client.add(number).into_future()));
    let mut sum = 0;
    for call in calls.collect::<Vec<_>>() {
        sum += call.await??;
    }
    show("100 calls of add at once, summed", Ok::<_, String>(sum));

    if stays {
        println!("\nCall the functions from the page {page}, and stop with Ctrl-C.");
        tokio::signal::ctrl_c().await?;
    } else {
        println!("\nThe page {page} was there, too. Add `-- --serve` to the command to keep it.");
    }

    host.shutdown().await;
    broker.shutdown().await;
    Ok(())
}

fn show(call: &str, answer: Result<impl Debug, impl Display>) {
    match answer {
        Ok(value) => println!("{call:<40} -> {value:?}"),
        Err(error) => println!("{call:<40} -> {error}"),
    }
}
