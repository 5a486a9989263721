//! The numbers of a broker for Prometheus.
//!
//! They have no label with the name of a topic: everybody may make topics.

use std::fmt;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::hub::{Gauges, Hub};
use crate::refusal::Refusal;

/// The numbers at one time.
#[derive(Debug)]
struct Numbers {
    counters: [(&'static str, &'static str, Option<Unit>, u64); 11],
    gauges: Vec<(&'static str, &'static str, Option<Unit>, u64)>,
    commits: Option<u64>,
}

/// Returns the page with all numbers.
pub(super) fn page(hub: &Hub, connections: usize) -> Result<Response, Refusal> {
    let mut registry = Registry::with_prefix("dasf_broker");
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    registry.register("build", "The version of the broker", Info::new(version));
    registry.register_collector(Box::new(Numbers::of(hub, connections)));
    let mut text = String::new();
    encode(&mut text, &registry)
        .map_err(|error| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error))?;
    let kind =
        HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

impl Numbers {
    fn of(hub: &Hub, connections: usize) -> Self {
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
        let mut gauges = vec![
            ("connections", "Open WebSockets", None, number(connections)),
            (
                "connections_max",
                "The limit max_connections",
                None,
                number(hub.limits.max_connections),
            ),
            (
                "topics",
                "Topics, with those of callers",
                None,
                number(topics),
            ),
            (
                "topics_max",
                "The limit max_topics",
                None,
                number(hub.limits.max_topics),
            ),
            (
                "subscriptions",
                "Subscriptions",
                None,
                number(subscriptions),
            ),
            (
                "listeners",
                "Consumers, on sockets and on links",
                None,
                number(listeners),
            ),
            (
                "messages_waiting",
                "Messages that no consumer has",
                None,
                number(waiting),
            ),
            (
                "messages_unacknowledged",
                "Messages that consumers have and did not acknowledge",
                None,
                number(unacknowledged),
            ),
            (
                "dead_requests",
                "Requests that are put aside",
                None,
                number(dead_requests),
            ),
            (
                "dead_requests_max",
                "The limit max_dead_requests",
                None,
                number(hub.limits.max_dead_requests),
            ),
            (
                "dead",
                "The size of the requests that are put aside",
                Some(Unit::Bytes),
                number(dead_bytes),
            ),
            (
                "memory",
                "The memory of messages, subscriptions and topics",
                Some(Unit::Bytes),
                number(budget.used()),
            ),
            (
                "memory_max",
                "The limit max_memory",
                Some(Unit::Bytes),
                number(budget.max()),
            ),
            (
                "outgoing",
                "What waits for peers to read it, beyond the part that each has",
                Some(Unit::Bytes),
                number(outgoing.used()),
            ),
        ];
        gauges.extend(store.map(|store| {
            let help = "The files of the data directory";
            ("store", help, Some(Unit::Bytes), store.size())
        }));
        Self {
            counters: [
                (
                    "messages_published",
                    "Messages accepted from producers",
                    None,
                    counters.published.get(),
                ),
                (
                    "messages_delivered",
                    "Deliveries to consumers, with redeliveries",
                    None,
                    counters.delivered.get(),
                ),
                (
                    "messages_acknowledged",
                    "Messages that a consumer acknowledged",
                    None,
                    counters.acknowledged.get(),
                ),
                (
                    "messages_redelivered",
                    "Redeliveries",
                    None,
                    counters.redelivered.get(),
                ),
                (
                    "messages_refused",
                    "Frames of producers that the broker refused",
                    None,
                    counters.refused.get(),
                ),
                (
                    "messages_dead_lettered",
                    "Messages that moved to a dead-letter topic",
                    None,
                    counters.dead_lettered.get(),
                ),
                (
                    "messages_put_aside",
                    "Messages put aside, because they ended those who worked on them",
                    None,
                    counters.put_aside.get(),
                ),
                (
                    "messages_dropped",
                    "Messages dropped without an acknowledgement",
                    None,
                    counters.dropped.get(),
                ),
                (
                    "messages_expired",
                    "Messages that nobody read in time",
                    None,
                    counters.expired.get(),
                ),
                (
                    "published",
                    "The size of the published messages",
                    Some(Unit::Bytes),
                    counters.published_bytes.get(),
                ),
                (
                    "delivered",
                    "The size of the delivered messages",
                    Some(Unit::Bytes),
                    counters.delivered_bytes.get(),
                ),
            ],
            gauges,
            commits: store.map(|store| store.commits()),
        }
    }
}

impl Collector for Numbers {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let commits = self.commits.map(|commits| {
            let help = "Commits of the data directory";
            ("store_commits", help, None, commits)
        });
        for (name, help, unit, value) in self.counters.iter().chain(&commits) {
            let metric = ConstCounter::new(*value);
            let described = encoder.encode_descriptor(
                name,
                &format!("{help}."),
                unit.as_ref(),
                metric.metric_type(),
            )?;
            metric.encode(described)?;
        }
        for (name, help, unit, value) in &self.gauges {
            let metric = ConstGauge::new(i64::try_from(*value).unwrap_or(i64::MAX));
            let described = encoder.encode_descriptor(
                name,
                &format!("{help}."),
                unit.as_ref(),
                metric.metric_type(),
            )?;
            metric.encode(described)?;
        }
        Ok(())
    }
}
