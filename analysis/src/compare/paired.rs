//! Two runs of one timeline: batches of the same arrivals.
//!
//! Row i of both runs is the same arrival, so a batch that met a burst met it twice, and the
//! difference between its two shares below a value tells the targets apart better than the shares
//! themselves. For a shift θ on the logarithmic scale the times of the second run are divided by
//! e^θ, q is the pooled quantile, and
//!
//! ```text
//! D(θ) = mean of [a ≤ q] − [b/e^θ ≤ q]     v(θ) = its variance from batches
//! ```
//!
//! (a value at q itself counts half, or times that are all alike could not be told apart) with v
//! as in [`crate::precision`], and never below the variance under independence, `(rows in which
//! exactly one of the two is below q) / n²` (McNemar). D/√v is held against Student's t. The interval of `ln(q_b/q_a)` holds every θ that is not rejected: no density has to be
//! estimated, and a test against a threshold is the same test at another θ.

use super::Effect;
use super::effect::{beyond, quantile_of_t};
use crate::precision::mean_variance;
use crate::quantile::{CENSORED, rank};

/// Furthest shift that is searched for an end of the interval: a factor of e⁵ = 148.
const SEARCH_MAX: f64 = 5.0;
/// First step of that search.
const SEARCH_STEP: f64 = 0.01;
/// Width to which an end of the interval is known.
const RESOLUTION: f64 = 1e-4;

/// Response times of the same arrivals in two runs, on the logarithmic scale.
#[derive(Debug, Clone)]
pub struct Pairs {
    ordered: Vec<(f64, f64)>,
    cuts: Vec<usize>,
    sorted: [Vec<f64>; 2],
}

/// The test statistic at one shift.
#[derive(Debug, Clone, Copy)]
struct Statistic {
    t: f64,
    freedom: f64,
}

impl Pairs {
    /// Takes the times of both runs in the order of the timeline; a new stratum begins at each
    /// of the ascending `cuts`.
    pub fn new(a: &[i64], b: &[i64], cuts: Vec<usize>) -> Self {
        let scale =
            |&ns: &i64| if ns == CENSORED { f64::INFINITY } else { (ns.max(1) as f64).ln() };
        let sorted = |values: &[i64]| {
            let mut sorted: Vec<f64> = values.iter().map(scale).collect();
            sorted.sort_unstable_by(f64::total_cmp);
            sorted
        };
        let ordered = a.iter().zip(b).map(|(a, b)| (scale(a), scale(b))).collect();
        Self { ordered, cuts, sorted: [sorted(a), sorted(b)] }
    }

    /// Estimates the shift of the quantile `level`, tested against ± `threshold`; `None` of
    /// nothing.
    pub fn effect(&self, level: f64, threshold: f64) -> Option<Effect> {
        let values = [0, 1].map(|side| self.sorted[side].get(rank(self.ordered.len(), level) - 1));
        let (&a, &b) = values[0].zip(values[1])?;
        let worse = self.statistic(level, threshold);
        let better = self.statistic(level, -threshold);
        let change = Some(b - a).filter(|change| change.is_finite());
        let ends = change.map(|change| {
            let t = quantile_of_t(1.0 - super::LEVEL, worse.freedom);
            let low = self.end(level, change, -1.0, |found| found.t > t);
            (low, self.end(level, change, 1.0, |found| found.t < -t), t)
        });
        let error = ends.and_then(|(low, high, t)| Some((high? - low?) / 2.0 / t));
        Some(Effect {
            change,
            low: ends.and_then(|ends| ends.0),
            high: ends.and_then(|ends| ends.1),
            p_worse: beyond(worse.t, worse.freedom),
            p_better: beyond(-better.t, better.freedom),
            error: error.map(|error| (error, worse.freedom)),
        })
    }

    /// Searches from `change` in a direction for the first shift that is rejected.
    fn end(
        &self,
        level: f64,
        change: f64,
        direction: f64,
        is_rejected: impl Fn(Statistic) -> bool,
    ) -> Option<f64> {
        let (mut kept, mut step) = (change, SEARCH_STEP);
        let mut rejected = loop {
            let next = change + direction * step;
            if is_rejected(self.statistic(level, next)) {
                break next;
            }
            if step >= SEARCH_MAX {
                return None;
            }
            (kept, step) = (next, step * 2.0);
        };
        while (rejected - kept).abs() > RESOLUTION {
            let middle = f64::midpoint(kept, rejected);
            if is_rejected(self.statistic(level, middle)) {
                rejected = middle;
            } else {
                kept = middle;
            }
        }
        Some(kept)
    }

    fn statistic(&self, level: f64, shift: f64) -> Statistic {
        // Failures are beyond any shift: where the pooled quantile falls among them, the shares
        // that did not fail are compared.
        let limit = self.pooled(level, shift).min(f64::MAX);
        let place = |value: f64| 0.5 * (f64::from(value < limit) + f64::from(value <= limit));
        let score = |&(a, b): &(f64, f64)| place(a) - place(b - shift);
        let count = self.ordered.len() as f64;
        let (mut sum, mut squares) = (0.0, 0.0);
        for row in &self.ordered {
            let score = score(row);
            sum += score;
            squares += score * score;
        }
        let (variance, freedom) = mean_variance(&self.ordered, &self.cuts, score);
        let error = variance.max(squares / count / count).sqrt();
        let t = if error > 0.0 { sum / count / error } else { 0.0 };
        Statistic { t, freedom: freedom as f64 }
    }

    /// Quantile of both runs together, the second one shifted back.
    fn pooled(&self, level: f64, shift: f64) -> f64 {
        let [a, b] = &self.sorted;
        let wanted = rank(a.len() + b.len(), level);
        // The quantile is the larger of the last values taken from each side: find how many come
        // from `a`.
        let (mut low, mut high) = (wanted.saturating_sub(b.len()), wanted.min(a.len()));
        while low < high {
            let taken = usize::midpoint(low, high);
            if a[taken] < b[wanted - taken - 1] - shift {
                low = taken + 1;
            } else {
                high = taken;
            }
        }
        let last = |side: &[f64], taken: usize| taken.checked_sub(1).map(|last| side[last]);
        let from_a = last(a, low).unwrap_or(f64::NEG_INFINITY);
        let from_b = last(b, wanted - low).map_or(f64::NEG_INFINITY, |value| value - shift);
        from_a.max(from_b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{exponential, lindley};

    fn nanos(values: &[f64]) -> Vec<i64> {
        values.iter().map(|value| (value * 1e9) as i64).collect()
    }

    #[test]
    fn the_pooled_quantile_is_that_of_all_values() {
        let a = nanos(&exponential(1, 301));
        let b = nanos(&exponential(2, 301));
        let pairs = Pairs::new(&a, &b, Vec::new());
        for (level, shift) in [(0.5, 0.0), (0.99, 0.3), (0.01, -0.7), (0.5, 20.0), (0.5, -20.0)] {
            let mut all = pairs.sorted[0].clone();
            all.extend(pairs.sorted[1].iter().map(|value| value - shift));
            all.sort_by(f64::total_cmp);
            let expected = all[rank(all.len(), level) - 1];
            assert!((pairs.pooled(level, shift) - expected).abs() < 1e-12, "{level} {shift}");
        }
    }

    #[test]
    fn a_factor_that_every_row_has_is_known_exactly() {
        let a = lindley(3, 3_000, 0.8);
        let b: Vec<i64> = a.iter().map(|&ns| ns * 5 / 4).collect();
        let found = Pairs::new(&a, &b, Vec::new()).effect(0.5, 0.05).unwrap();
        let expected = 1.25_f64.ln();
        assert!((found.change.unwrap() - expected).abs() < 1e-6, "{found:?}");
        assert!((found.low.unwrap() - expected).abs() < 0.02, "{found:?}");
        assert!((found.high.unwrap() - expected).abs() < 0.02, "{found:?}");
        assert!(found.p_worse < 1e-6 && found.p_better > 0.999, "{found:?}");
    }

    #[test]
    fn equal_runs_do_not_differ() {
        let a = vec![5_000_000; 600];
        let found = Pairs::new(&a, &a, Vec::new()).effect(0.99, 0.1).unwrap();
        assert!(found.change.unwrap().abs() < 1e-12 && found.p_worse > 0.9, "{found:?}");
        assert!(found.low.unwrap() > -0.001 && found.high.unwrap() < 0.001, "{found:?}");
        // Times that are all alike are told apart at once.
        let b = vec![6_500_000; 600];
        let apart = Pairs::new(&a, &b, Vec::new()).effect(0.99, 0.1).unwrap();
        assert!(apart.p_worse < 1e-6, "{apart:?}");
        assert!(Pairs::new(&[], &[], Vec::new()).effect(0.5, 0.1).is_none());
    }

    #[test]
    fn failures_on_one_side_are_worse_than_any_threshold() {
        let a = nanos(&exponential(4, 6_000));
        let b: Vec<i64> =
            (0..6_000).map(|row| if row % 20 == 0 { CENSORED } else { a[row] }).collect();
        let found = Pairs::new(&a, &b, Vec::new()).effect(0.99, 0.1).unwrap();
        assert_eq!((found.change, found.low), (None, None));
        assert!(found.p_worse < 1e-6, "{found:?}");
        let back = Pairs::new(&b, &a, Vec::new()).effect(0.99, 0.1).unwrap();
        assert!(back.p_better < 1e-6 && back.p_worse > 0.9, "{back:?}");
    }
}
