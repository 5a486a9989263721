//! The functions between a request and the user's functions.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Path;

use super::defaults::defaults;
use super::names;
use crate::attributes::ErrorTexts;
use crate::expand::conditions::conditions;
use crate::model::{Argument, Class, Function};
use crate::types::ArgumentKind;

/// Writes wrappers.
pub(super) struct Wrappers<'a> {
    krate: &'a Path,
    /// The texts of errors that callers get, unless a function has its own setting.
    errors: ErrorTexts,
}

impl<'a> Wrappers<'a> {
    pub(super) fn new(krate: &'a Path, errors: ErrorTexts) -> Self {
        Self { krate, errors }
    }

    /// Writes the function that reads the arguments of a request, calls the user's function and encodes
    /// the result, and the functions that make the defaults.
    pub(super) fn function(
        &self,
        function: &Function,
        class: Option<&Class>,
        callee: &TokenStream,
    ) -> TokenStream {
        let name = names::wrapper(function, class);
        let of_class = class.map(|class| conditions(&class.outer.conditions));
        let of_function = conditions(&function.outer.conditions);
        let condition = quote!(#of_class #of_function);
        let defaults = defaults(self.krate, function, class, &condition);
        let decoded = function.arguments.iter().map(|argument| {
            let source = quote!(__call.arguments);
            self.decode(argument, function, class, &source)
        });
        let passed_arguments = function.arguments.iter().map(passed);
        let construct = class.map(|class| {
            let constructor = names::constructor(class);
            let wait = class.constructor.is_async.then(|| quote!(.await));
            let mutable = function.is_mutating.then(|| quote!(mut));
            quote!(let #mutable __this = #constructor(&mut __call.constructor)#wait?;)
        });
        let this = class.map(|_| {
            if function.is_mutating {
                quote!(&mut __this,)
            } else {
                quote!(&__this,)
            }
        });
        let wait = function.is_async.then(|| quote!(.await));
        let called = quote!(#callee(#this #(#passed_arguments),*)#wait);
        let value = if function.result.is_fallible {
            self.unwrap_or_return(&called, function)
        } else {
            called
        };
        // All arguments are read before the object is constructed, so that a wrong one costs nothing.
        let body = quote!(#(#decoded)* #construct __p::Written(&#value).outcome());
        let wrapper = if function.awaits(class) {
            // The span shows an error about a future that is not `Send` at the function.
            let span = function.ident.span();
            let pinned = quote_spanned!(span=> ::std::boxed::Box::pin(async move { #body }));
            quote! {
                fn #name(mut __call: __p::Invocation) -> __p::BoxedCall { #pinned }
            }
        } else {
            quote! {
                fn #name(mut __call: __p::Invocation) -> __p::Outcome { #body }
            }
        };
        quote!(#defaults #condition #wrapper)
    }

    /// Writes the function that constructs an object, and the wrappers of the methods.
    pub(super) fn class(&self, class: &Class) -> TokenStream {
        let Class {
            ty, constructor, ..
        } = class;
        let name = names::constructor(class);
        let condition = conditions(&class.outer.conditions);
        let defaults = defaults(self.krate, constructor, Some(class), &condition);
        let decoded = constructor
            .arguments
            .iter()
            .map(|argument| self.decode(argument, constructor, Some(class), &quote!(__arguments)));
        let passed_arguments = constructor.arguments.iter().map(passed);
        let asyncness = constructor.is_async.then(|| quote!(async));
        let wait = constructor.is_async.then(|| quote!(.await));
        let called = quote!(<#ty>::new(#(#passed_arguments),*)#wait);
        let made = if constructor.result.is_fallible {
            self.unwrap_or_return(&called, constructor)
        } else {
            called
        };
        let methods = class.methods.iter().map(|method| {
            let callee = &method.ident;
            self.function(method, Some(class), &quote!(<#ty>::#callee))
        });
        quote! {
            #defaults
            #condition
            #asyncness fn #name(__arguments: &mut __p::Arguments) -> ::core::result::Result<#ty, __p::Failure> {
                #(#decoded)*
                ::core::result::Result::Ok(#made)
            }
            #(#methods)*
        }
    }

    fn decode(
        &self,
        argument: &Argument,
        function: &Function,
        class: Option<&Class>,
        source: &TokenStream,
    ) -> TokenStream {
        let Argument { name, ty, .. } = argument;
        let conditions = conditions(&argument.conditions);
        let local = names::local(argument);
        let owned = &ty.owned;
        let mutable = ty.is_mutable.then(|| quote!(mut));
        let value = match ty.kind {
            ArgumentKind::Context => quote!(::core::clone::Clone::clone(&__call.context)),
            ArgumentKind::Reporter => {
                let default = names::default(argument, function, class);
                quote!(__call.take_report(#name, #default)?)
            }
            _ if argument.has_default() => {
                let default = names::default(argument, function, class);
                quote!(#source.take_or(#name, <__p::Probe<#owned>>::read, #default)?)
            }
            _ => quote!(#source.take(#name, <__p::Probe<#owned>>::read)?),
        };
        quote!(#conditions let #mutable #local = #value;)
    }

    /// Writes the value of a fallible call, and returns from the wrapper if it fails.
    fn unwrap_or_return(&self, called: &TokenStream, function: &Function) -> TokenStream {
        let sends_causes = function.errors.unwrap_or(self.errors) == ErrorTexts::Chain;
        quote! {
            match #called {
                ::core::result::Result::Ok(__value) => __value,
                ::core::result::Result::Err(__error) => {
                    let __causes = __p::Causes(&__error).list();
                    let __failure = __p::Failed(__error).failure_of_call();
                    return ::core::result::Result::Err(__failure.caused_by(__causes, #sends_causes));
                }
            }
        }
    }
}

/// Writes an argument of the call of the user's function.
fn passed(argument: &Argument) -> TokenStream {
    let conditions = conditions(&argument.conditions);
    let local = names::local(argument);
    match (argument.ty.is_reference, argument.ty.is_mutable) {
        (false, _) => quote!(#conditions #local),
        (true, false) => quote!(#conditions &#local),
        (true, true) => quote!(#conditions &mut #local),
    }
}
