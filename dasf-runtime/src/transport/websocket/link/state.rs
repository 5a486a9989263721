//! The state of a link, which its task keeps over all connections.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use dasf_protocol::Topic;
use futures_util::stream::SelectAll;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use super::acknowledgements::Acknowledgements;
use super::handle::Shared;
use super::orders::{Addressed, Order};
use super::receipts::Receipts;
use super::role::LinkRole;
use super::subscription::{LinkSubscription, NewSubscription};
use super::unread::Unread;
use super::{LinkBroker, Links, Subscribing, agrees, asking_for_link, read_alone, run_of};
use crate::transport::subscriber::Given;
use crate::transport::websocket::connect::close;
use crate::transport::websocket::driver::{End, drive};
use crate::transport::websocket::producer::{CLOSE_TIMEOUT, LINGER, LINGER_CHECK};
use crate::transport::websocket::reconnect::{Work, keep_connected};
use crate::transport::websocket::{Connection, Dialect, Endpoint, KeepAlive, Opened, connect};
use crate::transport::{
    ConnectError, PublishError, SubscriberEnds, drop_superseded_reports, features,
};

/// How many orders wait without a connection.
const UNWRITTEN_LIMIT: usize = 4096;

/// The state of a link that outlives a single connection.
pub(super) struct LinkState<B> {
    pub(super) broker: B,
    links: Arc<Links>,
    pub(super) shared: Arc<Shared>,
    pub(super) queue: mpsc::Receiver<Order>,
    /// The orders to carry out: taken from the queue, or lost with a connection.
    pub(super) unwritten: VecDeque<Order>,
    /// The messages that were written and have no receipt yet, and the notifications between them.
    pub(super) receipts: Receipts,
    /// The messages to topics that nobody reads yet.
    pub(super) unread: Unread,
    /// The topics that the link reads.
    pub(super) subscriptions: HashMap<Topic, LinkSubscription>,
    /// The acknowledgements of all subscribers.
    pub(super) acknowledgements: SelectAll<Acknowledgements>,
    /// The run of the broker on the last connection.
    broker_run: Option<HeaderValue>,
    /// The number of the connection.
    pub(super) connection: u64,
    /// Whether the broker names the users who send the messages on it.
    pub(super) names_users: bool,
    /// Whether the connection carried a message to a subscriber, or a receipt.
    pub(super) was_useful: bool,
    /// When the last connection was lost.
    pub(super) disconnected_since: Instant,
    /// When a lost connection came back.
    pub(super) reconnected: Option<Instant>,
    /// Dropped when the link is closed.
    closing: Vec<oneshot::Sender<()>>,
}

/// The answer of the broker to the handshake.
struct Answer {
    /// Whether the broker agrees to a link.
    agrees: bool,
    run: Option<HeaderValue>,
}

/// The connections of a link. Its writer is the answer of the broker.
struct LinkDialect;

impl LinkDialect {
    fn connection(opened: Opened) -> Connection<Answer, ()> {
        Connection {
            writer: Answer {
                agrees: agrees(&opened.headers),
                run: run_of(&opened.headers),
            },
            names_users: features::has(&opened.headers, features::USERS),
            hold: None,
            socket: opened.socket,
            reader: (),
            window: usize::MAX,
            keep_alive: KeepAlive::default(),
            goodbye: None,
        }
    }
}

impl Dialect for LinkDialect {
    type Writer = Answer;
    type Reader = ();

    async fn connect(&self, endpoint: &Endpoint) -> Result<Connection<Answer, ()>, ConnectError> {
        Ok(Self::connection(connect(endpoint).await?))
    }
}

impl<B: LinkBroker> LinkState<B> {
    pub(super) fn new(broker: B, links: Arc<Links>) -> (Self, Arc<Shared>) {
        let (shared, queue) = Shared::new();
        let link = Self {
            broker,
            links,
            shared: Arc::clone(&shared),
            queue,
            unwritten: VecDeque::new(),
            receipts: Receipts::default(),
            unread: Unread::default(),
            subscriptions: HashMap::new(),
            acknowledgements: SelectAll::new(),
            broker_run: None,
            connection: 0,
            names_users: false,
            was_useful: false,
            disconnected_since: Instant::now(),
            reconnected: None,
            closing: Vec::new(),
        };
        (link, shared)
    }

    /// Runs until the link has no handles and subscribers. `opened` reads the first topic.
    pub(super) async fn run(mut self, opened: Opened, first: Subscribing, ends: SubscriberEnds) {
        // The handshake of a producer cannot be refused because of one subscription.
        let endpoint = asking_for_link(self.broker.producer(&first.topic));
        let topic = first.topic.clone();
        let connection = LinkDialect::connection(opened);
        self.subscribe(NewSubscription {
            subscribing: first,
            ends,
        });
        if let Some(first) = self.subscriptions.get_mut(&topic) {
            first.open(connection.names_users);
        }
        let opened = Some(connection);
        let shared = Arc::clone(&self.shared);
        keep_connected(&LinkDialect, &endpoint, opened, &mut self, &shared.state).await;
        shared.end();
        self.abandon().await;
    }

    /// Adds a subscription, which the broker does not know yet.
    pub(super) fn subscribe(&mut self, new: NewSubscription) {
        match self.subscriptions.entry(new.subscribing.topic.clone()) {
            Entry::Vacant(entry) => {
                let (subscription, acknowledgements) = LinkSubscription::new(new);
                self.acknowledgements.push(acknowledgements);
                entry.insert(subscription);
            }
            // A link reads a topic once.
            Entry::Occupied(_) => {
                let broker = self.broker.clone();
                tokio::spawn(async move {
                    read_alone(&broker, new.subscribing, new.ends).await;
                });
            }
        }
    }

    /// Returns whether no message is on the way.
    pub(super) fn has_nothing_to_send(&self) -> bool {
        self.unwritten.is_empty() && self.receipts.is_empty() && self.unread.is_empty()
    }

    /// Returns whether all handles of subscribers are gone.
    pub(super) fn has_no_subscribers(&self) -> bool {
        self.subscriptions.values().all(|it| it.has_ended)
    }

    /// Reports the outcome of a message, or notifies a sender. The notification of the last sender
    /// waits until the link is closed.
    pub(super) fn settle(&mut self, order: Order, outcome: Result<(), PublishError>) {
        match order {
            Order::Publish(message) => message.queued.settle(&message.topic, outcome),
            Order::Flush(notify) => {
                if self.shared.is_unused() && self.has_no_subscribers() {
                    self.closing.push(notify);
                } else {
                    // The sender may be gone.
                    let _ = notify.send(());
                }
            }
            Order::Subscribe(new) => self.subscribe(*new),
        }
    }

    /// Settles the messages whose receipts have come.
    pub(super) fn settle_receipted(&mut self) {
        while let Some(order) = self.receipts.take_settled() {
            self.settle(order, Ok(()));
        }
    }

    /// Prepares for a new connection: what was lost with the last one goes first.
    fn restart(&mut self) {
        for order in self.receipts.drain().rev() {
            self.unwritten.push_front(order);
        }
        drop_superseded_reports(&mut self.unwritten, |order| match order {
            Order::Publish(message) => Some((Some(&message.topic), &message.queued)),
            Order::Flush(_) | Order::Subscribe(_) => None,
        });
        // The first connection has a subscription already.
        if self.connection > 0 {
            self.reconnected = Some(Instant::now());
            self.subscriptions.retain(|_, it| !it.has_ended);
            for subscription in self.subscriptions.values_mut() {
                subscription.restart();
            }
        }
        self.connection += 1;
        self.was_useful = false;
        let lost = self.unwritten.iter().take_while(|order| match order {
            Order::Publish(message) => message.queued.written_at().is_some(),
            Order::Flush(_) | Order::Subscribe(_) => true,
        });
        let lost = lost.filter(|order| matches!(order, Order::Publish(_)));
        self.receipts.restart(lost.count());
    }

    /// Counts a loss if the broker is in another run.
    fn compare(&mut self, run: Option<HeaderValue>) {
        if run.is_some() {
            let last = std::mem::replace(&mut self.broker_run, run);
            if last.is_some() && last != self.broker_run {
                self.shared.broker_losses.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Tells the subscribers that there is no connection.
    fn tell_subscribers(&self, failure: &ConnectError) {
        for subscription in self.subscriptions.values() {
            subscription.disconnect(failure);
        }
    }

    /// Takes orders and acknowledgements while there is no connection.
    fn take_without_connection(&mut self) {
        let disconnected_for = self.disconnected_since.elapsed();
        while self.unwritten.len() < UNWRITTEN_LIMIT
            && let Ok(order) = self.queue.try_recv()
        {
            match order {
                Order::Subscribe(new) => self.subscribe(*new),
                order => self.unwritten.push_back(order),
            }
        }
        self.subscriptions.retain(|_, it| !it.has_ended);
        // The acknowledgements are for messages that the broker delivers again.
        while let Some(Some((topic, given))) = self.acknowledgements.next().now_or_never() {
            if given.is_empty() {
                self.subscriptions.remove(&topic);
            }
        }
        let has_lost_patience = |order: &Order| match order {
            Order::Publish(message) => message
                .patience
                .is_some_and(|patience| disconnected_for >= patience),
            Order::Flush(_) | Order::Subscribe(_) => false,
        };
        let written = self.receipts.drain();
        let orders: VecDeque<_> = written.chain(self.unwritten.drain(..)).collect();
        for order in orders {
            let is_first = self.unwritten.is_empty();
            if has_lost_patience(&order) {
                self.settle(order, Err(PublishError::Closed));
            } else if is_first && matches!(order, Order::Flush(_)) {
                self.settle(order, Ok(()));
            } else {
                self.unwritten.push_back(order);
            }
        }
    }

    /// Reads and publishes over ordinary sockets, because the broker no longer offers links.
    async fn go_on_without_link(&mut self) {
        self.shared.is_replaced.store(true, Ordering::Relaxed);
        self.links.give_up();
        let mut acknowledgements: HashMap<Topic, mpsc::Receiver<Given>> = self
            .acknowledgements
            .iter_mut()
            .filter_map(Acknowledgements::take)
            .collect();
        self.acknowledgements.clear();
        for (topic, subscription) in self.subscriptions.drain() {
            if let Some(acknowledgements) = acknowledgements.remove(&topic) {
                let broker = self.broker.clone();
                let NewSubscription { subscribing, ends } = subscription.into_new(acknowledgements);
                tokio::spawn(async move {
                    read_alone(&broker, subscribing, ends).await;
                });
            }
        }
        let mut publishers = HashMap::new();
        loop {
            let order = match self.unwritten.pop_front() {
                Some(order) => order,
                None => match tokio::time::timeout(LINGER_CHECK, self.queue.recv()).await {
                    Ok(Some(order)) => order,
                    _ if self.shared.try_end(&self.queue) => break,
                    _ => continue,
                },
            };
            match order {
                // Only the topics of the handles that were there before.
                Order::Publish(message) => {
                    let Addressed { topic, queued, .. } = *message;
                    let publisher = publishers
                        .entry(topic.clone())
                        .or_insert_with(|| self.broker.publisher(&topic));
                    if let Err(queued) = publisher.forward(queued).await {
                        queued.settle(&topic, Err(PublishError::Closed));
                    }
                }
                Order::Flush(notify) => {
                    for (_, publisher) in publishers.drain() {
                        publisher.finish().await;
                    }
                    // The sender may be gone.
                    let _ = notify.send(());
                }
                Order::Subscribe(new) => {
                    let broker = self.broker.clone();
                    tokio::spawn(async move {
                        read_alone(&broker, new.subscribing, new.ends).await;
                    });
                }
            }
        }
        for (_, publisher) in publishers {
            publisher.finish().await;
        }
    }

    /// Drops the remaining messages and reports the error to their senders.
    async fn abandon(&mut self) {
        let error = match self.shared.state.borrow().failure() {
            Some(failure) if failure.is_refusal() => PublishError::Refused(failure.to_string()),
            _ => PublishError::Closed,
        };
        self.queue.close();
        let mut left: Vec<_> = self.receipts.drain().collect();
        left.extend(self.unread.take());
        left.extend(self.unwritten.drain(..));
        // A sender that has its place in the queue already may still be about to fill it.
        while let Some(order) = self.queue.recv().await {
            left.push(order);
        }
        let messages = left.into_iter().filter_map(|order| match order {
            Order::Publish(message) => Some(message),
            Order::Flush(_) | Order::Subscribe(_) => None,
        });
        let mut count = 0;
        for message in messages {
            message.queued.settle(&message.topic, Err(error.clone()));
            count += 1;
        }
        if count > 0 {
            tracing::error!(count, "dropped messages because there is no connection");
        }
    }
}

impl<B: LinkBroker> Work<Answer, ()> for LinkState<B> {
    const NAME: &'static str = "link";

    async fn serve(&mut self, connection: Connection<Answer, ()>) -> ControlFlow<(), String> {
        let Connection {
            mut socket,
            writer: Answer { agrees, run },
            keep_alive,
            goodbye,
            names_users,
            ..
        } = connection;
        self.names_users = names_users;
        self.restart();
        self.compare(run);
        if !agrees {
            drop(socket);
            self.go_on_without_link().await;
            return ControlFlow::Break(());
        }
        let mut role = LinkRole::new(self);
        match drive(&mut socket, keep_alive, &mut role).await {
            End::Finished => {
                // Errors no longer matter, because everything is sent.
                let _ = tokio::time::timeout(CLOSE_TIMEOUT, close(socket, goodbye)).await;
                ControlFlow::Break(())
            }
            End::Lost(reason) => {
                self.disconnected_since = Instant::now();
                self.unwritten.extend(self.unread.take());
                self.receipts.count_loss(&reason);
                ControlFlow::Continue(reason)
            }
        }
    }

    fn was_useful(&self) -> bool {
        self.was_useful
    }

    async fn unwanted(&mut self) {
        let mut unused_since = None;
        loop {
            let failure = self.shared.state.borrow().failure().cloned();
            self.take_without_connection();
            if let Some(failure) = &failure {
                self.tell_subscribers(failure);
            }
            if self.shared.is_unused() && self.subscriptions.is_empty() {
                let since = *unused_since.get_or_insert_with(Instant::now);
                let may_end = self.has_nothing_to_send() || since.elapsed() >= LINGER;
                if may_end && self.shared.try_end(&self.queue) {
                    return;
                }
            }
            tokio::time::sleep(LINGER_CHECK).await;
        }
    }
}
