//! New tokens.

use std::time::SystemTime;

use dasf_protocol::topic::random_name;
use toml_edit::{Array, ArrayOfTables, Datetime, DocumentMut, InlineTable, Item, Table, Value};

use super::config::{Config, ConfigError};
use super::file::{Expiry, Name};
use super::policy::hash;
use crate::message::date;

/// A new token of a user.
///
/// ```
/// use dasf_broker::{Config, NewToken};
///
/// let token = NewToken::new(Some("notebook"), None)?;
/// let config = "[users.ada]\ncall = [\"river\"] # and nothing else\n";
/// let changed = token.add_to(config, "ada")?;
/// assert!(changed.contains("# and nothing else") && changed.contains("note = \"notebook\""));
/// assert_eq!(changed.parse::<Config>()?.users(), 1);
/// println!("give this to Ada: {}", token.secret());
/// # Ok::<(), dasf_broker::TokenError>(())
/// ```
pub struct NewToken {
    secret: String,
    entry: InlineTable,
}

/// The error of a token that cannot be made, or cannot be added to a configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The operating system has no random bytes.
    #[error("the operating system has no random bytes: {0}")]
    Random(String),
    /// The text is not a moment at which a token can expire.
    #[error("a token cannot expire at {text:?}: {problem}")]
    Expiry {
        /// The text.
        text: String,
        /// What is wrong.
        problem: String,
    },
    /// The text is not the name of a user.
    #[error("{0}")]
    User(String),
    /// The configuration is wrong, with the new token or already without it.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// `users`, the user or `tokens` has another form than a configuration needs.
    #[error("{key} is not a {form}; correct it, or add the token by hand")]
    Form {
        /// The key.
        key: String,
        /// The form that it should have.
        form: &'static str,
    },
}

impl std::fmt::Debug for NewToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Logs must not contain tokens.
        f.debug_struct("NewToken").finish_non_exhaustive()
    }
}

impl NewToken {
    /// Makes a token of 256 random bits. `note` tells people what it is for. It expires at `expires`, a TOML
    /// date such as `2027-01-01`, which means the start of this day in UTC, or a TOML time with its zone.
    ///
    /// # Errors
    /// [`TokenError::Random`] and [`TokenError::Expiry`].
    pub fn new(note: Option<&str>, expires: Option<&str>) -> Result<Self, TokenError> {
        let mut bits = [[0; 16]; 2];
        for half in &mut bits {
            getrandom::fill(half).map_err(|error| TokenError::Random(error.to_string()))?;
        }
        let [first, second] = bits.map(|half| random_name(u128::from_le_bytes(half)));
        let secret = format!("dasf_{first}{second}");
        let mut entry = InlineTable::new();
        entry.insert("sha256", hash(&secret).to_string().into());
        if let Ok(today) = date(SystemTime::now()).parse::<Datetime>() {
            entry.insert("created", today.into());
        }
        if let Some(expires) = expires {
            entry.insert("expires", moment(expires)?.into());
        }
        if let Some(note) = note {
            entry.insert("note", note.into());
        }
        Ok(Self { secret, entry })
    }

    /// Returns the token. Nobody can find it out later: a configuration contains only its SHA-256.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// Returns the item of the list `tokens` in a configuration.
    pub fn entry(&self) -> String {
        self.entry.to_string().trim().to_owned()
    }

    /// Adds the token to the text of a configuration, and the user if it is not there. Comments and the
    /// order stay. Returns the new text.
    ///
    /// # Errors
    /// [`TokenError::Config`] and [`TokenError::Form`] if the text is no configuration, and
    /// [`TokenError::User`] if the user has no valid name.
    pub fn add_to(&self, config: &str, user: &str) -> Result<String, TokenError> {
        // The keys of issuers do not matter here.
        Config::read(config, None)?;
        Name::try_from(user.to_owned()).map_err(|error| TokenError::User(error.to_string()))?;
        let form = |key: &str, form| TokenError::Form {
            key: key.to_owned(),
            form,
        };
        let mut document: DocumentMut = config
            .parse()
            .map_err(|error: toml_edit::TomlError| form(error.message(), "configuration"))?;
        let users = document.entry("users").or_insert_with(|| {
            let mut users = Table::new();
            users.set_implicit(true);
            users.into()
        });
        let users = users.as_table_like_mut();
        let users = users.ok_or_else(|| form("users", "table"))?;
        let found = users.entry(user).or_insert(Table::new().into());
        let found = found.as_table_like_mut();
        let found = found.ok_or_else(|| form(&format!("users.{user}"), "table"))?;
        let tokens = found
            .entry("tokens")
            .or_insert(Value::from(Array::new()).into());
        match tokens {
            Item::Value(Value::Array(tokens)) => tokens.push(self.entry.clone()),
            Item::ArrayOfTables(tokens) => self.push_to(tokens),
            _ => return Err(form(&format!("users.{user}.tokens"), "list")),
        }
        let changed = document.to_string();
        Config::read(&changed, None)?;
        Ok(changed)
    }

    fn push_to(&self, tokens: &mut ArrayOfTables) {
        let mut table = self.entry.clone().into_table();
        table.fmt();
        tokens.push(table);
    }
}

fn moment(text: &str) -> Result<Datetime, TokenError> {
    let problem = |problem: String| TokenError::Expiry {
        text: text.to_owned(),
        problem,
    };
    let moment: Datetime = text
        .parse()
        .map_err(|error: toml_edit::DatetimeParseError| problem(error.to_string()))?;
    let expiry = Expiry::try_from(moment).map_err(|error| problem(error.to_string()))?;
    match expiry.0 > SystemTime::now() {
        true => Ok(moment),
        false => Err(problem("this moment is over".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_token_is_new_and_long() {
        let mut secrets = HashSet::new();
        for _ in 0..100 {
            let token = NewToken::new(None, None).unwrap();
            let name = token.secret().strip_prefix("dasf_").unwrap();
            assert_eq!(name.len(), 44);
            assert!(name.bytes().all(|it| it.is_ascii_alphanumeric()), "{name}");
            assert!(!format!("{token:?} {}", token.entry()).contains(name));
            assert!(secrets.insert(token.secret().to_owned()));
        }
    }

    #[test]
    fn a_token_is_added_where_the_user_is() {
        for config in [
            "",
            "[anonymous]\n",
            "# the users\n[users.ada]\n",
            "[users.ada]\ntokens = []\n# the last line",
            "users.ada = { call = [\"river\"] }\n",
            "[[users.ada.tokens]]\nsha256 = \"0000000000000000000000000000000000000000000000000000000000000000\"\n",
            "[users]\nada.call = [\"river\"]\n",
            "[issuers.lab]\nissuer = \"i\"\naudience = \"a\"\njwks = \"/no/such/file\"\n",
        ] {
            let first = NewToken::new(None, Some("2999-01-01")).unwrap();
            let second = NewToken::new(Some("a \"note\""), None).unwrap();
            let once = first.add_to(config, "ada").unwrap();
            let twice = second.add_to(&once, "ada").unwrap();
            let policy = Config::read(&twice, None).unwrap().policy;
            for token in [&first, &second] {
                let found = policy.user_of(&hash(token.secret()), SystemTime::now());
                assert_eq!(found.unwrap().0.as_str(), "ada", "{twice}");
            }
            for comment in config.lines().filter(|line| line.starts_with('#')) {
                assert!(twice.contains(comment), "{twice}");
            }
        }
    }

    #[test]
    fn what_is_wrong_is_refused() {
        for wrong in ["2026", "2026-01-01", "2999-01-01T00:00:00", "soon"] {
            let error = NewToken::new(None, Some(wrong)).unwrap_err();
            assert!(matches!(error, TokenError::Expiry { .. }), "{error}");
        }
        let token = NewToken::new(None, None).unwrap();
        let user = token.add_to("", "a b").unwrap_err();
        assert!(matches!(user, TokenError::User(_)), "{user}");
        let wrong = token.add_to("[user]", "ada").unwrap_err();
        assert!(matches!(wrong, TokenError::Config(_)), "{wrong}");
    }
}
