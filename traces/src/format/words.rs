//! Fields of a line that are separated by blanks, some of them in quotes.

use memchr::memchr;

use super::unescape::closing_quote;
use crate::record::Skip;

/// Takes fields off a line, from its left.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words<'a> {
    rest: &'a [u8],
}

impl<'a> Words<'a> {
    /// The fields of `line`.
    pub(super) fn new(line: &'a [u8]) -> Self {
        Self { rest: line }
    }

    /// The next field, or why there is none.
    pub(super) fn expect(&mut self) -> Result<&'a [u8], Skip> {
        self.next().ok_or(Skip::Malformed)
    }

    /// Passes over `count` fields.
    pub(super) fn pass(&mut self, count: usize) -> Result<(), Skip> {
        (0..count).try_for_each(|_| self.expect().map(drop))
    }

    /// What has not been taken.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a [u8];

    /// The next field without its quotes; `None` at the end, and at a quote without its other.
    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest.trim_ascii_start();
        let (word, rest) = if let Some(inside) = rest.strip_prefix(b"\"") {
            let end = closing_quote(inside, |next| matches!(next, [] | [b' ', ..]))?;
            (&inside[..end], &inside[end + 1..])
        } else if rest.is_empty() {
            return None;
        } else {
            rest.split_at(memchr(b' ', rest).unwrap_or(rest.len()))
        };
        self.rest = rest;
        Some(word)
    }
}

#[cfg(test)]
mod tests {
    use super::Words;

    #[test]
    fn quoted_fields_keep_their_blanks() {
        let words: Vec<_> = Words::new(br#"a  "b \" c" "" - "d"#).collect();
        assert_eq!(words, [&b"a"[..], br#"b \" c"#, b"", b"-"]);
    }
}
