//! The signals that ask a program to stop.

use std::io;

#[cfg(unix)]
use std::fs::File;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Receives the signals that ask a program to stop: Ctrl-C, and on Unix SIGTERM. On Linux also SIGHUP, which
/// comes when the terminal of the program closes, unless the program was started to go on then, as with `nohup`.
///
/// ```no_run
/// # async fn run() -> std::io::Result<()> {
/// let mut signals = dasf_program::StopSignals::new()?;
/// signals.next().await;
/// println!("stops in order");
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct StopSignals {
    #[cfg(unix)]
    interrupt: Signal,
    #[cfg(unix)]
    terminate: Signal,
    #[cfg(unix)]
    hang_up: Option<Signal>,
    #[cfg(windows)]
    interrupt: tokio::signal::windows::CtrlC,
}

impl StopSignals {
    /// Receives the signals from now on. They no longer end the process by themselves.
    ///
    /// # Errors
    /// Returns the error of the operating system if it does not pass signals on.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    #[cfg(unix)]
    pub fn new() -> io::Result<Self> {
        let receives_hang_up = cfg!(target_os = "linux") && !ignores_hang_up();
        Ok(Self {
            hang_up: receives_hang_up
                .then(|| signal(SignalKind::hangup()))
                .transpose()?,
            ..Self::without_hang_up()?
        })
    }

    /// Receives the signals without SIGHUP from now on, for a program with [`HangUps`].
    ///
    /// # Errors
    /// Returns the error of the operating system if it does not pass signals on.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    #[cfg(unix)]
    pub fn without_hang_up() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: None,
        })
    }

    /// Receives the signal from now on. It no longer ends the process by itself.
    ///
    /// # Errors
    /// Returns the error of the operating system if it does not pass signals on.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    #[cfg(windows)]
    pub fn without_hang_up() -> io::Result<Self> {
        Self::new()
    }

    /// Receives the signal from now on. It no longer ends the process by itself.
    ///
    /// # Errors
    /// Returns the error of the operating system if it does not pass signals on.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    #[cfg(windows)]
    pub fn new() -> io::Result<Self> {
        let interrupt = tokio::signal::windows::ctrl_c()?;
        Ok(Self { interrupt })
    }

    /// Waits for the next signal.
    ///
    /// # Cancel safety
    /// Cancel safe: no signal is lost.
    #[cfg(unix)]
    pub async fn next(&mut self) {
        let hang_up = async {
            match &mut self.hang_up {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            // The kernel and the shell may both tell that the terminal closes. Only the first one counts.
            _ = hang_up => self.hang_up = None,
        }
    }

    /// Waits for the next signal.
    ///
    /// # Cancel safety
    /// Cancel safe: no signal is lost.
    #[cfg(windows)]
    pub async fn next(&mut self) {
        self.interrupt.recv().await;
    }
}

/// What SIGHUP means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HangUp {
    /// Somebody asks the program to read its files again.
    Reload,
    /// The terminal of the program has closed, so the program should stop.
    TerminalClosed,
}

/// Receives SIGHUP in a program that reads its files again then. On Windows, it never comes.
///
/// ```no_run
/// use dasf_program::{HangUp, HangUps};
///
/// # async fn run() -> std::io::Result<()> {
/// let mut hang_ups = HangUps::new()?;
/// while hang_ups.next().await == HangUp::Reload {
///     println!("reads its files again");
/// }
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct HangUps {
    #[cfg(unix)]
    signal: Signal,
    /// Whether the program should stop when its terminal closes.
    #[cfg(unix)]
    ends_with_terminal: bool,
}

impl HangUps {
    /// Receives the signal from now on. It no longer ends the process by itself.
    ///
    /// # Errors
    /// Returns the error of the operating system if it does not pass signals on.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    #[cfg(unix)]
    pub fn new() -> io::Result<Self> {
        let ends_with_terminal = has_terminal() && !ignores_hang_up();
        Ok(Self {
            signal: signal(SignalKind::hangup())?,
            ends_with_terminal,
        })
    }

    /// Does nothing: the signal does not exist.
    ///
    /// # Errors
    /// None.
    #[cfg(windows)]
    pub fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    /// Waits for the next signal.
    ///
    /// # Cancel safety
    /// Cancel safe: no signal is lost.
    #[cfg(unix)]
    pub async fn next(&mut self) -> HangUp {
        self.signal.recv().await;
        match self.ends_with_terminal && !has_terminal() {
            true => HangUp::TerminalClosed,
            false => HangUp::Reload,
        }
    }

    /// Waits without end.
    #[cfg(windows)]
    pub async fn next(&mut self) -> HangUp {
        std::future::pending().await
    }
}

/// Returns whether the process has a terminal that is open.
#[cfg(unix)]
fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}

/// Returns whether the process was started with SIGHUP ignored.
#[cfg(unix)]
fn ignores_hang_up() -> bool {
    // Only unsafe code could ask the kernel directly. Without this file, the answer is no.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignores(&status, SignalKind::hangup())
}

/// Returns whether a signal is ignored, according to the mask `SigIgn` in the status of a process.
#[cfg(unix)]
fn ignores(status: &str, signal: SignalKind) -> bool {
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // The first signal is number 1.
    mask.is_some_and(|mask| mask >> (signal.as_raw_value() - 1) & 1 == 1)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn the_status_of_a_process_shows_what_it_ignores() {
        let status = "Name:\tdasf\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000000000\n";
        assert!(ignores(status, SignalKind::hangup()));
        assert!(ignores(status, SignalKind::pipe()));
        assert!(!ignores(status, SignalKind::terminate()));
        assert!(!ignores("", SignalKind::hangup()));
        assert!(!ignores("SigIgn:\tx", SignalKind::hangup()));
    }
}
