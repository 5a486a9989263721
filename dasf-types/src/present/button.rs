//! Files and links, which a page shows as buttons.

use serde::{Deserialize, Serialize, Serializer};

use super::error::PresentError;
#[cfg(feature = "schemars")]
use super::response_type;
use super::{named_schema, only};
use crate::Base64;

only!(ButtonType = "categorical_button");

/// The category of buttons that have no other one.
const DOWNLOADS: &str = "Downloads";
/// The most characters of a link, as in the Python package.
const LONGEST_LINK: usize = 2083;

pub(super) fn downloads() -> String {
    DOWNLOADS.to_owned()
}

/// The properties of both kinds of buttons, which a page shows under their category.
fn described<'a>(text: Option<&'a str>, category: &'a str) -> &'a str {
    text.filter(|text| !text.is_empty()).unwrap_or(category)
}

/// A file that the user can download.
///
/// ```
/// use dasf_types::present::BinaryFile;
///
/// let notes = BinaryFile::new("notes.md", "text/markdown", "# Notes").with_text("Read the notes");
/// let json = serde_json::to_value(&notes)?;
/// assert_eq!(json["data"], "IyBOb3Rlcw==");
/// assert_eq!(json["button_title"], "Read the notes");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct BinaryFile {
    #[serde(default)]
    response_type: ButtonType,
    /// The heading under which a page shows the button.
    #[serde(default = "downloads")]
    pub category: String,
    /// The text on the button; `None` for the category.
    #[serde(default)]
    pub text: Option<String>,
    /// The contents.
    pub data: Base64,
    /// The name of the file.
    #[serde(default = "unnamed")]
    pub filename: String,
    /// The media type, such as `text/csv`.
    pub mimetype: String,
}

/// The name that the Python package gives to a file without one.
pub(super) fn unnamed() -> String {
    "The name of the file to use for the download".to_owned()
}

impl BinaryFile {
    /// Makes a file in the category `Downloads`.
    pub fn new(
        filename: impl Into<String>,
        mimetype: impl Into<String>,
        data: impl Into<Vec<u8>>,
    ) -> Self {
        Self {
            response_type: ButtonType::Only,
            category: downloads(),
            text: None,
            data: Base64(data.into()),
            filename: filename.into(),
            mimetype: mimetype.into(),
        }
    }

    /// Sets the heading under which a page shows the button.
    #[must_use]
    pub fn with_category(mut self, category: impl Into<String>) -> Self {
        self.category = category.into();
        self
    }

    /// Sets the text on the button.
    #[must_use]
    pub fn with_text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// Returns what the button does: its text, or `Download` and the name of the file.
    #[must_use]
    pub fn button_title(&self) -> String {
        match self.text.as_deref() {
            Some(text) if !text.is_empty() => text.to_owned(),
            _ => format!("Download {}", self.filename),
        }
    }
}

impl Serialize for BinaryFile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Written<'a> {
            response_type: ButtonType,
            category: &'a str,
            text: Option<&'a str>,
            data: &'a Base64,
            filename: &'a str,
            mimetype: &'a str,
            button_text: &'a str,
            button_title: String,
        }
        let text = self.text.as_deref();
        Written {
            response_type: self.response_type,
            category: &self.category,
            text,
            data: &self.data,
            filename: &self.filename,
            mimetype: &self.mimetype,
            button_text: described(text, &self.category),
            button_title: self.button_title(),
        }
        .serialize(serializer)
    }
}

named_schema!(BinaryFile as "BinaryFile", |_generator| schemars::json_schema!({
    "description": "A file to download.",
    "properties": {
        "response_type": response_type("categorical_button"),
        "category": {
            "default": DOWNLOADS,
            "description": "The heading under which a page shows the button.",
            "type": "string",
        },
        "text": {
            "anyOf": [{"type": "string"}, {"type": "null"}],
            "default": null,
            "description": "The text on the button; null for the category.",
        },
        "data": {
            "description": "The contents, in base64.",
            "format": "base64",
            "type": "string",
        },
        "filename": {"default": unnamed(), "type": "string"},
        "mimetype": {"description": "The media type, such as `text/csv`.", "type": "string"},
    },
    "required": ["data", "mimetype"],
    "type": "object",
}));

/// A link to another page.
///
/// ```
/// use dasf_types::present::ExternalLink;
///
/// let link = ExternalLink::new("https://example.org/manual")?.with_category("Help");
/// assert_eq!(link.href(), "https://example.org/manual");
/// assert!(ExternalLink::new("javascript:alert()").is_err());
/// # Ok::<(), dasf_types::present::PresentError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "ReadLink")]
pub struct ExternalLink {
    /// The heading under which a page shows the button.
    pub category: String,
    /// The text on the button; `None` for the category.
    pub text: Option<String>,
    href: String,
}

#[derive(Deserialize)]
struct ReadLink {
    #[serde(default, rename = "response_type")]
    _response_type: ButtonType,
    #[serde(default = "downloads")]
    category: String,
    #[serde(default)]
    text: Option<String>,
    href: String,
}

impl TryFrom<ReadLink> for ExternalLink {
    type Error = PresentError;

    fn try_from(read: ReadLink) -> Result<Self, PresentError> {
        let link = Self::new(read.href)?.with_category(read.category);
        let text = read.text;
        Ok(Self { text, ..link })
    }
}

impl ExternalLink {
    /// Makes a link in the category `Downloads`.
    ///
    /// # Errors
    /// Fails if the link does not begin with `https://` or `http://` and the name of a host, contains
    /// a blank or a control character, or has more than 2083 characters. The Python package makes
    /// the same demands, and a page must not open other links.
    pub fn new(href: impl Into<String>) -> Result<Self, PresentError> {
        let href = href.into();
        match problem(&href) {
            Some(problem) => Err(PresentError::Link { href, problem }),
            None => Ok(Self {
                category: downloads(),
                text: None,
                href,
            }),
        }
    }

    /// Sets the heading under which a page shows the button.
    #[must_use]
    pub fn with_category(mut self, category: impl Into<String>) -> Self {
        self.category = category.into();
        self
    }

    /// Sets the text on the button.
    #[must_use]
    pub fn with_text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// Returns the address of the page. The Python package writes it in its normal form, for example
    /// with a `/` after the host.
    #[must_use]
    pub fn href(&self) -> &str {
        &self.href
    }

    /// Returns what the button does: its text, or the address of the page.
    #[must_use]
    pub fn button_title(&self) -> &str {
        described(self.text.as_deref(), &self.href)
    }
}

/// Returns why this is no link.
fn problem(href: &str) -> Option<&'static str> {
    if href.chars().nth(LONGEST_LINK).is_some() {
        return Some("it has more than 2083 characters");
    }
    if href.contains(|symbol: char| symbol.is_whitespace() || symbol.is_control()) {
        return Some("it contains a blank or a control character; write %20 for a blank");
    }
    let after_scheme = |scheme: &str| {
        let (start, rest) = href.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    };
    let Some(rest) = after_scheme("https://").or_else(|| after_scheme("http://")) else {
        return Some("it must begin with https:// or http://");
    };
    let host = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default();
    (host.is_empty() || host.starts_with(':')).then_some("it has no host")
}

impl Serialize for ExternalLink {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Written<'a> {
            response_type: ButtonType,
            category: &'a str,
            text: Option<&'a str>,
            href: &'a str,
            button_text: &'a str,
            button_title: &'a str,
        }
        let text = self.text.as_deref();
        Written {
            response_type: ButtonType::Only,
            category: &self.category,
            text,
            href: &self.href,
            button_text: described(text, &self.category),
            button_title: self.button_title(),
        }
        .serialize(serializer)
    }
}

named_schema!(ExternalLink as "ExternalLink", |_generator| schemars::json_schema!({
    "description": "A link to another page.",
    "properties": {
        "response_type": response_type("categorical_button"),
        "category": {
            "default": DOWNLOADS,
            "description": "The heading under which a page shows the button.",
            "type": "string",
        },
        "text": {
            "anyOf": [{"type": "string"}, {"type": "null"}],
            "default": null,
            "description": "The text on the button; null for the category.",
        },
        "href": {
            "description": "The address of the page.",
            "format": "uri",
            "maxLength": LONGEST_LINK,
            "minLength": 1,
            "type": "string",
        },
    },
    "required": ["href"],
    "type": "object",
}));

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"{"response_type":"categorical_button","category":"Downloads","text":null,"data":"eHg=","filename":"a.bin","mimetype":"application/x","button_text":"Downloads","button_title":"Download a.bin"}"#;
    const LINK: &str = r#"{"response_type":"categorical_button","category":"Links","text":"An external link","href":"https://www.hereon.de/","button_text":"An external link","button_title":"An external link"}"#;

    #[test]
    fn the_bytes_are_those_of_the_python_package() {
        let file = BinaryFile::new("a.bin", "application/x", "xx");
        assert_eq!(serde_json::to_string(&file).unwrap(), FILE);
        assert_eq!(serde_json::from_str::<BinaryFile>(FILE).unwrap(), file);
        let link = ExternalLink::new("https://www.hereon.de/").unwrap();
        assert_eq!(link.button_title(), "https://www.hereon.de/");
        let link = link.with_category("Links").with_text("An external link");
        assert_eq!(serde_json::to_string(&link).unwrap(), LINK);
        assert_eq!(serde_json::from_str::<ExternalLink>(LINK).unwrap(), link);
    }

    #[test]
    fn what_has_a_default_may_be_left_out() {
        let file: BinaryFile = serde_json::from_str(r#"{"data": "", "mimetype": "t"}"#).unwrap();
        assert_eq!(file, BinaryFile::new(unnamed(), "t", ""));
        let link: ExternalLink = serde_json::from_str(r#"{"href": "http://a"}"#).unwrap();
        assert_eq!(link, ExternalLink::new("http://a").unwrap());
    }

    #[test]
    fn an_empty_text_does_not_count() {
        let file = BinaryFile::new("f", "t", "")
            .with_text("")
            .with_category("C");
        let json = serde_json::to_value(&file).unwrap();
        assert_eq!(json["button_text"], "C");
        assert_eq!(json["button_title"], "Download f");
    }

    #[test]
    fn links_that_a_page_must_not_open_are_refused() {
        for href in [
            "https://a",
            "HTTP://A:80/b?c#d",
            "https://user:pass@host/",
            "https://bücher.de",
        ] {
            assert!(ExternalLink::new(href).is_ok(), "{href}");
        }
        let long = format!("https://a/{}", "a".repeat(2074));
        for (href, problem) in [
            ("", "begin with"),
            ("example.org", "begin with"),
            ("javascript:alert(1)", "begin with"),
            ("ftp://a/", "begin with"),
            ("é://a", "begin with"),
            ("https://", "no host"),
            ("https:///path", "no host"),
            ("https://@/", "no host"),
            ("https://:80/", "no host"),
            ("https://a b", "a blank"),
            ("https://a\u{7}", "a control character"),
            (&long, "more than 2083"),
        ] {
            let error = ExternalLink::new(href).unwrap_err().to_string();
            assert!(error.contains(problem), "{href}: {error}");
        }
        let json = r#"{"href": "javascript:alert(1)"}"#;
        let error = serde_json::from_str::<ExternalLink>(json).unwrap_err();
        assert!(error.to_string().contains("begin with"), "{error}");
    }
}
