use std::fs;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use serde_json::json;
use tempfile::TempDir;

use super::super::policy::Policy;
use super::super::rights::Right;
use super::super::{Config, Quota};
use super::*;

/// An issuer with a key of Ed25519, and the folder of its configuration.
struct Lab {
    key: Ed25519KeyPair,
    folder: TempDir,
}

const NOW: u64 = 1_800_000_000;

const CONFIG: &str = r#"
    [roles.caller]
    call = ["river"]
    [roles.everybody]
    call = ["demo"]
    [groups.hydrology]
    roles = ["caller"]
    [groups.staff]
    [users.ada]
    groups = ["staff"]
    serve = ["lab"]
    [issuers.lab]
    issuer = "https://lab.example.org"
    audience = ["dasf", "other"]
    jwks = "keys.json"
    roles = ["everybody"]
    [issuers.lab.groups]
    "urn:example:group:H#lab" = "hydrology"
    "urn:example:group:S#lab" = "staff"
"#;

fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW)
}

fn sign_with(header: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let [header, claims] = [header, claims].map(|it| text(it.to_string().as_bytes()));
    let message = format!("{header}.{claims}");
    let signature = text(&sign(message.as_bytes()));
    format!("{message}.{signature}")
}

fn claims() -> Value {
    json!({
        "iss": "https://lab.example.org", "aud": "dasf", "sub": "eve", "exp": NOW + 60,
        "groups": ["urn:example:group:H#lab", "urn:example:group:X#lab"],
    })
}

impl Lab {
    fn new() -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let lab = Self {
            key: Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap(),
            folder: tempfile::tempdir().unwrap(),
        };
        lab.write(&json!({"keys": [lab.jwk()]}));
        lab
    }

    fn jwk(&self) -> Value {
        let x = text(self.key.public_key().as_ref());
        json!({"kty": "OKP", "crv": "Ed25519", "kid": "one", "x": x})
    }

    fn write(&self, keys: &Value) {
        fs::write(self.folder.path().join("keys.json"), keys.to_string()).unwrap();
    }

    fn read(&self, config: &str) -> Result<Arc<Policy>, ConfigError> {
        Config::read(config, Some(self.folder.path())).map(|config| config.policy)
    }

    fn policy(&self) -> Arc<Policy> {
        self.read(CONFIG).unwrap()
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        sign_with(header, claims, |it| self.key.sign(it).as_ref().to_vec())
    }

    fn token(&self, claims: &Value) -> String {
        self.sign(&json!({"alg": "EdDSA", "kid": "one"}), claims)
    }

    /// Returns the text of the refusal of claims.
    fn refusal(&self, policy: &Policy, changes: &[(&str, Value)]) -> String {
        let mut claims = claims();
        for (name, value) in changes {
            claims[name] = value.clone();
        }
        match policy.check_jwt(&self.token(&claims), now()).unwrap() {
            Ok((_, guest)) => panic!("{claims}: {guest:?}"),
            Err(error) => error.to_string(),
        }
    }

    fn guest(&self, policy: &Policy, claims: &Value) -> Guest {
        let checked = policy.check_jwt(&self.token(claims), now()).unwrap();
        checked.unwrap_or_else(|error| panic!("{error}")).1
    }
}

fn may_call(guest: &Guest, topic: &str) -> bool {
    let topic = topic.parse::<dasf_protocol::Topic>().unwrap();
    guest.policy.allows(Right::Call, &topic.into())
}

#[test]
fn claims_become_a_user_with_groups() {
    let lab = Lab::new();
    let guest = lab.guest(&lab.policy(), &claims());
    assert_eq!(guest.name.as_str(), "eve");
    assert_eq!(guest.expires, now() + Duration::from_secs(60) + LEEWAY);
    let stamp = r#""x_dasf_user":"eve","x_dasf_groups":"hydrology""#;
    assert_eq!(&*guest.policy.stamp, stamp);
    assert!(may_call(&guest, "river") && may_call(&guest, "demo") && !may_call(&guest, "lab"));
    // Without a group, the roles of the issuer stay.
    let mut without = claims();
    without["groups"] = Value::Null;
    let guest = lab.guest(&lab.policy(), &without);
    assert_eq!(&*guest.policy.stamp, r#""x_dasf_user":"eve""#);
    assert!(!may_call(&guest, "river") && may_call(&guest, "demo"));
    // One value may stand without a list.
    without["groups"] = json!("urn:example:group:S#lab");
    without["aud"] = json!(["something", "other"]);
    let guest = lab.guest(&lab.policy(), &without);
    assert!(guest.policy.stamp.contains("staff"), "{guest:?}");
    // Values that are no text name no group.
    without["groups"] = json!([5, {}, "urn:example:group:S#lab"]);
    let guest = lab.guest(&lab.policy(), &without);
    assert!(guest.policy.stamp.contains("staff"), "{guest:?}");
}

#[test]
fn a_refusal_tells_the_claim() {
    let lab = Lab::new();
    let policy = lab.policy();
    let late = NOW - LEEWAY.as_secs();
    for (claim, value, word) in [
        ("exp", json!(late), "has expired"),
        ("exp", Value::Null, "\"exp\""),
        ("exp", json!("soon"), "seconds since 1970"),
        ("exp", json!(1e300), "seconds since 1970"),
        ("exp", json!(-1), "seconds since 1970"),
        ("nbf", json!(NOW + LEEWAY.as_secs() + 1), "not valid yet"),
        ("nbf", json!({}), "\"nbf\""),
        ("aud", json!("elsewhere"), "another service"),
        ("aud", json!([]), "another service"),
        ("aud", json!([1]), "\"aud\""),
        ("iss", json!("https://evil.example.org"), "evil.example.org"),
        ("iss", json!(1), "`iss`"),
        ("sub", json!("a b"), "\"a b\" is not a name"),
        ("sub", json!(""), "is not a name"),
        ("sub", json!("x".repeat(10_000)), "is not a name"),
        ("sub", json!(7), "\"sub\""),
        ("sub", json!("anonymous"), "programs without a token"),
        ("groups", json!(7), "\"groups\""),
        ("sub", json!("ada"), "user_prefix"),
    ] {
        let text = lab.refusal(&policy, &[(claim, value.clone())]);
        assert!(text.contains(word), "{claim} {value}: {text}");
        assert!(text.len() < 300, "{claim} {value}: {text}");
    }
    for claim in ["exp", "aud", "sub", "iss"] {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(claim);
        let checked = policy.check_jwt(&lab.token(&claims), now()).unwrap();
        let error = checked.unwrap_err().to_string();
        assert!(error.contains(claim), "{error}");
    }
    // Clocks differ a little.
    let mut claims = claims();
    claims["exp"] = json!(late + 1);
    claims["nbf"] = json!(NOW + LEEWAY.as_secs());
    lab.guest(&policy, &claims);
}

#[test]
fn only_a_key_of_the_issuer_signs() {
    let (lab, other) = (Lab::new(), Lab::new());
    let policy = lab.policy();
    let refusal = |token: &str| {
        let checked = policy.check_jwt(token, now()).unwrap();
        checked.unwrap_err()
    };
    let header = |alg: &str, kid| json!({"alg": alg, "kid": kid});
    let forged = refusal(&other.token(&claims()));
    assert!(matches!(forged, JwtError::Signature), "{forged}");
    let unknown = refusal(&lab.sign(&header("EdDSA", "two"), &claims()));
    assert!(
        matches!(&unknown, JwtError::Key { kid, .. } if kid == "two"),
        "{unknown}"
    );
    let key = lab.key.public_key().as_ref().to_vec();
    let hmac = |message: &[u8]| {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &key);
        ring::hmac::sign(&key, message).as_ref().to_vec()
    };
    for (alg, with_kid) in [
        ("HS256", true),
        ("HS256", false),
        ("none", true),
        ("none", false),
    ] {
        let header = match with_kid {
            true => header(alg, "one"),
            false => json!({"alg": alg}),
        };
        for token in [
            sign_with(&header, &claims(), hmac),
            sign_with(&header, &claims(), |_| Vec::new()),
            lab.sign(&header, &claims()),
        ] {
            let error = refusal(&token);
            assert!(
                matches!(error, JwtError::Algorithm { .. }),
                "{header}: {error}"
            );
        }
    }
    let critical = json!({"alg": "EdDSA", "kid": "one", "crit": ["b64"], "b64": false});
    let critical = refusal(&lab.sign(&critical, &claims()));
    assert!(matches!(critical, JwtError::Form(_)), "{critical}");
    // Each byte counts.
    let token = lab.token(&claims());
    let payload = text(claims().to_string().replace("eve", "ada").as_bytes());
    let parts: Vec<_> = token.split('.').collect();
    let changed = refusal(&format!("{}.{payload}.{}", parts[0], parts[2]));
    assert!(matches!(changed, JwtError::Signature), "{changed}");
    let long = format!("{}.{}.", parts[0], "A".repeat(MAX_LENGTH));
    assert!(matches!(refusal(&long), JwtError::Length(_)));
    for no_jwt in ["", "secret", "a.b", "a.b.c.d"] {
        assert!(policy.check_jwt(no_jwt, now()).is_none(), "{no_jwt}");
    }
}

#[test]
fn a_token_without_a_key_id_needs_an_issuer_with_one_key() {
    let (lab, other) = (Lab::new(), Lab::new());
    let token = lab.sign(&json!({"alg": "EdDSA"}), &claims());
    assert!(lab.policy().check_jwt(&token, now()).unwrap().is_ok());
    let mut second = other.jwk();
    second["kid"] = json!("two");
    lab.write(&json!({"keys": [lab.jwk(), second]}));
    let error = lab.policy().check_jwt(&token, now()).unwrap().unwrap_err();
    assert!(matches!(error, JwtError::NoKeyId(_)), "{error}");
}

#[test]
fn keys_of_other_kinds_do_not_matter() {
    let lab = Lab::new();
    let random = SystemRandom::new();
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
    let point = pair.public_key().as_ref()[1..].to_vec();
    let (x, y) = (text(&point[..32]), text(&point[32..]));
    lab.write(&json!({"keys": [
        {"kty": "oct", "kid": "one", "k": "c2VjcmV0"},
        {"kty": "new", "kid": "one"},
        {"kty": "EC", "crv": "secp256k1", "kid": "one"},
        {"kty": "RSA", "use": "enc", "kid": "one"},
        {"kty": "EC", "crv": "P-256", "kid": "one", "alg": "ECDH-ES", "x": x, "y": y},
        {"kty": "EC", "crv": "P-256", "kid": "one", "alg": "ES256", "x": x, "y": y},
        lab.jwk(),
    ]}));
    let policy = lab.policy();
    let check = |token: &str| policy.check_jwt(token, now()).unwrap();
    assert!(check(&lab.token(&claims())).is_ok());
    let header = json!({"alg": "ES256", "kid": "one"});
    let token = sign_with(&header, &claims(), |it| {
        pair.sign(&random, it).unwrap().as_ref().to_vec()
    });
    assert!(check(&token).is_ok());
    let header = json!({"alg": "HS256", "kid": "one"});
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"secret");
    let token = sign_with(&header, &claims(), |it| {
        ring::hmac::sign(&key, it).as_ref().to_vec()
    });
    assert!(matches!(check(&token), Err(JwtError::Algorithm { .. })));
}

#[test]
fn a_file_without_usable_keys_is_refused() {
    let lab = Lab::new();
    for (keys, word) in [
        (json!({"keys": []}), "none of its 0 keys"),
        (
            json!({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}),
            "none of its 1 keys",
        ),
        (json!([]), "no JSON Web Key Set"),
        (
            json!({"keys": [{"kty": "RSA", "kid": "a", "n": "AQAB", "e": "AQAB"}]}),
            "key 1, \"a\": its 24 bits",
        ),
        (
            json!({"keys": [{"kty": "RSA", "n": "AQAB"}]}),
            "\"e\" is missing",
        ),
        (
            json!({"keys": [{"kty": "RSA", "n": "*", "e": "AQAB"}]}),
            "base64url",
        ),
        (
            json!({"keys": [{"kty": "EC", "crv": "P-256", "x": "AQAB", "y": "AQAB"}]}),
            "\"x\" has 3 bytes, not 32",
        ),
        (
            json!({"keys": [], "fill": "x".repeat(1024 * 1024)}),
            "more than",
        ),
    ] {
        lab.write(&keys);
        let error = lab.read(CONFIG).unwrap_err();
        assert!(matches!(&error, ConfigError::Keys { issuer, .. } if issuer == "lab"));
        let text = error.to_string();
        assert!(text.contains(word) && text.contains("keys.json"), "{text}");
    }
    let missing = lab
        .read(&CONFIG.replace("keys.json", "none.json"))
        .unwrap_err();
    assert!(missing.to_string().contains("none.json"), "{missing}");
}

#[test]
fn a_prefix_or_the_file_decides_about_local_names() {
    let lab = Lab::new();
    let mut of_ada = claims();
    of_ada["sub"] = json!("ada");
    let policy = lab.read(&CONFIG.replace(
        "roles = [\"every",
        "user_prefix = \"lab-\"\nroles = [\"every",
    ));
    let guest = lab.guest(&policy.unwrap(), &of_ada);
    assert_eq!(guest.name.as_str(), "lab-ada");
    let policy =
        lab.read(&CONFIG.replace("roles = [\"every", "local_users = true\nroles = [\"every"));
    let guest = lab.guest(&policy.unwrap(), &of_ada);
    let stamp = r#""x_dasf_user":"ada","x_dasf_groups":"staff,hydrology""#;
    assert_eq!(&*guest.policy.stamp, stamp);
    let lab_topic = "lab".parse::<dasf_protocol::Topic>().unwrap().into();
    assert!(guest.policy.allows(Right::Serve, &lab_topic) && may_call(&guest, "river"));
}

#[test]
fn the_nearest_limit_counts() {
    let lab = Lab::new();
    let policy = lab.read(&format!(
        "{}{}",
        CONFIG.replace("roles = [\"every", "local_users = true\nroles = [\"every"),
        r#"
        [limits]
        max_connections = 1
        max_topics = 1
        max_subscriptions = 1
        [roles.everybody.limits]
        max_topics = 2
        max_subscriptions = 5
        [roles.caller.limits]
        max_subscriptions = 3
        max_memory = 100
        [users.ada.limits]
        max_memory = 7
        "#
    ));
    let policy = policy.unwrap();
    let limits = |changes: &[(&str, Value)]| {
        let mut claims = claims();
        for (name, value) in changes {
            claims[name] = value.clone();
        }
        let limits = lab.guest(&policy, &claims).policy.limits();
        Quota::ALL.map(|quota| limits.get(quota))
    };
    assert_eq!(limits(&[]), [Some(1), Some(2), Some(5), Some(100), None]);
    let without = ("groups", Value::Null);
    assert_eq!(limits(&[without]), [Some(1), Some(2), Some(5), None, None]);
    // The file says more of this user.
    let ada = ("sub", json!("ada"));
    assert_eq!(limits(&[ada]), [Some(1), Some(2), Some(5), Some(7), None]);
}

#[test]
fn users_of_two_issuers_have_different_names() {
    let lab = Lab::new();
    let second = |issuer: &str, prefix: &str| {
        let prefix = match prefix {
            "" => String::new(),
            prefix => format!("user_prefix = \"{prefix}\"\n"),
        };
        let table = format!(
            "[issuers.second]\nissuer = \"{issuer}\"\naudience = \"dasf\"\njwks = \"keys.json\"\n{prefix}"
        );
        let first = CONFIG.replace(
            "roles = [\"every",
            "user_prefix = \"lab-\"\nroles = [\"every",
        );
        lab.read(&(first + &table))
    };
    for prefix in ["", "lab-", "lab-b-", "l"] {
        let error = second("https://second.example.org", prefix).unwrap_err();
        assert!(matches!(error, ConfigError::SamePrefix { .. }), "{error}");
    }
    let same = second("https://lab.example.org", "second-").unwrap_err();
    assert!(matches!(same, ConfigError::SameIssuer { .. }), "{same}");
    assert!(second("https://second.example.org", "second-").is_ok());
}

#[test]
fn a_changed_issuer_is_told() {
    let lab = Lab::new();
    let before = lab.policy();
    let changed = |from: &str, to: &str| {
        let after = lab.read(&CONFIG.replace(from, to)).unwrap();
        let names = before.issuer_differences(&after);
        names.iter().map(Name::to_string).collect::<Vec<_>>()
    };
    assert_eq!(changed("x", "x"), [""; 0]);
    assert_eq!(changed("\"river\"", "\"rivers\""), ["lab"]);
    assert_eq!(changed("\"other\"", "\"more\""), ["lab"]);
    assert_eq!(changed("lab.example.org", "b.example.org"), ["lab"]);
    lab.write(&json!({"keys": [Lab::new().jwk()]}));
    assert_eq!(changed("x", "x"), ["lab"]);
}

#[test]
fn a_proof_ends_with_its_key() {
    let lab = Lab::new();
    let policy = lab.policy();
    let (proof, _) = policy
        .check_jwt(&lab.token(&claims()), now())
        .unwrap()
        .unwrap();
    assert!(policy.guest(&proof, now()).is_ok());
    // Another key has the same name.
    lab.write(&json!({"keys": [Lab::new().jwk()]}));
    let error = lab.policy().guest(&proof, now()).unwrap_err();
    assert!(matches!(error, JwtError::Key { .. }), "{error}");
    let gone = "[users.ada]\ntokens = []".parse::<Config>().unwrap().policy;
    let error = gone.guest(&proof, now()).unwrap_err();
    assert!(matches!(error, JwtError::Issuer(_)), "{error}");
}

#[test]
fn a_topic_of_a_role_is_no_response_topic() {
    let lab = Lab::new();
    let config = CONFIG.replace("\"river\"", "\"*\", \"soil_moisture\"");
    let policy = lab.read(&config).unwrap();
    let guest = lab.guest(&policy, &claims());
    let topic = "soil_moisture"
        .parse::<dasf_protocol::Topic>()
        .unwrap()
        .into();
    assert_eq!(policy.topic_rights(&guest.policy, &topic).base, None);
}

proptest! {
    #[test]
    fn no_token_is_a_panic(parts in prop::array::uniform3("[ -~]{0,40}"), alg in "[A-Z0-9]{0,6}") {
        let lab = Lab::new();
        let policy = lab.policy();
        let token = parts.join(".");
        let _ = policy.check_jwt(&token, now()).map(|it| it.is_ok());
        let header = text(json!({"alg": alg, "kid": "one"}).to_string().as_bytes());
        let claims = text(parts[1].as_bytes());
        let checked = policy.check_jwt(&format!("{header}.{claims}.AAAA"), now());
        prop_assert!(checked.unwrap().is_err());
    }
}
