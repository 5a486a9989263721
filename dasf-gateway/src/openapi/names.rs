//! Names of components and operations, from which generators make identifiers.

use std::collections::HashSet;

/// Names that differ in more than case and punctuation, because generators change both.
#[derive(Debug, Default)]
pub(super) struct Names {
    taken: HashSet<String>,
}

impl Names {
    /// Returns the first of some names that is free. If none is, it returns the last one with a number.
    pub(super) fn choose(&mut self, wanted: &[&str]) -> String {
        for name in wanted {
            if self.taken.insert(key(name)) {
                return (*name).to_owned();
            }
        }
        let last = wanted.last().copied().unwrap_or("Schema");
        let separator = match last.ends_with(|last: char| last.is_ascii_digit()) {
            true => "_",
            false => "",
        };
        let mut number = 2_usize;
        loop {
            let name = format!("{last}{separator}{number}");
            if self.taken.insert(key(&name)) {
                return name;
            }
            number += 1;
        }
    }
}

/// Returns the part of a name that generators keep.
fn key(name: &str) -> String {
    let kept = name.chars().filter(char::is_ascii_alphanumeric);
    kept.map(|kept| kept.to_ascii_lowercase()).collect()
}

/// Returns a name of letters, digits and underscores, which begins with a letter. `fallback` takes the place of
/// a name that has none of these.
pub(super) fn identifier(name: &str, fallback: &str) -> String {
    let mut identifier = String::with_capacity(name.len());
    for part in name.split(|c: char| !c.is_ascii_alphanumeric()) {
        if !part.is_empty() {
            if !identifier.is_empty() {
                identifier.push('_');
            }
            identifier.push_str(part);
        }
    }
    match identifier.chars().next() {
        None => fallback.to_owned(),
        Some(first) if first.is_ascii_digit() => format!("{fallback}_{identifier}"),
        Some(_) => identifier,
    }
}

/// Returns an identifier in camel case: `monte_carlo` becomes `MonteCarlo`.
pub(super) fn camel_case(identifier: &str) -> String {
    let parts = identifier.split('_');
    let capitalized = parts.map(|part| {
        let (first, rest) = part.split_at(usize::from(!part.is_empty()));
        format!("{}{rest}", first.to_ascii_uppercase())
    });
    capitalized.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_letters_and_digits() {
        for (name, expected) in [
            ("Point", "Point"),
            ("Box[int]", "Box_int"),
            ("Grid<{T}>", "Grid_T"),
            ("a/b~c", "a_b_c"),
            ("Größe", "Gr_e"),
            ("__x", "x"),
            ("2m", "Type_2m"),
            ("世界", "Type"),
            ("", "Type"),
        ] {
            assert_eq!(identifier(name, "Type"), expected, "{name}");
        }
        assert_eq!(camel_case("monte_carlo"), "MonteCarlo");
        assert_eq!(camel_case("Gr_e"), "GrE");
        assert_eq!(camel_case(""), "");
    }

    #[test]
    fn names_differ_in_more_than_case_and_punctuation() {
        let mut names = Names::default();
        assert_eq!(names.choose(&["Point"]), "Point");
        assert_eq!(names.choose(&["point"]), "point2");
        assert_eq!(names.choose(&["Point", "PointResult"]), "PointResult");
        assert_eq!(names.choose(&["Point", "PointResult"]), "PointResult2");
        assert_eq!(names.choose(&["v1"]), "v1");
        assert_eq!(names.choose(&["V_1"]), "V_1_2");
    }
}
