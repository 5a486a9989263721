//! The topic beside a model that knows the expected messages of each subscription.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dasf_protocol::Subscription as SubscriptionName;
use proptest::prelude::*;

use super::backlog::BacklogSize;
use super::options::ConsumerOptions;
use super::test_topic::{DELAY, TestTopic, dead_lettering, reporting, shared};
use super::{ConsumerId, RunId};
use crate::limits::Limits;

const NAMES: [&str; 3] = ["a", "b", "c"];
/// The run of the readers at the end.
const READER: u64 = 99;

#[derive(Debug, Clone)]
enum Step {
    Publish,
    Attach {
        name: usize,
        prefetch: usize,
        delays: bool,
        max_redeliveries: Option<u32>,
        run: Option<u64>,
    },
    Wait,
    Detach {
        consumer: prop::sample::Index,
    },
    Take {
        consumer: prop::sample::Index,
    },
    Begin {
        consumer: prop::sample::Index,
        message: prop::sample::Index,
    },
    Acknowledge {
        consumer: prop::sample::Index,
        message: prop::sample::Index,
    },
    NegativeAcknowledge {
        consumer: prop::sample::Index,
        message: prop::sample::Index,
    },
}

fn step() -> impl Strategy<Value = Step> {
    use prop::sample::Index;
    prop_oneof![
        4 => Just(Step::Publish),
        2 => (0..NAMES.len(), 1..4_usize, any::<bool>(), prop::option::of(1..3_u32), prop::option::of(0..3_u64))
            .prop_map(|(name, prefetch, delays, max_redeliveries, run)| {
                Step::Attach { name, prefetch, delays, max_redeliveries, run }
            }),
        1 => Just(Step::Wait),
        1 => any::<Index>().prop_map(|consumer| Step::Detach { consumer }),
        4 => any::<Index>().prop_map(|consumer| Step::Take { consumer }),
        2 => any::<(Index, Index)>()
            .prop_map(|(consumer, message)| Step::Begin { consumer, message }),
        3 => any::<(Index, Index)>()
            .prop_map(|(consumer, message)| Step::Acknowledge { consumer, message }),
        1 => any::<(Index, Index)>()
            .prop_map(|(consumer, message)| Step::NegativeAcknowledge { consumer, message }),
    ]
}

/// A consumer as its peer sees it.
struct Peer {
    name: &'static str,
    id: ConsumerId,
    prefetch: usize,
    max_redeliveries: Option<u32>,
    run: Option<u64>,
    /// The messages without an acknowledgement.
    got: Vec<u64>,
    /// Those of them on which it works.
    begun: BTreeSet<u64>,
}

/// The earlier deliveries of a message.
#[derive(Debug, Clone, Default, PartialEq)]
struct Count {
    deliveries: u32,
    /// How often a consumer that worked on it returned it.
    returned: u32,
    /// The runs that were lost with it, and whether they have come back.
    lost: BTreeMap<u64, bool>,
}

impl Count {
    fn begun(&self) -> u32 {
        self.returned + self.lost.values().filter(|is_back| !**is_back).count() as u32
    }

    /// Returns the counts in a delivery.
    fn told(&self, run: Option<u64>) -> (u32, Option<u32>) {
        let is_told = run.is_some() && self.deliveries > 0;
        (self.deliveries, is_told.then(|| self.begun()))
    }

    fn merge(&mut self, other: Self) {
        self.deliveries = self.deliveries.max(other.deliveries);
        self.returned = self.returned.max(other.returned);
        for (run, is_back) in other.lost {
            *self.lost.entry(run).or_insert(true) &= is_back;
        }
    }
}

/// How a delivery ends without an acknowledgement.
#[derive(Debug, Clone, Copy)]
enum End {
    Returned,
    /// The connection was lost. The consumer may have another one already.
    Lost {
        is_back: bool,
    },
}

impl Peer {
    /// Returns how the loss of the connection ends its deliveries.
    fn loss(&self, others: &[Self]) -> End {
        let mut others = others.iter();
        let is_back =
            self.run.is_some() && others.any(|it| it.name == self.name && it.run == self.run);
        End::Lost { is_back }
    }

    /// Returns whether the peer works on a message that it had when it lost a connection.
    fn still_runs(&self, count: &Count) -> bool {
        self.run
            .is_some_and(|run| count.lost.get(&run) == Some(&true))
    }

    /// Counts a delivery without an acknowledgement. Returns whether the message is a dead letter.
    fn returns(&self, expected: &mut BTreeMap<u64, Count>, sequence: u64, end: End) -> bool {
        let count = expected.get_mut(&sequence).unwrap();
        count.deliveries += 1;
        let is_back = |run: &u64| count.lost.get(run) == Some(&true);
        if let Some(run) = self
            .run
            .filter(|run| self.begun.contains(&sequence) || is_back(run))
        {
            count.lost.remove(&run);
            match end {
                End::Returned => count.returned += 1,
                End::Lost { is_back } => _ = count.lost.insert(run, is_back),
            }
        }
        let counted = match self.run {
            Some(_) => count.begun(),
            None => count.deliveries,
        };
        let dead = self.max_redeliveries.is_some_and(|max| counted > max);
        if dead {
            expected.remove(&sequence);
        }
        dead
    }
}

proptest! {
    /// Runs the topic beside a model that knows the expected messages of each subscription.
    #[test]
    fn subscriptions_get_the_expected_messages(steps in prop::collection::vec(step(), 0..80)) {
        let mut test = TestTopic::new(Limits::default());
        // The expected messages, with the numbers of their deliveries.
        let mut expected: BTreeMap<&str, BTreeMap<u64, Count>> = BTreeMap::new();
        let mut unclaimed: BTreeMap<u64, Count> = BTreeMap::new();
        let mut acknowledged = BTreeSet::new();
        let mut peers: Vec<Peer> = Vec::new();
        for step in steps {
            match step {
                Step::Publish => {
                    let sequence = test.publish().unwrap();
                    if expected.is_empty() {
                        unclaimed.insert(sequence, Count::default());
                    }
                    expected.values_mut().for_each(|messages| { messages.insert(sequence, Count::default()); });
                }
                Step::Wait => {
                    test.now += DELAY / 2;
                    for peer in &peers {
                        test.release_due(peer.name, peer.id);
                    }
                }
                Step::Attach { name, prefetch, delays, max_redeliveries, run } => {
                    let name = NAMES[name];
                    if !expected.contains_key(name) && peers.is_empty() {
                        for (sequence, count) in std::mem::take(&mut expected).into_values().flatten() {
                            unclaimed.entry(sequence).or_default().merge(count);
                        }
                        unclaimed.retain(|sequence, _| !acknowledged.contains(sequence));
                        expected.insert(name, std::mem::take(&mut unclaimed));
                    }
                    expected.entry(name).or_default();
                    if let Some(run) = run {
                        for count in expected.values_mut().flat_map(BTreeMap::values_mut) {
                            if let Some(is_back) = count.lost.get_mut(&run) {
                                *is_back = true;
                            }
                        }
                    }
                    let options = ConsumerOptions {
                        redelivery_delay: if delays { DELAY } else { Duration::ZERO },
                        dead_letters: max_redeliveries.and_then(|it| dead_lettering(1, it).dead_letters),
                        run: run.map(RunId),
                        ..shared(prefetch)
                    };
                    let id = test.attach(name, &options);
                    let (got, begun) = (Vec::new(), BTreeSet::new());
                    peers.push(Peer { name, id, prefetch, max_redeliveries, run, got, begun });
                }
                Step::Detach { consumer } if !peers.is_empty() => {
                    let peer = peers.swap_remove(consumer.index(peers.len()));
                    test.detach(peer.name, peer.id);
                    let counts = expected.get_mut(peer.name).unwrap();
                    let mut dead = peer.got.clone();
                    let loss = peer.loss(&peers);
                    dead.retain(|&sequence| peer.returns(counts, sequence, loss));
                    dead.sort_unstable();
                    prop_assert_eq!(test.dead_letters(), dead);
                    let last = peers.iter().all(|other| other.name != peer.name);
                    if last && expected.len() == 1 && expected[peer.name].is_empty() {
                        expected.clear();
                    }
                }
                Step::Take { consumer } if !peers.is_empty() => {
                    let index = consumer.index(peers.len());
                    let (name, id) = (peers[index].name, peers[index].id);
                    for delivery in test.deliveries(name, id).unwrap() {
                        let sequence = delivery.message.sequence;
                        let told = expected[name].get(&sequence).map(|it| it.told(peers[index].run));
                        prop_assert_eq!(Some((delivery.redeliveries, delivery.begun)), told);
                        let mut others = peers.iter().filter(|peer| peer.name == name);
                        prop_assert!(others.clone().all(|it| !it.got.contains(&sequence)), "in flight");
                        let count = &expected[name][&sequence];
                        let runs_in_it = peers[index].still_runs(count);
                        prop_assert!(runs_in_it || !others.any(|it| it.still_runs(count)), "runs in another");
                        peers[index].got.push(sequence);
                    }
                    let peer = &peers[index];
                    // It has room for the messages on which it works, whatever else it has.
                    let others = peer.got.iter().filter(|it| !peer.still_runs(&expected[name][it]));
                    prop_assert!(others.count() <= peer.prefetch);
                }
                Step::Begin { consumer, message } if !peers.is_empty() => {
                    let index = consumer.index(peers.len());
                    let peer = &mut peers[index];
                    if !peer.got.is_empty() {
                        let sequence = peer.got[message.index(peer.got.len())];
                        let reports = peer.run.is_some();
                        prop_assert_eq!(test.begin(peer.name, peer.id, sequence), reports);
                        if reports {
                            peer.begun.insert(sequence);
                        }
                    }
                }
                Step::Acknowledge { consumer, message } if !peers.is_empty() => {
                    let index = consumer.index(peers.len());
                    let peer = &mut peers[index];
                    if !peer.got.is_empty() {
                        let sequence = peer.got.remove(message.index(peer.got.len()));
                        prop_assert!(test.acknowledge(peer.name, peer.id, sequence));
                        prop_assert!(!test.acknowledge(peer.name, peer.id, sequence));
                        expected.get_mut(peer.name).unwrap().remove(&sequence);
                        peer.begun.remove(&sequence);
                        acknowledged.insert(sequence);
                    }
                }
                Step::NegativeAcknowledge { consumer, message } if !peers.is_empty() => {
                    let index = consumer.index(peers.len());
                    let peer = &mut peers[index];
                    if !peer.got.is_empty() {
                        let sequence = peer.got.remove(message.index(peer.got.len()));
                        prop_assert!(test.negative_acknowledge(peer.name, peer.id, sequence));
                        let dead = peer.returns(expected.get_mut(peer.name).unwrap(), sequence, End::Returned);
                        peer.begun.remove(&sequence);
                        prop_assert_eq!(test.dead_letters().len(), usize::from(dead));
                    }
                }
                _ => {}
            }
            let names: Vec<_> = test.topic.subscriptions.keys().map(SubscriptionName::as_str).collect();
            prop_assert_eq!(names, expected.keys().copied().collect::<Vec<_>>());
            for (name, subscription) in &test.topic.subscriptions {
                prop_assert_eq!(subscription.backlog.messages, expected[name.as_str()].len());
            }
        }

        // One consumer of each name remains, and gets all expected messages in order.
        let readers: Vec<_> =
            expected.keys().map(|&name| (name, test.attach(name, &reporting(1000, READER)))).collect();
        while let Some(peer) = peers.pop() {
            test.detach(peer.name, peer.id);
            let loss = peer.loss(&peers);
            let counts = expected.get_mut(peer.name).unwrap();
            for &sequence in &peer.got {
                peer.returns(counts, sequence, loss);
            }
        }
        for (name, id) in readers {
            let mut got = BTreeMap::new();
            loop {
                let taken = test.deliveries(name, id).unwrap();
                if taken.is_empty() {
                    break;
                }
                for delivery in taken {
                    let sequence = delivery.message.sequence;
                    let told = (delivery.redeliveries, delivery.begun);
                    prop_assert!(got.insert(sequence, told).is_none(), "twice");
                    prop_assert!(test.acknowledge(name, id, sequence));
                }
            }
            let told = expected[name].iter().map(|(sequence, count)| (*sequence, count.told(Some(READER))));
            prop_assert_eq!(got, told.collect::<BTreeMap<_, _>>());
            let subscription = &test.topic.subscriptions[&super::test_topic::name(name)];
            prop_assert_eq!(subscription.backlog, BacklogSize::default());
            prop_assert_eq!(subscription.ready.size(), BacklogSize::default());
        }
        prop_assert_eq!(test.topic.unclaimed.size().messages, unclaimed.len());
    }
}
