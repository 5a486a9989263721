//! The module's side: a table of descriptors, and a wrapper around each function.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, Ident, Lit, Path};

use crate::model::{Argument, Class, Function, Member, Module, joined};
use crate::options::{ConstraintValue, DefaultOption};
use crate::types::Shape;

pub(super) fn expand(module: &Module) -> TokenStream {
    let Module {
        name,
        krate,
        description,
        has_own_description,
        ..
    } = module;
    let name = name.to_string();
    let topic = optional(module.topic.as_ref());
    let version = match &module.version {
        Some(version) => quote!(#version),
        None => quote!(::core::env!("CARGO_PKG_VERSION")),
    };
    let writer = Writer { krate };
    let mut members = Vec::new();
    let mut wrappers = Vec::new();
    for member in &module.members {
        match member {
            Member::Function(function) => {
                let callee = &function.ident;
                let descriptor = writer.function(function, None);
                members.push(quote!(__p::Member::Function(#descriptor)));
                wrappers.push(writer.wrapper(function, None, &quote!(#callee)));
            }
            Member::Class(class) => {
                members.push(writer.class(class));
                wrappers.push(writer.class_wrappers(class));
            }
        }
    }
    let checks = module.members.iter().map(type_checks);
    quote! {
        /// What can be called in this module, ready to be served.
        ///
        /// # Errors
        /// When a constraint in an attribute makes no valid schema, such as a `pattern` that is no
        /// regular expression.
        pub fn module() -> ::core::result::Result<#krate::Module, #krate::ModuleError> {
            #krate::Module::new(&__DASF_MODULE)
        }

        /// Runs this module as the process's command line says: see `--help`.
        #[allow(dead_code)]
        pub fn main() -> ::std::process::ExitCode {
            #krate::__private::run(&__DASF_MODULE)
        }

        // Lints are for code that somebody wrote; these wrappers have one shape for every function.
        // The wrappers stand inside a block of the module itself, so that the user's types and
        // expressions mean there what they mean where they were written.
        #[doc(hidden)]
        #[allow(clippy::all, clippy::pedantic)]
        static __DASF_MODULE: #krate::__private::ModuleDescriptor = {
            use #krate::__private as __p;
            use __p::NoResult as _;

            #(#checks)*
            #(#wrappers)*

            __p::ModuleDescriptor {
                name: #name,
                topic: #topic,
                description: #description,
                has_own_description: #has_own_description,
                version: #version,
                members: &[#(#members),*],
            }
        };
    }
}

/// Checks of the user's types, whose messages stand on those types.
fn type_checks(member: &Member) -> TokenStream {
    let of_function = |function: &Function| {
        let arguments = function
            .arguments
            .iter()
            .filter(|argument| argument.is_data());
        let owned = arguments.map(|argument| &argument.ty.owned);
        quote!(#(__p::assert_argument::<#owned>();)*)
    };
    let of_result = |function: &Function| {
        let value = &function.result.value;
        let unseen = (!function.result.is_fallible).then(|| {
            let message = "a Result under another name; write `Result<…>`, so that its errors are \
                           told to the caller as errors";
            quote_spanned! {value.span()=>
                ::core::assert!(!<__p::ResultProbe<#value>>::IS_RESULT, #message);
            }
        });
        quote!(__p::assert_returned::<#value>(); #unseen)
    };
    match member {
        Member::Function(function) => [of_function(function), of_result(function)]
            .into_iter()
            .collect(),
        Member::Class(class) => {
            let methods = class
                .methods
                .iter()
                .flat_map(|method| [of_function(method), of_result(method)]);
            std::iter::once(of_function(&class.constructor))
                .chain(methods)
                .collect()
        }
    }
}

fn optional(text: Option<&String>) -> TokenStream {
    match text {
        Some(text) => quote!(::core::option::Option::Some(#text)),
        None => quote!(::core::option::Option::None),
    }
}

fn keyword_literal(value: &ConstraintValue) -> TokenStream {
    match value {
        ConstraintValue::Integer(integer) => quote!(__p::Literal::Integer(#integer)),
        ConstraintValue::Number(number) => quote!(__p::Literal::Number(#number)),
        ConstraintValue::Text(text) => quote!(__p::Literal::Text(#text)),
    }
}

fn keywords(keywords: &[(&'static str, ConstraintValue)]) -> TokenStream {
    let keywords = keywords.iter().map(|(name, value)| {
        let value = keyword_literal(value);
        quote!(__p::Keyword { name: #name, value: #value },)
    });
    quote!(#(#keywords)*)
}

struct Writer<'a> {
    krate: &'a Path,
}

/// The names of generated functions: of a function, or of a method of a class.
fn path_of<'f>(function: &'f Function, class: Option<&'f Class>) -> Vec<&'f Ident> {
    class
        .map(|class| &class.ident)
        .into_iter()
        .chain([&function.ident])
        .collect()
}

impl Writer<'_> {
    fn function(&self, function: &Function, class: Option<&Class>) -> TokenStream {
        let Function { name, result, .. } = function;
        let description = optional(function.description.as_ref());
        let arguments = self.arguments(function, class);
        let return_description = optional(function.return_description.as_ref());
        let return_keywords = keywords(&function.return_keywords);
        let value = &result.value;
        let schema_extra = match &function.schema_extra {
            Some(extra) => quote!(::core::option::Option::Some(|| __p::Value::from(#extra))),
            None => quote!(::core::option::Option::None),
        };
        let wrapper = joined(&path_of(function, class), "call");
        let is_async = function.is_async || class.is_some_and(|class| class.constructor.is_async);
        let handler = match (is_async, function.is_inline) {
            (true, _) => quote!(__p::Handler::Async(#wrapper)),
            (false, true) => quote!(__p::Handler::Inline(#wrapper)),
            (false, false) => quote!(__p::Handler::Blocking(#wrapper)),
        };
        quote! {
            __p::FunctionDescriptor {
                name: #name,
                description: #description,
                arguments: &[#(#arguments),*],
                returns: __p::ReturnDescriptor {
                    description: #return_description,
                    schema: __p::schema_of::<#value>,
                    keywords: &[#return_keywords],
                },
                schema_extra: #schema_extra,
                handler: #handler,
            }
        }
    }

    fn class(&self, class: &Class) -> TokenStream {
        let name = &class.name;
        let description = optional(class.description.as_ref());
        let arguments = self.arguments(&class.constructor, Some(class));
        let methods = class
            .methods
            .iter()
            .map(|method| self.function(method, Some(class)));
        quote! {
            __p::Member::Class(__p::ClassDescriptor {
                name: #name,
                description: #description,
                arguments: &[#(#arguments),*],
                methods: &[#(#methods),*],
            })
        }
    }

    fn arguments(&self, function: &Function, class: Option<&Class>) -> Vec<TokenStream> {
        let described = function
            .arguments
            .iter()
            .filter(|argument| argument.ty.shape != Shape::Context);
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
        let title = optional(argument.title.as_ref());
        let description = optional(argument.description.as_ref());
        let default = if argument.has_default() {
            let default = default_name(argument, function, class);
            let value = match ty.shape {
                Shape::Reporter => quote!(#default().to_wire()),
                _ => quote!(#default()),
            };
            quote!(::core::option::Option::Some(|| __p::to_json(&#value)))
        } else {
            quote!(::core::option::Option::None)
        };
        let constraints = keywords(&argument.keywords);
        let owned = &ty.owned;
        let examples = argument.examples.iter().map(|example| {
            let example = converted(example);
            quote! {
                __p::Keyword {
                    name: "examples",
                    value: __p::Literal::Json(|| {
                        let example: #owned = #example;
                        __p::to_json_or_null(&example)
                    }),
                },
            }
        });
        let (kind, schema) = match ty.shape {
            Shape::Reporter => (quote!(Reporter), quote!(())),
            _ => (quote!(Data), quote!(#owned)),
        };
        quote! {
            __p::ArgumentDescriptor {
                name: #name,
                title: #title,
                description: #description,
                schema: __p::schema_of::<#schema>,
                default: #default,
                keywords: &[#constraints #(#examples)*],
                kind: __p::ArgumentKind::#kind,
            }
        }
    }

    /// The function that takes a request's arguments apart, calls the user's and encodes the
    /// result, with the functions that make its defaults.
    fn wrapper(
        &self,
        function: &Function,
        class: Option<&Class>,
        callee: &TokenStream,
    ) -> TokenStream {
        let name = joined(&path_of(function, class), "call");
        let defaults = self.defaults(function, class);
        let decoded = function.arguments.iter().map(|argument| {
            let source = quote!(__call.arguments);
            self.decode(argument, function, class, &source)
        });
        let passed = function.arguments.iter().map(pass);
        let construct = class.map(|class| {
            let constructor = joined(&[&class.ident], "construct");
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
        let called = quote!(#callee(#this #(#passed),*)#wait);
        let encoded = if function.result.is_fallible {
            quote!(__p::encode_fallible(__p::Fallible::into_result(#called)))
        } else {
            quote!(__p::encode_result(&#called))
        };
        // All arguments are read before anything is made, so that a wrong one costs nothing.
        let body = quote!(#(#decoded)* #construct #encoded);
        let is_async = function.is_async || class.is_some_and(|class| class.constructor.is_async);
        let wrapper = if is_async {
            quote! {
                fn #name(mut __call: __p::Invocation) -> __p::BoxedCall {
                    ::std::boxed::Box::pin(async move { #body })
                }
            }
        } else {
            quote! {
                fn #name(mut __call: __p::Invocation) -> __p::Outcome { #body }
            }
        };
        quote!(#defaults #wrapper)
    }

    fn class_wrappers(&self, class: &Class) -> TokenStream {
        let Class {
            ty, constructor, ..
        } = class;
        let name = joined(&[&class.ident], "construct");
        let defaults = self.defaults(constructor, Some(class));
        let decoded = constructor
            .arguments
            .iter()
            .map(|argument| self.decode(argument, constructor, Some(class), &quote!(__arguments)));
        let passed = constructor.arguments.iter().map(pass);
        let asyncness = constructor.is_async.then(|| quote!(async));
        let wait = constructor.is_async.then(|| quote!(.await));
        let called = quote!(<#ty>::new(#(#passed),*)#wait);
        let made = if constructor.result.is_fallible {
            quote!(__p::constructed(#called))
        } else {
            quote!(::core::result::Result::Ok(#called))
        };
        let methods = class.methods.iter().map(|method| {
            let callee = &method.ident;
            self.wrapper(method, Some(class), &quote!(<#ty>::#callee))
        });
        quote! {
            #defaults
            #asyncness fn #name(__arguments: &mut __p::Arguments) -> ::core::result::Result<#ty, __p::Failure> {
                #(#decoded)*
                #made
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
        let local = local(argument);
        let owned = &ty.owned;
        let value = match ty.shape {
            Shape::Context => {
                return quote!(let #local = ::core::clone::Clone::clone(&__call.context););
            }
            Shape::Reporter => {
                let default = default_name(argument, function, class);
                let mutable = ty.is_mutable.then(|| quote!(mut));
                return quote!(let #mutable #local = __call.take_report(#name, #default)?;);
            }
            _ if argument.has_default() => {
                let default = default_name(argument, function, class);
                quote!(#source.take_or::<#owned>(#name, #default)?)
            }
            _ => quote!(#source.take::<#owned>(#name)?),
        };
        quote!(let #local = #value;)
    }

    /// One function for each default: the wrapper and the schema use the same.
    fn defaults(&self, function: &Function, class: Option<&Class>) -> TokenStream {
        let krate = self.krate;
        let with_default = function
            .arguments
            .iter()
            .filter(|argument| argument.has_default());
        let defaults = with_default.map(|argument| {
            let name = default_name(argument, function, class);
            let owned = match argument.ty.shape {
                Shape::Reporter => quote!(#krate::ProgressReport),
                _ => {
                    let owned = &argument.ty.owned;
                    quote!(#owned)
                }
            };
            let function_name = &function.name;
            let value = match (&argument.default, &argument.ty.shape) {
                (Some(DefaultOption::Expression(expression)), _) => converted(expression),
                (None, Shape::Reporter) => quote!(#krate::ProgressReport::new(#function_name)),
                _ => quote!(::core::default::Default::default()),
            };
            quote!(fn #name() -> #owned { #value })
        });
        defaults.collect()
    }
}

fn default_name(argument: &Argument, function: &Function, class: Option<&Class>) -> Ident {
    let mut path = path_of(function, class);
    path.push(&argument.ident);
    joined(&path, "default")
}

/// An expression for a value: a text literal becomes whatever the value's type is.
fn converted(expression: &Expr) -> TokenStream {
    match expression {
        Expr::Lit(ExprLit {
            lit: Lit::Str(_), ..
        }) => quote!(::core::convert::From::from(#expression)),
        other => quote!(#other),
    }
}

/// The variable of an argument: never one that hides the function itself, which may have the same
/// name.
fn local(argument: &Argument) -> Ident {
    joined(&[&argument.ident], "argument")
}

fn pass(argument: &Argument) -> TokenStream {
    let local = local(argument);
    match (argument.ty.is_reference, argument.ty.is_mutable) {
        (false, _) => quote!(#local),
        (true, false) => quote!(&#local),
        (true, true) => quote!(&mut #local),
    }
}
