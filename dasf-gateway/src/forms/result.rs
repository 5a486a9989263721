//! The forms in which a result can be sent.

use std::borrow::Cow;
use std::fmt;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::accept::Accept;
use super::argument::{BYTES, bytes, has_type, is_scalar, without_null};
use super::{csv, file};
use crate::definitions::{Definitions, Root, properties};
use crate::problem::{Kind, Problem};

const JSON: &str = "application/json";
const CSV: &str = "text/csv";
const GEO_JSON: &str = "application/geo+json";

/// The types of objects in GeoJSON (RFC 7946).
const GEO_TYPES: [&str; 9] = [
    "Feature",
    "FeatureCollection",
    "GeometryCollection",
    "LineString",
    "MultiLineString",
    "MultiPoint",
    "MultiPolygon",
    "Point",
    "Polygon",
];

/// The forms in which the results of a function can be sent, besides JSON.
///
/// The schema of the result tells them. If it says too little, the result itself decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResultForms {
    csv: Certainty,
    geo_json: Certainty,
    file: Certainty,
    /// The media type of files.
    media_type: String,
}

/// Whether the results of a function have a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Certainty {
    No,
    /// The schema says too little.
    Perhaps,
    Yes,
}

/// A result in the form that its caller wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written<'a> {
    /// The value of the header `Content-Type`.
    pub(crate) media_type: Cow<'static, str>,
    /// The body of the response.
    pub(crate) body: Cow<'a, [u8]>,
}

/// The error for a result that has none of the forms that its caller accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotAcceptable {
    /// The media types that the result can have.
    pub(crate) offers: Vec<String>,
}

impl fmt::Display for NotAcceptable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let offers = self.offers.join(", ");
        write!(
            f,
            "the result has no form that `Accept` names; it can be {offers}"
        )
    }
}

impl std::error::Error for NotAcceptable {}

impl ResultForms {
    /// Returns the forms of the results of a function that is not known.
    pub(crate) fn unknown() -> Self {
        let mut definitions = Definitions::default();
        let root = definitions.add(&Value::Null, None);
        Self::of(&definitions, root)
    }

    /// Returns the forms of values with the schema of a document.
    pub(crate) fn of(definitions: &Definitions<'_>, root: Root) -> Self {
        let document = definitions.document(root);
        let media_type = bytes(definitions, root, document);
        let (root, schema) = without_null(definitions, root, document);
        let response_type = response_type(schema);
        let is_shown_as = |name: &str| response_type == Some(name);
        let file = match media_type {
            Some(_) => Certainty::Yes,
            None if is_shown_as("categorical_button") => Certainty::Perhaps,
            None if response_type.is_some() => Certainty::No,
            None => is_untyped(schema),
        };
        Self {
            csv: match media_type {
                Some(_) => Certainty::No,
                None => csv_certainty(definitions, root, schema),
            },
            geo_json: match media_type {
                Some(_) => Certainty::No,
                None => geo_json_certainty(definitions, root, schema),
            },
            file,
            media_type: media_type.unwrap_or_else(|| BYTES.to_owned()),
        }
    }

    /// Returns the media types that every result has.
    pub(crate) fn offers(&self) -> Vec<&str> {
        let mut offers = vec![JSON];
        if self.csv == Certainty::Yes {
            offers.push(CSV);
        }
        if self.geo_json == Certainty::Yes {
            offers.push(GEO_JSON);
        }
        if self.file == Certainty::Yes {
            offers.push(&self.media_type);
            if self.media_type != BYTES {
                offers.push(BYTES);
            }
        }
        offers
    }

    /// Checks before a call whether its result can have a form that the caller accepts.
    pub(crate) fn check(&self, accept: &Accept) -> Result<(), NotAcceptable> {
        match self.candidates(accept).is_empty() {
            true => Err(self.refusal()),
            false => Ok(()),
        }
    }

    /// Writes a result, which is JSON, in the form that its caller wants most.
    pub(crate) fn write<'j>(
        &self,
        accept: &Accept,
        json: &'j str,
    ) -> Result<Written<'j>, NotAcceptable> {
        let json = json.trim_ascii();
        let mut candidates = self.candidates(accept).into_iter();
        candidates
            .find_map(|candidate| self.write_as(candidate, accept, json))
            .ok_or_else(|| self.refusal())
    }

    /// Returns the forms that the caller accepts, the most wanted one first. Of two that he wants equally, JSON
    /// comes first, and then the more certain one.
    fn candidates(&self, accept: &Accept) -> Vec<Candidate> {
        let others = [JSON, CSV, GEO_JSON, "text/event-stream", "text/html", "*/*"];
        let of_any_type = accept.best(|kind, subtype| {
            // Such bytes may be of any type.
            self.media_type == BYTES && !others.contains(&&*format!("{kind}/{subtype}"))
        });
        let file = of_any_type
            .max(accept.rank(&self.media_type))
            .max(accept.rank(BYTES));
        let mut candidates = vec![
            (accept.rank(JSON), Certainty::Yes, Candidate::Json),
            (accept.rank(CSV), self.csv, Candidate::Csv),
            (accept.rank(GEO_JSON), self.geo_json, Candidate::GeoJson),
            (file, self.file, Candidate::File),
        ];
        candidates.retain(|(rank, certainty, _)| rank.quality > 0 && *certainty != Certainty::No);
        // The sort is stable, and the first one is JSON.
        candidates.sort_by_key(|(rank, certainty, _)| std::cmp::Reverse((*rank, *certainty)));
        candidates
            .into_iter()
            .map(|(.., candidate)| candidate)
            .collect()
    }

    fn write_as<'j>(
        &self,
        candidate: Candidate,
        accept: &Accept,
        json: &'j str,
    ) -> Option<Written<'j>> {
        match candidate {
            Candidate::Json => Some(Written {
                media_type: JSON.into(),
                body: json.as_bytes().into(),
            }),
            Candidate::Csv => {
                let (media_type, text) = csv::write(json)?;
                Some(Written {
                    media_type: media_type.into(),
                    body: text.into_bytes().into(),
                })
            }
            Candidate::GeoJson => Some(Written {
                media_type: GEO_JSON.into(),
                body: geo_json(json)?.as_bytes().into(),
            }),
            Candidate::File => {
                let file = file::read(json, &self.media_type)?;
                // The bytes can turn out to be of a type that is wanted less than JSON.
                let json = accept.rank(JSON);
                let is_wanted = |media_type: &str| {
                    let rank = accept.rank(media_type);
                    rank.quality > 0 && rank > json
                };
                let media_type = match file.media_type {
                    known if is_wanted(&known) => known,
                    _ if is_wanted(BYTES) => BYTES.to_owned(),
                    _ => return None,
                };
                Some(Written {
                    media_type: media_type.into(),
                    body: file.bytes.into(),
                })
            }
        }
    }

    fn refusal(&self) -> NotAcceptable {
        NotAcceptable {
            offers: self.offers().into_iter().map(str::to_owned).collect(),
        }
    }
}

impl From<NotAcceptable> for Problem {
    fn from(refusal: NotAcceptable) -> Self {
        Self::new(Kind::NotAcceptable, refusal.to_string())
    }
}

impl IntoResponse for Written<'_> {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body.into_owned()));
        let headers = response.headers_mut();
        if let Ok(media_type) = HeaderValue::try_from(&*self.media_type) {
            headers.insert(header::CONTENT_TYPE, media_type);
        }
        // A browser that guesses another type could run what it finds.
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        response
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Candidate {
    Json,
    Csv,
    GeoJson,
    File,
}

/// Returns whether the schema of an object or a list says nothing of its type.
fn is_untyped(schema: &Value) -> Certainty {
    let keywords = ["type", "const", "enum", "properties", "items", "allOf"];
    match keywords.iter().any(|keyword| schema.get(keyword).is_some()) {
        true => Certainty::No,
        false => Certainty::Perhaps,
    }
}

/// Returns the name with which a result tells how it wants to be shown.
fn response_type(schema: &Value) -> Option<&str> {
    let property = schema.get("properties")?.get("response_type")?;
    let value = property.get("const").or_else(|| property.get("default"));
    value?.as_str()
}

fn csv_certainty(definitions: &Definitions<'_>, root: Root, schema: &Value) -> Certainty {
    let is_scalar = |root, schema| is_scalar(definitions, root, schema, 0);
    match response_type(schema) {
        Some("datasource" | "series") => return Certainty::Yes,
        Some(_) => return Certainty::No,
        None => {}
    }
    if has_type(schema, "array") {
        let Some(items) = schema.get("items").filter(|items| items.is_object()) else {
            return Certainty::Perhaps;
        };
        let (root, items) = definitions.follow(root, items);
        let inner = items.get("items").filter(|_| has_type(items, "array"));
        let is_table = is_scalar(root, items)
            || has_type(items, "object")
            || inner.is_some_and(|inner| is_scalar(root, inner));
        let is_deeper = inner.is_some_and(|inner| has_type(inner, "array"));
        return match (is_table, is_deeper) {
            (true, _) => Certainty::Yes,
            (false, true) => Certainty::No,
            (false, false) => Certainty::Perhaps,
        };
    }
    if has_type(schema, "object") {
        let mut fields = properties(schema).peekable();
        let is_open = schema.get("additionalProperties") != Some(&Value::Bool(false));
        return match fields.peek().is_some() && fields.all(|(_, it)| is_scalar(root, it)) {
            true if !is_open || schema.get("additionalProperties").is_none() => Certainty::Yes,
            _ => Certainty::Perhaps,
        };
    }
    match is_scalar(root, schema) {
        true => Certainty::No,
        false => Certainty::Perhaps,
    }
}

fn geo_json_certainty(definitions: &Definitions<'_>, root: Root, schema: &Value) -> Certainty {
    match response_type(schema) {
        Some("geojson") => return Certainty::Yes,
        Some(_) => return Certainty::No,
        None => {}
    }
    let geo_type = schema.get("properties").and_then(|it| it.get("type"));
    if let Some(geo_type) = geo_type {
        let (_, geo_type) = definitions.follow(root, geo_type);
        let is_known = |value: &Value| value.as_str().is_some_and(|it| GEO_TYPES.contains(&it));
        let names = geo_type.get("enum").and_then(Value::as_array);
        let is_certain = geo_type.get("const").is_some_and(is_known)
            || names.is_some_and(|names| !names.is_empty() && names.iter().all(is_known));
        return match is_certain {
            true => Certainty::Yes,
            false => Certainty::Perhaps,
        };
    }
    let has_other_fields = properties(schema).next().is_some();
    match has_type(schema, "object") && !has_other_fields {
        true => Certainty::Perhaps,
        false => is_untyped(schema),
    }
}

/// Returns the GeoJSON in a result.
fn geo_json(json: &str) -> Option<&str> {
    #[derive(Deserialize)]
    struct Shown<'a> {
        response_type: Option<Cow<'a, str>>,
        #[serde(rename = "type")]
        geo_type: Option<Cow<'a, str>>,
        #[serde(borrow)]
        data: Option<&'a RawValue>,
    }
    let mut json = json;
    for _ in 0..2 {
        if !json.starts_with('{') {
            return None;
        }
        let shown: Shown<'_> = serde_json::from_str(json).ok()?;
        if shown.response_type.as_deref() != Some("geojson") {
            let geo_type = shown.geo_type?;
            return GEO_TYPES.contains(&&*geo_type).then_some(json);
        }
        json = shown.data?.get();
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn forms(schema: &Value) -> ResultForms {
        let mut definitions = Definitions::default();
        let root = definitions.add(schema, None);
        ResultForms::of(&definitions, root)
    }

    fn write(schema: &Value, accept: &str, json: &str) -> Result<(String, String), NotAcceptable> {
        let forms = forms(schema);
        let accept = Accept::read(Some(accept));
        forms.check(&accept)?;
        let written = forms.write(&accept, json)?;
        let body = String::from_utf8_lossy(&written.body).into_owned();
        Ok((written.media_type.into_owned(), body))
    }

    #[test]
    fn json_is_the_form_of_those_who_accept_everything() {
        let bytes = json!({"type": "string", "format": "base64"});
        for accept in [
            "",
            "*/*",
            "application/json",
            "text/html, */*;q=0.8",
            "application/*",
        ] {
            let written = write(&bytes, accept, " \"AAEC\"\n").unwrap();
            assert_eq!(
                written,
                (JSON.to_owned(), "\"AAEC\"".to_owned()),
                "{accept}"
            );
        }
    }

    #[test]
    fn a_form_that_no_result_has_is_refused_before_the_call() {
        let number = json!({"type": "number"});
        for (schema, accept, offers) in [
            (number.clone(), "text/csv", vec![JSON]),
            (number.clone(), "image/*", vec![JSON]),
            (number, "application/geo+json", vec![JSON]),
            (
                json!({"type": "array", "items": {"type": "number"}}),
                "application/x-netcdf",
                vec![JSON, CSV],
            ),
            (
                json!({"type": "string", "contentEncoding": "base64", "contentMediaType": "image/png"}),
                "text/csv",
                vec![JSON, "image/png", BYTES],
            ),
        ] {
            let refusal = forms(&schema)
                .check(&Accept::read(Some(accept)))
                .unwrap_err();
            assert_eq!(refusal.offers, offers, "{accept}");
        }
    }

    #[test]
    fn schemas_tell_what_results_can_be() {
        let object = |properties: Value| json!({"type": "object", "properties": properties});
        let shown = |name: &str| object(json!({"response_type": {"const": name}}));
        for (schema, offers) in [
            (json!({}), vec![]),
            (
                json!({"type": "array", "items": {"type": "object"}}),
                vec![CSV],
            ),
            (
                json!({"type": "array", "items": {"type": "array", "items": {"type": "number"}}}),
                vec![CSV],
            ),
            (object(json!({"mean": {"type": "number"}})), vec![CSV]),
            (shown("datasource"), vec![CSV]),
            (shown("series"), vec![CSV]),
            (shown("geojson"), vec![GEO_JSON]),
            (shown("multiple"), vec![]),
            (
                object(json!({"type": {"const": "FeatureCollection"}, "features": {}})),
                vec![GEO_JSON],
            ),
            (
                json!({"format": "base64", "contentMediaType": file::NETCDF}),
                vec![file::NETCDF, BYTES],
            ),
        ] {
            let forms = forms(&schema);
            assert_eq!(forms.offers()[1..], offers, "{schema}");
        }
    }

    #[test]
    fn results_of_unknown_types_decide_themselves() {
        for (accept, json, expected) in [
            (
                "text/csv",
                "[1]",
                Some("text/csv; charset=utf-8; header=present"),
            ),
            ("text/csv", "1", None),
            (
                "application/geo+json",
                r#"{"type":"Point","coordinates":[1,2]}"#,
                Some(GEO_JSON),
            ),
            ("application/geo+json", r#"{"type":"Pin"}"#, None),
            ("application/x-netcdf", r#""Q0RGAQ==""#, Some(file::NETCDF)),
            ("application/x-netcdf", r#""AAEC""#, None),
            ("image/*", r#""iVBORw0KGgo=""#, Some("image/png")),
            ("image/jpeg", r#""iVBORw0KGgo=""#, None),
            (
                "image/jpeg, application/octet-stream;q=0.1",
                r#""iVBORw0KGgo=""#,
                Some(BYTES),
            ),
            ("text/csv, application/json;q=0.1", "1", Some(JSON)),
            (
                "text/html, image/webp, */*;q=0.8",
                r#""iVBORw0KGgo=""#,
                Some(JSON),
            ),
            (
                "text/html, image/*, */*;q=0.8",
                r#""iVBORw0KGgo=""#,
                Some("image/png"),
            ),
        ] {
            let written = write(&json!({}), accept, json);
            let media_type = written
                .as_ref()
                .ok()
                .map(|(media_type, _)| media_type.as_str());
            assert_eq!(media_type, expected, "{accept} {json}");
        }
    }

    #[test]
    fn geojson_is_taken_out_of_its_frame() {
        let schema = json!({"properties": {"response_type": {"const": "geojson"}}});
        let json =
            r#"{"response_type":"geojson","data":{"type":"FeatureCollection","features":[]}}"#;
        let (_, body) = write(&schema, "application/geo+json", json).unwrap();
        assert_eq!(body, r#"{"type":"FeatureCollection","features":[]}"#);
    }

    #[test]
    fn a_result_has_the_most_wanted_form() {
        let list = json!({"type": "array", "items": {"type": "number"}});
        let written = write(&list, "application/json;q=0.5, text/csv;q=0.9", "[1]").unwrap();
        assert_eq!(written.1, "value\r\n1\r\n");
    }
}
