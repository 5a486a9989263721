//! The message for an unknown name.

use super::Error;
use crate::module::unknown_arguments::{self, closest, list};

/// The error for an unknown name. It suggests the closest known name, or lists all known names.
pub fn unknown(kind: &str, name: &str, known: &[String]) -> Error {
    let hint = match closest(name, known) {
        Some(closest) => format!("did you mean {closest:?}?"),
        None if known.is_empty() => "there is none".to_owned(),
        None => format!("there is {}", list(known)),
    };
    Error::Usage(format!("there is no {kind} {name:?}; {hint}"))
}

/// The error for an argument that a function does not have. It suggests the closest argument, or
/// lists all arguments.
pub fn unknown_argument(function: &str, name: &str, known: &[String]) -> Error {
    Error::Usage(unknown_arguments::message(function, name, known))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str, known: &[&str]) -> String {
        let known: Vec<String> = known.iter().map(|&name| name.to_owned()).collect();
        unknown("function", name, &known).to_string()
    }

    #[test]
    fn the_name_that_was_meant_is_told() {
        let known = ["add", "count", "Greeter.greet", "Greeter.twice"];
        for (name, meant) in [
            ("ad", "add"),
            ("cuont", "count"),
            ("greeter.greet", "Greeter.greet"),
            ("twice", "Greeter.twice"),
        ] {
            assert_eq!(
                text(name, &known),
                format!("there is no function {name:?}; did you mean {meant:?}?")
            );
        }
        assert_eq!(
            text("xyz", &["add", "count"]),
            "there is no function \"xyz\"; there is add, count"
        );
        assert_eq!(
            text("xyz", &[]),
            "there is no function \"xyz\"; there is none"
        );
    }

    #[test]
    fn few_of_many_names_are_listed() {
        let many: Vec<String> = (0..1000).map(|number| format!("f{number}")).collect();
        let text = unknown("function", "zzz", &many).to_string();
        assert!(text.ends_with("f19, …"), "{text}");
    }
}
