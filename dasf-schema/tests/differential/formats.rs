//! The formats, for texts near valid ones.

use dasf_schema::{Draft, Options, Schema};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::options;
use crate::oracle::Oracle;

/// Texts of each format, from which others are made.
const TEXTS: [(&str, &[&str]); 19] = [
    (
        "partial-date-time",
        &["2026-11-22T10:00:00.5", "2026-11-22T23:59:60"],
    ),
    ("partial-time", &["10:00", "10:00:00.25"]),
    (
        "date",
        &["2026-11-22", "2024-02-29", "1900-02-28", "0000-12-31"],
    ),
    (
        "date-time",
        &[
            "2026-11-22T10:00:00Z",
            "2016-12-31t18:59:60.5-05:00",
            "2026-01-01T23:59:59+01:30",
        ],
    ),
    (
        "duration",
        &["P1Y2M3DT4H5M6S", "P4W", "PT5M", "P12M", "P1DT1S"],
    ),
    (
        "email",
        &[
            "name@example.org",
            "a.b+c@x",
            "\"a b\\\"\"@example.org",
            "Ada <a@b.co>",
            "a@[127.0.0.1]",
            "a@[IPv6:::1]",
            "\"\"@b.co",
            "x <\"\"@b.co>",
        ],
    ),
    (
        "hostname",
        &[
            "example.org",
            "a-b.c",
            "xn--mnchen-3ya.de",
            "xn--ls8h",
            "ab--c",
            "xn--l-fga",
            "xn--wgv71a119e",
            "xn--X",
            "a_b",
        ],
    ),
    ("ipv4", &["127.0.0.1", "255.255.255.255", "1.2.3.04"]),
    (
        "ipv6",
        &[
            "::1",
            "2001:db8::8a2e:370:7334",
            "::ffff:1.2.3.4",
            "fe80::1%eth0",
        ],
    ),
    (
        "iri",
        &[
            "https://exämple.org/ß?q=é#f",
            "http://[::1]:80/a",
            "urn:a:b",
            "http://a/?\u{e000}",
        ],
    ),
    (
        "iri-reference",
        &["../ß", "//ä@b:80", "?q", "a:b", "1:b", "#\u{e000}"],
    ),
    ("json-pointer", &["", "/a/0/~0~1", "/", "a"]),
    (
        "regex",
        &[
            "^[a-z]+$",
            "(?<n>a)\\k<n>",
            "(?:a|b){2,3}?",
            "(?=a)\\1(b)",
            "\\p{L}\\u{1F600}[\\d\\-x]",
            "(?i-m:a)",
            "\\cA\\x41\\0",
            "[b-a]",
            "a{2,1}",
            "(?<a>x)|(?<a>y)",
            "\\ud83d\\ude00",
        ],
    ),
    ("relative-json-pointer", &["0", "1/a/~0", "10#", "0#", "01"]),
    (
        "time",
        &[
            "10:00:00Z",
            "23:59:60.5+00:00",
            "00:29:60+00:30",
            "08:00:00-23:59",
        ],
    ),
    (
        "uri",
        &[
            "https://user:pw@example.org:80/a%20b?c#d",
            "urn:x",
            "http://[v7.a:b]/",
            "mailto:a@b",
        ],
    ),
    (
        "uri-reference",
        &[
            "../a",
            "//a@b",
            "?q#f",
            "a:b",
            "1:b",
            "/a//b",
            "http://[::1]x",
        ],
    ),
    (
        "uri-template",
        &[
            "/a{/id}{?x,y*}",
            "{+a.b:3}",
            "%41{x}",
            "a{x:10000}",
            "{}",
            "ä`",
        ],
    ),
    (
        "uuid",
        &[
            "67e55044-10b1-426f-9247-bb680e5fe0c8",
            "67E5504410B1426F9247BB680E5FE0C8",
        ],
    ),
];

/// Compares the answers for one text.
fn compare(format: &str, text: &str) {
    let options: Options = options(Draft::Draft201909);
    let schema = json!({"format": format});
    let value = Value::from(text);
    let expected = Oracle::new(&schema, options).unwrap().accepts(&value);
    let found = Schema::new(&schema, options).unwrap().accepts(&value);
    assert_eq!(found, expected, "{text:?} as {format}");
}

#[test]
fn the_texts_themselves() {
    for (format, texts) in TEXTS {
        for text in texts {
            for (other, _) in TEXTS {
                compare(other, text);
            }
            compare(format, text);
        }
    }
}

/// A change of a text: at a place, a number of characters become other text.
fn change() -> impl Strategy<Value = (prop::sample::Index, usize, String)> {
    let characters = select(
        "09aAzZxn-_.:/?#[]@!$&'()*+,;=%~^|{}\\\"<> tTPWYMDHS é·ß漢\u{200d}\u{94d}\u{e000}٣"
            .chars()
            .collect::<Vec<_>>(),
    );
    let added = prop::collection::vec(characters, 0..3).prop_map(String::from_iter);
    (any::<prop::sample::Index>(), 0_usize..3, added)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000, max_shrink_iters: 300, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn texts_near_them(
        (format, text) in select(TEXTS.to_vec()).prop_flat_map(|(format, texts)| (Just(format), select(texts))),
        changes in prop::collection::vec(change(), 1..3),
    ) {
        let mut characters: Vec<char> = text.chars().collect();
        for (place, removed, added) in changes {
            let start = place.index(characters.len() + 1);
            let end = (start + removed).min(characters.len());
            characters.splice(start..end, added.chars());
        }
        compare(format, &String::from_iter(characters));
    }

    #[test]
    fn labels_of_hosts(label in "[a-z0-9-]{0,6}") {
        compare("hostname", &format!("xn--{label}"));
        compare("hostname", &label);
    }
}
