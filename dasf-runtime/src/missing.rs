//! Compile errors for a type that lacks a trait of arguments and results.
//!
//! The compiler prints the messages of these traits. No type implements them: generated code
//! demands one only where a [`Probe`](crate::probe::Probe) found that the type lacks the traits in
//! its message.

use std::marker::PhantomData;

const SERIALIZE: u8 = 1;
const DESERIALIZE: u8 = 2;
const SCHEMA: u8 = 4;
const SEND: u8 = 8;

/// Returns the traits that a type lacks, from the traits that it has. [`Send`] comes last: it is
/// listed only if no other trait is missing.
pub const fn lacking(serialize: bool, deserialize: bool, schema: bool, send: bool) -> u8 {
    let mut lacking = 0;
    if !serialize {
        lacking |= SERIALIZE;
    }
    if !deserialize {
        lacking |= DESERIALIZE;
    }
    if !schema {
        lacking |= SCHEMA;
    }
    if lacking == 0 && !send {
        lacking |= SEND;
    }
    lacking
}

/// The traits that a type lacks, as [`lacking`] returns them, and the crate that its path names.
///
/// Each function `check` refuses its type with one message. The numbers of the traits are literals,
/// because the compiler prints them.
#[derive(Debug)]
pub struct Lacks<const TRAITS: u8, C = AnyCrate>(PhantomData<C>);

/// A crate without its own message.
#[derive(Debug)]
pub struct AnyCrate;

impl<C> Lacks<0, C> {
    /// Accepts a type that lacks nothing.
    pub const fn check<T: ?Sized>() {}
}

#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument or a result of a DASF function: it does not implement `serde::Serialize`",
    label = "`serde::Serialize` is missing",
    note = "if the type is yours, add `#[derive(serde::Serialize)]` to it",
    note = "if the type belongs to another crate, add the feature of that crate for `serde` in Cargo.toml; it is usually called `serde`"
)]
pub trait Serialized {}

impl<C> Lacks<1, C> {
    /// Refuses a type that lacks `Serialize`.
    pub const fn check<T: ?Sized + Serialized>() {}
}

#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument or a result of a DASF function: it does not implement `serde::Deserialize`",
    label = "`serde::Deserialize` is missing",
    note = "if the type is yours, add `#[derive(serde::Deserialize)]` to it",
    note = "if the type belongs to another crate, add the feature of that crate for `serde` in Cargo.toml; it is usually called `serde`"
)]
pub trait Deserialized {}

impl<C> Lacks<2, C> {
    /// Refuses a type that lacks `Deserialize`.
    pub const fn check<T: ?Sized + Deserialized>() {}
}

#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument or a result of a DASF function: it implements neither `serde::Serialize` nor `serde::Deserialize`",
    label = "`serde::Serialize` and `serde::Deserialize` are missing",
    note = "if the type is yours, add `#[derive(serde::Serialize, serde::Deserialize)]` to it",
    note = "if the type belongs to another crate, add the feature of that crate for `serde` in Cargo.toml; it is usually called `serde`"
)]
pub trait SerializedAndDeserialized {}

impl Lacks<3> {
    /// Refuses a type that lacks both traits of `serde`.
    pub const fn check<T: ?Sized + SerializedAndDeserialized>() {}
}

#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument or a result of a DASF function: it does not implement `schemars::JsonSchema`",
    label = "`schemars::JsonSchema` is missing",
    note = "if the type is yours, add `#[derive(schemars::JsonSchema)]` to it; Cargo.toml needs `schemars = \"1\"`, because version 0.8 has another trait of the same name",
    note = "if the type belongs to another crate, add the feature of `schemars` for that crate in Cargo.toml, for instance `schemars = {{ version = \"1\", features = [\"chrono04\"] }}`"
)]
pub trait Described {}

impl Lacks<4> {
    /// Refuses a type that lacks `JsonSchema`.
    pub const fn check<T: ?Sized + Described>() {}
}

#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument or a result of a DASF function: it implements neither `serde::Serialize` nor `schemars::JsonSchema`",
    label = "`serde::Serialize` and `schemars::JsonSchema` are missing",
    note = "add `#[derive(serde::Serialize, schemars::JsonSchema)]` to the type; Cargo.toml needs `schemars = \"1\"`"
)]
pub trait SerializedAndDescribed {}

impl<C> Lacks<5, C> {
    /// Refuses a type that lacks `Serialize` and `JsonSchema`.
    pub const fn check<T: ?Sized + SerializedAndDescribed>() {}
}

#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument or a result of a DASF function: it implements neither `serde::Deserialize` nor `schemars::JsonSchema`",
    label = "`serde::Deserialize` and `schemars::JsonSchema` are missing",
    note = "add `#[derive(serde::Deserialize, schemars::JsonSchema)]` to the type; Cargo.toml needs `schemars = \"1\"`"
)]
pub trait DeserializedAndDescribed {}

impl<C> Lacks<6, C> {
    /// Refuses a type that lacks `Deserialize` and `JsonSchema`.
    pub const fn check<T: ?Sized + DeserializedAndDescribed>() {}
}

#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument or a result of a DASF function: it implements none of `serde::Serialize`, `serde::Deserialize` and `schemars::JsonSchema`",
    label = "`serde::Serialize`, `serde::Deserialize` and `schemars::JsonSchema` are missing",
    note = "if the type is yours, add `#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]` to it; Cargo.toml needs `serde = {{ version = \"1\", features = [\"derive\"] }}` and `schemars = \"1\"`",
    note = "if the type belongs to another crate, add the feature of that crate for `serde`, and the feature of `schemars` for that crate, in Cargo.toml"
)]
pub trait SerializedDeserializedAndDescribed {}

impl Lacks<7> {
    /// Refuses a type that lacks all three traits.
    pub const fn check<T: ?Sized + SerializedDeserializedAndDescribed>() {}
}

#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument or a result of a DASF function: it is not `Send`",
    label = "not `Send`",
    note = "a module moves arguments and results between threads; use `std::sync::Arc` in place of `std::rc::Rc`"
)]
pub trait Sendable {}

impl<C> Lacks<8, C> {
    /// Refuses a type that is not [`Send`].
    pub const fn check<T: ?Sized + Sendable>() {}
}

/// The messages for the types of one crate: they name its features.
macro_rules! of_crate {
    ($name:ident, $module:ident, $($for_serde:literal, $for_schema:literal)? $(instead: $instead:literal)?) => {
        /// Types of the crate.
        #[derive(Debug)]
        pub struct $name;

        mod $module {
            #[diagnostic::on_unimplemented(
                message = "`{Self}` cannot be an argument or a result of a DASF function: it implements neither `serde::Serialize` nor `serde::Deserialize`",
                label = "`serde::Serialize` and `serde::Deserialize` are missing",
                $(note = $for_serde,)? $(note = $instead,)?
                note = "if the type is yours, add `#[derive(serde::Serialize, serde::Deserialize)]` to it"
            )]
            pub trait Serde {}

            #[diagnostic::on_unimplemented(
                message = "`{Self}` cannot be an argument or a result of a DASF function: it does not implement `schemars::JsonSchema`",
                label = "`schemars::JsonSchema` is missing",
                $(note = $for_schema,)? $(note = $instead,)?
                note = "if the type is yours, add `#[derive(schemars::JsonSchema)]` to it"
            )]
            pub trait Described {}

            #[diagnostic::on_unimplemented(
                message = "`{Self}` cannot be an argument or a result of a DASF function: it implements none of `serde::Serialize`, `serde::Deserialize` and `schemars::JsonSchema`",
                label = "`serde::Serialize`, `serde::Deserialize` and `schemars::JsonSchema` are missing",
                $(note = $for_serde, note = $for_schema,)? $(note = $instead,)?
                note = "if the type is yours, add `#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]` to it"
            )]
            pub trait All {}
        }
    };
}

of_crate! {
    Bytes,
    bytes,
    "for a type of `bytes`, add its feature `serde` in Cargo.toml: `bytes = {{ version = \"1\", features = [\"serde\"] }}`; `dasf::Base64` is much shorter in JSON",
    "for a type of `bytes`, add the feature `bytes1` of `schemars` in Cargo.toml: `schemars = {{ version = \"1\", features = [\"bytes1\"] }}`; `dasf::Base64` is much shorter in JSON"
}

of_crate! {
    Chrono,
    chrono,
    "for a type of `chrono`, add its feature `serde` in Cargo.toml: `chrono = {{ version = \"0.4\", features = [\"serde\"] }}`",
    "for a type of `chrono`, add the feature `chrono04` of `schemars` in Cargo.toml: `schemars = {{ version = \"1\", features = [\"chrono04\"] }}`"
}

of_crate! {
    IndexMap,
    index_map,
    "for a type of `indexmap`, add its feature `serde` in Cargo.toml: `indexmap = {{ version = \"2\", features = [\"serde\"] }}`",
    "for a type of `indexmap`, add the feature `indexmap2` of `schemars` in Cargo.toml: `schemars = {{ version = \"1\", features = [\"indexmap2\"] }}`"
}

of_crate! {
    Jiff,
    jiff,
    "for a type of `jiff`, add its feature `serde` in Cargo.toml: `jiff = {{ version = \"0.2\", features = [\"serde\"] }}`",
    "for a type of `jiff`, add the feature `jiff02` of `schemars` in Cargo.toml: `schemars = {{ version = \"1\", features = [\"jiff02\"] }}`"
}

of_crate! {
    Ndarray,
    ndarray,
    instead: "for an array of `ndarray`, add the feature `ndarray` of `dasf` in Cargo.toml, and use `dasf::ndarray::Array` in place of `ndarray::Array`"
}

of_crate! {
    RustDecimal,
    rust_decimal,
    "for a type of `rust_decimal`, add its feature `serde` in Cargo.toml: `rust_decimal = {{ version = \"1\", features = [\"serde\"] }}`",
    "for a type of `rust_decimal`, add the feature `rust_decimal1` of `schemars` in Cargo.toml: `schemars = {{ version = \"1\", features = [\"rust_decimal1\"] }}`"
}

of_crate! {
    Time,
    time,
    instead: "for a type of `time`, add the feature `time` of `dasf` in Cargo.toml, and use the type of the same name in `dasf::time`"
}

of_crate! {
    Url,
    url,
    "for a type of `url`, add its feature `serde` in Cargo.toml: `url = {{ version = \"2\", features = [\"serde\"] }}`",
    "for a type of `url`, add the feature `url2` of `schemars` in Cargo.toml: `schemars = {{ version = \"1\", features = [\"url2\"] }}`"
}

of_crate! {
    Uuid,
    uuid,
    "for a type of `uuid`, add its feature `serde` in Cargo.toml: `uuid = {{ version = \"1\", features = [\"serde\"] }}`",
    "for a type of `uuid`, add the feature `uuid1` of `schemars` in Cargo.toml: `schemars = {{ version = \"1\", features = [\"uuid1\"] }}`"
}

// The functions are written out, so that no error shows the inside of a macro.

impl Lacks<3, Bytes> {
    /// Refuses a type that lacks both traits of `serde`.
    pub const fn check<T: ?Sized + bytes::Serde>() {}
}

impl Lacks<4, Bytes> {
    /// Refuses a type that lacks `JsonSchema`.
    pub const fn check<T: ?Sized + bytes::Described>() {}
}

impl Lacks<7, Bytes> {
    /// Refuses a type that lacks all three traits.
    pub const fn check<T: ?Sized + bytes::All>() {}
}

impl Lacks<3, Chrono> {
    /// Refuses a type that lacks both traits of `serde`.
    pub const fn check<T: ?Sized + chrono::Serde>() {}
}

impl Lacks<4, Chrono> {
    /// Refuses a type that lacks `JsonSchema`.
    pub const fn check<T: ?Sized + chrono::Described>() {}
}

impl Lacks<7, Chrono> {
    /// Refuses a type that lacks all three traits.
    pub const fn check<T: ?Sized + chrono::All>() {}
}

impl Lacks<3, IndexMap> {
    /// Refuses a type that lacks both traits of `serde`.
    pub const fn check<T: ?Sized + index_map::Serde>() {}
}

impl Lacks<4, IndexMap> {
    /// Refuses a type that lacks `JsonSchema`.
    pub const fn check<T: ?Sized + index_map::Described>() {}
}

impl Lacks<7, IndexMap> {
    /// Refuses a type that lacks all three traits.
    pub const fn check<T: ?Sized + index_map::All>() {}
}

impl Lacks<3, Jiff> {
    /// Refuses a type that lacks both traits of `serde`.
    pub const fn check<T: ?Sized + jiff::Serde>() {}
}

impl Lacks<4, Jiff> {
    /// Refuses a type that lacks `JsonSchema`.
    pub const fn check<T: ?Sized + jiff::Described>() {}
}

impl Lacks<7, Jiff> {
    /// Refuses a type that lacks all three traits.
    pub const fn check<T: ?Sized + jiff::All>() {}
}

impl Lacks<3, Ndarray> {
    /// Refuses a type that lacks both traits of `serde`.
    pub const fn check<T: ?Sized + ndarray::Serde>() {}
}

impl Lacks<4, Ndarray> {
    /// Refuses a type that lacks `JsonSchema`.
    pub const fn check<T: ?Sized + ndarray::Described>() {}
}

impl Lacks<7, Ndarray> {
    /// Refuses a type that lacks all three traits.
    pub const fn check<T: ?Sized + ndarray::All>() {}
}

impl Lacks<3, RustDecimal> {
    /// Refuses a type that lacks both traits of `serde`.
    pub const fn check<T: ?Sized + rust_decimal::Serde>() {}
}

impl Lacks<4, RustDecimal> {
    /// Refuses a type that lacks `JsonSchema`.
    pub const fn check<T: ?Sized + rust_decimal::Described>() {}
}

impl Lacks<7, RustDecimal> {
    /// Refuses a type that lacks all three traits.
    pub const fn check<T: ?Sized + rust_decimal::All>() {}
}

impl Lacks<3, Time> {
    /// Refuses a type that lacks both traits of `serde`.
    pub const fn check<T: ?Sized + time::Serde>() {}
}

impl Lacks<4, Time> {
    /// Refuses a type that lacks `JsonSchema`.
    pub const fn check<T: ?Sized + time::Described>() {}
}

impl Lacks<7, Time> {
    /// Refuses a type that lacks all three traits.
    pub const fn check<T: ?Sized + time::All>() {}
}

impl Lacks<3, Url> {
    /// Refuses a type that lacks both traits of `serde`.
    pub const fn check<T: ?Sized + url::Serde>() {}
}

impl Lacks<4, Url> {
    /// Refuses a type that lacks `JsonSchema`.
    pub const fn check<T: ?Sized + url::Described>() {}
}

impl Lacks<7, Url> {
    /// Refuses a type that lacks all three traits.
    pub const fn check<T: ?Sized + url::All>() {}
}

impl Lacks<3, Uuid> {
    /// Refuses a type that lacks both traits of `serde`.
    pub const fn check<T: ?Sized + uuid::Serde>() {}
}

impl Lacks<4, Uuid> {
    /// Refuses a type that lacks `JsonSchema`.
    pub const fn check<T: ?Sized + uuid::Described>() {}
}

impl Lacks<7, Uuid> {
    /// Refuses a type that lacks all three traits.
    pub const fn check<T: ?Sized + uuid::All>() {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traits_come_before_send() {
        assert_eq!(lacking(true, true, true, true), 0);
        assert_eq!(lacking(true, true, true, false), SEND);
        assert_eq!(lacking(true, true, false, false), SCHEMA);
        assert_eq!(lacking(false, false, true, true), 3);
        assert_eq!(lacking(false, false, false, false), 7);
    }
}
