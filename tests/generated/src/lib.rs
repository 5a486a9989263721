//! The clients that `dasf-codegen` generates for its tests, compiled as a stranger would: with
//! nothing but `dasf`, and with the warnings that careful crates forbid.

#![deny(missing_docs, warnings, clippy::all)]

#[path = "../../../dasf-codegen/tests/goldens/forms.rs"]
pub mod forms;
#[path = "../../../dasf-codegen/tests/goldens/reference.rs"]
pub mod reference;
#[path = "../../../dasf-codegen/tests/goldens/types.rs"]
pub mod types;
#[path = "../../../dasf-codegen/tests/goldens/unusual.rs"]
pub mod unusual;
