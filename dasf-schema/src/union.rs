//! Finds the intended variant of a union for an invalid value.
//!
//! The variants are not compared by all their faults, whose number grows exponentially with the
//! depth of recursive unions, but by a sketch of each: what matters of them, near the value.

use crate::check::Check;
use crate::fault::Fault;
use crate::node::{Keyword, NodeId, Rest};
use crate::view::{Document, View};
use crate::walk::{Place, Sink, Step, walk};

/// The maximum number of faults that a sketch takes into account.
const MAX_FAULTS: usize = 1000;

/// The reason why a value matches no variant of a union.
pub(crate) enum Refusal<'s, 'v> {
    /// The value is meant to be this variant.
    Variant(NodeId),
    /// The tag is not one of the known values, which are written as JSON.
    UnknownTag {
        step: Step<'v>,
        found: View<'v>,
        known: Vec<String>,
    },
    /// The only key of the object should name the variant, but is not one of these names.
    UnknownKey { known: Vec<String> },
    /// All variants require this property.
    Missing(&'s str),
    /// The variant cannot be found.
    Unclear,
}

/// Returns whether a value matches several variants.
pub(crate) fn is_ambiguous(check: &mut Check<'_>, variants: &[NodeId], value: View<'_>) -> bool {
    let valid = variants.iter().filter(|it| check.accepts(**it, value));
    valid.take(2).count() > 1
}

/// Finds the reason why a value matches no variant of a union.
pub(crate) fn judge<'s, 'v>(
    check: &mut Check<'s>,
    variants: &'s [NodeId],
    value: View<'v>,
) -> Refusal<'s, 'v> {
    let sketches = variants.iter().map(|variant| {
        let mut sketch = Sketch::new(*variant);
        walk(check, *variant, value, &Place::START, &mut sketch);
        sketch
    });
    // For an optional value, report the problem of the value, not that it is not null.
    let mut open: Vec<_> = sketches.filter(|it| !it.only_lacks_null()).collect();
    if let [variant] = &open[..] {
        return Refusal::Variant(variant.variant);
    }
    open.retain(|sketch| !sketch.has_another_type);
    if let [variant] = &open[..] {
        return Refusal::Variant(variant.variant);
    }
    // An object may have a tag: a property with one value for each variant.
    let tagged: Vec<_> = open.iter().filter(|sketch| sketch.tag.is_none()).collect();
    match tagged[..] {
        [variant] => return Refusal::Variant(variant.variant),
        [] => {
            let tags: Vec<&Tag<'_, '_>> = open.iter().filter_map(|it| it.tag.as_ref()).collect();
            let Some(first) = tags.first() else {
                return Refusal::Unclear;
            };
            // At different places, none of them is the tag.
            if tags.iter().any(|tag| tag.step != first.step) {
                return Refusal::Unclear;
            }
            return Refusal::UnknownTag {
                step: first.step,
                found: first.found,
                known: tags.iter().map(|tag| tag.expected.to_string()).collect(),
            };
        }
        _ => {}
    }
    // Otherwise the object may have only one key, which names the variant.
    let keyed: Vec<_> = tagged
        .iter()
        .filter(|it| !it.lacks_its_only_key())
        .collect();
    match keyed[..] {
        [variant] => return Refusal::Variant(variant.variant),
        [] => {
            let known = tagged.iter().flat_map(|sketch| &sketch.missing);
            return Refusal::UnknownKey {
                known: known.map(|name| format!("{name:?}")).collect(),
            };
        }
        _ => {}
    }
    let mut lists = keyed.iter().map(|sketch| &sketch.missing);
    let first = lists.next();
    let mut common = first
        .into_iter()
        .flatten()
        .filter(|name| lists.clone().all(|names| names.contains(name)));
    common
        .next()
        .map_or(Refusal::Unclear, |name| Refusal::Missing(name))
}

/// What matters of the faults of one variant.
struct Sketch<'s, 'v> {
    variant: NodeId,
    faults: usize,
    /// Whether all faults so far are values that are not null.
    lacks_null: bool,
    /// Whether the value itself has another type.
    has_another_type: bool,
    /// The first value that differs from the fixed one of the variant: the value itself, or a value
    /// in it.
    tag: Option<Tag<'s, 'v>>,
    /// The properties that the value itself lacks.
    missing: Vec<&'s str>,
    /// Whether the value itself has unexpected properties.
    has_unexpected: bool,
}

struct Tag<'s, 'v> {
    step: Step<'v>,
    found: View<'v>,
    expected: &'s Document,
}

impl Sketch<'_, '_> {
    fn new(variant: NodeId) -> Self {
        Self {
            variant,
            faults: 0,
            lacks_null: true,
            has_another_type: false,
            tag: None,
            missing: Vec::new(),
            has_unexpected: false,
        }
    }

    /// Returns whether the only fault is a value that is not null.
    fn only_lacks_null(&self) -> bool {
        self.faults == 1 && self.lacks_null
    }

    /// Returns whether more faults cannot change [`Self::only_lacks_null`].
    fn is_settled(&self) -> bool {
        self.faults > 1 || !self.lacks_null
    }

    /// Returns whether an object has another key instead of the variant's only key.
    fn lacks_its_only_key(&self) -> bool {
        self.has_unexpected && self.missing.len() == 1
    }
}

impl<'s, 'v> Sink<'s, 'v> for Sketch<'s, 'v> {
    fn is_open(&self, depth: usize) -> bool {
        self.faults < MAX_FAULTS
            && match depth {
                0 => true,
                1 => self.tag.is_none() || !self.is_settled(),
                _ => !self.is_settled(),
            }
    }

    fn add(&mut self, _: &mut Check<'s>, fault: Fault<'s>, value: View<'v>, at: &Place<'_, 'v>) {
        self.faults += 1;
        self.lacks_null &= matches!(fault, Fault::Type(types) if types.is_null());
        let expected = match fault {
            Fault::Keyword(Keyword::Const(expected)) => Some(expected),
            Fault::Keyword(Keyword::Enum(known)) => match &known[..] {
                [only] => Some(only),
                _ => None,
            },
            _ => None,
        };
        if let (Some(expected), None, 0 | 1) = (expected, &self.tag, at.depth) {
            self.tag = Some(Tag {
                step: at.step,
                found: value,
                expected,
            });
        }
        if at.depth > 0 {
            return;
        }
        match fault {
            Fault::Type(_) => self.has_another_type = true,
            Fault::Missing(name) => self.missing.push(name),
            Fault::Unexpected(members) => self.has_unexpected = members.rest == Rest::Forbidden,
            _ => {}
        }
    }
}
