//! Types of other crates that implement the needed traits only with certain features.

use quote::format_ident;
use syn::{Ident, Type};

use super::path::type_path;

/// A crate, and its types that can be arguments and results.
struct Crate {
    /// The name in paths.
    name: &'static str,
    /// The name of its messages in `dasf::__private::crates`.
    messages: &'static str,
    /// Types that are recognised without a path before them.
    types: &'static [&'static str],
    /// Types with common names, which are recognised only with a path before them.
    common: &'static [&'static str],
}

const CRATES: [Crate; 9] = [
    Crate {
        name: "bytes",
        messages: "Bytes",
        types: &["Bytes", "BytesMut"],
        common: &[],
    },
    Crate {
        name: "chrono",
        messages: "Chrono",
        types: &["DateTime", "NaiveDate", "NaiveDateTime", "NaiveTime"],
        common: &["Weekday"],
    },
    Crate {
        name: "indexmap",
        messages: "IndexMap",
        types: &["IndexMap", "IndexSet"],
        common: &[],
    },
    Crate {
        name: "jiff",
        messages: "Jiff",
        types: &["Zoned"],
        common: &["Timestamp", "Span", "SignedDuration"],
    },
    Crate {
        name: "ndarray",
        messages: "Ndarray",
        types: &[
            "Array1", "Array2", "Array3", "Array4", "Array5", "Array6", "ArrayD",
        ],
        common: &["Array"],
    },
    Crate {
        name: "rust_decimal",
        messages: "RustDecimal",
        types: &["Decimal"],
        common: &[],
    },
    Crate {
        name: "time",
        messages: "Time",
        types: &["OffsetDateTime", "PrimitiveDateTime"],
        common: &["Date", "Time"],
    },
    Crate {
        name: "url",
        messages: "Url",
        types: &["Url"],
        common: &[],
    },
    Crate {
        name: "uuid",
        messages: "Uuid",
        types: &["Uuid"],
        common: &[],
    },
];

/// Returns the name of the messages for a type, if it is one of a known crate as far as its tokens
/// show.
pub(crate) fn foreign_messages(ty: &Type) -> Option<Ident> {
    let segments = &type_path(ty)?.path.segments;
    let name = segments.last()?.ident.to_string();
    let first = segments.first()?.ident.to_string();
    let is_of = |it: &&Crate| {
        let is_named = it.types.contains(&name.as_str());
        match segments.len() {
            1 => is_named,
            _ => first == it.name && (is_named || it.common.contains(&name.as_str())),
        }
    };
    let found = CRATES.iter().find(is_of)?;
    Some(format_ident!("{}", found.messages))
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    #[test]
    fn a_type_of_a_known_crate_is_recognised() {
        for (ty, expected) in [
            (parse_quote!(chrono::DateTime<chrono::Utc>), Some("Chrono")),
            (parse_quote!(DateTime<Utc>), Some("Chrono")),
            (parse_quote!(::uuid::Uuid), Some("Uuid")),
            (parse_quote!(time::Date), Some("Time")),
            (parse_quote!(Date), None),
            (parse_quote!(mine::Url), None),
            (parse_quote!(Vec<Url>), None),
            (parse_quote!((Url, Url)), None),
        ] {
            let found = foreign_messages(&ty).map(|messages| messages.to_string());
            assert_eq!(found.as_deref(), expected);
        }
    }
}
