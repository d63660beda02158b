//! Areas of one sequence that all lanes share.
//!
//! Constant pacing and renewal processes do not superpose to themselves: a thousand of them
//! together are nearly Poisson. So there is one sequence, every owner draws all of it, and
//! arrival k belongs to lane k mod L.

use openload_contract::seeding::Purpose;
use openload_contract::{GapLaw, LANES};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::PhaseKey;
use super::gaps::{GapSampler, unit};
use crate::schedule::lanes::LaneSet;

/// One sequence for all lanes: arrival k belongs to lane k mod L.
pub(super) struct CommonSequence {
    lanes: LaneSet,
    /// Area at which the phase ends.
    total: f64,
    position: u64,
    gaps: Gaps,
}

enum Gaps {
    /// Arrival k at area k: the position is the area.
    Constant,
    /// Gaps uniform between 0 and 2, the first one too.
    Uniform { random: Xoshiro256PlusPlus, area: f64 },
    /// Gaps of a law, the first one cut by the beginning of the phase.
    Renewal { random: Xoshiro256PlusPlus, gaps: GapSampler, next: f64 },
}

impl CommonSequence {
    pub fn constant(total: f64, lanes: LaneSet) -> Self {
        Self { lanes, total, position: 0, gaps: Gaps::Constant }
    }

    pub fn uniform(total: f64, key: PhaseKey, lanes: LaneSet) -> Self {
        let random = key.generator(Purpose::Common);
        Self { lanes, total, position: 0, gaps: Gaps::Uniform { random, area: 0.0 } }
    }

    pub fn renewal(law: GapLaw, total: f64, key: PhaseKey, lanes: LaneSet) -> Self {
        let Some(gaps) = GapSampler::new(law) else { return Self::constant(total, lanes) };
        let mut random = key.generator(Purpose::Common);
        let next = gaps.draw_first(&mut random);
        Self { lanes, total, position: 0, gaps: Gaps::Renewal { random, gaps, next } }
    }

    /// The next area of an owned lane and the lane; `None` when the phase ends first.
    pub fn next(&mut self) -> Option<(u32, f64)> {
        loop {
            let position = self.position;
            self.position += 1;
            let area = self.gaps.area(position);
            if area >= self.total {
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
            Self::Renewal { random, gaps, next } => {
                let area = *next;
                *next += gaps.draw(random);
                area
            }
        }
    }
}
