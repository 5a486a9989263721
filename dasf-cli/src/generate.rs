//! `dasf generate`.

use std::path::Path;

use dasf::cli::{Connection, Error, read_text};
use serde_json::Value;

use crate::options::Generate;
use crate::{describe, with_caller};

pub(crate) fn run(connection: &Connection, options: &Generate) -> Result<(), Error> {
    let (api_info, origin) = match &options.api_info {
        Some(path) => (read(path)?, origin(path)),
        None => {
            let topic = connection.topic()?;
            let api_info = with_caller(connection, options.timeout, async |caller, presence| {
                crate::read(caller, &describe(caller, presence).await?)
            })?;
            (api_info, format!("topic {topic}"))
        }
    };
    options.client.run(&api_info, &origin)
}

fn read(path: &str) -> Result<Value, Error> {
    let text = read_text(path)?;
    serde_json::from_str(&text)
        .map_err(|error| Error::Failed(format!("{path} is not JSON: {error}")))
}

/// Returns the name of a file without its folder, which differs between machines.
fn origin(path: &str) -> String {
    let name = Path::new(path).file_name();
    match name {
        Some(name) if path != "-" => name.to_string_lossy().into_owned(),
        _ => "standard input".to_owned(),
    }
}
