//! Small numbers from small slices: mean, variance, median, MAD, autocorrelation.
//!
//! Everything here takes finite numbers, except where a function says that infinity is
//! ranked. Empty slices give 0 or `None`, never NaN.

use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use statrs::distribution::{ContinuousCDF, Normal};

/// Nanoseconds in a second.
pub(crate) const SECOND_NS: i64 = 1_000_000_000;

/// Turns nanoseconds into milliseconds.
pub fn ns_to_ms(ns: i64) -> f64 {
    ns as f64 / 1e6
}

/// Turns nanoseconds into seconds.
pub fn ns_to_s(ns: i64) -> f64 {
    ns as f64 / 1e9
}

/// Turns seconds into whole nanoseconds.
pub fn s_to_ns(seconds: f64) -> i64 {
    (seconds * 1e9).round() as i64
}

/// Rounds to a multiple of `unit`: for texts only.
pub fn rounded(value: f64, unit: f64) -> f64 {
    (value / unit).round() * unit
}

/// Arithmetic mean; 0 of nothing.
pub fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

/// Variance with n − 1 in the denominator; 0 of fewer than two values.
pub fn variance(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return 0.0;
    }
    let center = mean(values);
    let squares: f64 = values.iter().map(|value| (value - center).powi(2)).sum();
    squares / (values.len() - 1) as f64
}

/// Median, the mean of the two middle values of an even number; infinity is ranked.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let middle = values.len() / 2;
    let is_even = values.len().is_multiple_of(2);
    let (below, &mut upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    if !is_even {
        return Some(upper);
    }
    let lower = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    Some(if lower == upper { upper } else { 0.5 * (lower + upper) })
}

/// 1.4826 · median |x − median|: the standard deviation of normal data, unmoved by outliers.
pub fn robust_sd(values: &[f64], center: f64) -> f64 {
    1.4826 * median(values.iter().map(|value| (value - center).abs()).collect()).unwrap_or(0.0)
}

/// Autocorrelation at `lag`; 0 for a constant series.
pub fn autocorrelation(values: &[f64], lag: usize) -> f64 {
    let center = mean(values);
    let total: f64 = values.iter().map(|value| (value - center).powi(2)).sum();
    if total <= 0.0 || lag >= values.len() {
        return 0.0;
    }
    let pairs = values.iter().zip(&values[lag..]);
    pairs.map(|(now, later)| (now - center) * (later - center)).sum::<f64>() / total
}

/// Probability that a standard normal variable is further from 0 than `z`.
pub fn normal_two_sided(z: f64) -> f64 {
    let normal = Normal::standard();
    (2.0 * normal.cdf(-z.abs())).min(1.0)
}

/// Generator of all resampling for one purpose: the run's seed, moved by a name.
///
/// A name of its own for each purpose makes the result of one statistic independent of
/// which others were computed before it.
pub fn resampler(seed: u64, purpose: &str) -> Xoshiro256PlusPlus {
    let moved = purpose
        .bytes()
        .fold(seed, |state, byte| openload_contract::digest::mix(state ^ u64::from(byte)));
    Xoshiro256PlusPlus::seed_from_u64(moved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_ranks_infinity_and_halves_an_even_number() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(vec![f64::INFINITY; 4]), Some(f64::INFINITY));
    }

    #[test]
    fn a_constant_series_has_no_autocorrelation() {
        assert_eq!(autocorrelation(&[2.0; 9], 1), 0.0);
        assert!(autocorrelation(&[1.0, -1.0, 1.0, -1.0, 1.0, -1.0], 1) < -0.8);
    }
}
