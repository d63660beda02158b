//! From sample files to the arrivals of a run in the order of the timeline.
//!
//! A hundred million rows must fit well under 2 GiB, so nothing is held of a row but what
//! [`crate::store`] packs: about ten bytes. Row groups are read in the order of their earliest
//! rows, and rows are packed as soon as nothing earlier can come (`order`): beside the store, a
//! few row groups are in memory.
//!
//! Rows are ordered by (intended start, number): the same order whatever the order of parts and
//! rows on disk. Follow-up steps of sessions (`step` > 0) are counted and left out: they are no
//! arrivals.

mod batch;
mod columns;
mod kinds;
mod order;
mod samples;
#[cfg(test)]
mod tests;

pub use columns::{Columns, second_of};
pub use kinds::Kind;
pub use samples::{COLUMNS, RESPONSE_COLUMNS, Samples};
