//! Modules whose names, paths and surroundings could get in the way of what is generated.

use dasf::{Context, HostOptions};
use serde_json::json;

use crate::support::{broker, listen};

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub(crate) struct Outer {
    pub(crate) x: i64,
}

pub(crate) const START: i64 = 40;

/// Everything is reached by paths, and nothing is in the prelude.
#[deny(missing_docs, unused)]
// What is public in a class is callable; arguments by value are what is tested.
#[allow(unreachable_pub, clippy::needless_pass_by_value)]
#[dasf::module(main = false, topic = "hygiene")]
pub(crate) mod awkward {
    #[dasf::function]
    pub(crate) fn outer(
        outer: super::Outer,
        #[dasf(default = super::START)] by: i64,
    ) -> super::Outer {
        super::Outer { x: outer.x + by }
    }

    #[dasf::function]
    pub(crate) fn own(own: Option<self::inner::Own>) -> Vec<inner::Own> {
        own.into_iter().collect()
    }

    pub(crate) mod inner {
        #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        pub(crate) struct Own(pub(crate) u8);
    }

    // Each of these could make the same name of the other's parts.
    #[dasf::function]
    pub(crate) fn mean(#[dasf(default = 1)] window_size: i64) -> i64 {
        window_size
    }

    #[dasf::function]
    pub(crate) fn mean_window(#[dasf(default = 2)] size: i64) -> i64 {
        size
    }

    /// The argument has the name of a call's own method.
    #[dasf::function]
    pub(crate) fn wait(#[dasf(default = 0.5)] timeout: f64) -> f64 {
        timeout
    }

    #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    struct Secret {
        value: i64,
    }

    // Neither the function nor its type is visible outside.
    #[dasf::function]
    fn secret(secret: Secret, #[dasf(default = 1)] by: i64) -> Secret {
        Secret {
            value: secret.value + by,
        }
    }

    // The client's method is a keyword.
    pub(crate) struct Match {
        size: u32,
    }

    #[dasf::class]
    impl Match {
        pub(crate) fn helper(&self) -> u32 {
            self.size
        }

        pub fn new(#[dasf(default = 3)] size: u32) -> Self {
            Self { size }
        }

        // A getter has the name of the constructor's argument.
        pub fn size(&self) -> u32 {
            self.helper()
        }

        pub fn r#type(&self, r#in: &str) -> String {
            r#in.to_owned()
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_awkward_module_is_served_and_called() {
    let broker = broker().await;
    let host = listen(
        &broker,
        "hygiene",
        awkward::module().unwrap(),
        HostOptions::default(),
    )
    .await;
    let client = awkward::Client::connect(&broker.url()).await.unwrap();
    assert_eq!(client.outer(Outer { x: 2 }).await.unwrap(), Outer { x: 42 });
    assert_eq!(
        client.outer(Outer { x: 2 }).by(1).await.unwrap(),
        Outer { x: 3 }
    );
    assert_eq!(
        client.own().own(awkward::inner::Own(7)).await.unwrap(),
        [awkward::inner::Own(7)]
    );
    assert_eq!(client.own().await.unwrap(), []);
    assert_eq!(
        client.mean().await.unwrap() + client.mean_window().await.unwrap(),
        3
    );
    let waited = client
        .wait()
        .with_timeout(0.25)
        .timeout(std::time::Duration::from_secs(20));
    assert!((waited.await.unwrap() - 0.25).abs() < 1e-9);
    assert_eq!(client.r#match().with_size(5).size().await.unwrap(), 5);
    assert_eq!(client.r#match().r#type("x").await.unwrap(), "x");
    host.shutdown().await;
}

#[tokio::test]
async fn raw_names_lose_their_prefix_in_requests() {
    let module = awkward::module().unwrap();
    let request = json!({"class_name": "Match", "function": {"func_name": "type", "in": "x"}});
    let outcome = module.call_value(request, Context::local(), None).await;
    assert_eq!(outcome.unwrap().as_json(), r#""x""#);
}
