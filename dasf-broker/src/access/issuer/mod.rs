//! Issuers of JSON Web Tokens: which tokens the broker accepts, and who their users are.
//!
//! [`Issuers::check`] checks the signature of a token, once. What it returns, the [`Proof`], stays with the
//! connection. [`Issuers::guest`] reads it: in the handshake, and again whenever the configuration changes.

mod jws;
#[cfg(feature = "jwt")]
mod keys;
#[cfg(not(feature = "jwt"))]
#[path = "no_keys.rs"]
mod keys;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::config::{ConfigError, check_names};
use super::file::{self, Name, NameError, Rights};
use super::policy::{Role, UserPolicy};
use super::{ANONYMOUS, UserLimits};
use jws::Jws;
use keys::{BadKey, Key, Keys};

/// The largest number of JSON Web Tokens in a handshake that the broker checks.
pub(super) const MAX_JWTS: usize = 4;

/// The largest length of a token.
const MAX_LENGTH: usize = 16 * 1024;

/// How far the clocks of the broker and of an issuer may differ.
const LEEWAY: Duration = Duration::from_secs(30);

/// The longest text of a token in an error.
const MAX_TEXT: usize = 80;

/// The issuers whose tokens the broker accepts, by their claims `iss`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Issuers(BTreeMap<String, Issuer>);

#[derive(Debug, PartialEq, Eq)]
struct Issuer {
    name: Name,
    audience: Vec<String>,
    keys: Keys,
    user_claim: String,
    user_prefix: Option<Name>,
    groups_claim: String,
    /// The groups of the configuration and their roles, by the values of the claim.
    groups: BTreeMap<String, (Name, Role)>,
    /// The roles of all users.
    role: Role,
    /// The limits of all users.
    limits: UserLimits,
    local_users: bool,
}

/// What an issuer has signed.
pub(super) struct Proof {
    issuer: String,
    key: Arc<Key>,
    /// The claims of the token. Without the signature, nobody can use them.
    claims: Vec<u8>,
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Claims tell much of a person.
        f.debug_struct("Proof")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

/// The user of an issuer.
#[derive(Debug)]
pub(super) struct Guest {
    pub(super) name: Name,
    pub(super) policy: Arc<UserPolicy>,
    pub(super) expires: SystemTime,
}

/// Why the broker does not accept a JSON Web Token. No text contains the token, or more than a short part of
/// it that is not secret.
#[derive(Debug, thiserror::Error)]
pub(super) enum JwtError {
    #[error("the handshake has more than {MAX_JWTS} JSON Web Tokens")]
    TooMany,
    #[error("the token has {0} bytes; a JSON Web Token has at most {MAX_LENGTH}")]
    Length(usize),
    #[error("the token is no signed JSON Web Token: {0}")]
    Form(&'static str),
    #[error(
        "the token comes from the issuer {0:?}, which the configuration of the broker does not name"
    )]
    Issuer(String),
    #[error(
        "the token is signed with the key {kid:?}, which the broker does not know; get a new token, or ask the \
         operator of the broker for the newest keys of the issuer {issuer}"
    )]
    Key { kid: String, issuer: Name },
    #[error(
        "the token does not name its key, and the issuer {0} has several; its header needs a `kid`"
    )]
    NoKeyId(Name),
    #[error(
        "the token is signed with the algorithm {algorithm:?}, for which the issuer {issuer} has no such key"
    )]
    Algorithm { algorithm: String, issuer: Name },
    #[error("the signature of the token is wrong")]
    Signature,
    #[error("the token of the issuer {0} has expired; get a new one")]
    Expired(Name),
    #[error("the token of the issuer {0} is not valid yet; check the clocks of both machines")]
    Early(Name),
    #[error("the token is for another service: its claim \"aud\" has none of {0:?}")]
    Audience(Vec<String>),
    #[error("the claim {claim:?} of the token {problem}")]
    Claim {
        claim: String,
        problem: &'static str,
    },
    #[error("the claim {claim:?} of the token makes no user: {source}")]
    User { claim: String, source: NameError },
    #[error(
        "the token is for {user:?}, a user of the configuration; ask the operator of the broker to set \
         user_prefix for the issuer {issuer}, or local_users if both are the same person"
    )]
    LocalUser { user: Name, issuer: Name },
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}

impl Issuers {
    /// Reads the keys of issuers. Their paths are relative to the folder; without one, no token is accepted.
    /// The limits are those of all users.
    pub(super) fn new(
        issuers: BTreeMap<Name, file::Issuer>,
        folder: Option<&Path>,
        groups: &BTreeMap<Name, file::Group>,
        roles: &BTreeMap<Name, Role>,
        limits: UserLimits,
    ) -> Result<Self, ConfigError> {
        let mut known = BTreeMap::<String, Issuer>::new();
        for (name, issuer) in issuers {
            let key = |key: &'static str| {
                let name = &name;
                move || format!("issuers.{name}.{key}")
            };
            check_names(key("roles"), &issuer.roles, "roles", roles)?;
            check_names(key("groups"), issuer.groups.values(), "groups", groups)?;
            let Some(folder) = folder else {
                continue;
            };
            for other in known.values() {
                let prefixes = [&issuer.user_prefix, &other.user_prefix]
                    .map(|prefix| prefix.as_ref().map_or("", Name::as_str));
                let (first, second) = (other.name.to_string(), name.to_string());
                if prefixes[0].starts_with(prefixes[1]) || prefixes[1].starts_with(prefixes[0]) {
                    return Err(ConfigError::SamePrefix { first, second });
                }
            }
            let path = folder.join(&issuer.jwks);
            let keys = Keys::load(&path).map_err(|source| ConfigError::Keys {
                issuer: name.to_string(),
                path,
                source,
            })?;
            let (iss, added) = Issuer::new(name, issuer, keys, groups, roles, limits);
            let second = added.name.to_string();
            if let Some(first) = known.insert(iss.clone(), added) {
                return Err(ConfigError::SameIssuer {
                    first: first.name.to_string(),
                    second,
                    issuer: iss,
                });
            }
        }
        Ok(Self(known))
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Returns all rights that users of issuers may have.
    pub(super) fn rights(&self) -> impl Iterator<Item = &Rights> {
        self.0.values().flat_map(|issuer| {
            let groups = issuer.groups.values().map(|(_, role)| role);
            groups.chain([&issuer.role]).map(|role| &role.rights)
        })
    }

    /// Returns the names of the issuers that are not the same in both.
    pub(super) fn differences(&self, other: &Self) -> Vec<Name> {
        let mut names: Vec<_> = [(self, other), (other, self)]
            .into_iter()
            .flat_map(|(some, others)| {
                let differs = |it: &(&String, &Issuer)| others.0.get(it.0) != Some(it.1);
                some.0.iter().filter(differs)
            })
            .map(|(_, issuer)| issuer.name.clone())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Checks the signature of a token. Returns `None` if it is no JSON Web Token, or there are no issuers.
    pub(super) fn check(&self, token: &str) -> Option<Result<Proof, JwtError>> {
        let looks_so = token.bytes().filter(|it| *it == b'.').count() == 2;
        (looks_so && !self.0.is_empty()).then(|| self.check_signature(token))
    }

    fn check_signature(&self, token: &str) -> Result<Proof, JwtError> {
        #[derive(Deserialize)]
        struct Origin {
            iss: String,
        }

        if token.len() > MAX_LENGTH {
            return Err(JwtError::Length(token.len()));
        }
        let jws = Jws::parse(token).map_err(JwtError::Form)?;
        let origin: Origin = serde_json::from_slice(&jws.payload)
            .map_err(|_| JwtError::Form("its claims do not name the issuer, `iss`"))?;
        let Some(issuer) = self.0.get(&origin.iss) else {
            return Err(JwtError::Issuer(cut(&origin.iss)));
        };
        let name = || issuer.name.clone();
        let key = issuer.keys.verify(&jws).map_err(|error| match error {
            BadKey::Unknown { kid } => JwtError::Key {
                kid: cut(kid),
                issuer: name(),
            },
            BadKey::Unnamed => JwtError::NoKeyId(name()),
            BadKey::Algorithm => JwtError::Algorithm {
                algorithm: cut(&jws.header.alg),
                issuer: name(),
            },
            BadKey::Signature => JwtError::Signature,
        })?;
        Ok(Proof {
            issuer: origin.iss,
            key,
            claims: jws.payload,
        })
    }

    /// Returns who has a token whose signature was right. `local` finds the users of the configuration.
    pub(super) fn guest<'a>(
        &self,
        proof: &Proof,
        now: SystemTime,
        local: impl FnOnce(&Name) -> Option<&'a UserPolicy>,
    ) -> Result<Guest, JwtError> {
        let Some(issuer) = self.0.get(&proof.issuer) else {
            return Err(JwtError::Issuer(cut(&proof.issuer)));
        };
        if !issuer.keys.contain(&proof.key) {
            return Err(JwtError::Key {
                kid: cut(proof.key.id().unwrap_or_default()),
                issuer: issuer.name.clone(),
            });
        }
        let claims = serde_json::from_slice(&proof.claims);
        let claims = claims.map_err(|_| JwtError::Form("its claims are no JSON object"))?;
        issuer.guest(&claims, now, local)
    }
}

impl Issuer {
    fn new(
        name: Name,
        issuer: file::Issuer,
        keys: Keys,
        groups: &BTreeMap<Name, file::Group>,
        roles: &BTreeMap<Name, Role>,
        limits: UserLimits,
    ) -> (String, Self) {
        let with_role = |group: Name| {
            let names = groups.get(&group).into_iter().flat_map(|it| &it.roles);
            let role = Role::of(names, roles);
            (group, role)
        };
        let mapped = issuer.groups.into_iter();
        let issuer_of_file = Self {
            name,
            audience: issuer.audience.0,
            keys,
            user_claim: issuer.user_claim,
            user_prefix: issuer.user_prefix,
            groups_claim: issuer.groups_claim,
            groups: mapped
                .map(|(value, group)| (value, with_role(group)))
                .collect(),
            role: Role::of(&issuer.roles, roles),
            limits,
            local_users: issuer.local_users,
        };
        (issuer.issuer, issuer_of_file)
    }

    fn guest<'a>(
        &self,
        claims: &Map<String, Value>,
        now: SystemTime,
        local: impl FnOnce(&Name) -> Option<&'a UserPolicy>,
    ) -> Result<Guest, JwtError> {
        let audience = texts(claims, "aud")?;
        let is_meant = |it: &String| audience.contains(&&**it);
        if !self.audience.iter().any(is_meant) {
            return Err(JwtError::Audience(self.audience.clone()));
        }
        let expires = moment(claims, "exp")?.ok_or_else(|| wrong("exp", "is missing"))?;
        let expires = expires
            .checked_add(LEEWAY)
            .ok_or_else(|| wrong("exp", NO_TIME))?;
        if expires <= now {
            return Err(JwtError::Expired(self.name.clone()));
        }
        let begin = moment(claims, "nbf")?;
        if begin.is_some_and(|begin| now.checked_add(LEEWAY).is_some_and(|now| begin > now)) {
            return Err(JwtError::Early(self.name.clone()));
        }
        let name = self.user(claims)?;
        if name.as_str() == ANONYMOUS {
            let problem = "is `anonymous`, which stands for programs without a token";
            return Err(wrong(&self.user_claim, problem));
        }
        let local = local(&name);
        if local.is_some() && !self.local_users {
            let (user, issuer) = (name, self.name.clone());
            return Err(JwtError::LocalUser { user, issuer });
        }
        let mut role = self.role.clone();
        let mut groups = Vec::new();
        for value in groups_of(claims, &self.groups_claim)? {
            if let Some((group, of_group)) = self.groups.get(value) {
                role.extend(of_group);
                groups.push(group.clone());
            }
        }
        Ok(Guest {
            policy: Arc::new(UserPolicy::of_issuer(
                &name,
                local,
                groups,
                role,
                self.limits,
            )),
            name,
            expires,
        })
    }

    fn user(&self, claims: &Map<String, Value>) -> Result<Name, JwtError> {
        let claim = &self.user_claim;
        let value = claims
            .get(claim)
            .ok_or_else(|| wrong(claim, "is missing"))?;
        let user = value.as_str().ok_or_else(|| wrong(claim, "is no text"))?;
        // The prefix alone names nobody.
        let prefix = self.user_prefix.as_ref().filter(|_| !user.is_empty());
        let prefix = prefix.map_or("", Name::as_str);
        // The longest name is shorter.
        let user = format!("{prefix}{}", cut(user));
        Name::try_from(user).map_err(|source| JwtError::User {
            claim: claim.clone(),
            source,
        })
    }
}

const NO_TIME: &str = "is no number of seconds since 1970";

fn wrong(claim: &str, problem: &'static str) -> JwtError {
    JwtError::Claim {
        claim: claim.to_owned(),
        problem,
    }
}

/// Returns the texts of a claim, which is a text, a list of texts, or missing.
fn texts<'a>(claims: &'a Map<String, Value>, claim: &str) -> Result<Vec<&'a str>, JwtError> {
    let texts = match claims.get(claim) {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(Value::String(text)) => Some(vec![&**text]),
        Some(Value::Array(values)) => values.iter().map(Value::as_str).collect(),
        Some(_) => None,
    };
    texts.ok_or_else(|| wrong(claim, "is neither a text nor a list of texts"))
}

/// Returns the texts of a claim with groups. Other values in its list name no group.
fn groups_of<'a>(claims: &'a Map<String, Value>, claim: &str) -> Result<Vec<&'a str>, JwtError> {
    match claims.get(claim) {
        Some(Value::Array(values)) => Ok(values.iter().filter_map(Value::as_str).collect()),
        _ => texts(claims, claim),
    }
}

fn moment(claims: &Map<String, Value>, claim: &str) -> Result<Option<SystemTime>, JwtError> {
    let Some(value) = claims.get(claim) else {
        return Ok(None);
    };
    let seconds = value.as_f64();
    let since = seconds.and_then(|it| Duration::try_from_secs_f64(it).ok());
    let moment = since.and_then(|since| UNIX_EPOCH.checked_add(since));
    moment.map(Some).ok_or_else(|| wrong(claim, NO_TIME))
}

#[cfg(test)]
#[cfg(feature = "jwt")]
mod tests;
