//! Patterns of topics.

use serde::Deserialize;

/// A name of a topic in which `*` stands for any characters. A topic of another tenant or namespace than
/// the usual ones has their names in front: `lab/default/river`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Pattern(String);

/// The largest length of a pattern.
const MAX_LENGTH: usize = 1024;

/// The error of a text that matches no topic.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatternError {
    #[error("the pattern {pattern:?} has {} characters; use 1 to {MAX_LENGTH}", pattern.len())]
    Length { pattern: String },
    #[error(
        "the pattern {pattern:?} contains {character:?}, which no topic has; use the name of a topic, with '*' \
         for any characters"
    )]
    Character { pattern: String, character: char },
}

impl TryFrom<String> for Pattern {
    type Error = PatternError;

    fn try_from(pattern: String) -> Result<Self, PatternError> {
        if pattern.is_empty() || pattern.len() > MAX_LENGTH {
            return Err(PatternError::Length { pattern });
        }
        let accepts = |it: char| it.is_ascii_alphanumeric() || "*-_/.:=".contains(it);
        match pattern.chars().find(|it| !accepts(*it)) {
            Some(character) => Err(PatternError::Character { pattern, character }),
            None => Ok(Self(pattern)),
        }
    }
}

impl Pattern {
    /// Returns whether the pattern matches a topic.
    pub(crate) fn matches(&self, topic: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = topic.strip_prefix(first) else {
            return false;
        };
        let Some(last) = parts.next_back() else {
            return rest.is_empty();
        };
        // The first place is the best one: it leaves the most for the other parts.
        for part in parts {
            match rest.find(part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        rest.ends_with(last)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> Pattern {
        text.to_owned().try_into().unwrap()
    }

    #[test]
    fn a_star_stands_for_any_characters() {
        for (text, topic, matches) in [
            ("river", "river", true),
            ("river", "river2", false),
            ("river", "lab/default/river", false),
            ("river*", "river", true),
            ("river-*", "river-", true),
            ("river-*", "river", false),
            ("*", "", true),
            ("*", "lab/default/river", true),
            ("*-eu", "a-eu-eu", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "acb", false),
            ("a*bc*c", "abc", false),
            ("ab*ba", "aba", false),
            ("a**b", "ab", true),
        ] {
            assert_eq!(pattern(text).matches(topic), matches, "{text} {topic}");
        }
    }

    #[test]
    fn a_pattern_has_the_characters_of_topics() {
        let error = |text: &str| Pattern::try_from(text.to_owned()).unwrap_err();
        assert!(matches!(error(""), PatternError::Length { .. }));
        assert!(matches!(
            error(&"a".repeat(1025)),
            PatternError::Length { .. }
        ));
        for (text, wrong) in [
            ("a b", ' '),
            ("a?", '?'),
            ("[ab]", '['),
            ("\u{e4}", '\u{e4}'),
        ] {
            let PatternError::Character { character, .. } = error(text) else {
                panic!("{text}")
            };
            assert_eq!(character, wrong, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_pattern_matches_as_its_simplest_definition(text in "[ab*]{1,8}", topic in "[ab]{0,10}") {
            fn matches(pattern: &[u8], topic: &[u8]) -> bool {
                match pattern {
                    [] => topic.is_empty(),
                    [b'*', rest @ ..] => (0..=topic.len()).any(|at| matches(rest, &topic[at..])),
                    [first, rest @ ..] => topic.first() == Some(first) && matches(rest, &topic[1..]),
                }
            }
            let expected = matches(text.as_bytes(), topic.as_bytes());
            prop_assert_eq!(pattern(&text).matches(&topic), expected);
        }
    }
}
