//! Whether a node is ready, as its target says that this is seen.

use std::time::Duration;

use regex::Regex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{NodeSetup, Readiness};

/// One look takes at most this.
const LOOK: Duration = Duration::from_millis(500);
/// The beginning of an answer by HTTP, which has its status.
const STATUS_LINE_BYTES: usize = 64;

impl Readiness {
    /// Looks once.
    ///
    /// # Errors
    /// What was seen instead, in words.
    pub async fn look(&self, node: &NodeSetup) -> Result<(), String> {
        match self {
            Readiness::Listens => listens(node).await.map(|_| ()),
            Readiness::Logs(wanted) => logs(wanted, node).await,
            Readiness::Answers { path, status } => answers(path, *status, node).await,
        }
    }
}

async fn listens(node: &NodeSetup) -> Result<TcpStream, String> {
    let address = node.place().clients();
    match timeout(LOOK, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(format!("connect to {address}: {error}")),
        Err(_) => Err(format!("connect to {address}: no answer within {LOOK:?}")),
    }
}

async fn logs(wanted: &str, node: &NodeSetup) -> Result<(), String> {
    let regex = Regex::new(wanted).map_err(|error| error.to_string())?;
    let text = tokio::fs::read(&node.log).await.unwrap_or_default();
    match String::from_utf8_lossy(&text).lines().any(|line| regex.is_match(line)) {
        true => Ok(()),
        false => Err(format!("no line of {} is like `{wanted}`", node.log.display())),
    }
}

async fn answers(path: &str, status: u16, node: &NodeSetup) -> Result<(), String> {
    let mut stream = listens(node).await?;
    let host = node.place().clients();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    let exchange = async {
        stream.write_all(request.as_bytes()).await?;
        let mut start = [0; STATUS_LINE_BYTES];
        let mut length = 0;
        while length < start.len() && !start[..length].contains(&b'\n') {
            match stream.read(&mut start[length..]).await? {
                0 => break,
                more => length += more,
            }
        }
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&start[..length]).into_owned())
    };
    let line = match timeout(LOOK, exchange).await {
        Ok(Ok(text)) => text.lines().next().unwrap_or_default().to_owned(),
        Ok(Err(error)) => return Err(format!("GET {path}: {error}")),
        Err(_) => return Err(format!("GET {path}: no answer within {LOOK:?}")),
    };
    match line.split_whitespace().nth(1) == Some(status.to_string().as_str()) {
        true => Ok(()),
        false => Err(format!("GET {path} was answered with “{line}”, not with {status}")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use tokio::net::TcpListener;

    use super::*;
    use crate::Place;

    fn node(port: u16, log: &std::path::Path) -> NodeSetup {
        let host = "127.0.0.1".parse().unwrap();
        let place = Place { host, ports: vec![("http".into(), port)] };
        NodeSetup {
            number: 1,
            cluster_id: "c".into(),
            places: Arc::new(BTreeMap::from([(1, place)])),
            peers: BTreeMap::new(),
            data_dir: "d".into(),
            trace: "t".into(),
            log: log.into(),
            journal: None,
            joins: false,
            is_first_start: true,
        }
    }

    #[tokio::test]
    async fn a_node_is_ready_when_what_was_asked_for_is_seen_and_says_what_is_seen_instead() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let node = node(listener.local_addr().unwrap().port(), &log);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 512];
                let length = stream.read(&mut request).await.unwrap_or(0);
                let is_health = request[..length].starts_with(b"GET /health ");
                let line = if is_health { "HTTP/1.1 200 OK" } else { "HTTP/1.1 503 Busy" };
                let _ = stream.write_all(format!("{line}\r\n\r\n").as_bytes()).await;
            }
        });
        Readiness::Listens.look(&node).await.unwrap();
        let answers = |path: &str| Readiness::Answers { path: path.into(), status: 200 };
        answers("/health").look(&node).await.unwrap();
        let error = answers("/other").look(&node).await.unwrap_err();
        assert!(error.contains("HTTP/1.1 503 Busy"), "{error}");
        let logs = Readiness::Logs("^ready on [0-9]+$".into());
        assert!(logs.look(&node).await.unwrap_err().contains("no line of"));
        std::fs::write(&log, "starting\nready on 7\n").unwrap();
        logs.look(&node).await.unwrap();
    }

    #[tokio::test]
    async fn nobody_listens_is_said_with_the_address() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let node = node(listener.local_addr().unwrap().port(), "log".as_ref());
        drop(listener);
        let error = Readiness::Listens.look(&node).await.unwrap_err();
        assert!(error.contains("connect to 127.0.0.1:"), "{error}");
    }
}
