//! Checking the attributes of serde on the types of a module.
//!
//! The schema is the contract, and both sides use the same type. With some attributes, serde reads
//! JSON that the schema does not describe, or writes JSON that it cannot read again. This check refuses
//! them.

use syn::ext::IdentExt;
use syn::{Fields, Ident, Item, ItemMod, Path};

use crate::attributes::{MacroOption, MacroOptions, SerdeType, is_dasf_attribute};
use crate::mistakes::Mistakes;
use crate::types::{KnownType, TypeNames};

/// Checks the types that a module declares.
pub(super) fn check(items: &[Item], krate: &Path, mistakes: &mut Mistakes) {
    let names = TypeNames::of(items, krate);
    for item in items {
        match item {
            Item::Struct(item) => {
                let Some(ty) = SerdeType::of(&item.attrs) else {
                    continue;
                };
                ty.check_struct(&item.fields, &names, mistakes);
            }
            Item::Enum(item) => {
                let Some(ty) = SerdeType::of(&item.attrs) else {
                    continue;
                };
                ty.check_container(mistakes);
                for variant in &item.variants {
                    let options = MacroOptions::serde(&variant.attrs);
                    ty.check_variant(&variant.ident, &options, mistakes);
                    ty.check_fields(&variant.fields, &names, mistakes);
                }
            }
            Item::Mod(ItemMod {
                attrs,
                content: Some((_, items)),
                ..
            }) if !attrs
                .iter()
                .any(|attribute| is_dasf_attribute(attribute.path(), "module", krate)) =>
            {
                check(items, krate, mistakes);
            }
            _ => {}
        }
    }
}

impl SerdeType {
    fn check_struct(&self, fields: &Fields, names: &TypeNames, mistakes: &mut Mistakes) {
        self.check_container(mistakes);
        self.check_fields(fields, names, mistakes);
        let is_strict = self.options.has("deny_unknown_fields");
        if let (Some(tag), true, true) =
            (self.options.all("tag").next(), is_strict, self.is_written)
        {
            let mistake = "a struct with `deny_unknown_fields` refuses the tag that it writes \
                           itself; remove one of the two";
            mistakes.report(mistake, &tag.meta);
        }
    }

    fn check_container(&self, mistakes: &mut Mistakes) {
        if !self.is_written {
            return;
        }
        for name in ["rename_all", "rename_all_fields"] {
            for option in self.options.all(name) {
                if option.differs(None) {
                    report_differing_names(name, option, mistakes);
                }
            }
        }
    }

    fn check_variant(&self, ident: &Ident, options: &MacroOptions, mistakes: &mut Mistakes) {
        check_aliases("variant", options, mistakes);
        if !self.is_written {
            return;
        }
        check_names(ident, options, mistakes);
        for option in options.all("rename_all") {
            if option.differs(None) {
                report_differing_names("rename_all", option, mistakes);
            }
        }
        if let (Some(option), false) = (
            options.all("skip_deserializing").next(),
            options.has("skip_serializing"),
        ) {
            let mistake = "the module can send this variant, but its clients cannot read it; use \
                           `skip`, or remove `skip_deserializing`";
            mistakes.report(mistake, &option.meta);
        }
    }

    fn check_fields(&self, fields: &Fields, names: &TypeNames, mistakes: &mut Mistakes) {
        for field in fields {
            let options = MacroOptions::serde(&field.attrs);
            check_aliases("field", &options, mistakes);
            if !self.is_written || options.has("skip") {
                continue;
            }
            match &field.ident {
                Some(ident) => check_names(ident, &options, mistakes),
                None => {
                    check_position(&options, mistakes);
                    continue;
                }
            }
            let unread = options.all("skip_deserializing").next();
            if let (Some(option), false) = (unread, options.has("skip_serializing"))
                && self.options.has("deny_unknown_fields")
            {
                let mistake = "this field is written, but `deny_unknown_fields` refuses it on \
                               reading; use `skip`, or remove one of the two";
                mistakes.report(mistake, &option.meta);
            }
            let is_optional = names
                .known(&field.ty)
                .is_some_and(|it| it.0 == KnownType::Option);
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
                    let mistake = format!(
                        "with `{name}`, this field can be missing in the JSON that is written, but it is \
                         required on reading; add `default`"
                    );
                    mistakes.report(mistake, &option.meta);
                }
            }
        }
    }
}

/// Refuses aliases: a schema cannot contain them, so a value under an alias would not be checked.
fn check_aliases(kind: &str, options: &MacroOptions, mistakes: &mut Mistakes) {
    for option in options.all("alias") {
        let instead = match kind {
            "field" => {
                "use `rename` for another name, or add a field of type `Option` for a second name"
            }
            _ => "use `rename` for another name, or add a variant for a second name",
        };
        let mistake = format!(
            "a schema cannot contain an alias, so values under it would not be checked against the \
             constraints of this {kind}; {instead}"
        );
        mistakes.report(mistake, &option.meta);
    }
}

/// Refuses a field or variant that serde writes under one name and reads under another.
fn check_names(ident: &Ident, options: &MacroOptions, mistakes: &mut Mistakes) {
    let own = ident.unraw().to_string();
    for option in options.all("rename") {
        if option.differs(Some(&own)) {
            report_differing_names("rename", option, mistakes);
        }
    }
}

/// Refuses to skip values in a list: a missing value would move the following ones.
fn check_position(options: &MacroOptions, mistakes: &mut Mistakes) {
    for name in [
        "skip_serializing",
        "skip_serializing_if",
        "skip_deserializing",
    ] {
        for option in options.all(name) {
            let mistake = format!(
                "with `{name}`, the list that is written has another length than the list that is read; \
                 remove it, or give the fields names"
            );
            mistakes.report(mistake, &option.meta);
        }
    }
}

fn report_differing_names(name: &str, option: &MacroOption, mistakes: &mut Mistakes) {
    let mistake = format!(
        "clients of this module write one name and the module reads another; write `{name} = \"…\"` \
         for both"
    );
    mistakes.report(mistake, &option.meta);
}
