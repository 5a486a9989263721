//! Distinguishes a silent connection from a dead one.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::traffic::Traffic;

/// How often a ping is sent, and how often to check whether the broker has sent anything.
pub(in crate::transport) const PING_INTERVAL: Duration = Duration::from_secs(6);
/// The connection counts as dead at the next check after this number of checks without a sign of life,
/// so after 12 to 18 s. The checks are counted, because by the clock a program that was suspended for a
/// while would lose all its connections.
const MAX_SILENT_CHECKS: u64 = 2;
/// The longest silence of a broker that lives, unless a large message is on its way.
pub(in crate::transport) const LONGEST_SILENCE: Duration =
    Duration::from_secs(PING_INTERVAL.as_secs() * (MAX_SILENT_CHECKS + 1));

/// The slowest link, in bytes per second, over which a large message must pass. Brokers answer a ping
/// only after the message before it, and the operating system may buffer all of it, so that nothing
/// shows its progress.
const SLOWEST_LINK: u64 = 4 << 10;
/// A message of more than this size extends the time of silence. Smaller ones take little time, and
/// their receipts are signs of life.
const LARGE_MESSAGE: usize = 32 << 10;

/// How long a receipt may take before the connection counts as lost, beside the time that the
/// message itself needs on the slowest link.
const RECEIPT_TIMEOUT: Duration = Duration::from_secs(40);

/// Returns for how many checks the slowest link is busy with a number of bytes.
fn checks_for(bytes: u64) -> u64 {
    bytes.div_ceil(SLOWEST_LINK * PING_INTERVAL.as_secs())
}

/// The written messages that have no receipt.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Unreceipted {
    /// The number of receipts so far.
    receipts: u64,
    /// The size of the oldest message.
    oldest: Option<usize>,
    /// The size of all large messages.
    large: u64,
}

impl Unreceipted {
    /// Returns the messages of these sizes, the oldest one first, after a number of receipts.
    pub(super) fn of(receipts: u64, mut sizes: impl Iterator<Item = usize>) -> Self {
        let oldest = sizes.next();
        let large = oldest.into_iter().chain(sizes);
        let large = large.filter(|size| *size > LARGE_MESSAGE);
        Self {
            receipts,
            oldest,
            large: large.map(|size| size as u64).sum(),
        }
    }
}

/// What the driver of a connection knows at a check.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Facts {
    /// The bytes of the connection so far.
    pub(super) traffic: Traffic,
    /// Whether bytes that come are a sign of life.
    pub(super) reads: bool,
    /// Whether bytes that go are a sign of life. A broker lives that takes bytes for which the
    /// operating system had no room.
    pub(super) writes: bool,
    pub(super) unreceipted: Unreceipted,
}

/// Counts since when a broker gives no sign of life, and sends no receipt.
#[derive(Debug)]
pub(super) struct Liveness {
    /// Whether the connection reads. If its own reader is slow, it does not, and silence does not
    /// mean that the broker is dead.
    listens: bool,
    /// Whether the broker has given a sign of life since the last check.
    is_heard: bool,
    /// The number of checks since the last sign of life.
    silent: u64,
    /// The number of checks for which the oldest message waits for its receipt, after those of earlier
    /// messages.
    waiting: u64,
    /// The bytes and the receipts at the last check.
    traffic: Traffic,
    receipts: u64,
    checks: Interval,
}

impl Liveness {
    pub(super) fn new(traffic: Traffic) -> Self {
        let mut checks = interval_at(Instant::now() + PING_INTERVAL, PING_INTERVAL);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            listens: true,
            is_heard: false,
            silent: 0,
            waiting: 0,
            traffic,
            receipts: 0,
            checks,
        }
    }

    /// Records a sign of life.
    pub(super) fn heard(&mut self) {
        self.is_heard = true;
    }

    /// Records whether the connection reads.
    pub(super) fn listen(&mut self, listens: bool) {
        self.listens = listens;
    }

    /// Waits until a check is due, every few seconds.
    pub(super) fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.checks.poll_tick(cx));
        // The next tick must wake the task, too.
        while self.checks.poll_tick(cx).is_ready() {}
        Poll::Ready(())
    }

    /// Checks whether the broker counts as dead.
    ///
    /// # Errors
    /// Returns the reason when it does.
    pub(super) fn check(&mut self, facts: &Facts) -> Result<(), String> {
        self.check_silence(facts)?;
        self.check_receipt(facts.unreceipted)
    }

    fn check_silence(&mut self, facts: &Facts) -> Result<(), String> {
        let before = std::mem::replace(&mut self.traffic, facts.traffic);
        let has_come = facts.reads && self.traffic.read > before.read;
        let has_gone = facts.writes && self.traffic.written > before.written;
        let is_heard = std::mem::take(&mut self.is_heard);
        if is_heard || has_come || has_gone || !self.listens {
            self.silent = 0;
        }
        if self.silent >= MAX_SILENT_CHECKS + checks_for(facts.unreceipted.large) {
            let seconds = self.silent * PING_INTERVAL.as_secs();
            return Err(format!("the broker sent nothing for {seconds} s"));
        }
        self.silent += 1;
        Ok(())
    }

    /// Brokers send receipts in order, so only the oldest message is on the way.
    fn check_receipt(&mut self, unreceipted: Unreceipted) -> Result<(), String> {
        let Unreceipted {
            receipts, oldest, ..
        } = unreceipted;
        let is_same = std::mem::replace(&mut self.receipts, receipts) == receipts;
        let Some(size) = oldest.filter(|_| is_same) else {
            self.waiting = 0;
            return Ok(());
        };
        let patience = RECEIPT_TIMEOUT.as_secs().div_ceil(PING_INTERVAL.as_secs());
        if self.waiting >= patience + checks_for(size as u64) {
            let seconds = self.waiting * PING_INTERVAL.as_secs();
            return Err(format!("the broker sent no receipt for {seconds} s"));
        }
        self.waiting += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns after how many checks the broker counts as dead.
    fn checks_until_death(facts: impl Fn(u64) -> Facts) -> Option<(u64, String)> {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_time().build().unwrap();
        let _context = runtime.enter();
        let mut liveness = Liveness::new(Traffic::default());
        (1..=1000).find_map(|check| Some((check, liveness.check(&facts(check)).err()?)))
    }

    fn unreceipted(sizes: &[usize]) -> Facts {
        Facts {
            unreceipted: Unreceipted::of(0, sizes.iter().copied()),
            ..Facts::default()
        }
    }

    fn traffic(check: u64) -> Traffic {
        Traffic {
            read: check,
            written: check,
        }
    }

    #[test]
    fn silence_is_death_before_20_s() {
        let (checks, reason) = checks_until_death(|_| Facts::default()).unwrap();
        assert_eq!(reason, "the broker sent nothing for 12 s");
        assert!(PING_INTERVAL * u32::try_from(checks).unwrap() < Duration::from_secs(20));
        // Small messages do not extend it, and neither do bytes that only fill a buffer.
        let busy = |check| Facts {
            traffic: Traffic {
                read: 0,
                written: check,
            },
            ..unreceipted(&[1000; 256])
        };
        assert_eq!(checks_until_death(busy), Some((checks, reason)));
    }

    #[test]
    fn parts_of_frames_are_signs_of_life() {
        let comes = |check| Facts {
            traffic: traffic(check),
            reads: true,
            ..Facts::default()
        };
        let goes = |check| Facts {
            traffic: traffic(check),
            writes: true,
            ..Facts::default()
        };
        assert_eq!(checks_until_death(comes), None);
        assert_eq!(checks_until_death(goes), None);
    }

    #[test]
    fn silence_is_death_only_while_listening() {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_time().build().unwrap();
        let _context = runtime.enter();
        let mut liveness = Liveness::new(Traffic::default());
        liveness.listen(false);
        for _ in 0..20 {
            assert_eq!(liveness.check(&Facts::default()), Ok(()));
        }
        liveness.listen(true);
        for _ in 0..MAX_SILENT_CHECKS {
            liveness.heard();
            assert_eq!(liveness.check(&Facts::default()), Ok(()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_program_that_was_suspended_keeps_its_connections() {
        let mut liveness = Liveness::new(Traffic::default());
        let mut due = || {
            let mut cx = Context::from_waker(std::task::Waker::noop());
            liveness.poll_due(&mut cx).is_ready()
        };
        tokio::time::advance(Duration::from_secs(100)).await;
        assert_eq!([due(), due()], [true, false]);
    }

    #[test]
    fn large_messages_have_the_time_that_a_slow_link_needs() {
        let silent = |sizes: &[usize]| checks_until_death(|_| unreceipted(sizes)).unwrap();
        let seconds = |bytes: u64| bytes / (10 << 10);
        let (checks, reason) = silent(&[933_000]);
        assert!(reason.starts_with("the broker sent nothing"), "{reason}");
        assert!(checks * PING_INTERVAL.as_secs() > seconds(933_000));
        let (checks, _) = silent(&[933_000, 933_000]);
        assert!(checks * PING_INTERVAL.as_secs() > seconds(2 * 933_000));
    }

    #[test]
    fn a_missing_receipt_is_noticed_in_a_time_that_grows_with_the_message() {
        let alive = |size: usize| {
            move |check| Facts {
                traffic: traffic(check),
                reads: true,
                ..unreceipted(&[size])
            }
        };
        let (checks, reason) = checks_until_death(alive(100)).unwrap();
        assert_eq!(reason, "the broker sent no receipt for 48 s");
        assert!(PING_INTERVAL * u32::try_from(checks).unwrap() < Duration::from_secs(60));
        let (checks, _) = checks_until_death(alive(933_000)).unwrap();
        assert!(checks * PING_INTERVAL.as_secs() > 120);
        let receipts = |check| Facts {
            unreceipted: Unreceipted::of(check, [100].into_iter()),
            ..alive(100)(check)
        };
        assert_eq!(checks_until_death(receipts), None);
    }
}
