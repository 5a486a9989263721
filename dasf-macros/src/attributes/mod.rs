//! The attributes that users write, and their options.

mod cfg_attr;
mod constraints;
mod find;
mod macro_options;
mod option_value;
mod options;
mod outer;
mod parse;
mod serde_type;
mod target;
mod unknown_option;

pub(crate) use cfg_attr::expand_cfg_attr;
pub(crate) use constraints::{Constraint, ConstraintValue};
pub(crate) use find::{is_dasf_attribute, named, take_dasf_attributes};
pub(crate) use macro_options::{MacroOption, MacroOptions, string_value};
pub(crate) use options::{
    AllowGroups, ArgumentOptions, ClassOptions, DefaultOption, ErrorTexts, FunctionOptions,
    MethodOptions, ModuleOptions, ReturnOptions, UnknownArguments,
};
pub(crate) use outer::OuterAttributes;
pub(crate) use parse::{Options, forbids_main, from_attribute, from_tokens, take_options};
pub(crate) use serde_type::SerdeType;
pub(crate) use target::Target;
