//! The constants of the analysis.

use openload_contract::AnalysisSettings;

use crate::profile::analysis::RawAnalysis;

use super::{Checker, to_ms};

impl Checker<'_> {
    pub(super) fn analysis(&mut self, raw: &RawAnalysis) -> Option<AnalysisSettings> {
        let times = [
            &raw.drift_window,
            &raw.recovery_window,
            &raw.recovery_hold,
            &raw.lag_p99_max,
            &raw.lag_late,
            &raw.gap_max,
        ]
        .map(|time| self.duration(time));
        let shares = [&raw.drift_p50, &raw.drift_p99, &raw.drift_memory, &raw.lag_late_share]
            .map(|share| self.share(share));
        let [drift_window, recovery_window, recovery_hold, lag_p99_max, lag_late, gap_max] = times;
        let [drift_p50, drift_p99, drift_memory, lag_late_share] = shares;
        Some(AnalysisSettings {
            drift_window_s: drift_window?,
            drift_window_samples: raw.drift_window_samples,
            drift_p50: drift_p50?,
            drift_p99: drift_p99?,
            drift_memory: drift_memory?,
            recovery_window_s: recovery_window?,
            recovery_hold_s: recovery_hold?,
            lag_p99_max_ms: to_ms(lag_p99_max?),
            lag_late_ms: to_ms(lag_late?),
            lag_late_share: lag_late_share?,
            gap_max_s: gap_max?,
            trim: raw.trim,
        })
    }
}
