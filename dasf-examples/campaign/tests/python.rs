//! The campaign in Python: its program is killed twice, and completed.
//!
//! `cargo xtask python` installs Python.

// A test that fails panics.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use campaign::Rock;
use campaign::percolation::pour;
use dasf::Context;
use dasf_test_support::program::Listening;
use dasf_test_support::{broker, program, python};

const ROCKS: usize = 200;
const POROSITIES: [f64; 4] = [0.55, 0.58, 0.60, 0.63];

/// The program, its generated client and its files.
struct Campaign {
    folder: PathBuf,
    url: String,
}

impl Campaign {
    /// Copies the program into an empty folder, and generates its client.
    fn new(url: String) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("campaign");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("campaign.py");
        fs::copy(program, folder.join("campaign.py")).unwrap();
        let mut generate = program::command(env!("CARGO_BIN_EXE_campaign"));
        generate.args(["generate", "--lang", "python", "-o", "percolation.py"]);
        let generated = generate.current_dir(&folder).status().unwrap();
        assert!(generated.success());
        Self { folder, url }
    }

    fn command(&self) -> Command {
        let mut command = program::command(python::interpreter());
        command
            .args(["campaign.py", &self.url, "tested"])
            .current_dir(&self.folder);
        command
    }

    /// Starts the program, and kills it when it has printed this line.
    fn kill_after(&self, line: &str) {
        let mut program = self.command().stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(program.stdout.take().unwrap()).lines();
        let mut output = output.map(Result::unwrap);
        let is_printed = output.any(|printed| printed == line);
        program.kill().unwrap();
        program.wait().unwrap();
        assert!(is_printed, "the program has ended before {line:?}");
    }

    /// Runs the program to its end. Returns the lines that it has printed.
    fn complete(&self) -> Vec<String> {
        let output = self.command().output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{errors}");
        let printed = String::from_utf8(output.stdout).unwrap();
        printed.lines().map(str::to_owned).collect()
    }

    /// Returns the lines of one of the program's files.
    fn lines(&self, file: &str) -> Vec<String> {
        let text = fs::read_to_string(self.folder.join(file)).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

/// Returns what becomes of all rocks.
fn expected() -> Vec<Rock> {
    let rocks = (0..ROCKS).map(|seed| {
        let porosity = POROSITIES[seed % POROSITIES.len()];
        pour(seed as u64, porosity, 1000, Context::local())
    });
    rocks.collect()
}

fn check(campaign: &Campaign) {
    campaign.kill_after("100 jobs submitted");
    let submitted = campaign.lines("tested.ids").len();
    assert!((100..ROCKS).contains(&submitted), "{submitted}");
    campaign.kill_after("100 results collected");
    let collected = campaign.lines("tested.results").len();
    assert!((100..ROCKS).contains(&collected), "{collected}");

    let printed = campaign.complete();
    let first = format!("200 jobs were submitted before, {collected} results collected");
    let rows = [
        "200 results collected",
        "porosity 0.55: 0 of 50 rocks leak",
        "porosity 0.58: 0 of 50 rocks leak",
        "porosity 0.60: 49 of 50 rocks leak",
        "porosity 0.63: 50 of 50 rocks leak",
    ];
    assert_eq!(printed[0], first);
    assert_eq!(printed[1..], rows);
    let results = campaign.lines("tested.results");
    let rocks = results
        .iter()
        .map(|line| serde_json::from_str(line).unwrap());
    assert_eq!(rocks.collect::<Vec<Rock>>(), expected());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_in_python_that_is_killed_is_completed() {
    let broker = broker().await;
    let mut module = program::command(env!("CARGO_BIN_EXE_campaign"));
    module.args(["--websocket-url", &broker.url(), "listen"]);
    let campaign = Campaign::new(broker.url());
    let log = tokio::task::spawn_blocking(move || {
        let module = Listening::start(module);
        check(&campaign);
        let (code, log) = module.stop("-TERM");
        assert_eq!(code, Some(0), "{log}");
        log
    });
    let log = log.await.unwrap();
    // No job has run twice, although the program submitted some of them again.
    let runs = log
        .lines()
        .filter(|line| line.contains("function=\"pour\""));
    assert_eq!(runs.count(), ROCKS, "{log}");
    broker.shutdown().await;
}
