//! A module whose types have the names of other types.

/// Each type has the name of another type.
#[::rpc::module(topic = "namesakes", main = false, crate = ::rpc)]
pub mod lookalikes {
    use ::core::clone::Clone;
    use ::core::cmp::PartialEq;
    use ::core::convert::{From as _, Into as _};
    use ::core::default::Default;
    use ::core::fmt::Debug;
    use ::core::prelude::v1::derive;
    use ::schemars::JsonSchema;
    use ::serde::{Deserialize, Serialize};

    /// Not the `Result` of the standard library.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[schemars(crate = "::schemars")]
    pub struct Result {
        /// A value.
        pub value: i64,
    }

    /// Not the `Option` of the standard library.
    #[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
    #[schemars(crate = "::schemars")]
    pub enum Option {
        /// As before.
        #[default]
        Keep,
        /// Twice as much.
        Double,
    }

    /// Not the `String` of the standard library.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[schemars(crate = "::schemars")]
    pub struct String {
        /// Of this many instruments.
        pub quartet: u8,
    }

    /// Not `dasf::Context`.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[schemars(crate = "::schemars")]
    pub struct Context(pub i64);

    /// Not `dasf::ProgressReport`.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[schemars(crate = "::schemars")]
    pub struct ProgressReport(pub i64);

    /// Not the builder of a call.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[schemars(crate = "::schemars")]
    pub struct SumCall(pub i64);

    /// Not the instance of a class.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[schemars(crate = "::schemars")]
    pub struct AdderInstance(pub i64);

    /// Use all of them.
    #[::rpc::function]
    pub fn sum(
        option: Option,
        string: String,
        context: Context,
        report: ProgressReport,
        call: SumCall,
        #[dasf(default = AdderInstance(100))] instance: AdderInstance,
    ) -> Result {
        let factor = match option {
            Option::Keep => 1,
            Option::Double => 2,
        };
        let sum = context.0 + report.0 + call.0 + instance.0 + string.quartet as i64;
        Result {
            value: factor * sum,
        }
    }

    /// Takes the builder's name of the class's method below.
    #[::rpc::function]
    pub fn adder_add(#[dasf(default = 1)] a: i64) -> SumCall {
        SumCall(a)
    }

    /// Adds.
    pub struct Adder {
        to: AdderInstance,
    }

    #[::rpc::class]
    impl Adder {
        /// Starts with a number.
        pub fn new(#[dasf(default = AdderInstance(7))] to: AdderInstance) -> Self {
            Self { to }
        }

        /// Adds another.
        pub fn add(&self, #[dasf(default = Context(1))] context: Context) -> AdderInstance {
            AdderInstance(self.to.0 + context.0)
        }
    }
}
