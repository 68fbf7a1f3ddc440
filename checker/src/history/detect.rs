//! What a file is, told by its first bytes: gzip or not, and which of the three formats.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

use super::log;
use crate::options::Format;

/// How much is looked at. Enough for any preamble that logs begin with: a whole test, printed.
const PEEK_BYTES: usize = 1 << 20;

/// How much is read at a time.
const BUFFER_BYTES: usize = 64 << 10;

/// What editors of another system put before text in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// A stream of plain text, whatever was underneath.
pub(super) type Plain = Box<dyn BufRead + Send>;

/// Undoes gzip, where the content says it is gzip: the first part of the text, and the rest of it.
pub(super) fn plain(input: Box<dyn Read + Send>) -> io::Result<(Vec<u8>, Plain)> {
    let mut reader = BufReader::with_capacity(BUFFER_BYTES, input);
    let is_gzip = reader.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    let mut text: Plain = if is_gzip {
        Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(reader)))
    } else {
        Box::new(reader)
    };
    let mut start = Vec::new();
    (&mut text).take(PEEK_BYTES as u64).read_to_end(&mut start)?;
    if start.starts_with(BYTE_ORDER_MARK) {
        start.drain(..BYTE_ORDER_MARK.len());
    }
    Ok((start, text))
}

/// The format, told by the first line that says anything.
pub(super) fn format(start: &[u8]) -> Format {
    for line in start.split(|&byte| byte == b'\n') {
        let line = line.trim_ascii();
        match line.first() {
            None | Some(b';') => {}
            // An EDN map has keywords where JSON has strings.
            Some(b'{') => {
                let inside = line[1..].trim_ascii_start();
                return if inside.starts_with(b":") { Format::Edn } else { Format::Jsonl };
            }
            Some(b'[') if is_array(start) => return Format::Json,
            Some(b'[' | b'(' | b'#') => return Format::Edn,
            Some(_) if looks_like_log(line) => return Format::Log,
            // The preamble of a log, or none of them: then the JSON-lines reader words the clearest error.
            Some(_) if start.split(|&byte| byte == b'\n').any(log::is_event) => return Format::Log,
            Some(_) => return Format::Jsonl,
        }
    }
    Format::Jsonl
}

/// Whether what begins with a bracket is JSON: an object's first name is a string, a map's a keyword.
fn is_array(start: &[u8]) -> bool {
    let mut inside =
        start.trim_ascii_start().iter().skip(1).filter(|byte| !byte.is_ascii_whitespace());
    match inside.next() {
        Some(b'{') => matches!(inside.next(), Some(b'"' | b'}')),
        Some(b']') => true,
        _ => false,
    }
}

/// `INFO  jepsen.util - 0  :invoke  :read  nil`, and other lines of such a log.
fn looks_like_log(line: &[u8]) -> bool {
    let levels: [&[u8]; 5] = [b"INFO", b"WARN", b"ERROR", b"DEBUG", b"TRACE"];
    levels.iter().any(|level| line.starts_with(level))
        || line
            .split(|byte| byte.is_ascii_whitespace())
            .any(|word| matches!(word, b":invoke" | b":ok" | b":fail" | b":info"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_formats_apart() {
        assert_eq!(format(br#"{"process":0}"#), Format::Jsonl);
        assert_eq!(format(b"\n\n  {\"process\":0}"), Format::Jsonl);
        assert_eq!(format(b"{:process 0, :type :invoke}"), Format::Edn);
        assert_eq!(format(b"; a comment\n[{:process 0}"), Format::Edn);
        assert_eq!(format(b"INFO  jepsen.util - 0\t:invoke\t:read\tnil"), Format::Log);
        assert_eq!(format(b"0 :invoke :read nil"), Format::Log);
        assert_eq!(format(b"garbage"), Format::Jsonl);
        assert_eq!(format(b""), Format::Jsonl);
    }

    #[test]
    fn gzip_is_undone() {
        use std::io::Write;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(b"{\"process\":0}\n").unwrap();
        let bytes = encoder.finish().unwrap();
        let mut text = String::new();
        let (start, mut rest) = plain(Box::new(io::Cursor::new(bytes))).unwrap();
        rest.read_to_string(&mut text).unwrap();
        assert_eq!(String::from_utf8(start).unwrap() + &text, "{\"process\":0}\n");
    }
}
