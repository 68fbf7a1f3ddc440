//! Partitions must not leak, must heal, and must show their effect: checked with real sockets.

use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::*;

const DEADLINE: Duration = Duration::from_secs(5);
const A: Party = Party::Client(0);
const B: Party = Party::Node(1);

/// A server that reports each byte it receives and answers it, behind a proxy.
struct Bench {
    network: Network,
    received: mpsc::UnboundedReceiver<u8>,
}

impl Bench {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let nodes = BTreeMap::from([(1, vec![listener.local_addr().unwrap()])]);
        let (sender, received) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let sender = sender.clone();
                tokio::spawn(async move {
                    let mut byte = [0];
                    while stream.read_exact(&mut byte).await.is_ok() {
                        let _ = sender.send(byte[0]);
                        let _ = stream.write_all(&byte).await;
                    }
                });
            }
        });
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let network = Network::open(ip, &nodes, 1, Dice::new(1, 0)).await.unwrap();
        Self { network, received }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.network.address(A, 1).unwrap()).await.unwrap()
    }

    fn set(&self, from: Party, to: Party, rule: Rule) {
        self.network.direction(from, to).unwrap().set(rule);
    }

    fn counters(&self, from: Party, to: Party) -> Counters {
        self.network.direction(from, to).unwrap().counters()
    }

    /// Waits until `fact` holds.
    async fn until(&self, what: &str, fact: impl Fn(&Self) -> bool) {
        let waiting = async {
            while !fact(self) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(DEADLINE, waiting).await.unwrap_or_else(|_| panic!("awaited: {what}"));
    }
}

async fn echo(stream: &mut TcpStream, byte: u8) -> std::io::Result<u8> {
    stream.write_all(&[byte]).await?;
    let mut answer = [0];
    let read = tokio::time::timeout(DEADLINE, stream.read_exact(&mut answer));
    read.await.expect("an answer or an error was awaited")?;
    Ok(answer[0])
}

#[tokio::test]
async fn nothing_crosses_a_block_and_nothing_held_back_arrives_after_it() {
    let mut bench = Bench::new().await;
    let mut stream = bench.connect().await;
    assert_eq!(echo(&mut stream, 1).await.unwrap(), 1);
    assert_eq!(bench.received.recv().await, Some(1));

    bench.set(A, B, Rule::Block);
    stream.write_all(&[2; 100]).await.unwrap();
    bench.until("100 bytes blocked", |bench| bench.counters(A, B).bytes_blocked == 100).await;
    assert!(bench.counters(A, B).last_effect_ns > 0);
    bench.network.heal();

    let mut answer = [0];
    let read = tokio::time::timeout(DEADLINE, stream.read(&mut answer)).await.unwrap();
    assert!(read.is_err(), "the connection of the block must be reset, not go on: {read:?}");
    let mut fresh = bench.connect().await;
    assert_eq!(echo(&mut fresh, 3).await.unwrap(), 3);
    assert_eq!(bench.received.recv().await, Some(3), "no byte of the block may arrive");
}

#[tokio::test]
async fn a_busy_stream_stops_at_the_byte_where_the_block_begins() {
    let mut bench = Bench::new().await;
    let stream = bench.connect().await;
    let (mut answers, mut requests) = stream.into_split();
    let writer = tokio::spawn(async move { while requests.write_all(&[7; 512]).await.is_ok() {} });
    let reader = tokio::spawn(async move {
        let mut sink = [0; 4096];
        while matches!(answers.read(&mut sink).await, Ok(1..)) {}
    });
    bench.until("traffic", |bench| bench.counters(A, B).bytes_passed > 10_000).await;
    bench.set(A, B, Rule::Block);
    let passed = bench.counters(A, B).bytes_passed;
    bench.until("blocked bytes", |bench| bench.counters(A, B).bytes_blocked > 10_000).await;
    // The counter is updated just after the write, so the last write may still be counted.
    let after = bench.counters(A, B).bytes_passed;
    assert!(after - passed <= 32 * 1024, "{passed} bytes before, {after} after");
    bench.until("quiet", |bench| bench.counters(A, B).bytes_passed == after).await;
    bench.network.heal();
    writer.await.unwrap();
    reader.await.unwrap();
    let mut count = 0_u64;
    while bench.received.try_recv().is_ok() {
        count += 1;
    }
    assert!(count <= after, "{count} bytes arrived, only {after} were let through");
}

#[tokio::test]
async fn a_one_way_block_stops_answers_and_lets_requests_arrive() {
    let mut bench = Bench::new().await;
    let mut stream = bench.connect().await;
    echo(&mut stream, 1).await.unwrap();
    bench.received.recv().await;
    bench.set(B, A, Rule::Block);
    stream.write_all(&[2]).await.unwrap();
    assert_eq!(bench.received.recv().await, Some(2), "requests still arrive");
    bench.until("the answer blocked", |bench| bench.counters(B, A).bytes_blocked == 1).await;
    assert_eq!(bench.counters(A, B).bytes_blocked, 0);
}

#[tokio::test]
async fn an_attempt_during_a_block_is_lost_and_gets_through_by_itself_after_it() {
    for (from, to) in [(A, B), (B, A)] {
        let mut bench = Bench::new().await;
        bench.set(from, to, Rule::Block);
        // The first may still be accepted in the moment before the listener is deaf.
        let address = bench.network.address(A, 1).unwrap();
        let dials: Vec<_> = (0..3).map(|_| tokio::spawn(TcpStream::connect(address))).collect();
        bench.until("lost", |bench| bench.counters(from, to).connections_blocked >= 2).await;
        assert_eq!(bench.counters(to, from).connections_blocked, 0);
        let mut waiting: Vec<_> = dials.into_iter().filter(|dial| !dial.is_finished()).collect();
        bench.network.heal();
        let dial = waiting.pop().expect("at most the queue's one and an early one are connected");
        let connected = tokio::time::timeout(DEADLINE, dial).await.unwrap();
        assert_eq!(echo(&mut connected.unwrap().unwrap(), 7).await.unwrap(), 7);
        assert_eq!(bench.received.recv().await, Some(7));
    }
}

#[tokio::test]
async fn a_listener_that_was_deaf_has_its_whole_queue_back() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    let (forward, backward) = (Arc::new(Direction::default()), Arc::new(Direction::default()));
    deaf::until_healed(&listener, &Path { target, source: None, forward, backward }).await;
    let mut waiting = Vec::new();
    for _ in 0..64 {
        let dial = tokio::time::timeout(DEADLINE, TcpStream::connect(target));
        waiting.push(dial.await.expect("there is room for it in the queue").unwrap());
    }
}

#[tokio::test]
async fn a_connection_accepted_just_before_a_block_is_reset_by_the_heal() {
    let mut bench = Bench::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let near = listener.accept().await.unwrap().0;
    let direction = |from, to| bench.network.direction(from, to).unwrap().clone();
    let (forward, backward) = (direction(A, B), direction(B, A));
    let target = bench.network.nodes[&1][0];
    bench.set(A, B, Rule::Block);
    let path = Path { target, source: None, forward, backward };
    tokio::spawn(connection::carry(near, path, Dice::new(1, 0)));
    stream.write_all(&[9]).await.unwrap();
    bench.until("its byte swallowed", |bench| bench.counters(A, B).bytes_blocked == 1).await;
    assert_eq!(bench.counters(A, B).connections_blocked, 1);
    bench.network.heal();
    let mut answer = [0];
    assert!(tokio::time::timeout(DEADLINE, stream.read(&mut answer)).await.unwrap().is_err());
    assert!(bench.received.try_recv().is_err(), "the server never saw it");
}

#[tokio::test]
async fn a_thousand_blocks_and_heals_leak_neither_bytes_nor_descriptors() {
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let mut bench = Bench::new().await;
    let before = open();
    for cycle in 0..1000_u64 {
        let mut stream = bench.connect().await;
        assert_eq!(echo(&mut stream, 1).await.unwrap(), 1);
        assert_eq!(bench.received.recv().await, Some(1));
        bench.set(A, B, Rule::Block);
        let dial = tokio::spawn(TcpStream::connect(bench.network.address(A, 1).unwrap()));
        stream.write_all(&[2]).await.unwrap();
        bench.until("a byte", |bench| bench.counters(A, B).bytes_blocked > cycle).await;
        bench.network.heal();
        let mut answer = [0];
        let read = tokio::time::timeout(DEADLINE, stream.read(&mut answer)).await.unwrap();
        assert!(read.is_err(), "{read:?}");
        dial.abort();
        assert!(bench.received.try_recv().is_err(), "a byte of the block arrived in cycle {cycle}");
    }
    assert_eq!(bench.counters(A, B).bytes_blocked, 1000);
    // Other tests run beside this one, and open some of their own.
    let most = before + 300;
    bench.until("descriptors closed again", |_| open() < most).await;
}

#[tokio::test]
async fn a_node_has_one_rule_for_all_its_ports_and_is_called_from_the_callers_address() {
    let ips = [Ipv4Addr::new(127, 219, 4, 1), Ipv4Addr::new(127, 219, 4, 2)];
    let mut listeners = Vec::new();
    for _ in 0..2 {
        listeners.push(TcpListener::bind((ips[1], 0)).await.unwrap());
    }
    let two: Vec<SocketAddr> = listeners.iter().map(|it| it.local_addr().unwrap()).collect();
    let one = vec![SocketAddr::from((ips[0], 7100))];
    let nodes = BTreeMap::from([(1, one.clone()), (2, two.clone())]);
    let proxies = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let network = Network::open(proxies, &nodes, 1, Dice::new(1, 0)).await.unwrap();
    let (n1, n2) = (Party::Node(1), Party::Node(2));
    assert_eq!(network.address(n1, 2), network.proxy(n1, two[0]));
    assert_eq!(network.proxy(A, two[1]), None, "clients reach the first port alone");
    assert_eq!(network.proxy(n2, two[0]), None, "nobody needs a way to himself");
    assert!(network.proxy(n2, one[0]).is_some());
    for (listener, target) in listeners.iter().zip(&two) {
        let _stream = TcpStream::connect(network.proxy(n1, *target).unwrap()).await.unwrap();
        let (_, caller) = listener.accept().await.unwrap();
        assert_eq!(caller.ip(), IpAddr::V4(ips[0]));
    }
    let mut streams = Vec::new();
    for target in &two {
        streams.push(TcpStream::connect(network.proxy(n1, *target).unwrap()).await.unwrap());
    }
    let mut accepted = Vec::new();
    for listener in &listeners {
        accepted.push(listener.accept().await.unwrap());
    }
    network.direction(n1, n2).unwrap().set(Rule::Block);
    for stream in &mut streams {
        stream.write_all(&[1]).await.unwrap();
    }
    let counted = async {
        while network.direction(n1, n2).unwrap().counters().bytes_blocked < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(DEADLINE, counted).await.expect("a byte on each port is counted");
}

#[tokio::test]
async fn a_reset_rule_breaks_live_and_new_connections() {
    let bench = Bench::new().await;
    let mut stream = bench.connect().await;
    echo(&mut stream, 1).await.unwrap();
    bench.set(A, B, Rule::Reset);
    assert!(echo(&mut stream, 2).await.is_err());
    let mut fresh = bench.connect().await;
    assert!(echo(&mut fresh, 3).await.is_err());
    bench.network.heal();
    assert_eq!(echo(&mut bench.connect().await, 4).await.unwrap(), 4);
    assert!(bench.counters(A, B).connections_reset >= 2);
}

#[tokio::test]
async fn delay_and_rate_slow_bytes_without_losing_any() {
    let bench = Bench::new().await;
    let delay = Duration::from_millis(30);
    bench.set(A, B, Rule::late(delay, Duration::from_millis(5)));
    let mut stream = bench.connect().await;
    let start = std::time::Instant::now();
    for byte in 0..3 {
        assert_eq!(echo(&mut stream, byte).await.unwrap(), byte);
    }
    assert!(start.elapsed() >= 3 * delay, "{:?}", start.elapsed());
    bench.set(A, B, Rule::narrow(1000));
    let start = std::time::Instant::now();
    stream.write_all(&[5; 100]).await.unwrap();
    let mut answers = [0; 100];
    tokio::time::timeout(DEADLINE, stream.read_exact(&mut answers)).await.unwrap().unwrap();
    assert!(start.elapsed() >= Duration::from_millis(95), "{:?}", start.elapsed());
    assert_eq!(answers, [5; 100]);
    assert_eq!(bench.counters(A, B).bytes_slowed, 103);
}

#[tokio::test]
async fn a_dead_target_is_seen_as_a_reset_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nodes = BTreeMap::from([(1, vec![listener.local_addr().unwrap()])]);
    drop(listener);
    let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let network = Network::open(ip, &nodes, 1, Dice::new(1, 0)).await.unwrap();
    let mut stream = TcpStream::connect(network.address(A, 1).unwrap()).await.unwrap();
    let mut answer = [0];
    let read = tokio::time::timeout(DEADLINE, stream.read(&mut answer)).await.unwrap();
    assert!(read.is_err(), "{read:?}");
}
