//! The options of `cargo xtask bench`.

use super::idle;
use super::system::System;
use super::tables::Table;

/// What is measured, and for how long.
#[derive(Debug, PartialEq)]
pub(crate) struct Options {
    pub(super) rounds: u32,
    pub(super) seconds: u32,
    pub(super) only: Vec<String>,
    pub(super) quick: bool,
}

impl Options {
    pub(crate) fn parse(arguments: &[&str]) -> Result<Self, String> {
        let mut options = Self {
            rounds: 5,
            seconds: 3,
            only: Vec::new(),
            quick: false,
        };
        if arguments == ["--quick"] {
            options.quick = true;
            return Ok(options);
        }
        let mut arguments = arguments.iter();
        while let Some(&option) = arguments.next() {
            let mut value = || {
                let value = arguments.next().copied();
                value.ok_or_else(|| format!("{option} needs a value"))
            };
            match option {
                "--rounds" => options.rounds = crate::above_zero(option, value()?)?,
                "--seconds" => options.seconds = crate::above_zero(option, value()?)?,
                "--only" => options.only.push(known(value()?)?),
                "--quick" => return Err("--quick has no other options beside it".to_owned()),
                _ => return Err(format!("unknown option `{option}` of bench")),
            }
        }
        Ok(options)
    }

    /// Returns the tables that `--only` names, or all.
    pub(super) fn tables(&self) -> Vec<Table> {
        let mut tables = Table::all();
        tables.retain(|table| self.has_table(table.name));
        for table in &mut tables {
            table.systems.retain(|&system| self.has_system(system));
        }
        tables.retain(|table| !table.systems.is_empty());
        tables
    }

    /// Returns the systems whose connections without traffic are measured.
    pub(super) fn idle_systems(&self) -> Vec<System> {
        let mut systems = idle::SYSTEMS.to_vec();
        systems.retain(|&system| self.has_table(idle::NAME) && self.has_system(system));
        systems
    }

    /// Returns whether `--only` names this table, or no table.
    fn has_table(&self, name: &str) -> bool {
        self.names(name) || !table_names().any(|name| self.names(name))
    }

    /// Returns whether `--only` names this system, or no system.
    fn has_system(&self, system: System) -> bool {
        let mut systems = System::ALL.iter();
        self.names(system.option()) || !systems.any(|system| self.names(system.option()))
    }

    fn names(&self, name: &str) -> bool {
        self.only.iter().any(|only| only == name)
    }
}

fn table_names() -> impl Iterator<Item = &'static str> {
    let tables = Table::all().into_iter().map(|table| table.name);
    tables.chain([idle::NAME])
}

/// Checks the name of a table or of a system.
fn known(name: &str) -> Result<String, String> {
    let systems = System::ALL.iter().map(|system| system.option());
    let names: Vec<&str> = table_names().chain(systems).collect();
    if names.contains(&name) {
        Ok(name.to_owned())
    } else {
        Err(format!(
            "--only takes one of {}, not `{name}`",
            names.join(", ")
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_and_systems_are_chosen_by_their_names() {
        let arguments = ["--only", "clients", "--only", "dasf", "--only", "floor"];
        let tables = Options::parse(&arguments).unwrap().tables();
        assert_eq!(tables.len(), 1);
        assert_eq!(tables[0].name, "clients");
        assert_eq!(tables[0].systems, [System::Dasf, System::Floor]);
        let idle = Options::parse(&["--only", "idle", "--only", "floor"]).unwrap();
        assert!(idle.tables().is_empty());
        assert_eq!(idle.idle_systems(), [System::Floor]);
        let tables = Options::parse(&["--only", "nats"]).unwrap().tables();
        assert!(tables.len() > 1);
        assert!(tables.iter().all(|table| table.systems == [System::Nats]));
        let all = Options::parse(&[]).unwrap();
        assert_eq!(all.tables().len(), Table::all().len());
        assert_eq!(all.idle_systems(), idle::SYSTEMS);
    }

    #[test]
    fn mistakes_are_named() {
        for (line, word) in [
            ("--only nobody", "`nobody`"),
            ("--only", "needs a value"),
            ("--rounds 0", "--rounds"),
            ("--fast", "`--fast`"),
            ("--rounds 2 --quick", "--quick"),
        ] {
            let arguments: Vec<&str> = line.split(' ').collect();
            let message = Options::parse(&arguments).unwrap_err();
            assert!(message.contains(word), "{message}");
        }
    }
}
