//! Arrays and datasets between Rust and xarray.

use std::collections::BTreeMap;

use chrono::{NaiveDate, NaiveDateTime, TimeDelta};
use dasf::netcdf::ndarray::{Array, Array2, array};
use dasf::netcdf::{Attribute, DataArray, Dataset, NetcdfError, Values, Variable};
use dasf::{CallError, Host, HostOptions};
use dasf_test_support::listen_at;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::brokers::embedded::Embedded;
use crate::brokers::{Process, Role};
use crate::generated_python::save;
use crate::python;

fn day(year: i32, month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, month, day).unwrap()
}

fn time(text: &str) -> Option<NaiveDateTime> {
    Some(text.parse().unwrap())
}

/// Returns the arrays of `xarray_cases.py`.
fn arrays() -> Result<Vec<(&'static str, DataArray)>, NetcdfError> {
    let nan = f64::NAN;
    let texts = array![["a", ""], ["Grüße", "世界"]];
    Ok(vec![
        (
            "attributes",
            DataArray::new(["x"], [1.5, nan, -0.25])?
                .with_name("a")
                .with_attribute("a_text", "Grüße, 世界")
                .with_attribute("a_empty", "")
                .with_attribute("a_flag", true)
                .with_attribute("a_byte", -1_i8)
                .with_attribute("a_short", 300_i16)
                .with_attribute("a_int", 70_000)
                .with_attribute("a_single", 0.1_f32)
                .with_attribute("a_double", 0.1)
                .with_attribute("a_ints", [1, 2, 3])
                .with_attribute("a_doubles", [0.5, nan]),
        ),
        (
            "grid",
            DataArray::new(
                ["lat", "lon"],
                array![[1.0, 2.0, f32::NAN], [4.0, 5.0, 6.0]],
            )?
            .with_name("sst")
            .with_attribute("units", "degC")
            .with_coordinate_variable(
                "lat",
                Variable::new(["lat"], [-10.0, -5.0])?.with_attribute("units", "degrees_north"),
            )?
            .with_coordinate("lon", [278.0_f32, 279.0, 280.0])?
            .with_coordinate("depth", 0.5)?
            .with_coordinate_variable(
                "area",
                Variable::new(["lat", "lon"], array![[0_i16, 1, 2], [3, 4, 5]])?,
            )?,
        ),
        (
            "cube",
            DataArray::new(
                ["time", "y", "x"],
                Array::from_shape_vec((2, 3, 4), (0..24_i16).collect()).unwrap(),
            )?
            .with_name("cube")
            .with_coordinate("time", [day(2000, 2, 28), day(2000, 3, 1)])?
            .with_coordinate_variable(
                "station",
                Variable::new(["y"], ["Lima", "Iquitos", "Ñuñoa"])?,
            )?,
        ),
        (
            "packed",
            DataArray::new(["x"], [273.15, nan, 2685.0 * 0.01 + 273.15])?.with_name("packed"),
        ),
        (
            "packed_single",
            DataArray::new(["x"], [5.0 * 0.1_f32 + 1.0, 15.0 * 0.1 + 1.0, f32::NAN])?
                .with_name("single"),
        ),
        (
            "missing_integers",
            DataArray::new(["x"], [1.0, nan, 16_777_217.0])?.with_name("counts"),
        ),
        (
            "missing_value",
            DataArray::new(["x"], [1.0, f32::NAN])?.with_name("old"),
        ),
        (
            "unsigned",
            DataArray::new(["x"], [200.0, f32::NAN])?.with_name("unsigned"),
        ),
        (
            "long_integers",
            DataArray::new(["x"], [i32::MAX, i32::MIN])?.with_name("n"),
        ),
        (
            "bytes",
            DataArray::new(["x"], [i8::MIN, i8::MAX])?.with_name("b"),
        ),
        ("texts", DataArray::new(["y", "x"], texts)?.with_name("s")),
        ("text", DataArray::scalar("one").with_name("s")),
        (
            "flags",
            DataArray::new(["x"], [true, false])?.with_name("flags"),
        ),
        (
            "unnamed",
            DataArray::new(["x"], [1.0])?.with_coordinate("x", [7])?,
        ),
        (
            "named_as_its_dimension",
            DataArray::new(["x"], [1.0])?.with_name("x"),
        ),
        (
            "latin_name",
            DataArray::new(["é"], [1.0])?
                .with_name("ü")
                .with_coordinate("ß", 1)?,
        ),
        ("scalar", DataArray::scalar(-1.25).with_name("scalar")),
        (
            "empty",
            DataArray::new(["x", "y"], Array2::<f64>::zeros((0, 2)))?
                .with_name("empty")
                .with_coordinate("x", Vec::<f64>::new())?,
        ),
        (
            "no_texts",
            DataArray::new(["x"], Vec::<String>::new())?.with_name("empty"),
        ),
        (
            "times",
            DataArray::new(
                ["t"],
                [
                    time("1999-12-31T23:59:59.5"),
                    None,
                    time("2000-01-01T12:00:00"),
                ],
            )?
            .with_name("t"),
        ),
        (
            "early_times",
            DataArray::new(
                ["t"],
                [time("1800-01-01T06:00:00"), time("2050-01-01T00:00:00")],
            )?
            .with_name("t"),
        ),
        (
            "fractions_of_days",
            DataArray::new(["t"], [time("2000-01-01T06:00:00")])?,
        ),
        (
            "no_times",
            DataArray::new(["t"], Vec::<NaiveDateTime>::new())?.with_name("t"),
        ),
        (
            "durations",
            DataArray::new(
                ["x"],
                [
                    Some(TimeDelta::minutes(90)),
                    None,
                    Some(TimeDelta::minutes(-30)),
                ],
            )?
            .with_name("d"),
        ),
    ])
}

/// Returns the datasets of `xarray_cases.py`.
fn datasets() -> Result<Vec<(&'static str, Dataset)>, NetcdfError> {
    let sst = Variable::new(["time", "lon"], array![[27.5, f64::NAN], [27.4, 27.9]])?;
    let b = array![[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]];
    Ok(vec![
        (
            "dataset",
            Dataset::new()
                .with_variable("sst", sst.with_attribute("units", "degC"))?
                .with_variable("nino", Variable::new(["time"], [1.5_f32, -0.5])?)?
                .with_variable("note", Variable::scalar("checked"))?
                .with_coordinate("time", [day(1998, 1, 1), day(1998, 2, 1)])?
                .with_coordinate("lon", [278.0, 279.0])?
                .with_coordinate_variable("month", Variable::new(["time"], [1, 2])?)?
                .with_coordinate("run", 3)?
                .with_attribute("title", "El Niño")
                .with_attribute("version", 2),
        ),
        (
            "unlimited",
            Dataset::new()
                .with_variable("a", Variable::new(["t"], [1_i16, 2, 3])?)?
                .with_variable("b", Variable::new(["t", "x"], b)?)?
                .with_variable("fixed", Variable::new(["x"], [1, 2])?)?,
        ),
        (
            "one_unlimited",
            Dataset::new().with_variable("a", Variable::new(["t"], [1_i8, 2, 3])?)?,
        ),
        (
            "only_coordinates",
            Dataset::new()
                .with_coordinate("x", [1, 2])?
                .with_coordinate_variable("z", Variable::new(["y"], [0.5])?)?,
        ),
        ("nothing", Dataset::new()),
    ])
}

#[test]
fn rust_reads_the_arrays_of_python() {
    let sent = python::run("xarray_cases.py", &["encode"], "");
    let mut sent: BTreeMap<String, Value> = serde_json::from_str(&sent).unwrap();
    for (name, expected) in arrays().unwrap() {
        let found: DataArray = serde_json::from_value(sent.remove(name).unwrap()).unwrap();
        assert_eq!(found, expected, "{name}");
    }
    for (name, expected) in datasets().unwrap() {
        let found: Dataset = serde_json::from_value(sent.remove(name).unwrap()).unwrap();
        assert_eq!(found, expected, "{name}");
    }
    assert!(sent.is_empty(), "{:?} are not made here", sent.keys());
}

#[test]
fn python_reads_the_arrays_of_rust() {
    let arrays = arrays().unwrap().into_iter();
    let arrays = arrays.map(|(name, array)| (name, serde_json::to_value(array).unwrap()));
    let datasets = datasets().unwrap().into_iter();
    let datasets = datasets.map(|(name, dataset)| (name, serde_json::to_value(dataset).unwrap()));
    let sent: BTreeMap<&str, Value> = arrays.chain(datasets).collect();
    let count = sent.len();
    let said = python::run(
        "xarray_cases.py",
        &["check"],
        &serde_json::to_string(&sent).unwrap(),
    );
    assert_eq!(said, format!("{count} are identical\n"));
}

/// Returns the values that xarray reads from a file with packed numbers.
#[derive(Deserialize)]
struct Unpacked {
    file: Value,
    packed: String,
    dtype: String,
    values: Vec<Option<f64>>,
}

#[test]
fn packed_numbers_are_unpacked_as_in_xarray() {
    let cases = python::run("xarray_packing.py", &[], "");
    let cases: Vec<Unpacked> = serde_json::from_str(&cases).unwrap();
    assert_eq!(cases.len(), 3 * 3 * 3 * (3 * 2 + 2));
    for (index, case) in cases.into_iter().enumerate() {
        let array: DataArray = serde_json::from_value(case.file).unwrap();
        let is_long = ["int32", "float64"].contains(&case.packed.as_str());
        // Single precision has too few digits for these. Unsigned types are not available here.
        let dtype = match case.dtype.as_str() {
            "float32" if is_long => "float64",
            "uint8" => "int16",
            "uint16" => "int32",
            "uint32" => "float64",
            dtype => dtype,
        };
        let found = match array.values() {
            Values::I8(_) => "int8",
            Values::I16(_) => "int16",
            Values::I32(_) => "int32",
            Values::F32(_) => "float32",
            Values::F64(_) => "float64",
            other => panic!("{index}: {other:?}"),
        };
        assert_eq!(found, dtype, "{index}, from {}", case.packed);
        let is_rounded = dtype != case.dtype && case.dtype == "float32";
        let found = array.to_f64().unwrap();
        assert_eq!(found.len(), case.values.len());
        for (&found, expected) in found.iter().zip(case.values) {
            #[allow(clippy::cast_possible_truncation)] // like xarray
            let same = match expected {
                None => found.is_nan(),
                Some(expected) if is_rounded => found as f32 == expected as f32,
                Some(expected) => found == expected,
            };
            assert!(same, "{index}: {found}, not {expected:?}");
        }
    }
}

/// Functions with arrays, for callers in both languages.
#[dasf::module(topic = "arrays", main = false)]
mod module {
    use std::collections::BTreeMap;

    use dasf::Series;
    use dasf::netcdf::{DataArray, Dataset};
    use dasf::present::Timestamp;
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    /// An array with a title.
    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    pub(super) struct Layer {
        title: String,
        array: DataArray,
    }

    /// The mean over one dimension.
    #[dasf::function]
    pub(super) fn mean(array: &DataArray, dimension: &str) -> Result<DataArray, String> {
        let axis = array
            .axis(dimension)
            .ok_or_else(|| format!("the array has no dimension `{dimension}`"))?;
        let mean = array
            .to_f64()
            .map_err(|error| error.to_string())?
            .mean_axis(axis);
        let mean = mean.ok_or_else(|| format!("dimension `{dimension}` is empty"))?;
        let dims = array.dims().iter().filter(|name| *name != dimension);
        array.derive(dims, mean).map_err(|error| error.to_string())
    }

    /// The same with a title.
    #[dasf::function]
    pub(super) fn stamp(dataset: Dataset, title: String) -> Dataset {
        dataset.with_attribute("title", title)
    }

    /// Put arrays together.
    #[dasf::function]
    pub(super) fn merge(
        arrays: BTreeMap<String, DataArray>,
        #[dasf(default)] base: Option<Dataset>,
    ) -> Result<Dataset, String> {
        let base = base.unwrap_or_default();
        arrays.into_iter().try_fold(base, |dataset, (name, array)| {
            let dataset = dataset.with_data_array(array.with_name(name));
            dataset.map_err(|error| error.to_string())
        })
    }

    /// The array itself, if there is one.
    #[dasf::function]
    pub(super) fn maybe(#[dasf(default)] array: Option<DataArray>) -> Option<DataArray> {
        array
    }

    /// The layer itself.
    #[dasf::function]
    pub(super) fn same(layer: Layer) -> Layer {
        layer
    }

    /// Hourly levels with a gap, or along numbers.
    #[dasf::function]
    pub(super) fn levels(by_time: bool) -> Result<Series, String> {
        let series = match by_time {
            true => Series::new([0, 3600].map(|seconds| Timestamp::from_unix(seconds, 0))),
            false => Series::new([0.5, 1.5]),
        };
        let series = series.map_err(|error| error.to_string())?;
        let levels = ("level", [Some(1.25), None]);
        series
            .with_column(levels)
            .map_err(|error| error.to_string())
    }
}

/// The API description from which `dasf-codegen` generates the clients of its tests.
/// `UPDATE_GOLDENS=1` writes it again.
#[test]
fn the_description_is_the_file_for_the_generated_clients() {
    let api_info = module::module().unwrap().api_info("arrays");
    let text = serde_json::to_string_pretty(&api_info).unwrap() + "\n";
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/dasf-codegen/tests/schemas/arrays.api.json"
    );
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), text);
}

async fn start_broker() -> Embedded {
    let broker = Embedded::start().await;
    broker.make_topic("arrays");
    broker
}

async fn start() -> (Embedded, Host) {
    let broker = start_broker().await;
    let module = module::module().unwrap();
    let address = broker.address_for(Role::Module);
    let host = listen_at(address, "arrays", module, HostOptions::default()).await;
    (broker, host)
}

/// Calls that modules in Rust and in Python answer in the same way.
async fn call_with_arrays(client: &module::Client) -> Result<(), NetcdfError> {
    let sst = DataArray::new(["time", "lon"], array![[27.0, 28.0], [27.5, 28.5]])?
        .with_coordinate("time", [day(1998, 1, 1), day(1998, 2, 1)])?
        .with_coordinate("lon", [278.0, 279.0])?
        .with_coordinate("run", 3)?
        .with_name("sst")
        .with_attribute("units", "degC");
    let expected = DataArray::new(["lon"], [27.25, 28.25])?
        .with_coordinate("lon", [278.0, 279.0])?
        .with_coordinate("run", 3)?
        .with_name("sst")
        .with_attribute("units", "degC");
    assert_eq!(client.mean(&sst, "time").await.unwrap(), expected);
    let error = client.mean(&sst, "depth").await.unwrap_err().to_string();
    assert_eq!(error, "executing: the array has no dimension `depth`");

    let dataset = Dataset::new()
        .with_data_array(sst.clone())?
        .with_variable("flags", Variable::new(["time"], [true, false])?)?;
    let title = || "El Niño".to_owned();
    let stamped = client.stamp(dataset.clone(), title()).await.unwrap();
    assert_eq!(stamped, dataset.with_attribute("title", title()));

    // The client refuses values that a file cannot contain.
    let nameless = sst.with_name("a/b");
    let error = client.mean(&nameless, "time").await.unwrap_err();
    let problem = "the name \"a/b\" cannot be written";
    assert!(error.to_string().contains(problem), "{error}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rust_client_calls_with_arrays() {
    let (broker, host) = start().await;
    let client = module::Client::connect(&broker.caller_place())
        .await
        .unwrap();
    call_with_arrays(&client).await.unwrap();

    // Large enough for several fragments.
    let large = Variable::new(["y", "x"], Array2::from_elem((1000, 1000), 0.5)).unwrap();
    let large = Dataset::new().with_variable("large", large).unwrap();
    let stamped = client
        .stamp(large.clone(), "large".to_owned())
        .await
        .unwrap();
    assert_eq!(
        stamped.attributes().get("title"),
        Some(&Attribute::from("large"))
    );
    assert_eq!(stamped.variable("large"), large.variable("large"));
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_python_client_calls_with_xarray() {
    let (broker, host) = start().await;
    let token = broker.token(Role::Caller);
    let arguments = [&broker.place(), "arrays"];
    let script = python::command_with_token(token, "xarray_client.py", &arguments);
    let said = python::output_beside(script).await;
    let refused = "refused: error executing request: the array has no dimension `depth`";
    assert_eq!(said, format!("{refused}\nall calls were answered\n"));
    host.shutdown().await;
}

/// Starts the module in Python, and returns it with a client.
async fn start_python(broker: &Embedded) -> (python::Server, module::Client) {
    let token = broker.token(Role::Module);
    let arguments = [&broker.place(), "arrays"];
    let module = python::command_with_token(token, "xarray_module.py", &arguments);
    let mut module = python::serve(module);
    let client = module::Client::connect(&broker.caller_place())
        .await
        .unwrap();
    python::until_it_listens(&mut module, client.caller()).await;
    (module, client)
}

/// The client has objects of xarray as arguments, and opens results with xarray. Without xarray, they
/// are bytes.
#[tokio::test(flavor = "multi_thread")]
async fn a_generated_python_client_calls_with_xarray() {
    let (broker, host) = start().await;
    let api_info = module::module().unwrap().api_info("arrays");
    let api_info = serde_json::to_value(api_info).unwrap();
    let folder = save("arrays", "generated_arrays.py", &api_info);
    let arguments = [&folder, &broker.caller_place(), "arrays"];
    assert_eq!(python::run_beside("arrays_caller.py", &arguments).await, "");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generated_python_client_calls_a_python_module_with_xarray() {
    let broker = start_broker().await;
    let (_module, client) = start_python(&broker).await;
    let api_info = client.caller().api_info().await.unwrap();
    let api_info = serde_json::to_value(api_info).unwrap();
    let folder = save("arrays-of-python", "generated_xarray.py", &api_info);
    let arguments = [&folder, &broker.caller_place(), "arrays"];
    assert_eq!(
        python::run_beside("arrays_of_python.py", &arguments).await,
        ""
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rust_client_calls_a_python_module_with_arrays() {
    let broker = start_broker().await;
    let (_module, client) = start_python(&broker).await;
    call_with_arrays(&client).await.unwrap();

    // Large enough for several fragments.
    let request = json!({"func_name": "ramp", "length": 200_000});
    let ramp = client.caller().call(&request).await.unwrap();
    let ramp: DataArray = serde_json::from_value(ramp).unwrap();
    let numbers = (0..200_000).map(f64::from).collect::<Vec<_>>();
    assert_eq!(
        ramp,
        DataArray::new(["x"], numbers).unwrap().with_name("ramp")
    );
    // demessaging does not accept requests in fragments.
    let error = client.mean(&ramp, "x").await.unwrap_err();
    assert!(
        matches!(error, CallError::RequestTooLarge { .. }),
        "{error}"
    );
}
