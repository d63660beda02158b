//! What went wrong, in the system's words, counted.
//!
//! Rows say how a request ended but not why; the first few distinct reasons are kept here so
//! that a person can be told.

use std::collections::BTreeMap;

use openload_contract::Outcome;

use crate::transport::Failure;

/// Most distinct reasons that are kept; the rest are counted together.
const KINDS_MAX: usize = 16;

/// One reason and how often it was met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureKind {
    /// How the requests ended.
    pub outcome: Outcome,
    /// What the system or the protocol said.
    pub cause: String,
    /// Requests that ended so.
    pub count: u64,
}

/// Reasons of failure with their counts.
#[derive(Debug, Clone, Default)]
pub struct Failures {
    counts: BTreeMap<(Outcome, String), u64>,
}

impl Failures {
    /// Counts one failure.
    pub fn add(&mut self, failure: Failure) {
        self.add_many(failure.outcome, failure.cause, 1);
    }

    /// Counts arrivals that were dropped at a bound of `in_flight_max`.
    pub fn add_dropped(&mut self, count: u64, in_flight_max: u32) {
        if count > 0 {
            let cause = format!("{in_flight_max} requests were in flight in one worker");
            self.add_many(Outcome::Dropped, cause, count);
        }
    }

    /// Counts the failures of another worker.
    pub fn merge(&mut self, other: Self) {
        for ((outcome, cause), count) in other.counts {
            self.add_many(outcome, cause, count);
        }
    }

    fn add_many(&mut self, outcome: Outcome, cause: String, count: u64) {
        let key = (outcome, cause);
        let key = if self.counts.len() < KINDS_MAX || self.counts.contains_key(&key) {
            key
        } else {
            (outcome, "other reasons".to_owned())
        };
        *self.counts.entry(key).or_default() += count;
    }

    /// Lists the reasons, most frequent first.
    pub fn into_kinds(self) -> Vec<FailureKind> {
        let kinds = self.counts.into_iter();
        let kinds = kinds.map(|((outcome, cause), count)| FailureKind { outcome, cause, count });
        let mut kinds: Vec<FailureKind> = kinds.collect();
        kinds.sort_by_key(|kind| std::cmp::Reverse(kind.count));
        kinds
    }
}
