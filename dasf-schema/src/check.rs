//! Decides whether a value is valid, without a list of its problems.

use std::cmp::Ordering;
use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::equal::{are_unique, equal};
use crate::evaluated;
use crate::node::{BoundKind, Keyword, Members, Node, NodeId, Rest, SizeKind, UnionKind};
use crate::number::{Exact, is_multiple};

/// The number of forks around a value from which results are kept. Fewer forks check no value often.
const FORKS_TO_KEEP: u32 = 2;

/// One check of a value.
pub(crate) struct Check<'s> {
    nodes: &'s [Node],
    /// The number of schemas around the current one that check values more than once.
    forks: u32,
    /// The results of shared schemas for arrays and objects, by the address of the value. Without
    /// them, the time for a recursive union would grow exponentially with the depth of the value.
    known: HashMap<(NodeId, *const Value), bool>,
}

impl<'s> Check<'s> {
    pub(crate) fn new(nodes: &'s [Node]) -> Self {
        Self {
            nodes,
            forks: 0,
            known: HashMap::new(),
        }
    }

    /// Returns the number of results that are kept.
    #[cfg(test)]
    pub(crate) fn kept(&self) -> usize {
        self.known.len()
    }

    /// Returns a node. Ids come from the compiler, which makes a node for each.
    pub(crate) fn node(&self, id: NodeId) -> &'s Node {
        &self.nodes[id.0]
    }

    /// Returns whether a schema accepts a value.
    ///
    /// The functions that call each other for inner values have loops instead of iterators, whose
    /// calls would take several times as much of the stack.
    pub(crate) fn accepts(&mut self, id: NodeId, value: &Value) -> bool {
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
        let is_kept = node.is_shared
            && self.forks >= FORKS_TO_KEEP
            && matches!(value, Value::Array(_) | Value::Object(_));
        let key = (id, std::ptr::from_ref(value));
        if is_kept && let Some(known) = self.known.get(&key) {
            return *known;
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
        if is_kept {
            self.known.insert(key, is_valid);
        }
        is_valid
    }

    /// Returns whether all of some schemas accept a value.
    fn all_accept(&mut self, schemas: &[NodeId], value: &Value) -> bool {
        for schema in schemas {
            if !self.accepts(*schema, value) {
                return false;
            }
        }
        true
    }

    /// Returns whether a keyword accepts a value.
    pub(crate) fn holds(&mut self, keyword: &'s Keyword, value: &Value) -> bool {
        match value {
            Value::Object(fields) => self.holds_for_object(keyword, fields, value),
            Value::Array(items) => self.holds_for_array(keyword, items, value),
            Value::String(text) => self.holds_for_text(keyword, text, value),
            Value::Number(number) => match keyword {
                Keyword::Bound { kind, exact, .. } => is_within(*kind, Exact::of(number), *exact),
                Keyword::MultipleOf(of) => is_multiple(number, *of),
                keyword => self.holds_for_any(keyword, value),
            },
            Value::Null | Value::Bool(_) => self.holds_for_any(keyword, value),
        }
    }

    fn holds_for_text(&mut self, keyword: &'s Keyword, text: &str, value: &Value) -> bool {
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
            Keyword::Pattern(pattern) => pattern.accepts(text),
            keyword => self.holds_for_any(keyword, value),
        }
    }

    fn holds_for_array(&mut self, keyword: &'s Keyword, items: &[Value], value: &Value) -> bool {
        match keyword {
            Keyword::Size {
                kind: SizeKind::MinItems,
                limit,
            } => items.len() >= as_size(*limit),
            Keyword::Size {
                kind: SizeKind::MaxItems,
                limit,
            } => items.len() <= as_size(*limit),
            Keyword::UniqueItems => are_unique(items),
            Keyword::Items { schema, from } => {
                let node = self.node(*schema);
                let items = items.get(*from..).unwrap_or_default();
                if node.keywords.is_empty() {
                    return items.iter().all(|item| node.types.accept(item));
                }
                for item in items {
                    if !self.accepts(*schema, item) {
                        return false;
                    }
                }
                true
            }
            Keyword::Tuple(schemas) => {
                for (schema, item) in schemas.iter().zip(items) {
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
                for item in items {
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
        fields: &Map<String, Value>,
        value: &Value,
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
            Keyword::Required { names, .. } => names.iter().all(|name| fields.contains_key(name)),
            Keyword::DependentRequired(dependencies) => {
                let mut present = dependencies
                    .iter()
                    .filter(|(name, _)| fields.contains_key(name));
                present.all(|(_, names)| names.iter().all(|name| fields.contains_key(name)))
            }
            Keyword::Members(members) => self.accepts_members(members, fields),
            Keyword::PropertyNames(None) => fields.is_empty(),
            Keyword::PropertyNames(Some(schema)) => {
                let mut names = fields.keys();
                names.all(|name| self.accepts(*schema, &Value::from(name.as_str())))
            }
            Keyword::DependentSchemas { schemas, .. } => {
                for (name, schema) in schemas {
                    if fields.contains_key(name) && !self.accepts(*schema, value) {
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

    fn accepts_members(&mut self, members: &'s Members, fields: &Map<String, Value>) -> bool {
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
        for (name, value) in fields {
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
                if pattern.accepts(name) {
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
    fn holds_for_any(&mut self, keyword: &'s Keyword, value: &Value) -> bool {
        match keyword {
            Keyword::Never => false,
            Keyword::Const(expected) => equal(expected, value),
            Keyword::Enum(known) => known.iter().any(|known| equal(known, value)),
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
