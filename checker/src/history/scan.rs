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

/// Takes a line apart.
pub(super) fn scan(line: &[u8]) -> Result<Fields<'_>, Odd> {
    let mut cursor = Cursor { bytes: line, at: 0 };
    let mut fields = Fields::default();
    cursor.take(b'{')?;
    loop {
        let name = cursor.string()?;
        cursor.take(b':')?;
        field(&mut cursor, name, &mut fields)?;
        match cursor.next()? {
            b',' => {}
            b'}' => break,
            _ => return Err(Odd),
        }
    }
    cursor.skip_space();
    if cursor.at == line.len() { Ok(fields) } else { Err(Odd) }
}

fn field<'a>(cursor: &mut Cursor<'a>, name: &[u8], fields: &mut Fields<'a>) -> Result<(), Odd> {
    match name {
        b"process" => fields.process = Some(cursor.number()?),
        b"type" => fields.kind = cursor.string()?,
        b"f" => fields.function = cursor.string()?,
        b"key" => fields.key = Some(cursor.string()?),
        b"value" => fields.value = cursor.value()?,
        b"time_ns" => fields.time_ns = Some(cursor.number()?),
        b"index" => fields.index = Some(cursor.number()?),
        b"error" => fields.has_error = cursor.value()? != b"null",
        b"node" => fields.node = Some(cursor.string()?),
        b"term" => fields.term = Some(cursor.number()?),
        b"saw" => {
            cursor.take(b'{')?;
            if cursor.string()? != b"is" {
                return Err(Odd);
            }
            cursor.take(b':')?;
            fields.saw = Some(cursor.value()?);
            cursor.take(b'}')?;
        }
        b"command" => {
            cursor.take(b'[')?;
            let session = cursor.number()?;
            cursor.take(b',')?;
            fields.command = Some((session, cursor.number()?));
            cursor.take(b']')?;
        }
        _ => return Err(Odd),
    }
    Ok(())
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

    /// A string without escapes or control characters, without its quotes.
    #[inline]
    fn string(&mut self) -> Result<&'a [u8], Odd> {
        self.take(b'"')?;
        let start = self.at;
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

    #[test]
    fn takes_the_usual_line_apart() {
        let line = br#"{"process":3,"type":"fail","f":"cas","key":"k7","value":[41, null],"time_ns":1203,"saw":{"is":9},"node":"n2","term":8,"command":[5,6]}"#;
        let fields = scan(line).unwrap();
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
            assert!(scan(line).is_err(), "{}", String::from_utf8_lossy(line));
        }
    }
}
