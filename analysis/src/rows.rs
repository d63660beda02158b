//! Sets of rows that cost no memory for a row: a range, a mask over kinds, and perhaps one more
//! condition.
//!
//! A set is gone through block by block: [`Rows::visit`] unpacks the columns that are asked for and
//! says which places of the block belong to the set. Ranges follow from time, because rows are in
//! the order of their intended starts.

use std::ops::Range;
use std::sync::Arc;

use crate::load::{Columns, Kind};
use crate::store::{BLOCK_ROWS, Decoded, Fields};

/// Rows that one thread takes at a time.
const PIECE_ROWS: usize = 128 * BLOCK_ROWS;

/// Some arrivals of a run, in the order of the timeline.
#[derive(Debug, Clone)]
pub struct Rows<'a> {
    columns: Columns<'a>,
    range: Range<usize>,
    mask: Arc<[bool]>,
    only: Only,
}

/// A condition that is not one on kinds.
#[derive(Debug, Clone)]
enum Only {
    All,
    /// Those of which the bytes were handed over.
    Sent,
    /// Those whose bit is set.
    Picked(Arc<Bitmap>),
}

/// The places of a block that belong to a set, ascending.
#[derive(Debug)]
pub struct Places<'v> {
    first_row: usize,
    places: &'v [u16],
}

impl Places<'_> {
    /// The places.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        // The remainder changes nothing but what the compiler knows.
        self.places.iter().map(|&place| usize::from(place) % BLOCK_ROWS)
    }

    /// The places with the numbers of their rows.
    pub fn numbered(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.iter().map(|place| (place, self.first_row + place))
    }

    /// Number of places.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Tells whether there is none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}

impl<'a> Rows<'a> {
    /// The rows of a range whose kind is in `mask`.
    pub fn new(columns: Columns<'a>, range: Range<usize>, mask: Vec<bool>) -> Self {
        Self { columns, range, mask: mask.into(), only: Only::All }
    }

    /// The run's columns.
    pub fn columns(&self) -> Columns<'a> {
        self.columns
    }

    /// The kinds that can occur.
    pub fn mask(&self) -> &[bool] {
        &self.mask
    }

    /// Those with an intended start in `[start_ns, end_ns)`.
    pub fn between(&self, start_ns: i64, end_ns: i64) -> Self {
        self.within(self.columns.between(start_ns, end_ns))
    }

    /// Those whose number lies in a range.
    pub fn within(&self, range: Range<usize>) -> Self {
        let start = range.start.clamp(self.range.start, self.range.end);
        let range = start..range.end.clamp(start, self.range.end);
        Self { range, ..self.clone() }
    }

    /// Those of the kinds for which `holds` holds.
    pub fn of(&self, holds: impl Fn(&Kind) -> bool) -> Self {
        let kinds = self.mask.iter().zip(self.columns.kinds());
        Self { mask: kinds.map(|(&is_in, kind)| is_in && holds(kind)).collect(), ..self.clone() }
    }

    /// Those of the kinds for whose code `holds` holds.
    pub fn of_codes(&self, holds: impl Fn(usize) -> bool) -> Self {
        let codes = self.mask.iter().enumerate();
        Self { mask: codes.map(|(code, &is_in)| is_in && holds(code)).collect(), ..self.clone() }
    }

    /// Those that were sent, whatever other condition there was.
    pub fn sent(&self) -> Self {
        Self { only: Only::Sent, ..self.clone() }
    }

    /// Those whose bit is set, whatever other condition there was.
    pub fn picked(&self, bits: Arc<Bitmap>) -> Self {
        Self { only: Only::Picked(bits), ..self.clone() }
    }

    /// Most rows there can be.
    pub fn len_max(&self) -> usize {
        self.range.len()
    }

    /// Number of rows.
    pub fn count(&self) -> usize {
        let pieces = self.pieces();
        let counts = crate::parallel::map(pieces.len(), |index| {
            let mut count = 0;
            pieces[index].visit(Fields::KIND, |_, places| count += places.len());
            count
        });
        counts.into_iter().sum()
    }

    /// Tells whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// The set cut where intended starts reach each of the ascending instants: one part more than
    /// there are instants, some of which may be empty.
    pub fn cut_at(&self, instants_ns: &[i64]) -> Vec<Self> {
        let mut start = self.range.start;
        let ends = instants_ns.iter().map(|&instant| self.columns.store().rows_before(instant));
        let ends = ends.chain(std::iter::once(self.range.end));
        let parts = ends.map(|end| {
            let part = self.within(start..end.max(start));
            start = part.range.end;
            part
        });
        parts.collect()
    }

    /// Pieces of the set for several threads.
    pub fn pieces(&self) -> Vec<Self> {
        self.strides(PIECE_ROWS)
    }

    /// The set cut wherever a row's number is a multiple of `stride`.
    pub fn strides(&self, stride: usize) -> Vec<Self> {
        let (first, last) = (self.range.start / stride, self.range.end.div_ceil(stride));
        (first..last).map(|piece| self.within(piece * stride..(piece + 1) * stride)).collect()
    }

    /// Shows the columns of each block, and which places belong to the set.
    pub fn visit(&self, fields: Fields, mut see: impl FnMut(&Decoded, &Places<'_>)) {
        let fields = match self.only {
            Only::Sent => fields | Fields::SENT,
            Only::All | Only::Picked(_) => fields,
        };
        let blocks = self.columns.store().blocks();
        let mut decoded = Decoded::new();
        let mut places = [0; BLOCK_ROWS];
        let mut row = self.range.start;
        while row < self.range.end {
            let (index, from) = (row / BLOCK_ROWS, row % BLOCK_ROWS);
            let first_row = index * BLOCK_ROWS;
            let to = BLOCK_ROWS.min(self.range.end - first_row);
            decoded.load(&blocks[index], fields);
            let count = self.select(&decoded, first_row, from..to, &mut places);
            if count > 0 {
                see(&decoded, &Places { first_row, places: &places[..count] });
            }
            row = first_row + to;
        }
    }

    /// Fills in the places of a block that belong to the set; returns their number.
    fn select(
        &self,
        decoded: &Decoded,
        first_row: usize,
        range: Range<usize>,
        places: &mut [u16; BLOCK_ROWS],
    ) -> usize {
        let mut count = 0;
        let mut take = |place: usize, is_in: bool| {
            // Written in any case, kept if it counts: no branch to guess.
            places[count % BLOCK_ROWS] = place as u16;
            count += usize::from(is_in);
        };
        for place in range {
            let is_in = self.mask[decoded.code(place)];
            let is_in = is_in
                && match &self.only {
                    Only::All => true,
                    Only::Sent => decoded.sent_ns(place).is_some(),
                    Only::Picked(bits) => bits.is_set(first_row + place),
                };
            take(place, is_in);
        }
        count
    }
}

/// A bit for each row.
#[derive(Debug, Clone, Default)]
pub struct Bitmap {
    words: Vec<u64>,
}

impl Bitmap {
    /// Makes room for some rows, all not set.
    pub fn new(rows: usize) -> Self {
        Self { words: vec![0; rows.div_ceil(64)] }
    }

    /// Sets the bit of a row.
    pub fn set(&mut self, row: usize) {
        self.words[row / 64] |= 1 << (row % 64);
    }

    /// Tells whether the bit of a row is set.
    pub fn is_set(&self, row: usize) -> bool {
        self.words[row / 64] >> (row % 64) & 1 == 1
    }
}
