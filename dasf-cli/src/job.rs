//! The commands for one job: `dasf status`, `wait`, `result`, `cancel` and `forget`.

use std::time::Duration;

use dasf::CallError;
use dasf::cli::{Connection, Error, print_result, progress_handler};
use dasf::client::{Job, JobId, JobStatus};
use serde_json::value::RawValue;

use crate::job_list::JobList;
use crate::options::{OfJob, ResultOfJob, Wait};
use crate::{explain, limited, with_caller_of};

pub(crate) fn status(connection: &Connection, options: &OfJob) -> Result<(), Error> {
    let status = ask(connection, options, async |job| job.status().await)?;
    print_result(&status.to_string())
}

pub(crate) fn wait(connection: &Connection, options: &Wait) -> Result<(), Error> {
    let limit = options.timeout.duration();
    let result = with_job(connection, &options.id, limit, async |job| {
        let on_progress = progress_handler(options.no_progress);
        let mut result = job.result();
        if let Some(timeout) = limited(options.timeout) {
            result = result.timeout(timeout);
        }
        result.on_progress(on_progress).await
    })?;
    options.output.print(&result)
}

pub(crate) fn result(connection: &Connection, options: &ResultOfJob) -> Result<(), Error> {
    let result = ask(connection, &options.job, async |job| {
        match job.status().await? {
            status if status.is_over() => job.result().await.map(Ok),
            status => Ok(Err(status)),
        }
    })?;
    match result {
        Ok(result) => options.output.print(&result),
        Err(status) => {
            let id = &options.job.id;
            Err(Error::Failed(format!(
                "the job {id} has no result yet: it is {status}; wait for the result with 'dasf wait {id}'"
            )))
        }
    }
}

pub(crate) fn cancel(connection: &Connection, options: &OfJob) -> Result<(), Error> {
    let over = ask(connection, options, async |job| {
        match job.status().await? {
            status @ (JobStatus::Done | JobStatus::Failed(_)) => Ok(Some(status)),
            _ => job.cancel().await.map(|()| None),
        }
    })?;
    match over {
        None => Ok(()),
        Some(status) => Err(Error::Failed(format!(
            "the job {} cannot be cancelled any more: it is {status}",
            options.id
        ))),
    }
}

pub(crate) fn forget(connection: &Connection, options: &OfJob) -> Result<(), Error> {
    ask(connection, options, async |job| job.clone().forget().await)?;
    match JobList::of_user() {
        Ok(list) => list.remove(&options.id),
        // A user without a folder has no list.
        Err(_) => Ok(()),
    }
}

/// Asks the broker something about a job. Fails if the broker does not answer in time.
fn ask<T>(
    connection: &Connection,
    options: &OfJob,
    question: impl AsyncFnOnce(&Job<Box<RawValue>>) -> Result<T, CallError>,
) -> Result<T, Error> {
    let OfJob { id, timeout } = options;
    let limit = timeout.duration();
    let answer = with_job(
        connection,
        id,
        limit,
        async |job| match tokio::time::timeout(limit, question(job)).await {
            Ok(answer) => answer.map(Some),
            Err(_) => Ok(None),
        },
    )?;
    answer.ok_or_else(|| {
        Error::Failed(format!(
            "the broker did not answer within {limit:?}; wait longer with --timeout"
        ))
    })
}

/// Connects to the broker, and runs work with a job.
fn with_job<T>(
    connection: &Connection,
    id: &JobId,
    timeout: Duration,
    work: impl AsyncFnOnce(&Job<Box<RawValue>>) -> Result<T, CallError>,
) -> Result<T, Error> {
    with_caller_of(connection, id.topic(), timeout, async |caller, _| {
        let job = caller.attach(id).map_err(Error::failed)?;
        work(&job).await.map_err(|error| match error {
            CallError::NotDone { .. } => {
                Error::Failed(format!("{error}; wait longer with --timeout"))
            }
            error => explain(connection, error),
        })
    })
}
