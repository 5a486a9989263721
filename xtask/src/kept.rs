//! Runs the tests with programs of other projects again, on embedded brokers that keep messages on the disk and
//! know users.

use std::io;
use std::process::Command;

use crate::steps::{cargo, root, succeed};

/// The parts of the names of tests that say nothing new there: their broker is another one, or has settings of
/// its own, or they have none. A test that is not named here runs.
const OTHERS: [&str; 28] = [
    "access::",
    "cluster::",
    "descriptions::",
    "differential::",
    "django",
    "fixtures::",
    "guarded::",
    "identity::",
    "mosquitto",
    "mqtt",
    "patterns::",
    "pulsar",
    "secured::",
    "a_client_survives_faults_of_the_broker",
    "a_client_without_the_right_to_publish_gets_an_error",
    "a_refusal_has_the_text_of_the_broker",
    "a_stub_of_some_members_is_generated_but_cannot_be_imported",
    "a_token_is_sent_to_the_broker",
    "arguments_and_results_are_checked_by_their_types",
    "every_client_compiles_by_itself",
    "few_types_are_inexpressible",
    "frames_in_any_order_and_lost_connections_are_survived",
    "generated_clients_are_typed_tidy_and_can_be_imported",
    "packed_numbers_are_unpacked_as_in_xarray",
    "python_reads_the_arrays_of_rust",
    "python_reads_values_of_a_newer_module",
    "rust_reads_the_arrays_of_python",
    "the_client_of_a_reporting_function_can_be_imported",
];

/// Runs the tests. The workspace is that of the step `test`, so that nothing is built again.
pub(crate) fn test() -> io::Result<()> {
    succeed(
        Command::new(cargo())
            .args(["test", "--workspace", "--locked", "--no-fail-fast"])
            .args(["--test", "interop", "--"])
            .args(OTHERS.iter().flat_map(|name| ["--skip", name]))
            .env("DASF_TEST_BROKER", "kept")
            .current_dir(root()),
    )
}
