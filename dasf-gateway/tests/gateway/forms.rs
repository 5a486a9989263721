//! Bodies and results that are not JSON, and queries.

use dasf::Base64;
use serde_json::{Value, json};

use crate::support::gateway;

#[dasf::module(topic = "shapes", main = false)]
mod shapes {
    use dasf::Base64;
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    /// A level that was measured.
    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    pub struct Level {
        pub day: String,
        pub metres: Option<f64>,
    }

    /// The last bytes of a file, each increased.
    #[dasf::function]
    pub fn increased(data: &Base64, #[dasf(default = 1)] by: u8, last: Option<usize>) -> Base64 {
        let skipped = last.map_or(0, |last| data.len().saturating_sub(last));
        let bytes = data.iter().skip(skipped);
        Base64(bytes.map(|byte| byte.wrapping_add(by)).collect())
    }

    /// The number of bytes in two files, with a note.
    #[dasf::function]
    pub fn sizes(a: &Base64, b: &Base64, notes: &[String], levels: &[Level]) -> Vec<usize> {
        vec![a.len(), b.len(), notes.len(), levels.len()]
    }

    /// Some levels.
    #[dasf::function]
    pub fn levels(#[dasf(ge = 0)] count: u8) -> Vec<Level> {
        let level = |number| Level {
            day: format!("2026-01-{number:02}"),
            metres: (number != 2).then(|| f64::from(number) / 2.0),
        };
        (1..=count).map(level).collect()
    }

    /// The sum of numbers.
    #[dasf::function]
    pub fn sum(numbers: &[f64], names: Option<Vec<String>>) -> String {
        let sum: f64 = numbers.iter().sum();
        format!("{sum} {}", names.unwrap_or_default().join("+"))
    }

    /// A place on a map.
    #[dasf::function]
    pub fn place() -> serde_json::Value {
        serde_json::json!({"type": "Point", "coordinates": [10.0, 53.5]})
    }
}

/// Returns a form with parts: name, further headers, and content.
fn form(parts: &[(&str, &str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, headers, content) in parts {
        body.extend(
            format!("--edge\r\ncontent-disposition: form-data; name=\"{name}\"{headers}\r\n\r\n")
                .bytes(),
        );
        body.extend(*content);
        body.extend(b"\r\n");
    }
    body.extend(b"--edge--\r\n");
    body
}

const FORM: &str = "multipart/form-data; boundary=edge";
const FILE: &str = "; filename=\"a.bin\"\r\ncontent-type: application/octet-stream";
const JSON: &str = "\r\ncontent-type: application/json";

#[tokio::test(flavor = "multi_thread")]
async fn bytes_go_and_come_as_they_are() {
    let served = gateway().await;
    let _module = served.listen("shapes", shapes::module().unwrap()).await;
    let bytes: Vec<u8> = (0..=255).collect();
    let post = |path: &str, content_type: &str, body: Vec<u8>| {
        let request = served
            .request("POST", path)
            .header("content-type", content_type);
        request
            .header("accept", "application/octet-stream")
            .body(body)
    };
    let increased = |by: u8| {
        bytes
            .iter()
            .map(|byte| byte.wrapping_add(by))
            .collect::<Vec<_>>()
    };

    // `curl --data-binary` says that it sends a form.
    for content_type in [
        "application/octet-stream",
        "image/png",
        "application/x-www-form-urlencoded",
    ] {
        let answer = post("/api/shapes/increased", content_type, bytes.clone())
            .send()
            .await;
        assert_eq!(
            (answer.status, &answer.body),
            (200, &increased(1)),
            "{content_type}"
        );
        assert_eq!(answer.header("content-type"), "application/octet-stream");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
    let path = "/api/shapes/increased?by=3&last=2";
    let answer = post(path, "application/octet-stream", bytes.clone())
        .send()
        .await;
    assert_eq!(answer.body, increased(3)[254..]);

    let body = form(&[("by", "", b"2"), ("data", FILE, &bytes)]);
    let answer = post("/api/shapes/increased", FORM, body).send().await;
    assert_eq!(answer.body, increased(2));

    let answer = served
        .post("/api/shapes/increased", &json!({"data": Base64(&bytes)}))
        .await;
    assert_eq!(answer.json(), json!(Base64(increased(1))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_has_a_part_for_each_argument() {
    let served = gateway().await;
    let _module = served.listen("shapes", shapes::module().unwrap()).await;
    let post = async |parts: &[(&str, &str, &[u8])]| {
        let request = served
            .request("POST", "/api/shapes/sizes")
            .header("content-type", FORM);
        request.body(form(parts)).send().await
    };
    let levels: (&str, &str, &[u8]) = (
        "levels",
        JSON,
        br#"[{"day": "2026-01-01", "metres": null}]"#,
    );
    let (a, b): ((_, _, &[u8]), (_, _, &[u8])) = (("a", FILE, b"\xff\r\n--edg"), ("b", "", b""));
    let answer = post(&[a, b, ("notes", "", b"x"), ("notes", "", b"y"), levels]).await;
    assert_eq!((answer.status, answer.json()), (200, json!([8, 0, 2, 1])));

    for (parts, path) in [
        (vec![a, b, levels], "/notes"),
        (vec![a, b, ("notes", "", b"x"), levels, levels], "/levels"),
        (vec![a, a, b, ("notes", "", b"x"), levels], "/a"),
        (vec![a, b, ("notes", "", b"\xff"), levels], "/notes"),
        (vec![a, b, ("notes", JSON, b"[1"), levels], "/notes"),
        (
            vec![a, b, ("notes", "", b"x"), levels, ("other", "", b"x")],
            "/other",
        ),
    ] {
        let answer = post(&parts).await;
        answer.problem(400);
        assert_eq!(answer.json()["errors"][0]["path"], path);
    }
    let request = served.request("POST", "/api/shapes/sizes");
    for (content_type, body) in [("multipart/form-data", "x"), (FORM, "--edge\r\n")] {
        let request = request
            .clone()
            .header("content-type", content_type)
            .body(body);
        request.send().await.problem(400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_another_type_is_refused_with_those_that_are_taken() {
    let served = gateway().await;
    let _module = served.listen("shapes", shapes::module().unwrap()).await;
    for (function, content_type, takes) in [
        ("levels", "application/octet-stream", "application/json"),
        (
            "levels",
            "application/x-www-form-urlencoded",
            "application/json",
        ),
        (
            "sizes",
            "application/octet-stream",
            "application/json or multipart/form-data",
        ),
        (
            "increased",
            "text/plain",
            "application/json or application/octet-stream or multipart/form-data",
        ),
    ] {
        let request = served.request("POST", &format!("/api/shapes/{function}"));
        let request = request.header("content-type", content_type).body("x");
        let detail = request.send().await.problem(415);
        assert!(
            detail.ends_with(&format!("{function} takes {takes}")),
            "{detail}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_has_a_pair_for_each_item_of_a_list() {
    let served = gateway().await;
    let _module = served.listen("shapes", shapes::module().unwrap()).await;
    for (query, expected) in [
        ("numbers=1&numbers=2.5", "3.5 "),
        ("numbers=4", "4 "),
        ("numbers=[1,2]&names=1&names=b", "3 1+b"),
        ("numbers=[0]&names=null", "0 "),
    ] {
        let answer = served.get(&format!("/api/shapes/sum?{query}")).await;
        assert_eq!(
            (answer.status, answer.json()),
            (200, json!(expected)),
            "{query}"
        );
    }
    let answer = served.get("/api/shapes/sum?numbers=1&numbers=x").await;
    answer.problem(400);
    assert_eq!(answer.json()["errors"][0]["path"], "/numbers/1");
    let answer = served.get("/api/shapes/sizes?a=x").await;
    let detail = answer.problem(405);
    assert!(detail.contains("POST"), "{detail}");
    assert_eq!(answer.header("allow"), "POST");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_has_the_form_that_is_accepted() {
    let served = gateway().await;
    let _module = served.listen("shapes", shapes::module().unwrap()).await;
    let get = async |path: &str, accept: &str| {
        served
            .request("GET", &format!("/api/shapes/{path}"))
            .header("accept", accept)
            .send()
            .await
    };
    let answer = get("levels?count=3", "text/csv").await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("content-type"),
        "text/csv; charset=utf-8; header=present"
    );
    assert_eq!(
        answer.text(),
        "day,metres\r\n2026-01-01,0.5\r\n2026-01-02,\r\n2026-01-03,1.5\r\n"
    );
    let answer = get("place", "application/geo+json").await;
    assert_eq!(answer.header("content-type"), "application/geo+json");
    assert_eq!(answer.json()["type"], "Point");
    let answer = get("levels?count=1", "text/html, */*;q=0.8").await;
    assert_eq!(answer.header("content-type"), "application/json");
    let detail = get("levels?count=1", "image/png").await.problem(406);
    assert!(
        detail.ends_with("it can be application/json, text/csv"),
        "{detail}"
    );
    // The result itself decides.
    get("place", "image/png").await.problem(406);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documents_of_openapi_are_served() {
    let served = gateway().await;
    let _shapes = served.listen("shapes", shapes::module().unwrap()).await;
    let _other = served.listen("other", shapes::module().unwrap()).await;
    let one = served.get("/api/shapes/openapi.json").await.json();
    assert_eq!(one["openapi"], "3.1.0");
    let increased = &one["paths"]["/api/shapes/increased"]["post"];
    let types = |content: &Value| {
        content
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(
        types(&increased["requestBody"]["content"]),
        [
            "application/json",
            "multipart/form-data",
            "application/octet-stream"
        ]
    );
    assert_eq!(
        types(&increased["responses"]["200"]["content"]),
        [
            "application/json",
            "application/octet-stream",
            "text/event-stream"
        ]
    );
    let all = served.get("/api/openapi.json").await.json();
    for path in [
        "/api",
        "/api/shapes/levels",
        "/api/other/levels",
        "/api/jobs/{id}",
    ] {
        assert!(all["paths"].get(path).is_some(), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reference_loads_nothing_from_elsewhere() {
    let served = gateway().await;
    for path in ["/api/docs", "/api/shapes/docs"] {
        let page = served.get(path).await;
        assert_eq!(page.status, 200);
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        assert!(
            page.header("content-security-policy")
                .starts_with("default-src 'self';")
        );
        let html = page.text();
        let sources = html
            .split(['"', ' '])
            .filter(|part| part.starts_with("/api/docs/"));
        let sources: Vec<&str> = sources.collect();
        assert_eq!(sources.len(), 3, "{html}");
        assert!(!html.contains("//"), "{html}");
        for source in sources {
            let file = served.get(source).await;
            assert_eq!(file.status, 200, "{source}");
            let tag = file.header("etag");
            let again = served.request("GET", source).header("if-none-match", tag);
            assert_eq!(again.send().await.status, 304, "{source}");
        }
    }
}
