//! Do arrivals follow the law they were drawn from?
//!
//! **Time rescaling.** With the known rate, `τ_i = Λ(t_i)` turns any non-homogeneous Poisson
//! process into one of rate 1 (Brown et al. 2002): gaps of τ are Exp(1), and given their number
//! the τ are uniform on `[0, Λ(T)]`. Four tests look at different ways to be wrong:
//!
//! | test | statistic | finds |
//! |---|---|---|
//! | uniform | Kolmogorov–Smirnov distance of `τ/Λ(T)` from U(0, 1) | a rate of the wrong shape |
//! | gaps | Kolmogorov–Smirnov distance of gaps from Exp(1) | another law, trains of constant pace |
//! | dependence | lag-1 correlation of gaps, `r·√n` | clumps |
//! | count | `(N − Λ(T)) / √Λ(T)` | a rate that is too high or too low |
//!
//! The smallest p-value, times the number of tests, is the answer (Bonferroni). The rate is
//! known and not estimated, so the Kolmogorov–Smirnov p-values need no Lilliefors correction.
//!
//! An MMPP is a Poisson process given the path of its states, and the path can be drawn again
//! from the seed: with the cumulative intensity along it in place of Λ the same tests hold.
//!
//! Gaps of a renewal process are independent in rescaled time and follow a law of their own
//! (Kolmogorov–Smirnov). Where gaps vary much, many are shorter than the nanosecond to which
//! instants are rounded, so the distance is the least that rounding leaves open.
//!
//! Instants are gone through as often as the tests need, and not kept ([`Instants`]).
//!
//! Constant pacing has no chance in it: arrival k lies where Λ reaches k plus a fixed offset,
//! which is checked to the nanosecond.

use openload_contract::{GapLaw, RateCurve};
use statrs::distribution::{ContinuousCDF, Normal};
use statrs::function::gamma::checked_gamma_lr;

use crate::distance::{Ascending, Cells, Distances};
use crate::numeric::{normal_two_sided, ns_to_s};

/// Fewer arrivals than this leave the approximations of the p-values too rough for 10⁻⁴.
const ARRIVALS_MIN: usize = 50;

/// Greatest standard deviation of the number of gaps, as a share of the number.
const GAPS_SPREAD_MAX: f64 = 0.2;

/// p-values of the four tests; small ones mean that the arrivals do not follow their law.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PoissonFit {
    /// Of the shape of the rate.
    pub uniform: f64,
    /// Of the law of the gaps.
    pub gaps: f64,
    /// Of independence.
    pub dependence: f64,
    /// Of the number of arrivals.
    pub count: f64,
}

impl PoissonFit {
    /// Smallest p-value, corrected for there being four.
    pub fn p_value(&self) -> f64 {
        let smallest = self.uniform.min(self.gaps).min(self.dependence).min(self.count);
        (4.0 * smallest).min(1.0)
    }
}

/// Ascending instants, ns since a phase began, that can be gone through again and again.
pub trait Instants {
    /// Shows them all.
    fn each(&self, see: &mut dyn FnMut(i64));
}

impl Instants for [i64] {
    fn each(&self, see: &mut dyn FnMut(i64)) {
        self.iter().for_each(|&instant_ns| see(instant_ns));
    }
}

/// A cumulative intensity, which is asked in ascending order of time and begun anew for each pass.
pub type Intensity<'a> = Box<dyn Fn() -> Box<dyn FnMut(f64) -> f64 + 'a> + Sync + 'a>;

/// A stretch of a phase and the instants in it, seen through the integral of the rate.
pub struct Rescaled<'a, I: ?Sized> {
    instants: &'a I,
    intensity: Intensity<'a>,
    share: f64,
    /// `Λ(T)`.
    total: f64,
    /// Numbers of gaps of `Λ(t_i)` by cell.
    cells: Cells,
    /// Sum of these gaps.
    sum: f64,
    first: f64,
}

impl<'a, I: Instants + ?Sized> Rescaled<'a, I> {
    /// Rescales ascending instants, ns since the phase began; `share` is the part of the
    /// phase's lanes that they come from, `length_ns` how much of the phase was run.
    pub fn new(instants: &'a I, curve: &'a RateCurve, share: f64, length_ns: i64) -> Self {
        let intensity = move || -> Box<dyn FnMut(f64) -> f64 + 'a> {
            Box::new(move |instant_s| curve.expected(instant_s))
        };
        Self::along(instants, Box::new(intensity), share, length_ns)
    }

    /// The same with any cumulative intensity.
    pub fn along(instants: &'a I, intensity: Intensity<'a>, share: f64, length_ns: i64) -> Self {
        let (mut cells, mut sum, mut first) = (Cells::default(), 0.0, 0.0);
        let mut expected = intensity();
        let mut before = 0.0;
        instants.each(&mut |ns| {
            let area = share * expected(ns_to_s(ns));
            let gap = area - before;
            if cells.count() == 0 {
                first = gap;
            }
            cells.add(gap);
            sum += gap;
            before = area;
        });
        let total = share * expected(ns_to_s(length_ns));
        drop(expected);
        Self { instants, intensity, share, total, cells, sum, first }
    }

    /// Expected number of arrivals.
    pub fn total(&self) -> f64 {
        self.total
    }

    /// Tells whether there are enough arrivals to judge.
    pub fn is_enough(&self) -> bool {
        self.cells.count() >= ARRIVALS_MIN && self.total > 0.0
    }

    /// Tests the instants against a Poisson process.
    pub fn poisson_fit(&self) -> PoissonFit {
        let count = self.cells.count();
        let center = self.sum / count as f64;
        let (mut squares, mut products, mut last) = (0.0, 0.0, None);
        let mut uniform = Ascending::new(count);
        let mut search = self.cells.clone().search(exponential_cdf);
        self.each(|area, gap| {
            squares += (gap - center).powi(2);
            if let Some(last) = last {
                products += (last - center) * (gap - center);
            }
            last = Some(gap);
            uniform.push(area / self.total);
            search.see(gap);
        });
        let correlation = if squares > 0.0 && count > 1 { products / squares } else { 0.0 };
        PoissonFit {
            uniform: kolmogorov(uniform.distances().greatest(), count),
            gaps: kolmogorov(search.finish().greatest(), count),
            dependence: normal_two_sided(correlation * (count as f64).sqrt()),
            count: normal_two_sided((count as f64 - self.total) / self.total.sqrt()),
        }
    }

    /// Tests the gaps against U(0, 2), the law of `uniform` arrivals; returns a p-value.
    pub fn uniform_gaps_fit(&self) -> f64 {
        // Where the first gap begins is the phase's business.
        let mut cells = self.cells.clone();
        cells.remove(self.first);
        let count = cells.count();
        let mut search = cells.search(|gap| (gap / 2.0).clamp(0.0, 1.0));
        let mut is_first = true;
        self.each(|_, gap| {
            if !std::mem::take(&mut is_first) {
                search.see(gap);
            }
        });
        kolmogorov(search.finish().greatest(), count)
    }

    /// Distance of the gaps from Exp(1): how far a process is from a Poisson one.
    pub fn exponential_distance(&self) -> f64 {
        let mut search = self.cells.clone().search(exponential_cdf);
        self.each(|_, gap| search.see(gap));
        search.finish().greatest()
    }

    /// Shows `Λ(t_i)` and the gap before it.
    fn each(&self, mut see: impl FnMut(f64, f64)) {
        let mut expected = (self.intensity)();
        let mut before = 0.0;
        self.instants.each(&mut |ns| {
            let area = self.share * expected(ns_to_s(ns));
            see(area, area - before);
            before = area;
        });
    }
}

fn exponential_cdf(gap: f64) -> f64 {
    -(-gap).exp_m1()
}

/// Tells whether a phase of `total` expected arrivals shows enough gaps of a renewal process.
///
/// The gaps of a phase are those that fit into it. How many do has the standard deviation
/// `cv·√total`; where that is small beside the number itself, the choice does not matter.
pub fn is_enough_for_gaps(cv: f64, total: f64) -> bool {
    cv * total.sqrt() <= GAPS_SPREAD_MAX * total
}

/// Tests the gaps of a renewal process against their law; returns a p-value.
///
/// Instants are whole nanoseconds: each gap is known only between a lower and an upper end,
/// and so is each of the gaps in order of length. The distance is the least of any gaps
/// between those ends.
pub fn renewal_gaps_fit<I: Instants + ?Sized>(instants: &I, curve: &RateCurve, law: GapLaw) -> f64 {
    let area = |ns: i64, half_ns: f64| curve.expected(ns_to_s(ns) + half_ns * 1e-9);
    // The integral itself is known to a few of its last bits.
    let blur = 8.0 * f64::EPSILON * curve.total();
    let ends = |half_ns: f64, see: &mut dyn FnMut(f64)| {
        let mut before = None;
        instants.each(&mut |now| {
            // Where the first gap begins is the phase's business.
            if let Some(before) = before.replace(now) {
                let gap = area(now, half_ns) - area(before, -half_ns);
                see(gap + blur.copysign(half_ns));
            }
        });
    };
    let distances = |half_ns: f64| {
        let mut cells = Cells::default();
        ends(half_ns, &mut |gap| cells.add(gap));
        let count = cells.count();
        let mut search = cells.search(|gap| gap_cdf(law, gap));
        ends(half_ns, &mut |gap| search.see(gap));
        (search.finish(), count)
    };
    let ((least, count), (most, _)) = (distances(-0.5), distances(0.5));
    kolmogorov(least.above.max(most.below), count)
}

/// Distribution function of the gaps of a renewal process.
fn gap_cdf(law: GapLaw, gap: f64) -> f64 {
    if gap <= 0.0 {
        return 0.0;
    }
    match law {
        GapLaw::Constant => f64::from(u8::from(gap >= 1.0)),
        // Fails only at 0 and at infinity.
        GapLaw::Gamma { shape } => checked_gamma_lr(shape, shape * gap).unwrap_or(1.0),
        GapLaw::Weibull { shape, scale } => -(-(gap / scale).powf(shape)).exp_m1(),
        GapLaw::Lognormal { sigma } => {
            Normal::standard().cdf((gap.ln() + 0.5 * sigma * sigma) / sigma)
        }
    }
}

/// Finds the first of ascending instants that is not where constant pacing puts it.
///
/// Whole runs hold every arrival; a shard holds some of them, so only the pace is checked.
pub fn off_pace<I: Instants + ?Sized>(
    instants: &I,
    curve: &RateCurve,
    is_whole: bool,
) -> Option<usize> {
    let (mut first, mut before) = (None, -1.0);
    let (mut index, mut found) = (0, None);
    instants.each(&mut |instant_ns| {
        if found.is_some() {
            return;
        }
        let instant_s = ns_to_s(instant_ns);
        let area = curve.expected(instant_s);
        let steps = area - *first.get_or_insert(area);
        let number = steps.round();
        // Half a nanosecond of rounding at both ends, and the last bits of the integral.
        let tolerance = 2e-9 * curve.rate(instant_s).max(curve.rate(instant_s - 2e-9)) + 1e-6;
        let is_next = if is_whole { number == before + 1.0 } else { number > before };
        before = number;
        if !is_next || (steps - number).abs() > tolerance {
            found = Some(index);
        }
        index += 1;
    });
    found
}

/// Kolmogorov–Smirnov distance of ascending values from a law given by its distribution.
pub fn distance(sorted: &[f64], law: impl Fn(f64) -> f64) -> f64 {
    Distances::of_sorted(sorted, law).greatest()
}

/// p-value of a Kolmogorov–Smirnov distance among `count` values (Stephens 1970).
pub fn kolmogorov(distance: f64, count: usize) -> f64 {
    let root = (count as f64).sqrt();
    let scaled = (root + 0.12 + 0.11 / root) * distance;
    if scaled < 0.2 {
        return 1.0;
    }
    let terms = (1..=100).map(|k: i32| {
        let sign = if k % 2 == 1 { 1.0 } else { -1.0 };
        sign * (-2.0 * f64::from(k * k) * scaled * scaled).exp()
    });
    (2.0 * terms.sum::<f64>()).clamp(0.0, 1.0)
}

/// Number of instants in each window, the first of which begins at 0.
#[derive(Debug, Clone)]
pub struct Counts<const WINDOW_NS: i64> {
    counts: Vec<u32>,
}

impl<const WINDOW_NS: i64> Counts<WINDOW_NS> {
    /// Lays out the whole windows before `end_ns`.
    pub fn new(end_ns: i64) -> Self {
        Self { counts: vec![0; usize::try_from(end_ns / WINDOW_NS).unwrap_or(0)] }
    }

    /// Counts an instant.
    pub fn add(&mut self, instant_ns: i64) {
        let window = usize::try_from(instant_ns / WINDOW_NS).ok();
        if let Some(count) = window.and_then(|window| self.counts.get_mut(window)) {
            *count += 1;
        }
    }

    /// Index of dispersion: variance over mean of the number of instants per window.
    pub fn dispersion(&self) -> f64 {
        let windows = self.counts.len();
        let total: f64 = self.counts.iter().copied().map(f64::from).sum();
        let mean = total / (windows as f64).max(1.0);
        if mean <= 0.0 || windows < 2 {
            return 0.0;
        }
        let squares: f64 = self.counts.iter().map(|&count| (f64::from(count) - mean).powi(2)).sum();
        squares / (windows - 1) as f64 / mean
    }
}

#[cfg(test)]
mod tests {
    use openload_contract::{GapFamily, RateLaw, Renewal};
    use rand_distr::{Distribution, Gamma, LogNormal, Weibull};

    use super::*;
    use crate::numeric::{resampler, s_to_ns};
    use crate::testing::{poisson, uniform};

    const LENGTH_S: f64 = 60.0;
    const RATE: f64 = 200.0;

    fn curve(rate: f64) -> RateCurve {
        RateCurve::new(&RateLaw::Constant { rate }, LENGTH_S)
    }

    fn with_rescaled<T>(instants: &[i64], test: impl Fn(Rescaled<'_, [i64]>) -> T) -> T {
        test(Rescaled::new(instants, &curve(RATE), 1.0, s_to_ns(LENGTH_S)))
    }

    /// Share of 500 processes that a test rejects at 1 %.
    fn rejected(make: impl Fn(u64) -> Vec<i64>, p_value: impl Fn(PoissonFit) -> f64) -> f64 {
        let fits = (0..500).map(|seed| with_rescaled(&make(seed), |it| it.poisson_fit()));
        fits.filter(|&fit| p_value(fit) < 0.01).count() as f64 / 500.0
    }

    fn constant_rate(rate: f64) -> impl Fn(u64) -> Vec<i64> {
        move |seed| poisson(seed, &RateLaw::Constant { rate }, LENGTH_S)
    }

    fn train(offset: f64, rate: f64) -> impl Iterator<Item = i64> {
        (0..(LENGTH_S * rate) as u32).map(move |k| s_to_ns((f64::from(k) + offset) / rate))
    }

    #[test]
    fn poisson_arrivals_are_rejected_as_often_as_promised() {
        // Binomial(500, .01) exceeds 12 with probability .2 %.
        let tests: [fn(PoissonFit) -> f64; 4] =
            [|fit| fit.uniform, |fit| fit.gaps, |fit| fit.dependence, |fit| fit.count];
        for p_value in tests {
            assert!(rejected(constant_rate(RATE), p_value) <= 0.024);
        }
        assert!(rejected(constant_rate(RATE), |fit| fit.p_value()) <= 0.024);
        let ramp = RateLaw::Ramp { from: 10.0, to: 300.0 };
        let curve = RateCurve::new(&ramp, LENGTH_S);
        let fits = (0..50).map(|seed| {
            let instants = poisson(seed, &ramp, LENGTH_S);
            Rescaled::new(&instants[..], &curve, 1.0, s_to_ns(LENGTH_S)).poisson_fit().p_value()
        });
        assert!(fits.filter(|&p| p < 0.01).count() <= 3);
    }

    #[test]
    fn other_processes_are_found_by_their_gaps() {
        let gaps = |fit: PoissonFit| fit.gaps;
        let constant = |seed: u64| train(uniform(seed, 1)[0], RATE).collect();
        let uniform_gaps = |seed: u64| {
            let mut now = 0.0;
            let gaps = uniform(seed, 12_000).into_iter();
            let instants = gaps.map(|gap| {
                now += 2.0 * gap / RATE;
                s_to_ns(now)
            });
            instants.filter(|&instant| instant < s_to_ns(LENGTH_S)).collect()
        };
        let trains = |seed: u64| {
            let offsets = uniform(seed, 64).into_iter();
            let mut merged: Vec<i64> =
                offsets.flat_map(|offset| train(offset, RATE / 64.0)).collect();
            merged.sort_unstable();
            merged
        };
        assert_eq!(rejected(constant, gaps), 1.0);
        assert_eq!(rejected(uniform_gaps, gaps), 1.0);
        assert!(rejected(trains, gaps) >= 0.9, "{}", rejected(trains, gaps));
    }

    #[test]
    fn a_rate_that_is_five_percent_low_is_found_by_the_count() {
        assert!(rejected(constant_rate(0.95 * RATE), |fit| fit.count) >= 0.97);
    }

    #[test]
    fn gaps_of_a_uniform_renewal_process_fit_their_own_law_only() {
        let mut now = 0.0;
        let instants: Vec<i64> = uniform(3, 10_000)
            .into_iter()
            .map(|gap| {
                now += 2.0 * gap / RATE;
                s_to_ns(now)
            })
            .collect();
        assert!(with_rescaled(&instants, |it| it.uniform_gaps_fit()) > 1e-3);
        assert!(with_rescaled(&constant_rate(RATE)(3), |it| it.uniform_gaps_fit()) < 1e-6);
    }

    #[test]
    fn constant_pacing_is_checked_to_the_nanosecond() {
        for law in [
            RateLaw::Constant { rate: 333.3 },
            RateLaw::Ramp { from: 1.0, to: 500.0 },
            RateLaw::Spike { base: 20.0, peak: 900.0, at_s: 4.0, for_s: 1.0 },
        ] {
            let curve = RateCurve::new(&law, LENGTH_S);
            let mut instants: Vec<i64> =
                (0..).map_while(|k| curve.instant(f64::from(k))).map(s_to_ns).collect();
            assert_eq!(off_pace(&instants[..], &curve, true), None, "{law:?}");
            let sharded: Vec<i64> = instants.iter().copied().step_by(3).collect();
            assert_eq!(off_pace(&sharded[..], &curve, false), None, "{law:?}");
            assert_eq!(off_pace(&sharded[..], &curve, true), Some(1), "{law:?}");
            instants[700] += 20_000;
            assert_eq!(off_pace(&instants[..], &curve, true), Some(700), "{law:?}");
        }
    }

    #[test]
    fn dispersion_tells_poisson_from_constant() {
        let dispersion = |instants: Vec<i64>| {
            let mut counts = Counts::<100_000_000>::new(s_to_ns(LENGTH_S));
            instants.into_iter().for_each(|instant_ns| counts.add(instant_ns));
            counts.dispersion()
        };
        let index = dispersion(constant_rate(RATE)(1));
        assert!((index - 1.0).abs() < 0.2, "{index}");
        assert!(dispersion(train(0.5, RATE).collect()) < 0.01);
    }

    /// Arrivals of a renewal process; other code than the timeline's draws the gaps. The first
    /// one is a whole gap.
    fn renewal(seed: u64, law: GapLaw, curve: &RateCurve) -> Vec<i64> {
        match law {
            GapLaw::Gamma { shape } => {
                arrivals(seed, Gamma::new(shape, 1.0 / shape).unwrap(), curve)
            }
            GapLaw::Weibull { shape, scale } => {
                arrivals(seed, Weibull::new(scale, shape).unwrap(), curve)
            }
            GapLaw::Lognormal { sigma } => {
                arrivals(seed, LogNormal::new(-0.5 * sigma * sigma, sigma).unwrap(), curve)
            }
            GapLaw::Constant => panic!("no law of chance"),
        }
    }

    fn arrivals(seed: u64, gaps: impl Distribution<f64>, curve: &RateCurve) -> Vec<i64> {
        let gaps = gaps.sample_iter(resampler(seed, "renewal"));
        let areas = gaps.scan(0.0, |area, gap| {
            *area += gap;
            Some(*area)
        });
        areas.map_while(|area| curve.instant(area)).map(s_to_ns).collect()
    }

    #[test]
    fn gaps_of_a_renewal_process_are_rejected_as_often_as_promised() {
        for family in [GapFamily::Gamma, GapFamily::Weibull, GapFamily::Lognormal] {
            for (cv, length_s) in [(0.1, 10.0), (0.7, 10.0), (2.0, 10.0), (6.0, 5.0)] {
                let curve = RateCurve::new(&RateLaw::Ramp { from: 100.0, to: 300.0 }, length_s);
                assert!(is_enough_for_gaps(cv, curve.total()));
                let law = Renewal { cv, family }.gap_law();
                let other = Renewal { cv: 1.3 * cv, family }.gap_law();
                let all: Vec<Vec<i64>> = (0..200).map(|seed| renewal(seed, law, &curve)).collect();
                let rejected = |law| {
                    all.iter().filter(|one| renewal_gaps_fit(&one[..], &curve, law) < 0.01).count()
                };
                let (right, wrong) = (rejected(law), rejected(other));
                // Binomial(200, .01) exceeds 7 with probability .1 %.
                assert!(right <= 7, "{family:?} {cv}: {right} of 200");
                assert!(wrong >= 20, "{family:?} {cv}: {wrong} of 200");
            }
        }
    }

    /// At 100,000 arrivals a second and cv 5 most gaps are below a nanosecond.
    #[test]
    fn gaps_that_rounding_has_made_0_do_not_reject_a_law() {
        let curve = RateCurve::new(&RateLaw::Constant { rate: 100_000.0 }, 0.3);
        let law = Renewal { cv: 5.0, family: GapFamily::Gamma }.gap_law();
        for seed in 0..5 {
            let instants = renewal(seed, law, &curve);
            let zeros = instants.windows(2).filter(|pair| pair[0] == pair[1]).count();
            assert!(zeros * 2 > instants.len(), "{zeros} of {}", instants.len());
            assert!(renewal_gaps_fit(&instants[..], &curve, law) > 1e-3);
            let poisson = Renewal { cv: 1.0, family: GapFamily::Gamma }.gap_law();
            assert!(renewal_gaps_fit(&instants[..], &curve, poisson) < 1e-9);
        }
    }

    #[test]
    fn few_gaps_that_vary_much_are_not_judged() {
        assert!(is_enough_for_gaps(2.0, 100.0));
        assert!(!is_enough_for_gaps(2.0, 99.0));
        assert!(is_enough_for_gaps(0.0, 1.0));
    }
}
