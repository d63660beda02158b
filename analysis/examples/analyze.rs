//! Analyses a run directory and prints the summary as JSON: for measuring the analysis alone.
//!
//! ```text
//! cargo run --release -p openload-analysis --example analyze -- DIR
//! cargo run --release -p openload-analysis --example analyze -- --quantiles DIR
//! ```
//!
//! With `--quantiles` only what any reader of the files can compute is computed: quantiles of the
//! response time of all measured arrivals, failures ranking last, and per second of intended time
//! counts and quantiles of the successes. `benches/analysis` holds it beside other readers.

use std::env;
use std::error::Error;
use std::io::{self, Write};
use std::path::Path;

use openload_analysis::load::RESPONSE_COLUMNS;
use openload_analysis::quantile::CENSORED;
use openload_analysis::survey::{Measure, quantiles};
use openload_analysis::{Run, analyze, seconds};

/// Levels of the quantiles.
const LEVELS: [f64; 5] = [0.5, 0.9, 0.95, 0.99, 0.999];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    let mut out = io::stdout().lock();
    match arguments.as_slice() {
        [flag, dir] if flag == "--quantiles" => print_quantiles(Path::new(dir), &mut out),
        [dir] => {
            let analysis = analyze(Path::new(dir))?;
            serde_json::to_writer_pretty(&mut out, &analysis.summary)?;
            Ok(writeln!(out)?)
        }
        _ => Err("usage: analyze [--quantiles] DIR".into()),
    }
}

/// Prints the quantiles in ns, `null` among failures, and a line for each second.
fn print_quantiles(dir: &Path, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let run = Run::open_columns(dir, &RESPONSE_COLUMNS)?;
    let measured = run.samples.columns().rows(|kind| kind.is_measured);
    let found = quantiles(&measured, &[Measure::Response], &LEVELS).remove(0);
    let found: Vec<Option<i64>> =
        found.into_iter().map(|value| value.filter(|&value| value != CENSORED)).collect();
    let line = serde_json::json!({ "count": measured.count(), "quantiles": found });
    writeln!(out, "{line}")?;
    let ns = |ms: Option<f64>| ms.map(|ms| (ms * 1e6).round() as i64);
    for row in seconds::seconds(&run) {
        let times = [
            row.response_p50_ms,
            row.response_p90_ms,
            row.response_p95_ms,
            row.response_p99_ms,
            row.response_max_ms,
        ];
        let line = serde_json::json!([row.t_s, row.offered, row.ok, times.map(ns)]);
        writeln!(out, "{line}")?;
    }
    Ok(())
}
