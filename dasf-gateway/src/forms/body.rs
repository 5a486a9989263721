//! The bodies of requests: JSON, the parts of a form, or the bytes of an argument.

use axum::http::{HeaderMap, header};
use bytes::Bytes;
use dasf_runtime::module::validate::Fields;
use dasf_types::Base64;
use futures_util::stream;
use serde_json::value::RawValue;

use super::argument::{BYTES, Form};
use crate::description::{Description, Member};
use crate::problem::{Kind, Problem};
use crate::signature::Signature;

const JSON: &str = "application/json";
const FORM: &str = "multipart/form-data";

/// The maximum number of parts of a form.
const MAX_PARTS: usize = 1000;

/// The body of a request, of which only the module's description tells the meaning.
#[derive(Debug)]
pub(crate) enum Sent {
    /// An object with the arguments.
    Json(Bytes),
    /// The parts of a form.
    Form(Vec<Part>),
    /// One argument. The others are in the query.
    Bytes { media_type: String, bytes: Bytes },
}

/// A part of a form.
#[derive(Debug)]
pub(crate) struct Part {
    name: String,
    media_type: Option<String>,
    bytes: Bytes,
}

impl Sent {
    /// Takes a body apart, as far as this is possible without the description of the module.
    pub(crate) async fn read(headers: &HeaderMap, body: Bytes) -> Result<Self, Problem> {
        let content_type = headers.get(header::CONTENT_TYPE);
        let content_type = content_type.and_then(|it| it.to_str().ok()).unwrap_or(JSON);
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        if body.is_empty() || media_type.eq_ignore_ascii_case(JSON) {
            return Ok(Self::Json(body));
        }
        if media_type.eq_ignore_ascii_case(FORM) {
            return read_form(content_type, body).await.map(Self::Form);
        }
        Ok(Self::Bytes {
            media_type: media_type.to_ascii_lowercase(),
            bytes: body,
        })
    }

    /// Returns the arguments of a function.
    pub(crate) fn arguments<'q>(
        &self,
        description: &Description,
        member: &Member<'_>,
        query: impl IntoIterator<Item = (&'q str, &'q str)>,
    ) -> Result<Fields, Problem> {
        match self {
            Self::Json(body) => of_json(body),
            Self::Form(parts) => of_parts(parts, member, &member.signature(description)?.1),
            Self::Bytes { media_type, bytes } => {
                let (_, signature) = member.signature(description)?;
                let name = argument_of(media_type, member, &signature)?;
                let mut fields = member.of_texts(query)?;
                if fields.0.iter().any(|(known, _)| known == name) {
                    return Err(member.offending(name, "it is in the body and in the query".into()));
                }
                fields.0.push((name.to_owned(), base64(bytes)?));
                Ok(fields)
            }
        }
    }
}

/// Reads the arguments in a body of JSON.
fn of_json(body: &Bytes) -> Result<Fields, Problem> {
    if body.is_empty() {
        return Ok(Fields::default());
    }
    serde_json::from_slice(body).map_err(|error| {
        let detail = format!("the body is not a JSON object of the arguments: {error}");
        Problem::new(Kind::BadRequest, detail)
    })
}

async fn read_form(content_type: &str, body: Bytes) -> Result<Vec<Part>, Problem> {
    let broken = |error: multer::Error| {
        let detail = format!("the body is no form as its type {FORM} promises: {error}");
        Problem::new(Kind::BadRequest, detail)
    };
    let boundary = multer::parse_boundary(content_type).map_err(broken)?;
    let body = stream::iter([Ok::<_, std::convert::Infallible>(body)]);
    let mut form = multer::Multipart::new(body, boundary);
    let mut parts = Vec::new();
    while let Some(part) = form.next_field().await.map_err(broken)? {
        if parts.len() == MAX_PARTS {
            let detail = format!("the form has more than {MAX_PARTS} parts; send JSON instead");
            return Err(Problem::new(Kind::TooLarge, detail));
        }
        let Some(name) = part.name().map(str::to_owned) else {
            let detail = format!("part {} of the form has no name", parts.len() + 1);
            return Err(Problem::new(Kind::BadRequest, detail));
        };
        let media_type = part.content_type().map(|it| it.essence_str().to_owned());
        let bytes = part.bytes().await.map_err(broken)?;
        parts.push(Part {
            name,
            media_type,
            bytes,
        });
    }
    Ok(parts)
}

fn of_parts(
    parts: &[Part],
    member: &Member<'_>,
    signature: &Signature<'_>,
) -> Result<Fields, Problem> {
    let mut fields = Fields::default();
    let mut texts = Vec::new();
    for part in parts {
        let name = part.name.as_str();
        let is_json = part.media_type.as_deref() == Some(JSON);
        if let Some(Form::Bytes(_)) = signature.form(name) {
            fields.0.push((name.to_owned(), base64(&part.bytes)?));
            continue;
        }
        let Ok(text) = std::str::from_utf8(&part.bytes) else {
            let detail = format!("the argument {name:?} takes no bytes, and these are no UTF-8");
            return Err(member.offending(name, detail));
        };
        if is_json {
            let json = RawValue::from_string(text.trim().to_owned()).map_err(|error| {
                let detail = format!("the part {name:?} of the form is no JSON: {error}");
                member.offending(name, detail)
            })?;
            fields.0.push((name.to_owned(), json));
        } else {
            texts.push((name, text));
        }
    }
    fields.0.extend(member.of_texts(texts)?.0);
    let mut names: Vec<&str> = fields.0.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    match names.windows(2).find(|names| names[0] == names[1]) {
        Some(names) => {
            let detail = format!("the argument {:?} is given twice", names[0]);
            Err(member.offending(names[0], detail))
        }
        None => Ok(fields),
    }
}

/// Returns the argument that a body of a media type is.
fn argument_of<'s>(
    media_type: &str,
    member: &Member<'_>,
    signature: &'s Signature<'_>,
) -> Result<&'s str, Problem> {
    // What a program sends that does not say what it sends: curl, for example.
    const UNKNOWN: [&str; 2] = [BYTES, "application/x-www-form-urlencoded"];
    let given: String = media_type.chars().take(100).collect();
    let mut takes = vec![JSON];
    if let Some((argument, wanted)) = signature.bytes() {
        let is_typed = media_type.contains('/') && !media_type.starts_with("text/");
        if UNKNOWN.contains(&media_type) || wanted == media_type || (wanted == BYTES && is_typed) {
            return Ok(&argument.name);
        }
        takes.push(wanted);
    }
    let has_bytes =
        |argument: &crate::signature::Argument<'_>| matches!(argument.form, Form::Bytes(_));
    if signature.arguments.iter().any(has_bytes) {
        takes.push(FORM);
    }
    let detail = format!(
        "the body has the type {given:?}; {} takes {}",
        member.full_name(),
        takes.join(" or ")
    );
    Err(Problem::new(Kind::UnsupportedMediaType, detail))
}

/// Returns bytes as the JSON of an argument.
fn base64(bytes: &Bytes) -> Result<Box<RawValue>, Problem> {
    serde_json::value::to_raw_value(&Base64(bytes)).map_err(|error| {
        let detail = format!("bytes cannot be written as base64: {error}");
        Problem::new(Kind::Internal, detail)
    })
}
