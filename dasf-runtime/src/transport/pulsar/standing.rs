//! The subscription of modules without a group on topics that keep messages.
//!
//! It has the same name for all of them, and stays when its reader dies. So the next module gets what the last one
//! did not acknowledge. A subscription has one reader. While another module reads this one, a module reads the topic by
//! a subscription of its own, which ends with its connection, and looks from time to time whether its turn has come.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dasf_protocol::Delivery;
use dasf_protocol::properties::key;
use tokio_tungstenite::tungstenite::Message;

use super::{Endpoint, Json, UNSUBSCRIBE};
use crate::transport::ConnectError;
use crate::transport::json::Frame;
use crate::transport::subscriber::Acknowledgement;
use crate::transport::websocket::{Connection, Dialect, HAS_A_READER, WriteAcknowledgements};

/// The name of the subscription.
pub(super) const NAME: &str = "dasf-module";

/// How long a module waits before it looks for the first time whether its turn has come. A Pulsar needs a moment to
/// notice that the last module is gone.
const FIRST_LOOK: Duration = Duration::from_secs(1);

/// The longest time between two looks. A Pulsar needs up to five minutes to notice that a machine is gone.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Reads the subscription, or another one until its turn has come.
pub(super) struct Standing {
    json: Json,
    /// The subscription of this module alone.
    own: Endpoint,
    /// Whether the open connection reads the subscription of this module alone.
    reads_own: AtomicBool,
    /// Whether a job has come.
    has_had_jobs: Arc<AtomicBool>,
}

/// Writes the acknowledgements, and notices jobs.
pub(super) struct Acknowledging {
    json: Json,
    has_had_jobs: Arc<AtomicBool>,
}

impl Standing {
    pub(super) fn new(json: Json, own: Endpoint) -> Self {
        Self {
            json,
            own,
            reads_own: AtomicBool::new(false),
            has_had_jobs: Arc::default(),
        }
    }

    async fn open(
        &self,
        endpoint: &Endpoint,
        farewell: Option<&'static str>,
    ) -> Result<Connection<Acknowledging, Frame>, ConnectError> {
        let json = Json {
            farewell,
            ..self.json.clone()
        };
        let Connection {
            socket,
            writer,
            reader,
            window,
            keep_alive,
            goodbye,
            names_users,
            hold,
        } = json.connect(endpoint).await?;
        self.reads_own.store(farewell.is_none(), Ordering::Relaxed);
        Ok(Connection {
            socket,
            writer: Acknowledging {
                json: writer,
                has_had_jobs: Arc::clone(&self.has_had_jobs),
            },
            reader,
            window,
            keep_alive,
            goodbye,
            names_users,
            hold,
        })
    }
}

impl Dialect for Standing {
    type Writer = Acknowledging;
    type Reader = Frame;

    async fn connect(
        &self,
        endpoint: &Endpoint,
    ) -> Result<Connection<Acknowledging, Frame>, ConnectError> {
        match self.open(endpoint, Some(UNSUBSCRIBE)).await {
            Err(ConnectError::Refused {
                status: HAS_A_READER,
                ..
            }) => self.open(&self.own, None).await,
            opened => opened,
        }
    }

    async fn better(&self, endpoint: &Endpoint) -> Connection<Acknowledging, Frame> {
        if !self.reads_own.load(Ordering::Relaxed) {
            return std::future::pending().await;
        }
        let mut pause = FIRST_LOOK;
        loop {
            tokio::time::sleep(pause).await;
            // Boxed, because a handshake needs far more memory than the connection.
            let opened = Box::pin(self.open(endpoint, Some(UNSUBSCRIBE))).await;
            if let Ok(connection) = opened {
                tracing::info!("the module reads the messages of an earlier one, which is gone");
                return connection;
            }
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }
}

impl WriteAcknowledgements for Acknowledging {
    fn frame(&mut self, acknowledgement: Acknowledgement) -> Option<Message> {
        self.json.frame(acknowledgement)
    }

    fn delivered(&mut self, delivery: &Delivery) -> Option<Message> {
        if delivery.properties.get(key::JOB).is_some() {
            self.has_had_jobs.store(true, Ordering::Relaxed);
        }
        None
    }

    /// Jobs may come while no module listens, and the last module may have left some. The next one gets them.
    fn leaves_work(&self) -> bool {
        self.has_had_jobs.load(Ordering::Relaxed)
    }
}
