//! The intended starts of a run, in order, for the lanes of one owner.

use std::cmp::Reverse;

use openload_contract::digest::mix;
use openload_contract::{LANES, PhaseRecord};

use super::lanes::LaneSet;
use super::phase::{PhaseArrivals, PhaseKey};
use super::tournament::Tournament;
use crate::plan::Plan;

/// One intended start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrival {
    /// Intended start, ns since the run's start.
    pub intended_ns: i64,
    /// Number of the arrival, unique in the run: `index in its lane · L + lane`, with the
    /// stream in the top 16 bits.
    pub seq: u64,
    /// Position of the stream in the plan.
    pub stream: u16,
    /// Position of the phase in the stream.
    pub phase: u16,
    /// Position of the scenario in the plan.
    pub scenario: u16,
}

/// Bits of an arrival's number below the stream's.
const STREAM_SHIFT: u32 = 48;

/// The intended starts of a plan, in ascending order of time, for some lanes.
///
/// Lazy: the state is one generator a lane, whatever the length of the run. One step costs
/// O(log lanes) and no allocation; looking at the next arrival costs nothing.
pub struct Timeline {
    streams: Vec<StreamTimeline>,
    /// The next arrival of each stream.
    heads: Vec<Option<Arrival>>,
    /// The earliest of the heads is next.
    order: Tournament,
}

impl Timeline {
    /// Starts the timeline of `plan` for the lanes of one owner.
    pub fn new(plan: &Plan, lanes: LaneSet) -> Self {
        let streams =
            (0..plan.streams.len()).map(|stream| StreamTimeline::new(plan, stream, lanes));
        let mut streams: Vec<StreamTimeline> = streams.collect();
        let heads: Vec<Option<Arrival>> = streams.iter_mut().map(Iterator::next).collect();
        let order = Tournament::new(heads.iter().map(order_key).collect());
        Self { streams, heads, order }
    }

    /// The next arrival, without taking it.
    pub fn peek(&self) -> Option<&Arrival> {
        self.heads.get(earliest_stream(self.order.least()))?.as_ref()
    }
}

impl Iterator for Timeline {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        let stream = earliest_stream(self.order.least());
        let head = self.heads.get_mut(stream)?;
        let arrival = (*head)?;
        *head = self.streams[stream].next();
        self.order.replace_least(stream, order_key(head));
        Some(arrival)
    }
}

/// Orders arrivals by time, then by number; an intended start is never negative.
fn order_key(head: &Option<Arrival>) -> u128 {
    head.map_or(Tournament::ABSENT, |arrival| {
        u128::from(arrival.intended_ns.cast_unsigned()) << 64 | u128::from(arrival.seq)
    })
}

/// The stream of an [`order_key`]: it is in the number.
fn earliest_stream(key: u128) -> usize {
    (key as u64 >> STREAM_SHIFT) as usize
}

/// The intended starts of one stream.
struct StreamTimeline {
    phases: Vec<PhaseRecord>,
    seed: u64,
    stream: usize,
    lanes: LaneSet,
    mix: ScenarioMix,
    /// Numbers go on over the phases.
    numbers: Numbers,
    current: Option<(usize, PhaseArrivals)>,
    /// The next arrival at another instant.
    ahead: Option<Arrival>,
    /// Arrivals at one instant, the greatest number first.
    ties: Vec<Arrival>,
}

impl StreamTimeline {
    fn new(plan: &Plan, stream: usize, lanes: LaneSet) -> Self {
        let mut timeline = Self {
            // Recorded arrivals come from elsewhere.
            phases: match plan.streams[stream].trace {
                None => plan.streams[stream].phases.clone(),
                Some(_) => Vec::new(),
            },
            seed: plan.seed,
            stream,
            lanes,
            mix: ScenarioMix::new(plan, stream),
            numbers: Numbers::new(stream),
            current: None,
            ahead: None,
            ties: Vec::new(),
        };
        timeline.enter(0);
        timeline
    }

    fn enter(&mut self, phase: usize) {
        let key = PhaseKey { seed: self.seed, stream: self.stream, phase };
        self.current = self
            .phases
            .get(phase)
            .map(|record| (phase, PhaseArrivals::new(record, key, self.lanes)));
    }

    /// Orders arrivals at the same nanosecond by number, so that a part of the lanes has them
    /// in the order the whole has them in. Bursts make such arrivals; otherwise they are rare.
    fn tie(&mut self, first: Arrival) -> Option<Arrival> {
        self.ties.push(first);
        while let Some(next) = self.ahead.take_if(|next| next.intended_ns == first.intended_ns) {
            self.ties.push(next);
            self.ahead = self.draw();
        }
        self.ties.sort_unstable_by_key(|tie| Reverse(tie.seq));
        self.ties.pop()
    }

    /// The next arrival as its phase makes it.
    fn draw(&mut self) -> Option<Arrival> {
        loop {
            let (phase, arrivals) = self.current.as_mut()?;
            let phase = *phase;
            let Some((lane, intended_ns)) = arrivals.next() else {
                self.enter(phase + 1);
                continue;
            };
            let seq = self.numbers.next(lane);
            return Some(Arrival {
                intended_ns,
                seq,
                stream: self.stream as u16,
                phase: phase as u16,
                scenario: self.mix.choose(seq),
            });
        }
    }
}

impl Iterator for StreamTimeline {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        if let Some(arrival) = self.ties.pop() {
            return Some(arrival);
        }
        let first = self.ahead.take().or_else(|| self.draw())?;
        self.ahead = self.draw();
        if self.ahead.is_some_and(|next| next.intended_ns == first.intended_ns) {
            return self.tie(first);
        }
        Some(first)
    }
}

/// Numbers the arrivals of one stream.
pub(crate) struct Numbers {
    stream: usize,
    /// Arrivals so far by lane.
    counts: Vec<u64>,
}

impl Numbers {
    /// Begins to count in the stream at a position of the plan.
    pub fn new(stream: usize) -> Self {
        Self { stream, counts: vec![0; LANES as usize] }
    }

    /// Number of the next arrival in `lane`.
    pub fn next(&mut self, lane: u32) -> u64 {
        let count = &mut self.counts[lane as usize];
        let in_stream = *count * u64::from(LANES) + u64::from(lane);
        *count += 1;
        (self.stream as u64) << STREAM_SHIFT | in_stream
    }
}

/// Chooses a scenario by weight, from the arrival's number alone.
pub(crate) struct ScenarioMix {
    key: u64,
    /// Scenario and the greatest 64-bit draw that chooses it, ascending.
    limits: Vec<(u16, u64)>,
}

impl ScenarioMix {
    /// The mix of the stream at a position of the plan.
    pub fn new(plan: &Plan, stream: usize) -> Self {
        let scenarios = &plan.streams[stream].scenarios;
        let weights = scenarios.iter().map(|&index| plan.scenarios[index].weight);
        let total: f64 = weights.clone().sum();
        let mut below = 0.0;
        let limits = scenarios.iter().zip(weights).map(|(&scenario, weight)| {
            below += weight;
            // The cast saturates, so the last limit is the greatest draw.
            (scenario as u16, (below / total * 2.0_f64.powi(64)) as u64)
        });
        Self { key: mix(plan.seed ^ mix(0x5ce0 ^ stream as u64)), limits: limits.collect() }
    }

    /// Scenario of arrival `seq`, as a position in the plan.
    pub fn choose(&self, seq: u64) -> u16 {
        if let [(only, _)] = self.limits[..] {
            return only;
        }
        let draw = mix(self.key ^ mix(seq));
        let index = self.limits.partition_point(|&(_, limit)| limit <= draw);
        self.limits[index.min(self.limits.len() - 1)].0
    }
}
