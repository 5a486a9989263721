//! Types with several JSON forms: tags, properties of any name, and variants that only a newer module
//! has. The module publishes them, and a generated client reads them.

use std::collections::BTreeMap;

use dasf::{Context, FailureKind, Host, HostOptions, Module};
use dasf_broker::Broker;
use dasf_test_generated::forms::{
    Adjacent, AdjacentRain, Bag, Beside, BesideA, BesideX, Client, ClosedLiteral, ClosedSquare,
    ClosedSquareSquare, Color, Event, EventRain, Inside, InsideA, InsideX, Job, JobName,
    JobNameMean, JobNameSum, Outside, OutsideLiteral, Picture, PictureRain, Series,
};
use dasf_test_generated::unusual::{
    Cat, Named, NamedAdditional, Opt, Plain, Version1, Version2, VersionsA,
};
use dasf_test_support::{listen, serve};
use serde_json::{Value, json};

#[dasf::module(topic = "forms", main = false)]
// The test needs functions that return their argument.
#[allow(clippy::needless_pass_by_value)]
pub(crate) mod today {
    use std::collections::BTreeMap;

    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    pub(crate) struct Job {
        pub(crate) name: String,
        #[serde(flatten)]
        pub(crate) kind: Option<Kind>,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(tag = "kind")]
    pub(crate) enum Kind {
        Mean { window: u32 },
        Sum,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(tag = "t")]
    pub(crate) enum Inside {
        A {
            x: f64,
        },
        #[serde(untagged)]
        Other {
            x: f64,
        },
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(tag = "t", content = "c")]
    pub(crate) enum Beside {
        A,
        #[serde(untagged)]
        Other {
            x: Option<f64>,
        },
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    pub(crate) struct Series {
        pub(crate) name: String,
        /// By year: serde reads no numbers as keys in a flattened map.
        #[serde(flatten)]
        #[schemars(with = "BTreeMap<u32, f64>")]
        pub(crate) years: BTreeMap<String, f64>,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    pub(crate) struct Bag {
        pub(crate) name: String,
        #[serde(flatten)]
        pub(crate) rest: BTreeMap<String, f64>,
    }

    #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
    pub(crate) enum Color {
        Red,
        #[default]
        Green,
        /// One that this module does not know.
        #[serde(other)]
        Unknown,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(tag = "event")]
    pub(crate) enum Event {
        Rain {
            amount: f64,
        },
        Calm,
        #[serde(other)]
        Other,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(tag = "t", content = "c")]
    pub(crate) enum Adjacent {
        Rain(f64),
        #[cfg_attr(test, serde(other))]
        Other,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    pub(crate) enum Outside {
        Rain {
            amount: f64,
        },
        Calm,
        #[serde(other)]
        Other,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    pub(crate) struct Picture {
        #[serde(default)]
        pub(crate) main: Color,
        pub(crate) all: Vec<Color>,
        pub(crate) maybe: Option<Color>,
        pub(crate) events: BTreeMap<String, Event>,
        #[serde(flatten)]
        pub(crate) last: Adjacent,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    pub(crate) enum Closed {
        Round,
        Square { side: f64 },
    }

    /// A struct with an enum in it that may be missing.
    #[dasf::function]
    pub(crate) fn job(job: Job) -> Job {
        job
    }

    /// Enums of which one variant has no tag.
    #[dasf::function]
    pub(crate) fn untagged(inside: Inside, beside: Beside) -> (Inside, Beside) {
        (inside, beside)
    }

    /// Structs with properties of any name.
    #[dasf::function]
    pub(crate) fn series(series: Series, bag: Bag) -> (Series, Bag) {
        (series, bag)
    }

    /// Enums with a variant for all that they do not know.
    #[dasf::function]
    pub(crate) fn others(
        color: Color,
        event: Event,
        adjacent: Adjacent,
        outside: Outside,
    ) -> (Color, Event, Adjacent, Outside) {
        (color, event, adjacent, outside)
    }

    /// Such enums inside of something else.
    #[dasf::function]
    pub(crate) fn picture(picture: Picture) -> Picture {
        picture
    }

    /// An enum without such a variant.
    #[dasf::function]
    pub(crate) fn closed(closed: Closed) -> Closed {
        closed
    }
}

/// The API description from which `dasf-codegen` generates the clients of its tests.
/// `UPDATE_GOLDENS=1` writes it again.
#[test]
fn the_description_is_the_file_for_the_generated_clients() {
    let api_info = today::module().unwrap().api_info("forms");
    let text = serde_json::to_string_pretty(&api_info).unwrap() + "\n";
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/dasf-codegen/tests/schemas/forms.api.json"
    );
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), text);
}

/// A later version of the module, with variants that the clients do not know.
#[dasf::module(topic = "forms", main = false)]
// As above.
#[allow(clippy::needless_pass_by_value)]
mod newer {
    use std::collections::BTreeMap;

    use schemars::JsonSchema;
    use serde::Serialize;
    use serde_json::{Value, json};

    use super::today::{Bag, Closed, Color, Event, Inside, Job};

    /// A value that is sent unchanged, even against the schema.
    #[derive(Debug, Serialize, serde::Deserialize, JsonSchema)]
    #[serde(transparent)]
    struct Newer(Value);

    #[dasf::function]
    fn job(job: Job) -> Newer {
        Newer(json!({"name": job.name, "newer": true}))
    }

    #[dasf::function]
    fn untagged(inside: Inside, beside: Value) -> (Inside, Value) {
        (inside, beside)
    }

    #[dasf::function]
    fn series(series: Value, bag: Bag) -> (Newer, Bag) {
        let years = BTreeMap::from([("2001", 0.5)]);
        let mut newer = json!({"name": series["name"], "unit": "m"});
        newer["2001"] = years["2001"].into();
        (Newer(newer), bag)
    }

    #[dasf::function]
    fn others(color: Color, event: Event, adjacent: Value, outside: Value) -> Newer {
        let known = json!([color, event, adjacent, outside]);
        Newer(json!([
            "Violet",
            {"event": "Hail", "size": [1, 2], "known": known},
            {"t": "Hail", "c": {"size": 1}},
            "Hail",
        ]))
    }

    #[dasf::function]
    fn picture(picture: Value) -> Newer {
        let mut newer = picture;
        newer["main"] = "Violet".into();
        newer["all"] = json!(["Red", "Violet"]);
        newer["events"] = json!({"x": {"event": "Hail"}});
        Newer(newer)
    }

    #[dasf::function]
    fn closed(closed: Closed) -> Newer {
        Newer(match closed {
            Closed::Round => "Oval".into(),
            Closed::Square { side } => json!({"Oblong": {"sides": [side, 1.0]}}),
        })
    }
}

/// Returns the response to a request without a client, as from another language.
async fn answer(request: Value) -> Result<Value, String> {
    let module = today::module().unwrap();
    let outcome = module.call_value(request, Context::local(), None).await;
    outcome
        .map(|output| serde_json::from_str(output.as_json()).unwrap())
        .map_err(|failure| failure.to_string())
}

/// A generated client and the module that it calls.
async fn client_of(module: Module) -> (Client, Host, Broker) {
    let client = Client::builder();
    let (broker, host, client) = serve("forms", module, client).await;
    (client, host, broker)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_is_required_when_reading() {
    let (client, host, _broker) = client_of(today::module().unwrap()).await;
    for job in [
        Job::from(JobName {
            name: "a".to_owned(),
        }),
        JobNameSum::new("a").into(),
        JobNameMean::new("a", 3).into(),
    ] {
        assert_eq!(client.job(&job).await.unwrap(), job);
    }
    let inside = [InsideA::new(0.5).into(), Inside::X(InsideX { x: 0.5 })];
    let beside = [
        Beside::A(BesideA::new()),
        Beside::X(BesideX { x: Some(0.5) }),
    ];
    for (inside, beside) in inside.into_iter().zip(beside) {
        let read = client.untagged(&inside, &beside).await.unwrap();
        assert_eq!(read, (inside, beside));
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn properties_of_any_name_are_kept() {
    let (client, host, broker) = client_of(today::module().unwrap()).await;
    let mut series = Series::new("a");
    series.additional.insert("2001".to_owned(), 0.5);
    let mut bag = Bag::new("b");
    bag.additional.insert("ä".to_owned(), 1.5);
    let read = client.series(&series, &bag).await.unwrap();
    assert_eq!(read, (series.clone(), bag.clone()));
    host.shutdown().await;

    let options = HostOptions::default();
    let host = listen(&broker, "forms", newer::module().unwrap(), options).await;
    let read = client.series(&series, &bag).await.unwrap();
    assert_eq!(read, (series, bag));
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_accepts_unknown_variants() {
    let event = json!({"event": "Hail", "size": [1, 2]});
    for (name, argument, read) in [
        ("color", json!("Violet"), json!("Unknown")),
        ("color", json!("Unknown"), json!("Unknown")),
        ("color", json!("Red"), json!("Red")),
        ("event", event, json!({"event": "Other"})),
        (
            "event",
            json!({"event": "Rain", "amount": 1}),
            json!({"event": "Rain", "amount": 1.0}),
        ),
        ("adjacent", json!({"t": "Hail"}), json!({"t": "Other"})),
        ("outside", json!("Hail"), json!("Other")),
    ] {
        let mut request = json!({
            "func_name": "others", "color": "Red", "event": {"event": "Calm"},
            "adjacent": {"t": "Rain", "c": 0.5}, "outside": "Calm",
        });
        request[name] = argument;
        let names = ["color", "event", "adjacent", "outside"];
        let index = names.iter().position(|it| *it == name).unwrap();
        let answer = answer(request.clone()).await.unwrap();
        assert_eq!(answer[index], read, "{request}");
    }
    let picture = json!({
        "all": ["Red", "Violet"], "events": {"x": {"event": "Hail"}}, "maybe": "Violet", "t": "Hail",
    });
    let request = json!({"func_name": "picture", "picture": picture});
    let expected = json!({
        "main": "Green", "all": ["Red", "Unknown"], "maybe": "Unknown",
        "events": {"x": {"event": "Other"}}, "t": "Other",
    });
    assert_eq!(answer(request).await.unwrap(), expected);
}

/// A mistake inside a known variant does not make it an unknown one.
#[tokio::test(flavor = "multi_thread")]
async fn a_known_variant_is_checked() {
    for event in [
        json!({"event": "Rain", "amount": "much"}),
        json!({"event": "Rain"}),
        json!({"event": 1}),
        json!({"amount": 1}),
    ] {
        let request = json!({
            "func_name": "others", "color": "Red", "event": event,
            "adjacent": {"t": "Other"}, "outside": "Calm",
        });
        let failure = answer(request).await.unwrap_err();
        assert!(
            failure.starts_with(FailureKind::Validation.name()),
            "{failure}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_reads_the_variants_of_a_newer_module() {
    let (client, host, _broker) = client_of(newer::module().unwrap()).await;
    let (rain, hail) = (EventRain::new(1.0), json!({"size": 1}));
    let others = client.others(
        &Color::Red,
        &rain.clone().into(),
        &AdjacentRain::new(0.5).into(),
        &OutsideLiteral::Calm.into(),
    );
    let (color, event, adjacent, outside) = others.await.unwrap();
    assert_eq!(color, Color::Unknown("Violet".to_owned()));
    let Event::Other(event) = event else {
        panic!("{event:?}")
    };
    assert_eq!(event.event, "Hail");
    assert_eq!(event.additional["size"], json!([1, 2]));
    let known = json!(["Red", rain, {"t": "Rain", "c": 0.5}, "Calm"]);
    assert_eq!(event.additional["known"], known);
    let Adjacent::Other(adjacent) = adjacent else {
        panic!("{adjacent:?}")
    };
    assert_eq!(adjacent.t, "Hail");
    assert_eq!(adjacent.additional["c"], hail);
    assert_eq!(outside, Outside::Other("Hail".to_owned()));

    // In a list, a map, and a field.
    let picture = PictureRain::new(vec![Color::Red], BTreeMap::new(), 0.5);
    assert_eq!(picture.main, Color::Green);
    let Picture::Rain(read) = client.picture(&picture.into()).await.unwrap() else {
        panic!("it was rain")
    };
    let violet = Color::Unknown("Violet".to_owned());
    assert_eq!(read.main, violet);
    assert_eq!(read.all, [Color::Red, violet]);
    assert!(matches!(&read.events["x"], Event::Other(it) if it.event == "Hail"));

    // If the enum is closed, the error shows the unknown variant.
    let round = client.closed(&ClosedLiteral::Round.into());
    let error = round.await.unwrap_err().to_string();
    assert!(
        error.contains("\"Oval\" has none of the allowed types"),
        "{error}"
    );
    let square = ClosedSquare {
        square: ClosedSquareSquare { side: 2.0 },
    };
    let error = client.closed(&square.into()).await.unwrap_err().to_string();
    assert!(
        error.contains(r#"{"Oblong":{"sides":[2.0,1.0]}}"#),
        "{error}"
    );
    host.shutdown().await;
}

/// A value of one form with a mistake inside is not a value of another form.
#[test]
fn a_client_does_not_read_an_invalid_known_variant_as_unknown() {
    let wrong = json!({"event": "Rain", "amount": "much"});
    assert!(serde_json::from_value::<Event>(wrong).is_err());
    let more = json!({"event": "Rain", "amount": 1.0, "newer": [1]});
    let read = serde_json::from_value::<Event>(more).unwrap();
    assert_eq!(read, EventRain::new(1.0).into());
}

#[test]
fn numbers_and_tags_with_a_default_distinguish_types() {
    for (value, expected) in [
        (
            json!({"version": 1, "final": true, "x": 0.5}),
            VersionsA::from(Version1 {
                x: Some(0.5),
                ..Version1::new()
            }),
        ),
        (json!({"version": 2, "final": true}), Version2::new().into()),
        (json!({"kind": "cat"}), Cat::new().into()),
        (json!({"x": 0.5}), Plain { x: Some(0.5) }.into()),
        (json!({}), Plain::new().into()),
        // Neither form.
        (json!({"version": 2, "final": false}), Plain::new().into()),
        (json!({"version": 3, "final": true}), Plain::new().into()),
    ] {
        let read = serde_json::from_value::<VersionsA>(value.clone()).unwrap();
        assert_eq!(read, expected, "{value}");
    }
    let wrong = serde_json::from_value::<Version1>(json!({"version": 3, "final": true}));
    assert_eq!(wrong.unwrap_err().to_string(), "3 is not one of 1");
}

/// A module knows its default better than its API description does.
#[test]
fn a_default_that_breaks_its_own_limit_is_not_sent() {
    let default = Opt::new();
    let json = serde_json::to_value(&default).unwrap();
    assert_eq!(json, json!({"steps": 1}));
    assert_eq!(serde_json::from_value::<Opt>(json).unwrap(), default);
    let other = Opt {
        rate: 0.05,
        weights: Some(vec![0.1]),
        ..default
    };
    let json = serde_json::to_value(&other).unwrap();
    assert_eq!(json, json!({"rate": 0.05, "steps": 1, "weights": [0.1]}));
}

#[test]
fn further_properties_are_of_several_types() {
    let json = json!({"a": "x", "n_1": 0.5, "t_1": ["y"], "else": true});
    let read = serde_json::from_value::<Named>(json.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), json);
    assert_eq!(read.additional["n_1"], NamedAdditional::Number(0.5));
    let wrong = serde_json::from_value::<Named>(json!({"a": "x", "else": {}}));
    assert!(wrong.is_err());
}
