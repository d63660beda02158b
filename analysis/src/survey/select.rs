//! Values of wanted ranks, found by going through the values a few times.
//!
//! A [`Selection`] knows how many values lie in each cell. [`Selection::want`] finds the cells in
//! which wanted ranks lie; each pass over the values ([`Catch`]) either keeps the values of a cell
//! or counts them in 4,096 finer ones.

use std::collections::BTreeMap;

use super::cells::{CELLS, FAILED, Span, cell_of, span_of};
use crate::quantile::CENSORED;

/// Most values of a cell that are kept. A cell of more is counted in finer ones: where very many
/// rows have the same time, keeping them all would be the copy that is to be avoided.
const KEPT_MAX: u64 = 1 << 18;

/// Bits by which finer cells are narrower.
const FINER_BITS: u32 = 12;

/// The order statistics of one group and measure, as far as they are known.
#[derive(Debug, Clone)]
pub(super) struct Selection {
    /// Number of values in each cell.
    cells: Vec<u32>,
    /// Values of ranks, which count from 1.
    known: BTreeMap<u64, i64>,
    /// Cells of which all values are known: values below, and the values in order.
    kept: Vec<(u64, Vec<i64>)>,
    open: Vec<Open>,
}

/// A cell in which wanted ranks lie.
#[derive(Debug, Clone)]
struct Open {
    span: Span,
    /// Values below the cell.
    below: u64,
    count: u64,
    ranks: Vec<u64>,
}

impl Selection {
    /// Starts from the number of values in each cell.
    pub fn new(cells: Vec<u32>) -> Self {
        Self { cells, known: BTreeMap::new(), kept: Vec::new(), open: Vec::new() }
    }

    /// Number of values.
    pub fn count(&self) -> u64 {
        self.cells.iter().map(|&count| u64::from(count)).sum()
    }

    /// Number of values that are not censored.
    pub fn finite(&self) -> u64 {
        self.count() - u64::from(self.cells[FAILED])
    }

    /// Asks for the values of ranks from 1 to the number of values.
    pub fn want(&mut self, mut ranks: Vec<u64>) {
        ranks.sort_unstable();
        ranks.dedup();
        ranks.retain(|&rank| !self.settle(rank));
        let (mut cell, mut below) = (0, 0);
        for rank in ranks {
            while below + u64::from(self.cells[cell]) < rank {
                below += u64::from(self.cells[cell]);
                cell += 1;
            }
            let span = span_of(cell);
            let count = u64::from(self.cells[cell]);
            match self.open.last_mut() {
                Some(open) if open.span == span => open.ranks.push(rank),
                _ => self.open.push(Open { span, below, count, ranks: vec![rank] }),
            }
        }
        self.settle_narrow();
    }

    /// The value of a rank; `None` while it is not known.
    pub fn value(&self, rank: u64) -> Option<i64> {
        self.known.get(&rank).copied()
    }

    /// Tells whether a pass is needed.
    pub fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Finds out the value of a rank from what is at hand.
    fn settle(&mut self, rank: u64) -> bool {
        if self.known.contains_key(&rank) {
            return true;
        }
        let finite = self.finite();
        let value = if rank > finite {
            Some(CENSORED)
        } else {
            let mut kept = self.kept.iter();
            kept.find_map(|(below, values)| {
                let place = rank.checked_sub(below + 1)?;
                values.get(usize::try_from(place).ok()?).copied()
            })
        };
        value.map(|value| self.known.insert(rank, value));
        value.is_some()
    }

    /// Closes the cells that hold one value each.
    fn settle_narrow(&mut self) {
        let (known, open) = (&mut self.known, &mut self.open);
        open.retain(|open| {
            let is_narrow = open.span.bits == 0;
            if is_narrow {
                known.extend(open.ranks.iter().map(|&rank| (rank, open.span.low)));
            }
            !is_narrow
        });
    }

    /// What a pass must catch of each open cell.
    pub fn catch(&self) -> Catch {
        let mut places = vec![0; if self.is_open() { CELLS } else { 0 }];
        let mut nets: Vec<Net> = Vec::new();
        for open in &self.open {
            // Cells of one origin are neighbours in order: the first one leads to them all.
            let place = &mut places[cell_of(open.span.low)];
            if *place == 0 {
                *place = nets.len() as u32 + 1;
            }
            let held = if open.count <= KEPT_MAX {
                Held::Values(Vec::new())
            } else {
                Held::Counts(vec![0; 1 << open.span.bits.min(FINER_BITS)])
            };
            nets.push(Net { span: open.span, held });
        }
        Catch { places, nets }
    }

    /// Takes in what the threads of a pass caught.
    pub fn take(&mut self, catches: impl Iterator<Item = Catch>) {
        let mut held: Vec<Held> = Vec::new();
        for catch in catches {
            if held.is_empty() {
                held = catch.nets.into_iter().map(|net| net.held).collect();
            } else {
                held.iter_mut().zip(catch.nets).for_each(|(held, net)| held.join(net.held));
            }
        }
        let open = std::mem::take(&mut self.open);
        for (open, held) in open.into_iter().zip(held) {
            match held {
                Held::Values(mut values) => {
                    values.sort_unstable();
                    self.kept.push((open.below, values));
                    for rank in open.ranks {
                        self.settle(rank);
                    }
                }
                Held::Counts(counts) => self.open.extend(open.finer(&counts)),
            }
        }
        self.settle_narrow();
    }
}

impl Open {
    /// The finer cells in which the ranks lie.
    fn finer(self, counts: &[u64]) -> Vec<Self> {
        let bits = self.span.bits.saturating_sub(FINER_BITS);
        let mut finer: Vec<Self> = Vec::new();
        let (mut cell, mut below) = (0, self.below);
        for rank in self.ranks {
            while below + counts[cell] < rank {
                below += counts[cell];
                cell += 1;
            }
            let low = self.span.low.wrapping_add((cell as i64) << bits);
            let span = Span { low, bits };
            match finer.last_mut() {
                Some(open) if open.span == span => open.ranks.push(rank),
                _ => finer.push(Self { span, below, count: counts[cell], ranks: vec![rank] }),
            }
        }
        finer
    }
}

/// What one thread catches in one pass.
#[derive(Debug, Clone)]
pub(super) struct Catch {
    /// For each cell the first net that may hold its values, counted from 1.
    places: Vec<u32>,
    /// In ascending order.
    nets: Vec<Net>,
}

#[derive(Debug, Clone)]
struct Net {
    span: Span,
    held: Held,
}

#[derive(Debug, Clone)]
enum Held {
    Values(Vec<i64>),
    Counts(Vec<u64>),
}

impl Held {
    fn join(&mut self, other: Self) {
        match (self, other) {
            (Self::Values(values), Self::Values(more)) => values.extend(more),
            (Self::Counts(counts), Self::Counts(more)) => {
                counts.iter_mut().zip(more).for_each(|(count, more)| *count += more);
            }
            _ => {}
        }
    }
}

impl Catch {
    /// Catches a value, if it is wanted.
    pub fn see(&mut self, value: i64) {
        if self.nets.is_empty() {
            return;
        }
        let place = self.places[cell_of(value)] as usize;
        if place > 0 {
            self.hold(place - 1, value);
        }
    }

    fn hold(&mut self, first: usize, value: i64) {
        let nets = self.nets[first..].iter_mut();
        let Some(net) = { nets }.find(|net| net.span.holds(value)) else { return };
        match &mut net.held {
            Held::Values(values) => values.push(value),
            Held::Counts(counts) => {
                let bits = net.span.bits.saturating_sub(FINER_BITS);
                let distance = value.wrapping_sub(net.span.low).cast_unsigned();
                counts[(distance >> bits) as usize] += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value of a rank, by as many passes as it takes.
    fn selected(values: &[i64], ranks: &[u64]) -> Vec<Option<i64>> {
        let mut cells = vec![0; CELLS];
        values.iter().for_each(|&value| cells[cell_of(value)] += 1);
        let mut selection = Selection::new(cells);
        selection.want(ranks.to_vec());
        while selection.is_open() {
            let (mut even, mut odd) = (selection.catch(), selection.catch());
            values.iter().step_by(2).for_each(|&value| even.see(value));
            values.iter().skip(1).step_by(2).for_each(|&value| odd.see(value));
            selection.take([even, odd].into_iter());
        }
        ranks.iter().map(|&rank| selection.value(rank)).collect()
    }

    #[test]
    fn crowded_cells_are_counted_in_finer_ones() {
        // Three quarters of them share a cell of a second's width, far above what is kept.
        let count = 4 * KEPT_MAX as usize;
        let mut values: Vec<i64> = (0..count)
            .map(|row| {
                let mixed = openload_contract::digest::mix(row as u64);
                match row % 4 {
                    0 => (mixed >> 20).cast_signed(),
                    1 => 300_000_000_000 + (mixed % 900_000_000).cast_signed(),
                    2 => 300_000_000_000,
                    _ if row % 8 == 3 => i64::MIN + (mixed % 5).cast_signed(),
                    _ => CENSORED,
                }
            })
            .collect();
        let ranks = [1, 9, 1_000, 50_000, 300_000, 600_000, 900_000, 1_000_000, count as u64];
        let found = selected(&values, &ranks);
        values.sort_unstable();
        let expected: Vec<Option<i64>> =
            ranks.iter().map(|&rank| Some(values[rank as usize - 1])).collect();
        assert_eq!(found, expected);
    }
}
