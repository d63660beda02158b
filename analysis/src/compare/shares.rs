//! Shares: their interval, and the difference of two.
//!
//! A share gets Wilson's interval, with the effective number of samples of [`crate::precision`] in
//! place of n because failures come in clusters. The difference of two shares gets the interval
//! made of both (Newcombe 1998, method 10): its lower end lies
//! `√((p₂ − l₂)² + (u₁ − p₁)²)` below the difference, its upper end likewise. Neither needs a
//! failure to have happened.

use openload_contract::baseline::Reading;

use super::Effect;
use super::effect::{beyond, quantile_of_t};
use super::welch::{Between, welch_freedom};

/// A share and its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Share {
    value: f64,
    low: f64,
    high: f64,
    effective: f64,
    freedom: f64,
}

/// Wilson's 95 % interval of a share among `effective` independent samples.
pub fn wilson(share: f64, effective: f64, freedom: f64) -> (f64, f64) {
    let t = quantile_of_t(1.0 - super::LEVEL, freedom);
    let weight = t * t / effective;
    let center = (share + weight / 2.0) / (1.0 + weight);
    let spread = (share * (1.0 - share) * weight + weight * weight / 4.0).sqrt() / (1.0 + weight);
    // Rounding must not push the share itself out.
    ((center - spread).max(0.0).min(share), (center + spread).min(1.0).max(share))
}

/// Tests the difference between the shares of two sides against ± `threshold`; `None` of nothing.
pub fn effect(base: &[&Reading], run: &[&Reading], threshold: f64) -> Option<Effect> {
    let values = |side: &[&Reading]| -> Option<Vec<f64>> {
        side.iter().map(|reading| reading.value).collect()
    };
    let between = Between::of(&[values(base)?, values(run)?]);
    let (a, b) = (pooled(base, between)?, pooled(run, between)?);
    let change = b.value - a.value;
    let low = change - (b.value - b.low).hypot(a.high - a.value);
    let high = change + (b.high - b.value).hypot(a.value - a.low);
    let variance = |side: Share| side.value * (1.0 - side.value) / side.effective;
    let freedom =
        welch_freedom((variance(a), a.freedom), (variance(b), b.freedom)).unwrap_or(a.freedom);
    let t = quantile_of_t(1.0 - super::LEVEL, freedom);
    let p = |distance: f64, width: f64| match width > 0.0 {
        true => beyond(t * distance / width, freedom),
        false => f64::from(u8::from(distance <= 0.0)),
    };
    Some(Effect {
        change: Some(change),
        low: Some(low),
        high: Some(high),
        p_worse: p(change - threshold, change - low),
        p_better: p(-threshold - change, high - change),
        error: Some(((high - low) / 2.0 / t, freedom)),
    })
}

/// The share of several runs together. Where runs differ by more than their own intervals say,
/// they count as fewer samples.
fn pooled(side: &[&Reading], between: Between) -> Option<Share> {
    let count: f64 = side.iter().map(|reading| reading.count as f64).sum();
    let sum = side.iter().map(|reading| Some(reading.value? * reading.count as f64));
    let value = sum.sum::<Option<f64>>()? / count;
    let within: f64 = side.iter().map(|one| one.n_eff).sum();
    if count <= 0.0 || within <= 0.0 {
        return None;
    }
    let own = value * (1.0 - value) * side.len() as f64 / within;
    let is_wider = between.variance > own;
    let effective = if is_wider { within * own / between.variance } else { within };
    let freedom = match is_wider {
        true => between.freedom,
        false => side.iter().map(|reading| reading.freedom as f64).sum(),
    };
    let (low, high) = wilson(value, effective.max(1.0), freedom);
    Some(Share { value, low, high, effective: effective.max(1.0), freedom })
}

#[cfg(test)]
mod tests {
    use openload_contract::baseline::ComparedMetric;

    use super::*;

    fn reading(value: f64, count: u64) -> Reading {
        Reading {
            phase: None,
            metric: ComparedMetric::ErrorShare,
            count,
            value: Some(value),
            low: None,
            high: None,
            n_eff: count as f64,
            freedom: 100_000_000,
            failed_share: value,
        }
    }

    /// Newcombe 1998, table II, case (a): 56/70 − 48/80, method 10: .0524 to .3339.
    #[test]
    fn the_interval_is_the_published_one() {
        let found = effect(&[&reading(0.6, 80)], &[&reading(0.8, 70)], 0.0).unwrap();
        assert!((found.change.unwrap() - 0.2).abs() < 1e-12);
        assert!((found.low.unwrap() - 0.0524).abs() < 1e-4, "{found:?}");
        assert!((found.high.unwrap() - 0.3339).abs() < 1e-4, "{found:?}");
    }

    #[test]
    fn no_failures_on_either_side_still_have_an_interval() {
        let none = reading(0.0, 5_000);
        let found = effect(&[&none], &[&none], 0.001).unwrap();
        assert!(found.low.unwrap() < 0.0 && found.high.unwrap() > 0.0, "{found:?}");
        assert!(found.high.unwrap() < 0.001 && found.p_worse > 0.9, "{found:?}");
    }

    #[test]
    fn runs_that_scatter_count_as_fewer_samples() {
        let alike = [reading(0.010, 10_000), reading(0.011, 10_000)];
        let apart = [reading(0.002, 10_000), reading(0.019, 10_000)];
        let run = reading(0.02, 10_000);
        let width = |base: &[Reading; 2]| {
            let found = effect(&[&base[0], &base[1]], &[&run], 0.001).unwrap();
            found.high.unwrap() - found.low.unwrap()
        };
        assert!(width(&apart) > 3.0 * width(&alike), "{} {}", width(&apart), width(&alike));
    }
}
