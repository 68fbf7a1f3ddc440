//! The fast way through one line of a JSON-lines history.
//!
//! Lines written by programs look alike: no escapes, no nesting but `[from,to]`, known field names.
//! Such a line is taken apart here without building a tree. Whatever looks unusual is [`Odd`], and
//! the caller hands the line to a real JSON parser, which also words the error if there is one. So
//! this scanner may give up at any time, but must never accept what is not JSON or misread it.

/// Not the usual form; says nothing about whether the line is right.
#[derive(Debug)]
pub(super) struct Odd;

/// The fields of a line, as spans of it. Empty spans: absent.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    pub(super) process: Option<u64>,
    pub(super) kind: &'a [u8],
    pub(super) function: &'a [u8],
    pub(super) key: Option<&'a [u8]>,
    /// The JSON text of the value.
    pub(super) value: &'a [u8],
    pub(super) time_ns: Option<u64>,
    pub(super) index: Option<u64>,
    pub(super) has_error: bool,
    /// The JSON text of what a rejected cas saw.
    pub(super) saw: Option<&'a [u8]>,
    pub(super) node: Option<&'a [u8]>,
    pub(super) term: Option<u64>,
    pub(super) command: Option<(u64, u64)>,
}

/// Takes a line apart, into fields that are empty: they are too many to be handed about.
pub(super) fn scan<'a>(line: &'a [u8], fields: &mut Fields<'a>) -> Result<(), Odd> {
    let mut cursor = Cursor { bytes: line, at: 0 };
    cursor.take(b'{')?;
    loop {
        let name = cursor.name()?;
        cursor.take(b':')?;
        field(&mut cursor, name, fields)?;
        match cursor.next()? {
            b',' => {}
            b'}' => break,
            _ => return Err(Odd),
        }
    }
    cursor.skip_space();
    if cursor.at == line.len() { Ok(()) } else { Err(Odd) }
}

/// The name of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Process,
    Type,
    F,
    Key,
    Value,
    Time,
    Index,
    Error,
    Node,
    Term,
    Saw,
    Command,
}

#[inline]
fn field<'a>(cursor: &mut Cursor<'a>, name: Name, fields: &mut Fields<'a>) -> Result<(), Odd> {
    match name {
        Name::Process => fields.process = Some(cursor.number()?),
        Name::Type => fields.kind = cursor.string()?,
        Name::F => fields.function = cursor.string()?,
        Name::Key => fields.key = Some(cursor.string()?),
        Name::Value => fields.value = cursor.value()?,
        Name::Time => fields.time_ns = Some(cursor.number()?),
        Name::Index => fields.index = Some(cursor.number()?),
        Name::Error => fields.has_error = cursor.value()? != b"null",
        Name::Node => fields.node = Some(cursor.string()?),
        Name::Term => fields.term = Some(cursor.number()?),
        Name::Saw => {
            cursor.take(b'{')?;
            if cursor.string()? != b"is" {
                return Err(Odd);
            }
            cursor.take(b':')?;
            fields.saw = Some(cursor.value()?);
            cursor.take(b'}')?;
        }
        Name::Command => {
            cursor.take(b'[')?;
            let session = cursor.number()?;
            cursor.take(b',')?;
            fields.command = Some((session, cursor.number()?));
            cursor.take(b']')?;
        }
    }
    Ok(())
}

/// The lowest bit of every byte of a word, and the highest.
const LOWEST: u64 = 0x0101_0101_0101_0101;
const HIGHEST: u64 = LOWEST << 7;

/// Marks bytes that end the plain part of a string: a quote, a backslash, a control character. Marks above the lowest
/// one mean nothing.
#[inline]
fn ends_of_plain(word: u64) -> u64 {
    let zeros = |word: u64| word.wrapping_sub(LOWEST) & !word;
    let is = |byte: u8| zeros(word ^ (LOWEST * u64::from(byte)));
    let below_space = word.wrapping_sub(LOWEST * 0x20) & !word;
    (is(b'"') | is(b'\\') | below_space) & HIGHEST
}

/// The number that eight digits are; `None`: they are not all digits.
#[inline]
fn eight_digits(text: [u8; 8]) -> Option<u64> {
    let word = u64::from_le_bytes(text);
    let values = word ^ (LOWEST * u64::from(b'0'));
    if (values | values.wrapping_add(LOWEST * 6)) & (LOWEST * 0xf0) != 0 {
        return None;
    }
    // Neighbours join to twos, fours and eights; the first digit is in the lowest byte.
    let twos = (values.wrapping_mul(10) + (values >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (twos.wrapping_mul(100) + (twos >> 16)) & 0x0000_ffff_0000_ffff;
    Some((fours.wrapping_mul(10_000) + (fours >> 32)) & 0xffff_ffff)
}

/// A place in a line.
pub(super) struct Cursor<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Cursor<'a> {
    #[inline]
    pub(super) fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\r') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    /// The next byte that is not space.
    #[inline]
    fn next(&mut self) -> Result<u8, Odd> {
        self.skip_space();
        let byte = *self.bytes.get(self.at).ok_or(Odd)?;
        self.at += 1;
        Ok(byte)
    }

    #[inline]
    pub(super) fn take(&mut self, expected: u8) -> Result<(), Odd> {
        if self.next()? == expected { Ok(()) } else { Err(Odd) }
    }

    /// Steps over a text that stands here; false: another one does.
    #[inline]
    fn eat(&mut self, text: &[u8]) -> bool {
        let is_here = self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(text));
        self.at += if is_here { text.len() } else { 0 };
        is_here
    }

    /// A field's name with its quotes.
    #[inline]
    fn name(&mut self) -> Result<Name, Odd> {
        self.skip_space();
        match self.bytes.get(self.at + 1).ok_or(Odd)? {
            b'p' if self.eat(b"\"process\"") => Ok(Name::Process),
            b't' if self.eat(b"\"type\"") => Ok(Name::Type),
            b't' if self.eat(b"\"time_ns\"") => Ok(Name::Time),
            b't' if self.eat(b"\"term\"") => Ok(Name::Term),
            b'f' if self.eat(b"\"f\"") => Ok(Name::F),
            b'k' if self.eat(b"\"key\"") => Ok(Name::Key),
            b'v' if self.eat(b"\"value\"") => Ok(Name::Value),
            b'n' if self.eat(b"\"node\"") => Ok(Name::Node),
            b'c' if self.eat(b"\"command\"") => Ok(Name::Command),
            b's' if self.eat(b"\"saw\"") => Ok(Name::Saw),
            b'e' if self.eat(b"\"error\"") => Ok(Name::Error),
            b'i' if self.eat(b"\"index\"") => Ok(Name::Index),
            _ => Err(Odd),
        }
    }

    /// The next eight bytes, if there are so many.
    #[inline]
    fn eight(&self) -> Option<[u8; 8]> {
        self.bytes.get(self.at..)?.first_chunk().copied()
    }

    /// A string without escapes or control characters, without its quotes.
    #[inline]
    fn string(&mut self) -> Result<&'a [u8], Odd> {
        self.take(b'"')?;
        let start = self.at;
        while let Some(eight) = self.eight() {
            let ends = ends_of_plain(u64::from_le_bytes(eight));
            if ends != 0 {
                self.at += ends.trailing_zeros() as usize / 8;
                break;
            }
            self.at += 8;
        }
        loop {
            match *self.bytes.get(self.at).ok_or(Odd)? {
                b'"' => break,
                b'\\' | 0..0x20 => return Err(Odd),
                _ => self.at += 1,
            }
        }
        self.at += 1;
        Ok(&self.bytes[start..self.at - 1])
    }

    /// A whole number without sign, fraction or exponent.
    #[inline]
    pub(super) fn number(&mut self) -> Result<u64, Odd> {
        self.skip_space();
        let start = self.at;
        let mut number = 0u64;
        while let Some(eight) = self.eight().and_then(eight_digits) {
            number = number.wrapping_mul(100_000_000).wrapping_add(eight);
            self.at += 8;
        }
        while let Some(digit @ b'0'..=b'9') = self.bytes.get(self.at) {
            // 19 digits cannot overflow; longer ones are left to the real parser.
            number = number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            self.at += 1;
        }
        let digits = self.at - start;
        let leading_zero = digits > 1 && self.bytes[start] == b'0';
        let goes_on = matches!(self.bytes.get(self.at), Some(b'.' | b'e' | b'E'));
        if digits == 0 || digits > 19 || leading_zero || goes_on {
            return Err(Odd);
        }
        Ok(number)
    }

    /// The span of a null, a whole number, a plain string, or a flat list of such.
    #[inline]
    fn value(&mut self) -> Result<&'a [u8], Odd> {
        self.skip_space();
        let start = self.at;
        if self.bytes.get(start) == Some(&b'[') {
            self.at += 1;
            loop {
                self.scalar()?;
                match self.next()? {
                    b',' => {}
                    b']' => break,
                    _ => return Err(Odd),
                }
            }
        } else {
            self.scalar()?;
        }
        Ok(&self.bytes[start..self.at])
    }

    #[inline]
    pub(super) fn scalar(&mut self) -> Result<&'a [u8], Odd> {
        self.skip_space();
        let start = self.at;
        match self.bytes.get(start).ok_or(Odd)? {
            b'"' => {
                self.string()?;
            }
            b'0'..=b'9' => {
                self.number()?;
            }
            b'n' if self.bytes[start..].starts_with(b"null") => self.at += 4,
            b't' if self.bytes[start..].starts_with(b"true") => self.at += 4,
            b'f' if self.bytes[start..].starts_with(b"false") => self.at += 5,
            _ => return Err(Odd),
        }
        Ok(&self.bytes[start..self.at])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scanned(line: &[u8]) -> Result<Fields<'_>, Odd> {
        let mut fields = Fields::default();
        scan(line, &mut fields).map(|()| fields)
    }

    #[test]
    fn takes_the_usual_line_apart() {
        let line = br#"{"process":3,"type":"fail","f":"cas","key":"k7","value":[41, null],"time_ns":1203,"saw":{"is":9},"node":"n2","term":8,"command":[5,6]}"#;
        let fields = scanned(line).unwrap();
        assert_eq!(fields.process, Some(3));
        assert_eq!(fields.kind, b"fail");
        assert_eq!(fields.function, b"cas");
        assert_eq!(fields.key, Some(&b"k7"[..]));
        assert_eq!(fields.value, b"[41, null]");
        assert_eq!(fields.time_ns, Some(1203));
        assert!(!fields.has_error);
        assert_eq!(fields.saw, Some(&b"9"[..]));
        assert_eq!(fields.node, Some(&b"n2"[..]));
        assert_eq!(fields.term, Some(8));
        assert_eq!(fields.command, Some((5, 6)));
    }

    #[test]
    fn gives_up_on_whatever_is_unusual() {
        for line in [
            &b""[..],
            b"{}",
            b"{",
            br#"{"process":-1}"#,
            br#"{"process":1.5}"#,
            br#"{"process":01}"#,
            br#"{"process":99999999999999999999}"#,
            br#"{"process":"nemesis"}"#,
            br#"{"key":"a\"b"}"#,
            br#"{"value":{"a":1}}"#,
            br#"{"value":[[1]]}"#,
            br#"{"value":[]}"#,
            br#"{"process":1} x"#,
            br#"{"process":1,}"#,
            br#"{"unknown":1}"#,
        ] {
            assert!(scanned(line).is_err(), "{}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn any_byte_at_any_place_of_a_string_is_seen() {
        for length in [0, 1, 7, 8, 9, 15, 16, 20] {
            for place in 0..length {
                for byte in 0..=255u8 {
                    let mut text = vec![b'a'; length];
                    text[place] = byte;
                    let line = [&b"\""[..], &text, b"\"tail of the line"].concat();
                    let read = Cursor { bytes: &line, at: 0 }.string().ok();
                    let wanted = match byte {
                        b'"' => Some(&text[..place]),
                        b'\\' | 0..0x20 => None,
                        _ => Some(&text[..]),
                    };
                    assert_eq!(read, wanted, "{byte} at {place} of {length}");
                }
            }
        }
    }

    #[test]
    fn numbers_are_those_of_the_standard_library() {
        let digits = "9182736450918273645";
        for length in 1..=digits.len() {
            for end in ["", ",", " "] {
                let line = format!("{}{end}", &digits[..length]);
                let mut cursor = Cursor { bytes: line.as_bytes(), at: 0 };
                assert_eq!(cursor.number().ok(), digits[..length].parse().ok());
                assert_eq!(cursor.at, length);
            }
        }
        for place in 0..8 {
            for byte in 0..=255u8 {
                let mut text = *b"12345678";
                text[place] = byte;
                let wanted = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok());
                let wanted = wanted.filter(|_| byte.is_ascii_digit());
                assert_eq!(eight_digits(text), wanted, "{byte} at {place}");
            }
        }
    }
}
