//! Checking an error type that was read.

use syn::{Data, Type};

use super::source::{Case, ErrorSource};
use crate::mistakes::Mistakes;

/// Returns all mistakes in an error type.
pub(super) fn error(source: &ErrorSource<'_>) -> Mistakes {
    let mut mistakes = Mistakes::default();
    mistakes.add(&source.mistakes);
    if let (Data::Enum(_), Some(code)) = (&source.item.data, &source.code) {
        let mistake =
            "an enum has a code for each variant; write #[dasf(code = …)] on the variants";
        mistakes.report(mistake, code);
    }
    if let Data::Union(data) = &source.item.data {
        let mistake = "an error must be a struct or an enum";
        mistakes.report(mistake, &data.union_token);
    }
    for case in &source.cases {
        mistakes.add(&case.mistakes);
        check_fields(case, &mut mistakes);
    }
    check_codes(source, &mut mistakes);
    mistakes
}

/// Refuses references: a caller cannot make one.
fn check_fields(case: &Case, mistakes: &mut Mistakes) {
    for field in &case.fields {
        mistakes.add(&field.mistakes);
        if !field.is_skipped && matches!(field.ty, Type::Reference(_)) {
            let mistake = "a caller cannot make a reference from the details that it receives; use \
                           an owned type, such as `String`, or write #[dasf(skip)]";
            mistakes.report(mistake, &field.ty);
        }
    }
}

/// Refuses empty codes, and codes of several cases.
fn check_codes(source: &ErrorSource<'_>, mistakes: &mut Mistakes) {
    let ident = &source.item.ident;
    for (index, Case { code, .. }) in source.cases.iter().enumerate() {
        if code.is_empty() {
            let mistake = "the code is empty; use a word, such as \"not_found\"";
            mistakes.report(mistake, ident);
        }
        if source.cases[..index]
            .iter()
            .any(|other| other.code == *code)
        {
            let mistake = format!("two variants have the code {code:?}; change one of them");
            mistakes.report(mistake, ident);
        }
    }
}
