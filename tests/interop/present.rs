//! Results that pages show, and places as arguments, between Rust and the Python package
//! `dasf-exb-reference`.

use std::fmt::Write;

use dasf::host::Module;
use dasf::present::{
    BinaryFile, DataSource, ExternalLink, Feature, GeoArea, GeoJson, GeoLocation, Geometry,
    Multiple, Record, Response,
};
use dasf::{CallError, Caller, FailureKind, Host, HostOptions};
use dasf_test_support::listen_at;
use dasf_test_support::python::{self, until_it_listens};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::brokers::embedded::Embedded;
use crate::brokers::{Process, Role, TestBroker, on_json_brokers};
use crate::support::exb_backend;

on_json_brokers!(the_reference_backend_is_called);

/// The functions of `present_module.py`.
#[dasf::module(topic = "shown", main = false)]
mod shown {
    use dasf::present::{
        BinaryFile, DataSource, ExternalLink, GeoArea, GeoJson, GeoLocation, Multiple,
    };

    /// A layer.
    #[dasf::function]
    pub(super) fn layer(value: GeoJson) -> GeoJson {
        value
    }

    /// A table.
    #[dasf::function]
    pub(super) fn table(value: DataSource) -> DataSource {
        value
    }

    /// A file.
    #[dasf::function]
    pub(super) fn file(value: BinaryFile) -> BinaryFile {
        value
    }

    /// A link.
    #[dasf::function]
    pub(super) fn link(value: ExternalLink) -> ExternalLink {
        value
    }

    /// Several results.
    #[dasf::function]
    pub(super) fn several(value: Multiple) -> Multiple {
        value
    }

    /// A place.
    #[dasf::function]
    pub(super) fn place(value: GeoLocation) -> GeoLocation {
        value
    }

    /// An area.
    #[dasf::function]
    pub(super) fn area(value: GeoArea) -> GeoArea {
        value
    }

    /// Places.
    #[dasf::function]
    pub(super) fn places(value: Vec<GeoLocation>) -> Vec<GeoLocation> {
        value
    }
}

fn module() -> Module {
    shown::module().unwrap()
}

/// Reads a value of a type, and writes it again.
fn written_again(name: &str, text: &str) -> String {
    fn again<T: DeserializeOwned + Serialize>(text: &str) -> String {
        serde_json::to_string(&serde_json::from_str::<T>(text).unwrap()).unwrap()
    }
    match name {
        "layer" => again::<GeoJson>(text),
        "table" => again::<DataSource>(text),
        "file" => again::<BinaryFile>(text),
        "link" => again::<ExternalLink>(text),
        "several" => again::<Multiple>(text),
        "place" => again::<GeoLocation>(text),
        "area" => again::<GeoArea>(text),
        name => panic!("{name}"),
    }
}

/// Returns values of each type, with the names of their functions.
fn cases() -> Vec<(&'static str, String)> {
    fn case(name: &'static str, value: &impl Serialize) -> (&'static str, String) {
        (name, serde_json::to_string(value).unwrap())
    }
    let place = GeoLocation {
        lon: 360.0,
        lat: -90.0,
    };
    let corners = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.5)];
    let corners = corners.map(|(lon, lat)| GeoLocation { lon, lat });
    let area = GeoArea::from_iter(corners);
    let features = [
        Feature::new("a", place.into()).with_property("ä", 1.5),
        Feature::new("b", area.clone().into()).with_property("list", json!([1, null, {"x": "y"}])),
        Feature::new("c", Geometry::line([(0.0, 0.0), (-0.5, 1e-300)])),
        Feature::new(
            "d",
            Geometry::GeometryCollection(vec![Geometry::point(1.0, 2.0)]),
        ),
    ];
    let mut layer = GeoJson::new("Ä", features);
    let renderer = json!({"type": "simple", "size": 6});
    layer.renderer = renderer.as_object().cloned();
    let record = Record::new()
        .with("n", 1)
        .with("x", 0.1)
        .with("text", "ä\n");
    let table = DataSource::new("t", [record, Record::new().with("gap", f64::NAN)]);
    let file = BinaryFile::new("a.bin", "application/x", [0, 255, 7]).with_text("Save");
    let link = ExternalLink::new("https://example.org/a%20b?c#d").unwrap();
    let all: [Response; 4] = [
        layer.clone().into(),
        table.clone().into(),
        file.clone().into(),
        link.clone().into(),
    ];
    vec![
        case("layer", &layer),
        case("layer", &GeoJson::new("", [])),
        case("table", &table),
        case("file", &file),
        case("file", &BinaryFile::new("", "", "").with_category("C")),
        case("link", &link),
        case("several", &Multiple::new(all)),
        case("place", &place),
        case("area", &area),
    ]
}

#[test]
fn python_and_rust_write_the_same_bytes() {
    let cases = cases();
    let mut input = String::new();
    for (name, text) in &cases {
        writeln!(input, "{name} {text}").unwrap();
    }
    let output = python::run("present_cases.py", &[], &input);
    let (of_python, of_rust) = output.split_once("\n\n").unwrap();
    assert_eq!(of_python.lines().count(), 11);
    for line in of_python.lines() {
        let (name, text) = line.split_once(' ').unwrap();
        assert_eq!(written_again(name, text), text);
    }
    assert_eq!(of_rust, input);
}

/// Returns a schema as both languages would write it: without descriptions, with the definition of the
/// result in its place, and without the keys of `dasf`.
fn comparable(schema: &Value) -> Value {
    let mut schema = schema.clone();
    let reference = schema["$ref"].as_str().map(str::to_owned);
    if let Some(name) = reference.and_then(|it| Some(it.strip_prefix("#/$defs/")?.to_owned())) {
        let mut definition = schema["$defs"][&name].clone();
        for key in ["$defs", "title", "default"] {
            definition[key] = schema[key].clone();
        }
        definition["$defs"].as_object_mut().unwrap().remove(&name);
        if definition["$defs"] == json!({}) {
            definition.as_object_mut().unwrap().remove("$defs");
        }
        schema = definition;
    }
    remove_descriptions(&mut schema);
    schema
}

fn remove_descriptions(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            // A property may have this name.
            if fields.get("description").is_some_and(Value::is_string) {
                fields.remove("description");
            }
            fields.remove("x_dasf_type");
            fields.values_mut().for_each(remove_descriptions);
        }
        Value::Array(items) => items.iter_mut().for_each(remove_descriptions),
        _ => {}
    }
}

#[test]
fn the_schemas_are_those_of_python() {
    let python: Value = serde_json::from_str(&python::run("present_module.py", &[], "")).unwrap();
    let rust: Value = serde_json::to_value(module().api_info("shown")).unwrap();
    for functions in [&python, &rust] {
        assert_eq!(functions["functions"].as_array().unwrap().len(), 8);
    }
    let pairs = python["functions"].as_array().unwrap().iter();
    for (python, rust) in pairs.zip(rust["functions"].as_array().unwrap()) {
        assert_eq!(rust["name"], python["name"]);
        for schema in ["rpc_schema", "return_schema"] {
            let (rust, python) = (comparable(&rust[schema]), comparable(&python[schema]));
            assert_eq!(rust, python, "{rust:#}\n{python:#}");
        }
    }
}

async fn start_broker() -> Embedded {
    let broker = Embedded::start().await;
    broker.make_topic("shown");
    broker
}

#[tokio::test(flavor = "multi_thread")]
async fn a_python_client_calls_a_rust_module() {
    let broker = start_broker().await;
    let address = broker.address_for(Role::Module);
    let host: Host = listen_at(address, "shown", module(), HostOptions::default()).await;
    let token = broker.token(Role::Caller);
    let arguments = [&broker.place(), "shown"];
    let script = python::command_with_token(token, "present_client.py", &arguments);
    let said = python::output_beside(script).await;
    assert_eq!(said, "11 calls were answered\n");
    host.shutdown().await;
}

/// Calls a function with the JSON of its argument, and returns the JSON of the result.
async fn echo(caller: &Caller, name: &str, value: &str) -> String {
    let request = format!(r#"{{"func_name": "{name}", "value": {value}}}"#);
    let request: Box<RawValue> = serde_json::from_str(&request).unwrap();
    let result = caller.call_raw(&request).await.unwrap();
    let result: Value = serde_json::from_str(result.get()).unwrap();
    result.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rust_client_calls_a_python_module() {
    let broker = start_broker().await;
    let token = broker.token(Role::Module);
    let arguments = [&broker.place(), "shown"];
    let module = python::command_with_token(token, "present_module.py", &arguments);
    let mut module = python::serve(module);
    let client = shown::Client::connect(&broker.caller_place())
        .await
        .unwrap();
    until_it_listens(&mut module, client.caller()).await;
    for (name, value) in cases() {
        assert_eq!(echo(client.caller(), name, &value).await, value);
    }
    let place = GeoLocation { lon: 1.0, lat: 2.0 };
    assert_eq!(client.place(place).await.unwrap(), place);
    let place = GeoLocation {
        lon: 1.0,
        lat: 91.0,
    };
    let error = client.place(place).await.unwrap_err().to_string();
    let problem = "FuncPlace.value.lat; Input should be less than or equal to 90";
    assert!(error.contains(problem), "{error}");
}

/// The functions of `dasf_exb.backend` that need no other machine, which it asks for maps.
#[dasf::module(topic = "experience-builder-demo", main = false)]
mod reference {
    use std::collections::BTreeMap;

    use dasf::present::{DataSource, GeoArea, GeoLocation, Multiple};

    #[dasf::function]
    pub(super) fn version_info() -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    #[dasf::function]
    pub(super) fn default_content() -> DataSource {
        DataSource::new("", [])
    }

    #[dasf::function]
    pub(super) fn erroring_test_function() {}

    #[dasf::function]
    pub(super) fn get_point_info(
        point: GeoLocation,
        #[dasf(default)] points: &[GeoLocation],
    ) -> String {
        format!("{point:?} {points:?}")
    }

    #[dasf::function]
    pub(super) fn get_area_info(area: &GeoArea) -> String {
        format!("{area:?}")
    }

    #[dasf::function]
    pub(super) fn get_timeseries() -> DataSource {
        DataSource::new("", [])
    }

    #[dasf::function]
    pub(super) fn show_buttons() -> Multiple {
        Multiple::new([])
    }
}

async fn the_reference_backend_is_called(broker: &TestBroker) {
    let topic = broker.topic("exb").await;
    let mut backend = exb_backend(broker, &topic);
    let client = reference::Client::builder()
        .topic(topic.as_str())
        .address(broker.address())
        .connect()
        .await
        .unwrap();
    until_it_listens(&mut backend, client.caller()).await;

    let versions = client.version_info().await.unwrap();
    assert_eq!(versions["dasf-exb-reference"], "0.1.0");
    let text = "Some default generated content by the backend.";
    let expected = DataSource::new("default_content", [Record::new().with("text", text)]);
    assert_eq!(client.default_content().await.unwrap(), expected);

    let series = client.get_timeseries().await.unwrap();
    assert_eq!((&*series.name, series.records.len()), ("timeseries", 10));
    assert_eq!(series.columns(), ["date", "value", "value2"]);

    let points = [(1.0, 2.0), (3.5, -4.5)].map(|(lon, lat)| GeoLocation { lon, lat });
    let [first, second] = points;
    let said = client
        .get_point_info(first)
        .points(&[second])
        .await
        .unwrap();
    assert!(said.ends_with("lon: 1.0\nlat: 2.0\n\nFurthermore the following additionals points have been selected:\nlon: 3.5\nlat: -4.5"), "{said}");
    let area = GeoArea::from_iter(points);
    let said = client.get_area_info(&area).await.unwrap();
    assert!(
        said.ends_with("lon: 1.0\nlat: 2.0\nlon: 3.5\nlat: -4.5"),
        "{said}"
    );

    let buttons = client.show_buttons().await.unwrap();
    let [Response::BinaryFile(file), Response::ExternalLink(link), _] = &buttons.data[..] else {
        panic!("{buttons:?}");
    };
    assert_eq!(
        (&*file.filename, &*file.mimetype),
        ("sample.md", "text/markdown")
    );
    assert_eq!(
        *file.data,
        b"# This is a markdown file\n\nwith some content"
    );
    assert_eq!(link.href(), "https://www.hereon.de/");

    let Err(CallError::Module(failure)) = client.erroring_test_function().await else {
        panic!("the function did not fail");
    };
    assert_eq!(failure.kind(), Some(FailureKind::Execution));
    assert_eq!(failure.message(), "This error is raised for demo purposes.");
}
