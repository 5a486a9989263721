//! The guide: its Rust examples as documentation tests, and the pages of the repository for the
//! other tests.
//!
//! The chapters are in `chapters`. The build script makes one module of each chapter.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

include!(concat!(env!("OUT_DIR"), "/chapters.rs"));

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All files of the repository, relative to its root, without built and hidden ones.
///
/// # Errors
///
/// If a folder cannot be read.
pub fn files() -> io::Result<BTreeSet<PathBuf>> {
    let mut files = BTreeSet::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder))? {
            let entry = entry?;
            let name = entry.file_name();
            let is_built = ["target", "node_modules"]
                .iter()
                .any(|built| name == *built);
            if is_built || name.to_string_lossy().starts_with('.') {
                continue;
            }
            let path = folder.join(&name);
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else {
                files.insert(path);
            }
        }
    }
    Ok(files)
}

/// The Markdown pages among [`files`].
///
/// # Errors
///
/// If a folder cannot be read.
pub fn pages() -> io::Result<BTreeSet<PathBuf>> {
    let mut pages = files()?;
    pages.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    Ok(pages)
}
