//! JSON Web Tokens of an issuer.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dasf_broker::{Broker, ConfigError, StartError};
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::access::{ACCEPTED, WAYS, Way, link, open, reload, socket};
use crate::support::{PATIENCE, builder, refusal_of, until};

const CONFIG: &str = r#"
    [roles.caller]
    call = ["river"]
    [roles.module]
    serve = ["river"]
    [roles.operator]
    admin = ["*"]
    [groups.hydrology]
    roles = ["caller"]
    [groups.modules]
    roles = ["module"]
    [groups.operators]
    roles = ["operator"]
    [users.ada]
    [issuers.lab]
    issuer = "https://lab.example.org"
    audience = "dasf"
    jwks = "keys.json"
    groups_claim = "entitlement"
    [issuers.lab.groups]
    "urn:lab:group:hydrology#lab" = "hydrology"
    "urn:lab:group:modules#lab" = "modules"
    "urn:lab:group:operators#lab" = "operators"
"#;

/// A private key of an issuer.
enum Private {
    Rsa(Box<RsaKeyPair>, &'static dyn RsaEncoding),
    Curve(Box<EcdsaKeyPair>),
}

struct Key {
    id: &'static str,
    algorithm: &'static str,
    private: Private,
}

fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Key {
    /// Makes a key of RSA, which `ring` cannot.
    fn rsa(id: &'static str, algorithm: &'static str) -> Self {
        let made = Command::new("openssl")
            .args(["genpkey", "-algorithm", "RSA", "-outform", "DER"])
            .args(["-pkeyopt", "rsa_keygen_bits:2048"])
            .output()
            .unwrap();
        let encoding: &dyn RsaEncoding = match algorithm {
            "PS512" => &RSA_PSS_SHA512,
            _ => &RSA_PKCS1_SHA256,
        };
        let pair = RsaKeyPair::from_pkcs8(&made.stdout);
        // Some versions write the form PKCS #1.
        let pair = pair.or_else(|_| RsaKeyPair::from_der(&made.stdout));
        let private = Private::Rsa(Box::new(pair.unwrap()), encoding);
        Self {
            id,
            algorithm,
            private,
        }
    }

    fn curve(id: &'static str, algorithm: &'static str) -> Self {
        let kind: &'static EcdsaSigningAlgorithm = match algorithm {
            "ES384" => &ECDSA_P384_SHA384_FIXED_SIGNING,
            _ => &ECDSA_P256_SHA256_FIXED_SIGNING,
        };
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(kind, document.as_ref(), &random).unwrap();
        Self {
            id,
            algorithm,
            private: Private::Curve(Box::new(pair)),
        }
    }

    fn public(&self) -> Value {
        let mut key = match &self.private {
            Private::Rsa(pair, _) => {
                let public = PublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({"kty": "RSA", "use": "sig", "n": text(&public.n), "e": text(&public.e)})
            }
            Private::Curve(pair) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                let curve = if x.len() == 32 { "P-256" } else { "P-384" };
                json!({"kty": "EC", "crv": curve, "x": text(x), "y": text(y)})
            }
        };
        key["kid"] = json!(self.id);
        key
    }

    fn token(&self, claims: &Value) -> String {
        let header = json!({"typ": "JWT", "alg": self.algorithm, "kid": self.id});
        let message = message(&header, claims);
        let random = SystemRandom::new();
        let signature = match &self.private {
            Private::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(*encoding, &random, message.as_bytes(), &mut signature)
                    .unwrap();
                signature
            }
            Private::Curve(pair) => {
                let signature = pair.sign(&random, message.as_bytes()).unwrap();
                signature.as_ref().to_vec()
            }
        };
        format!("{message}.{}", text(&signature))
    }
}

fn message(header: &Value, claims: &Value) -> String {
    let [header, claims] = [header, claims].map(|it| text(it.to_string().as_bytes()));
    format!("{header}.{claims}")
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs()
}

/// The claims of a user of some groups.
fn claims(user: &str, groups: &[&str]) -> Value {
    let groups: Vec<_> = groups
        .iter()
        .map(|group| format!("urn:lab:group:{group}#lab"))
        .collect();
    json!({
        "iss": "https://lab.example.org", "aud": "dasf", "sub": user, "exp": now() + 3600,
        "entitlement": groups,
    })
}

fn with(mut claims: Value, name: &str, value: impl Into<Value>) -> Value {
    claims[name] = value.into();
    claims
}

/// The folder of a configuration.
struct Lab(TempDir);

impl Lab {
    fn new(keys: &[&Key]) -> Self {
        let lab = Self(tempfile::tempdir().unwrap());
        fs::write(lab.path("broker.toml"), CONFIG).unwrap();
        lab.publish(keys);
        lab
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    /// Writes the file with the keys.
    fn publish(&self, keys: &[&Key]) {
        let keys: Vec<_> = keys.iter().map(|key| key.public()).collect();
        fs::write(self.path("keys.json"), json!({"keys": keys}).to_string()).unwrap();
    }

    async fn start(&self) -> Broker {
        let builder = builder()
            .config_file(self.path("broker.toml"))
            .audit_log(self.path("audit.log"));
        builder.start().await.unwrap()
    }

    fn audit(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path("audit.log")).unwrap();
        let lines = text.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// Returns the status and the text of a handshake of a caller.
async fn try_open(broker: &Broker, token: &str, way: Way) -> (u16, String) {
    match open(broker, "/ws/river", token, way, false).await {
        Ok(_) => (ACCEPTED, String::new()),
        Err(refusal) => refusal,
    }
}

#[tokio::test]
async fn a_signed_token_opens_the_broker_in_each_way() {
    let keys = [
        Key::rsa("rsa", "RS256"),
        Key::rsa("pss", "PS512"),
        Key::curve("p256", "ES256"),
        Key::curve("p384", "ES384"),
    ];
    let lab = Lab::new(&keys.each_ref());
    let broker = lab.start().await;
    for key in &keys {
        let token = key.token(&claims("eve", &["hydrology"]));
        for way in WAYS {
            let opened = try_open(&broker, &token, way).await;
            assert_eq!(opened, (ACCEPTED, String::new()), "{} {way:?}", key.id);
        }
        let without_group = key.token(&claims("eve", &["biology"]));
        let (status, text) = try_open(&broker, &without_group, Way::Header).await;
        assert_eq!(status, 403, "{}", key.id);
        assert!(text.contains("'eve' lacks the right 'call'"), "{text}");
    }
}

#[tokio::test]
async fn a_module_sees_the_user_and_his_groups() {
    let key = Key::curve("one", "ES256");
    let lab = Lab::new(&[&key]);
    let broker = lab.start().await;
    let module = key.token(&claims("station", &["modules"]));
    let mut module = socket(&broker, "/ws/river/s", &module).await;
    let caller = key.token(&claims(
        "eve@example.org",
        &["operators", "other", "hydrology"],
    ));
    let mut producer = socket(&broker, "/ws/river", &caller).await;
    producer.publish("one").await;
    let delivery = module.receive().await;
    let stamp = json!({"x_dasf_user": "eve@example.org", "x_dasf_groups": "operators,hydrology"});
    assert_eq!(delivery["properties"], stamp);
    // The rights hold on a link as well.
    let mut on_link = link(&broker, &caller).await;
    let answer = on_link.subscribe("river", "").await;
    assert_eq!(answer["status"], 403, "{answer}");
    let answers = on_link.subscribe("river_QY1vPqzJ", "").await;
    assert_eq!(answers["type"], "subscribed");
    assert_eq!(reload(&broker, &caller).await.0, 200);
}

#[tokio::test]
async fn a_refusal_says_why_and_does_not_show_the_token() {
    let (key, other) = (Key::rsa("one", "RS256"), Key::curve("two", "ES256"));
    let lab = Lab::new(&[&key]);
    let broker = lab.start().await;
    let claims = || claims("eve", &["hydrology"]);
    let hmac = {
        // An attack: the public key is no secret.
        let modulus = key.public()["n"].as_str().unwrap().to_owned();
        let secret = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, modulus.as_bytes());
        let message = message(&json!({"alg": "HS256", "kid": "one"}), &claims());
        let signature = ring::hmac::sign(&secret, message.as_bytes());
        format!("{message}.{}", text(signature.as_ref()))
    };
    let unsigned = message(&json!({"alg": "none", "kid": "one"}), &claims()) + ".";
    let valid = key.token(&claims());
    let cases = [
        (key.token(&with(claims(), "exp", now() - 60)), "has expired"),
        (
            key.token(&with(claims(), "nbf", now() + 600)),
            "not valid yet",
        ),
        (key.token(&with(claims(), "aud", "wiki")), "another service"),
        (
            key.token(&with(claims(), "iss", "https://evil.example.org")),
            "does not name",
        ),
        (other.token(&claims()), "the key \"two\""),
        (key.token(&with(claims(), "sub", "a b")), "is not a name"),
        (key.token(&with(claims(), "sub", "ada")), "user_prefix"),
        (hmac, "algorithm \"HS256\""),
        (unsigned, "algorithm \"none\""),
        (format!("{}AAAA", &valid[..valid.len() - 4]), "signature"),
        ("e30.e30.e30".to_owned(), "no signed JSON Web Token"),
        (valid.replace('.', ""), "the token is wrong"),
    ];
    for (token, word) in &cases {
        for way in WAYS {
            let (status, text) = try_open(&broker, token, way).await;
            assert_eq!(status, 401, "{word}");
            assert!(text.contains(word), "{text}");
            for part in token.split('.').filter(|part| part.len() > 8) {
                assert!(!text.contains(part), "{text}");
            }
        }
    }
    assert_eq!(try_open(&broker, &valid, Way::Header).await.0, ACCEPTED);
    broker.shutdown().await;
    let mut events = lab.audit().into_iter();
    for (token, word) in &cases {
        for _ in WAYS {
            let event = events.next().unwrap();
            assert_eq!(
                (&event["event"], &event["status"]),
                (&json!("refused"), &json!(401))
            );
            let reason = event["reason"].as_str().unwrap();
            assert!(
                reason.contains(word) && !event.to_string().contains(token),
                "{event}"
            );
        }
    }
    let login = events.next().unwrap();
    assert_eq!(
        (&login["event"], &login["user"]),
        (&json!("login"), &json!("eve"))
    );
}

#[tokio::test]
async fn a_handshake_has_few_json_web_tokens() {
    let (key, other) = (Key::curve("one", "ES256"), Key::curve("one", "ES256"));
    let lab = Lab::new(&[&key]);
    let broker = lab.start().await;
    let claims = claims("eve", &["hydrology"]);
    for (wrong, expected) in [(3, ACCEPTED), (4, 401)] {
        let wrong = std::iter::repeat_n(other.token(&claims), wrong);
        let tokens = wrong.chain([key.token(&claims)]);
        let offer = tokens.fold("dasf".to_owned(), |offer, token| {
            format!("{offer}, dasf-token.{}", text(token.as_bytes()))
        });
        let url = format!("ws://{}/ws/river", broker.local_addr());
        let mut request = url.into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", offer.parse().unwrap());
        let (status, reason) = match connect_async(request).await {
            Ok(_) => (ACCEPTED, String::new()),
            Err(Error::Http(response)) => refusal_of(*response),
            Err(error) => panic!("{error}"),
        };
        assert_eq!(status, expected, "{reason}");
        assert_eq!(reason.contains("more than 4"), status == 401, "{reason}");
    }
}

#[tokio::test]
async fn a_connection_ends_when_its_json_web_token_expires() {
    let key = Key::curve("one", "ES256");
    let lab = Lab::new(&[&key]);
    let broker = lab.start().await;
    // The broker allows the clocks to differ by 30 seconds.
    let token = key.token(&with(claims("eve", &["hydrology"]), "exp", now() - 27));
    let on_link = link(&broker, &token).await;
    let peer = socket(&broker, "/ws/river", &token).await;
    for peer in [peer, on_link.0] {
        let closed = timeout(PATIENCE, peer.closed()).await.unwrap();
        assert_eq!(closed.code, CloseCode::Policy);
        assert!(closed.reason.contains("'eve'"), "{}", closed.reason);
    }
    let (status, text) = try_open(&broker, &token, Way::Header).await;
    assert!(status == 401 && text.contains("has expired"), "{text}");
}

#[tokio::test]
async fn rotated_keys_end_connections_of_the_old_ones() {
    let (old, new) = (Key::curve("old", "ES256"), Key::curve("new", "ES256"));
    let lab = Lab::new(&[&old]);
    let broker = lab.start().await;
    let [by_old, by_new] = [&old, &new].map(|key| key.token(&claims("eve", &["hydrology"])));
    let peer = socket(&broker, "/ws/river", &by_old).await;
    assert_eq!(try_open(&broker, &by_new, Way::Header).await.0, 401);
    // A wrong file changes nothing.
    fs::write(lab.path("keys.json"), "{").unwrap();
    let error = broker.reload().unwrap_err().to_string();
    assert!(
        error.contains("keys.json") && error.contains("issuer lab"),
        "{error}"
    );
    assert_eq!(try_open(&broker, &by_old, Way::Header).await.0, ACCEPTED);
    // Issuers publish a new key before they use it.
    lab.publish(&[&old, &new]);
    assert_eq!(broker.reload().unwrap(), ["issuer lab"]);
    for token in [&by_old, &by_new] {
        assert_eq!(try_open(&broker, token, Way::Header).await.0, ACCEPTED);
    }
    let mut kept = socket(&broker, "/ws/river", &by_new).await;
    lab.publish(&[&new]);
    assert_eq!(broker.reload().unwrap(), ["issuer lab"]);
    let closed = timeout(PATIENCE, peer.closed()).await.unwrap();
    assert_eq!(closed.code, CloseCode::Policy);
    assert_eq!(
        closed.reason,
        "the user 'eve' may no longer use this broker"
    );
    kept.publish("one").await;
    assert_eq!(try_open(&broker, &by_old, Way::Header).await.0, 401);
}

#[tokio::test]
async fn a_changed_group_changes_the_rights_of_open_connections() {
    let key = Key::curve("one", "ES256");
    let lab = Lab::new(&[&key]);
    let broker = lab.start().await;
    let token = key.token(&claims("eve", &["hydrology"]));
    let peer = socket(&broker, "/ws/river", &token).await;
    let mut on_link = link(&broker, &token).await;
    let answers = on_link.subscribe("river_QY1vPqzJ", "").await;
    assert_eq!(answers["type"], "subscribed");
    let changed = CONFIG.replace("call = [\"river\"]", "call = [\"lake\"]");
    fs::write(lab.path("broker.toml"), changed).unwrap();
    broker.reload().unwrap();
    let closed = timeout(PATIENCE, peer.closed()).await.unwrap();
    assert!(closed.reason.contains("'call'"), "{}", closed.reason);
    let (header, _) = on_link.next().await;
    assert_eq!(header["type"], "unsubscribed");
    // The name becomes that of a user of the file.
    fs::write(
        lab.path("broker.toml"),
        CONFIG.replace("users.ada", "users.eve"),
    )
    .unwrap();
    broker.reload().unwrap();
    let closed = timeout(PATIENCE, on_link.0.closed()).await.unwrap();
    assert_eq!(
        closed.reason,
        "the user 'eve' may no longer use this broker"
    );
}

/// The group of Eve has a limit of its own, and Bob has that of all users.
#[tokio::test]
async fn a_user_of_an_issuer_has_limits_of_its_own() {
    let key = Key::curve("one", "ES256");
    let lab = Lab::new(&[&key]);
    let write = |of_callers: usize, of_all: usize| {
        let keys = "user_prefix = \"lab-\"\nroles = [\"everybody\"]\ngroups_claim";
        let config = CONFIG.replace("groups_claim", keys);
        let limits = format!(
            "[roles.everybody]\ncall = [\"river\"]\n[roles.caller.limits]\nmax_connections = {of_callers}\n[limits]\nmax_connections = {of_all}\n"
        );
        fs::write(lab.path("broker.toml"), config + &limits).unwrap();
    };
    write(2, 1);
    let broker = lab.start().await;
    let eve = key.token(&claims("eve", &["hydrology"]));
    let again = key.token(&with(claims("eve", &["hydrology"]), "jti", "again"));
    let bob = key.token(&claims("bob", &["modules"]));
    let _of_bob = socket(&broker, "/ws/river/s", &bob).await;
    let mut of_eve = vec![
        link(&broker, &eve).await.0,
        socket(&broker, "/ws/river", &again).await,
    ];
    let refused = async |token: &str, max: usize, user: &str| {
        let (status, reason) = try_open(&broker, token, Way::Header).await;
        let limit = format!("the limit max_connections of user {user};");
        let has_number = reason.contains(&format!("at most {max} connection"));
        assert!(
            status == 429 && has_number && reason.contains(&limit),
            "{reason}"
        );
    };
    refused(&eve, 2, "lab-eve").await;
    refused(&bob, 1, "lab-bob").await;
    write(3, 1);
    assert_eq!(broker.reload().unwrap(), ["issuer lab"]);
    of_eve.push(socket(&broker, "/ws/river", &eve).await);
    refused(&again, 3, "lab-eve").await;
    refused(&bob, 1, "lab-bob").await;
    // Without her group, she has the limit of all users.
    let without = key.token(&claims("eve", &[]));
    refused(&without, 1, "lab-eve").await;
    write(3, 4);
    assert_eq!(broker.reload().unwrap(), ["ada", "issuer lab"]);
    refused(&eve, 3, "lab-eve").await;
    for peer in of_eve {
        peer.leave().await;
    }
    until(&broker, |it| it.connections == 1).await;
    assert_eq!(try_open(&broker, &eve, Way::Header).await.0, ACCEPTED);
}

#[tokio::test]
async fn a_broker_without_users_accepts_no_issuers_later() {
    let key = Key::curve("one", "ES256");
    let lab = Lab::new(&[&key]);
    fs::write(lab.path("broker.toml"), "").unwrap();
    let broker = lab.start().await;
    let issuers = format!(
        "[issuers.lab]\n{}",
        CONFIG.split_once("[issuers.lab]").unwrap().1
    );
    let issuers = issuers.split("[issuers.lab.groups]").next().unwrap();
    fs::write(lab.path("broker.toml"), issuers).unwrap();
    let refused = broker.reload().unwrap_err();
    assert!(matches!(refused, ConfigError::UsersAtStart), "{refused}");
    broker.shutdown().await;
    let broker = lab.start().await;
    let token = key.token(&claims("eve", &["hydrology"]));
    assert_eq!(try_open(&broker, &token, Way::Header).await.0, 403);
    assert_eq!(try_open(&broker, "", Way::Query).await.0, 401);
}

#[tokio::test]
async fn a_broker_does_not_start_without_the_keys() {
    let lab = Lab::new(&[]);
    let started = builder().config_file(lab.path("broker.toml")).start().await;
    let Err(StartError::Config(error)) = started else {
        panic!("{started:?}")
    };
    let text = error.to_string();
    assert!(
        text.contains("broker.toml") && text.contains("none of its 0 keys"),
        "{text}"
    );
}
