//! Reading documentation comments.

use syn::{Attribute, Expr, ExprLit, Lit, Meta};

/// What a documentation comment says, part by part.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Docs {
    /// The first paragraph.
    pub(crate) summary: Option<String>,
    /// The entries of the list below `# Arguments`: names and texts.
    arguments: Vec<(String, String)>,
    /// The text below `# Returns`.
    pub(crate) returns: Option<String>,
}

impl Docs {
    pub(crate) fn of(attributes: &[Attribute]) -> Self {
        Self::parse(&text(attributes))
    }

    /// What the list of arguments says about one of them.
    pub(crate) fn argument(&self, name: &str) -> Option<String> {
        let entry = self.arguments.iter().find(|(listed, _)| listed == name);
        entry.map(|(_, text)| text.clone())
    }

    fn parse(text: &str) -> Self {
        let mut docs = Self::default();
        let mut section = String::new();
        let mut paragraph_is_over = false;
        for line in text.lines() {
            let line = line.trim();
            if let Some(heading) = line.strip_prefix('#') {
                section = heading.trim_start_matches('#').trim().to_lowercase();
                continue;
            }
            match section.as_str() {
                "" if line.is_empty() => paragraph_is_over = docs.summary.is_some(),
                "" if !paragraph_is_over => append(docs.summary.get_or_insert_default(), line),
                "arguments" => docs.argument_line(line),
                "returns" if !line.is_empty() => append(docs.returns.get_or_insert_default(), line),
                _ => {}
            }
        }
        docs
    }

    /// A list entry, such as ``* `a` - The first number``, or the continuation of the entry before.
    fn argument_line(&mut self, line: &str) {
        let entry = line.strip_prefix(['*', '-']).map(str::trim_start);
        let entry = entry.and_then(|entry| entry.strip_prefix('`')?.split_once('`'));
        if let Some((name, text)) = entry {
            let text = text
                .trim_start()
                .trim_start_matches(['-', ':', '–', '—'])
                .trim();
            self.arguments.push((name.to_owned(), text.to_owned()));
        } else if let Some((_, text)) = self.arguments.last_mut()
            && !line.is_empty()
        {
            append(text, line);
        }
    }
}

fn append(text: &mut String, line: &str) {
    if !text.is_empty() {
        text.push(' ');
    }
    text.push_str(line);
}

/// The text of all documentation comments, line by line.
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
            text.push_str(&line.value());
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
    fn an_empty_comment_says_nothing() {
        assert_eq!(Docs::parse("\n \n"), Docs::default());
    }
}
