//! Modules with invalid or unusual answers.

use dasf::protocol::payload;
use dasf::protocol::text::is_hidden;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Run, Stage};

/// Answers every message: with this API description, and calls with this JSON as their result.
fn serve(stage: &Stage, topic: &str, api_info: &str, result: &str) {
    answer(stage, topic, api_info, Some(result));
}

/// Answers every message: with this API description, and calls with this result, or with the request
/// itself if no result is given.
fn answer(stage: &Stage, topic: &str, api_info: &str, result: Option<&str>) {
    let url = stage.url();
    let topic = topic.to_owned();
    let api_info = api_info.to_owned();
    let result = result.map(|result| payload::encode(result.as_bytes()));
    let (mut consumer, _) = stage
        .runtime
        .block_on(connect_async(format!("{url}/{topic}/module")))
        .unwrap();
    stage.runtime.spawn(async move {
        while let Some(Ok(frame)) = consumer.next().await {
            let Message::Text(text) = frame else { continue };
            let question: Value = serde_json::from_str(&text).unwrap();
            let acknowledgement = json!({"messageId": question["messageId"]});
            let acknowledgement = Message::text(acknowledgement.to_string());
            consumer.send(acknowledgement).await.unwrap();
            let asked = &question["properties"];
            let context = asked["requestContext"].as_str().unwrap();
            let payload = match &result {
                _ if asked["messageType"] != "request" => "",
                Some(result) => result,
                None => question["payload"].as_str().unwrap(),
            };
            let answer = json!({
                "payload": payload,
                "context": context,
                "properties": {
                    "messageType": "response",
                    "requestContext": context,
                    "source_topic": topic,
                    "status": "success",
                    "api_info": api_info,
                },
            });
            let response_topic = asked["response_topic"].as_str().unwrap();
            let (mut producer, _) = connect_async(format!("{url}/{response_topic}"))
                .await
                .unwrap();
            producer
                .send(Message::text(answer.to_string()))
                .await
                .unwrap();
            // The receipt: the broker has accepted the answer.
            producer.next().await.unwrap().unwrap();
        }
    });
}

fn function(name: &str, description: &str, properties: &Value) -> Value {
    json!({
        "name": name,
        "rpc_schema": {"type": "object", "description": description, "properties": properties},
        "return_schema": {},
    })
}

fn api_info(function: &Value) -> String {
    let module = json!({
        "functions": [function],
        "classes": [],
        "rpc_schema": {"title": "odd", "description": "An \u{1b}[31mod\u{9b}d\u{7} module."},
    });
    module.to_string()
}

#[test]
fn an_invalid_api_description_is_reported() {
    let stage = Stage::new(None);
    for (number, document) in [
        "",
        "no JSON",
        "[]",
        "{}",
        "null",
        r#"{"functions": 5, "classes": [], "rpc_schema": {}}"#,
        r#"{"functions": [{"name": 5}], "classes": [], "rpc_schema": {}}"#,
        &"[".repeat(10_000),
    ]
    .iter()
    .enumerate()
    {
        let topic = format!("odd-{number}");
        serve(&stage, &topic, document, "null");
        for command in [
            &["api"][..],
            &["call", "f"],
            &["generate", "--lang", "python"],
        ] {
            let line = stage.run(&[command, &["-t", &topic]].concat()).fails(1);
            assert!(
                line.contains("cannot be read: ") || line.starts_with("api_info"),
                "{document}: {line}"
            );
        }
        stage.run(&["ping", "-t", &topic]).succeeds();
    }
}

#[test]
fn strings_of_a_module_cannot_control_the_terminal() {
    let stage = Stage::new(None);
    let evil = "a\u{1b}]0;title\u{7}\u{9b}2J\u{202e}\u{2066}z";
    let properties = json!({
        "x": {"type": "string", "description": evil, "default": evil, "pattern": evil},
        evil: {"type": "integer"},
        "y": {"enum": [evil]},
        "z": {"type": "string", "format": evil},
    });
    let f = function(
        "f",
        &format!("{evil}\nmore\n\nmuch more {evil}"),
        &properties,
    );
    serve(&stage, "odd", &api_info(&f), &json!(evil).to_string());
    let g = function(evil, evil, &json!({}));
    serve(&stage, "evil", &api_info(&g), "null");

    let is_quiet = |Run(output): Run| {
        for text in [output.stdout, output.stderr] {
            let text = String::from_utf8(text).unwrap();
            let hidden = |symbol: char| is_hidden(symbol) && symbol != '\n';
            assert!(!text.contains(hidden), "{text:?}");
        }
    };
    for arguments in [
        &["api", "-t", "odd"][..],
        &["api", "-t", "odd", "f"],
        &["api", "-t", "odd", "none"],
        &["api", "-t", "odd", "--json"],
        &["api", "-t", "evil"],
        &["api", "-t", "evil", "none"],
        &["call", "-t", "evil", "none"],
        &["call", "-t", "odd", "f"],
        &["call", "-t", "odd", "f", "none=1"],
        &["call", "-t", "odd", "f", "x=1"],
        &["call", "-t", "odd", "f", "y=1"],
        &["generate", "-t", "odd", "--lang", "rust"],
        &["generate", "-t", "odd", "--lang", "python"],
        &["generate", "-t", "odd", "--lang", "typescript"],
        &["generate", "-t", "evil", "--lang", "python"],
    ] {
        is_quiet(stage.run(arguments));
    }
    // A pipe gets the string itself.
    let raw = stage.run(&["call", "-t", "odd", "f", "--raw"]).succeeds();
    assert_eq!(raw, format!("{evil}\n"));
    let shown = stage.run(&["api", "-t", "odd"]).succeeds();
    assert!(
        shown.starts_with("odd\n  An  [31mod d  module.\n"),
        "{shown:?}"
    );
}

#[test]
fn numbers_keep_their_digits() {
    const DIGITS: &str = "265252859812191058636308480000000";
    let stage = Stage::new(None);
    let number = json!({"type": "number"});
    let properties = json!({"v": {}, "n": {"type": "integer"}, "list": {"items": number}});
    let f = function("f", "", &properties);
    answer(&stage, "echo", &api_info(&f), None);
    let call = |arguments: &[&str]| {
        let call = [&["call", "-t", "echo", "f"], arguments].concat();
        stage.run(&call).succeeds()
    };
    let json = format!("{{\"v\": {{\"w\": -{DIGITS}}}, \"list\": [1.50, 1E400]}}");
    let file = stage.file("digits.json", &json);
    for (arguments, sent) in [
        (vec![format!("v={DIGITS}")], format!("\"v\":{DIGITS}")),
        (vec![format!("n=-{DIGITS}")], format!("\"n\":-{DIGITS}")),
        (
            vec![format!("list=[{DIGITS}, -0.0]")],
            format!("\"list\":[{DIGITS},-0.0]"),
        ),
        (vec!["v=1e400".to_owned()], "\"v\":1e400".to_owned()),
        (
            vec!["--json".to_owned(), format!("@{file}")],
            format!("\"v\":{{\"w\":-{DIGITS}}},\"list\":[1.50,1E400]"),
        ),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let printed = call(&arguments);
        assert_eq!(printed, format!("{{{sent},\"func_name\":\"f\"}}\n"));
    }
    assert_eq!(
        call(&[&format!("v={DIGITS}"), "-i", "1"]),
        format!("{{\n \"v\": {DIGITS},\n \"func_name\": \"f\"\n}}\n")
    );

    // The API description keeps its digits, too.
    let document = api_info(&f).replace("\"type\":\"integer\"", &format!("\"maximum\":{DIGITS}"));
    assert!(document.contains(DIGITS));
    serve(&stage, "limited", &document, "1");
    let printed = stage.run(&["api", "-t", "limited", "--json"]).succeeds();
    assert!(
        printed.contains(&format!("{{\"maximum\":{DIGITS}}}")),
        "{printed}"
    );
}

#[test]
fn an_invalid_schema_leaves_the_check_to_the_module() {
    let stage = Stage::new(None);
    let mut f = function("f", "", &json!({"x": {"type": "no type"}}));
    serve(&stage, "no-type", &api_info(&f), "1");
    f["rpc_schema"] = json!({
        "$defs": {"A": {"$ref": "#/$defs/A"}},
        "properties": {"x": {"$ref": "#/$defs/A"}},
    });
    serve(&stage, "circle", &api_info(&f), "1");
    f["rpc_schema"] = json!({"properties": {"x": {"$ref": "https://example.invalid/schema.json"}}});
    serve(&stage, "elsewhere", &api_info(&f), "1");
    for (topic, is_checked) in [("no-type", false), ("circle", true), ("elsewhere", false)] {
        let Run(output) = stage.run(&["call", "-t", topic, "f", "x=1"]);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.stdout, b"1\n", "{topic}: {told}");
        let warning = "the schema is not valid; only the module checks the call";
        assert_eq!(told.contains(warning), !is_checked, "{topic}: {told}");
        stage.run(&["api", "-t", topic]).succeeds();
        stage.run(&["api", "-t", topic, "f"]).succeeds();
    }
}

#[test]
fn a_schema_that_would_take_for_ever_stops_nothing() {
    let stage = Stage::new(None);
    let mut definitions = json!({"D0": {"type": "string", "maxLength": 3}});
    for number in 1..=14 {
        let inner = json!({"$ref": format!("#/$defs/D{}", number - 1)});
        definitions[format!("D{number}")] = json!({"type": "string", "allOf": vec![inner; 16]});
    }
    let mut f = function("f", "", &json!({"x": {"$ref": "#/$defs/D14"}}));
    // 2^56 schemas apply to the argument.
    f["rpc_schema"]["$defs"] = definitions;
    serve(&stage, "doubled", &api_info(&f), "1");
    let pattern = json!({"items": {"type": "string", "pattern": r"^(?:\w{1,200}x){1,20}$"}});
    serve(
        &stage,
        "pattern",
        &api_info(&function("f", "", &json!({"x": pattern}))),
        "1",
    );
    let texts = json!(vec!["a".repeat(1000); 500]).to_string();
    let x = stage.file("x.json", &texts);
    for (topic, x) in [("doubled", "x=abc"), ("pattern", &format!("x=@{x}"))] {
        let printed = stage.run(&["call", "-t", topic, "f", x]).succeeds();
        assert_eq!(printed, "1\n", "{topic}");
        stage.run(&["api", "-t", topic, "f"]).succeeds();
        for lang in ["rust", "python", "typescript"] {
            stage
                .run(&["generate", "-t", topic, "--lang", lang])
                .succeeds();
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_large_result_takes_a_few_times_its_size() {
    let stage = Stage::new(None);
    let f = function("f", "", &json!({}));
    let result = format!("[{}0]", "0,".repeat(300_000));
    serve(&stage, "zeros", &api_info(&f), &result);
    // A tree of its values would take more than 36 times its size.
    let peak_of = |arguments: &[&str]| {
        let mut child = stage
            .command(arguments)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = child.stdout.take().unwrap();
        let status = format!("/proc/{}/status", child.id());
        let mut peak = 0;
        let mut text = Vec::new();
        let mut part = [0; 4096];
        while let size @ 1.. = std::io::Read::read(&mut output, &mut part).unwrap() {
            text.extend_from_slice(&part[..size]);
            // The program still writes: its memory is that of the result.
            let status = std::fs::read_to_string(&status).unwrap();
            let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:"));
            let kilobytes = line.map(|it| it.trim().strip_suffix(" kB").unwrap());
            peak = peak.max(kilobytes.map_or(0, |it| it.parse::<usize>().unwrap() * 1024));
        }
        assert!(child.wait().unwrap().success());
        (peak, text)
    };
    let least = loop {
        // A program that has ended meanwhile has no memory any more.
        if let (peak @ 1.., _) = peak_of(&["api", "-t", "zeros"]) {
            break peak;
        }
    };
    let (peak, text) = peak_of(&["call", "-t", "zeros", "f"]);
    assert_eq!(text.len(), result.len() + 1);
    let times = (peak - least) as f64 / result.len() as f64;
    assert!(times < 16.0, "{times:.1} times the result");
}
