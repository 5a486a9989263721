//! Types, as far as their tokens show them.

mod argument;
mod foreign;
mod kind;
mod names;
mod owned;
mod path;
mod result;
mod self_type;

pub(crate) use argument::{ArgumentKind, ArgumentType};
pub(crate) use foreign::foreign_messages;
pub(crate) use kind::{ValueKind, constrained_type, undeclared_name};
pub(crate) use names::{KnownType, TypeNames};
pub(crate) use path::{INTEGERS, parameters, type_path, ungrouped};
pub(crate) use result::ResultType;
pub(crate) use self_type::ReplaceSelf;
