//! The handle of a consumer.

use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::{Duration, Instant};

use dasf_protocol::Subscription;

use super::removal::TopicQuota;
use super::{Hub, lock};
use crate::access::{Caller, Denied, Tenure};
use crate::account::Thing;
use crate::clock::now;
use crate::log::Log;
use crate::topic::{
    AttachError, ConsumerId, ConsumerOptions, Delivery, Effects, HoldOption, HoldView, Listener,
    OnClose, SharedTenure, Topic, TopicName,
};

/// A connected consumer. A drop disconnects it.
#[derive(Debug)]
pub(crate) struct Consumer {
    hub: Arc<Hub>,
    name: TopicName,
    subscription: Subscription,
    topic: Arc<Mutex<Topic>>,
    tenure: SharedTenure,
    caller: Caller,
    id: ConsumerId,
    /// Whether the peer has closed the connection.
    has_left: bool,
    /// Whether the reader may come back, because it is no caller.
    may_return: bool,
    redelivery_delay: Duration,
    /// When the first of the delayed messages is due.
    next_due: Option<Instant>,
    effects: Effects,
    hold: HoldView,
    /// Whether the consumer reads what the topic holds.
    looks_back: bool,
}

impl Consumer {
    pub(crate) fn topic(&self) -> &TopicName {
        &self.name
    }

    pub(crate) fn subscription(&self) -> &Subscription {
        &self.subscription
    }

    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Checks whether the caller may still read the topic.
    pub(crate) fn check(&self) -> Result<(), Denied> {
        let standing = self.caller.standing(&self.name);
        standing.map_or(Ok(()), |it| {
            it.check_reading(self.tenure.get(), self.looks_back)
                .map(drop)
        })
    }

    pub(crate) fn log(&self) -> &Log {
        &self.hub.log
    }

    /// See [`Topic::retention`].
    pub(crate) fn retention(&self) -> Option<Duration> {
        lock(&self.topic).retention(&self.subscription)
    }

    /// Returns the hold of the topic, as it was when the consumer connected.
    pub(crate) fn hold(&self) -> HoldView {
        self.hold
    }

    /// Records who the consumer is.
    pub(crate) fn introduce(&self, listener: Listener) {
        lock(&self.topic).introduce(&self.subscription, self.id, listener);
    }

    /// See [`Topic::take`].
    pub(crate) fn take(&mut self, max: usize, waker: &Waker) -> Option<Vec<Delivery>> {
        let (name, effects) = (&self.subscription, &mut self.effects);
        let taken = lock(&self.topic).take(name, self.id, max, waker, effects);
        self.apply_effects();
        taken
    }

    /// Returns the number of the message with this id, if this run of the broker made the id.
    pub(crate) fn sequence(&self, id: &str) -> Option<u64> {
        self.hub.origin.ids.sequence(id)
    }

    /// Records that the consumer works on a redelivered message. Returns whether the consumer had it.
    pub(crate) fn begin(&mut self, sequence: u64) -> bool {
        lock(&self.topic).begin(&self.subscription, self.id, sequence)
    }

    /// Acknowledges a message. Returns whether the consumer had it.
    pub(crate) fn acknowledge(&mut self, sequence: u64) -> bool {
        lock(&self.topic).acknowledge(&self.subscription, self.id, sequence, &mut self.effects)
    }

    /// Acknowledges a message negatively. Returns whether the consumer had it.
    pub(crate) fn negative_acknowledge(&mut self, sequence: u64) -> bool {
        let now = now();
        let (name, effects) = (&self.subscription, &mut self.effects);
        let known = lock(&self.topic).negative_acknowledge(name, self.id, sequence, now, effects);
        if known && !self.redelivery_delay.is_zero() {
            self.next_due.get_or_insert(now + self.redelivery_delay);
        }
        known
    }

    /// Returns when to call [`release_due`](Self::release_due).
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.next_due
    }

    /// See [`Topic::release_due`].
    pub(crate) fn release_due(&mut self) {
        let (name, effects) = (&self.subscription, &mut self.effects);
        self.next_due = lock(&self.topic).release_due(name, self.id, now(), effects);
    }

    /// Records that the peer has closed the connection. It was not lost.
    pub(crate) fn leave(&mut self) {
        self.has_left = true;
    }

    /// See [`Topic::unsubscribe`].
    pub(crate) fn unsubscribe(&mut self) -> bool {
        let known = lock(&self.topic).unsubscribe(&self.subscription, self.id, &mut self.effects);
        self.apply_effects();
        known
    }

    /// Wakes the other consumers of the subscription that have a new message, and publishes dead
    /// letters.
    pub(crate) fn apply_effects(&mut self) {
        self.hub.apply_effects(&self.name, &mut self.effects);
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        let idle = {
            let mut topic = lock(&self.topic);
            let (name, effects) = (&self.subscription, &mut self.effects);
            match self.has_left {
                true => topic.leave(name, self.id, now(), effects),
                false => topic.detach_consumer(name, self.id, now(), effects),
            }
            // A caller with a lost connection comes back, too.
            if (self.may_return || !self.has_left) && !topic.is_read() {
                self.hub.recent.add(&self.name, now());
            }
            topic.is_idle()
        };
        self.apply_effects();
        if idle {
            self.hub.remove_if_idle(&self.name);
        }
    }
}

impl Hub {
    /// Connects a consumer that may do everything.
    #[cfg(test)]
    pub(crate) fn consumer(
        self: &Arc<Self>,
        name: TopicName,
        subscription: Subscription,
        options: &ConsumerOptions,
    ) -> Result<Consumer, AttachError> {
        self.consumer_of(&Caller::everything(), name, subscription, options, None)
    }

    /// Connects a consumer of a caller. If its connection has others, the topic counts for its quota.
    pub(crate) fn consumer_of(
        self: &Arc<Self>,
        caller: &Caller,
        name: TopicName,
        subscription: Subscription,
        options: &ConsumerOptions,
        quota: Option<&mut TopicQuota>,
    ) -> Result<Consumer, AttachError> {
        let standing = caller.standing(&name);
        if let Some(standing) = &standing
            && !standing.has_any_right()
        {
            standing.check_reading(None, false)?;
        }
        if !self.has_room(&name) {
            return Err(self.full());
        }
        let mut effects = Effects::default();
        let attach = |topic: &mut Topic| -> Result<_, AttachError> {
            let looks_back = options.hold == HoldOption::Read && topic.is_held();
            if let Some(standing) = &standing {
                topic.set_tenure(standing.check_reading(topic.tenure().get(), looks_back)?);
                let changes_hold = matches!(options.hold, HoldOption::Keep(_) | HoldOption::End);
                if changes_hold && topic.tenure().get() == Some(&Tenure::Requests) {
                    return Err(AttachError::NoHold {
                        topic: name.clone(),
                    });
                }
            }
            let account = caller.account();
            let messages = topic.held_messages();
            let of_hold = match (options.hold, messages, account) {
                (HoldOption::Keep(_), None, Some(account)) => {
                    Some(account.count(Thing::Subscription, 0)?)
                }
                _ => None,
            };
            let counted = account.map(|account| topic.count_subscription(&subscription, account));
            let counted = counted.transpose()?.flatten();
            let id = topic.attach_consumer(&subscription, options, &mut effects)?;
            if let Some(counted) = counted {
                topic.count_subscription_for(&subscription, counted);
            }
            if let Some(counted) = of_hold {
                topic.count_hold_for(counted);
            }
            let hold = HoldView {
                retention: topic.hold_retention(),
                messages,
            };
            Ok((id, topic.tenure().clone(), hold, looks_back))
        };
        let (topic, (id, tenure, hold, looks_back)) =
            self.with_topic(&name, caller.account(), quota, attach)?;
        self.apply_effects(&name, &mut effects);
        Ok(Consumer {
            hub: self.clone(),
            name,
            subscription,
            topic,
            tenure,
            caller: caller.clone(),
            id,
            has_left: false,
            may_return: options.durable && options.on_close != OnClose::Discard,
            redelivery_delay: options.redelivery_delay,
            next_due: None,
            effects,
            hold,
            looks_back,
        })
    }
}
