//! The code for callers: a typed client with a method for each function.

use std::collections::HashSet;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::{Attribute, Ident, parse_quote};

use super::conditions::conditions;
use crate::attributes::{DefaultOption, OuterAttributes};
use crate::docs::without_code;
use crate::identifiers::{camel_case, identifier, snake_case};
use crate::model::{Argument, Class, Function, Member, Module};
use crate::tokens::spaced;
use crate::types::ArgumentKind;

/// The methods that every builder of a call has.
const METHODS_OF_CALLS: [&str; 7] = [
    "timeout",
    "without_timeout",
    "timeout_without_progress",
    "on_progress",
    "on_whereabouts",
    "submit",
    "send",
];

/// The code of a client: types for the module `client`, and their methods. The methods are written
/// beside the user's items, where type names have the meaning that the user gave them.
#[derive(Default)]
struct Parts {
    types: TokenStream,
    methods: TokenStream,
    /// The names that are in use.
    names: HashSet<String>,
}

pub(super) fn expand(module: &Module) -> TokenStream {
    let Module { name, krate, .. } = module;
    let topic = match &module.topic {
        Some(topic) => quote!(::core::option::Option::Some(#topic)),
        None => quote!(::core::option::Option::None),
    };
    let mut parts = Parts::default();
    let mut of_client = TokenStream::new();
    for member in &module.members {
        of_client.extend(match member {
            Member::Function(function) => parts.call(function, None),
            Member::Class(class) => parts.instance(class),
        });
    }
    let Parts { types, methods, .. } = parts;
    let intro = format!("Calls the functions of [`{name}`](super) over a message broker.");
    // A program that only serves does not use the client, and the code must fit every module. The
    // lints that would warn of this in the user's crate are off.
    quote! {
        /// A client of this module for asynchronous code.
        #[allow(dead_code)]
        pub type Client = client::Client<#krate::client::Async>;

        /// A client of this module for synchronous code.
        #[allow(dead_code)]
        pub mod blocking {
            /// A client of this module. Its method `send()` sends a call and waits for the result.
            pub type Client = super::client::Client<#krate::client::Blocking>;
        }

        /// The typed client of this module, and its calls.
        #[allow(dead_code, deprecated, unreachable_pub, clippy::all, clippy::pedantic)]
        pub mod client {
            use #krate::__private as __p;

            __p::client! {
                #[doc = #intro]
                topic: #topic
            }

            #types
        }

        #[allow(
            dead_code, deprecated, non_snake_case, private_interfaces, unreachable_pub,
            unused_imports, clippy::all, clippy::pedantic, rustdoc::broken_intra_doc_links
        )]
        const _: () = {
            use #krate::__private as __p;
            use __p::{Unable as _, Unwritable as _};

            impl<__M: __p::Mode> client::Client<__M> {
                #of_client
            }

            #methods
        };
    }
}

impl Parts {
    /// Returns a name for a type that is not in use yet.
    fn name(&mut self, wanted: &str) -> Ident {
        let mut name = wanted.to_owned();
        let mut count = 1;
        while !self.names.insert(name.clone()) {
            count += 1;
            name = format!("{wanted}{count}");
        }
        Ident::new(&name, Span::call_site())
    }

    /// Writes the method for a function, or for a method of a class, and a builder of its call if it has
    /// arguments with defaults.
    fn call(&mut self, function: &Function, class: Option<&Class>) -> TokenStream {
        let Function {
            ident,
            name,
            outer,
            result,
            ..
        } = function;
        let value = &result.value;
        let attributes = attributes(outer, ident);
        let groups = who_may_call(&function.allow_groups);
        let attributes = quote!(#attributes #groups);
        let data: Vec<&Argument> = function
            .arguments
            .iter()
            .filter(|argument| argument.is_data())
            .collect();
        let (optional, required): (Vec<&Argument>, Vec<&Argument>) = data
            .into_iter()
            .partition(|argument| argument.has_default());
        let parameters = required.iter().map(|argument| parameter(argument));
        let call = local("call");
        let settings = required
            .iter()
            .map(|argument| set(argument, &quote!(#call)));
        let start = match class {
            None => quote!(__p::Call::function(&self.caller, #name)),
            Some(_) => quote!(__p::Call::method(&self.instance, #name)),
        };
        let start = quote!(#start.returning(<__p::Probe<#value>>::TYPE));
        if optional.is_empty() {
            return quote! {
                #attributes
                pub fn #ident(&self, #(#parameters),*) -> __p::Call<#value, __M> {
                    let mut #call = #start;
                    #(#settings)*
                    #call
                }
            };
        }
        let of_class = class.map(|class| class.ident.unraw().to_string());
        let builder = self.name(&format!(
            "{}{}Call",
            of_class.unwrap_or_default(),
            camel_case(ident)
        ));
        let title = format!("A call of `{ident}` that is not sent yet.");
        let condition = self.condition(function, class);
        let setters = setters(
            &optional,
            &quote!(call),
            METHODS_OF_CALLS.map(str::to_owned),
        );
        self.types.extend(quote! {
            #condition
            __p::call! {
                #[doc = #title]
                #builder
            }
        });
        self.methods.extend(quote! {
            #condition
            impl<__R, __M: __p::Mode, __H> client::#builder<__R, __M, __H> {
                #(#setters)*
            }
        });
        quote! {
            #attributes
            pub fn #ident(&self, #(#parameters),*) -> client::#builder<#value, __M> {
                let mut #call = #start;
                #(#settings)*
                client::#builder { call: #call }
            }
        }
    }

    /// Writes the method for a class, and the type of its instances.
    fn instance(&mut self, class: &Class) -> TokenStream {
        let Class {
            ident,
            name,
            outer,
            constructor,
            ..
        } = class;
        let method = identifier(&snake_case(&ident.unraw().to_string()), ident.span());
        let instance = self.name(&format!("{}Instance", ident.unraw()));
        let made = local("instance");
        let methods = class.methods.iter();
        let methods = methods.map(|method| method.ident.unraw().to_string());
        let (optional, required): (Vec<&Argument>, Vec<&Argument>) = constructor
            .arguments
            .iter()
            .partition(|argument| argument.has_default());
        let parameters = required.iter().map(|argument| parameter(argument));
        let settings = required
            .iter()
            .map(|argument| set(argument, &quote!(#made)));
        let setters = setters(&optional, &quote!(instance), methods);
        let calls: Vec<_> = class
            .methods
            .iter()
            .map(|method| self.call(method, Some(class)))
            .collect();
        let title = format!(
            "`{ident}` with the arguments of its constructor. The module constructs it for every call."
        );
        let condition = conditions(&outer.conditions);
        let attributes = attributes(outer, ident);
        self.types.extend(quote! {
            #condition
            __p::instance! {
                #[doc = #title]
                #instance
            }
        });
        self.methods.extend(quote! {
            #condition
            impl<__M: __p::Mode> client::#instance<__M> {
                #(#setters)*
                #(#calls)*
            }
        });
        quote! {
            #attributes
            pub fn #method(&self, #(#parameters),*) -> client::#instance<__M> {
                let mut #made = __p::Instance::new(&self.caller, #name);
                #(#settings)*
                client::#instance { instance: #made }
            }
        }
    }

    fn condition(&self, function: &Function, class: Option<&Class>) -> TokenStream {
        let of_class = class.map(|class| conditions(&class.outer.conditions));
        let own = conditions(&function.outer.conditions);
        quote!(#of_class #own)
    }
}

/// Returns a variable of a generated method, which an argument of the user cannot hide.
fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// Writes the parameter of a client's method for an argument.
fn parameter(argument: &Argument) -> TokenStream {
    let conditions = conditions(&argument.conditions);
    let ident = &argument.ident;
    let ty = &argument.ty.parameter;
    quote!(#conditions #ident: #ty)
}

/// Writes the code that puts an argument into a call or an instance.
fn set(argument: &Argument, target: &TokenStream) -> TokenStream {
    let Argument {
        ident, name, ty, ..
    } = argument;
    let conditions = conditions(&argument.conditions);
    let owned = &ty.owned;
    let value = match (&ty.kind, ty.is_reference) {
        (_, true) => quote!(#ident),
        (ArgumentKind::Into | ArgumentKind::Optional, false) => {
            quote!(&::core::convert::Into::<#owned>::into(#ident))
        }
        (_, false) => quote!(&#ident),
    };
    quote!(#conditions #target.set(#name, __p::Written(#value).argument());)
}

/// Writes the methods of a builder, one for each argument with a default. They have the names of the
/// arguments, with `with_` before a name that is in use.
fn setters(
    arguments: &[&Argument],
    field: &TokenStream,
    taken: impl IntoIterator<Item = String>,
) -> Vec<TokenStream> {
    let mut taken: HashSet<String> = taken.into_iter().collect();
    let own_name = |argument: &Argument| argument.ident.unraw().to_string();
    let mut names: Vec<Option<Ident>> = Vec::new();
    for argument in arguments {
        let is_free = taken.insert(own_name(argument));
        names.push(is_free.then(|| argument.ident.clone()));
    }
    let named = arguments.iter().zip(names).map(|(argument, name)| {
        let name = name.unwrap_or_else(|| {
            let mut name = own_name(argument);
            while !taken.insert(name.clone()) {
                name.insert_str(0, "with_");
            }
            Ident::new(&name, argument.ident.span())
        });
        setter(argument, field, &name)
    });
    named.collect()
}

/// Writes the method of a builder for an argument with a default.
fn setter(argument: &Argument, field: &TokenStream, name: &Ident) -> TokenStream {
    let conditions = conditions(&argument.conditions);
    let ident = &argument.ident;
    let ty = &argument.ty.parameter;
    let description = match &argument.description {
        Some(description) => description.clone(),
        None => format!("Sets `{ident}`."),
    };
    let default = match &argument.default {
        Some(DefaultOption::Expression(default)) => {
            format!(
                "Default: `{}`.",
                spaced(&default.to_token_stream().to_string())
            )
        }
        Some(DefaultOption::OfType) => "Default: the default of the type.".to_owned(),
        None => "Default: `None`.".to_owned(),
    };
    let set = set(argument, &quote!(self.#field));
    quote! {
        #conditions
        #[doc = #description]
        #[doc = ""]
        #[doc = #default]
        pub fn #name(mut self, #ident: #ty) -> Self {
            #set
            self
        }
    }
}

/// Returns the end of the documentation of a client's method, for a function that not everyone may call.
fn who_may_call(groups: &[String]) -> Option<TokenStream> {
    let allowed = match groups {
        [] => return None,
        [group] => format!("the group `{group}`"),
        groups => format!("one of the groups `{}`", groups.join("`, `")),
    };
    let sentence = format!("Only users in {allowed} may call it.");
    Some(quote!(#[doc = ""] #[doc = #sentence]))
}

/// Returns the attributes of a client's method: documentation, `#[cfg(…)]` and `#[deprecated]`. An item
/// without documentation gets a sentence, because a crate may require documentation.
fn attributes(outer: &OuterAttributes, ident: &Ident) -> TokenStream {
    let OuterAttributes {
        docs,
        conditions,
        deprecated,
    } = outer;
    let sentence: Option<Attribute> = docs.is_empty().then(|| {
        let sentence = format!("Calls `{}`.", ident.unraw());
        parse_quote!(#[doc = #sentence])
    });
    let docs = without_code(docs);
    quote!(#(#docs)* #sentence #(#conditions)* #deprecated)
}
