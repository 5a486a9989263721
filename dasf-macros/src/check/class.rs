//! Checking classes: their constructor and their methods.

use proc_macro2::Span;
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{FnArg, Receiver, ReceiverKind, ReturnType, Type};

use super::{function, groups, names};
use crate::mistakes::Mistakes;
use crate::source::{ClassSource, FunctionSource, MethodSource};
use crate::types::{KnownType, TypeNames, parameters, type_path};

/// Checks a class with its methods.
pub(super) fn check(class: &ClassSource, type_names: &TypeNames, mistakes: &mut Mistakes) {
    if let Some(path) = &class.trait_path {
        let mistake =
            "#[dasf::class] belongs on an `impl` block of the type itself, not of a trait";
        mistakes.report(mistake, path);
    }
    if !class.generics.params.is_empty() {
        let mistake = "a class cannot be generic; write an `impl` block without parameters";
        mistakes.report(mistake, &class.generics);
    }
    if class.ident.is_none() {
        mistakes.report("a class must be a type with a name", &class.ty);
    }
    for method in &class.methods {
        mistakes.add(&method.mistakes);
        let Some(method) = &method.value else {
            continue;
        };
        if let Some((mistake, place)) = mistake_in(method, &class.ty) {
            mistakes.report(mistake, &place);
        }
        function::check(&method.function, type_names, mistakes);
        if method.is_constructor() && method.function.is_readable() {
            check_constructor(&method.function, mistakes);
        }
    }
    let Some(ident) = &class.ident else { return };
    if class.trait_path.is_none() {
        if !class.all_methods().any(MethodSource::is_constructor) {
            let mistake = "a class needs a constructor, `pub fn new(…) -> Self`";
            mistakes.report(mistake, ident);
        }
        let has_method = class.all_methods().any(|method| !method.is_constructor());
        if !has_method && !class.has_skipped_method {
            let mistake =
                "a class needs at least one method, a `pub fn` with `&self` or `&mut self`";
            mistakes.report(mistake, ident);
        }
    }
    names::check_option(class.options.name.as_ref(), mistakes);
    groups::check(class.options.allow_groups.as_ref(), mistakes);
}

/// Returns the first mistake in the form of a method or a constructor, and its place.
fn mistake_in(method: &MethodSource, class: &Type) -> Option<(&'static str, Span)> {
    let signature = &method.function.signature;
    let ident = signature.ident.span();
    let receiver = match signature.inputs.first() {
        Some(FnArg::Receiver(receiver)) => Some(receiver),
        _ => None,
    };
    let mistake = match (method.is_constructor(), receiver) {
        (true, _) if method.is_skipped => {
            ("a class needs its constructor `new`; remove `skip`", ident)
        }
        (true, _) if !method.is_public() => ("the constructor `new` must be `pub`", ident),
        (true, Some(receiver)) => (
            "the constructor `new` cannot take `self`; remove it",
            receiver.span(),
        ),
        (true, None) if !makes_object(&signature.output, class) => (
            "the constructor `new` must return `Self` or `Result<Self, E>`",
            match &signature.output {
                ReturnType::Default => ident,
                output @ ReturnType::Type(..) => output.span(),
            },
        ),
        (false, _) if !method.is_public() => (
            "a private method cannot be called; make it `pub`, or remove its options",
            ident,
        ),
        (false, None) => (
            "a function without `self` cannot be called; add `&self`, or move it out of the \
             `impl` block",
            ident,
        ),
        (false, Some(receiver)) if !is_borrowed(receiver) => (
            "a method must take `&self` or `&mut self`; write #[dasf(skip)] to leave this one out",
            receiver.span(),
        ),
        _ => return None,
    };
    Some(mistake)
}

fn check_constructor(function: &FunctionSource, mistakes: &mut Mistakes) {
    let ident = &function.signature.ident;
    if let Some(argument) = function.readable_arguments().find(|it| !it.ty.is_data()) {
        let mistake =
            "the constructor `new` cannot take a progress report or a context; a method can";
        mistakes.report(mistake, &argument.ident);
    }
    if function.name() != "new"
        || function.options.inline
        || function.options.schema_extra.is_some()
        || function.options.allow_groups.is_some()
        || !function.returns.constraints.list().is_empty()
    {
        let mistake = "the constructor `new` takes only the options `description` and `errors`";
        mistakes.report(mistake, ident);
    }
    if !function.outer.conditions.is_empty() {
        let mistake = "the constructor cannot be conditional; put #[cfg(…)] on the `impl` block";
        mistakes.report(mistake, ident);
    }
}

/// Returns whether a constructor returns its object, or a `Result` of it, as far as its tokens show.
fn makes_object(output: &ReturnType, class: &Type) -> bool {
    let ReturnType::Type(_, ty) = output else {
        return false;
    };
    let is_object = |ty: &Type| {
        let is_self = type_path(ty).is_some_and(|path| path.path.is_ident("Self"));
        is_self || ty.to_token_stream().to_string() == class.to_token_stream().to_string()
    };
    is_object(ty)
        || match TypeNames::default().known(ty) {
            Some((KnownType::Result, segment)) => parameters(segment).next().is_none_or(is_object),
            _ => false,
        }
}

fn is_borrowed(receiver: &Receiver) -> bool {
    match &receiver.kind {
        ReceiverKind::Reference(..) => true,
        ReceiverKind::Typed(_, ty) => matches!(**ty, Type::Reference(_)),
        _ => false,
    }
}
