//! Recorded arrivals on their way to the workers.
//!
//! ```text
//! timeline file ─► slice, filter, scale ─► Event ─► Arrival (lane, number, intended start)
//!                                            └────► request as bytes ─► Feed ─► worker
//! ```
//!
//! A recorded timeline is as fixed as a synthetic one: a pure function of file, plan and seed, cut
//! into the same lanes. What differs is that it lies in a file. Reading and unpacking it, and
//! putting requests together, happens on a thread beside each worker ([`Feed`]) that is some ten
//! thousand events ahead, so that none of it is on the way of a request. A worker whose feed has
//! nothing ready goes on with what it has and takes up late, with the lag it causes, what comes.
//!
//! Only the plan's target is ever contacted. A recorded host is at most written into a header.

mod feed;
mod recording;
mod render;
mod survey;

pub use feed::{Ahead, Feed, RecordedRequest};
pub use recording::{Recording, Timelines};
pub use render::Renderer;
pub use survey::{Survey, WINDOWS_NS, prepare};
