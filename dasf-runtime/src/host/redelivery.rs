//! Requests that come again, because a module did not finish them.
//!
//! A request may end its module whenever it runs. So the host reports to a broker that counts it when
//! a redelivered request begins to run. The last attempt runs alone, so that the request is not blamed for
//! what another one does. After that, the broker puts the request aside.

use std::cmp::Ordering;

use dasf_protocol::Delivery;

use super::acknowledgement::AcknowledgePolicy;
use super::executor::{Call, Executor};
use super::options::HostOptions;

/// The earlier deliveries of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Redelivery {
    /// The number of earlier deliveries, if the broker counts them.
    count: u32,
    /// How often a module has begun the request after a redelivery, if the broker counts that.
    begun: Option<u32>,
    pub(super) attempt: Attempt,
}

impl Redelivery {
    /// Returns whether the broker has delivered the request before.
    pub(super) fn came_before(self) -> bool {
        self.count > 0
    }
}

/// The place of a delivery among the attempts to run its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempt {
    /// The host does not report that the request begins: it is the first delivery, or the broker does not
    /// count.
    Unreported,
    /// The host reports that the request begins.
    Reported,
    /// The same, and the request may run only once more.
    Last,
    /// The request may not run again here. A module that allows more deaths may have had it before.
    Exceeded,
}

impl Attempt {
    /// Returns whether the host has to report that the request begins.
    pub(super) fn must_report(self) -> bool {
        self != Self::Unreported
    }
}

/// How often a request that comes again may run.
#[derive(Debug, Clone, Copy)]
pub(super) struct RedeliveryLimit {
    /// The number of redeliveries that may begin.
    max: u32,
    /// Whether a broker that does not know what a module begins counts what it returns.
    counts_returns: bool,
}

impl RedeliveryLimit {
    pub(super) fn of(options: &HostOptions) -> Self {
        let max = options.max_deaths;
        Self {
            max: max.unwrap_or(HostOptions::DEFAULT_MAX_DEATHS),
            counts_returns: max.is_some() && options.group.is_some(),
        }
    }

    /// Returns the earlier deliveries of a request.
    pub(super) fn judge(self, delivery: &Delivery, policy: AcknowledgePolicy) -> Redelivery {
        let count = delivery.redelivery_count;
        let begun = delivery.begun_count.filter(|_| count > 0);
        let reported = begun.filter(|_| policy == AcknowledgePolicy::Answered);
        let attempt = match reported.map(|begun| begun.saturating_add(1).cmp(&self.max)) {
            None => Attempt::Unreported,
            Some(Ordering::Less) => Attempt::Reported,
            Some(Ordering::Equal) => Attempt::Last,
            Some(Ordering::Greater) => Attempt::Exceeded,
        };
        Redelivery {
            count,
            begun,
            attempt,
        }
    }

    /// Returns whether a request that was not begun can go back to the broker. If the broker counts
    /// deliveries, it would move the request to the dead-letter topic at the limit.
    pub(super) fn may_give_back(self, redelivery: Redelivery) -> bool {
        let next = redelivery.count.saturating_add(1);
        redelivery.begun.is_some() || !self.counts_returns || next < self.max
    }
}

impl Executor {
    /// Returns a request that may not run again to the broker, which puts it aside and tells its caller, unless
    /// a module comes back that still runs it.
    pub(super) async fn give_up(&self, call: Call) {
        tracing::error!(
            message_id = &*call.message_id,
            response_topic = call.reply.response_topic.as_str(),
            context = &*call.reply.context,
            max_deaths = self.limit.max,
            "request not run again: no module finished it, and it may have ended them"
        );
        self.leave(call).await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use dasf_protocol::properties::key;
    use dasf_protocol::{MessageType, Properties, Topic};
    use tokio::sync::{Semaphore, watch};
    use tokio::time::Instant;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::host::Acknowledge;
    use crate::host::dispatcher::Dispatcher;
    use crate::host::scripted::Scripted;
    use crate::host::search::OwnPings;
    use crate::module::Module;
    use crate::module::descriptor::{FunctionDescriptor, Handler, Member, ModuleDescriptor};
    use crate::outcome::Output;
    use crate::probe::Probe;
    use crate::transport::{Acknowledgement, Received, SubscriberEnds};

    /// The ids of the calls that have begun.
    static BEGUN: std::sync::LazyLock<watch::Sender<Vec<String>>> =
        std::sync::LazyLock::new(watch::Sender::default);
    /// Each permit lets a call end.
    static ENDS: Semaphore = Semaphore::const_new(0);

    static DESCRIPTOR: ModuleDescriptor = ModuleDescriptor {
        name: "test",
        topic: None,
        group: None,
        description: "",
        version: "1.0.0",
        members: &[Member::Function(FunctionDescriptor::new(
            "f",
            &[],
            Probe::<i64>::TYPE,
            Handler::Async(|invocation| {
                Box::pin(async move {
                    let id = invocation.context.message_id().to_owned();
                    BEGUN.send_modify(|begun| begun.push(id));
                    if let Ok(permit) = ENDS.acquire().await {
                        permit.forget();
                    }
                    Ok(Output(b"1".to_vec()))
                })
            }),
        ))],
    };

    fn delivery(id: &str, begun: Option<u32>) -> Received {
        let properties = Properties::new()
            .with_message_type(MessageType::Request)
            .with(key::REQUEST_CONTEXT, id)
            .with(key::RESPONSE_TOPIC, "caller");
        let payload = Bytes::from_static(br#"{"func_name": "f"}"#);
        let mut delivery = Delivery::new(id, payload.into(), properties);
        delivery.redelivery_count = begun.map_or(0, |begun| begun + 1);
        delivery.begun_count = begun;
        Received {
            delivery,
            connection: 1,
            names_users: false,
            at: Instant::now(),
        }
    }

    /// Waits until these calls have begun.
    async fn begun(expected: &[&str]) {
        let mut begun = BEGUN.subscribe();
        let come = begun.wait_for(|begun| begun == expected);
        let waited = tokio::time::timeout(Duration::from_secs(60), come);
        assert!(waited.await.is_ok(), "{:?}", *BEGUN.borrow());
    }

    #[tokio::test(start_paused = true)]
    async fn a_last_attempt_runs_alone_and_never_beside_another_one() {
        let (transport, mut opened, mut subscribed) = Scripted::open();
        let options = HostOptions::default().acknowledge(Acknowledge::Completed);
        let topic: Topic = "demo".parse().unwrap();
        let module = Module::new(&DESCRIPTOR).unwrap();
        let subscriber = transport.subscribe(&topic, &options.reading());
        let executor = Executor::new(module, &topic, transport, OwnPings::default(), &options);
        let SubscriberEnds {
            deliveries,
            mut acknowledgements,
            state: _state,
        } = subscribed.recv().await.unwrap();
        let (reports, mut reported) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(given) = acknowledgements.recv().await {
                if let Acknowledgement::Begun(id) = given.acknowledgement {
                    reports.send(id.to_string()).unwrap();
                }
                given.written.map(|written| written.send(()));
            }
        });
        let caller: Topic = "caller".parse().unwrap();
        tokio::spawn(async move {
            let mut answers = opened.recv().await.unwrap();
            while let Some(answer) = answers.queue.recv().await {
                answer.settle(&caller, Ok(()));
            }
        });
        let dispatcher = Dispatcher::new(executor, options);
        tokio::spawn(dispatcher.run(subscriber, CancellationToken::new()));
        let deliver = async |id: &str, begun| {
            let sent = deliveries.queue.send(delivery(id, begun)).await;
            assert!(sent.is_ok());
        };
        deliver("first", None).await;
        begun(&["first"]).await;
        // The first delivery runs for long, and they wait for it for a while.
        for id in ["last 1", "last 2"] {
            deliver(id, Some(2)).await;
        }
        begun(&["first", "last 1"]).await;
        // Others run beside it, even if they were begun before.
        for (id, count) in [("second", None), ("again", Some(1))] {
            deliver(id, count).await;
        }
        begun(&["first", "last 1", "second", "again"]).await;
        // The report may have been lost with the connection, so it comes again with the request. Nobody
        // counts the first delivery, and a request that waits has not begun.
        for (id, count) in [("again", 1), ("last 2", 2), ("first", 0)] {
            deliver(id, Some(count)).await;
        }
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(BEGUN.borrow().len(), 4);
        ENDS.add_permits(4);
        begun(&["first", "last 1", "second", "again", "last 2"]).await;
        // It runs alone, for a while.
        deliver("third", None).await;
        tokio::time::advance(Duration::from_secs(9)).await;
        assert_eq!(BEGUN.borrow().len(), 5);
        begun(&["first", "last 1", "second", "again", "last 2", "third"]).await;
        reported.close();
        let mut all = Vec::new();
        while let Some(id) = reported.recv().await {
            all.push(id);
        }
        let [first, second, third, both @ ..] = all.as_slice() else {
            panic!("{all:?}")
        };
        assert_eq!([first, second, third], ["last 1", "again", "again"]);
        assert_eq!(both, ["last 2", "last 2"], "both messages, when it begins");
    }
}
