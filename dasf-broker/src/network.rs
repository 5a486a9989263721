//! The networks from which connections come.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An IPv4 address, or the first half of an IPv6 address. The owner of one IPv6 address has all of its
/// network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Network(IpAddr);

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        })
    }
}

/// The number of WebSockets of each network.
#[derive(Debug)]
pub(crate) struct Connections {
    max: usize,
    counts: Mutex<HashMap<Network, usize>>,
}

impl Connections {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            max,
            counts: Mutex::default(),
        })
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<Network, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a WebSocket until the returned value is dropped, unless its network has too many.
    pub(crate) fn count(self: &Arc<Self>, address: IpAddr) -> Option<Counted> {
        let network = address.into();
        let mut counts = self.counts();
        let count = counts.entry(network).or_default();
        if *count >= self.max {
            return None;
        }
        *count += 1;
        Some(Counted {
            connections: self.clone(),
            network,
        })
    }
}

/// A counted WebSocket.
#[derive(Debug)]
pub(crate) struct Counted {
    connections: Arc<Connections>,
    network: Network,
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.connections.counts();
        if let Some(count) = counts.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_network_has_its_share() {
        let connections = Connections::new(2);
        let count = |address: &str| connections.count(address.parse().unwrap());
        let first = count("192.0.2.1").unwrap();
        let _second = count("::ffff:192.0.2.1").unwrap();
        assert!(count("192.0.2.1").is_none());
        let _other = count("192.0.2.2").unwrap();
        drop(first);
        count("192.0.2.1").unwrap();

        let _a = count("2001:db8::1").unwrap();
        let _b = count("2001:db8::ffff:2").unwrap();
        assert!(count("2001:db8::3").is_none());
        count("2001:db8:0:1::3").unwrap();
        drop((_a, _b, _second, _other));
        assert!(connections.counts().is_empty());
    }
}
