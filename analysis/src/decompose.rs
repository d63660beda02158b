//! Where response time went, on the whole and among the slowest.
//!
//! `response = lag + queue + connect + server + transfer`:
//!
//! | part | from the row | whose |
//! |---|---|---|
//! | lag | `lag_ns` | generator |
//! | queue | `sent_ns − lag_ns − connect_ns` | generator |
//! | connect | `connect_ns` | network, target |
//! | server | `ttfb_ns − sent_ns` | network, target |
//! | transfer | `response_ns − ttfb_ns` | network, target |
//!
//! The parts add up for each row, so their means add up; their quantiles do not. To say what
//! makes the tail, each part is averaged over the rows at or above the 99th percentile, and its
//! share of the time of the rows at or above each other quantile is taken. A row without a first byte spent the rest of its time in `server`. Rows never sent are left out.

use std::collections::BTreeMap;

use openload_contract::summary::{BlamePart, Quantiles, TailBlame};

use crate::load::Columns;
use crate::numeric::ns_to_ms;
use crate::parallel;
use crate::rows::Rows;
use crate::store::{Decoded, Fields};
use crate::survey::{Measure, quantiles};

/// Names of the parts in the order of time.
pub const PARTS: [&str; 5] = ["lag", "queue", "connect", "server", "transfer"];

/// Cuts a row into its parts, in ns; `None` when it was never sent.
pub fn parts(rows: &Decoded, place: usize) -> Option<[i64; 5]> {
    let sent_ns = rows.sent_ns(place)?;
    let response_ns = rows.response_ns[place];
    let first_byte_ns = rows.ttfb_ns(place).unwrap_or(response_ns);
    Some([
        rows.lag_ns[place],
        rows.queue_ns(place),
        rows.connect_ns(place).unwrap_or(0),
        first_byte_ns.saturating_sub(sent_ns),
        response_ns.saturating_sub(first_byte_ns),
    ])
}

/// Level above which rows are the tail.
const TAIL: f64 = 0.99;

/// Averages the parts over the measured rows and over the slowest percent of them.
pub fn tail_blame(columns: Columns<'_>) -> TailBlame {
    let rows = columns.rows(|kind| kind.is_measured).sent();
    let mut levels = vec![TAIL];
    levels.extend(Quantiles::LEVELS.iter().map(|&(_, level)| level));
    let measures = std::iter::once(Measure::Recorded).chain((0..PARTS.len()).map(Measure::Part));
    let values = quantiles(&rows, &measures.collect::<Vec<_>>(), &levels);
    let Some(limits) = values[0].iter().copied().collect::<Option<Vec<i64>>>() else {
        return TailBlame::default();
    };
    let sums = Sums::of(&rows, &limits);
    let (all, tail) = (sums.from(None), sums.from(Some(limits[0])));
    let parts = PARTS.iter().enumerate().map(|(index, name)| {
        let blame = BlamePart {
            mean: all.mean_ms(index),
            p99: values[index + 1][0].map_or(0.0, ns_to_ms),
            mean_in_tail: tail.mean_ms(index),
        };
        ((*name).to_owned(), blame)
    });
    let levels = Quantiles::LEVELS.iter().zip(&limits[1..]);
    let shares = levels.filter_map(|((name, _), &from_ns)| {
        Some(((*name).to_owned(), sums.from(Some(from_ns)).shares()?))
    });
    TailBlame { parts: parts.collect(), shares: shares.collect() }
}

/// Sums of the parts of some rows.
#[derive(Debug, Clone, Copy, Default)]
struct PartSums {
    rows: u64,
    parts: [i128; PARTS.len()],
}

impl PartSums {
    fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        self.parts.iter_mut().zip(other.parts).for_each(|(sum, part)| *sum += part);
    }

    fn mean_ms(&self, part: usize) -> f64 {
        if self.rows == 0 { 0.0 } else { self.parts[part] as f64 / self.rows as f64 / 1e6 }
    }

    /// The parts' shares of the whole time.
    fn shares(&self) -> Option<BTreeMap<String, f64>> {
        let sums = self.parts.map(|sum| sum as f64);
        let whole: f64 = sums.iter().sum();
        let share = |(name, sum): (&&str, f64)| ((*name).to_owned(), sum / whole);
        (whole > 0.0).then(|| PARTS.iter().zip(sums).map(share).collect())
    }
}

/// Sums of the parts by response time: below the first limit, between it and the next, and so on.
struct Sums {
    limits: Vec<i64>,
    classes: Vec<PartSums>,
}

impl Sums {
    fn of(rows: &Rows<'_>, limits: &[i64]) -> Self {
        let mut limits = limits.to_vec();
        limits.sort_unstable();
        limits.dedup();
        let pieces = rows.pieces();
        let none = || vec![PartSums::default(); limits.len() + 1];
        let sums = parallel::fold(pieces.len(), none, |classes, index| {
            pieces[index].visit(Fields::ALL, |rows, places| {
                for place in places.iter() {
                    let Some(parts) = parts(rows, place) else { continue };
                    let reached = |&&limit: &&i64| rows.response_ns[place] >= limit;
                    let class = &mut classes[limits.iter().filter(reached).count()];
                    class.rows += 1;
                    class.parts.iter_mut().zip(parts).for_each(|(sum, part)| {
                        *sum += i128::from(part);
                    });
                }
            });
        });
        let mut classes = none();
        for sum in &sums {
            classes.iter_mut().zip(sum).for_each(|(class, more)| class.add(more));
        }
        Self { limits, classes }
    }

    /// The sums of the rows that took at least so long.
    fn from(&self, from_ns: Option<i64>) -> PartSums {
        let first = from_ns.map_or(0, |from_ns| self.limits.partition_point(|&at| at <= from_ns));
        let mut sums = PartSums::default();
        self.classes[first..].iter().for_each(|class| sums.add(class));
        sums
    }
}
