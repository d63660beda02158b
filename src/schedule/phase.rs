//! The arrivals of one phase, for the lanes of one owner.
//!
//! Time is rescaled by the phase's expected number of arrivals, Λ: in rescaled time ("area")
//! a Poisson process of any rate law has exponential gaps of mean 1, constant pacing has
//! gaps of exactly 1, a renewal process has gaps of mean 1. An arrival at area a starts at
//! Λ⁻¹(a). This is exact for every law: nothing is cut into seconds, nothing is rejected
//! (Çinlar 1975, *Introduction to Stochastic Processes*, §4.7).

use openload_contract::{ArrivalKind, LANES, PhaseRecord, RateCurve};
use rand::{Rng, RngExt};
use rand_distr::{Distribution, Exp1};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::lanes::{LaneSet, Purpose, generator};
use super::tournament::Tournament;

/// Where one phase is in the random numbers of a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct PhaseKey {
    pub seed: u64,
    pub stream: usize,
    pub phase: usize,
}

/// The arrivals of one phase in order of time: lane and intended start in ns.
pub(super) struct PhaseArrivals {
    curve: RateCurve,
    start_ns: i64,
    end_ns: i64,
    areas: Areas,
}

impl PhaseArrivals {
    pub fn new(phase: &PhaseRecord, key: PhaseKey, lanes: LaneSet) -> Self {
        let length_s = (phase.end_ns - phase.start_ns) as f64 / 1e9;
        let areas = match phase.arrival {
            ArrivalKind::Poisson => Areas::Split(SplitPoisson::new(key, lanes)),
            ArrivalKind::Constant => Areas::Common(CommonSequence::constant(lanes)),
            ArrivalKind::Uniform => Areas::Common(CommonSequence::uniform(key, lanes)),
        };
        Self {
            curve: RateCurve::new(&phase.rate, length_s),
            start_ns: phase.start_ns,
            end_ns: phase.end_ns,
            areas,
        }
    }
}

impl Iterator for PhaseArrivals {
    type Item = (u32, i64);

    fn next(&mut self) -> Option<Self::Item> {
        let (lane, area) = self.areas.next(self.curve.total())?;
        let into_s = self.curve.instant(area)?;
        let intended_ns = self.start_ns + (into_s * 1e9).round() as i64;
        Some((lane, intended_ns.min(self.end_ns - 1)))
    }
}

enum Areas {
    Split(SplitPoisson),
    Common(CommonSequence),
}

impl Areas {
    /// The next area below `total` and its lane.
    fn next(&mut self, total: f64) -> Option<(u32, f64)> {
        match self {
            Self::Split(lanes) => lanes.next(),
            Self::Common(sequence) => sequence.next(total),
        }
    }
}

/// A Poisson process split by rate: each lane has 1/L of it and its own generator.
struct SplitPoisson {
    lanes: LaneSet,
    randoms: Vec<Xoshiro256PlusPlus>,
    /// The next area of each lane; a key is the area's bits, then the position of the lane.
    /// Areas are positive, so their bits are ordered as they are, and equal areas go by lane.
    heads: Tournament,
}

impl SplitPoisson {
    fn new(key: PhaseKey, lanes: LaneSet) -> Self {
        let random = |lane| generator(key.seed, key.stream, key.phase, Purpose::Lane(lane));
        let mut randoms: Vec<_> = lanes.iter().map(random).collect();
        let first = |(position, random)| head_key(position, lane_gap(random));
        let heads = Tournament::new(randoms.iter_mut().enumerate().map(first).collect());
        Self { lanes, randoms, heads }
    }

    fn next(&mut self) -> Option<(u32, f64)> {
        let least = self.heads.least();
        let position = (least & u128::from(u32::MAX)) as usize;
        let random = self.randoms.get_mut(position)?;
        let area = f64::from_bits((least >> 64) as u64);
        self.heads.replace_least(position, head_key(position, area + lane_gap(random)));
        Some((self.lanes.lane(position), area))
    }
}

/// Draws the gap to a lane's next arrival, on the common scale: its mean is L.
fn lane_gap(random: &mut Xoshiro256PlusPlus) -> f64 {
    let gap: f64 = Exp1.sample(random);
    gap * f64::from(LANES)
}

fn head_key(position: usize, area: f64) -> u128 {
    u128::from(area.to_bits()) << 64 | position as u128
}

/// One sequence for all lanes: arrival k belongs to lane k mod L.
struct CommonSequence {
    lanes: LaneSet,
    position: u64,
    gaps: Gaps,
}

enum Gaps {
    /// Arrival k at area k: the position is the area.
    Constant,
    /// Gaps uniform between 0 and 2. Every owner draws all of them and keeps its own.
    Uniform { random: Xoshiro256PlusPlus, area: f64 },
}

impl CommonSequence {
    fn constant(lanes: LaneSet) -> Self {
        Self { lanes, position: 0, gaps: Gaps::Constant }
    }

    fn uniform(key: PhaseKey, lanes: LaneSet) -> Self {
        let random = generator(key.seed, key.stream, key.phase, Purpose::Common);
        Self { lanes, position: 0, gaps: Gaps::Uniform { random, area: 0.0 } }
    }

    fn next(&mut self, total: f64) -> Option<(u32, f64)> {
        loop {
            let position = self.position;
            self.position += 1;
            let area = self.gaps.area(position);
            if area >= total {
                return None;
            }
            let lane = (position % u64::from(LANES)) as u32;
            if self.lanes.contains(lane) {
                return Some((lane, area));
            }
        }
    }
}

impl Gaps {
    fn area(&mut self, position: u64) -> f64 {
        match self {
            Self::Constant => position as f64,
            Self::Uniform { random, area } => {
                *area += 2.0 * unit(random);
                *area
            }
        }
    }
}

/// Uniform in [0, 1) with 53 bits.
fn unit(random: &mut impl Rng) -> f64 {
    random.random()
}
