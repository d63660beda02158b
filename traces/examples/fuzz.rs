//! Looks for inputs that make a format or the import panic, or say what cannot be:
//!
//! ```text
//! cargo run --release -p openload-traces --example fuzz -- [--seconds N] [--format NAME] [--seed N]
//! cargo run --release -p openload-traces --example fuzz -- --format NAME --input FILE
//! ```
//!
//! Cases go round all formats of the catalogue. What is found is written to `fuzz/found/` and can
//! be run again with `--input`. See `fuzz/engine.rs` for what a case is and what is checked.

#![expect(clippy::print_stdout, reason = "figures are what this is for")]
#![expect(clippy::print_stderr, reason = "an example has no other way to say what went wrong")]

#[path = "../fuzz/engine.rs"]
mod engine;

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::panic;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use engine::{Fuzzer, Tally, Target, case_seed, corpus_directory, targets};

/// Time a case may take. A few kilobytes are read in a thousandth of that; longest take windows of
/// requests at the highest rate.
const CASE_MAX: Duration = Duration::from_secs(20);

/// Findings of a format after which it is left alone.
const FINDINGS_MAX: u64 = 5;

/// What was asked for.
struct Arguments {
    seconds: u64,
    format: Option<String>,
    seed: u64,
    input: Option<PathBuf>,
}

/// What came of a format.
#[derive(Default)]
struct Row {
    tally: Tally,
    slowest: Duration,
    findings: u64,
}

fn main() -> ExitCode {
    match arguments().and_then(|arguments| fuzz(&arguments)) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(findings) => {
            eprintln!("{findings} findings");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Result<Arguments, Box<dyn Error>> {
    let mut arguments = Arguments { seconds: 60, format: None, seed: 1, input: None };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
        match &word[..] {
            "--seconds" => arguments.seconds = value.parse()?,
            "--format" => arguments.format = Some(value),
            "--seed" => arguments.seed = value.parse()?,
            "--input" => arguments.input = Some(PathBuf::from(value)),
            _ => return Err(format!("there is no {word}").into()),
        }
    }
    Ok(arguments)
}

fn fuzz(arguments: &Arguments) -> Result<u64, Box<dyn Error>> {
    // The message comes with the finding; this says where.
    panic::set_hook(Box::new(|info| {
        // The Parquet library panics inside a guard.
        if let Some(place) = info.location().filter(|place| place.file().contains("traces/")) {
            eprintln!("panic at {place}");
        }
    }));
    let mut targets = targets(&corpus_directory())?;
    if let Some(name) = &arguments.format {
        targets.retain(|target| target.format == name);
        if targets.is_empty() {
            return Err(format!("there is no format called {name}").into());
        }
    }
    let fuzzer = Fuzzer::new()?;
    if let Some(path) = &arguments.input {
        return replay(&fuzzer, &targets, path);
    }
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/found");
    let mut rows: BTreeMap<&str, Row> = BTreeMap::new();
    let until = Instant::now() + Duration::from_secs(arguments.seconds);
    let mut number = 0;
    while Instant::now() < until {
        for target in &targets {
            number += 1;
            let row = rows.entry(target.format).or_default();
            if row.findings >= FINDINGS_MAX {
                continue;
            }
            let seed = case_seed(arguments.seed, number);
            let started = Instant::now();
            let result = fuzzer.run(target, seed);
            let took = started.elapsed();
            row.slowest = row.slowest.max(took);
            match result {
                Ok(tally) if took < CASE_MAX => row.tally.add(&tally),
                Ok(_) => {
                    row.findings += 1;
                    eprintln!("{}: seed {seed}: took {took:?}", target.format);
                }
                Err(finding) => {
                    row.findings += 1;
                    fs::create_dir_all(&found)?;
                    let path = found.join(format!("{}-{seed}", target.format));
                    fs::write(&path, &finding.input)?;
                    let what: String = finding.what.chars().take(600).collect();
                    eprintln!("{}: seed {seed}: {what}: {}", target.format, path.display());
                }
            }
        }
    }
    print(&rows);
    Ok(rows.values().map(|row| row.findings).sum())
}

/// Runs an input that was kept through all ways a format is used.
fn replay(fuzzer: &Fuzzer, targets: &[Target], path: &Path) -> Result<u64, Box<dyn Error>> {
    let input = fs::read(path)?;
    let mut findings = 0;
    for target in targets {
        match fuzzer.run_input(target, &input) {
            Ok(tally) => println!("{}: {tally:?}", target.format),
            Err(finding) => {
                findings += 1;
                eprintln!("{}: {}", target.format, finding.what);
            }
        }
    }
    Ok(findings)
}

fn print(rows: &BTreeMap<&str, Row>) {
    println!(
        "{:<21}{:>10}{:>11}{:>11}{:>10}{:>9}{:>10}{:>11}{:>11}{:>9}",
        "format",
        "cases",
        "records",
        "skips",
        "refused",
        "imports",
        "timelines",
        "events",
        "slowest ms",
        "found"
    );
    let mut total = Row::default();
    for row in rows.values() {
        total.tally.add(&row.tally);
        total.slowest = total.slowest.max(row.slowest);
        total.findings += row.findings;
    }
    for (name, row) in rows.iter().chain([(&"all", &total)]) {
        let Tally { cases, records, skips, refused, imports, timelines, events } = row.tally;
        println!(
            "{name:<21}{cases:>10}{records:>11}{skips:>11}{refused:>10}{imports:>9}{timelines:>10}\
             {events:>11}{:>11}{:>9}",
            row.slowest.as_millis(),
            row.findings
        );
    }
}
