//! The accounts of the users of a broker, one for each name.
//!
//! The configuration does not name the users of issuers, and there may be many of them. So an account goes
//! when its user has nothing, unless the configuration names the user.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use super::issuer::Proof;
use super::policy::Policy;
use super::rights::Reader;
use super::{UserLimits, name_of};
use crate::account::Account;
use crate::budget::Budget;

/// The number of accounts from which on the broker looks for those that are not needed.
const MANY: usize = 256;

#[derive(Debug)]
pub(super) struct Accounts {
    entries: HashMap<Reader, Entry>,
    /// The number of entries at which the broker looks for accounts that are not needed. It is twice the
    /// number of those that it kept the last time, so that looking costs little for each new account.
    full: usize,
    /// The memory of the broker.
    memory: Arc<Budget>,
}

#[derive(Debug)]
struct Entry {
    account: Arc<Account>,
    seen: Option<Seen>,
}

/// The JSON Web Token with which a user came last, and when. The limits of the user come from its groups, also
/// after it has expired.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) proof: Arc<Proof>,
    pub(super) at: SystemTime,
}

impl Accounts {
    pub(super) fn new(memory: Arc<Budget>) -> Self {
        Self {
            entries: HashMap::new(),
            full: MANY,
            memory,
        }
    }

    /// Returns the account of a user who comes now, with the limits of this policy.
    pub(super) fn open(
        &mut self,
        user: &Reader,
        seen: Option<Seen>,
        policy: &Policy,
    ) -> Arc<Account> {
        let limits = limits(user, seen.as_ref(), policy);
        if let Some(entry) = self.entries.get_mut(user) {
            if let Some(limits) = limits {
                entry.account.set_limits(&limits);
            }
            entry.seen = seen;
            return entry.account.clone();
        }
        if self.entries.len() >= self.full {
            self.tidy(policy);
        }
        let account = Account::new(name_of(user), &limits.unwrap_or_default(), &self.memory);
        let entry = Entry {
            account: account.clone(),
            seen,
        };
        self.entries.insert(user.clone(), entry);
        account
    }

    /// Gives all accounts the limits of a policy. Users whom it does not know keep theirs until their
    /// connections end.
    pub(super) fn set_limits(&mut self, policy: &Policy) {
        for (user, entry) in &self.entries {
            if let Some(limits) = limits(user, entry.seen.as_ref(), policy) {
                entry.account.set_limits(&limits);
            }
        }
        self.tidy(policy);
    }

    /// Removes the accounts of users who have nothing, and whom the policy does not name.
    fn tidy(&mut self, policy: &Policy) {
        self.entries.retain(|user, entry| {
            policy.user(user.as_ref()).is_some() || entry.account.is_in_use()
        });
        self.full = (2 * self.entries.len()).max(MANY);
    }
}

/// Returns the limits of a user, if the policy knows it.
fn limits(user: &Reader, seen: Option<&Seen>, policy: &Policy) -> Option<UserLimits> {
    let guest = seen.and_then(|seen| policy.guest_named(user.as_ref(), &seen.proof, seen.at));
    let found = guest.as_ref().map(|guest| &guest.policy);
    let found = found.or_else(|| policy.user(user.as_ref()));
    found.map(|found| found.limits())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Config, Name, Quota};
    use crate::account::Thing;

    fn policy(text: &str) -> Arc<Policy> {
        text.parse::<Config>().unwrap().policy
    }

    fn name(text: String) -> Reader {
        Some(Name::try_from(text).unwrap())
    }

    #[test]
    fn accounts_of_users_who_have_nothing_do_not_gather() {
        let policy = policy("[users.ada]");
        let mut accounts = Accounts::new(Budget::new(1000));
        let mut open = |user: &str| accounts.open(&name(user.to_owned()), None, &policy);
        let ada = Arc::downgrade(&open("ada"));
        let connected = open("connected");
        let subscribed = open("subscribed").count(Thing::Subscription, 0).unwrap();
        let waiting = open("waiting").messages().charge(10);
        for number in 0..10 * MANY {
            open(&format!("guest-{number}"));
        }
        assert!(Arc::ptr_eq(&connected, &open("connected")));
        assert!(subscribed.is_of(&open("subscribed")));
        assert!(Arc::ptr_eq(waiting.budget(), open("waiting").messages()));
        assert!(ada.upgrade().is_some());
        assert!(accounts.entries.len() <= MANY);
        // Those who are here stay, even if they are many.
        let guests = (0..2 * MANY).map(|number| name(format!("other-{number}")));
        let here: Vec<_> = guests
            .map(|user| (accounts.open(&user, None, &policy), user))
            .collect();
        for (account, user) in &here {
            assert!(Arc::ptr_eq(account, &accounts.open(user, None, &policy)));
        }
        drop(here);
        accounts.set_limits(&policy);
        assert_eq!(accounts.entries.len(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_user_who_sent_too_much_does_not_begin_anew() {
        let policy = policy("[users.ada]");
        let mut accounts = Accounts::new(Budget::new(1000));
        let user = name("guest".to_owned());
        let account = accounts.open(&user, None, &policy);
        account.set_limits(&UserLimits::default().with(Quota::MessagesPerSecond, 2));
        while account.count_message().is_none() {}
        let first = Arc::downgrade(&account);
        drop(account);
        accounts.set_limits(&policy);
        assert!(first.upgrade().is_some());
        tokio::time::advance(std::time::Duration::from_secs(2)).await;
        accounts.set_limits(&policy);
        assert!(first.upgrade().is_none());
    }
}
