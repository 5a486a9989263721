//! The values of a variable.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use ndarray::{Array, ArrayD, Dimension, IxDyn};

use super::attributes::same;
use super::error::NetcdfError;

/// The values of a variable: an array of any number of axes, with one of these types.
///
/// `Values` are made with `into()` from a single value, or from a `Vec`, a slice or a Rust array
/// along one axis. Any array of the crate [`ndarray`] becomes `Values` too:
///
/// ```
/// use chrono::NaiveDate;
/// use dasf_types::netcdf::Values;
/// use dasf_types::netcdf::ndarray::array;
///
/// let scalar = Values::from(21.5);
/// assert!(scalar.shape().is_empty());
/// let names = Values::from(["Lima", "Iquitos"]);
/// assert_eq!(names.shape(), [2]);
/// let grid = Values::from(array![[1.0_f32, 2.0, 3.0], [4.0, f32::NAN, 6.0]]);
/// assert_eq!(grid.shape(), [2, 3]);
/// let days = Values::from(vec![NaiveDate::from_ymd_opt(2024, 2, 29)]);
/// assert_eq!(days.type_name(), "times");
/// ```
///
/// Missing numbers are NaN; missing times and durations are `None`. Two `Values` are equal if they
/// have the same type, the same shape and the same values. Here NaN equals NaN, because one missing
/// value is the same as another.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Values {
    /// Booleans.
    Bool(ArrayD<bool>),
    /// Integers of 8 bits.
    I8(ArrayD<i8>),
    /// Integers of 16 bits.
    I16(ArrayD<i16>),
    /// Integers of 32 bits.
    I32(ArrayD<i32>),
    /// Floats of single precision.
    F32(ArrayD<f32>),
    /// Floats of double precision.
    F64(ArrayD<f64>),
    /// Strings.
    Text(ArrayD<String>),
    /// Times of the Gregorian calendar, in UTC.
    Time(ArrayD<Option<NaiveDateTime>>),
    /// Durations, like Python's `timedelta64`.
    Duration(ArrayD<Option<TimeDelta>>),
}

/// Does the same with the array of any type.
macro_rules! with_array {
    ($values:expr, $array:ident => $do:expr) => {
        match $values {
            Values::Bool($array) => $do,
            Values::I8($array) => $do,
            Values::I16($array) => $do,
            Values::I32($array) => $do,
            Values::F32($array) => $do,
            Values::F64($array) => $do,
            Values::Text($array) => $do,
            Values::Time($array) => $do,
            Values::Duration($array) => $do,
        }
    };
}

impl Values {
    /// Returns integers of any type that all fit in 32 bits. NetCDF-3 has no larger ones.
    ///
    /// ```
    /// use dasf_types::netcdf::Values;
    /// use dasf_types::netcdf::ndarray::arr1;
    ///
    /// let counts = Values::integers(&arr1(&[3_u64, 5]))?;
    /// assert_eq!(counts, Values::from([3_i32, 5]));
    ///
    /// let error = Values::integers(&arr1(&[1_i64 << 40])).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "the integer 1099511627776 does not fit in the 32 bits of NetCDF-3"
    /// );
    /// # Ok::<(), dasf_types::netcdf::NetcdfError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if an integer does not fit.
    pub fn integers<T, D>(integers: &Array<T, D>) -> Result<Self, NetcdfError>
    where
        T: Copy + TryInto<i32> + ToString,
        D: Dimension,
    {
        let narrow = |&integer: &T| {
            integer.try_into().map_err(|_| NetcdfError::Integer {
                value: integer.to_string(),
            })
        };
        let shape = IxDyn(integers.shape());
        let narrowed = integers
            .iter()
            .map(narrow)
            .collect::<Result<Vec<i32>, _>>()?;
        Ok(Self::I32(shaped(shape, narrowed)))
    }

    /// Returns the length of each axis.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        with_array!(self, array => array.shape())
    }

    /// Returns the number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        with_array!(self, array => array.len())
    }

    /// Returns whether there are no values.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the name of the type, in words: `64-bit floats`, `strings`, `times` …
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Bool(_) => bool::NAME,
            Self::I8(_) => i8::NAME,
            Self::I16(_) => i16::NAME,
            Self::I32(_) => i32::NAME,
            Self::F32(_) => f32::NAME,
            Self::F64(_) => f64::NAME,
            Self::Text(_) => String::NAME,
            Self::Time(_) => Option::<NaiveDateTime>::NAME,
            Self::Duration(_) => Option::<TimeDelta>::NAME,
        }
    }

    /// Returns the values if they have this type.
    ///
    /// ```
    /// use dasf_types::netcdf::Values;
    ///
    /// let values = Values::from([1.5_f32, 2.5]);
    /// assert_eq!(values.view::<f32>()?.sum(), 4.0);
    /// let error = values.view::<i32>().unwrap_err();
    /// assert_eq!(error.to_string(), "the values are 32-bit floats, not 32-bit integers");
    /// # Ok::<(), dasf_types::netcdf::NetcdfError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if they have another type.
    pub fn view<T: Element>(&self) -> Result<&ArrayD<T>, NetcdfError> {
        T::of(self).ok_or_else(|| self.wrong_type(T::NAME))
    }

    /// Returns a copy as floats of double precision, which represent all numbers of NetCDF-3
    /// exactly.
    ///
    /// ```
    /// use dasf_types::netcdf::Values;
    ///
    /// assert_eq!(Values::from([1_i16, 2]).to_f64()?.mean(), Some(1.5));
    /// # Ok::<(), dasf_types::netcdf::NetcdfError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if the values are not numbers.
    pub fn to_f64(&self) -> Result<ArrayD<f64>, NetcdfError> {
        match self {
            Self::I8(array) => Ok(array.mapv(f64::from)),
            Self::I16(array) => Ok(array.mapv(f64::from)),
            Self::I32(array) => Ok(array.mapv(f64::from)),
            Self::F32(array) => Ok(array.mapv(f64::from)),
            Self::F64(array) => Ok(array.clone()),
            Self::Bool(_) | Self::Text(_) | Self::Time(_) | Self::Duration(_) => {
                Err(self.wrong_type("numbers"))
            }
        }
    }

    pub(super) fn wrong_type(&self, wanted: &'static str) -> NetcdfError {
        NetcdfError::WrongType {
            found: self.type_name(),
            wanted,
        }
    }
}

/// Returns an array of the values with this shape.
pub(super) fn shaped<T>(shape: IxDyn, values: Vec<T>) -> ArrayD<T> {
    // All callers pass as many values as the shape needs, so the error does not occur.
    Array::from_shape_vec(shape, values).unwrap_or_else(|_| Array::from_vec(Vec::new()).into_dyn())
}

impl PartialEq for Values {
    fn eq(&self, other: &Self) -> bool {
        fn all<T: PartialEq>(one: &ArrayD<T>, other: &ArrayD<T>) -> bool {
            one.shape() == other.shape()
                && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        match (self, other) {
            (Self::Bool(one), Self::Bool(other)) => one == other,
            (Self::I8(one), Self::I8(other)) => one == other,
            (Self::I16(one), Self::I16(other)) => one == other,
            (Self::I32(one), Self::I32(other)) => one == other,
            (Self::F32(one), Self::F32(other)) => all(one, other),
            (Self::F64(one), Self::F64(other)) => all(one, other),
            (Self::Text(one), Self::Text(other)) => one == other,
            (Self::Time(one), Self::Time(other)) => one == other,
            (Self::Duration(one), Self::Duration(other)) => one == other,
            _ => false,
        }
    }
}

mod sealed {
    /// Only this crate can define the types of values.
    pub trait Sealed {}
}

/// A type that [`Values`] can have: `bool`, `i8`, `i16`, `i32`, `f32`, `f64`, `String`,
/// `Option<NaiveDateTime>` or `Option<TimeDelta>`.
pub trait Element: sealed::Sealed + Sized {
    #[doc(hidden)]
    const NAME: &'static str;
    #[doc(hidden)]
    fn of(values: &Values) -> Option<&ArrayD<Self>>;
    #[doc(hidden)]
    fn into_values(array: ArrayD<Self>) -> Values;
}

macro_rules! elements {
    ($($element:ty, $variant:ident, $name:literal;)*) => {$(
        impl sealed::Sealed for $element {}

        impl Element for $element {
            const NAME: &'static str = $name;

            fn of(values: &Values) -> Option<&ArrayD<Self>> {
                match values {
                    Values::$variant(array) => Some(array),
                    _ => None,
                }
            }

            fn into_values(array: ArrayD<Self>) -> Values {
                Values::$variant(array)
            }
        }

        impl Value for $element {
            type Element = Self;

            fn into_element(self) -> Self {
                self
            }
        }
    )*};
}

/// A type from which [`Values`] can be made: each [`Element`], `&str`, and the types of `chrono`.
///
/// A date becomes the midnight at its beginning. A time with an offset is converted to UTC.
pub trait Value {
    #[doc(hidden)]
    type Element: Element;
    #[doc(hidden)]
    fn into_element(self) -> Self::Element;
}

elements! {
    bool, Bool, "booleans";
    i8, I8, "8-bit integers";
    i16, I16, "16-bit integers";
    i32, I32, "32-bit integers";
    f32, F32, "32-bit floats";
    f64, F64, "64-bit floats";
    String, Text, "strings";
    Option<NaiveDateTime>, Time, "times";
    Option<TimeDelta>, Duration, "durations";
}

macro_rules! values {
    ($($value:ty, $element:ty, $self:ident => $into:expr;)*) => {$(
        impl Value for $value {
            type Element = $element;

            fn into_element($self) -> $element {
                $into
            }
        }
    )*};
}

values! {
    &str, String, self => self.to_owned();
    NaiveDateTime, Option<NaiveDateTime>, self => Some(self);
    NaiveDate, Option<NaiveDateTime>, self => Some(self.and_time(NaiveTime::MIN));
    Option<NaiveDate>, Option<NaiveDateTime>, self => self.and_then(Value::into_element);
    DateTime<Utc>, Option<NaiveDateTime>, self => Some(self.naive_utc());
    Option<DateTime<Utc>>, Option<NaiveDateTime>, self => self.and_then(Value::into_element);
    DateTime<FixedOffset>, Option<NaiveDateTime>, self => Some(self.naive_utc());
    TimeDelta, Option<TimeDelta>, self => Some(self);
}

impl<T: Value> From<T> for Values {
    fn from(value: T) -> Self {
        Element::into_values(ndarray::arr0(value.into_element()).into_dyn())
    }
}

impl<T: Value> From<Vec<T>> for Values {
    fn from(values: Vec<T>) -> Self {
        let elements: Vec<_> = values.into_iter().map(Value::into_element).collect();
        Element::into_values(Array::from_vec(elements).into_dyn())
    }
}

impl<T: Value + Clone> From<&[T]> for Values {
    fn from(values: &[T]) -> Self {
        values.to_vec().into()
    }
}

impl<T: Value, const N: usize> From<[T; N]> for Values {
    fn from(values: [T; N]) -> Self {
        Vec::from(values).into()
    }
}

impl<T: Value, D: Dimension> From<Array<T, D>> for Values {
    fn from(array: Array<T, D>) -> Self {
        let shape = IxDyn(array.shape());
        let elements = array.into_iter().map(Value::into_element).collect();
        Element::into_values(shaped(shape, elements))
    }
}
