//! The function `main` that `#[dasf::module]` writes.

use std::process::{ExitCode, Termination};

/// The result of a generated `main`. No other function returns it.
#[derive(Debug)]
pub struct Main(pub ExitCode);

impl Termination for Main {
    fn report(self) -> ExitCode {
        self.0
    }
}

/// The function `main` that `#[dasf::module]` writes.
///
/// The compiler reports a second `main` without a reason. This message adds the reason.
#[diagnostic::on_unimplemented(
    message = "#[dasf::module] writes a function `main`, but there is another `main` beside the module",
    label = "write `#[dasf::module(main = false)]` to keep your own `main`",
    note = "your own `main` can run the command line of the module: call the function `main` inside the module"
)]
pub trait GeneratedMain {}

#[diagnostic::do_not_recommend]
impl<F: Fn() -> Main> GeneratedMain for F {}

/// Refuses a `main` that is not the generated one.
pub const fn check_main<F: GeneratedMain>(_: &F) {}
