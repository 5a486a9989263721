//! Reads the list of modules from the broker's retained messages.

use mqtt_proto::QoS;
use mqtt_proto::v5::RetainHandling;

use super::Login;
use super::announcement::{self, Announcement};
use super::names;
use super::session::{self, Opening};
use crate::transport::websocket::Endpoint;
use crate::transport::{ConnectError, DiscoveredModule};

/// The maximum number of listed modules.
const MAX_MODULES: usize = 10_000;
/// The maximum total size of their announcements, in bytes.
const MAX_BYTES: usize = 64 << 20;

/// Reads the announcements of all modules.
pub(super) async fn read(
    endpoint: &Endpoint,
    login: &Login,
) -> Result<Vec<DiscoveredModule>, ConnectError> {
    let opening = Opening {
        max_packet_size: announcement::MAX_PACKET_SIZE,
        ..Opening::fresh()
    };
    let mut session = session::open(endpoint, login, opening).await?;
    // Without acknowledgements a broker sends all messages. With them Mosquitto drops those beyond
    // its queue.
    let options = session::options(QoS::Level0, RetainHandling::SendAtSubscribe);
    let mut announcements = Vec::new();
    let mut bytes = 0;
    let mut left_out = 0_usize;
    let names = [names::ALL_NOTICES.to_owned()];
    session
        .read_retained(&names, options, |publish| {
            let announcement = Announcement::read(&publish.payload);
            let (Some((topic, _)), Some(Announcement::Announced(text))) =
                (names::module(&publish.topic_name), announcement)
            else {
                return Ok(());
            };
            if announcements.len() >= MAX_MODULES || bytes + text.len() > MAX_BYTES {
                left_out += 1;
                return Ok(());
            }
            bytes += text.len();
            announcements.push(DiscoveredModule { topic, text });
            Ok(())
        })
        .await?;
    if left_out > 0 {
        tracing::warn!(
            endpoint = endpoint.to_string(),
            left_out,
            "too many modules to list all"
        );
    }
    // The list is complete, even if the disconnection fails.
    if let Err(error) = session.disconnect(0).await {
        tracing::debug!(
            error = error.to_string(),
            "disconnected without the broker's confirmation"
        );
    }
    Ok(announcements)
}
