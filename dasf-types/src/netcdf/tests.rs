//! Tests for all arrays and for arbitrary bytes.

use chrono::{NaiveDate, NaiveDateTime, TimeDelta};
use ndarray::{ArrayD, IxDyn, array};
use proptest::collection::vec;
use proptest::prelude::*;
use schemars::schema_for;

use super::format::{Dimension, File, Numbers, Stored, StoredVariable};
use super::{Attribute, Attributes, DataArray, Dataset, Element, NetcdfError, Values, Variable};

/// Returns a file with one variable.
fn file(dims: &[(&str, usize)], values: impl Into<Stored>, attributes: Attributes) -> File {
    let dimension = |&(name, length): &(&str, usize)| Dimension {
        name: name.to_owned(),
        length,
    };
    File {
        dimensions: dims.iter().map(dimension).collect(),
        attributes: Attributes::new(),
        variables: vec![StoredVariable {
            name: "v".to_owned(),
            dimensions: (0..dims.len()).collect(),
            attributes,
            values: values.into(),
        }],
    }
}

fn bytes(file: &File) -> Vec<u8> {
    super::format::write(file).unwrap()
}

/// Returns the values that are read from integers with these attributes.
fn unpacked<const N: usize>(numbers: Numbers, attributes: [(&str, Attribute); N]) -> Values {
    let length = numbers.len();
    let file = file(&[("x", length)], numbers, attributes.into_iter().collect());
    DataArray::from_netcdf(&bytes(&file)).unwrap().into_values()
}

fn problem(file: &File) -> String {
    DataArray::from_netcdf(&bytes(file))
        .unwrap_err()
        .to_string()
}

#[test]
fn missing_and_packed_numbers_are_unpacked() {
    let nan = f32::NAN;
    let integers = || Numbers::I16(vec![1, -9, 3]);
    assert_eq!(unpacked(integers(), []), Values::from([1_i16, -9, 3]));
    assert_eq!(
        unpacked(integers(), [("_FillValue", (-9_i16).into())]),
        Values::from([1.0, nan, 3.0])
    );
    assert_eq!(
        unpacked(integers(), [("missing_value", [-9_i16, 3].into())]),
        Values::from([1.0, nan, nan])
    );
    assert_eq!(
        unpacked(
            integers(),
            [
                ("scale_factor", 0.5_f32.into()),
                ("_FillValue", (-9_i16).into())
            ]
        ),
        Values::from([0.5, nan, 1.5])
    );
    assert_eq!(
        unpacked(
            integers(),
            [("scale_factor", 0.5.into()), ("add_offset", 10.0.into())]
        ),
        Values::from([10.5, 5.5, 11.5])
    );
    let zeros = Numbers::F64(vec![0.0, -0.0, 1.0]);
    assert_eq!(
        unpacked(zeros, [("_FillValue", (-0.0).into())]),
        Values::from([f64::NAN, f64::NAN, 1.0])
    );
    // Single precision has 24 bits.
    let long = Numbers::I32(vec![16_777_217, -1]);
    assert_eq!(
        unpacked(long, [("_FillValue", (-1).into())]),
        Values::from([16_777_217.0, f64::NAN])
    );
    // The fill value of floats with single precision is often written with double precision.
    let single = Numbers::F32(vec![1.5, -999.9]);
    assert_eq!(
        unpacked(single, [("missing_value", (-999.9_f64).into())]),
        Values::from([1.5, nan])
    );
}

#[test]
fn unsigned_integers_are_read_as_unsigned() {
    let unsigned = || ("_Unsigned", Attribute::from("true"));
    let numbers = || Numbers::I8(vec![-56, 3, -1]);
    assert_eq!(
        unpacked(numbers(), [unsigned()]),
        Values::from([200_i16, 3, 255])
    );
    for fill in [Attribute::from(-1_i8), Attribute::from(255_i16)] {
        assert_eq!(
            unpacked(numbers(), [unsigned(), ("_FillValue", fill)]),
            Values::from([200.0, 3.0, f32::NAN])
        );
    }
    let numbers = Numbers::I32(vec![-1]);
    assert_eq!(
        unpacked(numbers, [unsigned()]),
        Values::from([4_294_967_295.0])
    );
}

#[test]
fn times_in_other_calendars_or_units_stay_numbers() {
    let units = ("units", Attribute::from("days since 2000-01-01"));
    let values = unpacked(Numbers::I32(vec![1]), [units.clone()]);
    let second = NaiveDate::from_ymd_opt(2000, 1, 2);
    assert_eq!(values, Values::from([second]));

    let noleap = ("calendar", Attribute::from("noleap"));
    let file = file(
        &[("x", 1)],
        Numbers::I32(vec![1]),
        [units, noleap].into_iter().collect(),
    );
    let array = DataArray::from_netcdf(&bytes(&file)).unwrap();
    assert_eq!(array.values(), &Values::from([1]));
    assert_eq!(array.attributes().text("calendar"), Some("noleap"));
    let error = array.to_times().unwrap_err().to_string();
    assert!(error.contains("the calendar `noleap`"), "{error}");
    // Writing it again does not change it.
    assert_eq!(
        DataArray::from_netcdf(&array.to_netcdf().unwrap()),
        Ok(array)
    );
}

/// The file that xarray 2024.10.0 writes for two `timedelta64` variables: 6, 12 and 30 hours in
/// `lead`, and 90 minutes, `NaT` and 30 minutes in `gap`.
const OLD_DURATIONS: &str = "Q0RGAgAAAAAAAAAKAAAAAQAAAAF4AAAAAAAAAwAAAAAAAAAAAAAACwAAAAIAAAAEbGVhZAAAAAEAAAAAAAAADAAAAAEAAAAFdW5pdHMAAAAA\
    AAACAAAABWhvdXJzAAAAAAAABAAAAAwAAAAAAAAAtAAAAANnYXAAAAAAAQAAAAAAAAAMAAAAAQAAAAV1bml0cwAAAAAAAAIAAAAHbWlu\
    dXRlcwAAAAAGAAAAGAAAAAAAAADAAAAABgAAAAwAAAAeQFaAAAAAAAB/+AAAAAAAAEA+AAAAAAAA";

#[test]
fn durations_of_older_xarray_are_numbers_that_can_be_read_as_durations() {
    let file = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, OLD_DURATIONS);
    let dataset = Dataset::from_netcdf(&file.unwrap()).unwrap();
    let lead = dataset.variable("lead").unwrap();
    assert_eq!(lead.values(), &Values::from([6, 12, 30]));
    assert_eq!(lead.attributes().text("units"), Some("hours"));
    let hours = [6, 12, 30].map(|hours| Some(TimeDelta::hours(hours)));
    assert_eq!(lead.to_durations(), Ok(ndarray::arr1(&hours).into_dyn()));
    let gap = dataset.variable("gap").unwrap();
    let minutes = [Some(90), None, Some(30)].map(|minutes| minutes.map(TimeDelta::minutes));
    assert_eq!(gap.to_durations(), Ok(ndarray::arr1(&minutes).into_dyn()));
    // In the form of today's xarray, the values are durations.
    let durations = Variable::new(["x"], hours).unwrap();
    assert_eq!(durations.to_durations(), lead.to_durations());

    let of = |units: &str| {
        let variable = Variable::new(["x"], [1e300]).unwrap();
        let variable = variable.with_attribute("units", units);
        variable.to_durations().unwrap_err().to_string()
    };
    for units in ["days", "months", "days since 2000-01-01", "degC"] {
        let expected = format!("the values are not durations: the units `{units}` are not");
        assert!(of(units).starts_with(&expected), "{}", of(units));
    }
    let bare = Variable::new(["x"], [1.0]).unwrap().to_durations();
    assert!(
        matches!(bare, Err(NetcdfError::WrongType { .. })),
        "{bare:?}"
    );
}

#[test]
fn bounds_are_times_in_the_units_of_the_times() {
    let mut file = file(
        &[("time", 1)],
        Numbers::F64(vec![0.5]),
        [
            ("units", "days since 2000-01-01"),
            ("bounds", "time_bounds"),
            ("calendar", "proleptic_gregorian"),
        ]
        .into_iter()
        .collect(),
    );
    file.variables[0].name = "time".to_owned();
    file.dimensions.push(Dimension {
        name: "bound".to_owned(),
        length: 2,
    });
    file.variables.push(StoredVariable {
        name: "time_bounds".to_owned(),
        dimensions: vec![0, 1],
        attributes: Attributes::new(),
        values: Numbers::F64(vec![0.0, 1.0]).into(),
    });
    let dataset = Dataset::from_netcdf(&bytes(&file)).unwrap();
    let bounds = dataset.variable("time_bounds").unwrap().to_times().unwrap();
    let second = NaiveDate::from_ymd_opt(2000, 1, 2)
        .unwrap()
        .and_hms_opt(0, 0, 0);
    assert_eq!(bounds[[0, 1]], second);
}

#[test]
fn strings_in_other_encodings_are_read_or_refused() {
    let text = |bytes: &[u8], encoding: &str| {
        let characters = Stored::Chars(bytes.to_vec());
        let attributes = [("_Encoding", encoding)].into_iter().collect();
        file(
            &[("x", 1), ("string4", bytes.len())],
            characters,
            attributes,
        )
    };
    let read = |bytes: &[u8], encoding: &str| {
        let bytes = super::format::write(&text(bytes, encoding)).unwrap();
        DataArray::from_netcdf(&bytes).unwrap().into_values()
    };
    assert_eq!(read(b"a\xfc\0\0", "latin-1"), Values::from(["aü"]));
    assert_eq!(read("aü\0".as_bytes(), "UTF-8"), Values::from(["aü"]));
    assert_eq!(read(b"\0b\0\0", "ascii"), Values::from(["\0b"]));
    let error = problem(&text(b"a\xfc", "utf-8"));
    assert!(
        error.starts_with("variable `v` cannot be read: it contains bytes"),
        "{error}"
    );
    let error = problem(&text(b"ab", "utf-16"));
    assert!(error.contains("the encoding `utf-16`"), "{error}");
}

#[test]
fn a_character_dimension_that_numbers_share_is_one_of_the_array() {
    let mut file = file(
        &[("x", 2)],
        Stored::Chars(b"ab".to_vec()),
        Attributes::new(),
    );
    file.variables.push(StoredVariable {
        name: "n".to_owned(),
        dimensions: vec![0],
        attributes: Attributes::new(),
        values: Numbers::I8(vec![1, 2]).into(),
    });
    let dataset = Dataset::from_netcdf(&bytes(&file)).unwrap();
    let texts = dataset.variable("v").unwrap();
    assert_eq!(texts.dims(), ["x"]);
    assert_eq!(texts.values(), &Values::from(["a", "b"]));
}

/// Returns a file in which two variables count records.
fn with_records() -> Vec<u8> {
    let variable = |name: &str, values: Numbers| StoredVariable {
        name: name.to_owned(),
        dimensions: vec![0],
        attributes: Attributes::new(),
        values: values.into(),
    };
    let mut bytes = bytes(&File {
        dimensions: vec![Dimension {
            name: "t".to_owned(),
            length: 0,
        }],
        attributes: Attributes::new(),
        variables: vec![
            variable("a", Numbers::I16(vec![])),
            variable("b", Numbers::I32(vec![])),
        ],
    });
    // The records follow the header: two bytes of `a`, two of padding, four of `b`.
    bytes[7] = 3;
    let b = bytes.len() + 4;
    let at = bytes.len() - 4;
    bytes[at..].copy_from_slice(&u32::try_from(b).unwrap().to_be_bytes());
    for record in 1..=3_u8 {
        bytes.extend_from_slice(&[0, record, 0xff, 0xff, 0, 0, 0, 10 * record]);
    }
    bytes
}

#[test]
fn records_are_put_together() {
    let dataset = Dataset::from_netcdf(&with_records()).unwrap();
    assert_eq!(
        dataset.variable("a").unwrap().values(),
        &Values::from([1_i16, 2, 3])
    );
    assert_eq!(
        dataset.variable("b").unwrap().values(),
        &Values::from([10, 20, 30])
    );
    assert_eq!(dataset.dimension("t"), Some(3));
}

#[test]
fn lengths_beyond_the_file_are_refused() {
    let read = |bytes: &[u8]| Dataset::from_netcdf(bytes).unwrap_err().to_string();
    // One more record, and very many more.
    for records in [[0, 0, 0, 4], [0x7f, 0xff, 0xff, 0xff]] {
        let mut bytes = with_records();
        bytes[4..8].copy_from_slice(&records);
        assert!(read(&bytes).contains("are not in the file"));
    }
    let mut streaming = with_records();
    streaming[4..8].copy_from_slice(&[0xff; 4]);
    assert!(read(&streaming).contains("the number of records is missing"));

    // 2^31 - 1 values along each of three dimensions.
    let huge = [("x", 1), ("y", 1), ("z", 1)];
    let mut bytes = bytes(&file(&huge, Numbers::F64(vec![1.0]), Attributes::new()));
    for dimension in 0..3 {
        let length = 16 + 12 * dimension + 8;
        assert_eq!(bytes[length..length + 4], [0, 0, 0, 1]);
        bytes[length..length + 4].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff]);
        assert!(read(&bytes).contains("malformed"), "{}", read(&bytes));
    }
    // The same between empty dimensions, where they take no bytes.
    let empty = ["t", "x", "y", "z", "s"].map(|name| (name, 0));
    let mut bytes = self::bytes(&file(&empty, Numbers::F64(vec![]), Attributes::new()));
    for dimension in 1..4 {
        let length = 16 + 12 * dimension + 8;
        bytes[length..length + 4].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff]);
    }
    assert!(
        read(&bytes).contains("do not fit the shape"),
        "{}",
        read(&bytes)
    );
}

#[test]
fn many_variables_do_not_share_the_same_bytes() {
    let numbers = || StoredVariable {
        name: String::new(),
        dimensions: vec![0],
        attributes: Attributes::new(),
        values: Numbers::F64(vec![1.0; 64]).into(),
    };
    let mut many = file(&[("x", 64)], Numbers::F64(vec![1.0; 64]), Attributes::new());
    many.variables = (0..64)
        .map(|index| StoredVariable {
            name: format!("v{index:02}"),
            ..numbers()
        })
        .collect();
    let mut bytes = bytes(&many);
    Dataset::from_netcdf(&bytes).unwrap();
    // Each variable takes 40 bytes of the header; the last four give the start of its values.
    let body = bytes.len() - 64 * 64 * 8;
    let first: [u8; 4] = u32::try_from(body).unwrap().to_be_bytes();
    for index in 0..64 {
        let begin = body - 36 * index - 4;
        bytes[begin..begin + 4].copy_from_slice(&first);
    }
    bytes.truncate(body + 64 * 8);
    let error = Dataset::from_netcdf(&bytes).unwrap_err().to_string();
    assert!(error.contains("belong to another variable"), "{error}");
}

#[test]
fn long_names_are_refused() {
    let array = |length: usize| DataArray::scalar(1.0).with_name("n".repeat(length));
    let written = array(256).to_netcdf().unwrap();
    assert_eq!(DataArray::from_netcdf(&written), Ok(array(256)));
    let error = array(257).to_netcdf().unwrap_err().to_string();
    assert!(error.ends_with("longer than 256 bytes"), "{error}");
    let mut bytes = written;
    let at = bytes
        .windows(8)
        .position(|bytes| bytes == [0, 0, 1, 0, b'n', b'n', b'n', b'n']);
    bytes[at.unwrap() + 3] = 1;
    let error = DataArray::from_netcdf(&bytes).unwrap_err().to_string();
    assert!(
        error.contains("257 bytes, but at most 256 are allowed"),
        "{error}"
    );
}

#[test]
fn values_that_were_read_can_be_written() {
    let odd = || {
        [
            ("_Encoding", "utf-8"),
            ("_Unsigned", "false"),
            ("coordinates", "nothing"),
        ]
    };
    let numbers = file(&[], Numbers::I8(vec![1]), odd().into_iter().collect());
    let factors = [("scale_factor", 2.0), ("missing_value", 0.0)];
    let texts = Stored::Chars(b"a".to_vec());
    let texts = file(&[("c", 1)], texts, factors.into_iter().collect());
    for file in [numbers, texts] {
        let array = DataArray::from_netcdf(&bytes(&file)).unwrap();
        assert!(array.attributes().is_empty(), "{:?}", array.attributes());
        assert_eq!(
            DataArray::from_netcdf(&array.to_netcdf().unwrap()),
            Ok(array)
        );
    }
}

#[test]
fn strings_without_characters_are_refused() {
    let mut bytes = bytes(&file(
        &[("x", 1), ("string1", 1)],
        Stored::Chars(b"a".to_vec()),
        Attributes::new(),
    ));
    // 2^31 - 1 strings of length zero would take no bytes in the file.
    bytes[24..28].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff]);
    bytes[40..44].fill(0);
    let error = Dataset::from_netcdf(&bytes).unwrap_err().to_string();
    assert_eq!(
        error,
        "variable `v` cannot be read: its strings have no characters"
    );
}

#[test]
fn other_formats_are_named() {
    let look = |bytes: &[u8]| DataArray::from_netcdf(bytes).unwrap_err().to_string();
    assert_eq!(
        look(b""),
        "the data are not a NetCDF-3 file: they are empty"
    );
    assert!(look(b"\x89HDF\r\n\x1a\n").contains("they are NetCDF-4 or HDF5"));
    assert!(look(b"CDF\x05").contains("CDF-5"));
    assert!(look(b"text").contains("they do not begin with `CDF`"));
}

#[test]
fn an_array_is_read_from_one_variable() {
    let array = DataArray::new(["x"], [1, 2]).unwrap();
    let none = Dataset::new().to_netcdf().unwrap();
    let error = DataArray::from_netcdf(&none).unwrap_err();
    assert_eq!(error, NetcdfError::NotOneVariable { found: vec![] });
    let two = Dataset::new()
        .with_data_array(array.clone().with_name("a"))
        .and_then(|dataset| dataset.with_data_array(array.with_name("b")))
        .unwrap();
    let error = DataArray::from_netcdf(&two.to_netcdf().unwrap()).unwrap_err();
    assert!(error.to_string().ends_with("this one has a, b"), "{error}");
    let many = (0..5000).try_fold(Dataset::new(), |dataset, index| {
        dataset.with_variable(format!("v{index}"), Variable::scalar(1))
    });
    let error = DataArray::from_netcdf(&many.unwrap().to_netcdf().unwrap()).unwrap_err();
    let error = error.to_string();
    assert!(
        error.ends_with("this one has v0, v1, v2, v3, v4 and 4995 more"),
        "{error}"
    );
}

#[test]
fn values_that_readers_would_misread_are_refused() {
    let refused = |array: &DataArray| array.to_netcdf().unwrap_err().to_string();
    let plain = || DataArray::new(["x"], [1.0]).unwrap().with_name("a");
    for attribute in ["_FillValue", "scale_factor", "coordinates"] {
        let error = refused(&plain().with_attribute(attribute, 1.0));
        assert!(
            error.contains(&format!("attribute `{attribute}` of `a`")),
            "{error}"
        );
    }
    let error = refused(&plain().with_attribute("dtype", "bool"));
    assert!(error.contains("`dtype`"), "{error}");
    let error = refused(&plain().with_attribute("note", "end\0"));
    assert!(error.contains("`note`"), "{error}");
    let times = DataArray::new(["x"], [NaiveDate::default()]).unwrap();
    let error = refused(&times.with_attribute("units", "m"));
    assert!(error.contains("`units`"), "{error}");
    for name in ["", "a/b", "温", "a ", "a\n", "Ã¼"] {
        let error = refused(&plain().with_name(name));
        assert!(error.starts_with("the name "), "{error}");
    }
    let error = refused(&plain().with_coordinate("a b", 1.0).unwrap());
    assert!(error.contains("cannot contain spaces"), "{error}");
    let error = refused(&DataArray::new(["x"], ["a\0"]).unwrap());
    assert!(error.contains("ends with a NUL"), "{error}");
    let year = TimeDelta::days(365);
    let error = refused(&DataArray::new(["x"], [year, TimeDelta::nanoseconds(1)]).unwrap());
    assert!(error.contains("round them"), "{error}");
}

#[test]
fn arrays_keep_their_names() {
    for name in ["ü", "x", "string2"] {
        let array = DataArray::new(["x"], ["ab"])
            .and_then(|array| array.with_coordinate("string2_", "cd"))
            .unwrap()
            .with_name(name);
        assert_eq!(
            DataArray::from_netcdf(&array.to_netcdf().unwrap()),
            Ok(array),
            "{name}"
        );
    }
}

#[test]
fn the_parts_of_a_dataset_have_the_same_dimensions() {
    let along = |dimension: &str, values: &[i32]| Variable::new([dimension], values).unwrap();
    let dataset = Dataset::new()
        .with_variable("x", along("x", &[1, 2]))
        .unwrap();
    assert!(dataset.coordinate("x").is_some() && dataset.variables().len() == 0);
    let error = dataset
        .clone()
        .with_variable("a", along("x", &[1]))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "dimension `x` has length 2, but `a` has 1 values along it"
    );
    let error = dataset.clone().with_coordinate("x", [3, 4]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there are two variables with the name `x`"
    );
    let unnamed = DataArray::scalar(1.0);
    assert_eq!(
        dataset.clone().with_data_array(unnamed),
        Err(NetcdfError::Unnamed)
    );
    let other = DataArray::new(["x"], [1, 2]).and_then(|array| array.with_coordinate("x", [3, 4]));
    let error = dataset
        .with_data_array(other.unwrap().with_name("b"))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "there are two variables with the name `x`"
    );
    let not_along_itself = NetcdfError::NotAlongItself {
        name: "x".to_owned(),
    };
    let array = DataArray::new(["x"], [1]).unwrap();
    let error = array.with_coordinate("x", 1).unwrap_err();
    assert_eq!(error, not_along_itself);
    // The order does not matter.
    let scalar = Dataset::new().with_variable("x", Variable::scalar(1));
    let error = scalar.unwrap().with_variable("a", along("x", &[1, 2]));
    assert_eq!(error.unwrap_err(), not_along_itself);
    let dataset = Dataset::new()
        .with_variable("x", along("x", &[1, 2]))
        .and_then(|dataset| dataset.with_variable("a", Variable::new(["x"], [0.5, 1.5])?))
        .unwrap();
    let names = |(name, _): (&str, _)| name.to_owned();
    assert_eq!(dataset.variables().map(names).collect::<Vec<_>>(), ["a"]);
}

#[test]
fn coordinates_without_a_variable_stay_coordinates() {
    let dataset = Dataset::new()
        .with_coordinate("x", [1, 2])
        .and_then(|dataset| dataset.with_coordinate("run", 7))
        .and_then(|dataset| dataset.with_variable("a", Variable::new(["y"], [1.0])?))
        .and_then(|dataset| {
            dataset.with_coordinate_variable("z", Variable::new(["x"], [0.5, 1.5])?)
        })
        .unwrap();
    let again = Dataset::from_netcdf(&dataset.to_netcdf().unwrap()).unwrap();
    assert_eq!(again, dataset);
    assert_eq!(again.coordinates().len(), 3);
    let array = dataset.data_array("a").unwrap();
    assert_eq!(
        array
            .coordinates()
            .map(|(name, _)| name)
            .collect::<Vec<_>>(),
        ["run"]
    );
}

#[test]
fn very_many_coordinates_are_listed_once() {
    let mut dataset = Dataset::new();
    for index in 0..150_i32 {
        dataset = dataset
            .with_coordinate(format!("coordinate_{index}"), index)
            .and_then(|dataset| {
                dataset.with_variable(format!("variable_{index}"), Variable::scalar(index))
            })
            .unwrap();
    }
    let written = dataset.to_netcdf().unwrap();
    assert!(written.len() < 300 * 100, "{}", written.len());
    assert_eq!(Dataset::from_netcdf(&written), Ok(dataset));
}

#[test]
fn the_json_form_is_a_string() {
    let array = DataArray::new(["x", "y"], array![[1_i16, 2], [3, 4]]).unwrap();
    let json = serde_json::to_string(&array).unwrap();
    assert!(json.starts_with(r#""Q0RGAQ"#), "{json}");
    assert_eq!(serde_json::from_str::<DataArray>(&json).unwrap(), array);
    // As in MIME.
    let (head, tail) = json.split_at(20);
    let broken = format!(r"{head}\r\n{tail}");
    assert_eq!(serde_json::from_str::<DataArray>(&broken).unwrap(), array);

    let error = |json: &str| {
        serde_json::from_str::<DataArray>(json)
            .unwrap_err()
            .to_string()
    };
    assert!(error(r#""Q0R""#).starts_with("the string is not base64: "));
    assert!(error(r#""Q0RG""#).starts_with("the data are not a NetCDF-3 file: "));
    assert!(error("{}").contains("expected a NetCDF-3 file in base64"));
    let unwritable = serde_json::to_string(&array.with_name("a/b")).unwrap_err();
    assert!(
        unwritable
            .to_string()
            .starts_with("the name \"a/b\" cannot be written")
    );

    let schema = schema_for!(Dataset);
    assert_eq!(schema.get("type"), Some(&"string".into()));
    assert_eq!(schema.get("format"), Some(&"base64".into()));
    assert_eq!(
        schema.get("contentMediaType"),
        Some(&"application/x-netcdf".into())
    );
}

fn of<T: Element + std::fmt::Debug>(
    shape: Vec<usize>,
    element: impl Strategy<Value = T>,
) -> impl Strategy<Value = Values> {
    let count = shape.iter().product::<usize>();
    vec(element, count).prop_map(move |values| {
        T::into_values(ArrayD::from_shape_vec(IxDyn(&shape), values).unwrap())
    })
}

fn values(shape: Vec<usize>) -> impl Strategy<Value = Values> {
    let time = (-4_000_000_000_i64..4_000_000_000).prop_map(|seconds| {
        chrono::DateTime::from_timestamp(seconds, 0).map(|time| time.naive_utc())
    });
    let time = prop_oneof![3 => time, 1 => Just(None::<NaiveDateTime>)];
    let duration = prop_oneof![
        3 => (-1_000_000..1_000_000_i64).prop_map(|count| Some(TimeDelta::milliseconds(count))),
        1 => Just(None),
    ];
    let text = "[a-zäöü温 ]{0,5}";
    prop_oneof![
        of(shape.clone(), any::<bool>()),
        of(shape.clone(), any::<i8>()),
        of(shape.clone(), any::<i16>()),
        of(shape.clone(), any::<i32>()),
        of(shape.clone(), prop::num::f32::ANY),
        of(shape.clone(), prop::num::f64::ANY),
        of(shape.clone(), text),
        of(shape.clone(), time),
        of(shape, duration),
    ]
}

fn attributes() -> impl Strategy<Value = Vec<(String, Attribute)>> {
    let value = prop_oneof![
        "[a-zü温 ]{0,6}".prop_map(Attribute::from),
        vec(any::<i8>(), 1..4).prop_map(Attribute::from),
        vec(any::<i16>(), 1..4).prop_map(Attribute::from),
        vec(any::<i32>(), 1..4).prop_map(Attribute::from),
        vec(prop::num::f32::ANY, 1..4).prop_map(Attribute::from),
        vec(prop::num::f64::ANY, 1..4).prop_map(Attribute::from),
    ];
    vec(("a[a-zé0-9_]{0,4}", value), 0..3)
}

prop_compose! {
    fn arrays()(shape in vec(0..4_usize, 0..4))(
        variable in values(shape.clone()),
        along in values(shape.iter().copied().take(1).collect()),
        scalar in values(vec![]),
        name in prop::option::of("[a-zü][a-z0-9]{0,3}"),
        attributes in attributes(),
        shape in Just(shape),
    ) -> DataArray {
        let dims: Vec<String> = (0..shape.len()).map(|axis| format!("d{axis}")).collect();
        let along = Variable::new(dims.iter().take(1).cloned(), along).unwrap();
        let mut array = DataArray::new(dims, variable)
            .and_then(|array| array.with_coordinate("Scalar", scalar))
            .and_then(|array| array.with_coordinate_variable("d0", along))
            .unwrap();
        for (attribute, value) in attributes {
            array = array.with_attribute(attribute, value);
        }
        match name {
            Some(name) => array.with_name(name),
            None => array,
        }
    }
}

/// Reads bytes as both types, and checks that the result is not larger than the bytes allow.
fn read(bytes: &[u8]) {
    let _ = DataArray::from_netcdf(bytes);
    if let Ok(dataset) = Dataset::from_netcdf(bytes) {
        let all = dataset.variables().chain(dataset.coordinates());
        let count: usize = all.map(|(_, variable)| variable.values().len()).sum();
        assert!(
            count <= bytes.len(),
            "{count} values from {} bytes",
            bytes.len()
        );
        let _ = dataset.to_netcdf();
        let _ = format!("{dataset:?}");
    }
}

proptest! {
    #[test]
    fn arrays_are_read_as_they_were_written(array in arrays()) {
        let written = array.to_netcdf().unwrap();
        prop_assert_eq!(DataArray::from_netcdf(&written).unwrap(), array);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..200)) {
        read(&bytes);
        let mut file = b"CDF\x01".to_vec();
        file.extend(bytes);
        read(&file);
    }

    #[test]
    fn changed_files_are_read_or_refused(
        array in arrays(),
        version in 1..=2_u8,
        bytes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        words in vec((any::<prop::sample::Index>(), prop_oneof![
            0..70_u32, Just(i32::MAX.unsigned_abs()), any::<u32>()
        ]), 0..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut file = array.to_netcdf().unwrap();
        file[3] = version;
        for (index, byte) in bytes {
            let at = index.index(file.len());
            file[at] = byte;
        }
        for (index, word) in words {
            let at = 4 * index.index(file.len() / 4);
            file[at..at + 4].copy_from_slice(&word.to_be_bytes());
        }
        if let Some(cut) = cut {
            file.truncate(cut.index(file.len()));
        }
        read(&file);
    }

    #[test]
    fn changed_records_are_read_or_refused(
        words in vec((any::<prop::sample::Index>(), prop_oneof![0..16_u32, any::<u32>()]), 1..5),
    ) {
        let mut file = with_records();
        for (index, word) in words {
            let at = 4 * index.index(file.len() / 4);
            file[at..at + 4].copy_from_slice(&word.to_be_bytes());
        }
        read(&file);
    }

    #[test]
    fn any_units_are_read_or_refused(units in "[a-z ]{0,8} since [-+0-9:.TZ ü]{0,24}", number: f64) {
        let variable = Variable::new(["x"], [number]).unwrap().with_attribute("units", units);
        let _ = variable.to_times();
    }
}
