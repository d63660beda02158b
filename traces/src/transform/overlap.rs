//! Shifted copies of the whole timeline over one another.
//!
//! Copy k is the timeline, later by k times the shift, and what would lie beyond the end lies at
//! the beginning. So copy k is read in two parts: from the event that comes to lie first to the
//! end, and from the beginning to there. The source is opened for either, and a heap of one event
//! per copy merges them; nothing else is held.
//!
//! A session that wraps around would run into itself. Its later part, which now comes first, is
//! another session.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use crate::event::Event;

use super::base::{Base, ReplayCounts};
use super::draw::{Purpose, other_session};
use super::held::Held;
use super::spec::{ReplayError, Resolved};

/// The merged copies, ascending.
pub(super) struct OverlapStage<I, F> {
    open: Arc<F>,
    resolved: Arc<Resolved>,
    length_ns: i64,
    copies: Vec<Shifted<I>>,
    heap: BinaryHeap<Reverse<Held>>,
    is_begun: bool,
    has_failed: bool,
    counts: ReplayCounts,
}

/// One shifted copy.
struct Shifted<I> {
    /// Its shift, in `[0, length)`.
    shift_ns: i64,
    /// The part that is being read; `None` when it was read to its end.
    base: Option<Base<I>>,
    /// Whether that is the part from beyond the end.
    is_wrapped: bool,
}

impl<I, F> OverlapStage<I, F> {
    /// Lays copies of a timeline over one another that is `length_ns` long after its gaps
    /// were cut.
    pub fn new(open: Arc<F>, resolved: Arc<Resolved>, length_ns: i64) -> Self {
        let overlap = resolved.overlap;
        let shift = |copy: u32| {
            let shift_ns = i128::from(overlap.shift_ns) * i128::from(copy);
            // Less than the length, which is an i64.
            if length_ns > 0 { (shift_ns % i128::from(length_ns)) as i64 } else { 0 }
        };
        let copies = (0..overlap.n).map(|copy| {
            let shift_ns = shift(copy);
            Shifted { shift_ns, base: None, is_wrapped: shift_ns > 0 }
        });
        let copies = copies.collect();
        Self {
            open,
            resolved,
            length_ns,
            copies,
            heap: BinaryHeap::new(),
            is_begun: false,
            has_failed: false,
            counts: ReplayCounts::default(),
        }
    }

    /// What became of the events of the copy that is not shifted.
    pub fn counts(&self) -> ReplayCounts {
        self.copies.first().and_then(|copy| copy.base.as_ref()).map_or(self.counts, Base::counts)
    }
}

impl<E, I, F> OverlapStage<I, F>
where
    F: Fn() -> Result<I, E>,
    I: Iterator<Item = Result<Event, E>>,
    E: From<ReplayError>,
{
    fn open_base(&self) -> Result<Base<I>, E> {
        Ok(Base::new(Arc::clone(&self.resolved), (self.open)()?))
    }

    fn begin(&mut self) -> Result<(), E> {
        for number in 0..self.copies.len() {
            self.copies[number].base = Some(self.open_base()?);
            self.refill(number)?;
        }
        Ok(())
    }

    /// Puts the next event of a copy into the heap, if there is one.
    fn refill(&mut self, number: usize) -> Result<(), E> {
        while let Some(base) = &mut self.copies[number].base {
            let Some(event) = base.next().transpose()? else {
                self.next_part(number)?;
                continue;
            };
            let copy = &self.copies[number];
            // Where the wrapped part begins and the other one ends.
            let seam_ns = self.length_ns - copy.shift_ns;
            match (copy.is_wrapped, event.t_ns >= seam_ns) {
                (true, false) => continue,
                (false, true) if copy.shift_ns > 0 => {
                    self.copies[number].base = None;
                    continue;
                }
                _ => {}
            }
            let held = self.shifted(event, number);
            self.heap.push(Reverse(held));
            return Ok(());
        }
        Ok(())
    }

    /// Goes on to the second part of a copy, or ends it.
    fn next_part(&mut self, number: usize) -> Result<(), E> {
        if number == 0
            && let Some(base) = &self.copies[0].base
        {
            self.counts = base.counts();
        }
        let was_wrapped = std::mem::take(&mut self.copies[number].is_wrapped);
        self.copies[number].base = if was_wrapped { Some(self.open_base()?) } else { None };
        Ok(())
    }

    fn shifted(&self, mut event: Event, number: usize) -> Held {
        let copy = &self.copies[number];
        let number = number as u64;
        event.t_ns += copy.shift_ns - if copy.is_wrapped { self.length_ns } else { 0 };
        // The specification bounds the number of copies.
        event.copy = number as u32;
        if number > 0 {
            let part = 2 * number + u64::from(copy.is_wrapped);
            event.session = other_session(event.session, Purpose::NameShifted, part);
        }
        Held { t_ns: event.t_ns, order: number, event }
    }
}

impl<E, I, F> Iterator for OverlapStage<I, F>
where
    F: Fn() -> Result<I, E>,
    I: Iterator<Item = Result<Event, E>>,
    E: From<ReplayError>,
{
    type Item = Result<Event, E>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_failed {
            return None;
        }
        let begun = if std::mem::replace(&mut self.is_begun, true) { Ok(()) } else { self.begin() };
        let next = begun.and_then(|()| {
            let Some(Reverse(held)) = self.heap.pop() else { return Ok(None) };
            self.refill(held.order as usize)?;
            Ok(Some(held.event))
        });
        self.has_failed = next.is_err();
        next.transpose()
    }
}
