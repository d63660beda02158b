//! What must not be replayed as it was recorded (TRACES.md, section 5).
//!
//! A [`Scrubber`] looks at each request once, at import, so that no timeline holds a secret or a
//! byte that could split a request:
//!
//! - an absolute target becomes path and query; its host is kept as information only;
//! - blanks, control bytes, quotes, angle brackets and bytes from 0x80 in a target are
//!   percent-encoded, its fragment is removed; what then does not begin with `/` is no target;
//! - headers that carry secrets are dropped unless asked for, headers that belong to one
//!   connection or to the framing of one message always; broken ones too;
//! - values of parameters that carry secrets are blanked, in targets and in referers;
//! - on request, addresses become others of the same form, the same for the same address.
//!
//! What was dropped is counted by name, for the report. Nearly all requests have nothing to
//! change: they are looked at in one pass and passed on without a copy.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use memchr::{memchr, memchr_iter, memchr2, memchr3, memmem};
use openload_contract::digest::mix;
use regex::bytes::{Captures, Regex};
use serde::{Deserialize, Serialize};

use crate::error::TraceError;
use crate::record::{Record, Skip};

/// Headers that carry secrets.
const SECRET_HEADERS: [&str; 9] = [
    "authorization",
    "cookie",
    "proxy-authorization",
    "set-cookie",
    "x-amz-security-token",
    "x-api-key",
    "x-auth-token",
    "x-csrf-token",
    "x-xsrf-token",
];

/// Headers that belong to one connection or to the framing of one message: the sender makes its
/// own.
const CONNECTION_HEADERS: [&str; 12] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "trailers",
    "transfer-encoding",
    "upgrade",
];

/// Parameters that carry secrets; those that begin with [`SECRET_PREFIX`] as well.
const SECRET_PARAMETERS: [&str; 20] = [
    "access_token",
    "api_key",
    "apikey",
    "auth",
    "client_secret",
    "code",
    "id_token",
    "jsessionid",
    "key",
    "passwd",
    "password",
    "phpsessid",
    "pwd",
    "refresh_token",
    "secret",
    "session",
    "sessionid",
    "sig",
    "signature",
    "token",
];

/// Parameters of signed URLs.
const SECRET_PREFIX: &[u8] = b"x-amz-";

/// What to keep and what else to hide.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScrubOptions {
    /// Headers that are kept although they carry secrets, in any case.
    pub keep_headers: Vec<String>,
    /// Parameters that are kept although they carry secrets, in any case.
    pub keep_parameters: Vec<String>,
    /// Replaces network and e-mail addresses by others, drawn from the seed.
    pub hash: bool,
}

/// Looks at requests and changes what must be changed.
#[derive(Debug)]
pub struct Scrubber {
    drops_header: [bool; SECRET_HEADERS.len()],
    blanks_parameter: [bool; SECRET_PARAMETERS.len()],
    blanks_prefix: bool,
    addresses: Option<Addresses>,
    target: Vec<u8>,
    headers: Vec<u8>,
    host: Vec<u8>,
    counts: Counts,
}

/// How often each thing was dropped or changed.
#[derive(Debug, Default)]
struct Counts {
    secret_headers: [u64; SECRET_HEADERS.len()],
    connection_headers: [u64; CONNECTION_HEADERS.len()],
    broken_headers: u64,
    parameters: [u64; SECRET_PARAMETERS.len()],
    prefixed_parameters: u64,
    absolute_targets: u64,
    encoded_targets: u64,
    fragments: u64,
    addresses: u64,
}

impl Scrubber {
    /// Prepares a scrubber; `seed` decides which addresses replace which.
    ///
    /// # Errors
    /// When something is to be kept that is never dropped, or always.
    pub fn new(options: &ScrubOptions, seed: u64) -> Result<Self, TraceError> {
        let drops_header = kept(&options.keep_headers, &SECRET_HEADERS, "header")?;
        let is_prefixed = |name: &&String| begins_with(name.as_bytes(), SECRET_PREFIX);
        let exact: Vec<String> =
            options.keep_parameters.iter().filter(|name| !is_prefixed(name)).cloned().collect();
        Ok(Self {
            drops_header,
            blanks_parameter: kept(&exact, &SECRET_PARAMETERS, "parameter")?,
            blanks_prefix: exact.len() == options.keep_parameters.len(),
            addresses: if options.hash { Some(Addresses::new(seed)?) } else { None },
            target: Vec::new(),
            headers: Vec::new(),
            host: Vec::new(),
            counts: Counts::default(),
        })
    }

    /// The request as it may be replayed.
    ///
    /// # Errors
    /// Why it may not be replayed at all.
    pub fn scrub<'a>(&'a mut self, record: &Record<'a>) -> Result<Record<'a>, Skip> {
        check_method(record.method)?;
        if record.target.is_empty() && !record.method.is_empty() {
            return Err(Skip::BadRequest);
        }
        let (authority, target) = self.reduce(record)?;
        // Without an early end the compiler looks at many bytes at a time.
        let is_target_clean = target.iter().fold(true, |clean, &byte| clean & is_safe(byte));
        let has_parameters = memchr2(b'?', b';', target).is_some();
        let is_origin = matches!(target, [b'/', ..] | []);
        let is_target_kept =
            is_origin && is_target_clean && !has_parameters && self.addresses.is_none();
        if !is_target_kept {
            self.rewrite_target(target, is_target_clean);
        }
        let recorded_host = self.rewrite_headers(record.headers);
        let host = if authority.is_empty() { record.host } else { authority };
        let host = if host.is_empty() { recorded_host } else { host };
        let is_host_kept = host.is_ascii() && self.addresses.is_none();
        if !is_host_kept {
            self.host.clear();
            self.host.extend_from_slice(String::from_utf8_lossy(host).as_bytes());
            self.hash_addresses();
        }
        // Few logs have methods in small letters; servers tell them apart, so they stay.
        Ok(Record {
            target: if is_target_kept { target } else { &self.target },
            headers: &self.headers,
            host: if is_host_kept { host } else { &self.host },
            ..*record
        })
    }

    /// What was dropped or changed, by name, and how often.
    pub fn dropped(&self) -> BTreeMap<String, u64> {
        let counts = &self.counts;
        let secret = SECRET_HEADERS.iter().zip(counts.secret_headers);
        let connection = CONNECTION_HEADERS.iter().zip(counts.connection_headers);
        let headers =
            secret.chain(connection).map(|(name, count)| (format!("header {name}"), count));
        let parameters = SECRET_PARAMETERS.iter().zip(counts.parameters);
        let parameters = parameters.map(|(name, count)| (format!("parameter {name}"), count));
        let others = [
            ("broken headers", counts.broken_headers),
            ("parameter x-amz-*", counts.prefixed_parameters),
            ("hosts of absolute targets", counts.absolute_targets),
            ("raw bytes in targets", counts.encoded_targets),
            ("fragments of targets", counts.fragments),
            ("addresses", counts.addresses),
        ];
        let others = others.map(|(name, count)| (name.to_owned(), count));
        headers.chain(parameters).chain(others).filter(|(_, count)| *count > 0).collect()
    }

    /// Splits a target into the host it names and what is asked of it.
    fn reduce<'a>(&mut self, record: &Record<'a>) -> Result<(&'a [u8], &'a [u8]), Skip> {
        let mut target = record.target;
        if let Some(at) = memchr(b'#', target) {
            target = &target[..at];
            self.counts.fragments += 1;
        }
        match target {
            [b'/', ..] => return Ok((b"", target)),
            [] if record.target.is_empty() => return Ok((b"", target)),
            // Servers ask themselves this to wake a worker; it names nothing.
            b"*" => return Err(Skip::OtherRecord),
            _ => {}
        }
        let scheme_end = memmem::find(target, b"://").ok_or(Skip::BadRequest)?;
        let scheme = &target[..scheme_end];
        if !scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte)) {
            return Err(Skip::BadRequest);
        }
        if ![&b"http"[..], b"https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            return Err(Skip::NotHttp);
        }
        self.counts.absolute_targets += 1;
        let rest = &target[scheme_end + 3..];
        let end = memchr3(b'/', b'?', b'\\', rest).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        // Before an @ stand a name and a password.
        let host = authority.rsplit(|&byte| byte == b'@').next().unwrap_or_default();
        match path {
            [b'/', ..] => Ok((host, path)),
            [] => Ok((host, b"/")),
            // A query after the host: its path is the root, which is put before it later. So is
            // one before a backslash, which browsers take for a slash.
            _ => Ok((host, path)),
        }
    }

    /// Encodes raw bytes and blanks secrets of a target.
    fn rewrite_target(&mut self, target: &[u8], is_clean: bool) {
        let mut rewritten = std::mem::take(&mut self.target);
        rewritten.clear();
        if !matches!(target, [b'/', ..] | []) {
            rewritten.push(b'/');
        }
        if is_clean {
            self.blank_parameters(target, &mut rewritten);
        } else {
            self.counts.encoded_targets += 1;
            let mut encoded = Vec::with_capacity(target.len() + 32);
            percent_encode(target, &mut encoded);
            self.blank_parameters(&encoded, &mut rewritten);
        }
        if let Some(addresses) = &self.addresses
            && let Some(hashed) = addresses.hash(&rewritten, Place::Target)
        {
            self.counts.addresses += hashed.count;
            rewritten = hashed.text;
        }
        self.target = rewritten;
    }

    fn hash_addresses(&mut self) {
        if let Some(addresses) = &self.addresses
            && let Some(hashed) = addresses.hash(&self.host, Place::Target)
        {
            self.counts.addresses += hashed.count;
            self.host = hashed.text;
        }
    }

    /// Appends `text` with the values of secret parameters left out. A parameter follows a `?`,
    /// `&` or `;`, and ends at the next of these, in a path at a slash too.
    fn blank_parameters(&mut self, text: &[u8], blanked: &mut Vec<u8>) {
        let mut rest = text;
        let mut is_in_query = false;
        while let Some(at) = memchr3(b'?', b'&', b';', rest) {
            is_in_query |= rest[at] == b'?';
            let (before, parameter) = rest.split_at(at + 1);
            blanked.extend_from_slice(before);
            let is_end =
                |byte: &u8| matches!(byte, b'?' | b'&' | b';') || (*byte == b'/' && !is_in_query);
            let end = parameter.iter().position(is_end).unwrap_or(parameter.len());
            rest = &parameter[end..];
            let name_end = memchr(b'=', &parameter[..end]);
            match name_end {
                Some(name_end) if self.is_secret(&parameter[..name_end]) => {
                    blanked.extend_from_slice(&parameter[..=name_end]);
                }
                _ => blanked.extend_from_slice(&parameter[..end]),
            }
        }
        blanked.extend_from_slice(rest);
    }

    /// Tells whether the value of this parameter is to be blanked, and counts it.
    fn is_secret(&mut self, name: &[u8]) -> bool {
        let decoded;
        let name = if memchr(b'%', name).is_some() {
            decoded = percent_decoded(name);
            &decoded
        } else {
            name
        };
        // `user[token]` is how some frameworks nest.
        let name = match name.split(|&byte| byte == b'[').next_back() {
            Some(inner) => inner.strip_suffix(b"]").unwrap_or(name),
            None => name,
        };
        if begins_with(name, SECRET_PREFIX) {
            self.counts.prefixed_parameters += u64::from(self.blanks_prefix);
            return self.blanks_prefix;
        }
        match position(&SECRET_PARAMETERS, name) {
            Some(index) if self.blanks_parameter[index] => {
                self.counts.parameters[index] += 1;
                true
            }
            _ => false,
        }
    }

    /// Copies the headers that may be sent; returns what `Host` said.
    fn rewrite_headers<'a>(&mut self, headers: &'a [u8]) -> &'a [u8] {
        self.headers.clear();
        let mut host = &b""[..];
        let mut rest = headers;
        while !rest.is_empty() {
            let line;
            (line, rest) = first_line(rest);
            let Some((name, value)) = header(line) else {
                self.counts.broken_headers += u64::from(!line.is_empty());
                continue;
            };
            if name.eq_ignore_ascii_case(b"host") {
                host = value;
            }
            if self.is_dropped(name) {
                continue;
            }
            self.push_header(name, value);
        }
        host
    }

    fn push_header(&mut self, name: &[u8], value: &[u8]) {
        let mut headers = std::mem::take(&mut self.headers);
        headers.extend_from_slice(name);
        headers.extend_from_slice(b": ");
        let is_referer =
            name.eq_ignore_ascii_case(b"referer") && memchr2(b'?', b';', value).is_some();
        let start = headers.len();
        if is_referer {
            self.blank_parameters(value, &mut headers);
        } else {
            headers.extend_from_slice(value);
        }
        if let Some(addresses) = &self.addresses
            && let Some(hashed) = addresses.hash(&headers[start..], Place::Header)
        {
            self.counts.addresses += hashed.count;
            headers.truncate(start);
            headers.extend_from_slice(&hashed.text);
        }
        headers.extend_from_slice(b"\r\n");
        self.headers = headers;
    }

    /// Tells whether a header is not to be sent, and counts it.
    fn is_dropped(&mut self, name: &[u8]) -> bool {
        if let Some(index) = position(&SECRET_HEADERS, name) {
            self.counts.secret_headers[index] += u64::from(self.drops_header[index]);
            return self.drops_header[index];
        }
        if let Some(index) = position(&CONNECTION_HEADERS, name) {
            self.counts.connection_headers[index] += 1;
            return true;
        }
        false
    }
}

/// For each known name whether it is dropped, which those in `keep` are not.
fn kept<const N: usize>(
    keep: &[String],
    known: &[&str; N],
    what: &str,
) -> Result<[bool; N], TraceError> {
    let mut drops = [true; N];
    for name in keep {
        let index = position(known, name.as_bytes()).ok_or_else(|| {
            TraceError::Option(format!(
                "{what} {name} cannot be kept: only {} are dropped unless they are to be kept",
                known.join(", ")
            ))
        })?;
        drops[index] = false;
    }
    Ok(drops)
}

fn position(known: &[&str], name: &[u8]) -> Option<usize> {
    known.iter().position(|known| known.as_bytes().eq_ignore_ascii_case(name))
}

fn begins_with(text: &[u8], prefix: &[u8]) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

fn check_method(method: &[u8]) -> Result<(), Skip> {
    if method.eq_ignore_ascii_case(b"CONNECT") {
        return Err(Skip::NotHttp);
    }
    if method.iter().all(|&byte| is_token(byte)) { Ok(()) } else { Err(Skip::BadRequest) }
}

/// What stands before the first CR LF, and what behind it.
fn first_line(text: &[u8]) -> (&[u8], &[u8]) {
    let is_end = |&at: &usize| text.get(at + 1) == Some(&b'\n');
    match memchr_iter(b'\r', text).find(is_end) {
        Some(at) => (&text[..at], &text[at + 2..]),
        None => (text, b""),
    }
}

/// Name and value of a header line; `None` for one that must not be sent.
fn header(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr(b':', line)?;
    let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    let is_name = !name.is_empty() && name.iter().all(|&byte| is_token(byte));
    // Without an early end the compiler looks at many bytes at a time.
    let is_raw = |byte: u8| (byte < b' ' && byte != b'\t') || byte == 0x7f;
    let has_raw = value.iter().fold(false, |has_raw, &byte| has_raw | is_raw(byte));
    (is_name && !has_raw).then_some((name, value))
}

/// Bytes of methods and header names (RFC 9110, 5.6.2).
fn is_token(byte: u8) -> bool {
    const IS_TOKEN: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0;
        while byte < 256 {
            let is_mark = matches!(
                byte as u8,
                b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~'
            );
            table[byte] = (byte as u8).is_ascii_alphanumeric() || is_mark;
            byte += 1;
        }
        table
    };
    IS_TOKEN[usize::from(byte)]
}

/// Bytes that stand in a target as they are. Braces, bars, carets and backslashes do not belong
/// there either, but clients send them and servers take them.
fn is_safe(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'`')
}

fn percent_encode(text: &[u8], encoded: &mut Vec<u8>) {
    const DIGITS: [u8; 16] = *b"0123456789ABCDEF";
    for &byte in text {
        if is_safe(byte) {
            encoded.push(byte);
        } else {
            let digit = |value: u8| DIGITS[usize::from(value & 0xf)];
            encoded.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte)]);
        }
    }
}

fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).map(|digit| digit as u8);
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        let value = match behind {
            [high, low, ..] if byte == b'%' => digit(high).zip(digit(low)),
            _ => None,
        };
        match value {
            Some((high, low)) => {
                decoded.push(high << 4 | low);
                rest = &behind[2..];
            }
            None => decoded.push(byte),
        }
    }
    decoded
}

/// Replaces addresses.
#[derive(Debug)]
struct Addresses {
    email: Regex,
    network: Regex,
    seed: u64,
}

/// Where a text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Target,
    Header,
}

/// A text with other addresses, and how many there are.
struct Hashed {
    text: Vec<u8>,
    count: u64,
}

impl Addresses {
    fn new(seed: u64) -> Result<Self, TraceError> {
        let compile =
            |pattern| Regex::new(pattern).map_err(|error| TraceError::Option(error.to_string()));
        Ok(Self {
            email: compile(r"(?-u)[A-Za-z0-9._+\-]+(?:@|%40)[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)+")?,
            network: compile(r"(?-u)[0-9A-Fa-f:.]*[0-9A-Fa-f:][:.][0-9A-Fa-f:][0-9A-Fa-f:.]*")?,
            seed,
        })
    }

    /// `None` when there is no address.
    fn hash(&self, text: &[u8], place: Place) -> Option<Hashed> {
        let mut count = 0;
        let without_email = self.email.replace_all(text, |found: &Captures<'_>| {
            count += 1;
            format!("u{:016x}@example.invalid", self.number(&found[0])).into_bytes()
        });
        let without_both = self.network.replace_all(&without_email, |found: &Captures<'_>| {
            let start = found.get(0).map_or(0, |found| found.start());
            let other = self.other_network(&without_email[..start], &found[0], place);
            count += u64::from(other.is_some());
            other.unwrap_or_else(|| found[0].to_vec())
        });
        (count > 0).then(|| Hashed { text: without_both.to_vec(), count })
    }

    /// Another address of the same form; `None` for what is none.
    fn other_network(&self, before: &[u8], found: &[u8], place: Place) -> Option<Vec<u8>> {
        let text = std::str::from_utf8(found).ok()?;
        // A port or a full stop may follow.
        let trimmed = text.trim_end_matches('.');
        let (address, rest) = match trimmed.split_once(':') {
            Some((address, port)) if !port.contains(':') => (address, text.strip_prefix(address)?),
            _ => (trimmed, text.strip_prefix(trimmed)?),
        };
        let number = self.number(address.as_bytes());
        if address.parse::<Ipv4Addr>().is_ok() {
            // In headers `Chrome/120.0.0.0` is a version.
            let is_version = place == Place::Header
                && matches!(before, [.., byte, b'/'] if byte.is_ascii_alphabetic());
            let [_, a, b, c, ..] = number.to_be_bytes();
            return (!is_version).then(|| format!("10.{a}.{b}.{c}{rest}").into_bytes());
        }
        address.parse::<Ipv6Addr>().ok()?;
        let part = |shift: u32| number >> shift & 0xffff;
        let other =
            format!("fd00::{:x}:{:x}:{:x}:{:x}{rest}", part(48), part(32), part(16), part(0));
        Some(other.into_bytes())
    }

    fn number(&self, text: &[u8]) -> u64 {
        hash(self.seed, text)
    }
}

/// A hash of `text` that the same seed repeats; never 0, which stands for nothing.
///
/// It tells clients apart and hides them from a reader of the file, but not from one who knows
/// the seed and tries all addresses.
pub fn hash(seed: u64, text: &[u8]) -> u64 {
    let (words, rest) = text.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let start = mix(seed ^ mix(text.len() as u64));
    let words = words.iter().chain([&last]);
    words.fold(start, |state, word| mix(state ^ u64::from_le_bytes(*word))).max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, proptest};

    use super::*;

    fn scrubber(options: &ScrubOptions) -> Scrubber {
        Scrubber::new(options, 7).unwrap()
    }

    fn target(scrubber: &mut Scrubber, target: &[u8]) -> Result<String, Skip> {
        let record = Record { method: b"GET", target, ..Record::default() };
        scrubber.scrub(&record).map(|record| String::from_utf8(record.target.to_vec()).unwrap())
    }

    fn headers(scrubber: &mut Scrubber, headers: &str) -> String {
        let record = Record { headers: headers.as_bytes(), ..Record::default() };
        let scrubbed = scrubber.scrub(&record).unwrap();
        String::from_utf8(scrubbed.headers.to_vec()).unwrap()
    }

    #[test]
    fn targets_become_what_may_be_sent() {
        let mut scrubber = scrubber(&ScrubOptions::default());
        for (recorded, expected) in [
            (&b"/a/b?c=d"[..], "/a/b?c=d"),
            (b"/", "/"),
            (b"http://example.com/a?b", "/a?b"),
            (b"HTTPS://user:secret@Example.com:8443", "/"),
            (b"http://example.com?a=b", "/?a=b"),
            (b"http://example.com\\a", "/\\a"),
            (b"//example.com/a", "//example.com/a"),
            (b"/a#b", "/a"),
            (b"/a?b#c?d", "/a?b"),
            (b"/a b\tc", "/a%20b%09c"),
            (b"/a\r\nHost: x", "/a%0D%0AHost:%20x"),
            (b"/\0\x7f\x80\xff", "/%00%7F%80%FF"),
            (b"/\"<>`", "/%22%3C%3E%60"),
            (b"/%7e%zz{}|^\\", "/%7e%zz{}|^\\"),
            (b"/a?token=b&c=d", "/a?token=&c=d"),
            (b"/a?c=d&ToKeN=b", "/a?c=d&ToKeN="),
            (b"/a?key=1;sig=2;other=3", "/a?key=;sig=;other=3"),
            (b"/a?%74oken=b", "/a?%74oken="),
            (b"/a?user[password]=b", "/a?user[password]="),
            (b"/a?X-Amz-Signature=b&X-Amz-Date=c", "/a?X-Amz-Signature=&X-Amz-Date="),
            (b"/a;jsessionid=b/c?d=e/f", "/a;jsessionid=/c?d=e/f"),
            (b"/a?session=b/c&d", "/a?session=&d"),
            (b"/a?code=b c", "/a?code="),
            (b"/a?monkey=b&keys=c&key", "/a?monkey=b&keys=c&key"),
            (b"/a?access_token=x?y", "/a?access_token=?y"),
        ] {
            let scrubbed = target(&mut scrubber, recorded);
            assert_eq!(scrubbed.as_deref(), Ok(expected), "{}", recorded.escape_ascii());
        }
    }

    #[test]
    fn what_is_no_target_is_skipped_and_says_why() {
        let mut scrubber = scrubber(&ScrubOptions::default());
        for (recorded, reason) in [
            (&b""[..], Skip::BadRequest),
            (b"*", Skip::OtherRecord),
            (b"#a", Skip::BadRequest),
            (b"example.com:443", Skip::BadRequest),
            (b"index.html", Skip::BadRequest),
            (b"?a=b", Skip::BadRequest),
            (b"\x16\x03\x01", Skip::BadRequest),
            (b"a b://c", Skip::BadRequest),
            (b"ftp://example.com/a", Skip::NotHttp),
        ] {
            assert_eq!(target(&mut scrubber, recorded), Err(reason), "{}", recorded.escape_ascii());
        }
        let method = |method, target| Record { method, target, ..Record::default() };
        for (record, reason) in [
            (method(b"CONNECT", b"/"), Skip::NotHttp),
            (method(b"GE\0T", b"/"), Skip::BadRequest),
            (method(b"G T", b"/"), Skip::BadRequest),
        ] {
            assert_eq!(scrubber.scrub(&record), Err(reason));
        }
        // Traces of arrivals alone have neither.
        assert_eq!(scrubber.scrub(&Record::default()).unwrap().target, b"");
    }

    #[test]
    fn headers_with_secrets_and_of_the_connection_are_dropped_and_named() {
        let mut scrubber = scrubber(&ScrubOptions::default());
        let recorded = "Accept: */*\r\nCOOKIE: a=b\r\nAuthorization: Basic x\r\nConnection: close\r\n\
            Content-Length: 5\r\nTransfer-Encoding: chunked\r\nX-Api-Key: y\r\nUser-Agent: z\r\n\
            Upgrade: h2c\r\nExpect: 100-continue\r\nTE: trailers\r\nHost: example.com\r\n\
            Set-Cookie: c\r\nProxy-Authorization: d\r\nKeep-Alive: 5\r\nTrailer: e\r\n";
        assert_eq!(headers(&mut scrubber, recorded), "Accept: */*\r\nUser-Agent: z\r\n");
        let dropped = scrubber.dropped();
        assert_eq!(dropped.len(), 14);
        assert!(dropped.values().all(|&count| count == 1));
        assert!(dropped.contains_key("header cookie") && dropped.contains_key("header te"));
    }

    #[test]
    fn broken_headers_are_not_passed_on() {
        let mut scrubber = scrubber(&ScrubOptions::default());
        let recorded = "no colon\r\n: no name\r\n:authority: x\r\nbad name: x\r\nA: b\nInjected: c\r\n\
            B: \0\r\nC:\r\nD:   d  \r\nE: last";
        assert_eq!(headers(&mut scrubber, recorded), "C: \r\nD: d\r\nE: last\r\n");
        assert_eq!(scrubber.dropped(), BTreeMap::from([("broken headers".to_owned(), 6)]));
    }

    #[test]
    fn secrets_are_kept_only_when_named_and_only_those_that_can_be() {
        let options = ScrubOptions {
            keep_headers: vec!["Authorization".to_owned()],
            keep_parameters: vec!["CODE".to_owned(), "X-Amz-Date".to_owned()],
            hash: false,
        };
        let mut scrubber = scrubber(&options);
        let recorded = "authorization: a\r\ncookie: b\r\n";
        assert_eq!(headers(&mut scrubber, recorded), "authorization: a\r\n");
        let scrubbed = target(&mut scrubber, b"/?code=1&key=2&X-Amz-Date=3");
        assert_eq!(scrubbed.as_deref(), Ok("/?code=1&key=&X-Amz-Date=3"));
        let options =
            ScrubOptions { keep_headers: vec!["Host".to_owned()], ..ScrubOptions::default() };
        let error = Scrubber::new(&options, 0).unwrap_err().to_string();
        assert!(error.starts_with("header Host cannot be kept: only authorization, "), "{error}");
    }

    #[test]
    fn referers_lose_their_secrets_too_and_hosts_are_found_where_they_are() {
        let mut scrubber = scrubber(&ScrubOptions::default());
        let recorded = "Referer: https://a.example/b?token=c&d=e\r\nOther: ?token=f\r\n";
        let expected = "Referer: https://a.example/b?token=&d=e\r\nOther: ?token=f\r\n";
        assert_eq!(headers(&mut scrubber, recorded), expected);
        let record = Record {
            target: b"http://x@absolute.example:8080/",
            host: b"field.example",
            headers: b"Host: header.example\r\n",
            ..Record::default()
        };
        assert_eq!(scrubber.scrub(&record).unwrap().host, b"absolute.example:8080");
        let record = Record { target: b"/", ..record };
        assert_eq!(scrubber.scrub(&record).unwrap().host, b"field.example");
        let record = Record { host: b"", ..record };
        assert_eq!(scrubber.scrub(&record).unwrap().host, b"header.example");
        let record = Record { host: b"a\xff", ..record };
        assert_eq!(scrubber.scrub(&record).unwrap().host, "a\u{fffd}".as_bytes());
    }

    #[test]
    fn addresses_become_others_of_the_same_form() {
        let mut scrubber = scrubber(&ScrubOptions { hash: true, ..ScrubOptions::default() });
        let mut hashed = |text: &str| target(&mut scrubber, text.as_bytes()).unwrap();
        let once = hashed("/whois/192.0.2.7?mail=a.b@c.example&v=1.2.3");
        assert_eq!(once, hashed("/whois/192.0.2.7?mail=a.b@c.example&v=1.2.3"));
        assert!(once.starts_with("/whois/10.") && once.ends_with("@example.invalid&v=1.2.3"));
        assert_ne!(once, hashed("/whois/192.0.2.8?mail=a.b@c.example&v=1.2.3"));
        assert!(hashed("/?a=2001:db8::1").starts_with("/?a=fd00::"));
        assert_eq!(hashed("/12:34/5:6"), "/12:34/5:6");
        let recorded = "User-Agent: Chrome/120.0.0.0\r\nX-Forwarded-For: 192.0.2.7, ::1\r\n";
        let rewritten = headers(&mut scrubber, recorded);
        assert!(rewritten.starts_with("User-Agent: Chrome/120.0.0.0\r\nX-Forwarded-For: 10."));
        assert!(!rewritten.contains("192.0.2.7") && rewritten.contains(", fd00::"));
        assert_eq!(scrubber.dropped()["addresses"], 9);
    }

    #[test]
    fn hashes_tell_apart_what_differs() {
        let texts = ["", "a", "b", "a\0", "12345678", "123456789", "12345678\0"];
        let hashes: std::collections::BTreeSet<u64> =
            texts.iter().map(|text| hash(1, text.as_bytes())).collect();
        assert_eq!(hashes.len(), texts.len());
        assert_ne!(hash(1, b"a"), hash(2, b"a"));
        assert_eq!(hash(1, b"a"), hash(1, b"a"));
    }

    proptest! {
        #[test]
        fn nothing_gets_through_that_could_split_a_request(
            path in any::<Vec<u8>>(),
            block in any::<Vec<u8>>(),
            hash in any::<bool>(),
        ) {
            let mut scrubber = scrubber(&ScrubOptions { hash, ..ScrubOptions::default() });
            let absolute = [b"http://h", &path[..]].concat();
            let origin = [b"/", &path[..]].concat();
            for target in [&path, &origin, &absolute] {
                let record = Record { target, headers: &block, ..Record::default() };
                let Ok(scrubbed) = scrubber.scrub(&record) else { continue };
                prop_assert!(scrubbed.target.iter().all(u8::is_ascii_graphic));
                prop_assert!(scrubbed.target.is_empty() || scrubbed.target[0] == b'/');
                for line in scrubbed.headers.split_inclusive(|&byte| byte == b'\n') {
                    let line = line.strip_suffix(b"\r\n").unwrap();
                    prop_assert!(header(line).is_some());
                    prop_assert!(!line.contains(&b'\r') && !line.contains(&0));
                }
            }
        }
    }
}
