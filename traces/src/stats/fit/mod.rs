//! Models of a timeline that a profile can hold.
//!
//! Two models, each with figures that tell how good it is:
//!
//! * [`nhpp`]: a Poisson process whose rate follows the trace in steps. Right when bursts are
//!   nothing but a rate that changes over minutes.
//! * [`mmpp`]: a constant rate that a two-state Markov chain switches up and down. Right when there
//!   are bursts of seconds and no trend.
//!
//! A model forgets what it has no parameter for: sessions, paths, the order of requests. Where
//! that matters, the trace itself is the profile.
//!
//! Unlike the rest of the statistics, a fit needs all instants at once, 8 bytes each, and takes
//! them as a slice in ascending order, ns from the timeline's beginning.

pub mod goodness;
pub mod mmpp;
pub mod nhpp;
pub mod profile;

pub use goodness::{AndersonDarling, KolmogorovSmirnov};
pub use mmpp::{Mmpp, MmppFit, fit_mmpp};
pub use nhpp::{NhppFit, RateStep, fit_nhpp};
pub use profile::{FittedArrivals, FittedProfile};

use super::burstiness::{Burstiness, Dispersion};

/// The index of dispersion at windows of the same instants.
fn dispersion(times_ns: &[i64], length_ns: i64, windows_ns: &[i64]) -> Vec<Dispersion> {
    let mut burstiness = Burstiness::new(0, windows_ns);
    times_ns.iter().for_each(|&t_ns| burstiness.add(t_ns));
    burstiness.finish(length_ns).dispersion
}
