#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../checks/api_info.rs"]
mod api_info;

fuzz_target!(|bytes: &[u8]| api_info::check(bytes));
