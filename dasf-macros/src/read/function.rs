//! Reading functions and their arguments.

use syn::visit_mut::VisitMut;
use syn::{Attribute, FnArg, ItemFn, Pat, PatType, Signature, Type};

use super::scope::Scope;
use crate::attributes::{
    ArgumentOptions, DefaultOption, FunctionOptions, OuterAttributes, ReturnOptions,
    from_attribute, from_tokens, named, take_options,
};
use crate::docs::Docs;
use crate::mistakes::Mistakes;
use crate::source::{ArgumentSource, FunctionSource, WithMistakes};
use crate::types::{ArgumentType, ReplaceSelf, ResultType, ValueKind};

/// Reads a function with its attribute.
pub(super) fn read(
    attribute: &Attribute,
    item: &mut ItemFn,
    scope: &Scope<'_>,
    mistakes: &mut Mistakes,
) -> FunctionSource {
    let options = mistakes.handle(from_attribute(attribute, ValueKind::Unknown));
    let outer = OuterAttributes::of(&item.attrs);
    let options = options.unwrap_or_default();
    signature(&mut item.sig, options, outer, None, scope)
}

/// Reads the signature of a function, a method or a constructor, and removes the attributes of its
/// arguments. `self_type` replaces `Self`.
pub(super) fn signature(
    signature: &mut Signature,
    mut options: FunctionOptions,
    outer: OuterAttributes,
    self_type: Option<&Type>,
    scope: &Scope<'_>,
) -> FunctionSource {
    let inputs = signature.inputs.iter_mut();
    let arguments = inputs.filter_map(|input| match input {
        FnArg::Receiver(_) => None,
        FnArg::Typed(input) => {
            let mut mistakes = Mistakes::default();
            let value = argument(input, self_type, scope, &mut mistakes);
            Some(WithMistakes { value, mistakes })
        }
    });
    let arguments = arguments.collect();
    let mut mistakes = Mistakes::default();
    let result = ResultType::of(
        &signature.output,
        self_type,
        &scope.fallible(),
        scope.type_names,
    );
    let result = mistakes.handle(result);
    let kind = match &result {
        Some(result) => ValueKind::of(&result.value, scope.type_names),
        None => ValueKind::Unknown,
    };
    let returns = from_tokens(std::mem::take(&mut options.returns), kind);
    let returns: ReturnOptions = mistakes.handle(returns).unwrap_or_default();
    if let (Some(self_type), Some(extra)) = (self_type, &mut options.schema_extra) {
        ReplaceSelf(self_type).visit_expr_mut(extra);
    }
    FunctionSource {
        signature: signature.clone(),
        options,
        returns,
        outer,
        arguments,
        result: WithMistakes {
            value: result,
            mistakes,
        },
    }
}

fn argument(
    input: &mut PatType,
    self_type: Option<&Type>,
    scope: &Scope<'_>,
    mistakes: &mut Mistakes,
) -> Option<ArgumentSource> {
    let kind = ValueKind::of(&input.ty, scope.type_names);
    let options = take_options::<ArgumentOptions>(&mut input.attrs, kind);
    let mut options = mistakes.handle(options).flatten().unwrap_or_default();
    let docs = Docs::of(&input.attrs);
    input
        .attrs
        .retain(|attribute| !attribute.path().is_ident("doc"));
    let ident = match &*input.pat {
        Pat::Ident(pattern) if pattern.by_ref.is_none() && pattern.subpat.is_none() => {
            pattern.ident.clone()
        }
        other => {
            let mistake = "an argument needs a name; destructure it inside the function";
            mistakes.report(mistake, other);
            return None;
        }
    };
    let ty = ArgumentType::of(&input.ty, self_type, scope.type_names);
    let ty = mistakes.handle(ty)?;
    if let Some(self_type) = self_type {
        let mut replace = ReplaceSelf(self_type);
        if let Some(DefaultOption::Expression(default)) = &mut options.default {
            replace.visit_expr_mut(default);
        }
        for example in &mut options.example {
            replace.visit_expr_mut(example);
        }
    }
    Some(ArgumentSource {
        ident,
        ty,
        options,
        docs,
        conditions: named(&input.attrs, "cfg"),
    })
}
