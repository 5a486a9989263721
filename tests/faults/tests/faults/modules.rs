//! The modules, which the tests kill and start again.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use dasf_test_faults::{ASKING, GROUP, ONCE, RUNS};
use dasf_test_support::program;
use fastrand::Rng;
use tokio::time::sleep;

use crate::broker::Kind;
use crate::memory;

/// A module without a group, and two modules of a group.
pub(crate) struct Modules {
    modules: Vec<Module>,
    runs: PathBuf,
}

/// A module, and the processes that it has had.
struct Module {
    name: &'static str,
    options: Vec<String>,
    folder: PathBuf,
    /// How often the process was killed.
    kills: u32,
    /// How many processes there were.
    starts: u32,
    process: Child,
}

impl Modules {
    /// Starts modules that connect to a port. Their topics have an end of their own, and their files are in a
    /// folder.
    pub(crate) fn start(kind: Kind, port: u16, topics: &str, folder: &Path) -> Self {
        let runs = folder.join("runs");
        let start = |name, more: &[&str]| {
            let mut options = kind.options(port);
            options.extend(more.iter().map(|&option| option.to_owned()));
            Module::start(name, options, folder)
        };
        let once = format!("{ONCE}{topics}");
        let group = format!("{GROUP}{topics}");
        let in_group = ["-t", &group, "--group", "workers", "--ack", "completed"];
        let modules = vec![
            start("the module", &["-t", &once]),
            start("the first of the group", &in_group),
            start("the second of the group", &in_group),
        ];
        Self { modules, runs }
    }

    /// Waits until all modules listen.
    pub(crate) async fn listen(&mut self) {
        while !self.modules.iter().all(Module::listens) {
            self.keep_running();
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Starts modules again that found no broker at their start.
    ///
    /// # Panics
    /// Panics if a module has ended later.
    pub(crate) fn keep_running(&mut self) {
        for module in &mut self.modules {
            if let Some(status) = module.process.try_wait().unwrap() {
                let log = module.log();
                assert!(
                    !log.contains(" listening "),
                    "{} has ended with {status}:\n{log}",
                    module.name
                );
                module.restart();
            }
        }
    }

    /// Kills a module, and starts it again.
    pub(crate) fn kill(&mut self, random: &mut Rng) {
        let module = random.usize(..self.modules.len());
        let module = &mut self.modules[module];
        module.process.kill().unwrap();
        module.process.wait().unwrap();
        module.kills += 1;
        module.restart();
    }

    /// Returns how often modules were killed.
    pub(crate) fn kills(&self) -> u32 {
        self.modules.iter().map(|module| module.kills).sum()
    }

    /// Returns the resident memory of each module, in bytes.
    pub(crate) fn memory(&self) -> Vec<(&'static str, u64)> {
        let modules = self.modules.iter();
        modules
            .map(|module| (module.name, memory::of(module.process.id())))
            .collect()
    }

    /// Returns how often each call was run.
    pub(crate) fn runs(&self) -> BTreeMap<u64, u32> {
        let mut runs = BTreeMap::new();
        for line in fs::read_to_string(&self.runs).unwrap().lines() {
            *runs.entry(line.parse().unwrap()).or_default() += 1;
        }
        runs.remove(&ASKING);
        runs
    }
}

impl Module {
    fn start(name: &'static str, options: Vec<String>, folder: &Path) -> Self {
        let process = spawn(name, &options, folder, 0);
        Self {
            name,
            options,
            folder: folder.to_owned(),
            kills: 0,
            starts: 1,
            process,
        }
    }

    fn restart(&mut self) {
        self.process = spawn(self.name, &self.options, &self.folder, self.starts);
        self.starts += 1;
    }

    fn log(&self) -> String {
        let log = log(&self.folder, self.name, self.starts - 1);
        fs::read_to_string(log).unwrap_or_default()
    }

    fn listens(&self) -> bool {
        self.log().contains(" listening ")
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn log(folder: &Path, name: &str, start: u32) -> PathBuf {
    folder.join(format!("{name} {start}.log"))
}

fn spawn(name: &str, options: &[String], folder: &Path, start: u32) -> Child {
    let log = File::create(log(folder, name, start)).unwrap();
    let mut command = program::command(env!("CARGO_BIN_EXE_numbered"));
    command
        .args(options)
        .arg("listen")
        .env(RUNS, folder.join("runs"))
        .envs([memory::ONE_ARENA])
        .stdout(Stdio::null())
        .stderr(log);
    command.spawn().unwrap()
}
