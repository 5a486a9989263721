//! Documentation that another program wrote, as rustdoc takes it.

use proc_macro2::TokenStream;
use quote::quote;

use crate::names::is_hidden;

/// The attributes of an item's documentation: one for each line.
pub(super) fn attributes(text: &str) -> TokenStream {
    let lines = lines(text);
    quote!(#(#[doc = #lines])*)
}

/// The attributes of the documentation of the file.
pub(super) fn inner_attributes(text: &str) -> TokenStream {
    let lines = lines(text);
    quote!(#(#![doc = #lines])*)
}

/// The lines as they stand behind a comment's slashes.
fn lines(text: &str) -> impl Iterator<Item = String> {
    text.trim().lines().map(|line| match line {
        "" => String::new(),
        line => format!(" {}", line.replace(is_hidden, " ")),
    })
}

/// A text as Markdown that says the same and does no more: rustdoc would compile its code, and warn
/// of what looks like a link or a tag.
pub(super) fn prose(text: &str) -> String {
    let mut prose = String::with_capacity(text.len());
    let mut is_code = false;
    for line in text.trim().lines() {
        // Four blanks make code, too.
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

/// A text as code, whatever it has.
pub(super) fn code(text: &str) -> String {
    if text.contains('`') {
        format!("`` {text} ``")
    } else {
        format!("`{text}`")
    }
}

/// Escapes what begins a link or a tag, except in code.
fn escape(line: &str, prose: &mut String) {
    if line.matches('`').count() % 2 == 1 {
        // Where code begins and ends is not known.
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
    fn code_is_not_compiled_and_brackets_are_no_links() {
        let text =
            "Adds [a] and Vec<b>, see `[c]`; don`t [d].\n\n    >>> add(1)\n```python\n    add[1]\n";
        assert_eq!(
            prose(text),
            "Adds \\[a] and Vec\\<b>, see \\`\\[c]\\`; don\\`t \\[d].\n\n   >>> add(1)\n```text\n    add[1]\n```\n"
        );
    }
}
