//! The users of a gateway, and their clients of modules.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use dasf_protocol::{Topic, TopicError};
use dasf_runtime::Address;
use dasf_runtime::client::Caller;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::description::Description;
use crate::options::Options;
use crate::problem::{Kind, Problem};

/// A description of this age is good enough for a call. Older ones are asked for again meanwhile.
const FRESH: Duration = Duration::from_secs(10);
/// A description that is older is asked for again before a request is refused because of it.
const NEW: Duration = Duration::from_secs(1);
/// How many clients connect at a time.
const MAX_CONNECTING: usize = 64;
/// How long a request waits until its client is connected.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// A client that was not used for this time makes room for others.
const IDLE: Duration = Duration::from_secs(300);

/// What a caller presents to the broker.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum Login {
    /// Nothing: the gateway's own login, if it has one.
    Nothing,
    Token(String),
    /// Another value of the header `authorization`, for example `Basic …`.
    Header(String),
}

impl Login {
    /// Reads the header `authorization`, or the token in the query.
    pub(crate) fn read(parts: &Parts) -> Result<Self, Problem> {
        if let Some(login) = Self::of_headers(&parts.headers)? {
            return Ok(login);
        }
        let query = parts.uri.query().unwrap_or_default();
        let token = query_pairs(query).find(|(name, _)| name == "token");
        Ok(match token {
            Some((_, token)) if !token.is_empty() => Self::Token(token.into_owned()),
            _ => Self::Nothing,
        })
    }

    fn of_headers(headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        let Some(value) = headers.get(header::AUTHORIZATION) else {
            return Ok(None);
        };
        let Ok(value) = value.to_str() else {
            let detail = "the header Authorization is not ASCII";
            return Err(Problem::new(Kind::BadRequest, detail));
        };
        let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
        let is_token = ["bearer", "token"].contains(&scheme.to_ascii_lowercase().as_str());
        Ok(Some(match is_token {
            true => Self::Token(rest.trim().to_owned()),
            false => Self::Header(value.to_owned()),
        }))
    }

    /// Returns the address of the broker with this login.
    fn address(&self, address: &Address) -> Result<Address, Problem> {
        let address = address.clone();
        let address = match self {
            Self::Nothing => return Ok(address),
            Self::Token(token) => address.with_token(token),
            Self::Header(value) => address.with_header(header::AUTHORIZATION.as_str(), value),
        };
        address.map_err(|error| Problem::new(Kind::BadRequest, error.to_string()))
    }
}

/// Returns the names and values of a query.
pub(crate) fn query_pairs(
    query: &str,
) -> impl Iterator<Item = (std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)> {
    url::form_urlencoded::parse(query.as_bytes())
}

impl fmt::Debug for Login {
    /// Omits what may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Token(_) => "Token",
            Self::Header(_) => "Header",
        })
    }
}

/// All users that have called something, as far as there is room for their clients.
#[derive(Debug)]
pub(crate) struct Users {
    address: Address,
    options: Arc<Options>,
    pool: Mutex<Pool>,
    connecting: Semaphore,
}

#[derive(Debug, Default)]
struct Pool {
    users: HashMap<Login, User>,
    /// The number of the clients of all users.
    clients: usize,
}

/// One user. His clients share his address, and so a connection to a `dasf-broker`.
#[derive(Debug)]
struct User {
    address: Address,
    calls: Arc<Semaphore>,
    clients: HashMap<Topic, Arc<Client>>,
}

/// The client of a user for the module on a topic.
#[derive(Debug)]
pub(crate) struct Client {
    topic: Topic,
    caller: OnceCell<Caller>,
    known: Mutex<Option<Known>>,
    /// One asks for the description at a time.
    asking: tokio::sync::Mutex<()>,
    is_refreshing: AtomicBool,
    used: Mutex<Instant>,
}

#[derive(Debug, Clone)]
struct Known {
    description: Arc<Description>,
    at: Instant,
}

/// What a request uses of its user: a client, and a place among his calls.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) client: Arc<Client>,
    pub(crate) place: OwnedSemaphorePermit,
}

impl Users {
    pub(crate) fn new(address: Address, options: Arc<Options>) -> Self {
        Self {
            address,
            options,
            pool: Mutex::default(),
            connecting: Semaphore::new(MAX_CONNECTING),
        }
    }

    /// Returns a place among the calls of a user, and his client for a topic, connected.
    pub(crate) async fn session(&self, login: &Login, topic: &str) -> Result<Session, Problem> {
        let topic: Topic = topic
            .parse()
            .map_err(|error: TopicError| Problem::new(Kind::NotFound, error.to_string()))?;
        let (place, known) = {
            let mut pool = lock(&self.pool);
            let user = self.user(&mut pool, login)?;
            (self.place(user)?, user.clients.get(&topic).cloned())
        };
        if let Some(client) = known.filter(|client| client.caller.initialized()) {
            client.touch();
            return Ok(Session { client, place });
        }
        let connecting = self.connect(login, &topic);
        let client = timeout(CONNECT_TIMEOUT, connecting).await.map_err(|_| {
            let detail = format!("the gateway had no connection within {CONNECT_TIMEOUT:?}");
            Problem::new(Kind::Unavailable, detail)
        })??;
        Ok(Session { client, place })
    }

    /// Takes a place among the calls of a user.
    fn place(&self, user: &User) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&user.calls).try_acquire_owned().map_err(|_| {
            let max = self.options.max_calls_per_user;
            Problem::new(
                Kind::TooMany,
                format!("the user has {max} requests at a time, the limit max_calls_per_user; wait for some"),
            )
        })
    }

    /// Returns the address of the broker with the login of a user.
    pub(crate) fn address(&self, login: &Login) -> Result<Address, Problem> {
        match lock(&self.pool).users.get(login) {
            Some(user) => Ok(user.address.clone()),
            None => login.address(&self.address),
        }
    }

    /// Returns the topics on which modules have answered a user.
    pub(crate) fn topics_of(&self, login: &Login) -> Vec<Topic> {
        let pool = lock(&self.pool);
        let clients = pool.users.get(login).map(|user| user.clients.values());
        let clients = clients.into_iter().flatten();
        let answered = clients.filter(|client| lock(&client.known).is_some());
        answered.map(|client| client.topic.clone()).collect()
    }

    fn user<'p>(&self, pool: &'p mut Pool, login: &Login) -> Result<&'p mut User, Problem> {
        if !pool.users.contains_key(login) {
            pool.remove_idle();
            let user = User {
                address: login.address(&self.address)?,
                calls: Arc::new(Semaphore::new(self.options.max_calls_per_user)),
                clients: HashMap::new(),
            };
            pool.users.insert(login.clone(), user);
        }
        pool.users
            .get_mut(login)
            .ok_or_else(|| Problem::new(Kind::Internal, "the user is gone"))
    }

    /// Connects the client of a user for a topic. One that does not connect is forgotten.
    async fn connect(&self, login: &Login, topic: &Topic) -> Result<Arc<Client>, Problem> {
        let Ok(_turn) = self.connecting.acquire().await else {
            return Err(Problem::new(Kind::Unavailable, "the gateway ends"));
        };
        let (client, address) = self.client(login, topic)?;
        let connect = async || {
            let builder = Caller::builder(topic.as_str()).address(address.clone());
            builder.timeout(self.options.timeout).connect().await
        };
        if let Err(error) = client.caller.get_or_try_init(connect).await {
            lock(&self.pool).remove(login, &client);
            return Err(error.into());
        }
        Ok(client)
    }

    /// Returns the client of a user for a topic. A new one takes the place of one that was not used for long.
    fn client(&self, login: &Login, topic: &Topic) -> Result<(Arc<Client>, Address), Problem> {
        let mut pool = lock(&self.pool);
        let max = self.options.max_clients;
        let user = self.user(&mut pool, login)?;
        let address = user.address.clone();
        if let Some(client) = user.clients.get(topic) {
            return Ok((Arc::clone(client), address));
        }
        if pool.clients >= max && !pool.make_room() {
            let detail = format!(
                "the gateway has {max} clients in use, the limit max_clients; try again later"
            );
            return Err(Problem::new(Kind::Unavailable, detail));
        }
        let client = Arc::new(Client::new(topic.clone()));
        let user = self.user(&mut pool, login)?;
        user.clients.insert(topic.clone(), Arc::clone(&client));
        pool.clients += 1;
        Ok((client, address))
    }
}

impl Pool {
    /// Removes the clients that were not used for long, and the users without a client.
    fn remove_idle(&mut self) {
        let mut clients = 0;
        for user in self.users.values_mut() {
            user.clients
                .retain(|_, client| client.is_used() || client.idle() < IDLE);
            clients += user.clients.len();
        }
        self.clients = clients;
        // A request holds its user's semaphore.
        self.users
            .retain(|_, user| !user.clients.is_empty() || Arc::strong_count(&user.calls) > 1);
    }

    /// Removes the client that was not used for the longest time. Returns false if all are in use.
    fn make_room(&mut self) -> bool {
        self.remove_idle();
        let clients = self.users.iter().flat_map(|(login, user)| {
            let unused = user.clients.values().filter(|client| !client.is_used());
            unused.map(move |client| (client.idle(), login, client))
        });
        let longest = clients.max_by_key(|(idle, ..)| *idle);
        let Some((_, login, client)) = longest else {
            return false;
        };
        let (login, client) = (login.clone(), Arc::clone(client));
        self.remove(&login, &client);
        true
    }

    fn remove(&mut self, login: &Login, client: &Arc<Client>) {
        if let Some(user) = self.users.get_mut(login)
            && user
                .clients
                .get(&client.topic)
                .is_some_and(|it| Arc::ptr_eq(it, client))
        {
            user.clients.remove(&client.topic);
            self.clients -= 1;
        }
    }
}

impl Client {
    fn new(topic: Topic) -> Self {
        Self {
            topic,
            caller: OnceCell::new(),
            known: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
            is_refreshing: AtomicBool::new(false),
            used: Mutex::new(Instant::now()),
        }
    }

    /// Returns the client itself.
    pub(crate) fn caller(&self) -> Result<&Caller, Problem> {
        let caller = self.caller.get();
        caller.ok_or_else(|| Problem::new(Kind::Unavailable, "the client is not connected"))
    }

    fn touch(&self) {
        *lock(&self.used) = Instant::now();
    }

    fn idle(&self) -> Duration {
        lock(&self.used).elapsed()
    }

    /// Returns whether a request has the client.
    fn is_used(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) > 1
    }

    /// Returns the description of the module for a call. An old one is asked for again in the background, so a
    /// call does not wait for that.
    pub(crate) async fn description(
        self: &Arc<Self>,
        patience: Duration,
    ) -> Result<Arc<Description>, Problem> {
        let Some(known) = lock(&self.known).clone() else {
            return self.ask(Duration::ZERO, patience).await;
        };
        if known.at.elapsed() > FRESH && !self.is_refreshing.swap(true, Ordering::Relaxed) {
            let client = Arc::clone(self);
            tokio::spawn(async move {
                // A module that is busy or gone keeps its description.
                let _ = client.ask(NEW, patience).await;
                client.is_refreshing.store(false, Ordering::Relaxed);
            });
        }
        Ok(known.description)
    }

    /// Returns the description of the module, at most a second old. If no module answers, it is the last one.
    pub(crate) async fn new_description(
        &self,
        patience: Duration,
    ) -> Result<Arc<Description>, Problem> {
        let known = lock(&self.known).clone();
        match (self.ask(NEW, patience).await, known) {
            (Err(_), Some(known)) => Ok(known.description),
            (asked, _) => asked,
        }
    }

    /// Asks the module for its description, unless the known one is young enough.
    async fn ask(
        &self,
        max_age: Duration,
        patience: Duration,
    ) -> Result<Arc<Description>, Problem> {
        let topic = &self.topic;
        let asking = async {
            let _turn = self.asking.lock().await;
            let known = lock(&self.known).clone();
            if let Some(known) = &known
                && (known.at.elapsed() < max_age || max_age.is_zero())
            {
                return Ok(Arc::clone(&known.description));
            }
            let text = self.caller()?.api_info_text().await?;
            let description = match known {
                Some(known) if known.description.text() == text => known.description,
                _ => Arc::new(Description::read(topic, text)?),
            };
            *lock(&self.known) = Some(Known {
                description: Arc::clone(&description),
                at: Instant::now(),
            });
            Ok(description)
        };
        timeout(patience, asking).await.unwrap_or_else(|_| {
            Err(Problem::new(
                Kind::Unavailable,
                format!(
                    "no module on topic {topic} has described itself within {} s; it is not there, or busy",
                    patience.as_secs_f64()
                ),
            ))
        })
    }
}

/// Locks what no code leaves inconsistent.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
