//! `#[derive(dasf::IntoError)]`.

use darling::{Error, FromMeta, Result};
use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Fields, Ident, LitStr, Path, Type, parse_quote};

use crate::constraints::Kind;
use crate::mistakes::Mistakes;
use crate::model::snake_case;
use crate::options::{self, Options, Place};

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
    const PLACE: Place = Place::Error;
}

impl Options for VariantOptions {
    const PLACE: Place = Place::ErrorVariant;
}

impl Options for FieldOptions {
    const PLACE: Place = Place::ErrorField;
}

/// A kind of the error: a variant, or the struct itself.
struct Case {
    code: String,
    /// The constructor, such as `Self::ByZero`.
    path: TokenStream,
    /// The names of the fields, or their numbers.
    members: Vec<syn::Member>,
    types: Vec<Type>,
    skipped: Vec<bool>,
    /// The fields have names.
    is_named: bool,
}

pub(crate) fn expand(item: &DeriveInput) -> Result<TokenStream> {
    let mut mistakes = Mistakes::default();
    let options: TypeOptions = read(&item.attrs, &mut mistakes);
    let krate = options.krate.unwrap_or_else(|| parse_quote!(::dasf));
    let cases = match &item.data {
        Data::Struct(data) => vec![case(
            &item.ident,
            options.code.as_ref(),
            quote!(Self),
            &data.fields,
            &mut mistakes,
        )],
        Data::Enum(data) => {
            if let Some(code) = &options.code {
                let error =
                    "an enum has a code for each variant; write #[dasf(code = …)] on the variants";
                mistakes.push(Error::custom(error).with_span(code));
            }
            let variants = data.variants.iter();
            variants
                .map(|variant| {
                    let options: VariantOptions = read(&variant.attrs, &mut mistakes);
                    let ident = &variant.ident;
                    let code = options.code.as_ref();
                    case(
                        ident,
                        code,
                        quote!(Self::#ident),
                        &variant.fields,
                        &mut mistakes,
                    )
                })
                .collect()
        }
        Data::Union(data) => {
            let error = "an error must be a struct or an enum";
            mistakes.push(Error::custom(error).with_span(&data.union_token));
            Vec::new()
        }
    };
    check_codes(item, &cases, &mut mistakes);
    mistakes.finish()?;
    let ident = &item.ident;
    let (generics, parameters, bounds) = item.generics.split_for_impl();
    // The compiler accepts an empty `match` on a value, but not on a reference.
    let value = if cases.is_empty() {
        quote!(*self)
    } else {
        quote!(self)
    };
    let codes = cases.iter().map(|case| {
        let (path, code) = (&case.path, &case.code);
        quote!(#path { .. } => ::std::borrow::Cow::Borrowed(#code),)
    });
    let details = cases.iter().map(details);
    let parts = cases.iter().map(from_parts);
    Ok(quote! {
        #[automatically_derived]
        impl #generics #krate::IntoError for #ident #parameters #bounds {
            fn code(&self) -> ::std::borrow::Cow<'static, str> {
                match #value { #(#codes)* }
            }

            fn details(&self) -> #krate::__private::Value {
                use #krate::__private as __p;
                match #value { #(#details)* }
            }

            fn from_parts(
                code: &str,
                details: &#krate::__private::Value,
            ) -> ::core::option::Option<Self> {
                use #krate::__private as __p;
                match code {
                    #(#parts)*
                    _ => ::core::option::Option::None,
                }
            }
        }
    })
}

fn read<T: Options + Default>(attributes: &[Attribute], mistakes: &mut Mistakes) -> T {
    let options = options::take_options(&mut attributes.to_vec(), Kind::Unknown);
    mistakes.handle(options).flatten().unwrap_or_default()
}

fn case(
    ident: &Ident,
    code: Option<&LitStr>,
    path: TokenStream,
    fields: &Fields,
    mistakes: &mut Mistakes,
) -> Case {
    let skipped = fields.iter().map(|field| {
        let options: FieldOptions = read(&field.attrs, mistakes);
        if !options.skip && matches!(field.ty, Type::Reference(_)) {
            let error = "a caller cannot make a reference from the details that it receives; use an \
                         owned type, such as `String`, or write #[dasf(skip)]";
            mistakes.push(Error::custom(error).with_span(&field.ty));
        }
        options.skip
    });
    Case {
        skipped: skipped.collect(),
        code: match code {
            Some(code) => code.value(),
            None => snake_case(&ident.unraw().to_string()),
        },
        path,
        members: fields.members().collect(),
        types: fields.iter().map(|field| field.ty.clone()).collect(),
        is_named: matches!(fields, Fields::Named(_)),
    }
}

/// Refuses empty codes, and codes of several cases.
fn check_codes(item: &DeriveInput, cases: &[Case], mistakes: &mut Mistakes) {
    for (index, case) in cases.iter().enumerate() {
        if case.code.is_empty() {
            let error = "the code is empty; use a word, such as \"not_found\"";
            mistakes.push(Error::custom(error).with_span(&item.ident));
        }
        if cases[..index].iter().any(|other| other.code == case.code) {
            let error = format!(
                "two variants have the code {:?}; change one of them",
                case.code
            );
            mistakes.push(Error::custom(error).with_span(&item.ident));
        }
    }
}

/// Returns the name of a field in the details.
fn key(member: &syn::Member) -> String {
    match member {
        syn::Member::Named(ident) => ident.unraw().to_string(),
        syn::Member::Unnamed(index) => index.index.to_string(),
    }
}

/// Writes the code for the details of a case: an object of the fields that are sent, a list if the
/// fields have no names, or null if there are none.
fn details(case: &Case) -> TokenStream {
    let path = &case.path;
    let sent: Vec<usize> = (0..case.members.len())
        .filter(|&index| !case.skipped[index])
        .collect();
    if sent.is_empty() {
        return quote!(#path { .. } => ::core::default::Default::default(),);
    }
    let locals: Vec<Ident> = sent
        .iter()
        .map(|index| format_ident!("field_{index}"))
        .collect();
    let written: Vec<TokenStream> = sent
        .iter()
        .zip(&locals)
        .map(|(&index, local)| {
            let ty = &case.types[index];
            quote_spanned!(ty.span()=> __p::details_of::<#ty>(#local))
        })
        .collect();
    let members = sent.iter().map(|&index| &case.members[index]);
    let made = if case.is_named {
        let keys = sent.iter().map(|&index| key(&case.members[index]));
        quote! {
            ::core::iter::FromIterator::from_iter([#(
                (::core::convert::Into::<::std::string::String>::into(#keys), #written)
            ),*])
        }
    } else {
        quote!(::core::iter::FromIterator::from_iter([#(#written),*]))
    };
    quote! {
        #path { #(#members: #locals,)* .. } => #made,
    }
}

/// Writes the code that makes a case from its details. It makes no case with a field that is not
/// sent.
fn from_parts(case: &Case) -> TokenStream {
    let (code, path) = (&case.code, &case.path);
    if case.skipped.contains(&true) {
        return quote!(#code => ::core::option::Option::None,);
    }
    let fields = case.members.iter().zip(&case.types).enumerate();
    let fields = fields.map(|(index, (member, ty))| {
        let value = if case.is_named {
            let key = key(member);
            quote!(details.get(#key))
        } else {
            quote!(details.get(#index))
        };
        let detail = quote_spanned!(ty.span()=> __p::detail::<#ty>);
        quote!(#member: #detail(#value)?)
    });
    quote!(#code => ::core::option::Option::Some(#path { #(#fields),* }),)
}
