//! The client's methods, with the surface of the client that `#[dasf::module]` generates.

use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::docs;
use super::idents::Idents;
use super::types::Types;
use crate::description::{Class, Description, Field, Format, Function, Presence, Schema, Type};

/// The methods that every client has.
const METHODS_OF_CLIENTS: [&str; 3] = ["builder", "caller", "connect"];
/// The methods of every call's builder.
const METHODS_OF_CALLS: [&str; 3] = ["timeout", "on_progress", "send"];

/// What is written for the client.
pub(super) struct Client<'t, 'd> {
    krate: TokenStream,
    types: &'t mut Types<'d>,
    /// The names of the types in the module `client`.
    names: Idents,
    /// Those types.
    builders: TokenStream,
    /// Their methods.
    methods: TokenStream,
}

impl<'t, 'd> Client<'t, 'd> {
    pub(super) fn new(krate: TokenStream, types: &'t mut Types<'d>) -> Self {
        Self {
            krate,
            types,
            names: Idents::without(["Client"]),
            builders: TokenStream::new(),
            methods: TokenStream::new(),
        }
    }

    /// The types for the module `client`, and the methods of all of them.
    pub(super) fn write(mut self, description: &Description) -> (TokenStream, TokenStream) {
        let mut names = Idents::without(METHODS_OF_CLIENTS);
        let mut of_client = TokenStream::new();
        for function in &description.functions {
            let ident = names.value_name(&function.name);
            of_client.extend(self.function(function, &ident, None));
        }
        for class in &description.classes {
            let ident = names.value_name(&class.name);
            of_client.extend(self.class(class, &ident));
        }
        let Self {
            krate,
            builders,
            methods,
            ..
        } = self;
        let methods = quote! {
            impl<M: Mode> client::Client<M> {
                #of_client
            }
            #methods
        };
        (builders, methods)
    }

    fn function(
        &mut self,
        function: &Function,
        ident: &Ident,
        class: Option<&Class>,
    ) -> TokenStream {
        let krate = self.krate.clone();
        let name = &function.name;
        let place = match class {
            Some(class) => format!("{} {name}", class.name),
            None => name.clone(),
        };
        let (required, optional) = split(&function.arguments);
        let mut parameters = Parameters::default();
        for argument in required {
            parameters.add(self, argument, &place);
        }
        let result = self.types.of(&function.result, &format!("{place} result"));
        let doc = self.doc(&function.documentation, name, &parameters, &function.result);
        let deprecated = function.is_deprecated.then(|| quote!(#[deprecated]));
        let call = match class {
            None => quote!(Call::function(&self.caller, #name)),
            Some(_) => quote!(Call::method(&self.instance, #name)),
        };
        let Parameters { list, settings, .. } = &parameters;
        let call = quote!(#call #(#settings)*);
        let allow = parameters.allowance();
        if optional.is_empty() {
            return quote! {
                #doc
                #deprecated
                #allow
                pub fn #ident(&self, #(#list),*) -> Call<#result, M> {
                    #call
                }
            };
        }
        let builder = self.names.type_name(&format!("{place} call"));
        let setters = self.setters(
            &optional,
            &place,
            Idents::without(METHODS_OF_CALLS),
            &quote!(call),
        );
        self.builders.extend(quote! {
            #krate::generated::call!(#builder, #name);
        });
        self.methods.extend(quote! {
            impl<M: Mode> client::#builder<#result, M> {
                #(#setters)*
            }
        });
        quote! {
            #doc
            #deprecated
            #allow
            pub fn #ident(&self, #(#list),*) -> client::#builder<#result, M> {
                client::#builder { call: #call }
            }
        }
    }

    fn class(&mut self, class: &Class, ident: &Ident) -> TokenStream {
        let krate = self.krate.clone();
        let name = &class.name;
        let instance = self.names.type_name(&format!("{name} instance"));
        let (required, optional) = split(&class.arguments);
        let mut parameters = Parameters::default();
        for argument in required {
            parameters.add(self, argument, name);
        }
        let nothing = Schema::of(Type::Null);
        let doc = self.doc(&class.documentation, name, &parameters, &nothing);
        let mut names = Idents::default();
        let methods = class.methods.iter();
        let methods: Vec<_> = methods
            .map(|method| (method, names.value_name(&method.name)))
            .collect();
        let setters = self.setters(&optional, name, names, &quote!(instance));
        let methods: Vec<_> = methods
            .into_iter()
            .map(|(method, ident)| self.function(method, &ident, Some(class)))
            .collect();
        self.builders.extend(quote! {
            #krate::generated::instance!(#instance, #name);
        });
        self.methods.extend(quote! {
            impl<M: Mode> client::#instance<M> {
                #(#setters)*
                #(#methods)*
            }
        });
        let deprecated = class.is_deprecated.then(|| quote!(#[deprecated]));
        let Parameters { list, settings, .. } = &parameters;
        let allow = parameters.allowance();
        quote! {
            #doc
            #deprecated
            #allow
            pub fn #ident(&self, #(#list),*) -> client::#instance<M> {
                client::#instance {
                    instance: Instance::new(&self.caller, #name) #(#settings)*
                }
            }
        }
    }

    /// The methods of a builder, one for each argument that may be left out.
    fn setters(
        &mut self,
        arguments: &[&Field],
        place: &str,
        mut names: Idents,
        field: &TokenStream,
    ) -> Vec<TokenStream> {
        let arguments = arguments.iter();
        arguments
            .map(|argument| {
                let ident = names.value_name(&argument.name);
                let (ty, value) = self.parameter(argument, &ident, place);
                let mut text = self.argument_doc(argument);
                if text.is_empty() {
                    text = format!("Sets `{}`.", argument.name);
                }
                if let Presence::Default(default) = &argument.presence {
                    text.push_str(&format!("\n\nDefault: `{default}`."));
                }
                let doc = docs::attributes(&text);
                let name = &argument.name;
                quote! {
                    #doc
                    pub fn #ident(self, #ident: #ty) -> Self {
                        Self { #field: self.#field.with(#name, #value) }
                    }
                }
            })
            .collect()
    }

    /// How an argument is taken, and what is sent of it.
    fn parameter(
        &mut self,
        argument: &Field,
        ident: &Ident,
        place: &str,
    ) -> (TokenStream, TokenStream) {
        let schema = &argument.schema;
        let place = format!("{place} {}", argument.name);
        if let Type::Nullable(inner) = &schema.ty {
            let (ty, is_reference) = self.passed(inner, &place);
            let value = quote!(&#ident.into());
            let ty = if is_reference { quote!(&#ty) } else { ty };
            return (quote!(impl Into<Option<#ty>>), value);
        }
        match self.passed(schema, &place) {
            (ty, true) => (quote!(&#ty), quote!(#ident)),
            (ty, false) => (ty, quote!(&#ident)),
        }
    }

    /// The type of an argument, and whether it is passed by reference: what is small is not.
    fn passed(&mut self, schema: &Schema, place: &str) -> (TokenStream, bool) {
        match &schema.ty {
            Type::Text(Format::Base64 | Format::NetCdf(_)) => (self.types.of(schema, place), true),
            Type::Text(_) => {
                // For what is to be said of it.
                self.types.of(schema, place);
                (quote!(str), true)
            }
            Type::List(item) | Type::Set(item) => {
                let item = self.types.of(item, &format!("{place} item"));
                (quote!([#item]), true)
            }
            Type::Null | Type::Boolean | Type::Integer(_) | Type::Number | Type::Literal(_) => {
                (self.types.of(schema, place), false)
            }
            _ => (self.types.of(schema, place), true),
        }
    }

    /// What is to be said of an argument; empty where that is nothing.
    fn argument_doc(&mut self, argument: &Field) -> String {
        let mut sentences = vec![
            docs::prose(&argument.schema.documentation)
                .trim()
                .to_owned(),
        ];
        let notes = self.types.take_notes();
        sentences.extend(notes.iter().map(|note| docs::prose(note).trim().to_owned()));
        let phrases = argument.schema.constraints.phrases();
        if !phrases.is_empty() {
            sentences.push(format!("Must be {}.", phrases.join(", ")));
        }
        sentences.retain(|sentence| !sentence.is_empty());
        sentences.join("; ").replace(".; ", ". ")
    }

    /// The documentation of a method.
    fn doc(
        &mut self,
        documentation: &str,
        name: &str,
        parameters: &Parameters,
        result: &Schema,
    ) -> TokenStream {
        let notes = self.types.take_notes();
        let mut text = match documentation {
            "" => format!("Calls `{name}`."),
            documentation => docs::prose(documentation).trim().to_owned(),
        };
        if !parameters.docs.is_empty() {
            text.push_str("\n\n# Arguments\n");
            text.push_str(&parameters.docs.join("\n"));
        }
        let mut returns = vec![docs::prose(&result.documentation).trim().to_owned()];
        returns.extend(notes.iter().map(|note| docs::prose(note).trim().to_owned()));
        returns.retain(|sentence| !sentence.is_empty());
        if !returns.is_empty() {
            text.push_str("\n\n# Returns\n");
            text.push_str(&returns.join(" "));
        }
        docs::attributes(&text)
    }
}

/// The parameters of a method.
#[derive(Default)]
struct Parameters {
    names: Idents,
    list: Vec<TokenStream>,
    settings: Vec<TokenStream>,
    docs: Vec<String>,
}

impl Parameters {
    fn add(&mut self, client: &mut Client<'_, '_>, argument: &Field, place: &str) {
        let ident = self.names.value_name(&argument.name);
        let (ty, value) = client.parameter(argument, &ident, place);
        let name = &argument.name;
        let doc = client.argument_doc(argument).replace('\n', "\n  ");
        if !doc.is_empty() {
            self.docs.push(format!("* `{ident}` - {doc}"));
        }
        self.list.push(quote!(#ident: #ty));
        self.settings.push(quote!(.with(#name, #value)));
    }

    fn allowance(&self) -> Option<TokenStream> {
        // With `self`, the limit of the lint.
        (self.list.len() > 6).then(|| quote!(#[allow(clippy::too_many_arguments)]))
    }
}

/// The arguments that must be given, and the others.
fn split(arguments: &[Field]) -> (Vec<&Field>, Vec<&Field>) {
    arguments
        .iter()
        .partition(|argument| argument.is_required())
}
