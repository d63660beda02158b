//! What is chosen per comparison.

use openload_contract::baseline::ComparedMetric;

/// Probability that a comparison calls any change within its threshold a regression; as much
/// again for improvements. A 95 % interval has as much beyond each of its ends.
pub const LEVEL: f64 = 0.025;

/// What is chosen per comparison.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Options {
    /// Compare runs against different targets all the same.
    pub allow_target: bool,
    /// Compare runs made on different machines all the same.
    pub allow_host: bool,
    /// Changes that count.
    pub thresholds: Thresholds,
}

/// Changes that count: relative for durations, differences for shares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// Of the median.
    pub p50: f64,
    /// Of the 99th percentile.
    pub p99: f64,
    /// Of the share of errors.
    pub error_share: f64,
    /// Of the share of good responses.
    pub goodput_share: f64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Thresholds {
    /// Those of a comparison that chooses none.
    pub const DEFAULT: Self =
        Self { p50: 0.05, p99: 0.10, error_share: 0.001, goodput_share: 0.01 };

    /// The threshold of a metric.
    pub fn of(&self, metric: ComparedMetric) -> f64 {
        match metric {
            ComparedMetric::P50 => self.p50,
            ComparedMetric::P99 => self.p99,
            ComparedMetric::ErrorShare => self.error_share,
            ComparedMetric::GoodputShare => self.goodput_share,
        }
    }

    /// Changes the threshold of a metric.
    pub fn set(&mut self, metric: ComparedMetric, threshold: f64) {
        *match metric {
            ComparedMetric::P50 => &mut self.p50,
            ComparedMetric::P99 => &mut self.p99,
            ComparedMetric::ErrorShare => &mut self.error_share,
            ComparedMetric::GoodputShare => &mut self.goodput_share,
        } = threshold;
    }

    /// The threshold on the scale of the test: the logarithm of a ratio, a share as it is.
    pub fn on_scale(&self, metric: ComparedMetric) -> f64 {
        let threshold = self.of(metric);
        if metric.quantile().is_some() { threshold.ln_1p() } else { threshold }
    }
}
