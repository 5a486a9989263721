//! The module's documentation in the format of rustdoc.

use proc_macro2::TokenStream;
use quote::quote;

use crate::names::is_hidden;

/// Returns the attributes for an item's documentation: one for each line.
pub(super) fn attributes(text: &str) -> TokenStream {
    let lines = lines(text);
    quote!(#(#[doc = #lines])*)
}

/// Returns the attributes for the documentation of the file.
pub(super) fn inner_attributes(text: &str) -> TokenStream {
    let lines = lines(text);
    quote!(#(#![doc = #lines])*)
}

/// Returns the lines after the slashes of a comment.
fn lines(text: &str) -> impl Iterator<Item = String> {
    text.trim().lines().map(|line| match line {
        "" => String::new(),
        line => format!(" {}", line.replace(is_hidden, " ")),
    })
}

/// Returns a text as Markdown without special effects. Otherwise rustdoc would compile code in it,
/// and warn of text that looks like a link or a tag.
pub(super) fn prose(text: &str) -> String {
    let mut prose = String::with_capacity(text.len());
    let mut is_code = false;
    for line in text.trim().lines() {
        // Four spaces also begin a code block.
        let blanks = line.len() - line.trim_start().len();
        let line = line.trim();
        if line.starts_with("```") || line.starts_with("~~~") {
            prose.push_str(if is_code { "```" } else { "```text" });
            is_code = !is_code;
        } else {
            if is_code {
                prose.push_str(&" ".repeat(blanks));
                prose.push_str(line);
            } else {
                prose.push_str(&"   "[..blanks.min(3)]);
                escape(line, &mut prose);
            }
        }
        prose.push('\n');
    }
    if is_code {
        prose.push_str("```\n");
    }
    prose
}

/// Returns a text as inline code.
pub(super) fn code(text: &str) -> String {
    if text.contains('`') {
        format!("`` {text} ``")
    } else {
        format!("`{text}`")
    }
}

/// Escapes the beginnings of links and tags, except in code.
fn escape(line: &str, prose: &mut String) {
    if line.matches('`').count() % 2 == 1 {
        // With an odd number of backquotes, the bounds of the code are unknown.
        for character in line.chars() {
            if matches!(character, '[' | '<' | '`') {
                prose.push('\\');
            }
            prose.push(character);
        }
        return;
    }
    for (index, part) in line.split('`').enumerate() {
        if index > 0 {
            prose.push('`');
        }
        for character in part.chars() {
            if index % 2 == 0 && matches!(character, '[' | '<') {
                prose.push('\\');
            }
            prose.push(character);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_not_compiled_and_brackets_are_not_links() {
        let text =
            "Adds [a] and Vec<b>, see `[c]`; don`t [d].\n\n    >>> add(1)\n```python\n    add[1]\n";
        assert_eq!(
            prose(text),
            "Adds \\[a] and Vec\\<b>, see \\`\\[c]\\`; don\\`t \\[d].\n\n   >>> add(1)\n```text\n    add[1]\n```\n"
        );
    }
}
