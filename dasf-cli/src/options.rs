//! The command line of `dasf`.

use clap::{Args, Parser, Subcommand};
use dasf::cli::{CallTimeout, Connection, Indent, Logging, ResultForm, TimeLimit};
use dasf::client::JobId;

use crate::bench::Bench;
use crate::broker::Broker;
use crate::completion::Completions;
use crate::context::ContextCommand;
use crate::contexts;
use crate::doctor::Doctor;
use crate::man::Man;
use crate::new::New;
use crate::top::Top;
use crate::watch::Watch;

/// The id of the option `--context`.
pub(crate) const CONTEXT: &str = "context";

/// Calls modules over a message broker; their source is not needed
#[derive(Debug, Parser)]
#[command(
    name = "dasf",
    version,
    disable_help_subcommand = true,
    after_help = "\
Examples:
  dasf ping -t arithmetic                        check that a module listens
  dasf list                                      list the modules that listen
  dasf api -t arithmetic                         show the functions and classes
  dasf call -t arithmetic add a=1 b=5            call a function
  id=$(dasf submit -t arithmetic count n=500)    start a call that outlives this terminal
  dasf wait $id                                  wait for its result
  dasf top                                       show live what waits and what runs
  dasf dead list                                 list the requests that ended their modules
  dasf generate -t arithmetic --lang python -o arithmetic.py

Exit codes: 0 success, 1 failure, 2 a mistake in the command line or the request, 130 interrupted."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    #[command(flatten)]
    pub(crate) connection: Connection,

    /// Use the connection with this name; 'dasf context add' saves one
    #[arg(
        long,
        global = true,
        env = "DE_BACKEND_CONTEXT",
        value_name = "NAME",
        help_heading = "Connection",
        value_parser = contexts::name
    )]
    context: Option<String>,

    #[command(flatten)]
    pub(crate) logging: Logging,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check that a module listens, and measure its response time
    Ping(Ping),
    /// List the modules that listen
    List(List),
    /// Show the functions and classes of a module, with arguments, types and documentation
    Api(Api),
    /// Call a function or a method, and print the result
    Call(Call),
    /// Call functions and methods line by line, with completion and a history
    Shell(Shell),
    /// Submit a job: a call whose answer the broker keeps, and print its id
    Submit(Submit),
    /// List the jobs that you submitted with 'dasf submit', with the state of each
    Jobs(Jobs),
    /// Show how far a job is
    #[command(after_help = "\
Examples:
  dasf status $id

$id is what 'dasf submit' printed. The command prints waiting, accepted, running with the progress in percent, \
done, failed with the error of the module, or cancelled.")]
    Status(OfJob),
    /// Wait for the result of a job, and print it
    Wait(Wait),
    /// Print the result of a job that is done
    Result(ResultOfJob),
    /// Cancel a job
    #[command(after_help = "\
Examples:
  dasf cancel $id

$id is what 'dasf submit' printed. A module that runs the job is told, and a module that gets it later does not \
run it. The command fails if the job is over already.")]
    Cancel(OfJob),
    /// Give up a job: the broker keeps nothing of it any more, and 'dasf jobs' does not list it
    #[command(after_help = "\
Examples:
  dasf forget $id

$id is what 'dasf submit' printed. A function that runs is not told; use 'dasf cancel' before.")]
    Forget(OfJob),
    /// Show live who listens, what waits and what runs
    Top(Top),
    /// Tell what happens on a topic, line by line
    Watch(Watch),
    /// Call a function again and again, and measure the rate and the times
    Bench(Bench),
    /// List, show, send again or drop requests that ended the modules that ran them
    #[command(subcommand)]
    Dead(Dead),
    /// Run the broker dasf-broker; its options follow
    Broker(Broker),
    /// Serve the modules over HTTP, for callers without a client
    Gateway(Gateway),
    /// Look for the fault of a connection, step by step
    Doctor(Doctor),
    /// Save, use and list connections: named addresses and tokens
    #[command(subcommand)]
    Context(ContextCommand),
    /// Write the files of a new module, with tests, a unit of systemd and a container file
    New(New),
    /// Write the manual pages of dasf
    Man(Man),
    /// Print the script that completes command lines in a shell
    Completions(Completions),
    /// Generate a typed client in Rust, Python or TypeScript
    Generate(Generate),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dasf gateway --websocket-url wss://broker.example.org/ws --listen 127.0.0.1:8090
  dasf gateway --mqtt-url wss://broker.example.org/mqtt --mqtt-user ada
  curl http://127.0.0.1:8090/api/arithmetic/add --json '{\"a\": 1}'

Callers use their own tokens, in the header Authorization. The option --token is for callers without one. \
dasf-broker serves the same on its own port.")]
pub(crate) struct Gateway {
    /// Address and port to listen on; port 0 stands for any free port
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8090")]
    pub(crate) listen: std::net::SocketAddr,

    /// Listen on an address that other machines reach, although HTTP shows tokens to the network: behind a
    /// reverse proxy that ends TLS
    #[arg(long)]
    pub(crate) insecure: bool,

    /// Origin of web pages that may use the gateway, with its scheme and port; * stands for all origins. May be
    /// given several times
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) allow_origin: Vec<String>,

    /// Time that a call may take if its caller names none: seconds, or a time such as 5m or 2h
    #[arg(long, value_name = "TIME", default_value = "60")]
    pub(crate) timeout: TimeLimit,

    /// Largest body of a request, in bytes [default: 67108864]
    #[arg(long, value_name = "BYTES")]
    pub(crate) max_body_size: Option<usize>,

    /// Largest number of requests of one user at a time [default: 1024]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) max_calls_per_user: Option<usize>,

    /// Largest number of event streams at a time [default: 4096]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) max_event_streams: Option<usize>,

    /// Topics whose modules are listed, even if the broker does not list them
    #[arg(value_name = "TOPIC")]
    pub(crate) topics: Vec<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dasf ping -t arithmetic
  dasf ping -t arithmetic -n 10 --timeout 1

The exit code is 0 if the module answered at least once, and 1 otherwise.")]
pub(crate) struct Ping {
    /// Number of pings, one each second
    #[arg(short = 'n', long, value_name = "TIMES", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) count: u32,

    /// Time to wait for each answer: seconds, a time such as 5m or 2h, or none
    #[arg(long, value_name = "TIME", default_value = "2")]
    pub(crate) timeout: TimeLimit,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dasf list --websocket-url ws://localhost:8080/ws
  dasf list --mqtt-url wss://broker.example.org/mqtt --mqtt-user ada --json
  dasf list --websocket-url wss://django.example.org/ws arithmetic river

dasf-broker and MQTT brokers have a list of modules. With other brokers, name the topics: dasf then asks the \
module on each of them.")]
pub(crate) struct List {
    /// The topics to list [default: all]
    #[arg(value_name = "TOPIC")]
    pub(crate) topics: Vec<String>,

    /// Print the list as JSON
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) indent: Indent,

    /// Time to wait for each module that dasf asks: seconds, a time such as 5m or 2h, or none
    #[arg(long, value_name = "TIME", default_value = "2")]
    pub(crate) timeout: TimeLimit,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dasf api -t arithmetic                    all functions and classes, in brief
  dasf api -t arithmetic add                the details of a function
  dasf api -t arithmetic Greeter            the details of a class
  dasf api -t arithmetic --json > arithmetic.api.json")]
pub(crate) struct Api {
    /// Show the details of this function, class or method (as CLASS.METHOD)
    pub(crate) name: Option<String>,

    /// Print the API description as JSON, from which clients are generated
    #[arg(long, conflicts_with = "name")]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) indent: Indent,

    /// Time to wait for the module: seconds, a time such as 5m or 2h, or none
    #[arg(long, value_name = "TIME", default_value = "2")]
    pub(crate) timeout: TimeLimit,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dasf call -t arithmetic add a=1 b=5
  dasf call -t arithmetic Greeter.greet name=Ada --new greeting=Yo
  dasf call -t geometry area points='[{x: 1}, {x: 2}]'
  dasf call -t arithmetic mean values=1,2,3
  dasf call -t geometry area points=@points.json
  dasf call -t geometry area --json '{\"points\": [], \"scale\": 2}'
  dasf call -t texts count text=@- < letter.txt

dasf sends VALUE as JSON if the argument accepts that JSON, and otherwise as a string. So a=1 is a number and \
name=Ada a string; name=123 is a string if the argument is one. If the argument accepts neither, VALUE is YAML, or \
the items of a list: point='{lon: 1, lat: 2}' and values=1,2,3. Write a string that begins with @ in double \
quotes: name='\"@home\"'.")]
pub(crate) struct Call {
    #[command(flatten)]
    pub(crate) request: Request,

    #[command(flatten)]
    pub(crate) output: ResultForm,

    /// Write the result to a file, in the form of its ending: .csv, .json or .nc
    ///
    /// A file with another ending gets NetCDF as its bytes, a text as it is, and anything else as JSON.
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    pub(crate) file: Option<std::path::PathBuf>,

    #[command(flatten)]
    pub(crate) timeout: CallTimeout,

    /// Do not show progress reports
    #[arg(long)]
    pub(crate) no_progress: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dasf shell -t arithmetic
  echo 'add a=1 b=5' | dasf shell -t arithmetic

A line has a function and its arguments, as 'dasf call' has. Tab completes them, Ctrl-C ends a call, and Ctrl-D ends the \
shell. The history is dasf/shell_history in $XDG_DATA_HOME, or in the usual folder of the system; a line that begins with \
a blank is not kept. Lines that are not from a terminal end at the first error.")]
pub(crate) struct Shell {
    #[command(flatten)]
    pub(crate) output: ResultForm,

    #[command(flatten)]
    pub(crate) timeout: CallTimeout,

    /// Do not show progress reports
    #[arg(long)]
    pub(crate) no_progress: bool,
}

/// The request of a call or a job.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct Request {
    /// The function, or a method as CLASS.METHOD; 'dasf api' lists them
    pub(crate) function: String,

    /// An argument; NAME=@FILE reads the value from a file, NAME=@- from standard input
    #[arg(value_name = "NAME=VALUE")]
    pub(crate) arguments: Vec<String>,

    /// An argument of the constructor of the class; may be given several times
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) new: Vec<String>,

    /// All arguments as a JSON object; @FILE reads it from a file, - from standard input
    #[arg(long, value_name = "JSON", conflicts_with = "arguments")]
    pub(crate) json: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dasf submit -t arithmetic count n=500
  dasf submit -t arithmetic count n=500 --key count-2026-11-28 --keep 30d
  id=$(dasf submit -t arithmetic count n=500)

The command writes arguments as 'dasf call' does. It prints the id of the job, with which 'dasf status', 'wait', \
'result', 'cancel' and 'forget' find the job, on any machine.")]
pub(crate) struct Submit {
    #[command(flatten)]
    pub(crate) request: Request,

    /// Name the job: as long as the broker keeps it, a further submission with this key is the same job
    #[arg(long)]
    pub(crate) key: Option<String>,

    /// Time for which the broker keeps the job after its last use: seconds, a time such as 12h or 30d, or none
    /// for as long as the broker allows
    #[arg(long, value_name = "TIME", default_value = "7d")]
    pub(crate) keep: TimeLimit,

    /// Time after which no module begins the job any more: seconds, a time such as 5m or 2h, or none
    #[arg(long, value_name = "TIME", default_value = "none")]
    pub(crate) timeout: TimeLimit,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dasf jobs                                      at the broker on localhost
  dasf jobs --websocket-url wss://broker.example.org/ws --json

The list is a file of this user: dasf/jobs.jsonl in $XDG_DATA_HOME, or in the usual folder of the system. It has \
the jobs of all brokers; those that the broker of this command line does not keep are unknown here. 'dasf forget' \
removes a job from the list.")]
pub(crate) struct Jobs {
    /// Print the list as JSON
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) indent: Indent,

    /// Time to wait for the state of each job: seconds, a time such as 5m or 2h, or none
    #[arg(long, value_name = "TIME", default_value = "10")]
    pub(crate) timeout: TimeLimit,
}

/// The id of a job.
#[derive(Debug, Args)]
pub(crate) struct OfJob {
    /// The id that 'dasf submit' printed
    pub(crate) id: JobId,

    /// Time to wait for the broker: seconds, a time such as 5m or 2h, or none
    #[arg(long, value_name = "TIME", default_value = "10")]
    pub(crate) timeout: TimeLimit,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dasf wait $id
  dasf wait $id --timeout 1h --raw

$id is what 'dasf submit' printed. The id contains the topic, so -t is not necessary. The job continues if you \
interrupt the command.")]
pub(crate) struct Wait {
    /// The id that 'dasf submit' printed
    pub(crate) id: JobId,

    #[command(flatten)]
    pub(crate) output: ResultForm,

    /// Time to wait for the result: seconds, a time such as 5m or 2h, or none
    #[arg(long, value_name = "TIME", default_value = "none")]
    pub(crate) timeout: TimeLimit,

    /// Do not show progress reports
    #[arg(long)]
    pub(crate) no_progress: bool,
}

/// What to do with requests that are put aside.
#[derive(Debug, Subcommand)]
pub(crate) enum Dead {
    /// List the requests that the broker has put aside, because they ended the modules that ran them
    List(DeadList),
    /// Show such a request with its history and its arguments
    Show(DeadShow),
    /// Send such a request to its topic again, as if it had never come
    Retry(DeadChange),
    /// Drop such a request
    Drop(DeadChange),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dasf dead list --websocket-url ws://localhost:8080/ws
  dasf dead list monte-carlo --json
  dasf dead list --persistent persistent --topic monte-carlo --group estimators

dasf-broker puts requests aside. At a Pulsar, --topic and --group name the group whose dead letters to list. If it has users, it shows those of the topics that you may watch or serve.")]
pub(crate) struct DeadList {
    /// The topics whose requests to list [default: all]
    #[arg(value_name = "TOPIC")]
    pub(crate) topics: Vec<String>,

    #[command(flatten)]
    pub(crate) letters: Letters,

    /// Print the list as JSON
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) indent: Indent,
}

/// The dead letters of a group, at a broker that puts no requests aside.
#[derive(Debug, Args)]
pub(crate) struct Letters {
    /// The group of the modules on --topic whose dead letters at a Pulsar to use
    #[arg(long, value_name = "NAME")]
    pub(crate) group: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dasf dead show 3b1f6a52-90c4-8d7e-8000-000000000007

The arguments are shown to those who may serve the topic, or watch it and have the right admin.")]
pub(crate) struct DeadShow {
    /// The id of the request; 'dasf dead list' shows it
    pub(crate) id: String,

    #[command(flatten)]
    pub(crate) letters: Letters,

    /// Print it as JSON
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) indent: Indent,
}

#[derive(Debug, Args)]
pub(crate) struct DeadChange {
    /// The ids of the requests; 'dasf dead list' shows them
    #[arg(value_name = "ID", required = true)]
    pub(crate) ids: Vec<String>,

    #[command(flatten)]
    pub(crate) letters: Letters,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dasf result $id > result.json
  dasf result $id --indent 2

$id is what 'dasf submit' printed. The command fails if the result is not there; 'dasf wait' waits for it.")]
pub(crate) struct ResultOfJob {
    #[command(flatten)]
    pub(crate) job: OfJob,

    #[command(flatten)]
    pub(crate) output: ResultForm,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dasf generate -t arithmetic --lang python -o arithmetic.py
  dasf generate --api-info arithmetic.api.json --lang typescript -o arithmetic.ts
  dasf generate -t arithmetic --lang rust -o src/arithmetic.rs --check

'dasf api -t arithmetic --json' prints the API description. Save it in a file, and generate with \
--api-info FILE: this needs no broker, and always gives the same client.")]
pub(crate) struct Generate {
    /// File with the API description as JSON, or - for standard input [default: ask the module]
    #[arg(long, value_name = "FILE")]
    pub(crate) api_info: Option<String>,

    #[command(flatten)]
    pub(crate) client: dasf::cli::Generate,

    /// Time to wait for the module: seconds, a time such as 5m or 2h, or none
    #[arg(long, value_name = "TIME", default_value = "2")]
    pub(crate) timeout: TimeLimit,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_and_arguments_may_be_mixed() {
        let line = "dasf call add a=-1 -t sums --new x=1 b=2 --new y=2 --raw";
        let cli = Cli::try_parse_from(line.split(' ')).unwrap();
        let Command::Call(call) = cli.command else {
            panic!("{:?}", cli.command)
        };
        assert_eq!(call.request.arguments, ["a=-1", "b=2"]);
        assert_eq!(call.request.new, ["x=1", "y=2"]);
        assert!(call.output.raw);
        assert_eq!(cli.connection.given_topic(), Some("sums"));
    }
}
