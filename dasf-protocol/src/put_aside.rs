//! The error of a request that a broker has put aside, because it ended the modules that ran it.

/// The words with which the text of the error begins.
pub const PREFIX: &str = "request put aside";

/// The code of the error. Its details are `{"deaths": N, "id": ID}`: how often a module began the request
/// and did not finish it, and the id under which the broker has it.
pub const CODE: &str = "put_aside";

/// Returns the text of the error.
///
/// ```
/// let text = dasf_protocol::put_aside::text(3, "7");
/// assert!(text.starts_with("request put aside: after its first delivery it was begun 3 times more"));
/// ```
pub fn text(deaths: u32, id: &str) -> String {
    let times = match deaths {
        1 => "once".to_owned(),
        deaths => format!("{deaths} times"),
    };
    format!(
        "{PREFIX}: after its first delivery it was begun {times} more, and no module finished it, so it may end each \
         module that runs it; it does not run again, unless somebody sends it again with 'dasf dead retry {id}'"
    )
}
