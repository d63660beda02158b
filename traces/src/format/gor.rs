//! Captures of GoReplay (`.gor`), read and written.
//!
//! A file is payloads, each followed by a line with three monkeys. The first line of a payload is
//! `type id time latency`: type 1 is a captured request, 2 the answer of the original server, 3
//! that of the replayed one; the rest is HTTP as it went over the wire, with any bytes. So the
//! separator is looked for, not lines. The files of a capture are numbered (`_0`, `_1`, … `_10`):
//! they belong in the order of the numbers.
//!
//! Answers come behind their requests, with the same id. A request waits for its answer, which
//! gives it a duration and a status, while at most [`WINDOW_REQUESTS`] are waiting; then it goes
//! without. Early versions wrote the duration itself where later ones write the time of the
//! answer; the two are told apart by their size. Answers are counted as other records, joined or
//! not.
//!
//! The length in the headers is what the client meant to send: where a capture holds less, only
//! the length is kept.

use std::collections::{HashMap, VecDeque};
use std::io::{self, BufRead, Write};

use memchr::memmem;

use super::value::{push_header, request_line, whole};
use super::{Format, Sink};
use crate::event::Event;
use crate::record::{Record, Skip};

/// What follows each payload.
const SEPARATOR: &[u8] = "\n🐵🙈🙉\n".as_bytes();

/// Longest payload that is read; a longer one is passed over and counted.
pub const PAYLOAD_BYTES_MAX: usize = 16 << 20;

/// Requests that wait for their answers.
pub const WINDOW_REQUESTS: usize = 4096;

/// Bytes of the requests that wait for their answers.
pub const WINDOW_BYTES: usize = 64 << 20;

/// A third field below this is a duration: as a time since 1970 it would be in the first ten
/// days.
const EARLIEST_NS: i64 = 1_000_000_000_000_000;

/// Longest id: that of GoReplay has 40 digits at most.
const ID_BYTES_MAX: usize = 128;

/// Bytes of a passed-over payload that are shown.
const SHOWN_BYTES: usize = 80;

/// Reads captures of GoReplay.
#[derive(Debug, Clone, Copy, Default)]
pub struct Gor;

impl Format for Gor {
    fn read(&mut self, input: &mut dyn BufRead, sink: &mut dyn Sink) -> io::Result<()> {
        let mut payloads = Payloads::new(input);
        let mut window = Window::default();
        let mut place = 0;
        while let Some(payload) = payloads.next_payload()? {
            place += 1;
            let (bytes, is_whole) = match payload {
                Payload::Whole(bytes) => (bytes, true),
                Payload::Last(bytes) => (bytes, false),
                Payload::TooLong(start) => {
                    if place == 1 && Head::parse(start).is_none() {
                        return Err(not_gor());
                    }
                    sink.skip(place, Skip::TooLong, start)?;
                    continue;
                }
            };
            let parsed = Head::parse(bytes);
            if place == 1 && (parsed.is_none() || !is_whole) {
                return Err(not_gor());
            }
            let Some((head, http)) = parsed else {
                sink.skip(place, Skip::Malformed, bytes)?;
                continue;
            };
            match head.kind {
                b'1' => match Request::parse(place, &head, http, is_whole) {
                    Ok(request) => window.add(request, sink)?,
                    Err(reason) => sink.skip(place, reason, bytes)?,
                },
                b'2' => {
                    window.answer(&head, http, sink)?;
                    sink.skip(place, Skip::OtherRecord, bytes)?;
                }
                _ => sink.skip(place, Skip::OtherRecord, bytes)?,
            }
        }
        window.empty(sink)
    }
}

fn not_gor() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "this is no capture of GoReplay that can be read: payloads are expected to begin with \
         `1 ID TIME` and to end with a line of three monkeys. Files of versions up to 0.10 are \
         written otherwise and cannot be read: record anew with a later version",
    )
}

/// What comes before a separator.
enum Payload<'a> {
    Whole(&'a [u8]),
    /// What the input ends with, without a separator behind it.
    Last(&'a [u8]),
    /// The beginning of a payload longer than [`PAYLOAD_BYTES_MAX`].
    TooLong(&'a [u8]),
}

/// Finds payloads in bounded memory.
struct Payloads<R> {
    input: R,
    held: Vec<u8>,
    /// Bytes of `held` that were given out.
    used: usize,
}

impl<R: BufRead> Payloads<R> {
    fn new(input: R) -> Self {
        Self { input, held: Vec::new(), used: 0 }
    }

    fn next_payload(&mut self) -> io::Result<Option<Payload<'_>>> {
        let mut searched = self.used;
        // The beginning of a payload that is too long to be held.
        let mut passed: Option<usize> = None;
        loop {
            if let Some(at) = memmem::find(&self.held[searched..], SEPARATOR) {
                let (start, end) = (self.used, searched + at);
                self.used = end + SEPARATOR.len();
                return Ok(Some(match passed {
                    Some(shown) => Payload::TooLong(&self.held[start..start + shown]),
                    None => Payload::Whole(&self.held[start..end]),
                }));
            }
            self.held.drain(..self.used);
            self.used = 0;
            // A separator may have begun.
            searched = self.held.len().saturating_sub(SEPARATOR.len() - 1);
            if self.held.len() > PAYLOAD_BYTES_MAX {
                self.held.drain(SHOWN_BYTES..searched);
                searched = SHOWN_BYTES;
                passed = Some(SHOWN_BYTES);
            }
            let read = self.input.fill_buf()?;
            if read.is_empty() {
                self.used = self.held.len();
                let rest = &self.held[..];
                return Ok(match passed {
                    Some(shown) => Some(Payload::TooLong(&rest[..shown])),
                    None if rest.trim_ascii().is_empty() => None,
                    None => Some(Payload::Last(rest)),
                });
            }
            let read_bytes = read.len();
            self.held.extend_from_slice(read);
            self.input.consume(read_bytes);
        }
    }
}

/// The first line of a payload.
struct Head<'a> {
    kind: u8,
    id: &'a [u8],
    time_ns: i64,
    latency_ns: Option<i64>,
}

impl<'a> Head<'a> {
    /// The head and the bytes behind it; `None` when it is none.
    fn parse(payload: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let payload = payload.trim_ascii_start();
        let end = memchr::memchr(b'\n', payload)?;
        let (line, http) = (&payload[..end], &payload[end + 1..]);
        let mut fields = line.trim_ascii_end().split(|&byte| byte == b' ');
        let kind = match fields.next()? {
            [kind @ b'1'..=b'3'] => *kind,
            _ => return None,
        };
        let id = fields.next().filter(|id| (1..=ID_BYTES_MAX).contains(&id.len()))?;
        let number = |field: &[u8]| std::str::from_utf8(field).ok()?.parse::<i64>().ok();
        let time_ns = fields.next().and_then(number)?;
        let latency_ns = fields.next().map(|field| number(field).ok_or(())).transpose().ok()?;
        Some((Self { kind, id, time_ns, latency_ns }, http))
    }
}

/// A request that waits for its answer.
#[derive(Debug)]
struct Request {
    place: u64,
    id: Vec<u8>,
    time_ns: i64,
    method: Vec<u8>,
    target: Vec<u8>,
    host: Vec<u8>,
    headers: Vec<u8>,
    body: Option<Vec<u8>>,
    body_bytes: Option<u64>,
    answer: Option<Answer>,
}

/// What an answer tells about its request.
#[derive(Debug, Clone, Copy)]
struct Answer {
    /// When it was complete, or how long it took.
    end_ns: i64,
    status: Option<u16>,
    bytes: Option<u64>,
}

impl Request {
    fn parse(place: u64, head: &Head<'_>, http: &[u8], is_whole: bool) -> Result<Self, Skip> {
        let (lines, content) = split_head(http).ok_or(Skip::BadRequest)?;
        let (first, lines) = split_line(lines);
        let (method, target) = request_line(first)?;
        let mut request = Self {
            place,
            id: head.id.to_vec(),
            time_ns: head.time_ns,
            method: method.to_vec(),
            target: target.to_vec(),
            host: Vec::new(),
            headers: Vec::new(),
            body: None,
            body_bytes: None,
            answer: None,
        };
        let (mut length, mut is_chunked) = (None, false);
        for (name, value) in headers(lines) {
            if name.eq_ignore_ascii_case(b"host") {
                request.host = value.to_vec();
            } else if name.eq_ignore_ascii_case(b"content-length") {
                length = Some(whole(value)?.ok_or(Skip::BadNumber)?);
            } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
                is_chunked = value.to_ascii_lowercase().ends_with(b"chunked");
            }
            push_header(&mut request.headers, name, value);
        }
        if is_chunked {
            request.body = Some(unchunked(content).ok_or(Skip::Malformed)?);
        } else if let Some(length) = length {
            let body = usize::try_from(length).ok().and_then(|length| content.get(..length));
            if body.is_none() && !is_whole {
                return Err(Skip::Malformed);
            }
            request.body = body.map(<[u8]>::to_vec);
            request.body_bytes = body.is_none().then_some(length);
        } else if !content.is_empty() {
            request.body = Some(content.to_vec());
        }
        Ok(request)
    }

    fn record(&self) -> Record<'_> {
        let duration_ns = self.answer.and_then(|answer| {
            if answer.end_ns < 0 {
                return None;
            }
            let is_duration = answer.end_ns < EARLIEST_NS && self.time_ns >= EARLIEST_NS;
            let start_ns = if is_duration { 0 } else { self.time_ns };
            answer.end_ns.checked_sub(start_ns).filter(|&duration_ns| duration_ns >= 0)
        });
        Record {
            time_ns: self.time_ns,
            duration_ns,
            method: &self.method,
            target: &self.target,
            host: &self.host,
            headers: &self.headers,
            body: self.body.as_deref(),
            body_bytes: self.body_bytes,
            status: self.answer.and_then(|answer| answer.status),
            bytes: self.answer.and_then(|answer| answer.bytes),
            ..Record::default()
        }
    }

    fn held_bytes(&self) -> usize {
        let parts = [&self.id, &self.method, &self.target, &self.host, &self.headers];
        let body = self.body.as_ref().map_or(0, Vec::len);
        parts.iter().map(|part| part.len()).sum::<usize>() + body
    }
}

/// Requests that wait for their answers, in the order of the file.
#[derive(Debug, Default)]
struct Window {
    requests: VecDeque<Request>,
    /// Number of the request of an id, from the first of the file on.
    numbers: HashMap<Vec<u8>, u64>,
    /// Number of the request in front.
    first: u64,
    held_bytes: usize,
    /// Answers that were written before their requests.
    early: HashMap<Vec<u8>, Answer>,
}

impl Window {
    fn add(&mut self, mut request: Request, sink: &mut dyn Sink) -> io::Result<()> {
        request.answer = self.early.remove(&request.id);
        self.held_bytes += request.held_bytes();
        self.numbers.insert(request.id.clone(), self.first + self.requests.len() as u64);
        self.requests.push_back(request);
        while self.requests.len() > WINDOW_REQUESTS || self.held_bytes > WINDOW_BYTES {
            self.release(sink)?;
        }
        self.release_answered(sink)
    }

    fn answer(&mut self, head: &Head<'_>, http: &[u8], sink: &mut dyn Sink) -> io::Result<()> {
        let answer = answer(head, http);
        let number = self.numbers.get(head.id).and_then(|number| number.checked_sub(self.first));
        let request = number.and_then(|position| self.requests.get_mut(position as usize));
        let Some(request) = request else {
            // Those whose requests never come must not add up.
            if self.early.len() >= WINDOW_REQUESTS {
                self.early.clear();
            }
            self.early.insert(head.id.to_vec(), answer);
            return Ok(());
        };
        request.answer.get_or_insert(answer);
        self.release_answered(sink)
    }

    fn release_answered(&mut self, sink: &mut dyn Sink) -> io::Result<()> {
        while self.requests.front().is_some_and(|request| request.answer.is_some()) {
            self.release(sink)?;
        }
        Ok(())
    }

    /// Lets the request in front go.
    fn release(&mut self, sink: &mut dyn Sink) -> io::Result<()> {
        let Some(request) = self.requests.pop_front() else { return Ok(()) };
        self.held_bytes -= request.held_bytes();
        if self.numbers.get(&request.id) == Some(&self.first) {
            self.numbers.remove(&request.id);
        }
        self.first += 1;
        sink.record(request.place, &request.record())
    }

    fn empty(&mut self, sink: &mut dyn Sink) -> io::Result<()> {
        while !self.requests.is_empty() {
            self.release(sink)?;
        }
        Ok(())
    }
}

fn answer(head: &Head<'_>, http: &[u8]) -> Answer {
    let (lines, content) = split_head(http).unwrap_or((http, b""));
    let (first, lines) = split_line(lines);
    let status = first.split(|&byte| byte == b' ').nth(1);
    let status = status.and_then(|status| super::value::status(status).ok().flatten());
    let find = |wanted: &[u8]| {
        headers(lines).find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
    };
    let named = find(b"content-length").and_then(|value| whole(value).ok().flatten());
    let is_chunked = find(b"transfer-encoding").is_some();
    let unchunked = Some(content).filter(|_| is_chunked).and_then(unchunked);
    let held = unchunked.map_or(content.len(), |body| body.len()) as u64;
    let latency_ns = head.latency_ns.filter(|&latency_ns| latency_ns > 0).unwrap_or_default();
    Answer {
        end_ns: head.time_ns.saturating_add(latency_ns),
        status,
        bytes: named.or((held > 0).then_some(held)),
    }
}

/// Parts a message in the lines of its head and its content.
fn split_head(http: &[u8]) -> Option<(&[u8], &[u8])> {
    let long = memmem::find(http, b"\r\n\r\n").map(|at| (at, 4));
    let short = memmem::find(http, b"\n\n").map(|at| (at, 2));
    let (at, length) = match (long, short) {
        (Some(long), Some(short)) => long.min(short),
        (long, short) => long.or(short)?,
    };
    Some((&http[..at], &http[at + length..]))
}

/// Parts the first line from the others.
fn split_line(lines: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr::memchr(b'\n', lines);
    let (line, rest) = match end {
        Some(end) => (&lines[..end], &lines[end + 1..]),
        None => (lines, &b""[..]),
    };
    (line.strip_suffix(b"\r").unwrap_or(line), rest)
}

/// Names and values of headers.
fn headers(lines: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    lines.split(|&byte| byte == b'\n').filter_map(|line| {
        let colon = memchr::memchr(b':', line)?;
        Some((&line[..colon], line[colon + 1..].trim_ascii()))
    })
}

/// Puts the chunks of a body together; `None` when they are broken or have no end.
fn unchunked(mut content: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let (line, rest) = split_line(content);
        let digits = line.split(|&byte| byte == b';').next()?.trim_ascii();
        let length = usize::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        if length == 0 {
            return Some(body);
        }
        let (chunk, rest) = rest.split_at_checked(length)?;
        body.extend_from_slice(chunk);
        content = rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n"))?;
    }
}

/// Writes a timeline as a capture of GoReplay.
///
/// A request that has no method is a GET; one that has no target cannot be written. Where only
/// the length of a body is known, that many `x` stand for it. A recorded status is written as an
/// answer without content, at the end of the recorded duration.
#[derive(Debug)]
pub struct GorWriter<W: Write> {
    output: W,
    zero_ns: i64,
}

impl<W: Write> GorWriter<W> {
    /// Writes to `output`; the timeline's zero is at `zero_ns`, ns since 1970 UTC.
    pub fn new(output: W, zero_ns: i64) -> Self {
        Self { output, zero_ns }
    }

    /// Writes an event.
    ///
    /// # Errors
    /// When the event cannot be written in this format, or the output fails.
    pub fn write(&mut self, event: &Event) -> io::Result<()> {
        let refused = |reason: &str| {
            let reason = format!("row {} cannot be written for GoReplay: {reason}", event.row);
            io::Error::new(io::ErrorKind::InvalidInput, reason)
        };
        if event.target.is_empty() {
            return Err(refused("it has no target"));
        }
        let method = if event.method.is_empty() { &b"GET"[..] } else { &event.method };
        if !super::value::is_token(method) {
            return Err(refused("its method is no token of HTTP"));
        }
        let time_ns = self.zero_ns.checked_add(event.t_ns);
        let time_ns = time_ns.ok_or_else(|| refused("its time is out of range"))?;
        let id = format!("{:016x}{:08x}", event.row, event.copy);

        let mut payload = format!("1 {id} {time_ns} 0\n").into_bytes();
        payload.extend_from_slice(method);
        payload.push(b' ');
        push_encoded(&mut payload, &event.target);
        payload.extend_from_slice(b" HTTP/1.1\r\n");
        if !event.host.iter().any(|byte| byte.is_ascii_control()) && !event.host.is_empty() {
            for part in [b"Host: ", &event.host[..], b"\r\n"] {
                payload.extend_from_slice(part);
            }
        }
        for (name, value) in headers(&event.headers) {
            push_header(&mut payload, name, value);
        }
        if let Some(body) = &event.body {
            write!(payload, "Content-Length: {}\r\n\r\n", body.len())?;
            payload.extend_from_slice(body);
        } else if let Some(body_bytes) = event.body_bytes {
            let filler =
                usize::try_from(body_bytes).ok().filter(|&length| length <= PAYLOAD_BYTES_MAX);
            let filler = filler.ok_or_else(|| refused("its body is too long"))?;
            write!(payload, "Content-Length: {filler}\r\n\r\n")?;
            payload.resize(payload.len() + filler, b'x');
        } else {
            payload.extend_from_slice(b"\r\n");
        }
        if memmem::find(&payload, SEPARATOR).is_some() {
            return Err(refused("it holds what separates requests there"));
        }
        self.output.write_all(&payload)?;
        self.output.write_all(SEPARATOR)?;

        let Some(status) = event.status else { return Ok(()) };
        // A time before 1970 says that the end is not known.
        let end_ns =
            event.duration_ns.map_or(-1, |duration_ns| time_ns.saturating_add(duration_ns));
        let length = event.bytes.map(|bytes| format!("Content-Length: {bytes}\r\n"));
        let length = length.unwrap_or_default();
        write!(self.output, "2 {id} {end_ns} 0\nHTTP/1.1 {status} Recorded\r\n{length}\r\n")?;
        self.output.write_all(SEPARATOR)
    }

    /// Hands over what is buffered and gives the output back.
    ///
    /// # Errors
    /// When the output fails.
    pub fn finish(mut self) -> io::Result<W> {
        self.output.flush()?;
        Ok(self.output)
    }
}

/// Appends a target with the bytes encoded that would end it or the line.
fn push_encoded(out: &mut Vec<u8>, target: &[u8]) {
    for &byte in target {
        if byte.is_ascii_graphic() {
            out.push(byte);
        } else {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, proptest};

    use super::*;
    use crate::format::testing::{Kept, Owned, mutated, read_all};

    const MONKEYS: &str = "\n🐵🙈🙉\n";
    const START_NS: i64 = 1_439_818_823_587_396_305;

    fn read(payloads: &[String]) -> Kept {
        let input = payloads.iter().map(|payload| payload.clone() + MONKEYS).collect::<String>();
        read_all(&mut Gor, input.as_bytes()).unwrap()
    }

    fn request(id: &str, time_ns: i64, rest: &str) -> String {
        format!(
            "1 {id} {time_ns} -1\nPOST /p?q HTTP/1.1\r\nHost: h.example\r\nAccept: */*\r\n{rest}"
        )
    }

    #[test]
    fn requests_are_found_whatever_lies_in_their_bodies() {
        let lines = request("aa", START_NS, "Content-Length: 23\r\n\r\n1 bb 2 3\nGET / HTTP/1.1\n");
        let chunked = request(
            "bb",
            7,
            "Transfer-Encoding: gzip, chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        );
        let kept = read(&[lines, chunked, "1 cc 8\nGET / HTTP/1.0\n\n".to_owned()]);
        assert_eq!(kept.skips, []);
        let first = &kept.records[0];
        assert_eq!((first.time_ns, first.resolution_ns), (START_NS, 1));
        assert_eq!((&first.method[..], &first.target[..]), (&b"POST"[..], &b"/p?q"[..]));
        assert_eq!(
            (&first.host[..], &first.headers[..]),
            (&b"h.example"[..], &b"Accept: */*\r\n"[..])
        );
        assert_eq!(first.body.as_deref(), Some(&b"1 bb 2 3\nGET / HTTP/1.1"[..]));
        assert_eq!(kept.records[1].body.as_deref(), Some(&b"abcde"[..]));
        assert_eq!((kept.records[2].body.as_deref(), kept.records[2].time_ns), (None, 8));
    }

    #[test]
    fn answers_give_duration_and_status_in_every_version_and_order() {
        let answer = |kind: u8, id: &str, fields: &str| {
            format!("{kind} {id} {fields}\nHTTP/1.1 503 Busy\r\nContent-Length: 12\r\n\r\n")
        };
        let kept = read(&[
            answer(2, "ee", &format!("{} 0", START_NS + 9)),
            request("aa", START_NS, "\r\n"),
            request("bb", START_NS, "\r\n"),
            request("cc", START_NS, "\r\n"),
            answer(2, "bb", "2782013"),
            answer(2, "aa", &format!("{} 300", START_NS + 700)),
            answer(3, "cc", "5 5"),
            answer(2, "zz", "5 5"),
            request("ee", START_NS, "\r\n"),
        ]);
        let joined =
            kept.records.iter().map(|record| (record.place, record.duration_ns, record.status));
        let expected = [
            (2, Some(1_000), Some(503)),
            (3, Some(2_782_013), Some(503)),
            (4, None, None),
            (9, Some(9), Some(503)),
        ];
        assert_eq!(joined.collect::<Vec<_>>(), expected);
        assert_eq!(kept.records[0].bytes, Some(12));
        let others = kept.skips.iter().map(|(place, reason)| (*place, *reason));
        assert_eq!(
            others.collect::<Vec<_>>(),
            [1, 5, 6, 7, 8].map(|place| (place, Skip::OtherRecord))
        );
    }

    #[test]
    fn a_request_waits_for_its_answer_only_so_long() {
        let count = WINDOW_REQUESTS + 1;
        let mut payloads =
            (0..count).map(|id| request(&id.to_string(), START_NS, "\r\n")).collect::<Vec<_>>();
        for id in [0, 1] {
            payloads.push(format!("2 {id} {} 0\nHTTP/1.1 200 OK\r\n\r\n", START_NS + 1));
        }
        let kept = read(&payloads);
        assert_eq!(kept.records.len(), count);
        assert!(kept.records.is_sorted_by_key(|record| record.place));
        assert_eq!([0, 1, 2].map(|at| kept.records[at].status), [None, Some(200), None]);
    }

    #[test]
    fn the_length_stands_for_a_body_that_was_captured_in_part() {
        let kept = read(&[
            request("aa", 1, "Content-Length: 100\r\n\r\npart"),
            request("bb", 2, "Content-Length: many\r\n\r\n"),
            request("cc", 3, "Transfer-Encoding: chunked\r\n\r\n5\r\nab"),
            "1 dd 4\n\x16\x03\x01".to_owned(),
            "1 dd 4\nCONNECT h:443 HTTP/1.1\r\n\r\n".to_owned(),
            "one dd 4\n".to_owned(),
        ]);
        assert_eq!((kept.records[0].body.clone(), kept.records[0].body_bytes), (None, Some(100)));
        let reasons =
            [Skip::BadNumber, Skip::Malformed, Skip::BadRequest, Skip::NotHttp, Skip::Malformed];
        assert_eq!(kept.skips.iter().map(|(_, reason)| *reason).collect::<Vec<_>>(), reasons);
    }

    #[test]
    fn old_files_and_other_files_are_refused_with_the_way_out() {
        let one = request("aa", 1, "\r\n");
        for input in [
            "\x0c\x7f\x01 gob",
            "GET / HTTP/1.1\r\n\r\n",
            &one,
            &"x".repeat(PAYLOAD_BYTES_MAX + 100),
        ] {
            let error = read_all(&mut Gor, input.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            assert!(error.to_string().contains("up to 0.10"), "{error}");
        }
        assert!(read_all(&mut Gor, b"\n").unwrap().records.is_empty());
    }

    #[test]
    fn a_cut_costs_one_payload() {
        let long = request("bb", 2, &format!("Content-Length: {}\r\n\r\n", PAYLOAD_BYTES_MAX));
        let input = [
            &request("aa", 1, "\r\n"),
            MONKEYS,
            &long,
            &"y".repeat(PAYLOAD_BYTES_MAX),
            MONKEYS,
            &request("cc", 3, "Content-Length: 4\r\n\r\nabcd"),
        ]
        .concat();
        let kept = read_all(&mut Gor, input.as_bytes()).unwrap();
        assert_eq!(kept.records.iter().map(|record| record.place).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(kept.skips, [(2, Skip::TooLong)]);
        let kept = read_all(&mut Gor, &input.as_bytes()[..input.len() - 1]).unwrap();
        assert_eq!(kept.skips, [(2, Skip::TooLong), (3, Skip::Malformed)]);
    }

    #[test]
    fn what_cannot_be_written_is_refused() {
        let good = Event { target: b"/".to_vec(), ..Event::default() };
        let cases = [
            (Event::default(), "no target"),
            (Event { method: b"G T".to_vec(), ..good.clone() }, "no token"),
            (Event { t_ns: i64::MAX, ..good.clone() }, "out of range"),
            (Event { body: Some(SEPARATOR.to_vec()), ..good.clone() }, "separates"),
            (Event { body_bytes: Some(u64::MAX), ..good.clone() }, "too long"),
        ];
        for (event, reason) in cases {
            let error = GorWriter::new(Vec::new(), START_NS).write(&event).unwrap_err();
            assert!(error.to_string().contains(reason), "{error}");
        }
        // Nothing recorded can begin a header or another request.
        let event = Event { target: b"/a b\r\n\xff".to_vec(), host: b"h\r\nX: 1".to_vec(), ..good };
        let mut writer = GorWriter::new(Vec::new(), START_NS);
        writer.write(&event).unwrap();
        let written = String::from_utf8(writer.finish().unwrap()).unwrap();
        assert!(written.contains("GET /a%20b%0D%0A%FF HTTP/1.1\r\n\r\n"), "{written}");
    }

    fn owned(event: &Event, place: u64) -> Owned {
        Owned {
            place,
            time_ns: START_NS + event.t_ns,
            moment: Default::default(),
            resolution_ns: 1,
            duration_ns: event.duration_ns.filter(|_| event.status.is_some()),
            count: 1,
            session: Vec::new(),
            method: event.method.clone(),
            target: event.target.clone(),
            host: event.host.clone(),
            headers: event.headers.clone(),
            body: event.body.clone(),
            body_bytes: None,
            status: event.status,
            bytes: event.bytes.filter(|_| event.status.is_some()),
            tag: Vec::new(),
            tokens: None,
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            parts in prop::collection::vec(
                (0_i64..1 << 40, "[A-Z]{1,7}", "/[!-~]{0,20}", "[a-z.]{0,9}", any::<Option<Vec<u8>>>(),
                    any::<Option<(Option<u32>, Option<u32>)>>(), "([a-z-]{1,5}: [a-z]{1,3}\r\n){0,3}"),
                1..20,
            )
        ) {
            let mut writer = GorWriter::new(Vec::new(), START_NS);
            let mut expected = Vec::new();
            let mut place = 1;
            for (row, (t_ns, method, target, host, body, answer, headers)) in parts.into_iter().enumerate() {
                let mut kept = Vec::new();
                super::headers(headers.as_bytes()).for_each(|(name, value)| push_header(&mut kept, name, value));
                let event = Event {
                    t_ns,
                    row: row as u64,
                    method: method.into_bytes(),
                    target: target.into_bytes(),
                    host: host.into_bytes(),
                    headers: kept,
                    body,
                    status: answer.map(|_| 204),
                    duration_ns: answer.and_then(|(duration, _)| duration.map(i64::from)),
                    bytes: answer.and_then(|(_, bytes)| bytes.map(u64::from)),
                    ..Event::default()
                };
                if event.method == b"CONNECT" {
                    continue;
                }
                writer.write(&event).unwrap();
                expected.push(owned(&event, place));
                place += 1 + u64::from(event.status.is_some());
            }
            if !expected.is_empty() {
                let written = writer.finish().unwrap();
                assert_eq!(read_all(&mut Gor, &written).unwrap().records, expected);
            }
        }

        #[test]
        fn no_bytes_panic(bytes in any::<Vec<u8>>(), text in "[12] [a-f]{1,3} [0-9]{1,20}( -?[0-9]{1,20})?\n(GET|POST) /[ -~\r\n]{0,50}") {
            let _ = read_all(&mut Gor, &bytes);
            let _ = read_all(&mut Gor, (text + MONKEYS).as_bytes());
        }
    }

    #[test]
    fn no_damage_panics() {
        let input = [
            request("aa", START_NS, "Content-Length: 2\r\n\r\nab"),
            format!("2 aa {START_NS} 5\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"),
            request("bb", START_NS, "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"),
        ]
        .map(|payload| payload + MONKEYS)
        .concat();
        for input in mutated(input.as_bytes(), 5_000) {
            let _ = read_all(&mut Gor, &input);
        }
    }
}
