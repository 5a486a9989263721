//! What one user has in the broker, and when it has too much.
//!
//! All connections of a user share one account. Guards count what the user has, and a drop gives it back.
//! Nothing here is shared by users, except the memory of the broker, of which the memory of a user is a part.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::access::{Quota, UserLimits};
use crate::budget::Budget;
use crate::clock::now;

/// The time whose messages a user may publish at once.
const BURST: Duration = Duration::from_secs(1);

/// How long a connection waits at most for its next message, also if all connections of its user together then
/// send more than they may. Clients take a connection for lost after 18 s without a receipt, and would send
/// their messages again on another one.
const MAX_HOLD: Duration = Duration::from_secs(10);

/// The account of a user.
#[derive(Debug)]
pub(crate) struct Account {
    /// The name of the user, as errors show it.
    user: String,
    connections: Count,
    topics: Count,
    subscriptions: Count,
    messages: Arc<Budget>,
    rate: Rate,
}

/// A number with a limit.
#[derive(Debug)]
struct Count {
    max: AtomicUsize,
    used: AtomicUsize,
}

/// The error of a user that has as much as it may have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OverLimit {
    #[error(
        "the user may have at most {max} {}{}, the limit {} of user {user}; close some, or ask the operator \
         of the broker for a higher limit",
        thing.name(),
        if *max == 1 { "" } else { "s" },
        thing.quota().name()
    )]
    Number {
        user: String,
        thing: Thing,
        max: usize,
    },
    #[error(
        "the messages of the user that wait have more than {max} bytes, the limit {} of user {user}; try \
         again when their consumers have acknowledged some, or ask the operator of the broker for a higher \
         limit",
        Quota::Memory.name()
    )]
    Memory { user: String, max: usize },
}

impl Account {
    /// Returns the account of a user that has nothing yet. What it uses is a part of the memory of the
    /// broker.
    pub(crate) fn new(user: &str, limits: &UserLimits, broker: &Arc<Budget>) -> Arc<Self> {
        let account = Self {
            user: user.to_owned(),
            connections: Count::new(),
            topics: Count::new(),
            subscriptions: Count::new(),
            messages: Budget::part_of(broker),
            rate: Rate::new(),
        };
        account.set_limits(limits);
        Arc::new(account)
    }

    /// Changes the limits. What the user has already stays.
    pub(crate) fn set_limits(&self, limits: &UserLimits) {
        for quota in Quota::ALL {
            let limit = limits.get(quota);
            let max = limit.unwrap_or(usize::MAX);
            match quota {
                Quota::Memory => self.messages.set_max(max),
                Quota::MessagesPerSecond => self.rate.set(limit),
                Quota::Connections => self.connections.set_max(max),
                Quota::Topics => self.topics.set_max(max),
                Quota::Subscriptions => self.subscriptions.set_max(max),
            }
        }
    }

    fn number(&self, thing: Thing) -> &Count {
        match thing {
            Thing::Connection => &self.connections,
            Thing::Topic => &self.topics,
            Thing::Subscription => &self.subscriptions,
        }
    }

    /// Counts one more thing of the user until the returned value is dropped. `ending` of the same kind end
    /// when it begins.
    ///
    /// # Errors
    /// [`OverLimit`] if the user has too many.
    pub(crate) fn count(
        self: &Arc<Self>,
        thing: Thing,
        ending: usize,
    ) -> Result<Counted, OverLimit> {
        match self.number(thing).add(ending) {
            Ok(()) => Ok(Counted {
                account: self.clone(),
                thing,
            }),
            Err(max) => Err(OverLimit::Number {
                user: self.user.clone(),
                thing,
                max,
            }),
        }
    }

    /// The memory of the messages that the user has published.
    pub(crate) fn messages(&self) -> &Arc<Budget> {
        &self.messages
    }

    /// Checks the memory of the messages of the user, with one that is about to be published.
    ///
    /// # Errors
    /// [`OverLimit`] if there is too much.
    pub(crate) fn check_memory(&self) -> Result<(), OverLimit> {
        match self.messages.is_exceeded() {
            false => Ok(()),
            true => Err(OverLimit::Memory {
                user: self.user.clone(),
                max: self.messages.max(),
            }),
        }
    }

    /// Returns whether somebody has this account, something counts for it, or its user has to wait for the
    /// next message. Only then it matters that another account would begin anew.
    pub(crate) fn is_in_use(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) > 1 || Arc::strong_count(&self.messages) > 1 || !self.rate.is_full()
    }

    /// Counts a message that the user has published. Returns when the same connection may publish the next
    /// one, if not at once.
    pub(crate) fn count_message(&self) -> Option<Instant> {
        self.rate.count(1)
    }

    /// Returns when a new connection may publish its first message, if not at once.
    pub(crate) fn first_message(&self) -> Option<Instant> {
        self.rate.count(0)
    }
}

/// A thing of which a user may have a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thing {
    Connection,
    Topic,
    Subscription,
}

impl Thing {
    fn name(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Topic => "topic",
            Self::Subscription => "subscription",
        }
    }

    fn quota(self) -> Quota {
        match self {
            Self::Connection => Quota::Connections,
            Self::Topic => Quota::Topics,
            Self::Subscription => Quota::Subscriptions,
        }
    }
}

/// A counted thing of a user.
#[derive(Debug)]
pub(crate) struct Counted {
    account: Arc<Account>,
    thing: Thing,
}

impl Counted {
    pub(crate) fn account(&self) -> &Arc<Account> {
        &self.account
    }

    pub(crate) fn is_of(&self, account: &Arc<Account>) -> bool {
        Arc::ptr_eq(&self.account, account)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let count = self.account.number(self.thing);
        count.used.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Count {
    fn new() -> Self {
        Self {
            max: AtomicUsize::new(usize::MAX),
            used: AtomicUsize::new(0),
        }
    }

    fn set_max(&self, max: usize) {
        self.max.store(max, Ordering::Relaxed);
    }

    /// Adds one. Returns the limit as the error.
    fn add(&self, ending: usize) -> Result<(), usize> {
        let max = self.max.load(Ordering::Relaxed);
        let add = |used: usize| (used.saturating_sub(ending) < max).then_some(used + 1);
        let added = self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        added.map(drop).map_err(|_| max)
    }
}

/// A bucket of messages per second: each message takes its time from it, and it never holds more than
/// [`BURST`].
#[derive(Debug)]
struct Rate {
    start: Instant,
    /// The time of a message in nanoseconds; 0 without a limit.
    cost: AtomicU64,
    /// When all messages so far are due one after the other, in nanoseconds since the start. Each connection
    /// waits for its own message, so that many connections do not wake for the same one.
    due: AtomicU64,
}

/// How far in the future the messages so far may be due, in nanoseconds.
const LATEST: u64 = nanoseconds(BURST.saturating_add(MAX_HOLD));

const fn nanoseconds(time: Duration) -> u64 {
    const SECOND: u64 = 1_000_000_000;
    let whole = time.as_secs().saturating_mul(SECOND);
    whole.saturating_add(time.subsec_nanos() as u64)
}

impl Rate {
    fn new() -> Self {
        Self {
            start: now(),
            cost: AtomicU64::new(0),
            due: AtomicU64::new(0),
        }
    }

    /// Changes the rate. The messages so far take the new time.
    fn set(&self, messages_per_second: Option<usize>) {
        let per_second = messages_per_second.map_or(u64::MAX, |it| it as u64);
        let cost = (1_000_000_000 / per_second.max(1)).max(u64::from(per_second < u64::MAX));
        let before = self.cost.swap(cost, Ordering::Relaxed);
        if cost == before {
            return;
        }
        let now = self.now();
        let change = |due: u64| {
            let rest = u128::from(due.saturating_sub(now)) * u128::from(cost);
            let rest = rest.checked_div(u128::from(before)).unwrap_or_default();
            let rest = u64::try_from(rest).unwrap_or(u64::MAX);
            Some(now.saturating_add(rest.min(LATEST)))
        };
        // The closure always changes the value.
        let _ = self
            .due
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, change);
    }

    /// The time since the start in nanoseconds.
    fn now(&self) -> u64 {
        nanoseconds(now().saturating_duration_since(self.start))
    }

    /// Returns whether the messages of a whole [`BURST`] may come at once.
    fn is_full(&self) -> bool {
        self.due.load(Ordering::Relaxed) <= self.now()
    }

    /// Counts messages. Returns when the next one is due, if it is in the future.
    fn count(&self, messages: u64) -> Option<Instant> {
        let cost = self.cost.load(Ordering::Relaxed);
        if cost == 0 {
            return None;
        }
        let now = self.now();
        let later = |due: u64| {
            let due = due.max(now).saturating_add(cost.saturating_mul(messages));
            due.min(now.saturating_add(LATEST))
        };
        let before = match messages {
            0 => self.due.load(Ordering::Relaxed),
            _ => {
                let change = |due| Some(later(due));
                let updated = self
                    .due
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, change);
                updated.unwrap_or_else(|due| due)
            }
        };
        let next = later(before).saturating_add(cost);
        let next = next.saturating_sub(nanoseconds(BURST));
        if next <= now {
            return None;
        }
        self.start.checked_add(Duration::from_nanos(next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(limits: UserLimits) -> Arc<Account> {
        Account::new("ada", &limits, &Budget::new(100))
    }

    #[test]
    fn a_dropped_guard_makes_room_for_the_next_one() {
        let account = account(UserLimits::default().with(Quota::Topics, 2));
        let count = |ending| account.count(Thing::Topic, ending);
        let first = count(0).unwrap();
        let _second = count(0).unwrap();
        let error = count(0).unwrap_err();
        let expected = OverLimit::Number {
            user: "ada".to_owned(),
            thing: Thing::Topic,
            max: 2,
        };
        assert_eq!(error, expected);
        assert!(
            error.to_string().contains("max_topics of user ada"),
            "{error}"
        );
        // One that ends just then has room.
        drop((count(1).unwrap(), first));
        let _third = count(0).unwrap();
        count(0).unwrap_err();
        let others = [Thing::Connection, Thing::Subscription];
        let others = others.map(|thing| account.count(thing, 0).unwrap());
        account.set_limits(&UserLimits::default());
        assert!(count(0).unwrap().is_of(&account));
        drop(others);
    }

    #[test]
    fn the_memory_of_a_user_is_a_part_of_that_of_the_broker() {
        let broker = Budget::new(100);
        let limits = UserLimits::default().with(Quota::Memory, 10);
        let [ada, bob] = ["ada", "bob"].map(|user| Account::new(user, &limits, &broker));
        let mut charge = ada.messages().charge(10);
        assert_eq!(ada.check_memory(), Ok(()));
        charge.set(11);
        let error = ada.check_memory().unwrap_err();
        assert!(
            error.to_string().contains("max_memory of user ada"),
            "{error}"
        );
        assert_eq!(bob.check_memory(), Ok(()));
        assert_eq!(broker.used(), 11);
        drop(charge);
        assert_eq!((ada.messages().used(), broker.used()), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_of_messages_may_come_at_once_and_then_each_has_its_time() {
        let account = account(UserLimits::default().with(Quota::MessagesPerSecond, 10));
        let time = Duration::from_millis(100);
        for round in 0..3 {
            let begin = now();
            for _ in 0..9 {
                assert_eq!(account.first_message(), None, "{round}");
                assert_eq!(account.count_message(), None, "{round}");
            }
            // Three connections wait for different times, and a new one waits with the last of them.
            for count in 1..=3 {
                assert_eq!(account.count_message(), Some(begin + count * time));
            }
            assert_eq!(account.first_message(), Some(begin + 3 * time));
            tokio::time::advance(3 * time).await;
            assert_eq!(account.first_message(), None);
            // A pause fills the bucket, and not more.
            tokio::time::advance(Duration::from_secs(60)).await;
        }
        account.set_limits(&UserLimits::default());
        assert!((0..1000).all(|_| account.count_message().is_none()));
        account.set_limits(&UserLimits::default().with(Quota::MessagesPerSecond, usize::MAX));
        assert!((0..1000).all(|_| account.count_message().is_none()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_user_who_waits_goes_on_with_a_new_rate() {
        let rate = |max| UserLimits::default().with(Quota::MessagesPerSecond, max);
        let account = account(rate(10));
        while account.count_message().is_none() {}
        let after = |millis| Some(now() + Duration::from_millis(millis));
        assert_eq!(account.first_message(), after(100));
        account.set_limits(&rate(10));
        assert_eq!(account.first_message(), after(100));
        // The messages so far take 500 ms, so ten more come at once.
        account.set_limits(&rate(20));
        assert_eq!(account.first_message(), None);
        for _ in 0..9 {
            assert_eq!(account.count_message(), None);
        }
        assert_eq!(account.count_message(), after(50));
        account.set_limits(&rate(10));
        assert_eq!(account.first_message(), after(1100));
    }

    /// Clients would take their connections for lost.
    #[tokio::test(start_paused = true)]
    async fn no_connection_waits_longer_than_clients_do() {
        let rate = |max| UserLimits::default().with(Quota::MessagesPerSecond, max);
        let account = account(rate(1));
        let longest = |account: &Account| account.first_message().unwrap() - now();
        for _ in 0..1000 {
            let _ = account.count_message();
        }
        assert!(longest(&account) <= MAX_HOLD + Duration::from_secs(1));
        tokio::time::advance(2 * MAX_HOLD).await;
        assert_eq!(account.first_message(), None, "it has paid");
        account.set_limits(&rate(10_000));
        while account.count_message().is_none() {}
        account.set_limits(&rate(1));
        assert!(longest(&account) <= MAX_HOLD + Duration::from_secs(1));
    }
}
