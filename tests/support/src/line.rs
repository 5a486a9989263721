//! A line between programs and a broker, on which a test makes faults.
//!
//! It forwards the frames of WebSockets as they are, so it works with every broker. Without TLS it sees what
//! they are.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dasf::Address;
use fastrand::Rng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

mod frame;

use frame::{Frame, KINDS, Source};
pub use frame::{Kind, Way};

/// The frames on their way in one direction of a connection.
const ON_THE_WAY: usize = 1024;

/// How long a frame waits for the one that overtakes it.
const OVERTAKING: Duration = Duration::from_millis(20);

/// How long the last frames of a peer may take after the other one has ended.
const LAST_FRAMES: Duration = Duration::from_secs(1);

/// The header that asks for a link, and one of the same length that means nothing.
const LINK: &[u8] = b"dasf-link: 1";
const NO_LINK: &[u8] = b"dasf-none: 1";

/// Forwards the connections of programs to a broker.
#[derive(Debug)]
pub struct Line {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// Faults that happen by chance, each with a probability from 0 to 1 for a frame, and the pace of a bad
/// connection. A network does not lose frames inside a connection, but a faulty program between the peers
/// could. A message of a link in two frames has no faults by chance.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// The probability that a frame does not go on.
    pub drop: f64,
    /// The probability that a frame goes on twice.
    pub duplicate: f64,
    /// The probability that the next frame overtakes a frame.
    pub reorder: f64,
    /// How long each frame is on its way.
    pub delay: Duration,
    /// How many bytes go on in a second in each direction of a connection, if there is a limit.
    pub bytes_per_second: Option<u32>,
}

/// How many frames had a fault by chance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Made {
    /// Frames that did not go on.
    pub dropped: u64,
    /// Frames that went on twice.
    pub duplicated: u64,
    /// Frames that another one has overtaken.
    pub reordered: u64,
}

#[derive(Debug)]
struct Shared {
    broker: SocketAddr,
    /// Whether a program may have a link, if the broker offers one.
    offers_links: bool,
    kinds: [OfKind; KINDS],
    faults: Mutex<Faults>,
    random: Mutex<Rng>,
    dropped: AtomicU64,
    duplicated: AtomicU64,
    reordered: AtomicU64,
    /// Whether new connections are refused.
    is_closed: AtomicBool,
    /// The number of refused connections.
    refused: watch::Sender<usize>,
    connections: Mutex<Connections>,
    /// The number of connections.
    open: watch::Sender<usize>,
}

/// What happens to the frames of a kind.
#[derive(Debug, Default)]
struct OfKind {
    is_dropped: AtomicBool,
    passed: watch::Sender<usize>,
    dropped: watch::Sender<usize>,
}

/// Connections that end together.
#[derive(Debug, Default)]
struct Connections {
    end: watch::Sender<Option<End>>,
    silence: Arc<Silence>,
    tasks: JoinSet<()>,
}

/// How the line ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The program reads all that went on before.
    Cut,
    /// What is on its way is lost.
    Reset,
}

/// Whether nothing passes in a direction, although the connection is open.
#[derive(Debug, Default)]
struct Silence {
    to_broker: AtomicBool,
    from_broker: AtomicBool,
}

impl Silence {
    fn of(&self, way: Way) -> &AtomicBool {
        match way {
            Way::ToBroker => &self.to_broker,
            Way::FromBroker => &self.from_broker,
        }
    }
}

impl Line {
    /// Starts a line to the broker on a socket.
    pub async fn start(broker: SocketAddr) -> Self {
        Self::with_seed(broker, true, 0).await
    }

    /// Starts a line on which each topic has its own WebSocket.
    pub async fn without_links(broker: SocketAddr) -> Self {
        Self::with_seed(broker, false, 0).await
    }

    /// Starts a line whose faults by chance follow from a seed.
    pub async fn with_seed(broker: SocketAddr, offers_links: bool, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            broker,
            offers_links,
            kinds: Default::default(),
            faults: Mutex::default(),
            random: Mutex::new(Rng::with_seed(seed)),
            dropped: AtomicU64::new(0),
            duplicated: AtomicU64::new(0),
            reordered: AtomicU64::new(0),
            is_closed: AtomicBool::new(false),
            refused: watch::Sender::new(0),
            connections: Mutex::default(),
            open: watch::Sender::new(0),
        });
        let accepting = Arc::downgrade(&shared);
        tokio::spawn(async move {
            while let Ok((program, _)) = listener.accept().await {
                let Some(shared) = accepting.upgrade() else {
                    return;
                };
                if shared.is_closed.load(Ordering::SeqCst) {
                    shared.refused.send_modify(|count| *count += 1);
                    continue;
                }
                let mut connections = lock(&shared.connections);
                let end = connections.end.subscribe();
                let silence = Arc::clone(&connections.silence);
                let connection = forward(program, Arc::clone(&shared), end, silence);
                connections.tasks.spawn(connection);
            }
        });
        Self { address, shared }
    }

    /// Returns the base URL for programs.
    pub fn url(&self) -> String {
        format!("ws://{}/ws", self.address)
    }

    /// Returns the port for programs, on this computer.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Returns the address for programs at an MQTT broker.
    pub fn mqtt_address(&self) -> Address {
        Address::mqtt(&format!("ws://{}/mqtt", self.address)).unwrap()
    }

    /// Drops the frames of a kind from now on.
    pub fn drop_frames(&self, kind: Kind) {
        self.of(kind).is_dropped.store(true, Ordering::SeqCst);
    }

    /// Returns how many frames of a kind went on, and changes with each.
    pub fn passed(&self, kind: Kind) -> watch::Receiver<usize> {
        self.of(kind).passed.subscribe()
    }

    /// Returns how many frames of a kind went on.
    pub fn count(&self, kind: Kind) -> usize {
        *self.passed(kind).borrow()
    }

    /// Returns how many frames of a kind were dropped, and changes with each.
    pub fn dropped(&self, kind: Kind) -> watch::Receiver<usize> {
        self.of(kind).dropped.subscribe()
    }

    fn of(&self, kind: Kind) -> &OfKind {
        &self.shared.kinds[kind as usize]
    }

    /// Returns the number of connections, and changes with it.
    pub fn connections(&self) -> watch::Receiver<usize> {
        self.shared.open.subscribe()
    }

    /// Makes faults by chance from now on.
    pub fn set_faults(&self, faults: Faults) {
        *lock(&self.shared.faults) = faults;
    }

    /// Returns how many frames had a fault by chance.
    pub fn made(&self) -> Made {
        let count = |it: &AtomicU64| it.load(Ordering::Relaxed);
        Made {
            dropped: count(&self.shared.dropped),
            duplicated: count(&self.shared.duplicated),
            reordered: count(&self.shared.reordered),
        }
    }

    /// Cuts all connections. The programs have read all that went on before.
    pub async fn cut(&self) {
        self.end(End::Cut).await;
    }

    /// Breaks all connections off. What is on its way is lost.
    pub async fn reset(&self) {
        self.end(End::Reset).await;
    }

    /// Cuts all connections, and refuses new ones.
    pub async fn close(&self) {
        self.refuse();
        self.cut().await;
    }

    /// Refuses new connections. Returns how many were refused, which changes with each.
    pub fn refuse(&self) -> watch::Receiver<usize> {
        self.shared.is_closed.store(true, Ordering::SeqCst);
        self.shared.refused.subscribe()
    }

    async fn end(&self, end: End) {
        let connections = std::mem::take(&mut *lock(&self.shared.connections));
        connections.end.send_replace(Some(end));
        connections.tasks.join_all().await;
    }

    /// Lets nothing pass any more on the connections of now, which stay open. Later ones work.
    pub fn silence(&self) {
        self.swallow_in(&[Way::ToBroker, Way::FromBroker]);
    }

    /// Lets nothing pass in one direction on the connections of now, which stay open. Later ones work.
    pub fn swallow(&self, way: Way) {
        self.swallow_in(&[way]);
    }

    fn swallow_in(&self, ways: &[Way]) {
        // Later connections get another silence.
        let silence = std::mem::take(&mut lock(&self.shared.connections).silence);
        for way in ways {
            silence.of(*way).store(true, Ordering::SeqCst);
        }
    }

    /// Accepts connections again, and forwards everything at once.
    pub fn mend(&self) {
        for kind in &self.shared.kinds {
            kind.is_dropped.store(false, Ordering::SeqCst);
        }
        self.set_faults(Faults::default());
        self.shared.is_closed.store(false, Ordering::SeqCst);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // The tasks of the connections have their owner, and would keep it.
        drop(std::mem::take(&mut *lock(&self.shared.connections)));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What happens to a frame by chance.
enum Fate {
    Pass,
    Drop,
    Duplicate,
    Reorder,
}

impl Shared {
    fn fate(&self, faults: &Faults) -> Fate {
        let by_chance = [faults.drop, faults.duplicate, faults.reorder];
        if by_chance.iter().sum::<f64>() <= 0.0 {
            return Fate::Pass;
        }
        let mut number = lock(&self.random).f64();
        let fates = [
            (Fate::Drop, &self.dropped),
            (Fate::Duplicate, &self.duplicated),
            (Fate::Reorder, &self.reordered),
        ];
        for (probability, (fate, count)) in by_chance.into_iter().zip(fates) {
            if number < probability {
                count.fetch_add(1, Ordering::Relaxed);
                return fate;
            }
            number -= probability;
        }
        Fate::Pass
    }
}

/// Counts a connection.
struct Open(watch::Sender<usize>);

impl Open {
    fn new(count: &watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// Forwards a connection until it ends.
async fn forward(
    program: TcpStream,
    shared: Arc<Shared>,
    mut end: watch::Receiver<Option<End>>,
    silence: Arc<Silence>,
) {
    let _open = Open::new(&shared.open);
    let Ok(broker) = TcpStream::connect(shared.broker).await else {
        return;
    };
    // Otherwise small frames would wait for each other.
    for socket in [&program, &broker] {
        let _ = socket.set_nodelay(true);
    }
    let (from_program, mut to_program) = program.into_split();
    let (from_broker, mut to_broker) = broker.into_split();
    let (mut from_program, mut from_broker) = (Source::new(from_program), Source::new(from_broker));
    let passing = async {
        let Some(mut request) = from_program.head().await else {
            return;
        };
        let question = request.windows(LINK.len()).position(|it| it == LINK);
        if let Some(start) = question.filter(|_| !shared.offers_links) {
            request[start..start + LINK.len()].copy_from_slice(NO_LINK);
        }
        let is_mqtt = request.windows(6).any(|it| it == b": mqtt");
        if to_broker.write_all(&request).await.is_err() {
            return;
        }
        let Some(answer) = from_broker.head().await else {
            return;
        };
        if to_program.write_all(&answer).await.is_err() {
            return;
        }
        let direction = |way| Direction {
            way,
            is_mqtt,
            shared: &shared,
            silence: &silence,
        };
        let (up, down) = (direction(Way::ToBroker), direction(Way::FromBroker));
        let mut up = pin!(up.forward(&mut from_program, &mut to_broker));
        let mut down = pin!(down.forward(&mut from_broker, &mut to_program));
        // What a peer has sent before its end still arrives.
        let _ = tokio::select! {
            () = &mut up => timeout(LAST_FRAMES, down).await,
            () = &mut down => timeout(LAST_FRAMES, up).await,
        };
    };
    let ended = async {
        end.wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|end| *end)
    };
    let end = tokio::select! {
        () = passing => return,
        end = ended => end,
    };
    match end {
        Some(End::Reset) => {
            for socket in [to_program.as_ref(), to_broker.as_ref()] {
                let _ = socket.set_zero_linger();
            }
            // A drop would close them in order.
            to_program.forget();
            to_broker.forget();
        }
        // If the socket closed with frames of the program in it, the program would lose frames that it has not
        // read.
        _ => {
            let mut unread = [0; 4096];
            if to_program.shutdown().await.is_ok() {
                while let Ok(1..) = from_program.reader.read(&mut unread).await {}
            }
        }
    }
}

/// One direction of a connection.
struct Direction<'a> {
    way: Way,
    is_mqtt: bool,
    shared: &'a Shared,
    silence: &'a Silence,
}

impl Direction<'_> {
    /// Forwards frames until one of the ends is gone.
    async fn forward(&self, source: &mut Source, target: &mut OwnedWriteHalf) {
        let (queue, frames) = mpsc::channel(ON_THE_WAY);
        let reading = async move {
            while let Some(frame) = source.frame().await {
                if queue.send((Instant::now(), frame)).await.is_err() {
                    return;
                }
            }
        };
        // The frames that were read go on after the end of the source.
        tokio::join!(reading, self.write(frames, target));
    }

    async fn write(
        &self,
        mut frames: mpsc::Receiver<(Instant, Frame)>,
        target: &mut OwnedWriteHalf,
    ) {
        let mut overtaken: Option<Frame> = None;
        // Whether the next frame belongs to the message of the last one.
        let mut goes_on = false;
        loop {
            let next = match &overtaken {
                None => frames.recv().await,
                Some(_) => timeout(OVERTAKING, frames.recv()).await.unwrap_or_default(),
            };
            let Some((came, frame)) = next else {
                let Some(frame) = overtaken.take() else { break };
                if !self.pass(&frame, target).await {
                    break;
                }
                continue;
            };
            let faults = *lock(&self.shared.faults);
            sleep_until(came + faults.delay).await;
            if let Some(rate) = faults.bytes_per_second {
                let size = u32::try_from(frame.bytes.len()).unwrap();
                let takes = f64::from(size) / f64::from(rate);
                tokio::time::sleep(Duration::from_secs_f64(takes)).await;
            }
            let is_part = self.is_part(&frame, &mut goes_on);
            if is_part
                && let Some(frame) = overtaken.take()
                && !self.pass(&frame, target).await
            {
                break;
            }
            let fate = match frame.is_message() && !is_part {
                true => self.shared.fate(&faults),
                false => Fate::Pass,
            };
            let is_there = match fate {
                Fate::Drop => true,
                Fate::Reorder if overtaken.is_none() => {
                    overtaken = Some(frame);
                    continue;
                }
                Fate::Duplicate => {
                    self.pass(&frame, target).await && self.pass(&frame, target).await
                }
                Fate::Pass | Fate::Reorder => self.pass(&frame, target).await,
            };
            let is_there = is_there
                && match overtaken.take() {
                    Some(frame) => self.pass(&frame, target).await,
                    None => true,
                };
            if !is_there {
                break;
            }
        }
        if self.silence.of(self.way).load(Ordering::SeqCst) {
            // A silent peer does not close its connection.
            std::future::pending::<()>().await;
        }
        let _ = target.shutdown().await;
    }

    /// Returns whether a frame is one of two of a message. They stay together, because the second one says nothing
    /// of the first. `goes_on` is whether the next frame is the second one.
    fn is_part(&self, frame: &Frame, goes_on: &mut bool) -> bool {
        if self.is_mqtt || !frame.is_message() {
            return false;
        }
        let is_second = std::mem::take(goes_on);
        *goes_on = !is_second && frame.goes_on();
        is_second || *goes_on
    }

    /// Writes a frame, unless frames of its kind do not go on. Returns whether the target is still there.
    async fn pass(&self, frame: &Frame, target: &mut OwnedWriteHalf) -> bool {
        if self.silence.of(self.way).load(Ordering::SeqCst) {
            return true;
        }
        let kind = frame.kind(self.way, self.is_mqtt);
        let OfKind {
            is_dropped,
            passed,
            dropped,
        } = &self.shared.kinds[kind as usize];
        if is_dropped.load(Ordering::SeqCst) {
            dropped.send_modify(|count| *count += 1);
            return true;
        }
        let is_written = target.write_all(&frame.bytes).await.is_ok();
        passed.send_modify(|count| *count += 1);
        is_written
    }
}
