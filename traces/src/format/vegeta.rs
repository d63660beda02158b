//! Targets and results of vegeta.
//!
//! Targets are what to send, as blocks of text ([`TargetsHttp`]) or a JSON object a line
//! ([`targets_json`]). They have no times, so they are spaced evenly at a rate; a member `ts` of
//! an object, in ns or as RFC 3339, is its time.
//!
//! Results are what was sent, as JSON lines or CSV, told apart by [`Results`]. Their third form,
//! of the Go language, has to be converted by vegeta first.
//!
//! A block may name a file that holds its body. Such files are read below one directory that the
//! user gives, and nowhere else: a list of targets from somebody else must not be able to send
//! any file of this machine away.

use std::fs::File;
use std::io::{self, BufRead, Read};
use std::path::{Component, Path, PathBuf};

use super::json::{Field, FieldMap, JsonLines};
use super::rows::Syntax;
use super::table::{ColumnMap, Role, Table};
use super::value::{Spacing, TimeForm, Unit, check_method, push_header, split_url};
use super::{Format, Sink};
use crate::lines::{Line, Lines};
use crate::record::{Moment, Record, Skip};

/// Longest file with a body that is read.
pub const BODY_BYTES_MAX: u64 = 16 << 20;

/// Reads targets in blocks: `METHOD URL`, headers, perhaps `@file` with the body, a blank line.
#[derive(Debug, Clone)]
pub struct TargetsHttp {
    spacing: Spacing,
    folder: Option<PathBuf>,
}

impl TargetsHttp {
    /// Reads targets that are spaced evenly.
    pub fn new(spacing: Spacing) -> Self {
        Self { spacing, folder: None }
    }

    /// Reads targets at `per_second` of them in a second; `None` unless that is a positive number.
    pub fn rate(per_second: f64) -> Option<Self> {
        Spacing::rate(per_second).map(Self::new)
    }

    /// Allows bodies from files below `folder`.
    #[must_use]
    pub fn with_bodies(self, folder: &Path) -> Self {
        Self { folder: Some(folder.to_owned()), ..self }
    }
}

/// A target whose end has not been seen.
#[derive(Debug)]
struct Block {
    place: u64,
    line: Vec<u8>,
    headers: Vec<u8>,
    body: Option<Vec<u8>>,
    /// A line in it is nothing that belongs there.
    is_malformed: bool,
}

impl Format for TargetsHttp {
    fn read(&mut self, input: &mut dyn BufRead, sink: &mut dyn Sink) -> io::Result<()> {
        let mut lines = Lines::new(input);
        let mut block: Option<Block> = None;
        let mut position = 0;
        while let Some((number, line)) = lines.next_line()? {
            let line = match line {
                Line::Whole(line) => line.trim_ascii(),
                Line::TooLong(start) => {
                    sink.skip(number, Skip::TooLong, start)?;
                    if let Some(block) = &mut block {
                        block.is_malformed = true;
                    }
                    continue;
                }
            };
            if line.starts_with(b"#") {
                continue;
            }
            let is_target = is_target(line);
            if line.is_empty() || is_target {
                if let Some(block) = block.take() {
                    self.end(block, &mut position, sink)?;
                }
                if is_target {
                    block = Some(Block {
                        place: number,
                        line: line.to_vec(),
                        headers: Vec::new(),
                        body: None,
                        is_malformed: false,
                    });
                }
                continue;
            }
            let Some(block) = &mut block else {
                sink.skip(number, Skip::Malformed, line)?;
                continue;
            };
            if let [b'@', name @ ..] = line {
                block.body = Some(self.body(number, name)?);
            } else if let Some(colon) = memchr::memchr(b':', line) {
                push_header(&mut block.headers, line[..colon].trim_ascii(), &line[colon + 1..]);
            } else {
                block.is_malformed = true;
            }
        }
        match block {
            Some(block) => self.end(block, &mut position, sink),
            None => Ok(()),
        }
    }
}

impl TargetsHttp {
    /// Gives a block to the sink.
    fn end(&self, block: Block, position: &mut u64, sink: &mut dyn Sink) -> io::Result<()> {
        match self.record(&block, *position) {
            Ok(record) => {
                *position += 1;
                sink.record(block.place, &record)
            }
            Err(reason) => sink.skip(block.place, reason, &block.line),
        }
    }

    fn record<'a>(&self, block: &'a Block, position: u64) -> Result<Record<'a>, Skip> {
        if block.is_malformed {
            return Err(Skip::Malformed);
        }
        let (method, url) = parted(&block.line).ok_or(Skip::BadRequest)?;
        check_method(method)?;
        let (host, target) = match split_url(url) {
            Some(parts) => parts,
            None if url.starts_with(b"/") => (&b""[..], url),
            None => return Err(Skip::BadRequest),
        };
        Ok(Record {
            time_ns: self.spacing.time_ns(position).ok_or(Skip::BadTime)?,
            method,
            target,
            host,
            headers: &block.headers,
            body: block.body.as_deref(),
            ..Record::default()
        })
    }

    /// Reads the file that a block names in the line `number`.
    fn body(&self, number: u64, name: &[u8]) -> io::Result<Vec<u8>> {
        let name = String::from_utf8_lossy(name.trim_ascii()).into_owned();
        let refused = |kind, reason: String| {
            Err(io::Error::new(
                kind,
                format!("line {number} takes its body from `{name}`: {reason}"),
            ))
        };
        let Some(folder) = &self.folder else {
            let reason = "name the directory that bodies may be read from".to_owned();
            return refused(io::ErrorKind::InvalidInput, reason);
        };
        let parts = Path::new(&name).components();
        let is_below =
            parts.clone().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        let (root, path) = (folder.canonicalize(), folder.join(&name).canonicalize());
        if !is_below || name.is_empty() {
            let reason = "only files below the directory of bodies may be named, by a path \
                          without `..` that does not begin with a slash";
            return refused(io::ErrorKind::InvalidData, reason.to_owned());
        }
        // Links lead out of a directory as well.
        let (root, path) = match (root, path) {
            (Ok(root), Ok(path)) => (root, path),
            (Err(error), _) | (_, Err(error)) => {
                return refused(error.kind(), format!("it cannot be opened ({error})"));
            }
        };
        if !path.starts_with(&root) {
            let reason = "a link leads out of the directory of bodies".to_owned();
            return refused(io::ErrorKind::InvalidData, reason);
        }
        let mut body = Vec::new();
        let read =
            File::open(&path).and_then(|file| file.take(BODY_BYTES_MAX + 1).read_to_end(&mut body));
        match read {
            Err(error) => refused(error.kind(), format!("it cannot be read ({error})")),
            Ok(length) if length as u64 > BODY_BYTES_MAX => {
                let reason = format!("it is longer than {BODY_BYTES_MAX} bytes");
                refused(io::ErrorKind::InvalidData, reason)
            }
            Ok(_) => Ok(body),
        }
    }
}

/// Method and URL of a block's first line.
fn parted(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let blank = line.iter().position(u8::is_ascii_whitespace)?;
    Some((&line[..blank], line[blank..].trim_ascii_start()))
}

/// Tells the first line of a block from a header.
fn is_target(line: &[u8]) -> bool {
    parted(line).is_some_and(|(method, _)| method.iter().all(u8::is_ascii_uppercase))
}

/// Reads targets with an object a line: `method`, `url`, `header`, `body` in Base64, perhaps
/// `ts`. Those without a time are spaced evenly; without a spacing they are counted as having
/// none.
pub fn targets_json(spacing: Option<Spacing>) -> JsonLines {
    let map = FieldMap::new(TimeForm::Number(Unit::Nanoseconds), Moment::Start).with(&[
        (Field::Time, "ts"),
        (Field::Method, "method"),
        (Field::Target, "url"),
        (Field::Headers, "header"),
        (Field::Body, "body"),
    ]);
    let lines = JsonLines::new(FieldMap { resolution_ns: Some(1), ..map });
    match spacing {
        Some(spacing) => lines.spaced(spacing),
        None => lines,
    }
}

/// Reads results in JSON lines or CSV.
#[derive(Debug, Clone, Copy, Default)]
pub struct Results;

impl Format for Results {
    fn read(&mut self, input: &mut dyn BufRead, sink: &mut dyn Sink) -> io::Result<()> {
        match input.fill_buf()?.first() {
            None => Ok(()),
            Some(b'{') => results_json().read(input, sink),
            Some(b'0'..=b'9') => results_csv().read(input, sink),
            Some(_) => {
                let reason = "these are no results of vegeta as JSON or CSV: convert them with \
                              `vegeta encode --to json`";
                Err(io::Error::new(io::ErrorKind::InvalidData, reason))
            }
        }
    }
}

/// Reads results with an object a line.
pub fn results_json() -> JsonLines {
    let map = FieldMap::new(TimeForm::Rfc3339, Moment::Start).with(&[
        (Field::Time, "timestamp"),
        (Field::Duration, "latency"),
        (Field::Method, "method"),
        (Field::Target, "url"),
        (Field::Status, "code"),
        (Field::Bytes, "bytes_in"),
        (Field::BodyBytes, "bytes_out"),
        (Field::Tag, "attack"),
    ]);
    JsonLines::new(FieldMap { duration_unit: Unit::Nanoseconds, resolution_ns: Some(1), ..map })
}

/// Reads results in CSV, which has no heading.
pub fn results_csv() -> Table {
    let map = ColumnMap::new(TimeForm::Number(Unit::Nanoseconds), Moment::Start).with_numbered(&[
        (Role::Time, 1),
        (Role::Status, 2),
        (Role::Duration, 3),
        (Role::BodyBytes, 4),
        (Role::Bytes, 5),
        (Role::Tag, 8),
        (Role::Method, 10),
        (Role::Target, 11),
    ]);
    let map = ColumnMap { duration_unit: Unit::Nanoseconds, resolution_ns: Some(1), ..map };
    Table { map, syntax: Syntax::CSV, has_heading: false }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::*;
    use crate::format::testing::{Kept, mutated, read_all};

    const TARGETS: &str = "# two users\n\nGET http://h.example/a?b=1\nAccept: */*\nX-Empty:\n\n\
        POST http://h.example/form\nContent-Type: text/plain\n@body.txt\n\
        PUT /origin/form\n";

    /// A directory with `bodies/body.txt`, and a secret beside `bodies`.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("bodies")).unwrap();
        std::fs::write(folder.path().join("bodies/body.txt"), "a=1\n").unwrap();
        std::fs::write(folder.path().join("secret"), "key").unwrap();
        folder
    }

    fn read(input: &str) -> io::Result<Kept> {
        let folder = folder();
        let bodies = folder.path().join("bodies");
        read_all(&mut TargetsHttp::rate(10.0).unwrap().with_bodies(&bodies), input.as_bytes())
    }

    #[test]
    fn blocks_are_targets_spaced_evenly() {
        let kept = read(TARGETS).unwrap();
        assert_eq!(kept.skips, []);
        let read_as =
            kept.records.iter().map(|record| (record.place, record.time_ns, &record.target[..]));
        let expected = [
            (3, 0, &b"/a?b=1"[..]),
            (7, 100_000_000, b"/form"),
            (10, 200_000_000, b"/origin/form"),
        ];
        assert_eq!(read_as.collect::<Vec<_>>(), expected);
        assert_eq!(kept.records[0].headers, b"Accept: */*\r\nX-Empty: \r\n");
        assert_eq!(kept.records[0].host, b"h.example");
        assert_eq!(kept.records[1].body.as_deref(), Some(&b"a=1\n"[..]));
    }

    #[test]
    fn bodies_come_from_their_directory_only() {
        let body = |name: &str| read(&format!("POST http://h/\n@{name}\n"));
        assert_eq!(body("./body.txt").unwrap().records[0].body.as_deref(), Some(&b"a=1\n"[..]));
        for (name, reason) in [
            ("../secret", "`..`"),
            ("x/../../secret", "`..`"),
            ("/etc/hostname", "`..`"),
            ("", "`..`"),
            ("absent.txt", "cannot be opened"),
            (".", "cannot be read"),
        ] {
            let error = body(name).unwrap_err().to_string();
            assert!(error.contains(reason) && error.starts_with("line 2 "), "{error}");
        }
        let none = read_all(&mut TargetsHttp::rate(1.0).unwrap(), b"POST http://h/\n@body.txt\n");
        assert!(none.unwrap_err().to_string().contains("name the directory"));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_does_not_lead_out() {
        let folder = folder();
        let bodies = folder.path().join("bodies");
        std::os::unix::fs::symlink("../secret", bodies.join("link")).unwrap();
        let mut targets = TargetsHttp::rate(1.0).unwrap().with_bodies(&bodies);
        let error = read_all(&mut targets, b"POST http://h/\n@link\n").unwrap_err();
        assert!(error.to_string().contains("leads out"), "{error}");
    }

    #[test]
    fn what_is_no_target_is_counted() {
        let kept = read("stray\n\nGET http://h/\nnothing\n\nCONNECT http://h/\n\nGET ftp://h/\n\nGET http://h/ok").unwrap();
        let reasons =
            [(1, Skip::Malformed), (3, Skip::Malformed), (6, Skip::NotHttp), (8, Skip::BadRequest)];
        assert_eq!(kept.skips, reasons);
        assert_eq!((kept.records.len(), kept.records[0].time_ns), (1, 0));
        assert!(TargetsHttp::rate(0.0).is_none());
    }

    #[test]
    fn targets_in_json_have_times_or_are_spaced() {
        let lines = concat!(
            r#"{"method":"POST","url":"http://h.example/x","header":{"A":["1","2"]},"body":"YWI=","ts":5}"#,
            "\n",
            r#"{"method":"GET","url":"http://h.example/y","ts":"2024-01-01T00:00:00.5Z","body":null}"#,
            "\n",
            r#"{"method":"GET","url":"http://h.example/z"}"#,
            "\n",
            r#"{"method":"GET","url":"http://h.example/z","body":"?"}"#,
            "\n",
        );
        let kept = read_all(&mut targets_json(None), lines.as_bytes()).unwrap();
        assert_eq!(
            (kept.records[0].time_ns, &kept.records[0].headers[..]),
            (5, &b"A: 1\r\nA: 2\r\n"[..])
        );
        assert_eq!(kept.records[0].body.as_deref(), Some(&b"ab"[..]));
        assert_eq!(kept.records[1].time_ns, 1_704_067_200_500_000_000);
        assert_eq!(kept.skips, [(3, Skip::BadTime), (4, Skip::BadTime)]);
        let spaced = targets_json(Spacing::rate(2.0));
        let kept = read_all(&mut spaced.clone(), lines.as_bytes()).unwrap();
        assert_eq!(kept.records[2].time_ns, 0);
        assert_eq!(kept.skips, [(4, Skip::BadEncoding)]);
        let untimed = r#"{"method":"GET","url":"http://h/z"}"#;
        let kept =
            read_all(&mut spaced.clone(), format!("{untimed}\n{untimed}\n").as_bytes()).unwrap();
        assert_eq!(
            kept.records.iter().map(|record| record.time_ns).collect::<Vec<_>>(),
            [0, 500_000_000]
        );
    }

    const RESULT: &str = r#"{"attack":"a","seq":0,"code":200,"timestamp":"2024-01-01T00:00:00.123456789+01:00","latency":1234567,"bytes_out":3,"bytes_in":14,"error":"","body":"eA==","method":"POST","url":"http://h.example/x?y","headers":{"Date":["now"]}}"#;
    const ROW: &str =
        "1704063600123456789,200,1234567,3,14,\"\",eA==,a,0,POST,http://h.example/x?y,RGF0ZTogbm93";

    #[test]
    fn both_forms_of_results_say_the_same() {
        let json = read_all(&mut Results, RESULT.as_bytes()).unwrap();
        let csv = read_all(&mut Results, ROW.as_bytes()).unwrap();
        assert_eq!((json.records.len(), json.skips.len()), (1, 0));
        assert_eq!(json.records, csv.records);
        let record = &csv.records[0];
        assert_eq!(
            (record.time_ns, record.duration_ns),
            (1_704_063_600_123_456_789, Some(1_234_567))
        );
        assert_eq!((&record.target[..], &record.host[..]), (&b"/x?y"[..], &b"h.example"[..]));
        assert_eq!(
            (record.bytes, record.body_bytes, record.status),
            (Some(14), Some(3), Some(200))
        );
        assert_eq!((&record.tag[..], record.body.as_deref()), (&b"a"[..], None));
        let gob = read_all(&mut Results, b"\x7f\xff gob").unwrap_err().to_string();
        assert!(gob.contains("vegeta encode"), "{gob}");
    }

    #[test]
    fn cut_off_results_are_counted() {
        let kept = read_all(&mut Results, format!("{ROW}\n{}", &ROW[..40]).as_bytes()).unwrap();
        assert_eq!((kept.records.len(), &kept.skips[..]), (1, &[(2, Skip::Malformed)][..]));
    }

    #[test]
    fn no_damage_panics() {
        for (mut format, input) in [
            (Box::new(TargetsHttp::rate(5.0).unwrap()) as Box<dyn Format>, TARGETS),
            (Box::new(Results), RESULT),
            (Box::new(Results), ROW),
            (Box::new(targets_json(Spacing::rate(1.0))), RESULT),
        ] {
            for input in mutated(input.as_bytes(), 2_000) {
                let _ = read_all(&mut *format, &input);
            }
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in any::<Vec<u8>>(), text in "([A-Z]{0,4}[ :@#\n/a-z]{0,6}){0,9}") {
            for input in [&bytes[..], text.as_bytes()] {
                let _ = read_all(&mut TargetsHttp::rate(5.0).unwrap(), input);
                let _ = read_all(&mut Results, input);
            }
        }
    }
}
