//! `dasf` in a terminal.

use std::sync::atomic::{AtomicBool, Ordering};

use dasf::HostOptions;
use dasf_test_support::terminal::Terminal;
use dasf_test_support::{broker, listen, soon, until};

/// Whether a call of `wait` has ended without a result.
static IS_CANCELLED: AtomicBool = AtomicBool::new(false);

/// Sets the title of the terminal, if it is not made printable.
const TITLE: &str = "\u{1b}]2;owned\u{7}";

#[dasf::module(main = false, topic = "gauges", description = "\u{1b}]2;owned\u{7}")]
mod gauges {
    use std::sync::atomic::Ordering;

    use dasf::{ProgressReport, Series};

    /// The levels of a river.
    #[dasf::function]
    pub(super) fn levels() -> Result<Series, String> {
        let points = (0_u8..24).map(|hour| (f64::from(hour), Some(f64::from(hour) / 10.0)));
        let series = Series::from_points("level", points);
        series.map_err(|error| error.to_string())
    }

    /// A text that does things to a terminal.
    #[dasf::function(description = "\u{1b}]2;owned\u{7}")]
    pub(super) fn title() -> String {
        super::TITLE.to_owned()
    }

    /// Fails with such a text.
    #[dasf::function]
    pub(super) fn broken() -> Result<(), String> {
        Err(super::TITLE.to_owned())
    }

    struct Running;

    impl Drop for Running {
        fn drop(&mut self) {
            super::IS_CANCELLED.store(true, Ordering::Relaxed);
        }
    }

    /// Wait for ever, in the second of four steps.
    #[dasf::function]
    pub(super) async fn wait(mut reporter: ProgressReport) {
        let _running = Running;
        reporter.set_steps(4);
        drop(reporter.step("walking"));
        let _step = reporter.step(format!("waiting{}", super::TITLE));
        std::future::pending::<()>().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_completes_plots_and_interrupts() {
    let broker = broker().await;
    let module = gauges::module().unwrap();
    let host = listen(&broker, "gauges", module, HostOptions::default()).await;
    let url = broker.url();
    let use_terminal = move || {
        let dasf = env!("CARGO_BIN_EXE_dasf");
        let place = format!("-t gauges --websocket-url {url}");
        let home = tempfile::tempdir().unwrap();
        let line = format!("{dasf} shell {place}; {dasf} call {place} levels");
        let terminal = Terminal::start_line(home.path(), &line);
        terminal.until_shown("gauges>");
        terminal.press(&["le", "Tab", "Enter"]);
        let screen = terminal.until_shown("level: 24 values, 0 to 2.3, mean 1.15");
        assert!(screen.contains('█'), "{screen}");
        terminal.press(&["title", "Enter"]);
        terminal.until_shown(r#""\u001b]2;owned\u0007""#);
        terminal.press(&["broken", "Enter"]);
        terminal.until_shown("error: ");
        terminal.press(&["help", "Enter"]);
        terminal.until_shown("help NAME shows one function");

        terminal.press(&["C-l", "wait", "Enter"]);
        let screen = terminal.until_shown(" 25 % ");
        assert!(screen.contains("━━━━━━╸───"), "{screen}");
        terminal.until_shown("waiting");
        terminal.press(&["C-c"]);
        let screen = terminal.until_shown("error: interrupted\n");
        assert!(!screen.contains(" % "), "the bar remains in\n{screen}");
        let title = terminal.title();
        assert!(!title.contains("owned"), "{title}");

        // The command after it plots, too.
        terminal.press(&["C-l", "C-d"]);
        let screen = terminal.until_shown("\nend\n");
        assert!(screen.contains("level: 24 values"), "{screen}");
    };
    tokio::task::spawn_blocking(use_terminal).await.unwrap();
    let cancelled = until(|| IS_CANCELLED.load(Ordering::Relaxed));
    soon("the end of the call", cancelled).await;
    host.shutdown().await;
}
