//! From a timeline to the events that are sent.
//!
//! [`replay()`] does what a [`ReplaySpec`] says, always in this order:
//!
//! | step | what it does | rate | how bursts change |
//! |---|---|---|---|
//! | slice | takes `[from, to)` of the trace; `from` becomes 0 | - | - |
//! | filter | keeps some methods, paths, statuses | less | unknown |
//! | thin | keeps a share, by the hash of the event or session | × p | towards Poisson |
//! | max gap | cuts longer gaps to a bound, those at both ends included | more | fewer silences |
//! | overlap | lays whole shifted timelines over one another | × n | smoother: trends cancel |
//! | copies | several events for each, a little apart | × n | same curve, larger bursts |
//! | speed | divides times | × s | same bursts, sooner |
//! | repeat | replays everything again | - | - |
//!
//! [`expected`] tells in numbers what they do to the rate and to the index of dispersion.
//!
//! The result is a pure function of timeline, specification and seed: no clock, no stream of
//! random numbers, but a hash of what each event is. Times ascend from 0; equal times keep a fixed
//! order. Everything streams: memory is bounded by the events inside one jitter, times the number
//! of copies. Overlapping and repeating read the source again, and so does cutting gaps, once,
//! because the length must be known before the first event is given out; so a source is not an
//! iterator but a function that opens one.

mod base;
mod copies;
mod draw;
pub mod expected;
mod held;
mod overlap;
mod replay;
pub(crate) mod spec;
mod speed;
#[cfg(test)]
mod tests;

pub use base::{GapCut, ReplayCounts};
pub use replay::{Replay, replay};
pub use spec::{
    COPIES_MAX, Copies, Filter, Overlap, PathPattern, Repeat, ReplayError, ReplaySpec, Thin, ThinBy,
};
