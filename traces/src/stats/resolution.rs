//! The real step of the clock behind a trace.
//!
//! Digits tell how a time was written, not how it was measured: a log with `.000` everywhere has
//! seconds, and the Mooncake traces write milliseconds in steps of 3 s. The step is the greatest of
//! a list that explains 99 % of the stamps, which means that these leave the same remainder when
//! divided by it. The remainder is voted on by the first stamps and then counted, so that one pass
//! in bounded memory gives an exact share.
//!
//! Few different stamps prove nothing: with fewer than twenty, no step is named.

use std::collections::HashMap;

use serde::Serialize;

use crate::record::SECOND_NS;

/// Steps that clocks have, ns.
const STEPS_NS: [i64; 20] = [
    1,
    10,
    100,
    1_000,
    10_000,
    100_000,
    1_000_000,
    10_000_000,
    100_000_000,
    SECOND_NS / 4,
    SECOND_NS / 2,
    SECOND_NS,
    2 * SECOND_NS,
    3 * SECOND_NS,
    5 * SECOND_NS,
    10 * SECOND_NS,
    15 * SECOND_NS,
    20 * SECOND_NS,
    30 * SECOND_NS,
    60 * SECOND_NS,
];

/// Share of the stamps that a step must explain.
const SHARE_MIN: f64 = 0.99;

/// Stamps that vote on the remainders.
const VOTERS: usize = 4_096;

/// Fewest changes of the stamp from which a step is concluded: by chance, twenty stamps of a clock
/// twice as fine would look like this once in a million traces.
const CHANGES_MIN: u64 = 20;

/// The step of a clock.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Resolution {
    /// The step, ns.
    pub step_ns: i64,
    /// Share of the stamps that lie on it.
    pub share: f64,
}

/// Looks for the step of a clock in one pass.
#[derive(Debug, Clone, Default)]
pub struct ResolutionDetector {
    voters: Vec<i64>,
    /// Remainder of each step and how many stamps leave it; empty until the vote.
    votes: Vec<(i64, u64)>,
    stamps: u64,
    changes: u64,
    last: Option<i64>,
}

impl ResolutionDetector {
    /// Adds a stamp, ns, in any order.
    pub fn add(&mut self, stamp_ns: i64) {
        self.stamps += 1;
        let is_change = self.last.replace(stamp_ns) != Some(stamp_ns);
        self.changes += u64::from(is_change);
        if self.votes.is_empty() {
            self.voters.push(stamp_ns);
            if self.voters.len() >= VOTERS {
                self.vote();
            }
        } else {
            for (step_ns, (remainder, count)) in STEPS_NS.iter().zip(&mut self.votes) {
                *count += u64::from(stamp_ns.rem_euclid(*step_ns) == *remainder);
            }
        }
    }

    fn vote(&mut self) {
        self.votes = STEPS_NS.iter().map(|&step_ns| commonest(&self.voters, step_ns)).collect();
        self.voters = Vec::new();
    }

    /// The step; `None` when there are too few different stamps to tell.
    pub fn finish(mut self) -> Option<Resolution> {
        if self.changes < CHANGES_MIN {
            return None;
        }
        if self.votes.is_empty() {
            self.vote();
        }
        let stamps = self.stamps as f64;
        let steps = STEPS_NS.iter().zip(&self.votes).rev();
        let mut shares = steps.map(|(&step_ns, &(_, count))| (step_ns, count as f64 / stamps));
        let (step_ns, share) = shares.find(|&(_, share)| share >= SHARE_MIN)?;
        Some(Resolution { step_ns, share })
    }
}

/// The commonest remainder and how often it is left.
fn commonest(stamps: &[i64], step_ns: i64) -> (i64, u64) {
    let mut counts = HashMap::new();
    for stamp in stamps {
        *counts.entry(stamp.rem_euclid(step_ns)).or_insert(0) += 1;
    }
    // The least remainder among equals: a map has no order of its own.
    let best = counts.into_iter().max_by_key(|&(remainder, count)| (count, -remainder));
    best.unwrap_or((0, 0))
}

/// Looks for the step of the clock behind these stamps, ns.
pub fn detect_resolution(stamps_ns: impl IntoIterator<Item = i64>) -> Option<Resolution> {
    let mut detector = ResolutionDetector::default();
    stamps_ns.into_iter().for_each(|stamp_ns| detector.add(stamp_ns));
    detector.finish()
}

#[cfg(test)]
mod tests {
    use openload_contract::digest::mix;

    use super::*;

    /// Stamps of a clock with a step and an offset.
    fn stamps(count: u64, step_ns: i64, offset_ns: i64) -> impl Iterator<Item = i64> {
        (0..count).map(move |k| (mix(k) % 1_000_000) as i64 * step_ns + offset_ns)
    }

    fn step_ns(stamps: impl IntoIterator<Item = i64>) -> Option<i64> {
        detect_resolution(stamps).map(|resolution| resolution.step_ns)
    }

    #[test]
    fn every_step_is_found_whatever_its_offset() {
        for step in STEPS_NS {
            for (count, offset_ns) in [(100, 0), (10_000, 0), (100, step / 3), (10_000, 7)] {
                assert_eq!(step_ns(stamps(count, step, offset_ns)), Some(step));
            }
        }
        // 4 s is not in the list; 2 s explains it.
        assert_eq!(step_ns(stamps(100, 4 * SECOND_NS, 0)), Some(2 * SECOND_NS));
    }

    #[test]
    fn a_few_stray_stamps_do_not_hide_it_and_more_do() {
        let stray = |share: u64| {
            (0..20_000_u64).map(move |k| {
                let stamp = (mix(k) % 100_000) as i64 * 3 * SECOND_NS;
                if k % 1_000 < share { stamp + 1_000_000 } else { stamp }
            })
        };
        let found = detect_resolution(stray(9)).unwrap();
        assert_eq!(found.step_ns, 3 * SECOND_NS);
        assert!((found.share - 0.991).abs() < 1e-3);
        assert_eq!(step_ns(stray(20)), Some(1_000_000));
    }

    #[test]
    fn few_different_stamps_prove_nothing() {
        assert_eq!(detect_resolution([]), None);
        assert_eq!(detect_resolution([0]), None);
        assert_eq!(detect_resolution(vec![60 * SECOND_NS; 10_000]), None);
        assert_eq!(detect_resolution(stamps(15, SECOND_NS, 0)), None);
        assert!(detect_resolution([i64::MIN, i64::MAX].repeat(20)).is_some());
    }
}
