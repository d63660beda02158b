//! Constants of the analysis, settable in a profile's `[analysis]` table.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What becomes of a beginning that differs from the rest, in a run without a warm-up phase.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trim {
    /// It counts, and the reader is told.
    #[default]
    None,
    /// The objectives leave it out, and the reader is told.
    Auto,
}

impl Trim {
    /// Tells whether nothing is left out.
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }
}

/// Constants of the analysis. They travel in `run.json` and are repeated in `summary.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AnalysisSettings {
    /// Shortest window of the drift analysis, in seconds.
    pub drift_window_s: f64,
    /// Fewest samples in a window of the drift analysis.
    pub drift_window_samples: u64,
    /// Relative change per 24 h of the median that counts as drift.
    pub drift_p50: f64,
    /// Relative change per 24 h of the 99th percentile that counts as drift.
    pub drift_p99: f64,
    /// Relative change per 24 h of the target's memory that counts as drift.
    pub drift_memory: f64,
    /// Window of the recovery analysis, in seconds.
    pub recovery_window_s: f64,
    /// How long the target must stay in band to count as recovered, in seconds.
    pub recovery_hold_s: f64,
    /// Schedule lag at the 99th percentile above which a run is invalid, in milliseconds.
    pub lag_p99_max_ms: f64,
    /// Schedule lag above which a single arrival is late, in milliseconds.
    pub lag_late_ms: f64,
    /// Share of late arrivals above which a run is invalid.
    pub lag_late_share: f64,
    /// Silence in dispatch, while arrivals were due, above which a run is invalid, in seconds.
    pub gap_max_s: f64,
    /// What becomes of a beginning that differs from the rest, in a run without a warm-up phase.
    #[serde(skip_serializing_if = "Trim::is_none")]
    pub trim: Trim,
}

impl Default for AnalysisSettings {
    fn default() -> Self {
        Self {
            drift_window_s: 10.0,
            drift_window_samples: 200,
            drift_p50: 0.10,
            drift_p99: 0.20,
            drift_memory: 0.05,
            recovery_window_s: 0.5,
            recovery_hold_s: 5.0,
            lag_p99_max_ms: 10.0,
            lag_late_ms: 100.0,
            lag_late_share: 0.001,
            gap_max_s: 1.0,
            trim: Trim::None,
        }
    }
}
