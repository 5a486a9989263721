//! The text of a configuration.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use toml_edit::{Datetime, Offset};

use super::limits::LimitsTable;
use crate::pattern::Pattern;
use crate::topic_settings::TopicRule;

/// A configuration as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    pub(super) roles: BTreeMap<Name, Rights>,
    #[serde(default)]
    pub(super) groups: BTreeMap<Name, Group>,
    #[serde(default)]
    pub(super) users: BTreeMap<Name, User>,
    #[serde(default)]
    pub(super) issuers: BTreeMap<Name, Issuer>,
    /// The rights of those who have no token.
    pub(super) anonymous: Option<Rights>,
    /// The limits of each user.
    #[serde(default)]
    pub(super) limits: LimitsTable,
    #[serde(default)]
    pub(super) topics: Vec<TopicRule>,
}

impl File {
    /// Returns whether the configuration says who may do what.
    pub(super) fn has_users(&self) -> bool {
        let tables = [
            self.roles.len(),
            self.groups.len(),
            self.users.len(),
            self.issuers.len(),
        ];
        self.anonymous.is_some() || tables != [0; 4]
    }
}

/// The topics that a role, or a user, may use, and its limits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Rights {
    pub(super) call: Vec<Pattern>,
    pub(super) serve: Vec<Pattern>,
    pub(super) watch: Vec<Pattern>,
    pub(super) admin: Vec<Pattern>,
    pub(super) limits: LimitsTable,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Group {
    pub(super) roles: Vec<Name>,
}

// Serde cannot refuse unknown keys of a structure that contains another one in place.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct User {
    pub(super) groups: Vec<Name>,
    pub(super) roles: Vec<Name>,
    pub(super) tokens: Vec<Token>,
    call: Vec<Pattern>,
    serve: Vec<Pattern>,
    watch: Vec<Pattern>,
    admin: Vec<Pattern>,
    limits: LimitsTable,
}

impl User {
    /// Takes the rights and limits that stand at the user.
    pub(super) fn take_rights(&mut self) -> Rights {
        Rights {
            call: std::mem::take(&mut self.call),
            serve: std::mem::take(&mut self.serve),
            watch: std::mem::take(&mut self.watch),
            admin: std::mem::take(&mut self.admin),
            limits: std::mem::take(&mut self.limits),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Token {
    pub(super) sha256: Hash,
    #[serde(rename = "note")]
    _note: Option<String>,
    #[serde(rename = "created")]
    _created: Option<Datetime>,
    pub(super) expires: Option<Expiry>,
}

/// An issuer of JSON Web Tokens.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Issuer {
    /// The claim `iss` of its tokens.
    pub(super) issuer: String,
    pub(super) audience: Audience,
    /// The file with its keys.
    pub(super) jwks: PathBuf,
    #[serde(default = "usual_user_claim")]
    pub(super) user_claim: String,
    pub(super) user_prefix: Option<Name>,
    #[serde(default = "usual_groups_claim")]
    pub(super) groups_claim: String,
    /// The groups of this file, by the values of the claim.
    #[serde(default)]
    pub(super) groups: BTreeMap<String, Name>,
    /// The roles of all its users.
    #[serde(default)]
    pub(super) roles: Vec<Name>,
    /// Whether it may name the users of this file.
    #[serde(default)]
    pub(super) local_users: bool,
}

fn usual_user_claim() -> String {
    "sub".to_owned()
}

fn usual_groups_claim() -> String {
    "groups".to_owned()
}

/// The values of the claim `aud` that the broker accepts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "OneOrMany")]
pub(super) struct Audience(pub(super) Vec<String>);

#[derive(Deserialize)]
#[serde(untagged, expecting = "an audience is a text, or a list of texts")]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

#[derive(Debug, thiserror::Error)]
#[error("an issuer needs at least one audience, so that tokens for other services are refused")]
struct NoAudience;

impl TryFrom<OneOrMany> for Audience {
    type Error = NoAudience;

    fn try_from(audience: OneOrMany) -> Result<Self, NoAudience> {
        match audience {
            OneOrMany::One(audience) => Ok(Self(vec![audience])),
            OneOrMany::Many(list) if list.is_empty() => Err(NoAudience),
            OneOrMany::Many(list) => Ok(Self(list)),
        }
    }
}

/// The name of a user, a group, a role or an issuer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Name(Arc<str>);

/// The largest length of a name.
const MAX_NAME: usize = 64;

/// The error of a text that is no name.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a name; use 1 to {MAX_NAME} letters, digits, '.', '_', '@' and '-'")]
pub(crate) struct NameError(String);

impl TryFrom<String> for Name {
    type Error = NameError;

    fn try_from(name: String) -> Result<Self, NameError> {
        let accepts = |it: u8| it.is_ascii_alphanumeric() || b"._@-".contains(&it);
        match (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(accepts) {
            true => Ok(Self(name.into())),
            false => Err(NameError(name)),
        }
    }
}

impl Name {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The SHA-256 of a token.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Hash(pub(super) [u8; 32]);

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[derive(Debug, thiserror::Error)]
#[error("a SHA-256 has 64 hexadecimal digits; `dasf-broker token new` prints one")]
pub(crate) struct HashError;

impl TryFrom<String> for Hash {
    type Error = HashError;

    fn try_from(text: String) -> Result<Self, HashError> {
        if text.len() != 64 || !text.bytes().all(|it| it.is_ascii_hexdigit()) {
            return Err(HashError);
        }
        let mut hash = [0; 32];
        for (byte, digits) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = str::from_utf8(digits).map_err(|_| HashError)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| HashError)?;
        }
        Ok(Self(hash))
    }
}

/// From when on a token is no longer valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "Datetime")]
pub(super) struct Expiry(pub(super) SystemTime);

#[derive(Debug, thiserror::Error)]
#[error(
    "{0} is no moment from 1970 on; write a date such as 2027-01-01, or a time with its zone such as 2027-01-01T12:00:00Z"
)]
pub(super) struct ExpiryError(Datetime);

impl TryFrom<Datetime> for Expiry {
    type Error = ExpiryError;

    /// A date means the start of the day in UTC.
    fn try_from(text: Datetime) -> Result<Self, ExpiryError> {
        let seconds = seconds_since_epoch(text).and_then(|it| u64::try_from(it).ok());
        let seconds = seconds.ok_or(ExpiryError(text))?;
        Ok(Self(UNIX_EPOCH + Duration::from_secs(seconds)))
    }
}

fn seconds_since_epoch(text: Datetime) -> Option<i64> {
    let date = text.date?;
    // Years start in March, so that a leap day is the last day of a year. This is `days_from_civil` of
    // Howard Hinnant.
    let (month, day) = (i64::from(date.month), i64::from(date.day));
    let year = i64::from(date.year) - i64::from(month <= 2);
    let day = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = year * 365 + year / 4 - year / 100 + year / 400 + day - 719_468;
    let seconds = match (text.time, text.offset) {
        (None, None) => 0,
        (Some(time), Some(offset)) => {
            let minutes = match offset {
                Offset::Z => 0,
                Offset::Custom { minutes } => i64::from(minutes),
            };
            let (hour, minute) = (i64::from(time.hour), i64::from(time.minute));
            hour * 3600 + (minute - minutes) * 60 + i64::from(time.second.unwrap_or_default())
        }
        _ => return None,
    };
    Some(days * 86_400 + seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expiry(text: &str) -> Option<u64> {
        let expiry = Expiry::try_from(text.parse::<Datetime>().unwrap()).ok()?;
        Some(expiry.0.duration_since(UNIX_EPOCH).unwrap().as_secs())
    }

    #[test]
    fn a_date_is_the_start_of_its_day() {
        for (text, seconds) in [
            ("1970-01-01", Some(0)),
            ("2000-02-29", Some(951_782_400)),
            ("2027-01-01", Some(1_798_761_600)),
            ("2027-01-01T12:00:00Z", Some(1_798_804_800)),
            ("2027-01-01T12:00:00+02:00", Some(1_798_797_600)),
            ("1969-12-31", None),
            ("2027-01-01T12:00:00", None),
            ("12:00:00", None),
        ] {
            assert_eq!(expiry(text), seconds, "{text}");
        }
    }

    #[test]
    fn names_need_no_escape_and_no_comma() {
        for good in ["a", "ada.lovelace@example.org", "A_b-9", &"x".repeat(64)] {
            assert_eq!(Name::try_from(good.to_owned()).unwrap().as_str(), good);
        }
        for bad in ["", "a,b", "a b", "a\"", "\u{e4}", &"x".repeat(65)] {
            assert!(Name::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_hash_has_64_digits() {
        let text = "00ff".repeat(16);
        assert_eq!(Hash::try_from(text.clone()).unwrap().to_string(), text);
        for bad in [
            "",
            &text[1..],
            &text.replace('f', "g"),
            &"\u{e4}".repeat(32),
        ] {
            assert!(Hash::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
