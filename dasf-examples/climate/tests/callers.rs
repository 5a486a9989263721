//! The notebook and the page, run for real against the module.
//!
//! `cargo xtask python` and `cargo xtask browser` install Jupyter and the browser.

// A test that fails panics.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use dasf::HostOptions;
use dasf_test_support::process::{Guarded, free_ports};
use dasf_test_support::{broker, broker_builder, listen, program, python, root};
use serde_json::{Value, json};

/// A folder of the test with a copy of some files of the example.
fn copy(name: &str, files: &[&str]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).unwrap();
    for file in files {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        fs::copy(&from, folder.join(from.file_name().unwrap())).unwrap();
    }
    folder
}

/// Runs a command to its end, and returns its output.
async fn run(command: Command) -> String {
    let name = format!("{command:?}");
    let output = program::output(command).await;
    let printed = String::from_utf8(output.stdout).unwrap();
    let failure = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}\n{printed}{failure}");
    printed
}

async fn generate(language: &str, file: &Path) {
    let mut command = program::command(env!("CARGO_BIN_EXE_climate"));
    command
        .args(["generate", "--lang", language, "-o"])
        .arg(file);
    run(command).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_notebook_shows_its_stored_outputs() {
    let broker = broker().await;
    let module = climate::module().unwrap();
    let host = listen(&broker, "climate", module, HostOptions::default()).await;
    let notebook = Path::new(env!("CARGO_MANIFEST_DIR")).join("climate.ipynb");
    let folder = copy("notebook", &["climate.ipynb"]);
    generate("python", &folder.join("climate.py")).await;

    let mut command = program::command(python::interpreter());
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/run_notebook.py"))
        .arg(folder.join("climate.ipynb"))
        .arg(broker.url());
    run(command).await;
    if std::env::var_os("UPDATE_NOTEBOOK").is_some() {
        fs::copy(folder.join("climate.ipynb"), notebook).unwrap();
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_trends_and_errors() {
    let [port] = free_ports();
    let page = format!("http://127.0.0.1:{port}");
    let broker = broker_builder().allow_origin(page).start().await.unwrap();
    let module = climate::module().unwrap();
    let host = listen(&broker, "climate", module, HostOptions::default()).await;
    let files = [
        "page/index.html",
        "page/style.css",
        "page/page.ts",
        "page/tsconfig.json",
    ];
    let folder = copy("page", &files);
    generate("typescript", &folder.join("climate.ts")).await;
    let mut compiler = program::command(root().join("target/web/node_modules/.bin/tsc"));
    compiler.arg("--project").arg(&folder);
    run(compiler).await;

    let mut server = Guarded::command(&folder, python::interpreter());
    server.args(["-m", "http.server", "--bind", "127.0.0.1"]);
    server.arg(port.to_string()).current_dir(&folder);
    server.stdout(Stdio::null()).stderr(Stdio::null());
    let _server = Guarded::new(server.spawn().unwrap());
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    let screenshots = root().join("target/interop");
    fs::create_dir_all(&screenshots).unwrap();
    let mut browser = program::command("node");
    let wanted = json!({
        "page": format!("http://127.0.0.1:{port}/"),
        "broker": broker.url(),
        "screenshot": screenshots.join("climate-page.png"),
    });
    browser
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/open_page.mjs"))
        .arg(wanted.to_string());
    let seen: Value = serde_json::from_str(&run(browser).await).unwrap();

    assert_eq!(
        seen["co2"],
        "Trend: 13.56 ppm per decade (95 %: 10.12 to 17.00)"
    );
    assert_eq!(
        seen["nino12"],
        "Trend: 0.26 °C per decade (95 %: -0.20 to 0.73)"
    );
    assert_eq!(
        seen["error"],
        "executing: co2 has no value from 2005 to 2010"
    );
    assert!(seen["points"].as_u64().unwrap() > 400, "{seen}");
    assert_eq!(seen["errors"], json!([]));
    host.shutdown().await;
}
