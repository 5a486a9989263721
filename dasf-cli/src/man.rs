//! `dasf man`: writes the manual pages.

use std::path::PathBuf;

use clap::Args;
use dasf::cli::{Error, print_result, with_help};

use crate::help;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dasf man ~/.local/share/man/man1
  man dasf-call")]
pub(crate) struct Man {
    /// The folder, such as man1 in a folder that man searches
    folder: PathBuf,
}

pub(crate) fn run(options: &Man) -> Result<(), Error> {
    let folder = &options.folder;
    let failed = |error: std::io::Error| {
        Error::Failed(format!("{} cannot be written: {error}", folder.display()))
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    clap_mangen::generate_to(with_help(help::command()), folder).map_err(failed)?;
    let pages = std::fs::read_dir(folder).map_err(failed)?.count();
    print_result(&format!("{pages} pages are in {}", folder.display()))
}
