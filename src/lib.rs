//! `openload`: an open-model load generator.
//!
//! The instants at which requests start are decided before the first request leaves, from a
//! profile and a seed; the generator keeps to them whatever the target does, writes one row
//! per request, and says where it fell short itself. See `ARCHITECTURE.md`.

pub mod clock;
pub mod dispatch;
pub mod doctor;
pub mod os;
pub mod pacer;
pub mod plan;
pub mod profile;
pub mod replay;
pub mod run;
pub mod schedule;
#[cfg(test)]
mod simulation;
pub mod sink;
pub mod suite;
pub mod target;
pub mod template;
pub mod transport;
