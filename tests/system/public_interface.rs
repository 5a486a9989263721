//! The public interface of the libraries, and the version that a change of it needs.
//!
//! `tests/public_interface` lists the public items of each library. A change of them fails this test.
//! `UPDATE_GOLDENS=1 cargo test -p dasf --test system public_interface` records it, unless the version is
//! released and promises the old interface: then raise the version first.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use dasf_test_support::root;

const LIBRARIES: [&str; 10] = [
    "dasf",
    "dasf-broker",
    "dasf-codegen",
    "dasf-gateway",
    "dasf-program",
    "dasf-pattern",
    "dasf-protocol",
    "dasf-runtime",
    "dasf-schema",
    "dasf-types",
];

/// A rustdoc that writes JSON. Only rustdoc itself gets the variable: build scripts would see it, too, and
/// Cargo would build all dependencies again.
const RUSTDOC: &str = "#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec rustdoc \"$@\"\n";
const RUSTDOC_OPTIONS: &str = "-Z unstable-options --output-format json --cap-lints allow";

/// The traits that the compiler implements by itself, and that hardly any caller needs.
const UNRECORDED: [&str; 4] = [
    "marker::Freeze for",
    "marker::Unpin for",
    "marker::UnsafeUnpin for",
    "UnwindSafe for",
];

#[test]
fn the_interface_of_each_library_is_recorded_for_its_version() {
    let target = document();
    let changelog = fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    let mut changes = String::new();
    for library in LIBRARIES {
        let json = target.join(format!("doc/{}.json", library.replace('-', "_")));
        let current = Interface {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            items: items(&json),
        };
        let file = root().join(format!("tests/public_interface/{library}.txt"));
        let recorded = fs::read_to_string(&file).unwrap_or_default();
        let recorded = Interface::from_text(&recorded);
        if recorded == current {
            continue;
        }
        let change = Change::between(&recorded, &current);
        let is_allowed =
            !is_released(&changelog, &recorded.version) || change.fits(&recorded, &current);
        if is_allowed && std::env::var_os("UPDATE_GOLDENS").is_some() {
            fs::write(&file, current.to_text()).unwrap();
            continue;
        }
        write!(changes, "{library}: {change}").unwrap();
        if !is_allowed {
            let version = &recorded.version;
            writeln!(changes, "Version {version} is released: raise the version.").unwrap();
        }
    }
    assert!(
        changes.is_empty(),
        "{changes}To record this, set UPDATE_GOLDENS=1."
    );
}

/// Documents the libraries as JSON, and returns the target folder.
fn document() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let rustdoc = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rustdoc-json");
    fs::write(&rustdoc, RUSTDOC).unwrap();
    fs::set_permissions(&rustdoc, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(env!("CARGO"));
    command.args(["doc", "--quiet", "--locked", "--no-deps", "--all-features"]);
    for library in LIBRARIES {
        command.args(["--package", library]);
    }
    let status = command
        .current_dir(root())
        .env("CARGO_TARGET_DIR", target)
        .env("RUSTDOC", rustdoc)
        .env("RUSTDOCFLAGS", RUSTDOC_OPTIONS)
        .status();
    assert!(status.unwrap().success(), "rustdoc failed");
    target.to_owned()
}

/// The public items of a library, one text for each.
fn items(json: &Path) -> BTreeSet<String> {
    let interface = public_api::Builder::from_rustdoc_json(json)
        .omit_blanket_impls(true)
        .build();
    let interface = interface.unwrap();
    let items = interface.items().map(ToString::to_string);
    items
        .filter(|item| !UNRECORDED.iter().any(|name| item.contains(name)))
        .collect()
}

/// The interface of a library in one version.
#[derive(Debug, Default, PartialEq)]
struct Interface {
    version: String,
    items: BTreeSet<String>,
}

impl Interface {
    /// Reads a file: the version, and then an item in each line.
    fn from_text(text: &str) -> Self {
        let mut lines = text.lines().map(str::to_owned);
        Self {
            version: lines.next().unwrap_or_default(),
            items: lines.collect(),
        }
    }

    fn to_text(&self) -> String {
        let Self { version, items } = self;
        items
            .iter()
            .fold(format!("{version}\n"), |text, item| text + item + "\n")
    }

    /// The numbers of the version: major, minor, patch.
    fn numbers(&self) -> Vec<u64> {
        let numbers = self.version.split('.');
        numbers.map(|number| number.parse().unwrap()).collect()
    }
}

/// The difference between two interfaces. A changed item is a removed and an added one.
#[derive(Debug, PartialEq)]
struct Change {
    removed: Vec<String>,
    added: Vec<String>,
}

impl Change {
    fn between(old: &Interface, new: &Interface) -> Self {
        Self {
            removed: old.items.difference(&new.items).cloned().collect(),
            added: new.items.difference(&old.items).cloned().collect(),
        }
    }

    /// Returns whether Semantic Versioning allows the change from one version to the other.
    fn fits(&self, old: &Interface, new: &Interface) -> bool {
        let (old, new) = (old.numbers(), new.numbers());
        // Cargo takes the first number that is not zero for the one of incompatible changes.
        let breaking = old.iter().position(|number| *number > 0).unwrap_or(2);
        let is_breaking = !self.removed.is_empty();
        match () {
            () if new < old => false,
            () if is_breaking => new[..=breaking] > old[..=breaking],
            () if !self.added.is_empty() => new > old,
            () => true,
        }
    }
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "the public interface changed")?;
        for removed in &self.removed {
            writeln!(f, "- {removed}")?;
        }
        for added in &self.added {
            writeln!(f, "+ {added}")?;
        }
        Ok(())
    }
}

/// Returns whether the changelog has a heading for the version, other than as unreleased.
fn is_released(changelog: &str, version: &str) -> bool {
    let mut headings = changelog
        .lines()
        .filter_map(|line| line.strip_prefix("## "));
    headings.any(|heading| heading.split(' ').next() == Some(version))
}

#[test]
fn a_released_version_allows_no_incompatible_change() {
    let interface = |version: &str, items: &[&str]| Interface {
        version: version.to_owned(),
        items: items.iter().map(|&item| item.to_owned()).collect(),
    };
    let fits = |old: (&str, &[&str]), new: (&str, &[&str])| {
        let (old, new) = (interface(old.0, old.1), interface(new.0, new.1));
        Change::between(&old, &new).fits(&old, &new)
    };
    let both: &[&str] = &["fn a", "fn b"];
    let one: &[&str] = &["fn a"];
    for (old, new, may_add, may_remove) in [
        ("0.1.0", "0.1.0", false, false),
        ("0.1.0", "0.1.1", true, false),
        ("0.1.3", "0.2.0", true, true),
        ("0.2.0", "0.1.9", false, false),
        ("1.2.0", "1.3.0", true, false),
        ("1.2.0", "2.0.0", true, true),
        ("0.0.1", "0.0.2", true, true),
    ] {
        assert_eq!(fits((old, one), (new, both)), may_add, "{old} {new}");
        assert_eq!(fits((old, both), (new, one)), may_remove, "{old} {new}");
    }
    assert!(fits(("0.1.0", one), ("0.1.0", one)));
}

#[test]
fn the_changelog_shows_which_versions_are_released() {
    let changelog = "# Changelog\n\n## Unreleased (0.2.0)\n\n## 0.1.0 (2026-12-01)\n";
    assert!(is_released(changelog, "0.1.0"));
    assert!(!is_released(changelog, "0.2.0"));
    assert!(!is_released(changelog, ""));
}
