//! The keys of an issuer: a JSON Web Key Set, RFC 7517.

use std::error::Error;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaPublicKeyComponents, UnparsedPublicKey,
    VerificationAlgorithm,
};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::jws::Jws;

/// The largest size of a file with keys.
const MAX_FILE: u64 = 1024 * 1024;

/// The keys with which an issuer signs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Keys(Vec<Arc<Key>>);

/// A public key. It decides which algorithms sign with it: a token that could choose would choose a weak one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Key {
    id: Option<String>,
    /// The only algorithm for which the issuer uses the key, if the file says so.
    algorithm: Option<String>,
    public: Public,
}

#[derive(Debug, PartialEq, Eq)]
enum Public {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

/// Why a key does not prove that a token is right.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BadKey<'a> {
    Unknown { kid: &'a str },
    Unnamed,
    Algorithm,
    Signature,
}

/// The error of a file without keys that the broker can use.
#[derive(Debug, thiserror::Error)]
enum KeysError {
    #[error(transparent)]
    Read(#[from] io::Error),
    #[error("the file has more than {MAX_FILE} bytes")]
    Large,
    #[error("it is no JSON Web Key Set: {0}; its form is {{\"keys\": [...]}}")]
    Form(#[from] serde_json::Error),
    #[error(
        "none of its {0} keys signs with RSA, ECDSA (P-256 or P-384) or Ed25519; get the file from the `jwks_uri` \
         of the issuer"
    )]
    Empty(usize),
    #[error("key {number}, {id:?}: {problem}")]
    Key {
        number: usize,
        id: String,
        problem: String,
    },
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Map<String, Value>>,
}

impl Keys {
    pub(super) fn load(path: &Path) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let mut text = Vec::new();
        let file = File::open(path)?;
        file.take(MAX_FILE + 1).read_to_end(&mut text)?;
        match text.len() as u64 > MAX_FILE {
            true => Err(KeysError::Large.into()),
            false => Ok(Self::parse(&text)?),
        }
    }

    fn parse(text: &[u8]) -> Result<Self, KeysError> {
        let set: Set = serde_json::from_slice(text)?;
        let mut keys = Vec::new();
        for (index, key) in set.keys.iter().enumerate() {
            let read = Key::read(key).map_err(|problem| KeysError::Key {
                number: index + 1,
                id: text_of(key, "kid").unwrap_or_default().to_owned(),
                problem,
            })?;
            keys.extend(read.map(Arc::new));
        }
        match keys.is_empty() {
            true => Err(KeysError::Empty(set.keys.len())),
            false => Ok(Self(keys)),
        }
    }

    /// Checks the signature of a token, and returns the key that has made it.
    pub(super) fn verify<'a>(&self, jws: &'a Jws<'_>) -> Result<Arc<Key>, BadKey<'a>> {
        let key = match (&jws.header.kid, &*self.0) {
            (None, [key]) => key,
            (None, _) => return Err(BadKey::Unnamed),
            (Some(kid), keys) => {
                let mut named = keys.iter().filter(|key| key.id() == Some(kid)).peekable();
                if named.peek().is_none() {
                    return Err(BadKey::Unknown { kid });
                }
                // Keys of several kinds may have the same name.
                let mut fitting = named.filter(|key| key.scheme(&jws.header.alg).is_some());
                fitting.next().ok_or(BadKey::Algorithm)?
            }
        };
        let scheme = key.scheme(&jws.header.alg).ok_or(BadKey::Algorithm)?;
        let verified = scheme.verify(jws.message, &jws.signature);
        verified.map_err(|_| BadKey::Signature)?;
        Ok(key.clone())
    }

    pub(super) fn contain(&self, key: &Key) -> bool {
        self.0.iter().any(|known| **known == *key)
    }
}

/// A key with an algorithm.
enum Scheme<'a> {
    Rsa(
        RsaPublicKeyComponents<&'a [u8]>,
        &'static ring::signature::RsaParameters,
    ),
    Curve(UnparsedPublicKey<&'a [u8]>),
}

impl Scheme<'_> {
    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), ring::error::Unspecified> {
        match self {
            Self::Rsa(key, parameters) => key.verify(parameters, message, signature),
            Self::Curve(key) => key.verify(message, signature),
        }
    }
}

impl Key {
    /// Reads a key. Returns `None` if it is of a kind that the broker does not use: an issuer may have keys
    /// for other purposes, and RFC 7517 demands to leave out what one does not understand. Keys of the kind
    /// `oct` are secrets, with which the broker could make tokens itself.
    fn read(key: &Map<String, Value>) -> Result<Option<Self>, String> {
        let text = |name| text_of(key, name);
        if text("use").is_some_and(|purpose| purpose != "sig") {
            return Ok(None);
        }
        let bytes = |name| {
            let value = text(name).ok_or_else(|| format!("{name:?} is missing"))?;
            let bytes = URL_SAFE_NO_PAD.decode(value.trim_end_matches('='));
            bytes.map_err(|_| format!("{name:?} is not base64url"))
        };
        let sized = |name, size| match bytes(name)? {
            bytes if bytes.len() == size => Ok(bytes),
            bytes => Err(format!("{name:?} has {} bytes, not {size}", bytes.len())),
        };
        let point = |size| {
            // RFC 5480: an uncompressed point.
            Ok::<_, String>([vec![4], sized("x", size)?, sized("y", size)?].concat())
        };
        let public = match (text("kty"), text("crv")) {
            (Some("RSA"), _) => {
                let [n, e] = ["n", "e"].map(|name| bytes(name).map(|it| without_zeros(&it)));
                let (n, e) = (n?, e?);
                if !(256..=1024).contains(&n.len()) {
                    return Err(format!(
                        "its {} bits are not 2048 to 8192, which the broker accepts",
                        n.len() * 8
                    ));
                }
                Public::Rsa { n, e }
            }
            (Some("EC"), Some("P-256")) => Public::P256(point(32)?),
            (Some("EC"), Some("P-384")) => Public::P384(point(48)?),
            (Some("OKP"), Some("Ed25519")) => Public::Ed25519(sized("x", 32)?),
            _ => return Ok(None),
        };
        let read = Self {
            id: text("kid").map(str::to_owned),
            algorithm: text("alg").map(str::to_owned),
            public,
        };
        // A key for encryption often says so with its algorithm only.
        let signs = read
            .algorithm
            .as_deref()
            .is_none_or(|it| read.scheme(it).is_some());
        Ok(signs.then_some(read))
    }

    pub(super) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Returns how to check signatures with an algorithm, if the key is for it.
    fn scheme(&self, algorithm: &str) -> Option<Scheme<'_>> {
        if self.algorithm.as_ref().is_some_and(|own| own != algorithm) {
            return None;
        }
        let curve = |kind: &'static dyn VerificationAlgorithm, point| {
            Scheme::Curve(UnparsedPublicKey::new(kind, point))
        };
        match (&self.public, algorithm) {
            (Public::Rsa { n, e }, _) => {
                let parameters = match algorithm {
                    "RS256" => &RSA_PKCS1_2048_8192_SHA256,
                    "RS384" => &RSA_PKCS1_2048_8192_SHA384,
                    "RS512" => &RSA_PKCS1_2048_8192_SHA512,
                    "PS256" => &RSA_PSS_2048_8192_SHA256,
                    "PS384" => &RSA_PSS_2048_8192_SHA384,
                    "PS512" => &RSA_PSS_2048_8192_SHA512,
                    _ => return None,
                };
                Some(Scheme::Rsa(RsaPublicKeyComponents { n, e }, parameters))
            }
            (Public::P256(point), "ES256") => Some(curve(&ECDSA_P256_SHA256_FIXED, point)),
            (Public::P384(point), "ES384") => Some(curve(&ECDSA_P384_SHA384_FIXED, point)),
            (Public::Ed25519(point), "EdDSA" | "Ed25519") => Some(curve(&ED25519, point)),
            _ => None,
        }
    }
}

fn text_of<'a>(key: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    key.get(name)?.as_str()
}

/// Removes leading zeros, which some issuers write although RFC 7518 forbids them.
fn without_zeros(number: &[u8]) -> Vec<u8> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default().to_vec()
}
