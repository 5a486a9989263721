//! Reading files and standard input.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use dasf_protocol::text;

use super::Error;

/// The largest input, in bytes. This limit ends the reading of an endless source.
const MAX_SIZE: u64 = 1 << 30;

/// Reads UTF-8 from a file, or from standard input for `-`, without a byte order mark at the start.
/// The file may also be a pipe or a device.
///
/// # Errors
/// [`Error::Failed`] when the file cannot be read, has more than 1 GiB, or is not UTF-8.
pub fn read_text(source: &str) -> Result<String, Error> {
    let name = if source == "-" {
        "standard input"
    } else {
        source
    };
    let failed = |reason: String| Error::Failed(format!("{name} cannot be read: {reason}"));
    let bytes = if source == "-" {
        read(io::stdin().lock(), MAX_SIZE)
    } else {
        open(Path::new(source)).and_then(|file| read(file, MAX_SIZE))
    };
    let bytes = bytes.map_err(|error| failed(error.to_string()))?;
    text::decode(bytes).map_err(|error| failed(error.to_string()))
}

fn open(path: &Path) -> io::Result<File> {
    if path.is_dir() {
        return Err(io::Error::other("it is a directory, not a file"));
    }
    File::open(path)
}

fn read(source: impl Read, max_size: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source
        .take(max_size.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_size {
        let problem = format!("it has more than {max_size} bytes");
        return Err(io::Error::other(problem));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_distinguish_directories_and_missing_files() {
        let folder = read_text("/").unwrap_err().to_string();
        assert_eq!(folder, "/ cannot be read: it is a directory, not a file");
        let missing = read_text("/no/such/file").unwrap_err().to_string();
        assert!(
            missing.starts_with("/no/such/file cannot be read: "),
            "{missing}"
        );
    }

    #[test]
    fn reading_an_endless_source_ends() {
        let error = read(io::repeat(b' '), 100).unwrap_err();
        assert_eq!(error.to_string(), "it has more than 100 bytes");
        assert_eq!(read(&b"abc"[..], 3).unwrap(), b"abc");
    }
}
