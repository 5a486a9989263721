//! The descriptors of functions, classes and arguments.

use proc_macro2::TokenStream;
use quote::quote;

use super::literals::converted;
use super::names;
use crate::attributes::{Constraint, ConstraintValue, UnknownArguments};
use crate::expand::conditions::conditions;
use crate::model::{Argument, Class, Function};
use crate::number::JsonNumber;
use crate::types::ArgumentKind;

/// Writes descriptors.
pub(super) struct Descriptors {
    unknown_arguments: UnknownArguments,
}

impl Descriptors {
    pub(super) fn new(unknown_arguments: UnknownArguments) -> Self {
        Self { unknown_arguments }
    }

    // Only given properties of a descriptor are written, so that the code for the compiler stays short.

    pub(super) fn function(&self, function: &Function, class: Option<&Class>) -> TokenStream {
        let Function { name, result, .. } = function;
        let arguments = self.arguments(function, class);
        let value = &result.value;
        let description = function.description.as_ref();
        let description = description.map(|text| quote!(.description(#text)));
        let returns = function.return_description.as_ref();
        let returns = returns.map(|text| quote!(.returns(#text)));
        let mut keywords = keywords(&function.return_constraints).peekable();
        let return_keywords = keywords.peek().is_some();
        let return_keywords =
            return_keywords.then(|| quote!(.return_keywords(const { &[#(#keywords),*] })));
        let schema_extra = function.schema_extra.as_ref();
        let schema_extra =
            schema_extra.map(|extra| quote!(.schema_extra(|| __p::Value::from(#extra))));
        let deprecated = function.outer.deprecated.as_ref();
        let deprecated = deprecated.map(|_| quote!(.deprecated()));
        let refuse = self.refuse_unknown();
        let groups = &function.allow_groups;
        let groups = (!groups.is_empty()).then(|| quote!(.allow_groups(&[#(#groups),*])));
        let wrapper = names::wrapper(function, class);
        let handler = match (function.awaits(class), function.is_inline) {
            (true, _) => quote!(Async),
            (false, true) => quote!(Inline),
            (false, false) => quote!(Blocking),
        };
        quote! {
            __p::FunctionDescriptor::new(
                #name,
                const { &[#(#arguments),*] },
                <__p::Probe<#value>>::TYPE,
                __p::Handler::#handler(#wrapper),
            ) #description #returns #return_keywords #schema_extra #deprecated #refuse #groups
        }
    }

    pub(super) fn class(&self, class: &Class) -> TokenStream {
        let name = &class.name;
        let arguments = self.arguments(&class.constructor, Some(class));
        let methods = class.methods.iter().map(|method| {
            let conditions = conditions(&method.outer.conditions);
            let descriptor = self.function(method, Some(class));
            quote!(#conditions #descriptor)
        });
        let description = class.description.as_ref();
        let description = description.map(|text| quote!(.description(#text)));
        let deprecated = class.outer.deprecated.as_ref();
        let deprecated = deprecated.map(|_| quote!(.deprecated()));
        let refuse = self.refuse_unknown();
        quote! {
            __p::ClassDescriptor::new(
                #name,
                const { &[#(#arguments),*] },
                const { &[#(#methods),*] },
            )
                #description #deprecated #refuse
        }
    }

    fn refuse_unknown(&self) -> Option<TokenStream> {
        (self.unknown_arguments == UnknownArguments::Refuse).then(|| quote!(.refuse_unknown()))
    }

    fn arguments(&self, function: &Function, class: Option<&Class>) -> Vec<TokenStream> {
        let described = function
            .arguments
            .iter()
            .filter(|argument| argument.ty.kind != ArgumentKind::Context);
        described
            .map(|argument| self.argument(argument, function, class))
            .collect()
    }

    fn argument(
        &self,
        argument: &Argument,
        function: &Function,
        class: Option<&Class>,
    ) -> TokenStream {
        let Argument { name, ty, .. } = argument;
        let conditions = conditions(&argument.conditions);
        let owned = &ty.owned;
        let title = argument.title.as_ref();
        let title = title.map(|title| quote!(.title(#title)));
        let description = argument.description.as_ref();
        let description = description.map(|text| quote!(.description(#text)));
        let default = argument.has_default().then(|| {
            let default = names::default(argument, function, class);
            let wire = (ty.kind == ArgumentKind::Reporter).then(|| quote!(.to_wire()));
            quote!(.default(|| __p::Written(&#default() #wire).json()))
        });
        let examples = argument.examples.iter().map(|example| {
            let example = converted(example, ty);
            quote! {
                __p::Keyword::example(|| {
                    let example: #owned = #example;
                    __p::Written(&example).json()
                })
            }
        });
        let mut keywords = keywords(&argument.constraints).chain(examples).peekable();
        let has_keywords = keywords.peek().is_some();
        let keywords = has_keywords.then(|| quote!(.keywords(const { &[#(#keywords),*] })));
        let (reporter, schema) = match ty.kind {
            ArgumentKind::Reporter => (Some(quote!(.reporter())), quote!(())),
            _ => (None, quote!(#owned)),
        };
        quote! {
            #conditions
            __p::ArgumentDescriptor::new(#name, <__p::Probe<#schema>>::TYPE)
                #title #description #default #keywords #reporter
        }
    }
}

fn keywords(constraints: &[Constraint]) -> impl Iterator<Item = TokenStream> {
    // `check::constraints` refuses numbers that JSON does not have.
    constraints.iter().filter_map(|constraint| {
        let name = constraint.keyword;
        let value = match &constraint.value {
            ConstraintValue::Number(number) => match number.to_json()? {
                JsonNumber::Integer(integer) => quote!(__p::Literal::Integer(#integer)),
                JsonNumber::Float(float) => quote!(__p::Literal::Number(#float)),
            },
            ConstraintValue::Text(text) => quote!(__p::Literal::Text(#text)),
        };
        Some(quote!(__p::Keyword::new(#name, #value)))
    })
}
