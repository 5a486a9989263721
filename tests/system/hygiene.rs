//! Modules whose names, paths and surroundings could collide with generated code.

use dasf::Context;
use dasf_test_support::serve;
use serde_json::json;

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub(crate) struct Outer {
    pub(crate) x: i64,
}

pub(crate) const START: i64 = 40;

/// The code names every item by a path, and nothing is in the prelude.
#[deny(missing_docs, unused)]
// Public items of a class are callable. The test needs arguments by value.
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

    // Both functions could lead to the same generated names.
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

    // A method of the client has the name of a keyword.
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

        // A getter has the name of an argument of the constructor.
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
    let client = awkward::Client::builder();
    let (_broker, host, client) = serve("hygiene", awkward::module().unwrap(), client).await;
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

/// Code that is unusual and correct.
#[deny(missing_docs, unused, non_snake_case, non_camel_case_types)]
#[dasf::module(main = false, topic = "unusual")]
#[allow(
    unreachable_pub,
    clippy::needless_arbitrary_self_type,
    clippy::needless_pass_by_value
)]
pub(crate) mod unusual {
    use std::borrow::Cow;
    use std::path::Path;

    use dasf::{class, function};
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    // Short names that generated code could use.
    pub(crate) type M = [[f64; 2]; 2];

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
    pub(crate) struct R(pub(crate) i64);

    #[function]
    fn trace(m: M, #[dasf(default = R(7))] r: R) -> R {
        R((m[0][0] + m[1][1]) as i64 + r.0)
    }

    #[function]
    fn call_itself(__call: f64, value: f64) -> f64 {
        __call + value
    }

    #[function]
    fn lent<'a>(text: &'a str, other: Cow<'_, str>) -> Result<Cow<'a, str>, &'static str> {
        if other.is_empty() {
            return Err("there is no other");
        }
        Ok(Cow::Borrowed(text))
    }

    #[function]
    fn file_name(path: &Path) -> Option<String> {
        Some(path.file_name()?.to_str()?.to_owned())
    }

    const LENGTH: usize = 2;

    #[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    pub(crate) struct Fixed<const N: usize>(#[schemars(with = "Vec<f64>")] pub(crate) Pair<N>);

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct Pair<const N: usize>(pub(crate) Vec<f64>);

    #[function]
    fn first(fixed: Fixed<LENGTH>) -> Option<f64> {
        fixed.0.0.first().copied()
    }

    #[allow(non_snake_case)]
    #[function]
    fn Entropy(T: f64, #[dasf(default = 2.0)] N: f64) -> f64 {
        T * N
    }

    #[function]
    fn optional(
        #[dasf(default = "m")] unit: Option<String>,
        #[dasf(default = 3)] digits: Option<u8>,
        #[dasf(default)] mut report: dasf::ProgressReport,
    ) -> (Option<String>, Option<u8>) {
        report.set_message("at it");
        (unit, digits)
    }

    // The same builder has both names.
    #[function]
    fn wait(#[dasf(default = 1)] timeout: u8, #[dasf(default = 2)] with_timeout: u8) -> u8 {
        10 * timeout + with_timeout
    }

    /// Cells: see [`Self::new`].
    pub(crate) struct Grid {
        size: usize,
    }

    #[class]
    impl Grid {
        const SIZE: usize = 3;

        /// A grid.
        pub fn new(#[dasf(default = Self::SIZE, example = Self::SIZE)] size: usize) -> Self {
            Self { size }
        }

        /// The numbers of the cells: see [`Self::new`].
        pub fn cells(self: &Self, offset: [usize; Self::SIZE]) -> [usize; Self::SIZE] {
            offset.map(|offset| offset + self.size)
        }
    }

    /// There is none.
    #[derive(Debug, thiserror::Error, dasf::IntoError)]
    pub(crate) enum Never {}

    #[function]
    async fn never_fails(#[dasf(default = 1)] a: u8) -> Result<u8, Never> {
        Ok(a)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unusual_module_is_served_and_called() {
    use unusual::{Fixed, Pair, R};

    let client = unusual::Client::builder();
    let (_broker, host, client) = serve("unusual", unusual::module().unwrap(), client).await;
    let matrix = [[1.0, 0.0], [0.0, 2.0]];
    assert_eq!(client.trace(matrix).await.unwrap(), R(10));
    assert_eq!(client.trace(matrix).r(R(1)).await.unwrap(), R(4));
    assert!((client.call_itself(1.0, 2.0).await.unwrap() - 3.0).abs() < 1e-9);
    assert_eq!(client.lent("a", "b".into()).await.unwrap(), "a");
    assert!(client.lent("a", "".into()).await.is_err());
    let path = std::path::Path::new("data/series.csv");
    assert_eq!(
        client.file_name(path).await.unwrap().as_deref(),
        Some("series.csv")
    );
    let fixed = Fixed(Pair(vec![0.5]));
    assert_eq!(client.first(fixed).await.unwrap(), Some(0.5));
    #[allow(non_snake_case)]
    let entropy = client.Entropy(2.0).N(3.0).await.unwrap();
    assert!((entropy - 6.0).abs() < 1e-9);
    assert_eq!(
        client.optional().await.unwrap(),
        (Some("m".to_owned()), Some(3))
    );
    assert_eq!(client.optional().digits(None).await.unwrap().1, None);
    let waited = client.wait().with_with_timeout(3).with_timeout(4);
    assert_eq!(waited.await.unwrap(), 34);
    assert_eq!(client.grid().cells([0, 1, 2]).await.unwrap(), [3, 4, 5]);
    assert_eq!(client.never_fails().await.unwrap(), 1);
    host.shutdown().await;
}
