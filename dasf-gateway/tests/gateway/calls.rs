//! Calls, descriptions and their mistakes.

use dasf_examples::{arithmetic, reference};
use serde_json::json;

use crate::support::gateway;

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
async fn every_offending_value_has_its_path() {
    let served = gateway().await;
    let _module = served
        .listen("reference", reference::module().unwrap())
        .await;
    let answer = served
        .post("/api/reference/add", &json!({"a": "x", "b": 0.5}))
        .await;
    answer.problem(400);
    let errors = &answer.json()["errors"];
    assert_eq!(errors[0]["path"], "/a", "{errors}");
    assert_eq!(errors[1]["path"], "/b", "{errors}");
}
