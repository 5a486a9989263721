//! `dasf new`: writes the files of a module.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::Args;
use dasf::cli::{Error, print_result};

/// The largest number of characters in a name.
const MAX_NAME: usize = 64;
/// Names that cargo or the compiler refuses, or that a module cannot have.
const RESERVED: [&str; 60] = [
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "build",
    "const",
    "continue",
    "core",
    "crate",
    "dasf",
    "deps",
    "do",
    "dyn",
    "else",
    "enum",
    "examples",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "incremental",
    "let",
    "loop",
    "macro",
    "main",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "tests",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "where",
];
/// Further reserved names.
const MORE_RESERVED: [&str; 5] = ["serde_json", "tokio", "virtual", "while", "yield"];

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dasf new weather
  dasf new weather --dasf dasf
  cd weather && cargo test && cargo run -- listen

The command writes a folder with a package: a module with two functions and their tests, a unit of systemd, and a \
file for a container image. It changes no folder that exists. --dasf is necessary as long as the crates of dasf are \
not published.")]
pub(crate) struct New {
    /// The name of the package, the program and the topic
    #[arg(value_parser = name)]
    name: String,

    /// Folder of a checkout of dasf, beside the new folder [default: the published crate]
    #[arg(long, value_name = "FOLDER")]
    dasf: Option<PathBuf>,
}

/// A file of the project: its path, where NAME stands for the name, and its template.
const FILES: [(&str, &str); 8] = [
    ("Cargo.toml", include_str!("../templates/Cargo.toml.in")),
    ("src/main.rs", include_str!("../templates/main.rs.in")),
    (
        "Containerfile",
        include_str!("../templates/Containerfile.in"),
    ),
    (
        "Containerfile.dockerignore",
        include_str!("../templates/Containerfile.dockerignore.in"),
    ),
    ("NAME.service", include_str!("../templates/unit.service.in")),
    ("NAME.env", include_str!("../templates/env.in")),
    ("README.md", include_str!("../templates/README.md.in")),
    (".gitignore", include_str!("../templates/gitignore.in")),
];

pub(crate) fn run(options: &New) -> Result<(), Error> {
    let name = &options.name;
    let checkout = match &options.dasf {
        None => None,
        Some(folder) => Some(beside(folder)?),
    };
    let failed = |path: &Path, error: &std::io::Error| {
        Error::Failed(format!("{} cannot be written: {error}", path.display()))
    };
    let folder = Path::new(name);
    fs::create_dir(folder).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Error::Failed(format!(
            "the folder {name} exists; remove it, or choose another name"
        )),
        _ => failed(folder, &error),
    })?;
    let source = folder.join("src");
    fs::create_dir(&source).map_err(|error| failed(&source, &error))?;
    for (path, template) in FILES {
        let path = folder.join(path.replace("NAME", name));
        let text = fill(template, name, checkout.as_deref());
        fs::write(&path, text).map_err(|error| failed(&path, &error))?;
    }
    print_result(&format!(
        "{name} is written; try it with: cd {name} && cargo test"
    ))
}

/// Checks the name of a package.
fn name(text: &str) -> Result<String, String> {
    let is_allowed = |symbol: char| {
        symbol.is_ascii_lowercase() || symbol.is_ascii_digit() || matches!(symbol, '-' | '_')
    };
    let is_word = text.len() <= MAX_NAME
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.chars().all(is_allowed);
    if !is_word {
        return Err(format!(
            "a name begins with a letter, and has at most {MAX_NAME} lowercase letters, digits, hyphens and underscores"
        ));
    }
    if RESERVED.contains(&text) || MORE_RESERVED.contains(&text.replace('-', "_").as_str()) {
        return Err("this name has a meaning in Rust already".to_owned());
    }
    Ok(text.to_owned())
}

/// Returns the name of the folder of a checkout beside the new folder.
fn beside(folder: &Path) -> Result<String, Error> {
    let shown = folder.display();
    let missing = |error: std::io::Error| Error::Failed(format!("{shown} cannot be read: {error}"));
    // The compiler of a container finds the checkout in the same place.
    let parent = folder.parent().filter(|it| !it.as_os_str().is_empty());
    let parent = parent
        .unwrap_or(Path::new("."))
        .canonicalize()
        .map_err(missing)?;
    let is_here = parent == Path::new(".").canonicalize().map_err(missing)?;
    let name = folder.file_name().and_then(|name| name.to_str());
    let name = name.filter(|name| is_here && !name.contains(['"', '\\', ' ']));
    let Some(name) = name else {
        return Err(Error::Failed(format!(
            "{shown} is not a folder in the current one; run the command in the folder that contains the checkout"
        )));
    };
    if !folder.join("dasf-runtime").is_dir() {
        return Err(Error::Failed(format!(
            "{shown} is not a checkout of dasf; it has no folder dasf-runtime"
        )));
    }
    Ok(name.to_owned())
}

/// Returns a file of the project. `checkout` is the name of the folder beside it with the crate `dasf`.
fn fill(template: &str, name: &str, checkout: Option<&str>) -> String {
    let dependency = match checkout {
        None => format!("\"{}\"", env!("CARGO_PKG_VERSION")),
        Some(checkout) => format!("{{ path = \"../{checkout}\" }}"),
    };
    let (context, file, copy, manifest, program) = match checkout {
        None => (
            "this folder".to_owned(),
            "Containerfile".to_owned(),
            "COPY . .".to_owned(),
            "Cargo.toml".to_owned(),
            format!("target/release/{name}"),
        ),
        Some(checkout) => (
            format!("the folder that contains {name} and {checkout}"),
            format!("{name}/Containerfile"),
            format!("COPY {checkout} {checkout}\nCOPY {name} {name}"),
            format!("{name}/Cargo.toml"),
            format!("{name}/target/release/{name}"),
        ),
    };
    template
        .replace("@DASF@", &dependency)
        .replace("@CONTEXT@", &context)
        .replace("@FILE@", &file)
        .replace("@COPY@", &copy)
        .replace("@MANIFEST@", &manifest)
        .replace("@PROGRAM@", &program)
        .replace("@MODULE@", &name.replace('-', "_"))
        .replace("@NAME@", name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_of_a_package() {
        for text in ["weather", "river-2", "a_b"] {
            assert_eq!(name(text).as_deref(), Ok(text));
        }
        let long = "x".repeat(65);
        for text in [
            "",
            "2a",
            "-a",
            "a b",
            "A",
            "ä",
            "../a",
            "fn",
            "test",
            "serde-json",
            &long,
        ] {
            name(text).unwrap_err();
        }
    }

    #[test]
    fn no_place_of_a_template_stays_open() {
        for (path, template) in FILES {
            for checkout in [None, Some("dasf")] {
                let text = fill(template, "weather-2", checkout);
                let open = text.split('@').skip(1).step_by(2);
                let open: Vec<&str> = open
                    .filter(|it| it.chars().all(|it| it.is_ascii_uppercase()))
                    .collect();
                assert_eq!(open, [] as [&str; 0], "{path}");
            }
        }
    }
}
