//! The Redis protocol, version 2, to one node: commands that a description writes, over one connection that is kept.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::connected::connected;
use super::http::Lost;
use super::meaning::Reply;
use crate::description::Means;

/// Largest text of an answer.
const TEXT_BYTES_MAX: usize = 4 << 20;
/// Longest line that is no text: a status, an error, a number.
const LINE_BYTES_MAX: u64 = 64 << 10;
/// Most elements of an answer, of all its arrays together.
const ELEMENTS_MAX: usize = 10_000;

/// What a server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// A text.
    Text(String),
    /// Nothing is there.
    Nil,
    /// A number.
    Number(i64),
    /// An error.
    Error(String),
    /// Several.
    Array(Vec<Said>),
}

impl Said {
    /// As text, the elements of an array on lines of their own; `None`: nothing is there.
    pub(super) fn text(&self) -> Option<String> {
        match self {
            Said::Text(text) | Said::Error(text) => Some(text.clone()),
            Said::Number(number) => Some(number.to_string()),
            Said::Nil => None,
            Said::Array(all) => {
                let lines: Vec<String> = all.iter().filter_map(Said::text).collect();
                Some(lines.join("\n"))
            }
        }
    }

    /// As a reply, whose status is 1 for an error.
    pub(super) fn reply(&self) -> Reply {
        Reply::new(i64::from(matches!(self, Said::Error(_))), self.text().unwrap_or_default())
    }
}

/// What an error means where the description says nothing else. Those that Redis says before it looks at the data are
/// definite; of others nobody knows what a module of it has done by then.
pub(super) fn meaning_of(error: &str) -> Means {
    match error.split_whitespace().next().unwrap_or_default() {
        "MOVED" | "ASK" | "NOTLEADER" | "READONLY" | "CLUSTERDOWN" | "MASTERDOWN" | "LOADING"
        | "TRYAGAIN" => Means::NotLeader,
        "NOAUTH" | "NOPERM" | "WRONGTYPE" | "WRONGPASS" | "OOM" | "BUSY" | "MISCONF"
        | "EXECABORT" | "NOREPLICAS" => Means::Refused,
        "ERR"
            if error.starts_with("ERR unknown")
                || error.starts_with("ERR wrong number")
                || error.starts_with("ERR syntax") =>
        {
            Means::Refused
        }
        _ => Means::Unknown,
    }
}

/// One connection to one node, made when it is first used.
#[derive(Debug)]
pub(super) struct Connection {
    address: SocketAddr,
    open: Option<BufReader<TcpStream>>,
}

impl Connection {
    /// To this address.
    pub(super) fn to(address: SocketAddr) -> Self {
        Self { address, open: None }
    }

    /// Sends a command and waits for its answer.
    pub(super) async fn exchange(
        &mut self,
        words: &[String],
        time: Duration,
    ) -> Result<Said, Lost> {
        let until = Instant::now() + time;
        let mut is_sent = false;
        let result = timeout_at(until, self.attempt(words, &mut is_sent, until)).await;
        result.unwrap_or_else(|_| {
            let reason = format!("{}: no answer within {} ms", words.join(" "), time.as_millis());
            Err(Lost { is_sent, reason })
        })
    }

    async fn attempt(
        &mut self,
        words: &[String],
        is_sent: &mut bool,
        until: Instant,
    ) -> Result<Said, Lost> {
        // One that was closed, or on which something stands that nobody asked for, is opened again.
        let kept = self.open.take().filter(|kept| {
            let byte = &mut [0];
            kept.buffer().is_empty()
                && kept
                    .get_ref()
                    .try_read(byte)
                    .is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
        });
        let mut stream = match kept {
            Some(stream) => stream,
            None => self.connect(until).await.map_err(|reason| Lost { is_sent: false, reason })?,
        };
        *is_sent = true;
        let lost =
            |error: String| Lost { is_sent: true, reason: format!("{}: {error}", words.join(" ")) };
        stream.write_all(&encoded(words)).await.map_err(|error| lost(error.to_string()))?;
        let said = decoded(&mut stream).await.map_err(lost)?;
        self.open = Some(stream);
        Ok(said)
    }

    async fn connect(&self, until: Instant) -> Result<BufReader<TcpStream>, String> {
        Ok(BufReader::new(connected(self.address, until).await?))
    }
}

fn encoded(words: &[String]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n{word}\r\n", word.len()).into_bytes());
    }
    bytes
}

/// Reads one answer. Arrays are flat but for their nesting, which an own stack follows.
async fn decoded(from: &mut (impl AsyncBufRead + Unpin)) -> Result<Said, String> {
    let mut open: Vec<(usize, Vec<Said>)> = Vec::new();
    let mut elements = 0;
    loop {
        elements += 1;
        if elements > ELEMENTS_MAX {
            return Err(format!("the answer has more than {ELEMENTS_MAX} elements"));
        }
        let mut said = match element(from).await? {
            Element::Whole(said) => said,
            Element::Array(0) => Said::Array(Vec::new()),
            Element::Array(length) => {
                open.push((length, Vec::new()));
                continue;
            }
        };
        loop {
            let Some((length, members)) = open.last_mut() else { return Ok(said) };
            members.push(said);
            if members.len() < *length {
                break;
            }
            said = open.pop().map_or(Said::Nil, |(_, members)| Said::Array(members));
        }
    }
}

enum Element {
    Whole(Said),
    Array(usize),
}

async fn element(from: &mut (impl AsyncBufRead + Unpin)) -> Result<Element, String> {
    let mut line = Vec::new();
    (&mut *from)
        .take(LINE_BYTES_MAX)
        .read_until(b'\n', &mut line)
        .await
        .map_err(|error| error.to_string())?;
    let Some(text) = line.strip_suffix(b"\r\n").and_then(|line| std::str::from_utf8(line).ok())
    else {
        return Err(match line.is_empty() {
            true => "the connection was closed".into(),
            false => format!(
                "this is not the Redis protocol: {}",
                super::meaning::shown(&String::from_utf8_lossy(&line))
            ),
        });
    };
    let kind = text.chars().next().unwrap_or(' ');
    let rest = text.get(1..).unwrap_or_default();
    let number =
        || rest.parse::<i64>().map_err(|_| format!("this is not the Redis protocol: “{text}”"));
    Ok(Element::Whole(match kind {
        '+' => Said::Text(rest.to_owned()),
        '-' => Said::Error(rest.to_owned()),
        ':' => Said::Number(number()?),
        '$' | '*' => match (kind, usize::try_from(number()?)) {
            (_, Err(_)) => Said::Nil,
            ('*', Ok(length)) => return Ok(Element::Array(length)),
            (_, Ok(length)) if length > TEXT_BYTES_MAX => {
                return Err(format!("a text of {length} bytes is more than is read"));
            }
            (_, Ok(length)) => {
                let mut bytes = vec![0; length + 2];
                from.read_exact(&mut bytes).await.map_err(|error| error.to_string())?;
                bytes.truncate(length);
                Said::Text(String::from_utf8_lossy(&bytes).into_owned())
            }
        },
        _ => return Err(format!("this is not the Redis protocol: “{text}”")),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(mut bytes: &[u8]) -> Result<Said, String> {
        decoded(&mut bytes).await
    }

    #[tokio::test]
    async fn every_form_of_an_answer_is_read() {
        assert_eq!(read(b"+OK\r\n").await, Ok(Said::Text("OK".into())));
        assert_eq!(read(b"$5\r\na\r\nbc\r\n").await, Ok(Said::Text("a\r\nbc".into())));
        assert_eq!(read(b"$-1\r\n").await, Ok(Said::Nil));
        assert_eq!(read(b":-7\r\n").await, Ok(Said::Number(-7)));
        assert_eq!(read(b"-ERR no\r\n").await, Ok(Said::Error("ERR no".into())));
        let nested = read(b"*3\r\n:1\r\n*2\r\n+a\r\n*0\r\n$1\r\nb\r\n").await.unwrap();
        assert_eq!(nested.text().as_deref(), Some("1\na\n\nb"));
    }

    #[tokio::test]
    async fn what_is_cut_off_too_long_or_another_protocol_is_an_error() {
        for (bytes, says) in [
            (&b""[..], "closed"),
            (b"$5\r\nab", "eof"),
            (b"+OK", "not the Redis protocol"),
            (b"HTTP/1.1 400 Bad Request\r\n", "not the Redis protocol"),
            (b"$99999999\r\n", "more than is read"),
            (b":x\r\n", "not the Redis protocol"),
            (b"*99999999\r\n:1\r\n", "closed"),
        ] {
            let error = read(bytes).await.unwrap_err();
            assert!(error.contains(says), "{error}");
        }
        let flood = [&b"*20000\r\n"[..], &b":1\r\n".repeat(20_000)].concat();
        assert!(read(&flood).await.unwrap_err().contains("more than 10000"));
    }

    #[test]
    fn words_are_sent_with_their_lengths() {
        let words = ["SET".to_owned(), "é\r\n".to_owned()];
        assert_eq!(encoded(&words), "*2\r\n$3\r\nSET\r\n$4\r\né\r\n\r\n".as_bytes());
    }

    #[test]
    fn errors_that_say_nothing_of_the_data_are_unknown() {
        assert_eq!(meaning_of("MOVED 1 127.0.0.1:7000"), Means::NotLeader);
        assert_eq!(meaning_of("ERR unknown command 'X'"), Means::Refused);
        assert_eq!(meaning_of("ERR timeout"), Means::Unknown);
        assert_eq!(meaning_of(""), Means::Unknown);
    }
}
