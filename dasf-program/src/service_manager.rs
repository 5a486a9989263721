//! Tells systemd whether the program is ready, alive or about to stop: the protocol of `sd_notify`.

use std::ffi::OsString;
use std::io;
use std::time::Duration;

/// The variable with the address of the socket to which a service sends its notes.
const SOCKET: &str = "NOTIFY_SOCKET";
/// The variable with the microseconds within which systemd expects a sign of life.
const WATCHDOG: &str = "WATCHDOG_USEC";
/// The variable with the process from which systemd expects it.
const WATCHDOG_PROCESS: &str = "WATCHDOG_PID";

/// The service manager that started the program. Without one, for example in a terminal, nothing is sent.
///
/// ```
/// let manager = dasf_program::ServiceManager::of_process();
/// manager.ready();
/// assert_eq!(manager.watchdog_interval(), None);
/// manager.stopping();
/// ```
#[derive(Debug)]
pub struct ServiceManager {
    #[cfg(unix)]
    socket: Option<unix::Socket>,
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// Reads the environment of the process. If it names a socket that cannot be used, the log has a warning.
    pub fn of_process() -> Self {
        Self::new(|name| std::env::var_os(name))
    }

    fn new(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let process = std::process::id();
        let number = |name| variable(name)?.into_string().ok()?.parse::<u64>().ok();
        let is_for_us = match variable(WATCHDOG_PROCESS) {
            None => true,
            Some(_) => number(WATCHDOG_PROCESS) == Some(process.into()),
        };
        // A sign of life comes twice in the time, so that one of them may be late.
        let watchdog = number(WATCHDOG)
            .filter(|time| is_for_us && *time > 1)
            .map(|time| Duration::from_micros(time / 2));
        Self {
            #[cfg(unix)]
            socket: variable(SOCKET)
                .filter(|it| !it.is_empty())
                .and_then(|address| unix::Socket::open(&address).inspect_err(not_told).ok()),
            watchdog,
        }
    }

    /// Tells that the program does its work from now on.
    pub fn ready(&self) {
        self.tell("READY=1");
    }

    /// Tells that the program begins to stop.
    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// Returns how often the manager expects [`alive`](Self::alive): in half of its `WatchdogSec`. `None` if it
    /// does not.
    pub fn watchdog_interval(&self) -> Option<Duration> {
        self.watchdog
    }

    /// Tells that the program is alive. The manager ends a program that does not tell it in time.
    pub fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    /// Tells again and again that the program is alive, after each time that `check` ends. Without a watchdog,
    /// waits without end.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn watch<C: Future<Output = ()>>(&self, check: impl Fn() -> C) {
        let Some(interval) = self.watchdog else {
            return std::future::pending().await;
        };
        loop {
            check().await;
            self.alive();
            tokio::time::sleep(interval).await;
        }
    }

    #[cfg(unix)]
    fn tell(&self, note: &str) {
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(note)
        {
            not_told(&error);
        }
    }

    #[cfg(not(unix))]
    fn tell(&self, _: &str) {}
}

#[cfg(unix)]
fn not_told(error: &io::Error) {
    tracing::warn!(%error, "the service manager is not told the state of the program: {SOCKET} cannot be used");
}

#[cfg(unix)]
mod unix {
    use std::ffi::OsStr;
    use std::io;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    #[derive(Debug)]
    pub(super) struct Socket {
        socket: UnixDatagram,
        address: SocketAddr,
    }

    impl Socket {
        /// The address is a path, or begins with `@` for a name without a file.
        pub(super) fn open(address: &OsStr) -> io::Result<Self> {
            let address = match address.as_bytes() {
                [b'@', name @ ..] => without_file(name)?,
                _ => SocketAddr::from_pathname(address)?,
            };
            let socket = UnixDatagram::unbound()?;
            // A manager that does not read must not hold up the program.
            socket.set_nonblocking(true)?;
            Ok(Self { socket, address })
        }

        pub(super) fn send(&self, note: &str) -> io::Result<()> {
            self.socket
                .send_to_addr(note.as_bytes(), &self.address)
                .map(|_| ())
        }
    }

    #[cfg(target_os = "linux")]
    fn without_file(name: &[u8]) -> io::Result<SocketAddr> {
        use std::os::linux::net::SocketAddrExt;

        SocketAddr::from_abstract_name(name)
    }

    #[cfg(not(target_os = "linux"))]
    fn without_file(_: &[u8]) -> io::Result<SocketAddr> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    use super::*;

    /// Returns a manager with the address and the time of its watchdog, and what it receives.
    fn manager(name: &str, watchdog: &str, process: u32) -> (ServiceManager, UnixDatagram) {
        let name = format!("dasf-test-{}-{name}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let receives = UnixDatagram::bind_addr(&address).unwrap();
        let manager = ServiceManager::new(|variable| {
            Some(match variable {
                SOCKET => format!("@{name}").into(),
                WATCHDOG => watchdog.into(),
                _ => process.to_string().into(),
            })
        });
        (manager, receives)
    }

    fn next(receives: &UnixDatagram) -> String {
        let mut note = [0; 64];
        let length = receives.recv(&mut note).unwrap();
        String::from_utf8(note[..length].to_vec()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn the_manager_is_told_each_state() {
        let (manager, receives) = manager("states", "3000000", std::process::id());
        manager.ready();
        assert_eq!(next(&receives), "READY=1");
        assert_eq!(
            manager.watchdog_interval(),
            Some(Duration::from_millis(1500))
        );
        let watch = manager.watch(|| std::future::ready(()));
        let _ = tokio::time::timeout(Duration::from_secs(2), watch).await;
        for _ in 0..2 {
            assert_eq!(next(&receives), "WATCHDOG=1");
        }
        manager.stopping();
        assert_eq!(next(&receives), "STOPPING=1");
    }

    #[test]
    fn the_watchdog_of_another_process_is_not_ours() {
        let (manager, _receives) = manager("other", "3000000", 1);
        assert_eq!(manager.watchdog_interval(), None);
    }

    #[test]
    fn a_wrong_environment_does_no_harm() {
        for (socket, watchdog) in [
            ("", ""),
            ("/no/such/socket", "x"),
            ("@", "1"),
            ("\u{1}", "-5"),
        ] {
            let manager = ServiceManager::new(|variable| match variable {
                SOCKET => Some(socket.into()),
                WATCHDOG => Some(watchdog.into()),
                _ => None,
            });
            manager.ready();
            assert_eq!(manager.watchdog_interval(), None, "{watchdog}");
        }
    }
}
