//! What a timeline looks like before it is run: counts, peak, rate over time, digest.

use std::collections::BTreeMap;

use openload_contract::TimelineDigest;

use super::{Arrival, LaneSet, Timeline};
use crate::plan::Plan;

/// The figures of a timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// Arrivals in all.
    pub arrivals: u64,
    /// Arrivals by stream and phase, as positions in the plan.
    pub by_phase: BTreeMap<(u16, u16), u64>,
    /// Arrivals by scenario, as a position in the plan.
    pub by_scenario: BTreeMap<u16, u64>,
    /// Arrivals in each second.
    pub per_second: Vec<u32>,
    /// Fingerprint of the arrivals; digests of disjoint lane sets add up.
    pub digest: TimelineDigest,
}

impl Outline {
    /// The second with the most arrivals and their number.
    pub fn peak(&self) -> Option<(usize, u32)> {
        let seconds = self.per_second.iter().copied().enumerate();
        seconds.rev().max_by_key(|&(_, count)| count)
    }
}

impl Outline {
    /// Begins with no arrivals, over the length of `plan`.
    pub fn new(plan: &Plan) -> Self {
        let seconds = plan.end_ns().unsigned_abs().div_ceil(1_000_000_000);
        Self {
            arrivals: 0,
            by_phase: BTreeMap::new(),
            by_scenario: BTreeMap::new(),
            per_second: vec![0; seconds as usize],
            digest: TimelineDigest::default(),
        }
    }

    /// Adds an arrival of that plan.
    pub fn add(&mut self, arrival: &Arrival) {
        self.arrivals += 1;
        *self.by_phase.entry((arrival.stream, arrival.phase)).or_default() += 1;
        *self.by_scenario.entry(arrival.scenario).or_default() += 1;
        self.per_second[(arrival.intended_ns / 1_000_000_000) as usize] += 1;
        self.digest.add(arrival.seq, arrival.intended_ns);
    }
}

/// Walks the synthetic timeline of `plan` for some lanes and adds it up.
pub fn outline(plan: &Plan, lanes: LaneSet) -> Outline {
    let mut outline = Outline::new(plan);
    Timeline::new(plan, lanes).for_each(|arrival| outline.add(&arrival));
    outline
}
