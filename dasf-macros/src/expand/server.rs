//! The code for the module: a table of descriptors, and a wrapper around each function.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, ExprUnary, Ident, Lit, LitFloat, LitInt, Path, Type, UnOp};

use super::assertions;
use super::conditions::conditions;
use crate::attributes::{Constraint, ConstraintValue, DefaultOption, ErrorTexts, UnknownArguments};
use crate::identifiers::mangled;
use crate::model::{Argument, Class, Function, Member, Module};
use crate::number::JsonNumber;
use crate::tokens::{is_number, ungrouped};
use crate::types::{ArgumentKind, ArgumentType, INTEGERS, parameters, type_path};

pub(super) fn expand(module: &Module) -> TokenStream {
    let Module {
        name,
        krate,
        description,
        ..
    } = module;
    let name = name.to_string();
    let topic = match &module.topic {
        Some(topic) => quote!(::core::option::Option::Some(#topic)),
        None => quote!(::core::option::Option::None),
    };
    let group = match &module.group {
        Some(group) => quote!(::core::option::Option::Some(#group)),
        None => quote!(::core::option::Option::None),
    };
    let version = match &module.version {
        Some(version) => quote!(#version),
        None => quote!(::core::env!("CARGO_PKG_VERSION")),
    };
    let writer = Writer {
        krate,
        errors: module.errors,
        unknown_arguments: module.unknown_arguments,
    };
    let mut members = Vec::new();
    let mut wrappers = Vec::new();
    for member in &module.members {
        let conditions = conditions(&member.outer().conditions);
        match member {
            Member::Function(function) => {
                let callee = &function.ident;
                let descriptor = writer.function(function, None);
                members.push(quote!(#conditions __p::Member::Function(#descriptor)));
                wrappers.push(writer.wrapper(function, None, &quote!(#callee)));
            }
            Member::Class(class) => {
                let descriptor = writer.class(class);
                members.push(quote!(#conditions __p::Member::Class(#descriptor)));
                wrappers.push(writer.class_wrappers(class));
            }
        }
    }
    let assertions = assertions::of(module);
    quote! {
        /// Returns this module, ready to serve.
        ///
        /// # Errors
        /// When the schema is not valid, for instance because a default breaks its constraints, or
        /// because the `pattern` of a type is invalid.
        pub fn module() -> ::core::result::Result<#krate::Module, #krate::ModuleError> {
            #krate::Module::new(&__DASF_MODULE)
        }

        /// Runs the command line of this module. `--help` lists its commands.
        #[allow(dead_code)]
        pub fn main() -> ::std::process::ExitCode {
            #krate::__private::run(&__DASF_MODULE)
        }

        // Lints are for code that a person wrote; these wrappers have one form for every function.
        // The wrappers are in a block inside the module, so that the user's types and expressions
        // have the same meaning there.
        #[doc(hidden)]
        #[allow(deprecated, unused_imports, clippy::all, clippy::pedantic)]
        static __DASF_MODULE: #krate::__private::ModuleDescriptor = {
            use #krate::__private as __p;
            use __p::{AnyType as _, Causeless as _, Holding as _, OnlyText as _, Silent as _, Unable as _, Unwritable as _};

            #assertions
            #(#wrappers)*

            __p::ModuleDescriptor {
                name: #name,
                topic: #topic,
                group: #group,
                description: #description,
                version: #version,
                members: &[#(#members),*],
            }
        };
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

struct Writer<'a> {
    krate: &'a Path,
    /// The texts of errors that callers get, unless a function has its own setting.
    errors: ErrorTexts,
    unknown_arguments: UnknownArguments,
}

/// Returns the names that identify a function, or a method of a class.
fn path_of<'f>(function: &'f Function, class: Option<&'f Class>) -> Vec<&'f Ident> {
    class
        .map(|class| &class.ident)
        .into_iter()
        .chain([&function.ident])
        .collect()
}

/// Returns whether a call awaits: the function itself, or the constructor of its object.
fn awaits(function: &Function, class: Option<&Class>) -> bool {
    function.is_async || class.is_some_and(|class| class.constructor.is_async)
}

impl Writer<'_> {
    // Only given properties of a descriptor are written, so that the code for the compiler stays short.

    fn function(&self, function: &Function, class: Option<&Class>) -> TokenStream {
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
        let wrapper = mangled(&path_of(function, class), "call");
        let handler = match (awaits(function, class), function.is_inline) {
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
            ) #description #returns #return_keywords #schema_extra #deprecated #refuse
        }
    }

    fn class(&self, class: &Class) -> TokenStream {
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
            let default = default_name(argument, function, class);
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

    /// Writes the function that reads the arguments of a request, calls the user's function and encodes
    /// the result, and the functions that make the defaults.
    fn wrapper(
        &self,
        function: &Function,
        class: Option<&Class>,
        callee: &TokenStream,
    ) -> TokenStream {
        let name = mangled(&path_of(function, class), "call");
        let of_class = class.map(|class| conditions(&class.outer.conditions));
        let of_function = conditions(&function.outer.conditions);
        let condition = quote!(#of_class #of_function);
        let defaults = self.defaults(function, class, &condition);
        let decoded = function.arguments.iter().map(|argument| {
            let source = quote!(__call.arguments);
            self.decode(argument, function, class, &source)
        });
        let passed = function.arguments.iter().map(pass);
        let construct = class.map(|class| {
            let constructor = mangled(&[&class.ident], "construct");
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
        let value = if function.result.is_fallible {
            self.unwrap_or_return(&called, function)
        } else {
            called
        };
        // All arguments are read before the object is constructed, so that a wrong one costs nothing.
        let body = quote!(#(#decoded)* #construct __p::Written(&#value).outcome());
        let wrapper = if awaits(function, class) {
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

    fn class_wrappers(&self, class: &Class) -> TokenStream {
        let Class {
            ty, constructor, ..
        } = class;
        let name = mangled(&[&class.ident], "construct");
        let condition = conditions(&class.outer.conditions);
        let defaults = self.defaults(constructor, Some(class), &condition);
        let decoded = constructor
            .arguments
            .iter()
            .map(|argument| self.decode(argument, constructor, Some(class), &quote!(__arguments)));
        let passed = constructor.arguments.iter().map(pass);
        let asyncness = constructor.is_async.then(|| quote!(async));
        let wait = constructor.is_async.then(|| quote!(.await));
        let called = quote!(<#ty>::new(#(#passed),*)#wait);
        let made = if constructor.result.is_fallible {
            self.unwrap_or_return(&called, constructor)
        } else {
            called
        };
        let methods = class.methods.iter().map(|method| {
            let callee = &method.ident;
            self.wrapper(method, Some(class), &quote!(<#ty>::#callee))
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
        let local = local(argument);
        let owned = &ty.owned;
        let mutable = ty.is_mutable.then(|| quote!(mut));
        let value = match ty.kind {
            ArgumentKind::Context => quote!(::core::clone::Clone::clone(&__call.context)),
            ArgumentKind::Reporter => {
                let default = default_name(argument, function, class);
                quote!(__call.take_report(#name, #default)?)
            }
            _ if argument.has_default() => {
                let default = default_name(argument, function, class);
                quote!(#source.take_or(#name, <__p::Probe<#owned>>::read, #default)?)
            }
            _ => quote!(#source.take(#name, <__p::Probe<#owned>>::read)?),
        };
        quote!(#conditions let #mutable #local = #value;)
    }

    /// Writes the value of a fallible call, and returns from the wrapper if it fails.
    fn unwrap_or_return(&self, called: &TokenStream, function: &Function) -> TokenStream {
        let is_told = function.errors.unwrap_or(self.errors) == ErrorTexts::Chain;
        quote! {
            match #called {
                ::core::result::Result::Ok(__value) => __value,
                ::core::result::Result::Err(__error) => {
                    let __causes = __p::Causes(&__error).list();
                    let __failure = __p::Failed(__error).failure_of_call();
                    return ::core::result::Result::Err(__failure.caused_by(__causes, #is_told));
                }
            }
        }
    }

    /// Writes one function for each default, which the wrapper and the schema use.
    fn defaults(
        &self,
        function: &Function,
        class: Option<&Class>,
        condition: &TokenStream,
    ) -> TokenStream {
        let krate = self.krate;
        let with_default = function
            .arguments
            .iter()
            .filter(|argument| argument.has_default());
        let defaults = with_default.map(|argument| {
            let name = default_name(argument, function, class);
            let own = conditions(&argument.conditions);
            let owned = match argument.ty.kind {
                ArgumentKind::Reporter => quote!(#krate::ProgressReport),
                _ => {
                    let owned = &argument.ty.owned;
                    quote!(#owned)
                }
            };
            let function_name = &function.name;
            let value = match (&argument.default, argument.ty.kind) {
                (Some(DefaultOption::Expression(expression)), _) => {
                    converted(expression, &argument.ty)
                }
                (_, ArgumentKind::Reporter) => quote!(#krate::ProgressReport::new(#function_name)),
                _ => quote_spanned!(owned.span()=> ::core::default::Default::default()),
            };
            quote!(#condition #own fn #name() -> #owned { #value })
        });
        defaults.collect()
    }
}

fn default_name(argument: &Argument, function: &Function, class: Option<&Class>) -> Ident {
    let mut path = path_of(function, class);
    path.push(&argument.ident);
    mangled(&path, "default")
}

/// Converts the expression of a default or an example. A string literal is converted with `From`, an
/// integer literal becomes a float if the type is one, and a literal of an optional value becomes
/// `Some`.
fn converted(expression: &Expr, ty: &ArgumentType) -> TokenStream {
    let literal = ungrouped(expression);
    let is_optional = ty.kind == ArgumentKind::Optional;
    let wanted = if is_optional {
        let optional = type_path(&ty.owned).and_then(|path| path.path.segments.last());
        optional.and_then(|segment| parameters(segment).next())
    } else {
        Some(&ty.owned)
    };
    let value = match (literal, integer(literal), wanted) {
        (
            Expr::Lit(ExprLit {
                lit: Lit::Str(_), ..
            }),
            ..,
        ) => quote!(::core::convert::From::from(#literal)),
        (_, Some(integer), Some(wanted)) => converted_integer(literal, integer, wanted),
        (other, ..) => quote!(#other),
    };
    if is_optional && (matches!(literal, Expr::Lit(_)) || is_number(literal)) {
        quote!(::core::option::Option::Some(#value))
    } else {
        value
    }
}

/// Returns an integer literal without a type suffix, with or without a sign.
fn integer(expression: &Expr) -> Option<&LitInt> {
    let literal = match expression {
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => ungrouped(&unary.expr),
        other => other,
    };
    match literal {
        Expr::Lit(ExprLit {
            lit: Lit::Int(integer),
            ..
        }) if integer.suffix().is_empty() => Some(integer),
        _ => None,
    }
}

/// Converts an integer literal to the wanted type, if that is a float.
fn converted_integer(expression: &Expr, integer: &LitInt, wanted: &Type) -> TokenStream {
    let Some(path) = type_path(wanted) else {
        return quote!(#expression);
    };
    let name = path.path.get_ident().map(Ident::to_string);
    match name.as_deref() {
        Some("f32" | "f64") => {
            let float = LitFloat::new(&format!("{}.0", integer.base10_digits()), integer.span());
            match expression {
                Expr::Unary(ExprUnary { op, .. }) => quote!(#op #float),
                _ => quote!(#float),
            }
        }
        Some(name) if INTEGERS.contains(&name) => quote!(#expression),
        // The type may be an alias of a float.
        _ => quote!(<__p::Integer<#wanted>>::value(#expression)),
    }
}

/// Returns the variable of an argument. It cannot hide the function, which may have the same name as
/// the argument.
fn local(argument: &Argument) -> Ident {
    mangled(&[&argument.ident], "argument")
}

fn pass(argument: &Argument) -> TokenStream {
    let conditions = conditions(&argument.conditions);
    let local = local(argument);
    match (argument.ty.is_reference, argument.ty.is_mutable) {
        (false, _) => quote!(#conditions #local),
        (true, false) => quote!(#conditions &#local),
        (true, true) => quote!(#conditions &mut #local),
    }
}
