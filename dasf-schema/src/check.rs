//! Decides whether a value is valid, without a list of its problems.

use std::cmp::Ordering;
use std::collections::HashMap;

use crate::budget::Budget;
use crate::equal::{are_unique, equal};
use crate::evaluated;
use crate::node::{BoundKind, Keyword, Members, Node, NodeId, Rest, SizeKind, UnionKind};
use crate::number::{Exact, is_multiple};
use crate::patterns::Pattern;
use crate::view::{Fields, Items, View};

/// The number of forks around a value from which results are kept. Fewer forks check no value often.
const FORKS_TO_KEEP: u32 = 2;

/// The maximum number of results that are kept. The latest ones, of the innermost values, save the most.
const MOST_KEPT: usize = 1 << 16;

/// One check of a value.
pub(crate) struct Check<'s> {
    nodes: &'s [Node],
    budget: &'s Budget,
    /// The number of schemas around the current one that check values more than once.
    forks: u32,
    /// The results of shared schemas for arrays and objects, by their places. Without them, the time
    /// for a recursive union would grow exponentially with the depth of the value.
    known: HashMap<(NodeId, u32), bool>,
}

impl<'s> Check<'s> {
    pub(crate) fn new(nodes: &'s [Node], budget: &'s Budget) -> Self {
        Self {
            nodes,
            budget,
            forks: 0,
            known: HashMap::new(),
        }
    }

    /// Returns the number of results that are kept.
    #[cfg(test)]
    pub(crate) fn kept(&self) -> usize {
        self.known.len()
    }

    /// Takes some steps of the budget. Returns whether there were enough.
    pub(crate) fn spend(&self, steps: usize) -> bool {
        self.budget.spend(steps)
    }

    /// Returns a node. Ids come from the compiler, which makes a node for each.
    pub(crate) fn node(&self, id: NodeId) -> &'s Node {
        &self.nodes[id.0]
    }

    /// Returns whether a schema accepts a value.
    ///
    /// The functions that call each other for inner values have loops instead of iterators, whose
    /// calls would take several times as much of the stack.
    pub(crate) fn accepts(&mut self, id: NodeId, value: View<'_>) -> bool {
        let mut id = id;
        let mut node = self.node(id);
        while let [Keyword::Reference(target)] = &node.keywords[..] {
            if !node.types.accept(value) {
                return false;
            }
            id = *target;
            node = self.node(id);
        }
        if !node.types.accept(value) {
            return false;
        }
        if node.keywords.is_empty() {
            return true;
        }
        let is_kept = node.is_shared && self.forks >= FORKS_TO_KEEP;
        let key = value.identity().filter(|_| is_kept).map(|it| (id, it));
        if let Some(known) = key.and_then(|key| self.known.get(&key)) {
            return *known;
        }
        if !self.spend(node.weight) {
            return false;
        }
        let mut is_valid = true;
        self.forks += u32::from(node.is_fork);
        for keyword in &node.keywords {
            if !keyword.is_checked_by_another() && !self.holds(keyword, value) {
                is_valid = false;
                break;
            }
        }
        self.forks -= u32::from(node.is_fork);
        if let Some(key) = key {
            if self.known.len() >= MOST_KEPT {
                self.known.clear();
            }
            self.known.insert(key, is_valid);
        }
        is_valid
    }

    /// Returns whether all of some schemas accept a value.
    fn all_accept(&mut self, schemas: &[NodeId], value: View<'_>) -> bool {
        for schema in schemas {
            if !self.accepts(*schema, value) {
                return false;
            }
        }
        true
    }

    /// Returns whether a keyword accepts a value.
    pub(crate) fn holds(&mut self, keyword: &'s Keyword, value: View<'_>) -> bool {
        match value {
            View::Object(fields) => self.holds_for_object(keyword, fields, value),
            View::Array(items) => self.holds_for_array(keyword, items, value),
            View::String(text) => self.holds_for_text(keyword, text, value),
            View::Number(number) => match keyword {
                Keyword::Bound { kind, exact, .. } => is_within(*kind, Exact::of(number), *exact),
                Keyword::MultipleOf(of) => is_multiple(number, *of),
                keyword => self.holds_for_any(keyword, value),
            },
            View::Null | View::Bool(_) => self.holds_for_any(keyword, value),
        }
    }

    fn holds_for_text(&mut self, keyword: &'s Keyword, text: &str, value: View<'_>) -> bool {
        match keyword {
            Keyword::Size {
                kind: SizeKind::MinLength,
                limit,
            } => {
                // Each character has one to four bytes.
                text.len() / 4 >= as_size(*limit) || text.chars().count() >= as_size(*limit)
            }
            Keyword::Size {
                kind: SizeKind::MaxLength,
                limit,
            } => text.len() <= as_size(*limit) || text.chars().count() <= as_size(*limit),
            Keyword::Format(format) => format.accepts(text),
            Keyword::Pattern(pattern) => self.matches(pattern, text),
            keyword => self.holds_for_any(keyword, value),
        }
    }

    fn holds_for_array(&mut self, keyword: &'s Keyword, items: Items<'_>, value: View<'_>) -> bool {
        match keyword {
            Keyword::Size {
                kind: SizeKind::MinItems,
                limit,
            } => items.len() >= as_size(*limit),
            Keyword::Size {
                kind: SizeKind::MaxItems,
                limit,
            } => items.len() <= as_size(*limit),
            Keyword::UniqueItems => self.spend(items.len()) && are_unique(items),
            Keyword::Items { schema, from } => {
                let node = self.node(*schema);
                let mut others = items.iter().skip(*from);
                if node.keywords.is_empty() {
                    return self.spend(items.len()) && others.all(|item| node.types.accept(item));
                }
                for item in others {
                    if !self.accepts(*schema, item) {
                        return false;
                    }
                }
                true
            }
            Keyword::Tuple(schemas) => {
                for (schema, item) in schemas.iter().zip(items.iter()) {
                    if !self.accepts(*schema, item) {
                        return false;
                    }
                }
                true
            }
            Keyword::NoMoreItems(most) => items.len() <= *most,
            Keyword::Contains {
                schema,
                least,
                most,
            } => {
                let least = match (least, most) {
                    (Some(least), _) => *least,
                    // The one item that `contains` requires.
                    (None, _) => 1,
                };
                let most = most.unwrap_or(u64::MAX);
                let mut found = 0;
                for item in items.iter() {
                    if found >= least && most == u64::MAX {
                        break;
                    }
                    found += u64::from(self.accepts(*schema, item));
                    if found > most {
                        return false;
                    }
                }
                found >= least
            }
            Keyword::UnevaluatedItems { of, schema } => {
                for item in evaluated::other_items(self, *of, items, value) {
                    if !self.accepts(*schema, item) {
                        return false;
                    }
                }
                true
            }
            keyword => self.holds_for_any(keyword, value),
        }
    }

    fn holds_for_object(
        &mut self,
        keyword: &'s Keyword,
        fields: Fields<'_>,
        value: View<'_>,
    ) -> bool {
        match keyword {
            Keyword::Size {
                kind: SizeKind::MinProperties,
                limit,
            } => fields.len() >= as_size(*limit),
            Keyword::Size {
                kind: SizeKind::MaxProperties,
                limit,
            } => fields.len() <= as_size(*limit),
            Keyword::Required { names, .. } => names.iter().all(|name| fields.has(name)),
            Keyword::DependentRequired(dependencies) => {
                let mut present = dependencies.iter().filter(|(name, _)| fields.has(name));
                present.all(|(_, names)| names.iter().all(|name| fields.has(name)))
            }
            Keyword::Members(members) => self.accepts_members(members, fields),
            Keyword::PropertyNames(None) => fields.is_empty(),
            Keyword::PropertyNames(Some(schema)) => {
                let mut names = fields.names();
                names.all(|name| self.accepts(*schema, View::String(name)))
            }
            Keyword::DependentSchemas { schemas, .. } => {
                for (name, schema) in schemas {
                    if fields.has(name) && !self.accepts(*schema, value) {
                        return false;
                    }
                }
                true
            }
            Keyword::UnevaluatedProperties { of, schema } => {
                for (_, value) in evaluated::other_properties(self, *of, fields, value) {
                    if !self.accepts(*schema, value) {
                        return false;
                    }
                }
                true
            }
            keyword => self.holds_for_any(keyword, value),
        }
    }

    /// Returns whether a text matches a pattern, whose search takes time for each byte of it.
    pub(crate) fn matches(&self, pattern: &Pattern, text: &str) -> bool {
        self.spend(pattern.weight(text)) && pattern.accepts(text)
    }

    fn accepts_members(&mut self, members: &'s Members, fields: Fields<'_>) -> bool {
        if members.is_open() && members.patterns.is_empty() && !members.scans(fields.len()) {
            let names = members.names.iter().zip(&members.schemas).enumerate();
            for (index, (name, schema)) in names {
                let is_valid = match fields.get(name) {
                    Some(value) => self.accepts(*schema, value),
                    None => index >= 64 || members.required & (1 << index) == 0,
                };
                if !is_valid {
                    return false;
                }
            }
            return true;
        }
        let mut missing = members.required;
        let mut next = 0;
        for (name, value) in fields.iter() {
            let mut is_known = false;
            if let Some(index) = members.names.find(name, &mut next) {
                is_known = true;
                if index < 64 {
                    missing &= !(1 << index);
                }
                if !self.accepts(members.schemas[index], value) {
                    return false;
                }
            }
            for (pattern, schema) in &members.patterns {
                if self.matches(pattern, name) {
                    is_known = true;
                    if !self.accepts(*schema, value) {
                        return false;
                    }
                }
            }
            let is_valid = match members.rest {
                _ if is_known => true,
                Rest::Open | Rest::Allowed => true,
                Rest::Forbidden => false,
                Rest::Schema(schema) => self.accepts(schema, value),
            };
            if !is_valid {
                return false;
            }
        }
        missing == 0
    }

    /// Returns whether a keyword for values of all types accepts a value. Keywords for other types
    /// do.
    fn holds_for_any(&mut self, keyword: &'s Keyword, value: View<'_>) -> bool {
        match keyword {
            Keyword::Never => false,
            Keyword::Const(expected) => equal(expected.root(), value),
            Keyword::Enum(known) => known.iter().any(|known| equal(known.root(), value)),
            Keyword::AllOf(schemas) => self.all_accept(schemas, value),
            Keyword::Union { variants, kind } => {
                let mut valid = 0;
                for variant in variants {
                    valid += usize::from(self.accepts(*variant, value));
                    if valid > 1 || (valid == 1 && *kind == UnionKind::AnyOf) {
                        break;
                    }
                }
                valid == 1
            }
            Keyword::Not { schema, .. } => !self.accepts(*schema, value),
            Keyword::If {
                condition,
                then,
                otherwise,
            } => {
                let branch = if self.accepts(*condition, value) {
                    then
                } else {
                    otherwise
                };
                self.all_accept(branch.as_slice(), value)
            }
            Keyword::Reference(schema) => self.accepts(*schema, value),
            _ => true,
        }
    }
}

/// Returns a limit of a length. A limit that is too large for the platform is that of no value.
fn as_size(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

fn is_within(kind: BoundKind, number: Exact, limit: Exact) -> bool {
    let order = number.compare(limit);
    match kind {
        BoundKind::Minimum => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        BoundKind::Maximum => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        BoundKind::ExclusiveMinimum => order == Some(Ordering::Greater),
        BoundKind::ExclusiveMaximum => order == Some(Ordering::Less),
    }
}
