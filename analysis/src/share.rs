//! The share of rows of which something is true, and how well it is known.
//!
//! Two passes: one counts, one counts batch by batch ([`crate::precision`]).

use crate::parallel;
use crate::precision::{Layout, Precision};
use crate::rows::Rows;
use crate::store::{Decoded, Fields};

/// A share of rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// Number of rows.
    pub rows: usize,
    /// Share of them that are inside.
    pub share: f64,
    /// How well it is known; `None` of few rows, or where all rows are alike.
    pub precision: Option<Precision>,
}

/// Measures the share of rows that `is_inside` tells to be inside; a new stratum begins at each
/// of the ascending instants. `None` of no rows.
pub fn share_survey(
    rows: &Rows<'_>,
    fields: Fields,
    starts_ns: &[i64],
    is_inside: impl Fn(&Decoded, usize) -> bool + Sync,
) -> Option<Share> {
    let strata: Vec<Rows<'_>> = rows.cut_at(starts_ns);
    let counts = parallel::map(strata.len(), |stratum| {
        let (mut all, mut inside) = (0, 0_u64);
        strata[stratum].visit(fields, |rows, places| {
            all += places.len();
            inside += places.iter().filter(|&place| is_inside(rows, place)).count() as u64;
        });
        (all, inside)
    });
    let count: usize = counts.iter().map(|(all, _)| all).sum();
    let inside: u64 = counts.iter().map(|(_, inside)| inside).sum();
    if count == 0 {
        return None;
    }
    let share = inside as f64 / count as f64;
    let layout = Layout::new(&counts.iter().map(|&(all, _)| all).collect::<Vec<_>>());
    let by_batch = parallel::map(strata.len(), |stratum| {
        let mut batches = vec![0_u64; layout.batches(stratum)];
        let (mut batch, mut row) = (0, 0);
        strata[stratum].visit(fields, |rows, places| {
            for place in places.iter() {
                if row == layout.batch_end(stratum, batch) {
                    batch += 1;
                }
                row += 1;
                if let Some(count) = batches.get_mut(batch) {
                    *count += u64::from(is_inside(rows, place));
                }
            }
        });
        batches
    });
    let by_batch: Vec<&[u64]> = by_batch.iter().map(Vec::as_slice).collect();
    Some(Share { rows: count, share, precision: layout.share_precision(share, &by_batch) })
}

#[cfg(test)]
mod tests {
    use openload_contract::{Outcome, Role};

    use super::share_survey;
    use crate::precision::share_precision;
    use crate::store::Fields;
    use crate::testing::{Simulated, fail, open, phase};

    #[test]
    fn a_share_is_known_as_well_as_its_rows_say() {
        let phases = [
            phase("a", Role::Steady, 300.0, 10.0),
            phase("b", Role::Steady, 5.0, 0.5),
            phase("c", Role::Steady, 900.0, 7.0),
        ];
        let mut run = Simulated::new(&phases, 1_000_000);
        for row in run.rows.iter_mut().filter(|row| row.seq % 7 == 2 || row.seq % 500 < 20) {
            fail(row, Outcome::HttpError);
        }
        let failed: Vec<bool> = run.rows.iter().map(|row| row.outcome != Outcome::Ok).collect();
        let starts: Vec<i64> = vec![10_000_000_000, 10_500_000_000];
        let cut = |at: &i64| run.rows.partition_point(|row| row.intended_ns < *at);
        let cuts: Vec<usize> = starts.iter().map(cut).collect();
        let share = failed.iter().filter(|failed| **failed).count() as f64 / failed.len() as f64;
        let expected = share_precision(&failed, &cuts, share, |&failed| failed);
        let run = open(&run);
        let columns = run.samples.columns();
        let is_failed = columns.mask(|kind| !kind.outcome.is_ok());
        let found = share_survey(&columns.all(), Fields::KIND, &starts, |rows, place| {
            is_failed[rows.code(place)]
        });
        let found = found.unwrap();
        assert_eq!((found.rows, found.share, found.precision), (failed.len(), share, expected));
        assert!(
            share_survey(&columns.rows(|_| false), Fields::KIND, &starts, |_, _| true).is_none()
        );
    }
}
