//! The message about an unknown option, with the option that the user probably means.

use super::target::Target;
use crate::types::ValueKind;

/// Returns the mistake of an option that does not exist for a target, about a value of this kind.
pub(super) fn unknown_option(target: Target, name: &str, kind: ValueKind) -> String {
    let here = target.name();
    let takes_constraints = matches!(target, Target::Argument | Target::Returns);
    if takes_constraints && let Some(meant) = constraint_meant(name, kind) {
        return format!("unknown option `{name}`; {meant}");
    }
    let mut targets = Target::ALL.into_iter();
    if let Some(other) = targets.find(|other| other.option(name).is_some()) {
        return format!("`{name}` is an option of {}, not of {here}", other.name());
    }
    /// The least likeness of two names for a suggestion, from 0 to 1.
    const LIKENESS: f64 = 0.75;
    let names: Vec<&str> = target.options().map(|(name, _)| name).collect();
    let likeness = |option: &&&str| strsim::jaro_winkler(name, option);
    let closest = names
        .iter()
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    match closest.filter(|option| likeness(option) > LIKENESS) {
        Some(closest) => format!("unknown option `{name}`; did you mean `{closest}`?"),
        None => {
            let names = names.join("`, `");
            format!("unknown option `{name}`; {here} takes `{names}`")
        }
    }
}

/// Returns the constraint that is meant by its name in JSON Schema, Python or another crate.
fn constraint_meant(name: &str, kind: ValueKind) -> Option<String> {
    let [number, string, list] = match name.to_lowercase().replace('_', "").as_str() {
        "min" | "minimum" | "minvalue" => [
            "`ge` (greater than or equal to)",
            "`min_length`",
            "`min_items`",
        ],
        "max" | "maximum" | "maxvalue" => [
            "`le` (less than or equal to)",
            "`max_length`",
            "`max_items`",
        ],
        "exclusivemin" | "exclusiveminimum" => ["`gt` (greater than)", "", ""],
        "exclusivemax" | "exclusivemaximum" => ["`lt` (less than)", "", ""],
        "gte" => ["`ge` (greater than or equal to)", "", ""],
        "lte" => ["`le` (less than or equal to)", "", ""],
        "step" => ["`multiple_of`", "", ""],
        "len" | "length" => [
            "",
            "`min_length` and `max_length`",
            "`min_items` and `max_items`",
        ],
        "regex" => ["", "`pattern`", ""],
        _ => return None,
    };
    let meant = match kind {
        ValueKind::Number => number,
        ValueKind::String | ValueKind::Char => string,
        ValueKind::List => list,
        ValueKind::Boolean | ValueKind::NotData => "",
        ValueKind::Unknown => {
            let all = [(number, "a number"), (string, "a string"), (list, "a list")];
            let known = all.into_iter().filter(|(option, _)| !option.is_empty());
            let known: Vec<_> = known.collect();
            if let [(only, _)] = *known.as_slice() {
                only
            } else {
                let known = known
                    .iter()
                    .map(|(option, values)| format!("{option} for {values}"));
                return Some(format!("use {}", known.collect::<Vec<_>>().join(", ")));
            }
        }
    };
    Some(if meant.is_empty() {
        let (values, options) = kind.words();
        format!("{values} take {options}")
    } else {
        format!("did you mean {meant}?")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attributes::option_value::OptionValue;

    #[test]
    fn the_message_about_an_unknown_option_names_a_known_one() {
        let mistake = |target, name| unknown_option(target, name, ValueKind::Unknown);
        assert_eq!(Target::Argument.option("gt"), Some(OptionValue::Number));
        assert_eq!(
            mistake(Target::Module, "topik"),
            "unknown option `topik`; did you mean `topic`?"
        );
        assert_eq!(
            mistake(Target::Class, "topic"),
            "`topic` is an option of #[dasf::module(…)], not of #[dasf::class(…)]"
        );
        assert_eq!(
            mistake(Target::Class, "zzz"),
            "unknown option `zzz`; #[dasf::class(…)] takes `name`, `description`, `allow_groups`"
        );
    }

    #[test]
    fn the_constraint_with_another_name_is_suggested() {
        let meant = |name, kind| unknown_option(Target::Argument, name, kind);
        for (name, kind, expected) in [
            (
                "min",
                ValueKind::Number,
                "did you mean `ge` (greater than or equal to)?",
            ),
            ("maximum", ValueKind::String, "did you mean `max_length`?"),
            ("minimum", ValueKind::List, "did you mean `min_items`?"),
            (
                "exclusiveMinimum",
                ValueKind::Number,
                "did you mean `gt` (greater than)?",
            ),
            (
                "max",
                ValueKind::Unknown,
                "use `le` (less than or equal to) for a number, `max_length` for a string, \
                 `max_items` for a list",
            ),
            ("regex", ValueKind::Unknown, "did you mean `pattern`?"),
            ("min", ValueKind::Boolean, "booleans take no constraints"),
            (
                "regex",
                ValueKind::List,
                "lists take `min_items` and `max_items`",
            ),
            (
                "minn_length",
                ValueKind::String,
                "did you mean `min_length`?",
            ),
        ] {
            assert_eq!(
                meant(name, kind),
                format!("unknown option `{name}`; {expected}")
            );
        }
        let elsewhere = unknown_option(Target::Module, "max", ValueKind::Unknown);
        assert!(!elsewhere.contains("`le`"), "{elsewhere}");
    }
}
