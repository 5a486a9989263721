//! One measurement: starts the processes of a system, and reads their figures.

use std::io;
use std::time::{Duration, Instant};

use super::idle;
use super::processes::Running;
use super::programs::Programs;
use super::statistics::{Figures, PerPart};
use super::system::System;
use super::tables::Load;

/// The time that connections and warm-up, and then the calls, may take. Calls end after a minute.
const LIMIT: Duration = Duration::from_secs(150);

/// Brokers that all measurements of a table use, because they start slowly.
#[derive(Default)]
pub(super) struct Brokers(Vec<(System, Running, String)>);

impl Brokers {
    pub(super) fn start(systems: &[System], programs: &Programs) -> io::Result<Self> {
        let mut brokers = Vec::new();
        for &system in systems {
            if system.has_a_broker_of_the_tests()
                && let Some((broker, address)) = system.start_broker(programs)?
            {
                brokers.push((system, broker, address));
            }
        }
        Ok(Self(brokers))
    }

    fn of(&self, system: System) -> Option<(&Running, &str)> {
        let mut brokers = self.0.iter();
        let (_, broker, address) = brokers.find(|(owner, ..)| *owner == system)?;
        Some((broker, address))
    }
}

/// Starts the processes of a system, makes calls, and stops them.
pub(super) fn measure(
    system: System,
    load: &Load,
    programs: &Programs,
    brokers: &Brokers,
) -> io::Result<Figures> {
    let start = Instant::now();
    let own_broker = match brokers.of(system) {
        Some(_) => None,
        None => system.start_broker(programs)?,
    };
    let own_broker = own_broker.as_ref();
    let broker = own_broker
        .map(|(broker, address)| (broker, address.as_str()))
        .or_else(|| brokers.of(system));
    let address = broker.map_or("", |(_, address)| address);
    let _readers = match load.topics {
        0 => None,
        topics => Some(idle::open(programs, address, topics)?),
    };
    let (server, address) = system.start_server(programs, address, load.function)?;
    let mut command = system.caller(programs, &address, load);
    let mut caller = Running::start("caller", &mut command)?;

    let wait = |caller: &mut Running, word| {
        caller.wait_for(LIMIT, |line| (line == word).then(Instant::now))
    };
    let processes = |caller: &Running, figure: &dyn Fn(&Running) -> io::Result<f64>| {
        let broker = broker.map(|(broker, _)| figure(broker)).transpose()?;
        Ok::<PerPart, io::Error>([broker, Some(figure(&server)?), Some(figure(caller)?)])
    };
    let processor_times = |caller: &Running| {
        processes(caller, &|process| {
            Ok(process.processor_time()?.as_secs_f64() * 1e6)
        })
    };
    wait(&mut caller, "start")?;
    let before = processor_times(&caller)?;
    let stop = wait(&mut caller, "stop")?;
    let after = processor_times(&caller)?;
    let figures = caller.wait_for(LIMIT, Figures::from_json)?;
    #[allow(clippy::cast_precision_loss)] // no machine has so much memory
    let memory = processes(&caller, &|process| Ok(process.peak_memory()? as f64))?;
    let mut processor = PerPart::default();
    for ((per_call, before), after) in processor.iter_mut().zip(before).zip(after) {
        let time = after.zip(before).map(|(after, before)| after - before);
        *per_call = time.map(|time| figures.per_call(time));
    }
    Ok(Figures {
        since_start: (stop - start).as_secs_f64(),
        processor,
        memory,
        ..figures
    })
}
