//! Who may do what: users, their tokens and their rights.
//!
//! A handshake tells with its token who the [`Caller`] is ([`Access::authenticate`]). For each topic that
//! the caller uses, its [`Standing`] decides: the rights of the caller, and the meaning of the topic
//! ([`Tenure`]), which its first reader decides.
//!
//! This file joins the parts: `config` and `file` read a configuration, `policy` finds the rights of a
//! user, `rights` decides with them, `credential` reads tokens, and `issuer` checks those of issuers. `limits`
//! has how much a user may have, and `accounts` the accounts that count it. `owners` remembers to whom topics
//! belonged that are gone, and `audit` writes the log of all this. `token` makes new tokens.

mod accounts;
mod audit;
mod config;
mod credential;
mod file;
mod issuer;
mod limits;
mod owners;
mod policy;
mod rights;
#[cfg(feature = "cli")]
mod token;

use std::fmt;
use std::future::pending;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use axum::extract::ConnectInfo;
use axum::http::StatusCode;
use axum::http::request::Parts;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::account::Account;
use crate::budget::Budget;
use crate::listener::ConnectionHandle;
use crate::refusal::Refusal;
use crate::route::Query;
use crate::topic::{ConsumerOptions, TopicName};
use crate::topic_settings::TopicRule;
use accounts::{Accounts, Seen};
pub(crate) use audit::AuditLog;
use audit::Event;
pub use config::{Config, ConfigError};
pub(crate) use credential::SUBPROTOCOL;
use file::Hash;
pub(crate) use file::Name;
use issuer::{JwtError, MAX_JWTS, Proof};
pub(crate) use limits::{Quota, UserLimits};
pub(crate) use owners::Owners;
use policy::{BadToken, Policy, UserPolicy, hash};
use rights::Lack;
pub(crate) use rights::{Kind, Reader, Right, Tenure, TopicRights};
#[cfg(feature = "cli")]
pub use token::{NewToken, TokenError};

/// Decides who may use a broker.
#[derive(Debug)]
pub(crate) struct Access {
    guard: Guard,
    /// The file of the configuration.
    file: Option<PathBuf>,
    audit: Option<Arc<AuditLog>>,
    /// Two changes at once would mix the parts of two configurations.
    changing: Mutex<()>,
}

#[derive(Debug)]
enum Guard {
    /// Everybody may do everything.
    Nobody,
    /// Everybody with this token may do everything.
    Token(String),
    /// Each user may do what the configuration says.
    Users(Arc<Users>),
}

/// The users of a broker.
#[derive(Debug)]
pub(crate) struct Users {
    policy: watch::Sender<Arc<Policy>>,
    /// The number of changes of the policy. It tells whether rights that were computed are still right.
    version: AtomicU64,
    accounts: Mutex<Accounts>,
}

/// A peer, as its handshake has shown it.
#[derive(Debug, Clone)]
pub(crate) struct Caller(Option<Arc<Identity>>);

/// A peer of a broker with users.
#[derive(Debug)]
struct Identity {
    users: Arc<Users>,
    user: Reader,
    account: Arc<Account>,
    token: Shown,
    address: Option<SocketAddr>,
    audit: Option<Arc<AuditLog>>,
    /// When the token expires.
    expires: Option<SystemTime>,
    /// The version of the policy that knew the caller.
    version: u64,
}

/// The token that a peer has shown.
#[derive(Debug)]
enum Shown {
    Nothing,
    Token(Hash),
    Jwt(Arc<Proof>, Mutex<Granted>),
}

/// What a user of an issuer may do, as a policy says.
#[derive(Debug)]
struct Granted {
    policy: Arc<Policy>,
    user: Option<Arc<UserPolicy>>,
}

impl Access {
    /// Returns the access to a broker where everybody, or everybody with a token, may do everything.
    pub(crate) fn new(
        token: Option<String>,
        file: Option<PathBuf>,
        audit: Option<AuditLog>,
    ) -> Self {
        Self {
            guard: token.map_or(Guard::Nobody, Guard::Token),
            file,
            audit: audit.map(Arc::new),
            changing: Mutex::default(),
        }
    }

    /// Returns the access to a broker with users, perhaps from a file. `memory` is that of the broker.
    pub(crate) fn with_users(
        config: Config,
        file: Option<PathBuf>,
        audit: Option<AuditLog>,
        memory: Arc<Budget>,
    ) -> Self {
        let users = Users {
            policy: watch::Sender::new(config.policy),
            version: AtomicU64::new(0),
            accounts: Mutex::new(Accounts::new(memory)),
        };
        Self {
            guard: Guard::Users(Arc::new(users)),
            file,
            audit: audit.map(Arc::new),
            changing: Mutex::default(),
        }
    }

    /// Returns whether the broker knows users, so that it tells modules who has sent a message.
    pub(crate) fn has_users(&self) -> bool {
        matches!(self.guard, Guard::Users(_))
    }

    /// Reads the file of the configuration again, and replaces the users, their rights, and the settings of
    /// topics. Returns the names of the users for whom something changes, or `None` if there is no file.
    pub(crate) fn reload(
        &self,
        set_topics: impl FnOnce(&[TopicRule]),
    ) -> Result<Option<Vec<String>>, ConfigError> {
        let Some(file) = &self.file else {
            return Ok(None);
        };
        let _changing = self.lock_changes();
        let loaded = Config::load(file);
        match loaded.and_then(|config| self.put(config, set_topics)) {
            Ok(changed) => Ok(Some(changed)),
            Err(error) => {
                self.record(&Event {
                    event: "config",
                    reason: Some(&error.to_string()),
                    ..Event::default()
                });
                Err(error)
            }
        }
    }

    /// Replaces the users, their rights, and the settings of topics. Returns the names of the users for whom
    /// something changes.
    pub(crate) fn replace(
        &self,
        config: Config,
        set_topics: impl FnOnce(&[TopicRule]),
    ) -> Result<Vec<String>, ConfigError> {
        let _changing = self.lock_changes();
        self.put(config, set_topics)
    }

    fn lock_changes(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(
        &self,
        config: Config,
        set_topics: impl FnOnce(&[TopicRule]),
    ) -> Result<Vec<String>, ConfigError> {
        let users = match &self.guard {
            Guard::Users(_) if !config.has_users() => return Err(ConfigError::NoUsers),
            Guard::Users(users) => users,
            Guard::Nobody | Guard::Token(_) => {
                if config.has_users() {
                    return Err(ConfigError::UsersAtStart);
                }
                set_topics(config.topics());
                return Ok(Vec::new());
            }
        };
        set_topics(config.topics());
        let mut changed = Vec::new();
        users.policy.send_modify(|policy| {
            let before = std::mem::replace(policy, config.policy);
            // The connections of the users look at their limits again when they learn of the new policy.
            users.accounts().set_limits(policy);
            let names = before.differences(policy).into_iter();
            let names =
                names.map(|name| name.map_or_else(|| ANONYMOUS.to_owned(), ToString::to_string));
            let issuers = before.issuer_differences(policy).into_iter();
            // No user has a name with a space.
            let issuers = issuers.map(|name| format!("issuer {name}"));
            changed = names.chain(issuers).collect();
            // Whoever sees the new number sees the new policy: it is locked until both have changed.
            users.version.fetch_add(1, Ordering::Release);
        });
        for user in &changed {
            self.record(&Event {
                event: "rights",
                user: Some(user),
                ..Event::default()
            });
        }
        Ok(changed)
    }

    fn record(&self, event: &Event<'_>) {
        if let Some(audit) = &self.audit {
            audit.record(event);
        }
    }

    /// Records that a peer has connected.
    pub(crate) fn record_login(&self, caller: &Caller, address: SocketAddr, path: &str) {
        self.record(&Event {
            event: "login",
            user: caller.0.as_ref().map(|identity| name_of(&identity.user)),
            address: Some(address),
            path: Some(path),
            ..Event::default()
        });
    }

    /// Records that a caller has sent a request again that was put aside, or has dropped it.
    pub(crate) fn record_dead(
        &self,
        caller: &Caller,
        event: &'static str,
        id: &str,
        topic: &str,
        address: SocketAddr,
    ) {
        self.record(&Event {
            event,
            user: caller.0.as_ref().map(|identity| name_of(&identity.user)),
            address: Some(address),
            topic: Some(topic),
            message_id: Some(id),
            ..Event::default()
        });
    }

    /// Records that a peer was refused because of who it is.
    pub(crate) fn record_refusal(&self, refusal: &Refusal, address: SocketAddr, path: &str) {
        if !matches!(
            refusal.status,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
        ) {
            return;
        }
        let event = Event {
            address: Some(address),
            path: Some(path),
            status: Some(refusal.status.as_u16()),
            reason: Some(&refusal.reason),
            ..Event::default()
        };
        match &refusal.denied {
            Some(denied) => denied.record(self.audit.as_deref(), event),
            None => self.record(&Event {
                event: REFUSED,
                ..event
            }),
        }
    }

    /// Writes the audit log to the file that has its path now.
    pub(crate) fn reopen_audit_log(&self) {
        if let Some(audit) = &self.audit {
            audit.reopen();
        }
    }

    /// Finds out who sends a request.
    ///
    /// # Errors
    /// Refuses a request without a token, unless the broker needs none, and one with a wrong token.
    pub(crate) fn authenticate(&self, parts: &Parts) -> Result<Caller, Refusal> {
        let tokens = || credential::tokens(&parts.headers, &Query::new(parts.uri.query()));
        match &self.guard {
            Guard::Nobody => Ok(Caller::everything()),
            Guard::Token(token) => {
                let given = tokens()?;
                match given.iter().any(|given| is_same(given, token)) {
                    true => Ok(Caller::everything()),
                    false if given.is_empty() => Err(unauthorized(NO_TOKEN)),
                    false => Err(unauthorized(WRONG_TOKEN)),
                }
            }
            Guard::Users(users) => {
                let connection = parts.extensions.get::<ConnectInfo<ConnectionHandle>>();
                let address = connection.map(|connection| connection.0.address);
                users.identify(&tokens()?, address, self.audit.as_ref())
            }
        }
    }

    /// Returns whether a caller has shown no token.
    pub(crate) fn is_without_token(&self, caller: &Caller) -> bool {
        match &self.guard {
            Guard::Nobody => true,
            Guard::Token(_) => false,
            Guard::Users(_) => caller.0.as_ref().is_none_or(|it| it.user.is_none()),
        }
    }
}

/// What stands for those who have no token, in messages to people.
const ANONYMOUS: &str = "anonymous";

fn name_of(user: &Reader) -> &str {
    user.as_ref().map_or(ANONYMOUS, Name::as_str)
}

/// The event of a refusal in the audit log.
const REFUSED: &str = "refused";

const NO_TOKEN: &str = "this broker needs a token; send it in the header 'authorization: Token …' (or \
     'Bearer …'), in the query '?token=…', or as the WebSocket subprotocol 'dasf-token.…'";
const WRONG_TOKEN: &str = "the token is wrong";
const EXPIRED_TOKEN: &str = "the token has expired; ask the operator of the broker for a new one";

fn unauthorized(reason: &str) -> Refusal {
    Refusal::new(StatusCode::UNAUTHORIZED, reason)
}

impl Users {
    fn policy(&self) -> Arc<Policy> {
        self.policy.borrow().clone()
    }

    fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Whoever locks the policy, too, locks it first.
    fn accounts(&self) -> MutexGuard<'_, Accounts> {
        // No code under the lock panics.
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn identify(
        self: &Arc<Self>,
        tokens: &[String],
        address: Option<SocketAddr>,
        audit: Option<&Arc<AuditLog>>,
    ) -> Result<Caller, Refusal> {
        let version = self.version();
        let policy = self.policy();
        let now = SystemTime::now();
        let known = |user: Reader, token: Shown, expires| {
            let seen = match &token {
                Shown::Jwt(proof, _) => Some(Seen {
                    proof: proof.clone(),
                    at: now,
                }),
                Shown::Nothing | Shown::Token(_) => None,
            };
            // A newer policy may have come meanwhile.
            let newest = self.policy.borrow();
            Ok(Caller(Some(Arc::new(Identity {
                users: self.clone(),
                account: self.accounts().open(&user, seen, &newest),
                user,
                token,
                address,
                audit: audit.cloned(),
                expires,
                version,
            }))))
        };
        let mut reason = NO_TOKEN.to_owned();
        let mut jwts = 0;
        for token in tokens {
            let hash = hash(token);
            match policy.user_of(&hash, now) {
                Ok((user, expires)) => {
                    return known(Some(user.clone()), Shown::Token(hash), expires);
                }
                Err(BadToken::Expired) => {
                    EXPIRED_TOKEN.clone_into(&mut reason);
                    continue;
                }
                Err(BadToken::Unknown) => {}
            }
            let checked = match jwts < MAX_JWTS {
                true => policy.check_jwt(token, now),
                false => Some(Err(JwtError::TooMany)),
            };
            match checked {
                Some(Ok((proof, guest))) => {
                    let granted = Granted {
                        policy,
                        user: Some(guest.policy),
                    };
                    let token = Shown::Jwt(Arc::new(proof), Mutex::new(granted));
                    return known(Some(guest.name), token, Some(guest.expires));
                }
                Some(Err(error)) => {
                    jwts += 1;
                    reason = error.to_string();
                }
                None if reason == NO_TOKEN => WRONG_TOKEN.clone_into(&mut reason),
                None => {}
            }
        }
        if !tokens.is_empty() || policy.user(None).is_none() {
            return Err(unauthorized(&reason));
        }
        known(None, Shown::Nothing, None)
    }
}

impl Identity {
    /// Returns what a policy says of the user.
    fn policy_of(&self, policy: &Arc<Policy>) -> Option<Arc<UserPolicy>> {
        let Shown::Jwt(proof, granted) = &self.token else {
            return policy.user(self.user.as_ref()).cloned();
        };
        let mut granted = granted.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&granted.policy, policy) {
            let guest = policy.guest_named(self.user.as_ref(), proof, SystemTime::now());
            *granted = Granted {
                policy: policy.clone(),
                user: guest.map(|guest| guest.policy),
            };
        }
        granted.user.clone()
    }

    /// Returns whether the newest policy allows something.
    fn may(&self, allows: impl FnOnce(&UserPolicy) -> bool) -> bool {
        let user = self.policy_of(&self.users.policy());
        user.is_some_and(|user| allows(&user))
    }

    fn denied(&self, denial: Denial) -> Denied {
        let user = self.user.clone();
        Denied { user, denial }
    }
}

impl Caller {
    /// Returns a caller who may do everything.
    pub(crate) fn everything() -> Self {
        Self(None)
    }

    /// Checks a right for a topic.
    pub(crate) fn check(&self, right: Right, topic: &TopicName) -> Result<(), Denied> {
        let Some(identity) = &self.0 else {
            return Ok(());
        };
        match identity.may(|user| user.allows(right, topic)) {
            true => Ok(()),
            false => Err(identity.denied(Denial::Lacks {
                right,
                topic: topic.clone(),
            })),
        }
    }

    /// Checks a right for all topics.
    pub(crate) fn check_everywhere(&self, right: Right) -> Result<(), Denied> {
        let Some(identity) = &self.0 else {
            return Ok(());
        };
        match identity.may(|user| user.allows_everywhere(right)) {
            true => Ok(()),
            false => Err(identity.denied(Denial::LacksForAll { right })),
        }
    }

    /// Checks whether the caller may have dead letters go to the topic that the query of a consumer names.
    /// Those of the usual name belong to the topic of the consumer.
    pub(crate) fn check_dead_letters(
        &self,
        query: &Query<'_>,
        options: &ConsumerOptions,
    ) -> Result<(), Refusal> {
        match &options.dead_letters {
            Some(policy) if query.get("deadLetterTopic")?.is_some() => {
                Ok(self.check(Right::Serve, &policy.topic)?)
            }
            _ => Ok(()),
        }
    }

    /// Checks whether the broker would still accept the token of the caller.
    pub(crate) fn check_token(&self) -> Result<(), Denied> {
        let Some(identity) = &self.0 else {
            return Ok(());
        };
        let policy = identity.users.policy();
        let (user, now) = (identity.user.as_ref(), SystemTime::now());
        let is_accepted = match &identity.token {
            Shown::Nothing => policy.user(None).is_some(),
            Shown::Token(token) => {
                let found = policy.user_of(token, now);
                found.is_ok_and(|(found, _)| Some(found) == user)
            }
            Shown::Jwt(proof, _) => policy.guest_named(user, proof, now).is_some(),
        };
        match is_accepted {
            true => Ok(()),
            false => Err(identity.denied(Denial::Token)),
        }
    }

    /// Records that the caller may not do something after its handshake.
    pub(crate) fn record_denied(&self, denied: &Denied) {
        if let Some(identity) = &self.0 {
            let event = Event {
                address: identity.address,
                reason: Some(&denied.to_string()),
                ..Event::default()
            };
            denied.record(identity.audit.as_deref(), event);
        }
    }

    /// Returns the name of the user, if the broker knows users and the caller has shown a token.
    pub(crate) fn name(&self) -> Option<&str> {
        self.0.as_ref()?.user.as_ref().map(Name::as_str)
    }

    /// Returns the account of the user, if the broker knows users.
    pub(crate) fn account(&self) -> Option<&Arc<Account>> {
        self.0.as_ref().map(|identity| &identity.account)
    }

    /// Returns what the caller may do with a topic; `None` if it may do everything.
    pub(crate) fn standing(&self, topic: &TopicName) -> Option<Standing> {
        let identity = self.0.as_ref()?;
        let version = identity.users.version();
        let policy = identity.users.policy();
        let user = identity.policy_of(&policy);
        let rights = user.as_deref().map(|user| policy.topic_rights(user, topic));
        Some(Standing {
            rights: rights.unwrap_or_default(),
            stamp: user.map_or_else(|| "".into(), |user| user.stamp.clone()),
            topic: topic.clone(),
            identity: identity.clone(),
            version,
        })
    }

    /// Returns what tells when to check the rights of the caller again.
    pub(crate) fn watch(&self) -> Watch {
        Watch(self.0.as_ref().map(|identity| {
            let mut policy = identity.users.policy.subscribe();
            if identity.version != identity.users.version() {
                policy.mark_changed();
            }
            let expires = identity.expires;
            Watched { policy, expires }
        }))
    }
}

/// Tells when the rights of a caller may have changed.
#[derive(Debug, Default)]
pub(crate) struct Watch(Option<Watched>);

#[derive(Debug)]
struct Watched {
    policy: watch::Receiver<Arc<Policy>>,
    expires: Option<SystemTime>,
}

impl Watch {
    /// Waits until the rights of the caller may have changed, or its token expires.
    ///
    /// # Cancel safety
    /// Cancel safe: a change is told again.
    pub(crate) async fn changed(&mut self) {
        let Some(Watched { policy, expires }) = &mut self.0 else {
            return pending().await;
        };
        let expiry = async {
            match *expires {
                Some(at) => sleep(at.duration_since(SystemTime::now()).unwrap_or_default()).await,
                None => pending().await,
            }
        };
        let is_over = tokio::select! {
            changed = policy.changed() => changed.is_err(),
            () = expiry => {
                // The clock may have been set back meanwhile.
                *expires = expires.filter(|at| *at > SystemTime::now());
                false
            }
        };
        if is_over {
            // The broker has ended.
            pending::<()>().await;
        }
    }
}

/// What a caller of a broker with users may do with one topic.
#[derive(Debug)]
pub(crate) struct Standing {
    identity: Arc<Identity>,
    topic: TopicName,
    /// The version of the policy that gave the rights.
    version: u64,
    rights: TopicRights,
    stamp: Arc<str>,
}

impl Standing {
    /// Takes the rights of the newest policy.
    pub(crate) fn renew(&mut self) {
        if self.version != self.identity.users.version()
            && let Some(renewed) = Caller(Some(self.identity.clone())).standing(&self.topic)
        {
            *self = renewed;
        }
    }

    /// Returns the account of the caller.
    pub(crate) fn account(&self) -> &Arc<Account> {
        &self.identity.account
    }

    /// Returns what the topic tells of the sender of a message. A caller learns nothing of the modules
    /// that answer it.
    pub(crate) fn stamp(&self, tenure: Option<&Tenure>) -> &str {
        match tenure {
            Some(Tenure::Answers(_)) => "",
            _ => &self.stamp,
        }
    }

    /// Decides whether the caller may read the topic. Returns the meaning that the topic has from then on.
    pub(crate) fn check_reading(
        &self,
        tenure: Option<&Tenure>,
        looks_back: bool,
    ) -> Result<Tenure, Denied> {
        let rights = &self.rights;
        let decided = rights.check_reading(&self.identity.user, tenure, looks_back);
        decided.map_err(|lack| self.denied(lack))
    }

    /// Decides whether the caller may send a message to the topic. Returns whether the message is a
    /// request, after which the topic is no response topic.
    pub(crate) fn check_sending(
        &self,
        tenure: Option<&Tenure>,
        kind: impl FnOnce() -> Kind,
    ) -> Result<bool, Denied> {
        let decided = self.rights.check_sending(&self.identity.user, tenure, kind);
        decided.map_err(|lack| self.denied(lack))
    }

    /// Returns whether the caller may do anything with the topic, if it has the right meaning. Only then
    /// the broker looks for the topic.
    pub(crate) fn has_any_right(&self) -> bool {
        self.rights.has_any()
    }

    /// Decides whether the caller may send any message to the topic.
    pub(crate) fn check_connecting(&self, tenure: Option<&Tenure>) -> Result<(), Denied> {
        let decided = self.rights.check_connecting(&self.identity.user, tenure);
        decided.map_err(|lack| self.denied(lack))
    }

    fn denied(&self, lack: Lack) -> Denied {
        let topic = self.topic.clone();
        let base = || self.topic.base().unwrap_or_else(|| self.topic.clone());
        self.identity.denied(match lack {
            Lack::Own(right) => Denial::Lacks { right, topic },
            Lack::Base(right) => Denial::Lacks {
                right,
                topic: base(),
            },
            Lack::Ownership => Denial::Owned { topic },
            Lack::Answer => Denial::Answer { base: base() },
            Lack::Question => Denial::Question { topic },
        })
    }
}

/// The refusal of somebody who lacks a right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Denied {
    user: Reader,
    denial: Denial,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Denial {
    Token,
    LacksForAll { right: Right },
    Lacks { right: Right, topic: TopicName },
    Owned { topic: TopicName },
    Answer { base: TopicName },
    Question { topic: TopicName },
}

impl Denied {
    /// Completes an event of the audit log, and records it.
    fn record(&self, audit: Option<&AuditLog>, event: Event<'_>) {
        let Some(audit) = audit else {
            return;
        };
        let (right, topic) = match &self.denial {
            Denial::Token => (None, None),
            Denial::LacksForAll { right } => (Some(*right), None),
            Denial::Lacks { right, topic } => (Some(*right), Some(topic)),
            Denial::Owned { topic } => (None, Some(topic)),
            Denial::Answer { base } => (Some(Right::Serve), Some(base)),
            Denial::Question { topic } => (Some(Right::Call), Some(topic)),
        };
        audit.record(&Event {
            event: REFUSED,
            user: Some(name_of(&self.user)),
            right: right.map(Right::name),
            topic: topic.map(ToString::to_string).as_deref(),
            ..event
        });
    }
}

impl std::error::Error for Denied {}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.user {
            Some(user) => write!(f, "the user '{user}' ")?,
            None => write!(f, "a peer without a token ")?,
        }
        match &self.denial {
            Denial::Token => write!(f, "may no longer use this broker"),
            Denial::LacksForAll { right } => {
                write!(f, "lacks the right '{right}' for all topics, '*'")
            }
            Denial::Lacks { right, topic } => {
                write!(f, "lacks the right '{right}' for the topic '{topic}'")
            }
            Denial::Owned { topic } => write!(
                f,
                "cannot read the topic '{topic}': it belongs to somebody else, who reads answers there"
            ),
            Denial::Answer { base } => {
                write!(
                    f,
                    "lacks the right 'serve' for the topic '{base}', whose callers it answers"
                )
            }
            Denial::Question { topic } => write!(
                f,
                "lacks the right 'call' for the topic '{topic}': who only serves it may ask who else does"
            ),
        }
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        let status = match denied.denial {
            Denial::Token => StatusCode::UNAUTHORIZED,
            _ => StatusCode::FORBIDDEN,
        };
        Self {
            status,
            reason: denied.to_string(),
            denied: Some(Box::new(denied)),
        }
    }
}

/// Compares two strings in a time that depends on their lengths only.
fn is_same(given: &str, expected: &str) -> bool {
    let difference = given
        .bytes()
        .zip(expected.bytes())
        .fold(0, |difference, (a, b)| {
            std::hint::black_box(difference | (a ^ b))
        });
    given.len() == expected.len() && difference == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_token_is_the_same() {
        assert!(is_same("secret", "secret"));
        for wrong in ["", "secre", "secret1", "Secret"] {
            assert!(!is_same(wrong, "secret"), "{wrong}");
        }
    }
}
