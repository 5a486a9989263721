//! The commands of a module.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dasf_program::{LogFile, LogGuard, ServiceManager};
use dasf_protocol::Status;
use serde_json::value::RawValue;

use super::error::INTERRUPTED;
use super::options::{Cli, Command};
use super::output::{Indent, ProgressHandler, print_error, print_result, progress_handler};
use super::reload::Program;
use super::work::{ServiceSignals, close, on_runtime, run_until_interrupted};
use super::{CallTimeout, Error, Presence, TimeLimit, request};
use crate::client::{CallError, Caller};
use crate::context::Context;
use crate::host::{Acknowledge, Host, StartError};
use crate::module::{FailureKind, Module};
use crate::progress::ReportSink;

/// Runs the command. Returns the program of this process if it has to start again.
pub(super) fn run(cli: &Cli, module: Module, log: &LogGuard) -> Result<Option<Program>, Error> {
    let title = cli.title(module.name());
    let done = match &cli.command {
        Command::Schema(indent) => indent.print(&module.schema(title)),
        Command::ApiInfo(indent) => indent.print(&module.api_info(title)),
        #[cfg(feature = "generate")]
        Command::Generate(options) => {
            let api_info = serde_json::to_value(module.api_info(title)).map_err(Error::failed)?;
            let origin = match cli.connection.given_topic() {
                Some(topic) => format!("topic {topic}"),
                None => format!("module {}", module.name()),
            };
            options.run(&api_info, &origin)
        }
        #[cfg(not(feature = "generate"))]
        Command::Generate { .. } => Err(Error::usage(
            "this program is built without the feature \"generate\"; add it to the crate dasf in Cargo.toml, or use \
             'dasf generate'",
        )),
        Command::Compute(text) => {
            let request = request::read(&text.request, &module)?;
            let on_progress = progress_handler(text.no_progress);
            let result = on_runtime(compute(&module, &request, on_progress))?;
            Indent::default().print(&result)
        }
        #[cfg(feature = "shell")]
        Command::Shell { form, no_progress } => {
            super::run_shell(shell(&module, title, form, *no_progress))
        }
        #[cfg(not(feature = "shell"))]
        Command::Shell { .. } => Err(Error::usage(
            "this program is built without the feature \"shell\"; add it to the crate dasf in Cargo.toml, or use \
             'dasf shell'",
        )),
        Command::TestConnect => run_until_interrupted(test_connect(cli)),
        Command::SendRequest {
            request: text,
            submit,
            timeout,
        } => {
            let request = request::read(&text.request, &module)?;
            if *submit {
                let timeout = timeout.given().map(TimeLimit::duration);
                run_until_interrupted(submit_job(cli, &request, timeout))
            } else {
                let on_progress = progress_handler(text.no_progress);
                run_until_interrupted(send_request(cli, &request, *timeout, on_progress))
            }
        }
        Command::Listen { hand_over, reload } => {
            let program = reload.then(Program::of_process).transpose()?;
            return on_runtime(listen(cli, hand_over.apply(module)?, log.file(), program));
        }
    };
    done.map(|()| None)
}

/// A call in this process. A drop tells its function that nobody waits for it, and shows no more of its progress: a
/// plain function goes on when the user interrupts the call.
struct Local {
    context: Context,
    on_progress: Arc<Mutex<ProgressHandler>>,
}

impl Drop for Local {
    fn drop(&mut self) {
        self.context.cancel();
        let mut on_progress = self
            .on_progress
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *on_progress = Box::new(|_| {});
    }
}

/// Runs a request in this process, and returns its result.
async fn compute(
    module: &Module,
    request: &RawValue,
    on_progress: ProgressHandler,
) -> Result<Box<RawValue>, Error> {
    let size_limit = usize::MAX;
    let on_progress = Arc::new(Mutex::new(on_progress));
    let local = Local {
        context: Context::local(),
        on_progress: Arc::clone(&on_progress),
    };
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
        .call_text(request.get(), local.context.clone(), Some(report.clone()))
        .await;
    let status = if outcome.is_ok() {
        Status::Success
    } else {
        Status::Error
    };
    if let Some(json) = report.finish(status) {
        show_last(&json);
    }
    let output = outcome.map_err(|failure| match failure.kind() {
        FailureKind::Validation => Error::usage(failure),
        _ => Error::failed(failure.in_full()),
    })?;
    // The output is ASCII for the wire. Printing restores the characters.
    serde_json::from_str(output.as_json()).map_err(Error::failed)
}

#[cfg(feature = "shell")]
async fn shell(
    module: &Module,
    title: &str,
    form: &super::ResultForm,
    no_progress: bool,
) -> Result<(), Error> {
    let shell = super::Shell::new(title, module.api_info(title));
    shell
        .run(async |request| {
            let result = compute(module, &request, progress_handler(no_progress)).await?;
            form.print(&result)
        })
        .await
}

async fn test_connect(cli: &Cli) -> Result<(), Error> {
    let connection = &cli.connection;
    let shown = connection.address()?;
    // Connect as a caller does. A subscription to the module's own topic could take messages that
    // are for the module.
    let caller = connection.connect(connection.caller()?).await?;
    let topic = caller.topic().clone();
    close(caller).await;
    print_result(&format!("connected to {shown}, topic {topic}"))
}

async fn send_request(
    cli: &Cli,
    request: &RawValue,
    timeout: CallTimeout,
    on_progress: ProgressHandler,
) -> Result<(), Error> {
    let caller = sender(cli).await?;
    let presence = Presence::new(&caller, timeout.limit().duration());
    let result = presence.call(request, timeout, on_progress).await;
    close(caller).await;
    Indent::default().print(&result?)
}

/// Submits a request as a job, and prints the id.
async fn submit_job(cli: &Cli, request: &RawValue, timeout: Option<Duration>) -> Result<(), Error> {
    let caller = sender(cli).await?;
    let mut call = caller.call_raw(request);
    if let Some(timeout) = timeout.filter(|timeout| *timeout != Duration::MAX) {
        call = call.timeout(timeout);
    }
    let submitted = call.submit().await;
    close(caller).await;
    match submitted {
        Ok(job) => print_result(&job.id().to_string()),
        Err(CallError::Connect(error)) => Err(cli.connection.with_advice(&error)),
        Err(error) => Err(Error::failed(error)),
    }
}

/// Connects a client that sends a request.
async fn sender(cli: &Cli) -> Result<Caller, Error> {
    let builder = cli.connection.caller()?;
    let builder = builder.max_payload_size(cli.limits.max_payload_size());
    cli.connection.connect(builder).await
}

/// Serves the module until it is stopped, or until its program has been built again. Then returns the program.
async fn listen(
    cli: &Cli,
    module: Module,
    log_file: Option<&LogFile>,
    program: Option<Program>,
) -> Result<Option<Program>, Error> {
    let topic = cli.connection.topic()?;
    let address = cli.connection.address()?;
    let options = cli.host_options()?;
    let at_once = match options.acknowledge {
        Acknowledge::Received => "stopped at once; the running calls are lost",
        Acknowledge::Completed => "stopped at once; the running calls go to another module",
    };
    let shown = address.to_string();
    let mut signals = ServiceSignals::new(log_file)?;
    let name = module.name();
    let group = options.group.clone();
    let group = group.as_ref().map(dasf_protocol::Subscription::as_str);
    let host = tokio::select! {
        host = Host::start(module, &topic, address, options) => host,
        () = signals.next() => return Ok(None),
    };
    let mut host = host.map_err(|error| match error {
        StartError::Connect(error) => cli.connection.with_advice(&error),
        StartError::Options(error) => Error::usage(error),
        error @ StartError::Thread(_) => Error::failed(error),
        #[cfg(feature = "status")]
        error @ StartError::Status { .. } => Error::failed(error),
    })?;
    tracing::info!(
        module = name,
        topic = topic.as_str(),
        topic_from = cli.topic_from,
        broker = shown,
        group,
        "listening"
    );
    let manager = ServiceManager::of_process();
    manager.ready();
    let connections = host.connections();
    let search = host.another_module();
    let warning = async {
        // Modules of a group share the requests, so several modules are not a mistake.
        if search.await {
            let topic = topic.as_str();
            match group {
                None => tracing::warn!(
                    topic,
                    "another module already listens on this topic; both run every request; give \
                     both the same --group to share them"
                ),
                Some(group) => tracing::warn!(
                    topic,
                    group,
                    "a module without a group also listens on this topic; it runs every request \
                     beside the group; give it the same --group"
                ),
            }
        }
        std::future::pending::<()>().await;
    };
    let built_again = async {
        match &program {
            Some(program) => program.built_again().await,
            None => std::future::pending().await,
        }
    };
    let is_built_again = tokio::select! {
        () = signals.next() => false,
        () = built_again => true,
        () = host.ended() => return Err(Error::Failed("the module ended unexpectedly".to_owned())),
        () = warning => false,
        () = manager.watch(|| sign_of_life(&connections)) => false,
    };
    if is_built_again {
        tracing::info!(
            "the program has been built again; it starts when the accepted calls are answered"
        );
    } else {
        manager.stopping();
        tracing::info!("stopping; interrupt again to stop at once");
    }
    tokio::select! {
        () = host.shutdown() => {}
        () = signals.next() => {
            print_error(at_once);
            std::process::exit(INTERRUPTED.into());
        }
    }
    Ok(program.filter(|_| is_built_again))
}

/// Waits until the thread of a host does a task.
async fn sign_of_life(connections: &tokio::runtime::Handle) {
    // The task is dropped only at the end of the host, which `listen` sees.
    let _ = connections.spawn(async {}).await;
}
