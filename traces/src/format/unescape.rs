//! Undoes what servers do to bytes that would break a line.
//!
//! nginx writes `"`, `\`, control bytes and bytes from 0x80 as `\xHH`; Apache writes `\"`, `\\`,
//! `\n`, `\r`, `\t`, `\b`, `\v` and the rest as `\xhh`; nginx with `escape=json` writes control
//! bytes as `\u00HH`. The forms do not contradict each other, so one reader does for all. A
//! backslash that begins none of them was written by a server that does not escape, and stays.

use memchr::{memchr, memchr_iter};

/// Returns `text` without escapes: itself when it has none, else what `scratch` then holds.
pub(super) fn unescaped<'a>(text: &'a [u8], scratch: &'a mut Vec<u8>) -> &'a [u8] {
    if memchr(b'\\', text).is_none() {
        return text;
    }
    scratch.clear();
    push_unescaped(text, scratch);
    scratch
}

/// Appends `text` without escapes.
pub(super) fn push_unescaped(mut text: &[u8], out: &mut Vec<u8>) {
    while let Some(at) = memchr(b'\\', text) {
        out.extend_from_slice(&text[..at]);
        let (byte, length) = escape(&text[at + 1..]);
        out.push(byte);
        text = &text[at + 1 + length..];
    }
    out.extend_from_slice(text);
}

/// What an escape stands for, from what follows its backslash, and how much of that it takes.
fn escape(following: &[u8]) -> (u8, usize) {
    match *following {
        [byte @ (b'"' | b'\\' | b'/'), ..] => (byte, 1),
        [b'n', ..] => (b'\n', 1),
        [b'r', ..] => (b'\r', 1),
        [b't', ..] => (b'\t', 1),
        [b'b', ..] => (0x08, 1),
        [b'v', ..] => (0x0b, 1),
        [b'f', ..] => (0x0c, 1),
        [b'x', high, low, ..] => hexadecimal(high, low).map_or((b'\\', 0), |byte| (byte, 3)),
        [b'u', b'0', b'0', high, low, ..] => {
            hexadecimal(high, low).map_or((b'\\', 0), |byte| (byte, 5))
        }
        _ => (b'\\', 0),
    }
}

/// Reads a byte written as two hexadecimal digits of either case.
fn hexadecimal(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// Appends `text` with `%HH` read as the byte it means.
pub(super) fn push_percent_decoded(mut text: &[u8], out: &mut Vec<u8>) {
    while let Some(at) = memchr(b'%', text) {
        out.extend_from_slice(&text[..at]);
        let byte = match text[at + 1..] {
            [high, low, ..] => hexadecimal(high, low),
            _ => None,
        };
        out.push(byte.unwrap_or(b'%'));
        text = &text[at + 1 + 2 * usize::from(byte.is_some())..];
    }
    out.extend_from_slice(text);
}

/// Tells whether the byte at `at` belongs to an escape: an odd number of backslashes leads to it.
pub(super) fn is_escaped(text: &[u8], at: usize) -> bool {
    text[..at].iter().rev().take_while(|&&byte| byte == b'\\').count() % 2 == 1
}

/// Finds the quote that ends a quoted field: the first that is not escaped and that is followed
/// by what `is_end` expects. Servers that do not escape leave bare quotes inside.
pub(super) fn closing_quote(text: &[u8], is_end: impl Fn(&[u8]) -> bool) -> Option<usize> {
    memchr_iter(b'"', text).find(|&at| is_end(&text[at + 1..]) && !is_escaped(text, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &[u8]) -> Vec<u8> {
        unescaped(text, &mut Vec::new()).to_vec()
    }

    #[test]
    fn escapes_of_all_servers_are_undone() {
        for (escaped, meant) in [
            (&br#"/a\"b"#[..], &b"/a\"b"[..]),
            (br"/a\x22\x5C\xe4", b"/a\"\\\xe4"),
            (br"\\x41\t\n\r\b\v\f", b"\\x41\t\n\r\x08\x0b\x0c"),
            (br"\u001f\/", b"\x1f/"),
            (b"/plain", b"/plain"),
            (b"", b""),
        ] {
            assert_eq!(plain(escaped), meant, "{}", escaped.escape_ascii());
        }
    }

    #[test]
    fn a_backslash_that_begins_no_escape_stays() {
        for text in [&br"c:\windows\"[..], br"\x4", br"\xzz", br"\u0100", br"\"] {
            assert_eq!(plain(text), text);
        }
    }

    #[test]
    fn a_quote_behind_an_even_number_of_backslashes_ends_a_field() {
        let end = |text: &[u8]| closing_quote(text, |rest| rest.is_empty() || rest[0] == b' ');
        assert_eq!(end(br#"a\" b" c"#), Some(5));
        assert_eq!(end(br#"a\\" c"#), Some(3));
        assert_eq!(end(br#"say "hi"x" c"#), Some(9));
        assert_eq!(end(br#"no end\""#), None);
    }

    #[test]
    fn percent_codes_are_decoded_and_others_kept() {
        let mut out = Vec::new();
        push_percent_decoded(b"a%20b%2520c%zz%4", &mut out);
        assert_eq!(out, b"a b%20c%zz%4");
    }
}
