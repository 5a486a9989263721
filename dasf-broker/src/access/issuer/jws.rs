//! The compact form of a signed JSON Web Token: RFC 7515.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// A token whose signature nobody has checked yet.
#[derive(Debug)]
#[cfg_attr(not(feature = "jwt"), allow(dead_code))] // only keys read all of it
pub(super) struct Jws<'a> {
    pub(super) header: Header,
    /// What is signed.
    pub(super) message: &'a [u8],
    pub(super) payload: Vec<u8>,
    pub(super) signature: Vec<u8>,
}

#[derive(Debug, Deserialize)]
#[cfg_attr(not(feature = "jwt"), allow(dead_code))] // only keys read all of it
pub(super) struct Header {
    pub(super) alg: String,
    pub(super) kid: Option<String>,
    crit: Option<IgnoredAny>,
}

impl<'a> Jws<'a> {
    pub(super) fn parse(token: &'a str) -> Result<Self, &'static str> {
        let decode = |part| {
            let decoded = URL_SAFE_NO_PAD.decode(part);
            decoded.map_err(|_| "a part of it is not base64url")
        };
        let parts = token.rsplit_once('.');
        let (message, signature) = parts.ok_or("it has no signature")?;
        let (header, payload) = message.split_once('.').ok_or("it has two parts")?;
        let header: Header = serde_json::from_slice(&decode(header)?)
            .map_err(|_| "its header does not name the algorithm, `alg`")?;
        if header.crit.is_some() {
            // RFC 7515 demands to refuse what one does not understand.
            return Err("its header demands extensions, `crit`, that the broker does not have");
        }
        Ok(Self {
            header,
            message: message.as_bytes(),
            payload: decode(payload)?,
            signature: decode(signature)?,
        })
    }
}
