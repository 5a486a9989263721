//! Reading the attributes of an error type.

use darling::FromMeta;
use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::{Attribute, Data, DeriveInput, Fields, Ident, LitStr, Path, Variant, parse_quote};

use super::source::{Case, ErrorSource, Field};
use crate::attributes::{Options, Target, take_options};
use crate::identifiers::snake_case;
use crate::mistakes::Mistakes;
use crate::types::ValueKind;

/// `#[dasf(…)]` on the type.
#[derive(Debug, Default, FromMeta)]
#[darling(default)]
struct TypeOptions {
    code: Option<LitStr>,
    #[darling(rename = "crate")]
    krate: Option<Path>,
}

/// `#[dasf(…)]` on a variant.
#[derive(Debug, Default, FromMeta)]
#[darling(default)]
struct VariantOptions {
    code: Option<LitStr>,
}

/// `#[dasf(…)]` on a field.
#[derive(Debug, Default, FromMeta)]
#[darling(default)]
struct FieldOptions {
    skip: bool,
}

impl Options for TypeOptions {
    const TARGET: Target = Target::Error;
}

impl Options for VariantOptions {
    const TARGET: Target = Target::ErrorVariant;
}

impl Options for FieldOptions {
    const TARGET: Target = Target::ErrorField;
}

/// Reads a type with the derive.
pub(super) fn error(item: &DeriveInput) -> ErrorSource<'_> {
    let mut mistakes = Mistakes::default();
    let options: TypeOptions = read(&item.attrs, &mut mistakes);
    let cases = match &item.data {
        Data::Struct(data) => vec![case(
            &item.ident,
            quote!(Self),
            options.code.as_ref(),
            &data.fields,
            Mistakes::default(),
        )],
        Data::Enum(data) => data.variants.iter().map(variant).collect(),
        Data::Union(_) => Vec::new(),
    };
    ErrorSource {
        item,
        code: options.code,
        krate: options.krate.unwrap_or_else(|| parse_quote!(::dasf)),
        cases,
        mistakes,
    }
}

fn variant(variant: &Variant) -> Case {
    let mut mistakes = Mistakes::default();
    let options: VariantOptions = read(&variant.attrs, &mut mistakes);
    let ident = &variant.ident;
    let path = quote!(Self::#ident);
    case(
        ident,
        path,
        options.code.as_ref(),
        &variant.fields,
        mistakes,
    )
}

fn case(
    ident: &Ident,
    path: TokenStream,
    code: Option<&LitStr>,
    fields: &Fields,
    mistakes: Mistakes,
) -> Case {
    let all = fields.iter().zip(fields.members());
    let all = all.map(|(field, member)| {
        let mut mistakes = Mistakes::default();
        let options: FieldOptions = read(&field.attrs, &mut mistakes);
        Field {
            member,
            ty: field.ty.clone(),
            is_skipped: options.skip,
            mistakes,
        }
    });
    Case {
        code: match code {
            Some(code) => code.value(),
            None => snake_case(&ident.unraw().to_string()),
        },
        path,
        fields: all.collect(),
        is_named: matches!(fields, Fields::Named(_)),
        mistakes,
    }
}

fn read<T: Options + Default>(attributes: &[Attribute], mistakes: &mut Mistakes) -> T {
    let options = take_options(&mut attributes.to_vec(), ValueKind::Unknown);
    mistakes.handle(options).flatten().unwrap_or_default()
}
