//! The blocks of all rows of a run, and how they are filled.

use super::block::{BLOCK_ROWS, Block};
use super::{Decoded, Fields};

/// One arrival, as it is put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArrivalRow {
    /// Intended start.
    pub intended_ns: i64,
    /// Schedule lag.
    pub lag_ns: i64,
    /// Response time.
    pub response_ns: i64,
    /// Time to connect.
    pub connect_ns: Option<i64>,
    /// Instant of sending, since the intended start.
    pub sent_ns: Option<i64>,
    /// Instant of the first byte, since the intended start.
    pub ttfb_ns: Option<i64>,
    /// Code of the kind.
    pub kind: u32,
}

/// All arrivals of a run in the order of the timeline.
#[derive(Debug, Clone, Default)]
pub struct Store {
    blocks: Vec<Block>,
    rows: usize,
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

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        self.blocks.iter().map(Block::bytes).sum()
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
#[derive(Debug, Default)]
pub struct StoreBuilder {
    store: Store,
    open: Vec<ArrivalRow>,
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

    /// Appends a row.
    pub fn push(&mut self, row: ArrivalRow) {
        self.open.push(row);
        if self.open.len() == BLOCK_ROWS {
            self.close_block();
        }
    }

    /// Packs what is left.
    pub fn finish(mut self) -> Store {
        if !self.open.is_empty() {
            self.close_block();
        }
        self.store.blocks.shrink_to_fit();
        self.store
    }

    fn close_block(&mut self) {
        self.store.blocks.push(Block::new(&self.open));
        self.store.rows += self.open.len();
        self.open.clear();
    }
}
