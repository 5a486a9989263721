//! A module whose calls have numbers, for tests that kill its processes.

/// The variable with the path of the file in which modules record the numbers of the calls that they run.
pub const RUNS: &str = "DASF_TEST_RUNS";

/// How the topic of the module without a group begins, which acknowledges a request before it runs it.
pub const ONCE: &str = "once-";
/// How the topic of the group begins, which acknowledges a request after its response.
pub const GROUP: &str = "group-";

/// The number of the calls that find out whether a module answers.
pub const ASKING: u64 = 1 << 50;

/// Returns the text that belongs to a number. Some texts need fragments.
pub fn text(number: u64) -> String {
    let length = match number {
        it if it % 500 == 499 => 1 << 20,
        it if it % 50 == 49 => 100_000,
        it => it * 7 % 200,
    };
    let letters = ('a'..='z').cycle().skip((number % 26) as usize);
    letters.take(length as usize).collect()
}

/// Returns the right answer to the call with a number and its text.
pub fn answer(number: u64, text: &str) -> String {
    format!("{number} {text}")
}

/// Numbered calls.
#[dasf::module(main = false)]
pub mod numbered {
    use std::fs::OpenOptions;
    use std::io::{self, Write};
    use std::time::Duration;

    /// Records a number, so that the record survives the process.
    fn record(number: u64) -> io::Result<()> {
        let path = std::env::var_os(crate::RUNS).ok_or(io::ErrorKind::NotFound)?;
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        file.write_all(format!("{number}\n").as_bytes())
    }

    /// Record the number, and answer after a while.
    #[dasf::function]
    fn run(number: u64, pause: u64, text: &str) -> Result<String, io::Error> {
        record(number)?;
        if pause > 0 {
            std::thread::sleep(Duration::from_millis(pause));
        }
        Ok(crate::answer(number, text))
    }

    /// Record the number, and answer after a while, in a task.
    #[dasf::function]
    async fn run_in_task(number: u64, pause: u64, text: String) -> Result<String, io::Error> {
        record(number)?;
        tokio::time::sleep(Duration::from_millis(pause)).await;
        Ok(crate::answer(number, &text))
    }
}
