//! Patterns in this crate, compared with an engine of ECMAScript.

use proptest::prelude::*;

use super::to_rust;

/// Characters that engines treat differently.
const STRANGE: &[char] = &[
    'a',
    'z',
    'A',
    '0',
    '9',
    '_',
    '-',
    '&',
    '^',
    '$',
    '.',
    '[',
    ']',
    '/',
    '\\',
    '{',
    '}',
    ' ',
    '\t',
    '\n',
    '\r',
    '\u{b}',
    '\u{c}',
    '\u{1c}',
    '\u{85}',
    '\u{a0}',
    'é',
    'ß',
    'ſ',
    '\u{212a}',
    '٣',
    '߁',
    'ⅷ',
    '\u{180e}',
    '\u{200b}',
    '\u{2028}',
    '\u{2029}',
    '\u{3000}',
    '\u{feff}',
    '漢',
    '🌍',
    '\u{301}',
    '\u{10ffff}',
    '\0',
];

fn rust(pattern: &str) -> regex::Regex {
    let translated = to_rust(pattern).unwrap_or_else(|mistake| panic!("{pattern}: {mistake}"));
    regex::Regex::new(&translated).unwrap_or_else(|error| panic!("{pattern}: {error}"))
}

fn ecmascript(pattern: &str) -> regress::Regex {
    regress::Regex::with_flags(pattern, "u")
        .unwrap_or_else(|error| panic!("ECMAScript refuses {pattern:?}: {error}"))
}

#[track_caller]
fn assert_alike(pattern: &str, texts: impl IntoIterator<Item = String>) {
    let (rust, ecmascript) = (rust(pattern), ecmascript(pattern));
    for text in texts {
        let expected = ecmascript.find(&text).is_some();
        assert_eq!(
            rust.is_match(&text),
            expected,
            "{pattern:?} in {text:?}, as {rust}"
        );
    }
}

/// All strings of up to two strange characters.
fn strange_texts() -> impl Iterator<Item = String> {
    let ones = STRANGE.iter().map(ToString::to_string);
    let twos = STRANGE
        .iter()
        .flat_map(|one| STRANGE.iter().map(move |two| [*one, *two].iter().collect()));
    std::iter::once(String::new()).chain(ones).chain(twos)
}

#[test]
fn common_patterns_have_the_same_meaning_in_ecmascript() {
    for pattern in [
        "",
        "a",
        "^a$",
        "a$",
        "^a",
        "a|z",
        "a||z",
        "(a|)",
        "()",
        "(?:)",
        "^$",
        "^^$$",
        ".",
        "^.$",
        "^..$",
        r"\d",
        r"\D",
        r"^\w$",
        r"^\W$",
        r"^\s$",
        r"^\S$",
        r"\b",
        r"\B",
        r"a\b",
        r"\ba",
        r"^\b",
        r"\B$",
        r"^\B",
        r"[\d\s]",
        r"[^\d]",
        r"[^\D]",
        r"[\D\d]",
        r"^[^\w\s]$",
        "[]",
        "[^]",
        "^[^]$",
        "a[]",
        "[-a]",
        "[a-]",
        "[+--]",
        "[--/]",
        "[^-]",
        r"[\-\]]",
        r"[\^a]",
        "[a^]",
        r"[\b]",
        "[&]",
        "[~]",
        "[$]",
        "[.]",
        r"[\.]",
        r"\.",
        r"\/",
        "/",
        r"\^",
        r"\$",
        r"\\",
        r"\[",
        r"\]",
        r"\{",
        r"\}",
        r"\(",
        r"\)",
        r"\|",
        r"\*",
        r"\+",
        r"\?",
        r"[\\]",
        r"[/]",
        "-",
        "&&",
        "~~",
        "#",
        r"\0",
        r"\x00",
        r"\cA",
        r"\cj",
        r"[\cJ]",
        r"\t",
        r"\v",
        r"\f",
        r"\n",
        r"\r",
        r"\x0a",
        r"\u000a",
        r"\u{a}",
        r"\u{1f30d}",
        r"\ud83c\udf0d",
        r"[\ud83c\udf0d]",
        r"[\u{1f30d}-\u{10ffff}]",
        "🌍",
        "^🌍$",
        "[🌍]",
        "é",
        "[à-ÿ]",
        r"\p{L}",
        r"\P{L}",
        r"^\p{Lu}",
        r"[\p{L}\p{N}]",
        r"[^\p{L}]",
        r"\p{Script=Latin}",
        r"\p{sc=Han}",
        r"\p{scx=Arab}",
        r"\p{gc=Nd}",
        r"\p{General_Category=Decimal_Number}",
        r"\p{ASCII}",
        r"\p{Any}",
        r"\p{White_Space}",
        r"\p{Emoji}",
        r"\p{Uppercase}",
        "a*",
        "a+",
        "a?",
        "a*?",
        "a+?",
        "a??",
        "a{2}",
        "^a{2,}$",
        "^a{0,1}$",
        "^a{1,2}?$",
        "(?:a){2}",
        "^(a|z){2}$",
        "(?<name>a)z",
        "(?<$a1>a)",
        "(?<_>a)",
        "^(?:[a-z]+-)*[a-z]+$",
        r"^\s*$",
        r"^\S*$",
        r"^\d+(?:\.\d+)?$",
        " ",
        "a b",
        "\u{a0}",
        "\n",
        "^\n$",
        "[ -~]",
        "[!-~]",
        "k",
        "s",
        "[k]",
        "ß",
    ] {
        assert_alike(pattern, strange_texts());
    }
}

#[test]
fn the_table_for_all_languages_agrees_with_ecmascript() {
    let table: serde_json::Value =
        serde_json::from_str(include_str!("../../tests/fixtures/patterns.json")).unwrap();
    for case in table.as_array().unwrap() {
        let pattern = case["pattern"].as_str().unwrap();
        let (rust, ecmascript) = (rust(pattern), ecmascript(pattern));
        for (verdict, texts) in [(true, &case["accepts"]), (false, &case["refuses"])] {
            for text in texts.as_array().unwrap() {
                let text = text.as_str().unwrap();
                assert_eq!(
                    rust.is_match(text),
                    verdict,
                    "{pattern:?} in {text:?}, as {rust}"
                );
                assert_eq!(
                    ecmascript.find(text).is_some(),
                    verdict,
                    "{pattern:?} in {text:?}"
                );
            }
        }
    }
}

#[test]
fn plain_patterns_stay_the_same() {
    for pattern in [
        "^[a-z]+$",
        "^[NS]$",
        "^[A-Z]{2}-[0-9]{4,}$",
        r"^a\.b$",
        "^(?:a|b)*?c$",
        r"[\-\]]",
        r"^[\p{L} ]+$",
    ] {
        assert_eq!(to_rust(pattern).unwrap(), pattern);
    }
}

#[test]
fn the_patterns_of_schemars_are_in_the_dialect() {
    for pattern in [
        r"^\d+$",
        r"^-?\d+$",
        r"^-?\d+(\.\d+)?([eE]\d+)?$",
        r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?(?:\+([0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*))?$",
    ] {
        assert_alike(pattern, strange_texts());
    }
}

#[test]
fn each_mistake_has_a_place_and_a_correction() {
    for (pattern, at, instead) in [
        ("[[:alpha:]]", 1, r"`[\p{L}]` for letters, or `[A-Za-z]`"),
        ("^[^[:space:]]", 3, r"`[\s]`"),
        ("[a[b]]", 2, r"`\[`"),
        ("[a-z&&b]", 4, "`&` once"),
        ("[a~~b]", 2, "`~` once"),
        ("[a--b]", 3, r"`\-`"),
        (r"[\w--\d]", 2, r"`\-`"),
        (r"[a-\d]", 4, r"`\-`"),
        ("[z-a]", 3, "swap its ends"),
        ("[a", 1, "add `]`"),
        ("a]", 1, r"`\]`"),
        ("a}", 1, r"`\}`"),
        ("(?i)a", 2, "`[aA]`"),
        ("(?i:a)", 2, "`[aA]`"),
        ("(?s).", 2, "`[^]`"),
        ("(?m)^a", 2, "beginning of a line"),
        ("(?x) a", 2, "remove spaces"),
        ("(?-u)a", 2, "remove them"),
        ("(?P<n>a)", 2, "`(?<name>…)`"),
        ("(?P=n)", 2, "back references"),
        ("(?<1>a)", 3, "begin with a digit"),
        ("(?<>a)", 3, "letters"),
        ("(?<n>a)(?<n>b)", 11, "rename"),
        ("(?=a)", 2, "look-ahead"),
        ("(?!a)", 2, "look-ahead"),
        ("(?<=a)", 2, "look-behind"),
        ("(?<!a)", 2, "look-behind"),
        ("(?>a)", 2, "`(?:…)`"),
        ("(?#a)", 2, "comments"),
        ("(?|a)", 2, r"`\(`"),
        (r"(a)\1", 4, "back references"),
        (r"(?<n>a)\k<n>", 8, "back references"),
        (r"\Aa", 1, "`^`"),
        (r"a\z", 2, "`$`"),
        (r"a\Z", 2, "`$`"),
        (r"\h", 1, r"`[ \t]`"),
        (r"\R", 1, "end of a line"),
        (r"\a", 1, r"`\x07`"),
        (r"\e", 1, r"`\x1b`"),
        (r"\<a", 1, r"`\b`"),
        (r"\-", 1, "without the backslash"),
        (r"\_", 1, "without the backslash"),
        (r"\ ", 1, "without the backslash"),
        (r"\q", 1, "remove the backslash"),
        (r"[\B]", 2, "outside the class"),
        (r"[\q]", 2, "remove the backslash"),
        (r"[\1]", 2, r"`\x07`"),
        (r"\01", 1, r"`\x07`"),
        ("a\\", 1, r"`\\`"),
        (r"\c1", 2, r"`\cA`"),
        (r"\x7", 2, r"`\x7f`"),
        (r"\u12", 3, r"`\u00e9`"),
        (r"\u{}", 2, r"`\u00e9`"),
        (r"\u{110000}", 9, "no character"),
        (r"\u{d800}", 7, "no character"),
        (r"\ud83c", 5, "half of a character"),
        (r"\ud83c\u0041", 11, "half of a character"),
        (r"\pL", 1, r"`\p{L}`"),
        (r"\p{letter}", 9, r"`\p{Letter}`"),
        (r"\p{Greek}", 8, r"`\p{Script=Greek}`"),
        (r"\P{^L}", 5, r"`\p{L}`"),
        (r"\p{Nothing}", 10, r"`\p{L}`"),
        (r"\p{Block=Latin}", 14, r"`\p{L}`"),
        (r"\p{L", 3, r"`\p{L}`"),
        ("*a", 0, r"`\*`"),
        ("a|+", 2, r"`\+`"),
        ("(?a)", 2, "flags"),
        ("^*", 1, "remove it"),
        (r"\b+", 2, "remove it"),
        ("a++", 2, "second `+`"),
        ("a**", 2, "`(?:…)*`"),
        ("a{2}{3}", 6, "`(?:…){3}`"),
        ("{", 0, r"`\{`"),
        ("a{", 1, r"`\{`"),
        ("a{b}", 1, r"`\{`"),
        ("a{1", 2, r"`{2,3}`"),
        ("a{,3}", 1, "`{0,…}`"),
        ("a{3,2}", 5, "swap them"),
        ("a{99999999999}", 6, "65535"),
        ("(a", 0, "add `)`"),
        ("a)", 1, r"`\)`"),
    ] {
        let mistake = to_rust(pattern)
            .err()
            .unwrap_or_else(|| panic!("{pattern} is accepted"));
        assert!(mistake.reason.contains(instead), "{pattern}: {mistake}");
        assert_eq!(mistake.at, at, "{pattern}: {mistake}");
    }
    let deep = "(".repeat(1000) + &")".repeat(1000);
    assert!(to_rust(&deep).unwrap_err().reason.contains("100 deep"));
}

/// Parts of patterns; some of them are mistakes.
fn pieces() -> impl Strategy<Value = String> {
    const PARTS: &[&str] = &[
        "a",
        "z",
        "0",
        "_",
        "é",
        "漢",
        "🌍",
        " ",
        "-",
        ".",
        "^",
        "$",
        "|",
        "(",
        "(?:",
        "(?<n>",
        ")",
        "[",
        "[^",
        "]",
        "*",
        "+",
        "?",
        "{2}",
        "{1,}",
        "{0,2}",
        "{",
        "}",
        "&",
        "~",
        "/",
        ",",
        ":",
        "a-z",
        r"\d",
        r"\D",
        r"\w",
        r"\W",
        r"\s",
        r"\S",
        r"\b",
        r"\B",
        r"\n",
        r"\t",
        r"\.",
        r"\-",
        r"\]",
        r"\[",
        r"\\",
        r"\/",
        r"\0",
        r"\x41",
        r"\u0041",
        r"\u{1f30d}",
        r"\ud83c\udf0d",
        r"\cA",
        r"\p{L}",
        r"\P{Lu}",
        r"\p{sc=Latin}",
        r"\q",
        r"\A",
        "\n",
        "\\",
    ];
    proptest::collection::vec(proptest::sample::select(PARTS), 0..8)
        .prop_map(|parts| parts.concat())
}

fn texts() -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(STRANGE), 0..6)
        .prop_map(|characters| characters.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn every_accepted_pattern_has_the_same_meaning_in_ecmascript(
        pattern in pieces(),
        texts in proptest::collection::vec(texts(), 8),
    ) {
        if to_rust(&pattern).is_ok() {
            assert_alike(&pattern, texts);
        }
    }

    #[test]
    fn every_string_can_be_read(pattern in any::<String>()) {
        let _ = to_rust(&pattern);
    }
}
