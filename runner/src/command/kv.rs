//! `whitewater kv`: talks to a cluster of the bundled server from a terminal.
//!
//! Exit codes: 0 done; 1 the cas found another value, or the key is absent; 2 the call is wrong; 3 the
//! outcome is unknown; 4 no node could take it. Values go to stdout as they are, everything else to
//! stderr.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use comfy_table::Table;
use whitewater_client::{CallError, Caller, Change, NodeStatus, Wish, Written};
use whitewater_server::Tls;

use super::server::{parse_duration, tls_files};
use crate::exit::{Exit, Refusal};
use crate::invocation::command;
use crate::progress::{print, print_error};
use crate::sentence;

/// Where `whitewater cluster` puts its nodes.
const DEFAULT_ENDPOINTS: &str =
    "127.0.0.1:7101,127.0.0.1:7102,127.0.0.1:7103,127.0.0.1:7104,127.0.0.1:7105";

/// Between two looks at who leads.
const WATCH_PAUSE: Duration = Duration::from_millis(100);

/// Arguments of `kv`.
#[derive(Debug, clap::Args)]
pub(crate) struct KvArguments {
    /// Nodes of the cluster; any of them will do, it names the leader
    #[arg(
        long,
        global = true,
        value_name = "HOST:PORT,...",
        value_delimiter = ',',
        default_value = DEFAULT_ENDPOINTS,
        env = "WHITEWATER_ENDPOINTS",
        value_parser = parse_endpoint
    )]
    endpoints: Vec<String>,
    /// How long to try
    #[arg(long, global = true, value_name = "TIME", default_value = "5s", value_parser = parse_duration)]
    timeout: Duration,
    /// The own certificate in PEM form, where the cluster speaks TLS
    #[arg(long, global = true, value_name = "FILE", requires_all = ["tls_key", "tls_ca"])]
    tls_cert: Option<PathBuf>,
    /// The private key of --tls-cert
    #[arg(long, global = true, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// The certificate of the CA that signed the nodes' certificates
    #[arg(long, global = true, value_name = "FILE", requires = "tls_cert")]
    tls_ca: Option<PathBuf>,
    #[command(subcommand)]
    request: Request,
}

#[derive(Debug, clap::Subcommand)]
enum Request {
    /// Set a key
    Put {
        /// The key
        key: String,
        /// What to set
        value: String,
    },
    /// Print a key's value, as of now (linearizable); exit code 1 if it is absent
    Get {
        /// The key
        key: String,
    },
    /// Remove a key
    Delete {
        /// The key
        key: String,
    },
    /// Set a key if it has the expected value; exit code 1 and the value seen if it has not
    #[command(group = clap::ArgGroup::new("expectation").required(true))]
    Cas {
        /// The key
        key: String,
        /// What to set
        value: String,
        /// The value it must have
        #[arg(long, value_name = "VALUE", group = "expectation")]
        expect: Option<String>,
        /// It must be absent
        #[arg(long, group = "expectation")]
        expect_absent: bool,
    },
    /// Add text to the end of a key's value
    Append {
        /// The key
        key: String,
        /// What to add
        suffix: String,
    },
    /// Show what each node says of itself
    Status {
        /// One JSON object a node
        #[arg(long)]
        json: bool,
    },
    /// Print a line whenever the leader changes, until Ctrl-C
    WatchLeader,
    /// Hand leadership over, to a node or to the most up-to-date one
    Transfer {
        /// The node to lead
        node: Option<u32>,
    },
    /// Change the members, one at a time
    #[command(subcommand)]
    Member(Member),
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Member {
    /// Add a node that receives the log and does not vote; start it with `server --join`
    Add {
        /// Its number
        node: u32,
        /// Where it is reached
        #[arg(value_name = "HOST:PORT")]
        address: String,
    },
    /// Make a node that was added a voter
    Promote {
        /// Its number
        node: u32,
    },
    /// Remove a node
    Remove {
        /// Its number
        node: u32,
    },
}

fn parse_endpoint(text: &str) -> Result<String, String> {
    let wrong = || "expected a host and a port such as 127.0.0.1:7101".to_owned();
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    match port.parse::<u16>() {
        Ok(1..) if !host.is_empty() => Ok(text.to_owned()),
        _ => Err(wrong()),
    }
}

/// Sends one request and prints its answer.
pub(crate) fn run(arguments: KvArguments) -> Result<Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut caller = Caller::new(arguments.endpoints, arguments.timeout);
    if let Some(files) = tls_files(arguments.tls_cert, arguments.tls_key, arguments.tls_ca) {
        let tls = Tls::load(&files).map_err(|error| Refusal::Usage(error.to_string()))?;
        caller = caller.over(Box::new(move |address| tls.endpoint(address)));
    }
    match runtime.block_on(carry_out(&mut caller, arguments.request)) {
        Ok(exit) => Ok(exit),
        Err(error) => match error.downcast_ref::<CallError>() {
            None => Err(error),
            Some(refused) => {
                print_error(&format!("error: {}", told(refused)));
                Ok(match refused {
                    CallError::Refused(_) => Exit::Usage,
                    CallError::Unreachable { .. } => Exit::Environment,
                    CallError::Unknown(_) => Exit::Undecided,
                })
            }
        },
    }
}

async fn carry_out(caller: &mut Caller, request: Request) -> Result<Exit> {
    match request {
        Request::Get { key } => match caller.get(&key).await? {
            Some(value) => print_value(&value),
            None => {
                print_error(&format!("{key}: absent"));
                Ok(Exit::Violation)
            }
        },
        Request::Put { key, value } => write(caller, &key, Change::Put(value.into())).await,
        Request::Delete { key } => write(caller, &key, Change::Delete).await,
        Request::Append { key, suffix } => write(caller, &key, Change::Append(suffix.into())).await,
        Request::Cas { key, value, expect, expect_absent: _ } => {
            let change = Change::Cas { expected: expect.map(Bytes::from), new: value.into() };
            write(caller, &key, change).await
        }
        Request::Status { json } => status(caller, json).await,
        Request::WatchLeader => watch_leader(caller).await,
        Request::Transfer { node } => {
            caller.wish(Wish::Transfer(node), "").await?;
            print_error("the leader hands over");
            Ok(Exit::Pass)
        }
        Request::Member(member) => {
            let (wish, address) = match member {
                Member::Add { node, address } => (Wish::AddLearner(node), address),
                Member::Promote { node } => (Wish::Promote(node), String::new()),
                Member::Remove { node } => (Wish::Remove(node), String::new()),
            };
            caller.wish(wish, &address).await?;
            print_error("done");
            Ok(Exit::Pass)
        }
    }
}

async fn write(caller: &mut Caller, key: &str, change: Change) -> Result<Exit> {
    match caller.write(key, change).await? {
        Written::Done => {
            print_error(&format!("{key}: done"));
            Ok(Exit::Pass)
        }
        Written::Mismatch(seen) => {
            let seen = seen.map_or_else(
                || "it is absent".to_owned(),
                |seen| format!("it is {:?}", String::from_utf8_lossy(&seen)),
            );
            print_error(&format!("{key}: not changed, {seen}"));
            Ok(Exit::Violation)
        }
    }
}

fn print_value(value: &[u8]) -> Result<Exit> {
    let mut out = std::io::stdout().lock();
    out.write_all(value).and_then(|()| out.write_all(b"\n")).context("write to stdout")?;
    Ok(Exit::Pass)
}

async fn status(caller: &mut Caller, json: bool) -> Result<Exit> {
    let statuses = caller.statuses().await;
    let is_answered = statuses.iter().any(|(_, report)| report.is_ok());
    if json {
        for (endpoint, status) in &statuses {
            let line = match status {
                Ok(status) => serde_json::to_string(&StatusLine { endpoint, status })?,
                Err(error) => {
                    serde_json::json!({ "endpoint": endpoint, "error": error }).to_string()
                }
            };
            print(&format!("{line}\n"));
        }
    } else {
        print(&format!("{}\n", table(&statuses)));
        for (endpoint, report) in &statuses {
            if let Err(error) = report {
                let error = sentence::plain(error);
                print_error(&error_of(endpoint, &error));
            }
        }
    }
    Ok(if is_answered { Exit::Pass } else { Exit::Environment })
}

/// A node's status as one line of JSON.
#[derive(serde::Serialize)]
struct StatusLine<'a> {
    endpoint: &'a str,
    #[serde(flatten)]
    status: &'a NodeStatus,
}

/// `127.0.0.1:7101: nothing listens there`, whether or not the error names the address.
fn error_of(endpoint: &str, error: &str) -> String {
    let error = error.trim_start_matches(&format!("connect to {endpoint}: "));
    format!("{endpoint}: {error}")
}

/// A failed call in one sentence.
fn told(refused: &CallError) -> String {
    let told = sentence::plain(&refused.to_string());
    match refused {
        CallError::Refused(_) => told,
        CallError::Unreachable { .. } => {
            let start = command(["cluster"]);
            format!("{told}; name a cluster's nodes with --endpoints, or start one: `{start}`")
        }
        CallError::Unknown(_) => format!("{told}; `kv get` shows what is there now"),
    }
}

fn table(statuses: &[(String, Result<NodeStatus, String>)]) -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_header([
        "node", "address", "role", "term", "leader", "commit", "applied", "last", "snapshot",
        "state", "boot", "mutant",
    ]);
    for (endpoint, report) in statuses {
        match report {
            Ok(node) => table.add_row([
                format!("n{}", node.node),
                endpoint.clone(),
                node.role.clone(),
                node.term.to_string(),
                node.leader.map_or_else(|| "-".into(), |leader| format!("n{leader}")),
                node.commit.to_string(),
                node.applied.to_string(),
                node.last_index.to_string(),
                node.snapshot_index.to_string(),
                node.state_hash.clone().unwrap_or_default(),
                node.boot.to_string(),
                node.mutant.clone(),
            ]),
            Err(_) => table.add_row(["-", endpoint, "no answer"]),
        };
    }
    table
}

async fn watch_leader(caller: &mut Caller) -> Result<Exit> {
    let mut known = None;
    loop {
        let statuses = caller.statuses().await.into_iter();
        let answers = statuses.filter_map(|(endpoint, status)| Some((endpoint, status.ok()?)));
        let newest = answers.filter(|(_, node)| node.is_leader()).max_by_key(|(_, node)| node.term);
        let leader = newest.map(|(endpoint, node)| (node.term, node.node, endpoint));
        if leader != known {
            let time = jiff::Timestamp::now().strftime("%H:%M:%S%.3f");
            match &leader {
                Some((term, node, endpoint)) => {
                    print(&format!("{time}  term {term}: n{node} leads, {endpoint}\n"));
                }
                None => print(&format!("{time}  nobody leads\n")),
            }
            known = leader;
        }
        tokio::select! {
            _ = tokio::signal::ctrl_c() => return Ok(Exit::Pass),
            () = tokio::time::sleep(WATCH_PAUSE) => {}
        }
    }
}
