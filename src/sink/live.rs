//! Figures for people who watch: counts and histograms of the rows written so far.
//!
//! HDR histograms with three significant digits, so a live quantile is at most 0.1 % above
//! the exact one. The verdict never uses them.

use std::sync::{Arc, Mutex, PoisonError};

use hdrhistogram::Histogram;
use openload_contract::Outcome;
use openload_samples::Chunk;

/// Longest time a histogram tells apart: an hour.
const HIGHEST_NS: u64 = 3_600_000_000_000;

/// Figures since the last look.
#[derive(Debug, Clone)]
pub struct LiveFigures {
    /// Rows that ended `ok`.
    pub ok: u64,
    /// Rows that did not.
    pub failed: u64,
    /// Response times of the rows that ended `ok`, in ns.
    pub response_ns: Histogram<u64>,
    /// Schedule lags, in ns.
    pub lag_ns: Histogram<u64>,
}

impl LiveFigures {
    fn new() -> Self {
        let histogram =
            || Histogram::new_with_bounds(1, HIGHEST_NS, 3).expect("1 < 3600 s and 3 digits");
        Self { ok: 0, failed: 0, response_ns: histogram(), lag_ns: histogram() }
    }

    fn add(&mut self, chunk: &Chunk) {
        for (response_ns, outcome) in chunk.responses() {
            if outcome == Outcome::Ok {
                self.ok += 1;
                self.response_ns.saturating_record(response_ns.max(1).unsigned_abs());
            } else {
                self.failed += 1;
            }
        }
        for &lag_ns in chunk.lags() {
            self.lag_ns.saturating_record(lag_ns.max(1).unsigned_abs());
        }
    }
}

/// Live figures, shared by the writer and whoever watches.
#[derive(Debug, Clone)]
pub struct Live(Arc<Mutex<LiveFigures>>);

impl Live {
    /// Makes figures of no rows.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(LiveFigures::new())))
    }

    /// Adds the rows of a chunk.
    pub fn add(&self, chunk: &Chunk) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).add(chunk);
    }

    /// Takes the figures since the last call.
    pub fn take(&self) -> LiveFigures {
        let mut figures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *figures, LiveFigures::new())
    }
}

impl Default for Live {
    fn default() -> Self {
        Self::new()
    }
}
