//! Arguments and results of the types that have a JSON form of their own here.

use dasf::{Context, Outcome};
use serde_json::{Value, json};

/// Functions of dates, bytes and arrays.
#[dasf::module(main = false)]
mod typed {
    use dasf::Base64;
    use dasf::ndarray::{Array1, Array2, ArrayD};
    use dasf::time::{Date, OffsetDateTime, PrimitiveDateTime, Time};
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    /// A picture with its time.
    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
    pub(super) struct Picture {
        pub(super) taken: Option<OffsetDateTime>,
        pub(super) pixels: Vec<Base64>,
    }

    #[dasf::function]
    fn turned(values: Array2<f64>) -> Array2<f64> {
        values.into_inner().reversed_axes().into()
    }

    #[dasf::function]
    fn shape(values: &ArrayD<f64>) -> Vec<usize> {
        values.shape().to_vec()
    }

    #[dasf::function]
    fn sums(values: &Array2<i64>, #[dasf(default)] weights: Array1<i64>) -> i64 {
        values.sum() + weights.into_inner().sum()
    }

    #[dasf::function]
    fn negative(picture: Picture) -> Picture {
        let inverted = |row: Base64| Base64(row.iter().map(|byte| !byte).collect());
        Picture {
            taken: picture.taken,
            pixels: picture.pixels.into_iter().map(inverted).collect(),
        }
    }

    #[dasf::function]
    fn parts(at: PrimitiveDateTime) -> (Date, Time) {
        (at.date().into(), at.time().into())
    }
}

async fn call(request: Value) -> Outcome {
    let module = typed::module().unwrap();
    module.call_value(request, Context::local(), None).await
}

async fn result(request: Value) -> String {
    call(request).await.unwrap().as_json().to_owned()
}

async fn failure(request: Value) -> String {
    call(request).await.unwrap_err().to_string()
}

#[tokio::test]
async fn arrays_are_nested_lists() {
    let request = json!({"func_name": "turned", "values": [[1, 2], [3, 4], [5, 6]]});
    assert_eq!(result(request).await, "[[1.0,3.0,5.0],[2.0,4.0,6.0]]");
    let request = json!({"func_name": "shape", "values": [[[1.5], [2]]]});
    assert_eq!(result(request).await, "[1,2,1]");
    // To JSON Schema, 1.0 is an integer.
    let request = json!({"func_name": "sums", "values": [[1, 2.0]]});
    assert_eq!(result(request).await, "3");

    let request = json!({"func_name": "turned", "values": [[1, 2], [3]]});
    assert_eq!(
        failure(request).await,
        "error validating request: turned: values[1]: \
         1 items in this list, but 2 in those before it"
    );
    let request = json!({"func_name": "shape", "values": [[1, 2], [3, "x"]]});
    assert_eq!(
        failure(request).await,
        "error validating request: shape: values[1][1]: \
         invalid type: string \"x\", expected f64"
    );
    let request = json!({"func_name": "turned", "values": [1]});
    assert_eq!(
        failure(request).await,
        "error validating request: turned: values[0]: 1 is not of type \"array\""
    );
}

#[tokio::test]
async fn bytes_and_times_are_texts() {
    let taken = "2026-11-22T10:00:00+01:00";
    let request = json!({"func_name": "negative", "picture": {"taken": taken, "pixels": ["AP8="]}});
    assert_eq!(
        result(request).await,
        r#"{"taken":"2026-11-22T10:00:00+01:00","pixels":["/wA="]}"#
    );
    let request = json!({"func_name": "parts", "at": "2026-11-22T10:00:00.5"});
    assert_eq!(result(request).await, r#"["2026-11-22","10:00:00.500000"]"#);

    let request =
        json!({"func_name": "negative", "picture": {"taken": taken, "pixels": ["AP8=", "A-8="]}});
    assert_eq!(
        failure(request).await,
        "error validating request: negative: picture.pixels[1]: not base64: '-' at position 1"
    );
    let request = json!({"func_name": "negative", "picture": {"taken": "today", "pixels": []}});
    assert_eq!(
        failure(request).await,
        "error validating request: negative: picture.taken: \"today\" is not a \"date-time\""
    );
    let request = json!({"func_name": "parts", "at": "2026-11-22"});
    assert_eq!(
        failure(request).await,
        "error validating request: parts: at: not a date and time such as 2026-11-22T10:00:00"
    );
    let request = json!({"func_name": "parts", "at": "2026-11-22T25:00"});
    assert_eq!(
        failure(request).await,
        "error validating request: parts: at: not a date and time such as 2026-11-22T10:00:00: \
         the 'hour' component could not be parsed"
    );
}
