//! Calls, descriptions and their mistakes.

use dasf_examples::{arithmetic, reference};
use dasf_test_support::slow_module::{noted, slow};
use dasf_test_support::soon;
use serde_json::json;

use crate::http::Answer;
use crate::support::{Served, gateway};

#[tokio::test(flavor = "multi_thread")]
async fn a_function_is_called_with_json_and_with_a_query() {
    let served = gateway().await;
    let _module = served
        .listen("arithmetic", arithmetic::module().unwrap())
        .await;
    let answer = served
        .post("/api/arithmetic/add", &json!({"a": 1, "b": 5}))
        .await;
    assert_eq!((answer.status, answer.json()), (200, json!(6)));
    assert_eq!(answer.header("content-type"), "application/json");
    let answer = served.get("/api/arithmetic/add?a=1").await;
    assert_eq!((answer.status, answer.json()), (200, json!(3)));
    let answer = served
        .post(
            "/api/arithmetic/Greeter/greet",
            &json!({"name": "Ada", "greeting": "Yo"}),
        )
        .await;
    assert_eq!((answer.status, answer.json()), (200, json!("Yo Ada")));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_digit_is_lost() {
    let served = gateway().await;
    let _module = served.listen("digits", digits::module().unwrap()).await;
    for number in [
        "12345678901234567890",
        "0.1000000000000000055511151231257827",
        "1.50",
    ] {
        let request = served.request("POST", "/api/digits/same");
        let answer = request
            .body(format!("{{\"number\": {number}}}"))
            .send()
            .await;
        assert_eq!((answer.status, answer.text().as_str()), (200, number));
    }
    let request = served.request("POST", "/api/digits/same");
    let answer = request
        .body(r#"{"number": "Gr\u00fc\u00dfe"}"#)
        .send()
        .await;
    assert_eq!(answer.json(), json!("Grüße"));
}

#[dasf::module(main = false)]
mod digits {
    use serde_json::value::RawValue;

    /// Return what was sent.
    #[dasf::function]
    fn same(number: Box<RawValue>) -> Box<RawValue> {
        number
    }
}

/// The first of two modules on one topic.
#[dasf::module(main = false)]
mod before {
    /// Return what was sent.
    #[dasf::function]
    fn old(a: i64) -> i64 {
        a
    }
}

/// The second of two modules on one topic.
#[dasf::module(main = false)]
mod after {
    /// Return what was sent.
    #[dasf::function]
    fn old(a: String) -> String {
        a
    }

    /// Return five.
    #[dasf::function]
    fn added() -> i64 {
        5
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_may_come_back_with_another_description() {
    let served = gateway().await;
    let module = served.listen("changing", before::module().unwrap()).await;
    assert_eq!(
        served
            .post("/api/changing/old", &json!({"a": 1}))
            .await
            .status,
        200
    );
    served.get("/api/changing/added").await.problem(404);
    module.shutdown().await;
    let _module = served.listen("changing", after::module().unwrap()).await;
    let new = until(&served, "/api/changing/added", 200).await;
    assert_eq!(new.json(), json!(5));
    let answer = served
        .post("/api/changing/old", &json!({"a": "text"}))
        .await;
    assert_eq!((answer.status, answer.json()), (200, json!("text")));
}

/// Asks until the answer has a status. A description of less than a second counts as new.
async fn until(served: &Served, path: &str, status: u16) -> Answer {
    let asking = async {
        loop {
            let answer = served.get(path).await;
            if answer.status == status {
                return answer;
            }
        }
    };
    soon("the new description", asking).await
}

/// A function that knows its trace.
#[dasf::module(main = false)]
mod traced {
    use dasf::Context;

    /// Returns the trace of the call.
    #[dasf::function]
    pub(super) fn trace(context: &Context) -> Option<String> {
        let sent = context.properties().text("x_dasf_trace");
        sent.map(str::to_owned)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_belongs_to_the_trace_of_its_request() {
    let served = gateway().await;
    let _module = served.listen("traced", traced::module().unwrap()).await;
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let call = || served.json("/api/traced/trace", &json!({}));
    let answer = call().header("traceparent", parent).send().await;
    assert_eq!(answer.json(), json!(parent));
    let with_state = call().header("traceparent", parent);
    let with_state = with_state
        .header("tracestate", "a=1")
        .header("tracestate", "b=2");
    let answer = with_state.send().await;
    assert_eq!(answer.json(), json!(format!("{parent} a=1,b=2")));
    // The W3C demands that a header of another form is ignored.
    let answer = call().header("traceparent", "00-0-0-01").send().await;
    assert_eq!(answer.json(), json!(null));
    let job = call()
        .header("traceparent", parent)
        .header("prefer", "respond-async");
    let job = job.send().await;
    let result = format!("{}/result", job.header("location"));
    let result = served.request("GET", &result).header("prefer", "wait=20");
    assert_eq!(
        soon("the result", result.send()).await.json(),
        json!(parent)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_tells_what_the_modules_have_to_do() {
    let served = gateway().await;
    let _module = served.listen("busy", slow::module().unwrap()).await;
    let wait = served.json("/api/busy/wait", &json!({"name": "for the list"}));
    let waiting = tokio::spawn(async move { wait.send().await });
    noted("for the list begun").await;
    served.post("/api/busy/wait", &json!({})).await.problem(400);
    let listed = served.get("/api").await.json();
    let module = &listed["modules"][0];
    assert_eq!(module["topic"], "busy");
    let told = ["running", "waiting", "failures"].map(|key| module[key].as_u64());
    assert_eq!(told, [Some(1), Some(0), Some(0)], "{module}");
    assert!(module["latency_ms"].as_f64().unwrap() > 0.0, "{module}");
    waiting.abort();
    noted("for the list dropped").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn modules_and_what_they_do_are_listed() {
    let served = gateway().await;
    let _module = served
        .listen("reference", reference::module().unwrap())
        .await;
    let modules = served.get("/api").await.json();
    let module = &modules["modules"][0];
    assert_eq!(module["topic"], "reference");
    assert_eq!(module["instances"], 1);
    assert_eq!(module["name"], "reference");
    assert!(
        module["host"].is_string() && module["since"].is_string(),
        "{module}"
    );
    let document = served.get("/api/reference").await.json();
    assert_eq!(document["topic"], "reference");
    let functions = document["functions"].as_array().unwrap();
    let function = |name: &str| functions.iter().find(|it| it["name"] == name).unwrap();
    let add = function("add");
    assert_eq!(add["reports_progress"], false);
    assert_eq!(add["parameters"]["required"], json!(["a"]));
    assert_eq!(add["parameters"]["properties"]["b"]["default"], 2);
    assert!(add["parameters"]["properties"].get("func_name").is_none());
    assert_eq!(add["returns"]["type"], "integer");
    let slow = function("slow");
    assert_eq!(slow["reports_progress"], true);
    assert!(
        slow["parameters"]["properties"].get("reporter").is_none(),
        "{slow}"
    );
    let class = &document["classes"][0];
    assert_eq!(class["name"], "Greeter");
    assert_eq!(class["methods"][0]["name"], "greet");
    assert_eq!(
        class["parameters"]["properties"]["greeting"]["default"],
        "Hi"
    );
}
