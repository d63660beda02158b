//! The arrivals of a run in memory: about ten bytes each instead of seventy.
//!
//! [`Store`] holds blocks of [`BLOCK_ROWS`] rows in the order of the timeline, each column packed
//! to the bits that the block needs (`block`, `lanes`). Blocks are unpacked one at a time
//! into a [`Decoded`], and only the columns that are asked for.

mod block;
mod decoded;
mod lanes;
mod rows;
#[cfg(test)]
mod tests;

pub use block::{BLOCK_ROWS, Block};
pub use decoded::{Decoded, Fields};
pub use rows::{ArrivalColumns, OptionalTimes, Store, StoreBuilder};
