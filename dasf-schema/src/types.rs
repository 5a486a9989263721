//! The types of JSON values.

use crate::view::View;

/// A set of types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Types(u8);

const NULL: u8 = 1;
const BOOLEAN: u8 = 1 << 1;
const INTEGER: u8 = 1 << 2;
const NUMBER: u8 = 1 << 3;
const STRING: u8 = 1 << 4;
const ARRAY: u8 = 1 << 5;
const OBJECT: u8 = 1 << 6;

/// The types by name, in the order in which messages list them.
const NAMES: [(u8, &str); 7] = [
    (NULL, "null"),
    (BOOLEAN, "boolean"),
    (INTEGER, "integer"),
    (NUMBER, "number"),
    (STRING, "string"),
    (ARRAY, "array"),
    (OBJECT, "object"),
];

/// One type.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Type(u8);

impl Type {
    pub(crate) const STRING: Self = Self(STRING);
    pub(crate) const ARRAY: Self = Self(ARRAY);
    pub(crate) const OBJECT: Self = Self(OBJECT);
}

impl Types {
    pub(crate) const ALL: Self = Self(u8::MAX);
    pub(crate) const NONE: Self = Self(0);

    /// Adds a type by its name. Returns `false` if there is no such type.
    pub(crate) fn add(&mut self, name: &str) -> bool {
        let known = NAMES.iter().find(|(_, known)| *known == name);
        self.0 |= known.map_or(0, |(bit, _)| *bit);
        known.is_some()
    }

    pub(crate) fn is_null(self) -> bool {
        self.0 == NULL
    }

    /// Returns whether arrays or objects are among the types.
    pub(crate) fn has_containers(self) -> bool {
        self.0 & (ARRAY | OBJECT) != 0
    }

    pub(crate) fn names(self) -> impl Iterator<Item = &'static str> {
        NAMES
            .into_iter()
            .filter(move |(bit, _)| self.0 & bit != 0)
            .map(|(_, name)| name)
    }

    pub(crate) fn has(self, Type(bit): Type) -> bool {
        self.0 & bit != 0
    }

    /// Returns whether a value is of one of the types. A float without a fraction is an integer.
    pub(crate) fn accept(self, value: View<'_>) -> bool {
        let of_value = match value {
            View::Null => NULL,
            View::Bool(_) => BOOLEAN,
            View::Number(_) if self.0 & NUMBER != 0 => NUMBER,
            View::Number(number) if number.as_f64().fract() == 0.0 => INTEGER,
            View::Number(_) => NUMBER,
            View::String(_) => STRING,
            View::Array(_) => ARRAY,
            View::Object(_) => OBJECT,
        };
        self.0 & of_value != 0
    }
}
