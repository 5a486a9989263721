//! A module that a test can kill.

use std::time::Duration;

use dasf::host::StartError;
use dasf::{Address, Host, HostOptions, Module};
use tokio::runtime::{Builder, Runtime};

/// How long the end of a runtime may take.
const END_PATIENCE: Duration = Duration::from_secs(1);

/// A module in its own runtime. The threads of the runtime have its name. A drop ends the module as
/// `SIGKILL` ends a process: its connections break, and the module sends nothing more.
#[derive(Debug)]
pub struct Worker {
    runtime: Option<Runtime>,
    host: Option<Host>,
}

impl Worker {
    /// Starts a module under a name.
    ///
    /// # Errors
    ///
    /// The error of the module's start.
    pub async fn start(
        name: &str,
        module: Module,
        topic: &str,
        address: Address,
        options: HostOptions,
    ) -> Result<Self, StartError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name(name)
            .enable_all()
            .build()
            .unwrap();
        let topic = topic.parse().unwrap();
        let start = async move { Host::start(module, &topic, address, options).await };
        let host = runtime.spawn(start).await.unwrap();
        let mut worker = Self {
            runtime: Some(runtime),
            host: None,
        };
        worker.host = Some(host?);
        Ok(worker)
    }

    /// Kills the module.
    pub fn kill(self) {
        drop(self);
    }

    /// Shuts the module down in order.
    pub async fn stop(mut self) {
        if let Some(host) = self.host.take() {
            host.shutdown().await;
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // A runtime must not be dropped where tasks run. Its connections are closed when this returns, but a plain
        // function may go on.
        if let Some(runtime) = self.runtime.take() {
            let end = std::thread::spawn(move || runtime.shutdown_timeout(END_PATIENCE));
            let _ = end.join();
        }
    }
}
