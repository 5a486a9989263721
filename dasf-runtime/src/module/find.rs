//! Finds the function that a request calls, and checks the request.

use std::sync::Arc;

use bytes::Bytes;
use dasf_protocol::payload;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::access::Origin;
use super::request::{self, Object, is_object, is_string, no_json};
use super::target::Target;
use super::unknown_arguments::{self, UnknownArguments};
use super::validate::{check_json, list_problems};
use super::{Arguments, Failure, FailureKind, MODULE, Module};

impl Module {
    /// Reads the payload of a request, and checks it against the schema of the function that it names.
    ///
    /// # Errors
    /// Returns the [`Failure`] with which the module rejects the request.
    pub(crate) fn read(&self, payload: &Bytes, origin: Origin<'_>) -> Result<Target, Failure> {
        let text = match Utf8Bytes::try_from(payload.clone()) {
            Ok(text) => text,
            Err(_) => payload::to_text(payload).into_owned().into(),
        };
        self.find(&text, origin)
    }

    /// Finds the member that a request names, and checks the request against its schema, if the call is
    /// allowed.
    pub(super) fn find(&self, request: &Utf8Bytes, origin: Origin<'_>) -> Result<Target, Failure> {
        self.find_in(request, origin).map_err(|failure| {
            if failure.kind() == FailureKind::NotAllowed {
                return failure;
            }
            // Not all parts were read before the failure. A text that is not JSON has no meaning.
            let checked = check_json(request);
            checked.map_or_else(|error| no_json(&error), |()| failure)
        })
    }

    fn find_in(&self, text: &Utf8Bytes, origin: Origin<'_>) -> Result<Target, Failure> {
        let Some(request) = Object::split(text) else {
            return Err(Failure::validation(
                "a request must be a JSON object with a func_name or a class_name",
            ));
        };
        // A request may name both a class and a function. Its form decides: a call of a method has
        // an object under `function`. Unknown keys are ignored.
        let function = request.get("func_name");
        let is_function = function.is_some_and(is_string);
        let is_method = request.get("function").is_some_and(is_object);
        let has_class = |name: &str| {
            let name = request::to_string(name);
            name.is_some_and(|name| self.classes.contains_key(&*name))
        };
        let class = request
            .get("class_name")
            .filter(|name| !is_function || (is_method && has_class(name)));
        if let Some(class) = class {
            let Some(class) = request::to_string(class) else {
                return Err(Failure::validation("class_name: must be a string"));
            };
            return self.find_method(text, &request, &class, origin);
        }
        let Some(function) = function else {
            let problem = "func_name: the name of the function is required";
            return Err(Failure::validation(problem));
        };
        let Some(function) = request::to_string(function) else {
            return Err(Failure::validation("func_name: must be a string"));
        };
        self.find_function(text, &request, &function, origin)
    }

    fn find_function(
        &self,
        text: &Utf8Bytes,
        request: &Object<'_>,
        name: &str,
        origin: Origin<'_>,
    ) -> Result<Target, Failure> {
        let Some(callable) = self.functions.get(name) else {
            return Err(unknown(MODULE, "function", name, self.functions.keys()));
        };
        callable.access.check(origin, || name.to_owned())?;
        let contract = &callable.contract;
        let unknown = unknown_arguments::of_function(name, &contract.schema, request.keys());
        let ignored = refuse_unknown(unknown).map_err(|failure| failure.of_function(name))?;
        let mut problems = Vec::new();
        let arguments = contract.accept(text, request, "", &mut problems)?;
        if !problems.is_empty() {
            let failure = Failure::validation(list_problems(name, &problems));
            return Err(failure.of_function(name));
        }
        Ok(Target {
            callable: Arc::clone(callable),
            class: "",
            constructor: Arguments::default(),
            arguments,
            ignored,
            detour: self.detour.clone(),
        })
    }

    fn find_method(
        &self,
        text: &Utf8Bytes,
        request: &Object<'_>,
        name: &str,
        origin: Origin<'_>,
    ) -> Result<Target, Failure> {
        let Some((&name, class)) = self.classes.get_key_value(name) else {
            return Err(unknown(MODULE, "class", name, self.classes.keys()));
        };
        let part = request.get("function");
        let Some(call) = part.and_then(Object::split) else {
            let problem = "function: an object with the func_name of the method is required";
            return Err(Failure::validation(format!("{name}: {problem}")));
        };
        let Some(method) = call.get("func_name").and_then(request::to_string) else {
            let problem = "function.func_name: the name of the method is required";
            return Err(Failure::validation(format!("{name}: {problem}")));
        };
        let Some(callable) = class.methods.get(&*method) else {
            return Err(unknown(name, "method", &method, class.methods.keys()));
        };
        let access = &callable.access;
        access.check(origin, || format!("{name}.{method}"))?;
        let constructor = unknown_arguments::Part {
            name,
            schema: &class.constructor.schema,
            keys: request.keys(),
        };
        let called = unknown_arguments::Part {
            name: &method,
            schema: &callable.contract.schema,
            keys: call.keys(),
        };
        let ignored = refuse_unknown(unknown_arguments::of_class(constructor, called))
            .map_err(|failure| failure.of_function(&format!("{name}.{method}")))?;
        let mut problems = Vec::new();
        let constructor = class.constructor.accept(text, request, "", &mut problems)?;
        let arguments = callable
            .contract
            .accept(text, &call, "function.", &mut problems)?;
        if !problems.is_empty() {
            let function = format!("{name}.{method}");
            let failure = Failure::validation(list_problems(&function, &problems));
            return Err(failure.of_function(&function));
        }
        Ok(Target {
            callable: Arc::clone(callable),
            class: name,
            constructor,
            arguments,
            ignored,
            detour: self.detour.clone(),
        })
    }
}

/// Refuses arguments that the function does not have, if its schema forbids them. Otherwise returns
/// them.
fn refuse_unknown(unknown: Option<UnknownArguments>) -> Result<Option<UnknownArguments>, Failure> {
    match unknown {
        Some(unknown) if unknown.is_refused => Err(Failure::validation(unknown.message)),
        ignored => Ok(ignored),
    }
}

fn unknown<'a>(
    owner: &str,
    kind: &str,
    name: &str,
    known: impl Iterator<Item = &'a &'static str>,
) -> Failure {
    let mut known: Vec<_> = known.map(|&name| name.to_owned()).collect();
    known.sort_unstable();
    Failure::validation(unknown_arguments::unknown_member(owner, kind, name, &known))
}
