//! Finds the properties and items that a schema evaluates, for `unevaluatedProperties` and
//! `unevaluatedItems`.

use std::collections::HashSet;

use crate::check::Check;
use crate::node::{Keyword, NodeId, Rest, UnionKind};
use crate::view::{Fields, Items, View};

/// What has been evaluated.
struct Marks {
    marks: Vec<bool>,
    /// The schemas whose marks are made. Many ways may lead to one schema.
    seen: HashSet<NodeId>,
}

impl Marks {
    fn new(count: usize) -> Self {
        Self {
            marks: vec![false; count],
            seen: HashSet::new(),
        }
    }
}

/// Returns the properties that no other keyword of a schema evaluates.
pub(crate) fn other_properties<'v>(
    check: &mut Check<'_>,
    of: NodeId,
    fields: Fields<'v>,
    value: View<'v>,
) -> impl Iterator<Item = (&'v str, View<'v>)> + use<'v> {
    let mut marks = Marks::new(fields.len());
    for keyword in &check.node(of).keywords {
        if !matches!(keyword, Keyword::UnevaluatedProperties { .. }) {
            mark_properties(check, keyword, fields, value, &mut marks);
        }
    }
    fields
        .iter()
        .zip(marks.marks)
        .filter(|(_, it)| !it)
        .map(|it| it.0)
}

/// Returns the items that no other keyword of a schema evaluates.
pub(crate) fn other_items<'v>(
    check: &mut Check<'_>,
    of: NodeId,
    items: Items<'v>,
    value: View<'v>,
) -> impl Iterator<Item = View<'v>> + use<'v> {
    let mut marks = Marks::new(items.len());
    for keyword in &check.node(of).keywords {
        if !matches!(keyword, Keyword::UnevaluatedItems { .. }) {
            mark_items(check, keyword, items, value, &mut marks);
        }
    }
    items
        .iter()
        .zip(marks.marks)
        .filter(|(_, it)| !it)
        .map(|it| it.0)
}

fn mark_properties<'s>(
    check: &mut Check<'s>,
    keyword: &'s Keyword,
    fields: Fields<'_>,
    value: View<'_>,
    marks: &mut Marks,
) {
    match keyword {
        Keyword::Members(members) if members.rest == Rest::Open => {
            for (mark, name) in marks.marks.iter_mut().zip(fields.names()) {
                *mark = *mark || members.know(name);
            }
        }
        Keyword::Members(_) => marks.marks.fill(true),
        Keyword::DependentSchemas {
            schemas,
            evaluates: true,
        } => {
            for (name, schema) in schemas {
                if fields.has(name) {
                    mark_all_properties(check, *schema, fields, value, marks);
                }
            }
        }
        Keyword::UnevaluatedProperties { schema, .. } => {
            for (mark, inner) in marks
                .marks
                .iter_mut()
                .zip(fields.iter().map(|(_, inner)| inner))
            {
                *mark = *mark || check.accepts(*schema, inner);
            }
        }
        keyword => {
            for schema in valid_in_place(check, keyword, value) {
                mark_all_properties(check, schema, fields, value, marks);
            }
        }
    }
}

fn mark_all_properties(
    check: &mut Check<'_>,
    of: NodeId,
    fields: Fields<'_>,
    value: View<'_>,
    marks: &mut Marks,
) {
    if !marks.seen.insert(of) {
        return;
    }
    for keyword in &check.node(of).keywords {
        mark_properties(check, keyword, fields, value, marks);
    }
}

fn mark_items<'s>(
    check: &mut Check<'s>,
    keyword: &'s Keyword,
    items: Items<'_>,
    value: View<'_>,
    marks: &mut Marks,
) {
    match keyword {
        Keyword::Items { .. } | Keyword::NoMoreItems(_) => marks.marks.fill(true),
        Keyword::Tuple(schemas) => marks
            .marks
            .iter_mut()
            .take(schemas.len())
            .for_each(|it| *it = true),
        Keyword::Contains { schema, .. } | Keyword::UnevaluatedItems { schema, .. } => {
            for (mark, item) in marks.marks.iter_mut().zip(items.iter()) {
                *mark = *mark || check.accepts(*schema, item);
            }
        }
        Keyword::DependentSchemas { .. } => {}
        keyword => {
            for schema in valid_in_place(check, keyword, value) {
                if !marks.seen.insert(schema) {
                    continue;
                }
                for keyword in &check.node(schema).keywords {
                    mark_items(check, keyword, items, value, marks);
                }
            }
        }
    }
}

/// Returns the schemas that a keyword applies to the value itself, and that count because the value
/// is valid for them.
fn valid_in_place<'s>(check: &mut Check<'s>, keyword: &'s Keyword, value: View<'_>) -> Vec<NodeId> {
    let mut valid = |schemas: &[NodeId]| -> Vec<NodeId> {
        let schemas = schemas.iter().copied();
        schemas.filter(|it| check.accepts(*it, value)).collect()
    };
    match keyword {
        Keyword::Reference(schema) => vec![*schema],
        Keyword::AllOf(schemas) => valid(schemas),
        Keyword::Union { variants, kind } => {
            let found = valid(variants);
            if *kind == UnionKind::OneOf && found.len() > 1 {
                return Vec::new();
            }
            found
        }
        Keyword::If {
            condition,
            then,
            otherwise,
        } => {
            let is_met = valid(&[*condition]);
            let branch = if is_met.is_empty() { otherwise } else { then };
            is_met.into_iter().chain(*branch).collect()
        }
        _ => Vec::new(),
    }
}
