#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../checks/fragments.rs"]
mod fragments;

fuzz_target!(|bytes: &[u8]| fragments::check(bytes));
