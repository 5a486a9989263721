//! The work of a broker's store, with several embedded databases: what a commit costs, how many messages
//! pass, and how a gigabyte of waiting messages is written, found again after a restart, and read.
//!
//! A database runs in a process of its own, so that its memory is measured alone, and so that it can be
//! killed as a broker can be.

mod measure;
mod raft_log;
mod redb_store;
mod sqlite;
mod store;

use std::error::Error;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::{env, fs};

use clap::{Parser, ValueEnum};

use measure::Step;

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Engine {
    Sqlite,
    Redb,
    RaftEngine,
}

#[derive(Debug, Parser)]
struct Arguments {
    /// A folder on the disk to measure. Everything in its subfolder `store` is removed.
    folder: PathBuf,
    /// The size of all waiting messages, in bytes.
    #[arg(long, default_value_t = 1_000_000_000)]
    waiting: u64,
    /// Runs this step of an engine. Without it, the program starts itself for each.
    #[arg(long, requires = "step")]
    engine: Option<Engine>,
    #[arg(long, requires = "engine")]
    step: Option<Step>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let folder = arguments.folder.join("store");
    if let (Some(engine), Some(step)) = (arguments.engine, arguments.step) {
        let waiting = arguments.waiting;
        return match engine {
            Engine::Sqlite => measure::run::<sqlite::Sqlite>(step, &folder, waiting),
            Engine::Redb => measure::run::<redb_store::Redb>(step, &folder, waiting),
            Engine::RaftEngine => measure::run::<raft_log::RaftLog>(step, &folder, waiting),
        };
    }
    for engine in Engine::value_variants() {
        let name = engine
            .to_possible_value()
            .map_or_else(String::new, |it| it.get_name().to_owned());
        println!("## {name}\n");
        println!("| step | result | processor time | memory | disk |\n|---|---:|---:|---:|---:|");
        for step in Step::value_variants() {
            if step.begins_anew() {
                let _ = fs::remove_dir_all(&folder);
                fs::create_dir_all(&folder)?;
            }
            let step_name = step
                .to_possible_value()
                .map_or_else(String::new, |it| it.get_name().to_owned());
            // A step ends without closing its database, as a process that is killed does.
            Command::new(env::current_exe()?)
                .arg(&arguments.folder)
                .args(["--engine", &name, "--step", &step_name])
                .args(["--waiting", &arguments.waiting.to_string()])
                .stdin(Stdio::null())
                .status()?;
        }
        println!();
    }
    let _ = fs::remove_dir_all(&folder);
    Ok(())
}
