//! An event that waits for its turn.

use std::cmp::Ordering;

use crate::event::Event;

/// An event in a heap, ordered by time and, among equal times, by a number.
#[derive(Debug)]
pub(super) struct Held {
    /// When its turn comes, ns.
    pub t_ns: i64,
    /// Settles ties; no two events in a heap have both alike.
    pub order: u64,
    /// The event.
    pub event: Event,
}

impl Ord for Held {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.t_ns, self.order).cmp(&(other.t_ns, other.order))
    }
}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Held {}
