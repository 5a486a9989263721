//! A module whose members depend on the configuration.

/// Some of these members do not exist.
#[::rpc::module(topic = "conditional", main = false, crate = ::rpc)]
pub mod configured {
    #[cfg(any())]
    use no_such_crate::Type;

    /// The type exists nowhere.
    #[cfg(any())]
    #[::rpc::function]
    pub fn absent(value: Type) -> Type {
        value
    }

    /// The function of this name that exists.
    #[cfg(not(any()))]
    #[::rpc::function]
    pub fn either(#[dasf(default = 1)] a: i64) -> i64 {
        a
    }

    /// The function of this name that does not exist.
    #[cfg(any())]
    #[::rpc::function]
    pub fn either(#[dasf(default = 2)] b: i64) -> i64 {
        b
    }

    /// An argument that exists, and one that does not.
    #[::rpc::function]
    pub fn partly(
        #[cfg(any())] gone: Type,
        #[cfg(not(any()))]
        #[dasf(default = 5)]
        there: i64,
    ) -> i64 {
        there
    }

    /// Add two numbers.
    #[deprecated(since = "0.2.0", note = "use `sum`")]
    #[::rpc::function]
    pub fn add(a: i64, b: i64) -> i64 {
        a + b
    }

    /// Holds a number.
    pub struct Holder {
        value: i64,
    }

    #[deprecated = "hold it yourself"]
    #[::rpc::class]
    impl Holder {
        /// Holds it.
        pub fn new(value: i64) -> Self {
            Self { value }
        }

        /// The number.
        pub fn value(&self) -> i64 {
            self.value
        }

        /// A method that does not exist.
        #[cfg(any())]
        pub fn other(&self, value: Type) -> Type {
            value
        }
    }

    /// A class that does not exist.
    #[cfg(any())]
    #[::rpc::class]
    impl Type {
        /// Makes it.
        pub fn new(#[dasf(default)] size: Size) -> Self {
            Self(size)
        }

        /// Its size.
        pub fn size(&self) -> Size {
            self.0
        }
    }
}
