#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../checks/link.rs"]
mod link;

fuzz_target!(|bytes: &[u8]| link::check(bytes));
