//! Kolmogorov–Smirnov distance of values from a law, without sorting them all.
//!
//! `D = max over i of (F(x_i) − (i−1)/n, i/n − F(x_i))` over the sorted values needs the values only
//! where the maximum may lie. Values are counted in cells, 16,384 to each factor of two, in one
//! pass. The first value of a cell has a known rank and lies in the cell, which bounds both terms from
//! below and above; a second pass keeps the values of those cells whose bound reaches the greatest of
//! the lower bounds, a few in ten thousand. What is found is what a sort would have found, to the
//! last bit: the same terms of the same values.

use std::ops::AddAssign;

/// Bits of a value below its highest one that tell cells apart.
const DETAIL: u32 = 14;

/// Octaves of values that have cells of their own; what is beyond shares those at the ends. Gaps
/// are around 1.
const LEAST_EXPONENT: i32 = -40;
const OCTAVES: usize = 52;

const NEGATIVE: usize = 0;
const ZERO: usize = 1;
/// Positive values below all octaves.
const TINY: usize = 2;
const FIRST: usize = 3;
/// Number of cells; the last one holds what is beyond all octaves.
const CELLS: usize = FIRST + (OCTAVES << DETAIL) + 1;

const MANTISSA_BITS: u32 = f64::MANTISSA_DIGITS - 1;

/// Numbers of values by cell.
#[derive(Debug, Clone)]
pub struct Cells {
    counts: Vec<u32>,
    count: usize,
}

impl Default for Cells {
    fn default() -> Self {
        Self { counts: vec![0; CELLS], count: 0 }
    }
}

/// How far a law is above the values' own distribution, and how far below it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Distances {
    /// Greatest `F(x_i) − (i−1)/n`, at least 0.
    pub above: f64,
    /// Greatest `i/n − F(x_i)`, at least 0.
    pub below: f64,
}

impl Distances {
    /// The greater of both.
    pub fn greatest(self) -> f64 {
        self.above.max(self.below)
    }

    /// Distances of ascending values from a law.
    pub fn of_sorted(sorted: &[f64], law: impl Fn(f64) -> f64) -> Self {
        let mut distances = Self::default();
        for (index, &value) in (0..).zip(sorted) {
            distances += Self::at(index, sorted.len(), law(value));
        }
        distances
    }

    /// What the value with so many of `count` values before it says.
    fn at(before: u32, count: usize, law: f64) -> Self {
        let count = count as f64;
        let before = f64::from(before) / count;
        Self { above: law - before, below: before + 1.0 / count - law }
    }
}

impl AddAssign for Distances {
    /// Keeps the greatest of each.
    fn add_assign(&mut self, other: Self) {
        self.above = self.above.max(other.above);
        self.below = self.below.max(other.below);
    }
}

/// Distances of ascending values as they come.
#[derive(Debug, Clone, Copy)]
pub struct Ascending {
    count: usize,
    before: u32,
    distances: Distances,
}

impl Ascending {
    /// Expects so many values.
    pub fn new(count: usize) -> Self {
        Self { count, before: 0, distances: Distances::default() }
    }

    /// Takes the law at the next value.
    pub fn push(&mut self, law: f64) {
        self.distances += Distances::at(self.before, self.count, law);
        self.before += 1;
    }

    /// The distances.
    pub fn distances(self) -> Distances {
        self.distances
    }
}

impl Cells {
    /// Counts a value.
    pub fn add(&mut self, value: f64) {
        self.counts[cell_of(value)] += 1;
        self.count += 1;
    }

    /// Number of values.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Takes a value out again.
    pub fn remove(&mut self, value: f64) {
        self.counts[cell_of(value)] -= 1;
        self.count -= 1;
    }

    /// Finds the cells whose values must be looked at.
    pub fn search<L: Fn(f64) -> f64>(self, law: L) -> Search<L> {
        // Laws are computed to a few units in the sixteenth place, and need be monotone no better.
        const BLUR: f64 = 1e-12;
        let mut least = Distances::default();
        let mut most = Vec::new();
        let mut before = 0;
        for (cell, &count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let (low, high) = ends(cell);
            let (low, high) = (law(low), law(high));
            let at = |before: u32, law: f64| Distances::at(before, self.count, law);
            let last = before + count - 1;
            least += Distances { above: at(before, low).above, below: at(last, high).below };
            most.push((cell, at(before, high).above, at(last, low).below));
            before += count;
        }
        let mut is_wanted = vec![false; CELLS];
        for (cell, above, below) in most {
            is_wanted[cell] = above + BLUR >= least.above || below + BLUR >= least.below;
        }
        Search { cells: self, law, is_wanted, kept: Vec::new() }
    }
}

/// The second pass.
#[derive(Debug)]
pub struct Search<L> {
    cells: Cells,
    law: L,
    is_wanted: Vec<bool>,
    kept: Vec<f64>,
}

impl<L: Fn(f64) -> f64> Search<L> {
    /// Takes a value that was counted.
    pub fn see(&mut self, value: f64) {
        let cell = cell_of(value);
        // A cell of one value needs none of them.
        if self.is_wanted[cell] && cell != ZERO {
            self.kept.push(value);
        }
    }

    /// The distances.
    pub fn finish(mut self) -> Distances {
        self.kept.sort_unstable_by(f64::total_cmp);
        let mut kept = self.kept.iter().copied();
        let mut distances = Distances::default();
        let mut before = 0;
        for (cell, &count) in self.cells.counts.iter().enumerate() {
            if self.is_wanted[cell] && cell == ZERO && count > 0 {
                let law = (self.law)(0.0);
                distances += Distances::at(before, self.cells.count, law);
                distances += Distances::at(before + count - 1, self.cells.count, law);
            } else if self.is_wanted[cell] {
                for (place, value) in (before..before + count).zip(kept.by_ref()) {
                    distances += Distances::at(place, self.cells.count, (self.law)(value));
                }
            }
            before += count;
        }
        distances
    }
}

fn cell_of(value: f64) -> usize {
    if value < 0.0 || value.is_nan() {
        return NEGATIVE;
    }
    if value == 0.0 {
        return ZERO;
    }
    let place = (value.to_bits() >> (MANTISSA_BITS - DETAIL)).checked_sub(first_place());
    place.map_or(TINY, |place| (FIRST + place as usize).min(CELLS - 1))
}

/// Least and greatest value that a cell can hold.
fn ends(cell: usize) -> (f64, f64) {
    let edge =
        |place: usize| f64::from_bits((place as u64 + first_place()) << (MANTISSA_BITS - DETAIL));
    match cell {
        NEGATIVE => (f64::NEG_INFINITY, 0.0),
        ZERO => (0.0, 0.0),
        TINY => (0.0, edge(0)),
        _ if cell == CELLS - 1 => (edge(cell - FIRST), f64::INFINITY),
        _ => (edge(cell - FIRST), edge(cell - FIRST + 1)),
    }
}

/// The bits of the least value of the octaves, as far as they tell cells apart.
fn first_place() -> u64 {
    2.0_f64.powi(LEAST_EXPONENT).to_bits() >> (MANTISSA_BITS - DETAIL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{exponential, uniform};

    fn exponential_law(gap: f64) -> f64 {
        -(-gap).exp_m1()
    }

    fn searched(values: &[f64], law: impl Fn(f64) -> f64) -> (Distances, usize) {
        let mut cells = Cells::default();
        values.iter().for_each(|&value| cells.add(value));
        let mut search = cells.search(law);
        values.iter().for_each(|&value| search.see(value));
        let kept = search.kept.len();
        (search.finish(), kept)
    }

    #[test]
    fn a_search_finds_what_a_sort_finds() {
        let mut odd: Vec<f64> = uniform(9, 3_000).iter().map(|share| share.powi(20)).collect();
        odd.extend([0.0; 500]);
        odd.extend([-0.5, 1e300, 1e-300, 5e-324, 4_096.0]);
        let samples: [Vec<f64>; 5] = [
            exponential(1, 40_000),
            exponential(2, 40_000).iter().map(|gap| gap * 1.3).collect(),
            uniform(3, 10_000).iter().map(|share| 2.0 * share).collect(),
            vec![1.0; 1_000],
            odd,
        ];
        for values in samples {
            let mut sorted = values.clone();
            sorted.sort_unstable_by(f64::total_cmp);
            let (found, _) = searched(&values, exponential_law);
            assert_eq!(found, Distances::of_sorted(&sorted, exponential_law));
        }
        let none = Distances::default();
        assert_eq!(searched(&[], exponential_law).0, none);
    }

    #[test]
    fn a_search_keeps_few_values() {
        let (_, kept) = searched(&exponential(5, 400_000), exponential_law);
        assert!(kept < 40_000, "{kept}");
    }

    #[test]
    fn cells_hold_what_lies_between_their_ends() {
        for value in [1e-12, 0.1, 1.0, 1.000_1, 3.0, 4_000.0, 5_000.0, 1e-13, 0.0, -1.0] {
            let (low, high) = ends(cell_of(value));
            assert!(low <= value && value <= high, "{value} {low} {high}");
        }
    }
}
