//! Checking functions and their arguments.

use syn::{GenericParam, Safety, Signature};

use super::{constraints, groups, names};
use crate::attributes::DefaultOption;
use crate::mistakes::Mistakes;
use crate::source::{ArgumentSource, FunctionSource};
use crate::types::{ArgumentKind, TypeNames};

/// Checks a function, a method or a constructor.
pub(super) fn check(function: &FunctionSource, type_names: &TypeNames, mistakes: &mut Mistakes) {
    check_signature(&function.signature, mistakes);
    for argument in &function.arguments {
        mistakes.add(&argument.mistakes);
        if let Some(argument) = &argument.value {
            check_argument(argument, type_names, mistakes);
        }
    }
    check_kinds(function, mistakes);
    groups::check(function.options.allow_groups.as_ref(), mistakes);
    names::check_arguments(function, mistakes);
    mistakes.add(&function.result.mistakes);
    let Some(result) = &function.result.value else {
        return;
    };
    if function.options.inline && function.signature.asyncness.is_some() {
        let mistake = "an async function always runs on the task of the call; remove `inline`";
        mistakes.report(mistake, &function.signature.ident);
    }
    let constraints = function.returns.constraints.list();
    let no_values = std::iter::empty();
    constraints::check(&constraints, no_values, &result.value, type_names, mistakes);
    names::check_option(function.options.name.as_ref(), mistakes);
}

fn check_signature(signature: &Signature, mistakes: &mut Mistakes) {
    let mut parameters = signature.generics.params.iter();
    if !parameters.all(|it| matches!(it, GenericParam::Lifetime(_))) {
        let mistake = "a function of a module cannot be generic; use fixed types";
        mistakes.report(mistake, &signature.generics);
    }
    if let Some(abi) = &signature.abi {
        let mistake = "a function of a module cannot be `extern`; remove it";
        mistakes.report(mistake, abi);
    }
    if let Safety::Unsafe(unsafety) = &signature.safety {
        let mistake = "a function of a module cannot be `unsafe`; wrap it in a safe function";
        mistakes.report(mistake, unsafety);
    }
}

fn check_argument(argument: &ArgumentSource, type_names: &TypeNames, mistakes: &mut Mistakes) {
    let ArgumentSource { ty, options, .. } = argument;
    let default = match &options.default {
        Some(DefaultOption::Expression(expression)) => Some(("the default", &**expression)),
        _ => None,
    };
    let examples = options.example.iter();
    let examples = examples.map(|example| ("an example", example));
    let values = default.into_iter().chain(examples);
    let constraints = options.constraints.list();
    constraints::check(&constraints, values, &ty.owned, type_names, mistakes);
    let has_options =
        options.default.is_some() || options.rename.is_some() || !options.example.is_empty();
    if ty.kind == ArgumentKind::Context && has_options {
        let mistake = "the context is not part of a request; remove its options";
        mistakes.report(mistake, &argument.ident);
    }
    names::check_option(options.rename.as_ref(), mistakes);
}

/// Refuses a second progress report and a second context.
fn check_kinds(function: &FunctionSource, mistakes: &mut Mistakes) {
    for (kind, name) in [
        (ArgumentKind::Reporter, "progress report"),
        (ArgumentKind::Context, "context"),
    ] {
        let mut same = function
            .readable_arguments()
            .filter(|argument| argument.ty.kind == kind && argument.conditions.is_empty());
        if let Some(second) = same.nth(1) {
            let mistake = format!("a function takes at most one {name}; remove this argument");
            mistakes.report(mistake, &second.ident);
        }
    }
}
