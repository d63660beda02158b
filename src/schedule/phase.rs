//! The arrivals of one phase, for the lanes of one owner.
//!
//! Time is rescaled by the phase's cumulative intensity, Λ, its expected number of arrivals:
//! in rescaled time ("area") a Poisson process of any rate law has exponential gaps of mean 1,
//! constant pacing has gaps of exactly 1, a renewal process has gaps of mean 1. An arrival at
//! area a starts at Λ⁻¹(a). This is exact for every law: nothing is cut into seconds, nothing
//! is rejected (Çinlar 1975, *Introduction to Stochastic Processes*, §4.7).
//!
//! So a process is two things: where its areas come from ([`Areas`], lanes of their own or one
//! common sequence) and which intensity brings them back to time ([`Intensity`], the rate alone
//! or the rate along a path of states). An MMPP is the areas of a Poisson process with the
//! intensity of the path.

mod common;
mod gaps;
mod split;

use openload_contract::seeding::Purpose;
use openload_contract::{ArrivalKind, Mmpp, ModulatedCurve, PhaseRecord, RateCurve};
use rand::RngExt;
use rand::distr::{Iter, StandardUniform};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::lanes::{LaneSet, generator};
use common::CommonSequence;
use split::SplitPoisson;

/// Where one phase is in the random numbers of a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct PhaseKey {
    pub seed: u64,
    pub stream: usize,
    pub phase: usize,
}

impl PhaseKey {
    /// Makes the generator of one purpose.
    fn generator(self, purpose: Purpose) -> Xoshiro256PlusPlus {
        generator(self.seed, self.stream, self.phase, purpose)
    }
}

/// The arrivals of one phase in order of time: lane and intended start in ns.
pub(super) struct PhaseArrivals {
    intensity: Intensity,
    start_ns: i64,
    end_ns: i64,
    areas: Areas,
}

impl PhaseArrivals {
    pub fn new(phase: &PhaseRecord, key: PhaseKey, lanes: LaneSet) -> Self {
        let length_s = (phase.end_ns - phase.start_ns) as f64 / 1e9;
        let curve = RateCurve::new(&phase.rate, length_s);
        let total = curve.total();
        let areas = match &phase.arrival {
            ArrivalKind::Poisson | ArrivalKind::Mmpp(_) => {
                Areas::Split(SplitPoisson::new(key, lanes))
            }
            ArrivalKind::Constant => Areas::Common(CommonSequence::constant(total, lanes)),
            ArrivalKind::Uniform => Areas::Common(CommonSequence::uniform(total, key, lanes)),
            ArrivalKind::Renewal(renewal) => {
                Areas::Common(CommonSequence::renewal(renewal.gap_law(), total, key, lanes))
            }
            ArrivalKind::Trace => Areas::Recorded,
        };
        let intensity = match &phase.arrival {
            ArrivalKind::Mmpp(mmpp) => Intensity::along_path(curve, mmpp, key),
            _ => Intensity::Rate(curve),
        };
        Self { intensity, start_ns: phase.start_ns, end_ns: phase.end_ns, areas }
    }
}

impl Iterator for PhaseArrivals {
    type Item = (u32, i64);

    fn next(&mut self) -> Option<Self::Item> {
        let (lane, area) = self.areas.next()?;
        let into_s = self.intensity.instant(area)?;
        let intended_ns = self.start_ns + (into_s * 1e9).round() as i64;
        Some((lane, intended_ns.min(self.end_ns - 1)))
    }
}

enum Areas {
    /// Without end: the intensity says when the phase is over.
    Split(SplitPoisson),
    Common(CommonSequence),
    /// None: recorded arrivals come from a file.
    Recorded,
}

impl Areas {
    /// The next area and its lane.
    fn next(&mut self) -> Option<(u32, f64)> {
        match self {
            Self::Split(lanes) => lanes.next(),
            Self::Common(sequence) => sequence.next(),
            Self::Recorded => None,
        }
    }
}

/// Random words of a generator.
type Words = Iter<StandardUniform, Xoshiro256PlusPlus, u64>;

/// What brings areas back to time.
enum Intensity {
    Rate(RateCurve),
    Path(Box<ModulatedCurve<Words>>),
}

impl Intensity {
    /// The rate of the phase along the path of states that all lanes share.
    fn along_path(curve: RateCurve, mmpp: &Mmpp, key: PhaseKey) -> Self {
        let words = key.generator(Purpose::Common).random_iter();
        Self::Path(Box::new(ModulatedCurve::new(curve, mmpp, words)))
    }

    /// The instant of the next area in seconds; `None` when the phase ends first.
    fn instant(&mut self, area: f64) -> Option<f64> {
        match self {
            Self::Rate(curve) => curve.instant(area),
            Self::Path(curve) => curve.instant(area),
        }
    }
}
