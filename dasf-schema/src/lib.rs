//! Checks JSON values against JSON schemas, for DASF modules and their callers.
//!
//! A [`Schema`] is compiled once. It decides quickly whether a value is valid. For an invalid value, it
//! lists the first [`Problem`]s, each with its place. It stops there: a value with a million mistakes
//! costs little more than one with ten. For a union, it reports the problems of the variant that the
//! value is meant to be.
//!
//! ```
//! use dasf_schema::{Options, Schema, list_problems};
//! use serde_json::json;
//!
//! let schema = json!({"properties": {"a": {"type": "integer", "maximum": 9}}, "required": ["a"]});
//! let schema = Schema::new(&schema, Options::default())?;
//! assert!(schema.accepts(&json!({"a": 9.0})));
//! let problems = schema.problems(&json!({"a": 10}), "");
//! assert_eq!(list_problems("add", &problems), "add: a: 10 is greater than the maximum of 9");
//! # Ok::<(), dasf_schema::SchemaError>(())
//! ```
//!
//! It knows all keywords of the drafts 2019-09 and 2020-12, and `dependencies` and `definitions` of older
//! drafts. It refuses schemas with `$dynamicRef` or `$recursiveRef`, with an `$id` in a schema inside
//! another, and with references to other documents.

mod budget;
mod check;
mod compile;
mod equal;
mod evaluated;
mod fault;
mod formats;
mod node;
mod number;
mod patterns;
mod problems;
mod shape;
#[cfg(test)]
mod tests;
mod text;
mod types;
mod union;
mod view;
mod walk;

use std::fmt;

use serde_json::Value;

pub use dasf_protocol::problem::{Problem, list_problems};
pub use patterns::Dialect;

use budget::Budget;
use check::Check;
use node::{Node, NodeId};
use problems::Collector;
use view::Document;
use walk::{Place, walk};

/// The node of the document itself.
const ROOT: NodeId = NodeId(0);

/// A compiled schema.
#[derive(Debug)]
pub struct Schema {
    nodes: Vec<Node>,
    steps: u64,
}

/// How to read a schema.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The draft, which decides how tuples are written. Default: 2019-09.
    pub draft: Draft,
    /// Whether the values of `format` are checked. Unknown formats never are. Default: `true`.
    pub checks_formats: bool,
    /// The dialect of the patterns. Default: that of JSON Schema.
    pub patterns: Dialect,
    /// The maximum number of steps of one check: about one for each schema that is applied to a value,
    /// and one for each byte that a pattern searches. A value that needs more counts as valid. Default:
    /// no limit, because the author of a module writes its schemas.
    ///
    /// A caller checks its requests by the schemas of others. It needs a limit: a small schema can make
    /// a check endless.
    pub max_steps: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            draft: Draft::Draft201909,
            checks_formats: true,
            patterns: Dialect::JsonSchema,
            max_steps: None,
        }
    }
}

/// A draft of JSON Schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Draft {
    /// Draft 2019-09: tuples are lists in `items`.
    Draft201909,
    /// Draft 2020-12: tuples are lists in `prefixItems`.
    Draft202012,
}

/// The keyword for tuples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tuples {
    InItems,
    InPrefixItems,
}

impl Draft {
    fn tuples(self) -> Tuples {
        match self {
            Self::Draft201909 => Tuples::InItems,
            Self::Draft202012 => Tuples::InPrefixItems,
        }
    }
}

/// The error of a schema that is not valid, or that has a keyword which is not supported.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SchemaError {
    /// The mistake, with its place.
    pub reason: String,
}

// Written by hand, because few crates below this one have macros to wait for.
impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for SchemaError {}

/// Checks that a text is JSON, without a tree of its values.
///
/// # Errors
/// Returns the error with which `serde_json` refuses the text as a [`Value`].
pub fn check_json(json: &str) -> serde_json::Result<()> {
    text::read_anything(json)
}

impl Schema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// Returns the first mistake in the schema.
    pub fn new(schema: &Value, options: Options) -> Result<Self, SchemaError> {
        compile::compile(schema, options)
            .map(|nodes| Self {
                nodes,
                steps: options.max_steps.unwrap_or(u64::MAX),
            })
            .map_err(|reason| SchemaError { reason })
    }

    /// Returns whether a value is valid.
    pub fn accepts(&self, value: &Value) -> bool {
        let Ok(document) = Document::of(value) else {
            return false;
        };
        let budget = Budget::new(self.steps);
        Check::new(&self.nodes, &budget).accepts(ROOT, document.root()) || budget.is_spent()
    }

    /// Returns whether a text is JSON with a valid value. It reads the text once, and mostly keeps none
    /// of its values.
    ///
    /// It may also return `false` for a valid value with a key that comes twice, because only the whole
    /// tells which one counts. Then [`accepts`](Self::accepts) decides.
    ///
    /// ```
    /// use dasf_schema::{Options, Schema};
    /// use serde_json::json;
    ///
    /// let schema = Schema::new(&json!({"properties": {"a": {"type": "integer"}}}), Options::default())?;
    /// assert!(schema.accepts_text(r#"{"a": 2.0}"#));
    /// assert!(!schema.accepts_text(r#"{"a": 2.5}"#) && !schema.accepts_text("{"));
    /// # Ok::<(), dasf_schema::SchemaError>(())
    /// ```
    pub fn accepts_text(&self, json: &str) -> bool {
        let budget = Budget::new(self.steps);
        text::accepts(&self.nodes, &budget, ROOT, json)
    }

    /// Returns the first problems of a value: as many as [`list_problems`] lists, and one more. Their
    /// paths begin with `prefix`.
    pub fn problems(&self, value: &Value, prefix: &str) -> Vec<Problem> {
        match Document::of(value) {
            Ok(document) => self.problems_of(&document, &Budget::new(self.steps), prefix),
            Err(error) => vec![Problem::new(prefix, error.to_string())],
        }
    }

    /// Returns the first problems of a value that is still text, like [`problems`](Self::problems). It
    /// needs a few times as much memory as the text has bytes, and mostly none for a valid value.
    ///
    /// # Errors
    /// Fails if the text is not JSON, or has more than 4 GB.
    pub fn problems_of_text(&self, json: &str, prefix: &str) -> serde_json::Result<Vec<Problem>> {
        let budget = Budget::new(self.steps);
        if text::accepts(&self.nodes, &budget, ROOT, json) {
            return Ok(Vec::new());
        }
        let document = Document::from_text(json)?;
        Ok(self.problems_of(&document, &budget, prefix))
    }

    fn problems_of(&self, document: &Document, budget: &Budget, prefix: &str) -> Vec<Problem> {
        let mut check = Check::new(&self.nodes, budget);
        if check.accepts(ROOT, document.root()) {
            return Vec::new();
        }
        let mut collector = Collector::new(prefix);
        walk(
            &mut check,
            ROOT,
            document.root(),
            &Place::START,
            &mut collector,
        );
        if budget.is_spent() {
            return Vec::new();
        }
        collector.problems
    }
}
