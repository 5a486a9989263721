//! Requests that are checked before they are sent.

use std::time::Duration;

use dasf::Caller;
use dasf::cli::{Error, Presence, UncheckedRequest};
use dasf::protocol::api_info::ApiInfo;
use serde_json::value::RawValue;

use crate::options::Request;
use crate::{describe, read};

/// Reads the values of a request from the command line, from files and from standard input.
///
/// # Errors
/// The same as [`UncheckedRequest::read`].
pub(crate) fn unchecked(options: &Request) -> Result<UncheckedRequest, Error> {
    let Request {
        function,
        arguments,
        new,
        json,
    } = options;
    UncheckedRequest::read(function, new, arguments, json.as_deref())
}

/// Asks the module for its API description, and checks a request with it. Returns the JSON of the request.
///
/// # Errors
/// [`Error::Usage`] when the module would refuse the request. [`Error::Failed`] when the module does not
/// describe itself, or the check takes longer than the limit.
pub(crate) async fn checked(
    request: UncheckedRequest,
    caller: &Caller,
    presence: &Presence<'_>,
    limit: Duration,
) -> Result<Box<RawValue>, Error> {
    let api: ApiInfo = read(caller, &describe(caller, presence).await?)?;
    let function = request.function().to_owned();
    // The schema of a module may make this long. Meanwhile the user can interrupt it.
    let check = tokio::task::spawn_blocking(move || request.request(&api));
    match tokio::time::timeout(limit, check).await {
        Ok(checked) => checked.map_err(Error::failed)?,
        Err(_) => Err(Error::Failed(format!(
            "the schema of {function} is so complex that the arguments could not be checked within {limit:?}"
        ))),
    }
}
