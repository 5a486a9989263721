//! Equality of JSON values: numbers are equal if their values are, however they are written.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use crate::number::Exact;
use crate::view::{Items, View};

/// Returns whether two values are equal.
pub(crate) fn equal(one: View<'_>, other: View<'_>) -> bool {
    match (one, other) {
        (View::Number(one), View::Number(other)) => {
            Exact::of(one).compare(Exact::of(other)) == Some(Ordering::Equal)
        }
        (View::Array(one), View::Array(other)) => {
            let mut pairs = one.iter().zip(other.iter());
            one.len() == other.len() && pairs.all(|(one, other)| equal(one, other))
        }
        (View::Object(one), View::Object(other)) => {
            let has = |(name, value)| other.get(name).is_some_and(|other| equal(value, other));
            one.len() == other.len() && one.iter().all(has)
        }
        (View::Null, View::Null) => true,
        (View::Bool(one), View::Bool(other)) => one == other,
        (View::String(one), View::String(other)) => one == other,
        _ => false,
    }
}

/// Returns whether all items are different.
pub(crate) fn are_unique(items: Items<'_>) -> bool {
    /// Up to here, comparing each with each is faster than hashing.
    const FEW: usize = 15;
    if items.len() <= FEW {
        let items: Vec<_> = items.iter().collect();
        let mut rest = &items[..];
        while let [first, others @ ..] = rest {
            if others.iter().any(|other| equal(*first, *other)) {
                return false;
            }
            rest = others;
        }
        return true;
    }
    let state = RandomState::new();
    let mut seen = HashSet::with_capacity(items.len());
    items.iter().all(|value| {
        seen.insert(Hashed {
            value,
            state: &state,
        })
    })
}

/// A value whose hash is the same for equal values.
struct Hashed<'v> {
    value: View<'v>,
    state: &'v RandomState,
}

impl PartialEq for Hashed<'_> {
    fn eq(&self, other: &Self) -> bool {
        equal(self.value, other.value)
    }
}

impl Eq for Hashed<'_> {}

impl Hash for Hashed<'_> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let inner = |value| Self {
            value,
            state: self.state,
        };
        match self.value {
            View::Null => hasher.write_u8(0),
            View::Bool(value) => value.hash(hasher),
            // Adding 0 makes -0 the same as 0.
            View::Number(number) => {
                hasher.write_u64((number.as_f64() + 0.0).to_bits());
            }
            View::String(text) => text.hash(hasher),
            View::Array(items) => items.iter().for_each(|item| inner(item).hash(hasher)),
            View::Object(fields) => {
                // The order of the fields does not matter.
                let fields = fields.iter().map(|(name, value)| {
                    let mut field = self.state.build_hasher();
                    name.hash(&mut field);
                    inner(value).hash(&mut field);
                    field.finish()
                });
                hasher.write_u64(fields.fold(0, |sum, field| sum ^ field));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::view::Document;

    fn is_unique(items: Vec<Value>) -> bool {
        match Document::of(&items.into()).unwrap().root() {
            View::Array(items) => are_unique(items),
            other => panic!("{other} is no list"),
        }
    }

    #[test]
    fn equal_numbers_are_one_item() {
        for (last, expected) in [
            (json!(1.0), false),
            (json!(-0.0), false),
            (json!(100), true),
            (json!(0.5), true),
            (json!([1, {"b": 2, "a": 1}]), true),
        ] {
            for count in [3, 30] {
                let mut items: Vec<Value> = (0..count).map(Value::from).collect();
                items.push(last.clone());
                assert_eq!(is_unique(items), expected, "{last} among {count}");
            }
        }
    }

    #[test]
    fn the_order_of_fields_does_not_matter() {
        let mut items: Vec<Value> = (0..30).map(|a| json!({"a": a, "b": [a]})).collect();
        assert!(is_unique(items.clone()));
        items.push(json!({"b": [7.0], "a": 7}));
        assert!(!is_unique(items));
    }
}
