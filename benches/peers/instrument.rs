//! What `run.py` cannot measure from Python: how punctual a generator was, judged at the server,
//! and how punctual this machine lets anybody be.
//!
//! `deviation` reads a recording of `gen target --record`. For `gen` each request is matched to its
//! sample by the number in its path, and its deviation is its reception minus its intended
//! start, on the wall clock: the way over the loopback and the target's wake-up are in it.
//! Nobody knows the intended starts of other tools; theirs were to be regular, so request `i`
//! (in order of reception) is held against the line `offset + i / rate` below all of them. That
//! forgives them the way to the server, a late begin, and, as the rate is fitted when that
//! suits them better, a rate that is slightly wrong.
//!
//! `floor` polls the clock and nothing else. An instant of a regular schedule is as late as the
//! first reading behind it: what no generator on this core could have done better at that time.

use std::collections::HashMap;
use std::error::Error;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt64Type};
use clap::{Parser, Subcommand};
use openload::target::recording::read_recording;
use openload_contract::Manifest;
use openload_samples::read_parts;
use serde_json::{Value, json};

const NS_PER_S: f64 = 1e9;

/// The end of the load that is left out, in seconds: tools stop a little early or late.
const END_S: f64 = 0.25;

/// A gap between two readings of the clock from which on it counts as time taken away.
const GAP_NS: i64 = 50_000;

#[derive(Parser)]
#[command(about = "Measures punctuality at the server, and the floor of the machine.")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Hold a recording against its schedule.
    Deviation {
        /// Recording of the target.
        recording: PathBuf,
        /// Run directory of `gen`; without it the schedule was regular.
        #[arg(long)]
        run: Option<PathBuf>,
        /// Requests a second that were asked for.
        #[arg(long)]
        rate: f64,
        /// Length of the load in seconds.
        #[arg(long)]
        seconds: f64,
        /// Leave out this many first seconds.
        #[arg(long, default_value_t = 0.0)]
        skip: f64,
    },
    /// Poll the clock and tell how late a regular schedule would have been.
    Floor {
        /// How long.
        #[arg(long)]
        seconds: f64,
        /// Instants a second.
        #[arg(long, default_value_t = 10_000.0)]
        rate: f64,
    },
}

#[expect(clippy::print_stdout, reason = "its output is what it is for")]
fn main() -> Result<(), Box<dyn Error>> {
    let figures = match Args::parse().command {
        Command::Deviation { recording, run, rate, seconds, skip } => {
            let seen = Seen::read(&recording)?;
            match run {
                Some(run) => seen.against_samples(&Schedule::read(&run)?, seconds, skip),
                None => seen.against_a_line(rate, seconds, skip),
            }
        }
        Command::Floor { seconds, rate } => floor(seconds, rate),
    };
    println!("{figures}");
    Ok(())
}

/// The requests a target has seen, in order of reception.
struct Seen {
    requests: Vec<(i64, Option<u64>)>,
    connections: u32,
}

impl Seen {
    fn read(recording: &Path) -> Result<Self, Box<dyn Error>> {
        let mut requests = Vec::new();
        let mut connections = 0;
        for request in read_recording(recording)? {
            let request = request?;
            let number = request.target.trim_start_matches('/').parse().ok();
            requests.push((request.received_unix_ns, number));
            connections = connections.max(request.connection + 1);
        }
        requests.sort_unstable();
        Ok(Self { requests, connections })
    }

    fn begin_ns(&self) -> i64 {
        self.requests.first().map_or(0, |(received_ns, _)| *received_ns)
    }

    /// Requests received in a stretch of time.
    fn between(&self, begin_ns: i64, end_ns: i64) -> &[(i64, Option<u64>)] {
        let before = |ns| self.requests.partition_point(|(received_ns, _)| *received_ns < ns);
        &self.requests[before(begin_ns)..before(end_ns)]
    }

    fn against_samples(&self, schedule: &Schedule, seconds: f64, skip: f64) -> Value {
        let stretch = Stretch::of(schedule.start_unix_ns, seconds, skip);
        let mut unmatched = 0;
        let mut deviations_ns = Vec::new();
        for (received_ns, number) in self.between(stretch.begin_ns, i64::MAX) {
            match number.and_then(|number| schedule.intended_unix_ns.get(&number)) {
                Some(intended_ns) => deviations_ns.push(received_ns - intended_ns),
                None => unmatched += 1,
            }
        }
        let planned = schedule.intended_unix_ns.values().filter(|ns| stretch.holds(**ns)).count();
        let mut figures = quantiles_us(deviations_ns);
        figures["against"] = "samples".into();
        figures["unmatched"] = unmatched.into();
        json!({ "steady": self.steady(&stretch, planned as f64), "deviation": figures })
    }

    fn against_a_line(&self, rate: f64, seconds: f64, skip: f64) -> Value {
        let stretch = Stretch::of(self.begin_ns(), seconds, skip);
        let steady = self.between(stretch.begin_ns, stretch.end_ns);
        let received_ns: Vec<i64> = steady.iter().map(|(received_ns, _)| *received_ns).collect();
        let intervals_ns = [NS_PER_S / rate, fitted_interval_ns(&received_ns)];
        let mut lines = intervals_ns.map(|interval_ns| {
            let mut figures = quantiles_us(above_the_line(&received_ns, interval_ns));
            figures["against"] = "line".into();
            figures["rate"] = (NS_PER_S / interval_ns).into();
            figures
        });
        lines.sort_by(|a, b| a["p99_us"].as_f64().total_cmp_to(b["p99_us"].as_f64()));
        let planned = rate * stretch.seconds();
        json!({ "steady": self.steady(&stretch, planned), "deviation": lines[0].take() })
    }

    /// What came while it should: a generator that delivers the rest later has not held its rate.
    fn steady(&self, stretch: &Stretch, planned: f64) -> Value {
        json!({
            "planned": planned,
            "received": self.between(stretch.begin_ns, stretch.end_ns).len(),
            "seconds": stretch.seconds(),
            "connections": self.connections,
        })
    }
}

/// The part of the load that is judged: begin and end of a tool are its own affair.
struct Stretch {
    begin_ns: i64,
    end_ns: i64,
}

impl Stretch {
    /// From `skip` seconds after the load's begin to [`END_S`] before its end.
    fn of(load_begin_ns: i64, seconds: f64, skip: f64) -> Self {
        let after = |seconds: f64| load_begin_ns + (seconds * NS_PER_S) as i64;
        Self { begin_ns: after(skip), end_ns: after(seconds - END_S) }
    }

    fn holds(&self, ns: i64) -> bool {
        (self.begin_ns..self.end_ns).contains(&ns)
    }

    fn seconds(&self) -> f64 {
        (self.end_ns - self.begin_ns) as f64 / NS_PER_S
    }
}

/// When the requests of a run of `gen` should have started, by number.
struct Schedule {
    start_unix_ns: i64,
    intended_unix_ns: HashMap<u64, i64>,
}

impl Schedule {
    fn read(run: &Path) -> Result<Self, Box<dyn Error>> {
        let manifest: Manifest = serde_json::from_reader(File::open(run.join("run.json"))?)?;
        let start_unix_ns = manifest.start_unix_ns;
        let mut intended_unix_ns = HashMap::new();
        for batch in read_parts(run, &["seq", "intended_ns"])? {
            let batch = batch?;
            let seq = batch.column(0).as_primitive::<UInt64Type>().values();
            let intended_ns = batch.column(1).as_primitive::<Int64Type>().values();
            let unix_ns = intended_ns.iter().map(|ns| start_unix_ns + ns);
            intended_unix_ns.extend(seq.iter().copied().zip(unix_ns));
        }
        Ok(Self { start_unix_ns, intended_unix_ns })
    }
}

/// Orders figures that may be missing; the missing ones last.
trait TotalCmp {
    fn total_cmp_to(self, other: Self) -> std::cmp::Ordering;
}

impl TotalCmp for Option<f64> {
    fn total_cmp_to(self, other: Self) -> std::cmp::Ordering {
        let value = |figure: Self| figure.unwrap_or(f64::INFINITY);
        value(self).total_cmp(&value(other))
    }
}

/// Slope of the least-squares line through (i, reception of request i).
fn fitted_interval_ns(received_ns: &[i64]) -> f64 {
    let Some(first_ns) = received_ns.first() else { return f64::NAN };
    let count = received_ns.len() as f64;
    let mean_index = (count - 1.0) / 2.0;
    let offsets = || received_ns.iter().map(|ns| (ns - first_ns) as f64);
    let mean_ns = offsets().sum::<f64>() / count;
    let moment: f64 =
        offsets().enumerate().map(|(i, ns)| (i as f64 - mean_index) * (ns - mean_ns)).sum();
    // Sum of the squared distances of 0..n from their mean.
    moment / (count * (count * count - 1.0) / 12.0)
}

/// How far each request lies above the highest line of this slope that is above none of them.
fn above_the_line(received_ns: &[i64], interval_ns: f64) -> Vec<i64> {
    let first_ns = received_ns.first().copied().unwrap_or(0);
    let residual = |(i, ns): (usize, &i64)| (ns - first_ns) - (i as f64 * interval_ns) as i64;
    let residuals: Vec<i64> = received_ns.iter().enumerate().map(residual).collect();
    let lowest = residuals.iter().copied().min().unwrap_or(0);
    residuals.into_iter().map(|residual| residual - lowest).collect()
}

fn quantiles_us(mut values_ns: Vec<i64>) -> Value {
    values_ns.sort_unstable();
    let quantile = |q: f64| {
        let rank = (q * values_ns.len() as f64).ceil() as usize;
        values_ns.get(rank.saturating_sub(1)).map(|ns| *ns as f64 / 1e3)
    };
    json!({
        "count": values_ns.len(),
        "min_us": quantile(0.0),
        "p50_us": quantile(0.5),
        "p90_us": quantile(0.9),
        "p99_us": quantile(0.99),
        "p999_us": quantile(0.999),
        "max_us": quantile(1.0),
    })
}

fn floor(seconds: f64, rate: f64) -> Value {
    let begin = Instant::now();
    let now_ns = || begin.elapsed().as_nanos() as i64;
    let end_ns = Duration::from_secs_f64(seconds).as_nanos() as i64;
    let interval_ns = NS_PER_S / rate;
    let mut late_ns = Vec::new();
    let (mut gaps, mut lost_ns, mut before_ns) = (0_u64, 0, now_ns());
    while before_ns < end_ns {
        let ns = now_ns();
        if ns - before_ns > GAP_NS {
            gaps += 1;
            lost_ns += ns - before_ns;
        }
        while ((late_ns.len() as f64) * interval_ns) as i64 <= ns {
            late_ns.push(ns - (late_ns.len() as f64 * interval_ns) as i64);
        }
        before_ns = ns;
    }
    let mut figures = quantiles_us(late_ns);
    figures["gaps"] = gaps.into();
    figures["lost_share"] = (lost_ns as f64 / end_ns as f64).into();
    figures
}

#[cfg(test)]
mod tests {
    use super::{above_the_line, fitted_interval_ns, quantiles_us};

    #[test]
    fn a_regular_train_lies_on_its_line_whatever_its_rate() {
        let train: Vec<i64> = (0..1000).map(|i| 5_000 + i * 777).collect();
        assert!((fitted_interval_ns(&train) - 777.0).abs() < 1e-6);
        let above = above_the_line(&train, 777.0);
        assert!(above.iter().all(|&ns| ns <= 1), "{above:?}");
    }

    #[test]
    fn trains_in_phase_show_as_bursts() {
        // Ten connections that send together every 10,000 ns.
        let train: Vec<i64> = (0..1000).map(|i| i / 10 * 10_000).collect();
        let figures = quantiles_us(above_the_line(&train, 1000.0));
        assert_eq!(figures["p50_us"], 4.0);
        assert_eq!(figures["max_us"], 9.0);
    }
}
