//! The attributes of a variable or a dataset.

use indexmap::IndexMap;

/// The value of an attribute: a string, a number or several numbers.
///
/// Rust values become attributes with `into()`. A number is an array of length one. Attributes are
/// compared like [`Values`](super::Values): NaN equals NaN.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Attribute {
    /// A string.
    Text(String),
    /// Integers of 8 bits. Python's `True` and `False` become 1 and 0.
    I8(Vec<i8>),
    /// Integers of 16 bits.
    I16(Vec<i16>),
    /// Integers of 32 bits; Python's `int` becomes one.
    I32(Vec<i32>),
    /// Floats of single precision.
    F32(Vec<f32>),
    /// Floats of double precision; Python's `float` becomes one.
    F64(Vec<f64>),
}

impl Attribute {
    /// Returns the string, if it is one.
    ///
    /// ```
    /// use dasf_types::netcdf::Attribute;
    ///
    /// assert_eq!(Attribute::from("kelvin").as_str(), Some("kelvin"));
    /// assert_eq!(Attribute::from(1).as_str(), None);
    /// ```
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the number, if it is a single one.
    ///
    /// ```
    /// use dasf_types::netcdf::Attribute;
    ///
    /// assert_eq!(Attribute::from(0.5).as_f64(), Some(0.5));
    /// assert_eq!(Attribute::from(7).as_f64(), Some(7.0));
    /// assert_eq!(Attribute::from([1.0, 2.0]).as_f64(), None);
    /// ```
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self.to_f64s()?[..] {
            [number] => Some(number),
            _ => None,
        }
    }

    /// Returns the numbers, if it is not a string.
    ///
    /// ```
    /// use dasf_types::netcdf::Attribute;
    ///
    /// assert_eq!(Attribute::from([1, 2]).to_f64s(), Some(vec![1.0, 2.0]));
    /// ```
    #[must_use]
    pub fn to_f64s(&self) -> Option<Vec<f64>> {
        fn widen<T: Copy + Into<f64>>(numbers: &[T]) -> Vec<f64> {
            numbers.iter().map(|&number| number.into()).collect()
        }
        match self {
            Self::Text(_) => None,
            Self::I8(numbers) => Some(widen(numbers)),
            Self::I16(numbers) => Some(widen(numbers)),
            Self::I32(numbers) => Some(widen(numbers)),
            Self::F32(numbers) => Some(widen(numbers)),
            Self::F64(numbers) => Some(numbers.clone()),
        }
    }
}

/// Returns whether two numbers are the same. NaN is the same as NaN.
pub(super) fn same<T: PartialEq>(one: &T, other: &T) -> bool {
    #[allow(clippy::eq_op)] // only NaN differs from itself
    let both_nan = one != one && other != other;
    one == other || both_nan
}

impl PartialEq for Attribute {
    fn eq(&self, other: &Self) -> bool {
        fn all<T: PartialEq>(one: &[T], other: &[T]) -> bool {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        match (self, other) {
            (Self::Text(one), Self::Text(other)) => one == other,
            (Self::I8(one), Self::I8(other)) => one == other,
            (Self::I16(one), Self::I16(other)) => one == other,
            (Self::I32(one), Self::I32(other)) => one == other,
            (Self::F32(one), Self::F32(other)) => all(one, other),
            (Self::F64(one), Self::F64(other)) => all(one, other),
            _ => false,
        }
    }
}

impl From<&str> for Attribute {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Attribute {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Attribute {
    fn from(value: bool) -> Self {
        Self::I8(vec![value.into()])
    }
}

macro_rules! from_numbers {
    ($($variant:ident: $number:ty),*) => {$(
        impl From<$number> for Attribute {
            fn from(number: $number) -> Self {
                Self::$variant(vec![number])
            }
        }

        impl From<Vec<$number>> for Attribute {
            fn from(numbers: Vec<$number>) -> Self {
                Self::$variant(numbers)
            }
        }

        impl<const N: usize> From<[$number; N]> for Attribute {
            fn from(numbers: [$number; N]) -> Self {
                Self::$variant(numbers.into())
            }
        }
    )*};
}

from_numbers!(I8: i8, I16: i16, I32: i32, F32: f32, F64: f64);

/// Attributes by name, in the order of the file.
///
/// The order does not matter for equality.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Attributes(IndexMap<String, Attribute>);

impl Attributes {
    /// Returns no attributes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the attribute of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Attribute> {
        self.0.get(name)
    }

    /// Returns the string of this attribute, if it exists and is a string.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    /// Sets an attribute, and returns its previous value.
    pub fn insert(
        &mut self,
        name: impl Into<String>,
        value: impl Into<Attribute>,
    ) -> Option<Attribute> {
        self.0.insert(name.into(), value.into())
    }

    /// Removes an attribute, and returns its value.
    pub fn remove(&mut self, name: &str) -> Option<Attribute> {
        self.0.shift_remove(name)
    }

    /// Returns the names and values.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Attribute)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Returns the number of attributes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are no attributes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<N: Into<String>, A: Into<Attribute>> FromIterator<(N, A)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (N, A)>>(attributes: I) -> Self {
        let pairs = attributes.into_iter();
        Self(
            pairs
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}
