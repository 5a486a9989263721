//! The features that a broker lists in its answer to a handshake.

use tokio_tungstenite::tungstenite::http::HeaderMap;

/// The header in which a broker lists its features beyond the protocol.
pub(crate) const HEADER: &str = "dasf-features";
/// Several readers can share the messages of a subscription.
pub(super) const SHARED_SUBSCRIPTIONS: &str = "shared-subscriptions";
/// The broker counts the redelivered messages that a reader has begun.
pub(super) const BEGUN_COUNT: &str = "begun-count";
/// The broker knows its users, and names the sender of each message in its properties. It refuses messages
/// that come with such a name.
pub(super) const USERS: &str = "users";

/// The beginning of the feature that tells the version of the broker.
pub(crate) const VERSION: &str = "version=";

/// Returns the features that a broker lists.
pub(crate) fn all(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let named = headers.get_all(HEADER).into_iter();
    let features = named
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    features.map(str::trim).filter(|named| !named.is_empty())
}

/// Returns whether a broker lists a feature.
pub(super) fn has(headers: &HeaderMap, feature: &str) -> bool {
    all(headers).any(|named| named == feature)
}
