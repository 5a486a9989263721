//! Calls that do something else before their function runs, or in its place.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::descriptor::Handler;
use super::target::full_name;
use super::validate::Validator;
use super::{Failure, Invocation, Outcome, encode_result};
#[cfg(feature = "cli")]
use super::{Module, ModuleError};
use crate::context::Context;

/// What a program does with each checked request of its module.
pub(crate) trait Intercept: Send + Sync {
    /// Handles a request on a thread that may block. Returns the result as JSON text, or `None` if the
    /// function of the request is to run.
    ///
    /// # Errors
    /// Returns the [`Failure`] with which the call ends.
    fn intercept(&self, request: &str, context: &Context) -> Result<Option<String>, Failure>;
}

/// An interceptor, with the schemas of the results that it may return.
pub(super) struct Detour {
    intercept: Box<dyn Intercept>,
    /// By the name of the function, with its class.
    results: HashMap<Cow<'static, str>, Validator>,
}

/// A detour of one call, and the function at its end.
pub(super) struct Way {
    pub(super) detour: Arc<Detour>,
    pub(super) handler: Handler,
    /// The name of the function, with its class.
    pub(super) function: Cow<'static, str>,
}

#[cfg(feature = "cli")]
impl Module {
    /// Lets an interceptor see each request before its function. All functions then run on threads, also
    /// `async` ones.
    ///
    /// # Errors
    /// Returns a [`ModuleError`] if the schema of a result is invalid.
    pub(crate) fn with_intercept(
        mut self,
        intercept: impl Intercept + 'static,
    ) -> Result<Self, ModuleError> {
        let mut results = HashMap::new();
        let info = &self.api.info;
        let functions = info.functions.iter().map(|function| ("", function));
        let methods = info.classes.iter().flat_map(|class| {
            let name = class.name.as_str();
            class.methods.iter().map(move |method| (name, method))
        });
        for (class, function) in functions.chain(methods) {
            let name = match class {
                "" => function.name.clone(),
                class => format!("{class}.{}", function.name),
            };
            let validator = Validator::new(&name, &function.return_schema)?;
            results.insert(name.into(), validator);
        }
        let intercept = Box::new(intercept);
        self.detour = Some(Arc::new(Detour { intercept, results }));
        Ok(self)
    }
}

/// Runs a call with a detour, on a thread that may block.
pub(super) fn run(mut invocation: Invocation) -> Outcome {
    let Some(way) = invocation.way.take() else {
        // Only a call with a detour has this handler.
        return Err(Failure::processing("the call has no detour"));
    };
    let Detour { intercept, results } = &*way.detour;
    let request = &invocation.arguments.request;
    if let Some(answer) = intercept.intercept(request, &invocation.context)? {
        let function = &*way.function;
        let wrong =
            |problem: &str| Failure::execution(format!("the answer of the command: {problem}"));
        let json: &RawValue = serde_json::from_str(&answer)
            .map_err(|error| wrong(&format!("{function}: it is not JSON: {error}")))?;
        let output = encode_result(json)?;
        return match results.get(function) {
            Some(validator) => validator
                .check_result(function, output)
                .map_err(|failure| wrong(failure.message())),
            None => Ok(output),
        };
    }
    match way.handler {
        Handler::Blocking(function) | Handler::Inline(function) => function(invocation),
        Handler::Async(function) => {
            tokio::runtime::Handle::current().block_on(function(invocation))
        }
    }
}

/// Returns the way of a call, if its module has a detour.
pub(super) fn way(target: &super::Target) -> Option<Way> {
    target.detour.as_ref().map(|detour| Way {
        detour: Arc::clone(detour),
        handler: target.callable.descriptor.handler,
        function: full_name(target.class, target.callable.descriptor.name),
    })
}
