//! The programs that pages call, in a folder for the search path.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use dasf_guide::root;

/// The programs of the repository, as `cargo test` builds them.
const OF_THE_REPOSITORY: [&str; 10] = [
    "dasf",
    "arithmetic",
    "campaign",
    "climate",
    "climate-report",
    "monte-carlo",
    "quickstart",
    "reference",
    "river",
    "river-report",
];

/// The folder with all programs.
pub(crate) fn folder() -> &'static Path {
    static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("console/bin");
        fs::create_dir_all(&folder).unwrap();
        for name in OF_THE_REPOSITORY {
            write_script(&folder, name, &format!("exec '{}' \"$@\"\n", built(name)));
        }
        write_script(&folder, "dasf-broker", &broker_script());
        write_script(&folder, "cargo", &cargo_script());
        let python = root()
            .canonicalize()
            .unwrap()
            .join("target/python/bin/python");
        write_script(
            &folder,
            "python",
            &format!("exec '{}' \"$@\"\n", python.display()),
        );
        let with_paths = |text: &str| {
            text.replace("@MODULES@", &node_modules().display().to_string())
                .replace("@FOLDER@", &folder.display().to_string())
                .replace("@NODE@", &installed("node").display().to_string())
        };
        fs::write(
            folder.join("websocket.mjs"),
            with_paths(include_str!("websocket.mjs")),
        )
        .unwrap();
        write_script(&folder, "node", &with_paths(include_str!("node.sh")));
        folder
    });
    &FOLDER
}

/// The packages of Node.js that `cargo xtask browser` installs.
pub(crate) fn node_modules() -> PathBuf {
    root().join("target/web/node_modules")
}

/// The path of a program of this machine.
fn installed(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut candidates = std::env::split_paths(&path).map(|folder| folder.join(name));
    let program = candidates.find(|program| program.is_file());
    program.unwrap_or_else(|| panic!("the program {name} is not on the PATH"))
}

/// The path of a program of the repository.
fn built(name: &str) -> String {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let program = profile.join(name);
    assert!(
        program.exists(),
        "{} is missing; build it with: cargo build -p dasf-cli -p dasf-broker -p dasf-examples -p campaign -p climate -p river",
        program.display()
    );
    program.display().to_string()
}

/// A broker that listens on the port of the page if the page uses the default address. Its commands do not
/// listen.
fn broker_script() -> String {
    format!(
        "case \" $* \" in *' --bind'*|' token '*|' config '*|' recover '*) ;; *) set -- --bind 127.0.0.1:$DASF_BROKER_PORT \"$@\" ;; esac\n\
         exec '{}' \"$@\"\n",
        built("dasf-broker")
    )
}

/// A cargo that builds the packages of pages once for all pages, with the versions of `Cargo.lock`. It
/// runs the programs of the repository without a new build.
fn cargo_script() -> String {
    let root = root().canonicalize().unwrap();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("console/target");
    include_str!("cargo.sh")
        .replace(
            "@CARGO@",
            // The absolute path, because the name alone would start this script again.
            &std::env::var("CARGO").unwrap_or_else(|_| installed("cargo").display().to_string()),
        )
        .replace("@ROOT@", &root.display().to_string())
        .replace("@TARGET@", &target.display().to_string())
}

fn write_script(folder: &Path, name: &str, body: &str) {
    // A unique name, and then a rename: another test program may be running the script.
    let path = folder.join(format!(".{name}-{}", std::process::id()));
    fs::write(&path, format!("#!/usr/bin/env bash\n{body}")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(path, folder.join(name)).unwrap();
}
