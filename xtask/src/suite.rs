//! The steps of `cargo xtask test`. A new step is one more row.

use crate::steps::Step;

/// How many tests run at a time. Most of them wait for brokers and timers, so there are more than processors.
const TEST_THREADS: &str = "4";

/// The steps in their order.
pub(crate) const STEPS: &[Step] = &[
    Step::check("python", &["cargo", "xtask", "python"]),
    Step::check("browser", &["cargo", "xtask", "browser"]),
    Step::check("pulsar", &["cargo", "xtask", "pulsar"]),
    Step::check("mosquitto", &["cargo", "xtask", "mosquitto"]),
    Step::check("shells", &["cargo", "xtask", "shells"]),
    Step::check("web", &["cargo", "xtask", "web", "--test"]),
    Step::check("book", &["cargo", "xtask", "book"]),
    Step::check("fmt", &["cargo", "fmt", "--all", "--check"]),
    Step::check(
        "clippy",
        &[
            "cargo",
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "-D",
            "warnings",
        ],
    ),
    Step::check("features", &["cargo", "xtask", "features"]),
    Step::check(
        "doc",
        &[
            "cargo",
            "doc",
            "--workspace",
            "--all-features",
            "--no-deps",
            "--locked",
        ],
    )
    .env("RUSTDOCFLAGS", "-D warnings"),
    Step::check(
        "doc minimal",
        &[
            "cargo",
            "doc",
            "-p",
            "dasf",
            "--no-default-features",
            "--no-deps",
            "--locked",
        ],
    )
    .env("RUSTDOCFLAGS", "-D warnings"),
    Step::check("package", &["cargo", "xtask", "package"]),
    Step::check(
        "build",
        &["cargo", "test", "--workspace", "--locked", "--no-run"],
    ),
    Step::tests(
        "test",
        &["cargo", "test", "--workspace", "--locked", "--no-fail-fast"],
    )
    .env("RUST_TEST_THREADS", TEST_THREADS)
    .after("build"),
    Step::tests("interleavings", &["cargo", "xtask", "interleavings"]),
    Step::tests("kept", &["cargo", "xtask", "kept"])
        .env("RUST_TEST_THREADS", TEST_THREADS)
        .after("build"),
    Step::check("bench", &["cargo", "xtask", "bench", "--quick"]),
    Step::program(
        "quickstart",
        &[
            "cargo",
            "run",
            "--locked",
            "-p",
            "dasf-examples",
            "--bin",
            "quickstart",
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::STEPS;

    #[test]
    fn a_step_only_waits_for_one_that_runs_before_it() {
        for (index, step) in STEPS.iter().enumerate() {
            if let Some(name) = step.needs() {
                assert!(
                    STEPS[..index].iter().any(|before| before.name() == name),
                    "{} waits for {name}",
                    step.name()
                );
            }
        }
    }
}
