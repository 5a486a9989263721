//! Reading the REQUEST of a command.

use std::io::Read;
use std::path::Path;

use serde_json::Value;

use super::Error;

/// Reads a request that is JSON or YAML text, the path of a file that holds such a text, or `-` for
/// standard input.
pub(super) fn read(request: &str) -> Result<Value, Error> {
    let path = Path::new(request);
    let (text, origin) = if request == "-" {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .map_err(|error| Error::Failed(format!("standard input cannot be read: {error}")))?;
        (text, "standard input".to_owned())
    } else if path.is_file() {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Error::Failed(format!("{request} cannot be read: {error}")))?;
        (text, request.to_owned())
    } else {
        (request.to_owned(), "the request".to_owned())
    };
    parse(&text).map_err(|reason| {
        Error::Usage(format!(
            "{origin} is neither a JSON or YAML object nor a file: {reason}; \
             expected something like {{\"func_name\": \"add\", \"a\": 1}}"
        ))
    })
}

fn parse(text: &str) -> Result<Value, String> {
    let value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) if text.trim_start().starts_with('{') && !looks_like_yaml(text) => {
            return Err(error.to_string());
        }
        Err(_) => {
            serde_saphyr::from_str::<Value>(text).map_err(|error| first_line(&error.to_string()))?
        }
    };
    if value.is_object() {
        Ok(value)
    } else {
        Err("it is no object".to_owned())
    }
}

/// A flow mapping of YAML needs no quotes around its keys.
fn looks_like_yaml(text: &str) -> bool {
    !text
        .trim_start()
        .trim_start_matches('{')
        .trim_start()
        .starts_with('"')
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_and_yaml_are_the_same_request() {
        let request = json!({"func_name": "add", "a": 1, "points": [{"x": 1.5}]});
        for text in [
            r#"{"func_name": "add", "a": 1, "points": [{"x": 1.5}]}"#,
            "func_name: add\na: 1\npoints:\n  - x: 1.5\n",
            "{func_name: add, a: 1, points: [{x: 1.5}]}",
        ] {
            assert_eq!(parse(text).unwrap(), request, "{text}");
        }
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in [
            "",
            "5",
            "missing.json",
            "[1]",
            "{\"a\": ",
            "a: [",
            "\"text\"",
        ] {
            let error = match read(text) {
                Err(Error::Usage(message)) => message,
                other => panic!("{text:?}: {other:?}"),
            };
            assert!(
                !error.contains('\n') && error.contains("func_name"),
                "{error}"
            );
        }
    }
}
