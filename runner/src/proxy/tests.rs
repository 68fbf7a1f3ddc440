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
        let nodes = BTreeMap::from([(1, listener.local_addr().unwrap())]);
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
async fn a_connection_made_during_a_block_stalls_and_is_reset_by_the_heal() {
    let mut bench = Bench::new().await;
    bench.set(A, B, Rule::Block);
    let mut stream = bench.connect().await;
    stream.write_all(&[9]).await.unwrap();
    bench
        .until("a stalled connection", |bench| bench.counters(A, B).connections_blocked == 1)
        .await;
    bench.until("its byte swallowed", |bench| bench.counters(A, B).bytes_blocked == 1).await;
    bench.network.heal();
    let mut answer = [0];
    assert!(tokio::time::timeout(DEADLINE, stream.read(&mut answer)).await.unwrap().is_err());
    assert!(bench.received.try_recv().is_err(), "the server never saw it");
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
    bench.set(A, B, Rule::Delay { delay, jitter: Duration::from_millis(5) });
    let mut stream = bench.connect().await;
    let start = std::time::Instant::now();
    for byte in 0..3 {
        assert_eq!(echo(&mut stream, byte).await.unwrap(), byte);
    }
    assert!(start.elapsed() >= 3 * delay, "{:?}", start.elapsed());
    bench.set(A, B, Rule::Rate { bytes_per_s: 1000 });
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
    let nodes = BTreeMap::from([(1, listener.local_addr().unwrap())]);
    drop(listener);
    let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let network = Network::open(ip, &nodes, 1, Dice::new(1, 0)).await.unwrap();
    let mut stream = TcpStream::connect(network.address(A, 1).unwrap()).await.unwrap();
    let mut answer = [0];
    let read = tokio::time::timeout(DEADLINE, stream.read(&mut answer)).await.unwrap();
    assert!(read.is_err(), "{read:?}");
}
