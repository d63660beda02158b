//! JSON as logs write it: found by its brackets and quotes, not judged.
//!
//! Loggers write what their templates say. nginx writes `\xHH`, which is no JSON, and bytes that
//! are no UTF-8; others leave a value out where there is none. A strict parser refuses those
//! lines, and they are the ones with the interesting paths. So this one finds members and values
//! in the bytes as they stand, takes numbers as their text, and reads strings with both kinds of
//! escapes. It keeps no stack: depth costs nothing.

use memchr::memchr2;

/// Calls `each` with key and value of every member of the object that `text` is, key without its
/// quotes, value as it stands; `None` when `text` is no object or `each` gives up.
pub(crate) fn members<'a>(
    text: &'a [u8],
    mut each: impl FnMut(&'a [u8], &'a [u8]) -> Option<()>,
) -> Option<()> {
    let inside = text.trim_ascii().strip_prefix(b"{")?;
    let mut at = blanks(inside, 0);
    if inside.get(at) == Some(&b'}') {
        return (blanks(inside, at + 1) == inside.len()).then_some(());
    }
    loop {
        let key_end = string_end(inside, at)?;
        let key = &inside[at + 1..key_end - 1];
        at = blanks(inside, key_end);
        if inside.get(at) != Some(&b':') {
            return None;
        }
        let start = blanks(inside, at + 1);
        let end = value_end(inside, start)?;
        each(key, &inside[start..end])?;
        at = blanks(inside, end);
        match inside.get(at)? {
            b',' => at = blanks(inside, at + 1),
            b'}' => return (blanks(inside, at + 1) == inside.len()).then_some(()),
            _ => return None,
        }
    }
}

/// Calls `each` with every element of the array that `text` is; `None` as for [`members`].
pub(crate) fn elements<'a>(
    text: &'a [u8],
    mut each: impl FnMut(&'a [u8]) -> Option<()>,
) -> Option<()> {
    let inside = text.trim_ascii().strip_prefix(b"[")?;
    let mut at = blanks(inside, 0);
    if inside.get(at) == Some(&b']') {
        return (blanks(inside, at + 1) == inside.len()).then_some(());
    }
    loop {
        let end = value_end(inside, at)?;
        each(&inside[at..end])?;
        at = blanks(inside, end);
        match inside.get(at)? {
            b',' => at = blanks(inside, at + 1),
            b']' => return (blanks(inside, at + 1) == inside.len()).then_some(()),
            _ => return None,
        }
    }
}

/// Text of a string or scalar, with the quotes of a string taken off and its escapes as they are.
pub(crate) fn bare(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value)
}

/// Appends the text of a string or scalar, with its escapes read. Half a surrogate pair is
/// U+FFFD, an escape that is none stands for itself.
pub(crate) fn unescape(value: &[u8], out: &mut Vec<u8>) {
    let mut rest = bare(value);
    while let Some(position) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..position]);
        let escape = &rest[position + 1..];
        rest = match escape {
            [b'"' | b'\\' | b'/', ..] => {
                out.push(escape[0]);
                &escape[1..]
            }
            [letter @ (b'b' | b'f' | b'n' | b'r' | b't'), tail @ ..] => {
                out.push(match letter {
                    b'b' => 8,
                    b'f' => 12,
                    b'n' => b'\n',
                    b'r' => b'\r',
                    _ => b'\t',
                });
                tail
            }
            [b'x', high, low, tail @ ..] if hex(&[*high, *low]).is_some() => {
                out.extend(hex(&[*high, *low]).map(|byte| byte as u8));
                tail
            }
            [b'u', tail @ ..] if tail.get(..4).and_then(hex).is_some() => unicode(tail, out),
            _ => {
                out.push(b'\\');
                escape
            }
        };
    }
    out.extend_from_slice(rest);
}

/// Reads the digits after `\u`, and a second escape when the first is half a pair; returns what
/// follows.
fn unicode<'a>(digits: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let unit = |text: &[u8]| text.get(..4).and_then(hex);
    let first = unit(digits).unwrap_or_default();
    let second = digits.get(4..).and_then(|rest| rest.strip_prefix(b"\\u")).and_then(unit);
    let (code, used) = match (first, second) {
        (0xd800..=0xdbff, Some(second @ 0xdc00..=0xdfff)) => {
            (0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00), 10)
        }
        _ => (first, 4),
    };
    let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    &digits[used..]
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |total, &digit| Some(total * 16 + char::from(digit).to_digit(16)?))
}

fn blanks(text: &[u8], from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    from + rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// End of the string that begins at `from`, behind its quote.
fn string_end(text: &[u8], from: usize) -> Option<usize> {
    if text.get(from) != Some(&b'"') {
        return None;
    }
    let mut at = from + 1;
    loop {
        at += memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// End of the value that begins at `from`. A scalar may be empty.
fn value_end(text: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    match text.get(at)? {
        b'"' => string_end(text, at),
        b'{' | b'[' => {
            let mut depth = 0_usize;
            loop {
                match text.get(at)? {
                    b'"' => {
                        at = string_end(text, at)?;
                        continue;
                    }
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => depth -= 1,
                    _ => {}
                }
                at += 1;
                if depth == 0 {
                    return Some(at);
                }
            }
        }
        _ => {
            let is_scalar = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
            at += text[from..].iter().take_while(is_scalar).count();
            Some(at)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};
    use serde_json::Value;

    use super::*;

    fn read(text: &[u8]) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
        let mut all = Vec::new();
        members(text, |key, value| {
            all.push((key.to_vec(), value.to_vec()));
            Some(())
        })?;
        Some(all)
    }

    fn text(value: &str) -> Vec<u8> {
        let mut out = Vec::new();
        unescape(value.as_bytes(), &mut out);
        out
    }

    #[test]
    fn members_are_found_whatever_lies_in_them() {
        let all = read(br#" {"a": "x}\"", "b":[{"c":"]"}, 1] ,"d":-,"e":, "f":1.50e3} "#).unwrap();
        let values = all.iter().map(|(_, value)| &value[..]).collect::<Vec<_>>();
        assert_eq!(values, [&br#""x}\"""#[..], br#"[{"c":"]"}, 1]"#, b"-", b"", b"1.50e3"]);
        assert_eq!(read(b"{}").unwrap(), []);
        for wrong in [
            "",
            "{",
            "[]",
            "{\"a\"}",
            "{\"a\":1",
            "{\"a\":1}x",
            "{a:1}",
            "{\"a\":\"\\\"}",
            "{\"a\":1 2}",
        ] {
            assert_eq!(read(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn both_kinds_of_escapes_are_read() {
        assert_eq!(
            text(r#""a\x22\xE9\u00e9\n\/\ud83d\ude00""#),
            b"a\"\xe9\xc3\xa9\n/\xf0\x9f\x98\x80"
        );
        assert_eq!(text(r#""\ud83d!""#), "\u{fffd}!".as_bytes());
        assert_eq!(text(r#""\xZZ \q \u12""#), br"\xZZ \q \u12");
    }

    proptest! {
        #[test]
        fn strings_of_json_are_read_as_a_strict_parser_reads_them(string in any::<String>()) {
            let json = Value::from(string.clone()).to_string();
            assert_eq!(text(&json), string.as_bytes());
        }

        #[test]
        fn no_bytes_panic(bytes in any::<Vec<u8>>(), json in r#"[\[\]{}",:\\xu0-9a-f ]{0,40}"#) {
            for bytes in [&bytes[..], json.as_bytes()] {
                let _ = (read(bytes), elements(bytes, |_| Some(())));
                unescape(bytes, &mut Vec::new());
            }
        }
    }
}
