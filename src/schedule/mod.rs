//! When requests start: arrival processes and the timelines made of them.
//!
//! A timeline is a pure function of the plan's streams and the seed. It is cut into
//! [`openload_contract::LANES`] lanes, every arrival lies in exactly one, and a worker or
//! shard owns whole lanes ([`LaneSet`]): however a run is divided, the union is the same.
//! Poisson processes split into independent processes of a part of the rate, so a lane draws
//! from a generator of its own and no other lane is drawn. Constant pacing and renewal
//! processes do not split that way: arrival k of one common sequence belongs to lane k mod L.
//!
//! Nothing here reads a clock, waits, or learns about responses.

mod lanes;
mod lookahead;
mod outline;
mod phase;
#[cfg(test)]
mod tests;
mod timeline;
mod tournament;

pub use lanes::LaneSet;
pub use lookahead::Lookahead;
pub use outline::{Outline, outline};
pub use timeline::{Arrival, Timeline};
pub(crate) use timeline::{Numbers, ScenarioMix};
