//! Quantiles with censored values, and how far they may be trusted.
//!
//! **Definition.** The inverse of the empirical distribution: `q_p = x(⌈n·p⌉)` of the sorted
//! values, no interpolation. A failed arrival waited *at least* as long as it was watched, so
//! it ranks as +∞ ([`CENSORED`]); a quantile that falls among the failures has no value, only
//! a lower bound.
//!
//! **Confidence under independence.** Binomial order statistics (David & Nagaraja, *Order
//! Statistics*, §7.1): `l = B⁻¹(α/2; n, p)`, `u = B⁻¹(1 − α/2; n, p) + 1`, interval
//! `[x(l), x(u)]`.
//!
//! **Confidence we report.** Response times are autocorrelated, and the binomial interval then
//! covers a nominal 95 % in as little as 2 % of runs. The variance v of the share of rows at or
//! below `q_p` comes from batches ([`crate::precision`]), and the interval's ranks are
//! `⌊n(p − t√v)⌋` and `⌈n(p + t√v)⌉ + 1`. `n_eff = p(1−p)/v` tells how many independent samples
//! would be as good, and with it whether a quantile may be claimed at all.

use openload_contract::summary::Interval;
use statrs::distribution::{Binomial, DiscreteCDF};

use crate::numeric::ns_to_ms;
use crate::precision::{Precision, share_precision};
use crate::survey::Survey;

/// Rank of a failure: slower than everything.
pub const CENSORED: i64 = i64::MAX;

/// Effective samples beyond a quantile for it to be shown, and for it to be shown unmarked.
/// Coverage of the interval is .83 at 2.1, .92 at 4.5 and .97 at 26.
const BEYOND_MIN: f64 = 3.0;
const BEYOND_SURE: f64 = 10.0;

/// Rank (from 1) of the quantile `level` among `count` values.
///
/// The guard keeps a product that is a whole number but for its last bit from being rounded up.
pub fn rank(count: usize, level: f64) -> usize {
    let rank = (count as f64 * level - 1e-9).ceil() as usize;
    rank.clamp(1, count.max(1))
}

/// Returns the quantile `level` of ascending values; `None` of nothing.
pub fn of_sorted<T: Copy>(sorted: &[T], level: f64) -> Option<T> {
    sorted.get(rank(sorted.len(), level) - 1).copied()
}

/// Ranks (from 1) of the 95 % interval under independence; no upper rank when the samples are
/// too few to bound the quantile from above, rank 0 when too few to bound it from below.
pub fn binomial_ranks(count: u64, level: f64) -> (u64, Option<u64>) {
    let Ok(binomial) = Binomial::new(level, count) else { return (0, None) };
    let low = binomial.inverse_cdf(0.025);
    let high = binomial.inverse_cdf(0.975) + 1;
    (low, (high <= count).then_some(high))
}

/// Whether the samples support a quantile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Support {
    /// At least ten effective samples lie beyond it.
    Sure,
    /// Three to ten do.
    Low,
    /// Fewer do; about this many samples would be needed.
    Needs(u64),
}

/// One quantile with everything that must be said about it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The value, [`CENSORED`] when it falls among failures; `None` of nothing.
    pub value: Option<i64>,
    /// Lower end of the 95 % interval.
    pub low: Option<i64>,
    /// Upper end; `None` when failures or too few samples leave it open.
    pub high: Option<i64>,
    /// Whether it may be claimed.
    pub support: Support,
    /// Independent samples that would know it as well.
    pub effective: f64,
    /// Degrees of freedom of the interval.
    pub freedom: usize,
}

impl Estimate {
    /// What is known of a quantile of no values.
    pub fn of_nothing() -> Self {
        Self {
            value: None,
            low: None,
            high: None,
            support: Support::Needs(1),
            effective: 0.0,
            freedom: 1,
        }
    }

    /// Estimates the quantile `level` of `count` values, which is `value`; `at_rank` tells the
    /// finite value of a rank of [`Estimate::ranks`].
    pub fn new(
        count: usize,
        level: f64,
        value: Option<i64>,
        precision: Option<Precision>,
        at_rank: impl Fn(u64) -> Option<i64>,
    ) -> Self {
        if value.is_none() {
            return Self::of_nothing();
        }
        let effective = precision.map_or(count as f64, |precision| precision.effective);
        let (low, high) = Self::ranks(count, level, precision);
        Self {
            value,
            low: at_rank(low),
            high: high.and_then(at_rank),
            support: support(count, effective, level),
            effective,
            freedom: precision.map_or(count.max(2) - 1, |precision| precision.freedom),
        }
    }

    /// Ranks (from 1) of the interval's ends: those of the batches, else those of independent
    /// values. The lower one is 0, the upper one absent, where the values leave that end open.
    pub fn ranks(count: usize, level: f64, precision: Option<Precision>) -> (u64, Option<u64>) {
        let Some(Precision { half_width, .. }) = precision else {
            return binomial_ranks(count as u64, level);
        };
        let low = (count as f64 * (level - half_width)).floor().max(0.0) as u64;
        let high = (count as f64 * (level + half_width)).ceil() as u64 + 1;
        (low, (high <= count as u64).then_some(high))
    }

    /// The value if it may be claimed and is finite.
    pub fn claimed(&self) -> Option<i64> {
        let finite = self.value.filter(|&value| value != CENSORED);
        finite.filter(|_| !matches!(self.support, Support::Needs(_)))
    }

    /// Tells whether the quantile falls among failures.
    pub fn is_censored(&self) -> bool {
        self.value == Some(CENSORED)
    }

    /// The interval in ms.
    pub fn interval_ms(&self) -> Interval {
        Interval { low: self.low.map(ns_to_ms), high: self.high.map(ns_to_ms) }
    }
}

/// A sample of times in ns, some of them censored, that is small enough to be copied and sorted.
/// What is larger is surveyed ([`crate::survey`]).
#[derive(Debug, Clone)]
pub struct Distribution {
    ordered: Vec<i64>,
    /// Positions in `ordered` at which a new stratum begins.
    cuts: Vec<usize>,
    sorted: Vec<i64>,
    finite: usize,
}

impl Distribution {
    /// Takes times in arrival order; [`CENSORED`] marks failures.
    pub fn new(ordered: Vec<i64>) -> Self {
        let mut sorted = ordered.clone();
        sorted.sort_unstable();
        let finite = sorted.partition_point(|&value| value != CENSORED);
        Self { ordered, cuts: Vec::new(), sorted, finite }
    }

    /// Tells where strata begin: rows on the two sides of a cut differ by design.
    pub fn with_cuts(mut self, cuts: Vec<usize>) -> Self {
        self.cuts = cuts;
        self
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    /// Tells whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// Returns the point value of a quantile; `None` of nothing.
    pub fn quantile(&self, level: f64) -> Option<i64> {
        of_sorted(&self.sorted, level)
    }

    /// Greatest finite value.
    pub fn max(&self) -> Option<i64> {
        self.finite.checked_sub(1).map(|last| self.sorted[last])
    }

    /// Tells whether a value is censored.
    pub fn has_censored(&self) -> bool {
        self.finite < self.len()
    }

    /// Mean of the finite values in ns.
    pub fn mean(&self) -> Option<f64> {
        let finite = &self.sorted[..self.finite];
        let sum: i128 = finite.iter().copied().map(i128::from).sum();
        (self.finite > 0).then(|| sum as f64 / self.finite as f64)
    }

    /// Estimates a quantile with its interval and support.
    pub fn estimate(&self, level: f64) -> Estimate {
        let Some(value) = self.quantile(level) else { return Estimate::of_nothing() };
        let precision = share_precision(&self.ordered, &self.cuts, level, |&row| row <= value);
        Estimate::new(self.len(), level, Some(value), precision, |rank| self.at_rank(rank))
    }

    /// Estimates several quantiles, and says what else is known.
    pub fn survey(&self, levels: &[f64]) -> Survey {
        Survey {
            count: self.len(),
            finite: self.finite,
            mean: self.mean(),
            max: self.max(),
            estimates: levels.iter().map(|&level| (level, self.estimate(level))).collect(),
        }
    }

    /// Finite value at a rank from 1.
    fn at_rank(&self, rank: u64) -> Option<i64> {
        let index = usize::try_from(rank).ok()?.checked_sub(1)?;
        self.sorted[..self.finite].get(index).copied()
    }
}

/// Decides whether `count` samples, worth `effective` independent ones, support a quantile.
pub fn support(count: usize, effective: f64, level: f64) -> Support {
    let beyond = effective * (1.0 - level).min(level);
    if beyond >= BEYOND_SURE - 1e-9 {
        Support::Sure
    } else if beyond >= BEYOND_MIN - 1e-9 {
        Support::Low
    } else {
        Support::Needs((count as f64 * BEYOND_SURE / beyond.max(1e-9)).ceil() as u64)
    }
}

#[cfg(test)]
mod tests {
    use openload_contract::summary::{QuantileNote, Quantiles};

    use super::*;
    use crate::testing::{lindley, poisson, uniform};

    const MS: i64 = 1_000_000;

    fn table(ordered: Vec<i64>) -> Quantiles {
        Distribution::new(ordered).survey(&Survey::table_levels()).table()
    }

    #[test]
    fn the_quantile_is_the_inverse_of_the_distribution() {
        let values: Vec<i64> = (1..=1000).collect();
        let found = [0.5, 0.99, 0.999].map(|level| of_sorted(&values, level));
        assert_eq!(found, [Some(500), Some(990), Some(999)]);
        assert_eq!(of_sorted(&[7], 0.999), Some(7));
        assert_eq!(of_sorted::<i64>(&[], 0.5), None);
    }

    #[test]
    fn merging_is_by_rows_and_not_by_percentiles() {
        let a = vec![10 * MS; 9_000];
        let mut b = vec![10 * MS; 900];
        b.extend(vec![1_000 * MS; 100]);
        let merged = Distribution::new([a.clone(), b.clone()].concat());
        assert_eq!(Distribution::new(a).quantile(0.99), Some(10 * MS));
        assert_eq!(Distribution::new(b).quantile(0.99), Some(1_000 * MS));
        assert_eq!(merged.quantile(0.99), Some(10 * MS));
        assert_eq!(merged.quantile(0.999), Some(1_000 * MS));
    }

    #[test]
    fn binomial_ranks_are_those_of_the_table() {
        let table = [
            (100, 0.5, 40, Some(61)),
            (100, 0.9, 84, Some(96)),
            (1_000, 0.99, 983, Some(997)),
            (10_000, 0.99, 9_880, Some(9_920)),
            (10_000, 0.999, 9_983, Some(9_997)),
            (1_000, 0.999, 997, None),
        ];
        for (count, level, low, high) in table {
            assert_eq!(binomial_ranks(count, level), (low, high), "n {count} p {level}");
        }
    }

    #[test]
    fn a_quantile_among_failures_is_censored_and_bounded_from_below() {
        let ordered: Vec<i64> =
            (0..10_000).map(|row| if row % 20 == 0 { CENSORED } else { 5 * MS }).collect();
        let table = table(ordered);
        assert_eq!(table.p99, None);
        assert_eq!(table.censored_count, 500);
        assert_eq!(table.notes["p99"], QuantileNote::Censored { at_least: Some(5.0) });
        assert_eq!(table.p90, Some(5.0));
        assert_eq!(table.ci95["p99"].high, None);
    }

    #[test]
    fn a_quantile_needs_samples_beyond_it() {
        let many = table((0..2_000).map(|row| row % 97).collect());
        assert!(many.p99.is_some() && many.p999.is_none());
        let QuantileNote::NeedsSamples { about } = many.notes["p999"] else { panic!() };
        assert!((10_000..30_000).contains(&about), "{about}");
        let one = table(vec![3 * MS]);
        assert_eq!((one.count, one.p50, one.max), (1, None, Some(3.0)));
    }

    #[test]
    fn live_histograms_are_as_exact_as_they_promise() {
        let mut histogram = hdrhistogram::Histogram::<u64>::new_with_bounds(1, 1 << 42, 3).unwrap();
        let mut values: Vec<i64> =
            uniform(5, 20_000).into_iter().map(|share| (5e6 / share) as i64).collect();
        values.iter().for_each(|&value| histogram.record(value as u64).unwrap());
        values.sort_unstable();
        for (_, level) in Quantiles::LEVELS {
            let exact = of_sorted(&values, level).unwrap() as f64;
            let live = histogram.value_at_quantile(level) as f64;
            assert!(exact <= live && live <= exact * (1.0 + 1.0 / 1024.0) + 1.0, "{level}");
        }
    }

    /// λ = 200/s for 60 s, frozen for 2 s, 1 ms of work: `N(> x) = λ(S − x)/(1 − ρ)`.
    #[test]
    fn a_freeze_makes_the_tail_the_fluid_limit_says() {
        let law = openload_contract::RateLaw::Constant { rate: 200.0 };
        let runs: Vec<Distribution> = (0..40)
            .map(|seed| {
                let mut free_ns = 0;
                let instants = poisson(seed, &law, 60.0);
                let mut is_frozen = false;
                let responses = instants.into_iter().map(|instant_ns| {
                    if !is_frozen && instant_ns >= 30_000 * MS {
                        is_frozen = true;
                        free_ns = 32_000 * MS;
                    }
                    free_ns = free_ns.max(instant_ns) + MS;
                    free_ns - instant_ns
                });
                Distribution::new(responses.collect())
            })
            .collect();
        let mean = |value: &dyn Fn(&Distribution) -> f64| {
            runs.iter().map(value).sum::<f64>() / runs.len() as f64
        };
        let beyond = |limit_ns: i64| {
            move |run: &Distribution| run.sorted.iter().filter(|&&x| x > limit_ns).count() as f64
        };
        // Standard deviations of one run: 19 rows, .06 s; forty runs make that 3 and .01.
        let found = [
            mean(&beyond(500 * MS)),
            mean(&beyond(1_000 * MS)),
            mean(&|run| run.mean().unwrap() / 1e6),
            mean(&|run| run.quantile(0.99).unwrap() as f64 / 1e9),
            mean(&|run| run.quantile(0.999).unwrap() as f64 / 1e9),
        ];
        let expected = [(375.0, 10.0), (250.0, 10.0), (42.8, 2.0), (1.521, 0.04), (1.953, 0.015)];
        for (found, (expected, tolerance)) in found.into_iter().zip(expected) {
            assert!((found - expected).abs() < tolerance, "{found} is not {expected}");
        }
    }

    /// Share of replications whose interval covers the true quantile.
    fn coverage(
        replications: u64,
        truth: f64,
        level: f64,
        sample: impl Fn(u64) -> Vec<i64>,
    ) -> f64 {
        let covered = (0..replications).filter(|&seed| {
            let estimate = Distribution::new(sample(seed)).estimate(level);
            estimate.low.is_none_or(|low| low as f64 <= truth)
                && estimate.high.is_none_or(|high| high as f64 >= truth)
        });
        covered.count() as f64 / replications as f64
    }

    #[test]
    fn independent_data_are_covered() {
        let covered = coverage(300, 5e8, 0.5, |seed| {
            uniform(seed, 3_000).into_iter().map(|share| (share * 1e9) as i64).collect()
        });
        assert!(covered >= 0.93, "{covered}");
    }

    /// M/M/1 at utilisation ρ with μ = 1/s: the response time is exponential with rate 1 − ρ.
    #[test]
    fn queues_are_covered_as_measured() {
        let table = [
            (0.5, 0.5, 0.96),
            (0.5, 0.99, 0.97),
            (0.8, 0.5, 0.95),
            (0.8, 0.99, 0.92),
            (0.9, 0.99, 0.83),
            (0.95, 0.99, 0.87),
        ];
        for (load, level, expected) in table {
            let truth = -(1.0f64 - level).ln() / (1.0 - load) * 1e9;
            let covered = coverage(400, truth, level, |seed| lindley(seed, 20_000, load));
            assert!((covered - expected).abs() <= 0.04, "ρ {load} p {level}: {covered}");
        }
    }
}
