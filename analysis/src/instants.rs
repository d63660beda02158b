//! Instants in their order, of rows that are nearly in it.
//!
//! Rows are in the order of intended starts; the instants at which they were sent, or ended, nearly
//! follow it. [`InOrder`] notes the earliest instant of each block, and then shows all instants in
//! order: as soon as no later block can hold an earlier one, what waits is sorted and shown. What
//! waits is as much as requests overtake one another.

use crate::rows::Rows;
use crate::store::{BLOCK_ROWS, Decoded, Fields};

/// Rows that are looked at before what waits is sorted.
const STRIDE_ROWS: usize = 64 * BLOCK_ROWS;

/// Instants of some rows in ascending order.
#[derive(Debug)]
pub struct InOrder<'a, F> {
    fields: Fields,
    instant: F,
    /// Pieces of the rows, each with the earliest instant of all behind it.
    pieces: Vec<(Rows<'a>, i64)>,
}

impl<'a, F: Fn(&Decoded, usize) -> Option<i64> + Sync> InOrder<'a, F> {
    /// Looks for the earliest instants; rows without one are left out.
    pub fn new(rows: Rows<'a>, fields: Fields, instant: F) -> Self {
        let strides = rows.strides(STRIDE_ROWS);
        let earliest = crate::parallel::map(strides.len(), |index| {
            let mut earliest = i64::MAX;
            strides[index].visit(fields, |decoded, places| {
                let instants = places.iter().filter_map(|place| instant(decoded, place));
                earliest = instants.fold(earliest, i64::min);
            });
            earliest
        });
        let mut behind = i64::MAX;
        let mut pieces: Vec<(Rows<'a>, i64)> = Vec::new();
        for (stride, earliest) in strides.into_iter().zip(earliest).rev() {
            pieces.push((stride, behind));
            behind = behind.min(earliest);
        }
        pieces.reverse();
        Self { fields, instant, pieces }
    }

    /// The instants.
    pub fn iter(&self) -> Ordered<'_, 'a, F> {
        Ordered { source: self, piece: 0, waiting: Vec::new(), shown: 0, ready: 0 }
    }
}

/// Goes through instants in their order.
pub struct Ordered<'i, 'a, F> {
    source: &'i InOrder<'a, F>,
    /// Next piece to look at.
    piece: usize,
    /// In order; those up to `shown` have been shown, those up to `ready` may be.
    waiting: Vec<i64>,
    shown: usize,
    ready: usize,
}

impl<'a, F: Fn(&Decoded, usize) -> Option<i64> + Sync> Iterator for Ordered<'_, 'a, F> {
    type Item = i64;

    fn next(&mut self) -> Option<i64> {
        while self.shown == self.ready {
            self.waiting.drain(..self.shown);
            let InOrder { fields, instant, pieces, .. } = self.source;
            let (rows, behind) = pieces.get(self.piece)?;
            self.piece += 1;
            let waiting = &mut self.waiting;
            rows.visit(*fields, |decoded, places| {
                waiting.extend(places.iter().filter_map(|place| instant(decoded, place)));
            });
            // What waits from before is in order already, and this sort makes use of that.
            waiting.sort();
            self.ready = waiting.partition_point(|instant| instant <= behind);
            self.shown = 0;
        }
        self.shown += 1;
        Some(self.waiting[self.shown - 1])
    }
}

#[cfg(test)]
mod tests {
    use openload_contract::Role;

    use super::InOrder;
    use crate::store::Fields;
    use crate::testing::{Simulated, exponential, open, phase};

    #[test]
    fn instants_come_as_a_sort_would_bring_them() {
        let mut run = Simulated::new(&[phase("hold", Role::Steady, 20_000.0, 8.0)], 1_000_000);
        let noise = exponential(4, run.rows.len());
        for (row, noise) in run.rows.iter_mut().zip(noise) {
            // Most are quick; some take as long as the run.
            let wait_s = if row.seq % 1_000 == 7 { noise } else { noise / 500.0 };
            row.response_ns = (wait_s * 1e9) as i64;
        }
        let run = open(&run);
        let rows = run.samples.columns().all();
        let fields = Fields::INTENDED | Fields::RESPONSE;
        let mut sorted = Vec::new();
        rows.visit(fields, |decoded, places| {
            sorted.extend(places.iter().map(|place| decoded.finished_at(place)));
        });
        sorted.sort_unstable();
        assert!(sorted.len() > 150_000);
        let in_order =
            InOrder::new(rows, fields, |decoded, place| Some(decoded.finished_at(place)));
        assert!(in_order.iter().eq(sorted));
        assert!(in_order.iter().is_sorted());
    }
}
