//! The common and combined formats of NCSA httpd, as Apache and nginx write them.
//!
//! ```text
//! [vhost:port ]host ident user [01/Jul/1995:00:00:01 -0400] "GET /path HTTP/1.0" 200 6245[ "referer" "agent" …]
//! ```
//!
//! Most recorded traffic is in this form, so it is read with two searches for a byte and without
//! allocating: the `[` that a date follows, and the quote that a status follows. Both are looked
//! for by what is behind them, because users may hold blanks and brackets, and servers that do
//! not escape leave quotes in targets. The time of the neighbouring line is remembered.
//!
//! Apache's `%t` is the start of a request, nginx's `$time_local` its end; the lines look the
//! same, so the caller says which it is. What follows the agent is passed over, except for
//! Traefik's `NNms` at the end of the line, which is a duration.

use memchr::{memchr, memchr_iter, memrchr};

use super::LineFormat;
use super::recent::RecentTime;
use super::request::{RequestLine, number, present, push_header, request_line, status, trim_end};
use super::unescape::{closing_quote, unescaped};
use crate::record::{Moment, Record, SECOND_NS, Skip};
use crate::time::{parse_clf, parse_decimal};

/// Length of `01/Jul/1995:00:00:01 -0400`.
const TIME_BYTES: usize = 26;

/// Longest text between brackets that is taken for a time.
const TIME_BYTES_MAX: usize = 48;

/// Reads the common and the combined format.
#[derive(Debug, Clone)]
pub struct Ncsa {
    moment: Moment,
    has_headers: bool,
    recent: RecentTime,
    target: Vec<u8>,
    headers: Vec<u8>,
}

impl Ncsa {
    /// Reads lines whose time is `moment`: [`Moment::Start`] for Apache and Traefik,
    /// [`Moment::End`] for nginx.
    pub fn new(moment: Moment) -> Self {
        Self {
            moment,
            has_headers: false,
            recent: RecentTime::default(),
            target: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// Also reads referer and user agent as headers, which costs time.
    #[must_use]
    pub fn with_headers(mut self) -> Self {
        self.has_headers = true;
        self
    }
}

impl LineFormat for Ncsa {
    fn parse<'a>(&'a mut self, line: &'a [u8]) -> Result<Option<Record<'a>>, Skip> {
        let line = trim_end(line);
        if line.is_empty() {
            return Ok(None);
        }
        let Split { before, time, after } = split_at_time(line)?;
        let time_ns = self.recent.read(time, parse_clf).ok_or(Skip::BadTime)?;
        let end = closing_quote(after, has_status).ok_or(Skip::Malformed)?;
        let RequestLine { method, target } = request_line(&after[..end])?;
        // A blank follows the quote: `has_status` has seen it.
        let (status_text, rest) = word(&after[end + 2..]);
        let (bytes_text, rest) = word(rest);
        let (session, host) = client_and_host(before);
        self.headers.clear();
        if self.has_headers {
            push_headers(rest, &mut self.headers);
        }
        Ok(Some(Record {
            time_ns,
            moment: self.moment,
            resolution_ns: SECOND_NS,
            duration_ns: traefik_duration_ns(rest),
            session,
            method,
            target: unescaped(target, &mut self.target),
            host,
            headers: &self.headers,
            status: status(status_text)?,
            // A line that ends before the bytes does not know them; `-` is Apache's zero.
            bytes: if bytes_text == b"-" { Some(0) } else { number(bytes_text)? },
            ..Record::default()
        }))
    }
}

/// A line, taken apart at its time.
struct Split<'a> {
    /// The client, and perhaps the host.
    before: &'a [u8],
    time: &'a [u8],
    /// What follows the quote behind the time.
    after: &'a [u8],
}

fn split_at_time(line: &[u8]) -> Result<Split<'_>, Skip> {
    for at in memchr_iter(b'[', line) {
        // At the beginning of a line stands a host, perhaps an address of IPv6 in brackets.
        if at == 0 || line[at - 1] != b' ' {
            continue;
        }
        let inside = &line[at + 1..];
        let length = if inside.get(TIME_BYTES) == Some(&b']') {
            Some(TIME_BYTES)
        } else {
            memchr(b']', &inside[..inside.len().min(TIME_BYTES_MAX)])
        };
        let Some((time, rest)) = length.and_then(|length| inside.split_at_checked(length)) else {
            continue;
        };
        if let Some(after) = rest.strip_prefix(b"] \"") {
            return Ok(Split { before: &line[..at - 1], time, after });
        }
    }
    Err(Skip::Malformed)
}

/// Tells whether what follows a quote is a blank and a status, which may be `-`.
fn has_status(following: &[u8]) -> bool {
    let rest = match following {
        [b' ', b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', rest @ ..] | [b' ', b'-', rest @ ..] => rest,
        _ => return false,
    };
    matches!(rest, [] | [b' ', ..])
}

/// The first word of `text`, and what follows the blank behind it.
fn word(text: &[u8]) -> (&[u8], &[u8]) {
    memchr(b' ', text).map_or((text, b""), |at| (&text[..at], &text[at + 1..]))
}

/// Finds the client in `host ident user` or `vhost host ident user`, and the host in the latter.
/// A user may have blanks, so that four words are not enough to tell them apart.
fn client_and_host(before: &[u8]) -> (&[u8], &[u8]) {
    let (first, rest) = word(before);
    if rest == b"- -" {
        return (present(first), b"");
    }
    let (second, rest) = word(rest);
    let has_fourth = memchr(b' ', rest).is_some();
    if let Some(address) = first.strip_suffix(b",") {
        // The log is of the list of `X-Forwarded-For`, whose first is the client.
        return (address, b"");
    }
    let is_address = second.iter().any(|byte| b".:".contains(byte));
    if has_fourth && second != b"-" && (is_address || has_port(first)) {
        return (second, first);
    }
    (present(first), b"")
}

/// Tells whether `text` is `name:80` and no address of IPv6.
fn has_port(text: &[u8]) -> bool {
    memrchr(b':', text).is_some_and(|at| {
        let port = &text[at + 1..];
        let is_number = !port.is_empty() && port.iter().all(u8::is_ascii_digit);
        is_number && (memchr(b':', &text[..at]).is_none() || text[..at].ends_with(b"]"))
    })
}

/// Reads `"referer" "agent"`.
fn push_headers(rest: &[u8], headers: &mut Vec<u8>) {
    let mut rest = rest;
    for name in [&b"referer"[..], b"user-agent"] {
        let Some(inside) = rest.strip_prefix(b"\"") else { return };
        let is_end = |next: &[u8]| matches!(next, [] | [b' ', ..]);
        let Some(end) = closing_quote(inside, is_end) else { return };
        push_header(name, &inside[..end], headers);
        rest = inside.get(end + 2..).unwrap_or_default();
    }
}

/// Reads the duration that Traefik writes at the end of a line: ` 23ms`.
fn traefik_duration_ns(rest: &[u8]) -> Option<i64> {
    let digits = rest.strip_suffix(b"ms")?;
    let at = memrchr(b' ', digits)?;
    // Behind the agent, Traefik writes a count, the router and the server's URL in quotes.
    digits[..at].ends_with(b"\"").then_some(())?;
    parse_decimal(&digits[at + 1..], SECOND_NS / 1000).filter(|&duration_ns| duration_ns >= 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME_NS: i64 = 804_571_201 * SECOND_NS;

    /// Session, method, target, host, status and bytes of one line.
    type Parts = (String, String, String, String, Option<u16>, Option<u64>);

    fn parsed(line: &str) -> Result<Parts, Skip> {
        let mut format = Ncsa::new(Moment::End);
        let record = format.parse(line.as_bytes())?.unwrap();
        assert_eq!((record.time_ns, record.moment), (TIME_NS, Moment::End));
        assert_eq!(record.resolution_ns, SECOND_NS);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let (session, host) = (text(record.session), text(record.host));
        let (method, target) = (text(record.method), text(record.target));
        Ok((session, method, target, host, record.status, record.bytes))
    }

    fn line(before: &str, request: &str, after: &str) -> String {
        format!("{before} [01/Jul/1995:00:00:01 -0400] \"{request}\"{after}")
    }

    #[test]
    fn every_variant_of_the_request_is_read() {
        for (request, method, target) in [
            ("GET /a HTTP/1.0", "GET", "/a"),
            ("GET /a", "GET", "/a"),
            ("GET /a ", "GET", "/a"),
            ("GET /a b\"c\" d HTTP/1.0", "GET", "/a b\"c\" d"),
            ("GET /a\" 2 HTTP/1.0", "GET", "/a\" 2"),
            (r#"GET /\"q\" HTTP/1.1"#, "GET", "/\"q\""),
            (r"GET /\x41\\ HTTP/1.1", "GET", "/A\\"),
            ("OPTIONS * HTTP/1.1", "OPTIONS", "*"),
            ("GET http://a.example/b?c HTTP/1.1", "GET", "http://a.example/b?c"),
        ] {
            let line = line("192.0.2.1 - -", request, " 200 5");
            let expected = ("192.0.2.1", method, target, "", Some(200), Some(5));
            let (session, method, target, host, status, bytes) = parsed(&line).unwrap();
            assert_eq!((&*session, &*method, &*target, &*host, status, bytes), expected, "{line}");
        }
    }

    #[test]
    fn every_variant_of_the_client_is_read() {
        for (before, session, host) in [
            ("host.example.org - -", "host.example.org", ""),
            ("2001:db8::1 - -", "2001:db8::1", ""),
            ("::1 - frank", "::1", ""),
            ("192.0.2.1 - John [the] Smith", "192.0.2.1", ""),
            ("www.example.org:80 192.0.2.1 - -", "192.0.2.1", "www.example.org:80"),
            ("www.example.org:443 localhost - frank", "localhost", "www.example.org:443"),
            ("www.example.org 2001:db8::1 - -", "2001:db8::1", "www.example.org"),
            ("[2001:db8::2]:443 2001:db8::1 - -", "2001:db8::1", "[2001:db8::2]:443"),
            ("192.0.2.7, 10.0.0.1 - -", "192.0.2.7", ""),
            ("- - -", "", ""),
        ] {
            let line = line(before, "GET / HTTP/1.1", " 200 5");
            let read = parsed(&line).unwrap();
            assert_eq!((&*read.0, &*read.3), (session, host), "{line}");
        }
    }

    #[test]
    fn every_variant_of_the_tail_is_read() {
        for (tail, status, bytes) in [
            (" 304 -", Some(304), Some(0)),
            (" 200 17 ", Some(200), Some(17)),
            (" 200 17 \"-\" \"-\" \"10.0.0.1\" 0.003", Some(200), Some(17)),
            (" - -", None, Some(0)),
            (" 200", Some(200), None),
            (" 000 0 \"unfinished", Some(0), Some(0)),
        ] {
            let read = parsed(&line("a - -", "GET / HTTP/1.1", tail)).unwrap();
            assert_eq!((read.4, read.5), (status, bytes), "{tail}");
        }
    }

    #[test]
    fn what_is_no_request_is_named() {
        let good = " 400 0 \"-\" \"-\"";
        for (text, reason) in [
            (line("a - -", "", good), Skip::BadRequest),
            (line("a - -", "-", good), Skip::BadRequest),
            (line("a - -", r"\x16\x03\x01\x00 \xC0/", good), Skip::BadRequest),
            (line("a - -", "GET", good), Skip::BadRequest),
            (line("a - -", "CONNECT b:443 HTTP/1.1", good), Skip::NotHttp),
            (line("a - -", "GET / HTTP/1.1", " 200 many"), Skip::BadNumber),
            (line("a - -", "GET / HTTP/1.1", " 200 99999999999999999999"), Skip::BadNumber),
            (line("a - -", "GET / HTTP/1.1", ""), Skip::Malformed),
            (line("a - -", "GET / HTTP/1.1", " 20 1"), Skip::Malformed),
            ("a - - [32/Jul/1995:00:00:01 -0400] \"GET / HTTP/1.1\" 200 1".into(), Skip::BadTime),
            ("a - - [-] \"GET / HTTP/1.1\" 200 1".into(), Skip::BadTime),
            ("a - - 01/Jul/1995 \"GET / HTTP/1.1\" 200 1".into(), Skip::Malformed),
            ("a - - [01/Jul/1995:00:00:01 -0400] \"GET / HTT".into(), Skip::Malformed),
            ("nonsense".into(), Skip::Malformed),
        ] {
            assert_eq!(parsed(&text), Err(reason), "{text}");
        }
    }

    #[test]
    fn blank_lines_say_nothing() {
        let mut format = Ncsa::new(Moment::Start);
        assert_eq!(format.parse(b""), Ok(None));
        assert_eq!(format.parse(b"  "), Ok(None));
    }

    #[test]
    fn high_bytes_are_kept() {
        let mut format = Ncsa::new(Moment::Start);
        let line = b"a - - [01/Jul/1995:00:00:01 -0400] \"GET /\xe4\\xf6 x HTTP/1.1\" 200 1";
        assert_eq!(format.parse(line).unwrap().unwrap().target, b"/\xe4\xf6 x");
    }

    #[test]
    fn headers_are_read_only_when_asked_for() {
        let line = line("a - -", "GET / HTTP/1.1", r#" 200 1 "http://b/" "agent \"x\" 1""#);
        let mut plain = Ncsa::new(Moment::Start);
        assert_eq!(plain.parse(line.as_bytes()).unwrap().unwrap().headers, b"");
        let mut full = Ncsa::new(Moment::Start).with_headers();
        let record = full.parse(line.as_bytes()).unwrap().unwrap();
        assert_eq!(record.headers, b"referer: http://b/\r\nuser-agent: agent \"x\" 1\r\n");
    }

    #[test]
    fn the_headers_of_one_line_do_not_stay_for_the_next() {
        let mut full = Ncsa::new(Moment::Start).with_headers();
        let first = line("a - -", "GET / HTTP/1.1", r#" 200 1 "http://b/" "x""#);
        let second = line("a - -", "GET / HTTP/1.1", " 200 1");
        assert_ne!(full.parse(first.as_bytes()).unwrap().unwrap().headers, b"");
        assert_eq!(full.parse(second.as_bytes()).unwrap().unwrap().headers, b"");
    }

    #[test]
    fn the_duration_of_traefik_is_read() {
        let duration = |tail: &str| {
            let line = line("192.0.2.1 - -", "GET / HTTP/1.1", tail);
            Ncsa::new(Moment::Start).parse(line.as_bytes()).unwrap().unwrap().duration_ns
        };
        let tail = r#" 200 19 "-" "curl/8" 7 "web@docker" "http://10.0.0.2:80" 12ms"#;
        assert_eq!(duration(tail), Some(12_000_000));
        assert_eq!(duration(" 200 19 \"-\" \"an agent of 12ms"), None);
        assert_eq!(duration(" 200 19"), None);
    }
}
