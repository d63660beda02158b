//! A Poisson process with two rates between which a Markov chain switches.
//!
//! With rates λ₀ < λ₁, mean stays s₀ and s₁, share of the high state `q = s₁/(s₀+s₁)`, mean rate λ
//! and `c = 1/s₀ + 1/s₁`, the index of dispersion of counts is (Fischer and Meier-Hellstern 1993)
//!
//! ```text
//! I(w) = 1 + A·(1 − (1 − e^(−cw)) / (cw)),   A = 2·q(1−q)·(λ₁−λ₀)² / (λ·c)
//! ```
//!
//! **The fit.** λ is the mean rate. A and c are those of the least squared distance from the
//! measured index over windows from one mean gap to a fiftieth of the trace, six to a decade; a
//! window counts for what its index is known to, and none for more than 10 %, which a model this
//! plain will not reach anyway. The curve leaves one thing open: how rare and how high the bursts
//! are. That is q, and it is the one of the greatest likelihood of the gaps, among those that
//! leave the low rate at or above 0.
//!
//! **How good it is.** The curve beside the measured one, and the distance of the gaps from those
//! of a drawn process of the same length. A trend over the trace is no burst and makes the index
//! grow without end: fit a part without one, or steps ([`super::nhpp`]).

use rand::SeedableRng;
use rand_distr::{Distribution, Exp1};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::Serialize;

use crate::record::SECOND_NS;

use super::dispersion;
use super::goodness::{KolmogorovSmirnov, kolmogorov_smirnov_two};

/// Fewest events that are fitted.
const EVENTS_MIN: usize = 200;

/// Whole windows that the longest one is seen in.
const WINDOWS_MIN: i64 = 50;

/// Windows in a factor of ten.
const WINDOWS_PER_DECADE: f64 = 6.0;

/// What a fitted index is not expected to be better than, squared: 10 %.
const MODEL_ERROR_SQUARED: f64 = 0.01;

/// Candidates of c in a factor of ten: 1 % apart.
const RATES_PER_DECADE: f64 = 230.0;

/// Candidates of q.
const SHARES: u32 = 80;

/// Least q: the high state for a thousandth of the time.
const SHARE_MIN: f64 = 0.001;

/// Gaps of which the likelihood is taken: a second of work.
const GAPS_MAX: usize = 100_000;

/// A Poisson process that a two-state Markov chain modulates.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Mmpp {
    /// Events per second in the low and in the high state.
    pub rates_per_s: [f64; 2],
    /// Mean stay in either, seconds.
    pub stays_s: [f64; 2],
}

impl Mmpp {
    /// Events per second on average.
    pub fn mean_per_s(&self) -> f64 {
        let ([low, high], [stay_low, stay_high]) = (self.rates_per_s, self.stays_s);
        (low * stay_low + high * stay_high) / (stay_low + stay_high)
    }

    /// Share of the time in the high state.
    pub fn high_share(&self) -> f64 {
        self.stays_s[1] / (self.stays_s[0] + self.stays_s[1])
    }

    /// Index of dispersion at a window.
    pub fn index(&self, window_s: f64) -> f64 {
        let (q, c) = (self.high_share(), self.switching());
        let apart = self.rates_per_s[1] - self.rates_per_s[0];
        let limit = 2.0 * q * (1.0 - q) * apart * apart / (self.mean_per_s() * c);
        1.0 + limit * shape(c * window_s)
    }

    /// Draws a process; instants ascend in `[0, length_ns)`.
    pub fn draw(&self, seed: u64, length_ns: i64) -> Vec<i64> {
        let mut chance = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut exponential = || -> f64 { Exp1.sample(&mut chance) };
        let length_s = length_ns as f64 / SECOND_NS as f64;
        let mut times = Vec::new();
        // Where the first stay begins is chance, too: the memory of a stay is none.
        let mut state = usize::from((-exponential()).exp() < self.high_share());
        let mut begin_s = 0.0;
        while begin_s < length_s {
            let end_s = begin_s + exponential() * self.stays_s[state];
            let mut now_s = begin_s + exponential() / self.rates_per_s[state];
            while now_s < end_s.min(length_s) {
                times.push(((now_s * SECOND_NS as f64) as i64).min(length_ns - 1));
                now_s += exponential() / self.rates_per_s[state];
            }
            (begin_s, state) = (end_s, 1 - state);
        }
        times
    }

    /// c: how fast the chain forgets, per second.
    fn switching(&self) -> f64 {
        1.0 / self.stays_s[0] + 1.0 / self.stays_s[1]
    }

    /// Logarithm of the likelihood of gaps after an event, seconds.
    fn likelihood(&self, gaps_s: &[f64]) -> f64 {
        let [low, high] = self.rates_per_s;
        let [leave_low, leave_high] = self.stays_s.map(|stay| 1.0 / stay);
        // The generator of the chain while nothing arrives, and its two eigenvalues.
        let (a, b, c, d) = (-leave_low - low, leave_low, leave_high, -leave_high - high);
        let middle = (a + d) / 2.0;
        let half = (((a - d) / 2.0).powi(2) + b * c).sqrt();
        let q = self.high_share();
        // States right after an event, in proportion to their rates.
        let mean = self.mean_per_s();
        let (mut p_low, mut p_high) = ((1.0 - q) * low / mean, q * high / mean);
        let mut total = 0.0;
        for &gap_s in gaps_s {
            let (slow, fast) = (((middle + half) * gap_s).exp(), ((middle - half) * gap_s).exp());
            let (even, odd) = ((slow + fast) / 2.0, (slow - fast) / (2.0 * half));
            let next_low = p_low * (even + odd * (a - middle)) + p_high * odd * c;
            let next_high = p_low * odd * b + p_high * (even + odd * (d - middle));
            let (next_low, next_high) = (next_low * low, next_high * high);
            let density = (next_low + next_high).max(f64::MIN_POSITIVE);
            total += density.ln();
            (p_low, p_high) = (next_low / density, next_high / density);
        }
        total
    }
}

/// `1 − (1 − e^(−x))/x`: from 0 to 1.
fn shape(x: f64) -> f64 {
    // Below this the difference loses more digits than the series' next term is worth.
    if x < 1e-4 { x / 2.0 } else { 1.0 + (-x).exp_m1() / x }
}

/// Index of dispersion at one window, of the trace and of the model.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FittedDispersion {
    /// Length of the window, ns.
    pub window_ns: i64,
    /// Of the trace.
    pub measured: f64,
    /// Of the model.
    pub fitted: f64,
}

/// A two-state process and how well it fits.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MmppFit {
    /// The process.
    pub model: Mmpp,
    /// Index of dispersion, window by window.
    pub dispersion: Vec<FittedDispersion>,
    /// Gaps of the trace against those of a drawn process of the same length.
    pub gaps: Option<KolmogorovSmirnov>,
}

/// Fits a two-state process to ascending instants in `[0, length_ns)`; `seed` is that of the
/// drawn process it is compared with. `None` when there are too few events, or no more bursts than
/// a Poisson process has.
pub fn fit_mmpp(times_ns: &[i64], length_ns: i64, seed: u64) -> Option<MmppFit> {
    if times_ns.len() < EVENTS_MIN || length_ns <= 0 {
        return None;
    }
    let length_s = length_ns as f64 / SECOND_NS as f64;
    let mean = times_ns.len() as f64 / length_s;
    let points = measured(times_ns, length_ns);
    let (limit, c) = fit_curve(&points)?;
    let gaps_s = gaps(times_ns);
    let model = most_likely(mean, limit, c, &gaps_s[..gaps_s.len().min(GAPS_MAX)])?;
    let (mut gaps_s, mut drawn_s) = (gaps_s, gaps(&model.draw(seed, length_ns)));
    gaps_s.sort_unstable_by(f64::total_cmp);
    drawn_s.sort_unstable_by(f64::total_cmp);
    let dispersion = points.into_iter().map(|point| FittedDispersion {
        window_ns: (point.window_s * SECOND_NS as f64).round() as i64,
        measured: point.index,
        fitted: model.index(point.window_s),
    });
    Some(MmppFit {
        model,
        dispersion: dispersion.collect(),
        gaps: kolmogorov_smirnov_two(&gaps_s, &drawn_s),
    })
}

fn gaps(times_ns: &[i64]) -> Vec<f64> {
    times_ns.windows(2).map(|pair| (pair[1] - pair[0]) as f64 / SECOND_NS as f64).collect()
}

/// The measured index at a window, and what it counts for.
struct Point {
    window_s: f64,
    index: f64,
    weight: f64,
}

fn measured(times_ns: &[i64], length_ns: i64) -> Vec<Point> {
    let shortest = (length_ns as f64 / times_ns.len() as f64).max(1.0);
    let longest_ns = length_ns / WINDOWS_MIN;
    let window = |step: u32| shortest * 10_f64.powf(f64::from(step) / WINDOWS_PER_DECADE);
    let windows = (0..).map(|step| window(step) as i64);
    let windows: Vec<i64> = windows.take_while(|&window_ns| window_ns <= longest_ns).collect();
    let found = dispersion(times_ns, length_ns, &windows).into_iter();
    let point = |found: super::Dispersion| {
        let index = found.index.filter(|&index| index > 0.0)?;
        let error_squared = 2.0 / found.windows as f64 + MODEL_ERROR_SQUARED;
        let weight = 1.0 / (index * index * error_squared);
        Some(Point { window_s: found.window_ns as f64 / SECOND_NS as f64, index, weight })
    };
    found.filter_map(point).collect()
}

/// A and c of the least weighted squares.
fn fit_curve(points: &[Point]) -> Option<(f64, f64)> {
    let (shortest_s, longest_s) = (points.first()?.window_s, points.last()?.window_s);
    // A chain that forgets within a tenth of the shortest window or only beyond the longest leaves
    // nothing to see.
    let (slowest, fastest) = (1.0 / longest_s, 10.0 / shortest_s);
    let candidates = ((fastest / slowest).log10() * RATES_PER_DECADE).ceil().max(1.0) as u32;
    let candidate = |step: u32| slowest * 10_f64.powf(f64::from(step) / RATES_PER_DECADE);
    let fit = |c: f64| {
        let sum = |of: &dyn Fn(f64, f64) -> f64| -> f64 {
            let term = |p: &Point| p.weight * of(p.index - 1.0, shape(c * p.window_s));
            points.iter().map(term).sum()
        };
        let limit = sum(&|x, f| x * f) / sum(&|_, f| f * f);
        (sum(&|x, f| (x - limit * f).powi(2)), limit, c)
    };
    let fits = (0..=candidates).map(|step| fit(candidate(step)));
    let best = fits.filter(|fit| fit.1 > 0.0 && fit.1.is_finite());
    best.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, limit, c)| (limit, c))
}

/// The process of this mean rate and curve under which the gaps are likeliest.
fn most_likely(mean: f64, limit: f64, c: f64, gaps_s: &[f64]) -> Option<Mmpp> {
    let odds_max = 2.0 * mean / (limit * c);
    let odds_min = (SHARE_MIN / (1.0 - SHARE_MIN)).min(odds_max);
    let candidates = (0..=SHARES).map(|step| {
        let share = f64::from(step) / f64::from(SHARES);
        // Beyond a share of 0.999 the high state is the rule and the low one a thousandth.
        let odds = odds_min * (odds_max.min(1.0 / odds_min) / odds_min).powf(share);
        let q = odds / (1.0 + odds);
        let apart = (limit * mean * c / (2.0 * q * (1.0 - q))).sqrt();
        let rates_per_s = [(mean - q * apart).max(0.0), mean + (1.0 - q) * apart];
        Mmpp { rates_per_s, stays_s: [1.0 / (c * q), 1.0 / (c * (1.0 - q))] }
    });
    let rated = candidates.map(|model| (model.likelihood(gaps_s), model));
    rated.filter(|rated| rated.0.is_finite()).max_by(|a, b| a.0.total_cmp(&b.0)).map(|best| best.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: Mmpp = Mmpp { rates_per_s: [8.0, 60.0], stays_s: [12.0, 3.0] };
    const LENGTH_NS: i64 = 3 * 3_600 * SECOND_NS;

    #[test]
    fn a_drawn_process_has_the_rate_and_the_index_of_its_formula() {
        let times = KNOWN.draw(1, LENGTH_NS);
        assert!(times.is_sorted());
        let mean = times.len() as f64 / 10_800.0;
        assert!((mean / KNOWN.mean_per_s() - 1.0).abs() < 0.06, "{mean}");
        for (window_ns, tolerance) in
            [(SECOND_NS / 10, 0.05), (SECOND_NS, 0.08), (10 * SECOND_NS, 0.15)]
        {
            let found = dispersion(&times, LENGTH_NS, &[window_ns])[0].index.unwrap();
            let known = KNOWN.index(window_ns as f64 / 1e9);
            assert!((found / known - 1.0).abs() < tolerance, "{window_ns}: {found} {known}");
        }
    }

    #[test]
    fn a_known_process_is_recovered() {
        for known in [KNOWN, Mmpp { rates_per_s: [2.0, 20.0], stays_s: [5.0, 5.0] }] {
            for seed in 1..4 {
                let fit = fit_mmpp(&known.draw(seed, LENGTH_NS), LENGTH_NS, 99).unwrap();
                let Mmpp { rates_per_s, stays_s } = fit.model;
                let off = |found: [f64; 2], known: [f64; 2]| {
                    let ratios = [found[0] / known[0] - 1.0, found[1] / known[1] - 1.0];
                    ratios[0].abs().max(ratios[1].abs())
                };
                assert!(off(rates_per_s, known.rates_per_s) < 0.15, "{:?}", fit.model);
                assert!(off(stays_s, known.stays_s) < 0.25, "{:?}", fit.model);
                let gaps = fit.gaps.unwrap();
                assert!(gaps.distance < 0.03, "{gaps:?}");
                for point in fit.dispersion {
                    assert!((point.fitted / point.measured - 1.0).abs() < 0.35, "{point:?}");
                }
            }
        }
    }

    #[test]
    fn a_process_that_never_rests_in_silence_is_likelier_than_one_that_does() {
        let gaps_s = gaps(&KNOWN.draw(5, LENGTH_NS));
        let other = Mmpp { rates_per_s: [17.0, 25.0], ..KNOWN };
        assert!(KNOWN.likelihood(&gaps_s) > other.likelihood(&gaps_s));
        // With equal rates it is a Poisson process, whose likelihood has a closed form.
        let poisson = Mmpp { rates_per_s: [7.0, 7.0], stays_s: [2.0, 3.0] };
        let gaps_s = [0.1, 0.5, 0.01];
        let known = 3.0 * 7.0_f64.ln() - 7.0 * 0.61;
        assert!((poisson.likelihood(&gaps_s) - known).abs() < 1e-9);
    }

    #[test]
    fn too_little_is_not_fitted_and_nothing_panics() {
        assert_eq!(fit_mmpp(&[], 0, 1), None);
        assert_eq!(fit_mmpp(&[0; 100], 1, 1), None);
        let metronome: Vec<i64> = (0..10_000).map(|k| k * SECOND_NS / 10).collect();
        assert_eq!(fit_mmpp(&metronome, 1_000 * SECOND_NS, 1), None);
        let same = [SECOND_NS; 1_000];
        let _ = fit_mmpp(&same, 2 * SECOND_NS, 1);
        let _ = fit_mmpp(&same, i64::MAX, 1);
        assert!(Mmpp { rates_per_s: [0.0, 5.0], ..KNOWN }.draw(1, 0).is_empty());
    }
}
