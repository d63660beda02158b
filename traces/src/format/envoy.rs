//! The default text format of Envoy, and Istio's extension of it.
//!
//! ```text
//! [START_TIME] "METHOD PATH PROTOCOL" CODE FLAGS RECEIVED SENT DURATION UPSTREAM_TIME
//!     "x-forwarded-for" "user-agent" "x-request-id" "authority" "upstream host"
//! ```
//!
//! (one line). The time is the start, in UTC with milliseconds; the duration is in milliseconds.
//! Istio has one to three more fields behind the flags, of which none is a number, and the
//! addresses of the connection at the end. The path is the one the client sent, before any rewriting. TCP
//! proxies write the same format with `-` for a method.

use memchr::memchr;

use super::LineFormat;
use super::request::{
    address, duration, first_forwarded, number, present, push_header, request_line, status,
};
use super::words::Words;
use crate::record::{Moment, Record, SECOND_NS, Skip};
use crate::time::parse_rfc3339;

/// The step of the time and the duration.
const MILLISECOND_NS: i64 = SECOND_NS / 1000;

/// Fields that Istio has behind the flags: one in its first versions, three since.
const ISTIO_FURTHER_MAX: usize = 3;

/// Fields between Istio's upstream host and the address of the client.
const ISTIO_BEFORE_CLIENT: usize = 3;

/// Reads Envoy's default text format.
#[derive(Debug, Clone, Default)]
pub struct Envoy {
    headers: Vec<u8>,
}

impl LineFormat for Envoy {
    fn parse<'a>(&'a mut self, line: &'a [u8]) -> Result<Option<Record<'a>>, Skip> {
        let line = line.trim_ascii();
        if line.is_empty() {
            return Ok(None);
        }
        let inside = line.strip_prefix(b"[").ok_or(Skip::Malformed)?;
        let end = memchr(b']', inside).ok_or(Skip::Malformed)?;
        let time_ns = parse_rfc3339(&inside[..end]).ok_or(Skip::BadTime)?;
        let mut words = Words::new(&inside[end + 1..]);
        let request = words.expect()?;
        let status = status(words.expect()?)?;
        words.pass(1)?;
        let mut received = words.expect()?;
        let mut further = 0;
        while further < ISTIO_FURTHER_MAX && !received.iter().all(u8::is_ascii_digit) {
            received = words.expect()?;
            further += 1;
        }
        let is_istio = further > 0;
        let sent = words.expect()?;
        let elapsed = words.expect()?;
        words.pass(1)?;
        let forwarded = words.expect()?;
        let agent = words.expect()?;
        words.pass(1)?;
        let authority = words.expect()?;
        words.pass(1)?;
        if request.starts_with(b"- ") || request == b"-" {
            return Err(Skip::NotHttp);
        }
        let request = request_line(request)?;
        let mut session = first_forwarded(forwarded);
        if session.is_empty() && is_istio {
            // Upstream cluster, upstream and downstream local address, then the client's.
            session =
                words.nth(ISTIO_BEFORE_CLIENT).map_or(&b""[..], |word| address(present(word)));
        }
        self.headers.clear();
        push_header(b"user-agent", agent, &mut self.headers);
        Ok(Some(Record {
            time_ns,
            moment: Moment::Start,
            resolution_ns: MILLISECOND_NS,
            duration_ns: duration(elapsed, MILLISECOND_NS)?,
            session,
            method: request.method,
            target: request.target,
            host: present(authority),
            headers: &self.headers,
            body_bytes: number(received)?.filter(|&bytes| bytes > 0),
            status,
            bytes: number(sent)?,
            ..Record::default()
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENVOY: &str = r#"[2016-04-15T20:17:00.310Z] "POST /api/v1/locations HTTP/2" 204 - 154 0 226 100 "192.0.2.35, 10.0.0.1" "nsq2http" "cc21d9b0-cf5c-432b-8c7e-98aeb7988cd2" "locations" "tcp://192.0.2.2:80""#;
    const ISTIO: &str = r#"[2020-11-25T21:26:18.409Z] "GET /status/418 HTTP/1.1" 418 - via_upstream - "-" 0 135 4 4 "-" "curl/7.73.0-DEV" "84961386-6d84-929d-98bd-c5aee93b5c88" "httpbin:8000" "127.0.0.1:80" inbound|8000|| 127.0.0.1:41854 10.44.1.27:80 10.44.1.23:37652 outbound_.8000_._.httpbin.foo.svc.cluster.local default"#;

    #[test]
    fn a_line_is_a_start_and_a_duration() {
        let mut format = Envoy::default();
        let record = format.parse(ENVOY.as_bytes()).unwrap().unwrap();
        let expected = Record {
            time_ns: 1_460_751_420_310_000_000,
            moment: Moment::Start,
            resolution_ns: 1_000_000,
            duration_ns: Some(226_000_000),
            session: b"192.0.2.35",
            method: b"POST",
            target: b"/api/v1/locations",
            host: b"locations",
            headers: b"user-agent: nsq2http\r\n",
            body_bytes: Some(154),
            status: Some(204),
            bytes: Some(0),
            ..Record::default()
        };
        assert_eq!(record, expected);
    }

    #[test]
    fn the_further_fields_of_istio_are_understood() {
        let mut format = Envoy::default();
        let record = format.parse(ISTIO.as_bytes()).unwrap().unwrap();
        assert_eq!((record.session, record.host), (&b"10.44.1.23"[..], &b"httpbin:8000"[..]));
        assert_eq!((record.duration_ns, record.bytes), (Some(4_000_000), Some(135)));
        assert_eq!((record.body_bytes, record.status), (None, Some(418)));
    }

    #[test]
    fn what_is_no_http_is_named() {
        let mut format = Envoy::default();
        let with = |from: &str, to: &str| ENVOY.replace(from, to);
        for (text, reason) in [
            (with("POST /api/v1/locations HTTP/2", "- - -"), Skip::NotHttp),
            (with("POST /api/v1/locations HTTP/2", "CONNECT a:1 HTTP/2"), Skip::NotHttp),
            (with("POST /api/v1/locations HTTP/2", "POST - HTTP/2"), Skip::BadRequest),
            (with("2016-04-15T", "2016-04-31T"), Skip::BadTime),
            (with(" 226 ", " x "), Skip::BadNumber),
            (with(" \"tcp://192.0.2.2:80\"", ""), Skip::Malformed),
            ("plain text".into(), Skip::Malformed),
        ] {
            assert_eq!(format.parse(text.as_bytes()), Err(reason), "{text}");
        }
    }

    #[test]
    fn a_client_that_hung_up_is_an_arrival() {
        let line = ENVOY.replace(" 204 - 154 0 226 100 ", " 0 DC 0 0 5003 - ");
        let mut format = Envoy::default();
        let record = format.parse(line.as_bytes()).unwrap().unwrap();
        assert_eq!((record.status, record.duration_ns), (Some(0), Some(5_003_000_000)));
    }
}
