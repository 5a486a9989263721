//! Which client makes the next call, and until when.

use std::time::{Duration, Instant};

/// A part of a measurement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Phase {
    /// Until this time has passed and each client has made a call.
    WarmUp(Duration),
    /// Until this time has passed.
    Measured(Duration),
    /// Each lane makes one call.
    Once,
}

/// One of the calls in flight: it takes turns over its share of the clients.
#[derive(Debug, Clone)]
pub struct Lane {
    first: usize,
    step: usize,
    clients: usize,
    next: usize,
    /// The number of calls to make even after the end.
    due: usize,
    end: Instant,
}

impl Lane {
    /// Returns one lane for each call in flight.
    #[must_use]
    pub fn all(in_flight: usize, clients: usize, phase: Phase, start: Instant) -> Vec<Self> {
        (0..in_flight)
            .map(|index| {
                let first = index % clients;
                let (due, end) = match phase {
                    Phase::WarmUp(time) => ((clients - first).div_ceil(in_flight), start + time),
                    Phase::Measured(time) => (1, start + time),
                    Phase::Once => (1, start),
                };
                Self {
                    first,
                    step: in_flight,
                    clients,
                    next: first,
                    due,
                    end,
                }
            })
            .collect()
    }

    /// Returns the client that makes the next call, or `None` after the end of the phase.
    pub fn next(&mut self, now: Instant) -> Option<usize> {
        if self.due == 0 && now >= self.end {
            return None;
        }
        self.due = self.due.saturating_sub(1);
        let client = self.next;
        self.next = client + self.step;
        if self.next >= self.clients {
            self.next = self.first;
        }
        Some(client)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn lanes_take_turns_over_their_clients() {
        let now = Instant::now();
        let clients = |in_flight, clients| {
            let lanes = Lane::all(in_flight, clients, Phase::Measured(LONG), now);
            lanes.into_iter().map(move |mut lane| {
                let turns = (0..4).map(|_| lane.next(now).unwrap());
                turns.collect::<Vec<_>>()
            })
        };
        assert_eq!(
            clients(2, 5).collect::<Vec<_>>(),
            [[0, 2, 4, 0], [1, 3, 1, 3]]
        );
        assert_eq!(
            clients(3, 2).collect::<Vec<_>>(),
            [[0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]]
        );
    }

    #[test]
    fn each_client_makes_a_call_in_the_warm_up() {
        let now = Instant::now();
        let lanes = Lane::all(2, 5, Phase::WarmUp(Duration::ZERO), now);
        let calls = lanes.into_iter().map(|mut lane| {
            let mut calls = Vec::new();
            while let Some(client) = lane.next(now) {
                calls.push(client);
            }
            calls
        });
        assert_eq!(calls.collect::<Vec<_>>(), [vec![0, 2, 4], vec![1, 3]]);
    }

    #[test]
    fn a_lane_ends_with_its_phase() {
        let now = Instant::now();
        let mut measured = Lane::all(1, 1, Phase::Measured(LONG), now).remove(0);
        assert_eq!(measured.next(now), Some(0));
        assert_eq!(measured.next(now + LONG / 2), Some(0));
        assert_eq!(measured.next(now + LONG), None);
        let mut once = Lane::all(1, 1, Phase::Once, now).remove(0);
        assert_eq!(once.next(now), Some(0));
        assert_eq!(once.next(now), None);
    }
}
