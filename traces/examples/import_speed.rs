//! What an import costs: lines per CPU second and peak memory, for logs and counts of any size.
//!
//! ```text
//! cargo run --release -p openload-traces --example import_speed -- KIND AMOUNT DIR
//! ```
//!
//! `KIND` is `combined` (paths only), `combined-headers` (referer and agent as headers too; both
//! with `AMOUNT` bytes of the same log) or `counts` (`AMOUNT` events from counts by second). The
//! input is written to `DIR` unless one of that size is there, and stays; the timeline is read
//! back once and deleted.
//!
//! The log is what a busy site's Apache writes: 2,000 clients and 20,000 paths by Zipf's law,
//! browsers' agents, some errors and broken lines, and lines in the order of the ends of their
//! requests, so that starts are out of order by up to 2 s. CPU time is that of the process, user
//! and system, as /proc/self/stat has it; the peak of memory is reset before each measurement.

#![expect(clippy::print_stdout, reason = "figures are what this is for")]

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::error::Error;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use jiff::{Timestamp, tz::TimeZone};
use openload_traces::format::Format;
use openload_traces::format::ncsa::Ncsa;
use openload_traces::format::table::{ColumnMap, Table};
use openload_traces::record::{Moment, SECOND_NS};
use openload_traces::{ImportOptions, Input, TraceFile, import};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

const SEED: u64 = 42;
const CLIENTS: usize = 2_000;
const PATHS: usize = 20_000;

/// Requests per second of the log, and events per second of the counts.
const RATE: f64 = 500.0;
const COUNTS_RATE: f64 = 1_000.0;

/// Longest request, and so the largest disorder.
const DURATION_MAX_NS: f64 = 2e9;

/// 2024-05-01, ns.
const START_NS: i64 = 1_714_521_600 * SECOND_NS;

/// Ticks per second of times in /proc: the same on all common machines.
const TICKS: f64 = 100.0;

const AGENTS: [&str; 6] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:125.0) Gecko/20100101 Firefox/125.0",
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "curl/8.5.0",
];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kind, amount, directory] = &arguments[..] else {
        return Err("usage: import_speed combined|combined-headers|counts AMOUNT DIR".into());
    };
    let amount: u64 = amount.parse()?;
    let directory = Path::new(directory);
    match &kind[..] {
        "combined" | "combined-headers" => {
            let log = directory.join(format!("combined-{amount}.log"));
            made(&log, |file| write_log(file, amount))?;
            let has_headers = kind == "combined-headers";
            let format = move || -> Box<dyn Format> {
                let format = Ncsa::new(Moment::Start);
                Box::new(if has_headers { format.with_headers() } else { format })
            };
            measure(kind, format, log, directory)
        }
        "counts" => {
            let counts = directory.join(format!("counts-{amount}.csv"));
            made(&counts, |file| write_counts(file, amount))?;
            let format = || -> Box<dyn Format> { Box::new(Table::csv(ColumnMap::counts())) };
            measure(kind, format, counts, directory)
        }
        _ => Err(format!("there is no kind {kind}").into()),
    }
}

/// Writes an input under a partial name, unless there is one.
fn made(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    if !path.exists() {
        let partial = path.with_extension("partial");
        let mut file = BufWriter::with_capacity(1 << 20, File::create(&partial)?);
        write(&mut file)?;
        file.flush()?;
        fs::rename(partial, path)?;
    }
    println!("{}: {} bytes", path.display(), fs::metadata(path)?.len());
    Ok(())
}

fn measure(
    kind: &str,
    format: impl Fn() -> Box<dyn Format> + Sync,
    input: PathBuf,
    directory: &Path,
) -> Result<(), Box<dyn Error>> {
    let out = directory.join(format!("{kind}.timeline"));
    let options = ImportOptions { format: kind.to_owned(), ..ImportOptions::default() };
    let meter = Meter::start()?;
    let report = import(|_| format(), &[Input::Path(input)], &options, &out)?;
    let import = meter.read()?;
    println!(
        "import: {} lines, {} kept, {} bad, {} reordered, {} events",
        report.lines, report.kept, report.bad, report.reordered, report.events
    );
    let most = report.lines.max(report.events);
    import.print(most, if most == report.lines { "lines" } else { "events" });
    println!("  timeline {} bytes", fs::metadata(&out)?.len());

    let meter = Meter::start()?;
    let (mut events, mut last_ns) = (0_u64, 0);
    for event in TraceFile::open(&out)?.events() {
        let event = event?;
        if event.t_ns < last_ns {
            return Err(format!("event {events} is out of order").into());
        }
        last_ns = event.t_ns;
        events += 1;
    }
    let reading = meter.read()?;
    if events != report.events {
        return Err(format!("{events} events were read back of {}", report.events).into());
    }
    println!("reading back: {events} events over {:.0} s", last_ns as f64 / 1e9);
    reading.print(events, "events");
    fs::remove_file(out)?;
    Ok(())
}

/// Measures time and memory of the process.
struct Meter {
    at: Instant,
    cpu_s: f64,
}

/// What was measured.
struct Cost {
    wall_s: f64,
    cpu_s: f64,
    peak_mib: f64,
}

impl Meter {
    fn start() -> Result<Self, Box<dyn Error>> {
        // The peak begins anew.
        fs::write("/proc/self/clear_refs", "5")?;
        Ok(Self { at: Instant::now(), cpu_s: cpu_s()? })
    }

    fn read(&self) -> Result<Cost, Box<dyn Error>> {
        let status = fs::read_to_string("/proc/self/status")?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak_kib: f64 =
            peak.and_then(|text| text.trim().strip_suffix(" kB")).ok_or("no VmHWM")?.parse()?;
        let (wall_s, cpu_s) = (self.at.elapsed().as_secs_f64(), cpu_s()? - self.cpu_s);
        Ok(Cost { wall_s, cpu_s, peak_mib: peak_kib / 1024.0 })
    }
}

impl Cost {
    fn print(&self, count: u64, what: &str) {
        println!("  wall {:.2} s, CPU {:.2} s", self.wall_s, self.cpu_s);
        println!("  {:.0} {what} per CPU second", count as f64 / self.cpu_s);
        println!("  {:.0} {what} per second", count as f64 / self.wall_s);
        println!("  peak memory {:.1} MiB", self.peak_mib);
    }
}

/// User and system time of all threads.
fn cpu_s() -> Result<f64, Box<dyn Error>> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The name in parentheses may hold blanks.
    let (_, fields) = stat.rsplit_once(')').ok_or("no /proc/self/stat")?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let mut ticks = || -> Result<f64, Box<dyn Error>> {
        Ok(fields.next().ok_or("too few fields in /proc/self/stat")?.parse()?)
    };
    Ok((ticks()? + ticks()?) / TICKS)
}

/// Draws ranks by Zipf's law with exponent 1.
struct Zipf(Vec<f64>);

impl Zipf {
    fn new(count: usize) -> Self {
        let mut sum = 0.0;
        let mut sums: Vec<f64> = (1..=count)
            .map(|rank| {
                sum += 1.0 / rank as f64;
                sum
            })
            .collect();
        sums.iter_mut().for_each(|part| *part /= sum);
        Self(sums)
    }

    fn draw(&self, generator: &mut Xoshiro256PlusPlus) -> usize {
        let unit: f64 = generator.random();
        self.0.partition_point(|&sum| sum < unit).min(self.0.len() - 1)
    }
}

fn exponential(generator: &mut Xoshiro256PlusPlus) -> f64 {
    -(1.0 - generator.random::<f64>()).ln()
}

/// Writes lines in the order of the ends of their requests until there are `bytes`.
fn write_log(file: &mut impl Write, bytes: u64) -> Result<(), Box<dyn Error>> {
    let mut site = Site::new();
    // End and start of requests that are not over, the first end on top.
    let mut open: BinaryHeap<Reverse<(i64, i64)>> = BinaryHeap::new();
    let mut now_ns = START_NS;
    let mut written = 0;
    let mut line = Vec::new();
    while written < bytes {
        now_ns += (exponential(&mut site.generator) * 1e9 / RATE) as i64;
        while let Some(&Reverse((end_ns, start_ns))) = open.peek()
            && end_ns <= now_ns
        {
            open.pop();
            line.clear();
            site.push_line(start_ns, &mut line)?;
            file.write_all(&line)?;
            written += line.len() as u64;
        }
        let duration_ns = (exponential(&mut site.generator) * 1.5e8).min(DURATION_MAX_NS) as i64;
        open.push(Reverse((now_ns + duration_ns, now_ns)));
    }
    Ok(())
}

/// What is asked for, and by whom.
struct Site {
    generator: Xoshiro256PlusPlus,
    path_law: Zipf,
    client_law: Zipf,
    paths: Vec<String>,
    clients: Vec<String>,
    second: i64,
    stamp: String,
}

impl Site {
    fn new() -> Self {
        let mut generator = Xoshiro256PlusPlus::seed_from_u64(SEED);
        let paths = (0..PATHS).map(|index| path(index, &mut generator)).collect();
        let clients = (0..CLIENTS).map(|_| {
            let [a, b, c, d]: [u8; 4] = generator.random();
            format!("{}.{b}.{c}.{d}", a.max(1))
        });
        let clients = clients.collect();
        Self {
            generator,
            path_law: Zipf::new(PATHS),
            client_law: Zipf::new(CLIENTS),
            paths,
            clients,
            second: 0,
            stamp: String::new(),
        }
    }

    fn push_line(&mut self, start_ns: i64, line: &mut Vec<u8>) -> Result<(), Box<dyn Error>> {
        let second = start_ns / SECOND_NS;
        if second != self.second {
            let stamp = Timestamp::from_second(second)?.to_zoned(TimeZone::UTC);
            (self.second, self.stamp) =
                (second, stamp.strftime("%d/%b/%Y:%H:%M:%S %z").to_string());
        }
        let generator = &mut self.generator;
        let client = self.client_law.draw(generator);
        let path = self.path_law.draw(generator);
        let kind = generator.random_range(0..1000);
        let stamp = &self.stamp;
        write!(line, "{} - - [{stamp}] \"", self.clients[client])?;
        if kind == 999 {
            // One in a thousand speaks another protocol, or none.
            line.extend_from_slice(b"\\x16\\x03\\x01\\x02\" 400 226 \"-\" \"-\"\n");
            return Ok(());
        }
        let method = match kind {
            0..950 => "GET",
            950..990 => "POST",
            _ => "HEAD",
        };
        let status = match generator.random_range(0..100) {
            0..86 => 200,
            86..93 => 304,
            93..96 => 301,
            96..99 => 404,
            _ => 500,
        };
        let bytes = (exponential(generator) * 20_000.0) as u64;
        write!(line, "{method} {} HTTP/1.1\" {status} {bytes} ", self.paths[path])?;
        if generator.random_range(0..2) == 0 {
            line.extend_from_slice(b"\"-\"");
        } else {
            let from = self.path_law.draw(generator);
            write!(line, "\"https://www.example.com{}\"", self.paths[from])?;
        }
        // A client keeps its agent.
        writeln!(line, " \"{}\"", AGENTS[client % AGENTS.len()])?;
        Ok(())
    }
}

/// A path of a few segments; one in five has parameters, of these a few a secret.
fn path(index: usize, generator: &mut Xoshiro256PlusPlus) -> String {
    const WORDS: [&str; 8] =
        ["products", "images", "static", "api", "v1", "blog", "account", "search"];
    let depth = generator.random_range(1..4);
    let mut path = String::new();
    for _ in 0..depth {
        path.push('/');
        path.push_str(WORDS[generator.random_range(0..WORDS.len())]);
    }
    path.push_str(&format!("/{index}"));
    match generator.random_range(0..50) {
        0..9 => path.push_str(&format!("?page={}&sort=price", index % 30)),
        9 => path.push_str(&format!("?token={:016x}", generator.random::<u64>())),
        _ => path.push_str(".html"),
    }
    path
}

/// Writes counts by second that sum to `events`, with a rate that comes and goes by the hour.
fn write_counts(file: &mut impl Write, events: u64) -> Result<(), Box<dyn Error>> {
    let mut generator = Xoshiro256PlusPlus::seed_from_u64(SEED);
    writeln!(file, "offset_s,count")?;
    let (mut second, mut left) = (0_u64, events);
    while left > 0 {
        let wave = 1.0 + 0.5 * (second as f64 / 3600.0 * std::f64::consts::TAU).sin();
        let count = (COUNTS_RATE * wave * (0.5 + generator.random::<f64>())) as u64;
        let count = count.min(left);
        writeln!(file, "{second},{count}")?;
        (second, left) = (second + 1, left - count);
    }
    Ok(())
}
