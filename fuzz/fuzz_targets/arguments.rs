#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../checks/arguments.rs"]
mod arguments;

fuzz_target!(|bytes: &[u8]| arguments::check(bytes));
