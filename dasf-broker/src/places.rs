//! The places of connections that are not WebSockets yet.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;

use futures_util::task::AtomicWaker;

use crate::network::Network;

/// The places. When all are taken, a new connection gets the place of the oldest one of the network that
/// has the most. So connections that never send anything do not keep others waiting.
#[derive(Debug)]
pub(crate) struct Places {
    max: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    count: usize,
    by_network: HashMap<Network, VecDeque<Weak<Eviction>>>,
}

/// Tells a connection that it has lost its place.
#[derive(Debug, Default)]
struct Eviction {
    is_evicted: AtomicBool,
    task: AtomicWaker,
}

impl Places {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            max,
            taken: Mutex::default(),
        })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place, perhaps that of another connection.
    pub(crate) fn take(self: &Arc<Self>, address: IpAddr) -> Place {
        let network = address.into();
        let eviction = Arc::new(Eviction::default());
        let mut taken = self.taken();
        if taken.count >= self.max {
            taken.evict();
        }
        taken.count += 1;
        let of_network = taken.by_network.entry(network).or_default();
        of_network.push_back(Arc::downgrade(&eviction));
        Place {
            places: self.clone(),
            network,
            eviction,
        }
    }
}

impl Taken {
    fn evict(&mut self) {
        let most = self.by_network.values_mut().max_by_key(|it| it.len());
        if let Some(oldest) = most.and_then(VecDeque::pop_front) {
            self.count -= 1;
            if let Some(eviction) = oldest.upgrade() {
                eviction.is_evicted.store(true, Ordering::Release);
                eviction.task.wake();
            }
        }
    }

    fn remove(&mut self, network: Network, eviction: &Arc<Eviction>) {
        let Some(of_network) = self.by_network.get_mut(&network) else {
            return;
        };
        let is_same = |it: &Weak<Eviction>| std::ptr::eq(it.as_ptr(), Arc::as_ptr(eviction));
        if let Some(index) = of_network.iter().position(is_same) {
            of_network.remove(index);
            self.count -= 1;
        }
        if of_network.is_empty() {
            self.by_network.remove(&network);
        }
    }
}

/// A place. A drop frees it.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    network: Network,
    eviction: Arc<Eviction>,
}

impl Place {
    /// Returns whether another connection has the place now. If not, registers the task for that.
    pub(crate) fn is_lost(&self, waker: &Waker) -> bool {
        self.eviction.task.register(waker);
        self.eviction.is_evicted.load(Ordering::Acquire)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken().remove(self.network, &self.eviction);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_connection_gets_the_oldest_place_of_the_busiest_network() {
        let places = Places::new(3);
        let take = |address: &str| places.take(address.parse().unwrap());
        let is_lost = |place: &Place| place.is_lost(Waker::noop());
        let alone = take("192.0.2.1");
        let first = take("192.0.2.2");
        let second = take("192.0.2.2");
        let third = take("192.0.2.2");
        assert_eq!(
            [&alone, &first, &second, &third].map(is_lost),
            [false, true, false, false]
        );
        let fourth = take("192.0.2.3");
        assert_eq!([&alone, &second, &third].map(is_lost), [false, true, false]);
        // A freed place needs no eviction.
        drop((alone, first));
        let fifth = take("192.0.2.4");
        assert_eq!([&third, &fourth, &fifth].map(is_lost), [false; 3]);
        drop((second, third, fourth, fifth));
        let taken = places.taken();
        assert_eq!((taken.count, taken.by_network.len()), (0, 0));
    }
}
