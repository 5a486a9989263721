//! Compiles a schema into nodes.
//!
//! Each schema inside the document becomes a node once, however many places refer to it. The nodes
//! are made one after the other, not by recursion, so that no document overflows the stack.

use std::collections::HashMap;

use dasf_protocol::reference;
use serde_json::{Map, Value};

use crate::formats::Format;
use crate::node::{BoundKind, Keyword, Members, Names, Node, NodeId, Rest, SizeKind, UnionKind};
use crate::number::{Exact, Number};
use crate::patterns::Pattern;
use crate::view::Document;
use crate::{Options, Tuples, shape};

/// The maximum number of schemas that apply to one value through references and compositions.
const MAX_IN_PLACE: usize = 32;
/// Half a step above `f32::MAX`: from here on, floats of 32 bits are rounded to infinity.
const FLOAT_LIMIT: f64 = 3.402_823_567_797_336_6e38;

type Compiled<T> = Result<T, String>;

/// Compiles a document. The first node is the document itself.
///
/// # Errors
/// Returns the first mistake.
pub(crate) fn compile(document: &Value, options: Options) -> Compiled<Vec<Node>> {
    let mut compiler = Compiler {
        document,
        options,
        found: Vec::new(),
        ids: HashMap::new(),
        anchors: None,
    };
    compiler.id(document, Origin::Document);
    let mut nodes = Vec::new();
    while let Some(found) = compiler.found.get(nodes.len()) {
        let schema = found.schema;
        nodes.push(compiler.node(NodeId(nodes.len()), schema)?);
    }
    let uses = compiler.found.iter().map(|found| found.uses).collect();
    finish(&mut nodes, uses)?;
    Ok(nodes)
}

struct Compiler<'s> {
    document: &'s Value,
    options: Options,
    /// The schemas found so far, in the order of their nodes.
    found: Vec<Found<'s>>,
    /// The nodes of the schemas, by their addresses.
    ids: HashMap<*const Value, NodeId>,
    /// The schemas with an `$anchor`; `None` until a reference needs them.
    anchors: Option<HashMap<&'s str, &'s Value>>,
}

/// A schema in the document.
struct Found<'s> {
    schema: &'s Value,
    origin: Origin<'s>,
    /// The number of places that apply it.
    uses: usize,
}

/// The place of a schema.
#[derive(Clone, Copy)]
enum Origin<'s> {
    Document,
    Inside(NodeId),
    /// The schema of a property, or a definition.
    Named(NodeId, &'s str),
}

impl<'s> Compiler<'s> {
    /// Returns the node of a schema that a keyword applies.
    fn id(&mut self, schema: &'s Value, origin: Origin<'s>) -> NodeId {
        let id = self.visit(schema, origin);
        self.found[id.0].uses += 1;
        id
    }

    fn visit(&mut self, schema: &'s Value, origin: Origin<'s>) -> NodeId {
        let next = NodeId(self.found.len());
        let id = *self.ids.entry(std::ptr::from_ref(schema)).or_insert(next);
        if id == next {
            self.found.push(Found {
                schema,
                origin,
                uses: 0,
            });
        }
        id
    }

    /// Returns the names of the properties and definitions that lead to a schema.
    fn place(&self, of: NodeId) -> String {
        let mut names = Vec::new();
        let mut origin = self.found[of.0].origin;
        loop {
            let outer = match origin {
                Origin::Document => break,
                Origin::Inside(outer) => outer,
                Origin::Named(outer, name) => {
                    names.push(name);
                    outer
                }
            };
            origin = self.found[outer.0].origin;
        }
        names.reverse();
        names.join(".")
    }

    fn node(&mut self, id: NodeId, schema: &'s Value) -> Compiled<Node> {
        let mut node = Node::anything();
        match schema {
            Value::Bool(true) => {}
            Value::Bool(false) => node.keywords.push(Keyword::Never),
            Value::Object(keywords) => {
                shape::check(keywords, self.options.draft).map_err(|mistake| {
                    match self.place(id) {
                        place if place.is_empty() => mistake,
                        place => format!("{place}: {mistake}"),
                    }
                })?;
                self.keywords(id, keywords, &mut node)?;
            }
            _ => {
                return Err(format!(
                    "a schema must be an object, true or false, not {schema}"
                ));
            }
        }
        Ok(node)
    }

    fn keywords(
        &mut self,
        id: NodeId,
        schema: &'s Map<String, Value>,
        node: &mut Node,
    ) -> Compiled<()> {
        if let Some(types) = schema.get("type").and_then(shape::types) {
            node.types = types;
        }
        for (keyword, value) in schema {
            let compiled = self.keyword(id, schema, keyword, value)?;
            node.keywords.extend(compiled);
        }
        node.keywords.extend(self.members(id, schema)?);
        if let Some(dependencies) = schema.get("dependencies") {
            node.keywords.extend(self.dependencies(dependencies, id));
        }
        let is = |keyword: &str, value: &str| schema.get(keyword).is_some_and(|it| it == value);
        if is("type", "number") && is("format", "float") {
            // Without bounds, a number beyond 32 bits would become infinite.
            for (name, kind, limit) in [
                (
                    "exclusiveMinimum",
                    BoundKind::ExclusiveMinimum,
                    -FLOAT_LIMIT,
                ),
                ("exclusiveMaximum", BoundKind::ExclusiveMaximum, FLOAT_LIMIT),
            ] {
                if !schema.contains_key(name) {
                    node.keywords.extend(bound(kind, &limit.into()));
                }
            }
        }
        node.keywords.sort_by_key(Keyword::position);
        join_required(&mut node.keywords);
        Ok(())
    }

    /// Compiles a keyword; `None` if it checks nothing, or if another keyword includes it.
    fn keyword(
        &mut self,
        id: NodeId,
        schema: &'s Map<String, Value>,
        keyword: &str,
        value: &'s Value,
    ) -> Compiled<Option<Keyword>> {
        let inside = Origin::Inside(id);
        Ok(Some(match keyword {
            "$ref" => match value.as_str() {
                None | Some("") => return Ok(None),
                Some(reference) => Keyword::Reference(self.reference(reference)?),
            },
            "$dynamicRef" | "$recursiveRef" => {
                return Err(format!("the keyword {keyword} is not supported; use $ref"));
            }
            "$id" if id != NodeId(0) => {
                return Err(format!(
                    "the schema {value} inside another is not supported; put it into $defs without $id"
                ));
            }
            "$defs" | "definitions" => {
                for (name, schema) in value.as_object().into_iter().flatten() {
                    self.visit(schema, Origin::Named(id, name));
                }
                return Ok(None);
            }
            "const" => Keyword::Const(document(value)?),
            "enum" => Keyword::Enum(list(value).iter().map(document).collect::<Compiled<_>>()?),
            "minimum" => return Ok(bound(BoundKind::Minimum, value)),
            "maximum" => return Ok(bound(BoundKind::Maximum, value)),
            "exclusiveMinimum" => return Ok(bound(BoundKind::ExclusiveMinimum, value)),
            "exclusiveMaximum" => return Ok(bound(BoundKind::ExclusiveMaximum, value)),
            "multipleOf" => match value.as_f64() {
                Some(of) => Keyword::MultipleOf(of),
                None => return Ok(None),
            },
            "minLength" => return Ok(size(SizeKind::MinLength, value)),
            "maxLength" => return Ok(size(SizeKind::MaxLength, value)),
            "minItems" => return Ok(size(SizeKind::MinItems, value)),
            "maxItems" => return Ok(size(SizeKind::MaxItems, value)),
            "minProperties" => return Ok(size(SizeKind::MinProperties, value)),
            "maxProperties" => return Ok(size(SizeKind::MaxProperties, value)),
            "required" => Keyword::Required {
                names: names(value),
                is_seen_by_members: false,
            },
            "dependentRequired" => {
                let fields = value.as_object().into_iter().flatten();
                let required = fields.map(|(name, required)| (name.clone(), names(required)));
                Keyword::DependentRequired(required.collect())
            }
            "format" => {
                let format = value.as_str().filter(|_| self.options.checks_formats);
                return Ok(format.and_then(Format::named).map(Keyword::Format));
            }
            "pattern" => {
                let source = value.as_str().unwrap_or_default();
                let pattern = Pattern::new(source, self.options.patterns, &self.place(id))?;
                Keyword::Pattern(pattern)
            }
            "uniqueItems" if value == &Value::Bool(true) => Keyword::UniqueItems,
            "propertyNames" => match value {
                Value::Bool(true) => return Ok(None),
                Value::Bool(false) => Keyword::PropertyNames(None),
                _ => Keyword::PropertyNames(Some(self.id(value, inside))),
            },
            "items" => match value {
                Value::Array(items) => Keyword::Tuple(self.ids(items, inside)),
                _ => {
                    let is_after_prefix = self.options.draft.tuples() == Tuples::InPrefixItems;
                    let prefix = schema.get("prefixItems").filter(|_| is_after_prefix);
                    Keyword::Items {
                        schema: self.id(value, inside),
                        from: prefix.map_or(0, |prefix| list(prefix).len()),
                    }
                }
            },
            "prefixItems" if self.options.draft.tuples() == Tuples::InPrefixItems => {
                Keyword::Tuple(self.ids(list(value), inside))
            }
            "additionalItems" if self.options.draft.tuples() == Tuples::InItems => {
                match (schema.get("items"), value) {
                    (Some(Value::Array(items)), Value::Bool(false)) => {
                        Keyword::NoMoreItems(items.len())
                    }
                    (Some(Value::Array(items)), _) => Keyword::Items {
                        schema: self.id(value, inside),
                        from: items.len(),
                    },
                    _ => return Ok(None),
                }
            }
            "contains" => Keyword::Contains {
                schema: self.id(value, inside),
                least: schema.get("minContains").and_then(shape::size),
                most: schema.get("maxContains").and_then(shape::size),
            },
            "dependentSchemas" => Keyword::DependentSchemas {
                schemas: self.ids_by_name(value, inside),
                evaluates: true,
            },
            "allOf" => Keyword::AllOf(self.ids(list(value), inside)),
            "anyOf" | "oneOf" => Keyword::Union {
                variants: self.ids(list(value), inside),
                kind: if keyword == "anyOf" {
                    UnionKind::AnyOf
                } else {
                    UnionKind::OneOf
                },
            },
            "not" => Keyword::Not {
                schema: self.id(value, inside),
                written: value.clone(),
            },
            "if" => {
                let mut branch = |name| schema.get(name).map(|branch| self.id(branch, inside));
                let (then, otherwise) = (branch("then"), branch("else"));
                Keyword::If {
                    condition: self.id(value, inside),
                    then,
                    otherwise,
                }
            }
            "unevaluatedProperties" => Keyword::UnevaluatedProperties {
                of: id,
                schema: self.id(value, inside),
            },
            "unevaluatedItems" => Keyword::UnevaluatedItems {
                of: id,
                schema: self.id(value, inside),
            },
            _ => return Ok(None),
        }))
    }

    fn ids(&mut self, schemas: &'s [Value], origin: Origin<'s>) -> Vec<NodeId> {
        let schemas = schemas.iter();
        schemas.map(|schema| self.id(schema, origin)).collect()
    }

    fn ids_by_name(&mut self, schemas: &'s Value, origin: Origin<'s>) -> Vec<(String, NodeId)> {
        let schemas = schemas.as_object().into_iter().flatten();
        schemas
            .map(|(name, schema)| (name.clone(), self.id(schema, origin)))
            .collect()
    }

    /// Compiles `dependencies`, which drafts before 2019-09 have instead of `dependentRequired` and
    /// `dependentSchemas`.
    fn dependencies(&mut self, value: &'s Value, id: NodeId) -> [Keyword; 2] {
        let (mut required, mut schemas) = (Vec::new(), Vec::new());
        for (name, dependency) in value.as_object().into_iter().flatten() {
            if dependency.is_array() {
                required.push((name.clone(), names(dependency)));
            } else {
                let schema = self.id(dependency, Origin::Inside(id));
                schemas.push((name.clone(), schema));
            }
        }
        let schemas = Keyword::DependentSchemas {
            schemas,
            evaluates: false,
        };
        [Keyword::DependentRequired(required), schemas]
    }

    fn members(&mut self, id: NodeId, schema: &'s Map<String, Value>) -> Compiled<Option<Keyword>> {
        let inner = |keyword: &str| schema.get(keyword).and_then(Value::as_object);
        let rest = match schema.get("additionalProperties") {
            None => Rest::Open,
            Some(Value::Bool(true)) => Rest::Allowed,
            Some(Value::Bool(false)) => Rest::Forbidden,
            Some(rest) => Rest::Schema(self.id(rest, Origin::Inside(id))),
        };
        let properties = inner("properties");
        let mut names = Vec::new();
        let mut schemas = Vec::new();
        for (name, property) in properties.into_iter().flatten() {
            names.push(name.clone());
            schemas.push(self.id(property, Origin::Named(id, name)));
        }
        let mut patterns = Vec::new();
        for (source, values) in inner("patternProperties").into_iter().flatten() {
            let pattern = Pattern::new(source, self.options.patterns, &self.place(id))?;
            if pattern.is_unknown() {
                return Err(format!("the pattern {source:?} of names cannot be read"));
            }
            patterns.push((pattern, self.id(values, Origin::Named(id, source))));
        }
        let is_needed = !schemas.is_empty() || !patterns.is_empty() || rest != Rest::Open;
        Ok(is_needed.then(|| {
            Keyword::Members(Box::new(Members {
                has_properties: properties.is_some(),
                has_pattern_properties: schema.contains_key("patternProperties"),
                names: Names::new(names),
                schemas,
                patterns,
                rest,
                required: 0,
            }))
        }))
    }

    /// Returns the node to which a reference points.
    fn reference(&mut self, reference: &str) -> Compiled<NodeId> {
        let missing = || format!("the reference {reference:?} points to no schema in the document");
        let fragment = reference.strip_prefix('#').ok_or_else(|| {
            format!("the reference {reference:?} leaves the document, which is not supported")
        })?;
        let target = if fragment.is_empty() {
            self.document
        } else if fragment.starts_with('/') {
            let mut parts = fragment.split('/').skip(1).map(reference::decode);
            let step = |at: &'s Value, part: std::borrow::Cow<'_, str>| match at {
                Value::Object(fields) => fields.get(&*part),
                Value::Array(items) => items.get(part.parse::<usize>().ok()?),
                _ => None,
            };
            parts.try_fold(self.document, step).ok_or_else(missing)?
        } else {
            let document = self.document;
            let anchors = self.anchors.get_or_insert_with(|| anchors(document));
            anchors.get(fragment).copied().ok_or_else(missing)?
        };
        if !target.is_object() && !target.is_boolean() {
            return Err(missing());
        }
        Ok(self.id(target, Origin::Document))
    }
}

/// Returns the schemas with an `$anchor`, by its name.
fn anchors(document: &Value) -> HashMap<&str, &Value> {
    let mut anchors = HashMap::new();
    let mut open = vec![document];
    while let Some(value) = open.pop() {
        match value {
            Value::Array(items) => open.extend(items),
            Value::Object(fields) => {
                if let Some(Value::String(name)) = fields.get("$anchor") {
                    anchors.entry(name.as_str()).or_insert(value);
                }
                let is_data =
                    |name: &str| matches!(name, "const" | "default" | "enum" | "examples");
                open.extend(
                    fields
                        .iter()
                        .filter(|(name, _)| !is_data(name))
                        .map(|it| it.1),
                );
            }
            _ => {}
        }
    }
    anchors
}

fn document(value: &Value) -> Compiled<Document> {
    Document::of(value).map_err(|error| error.to_string())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn names(value: &Value) -> Vec<String> {
    let names = list(value).iter().filter_map(Value::as_str);
    names.map(str::to_owned).collect()
}

fn bound(kind: BoundKind, limit: &Value) -> Option<Keyword> {
    let written = limit.as_number()?;
    Some(Keyword::Bound {
        kind,
        exact: Exact::of(Number::of(written)),
        written: written.clone(),
    })
}

fn size(kind: SizeKind, limit: &Value) -> Option<Keyword> {
    let limit = shape::size(limit)?;
    Some(Keyword::Size { kind, limit })
}

/// Lets the check of the properties also find missing ones, where both look at the same names.
fn join_required(keywords: &mut [Keyword]) {
    let mut is_required = |keyword: &Keyword| matches!(keyword, Keyword::Required { .. });
    let required = keywords.iter().position(&mut is_required);
    let members = keywords
        .iter()
        .position(|it| matches!(it, Keyword::Members(_)));
    let (Some(required), Some(members)) = (required, members) else {
        return;
    };
    let mut bits = 0;
    let mut is_last = false;
    if let (Keyword::Required { names, .. }, Keyword::Members(members)) =
        (&keywords[required], &keywords[members])
    {
        let bit = |name: &String| {
            let index = members.names.find(name, &mut 0)?;
            1_u64.checked_shl(u32::try_from(index).ok()?)
        };
        let all: Option<Vec<u64>> = names.iter().map(bit).collect();
        bits = all.into_iter().flatten().fold(0, |bits, bit| bits | bit);
        // The problem of the only required property of a closed object is told last.
        is_last = members.has_properties
            && !members.has_pattern_properties
            && members.rest == Rest::Forbidden
            && names.len() == 1;
    }
    if let Keyword::Members(members) = &mut keywords[members] {
        members.required = bits;
    }
    if let Keyword::Required {
        is_seen_by_members, ..
    } = &mut keywords[required]
    {
        *is_seen_by_members = bits != 0;
    }
    if is_last {
        keywords[required..=members].rotate_left(1);
    }
}

/// Finds out which nodes are shared and which check values more than once.
///
/// # Errors
/// Fails if a schema applies itself to the same value, or too many schemas apply to one value.
fn finish(nodes: &mut [Node], uses: Vec<usize>) -> Compiled<()> {
    drop_circular_references(nodes);
    check_in_place(nodes)?;
    let is_unevaluated = |keyword: &Keyword| {
        matches!(
            keyword,
            Keyword::UnevaluatedProperties { .. } | Keyword::UnevaluatedItems { .. }
        )
    };
    let has_unevaluated = nodes
        .iter()
        .any(|it| it.keywords.iter().any(is_unevaluated));
    let containers: Vec<bool> = nodes
        .iter()
        .map(|node| node.types.has_containers())
        .collect();
    for (node, uses) in nodes.iter_mut().zip(uses) {
        // What is left unevaluated is found by checking the other schemas again.
        node.is_shared = uses > 1 || has_unevaluated;
        let checks = node.keywords.iter().map(|keyword| match keyword {
            Keyword::Union { variants, .. } => {
                variants.iter().filter(|it| containers[it.0]).count()
            }
            Keyword::Members(members) => 1 + members.patterns.len(),
            Keyword::Items { .. } | Keyword::Tuple(_) | Keyword::Contains { .. } => 1,
            Keyword::UnevaluatedProperties { .. } | Keyword::UnevaluatedItems { .. } => 2,
            keyword => keyword.in_place().len(),
        });
        node.is_fork = checks.sum::<usize>() > 1;
        node.weight += node.keywords.iter().map(Keyword::weight).sum::<usize>();
    }
    Ok(())
}

/// Removes a reference of each circle of references. Such a circle requires nothing of a value.
fn drop_circular_references(nodes: &mut [Node]) {
    let target = |node: &Node| {
        node.keywords.iter().find_map(|keyword| match keyword {
            Keyword::Reference(NodeId(target)) => Some(*target),
            _ => None,
        })
    };
    // The start of the walk that came to a node first.
    let mut walks = vec![None; nodes.len()];
    for start in 0..nodes.len() {
        let mut id = start;
        while walks[id].is_none() {
            walks[id] = Some(start);
            let Some(next) = target(&nodes[id]) else {
                break;
            };
            if walks[next] == Some(start) {
                let keywords = &mut nodes[id].keywords;
                keywords.retain(|keyword| !matches!(keyword, Keyword::Reference(_)));
            }
            id = next;
        }
    }
}

/// Checks how many schemas apply to one value through references and compositions.
fn check_in_place(nodes: &[Node]) -> Compiled<()> {
    /// What is known of a node.
    #[derive(Clone, Copy, PartialEq)]
    enum Depth {
        Unknown,
        /// Its inner schemas are being checked.
        Open,
        Known(usize),
    }
    let inner = |id: usize| -> Vec<NodeId> {
        nodes[id]
            .keywords
            .iter()
            .flat_map(Keyword::in_place)
            .collect()
    };
    let mut depths = vec![Depth::Unknown; nodes.len()];
    for start in 0..nodes.len() {
        if depths[start] != Depth::Unknown {
            continue;
        }
        depths[start] = Depth::Open;
        let mut path = vec![(start, inner(start), 0)];
        while let Some((id, open, deepest)) = path.last_mut() {
            let Some(NodeId(next)) = open.pop() else {
                let (id, depth) = (*id, *deepest + 1);
                if depth > MAX_IN_PLACE {
                    return Err(format!(
                        "more than {MAX_IN_PLACE} schemas apply to one value through references and compositions"
                    ));
                }
                depths[id] = Depth::Known(depth);
                path.pop();
                if let Some((_, _, deepest)) = path.last_mut() {
                    *deepest = depth.max(*deepest);
                }
                continue;
            };
            match depths[next] {
                Depth::Known(depth) => *deepest = depth.max(*deepest),
                Depth::Open => {
                    return Err("a schema refers to itself for the same value".to_owned());
                }
                Depth::Unknown => {
                    depths[next] = Depth::Open;
                    path.push((next, inner(next), 0));
                }
            }
        }
    }
    Ok(())
}
