//! Progress reports: the tree of a running call's steps. Each change sends the whole tree.
//!
//! The form is the tree report of `deprogressapi` 0.4.3. Every node has every field, because the
//! web page reads them without a check.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::properties::Status;

/// A node of the tree, including the root.
///
/// ```
/// use dasf_protocol::progress::Report;
///
/// let report = Report::new("root", "reading files", 3);
/// let json = serde_json::to_value(&report)?;
/// assert_eq!(json["report_type"], "tree");
/// assert_eq!(json["status"], "running");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// How a Python caller shows the report.
    #[serde(default)]
    pub settings: Settings,
    /// The id of the report. The updates of a report have the same id.
    #[serde(default = "root_id")]
    pub report_id: String,
    /// The status of this step.
    #[serde(default = "running")]
    pub status: Status,
    /// A description of this step.
    pub step_message: String,
    /// The number of steps below. It is never 0 at the root, because the web page divides by it.
    #[serde(default, deserialize_with = "steps")]
    pub steps: u64,
    /// The steps below.
    #[serde(default)]
    pub children: Vec<Report>,
    /// The kind of report.
    #[serde(default)]
    pub report_type: ReportType,
}

/// Reads a number of steps. A caller may send a negative number, because Python's schema allows it.
fn steps<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let steps = i128::deserialize(deserializer)?.max(0);
    Ok(u64::try_from(steps).unwrap_or(u64::MAX))
}

fn root_id() -> String {
    "root".to_owned()
}

fn running() -> Status {
    Status::Running
}

/// The kind of a report. There is only one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReportType {
    /// A tree of steps.
    #[default]
    #[serde(rename = "tree")]
    Tree,
}

/// How a Python caller shows a report. It is returned to the caller unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Settings {
    /// The way of showing the report.
    #[serde(default)]
    pub show_method: ShowMethod,
    /// Whether a terminal program may use the whole screen.
    #[serde(default = "yes")]
    pub use_curses: bool,
}

fn yes() -> bool {
    true
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            show_method: ShowMethod::default(),
            use_curses: true,
        }
    }
}

/// How a Python caller shows a report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum ShowMethod {
    /// Do not show it.
    None,
    /// Choose a way that suits the caller's environment.
    #[default]
    Auto,
    /// Print lines.
    Print,
    /// Show a window.
    Windowed,
    /// Show it in a notebook.
    Jupyter,
}

impl Report {
    /// Returns a running report without children.
    pub fn new(report_id: impl Into<String>, step_message: impl Into<String>, steps: u64) -> Self {
        Self {
            settings: Settings::default(),
            report_id: report_id.into(),
            status: Status::Running,
            step_message: step_message.into(),
            steps,
            children: Vec::new(),
            report_type: ReportType::Tree,
        }
    }

    /// Returns the finished fraction of the announced steps, from 0 to 1. It is 1 for a report that
    /// ended.
    pub fn fraction(&self) -> f64 {
        if self.status != Status::Running {
            return 1.0;
        }
        let steps = self.steps.max(self.children.len() as u64).max(1);
        // Start at 0.0, because the sum of no floats is -0.0.
        let done = self
            .children
            .iter()
            .map(Report::fraction)
            .fold(0.0, |sum, part| sum + part);
        #[allow(clippy::cast_precision_loss)] // a share of that many steps needs no more precision
        let steps = steps as f64;
        (done / steps).min(1.0)
    }

    /// Returns the innermost step that runs now.
    pub fn current(&self) -> &Report {
        let running = self
            .children
            .iter()
            .rev()
            .find(|child| child.status == Status::Running);
        running.map_or(self, Report::current)
    }
}

impl fmt::Display for Report {
    /// Writes one line: the finished share, the report's message and the message of the running
    /// step. If the report's work failed, `failed` is in place of the running step.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>3.0} % {}",
            self.fraction() * 100.0,
            self.step_message
        )?;
        if self.status == Status::Error {
            return f.write_str(": failed");
        }
        let current = self.current();
        if !std::ptr::eq(current, self) {
            write!(f, ": {}", current.step_message)?;
        }
        Ok(())
    }
}

/// Returns the JSON schemas of a report and its parts, under the names that a module's schema uses.
/// The root is `ProgressReport`.
pub fn schema_definitions() -> Map<String, Value> {
    let definitions = json!({
        "ProgressReport": {
            "type": "object",
            "title": "ProgressReport",
            "required": ["step_message"],
            "properties": {
                "settings": {
                    "$ref": "#/$defs/ReportSettings",
                    "description": "How the caller shows the report."
                },
                "report_id": {
                    "type": "string", "title": "Report Id", "default": "root",
                    "description": "Distinguishes this report from others of the same call."
                },
                "status": {
                    "$ref": "#/$defs/Status", "default": "running",
                    "description": "The status of the work."
                },
                "step_message": {
                    "type": "string", "title": "Step Message",
                    "description": "A description of the work."
                },
                "steps": {
                    "type": "integer", "title": "Steps", "default": 0,
                    "description": "The number of steps below this one."
                },
                "children": {
                    "type": "array", "title": "Children",
                    "items": {"$ref": "#/$defs/ProgressReport"}
                },
                "report_type": {
                    "type": "string", "const": "tree", "title": "Report Type", "default": "tree",
                    "description": "The kind of report."
                }
            }
        },
        "ReportSettings": {
            "type": "object",
            "title": "ReportSettings",
            "description": "How the caller shows reports.",
            "additionalProperties": false,
            "properties": {
                "show_method": {
                    "$ref": "#/$defs/ShowReportMethod", "default": "AUTO",
                    "description": "The way of showing the report."
                },
                "use_curses": {
                    "type": "boolean", "title": "Use Curses", "default": true,
                    "description": "Whether a terminal program may use the whole screen."
                }
            }
        },
        "ShowReportMethod": {
            "type": "string",
            "title": "ShowReportMethod",
            "description": "The ways of showing a report.",
            "enum": ["NONE", "AUTO", "PRINT", "WINDOWED", "JUPYTER"]
        },
        "Status": {"type": "string", "title": "Status", "enum": ["success", "error", "running"]}
    });
    match definitions {
        Value::Object(definitions) => definitions,
        _ => Map::new(), // the literal above is an object
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_may_send_the_message_alone() {
        let report: Report =
            serde_json::from_str(r#"{"step_message": "working", "steps": 2}"#).unwrap();
        assert_eq!(report, Report::new("root", "working", 2));
    }

    #[test]
    fn a_negative_number_of_steps_is_zero() {
        let report: Report =
            serde_json::from_str(r#"{"step_message": "working", "steps": -1}"#).unwrap();
        assert_eq!(report.steps, 0);
        // Every number that can be written can be read again, from text and from a value.
        let most = Report::new("root", "working", u64::MAX);
        let json = serde_json::to_value(&most).unwrap();
        assert_eq!(
            serde_json::from_str::<Report>(&json.to_string()).unwrap(),
            most
        );
        assert_eq!(serde_json::from_value::<Report>(json).unwrap(), most);
    }

    #[test]
    fn every_node_carries_every_field() {
        let mut report = Report::new("root", "working", 1);
        report.children.push(Report::new("root", "inner", 0));
        let json = serde_json::to_value(&report).unwrap();
        for node in [&json, &json["children"][0]] {
            for field in [
                "report_type",
                "report_id",
                "step_message",
                "steps",
                "status",
                "children",
                "settings",
            ] {
                assert!(node.get(field).is_some(), "{field} in {node}");
            }
        }
        assert_eq!(
            json["settings"],
            json!({"show_method": "AUTO", "use_curses": true})
        );
    }

    #[test]
    fn the_schema_lists_what_the_type_has() {
        let definitions = schema_definitions();
        let listed = definitions["ProgressReport"]["properties"]
            .as_object()
            .unwrap();
        let report = serde_json::to_value(Report::new("root", "x", 1)).unwrap();
        let fields = report.as_object().unwrap();
        assert!(listed.keys().eq(fields.keys()), "{listed:?} {fields:?}");
    }

    #[test]
    fn the_fraction_counts_steps_below() {
        let mut report = Report::new("root", "working", 4);
        assert_eq!(report.to_string(), "  0 % working");
        let mut done = Report::new("root", "first", 0);
        done.status = Status::Success;
        let mut half = Report::new("root", "second", 2);
        half.children.push(done.clone());
        report.children = vec![done, half];
        assert!((report.fraction() - 0.375).abs() < 1e-12);
        assert_eq!(report.to_string(), " 38 % working: second");
        report.status = Status::Error;
        assert!((report.fraction() - 1.0).abs() < 1e-12);
        assert_eq!(report.to_string(), "100 % working: failed");
    }
}
