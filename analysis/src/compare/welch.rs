//! Runs of which only the values and their intervals are known.
//!
//! On the logarithmic scale the half-width of a quantile's interval over Student's t is its
//! standard error. The difference of two sides has the sum of their variances and the degrees of
//! freedom of Welch (1947). Several runs of a side are averaged. When runs of a side differ by more
//! than their own intervals say, the variance between runs takes the place of that within them, on
//! both sides: what made the base scatter will make the next run scatter too.
//!
//! A quantile among failures is larger than anything. Whether it really lies there is the question
//! whether the share of successes is below the level of the quantile, and that is what is tested.

use openload_contract::baseline::Reading;

use super::Effect;
use super::effect::{beyond, quantile_of_t};
use crate::precision::student;

/// Variance between runs of the same side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Between {
    /// Variance of one run.
    pub variance: f64,
    /// Degrees of freedom.
    pub freedom: f64,
}

impl Between {
    /// Pools the variance between runs over the sides; 0 when no side has two.
    pub fn of(sides: &[Vec<f64>]) -> Self {
        let freedom: usize = sides.iter().map(|side| side.len().saturating_sub(1)).sum();
        let squares: f64 = sides
            .iter()
            .map(|side| crate::numeric::variance(side) * side.len().saturating_sub(1) as f64)
            .sum();
        let variance = if freedom > 0 { squares / freedom as f64 } else { 0.0 };
        Self { variance, freedom: freedom as f64 }
    }
}

/// Logarithm of a quantile, and its variance.
#[derive(Debug, Clone, Copy)]
struct Known {
    value: f64,
    variance: f64,
    freedom: f64,
}

/// Tests the ratio of the quantiles of two sides against ± `threshold` on the logarithmic scale.
///
/// `None` when a value is missing, or lies among failures on both sides.
pub fn effect(base: &[&Reading], run: &[&Reading], level: f64, threshold: f64) -> Option<Effect> {
    let is_censored = |side: &[&Reading]| side.iter().any(|reading| reading.value.is_none());
    match (is_censored(base), is_censored(run)) {
        (true, true) => return None,
        (true, false) => return Some(censored(1.0, among_failures(base, level))),
        (false, true) => return Some(censored(among_failures(run, level), 1.0)),
        (false, false) => {}
    }
    let known = |side: &[&Reading]| -> Option<Vec<Known>> {
        side.iter().map(|reading| Known::of(reading)).collect()
    };
    let (a, b) = (known(base)?, known(run)?);
    let values = |side: &[Known]| side.iter().map(|known| known.value).collect();
    let between = Between::of(&[values(&a), values(&b)]);
    let (a, b) = (Known::mean(&a, between), Known::mean(&b, between));
    let change = b.value - a.value;
    let error = (a.variance + b.variance).sqrt();
    let freedom = welch_freedom((a.variance, a.freedom), (b.variance, b.freedom))
        .unwrap_or_else(|| a.freedom.min(b.freedom));
    let half = quantile_of_t(1.0 - super::LEVEL, freedom) * error;
    let p = |distance: f64| match error > 0.0 {
        true => beyond(distance / error, freedom),
        false => f64::from(u8::from(distance <= 0.0)),
    };
    Some(Effect {
        change: Some(change),
        low: Some(change - half),
        high: Some(change + half),
        p_worse: p(change - threshold),
        p_better: p(-threshold - change),
        error: Some((error, freedom)),
    })
}

/// Degrees of freedom of the sum of two variances; `None` when both are 0.
pub fn welch_freedom(a: (f64, f64), b: (f64, f64)) -> Option<f64> {
    let sum = a.0 + b.0;
    let parts = a.0 * a.0 / a.1.max(1.0) + b.0 * b.0 / b.1.max(1.0);
    (parts > 0.0).then(|| sum * sum / parts)
}

fn censored(p_worse: f64, p_better: f64) -> Effect {
    Effect { change: None, low: None, high: None, p_worse, p_better, error: None }
}

/// p-value that the quantile of some run of a side does not lie among failures.
fn among_failures(side: &[&Reading], level: f64) -> f64 {
    let p = side.iter().map(|reading| {
        let error = (level * (1.0 - level) / reading.n_eff.max(1.0)).sqrt();
        let short = level - (1.0 - reading.failed_share);
        beyond(short / error, reading.freedom as f64)
    });
    p.fold(0.0, f64::max)
}

impl Known {
    fn of(reading: &Reading) -> Option<Self> {
        let log = |value: f64| (value > 0.0).then(|| value.ln());
        let value = log(reading.value?)?;
        let (low, high) = (reading.low.and_then(log), reading.high.and_then(log));
        let half = match (low, high) {
            (Some(low), Some(high)) => (high - low) / 2.0,
            (Some(low), None) => value - low,
            (None, Some(high)) => high - value,
            (None, None) => return None,
        };
        let freedom = reading.freedom.max(1);
        let error = half / student(usize::try_from(freedom).unwrap_or(usize::MAX));
        Some(Self { value, variance: error * error, freedom: freedom as f64 })
    }

    fn mean(side: &[Self], between: Between) -> Self {
        let count = side.len() as f64;
        let value = side.iter().map(|known| known.value).sum::<f64>() / count;
        let within = side.iter().map(|known| known.variance).sum::<f64>() / count;
        if between.variance > within {
            return Self { value, variance: between.variance / count, freedom: between.freedom };
        }
        let freedom = side.iter().map(|known| known.freedom).sum();
        Self { value, variance: within / count, freedom }
    }
}

#[cfg(test)]
mod tests {
    use openload_contract::baseline::ComparedMetric;

    use super::*;

    fn reading(value: f64, spread: f64) -> Reading {
        Reading {
            phase: None,
            metric: ComparedMetric::P99,
            count: 20_000,
            value: Some(value),
            low: Some(value / spread),
            high: Some(value * spread),
            n_eff: 5_000.0,
            freedom: 29,
            failed_share: 0.0,
        }
    }

    /// Half-widths ln 1.02 at 29 degrees: se = ln 1.02 / 2.0452 · √2 = .013693, 58 degrees.
    #[test]
    fn two_runs_have_the_sum_of_their_variances() {
        let found =
            effect(&[&reading(10.0, 1.02)], &[&reading(12.0, 1.02)], 0.99, 1.1_f64.ln()).unwrap();
        let (error, freedom) = found.error.unwrap();
        assert!((error - 0.013_693).abs() < 1e-5, "{error}");
        assert!((freedom - 58.0).abs() < 1e-6, "{freedom}");
        assert!((found.change.unwrap() - 1.2_f64.ln()).abs() < 1e-12);
        // t = (.18232 − .09531) / .013693 = 6.35.
        assert!(found.p_worse < 1e-6 && found.p_better > 0.999_999, "{found:?}");
    }

    #[test]
    fn a_base_that_scatters_widens_the_interval() {
        let run = reading(12.0, 1.02);
        let width = |values: [f64; 3]| {
            let base = values.map(|value| reading(value, 1.02));
            let found = effect(&[&base[0], &base[1], &base[2]], &[&run], 0.99, 0.0).unwrap();
            found.high.unwrap() - found.low.unwrap()
        };
        assert!(width([8.0, 10.0, 12.5]) > 5.0 * width([9.95, 10.0, 10.05]));
    }

    #[test]
    fn a_quantile_among_failures_is_worse_when_the_failures_are_beyond_doubt() {
        let failed = |share: f64| Reading { value: None, failed_share: share, ..reading(1.0, 1.0) };
        let base = reading(10.0, 1.02);
        let p = |share: f64| effect(&[&base], &[&failed(share)], 0.99, 0.1).unwrap().p_worse;
        assert!(p(0.05) < 1e-6, "{}", p(0.05));
        assert!(p(0.0101) > 0.4, "{}", p(0.0101));
        assert!(effect(&[&failed(0.05)], &[&failed(0.05)], 0.99, 0.1).is_none());
    }
}
