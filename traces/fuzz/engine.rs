//! A seeded mutational fuzzer for all formats and the import behind them.
//!
//! A case takes a file of `corpus/<format>/`, changes it in a few places, and reads it through
//! the format with a sink that checks every record; some cases go on through the whole import,
//! packed or cut off as files are, and check every event of the timeline. A case depends on its
//! seed alone, so it can be made again. Shared by `examples/fuzz.rs`, which runs for as long as
//! it is told, and `tests/fuzz.rs`, which runs a fixed number of cases.

use std::any::Any;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufRead, BufReader, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use flate2::write::GzEncoder;
use openload_contract::digest::mix;
use openload_traces::event::{Event, TimeKind};
use openload_traces::format::catalogue::{FORMATS, FormatOptions, format};
use openload_traces::format::{Format, Sink};
use openload_traces::lines::LINE_BYTES_MAX;
use openload_traces::record::{Moment, Record, Skip};
use openload_traces::scrub::ScrubOptions;
use openload_traces::spread::Within;
use openload_traces::{ImportOptions, ImportReport, Input, TraceFile, import};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// Events after which a case gives up: a few bytes of a count can stand for a billion.
const EVENTS_MAX: u64 = 20_000;

/// Every how many cases the whole import is run, which costs as much as many readings.
const CASES_PER_IMPORT: u64 = 16;

/// Every how many cases a line is made about as long as the longest that is read.
const CASES_PER_LONG_LINE: u64 = 1_000;

/// Numbers on the borders of what something can hold.
const NUMBERS: [&str; 46] = [
    "0",
    "1",
    "-1",
    "-0",
    "9",
    "24",
    "29",
    "30",
    "31",
    "32",
    "59",
    "60",
    "61",
    "99",
    "127",
    "255",
    "256",
    "366",
    "999",
    "1677",
    "1678",
    "1900",
    "1970",
    "2024",
    "2100",
    "2261",
    "2262",
    "9999",
    "65535",
    "65536",
    "2147483647",
    "2147483648",
    "4294967296",
    "9007199254740993",
    "9223372036",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "340282366920938463463374607431768211456",
    "1e308",
    "1e-400",
    "1e2147483648",
    "0.0000000000000000001",
    "00000000000000000000000000007",
];

/// What means something to one of the formats, or looks as if it did.
const WORDS: [&[u8]; 56] = [
    b"\0",
    b"\0\0\0\0",
    b"\xff",
    b"\xc3\x28",
    b"\"",
    b"\"\"",
    b"'",
    b"\\",
    b"\\\"",
    b"\n",
    b"\r",
    b"\r\n",
    b"\n\n",
    b"\r\n\r\n",
    b"\t",
    b" ",
    b",",
    b";",
    b"[",
    b"]",
    b"{",
    b"}",
    b"[]",
    b"{}",
    b"[[[[[[[[[[[[[[[[",
    b"-",
    b"null",
    b"true",
    b"NaN",
    b"inf",
    b"\\u0000",
    b"\\ud800",
    b"\\u000d\\u000a",
    b"\\x0d\\x0a",
    b"\\x00",
    b"\\n",
    b"%0d%0a",
    b"%00",
    b"%",
    b"#",
    b"29/Feb/2023",
    b"29/Feb/2024",
    b"31/Dec/2261:23:59:60 -9959",
    b"2262-04-11T23:47:16.854775808Z",
    b"1677-09-21T00:12:43.145224192Z",
    b"2024-02-29T24:00:00+14:00",
    b"+1400",
    b"-1259",
    b"*",
    b"http://",
    b"https://user:pass@[::1]:99999/",
    b"CONNECT h:443 HTTP/1.1",
    b" HTTP/1.1\r\nX: y",
    b"\xef\xbb\xbf",
    b"\n\xf0\x9f\x90\xb5\xf0\x9f\x99\x88\xf0\x9f\x99\x89\n",
    b"#Fields: time cs-method cs-uri\n",
];

/// A format with what it was told, and what its cases are made from.
pub struct Target {
    /// Name of the format, or `auto`.
    pub format: &'static str,
    /// What it was told.
    pub options: FormatOptions,
    /// Inputs that are changed.
    pub corpus: Vec<Vec<u8>>,
}

/// What came of a case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Cases.
    pub cases: u64,
    /// Records that were read.
    pub records: u64,
    /// Lines that were no requests.
    pub skips: u64,
    /// Inputs that a format refused, or could not read to the end.
    pub refused: u64,
    /// Imports that were tried.
    pub imports: u64,
    /// Imports that made a timeline.
    pub timelines: u64,
    /// Events of these.
    pub events: u64,
}

impl Tally {
    /// Adds what came of other cases.
    pub fn add(&mut self, other: &Self) {
        self.cases += other.cases;
        self.records += other.records;
        self.skips += other.skips;
        self.refused += other.refused;
        self.imports += other.imports;
        self.timelines += other.timelines;
        self.events += other.events;
    }
}

/// Something that must not happen.
#[derive(Debug, Clone)]
pub struct Finding {
    /// What happened.
    pub what: String,
    /// The input.
    pub input: Vec<u8>,
}

/// Every format of the catalogue with a few fixed options, and `auto`.
///
/// # Errors
/// When the corpus of a format cannot be read, or is empty.
pub fn targets(corpus: &Path) -> io::Result<Vec<Target>> {
    let mut targets = Vec::new();
    let mut all = Vec::new();
    for (name, _) in FORMATS {
        let files = files(&corpus.join(name))?;
        all.extend(files.iter().filter(|file| file.len() < 2_000).cloned());
        let options = options(name);
        targets.extend(options.into_iter().map(|options| {
            let target = Target { format: name, options, corpus: files.clone() };
            let is_read =
                |file: &&Vec<u8>| read(&target, file, 1 << 16).is_ok_and(|read| read.records > 0);
            // With these options some files say little: the others are taken more often.
            let read_files = files.iter().filter(is_read).flat_map(|file| [file; 5]);
            let corpus = read_files.chain(&files).cloned().collect();
            Target { corpus, ..target }
        }));
    }
    targets.push(Target { format: "auto", options: FormatOptions::default(), corpus: all });
    Ok(targets)
}

fn files(directory: &Path) -> io::Result<Vec<Vec<u8>>> {
    let named = |error: io::Error| {
        io::Error::new(error.kind(), format!("{}: {error}", directory.display()))
    };
    let mut paths = fs::read_dir(directory)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>())
        .map_err(named)?;
    paths.sort();
    let files = paths.iter().map(fs::read).collect::<io::Result<Vec<_>>>().map_err(named)?;
    if files.is_empty() {
        return Err(named(io::Error::other("there is nothing to change")));
    }
    Ok(files)
}

/// What a format is told, in a few ways.
fn options(name: &str) -> Vec<FormatOptions> {
    let pattern =
        |text: &str| FormatOptions { pattern: Some(text.to_owned()), ..FormatOptions::default() };
    let map = |pairs: &[(&str, &str)]| FormatOptions {
        map: pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
        ..FormatOptions::default()
    };
    let rate = |rate| FormatOptions { rate: Some(rate), ..FormatOptions::default() };
    match name {
        "nginx" => [
            "$remote_addr - $remote_user [$time_local] \"$request\" $status $bytes_sent \
             \"$http_referer\" \"$http_user_agent\" \"$gzip_ratio\" $msec $request_time",
            "$remote_addr [$time_local] \"$request\" $status $body_bytes_sent $msec $request_time",
            "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \
             \"$http_referer\" \"$http_user_agent\"",
            "$http_x_forwarded_for $time_iso8601 $host $request_method $request_uri $args $status",
        ]
        .map(pattern)
        .to_vec(),
        "apache" => [
            r#"%v %h %l %u %t \"%r\" %>s %b %{begin:usec}t %D"#,
            r#"%h %l %u %t \"%r\" %>s %b %{begin:usec}t %{end:msec}t %D"#,
            r#"%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\""#,
            r#"%a %{%Y-%m-%d %H:%M:%S}t.%{msec_frac}t %m %U%q %s %{ms}T %I %O %{Host}i"#,
        ]
        .map(pattern)
        .to_vec(),
        "json" => vec![
            map(&[
                ("time_unit", "ms"),
                ("time", "/t"),
                ("duration", "/d"),
                ("duration_unit", "ms"),
                ("status", "/list/1/status"),
                ("bytes", "/b"),
                ("session", "/first"),
                ("session", "/second"),
                ("method", "/m"),
                ("path", "/p"),
                ("query", "/q"),
                ("headers", "/h"),
                ("body", "/body"),
                ("input_tokens", "/n"),
                ("output_tokens", "/o"),
                ("tag", "/g"),
            ]),
            map(&[("time_unit", "s"), ("time", "/t"), ("method", "/m"), ("target", "/u")]),
            map(&[
                ("time", "/at"),
                ("moment", "end"),
                ("duration", "/t"),
                ("request", "/r"),
                ("header.accept", "/accept"),
            ]),
        ],
        "csv" => vec![
            FormatOptions::default(),
            columns(&[("time_unit", "s"), ("zone", "+05:30"), ("decimal", "comma")]),
            map(&[("time", "#1"), ("count", "#2"), ("bin", "60s")]),
        ],
        "tsv" => vec![columns(&[("time_unit", "s")]), columns(&[("moment", "end")])],
        "parquet" => vec![
            columns(&[("time_unit", "s"), ("moment", "end")]),
            map(&[
                ("time_unit", "s"),
                ("time", "TIMESTAMP"),
                ("input_tokens", "ContextTokens"),
                ("output_tokens", "GeneratedTokens"),
            ]),
            map(&[("time_unit", "s"), ("time", "when"), ("count", "n")]),
        ],
        "vegeta-http" => vec![rate(7.5), rate(1e-9)],
        "vegeta-json" => vec![FormatOptions::default(), rate(1e6)],
        "combined" => vec![
            FormatOptions::default(),
            FormatOptions { moment: Some(Moment::End), ..FormatOptions::default() },
        ],
        _ => vec![FormatOptions::default()],
    }
}

/// The columns of the corpus, with settings before them.
fn columns(settings: &[(&str, &str)]) -> FormatOptions {
    const COLUMNS: [(&str, &str); 5] = [
        ("time", "when"),
        ("duration", "took"),
        ("target", "what"),
        ("query", "which"),
        ("method", "how"),
    ];
    let pairs = settings.iter().chain(&COLUMNS);
    FormatOptions {
        map: pairs.map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
        ..FormatOptions::default()
    }
}

/// Runs cases in a directory of its own.
pub struct Fuzzer {
    directory: tempfile::TempDir,
}

impl Fuzzer {
    /// Makes the directory.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new() -> io::Result<Self> {
        Ok(Self { directory: tempfile::tempdir()? })
    }

    /// Runs the case with this seed.
    ///
    /// # Errors
    /// What must not happen, with the input that made it happen.
    pub fn run(&self, target: &Target, seed: u64) -> Result<Tally, Box<Finding>> {
        let mut generator = Xoshiro256PlusPlus::seed_from_u64(seed);
        let input = mutated(&mut generator, &target.corpus);
        let is_imported = generator.random_range(0..CASES_PER_IMPORT) == 0;
        self.check(target, &input, is_imported, &mut generator)
            .map_err(|what| Box::new(Finding { what, input }))
    }

    /// Reads and imports an input that was kept.
    ///
    /// # Errors
    /// As [`Fuzzer::run`].
    pub fn run_input(&self, target: &Target, input: &[u8]) -> Result<Tally, Box<Finding>> {
        let mut tally = Tally::default();
        // The options of the import are drawn.
        for seed in 0..10 {
            let mut generator = Xoshiro256PlusPlus::seed_from_u64(seed);
            let checked = self.check(target, input, true, &mut generator);
            let checked =
                checked.map_err(|what| Box::new(Finding { what, input: input.to_vec() }))?;
            tally.add(&checked);
        }
        Ok(tally)
    }

    fn check(
        &self,
        target: &Target,
        input: &[u8],
        is_imported: bool,
        generator: &mut Xoshiro256PlusPlus,
    ) -> Result<Tally, String> {
        let mut tally = Tally { cases: 1, ..Tally::default() };
        guarded(|| check_read(target, input, generator, &mut tally))?;
        if is_imported {
            guarded(|| self.check_import(target, input, generator, &mut tally))?;
        }
        Ok(tally)
    }

    fn check_import(
        &self,
        target: &Target,
        input: &[u8],
        generator: &mut Xoshiro256PlusPlus,
        tally: &mut Tally,
    ) -> Result<(), String> {
        tally.imports += 1;
        let path = |name: &str| self.directory.path().join(name);
        let mut inputs = Vec::new();
        for name in ["a", "b"] {
            if inputs.is_empty() || generator.random_range(0..4) == 0 {
                fs::write(path(name), packed(generator, input)).map_err(named)?;
                inputs.push(Input::Path(path(name)));
            }
        }
        let options = import_options(generator);
        let Some(report) = imported(target, &inputs, &options, &path("out"))? else {
            return Ok(());
        };
        tally.timelines += 1;
        tally.events += report.events;
        check_timeline(&path("out"), &report, &options)?;
        if generator.random_range(0..4) == 0 {
            let other = ImportOptions {
                memory_bytes: if options.memory_bytes == SMALL_BYTES {
                    1 << 24
                } else {
                    SMALL_BYTES
                },
                sources_at_once: 3 - options.sources_at_once,
                ..options
            };
            imported(target, &inputs, &other, &path("again"))?
                .ok_or("the second import of the same input failed")?;
            let same =
                fs::read(path("out")).map_err(named)? == fs::read(path("again")).map_err(named)?;
            if !same {
                return Err("the second import of the same input made another file".to_owned());
            }
        }
        Ok(())
    }
}

fn named(error: io::Error) -> String {
    format!("the fuzzer's own file: {error}")
}

/// Runs a check; a panic is what must not happen, too.
fn guarded(check: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(check)).unwrap_or_else(|panic| Err(message(&*panic)))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("panic: {}", text.unwrap_or("of another type"))
}

// Reading.

fn check_read(
    target: &Target,
    input: &[u8],
    generator: &mut Xoshiro256PlusPlus,
    tally: &mut Tally,
) -> Result<(), String> {
    let whole = read(target, input, 1 << 16)?;
    tally.records += whole.records;
    tally.skips += whole.skips;
    tally.refused += u64::from(whole.is_refused);
    // Where the borders of the reader's buffer lie must change nothing.
    if generator.random_range(0..4) == 0 {
        let split = read(target, input, generator.random_range(1..200))?;
        if split.digest.finish() != whole.digest.finish() || split.records != whole.records {
            return Err(format!(
                "{} records and {} skips through a large buffer, {} and {}, or others, through a \
                 small one",
                whole.records, whole.skips, split.records, split.skips
            ));
        }
    }
    Ok(())
}

fn read(target: &Target, input: &[u8], buffer_bytes: usize) -> Result<Checked, String> {
    let mut checked = Checked::default();
    let head = &input[..input.len().min(64 << 10)];
    let Ok((_, mut format)) = format(target.format, "input", head, &target.options) else {
        checked.is_refused = true;
        return Ok(checked);
    };
    let mut reader = BufReader::with_capacity(buffer_bytes, input);
    checked.is_refused = format.read(&mut reader, &mut checked).is_err();
    checked.broken.take().map_or(Ok(checked), Err)
}

/// Checks all it is given.
#[derive(Default)]
struct Checked {
    records: u64,
    skips: u64,
    events: u64,
    is_refused: bool,
    broken: Option<String>,
    digest: DefaultHasher,
}

impl Sink for Checked {
    fn record(&mut self, place: u64, record: &Record<'_>) -> io::Result<()> {
        self.records += 1;
        self.events = self.events.saturating_add(record.count);
        if self.events > EVENTS_MAX {
            return Err(io::Error::other("enough"));
        }
        (place, format!("{record:?}")).hash(&mut self.digest);
        let result = check_record(place, record);
        result.map_err(|what| self.give_up(format!("{what} in {record:?}")))
    }

    fn skip(&mut self, place: u64, reason: Skip, text: &[u8]) -> io::Result<()> {
        self.skips += 1;
        (place, reason, text).hash(&mut self.digest);
        if place == 0 { Err(self.give_up("place 0 of a skip".to_owned())) } else { Ok(()) }
    }
}

impl Checked {
    fn give_up(&mut self, what: String) -> io::Error {
        self.broken.get_or_insert(what);
        io::Error::other("broken")
    }
}

/// What holds for every record, whatever the input was.
fn check_record(place: u64, record: &Record<'_>) -> Result<(), String> {
    let broken = |what: &str| Err(what.to_owned());
    if place == 0 {
        return broken("place 0");
    }
    if record.count == 0 {
        return broken("a record that stands for no request");
    }
    if record.resolution_ns <= 0 {
        return broken("a step of nothing");
    }
    if record.duration_ns.is_some_and(|duration_ns| duration_ns < 0) {
        return broken("a negative duration");
    }
    if !record.method.iter().all(|&byte| is_token(byte)) || record.method == b"CONNECT" {
        return broken("a method that cannot be sent");
    }
    check_headers(record.headers)
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn check_headers(headers: &[u8]) -> Result<(), String> {
    if headers.is_empty() {
        return Ok(());
    }
    let text = headers.strip_suffix(b"\r\n").ok_or("headers without their end")?;
    let mut rest = text;
    loop {
        let end = rest.windows(2).position(|pair| pair == b"\r\n").unwrap_or(rest.len());
        let header = &rest[..end];
        let colon =
            header.iter().position(|&byte| byte == b':').ok_or("a header without a colon")?;
        let name = &header[..colon];
        if name.is_empty() || !name.iter().all(|&byte| is_token(byte)) {
            return Err("a header whose name is none".to_owned());
        }
        if header.iter().any(|byte| b"\r\n\0".contains(byte)) {
            return Err("a header that breaks its line".to_owned());
        }
        match rest.get(end + 2..) {
            Some(more) => rest = more,
            None => return Ok(()),
        }
    }
}

// Importing.

/// Room so small that most is sorted through files.
const SMALL_BYTES: usize = 64 << 10;

fn import_options(generator: &mut Xoshiro256PlusPlus) -> ImportOptions {
    let one_in = |generator: &mut Xoshiro256PlusPlus, n: u32| generator.random_range(0..n) == 0;
    let within = [Within::Poisson, Within::Poisson, Within::Even, Within::Start];
    ImportOptions {
        seed: generator.random_range(0..3),
        within: within[generator.random_range(0..within.len())],
        coarse_from_ns: if one_in(generator, 4) { 1_000_000 } else { 1_000_000_000 },
        max_bad_fraction: 1.0,
        scrub: ScrubOptions { hash: one_in(generator, 4), ..ScrubOptions::default() },
        source_offsets_ns: if one_in(generator, 8) { vec![-1_500_000_000] } else { Vec::new() },
        memory_bytes: if one_in(generator, 4) { SMALL_BYTES } else { 1 << 24 },
        sources_at_once: generator.random_range(1..3),
        ..ImportOptions::default()
    }
}

/// Imports; `None` when the inputs were refused, which is a good answer to most of them.
fn imported(
    target: &Target,
    inputs: &[Input],
    options: &ImportOptions,
    out: &Path,
) -> Result<Option<ImportReport>, String> {
    let make = |info: &openload_traces::InputInfo| -> Box<dyn Format> {
        match format(target.format, &info.name, &info.head, &target.options) {
            Ok((_, format)) => Box::new(Bounded { format, events: 0 }),
            Err(error) => Box::new(Refused(error.to_string())),
        }
    };
    match import(make, inputs, options, out) {
        Ok(report) => Ok(Some(report)),
        Err(error) if error.to_string().trim().is_empty() => {
            Err("an error without a message".to_owned())
        }
        Err(_) => Ok(None),
    }
}

/// A format that cannot be used.
struct Refused(String);

impl Format for Refused {
    fn read(&mut self, _: &mut dyn BufRead, _: &mut dyn Sink) -> io::Result<()> {
        Err(io::Error::other(self.0.clone()))
    }
}

/// A format that gives up after some events.
struct Bounded {
    format: Box<dyn Format>,
    events: u64,
}

impl Format for Bounded {
    fn read(&mut self, input: &mut dyn BufRead, sink: &mut dyn Sink) -> io::Result<()> {
        let mut sink = BoundedSink { sink, events: &mut self.events };
        self.format.read(input, &mut sink)
    }
}

struct BoundedSink<'a> {
    sink: &'a mut dyn Sink,
    events: &'a mut u64,
}

impl Sink for BoundedSink<'_> {
    fn record(&mut self, place: u64, record: &Record<'_>) -> io::Result<()> {
        *self.events = self.events.saturating_add(record.count);
        if *self.events > EVENTS_MAX {
            return Err(io::Error::other("enough"));
        }
        self.sink.record(place, record)
    }

    fn skip(&mut self, place: u64, reason: Skip, text: &[u8]) -> io::Result<()> {
        self.sink.skip(place, reason, text)
    }
}

/// Reads a timeline back and checks all of it.
fn check_timeline(
    path: &Path,
    report: &ImportReport,
    options: &ImportOptions,
) -> Result<(), String> {
    let file = TraceFile::open(path).map_err(|error| format!("no timeline: {error}"))?;
    if file.metadata().report != *report {
        return Err("the file's report is not the one returned".to_owned());
    }
    let (mut rows, mut last_ns) = (0, 0);
    for event in file.events() {
        let event = event.map_err(|error| format!("an event that cannot be read: {error}"))?;
        if rows == 0 && event.t_ns != 0 {
            return Err(format!("a timeline that begins at {} ns", event.t_ns));
        }
        if event.t_ns < last_ns {
            return Err(format!("events at {last_ns} and then at {} ns", event.t_ns));
        }
        (rows, last_ns) = (rows + 1, event.t_ns);
        check_event(&event, report, options).map_err(|what| format!("{what} in {event:?}"))?;
    }
    if (rows, rows, last_ns) != (report.events, file.rows(), report.span_ns) {
        return Err(format!(
            "{rows} events over {last_ns} ns where the report has {} over {} ns",
            report.events, report.span_ns
        ));
    }
    Ok(())
}

fn check_event(
    event: &Event,
    report: &ImportReport,
    options: &ImportOptions,
) -> Result<(), String> {
    let broken = |what: &str| Err(what.to_owned());
    if !matches!(event.target.first(), None | Some(b'/')) {
        return broken("a target that does not begin with a slash");
    }
    if !event.target.iter().all(u8::is_ascii_graphic) {
        return broken("a raw byte in a target");
    }
    if !event.method.iter().all(|&byte| is_token(byte)) || event.method == b"CONNECT" {
        return broken("a method that cannot be sent");
    }
    if event.target.is_empty() && !event.method.is_empty() {
        return broken("a method without a target");
    }
    check_headers(&event.headers)?;
    for secret in [&b"authorization:"[..], b"cookie:", b"host:", b"content-length:"] {
        let mut lines = event.headers.split(|&byte| byte == b'\n');
        let has = |line: &[u8]| {
            line.get(..secret.len()).is_some_and(|name| name.eq_ignore_ascii_case(secret))
        };
        if lines.any(has) {
            return broken("a header that must not be sent");
        }
    }
    let offset_ns = options.source_offsets_ns.get(event.source as usize).copied().unwrap_or(0);
    let recorded_ns = i128::from(event.t_src_ns) + i128::from(offset_ns);
    let start_ns = i128::from(report.start_unix_ns) + i128::from(event.t_ns);
    let is_right = match event.kind {
        TimeKind::Start | TimeKind::End => start_ns == recorded_ns,
        TimeKind::EndMinusDuration => {
            start_ns == recorded_ns - i128::from(event.duration_ns.unwrap_or_default())
        }
        // Drawn inside its step, and then perhaps less the duration.
        TimeKind::Synthetic => {
            let inside_ns = start_ns - recorded_ns;
            let width_ns = i128::from(event.resolution_ns);
            let by_end_ns = inside_ns + i128::from(event.duration_ns.unwrap_or_default());
            [inside_ns, by_end_ns].into_iter().any(|ns| (0..width_ns).contains(&ns))
        }
    };
    if is_right { Ok(()) } else { broken("a start that does not follow from the stamp") }
}

// Changing.

/// Packs an input as files are packed, and damages some of them.
fn packed(generator: &mut Xoshiro256PlusPlus, input: &[u8]) -> Vec<u8> {
    let gzip = |text: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let written = encoder.write_all(text).and_then(|()| encoder.finish());
        written.unwrap_or_default()
    };
    let zstd = |text: &[u8]| zstd::encode_all(text, 1).unwrap_or_default();
    let middle = generator.random_range(0..=input.len());
    let (first, second) = input.split_at(middle);
    let mut bytes = match generator.random_range(0..12) {
        0 => gzip(input),
        1 | 2 => [gzip(first), gzip(second)].concat(),
        3 => zstd(input),
        4 => [zstd(first), b"\x50\x2a\x4d\x18\x03\0\0\0abc".to_vec(), zstd(second)].concat(),
        _ => return input.to_vec(),
    };
    match generator.random_range(0..4) {
        0 => bytes.truncate(generator.random_range(0..=bytes.len())),
        1 => {
            let at = generator.random_range(0..bytes.len());
            bytes[at] ^= 1 << generator.random_range(0..8);
        }
        2 => bytes.extend_from_slice(&[b'x'; 40]),
        _ => {}
    }
    bytes
}

/// An input of the corpus with some changes.
fn mutated(generator: &mut Xoshiro256PlusPlus, corpus: &[Vec<u8>]) -> Vec<u8> {
    let pick =
        |generator: &mut Xoshiro256PlusPlus| &corpus[generator.random_range(0..corpus.len())];
    let mut input = pick(generator).clone();
    if generator.random_range(0..5) == 0 {
        let other = pick(generator);
        let head = generator.random_range(0..=input.len());
        let tail = generator.random_range(0..=other.len());
        input.truncate(head);
        input.extend_from_slice(&other[tail..]);
    }
    // Often one: what is parsed as a whole does not survive many.
    for _ in 0..1 << generator.random_range(0..4) >> 1 {
        mutate(generator, &mut input);
    }
    if generator.random_range(0..CASES_PER_LONG_LINE) == 0 {
        let at = generator.random_range(0..=input.len());
        let byte = [b'x', b' ', b'"', b'0', b'['][generator.random_range(0..5)];
        let length = LINE_BYTES_MAX - 300 + generator.random_range(0..400);
        input.splice(at..at, std::iter::repeat_n(byte, length));
    }
    input
}

fn mutate(generator: &mut Xoshiro256PlusPlus, input: &mut Vec<u8>) {
    let at = generator.random_range(0..=input.len());
    let length = generator.random_range(0..40).min(input.len() - at);
    let word = WORDS[generator.random_range(0..WORDS.len())];
    match generator.random_range(0..14) {
        0 | 1 if at < input.len() => input[at] ^= 1 << generator.random_range(0..8),
        2 => drop(input.drain(at..at + length)),
        3 => {
            let part = input[at..at + length].to_vec();
            input.splice(at..at, part);
        }
        4 if generator.random_range(0..3) == 0 => input.truncate(at),
        5 | 6 => drop(input.splice(at..at, word.iter().copied())),
        7 => drop(input.splice(at..at + length, word.iter().copied())),
        8..=10 => replace_number(generator, input, at),
        11 => repeat_line(generator, input, at),
        12 => swap_fields(generator, input, at),
        _ => {
            let byte = generator.random_range(0..=255);
            input.insert(at, byte);
        }
    }
}

/// Puts a number on a border, or one beside it, in the place of the next one.
fn replace_number(generator: &mut Xoshiro256PlusPlus, input: &mut Vec<u8>, at: usize) {
    let Some(start) = input[at..].iter().position(u8::is_ascii_digit) else { return };
    let start = at + start;
    let digits = input[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    if generator.random_range(0..2) == 0 {
        let number = NUMBERS[generator.random_range(0..NUMBERS.len())];
        input.splice(start..start + digits, number.bytes());
    } else {
        let place = start + generator.random_range(0..digits);
        input[place] = generator.random_range(b'0'..=b'9');
    }
}

/// Writes a line several times.
fn repeat_line(generator: &mut Xoshiro256PlusPlus, input: &mut Vec<u8>, at: usize) {
    let start = input[..at].iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let end =
        input[at..].iter().position(|&byte| byte == b'\n').map_or(input.len(), |end| at + end);
    let line = [&input[start..end], b"\n"].concat();
    let times = [1, 2, 30][generator.random_range(0..3)];
    if line.len() * times < 1 << 16 {
        input.splice(start..start, line.repeat(times));
    }
}

/// Exchanges two fields of a line.
fn swap_fields(generator: &mut Xoshiro256PlusPlus, input: &mut Vec<u8>, at: usize) {
    let is_border = |byte: &u8| b" ,\t:\n".contains(byte);
    let borders: Vec<usize> =
        (at..input.len()).filter(|&at| is_border(&input[at])).take(8).collect();
    let [a, b, .., c, d] = borders[..] else { return };
    let (first, between) = (input[a + 1..b].to_vec(), input[b..=c].to_vec());
    let second = input[c + 1..d].to_vec();
    let swapped = if generator.random_range(0..2) == 0 {
        [&second[..], &between, &first].concat()
    } else {
        [&first[..], &between, &first].concat()
    };
    input.splice(a + 1..d, swapped);
}

/// The seed of the case with this number.
pub fn case_seed(seed: u64, number: u64) -> u64 {
    mix(seed ^ mix(number))
}

/// Where this crate keeps what cases are made from.
pub fn corpus_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
}
