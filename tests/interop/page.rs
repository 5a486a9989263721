//! The page of the gateway in a real browser, with modules in Rust and in Python.

use std::fs;
use std::path::{Path, PathBuf};

use dasf_examples::reference;
use dasf_gateway::{Gateway, Options};
use dasf_test_support::python::until_it_listens;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::brokers::{Role, TestBroker, on_dasf_brokers};
use crate::support::{connect, exb_backend, reference_module};
use crate::web::node;

/// Forms with fields of all kinds, and results that a page shows in many ways.
#[dasf::module(topic = "shows", main = false)]
mod shows {
    use std::time::Duration;

    use chrono::NaiveDate;
    use dasf::netcdf::ndarray::Array3;
    use dasf::netcdf::{DataArray, NetcdfError, Variable};
    use dasf::{Base64, Context, ProgressReport};
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};
    use serde_json::{Value, json};

    /// A place on the map.
    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
    #[schemars(extend("uiSchema" = {"ui:field": "GeoLocation", "ui:title": "Select point"}))]
    pub(super) struct GeoLocation {
        #[schemars(range(min = -180, max = 360))]
        pub(super) lon: f64,
        #[schemars(range(min = -90, max = 90))]
        pub(super) lat: f64,
    }

    /// An area on the map.
    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
    #[schemars(extend("uiSchema" = {"ui:field": "GeoArea"}))]
    pub(super) struct GeoArea {
        pub(super) points: Vec<GeoLocation>,
    }

    /// A gauge in a river.
    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
    pub(super) struct Gauge {
        /// The name that people use.
        #[schemars(length(min = 1))]
        pub(super) name: String,
        #[serde(default)]
        pub(super) datum: f64,
    }

    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
    #[serde(tag = "kind", rename_all = "lowercase")]
    pub(super) enum Shape {
        Circle {
            #[schemars(range(min = 0))]
            radius: f64,
        },
        Square {
            side: f64,
        },
    }

    #[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    pub(super) enum Station {
        Cuxhaven,
        Husum,
    }

    /// Returns its arguments.
    ///
    /// # Arguments
    /// * `station` - Which station
    /// * `window` - How many values are averaged
    /// * `since` - The first day
    /// * `values` - Numbers to average
    /// * `file` - A file of any kind
    #[dasf::function]
    #[allow(clippy::too_many_arguments, clippy::needless_pass_by_value)] // a form with a field of each kind
    pub(super) fn form(
        station: Station,
        #[dasf(ge = 1, le = 365, default = 12)] window: u32,
        since: NaiveDate,
        label: Option<String>,
        #[dasf(min_items = 2)] values: Vec<f64>,
        tags: Vec<String>,
        gauge: Gauge,
        shape: Shape,
        #[dasf(default = true)] flag: bool,
        file: Base64,
    ) -> Value {
        json!({
            "station": station, "window": window, "since": since, "label": label, "values": values, "tags": tags,
            "gauge": gauge, "shape": shape, "flag": flag, "bytes": file.0.len(),
        })
    }

    /// A point and an area.
    #[dasf::function]
    pub(super) fn places(point: GeoLocation, area: GeoArea) -> Vec<GeoLocation> {
        [vec![point], area.points].concat()
    }

    /// Works until it is cancelled, or for some steps.
    ///
    /// # Errors
    /// When the caller is gone.
    #[dasf::function]
    pub(super) async fn work(
        steps: u32,
        #[dasf(default = 100)] milliseconds: u64,
        context: Context,
        mut reporter: ProgressReport,
    ) -> Result<String, String> {
        reporter.set_steps(steps as usize);
        for step in 0..steps {
            let _step = reporter.step(format!("Year {}", 1990 + step));
            tokio::select! {
                () = context.cancelled() => return Err("cancelled".to_owned()),
                () = tokio::time::sleep(Duration::from_millis(milliseconds)) => {}
            }
        }
        Ok(format!("{steps} steps"))
    }

    /// A number.
    #[dasf::function]
    pub(super) fn number() -> f64 {
        25.0125
    }

    /// A text that looks like HTML.
    #[dasf::function]
    pub(super) fn text() -> String {
        "<b>bold</b>\n<script>document.title = 'broken'</script>".to_owned()
    }

    /// Whether it is true.
    #[dasf::function]
    pub(super) fn truth() -> bool {
        true
    }

    /// Nothing.
    #[dasf::function]
    pub(super) fn nothing() {}

    /// Records without an axis.
    #[dasf::function]
    pub(super) fn table() -> Value {
        json!([
            {"station": "Cuxhaven", "level": 3.5, "open": true},
            {"station": "Husum", "level": null, "open": false},
            {"station": "Büsum", "level": -1.25, "open": true},
            {"station": "=1+1", "level": 12, "open": true},
        ])
    }

    /// Two columns over time, with gaps.
    #[dasf::function]
    pub(super) fn series() -> Value {
        let hours = 0..240;
        let day = |hour: i32| format!("2024-02-{:02}T{:02}:00:00Z", 20 + hour / 24, hour % 24);
        let level = |hour: i32| match hour {
            60..75 => Value::Null,
            _ => json!((f64::from(hour) * 0.52).sin() * 1.4 + 0.2),
        };
        json!({
            "response_type": "series",
            "name": "levels",
            "index": {"name": "time", "unit": null, "values": hours.clone().map(day).collect::<Vec<_>>()},
            "columns": [
                {"name": "level", "unit": "m", "values": hours.clone().map(level).collect::<Vec<_>>()},
                {"name": "surge", "unit": "m",
                 "values": hours.map(|hour| (f64::from(hour) * 0.05).cos() * 0.5).collect::<Vec<_>>()},
            ],
        })
    }

    /// Features of each kind.
    #[dasf::function]
    pub(super) fn features() -> Value {
        let feature = |id: &str, properties: Value, kind: &str, coordinates: Value| {
            let geometry = json!({"type": kind, "coordinates": coordinates});
            json!({"type": "Feature", "id": id, "properties": properties, "geometry": geometry})
        };
        json!({
            "response_type": "geojson",
            "title": "German Bight",
            "data": {"type": "FeatureCollection", "features": [
                feature("1", json!({"name": "Cuxhaven", "level": 3.5}), "Point", json!([8.7, 53.87])),
                feature("2", json!({"name": "Helgoland", "level": 1.5}), "Point", json!([7.9, 54.18])),
                feature("3", json!({"name": "Ferry", "level": 2}), "LineString", json!([[8.7, 53.87], [7.9, 54.18]])),
                feature("4", json!({"name": "Area", "level": 1}), "Polygon",
                    json!([[[6.5, 53.7], [8.6, 53.7], [9.0, 54.5], [8.3, 55.2], [6.5, 55.1], [6.5, 53.7]]])),
            ]},
        })
    }

    /// Temperatures on a grid, with land.
    ///
    /// # Errors
    /// None.
    #[dasf::function]
    pub(super) fn grid() -> Result<DataArray, NetcdfError> {
        let (lats, lons): (Vec<f64>, Vec<f64>) = (
            (-20..=20).map(|step| f64::from(step) * 4.0).collect(),
            (0..72).map(|step| f64::from(step) * 5.0).collect(),
        );
        let values = Array3::from_shape_fn((3, lats.len(), lons.len()), |(time, lat, lon)| {
            let is_missing = (10..14).contains(&lat) && (10..20).contains(&lon);
            let value = 27.0 * lats[lat].to_radians().cos() + lons[lon].to_radians().sin() * 2.0;
            if is_missing {
                f64::NAN
            } else {
                value + [0.0, 1.0, 2.0][time]
            }
        });
        let days = [1, 2, 3].map(|month| NaiveDate::from_ymd_opt(2024, month, 1));
        DataArray::new(["time", "lat", "lon"], values)?
            .with_name("sst")
            .with_attribute("units", "degC")
            .with_attribute("long_name", "Sea surface temperature")
            .with_coordinate("time", days)?
            .with_coordinate_variable(
                "lat",
                Variable::new(["lat"], lats)?.with_attribute("units", "degrees_north"),
            )?
            .with_coordinate_variable(
                "lon",
                Variable::new(["lon"], lons)?.with_attribute("units", "degrees_east"),
            )
    }

    /// Temperatures over time.
    ///
    /// # Errors
    /// None.
    #[dasf::function]
    pub(super) fn line() -> Result<DataArray, NetcdfError> {
        let days = (1..=28).map(|day| NaiveDate::from_ymd_opt(2024, 2, day));
        let values = (1..=28).map(|day| (f64::from(day) * 0.4).sin() + 4.0);
        DataArray::new(["time"], values.collect::<Vec<_>>())?
            .with_name("temperature")
            .with_attribute("units", "degC")
            .with_coordinate("time", days.collect::<Vec<_>>())
    }

    /// Rows of numbers.
    #[dasf::function]
    pub(super) fn matrix() -> Vec<Vec<f64>> {
        let row =
            |y: i32| (0..30).map(move |x| (f64::from(y) / 4.0).sin() * (f64::from(x) / 5.0).cos());
        (0..20).map(|y| row(y).collect()).collect()
    }

    /// A report.
    #[dasf::function]
    pub(super) fn markdown() -> Value {
        let text = "# Report\n\nThe **mean** is `25.0` °C, see [the source](https://example.org).\n\n\
                    <script>document.title = 'broken'</script>\n\n| year | mean |\n|---|---:|\n| 1998 | 25.01 |\n\
                    | 1999 | 22.9 |\n\n- one\n- two\n\n> quoted\n\n![a picture](https://example.org/a.png) \
                    [bad](javascript:alert(1))\n";
        json!({
            "response_type": "categorical_button",
            "category": "Downloads",
            "text": "Read the report",
            "data": Base64(text.as_bytes().to_vec()),
            "filename": "report.md",
            "mimetype": "text/markdown",
            "button_text": "Read the report",
            "button_title": "Read the report",
        })
    }

    /// A picture.
    #[dasf::function]
    pub(super) fn image() -> Base64 {
        Base64(include_bytes!("../../dasf-examples/climate/page.png").to_vec())
    }

    /// A file.
    #[dasf::function]
    pub(super) fn file() -> Base64 {
        Base64(vec![1, 2, 3])
    }

    /// Several results.
    #[dasf::function]
    pub(super) fn multiple() -> Value {
        let record = |day: i32| json!({"date": format!("2024-02-{day:02}T07:00:00"), "value": day, "twice": 2 * day});
        json!({
            "response_type": "multiple",
            "data": [
                {"response_type": "datasource", "name": "A time series", "records": (1..10).map(record).collect::<Vec<_>>()},
                features(),
                {"response_type": "categorical_button", "category": "Links", "text": "The source",
                 "href": "https://example.org/", "button_text": "The source", "button_title": "The source"},
            ],
        })
    }

    /// A tree, with a number that JavaScript would round.
    #[dasf::function]
    pub(super) fn tree() -> Value {
        json!({"a": {"b": [1, 2, {"c": null, "d": "x"}]}, "large": 9_223_372_036_854_775_807_i64})
    }

    /// Fails.
    ///
    /// # Errors
    /// Always.
    #[dasf::function]
    pub(super) fn fail() -> Result<(), String> {
        Err("no such dataset".to_owned())
    }
}

/// The names of the functions whose results are shown.
const RESULTS: [&str; 18] = [
    "number", "text", "truth", "nothing", "table", "series", "features", "grid", "line", "matrix",
    "markdown", "image", "file", "multiple", "tree", "fail", "work", "places",
];

on_dasf_brokers!(
    modules_are_called_from_the_page,
    the_reference_backend_is_shown,
);

/// A gateway. A drop ends it.
struct Served {
    url: String,
    serving: JoinHandle<()>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn gateway(broker: &TestBroker, topics: &[&str]) -> Served {
    // Django keeps no list of its modules.
    let options = topics
        .iter()
        .try_fold(Options::default(), |options, topic| options.topic(topic));
    let options = options.unwrap();
    let gateway = Gateway::new(broker.address_for(Role::Caller), options).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        gateway
            .serve(listener, std::future::pending())
            .await
            .unwrap();
    });
    Served { url, serving }
}

async fn modules_are_called_from_the_page(broker: &TestBroker) {
    let rust = broker.topic("page-rust").await;
    let python = broker.topic("page-python").await;
    let _rust = broker.serve(reference::module().unwrap(), &rust).await;
    let mut module = reference_module(broker, &python, &["--log-level", "50"]);
    let client = connect(broker, &python).await;
    until_it_listens(&mut module, client.caller()).await;
    let gateway = gateway(broker, &[rust.as_str(), python.as_str()]).await;

    let wanted = json!({"page": gateway.url, "topics": [rust.as_str(), python.as_str()]});
    let seen = node("page_calls.mjs", wanted).await;
    for topic in [rust.as_str(), python.as_str()] {
        let seen = &seen[topic];
        assert_eq!(seen["listed"], true, "{topic}");
        let members = seen["members"].as_array().unwrap();
        assert!(members.contains(&json!("add")), "{members:?}");
        assert_eq!(seen["add"], "42");
        assert_eq!(seen["default"], "2");
        assert_eq!(seen["missing"], "a value is missing");
        assert_eq!(seen["refused_by_form"], "-1 is not greater than 0");
        assert_eq!(seen["hello"], "Hallo Ada");
        assert_eq!(seen["greet"], "Yo Ada");
        assert_eq!(seen["when"], "2028-02-29T12:30:00Z");
        assert_eq!(seen["area"], json!([["n", "2"], ["s", "0.5"]]));
        assert_eq!(seen["slow"], "done");
        assert_eq!(seen["steps"], json!(["step 0", "step 1", "step 2"]));
        let failure = seen["fail"].as_str().unwrap();
        assert!(failure.contains("no such dataset"), "{failure}");
        assert_eq!(seen["job"], "done");
        assert_eq!(seen["job_state"], "done");
        assert_eq!(seen["curl"], "42");
        assert_eq!(seen["python"], "42");
        assert_eq!(seen["typescript"], "42");
    }
    assert_clean(&seen);
}

async fn the_reference_backend_is_shown(broker: &TestBroker) {
    let topic = broker.topic("page-exb").await;
    let mut backend = exb_backend(broker, &topic);
    let client = connect(broker, &topic).await;
    until_it_listens(&mut backend, client.caller()).await;
    let gateway = gateway(broker, &[topic.as_str()]).await;

    let wanted = json!({"page": gateway.url, "topic": topic.as_str()});
    let seen = node("page_exb.mjs", wanted).await;
    let content = seen["default_content"].as_str().unwrap();
    let expected = "Some default generated content by the backend.";
    assert!(content.contains(expected), "{content}");
    assert_eq!(seen["timeseries"], json!(["plot", 10]));
    let point = seen["point"].as_str().unwrap();
    let coordinates: Vec<f64> = point
        .lines()
        .filter_map(|line| line.split_once(": ")?.1.parse().ok())
        .collect();
    assert_eq!(coordinates.len(), 2, "{point}");
    assert_eq!(
        seen["button"],
        "# This is a markdown file\n\nwith some content"
    );
    assert_eq!(seen["link"], "https://www.hereon.de/");
    let failure = seen["failure"].as_str().unwrap();
    let expected = "This error is raised for demo purposes.";
    assert!(failure.contains(expected), "{failure}");
    assert_clean(&seen);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_form_and_result_is_shown() {
    let broker = TestBroker::embedded().await;
    let topic = broker.topic("page-shows").await;
    let _module = broker.serve(shows::module().unwrap(), &topic).await;
    let gateway = gateway(&broker, &[topic.as_str()]).await;
    let folder = screenshots();
    let wanted = json!({
        "page": gateway.url,
        "topic": topic.as_str(),
        "screenshots": folder,
        "results": RESULTS,
    });
    let seen = node("page_views.mjs", wanted).await;

    // The form shows what is wrong while it is filled in, and sends what was given.
    assert_eq!(
        seen["wrong"],
        json!({
            "window": "400 is greater than the maximum of 365",
            "name": "a value is missing",
            "values": "at least 2 items are needed",
        })
    );
    assert_eq!(
        seen["form"],
        json!({
            "station": "husum", "window": 30, "since": "2024-02-29", "label": null, "values": [1, 2.5, 4],
            "tags": ["a"], "gauge": {"name": "Elbe", "datum": 0}, "shape": {"kind": "square", "side": 2},
            "flag": false, "bytes": 5,
        })
    );
    let places = seen["places"].as_array().unwrap();
    // The point, and the four corners of the rectangle.
    assert_eq!(places.len(), 5, "{places:?}");
    assert_eq!(seen["refused_by_gateway"], "42 is too many today");
    assert_eq!(seen["cancelled"], "The call was cancelled.");
    assert_eq!(seen["title"], "unbroken");
    assert_eq!(seen["sorted"], json!(["-1.25", "3.5", "12", ""]));
    assert_eq!(
        seen["csv"],
        "station,level,open\r\nBüsum,-1.25,true\r\nCuxhaven,3.5,true\r\n'=1+1,12,true\r\nHusum,,false\r\n"
    );
    assert!(seen["netcdf"].as_u64().unwrap() > 10_000);
    assert_eq!(seen["large"], "9223372036854775807");
    assert_eq!(seen["token"], json!([true, false]));
    assert_eq!(seen["missing_module"], true);
    for kind in RESULTS.iter().chain(&[
        "modules", "module", "form", "map", "jobs", "job", "problems",
    ]) {
        for mode in ["desktop-light", "desktop-dark", "phone-light", "phone-dark"] {
            let file = folder.join(format!("{kind}-{mode}.png"));
            let picture =
                fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            assert!(picture.starts_with(b"\x89PNG"), "{}", file.display());
        }
    }
    assert_eq!(seen["too_wide"], json!([]));
    assert_eq!(seen["inaccessible"], json!([]));
    assert_clean(&seen);
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_are_called_from_the_reference() {
    let broker = TestBroker::embedded().await;
    let topic = broker.topic("page-docs").await;
    let _module = broker.serve(reference::module().unwrap(), &topic).await;
    let gateway = gateway(&broker, &[topic.as_str()]).await;
    let folder = screenshots();
    let wanted = json!({"page": gateway.url, "topic": topic.as_str(), "screenshots": folder});
    let seen = node("page_docs.mjs", wanted).await;
    for kind in ["all", "topic"] {
        let paths = seen[kind].as_array().unwrap();
        let path = format!("/api/{topic}/add");
        assert!(paths.iter().any(|it| it == &path), "{kind}: {paths:?}");
    }
    assert_eq!(
        (&seen["status"], &seen["result"]),
        (&json!("200"), &json!("42"))
    );
    assert_clean(&seen);
}

/// Returns the folder of the screenshots.
fn screenshots() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/interop/page");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Nothing was loaded from another host, and the browser had nothing to complain about.
fn assert_clean(seen: &Map<String, Value>) {
    assert_eq!(seen["others"], json!([]));
    assert_eq!(seen["errors"], json!([]));
}
