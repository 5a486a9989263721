//! Complete modules, served by the binaries of this package and called by its tests.
//!
//! | module | what it shows |
//! |---|---|
//! | [`arithmetic`] | the attributes, in a few lines each |
//! | [`reference`](mod@reference) | a mirror of the Python module that the protocol was measured on |
//! | [`monte_carlo`] | work that several processes share |
//! | [`climate`] | statistics of real climate series, as a scientist would serve them |

mod modules;
pub mod series;
pub mod statistics;

pub use modules::arithmetic::arithmetic;
pub use modules::climate::climate;
pub use modules::monte_carlo::monte_carlo;
pub use modules::reference::reference;
