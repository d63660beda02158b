//! The extended format of the W3C, as IIS and CloudFront write it.
//!
//! ```text
//! #Version: 1.0
//! #Fields: date time c-ip cs-method cs-uri-stem cs-uri-query sc-status sc-bytes time-taken
//! 2002-05-02 17:42:15 192.0.2.1 GET /images/a.jpg - 200 1134 15
//! ```
//!
//! `#Fields:` says what the columns are, and may come again with others when the server was
//! configured anew. Times are UTC with a step of a second, and are of the end; `time-taken` is in
//! milliseconds at IIS, in seconds at CloudFront and wherever it has a point. Empty is `-`. IIS
//! separates by blanks and writes `+` for a blank inside a header; CloudFront separates by tabs
//! and writes headers percent-encoded, in old files twice. Paths stay as they are: what a `+` or
//! `%25` in one was cannot be known.

use memchr::{memchr, memmem};

use super::LineFormat;
use super::recent::RecentTime;
use super::request::{
    check_method, duration, first_forwarded, number, present, push_header_with, status,
};
use super::unescape::push_percent_decoded;
use crate::record::{Moment, Record, SECOND_NS, Skip};
use crate::time::{parse_date, parse_decimal, parse_time_of_day};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Date,
    Time,
    /// Time since 1970, in units of so many nanoseconds.
    Timestamp(i64),
    Method,
    Stem,
    Query,
    /// Stem and query in one.
    Target,
    Status,
    Bytes,
    TimeTaken,
    Client,
    Forwarded,
    Agent,
    Referer,
    /// The `Host` header of the client, from the least to the most trusted source.
    Host(u8),
    Protocol,
    Other,
}

impl Column {
    fn of(name: &[u8]) -> Self {
        match name.to_ascii_lowercase().as_slice() {
            b"date" => Self::Date,
            b"time" => Self::Time,
            b"timestamp" => Self::Timestamp(SECOND_NS),
            b"timestamp(ms)" => Self::Timestamp(SECOND_NS / 1000),
            b"cs-method" => Self::Method,
            b"cs-uri-stem" => Self::Stem,
            b"cs-uri-query" => Self::Query,
            b"cs-uri" => Self::Target,
            b"sc-status" => Self::Status,
            b"sc-bytes" => Self::Bytes,
            b"time-taken" => Self::TimeTaken,
            b"c-ip" => Self::Client,
            b"x-forwarded-for" | b"cs(x-forwarded-for)" => Self::Forwarded,
            b"cs(user-agent)" | b"cs-user-agent" => Self::Agent,
            b"cs(referer)" | b"cs-referer" => Self::Referer,
            // At CloudFront, the host of the distribution; x-host-header is what was asked for.
            b"cs(host)" => Self::Host(1),
            b"cs-host" => Self::Host(2),
            b"x-host-header" => Self::Host(3),
            b"cs-protocol" => Self::Protocol,
            _ => Self::Other,
        }
    }
}

/// Reads the W3C's extended format, as told by the `#Fields:` of the log.
#[derive(Debug, Clone, Default)]
pub struct W3c {
    columns: Vec<Column>,
    is_cloudfront: bool,
    /// From `#Date:`, for logs that have only a time of day.
    date_ns: Option<i64>,
    recent: RecentTime,
    target: Vec<u8>,
    headers: Vec<u8>,
}

impl W3c {
    /// Reads a log without `#Fields:`, whose columns are known from elsewhere: `fields` is what
    /// would stand behind it.
    pub fn with_fields(fields: &str) -> Self {
        let mut format = Self::default();
        format.set_fields(fields.as_bytes());
        format
    }

    fn set_fields(&mut self, fields: &[u8]) {
        let names = || fields.split(u8::is_ascii_whitespace).filter(|name| !name.is_empty());
        self.columns = names().map(Column::of).collect();
        // Every version of CloudFront's format has one of these.
        self.is_cloudfront = names().any(|name| name.starts_with(b"x-edge-"));
    }

    /// Takes in what a line that begins with `#` says.
    fn direct(&mut self, directive: &[u8]) {
        let Some(colon) = memchr(b':', directive) else { return };
        let (name, value) = (&directive[..colon], directive[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"fields") {
            self.set_fields(value);
        } else if name.eq_ignore_ascii_case(b"date") {
            let date = value.split(|&byte| byte == b' ').next().unwrap_or_default();
            self.date_ns = parse_date(date);
        }
    }
}

/// The columns of one line that are of use, as they stand there.
#[derive(Default)]
struct Row<'a> {
    date: &'a [u8],
    time: &'a [u8],
    timestamp: Option<(&'a [u8], i64)>,
    method: Option<&'a [u8]>,
    stem: &'a [u8],
    query: &'a [u8],
    target: &'a [u8],
    status: &'a [u8],
    bytes: &'a [u8],
    time_taken: &'a [u8],
    client: &'a [u8],
    forwarded: &'a [u8],
    agent: &'a [u8],
    referer: &'a [u8],
    host: &'a [u8],
    host_rank: u8,
    protocol: &'a [u8],
}

impl<'a> Row<'a> {
    fn read(columns: &[Column], line: &'a [u8]) -> Result<Self, Skip> {
        let is_tabbed = memchr(b'\t', line).is_some();
        let mut words = line
            .split(|&byte| byte == if is_tabbed { b'\t' } else { b' ' })
            .filter(|word| is_tabbed || !word.is_empty());
        let mut row = Self::default();
        for &column in columns {
            row.set(column, words.next().ok_or(Skip::Malformed)?);
        }
        // A word too many shifts the columns behind it.
        if words.next().is_some() { Err(Skip::Malformed) } else { Ok(row) }
    }

    fn set(&mut self, column: Column, word: &'a [u8]) {
        match column {
            Column::Date => self.date = word,
            Column::Time => self.time = word,
            Column::Timestamp(unit_ns) => self.timestamp = Some((word, unit_ns)),
            Column::Method => self.method = Some(word),
            Column::Stem => self.stem = present(word),
            Column::Query => self.query = present(word),
            Column::Target => self.target = present(word),
            Column::Status => self.status = word,
            Column::Bytes => self.bytes = word,
            Column::TimeTaken => self.time_taken = word,
            Column::Client => self.client = present(word),
            Column::Forwarded => self.forwarded = first_forwarded(word),
            Column::Agent => self.agent = word,
            Column::Referer => self.referer = word,
            Column::Host(rank) if rank > self.host_rank && word != b"-" => {
                (self.host, self.host_rank) = (word, rank);
            }
            Column::Protocol => self.protocol = word,
            Column::Host(_) | Column::Other => {}
        }
    }

    /// The instant and its step.
    fn time_ns(&self, recent: &mut RecentTime, date_ns: Option<i64>) -> Option<(i64, i64)> {
        if let Some((text, unit_ns)) = self.timestamp {
            // Both kinds of timestamp are written down to the millisecond.
            return Some((parse_decimal(text, unit_ns)?, SECOND_NS / 1000));
        }
        let day_ns =
            if self.date.is_empty() { date_ns? } else { recent.read(self.date, parse_date)? };
        Some((day_ns.checked_add(parse_time_of_day(self.time)?)?, SECOND_NS))
    }

    fn duration_ns(&self, is_cloudfront: bool) -> Result<Option<i64>, Skip> {
        let is_seconds = is_cloudfront || memchr(b'.', self.time_taken).is_some();
        duration(self.time_taken, if is_seconds { SECOND_NS } else { SECOND_NS / 1000 })
    }

    /// Puts the target together; in `scratch` only when stem and query are apart.
    fn target(&self, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        let stem = if self.stem.is_empty() { self.target } else { self.stem };
        if self.query.is_empty() {
            return stem;
        }
        scratch.clear();
        scratch.extend_from_slice(stem);
        scratch.push(b'?');
        scratch.extend_from_slice(self.query);
        scratch
    }
}

impl LineFormat for W3c {
    fn parse<'a>(&'a mut self, line: &'a [u8]) -> Result<Option<Record<'a>>, Skip> {
        if let Some(directive) = line.strip_prefix(b"#") {
            self.direct(directive);
            return Ok(None);
        }
        let line = line.trim_ascii_end();
        if line.is_empty() {
            return Ok(None);
        }
        if self.columns.is_empty() {
            return Err(Skip::Malformed);
        }
        let row = Row::read(&self.columns, line)?;
        let (time_ns, resolution_ns) =
            row.time_ns(&mut self.recent, self.date_ns).ok_or(Skip::BadTime)?;
        if let Some(method) = row.method {
            check_method(method)?;
        }
        if matches!(row.protocol, b"ws" | b"wss") {
            // What follows the opening of a WebSocket is not HTTP; the line is of its whole life.
            return Err(Skip::NotHttp);
        }
        let has_target_column =
            self.columns.iter().any(|column| matches!(column, Column::Stem | Column::Target));
        let target = row.target(&mut self.target);
        if target.is_empty() && has_target_column {
            return Err(Skip::BadRequest);
        }
        let decode = if self.is_cloudfront { push_twice_decoded } else { push_plus_decoded };
        self.headers.clear();
        push_header_with(b"referer", row.referer, &mut self.headers, decode);
        push_header_with(b"user-agent", row.agent, &mut self.headers, decode);
        Ok(Some(Record {
            time_ns,
            moment: Moment::End,
            resolution_ns,
            duration_ns: row.duration_ns(self.is_cloudfront)?,
            session: if row.client.is_empty() { row.forwarded } else { row.client },
            method: row.method.unwrap_or_default(),
            target,
            host: row.host,
            headers: &self.headers,
            status: status(row.status)?,
            bytes: number(row.bytes)?,
            ..Record::default()
        }))
    }
}

/// IIS: `+` is a blank.
fn push_plus_decoded(text: &[u8], out: &mut Vec<u8>) {
    out.extend(text.iter().map(|&byte| if byte == b'+' { b' ' } else { byte }));
}

/// CloudFront: percent-encoded, and once more in old files, where every `%` became `%25`.
fn push_twice_decoded(text: &[u8], out: &mut Vec<u8>) {
    if memmem::find(text, b"%25").is_none() {
        return push_percent_decoded(text, out);
    }
    let mut once = Vec::with_capacity(text.len());
    push_percent_decoded(text, &mut once);
    push_percent_decoded(&once, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    const IIS: &str = "#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port \
                       c-ip cs(User-Agent) cs(Referer) sc-status sc-bytes time-taken";
    const LINE: &str = "2002-05-02 17:42:15 192.0.2.9 GET /images/a.jpg b=c 80 192.0.2.1 \
                        Mozilla/4.0+(compatible;MSIE+5.5) - 200 1134 1015";
    const TIME_NS: i64 = 1_020_361_335 * SECOND_NS;

    fn format(fields: &str) -> W3c {
        let mut format = W3c::default();
        assert_eq!(format.parse(fields.as_bytes()), Ok(None));
        format
    }

    #[test]
    fn a_line_of_iis_is_an_end_and_a_duration() {
        let expected = Record {
            time_ns: TIME_NS,
            moment: Moment::End,
            resolution_ns: SECOND_NS,
            duration_ns: Some(1_015_000_000),
            session: b"192.0.2.1",
            method: b"GET",
            target: b"/images/a.jpg?b=c",
            headers: b"user-agent: Mozilla/4.0 (compatible;MSIE 5.5)\r\n",
            status: Some(200),
            bytes: Some(1134),
            ..Record::default()
        };
        assert_eq!(format(IIS).parse(LINE.as_bytes()), Ok(Some(expected)));
    }

    #[test]
    fn the_fields_may_change_in_the_middle() {
        let mut format = format(IIS);
        assert!(format.parse(LINE.as_bytes()).unwrap().is_some());
        for directive in ["#Software: x", "#Date: 2002-05-03 00:00:00", "# no directive", "#"] {
            assert_eq!(format.parse(directive.as_bytes()), Ok(None));
        }
        assert_eq!(format.parse(b"#Fields: time cs-method cs-uri"), Ok(None));
        assert_eq!(format.parse(LINE.as_bytes()), Err(Skip::Malformed));
        let record = format.parse(b"17:42:15 HEAD /a").unwrap().unwrap();
        assert_eq!((record.method, record.target), (&b"HEAD"[..], &b"/a"[..]));
        assert_eq!(record.time_ns, TIME_NS + 86_400 * SECOND_NS);
    }

    #[test]
    fn lines_before_any_fields_are_malformed() {
        assert_eq!(W3c::default().parse(LINE.as_bytes()), Err(Skip::Malformed));
        assert_eq!(W3c::default().parse(b""), Ok(None));
        let mut known = W3c::with_fields("timestamp(ms) cs-method cs-uri-stem time-taken");
        let record = known.parse(b"1020361335123\tGET\t/\t0.25").unwrap().unwrap();
        assert_eq!((record.time_ns, record.resolution_ns), (TIME_NS + 123_000_000, 1_000_000));
        assert_eq!(record.duration_ns, Some(250_000_000));
    }

    #[test]
    fn cloudfront_takes_seconds_tabs_and_percent_codes() {
        let fields = "#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) \
                      cs-uri-stem sc-status cs(Referer) cs(User-Agent) cs-uri-query \
                      x-host-header cs-protocol time-taken";
        let line = "2002-05-02\t17:42:15\tLAX1\t392\t2001:db8::1\tGET\td1.cloudfront.net\t/a%20b\t\
                    200\thttp://a/?x%253Dy\tMozilla/5.0%2520(X11)\t-\twww.example.org\thttps\t2";
        let expected = Record {
            time_ns: TIME_NS,
            moment: Moment::End,
            resolution_ns: SECOND_NS,
            duration_ns: Some(2_000_000_000),
            session: b"2001:db8::1",
            method: b"GET",
            target: b"/a%20b",
            host: b"www.example.org",
            headers: b"referer: http://a/?x=y\r\nuser-agent: Mozilla/5.0 (X11)\r\n",
            status: Some(200),
            bytes: Some(392),
            ..Record::default()
        };
        let mut format = format(fields);
        assert_eq!(format.parse(line.as_bytes()), Ok(Some(expected)));
        let socket = line.replace("https\t", "wss\t");
        assert_eq!(format.parse(socket.as_bytes()), Err(Skip::NotHttp));
        // One that decodes to a new line must not become a header.
        let attack = line.replace("Mozilla/5.0%2520(X11)", "x%250d%250aHost:%20evil");
        let record = format.parse(attack.as_bytes()).unwrap().unwrap();
        assert_eq!(record.headers, b"referer: http://a/?x=y\r\n");
    }

    #[test]
    fn what_is_no_request_is_named() {
        for (from, to, reason) in [
            ("GET", "-", Skip::BadRequest),
            ("GET", "CONNECT", Skip::NotHttp),
            ("/images/a.jpg b=c", "- -", Skip::BadRequest),
            ("2002-05-02", "2002-05-32", Skip::BadTime),
            ("17:42:15", "17:42", Skip::BadTime),
            (" 200 ", " OK ", Skip::BadNumber),
            (" 1015", "", Skip::Malformed),
            (" 1015", " 1015 7", Skip::Malformed),
        ] {
            let line = LINE.replace(from, to);
            assert_eq!(format(IIS).parse(line.as_bytes()), Err(reason), "{line}");
        }
    }
}
