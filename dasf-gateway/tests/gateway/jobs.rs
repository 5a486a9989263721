//! Jobs: they are those of the broker.

use dasf::Caller;
use dasf::client::JobStatus;
use dasf_examples::arithmetic;
use dasf_test_support::slow_module::{noted, slow};
use dasf_test_support::soon;
use serde_json::{Value, json};

use crate::support::{Served, gateway};

async fn submit(
    served: &Served,
    path: &str,
    body: &Value,
    headers: &[(&str, &str)],
) -> (u16, String) {
    let mut request = served.json(path, body).header("prefer", "respond-async");
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let answer = request.send().await;
    let document = answer.json();
    let id = document["id"]
        .as_str()
        .unwrap_or_else(|| panic!("{document}"))
        .to_owned();
    assert_eq!(answer.header("location"), format!("/api/jobs/{id}"));
    assert_eq!(answer.header("preference-applied"), "respond-async");
    (answer.status, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_that_of_the_rust_client() {
    let served = gateway().await;
    let _host = served
        .listen("arithmetic", arithmetic::module().unwrap())
        .await;
    let caller = Caller::builder("arithmetic").websocket(&served.broker().url());
    let caller = caller.connect().await.unwrap();

    // Submitted by HTTP, awaited in Rust.
    let (status, id) = submit(&served, "/api/arithmetic/count", &json!({"n": 5}), &[]).await;
    assert_eq!(status, 201);
    let job = caller.attach::<u32>(&id.parse().unwrap()).unwrap();
    assert_eq!(
        soon("the result", job.result().into_future())
            .await
            .unwrap(),
        5
    );
    let document = served.get(&format!("/api/jobs/{id}")).await.json();
    assert_eq!(
        document,
        json!({"id": id, "topic": "arithmetic", "status": "done"})
    );

    // And the other way round.
    let request = json!({"func_name": "count", "n": 7});
    let job = caller.call(&request).submit().await.unwrap();
    let path = format!("/api/jobs/{}", job.id());
    let result = served
        .request("GET", &format!("{path}/result"))
        .header("prefer", "wait=20");
    let answer = soon("the result", result.send()).await;
    assert_eq!((answer.status, answer.json()), (200, json!(7)));
    assert_eq!(served.request("DELETE", &path).send().await.status, 204);
    served.get(&path).await.problem(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_tells_how_far_it_is() {
    let served = gateway().await;
    let _host = served
        .listen("arithmetic", arithmetic::module().unwrap())
        .await;
    let (_, id) = submit(&served, "/api/arithmetic/count", &json!({"n": 100}), &[]).await;
    let path = format!("/api/jobs/{id}");
    let answer = served.get(&format!("{path}/result")).await;
    assert_eq!(answer.status, 202);
    assert_eq!(answer.json()["id"], id.as_str());
    let open = served
        .request("GET", &format!("{path}/events"))
        .open()
        .await;
    let events = soon("the end of the job", open.events()).await;
    assert_eq!(events[0].0, "place");
    assert!(
        events
            .iter()
            .any(|(name, data)| name == "progress" && data["percent"].as_u64() > Some(0))
    );
    assert_eq!(events.last().unwrap(), &("result".to_owned(), json!(100)));

    let (_, id) = submit(&served, "/api/arithmetic/count", &json!({"n": 5000}), &[]).await;
    let result = served
        .request("GET", &format!("/api/jobs/{id}/result"))
        .header("prefer", "wait=20");
    soon("the failure", result.send()).await.problem(502);
    let document = served.get(&format!("/api/jobs/{id}")).await.json();
    assert_eq!(document["status"], "failed");
    assert_eq!(document["problem"]["status"], 502);
    // What is over cannot be cancelled.
    let cancelled = served
        .request("POST", &format!("/api/jobs/{id}/cancel"))
        .send()
        .await;
    cancelled.problem(409);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_cancelled_and_one_key_is_one_job() {
    let served = gateway().await;
    let _host = served.listen("slow", slow::module().unwrap()).await;
    let body = json!({"name": "job"});
    let key = [("idempotency-key", "night"), ("keep", "3600")];
    let (status, id) = submit(&served, "/api/slow/wait", &body, &key).await;
    assert_eq!(status, 201);
    let (status, again) = submit(&served, "/api/slow/wait", &body, &key).await;
    assert_eq!((status, &again), (201, &id));
    noted("job begun").await;
    let answer = served
        .request("POST", &format!("/api/jobs/{id}/cancel"))
        .send()
        .await;
    assert_eq!(answer.json()["status"], "cancelled");
    noted("job dropped").await;
    let caller = Caller::builder("slow").websocket(&served.broker().url());
    let caller = caller.connect().await.unwrap();
    let job = caller.attach::<Value>(&id.parse().unwrap()).unwrap();
    assert_eq!(job.status().await.unwrap(), JobStatus::Cancelled);
    served
        .get(&format!("/api/jobs/{id}/result"))
        .await
        .problem(409);
    assert_eq!(
        served
            .request("DELETE", &format!("/api/jobs/{id}"))
            .send()
            .await
            .status,
        204
    );
}
