//! Foreign brokers as processes, and free ports.

use std::io::Write;
use std::net::TcpListener;
use std::ops::Range;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs a command until the standard input of the shell ends, and then removes the folder. The input
/// ends with the process that holds its other end, even if that process is killed. The line `keep` ends the
/// command, too, and keeps the folder. Only the command keeps the standard error, so a reader of it sees the end
/// of the command.
const UNTIL_INPUT_ENDS: &str = r#"
folder=$1
shift
"$@" &
broker=$!
exec 2>/dev/null
read -r end
kill -KILL $broker
wait $broker
[ "$end" = keep ] || rm -rf "$folder"
"#;

/// A process that runs until it is dropped or the process of the test ends.
#[derive(Debug)]
pub struct Guarded(Child);

impl Guarded {
    /// Returns a command that the caller starts. The folder belongs to the process, and is removed
    /// with it.
    pub fn command(folder: &Path, program: impl AsRef<Path>) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", UNTIL_INPUT_ENDS, "sh"]);
        shell
            .arg(folder)
            .arg(program.as_ref())
            .stdin(Stdio::piped());
        shell
    }

    /// Guards a started [`command`](Self::command).
    pub fn new(shell: Child) -> Self {
        Self(shell)
    }

    /// Kills the process. Its folder stays for the next one.
    pub fn kill(mut self) {
        if let Some(mut input) = self.0.stdin.take() {
            // The drop waits for the end.
            let _ = input.write_all(b"keep\n");
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // The shell ends the process, and then itself.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Returns ports that were free a moment ago.
///
/// They are below the range from which systems choose ports for port 0 and for outgoing connections.
/// So no other program gets one of them before the process listens there.
pub fn free_ports<const COUNT: usize>() -> [u16; COUNT] {
    const PORTS: Range<u16> = 10_000..32_000;
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    // Test programs that run at the same time start at different ports.
    let start = usize::try_from(std::process::id()).unwrap() * 97;
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    [(); COUNT].map(|()| {
        let candidates = std::iter::repeat_with(|| NEXT.fetch_add(1, Ordering::Relaxed));
        let mut candidates = candidates.map(|next| {
            let offset = u16::try_from((start + next) % PORTS.len()).unwrap();
            PORTS.start + offset
        });
        candidates.find(is_free).unwrap()
    })
}
