//! Rights on a topic of the Django broker.

use std::time::Duration;

use dasf::{Address, CallError, Host, HostOptions};
use dasf_examples::reference;
use dasf_test_support::listen_at;

use crate::brokers::Process;
use crate::brokers::django::Django;

/// Starts the module `reference` on the topic `private`, with a token.
async fn listen(django: &Django, token: &str) -> Host {
    let address = Address::websocket(&django.url()).unwrap();
    let address = address.with_token(token).unwrap();
    let module = reference::module().unwrap();
    listen_at(address, "private", module, HostOptions::default()).await
}

/// Returns a client of the topic `private`. Without a token, it is an anonymous user.
async fn connect(django: &Django, token: Option<&str>) -> reference::Client {
    let builder = reference::Client::builder()
        .topic("private")
        .websocket(&django.url());
    match token {
        Some(token) => builder.token(token).connect().await.unwrap(),
        None => builder.connect().await.unwrap(),
    }
}

/// One test, because all of it uses one topic.
#[tokio::test(flavor = "multi_thread")]
async fn only_users_with_rights_use_a_topic() {
    let django = Django::for_test().await;
    let tokens = django.tokens();

    // The broker accepts the connection of a module without the right to consume, and sends it nothing.
    let nobody = listen(&django, &tokens.nobody).await;
    let client = connect(&django, Some(&tokens.producer)).await;
    let unanswered = client.add(1).timeout(Duration::from_secs(1)).await;
    assert!(
        matches!(unanswered, Err(CallError::Timeout { .. })),
        "{unanswered:?}"
    );
    nobody.shutdown().await;

    let host = listen(&django, &tokens.consumer).await;
    assert_eq!(client.add(1).b(4).await.unwrap(), 5);

    // Without the right to publish, a call fails with the text of the broker.
    for token in [None, Some(tokens.nobody.as_str()), Some("no such token")] {
        let refused = connect(&django, token).await.add(1).await.unwrap_err();
        match &refused {
            CallError::Refused { topic, reason } => {
                assert_eq!(topic.as_str(), "private");
                assert_eq!(reason, "User is not allowed to publish to this topic");
            }
            other => panic!("{other}"),
        }
    }
    host.shutdown().await;
}
