//! HAProxy's `option httplog`, with or without what syslog puts in front of it.
//!
//! ```text
//! 192.0.2.9:31561 [15/Oct/2003:08:31:57.218] http-in~ web/srv1 6559/100/7/147/6723 200 2750
//!     - - ---- 5/3/3/1/0 0/0 {captured|request} {captured response} "GET / HTTP/1.0"
//! ```
//!
//! (one line). The date is that of the request's first byte (of the connection in versions
//! before 1.7) with milliseconds, in the local time of the machine, which the line does not
//! name: it is read as UTC, and every time is off by the same. The last of the timers is the
//! duration. syslog cuts long lines off, so the quote behind the request may be missing.

use memchr::{memchr, memchr_iter, memrchr};

use super::LineFormat;
use super::request::{address, duration, number, request_line, status};
use super::words::Words;
use crate::record::{Moment, Record, SECOND_NS, Skip};
use crate::time::parse_clf;

/// The step of the date and the timers.
const MILLISECOND_NS: i64 = SECOND_NS / 1000;

/// Timers of a line about HTTP; one about TCP has three.
const TIMERS: usize = 5;

/// Reads HAProxy's HTTP log format.
#[derive(Debug, Clone, Copy, Default)]
pub struct Haproxy;

impl LineFormat for Haproxy {
    fn parse<'a>(&'a mut self, line: &'a [u8]) -> Result<Option<Record<'a>>, Skip> {
        let line = line.trim_ascii();
        if line.is_empty() {
            return Ok(None);
        }
        let Split { client, date, rest } = split_at_date(line)?;
        let time_ns = parse_clf(date).ok_or(Skip::BadTime)?;
        let mut words = Words::new(rest);
        words.pass(2)?;
        let timers = words.expect()?;
        if memchr_iter(b'/', timers).count() + 1 != TIMERS {
            return Err(Skip::NotHttp);
        }
        let total = memrchr(b'/', timers).map_or(timers, |at| &timers[at + 1..]);
        let status = status(words.expect()?)?;
        let bytes = words.expect()?;
        // Two cookies, the state at the end, connections, queues.
        words.pass(5)?;
        let request = request_line(request_of(words.rest()).ok_or(Skip::Malformed)?)?;
        Ok(Some(Record {
            time_ns,
            moment: Moment::Start,
            resolution_ns: MILLISECOND_NS,
            duration_ns: duration(without_plus(total), MILLISECOND_NS)?,
            session: address(client),
            method: request.method,
            target: request.target,
            status,
            bytes: number(without_plus(bytes))?,
            ..Record::default()
        }))
    }
}

/// The first parts of a line.
struct Split<'a> {
    /// Address and port of the client.
    client: &'a [u8],
    date: &'a [u8],
    /// What follows the bracket behind the date.
    rest: &'a [u8],
}

fn split_at_date(line: &[u8]) -> Result<Split<'_>, Skip> {
    for at in memchr_iter(b'[', line) {
        // The number of syslog's process stands in brackets too, without a blank before it.
        let Some(before) = line[..at].strip_suffix(b" ") else { continue };
        let Some(end) = memchr(b']', &line[at..]) else { continue };
        let client = memrchr(b' ', before).map_or(before, |blank| &before[blank + 1..]);
        if memchr(b':', client).is_some() && line.get(at + end + 1) == Some(&b' ') {
            let (date, rest) = (&line[at + 1..at + end], &line[at + end + 1..]);
            return Ok(Split { client, date, rest });
        }
    }
    Err(Skip::Malformed)
}

/// The request at the end of a line, behind up to two blocks of captured headers.
fn request_of(rest: &[u8]) -> Option<&[u8]> {
    let mut rest = rest.trim_ascii_start();
    while rest.starts_with(b"{") {
        rest = rest[memchr(b'}', rest)? + 1..].trim_ascii_start();
    }
    let inside = rest.strip_prefix(b"\"")?;
    Some(inside.strip_suffix(b"\"").unwrap_or(inside))
}

/// With `option logasap` the line is written early, and a `+` says that there was more.
fn without_plus(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"+").unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"Feb  6 12:14:14 localhost haproxy[14389]: 192.0.2.2:33317 [06/Feb/2009:12:14:14.655] http-in static/srv1 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 {1wt.eu} {} "GET /index.html HTTP/1.1""#;

    #[test]
    fn a_line_is_a_start_and_a_duration() {
        let record = Record {
            time_ns: 1_233_922_454_655_000_000,
            moment: Moment::Start,
            resolution_ns: 1_000_000,
            duration_ns: Some(109_000_000),
            session: b"192.0.2.2",
            method: b"GET",
            target: b"/index.html",
            status: Some(200),
            bytes: Some(2750),
            ..Record::default()
        };
        assert_eq!(Haproxy.parse(LINE.as_bytes()), Ok(Some(record)));
        let bare = LINE.split(": ").nth(1).unwrap();
        assert_eq!(Haproxy.parse(bare.as_bytes()), Ok(Some(record)));
        let early = LINE.replace("/109 200 2750", "/+109 200 +2750");
        assert_eq!(Haproxy.parse(early.as_bytes()), Ok(Some(record)));
        let cut = LINE.strip_suffix(" HTTP/1.1\"").unwrap();
        assert_eq!(Haproxy.parse(cut.as_bytes()), Ok(Some(record)));
    }

    #[test]
    fn what_is_no_http_is_named() {
        let with = |from: &str, to: &str| LINE.replace(from, to);
        for (text, reason) in [
            (with("GET /index.html HTTP/1.1", "<BADREQ>"), Skip::BadRequest),
            (with("GET /index.html", "CONNECT a:443"), Skip::NotHttp),
            (with("10/0/30/69/109 200", "0/0/5007 212"), Skip::NotHttp),
            (with("06/Feb", "31/Feb"), Skip::BadTime),
            (with("/109 200", "/x 200"), Skip::BadNumber),
            ("Feb  6 12:14:14 localhost haproxy[14389]: Proxy started.".into(), Skip::Malformed),
        ] {
            assert_eq!(Haproxy.parse(text.as_bytes()), Err(reason), "{text}");
        }
    }
}
