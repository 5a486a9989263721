//! The caller's side: a typed client with a method for each function.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::ext::IdentExt;
use syn::{Attribute, Ident, Type, parse_quote};

use crate::model::{Argument, Class, Function, Member, Module, snake_case};
use crate::types::{Shape, one_deeper};

/// The methods of every call's builder.
const METHODS_OF_CALLS: [&str; 3] = ["timeout", "on_progress", "send"];

pub(super) fn expand(module: &Module) -> TokenStream {
    let Module { name, krate, .. } = module;
    let topic = match &module.topic {
        Some(topic) => quote!(::core::option::Option::Some(#topic)),
        None => quote!(::core::option::Option::None),
    };
    let mut methods = Vec::new();
    let mut types = Vec::new();
    for member in &module.members {
        let (method, helper) = match member {
            Member::Function(function) => function_call(function, None),
            Member::Class(class) => class_instance(class),
        };
        methods.push(method);
        types.push(helper);
    }
    let intro = format!("Calls the functions of [`{name}`](super) over a message broker.");
    // A program that only serves uses none of this; what is allowed here is what that, and code which
    // must fit every module, would be warned of in a crate of the user's.
    quote! {
        /// A client of this module, for asynchronous code.
        #[allow(dead_code)]
        pub type Client = client::Client<#krate::Async>;

        /// A client of this module for code that is not asynchronous.
        #[allow(dead_code)]
        pub mod blocking {
            /// A client of this module whose calls are sent with `send()`.
            pub type Client = super::client::Client<#krate::Blocking>;
        }

        /// The typed client of this module, and the calls that it makes.
        #[allow(
            dead_code, private_interfaces, unreachable_pub, unused_imports, clippy::all,
            clippy::pedantic
        )]
        pub mod client {
            use super::*;
            use #krate::__private as __p;

            #[doc = #intro]
            ///
            /// Clones share the connections. Use it as [`super::Client`], or as
            /// [`super::blocking::Client`].
            #[derive(Debug, Clone)]
            pub struct Client<M = __p::Async> {
                caller: __p::Caller<M>,
            }

            impl<M> ::core::convert::From<__p::Caller<M>> for Client<M> {
                fn from(caller: __p::Caller<M>) -> Self {
                    Self { caller }
                }
            }

            impl Client<__p::Async> {
                /// Connects to the module's own topic over a DASF broker, by its base URL.
                ///
                /// # Errors
                /// When the address is not valid, or the broker cannot be reached or refuses.
                pub async fn connect(url: &str) -> ::core::result::Result<Self, __p::ClientError> {
                    Self::builder().websocket(url).connect().await
                }

                /// Settles topic, address and limits before connecting.
                pub fn builder() -> __p::ClientBuilder<Self, __p::Async> {
                    __p::ClientBuilder::new(#topic)
                }
            }

            impl Client<__p::Blocking> {
                /// Connects to the module's own topic over a DASF broker, by its base URL.
                ///
                /// # Errors
                /// When the address is not valid, or the broker cannot be reached or refuses.
                pub fn connect(url: &str) -> ::core::result::Result<Self, __p::ClientError> {
                    Self::builder().websocket(url).connect()
                }

                /// Settles topic, address and limits before connecting.
                pub fn builder() -> __p::ClientBuilder<Self, __p::Blocking> {
                    __p::ClientBuilder::new(#topic)
                }
            }

            impl<M: __p::Mode> Client<M> {
                /// The client below this one, which knows no functions.
                pub fn caller(&self) -> &__p::Caller<M> {
                    &self.caller
                }

                #(#methods)*
            }

            #(#types)*
        }
    }
}

/// A client's method for a function, and the builder of its call where it has defaults. For a
/// method of a class, the method of the class's instance.
fn function_call(function: &Function, class: Option<&Class>) -> (TokenStream, TokenStream) {
    let Function {
        ident,
        name,
        docs,
        result,
        ..
    } = function;
    let value = one_deeper(&result.value);
    let docs = documented(docs, ident);
    let data: Vec<&Argument> = function
        .arguments
        .iter()
        .filter(|argument| argument.is_data())
        .collect();
    let (optional, required): (Vec<&Argument>, Vec<&Argument>) = data
        .into_iter()
        .partition(|argument| argument.has_default());
    let parameters = required.iter().map(|argument| parameter(argument));
    let settings = required
        .iter()
        .map(|argument| set(argument, &quote!(__call)));
    let start = match class {
        None => quote!(__p::Call::function(&self.caller, #name)),
        Some(_) => quote!(__p::Call::method(&self.instance, #name)),
    };
    if optional.is_empty() {
        let method = quote! {
            #(#docs)*
            pub fn #ident(&self, #(#parameters),*) -> __p::Call<#value, M> {
                let mut __call = #start;
                #(#settings)*
                __call
            }
        };
        return (method, TokenStream::new());
    }
    let builder = match class {
        None => format_ident!("{}Call", camel_case(ident)),
        Some(class) => format_ident!("{}{}Call", class.ident.unraw(), camel_case(ident)),
    };
    let method = quote! {
        #(#docs)*
        pub fn #ident(&self, #(#parameters),*) -> #builder<#value, M> {
            let mut __call = #start;
            #(#settings)*
            #builder { call: __call }
        }
    };
    let title = format!("A call of `{ident}`, not sent yet.");
    let taken = METHODS_OF_CALLS.map(str::to_owned);
    let setters = optional
        .iter()
        .map(|argument| setter(argument, &quote!(call), &taken));
    let types = quote! {
        __p::call_builder! {
            #[doc = #title]
            #builder
        }

        impl<R, M: __p::Mode> #builder<R, M> {
            #(#setters)*
        }
    };
    (method, types)
}

/// A client's method for a class, and the class's instance.
fn class_instance(class: &Class) -> (TokenStream, TokenStream) {
    let Class {
        ident,
        name,
        docs,
        constructor,
        ..
    } = class;
    let method = identifier(&snake_case(&ident.unraw().to_string()), ident.span());
    let docs = documented(docs, ident);
    let taken: Vec<String> = class
        .methods
        .iter()
        .map(|it| it.ident.to_string())
        .collect();
    let instance = format_ident!("{}Instance", ident.unraw());
    let (optional, required): (Vec<&Argument>, Vec<&Argument>) = constructor
        .arguments
        .iter()
        .partition(|argument| argument.has_default());
    let parameters = required.iter().map(|argument| parameter(argument));
    let settings = required
        .iter()
        .map(|argument| set(argument, &quote!(__instance)));
    let setters = optional
        .iter()
        .map(|argument| setter(argument, &quote!(instance), &taken));
    let methods: Vec<_> = class
        .methods
        .iter()
        .map(|method| function_call(method, Some(class)))
        .collect();
    let calls = methods.iter().map(|(method, _)| method);
    let builders = methods.iter().map(|(_, builder)| builder);
    let title = format!(
        "`{ident}` with its constructor's arguments; the module makes it anew for every call."
    );
    let client_method = quote! {
        #(#docs)*
        pub fn #method(&self, #(#parameters),*) -> #instance<M> {
            let mut __instance = __p::Instance::new(&self.caller, #name);
            #(#settings)*
            #instance { instance: __instance }
        }
    };
    let types = quote! {
        #[doc = #title]
        #[derive(Debug, Clone)]
        pub struct #instance<M = __p::Async> {
            instance: __p::Instance<M>,
        }

        impl<M: __p::Mode> #instance<M> {
            #(#setters)*
            #(#calls)*
        }

        #(#builders)*
    };
    (client_method, types)
}

/// How a client takes an argument.
fn parameter(argument: &Argument) -> TokenStream {
    let ident = &argument.ident;
    let ty = parameter_type(argument);
    quote!(#ident: #ty)
}

fn parameter_type(argument: &Argument) -> TokenStream {
    let owned = one_deeper(&argument.ty.owned);
    match (&argument.ty.shape, argument.ty.is_reference) {
        (Shape::Text, true) => quote!(&str),
        (Shape::Text, false) => quote!(impl ::core::convert::Into<::std::string::String>),
        (Shape::Optional(inner), _) => {
            let inner = one_deeper(inner);
            quote!(impl ::core::convert::Into<::core::option::Option<#inner>>)
        }
        (_, true) => match element(&owned) {
            Some(element) => quote!(&[#element]),
            None => quote!(&#owned),
        },
        (_, false) => quote!(#owned),
    }
}

/// The element of the `Vec` that stands for a slice.
fn element(owned: &Type) -> Option<&Type> {
    let Type::Path(path) = owned else { return None };
    path.path.leading_colon?;
    let segment = path
        .path
        .segments
        .last()
        .filter(|segment| segment.ident == "Vec")?;
    let syn::PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return None;
    };
    match arguments.args.first()? {
        syn::GenericArgument::Type(element) => Some(element),
        _ => None,
    }
}

/// Puts an argument into a call or an instance.
fn set(argument: &Argument, target: &TokenStream) -> TokenStream {
    let Argument {
        ident, name, ty, ..
    } = argument;
    let value = match (&ty.shape, ty.is_reference) {
        (_, true) => quote!(#ident),
        (Shape::Text, false) => {
            quote!(&::core::convert::Into::<::std::string::String>::into(#ident))
        }
        (Shape::Optional(inner), false) => {
            let inner = one_deeper(inner);
            quote!(&::core::convert::Into::<::core::option::Option<#inner>>::into(#ident))
        }
        (_, false) => quote!(&#ident),
    };
    quote!(#target.set(#name, #value);)
}

/// A builder's method for an argument that has a default: of its name, or `with_` and its name
/// where that is taken.
fn setter(argument: &Argument, field: &TokenStream, taken: &[String]) -> TokenStream {
    let ident = &argument.ident;
    let name = if taken.contains(&ident.to_string()) {
        format_ident!("with_{}", ident.unraw())
    } else {
        ident.clone()
    };
    let ty = parameter_type(argument);
    let doc = match &argument.description {
        Some(description) => description.clone(),
        None => format!("Sets `{ident}`, in place of its default."),
    };
    let set = set(argument, &quote!(self.#field));
    quote! {
        #[doc = #doc]
        pub fn #name(mut self, #ident: #ty) -> Self {
            #set
            self
        }
    }
}

/// The user's documentation, or a sentence where there is none: a crate may demand one of every
/// public item.
fn documented(docs: &[Attribute], ident: &Ident) -> Vec<Attribute> {
    if !docs.is_empty() {
        return docs.to_vec();
    }
    let sentence = format!("Calls `{}`.", ident.unraw());
    vec![parse_quote!(#[doc = #sentence])]
}

/// An identifier, raw where the name is a keyword.
fn identifier(name: &str, span: Span) -> Ident {
    match syn::parse_str::<Ident>(name) {
        Ok(_) => Ident::new(name, span),
        Err(_) => Ident::new_raw(name, span),
    }
}

/// `moving_mean` makes `MovingMean`.
fn camel_case(ident: &Ident) -> String {
    let name = ident.unraw().to_string();
    let mut camel = String::with_capacity(name.len());
    for word in name.split('_') {
        let mut letters = word.chars();
        camel.extend(letters.next().into_iter().flat_map(char::to_uppercase));
        camel.push_str(letters.as_str());
    }
    camel
}
