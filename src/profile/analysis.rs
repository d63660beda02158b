//! The constants of the analysis, as a profile writes them: with units.

use openload_contract::{AnalysisSettings, Trim};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::located::Located;
use super::quantity::{Scalar, Share, Time, Written};

/// Constants of the analysis.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Analysis")]
pub struct RawAnalysis {
    /// Shortest window of the drift analysis.
    pub drift_window: Located<Written<Time>>,
    /// Fewest samples in a window of the drift analysis.
    pub drift_window_samples: u64,
    /// Change per 24 h of the median that counts as drift.
    pub drift_p50: Located<Written<Share>>,
    /// Change per 24 h of the 99th percentile that counts as drift.
    pub drift_p99: Located<Written<Share>>,
    /// Change per 24 h of the target's memory that counts as drift.
    pub drift_memory: Located<Written<Share>>,
    /// Window of the recovery analysis.
    pub recovery_window: Located<Written<Time>>,
    /// How long the target must stay in band to count as recovered.
    pub recovery_hold: Located<Written<Time>>,
    /// Schedule lag at the 99th percentile above which a run is invalid.
    pub lag_p99_max: Located<Written<Time>>,
    /// Schedule lag above which a single arrival is late.
    pub lag_late: Located<Written<Time>>,
    /// Share of late arrivals above which a run is invalid.
    pub lag_late_share: Located<Written<Share>>,
    /// Silence in dispatch, while arrivals were due, above which a run is invalid.
    pub gap_max: Located<Written<Time>>,
    /// Whether the objectives leave out a beginning that differs from the rest, in a run without
    /// a warm-up phase.
    pub trim: Trim,
}

impl Default for RawAnalysis {
    fn default() -> Self {
        let settings = AnalysisSettings::default();
        let time = |seconds: f64| Written::from_seconds(seconds).into();
        let share = |share: f64| Written::from(Scalar::Number(share)).into();
        Self {
            drift_window: time(settings.drift_window_s),
            drift_window_samples: settings.drift_window_samples,
            drift_p50: share(settings.drift_p50),
            drift_p99: share(settings.drift_p99),
            drift_memory: share(settings.drift_memory),
            recovery_window: time(settings.recovery_window_s),
            recovery_hold: time(settings.recovery_hold_s),
            lag_p99_max: time(settings.lag_p99_max_ms / 1e3),
            lag_late: time(settings.lag_late_ms / 1e3),
            lag_late_share: share(settings.lag_late_share),
            gap_max: time(settings.gap_max_s),
            trim: settings.trim,
        }
    }
}
