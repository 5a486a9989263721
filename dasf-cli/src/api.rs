//! `dasf api`.
use crate::options::Api;
use crate::{describe, with_caller};
use dasf::cli::{Connection, Error};
pub(crate) fn run(connection: &Connection, options: &Api) -> Result<(), Error> {
    let document = with_caller(connection, options.timeout, async |caller| {
        describe(caller).await
    })?;
    options.indent.print(&document)
}
