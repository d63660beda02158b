//! The size of a difference, and how sure it is.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// How far two sides are apart on the scale of their test: the difference of the logarithms of
/// two durations, or of two shares. Larger is worse.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effect {
    /// Point estimate; `None` when a side falls among failures.
    pub change: Option<f64>,
    /// Lower end of the 95 % interval.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// p-value that the change is at most the threshold.
    pub p_worse: f64,
    /// p-value that the change is at least minus the threshold.
    pub p_better: f64,
    /// Standard error and its degrees of freedom, where there is one.
    pub error: Option<(f64, f64)>,
}

impl Effect {
    /// Smallest change above `threshold` that a test at `level` finds with probability .8:
    /// `threshold + (t(1 − level) + t(.8)) · se`.
    pub fn detectable(&self, threshold: f64, level: f64) -> Option<f64> {
        let (error, freedom) = self.error?;
        Some(
            threshold + (quantile_of_t(1.0 - level, freedom) + quantile_of_t(0.8, freedom)) * error,
        )
    }
}

/// Degrees of freedom from which on Student's t is taken for normal: its quantiles are then within
/// .2 %, and the library's search for them no longer ends.
const NORMAL_FROM: f64 = 1_000.0;

/// Probability that Student's t exceeds `t`.
pub fn beyond(t: f64, freedom: f64) -> f64 {
    if t.is_nan() {
        return 1.0;
    }
    if freedom >= NORMAL_FROM {
        return Normal::standard().sf(t);
    }
    StudentsT::new(0.0, 1.0, freedom.max(1.0)).map_or(1.0, |law| law.sf(t))
}

/// Quantile of Student's t.
pub fn quantile_of_t(level: f64, freedom: f64) -> f64 {
    if freedom >= NORMAL_FROM {
        return Normal::standard().inverse_cdf(level);
    }
    StudentsT::new(0.0, 1.0, freedom.max(1.0)).map_or(f64::INFINITY, |law| law.inverse_cdf(level))
}

#[cfg(test)]
mod tests {
    use super::{beyond, quantile_of_t};

    /// R: `qt(.975, c(29, 999, Inf))`, `pt(2, c(29, Inf), lower = FALSE)`.
    #[test]
    fn quantiles_and_tails_are_those_of_r_for_any_freedom() {
        let quantiles = [(29.0, 2.045_230), (999.0, 1.962_341), (1e8, 1.959_964)];
        for (freedom, expected) in quantiles {
            let found = quantile_of_t(0.975, freedom);
            assert!((found - expected).abs() < 1e-4, "{freedom}: {found}");
        }
        assert!((beyond(2.0, 29.0) - 0.027_48).abs() < 1e-4);
        assert!((beyond(2.0, 1e8) - 0.022_75).abs() < 1e-4);
    }
}
