//! The clients in Rust: a crate with all clients, and a program that calls each function.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use dasf_codegen::Language;
use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use serde_json::{Map, Value};
use syn::{
    FnArg, GenericArgument, Ident, ImplItem, Item, PathArguments, ReturnType, Type, TypeParamBound,
};

use super::{Call, Member, Sample, call_everything, corpus, folder, position, succeed, write};

const MANIFEST: &str = r#"
[package]
name = "dasf-corpus"
version = "0.0.0"
edition = "2024"
publish = false

# Of no other workspace.
[workspace]

[dependencies]
dasf = { path = "DASF", default-features = false, features = ["client"] }
serde = { version = "1", features = ["derive"] }
serde_json = { version = "1", features = ["float_roundtrip", "preserve_order"] }
tokio = { version = "1", features = ["macros", "rt-multi-thread"] }

# As that of the workspace, whose dependencies are not built again.
[profile.dev]
debug = "line-tables-only"
"#;

/// The code that all modules of the crate share.
const SUPPORT: &str = r#"
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A module and its calls.
#[derive(Deserialize)]
pub struct Sample {
    pub name: String,
    pub calls: Vec<Call>,
}

/// A call and its expected result.
#[derive(Deserialize)]
pub struct Call {
    constructor: Option<Map<String, Value>>,
    arguments: Map<String, Value>,
    result: Value,
    undeclared: Vec<String>,
}

impl Call {
    pub fn argument<T: DeserializeOwned>(&self, name: &str) -> Result<T, String> {
        read(&self.arguments, name)
    }

    pub fn setting<T: DeserializeOwned>(&self, name: &str) -> Result<T, String> {
        read(self.constructor.as_ref().unwrap(), name)
    }

    pub fn check<T: Serialize>(&self, result: Result<T, dasf::CallError>) -> Result<(), String> {
        let result = result.map_err(|error| error.to_string())?;
        let found = serde_json::to_value(result).map_err(|error| error.to_string())?;
        let mut expected = self.result.clone();
        for property in &self.undeclared {
            expected.as_object_mut().unwrap().remove(property);
        }
        if found == expected {
            Ok(())
        } else {
            Err(format!("returned {found} and not {expected}"))
        }
    }
}

fn read<T: DeserializeOwned>(arguments: &Map<String, Value>, name: &str) -> Result<T, String> {
    let value = arguments[name].clone();
    serde_json::from_value(value).map_err(|error| format!("{name}: {error}"))
}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn clients_in_rust() {
    let folder = folder("corpus-rust");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = MANIFEST.replace("DASF", root.to_str().unwrap());
    write(&folder.join("Cargo.toml"), &manifest);
    let lock = std::fs::read_to_string(root.join("Cargo.lock")).unwrap();
    write(&folder.join("Cargo.lock"), &lock);
    for sample in corpus() {
        let source = sample.source(Language::Rust);
        let calls = Client::read(&source).calls(sample);
        let file = folder.join("src").join(&sample.name).with_extension("rs");
        write(&file, &format!("{source}\n{calls}"));
    }
    write(&folder.join("src/support.rs"), SUPPORT);
    let names: Vec<&str> = corpus().iter().map(|sample| &*sample.name).collect();
    write(&folder.join("src/lib.rs"), &library(&names));
    write(&folder.join("src/main.rs"), &program(&names));
    let samples = folder.join("samples.json");
    write(&samples, &serde_json::to_string(corpus()).unwrap());

    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["build", "--quiet", "--offline"])
        .current_dir(&folder)
        .env("CARGO_TARGET_DIR", target);
    succeed(cargo).await;
    call_everything(|url| {
        let mut program = Command::new(target.join("debug/dasf-corpus"));
        program.arg(url).arg(samples);
        program
    })
    .await;
}

fn library(names: &[&str]) -> String {
    let modules: String = names
        .iter()
        .map(|name| format!("pub mod {name};\n"))
        .collect();
    format!("#![deny(warnings)]\n\npub mod support;\n{modules}")
}

fn program(names: &[&str]) -> String {
    let modules: String = names
        .iter()
        .map(|name| {
            format!("{name:?} => dasf_corpus::{name}::call_everything(&url, &calls).await,\n")
        })
        .collect();
    format!(
        r#"
        use dasf_corpus::support::Sample;

        #[tokio::main]
        async fn main() {{
            let mut arguments = std::env::args().skip(1);
            let (url, samples) = (arguments.next().unwrap(), arguments.next().unwrap());
            let samples = std::fs::read_to_string(samples).unwrap();
            let samples: Vec<Sample> = serde_json::from_str(&samples).unwrap();
            let mut failures: Vec<String> = Vec::new();
            for Sample {{ name, calls }} in samples {{
                let failed = match &*name {{
                    {modules}
                    _ => unreachable!(),
                }};
                failures.extend(failed.into_iter().map(|failure| format!("{{name}}: {{failure}}")));
            }}
            println!("{{}}", serde_json::to_string(&failures).unwrap());
        }}
        "#
    )
}

/// A method of generated code.
struct Method {
    name: Ident,
    parameters: Vec<Type>,
    /// The last part of its return type.
    returns: String,
}

/// The methods of generated code by their types, in the order of the code.
struct Client(BTreeMap<String, Vec<Method>>);

impl Client {
    fn read(source: &str) -> Self {
        let mut types: BTreeMap<String, Vec<Method>> = BTreeMap::new();
        for item in syn::parse_file(source).unwrap().items {
            let Item::Impl(item) = item else { continue };
            let name = last_part(&item.self_ty);
            let functions = item.items.into_iter().filter_map(|item| match item {
                ImplItem::Fn(function) => Some(function.sig),
                _ => None,
            });
            let methods = functions.map(|signature| Method {
                parameters: signature
                    .inputs
                    .into_iter()
                    .filter_map(|input| match input {
                        FnArg::Typed(input) => Some(*input.ty),
                        FnArg::Receiver(_) => None,
                    })
                    .collect(),
                returns: match &signature.output {
                    ReturnType::Type(_, ty) => last_part(ty),
                    ReturnType::Default => String::new(),
                },
                name: signature.ident,
            });
            types.entry(name).or_default().extend(methods);
        }
        Self(types)
    }

    fn of(&self, name: &str) -> &[Method] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// Returns the source of a function that makes all calls and returns the errors.
    fn calls(&self, sample: &Sample) -> String {
        let calls = sample.calls.iter().enumerate().map(|(index, call)| {
            let name = format_ident!("call_{index}");
            let expression = self.call(sample, call);
            quote! {
                #[allow(deprecated)]
                async fn #name(
                    client: &Client,
                    call: &crate::support::Call,
                ) -> core::result::Result<(), std::string::String> {
                    call.check(#expression.await)
                }
            }
        });
        let names = (0..sample.calls.len()).map(|index| format_ident!("call_{index}"));
        let labels = sample.calls.iter().map(|call| {
            let arguments = serde_json::to_string(&call.arguments).unwrap();
            format!("{} {arguments}", call.function)
        });
        let indices = 0..sample.calls.len();
        let tokens = quote! {
            pub async fn call_everything(
                url: &str,
                calls: &[crate::support::Call],
            ) -> std::vec::Vec<std::string::String> {
                let client = Client::connect(url).await.unwrap();
                let mut failures = std::vec::Vec::new();
                #(
                    if let core::result::Result::Err(error) = #names(&client, &calls[#indices]).await {
                        failures.push(std::format!("{}: {error}", #labels));
                    }
                )*
                failures
            }

            #(#calls)*
        };
        prettyplease::unparse(&syn::parse2(tokens).unwrap())
    }

    fn call(&self, sample: &Sample, call: &Call) -> TokenStream {
        let functions = sample.functions();
        let top = self.of("Client");
        let Some(class) = &call.class else {
            let place = position(&functions, &call.function);
            let (member, method) = (&functions[place], &top[place]);
            let made = quote!(client);
            return self.with(&made, member, method, "argument", &call.arguments);
        };
        let classes = sample.classes();
        let place = position(&classes, class);
        let (member, method) = (&classes[place], &top[functions.len() + place]);
        let settings = call.constructor.as_ref().unwrap();
        let instance = self.with(&quote!(client), member, method, "setting", settings);
        let methods = sample.methods(place);
        // The methods of the class follow the setters of optional arguments.
        let own = &self.of(&method.returns)[member.optional.len()..];
        let place = position(&methods, &call.function);
        self.with(
            &instance,
            &methods[place],
            &own[place],
            "argument",
            &call.arguments,
        )
    }

    /// Returns the source of a call of a method of `owner` with these arguments.
    fn with(
        &self,
        owner: &TokenStream,
        member: &Member<'_>,
        method: &Method,
        source: &str,
        values: &Map<String, Value>,
    ) -> TokenStream {
        let source = format_ident!("{source}");
        let argument = |name: &str, ty: &Type| argument(&quote!(call.#source), name, ty);
        assert_eq!(
            member.required.len(),
            method.parameters.len(),
            "{}",
            member.name
        );
        let required = member.required.iter().zip(&method.parameters);
        let required = required.map(|(name, ty)| argument(name, ty));
        let name = &method.name;
        let setters = member.optional.iter().zip(self.of(&method.returns));
        let setters =
            setters
                .filter(|(name, _)| values.contains_key(**name))
                .map(|(name, setter)| {
                    let value = argument(name, &setter.parameters[0]);
                    let setter = &setter.name;
                    quote!(.#setter(#value))
                });
        quote!(#owner.#name(#(#required),*) #(#setters)*)
    }
}

/// Returns the source of an argument with the type of a parameter.
fn argument(source: &TokenStream, name: &str, ty: &Type) -> TokenStream {
    let read = |ty: &TokenStream| quote!(#source::<#ty>(#name)?);
    if let Type::Reference(reference) = ty {
        let (ty, _) = owned(&reference.elem);
        let value = read(&ty);
        return quote!(&#value);
    }
    let Some(wanted) = option(ty) else {
        return read(&ty.to_token_stream());
    };
    let Type::Reference(reference) = wanted else {
        return read(&quote!(core::option::Option<#wanted>));
    };
    let (ty, borrow) = owned(&reference.elem);
    let value = read(&quote!(core::option::Option<#ty>));
    quote!(#value.#borrow())
}

/// Returns the owned type of a reference, and the method that borrows an option of it.
fn owned(ty: &Type) -> (TokenStream, Ident) {
    match ty {
        Type::Slice(slice) => {
            let item = &slice.elem;
            (quote!(std::vec::Vec<#item>), format_ident!("as_deref"))
        }
        Type::Path(path) if path.path.is_ident("str") => {
            (quote!(std::string::String), format_ident!("as_deref"))
        }
        ty => (ty.to_token_stream(), format_ident!("as_ref")),
    }
}

/// Returns the `T` of `impl Into<Option<T>>`.
fn option(ty: &Type) -> Option<&Type> {
    let Type::ImplTrait(ty) = ty else { return None };
    let Some(TypeParamBound::Trait(into)) = ty.bounds.first() else {
        return None;
    };
    let Type::Path(option) = parameter(&into.path)? else {
        return None;
    };
    parameter(&option.path)
}

/// Returns the type in the angle brackets of a path.
fn parameter(path: &syn::Path) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &path.segments.last()?.arguments else {
        return None;
    };
    match arguments.args.first()? {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    }
}

/// Returns the last part of the path of a type, without parameters.
fn last_part(ty: &Type) -> String {
    match ty {
        Type::Path(path) => path.path.segments.last().unwrap().ident.to_string(),
        _ => String::new(),
    }
}
