//! From inputs in some format to one canonical timeline.
//!
//! ```text
//! each source:  input → format → scrub, start → batches ─┐ bounded channel
//!                                                        ├→ sorter, runs in a temporary file
//! all sources:  merge → spread → window → batches ─┐ bounded channel
//!                                                  └→ timeline file, under a partial name
//! ```
//!
//! The first half has a thread for the sorter and one for each of a few sources, the second one
//! for the order and one for the file. Which thread does what, and in what batches, changes
//! nothing in the file: rows have an order of their own, draws are numbered, and pages are cut by
//! rows.
//!
//! Memory is bounded whatever the inputs: the sorter's budget, the window's, the channels and one
//! row group of the file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use serde::{Deserialize, Serialize};

use crate::canonical::{Cells, Metadata, TRACE_VERSION, TraceWriter, importer};
use crate::error::TraceError;
use crate::event::TimeKind;
use crate::format::Format;
use crate::input::{Input, InputInfo, Opened, Tally, open};
use crate::intake::{Findings, Intake};
use crate::record::{SECOND_NS, Skip};
use crate::report::{BAD_LINES_SHOWN, BadLine, HOLES_SHOWN, Hole, ImportReport, InputReport};
use crate::rows::{BATCH_BYTES, Pool, Rows};
use crate::scrub::{ScrubOptions, Scrubber};
use crate::settle::{Settler, SourceFacts};
use crate::sort::{Sorted, Sorter};
use crate::spread::Within;
use crate::start::{is_possible, start_ns};

/// Batches that wait in a channel; a full one stops the sender.
const CHANNEL_BATCHES: usize = 4;

/// Sources that are read at the same time unless the options say otherwise: one keeps the sorter
/// busy enough.
const SOURCES_AT_ONCE: usize = 2;

/// What a hole is longer than: this, and this many mean gaps.
const HOLE_NS: i64 = 60 * SECOND_NS;
const HOLE_MEAN_GAPS: f64 = 50.0;

/// How an import is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImportOptions {
    /// Name of the format, for the file's metadata.
    pub format: String,
    /// Seed of everything that is drawn.
    pub seed: u64,
    /// How events are put inside a step of a coarse clock.
    pub within: Within,
    /// Steps of a clock from which on events are spread, ns.
    pub coarse_from_ns: i64,
    /// Share of bad lines up to which an import succeeds.
    pub max_bad_fraction: f64,
    /// What to keep and what else to hide.
    pub scrub: ScrubOptions,
    /// What is added to every time of a source, ns, by position among the inputs; 0 for those
    /// not listed. For machines whose clocks disagree.
    pub source_offsets_ns: Vec<i64>,
    /// Bytes of rows that are kept in memory at a time. Changes nothing in the file.
    #[serde(skip)]
    pub memory_bytes: usize,
    /// Sources that are read at the same time. Changes nothing in the file.
    #[serde(skip)]
    pub sources_at_once: usize,
}

impl Default for ImportOptions {
    fn default() -> Self {
        Self {
            format: String::new(),
            seed: 0,
            within: Within::Poisson,
            coarse_from_ns: SECOND_NS,
            max_bad_fraction: 0.01,
            scrub: ScrubOptions::default(),
            source_offsets_ns: Vec::new(),
            memory_bytes: 48 << 20,
            sources_at_once: SOURCES_AT_ONCE,
        }
    }
}

/// Imports inputs into a timeline file at `out`. `format` makes a parser for each of them.
///
/// # Errors
/// When an input cannot be read or the file not be written, when too much of the inputs is bad,
/// or when there is no event in them. There is no file at `out` then, or the one that was there.
pub fn import(
    format: impl FnMut(&InputInfo) -> Box<dyn Format> + Send,
    inputs: &[Input],
    options: &ImportOptions,
    out: &Path,
) -> Result<ImportReport, TraceError> {
    check(options)?;
    if inputs.is_empty() {
        return Err(TraceError::NoInput("name a file, or - for standard input".to_owned()));
    }
    let directory = directory_of(out);
    let (read, sorted) = take_in(format, inputs, options, &directory)?;
    let mut report = report(&read, options)?;
    if report.events == 0 {
        return Err(TraceError::NoInput(format!(
            "there is no request in {}",
            inputs.iter().map(Input::name).collect::<Vec<_>>().join(", ")
        )));
    }
    let sources: Vec<SourceFacts> = read.iter().map(|read| facts(read, options)).collect();
    let sorted = resort(sorted, &read, &sources, options, &directory)?;
    let settler = Settler {
        sources: &sources,
        seed: options.seed,
        within: options.within,
        coarse_from_ns: options.coarse_from_ns,
        directory,
        budget_bytes: options.memory_bytes,
        pool: Pool::default(),
    };
    write(&settler, sorted, options, &mut report, out)?;
    Ok(report)
}

fn check(options: &ImportOptions) -> Result<(), TraceError> {
    if !(0.0..=1.0).contains(&options.max_bad_fraction) {
        let found = options.max_bad_fraction;
        let message = format!("the share of bad lines is from 0 to 1, not {found}");
        return Err(TraceError::Option(message));
    }
    if let Some(offset_ns) = options.source_offsets_ns.iter().find(|&&ns| !is_possible(ns)) {
        return Err(TraceError::Option(format!("no clock is wrong by {offset_ns} ns")));
    }
    if options.coarse_from_ns < 2 {
        let message = "steps of 1 ns have no inside to spread events in".to_owned();
        return Err(TraceError::Option(message));
    }
    Ok(())
}

fn directory_of(out: &Path) -> PathBuf {
    match out.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// What one input gave.
struct Read {
    info: InputInfo,
    tally: Tally,
    findings: Findings,
    dropped: BTreeMap<String, u64>,
    offset_ns: i64,
}

/// Reads all inputs and sorts their rows.
fn take_in(
    format: impl FnMut(&InputInfo) -> Box<dyn Format> + Send,
    inputs: &[Input],
    options: &ImportOptions,
    directory: &Path,
) -> Result<(Vec<Read>, Sorted), TraceError> {
    let next = AtomicUsize::new(0);
    let pool = Pool::default();
    let format = Mutex::new(format);
    thread::scope(|scope| {
        let (sender, batches) = sync_channel(CHANNEL_BATCHES);
        let readers = options.sources_at_once.clamp(1, inputs.len());
        let readers: Vec<_> = (0..readers)
            .map(|_| {
                let (sender, next, pool, format) = (sender.clone(), &next, &pool, &format);
                let source = move || {
                    let mut read = Vec::new();
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(input) = inputs.get(index) else { return read };
                        let make = |info: &InputInfo| {
                            let mut format = format.lock().unwrap_or_else(PoisonError::into_inner);
                            format(info)
                        };
                        let found = open(input, index)
                            .and_then(|opened| read_input(make, opened, options, &sender, pool));
                        let has_failed = found.is_err();
                        read.push((index, found));
                        if has_failed {
                            // The others need not begin what will not be used.
                            next.store(inputs.len(), Ordering::Relaxed);
                            return read;
                        }
                    }
                };
                scope.spawn(source)
            })
            .collect();
        drop(sender);
        // With the channel's end the readers end too, so the first error of all is kept.
        let sorted = gather(batches, options, directory, &pool);
        let mut read = Vec::new();
        for reader in readers {
            match reader.join() {
                Ok(found) => read.extend(found),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        let sorted = sorted?;
        read.sort_by_key(|(index, _)| *index);
        let read = read.into_iter().map(|(_, found)| found).collect::<Result<Vec<_>, _>>()?;
        Ok((read, sorted))
    })
}

fn gather(
    batches: Receiver<Rows>,
    options: &ImportOptions,
    directory: &Path,
    pool: &Pool,
) -> Result<Sorted, TraceError> {
    let mut sorter = Sorter::new(directory, options.memory_bytes);
    for rows in batches {
        sorter.append(&rows)?;
        pool.put(rows);
    }
    sorter.finish()
}

fn read_input(
    format: impl FnOnce(&InputInfo) -> Box<dyn Format>,
    mut opened: Opened,
    options: &ImportOptions,
    sender: &SyncSender<Rows>,
    pool: &Pool,
) -> Result<Read, TraceError> {
    let info = opened.info.clone();
    let offset_ns = options.source_offsets_ns.get(info.index).copied().unwrap_or(0);
    let mut intake = Intake {
        source: info.index as u32,
        name: &info.name,
        options,
        offset_ns,
        scrubber: Scrubber::new(&options.scrub, options.seed)?,
        findings: Findings::default(),
        batch: pool.take(),
        sender: sender.clone(),
        pool,
        is_hopeless: false,
    };
    let read = format(&info).read(&mut *opened.content, &mut intake).and_then(|()| intake.flush());
    let Intake { findings, scrubber, is_hopeless, .. } = intake;
    if is_hopeless {
        return Err(TraceError::TooManyBad {
            bad: findings.bad(),
            lines: findings.total(),
            fraction_max: options.max_bad_fraction,
            first: findings.first_bad,
        });
    }
    let tally = read
        .and_then(|()| opened.finish())
        .map_err(|source| TraceError::Input { input: info.name.clone(), source })?;
    let lost_bytes = if tally.damage.is_some() { tally.bytes - tally.damaged_at } else { 0 };
    if let Some(message) = &tally.damage
        && lost_bytes as f64 > options.max_bad_fraction * tally.bytes as f64
    {
        return Err(TraceError::Damaged {
            input: info.name,
            message: message.clone(),
            read_bytes: tally.damaged_at,
            size_bytes: tally.bytes,
            fraction_max: options.max_bad_fraction,
        });
    }
    Ok(Read { info, tally, findings, dropped: scrubber.dropped(), offset_ns })
}

/// The step of a source's clock.
fn resolution_ns(findings: &Findings) -> i64 {
    let stated_ns = findings.resolution_stated_ns.max(1);
    if findings.is_counted { stated_ns } else { findings.steps.resolution_ns(stated_ns) }
}

fn facts(read: &Read, options: &ImportOptions) -> SourceFacts {
    let findings = &read.findings;
    let resolution_ns = resolution_ns(findings);
    let mut totals: Vec<(i64, u64)> =
        findings.totals.iter().map(|(&bin_ns, &count)| (bin_ns, count)).collect();
    totals.sort_unstable();
    let is_coarse = resolution_ns >= options.coarse_from_ns && options.within != Within::Start;
    SourceFacts {
        resolution_ns,
        offset_ns: read.offset_ns,
        is_counted: findings.is_counted,
        is_by_end: is_coarse && findings.by_end + findings.by_start > 0,
        duration_max_ns: findings.duration_max_ns,
        totals: if findings.is_counted { totals } else { Vec::new() },
    }
}

/// Sorts again if a source was sorted by the end or the start and its clock asks for the other,
/// which only its last stamp could tell.
fn resort(
    mut sorted: Sorted,
    read: &[Read],
    sources: &[SourceFacts],
    options: &ImportOptions,
    directory: &Path,
) -> Result<Sorted, TraceError> {
    let is_wrong = |(read, facts): (&Read, &SourceFacts)| {
        let Findings { by_end, by_start, .. } = read.findings;
        if facts.is_by_end { by_start > 0 } else { by_end > 0 }
    };
    if !read.iter().zip(sources).any(is_wrong) {
        return Ok(sorted);
    }
    let mut sorter = Sorter::new(directory, options.memory_bytes);
    let (mut taken, mut moved) = (Rows::default(), Rows::default());
    loop {
        taken.clear();
        let has_row = sorted.next_into(&mut taken)?;
        if let (Some(&key), Some(row)) = (taken.keys().first(), taken.get(0)) {
            let facts = sources.get(key.source as usize);
            let is_by_end = facts.is_some_and(|facts| facts.is_by_end);
            let offset_ns = facts.map_or(0, |facts| facts.offset_ns);
            let stamp_ns = row.recorded_ns.saturating_add(offset_ns);
            let time_ns =
                if is_by_end { stamp_ns } else { start_ns(stamp_ns, row.kind, row.duration_ns) };
            moved.push_encoded(key.at_time(time_ns), taken.encoded(0));
        }
        if !has_row || moved.size_bytes() >= BATCH_BYTES {
            sorter.append(&moved)?;
            moved.clear();
        }
        if !has_row {
            return sorter.finish();
        }
    }
}

/// What is known before the rows are settled.
fn report(read: &[Read], options: &ImportOptions) -> Result<ImportReport, TraceError> {
    let mut report = ImportReport::default();
    for read in read {
        let findings = &read.findings;
        report.inputs.push(InputReport {
            name: read.info.name.clone(),
            compression: read.info.compression.name().to_owned(),
            bytes: read.tally.bytes,
            sha256: read.tally.sha256(),
            damage: read.tally.damage.clone(),
            offset_ns: read.offset_ns,
            resolution_stated_ns: findings.resolution_stated_ns,
            resolution_found_ns: if findings.kept == 0 { 0 } else { resolution_ns(findings) },
            lines: findings.lines,
            kept: findings.kept,
            reordered: findings.reordered,
            clock_steps_back: findings.clock_steps_back,
        });
        report.lines += findings.total();
        report.kept += findings.kept;
        report.bad += findings.bad();
        for (reason, &count) in Skip::ALL.iter().zip(&findings.skipped) {
            if count > 0 {
                *report.skipped.entry(reason.name().to_owned()).or_default() += count;
            }
        }
        report.first_bad.extend(findings.first_bad.iter().cloned());
        if let Some(message) = &read.tally.damage {
            // What is lost cannot be counted; the line it broke off in can.
            report.bad += 1;
            report.first_bad.push(BadLine {
                input: read.info.name.clone(),
                line: findings.lines,
                reason: "damaged".to_owned(),
                text: message.clone(),
            });
        }
        report.reordered += findings.reordered;
        report.clock_steps_back += findings.clock_steps_back;
        report.events += findings.events;
        report.starts.start += findings.starts.start;
        report.starts.end_minus_duration += findings.starts.end_minus_duration;
        report.starts.end += findings.starts.end;
        report.starts.count += findings.starts.count;
        let found_ns = report.inputs.last().map_or(0, |input| input.resolution_found_ns);
        report.resolution_ns = report.resolution_ns.max(found_ns);
        for (name, count) in &read.dropped {
            *report.dropped.entry(name.clone()).or_default() += count;
        }
    }
    let spans = read.iter().filter(|read| read.findings.events > 0);
    let first_ns = spans.clone().map(|read| read.findings.first_ns).min().unwrap_or(0);
    let last_ns = spans.map(|read| read.findings.last_ns).max().unwrap_or(0);
    // Until the file is written, roughly: the measure of holes.
    (report.start_unix_ns, report.span_ns) = (first_ns, last_ns - first_ns);
    report.first_bad.truncate(BAD_LINES_SHOWN.max(read.len()));
    if report.bad as f64 > options.max_bad_fraction * report.lines as f64 {
        return Err(TraceError::TooManyBad {
            bad: report.bad,
            lines: report.lines,
            fraction_max: options.max_bad_fraction,
            first: report.first_bad,
        });
    }
    Ok(report)
}

/// Settles the rows and writes them, each in its own thread, and completes the report.
fn write(
    settler: &Settler<'_>,
    sorted: Sorted,
    options: &ImportOptions,
    report: &mut ImportReport,
    out: &Path,
) -> Result<(), TraceError> {
    let writer = TraceWriter::create(out)?;
    let resolutions: Vec<i64> = settler.sources.iter().map(|source| source.resolution_ns).collect();
    let mean_gap_ns = report.span_ns as f64 / report.events as f64;
    let watch = Watch::new(HOLE_NS.max((HOLE_MEAN_GAPS * mean_gap_ns) as i64));
    let mut file = File { writer, resolutions, watch, spilled: settler.directory.clone() };
    let pool = &settler.pool;
    let file = thread::scope(|scope| {
        let (sender, batches) = sync_channel::<Rows>(CHANNEL_BATCHES);
        let writing = scope.spawn(move || -> Result<File, TraceError> {
            for rows in batches {
                file.write(&rows)?;
                pool.put(rows);
            }
            Ok(file)
        });
        let settled = settler.run(sorted, &mut |rows| {
            // The writer ends early only with an error, which is returned below.
            sender.send(rows).map_err(|_| TraceError::Option("the file has ended".to_owned()))
        });
        drop(sender);
        let file = writing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        settled.map(|()| file)
    })?;
    file.watch.complete(report);
    let metadata = Metadata {
        version: TRACE_VERSION.to_owned(),
        importer: importer(),
        format: options.format.clone(),
        seed: options.seed,
        options: serde_json::to_value(options).map_err(|error| {
            TraceError::Option(format!("the options cannot be written: {error}"))
        })?,
        report: report.clone(),
    };
    file.writer.finish(&metadata)?;
    Ok(())
}

/// The file and what is looked at on the way into it.
struct File {
    writer: TraceWriter,
    resolutions: Vec<i64>,
    watch: Watch,
    spilled: PathBuf,
}

impl File {
    fn write(&mut self, rows: &Rows) -> Result<(), TraceError> {
        for (index, key) in rows.keys().iter().enumerate() {
            let Some(row) = rows.get(index) else {
                return Err(TraceError::Spilled { path: self.spilled.clone() });
            };
            let t_ns = self.watch.see(key.time_ns, row.kind);
            let resolution_ns = match row.bin {
                Some(bin) => i64::try_from(bin.width_ns).unwrap_or(i64::MAX),
                None => self.resolutions.get(key.source as usize).copied().unwrap_or(1),
            };
            self.writer.push_cells(&Cells {
                t_ns,
                recorded_ns: row.recorded_ns,
                kind: row.kind,
                resolution_ns,
                seq: key.seq,
                source: key.source,
                session: row.session,
                method: row.method,
                target: row.target,
                host: row.host,
                headers: row.headers,
                body: row.body,
                body_bytes: row.body_bytes,
                status: row.status,
                bytes: row.bytes,
                duration_ns: row.duration_ns.and_then(|ns| i64::try_from(ns).ok()),
                tag: row.tag,
                tokens: row.tokens,
            })?;
        }
        Ok(())
    }
}

/// Sees every event once, in order.
struct Watch {
    zero_ns: Option<i64>,
    last_ns: i64,
    events: u64,
    synthesised: u64,
    hole_ns: i64,
    holes: u64,
    longest: Vec<Hole>,
}

impl Watch {
    fn new(hole_ns: i64) -> Self {
        Self {
            zero_ns: None,
            last_ns: 0,
            events: 0,
            synthesised: 0,
            hole_ns,
            holes: 0,
            longest: Vec::new(),
        }
    }

    /// Returns the time since the first event.
    fn see(&mut self, time_ns: i64, kind: TimeKind) -> i64 {
        let zero_ns = *self.zero_ns.get_or_insert(time_ns);
        let t_ns = time_ns.saturating_sub(zero_ns);
        self.events += 1;
        self.synthesised += u64::from(kind == TimeKind::Synthetic);
        let gap_ns = t_ns - self.last_ns;
        if gap_ns > self.hole_ns {
            self.holes += 1;
            self.longest.push(Hole { start_ns: self.last_ns, length_ns: gap_ns });
            self.longest.sort_by_key(|hole| std::cmp::Reverse(hole.length_ns));
            self.longest.truncate(HOLES_SHOWN);
        }
        self.last_ns = t_ns;
        t_ns
    }

    fn complete(self, report: &mut ImportReport) {
        report.events = self.events;
        report.synthesised = self.synthesised;
        report.start_unix_ns = self.zero_ns.unwrap_or(0);
        report.span_ns = self.last_ns;
        report.holes = self.holes;
        report.longest_holes = self.longest;
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use flate2::write::GzEncoder;
    use openload_contract::digest::mix;

    use super::*;
    use crate::canonical::TraceFile;
    use crate::event::Event;
    use crate::format::LineFormat;
    use crate::record::{Moment, Record};
    use crate::report::StartCounts;
    use crate::spread::{Counts, Shape};
    use crate::time::integer;

    /// Lines of `time resolution end? duration count target`, times in ms and blanks for what is
    /// not there: just enough to ask for anything.
    #[derive(Clone, Copy)]
    struct Plain;

    impl LineFormat for Plain {
        fn parse<'a>(&'a mut self, line: &'a [u8]) -> Result<Option<Record<'a>>, Skip> {
            if line.starts_with(b"#") {
                return Ok(None);
            }
            let mut fields = line.split(|&byte| byte == b' ');
            let mut field = || fields.next().ok_or(Skip::Malformed);
            let ms = |text: &[u8]| {
                integer(text).ok_or(Skip::BadNumber)?.checked_mul(1_000_000).ok_or(Skip::BadNumber)
            };
            let time_ns = ms(field()?)?;
            let resolution_ns = ms(field()?)?;
            let moment = if field()? == b"end" { Moment::End } else { Moment::Start };
            let duration = field()?;
            let duration_ns = if duration.is_empty() { None } else { Some(ms(duration)?) };
            let count = integer(field()?).ok_or(Skip::BadNumber)? as u64;
            let target = field()?;
            Ok(Some(Record {
                time_ns,
                resolution_ns,
                moment,
                duration_ns,
                count,
                target,
                method: if target.is_empty() { b"" } else { b"GET" },
                ..Record::default()
            }))
        }
    }

    struct Imported {
        report: ImportReport,
        events: Vec<Event>,
        bytes: Vec<u8>,
    }

    /// Imports files with these contents; compressed ones are given as they are.
    fn imported(contents: &[Vec<u8>], options: &ImportOptions) -> Result<Imported, TraceError> {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("out.parquet");
        let inputs: Vec<Input> = contents
            .iter()
            .enumerate()
            .map(|(index, content)| {
                let path = directory.path().join(format!("in{index}"));
                fs::write(&path, content).unwrap();
                Input::Path(path)
            })
            .collect();
        let report = import(|_| Box::new(Plain), &inputs, options, &out);
        let left = fs::read_dir(directory.path()).unwrap().count() - inputs.len();
        assert_eq!(left, usize::from(report.is_ok()), "only a complete file is left behind");
        let report = report?;
        let file = TraceFile::open(&out).unwrap();
        assert_eq!(file.metadata().report, report);
        assert_eq!(file.rows(), report.events);
        let events = file.events().map(Result::unwrap).collect();
        Ok(Imported { report, events, bytes: fs::read(&out).unwrap() })
    }

    fn lines(lines: impl IntoIterator<Item = String>) -> Vec<u8> {
        lines.into_iter().flat_map(|line| (line + "\n").into_bytes()).collect()
    }

    /// A start of a second clock, events by second.
    fn second_log(counts: &[u64]) -> Vec<u8> {
        let stamps = counts.iter().enumerate();
        let stamps = stamps.flat_map(|(second, &count)| (0..count).map(move |_| second));
        lines(stamps.enumerate().map(|(line, second)| format!("{second}000 1000   1 /{line}")))
    }

    fn absolute_ns(imported: &Imported) -> Vec<i64> {
        let zero_ns = imported.report.start_unix_ns;
        imported.events.iter().map(|event| event.t_ns + zero_ns).collect()
    }

    /// Kolmogorov's distance of sorted values in [0, 1) from uniform ones, times √n.
    fn uniformity(mut phases: Vec<f64>) -> f64 {
        phases.sort_unstable_by(f64::total_cmp);
        let count = phases.len() as f64;
        let distance = phases.iter().zip(0..).fold(0.0_f64, |distance, (&phase, index)| {
            let (low, high) = (f64::from(index) / count, f64::from(index + 1) / count);
            distance.max(phase - low).max(high - phase)
        });
        distance * count.sqrt()
    }

    #[test]
    fn starts_of_whole_seconds_stay_in_their_second_in_file_order_at_uniform_phases() {
        let counts: Vec<u64> = (0..2_000).map(|second| mix(second) % 12).collect();
        let imported = imported(&[second_log(&counts)], &ImportOptions::default()).unwrap();
        let total: u64 = counts.iter().sum();
        assert_eq!((imported.report.events, imported.report.synthesised), (total, total));
        let mut found = vec![0_u64; counts.len()];
        let mut phases = Vec::new();
        for (event, time_ns) in imported.events.iter().zip(absolute_ns(&imported)) {
            assert_eq!(time_ns.div_euclid(SECOND_NS) * SECOND_NS, event.t_src_ns);
            assert_eq!((event.kind, event.resolution_ns), (TimeKind::Synthetic, SECOND_NS));
            found[(event.t_src_ns / SECOND_NS) as usize] += 1;
            phases.push(time_ns.rem_euclid(SECOND_NS) as f64 / SECOND_NS as f64);
        }
        assert_eq!(found, counts);
        assert!(imported.events.iter().map(|event| event.seq).eq(1..=total));
        assert_eq!(imported.events[0].t_ns, 0);
        // p = 0.001; the seed is fixed.
        assert!(uniformity(phases) < 1.95);
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_whatever_the_threads_and_the_memory() {
        let logs: Vec<Vec<u8>> = (0..5)
            .map(|log| {
                lines((0..20_000_u64).map(|line| {
                    let ms = line / 20 * 1000;
                    let jitter = mix(line + log) % 3 * 1000;
                    let count = 1 + u64::from(log == 4) * (mix(line) % 3);
                    let resolution = [1000, 1, 1000, 1000, 1000][log as usize];
                    let moment = if (2..4).contains(&log) { "end" } else { "" };
                    let duration = mix(line) % 90_000;
                    format!(
                        "{} {resolution} {moment} {duration} {count} /{line}",
                        100_000 + ms + jitter
                    )
                }))
            })
            .collect();
        let options = |seed, memory_bytes, sources_at_once| ImportOptions {
            seed,
            memory_bytes,
            sources_at_once,
            ..ImportOptions::default()
        };
        let reference = imported(&logs, &options(1, 64 << 20, 1)).unwrap();
        assert!(reference.report.reordered > 0);
        for (memory_bytes, sources_at_once) in [(64 << 20, 4), (1 << 20, 1), (300_000, 4)] {
            let other = imported(&logs, &options(1, memory_bytes, sources_at_once)).unwrap();
            assert_eq!(other.report.synthesised, reference.report.synthesised);
            assert!(strip(&other) == strip(&reference), "{memory_bytes} {sources_at_once}");
        }
        let other = imported(&logs, &options(2, 64 << 20, 1)).unwrap();
        assert!(strip(&other) != strip(&reference));
    }

    /// The file without its footer, where the names of temporary inputs stand, and the report
    /// without these names.
    fn strip(imported: &Imported) -> (Vec<u8>, ImportReport) {
        let bytes = &imported.bytes;
        let length = bytes[bytes.len() - 8..].first_chunk::<4>().unwrap();
        let pages = bytes.len() - 8 - u32::from_le_bytes(*length) as usize;
        let mut report = imported.report.clone();
        report.inputs.iter_mut().for_each(|input| input.name.clear());
        (bytes[..pages].to_vec(), report)
    }

    #[test]
    fn the_same_inputs_give_the_same_file_to_the_last_byte() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("in");
        fs::write(&path, second_log(&[5, 0, 7])).unwrap();
        let bytes = |name: &str| {
            let out = directory.path().join(name);
            let inputs = [Input::Path(path.clone())];
            import(|_| Box::new(Plain), &inputs, &ImportOptions::default(), &out).unwrap();
            fs::read(out).unwrap()
        };
        assert!(bytes("one") == bytes("two"));
    }

    #[test]
    fn a_second_with_more_events_than_memory_is_spread_like_any_other() {
        let log = second_log(&[3, 30_000, 3]);
        let options = |memory_bytes| ImportOptions { memory_bytes, ..ImportOptions::default() };
        let large = imported(std::slice::from_ref(&log), &options(64 << 20)).unwrap();
        let small = imported(&[log], &options(200_000)).unwrap();
        assert!(large.events == small.events);
        assert!(small.events.iter().map(|event| event.seq).eq(1..=30_006));
    }

    #[test]
    fn ends_of_whole_seconds_are_drawn_before_the_duration_is_subtracted() {
        // Durations of up to 3 s: starts are in another order than ends.
        let duration_ms = |line: u64| mix(line) % 3_000;
        let log = lines((0..20_000_u64).map(|line| {
            format!("{}000 1000 end {} 1 /{line}", 100 + line / 10, duration_ms(line))
        }));
        let imported = imported(&[log], &ImportOptions::default()).unwrap();
        let times = absolute_ns(&imported);
        assert!(times.is_sorted());
        let mut phases = Vec::new();
        for (event, start_ns) in imported.events.iter().zip(times) {
            let end_ns = start_ns + duration_ms(event.seq - 1) as i64 * 1_000_000;
            assert_eq!(end_ns.div_euclid(SECOND_NS) * SECOND_NS, event.t_src_ns);
            phases.push(end_ns.rem_euclid(SECOND_NS) as f64 / SECOND_NS as f64);
        }
        assert!(uniformity(phases) < 1.95);
        assert!(!imported.events.is_sorted_by_key(|event| event.seq));
        assert_eq!(imported.report.starts.end_minus_duration, 20_000);
        assert_eq!(imported.report.reordered, imported.report.reordered.clamp(1_000, 20_000));
    }

    #[test]
    fn a_clock_that_turns_out_coarse_is_treated_as_one() {
        // Written in ms, in steps of 3 s, sorted by starts that no one should have computed.
        let duration_ms = |line: u64| mix(line) % 10_000;
        let log = |resolution: u64| {
            lines((0..4_000_u64).map(|line| {
                let end_ms = 60_000 + line / 7 * 3_000;
                format!("{end_ms} {resolution} end {} 1 /{line}", duration_ms(line))
            }))
        };
        let found = imported(&[log(1)], &ImportOptions::default()).unwrap();
        assert_eq!(found.report.resolution_ns, 3 * SECOND_NS);
        assert_eq!(found.report.inputs[0].resolution_stated_ns, 1_000_000);
        let stated = imported(&[log(3_000)], &ImportOptions::default()).unwrap();
        assert!(found.events == stated.events);
        let ends = found.events.iter().zip(absolute_ns(&found));
        for (event, start_ns) in ends {
            let end_ns = start_ns + duration_ms(event.seq - 1) as i64 * 1_000_000;
            assert_eq!(end_ns.div_euclid(3 * SECOND_NS) * 3 * SECOND_NS, event.t_src_ns);
        }
    }

    #[test]
    fn fine_clocks_are_left_alone_and_say_what_their_starts_are() {
        let log = b"5003 1 end 1000 1 /a\n5001 1   1 /b\n5002 1 end  1 /c\n".to_vec();
        let imported = imported(&[log], &ImportOptions::default()).unwrap();
        let events: Vec<_> =
            imported.events.iter().map(|event| (event.t_ns, event.kind, event.seq)).collect();
        assert_eq!(
            events,
            [
                (0, TimeKind::EndMinusDuration, 1),
                (998_000_000, TimeKind::Start, 2),
                (999_000_000, TimeKind::End, 3),
            ]
        );
        assert_eq!(imported.report.start_unix_ns, 4_003_000_000);
        assert_eq!(imported.report.span_ns, 999_000_000);
        assert_eq!(imported.report.synthesised, 0);
        let starts = StartCounts { start: 1, end_minus_duration: 1, end: 1, count: 0 };
        assert_eq!(imported.report.starts, starts);
        assert_eq!(imported.report.reordered, 0);
    }

    #[test]
    fn spreading_can_be_even_or_left_out() {
        let log = second_log(&[4, 2]);
        let times = |within| {
            let options = ImportOptions { within, ..ImportOptions::default() };
            absolute_ns(&imported(std::slice::from_ref(&log), &options).unwrap())
        };
        let even = [125, 375, 625, 875, 1_250, 1_750].map(|ms| ms * 1_000_000);
        assert_eq!(times(Within::Even), even);
        let start = [0, 0, 0, 0, 1_000, 1_000].map(|ms| ms * 1_000_000);
        assert_eq!(times(Within::Start), start);
    }

    #[test]
    fn counts_become_as_many_events_and_minutes_follow_their_neighbours() {
        let counts = [600_u64, 1_800, 0, 1_200, 1_200];
        // The empty minute is left out, as most tables do.
        let rows = counts.iter().enumerate().filter(|(_, count)| **count > 0);
        let log =
            lines(rows.map(|(minute, count)| format!("{} 60000   {count} ", minute * 60_000)));
        let imported = imported(&[log], &ImportOptions::default()).unwrap();
        let mut found = [0_u64; 5];
        let mut early = [0_u64; 5];
        for (event, time_ns) in imported.events.iter().zip(absolute_ns(&imported)) {
            let minute = time_ns / (60 * SECOND_NS);
            assert_eq!(minute * 60 * SECOND_NS, event.t_src_ns);
            assert_eq!((event.kind, event.resolution_ns), (TimeKind::Synthetic, 60 * SECOND_NS));
            found[minute as usize] += 1;
            early[minute as usize] += u64::from(time_ns % (60 * SECOND_NS) < 30 * SECOND_NS);
        }
        assert_eq!(found, counts);
        assert_eq!(imported.report.starts.count, counts.iter().sum::<u64>());
        // By the shapes' formula, the share of the first half of each minute, and five standard
        // deviations around it.
        let at = |minute: usize| counts[minute.min(4)] as f64;
        for minute in [0, 1, 3, 4] {
            let before = if minute == 0 { at(0) } else { at(minute - 1) };
            let here = at(minute);
            let shape = Shape::between(Counts { before, here, after: at(minute + 1) });
            let half = (0..=1_000).map(|index| f64::from(index) / 1_000.0);
            let half = half.filter(|&phase| shape.place(phase) < 0.5).count() as f64 / 1_001.0;
            let share = early[minute] as f64 / here;
            assert!((share - half).abs() < 5.0 * 0.5 / here.sqrt(), "{minute}: {share} of {half}");
        }
    }

    #[test]
    fn several_counts_of_one_bin_overlap_instead_of_following_each_other() {
        let log = b"0 1000   50 /a\n0 1000   50 /b\n1000 1000   1 /c\n2000 1000   0 /d\n".to_vec();
        let imported = imported(&[log], &ImportOptions::default()).unwrap();
        assert_eq!((imported.report.events, imported.report.kept), (101, 4));
        let first: Vec<u8> = imported.events[..50].iter().map(|event| event.target[1]).collect();
        assert!(first.contains(&b'a') && first.contains(&b'b'));
        let times = absolute_ns(&imported);
        assert!((SECOND_NS..2 * SECOND_NS).contains(times.last().unwrap()));
    }

    #[test]
    fn sources_are_merged_and_their_clocks_set_right() {
        let one = b"1000 1   1 /a\n3000 1   1 /b\n".to_vec();
        let two = b"1000 1   1 /c\n2000 1   1 /d\n".to_vec();
        let options =
            ImportOptions { source_offsets_ns: vec![0, 500_000_000], ..ImportOptions::default() };
        let imported = imported(&[one, two], &options).unwrap();
        let events: Vec<_> = imported
            .events
            .iter()
            .map(|event| (event.t_ns / 1_000_000, event.t_src_ns / 1_000_000, event.source))
            .collect();
        assert_eq!(events, [(0, 1000, 0), (500, 1000, 1), (1500, 2000, 1), (2000, 3000, 0)]);
    }

    #[test]
    fn dirty_lines_are_counted_by_reason_and_too_many_are_an_error_that_shows_them() {
        let mut log = lines((0..500).map(|line| format!("{} 1   1 /{line}", line * 10)));
        log.extend_from_slice(b"# a comment\n\0\0\0junk\n9000 1   1 no/slash\n9000 1   1 *\n");
        let options = ImportOptions::default();
        let good = imported(std::slice::from_ref(&log), &options).unwrap();
        let skipped: Vec<_> = good.report.skipped.iter().map(|(name, &n)| (&name[..], n)).collect();
        assert_eq!(skipped, [("bad_number", 1), ("bad_request", 1), ("other_record", 1)]);
        assert_eq!((good.report.lines, good.report.kept, good.report.bad), (503, 500, 2));
        assert_eq!(good.report.inputs[0].lines, 504);
        let shown: Vec<_> =
            good.report.first_bad.iter().map(|bad| (bad.line, &bad.text[..])).collect();
        assert_eq!(shown, [(502, "junk"), (503, "no/slash")]);

        let strict = ImportOptions { max_bad_fraction: 0.0, ..options.clone() };
        let error = imported(&[log], &strict).err().unwrap().to_string();
        assert!(error.starts_with("2 of 503 lines are bad, more than the 0.0 %"), "{error}");
        assert!(error.contains("in0:502: bad_number: junk\n"), "{error}");
    }

    #[test]
    fn all_lines_bad_is_noticed_before_the_end() {
        let log = lines((0..1_000_000).map(|line| format!("\x1b[1m{line}")));
        let options = ImportOptions::default();
        let error = imported(&[log], &options).err().unwrap();
        let TraceError::TooManyBad { bad, first, .. } = &error else { panic!("{error}") };
        assert!(*bad < 20_000 && first.len() == 5);
        assert!(!error.to_string().contains('\x1b'));
        let some = imported(&[b"a\nb\n".to_vec()], &options).err().unwrap();
        assert!(some.to_string().starts_with("2 of 2 lines are bad"), "{some}");
    }

    #[test]
    fn inputs_without_a_request_are_an_error_and_one_line_is_enough() {
        for empty in [&b""[..], b"\0\0\0", b"# nothing\n"] {
            let error = imported(
                &[empty.to_vec()],
                &ImportOptions { max_bad_fraction: 1.0, ..ImportOptions::default() },
            );
            let error = error.err().unwrap().to_string();
            assert!(error.starts_with("no input: there is no request in "), "{error}");
        }
        let one = imported(&[b"5000 1000   1 /".to_vec()], &ImportOptions::default()).unwrap();
        assert_eq!((one.events.len(), one.events[0].t_ns, one.report.span_ns), (1, 0, 0));
        let missing = [Input::Path(PathBuf::from("/nowhere/a.log"))];
        let out = tempfile::tempdir().unwrap();
        let out = out.path().join("out");
        let error = import(|_| Box::new(Plain), &missing, &ImportOptions::default(), &out);
        assert!(error.unwrap_err().to_string().starts_with("/nowhere/a.log: "));
    }

    #[test]
    fn a_cut_gzip_keeps_what_was_read_and_counts_as_one_bad_line() {
        let text = lines((0..20_000_u64).map(|line| format!("{line} 1   1 /{}", mix(line))));
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&text).unwrap();
        let whole = encoder.finish().unwrap();
        let twice = [&whole[..], &whole].concat();
        let both = imported(&[twice], &ImportOptions::default()).unwrap();
        assert_eq!((both.report.events, both.report.bad), (40_000, 0));
        assert_eq!(both.report.inputs[0].compression, "gzip");

        let cut = whole[..whole.len() * 3 / 4].to_vec();
        let part = imported(std::slice::from_ref(&cut), &ImportOptions::default()).unwrap();
        assert!((10_000..16_000).contains(&part.report.events));
        assert!(part.report.inputs[0].damage.is_some());
        assert!(part.report.first_bad.iter().any(|bad| bad.reason == "damaged"));
        let strict = ImportOptions { max_bad_fraction: 0.0, ..ImportOptions::default() };
        assert!(matches!(imported(&[cut], &strict), Err(TraceError::TooManyBad { .. })));

        // Damage in the middle loses a known share of the file.
        let damaged = [&whole[..], &[b'x'; 10_000], &whole].concat();
        let error = imported(&[damaged], &ImportOptions::default()).err().unwrap();
        assert!(matches!(error, TraceError::Damaged { .. }), "{error}");
    }

    #[test]
    fn holes_and_clock_steps_are_reported() {
        let seconds = (0..1_000).chain(5_000..6_000).chain([5_980]);
        let log = lines(seconds.map(|second| format!("{second}001 1   1 /")));
        let imported = imported(&[log], &ImportOptions::default()).unwrap();
        let report = &imported.report;
        assert_eq!((report.holes, report.clock_steps_back, report.reordered), (1, 1, 1));
        let hole = Hole { start_ns: 999 * SECOND_NS, length_ns: 4_001 * SECOND_NS };
        assert_eq!(report.longest_holes, [hole]);
    }

    #[test]
    fn options_that_make_no_sense_are_refused() {
        for options in [
            ImportOptions { max_bad_fraction: 1.5, ..ImportOptions::default() },
            ImportOptions { max_bad_fraction: f64::NAN, ..ImportOptions::default() },
            ImportOptions { coarse_from_ns: 0, ..ImportOptions::default() },
            ImportOptions { source_offsets_ns: vec![i64::MIN], ..ImportOptions::default() },
        ] {
            let error = imported(&[second_log(&[1])], &options).err().unwrap();
            assert!(matches!(error, TraceError::Option(_)), "{error}");
        }
    }

    #[test]
    fn extreme_times_and_numbers_do_not_overflow() {
        let extremes = [0, 1, i64::MAX, i64::MIN, i64::MAX / 2, i64::MIN / 2];
        struct Extreme(Vec<i64>);
        impl Format for Extreme {
            fn read(
                &mut self,
                _: &mut dyn std::io::BufRead,
                sink: &mut dyn crate::format::Sink,
            ) -> std::io::Result<()> {
                let mut place = 0;
                for &time_ns in &self.0 {
                    for &resolution_ns in &self.0 {
                        for duration_ns in self.0.iter().copied().map(Some).chain([None]) {
                            for moment in [Moment::Start, Moment::End] {
                                place += 1;
                                let record = Record {
                                    time_ns,
                                    resolution_ns,
                                    duration_ns,
                                    moment,
                                    count: 1 + place % 2,
                                    ..Record::default()
                                };
                                sink.record(place, &record)?;
                            }
                        }
                    }
                }
                Ok(())
            }
        }
        let directory = tempfile::tempdir().unwrap();
        let input = directory.path().join("in");
        fs::write(&input, "").unwrap();
        let options = ImportOptions { max_bad_fraction: 1.0, ..ImportOptions::default() };
        let out = directory.path().join("out");
        let report =
            import(|_| Box::new(Extreme(extremes.to_vec())), &[Input::Path(input)], &options, &out);
        let report = report.unwrap();
        assert!(report.kept > 0 && report.bad > 0);
        let events: Vec<_> = TraceFile::open(&out).unwrap().events().map(Result::unwrap).collect();
        assert!(events.is_sorted_by_key(|event| event.t_ns) && events[0].t_ns == 0);
    }
}
