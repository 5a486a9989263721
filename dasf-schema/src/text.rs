//! Decides whether a JSON text is valid while it is parsed, without a tree of its values.
//!
//! Where a schema must see a list or an object as a whole, a document of this part is made.

use std::fmt;

use crate::budget::Budget;
use crate::check::Check;
use crate::node::{Keyword, Members, Node, NodeId, Rest, SizeKind};
use crate::number::Number;
use crate::types::Type;
use crate::view::{Document, PRIVATE_KEY, View};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Returns whether a text is JSON that a schema accepts.
pub(crate) fn accepts(nodes: &[Node], budget: &Budget, id: NodeId, json: &str) -> bool {
    let mut text = serde_json::Deserializer::from_str(json);
    let part = Part {
        nodes,
        budget,
        schema: Some(id),
    };
    part.deserialize(&mut text).is_ok() && text.end().is_ok()
}

/// Reads a text that may contain any JSON.
pub(crate) fn read_anything(json: &str) -> serde_json::Result<()> {
    let mut text = serde_json::Deserializer::from_str(json);
    let part = Part {
        nodes: &[],
        budget: &Budget::new(0),
        schema: None,
    };
    part.deserialize(&mut text)?;
    text.end()
}

/// A part of the text. It is read as `serde_json` reads a [`Value`], so that both refuse the same
/// texts.
#[derive(Clone, Copy)]
struct Part<'s> {
    nodes: &'s [Node],
    budget: &'s Budget,
    /// The schema; `None` if any value is valid.
    schema: Option<NodeId>,
}

impl<'s> Part<'s> {
    fn of(self, schema: Option<NodeId>) -> Self {
        Self { schema, ..self }
    }

    /// Returns an error if the schema refuses a value.
    fn check<E: Error>(self, value: View<'_>) -> Result<(), E> {
        let Some(id) = self.schema else {
            return Ok(());
        };
        // A check remembers values by their place in one document, so each value needs its own.
        ensure(Check::new(self.nodes, self.budget).accepts(id, value))
    }

    /// Returns the node that decides about values of a type: it follows
    /// references, and unions of which one variant has the type. Returns `None` if any value is valid.
    ///
    /// # Errors
    /// Fails if the schema refuses the type.
    fn node_for<E: Error>(self, of: Type) -> Result<Option<&'s Node>, E> {
        let Some(mut id) = self.schema else {
            return Ok(None);
        };
        loop {
            let node = &self.nodes[id.0];
            ensure(node.types.has(of))?;
            id = match &node.keywords[..] {
                [Keyword::Reference(target)] => *target,
                [Keyword::Union { variants, .. }] => {
                    let has_type = |id: &&NodeId| self.nodes[id.0].types.has(of);
                    let mut with_type = variants.iter().filter(has_type);
                    match (with_type.next(), with_type.next()) {
                        (Some(only), None) => *only,
                        _ => return Ok(Some(node)),
                    }
                }
                _ => return Ok(Some(node)),
            };
        }
    }
}

fn ensure<E: Error>(is_valid: bool) -> Result<(), E> {
    if is_valid {
        Ok(())
    } else {
        Err(E::custom("the value does not match its schema"))
    }
}

impl<'de> DeserializeSeed<'de> for Part<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, text: D) -> Result<(), D::Error> {
        text.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Part<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a valid value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.check(View::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.check(View::Bool(value))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.check(View::Number(match u64::try_from(number) {
            Ok(number) => Number::Unsigned(number),
            Err(_) => Number::Negative(number),
        }))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.check(View::Number(Number::Unsigned(number)))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        self.check(View::Number(Number::Float(number)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        match self.node_for(Type::STRING)? {
            Some(node) if !node.keywords.is_empty() => self.check(View::String(text)),
            _ => Ok(()),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Some(rules) = List::of(self.node_for(Type::ARRAY)?) else {
            return self.check(Document::of_items(items)?.root());
        };
        let mut count = 0;
        while let Some(()) = items.next_element_seed(self.of(rules.schema_of(count)))? {
            count += 1;
        }
        ensure(rules.least <= count && count <= rules.most)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let Some(members) = members_of(self.node_for(Type::OBJECT)?) else {
            return self.check(Document::of_fields(entries)?.root());
        };
        let mut missing = members.map_or(0, |members| members.required);
        let mut next = 0;
        // If a key comes twice, both values must be valid here, although only the last one counts.
        while let Some(index) = entries.next_key_seed(Name {
            members,
            next: &mut next,
            may_be_private: self.schema.is_none(),
        })? {
            let schema = match (members, index) {
                (None, _) => None,
                (Some(members), Some(index)) => {
                    if index < 64 {
                        missing &= !(1 << index);
                    }
                    Some(members.schemas[index])
                }
                (Some(members), None) => match members.rest {
                    Rest::Open | Rest::Allowed => None,
                    Rest::Schema(schema) => Some(schema),
                    Rest::Forbidden => return ensure(false),
                },
            };
            entries.next_value_seed(self.of(schema))?;
        }
        ensure(missing == 0)
    }
}

/// The rules for a list that can be checked item by item.
struct List<'s> {
    /// The schemas of the first items.
    first: &'s [NodeId],
    /// The schema of the other items.
    others: Option<NodeId>,
    least: u64,
    most: u64,
}

impl<'s> List<'s> {
    /// Returns the rules of a node; `None` if it must see the whole list.
    fn of(node: Option<&'s Node>) -> Option<Self> {
        let mut rules = Self {
            first: &[],
            others: None,
            least: 0,
            most: u64::MAX,
        };
        let mut others_from = 0;
        for keyword in node.map_or(&[][..], |node| &node.keywords) {
            match keyword {
                Keyword::Tuple(schemas) => rules.first = schemas,
                Keyword::Items { schema, from } => {
                    (rules.others, others_from) = (Some(*schema), *from);
                }
                Keyword::Size {
                    kind: SizeKind::MinItems,
                    limit,
                } => rules.least = *limit,
                Keyword::Size {
                    kind: SizeKind::MaxItems,
                    limit,
                } => rules.most = *limit,
                _ => return None,
            }
        }
        let fits = rules.others.is_none() || others_from == rules.first.len();
        fits.then_some(rules)
    }

    fn schema_of(&self, index: u64) -> Option<NodeId> {
        let first = usize::try_from(index)
            .ok()
            .and_then(|it| self.first.get(it));
        first.copied().or(self.others)
    }
}

/// Returns the members of a node, by which an object can be checked entry by entry. Returns `None` if
/// the node must see the whole object.
fn members_of(node: Option<&Node>) -> Option<Option<&Members>> {
    let mut found = None;
    for keyword in node.map_or(&[][..], |node| &node.keywords) {
        match keyword {
            Keyword::Members(members) if members.patterns.is_empty() => found = Some(&**members),
            keyword if keyword.is_checked_by_another() => {}
            _ => return None,
        }
    }
    Some(found)
}

/// A key, which is read as its index among the names of a schema.
struct Name<'s, 'n> {
    members: Option<&'s Members>,
    /// The index to try first.
    next: &'n mut usize,
    /// Whether the meaning of the object does not matter.
    may_be_private: bool,
}

impl<'de> DeserializeSeed<'de> for Name<'_, '_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, key: D) -> Result<Self::Value, D::Error> {
        key.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_, '_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        ensure(self.may_be_private || !key.starts_with(PRIVATE_KEY))?;
        Ok(self.members.and_then(|it| it.names.find(key, self.next)))
    }
}
