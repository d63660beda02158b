//! Runs held against other runs: did the target become slower?
//!
//! Neighbouring requests share a queue, so the samples of a run are not independent, and a test
//! that takes them for such (Mann–Whitney over requests, say) calls most pairs of equal runs
//! different. Here the unit is never the request:
//!
//! - Two runs of one timeline ([`paired`]) are cut into the same batches of the same arrivals, and
//!   the differences between batches are tested. What the arrivals cause cancels out.
//! - Other runs ([`welch`]) bring their own interval, made from their own batches, which is also
//!   all that is kept of a run in a baseline file ([`baseline`]).
//! - With four runs or more on each side ([`ranks`]) each run is one value, and noise between runs
//!   counts by itself.
//!
//! A change counts when it is larger than its threshold beyond chance: the test is against the
//! threshold and not against zero. The metrics are tested as one family ([`holm`]), so that the
//! probability to call any change within its threshold a regression is at most [`LEVEL`].
//! Everything is a pure function from readings and rows to an [`Effect`]; [`judge`] puts the
//! answers together, [`refusal`] says why some runs must not be compared at all, and [`history`]
//! searches a long row of runs for the ones with which something changed.

pub mod baseline;
pub mod effect;
pub mod history;
pub mod holm;
pub mod judge;
pub mod options;
pub mod paired;
pub mod ranks;
pub mod reading;
pub mod refusal;
pub mod shares;
pub mod subject;
pub mod welch;

#[cfg(test)]
mod tests;

pub use effect::Effect;
pub use judge::compare;
pub use options::{LEVEL, Options, Thresholds};
pub use subject::Subject;
