//! The connections between the programs and the broker.

use std::collections::BTreeMap;
use std::time::Duration;

use dasf_test_support::line::{Faults, Line, Made, Way};
use fastrand::Rng;
use tokio::time::sleep;

/// The line of the modules, and that of the callers.
pub(crate) struct Network {
    lines: [Line; 2],
    /// How often each fault was made.
    made: BTreeMap<&'static str, u32>,
    /// The faults that frames have by chance all the time.
    usual: Faults,
}

impl Network {
    pub(crate) fn new(lines: [Line; 2]) -> Self {
        Self {
            lines,
            made: BTreeMap::new(),
            usual: Faults::default(),
        }
    }

    pub(crate) fn modules(&self) -> &Line {
        &self.lines[0]
    }

    pub(crate) fn callers(&self) -> &Line {
        &self.lines[1]
    }

    /// Makes faults of frames by chance from now on.
    pub(crate) fn set_usual(&mut self, faults: Faults) {
        self.usual = faults;
        for line in &self.lines {
            line.set_faults(faults);
        }
    }

    /// Makes a fault on one of the lines.
    pub(crate) async fn make_a_fault(&mut self, random: &mut Rng) {
        let line = &self.lines[random.usize(..2)];
        let while_bad = Duration::from_millis(random.u64(50..500));
        let fault = match random.u8(..20) {
            0..=5 => {
                line.cut().await;
                "connections cut"
            }
            6..=9 => {
                line.reset().await;
                "connections reset"
            }
            10..=12 => {
                line.close().await;
                sleep(while_bad).await;
                line.mend();
                line.set_faults(self.usual);
                "network gone for a while"
            }
            13..=15 => {
                line.set_faults(Faults {
                    delay: Duration::from_millis(random.u64(10..200)),
                    ..self.usual
                });
                sleep(while_bad).await;
                line.set_faults(self.usual);
                "frames delayed"
            }
            16 | 17 => {
                line.set_faults(Faults {
                    bytes_per_second: Some(random.u32(20_000..2_000_000)),
                    ..self.usual
                });
                sleep(while_bad).await;
                line.set_faults(self.usual);
                "frames slow"
            }
            18 => {
                line.silence();
                "connections silent"
            }
            _ => {
                let way = match random.bool() {
                    true => Way::ToBroker,
                    false => Way::FromBroker,
                };
                line.swallow(way);
                "connections silent in one direction"
            }
        };
        *self.made.entry(fault).or_default() += 1;
    }

    /// Makes no more faults. Connections that are silent end.
    pub(crate) async fn mend(&mut self) {
        self.usual = Faults::default();
        for line in &self.lines {
            line.mend();
            line.cut().await;
        }
    }

    /// Returns how often each fault was made.
    pub(crate) fn made(&self) -> BTreeMap<&'static str, u64> {
        let mut made: BTreeMap<_, _> = self
            .made
            .iter()
            .map(|(fault, count)| (*fault, u64::from(*count)))
            .collect();
        for line in &self.lines {
            let Made {
                dropped,
                duplicated,
                reordered,
            } = line.made();
            for (fault, count) in [
                ("frames dropped", dropped),
                ("frames sent twice", duplicated),
                ("frames overtaken", reordered),
            ] {
                if count > 0 {
                    *made.entry(fault).or_default() += count;
                }
            }
        }
        made
    }
}
