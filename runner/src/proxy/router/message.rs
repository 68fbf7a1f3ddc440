//! Maelstrom's messages, one JSON object a line, as values: who is meant, and what is no message.

use serde_json::{Value, json};

use super::super::Party;

/// Who sends `init`; clients are called from the next number on.
const RUNNER: &str = "c0";
/// The `msg_id` of `init`; those of requests are greater.
pub(super) const INIT: u64 = 1;
/// So much of a line is shown.
const SHOWN_CHARS: usize = 120;

/// Whom a node's message is for.
#[derive(Debug, PartialEq)]
pub(super) enum Heard {
    /// Another node, or itself: the line goes on as it is.
    Node(u32),
    /// A client, with the request that is answered.
    Answer {
        /// The client.
        client: u32,
        /// The `msg_id` of the request.
        request: u64,
        /// What it says.
        body: Value,
    },
    /// It was told who it is, and says that it is ready.
    Ready,
}

/// Reads a line that one of so many nodes printed.
///
/// # Errors
/// Why it is no message that could go anywhere, in words.
pub(super) fn heard(line: &[u8], nodes: u32) -> Result<Heard, String> {
    let mut message: Value =
        serde_json::from_slice(line).map_err(|error| format!("is no JSON ({error})"))?;
    let to = message["dest"].as_str().ok_or("has no `dest`")?.to_owned();
    let body = message["body"].take();
    if !body.is_object() {
        return Err("has no `body`".into());
    }
    if let Some(node) = number(&to, 'n').filter(|node| (1..=nodes).contains(node)) {
        return Ok(Heard::Node(node));
    }
    let Some(client) = number(&to, 'c') else {
        let says = format!("is for `{to}`, and here are only nodes n1 to n{nodes} and clients");
        return Err(says);
    };
    let request = body["in_reply_to"].as_u64().ok_or("is for a client and has no `in_reply_to`")?;
    match client.checked_sub(1) {
        Some(client) => Ok(Heard::Answer { client, request, body }),
        None if body["type"] == "init_ok" => Ok(Heard::Ready),
        None => Err(format!("answers init with {body}")),
    }
}

fn number(name: &str, letter: char) -> Option<u32> {
    name.strip_prefix(letter)?.parse().ok()
}

/// What a party is called in messages.
fn name(party: Party) -> String {
    match party {
        Party::Node(number) => format!("n{number}"),
        Party::Client(number) => format!("c{}", number + 1),
    }
}

/// The line that tells a node who it is.
pub(super) fn init(node: u32, nodes: u32) -> Vec<u8> {
    let own = name(Party::Node(node));
    let all: Vec<String> = (1..=nodes).map(|node| name(Party::Node(node))).collect();
    let body = json!({ "type": "init", "msg_id": INIT, "node_id": own, "node_ids": all });
    line(RUNNER, &own, INIT, &body)
}

/// The line with a client's request.
pub(super) fn request(client: u32, node: u32, id: u64, mut body: Value) -> Vec<u8> {
    body["msg_id"] = id.into();
    line(&name(Party::Client(client)), &name(Party::Node(node)), id, &body)
}

fn line(from: &str, to: &str, id: u64, body: &Value) -> Vec<u8> {
    format!("{}\n", json!({ "id": id, "src": from, "dest": to, "body": body })).into_bytes()
}

/// The beginning of a line, in quotes.
pub(super) fn shown(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(&line[..line.len().min(4 * SHOWN_CHARS)]).into_owned();
    let start: String = text.trim_end().chars().take(SHOWN_CHARS).collect();
    format!("“{start}{}”", if start.len() < text.trim_end().len() { "…" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Heard, String> {
        heard(line.as_bytes(), 3)
    }

    #[test]
    fn nodes_clients_and_the_runner_are_told_apart_by_dest() {
        let to_node = r#"{"src":"n1","dest":"n3","body":{"type":"append_entries"}}"#;
        assert_eq!(read(to_node), Ok(Heard::Node(3)));
        let body = json!({ "type": "read_ok", "in_reply_to": 7, "value": 1 });
        let answer = json!({ "src": "n1", "dest": "c2", "body": body });
        let heard = Heard::Answer { client: 1, request: 7, body };
        assert_eq!(read(&answer.to_string()), Ok(heard));
        let ready = r#"{"src":"n1","dest":"c0","body":{"type":"init_ok","in_reply_to":1}}"#;
        assert_eq!(read(ready), Ok(Heard::Ready));
    }

    #[test]
    fn what_is_no_message_is_told_by_what_it_lacks() {
        for (line, lacks) in [
            ("starting raft", "is no JSON"),
            ("17", "has no `dest`"),
            (r#"{"dest":"n2"}"#, "has no `body`"),
            (r#"{"dest":"n4","body":{}}"#, "is for `n4`"),
            (r#"{"dest":"lin-kv","body":{}}"#, "only nodes n1 to n3 and clients"),
            (r#"{"dest":"c1","body":{"type":"read_ok"}}"#, "no `in_reply_to`"),
            (r#"{"dest":"c0","body":{"type":"error","in_reply_to":1}}"#, "answers init with"),
        ] {
            let why = read(line).unwrap_err();
            assert!(why.contains(lacks), "{line}: {why}");
        }
        assert_eq!(shown(b"hello\n"), "“hello”");
        assert!(shown(&[b'x'; 10_000]).len() < 200);
    }

    #[test]
    fn requests_and_init_are_lines_that_a_node_of_maelstrom_knows() {
        let line = request(0, 2, 9, json!({ "type": "read", "key": 3 }));
        let told: Value = serde_json::from_slice(&line).unwrap();
        let body = json!({ "type": "read", "key": 3, "msg_id": 9 });
        assert_eq!(told, json!({ "id": 9, "src": "c1", "dest": "n2", "body": body }));
        let told: Value = serde_json::from_slice(&init(2, 3)).unwrap();
        assert_eq!(told["body"]["node_ids"], json!(["n1", "n2", "n3"]));
        assert_eq!((&told["src"], &told["body"]["node_id"]), (&json!("c0"), &json!("n2")));
        assert!(line.ends_with(b"\n"));
    }
}
