//! Small modules that the guide and the tests call.
//!
//! | module | contents |
//! |---|---|
//! | [`arithmetic`] | the attributes, in a few lines each |
//! | [`reference`](mod@reference) | a copy of the Python module on which the protocol was measured |
//! | [`monte_carlo`] | work that several processes share |
//!
//! The folders `climate` and `river` contain two complete examples. Each of them is a separate
//! package.

mod modules;

pub use modules::arithmetic::arithmetic;
pub use modules::monte_carlo::monte_carlo;
pub use modules::reference::reference;
