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
use crate::quantile::rank;

/// Names of the parts in the order of time.
pub const PARTS: [&str; 5] = ["lag", "queue", "connect", "server", "transfer"];

/// Cuts a row into its parts, in ns; `None` when it was never sent.
pub fn parts(columns: Columns<'_>, row: usize) -> Option<[i64; 5]> {
    let sent_ns = columns.sent_ns(row)?;
    let response_ns = columns.response_ns[row];
    let first_byte_ns = columns.ttfb_ns(row).unwrap_or(response_ns);
    Some([
        columns.lag_ns[row],
        columns.queue_ns(row),
        columns.connect_ns(row).unwrap_or(0),
        first_byte_ns.saturating_sub(sent_ns),
        response_ns.saturating_sub(first_byte_ns),
    ])
}

/// Averages the parts over the measured rows and over the slowest percent of them.
pub fn tail_blame(columns: Columns<'_>) -> TailBlame {
    let mut rows = columns.rows(&columns.mask(|kind| kind.is_measured));
    rows.retain(|&row| columns.sent_ns(row as usize).is_some());
    let Some(tail_ns) = quantile_of(&rows, 0.99, |row| columns.response_ns[row]) else {
        return TailBlame::default();
    };
    let parts = PARTS.iter().enumerate().map(|(index, name)| {
        let part = |row: usize| parts(columns, row).map_or(0, |parts| parts[index]);
        let is_tail = |row: usize| columns.response_ns[row] >= tail_ns;
        let blame = BlamePart {
            mean: mean_ms(&rows, part, |_| true),
            p99: quantile_of(&rows, 0.99, part).map_or(0.0, ns_to_ms),
            mean_in_tail: mean_ms(&rows, part, is_tail),
        };
        ((*name).to_owned(), blame)
    });
    TailBlame { parts: parts.collect::<BTreeMap<_, _>>(), shares: shares(columns, &rows) }
}

/// For each quantile of the tables: the parts' shares of the time of the rows at or above it.
fn shares(columns: Columns<'_>, rows: &[u32]) -> BTreeMap<String, BTreeMap<String, f64>> {
    let level_shares = |level: f64| {
        let from_ns = quantile_of(rows, level, |row| columns.response_ns[row])?;
        let mut sums = [0.0; PARTS.len()];
        let slow = rows.iter().map(|&row| row as usize);
        for row in slow.filter(|&row| columns.response_ns[row] >= from_ns) {
            let parts = parts(columns, row).unwrap_or_default();
            sums.iter_mut().zip(parts).for_each(|(sum, part)| *sum += part as f64);
        }
        let whole: f64 = sums.iter().sum();
        let share = |(name, sum): (&&str, f64)| ((*name).to_owned(), sum / whole);
        (whole > 0.0).then(|| PARTS.iter().zip(sums).map(share).collect())
    };
    let levels = Quantiles::LEVELS.iter();
    levels.filter_map(|(name, level)| Some(((*name).to_owned(), level_shares(*level)?))).collect()
}

/// Quantile of a value of rows, without sorting them all.
pub fn quantile_of(rows: &[u32], level: f64, value: impl Fn(usize) -> i64) -> Option<i64> {
    let mut values: Vec<i64> = rows.iter().map(|&row| value(row as usize)).collect();
    let index = rank(values.len(), level) - 1;
    (index < values.len()).then(|| *values.select_nth_unstable(index).1)
}

fn mean_ms(rows: &[u32], value: impl Fn(usize) -> i64, keep: impl Fn(usize) -> bool) -> f64 {
    let (mut sum, mut count) = (0.0, 0_u64);
    for row in rows.iter().map(|&row| row as usize).filter(|&row| keep(row)) {
        sum += value(row) as f64;
        count += 1;
    }
    if count == 0 { 0.0 } else { sum / count as f64 / 1e6 }
}
