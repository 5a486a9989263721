//! Names in a request that the module does not have: functions, classes, methods and arguments.
//!
//! A module refuses unknown functions, classes and methods. It ignores unknown arguments, unless
//! its schema forbids them. A caller refuses all of them before it sends the request. Both use the
//! messages of this file.

use dasf_protocol::api_info::allows_unknown_arguments;
use serde_json::Value;

/// The keys of a request that are not arguments.
pub(super) const RESERVED: [&str; 3] = ["func_name", "class_name", "function"];
/// The least similarity of two names for a suggestion, from 0 to 1.
const LIKENESS: f64 = 0.8;
/// The greatest number of names in a list.
const MAX_LISTED: usize = 20;
/// The greatest length of an unknown name in a message, in characters: the name came over the wire.
const MAX_NAME_LENGTH: usize = 100;

/// The names of the arguments in the schema of a function, method or constructor.
///
/// ```
/// use dasf_runtime::module::validate::ArgumentNames;
/// use serde_json::json;
///
/// let schema = json!({"properties": {"func_name": {"const": "add"}, "a": {}}});
/// let names = ArgumentNames::of(&schema);
/// assert!(names.knows("a") && !names.knows("func_name"));
/// assert!(!names.allows("b"));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct ArgumentNames<'a> {
    schema: &'a Value,
}

impl<'a> ArgumentNames<'a> {
    /// Returns the names in a schema.
    pub fn of(schema: &'a Value) -> Self {
        Self { schema }
    }

    /// Returns all names, in the order of the schema.
    pub fn all(&self) -> Vec<String> {
        let properties = self.schema["properties"].as_object();
        let names = properties.into_iter().flat_map(serde_json::Map::keys);
        let names = names.filter(|name| !RESERVED.contains(&name.as_str()));
        names.cloned().collect()
    }

    /// Returns whether the schema has an argument of this name.
    pub fn knows(&self, name: &str) -> bool {
        !RESERVED.contains(&name) && self.schema["properties"].get(name).is_some()
    }

    /// Returns whether an argument may have this name: the schema has it, or allows names that it
    /// does not have.
    pub fn allows(&self, name: &str) -> bool {
        let allows_all = || self.schema.as_object().is_none_or(allows_unknown_arguments);
        !RESERVED.contains(&name) && (self.knows(name) || allows_all())
    }

    /// Whether the schema forbids all arguments that it does not name.
    fn is_closed(&self) -> bool {
        let others = self.schema.get("additionalProperties");
        others.is_some_and(|it| *it == false)
    }
}

/// Arguments in a request that its function does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnknownArguments {
    /// The first mistake in words, with the argument that was probably meant.
    pub(crate) message: String,
    /// The names, as one string for the log.
    pub(crate) names: String,
    /// Whether the module refuses the request. Otherwise the module ignores the arguments.
    pub(crate) is_refused: bool,
}

/// Returns the keys of a request that are not arguments of its function, if there are any.
pub(crate) fn of_function<'k>(
    name: &str,
    schema: &Value,
    keys: impl IntoIterator<Item = &'k str>,
) -> Option<UnknownArguments> {
    check(
        name,
        ArgumentNames::of(schema),
        &["func_name"],
        keys,
        |_| None,
    )
}

/// A part of a request to a class: the arguments of the constructor, or of the method.
pub(crate) struct Part<'a, K> {
    /// The name of the class or the method.
    pub(crate) name: &'a str,
    pub(crate) schema: &'a Value,
    /// The keys of the object in the request.
    pub(crate) keys: K,
}

/// Returns the keys of a request to a class that are not arguments of its constructor or of its
/// method, if there are any.
pub(crate) fn of_class<'k, C, M>(
    constructor: Part<'_, C>,
    method: Part<'_, M>,
) -> Option<UnknownArguments>
where
    C: IntoIterator<Item = &'k str>,
    M: IntoIterator<Item = &'k str>,
{
    let class = constructor.name;
    let full_name = format!("{class}.{}", method.name);
    let of_class = ArgumentNames::of(constructor.schema);
    let of_method = ArgumentNames::of(method.schema);
    let inside = |name: &str| {
        let hint = || format!("{full_name} has it; write it inside \"function\"");
        of_method.knows(name).then(hint)
    };
    let beside = |name: &str| {
        let hint = || format!("the constructor of {class} has it; write it beside \"function\"");
        of_class.knows(name).then(hint)
    };
    let reserved = ["class_name", "function"];
    let beside_function = check(class, of_class, &reserved, constructor.keys, inside);
    let in_function = check(&full_name, of_method, &["func_name"], method.keys, beside);
    match (beside_function, in_function) {
        (Some(first), Some(second)) => Some(UnknownArguments {
            names: format!("{}, {}", first.names, second.names),
            is_refused: first.is_refused || second.is_refused,
            ..first
        }),
        (first, second) => first.or(second),
    }
}

/// Finds the keys that are neither reserved nor arguments, each once. `elsewhere` returns the place
/// where an argument of this name belongs.
fn check<'k>(
    function: &str,
    names: ArgumentNames<'_>,
    reserved: &[&str],
    keys: impl IntoIterator<Item = &'k str>,
    elsewhere: impl Fn(&str) -> Option<String>,
) -> Option<UnknownArguments> {
    let keys = keys.into_iter();
    let mut unknown = keys.filter(|key| !reserved.contains(key) && !names.allows(key));
    let first = unknown.next()?;
    let message = match elsewhere(first) {
        Some(hint) => no_argument(function, first, &hint),
        None => unknown_argument(function, first, &names.all()),
    };
    let mut listed = vec![first];
    for key in unknown {
        if !listed.contains(&key) {
            listed.push(key);
        }
        // One more than a list shows, so that the list shows that there are more.
        if listed.len() > MAX_LISTED {
            break;
        }
    }
    let unknown: Vec<String> = listed.into_iter().map(cut).collect();
    Some(UnknownArguments {
        message,
        names: list(&unknown),
        is_refused: names.is_closed(),
    })
}

/// Returns the message for an argument that a function does not have: `add has no argument "bb";
/// did you mean "b"?`, or the names of all arguments.
pub fn unknown_argument(function: &str, argument: &str, known: &[String]) -> String {
    let hint = match (closest(argument, known), known) {
        (Some(closest), _) => format!("did you mean {closest:?}?"),
        (None, []) => "it has no arguments".to_owned(),
        (None, [only]) => format!("its argument is {only}"),
        (None, known) => format!("its arguments are {}", list(known)),
    };
    no_argument(function, argument, &hint)
}

fn no_argument(function: &str, argument: &str, hint: &str) -> String {
    format!("{function} has no argument {:?}; {hint}", cut(argument))
}

/// Returns the message for a function, class or method that does not exist: `the module has no
/// function "ad"; did you mean "add"?`, or the names of all that exist.
pub fn unknown_member(owner: &str, kind: &str, name: &str, known: &[String]) -> String {
    let hint = match closest(name, known) {
        Some(closest) => format!("did you mean {closest:?}?"),
        None if known.is_empty() => "it has none".to_owned(),
        None => format!("it has {}", list(known)),
    };
    format!("{owner} has no {kind} {:?}; {hint}", cut(name))
}

fn cut(name: &str) -> String {
    name.chars().take(MAX_NAME_LENGTH).collect()
}

/// Returns the known name that is most similar to a name, if it was probably meant.
pub(crate) fn closest<'k>(name: &str, known: &'k [String]) -> Option<&'k str> {
    // The comparison of long names takes long.
    if name.len() > MAX_NAME_LENGTH {
        return None;
    }
    let name = name.to_lowercase();
    // A method may be named without its class.
    let likeness = |known: &str| {
        let known = known.to_lowercase();
        let method = known.rsplit('.').next().unwrap_or_default();
        strsim::jaro_winkler(&name, &known).max(strsim::jaro_winkler(&name, method))
    };
    let known = known
        .iter()
        .map(|known| (likeness(known), known.as_str()))
        .filter(|(likeness, _)| *likeness > LIKENESS);
    known
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, closest)| closest)
}

/// Returns names separated by commas; `…` stands for the rest of a long list.
pub(crate) fn list(names: &[String]) -> String {
    match names.get(..MAX_LISTED) {
        Some(first) if names.len() > MAX_LISTED => format!("{}, …", first.join(", ")),
        _ => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn the_message_contains_the_argument_that_was_meant() {
        let known = names(&["a", "b", "station"]);
        for (argument, expected) in [
            ("bb", r#"add has no argument "bb"; did you mean "b"?"#),
            (
                "Staton",
                r#"add has no argument "Staton"; did you mean "station"?"#,
            ),
            (
                "xyz",
                r#"add has no argument "xyz"; its arguments are a, b, station"#,
            ),
        ] {
            assert_eq!(unknown_argument("add", argument, &known), expected);
        }
        assert_eq!(
            unknown_argument("open", "x", &names(&["name"])),
            r#"open has no argument "x"; its argument is name"#
        );
        assert_eq!(
            unknown_argument("now", "x", &[]),
            r#"now has no argument "x"; it has no arguments"#
        );
    }

    #[test]
    fn the_message_contains_the_function_that_was_meant() {
        let known = names(&["add", "count", "Greeter.greet", "Greeter.twice"]);
        for (name, meant) in [
            ("ad", "add"),
            ("cuont", "count"),
            ("greeter.greet", "Greeter.greet"),
            ("twice", "Greeter.twice"),
        ] {
            assert_eq!(
                unknown_member("the module", "function", name, &known),
                format!("the module has no function {name:?}; did you mean {meant:?}?")
            );
        }
        assert_eq!(
            unknown_member("Greeter", "method", "xyz", &names(&["greet", "twice"])),
            r#"Greeter has no method "xyz"; it has greet, twice"#
        );
        assert_eq!(
            unknown_member("the module", "class", "xyz", &[]),
            r#"the module has no class "xyz"; it has none"#
        );
    }

    #[test]
    fn the_log_names_all_unknown_arguments() {
        let schema = json!({"properties": {"func_name": {}, "a": {}}});
        let of = |keys: &[&str]| {
            let unknown = of_function("add", &schema, keys.iter().copied());
            unknown.map(|unknown| unknown.names)
        };
        assert_eq!(of(&["func_name", "a"]), None);
        assert_eq!(of(&["x", "a", "y"]).as_deref(), Some("x, y"));
        let many: Vec<String> = (0..1000).map(|number| format!("x{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(of(&many).is_some_and(|names| names.ends_with("x19, …")));
    }

    #[test]
    fn long_names_and_long_lists_are_cut() {
        let many: Vec<String> = (0..1000).map(|number| format!("f{number}")).collect();
        let text = unknown_argument("f", &"z".repeat(1000), &many);
        assert!(text.ends_with("f18, f19, …"), "{text}");
        assert!(text.len() < 300, "{text}");
        assert_eq!(list(&many[..20]), many[..20].join(", "));
    }

    #[test]
    fn the_schema_decides_whether_the_module_refuses() {
        let open = json!({"properties": {"func_name": {}, "a": {}}});
        let closed =
            json!({"properties": {"func_name": {}, "a": {}}, "additionalProperties": false});
        let any = json!({"properties": {"func_name": {}, "a": {}}, "additionalProperties": true});
        let of = |schema, key| {
            let unknown = of_function("add", schema, ["func_name", "a", key]);
            unknown.map(|unknown| unknown.is_refused)
        };
        assert_eq!(of(&open, "b"), Some(false));
        assert_eq!(of(&closed, "b"), Some(true));
        assert_eq!(of(&any, "b"), None);
        assert_eq!(of(&closed, "a"), None);
        assert_eq!(of(&closed, "class_name"), Some(true));
    }

    #[test]
    fn an_argument_in_the_wrong_object_of_a_class_is_recognised() {
        let constructor = json!({"properties": {"class_name": {}, "function": {}, "greeting": {}}});
        let method = json!({"properties": {"func_name": {}, "name": {}}});
        let of = |beside: &[&str], inside: &[&str]| {
            let constructor = Part {
                name: "Greeter",
                schema: &constructor,
                keys: beside.iter().copied(),
            };
            let method = Part {
                name: "greet",
                schema: &method,
                keys: inside.iter().copied(),
            };
            of_class(constructor, method).map(|unknown| unknown.message)
        };
        let both = ["class_name", "function", "greeting"];
        assert_eq!(of(&both, &["func_name", "name"]), None);
        for (beside, inside, expected) in [
            (
                &["greting"][..],
                &[][..],
                r#"Greeter has no argument "greting"; did you mean "greeting"?"#,
            ),
            (
                &both,
                &["nmae"],
                r#"Greeter.greet has no argument "nmae"; did you mean "name"?"#,
            ),
            (
                &["name"],
                &[],
                r#"Greeter has no argument "name"; Greeter.greet has it; write it inside "function""#,
            ),
            (
                &[],
                &["greeting"],
                r#"Greeter.greet has no argument "greeting"; the constructor of Greeter has it; write it beside "function""#,
            ),
            (
                &["func_name"],
                &[],
                r#"Greeter has no argument "func_name"; its argument is greeting"#,
            ),
        ] {
            assert_eq!(of(beside, inside).as_deref(), Some(expected));
        }
    }

    #[test]
    fn other_names_are_allowed_where_the_schema_allows_them() {
        let properties = json!({"func_name": {}, "class_name": {}, "function": {}, "a": {}});
        for (schema, allows) in [
            (json!({"properties": properties}), false),
            (
                json!({"properties": {}, "additionalProperties": false}),
                false,
            ),
            (
                json!({"properties": {}, "additionalProperties": true}),
                true,
            ),
            (
                json!({"properties": {}, "additionalProperties": {"type": "number"}}),
                true,
            ),
            (json!({"properties": {}, "unevaluatedProperties": {}}), true),
            (
                json!({"properties": {}, "patternProperties": {"^x": {}}}),
                true,
            ),
            (json!({"properties": {}, "allOf": [{}]}), true),
            (json!({}), true),
            (json!(null), true),
        ] {
            let names = ArgumentNames::of(&schema);
            assert_eq!(names.allows("b"), allows, "{schema}");
            assert!(!names.allows("func_name"), "{schema}");
        }
        let schema = json!({"properties": properties});
        assert_eq!(ArgumentNames::of(&schema).all(), ["a"]);
    }
}
