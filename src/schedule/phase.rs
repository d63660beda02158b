//! The arrivals of one phase, for the lanes of one owner.
//!
//! Time is rescaled by the phase's expected number of arrivals, Λ: in rescaled time ("area")
//! a Poisson process of any rate law has exponential gaps of mean 1, constant pacing has
//! gaps of exactly 1, a renewal process has gaps of mean 1. An arrival at area a starts at
//! Λ⁻¹(a). This is exact for every law: nothing is cut into seconds, nothing is rejected
//! (Çinlar 1975, *Introduction to Stochastic Processes*, §4.7).

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use openload_contract::{ArrivalKind, LANES, PhaseRecord, RateCurve};
use rand::{Rng, RngExt};
use rand_distr::{Distribution, Exp1};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::lanes::{LaneSet, Purpose, generator};

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
    heap: BinaryHeap<LaneHead>,
}

/// The next arrival of one lane.
struct LaneHead {
    /// Area on the common scale: a lane's gaps there have mean L.
    area: f64,
    lane: u32,
    random: Xoshiro256PlusPlus,
}

impl LaneHead {
    fn advance(&mut self) {
        let gap: f64 = Exp1.sample(&mut self.random);
        self.area += gap * f64::from(LANES);
    }
}

impl SplitPoisson {
    fn new(key: PhaseKey, lanes: LaneSet) -> Self {
        let heads = lanes.iter().map(|lane| {
            let random = generator(key.seed, key.stream, key.phase, Purpose::Lane(lane));
            let mut head = LaneHead { area: 0.0, lane, random };
            head.advance();
            head
        });
        Self { heap: heads.collect() }
    }

    fn next(&mut self) -> Option<(u32, f64)> {
        let mut head = self.heap.peek_mut()?;
        let arrival = (head.lane, head.area);
        head.advance();
        // Dropping the guard moves the head to its new place.
        drop::<PeekMut<'_, LaneHead>>(head);
        Some(arrival)
    }
}

impl Ord for LaneHead {
    /// Reversed, so that the earliest is the greatest; equal areas go by lane.
    fn cmp(&self, other: &Self) -> Ordering {
        other.area.total_cmp(&self.area).then(other.lane.cmp(&self.lane))
    }
}

impl PartialOrd for LaneHead {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for LaneHead {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for LaneHead {}

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
