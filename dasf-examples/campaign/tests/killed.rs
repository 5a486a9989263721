//! The campaign on an embedded broker: its caller is killed and started again.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use dasf::{Address, Host, HostOptions};
use dasf_broker::Broker;

fn campaign(url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_collect"));
    command.args([url, "tested"]);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_whose_caller_is_killed_is_completed() {
    let broker = Broker::builder().bind(([127, 0, 0, 1], 0).into());
    let broker = broker.start().await.unwrap();
    let url = broker.url();
    let address = Address::websocket(&url).unwrap();
    let topic = "percolation".parse().unwrap();
    let module = campaign::module().unwrap();
    let host = Host::start(module, &topic, address, HostOptions::default()).await;
    let host = host.unwrap();

    let output = tokio::task::spawn_blocking(move || {
        let mut killed = campaign(&url).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = killed.stdout.take().unwrap();
        let mut lines = BufReader::new(stdout).lines();
        let first = lines.next().unwrap().unwrap();
        assert_eq!(first, "50 jobs submitted, 0 of them were there already");
        killed.kill().unwrap();
        killed.wait().unwrap();

        let completed = campaign(&url).output().unwrap();
        let errors = String::from_utf8_lossy(&completed.stderr).into_owned();
        assert!(completed.status.success(), "{errors}");
        String::from_utf8(completed.stdout).unwrap()
    });
    let output = output.await.unwrap();
    let lines: Vec<_> = output.lines().collect();
    assert_eq!(lines[0], "50 jobs submitted, 50 of them were there already");
    let [.., collected, first, _, _, last] = lines[..] else {
        panic!("{output}")
    };
    assert_eq!(collected, "200 results collected");
    assert_eq!(first, "porosity 0.55: 0 of 50 rocks leak");
    assert_eq!(last, "porosity 0.63: 50 of 50 rocks leak");
    host.shutdown().await;
    broker.shutdown().await;
}
