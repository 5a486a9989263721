//! The client in Python: one file for the package `demessaging`, in the way of `black`.

mod layout;
mod members;
mod types;

use std::collections::BTreeSet;

use heck::ToSnakeCase;

use crate::description::Description;
use crate::names::{Folding, Names, identifier};
use layout::{docstring, string};

/// What is the same in every file: connections, calls, errors.
const RUNTIME: &str = include_str!("runtime.py");

/// What cannot be the name of anything.
const KEYWORDS: [&str; 35] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue",
    "def", "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import",
    "in", "is", "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while",
    "with", "yield",
];

/// What annotations are made of. In a class nothing else may have such a name, because annotations
/// below it would mean that.
const IN_ANNOTATIONS: [&str; 11] = [
    "bool", "bytes", "datetime", "dict", "float", "int", "list", "set", "str", "tuple", "uuid",
];

/// The names of Python's own that types could have.
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

/// What the generated part may import besides.
const IMPORTS: [Import; 4] = [
    Import::Module("datetime"),
    Import::Module("uuid"),
    Import::Extension("TypeAliasType"),
    Import::Extension("deprecated"),
];

/// Something to import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Import {
    /// A module of Python's own.
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

/// Writes the file.
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

/// The file in the making.
struct File<'a> {
    description: &'a Description,
    /// The names of what stands at the file's outermost level.
    names: Names,
    /// The name of each type, and what its fields are called.
    types: Vec<types::Named>,
    /// The types that stand above.
    is_written: Vec<bool>,
    imports: BTreeSet<Import>,
    /// What stands at the file's outermost level.
    blocks: Vec<Block>,
}

/// One thing at the file's outermost level.
enum Block {
    /// A statement, to which others may be close.
    Statement(String),
    /// A class, around which there is space.
    Class(String),
}

impl File<'_> {
    fn finish(self, header: &[String]) -> String {
        let mut text: String = header
            .iter()
            .map(|line| format!("{}\n", format!("# {line}").trim_end()))
            .collect();
        text.push_str(&docstring(&self.documentation(), 0));
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

    /// A line of the runtime, with what is imported there besides.
    fn import(&self, line: &str) -> String {
        let imports = self.imports.iter();
        match line {
            // Where these stand in the order of the alphabet.
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

    fn documentation(&self) -> String {
        let Description {
            topic,
            documentation,
            ..
        } = self.description;
        let summary = format!("The client of the DASF module {}.", code(topic));
        match documentation.trim() {
            "" => summary,
            documentation => format!("{summary}\n\n{documentation}"),
        }
    }
}

/// What stands at the outermost level of the runtime.
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

/// The name of a function, an argument or a field, which cannot be one of these.
fn member(name: &str, reserved: impl Fn(&str) -> bool) -> String {
    let name = Folding::Compatible.fold(name);
    // What is written as Python's own names are stays as it is.
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

/// A name for code: between two backquotes each.
fn code(name: &str) -> String {
    let words: Vec<&str> = name.split_whitespace().collect();
    format!("``{}``", words.join(" "))
}

/// The topic, for the class attribute.
fn topic_line(topic: &str) -> String {
    format!("_topic = {}", string(topic))
}

#[cfg(test)]
mod tests;
