//! What a row costs: CPU on the way from a worker to the disk, bytes in the part.
//!
//! `row_cost [ROWS] [RATE] [SCENARIOS]` takes rows as a run makes them: Poisson arrivals of
//! one stream, written down in the order of their completion, response times about 100 µs
//! with noise in every stamp. Each step is done on one thread and timed with that thread's
//! CPU clock, so that neighbours on the machine hardly count.

#![expect(clippy::print_stdout, reason = "figures are what this is for")]

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::path::Path;

use openload_contract::digest::mix;
use openload_contract::{LANES, Outcome};
use openload_samples::{Chunk, Encoder, JournalWriter, Names, PageFile, Sample};
use rustix::time::{ClockId, clock_gettime};

/// Rows of a chunk as a worker hands them over.
const CHUNK_ROWS: usize = 4_096;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).filter_map(|word| word.parse().ok());
    let rows = arguments.next().unwrap_or(5_000_000);
    let rate = arguments.next().unwrap_or(30_000);
    let scenarios = arguments.next().unwrap_or(4);
    let samples = completed(rows, rate as f64, scenarios);
    println!("rows {rows}, rate {rate}/s, scenarios {scenarios}");
    let dir = tempfile::tempdir()?;
    let bytes = measure(&samples, scenarios, dir.path())?;
    println!("part       {:>7.2} bytes/row", bytes as f64 / rows as f64);
    Ok(())
}

/// Rows of a Poisson stream in the order in which their responses are complete.
fn completed(rows: usize, rate: f64, scenarios: usize) -> Vec<Sample> {
    let mut in_lane = vec![0; LANES as usize];
    let mut intended_ns = 0;
    let mut samples: Vec<Sample> = (0..rows as u64)
        .map(|index| {
            let lane = mix(index ^ 7) % u64::from(LANES);
            let seq = in_lane[lane as usize] * u64::from(LANES) + lane;
            in_lane[lane as usize] += 1;
            intended_ns += noise(seq, 5, 1e9 / rate);
            sample(seq, intended_ns, (mix(seq) % scenarios as u64) as u16)
        })
        .collect();
    samples.sort_by_key(|sample| sample.intended_ns + sample.response_ns);
    samples
}

/// An exponentially distributed time.
fn noise(seq: u64, salt: u64, mean_ns: f64) -> i64 {
    let unit = (mix(seq ^ mix(salt)) >> 11) as f64 / (1_u64 << 53) as f64;
    (-mean_ns * (1.0 - unit).ln()) as i64
}

/// A row whose steps take a least time and exponential noise, as on a quiet machine.
fn sample(seq: u64, intended_ns: i64, scenario: u16) -> Sample {
    let noise = |salt, mean_ns| noise(seq, salt, mean_ns);
    let lag_ns = 500 + noise(1, 4_000.0);
    let sent_ns = lag_ns + 3_000 + noise(2, 1_000.0);
    let ttfb_ns = sent_ns + 50_000 + noise(3, 40_000.0);
    Sample {
        seq,
        intended_ns,
        lag_ns,
        connect_ns: Some(0),
        pool_wait_ns: Some(0),
        sent_ns: Some(sent_ns),
        ttfb_ns: Some(ttfb_ns),
        response_ns: ttfb_ns + 800 + noise(4, 500.0),
        status: Some(200),
        outcome: Outcome::Ok,
        stream: 0,
        phase: 0,
        scenario,
        request: scenario,
        step: 0,
        bytes_in: 64 << scenario,
        bytes_out: 0,
    }
}

fn names(scenarios: usize) -> Names {
    let names: Vec<String> = (0..scenarios).map(|scenario| format!("s{scenario}")).collect();
    Names::new(&["main".to_owned()], &["steady".to_owned()], &names, &names)
}

/// Adds up the CPU time of one step.
struct Step {
    name: &'static str,
    ns: i64,
}

impl Step {
    fn new(name: &'static str) -> Self {
        Self { name, ns: 0 }
    }

    fn time<T>(&mut self, step: impl FnOnce() -> T) -> T {
        let start = thread_cpu_ns();
        let done = step();
        self.ns += thread_cpu_ns() - start;
        done
    }
}

fn thread_cpu_ns() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// Takes the rows from a worker's chunk to a closed part, step by step.
fn measure(samples: &[Sample], scenarios: usize, dir: &Path) -> Result<u64, Box<dyn Error>> {
    let names = names(scenarios);
    let mut encoder = Encoder::new(&names);
    let mut journal = JournalWriter::create(&dir.join("journal"), &names)?;
    let part = dir.join("part.parquet");
    let mut file = PageFile::create(&part, &names, &[])?;
    let mut chunk = Chunk::with_capacity(CHUNK_ROWS);
    let mut steps = ["read", "push", "encode", "journal", "part"].map(Step::new);
    let [read, push, encode, write, append] = &mut steps;
    let mut longest_ns = 0;
    for rows in samples.chunks(CHUNK_ROWS) {
        read.time(|| rows.iter().for_each(|sample| _ = black_box(sample)));
        push.time(|| rows.iter().for_each(|sample| chunk.push(black_box(sample))));
        let start_ns = thread_cpu_ns();
        let pages = encode.time(|| encoder.encode(&chunk));
        write.time(|| journal.append(&pages, encoder.dictionaries()))?;
        append.time(|| file.append(&pages, encoder.dictionaries()))?;
        chunk.clear();
        longest_ns = longest_ns.max(thread_cpu_ns() - start_ns);
    }
    append.time(|| file.finish(encoder.dictionaries()))?;
    let rows = samples.len() as f64;
    for step in &steps {
        println!("{:<10} {:>7.1} ns/row", step.name, step.ns as f64 / rows);
    }
    let total_ns: i64 = steps.iter().map(|step| step.ns).sum();
    println!("{:<10} {:>7.1} ns/row", "together", total_ns as f64 / rows);
    println!("longest turn of the writer: {:.2} ms", longest_ns as f64 / 1e6);
    println!(
        "journal    {:>7.2} bytes/row",
        fs::metadata(dir.join("journal"))?.len() as f64 / rows
    );
    Ok(fs::metadata(part)?.len())
}
