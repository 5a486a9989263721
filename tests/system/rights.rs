//! Modules and clients with the rights that they need, and no others.

use dasf::broker::ConnectError;
use dasf::{Address, CallError, ClientError, HostOptions};
use dasf_test_support::{broker_builder, listen_at, soon};

#[dasf::module(main = false, topic = "guarded")]
mod guarded {
    /// Return a text.
    #[dasf::function]
    pub(super) fn echo(text: String) -> String {
        text
    }
}

/// The tokens are `secret` and `secret2`.
const CONFIG: &str = r#"
    [users.station]
    serve = ["guarded"]
    tokens = [{ sha256 = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b" }]
    [users.ada]
    call = ["guarded"]
    tokens = [{ sha256 = "35224d0d3465d74e855f8d69a136e79c744ea35a675d3393360a327cbf6359a2" }]
"#;

#[tokio::test]
async fn a_module_needs_the_right_to_serve_and_a_client_the_right_to_call() {
    for links in [true, false] {
        let builder = broker_builder()
            .links(links)
            .config(CONFIG.parse().unwrap());
        let broker = builder.start().await.unwrap();
        let address = |token| {
            let address = Address::websocket(&broker.url()).unwrap();
            address.with_token(token).unwrap()
        };
        let alone = HostOptions::default();
        let group = alone.clone().group("workers".parse().unwrap());
        for options in [alone, group] {
            let module = guarded::module().unwrap();
            let host = listen_at(address("secret"), "guarded", module, options).await;
            let builder = || guarded::Client::builder().address(address("secret2"));
            let client = builder().connect().await.unwrap();
            // The large text goes in parts, in both directions, and to a group on demand.
            for size in [1, 3_000_000] {
                let text = "x".repeat(size);
                let echoed = soon("the answer", client.echo(&text).into_future()).await;
                assert_eq!(echoed.unwrap(), text, "links: {links}");
            }
            soon("the end of the module", host.shutdown()).await;
        }
        // Who only serves may not call.
        let station = guarded::Client::builder().address(address("secret"));
        let station = station.connect().await.unwrap();
        match station.echo("a").await {
            Err(CallError::Refused { reason, .. }) => {
                assert!(reason.contains("lacks the right 'call'"), "{reason}");
            }
            other => panic!("{other:?}"),
        }
        // And who only calls may not serve.
        let module = guarded::module().unwrap();
        let topic = "guarded".parse().unwrap();
        let listening =
            dasf::Host::start(module, &topic, address("secret2"), HostOptions::default());
        let refused = listening.await.unwrap_err();
        assert!(
            refused.to_string().contains("lacks the right 'serve'"),
            "{refused}"
        );
        let stranger = Address::websocket(&broker.url()).unwrap();
        let stranger = guarded::Client::builder().address(stranger).connect().await;
        assert!(matches!(
            stranger,
            Err(ClientError::Connect(ConnectError::Refused {
                status: 401,
                ..
            }))
        ));
        broker.shutdown().await;
    }
}
