//! What the users of a configuration may do.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use super::ANONYMOUS;
use super::config::{ConfigError, check_names};
use super::file::{File, Hash, Name, Rights, User};
use super::issuer::{Guest, Issuers, JwtError, Proof};
use super::limits::{Levels, LimitsTable, UserLimits};
use super::rights::{Pair, Right, TopicRights};
use crate::pattern::Pattern;
use crate::topic::TopicName;

/// The users, their tokens and their rights.
pub(super) struct Policy {
    users: BTreeMap<Name, Arc<UserPolicy>>,
    tokens: HashMap<Hash, TokenPolicy>,
    issuers: Issuers,
    /// The rights of those who have no token.
    anonymous: Option<Arc<UserPolicy>>,
    /// The topics that somebody may call or serve.
    named: Vec<Pattern>,
}

/// What a user may do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UserPolicy {
    rights: Rights,
    levels: Levels,
    groups: Vec<Name>,
    /// The properties that tell who has sent a message. Empty if nobody knows it.
    pub(super) stamp: Arc<str>,
}

/// The rights of a role, or of some together, and the limits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Role {
    pub(super) rights: Rights,
    limits: UserLimits,
}

#[derive(Debug, PartialEq, Eq)]
struct TokenPolicy {
    user: Name,
    expires: Option<SystemTime>,
}

/// Why a token does not open the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadToken {
    Unknown,
    Expired,
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A policy may be long, and nobody reads it in a log.
        let users = self.users.len();
        f.debug_struct("Policy")
            .field("users", &users)
            .finish_non_exhaustive()
    }
}

impl Right {
    fn of(self, rights: &Rights) -> &Vec<Pattern> {
        match self {
            Self::Call => &rights.call,
            Self::Serve => &rights.serve,
            Self::Watch => &rights.watch,
            Self::Admin => &rights.admin,
        }
    }

    fn of_mut(self, rights: &mut Rights) -> &mut Vec<Pattern> {
        match self {
            Self::Call => &mut rights.call,
            Self::Serve => &mut rights.serve,
            Self::Watch => &mut rights.watch,
            Self::Admin => &mut rights.admin,
        }
    }
}

impl Rights {
    fn allow(&self, right: Right, topic: &str) -> bool {
        right.of(self).iter().any(|pattern| pattern.matches(topic))
    }

    fn extend(&mut self, other: &Self) {
        for right in Right::ALL {
            right.of_mut(self).extend_from_slice(right.of(other));
        }
    }

    /// Removes what is there twice. The order has no meaning.
    fn simplify(&mut self) {
        for right in Right::ALL {
            let patterns = right.of_mut(self);
            patterns.sort_unstable();
            patterns.dedup();
        }
    }
}

impl Role {
    fn new(name: &Name, rights: Rights) -> Result<Self, ConfigError> {
        let limits = rights.limits.read(&format!("roles.{name}.limits"))?;
        Ok(Self { rights, limits })
    }

    /// Joins some roles, of which those count that are defined.
    pub(super) fn of<'a>(
        names: impl IntoIterator<Item = &'a Name>,
        roles: &BTreeMap<Name, Self>,
    ) -> Self {
        let mut joined = Self::default();
        let of_roles = names.into_iter().filter_map(|role| roles.get(role));
        of_roles.for_each(|role| joined.extend(role));
        joined.rights.simplify();
        joined
    }

    /// Adds the rights of another role. Of each limit, the larger one counts.
    pub(super) fn extend(&mut self, other: &Self) {
        self.rights.extend(&other.rights);
        self.limits = self.limits.or_larger(other.limits);
    }
}

impl Policy {
    /// Checks a configuration. Paths in it are relative to the folder. Without one, there are no issuers.
    pub(super) fn new(file: File, folder: Option<&Path>) -> Result<Self, ConfigError> {
        if !file.limits.is_empty() && !file.has_users() {
            return Err(ConfigError::Limit {
                key: "limits".to_owned(),
                problem: "the configuration has no users, for whom these limits are".to_owned(),
            });
        }
        let File {
            roles,
            groups,
            users,
            issuers,
            anonymous,
            limits,
            topics: _,
        } = file;
        let all = limits.read("limits")?;
        let roles = roles
            .into_iter()
            .map(|(name, rights)| Ok((name.clone(), Role::new(&name, rights)?)))
            .collect::<Result<BTreeMap<_, _>, ConfigError>>()?;
        for (name, group) in &groups {
            check_names(
                || format!("groups.{name}.roles"),
                &group.roles,
                "roles",
                &roles,
            )?;
        }
        let mut policy = Self {
            users: BTreeMap::new(),
            tokens: HashMap::new(),
            issuers: Issuers::new(issuers, folder, &groups, &roles, all)?,
            anonymous: None,
            named: Vec::new(),
        };
        for (name, mut user) in users {
            if name.as_str() == ANONYMOUS {
                return Err(ConfigError::Anonymous);
            }
            check_names(
                || format!("users.{name}.roles"),
                &user.roles,
                "roles",
                &roles,
            )?;
            check_names(
                || format!("users.{name}.groups"),
                &user.groups,
                "groups",
                &groups,
            )?;
            let mut rights = user.take_rights();
            let of_groups = user.groups.iter().filter_map(|group| groups.get(group));
            let names = of_groups.flat_map(|group| &group.roles).chain(&user.roles);
            let own = rights.limits.read(&format!("users.{name}.limits"))?;
            let of_roles = Role::of(names, &roles);
            rights.extend(&of_roles.rights);
            let levels = Levels {
                own,
                roles: of_roles.limits,
                all,
            };
            policy.add_tokens(&name, &user)?;
            let user = UserPolicy::new(Some(&name), user.groups, rights, levels);
            policy.users.insert(name, Arc::new(user));
        }
        if let Some(rights) = anonymous {
            let levels = Levels {
                own: rights.limits.read("anonymous.limits")?,
                ..Levels::default()
            };
            let user = UserPolicy::new(None, Vec::new(), rights, levels);
            policy.anonymous = Some(Arc::new(user));
        }
        let users = policy.users.values().chain(&policy.anonymous);
        let rights = users.map(|user| &user.rights);
        let mut named: Vec<_> = rights
            .chain(policy.issuers.rights())
            .flat_map(|rights| rights.call.iter().chain(&rights.serve))
            .cloned()
            .collect();
        named.sort_unstable();
        named.dedup();
        policy.named = named;
        Ok(policy)
    }

    fn add_tokens(&mut self, name: &Name, user: &User) -> Result<(), ConfigError> {
        for token in &user.tokens {
            let added = TokenPolicy {
                user: name.clone(),
                expires: token.expires.map(|expires| expires.0),
            };
            if let Some(earlier) = self.tokens.insert(token.sha256, added) {
                return Err(ConfigError::SameToken {
                    first: earlier.user.to_string(),
                    second: name.to_string(),
                });
            }
        }
        Ok(())
    }

    pub(super) fn user_count(&self) -> usize {
        self.users.len()
    }

    /// Returns the user with a token, and when the token expires.
    pub(super) fn user_of(
        &self,
        token: &Hash,
        now: SystemTime,
    ) -> Result<(&Name, Option<SystemTime>), BadToken> {
        let token = self.tokens.get(token).ok_or(BadToken::Unknown)?;
        match token.expires {
            Some(expires) if expires <= now => Err(BadToken::Expired),
            expires => Ok((&token.user, expires)),
        }
    }

    /// Returns a user; without a name, the one who has no token.
    pub(super) fn user(&self, name: Option<&Name>) -> Option<&Arc<UserPolicy>> {
        match name {
            Some(name) => self.users.get(name),
            None => self.anonymous.as_ref(),
        }
    }

    pub(super) fn issuer_count(&self) -> usize {
        self.issuers.count()
    }

    /// Checks the signature of a JSON Web Token, and returns what it proves and who has it; `None` if it is
    /// none, or the broker knows no issuer.
    pub(super) fn check_jwt(
        &self,
        token: &str,
        now: SystemTime,
    ) -> Option<Result<(Proof, Guest), JwtError>> {
        let proof = self.issuers.check(token)?;
        Some(proof.and_then(|proof| {
            let guest = self.guest(&proof, now)?;
            Ok((proof, guest))
        }))
    }

    /// Returns who has a JSON Web Token.
    pub(super) fn guest(&self, proof: &Proof, now: SystemTime) -> Result<Guest, JwtError> {
        let local = |name: &Name| self.users.get(name).map(|user| &**user);
        self.issuers.guest(proof, now, local)
    }

    /// Returns what a user may do with a topic.
    pub(super) fn topic_rights(&self, user: &UserPolicy, topic: &TopicName) -> TopicRights {
        let pair = |topic: &str| Pair {
            call: user.rights.allow(Right::Call, topic),
            serve: user.rights.allow(Right::Serve, topic),
        };
        let text = topic.to_string();
        let own = pair(&text);
        let base = topic.base().map(|base| base.to_string()).filter(|base| {
            // A topic that somebody has named is one of modules.
            let mut naming = self.named.iter().filter(|named| named.matches(&text));
            naming.all(|named| named.matches(base))
        });
        let base = base.map(|base| pair(&base));
        TopicRights::new(topic, own, base)
    }

    /// Returns who has a JSON Web Token, if it is this user.
    pub(super) fn guest_named(
        &self,
        name: Option<&Name>,
        proof: &Proof,
        now: SystemTime,
    ) -> Option<Guest> {
        let guest = self.guest(proof, now).ok();
        guest.filter(|guest| Some(&guest.name) == name)
    }

    /// Returns the names of the issuers in which two policies differ.
    pub(super) fn issuer_differences(&self, other: &Self) -> Vec<Name> {
        self.issuers.differences(&other.issuers)
    }

    /// Returns the names of the users of whom two policies differ. `None` is the one without a token.
    pub(super) fn differences<'a>(&'a self, other: &'a Self) -> Vec<Option<&'a Name>> {
        let names = self.users.keys().chain(other.users.keys());
        let mut names: Vec<_> = names.map(Some).chain([None]).collect();
        names.sort_unstable();
        names.dedup();
        names.retain(|name| {
            let tokens = |policy: &'a Self| {
                let of_user = |it: &(&Hash, &TokenPolicy)| Some(&it.1.user) == *name;
                let tokens = policy.tokens.iter().filter(of_user);
                let mut tokens: Vec<_> = tokens.map(|(hash, it)| (*hash, it.expires)).collect();
                tokens.sort_unstable();
                tokens
            };
            self.user(*name) != other.user(*name) || tokens(self) != tokens(other)
        });
        names
    }
}

impl UserPolicy {
    fn new(name: Option<&Name>, groups: Vec<Name>, mut rights: Rights, levels: Levels) -> Self {
        rights.simplify();
        // They are a part of the others now.
        rights.limits = LimitsTable::default();
        let stamp = stamp(name, &groups).into();
        Self {
            rights,
            levels,
            groups,
            stamp,
        }
    }

    /// Returns a user of an issuer, who may also be one of the configuration. The role is that of the user
    /// and its groups together, and the limits are those of all users.
    pub(super) fn of_issuer(
        name: &Name,
        local: Option<&Self>,
        groups: Vec<Name>,
        role: Role,
        all: UserLimits,
    ) -> Self {
        let mut rights = role.rights;
        let mut levels = Levels {
            own: UserLimits::default(),
            roles: role.limits,
            all,
        };
        let mut all_groups = Vec::new();
        if let Some(local) = local {
            rights.extend(&local.rights);
            levels.own = local.levels.own;
            levels.roles = levels.roles.or_larger(local.levels.roles);
            all_groups.clone_from(&local.groups);
        }
        for group in groups {
            if !all_groups.contains(&group) {
                all_groups.push(group);
            }
        }
        Self::new(Some(name), all_groups, rights, levels)
    }

    /// Returns the limits of the user.
    pub(super) fn limits(&self) -> UserLimits {
        self.levels.nearest()
    }

    /// Returns whether the user has a right for a topic.
    pub(super) fn allows(&self, right: Right, topic: &TopicName) -> bool {
        self.rights.allow(right, &topic.to_string())
    }

    /// Returns whether the user has a right for all topics.
    pub(super) fn allows_everywhere(&self, right: Right) -> bool {
        // No topic has this name, so only `*` matches it.
        self.rights.allow(right, "*")
    }
}

/// Returns the properties that tell who has sent a message, without braces. A name needs no escapes.
fn stamp(name: Option<&Name>, groups: &[Name]) -> String {
    use dasf_protocol::properties::key;
    let Some(name) = name else {
        return String::new();
    };
    let mut stamp = format!("\"{}\":\"{name}\"", key::USER);
    if !groups.is_empty() {
        let groups: Vec<_> = groups.iter().map(Name::as_str).collect();
        stamp += &format!(",\"{}\":\"{}\"", key::GROUPS, groups.join(","));
    }
    stamp
}

/// Returns the hash of a token.
pub(super) fn hash(token: &str) -> Hash {
    Hash(Sha256::digest(token.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use dasf_protocol::Topic;

    use super::*;
    use crate::access::{Config, Quota};

    const CONFIG: &str = r#"
        [roles.caller]
        call = ["river", "climate-*"]
        [roles.operator]
        watch = ["*"]
        [groups.hydrology]
        roles = ["caller"]
        [groups.guests]
        [users.ada]
        groups = ["hydrology", "guests"]
        roles = ["operator"]
        tokens = [
            { sha256 = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b", note = "notebook" },
            { sha256 = "35224d0d3465d74e855f8d69a136e79c744ea35a675d3393360a327cbf6359a2", created = 2026-11-28, expires = 2027-01-01 },
        ]
        call = ["lab", "river"]
        [users.bob]
        serve = ["river*"]
        [anonymous]
        call = ["demo", "river_basin2026"]
    "#;

    fn policy(text: &str) -> Arc<Policy> {
        text.parse::<Config>().unwrap().policy
    }

    fn name(text: &str) -> Option<Name> {
        (!text.is_empty()).then(|| text.to_owned().try_into().unwrap())
    }

    fn topic(text: &str) -> TopicName {
        text.parse::<Topic>().unwrap().into()
    }

    #[test]
    fn rights_come_from_roles_groups_and_the_user() {
        let policy = policy(CONFIG);
        for (user, right, named, expected) in [
            ("ada", Right::Call, "river", true),
            ("ada", Right::Call, "climate-eu", true),
            ("ada", Right::Call, "lab", true),
            ("ada", Right::Call, "demo", false),
            ("ada", Right::Serve, "river", false),
            ("ada", Right::Watch, "anything", true),
            ("ada", Right::Admin, "anything", false),
            ("bob", Right::Serve, "rivers", true),
            ("bob", Right::Watch, "river", false),
            ("", Right::Call, "demo", true),
            ("", Right::Call, "river", false),
            ("eve", Right::Call, "river", false),
        ] {
            let user_policy = policy.user(name(user).as_ref());
            let allowed = user_policy.is_some_and(|it| it.allows(right, &topic(named)));
            assert_eq!(allowed, expected, "{user} {right} {named}");
        }
        let elsewhere = TopicName::new("x".to_owned(), "y".to_owned(), "river".parse().unwrap());
        let ada = policy.user(name("ada").as_ref()).unwrap();
        assert!(!ada.allows(Right::Call, &elsewhere));
    }

    #[test]
    fn the_nearest_limit_counts() {
        let policy = policy(
            r#"
            [limits]
            max_connections = 10
            max_topics = 10
            max_subscriptions = 10
            [roles.small.limits]
            max_connections = 1
            max_topics = 1
            [roles.large.limits]
            max_topics = 100
            max_memory = "1 kB"
            [roles.none]
            [groups.all]
            roles = ["large"]
            [users.ada]
            roles = ["small", "none"]
            groups = ["all"]
            limits = { max_connections = 2, max_messages_per_second = 5 }
            [users.bob]
            [anonymous.limits]
            max_topics = 3
            "#,
        );
        let limits = |user| {
            let limits = policy.user(name(user).as_ref()).unwrap().limits();
            Quota::ALL.map(|quota| limits.get(quota))
        };
        assert_eq!(
            limits("ada"),
            [Some(2), Some(100), Some(10), Some(1000), Some(5)]
        );
        assert_eq!(limits("bob"), [Some(10), Some(10), Some(10), None, None]);
        assert_eq!(limits(""), [None, Some(3), None, None, None]);
    }

    #[test]
    fn a_token_belongs_to_its_user_until_it_expires() {
        let policy = policy(CONFIG);
        let in_2026 = UNIX_EPOCH + Duration::from_secs(1_798_761_599);
        let in_2027 = in_2026 + Duration::from_secs(1);
        let ada = name("ada").unwrap();
        assert_eq!(policy.user_of(&hash("secret"), in_2027), Ok((&ada, None)));
        assert_eq!(
            policy.user_of(&hash("secret2"), in_2026),
            Ok((&ada, Some(in_2027)))
        );
        assert_eq!(
            policy.user_of(&hash("secret2"), in_2027),
            Err(BadToken::Expired)
        );
        assert_eq!(
            policy.user_of(&hash("other"), in_2026),
            Err(BadToken::Unknown)
        );
    }

    #[test]
    fn the_stamp_tells_the_user_and_the_groups() {
        let policy = policy(CONFIG);
        let stamp = |user| &*policy.user(name(user).as_ref()).unwrap().stamp;
        assert_eq!(
            stamp("ada"),
            r#""x_dasf_user":"ada","x_dasf_groups":"hydrology,guests""#
        );
        assert_eq!(stamp("bob"), r#""x_dasf_user":"bob""#);
        assert_eq!(stamp(""), "");
    }

    #[test]
    fn a_named_topic_is_no_response_topic() {
        let policy = policy(CONFIG);
        let ada = policy.user(name("ada").as_ref()).unwrap();
        let has_base = |named| policy.topic_rights(ada, &topic(named)).base;
        let calls = Some(Pair {
            call: true,
            serve: false,
        });
        assert_eq!(has_base("river_a1B2c3D4"), calls);
        assert_eq!(has_base("river_basin2026"), None);
        assert_eq!(has_base("river_a1B2c3"), None);
        assert_eq!(has_base("river"), None);
    }

    #[test]
    fn changes_are_told_by_user() {
        let before = policy(CONFIG);
        let changed = |from: &str, to: &str| {
            let after = policy(&CONFIG.replace(from, to));
            let names = before.differences(&after).into_iter();
            names
                .map(|it| it.map_or_else(String::new, ToString::to_string))
                .collect::<Vec<_>>()
        };
        assert_eq!(changed("x", "x"), [""; 0]);
        assert_eq!(changed("climate-*", "climate"), ["ada"]);
        assert_eq!(changed("35224d", "35224e"), ["ada"]);
        assert_eq!(changed("2027-01-01", "2028-01-01"), ["ada"]);
        assert_eq!(changed("users.bob", "users.eve"), ["bob", "eve"]);
        assert_eq!(changed("demo", "demos"), [""]);
    }
}
