//! The operations of a function: `POST`, and `GET` if a query can hold its arguments.

use serde_json::{Map, Value, json};

use super::example::Examples;
use super::names::{Names, camel_case};
use super::parts::{self, EVENTS};
use super::schemas::{Schemas, Side};
use crate::forms::ResultForms;
use crate::forms::argument::{BYTES, Form};
use crate::signature::{Argument, Signature};

/// The paths below a topic that are no functions.
const TAKEN: [&str; 2] = ["docs", "openapi.json"];
/// The statuses of failed calls.
const STATUSES: [&str; 15] = [
    "400", "401", "403", "404", "406", "408", "409", "413", "415", "422", "429", "501", "502",
    "503", "504",
];

/// Makes operations.
pub(super) struct Operations<'d, 'a> {
    pub(super) schemas: &'d mut Schemas<'a>,
    pub(super) names: &'d mut Names,
    pub(super) operation_ids: &'d mut Names,
    /// The schemas in the components.
    pub(super) components: &'d mut Map<String, Value>,
}

/// The place of a function in the document.
pub(super) struct Place {
    /// The name from which other names are made.
    pub(super) name: String,
    pub(super) tag: String,
}

impl Operations<'_, '_> {
    /// Returns the operations of a function or method.
    pub(super) fn of(&mut self, member: &Signature<'_>, place: &Place) -> Value {
        let responses = self.responses(member);
        let mut operations = Map::new();
        let id = self.operation_ids.choose(&[&place.name]);
        let mut post = operation(member, place, &id);
        post.insert("requestBody".to_owned(), self.body(member, place));
        post.insert(
            "parameters".to_owned(),
            ["Prefer", "IdempotencyKey", "Keep"]
                .map(|name| parts::reference("parameters", name))
                .into_iter()
                .collect(),
        );
        post.insert("responses".to_owned(), responses.clone());
        operations.insert("post".to_owned(), post.into());
        if member.fits_a_query() && !(member.class.is_none() && TAKEN.contains(&member.name)) {
            let id = self.operation_ids.choose(&[&format!("get_{}", place.name)]);
            let mut get = operation(member, place, &id);
            let mut parameters = vec![parts::reference("parameters", "Wait")];
            for argument in &member.arguments {
                parameters.push(self.parameter(argument));
            }
            get.insert("parameters".to_owned(), parameters.into());
            let mut responses = responses;
            if let Value::Object(responses) = &mut responses {
                // A job needs a request that is not repeated.
                responses.retain(|status, _| !["201", "415"].contains(&status.as_str()));
            }
            get.insert("responses".to_owned(), responses);
            operations.insert("get".to_owned(), get.into());
        }
        operations.into()
    }

    /// Returns the parameter of a query for an argument.
    fn parameter(&mut self, argument: &Argument<'_>) -> Value {
        let schema = self.translate(argument);
        let mut parameter = Map::new();
        parameter.insert("name".to_owned(), argument.name.as_str().into());
        parameter.insert("in".to_owned(), "query".into());
        if let Some(description) = schema.get("description") {
            parameter.insert("description".to_owned(), description.clone());
        }
        parameter.insert("required".to_owned(), argument.is_required.into());
        parameter.insert("schema".to_owned(), schema);
        parameter.into()
    }

    /// Returns the body of a request: an object with the arguments, and the bytes of an argument.
    fn body(&mut self, member: &Signature<'_>, place: &Place) -> Value {
        let arguments: Vec<(&Argument<'_>, Value)> = member
            .arguments
            .iter()
            .map(|argument| (argument, self.translate(argument)))
            .collect();
        let has_bytes = member
            .arguments
            .iter()
            .any(|argument| matches!(argument.form, Form::Bytes(_)));
        let form = has_bytes.then(|| form(member, &arguments));
        let is_required = member.arguments.iter().any(|argument| argument.is_required);
        let schema = object(
            member,
            arguments
                .into_iter()
                .map(|(argument, schema)| (&*argument.name, schema)),
        );
        let name = format!("{}Arguments", camel_case(&place.name));
        let name = self.names.choose(&[&name]);
        self.components.insert(name.clone(), schema);
        let mut content =
            json!({"application/json": {"schema": parts::reference("schemas", &name)}});
        if let Some(form) = form {
            content["multipart/form-data"] = form;
        }
        if let Some((_, media_type)) = member.body() {
            // Bytes have an empty schema.
            content[media_type] = json!({"schema": {}});
            content[BYTES] = json!({"schema": {}});
        }
        json!({"required": is_required, "content": content})
    }

    fn translate(&mut self, argument: &Argument<'_>) -> Value {
        self.schemas
            .translate(argument.root, argument.schema, Side::Argument, self.names)
    }

    fn responses(&mut self, member: &Signature<'_>) -> Value {
        let result = member.result;
        let document = self.schemas.definitions.document(result);
        let forms = ResultForms::of(&self.schemas.definitions, result);
        let mut schema = self
            .schemas
            .translate(result, document, Side::Result, self.names);
        let mut description = "The result.".to_owned();
        if let Value::Object(schema) = &mut schema {
            // These are of the function, not of the result.
            schema.remove("default");
            schema.remove("title");
            if let Some(Value::String(text)) = schema.remove("description") {
                description = text;
            }
        }
        let mut content = Map::new();
        for offer in forms.offers() {
            let schema = match offer {
                "application/json" => schema.clone(),
                "text/csv" => json!({"type": "string"}),
                "application/geo+json" => json!({"type": "object"}),
                _ => json!({}),
            };
            content.insert(offer.to_owned(), json!({"schema": schema}));
        }
        content.insert(
            "text/event-stream".to_owned(),
            json!({"schema": {"description": EVENTS}}),
        );
        let mut responses = Map::new();
        responses.insert(
            "200".to_owned(),
            json!({"description": description, "content": content}),
        );
        responses.insert(
            "201".to_owned(),
            json!({
                "description": "The broker keeps the call as a job, now or since an earlier request with the same `Idempotency-Key`.",
                "headers": {"Location": {
                    "description": "The path of the job.",
                    "schema": {"type": "string"},
                }},
                "content": parts::json_content(&parts::reference("schemas", parts::JOB)),
            }),
        );
        responses.extend(parts::failures(&STATUSES));
        responses.into()
    }
}

/// Returns what both operations of a function have in common.
fn operation(member: &Signature<'_>, place: &Place, id: &str) -> Map<String, Value> {
    let mut operation = Map::new();
    operation.insert("operationId".to_owned(), id.into());
    operation.insert("tags".to_owned(), json!([place.tag]));
    let summary = member.description.lines().next().unwrap_or_default().trim();
    let summary = match summary {
        "" => member.name,
        summary => summary.strip_suffix('.').unwrap_or(summary),
    };
    operation.insert("summary".to_owned(), summary.into());
    let mut description = vec![member.description.trim().to_owned()];
    if member.reports_progress {
        description.push("Reports its progress: see `text/event-stream`.".to_owned());
    }
    if !member.groups.is_empty() {
        description.push(format!(
            "Only for users of the groups: {}.",
            member.groups.join(", ")
        ));
    }
    description.retain(|part| !part.is_empty());
    if !description.is_empty() {
        operation.insert("description".to_owned(), description.join("\n\n").into());
    }
    if member.is_deprecated {
        operation.insert("deprecated".to_owned(), true.into());
    }
    operation
}

/// Returns the schema of an object with the arguments.
fn object<'m>(
    member: &'m Signature<'_>,
    properties: impl Iterator<Item = (&'m str, Value)>,
) -> Value {
    let properties: Map<String, Value> = properties
        .map(|(name, schema)| (name.to_owned(), schema))
        .collect();
    let required = member
        .arguments
        .iter()
        .filter(|argument| argument.is_required);
    let required: Vec<Value> = required
        .map(|argument| argument.name.as_str().into())
        .collect();
    let mut schema = json!({"type": "object", "properties": properties});
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    if !member.is_open {
        schema["additionalProperties"] = false.into();
    }
    schema
}

/// Returns the form with a part for each argument. Bytes come as they are, and other values as JSON.
fn form(member: &Signature<'_>, arguments: &[(&Argument<'_>, Value)]) -> Value {
    let mut encoding = Map::new();
    let properties = arguments.iter().map(|(argument, schema)| {
        let schema = match &argument.form {
            Form::Bytes(media_type) => {
                encoding.insert(argument.name.clone(), json!({"contentType": media_type}));
                let mut bytes = json!({"type": "string", "format": "binary"});
                for keyword in ["title", "description"] {
                    if let Some(text) = schema.get(keyword) {
                        bytes[keyword] = text.clone();
                    }
                }
                bytes
            }
            Form::Scalar => schema.clone(),
            Form::List | Form::Json => {
                encoding.insert(
                    argument.name.clone(),
                    json!({"contentType": "application/json"}),
                );
                schema.clone()
            }
        };
        (argument.name.as_str(), schema)
    });
    let schema = object(member, properties.collect::<Vec<_>>().into_iter());
    json!({"schema": schema, "encoding": encoding})
}

/// Adds an example to each body of JSON.
pub(super) fn add_examples(document: &mut Value) {
    let Some(Value::Object(schemas)) = document["components"].get_mut("schemas").map(Value::take)
    else {
        return;
    };
    let paths = document["paths"].as_object_mut();
    for operations in paths.into_iter().flat_map(Map::values_mut) {
        let body = operations.pointer_mut("/post/requestBody/content/application~1json");
        let Some(Value::Object(body)) = body else {
            continue;
        };
        let example = body
            .get("schema")
            .and_then(|schema| Examples::new(&schemas).of(schema));
        if let Some(example) = example {
            body.insert("example".to_owned(), example);
        }
    }
    document["components"]["schemas"] = schemas.into();
}
