//! The first look at each record: what it adds to the report, and its row.

use std::collections::HashMap;
use std::io;
use std::sync::mpsc::SyncSender;

use crate::event::TimeKind;
use crate::format::Sink;
use crate::import::ImportOptions;
use crate::record::{Record, SECOND_NS, Skip};
use crate::report::{BAD_LINES_SHOWN, BadLine, StartCounts};
use crate::rows::{BATCH_BYTES, Bin, Key, Pool, ROW_BYTES_MAX, Row, Rows, payload_bytes};
use crate::scrub::{Scrubber, hash};
use crate::settle::SHAPED_FROM_NS;
use crate::spread::{Steps, Within};
use crate::start::{duration_ns, is_possible, kind_of, start_ns};

/// Jump backwards from which on a clock is said to have been set.
const CLOCK_STEP_NS: i64 = 5 * SECOND_NS;

/// Most requests that a single count stands for.
const COUNT_MAX: u64 = 1_000_000_000;

/// Most bins of a minute or more whose neighbours are looked at: 7 years of minutes.
const TOTALS_MAX: usize = 4 << 20;

/// Characters of a bad line that are shown.
const SHOWN_CHARS: usize = 80;

/// Bad lines after which a source of which more than half is bad is not read on.
const HOPELESS_LINES: u64 = 10_000;

/// What one source showed.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub lines: u64,
    pub kept: u64,
    /// By position in [`Skip::ALL`].
    pub skipped: [u64; Skip::ALL.len()],
    pub first_bad: Vec<BadLine>,
    pub reordered: u64,
    pub clock_steps_back: u64,
    pub events: u64,
    pub starts: StartCounts,
    pub steps: Steps,
    /// Finest step of any record, ns; 0 when there was none.
    pub resolution_stated_ns: i64,
    pub is_counted: bool,
    /// Rows with an end and a duration that are sorted by the end, and by the start.
    pub by_end: u64,
    pub by_start: u64,
    pub duration_max_ns: u64,
    pub totals: HashMap<i64, u64>,
    /// First and last start; the order is wrong when there was none.
    pub first_ns: i64,
    pub last_ns: i64,
    last_stamp_ns: Option<i64>,
}

impl Findings {
    pub fn bad(&self) -> u64 {
        let counts = Skip::ALL.iter().zip(self.skipped);
        counts.filter(|(reason, _)| reason.is_bad()).map(|(_, count)| count).sum()
    }

    pub fn total(&self) -> u64 {
        self.kept + self.skipped.iter().sum::<u64>()
    }
}

/// Takes the records of one source and makes rows of them.
pub(crate) struct Intake<'a> {
    pub source: u32,
    pub name: &'a str,
    pub options: &'a ImportOptions,
    pub offset_ns: i64,
    pub scrubber: Scrubber,
    pub findings: Findings,
    pub batch: Rows,
    pub sender: SyncSender<Rows>,
    pub pool: &'a Pool,
    /// Whether the source was given up because too much of it is bad.
    pub is_hopeless: bool,
}

impl Intake<'_> {
    /// Hands on what is left.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let full = std::mem::replace(&mut self.batch, self.pool.take());
        self.sender.send(full).map_err(|_| io::Error::other("the import has ended"))
    }

    fn take(&mut self, place: u64, record: &Record<'_>) -> Result<(), Skip> {
        let stamp_ns = record.time_ns.checked_add(self.offset_ns).ok_or(Skip::BadTime)?;
        let duration_ns = duration_ns(record);
        let kind = kind_of(record);
        let start_ns = start_ns(stamp_ns, kind, duration_ns);
        if ![record.time_ns, stamp_ns, start_ns].into_iter().all(is_possible) {
            return Err(Skip::BadTime);
        }
        let resolution_ns = record.resolution_ns.max(1);
        if record.count > COUNT_MAX || !is_possible(resolution_ns) {
            return Err(Skip::BadNumber);
        }
        let session = match record.session {
            b"" => 0,
            session => hash(self.options.seed, session),
        };
        let scrubbed = self.scrubber.scrub(record)?;
        let is_bin = record.count != 1 || resolution_ns >= SHAPED_FROM_NS;
        let width_ns = resolution_ns.unsigned_abs();
        let row = Row {
            kind,
            recorded_ns: record.time_ns,
            bin: is_bin.then_some(Bin { count: record.count, width_ns }),
            session,
            status: record.status,
            bytes: record.bytes,
            duration_ns,
            body_bytes: record.body_bytes,
            tokens: record.tokens,
            method: scrubbed.method,
            target: scrubbed.target,
            host: scrubbed.host,
            headers: scrubbed.headers,
            tag: scrubbed.tag,
            body: scrubbed.body,
        };
        if payload_bytes(&row) > ROW_BYTES_MAX {
            return Err(Skip::TooLong);
        }
        let findings = &mut self.findings;
        let is_by_end = kind == TimeKind::EndMinusDuration
            && self.options.within != Within::Start
            && resolution_ns >= self.options.coarse_from_ns;
        if record.count > 0 {
            let time_ns = if is_by_end { stamp_ns } else { start_ns };
            self.batch.push(Key::new(time_ns, self.source, place), &row);
            findings.first_ns =
                if findings.events == 0 { start_ns } else { findings.first_ns.min(start_ns) };
        }
        findings.kept += 1;
        findings.events += record.count;
        findings.is_counted |= record.count != 1;
        if resolution_ns >= SHAPED_FROM_NS && findings.totals.len() < TOTALS_MAX {
            *findings.totals.entry(record.time_ns).or_default() += record.count;
        }
        if record.count == 1 {
            findings.steps.add(record.time_ns);
        }
        let stated_ns = &mut findings.resolution_stated_ns;
        *stated_ns = if *stated_ns == 0 { resolution_ns } else { resolution_ns.min(*stated_ns) };
        if kind == TimeKind::EndMinusDuration {
            findings.by_end += u64::from(is_by_end);
            findings.by_start += u64::from(!is_by_end);
            findings.duration_max_ns = findings.duration_max_ns.max(duration_ns.unwrap_or(0));
        }
        let of_kind = match kind {
            _ if record.count != 1 => &mut findings.starts.count,
            TimeKind::EndMinusDuration => &mut findings.starts.end_minus_duration,
            TimeKind::End => &mut findings.starts.end,
            TimeKind::Start | TimeKind::Synthetic => &mut findings.starts.start,
        };
        *of_kind += record.count;
        if let Some(last_stamp_ns) = findings.last_stamp_ns.replace(stamp_ns) {
            findings.reordered += u64::from(start_ns < findings.last_ns);
            findings.clock_steps_back += u64::from(last_stamp_ns - stamp_ns > CLOCK_STEP_NS);
            findings.last_ns = findings.last_ns.max(start_ns);
        } else {
            findings.last_ns = start_ns;
        }
        Ok(())
    }

    fn count_skip(&mut self, place: u64, reason: Skip, text: &[u8]) {
        let findings = &mut self.findings;
        if let Some(index) = Skip::ALL.iter().position(|&known| known == reason) {
            findings.skipped[index] += 1;
        }
        if reason.is_bad() && findings.first_bad.len() < BAD_LINES_SHOWN {
            // Escaped, a line may be shown anywhere.
            let shown = text.escape_ascii().take(SHOWN_CHARS).map(char::from).collect();
            findings.first_bad.push(BadLine {
                input: self.name.to_owned(),
                line: place,
                reason: reason.name().to_owned(),
                text: shown,
            });
        }
    }

    fn give_up_if_hopeless(&mut self) -> io::Result<()> {
        let (bad, lines) = (self.findings.bad(), self.findings.total());
        let is_asked = self.options.max_bad_fraction < 0.5;
        self.is_hopeless = is_asked && bad >= HOPELESS_LINES && 2 * bad > lines;
        if self.is_hopeless { Err(io::Error::other("more than half is bad")) } else { Ok(()) }
    }
}

impl Sink for Intake<'_> {
    fn record(&mut self, place: u64, record: &Record<'_>) -> io::Result<()> {
        self.findings.lines = self.findings.lines.max(place);
        if let Err(reason) = self.take(place, record) {
            return self.skip(place, reason, record.target);
        }
        if self.batch.size_bytes() >= BATCH_BYTES { self.flush() } else { Ok(()) }
    }

    fn skip(&mut self, place: u64, reason: Skip, text: &[u8]) -> io::Result<()> {
        self.findings.lines = self.findings.lines.max(place);
        self.count_skip(place, reason, text);
        if reason.is_bad() { self.give_up_if_hopeless() } else { Ok(()) }
    }
}
