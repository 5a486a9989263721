//! Which web pages may use a server, such as a broker.
//!
//! Every page that a browser shows can connect to every port that its machine reaches, and may know a token
//! that somebody typed into another page. The browser tells the origin of the page in its request. A page
//! whose name leads to this machine only after it was loaded has the same origin as the server. So without a
//! token, the name that the peer uses is checked, too.

use std::net::IpAddr;

/// The pages that may use a server.
///
/// ```
/// use dasf_protocol::origin::AllowedOrigins;
///
/// let allowed = AllowedOrigins::new("broker", &["https://lab.example.org".to_owned()])?;
/// let host = Some(&b"broker.example.org"[..]);
/// assert!(allowed.check_page(Some(b"https://lab.example.org"), host, true).is_ok());
/// assert!(allowed.check_page(Some(b"https://evil.example"), host, true).is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone)]
pub struct AllowedOrigins {
    /// What the server is called in messages.
    server: &'static str,
    all: bool,
    origins: Vec<String>,
    /// The hosts of the origins, without ports.
    hosts: Vec<String>,
}

impl AllowedOrigins {
    /// Reads origins such as `https://lab.example.org`; `*` stands for all. `server` is what the server is called
    /// in messages, such as `broker`.
    ///
    /// # Errors
    /// Returns the first text that is not an origin.
    pub fn new(server: &'static str, origins: &[String]) -> Result<Self, String> {
        let mut allowed = Self {
            server,
            all: false,
            origins: Vec::new(),
            hosts: Vec::new(),
        };
        for text in origins {
            let text = text.trim().to_ascii_lowercase();
            match (text.as_str(), text.split_once("://")) {
                ("*", _) => allowed.all = true,
                // The origin of files and of pages in a sandbox.
                ("null", _) => allowed.origins.push(text),
                (_, Some((scheme, authority))) if is_authority(scheme, authority) => {
                    allowed.hosts.push(bare_host(authority).to_owned());
                    allowed.origins.push(text);
                }
                _ => return Err(text),
            }
        }
        Ok(allowed)
    }

    /// Returns whether a page of another server may use this one.
    pub fn allows(&self, origin: &[u8]) -> bool {
        self.all || self.origins.contains(&lower(origin))
    }

    /// Checks whether the page of a request, if it comes from one, may use the server. `origin` and `host` are
    /// the headers of these names.
    ///
    /// # Errors
    /// Returns the reason for a page that may not.
    pub fn check_page(
        &self,
        origin: Option<&[u8]>,
        host: Option<&[u8]>,
        uses_tls: bool,
    ) -> Result<(), String> {
        let Some(origin) = origin.filter(|_| !self.all) else {
            return Ok(());
        };
        let (origin, host) = (lower(origin), host.map(lower));
        if self.origins.contains(&origin) || is_origin_of(&origin, host.as_deref(), uses_tls) {
            return Ok(());
        }
        let server = self.server;
        Err(format!(
            "a web page of the origin {origin:?} may not use this {server}; start the {server} with \
             --allow-origin {origin:?} to permit it"
        ))
    }

    /// Checks the name by which a request from this machine calls a server without a token. `host` is the header
    /// of this name.
    ///
    /// # Errors
    /// Returns the reason for a name that may belong to somebody else.
    pub fn check_name(&self, host: Option<&[u8]>) -> Result<(), String> {
        let host_header = host.map(lower);
        if let Some(name) = host_header.as_deref().map(bare_host)
            && !self.all
            && !is_name_of_this_machine(name)
            && !self.hosts.iter().any(|allowed| allowed == name)
        {
            let server = self.server;
            return Err(format!(
                "the host {name:?} is not a name of this machine, and this {server} has no token; use \
                 localhost, or start the {server} with --allow-origin https://{name}, or with a token"
            ));
        }
        Ok(())
    }
}

fn lower(text: &[u8]) -> String {
    String::from_utf8_lossy(text).to_ascii_lowercase()
}

fn is_authority(scheme: &str, authority: &str) -> bool {
    let is_part = |text: &str, others: &str| {
        let is_known = |it: char| it.is_ascii_alphanumeric() || others.contains(it);
        !text.is_empty() && text.chars().all(is_known)
    };
    is_part(scheme, "+-.") && is_part(authority, "-._:[]")
}

/// Returns the host of a host with a port.
fn bare_host(authority: &str) -> &str {
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
        let allowed = AllowedOrigins::new("broker", &allowed).unwrap();
        let host = Some(host.as_bytes());
        let name = || match is_local {
            true => allowed.check_name(host),
            false => Ok(()),
        };
        let origin = origin.map(str::as_bytes);
        allowed
            .check_page(origin, host, false)
            .and_then(|()| name())
            .is_ok()
    }

    #[test]
    fn a_page_of_a_broker_with_tls_came_by_tls() {
        let allowed = AllowedOrigins::new("broker", &[]).unwrap();
        for (origin, is_own) in [
            ("https://lab.example.org", true),
            ("https://lab.example.org:443", true),
            ("http://lab.example.org", false),
            ("http://lab.example.org:443", false),
            ("https://lab.example.org:8443", false),
        ] {
            let host = Some(&b"lab.example.org"[..]);
            assert_eq!(
                allowed
                    .check_page(Some(origin.as_bytes()), host, true)
                    .is_ok(),
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
            assert!(
                AllowedOrigins::new("broker", &[wrong.to_owned()]).is_err(),
                "{wrong}"
            );
        }
    }
}
