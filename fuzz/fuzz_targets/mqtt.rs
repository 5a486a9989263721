#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| dasf_runtime::fuzzing::read_mqtt(bytes));
