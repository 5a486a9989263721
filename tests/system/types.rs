//! Every kind of type of an argument or a result: in the schema, in the module and in the generated
//! client.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use dasf::{Base64, CallError, Context, FailureKind, Host};
use dasf_broker::Broker;
use dasf_test_support::serve;
use serde_json::{Value, json};

/// Types of another module, which functions name by their path.
pub(crate) mod elsewhere {
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    /// A place on the ground.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    pub(crate) struct Place {
        #[schemars(range(min = -90, max = 90))]
        pub(crate) latitude: f64,
        #[serde(default)]
        pub(crate) name: Option<String>,
    }

    /// Two of a kind.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    pub(crate) struct Pair<T> {
        pub(crate) first: T,
        pub(crate) second: T,
    }

    pub(crate) type Places = Vec<Place>;
}

#[dasf::module(topic = "types", main = false)]
// The test needs arguments by value.
#[allow(clippy::needless_pass_by_value, clippy::boxed_local)]
pub(crate) mod every_type {
    use std::borrow::Cow;
    use std::collections::{BTreeMap, BTreeSet, HashMap};

    use dasf::Base64;
    use dasf::ndarray::{Array1, Array2, ArrayD};
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    use super::elsewhere;

    #[dasf::function]
    fn signed(a: i8, b: i16, c: i32, d: i64, e: isize) -> (i8, i16, i32, i64, isize) {
        (a, b, c, d, e)
    }

    #[dasf::function]
    fn unsigned(a: u8, b: u16, c: u32, d: u64, e: usize) -> (u8, u16, u32, u64, usize) {
        (a, b, c, d, e)
    }

    #[dasf::function]
    fn wide(a: i128, b: u128) -> (i128, u128) {
        (a, b)
    }

    #[dasf::function]
    fn widest() -> (i128, u128) {
        (i128::MIN, u128::MAX)
    }

    #[dasf::function]
    fn floats(a: f32, #[dasf(default = 0.1)] b: f32, c: f64) -> (f32, f32, f64) {
        (a, b, c)
    }

    #[dasf::function]
    fn not_a_number() -> f64 {
        f64::NAN
    }

    #[dasf::function]
    fn truth(value: bool, letter: char) -> (bool, char) {
        (value, letter)
    }

    #[dasf::function]
    fn texts(
        owned: String,
        lent: &str,
        either: Cow<'_, str>,
        #[dasf(default = "ä")] boxed: Box<str>,
    ) -> Vec<String> {
        vec![owned, lent.to_owned(), either.into_owned(), boxed.into()]
    }

    #[dasf::function]
    fn lists(owned: Vec<f64>, lent: &[i64], fixed: [u8; 3], set: BTreeSet<char>) -> Lists {
        (owned, lent.to_vec(), fixed, set)
    }

    pub(crate) type Lists = (Vec<f64>, Vec<i64>, [u8; 3], BTreeSet<char>);

    #[dasf::function]
    fn tuples(
        pair: (String, u8),
        nested: ((i64,), [f64; 1]),
    ) -> ((String, u8), ((i64,), [f64; 1])) {
        (pair, nested)
    }

    #[dasf::function]
    fn options(
        a: Option<i64>,
        #[dasf(default = Some(1))] b: Option<i64>,
        c: &Option<Vec<String>>,
    ) -> (Option<i64>, Option<i64>, Option<Vec<String>>) {
        (a, b, c.clone())
    }

    #[dasf::function]
    fn maps(
        named: HashMap<String, f64>,
        numbered: BTreeMap<u32, String>,
    ) -> (HashMap<String, f64>, BTreeMap<u32, String>) {
        (named, numbered)
    }

    /// So many metres.
    #[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
    pub(crate) struct Metres(pub(crate) f64);

    #[dasf::function]
    fn wrapped(
        boxed: Box<f64>,
        newtype: Metres,
        slice: Box<[u8]>,
    ) -> (Box<f64>, Metres, Box<[u8]>) {
        (boxed, newtype, slice)
    }

    #[dasf::function]
    fn nothing() {}

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    pub(crate) struct Position {
        pub(crate) place: elsewhere::Place,
        #[serde(flatten)]
        pub(crate) height: Height,
        #[serde(rename = "type")]
        pub(crate) kind: Kind,
        #[serde(default = "ten")]
        #[schemars(range(max = 100))]
        pub(crate) accuracy: u8,
    }

    fn ten() -> u8 {
        10
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    pub(crate) struct Height {
        pub(crate) metres: f64,
    }

    #[dasf::function]
    fn structs(position: Position) -> Position {
        position
    }

    #[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    pub(crate) enum Kind {
        OnLand,
        AtSea,
    }

    /// Named by its key.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    pub(crate) enum External {
        Nothing,
        One(f64),
        Named { x: i64 },
    }

    /// Named by a field.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(tag = "kind", rename_all = "lowercase")]
    pub(crate) enum Internal {
        Circle { radius: f64 },
        Square { side: f64 },
    }

    /// Named by a field beside its content.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(tag = "t", content = "c")]
    pub(crate) enum Adjacent {
        Number(i64),
        Text(String),
    }

    /// Known by its form.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(untagged)]
    pub(crate) enum Untagged {
        Number(f64),
        Text(String),
        Many(Vec<f64>),
    }

    #[dasf::function]
    fn enums(
        unit: Kind,
        external: Vec<External>,
        internal: Internal,
        adjacent: Adjacent,
        untagged: Vec<Untagged>,
    ) -> (Kind, Vec<External>, Internal, Adjacent, Vec<Untagged>) {
        (unit, external, internal, adjacent, untagged)
    }

    /// A folder of folders.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    pub(crate) struct Folder {
        pub(crate) name: String,
        pub(crate) folders: Vec<Folder>,
        pub(crate) parent: Option<Box<Folder>>,
    }

    #[dasf::function]
    fn recursive(folder: Folder) -> Folder {
        folder
    }

    #[dasf::function]
    fn paths(
        alias: elsewhere::Places,
        place: super::elsewhere::Place,
        own: self::Metres,
    ) -> (
        elsewhere::Places,
        crate::types::elsewhere::Place,
        self::Metres,
    ) {
        (alias, place, own)
    }

    #[dasf::function]
    fn generics(
        numbers: elsewhere::Pair<f64>,
        places: elsewhere::Pair<elsewhere::Place>,
    ) -> (elsewhere::Pair<f64>, elsewhere::Pair<elsewhere::Place>) {
        (numbers, places)
    }

    #[dasf::function]
    fn chrono_dates(
        instant: chrono::DateTime<chrono::Utc>,
        local: chrono::DateTime<chrono::FixedOffset>,
        naive: chrono::NaiveDateTime,
        date: chrono::NaiveDate,
        time: chrono::NaiveTime,
    ) -> ChronoDates {
        (instant, local, naive, date, time)
    }

    pub(crate) type ChronoDates = (
        chrono::DateTime<chrono::Utc>,
        chrono::DateTime<chrono::FixedOffset>,
        chrono::NaiveDateTime,
        chrono::NaiveDate,
        chrono::NaiveTime,
    );

    #[dasf::function]
    fn time_dates(
        instant: dasf::time::OffsetDateTime,
        naive: dasf::time::PrimitiveDateTime,
        date: dasf::time::Date,
        time: dasf::time::Time,
    ) -> TimeDates {
        (instant, naive, date, time)
    }

    pub(crate) type TimeDates = (
        dasf::time::OffsetDateTime,
        dasf::time::PrimitiveDateTime,
        dasf::time::Date,
        dasf::time::Time,
    );

    /// Bytes inside another type.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    pub(crate) struct Picture {
        pub(crate) rows: Vec<Base64>,
    }

    #[dasf::function]
    fn bytes(owned: Base64, shared: Base64<bytes::Bytes>, picture: Picture) -> Bytes {
        (owned, shared, picture)
    }

    pub(crate) type Bytes = (Base64, Base64<bytes::Bytes>, Picture);

    #[dasf::function]
    fn arrays(
        line: Array1<i64>,
        field: &Array2<f64>,
        any: ArrayD<f32>,
    ) -> (Array1<i64>, Array2<f64>, ArrayD<f32>) {
        (line, field.clone(), any)
    }

    #[dasf::function]
    fn identifiers(id: uuid::Uuid, url: url::Url) -> (uuid::Uuid, url::Url) {
        (id, url)
    }

    #[dasf::function]
    fn json(value: serde_json::Value) -> serde_json::Value {
        value
    }
}

use elsewhere::{Pair, Place};
use every_type::{
    Adjacent, External, Folder, Height, Internal, Kind, Metres, Picture, Position, Untagged,
};

/// The module on a broker, and a client.
struct Served {
    client: every_type::Client,
    host: Host,
    _broker: Broker,
}

impl Served {
    async fn start() -> Self {
        let client = every_type::Client::builder();
        let (broker, host, client) = serve("types", every_type::module().unwrap(), client).await;
        Self {
            client,
            host,
            _broker: broker,
        }
    }

    async fn stop(self) {
        self.host.shutdown().await;
    }
}

/// Returns the schema of an argument of a function.
fn argument(function: &str, argument: &str) -> Value {
    let functions = every_type::module().unwrap().api_info("types").functions;
    let function = functions.into_iter().find(|it| it.name == function);
    let mut schema = function.unwrap().rpc_schema["properties"][argument].clone();
    if let Some(fields) = schema.as_object_mut() {
        fields.remove("title");
    }
    schema
}

/// Returns the response to a request without a client, as from another language.
async fn answer(request: Value) -> Result<Value, String> {
    let module = every_type::module().unwrap();
    let outcome = module.call_value(request, Context::local(), None).await;
    outcome
        .map(|output| serde_json::from_str(output.as_json()).unwrap())
        .map_err(|failure| failure.to_string())
}

/// Like [`answer`], with request and result as JSON.
async fn text_answer(request: &str) -> Result<String, String> {
    let module = every_type::module().unwrap();
    let outcome = module.call_text(request, Context::local(), None).await;
    outcome
        .map(|output| output.as_json().to_owned())
        .map_err(|failure| failure.to_string())
}

/// Returns the error of a refused request.
async fn problem(request: Value) -> String {
    let text = answer(request).await.unwrap_err();
    let (kind, problem) = text.split_once(": ").unwrap();
    assert_eq!(kind, FailureKind::Validation.name());
    problem.to_owned()
}

/// The API description from which `dasf-codegen` generates the clients of its tests.
/// `UPDATE_GOLDENS=1` writes it again.
#[test]
fn the_description_is_the_file_for_the_generated_clients() {
    let api_info = every_type::module().unwrap().api_info("types");
    let text = serde_json::to_string_pretty(&api_info).unwrap() + "\n";
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/dasf-codegen/tests/schemas/types.api.json"
    );
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), text);
}

#[tokio::test(flavor = "multi_thread")]
async fn integers() {
    assert_eq!(
        argument("signed", "a"),
        json!({"type": "integer", "format": "int8", "minimum": -128, "maximum": 127})
    );
    assert_eq!(
        argument("signed", "d"),
        json!({"type": "integer", "format": "int64"})
    );
    assert_eq!(
        argument("unsigned", "d"),
        json!({"type": "integer", "format": "uint64", "minimum": 0})
    );
    let request =
        json!({"func_name": "signed", "a": -128, "b": 1, "c": 2.0, "d": i64::MIN, "e": 3});
    assert_eq!(
        answer(request).await.unwrap(),
        json!([-128, 1, 2, i64::MIN, 3])
    );
    let request =
        json!({"func_name": "unsigned", "a": 256, "b": -1, "c": 0.5, "d": "1", "e": 1e30});
    let problem = problem(request).await;
    for part in [
        "a: 256 is greater",
        "b: -1 is less",
        "c: 0.5 is not of",
        "d: \"1\" is not of",
    ] {
        assert!(problem.contains(part), "{part} in {problem}");
    }
    let served = Served::start().await;
    let signed = (i8::MIN, i16::MAX, i32::MIN, i64::MAX, isize::MIN);
    let sent = served
        .client
        .signed(signed.0, signed.1, signed.2, signed.3, signed.4);
    assert_eq!(sent.await.unwrap(), signed);
    let unsigned = (u8::MAX, u16::MAX, u32::MAX, u64::MAX, usize::MAX);
    let sent = served
        .client
        .unsigned(unsigned.0, unsigned.1, unsigned.2, unsigned.3, unsigned.4);
    assert_eq!(sent.await.unwrap(), unsigned);
    served.stop().await;
}

/// JavaScript rounds above 2^53. Rust and Python keep all digits, in requests and in results.
#[tokio::test(flavor = "multi_thread")]
async fn wide_integers() {
    assert_eq!(
        argument("wide", "a"),
        json!({"type": "integer", "format": "int128"})
    );
    assert_eq!(
        argument("wide", "b"),
        json!({"type": "integer", "format": "uint128", "minimum": 0})
    );
    let served = Served::start().await;
    for exact in [
        (-(1_i128 << 53) - 1, u128::from(u64::MAX)),
        (i128::MIN, u128::MAX),
        (i128::MAX, 265_252_859_812_191_058_636_308_480_000_001),
    ] {
        assert_eq!(served.client.wide(exact.0, exact.1).await.unwrap(), exact);
    }
    assert_eq!(
        served.client.widest().await.unwrap(),
        (i128::MIN, u128::MAX)
    );
    let request = r#"{"func_name": "wide", "a": -1e20, "b": 1208925819614629174706177.0}"#;
    assert_eq!(
        text_answer(request).await.unwrap(),
        "[-100000000000000000000,1208925819614629174706177]"
    );
    let request = r#"{"func_name": "wide", "a": 0, "b": 1e39}"#;
    let refused = text_answer(request).await.unwrap_err();
    assert!(
        refused.contains("wide: b: invalid type: floating point `1e+39`, expected u128"),
        "{refused}"
    );
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn floats() {
    assert_eq!(
        argument("floats", "c"),
        json!({"type": "number", "format": "double"})
    );
    // The digits are as in the request.
    assert_eq!(argument("floats", "b")["default"], json!(0.1));
    let request = json!({"func_name": "floats", "a": 1, "c": 1e300});
    assert_eq!(answer(request).await.unwrap(), json!([1.0, 0.1, 1e300]));
    assert_eq!(
        answer(json!({"func_name": "not_a_number"})).await.unwrap(),
        Value::Null
    );
    let served = Served::start().await;
    let values = (0.1_f32, f32::MAX, f64::MIN_POSITIVE);
    let sent = served.client.floats(values.0, values.2).b(values.1);
    assert_eq!(sent.await.unwrap(), values);
    let nan = served.client.not_a_number().await.unwrap_err();
    assert!(matches!(nan, CallError::Decode { .. }), "{nan}");
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn booleans_and_characters() {
    assert_eq!(argument("truth", "value"), json!({"type": "boolean"}));
    assert_eq!(
        argument("truth", "letter"),
        json!({"type": "string", "minLength": 1, "maxLength": 1})
    );
    let problem = problem(json!({"func_name": "truth", "value": 1, "letter": "ab"})).await;
    assert!(
        problem.contains("value: 1 is not of type \"boolean\""),
        "{problem}"
    );
    assert!(
        problem.contains("letter: \"ab\" is longer than 1 character"),
        "{problem}"
    );
    let served = Served::start().await;
    assert_eq!(served.client.truth(true, '世').await.unwrap(), (true, '世'));
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn texts() {
    for name in ["owned", "lent", "either"] {
        assert_eq!(argument("texts", name), json!({"type": "string"}));
    }
    assert_eq!(argument("texts", "boxed")["default"], "ä");
    let request = json!({"func_name": "texts", "owned": "a\n", "lent": "\"", "either": "世"});
    assert_eq!(
        answer(request).await.unwrap(),
        json!(["a\n", "\"", "世", "ä"])
    );
    let served = Served::start().await;
    let sent = served
        .client
        .texts("a", "b\u{0}", Cow::Borrowed("c"))
        .boxed("d".into());
    assert_eq!(sent.await.unwrap(), ["a", "b\u{0}", "c", "d"]);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists() {
    let numbers = json!({"type": "array", "items": {"type": "number", "format": "double"}});
    assert_eq!(argument("lists", "owned"), numbers);
    assert_eq!(argument("lists", "lent")["items"]["format"], "int64");
    let fixed = argument("lists", "fixed");
    assert_eq!(
        (&fixed["minItems"], &fixed["maxItems"]),
        (&json!(3), &json!(3))
    );
    assert_eq!(argument("lists", "set")["uniqueItems"], true);
    let request =
        json!({"func_name": "lists", "owned": [1], "lent": [], "fixed": [1, 2], "set": ["a", "a"]});
    let problem = problem(request).await;
    assert!(
        problem.contains("fixed: [1,2] has less than 3 items"),
        "{problem}"
    );
    assert!(
        problem.contains("set: [\"a\",\"a\"] has non-unique elements"),
        "{problem}"
    );
    let served = Served::start().await;
    let set = BTreeSet::from(['b', 'a']);
    let sent = served
        .client
        .lists(vec![0.5], &[i64::MAX], [1, 2, 3], set.clone());
    assert_eq!(
        sent.await.unwrap(),
        (vec![0.5], vec![i64::MAX], [1, 2, 3], set)
    );
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tuples() {
    // The form of draft 7, which existing web forms read.
    let pair = argument("tuples", "pair");
    assert_eq!(pair["items"][0], json!({"type": "string"}));
    assert_eq!(pair["items"][1]["format"], "uint8");
    assert_eq!(
        (&pair["minItems"], &pair["maxItems"]),
        (&json!(2), &json!(2))
    );
    let request = json!({"func_name": "tuples", "pair": ["a"], "nested": [[1], ["x"]]});
    let problem = problem(request).await;
    assert!(
        problem.contains("pair: [\"a\"] has less than 2 items"),
        "{problem}"
    );
    assert!(
        problem.contains("nested[1][0]: \"x\" is not of type \"number\""),
        "{problem}"
    );
    let served = Served::start().await;
    let (pair, nested) = (("a".to_owned(), 7), ((-1,), [0.5]));
    let sent = served.client.tuples(pair.clone(), nested);
    assert_eq!(sent.await.unwrap(), (pair, nested));
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn options() {
    assert_eq!(
        argument("options", "a"),
        json!({"anyOf": [{"type": "integer", "format": "int64"}, {"type": "null"}], "default": null})
    );
    assert_eq!(argument("options", "b")["default"], 1);
    let request = json!({"func_name": "options", "b": null});
    assert_eq!(answer(request).await.unwrap(), json!([null, null, null]));
    let served = Served::start().await;
    assert_eq!(
        served.client.options().await.unwrap(),
        (None, Some(1), None)
    );
    let many = Some(vec!["x".to_owned()]);
    let sent = served.client.options().a(5).b(None).c(&many);
    assert_eq!(sent.await.unwrap(), (Some(5), None, many));
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn maps() {
    assert_eq!(
        argument("maps", "named"),
        json!({"type": "object", "additionalProperties": {"type": "number", "format": "double"}})
    );
    let request = json!({"func_name": "maps", "named": {"a": "b"}, "numbered": {"x": "y"}});
    let problem = problem(request).await;
    assert!(
        problem.contains("named.a: \"b\" is not of type"),
        "{problem}"
    );
    assert!(problem.contains("numbered"), "{problem}");
    let served = Served::start().await;
    let named = HashMap::from([("ä b".to_owned(), 0.5)]);
    let numbered = BTreeMap::from([(7, "x".to_owned()), (10, "y".to_owned())]);
    let sent = served.client.maps(named.clone(), numbered.clone());
    assert_eq!(sent.await.unwrap(), (named, numbered));
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn boxes_and_newtypes() {
    assert_eq!(
        argument("wrapped", "boxed"),
        json!({"type": "number", "format": "double"})
    );
    assert_eq!(
        argument("wrapped", "newtype"),
        json!({"$ref": "#/$defs/Metres"})
    );
    assert_eq!(argument("wrapped", "slice")["items"]["format"], "uint8");
    let request = json!({"func_name": "wrapped", "boxed": 1, "newtype": 2, "slice": [3]});
    assert_eq!(answer(request).await.unwrap(), json!([1.0, 2.0, [3]]));
    let served = Served::start().await;
    let (boxed, slice) = (Box::new(0.5), Box::<[u8]>::from([1_u8]));
    let sent = served
        .client
        .wrapped(boxed.clone(), Metres(2.5), slice.clone());
    assert_eq!(sent.await.unwrap(), (boxed, Metres(2.5), slice));
    served.client.nothing().await.unwrap();
    assert_eq!(
        answer(json!({"func_name": "nothing"})).await.unwrap(),
        Value::Null
    );
    served.stop().await;
}

fn position() -> Position {
    Position {
        place: Place {
            latitude: 19.5,
            name: Some("Mauna Loa".to_owned()),
        },
        height: Height { metres: 3397.0 },
        kind: Kind::OnLand,
        accuracy: 5,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn structs() {
    let definitions = every_type::module().unwrap().schema("types")["$defs"].clone();
    let fields = &definitions["Position"]["properties"];
    assert_eq!(
        definitions["Position"]["required"],
        json!(["place", "metres", "type"])
    );
    assert_eq!(fields["accuracy"]["default"], 10);
    assert_eq!(fields["accuracy"]["maximum"], 100);
    assert_eq!(fields["metres"]["title"], "Metres");
    let request = json!({"func_name": "structs", "position": {
        "place": {"latitude": 91}, "metres": 1.0, "type": "at_sea", "accuracy": 101}});
    let problem = problem(request).await;
    assert!(
        problem.contains("position.place.latitude: 91 is greater than the maximum of 90"),
        "{problem}"
    );
    assert!(
        problem.contains("position.accuracy: 101 is greater"),
        "{problem}"
    );
    let request = json!({"func_name": "structs", "position": {
        "place": {"latitude": 1}, "metres": 2, "type": "at_sea"}});
    assert_eq!(
        answer(request).await.unwrap(),
        json!({"place": {"latitude": 1.0, "name": null}, "metres": 2.0, "type": "at_sea", "accuracy": 10})
    );
    let served = Served::start().await;
    assert_eq!(served.client.structs(position()).await.unwrap(), position());
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn enums() {
    let schema = every_type::module().unwrap().schema("types");
    assert_eq!(
        schema["$defs"]["Kind"]["enum"],
        json!(["on_land", "at_sea"])
    );
    let request = json!({
        "func_name": "enums", "unit": "on_land", "adjacent": {"t": "Number", "c": 1},
        "external": ["Nothing", {"One": 1}, {"Named": {"x": 2}}],
        "internal": {"kind": "circle", "radius": 2}, "untagged": [1, "a", [2, 3]],
    });
    let result = json!([
        "on_land", ["Nothing", {"One": 1.0}, {"Named": {"x": 2}}],
        {"kind": "circle", "radius": 2.0}, {"t": "Number", "c": 1}, [1.0, "a", [2.0, 3.0]],
    ]);
    assert_eq!(answer(request.clone()).await.unwrap(), result);
    for (name, value) in [
        ("unit", json!("in_space")),
        ("external", json!([{"Two": 1}])),
        ("internal", json!({"kind": "circle", "side": 1})),
        ("adjacent", json!({"t": "Number", "c": "x"})),
        ("untagged", json!([{}])),
    ] {
        let mut request = request.clone();
        request[name] = value;
        let problem = problem(request).await;
        assert!(problem.starts_with(&format!("enums: {name}")), "{problem}");
    }
    let served = Served::start().await;
    let external = vec![
        External::Nothing,
        External::One(0.5),
        External::Named { x: -1 },
    ];
    let internal = Internal::Square { side: 1.0 };
    let adjacent = Adjacent::Text("x".to_owned());
    let untagged = vec![
        Untagged::Number(1.0),
        Untagged::Text("1".to_owned()),
        Untagged::Many(vec![1.0]),
    ];
    let sent = served.client.enums(
        Kind::AtSea,
        external.clone(),
        internal.clone(),
        adjacent.clone(),
        untagged.clone(),
    );
    let expected = (Kind::AtSea, external, internal, adjacent, untagged);
    assert_eq!(sent.await.unwrap(), expected);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn recursive_types() {
    let schema = every_type::module().unwrap().schema("types");
    let folders = &schema["$defs"]["Folder"]["properties"]["folders"];
    assert_eq!(folders["items"], json!({"$ref": "#/$defs/Folder"}));
    let request = json!({"func_name": "recursive", "folder": {
        "name": "a", "folders": [{"name": "b", "folders": [{"name": 1, "folders": []}]}]}});
    let problem = problem(request).await;
    assert!(
        problem.contains("folder.folders[0].folders[0].name: 1 is not of type \"string\""),
        "{problem}"
    );
    let served = Served::start().await;
    let inner = |name: &str| Folder {
        name: name.to_owned(),
        folders: Vec::new(),
        parent: None,
    };
    let folder = Folder {
        name: "a".to_owned(),
        folders: vec![inner("b"), inner("c")],
        parent: Some(Box::new(inner("d"))),
    };
    assert_eq!(
        served.client.recursive(folder.clone()).await.unwrap(),
        folder
    );
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_and_aliases() {
    assert_eq!(
        argument("paths", "alias")["items"],
        json!({"$ref": "#/$defs/Place"})
    );
    assert_eq!(argument("paths", "place"), json!({"$ref": "#/$defs/Place"}));
    let served = Served::start().await;
    let place = position().place;
    let sent = served
        .client
        .paths(vec![place.clone()], place.clone(), Metres(1.0));
    assert_eq!(
        sent.await.unwrap(),
        (vec![place.clone()], place, Metres(1.0))
    );
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn generic_structs() {
    let (numbers, places) = (
        argument("generics", "numbers"),
        argument("generics", "places"),
    );
    assert_ne!(numbers, places);
    let request = json!({"func_name": "generics",
        "numbers": {"first": 1, "second": "x"}, "places": {"first": {"latitude": 0}}});
    let problem = problem(request).await;
    assert!(
        problem.contains("numbers.second: \"x\" is not of type"),
        "{problem}"
    );
    assert!(problem.contains("places.second: is required"), "{problem}");
    let served = Served::start().await;
    let numbers = Pair {
        first: 1.0,
        second: 2.0,
    };
    let places = Pair {
        first: position().place,
        second: position().place,
    };
    let sent = served.client.generics(numbers.clone(), places.clone());
    assert_eq!(sent.await.unwrap(), (numbers, places));
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chrono_dates() {
    for (name, format) in [
        ("instant", "date-time"),
        ("local", "date-time"),
        ("naive", "partial-date-time"),
        ("date", "date"),
        ("time", "partial-time"),
    ] {
        let schema = json!({"type": "string", "format": format});
        assert_eq!(argument("chrono_dates", name), schema);
    }
    let request = json!({
        "func_name": "chrono_dates",
        // Python writes them in this form.
        "instant": "2026-11-22T10:00:00Z", "local": "2026-11-22T11:00:00.250000+01:00",
        "naive": "2026-11-22T10:00:00", "date": "2026-11-22", "time": "10:00:00.5",
    });
    assert_eq!(
        answer(request.clone()).await.unwrap(),
        json!([
            "2026-11-22T10:00:00Z",
            "2026-11-22T11:00:00.250+01:00",
            "2026-11-22T10:00:00",
            "2026-11-22",
            "10:00:00.500",
        ])
    );
    for (name, value) in [
        ("instant", "2026-11-22T10:00:00"),
        ("local", "yesterday"),
        ("naive", "2026-11-22"),
        ("date", "2026-02-30"),
        ("time", "25:00:00"),
    ] {
        let mut request = request.clone();
        request[name] = value.into();
        let problem = problem(request).await;
        assert!(
            problem.starts_with(&format!("chrono_dates: {name}: ")),
            "{problem}"
        );
    }
    let served = Served::start().await;
    let instant = chrono::Utc::now();
    let local = instant.fixed_offset();
    let naive = instant.naive_utc();
    let sent = served
        .client
        .chrono_dates(instant, local, naive, naive.date(), naive.time());
    assert_eq!(
        sent.await.unwrap(),
        (instant, local, naive, naive.date(), naive.time())
    );
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn time_dates() {
    for (name, format) in [
        ("instant", "date-time"),
        ("naive", "partial-date-time"),
        ("date", "date"),
        ("time", "partial-time"),
    ] {
        let schema = argument("time_dates", name);
        assert_eq!(
            (&schema["type"], &schema["format"]),
            (&json!("string"), &json!(format))
        );
    }
    let request = json!({
        "func_name": "time_dates", "instant": "2026-11-22T11:00:00.25+01:00",
        "naive": "2026-11-22T10:00:00", "date": "2026-11-22", "time": "10:00:00.5",
    });
    assert_eq!(
        answer(request.clone()).await.unwrap(),
        json!([
            "2026-11-22T11:00:00.250000+01:00",
            "2026-11-22T10:00:00",
            "2026-11-22",
            "10:00:00.500000",
        ])
    );
    for (name, value, expected) in [
        ("instant", "today", "\"today\" is not a \"date-time\""),
        (
            "naive",
            "2026-11-22",
            "\"2026-11-22\" is not a \"partial-date-time\"",
        ),
        ("date", "2026-02-30", "\"2026-02-30\" is not a \"date\""),
        ("time", "25:00:00", "\"25:00:00\" is not a \"partial-time\""),
    ] {
        let mut request = request.clone();
        request[name] = value.into();
        let problem = problem(request).await;
        assert!(
            problem.starts_with(&format!("time_dates: {name}: ")),
            "{problem}"
        );
        assert!(problem.contains(expected), "{problem}");
    }
    let served = Served::start().await;
    let instant = time::OffsetDateTime::UNIX_EPOCH + time::Duration::milliseconds(1_500);
    let naive = time::PrimitiveDateTime::new(instant.date(), instant.time());
    let dates = (
        instant.into(),
        naive.into(),
        naive.date().into(),
        naive.time().into(),
    );
    let sent = served.client.time_dates(dates.0, dates.1, dates.2, dates.3);
    assert_eq!(sent.await.unwrap(), dates);
    served.stop().await;
}

/// Both crates read the same strings.
#[tokio::test]
async fn dates_and_times_are_the_same_for_both_crates() {
    let request = json!({
        "instant": "2026-11-22T10:00:00Z", "local": "2026-11-22T11:00:00+01:00",
        "naive": "2026-11-22T10:00:00", "date": "2026-11-22", "time": "10:00:00",
    });
    for (name, value) in [
        ("instant", "2016-12-31T23:59:60Z"),
        ("instant", "2026-11-22 10:00:00Z"),
        ("instant", "2026-11-22T10:00Z"),
        ("instant", "2026-11-22T10:00:00 Z"),
        ("naive", "2016-12-31T23:59:60"),
        ("naive", "2026-11-22 10:00:00"),
        ("naive", "2026-11-22T10:00"),
        ("naive", "2026-1-2T1:2:3"),
        ("naive", " 2026-11-22T10:00:00"),
        ("naive", "+2026-11-22T10:00:00"),
        ("date", "+2026-11-22"),
        ("date", "2026-1-2"),
        ("time", "10:0"),
        ("time", "23:59:60"),
        ("time", " 10:00:00"),
    ] {
        for function in ["chrono_dates", "time_dates"] {
            let mut request = request.clone();
            request["func_name"] = function.into();
            request[name] = value.into();
            let problem = problem(request).await;
            let expected = format!("{function}: {name}: {value:?} is not a \"");
            assert!(problem.starts_with(&expected), "{problem}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes() {
    for name in ["owned", "shared"] {
        let schema = argument("bytes", name);
        assert_eq!(
            (&schema["type"], &schema["format"]),
            (&json!("string"), &json!("base64"))
        );
    }
    let request =
        json!({"func_name": "bytes", "owned": "AP8=", "shared": "", "picture": {"rows": ["AQ=="]}});
    assert_eq!(
        answer(request).await.unwrap(),
        json!(["AP8=", "", {"rows": ["AQ=="]}])
    );
    let request = json!({"func_name": "bytes", "owned": "AP8=", "shared": "",
        "picture": {"rows": ["AQ==", "A-8="]}});
    assert_eq!(
        problem(request).await,
        "bytes: picture.rows[1]: not base64: '-' at position 1"
    );
    let served = Served::start().await;
    let all: Vec<u8> = (0..=255).collect();
    let shared = Base64(bytes::Bytes::from(all.clone()));
    let picture = Picture {
        rows: vec![Base64(vec![]), Base64(all.clone())],
    };
    let sent = served
        .client
        .bytes(Base64(all.clone()), shared.clone(), picture.clone());
    assert_eq!(sent.await.unwrap(), (Base64(all), shared, picture));
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn arrays() {
    let field = argument("arrays", "field");
    assert_eq!(field["type"], "array");
    assert_eq!(field["items"]["type"], "array");
    assert_eq!(field["items"]["items"]["format"], "double");
    // For JSON Schema, 2.0 is an integer.
    let request = json!({"func_name": "arrays", "line": [1, 2.0], "field": [[1, 2], [3, 4]],
        "any": [[[1.5], [2]]]});
    assert_eq!(
        answer(request).await.unwrap(),
        json!([[1, 2], [[1.0, 2.0], [3.0, 4.0]], [[[1.5], [2.0]]]])
    );
    let request = json!({"func_name": "arrays", "line": [1], "field": [1], "any": []});
    assert_eq!(
        problem(request).await,
        "arrays: field[0]: 1 is not of type \"array\""
    );
    let request = json!({"func_name": "arrays", "line": [], "field": [[1, 2], [3]], "any": []});
    assert_eq!(
        problem(request).await,
        "arrays: field[1]: 1 items in this list, but 2 in the lists before it"
    );
    let request =
        json!({"func_name": "arrays", "line": [], "field": [], "any": [[1, 2], [3, "x"]]});
    assert_eq!(
        problem(request).await,
        "arrays: any[1][1]: invalid type: string \"x\", expected f32"
    );
    let served = Served::start().await;
    let line = ndarray::arr1(&[i64::MIN, i64::MAX]);
    let field = ndarray::arr2(&[[0.5, 1.5], [2.5, 3.5], [4.5, 5.5]]);
    let any = ndarray::arr3(&[[[0.1_f32], [0.2]]]).into_dyn();
    let (line, field, any) = (line.into(), field.into(), any.into());
    let sent = served
        .client
        .arrays(Clone::clone(&line), &field, Clone::clone(&any));
    assert_eq!(sent.await.unwrap(), (line, field, any));
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn identifiers() {
    assert_eq!(
        argument("identifiers", "id"),
        json!({"type": "string", "format": "uuid"})
    );
    assert_eq!(
        argument("identifiers", "url"),
        json!({"type": "string", "format": "uri"})
    );
    let problem = problem(json!({"func_name": "identifiers", "id": "1", "url": "no url"})).await;
    assert!(problem.contains("id: \"1\" is not a \"uuid\""), "{problem}");
    assert!(
        problem.contains("url: \"no url\" is not a \"uri\""),
        "{problem}"
    );
    let served = Served::start().await;
    let id = uuid::Uuid::new_v4();
    let url = url::Url::parse("https://example.org/a?b=ä").unwrap();
    let sent = served.client.identifiers(id, url.clone());
    assert_eq!(sent.await.unwrap(), (id, url));
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_json() {
    let schema = argument("json", "value");
    assert_eq!(schema.get("type"), None);
    let value = json!({"a": [1, 1.0, null, {"世": true}], "big": u64::MAX, "small": -0.0});
    let request = json!({"func_name": "json", "value": value});
    assert_eq!(answer(request).await.unwrap(), value);
    let served = Served::start().await;
    assert_eq!(served.client.json(value.clone()).await.unwrap(), value);
    served.stop().await;
}

/// Types that are not part of the API description from which other tests generate clients.
#[dasf::module(topic = "edges", main = false)]
pub(crate) mod edges {
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    #[dasf::function]
    fn options_of_options(value: Option<Option<i64>>) -> (Option<Option<i64>>, String) {
        (value, format!("{value:?}"))
    }

    /// A point that says what it is.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(tag = "type")]
    pub(crate) struct Point {
        pub(crate) x: f64,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[cfg_attr(all(), serde(tag = "form", rename = "segment"))]
    pub(crate) struct Segment {
        pub(crate) from: Point,
        #[serde(flatten)]
        pub(crate) style: Style,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(tag = "style")]
    pub(crate) struct Style {
        #[serde(default)]
        pub(crate) width: f64,
    }

    #[dasf::function]
    fn tagged(point: Point, segments: Vec<Segment>) -> (Point, Vec<Segment>) {
        (point, segments)
    }

    #[dasf::function]
    fn measured(segment: Segment) -> Segment {
        segment
    }

    /// A field that may be missing in a result may be missing in a request.
    #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    pub(crate) struct Sparse {
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(crate) height: Option<f64>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub(crate) gauges: Vec<f64>,
        #[serde(default, skip_serializing)]
        pub(crate) secret: String,
        #[serde(skip)]
        pub(crate) cache: f64,
        #[serde(rename(serialize = "type", deserialize = "type"))]
        pub(crate) kind: u8,
    }

    #[dasf::function]
    fn sparse(value: Sparse) -> Sparse {
        value
    }

    #[dasf::function]
    fn depth(value: &serde_json::Value) -> usize {
        let mut depth = 0;
        let mut inner = value;
        while let Some(next) = inner.get(0) {
            (depth, inner) = (depth + 1, next);
        }
        depth
    }
}

/// The module `edges` on a broker, and a client.
async fn edges() -> (edges::Client, Host, Broker) {
    let client = edges::Client::builder();
    let (broker, host, client) = serve("edges", edges::module().unwrap(), client).await;
    (client, host, broker)
}

/// JSON has only one null.
#[tokio::test(flavor = "multi_thread")]
async fn options_of_options() {
    let api_info = edges::module().unwrap().api_info("edges");
    let optional = json!({"anyOf": [{"type": "integer", "format": "int64"}, {"type": "null"}]});
    let [function, ..] = &*api_info.functions else {
        panic!("there are functions");
    };
    let mut argument = function.rpc_schema["properties"]["value"].clone();
    assert_eq!(argument["default"], Value::Null);
    argument
        .as_object_mut()
        .unwrap()
        .retain(|key, _| key == "anyOf");
    assert_eq!(argument, optional);
    assert_eq!(function.return_schema["items"][0], optional);
    let (client, host, _broker) = edges().await;
    let sent = client.options_of_options();
    assert_eq!(sent.await.unwrap(), (None, "None".to_owned()));
    let sent = client.options_of_options().value(None::<Option<i64>>);
    assert_eq!(sent.await.unwrap(), (None, "None".to_owned()));
    let sent = client.options_of_options().value(Some(None));
    assert_eq!(sent.await.unwrap(), (None, "None".to_owned()));
    let sent = client.options_of_options().value(Some(Some(1)));
    assert_eq!(
        sent.await.unwrap(),
        (Some(Some(1)), "Some(Some(1))".to_owned())
    );
    host.shutdown().await;
}

/// serde always writes the tag, and reads a struct without a tag. A wrong tag is an error.
#[tokio::test(flavor = "multi_thread")]
async fn structs_with_a_tag() {
    let module = edges::module().unwrap();
    let api_info = module.api_info("edges");
    let function = |name: &str| {
        api_info
            .functions
            .iter()
            .find(|it| it.name == name)
            .unwrap()
    };
    let tag = |name: &str, title: &str| json!({"type": "string", "const": name, "title": title});
    for (schema, required) in [
        (&function("tagged").rpc_schema, json!(["x"])),
        (&function("tagged").return_schema, json!(["type", "x"])),
    ] {
        let point = &schema["$defs"]["Point"];
        assert_eq!(point["properties"]["type"], tag("Point", "Type"));
        assert_eq!(point["required"], required);
    }
    let result = &function("measured").return_schema;
    assert_eq!(result["properties"]["form"], tag("segment", "Form"));
    assert_eq!(result["properties"]["style"], tag("Style", "Style"));
    assert_eq!(
        result["required"],
        json!(["form", "style", "from", "width"])
    );
    assert_eq!(
        function("measured").rpc_schema["$defs"]["segment"]["required"],
        json!(["from"])
    );

    let call = async |point: Value| {
        let request = json!({"func_name": "tagged", "point": point, "segments": []});
        let outcome = module.call_value(request, Context::local(), None).await;
        outcome
            .map(|output| output.as_json().to_owned())
            .map_err(|failure| failure.message().to_owned())
    };
    let expected = Ok(r#"[{"type":"Point","x":1.0},[]]"#.to_owned());
    assert_eq!(call(json!({"type": "Point", "x": 1})).await, expected);
    assert_eq!(call(json!({"x": 1})).await, expected);
    assert_eq!(
        call(json!({"type": "Place", "x": 1})).await.unwrap_err(),
        r#"tagged: point.type: "Point" was expected"#
    );

    let (client, host, _broker) = edges().await;
    let point = edges::Point { x: 0.5 };
    let segment = edges::Segment {
        from: point.clone(),
        style: edges::Style { width: 2.0 },
    };
    let sent = client.tagged(point.clone(), vec![segment.clone()]);
    assert_eq!(sent.await.unwrap(), (point, vec![segment.clone()]));
    assert_eq!(client.measured(segment.clone()).await.unwrap(), segment);
    host.shutdown().await;
}

/// A client reads the results of its own module, and writes its requests.
#[tokio::test(flavor = "multi_thread")]
async fn values_left_out() {
    let (client, host, _broker) = edges().await;
    let nothing = edges::Sparse::default();
    assert_eq!(client.sparse(nothing.clone()).await.unwrap(), nothing);
    let all = edges::Sparse {
        height: Some(1.5),
        gauges: vec![0.5],
        secret: "x".to_owned(),
        cache: 1.0,
        kind: 1,
    };
    let arrived = edges::Sparse {
        secret: String::new(),
        cache: 0.0,
        ..all.clone()
    };
    assert_eq!(client.sparse(all).await.unwrap(), arrived);
    host.shutdown().await;
}

/// The request itself is the first of 127 nested levels.
#[tokio::test(flavor = "multi_thread")]
async fn nesting() {
    let module = edges::module().unwrap();
    let call = async |depth: usize| {
        let value = "[".repeat(depth) + &"]".repeat(depth);
        let request = format!(r#"{{"func_name": "depth", "value": {value}}}"#);
        let payload = dasf::protocol::payload::encode(request.as_bytes());
        let outcome = module.call(&payload, Context::local(), None).await;
        outcome
            .map(|output| output.as_json().to_owned())
            .map_err(|failure| failure.to_string())
    };
    assert_eq!(call(126).await, Ok("125".to_owned()));
    let refused = call(127).await.unwrap_err();
    assert!(
        refused.starts_with("validating: the request is not JSON: recursion limit exceeded"),
        "{refused}"
    );
}
