//! Writes a synthetic run directory, to measure the analysis on:
//!
//! ```text
//! cargo run --release -p openload-analysis --example synthesize -- DIR ROWS
//! ```
//!
//! Poisson arrivals at 20,000/s from four workers, response times exponential around 5 ms, one
//! failure in a thousand. Rows are written in chunks of 65,536, so memory stays small.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use openload_contract::manifest::{self, HostRecord, TimelineRecord};
use openload_contract::{
    AnalysisSettings, ArrivalKind, Bound, LANES, Manifest, Metric, Objective, Outcome, PhaseRecord,
    RateLaw, Role, RunStatus, SCHEMA_VERSION, ScenarioRecord, ShardId, StreamRecord,
    TimelineDigest,
};
use openload_samples::{Chunk, Names, PartWriter, Rotation, Sample, worker_dir};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

const RATE: f64 = 20_000.0;
const WORKERS: u32 = 4;
const CHUNK_ROWS: usize = 65_536;
const SEED: u64 = 42;

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let dir = arguments.next().map(PathBuf::from);
    let rows = arguments.next().and_then(|rows| rows.to_str()?.parse().ok());
    let result = match (dir, rows) {
        (Some(dir), Some(rows)) => synthesize(&dir, rows),
        _ => Err("usage: synthesize DIR ROWS".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            fail(error.as_ref());
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "an example has no other way to say what went wrong")]
fn fail(error: &dyn Error) {
    eprintln!("{error}");
}

/// Writes the samples and then the manifest.
fn synthesize(dir: &Path, rows: u64) -> Result<(), Box<dyn Error>> {
    let names =
        Names::new(&["main"], &["warm", "hold"], &["browse", "buy"], &["list", "show", "order"]);
    let mut writers = (0..WORKERS)
        .map(|worker| {
            let folder = worker_dir(dir, ShardId::default(), worker);
            PartWriter::new(&folder, names.clone(), Rotation::default(), &[])
        })
        .collect::<Result<Vec<_>, _>>()?;
    let mut random = Xoshiro256PlusPlus::seed_from_u64(SEED);
    let mut digest = TimelineDigest::default();
    let length_ns = (rows as f64 / RATE * 1e9) as i64;
    let mut now_s = 0.0;
    let mut chunks: Vec<Chunk> = (0..WORKERS).map(|_| Chunk::with_capacity(CHUNK_ROWS)).collect();
    for seq in 0..rows {
        now_s += exponential(&mut random) / RATE;
        let sample = sample(seq, (now_s * 1e9) as i64, length_ns, &mut random);
        digest.add(sample.seq, sample.intended_ns);
        let worker = (seq % u64::from(WORKERS)) as usize;
        chunks[worker].push(&sample);
        if chunks[worker].len() == CHUNK_ROWS {
            writers[worker].append(&chunks[worker], sample.intended_ns)?;
            chunks[worker].clear();
        }
    }
    for (mut writer, chunk) in writers.into_iter().zip(chunks) {
        if !chunk.is_empty() {
            writer.append(&chunk, length_ns)?;
        }
        writer.close()?;
    }
    let end_ns = ((now_s * 1e9) as i64 + 1).max(length_ns);
    let timeline = TimelineRecord { arrivals: rows, digest: digest.to_string() };
    let text = serde_json::to_string_pretty(&manifest(length_ns, end_ns, timeline))?;
    Ok(fs::write(dir.join(manifest::FILE_NAME), text)?)
}

fn exponential(random: &mut Xoshiro256PlusPlus) -> f64 {
    -(1.0 - random.random::<f64>()).ln()
}

/// The first tenth of the timeline is a warm-up.
fn warm_end_ns(length_ns: i64) -> i64 {
    length_ns / 10
}

fn sample(seq: u64, intended_ns: i64, length_ns: i64, random: &mut Xoshiro256PlusPlus) -> Sample {
    let lag_ns = (exponential(random) * 2e4) as i64;
    let sent_ns = lag_ns + 15_000;
    let ttfb_ns = sent_ns + (exponential(random) * 5e6) as i64;
    let is_ok = !random.random_bool(0.001);
    let request = u16::from(seq.is_multiple_of(3)) + u16::from(seq.is_multiple_of(10));
    Sample {
        seq,
        intended_ns,
        lag_ns,
        connect_ns: Some(0),
        pool_wait_ns: Some(0),
        sent_ns: Some(sent_ns),
        ttfb_ns: Some(ttfb_ns),
        response_ns: ttfb_ns + 100_000,
        status: Some(if is_ok { 200 } else { 503 }),
        outcome: if is_ok { Outcome::Ok } else { Outcome::HttpError },
        stream: 0,
        phase: u16::from(intended_ns >= warm_end_ns(length_ns)),
        scenario: u16::from(seq.is_multiple_of(10)),
        request,
        step: 0,
        bytes_in: 512,
        bytes_out: 0,
    }
}

fn manifest(length_ns: i64, end_ns: i64, timeline: TimelineRecord) -> Manifest {
    let phase = |name: &str, role, start_ns, end_ns| PhaseRecord {
        name: name.to_owned(),
        role,
        arrival: ArrivalKind::Poisson,
        rate: RateLaw::Constant { rate: RATE },
        start_ns,
        end_ns,
    };
    let warm_end_ns = warm_end_ns(length_ns);
    let phases = vec![
        phase("warm", Role::Warmup, 0, warm_end_ns),
        phase("hold", Role::Soak, warm_end_ns, end_ns),
    ];
    let scenario = |name: &str, weight, requests: &[&str]| ScenarioRecord {
        name: name.to_owned(),
        weight,
        tags: Vec::new(),
        requests: requests.iter().map(|&request| request.to_owned()).collect(),
    };
    Manifest {
        schema_version: SCHEMA_VERSION.to_owned(),
        gen_version: env!("CARGO_PKG_VERSION").to_owned(),
        run_id: "synthetic".to_owned(),
        name: "synthetic".to_owned(),
        status: RunStatus::Complete,
        stopped_because: None,
        is_aborted: false,
        seed: SEED,
        start_unix_ns: 0,
        duration_ns: Some(end_ns),
        target: "http://127.0.0.1:8080".to_owned(),
        profile: serde_json::Value::Null,
        profile_sha256: String::new(),
        streams: vec![StreamRecord { name: "main".to_owned(), phases }],
        scenarios: vec![
            scenario("browse", 9.0, &["list", "show"]),
            scenario("buy", 1.0, &["show", "order"]),
        ],
        objectives: vec![Objective {
            metric: Metric::ResponseTime,
            quantile: Some(0.99),
            bound: Bound::Max(50.0),
            stream: None,
            phase: None,
            scenario: None,
            request: None,
            tag: None,
            window_s: None,
            strict: false,
            abort: None,
        }],
        analysis: AnalysisSettings::default(),
        lanes: LANES,
        workers: WORKERS,
        shard: ShardId::default(),
        max_in_flight: 10_000,
        pacing: "precise".to_owned(),
        spin_ns: Some(50_000),
        cpus: Vec::new(),
        host: HostRecord { cores: WORKERS, ..HostRecord::default() },
        timeline: Some(timeline),
    }
}
