//! What is said of a name that nothing has.

use dasf::cli::Error;

/// How alike two names must be for one to be meant by the other.
const LIKENESS: f64 = 0.8;
/// How many names are listed.
const MAX_LISTED: usize = 20;

/// There is nothing of this name: the one that may have been meant, or all that there is.
pub(crate) fn unknown(kind: &str, name: &str, known: &[String]) -> Error {
    let lower = name.to_lowercase();
    // Of a method, its own name counts too.
    let likeness = |known: &String| {
        let known = known.to_lowercase();
        let method = known.rsplit('.').next().unwrap_or_default();
        strsim::jaro_winkler(&lower, &known).max(strsim::jaro_winkler(&lower, method))
    };
    let closest = known
        .iter()
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    let hint = match closest.filter(|known| likeness(known) > LIKENESS) {
        Some(closest) => format!("did you mean {closest:?}?"),
        None if known.is_empty() => "there is none".to_owned(),
        None => {
            let more = if known.len() > MAX_LISTED {
                ", …"
            } else {
                ""
            };
            let known = &known[..known.len().min(MAX_LISTED)];
            format!("there is {}{more}", known.join(", "))
        }
    };
    Error::Usage(format!("there is no {kind} {name:?}; {hint}"))
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
