//! Installs Apache Pulsar for the tests.

use std::env;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use crate::{debian, steps};

/// The version of Pulsar.
const VERSION: &str = "tests/interop/pulsar-version.txt";
/// The folder of Pulsar, and a file with its version in it.
const FOLDER: &str = "target/pulsar";
const STAMP: &str = "version.txt";
/// The Maven goal that unpacks an archive.
const UNPACK: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:unpack";

/// Unpacks Pulsar in `target/pulsar`, unless it is there, and installs Java.
pub(crate) fn provide(root: &Path) -> io::Result<()> {
    let path = env::var_os("PATH").unwrap_or_default();
    debian::provide(&path, "java", "openjdk-17-jre-headless")?;
    let wanted = fs::read_to_string(root.join(VERSION))?;
    // Maven runs in another folder and needs an absolute path.
    let folder = std::path::absolute(root.join(FOLDER))?;
    let stamp = folder.join(STAMP);
    if fs::read_to_string(&stamp).is_ok_and(|stamp| stamp == wanted) {
        return Ok(());
    }
    debian::provide(&path, "mvn", "maven")?;
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    // Maven downloads into this folder. It is deleted afterwards with the archive of 245 MB.
    let loaded = folder.join("loaded");
    fs::create_dir_all(&loaded)?;
    let version = wanted.trim();
    let mut mvn = Command::new("mvn");
    mvn.args(["--quiet", "--batch-mode", UNPACK])
        .arg(format!(
            "-Dartifact=org.apache.pulsar:pulsar-server-distribution:{version}:tar.gz:bin"
        ))
        .arg(format!("-DoutputDirectory={}", folder.display()))
        .arg("-Dmaven.repo.local=repository")
        .current_dir(&loaded);
    steps::succeed(&mut mvn)?;
    fs::remove_dir_all(loaded)?;
    // The last step, so an incomplete Pulsar is unpacked again.
    fs::write(stamp, wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pulsar_of_the_same_version_is_left_alone() {
        let root = env::temp_dir().join(format!("dasf-xtask-pulsar-{}", std::process::id()));
        let folder = root.join(FOLDER);
        fs::create_dir_all(&folder).unwrap();
        fs::create_dir_all(root.join("tests/interop")).unwrap();
        fs::write(root.join(VERSION), "1.2.3\n").unwrap();
        fs::write(folder.join(STAMP), "1.2.3\n").unwrap();
        fs::write(folder.join("kept"), "").unwrap();
        provide(&root).unwrap();
        assert!(folder.join("kept").exists());
        fs::remove_dir_all(root).unwrap();
    }
}
