//! A module refuses any text as an argument, or accepts it. A function that returns its argument accepts its
//! result, and returns it again.

use std::pin::pin;
use std::sync::LazyLock;
use std::task::{Poll, Waker};

use dasf::{Context, Module};
use serde_json::Value;

/// Functions that return their argument.
#[dasf::module(topic = "echo", main = false)]
pub(crate) mod echo {
    use std::collections::BTreeMap;

    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize, JsonSchema)]
    pub(crate) struct Station {
        pub(crate) name: String,
        pub(crate) height: Option<f64>,
        #[serde(default)]
        pub(crate) tags: Vec<String>,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(tag = "kind")]
    pub(crate) enum Shape {
        Circle { radius: f64 },
        Path { points: Vec<(f64, f64)> },
    }

    #[dasf::function(inline)]
    pub(crate) fn integer(it: i64) -> i64 {
        it
    }

    #[dasf::function(inline)]
    pub(crate) fn small(#[dasf(gt = 3, le = 200)] it: u8) -> u8 {
        it
    }

    #[dasf::function(inline)]
    pub(crate) fn float(#[dasf(ge = -273.15, multiple_of = 0.5)] it: f64) -> f64 {
        it
    }

    #[dasf::function(inline)]
    pub(crate) fn text(
        #[dasf(min_length = 1, max_length = 9, pattern = "^[a-z]")] it: &str,
    ) -> String {
        it.to_owned()
    }

    #[dasf::function(inline)]
    pub(crate) fn truth(it: Option<bool>) -> Option<bool> {
        it
    }

    #[dasf::function(inline)]
    pub(crate) fn list(#[dasf(min_items = 1, max_items = 9)] it: Vec<f64>) -> Vec<f64> {
        it
    }

    #[dasf::function(inline)]
    pub(crate) fn map(it: BTreeMap<String, i32>) -> BTreeMap<String, i32> {
        it
    }

    #[dasf::function(inline)]
    pub(crate) fn station(it: Station) -> Station {
        it
    }

    #[dasf::function(inline)]
    pub(crate) fn shapes(it: Vec<Shape>) -> Vec<Shape> {
        it
    }

    #[dasf::function(inline)]
    pub(crate) fn anything(it: serde_json::Value) -> serde_json::Value {
        it
    }
}

const FUNCTIONS: [&str; 10] = [
    "integer", "small", "float", "text", "truth", "list", "map", "station", "shapes", "anything",
];

/// Returns the result of a request. The functions run at once.
fn run(request: &str) -> Option<String> {
    static MODULE: LazyLock<Module> = LazyLock::new(|| echo::module().unwrap());
    let call = pin!(MODULE.call_text(request, Context::local(), None));
    match call.poll(&mut std::task::Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => Some(outcome.ok()?.as_json().to_owned()),
        Poll::Pending => panic!("the call waits: {request}"),
    }
}

fn request(function: &str, argument: &str) -> String {
    format!(r#"{{"func_name":"{function}","it":{argument}}}"#)
}

/// The first byte chooses the function. The rest is its argument, or the whole request.
pub(crate) fn check(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else {
        return;
    };
    let Ok(text) = str::from_utf8(rest) else {
        return;
    };
    run(text);
    let function = FUNCTIONS[usize::from(*first) % FUNCTIONS.len()];
    let result = run(&request(function, text));
    // Other texts could end the argument and add another one.
    if let Some(result) = result
        && serde_json::from_str::<Value>(text).is_ok()
    {
        let again = run(&request(function, &result));
        assert_eq!(again.as_ref(), Some(&result), "{function} of {text}");
    }
}
