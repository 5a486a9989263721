//! Finds the intended variant of a union for an invalid value, from the errors of each variant.

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::paths::Location;
use jsonschema::{JsonType, ValidationError};
use serde_json::Value;

/// The reason why a value matches no variant of a union.
pub(super) enum Refusal<'e, 'v> {
    /// The value is meant to be a variant that has these errors.
    Variant(&'e [ValidationError<'v>]),
    /// The tag is not one of the known values. The first error contains its place and its value.
    UnknownTag {
        error: &'e ValidationError<'v>,
        known: Vec<String>,
    },
    /// The only key of the object should name the variant, but is not one of these names.
    UnknownKey { known: Vec<String> },
    /// All variants require this property.
    Missing(String),
    /// The variant cannot be found.
    Unclear,
}

/// Finds the reason why a value matches no variant of a union, from the errors of each variant. `at`
/// is the union's place in the value.
pub(super) fn judge<'e, 'v>(
    variants: &'e [Vec<ValidationError<'v>>],
    at: &Location,
) -> Refusal<'e, 'v> {
    let depth = depth(at);
    // For an optional value, report the problem of the value, not that it is not null.
    let mut open: Vec<_> = variants
        .iter()
        .filter(|errors| !only_lacks_null(errors))
        .collect();
    let narrow = |open: &mut Vec<_>, refutes: &dyn Fn(&ValidationError<'_>, usize) -> bool| {
        open.retain(|errors: &&Vec<_>| !errors.iter().any(|error| refutes(error, depth)));
    };
    if let [variant] = open[..] {
        return Refusal::Variant(variant);
    }
    narrow(&mut open, &is_of_another_type);
    if let [variant] = open[..] {
        return Refusal::Variant(variant);
    }
    // An object may have a tag: a property with one value for each variant.
    let mut tagged = open.clone();
    narrow(&mut tagged, &has_another_tag);
    match tagged[..] {
        [variant] => return Refusal::Variant(variant),
        [] => {
            let tags = open
                .iter()
                .filter_map(|errors| errors.iter().find(|error| has_another_tag(error, depth)));
            let tags: Vec<_> = tags.collect();
            let Some(&error) = tags.first() else {
                return Refusal::Unclear;
            };
            // If the errors have different places, none of them is the tag.
            if tags
                .iter()
                .any(|tag| tag.instance_path() != error.instance_path())
            {
                return Refusal::Unclear;
            }
            let known = tags.iter().flat_map(|tag| values(tag)).collect();
            return Refusal::UnknownTag { error, known };
        }
        _ => {}
    }
    // Otherwise the object may have only one key, which names the variant.
    let mut keyed = tagged.clone();
    keyed.retain(|errors| !lacks_its_only_key(errors, depth));
    match keyed[..] {
        [variant] => return Refusal::Variant(variant),
        [] => {
            let known = tagged.iter().flat_map(|errors| missing(errors, depth));
            return Refusal::UnknownKey {
                known: known.map(|name| format!("{name:?}")).collect(),
            };
        }
        _ => {}
    }
    let mut lists = keyed.iter().map(|errors| missing(errors, depth));
    let first = lists.next().unwrap_or_default();
    let rest: Vec<_> = lists.collect();
    let mut common = first
        .into_iter()
        .filter(|name| rest.iter().all(|names| names.contains(name)));
    common
        .next()
        .map_or(Refusal::Unclear, |name| Refusal::Missing(name.to_owned()))
}

/// Returns whether the only error of a variant is that the value is not null.
fn only_lacks_null(errors: &[ValidationError<'_>]) -> bool {
    let [error] = errors else { return false };
    matches!(
        error.kind(),
        ValidationErrorKind::Type {
            kind: TypeKind::Single(JsonType::Null)
        }
    )
}

fn depth(path: &Location) -> usize {
    path.segments().count()
}

fn is_of_another_type(error: &ValidationError<'_>, depth: usize) -> bool {
    matches!(error.kind(), ValidationErrorKind::Type { .. })
        && self::depth(error.instance_path()) == depth
}

/// Returns whether the value or one of its properties differs from the fixed value of the variant.
fn has_another_tag(error: &ValidationError<'_>, depth: usize) -> bool {
    let is_tag = match error.kind() {
        ValidationErrorKind::Constant { .. } => true,
        ValidationErrorKind::Enum { options } => options.as_array().is_some_and(|it| it.len() == 1),
        _ => false,
    };
    is_tag && self::depth(error.instance_path()) <= depth + 1
}

/// Returns the expected values of the error, as JSON.
fn values(error: &ValidationError<'_>) -> Vec<String> {
    match error.kind() {
        ValidationErrorKind::Constant { expected_value } => vec![expected_value.to_string()],
        ValidationErrorKind::Enum { options } => {
            let options = options.as_array().into_iter().flatten();
            options.map(Value::to_string).collect()
        }
        _ => Vec::new(),
    }
}

/// Returns whether an object has another key instead of the variant's only key.
fn lacks_its_only_key(errors: &[ValidationError<'_>], depth: usize) -> bool {
    let has_another = errors.iter().any(|error| {
        matches!(
            error.kind(),
            ValidationErrorKind::AdditionalProperties { .. }
        ) && self::depth(error.instance_path()) == depth
    });
    has_another && missing(errors, depth).len() == 1
}

/// Returns the missing properties of the value itself.
fn missing<'e>(errors: &'e [ValidationError<'_>], depth: usize) -> Vec<&'e str> {
    let missing = errors.iter().filter_map(|error| match error.kind() {
        ValidationErrorKind::Required { property }
            if self::depth(error.instance_path()) == depth =>
        {
            property.as_str()
        }
        _ => None,
    });
    missing.collect()
}
