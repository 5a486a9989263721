//! The crate `jsonschema`, with the judgement of unions by all errors of all variants.

use std::fmt::Write;

use dasf_pattern::to_rust;
use dasf_schema::{Draft, Options};
use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::paths::{Location, LocationSegment};
use jsonschema::{JsonType, Keyword, PatternOptions, ValidationError};
use regex::Regex;
use serde_json::{Value, json};

/// The maximum length of a value that a problem quotes.
const MAX_QUOTED: usize = 80;
/// The maximum depth of a value whose errors the oracle lists: their number grows exponentially.
pub(crate) const MAX_DEPTH: usize = 8;

pub(crate) struct Oracle(jsonschema::Validator);

impl Oracle {
    pub(crate) fn new(schema: &Value, options: Options) -> Result<Self, String> {
        let draft = match options.draft {
            Draft::Draft201909 => jsonschema::Draft::Draft201909,
            Draft::Draft202012 => jsonschema::Draft::Draft202012,
        };
        let mut schema = schema.clone();
        translate_names(&mut schema)?;
        add_float_bounds(&mut schema);
        check_required_apart(&mut schema);
        jsonschema::options()
            .with_draft(draft)
            .should_validate_formats(options.checks_formats)
            .with_format("date-time", is_date_time)
            .with_format("partial-date-time", |text: &str| {
                text.get(10..11) == Some("T") && is_date_time(&format!("{text}Z"))
            })
            .with_format("partial-time", |text: &str| {
                let seconds = if text.len() == 5 { ":00" } else { "" };
                is_date_time(&format!("1970-01-01T{text}{seconds}Z"))
            })
            .with_pattern_options(PatternOptions::regex())
            .with_keyword("pattern", |_, pattern, _| {
                let source = pattern.as_str().unwrap_or_default();
                let rust = to_rust(source)
                    .map_err(|mistake| ValidationError::custom(mistake.to_string()))?;
                let engine = Regex::new(&rust)
                    .map_err(|error| ValidationError::custom(error.to_string()))?;
                Ok(Box::new(Pattern {
                    source: source.to_owned(),
                    engine,
                }))
            })
            .build(&schema)
            .map(Self)
            .map_err(|error| error.to_string())
    }

    pub(crate) fn accepts(&self, value: &Value) -> bool {
        self.0.is_valid(value)
    }

    /// Returns the problems as paths and messages.
    pub(crate) fn problems(&self, value: &Value, prefix: &str) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        for error in self.0.iter_errors(value) {
            collect(&error, prefix, &mut problems);
        }
        problems
    }
}

/// Dates and times have no leap seconds.
fn is_date_time(text: &str) -> bool {
    let known = json!({"format": "date-time"});
    let options = jsonschema::options().should_validate_formats(true);
    let is_known = options.build(&known).unwrap().is_valid(&Value::from(text));
    is_known && text.get(16..19) != Some(":60")
}

struct Pattern {
    source: String,
    engine: Regex,
}

impl<'i> Keyword<'i> for Pattern {
    fn validate(&self, value: &'i Value) -> Result<(), ValidationError<'i>> {
        if self.is_valid(value) {
            return Ok(());
        }
        let source = &self.source;
        Err(ValidationError::custom(match value.as_str() {
            Some(text) if text.len() > MAX_QUOTED => {
                format!("the value does not match \"{source}\"")
            }
            _ => format!("{value} does not match \"{source}\""),
        }))
    }

    fn is_valid(&self, value: &'i Value) -> bool {
        value.as_str().is_none_or(|text| self.engine.is_match(text))
    }
}

/// Translates the patterns for names of properties.
fn translate_names(schema: &mut Value) -> Result<(), String> {
    match schema {
        Value::Array(schemas) => schemas.iter_mut().try_for_each(translate_names),
        Value::Object(fields) => {
            for (keyword, value) in fields {
                match (keyword.as_str(), value) {
                    ("default" | "const" | "enum" | "examples", _) => {}
                    ("patternProperties", Value::Object(schemas)) => {
                        for (pattern, mut schema) in std::mem::take(schemas) {
                            translate_names(&mut schema)?;
                            let pattern = to_rust(&pattern).map_err(|it| it.to_string())?;
                            schemas.insert(pattern, schema);
                        }
                    }
                    (_, part) => translate_names(part)?,
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Adds the bounds of floats of 32 bits.
fn add_float_bounds(schema: &mut Value) {
    const LIMIT: f64 = 3.402_823_567_797_336_6e38;
    match schema {
        Value::Array(parts) => parts.iter_mut().for_each(add_float_bounds),
        Value::Object(parts) => {
            for (keyword, part) in parts.iter_mut() {
                if !matches!(keyword.as_str(), "const" | "default" | "enum" | "examples") {
                    add_float_bounds(part);
                }
            }
            let is = |keyword: &str, value: &str| parts.get(keyword).is_some_and(|it| it == value);
            if is("type", "number") && is("format", "float") {
                parts.entry("exclusiveMinimum").or_insert((-LIMIT).into());
                parts.entry("exclusiveMaximum").or_insert(LIMIT.into());
            }
        }
        _ => {}
    }
}

/// Moves required names out of objects that allow no additional properties. There, `jsonschema` reports a
/// required name without a schema as missing even if it is there.
fn check_required_apart(schema: &mut Value) {
    match schema {
        Value::Array(parts) => parts.iter_mut().for_each(check_required_apart),
        Value::Object(parts) => {
            for (keyword, part) in parts.iter_mut() {
                if !matches!(keyword.as_str(), "const" | "default" | "enum" | "examples") {
                    check_required_apart(part);
                }
            }
            let is_closed = parts.get("additionalProperties") == Some(&false.into());
            let has_names = parts.get("required").is_some_and(Value::is_array);
            let has_room = parts.get("allOf").is_none_or(Value::is_array);
            if is_closed && has_names && has_room {
                let required = parts.remove("required");
                let all = parts.entry("allOf").or_insert_with(|| json!([]));
                if let Value::Array(all) = all {
                    all.push(json!({"required": required}));
                }
            }
        }
        _ => {}
    }
}

/// Returns whether lists and objects are nested deeper than a number of levels.
pub(crate) fn is_deeper(value: &Value, levels: usize) -> bool {
    let inner = |levels: usize| move |value: &Value| is_deeper(value, levels);
    match (value, levels.checked_sub(1)) {
        (Value::Array(_) | Value::Object(_), None) => true,
        (Value::Array(items), Some(levels)) => items.iter().any(inner(levels)),
        (Value::Object(fields), Some(levels)) => fields.values().any(inner(levels)),
        _ => false,
    }
}

fn collect(error: &ValidationError<'_>, prefix: &str, problems: &mut Vec<(String, String)>) {
    let path = dotted(error.instance_path(), prefix);
    let message = match error.kind() {
        ValidationErrorKind::Required { property } => {
            problems.push(missing(&path, property.as_str().unwrap_or_default()));
            return;
        }
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            match judge(context, error.instance_path()) {
                Refusal::Variant(errors) => {
                    for error in errors {
                        collect(error, prefix, problems);
                    }
                    return;
                }
                Refusal::Missing(property) => {
                    problems.push(missing(&path, &property));
                    return;
                }
                Refusal::UnknownTag { error, known } => {
                    let tag = dotted(error.instance_path(), prefix);
                    let found = shown(error.instance().as_ref());
                    problems.push((tag, none_of(&found, known)));
                    return;
                }
                Refusal::UnknownKey { known } => {
                    let key = error.instance().as_object().and_then(|it| it.keys().next());
                    let key = Value::from(key.map(String::as_str).unwrap_or_default());
                    none_of(&shown(&key), known)
                }
                Refusal::Unclear => format!("matches none of the {} forms allowed", context.len()),
            }
        }
        _ => quote(error),
    };
    problems.push((path, message));
}

fn missing(path: &str, property: &str) -> (String, String) {
    let dot = if path.is_empty() || path.ends_with('.') {
        ""
    } else {
        "."
    };
    (format!("{path}{dot}{property}"), "is required".to_owned())
}

fn none_of(found: &str, known: Vec<String>) -> String {
    match <[String; 1]>::try_from(known) {
        Ok([only]) => format!("{found} is not {only}"),
        Err(mut known) => {
            let last = known.pop().unwrap_or_default();
            format!("{found} is not one of {} or {last}", known.join(", "))
        }
    }
}

fn shown(value: &Value) -> String {
    if is_long(value) {
        "the value".to_owned()
    } else {
        value.to_string()
    }
}

fn quote(error: &ValidationError<'_>) -> String {
    let long = match error.instance().as_ref() {
        Value::String(text) => text.len() > MAX_QUOTED,
        Value::Array(items) => items.len() > MAX_QUOTED / 4 || is_long(error.instance()),
        Value::Object(_) => is_long(error.instance()),
        _ => false,
    };
    if long {
        error.masked_with("the value").to_string()
    } else {
        error.to_string()
    }
}

fn is_long(value: &Value) -> bool {
    value.to_string().len() > MAX_QUOTED
}

fn dotted(location: &Location, prefix: &str) -> String {
    let mut path = prefix.to_owned();
    for segment in location {
        match segment {
            LocationSegment::Index(index) => {
                let _ = write!(path, "[{index}]");
            }
            LocationSegment::Property(name) => {
                if !path.is_empty() && !path.ends_with('.') {
                    path.push('.');
                }
                path.push_str(&name);
            }
        }
    }
    path
}

/// The reason why a value matches no variant of a union.
enum Refusal<'e, 'v> {
    Variant(&'e [ValidationError<'v>]),
    UnknownTag {
        error: &'e ValidationError<'v>,
        known: Vec<String>,
    },
    UnknownKey {
        known: Vec<String>,
    },
    Missing(String),
    Unclear,
}

fn judge<'e, 'v>(variants: &'e [Vec<ValidationError<'v>>], at: &Location) -> Refusal<'e, 'v> {
    let depth = depth(at);
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
    let mut keyed = tagged.clone();
    keyed.retain(|errors| !lacks_its_only_key(errors, depth));
    match keyed[..] {
        [variant] => return Refusal::Variant(variant),
        [] => {
            let known = tagged.iter().flat_map(|errors| missing_of(errors, depth));
            return Refusal::UnknownKey {
                known: known.map(|name| format!("{name:?}")).collect(),
            };
        }
        _ => {}
    }
    let mut lists = keyed.iter().map(|errors| missing_of(errors, depth));
    let first = lists.next().unwrap_or_default();
    let rest: Vec<_> = lists.collect();
    let mut common = first
        .into_iter()
        .filter(|name| rest.iter().all(|names| names.contains(name)));
    common
        .next()
        .map_or(Refusal::Unclear, |name| Refusal::Missing(name.to_owned()))
}

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

fn has_another_tag(error: &ValidationError<'_>, depth: usize) -> bool {
    let is_tag = match error.kind() {
        ValidationErrorKind::Constant { .. } => true,
        ValidationErrorKind::Enum { options } => options.as_array().is_some_and(|it| it.len() == 1),
        _ => false,
    };
    is_tag && self::depth(error.instance_path()) <= depth + 1
}

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

fn lacks_its_only_key(errors: &[ValidationError<'_>], depth: usize) -> bool {
    let has_another = errors.iter().any(|error| {
        matches!(
            error.kind(),
            ValidationErrorKind::AdditionalProperties { .. }
        ) && self::depth(error.instance_path()) == depth
    });
    has_another && missing_of(errors, depth).len() == 1
}

fn missing_of<'e>(errors: &'e [ValidationError<'_>], depth: usize) -> Vec<&'e str> {
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
