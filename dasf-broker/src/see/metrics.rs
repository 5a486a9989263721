//! The numbers of a broker for Prometheus.
//!
//! They have no label with the name of a topic: everybody may make topics.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use dasf_program::metrics::{CONTENT_TYPE, Numbers};

use crate::hub::{Gauges, Hub};
use crate::refusal::Refusal;

/// Returns the page with all numbers.
pub(super) fn page(hub: &Hub, connections: usize) -> Result<Response, Refusal> {
    let version = [("version", env!("CARGO_PKG_VERSION").to_owned())];
    let text = numbers(hub, connections)
        .page("dasf_broker", "The version of the broker", &version)
        .map_err(|error| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error))?;
    let kind = HeaderValue::from_static(CONTENT_TYPE);
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

/// Returns the numbers of now.
fn numbers(hub: &Hub, connections: usize) -> Numbers {
    let counters = &hub.counters;
    let Gauges {
        topics,
        subscriptions,
        listeners,
        waiting,
        unacknowledged,
        dead_requests,
        dead_bytes,
    } = hub.gauges();
    let (budget, outgoing) = (&hub.origin.budget, &hub.outgoing);
    let store = hub.origin.keeping.as_ref().map(|keeping| &keeping.store);
    let number = |number: usize| number as u64;
    let mut numbers = Numbers::default();
    numbers.counter(
        "messages_published",
        "Messages accepted from producers",
        counters.published.get(),
    );
    numbers.counter(
        "messages_delivered",
        "Deliveries to consumers, with redeliveries",
        counters.delivered.get(),
    );
    numbers.counter(
        "messages_acknowledged",
        "Messages that a consumer acknowledged",
        counters.acknowledged.get(),
    );
    numbers.counter(
        "messages_redelivered",
        "Redeliveries",
        counters.redelivered.get(),
    );
    numbers.counter(
        "messages_refused",
        "Frames of producers that the broker refused",
        counters.refused.get(),
    );
    numbers.counter(
        "messages_dead_lettered",
        "Messages that moved to a dead-letter topic",
        counters.dead_lettered.get(),
    );
    numbers.counter(
        "messages_put_aside",
        "Messages put aside, because they ended those who worked on them",
        counters.put_aside.get(),
    );
    numbers.counter(
        "messages_dropped",
        "Messages dropped without an acknowledgement",
        counters.dropped.get(),
    );
    numbers.counter(
        "messages_expired",
        "Messages that nobody read in time",
        counters.expired.get(),
    );
    numbers.bytes_counter(
        "published",
        "The size of the published messages",
        counters.published_bytes.get(),
    );
    numbers.bytes_counter(
        "delivered",
        "The size of the delivered messages",
        counters.delivered_bytes.get(),
    );
    if let Some(store) = store {
        numbers.counter(
            "store_commits",
            "Commits of the data directory",
            store.commits(),
        );
    }
    numbers.gauge("connections", "Open WebSockets", number(connections));
    numbers.gauge(
        "connections_max",
        "The limit max_connections",
        number(hub.limits.max_connections),
    );
    numbers.gauge("topics", "Topics, with those of callers", number(topics));
    numbers.gauge(
        "topics_max",
        "The limit max_topics",
        number(hub.limits.max_topics),
    );
    numbers.gauge("subscriptions", "Subscriptions", number(subscriptions));
    numbers.gauge(
        "listeners",
        "Consumers, on sockets and on links",
        number(listeners),
    );
    numbers.gauge(
        "messages_waiting",
        "Messages that no consumer has",
        number(waiting),
    );
    numbers.gauge(
        "messages_unacknowledged",
        "Messages that consumers have and did not acknowledge",
        number(unacknowledged),
    );
    numbers.gauge(
        "dead_requests",
        "Requests that are put aside",
        number(dead_requests),
    );
    numbers.gauge(
        "dead_requests_max",
        "The limit max_dead_requests",
        number(hub.limits.max_dead_requests),
    );
    numbers.bytes_gauge(
        "dead",
        "The size of the requests that are put aside",
        number(dead_bytes),
    );
    numbers.bytes_gauge(
        "memory",
        "The memory of messages, subscriptions and topics",
        number(budget.used()),
    );
    numbers.bytes_gauge("memory_max", "The limit max_memory", number(budget.max()));
    numbers.bytes_gauge(
        "outgoing",
        "What waits for peers to read it, beyond the part that each has",
        number(outgoing.used()),
    );
    if let Some(store) = store {
        numbers.bytes_gauge("store", "The files of the data directory", store.size());
    }
    numbers
}
