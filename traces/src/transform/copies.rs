//! Several events for each, a little apart.
//!
//! Copy 0 is the event itself and stays where it is. How the others are moved depends on what
//! shall be kept:
//!
//! * **Every event by itself**: uniform in `[-jitter/2, +jitter/2)`. An interval around 0 leaves
//!   the rate curve where it is; with `[0, jitter)` every copy but the first would lag by half the
//!   jitter, peaks would be flattened on their left side only, and the copies would be twice as
//!   far from the original. What would leave the timeline at either end is reflected there, which
//!   keeps both the count and a constant rate constant up to the edge.
//! * **Sessions in order**: all events of a session's copy are moved alike, so the order and the
//!   gaps inside stay to the nanosecond. Reflection would turn a session around and wrapping would
//!   carry the evening into the morning, so copies only move later, uniform in `[0, jitter)`, and
//!   the timeline becomes longer by the jitter. The copies' rate lags by half of it on average.
//!
//! A heap holds what is not yet due: no more than the events of one jitter's length, times the
//! number of copies.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::event::Event;

use super::draw::{Purpose, below, draw, other_session};
use super::held::Held;
use super::spec::Copies;

/// How long a timeline is after its events were copied.
pub(super) fn length_ns(copies: Copies, length_ns: i64) -> Option<i64> {
    if copies.keep_session_order && copies.n > 1 {
        length_ns.checked_add(copies.jitter_ns)
    } else {
        Some(length_ns)
    }
}

/// The events of a timeline and their copies, ascending.
pub(super) struct CopyStage<S> {
    source: S,
    copies: Copies,
    seed: u64,
    length_ns: i64,
    heap: BinaryHeap<Reverse<Held>>,
    /// Nothing that is still to come lies before this.
    horizon_ns: i64,
    /// Events of the source taken so far.
    taken: u64,
    held_max: usize,
    has_ended: bool,
}

impl<S> CopyStage<S> {
    /// Copies the events of a timeline of `length_ns`.
    pub fn new(source: S, copies: Copies, seed: u64, length_ns: i64) -> Self {
        Self {
            source,
            copies,
            seed,
            length_ns,
            heap: BinaryHeap::new(),
            horizon_ns: i64::MIN,
            taken: 0,
            held_max: 0,
            has_ended: false,
        }
    }

    /// The stage before this one.
    pub fn source(&self) -> &S {
        &self.source
    }

    /// Most events that were ever held.
    pub fn held_max(&self) -> usize {
        self.held_max
    }

    /// By how much a copy may be earlier than its event.
    fn back_ns(&self) -> i64 {
        if self.copies.keep_session_order { 0 } else { self.copies.jitter_ns / 2 }
    }

    fn take(&mut self, event: Event) {
        self.horizon_ns = event.t_ns.saturating_sub(self.back_ns());
        for number in 1..self.copies.n {
            let copy = self.copy(&event, number);
            self.push(copy, number);
        }
        let mut itself = event;
        itself.copy *= self.copies.n;
        self.push(itself, 0);
        self.taken += 1;
        self.held_max = self.held_max.max(self.heap.len());
    }

    /// Among equal times, what was read first comes first, and the event ahead of its copies.
    fn push(&mut self, event: Event, number: u32) {
        let order = self.taken * u64::from(self.copies.n) + u64::from(number);
        self.heap.push(Reverse(Held { t_ns: event.t_ns, order, event }));
    }

    fn copy(&self, event: &Event, number: u32) -> Event {
        let mut copy = event.clone();
        // The specification bounds the product of all numbers of copies.
        copy.copy = event.copy * self.copies.n + number;
        copy.t_ns = self.moved(event, number, copy.copy);
        copy.session = other_session(event.session, Purpose::NameCopied, u64::from(number));
        copy
    }

    fn moved(&self, event: &Event, number: u32, copy: u32) -> i64 {
        let bits = if self.copies.keep_session_order && event.session != 0 {
            draw(self.seed, Purpose::MoveSession, event.session, u64::from(number))
        } else {
            draw(self.seed, Purpose::MoveEvent, event.row, u64::from(copy))
        };
        let t_ns = event.t_ns + below(bits, self.copies.jitter_ns) - self.back_ns();
        if self.copies.keep_session_order { t_ns } else { reflected(t_ns, self.length_ns) }
    }
}

/// Mirrors an instant at the ends of `[0, length_ns)`.
fn reflected(t_ns: i64, length_ns: i64) -> i64 {
    let t_ns = if t_ns < 0 { -1 - t_ns } else { t_ns };
    if t_ns < length_ns { t_ns } else { length_ns - 1 - (t_ns - length_ns) }
}

impl<E, S: Iterator<Item = Result<Event, E>>> Iterator for CopyStage<S> {
    type Item = Result<Event, E>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let is_due = self.heap.peek().is_some_and(|Reverse(held)| held.t_ns <= self.horizon_ns);
            if is_due || self.has_ended {
                return self.heap.pop().map(|Reverse(held)| Ok(held.event));
            }
            match self.source.next() {
                Some(Ok(event)) => self.take(event),
                Some(Err(error)) => {
                    self.heap.clear();
                    self.has_ended = true;
                    return Some(Err(error));
                }
                None => self.has_ended = true,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::reflected;

    #[test]
    fn the_ends_are_mirrors() {
        let at = [-3, -1, 0, 9, 10, 12].map(|t_ns| reflected(t_ns, 10));
        assert_eq!(at, [2, 0, 0, 9, 9, 7]);
    }
}
