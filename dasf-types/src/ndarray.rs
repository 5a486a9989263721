//! Arrays of the crate [`ndarray`](https://docs.rs/ndarray) as nested lists.
//!
//! By default, `ndarray` writes an array as `{"v": 1, "dim": [2, 2], "data": […]}`, which no other
//! program reads. An [`Array`] is written as nested lists, with one level for each axis. Python's
//! `numpy.ndarray.tolist()` writes this form, and `numpy.array` reads it.
//!
//! ```
//! use dasf_types::ndarray::{Array1, Array2};
//! use ndarray::Axis;
//!
//! fn means(values: Array2<f64>) -> Array1<f64> {
//!     let means = values.mean_axis(Axis(0));
//!     means.unwrap_or_default().into()
//! }
//!
//! let values: Array2<f64> = serde_json::from_str("[[1, 2], [3, 4], [5, 6]]")?;
//! assert_eq!(values.dim(), (3, 2));
//! assert_eq!(serde_json::to_string(&means(values))?, "[3.0,4.0]");
//! # Ok::<(), serde_json::Error>(())
//! ```
//!
//! All lists of one level must have the same length. Otherwise the error has the path of the first
//! list with another length.
//!
//! # Axes of length 0
//!
//! An empty list does not contain the lengths of the axes inside it. An array of shape `(0, 3)` is
//! written as `[]`, and an array of shape `(2, 0, 3)` as `[[], []]`. When these lists are read, every
//! axis below an empty list has length 0: the shapes are `(0, 0)` and `(2, 0, 0)`.
//!
//! # Arrays of any number of axes
//!
//! [`ArrayD`] reads lists with any number of levels up to [`MAX_AXES`]. Each level is an axis, so
//! its elements cannot be lists. An empty list is the last axis, so `[[], []]` has the shape
//! `[2, 0]`. The outermost level must be a list. An `ArrayD` without axes would be a single
//! element, and cannot be written.
//!
//! # Floats
//!
//! JSON has neither NaN nor infinity. They are written as null, which cannot be read as an `f64`.
//! An array of `Option<f64>` accepts null for a missing value.

#[cfg(feature = "schemars")]
use std::borrow::Cow;
use std::fmt;
use std::ops::{Deref, DerefMut};

use ::ndarray::{ArrayViewD, Axis, Dimension, Ix0, Ix1, Ix2, Ix3, Ix4, Ix5, Ix6, IxDyn};
#[cfg(feature = "schemars")]
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, UnitDeserializer};
use serde::de::{DeserializeSeed, Error, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Error as _, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer, forward_to_deserialize_any};

/// The maximum number of axes of an [`ArrayD`]. (`serde_json` reads at most 127 levels of any
/// kind.)
pub const MAX_AXES: usize = 64;

/// An array of `ndarray` that is nested lists in JSON. You can use it like the array itself.
///
/// See [the module](self) for the form of the lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Array<A, D: Dimension>(pub ::ndarray::Array<A, D>);

/// A single element: `5`.
pub type Array0<A> = Array<A, Ix0>;
/// A list: `[1, 2]`.
pub type Array1<A> = Array<A, Ix1>;
/// A list of lists of equal length: `[[1, 2], [3, 4]]`.
pub type Array2<A> = Array<A, Ix2>;
/// Three levels of lists.
pub type Array3<A> = Array<A, Ix3>;
/// Four levels of lists.
pub type Array4<A> = Array<A, Ix4>;
/// Five levels of lists.
pub type Array5<A> = Array<A, Ix5>;
/// Six levels of lists.
pub type Array6<A> = Array<A, Ix6>;
/// Nested lists with any number of levels up to [`MAX_AXES`].
pub type ArrayD<A> = Array<A, IxDyn>;

impl<A, D: Dimension> Array<A, D> {
    /// Returns the array.
    pub fn into_inner(self) -> ::ndarray::Array<A, D> {
        self.0
    }
}

impl<A, D: Dimension> Deref for Array<A, D> {
    type Target = ::ndarray::Array<A, D>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<A, D: Dimension> DerefMut for Array<A, D> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl<A, D: Dimension> From<::ndarray::Array<A, D>> for Array<A, D> {
    fn from(array: ::ndarray::Array<A, D>) -> Self {
        Self(array)
    }
}

impl<A, D: Dimension> From<Array<A, D>> for ::ndarray::Array<A, D> {
    fn from(array: Array<A, D>) -> Self {
        array.0
    }
}

impl<A: Serialize, D: Dimension> Serialize for Array<A, D> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.0.ndim(), D::NDIM) {
            (0, None) => Err(S::Error::custom(
                "an ArrayD without axes cannot be written as a list",
            )),
            (axes, _) if axes > MAX_AXES => Err(S::Error::custom(format_args!(
                "the array has {axes} axes; use at most {MAX_AXES}"
            ))),
            _ => Lists(self.0.view().into_dyn()).serialize(serializer),
        }
    }
}

/// An array, or a part of one, to write.
struct Lists<'a, A>(ArrayViewD<'a, A>);

impl<A: Serialize> Serialize for Lists<'_, A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.0.ndim(), self.0.first()) {
            (0, Some(element)) => element.serialize(serializer),
            // This avoids a view of each element in the innermost lists.
            (1, _) => serializer.collect_seq(&self.0),
            _ => {
                let mut list = serializer.serialize_seq(Some(self.0.len_of(Axis(0))))?;
                for row in self.0.axis_iter(Axis(0)) {
                    list.serialize_element(&Lists(row))?;
                }
                list.end()
            }
        }
    }
}

impl<'de, A: Deserialize<'de>, D: Dimension> Deserialize<'de> for Array<A, D> {
    fn deserialize<T: Deserializer<'de>>(deserializer: T) -> Result<Self, T::Error> {
        let mut reading = Reading {
            is_fixed: D::NDIM.is_some(),
            axes: D::NDIM,
            lengths: vec![None; D::NDIM.unwrap_or_default()],
            elements: Vec::new(),
        };
        let outermost = Level {
            reading: &mut reading,
            depth: 0,
        };
        outermost.deserialize(deserializer)?;
        // Inside an empty list there was nothing to count.
        let lengths = reading.lengths.into_iter().map(Option::unwrap_or_default);
        let lengths: Vec<usize> = lengths.collect();
        let array = ::ndarray::ArrayD::from_shape_vec(lengths, reading.elements);
        let array = array.and_then(::ndarray::Array::into_dimensionality);
        array.map(Self).map_err(T::Error::custom)
    }
}

/// The parts of an array that are read so far. Elements are appended as they come, so memory grows
/// only with the input.
struct Reading<A> {
    /// Whether the type fixes the number of axes.
    is_fixed: bool,
    /// The number of axes. If the type does not fix it, the first element or empty list does.
    axes: Option<usize>,
    /// The length of each axis, known after its first list.
    lengths: Vec<Option<usize>>,
    elements: Vec<A>,
}

/// Reads one list with its contents, or one element.
struct Level<'r, A> {
    reading: &'r mut Reading<A>,
    /// The number of lists around it.
    depth: usize,
}

impl<'de, A: Deserialize<'de>> DeserializeSeed<'de> for Level<'_, A> {
    type Value = ();

    fn deserialize<T: Deserializer<'de>>(self, deserializer: T) -> Result<(), T::Error> {
        let is_element = self.reading.axes == Some(self.depth);
        match (self.reading.is_fixed, is_element) {
            // An element may be a list itself, if its type is a list.
            (true, true) => self.element(deserializer),
            (true, false) => deserializer.deserialize_seq(self),
            (false, _) => deserializer.deserialize_any(self),
        }
    }
}

impl<A> Level<'_, A> {
    fn element<'de, T: Deserializer<'de>>(self, deserializer: T) -> Result<(), T::Error>
    where
        A: Deserialize<'de>,
    {
        let axes = *self.reading.axes.get_or_insert(self.depth);
        if self.depth < axes || (axes == 0 && !self.reading.is_fixed) {
            return Err(T::Error::custom("expected a list"));
        }
        self.reading.elements.push(A::deserialize(deserializer)?);
        Ok(())
    }

    fn odd<E: Error>(found: impl fmt::Display, expected: usize) -> E {
        E::custom(format_args!(
            "{found} items in this list, but {expected} in the lists before it"
        ))
    }
}

impl<'de, A: Deserialize<'de>> Visitor<'de> for Level<'_, A> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<(), S::Error> {
        let Self { reading, depth } = self;
        if reading.axes == Some(depth) {
            return Err(S::Error::custom(
                "found a list, but earlier items of this level are elements",
            ));
        }
        if depth == MAX_AXES {
            return Err(S::Error::custom(format_args!(
                "the lists are nested more than {MAX_AXES} levels deep"
            )));
        }
        if depth == reading.lengths.len() {
            reading.lengths.push(None);
        }
        let expected = reading.lengths[depth];
        let mut count = 0;
        loop {
            let inner = Level {
                reading: &mut *reading,
                depth: depth + 1,
            };
            if list.next_element_seed(inner)?.is_none() {
                break;
            }
            count += 1;
            if let Some(expected) = expected.filter(|&expected| count > expected) {
                return Err(Self::odd(format_args!("more than {expected}"), expected));
            }
        }
        match expected {
            Some(expected) if count != expected => return Err(Self::odd(count, expected)),
            Some(_) => {}
            None => reading.lengths[depth] = Some(count),
        }
        // There was no element below, so this is the last axis.
        reading.axes.get_or_insert(depth + 1);
        Ok(())
    }

    // The following methods read elements of an array whose type does not fix the number of axes.

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.element(Element::new(value.into_deserializer()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.element(Element::new(value.into_deserializer()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.element(Element::new(value.into_deserializer()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.element(Element::new(value.into_deserializer()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.element(Element::new(value.into_deserializer()))
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.element(Element::null(UnitDeserializer::new()))
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<(), M::Error> {
        self.element(Element::new(MapAccessDeserializer::new(map)))
    }
}

/// A single element. Unlike serde's own deserializers of single values, it supports `Option` and
/// newtypes.
struct Element<T> {
    value: T,
    is_null: bool,
}

impl<T> Element<T> {
    fn new(value: T) -> Self {
        let is_null = false;
        Self { value, is_null }
    }

    fn null(value: T) -> Self {
        let is_null = true;
        Self { value, is_null }
    }
}

impl<'de, T: Deserializer<'de>> Deserializer<'de> for Element<T> {
    type Error = T::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, T::Error> {
        self.value.deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, T::Error> {
        if self.is_null {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, T::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, T::Error> {
        self.value.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(feature = "schemars")]
impl<A: JsonSchema, D: Dimension> JsonSchema for Array<A, D> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        let axes = D::NDIM.map_or_else(|| "D".to_owned(), |axes| axes.to_string());
        format!("Array{axes}_of_{}", A::schema_name()).into()
    }

    fn schema_id() -> Cow<'static, str> {
        let axes = D::NDIM.map_or_else(|| "D".to_owned(), |axes| axes.to_string());
        format!("dasf_types::ndarray::Array{axes}<{}>", A::schema_id()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        match D::NDIM {
            Some(axes) => (0..axes).fold(
                generator.subschema_for::<A>(),
                |items, _| json_schema!({"type": "array", "items": items}),
            ),
            // A schema cannot be more exact without recursion, which few client generators support.
            None => json_schema!({
                "type": "array",
                "description": "Lists nested to any depth; lists of one level have equal lengths",
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::ndarray::{Array as NdArray, ArrayD as NdArrayD, IxDyn, array};
    use proptest::prelude::*;
    use serde::de::DeserializeOwned;
    use serde_json::json;

    /// Reads as a module does: the error begins with the path.
    fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        serde_path_to_error::deserialize(&value)
            .map_err(|error| format!("{}: {}", error.path(), error.inner()))
    }

    fn shape_of(text: &str) -> Vec<usize> {
        read::<ArrayD<i64>>(text).unwrap().shape().to_vec()
    }

    #[test]
    fn arrays_are_nested_lists() {
        let cube: Array3<i32> = array![[[1, 2]], [[3, 4]], [[5, 6]]].into();
        let text = "[[[1,2]],[[3,4]],[[5,6]]]";
        assert_eq!(serde_json::to_string(&cube).unwrap(), text);
        assert_eq!(read::<Array3<i32>>(text).unwrap(), cube);
        let any = read::<ArrayD<i32>>(text).unwrap();
        assert_eq!(any.0, cube.clone().into_inner().into_dyn());
        assert_eq!(serde_json::to_string(&any).unwrap(), text);
        // The order in memory does not matter.
        let turned: Array2<i32> = array![[1, 2], [3, 4]].reversed_axes().into();
        assert_eq!(serde_json::to_string(&turned).unwrap(), "[[1,3],[2,4]]");
        let single: Array0<i32> = NdArray::from_elem((), 5).into();
        assert_eq!(serde_json::to_string(&single).unwrap(), "5");
        assert_eq!(read::<Array0<i32>>("5").unwrap(), single);
        let deep = read::<Array6<i32>>("[[[[[[1],[2]]]]]]").unwrap();
        assert_eq!(deep.shape(), [1, 1, 1, 1, 2, 1]);
    }

    #[test]
    fn lists_of_unequal_lengths_are_refused_with_their_path() {
        let more = "more than 2 items in this list, but 2 in the lists before it";
        let fewer = "1 items in this list, but 2 in the lists before it";
        for (text, problem) in [
            ("[[1, 2], [3, 4, 5], [6]]", format!("[1]: {more}")),
            ("[[1, 2], [3, 4], [5]]", format!("[2]: {fewer}")),
        ] {
            assert_eq!(read::<Array2<f64>>(text).unwrap_err(), problem);
            assert_eq!(read::<ArrayD<f64>>(text).unwrap_err(), problem);
        }
        let deep = "[[[1], [2]], [[3]]]";
        assert_eq!(
            read::<Array3<u8>>(deep).unwrap_err(),
            format!("[1]: {fewer}")
        );
        let deeper = "[[[1, 2], [3, 4]], [[5, 6], [7]]]";
        assert_eq!(
            read::<ArrayD<u8>>(deeper).unwrap_err(),
            format!("[1][1]: {fewer}")
        );

        let error = |text| read::<ArrayD<f64>>(text).unwrap_err();
        assert_eq!(error("[[1], 2]"), "[1]: expected a list");
        assert_eq!(error("5"), ".: expected a list");
        assert_eq!(
            error("[1, [2]]"),
            "[1]: found a list, but earlier items of this level are elements"
        );
        assert_eq!(
            error("[[], [[]]]"),
            "[1][0]: found a list, but earlier items of this level are elements"
        );
        assert_eq!(
            error(r#"[1, "a"]"#),
            r#"[1]: invalid type: string "a", expected f64"#
        );
        let error = |text| read::<Array2<u8>>(text).unwrap_err();
        assert_eq!(
            error("[[1], 2]"),
            "[1]: invalid type: integer `2`, expected a list"
        );
        assert_eq!(
            error("[[[1]]]"),
            "[0][0]: invalid type: sequence, expected u8"
        );
        assert_eq!(
            error("[[1, 256]]"),
            "[0][1]: invalid value: integer `256`, expected u8"
        );
    }

    #[test]
    fn empty_axes_are_read_as_documented() {
        assert_eq!(read::<Array2<u8>>("[]").unwrap().dim(), (0, 0));
        assert_eq!(read::<Array2<u8>>("[[], []]").unwrap().dim(), (2, 0));
        assert_eq!(read::<Array3<u8>>("[[], []]").unwrap().dim(), (2, 0, 0));
        assert_eq!(shape_of("[]"), [0]);
        assert_eq!(shape_of("[[], []]"), [2, 0]);
        assert_eq!(shape_of("[[[]], [[]]]"), [2, 1, 0]);
        assert!(read::<ArrayD<u8>>("[[], [1]]").is_err());
        let flat: Array2<u8> = NdArray::zeros((0, 3)).into();
        assert_eq!(serde_json::to_string(&flat).unwrap(), "[]");
        let thin: Array3<u8> = NdArray::zeros((2, 0, 3)).into();
        assert_eq!(serde_json::to_string(&thin).unwrap(), "[[],[]]");
    }

    #[test]
    fn depth_is_limited() {
        let nested = |levels| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(shape_of(&nested(MAX_AXES)), [1; MAX_AXES]);
        let error = read::<ArrayD<u8>>(&nested(MAX_AXES + 1)).unwrap_err();
        assert!(
            error.ends_with("nested more than 64 levels deep"),
            "{error}"
        );
        let write = |axes: usize| {
            let array: ArrayD<u8> = NdArrayD::zeros(IxDyn(&vec![1; axes])).into();
            serde_json::to_string(&array).map_err(|error| error.to_string())
        };
        assert!(write(MAX_AXES).is_ok());
        assert_eq!(
            write(MAX_AXES + 1).unwrap_err(),
            "the array has 65 axes; use at most 64"
        );
        assert_eq!(
            write(0).unwrap_err(),
            "an ArrayD without axes cannot be written as a list"
        );
    }

    #[test]
    fn elements_are_of_any_type() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        enum Kind {
            Bare,
            Full { of: u8 },
        }
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Wrapped(Option<u8>);

        fn both<A: Serialize + DeserializeOwned + PartialEq + fmt::Debug>(elements: Vec<A>) {
            let one = Array1::from(NdArray::from_vec(elements));
            let text = serde_json::to_string(&one).unwrap();
            let any: ArrayD<A> = read(&text).unwrap();
            assert_eq!(read::<Array1<A>>(&text).unwrap(), one);
            assert_eq!(any.0, one.0.into_dyn());
        }
        both(vec![Some(1.5), None]);
        both(vec![true, false]);
        both(vec!["a".to_owned(), String::new()]);
        both(vec![i64::MIN, -1, i64::MAX]);
        both(vec![u64::MAX]);
        both(vec![Kind::Bare, Kind::Full { of: 1 }]);
        both(vec![Wrapped(Some(1)), Wrapped(None)]);
        // Only a fixed number of axes distinguishes an axis from an element that is a list.
        let pairs: Array1<(u8, u8)> = read("[[1, 2], [3, 4], [5, 6]]").unwrap();
        assert_eq!(pairs.len(), 3);
    }

    #[test]
    fn the_schema_is_that_of_nested_lists() {
        let schema = |schema: Schema| schema.to_value();
        let mut generator = SchemaGenerator::default();
        assert_eq!(
            schema(Array2::<bool>::json_schema(&mut generator)),
            json!({"type": "array", "items": {"type": "array", "items": {"type": "boolean"}}})
        );
        assert_eq!(
            schema(Array0::<bool>::json_schema(&mut generator)),
            json!({"type": "boolean"})
        );
        let any = schema(ArrayD::<bool>::json_schema(&mut generator));
        assert_eq!((&any["type"], any.get("items")), (&json!("array"), None));
        assert_eq!(Array2::<bool>::schema_name(), "Array2_of_boolean");
        assert_eq!(ArrayD::<bool>::schema_name(), "ArrayD_of_boolean");
    }

    proptest! {
        #[test]
        fn all_arrays_survive(
            rows in 1..5_usize,
            columns in 1..5_usize,
            layers in 0..5_usize,
            seed: i32,
        ) {
            let place = |(row, column, layer)| (row * 100 + column * 10 + layer) as f64;
            let element = |index| f64::from(seed) / 3.0 + place(index);
            let cube: Array3<f64> = NdArray::from_shape_fn((rows, columns, layers), element).into();
            let text = serde_json::to_string(&cube).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Array3<f64>>(&text).unwrap(), &cube);
            let any: ArrayD<f64> = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(any.0, cube.0.into_dyn());
        }

        #[test]
        fn no_lists_panic(text in r"[\[\],12]{0,30}") {
            let _ = serde_json::from_str::<ArrayD<u8>>(&text);
            let _ = serde_json::from_str::<Array2<u8>>(&text);
        }
    }
}
