//! Markov-modulated Poisson processes: a rate that changes by chance.
//!
//! A hidden state jumps between two or more values and stays in each for an exponential time;
//! while it is in state i the rate of the phase is multiplied by a factor of that state. So
//! bursts and lulls come and go at random, and counts vary more than Poisson counts at every
//! scale longer than a stay (Fischer and Meier-Hellstern 1993, "The Markov-modulated Poisson
//! process (MMPP) cookbook").
//!
//! - **Factors.** The state's long-run share of time is its mean stay over the sum of mean
//!   stays, because the jumps visit all states equally often. The factors are the written
//!   rates divided by their mean under these shares, so that the rate of the phase, whatever
//!   its law, stays the mean rate.
//! - **Jumps.** Two states take turns. Of more, the next one is drawn uniformly among the
//!   others: bursts of different kinds then follow each other in no fixed order.
//! - **Start.** The first state is drawn from the long-run shares and, an exponential time
//!   having no memory, stays for a whole stay: the process is stationary from the beginning.
//! - **Time.** Stays are measured in real time of the phase, not in arrivals.
//!
//! A [`StatePath`] is the path of states, drawn lazily from random words; a
//! [`ModulatedCurve`] is the cumulative intensity along it, `M(t) = ∫₀ᵗ rate(u) · factor(u) du`,
//! piece by piece exact. Given the path the process is Poisson: lanes split it by rate, and
//! the analysis rescales time with the same M. Both walk the path once and forwards, so it is
//! never held in memory, however long the phase.
//!
//! There are no random generators here. Words come from an iterator, the same one for all
//! lanes of a phase.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::rate::RateCurve;
use crate::seeding::unit;

/// Shortest mean stay in seconds.
///
/// Every worker walks the whole path. A million stays are walked in some 30 ms; at this bound
/// that is 30 µs of every second, and an idle stretch of a minute costs 2 ms at once.
pub const STAY_MIN_S: f64 = 1e-3;

/// What an MMPP is made of; both lists have one element for each state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mmpp {
    /// Rates of the states, relative to each other.
    pub rates: Vec<f64>,
    /// Mean stays in the states, in seconds.
    pub stays_s: Vec<f64>,
}

impl Mmpp {
    /// Tells whether the numbers make a process: two states or more, rates that are not all 0,
    /// no stay below [`STAY_MIN_S`].
    pub fn is_sound(&self) -> bool {
        let are_rates = self.rates.iter().all(|rate| rate.is_finite() && *rate >= 0.0);
        let are_stays = self.stays_s.iter().all(|&stay_s| {
            // Scaled times are rounded.
            stay_s.is_finite() && stay_s >= STAY_MIN_S * (1.0 - 1e-9)
        });
        let mean = self.mean_rate();
        let is_mean = mean.is_finite() && mean > 0.0;
        are_rates && are_stays && is_mean && self.rates.len() >= 2 && self.is_even()
    }

    fn is_even(&self) -> bool {
        self.rates.len() == self.stays_s.len()
    }

    fn mean_rate(&self) -> f64 {
        let total_s: f64 = self.stays_s.iter().sum();
        let parts = self.rates.iter().zip(&self.stays_s);
        parts.map(|(rate, stay_s)| rate * (stay_s / total_s)).sum()
    }

    /// What the rate of the phase is multiplied by in each state; 1 in the long run.
    pub fn factors(&self) -> Vec<f64> {
        let mean = self.mean_rate();
        self.rates.iter().map(|rate| rate / mean).collect()
    }

    /// The first state for a draw uniform in [0, 1).
    fn first_state(&self, draw: f64) -> usize {
        let mut left_s = draw * self.stays_s.iter().sum::<f64>();
        for (state, stay_s) in self.stays_s.iter().enumerate() {
            left_s -= stay_s;
            if left_s < 0.0 {
                return state;
            }
        }
        self.stays_s.len().saturating_sub(1)
    }

    /// The state after `state` for a draw uniform in [0, 1): one of the others.
    fn next_state(&self, state: usize, draw: f64) -> usize {
        let others = self.stays_s.len().saturating_sub(1);
        // Below `others` for every draw below 1.
        let other = (draw * others as f64) as usize;
        if other >= state { other + 1 } else { other }
    }
}

impl fmt::Display for Mmpp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rates: Vec<String> = self.rates.iter().map(f64::to_string).collect();
        let stays: Vec<String> = self.stays_s.iter().map(|stay_s| format!("{stay_s} s")).collect();
        write!(f, "rates {}, stays {}", rates.join(", "), stays.join(", "))
    }
}

/// One stay of the path in one state.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stay {
    /// Number of the state.
    pub state: usize,
    /// Beginning, in seconds since the phase began.
    pub start_s: f64,
    /// End, in seconds since the phase began.
    pub end_s: f64,
}

/// The stays of one phase in order, without end as long as there are random words.
///
/// Each stay takes two words, also where the state is no question: one for the state and one
/// for the length.
#[derive(Debug, Clone)]
pub struct StatePath<W> {
    law: Mmpp,
    words: W,
    state: Option<usize>,
    end_s: f64,
}

impl<W: Iterator<Item = u64>> StatePath<W> {
    /// Begins the path; that of a process that is not [sound](Mmpp::is_sound) has no stays.
    pub fn new(law: Mmpp, words: W) -> Self {
        Self { law, words, state: None, end_s: 0.0 }
    }
}

impl<W: Iterator<Item = u64>> Iterator for StatePath<W> {
    type Item = Stay;

    fn next(&mut self) -> Option<Stay> {
        let (choice, length) = (unit(self.words.next()?), unit(self.words.next()?));
        let state = match self.state {
            Some(state) => self.law.next_state(state, choice),
            None if self.law.is_sound() => self.law.first_state(choice),
            None => return None,
        };
        let mean_s = *self.law.stays_s.get(state)?;
        let start_s = self.end_s;
        // 1 − length is in (0, 1]: the logarithm is finite.
        self.end_s -= mean_s * libm::log(1.0 - length);
        self.state = Some(state);
        Some(Stay { state, start_s, end_s: self.end_s })
    }
}

/// A stretch of the phase in one state.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Piece {
    factor: f64,
    start_s: f64,
    end_s: f64,
    /// Integral of the rate up to the beginning and the end, and the same with the factors.
    rate_before: f64,
    rate_after: f64,
    area_before: f64,
    area_after: f64,
}

/// Cumulative intensity of an MMPP in one phase, along one path of states.
///
/// Questions must come in ascending order; each takes the walk a little further.
#[derive(Debug, Clone)]
pub struct ModulatedCurve<W> {
    curve: RateCurve,
    factors: Vec<f64>,
    path: StatePath<W>,
    piece: Piece,
}

impl<W: Iterator<Item = u64>> ModulatedCurve<W> {
    /// Lays the factors of `law` over the rate of the phase.
    pub fn new(curve: RateCurve, law: &Mmpp, words: W) -> Self {
        let (factors, path) = (law.factors(), StatePath::new(law.clone(), words));
        Self { curve, factors, path, piece: Piece::default() }
    }

    /// The instant at which the cumulative intensity reaches `area`, in seconds: M⁻¹(area).
    ///
    /// `None` when the phase ends first. Areas must not descend.
    pub fn instant(&mut self, area: f64) -> Option<f64> {
        while area >= self.piece.area_after {
            self.advance()?;
        }
        let Piece { factor, start_s, end_s, rate_before, area_before, .. } = self.piece;
        // The piece holds the area, so its factor is above 0.
        let instant_s = self.curve.instant(rate_before + (area - area_before) / factor)?;
        Some(instant_s.clamp(start_s, end_s))
    }

    /// Cumulative intensity at `t_s` seconds: M(t). Instants must not descend.
    pub fn expected(&mut self, t_s: f64) -> f64 {
        let t_s = t_s.clamp(0.0, self.curve.length_s());
        while t_s >= self.piece.end_s && self.advance().is_some() {}
        let Piece { factor, rate_before, area_before, .. } = self.piece;
        area_before + factor * (self.curve.expected(t_s) - rate_before)
    }

    /// Goes on to the next stay; `None` at the end of the phase.
    fn advance(&mut self) -> Option<()> {
        let length_s = self.curve.length_s();
        let Piece { end_s: start_s, rate_after: rate_before, area_after: area_before, .. } =
            self.piece;
        if start_s >= length_s {
            return None;
        }
        let stay = self.path.next()?;
        let factor = self.factors.get(stay.state).copied()?;
        let end_s = stay.end_s.min(length_s);
        let rate_after = self.curve.expected(end_s);
        let area_after = area_before + factor * (rate_after - rate_before);
        self.piece =
            Piece { factor, start_s, end_s, rate_before, rate_after, area_before, area_after };
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Mmpp, ModulatedCurve, STAY_MIN_S, StatePath, Stay};
    use crate::digest::mix;
    use crate::rate::{RateCurve, RateLaw, Step};

    fn words(seed: u64) -> impl Iterator<Item = u64> {
        (0..).map(move |count: u64| mix(mix(seed) ^ count))
    }

    fn two() -> Mmpp {
        Mmpp { rates: vec![50.0, 500.0], stays_s: vec![5.0, 1.0] }
    }

    fn three() -> Mmpp {
        Mmpp { rates: vec![1.0, 0.0, 4.0], stays_s: vec![2.0, 1.0, 0.5] }
    }

    fn stays(law: &Mmpp, seed: u64, count: usize) -> Vec<Stay> {
        StatePath::new(law.clone(), words(seed)).take(count).collect()
    }

    #[test]
    fn factors_are_1_in_the_long_run() {
        // (50 · 5 + 500 · 1) / 6 = 125.
        assert_eq!(two().factors(), [0.4, 4.0]);
        let factors = three().factors();
        let mean: f64 = factors.iter().zip(&three().stays_s).map(|(f, s)| f * s / 3.5).sum();
        assert!((mean - 1.0).abs() < 1e-15, "{mean}");
    }

    #[test]
    fn stays_join_and_no_state_follows_itself() {
        for law in [two(), three()] {
            let stays = stays(&law, 1, 10_000);
            assert_eq!(stays[0].start_s, 0.0);
            for pair in stays.windows(2) {
                assert_eq!(pair[0].end_s, pair[1].start_s);
                assert_ne!(pair[0].state, pair[1].state);
            }
        }
    }

    #[test]
    fn two_states_take_turns_and_of_three_the_next_is_any_other() {
        let turns = stays(&two(), 2, 1_000);
        assert!(turns.windows(3).all(|three| three[0].state == three[2].state));
        let mut counts = [[0.0_f64; 3]; 3];
        for pair in stays(&three(), 2, 30_001).windows(2) {
            counts[pair[0].state][pair[1].state] += 1.0;
        }
        for (state, row) in counts.iter().enumerate() {
            let visits: f64 = row.iter().sum();
            // A third of the 30,000 jumps leave each state; five standard deviations.
            assert!((visits - 10_000.0).abs() < 5.0 * 82.0, "{counts:?}");
            for (next, count) in row.iter().enumerate() {
                let share = if next == state { 0.0 } else { 0.5 };
                assert!((count - share * visits).abs() <= 5.0 * 0.5 * visits.sqrt(), "{counts:?}");
            }
        }
    }

    /// The distance of an empirical law from the true one is above 1.95/√n once in a thousand
    /// times (Kolmogorov's limit law).
    #[test]
    fn sojourn_times_are_exponential_with_the_written_means() {
        for law in [two(), three()] {
            for (state, mean_s) in law.stays_s.iter().enumerate() {
                let all = stays(&law, 3, 20_000);
                let in_state = all.iter().filter(|stay| stay.state == state);
                let mut lengths: Vec<f64> =
                    in_state.map(|stay| (stay.end_s - stay.start_s) / mean_s).collect();
                lengths.sort_by(f64::total_cmp);
                let count = lengths.len() as f64;
                let distances = (0..).zip(&lengths).map(|(index, length)| {
                    let law = -libm::expm1(-length);
                    let below = f64::from(index) / count;
                    (law - below).max(below + 1.0 / count - law)
                });
                let distance = distances.fold(0.0, f64::max);
                assert!(distance * count.sqrt() < 1.95, "{state}: {distance} of {count}");
            }
        }
    }

    #[test]
    fn the_first_state_follows_the_long_run_shares_and_so_does_any_instant() {
        for law in [two(), three()] {
            let total_s: f64 = law.stays_s.iter().sum();
            for at_s in [0.0, 0.3, 4.0] {
                let mut counts = vec![0.0_f64; law.rates.len()];
                for seed in 0..20_000 {
                    let mut path = StatePath::new(law.clone(), words(seed));
                    let there = path.find(|stay| stay.end_s > at_s).expect("words do not end");
                    counts[there.state] += 1.0;
                }
                for (count, stay_s) in counts.iter().zip(&law.stays_s) {
                    let share = stay_s / total_s;
                    let bound = 4.5 * (share * (1.0 - share) * 20_000.0).sqrt();
                    assert!((count - share * 20_000.0).abs() < bound, "{at_s} s: {counts:?}");
                }
            }
        }
    }

    fn laws() -> Vec<RateLaw> {
        let steps = [(10.0, 2.0), (0.0, 3.0), (50.0, 1.0)];
        let steps = steps.map(|(rate, duration_s)| Step { rate, duration_s }).to_vec();
        vec![
            RateLaw::Constant { rate: 200.0 },
            RateLaw::Ramp { from: 0.0, to: 300.0 },
            RateLaw::Sine { mean: 100.0, amplitude: 100.0, period_s: 3.0, shift: 0.25 },
            RateLaw::Steps { steps },
        ]
    }

    fn modulated(rate: &RateLaw, law: &Mmpp) -> ModulatedCurve<impl Iterator<Item = u64>> {
        ModulatedCurve::new(RateCurve::new(rate, 10.0), law, words(4))
    }

    #[test]
    fn the_cumulative_intensity_is_the_integral_of_rate_times_factor() {
        for rate in laws() {
            for law in [two(), three()] {
                let (curve, factors) = (RateCurve::new(&rate, 10.0), law.factors());
                let mut modulated = modulated(&rate, &law);
                let mut path = StatePath::new(law.clone(), words(4));
                let mut stay = path.next().expect("words do not end");
                let (steps, mut sum) = (100_000, 0.0);
                let width_s = 10.0 / f64::from(steps);
                for step in 0..steps {
                    let middle_s = (f64::from(step) + 0.5) * width_s;
                    while middle_s >= stay.end_s {
                        stay = path.next().expect("words do not end");
                    }
                    sum += curve.rate(middle_s) * factors[stay.state] * width_s;
                    let end_s = f64::from(step + 1) * width_s;
                    // Each jump of the rate or of the state leaves less than its own step.
                    assert!((modulated.expected(end_s) - sum).abs() < 0.6, "{rate:?} {end_s}");
                }
            }
        }
    }

    #[test]
    fn the_instant_inverts_the_cumulative_intensity() {
        for rate in laws() {
            for law in [two(), three()] {
                let total = modulated(&rate, &law).expected(10.0);
                let (mut inverse, mut forward) = (modulated(&rate, &law), modulated(&rate, &law));
                for part in 0..1000 {
                    let area = total * f64::from(part) / 1000.0;
                    let instant_s = inverse.instant(area).expect("below the total");
                    assert!((0.0..=10.0).contains(&instant_s));
                    assert!((forward.expected(instant_s) - area).abs() < 1e-6, "{rate:?}, {area}");
                }
                assert_eq!(inverse.instant(total * (1.0 + 1e-12)), None);
                assert_eq!(inverse.instant(f64::MAX), None);
            }
        }
    }

    #[test]
    fn a_phase_shorter_than_a_stay_has_one_factor() {
        let law = Mmpp { rates: vec![1.0, 3.0], stays_s: vec![1e6, 1e6] };
        let mut factors = Vec::new();
        for seed in 0..20 {
            let curve = RateCurve::new(&RateLaw::Constant { rate: 100.0 }, 1.0);
            factors.push(ModulatedCurve::new(curve, &law, words(seed)).expected(1.0) / 100.0);
        }
        assert!(factors.iter().all(|factor| [0.5, 1.5].contains(factor)), "{factors:?}");
        assert!(factors.contains(&0.5) && factors.contains(&1.5));
    }

    #[test]
    fn what_is_no_process_has_no_stays() {
        let broken = [
            (vec![1.0], vec![1.0]),
            (vec![1.0, 2.0], vec![1.0]),
            (vec![0.0, 0.0], vec![1.0, 1.0]),
            (vec![1.0, f64::NAN], vec![1.0, 1.0]),
            (vec![1.0, -1.0], vec![1.0, 3.0]),
            (vec![1.0, 2.0], vec![1.0, STAY_MIN_S / 2.0]),
            (vec![f64::MAX, f64::MAX], vec![1.0, f64::INFINITY]),
            (vec![], vec![]),
        ];
        for (rates, stays_s) in broken {
            let law = Mmpp { rates, stays_s };
            assert!(!law.is_sound(), "{law:?}");
            assert_eq!(StatePath::new(law.clone(), words(1)).next(), None);
            let curve = RateCurve::new(&RateLaw::Constant { rate: 100.0 }, 1.0);
            let mut curve = ModulatedCurve::new(curve, &law, words(1));
            assert_eq!((curve.instant(0.0), curve.expected(0.5)), (None, 0.0), "{law:?}");
        }
    }

    #[test]
    fn a_path_ends_with_its_words() {
        let mut path = StatePath::new(two(), [0, 1 << 63, 7].into_iter());
        let stay = path.next().expect("two words are there");
        assert_eq!((stay.state, stay.start_s), (0, 0.0));
        // The median of an exponential time of mean 5.
        assert!((stay.end_s - 5.0 * 2.0_f64.ln()).abs() < 1e-14);
        assert_eq!(path.next(), None);
    }
}
