//! A module whose functions panic, block, count their calls, or wait until the test lets them go on.

/// Functions for tests.
#[dasf::module(main = false)]
pub(crate) mod gated {
    use std::collections::HashMap;
    use std::sync::{Arc, LazyLock, Mutex};

    use dasf::{Context, ProgressReport};
    use tokio::sync::Semaphore;

    static GATES: LazyLock<Mutex<HashMap<String, Arc<Semaphore>>>> = LazyLock::new(Mutex::default);
    static COUNTS: LazyLock<Mutex<HashMap<String, u32>>> = LazyLock::new(Mutex::default);

    fn gate(name: &str) -> Arc<Semaphore> {
        let mut gates = GATES.lock().unwrap();
        Arc::clone(
            gates
                .entry(name.to_owned())
                .or_insert_with(|| Arc::new(Semaphore::new(0))),
        )
    }

    /// Lets one call of `wait` with this name continue.
    pub(crate) fn open(name: &str) {
        gate(name).add_permits(1);
    }

    /// Waits until a call of `wait` with this name runs.
    pub(crate) async fn entered(name: &str) {
        let entered = gate(&format!("entered {name}"));
        entered.acquire().await.unwrap().forget();
    }

    /// Waits until the test opens the gate.
    #[dasf::function]
    pub(crate) async fn wait(name: String) -> String {
        gate(&format!("entered {name}")).add_permits(1);
        gate(&name).acquire().await.unwrap().forget();
        name
    }

    /// Returns at once, or blocks its thread until the test opens the gate.
    #[dasf::function]
    pub(crate) fn block(name: Option<String>) -> Option<String> {
        let name = name?;
        gate(&format!("entered {name}")).add_permits(1);
        let runtime = tokio::runtime::Handle::current();
        runtime
            .block_on(gate(&name).acquire_owned())
            .unwrap()
            .forget();
        Some(name)
    }

    /// Begins where an earlier attempt was, and makes two steps. Returns where it began.
    fn climb_two_steps(name: &str, context: &Context) -> u32 {
        let begin = context.resume().unwrap_or(0);
        for step in [1, 2] {
            context.checkpoint(&(begin + step)).unwrap();
        }
        gate(&format!("entered {name}")).add_permits(1);
        begin
    }

    /// Makes two steps, and waits until the test opens the gate.
    #[dasf::function]
    pub(crate) async fn climb(name: String, context: Context) -> u32 {
        let begin = climb_two_steps(&name, &context);
        gate(&name).acquire().await.unwrap().forget();
        begin
    }

    /// The same on a thread.
    #[dasf::function]
    #[allow(clippy::needless_pass_by_value)] // a function owns its arguments
    pub(crate) fn climb_on_a_thread(name: String, context: Context) -> u32 {
        let begin = climb_two_steps(&name, &context);
        let runtime = tokio::runtime::Handle::current();
        runtime
            .block_on(gate(&name).acquire_owned())
            .unwrap()
            .forget();
        begin
    }

    /// Waits until the caller's time is over. An `async` function would be dropped then.
    #[dasf::function]
    #[allow(clippy::needless_pass_by_value)] // a function owns its arguments
    pub(crate) fn outlast(context: Context) -> bool {
        let left = context.time_left().unwrap_or_default();
        std::thread::sleep(left);
        context.is_cancelled()
    }

    /// How often this was called with the name.
    #[dasf::function]
    pub(crate) fn count(name: String) -> u32 {
        let mut counts = COUNTS.lock().unwrap();
        let count = counts.entry(name).or_default();
        *count += 1;
        *count
    }

    #[dasf::function]
    pub(crate) fn panic_on_a_thread() {
        panic!("on a thread");
    }

    /// A value with which a function panics, and whose drop panics again.
    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("again");
        }
    }

    #[dasf::function]
    pub(crate) fn panic_again() {
        std::panic::panic_any(Bomb);
    }

    #[dasf::function(inline)]
    pub(crate) fn panic_again_inline() {
        std::panic::panic_any(Bomb);
    }

    #[dasf::function]
    pub(crate) async fn panic_again_in_a_task() {
        std::panic::panic_any(Bomb);
    }

    #[dasf::function]
    pub(crate) async fn panic_in_a_task() {
        panic!("in a {}", "task");
    }

    #[dasf::function(inline)]
    pub(crate) fn panic_inline() {
        panic!("inline");
    }

    /// Reports two steps from a thread that knows nothing of asynchronous code.
    #[dasf::function]
    pub(crate) fn report_from_a_thread(mut report: ProgressReport) -> u32 {
        let thread = std::thread::spawn(move || {
            report.step("first");
            report.step("second");
        });
        thread.join().unwrap();
        2
    }

    #[dasf::function]
    pub(crate) fn not_a_number() -> Vec<f64> {
        vec![f64::NAN, f64::INFINITY, 1.0]
    }

    #[dasf::function(returns(ge = 0))]
    pub(crate) fn break_the_contract(value: i64) -> i64 {
        value
    }

    /// Two numbers and a text as they came.
    #[dasf::function]
    pub(crate) fn numbers(small: u8, whole: i64, pair: (f64, String)) -> (u8, i64, (f64, String)) {
        (small, whole, pair)
    }
}
