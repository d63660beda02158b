//! The longest silences.
//!
//! Silence is an outage, a lull, or a loss of whoever recorded; the times alone do not tell which.
//! What chance would leave helps: of n gaps of a Poisson process the longest is about
//! `mean · (ln n + 0.58)`.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use serde::Serialize;

/// Euler's constant: mean of the longest of many exponential gaps, less the logarithm.
const EULER: f64 = 0.577_215_664_901_532_9;

/// A stretch without events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Hole {
    /// How long it lasts, ns.
    pub length_ns: i64,
    /// When it begins: the event before it, or the begin of the observation, ns.
    pub from_ns: i64,
}

/// Collects the longest stretches without events, those at both ends included.
#[derive(Debug, Clone)]
pub struct Holes {
    longest: BinaryHeap<Reverse<Hole>>,
    shown: usize,
    last_ns: i64,
    events: u64,
    begin_ns: i64,
}

impl Holes {
    /// Observes from `begin_ns` on and keeps the `shown` longest.
    pub fn new(begin_ns: i64, shown: usize) -> Self {
        Self { longest: BinaryHeap::new(), shown, last_ns: begin_ns, events: 0, begin_ns }
    }

    /// Adds an event; they come in ascending order.
    pub fn add(&mut self, t_ns: i64) {
        self.silence_until(t_ns);
        self.events += 1;
    }

    fn silence_until(&mut self, t_ns: i64) {
        let hole = Hole { length_ns: t_ns - self.last_ns, from_ns: self.last_ns };
        self.last_ns = t_ns;
        if hole.length_ns > 0 {
            let is_longer = |held: &Reverse<Hole>| held.0.length_ns < hole.length_ns;
            if self.longest.len() < self.shown {
                self.longest.push(Reverse(hole));
            } else if self.longest.peek().is_some_and(is_longer) {
                self.longest.pop();
                self.longest.push(Reverse(hole));
            }
        }
    }

    /// Ends the observation; returns the longest stretches, longest first, and the length of the
    /// longest that chance would leave at a constant rate.
    pub fn finish(mut self, end_ns: i64) -> (Vec<Hole>, i64) {
        self.silence_until(end_ns);
        let events = self.events.max(1) as f64;
        let by_chance_ns = (end_ns - self.begin_ns).max(0) as f64 / events * (events.ln() + EULER);
        let mut holes: Vec<Hole> = self.longest.into_iter().map(|Reverse(hole)| hole).collect();
        holes.sort_by_key(|hole| (Reverse(hole.length_ns), hole.from_ns));
        (holes, by_chance_ns as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::{Hole, Holes};

    #[test]
    fn the_longest_silences_are_found_with_those_at_both_ends() {
        let mut holes = Holes::new(0, 3);
        [10, 11, 11, 31, 32, 37].into_iter().for_each(|t_ns| holes.add(t_ns));
        let (found, by_chance_ns) = holes.finish(45);
        let hole = |from_ns, length_ns| Hole { length_ns, from_ns };
        assert_eq!(found, [hole(11, 20), hole(0, 10), hole(37, 8)]);
        // 45 / 6 · (ln 6 + 0.577) = 17.8.
        assert_eq!(by_chance_ns, 17);
        assert_eq!(Holes::new(0, 3).finish(5).0, [hole(0, 5)]);
        assert_eq!(Holes::new(0, 3).finish(0).0, []);
        assert_eq!(Holes::new(0, 0).finish(5).0, []);
    }
}
