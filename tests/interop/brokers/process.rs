//! What the processes of brokers have in common.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

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

/// Ports that were free a moment ago.
pub(crate) fn free_ports<const COUNT: usize>() -> [u16; COUNT] {
    let listeners = [(); COUNT].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}
