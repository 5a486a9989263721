//! The methods of the client, with the interface of the client that `#[dasf::module]` generates.

use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::docs;
use super::idents::Idents;
use super::types::Types;
use crate::description::{Class, Description, Field, Format, Function, Presence, Schema, Type};

/// The methods of every client.
const METHODS_OF_CLIENTS: [&str; 4] = ["attach", "builder", "caller", "connect"];
/// The methods of every call's builder.
const METHODS_OF_CALLS: [&str; 7] = [
    "timeout",
    "without_timeout",
    "timeout_without_progress",
    "on_progress",
    "on_whereabouts",
    "submit",
    "send",
];

/// Generates the client.
pub(super) struct Client<'t, 'd> {
    krate: TokenStream,
    types: &'t mut Types<'d>,
    /// The names of the types in the module `client`.
    names: Idents,
    /// The types in the module `client`.
    builders: TokenStream,
    /// The methods of these types.
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

    /// Returns the types in the module `client`, and their methods.
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
            builders, methods, ..
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
        let Parameters {
            lifetime,
            list,
            settings,
            ..
        } = &parameters;
        let call = quote!(#call #(#settings)*);
        if optional.is_empty() {
            return quote! {
                #doc
                #deprecated
                    pub fn #ident #lifetime(&self, #(#list),*) -> Call<#result, M> {
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
            impl<M: Mode, H> client::#builder<#result, M, H> {
                #(#setters)*
            }
        });
        quote! {
            #doc
            #deprecated
            pub fn #ident #lifetime(&self, #(#list),*) -> client::#builder<#result, M> {
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
        if !setters.is_empty() || !methods.is_empty() {
            self.methods.extend(quote! {
                impl<M: Mode> client::#instance<M> {
                    #(#setters)*
                    #(#methods)*
                }
            });
        }
        let deprecated = class.is_deprecated.then(|| quote!(#[deprecated]));
        let Parameters {
            lifetime,
            list,
            settings,
            ..
        } = &parameters;
        quote! {
            #doc
            #deprecated
            pub fn #ident #lifetime(&self, #(#list),*) -> client::#instance<M> {
                client::#instance {
                    instance: Instance::new(&self.caller, #name) #(#settings)*
                }
            }
        }
    }

    /// Returns the methods of a builder: one for each optional argument.
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
                let Parameter {
                    lifetime,
                    ty,
                    value,
                } = self.parameter(argument, &ident, place);
                let mut text = self.argument_doc(argument);
                if text.is_empty() {
                    text = format!("Sets `{}`.", argument.name);
                }
                if let Presence::Default(default) = &argument.presence {
                    text.push_str(&format!(
                        "\n\nDefault: {}.",
                        docs::code(&default.to_string())
                    ));
                }
                let doc = docs::attributes(&text);
                let name = &argument.name;
                quote! {
                    #doc
                    pub fn #ident #lifetime(self, #ident: #ty) -> Self {
                        Self { #field: self.#field.with(#name, #value) }
                    }
                }
            })
            .collect()
    }

    /// Returns the parameter for an argument.
    fn parameter(&mut self, argument: &Field, ident: &Ident, place: &str) -> Parameter {
        let schema = &argument.schema;
        let place = format!("{place} {}", argument.name);
        let lifetime = quote!(<'a>);
        match &schema.ty {
            Type::Nullable(inner) => match self.passed(inner, &place) {
                (ty, true) => Parameter {
                    lifetime: Some(lifetime),
                    ty: quote!(impl Into<Option<&'a #ty>>),
                    value: quote!(&#ident.into()),
                },
                (ty, false) => Parameter {
                    lifetime: None,
                    ty: quote!(impl Into<Option<#ty>>),
                    value: quote!(&#ident.into()),
                },
            },
            _ => match self.passed(schema, &place) {
                (ty, true) => Parameter {
                    lifetime: None,
                    ty: quote!(&#ty),
                    value: quote!(#ident),
                },
                (ty, false) => Parameter {
                    lifetime: None,
                    ty,
                    value: quote!(&#ident),
                },
            },
        }
    }

    /// Returns the type of an argument, and whether the parameter is a reference. Small types are
    /// passed by value.
    fn passed(&mut self, schema: &Schema, place: &str) -> (TokenStream, bool) {
        match &schema.ty {
            Type::Text(Format::Base64 | Format::NetCdf(_)) => (self.types.of(schema, place), true),
            Type::Text(_) => {
                // This adds the remarks about the format.
                self.types.of(schema, place);
                (quote!(str), true)
            }
            Type::List(item) | Type::Set(item) => {
                let item = self.types.of(item, &format!("{place} item"));
                (quote!([#item]), true)
            }
            _ => {
                let is_small = self.types.is_small(schema);
                (self.types.of(schema, place), !is_small)
            }
        }
    }

    /// Returns the documentation of an argument; empty if there is none.
    fn argument_doc(&mut self, argument: &Field) -> String {
        let mut sentences = vec![
            docs::prose(&argument.schema.documentation)
                .trim()
                .to_owned(),
        ];
        sentences.extend(self.types.remarks(&argument.schema));
        sentences.retain(|sentence| !sentence.is_empty());
        sentences.join("; ").replace(".; ", ". ")
    }

    /// Returns the documentation of a method.
    fn doc(
        &mut self,
        documentation: &str,
        name: &str,
        parameters: &Parameters,
        result: &Schema,
    ) -> TokenStream {
        let remarks = self.types.remarks(result);
        let mut text = match documentation {
            "" => format!("Calls `{name}`."),
            documentation => docs::prose(documentation).trim().to_owned(),
        };
        if !parameters.docs.is_empty() {
            text.push_str("\n\n# Arguments\n");
            text.push_str(&parameters.docs.join("\n"));
        }
        let mut returns = vec![docs::prose(&result.documentation).trim().to_owned()];
        returns.extend(remarks);
        returns.retain(|sentence| !sentence.is_empty());
        if !returns.is_empty() {
            text.push_str("\n\n# Returns\n");
            text.push_str(&returns.join(" "));
        }
        docs::attributes(&text)
    }
}

/// One parameter of a method: its type, and the expression of its value in the request.
struct Parameter {
    lifetime: Option<TokenStream>,
    ty: TokenStream,
    value: TokenStream,
}

/// The parameters of a method.
#[derive(Default)]
struct Parameters {
    names: Idents,
    lifetime: Option<TokenStream>,
    list: Vec<TokenStream>,
    settings: Vec<TokenStream>,
    docs: Vec<String>,
}

impl Parameters {
    fn add(&mut self, client: &mut Client<'_, '_>, argument: &Field, place: &str) {
        let ident = self.names.value_name(&argument.name);
        let Parameter {
            lifetime,
            ty,
            value,
        } = client.parameter(argument, &ident, place);
        self.lifetime = self.lifetime.take().or(lifetime);
        let name = &argument.name;
        let doc = client.argument_doc(argument).replace('\n', "\n  ");
        if !doc.is_empty() {
            self.docs.push(format!("* `{ident}` - {doc}"));
        }
        self.list.push(quote!(#ident: #ty));
        self.settings.push(quote!(.with(#name, #value)));
    }
}

/// Returns the required arguments and the optional arguments.
fn split(arguments: &[Field]) -> (Vec<&Field>, Vec<&Field>) {
    arguments
        .iter()
        .partition(|argument| argument.is_required())
}
