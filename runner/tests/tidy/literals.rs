//! What stands between quotes in a source, its tests left out.

use std::path::Path;

/// The string literals of a file outside its tests, each with its line; escapes stand as they are written.
pub(crate) fn of(path: &Path, text: &str) -> Vec<(usize, String)> {
    let is_test = path.components().any(|part| part.as_os_str() == "tests");
    if is_test || path.file_name().is_some_and(|name| name == "tests.rs") {
        return Vec::new();
    }
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    let text = &text[..end];
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let before = text[..at].bytes().last();
        let is_word = before.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        at += match raw(rest).filter(|_| !is_word) {
            Some((begin, marks)) => {
                let end = rest[begin..].find(marks.as_str()).unwrap_or(rest.len() - begin);
                found.push((line(text, at), rest[begin..begin + end].to_owned()));
                begin + end + marks.len()
            }
            None => match rest.as_bytes() {
                [b'/', b'/', ..] => rest.find('\n').unwrap_or(rest.len()),
                [b'\'', ..] => character(rest),
                [b'"', ..] => {
                    let end = quoted(rest);
                    found.push((line(text, at), rest[1..end].to_owned()));
                    end + 1
                }
                _ => rest.chars().next().map_or(1, char::len_utf8),
            },
        };
    }
    found
}

fn line(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// Where a raw string's text begins, and what ends it.
fn raw(rest: &str) -> Option<(usize, String)> {
    let marks = rest.strip_prefix('r')?.bytes().take_while(|byte| *byte == b'#').count();
    (rest.as_bytes().get(marks + 1) == Some(&b'"'))
        .then(|| (marks + 2, format!("\"{}", "#".repeat(marks))))
}

/// Where a string that begins here ends.
fn quoted(rest: &str) -> usize {
    let mut is_escaped = false;
    let end = rest[1..].bytes().position(|byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    });
    end.map_or(rest.len(), |end| end + 1)
}

/// The length of a character literal, or of the mark of a lifetime.
fn character(rest: &str) -> usize {
    let mut chars = rest[1..].chars();
    match (chars.next(), chars.next()) {
        (Some('\\'), _) => rest[3..].find('\'').map_or(rest.len(), |end| end + 4),
        (Some(one), Some('\'')) => one.len_utf8() + 2,
        _ => 1,
    }
}

#[test]
fn literals_are_told_from_what_only_looks_like_one() {
    let text = r##"
//! "a comment"
const A: &str = "one \" two"; // "three"
fn f<'a>(c: char) -> bool { c == '"' || c == '\'' || "four".is_empty() }
const B: &str = r#"five "six""#;
#[cfg(test)]
mod tests {
    const C: &str = "seven";
}
"##;
    let found = of(Path::new("x.rs"), text);
    let expected = [(3, r#"one \" two"#), (4, "four"), (5, r#"five "six""#)];
    assert_eq!(found, expected.map(|(line, text)| (line, text.to_owned())));
    assert!(of(Path::new("a/tests/x.rs"), text).is_empty());
}
