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
    /// A sorted row group whose first row has this place on disk.
    pub fn new(first_row: u64, arrivals: Arrivals) -> Self {
        Self { first_row, arrivals, passed: 0 }
    }

    /// The rows that wait and are due before an instant.
    fn due(&self, before_ns: Option<i64>) -> Range<usize> {
        let rest = &self.arrivals.intended_ns[self.passed..];
        let is_due = |&start_ns: &i64| before_ns.is_none_or(|before_ns| start_ns < before_ns);
        self.passed..self.passed + rest.partition_point(is_due)
    }
}

/// Rows in the order of (intended start, number, place).
#[derive(Debug)]
pub(super) struct Ordered {
    /// Where each row was before.
    pub places: Vec<u32>,
    /// Its intended start.
    pub starts_ns: Vec<i64>,
}

/// Puts rows in order, of which these are the intended starts and the numbers.
pub(super) fn ordered(starts_ns: &[i64], seq: impl Fn(usize) -> u64) -> Ordered {
    let least = starts_ns.iter().copied().min().unwrap_or(0);
    let greatest = starts_ns.iter().copied().max().unwrap_or(0);
    let span = greatest.wrapping_sub(least).cast_unsigned();
    let place_bits = usize::BITS - starts_ns.len().leading_zeros();
    if span.leading_zeros() < place_bits {
        let mut places: Vec<u32> = (0..starts_ns.len() as u32).collect();
        places.sort_by_key(|&row| (starts_ns[row as usize], seq(row as usize)));
        let starts_ns = places.iter().map(|&row| starts_ns[row as usize]).collect();
        return Ordered { places, starts_ns };
    }
    // A start and a place fit into one word, and words sort several times as fast.
    let mask = (1 << place_bits) - 1;
    let keys = (0..)
        .zip(starts_ns)
        .map(|(place, start)| start.wrapping_sub(least).cast_unsigned() << place_bits | place);
    let keys = sorted(keys.collect(), span << place_bits | mask);
    let mut places: Vec<u32> = keys.iter().map(|&key| (key & mask) as u32).collect();
    let mut rest = places.as_mut_slice();
    for tied in keys.chunk_by(|a, b| a >> place_bits == b >> place_bits) {
        let (rows, others) = rest.split_at_mut(tied.len());
        rest = others;
        if rows.len() > 1 {
            rows.sort_by_key(|&row| seq(row as usize));
        }
    }
    let start = |&key: &u64| least.wrapping_add((key >> place_bits).cast_signed());
    Ordered { places, starts_ns: keys.iter().map(start).collect() }
}

/// Stretches of ascending keys that are merged; more than these, and the keys go into buckets.
const STRETCHES_MAX: usize = 64;

/// Keys to a bucket, on average.
const BUCKET_KEYS: usize = 2;

/// Sorts keys up to `greatest`. However they lie, they come out sorted; it is fast for a few
/// ascending stretches, and for keys that are spread over their range as arrivals are.
fn sorted(mut keys: Vec<u64>, greatest: u64) -> Vec<u64> {
    let descents = keys.windows(2).filter(|pair| pair[0] > pair[1]).count();
    if descents < STRETCHES_MAX {
        // The stable sort finds the stretches and merges them.
        keys.sort();
        return keys;
    }
    let bucket_bits = usize::BITS - (keys.len() / BUCKET_KEYS).leading_zeros();
    let shift = (u64::BITS - greatest.leading_zeros()).saturating_sub(bucket_bits);
    let bucket = |key: u64| (key >> shift) as usize;
    let mut ends = vec![0_u32; bucket(greatest) + 1];
    for &key in &keys {
        ends[bucket(key)] += 1;
    }
    let mut end = 0;
    for bucket in &mut ends {
        end += std::mem::replace(bucket, end);
    }
    let mut sorted = vec![0; keys.len()];
    for &key in &keys {
        let place = &mut ends[bucket(key)];
        sorted[*place as usize] = key;
        *place += 1;
    }
    let mut start = 0;
    for &end in &ends {
        if end > start + 1 {
            sorted[start as usize..end as usize].sort_unstable();
        }
        start = end;
    }
    sorted
}

/// Merges row groups.
#[derive(Debug, Default)]
pub(super) struct Merge {
    /// The runs with waiting rows, by their place on disk.
    runs: Vec<Run>,
}

impl Merge {
    /// Takes a row group.
    pub fn push(&mut self, run: Run) {
        let place = self.runs.partition_point(|other| other.first_row <= run.first_row);
        self.runs.insert(place, run);
    }

    /// Passes on what is due before an instant, or everything.
    pub fn pass_on(&mut self, before_ns: Option<i64>, store: &mut StoreBuilder) {
        let mut parts: Vec<(&Run, Range<usize>)> =
            self.runs.iter().map(|run| (run, run.due(before_ns))).collect();
        parts.retain(|(_, rows)| !rows.is_empty());
        match parts.as_slice() {
            [] => {}
            [(run, rows)] => store.append(&run.arrivals.columns().within(rows)),
            parts => merge(parts, store),
        }
        for run in &mut self.runs {
            run.passed = run.due(before_ns).end;
        }
        self.runs.retain(|run| run.passed < run.arrivals.intended_ns.len());
    }
}

/// Passes on rows of several runs.
fn merge(parts: &[(&Run, Range<usize>)], store: &mut StoreBuilder) {
    let count = parts.iter().map(|(_, rows)| rows.len()).sum();
    let (mut starts_ns, mut places) = (Vec::with_capacity(count), Vec::with_capacity(count));
    for (part, (run, rows)) in (0..).zip(parts) {
        starts_ns.extend_from_slice(&run.arrivals.intended_ns[rows.clone()]);
        places.extend(rows.clone().map(|row| (part, row as u32)));
    }
    let groups: Vec<&Arrivals> = parts.iter().map(|(run, _)| &run.arrivals).collect();
    let seq = |at: usize| {
        let (part, row): (u32, u32) = places[at];
        groups[part as usize].seq(row as usize)
    };
    let Ordered { places: order, starts_ns } = ordered(&starts_ns, seq);
    let rows: Vec<(u32, u32)> = order.iter().map(|&at| places[at as usize]).collect();
    store.append(&Arrivals::merged(&groups, &rows, starts_ns).columns());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The order of (start, number, place), by a sort of the whole.
    fn expected(starts_ns: &[i64], numbers: &[u64]) -> Vec<u32> {
        let mut places: Vec<u32> = (0..starts_ns.len() as u32).collect();
        places.sort_by_key(|&place| (starts_ns[place as usize], numbers[place as usize], place));
        places
    }

    #[test]
    fn rows_that_lie_anyhow_are_put_in_order() {
        let mix = |row: u64, range: u64| openload_contract::digest::mix(row) % range;
        for (range, base) in [
            (1, 0),
            (3, -1),
            (1_000, 7),
            (3_000_000_000, 1_700_000_000_000_000_000),
            (u64::MAX >> 1, 0),
            (u64::MAX, i64::MIN),
        ] {
            for count in [0, 1, 2, 3, 100, 5_000] {
                let numbers: Vec<u64> = (0..count).map(|row| mix(row ^ 99, 50)).collect();
                let spread = |row| base.wrapping_add(mix(row, range).cast_signed());
                // One far away leaves the others in one bucket.
                let crowded = |row| {
                    if row == 0 {
                        base.wrapping_add((range - 1).cast_signed())
                    } else {
                        base + (mix(row, range.min(40)) as i64)
                    }
                };
                let kinds: [&dyn Fn(u64) -> i64; 2] = [&spread, &crowded];
                for start in kinds {
                    let mut starts_ns: Vec<i64> = (0..count).map(start).collect();
                    for stretches in [0, 3] {
                        if stretches > 0 {
                            starts_ns.chunks_mut(count as usize / 3 + 1).for_each(<[i64]>::sort);
                        }
                        let Ordered { places, starts_ns: found } =
                            ordered(&starts_ns, |row| numbers[row]);
                        assert_eq!(places, expected(&starts_ns, &numbers), "{range} {count}");
                        let mut sorted = starts_ns.clone();
                        sorted.sort_unstable();
                        assert_eq!(found, sorted);
                    }
                }
            }
        }
    }
}
