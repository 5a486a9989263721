//! A module whose members depend on the configuration.

/// Some of this is not there.
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

    /// Of two with one name, the one that is there.
    #[cfg(not(any()))]
    #[::rpc::function]
    pub fn either(#[dasf(default = 1)] a: i64) -> i64 {
        a
    }

    /// Of two with one name, the other.
    #[cfg(any())]
    #[::rpc::function]
    pub fn either(#[dasf(default = 2)] b: i64) -> i64 {
        b
    }

    /// An argument that is there, and one that is not.
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

        /// Not there.
        #[cfg(any())]
        pub fn other(&self, value: Type) -> Type {
            value
        }
    }

    /// Not there at all.
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
