//! HTTP archives (HAR 1.1 and 1.2), as browsers and proxies save them.
//!
//! An archive is one JSON value of up to hundreds of megabytes. It is read entry by entry: in
//! memory is one entry with the bodies it holds, never the file. Everything of an entry that is
//! not needed may have any type, and what is needed may be missing: tools differ.
//!
//! Entries are in no order of time. The recorded time is when the browser wanted the request:
//! waiting in its queue and connecting come behind it. An archive shows one user, so its natural
//! use is a session that arrivals start, not a timeline.
//!
//! Left out of the headers are pseudo headers of HTTP/2, those of the connection, the host and
//! the length. An entry that never left the client is [`Skip::NotSent`]: status 0, an answer from
//! the cache (marked so, or with content of which nothing was received on no connection), or a
//! URL that is not of HTTP.

use std::fmt;
use std::io::{self, BufRead, BufReader};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::json::{Node, push_headers};
use super::scan::{bare, elements, members, unescape};
use super::value::{
    Clock, TimeForm, Unit, check_method, duration_ns, push_header, recorded, split_url, status,
    whole,
};
use super::{Format, Sink};
use crate::record::{Record, Skip};

/// What parts a rebuilt body, where the recording does not name its own.
const BOUNDARY: &str = "----openload-9b1d4c0e7a52";

/// What is read of an entry; the order is that of [`POINTERS`].
#[derive(Clone, Copy)]
enum Part {
    Started,
    Time,
    Method,
    Url,
    Headers,
    Text,
    Parameters,
    MimeType,
    Encoding,
    BodySize,
    Status,
    ReceivedSize,
    TransferSize,
    ContentSize,
    Connection,
    Page,
    FromCache,
}

const POINTERS: [&str; 17] = [
    "/startedDateTime",
    "/time",
    "/request/method",
    "/request/url",
    "/request/headers",
    "/request/postData/text",
    "/request/postData/params",
    "/request/postData/mimeType",
    "/request/postData/encoding",
    "/request/bodySize",
    "/response/status",
    "/response/bodySize",
    "/response/_transferSize",
    "/response/content/size",
    "/connection",
    "/pageref",
    "/_fromCache",
];

/// Reads HTTP archives.
#[derive(Debug, Clone)]
pub struct Har {
    root: Node,
    clock: Clock,
    url: Vec<u8>,
    session: Vec<u8>,
    headers: Vec<u8>,
    body: Vec<u8>,
}

impl Default for Har {
    fn default() -> Self {
        Self::new()
    }
}

impl Har {
    /// Reads an archive.
    pub fn new() -> Self {
        let mut root = Node::default();
        for (slot, pointer) in POINTERS.iter().enumerate() {
            root.insert(pointer, slot);
        }
        Self {
            root,
            clock: Clock::new(TimeForm::Rfc3339, None),
            url: Vec::new(),
            session: Vec::new(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// The request of an entry.
    fn entry<'a>(&'a mut self, entry: &'a [u8]) -> Result<Record<'a>, Skip> {
        let mut slots = [&b""[..]; POINTERS.len()];
        if !entry.starts_with(b"{") {
            return Err(Skip::Malformed);
        }
        self.root.find(entry, &mut slots).ok_or(Skip::Malformed)?;
        let get = |part: Part| recorded(bare(slots[part as usize])).unwrap_or_default();

        let has_connection = !get(Part::Connection).is_empty();
        let is_zero = |part: Part| whole(get(part)) == Ok(Some(0));
        let has_content = whole(get(Part::ContentSize)).is_ok_and(|size| size > Some(0));
        let is_unreceived = is_zero(Part::ReceivedSize) || is_zero(Part::TransferSize);
        let is_cached = !matches!(get(Part::FromCache), b"" | b"false")
            || (is_unreceived && has_content && !has_connection);

        self.url.clear();
        unescape(slots[Part::Url as usize], &mut self.url);
        if get(Part::Method).is_empty() || self.url.is_empty() {
            return Err(Skip::BadRequest);
        }
        check_method(get(Part::Method))?;
        let method = get(Part::Method);
        let (host, target) = split_url(&self.url).ok_or(Skip::NotSent)?;
        let status = status(get(Part::Status))?;
        if is_cached || status == Some(0) {
            return Err(Skip::NotSent);
        }
        let started = get(Part::Started);
        let time_ns = self.clock.read(started).ok_or(Skip::BadTime)?;

        self.session.clear();
        let session = if has_connection { Part::Connection } else { Part::Page };
        unescape(slots[session as usize], &mut self.session);
        if recorded(&self.session).is_none() {
            self.session.clear();
        }

        self.headers.clear();
        self.body.clear();
        push_headers(&mut self.headers, slots[Part::Headers as usize]).ok_or(Skip::Malformed)?;
        let mut mime_type = Vec::new();
        unescape(slots[Part::MimeType as usize], &mut mime_type);
        let mime_type = recorded(&mime_type).unwrap_or_default();
        let text = slots[Part::Text as usize];
        let parameters = slots[Part::Parameters as usize];
        if !get(Part::Text).is_empty() {
            push_text(&mut self.body, text, get(Part::Encoding))?;
            set_content_type(&mut self.headers, mime_type, false);
        } else if parameters.starts_with(b"[") && !bare_list(parameters).is_empty() {
            let fields = fields(parameters).ok_or(Skip::Malformed)?;
            if mime_type.to_ascii_lowercase().starts_with(b"multipart/") {
                let boundary = boundary(mime_type).or_else(|| boundary(&self.headers));
                let known = boundary.map(<[u8]>::to_vec);
                let boundary = known.as_deref().unwrap_or(BOUNDARY.as_bytes());
                push_multipart(&mut self.body, &fields, boundary);
                if known.is_none() {
                    let named = [b"multipart/form-data; boundary=", BOUNDARY.as_bytes()].concat();
                    set_content_type(&mut self.headers, &named, true);
                }
                set_content_type(&mut self.headers, mime_type, false);
            } else {
                push_form(&mut self.body, &fields);
                set_content_type(&mut self.headers, b"application/x-www-form-urlencoded", false);
            }
        }
        // Where the text was not kept, its length may have been.
        let sizes = [whole(get(Part::BodySize))?, content_length(slots[Part::Headers as usize])];
        let body_bytes = sizes.into_iter().flatten().find(|&size| size > 0);
        let bytes = whole(get(Part::ReceivedSize))?.or(whole(get(Part::TransferSize))?);
        Ok(Record {
            time_ns,
            resolution_ns: self.clock.resolution_ns(),
            duration_ns: duration_ns(get(Part::Time), Unit::Milliseconds)?,
            session: &self.session,
            method,
            target,
            host,
            headers: &self.headers,
            body: (!self.body.is_empty()).then_some(&self.body[..]),
            body_bytes: body_bytes.filter(|_| self.body.is_empty()),
            status,
            bytes,
            ..Record::default()
        })
    }
}

/// What is between the brackets of a list.
fn bare_list(list: &[u8]) -> &[u8] {
    let inside = list.strip_prefix(b"[").and_then(|list| list.strip_suffix(b"]"));
    inside.unwrap_or_default().trim_ascii()
}

fn push_text(body: &mut Vec<u8>, text: &[u8], encoding: &[u8]) -> Result<(), Skip> {
    if encoding == b"base64" {
        STANDARD.decode_vec(bare(text), body).map_err(|_| Skip::BadEncoding)
    } else {
        unescape(text, body);
        Ok(())
    }
}

/// A field of a form.
#[derive(Debug, Default)]
struct FormField {
    name: Vec<u8>,
    value: Vec<u8>,
    file: Vec<u8>,
    mime_type: Vec<u8>,
}

fn fields(parameters: &[u8]) -> Option<Vec<FormField>> {
    let mut all = Vec::new();
    elements(parameters, |parameter| {
        let mut field = FormField::default();
        members(parameter, |key, value| {
            let text = match key {
                b"name" => &mut field.name,
                b"value" => &mut field.value,
                b"fileName" => &mut field.file,
                b"contentType" => &mut field.mime_type,
                _ => return Some(()),
            };
            if value != b"null" {
                unescape(value, text);
            }
            Some(())
        })?;
        all.push(field);
        Some(())
    })?;
    Some(all)
}

/// Builds a form of several parts. Contents of files are not in archives: those parts are empty.
fn push_multipart(body: &mut Vec<u8>, fields: &[FormField], boundary: &[u8]) {
    fn push_quoted(body: &mut Vec<u8>, name: &str, text: &[u8]) {
        body.extend_from_slice(name.as_bytes());
        body.extend_from_slice(b"=\"");
        for &byte in text {
            match byte {
                b'"' => body.extend_from_slice(b"%22"),
                b'\r' => body.extend_from_slice(b"%0D"),
                b'\n' => body.extend_from_slice(b"%0A"),
                _ => body.push(byte),
            }
        }
        body.push(b'"');
    }
    for field in fields {
        for part in [b"--", boundary, b"\r\nContent-Disposition: form-data; "] {
            body.extend_from_slice(part);
        }
        push_quoted(body, "name", &field.name);
        if !field.file.is_empty() {
            push_quoted(body, "; filename", &field.file);
        }
        body.extend_from_slice(b"\r\n");
        if !field.mime_type.is_empty() {
            push_header(body, b"Content-Type", &field.mime_type);
        }
        for part in [b"\r\n", &field.value[..], b"\r\n"] {
            body.extend_from_slice(part);
        }
    }
    for part in [b"--", boundary, b"--\r\n"] {
        body.extend_from_slice(part);
    }
}

fn push_form(body: &mut Vec<u8>, fields: &[FormField]) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let push = |body: &mut Vec<u8>, text: &[u8]| {
        for &byte in text {
            match byte {
                b' ' => body.push(b'+'),
                b'*' | b'-' | b'.' | b'_' => body.push(byte),
                byte if byte.is_ascii_alphanumeric() => body.push(byte),
                byte => body.extend_from_slice(&[
                    b'%',
                    DIGITS[usize::from(byte >> 4)],
                    DIGITS[usize::from(byte & 15)],
                ]),
            }
        }
    };
    for (position, field) in fields.iter().enumerate() {
        if position > 0 {
            body.push(b'&');
        }
        push(body, &field.name);
        body.push(b'=');
        push(body, &field.value);
    }
}

/// Boundary that a media type, or a header among others, names.
fn boundary(text: &[u8]) -> Option<&[u8]> {
    const NAME: &[u8] = b"boundary=";
    let at = text.windows(NAME.len()).position(|part| part.eq_ignore_ascii_case(NAME))?;
    let rest = &text[at + NAME.len()..];
    let rest = rest.strip_prefix(b"\"").unwrap_or(rest);
    let end = rest.iter().position(|byte| b"\";,\r\n ".contains(byte)).unwrap_or(rest.len());
    (end > 0).then(|| &rest[..end])
}

/// Sets the media type of the body, unless the headers have one that is to stay.
fn set_content_type(headers: &mut Vec<u8>, mime_type: &[u8], is_forced: bool) {
    const NAME: &[u8] = b"content-type:";
    let is_type =
        |line: &[u8]| line.get(..NAME.len()).is_some_and(|name| name.eq_ignore_ascii_case(NAME));
    let lines = || headers.split_inclusive(|&byte| byte == b'\n');
    if is_forced {
        let others = lines().filter(|line| !is_type(line)).collect::<Vec<_>>();
        *headers = others.concat();
    } else if mime_type.is_empty() || lines().any(is_type) {
        return;
    }
    push_header(headers, b"Content-Type", mime_type);
}

/// The length that the recorded headers name.
fn content_length(headers: &[u8]) -> Option<u64> {
    let mut length = None;
    elements(headers, |header| {
        let (mut is_length, mut text) = (false, &b""[..]);
        members(header, |key, value| {
            match key {
                b"name" => is_length = bare(value).eq_ignore_ascii_case(b"content-length"),
                b"value" => text = bare(value),
                _ => {}
            }
            Some(())
        })?;
        if is_length {
            length = whole(text).ok().flatten();
        }
        Some(())
    })?;
    length
}

impl Format for Har {
    fn read(&mut self, input: &mut dyn BufRead, sink: &mut dyn Sink) -> io::Result<()> {
        // The parser takes byte after byte: a buffer of our own spares a call for each.
        let mut input = BufReader::new(input);
        if input.fill_buf()?.starts_with(b"\xef\xbb\xbf") {
            input.consume(3);
        }
        let mut entries = Entries { har: self, sink, place: 0, is_archive: false, failure: None };
        let mut parser = serde_json::Deserializer::from_reader(input);
        let result = Archive(&mut entries).deserialize(&mut parser).and_then(|()| parser.end());
        if let Some(failure) = entries.failure {
            return Err(failure);
        }
        let place = entries.place;
        let invalid = |reason: String| Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        match result {
            Err(error) if error.is_io() => Err(error.into()),
            Err(error) => invalid(format!(
                "the HTTP archive is damaged or cut off after entry {place}: {error}"
            )),
            Ok(()) if !entries.is_archive => {
                invalid("this is no HTTP archive: it has no `log.entries`".to_owned())
            }
            Ok(()) => Ok(()),
        }
    }
}

/// What reads the entries, and what came of it.
struct Entries<'s> {
    har: &'s mut Har,
    sink: &'s mut dyn Sink,
    place: u64,
    is_archive: bool,
    /// Why the sink gave up: an error of the parser cannot carry it.
    failure: Option<io::Error>,
}

impl Entries<'_> {
    fn take(&mut self, entry: &[u8]) -> io::Result<()> {
        self.place += 1;
        match self.har.entry(entry) {
            Ok(record) => self.sink.record(self.place, &record),
            Err(reason) => self.sink.skip(self.place, reason, entry),
        }
    }
}

/// The whole value: an object with `log`.
struct Archive<'e, 's>(&'e mut Entries<'s>);

/// The value of `log`: an object with `entries`.
struct Log<'e, 's>(&'e mut Entries<'s>);

/// The value of `entries`: a list.
struct List<'e, 's>(&'e mut Entries<'s>);

impl<'de> DeserializeSeed<'de> for Archive<'_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Archive<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object with `log`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if key == "log" {
                map.next_value_seed(Log(self.0))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Log<'_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Log<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object with `entries`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if key == "entries" {
                map.next_value_seed(List(self.0))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for List<'_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for List<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of entries")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        self.0.is_archive = true;
        while let Some(entry) = entries.next_element::<Box<RawValue>>()? {
            if let Err(failure) = self.0.take(entry.get().as_bytes()) {
                self.0.failure = Some(failure);
                return Err(A::Error::custom("given up"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::*;
    use crate::format::testing::{Kept, mutated, read_all, sample};
    use crate::format::value::date_time;

    fn read(entries: &str) -> Kept {
        let archive = format!(
            "\u{feff}{{\"log\":{{\"version\":\"1.2\",\"entries\":[{entries}],\"pages\":[]}}}}"
        );
        read_all(&mut Har::new(), archive.as_bytes()).unwrap()
    }

    /// An entry with `request` and `rest` put in.
    fn entry(request: &str, rest: &str) -> String {
        format!(
            "{{\"startedDateTime\":\"2024-01-01T00:00:00.5Z\",\"request\":{{\"method\":\"POST\",\
             \"url\":\"https://h.example/p?q#f\"{request}}},\"response\":{{\"status\":200}}{rest}}}"
        )
    }

    #[test]
    fn every_entry_of_the_real_archives_is_read_or_was_not_sent() {
        // python3: len(log["entries"]); of those the entries without "connection" whose response
        // has content.size > 0 and bodySize == 0 or _transferSize == 0; Counter of the methods of
        // the others; min of startedDateTime.
        for (name, sent, cached, methods, unsorted) in [
            ("har_browsertime_44_2017.har", 44, 0, [44, 0, 0], false),
            ("har_chrome_120_unsorted_2015.har", 35, 85, [34, 0, 1], true),
            ("har_chrome_post_options_2017.har", 17, 3, [14, 2, 1], true),
        ] {
            let kept = read_all(&mut Har::new(), &sample(name)).unwrap();
            assert_eq!((kept.records.len(), kept.skips.len()), (sent, cached), "{name}");
            assert!(kept.skips.iter().all(|(_, reason)| *reason == Skip::NotSent));
            let count = |method: &[u8]| {
                kept.records.iter().filter(|record| record.method == method).count()
            };
            assert_eq!([count(b"GET"), count(b"POST"), count(b"OPTIONS")], methods);
            assert_eq!(!kept.records.is_sorted_by_key(|record| record.time_ns), unsorted, "{name}");
            for record in &kept.records {
                assert!(record.target.starts_with(b"/") && record.host.ends_with(b".example"));
                assert_eq!(record.resolution_ns, 1_000_000);
                assert!(record.duration_ns.is_some() && !record.session.is_empty());
                let headers = String::from_utf8(record.headers.to_ascii_lowercase()).unwrap();
                for line in headers.lines() {
                    assert!(!line.starts_with(':') && !line.starts_with("host:"), "{line}");
                    assert!(
                        !line.starts_with("connection:") && !line.starts_with("content-length:")
                    );
                }
            }
        }
        let kept = read_all(&mut Har::new(), &sample("har_browsertime_44_2017.har")).unwrap();
        let first = &kept.records[0];
        assert_eq!(first.time_ns, date_time(b"2017-06-28T03:15:00.969Z").unwrap());
        assert_eq!((first.duration_ns, first.bytes), (Some(2_213_000_000), Some(3_198)));
        assert_eq!((&first.session[..], first.status), (&b"17"[..], Some(200)));
    }

    #[test]
    fn what_never_left_the_client_is_told() {
        let urls = [
            "data:text/plain,x",
            "blob:https://h/1",
            "ws://h/",
            "wss://h/",
            "chrome://x",
            "about:blank",
        ];
        for url in urls {
            let entry = entry("", "").replace("https://h.example/p?q#f", url);
            assert_eq!(read(&entry).skips, [(1, Skip::NotSent)], "{url}");
        }
        for rest in [",\"_fromCache\":\"memory\"", ",\"_fromCache\":true"] {
            assert_eq!(read(&entry("", rest)).skips, [(1, Skip::NotSent)]);
        }
        let aborted = entry("", "").replace("200", "0");
        assert_eq!(read(&aborted).skips, [(1, Skip::NotSent)]);
        let cached = entry("", "").replace("200", "200,\"bodySize\":0,\"content\":{\"size\":5}");
        assert_eq!(read(&cached).skips, [(1, Skip::NotSent)]);
        // An answer without content is no answer from the cache, nor is one on a connection.
        let empty = cached.replace("\"size\":5", "\"size\":0");
        let connected = cached.replace("\"request\"", "\"connection\":\"4\",\"request\"");
        let uncached = entry("", ",\"_fromCache\":false");
        assert_eq!(read(&[empty, connected, uncached].join(",")).records.len(), 3);
    }

    #[test]
    fn bodies_are_kept_or_rebuilt() {
        let text = read(&entry(
            r#","postData":{"mimeType":"application/json","text":"{\"a\":\"\u00e9\"}"}"#,
            "",
        ));
        assert_eq!(text.records[0].body.as_deref(), Some("{\"a\":\"é\"}".as_bytes()));
        assert_eq!(text.records[0].headers, b"Content-Type: application/json\r\n");

        let packed = read(&entry(r#","postData":{"text":"AAH/","encoding":"base64"}"#, ""));
        assert_eq!(packed.records[0].body.as_deref(), Some(&[0, 1, 255][..]));

        let form = read(&entry(
            r#","postData":{"mimeType":"application/x-www-form-urlencoded","params":[{"name":"a b","value":"1&2"},{"name":"c","value":null}]}"#,
            "",
        ));
        assert_eq!(form.records[0].body.as_deref(), Some(&b"a+b=1%262&c="[..]));

        let parts = r#","headers":[{"name":"content-type","value":"multipart/form-data; boundary=XX"}],"postData":{"mimeType":"multipart/form-data","params":[{"name":"f\"","value":"v","fileName":"a.txt","contentType":"text/plain"}]}"#;
        let expected = "--XX\r\nContent-Disposition: form-data; name=\"f%22\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\nv\r\n--XX--\r\n";
        let named = read(&entry(parts, ""));
        assert_eq!(named.records[0].body.as_deref(), Some(expected.as_bytes()));
        // A boundary that was not recorded is made, and named in the header.
        let unnamed = read(&entry(&parts.replace("; boundary=XX", ""), ""));
        assert_eq!(
            unnamed.records[0].body.as_deref(),
            Some(expected.replace("XX", BOUNDARY).as_bytes())
        );
        let header = format!("Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n");
        assert_eq!(unnamed.records[0].headers, header.as_bytes());
    }

    #[test]
    fn the_length_stands_for_a_body_that_was_not_kept() {
        let blanked = entry(r#","bodySize":42,"postData":{"text":""}"#, "");
        let headed =
            entry(r#","bodySize":-1,"headers":[{"name":"Content-Length","value":"7"}]"#, "");
        let kept = read(&[blanked, headed, entry("", "")].join(","));
        let sizes = kept.records.iter().map(|record| (record.body.clone(), record.body_bytes));
        assert_eq!(sizes.collect::<Vec<_>>(), [(None, Some(42)), (None, Some(7)), (None, None)]);
    }

    #[test]
    fn what_tools_leave_out_or_write_otherwise_is_minded() {
        let kept = read(
            &[
                entry("", ",\"time\":null,\"pageref\":\"page_1\""),
                entry("", ",\"time\":-1,\"connection\":443"),
                entry("", ",\"time\":\"1.5\",\"connection\":\"\",\"pageref\":\"p\"")
                    .replace("200", "\"200\""),
            ]
            .join(","),
        );
        let read_as = kept.records.iter().map(|record| (record.duration_ns, &record.session[..]));
        let expected = [(None, &b"page_1"[..]), (None, b"443"), (Some(1_500_000), b"p")];
        assert_eq!(read_as.collect::<Vec<_>>(), expected);
        assert_eq!(
            (&kept.records[0].target[..], &kept.records[0].host[..]),
            (&b"/p?q"[..], &b"h.example"[..])
        );

        let wrong = [
            ("2024-01-01T00:00:00.5Z", "yesterday", Skip::BadTime),
            ("\"POST\"", "\"CONNECT\"", Skip::NotHttp),
            ("\"POST\"", "null", Skip::BadRequest),
            ("200", "\"OK\"", Skip::BadNumber),
        ];
        for (from, to, reason) in wrong {
            assert_eq!(read(&entry("", "").replace(from, to)).skips, [(1, reason)], "{to}");
        }
        assert_eq!(
            read("7,null,{}").skips,
            [(1, Skip::Malformed), (2, Skip::Malformed), (3, Skip::BadRequest)]
        );
    }

    #[test]
    fn what_is_no_archive_or_is_cut_off_is_an_error_of_the_file() {
        for (input, part) in [
            ("", "EOF"),
            ("{}", "log.entries"),
            ("{\"log\":{}}", "log.entries"),
            ("[]", "`log`"),
            ("{\"log\":{\"entries\":5}}", "list"),
        ] {
            let error = read_all(&mut Har::new(), input.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            assert!(error.to_string().contains(part), "{error}");
        }
        let archive = sample("har_chrome_post_options_2017.har");
        for end in (0..archive.len() - 2).step_by(1_501) {
            assert!(read_all(&mut Har::new(), &archive[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn a_sink_that_gives_up_is_heard() {
        struct Full;
        impl Sink for Full {
            fn record(&mut self, _: u64, _: &Record<'_>) -> io::Result<()> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn skip(&mut self, _: u64, _: Skip, _: &[u8]) -> io::Result<()> {
                Ok(())
            }
        }
        let archive = sample("har_chrome_post_options_2017.har");
        let error = Har::new().read(&mut &archive[..], &mut Full).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn no_damage_panics() {
        let archive = format!(
            "{{\"log\":{{\"entries\":[{},{}]}}}}",
            entry(
                r#","bodySize":1,"headers":[{"name":"A","value":"b"}],"postData":{"mimeType":"multipart/form-data","params":[{"name":"f","value":"v"}]}"#,
                ""
            ),
            entry(
                r#","postData":{"text":"a\u00e9","mimeType":"x/y"}"#,
                ",\"time\":1.5,\"connection\":\"4\""
            )
        );
        for input in mutated(archive.as_bytes(), 5_000) {
            let _ = read_all(&mut Har::new(), &input);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in any::<Vec<u8>>(), text in r#"[{}\[\]",:a-z0-9\\]{0,60}"#) {
            let mut har = Har::new();
            let _ = har.entry(&bytes);
            let _ = har.entry(text.as_bytes());
            let _ = read_all(&mut har, &bytes);
        }
    }
}
