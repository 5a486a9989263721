//! The options for the connection to a module.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::builder::{EnumValueParser, PathBufValueParser, PossibleValue, StringValueParser};
use clap::{Args, ValueEnum};
use dasf_protocol::Topic;

use super::Error;
use super::parse::{OneLine, Switch};
use crate::address::{Address, AddressError, Persistence, PulsarAddress};
use crate::client::{Caller, ClientBuilder, ClientError};
use crate::transport::ConnectError;

/// The HTTP port of a Pulsar with TLS.
const TLS_PORT: u16 = 8443;

/// The broker and the topic of a module, and the login. Every program has the same options. Each
/// option has an environment variable: `DE_BACKEND_` and the name in capitals.
///
/// All options are global: you can write them before or after a command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connection")]
#[group(skip)] // a group has the name of its struct, and a program may have one of that name
pub struct Connection {
    /// Topic of the module
    #[arg(short, long, global = true, env = "DE_BACKEND_TOPIC", value_parser = line())]
    topic: Option<String>,

    /// Base URL of a DASF broker, such as `ws://localhost:8080/ws`
    ///
    /// Without a URL, the command uses the broker at --host and --port: a dasf-broker or a Pulsar.
    #[arg(
        long,
        global = true,
        env = "DE_BACKEND_WEBSOCKET_URL",
        hide_env_values = true,
        value_name = "URL",
        value_parser = line()
    )]
    websocket_url: Option<String>,

    /// Base URL for sending, instead of --websocket-url
    #[arg(
        long,
        global = true,
        env = "DE_BACKEND_PRODUCER_URL",
        hide_env_values = true,
        value_name = "URL",
        value_parser = line()
    )]
    producer_url: Option<String>,

    /// Base URL for receiving, instead of --websocket-url
    #[arg(
        long,
        global = true,
        env = "DE_BACKEND_CONSUMER_URL",
        hide_env_values = true,
        value_name = "URL",
        value_parser = line()
    )]
    consumer_url: Option<String>,

    /// WebSocket URL of an MQTT 5 broker, such as `ws://localhost:9001/mqtt`
    #[arg(
        long,
        global = true,
        env = "DE_BACKEND_MQTT_URL",
        hide_env_values = true,
        value_name = "URL",
        value_parser = line()
    )]
    mqtt_url: Option<String>,

    /// User name for an MQTT broker; its password is --token
    #[arg(
        long,
        global = true,
        env = "DE_BACKEND_MQTT_USER",
        value_name = "NAME",
        value_parser = line()
    )]
    mqtt_user: Option<String>,

    /// Host of a Pulsar, a name or an IP address
    #[arg(
        short = 'H',
        long,
        global = true,
        env = "DE_BACKEND_HOST",
        default_value = "localhost",
        value_parser = line()
    )]
    host: String,

    /// HTTP port of a Pulsar [default: 8080, with --tls 8443]
    #[arg(
        short,
        long,
        global = true,
        env = "DE_BACKEND_PORT",
        value_parser = OneLine(clap::value_parser!(u16))
    )]
    port: Option<u16>,

    /// Connect to a Pulsar with TLS; for DASF and MQTT brokers, use a URL with wss://
    #[arg(long, global = true, env = "DE_BACKEND_TLS", value_parser = Switch)]
    tls: bool,

    /// PEM file with the certificates of a private authority to trust
    #[arg(
        long,
        global = true,
        env = "DE_BACKEND_CA_FILE",
        value_name = "FILE",
        value_parser = OneLine(PathBufValueParser::new())
    )]
    ca_file: Option<PathBuf>,

    /// Whether a Pulsar stores the messages on disk
    #[arg(
        long,
        global = true,
        env = "DE_BACKEND_PERSISTENT",
        default_value = "non-persistent",
        value_parser = OneLine(EnumValueParser::<Persistence>::new())
    )]
    persistent: Persistence,

    /// Tenant of a Pulsar
    #[arg(
        long,
        global = true,
        env = "DE_BACKEND_TENANT",
        default_value = "public",
        value_parser = line()
    )]
    tenant: String,

    /// Namespace of a Pulsar
    #[arg(
        long,
        global = true,
        env = "DE_BACKEND_NAMESPACE",
        default_value = "default",
        value_parser = line()
    )]
    namespace: String,

    /// HTTP headers of the handshake, as a JSON object such as {"authorization": "Token …"}
    #[arg(
        long,
        global = true,
        env = "DE_BACKEND_HEADER",
        hide_env_values = true,
        value_name = "JSON"
    )]
    header: Option<String>,

    /// Token to log in with
    #[arg(
        long,
        global = true,
        env = "DE_BACKEND_TOKEN",
        hide_env_values = true,
        value_parser = line()
    )]
    token: Option<String>,
}

fn line() -> OneLine<StringValueParser> {
    OneLine(StringValueParser::new())
}

impl ValueEnum for Persistence {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Persistent, Self::NonPersistent]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.as_str()))
    }
}

impl Connection {
    /// Returns the topic, if one is set.
    pub fn given_topic(&self) -> Option<&str> {
        self.topic.as_deref()
    }

    /// Returns the topic, for a command that needs one.
    ///
    /// # Errors
    /// [`Error::Usage`] when no topic is set, or it is not valid.
    pub fn topic(&self) -> Result<Topic, Error> {
        match &self.topic {
            Some(topic) => topic.parse().map_err(Error::usage),
            None => Err(Error::usage(
                "the topic is missing; set it with --topic NAME or DE_BACKEND_TOPIC",
            )),
        }
    }

    /// Returns a builder of a client of the module, for [`connect`](Connection::connect).
    ///
    /// # Errors
    /// The same as [`topic`](Connection::topic) and [`address`](Connection::address).
    pub fn caller(&self) -> Result<ClientBuilder<Caller>, Error> {
        let topic = self.topic()?;
        Ok(Caller::builder(topic.as_str()).address(self.address()?))
    }

    /// Connects a client of the module.
    ///
    /// # Errors
    /// [`Error::Usage`] when the topic or the address is not valid. [`Error::Failed`], with advice,
    /// when the broker cannot be reached or rejects the connection.
    pub async fn connect(&self, builder: ClientBuilder<Caller>) -> Result<Caller, Error> {
        builder.connect().await.map_err(|error| match error {
            ClientError::Connect(error) => self.with_advice(&error),
            ClientError::Topic(_) | ClientError::NoTopic | ClientError::Address(_) => {
                Error::usage(error)
            }
            error => Error::failed(error),
        })
    }

    /// Returns the error for a failed connection, with advice for this command line.
    pub fn with_advice(&self, error: &ConnectError) -> Error {
        let advice = match error {
            ConnectError::Unreachable { .. } if self.is_given() => {
                Some("check the address, or start the broker".into())
            }
            ConnectError::Unreachable { .. } => Some(
                "start one with 'dasf-broker', or set the address with --websocket-url, or --host and --port"
                    .into(),
            ),
            error => error.advice(),
        };
        match advice {
            Some(advice) => Error::Failed(format!("{error}; {advice}")),
            None => Error::failed(error),
        }
    }

    /// Returns whether an option sets a token, or headers, which may contain a login.
    pub fn has_login(&self) -> bool {
        self.token.is_some() || self.header.is_some()
    }

    /// Returns whether an option sets the address of the broker.
    fn is_given(&self) -> bool {
        let PulsarAddress { host, .. } = PulsarAddress::default();
        let urls = [
            &self.websocket_url,
            &self.producer_url,
            &self.consumer_url,
            &self.mqtt_url,
        ];
        let is_url = urls.into_iter().any(Option::is_some);
        is_url || self.tls || self.host != host || self.port.is_some()
    }

    /// Returns the address of the broker, with the login.
    ///
    /// # Errors
    /// [`Error::Usage`] when a URL, the token or a header is not valid.
    pub fn address(&self) -> Result<Address, Error> {
        let producer = self.producer_url.as_ref().or(self.websocket_url.as_ref());
        let consumer = self.consumer_url.as_ref().or(self.websocket_url.as_ref());
        let mqtt = self.mqtt_url.as_ref();
        let mut address = match (producer, consumer, mqtt) {
            (None, None, Some(url)) => {
                Address::mqtt_with_login(url, self.mqtt_user.as_deref(), None)
                    .map_err(Error::usage)?
            }
            (_, _, Some(_)) => {
                return Err(Error::usage(
                    "--mqtt-url cannot be combined with the other URLs; use one broker",
                ));
            }
            (Some(producer), Some(consumer), None) => {
                Address::websocket_pair(producer, consumer).map_err(Error::usage)?
            }
            (None, None, None) => {
                Address::try_from(self.pulsar()).map_err(|error| match error {
                    AddressError::Host { .. } if self.host.contains("://") => {
                        Error::usage(format!("{error}; give a URL with --websocket-url"))
                    }
                    error => Error::usage(error),
                })?
            }
            (Some(_), None, None) => {
                return Err(Error::usage(
                    "--producer-url needs --consumer-url or --websocket-url",
                ));
            }
            (None, Some(_), None) => {
                return Err(Error::usage(
                    "--consumer-url needs --producer-url or --websocket-url",
                ));
            }
        };
        if self.tls {
            self.check_tls()?;
        }
        if let Some(file) = &self.ca_file {
            address = address.with_ca_file(file).map_err(Error::usage)?;
        }
        if let Some(token) = &self.token {
            address = address.with_token(token).map_err(Error::usage)?;
        }
        let headers: BTreeMap<String, String> = match &self.header {
            None => BTreeMap::new(),
            // The error does not show the value, which may be a secret.
            Some(json) => serde_json::from_str(json).map_err(|_| {
                Error::usage(r#"--header must be a JSON object of strings, such as {"authorization": "Token …"}"#)
            })?,
        };
        for (name, value) in headers {
            address = address.with_header(&name, &value).map_err(Error::usage)?;
        }
        Ok(address)
    }

    /// Rejects --tls if the connection would not use TLS.
    fn check_tls(&self) -> Result<(), Error> {
        if !cfg!(feature = "tls") {
            return Err(Error::usage(
                "--tls cannot be used: this program was built without the feature \"tls\"",
            ));
        }
        let urls = [
            ("--websocket-url", &self.websocket_url),
            ("--producer-url", &self.producer_url),
            ("--consumer-url", &self.consumer_url),
            ("--mqtt-url", &self.mqtt_url),
        ];
        for (option, url) in urls {
            if url.as_ref().is_some_and(|url| url.starts_with("ws://")) {
                return Err(Error::usage(format!(
                    "--tls is for a Pulsar with --host and --port; for TLS, begin the URL of {option} with wss://"
                )));
            }
        }
        Ok(())
    }

    fn pulsar(&self) -> PulsarAddress {
        PulsarAddress {
            host: self.host.clone(),
            port: match self.port {
                Some(port) => port,
                None if self.tls => TLS_PORT,
                None => PulsarAddress::default().port,
            },
            tls: self.tls,
            persistence: self.persistent,
            tenant: self.tenant.clone(),
            namespace: self.namespace.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::transport::Feature;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        connection: Connection,
    }

    fn address(line: &str) -> Result<String, Error> {
        let arguments = std::iter::once("test").chain(line.split_whitespace());
        let cli = Cli::try_parse_from(arguments).map_err(Error::usage)?;
        cli.connection.address().map(|address| address.to_string())
    }

    #[cfg(feature = "tls")]
    #[test]
    fn tls_has_its_own_port() {
        assert_eq!(address("--tls").unwrap(), "wss://localhost:8443");
        let given = address("--tls -H h -p 443").unwrap();
        assert_eq!(given, "wss://h:443");
        assert_eq!(address("-p 8443").unwrap(), "ws://localhost:8443");
        let url = address("--tls --websocket-url wss://h/ws").unwrap();
        assert_eq!(url, "wss://h/ws");
    }

    #[test]
    fn tls_is_rejected_without_a_pulsar() {
        for line in ["--websocket-url ws://h/ws", "--mqtt-url ws://h"] {
            let error = address(&format!("--tls {line}")).unwrap_err();
            assert!(matches!(error, Error::Usage(_)), "{error}");
        }
        #[cfg(not(feature = "tls"))]
        assert!(matches!(address("--tls"), Err(Error::Usage(_))));
    }

    #[test]
    fn a_host_is_a_name_or_an_address() {
        assert_eq!(address("--host ::1").unwrap(), "ws://[::1]:8080");
        for line in [
            "--host localhost:18080",
            "--host ws://localhost",
            "--host fe80::1%eth0",
            "--host=",
        ] {
            let error = address(line).unwrap_err();
            assert!(matches!(error, Error::Usage(_)), "{error}");
            assert!(error.to_string().contains("is not a host ("), "{error}");
        }
        let error = address("--host ws://localhost").unwrap_err().to_string();
        assert!(
            error.ends_with("; give a URL with --websocket-url"),
            "{error}"
        );
    }

    #[test]
    fn a_ca_file_must_contain_certificates() {
        let error = address("--ca-file no-such-file").unwrap_err();
        assert!(matches!(error, Error::Usage(_)), "{error}");
        assert!(error.to_string().contains("no-such-file"), "{error}");
    }

    #[test]
    fn a_failed_connection_is_reported_with_advice() {
        let report = |line: &str, error: ConnectError| {
            let arguments = std::iter::once("test").chain(line.split_whitespace());
            let cli = Cli::try_parse_from(arguments).unwrap();
            cli.connection.with_advice(&error).to_string()
        };
        let unreachable = || ConnectError::Unreachable {
            url: "ws://h".to_owned(),
            reason: "connection refused".to_owned(),
            source: None,
        };
        assert!(report("", unreachable()).contains("; start one with 'dasf-broker', or set"));
        assert!(
            report("-H h", unreachable()).ends_with("; check the address, or start the broker")
        );
        let refused = ConnectError::Refused {
            url: "ws://h".to_owned(),
            status: 503,
            reason: "Service Unavailable".to_owned(),
            has_login: false,
        };
        assert!(report("", refused).contains("; the broker is full or starting"));
        let rejected = ConnectError::Rejected {
            url: "ws://h/mqtt".to_owned(),
            code: 0x86,
            reason: "no".to_owned(),
        };
        let text = report("", rejected);
        assert!(text.contains("0x86: no; log in with --mqtt-user"), "{text}");
        let unsupported = ConnectError::Unsupported {
            url: "ws://h".to_owned(),
            feature: Feature::RedeliveryLimit,
            reason: "no".to_owned(),
        };
        let text = report("", unsupported);
        assert!(text.ends_with(": no; remove --max-deaths"), "{text}");
        assert!(!report("", ConnectError::Ended).contains(';'));
    }

    #[test]
    fn the_guide_lists_the_options_for_a_pulsar() {
        let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../guide/chapters/brokers.md");
        let guide = std::fs::read_to_string(guide).unwrap();
        let (_, table) = guide
            .split_once("### What each option means at a Pulsar")
            .unwrap();
        let (table, _) = table.split_once("\n#").unwrap();
        // These options are for other brokers, or not for a broker.
        let others = [
            "description",
            "websocket-url",
            "mqtt-url",
            "mqtt-user",
            "status-addr",
            "members",
        ];
        let log = ["debug", "log-level", "log-format", "log-file"];
        let command = <crate::cli::options::Cli as clap::CommandFactory>::command();
        for option in command.get_opts().filter_map(clap::Arg::get_long) {
            let is_other = others.contains(&option) || log.contains(&option);
            let row = format!("`--{option}");
            assert!(is_other || table.contains(&row), "--{option}");
        }
    }
}
