//! The arguments that a function or constructor accepts, as its schema says.

use std::ops::Range;
use std::sync::Arc;

use dasf_protocol::problem::Problem;
use serde_json::Value;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::descriptor::ArgumentDescriptor;
use super::plain_arguments::PlainArguments;
use super::request::{Object, no_json};
use super::validate::{Validator, list_problems};
use super::{Arguments, Failure, ModuleError};

/// The schema of the arguments of a function or constructor, with its compiled form.
pub(super) struct Contract {
    /// The name of the function or class.
    member: &'static str,
    descriptors: &'static [ArgumentDescriptor],
    validator: Validator,
    /// The arguments that need no check by the schema, if all of them are plain.
    plain: Option<PlainArguments>,
    pub(super) schema: Arc<Value>,
}

impl Contract {
    pub(super) fn new(
        member: &'static str,
        arguments: &'static [ArgumentDescriptor],
        schema: &Value,
    ) -> Result<Self, ModuleError> {
        let validator = Validator::new(member, schema)?;
        check_defaults(member, arguments, &validator)?;
        Ok(Self {
            member,
            descriptors: arguments,
            validator,
            plain: PlainArguments::of(schema),
            schema: Arc::new(schema.clone()),
        })
    }

    /// Checks the arguments in an object, which is the request or a part of it, and returns them. Their
    /// problems are added to a list: if it has some, the function must not run.
    ///
    /// # Errors
    /// Fails if the object is not JSON.
    pub(super) fn accept(
        &self,
        request: &Utf8Bytes,
        object: &Object<'_>,
        prefix: &str,
        problems: &mut Vec<Problem>,
    ) -> Result<Arguments, Failure> {
        let plain = self.plain.as_ref();
        if !plain.is_some_and(|plain| plain.surely_match(object)) {
            let found = self.validator.problems_of_text(object.text(), prefix);
            problems.extend(found.map_err(|error| no_json(&error))?);
        }
        let names = self.descriptors.iter().map(|argument| argument.name);
        Ok(Arguments {
            function: self.member,
            request: request.clone(),
            values: places(names, request, object),
            schema: Some(Arc::clone(&self.schema)),
        })
    }
}

/// Returns the ranges of the values with these names in the request that contains the object.
pub(super) fn places(
    names: impl Iterator<Item = &'static str>,
    request: &Utf8Bytes,
    object: &Object<'_>,
) -> Vec<(&'static str, Range<usize>)> {
    let places = names.filter_map(|name| {
        let value = object.get(name)?;
        // The value is a slice of the request.
        let start = value.as_ptr().addr() - request.as_ptr().addr();
        Some((name, start..start + value.len()))
    });
    places.collect()
}

/// Checks that each default is a value that a request could contain.
fn check_defaults(
    member: &str,
    arguments: &[ArgumentDescriptor],
    schema: &Validator,
) -> Result<(), ModuleError> {
    let defaults = arguments.iter().filter_map(|argument| {
        let default = argument.default?()?;
        Some((argument.name.to_owned(), default))
    });
    let request = Value::Object(defaults.collect());
    // Arguments without a default are missing here, which is expected.
    let mut problems = schema.problems(&request, "");
    problems.retain(|problem| !problem.is_missing());
    if problems.is_empty() {
        return Ok(());
    }
    Err(ModuleError {
        member: member.to_owned(),
        reason: format!(
            "a default does not match its schema: {}",
            list_problems(member, &problems)
        ),
    })
}
