//! Lines inside the lines of a container's log.
//!
//! What a program in a container writes to its standard output comes to rest in another log: in
//! the JSON files of Docker, in the text files of the CRI that Kubernetes uses, or in the journal.
//! [`Peeled`] takes the line out again and gives it to the format it is in. The time of the
//! wrapper is when the line was written out: the line's own is used.
//!
//! Docker and the CRI split long lines. Their parts are joined, apart for each stream, as those
//! of standard output and standard error lie between each other; a line that is longer than the
//! longest that is read, or has no last part, is counted and passed over.

use std::io::{self, BufRead};

use super::scan::{bare, elements, members, unescape};
use super::{Format, LineFormat, Sink};
use crate::lines::{LINE_BYTES_MAX, Line, Lines};
use crate::record::Skip;

/// Who put the lines into others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrapper {
    /// Docker's `json-file`: `{"log":"…\n","stream":"stdout","time":"…"}`.
    Docker,
    /// The container runtime interface: `time stream P|F text`.
    Cri,
    /// `journalctl --output json`: the line is in `MESSAGE`.
    Journald,
}

impl Wrapper {
    /// Tells by its form who wrapped a line; `None` when nobody did.
    pub fn of(line: &[u8]) -> Option<Self> {
        if cri(line).is_some() {
            return Some(Self::Cri);
        }
        let (mut is_docker, mut is_journald) = (false, false);
        members(line, |key, value| {
            is_docker |= key == b"log" && value.first() == Some(&b'"');
            is_journald |= key == b"MESSAGE";
            Some(())
        })?;
        match (is_docker, is_journald) {
            (true, _) => Some(Self::Docker),
            (_, true) => Some(Self::Journald),
            _ => None,
        }
    }
}

/// Reads lines of another format that are wrapped.
pub struct Peeled<F: LineFormat + ?Sized> {
    wrapper: Wrapper,
    streams: Vec<Stream>,
    inner: Box<F>,
}

/// The line of one stream whose end has not been seen.
#[derive(Debug, Default)]
struct Stream {
    name: Vec<u8>,
    text: Vec<u8>,
    /// Number of the line that holds the first part; 0 when there is none.
    first: u64,
}

/// A part of a line.
struct Part {
    stream: Vec<u8>,
    is_last: bool,
}

impl<F: LineFormat + ?Sized> Peeled<F> {
    /// Reads the lines of `inner` out of those of `wrapper`.
    pub fn new(wrapper: Wrapper, inner: Box<F>) -> Self {
        Self { wrapper, streams: Vec::new(), inner }
    }

    fn take(&mut self, number: u64, line: &[u8], sink: &mut dyn Sink) -> io::Result<()> {
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        let mut text = Vec::new();
        let Some(part) = peel(self.wrapper, line, &mut text) else {
            return sink.skip(number, Skip::Malformed, line);
        };
        let known = self.streams.iter().position(|stream| stream.name == part.stream);
        let position = known.unwrap_or_else(|| {
            self.streams.push(Stream { name: part.stream, ..Stream::default() });
            self.streams.len() - 1
        });
        let stream = &mut self.streams[position];
        if stream.first == 0 {
            stream.first = number;
            stream.text.clear();
        }
        // One byte more than is allowed shows that it was too long; the rest is not kept.
        let room = (LINE_BYTES_MAX + 1).saturating_sub(stream.text.len());
        stream.text.extend_from_slice(&text[..text.len().min(room)]);
        if !part.is_last {
            return Ok(());
        }
        let first = std::mem::take(&mut stream.first);
        if stream.text.len() > LINE_BYTES_MAX {
            return sink.skip(first, Skip::TooLong, &stream.text[..80]);
        }
        let line = stream.text.strip_suffix(b"\r").unwrap_or(&stream.text);
        match self.inner.parse(line) {
            Ok(Some(record)) => sink.record(first, &record),
            Ok(None) => Ok(()),
            Err(reason) => sink.skip(first, reason, line),
        }
    }
}

impl<F: LineFormat + ?Sized> Format for Peeled<F> {
    fn read(&mut self, input: &mut dyn BufRead, sink: &mut dyn Sink) -> io::Result<()> {
        let mut lines = Lines::new(input);
        while let Some((number, line)) = lines.next_line()? {
            match line {
                Line::TooLong(start) => sink.skip(number, Skip::TooLong, start)?,
                Line::Whole(line) => self.take(number, line, sink)?,
            }
        }
        for stream in self.streams.drain(..).filter(|stream| stream.first > 0) {
            sink.skip(stream.first, Skip::Malformed, &stream.text)?;
        }
        Ok(())
    }
}

/// Takes the part of a line out of its wrapper.
fn peel(wrapper: Wrapper, line: &[u8], text: &mut Vec<u8>) -> Option<Part> {
    match wrapper {
        Wrapper::Cri => {
            let (stream, is_last, part) = cri(line)?;
            text.extend_from_slice(part);
            Some(Part { stream: stream.to_vec(), is_last })
        }
        Wrapper::Docker => {
            let (mut log, mut stream) = (None, &b""[..]);
            members(line, |key, value| {
                match key {
                    b"log" => log = Some(value).filter(|value| value.first() == Some(&b'"')),
                    b"stream" => stream = bare(value),
                    _ => {}
                }
                Some(())
            })?;
            unescape(log?, text);
            let is_last = text.last() == Some(&b'\n');
            text.truncate(text.len() - usize::from(is_last));
            // Other drivers' names and whole files of them would grow without bound.
            let stream = if matches!(stream, b"stdout" | b"stderr") { stream } else { b"" };
            Some(Part { stream: stream.to_vec(), is_last })
        }
        Wrapper::Journald => {
            let mut message = None;
            members(line, |key, value| {
                if key == b"MESSAGE" {
                    message = Some(value);
                }
                Some(())
            })?;
            let message = message?;
            match message.first()? {
                b'"' => unescape(message, text),
                // What is no UTF-8 is written as a list of bytes.
                b'[' => elements(message, |byte| {
                    text.push(std::str::from_utf8(byte).ok()?.parse().ok()?);
                    Some(())
                })?,
                _ => return None,
            }
            Some(Part { stream: Vec::new(), is_last: true })
        }
    }
}

/// Stream, whether it is the last part, and text of a line of the CRI.
fn cri(line: &[u8]) -> Option<(&[u8], bool, &[u8])> {
    let mut parts = line.splitn(4, |&byte| byte == b' ');
    let (time, stream, tags) = (parts.next()?, parts.next()?, parts.next()?);
    super::value::date_time(time)?;
    let is_known = matches!(stream, b"stdout" | b"stderr");
    let is_last = match tags.split(|&byte| byte == b':').next()? {
        b"F" => true,
        b"P" => false,
        _ => return None,
    };
    is_known.then(|| (stream, is_last, parts.next().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::json::{FieldMap, JsonLines};
    use crate::format::testing::{Kept, mutated, read_all};

    const ENVOY: &str = r#"{"start_time":"2024-02-01T10:00:00.250Z","method":"GET","path":"/a\"b","response_code":200}"#;

    fn read(wrapper: Wrapper, input: &[u8]) -> Kept {
        read_all(&mut Peeled::new(wrapper, Box::new(JsonLines::new(FieldMap::envoy()))), input)
            .unwrap()
    }

    fn docker(text: &str, stream: &str) -> String {
        let log = serde_json::Value::from(text);
        format!("{{\"log\":{log},\"stream\":\"{stream}\",\"time\":\"2024-02-01T10:00:01Z\"}}\n")
    }

    #[test]
    fn the_wrapper_is_told_by_its_form() {
        assert_eq!(Wrapper::of(docker("x\n", "stdout").as_bytes()), Some(Wrapper::Docker));
        assert_eq!(Wrapper::of(b"2016-10-06T00:17:09.669794202Z stdout F x"), Some(Wrapper::Cri));
        assert_eq!(Wrapper::of(br#"{"PRIORITY":"6","MESSAGE":"x"}"#), Some(Wrapper::Journald));
        assert_eq!(Wrapper::of(ENVOY.as_bytes()), None);
        assert_eq!(Wrapper::of(b"10.0.0.1 - - [x]"), None);
    }

    #[test]
    fn parts_of_split_lines_are_joined_for_each_stream() {
        let (head, tail) = ENVOY.split_at(40);
        let cri = format!(
            "2024-02-01T10:00:01Z stdout P {head}\n2024-02-01T10:00:01Z stderr P {head}\n\
             2024-02-01T10:00:01Z stdout F {tail}\n2024-02-01T10:00:01Z stderr F:x {tail}\n"
        );
        let kept = read(Wrapper::Cri, cri.as_bytes());
        assert_eq!(kept.records.iter().map(|record| record.place).collect::<Vec<_>>(), [1, 2]);
        assert!(kept.records.iter().all(|record| record.target == b"/a\"b"));
        let split = docker(head, "stdout")
            + &docker("note\n", "stderr")
            + &docker(&format!("{tail}\n"), "stdout");
        let kept = read(Wrapper::Docker, split.as_bytes());
        assert_eq!((kept.records[0].place, &kept.records[0].target[..]), (1, &b"/a\"b"[..]));
        assert_eq!(kept.skips, [(2, Skip::Malformed)]);
    }

    #[test]
    fn a_line_without_its_last_part_is_counted() {
        let kept = read(Wrapper::Cri, b"2024-02-01T10:00:01Z stdout P half\nother text\n");
        assert_eq!(kept.skips, [(2, Skip::Malformed), (1, Skip::Malformed)]);
    }

    #[test]
    fn parts_without_end_are_passed_over() {
        let part = format!("2024-02-01T10:00:01Z stdout P {}\n", "x".repeat(500_000));
        let input = part.repeat(3) + "2024-02-01T10:00:01Z stdout F end\n";
        assert_eq!(read(Wrapper::Cri, input.as_bytes()).skips, [(1, Skip::TooLong)]);
    }

    #[test]
    fn the_journal_gives_text_or_bytes() {
        let bytes = ENVOY.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(",");
        let text = serde_json::Value::from(ENVOY);
        let input = format!(
            "{{\"MESSAGE\":[{bytes}]}}\n{{\"MESSAGE\":{text}}}\n{{\"MESSAGE\":null}}\n{{\"MESSAGE\":[256]}}\n"
        );
        let kept = read(Wrapper::Journald, input.as_bytes());
        assert_eq!(kept.records.len(), 2);
        assert!(kept.records.iter().all(|record| record.target == b"/a\"b"));
        assert_eq!(kept.skips, [(3, Skip::Malformed), (4, Skip::Malformed)]);
    }

    #[test]
    fn any_line_format_fits_in() {
        let inner: Box<dyn LineFormat> = Box::new(JsonLines::new(FieldMap::envoy()));
        let line = docker(&format!("{ENVOY}\r\n"), "stdout");
        assert_eq!(
            read_all(&mut Peeled::new(Wrapper::Docker, inner), line.as_bytes())
                .unwrap()
                .records
                .len(),
            1
        );
    }

    #[test]
    fn no_damage_panics() {
        for (wrapper, input) in [
            (Wrapper::Docker, docker(ENVOY, "stdout") + &docker("\n", "stdout")),
            (
                Wrapper::Cri,
                format!("2024-02-01T10:00:01Z stdout P a\n2024-02-01T10:00:01Z stdout F {ENVOY}"),
            ),
            (Wrapper::Journald, "{\"MESSAGE\":[1,2,3]}".to_owned()),
        ] {
            for input in mutated(input.as_bytes(), 2_000) {
                read(wrapper, &input);
            }
        }
    }
}
