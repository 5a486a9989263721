//! Making the model of a module from its source.

use syn::ext::IdentExt;
use syn::{FnArg, ItemMod, ReceiverKind, Signature, Type};

use crate::attributes::{AllowGroups, ErrorTexts, UnknownArguments};
use crate::docs::Docs;
use crate::model::{Argument, Class, Function, Member, Module};
use crate::source::{ArgumentSource, ClassSource, FunctionSource, MemberKind, ModuleSource};

/// Makes the model of a module, without the members that have mistakes. Returns it with the user's
/// items.
pub(crate) fn module(source: ModuleSource) -> (Module, ItemMod) {
    let ModuleSource { item, options, .. } = source;
    let docs = Docs::of(&item.attrs);
    let members = source.members.into_iter();
    let sound = members.filter(|member| member.mistakes.is_empty());
    let groups = options.allow_groups.as_ref().map(AllowGroups::names);
    let groups = groups.unwrap_or_default();
    let module = Module {
        name: item.ident.clone(),
        krate: source.krate,
        topic: options.topic.map(|topic| topic.value()),
        group: options.group.map(|group| group.value()),
        description: options.description.or(docs.summary).unwrap_or_default(),
        version: options.version,
        has_main: options.main.unwrap_or(!source.forbids_main),
        errors: options.errors.unwrap_or(ErrorTexts::Outermost),
        unknown_arguments: options
            .unknown_arguments
            .unwrap_or(UnknownArguments::Ignore),
        members: sound
            .filter_map(|member| self::member(member.kind, &groups))
            .collect(),
    };
    (module, item)
}

/// Makes a member; `None` if a part of it could not be read. Users in `groups` may call it, unless it
/// names other groups.
fn member(source: MemberKind, groups: &[String]) -> Option<Member> {
    Some(match source {
        MemberKind::Function(source) => {
            Member::Function(Box::new(function(*source, None, groups)?))
        }
        MemberKind::Class(source) => Member::Class(Box::new(class(*source, groups)?)),
    })
}

fn class(source: ClassSource, groups: &[String]) -> Option<Class> {
    let docs = Docs::of(&source.outer.docs);
    let ident = source.ident.clone()?;
    let name = source.name(&ident);
    let own_groups = source.options.allow_groups.as_ref().map(AllowGroups::names);
    let groups = own_groups.as_deref().unwrap_or(groups);
    let mut constructor = None;
    let mut methods = Vec::new();
    for method in source.methods.into_iter().filter_map(|it| it.value) {
        if method.is_constructor() {
            constructor = function(method.function, Some(&docs), groups);
        } else {
            methods.extend(function(method.function, None, groups));
        }
    }
    Some(Class {
        name,
        description: source.options.description.or(docs.summary),
        ty: source.ty,
        ident,
        outer: source.outer,
        constructor: constructor?,
        methods,
    })
}

/// Makes a function, a method or a constructor. `class_docs` describes the arguments of a constructor
/// that it does not describe itself. Users in `groups` may call it, unless it names other groups.
fn function(
    source: FunctionSource,
    class_docs: Option<&Docs>,
    groups: &[String],
) -> Option<Function> {
    let docs = Docs::of(&source.outer.docs);
    let name = source.name();
    let FunctionSource {
        signature,
        options,
        returns,
        outer,
        arguments,
        result,
    } = source;
    let arguments = arguments.into_iter();
    let arguments = arguments.filter_map(|it| Some(argument(it.value?, &docs, class_docs)));
    let arguments = arguments.collect();
    let return_constraints = returns.constraints.list();
    let own_groups = options.allow_groups.as_ref().map(AllowGroups::names);
    Some(Function {
        name,
        description: options.description.or(docs.summary),
        outer,
        arguments,
        result: result.value?,
        return_description: returns.description.or(docs.returns),
        return_constraints,
        schema_extra: options.schema_extra,
        is_async: signature.asyncness.is_some(),
        is_inline: options.inline,
        errors: options.errors,
        allow_groups: own_groups.unwrap_or_else(|| groups.to_vec()),
        is_mutating: is_mutating(&signature),
        ident: signature.ident,
    })
}

fn argument(source: ArgumentSource, docs: &Docs, class_docs: Option<&Docs>) -> Argument {
    let name = source.name();
    let ArgumentSource {
        ident,
        ty,
        options,
        docs: own_docs,
        conditions,
    } = source;
    let description = options
        .description
        .or(own_docs.summary)
        .or_else(|| docs.argument(&name))
        .or_else(|| docs.argument(&ident.unraw().to_string()))
        .or_else(|| class_docs?.argument(&name));
    Argument {
        description,
        ident,
        name,
        ty,
        default: options.default,
        title: options.title,
        constraints: options.constraints.list(),
        examples: options.example,
        conditions,
    }
}

/// Returns whether a method takes `&mut self`, or `self: &mut Self`.
fn is_mutating(signature: &Signature) -> bool {
    let Some(FnArg::Receiver(receiver)) = signature.inputs.first() else {
        return false;
    };
    match &receiver.kind {
        ReceiverKind::Reference(_, _, mutability) => mutability.is_some(),
        ReceiverKind::Typed(_, ty) => {
            matches!(&**ty, Type::Reference(reference) if reference.mutability.is_some())
        }
        _ => false,
    }
}
