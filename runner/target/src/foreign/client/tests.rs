//! Every protocol against servers and programs that answer well, badly, late, and not at all.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::description::read;
use crate::{Change, Client as _};

const TIME: Duration = Duration::from_secs(5);
const HTTP: &str = "[client.http]\nread = { get = '/kv/{key}', value = '/value' }\n\
                    write = { put = '/kv/{key}', body = '{value}' }\n\
                    cas = { post = '/cas/{key}', body = '{\"o\":{old|json},\"n\":{new|json}}', swapped = '/done', value = '/seen' }\n";

fn client(text: &str, addresses: &[SocketAddr]) -> ForeignClient {
    let text = format!("ports = ['http']\ncommand = 'x'\n{text}");
    let description = read("x.toml", &text, &|_| None).unwrap_or_else(|flaw| panic!("{flaw}"));
    let programs = Programs::beside(&std::env::temp_dir());
    let addresses = (1..).zip(addresses.iter().copied()).collect();
    ForeignClient::new(Arc::new(description), programs, &addresses, LeaderSeen::default())
}

fn get() -> Request {
    Request::Get { key: "k".into(), leader_only: false }
}

fn write(change: Change) -> Request {
    Request::Write { key: "k".into(), change, command: (0, 1) }
}

fn put() -> Request {
    write(Change::Put("7".into()))
}

fn cas() -> Request {
    write(Change::Cas { expected: Some("6".into()), new: "7".into() })
}

/// What a server does with each request that it reads.
#[derive(Clone, Copy)]
enum Does {
    /// Answers so, and keeps the connection.
    Says(&'static str),
    /// Answers so, and closes it.
    Leaves(&'static str),
    /// Nothing, ever.
    Hangs,
}

/// Serves HTTP with these deeds in turn, the last one for ever. Counts connections.
async fn served(deeds: &'static [Does]) -> (SocketAddr, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (connections, turns) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let counted = connections.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(serve(stream, deeds, turns.clone()));
        }
    });
    (address, connections)
}

async fn serve(stream: TcpStream, deeds: &'static [Does], turns: Arc<AtomicU32>) {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut length, mut line) = (0, String::new());
        loop {
            line.clear();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
            if let Some(text) = line.to_lowercase().strip_prefix("content-length:") {
                length = text.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        stream.read_exact(&mut vec![0; length]).await.unwrap();
        let turn = turns.fetch_add(1, Ordering::SeqCst) as usize;
        let (answer, is_last) = match deeds[turn.min(deeds.len() - 1)] {
            Does::Says(answer) => (answer, false),
            Does::Leaves(answer) => (answer, true),
            Does::Hangs => std::future::pending().await,
        };
        stream.write_all(answer.as_bytes()).await.unwrap();
        if is_last {
            return;
        }
    }
}

/// A whole answer of a status and a body.
macro_rules! http {
    ($status:literal, $length:literal, $body:literal) => {
        concat!("HTTP/1.1 ", $status, "\r\ncontent-length: ", $length, "\r\n\r\n", $body)
    };
}

async fn once(text: &str, deeds: &'static [Does], request: Request) -> Result<Answered, Setback> {
    let (address, _) = served(deeds).await;
    let answer = client(text, &[address]).ask(1, request, Duration::from_millis(300)).await;
    answer.map(|answer| answer.result)
}

#[tokio::test]
async fn a_foreign_server_has_no_sessions() {
    let answer = client(HTTP, &[]).ask(1, Request::OpenSession, TIME).await.unwrap();
    assert_eq!(answer.result, Answered::Opened(0));
}

#[tokio::test]
async fn values_are_read_by_their_pointer_and_null_is_absent() {
    let value = |text: &str| Ok(Answered::Value(Some(bytes::Bytes::from(text.to_owned()))));
    let said = [Does::Says(http!("200 OK", "15", r#"{"value": "77"}"#))];
    assert_eq!(once(HTTP, Box::leak(Box::new(said)), get()).await, value("77"));
    assert_eq!(
        once(HTTP, &[Does::Says(http!("200 OK", "12", r#"{"value": 7}"#))], get()).await,
        value("7")
    );
    assert_eq!(
        once(HTTP, &[Does::Says(http!("200 OK", "15", r#"{"value": null}"#))], get()).await,
        Ok(Answered::Value(None))
    );
    assert_eq!(
        once(HTTP, &[Does::Says(http!("200 OK", "2", "{}"))], get()).await,
        Ok(Answered::Value(None))
    );
}

#[tokio::test]
async fn html_half_json_and_other_answers_are_no_values() {
    for deed in [
        Does::Says(http!("200 OK", "15", "<html>no</html>")),
        Does::Says(http!("200 OK", "9", r#"{"value":"#)),
        Does::Says(http!("200 OK", "0", "")),
        Does::Says(http!("500 Oops", "4", "oops")),
        Does::Leaves(""),
        Does::Leaves("HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{\"value\""),
        Does::Leaves("+PONG\r\n"),
        Does::Hangs,
    ] {
        let error = once(HTTP, Box::leak(Box::new([deed])), get()).await.unwrap_err();
        assert!(!error.is_indefinite, "a read changes nothing: {error:?}");
        assert_eq!(error.next, Next::Elsewhere, "{error:?}");
    }
}

#[tokio::test]
async fn a_write_is_done_at_2xx_refused_at_4xx_and_unknown_at_all_else() {
    let ok: &[Does] = &[Does::Says(http!("204 No Content", "0", ""))];
    assert_eq!(once(HTTP, ok, put()).await, Ok(Answered::Written));
    for (deed, is_indefinite, next) in [
        (Does::Says(http!("400 Bad Request", "0", "")), false, Next::GiveUp),
        (Does::Says(http!("429 Too Many Requests", "0", "")), false, Next::Later),
        (Does::Says(http!("307 Temporary Redirect", "0", "")), false, Next::Elsewhere),
        (Does::Says(http!("421 Misdirected", "0", "")), false, Next::Elsewhere),
        (Does::Says(http!("408 Request Timeout", "0", "")), true, Next::Elsewhere),
        (Does::Says(http!("500 Oops", "0", "")), true, Next::Elsewhere),
        (Does::Says(http!("503 Unavailable", "10", "not leader")), true, Next::Elsewhere),
        (Does::Leaves(""), true, Next::Elsewhere),
        (Does::Leaves("HTTP/1.1 2"), true, Next::Elsewhere),
        (Does::Hangs, true, Next::Elsewhere),
    ] {
        let error = once(HTTP, Box::leak(Box::new([deed])), put()).await.unwrap_err();
        assert_eq!((error.is_indefinite, &error.next), (is_indefinite, &next), "{error:?}");
    }
}

#[tokio::test]
async fn a_refused_connection_is_definite() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = client(HTTP, &[address]).ask(1, put(), TIME).await.unwrap_err();
    assert!(!error.is_indefinite && error.next == Next::Elsewhere, "{error:?}");
    assert!(error.reason.contains(&address.to_string()), "{error:?}");
}

#[tokio::test]
async fn a_connection_is_kept_and_opened_again_where_it_was_closed_in_between() {
    let ok = http!("200 OK", "2", "{}");
    let deeds: &[Does] = Box::leak(Box::new([Does::Says(ok), Does::Leaves(ok), Does::Says(ok)]));
    let (address, connections) = served(deeds).await;
    let mut client = client(HTTP, &[address]);
    for (turn, expected) in [1, 1, 2, 2].into_iter().enumerate() {
        client.ask(1, put(), TIME).await.unwrap();
        assert_eq!(connections.load(Ordering::SeqCst), expected);
        let farewell = async {
            while turn == 1 && !client.http[&1].is_closed() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(TIME, farewell).await.expect("the other end's farewell was awaited");
    }
}

#[tokio::test]
async fn a_cas_says_whether_it_changed_the_value_and_what_it_saw() {
    let say = |deed: Does| once(HTTP, Box::leak(Box::new([deed])), cas());
    let done = say(Does::Says(http!("200 OK", "13", r#"{"done": true}"#))).await;
    assert!(matches!(done, Err(Setback { is_indefinite: true, .. })), "cut off: {done:?}");
    assert_eq!(
        say(Does::Says(http!("200 OK", "14", r#"{"done": true}"#))).await,
        Ok(Answered::Written)
    );
    let missed = say(Does::Says(http!("200 OK", "26", r#"{"done": false, "seen": 4}"#))).await;
    assert_eq!(missed, Ok(Answered::Mismatch(Some("4".into()))));
    let unseen = say(Does::Says(http!("200 OK", "15", r#"{"done": false}"#))).await.unwrap_err();
    assert_eq!((unseen.is_indefinite, unseen.next), (false, Next::GiveUp));
    let unclear = say(Does::Says(http!("200 OK", "2", "{}"))).await.unwrap_err();
    assert!(unclear.is_indefinite, "{unclear:?}");
    let (address, _) = served(&[Does::Hangs]).await;
    let absent = write(Change::Cas { expected: None, new: "7".into() });
    let error = client(HTTP, &[address]).ask(1, absent, TIME).await.unwrap_err();
    assert!(!error.is_indefinite, "{error:?}");
}

#[tokio::test]
async fn rules_of_the_description_come_before_the_usual_meaning() {
    let text = format!(
        "{HTTP}[[errors]]\nstatus = 503\nbody = '^not leader'\nmeans = 'not-leader'\n\
         [[errors]]\nbody = '^Error'\nmeans = 'unknown'\n"
    );
    let follower =
        once(&text, &[Does::Says(http!("503 Unavailable", "10", "not leader"))], put()).await;
    assert!(!follower.unwrap_err().is_indefinite);
    let polite = once(&text, &[Does::Says(http!("200 OK", "9", "Error: no"))], put()).await;
    assert!(polite.unwrap_err().is_indefinite, "200 with an error text");
    let ok = HTTP.replace("body = '{value}'", "body = '{value}', ok = { body = '^done' }");
    assert_eq!(
        once(&ok, &[Does::Says(http!("200 OK", "4", "done"))], put()).await,
        Ok(Answered::Written)
    );
    assert!(
        once(&ok, &[Does::Says(http!("200 OK", "4", "what"))], put())
            .await
            .unwrap_err()
            .is_indefinite
    );
    let text = HTTP.replace("value = '/value'", "absent = { status = 404 }");
    assert_eq!(
        once(&text, &[Does::Says(http!("404 Not Found", "0", ""))], get()).await,
        Ok(Answered::Value(None))
    );
    assert_eq!(
        once(&text, &[Does::Says(http!("200 OK", "2", "7\n"))], get()).await,
        Ok(Answered::Value(Some("7".into())))
    );
    let error = once(&text, &[Does::Says(http!("200 OK", "0", ""))], get()).await.unwrap_err();
    assert!(!error.is_indefinite, "{error:?}");
}

#[tokio::test]
async fn a_redirect_names_the_leader_by_its_address() {
    let (leader, _) = served(&[Does::Hangs]).await;
    let answer =
        format!("HTTP/1.1 307 Go\r\nlocation: http://{leader}/kv/k\r\ncontent-length: 0\r\n\r\n");
    let deeds: &[Does] = Box::leak(Box::new([Does::Says(Box::leak(answer.into_boxed_str()))]));
    let (follower, _) = served(deeds).await;
    let error = client(HTTP, &[follower, leader]).ask(1, put(), TIME).await.unwrap_err();
    assert_eq!(error.next, Next::Leader { node: 2, address: String::new() });
}

#[tokio::test]
async fn only_the_leader_is_asked_where_the_description_says_so() {
    let text = format!(
        "{}[status.http]\nget = '/s'\nleads = '/l'\n",
        HTTP.replace("[client.http]", "[client.http]\nto = 'leader'")
    );
    let (address, connections) = served(&[Does::Says(http!("200 OK", "2", "{}"))]).await;
    let mut client = client(&text, &[address, address]);
    assert_eq!(client.ask(1, put(), TIME).await.unwrap_err().next, Next::Later);
    client.leader.note(2);
    let next = Next::Leader { node: 2, address: String::new() };
    assert_eq!(client.ask(1, put(), TIME).await.unwrap_err().next, next);
    assert_eq!(connections.load(Ordering::SeqCst), 0);
    client.ask(2, put(), TIME).await.unwrap();
}

/// A shim that is a shell script, of lines of answers.
fn shim(script: &str) -> ForeignClient {
    let address = "127.0.0.1:1".parse().unwrap();
    client(&format!("[client.shim]\ncommand = ['sh', '-c', '''{script}''']\n"), &[address])
}

#[tokio::test]
async fn a_shim_answers_in_json_lines_with_maelstroms_error_codes() {
    let answer = |text: &str| format!("read x; echo '{text}'; read x");
    let ask = |text: &str, request: Request| {
        let mut client = shim(&answer(text));
        async move { client.ask(1, request, TIME).await.map(|answer| answer.result) }
    };
    assert_eq!(ask(r#"{"id":1,"ok":true}"#, put()).await, Ok(Answered::Written));
    assert_eq!(ask(r#"{"id":1,"value":7}"#, get()).await, Ok(Answered::Value(Some("7".into()))));
    assert_eq!(ask(r#"{"id":1,"value":null}"#, get()).await, Ok(Answered::Value(None)));
    assert_eq!(ask(r#"{"id":1,"error":20}"#, get()).await, Ok(Answered::Value(None)));
    let seen = ask(r#"{"id":1,"error":22,"value":"4"}"#, cas()).await;
    assert_eq!(seen, Ok(Answered::Mismatch(Some("4".into()))));
    for (text, is_indefinite) in [
        (r#"{"id":1,"error":22}"#, false),
        (r#"{"id":1,"error":11,"text":"not the leader"}"#, false),
        (r#"{"id":1,"error":14}"#, false),
        (r#"{"id":1,"error":13}"#, true),
        (r#"{"id":1,"error":0}"#, true),
        (r#"{"id":1,"error":99}"#, true),
        (r#"{"id":1,"error":"no"}"#, true),
        (r#"{"id":1,"ok":false}"#, true),
        (r#"{"id":1}"#, true),
        (r#"{"id":1,"ok":true,"key":"other"}"#, true),
    ] {
        let error = ask(text, cas()).await.expect_err(text);
        assert_eq!(error.is_indefinite, is_indefinite, "{text}: {error:?}");
    }
}

#[tokio::test]
async fn a_shim_that_hangs_dies_floods_or_stammers_leaves_changes_unknown() {
    for (script, says) in [
        ("read x; sleep 60", "no answer within"),
        ("read x; echo why >&2; exit 3", "exit status: 3), and said on stderr “why”"),
        ("read x; printf '{\"id\":1,\"ok\":tr'", "in the midst of a request"),
        ("read x; yes noise", "lines that answer nothing, at last “noise”"),
        ("read x; echo '{\"id\":2,\"ok\":true}'; sleep 60", "1 lines that answer nothing"),
        ("read x; echo starting; sleep 60", "belongs on stderr"),
    ] {
        let error = shim(script).ask(1, put(), Duration::from_millis(400)).await.expect_err(script);
        assert!(error.is_indefinite, "{script}: {error:?}");
        assert!(error.reason.contains(says), "{script}: {error:?}");
        let read = shim(script).ask(1, get(), Duration::from_millis(400)).await.expect_err(script);
        assert!(!read.is_indefinite, "{script}: {read:?}");
    }
}

#[tokio::test]
async fn a_shim_is_started_again_and_takes_late_answers_for_no_others() {
    // Each process answers its first request, and ends.
    let mut client =
        shim("read x; id=${x#*\\\"id\\\":}; echo \"{\\\"id\\\":${id%%,*},\\\"ok\\\":true}\"");
    for _ in 0..3 {
        client.ask(1, put(), TIME).await.unwrap();
        client.shim.as_mut().unwrap().ended().await;
    }
    let mut late = shim(
        "read x; sleep 0.2; echo '{\"id\":1,\"value\":\"old\"}'; read x; echo '{\"id\":2,\"value\":\"new\"}'; read x",
    );
    assert!(late.ask(1, get(), Duration::from_millis(50)).await.is_err());
    let second = late.ask(1, get(), Duration::from_millis(600)).await;
    assert!(
        !matches!(&second, Ok(Answer { result: Answered::Value(Some(value)), .. }) if value == "old"),
        "{second:?}"
    );
}

#[tokio::test]
async fn a_shim_that_is_not_there_was_never_asked() {
    let address = "127.0.0.1:1".parse().unwrap();
    let mut client = client("[client.shim]\ncommand = 'no-such-shim {here}'\n", &[address]);
    let error = client.ask(1, put(), TIME).await.unwrap_err();
    assert!(!error.is_indefinite && error.reason.contains("no-such-shim"), "{error:?}");
}

#[tokio::test]
async fn a_program_for_each_operation_is_judged_by_its_exit_code_and_its_words() {
    let text = "[client.command]\nread = { run = ['sh', '-c', '''test {key} = k && cat /dev/null'''], absent = '' }\n\
                write = ['sh', '-c', ''': {key}; {value}''']\n\
                cas = { run = ['sh', '-c', ''': {key}; echo {old} {new}'''], swapped = '^6 7$' }\n\
                [[errors]]\nstatus = 4\nmeans = 'refused'\n";
    let mut client = client(text, &["127.0.0.1:1".parse().unwrap()]);
    let mut ask = async |request| client.ask(1, request, Duration::from_millis(400)).await;
    assert_eq!(ask(get()).await.unwrap().result, Answered::Value(None));
    assert_eq!(ask(cas()).await.unwrap().result, Answered::Written);
    for (script, is_indefinite) in
        [("exit 4", false), ("exit 5", true), ("sleep 60", true), ("kill -9 $$", true)]
    {
        let error = ask(write(Change::Put(script.into()))).await.expect_err(script);
        assert_eq!(error.is_indefinite, is_indefinite, "{script}: {error:?}");
    }
    assert_eq!(ask(write(Change::Put("true".into()))).await.unwrap().result, Answered::Written);
}

#[tokio::test]
async fn the_redis_protocol_is_spoken_and_its_errors_are_known() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answers = [
        "+OK\r\n",
        "$1\r\n7\r\n",
        "$-1\r\n",
        ":1\r\n",
        ":0\r\n",
        "-MOVED 3 x\r\n",
        "-ERR what\r\n",
        "$5\r\nab",
    ];
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        for answer in answers {
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            for _ in 0..2 * line.trim()[1..].parse::<u32>().unwrap() {
                stream.read_line(&mut line).await.unwrap();
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let text = "[client.resp]\nread = 'GET {key}'\nwrite = 'SET {key} {value}'\ncas = 'EVAL x 1 {key} {old} {new}'\n";
    let mut client = client(text, &[address]);
    let mut ask = async |request| client.ask(1, request, TIME).await.map(|answer| answer.result);
    assert_eq!(ask(put()).await, Ok(Answered::Written));
    assert_eq!(ask(get()).await, Ok(Answered::Value(Some("7".into()))));
    assert_eq!(ask(get()).await, Ok(Answered::Value(None)));
    assert_eq!(ask(cas()).await, Ok(Answered::Written));
    assert_eq!(ask(cas()).await.unwrap_err().next, Next::GiveUp, "another value, not seen");
    assert!(!ask(put()).await.unwrap_err().is_indefinite, "MOVED");
    assert!(ask(put()).await.unwrap_err().is_indefinite, "an error of nobody knows what");
    assert!(ask(put()).await.unwrap_err().is_indefinite, "cut off");
    assert!(!ask(put()).await.unwrap_err().is_indefinite, "nobody listens any more");
}
