//! The commands of the program for users and their rights.

use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use dasf_broker::{Broker, Config, NewToken};
use tracing::{info, warn};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum TokenCommand {
    /// Print a new token of a user, which nobody can find out later
    New {
        /// The name of the user
        user: String,

        /// What the token is for
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,

        /// Date such as 2027-01-01 from which on the token is no longer valid
        #[arg(long, value_name = "DATE")]
        expires: Option<String>,

        /// Configuration to which the token is added; without it, standard error shows the line to add
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check whether a broker can use a configuration
    Check {
        /// The configuration
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

impl TokenCommand {
    pub(crate) fn run(self) -> Result<(), Box<dyn Error>> {
        let Self::New {
            user,
            note,
            expires,
            config,
        } = self;
        let token = NewToken::new(note.as_deref(), expires.as_deref())?;
        match config {
            Some(path) => {
                let text = fs::read_to_string(&path)
                    .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
                let changed = token.add_to(&text, &user)?;
                replace(&path, &changed)
                    .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
            }
            None => {
                // The name is checked in the same way as in a file.
                token.add_to("", &user)?;
                let entry = token.entry();
                // Without standard error, the token is of no use, so this is an error.
                writeln!(
                    io::stderr(),
                    "add this to the list `tokens` of [users.{user}]:\n{entry}"
                )?;
            }
        }
        writeln!(io::stdout(), "{}", token.secret())?;
        Ok(())
    }
}

/// Replaces the content of a file, all or nothing.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    // A link stays one.
    let path = fs::canonicalize(path)?;
    let mut beside = path.clone().into_os_string();
    beside.push(".new");
    fs::copy(&path, &beside)?;
    fs::write(&beside, text)?;
    fs::rename(&beside, &path)
}

impl ConfigCommand {
    pub(crate) fn run(self) -> Result<(), Box<dyn Error>> {
        let Self::Check { file } = self;
        let config = Config::load(&file)?;
        let issuers = match config.issuers() {
            0 => String::new(),
            issuers => format!(", {issuers} issuers"),
        };
        // Without standard output, the exit code alone reports the success.
        let _ = writeln!(
            io::stdout(),
            "the configuration is right: {} users{issuers}",
            config.users()
        );
        Ok(())
    }
}

/// Reads the configuration of the broker again.
pub(crate) fn reload(broker: &Broker) {
    match broker.reload() {
        Ok(changed) => {
            let users = changed.join(", ");
            info!(
                users,
                "read the configuration again; changed users: {}",
                changed.len()
            );
        }
        Err(error) => warn!("keeps its users, rights and settings of topics: {error}"),
    }
}
