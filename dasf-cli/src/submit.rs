//! `dasf submit`.

use std::time::Duration;

use chrono::{SubsecRound, Utc};
use dasf::CallError;
use dasf::cli::{Connection, Error, print_result};
use dasf::client::JobId;
use tokio::task::spawn_blocking;

use crate::checked::{checked, unchecked};
use crate::job_list::{Entry, JobList};
use crate::options::Submit;
use crate::{explain, limited, with_caller_of};

/// The longest wait for the module's API description, and for the broker to accept the job.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn run(connection: &Connection, options: &Submit) -> Result<(), Error> {
    let request = unchecked(&options.request)?;
    let topic = connection.topic()?;
    let address = connection.address()?.to_string();
    let id = with_caller_of(connection, &topic, PATIENCE, async |caller, presence| {
        let request = checked(request, caller, presence, PATIENCE).await?;
        let mut call = caller.call_raw(&request);
        if let Some(timeout) = limited(options.timeout) {
            call = call.timeout(timeout);
        }
        let mut job = call.submit().keep(options.keep.duration());
        if let Some(key) = &options.key {
            job = job.key(key);
        }
        let id = job.id().map_err(|error| Error::failed(&error))?.clone();
        // The list has the job even if this program is killed while it sends the request.
        let listing = Listing::begin(Entry {
            id: id.clone(),
            function: options.request.function.clone(),
            address: address.clone(),
            time: Utc::now().trunc_subsecs(0),
        })
        .await;
        match job.await {
            Ok(_) => Ok(id),
            // These errors come only before the request is sent.
            Err(error @ (CallError::Connect(_) | CallError::RequestTooLarge { .. })) => {
                listing.undo().await;
                Err(explain(connection, error))
            }
            Err(error) => Err(Error::Failed(format!(
                "{error}; the broker may have the job nevertheless: see 'dasf status {id}'"
            ))),
        }
    })?;
    print_result(&id.to_string())
}

/// The entry of a job that is about to be submitted in the list of jobs.
struct Listing {
    /// The list, if this command has added the job to it.
    added_to: Option<JobList>,
    id: JobId,
}

impl Listing {
    /// Adds a job to the list. If that fails, the user is warned, and the job is submitted nevertheless: its id
    /// is all that is necessary.
    async fn begin(entry: Entry) -> Self {
        let id = entry.id.clone();
        // The file system may be slow. Meanwhile the user can interrupt the command.
        let adding = spawn_blocking(move || {
            let list = JobList::of_user()?;
            let is_new = list.add(&entry)?;
            Ok::<_, Error>(is_new.then_some(list))
        });
        let added_to = adding.await.map_err(Error::failed).flatten();
        let added_to = added_to.unwrap_or_else(|error| {
            tracing::warn!(%error, %id, "'dasf jobs' will not list the job; keep its id");
            None
        });
        Self { added_to, id }
    }

    /// Removes the job from the list again, unless the list had it before.
    async fn undo(self) {
        let Self { added_to, id } = self;
        let Some(list) = added_to else { return };
        let removing = spawn_blocking(move || list.remove(&id));
        if let Err(error) = removing.await.map_err(Error::failed).flatten() {
            tracing::warn!(%error, "'dasf jobs' lists a job that was not submitted");
        }
    }
}
