//! Rows from row groups in any order to rows in the order of the timeline, with little memory.
//!
//! Workers write side by side and in the order in which requests end, so a row group covers a few
//! seconds, and those of all workers overlap. Each row group is sorted by itself as it comes. If
//! they come in the order of their earliest rows, everything before the earliest row of the next one
//! is complete: it is merged and passed on. What is held back is about one row group for each
//! worker, and what is right does not depend on it: groups that overlap more are held back longer.
//!
//! The order is (intended start, number, place on disk). No two arrivals of a stream share a
//! number, so the place decides only between rows that were doubled, or of streams whose first
//! arrivals are due at once.

use std::ops::Range;

use super::batch::Arrivals;
use crate::store::StoreBuilder;

/// Bits of a key that hold the place of a row in its group.
const PLACE_BITS: u32 = 20;

/// A row group in the order of the timeline, of which some rows were passed on.
#[derive(Debug)]
pub(super) struct Run {
    /// Place on disk of its first row.
    first_row: u64,
    arrivals: Arrivals,
    /// How many of them were passed on.
    passed: usize,
}

impl Run {
    /// Sorts a row group whose first row has this place on disk.
    pub fn new(first_row: u64, mut arrivals: Arrivals) -> Self {
        arrivals.arrange(&order(&arrivals));
        Self { first_row, arrivals, passed: 0 }
    }

    /// The rows that wait and are due before an instant.
    fn due(&self, before_ns: Option<i64>) -> Range<usize> {
        let rest = &self.arrivals.intended_ns[self.passed..];
        let is_due = |&start_ns: &i64| before_ns.is_none_or(|before_ns| start_ns < before_ns);
        self.passed..self.passed + rest.partition_point(is_due)
    }
}

/// Places of rows in the order of (intended start, number, place).
fn order(arrivals: &Arrivals) -> Vec<u32> {
    let starts = &arrivals.intended_ns;
    let least = starts.iter().copied().min().unwrap_or(0);
    let greatest = starts.iter().copied().max().unwrap_or(0);
    let span = greatest.wrapping_sub(least).cast_unsigned();
    let mut order: Vec<u32> = (0..starts.len() as u32).collect();
    if span >> (u64::BITS - PLACE_BITS) > 0 || starts.len() >> PLACE_BITS > 0 {
        order.sort_by_key(|&row| (starts[row as usize], arrivals.seq(row as usize)));
        return order;
    }
    // A start and a place fit into one word, and words sort five times as fast.
    let mut keys: Vec<u64> = (0..)
        .zip(starts)
        .map(|(place, start)| start.wrapping_sub(least).cast_unsigned() << PLACE_BITS | place)
        .collect();
    keys.sort_unstable();
    let place = |key: u64| (key & ((1 << PLACE_BITS) - 1)) as u32;
    order.iter_mut().zip(&keys).for_each(|(row, &key)| *row = place(key));
    let same_start = |a: &u32, b: &u32| starts[*a as usize] == starts[*b as usize];
    for tied in order.chunk_by_mut(same_start).filter(|tied| tied.len() > 1) {
        tied.sort_by_key(|&row| arrivals.seq(row as usize));
    }
    order
}

/// A row that is due: what orders it, the run it lies in, and its place there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    intended_ns: i64,
    seq: u64,
    run: u32,
    row: u32,
}

/// Merges row groups.
#[derive(Debug, Default)]
pub(super) struct Merge {
    /// The runs with waiting rows, by their place on disk.
    runs: Vec<Run>,
    due: Vec<Due>,
}

impl Merge {
    /// Takes a row group.
    pub fn push(&mut self, run: Run) {
        let place = self.runs.partition_point(|other| other.first_row <= run.first_row);
        self.runs.insert(place, run);
    }

    /// Passes on what is due before an instant, or everything.
    pub fn pass_on(&mut self, before_ns: Option<i64>, store: &mut StoreBuilder) {
        self.due.clear();
        for (index, run) in (0..).zip(&mut self.runs) {
            let rows = run.due(before_ns);
            run.passed = rows.end;
            self.due.extend(rows.map(|row| Due {
                intended_ns: run.arrivals.intended_ns[row],
                seq: run.arrivals.seq(row),
                run: index,
                row: row as u32,
            }));
        }
        // Stable, because that sort merges the sorted stretches that the runs are.
        self.due.sort();
        for due in &self.due {
            store.push(self.runs[due.run as usize].arrivals.row(due.row as usize));
        }
        self.runs.retain(|run| run.passed < run.arrivals.intended_ns.len());
    }
}
