//! `dasf submit`.

use std::time::Duration;

use dasf::cli::{Connection, Error, print_result};

use crate::options::Submit;
use crate::request::Unchecked;
use crate::{explain, limited, with_caller_of};

/// The longest wait for the module's API description, and for the broker to accept the job.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn run(connection: &Connection, options: &Submit) -> Result<(), Error> {
    let request = Unchecked::read(&options.request)?;
    let topic = connection.topic()?;
    let id = with_caller_of(connection, &topic, PATIENCE, async |caller, presence| {
        let request = request.check(caller, presence, PATIENCE).await?;
        let mut call = caller.call_raw(&request);
        if let Some(timeout) = limited(options.timeout) {
            call = call.timeout(timeout);
        }
        let mut job = call.submit().keep(options.keep.duration());
        if let Some(key) = &options.key {
            job = job.key(key);
        }
        let job = job.await.map_err(|error| explain(connection, error))?;
        Ok(job.id().clone())
    })?;
    print_result(&id.to_string())
}
