//! The packages that a program links, by the features of `dasf`.

use std::collections::BTreeSet;
use std::process::Command;

use dasf_test_support::root;

/// The packages of a program with these features of `dasf`.
fn packages(features: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--package", "dasf", "--edges", "normal"])
        .args(["--no-default-features", "--features", features])
        .args(["--prefix", "none", "--format", "{lib}", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let names = text.lines().map(|line| line.replace(" (*)", ""));
    names.filter(|name| !name.is_empty()).collect()
}

fn assert_none(features: &str, absent: &[&str]) {
    let linked = packages(features);
    assert!(linked.contains("tokio_tungstenite"), "{linked:?}");
    let found: Vec<_> = absent
        .iter()
        .filter(|name| linked.contains(**name))
        .collect();
    assert!(found.is_empty(), "{features}: {found:?} in {linked:?}");
}

const COMMAND_LINE: [&str; 4] = ["clap", "granit_parser", "tracing_subscriber", "indicatif"];
const SCHEMAS: [&str; 2] = ["dasf_schema", "schemars"];
const MACROS: [&str; 3] = ["dasf_macros", "darling", "syn"];

#[test]
fn a_client_links_no_command_line_no_schemas_and_no_macros_of_dasf() {
    assert_none("client", &COMMAND_LINE);
    assert_none("client", &SCHEMAS);
    assert_none("client", &["dasf_macros", "darling", "dasf_codegen"]);
    assert_none("client", &["mqtt_proto", "rustls", "ring"]);
}

#[test]
fn tls_adds_only_what_it_needs() {
    let without = packages("client");
    let with = packages("client,tls");
    assert!(with.contains("rustls"), "{with:?}");
    let added: Vec<_> = with.difference(&without).cloned().collect();
    let known = |name: &String| {
        let of_tls = ["rustls", "tokio_rustls", "ring", "webpki", "untrusted"];
        let of_bytes = [
            "subtle",
            "zeroize",
            "once_cell",
            "getrandom",
            "cfg_if",
            "libc",
        ];
        let is_certificate = name.contains("rustls") || name.contains("openssl_probe");
        of_tls.contains(&name.as_str()) || of_bytes.contains(&name.as_str()) || is_certificate
    };
    assert!(added.iter().all(known), "{added:?}");
}

#[test]
fn a_module_without_a_command_line_links_none() {
    assert_none("module", &COMMAND_LINE);
    assert_none("client,module", &COMMAND_LINE);
    let linked = packages("module");
    assert!(
        SCHEMAS.iter().all(|name| linked.contains(*name)),
        "{linked:?}"
    );
    assert!(
        MACROS.iter().all(|name| linked.contains(*name)),
        "{linked:?}"
    );
}

#[test]
fn every_feature_adds_its_packages() {
    for (features, package) in [
        ("cli", "clap"),
        ("client,mqtt", "mqtt_proto"),
        ("client,progress-bars", "indicatif"),
        ("client,derive", "dasf_macros"),
    ] {
        let linked = packages(features);
        assert!(linked.contains(package), "{features}: {linked:?}");
    }
    assert_none("cli", &["indicatif", "mqtt_proto", "rustls"]);
}
