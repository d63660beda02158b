//! Poisson areas: each lane has a process of its own.

use openload_contract::LANES;
use openload_contract::seeding::Purpose;
use rand_distr::{Distribution, Exp1};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::PhaseKey;
use crate::schedule::lanes::LaneSet;
use crate::schedule::tournament::Tournament;

/// A Poisson process split by rate: each lane has 1/L of it and its own generator.
pub(super) struct SplitPoisson {
    lanes: LaneSet,
    randoms: Vec<Xoshiro256PlusPlus>,
    /// The next area of each lane; a key is the area's bits, then the position of the lane.
    /// Areas are positive, so their bits are ordered as they are, and equal areas go by lane.
    heads: Tournament,
}

impl SplitPoisson {
    pub fn new(key: PhaseKey, lanes: LaneSet) -> Self {
        let random = |lane| key.generator(Purpose::Lane(lane));
        let mut randoms: Vec<_> = lanes.iter().map(random).collect();
        let first = |(position, random)| head_key(position, lane_gap(random));
        let heads = Tournament::new(randoms.iter_mut().enumerate().map(first).collect());
        Self { lanes, randoms, heads }
    }

    /// The next area and its lane; there is always one unless there are no lanes.
    pub fn next(&mut self) -> Option<(u32, f64)> {
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
