//! The names of generated functions and variables.

use syn::Ident;

use crate::identifiers::mangled;
use crate::model::{Argument, Class, Function};

/// Returns the name of the wrapper around a function, or around a method of a class.
pub(super) fn wrapper(function: &Function, class: Option<&Class>) -> Ident {
    mangled(&path(function, class), "call")
}

/// Returns the name of the function that constructs an object of a class.
pub(super) fn constructor(class: &Class) -> Ident {
    mangled(&[&class.ident], "construct")
}

/// Returns the name of the function that makes a default.
pub(super) fn default(argument: &Argument, function: &Function, class: Option<&Class>) -> Ident {
    let mut path = path(function, class);
    path.push(&argument.ident);
    mangled(&path, "default")
}

/// Returns the variable of an argument. It cannot hide the function, which may have the same name as
/// the argument.
pub(super) fn local(argument: &Argument) -> Ident {
    mangled(&[&argument.ident], "argument")
}

/// Returns the names that identify a function, or a method of a class.
fn path<'f>(function: &'f Function, class: Option<&'f Class>) -> Vec<&'f Ident> {
    class
        .map(|class| &class.ident)
        .into_iter()
        .chain([&function.ident])
        .collect()
}
