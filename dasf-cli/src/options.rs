//! What the command line accepts.

use clap::{Args, Parser, Subcommand};
use dasf::cli::{Connection, Indent, Logging};

/// Calls the modules of a message broker, without their source
#[derive(Debug, Parser)]
#[command(
    name = "dasf",
    version,
    disable_help_subcommand = true,
    after_help = "\
Examples:
  dasf ping -t arithmetic                   does a module listen?
  dasf list --mqtt-url ws://localhost:9001  which modules listen?
  dasf api -t arithmetic                    what can be called?
  dasf call -t arithmetic add a=1 b=5       call it
  dasf generate -t arithmetic --lang python -o arithmetic.py

The options for connection and logging can also be set in the environment, as DE_BACKEND_ and \
their name in capitals: DE_BACKEND_TOPIC, DE_BACKEND_WEBSOCKET_URL, DE_BACKEND_TOKEN …"
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    #[command(flatten)]
    pub(crate) connection: Connection,

    #[command(flatten)]
    pub(crate) logging: Logging,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Ask whether a module listens, and how long it takes to answer
    Ping(Ping),
    /// List the modules that listen on an MQTT broker
    List(List),
    /// Show what can be called, with arguments, types and documentation
    Api(Api),
    /// Call a function, or a method of a class, and print the result
    Call(Call),
    /// Write the source of a typed client in Rust, Python or TypeScript
    Generate(Generate),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dasf ping -t arithmetic
  dasf ping -t arithmetic -n 10 --timeout 1

The exit code is 0 when the module answered at least once, and 1 when it did not.")]
pub(crate) struct Ping {
    /// How many times to ask, once a second
    #[arg(short = 'n', long, value_name = "TIMES", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) count: u32,

    /// How many seconds to wait for each answer
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    pub(crate) timeout: u64,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dasf list --mqtt-url ws://localhost:9001/mqtt
  dasf list --mqtt-url wss://broker.example.org/mqtt --mqtt-user ada --json

Modules leave word at an MQTT broker that they listen. Other brokers keep no such list.")]
pub(crate) struct List {
    /// Print the list as JSON
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) indent: Indent,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dasf api -t arithmetic                    everything, in brief
  dasf api -t arithmetic add                one function, in detail
  dasf api -t arithmetic Greeter            one class
  dasf api -t arithmetic --json > arithmetic.api.json")]
pub(crate) struct Api {
    /// A function, a class, or a method as CLASS.METHOD, to be shown in detail
    pub(crate) name: Option<String>,

    /// Print the module's description as it is: the JSON document that clients are made from
    #[arg(long, conflicts_with = "name")]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) indent: Indent,

    /// How many seconds to wait for the description
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub(crate) timeout: u64,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dasf call -t arithmetic add a=1 b=5
  dasf call -t arithmetic Greeter.greet name=Ada --new greeting=Yo
  dasf call -t geometry area points='[{\"x\": 1}, {\"x\": 2}]'
  dasf call -t geometry area points=@points.json
  dasf call -t geometry area --json '{\"points\": [], \"scale\": 2}'
  dasf call -t texts count text=@- < letter.txt

A VALUE is JSON where that is what the argument takes, and otherwise a text: name=Ada, a=1, and \
name=123 for an argument that takes texts. A text that begins with @ or looks like JSON is put in \
quotes: name='\"@home\"'.")]
pub(crate) struct Call {
    /// The function, or a method as CLASS.METHOD; `dasf api` lists them
    pub(crate) function: String,

    /// An argument; as NAME=@FILE its value is read from a file, as NAME=@- from standard input
    #[arg(value_name = "NAME=VALUE")]
    pub(crate) arguments: Vec<String>,

    /// An argument of the class's constructor; once for each
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) new: Vec<String>,

    /// All arguments of the function or method as a JSON object, which may be read from a @FILE, or
    /// from standard input as -
    #[arg(long, value_name = "JSON", conflicts_with = "arguments")]
    pub(crate) json: Option<String>,

    /// Print a result that is a text without quotes
    #[arg(short, long)]
    pub(crate) raw: bool,

    #[command(flatten)]
    pub(crate) indent: Indent,

    /// How many seconds to wait for the result
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) timeout: u64,

    /// Do not show how far the call got
    #[arg(long)]
    pub(crate) no_progress: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dasf generate -t arithmetic --lang python -o arithmetic.py
  dasf generate --api-info arithmetic.api.json --lang typescript -o arithmetic.ts
  dasf generate -t arithmetic --lang rust -o src/arithmetic.rs --check

`dasf api -t arithmetic --json` prints the description, to be kept in a file. With one, clients are \
made without a broker, and the same ones every time.")]
pub(crate) struct Generate {
    /// The module's description as a JSON file, or - for standard input; without it, the module on
    /// the topic is asked
    #[arg(long, value_name = "FILE")]
    pub(crate) api_info: Option<String>,

    #[command(flatten)]
    pub(crate) client: dasf::cli::Generate,

    /// How many seconds to wait for the description
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub(crate) timeout: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_stand_among_arguments() {
        let line = "dasf call add a=-1 -t sums --new x=1 b=2 --new y=2 --raw";
        let cli = Cli::try_parse_from(line.split(' ')).unwrap();
        let Command::Call(call) = cli.command else {
            panic!("{:?}", cli.command)
        };
        assert_eq!(call.arguments, ["a=-1", "b=2"]);
        assert_eq!(call.new, ["x=1", "y=2"]);
        assert!(call.raw);
        assert_eq!(cli.connection.given_topic(), Some("sums"));
    }
}
