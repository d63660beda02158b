//! Counts, means and quantiles of sets of rows that are too large to copy.
//!
//! A copy of the times of a hundred million rows, and another one in order, would take 1.6 GB.
//! Instead the rows are gone through a few times (`passes`):
//!
//! 1. Every value is counted in one of 14,000 cells, 256 to each factor of two (`cells`).
//! 2. The cell of each wanted rank is known then. Its values are kept and sorted if they are few,
//!    else counted again in finer cells, until every rank has its value (`select`).
//! 3. Rows at or below each quantile are counted batch by batch ([`crate::precision`]); that gives
//!    the ranks of the intervals, whose values come as in 2.
//!
//! The values are those of a sort, to the nanosecond. Several measures of several groups share
//! each pass. Sets of few rows are copied and sorted: both ways give the same, which a test holds
//! them to.

mod cells;
mod measure;
mod passes;
mod result;
mod select;
#[cfg(test)]
mod tests;

pub use cells::Memo;
pub use measure::Measure;
pub use passes::{Question, quantiles, response_times, survey};
pub use result::Survey;
