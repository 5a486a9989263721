//! A client that was generated from a description, against the module that gave it: every type of
//! the guide's table goes there and back.

use std::collections::BTreeMap;
use std::time::Duration;

use dasf::{Base64, CallError, HostOptions};
use dasf_test_generated::types::{
    self, Adjacent, AdjacentText, External, ExternalLiteral, ExternalNamed, ExternalNamedNamed,
    ExternalOne, Folder, Internal, InternalSquare, Kind, Pair, Pair2, Picture, Place, Position,
    Untagged,
};
use dasf_test_support::{PATIENCE, broker, listen};
use serde_json::{Value, json};

use crate::types::every_type;

/// The same client, made by the macro.
mod by_macro {
    dasf::client!("dasf-codegen/tests/schemas/types.api.json");
}

/// A client of a description that begins with a byte order mark.
mod marked {
    dasf::client!("tests/fixtures/marked.api.json");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_order_mark_before_a_description_is_skipped() {
    let file = include_bytes!("../fixtures/marked.api.json");
    assert!(file.starts_with(b"\xef\xbb\xbf"));
    let broker = broker().await;
    let client = marked::Client::connect(&broker.url()).await.unwrap();
    let error = client.sqrt(-1.0).await.unwrap_err();
    assert!(matches!(error, CallError::Invalid { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_goes_there_and_back() {
    let broker = broker().await;
    let module = every_type::module().unwrap();
    let host = listen(&broker, "types", module, HostOptions::default()).await;
    let client = types::Client::connect(&broker.url()).await.unwrap();

    let signed = (i8::MIN, i16::MAX, -3, i64::MIN, 5);
    let (a, b, c, d, e) = signed;
    assert_eq!(client.signed(a, b, c, d, e).await.unwrap(), signed);
    let unsigned = (u8::MAX, 1, 2, u64::MAX, 5);
    let (a, b, c, d, e) = unsigned;
    assert_eq!(client.unsigned(a, b, c, d, e).await.unwrap(), unsigned);
    assert_eq!(client.wide(-1, 1).await.unwrap(), (-1, 1));
    assert_eq!(client.widest().await.unwrap(), (i128::MIN, u128::MAX));
    let floats = client.floats(0.5, 1e300).b(0.25).await.unwrap();
    assert_eq!(floats, (0.5, 0.25, 1e300));
    assert_eq!(
        client.truth(true, "世").await.unwrap(),
        (true, "世".to_owned())
    );
    let texts = client.texts("a", "\"\\\n", "").await.unwrap();
    assert_eq!(texts, ["a", "\"\\\n", "", "ä"]);
    let set = ["x".to_owned()];
    let lists = client.lists(&[0.5], &[-1], &[1, 2, 3], &set).await.unwrap();
    assert_eq!(
        lists,
        (vec![0.5], vec![-1], vec![1, 2, 3], set.clone().into())
    );
    let (pair, nested) = (("a".to_owned(), 7), ((1,), vec![0.5]));
    let tuples = client.tuples(&pair, &nested).await.unwrap();
    assert_eq!(tuples, (pair, nested));
    let options = client.options().a(5).b(None).c(set.as_slice());
    assert_eq!(
        options.await.unwrap(),
        (Some(5), None, Some(set.clone().into()))
    );
    assert_eq!(client.options().await.unwrap(), (None, Some(1), None));
    let named = BTreeMap::from([("ä b".to_owned(), 0.5)]);
    let numbered = BTreeMap::from([("7".to_owned(), "x".to_owned())]);
    let maps = client.maps(&named, &numbered).await.unwrap();
    assert_eq!(maps, (named, numbered));
    let wrapped = client.wrapped(0.5, 2.5, &[1]).await.unwrap();
    assert_eq!(wrapped, (0.5, 2.5, vec![1]));
    client.nothing().await.unwrap();

    let place = Place::new(19.5);
    let position = Position::new(place.clone(), 3397.0, Kind::OnLand);
    assert_eq!(position.accuracy, 10);
    assert_eq!(client.structs(&position).await.unwrap(), position);
    let external = vec![
        External::Literal(ExternalLiteral::Nothing),
        External::One(ExternalOne { one: 0.5 }),
        External::Named(ExternalNamed {
            named: ExternalNamedNamed { x: -1 },
        }),
    ];
    let internal = Internal::from(InternalSquare::new(1.0));
    let adjacent = Adjacent::from(AdjacentText::new("x"));
    let untagged = vec![1.0.into(), Untagged::Text("1".to_owned()), vec![1.0].into()];
    let enums = client.enums(Kind::AtSea, &external, &internal, &adjacent, &untagged);
    assert_eq!(
        enums.await.unwrap(),
        (Kind::AtSea, external, internal, adjacent, untagged)
    );
    let mut folder = Folder::new("inner", vec![Folder::new("leaf", Vec::new())]);
    folder.parent = Some(Box::new(Folder::new("outer", Vec::new())));
    assert_eq!(client.recursive(&folder).await.unwrap(), folder);
    let paths = client
        .paths(std::slice::from_ref(&place), &place, 1.5)
        .await;
    assert_eq!(paths.unwrap(), (vec![place.clone()], place.clone(), 1.5));
    let numbers = Pair {
        first: 1.0,
        second: 2.0,
    };
    let places = Pair2 {
        first: place.clone(),
        second: place,
    };
    let generics = client.generics(&numbers, &places).await.unwrap();
    assert_eq!(generics, (numbers, places));

    let (instant, naive) = ("2026-11-22T10:00:00Z", "2026-11-22T10:00:00");
    let (date, time) = ("2026-11-22", "10:00:00");
    let dates = client.chrono_dates(instant, instant, naive, date, time);
    let (.., read) = dates.await.unwrap();
    assert_eq!(read, time);
    let (read, ..) = client.time_dates(instant, naive, date, time).await.unwrap();
    assert_eq!(read, instant);
    let bytes = Base64(vec![0, 255]);
    let picture = Picture {
        rows: vec![bytes.clone()],
    };
    let all = client.bytes(&bytes, &bytes, &picture).await.unwrap();
    assert_eq!(all, (bytes.clone(), bytes, picture));
    let any = [json!([1.0]), json!([2.0])];
    let arrays = client.arrays(&[1], &[vec![0.5]], &any).await.unwrap();
    assert_eq!(arrays, (vec![1], vec![vec![0.5]], any.into()));
    let (id, url) = (
        "67e55044-10b1-426f-9247-bb680e5fe0c8",
        "https://example.org/",
    );
    let identifiers = client.identifiers(id, url).await.unwrap();
    assert_eq!(identifiers, (id.to_owned(), url.to_owned()));
    let value = json!({"a": [null, 1, "x"]});
    assert_eq!(client.json(&value).await.unwrap(), value);

    // NaN travels as null, which no number is.
    let error = client.not_a_number().await.unwrap_err();
    assert!(matches!(error, CallError::Decode { .. }), "{error}");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_the_schema_is_not_sent() {
    let broker = broker().await;
    // Nobody listens: the answer is the client's own.
    let client = types::Client::connect(&broker.url()).await.unwrap();
    let position = Position::new(Place::new(91.0), 0.0, Kind::AtSea);
    let error = client.structs(&position).await.unwrap_err();
    assert_eq!(
        error,
        CallError::Invalid {
            problems: "structs: position.place.latitude: 91.0 is greater than the maximum of 90"
                .to_owned()
        }
    );
    let error = client.lists(&[], &[], &[1], &[]).await.unwrap_err();
    assert!(matches!(error, CallError::Invalid { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_macro_makes_the_same_client() {
    let broker = broker().await;
    let module = every_type::module().unwrap();
    let host = listen(&broker, "types", module, HostOptions::default()).await;
    let client = by_macro::Client::builder()
        .websocket(&broker.url())
        .timeout(PATIENCE)
        .connect()
        .await
        .unwrap();
    let position = by_macro::Position::new(by_macro::Place::new(1.0), 2.0, by_macro::Kind::AtSea);
    assert_eq!(client.structs(&position).await.unwrap(), position);
    host.shutdown().await;
}

#[test]
fn the_client_for_code_that_blocks_is_the_same() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (broker, host) = runtime.block_on(async {
        let broker = broker().await;
        let module = every_type::module().unwrap();
        let host = listen(&broker, "types", module, HostOptions::default()).await;
        (broker, host)
    });
    let client = types::blocking::Client::connect(&broker.url()).unwrap();
    let floats = client
        .floats(0.5, 1.0)
        .timeout(Duration::from_secs(20))
        .b(0.25);
    assert_eq!(floats.send().unwrap(), (0.5, 0.25, 1.0));
    let value: Value = client.json(&json!([1])).send().unwrap();
    assert_eq!(value, json!([1]));
    runtime.block_on(host.shutdown());
}
