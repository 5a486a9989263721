//! Types: the named types of the description, and the types that need a name only in Rust.

use std::collections::HashMap;

use proc_macro2::{Ident, Literal, TokenStream};
use quote::{ToTokens, format_ident, quote};
use serde_json::{Number, Value};
use syn::ext::IdentExt;

use super::docs;
use super::graph::{self, Circles};
use super::idents::Idents;
use crate::description::{
    self, Declaration, Definition, Description, Field, Format, NetCdf, Openness, Presence, Schema,
    Type, TypeId, Variant, Width,
};

/// The names that the file uses for other items.
const RESERVED: [&str; 27] = [
    "BTreeMap",
    "Box",
    "Call",
    "Client",
    "Clone",
    "Copy",
    "Debug",
    "Default",
    "Deserialize",
    "Deserializer",
    "Eq",
    "Err",
    "From",
    "Hash",
    "Instance",
    "Into",
    "M",
    "Mode",
    "None",
    "Ok",
    "Option",
    "Result",
    "Serialize",
    "Some",
    "String",
    "Value",
    "Vec",
];
/// The longest tuple that has `Debug` and `PartialEq`.
const MAX_TUPLE: usize = 12;

/// Generates types, and collects the definitions that they need.
pub(super) struct Types<'d> {
    description: &'d Description,
    /// The path of the crate `dasf`.
    krate: TokenStream,
    names: Idents,
    /// The names of the types of the description.
    idents: Vec<Ident>,
    /// The cycles that boxes must break: those of fields, and those that remain when the fields are
    /// boxed.
    of_fields: Circles,
    of_others: Circles,
    /// The cycles that consist only of aliases.
    nameless: Circles,
    definitions: Vec<TokenStream>,
    /// The remarks about the types of the current item.
    notes: Vec<String>,
}

/// The type that contains a type directly, so that its size counts.
#[derive(Debug, Clone, Copy)]
enum Holder {
    /// None, or a type that contains it behind a pointer.
    Nothing,
    Field(TypeId),
    Other(TypeId),
}

impl<'d> Types<'d> {
    pub(super) fn new(description: &'d Description, krate: TokenStream) -> Self {
        let mut names = Idents::without(RESERVED);
        let types = description.types.iter();
        let idents = types.map(|ty| names.type_name(&ty.name)).collect();
        let (of_fields, of_others) = graph::infinite(description);
        Self {
            description,
            krate,
            names,
            idents,
            of_fields,
            of_others,
            nameless: graph::nameless(description, |id| {
                is_named(&description.declaration(id).definition)
            }),
            definitions: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Returns the definitions of all named types, and of the other types that needed a name.
    pub(super) fn definitions(mut self) -> Vec<TokenStream> {
        let needed = std::mem::take(&mut self.definitions);
        for (index, declaration) in self.description.types.iter().enumerate() {
            // The types for its parts come after it.
            let before = self.definitions.len();
            let definition = self.declaration(TypeId(index), declaration);
            self.definitions.insert(before, definition);
        }
        self.definitions.extend(needed);
        self.definitions
    }

    /// Returns the type for a schema. `name` is a unique description of the place.
    pub(super) fn of(&mut self, schema: &Schema, name: &str) -> TokenStream {
        self.held_by(Holder::Nothing, schema, name)
    }

    /// Returns whether the type is small and `Copy`.
    pub(super) fn is_small(&self, schema: &Schema) -> bool {
        match &schema.ty {
            Type::Null | Type::Boolean | Type::Integer(_) | Type::Number => true,
            Type::Literal(values) => {
                values.iter().all(Value::is_string)
                    || values.iter().all(Value::is_number)
                    || values.iter().all(Value::is_boolean)
            }
            Type::Named(id) if !self.nameless.contains(*id) => {
                match &self.description.declaration(*id).definition {
                    // The recursion ends, because the type is in no cycle of aliases.
                    Definition::Alias(schema) => self.is_small(schema),
                    Definition::Object { .. } => false,
                }
            }
            _ => false,
        }
    }

    /// Returns the remarks about the types since the last call, and the limits of this schema:
    /// sentences in Markdown.
    pub(super) fn remarks(&mut self, schema: &Schema) -> Vec<String> {
        let mut remarks: Vec<String> = Vec::new();
        for note in std::mem::take(&mut self.notes) {
            if !remarks.contains(&note) {
                remarks.push(note);
            }
        }
        let phrases = schema.limits();
        if !phrases.is_empty() {
            remarks.push(format!("Limits: {}.", phrases.join(", ")));
        }
        for remark in &mut remarks {
            *remark = docs::prose(remark).trim().to_owned();
        }
        remarks
    }

    fn held_by(&mut self, holder: Holder, schema: &Schema, name: &str) -> TokenStream {
        let krate = &self.krate;
        match &schema.ty {
            Type::Null => quote!(()),
            Type::Boolean => quote!(bool),
            Type::Integer(width) => integer(*width, schema),
            Type::Number => quote!(f64),
            Type::Text(Format::Base64) => quote!(#krate::Base64),
            Type::Text(Format::NetCdf(NetCdf::DataArray)) => quote!(#krate::netcdf::DataArray),
            Type::Text(Format::NetCdf(NetCdf::Dataset)) => quote!(#krate::netcdf::Dataset),
            Type::Text(format) => {
                self.notes.extend(text_note(format));
                quote!(String)
            }
            Type::Literal(values) => self.literal(values, schema, name),
            Type::Nullable(inner) => {
                let inner = self.held_by(holder, inner, name);
                quote!(Option<#inner>)
            }
            Type::List(item) | Type::Set(item) => {
                let item = self.of(item, &format!("{name} item"));
                quote!(Vec<#item>)
            }
            Type::Tuple(items) if (1..=MAX_TUPLE).contains(&items.len()) => {
                let items: Vec<_> = items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| self.held_by(holder, item, &format!("{name} {index}")))
                    .collect();
                quote!((#(#items,)*))
            }
            Type::Tuple(items) => {
                let count = items.len();
                self.notes.push(format!(
                    "A list of `Value`, because Rust cannot compare or print a tuple of {count}."
                ));
                quote!(Vec<Value>)
            }
            Type::Map(values) => {
                let values = self.of(values, &format!("{name} value"));
                quote!(BTreeMap<String, #values>)
            }
            Type::Named(id) => {
                let ident = &self.idents[id.0];
                let is_infinite = match holder {
                    Holder::Nothing => false,
                    Holder::Field(holder) => self.of_fields.closes(holder, *id),
                    Holder::Other(holder) => self.of_others.closes(holder, *id),
                };
                if is_infinite {
                    quote!(Box<#ident>)
                } else {
                    quote!(#ident)
                }
            }
            Type::Union(variants) => {
                let ident = self.names.type_name(name);
                let doc = format!("One of the variants of `{name}`.");
                let definition = self.union(holder, &ident, variants, &[], &doc);
                self.definitions.push(definition);
                quote!(#ident)
            }
            Type::Any(openness) => {
                if let Openness::Inexpressible(reason) = openness {
                    self.notes.push(format!("A `Value`, because {reason}."));
                }
                quote!(Value)
            }
        }
    }

    fn literal(&mut self, values: &[Value], schema: &Schema, name: &str) -> TokenStream {
        if values.iter().all(Value::is_string) {
            let ident = self.names.type_name(name);
            let doc = format!("One of the strings of `{name}`.");
            let definition = self.texts(&ident, values, &[], &doc);
            self.definitions.push(definition);
            return quote!(#ident);
        }
        let list: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
        self.notes.push(format!("One of {}.", list.join(", ")));
        if values.iter().all(Value::is_boolean) {
            quote!(bool)
        } else if values.iter().all(Value::is_number) {
            integer(None, schema)
        } else {
            quote!(Value)
        }
    }

    fn declaration(&mut self, id: TypeId, declaration: &Declaration) -> TokenStream {
        let ident = self.idents[id.0].clone();
        let documented = &declaration.documented_values[..];
        // A variant has its own documentation. Other types list the values.
        let has_variants = match &declaration.definition {
            Definition::Alias(schema) => {
                matches!(schema.ty, Type::Union(_)) || is_text_enum(&schema.ty)
            }
            Definition::Object { .. } => false,
        };
        let documentation = if has_variants {
            declaration.documentation.clone()
        } else {
            declaration.whole_documentation()
        };
        let doc = match documentation.as_str() {
            "" => format!("The type `{}` of the module.", declaration.name),
            documentation => docs::prose(documentation),
        };
        match &declaration.definition {
            Definition::Object {
                fields,
                rest,
                rest_patterns,
            } => {
                let rest = rest.as_deref().map(|rest| (rest, rest_patterns.as_slice()));
                self.structure(id, &ident, fields, rest, &doc)
            }
            Definition::Alias(Schema {
                ty: Type::Union(variants),
                ..
            }) => self.union(Holder::Other(id), &ident, variants, documented, &doc),
            Definition::Alias(Schema {
                ty: Type::Literal(values),
                ..
            }) if values.iter().all(Value::is_string) => {
                self.texts(&ident, values, documented, &doc)
            }
            Definition::Alias(schema) => {
                let is_newtype = self.nameless.contains(id);
                let holder = if is_newtype {
                    Holder::Other(id)
                } else {
                    Holder::Nothing
                };
                let ty = self.held_by(holder, schema, &declaration.name);
                let doc = self.documented(&doc, schema);
                if is_newtype {
                    let derives = self.derives(&quote!());
                    quote!(#doc #derives #[serde(transparent)] pub struct #ident(pub #ty);)
                } else {
                    quote!(#doc pub type #ident = #ty;)
                }
            }
        }
    }

    /// Returns the path of the crate `serde`, for its derive macros.
    fn serde(&self) -> String {
        format!(
            "{}::generated::serde",
            self.krate.to_string().replace(' ', "")
        )
    }

    fn derives(&self, more: &TokenStream) -> TokenStream {
        let serde = self.serde();
        quote! {
            #[derive(
                Debug, Clone, #more PartialEq, Serialize,
                Deserialize
            )]
            #[serde(crate = #serde)]
        }
    }

    /// Returns the attributes for a documentation, with the remarks about the type.
    fn documented(&mut self, text: &str, schema: &Schema) -> TokenStream {
        let mut paragraphs = vec![text.trim().to_owned()];
        paragraphs.extend(self.remarks(schema));
        docs::attributes(&paragraphs.join("\n\n"))
    }

    fn structure(
        &mut self,
        id: TypeId,
        ident: &Ident,
        fields: &[Field],
        rest: Option<(&Schema, &[String])>,
        doc: &str,
    ) -> TokenStream {
        let krate = self.krate.clone();
        let mut names = Idents::default();
        let mut members = Vec::new();
        let mut parameters = Vec::new();
        let mut values = Vec::new();
        let mut defaults = Vec::new();
        // The functions for fields that serde would read or write differently.
        let mut helpers = Vec::new();
        for field in fields {
            let name = names.value_name(&field.name);
            let place = format!("{ident} {}", field.name);
            let ty = self.held_by(Holder::Field(id), &field.schema, &place);
            let doc = self.field_doc(field);
            let wire = &field.name;
            let rename = (name.unraw() != *wire).then(|| quote!(#[serde(rename = #wire)]));
            let mut checked = self.checked(&field.schema);
            let (ty, attribute) = match self.absent(field, &ty) {
                Absent::Never(None) if ty.to_string() == "String" => {
                    parameters.push(quote!(#name: impl Into<String>));
                    values.push(quote!(#name: #name.into()));
                    (ty, quote!())
                }
                Absent::Never(None) if is_boxed(&ty) => {
                    parameters.push(quote!(#name: impl Into<#ty>));
                    values.push(quote!(#name: #name.into()));
                    (ty, quote!())
                }
                Absent::Never(None) => {
                    parameters.push(quote!(#name: #ty));
                    values.push(quote!(#name));
                    (ty, quote!())
                }
                Absent::Never(Some(only)) => {
                    values.push(quote!(#name: #only));
                    (ty, quote!())
                }
                Absent::Value(value) => {
                    let function = format_ident!("default_{}", name.unraw());
                    let path = format!("{ident}::{function}");
                    let value = if is_boxed(&ty) {
                        quote!(Box::new(#value))
                    } else {
                        value
                    };
                    defaults.push(quote!(fn #function() -> #ty { #value }));
                    values.push(quote!(#name: Self::#function()));
                    let skip = self.has_broken_default(field).then(|| {
                        let is_default = format_ident!("is_default_{}", name.unraw());
                        helpers.push(quote! {
                            fn #is_default(value: &#ty) -> bool {
                                *value == Self::#function()
                            }
                        });
                        let path = format!("{ident}::{is_default}");
                        quote!(, skip_serializing_if = #path)
                    });
                    (ty, quote!(#[serde(default = #path #skip)]))
                }
                Absent::Null => {
                    values.push(quote!(#name: None));
                    (ty, quote!(#[serde(default)]))
                }
                Absent::Omitted => {
                    checked = None;
                    values.push(quote!(#name: None));
                    let ty = match field.schema.ty {
                        Type::Nullable(_) => ty,
                        _ => quote!(Option<#ty>),
                    };
                    let skip = quote!(#[serde(default, skip_serializing_if = "Option::is_none")]);
                    (ty, skip)
                }
            };
            let checked = checked.map(|reader| {
                let function = format_ident!("read_{}", name.unraw());
                helpers.push(quote! {
                    fn #function<'de, D: Deserializer<'de>>(
                        deserializer: D,
                    ) -> Result<#ty, D::Error> {
                        #reader
                    }
                });
                let path = format!("{ident}::{function}");
                quote!(#[serde(deserialize_with = #path)])
            });
            members.push(quote!(#doc #rename #attribute #checked pub #name: #ty,));
        }
        if let Some((rest, patterns)) = rest {
            let name = names.value_name("additional");
            let ty = self.of(rest, &format!("{ident} additional"));
            let doc = self.documented("All other properties.", rest);
            let reader = (!patterns.is_empty()).then(|| {
                let function = format_ident!("read_{}", name.unraw());
                let names = quote!(#krate::generated::Names);
                helpers.push(quote! {
                    fn #function<'de, D: Deserializer<'de>>(
                        deserializer: D,
                    ) -> Result<BTreeMap<String, #ty>, D::Error> {
                        static NAMES: std::sync::LazyLock<#names> =
                            std::sync::LazyLock::new(|| #names::new(&[#(#patterns),*]));
                        NAMES.read(deserializer)
                    }
                });
                let path = format!("{ident}::{function}");
                quote!(, deserialize_with = #path)
            });
            members.push(quote! {
                #doc
                #[serde(flatten #reader)]
                pub #name: BTreeMap<String, #ty>,
            });
            values.push(quote!(#name: BTreeMap::new()));
        }
        let constructor = (parameters.len() < values.len()).then(|| {
            quote! {
                impl #ident {
                    /// Creates a value in which all optional fields have their defaults.
                    pub fn new(#(#parameters),*) -> Self {
                        Self { #(#values),* }
                    }

                    #(#defaults)*
                }
            }
        });
        let helpers = (!helpers.is_empty()).then(|| quote!(impl #ident { #(#helpers)* }));
        let doc = docs::attributes(doc);
        let derives = self.derives(&quote!());
        quote! {
            #doc
            #derives
            pub struct #ident { #(#members)* }
            #constructor
            #helpers
        }
    }

    /// Returns the expression that reads a field from the `deserializer`, if the field does not
    /// accept every value of its type; otherwise `None`.
    fn checked(&self, schema: &Schema) -> Option<TokenStream> {
        let krate = &self.krate;
        match &schema.ty {
            Type::Literal(values) if !values.iter().all(Value::is_string) => {
                let width = integer_width(None, schema);
                let values: Option<Vec<_>> = values
                    .iter()
                    .map(|value| match value {
                        Value::Bool(value) => Some(quote!(#value)),
                        Value::Number(number) => integer_value(width, number),
                        _ => None,
                    })
                    .collect();
                let values = values?;
                Some(quote!(#krate::generated::one_value_of(deserializer, &[#(#values),*])))
            }
            Type::Text(Format::Plain) if !schema.constraints.excluded.is_empty() => {
                let excluded = &schema.constraints.excluded;
                Some(quote!(#krate::generated::text_besides(deserializer, &[#(#excluded),*])))
            }
            Type::Named(id) if !self.nameless.contains(*id) => {
                match &self.description.declaration(*id).definition {
                    // The recursion ends, because the type is in no cycle of aliases.
                    Definition::Alias(schema) => self.checked(schema),
                    Definition::Object { .. } => None,
                }
            }
            _ => None,
        }
    }

    /// Returns whether the default of a field violates the constraints of the field.
    fn has_broken_default(&self, field: &Field) -> bool {
        let Presence::Default(value) = &field.presence else {
            return false;
        };
        let mut schema = &field.schema;
        let mut is_broken = schema.is_broken_by(value);
        while let Type::Named(id) = schema.ty
            && !self.nameless.contains(id)
            && let Definition::Alias(inner) = &self.description.declaration(id).definition
        {
            // The loop ends, because the type is in no cycle of aliases.
            schema = inner;
            is_broken |= schema.is_broken_by(value);
        }
        is_broken
    }

    fn field_doc(&mut self, field: &Field) -> TokenStream {
        let mut text = match field.schema.documentation.as_str() {
            "" => format!("The property `{}`.", field.name),
            documentation => docs::prose(documentation),
        };
        if let Presence::Default(value) = &field.presence
            && !field.is_tag(&self.description.types)
        {
            text.push_str(&format!("\n\nDefault: {}.", docs::code(&value.to_string())));
        }
        self.documented(&text, &field.schema)
    }

    /// Returns the value of a field that is missing; `ty` is its type in Rust.
    fn absent(&self, field: &Field, ty: &TokenStream) -> Absent {
        let types = &self.description.types;
        if field.is_tag(types)
            && let Some(only) = Declaration::only_value(types, &field.schema.ty)
            && let Some(only) = self.value_of(&field.schema, only, ty)
        {
            // The field has only one value.
            return Absent::Never(Some(only));
        }
        match &field.presence {
            Presence::Required => Absent::Never(None),
            Presence::Optional => Absent::Omitted,
            Presence::Default(Value::Null) if matches!(field.schema.ty, Type::Nullable(_)) => {
                Absent::Null
            }
            Presence::Default(value) => match self.value_of(&field.schema, value, ty) {
                Some(value) => Absent::Value(value),
                // The field can be null, so `None` cannot mean that it is missing.
                None if matches!(field.schema.ty, Type::Nullable(_)) => {
                    let krate = &self.krate;
                    let json = value.to_string();
                    Absent::Value(quote!(#krate::generated::from_json(#json)))
                }
                None => Absent::Omitted,
            },
        }
    }

    /// Returns the Rust expression of a value, for a type that is `ty` in Rust; `None` if the
    /// expression is not simple, or if the value has another type.
    fn value_of(&self, schema: &Schema, value: &Value, ty: &TokenStream) -> Option<TokenStream> {
        text_value(&schema.ty, value, ty).or_else(|| self.value(schema, value))
    }

    /// Returns the Rust expression of a value whose type is not an enum of strings.
    fn value(&self, schema: &Schema, value: &Value) -> Option<TokenStream> {
        match (&schema.ty, value) {
            (Type::Nullable(_), Value::Null) => Some(quote!(None)),
            (Type::Nullable(inner), value) => {
                let value = self.value(inner, value)?;
                Some(quote!(Some(#value)))
            }
            (Type::Null, Value::Null) => Some(quote!(())),
            (Type::Boolean, Value::Bool(value)) => Some(quote!(#value)),
            (Type::Integer(width), Value::Number(number)) => {
                integer_value(integer_width(*width, schema), number)
            }
            (Type::Number, Value::Number(number)) => {
                let number = number.as_f64().filter(|number| number.is_finite())?;
                let literal = Literal::f64_unsuffixed(number.abs());
                Some(if number.is_sign_negative() {
                    quote!(-#literal)
                } else {
                    quote!(#literal)
                })
            }
            (Type::Text(Format::Base64 | Format::NetCdf(_)), _) => None,
            (Type::Text(_), Value::String(text)) => Some(quote!(#text.to_owned())),
            (Type::List(_) | Type::Set(_), Value::Array(items)) if items.is_empty() => {
                Some(quote!(Vec::new()))
            }
            (Type::Map(_), Value::Object(values)) if values.is_empty() => {
                Some(quote!(BTreeMap::new()))
            }
            (Type::Literal(values), Value::Bool(value)) if values.iter().all(Value::is_boolean) => {
                values
                    .contains(&Value::Bool(*value))
                    .then(|| quote!(#value))
            }
            (Type::Literal(values), Value::Number(number))
                if values.iter().all(Value::is_number) =>
            {
                let is_one = values.iter().any(|value| value.as_number() == Some(number));
                let value = integer_value(integer_width(None, schema), number)?;
                is_one.then_some(value)
            }
            (Type::Named(id), value) => match &self.description.declaration(*id).definition {
                Definition::Alias(schema) if !self.nameless.contains(*id) => {
                    self.value_of(schema, value, &self.idents[id.0].to_token_stream())
                }
                _ => None,
            },
            _ => None,
        }
    }

    fn union(
        &mut self,
        holder: Holder,
        ident: &Ident,
        variants: &[Variant],
        documented: &[(Value, String)],
        doc: &str,
    ) -> TokenStream {
        if let Some((values, other)) = description::open_texts(variants) {
            return self.open_texts(ident, values, documented, other, doc);
        }
        let mut names = Idents::default();
        let mut members = Vec::new();
        let mut types: Vec<(Ident, TokenStream)> = Vec::new();
        for variant in variants {
            let wanted = match (variant.name.as_str(), &variant.schema.ty) {
                ("", ty) => kind(ty),
                (name, _) => name,
            };
            let name = names.type_name(wanted);
            let place = format!("{ident} {name}");
            let ty = self.held_by(holder, &variant.schema, &place);
            let text = match variant.schema.documentation.as_str() {
                "" => match &variant.schema.ty {
                    Type::Named(id) => {
                        format!("The type `{}`.", self.description.declaration(*id).name)
                    }
                    ty => kind_sentence(ty).to_owned(),
                },
                documentation => docs::prose(documentation),
            };
            let doc = self.documented(&text, &variant.schema);
            members.push(quote!(#doc #name(#ty),));
            types.push((name, ty));
        }
        let spelled: Vec<String> = variants
            .iter()
            .zip(&types)
            .map(|(variant, (_, ty))| self.behind_aliases(&variant.schema, ty))
            .collect();
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for ty in &spelled {
            *counts.entry(ty).or_default() += 1;
        }
        let conversions = types
            .iter()
            .zip(&spelled)
            .filter(|(_, spelled)| counts[spelled.as_str()] == 1);
        let conversions = conversions.map(|((name, ty), _)| {
            quote! {
                impl From<#ty> for #ident {
                    fn from(value: #ty) -> Self {
                        Self::#name(value)
                    }
                }
            }
        });
        let krate = &self.krate;
        let serde = self.serde();
        let readers = types
            .iter()
            .map(|(name, _)| quote!(|value| #krate::generated::from_value(value).map(Self::#name)));
        let doc = docs::attributes(doc);
        quote! {
            #doc
            #[derive(Debug, Clone, PartialEq, Serialize)]
            #[serde(crate = #serde, untagged)]
            pub enum #ident { #(#members)* }

            impl<'de> Deserialize<'de> for #ident {
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    #krate::generated::one_of(deserializer, &[#(#readers),*])
                }
            }

            #(#conversions)*
        }
    }

    /// Returns the Rust type of a schema, without aliases.
    fn behind_aliases(&self, schema: &Schema, written: &TokenStream) -> String {
        match &schema.ty {
            Type::Named(id) if !self.nameless.contains(*id) => {
                match &self.description.declaration(*id).definition {
                    // The recursion ends, because the type is in no cycle of aliases.
                    Definition::Alias(schema)
                        if !is_named(&self.description.declaration(*id).definition) =>
                    {
                        match &schema.ty {
                            Type::Boolean => "bool".to_owned(),
                            Type::Integer(width) => integer(*width, schema).to_string(),
                            Type::Number => "f64".to_owned(),
                            Type::Text(Format::Base64 | Format::NetCdf(_)) => written.to_string(),
                            Type::Text(_) => "String".to_owned(),
                            Type::Named(id) => {
                                self.behind_aliases(schema, &self.idents[id.0].to_token_stream())
                            }
                            // Two conversions from one type would not compile.
                            _ => String::new(),
                        }
                    }
                    _ => written.to_string(),
                }
            }
            _ => written.to_string(),
        }
    }

    fn texts(
        &mut self,
        ident: &Ident,
        values: &[Value],
        documented: &[(Value, String)],
        doc: &str,
    ) -> TokenStream {
        let (variants, _) = text_variants(values, documented);
        let doc = docs::attributes(doc);
        let derives = self.derives(&quote!(Copy, Eq, Hash,));
        quote! {
            #doc
            #derives
            pub enum #ident { #(#variants)* }
        }
    }

    /// Generates an enum of known strings with a variant for other strings.
    fn open_texts(
        &mut self,
        ident: &Ident,
        values: &[Value],
        documented: &[(Value, String)],
        other: &Variant,
        doc: &str,
    ) -> TokenStream {
        let (variants, mut names) = text_variants(values, documented);
        let name = other_variant(&mut names, other);
        let text = match other.schema.documentation.as_str() {
            "" => "Any other string.".to_owned(),
            documentation => docs::prose(documentation),
        };
        let (doc, text) = (docs::attributes(doc), docs::attributes(&text));
        let derives = self.derives(&quote!(Eq, Hash,));
        quote! {
            #doc
            #derives
            pub enum #ident {
                #(#variants)*
                #text
                #[serde(untagged)]
                #name(String),
            }
        }
    }
}

/// The value of a field that is missing.
enum Absent {
    /// The field is required. It has this value if it is a tag.
    Never(Option<TokenStream>),
    /// Null.
    Null,
    /// This default.
    Value(TokenStream),
    /// A default that only the module knows, or that has no simple expression in Rust.
    Omitted,
}

fn is_boxed(ty: &TokenStream) -> bool {
    ty.to_string().starts_with("Box ")
}

/// Returns whether a type becomes an enum with a variant for each of its strings.
fn is_text_enum(ty: &Type) -> bool {
    matches!(ty, Type::Literal(values) if values.iter().all(Value::is_string))
}

/// Returns whether a type has its own definition in any case.
fn is_named(definition: &Definition) -> bool {
    match definition {
        Definition::Object { .. } => true,
        Definition::Alias(schema) => match &schema.ty {
            Type::Union(_) => true,
            Type::Literal(values) => values.iter().all(Value::is_string),
            _ => false,
        },
    }
}

/// Returns the variants for strings, and their names.
fn text_variants(values: &[Value], documented: &[(Value, String)]) -> (Vec<TokenStream>, Idents) {
    let mut names = Idents::default();
    let variants = values.iter().map(|value| {
        let text = value.as_str().unwrap_or_default();
        let name = names.type_name(text);
        let own = documented.iter().find(|(known, _)| known == value);
        let doc = docs::attributes(&match own {
            Some((_, documentation)) => docs::prose(documentation),
            None => docs::code(&value.to_string()),
        });
        let rename = (name != text).then(|| quote!(#[serde(rename = #text)]));
        quote!(#doc #rename #name,)
    });
    (variants.collect(), names)
}

/// Returns the name of the variant for all other strings; `names` are the names of the others.
fn other_variant(names: &mut Idents, other: &Variant) -> Ident {
    match other.name.as_str() {
        "" => names.type_name("Other"),
        name => names.type_name(name),
    }
}

/// Returns the expression of a string as a value of the enum `written`; `None` if the type is not
/// an enum of strings, or the value is not one of them.
fn text_value(ty: &Type, value: &Value, written: &TokenStream) -> Option<TokenStream> {
    let (values, other) = match ty {
        Type::Literal(values) if values.iter().all(Value::is_string) => (values.as_slice(), None),
        ty => ty
            .open_texts()
            .map(|(values, other)| (values, Some(other)))?,
    };
    let text = value.as_str()?;
    let mut names = Idents::default();
    let mut known = None;
    for value in values {
        let name = names.type_name(value.as_str().unwrap_or_default());
        if value == text {
            known = Some(name);
        }
    }
    match (known, other) {
        (Some(name), _) => Some(quote!(#written::#name)),
        (None, Some(other)) => {
            let name = other_variant(&mut names, other);
            Some(quote!(#written::#name(#text.to_owned())))
        }
        (None, None) => None,
    }
}

/// Returns the name of a variant for which the module has no name.
fn kind(ty: &Type) -> &'static str {
    match ty {
        Type::Null => "Null",
        Type::Boolean => "Boolean",
        Type::Integer(_) => "Integer",
        Type::Number => "Number",
        Type::Text(_) => "Text",
        Type::Literal(_) => "Literal",
        Type::List(_) | Type::Set(_) => "List",
        Type::Tuple(_) => "Tuple",
        Type::Map(_) => "Map",
        Type::Named(_) => "Object",
        Type::Nullable(_) | Type::Union(_) | Type::Any(_) => "Value",
    }
}

/// Returns the documentation of a variant for which the module has none.
fn kind_sentence(ty: &Type) -> &'static str {
    match ty {
        Type::Null => "Null.",
        Type::Boolean => "A boolean.",
        Type::Integer(_) => "An integer.",
        Type::Number => "A number.",
        Type::Text(_) => "A string.",
        Type::Literal(_) => "One of some fixed values.",
        Type::List(_) | Type::Set(_) => "A list.",
        Type::Tuple(_) => "A list with a fixed number of values.",
        Type::Map(_) => "An object whose keys are data.",
        Type::Named(_) => "An object.",
        Type::Nullable(_) | Type::Union(_) | Type::Any(_) => "Any JSON value.",
    }
}

/// Returns the remark about a string.
fn text_note(format: &Format) -> Option<String> {
    let note = match format {
        Format::DateTime => "A date and time, such as `2026-11-22T10:00:00Z`.",
        Format::Date => "A date, such as `2026-11-22`.",
        Format::Time => "A time of day, such as `10:00:00`.",
        Format::Duration => "A duration as in ISO 8601, such as `PT1H30M`.",
        Format::Uuid => "A UUID.",
        Format::Other(format) => return Some(format!("A string with the format `{format}`.")),
        Format::Plain | Format::Base64 | Format::NetCdf(_) => return None,
    };
    Some(note.to_owned())
}

/// Returns the width of an integer from the description, or from its limits and values.
fn integer_width(width: Option<Width>, schema: &Schema) -> Width {
    let limits = &schema.constraints;
    let values = match &schema.ty {
        Type::Literal(values) => values.as_slice(),
        _ => &[],
    };
    let greatest = [&limits.maximum, &limits.exclusive_maximum];
    let greatest: Vec<&Number> = greatest
        .into_iter()
        .flatten()
        .chain(values.iter().filter_map(Value::as_number))
        .collect();
    let exceeds = |limit: u64| {
        greatest.iter().any(|number| match number.as_i128() {
            Some(number) => number > i128::from(limit),
            // `limit as f64` may be greater than the limit, because the conversion rounds.
            None => number.as_f64().is_some_and(|it| it >= limit as f64),
        })
    };
    let least = [&limits.minimum, &limits.exclusive_minimum];
    let least = least
        .into_iter()
        .flatten()
        .chain(values.iter().filter_map(Value::as_number));
    let least = least.filter_map(Number::as_f64).fold(0.0, f64::min);
    let is_signed = least < 0.0;
    match width {
        Some(width) => width,
        None if exceeds(u64::MAX) && !is_signed => Width::U128,
        None if exceeds(i64::MAX.unsigned_abs()) && !is_signed => Width::U64,
        None if exceeds(i64::MAX.unsigned_abs()) || least < i64::MIN as f64 => Width::I128,
        None => Width::I64,
    }
}

fn integer(width: Option<Width>, schema: &Schema) -> TokenStream {
    match integer_width(width, schema) {
        Width::I8 => quote!(i8),
        Width::I16 => quote!(i16),
        Width::I32 => quote!(i32),
        Width::I64 => quote!(i64),
        Width::I128 => quote!(i128),
        Width::Isize => quote!(isize),
        Width::U8 => quote!(u8),
        Width::U16 => quote!(u16),
        Width::U32 => quote!(u32),
        Width::U64 => quote!(u64),
        Width::U128 => quote!(u128),
        Width::Usize => quote!(usize),
    }
}

/// Returns the expression of an integer, if the width can represent it.
fn integer_value(width: Width, number: &Number) -> Option<TokenStream> {
    let value = number.as_i128()?;
    let fits = match width {
        Width::I8 => i8::try_from(value).is_ok(),
        Width::I16 => i16::try_from(value).is_ok(),
        Width::I32 => i32::try_from(value).is_ok(),
        Width::I64 | Width::Isize => i64::try_from(value).is_ok(),
        Width::I128 => true,
        Width::U8 => u8::try_from(value).is_ok(),
        Width::U16 => u16::try_from(value).is_ok(),
        Width::U32 => u32::try_from(value).is_ok(),
        Width::U64 | Width::Usize => u64::try_from(value).is_ok(),
        Width::U128 => u128::try_from(value).is_ok(),
    };
    let literal = Literal::u128_unsuffixed(value.unsigned_abs());
    fits.then(|| {
        if value < 0 {
            quote!(-#literal)
        } else {
            quote!(#literal)
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::description::Constraints;

    #[test]
    fn limits_and_values_decide_the_width_of_an_integer() {
        let number = |value: &Value| value.as_number().cloned();
        for (least, greatest, width) in [
            (json!(null), json!(null), Width::I64),
            (json!(0), json!(i64::MAX), Width::I64),
            (json!(i64::MIN), json!(0), Width::I64),
            (json!(0), json!(1_u64 << 63), Width::U64),
            (json!(0), json!(9_223_372_036_854_775_808.0), Width::U64),
            (json!(0), json!(u64::MAX), Width::U64),
            (json!(-1), json!(u64::MAX), Width::I128),
            (json!(0), json!(1e30), Width::U128),
            (json!(-1e30), json!(0), Width::I128),
            (json!(-1e30), json!(1e30), Width::I128),
        ] {
            let mut schema = Schema::of(Type::Integer(None));
            *schema.constraints = Constraints {
                minimum: number(&least),
                maximum: number(&greatest),
                ..Constraints::default()
            };
            let found = integer_width(None, &schema);
            assert_eq!(found, width, "{least} {greatest}");
        }
        let literal = Schema::of(Type::Literal(vec![json!(-1), json!(u64::MAX)]));
        assert_eq!(integer_width(None, &literal), Width::I128);
    }
}
