//! Running a command for a request.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use crate::context::Context;

/// The size of the largest answer, which is that of the largest request.
const MAX_ANSWER: u64 = 256 << 20;
/// How much of its standard error the log shows.
const MAX_COMPLAINT: u64 = 8 << 10;

/// The reason why a command has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum CommandError {
    #[error("the command cannot be started: {0}")]
    Start(#[source] io::Error),
    #[error("the command cannot be read: {0}")]
    Read(#[source] io::Error),
    #[error("the command failed: {0}")]
    Failed(ExitStatus),
    #[error("the command printed more than {} MiB", MAX_ANSWER >> 20)]
    TooLong,
    #[error("the command printed something that is not UTF-8")]
    NoText,
    #[error("the command did not end within {} s; its limit is --command-timeout", .0.as_secs_f64())]
    Late(Duration),
    #[error("nobody waits for the command any more")]
    Cancelled,
}

/// A command that is killed, with the programs that it has started, unless it ends by itself.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // A child that has ended has no id any more, and its group may belong to others.
        #[cfg(unix)]
        if let Some(group) = self.0.id()
            && let Ok(group) = i32::try_from(group)
            && let Some(group) = rustix::process::Pid::from_raw(group)
        {
            // It fails if the group has ended meanwhile.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        #[cfg(not(unix))]
        let _ = self.0.start_kill();
    }
}

/// Runs a command to its end, and returns what it has printed on standard output. What it prints on standard error
/// goes to the log.
///
/// # Errors
/// Returns a [`CommandError`] if the command fails, takes longer than `limit`, or nobody needs its result any more.
/// Then it is killed.
///
/// # Cancel safety
/// If the future is dropped, the command is killed.
pub(super) async fn run(
    mut command: Command,
    limit: Duration,
    context: &Context,
) -> Result<String, CommandError> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    #[cfg(unix)]
    command.process_group(0);
    let mut child = command.spawn().map_err(CommandError::Start)?;
    let (output, complaint) = (child.stdout.take(), child.stderr.take());
    let mut running = Running(child);
    let end = async {
        let output = read(output, MAX_ANSWER);
        let ended = tokio::try_join!(output, read(complaint, MAX_COMPLAINT));
        let (output, complaint) = ended.map_err(CommandError::Read)?;
        let status = running.0.wait().await.map_err(CommandError::Read)?;
        if !complaint.text.is_empty() {
            let complaint = String::from_utf8_lossy(&complaint.text);
            tracing::warn!(output = complaint.trim_end(), "the command says");
        }
        match (status.success(), output.is_cut) {
            (false, _) => Err(CommandError::Failed(status)),
            (true, true) => Err(CommandError::TooLong),
            (true, false) => String::from_utf8(output.text).map_err(|_| CommandError::NoText),
        }
    };
    tokio::select! {
        () = context.cancelled() => Err(CommandError::Cancelled),
        ended = tokio::time::timeout(limit, end) => ended.unwrap_or(Err(CommandError::Late(limit))),
    }
}

/// The beginning of what a command has printed.
struct Printed {
    text: Vec<u8>,
    is_cut: bool,
}

/// Reads everything that a command prints, and keeps the beginning.
async fn read(from: Option<impl AsyncRead + Unpin>, limit: u64) -> io::Result<Printed> {
    let mut text = Vec::new();
    let mut is_cut = false;
    if let Some(mut from) = from {
        (&mut from).take(limit).read_to_end(&mut text).await?;
        // The command would stop at a full pipe.
        is_cut = tokio::io::copy(&mut from, &mut tokio::io::sink()).await? > 0;
    }
    Ok(Printed { text, is_cut })
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    async fn shell(line: &str, limit: Duration) -> Result<String, CommandError> {
        let mut command = Command::new("sh");
        command.args(["-c", line]);
        run(command, limit, &Context::local()).await
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn the_answer_is_standard_output() {
        assert_eq!(shell("echo 1; echo 2 >&2", LONG).await.unwrap(), "1\n");
        let failed = shell("exit 3", LONG).await.unwrap_err();
        assert_eq!(failed.to_string(), "the command failed: exit status: 3");
        let no_text = shell(r"printf '\377'", LONG).await.unwrap_err();
        assert!(matches!(no_text, CommandError::NoText), "{no_text}");
        let missing = run(Command::new("/no/such/program"), LONG, &Context::local()).await;
        assert!(matches!(missing, Err(CommandError::Start(_))));
    }

    #[tokio::test]
    async fn more_on_standard_error_than_is_kept_does_not_stop_a_command() {
        let line = "head -c 1000000 /dev/zero >&2; echo done";
        assert_eq!(shell(line, LONG).await.unwrap(), "done\n");
    }

    #[tokio::test]
    async fn a_late_command_is_killed_with_its_programs() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let line = format!("sleep 600 & echo $! > {}; wait", file.display());
        let late = shell(&line, Duration::from_secs(1)).await.unwrap_err();
        assert!(matches!(late, CommandError::Late(_)), "{late}");
        let pid = std::fs::read_to_string(file).unwrap();
        let status = format!("/proc/{}/status", pid.trim());
        // Nobody waits for the killed program but the first process of the system.
        while let Ok(status) = std::fs::read_to_string(&status) {
            if status.contains("State:\tZ") {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test]
    async fn a_command_for_nobody_is_killed() {
        let context = Context::local();
        context.cancel();
        let mut command = Command::new("sleep");
        command.arg("600");
        let cancelled = run(command, LONG, &context).await.unwrap_err();
        assert!(matches!(cancelled, CommandError::Cancelled), "{cancelled}");
    }
}
