//! The generated clients of the tests of `dasf-codegen`, compiled with `dasf` as the only dependency,
//! and with warnings as errors.

#![deny(missing_docs, warnings, clippy::all)]

#[path = "../../../dasf-codegen/tests/goldens/arrays.rs"]
pub mod arrays;
#[path = "../../../dasf-codegen/tests/goldens/forms.rs"]
pub mod forms;
#[path = "../../../dasf-codegen/tests/goldens/reference.rs"]
pub mod reference;
#[path = "../../../dasf-codegen/tests/goldens/types.rs"]
pub mod types;
#[path = "../../../dasf-codegen/tests/goldens/unusual.rs"]
pub mod unusual;
