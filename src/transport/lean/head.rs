//! The head of a response: status, how its body ends, whether the connection goes on.
//!
//! Headers that say nothing about these three are not looked at. The rules are those of
//! RFC 9112 §6.3, and the same as hyper's, so that both engines judge a response alike.

use std::mem::MaybeUninit;

use thiserror::Error;

use super::body::Framing;

/// Most headers of a response.
pub(super) const HEADERS_MAX: usize = 100;

/// Most bytes of a response's head.
pub(super) const HEAD_BYTES_MAX: usize = 256 * 1024;

/// What the head of a response says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// Bytes of the head.
    pub length: usize,
    /// Status.
    pub status: u16,
    /// How the body ends.
    pub framing: Framing,
    /// Whether the connection may carry another exchange.
    pub is_kept: bool,
}

/// What is wrong with a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HeadError {
    /// It is not HTTP/1.
    #[error("the response is not HTTP/1.1: {0}")]
    Syntax(httparse::Error),
    /// It goes on for too long.
    #[error("the head of the response is longer than {HEAD_BYTES_MAX} bytes")]
    TooLong,
    /// Two framings that contradict each other: whoever believes the other one sees another
    /// response.
    #[error("the response has both transfer-encoding and content-length")]
    TwoFramings,
    /// HTTP/1.0 knows no transfer codings.
    #[error("a response of HTTP/1.0 has transfer-encoding")]
    OldTransferEncoding,
    /// A length that is no number, or two of them that differ.
    #[error("the content-length of the response is not one number")]
    ContentLength,
    /// The target wants to speak another protocol, which nobody asked for.
    #[error("the target switched protocols (status 101) unasked")]
    Upgrade,
}

/// Reads the head at the front of `bytes`; `None` while it is incomplete.
///
/// `is_head_request` tells that the request was a HEAD, whose response has no body.
///
/// # Errors
/// When it can never become a head that can be relied on.
pub(super) fn parse(bytes: &[u8], is_head_request: bool) -> Result<Option<Head>, HeadError> {
    let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default()
        .parse_response_with_uninit_headers(&mut response, bytes, &mut headers)
        .map_err(HeadError::Syntax)?;
    let httparse::Status::Complete(length) = parsed else {
        return if bytes.len() > HEAD_BYTES_MAX { Err(HeadError::TooLong) } else { Ok(None) };
    };
    let (Some(status), Some(version)) = (response.code, response.version) else {
        return Ok(None);
    };
    let claims = Claims::of(response.headers, version == 1)?;
    let framing = claims.framing(status, is_head_request)?;
    let is_kept = claims.is_kept && framing != Framing::UntilClose;
    Ok(Some(Head { length, status, framing, is_kept }))
}

/// What the headers claim.
struct Claims {
    is_version_1_1: bool,
    content_length: Option<u64>,
    has_transfer_encoding: bool,
    is_chunked: bool,
    is_kept: bool,
}

impl Claims {
    fn of(headers: &[httparse::Header<'_>], is_version_1_1: bool) -> Result<Self, HeadError> {
        let mut claims = Self {
            is_version_1_1,
            content_length: None,
            has_transfer_encoding: false,
            is_chunked: false,
            is_kept: is_version_1_1,
        };
        let mut is_closed = false;
        for header in headers {
            // The length tells most headers apart before any letter is compared.
            match header.name.len() {
                14 if header.name.eq_ignore_ascii_case("content-length") => {
                    claims.add_content_length(header.value)?;
                }
                17 if header.name.eq_ignore_ascii_case("transfer-encoding") => {
                    claims.has_transfer_encoding = true;
                    let last = tokens(header.value).next_back().unwrap_or_default();
                    claims.is_chunked = last.eq_ignore_ascii_case(b"chunked");
                }
                10 if header.name.eq_ignore_ascii_case("connection") => {
                    let has = |word: &[u8]| {
                        tokens(header.value).any(|token| token.eq_ignore_ascii_case(word))
                    };
                    is_closed |= has(b"close");
                    claims.is_kept |= has(b"keep-alive");
                }
                _ => {}
            }
        }
        claims.is_kept &= !is_closed;
        Ok(claims)
    }

    fn add_content_length(&mut self, value: &[u8]) -> Result<(), HeadError> {
        for token in tokens(value) {
            let length = decimal(token).ok_or(HeadError::ContentLength)?;
            if self.content_length.is_some_and(|earlier| earlier != length) {
                return Err(HeadError::ContentLength);
            }
            self.content_length = Some(length);
        }
        if self.content_length.is_none() { Err(HeadError::ContentLength) } else { Ok(()) }
    }

    fn framing(&self, status: u16, is_head_request: bool) -> Result<Framing, HeadError> {
        if status == 101 {
            return Err(HeadError::Upgrade);
        }
        if (100..200).contains(&status) || matches!(status, 204 | 304) || is_head_request {
            return Ok(Framing::Length(0));
        }
        match (self.has_transfer_encoding, self.content_length) {
            (true, Some(_)) => Err(HeadError::TwoFramings),
            (true, None) if !self.is_version_1_1 => Err(HeadError::OldTransferEncoding),
            (true, None) if self.is_chunked => Ok(Framing::Chunked),
            (false, Some(length)) => Ok(Framing::Length(length)),
            (true | false, None) => Ok(Framing::UntilClose),
        }
    }
}

/// The members of a header that is a list.
fn tokens(value: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii)
}

/// A number of decimal digits and nothing else.
fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |value, &byte| {
        let digit = char::from(byte).to_digit(10)?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::{Framing, Head, HeadError, parse};

    fn head(lines: &str) -> Result<Head, HeadError> {
        let text = lines.replace('\n', "\r\n");
        parse(text.as_bytes(), false).map(|head| head.unwrap())
    }

    #[test]
    fn framing_follows_the_headers() {
        let cases = [
            ("HTTP/1.1 200 OK\ncontent-length: 5\n\n", Framing::Length(5), true),
            (
                "HTTP/1.1 200 OK\nContent-Length: 5, 5\ncontent-length: 5\n\n",
                Framing::Length(5),
                true,
            ),
            ("HTTP/1.1 200 OK\ntransfer-encoding: gzip, Chunked\n\n", Framing::Chunked, true),
            ("HTTP/1.1 200 OK\ntransfer-encoding: gzip\n\n", Framing::UntilClose, false),
            ("HTTP/1.1 200 OK\n\n", Framing::UntilClose, false),
            ("HTTP/1.1 204 No Content\n\n", Framing::Length(0), true),
            ("HTTP/1.1 304 Not Modified\ncontent-length: 7\n\n", Framing::Length(0), true),
            ("HTTP/1.1 100 Continue\n\n", Framing::Length(0), true),
            ("HTTP/1.0 200 OK\ncontent-length: 1\n\n", Framing::Length(1), false),
            (
                "HTTP/1.0 200 OK\ncontent-length: 1\nconnection: Keep-Alive\n\n",
                Framing::Length(1),
                true,
            ),
            (
                "HTTP/1.1 200 OK\ncontent-length: 1\nconnection: x, close\n\n",
                Framing::Length(1),
                false,
            ),
        ];
        for (text, framing, is_kept) in cases {
            let found = head(text).unwrap();
            assert_eq!((found.framing, found.is_kept), (framing, is_kept), "{text}");
        }
    }

    #[test]
    fn contradictions_are_errors() {
        let cases = [
            ("content-length: 5\ncontent-length: 6", HeadError::ContentLength),
            ("content-length: +5", HeadError::ContentLength),
            ("content-length: -1", HeadError::ContentLength),
            ("content-length:", HeadError::ContentLength),
            ("content-length: 99999999999999999999", HeadError::ContentLength),
            ("content-length: 5\ntransfer-encoding: chunked", HeadError::TwoFramings),
        ];
        for (headers, error) in cases {
            assert_eq!(head(&format!("HTTP/1.1 200 OK\n{headers}\n\n")), Err(error), "{headers}");
        }
        let old = "HTTP/1.0 200 OK\ntransfer-encoding: chunked\n\n";
        assert_eq!(head(old), Err(HeadError::OldTransferEncoding));
        assert_eq!(head("HTTP/1.1 101 Switching Protocols\n\n"), Err(HeadError::Upgrade));
        assert!(matches!(head("SSH-2.0-OpenSSH_9.2\n\n"), Err(HeadError::Syntax(_))));
    }

    #[test]
    fn an_unfinished_head_is_waited_for_within_bounds() {
        let whole = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
        for length in 0..whole.len() {
            assert_eq!(parse(&whole[..length], false), Ok(None), "{length} bytes");
        }
        let mut endless = b"HTTP/1.1 200 OK\r\nx: ".to_vec();
        endless.resize(300 * 1024, b'a');
        assert_eq!(parse(&endless, false), Err(HeadError::TooLong));
    }

    #[test]
    fn the_response_to_head_has_no_body() {
        let text = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
        assert_eq!(parse(text, true).unwrap().unwrap().framing, Framing::Length(0));
    }
}
