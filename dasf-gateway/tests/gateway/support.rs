//! A gateway in front of an embedded broker.

use std::net::SocketAddr;

use dasf::{Host, HostOptions, Module};
use dasf_broker::Broker;
use dasf_gateway::{Gateway, Options};
use dasf_runtime::Address;
use dasf_test_support::{broker, listen};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::http::{Answer, Request};

/// A gateway with its broker. A drop ends both.
pub struct Served {
    pub broker: Option<Broker>,
    pub address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Starts a gateway in front of a new embedded broker.
pub async fn gateway() -> Served {
    gateway_with(Options::default()).await
}

pub async fn gateway_with(options: Options) -> Served {
    let broker = broker().await;
    let address = Address::websocket(&broker.url()).unwrap();
    let mut served = gateway_at(address, options).await;
    served.broker = Some(broker);
    served
}

/// Starts a gateway in front of a broker.
pub async fn gateway_at(address: Address, options: Options) -> Served {
    let gateway = Gateway::new(address, options).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = async move {
        let served = gateway.serve(listener, std::future::pending()).await;
        served.unwrap();
    };
    Served {
        broker: None,
        address,
        serving: tokio::spawn(serving),
    }
}

impl Served {
    pub fn broker(&self) -> &Broker {
        self.broker.as_ref().unwrap()
    }

    /// Serves a module at the broker.
    pub async fn listen(&self, topic: &str, module: Module) -> Host {
        listen(self.broker(), topic, module, HostOptions::default()).await
    }

    pub fn request(&self, method: &str, path: &str) -> Request {
        Request::new(self.address, method, path)
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.request("GET", path).send().await
    }

    pub fn json(&self, path: &str, body: &Value) -> Request {
        self.request("POST", path)
            .header("content-type", "application/json")
            .body(body.to_string())
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.json(path, body).send().await
    }
}
