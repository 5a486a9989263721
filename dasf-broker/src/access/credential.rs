//! The tokens of a handshake.

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::route::{Query, RouteError};

/// The WebSocket subprotocol with which the broker answers a peer that offers it. Browsers accept no
/// answer without one if a page offers any.
pub(crate) const SUBPROTOCOL: &str = "dasf";

/// The begin of a subprotocol that contains a token, as base64url. A page cannot send other headers.
const TOKEN_SUBPROTOCOL: &str = "dasf-token.";

/// Returns the tokens that a handshake contains.
pub(super) fn tokens(headers: &HeaderMap, query: &Query<'_>) -> Result<Vec<String>, RouteError> {
    let parameter = query.get("token")?;
    let tokens = of_header(headers)
        .into_iter()
        .chain(of_subprotocols(headers));
    Ok(tokens.chain(parameter.map(Into::into)).collect())
}

fn of_header(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let is_token = scheme.eq_ignore_ascii_case("token") || scheme.eq_ignore_ascii_case("bearer");
    is_token.then(|| token.trim().to_owned())
}

fn of_subprotocols(headers: &HeaderMap) -> impl Iterator<Item = String> {
    let offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).into_iter();
    let offered = offered.filter_map(|value| value.to_str().ok());
    offered
        .flat_map(|value| value.split(','))
        .filter_map(|protocol| {
            let encoded = protocol.trim().strip_prefix(TOKEN_SUBPROTOCOL)?;
            // What cannot be decoded is a wrong token, and not a missing one.
            let decoded = URL_SAFE_NO_PAD.decode(encoded.trim_end_matches('=')).ok();
            Some(
                decoded
                    .and_then(|it| String::from_utf8(it).ok())
                    .unwrap_or_default(),
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens_of(pairs: &[(&'static str, &str)], query: &str) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        tokens(&headers, &Query::new(Some(query))).unwrap()
    }

    #[test]
    fn a_token_comes_in_one_of_three_ways() {
        assert_eq!(tokens_of(&[], "x=y"), [""; 0]);
        assert_eq!(tokens_of(&[("authorization", "Token a+b=")], ""), ["a+b="]);
        assert_eq!(tokens_of(&[("authorization", "bearer  a ")], ""), ["a"]);
        assert_eq!(tokens_of(&[("authorization", "Basic a")], ""), [""; 0]);
        assert_eq!(tokens_of(&[], "token=a%2Bb="), ["a+b="]);
        let name = "sec-websocket-protocol";
        assert_eq!(tokens_of(&[(name, "dasf, dasf-token.YSti")], ""), ["a+b"]);
        assert_eq!(
            tokens_of(&[(name, "dasf"), (name, "dasf-token.YQ==")], ""),
            ["a"]
        );
        assert_eq!(tokens_of(&[(name, "dasf-token.!")], ""), [""]);
        let all = [("authorization", "Token a"), (name, "dasf-token.Yg")];
        assert_eq!(tokens_of(&all, "token=c"), ["a", "b", "c"]);
    }
}
