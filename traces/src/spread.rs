//! Where inside the step of a coarse clock, or inside a counted bin, events lie.
//!
//! # Which step
//! [`Steps`] counts, in one pass and constant memory, how many stamps each step explains: a step
//! explains a stamp that is a multiple of it. The clock's resolution is the greatest step from
//! 1 ns to 60 s that explains 99 % of them, whatever number of digits is written.
//!
//! # Where inside it
//! `k` events of one stamp are put at `k` sorted uniform phases, in the order of the file: exactly
//! a Poisson process under the condition that the recorded counts are what they are. The phases
//! are made one by one, without knowing more than `k`: with `E` independent exponential draws,
//!
//! ```text
//! U(i) = (E_1 + … + E_i) / (E_1 + … + E_(k+1)),  i = 1 … k
//! ```
//!
//! are distributed as the order statistics of `k` uniform draws (Devroye, Non-Uniform Random
//! Variate Generation, 1986, theorem V.2.2). The draws are made from a counter: draw `i` of a
//! bin depends on seed, source, bin and `i` alone, so that threads and chunks change nothing.
//!
//! # Rates that change between bins
//! Counts of a minute and more would leave a staircase with a constant rate inside. [`Shape`] makes
//! the rate piecewise linear instead: with counts `c₋`, `c`, `c₊` of a bin and its neighbours, the
//! rate in events per bin goes from `l` at the beginning over `m` in the middle to `r` at the end:
//!
//! ```text
//! l = min((c₋ + c) / 2, 2·min(c₋, c))    r = min((c + c₊) / 2, 2·min(c, c₊))
//! m = 2c − (l + r) / 2
//! ```
//!
//! Neighbours agree on the rate at their border, the area `(l + 2m + r) / 4` is `c` for any
//! neighbours, and as `l` and `r` are at most `2c`, no rate is negative.

use openload_contract::digest::mix;
use serde::{Deserialize, Serialize};

use crate::record::SECOND_NS;

/// Share of stamps that a step must explain to be the resolution.
const EXPLAINED: f64 = 0.99;

/// Changes of the stamp without which the digits are believed: half of all stamps are even by
/// chance, but 20 in a row only once in a million.
const CHANGES_MIN: u64 = 20;

/// Powers of ten from 1 ns to 100 ms; whole seconds are counted apart.
const FRACTIONS: usize = 9;

/// Bounds of the draws that are kept: below the lower one an allocation costs more, above the
/// upper one memory would depend on the counts.
const KEPT_FROM: u64 = 8;
const KEPT_MAX: u64 = 64 << 10;

/// How events are put inside a step or bin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Within {
    /// At sorted uniform phases: a Poisson process with the recorded counts.
    #[default]
    Poisson,
    /// At equal distances; smoother than nearly any real traffic.
    Even,
    /// All at the beginning, as recorded; burstier than any real traffic.
    Start,
}

/// What steps explain the stamps of a source.
#[derive(Debug, Clone)]
pub struct Steps {
    /// Stamps whose greatest power of ten that divides them is 10^i ns.
    fractions: [u64; FRACTIONS],
    /// Stamps of whole seconds, by the second of the minute.
    seconds: [u64; 60],
    stamps: u64,
    changes: u64,
    last: Option<(i64, Place)>,
}

/// Where a stamp is counted.
#[derive(Debug, Clone, Copy)]
enum Place {
    Fraction(usize),
    Second(usize),
}

impl Default for Steps {
    fn default() -> Self {
        Self { fractions: [0; FRACTIONS], seconds: [0; 60], stamps: 0, changes: 0, last: None }
    }
}

impl Steps {
    /// Counts a stamp as it was recorded.
    pub fn add(&mut self, stamp_ns: i64) {
        let place = match self.last {
            Some((last_ns, place)) if last_ns == stamp_ns => place,
            last => {
                self.changes += u64::from(last.is_some());
                let place = place(stamp_ns);
                self.last = Some((stamp_ns, place));
                place
            }
        };
        self.stamps += 1;
        match place {
            Place::Fraction(power) => self.fractions[power] += 1,
            Place::Second(second) => self.seconds[second] += 1,
        }
    }

    /// The resolution in ns of a source whose format can write steps of `nominal_ns`; never finer
    /// than that.
    pub fn resolution_ns(&self, nominal_ns: i64) -> i64 {
        if self.changes < CHANGES_MIN {
            return nominal_ns;
        }
        let needed = (self.stamps as f64 * EXPLAINED).ceil() as u64;
        let whole_seconds = |step: usize| self.seconds.iter().step_by(step).sum::<u64>();
        let coarse = (1..=60).rev().filter(|step| 60 % step == 0);
        if let Some(step) = coarse.clone().find(|&step| whole_seconds(step) >= needed) {
            return nominal_ns.max(step as i64 * SECOND_NS);
        }
        let mut explained = whole_seconds(1);
        for (power, &count) in self.fractions.iter().enumerate().rev() {
            explained += count;
            if explained >= needed {
                return nominal_ns.max(10_i64.pow(power as u32));
            }
        }
        nominal_ns
    }
}

fn place(stamp_ns: i64) -> Place {
    if stamp_ns % SECOND_NS == 0 {
        return Place::Second((stamp_ns / SECOND_NS).rem_euclid(60) as usize);
    }
    let mut power = 0;
    let mut rest = stamp_ns;
    while rest % 10 == 0 && power < FRACTIONS - 1 {
        rest /= 10;
        power += 1;
    }
    Place::Fraction(power)
}

/// What random phases depend on, besides their number in the bin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draws {
    /// Seed of the import.
    pub seed: u64,
    /// Position of the source among the inputs.
    pub source: u32,
    /// The stamp as recorded, ns.
    pub bin_ns: i64,
}

/// The phases in [0, 1) of the events of one bin, in order.
#[derive(Debug, Clone)]
pub struct Phases {
    rule: Rule,
    count: u64,
    given: u64,
}

#[derive(Debug, Clone)]
enum Rule {
    Poisson { draws: Gaps, sum: f64, total: f64 },
    Even,
    Start,
}

impl Phases {
    /// The phases of `count` events. `first` is the number of draws that other events of the
    /// same bin have used: each bin has one numbered supply of them.
    pub fn new(within: Within, draws: Draws, first: u64, count: u64) -> Self {
        let rule = match within {
            Within::Even => Rule::Even,
            Within::Start => Rule::Start,
            Within::Poisson => {
                let source = mix(mix(draws.seed) ^ u64::from(draws.source));
                let stream = mix(source ^ draws.bin_ns.cast_unsigned());
                let mut draws = Gaps { stream, first, kept: Vec::new() };
                let total = draws.total(count);
                Rule::Poisson { draws, sum: 0.0, total }
            }
        };
        Self { rule, count, given: 0 }
    }

    /// The number of draws that `count` events use.
    pub fn draws_used(count: u64) -> u64 {
        count.saturating_add(1)
    }
}

impl Iterator for Phases {
    type Item = f64;

    fn next(&mut self) -> Option<f64> {
        if self.given == self.count {
            return None;
        }
        let index = self.given;
        self.given += 1;
        Some(match &mut self.rule {
            Rule::Start => 0.0,
            Rule::Even => (index as f64 + 0.5) / self.count as f64,
            Rule::Poisson { draws, sum, total } => {
                *sum += draws.get(index);
                // Rounding may bring the quotient of nearly equal sums up to 1.
                (*sum / *total).min(1.0 - f64::EPSILON)
            }
        })
    }
}

/// The exponential draws of one bin's events. Each is needed twice, for the sum and in its turn.
#[derive(Debug, Clone)]
struct Gaps {
    stream: u64,
    first: u64,
    /// The first of them, unless all are few, which are drawn again sooner than kept.
    kept: Vec<f64>,
}

impl Gaps {
    /// Sums the draws from number 0 to number `last`.
    fn total(&mut self, last: u64) -> f64 {
        let Self { stream, first, kept } = self;
        let draws = (0..=last).map(|index| gap(*stream, first.wrapping_add(index)));
        if last < KEPT_FROM {
            return draws.sum();
        }
        kept.reserve(last.min(KEPT_MAX) as usize);
        draws
            .inspect(|draw| {
                if kept.len() < KEPT_MAX as usize {
                    kept.push(*draw);
                }
            })
            .sum()
    }

    fn get(&self, index: u64) -> f64 {
        let kept = usize::try_from(index).ok().and_then(|index| self.kept.get(index));
        kept.copied().unwrap_or_else(|| gap(self.stream, self.first.wrapping_add(index)))
    }
}

/// An exponential draw: number `index` of SplitMix64's sequence from `stream`, as a number in
/// (0, 1] with 53 bits, and its logarithm from the same library everywhere.
fn gap(stream: u64, index: u64) -> f64 {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    const SCALE: f64 = 1.0 / (1_u64 << 53) as f64;
    let word = mix(stream.wrapping_add(index.wrapping_mul(STEP)));
    -libm::log(((word >> 11) + 1) as f64 * SCALE)
}

/// The counts of a bin and of its neighbours.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Counts {
    /// Events of the bin before.
    pub before: f64,
    /// Events of the bin.
    pub here: f64,
    /// Events of the bin after.
    pub after: f64,
}

/// The course of the rate inside a bin, as a density over [0, 1): piecewise linear with a knot in
/// the middle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    left: f64,
    middle: f64,
    right: f64,
}

impl Shape {
    /// The same rate all over the bin.
    pub const FLAT: Self = Self { left: 1.0, middle: 1.0, right: 1.0 };

    /// The shape between these counts; flat for an empty bin.
    pub fn between(counts: Counts) -> Self {
        let Counts { before, here, after } = counts;
        if here <= 0.0 {
            return Self::FLAT;
        }
        let border = |beside: f64| ((beside + here) / 2.0).min(2.0 * beside.min(here)) / here;
        let (left, right) = (border(before), border(after));
        Self { left, middle: 2.0 - (left + right) / 2.0, right }
    }

    /// The place in [0, 1) before which the share `phase` of the bin's events lies: the inverse
    /// of the distribution function. Keeps order.
    pub fn place(&self, phase: f64) -> f64 {
        let Self { left, middle, right } = *self;
        if left == 1.0 && right == 1.0 {
            return phase;
        }
        let half = (left + middle) / 4.0;
        let place = if phase < half {
            inverse(left, middle - left, phase)
        } else {
            0.5 + inverse(middle, right - middle, phase - half)
        };
        place.clamp(0.0, 1.0 - f64::EPSILON)
    }
}

/// Solves `rise·x² + rate·x = mass`: where, in half a bin whose density begins with `rate` and
/// changes by `rise`, this mass is reached. Written so that nothing cancels.
fn inverse(rate: f64, rise: f64, mass: f64) -> f64 {
    let root = (rate * rate + 4.0 * rise * mass).max(0.0).sqrt();
    if rate + root > 0.0 { (2.0 * mass / (rate + root)).min(0.5) } else { 0.0 }
}

/// The instant at `phase` of a bin; always inside it.
pub fn instant_ns(bin_ns: i64, width_ns: i64, phase: f64) -> i64 {
    let offset_ns = (phase * width_ns as f64) as i64;
    bin_ns.saturating_add(offset_ns.clamp(0, width_ns.max(1) - 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, proptest};

    use super::*;

    fn resolution(stamps: impl IntoIterator<Item = i64>) -> i64 {
        let mut steps = Steps::default();
        stamps.into_iter().for_each(|stamp_ns| steps.add(stamp_ns));
        steps.resolution_ns(1)
    }

    #[test]
    fn the_resolution_is_what_the_clock_did_not_what_was_written() {
        let random = |index: u64| (mix(index) % 1_000_000).cast_signed();
        for step_ns in [1, 10, 100, 1_000, 1_000_000, 100_000_000] {
            assert_eq!(resolution((0..2_000).map(|index| random(index) * step_ns)), step_ns);
        }
        for seconds in [1, 2, 3, 5, 10, 15, 30, 60] {
            let step_ns = seconds * SECOND_NS;
            let stamps = (0..2_000).map(|index| -500 * step_ns + random(index) % 1000 * step_ns);
            assert_eq!(resolution(stamps), step_ns);
        }
    }

    #[test]
    fn one_stamp_in_a_hundred_may_lie_elsewhere_but_not_two() {
        let stamps = |odd: i64| {
            (0..1_000).map(move |index| {
                let is_odd = index % (1_000 / odd) == 0;
                index * 3 * SECOND_NS + if is_odd { 1_000_000 } else { 0 }
            })
        };
        assert_eq!(resolution(stamps(10)), 3 * SECOND_NS);
        assert_eq!(resolution(stamps(20)), 1_000_000);
    }

    #[test]
    fn few_stamps_are_believed_as_they_are_written() {
        assert_eq!(resolution([0; 1_000]), 1);
        assert_eq!(resolution((0..20).map(|index| index * SECOND_NS)), 1);
        assert_eq!(resolution((0..21).map(|index| index * SECOND_NS)), SECOND_NS);
        let mut steps = Steps::default();
        (0..100).for_each(|index| steps.add(index * 1_000));
        assert_eq!(steps.resolution_ns(1_000_000), 1_000_000, "never finer than the format");
    }

    fn draws(bin_ns: i64) -> Draws {
        Draws { seed: 42, source: 1, bin_ns }
    }

    #[test]
    fn phases_are_uniform_over_many_bins_of_many_sizes() {
        let mut phases: Vec<f64> = (0..20_000_i64)
            .flat_map(|bin| {
                let count = 1 + mix(bin.cast_unsigned()) % 9;
                Phases::new(Within::Poisson, draws(bin * SECOND_NS), 0, count)
            })
            .collect();
        phases.sort_unstable_by(f64::total_cmp);
        // Kolmogorov's bound for p = 0.001.
        let bound = 1.95 / (phases.len() as f64).sqrt();
        let distance = kolmogorov_distance(&phases, |phase| phase);
        assert!(distance < bound, "{distance} of {bound}");
    }

    /// Greatest distance of the sorted values' distribution from `cumulated`.
    fn kolmogorov_distance(values: &[f64], cumulated: impl Fn(f64) -> f64) -> f64 {
        let count = values.len() as f64;
        values.iter().zip(0..).fold(0.0, |distance, (&value, index)| {
            let (low, high) = (f64::from(index) / count, f64::from(index + 1) / count);
            let expected = cumulated(value);
            distance.max((expected - low).abs()).max((high - expected).abs())
        })
    }

    #[test]
    fn the_smallest_of_k_phases_is_distributed_as_it_should_be() {
        // The smallest of k uniform draws lies below x with probability 1 − (1 − x)^k.
        let mut smallest: Vec<f64> = (0..20_000)
            .filter_map(|bin| Phases::new(Within::Poisson, draws(bin), 0, 4).next())
            .collect();
        smallest.sort_unstable_by(f64::total_cmp);
        let distance = kolmogorov_distance(&smallest, |x| 1.0 - (1.0 - x).powi(4));
        assert!(distance < 1.95 / 20_000_f64.sqrt(), "{distance}");
    }

    #[test]
    fn phases_depend_on_seed_source_bin_and_number_only() {
        let phases = |draws, first| {
            Phases::new(Within::Poisson, draws, first, 5).map(f64::to_bits).collect::<Vec<_>>()
        };
        let base = phases(draws(7), 0);
        assert_eq!(base, phases(draws(7), 0));
        assert_ne!(base, phases(draws(8), 0));
        assert_ne!(base, phases(Draws { seed: 43, ..draws(7) }, 0));
        assert_ne!(base, phases(Draws { source: 2, ..draws(7) }, 0));
        assert_ne!(base, phases(draws(7), Phases::draws_used(5)));
    }

    #[test]
    fn even_and_start_are_what_they_say() {
        let phases = |within, count| Phases::new(within, draws(0), 0, count).collect::<Vec<_>>();
        assert_eq!(phases(Within::Even, 4), [0.125, 0.375, 0.625, 0.875]);
        assert_eq!(phases(Within::Start, 2), [0.0, 0.0]);
        assert_eq!(phases(Within::Poisson, 0), [0.0; 0]);
    }

    #[test]
    fn a_shape_is_continuous_and_flat_between_equals() {
        let shape = |before, here, after| Shape::between(Counts { before, here, after });
        assert_eq!(shape(5.0, 5.0, 5.0), Shape::FLAT);
        let (early, late) = (shape(0.0, 10.0, 30.0), shape(10.0, 30.0, 30.0));
        assert_eq!(early.right * 10.0, late.left * 30.0);
        assert_eq!(early.left, 0.0);
        assert_eq!(shape(3.0, 0.0, 3.0), Shape::FLAT);
    }

    #[test]
    fn events_follow_the_shape() {
        let shape = Shape::between(Counts { before: 10.0, here: 40.0, after: 70.0 });
        let density = |x: f64| {
            if x < 0.5 {
                shape.left + (shape.middle - shape.left) * 2.0 * x
            } else {
                shape.middle + (shape.right - shape.middle) * (2.0 * x - 1.0)
            }
        };
        let places: Vec<f64> =
            (0..10_000).map(|index| shape.place((f64::from(index) + 0.5) / 10_000.0)).collect();
        // The trapezoid rule is exact here for steps that meet the knot.
        let cumulated = |x: f64| {
            let trapezoid = |a: f64, b: f64| (density(a) + density(b)) / 2.0 * (b - a);
            let knot = 0.5 - 1e-12;
            if x < 0.5 { trapezoid(0.0, x) } else { trapezoid(0.0, knot) + trapezoid(0.5, x) }
        };
        assert!(kolmogorov_distance(&places, cumulated) < 1e-4);
    }

    proptest! {
        #[test]
        fn any_shape_keeps_the_count_the_order_and_the_bin(
            before in 0_u32..1_000,
            here in 1_u32..1_000,
            after in 0_u32..1_000,
        ) {
            let counts =
                Counts { before: before.into(), here: here.into(), after: after.into() };
            let shape = Shape::between(counts);
            let area = (shape.left + 2.0 * shape.middle + shape.right) / 4.0;
            prop_assert!((area - 1.0).abs() < 1e-12);
            prop_assert!(shape.left >= 0.0 && shape.middle >= 0.0 && shape.right >= 0.0);
            let places: Vec<f64> =
                (0..=100).map(|index| shape.place(f64::from(index) / 100.0)).collect();
            prop_assert!(places.is_sorted());
            prop_assert!(places[0] >= 0.0 && places[100] < 1.0);
        }

        #[test]
        fn every_phase_stays_in_its_bin(bin in any::<i16>(), width in 1_i64..100_000_000_000) {
            let bin_ns = i64::from(bin) * width;
            for phase in Phases::new(Within::Poisson, draws(bin_ns), 0, 20).chain([0.0, 1.0]) {
                let instant_ns = instant_ns(bin_ns, width, phase);
                prop_assert!((bin_ns..bin_ns + width).contains(&instant_ns));
            }
        }
    }
}
