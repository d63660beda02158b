//! The arrivals as the statistics see them: a store, its kinds, and sets of rows.

use std::ops::Range;

use super::Kind;
use crate::numeric::SECOND_NS;
use crate::rows::Rows;
use crate::store::Store;

/// The columns of all arrivals in the order of the timeline.
#[derive(Debug, Clone, Copy)]
pub struct Columns<'a> {
    store: &'a Store,
    kinds: &'a [Kind],
}

impl<'a> Columns<'a> {
    /// Joins rows and their kinds.
    pub fn new(store: &'a Store, kinds: &'a [Kind]) -> Self {
        Self { store, kinds }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.store.len()
    }

    /// Tells whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.store.is_empty()
    }

    /// The packed rows.
    pub fn store(&self) -> &'a Store {
        self.store
    }

    /// The kinds, in the order of their codes.
    pub fn kinds(&self) -> &'a [Kind] {
        self.kinds
    }

    /// Last intended start.
    pub fn last_ns(&self) -> Option<i64> {
        self.store.blocks().last().map(|block| block.last_ns())
    }

    /// Rows whose intended start lies in `[start_ns, end_ns)`.
    pub fn between(&self, start_ns: i64, end_ns: i64) -> Range<usize> {
        let first = self.store.rows_before(start_ns);
        first..self.store.rows_before(end_ns).max(first)
    }

    /// Decides a question once per kind, for lookups by [`Decoded::code`].
    pub fn mask(&self, holds: impl Fn(&Kind) -> bool) -> Vec<bool> {
        self.kinds.iter().map(holds).collect()
    }

    /// Rows of the kinds for which `holds` holds.
    pub fn rows(&self, holds: impl Fn(&Kind) -> bool) -> Rows<'a> {
        Rows::new(*self, 0..self.len(), self.mask(holds))
    }

    /// All rows.
    pub fn all(&self) -> Rows<'a> {
        self.rows(|_| true)
    }

    /// Latest instant at which a request ended.
    pub fn last_finish_ns(&self) -> Option<i64> {
        self.store.last_finish_ns()
    }
}

/// Second since the run's start of an instant.
pub fn second_of(instant_ns: i64) -> u64 {
    u64::try_from(instant_ns / SECOND_NS).unwrap_or(0)
}
