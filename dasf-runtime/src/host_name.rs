//! Checks the names and addresses of hosts, inside and outside URLs.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The greatest length of a host name. [`MAX_LABEL_LENGTH`] limits each part between its dots.
const MAX_NAME_LENGTH: usize = 253;
const MAX_LABEL_LENGTH: usize = 63;

/// Returns the name of this machine, if the system tells it.
pub(crate) fn of_this_machine() -> Option<String> {
    let of_linux = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let of_environment = || {
        let names = ["HOSTNAME", "COMPUTERNAME"].into_iter();
        names.filter_map(|name| std::env::var(name).ok()).next()
    };
    let name = of_linux.or_else(of_environment)?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// Returns a host as a URL needs it: an IPv6 address gets brackets unless it has them.
///
/// # Errors
/// Returns the reason why it is not a host. The text begins with "it" or "a part".
pub(crate) fn in_url(host: &str) -> Result<String, String> {
    let bare = without_brackets(host);
    if bare.parse::<Ipv6Addr>().is_ok() {
        return Ok(format!("[{bare}]"));
    }
    check_name(host)?;
    Ok(host.to_owned())
}

/// Removes the brackets of an IPv6 address.
pub(crate) fn without_brackets(host: &str) -> &str {
    let inner = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    inner.unwrap_or(host)
}

/// Rejects a string that is neither a name nor an IPv4 address.
fn check_name(host: &str) -> Result<(), String> {
    if host.is_empty() {
        return Err("it is empty".to_owned());
    }
    if host.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("it contains a space or a control character".to_owned());
    }
    if host.contains("://") {
        return Err("it is a URL, as DASF and MQTT brokers have".to_owned());
    }
    if host.contains('@') {
        return Err("it contains a user name".to_owned());
    }
    if host.contains(['/', '?', '#']) {
        return Err("it contains a path".to_owned());
    }
    if let Some((address, _)) = without_brackets(host).split_once('%')
        && address.parse::<Ipv6Addr>().is_ok()
    {
        return Err(
            "it contains a zone after the %, which a URL cannot have; use an address without a zone, or a name"
                .to_owned(),
        );
    }
    if let Some((_, port)) = host.rsplit_once(':')
        && (host.starts_with('[') || host.matches(':').count() == 1)
    {
        return Err(format!(
            "it contains a port, {port:?}; give the port separately"
        ));
    }
    if host.contains([':', '[', ']']) {
        return Err("it is not an IPv6 address".to_owned());
    }
    if !host.is_ascii() {
        return Err(
            "it contains letters outside ASCII; use the form of the name that begins with xn--"
                .to_owned(),
        );
    }
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if let Some(character) = host.chars().find(|&c| !is_allowed(c)) {
        return Err(format!("it contains {character:?}"));
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

/// Splits the authority of a URL, without its user, into host and port. The port is `None` if it is
/// missing.
///
/// # Errors
/// Returns the reason why it is invalid. The text begins with "its" or "an IPv6 address".
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
                    "an IPv6 address in a URL needs brackets, as in ws://[::1]:8080".to_owned(),
                );
            }
            Some(colon) => {
                let (host, port) = authority.split_at(colon);
                (host, Some(port))
            }
            None => (authority, None),
        },
    };
    let host = in_url(host).map_err(|reason| format!("its host is invalid: {reason}"))?;
    let port = match port {
        None | Some(":") => None,
        Some(port) => {
            let digits = port.strip_prefix(':').unwrap_or(port);
            let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
            let number = digits.parse().ok().filter(|&port: &u16| port > 0);
            match number.filter(|_| is_number) {
                Some(port) => Some(port),
                None => return Err("its port is not a number from 1 to 65535".to_owned()),
            }
        }
    };
    Ok((host, port))
}

/// Whether a host is the loopback address of this machine.
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
            (" localhost", "it contains a space"),
            ("my host", "it contains a space"),
            ("localhost\n", "it contains a space"),
            ("localhost:18080", "it contains a port, \"18080\""),
            ("localhost:", "it contains a port, \"\""),
            ("[::1]:8080", "it contains a port, \"8080\""),
            ("ws://localhost", "it is a URL"),
            ("ws://localhost:8080/ws", "it is a URL"),
            ("ada:secret@localhost", "it contains a user"),
            ("localhost/ws", "it contains a path"),
            ("fe80::1%eth0", "it contains a zone"),
            ("[fe80::1%25eth0]", "it contains a zone"),
            ("::g", "it is not an IPv6 address"),
            ("[::1", "it contains a port"),
            ("[localhost]", "it is not an IPv6 address"),
            ("bücher.example", "xn--"),
            ("a$b", "it contains '$'"),
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
            (":8080", "its host is invalid: it is empty"),
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
