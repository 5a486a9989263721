//! What the commands do.

use std::io::Write;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dasf_protocol::Status;
use dasf_protocol::progress::Report;
use serde::Serialize;
use serde_json::Value;
use serde_json::ser::PrettyFormatter;

use super::options::{Cli, Command};
use super::{CliError, print_error, print_result, request};
use crate::bars;
use crate::client::{Caller, ClientError};
use crate::context::Context;
use crate::host::{Host, StartError};
use crate::module::Module;
use crate::progress::ReportSink;
use crate::transport::ConnectError;

/// How long threads that still compute are waited for after everything else is closed.
const THREAD_PATIENCE: Duration = Duration::from_millis(200);
/// How many threads may block even in a module with few workers: tokio's own default.
const MIN_BLOCKING_THREADS: usize = 512;
/// How long saying goodbye to the broker may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// What a shell reports for a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

pub(super) fn run(cli: &Cli, module: Module) -> Result<ExitCode, CliError> {
    let title = cli.title(module.name());
    let workers = cli.limits.host_options().max_workers;
    match &cli.command {
        Command::Schema(indent) => print_json(&module.schema(title), indent.indent)?,
        Command::ApiInfo(indent) => print_json(&module.api_info(title), indent.indent)?,
        Command::Compute(text) => {
            let request = request::read(&text.request)?;
            let on_progress = progress_handler(text.no_progress);
            on_runtime(workers, compute(&module, request, on_progress))?;
        }
        Command::TestConnect => on_runtime(workers, test_connect(cli))?,
        Command::SendRequest {
            request: text,
            timeout,
        } => {
            let request = request::read(&text.request)?;
            let on_progress = progress_handler(text.no_progress);
            let timeout = Duration::from_secs(*timeout);
            on_runtime(workers, send_request(cli, &request, timeout, on_progress))?;
        }
        Command::Listen => on_runtime(workers, listen(cli, module))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn on_runtime(
    max_workers: usize,
    work: impl Future<Output = Result<(), CliError>>,
) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        // As many functions as the module may run can block a thread each.
        .max_blocking_threads(max_workers.max(MIN_BLOCKING_THREADS))
        .build()
        .map_err(|error| CliError::Failed(format!("threads cannot be started: {error}")))?;
    let result = runtime.block_on(work);
    // A thread that computes cannot be stopped; the process ends without it.
    runtime.shutdown_timeout(THREAD_PATIENCE);
    result
}

fn print_json(value: &impl Serialize, indent: Option<u8>) -> Result<(), CliError> {
    let mut json = Vec::new();
    let written = match indent {
        None => serde_json::to_writer(&mut json, value),
        Some(blanks) => {
            let indent = vec![b' '; usize::from(blanks)];
            let formatter = PrettyFormatter::with_indent(&indent);
            value.serialize(&mut serde_json::Serializer::with_formatter(
                &mut json, formatter,
            ))
        }
    };
    written.map_err(CliError::failed)?;
    print_result(&String::from_utf8_lossy(&json));
    Ok(())
}

/// Shows reports of progress.
type ProgressHandler = Box<dyn FnMut(&Report) + Send>;

/// Shows reports as bars in a terminal, as lines elsewhere, and not at all where that is wished.
fn progress_handler(no_progress: bool) -> ProgressHandler {
    if no_progress {
        Box::new(|_| {})
    } else if bars::can_be_drawn() {
        Box::new(bars::show_progress())
    } else {
        Box::new(|report| {
            // That nobody reads it is no reason to stop the call.
            let _ = writeln!(
                std::io::stderr(),
                "{}",
                bars::printable(&report.to_string())
            );
        })
    }
}

async fn compute(
    module: &Module,
    request: Value,
    on_progress: ProgressHandler,
) -> Result<(), CliError> {
    let size_limit = usize::MAX;
    let on_progress = Arc::new(Mutex::new(on_progress));
    let show = move |json: &[u8]| {
        if let Ok(report) = serde_json::from_slice(json) {
            let mut on_progress = on_progress.lock().unwrap_or_else(PoisonError::into_inner);
            on_progress(&report);
        }
    };
    let show_last = show.clone();
    let report = ReportSink::new(size_limit, move |_, json| {
        show(&json);
        true
    });
    let outcome = module
        .call_value(request, Context::local(), Some(report.clone()))
        .await;
    let status = if outcome.is_ok() {
        Status::Success
    } else {
        Status::Error
    };
    if let Some(json) = report.finish(status) {
        show_last(&json);
    }
    let output = outcome.map_err(CliError::failed)?;
    // ASCII is for the wire; a person reads the characters themselves.
    let value: Value = serde_json::from_str(output.as_json()).map_err(CliError::failed)?;
    print_json(&value, None)
}

async fn test_connect(cli: &Cli) -> Result<(), CliError> {
    let address = cli.connection.address()?;
    let topic = cli.topic()?;
    let shown = address.to_string();
    // As a caller does it, because a subscription to the module's own topic could collect messages
    // that the module should get.
    let connected = Caller::builder(topic.as_str())
        .address(address)
        .connect()
        .await;
    let caller = connected.map_err(|error| explain(cli, &error))?;
    close(caller).await;
    print_result(&format!("connected to {shown}, topic {topic}"));
    Ok(())
}

async fn send_request(
    cli: &Cli,
    request: &Value,
    timeout: Duration,
    on_progress: ProgressHandler,
) -> Result<(), CliError> {
    let topic = cli.topic()?;
    let builder = Caller::builder(topic.as_str())
        .address(cli.connection.address()?)
        .max_payload_size(cli.limits.max_payload_size());
    let caller = builder
        .connect()
        .await
        .map_err(|error| explain(cli, &error))?;
    let call = caller.call(request).timeout(timeout);
    let result = call.on_progress(on_progress).await;
    close(caller).await;
    print_json(&result.map_err(CliError::failed)?, None)
}

/// Says goodbye to the broker, if that does not take long.
async fn close(caller: Caller) {
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, caller.close()).await;
}

async fn listen(cli: &Cli, module: Module) -> Result<(), CliError> {
    let topic = cli.topic()?;
    let address = cli.connection.address()?;
    let shown = address.to_string();
    let mut signals = Signals::new()?;
    let name = module.name();
    let host = tokio::select! {
        host = Host::start(module, &topic, address, cli.limits.host_options()) => host,
        () = signals.next() => return Ok(()),
    };
    let mut host = host.map_err(|error| match error {
        StartError::Connect(error) => with_remedy(cli, &error),
        StartError::Options(error) => CliError::usage(error),
    })?;
    tracing::info!(module = name, %topic, broker = shown, "listening");
    tokio::select! {
        () = signals.next() => {}
        () = host.ended() => return Err(CliError::Failed("the module ended unexpectedly".to_owned())),
    }
    tracing::info!("stopping; interrupt again to stop at once");
    tokio::select! {
        () = host.shutdown() => {}
        () = signals.next() => {
            print_error("stopped at once; running calls are lost");
            std::process::exit(INTERRUPTED);
        }
    }
    Ok(())
}

fn explain(cli: &Cli, error: &ClientError) -> CliError {
    match error {
        ClientError::Connect(error) => with_remedy(cli, error),
        ClientError::Topic(_) | ClientError::NoTopic | ClientError::Address(_) => {
            CliError::usage(error)
        }
        error => CliError::failed(error),
    }
}

/// A failed connection, with what to do about it on this command line.
fn with_remedy(cli: &Cli, error: &ConnectError) -> CliError {
    let remedy = match error {
        ConnectError::Refused {
            status: 401 | 403, ..
        } => "log in with --token TOKEN, or ask for the right to use this topic",
        ConnectError::Refused { status: 409, .. } => "another consumer has this subscription",
        ConnectError::Unreachable { .. } if !cli.connection.is_given() => {
            "start one there with `dasf-broker`, or name another with --websocket-url, or --host and --port"
        }
        _ => "check the address, or start the broker there",
    };
    CliError::Failed(format!("{error}; {remedy}"))
}

/// The signals that ask a program to end.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    fn new() -> Result<Self, CliError> {
        use tokio::signal::unix::{SignalKind, signal};
        let watch = |kind| {
            signal(kind)
                .map_err(|error| CliError::Failed(format!("signals cannot be received: {error}")))
        };
        Ok(Self {
            terminate: watch(SignalKind::terminate())?,
            interrupt: watch(SignalKind::interrupt())?,
        })
    }

    #[cfg(not(unix))]
    fn new() -> Result<Self, CliError> {
        Ok(Self {})
    }

    /// Waits for Ctrl-C or SIGTERM.
    #[cfg(unix)]
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Waits for Ctrl-C.
    #[cfg(not(unix))]
    async fn next(&mut self) {
        // Where it cannot be received, the program runs until it is killed.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
