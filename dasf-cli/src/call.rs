//! `dasf call`.

use dasf::cli::{Connection, Error, progress_handler};

use crate::checked::{checked, unchecked};
use crate::options::Call;
use crate::with_caller;

pub(crate) fn run(connection: &Connection, options: &Call) -> Result<(), Error> {
    let request = unchecked(&options.request)?;
    let limit = options.timeout.limit();
    let result = with_caller(connection, limit, async |caller, presence| {
        let request = checked(request, caller, presence, limit.duration()).await?;
        let on_progress = progress_handler(options.no_progress);
        presence.call(&request, options.timeout, on_progress).await
    })?;
    match &options.file {
        Some(file) => options.output.write(&result, file),
        None => options.output.print(&result),
    }
}
