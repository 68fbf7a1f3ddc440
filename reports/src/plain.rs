//! Text for where there is no markup: nothing in it steers a terminal, and its lines have a width.

/// Text with control characters replaced, so that nothing recorded can steer the terminal.
pub(crate) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Breaks a text into lines of at most `width` characters: at spaces, and within a word only where it
/// is longer than a line.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let length = word.chars().count();
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + length <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ if length <= width => lines.push(word.to_owned()),
            _ => {
                let characters: Vec<char> = word.chars().collect();
                lines.extend(characters.chunks(width).map(|part| part.iter().collect::<String>()));
            }
        }
    }
    lines
}

/// The nearest ASCII text; colour codes stay.
pub(crate) fn ascii(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '·' => plain.push('-'),
            '→' => plain.push_str("->"),
            '…' => plain.push_str("..."),
            '✕' | '×' => plain.push('x'),
            '≥' => plain.push_str(">="),
            '≤' => plain.push_str("<="),
            'µ' => plain.push('u'),
            '–' => plain.push('-'),
            '\u{201c}' | '\u{201d}' => plain.push('"'),
            '\u{2018}' | '\u{2019}' => plain.push('\''),
            c if c.is_ascii() => plain.push(c),
            _ => plain.push('?'),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_spaces() {
        assert_eq!(wrapped("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrapped("", 7), Vec::<String>::new());
        assert_eq!(wrapped("overlong x", 3), ["ove", "rlo", "ng", "x"]);
        assert_eq!(wrapped("overlong x", 4), ["over", "long", "x"]);
    }

    #[test]
    fn recorded_text_cannot_steer_the_terminal() {
        assert_eq!(clean("a\u{1b}[2Jb\r"), "a\u{fffd}[2Jb\u{fffd}");
        assert_eq!(ascii("read → 37 · n1"), "read -> 37 - n1");
    }
}
