//! One JSON array of the objects that JSON lines hold one by one.

use super::line::{Chunk, LineError};
use super::place::Places;

/// Parses a whole history.
pub(super) fn parse(bytes: &[u8]) -> Chunk {
    let mut chunk = Chunk::default();
    let mut places = Places::new(bytes);
    if let Err((at, message)) = take(&mut chunk, &mut places, bytes) {
        let (line, column) = Places::new(bytes).of(at);
        chunk.error = Some(LineError { line, column, message });
    }
    chunk
}

/// A byte, and what is wrong there.
type Wrong = (usize, String);

fn take(chunk: &mut Chunk, places: &mut Places<'_>, bytes: &[u8]) -> Result<(), Wrong> {
    let mut at = skip_space(bytes, 0);
    let opened_at = at;
    if bytes.get(at) != Some(&b'[') {
        return Err((at, "expected the [ of a JSON array of events".to_owned()));
    }
    at = skip_space(bytes, at + 1);
    loop {
        match bytes.get(at) {
            None => return Err((opened_at, "an array that nothing closes".to_owned())),
            Some(b']') => break,
            Some(b'{') => {}
            Some(_) => return Err((at, "expected an event, an object in { }".to_owned())),
        }
        let end =
            end_of(bytes, at).ok_or_else(|| (at, "an object that nothing closes".to_owned()))?;
        chunk.positions += 1;
        chunk.place = Some(places.of(at));
        chunk.line(&bytes[at..end]).map_err(|error| {
            // The parser counts lines and columns from where the object begins.
            let before =
                bytes[at..end].split_inclusive(|&byte| byte == b'\n').take(error.line as usize);
            let lines: usize = before.map(<[u8]>::len).sum();
            (at + lines + error.column as usize - 1, error.message)
        })?;
        at = skip_space(bytes, end);
        match bytes.get(at) {
            Some(b',') => at = skip_space(bytes, at + 1),
            Some(b']') => {}
            None => return Err((opened_at, "an array that nothing closes".to_owned())),
            Some(_) => return Err((at, "expected a comma or the ] of the array".to_owned())),
        }
    }
    match skip_space(bytes, at + 1) {
        end if end == bytes.len() => Ok(()),
        more => Err((more, "expected nothing behind the array".to_owned())),
    }
}

fn skip_space(bytes: &[u8], at: usize) -> usize {
    let space = bytes[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    at + space
}

/// Where the object that begins at a byte ends; the parser sees what is in it.
fn end_of(bytes: &[u8], at: usize) -> Option<usize> {
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    for (place, &byte) in bytes.iter().enumerate().skip(at) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(place + 1);
                }
            }
            _ => {}
        }
    }
    None
}
