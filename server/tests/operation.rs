//! What an operator sees: TLS, metrics, overload, session expiry, and the refusals at start.

#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

mod harness;

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use harness::{Cluster, append, put, wait_for, write};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use whitewater_client::{CallError, Caller, Change};
use whitewater_proto::kv;
use whitewater_server::{Config, ServeError, Tls, TlsFiles, serve, serve_on};

/// A CA in a folder, and certificates that it signs.
struct Authority {
    folder: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Authority {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = params.self_signed(&key).unwrap();
        std::fs::write(folder.path().join("ca.pem"), ca.pem()).unwrap();
        Authority { folder, issuer: Issuer::new(params, key) }
    }

    fn files(&self, name: &str) -> TlsFiles {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        let path = |end: &str| self.folder.path().join(format!("{name}{end}"));
        std::fs::write(path(".pem"), cert.pem()).unwrap();
        std::fs::write(path(".key"), key.serialize_pem()).unwrap();
        TlsFiles { cert: path(".pem"), key: path(".key"), ca: self.folder.path().join("ca.pem") }
    }
}

#[tokio::test]
async fn a_cluster_speaks_tls_and_refuses_who_has_no_certificate_of_its_ca() {
    let authority = Authority::new();
    let stranger = Authority::new();
    let listeners: Vec<_> = (1..=3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let addresses: Vec<_> = listeners.iter().map(|it| it.local_addr().unwrap()).collect();
    let folder = tempfile::tempdir().unwrap();
    let mut nodes = tokio::task::JoinSet::new();
    for (id, listener) in (1..).zip(listeners) {
        let own = listener.local_addr().unwrap();
        let data = folder.path().join(format!("n{id}"));
        let mut config = Config::new(id, "tls", own, data);
        config.peers = (1..)
            .zip(&addresses)
            .filter(|(peer, _)| *peer != id)
            .map(|(peer, address)| (peer, address.to_string()))
            .collect();
        config.tls = Some(authority.files(&format!("n{id}")));
        nodes.spawn(serve_on(config, listener, std::future::pending()));
    }
    let endpoints: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    let caller = |patience| Caller::new(endpoints.clone(), patience);
    let over = |files: &TlsFiles, patience| {
        let tls = Tls::load(files).unwrap();
        caller(patience).over(Box::new(move |address| tls.endpoint(address)))
    };
    let mut friend = over(&authority.files("client"), harness::PATIENCE);
    friend.write("k", Change::Put("1".into())).await.unwrap();
    assert_eq!(friend.get("k").await.unwrap().unwrap(), "1");

    let patience = Duration::from_millis(300);
    let mut plain = caller(patience);
    assert!(matches!(plain.get("k").await, Err(CallError::Unreachable { .. })));
    let mut foreign = TlsFiles { ca: authority.files("x").ca, ..stranger.files("client") };
    let mut wrong = over(&foreign, patience);
    assert!(matches!(wrong.get("k").await, Err(CallError::Unreachable { .. })));
    // The client refuses a server of another CA as well.
    foreign = TlsFiles { ca: stranger.files("x").ca, ..authority.files("client") };
    let mut wrong = over(&foreign, patience);
    let error = wrong.get("k").await.unwrap_err().to_string();
    assert!(error.contains("certificate"), "{error}");
}

#[tokio::test]
async fn certificates_that_are_none_are_named_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cert.pem");
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut config = Config::new(1, "c", address, folder.path().join("n1"));
    config.tls = Some(TlsFiles { cert: path.clone(), key: path.clone(), ca: path });
    let error = serve(config, std::future::pending()).await.unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains("cert.pem"), "{error}");
}

async fn scrape(address: &str) -> Option<String> {
    let mut stream = tokio::net::TcpStream::connect(address).await.ok()?;
    let request = "GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await.ok()?;
    Some(text)
}

#[tokio::test]
async fn metrics_tell_what_the_node_does() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::new(1, "c", address, folder.path().join("n1"));
    config.metrics = Some(free);
    let node = tokio::spawn(serve_on(config, listener, std::future::pending()));
    let mut caller = Caller::new(vec![address.to_string()], harness::PATIENCE);
    caller.write("k", Change::Put("1".into())).await.unwrap();
    let text = wait_for("metrics", async || scrape(&free.to_string()).await).await;
    for line in [
        "whitewater_is_leader 1",
        "whitewater_term 1",
        "whitewater_answers_total{outcome=\"Done\"}",
        "whitewater_flush_seconds_count",
        "# EOF",
    ] {
        assert!(text.contains(line), "{line} is missing in {text}");
    }
    node.abort();
}

#[tokio::test]
async fn an_idle_session_expires_and_says_so() {
    let cluster = Cluster::start(1, |config| config.session_expiry = Duration::from_millis(1));
    let idle = cluster.open_session().await;
    let error = wait_for("the session to expire", async || {
        // Log time moves with commands.
        cluster.put("other", "1").await;
        let request = kv::WriteRequest { session_id: idle, sequence: 1, ..write("k", append("x")) };
        cluster.write(1, request).await.err()
    })
    .await;
    assert!(error.contains("UnknownSession"), "{error}");
}

#[tokio::test]
async fn more_than_the_node_can_hold_is_refused_and_not_kept() {
    let mut cluster = Cluster::start(3, |config| config.waiting_max = 100);
    let leader = cluster.leader().await;
    for id in cluster.ids().into_iter().filter(|id| *id != leader) {
        cluster.kill(id);
    }
    // Without a quorum commands pile up until the bound, for as long as the leader does not step down.
    let client = cluster.kv(leader);
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..150 {
        let mut client = client.clone();
        let request = kv::WriteRequest { deadline_ms: 300, ..write("k", put("1")) };
        calls.spawn(async move { client.write(request).await });
    }
    let mut kinds = std::collections::BTreeMap::<_, usize>::new();
    while let Some(reply) = calls.join_next().await {
        let reply = reply.unwrap().unwrap().into_inner();
        let Some(kv::write_reply::Outcome::Failure(failure)) = reply.outcome else {
            panic!("a write succeeded without a quorum")
        };
        *kinds.entry((failure.kind().as_str_name(), failure.indefinite)).or_default() += 1;
    }
    assert!(kinds.contains_key(&("OVERLOADED", false)), "{kinds:?}");
    assert!(!kinds.contains_key(&("OVERLOADED", true)), "{kinds:?}");
}

#[tokio::test]
async fn a_damaged_log_stops_the_start_and_names_the_place() {
    let mut cluster = Cluster::start(1, |_| {});
    for value in 0..5 {
        cluster.put("k", &value.to_string()).await;
    }
    cluster.stop(1).await.unwrap();
    let segment = cluster.data_dir(1).join("0000000000000001.wal");
    flip(&segment, 120);
    let error = serve(cluster.config(1), std::future::pending()).await.unwrap_err();
    assert_eq!(error.exit_code(), 4);
    let text = error.to_string();
    assert!(text.contains("0000000000000001.wal is damaged at byte"), "{text}");
    assert!(text.contains("rejoin"), "{text}");
}

#[tokio::test]
async fn a_data_directory_of_another_cluster_is_refused() {
    let mut cluster = Cluster::start(1, |_| {});
    cluster.leader().await;
    cluster.stop(1).await.unwrap();
    let config = Config { cluster_id: "other".into(), ..cluster.config(1) };
    let error = serve(config, std::future::pending()).await.unwrap_err();
    assert!(matches!(error, ServeError::Storage(_)));
    assert!(error.to_string().contains("belongs to node 1 of cluster \"test\""), "{error}");
}

fn flip(path: &Path, offset: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[offset] ^= 1;
    std::fs::write(path, bytes).unwrap();
}
