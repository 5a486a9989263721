//! The compiled form of a schema: a list of nodes that refer to each other by their index.

use serde_json::{Number, Value};

use crate::formats::Format;
use crate::number::Exact;
use crate::patterns::Pattern;
use crate::types::Types;
use crate::view::Document;

/// The index of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct NodeId(pub(crate) usize);

/// A schema, or a schema inside another.
#[derive(Debug)]
pub(crate) struct Node {
    /// The types that values may have.
    pub(crate) types: Types,
    /// The other keywords, in the order in which their problems are told.
    pub(crate) keywords: Vec<Keyword>,
    /// Whether checking a value checks the value, or values inside it, more than once.
    pub(crate) is_fork: bool,
    /// The steps that a check of a value takes, apart from those of other schemas.
    pub(crate) weight: usize,
    /// Whether several places refer to the node, so that it may check a value more than once.
    pub(crate) is_shared: bool,
}

/// A keyword, with its value.
#[derive(Debug)]
pub(crate) enum Keyword {
    /// The schema `false`.
    Never,
    Const(Document),
    Enum(Vec<Document>),
    Bound {
        kind: BoundKind,
        exact: Exact,
        written: Number,
    },
    MultipleOf(f64),
    /// `minLength`, `maxLength`, `minItems` and the like.
    Size {
        kind: SizeKind,
        limit: u64,
    },
    Required {
        names: Vec<String>,
        /// Whether [`Members`] sees that they are there while it checks the properties.
        is_seen_by_members: bool,
    },
    /// Names of properties, each with the names that it requires.
    DependentRequired(Vec<(String, Vec<String>)>),
    Format(Format),
    UniqueItems,
    Members(Box<Members>),
    /// The schema of the names of properties; `None` if no name is allowed.
    PropertyNames(Option<NodeId>),
    /// The schema of all items from an index on.
    Items {
        schema: NodeId,
        from: usize,
    },
    /// The schemas of the first items.
    Tuple(Vec<NodeId>),
    /// `additionalItems: false`: the greatest number of items.
    NoMoreItems(usize),
    Contains {
        schema: NodeId,
        least: Option<u64>,
        most: Option<u64>,
    },
    /// Names of properties, each with a schema for objects that have it.
    DependentSchemas {
        schemas: Vec<(String, NodeId)>,
        /// Whether properties that the schemas name count as evaluated: not for `dependencies`.
        evaluates: bool,
    },
    AllOf(Vec<NodeId>),
    Union {
        variants: Vec<NodeId>,
        kind: UnionKind,
    },
    Not {
        schema: NodeId,
        written: Value,
    },
    If {
        condition: NodeId,
        then: Option<NodeId>,
        otherwise: Option<NodeId>,
    },
    /// The schema of the properties that no keyword of the schema `of` has evaluated.
    UnevaluatedProperties {
        of: NodeId,
        schema: NodeId,
    },
    /// The same for items.
    UnevaluatedItems {
        of: NodeId,
        schema: NodeId,
    },
    Reference(NodeId),
    Pattern(Pattern),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BoundKind {
    Minimum,
    Maximum,
    ExclusiveMinimum,
    ExclusiveMaximum,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SizeKind {
    MinLength,
    MaxLength,
    MinItems,
    MaxItems,
    MinProperties,
    MaxProperties,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnionKind {
    AnyOf,
    OneOf,
}

/// The keywords `properties`, `patternProperties` and `additionalProperties` of one schema.
#[derive(Debug)]
pub(crate) struct Members {
    pub(crate) has_properties: bool,
    pub(crate) has_pattern_properties: bool,
    pub(crate) names: Names,
    /// The schemas of the properties, in the order of their names.
    pub(crate) schemas: Vec<NodeId>,
    pub(crate) patterns: Vec<(Pattern, NodeId)>,
    pub(crate) rest: Rest,
    /// The required properties: bit `n` is that of `schemas[n]`; 0 if they are checked apart.
    pub(crate) required: u64,
}

/// The meaning of `additionalProperties`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Without the keyword.
    Open,
    /// With the value `true`.
    Allowed,
    /// With the value `false`.
    Forbidden,
    Schema(NodeId),
}

/// The names of the properties of a schema.
#[derive(Debug, Default)]
pub(crate) struct Names {
    names: Vec<String>,
    /// The indices of the names, sorted by name; empty if a search through all is faster.
    sorted: Vec<usize>,
}

impl Names {
    /// The number of names from which a search through all is slower than one by halves.
    const MANY: usize = 12;

    pub(crate) fn new(names: Vec<String>) -> Self {
        let mut sorted: Vec<usize> = Vec::new();
        if names.len() > Self::MANY {
            sorted.extend(0..names.len());
            sorted.sort_unstable_by_key(|&index| &names[index]);
        }
        Self { names, sorted }
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Returns the index of a name. `next` is the index to try first: most objects have their
    /// properties in the order of the schema.
    pub(crate) fn find(&self, name: &str, next: &mut usize) -> Option<usize> {
        let is_next = self.names.get(*next).is_some_and(|it| it == name);
        let index = if is_next {
            *next
        } else if self.sorted.is_empty() {
            self.names.iter().position(|it| it == name)?
        } else {
            let position = self
                .sorted
                .binary_search_by(|&index| self.names[index].as_str().cmp(name))
                .ok()?;
            self.sorted[position]
        };
        *next = index + 1;
        Some(index)
    }
}

impl Members {
    /// Returns whether the properties of an object are found by a look at each member, not by a
    /// look-up of each name.
    pub(crate) fn scans(&self, members: usize) -> bool {
        /// From this number on, a look at each member is always faster.
        const MANY: usize = 15;
        let names = self.names.len();
        names >= MANY || members <= names.saturating_mul(4)
    }

    /// Returns whether a property has a name or a pattern in the schema.
    pub(crate) fn know(&self, name: &str) -> bool {
        self.names.find(name, &mut 0).is_some()
            || self
                .patterns
                .iter()
                .any(|(pattern, _)| pattern.accepts(name))
    }

    /// Returns whether properties without a name or pattern in the schema are not checked.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.rest, Rest::Open | Rest::Allowed)
    }
}

impl Node {
    /// Returns the node of the schema `true`.
    pub(crate) fn anything() -> Self {
        Self {
            types: Types::ALL,
            keywords: Vec::new(),
            is_fork: false,
            weight: 1,
            is_shared: false,
        }
    }
}

impl Keyword {
    /// Returns the position among the keywords of a schema, which is also the order in which their
    /// problems are told: the cheap checks first.
    pub(crate) fn position(&self) -> u8 {
        match self {
            Self::Never => 0,
            Self::Const(_) => 1,
            Self::Enum(_) => 2,
            Self::Bound { kind, .. } => match kind {
                BoundKind::Minimum => 3,
                BoundKind::Maximum => 4,
                BoundKind::ExclusiveMinimum => 5,
                BoundKind::ExclusiveMaximum => 6,
            },
            Self::MultipleOf(_) => 7,
            Self::Size { kind, .. } => match kind {
                SizeKind::MinLength => 8,
                SizeKind::MaxLength => 9,
                SizeKind::MinItems => 10,
                SizeKind::MaxItems => 11,
                SizeKind::MinProperties => 12,
                SizeKind::MaxProperties => 13,
            },
            Self::Required { .. } => 14,
            Self::DependentRequired(_) => 15,
            Self::Format(_) => 16,
            Self::UniqueItems => 17,
            Self::Members(_) => 18,
            Self::PropertyNames(_) => 20,
            Self::Items { .. } => 21,
            Self::Tuple(_) => 22,
            Self::NoMoreItems(_) => 23,
            Self::Contains { .. } => 24,
            Self::DependentSchemas { evaluates, .. } => 25 + u8::from(*evaluates),
            Self::AllOf(_) => 27,
            Self::Union { kind, .. } => match kind {
                UnionKind::AnyOf => 28,
                UnionKind::OneOf => 29,
            },
            Self::Not { .. } => 30,
            Self::If { .. } => 31,
            Self::UnevaluatedProperties { .. } => 32,
            Self::UnevaluatedItems { .. } => 33,
            Self::Reference(_) => 34,
            Self::Pattern(_) => 35,
        }
    }

    /// Returns the steps that a check of a value takes.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Enum(known) => known.len(),
            Self::Required { names, .. } => names.len(),
            Self::DependentRequired(dependencies) => {
                dependencies.iter().map(|(_, names)| 1 + names.len()).sum()
            }
            Self::Members(members) => members.names.len() + members.patterns.len(),
            Self::DependentSchemas { schemas, .. } => schemas.len(),
            _ => 1,
        }
    }

    /// Returns whether another keyword finds out whether this one holds.
    pub(crate) fn is_checked_by_another(&self) -> bool {
        matches!(
            self,
            Self::Required {
                is_seen_by_members: true,
                ..
            }
        )
    }

    /// Returns the schemas that the keyword applies to the value itself.
    pub(crate) fn in_place(&self) -> Vec<NodeId> {
        match self {
            Self::DependentSchemas { schemas, .. } => schemas.iter().map(|(_, id)| *id).collect(),
            Self::AllOf(schemas)
            | Self::Union {
                variants: schemas, ..
            } => schemas.clone(),
            Self::Not { schema, .. } | Self::Reference(schema) => vec![*schema],
            Self::If {
                condition,
                then,
                otherwise,
            } => [Some(*condition), *then, *otherwise]
                .into_iter()
                .flatten()
                .collect(),
            _ => Vec::new(),
        }
    }
}
