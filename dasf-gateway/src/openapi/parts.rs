//! The parts of a document that do not depend on the modules.

use serde_json::{Map, Value, json};

use super::names::Names;

/// The failures of a call: status, name and description of each response.
const FAILURES: [(&str, &str, &str); 15] = [
    (
        "400",
        "InvalidArguments",
        "Arguments are missing or not valid; `errors` names each of them",
    ),
    ("401", "Unauthorized", "The broker needs a valid token"),
    ("403", "Forbidden", "The user has no right to do this"),
    (
        "404",
        "NotFound",
        "There is no module, function or job of this name",
    ),
    (
        "406",
        "NotAcceptable",
        "The result has no form that `Accept` names",
    ),
    (
        "408",
        "RequestTimeout",
        "The request did not arrive in time",
    ),
    (
        "409",
        "Conflict",
        "The job was cancelled, or is in another state",
    ),
    ("413", "TooLarge", "The request is too large"),
    (
        "415",
        "UnsupportedMediaType",
        "The body has an unknown form",
    ),
    ("422", "Rejected", "The module rejects the arguments"),
    (
        "429",
        "TooMany",
        "The user has too many requests at a time, or the queue of the module is full",
    ),
    ("501", "NotOffered", "The broker does not offer jobs"),
    (
        "502",
        "Failed",
        "The function failed; `kind`, `message`, `code` and `details` are those of the module",
    ),
    (
        "503",
        "Unavailable",
        "Nobody listens on the topic, or the broker is not there",
    ),
    ("504", "Timeout", "The module did not answer in time"),
];

/// The names of the schemas.
pub(super) const PROBLEM: &str = "Problem";
pub(super) const JOB: &str = "Job";
const INVALID_VALUE: &str = "InvalidValue";
const REPORT: &str = "Report";
const MODULES: &str = "Modules";
const MODULE_STATE: &str = "ModuleState";
const MODULE: &str = "ModuleDescription";
const FUNCTION: &str = "FunctionDescription";
const CLASS: &str = "ClassDescription";

/// The ids of the operations that are of no module.
pub(super) const OPERATION_IDS: [&str; 6] = [
    "list_modules",
    "get_job",
    "delete_job",
    "get_job_result",
    "get_job_events",
    "cancel_job",
];

/// Returns a reference to a part.
pub(super) fn reference(kind: &str, name: &str) -> Value {
    json!({"$ref": format!("#/components/{kind}/{name}")})
}

fn schema(name: &str) -> Value {
    reference("schemas", name)
}

/// Returns the content of a body of JSON.
pub(super) fn json_content(schema: &Value) -> Value {
    json!({"application/json": {"schema": schema}})
}

/// Returns the responses of failures.
pub(super) fn failures(statuses: &[&str]) -> Map<String, Value> {
    let failures = FAILURES
        .iter()
        .filter(|(status, ..)| statuses.contains(status));
    failures
        .map(|(status, name, _)| ((*status).to_owned(), reference("responses", name)))
        .collect()
}

/// Returns the components that all documents have, and notes the names of their schemas.
pub(super) fn components(names: &mut Names) -> Map<String, Value> {
    let Value::Object(schemas) = schemas() else {
        return Map::new();
    };
    for name in schemas.keys() {
        names.choose(&[name]);
    }
    let responses: Map<String, Value> = FAILURES
        .iter()
        .map(|(_, name, description)| {
            let content = json!({"application/problem+json": {"schema": schema(PROBLEM)}});
            let response = json!({"description": description, "content": content});
            ((*name).to_owned(), response)
        })
        .collect();
    let mut components = Map::new();
    components.insert("schemas".to_owned(), schemas.into());
    components.insert("responses".to_owned(), responses.into());
    components.insert("parameters".to_owned(), parameters());
    components.insert(
        "securitySchemes".to_owned(),
        json!({
            "bearer": {
                "type": "http",
                "scheme": "bearer",
                "description": "The token of a user of the broker.",
            },
            "token": {
                "type": "apiKey",
                "in": "query",
                "name": "token",
                "description": "The same token, for programs that cannot set headers.",
            },
        }),
    );
    components
}

/// Returns the ways to log in. A broker without users needs none.
pub(super) fn security() -> Value {
    json!([{}, {"bearer": []}, {"token": []}])
}

fn parameters() -> Value {
    json!({
        "Prefer": {
            "name": "Prefer",
            "in": "header",
            "description": "`wait=20` limits the time of the call to 20 seconds. `respond-async` makes it a job, \
                which the broker keeps.",
            "schema": {"type": "string"},
            "examples": {
                "wait": {"summary": "Wait up to 20 seconds", "value": "wait=20"},
                "job": {"summary": "Make it a job", "value": "respond-async"},
            },
        },
        "Wait": {
            "name": "Prefer",
            "in": "header",
            "description": "`wait=20` waits up to 20 seconds for the end of the job.",
            "schema": {"type": "string"},
            "example": "wait=20",
        },
        "IdempotencyKey": {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "A name of the job. A second request with the same name gets the same job.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 256},
        },
        "Keep": {
            "name": "Keep",
            "in": "header",
            "description": "For how many seconds the broker keeps the job.",
            "schema": {"type": "integer", "minimum": 1},
        },
        "JobId": {
            "name": "id",
            "in": "path",
            "required": true,
            "description": "The id of the job.",
            "schema": {"type": "string"},
        },
    })
}

fn schemas() -> Value {
    let text = |description: &str| json!({"type": "string", "description": description});
    let count =
        |description: &str| json!({"type": "integer", "minimum": 0, "description": description});
    json!({
        PROBLEM: {
            "type": "object",
            "description": "The reason why a request has no result (RFC 9457).",
            "properties": {
                "type": text("The kind of the problem."),
                "title": text("The kind of the problem, in words."),
                "status": {"type": "integer", "description": "The HTTP status."},
                "detail": text("What happened, to which value, and what to do."),
                "errors": {
                    "type": "array",
                    "description": "The values that are not valid.",
                    "items": schema(INVALID_VALUE),
                },
                "kind": text("The kind of the failure of the module."),
                "message": text("The message of the module."),
                "code": text("The code of the error of the function."),
                "details": {"description": "Values that belong to the error of the function."},
            },
            "required": ["type", "title", "status", "detail"],
        },
        INVALID_VALUE: {
            "type": "object",
            "description": "A value that is not valid.",
            "properties": {
                "path": text("The place of the value, as a JSON pointer."),
                "detail": text("Why it is not valid."),
            },
            "required": ["path", "detail"],
        },
        JOB: {
            "type": "object",
            "description": "A call that the broker keeps.",
            "properties": {
                "id": text("The id, which clients in all languages can use."),
                "topic": text("The topic of the module."),
                "status": {
                    "type": "string",
                    "enum": ["waiting", "delivered", "running", "done", "failed", "cancelled"],
                },
                "percent": {
                    "type": "number",
                    "description": "How much of the work is done, if it is known.",
                },
                "report": schema(REPORT),
            },
            "required": ["id", "status"],
        },
        REPORT: {
            "type": "object",
            "description": "A report of the progress of a call.",
            "properties": {
                "step_message": text("The work that is going on."),
                "steps": {"type": "number", "description": "The number of steps."},
                "status": {"type": "string", "enum": ["running", "success", "error"]},
                "children": {"type": "array", "items": {"type": "object"}},
            },
        },
        MODULES: {
            "type": "object",
            "description": "The modules that are there.",
            "properties": {"modules": {"type": "array", "items": schema(MODULE_STATE)}},
            "required": ["modules"],
        },
        MODULE_STATE: {
            "type": "object",
            "description": "A module. What is not known is absent.",
            "properties": {
                "topic": text("The topic on which it listens."),
                "name": text("The name of the module."),
                "version": text("The version of the module."),
                "host": text("The machine on which it runs."),
                "since": text("When it started to listen."),
                "instances": count("How many processes serve the topic."),
                "waiting": count("How many calls wait."),
                "running": count("How many calls run."),
                "failures": count("How many calls have failed."),
                "latency_ms": {"type": "number", "description": "How long it takes to answer a ping."},
            },
            "required": ["topic"],
        },
        MODULE: {
            "type": "object",
            "description": "What a module can do.",
            "properties": {
                "topic": text("The topic on which it listens."),
                "description": text("What it is for."),
                "version": text("Its version."),
                "functions": {"type": "array", "items": schema(FUNCTION)},
                "classes": {"type": "array", "items": schema(CLASS)},
            },
            "required": ["topic", "functions", "classes"],
        },
        FUNCTION: {
            "type": "object",
            "description": "A function or method.",
            "properties": {
                "name": text("Its name in requests."),
                "title": text("Its name for people."),
                "description": text("What it does."),
                "parameters": {"type": "object", "description": "The JSON schema of its arguments."},
                "returns": {"description": "The JSON schema of its result."},
                "reports_progress": {"type": "boolean"},
                "response_type": text("How its result wants to be shown."),
            },
            "required": ["name", "parameters"],
        },
        CLASS: {
            "type": "object",
            "description": "A class.",
            "properties": {
                "name": text("Its name in requests."),
                "description": text("What it is."),
                "parameters": {
                    "type": "object",
                    "description": "The JSON schema of the arguments of its constructor.",
                },
                "methods": {"type": "array", "items": schema(FUNCTION)},
            },
            "required": ["name", "methods"],
        },
    })
}

/// Returns the paths of jobs.
pub(super) fn job_paths() -> Map<String, Value> {
    const TAG: &str = "jobs";
    let id = reference("parameters", "JobId");
    let wait = reference("parameters", "Wait");
    let job = |description: &str| json!({"description": description, "content": json_content(&schema(JOB))});
    let operation = |name: &str, summary: &str, success: (&str, Value), statuses: &[&str]| {
        let mut responses = Map::new();
        responses.insert(success.0.to_owned(), success.1);
        responses.extend(failures(statuses));
        json!({
            "operationId": name,
            "tags": [TAG],
            "summary": summary,
            "responses": responses,
        })
    };
    let common = ["401", "403", "404", "429", "501", "503", "504"];
    let cancelled = ["401", "403", "404", "409", "429", "501", "503", "504"];
    let mut result = operation(
        "get_job_result",
        "The result of a job",
        (
            "200",
            json!({"description": "The result.", "content": json_content(&json!({}))}),
        ),
        &[
            "401", "403", "404", "406", "409", "422", "429", "501", "502", "503", "504",
        ],
    );
    result["parameters"] = json!([wait]);
    result["responses"]["202"] = job("The job is not done yet.");
    let events = json!({
        "description": EVENTS,
        "content": {"text/event-stream": {"schema": {}}},
    });
    let paths = json!({
        "/api/jobs/{id}": {
            "parameters": [id],
            "get": operation("get_job", "The state of a job", ("200", job("The job.")), &common),
            "delete": operation(
                "delete_job",
                "Cancel and forget a job",
                ("204", json!({"description": "The broker has forgotten the job."})),
                &common,
            ),
        },
        "/api/jobs/{id}/result": {"parameters": [id], "get": result},
        "/api/jobs/{id}/events": {
            "parameters": [id],
            "get": operation("get_job_events", "The progress of a job", ("200", events), &common),
        },
        "/api/jobs/{id}/cancel": {
            "parameters": [id],
            "post": operation("cancel_job", "Cancel a job", ("200", job("The job.")), &cancelled),
        },
    });
    match paths {
        Value::Object(paths) => paths,
        _ => Map::new(),
    }
}

/// The description of a stream of events.
pub(super) const EVENTS: &str = "Events: `progress` with a report, `place` with the number of calls that wait \
    before this one, and at the end `result` or `problem`.";

/// Returns the operation that lists modules.
pub(super) fn list_modules() -> Value {
    let mut responses = Map::new();
    let content = json_content(&schema(MODULES));
    responses.insert(
        "200".to_owned(),
        json!({"description": "The modules.", "content": content}),
    );
    responses.extend(failures(&["401", "403", "429", "503", "504"]));
    json!({"get": {
        "operationId": "list_modules",
        "tags": ["modules"],
        "summary": "The modules that are there",
        "responses": responses,
    }})
}

/// Returns the operation that describes a module.
pub(super) fn describe_module(operation_id: &str) -> Value {
    let mut responses = Map::new();
    let content = json_content(&schema(MODULE));
    responses.insert(
        "200".to_owned(),
        json!({"description": "The module.", "content": content}),
    );
    responses.extend(failures(&["401", "403", "404", "429", "502", "503", "504"]));
    json!({"get": {
        "operationId": operation_id,
        "tags": ["modules"],
        "summary": "What the module can do",
        "responses": responses,
    }})
}
