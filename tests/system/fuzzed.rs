//! The saved inputs of the fuzz targets, with the checks of these targets. `cargo xtask fuzz` looks for more.

use std::fs;

use dasf_test_support::root;

#[path = "../../fuzz/checks/api_info.rs"]
mod api_info;
#[path = "../../fuzz/checks/arguments.rs"]
mod arguments;
#[path = "../../fuzz/checks/fragments.rs"]
mod fragments;
#[path = "../../fuzz/checks/frames.rs"]
mod frames;
#[path = "../../fuzz/checks/link.rs"]
mod link;

/// Checks each input in the folder of a target.
fn replay(target: &str, check: fn(&[u8])) {
    let folder = root().join("fuzz/corpus").join(target);
    let mut count = 0;
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        #[allow(clippy::print_stdout)] // the output of a test that fails ends with the file
        {
            println!("{}", path.display());
        }
        check(&fs::read(path).unwrap());
        count += 1;
    }
    assert!(count > 5, "{count} inputs of {target} are saved");
}

#[test]
fn saved_descriptions_are_generated_or_refused() {
    replay("api_info", api_info::check);
}

#[test]
fn saved_arguments_are_accepted_or_refused() {
    replay("arguments", arguments::check);
}

#[test]
fn saved_fragments_are_joined_or_refused() {
    replay("fragments", fragments::check);
}

#[test]
fn saved_frames_are_read_or_refused() {
    replay("frames", frames::check);
}

#[test]
fn saved_frames_of_links_are_read_or_refused() {
    replay("link", link::check);
}
