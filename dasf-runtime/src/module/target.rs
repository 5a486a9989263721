//! A call that is read and checked.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Arguments;
use super::callable::Callable;
use super::descriptor::Handler;
use super::detour::{self, Detour};
use super::unknown_arguments::UnknownArguments;

/// The member that a request calls, with the checked arguments.
pub(crate) struct Target {
    pub(super) callable: Arc<Callable>,
    /// The name of the class; empty for a function.
    pub(super) class: &'static str,
    pub(super) constructor: Arguments,
    pub(super) arguments: Arguments,
    /// Arguments in the request that the module ignores.
    pub(super) ignored: Option<UnknownArguments>,
    /// What happens to the request before the function runs.
    pub(super) detour: Option<Arc<Detour>>,
}

impl Target {
    /// Returns the name of the function, with its class.
    pub(crate) fn name(&self) -> Cow<'static, str> {
        full_name(self.class, self.callable.descriptor.name)
    }

    /// Returns the number of the function in its module: see
    /// [`function_name`](super::Module::function_name).
    pub(crate) fn number(&self) -> u16 {
        self.callable.number
    }

    /// Returns the wrapper around the function, which shows how it runs.
    pub(crate) fn handler(&self) -> Handler {
        match self.detour {
            None => self.callable.descriptor.handler,
            Some(_) => Handler::Blocking(detour::run),
        }
    }

    /// Returns whether the function reports its progress.
    pub(crate) fn reports(&self) -> bool {
        self.callable.descriptor.reports()
    }

    /// Returns whether the latest calls of the function took microseconds. The next one may take
    /// longer.
    pub(crate) fn is_quick(&self) -> bool {
        self.detour.is_none() && self.callable.quickness.lacks.load(Ordering::Relaxed) == 0
    }
}

/// Returns the name of a function with its class, which is empty if it has none.
pub(super) fn full_name(class: &'static str, function: &'static str) -> Cow<'static, str> {
    match class {
        "" => function.into(),
        class => format!("{class}.{function}").into(),
    }
}
