//! The attributes of serde on the types of a module.
//!
//! The schema is the contract, and both sides use the same type. With some attributes, serde reads
//! JSON that the schema does not describe, or writes JSON that it cannot read again. This check refuses
//! them. It also adds the tag of a struct to the schema, which `schemars` leaves out.

use darling::Error;
use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, Fields, Ident, Item, ItemMod, Lit, Meta, Path, Token, parse_quote};

use crate::conditional;
use crate::mistakes::Mistakes;
use crate::names::{Known, Names};
use crate::options::{is_member, ungrouped};

/// Checks the types that a module declares, and adds the tags of structs to their schemas.
pub(crate) fn check(items: &mut [Item], krate: &Path, errors: &mut Mistakes) {
    let names = Names::of(items, krate);
    for item in items {
        match item {
            Item::Struct(item) => {
                let Some(ty) = Type::of(&item.attrs) else {
                    continue;
                };
                ty.check_struct(&item.fields, &names, errors);
                let ident = &item.ident;
                item.attrs.extend(ty.schema_of_tag(ident, krate));
            }
            Item::Enum(item) => {
                let Some(ty) = Type::of(&item.attrs) else {
                    continue;
                };
                ty.check_container(errors);
                for variant in &item.variants {
                    let options = Options::of(&variant.attrs);
                    ty.check_variant(&variant.ident, &options, errors);
                    ty.check_fields(&variant.fields, &names, errors);
                }
            }
            Item::Mod(ItemMod {
                attrs,
                content: Some((_, items)),
                ..
            }) if !attrs
                .iter()
                .any(|attribute| is_member(attribute.path(), "module", krate)) =>
            {
                check(items, krate, errors);
            }
            _ => {}
        }
    }
}

/// A type with derives of `JsonSchema` and `Deserialize`.
struct Type {
    options: Options,
    /// Whether the type also derives `Serialize`.
    is_written: bool,
}

impl Type {
    /// Reads the attributes of a type. `None` if the type does not derive both traits, or if serde
    /// reads or writes it as another type: then the attributes of that type count.
    fn of(attributes: &[Attribute]) -> Option<Self> {
        let derives = Options::named(attributes, "derive");
        let options = Options::of(attributes);
        let is_another = ["from", "try_from", "into"]
            .iter()
            .any(|name| options.has(name));
        let is_ours = derives.has("Deserialize") && derives.has("JsonSchema") && !is_another;
        is_ours.then(|| Self {
            options,
            is_written: derives.has("Serialize"),
        })
    }

    fn check_struct(&self, fields: &Fields, names: &Names, errors: &mut Mistakes) {
        self.check_container(errors);
        self.check_fields(fields, names, errors);
        let is_strict = self.options.has("deny_unknown_fields");
        if let (Some(tag), true, true) =
            (self.options.all("tag").next(), is_strict, self.is_written)
        {
            let error = "a struct with `deny_unknown_fields` refuses the tag that it writes itself; \
                         remove one of the two";
            errors.push(Error::custom(error).with_span(&tag.meta));
        }
    }

    fn check_container(&self, errors: &mut Mistakes) {
        if !self.is_written {
            return;
        }
        for name in ["rename_all", "rename_all_fields"] {
            for option in self.options.all(name) {
                if option.differs(None) {
                    errors.push(differing_names(name, option));
                }
            }
        }
    }

    fn check_variant(&self, ident: &Ident, options: &Options, errors: &mut Mistakes) {
        check_aliases("variant", options, errors);
        if !self.is_written {
            return;
        }
        check_names(ident, options, errors);
        for option in options.all("rename_all") {
            if option.differs(None) {
                errors.push(differing_names("rename_all", option));
            }
        }
        if let (Some(option), false) = (
            options.all("skip_deserializing").next(),
            options.has("skip_serializing"),
        ) {
            let error = "the module can send this variant, but its clients cannot read it; use `skip`, \
                         or remove `skip_deserializing`";
            errors.push(Error::custom(error).with_span(&option.meta));
        }
    }

    fn check_fields(&self, fields: &Fields, names: &Names, errors: &mut Mistakes) {
        for field in fields {
            let options = Options::of(&field.attrs);
            check_aliases("field", &options, errors);
            if !self.is_written || options.has("skip") {
                continue;
            }
            match &field.ident {
                Some(ident) => check_names(ident, &options, errors),
                None => {
                    check_position(&options, errors);
                    continue;
                }
            }
            let unread = options.all("skip_deserializing").next();
            if let (Some(option), false) = (unread, options.has("skip_serializing"))
                && self.options.has("deny_unknown_fields")
            {
                let error = "this field is written, but `deny_unknown_fields` refuses it on reading; use \
                             `skip`, or remove one of the two";
                errors.push(Error::custom(error).with_span(&option.meta));
            }
            let is_optional = names
                .known(&field.ty)
                .is_some_and(|it| it.0 == Known::Option);
            // serde reads a missing `Option` as `None`, unless the user's own code reads the field.
            let is_own = options.has("with") || options.has("deserialize_with");
            let may_be_missing = unread.is_some()
                || (is_optional && !is_own)
                || self.options.has("default")
                || options.has("default")
                // The flattened type decides whether it may be missing.
                || options.has("flatten");
            if may_be_missing {
                continue;
            }
            for name in ["skip_serializing", "skip_serializing_if"] {
                for option in options.all(name) {
                    let error = format!(
                        "with `{name}`, this field can be missing in the JSON that is written, but it is \
                         required on reading; add `default`"
                    );
                    errors.push(Error::custom(error).with_span(&option.meta));
                }
            }
        }
    }

    /// Returns the attribute that adds the tag of a struct to its schema.
    fn schema_of_tag(&self, ident: &Ident, krate: &Path) -> Option<Attribute> {
        let option = self.options.all("tag").next().filter(|_| self.is_written)?;
        let tag = text_of(&option.meta)?;
        let renamed = self.options.all("rename").find_map(Named::written_name);
        let name = renamed.unwrap_or_else(|| ident.unraw().to_string());
        let transform = quote!(
            schemars(transform = #krate::__private::StructTag { tag: #tag, name: #name })
        );
        let attribute = option.under_conditions(transform);
        Some(parse_quote!(#[#attribute]))
    }
}

/// Refuses aliases: a schema cannot contain them, so a value under an alias would not be checked.
fn check_aliases(kind: &str, options: &Options, errors: &mut Mistakes) {
    for option in options.all("alias") {
        let instead = match kind {
            "field" => {
                "use `rename` for another name, or add a field of type `Option` for a second name"
            }
            _ => "use `rename` for another name, or add a variant for a second name",
        };
        let error = format!(
            "a schema cannot contain an alias, so values under it would not be checked against the \
             constraints of this {kind}; {instead}"
        );
        errors.push(Error::custom(error).with_span(&option.meta));
    }
}

/// Refuses a field or variant that serde writes under one name and reads under another.
fn check_names(ident: &Ident, options: &Options, errors: &mut Mistakes) {
    let own = ident.unraw().to_string();
    for option in options.all("rename") {
        if option.differs(Some(&own)) {
            errors.push(differing_names("rename", option));
        }
    }
}

/// Refuses to skip values in a list: a missing value would move the following ones.
fn check_position(options: &Options, errors: &mut Mistakes) {
    for name in [
        "skip_serializing",
        "skip_serializing_if",
        "skip_deserializing",
    ] {
        for option in options.all(name) {
            let error = format!(
                "with `{name}`, the list that is written has another length than the list that is read; \
                 remove it, or give the fields names"
            );
            errors.push(Error::custom(error).with_span(&option.meta));
        }
    }
}

fn differing_names(option: &str, found: &Named) -> Error {
    let error = format!(
        "clients of this module write one name and the module reads another; write `{option} = \"…\"` \
         for both"
    );
    Error::custom(error).with_span(&found.meta)
}

/// The options in the attributes of one name, also inside `cfg_attr`.
pub(crate) struct Options(Vec<Named>);

/// One option.
pub(crate) struct Named {
    pub(crate) meta: Meta,
    conditions: Vec<TokenStream>,
}

impl Options {
    /// Reads the options of serde on a type, field or variant.
    pub(crate) fn of(attributes: &[Attribute]) -> Self {
        Self::named(attributes, "serde")
    }

    /// Reads the options of attributes with a name. Invalid ones are left out: the macro that the
    /// attribute belongs to reports them.
    pub(crate) fn named(attributes: &[Attribute], name: &str) -> Self {
        let attributes = attributes
            .iter()
            .flat_map(|attribute| conditional::all(&attribute.meta));
        let mut options = Vec::new();
        for attribute in attributes.filter(|it| it.meta.path().is_ident(name)) {
            let Meta::List(list) = &attribute.meta else {
                continue;
            };
            let inner = Punctuated::<Meta, Token![,]>::parse_terminated.parse2(list.tokens.clone());
            options.extend(inner.into_iter().flatten().map(|meta| Named {
                meta,
                conditions: attribute.conditions.clone(),
            }));
        }
        Self(options)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// Returns whether there is any option.
    pub(crate) fn is_any(&self) -> bool {
        !self.0.is_empty()
    }

    /// Returns the options whose path ends with this name.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &Named> {
        let is_it = move |option: &&Named| {
            let last = option.meta.path().segments.last();
            last.is_some_and(|last| last.ident == name)
        };
        self.0.iter().filter(is_it)
    }
}

impl Named {
    /// Returns an attribute under the same conditions as this option.
    pub(crate) fn under_conditions(&self, attribute: TokenStream) -> TokenStream {
        let conditions = self.conditions.iter().rev();
        conditions.fold(
            attribute,
            |inner, condition| quote!(cfg_attr(#condition, #inner)),
        )
    }

    /// Returns the names in `rename(serialize = "…", deserialize = "…")`.
    fn names(&self) -> [Option<String>; 2] {
        let Meta::List(list) = &self.meta else {
            return [const { None }; 2];
        };
        let inner = Punctuated::<Meta, Token![,]>::parse_terminated.parse2(list.tokens.clone());
        let inner: Vec<Meta> = inner.into_iter().flatten().collect();
        ["serialize", "deserialize"].map(|name| {
            let found = inner.iter().find(|meta| meta.path().is_ident(name));
            found.and_then(text_of)
        })
    }

    /// Returns whether writing and reading use different names. `own` is the name without a `rename`.
    fn differs(&self, own: Option<&str>) -> bool {
        let [written, read] = self.names();
        written.as_deref().or(own) != read.as_deref().or(own)
    }

    /// Returns the name that serde writes.
    fn written_name(&self) -> Option<String> {
        let [written, _] = self.names();
        text_of(&self.meta).or(written)
    }
}

/// Returns the string in `name = "string"`.
fn text_of(meta: &Meta) -> Option<String> {
    let Meta::NameValue(pair) = meta else {
        return None;
    };
    match ungrouped(&pair.value) {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) => Some(text.value()),
            _ => None,
        },
        _ => None,
    }
}
