//! The blocks of all rows of a run, and how they are filled.

use std::ops::Range;

use super::block::{BLOCK_ROWS, Block, OpenBlock};
use super::{Decoded, Fields};

/// Arrivals as they are put in, column by column, in the order of the timeline. A column that is
/// not known of any of them is empty.
#[derive(Debug, Clone, Copy)]
pub struct ArrivalColumns<'a> {
    /// Intended starts.
    pub intended_ns: &'a [i64],
    /// Schedule lags.
    pub lag_ns: &'a [i64],
    /// Response times.
    pub response_ns: &'a [i64],
    /// Times to connect.
    pub connect_ns: OptionalTimes<'a>,
    /// Instants of sending, since the intended start.
    pub sent_ns: OptionalTimes<'a>,
    /// Instants of the first byte, since the intended start.
    pub ttfb_ns: OptionalTimes<'a>,
    /// Codes of the kinds.
    pub kind: &'a [u32],
}

/// Times of which some are not known.
#[derive(Debug, Clone, Copy)]
pub struct OptionalTimes<'a> {
    /// The times.
    pub values: &'a [i64],
    /// Which of them are known; empty when all are.
    pub known: &'a [bool],
}

impl ArrivalColumns<'_> {
    /// The rows of a range.
    #[must_use]
    pub fn within(&self, range: &Range<usize>) -> Self {
        Self {
            intended_ns: within(self.intended_ns, range),
            lag_ns: within(self.lag_ns, range),
            response_ns: within(self.response_ns, range),
            connect_ns: self.connect_ns.within(range),
            sent_ns: self.sent_ns.within(range),
            ttfb_ns: self.ttfb_ns.within(range),
            kind: within(self.kind, range),
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.intended_ns.len()
    }

    /// Tells whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.intended_ns.is_empty()
    }
}

impl OptionalTimes<'_> {
    fn within(&self, range: &Range<usize>) -> Self {
        Self { values: within(self.values, range), known: within(self.known, range) }
    }

    /// Tells whether the time of a row is known.
    pub fn is_known(&self, row: usize) -> bool {
        !self.values.is_empty() && self.known.get(row).copied().unwrap_or(true)
    }
}

/// A part of a column; of an empty one nothing.
fn within<'a, T>(column: &'a [T], range: &Range<usize>) -> &'a [T] {
    if column.is_empty() { column } else { &column[range.clone()] }
}

/// All arrivals of a run in the order of the timeline.
#[derive(Debug, Clone, Default)]
pub struct Store {
    blocks: Vec<Block>,
    rows: usize,
    last_finish_ns: Option<i64>,
}

impl Store {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Tells whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The blocks; all but the last have [`BLOCK_ROWS`] rows.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Latest instant at which a request ended.
    pub fn last_finish_ns(&self) -> Option<i64> {
        self.last_finish_ns
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        self.blocks.iter().map(Block::bytes).sum()
    }

    fn push(&mut self, block: Block) {
        self.rows += block.len();
        self.blocks.push(block);
    }

    /// Number of rows with an intended start before an instant.
    pub fn rows_before(&self, instant_ns: i64) -> usize {
        let index = self.blocks.partition_point(|block| block.last_ns() < instant_ns);
        let Some(block) = self.blocks.get(index) else { return self.rows };
        let mut decoded = Decoded::new();
        decoded.load(block, Fields::INTENDED);
        let starts = &decoded.intended_ns[..block.len()];
        index * BLOCK_ROWS + starts.partition_point(|&start_ns| start_ns < instant_ns)
    }
}

/// Takes rows in the order of the timeline.
#[derive(Debug)]
pub struct StoreBuilder {
    store: Store,
    open: OpenBlock,
}

impl Default for StoreBuilder {
    fn default() -> Self {
        Self { store: Store::default(), open: OpenBlock::new() }
    }
}

impl StoreBuilder {
    /// Number of rows so far.
    pub fn len(&self) -> usize {
        self.store.rows + self.open.len()
    }

    /// Tells whether there is no row yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends rows.
    ///
    /// # Panics
    /// When the columns are neither empty nor of one length.
    pub fn append(&mut self, rows: &ArrivalColumns<'_>) {
        let finishes = rows.intended_ns.iter().zip(rows.response_ns);
        let last_ns = finishes.map(|(start_ns, time_ns)| start_ns.saturating_add(*time_ns)).max();
        self.store.last_finish_ns = self.store.last_finish_ns.max(last_ns);
        let mut from = 0;
        while from < rows.len() {
            let to = rows.len().min(from + self.open.room());
            if let Some(block) = self.open.append(&rows.within(&(from..to))) {
                self.store.push(block);
            }
            from = to;
        }
    }

    /// Packs what is left.
    pub fn finish(mut self) -> Store {
        if let Some(block) = self.open.close() {
            self.store.push(block);
        }
        self.store.blocks.shrink_to_fit();
        self.store
    }
}
