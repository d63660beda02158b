//! The native access log of squid.
//!
//! ```text
//! 1066036250.603    310 192.0.2.68 TCP_MISS/200 15133 GET http://a.example/ - HIER_DIRECT/… text/html
//! ```
//!
//! The time is when the response was complete, in seconds with milliseconds; the second column is
//! the duration in milliseconds. What the proxy did for other caches (ICP, HTCP) and the tunnels
//! it opened are no HTTP requests. Requests it refused are kept: they arrived. By default squid
//! writes nothing of a query but its `?`; `strip_query_terms off` makes logs that can be replayed.

use memchr::memchr;

use super::LineFormat;
use super::request::{check_method, duration, host_of, number, present, status};
use super::words::Words;
use crate::record::{Moment, Record, SECOND_NS, Skip};
use crate::time::parse_decimal;

/// The step of both times.
const MILLISECOND_NS: i64 = SECOND_NS / 1000;

/// Reads squid's native format.
#[derive(Debug, Clone, Copy, Default)]
pub struct Squid;

impl LineFormat for Squid {
    fn parse<'a>(&'a mut self, line: &'a [u8]) -> Result<Option<Record<'a>>, Skip> {
        let mut words = Words::new(line);
        let Some(time) = words.next() else { return Ok(None) };
        let elapsed = words.expect()?;
        let client = words.expect()?;
        let result = words.expect()?;
        let bytes = words.expect()?;
        let method = words.expect()?;
        let url = words.expect()?;
        // Peer, user and type are of no use here, but a line without them was cut off.
        words.pass(2)?;
        let time_ns = parse_decimal(time, SECOND_NS).ok_or(Skip::BadTime)?;
        let slash = memchr(b'/', result).ok_or(Skip::Malformed)?;
        let (action, code) = (&result[..slash], &result[slash + 1..]);
        if action.starts_with(b"UDP_") || method == b"ICP_QUERY" || method.starts_with(b"HTCP_") {
            return Err(Skip::NotHttp);
        }
        check_method(method)?;
        // What could not be read as a request is logged with method NONE or as error:reason.
        if method == b"NONE" || url == b"-" || url.starts_with(b"error:") {
            return Err(Skip::BadRequest);
        }
        if url.starts_with(b"cache_object:") {
            return Err(Skip::NotHttp);
        }
        Ok(Some(Record {
            time_ns,
            moment: Moment::End,
            resolution_ns: MILLISECOND_NS,
            duration_ns: duration(elapsed, MILLISECOND_NS)?,
            session: present(client),
            method,
            target: url,
            host: host_of(url),
            status: status(code)?,
            bytes: number(bytes)?,
            ..Record::default()
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_an_end_and_a_duration() {
        let line = "1066036250.603    310 192.0.2.68 TCP_MISS/200 15133 GET \
                    http://a.example:81/b?c - HIER_DIRECT/192.0.2.9 text/html";
        let expected = Record {
            time_ns: 1_066_036_250_603_000_000,
            moment: Moment::End,
            resolution_ns: 1_000_000,
            duration_ns: Some(310_000_000),
            session: b"192.0.2.68",
            method: b"GET",
            target: b"http://a.example:81/b?c",
            host: b"a.example:81",
            status: Some(200),
            bytes: Some(15_133),
            ..Record::default()
        };
        assert_eq!(Squid.parse(line.as_bytes()), Ok(Some(expected)));
    }

    #[test]
    fn logged_headers_may_follow() {
        let line = "1286536309.586    921 192.0.2.8 TCP_MISS/200 507 POST http://a.example/ - \
                    DIRECT/192.0.2.9 text/xml [Host: a.example\\r\\n] [HTTP/1.1 200 OK]";
        assert_eq!(Squid.parse(line.as_bytes()).unwrap().unwrap().method, b"POST");
    }

    #[test]
    fn what_is_no_http_is_named() {
        let line = |result: &str, method: &str, url: &str| {
            format!("1066036250.603      0 192.0.2.68 {result} 0 {method} {url} - NONE/- -")
        };
        for (text, reason) in [
            (line("TCP_TUNNEL/200", "CONNECT", "a.example:443"), Skip::NotHttp),
            (line("UDP_MISS/000", "ICP_QUERY", "http://a.example/"), Skip::NotHttp),
            (line("TCP_MISS/200", "GET", "cache_object://localhost/info"), Skip::NotHttp),
            (line("NONE/400", "NONE", "error:invalid-request"), Skip::BadRequest),
            (line("NONE_NONE/000", "-", "error:transaction-end-before-headers"), Skip::BadRequest),
            (line("TCP_MISS", "GET", "http://a.example/"), Skip::Malformed),
            (line("TCP_MISS/abc", "GET", "http://a.example/"), Skip::BadNumber),
            (line("TCP_MISS/200", "G\x01T", "http://a.example/"), Skip::BadRequest),
            ("yesterday 0 a TCP_HIT/200 0 GET http://b/ - NONE/- -".into(), Skip::BadTime),
            ("1066036250.603 310 192.0.2.68 TCP_MISS/200 15133 GET http".into(), Skip::Malformed),
        ] {
            assert_eq!(Squid.parse(text.as_bytes()), Err(reason), "{text}");
        }
        let denied = line("TCP_DENIED/407", "GET", "http://a.example/");
        assert_eq!(Squid.parse(denied.as_bytes()).unwrap().unwrap().status, Some(407));
        assert_eq!(Squid.parse(b""), Ok(None));
    }
}
