//! The problems of a value, as people read them.

use std::fmt::Write;

use dasf_protocol::problem::{MAX_LISTED, Problem};

use crate::check::Check;
use crate::fault::{Fault, shown};
use crate::node::{Keyword, NodeId, UnionKind};
use crate::union::{Refusal, is_ambiguous, judge};
use crate::view::View;
use crate::walk::{Place, Sink, Step, walk};

/// Collects problems, and one more than a text lists.
pub(crate) struct Collector<'p> {
    prefix: &'p str,
    pub(crate) problems: Vec<Problem>,
}

impl<'p> Collector<'p> {
    pub(crate) fn new(prefix: &'p str) -> Self {
        Self {
            prefix,
            problems: Vec::new(),
        }
    }

    fn add_of_union<'s, 'v>(
        &mut self,
        check: &mut Check<'s>,
        variants: &'s [NodeId],
        value: View<'v>,
        at: &Place<'_, 'v>,
    ) {
        let path = dotted(at, self.prefix);
        let message = match judge(check, variants, value) {
            Refusal::Variant(variant) => {
                walk(check, variant, value, at, self);
                return;
            }
            Refusal::Missing(property) => {
                self.problems.push(Problem::missing(&path, property));
                return;
            }
            Refusal::UnknownTag { step, found, known } => {
                let mut path = path;
                push_step(&mut path, step);
                let message = none_of(&shown(found), known);
                self.problems.push(Problem::new(&path, message));
                return;
            }
            Refusal::UnknownKey { known } => {
                let key = match value {
                    View::Object(fields) => fields.names().next(),
                    _ => None,
                };
                none_of(&shown(View::String(key.unwrap_or_default())), known)
            }
            Refusal::Unclear => format!("matches none of the {} forms allowed", variants.len()),
        };
        self.problems.push(Problem::new(&path, message));
    }
}

impl<'s, 'v> Sink<'s, 'v> for Collector<'_> {
    fn is_open(&self, _: usize) -> bool {
        self.problems.len() <= MAX_LISTED
    }

    fn add(
        &mut self,
        check: &mut Check<'s>,
        fault: Fault<'s>,
        value: View<'v>,
        at: &Place<'_, 'v>,
    ) {
        match fault {
            Fault::Missing(property) => {
                let path = dotted(at, self.prefix);
                self.problems.push(Problem::missing(&path, property));
            }
            Fault::Keyword(Keyword::Union { variants, kind })
                if *kind == UnionKind::AnyOf || !is_ambiguous(check, variants, value) =>
            {
                self.add_of_union(check, variants, value, at);
            }
            fault => {
                let message = fault.quoted(check, value);
                let path = dotted(at, self.prefix);
                self.problems.push(Problem::new(&path, message));
            }
        }
    }
}

/// Returns the message for a value that is not one of the known values.
fn none_of(found: &str, known: Vec<String>) -> String {
    match <[String; 1]>::try_from(known) {
        Ok([only]) => format!("{found} is not {only}"),
        Err(mut known) => {
            let last = known.pop().unwrap_or_default();
            format!("{found} is not one of {} or {last}", known.join(", "))
        }
    }
}

/// Returns a place as `points[0].x`.
fn dotted(at: &Place<'_, '_>, prefix: &str) -> String {
    let mut path = prefix.to_owned();
    at.for_each_step(&mut |step| push_step(&mut path, step));
    path
}

fn push_step(path: &mut String, step: Step<'_>) {
    match step {
        Step::Start => {}
        Step::Index(index) => push_index(path, index),
        Step::Name(name) => match name.parse() {
            // A property such as `2001` is written like the index of an item.
            Ok(index) if is_index(name) => push_index(path, index),
            _ => {
                if !path.is_empty() && !path.ends_with('.') {
                    path.push('.');
                }
                path.push_str(name);
            }
        },
    }
}

fn push_index(path: &mut String, index: usize) {
    let _ = write!(path, "[{index}]"); // writing to a string cannot fail
}

/// Returns whether a name is a number without superfluous characters.
fn is_index(name: &str) -> bool {
    name == "0" || name.starts_with(|first: char| matches!(first, '1'..='9'))
}
