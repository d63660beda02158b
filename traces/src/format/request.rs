//! The parts that all line formats share: request lines, methods, numbers, addresses, headers.

use memchr::{memchr, memrchr};

use super::unescape::push_unescaped;
use crate::record::Skip;
use crate::time;

/// A request line taken apart; both parts are as the log escaped them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RequestLine<'a> {
    /// Method.
    pub(super) method: &'a [u8],
    /// Target.
    pub(super) target: &'a [u8],
}

/// Takes `METHOD target PROTOCOL` apart, from both ends: what lies between is the target, blanks
/// and quotes included. The protocol is missing in HTTP/0.9.
pub(super) fn request_line(text: &[u8]) -> Result<RequestLine<'_>, Skip> {
    // A handshake of TLS or another protocol has no blank, or its first word is no token.
    let text = trim_end(text);
    let first = memchr(b' ', text).ok_or(Skip::BadRequest)?;
    let last = memrchr(b' ', text).ok_or(Skip::BadRequest)?;
    let method = &text[..first];
    check_method(method)?;
    let has_protocol = text[last + 1..].starts_with(b"HTTP/");
    let end = if has_protocol { last } else { text.len() };
    // With one blank and a protocol behind it there is no target, and the range is empty.
    let target = text.get(first + 1..end).unwrap_or_default().trim_ascii();
    if target.is_empty() || target == b"-" {
        return Err(Skip::BadRequest);
    }
    Ok(RequestLine { method, target })
}

/// Checks that `method` can be sent: a token of RFC 9110, and not the opening of a tunnel.
pub(super) fn check_method(method: &[u8]) -> Result<(), Skip> {
    // `-` is a token, and what logs write for nothing.
    if method.is_empty() || method == b"-" || !method.iter().all(|&byte| is_token(byte)) {
        return Err(Skip::BadRequest);
    }
    if method == b"CONNECT" { Err(Skip::NotHttp) } else { Ok(()) }
}

/// Tells whether a byte may stand in a token of RFC 9110 §5.6.2.
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Reads a whole number; `-` or nothing means that there is none.
pub(super) fn number(text: &[u8]) -> Result<Option<u64>, Skip> {
    if text.is_empty() || text == b"-" {
        return Ok(None);
    }
    let value = time::integer(text).ok_or(Skip::BadNumber)?;
    Ok(Some(value.unsigned_abs()))
}

/// Reads a status; `-` or nothing means that there is none.
pub(super) fn status(text: &[u8]) -> Result<Option<u16>, Skip> {
    number(text)?.map(|value| u16::try_from(value).map_err(|_| Skip::BadNumber)).transpose()
}

/// Reads a duration in units of `unit_ns`; `-`, nothing and negative numbers mean unknown.
pub(super) fn duration(text: &[u8], unit_ns: i64) -> Result<Option<i64>, Skip> {
    if text.is_empty() || text == b"-" {
        return Ok(None);
    }
    let duration_ns = time::parse_decimal(text, unit_ns).ok_or(Skip::BadNumber)?;
    Ok((duration_ns >= 0).then_some(duration_ns))
}

/// A value, or nothing for the `-` that logs write instead.
pub(super) fn present(text: &[u8]) -> &[u8] {
    if text == b"-" { b"" } else { text }
}

/// The address of `address:port`, with or without the brackets of IPv6; a bare address stays.
pub(super) fn address(text: &[u8]) -> &[u8] {
    if let Some(inside) = text.strip_prefix(b"[") {
        return memchr(b']', inside).map_or(text, |end| &inside[..end]);
    }
    match memrchr(b':', text) {
        // More than one colon without brackets is an address of IPv6 without port.
        Some(at) if memchr(b':', &text[..at]).is_none() => &text[..at],
        _ => text,
    }
}

/// The first of the addresses that proxies have put into `X-Forwarded-For`.
pub(super) fn first_forwarded(text: &[u8]) -> &[u8] {
    let end = memchr(b',', text).unwrap_or(text.len());
    present(text[..end].trim_ascii())
}

/// The host of an absolute URL, port included; empty for anything else.
pub(super) fn host_of(url: &[u8]) -> &[u8] {
    let Some(colon) = memchr(b':', url) else { return b"" };
    let Some(rest) = url[colon..].strip_prefix(b"://") else { return b"" };
    let end = rest.iter().position(|byte| b"/?#".contains(byte)).unwrap_or(rest.len());
    let authority = &rest[..end];
    memrchr(b'@', authority).map_or(authority, |at| &authority[at + 1..])
}

/// Appends a header whose value is as the log escaped it. See [`push_header_with`].
pub(super) fn push_header(name: &[u8], value: &[u8], headers: &mut Vec<u8>) {
    push_header_with(name, value, headers, push_unescaped);
}

/// Appends a header whose value `decode` makes plain. Nothing is appended for a value that is
/// missing, or that would break out of its line: an unescaped CR or LF is an attack on whoever
/// sends it again.
pub(super) fn push_header_with(
    name: &[u8],
    value: &[u8],
    headers: &mut Vec<u8>,
    decode: impl FnOnce(&[u8], &mut Vec<u8>),
) {
    if value.is_empty() || value == b"-" {
        return;
    }
    let start = headers.len();
    headers.extend_from_slice(name);
    headers.extend_from_slice(b": ");
    let value_start = headers.len();
    decode(value, headers);
    let is_control = |&byte: &u8| byte < b' ' && byte != b'\t' || byte == 0x7f;
    if headers[value_start..].iter().any(is_control) {
        headers.truncate(start);
    } else {
        headers.extend_from_slice(b"\r\n");
    }
}

/// `text` without blanks at its end.
pub(super) fn trim_end(text: &[u8]) -> &[u8] {
    match text {
        // Nearly no line has any.
        [.., b' ' | b'\t' | b'\r'] => text.trim_ascii_end(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &[u8]) -> Result<(&[u8], &[u8]), Skip> {
        request_line(text).map(|line| (line.method, line.target))
    }

    #[test]
    fn a_request_line_is_read_from_both_ends() {
        for (text, target) in [
            ("GET / HTTP/1.1", "/"),
            ("GET /a b \"c\" HTTP/1.0", "/a b \"c\""),
            ("GET /old", "/old"),
            ("GET  /two  HTTP/1.1 ", "/two"),
            ("GET http://a/b HTTP/1.1", "http://a/b"),
            ("GET /HTTP/1.1", "/HTTP/1.1"),
        ] {
            let expected = Ok((&b"GET"[..], target.as_bytes()));
            assert_eq!(parts(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for text in [
            "",
            "-",
            "GET",
            "GET ",
            "GET HTTP/1.1",
            r"\x16\x03\x01 \xC0",
            "G(T / HTTP/1.1",
            "- - -",
        ] {
            assert_eq!(parts(text.as_bytes()), Err(Skip::BadRequest), "{text}");
        }
        assert_eq!(parts(b"GE\xe4 / HTTP/1.1"), Err(Skip::BadRequest));
        assert_eq!(parts(b"CONNECT a:443 HTTP/1.1"), Err(Skip::NotHttp));
    }

    #[test]
    fn numbers_may_be_missing_and_not_wrong() {
        assert_eq!(number(b"-"), Ok(None));
        assert_eq!(number(b"0"), Ok(Some(0)));
        assert_eq!(number(b"9223372036854775808"), Err(Skip::BadNumber));
        assert_eq!(number(b"-5"), Err(Skip::BadNumber));
        assert_eq!(status(b"65536"), Err(Skip::BadNumber));
        assert_eq!(duration(b"-1", 1), Ok(None));
        assert_eq!(duration(b"0.25", 1_000_000_000), Ok(Some(250_000_000)));
        assert_eq!(duration(b"fast", 1), Err(Skip::BadNumber));
    }

    #[test]
    fn addresses_lose_their_ports_and_keep_their_colons() {
        for (text, expected) in [
            ("192.0.2.1:80", "192.0.2.1"),
            ("192.0.2.1", "192.0.2.1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[broken", "[broken"),
        ] {
            assert_eq!(address(text.as_bytes()), expected.as_bytes());
        }
        assert_eq!(first_forwarded(b"192.0.2.7, 10.0.0.1"), b"192.0.2.7");
        assert_eq!(first_forwarded(b"-"), b"");
        assert_eq!(host_of(b"http://user@a.example:80/x://y"), b"a.example:80");
        assert_eq!(host_of(b"/x"), b"");
        assert_eq!(host_of(b"error:invalid-request"), b"");
    }

    #[test]
    fn a_header_that_would_break_its_line_is_left_out() {
        let mut headers = Vec::new();
        push_header(b"user-agent", br"good \x22bot\x22", &mut headers);
        push_header(b"referer", br"evil\x0d\x0aset-cookie: a", &mut headers);
        push_header(b"referer", b"-", &mut headers);
        assert_eq!(headers, b"user-agent: good \"bot\"\r\n");
    }
}
