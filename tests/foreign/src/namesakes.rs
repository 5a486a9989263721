//! A module whose types have the names of other types.

/// Each type has a name that somebody else has, too.
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

    /// No `Result` of the standard library.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[schemars(crate = "::schemars")]
    pub struct Result {
        /// What came out.
        pub value: i64,
    }

    /// No `Option` of the standard library.
    #[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
    #[schemars(crate = "::schemars")]
    pub enum Option {
        /// As before.
        #[default]
        Keep,
        /// Twice as much.
        Double,
    }

    /// No `String` of the standard library.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[schemars(crate = "::schemars")]
    pub struct String {
        /// Of this many instruments.
        pub quartet: u8,
    }

    /// No `dasf::Context`.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[schemars(crate = "::schemars")]
    pub struct Context(pub i64);

    /// No `dasf::ProgressReport`.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[schemars(crate = "::schemars")]
    pub struct ProgressReport(pub i64);

    /// No builder of a call.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[schemars(crate = "::schemars")]
    pub struct SumCall(pub i64);

    /// No instance of a class.
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
