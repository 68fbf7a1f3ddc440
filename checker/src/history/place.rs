//! Bytes of a text as lines and columns.

use memchr::{memchr_iter, memrchr};

/// Tells lines and columns of ever later bytes.
#[derive(Debug)]
pub(super) struct Places<'a> {
    bytes: &'a [u8],
    at: usize,
    line: usize,
    /// Where the line begins.
    begin: usize,
}

impl<'a> Places<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Places { bytes, at: 0, line: 1, begin: 0 }
    }

    /// Line and column of a byte, both from 1. Not before the byte that was asked for last.
    pub(super) fn of(&mut self, at: usize) -> (u32, u32) {
        let at = at.min(self.bytes.len()).max(self.at);
        let between = &self.bytes[self.at..at];
        self.line += memchr_iter(b'\n', between).count();
        if let Some(end) = memrchr(b'\n', between) {
            self.begin = self.at + end + 1;
        }
        self.at = at;
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        (number(self.line), number(at - self.begin + 1))
    }
}
