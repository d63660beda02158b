//! A Poisson process whose rate is a curve of steps.
//!
//! **The steps.** The trace is counted in cells of one length, no more than 1,000 of them and so
//! long that a cell holds twenty events on average. Cells are joined to steps so that
//! the likelihood is greatest, with a price on every step: the best of all partitions, found by
//! dynamic programming (Jackson et al. 2005; Scargle et al. 2013, "Bayesian blocks"). The price
//! is theirs, `4 − ln(73.53 · 0.05 · N^−0.478)`, which lets a constant rate be cut one time in
//! twenty. When that still gives more steps than asked for, as it does for bursts, the price is
//! doubled until it does not.
//!
//! **The test.** With Λ the integral of the fitted rate, the gaps of `Λ(t)` are Exp(1) if the trace
//! is what the model says. The rate was fitted to the same events, so a p-value is a little too
//! high: a small one condemns the model, a large one does not prove it. Stamps coarser than the
//! gaps make equal instants and fail the test whatever the process.

use serde::Serialize;

use crate::record::SECOND_NS;

use super::super::burstiness::Dispersion;
use super::super::rate::RateCurve;
use super::dispersion;
use super::goodness::{
    AndersonDarling, KolmogorovSmirnov, anderson_darling_exponential, kolmogorov_smirnov,
};

/// Most cells: the search takes the square of their number.
const CELLS_MAX: usize = 1_000;

/// Events in a cell on average, so that a count spreads by less than a quarter.
const CELL_EVENTS: u64 = 20;

/// Scale of rescaled time, in which one event is expected per second.
const EVENT_NS: f64 = SECOND_NS as f64;

/// Windows of rescaled time: as long as 1, 5, 20 and 100 expected events.
const RESCALED_NS: [i64; 4] = [SECOND_NS, 5 * SECOND_NS, 20 * SECOND_NS, 100 * SECOND_NS];

/// A stretch of constant rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RateStep {
    /// Length, ns.
    pub length_ns: i64,
    /// Events in it.
    pub events: u64,
}

impl RateStep {
    /// Events per second.
    pub fn rate_per_s(&self) -> f64 {
        self.events as f64 * SECOND_NS as f64 / self.length_ns.max(1) as f64
    }
}

/// A Poisson process with a rate of steps, and how well it fits.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NhppFit {
    /// The steps, one after another from 0 to the timeline's end.
    pub steps: Vec<RateStep>,
    /// Gaps in rescaled time against Exp(1).
    pub gaps: Option<KolmogorovSmirnov>,
    /// The same by Anderson and Darling.
    pub gaps_tails: Option<AndersonDarling>,
    /// Index of dispersion in rescaled time, of which a second is one expected event; 1 when the
    /// curve explains all bursts.
    pub dispersion: Vec<Dispersion>,
}

/// Fits a rate of at most `steps_max` steps to ascending instants in `[0, length_ns)`.
pub fn fit_nhpp(times_ns: &[i64], length_ns: i64, steps_max: usize) -> NhppFit {
    let steps = steps(times_ns, length_ns, steps_max.max(1));
    let areas = rescaled(times_ns, &steps);
    let before = std::iter::once(0.0).chain(areas.iter().copied());
    let mut gaps: Vec<f64> = areas.iter().zip(before).map(|(area, before)| area - before).collect();
    gaps.sort_unstable_by(f64::total_cmp);
    let rescaled_ns: Vec<i64> = areas.iter().map(|area| (area * EVENT_NS) as i64).collect();
    let end_ns = (times_ns.len() as f64 * EVENT_NS) as i64;
    NhppFit {
        gaps: kolmogorov_smirnov(&gaps, |gap| -(-gap).exp_m1()),
        gaps_tails: anderson_darling_exponential(&gaps),
        dispersion: dispersion(&rescaled_ns, end_ns, &RESCALED_NS),
        steps,
    }
}

fn steps(times_ns: &[i64], length_ns: i64, steps_max: usize) -> Vec<RateStep> {
    let events = times_ns.len() as u64;
    if length_ns <= 0 {
        return Vec::new();
    }
    let cells = ((events / CELL_EVENTS) as usize).clamp(1, CELLS_MAX);
    let cell_ns = length_ns.cast_unsigned().div_ceil(cells as u64).cast_signed();
    let mut curve = RateCurve::new(cell_ns, CELLS_MAX + 1);
    times_ns.iter().for_each(|&t_ns| curve.add(t_ns));
    let counts = curve.finish(length_ns).counts;
    let edges: Vec<i64> =
        (0..=counts.len() as i64).map(|cell| cell.saturating_mul(cell_ns).min(length_ns)).collect();
    let mut price = 4.0 - (73.53 * 0.05 * (counts.len() as f64).powf(-0.478)).ln();
    loop {
        let borders = partition(&counts, &edges, price);
        if borders.len() <= steps_max + 1 {
            let step = |pair: &[usize]| RateStep {
                length_ns: edges[pair[1]] - edges[pair[0]],
                events: counts[pair[0]..pair[1]].iter().sum(),
            };
            return borders.windows(2).map(step).collect();
        }
        price *= 2.0;
    }
}

/// Borders of the partition of greatest likelihood, each step at a price.
fn partition(counts: &[u64], edges: &[i64], price: f64) -> Vec<usize> {
    let events: Vec<u64> = std::iter::once(0)
        .chain(counts.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        }))
        .collect();
    let fitness = |from: usize, to: usize| {
        let count = (events[to] - events[from]) as f64;
        let length_s = (edges[to] - edges[from]) as f64 / SECOND_NS as f64;
        if count > 0.0 { count * (count / length_s).ln() } else { 0.0 }
    };
    // The best of the cells before each border, and where its last step begins.
    let mut best = vec![(0.0, 0)];
    for to in 1..edges.len() {
        let options = (0..to).map(|from| (best[from].0 + fitness(from, to) - price, from));
        let found = options.reduce(|a, b| if b.0 > a.0 { b } else { a });
        best.extend(found);
    }
    let mut borders = vec![counts.len()];
    while let Some(&to) = borders.last()
        && to > 0
    {
        borders.push(best[to].1);
    }
    borders.reverse();
    borders
}

/// Integral of the rate up to each instant.
fn rescaled(times_ns: &[i64], steps: &[RateStep]) -> Vec<f64> {
    let mut later = steps.iter().copied();
    let mut step = later.next();
    let (mut begin_ns, mut area) = (0, 0.0);
    let area_at = |&t_ns: &i64| {
        while let Some(over) = step
            && t_ns >= begin_ns + over.length_ns
            && let Some(next) = later.next()
        {
            begin_ns += over.length_ns;
            area += over.events as f64;
            step = Some(next);
        }
        let into_ns = (t_ns - begin_ns) as f64;
        area + step.map_or(0.0, |step| into_ns * step.events as f64 / step.length_ns.max(1) as f64)
    };
    times_ns.iter().map(area_at).collect()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_distr::{Distribution, Exp1};
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;

    /// A Poisson process of these rates per second and lengths in seconds.
    fn poisson(seed: u64, steps: &[(f64, f64)]) -> (Vec<i64>, i64) {
        let mut chance = Xoshiro256PlusPlus::seed_from_u64(seed);
        let (mut begin_s, mut times) = (0.0, Vec::new());
        for &(rate, length_s) in steps {
            let mut now_s = begin_s;
            loop {
                let gap: f64 = Exp1.sample(&mut chance);
                now_s += gap / rate;
                if now_s >= begin_s + length_s {
                    break;
                }
                times.push((now_s * 1e9) as i64);
            }
            begin_s += length_s;
        }
        (times, (begin_s * 1e9) as i64)
    }

    #[test]
    fn steps_are_found_where_they_are() {
        let known = [(20.0, 300.0), (60.0, 120.0), (5.0, 400.0), (20.0, 200.0)];
        let (times, length_ns) = poisson(1, &known);
        let fit = fit_nhpp(&times, length_ns, 50);
        // A change inside a cell may make a step of that cell.
        let long: Vec<_> = fit.steps.iter().filter(|step| step.length_ns > 5_000_000_000).collect();
        assert_eq!(long.len(), 4, "{:?}", fit.steps);
        assert!(fit.steps.len() <= 7, "{:?}", fit.steps);
        for (step, (rate, length_s)) in long.into_iter().zip(known) {
            // Three standard deviations of the count, and two cells at either end.
            let spread = 3.0 / (rate * length_s).sqrt();
            assert!((step.rate_per_s() / rate - 1.0).abs() < spread + 0.03, "{step:?}");
            assert!((step.length_ns as f64 / 1e9 - length_s).abs() < 6.0, "{step:?}");
        }
        assert_eq!(fit.steps.iter().map(|step| step.length_ns).sum::<i64>(), length_ns);
        assert_eq!(fit.steps.iter().map(|step| step.events).sum::<u64>(), times.len() as u64);
    }

    #[test]
    fn a_poisson_process_passes_and_bursts_fail() {
        let mut rejected = 0;
        for seed in 0..100 {
            let (times, length_ns) = poisson(seed, &[(20.0, 100.0), (50.0, 60.0)]);
            let fit = fit_nhpp(&times, length_ns, 50);
            rejected += u32::from(fit.gaps.unwrap().p_value < 0.05);
            let index = fit.dispersion[1].index.unwrap();
            assert!((index - 1.0).abs() < 0.3, "{index}");
        }
        // At most as often as promised: 5 ± 2.2 of 100.
        assert!(rejected <= 12, "{rejected}");
        // A second of 100/s in every ten of 5/s is no curve of ten steps.
        let (times, length_ns) = poisson(1, &[(5.0, 9.0), (100.0, 1.0)].repeat(100));
        let fit = fit_nhpp(&times, length_ns, 10);
        assert!(fit.steps.len() <= 10);
        assert!(fit.gaps.unwrap().p_value < 1e-6 && fit.gaps_tails.unwrap().p_value < 1e-6);
        assert!(fit.dispersion[2].index.unwrap() > 3.0);
    }

    #[test]
    fn a_constant_rate_is_one_step() {
        let cut = (0..40).filter(|&seed| {
            let (times, length_ns) = poisson(seed, &[(10.0, 1_000.0)]);
            fit_nhpp(&times, length_ns, 50).steps.len() > 1
        });
        // One in twenty is what the price allows.
        assert!(cut.count() <= 6);
    }

    #[test]
    fn nothing_one_event_and_equal_stamps_are_fitted_without_a_panic() {
        assert!(fit_nhpp(&[], 0, 5).steps.is_empty());
        let silent = fit_nhpp(&[], SECOND_NS, 5);
        assert_eq!((silent.steps[0].events, silent.gaps), (0, None));
        let one = fit_nhpp(&[0], 1, 5);
        assert_eq!(one.steps, [RateStep { length_ns: 1, events: 1 }]);
        let same = fit_nhpp(&[5; 1_000], 10, 0);
        assert_eq!(same.steps.len(), 1);
        assert!(same.gaps.unwrap().p_value < 1e-9);
    }
}
