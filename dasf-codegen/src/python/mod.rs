//! The client in Python: one file for the package `demessaging`, in the layout of `black`.

mod layout;
mod members;
mod types;

use std::collections::BTreeSet;

use heck::ToSnakeCase;

use crate::description::Description;
use crate::names::{Folding, Names, identifier};
use layout::{docstring, string};

/// The part that is the same in every file: connections, calls, exceptions.
const RUNTIME: &str = include_str!("runtime.py");

/// The keywords, which cannot be names.
const KEYWORDS: [&str; 35] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue",
    "def", "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import",
    "in", "is", "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while",
    "with", "yield",
];

/// The names in annotations. A member of a class cannot have such a name, because later annotations
/// in the class would refer to it.
const IN_ANNOTATIONS: [&str; 11] = [
    "bool", "bytes", "datetime", "dict", "float", "int", "list", "set", "str", "tuple", "uuid",
];

/// The built-in names that types could have.
const BUILTINS: [&str; 68] = [
    "ArithmeticError",
    "AssertionError",
    "AttributeError",
    "BaseException",
    "BaseExceptionGroup",
    "BlockingIOError",
    "BrokenPipeError",
    "BufferError",
    "BytesWarning",
    "ChildProcessError",
    "ConnectionAbortedError",
    "ConnectionError",
    "ConnectionRefusedError",
    "ConnectionResetError",
    "DeprecationWarning",
    "EOFError",
    "Ellipsis",
    "EncodingWarning",
    "EnvironmentError",
    "Exception",
    "ExceptionGroup",
    "FileExistsError",
    "FileNotFoundError",
    "FloatingPointError",
    "FutureWarning",
    "GeneratorExit",
    "IOError",
    "ImportError",
    "ImportWarning",
    "IndentationError",
    "IndexError",
    "InterruptedError",
    "IsADirectoryError",
    "KeyError",
    "KeyboardInterrupt",
    "LookupError",
    "MemoryError",
    "ModuleNotFoundError",
    "NameError",
    "NotADirectoryError",
    "NotImplemented",
    "NotImplementedError",
    "OSError",
    "OverflowError",
    "PendingDeprecationWarning",
    "PermissionError",
    "ProcessLookupError",
    "RecursionError",
    "ReferenceError",
    "ResourceWarning",
    "RuntimeError",
    "RuntimeWarning",
    "StopAsyncIteration",
    "StopIteration",
    "SyntaxError",
    "SyntaxWarning",
    "SystemError",
    "SystemExit",
    "TabError",
    "TimeoutError",
    "TypeError",
    "UnboundLocalError",
    "UnicodeDecodeError",
    "UnicodeEncodeError",
    "UnicodeError",
    "UserWarning",
    "ValueError",
    "ZeroDivisionError",
];

/// The additional imports of the generated part.
const IMPORTS: [Import; 4] = [
    Import::Module("datetime"),
    Import::Module("uuid"),
    Import::Extension("TypeAliasType"),
    Import::Extension("deprecated"),
];

/// An import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Import {
    /// A module of the standard library.
    Module(&'static str),
    /// A name of `typing_extensions`.
    Extension(&'static str),
}

impl Import {
    fn name(self) -> &'static str {
        match self {
            Self::Module(name) | Self::Extension(name) => name,
        }
    }
}

/// Generates the file.
pub(crate) fn write(description: &Description, header: &[String]) -> String {
    let mut file = File {
        description,
        names: Names::without(
            KEYWORDS
                .into_iter()
                .chain(BUILTINS)
                .chain(IN_ANNOTATIONS)
                .chain(IMPORTS.map(Import::name))
                .chain(["Client", "AsyncClient"])
                .chain(names_of_the_runtime()),
        ),
        types: Vec::new(),
        is_written: vec![false; description.types.len()],
        imports: BTreeSet::new(),
        blocks: Vec::new(),
    };
    file.write_types();
    file.write_members();
    file.finish(header)
}

/// The unfinished file.
struct File<'a> {
    description: &'a Description,
    /// The names at the top level of the file.
    names: Names,
    /// The names of each type and of its fields.
    types: Vec<types::Named>,
    /// Whether the file contains each type already.
    is_written: Vec<bool>,
    imports: BTreeSet<Import>,
    /// The blocks at the top level of the file.
    blocks: Vec<Block>,
}

/// One block at the top level of the file.
enum Block {
    /// A statement, without empty lines to the next one.
    Statement(String),
    /// A class, with empty lines around it.
    Class(String),
}

impl File<'_> {
    fn finish(self, header: &[String]) -> String {
        let mut text: String = header
            .iter()
            .map(|line| format!("{}\n", format!("# {line}").trim_end()))
            .collect();
        text.push_str(&docstring(&self.documentation("The client"), 0));
        text.push('\n');
        for line in RUNTIME.lines() {
            text.push_str(&self.import(line));
        }
        let mut is_close = false;
        for block in self.blocks {
            let (block, is_statement) = match block {
                Block::Statement(block) => (block, true),
                Block::Class(block) => (block, false),
            };
            text.push_str(if is_close && is_statement { "" } else { "\n\n" });
            is_close = is_statement;
            text.push_str(&block);
        }
        text
    }

    /// Returns a line of the runtime, with the additional imports at this place.
    fn import(&self, line: &str) -> String {
        let imports = self.imports.iter();
        match line {
            // The imports are in alphabetical order.
            "import contextlib" | "import websocket" => line.to_owned() + "\n",
            "import difflib" if self.imports.contains(&Import::Module("datetime")) => {
                format!("import datetime\n{line}\n")
            }
            "import time" if self.imports.contains(&Import::Module("uuid")) => {
                format!("{line}\nimport uuid\n")
            }
            "from typing_extensions import Self" => {
                let extensions = imports.filter_map(|import| match import {
                    Import::Extension(name) => Some(format!(", {name}")),
                    Import::Module(_) => None,
                });
                format!("{line}{}\n", extensions.collect::<String>())
            }
            line => format!("{line}\n"),
        }
    }

    /// Returns the documentation of the file or of a client, whose kind is `what`.
    fn documentation(&self, what: &str) -> String {
        let Description {
            topic,
            documentation,
            ..
        } = self.description;
        let summary = format!("{what} of the DASF module {}.", code(topic));
        match documentation.trim() {
            "" => summary,
            documentation => format!("{summary}\n\n{documentation}"),
        }
    }
}

/// Returns the names at the top level of the runtime.
fn names_of_the_runtime() -> impl Iterator<Item = &'static str> {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    let mut is_import = false;
    RUNTIME.lines().flat_map(move |line| {
        is_import = line.starts_with("from ") || (is_import && line.starts_with([' ', ')']));
        let words = line.split(move |character| !is_part(character));
        let is_definition = line.starts_with(is_part);
        let count = match is_import {
            true => usize::MAX,
            false if is_definition => 4,
            false => 0,
        };
        words.filter(|word| !word.is_empty()).take(count)
    })
}

/// Returns the name of a function, an argument or a field, except the reserved names.
fn member(name: &str, reserved: impl Fn(&str) -> bool) -> String {
    let name = Folding::Compatible.fold(name);
    // A name in the usual spelling of Python stays unchanged.
    let is_plain = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit();
    let is_usual = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|it| is_plain(it) || it == '_');
    let spelled = match is_usual {
        true => name,
        false => name.to_snake_case(),
    };
    let mut name = identifier(&spelled, "x", Folding::Compatible);
    if KEYWORDS.contains(&name.as_str()) || reserved(&name) {
        name.push('_');
    }
    name
}

/// Returns a name as inline code, in double backquotes.
fn code(name: &str) -> String {
    let words: Vec<&str> = name.split_whitespace().collect();
    format!("``{}``", words.join(" "))
}

/// Returns the class attribute with the topic.
fn topic_line(topic: &str) -> String {
    format!("_topic = {}", string(topic))
}

#[cfg(test)]
mod tests;
