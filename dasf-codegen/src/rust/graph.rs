//! The graph of types. A type that contains itself needs a box, and an alias that contains itself a
//! separate type.

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use crate::description::{Definition, Description, Type, TypeId};

/// Groups of types that contain each other.
#[derive(Debug)]
pub(super) struct Circles {
    /// The group of each type, by its index. A type outside of all cycles is alone in its group.
    group: Vec<usize>,
    /// Whether each type contains itself, directly or through others.
    is_in_circle: Vec<bool>,
}

impl Circles {
    /// Returns the groups of a graph. Its edges lead from a type to the types that it contains.
    fn new(count: usize, edges: impl Iterator<Item = (TypeId, TypeId)>) -> Self {
        let mut graph = DiGraph::<(), ()>::new();
        for _ in 0..count {
            graph.add_node(());
        }
        let mut is_in_circle = vec![false; count];
        for (from, to) in edges {
            is_in_circle[from.0] |= from == to;
            graph.add_edge(NodeIndex::new(from.0), NodeIndex::new(to.0), ());
        }
        let mut group = vec![0; count];
        for (number, members) in kosaraju_scc(&graph).iter().enumerate() {
            for member in members {
                group[member.index()] = number;
                is_in_circle[member.index()] |= members.len() > 1;
            }
        }
        Self {
            group,
            is_in_circle,
        }
    }

    /// Returns whether a type contains the type that contains it.
    pub(super) fn closes(&self, holder: TypeId, held: TypeId) -> bool {
        self.group[holder.0] == self.group[held.0]
    }

    /// Returns whether a type contains itself.
    pub(super) fn contains(&self, id: TypeId) -> bool {
        self.is_in_circle[id.0]
    }
}

/// Returns the cycles in which a type would have an infinite size: those of fields, and those that
/// remain when the fields of the cycles are boxed.
pub(super) fn infinite(description: &Description) -> (Circles, Circles) {
    let types = || (0..description.types.len()).map(TypeId);
    let held = |id: TypeId| {
        let mut held = Vec::new();
        collect(&description.declaration(id).definition, false, &mut held);
        held.into_iter().map(move |held| (id, held))
    };
    let count = description.types.len();
    let all = Circles::new(count, types().flat_map(held));
    let is_boxed = |(holder, held): &(TypeId, TypeId)| {
        let definition = &description.declaration(*holder).definition;
        matches!(definition, Definition::Object { .. }) && all.closes(*holder, *held)
    };
    let edges: Vec<_> = types()
        .flat_map(held)
        .filter(|edge| !is_boxed(edge))
        .collect();
    let rest = Circles::new(count, edges.into_iter());
    (all, rest)
}

/// Returns the cycles of aliases, including those through lists and maps. `is_named` returns whether
/// a type has its own definition in any case.
pub(super) fn nameless(description: &Description, is_named: impl Fn(TypeId) -> bool) -> Circles {
    let types = (0..description.types.len()).map(TypeId);
    let edges = types.filter(|id| !is_named(*id)).flat_map(|id| {
        let mut held = Vec::new();
        collect(&description.declaration(id).definition, true, &mut held);
        held.into_iter().map(move |held| (id, held))
    });
    let edges: Vec<_> = edges.filter(|(_, held)| !is_named(*held)).collect();
    Circles::new(description.types.len(), edges.into_iter())
}

/// Collects the types in a definition, and those in lists and maps if `through_lists` is set.
fn collect(definition: &Definition, through_lists: bool, held: &mut Vec<TypeId>) {
    let mut waiting: Vec<&Type> = match definition {
        Definition::Object { fields, .. } => fields.iter().map(|field| &field.schema.ty).collect(),
        Definition::Alias(schema) => vec![&schema.ty],
    };
    while let Some(ty) = waiting.pop() {
        match ty {
            Type::Named(id) => held.push(*id),
            Type::Nullable(inner) => waiting.push(&inner.ty),
            Type::Tuple(items) => waiting.extend(items.iter().map(|item| &item.ty)),
            Type::Union(variants) => {
                waiting.extend(variants.iter().map(|variant| &variant.schema.ty));
            }
            Type::List(item) | Type::Set(item) | Type::Map(item) if through_lists => {
                waiting.push(&item.ty);
            }
            _ => {}
        }
    }
}
