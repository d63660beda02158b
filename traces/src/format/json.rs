//! JSON lines: an object a request, its members named by a map.
//!
//! A [`FieldMap`] says where in the object each part of a request is, by JSON pointers
//! (`/request/uri`, or just `status` for a member of the object itself), and in what units. A
//! field may have several pointers: the first with a value counts. There are maps for the servers
//! that write JSON themselves; nginx only writes what its user configured, so
//! [`JsonLines::nginx`] looks at the first line and makes a map from the names and the shapes of
//! the values. What it found is in [`JsonLines::map`], to be shown and confirmed.
//!
//! Numbers are read as text, so a time keeps all its digits; numbers in quotes, `-` and nothing
//! are accepted, and so is the `\xHH` that nginx writes without `escape=json` (see
//! [`super::scan`]).

use std::net::IpAddr;
use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::LineFormat;
use super::scan::{bare, elements, members, unescape};
use super::value::{
    Clock, Spacing, TimeForm, Unit, UnknownName, check_method, clf, date_time, duration_ns,
    number_ns, push_header, recorded, request_line, split_url, status, whole,
};
use crate::record::{Moment, Record, SECOND_NS, Skip, Tokens};

/// Parts of a request that a member can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// The recorded instant.
    Time,
    /// How long the request took.
    Duration,
    /// The request line: method, target and protocol.
    Request,
    /// The method.
    Method,
    /// Path and query, or an absolute URL.
    Target,
    /// The path, where the query is elsewhere.
    Path,
    /// The query, without its question mark.
    Query,
    /// Status of the response.
    Status,
    /// Bytes of the response.
    Bytes,
    /// Bytes of the request's body.
    BodyBytes,
    /// The request's body in Base64.
    Body,
    /// What tells clients apart; of a list (`X-Forwarded-For`) the first.
    Session,
    /// Host the request was for.
    Host,
    /// Headers: an object of names and values, or a list of objects with `name` and `value`.
    Headers,
    /// A name by which like requests belong together.
    Tag,
    /// Tokens of the prompt.
    InputTokens,
    /// Tokens of the answer.
    OutputTokens,
}

impl Field {
    /// Every field with its name.
    pub const ALL: [(Self, &'static str); 17] = [
        (Self::Time, "time"),
        (Self::Duration, "duration"),
        (Self::Request, "request"),
        (Self::Method, "method"),
        (Self::Target, "target"),
        (Self::Path, "path"),
        (Self::Query, "query"),
        (Self::Status, "status"),
        (Self::Bytes, "bytes"),
        (Self::BodyBytes, "body_bytes"),
        (Self::Body, "body"),
        (Self::Session, "session"),
        (Self::Host, "host"),
        (Self::Headers, "headers"),
        (Self::Tag, "tag"),
        (Self::InputTokens, "input_tokens"),
        (Self::OutputTokens, "output_tokens"),
    ];
}

/// Which objects are requests at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Only {
    /// Pointer to the member that tells.
    pub pointer: String,
    /// What its value begins with; empty when it only has to be there.
    pub prefix: String,
}

/// Where the parts of a request are in an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldMap {
    /// Pointers of each field, the preferred ones first.
    pub pointers: Vec<(Field, String)>,
    /// Pointers of single headers, by the header's name.
    pub headers: Vec<(String, String)>,
    /// What the names of members begin with that hold a header each.
    pub header_prefix: Option<String>,
    /// How times are written.
    pub time_form: TimeForm,
    /// Step of the times in ns, where the writer fixes it.
    pub resolution_ns: Option<i64>,
    /// What the time is.
    pub moment: Moment,
    /// Unit of durations that do not name theirs.
    pub duration_unit: Unit,
    /// Which objects are requests; all of them when absent.
    pub only: Option<Only>,
    /// Objects without a method are no HTTP, for servers that log other protocols as well.
    pub is_http_by_method: bool,
}

impl FieldMap {
    /// A map that knows nothing but how times are written.
    pub fn new(time_form: TimeForm, moment: Moment) -> Self {
        Self {
            pointers: Vec::new(),
            headers: Vec::new(),
            header_prefix: None,
            time_form,
            resolution_ns: None,
            moment,
            duration_unit: Unit::Seconds,
            only: None,
            is_http_by_method: false,
        }
    }

    /// Adds pointers of fields.
    #[must_use]
    pub fn with(mut self, pointers: &[(Field, &str)]) -> Self {
        let pointers = pointers.iter().map(|(field, pointer)| (*field, (*pointer).to_owned()));
        self.pointers.extend(pointers);
        self
    }

    /// Takes a setting by its name, as users write it: a field (`time`, `path`, …) with a
    /// pointer, `header.NAME` with a pointer, or `time_unit`, `duration_unit` or `moment`. A
    /// field that is set again gets another pointer.
    ///
    /// # Errors
    /// When the name or the value is not known; the message names those that are.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), UnknownName> {
        match name {
            "time_unit" => self.time_form = value.parse()?,
            "duration_unit" => self.duration_unit = value.parse()?,
            "moment" => self.moment = moment(value)?,
            _ => {
                if let Some(header) = name.strip_prefix("header.") {
                    self.headers.push((header.to_owned(), value.to_owned()));
                    return Ok(());
                }
                let known = Field::ALL.iter().find(|(_, known)| *known == name);
                let Some((field, _)) = known else {
                    let settings = ["header.NAME", "time_unit", "duration_unit", "moment"];
                    let fields = Field::ALL.iter().map(|(_, known)| *known);
                    let allowed = fields.chain(settings).collect::<Vec<_>>();
                    return Err(UnknownName::new(name, "field", &allowed));
                };
                self.pointers.push((*field, value.to_owned()));
            }
        }
        Ok(())
    }

    /// Caddy: the time is that of the line, which is written when the response is complete.
    /// Everything else that Caddy logs is passed over.
    pub fn caddy() -> Self {
        let map = Self::new(TimeForm::Number(Unit::Seconds), Moment::End).with(&[
            (Field::Time, "/ts"),
            (Field::Duration, "/duration"),
            (Field::Method, "/request/method"),
            (Field::Target, "/request/uri"),
            (Field::Host, "/request/host"),
            (Field::Session, "/request/client_ip"),
            (Field::Session, "/request/remote_ip"),
            (Field::Session, "/request/remote_addr"),
            (Field::Headers, "/request/headers"),
            (Field::Status, "/status"),
            (Field::Bytes, "/size"),
            (Field::BodyBytes, "/bytes_read"),
        ]);
        let only = Only { pointer: "/logger".to_owned(), prefix: "http.log.access".to_owned() };
        Self { only: Some(only), resolution_ns: Some(1_000), ..map }
    }

    /// Traefik: the start is recorded beside the time of the line, in ns.
    pub fn traefik() -> Self {
        let map = Self::new(TimeForm::Rfc3339, Moment::Start).with(&[
            (Field::Time, "StartUTC"),
            (Field::Time, "StartLocal"),
            (Field::Duration, "Duration"),
            (Field::Method, "RequestMethod"),
            (Field::Target, "RequestPath"),
            (Field::Host, "RequestHost"),
            (Field::Session, "ClientHost"),
            (Field::Status, "DownstreamStatus"),
            (Field::Bytes, "DownstreamContentSize"),
            (Field::BodyBytes, "RequestContentSize"),
        ]);
        Self {
            header_prefix: Some("request_".to_owned()),
            resolution_ns: Some(1),
            duration_unit: Unit::Nanoseconds,
            only: Some(Only { pointer: "RequestMethod".to_owned(), prefix: String::new() }),
            ..map
        }
    }

    /// Envoy with the names that Istio gives: start in ms, total duration in ms.
    pub fn envoy() -> Self {
        let map = Self::new(TimeForm::Rfc3339, Moment::Start).with(&[
            (Field::Time, "start_time"),
            (Field::Duration, "duration"),
            (Field::Method, "method"),
            (Field::Target, "path"),
            (Field::Host, "authority"),
            (Field::Session, "x_forwarded_for"),
            (Field::Session, "downstream_remote_address"),
            (Field::Status, "response_code"),
            (Field::Bytes, "bytes_sent"),
            (Field::BodyBytes, "bytes_received"),
        ]);
        Self {
            headers: vec![("user-agent".to_owned(), "user_agent".to_owned())],
            duration_unit: Unit::Milliseconds,
            is_http_by_method: true,
            ..map
        }
    }

    /// Makes a map for nginx from one of its lines; `None` when nothing in it is a time or a
    /// request. nginx writes its lines after the response.
    pub fn nginx_of(line: &[u8]) -> Option<Self> {
        let mut found = Vec::new();
        members(line, |key, value| {
            let mut text = Vec::new();
            unescape(value, &mut text);
            found.push((String::from_utf8_lossy(key).into_owned(), text));
            Some(())
        })?;
        let best = |score: Score| {
            let scored =
                found.iter().map(|(key, text)| (score(&key.to_ascii_lowercase(), text), key));
            // Of the best the first: names further on repeat what was said.
            scored.rev().max_by_key(|(score, _)| *score).filter(|(score, _)| *score > 0)
        };
        let (_, time) = best(|_, text| time_shape(text).map_or(0, |(_, score)| score))?;
        let (_, text) = found.iter().find(|(key, _)| key == time)?;
        let (time_form, _) = time_shape(text)?;
        let mut map = Self::new(time_form, Moment::End);
        map.pointers.push((Field::Time, pointer_of(time)));
        let parts: [(Field, Score); 9] = [
            (Field::Request, |key, text| {
                let is_line = request_line(text).is_ok_and(|(method, target)| {
                    is_method(method) && (target.starts_with(b"/") || split_url(target).is_some())
                });
                u8::from(is_line) + named(key, &["request_line", "request"], is_line)
            }),
            (Field::Method, |key, text| {
                named(key, &["verb", "http_method", "method", "request_method"], is_method(text))
            }),
            (Field::Target, |key, text| {
                let is_path = text.starts_with(b"/") || split_url(text).is_some();
                named(key, &["path", "url", "uri", "request_path", "request_uri"], is_path)
            }),
            (Field::Query, |key, _| named(key, &["query", "query_string", "args"], true)),
            (Field::Status, |key, text| {
                named(
                    key,
                    &["code", "status_code", "response_status", "status"],
                    status(text).is_ok_and(|status| status.is_some()),
                )
            }),
            (Field::Duration, |key, text| {
                let is_number = number_ns(text, SECOND_NS).is_some();
                named(key, &["duration", "request_duration", "request_time"], is_number)
            }),
            (Field::Bytes, |key, text| {
                let names = ["response_size", "size", "bytes", "bytes_sent", "body_bytes_sent"];
                named(key, &names, whole(text).is_ok_and(|bytes| bytes.is_some()))
            }),
            (Field::Session, |key, text| {
                let names = ["ip", "client", "client_ip", "remote_ip", "remote_addr"];
                let is_address =
                    std::str::from_utf8(text).is_ok_and(|text| text.parse::<IpAddr>().is_ok());
                named(key, &names, true).max(u8::from(is_address))
            }),
            (Field::Host, |key, _| {
                named(key, &["vhost", "server_name", "host", "http_host"], true)
            }),
        ];
        for (field, score) in parts {
            if let Some((_, key)) = best(score) {
                map.pointers.push((field, pointer_of(key)));
            }
        }
        let has = |field| map.pointers.iter().any(|(known, _)| *known == field);
        if has(Field::Target) && !has(Field::Request) {
            // `$request_uri` and `$uri?$args` are the same thing; only the latter needs a query.
            let target = map.pointers.iter_mut().find(|(field, _)| *field == Field::Target);
            if let Some((field, pointer)) = target
                && !pointer.to_ascii_lowercase().ends_with("request_uri")
            {
                *field = Field::Path;
            }
        }
        let has = |field| map.pointers.iter().any(|(known, _)| *known == field);
        (has(Field::Request) || has(Field::Target) || has(Field::Path)).then_some(map)
    }
}

/// Reads the name of a moment.
pub(crate) fn moment(name: &str) -> Result<Moment, UnknownName> {
    match name {
        "start" => Ok(Moment::Start),
        "end" => Ok(Moment::End),
        _ => Err(UnknownName::new(name, "moment", &["start", "end"])),
    }
}

/// How well a member's name, in small letters, and its text fit a field; 0 when they do not.
type Score = fn(&str, &[u8]) -> u8;

/// A pointer to the member of the object itself that has this name.
fn pointer_of(key: &str) -> String {
    format!("/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// How good a name is, for a value of the right shape: later names are better.
fn named(key: &str, names: &[&str], has_shape: bool) -> u8 {
    let position = names.iter().position(|name| *name == key);
    position.filter(|_| has_shape).map_or(0, |position| position as u8 + 1)
}

/// Form of a text that is a time, and how fine it is.
fn time_shape(text: &[u8]) -> Option<(TimeForm, u8)> {
    // Whole seconds since 1970 of this century, with a point or without one.
    let seconds = number_ns(text, SECOND_NS).map(|time_ns| time_ns / SECOND_NS);
    if seconds.is_some_and(|seconds| (946_684_800..4_102_444_800).contains(&seconds)) {
        let score = if text.contains(&b'.') { 4 } else { 1 };
        return Some((TimeForm::Number(Unit::Seconds), score));
    }
    if date_time(text).is_some() {
        return Some((TimeForm::Rfc3339, 3));
    }
    clf(text).map(|_| (TimeForm::Clf, 2))
}

fn is_method(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_uppercase)
}

/// A step down towards what a pointer leads to.
#[derive(Debug, Clone, Default)]
pub(super) struct Node {
    key: Vec<u8>,
    /// Positions in the list of found values that this is.
    slots: Vec<usize>,
    inner: Vec<Node>,
}

impl Node {
    pub(super) fn insert(&mut self, pointer: &str, slot: usize) {
        let path = pointer.strip_prefix('/');
        let keys = match path {
            Some(path) => path.split('/').collect::<Vec<_>>(),
            // Without a slash it is the name of a member, whatever is in it.
            None => vec![pointer],
        };
        let mut node = self;
        for key in keys {
            let key = if path.is_some() {
                key.replace("~1", "/").replace("~0", "~")
            } else {
                key.to_owned()
            };
            let known = node.inner.iter().position(|inner| inner.key == key.as_bytes());
            let position = known.unwrap_or_else(|| {
                node.inner.push(Self { key: key.into_bytes(), ..Self::default() });
                node.inner.len() - 1
            });
            node = &mut node.inner[position];
        }
        node.slots.push(slot);
    }

    /// Fills the slots with the values that lie below `value`.
    pub(super) fn find<'a>(&self, value: &'a [u8], slots: &mut [&'a [u8]]) -> Option<()> {
        let mut take = |key: &[u8], value: &'a [u8]| {
            for node in self.inner.iter().filter(|node| node.is_named(key)) {
                for &slot in &node.slots {
                    slots[slot] = value;
                }
                if !node.inner.is_empty() && matches!(value.first(), Some(b'{' | b'[')) {
                    node.find(value, slots)?;
                }
            }
            Some(())
        };
        if value.first() == Some(&b'[') {
            let mut position = 0_usize;
            elements(value, |element| {
                position += 1;
                take((position - 1).to_string().as_bytes(), element)
            })
        } else {
            members(value, take)
        }
    }

    fn is_named(&self, key: &[u8]) -> bool {
        if !key.contains(&b'\\') {
            return self.key == key;
        }
        let mut name = Vec::new();
        unescape(key, &mut name);
        self.key == name
    }
}

/// What was found in a line: a part of it, or text that had to be unescaped.
#[derive(Debug, Clone)]
enum Text {
    Slot(usize),
    Stored(Range<usize>),
}

/// Reads JSON lines by a [`FieldMap`].
#[derive(Debug, Clone)]
pub struct JsonLines {
    /// Absent until the first line of nginx is seen.
    plan: Option<Plan>,
    spacing: Option<Spacing>,
    /// Requests whose time came from the spacing.
    spaced: u64,
    /// Texts of the line that had to be unescaped.
    stored: Vec<u8>,
    /// Path and query, put together.
    joined: Vec<u8>,
    headers: Vec<u8>,
    body: Vec<u8>,
}

#[derive(Debug, Clone)]
struct Plan {
    map: FieldMap,
    root: Node,
    /// Slot of the member that tells requests from other objects.
    only: Option<usize>,
    clock: Clock,
}

impl Plan {
    fn new(map: FieldMap) -> Self {
        let mut root = Node::default();
        for (slot, (_, pointer)) in map.pointers.iter().enumerate() {
            root.insert(pointer, slot);
        }
        let mut slots = map.pointers.len();
        for (_, pointer) in &map.headers {
            root.insert(pointer, slots);
            slots += 1;
        }
        let only = map.only.as_ref().map(|only| {
            root.insert(&only.pointer, slots);
            slots
        });
        let clock = Clock::new(map.time_form, map.resolution_ns);
        Self { map, root, only, clock }
    }

    fn slots(&self) -> usize {
        self.map.pointers.len() + self.map.headers.len() + 1
    }
}

impl JsonLines {
    /// Reads lines by `map`.
    pub fn new(map: FieldMap) -> Self {
        Self { plan: Some(Plan::new(map)), ..Self::nginx() }
    }

    /// Reads lines of nginx, by a map made from the first that shows a time and a request.
    pub fn nginx() -> Self {
        Self {
            plan: None,
            spacing: None,
            spaced: 0,
            stored: Vec::new(),
            joined: Vec::new(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// Gives objects without a time one, evenly spaced.
    #[must_use]
    pub fn spaced(self, spacing: Spacing) -> Self {
        Self { spacing: Some(spacing), ..self }
    }

    /// The map in use; absent until the first line of nginx is seen.
    pub fn map(&self) -> Option<&FieldMap> {
        self.plan.as_ref().map(|plan| &plan.map)
    }
}

impl LineFormat for JsonLines {
    fn parse<'a>(&'a mut self, line: &'a [u8]) -> Result<Option<Record<'a>>, Skip> {
        let line = line.trim_ascii();
        if line.is_empty() {
            return Ok(None);
        }
        if !line.starts_with(b"{") {
            return Err(Skip::Malformed);
        }
        if self.plan.is_none() {
            members(line, |_, _| Some(())).ok_or(Skip::Malformed)?;
            self.plan = Some(Plan::new(FieldMap::nginx_of(line).ok_or(Skip::BadTime)?));
        }
        let plan = self.plan.as_mut().ok_or(Skip::Malformed)?;
        let mut slots = vec![&b""[..]; plan.slots()];
        plan.root.find(line, &mut slots).ok_or(Skip::Malformed)?;
        self.stored.clear();
        self.joined.clear();
        self.headers.clear();
        self.body.clear();

        if let (Some(only), Some(slot)) = (&plan.map.only, plan.only) {
            let text = recorded(bare(slots[slot]));
            if !text.is_some_and(|text| text.starts_with(only.prefix.as_bytes())) {
                return Err(Skip::OtherRecord);
            }
        }

        // First everything that has to be unescaped is stored, then parts of the store are taken.
        let stored = &mut self.stored;
        let mut texts: [Option<Text>; Field::ALL.len()] = Default::default();
        for (slot, (field, _)) in plan.map.pointers.iter().enumerate() {
            let text = &mut texts[*field as usize];
            if text.is_some() || recorded(bare(slots[slot])).is_none() {
                continue;
            }
            *text = Some(if slots[slot].contains(&b'\\') && *field != Field::Headers {
                let start = stored.len();
                unescape(slots[slot], stored);
                Text::Stored(start..stored.len())
            } else {
                Text::Slot(slot)
            });
        }
        let (stored, slots) = (&self.stored[..], &slots[..]);
        let get = |field: Field| match &texts[field as usize] {
            Some(Text::Slot(slot)) => bare(slots[*slot]),
            Some(Text::Stored(range)) => &stored[range.clone()],
            None => b"",
        };

        let map = &plan.map;
        let has = |field| map.pointers.iter().any(|(known, _)| *known == field);
        let time = get(Field::Time);
        let (time_ns, resolution_ns) = match (time, &self.spacing) {
            (b"", Some(spacing)) => {
                let time_ns = spacing.time_ns(self.spaced).ok_or(Skip::BadTime)?;
                self.spaced += 1;
                (time_ns, 1)
            }
            _ => {
                let time_ns = plan.clock.read(time.trim_ascii()).ok_or(Skip::BadTime)?;
                (time_ns, plan.clock.resolution_ns())
            }
        };

        let (mut method, mut target) = (get(Field::Method), get(Field::Target));
        if map.is_http_by_method && method.is_empty() {
            return Err(Skip::NotHttp);
        }
        if has(Field::Request) && !get(Field::Request).is_empty() {
            (method, target) = request_line(get(Field::Request))?;
        }
        check_method(method)?;
        let path = get(Field::Path);
        if target.is_empty() && !path.is_empty() {
            let query = get(Field::Query);
            target = path;
            if !query.is_empty() && !path.contains(&b'?') {
                let query = query.strip_prefix(b"?").unwrap_or(query);
                for part in [path, b"?", query] {
                    self.joined.extend_from_slice(part);
                }
                target = &self.joined;
            }
        }
        if target.is_empty() && (has(Field::Request) || has(Field::Target) || has(Field::Path)) {
            return Err(Skip::BadRequest);
        }
        let mut host = get(Field::Host);
        if let Some((of_url, origin_form)) = split_url(target) {
            host = if host.is_empty() { of_url } else { host };
            target = origin_form;
        }

        STANDARD.decode_vec(get(Field::Body), &mut self.body).map_err(|_| Skip::BadEncoding)?;
        let headers = &mut self.headers;
        for (slot, (name, _)) in map.headers.iter().enumerate() {
            let value = slots[map.pointers.len() + slot];
            if recorded(bare(value)).is_some() {
                push_unescaped(headers, name.as_bytes(), value);
            }
        }
        if let Some(prefix) = &map.header_prefix {
            let found = members(line, |key, value| {
                if let Some(name) = key.strip_prefix(prefix.as_bytes()) {
                    push_unescaped(headers, name, value);
                }
                Some(())
            });
            found.ok_or(Skip::Malformed)?;
        }
        push_headers(headers, get(Field::Headers)).ok_or(Skip::Malformed)?;

        let session = get(Field::Session);
        let first = session.iter().position(|&byte| byte == b',').unwrap_or(session.len());
        let (input, output) = (whole(get(Field::InputTokens))?, whole(get(Field::OutputTokens))?);
        let has_tokens = input.is_some() || output.is_some();
        let record = Record {
            time_ns,
            moment: map.moment,
            resolution_ns,
            duration_ns: duration_ns(get(Field::Duration), map.duration_unit)?,
            count: 1,
            session: session[..first].trim_ascii(),
            method,
            target,
            host,
            headers: &self.headers,
            body: (!self.body.is_empty()).then_some(&self.body[..]),
            body_bytes: whole(get(Field::BodyBytes))?,
            status: status(get(Field::Status))?,
            bytes: whole(get(Field::Bytes))?,
            tag: get(Field::Tag),
            tokens: has_tokens.then(|| Tokens {
                input: input.unwrap_or_default(),
                output: output.unwrap_or_default(),
            }),
        };
        Ok(Some(record))
    }
}

/// Appends the headers of an object of names and values, or of a list of objects with `name` and
/// `value`. A header with several values is several headers.
pub(super) fn push_headers(headers: &mut Vec<u8>, value: &[u8]) -> Option<()> {
    match value.first() {
        None => Some(()),
        Some(b'{') => members(value, |name, value| {
            push_unescaped(headers, name, value);
            Some(())
        }),
        Some(_) => elements(value, |header| {
            let (mut name, mut value) = (&b""[..], &b""[..]);
            members(header, |key, found| {
                match key {
                    b"name" => name = bare(found),
                    b"value" => value = found,
                    _ => {}
                }
                Some(())
            })?;
            push_unescaped(headers, name, value);
            Some(())
        }),
    }
}

/// Appends a header whose name and values are as JSON has them.
fn push_unescaped(headers: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    let mut texts = Vec::new();
    unescape(name, &mut texts);
    let name_bytes = texts.len();
    let mut push = |value: &[u8]| {
        texts.truncate(name_bytes);
        unescape(value, &mut texts);
        let (name, value) = texts.split_at(name_bytes);
        push_header(headers, name, value);
        Some(())
    };
    if value.first() == Some(&b'[') {
        // What is no list was refused when the line was read.
        let _ = elements(value, push);
    } else {
        push(value);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, proptest};

    use super::*;
    use crate::format::testing::{mutated, read_all};

    /// A line of Caddy 2.7, with the headers cut.
    const CADDY: &str = r#"{"level":"info","ts":1646861401.5241024,"logger":"http.log.access.log0","msg":"handled request","request":{"remote_ip":"127.0.0.1","remote_port":"41342","client_ip":"10.0.0.7","proto":"HTTP/2.0","method":"GET","host":"localhost:8443","uri":"/a?b=c\u0026d","headers":{"User-Agent":["curl/7.82.0"],"Accept":["*/*","text/html"],"Connection":["close"]},"tls":{"resumed":false}},"bytes_read":0,"user_id":"","duration":0.000929675,"size":10900,"status":200,"resp_headers":{"Server":["Caddy"]}}"#;
    const TRAEFIK: &str = r#"{"ClientAddr":"10.1.2.3:53122","ClientHost":"10.1.2.3","ClientUsername":"-","DownstreamContentSize":19,"DownstreamStatus":404,"Duration":60123,"OriginDuration":0,"RequestAddr":"h.example","RequestContentSize":0,"RequestCount":7,"RequestHost":"h.example","RequestMethod":"GET","RequestPath":"/x?y=1","RequestProtocol":"HTTP/1.1","StartLocal":"2023-05-05T09:10:11.12Z","StartUTC":"2023-05-05T09:10:11.123456789Z","request_User-Agent":"curl/8","level":"info","time":"2023-05-05T09:10:12Z"}"#;
    const ENVOY: &str = r#"{"start_time":"2024-02-01T10:00:00.250Z","method":"POST","path":"/v1/chat","protocol":"HTTP/1.1","response_code":200,"duration":"1234","bytes_received":77,"bytes_sent":2048,"authority":"api.example","x_forwarded_for":"10.9.8.7, 10.0.0.1","user_agent":"py","request_id":"r"}"#;

    fn one<'a>(format: &'a mut JsonLines, line: &'a str) -> Record<'a> {
        format.parse(line.as_bytes()).unwrap().unwrap()
    }

    #[test]
    fn caddy_gives_the_end_and_the_duration() {
        let mut format = JsonLines::new(FieldMap::caddy());
        let record = one(&mut format, CADDY);
        assert_eq!(record.time_ns, 1_646_861_401_524_102_400);
        assert_eq!((record.moment, record.duration_ns), (Moment::End, Some(929_675)));
        assert_eq!((record.method, record.target), (&b"GET"[..], &b"/a?b=c&d"[..]));
        assert_eq!((record.host, record.session), (&b"localhost:8443"[..], &b"10.0.0.7"[..]));
        assert_eq!(
            (record.status, record.bytes, record.body_bytes),
            (Some(200), Some(10_900), Some(0))
        );
        assert_eq!(
            record.headers,
            b"User-Agent: curl/7.82.0\r\nAccept: */*\r\nAccept: text/html\r\n"
        );
    }

    #[test]
    fn other_loggers_of_caddy_are_passed_over() {
        let mut format = JsonLines::new(FieldMap::caddy());
        for other in [
            r#"{"level":"info","ts":1.5,"logger":"tls.cache.maintenance","msg":"started"}"#,
            r#"{"level":"info","ts":1.5,"msg":"using config"}"#,
            r#"{"level":"info","ts":1.5,"logger":null}"#,
        ] {
            assert_eq!(format.parse(other.as_bytes()), Err(Skip::OtherRecord), "{other}");
        }
        let named = CADDY.replace("access.log0", "access");
        assert!(format.parse(named.as_bytes()).is_ok());
    }

    #[test]
    fn caddy_may_write_times_and_durations_as_text() {
        let line = CADDY
            .replace("1646861401.5241024", "\"2022-03-09T21:30:01.524Z\"")
            .replace("0.000929675", "\"929.675µs\"");
        let mut format = JsonLines::new(FieldMap::caddy());
        let record = one(&mut format, &line);
        assert_eq!(
            (record.time_ns, record.duration_ns),
            (1_646_861_401_524_000_000, Some(929_675))
        );
    }

    #[test]
    fn traefik_gives_the_start_in_nanoseconds() {
        let mut format = JsonLines::new(FieldMap::traefik());
        let record = one(&mut format, TRAEFIK);
        assert_eq!(record.time_ns, date_time(b"2023-05-05T09:10:11.123456789Z").unwrap());
        assert_eq!((record.moment, record.duration_ns), (Moment::Start, Some(60_123)));
        assert_eq!((record.target, record.session), (&b"/x?y=1"[..], &b"10.1.2.3"[..]));
        assert_eq!((record.status, record.headers), (Some(404), &b"User-Agent: curl/8\r\n"[..]));
        let own_log = br#"{"level":"error","msg":"no route","time":"2023-05-05T09:10:12Z"}"#;
        assert_eq!(format.parse(own_log), Err(Skip::OtherRecord));
    }

    #[test]
    fn envoy_gives_the_start_and_no_tcp() {
        let mut format = JsonLines::new(FieldMap::envoy());
        let record = one(&mut format, ENVOY);
        assert_eq!((record.resolution_ns, record.duration_ns), (1_000_000, Some(1_234_000_000)));
        assert_eq!((record.session, record.body_bytes), (&b"10.9.8.7"[..], Some(77)));
        for absent in ["null", "\"-\""] {
            let tcp = ENVOY.replace("\"POST\"", absent).replace("\"/v1/chat\"", absent);
            assert_eq!(format.parse(tcp.as_bytes()), Err(Skip::NotHttp));
        }
    }

    #[test]
    fn the_map_of_nginx_is_made_from_shapes_and_names() {
        let line = r#"{"time":"2024-01-01T00:00:01+00:00","msec":"1704067201.123","remote_addr":"10.0.0.9","request":"GET /a HTTP/1.1","status":"200","body_bytes_sent":"12","request_time":"0.023","upstream_response_time":"-","http_host":"h","args":""}"#;
        let mut format = JsonLines::nginx();
        let record = one(&mut format, line);
        assert_eq!((record.time_ns, record.resolution_ns), (1_704_067_201_123_000_000, 1_000_000));
        assert_eq!((record.moment, record.duration_ns), (Moment::End, Some(23_000_000)));
        assert_eq!((record.method, record.target), (&b"GET"[..], &b"/a"[..]));
        assert_eq!((record.session, record.host), (&b"10.0.0.9"[..], &b"h"[..]));
        assert_eq!((record.status, record.bytes), (Some(200), Some(12)));

        let parts = r#"{"t":"01/Jul/2024:00:00:01 +0200","verb":"GET","uri":"/p","args":"","ip":"::1","rt":1}"#;
        let mut format = JsonLines::nginx();
        assert_eq!(one(&mut format, parts).target, b"/p");
        assert_eq!(
            one(&mut format, &parts.replace("\"args\":\"\"", "\"args\":\"q=1\"")).target,
            b"/p?q=1"
        );
        assert_eq!(format.map().unwrap().time_form, TimeForm::Clf);
        assert_eq!(JsonLines::nginx().parse(br#"{"msg":"no time"}"#), Err(Skip::BadTime));
    }

    #[test]
    fn lines_without_escape_json_are_repaired() {
        let line = b"{\"msec\":1704067201.1,\"request\":\"GET /\\x22\\xE4/\xe4 HTTP/1.1\",\"status\":200,\"request_time\":-}";
        let mut format = JsonLines::nginx();
        let record = format.parse(line).unwrap().unwrap();
        assert_eq!((record.target, record.duration_ns), (&b"/\"\xe4/\xe4"[..], None));
        // A client that sent bytes of TLS has no request line.
        let tls = b"{\"msec\":1704067201.2,\"request\":\"\\x16\\x03\\x01 \",\"status\":400}";
        assert_eq!(format.parse(tls), Err(Skip::BadRequest));
        let hung_up = b"{\"msec\":1704067201.2,\"request\":\"\",\"status\":400}";
        assert_eq!(format.parse(hung_up), Err(Skip::BadRequest));
    }

    #[test]
    fn values_may_be_missing_in_every_way() {
        let map = || {
            FieldMap::new(TimeForm::Number(Unit::Milliseconds), Moment::Start).with(&[
                (Field::Time, "t"),
                (Field::Duration, "d"),
                (Field::Status, "/list/1/status"),
                (Field::Bytes, "b"),
                (Field::Session, "first"),
                (Field::Session, "second"),
            ])
        };
        let mut format = JsonLines::new(map());
        let record = one(
            &mut format,
            r#"{"t":"5","d":"-","b":null,"first":"","second":"s","list":[1,{"status":"404"}]}"#,
        );
        assert_eq!((record.time_ns, record.duration_ns, record.bytes), (5_000_000, None, None));
        assert_eq!((record.session, record.status), (&b"s"[..], Some(404)));
        let mut format = JsonLines::new(map());
        for (line, reason) in [
            (r#"{"d":1}"#, Skip::BadTime),
            (r#"{"t":1e30}"#, Skip::BadTime),
            (r#"{"t":1,"d":"soon"}"#, Skip::BadNumber),
            (r#"{"t":1,"b":"many"}"#, Skip::BadNumber),
            (r#"{"t":1"#, Skip::Malformed),
            (r#"[1]"#, Skip::Malformed),
            ("text", Skip::Malformed),
        ] {
            assert_eq!(format.parse(line.as_bytes()), Err(reason), "{line}");
        }
        assert_eq!(format.parse(b"  "), Ok(None));
    }

    #[test]
    fn absolute_targets_and_tunnels_are_told_apart() {
        let map = FieldMap::new(TimeForm::Number(Unit::Seconds), Moment::Start).with(&[
            (Field::Time, "t"),
            (Field::Method, "m"),
            (Field::Target, "u"),
        ]);
        let mut format = JsonLines::new(map);
        let record = one(&mut format, r#"{"t":1,"m":"GET","u":"http://h.example/a?b"}"#);
        assert_eq!((record.host, record.target), (&b"h.example"[..], &b"/a?b"[..]));
        assert_eq!(format.parse(br#"{"t":1,"m":"CONNECT","u":"h:443"}"#), Err(Skip::NotHttp));
        assert_eq!(format.parse(br#"{"t":1,"m":"G T","u":"/"}"#), Err(Skip::BadRequest));
        assert_eq!(format.parse(br#"{"t":1,"m":"GET","u":"-"}"#), Err(Skip::BadRequest));
    }

    #[test]
    fn settings_are_taken_by_name_and_wrong_ones_name_the_right_ones() {
        let mut map = FieldMap::new(TimeForm::Rfc3339, Moment::Start);
        map.set("time", "/at").unwrap();
        map.set("time_unit", "us").unwrap();
        map.set("moment", "end").unwrap();
        map.set("header.accept", "/accept").unwrap();
        let mut format = JsonLines::new(map.clone());
        let record = one(&mut format, r#"{"at":7,"accept":"*/*"}"#);
        assert_eq!(
            (record.time_ns, record.moment, record.headers),
            (7_000, Moment::End, &b"accept: */*\r\n"[..])
        );
        let error = map.set("tiem", "/at").unwrap_err().to_string();
        assert!(error.contains("`tiem` is no field") && error.contains("input_tokens"), "{error}");
        assert!(map.set("time_unit", "h").unwrap_err().to_string().contains("rfc3339"));
    }

    #[test]
    fn every_change_of_a_line_gives_a_record_or_a_reason() {
        for (preset, line) in [
            (JsonLines::new(FieldMap::caddy()), CADDY),
            (JsonLines::new(FieldMap::traefik()), TRAEFIK),
            (JsonLines::new(FieldMap::envoy()), ENVOY),
            (JsonLines::nginx(), TRAEFIK),
        ] {
            for input in mutated(line.as_bytes(), 2_000) {
                let all = read_all(&mut preset.clone(), &input).unwrap();
                let lines = input.split(|&byte| byte == b'\n').count();
                assert!(all.records.len() + all.skips.len() <= lines);
            }
            for end in 1..line.len() {
                let all = read_all(&mut preset.clone(), &line.as_bytes()[..end]).unwrap();
                assert_eq!((all.records.len(), all.skips.len()), (0, 1), "{end}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in any::<Vec<u8>>(), values in prop::collection::vec("[ -~]{0,12}", 4)) {
            let mut format = JsonLines::nginx();
            let _ = format.parse(&bytes);
            let line = format!(r#"{{"msec":"{}","request":"{}","status":{},"request_time":{}}}"#,
                values[0], values[1], values[2], values[3]);
            let _ = format.parse(line.as_bytes());
        }
    }
}
