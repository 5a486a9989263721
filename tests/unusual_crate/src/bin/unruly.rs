//! A module whose functions end or block it.

/// Functions that no module should have.
#[rpc::module(topic = "unruly", crate = rpc)]
pub mod unruly {
    use std::io::Write;
    use std::time::Duration;

    /// End the process.
    #[rpc::function]
    pub fn end() {
        std::process::abort();
    }

    /// End the process, on the thread of the connections.
    #[rpc::function(inline)]
    pub fn end_inline() {
        std::process::abort();
    }

    /// End the process, in a task.
    #[rpc::function]
    pub async fn end_in_task() {
        std::process::abort();
    }

    /// End the process after reading a text.
    #[rpc::function]
    pub fn end_after(text: String) {
        drop(text);
        std::process::abort();
    }

    /// Say so on the standard output, and never return.
    #[rpc::function]
    pub fn hang() {
        let _ = std::io::stdout().write_all(b"hanging\n");
        loop {
            std::thread::park();
        }
    }

    /// Return 7 if there is a file. Otherwise say so on the standard output, and never return.
    #[rpc::function]
    pub fn hang_without(file: &str) -> u32 {
        if !std::path::Path::new(file).exists() {
            hang();
        }
        7
    }

    /// Return a number after a while.
    #[rpc::function]
    pub fn work(number: u32, milliseconds: u64) -> u32 {
        std::thread::sleep(Duration::from_millis(milliseconds));
        number
    }

    /// Return a number after a while, in a task.
    #[rpc::function]
    pub async fn work_in_task(number: u32, milliseconds: u64) -> u32 {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        number
    }

    /// Block the thread of the runtime.
    #[rpc::function]
    pub async fn block(milliseconds: u64) {
        std::thread::sleep(Duration::from_millis(milliseconds));
    }

    /// Start tasks that block the threads of the runtime.
    #[rpc::function]
    pub async fn block_in_tasks(tasks: usize, milliseconds: u64) {
        let block = || tokio::spawn(block(milliseconds));
        let tasks: Vec<_> = (0..tasks).map(|_| block()).collect();
        for task in tasks {
            let _ = task.await;
        }
    }
}
