//! Names and addresses of hosts, inside and outside of URLs.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The greatest length of a host name, and of a part between its dots.
const MAX_NAME_LENGTH: usize = 253;
const MAX_LABEL_LENGTH: usize = 63;

/// Writes a host for a URL: an IPv6 address gets brackets, unless it has them.
///
/// # Errors
/// Why it is not a host, in words that begin with "it".
pub(crate) fn in_url(host: &str) -> Result<String, String> {
    let bare = without_brackets(host);
    if bare.parse::<Ipv6Addr>().is_ok() {
        return Ok(format!("[{bare}]"));
    }
    check_name(host)?;
    Ok(host.to_owned())
}

/// A host without the brackets of an IPv6 address.
pub(crate) fn without_brackets(host: &str) -> &str {
    let inner = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    inner.unwrap_or(host)
}

/// Refuses a text that is neither a name nor an IPv4 address.
fn check_name(host: &str) -> Result<(), String> {
    if host.is_empty() {
        return Err("it is empty".to_owned());
    }
    if host.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("it has a blank in it".to_owned());
    }
    if host.contains("://") {
        return Err(
            "it is a URL, which is given with --websocket-url, or in code with websocket()"
                .to_owned(),
        );
    }
    if host.contains('@') {
        return Err("it has a user in it".to_owned());
    }
    if host.contains(['/', '?', '#']) {
        return Err("it has a path behind it".to_owned());
    }
    if let Some((address, _)) = without_brackets(host).split_once('%')
        && address.parse::<Ipv6Addr>().is_ok()
    {
        return Err(
            "it has a zone behind the %, which URLs do not know; use an address without one, or a name"
                .to_owned(),
        );
    }
    if let Some((_, port)) = host.rsplit_once(':')
        && (host.starts_with('[') || host.matches(':').count() == 1)
    {
        return Err(format!("it has a port, {port:?}, which is given by itself"));
    }
    if host.contains([':', '[', ']']) {
        return Err("it is no IPv6 address".to_owned());
    }
    if !host.is_ascii() {
        return Err(
            "it has letters beyond ASCII; such a name is given in the form that begins with xn--"
                .to_owned(),
        );
    }
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if let Some(character) = host.chars().find(|&c| !is_allowed(c)) {
        return Err(format!("it has {character:?} in it"));
    }
    // A name may end with a dot, which makes it absolute.
    let labels = host.strip_suffix('.').unwrap_or(host);
    if labels.split('.').any(str::is_empty) {
        return Err("a part between its dots is empty".to_owned());
    }
    if labels.len() > MAX_NAME_LENGTH {
        return Err(format!("it has more than {MAX_NAME_LENGTH} characters"));
    }
    if labels
        .split('.')
        .any(|label| label.len() > MAX_LABEL_LENGTH)
    {
        return Err(format!(
            "a part between its dots has more than {MAX_LABEL_LENGTH} characters"
        ));
    }
    Ok(())
}

/// Reads host and port from a URL, without the scheme and the user; `None` for a missing port.
///
/// # Errors
/// What is wrong with them, in words that begin with "its".
pub(crate) fn split(authority: &str) -> Result<(String, Option<u16>), String> {
    let (host, port) = match authority.find(']') {
        Some(end) if authority.starts_with('[') => {
            let (host, port) = authority.split_at(end + 1);
            (host, (!port.is_empty()).then_some(port))
        }
        _ => match authority.find(':') {
            Some(_)
                if authority.parse::<Ipv6Addr>().is_ok() || authority.matches(':').count() > 1 =>
            {
                return Err(
                    "an IPv6 address in it needs brackets, as in ws://[::1]:8080".to_owned(),
                );
            }
            Some(colon) => {
                let (host, port) = authority.split_at(colon);
                (host, Some(port))
            }
            None => (authority, None),
        },
    };
    let host = in_url(host).map_err(|reason| format!("its host is none: {reason}"))?;
    let port = match port {
        None | Some(":") => None,
        Some(port) => {
            let digits = port.strip_prefix(':').unwrap_or(port);
            let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
            let number = digits.parse().ok().filter(|&port: &u16| port > 0);
            match number.filter(|_| is_number) {
                Some(port) => Some(port),
                None => return Err("its port is no number from 1 to 65535".to_owned()),
            }
        }
    };
    Ok((host, port))
}

/// Whether a host is the loopback of every machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let host = without_brackets(host);
    host.trim_end_matches('.').eq_ignore_ascii_case("localhost")
        || host
            .parse()
            .is_ok_and(|address: Ipv4Addr| address.is_loopback())
        || host
            .parse()
            .is_ok_and(|address: Ipv6Addr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address() {
        for (host, in_a_url) in [
            ("localhost", "localhost"),
            ("Broker_1.example.org", "Broker_1.example.org"),
            ("broker.example.org.", "broker.example.org."),
            ("192.0.2.1", "192.0.2.1"),
            ("::1", "[::1]"),
            ("[::1]", "[::1]"),
            ("2001:db8::7", "[2001:db8::7]"),
            ("::ffff:192.0.2.1", "[::ffff:192.0.2.1]"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ] {
            assert_eq!(in_url(host).as_deref(), Ok(in_a_url), "{host}");
        }
        let long = "a".repeat(64);
        let longer = "a.".repeat(130);
        for (host, reason) in [
            ("", "it is empty"),
            (" localhost", "it has a blank"),
            ("my host", "it has a blank"),
            ("localhost\n", "it has a blank"),
            ("localhost:18080", "it has a port, \"18080\""),
            ("localhost:", "it has a port, \"\""),
            ("[::1]:8080", "it has a port, \"8080\""),
            ("ws://localhost", "it is a URL"),
            ("ws://localhost:8080/ws", "it is a URL"),
            ("ada:secret@localhost", "it has a user"),
            ("localhost/ws", "it has a path"),
            ("fe80::1%eth0", "it has a zone"),
            ("[fe80::1%25eth0]", "it has a zone"),
            ("::g", "it is no IPv6 address"),
            ("[::1", "it has a port"),
            ("[localhost]", "it is no IPv6 address"),
            ("bücher.example", "xn--"),
            ("a$b", "it has '$'"),
            ("a..b", "a part between its dots is empty"),
            (".", "a part between its dots is empty"),
            (&long, "more than 63"),
            (&longer, "more than 253"),
        ] {
            let refused = in_url(host).unwrap_err();
            assert!(refused.contains(reason), "{host:?}: {refused}");
            assert!(!refused.contains("secret"), "{refused}");
        }
    }

    #[test]
    fn a_host_is_split_from_its_port() {
        for (authority, host, port) in [
            ("h", "h", None),
            ("h:", "h", None),
            ("h:80", "h", Some(80)),
            ("[::1]", "[::1]", None),
            ("[::1]:65535", "[::1]", Some(65535)),
        ] {
            assert_eq!(split(authority), Ok((host.to_owned(), port)), "{authority}");
        }
        for (authority, reason) in [
            ("::1", "needs brackets"),
            ("::1:8080", "needs brackets"),
            ("h:0", "its port"),
            ("h:65536", "its port"),
            ("h:+1", "its port"),
            ("h:x", "its port"),
            ("[::1]8080x", "its port"),
            (":8080", "its host is none: it is empty"),
        ] {
            let refused = split(authority).unwrap_err();
            assert!(refused.contains(reason), "{authority}: {refused}");
        }
    }

    #[test]
    fn this_machine_has_several_names() {
        for host in [
            "localhost",
            "LOCALHOST.",
            "127.0.0.1",
            "127.1.2.3",
            "::1",
            "[::1]",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.example.org", "192.0.2.1", "[::2]"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
