#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../checks/frames.rs"]
mod frames;

fuzz_target!(|bytes: &[u8]| frames::check(bytes));
