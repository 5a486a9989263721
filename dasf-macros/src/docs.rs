//! Reading documentation comments.

use syn::{Attribute, Expr, ExprLit, Lit, Meta};

/// The parts of a documentation comment.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Docs {
    /// The first paragraph.
    pub(crate) summary: Option<String>,
    /// The entries of the list below `# Arguments`: names and descriptions.
    arguments: Vec<(String, String)>,
    /// The text below `# Returns`.
    pub(crate) returns: Option<String>,
}

impl Docs {
    pub(crate) fn of(attributes: &[Attribute]) -> Self {
        Self::parse(&text(&without_code(attributes)))
    }

    /// Returns the description of an argument in the list.
    pub(crate) fn argument(&self, name: &str) -> Option<String> {
        let entry = self.arguments.iter().find(|(listed, _)| listed == name);
        entry.map(|(_, text)| text.clone())
    }

    fn parse(text: &str) -> Self {
        let mut docs = Self::default();
        let mut section = String::new();
        let mut paragraph_is_over = false;
        let mut entry_is_over = false;
        for line in text.lines() {
            let line = line.trim();
            if let Some(heading) = heading(line) {
                section = heading.to_lowercase();
                continue;
            }
            match section.as_str() {
                "" if line.is_empty() => paragraph_is_over = docs.summary.is_some(),
                "" if !paragraph_is_over => append(docs.summary.get_or_insert_default(), line),
                "arguments" => docs.argument_line(line, &mut entry_is_over),
                "returns" if !line.is_empty() => append(docs.returns.get_or_insert_default(), line),
                _ => {}
            }
        }
        docs
    }

    /// Reads a list entry, such as ``* `a` - The first number``, or the continuation of the previous one.
    fn argument_line(&mut self, line: &str, entry_is_over: &mut bool) {
        let entry = line.strip_prefix(['*', '-']).map(str::trim_start);
        let entry = entry.and_then(|entry| entry.strip_prefix('`')?.split_once('`'));
        if let Some((name, text)) = entry {
            let text = text
                .trim_start()
                .trim_start_matches(['-', ':', '–', '—'])
                .trim();
            self.arguments.push((name.to_owned(), text.to_owned()));
            *entry_is_over = false;
        } else if line.is_empty() {
            *entry_is_over = true;
        } else if let Some((_, text)) = self.arguments.last_mut()
            && !*entry_is_over
        {
            append(text, line);
        }
    }
}

/// Returns documentation without its code blocks, for a copy at another place. There the code would be
/// tested again, and names in it could have another meaning.
pub(crate) fn without_code(attributes: &[Attribute]) -> Vec<Attribute> {
    let mut open: Option<Fence> = None;
    let mut kept = attributes.to_vec();
    kept.retain(|attribute| {
        let line = text(std::slice::from_ref(attribute));
        let fence = Fence::of(line.trim());
        match (open, fence) {
            (Some(opening), Some(fence)) if fence.closes(opening) => open = None,
            (Some(_), _) => {}
            (None, Some(_)) => open = fence,
            (None, None) => return true,
        }
        false
    });
    kept
}

/// The line before or after a block of code.
#[derive(Clone, Copy)]
struct Fence {
    letter: char,
    length: usize,
    /// Whether more follows, such as a language.
    has_more: bool,
}

impl Fence {
    fn of(line: &str) -> Option<Self> {
        let letter = line.chars().next().filter(|it| matches!(it, '`' | '~'))?;
        let rest = line.trim_start_matches(letter);
        let length = line.len() - rest.len();
        // A line with more backticks has code inside the line.
        let is_fence = length >= 3 && line.lines().count() == 1 && !rest.contains('`');
        is_fence.then_some(Self {
            letter,
            length,
            has_more: !rest.is_empty(),
        })
    }

    fn closes(self, opening: Self) -> bool {
        self.letter == opening.letter && self.length >= opening.length && !self.has_more
    }
}

/// Returns the text of a heading; `None` for another line.
fn heading(line: &str) -> Option<&str> {
    let text = line.trim_start_matches('#');
    let is_heading = text.len() < line.len() && (text.is_empty() || text.starts_with(' '));
    is_heading.then(|| text.trim())
}

fn append(text: &mut String, line: &str) {
    if !text.is_empty() {
        text.push(' ');
    }
    text.push_str(line);
}

/// Returns the text of a comment without the stars before the lines of a block comment.
fn without_stars(comment: &str) -> String {
    let mut lines = comment.lines();
    let first = lines.next().unwrap_or_default();
    let is_starred = |line: &&str| line.trim_start().starts_with('*') || line.trim().is_empty();
    let rest: Vec<&str> = lines.collect();
    if rest.is_empty() || !rest.iter().all(is_starred) {
        return comment.to_owned();
    }
    let rest = rest.iter().map(|line| {
        let line = line.trim_start();
        line.strip_prefix('*').unwrap_or(line)
    });
    std::iter::once(first)
        .chain(rest)
        .collect::<Vec<_>>()
        .join("\n")
}

/// Returns the text of all documentation comments, line by line.
fn text(attributes: &[Attribute]) -> String {
    let mut text = String::new();
    for attribute in attributes {
        let Meta::NameValue(meta) = &attribute.meta else {
            continue;
        };
        if let (
            true,
            Expr::Lit(ExprLit {
                lit: Lit::Str(line),
                ..
            }),
        ) = (meta.path.is_ident("doc"), &meta.value)
        {
            text.push_str(&without_stars(&line.value()));
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_has_summary_arguments_and_returns() {
        let docs = Docs::parse(
            " Add two\n numbers.\n\n More words.\n\n # Arguments\n * `a` - The first\n   number\n - `b`: The second\n\n \
             # Returns\n The sum\n\n # Errors\n Never\n",
        );
        assert_eq!(docs.summary.as_deref(), Some("Add two numbers."));
        assert_eq!(docs.argument("a").as_deref(), Some("The first number"));
        assert_eq!(docs.argument("b").as_deref(), Some("The second"));
        assert_eq!(docs.argument("c"), None);
        assert_eq!(docs.returns.as_deref(), Some("The sum"));
    }

    #[test]
    fn a_block_comment_is_read_like_lines() {
        let comment =
            "* Add.\n     *\n     * # Arguments\n     * * `a` - First\n     *\n     * More.\n";
        let docs = Docs::parse(&without_stars(comment));
        assert_eq!(docs.argument("a").as_deref(), Some("First"));
        let comment = " Add.\n * a list\n and text";
        assert_eq!(without_stars(comment), comment);
    }

    #[test]
    fn a_copy_has_no_code() {
        let item: syn::ItemFn = syn::parse_quote! {
            /// Add.
            /// ```
            /// add();
            /// ```
            /// More.
            fn add() {}
        };
        let docs = text(&without_code(&item.attrs));
        assert_eq!(docs, " Add.\n More.\n");
    }

    #[test]
    fn a_block_of_code_ends_at_its_own_fence() {
        let item: syn::ItemFn = syn::parse_quote! {
            /// Add.
            /// ~~~text
            /// ```
            /// add();
            /// ~~~
            /// ```as it is``` stays.
            /// ````
            /// ```
            /// ````
            /// More.
            fn add() {}
        };
        let docs = text(&without_code(&item.attrs));
        assert_eq!(docs, " Add.\n ```as it is``` stays.\n More.\n");
    }

    #[test]
    fn a_number_sign_without_a_space_is_not_a_heading() {
        let docs = Docs::parse("#1 of all sums.\n## Returns\n#2 of them.");
        assert_eq!(docs.summary.as_deref(), Some("#1 of all sums."));
        assert_eq!(docs.returns.as_deref(), Some("#2 of them."));
    }

    #[test]
    fn an_empty_comment_has_no_parts() {
        assert_eq!(Docs::parse("\n \n"), Docs::default());
    }
}
