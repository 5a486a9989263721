//! Finds the faults of a value, one after the other, as long as somebody wants them.

use dasf_protocol::problem::MAX_LISTED;

use crate::check::Check;
use crate::fault::Fault;
use crate::node::{Keyword, Members, NodeId, Rest};
use crate::view::{Fields, View};

/// The place of a value inside the checked one.
#[derive(Clone, Copy)]
pub(crate) struct Place<'p, 'v> {
    outer: Option<&'p Place<'p, 'v>>,
    pub(crate) step: Step<'v>,
    /// The number of steps to here.
    pub(crate) depth: usize,
}

/// The way from an array or object to a value inside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step<'v> {
    /// The checked value itself.
    Start,
    Name(&'v str),
    Index(usize),
}

impl<'v> Place<'_, 'v> {
    pub(crate) const START: Self = Place {
        outer: None,
        step: Step::Start,
        depth: 0,
    };

    fn to(&self, step: Step<'v>) -> Place<'_, 'v> {
        Place {
            outer: Some(self),
            step,
            depth: self.depth + 1,
        }
    }

    /// Calls a function with each step, from the start on.
    pub(crate) fn for_each_step(&self, call: &mut dyn FnMut(Step<'v>)) {
        if let Some(outer) = self.outer {
            outer.for_each_step(call);
            call(self.step);
        }
    }
}

/// A receiver of faults.
pub(crate) trait Sink<'s, 'v> {
    /// Returns whether faults of values at this depth still matter.
    fn is_open(&self, depth: usize) -> bool;

    /// Receives a fault of a value at a place.
    fn add(&mut self, check: &mut Check<'s>, fault: Fault<'s>, value: View<'v>, at: &Place<'_, 'v>);
}

/// Finds the faults of a value in a schema.
pub(crate) fn walk<'s, 'v>(
    check: &mut Check<'s>,
    id: NodeId,
    value: View<'v>,
    at: &Place<'_, 'v>,
    sink: &mut dyn Sink<'s, 'v>,
) {
    let node = check.node(id);
    if !sink.is_open(at.depth) || !check.spend(node.weight) {
        return;
    }
    // Many paths may lead to what is valid. Only a path to a fault is worth its time.
    if (node.is_fork || node.is_shared) && check.accepts(id, value) {
        return;
    }
    if !node.types.accept(value) {
        sink.add(check, Fault::Type(node.types), value, at);
    }
    for keyword in &node.keywords {
        if !sink.is_open(at.depth) {
            return;
        }
        walk_keyword(check, keyword, value, at, sink);
    }
}

fn walk_keyword<'s, 'v>(
    check: &mut Check<'s>,
    keyword: &'s Keyword,
    value: View<'v>,
    at: &Place<'_, 'v>,
    sink: &mut dyn Sink<'s, 'v>,
) {
    match (keyword, value) {
        (Keyword::Required { names, .. }, View::Object(fields)) => {
            walk_required(check, names, fields, value, at, sink);
        }
        (Keyword::DependentRequired(dependencies), View::Object(fields)) => {
            for (name, required) in dependencies {
                if fields.has(name) {
                    walk_required(check, required, fields, value, at, sink);
                }
            }
        }
        (Keyword::Members(members), View::Object(fields)) => {
            walk_members(check, members, fields, value, at, sink);
        }
        (Keyword::PropertyNames(Some(schema)), View::Object(fields)) => {
            walk_names(check, *schema, fields, value, at, sink);
        }
        (Keyword::Items { schema, from }, View::Array(items)) => {
            for (index, item) in items.iter().enumerate().skip(*from) {
                if !sink.is_open(at.depth + 1) {
                    return;
                }
                walk(check, *schema, item, &at.to(Step::Index(index)), sink);
            }
        }
        (Keyword::Tuple(schemas), View::Array(items)) => {
            for (index, (schema, item)) in schemas.iter().zip(items.iter()).enumerate() {
                walk(check, *schema, item, &at.to(Step::Index(index)), sink);
            }
        }
        (Keyword::DependentSchemas { schemas, .. }, View::Object(fields)) => {
            for (name, schema) in schemas {
                if fields.has(name) {
                    walk(check, *schema, value, at, sink);
                }
            }
        }
        (Keyword::AllOf(schemas), _) => {
            for schema in schemas {
                walk(check, *schema, value, at, sink);
            }
        }
        (
            Keyword::If {
                condition,
                then,
                otherwise,
            },
            _,
        ) => {
            let branch = if check.accepts(*condition, value) {
                then
            } else {
                otherwise
            };
            if let Some(schema) = branch {
                walk(check, *schema, value, at, sink);
            }
        }
        (Keyword::Reference(schema), _) => walk(check, *schema, value, at, sink),
        _ => {
            if !check.holds(keyword, value) {
                sink.add(check, Fault::of(keyword), value, at);
            }
        }
    }
}

fn walk_required<'s, 'v>(
    check: &mut Check<'s>,
    names: &'s [String],
    fields: Fields<'v>,
    value: View<'v>,
    at: &Place<'_, 'v>,
    sink: &mut dyn Sink<'s, 'v>,
) {
    for name in names {
        if !fields.has(name) && sink.is_open(at.depth) {
            sink.add(check, Fault::Missing(name), value, at);
        }
    }
}

fn walk_members<'s, 'v>(
    check: &mut Check<'s>,
    members: &'s Members,
    fields: Fields<'v>,
    value: View<'v>,
    at: &Place<'_, 'v>,
    sink: &mut dyn Sink<'s, 'v>,
) {
    let mut next = 0;
    if members.is_open() {
        if members.scans(fields.len()) {
            for (name, inner) in fields.iter() {
                if !sink.is_open(at.depth + 1) {
                    return;
                }
                if let Some(index) = members.names.find(name, &mut next) {
                    let at = at.to(Step::Name(name));
                    walk(check, members.schemas[index], inner, &at, sink);
                }
            }
        } else {
            for (name, schema) in members.names.iter().zip(&members.schemas) {
                if let Some((name, inner)) = fields.find(name) {
                    walk(check, *schema, inner, &at.to(Step::Name(name)), sink);
                }
            }
        }
        for (pattern, schema) in &members.patterns {
            for (name, inner) in fields.iter() {
                if !sink.is_open(at.depth + 1) {
                    return;
                }
                if check.matches(pattern, name) {
                    walk(check, *schema, inner, &at.to(Step::Name(name)), sink);
                }
            }
        }
        return;
    }
    for (name, inner) in fields.iter() {
        if !sink.is_open(at.depth + 1) {
            break;
        }
        let at = at.to(Step::Name(name));
        let mut is_known = false;
        if let Some(index) = members.names.find(name, &mut next) {
            is_known = true;
            walk(check, members.schemas[index], inner, &at, sink);
        }
        for (pattern, schema) in &members.patterns {
            if check.matches(pattern, name) {
                is_known = true;
                walk(check, *schema, inner, &at, sink);
            }
        }
        if let (false, Rest::Schema(schema)) = (is_known, members.rest) {
            walk(check, schema, inner, &at, sink);
        }
    }
    if members.rest != Rest::Forbidden || !sink.is_open(at.depth) {
        return;
    }
    if !members.has_properties && !members.has_pattern_properties {
        if let Some(first) = fields.iter().map(|(_, inner)| inner).next() {
            sink.add(check, Fault::Never, first, at);
        }
    } else if fields.names().any(|name| !members.know(name)) {
        sink.add(check, Fault::Unexpected(members), value, at);
    }
}

/// Finds the faults of the names of properties.
fn walk_names<'s, 'v>(
    check: &mut Check<'s>,
    schema: NodeId,
    fields: Fields<'v>,
    value: View<'v>,
    at: &Place<'_, 'v>,
    sink: &mut dyn Sink<'s, 'v>,
) {
    /// Keeps the messages, because the names are no values inside the checked one.
    #[derive(Default)]
    struct Messages(Vec<String>);
    impl<'s, 'v> Sink<'s, 'v> for Messages {
        fn is_open(&self, _: usize) -> bool {
            self.0.len() <= MAX_LISTED
        }

        fn add(
            &mut self,
            check: &mut Check<'s>,
            fault: Fault<'s>,
            value: View<'v>,
            _: &Place<'_, 'v>,
        ) {
            self.0.push(fault.of_name(check, value));
        }
    }
    for name in fields.names() {
        if !sink.is_open(at.depth) {
            return;
        }
        let mut messages = Messages::default();
        walk(
            check,
            schema,
            View::String(name),
            &Place::START,
            &mut messages,
        );
        for message in messages.0 {
            if sink.is_open(at.depth) {
                sink.add(check, Fault::Name(message), value, at);
            }
        }
    }
}
