//! `dasf new`. The guide builds and tests the module that it writes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Run, Stage};

/// Runs `dasf new` in the folder of the stage, with a checkout beside the new folder.
fn new(stage: &Stage, arguments: &[&str]) -> Run {
    let folder = PathBuf::from(stage.path(""));
    let checkout = folder.join("dasf");
    if !checkout.exists() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        std::os::unix::fs::symlink(root, &checkout).unwrap();
    }
    let mut command = stage.command(&[&["new"], arguments].concat());
    Run(command.current_dir(folder).output().unwrap())
}

fn read(stage: &Stage, path: &str) -> String {
    fs::read_to_string(stage.path(path)).unwrap()
}

#[test]
fn the_files_of_a_module_are_written() {
    let stage = Stage::new(None);
    assert_eq!(
        new(&stage, &["station", "--dasf", "dasf"]).succeeds(),
        "station is written; try it with: cd station && cargo test\n"
    );
    let mut files: Vec<String> = fs::read_dir(stage.path("station"))
        .unwrap()
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(
        files,
        [
            ".gitignore",
            "Cargo.toml",
            "Containerfile",
            "Containerfile.dockerignore",
            "README.md",
            "src",
            "station.env",
            "station.service",
        ]
    );
    let manifest = read(&stage, "station/Cargo.toml");
    assert!(
        manifest.contains("dasf = { path = \"../dasf\" }"),
        "{manifest}"
    );
    let mut rustfmt = Command::new("rustfmt");
    rustfmt.args([
        "--check",
        "--edition",
        "2024",
        &stage.path("station/src/main.rs"),
    ]);
    let output = rustfmt.output().unwrap();
    assert!(output.status.success(), "{output:?}");

    new(&stage, &["published"]).succeeds();
    let manifest = read(&stage, "published/Cargo.toml");
    let version = concat!("dasf = \"", env!("CARGO_PKG_VERSION"), "\"\n");
    assert!(manifest.contains(version), "{manifest}");
}

#[test]
fn no_folder_is_changed_and_no_name_leads_elsewhere() {
    let stage = Stage::new(None);
    fs::create_dir(stage.path("station")).unwrap();
    assert_eq!(
        new(&stage, &["station"]).fails(1),
        "the folder station exists; remove it, or choose another name"
    );
    for name in ["../station", "a b", "Station", "fn"] {
        new(&stage, &[name]).fails(2);
    }
    fs::create_dir(stage.path("other")).unwrap();
    for (folder, problem) in [
        ("nowhere", "is not a checkout of dasf"),
        ("other", "is not a checkout of dasf"),
        ("dasf/dasf-cli", "is not a folder in the current one"),
        ("..", "is not a folder in the current one"),
    ] {
        let told = new(&stage, &["river", "--dasf", folder]).fails(1);
        assert!(told.contains(problem), "{told}");
    }
    assert!(!Path::new(&stage.path("river")).exists());
}

/// Machines without systemd do not run the unit either.
#[cfg(target_os = "linux")]
#[test]
fn systemd_accepts_the_unit() {
    let stage = Stage::new(None);
    new(&stage, &["station"]).succeeds();
    let mut verify = Command::new("systemd-analyze");
    if verify.arg("--version").output().is_err() {
        return;
    }
    let unit = read(&stage, "station/station.service");
    // systemd looks whether the program is there.
    let program = env!("CARGO_BIN_EXE_dasf");
    let unit = unit.replace("/usr/local/bin/station", program);
    assert!(
        unit.contains(&format!("\nExecStart={program} listen\n")),
        "{unit}"
    );
    let file = stage.file("station.service", &unit);
    let mut verify = Command::new("systemd-analyze");
    let output = verify.args(["verify", "--man=no", &file]).output().unwrap();
    let problems = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && !problems.contains("station.service"),
        "{problems}"
    );
}

#[test]
fn the_container_file_finds_what_it_copies() {
    let stage = Stage::new(None);
    new(&stage, &["station", "--dasf", "dasf"]).succeeds();
    let file = read(&stage, "station/Containerfile");
    let copied: Vec<&str> = file
        .lines()
        .filter_map(|line| line.strip_prefix("COPY ")?.split(' ').next())
        .filter(|source| !source.starts_with("--from"))
        .collect();
    assert_eq!(copied, ["dasf", "station"]);
    for source in copied {
        assert!(Path::new(&stage.path(source)).is_dir(), "{source}");
    }
    for part in [
        "--manifest-path station/Cargo.toml\n",
        "COPY --from=build /src/station/target/release/station /usr/local/bin/\n",
        "ENTRYPOINT [\"station\"]\nCMD [\"listen\"]\n",
    ] {
        assert!(file.contains(part), "{part} in {file}");
    }
}
