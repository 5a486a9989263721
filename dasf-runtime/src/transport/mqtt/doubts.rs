//! Finds the modules of a group that died unnoticed.
//!
//! A broker reports a lost module by its Will. If the broker is killed before it has published the Will, nobody reports
//! the module, and its announcement stays. Therefore a module that connects doubts the retained announcements of the
//! other modules of its group. A module that lives announces itself when it connects, or when another one asks.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::random;

/// How long the other modules may take to come back after a restart of the broker.
pub(super) const PATIENCE: Duration = Backoff::LONGEST.saturating_add(Duration::from_secs(5));
/// The longest random delay before a module asks, so that others hear the answer and need not ask.
const DELAY: Duration = Duration::from_secs(5);
/// The shortest time between two questions, because all modules of a group hear each answer.
const PACE: Duration = Duration::from_secs(1);
/// How long a module may take to answer.
const ANSWER_PATIENCE: Duration = Duration::from_secs(5);
/// The maximum number of doubted modules. The next module that connects doubts the others.
const MAX: usize = 1024;

/// The modules whose announcements may be older than their end.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    modules: BTreeMap<String, Doubt>,
    /// When the latest question was asked.
    asked: Option<Instant>,
}

#[derive(Debug)]
struct Doubt {
    due: Instant,
    /// Whether somebody has asked the module.
    is_asked: bool,
}

/// What to do about a doubted module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Ask whether it lives.
    Ask,
    /// It is lost.
    Report,
}

impl Doubts {
    /// Doubts a module.
    pub(super) fn add(&mut self, client_id: &str) {
        if self.modules.len() < MAX && !self.modules.contains_key(client_id) {
            let doubt = Doubt {
                due: Instant::now() + PATIENCE + DELAY.mul_f64(random::fraction()),
                is_asked: false,
            };
            self.modules.insert(client_id.to_owned(), doubt);
        }
    }

    /// Notes that a module was asked, here or by another one.
    pub(super) fn is_asked(&mut self, client_id: &str) {
        if let Some(doubt) = self.modules.get_mut(client_id) {
            doubt.is_asked = true;
            doubt.due = Instant::now() + ANSWER_PATIENCE;
        }
    }

    /// Ends the doubt about a module, because somebody knows what has become of it.
    pub(super) fn remove(&mut self, client_id: &str) {
        self.modules.remove(client_id);
    }

    /// Returns the next doubted module, and when it is due.
    pub(super) fn next(&self) -> Option<(&str, Instant)> {
        let next = self.modules.iter().min_by_key(|(_, doubt)| doubt.due);
        let (client_id, doubt) = next?;
        let paced = self.asked.filter(|_| !doubt.is_asked).map(|at| at + PACE);
        Some((
            client_id,
            paced.map_or(doubt.due, |paced| paced.max(doubt.due)),
        ))
    }

    /// Returns what to do about a module that is due.
    pub(super) fn step(&mut self, client_id: &str) -> Option<Step> {
        if self.modules.get(client_id)?.is_asked {
            self.modules.remove(client_id);
            return Some(Step::Report);
        }
        self.asked = Some(Instant::now());
        self.is_asked(client_id);
        Some(Step::Ask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits for the next step.
    async fn next(doubts: &mut Doubts) -> (String, Step) {
        let (client_id, due) = doubts.next().unwrap();
        let client_id = client_id.to_owned();
        tokio::time::sleep_until(due).await;
        let step = doubts.step(&client_id).unwrap();
        (client_id, step)
    }

    #[tokio::test(start_paused = true)]
    async fn a_module_that_does_not_answer_is_reported() {
        let begun = Instant::now();
        let mut doubts = Doubts::default();
        doubts.add("a");
        assert_eq!(next(&mut doubts).await, ("a".to_owned(), Step::Ask));
        assert!((PATIENCE..=PATIENCE + DELAY).contains(&begun.elapsed()));
        let asked = Instant::now();
        assert_eq!(next(&mut doubts).await, ("a".to_owned(), Step::Report));
        assert!(asked.elapsed() >= ANSWER_PATIENCE);
        assert_eq!(doubts.next(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_module_that_announces_itself_is_trusted() {
        let mut doubts = Doubts::default();
        doubts.add("a");
        doubts.remove("a");
        assert_eq!(doubts.next(), None);
        doubts.add("a");
        next(&mut doubts).await;
        doubts.remove("a");
        assert_eq!(doubts.step("a"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn questions_are_few() {
        let mut doubts = Doubts::default();
        for number in 0..MAX + 10 {
            doubts.add(&number.to_string());
        }
        assert_eq!(doubts.modules.len(), MAX);
        let mut questions = Vec::new();
        while questions.len() < 10 {
            let (client_id, step) = next(&mut doubts).await;
            if step == Step::Ask {
                questions.push(Instant::now());
                // It lives.
                doubts.remove(&client_id);
            }
        }
        let pauses = questions.windows(2).map(|pair| pair[1] - pair[0]);
        assert!(pauses.min().unwrap() >= PACE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_of_another_module_counts() {
        let mut doubts = Doubts::default();
        doubts.add("a");
        doubts.is_asked("a");
        doubts.is_asked("b");
        assert_eq!(next(&mut doubts).await, ("a".to_owned(), Step::Report));
        assert_eq!(doubts.next(), None);
    }
}
