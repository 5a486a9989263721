//! The schemas of the types in a module, from its generated code.

pub(crate) use crate::module::descriptor::SchemaOf;
pub(super) use crate::module::schema::of_reader;
