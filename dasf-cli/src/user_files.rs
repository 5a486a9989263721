//! The files that `dasf` keeps for its user. Nobody else can read them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

/// Returns the options to write a file, or to create it.
pub(crate) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Reads a file of at most this number of bytes. A file that is missing is empty.
pub(crate) fn read(path: &Path, max_size: u64) -> io::Result<Vec<u8>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        file => file?,
    };
    let mut bytes = Vec::new();
    file.take(max_size.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_size {
        let problem = format!("it has more than {max_size} bytes; remove lines from it");
        return Err(io::Error::other(problem));
    }
    Ok(bytes)
}

/// Writes a whole file. A program that is killed meanwhile leaves the file as it was.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = private().truncate(true).open(&new)?;
    file.write_all(content)?;
    file.sync_data()?;
    fs::rename(&new, path)
}

/// Waits until no other program writes the file. The lock is a file of its own, because
/// [`replace`] exchanges the file.
pub(crate) fn lock(path: &Path) -> io::Result<File> {
    let file = private().open(path.with_extension("lock"))?;
    match file.lock() {
        // Some file systems of clusters have no locks. There a change could be lost only if two programs
        // write at the same moment.
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(file),
        locked => locked.map(|()| file),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use dasf::cli::create_folder_of;

    use super::*;

    #[test]
    fn only_the_user_can_read_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/file.json");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        create_folder_of(&path).unwrap();
        let lock = lock(&path).unwrap();
        for text in ["first", "second"] {
            replace(&path, text.as_bytes()).unwrap();
            assert_eq!(read(&path, 6).unwrap(), text.as_bytes());
            assert_eq!(mode(&path), 0o600);
        }
        drop(lock);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        assert_eq!(mode(&path.with_extension("lock")), 0o600);
        assert!(read(&path, 5).is_err());
        assert_eq!(read(&folder.path().join("missing"), 5).unwrap(), b"");
    }
}
