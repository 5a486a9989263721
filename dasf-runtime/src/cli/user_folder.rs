//! The folders in which programs keep files of the user.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// A folder in which programs keep files of the user.
///
/// ```
/// use dasf_runtime::cli::UserFolder;
///
/// if let Some(folder) = UserFolder::Data.path() {
///     assert!(folder.is_absolute());
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum UserFolder {
    /// What programs have recorded: `$XDG_DATA_HOME`, or the usual folder of the system.
    Data,
    /// What the user has set: `$XDG_CONFIG_HOME`, or the usual folder of the system.
    Configuration,
}

impl UserFolder {
    /// Returns the path of the folder; `None` if the user has no home directory, and the environment names no folder.
    pub fn path(self) -> Option<PathBuf> {
        let names = match self {
            Self::Data => ["XDG_DATA_HOME", "LOCALAPPDATA", ".local/share"],
            Self::Configuration => ["XDG_CONFIG_HOME", "APPDATA", ".config"],
        };
        let [variable, on_windows, in_home] = names;
        // The specification of XDG ignores relative paths.
        let folder = |name: &str| {
            let path = env::var_os(name).map(PathBuf::from);
            path.filter(|path| path.is_absolute())
        };
        folder(variable).or_else(|| {
            if cfg!(windows) {
                return folder(on_windows);
            }
            let place = if cfg!(target_os = "macos") {
                "Library/Application Support"
            } else {
                in_home
            };
            env::home_dir()
                .filter(|home| home.is_absolute())
                .map(|home| home.join(place))
        })
    }
}

/// Creates the folder of a file, with those above it, if it is missing. Only its user can read it.
///
/// # Errors
/// The error of the system.
pub fn create_folder_of(file: &Path) -> io::Result<()> {
    let Some(folder) = file.parent() else {
        return Ok(());
    };
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
