//! Which web pages may use a broker.
//!
//! Every page that a browser shows can connect to every port that its machine reaches, and may know a token
//! that somebody typed into another page. The browser tells the origin of the page in the handshake. A page
//! whose name leads to this machine only after it was loaded has the same origin as the broker. So without a
//! token, the name that the peer uses is checked, too.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName, StatusCode, header};

use crate::refusal::Refusal;

/// The pages that may use a broker.
#[derive(Debug, Clone, Default)]
pub(crate) struct AllowedOrigins {
    all: bool,
    origins: Vec<String>,
    /// The hosts of the origins, without ports.
    hosts: Vec<String>,
}

impl AllowedOrigins {
    /// Reads origins such as `https://lab.example.org`; `*` stands for all.
    ///
    /// # Errors
    /// Returns the first text that is not an origin.
    pub(crate) fn new(origins: &[String]) -> Result<Self, String> {
        let mut allowed = Self::default();
        for text in origins {
            let text = text.trim().to_ascii_lowercase();
            match (text.as_str(), text.split_once("://")) {
                ("*", _) => allowed.all = true,
                // The origin of files and of pages in a sandbox.
                ("null", _) => allowed.origins.push(text),
                (_, Some((scheme, authority))) if is_authority(scheme, authority) => {
                    allowed.hosts.push(host(authority).to_owned());
                    allowed.origins.push(text);
                }
                _ => return Err(text),
            }
        }
        Ok(allowed)
    }

    /// Checks whether the page of a request, if it comes from one, may use the broker.
    pub(crate) fn check_page(&self, headers: &HeaderMap, uses_tls: bool) -> Result<(), Refusal> {
        if self.all {
            return Ok(());
        }
        let host_header = text(headers, header::HOST);
        if let Some(origin) = text(headers, header::ORIGIN)
            && !self.origins.contains(&origin)
            && !is_origin_of(&origin, host_header.as_deref(), uses_tls)
        {
            let reason = format!(
                "a web page of the origin {origin:?} may not use this broker; start the broker with \
                 --allow-origin {origin:?} to permit it"
            );
            return Err(Refusal::new(StatusCode::FORBIDDEN, reason));
        }
        Ok(())
    }

    /// Checks the name by which a request from this machine calls a broker without a token.
    pub(crate) fn check_name(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let host_header = text(headers, header::HOST);
        if let Some(name) = host_header.as_deref().map(host)
            && !self.all
            && !is_name_of_this_machine(name)
            && !self.hosts.iter().any(|allowed| allowed == name)
        {
            let reason = format!(
                "the host {name:?} is not a name of this machine, and this broker has no token; use \
                 localhost, or start the broker with --allow-origin https://{name}, or with a token"
            );
            return Err(Refusal::new(StatusCode::FORBIDDEN, reason));
        }
        Ok(())
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let value = headers.get(name)?.as_bytes();
    Some(String::from_utf8_lossy(value).to_ascii_lowercase())
}

fn is_authority(scheme: &str, authority: &str) -> bool {
    let is_part = |text: &str, others: &str| {
        let is_known = |it: char| it.is_ascii_alphanumeric() || others.contains(it);
        !text.is_empty() && text.chars().all(is_known)
    };
    is_part(scheme, "+-.") && is_part(authority, "-._:[]")
}

/// Returns the host of a host with a port.
fn host(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|it| it.is_ascii_digit()) => host,
        _ => authority,
    }
}

/// Returns whether a page comes from the host and port of the request itself. With TLS, the page came by
/// TLS, too. Without, a reverse proxy may have ended it.
fn is_origin_of(origin: &str, host_header: Option<&str>, uses_tls: bool) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    let default_port = match scheme {
        "https" | "wss" => ":443",
        _ if uses_tls => return false,
        _ => ":80",
    };
    let bare = |authority| str::strip_suffix(authority, default_port).unwrap_or(authority);
    host_header.is_some_and(|host| bare(host) == bare(authority))
}

/// Returns whether nobody else can own a name in the Internet: the name is an address, `localhost`, or has
/// no dot.
fn is_name_of_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let is_last = |label: &str| label == "localhost";
    address.parse::<IpAddr>().is_ok()
        || !host.contains('.')
        || host.rsplit('.').next().is_some_and(is_last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(allowed: &[&str], origin: Option<&str>, host: &str, is_local: bool) -> bool {
        let allowed: Vec<_> = allowed.iter().map(ToString::to_string).collect();
        let allowed = AllowedOrigins::new(&allowed).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        let name = || match is_local {
            true => allowed.check_name(&headers),
            false => Ok(()),
        };
        allowed
            .check_page(&headers, false)
            .and_then(|()| name())
            .is_ok()
    }

    #[test]
    fn a_page_of_a_broker_with_tls_came_by_tls() {
        let allowed = AllowedOrigins::default();
        for (origin, is_own) in [
            ("https://lab.example.org", true),
            ("https://lab.example.org:443", true),
            ("http://lab.example.org", false),
            ("http://lab.example.org:443", false),
            ("https://lab.example.org:8443", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "lab.example.org".parse().unwrap());
            headers.insert(header::ORIGIN, origin.parse().unwrap());
            assert_eq!(
                allowed.check_page(&headers, true).is_ok(),
                is_own,
                "{origin}"
            );
        }
    }

    #[test]
    fn a_foreign_origin_is_refused() {
        let local = "localhost:8080";
        assert!(check(&[], None, local, true));
        // The client of Python sends the address of the broker itself.
        assert!(check(&[], Some("http://localhost:8080"), local, true));
        assert!(check(
            &[],
            Some("https://lab.example.org"),
            "lab.example.org",
            false
        ));
        assert!(check(
            &[],
            Some("https://lab.example.org"),
            "lab.example.org:443",
            false
        ));
        assert!(check(
            &[],
            Some("http://LAB.example.org:80"),
            "lab.example.org",
            false
        ));
        for foreign in [
            "http://localhost:5173",
            "http://localhost",
            "http://127.0.0.1:8080",
            "https://evil.example",
            "null",
            "",
            "chrome-extension://abc",
        ] {
            for is_local in [true, false] {
                assert!(!check(&[], Some(foreign), local, is_local), "{foreign}");
                assert!(check(&["*"], Some(foreign), local, is_local), "{foreign}");
            }
        }
        let allowed = ["http://localhost:5173", "null", "https://Lab.example.org"];
        for origin in ["http://localhost:5173", "null", "https://lab.example.org"] {
            assert!(check(&allowed, Some(origin), local, true), "{origin}");
        }
        assert!(!check(&allowed, Some("http://localhost:5174"), local, true));
    }

    #[test]
    fn a_foreign_name_is_refused_on_this_machine() {
        for name in [
            "localhost:8080",
            "localhost",
            "127.0.0.1:8080",
            "127.0.0.1",
            "[::1]:8080",
            "[::1]",
            "my-machine:8080",
            "lab.localhost",
        ] {
            assert!(check(&[], None, name, true), "{name}");
        }
        // The name of the page leads to this machine now.
        let rebound = "http://evil.example:8080";
        assert!(!check(&[], Some(rebound), "evil.example:8080", true));
        assert!(!check(&[], None, "evil.example:8080", true));
        assert!(!check(&[], None, "localhost.evil.example", true));
        // From another machine, the broker may have any name.
        assert!(check(&[], None, "lab.example.org:8080", false));
        let allowed = ["https://lab.example.org"];
        assert!(check(&allowed, None, "lab.example.org:8080", true));
        assert!(check(
            &allowed,
            Some("https://lab.example.org"),
            "lab.example.org",
            true
        ));
        assert!(!check(&allowed, None, "lab.example.com", true));
        assert!(check(&["*"], None, "evil.example", true));
    }

    #[test]
    fn only_origins_are_allowed() {
        for wrong in [
            "",
            "lab.example.org",
            "https://",
            "https://lab.example.org/page",
            "://x",
            "a b",
        ] {
            assert!(AllowedOrigins::new(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
    }
}
