//! Equal names in the schema of a module.

use dasf::{Context, ModuleError};
use serde_json::json;

/// Two functions whose schemas would have the same title.
#[dasf::module(main = false)]
pub(crate) mod same_title {
    #[dasf::function]
    pub(crate) fn add1(a: i64) -> i64 {
        a
    }

    #[dasf::function]
    pub(crate) fn add_1(a: i64) -> i64 {
        a
    }
}

/// A type with the name of a part of the progress report.
#[dasf::module(main = false)]
pub(crate) mod own_status {
    use dasf::ProgressReport;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
    pub(crate) enum Status {
        Cold,
        Warm,
    }

    #[dasf::function]
    pub(crate) fn first(status: Status, report: ProgressReport) -> Status {
        drop(report);
        status
    }
}

#[test]
fn two_members_cannot_share_a_title() {
    let ModuleError { member, reason, .. } = same_title::module().err().unwrap();
    assert_eq!(member, "add_1");
    assert!(
        reason.contains("FuncAdd1") && reason.contains("add1"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_type_may_have_the_name_of_a_part_of_the_report() {
    let module = own_status::module().unwrap();
    let request = json!({
        "func_name": "first", "status": "Cold",
        "report": {"step_message": "x", "status": "running"},
    });
    let outcome = module.call_value(request, Context::local(), None).await;
    assert_eq!(outcome.unwrap().as_json(), r#""Cold""#);
    let schema = module.schema("t");
    assert_eq!(
        schema["$defs"]["Status"]["enum"],
        json!(["success", "error", "running"])
    );
    assert_eq!(schema["$defs"]["Status2"]["enum"], json!(["Cold", "Warm"]));
}

/// A type with the name of a function's schema.
#[dasf::module(main = false)]
pub(crate) mod title_of_a_type {
    #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    pub(crate) struct FuncAdd(f64);

    #[dasf::function]
    pub(crate) fn add(a: &FuncAdd) -> f64 {
        a.0
    }
}

/// A default that is not a literal, and violates the constraint of its argument.
#[dasf::module(main = false)]
pub(crate) mod breaking_default {
    const MOST: i64 = 10;

    #[dasf::function]
    pub(crate) fn limit(a: i64, #[dasf(default = MOST, le = 3)] most: i64) -> i64 {
        a.min(most)
    }
}

/// Additional keys that the schema already has.
#[dasf::module(main = false)]
pub(crate) mod twice_the_keys {
    #[dasf::function(schema_extra = serde_json::json!({"title": "Mine"}))]
    pub(crate) fn add(a: i64) -> i64 {
        a
    }
}

#[test]
fn a_schema_that_would_be_wrong_is_refused() {
    let error = |module: Result<dasf::Module, ModuleError>| module.err().unwrap().to_string();
    assert_eq!(
        error(title_of_a_type::module()),
        "FuncAdd cannot be served: the type of an argument also has the name FuncAdd; rename one of them"
    );
    assert_eq!(
        error(breaking_default::module()),
        "limit cannot be served: a default does not match its schema: limit: most: 10 is greater than the \
         maximum of 3"
    );
    assert_eq!(
        error(twice_the_keys::module()),
        "add cannot be served: schema_extra contains \"title\", which the schema already has; remove it"
    );
}
