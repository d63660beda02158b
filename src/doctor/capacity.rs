//! The highest rate this host sends on time.
//!
//! Short runs against the built-in target go through the real engine, samples and all: what is
//! measured is what a run gets, with the target on the same processors. A rate counts as held
//! when 99 % of the arrivals were dispatched within a millisecond of their intended starts and
//! 99 % were answered. The search doubles the rate until it is not held, then closes in.

use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use openload_contract::ShardId;
use openload_samples::read_parts;
use schemars::JsonSchema;
use serde::Serialize;
use thiserror::Error;

use super::timing::Lateness;
use crate::os;
use crate::pacer::Pacing;
use crate::profile::{self, Overrides, ProfileError};
use crate::run::{RunError, RunSettings, start};

/// Greatest p99 of the lag at which a rate counts as held.
const LAG_P99_MAX_NS: i64 = 1_000_000;

/// Share of the arrivals that must be answered.
const ANSWERED_SHARE: f64 = 0.99;

/// Connections at once: enough for a burst, and within every usual limit of open files.
pub(super) const IN_FLIGHT_MAX: u32 = 256;

/// Why a short run could not be made.
#[derive(Debug, Error)]
pub enum TrialError {
    /// The run failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Its profile was refused.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// Its samples could not be read.
    #[error(transparent)]
    Samples(#[from] openload_samples::Error),
    /// Its folder could not be removed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// One short run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Trial {
    /// Worker threads.
    pub workers: u32,
    /// Arrivals per second asked for.
    pub rate: f64,
    /// Their schedule lag.
    pub lag: Lateness,
    /// Share of the arrivals that were answered.
    pub answered_share: f64,
}

impl Trial {
    /// Tells whether the rate was held.
    pub fn is_held(&self) -> bool {
        self.lag.p99_ns < LAG_P99_MAX_NS && self.answered_share >= ANSWERED_SHARE
    }
}

/// What a number of workers can send.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Capacity {
    /// Worker threads.
    pub workers: u32,
    /// Highest rate held, in arrivals per second; absent when not even the lowest was.
    pub rate: Option<f64>,
    /// Every short run that was made.
    pub trials: Vec<Trial>,
}

/// How thoroughly to search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Search {
    /// Rate to begin with, in arrivals per second.
    pub first: f64,
    /// Lowest rate worth a try when that one is not held.
    pub bottom: f64,
    /// Rate at which to stop.
    pub top: f64,
    /// How often to close in.
    pub refinements: u32,
    /// Length of a run that counts, in seconds.
    pub length_s: f64,
}

/// Searches the highest rate that `workers` hold; runs go to `scratch`.
///
/// # Errors
/// When a run cannot be made.
pub fn capacity(workers: u32, search: Search, scratch: &Path) -> Result<Capacity, TrialError> {
    let mut trials = Vec::new();
    let rate = highest_held(search, |rate| {
        // One disturbance from outside must not halve the result.
        for _ in 0..2 {
            let trial = trial(workers, rate, search.length_s, scratch)?;
            trials.push(trial);
            if trial.is_held() {
                return Ok(true);
            }
        }
        Ok::<_, TrialError>(false)
    })?;
    Ok(Capacity { workers, rate, trials })
}

/// Doubles the rate until it is not held, then halves the distance (as a ratio) to the last
/// one that was. A first rate that is not held is divided by four, down to the bottom.
fn highest_held<E>(
    search: Search,
    mut is_held: impl FnMut(f64) -> Result<bool, E>,
) -> Result<Option<f64>, E> {
    let mut missed = None;
    let mut held = search.first;
    while !is_held(held)? {
        missed = Some(held);
        held /= 4.0;
        if held < search.bottom {
            return Ok(None);
        }
    }
    while missed.is_none() && held < search.top {
        let next = (2.0 * held).min(search.top);
        if is_held(next)? { held = next } else { missed = Some(next) }
    }
    let Some(mut missed) = missed else { return Ok(Some(held)) };
    for _ in 0..search.refinements {
        let middle = (held * missed).sqrt();
        if is_held(middle)? { held = middle } else { missed = middle }
    }
    Ok(Some(held))
}

/// Makes one short run and reads its lags.
fn trial(workers: u32, rate: f64, length_s: f64, scratch: &Path) -> Result<Trial, TrialError> {
    // Connections are made in the first stretch, which does not count.
    let settle_s = length_s / 4.0;
    let text = format!(
        "name = \"doctor\"\nseed = 1\n[target]\nurl = \"embedded\"\n\
         [target.embedded]\nservers = 64\n\
         service = {{ law = \"deterministic\", mean = \"10us\" }}\n\
         [connection]\nmax_in_flight = {IN_FLIGHT_MAX}\ndrain_timeout = \"2s\"\n\
         [[phase]]\nname = \"settle\"\nrole = \"warmup\"\nduration = \"{settle_s}s\"\nrate = {rate}\n\
         [[phase]]\nname = \"steady\"\nduration = \"{length_s}s\"\nrate = {rate}\n",
    );
    let plan = profile::parse("gen doctor", &text, &Overrides::default())?;
    let run_dir = scratch.join("run");
    let settings = RunSettings {
        run_dir: run_dir.clone(),
        workers,
        shard: ShardId::default(),
        pacing: Pacing::Precise,
        cpus: Vec::new(),
        cores: os::cores(),
        start_at: None,
    };
    let outcome = start(plan, settings)?.wait()?;
    let lag = lag_after(&run_dir, (settle_s * 1e9) as i64)?;
    std::fs::remove_dir_all(&run_dir)?;
    let failed: u64 = outcome.failures.iter().map(|failure| failure.count).sum();
    let answered_share = 1.0 - failed as f64 / outcome.arrivals.max(1) as f64;
    Ok(Trial { workers, rate, lag, answered_share })
}

/// Lags of the arrivals intended at `start_ns` or later.
fn lag_after(run_dir: &Path, start_ns: i64) -> Result<Lateness, TrialError> {
    let mut lags_ns = Vec::new();
    for batch in read_parts(run_dir, &["intended_ns", "lag_ns"])? {
        let batch = batch?;
        let column = |position: usize| batch.column(position).as_primitive::<Int64Type>().values();
        let rows = column(0).iter().zip(column(1));
        let counted = rows.filter(|(intended_ns, _)| **intended_ns >= start_ns);
        lags_ns.extend(counted.map(|(_, lag_ns)| *lag_ns));
    }
    Ok(Lateness::of(lags_ns))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::{Search, highest_held};

    fn found(limit: f64, refinements: u32) -> (Option<f64>, Vec<f64>) {
        let (bottom, top) = (500.0, 200_000.0);
        let search = Search { first: 10_000.0, bottom, top, refinements, length_s: 1.0 };
        let mut tried = Vec::new();
        let held = highest_held(search, |rate| {
            tried.push(rate);
            Ok::<_, Infallible>(rate <= limit)
        });
        (held.unwrap(), tried)
    }

    #[test]
    fn the_highest_rate_is_found_within_the_refinement() {
        let (held, tried) = found(65_000.0, 3);
        assert!((57_000.0..=65_000.0).contains(&held.unwrap()), "{tried:?}");
        assert_eq!(tried[..4], [10_000.0, 20_000.0, 40_000.0, 80_000.0]);
        assert_eq!(tried.len(), 7);
    }

    #[test]
    fn the_search_stops_at_the_top_and_at_the_bottom() {
        assert_eq!(found(1e9, 3).0, Some(200_000.0));
        assert_eq!(found(700.0, 0), (Some(625.0), vec![10_000.0, 2_500.0, 625.0]));
        assert_eq!(found(100.0, 3), (None, vec![10_000.0, 2_500.0, 625.0]));
    }
}
