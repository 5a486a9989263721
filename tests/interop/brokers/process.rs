//! What the processes of brokers have in common.

use std::net::TcpListener;
use std::ops::Range;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs the command that follows until the standard input ends, which it does with the process that
/// holds its other end, however that ends; then removes the folder. The command alone holds the
/// standard error, which so ends with it.
const UNTIL_INPUT_ENDS: &str = r#"
folder=$1
shift
"$@" &
broker=$!
exec 2>/dev/null
read -r _
kill -KILL $broker
wait $broker
rm -rf "$folder"
"#;

/// A process that runs until this is dropped or the test's process ends.
pub(crate) struct Guarded(Child);

impl Guarded {
    /// A command that is to be started; the folder is its own, and goes with it.
    pub(crate) fn command(folder: &Path, program: impl AsRef<Path>) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", UNTIL_INPUT_ENDS, "sh"]);
        shell
            .arg(folder)
            .arg(program.as_ref())
            .stdin(Stdio::piped());
        shell
    }

    /// Takes a started [`command`](Self::command) into its care.
    pub(crate) fn new(shell: Child) -> Self {
        Self(shell)
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // The shell ends the process, and then itself.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Ports that were free a moment ago. They are below those that systems give to whoever asks for any,
/// and to outgoing connections, so that nobody gets them before the process listens there.
pub(crate) fn free_ports<const COUNT: usize>() -> [u16; COUNT] {
    const PORTS: Range<u16> = 10_000..32_000;
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    // Other processes begin elsewhere.
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
