//! What every copy of the timeline has in common: slice, filter, thin, and cut gaps.

use std::sync::Arc;

use crate::event::Event;

use super::draw::{Purpose, draw, happens};
use super::spec::{ReplayError, Resolved, Thin, ThinBy};

/// What became of the events that were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReplayCounts {
    /// Events read, up to the slice's end.
    pub read: u64,
    /// Read, and before the slice.
    pub before_slice: u64,
    /// Left out by the filter.
    pub filtered: u64,
    /// Left out by thinning.
    pub thinned: u64,
    /// Kept: what overlap, copies and repetitions multiply.
    pub kept: u64,
}

/// Gaps that were cut, the stretches before the first and after the last event included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GapCut {
    /// Number of gaps that were longer than allowed.
    pub count: u64,
    /// Time taken out of the timeline, ns.
    pub removed_ns: i64,
}

/// Shortens gaps to a bound.
#[derive(Debug, Clone, Copy)]
struct GapCutter {
    max_gap_ns: i64,
    last_ns: i64,
    cut: GapCut,
}

impl GapCutter {
    /// Where a later instant comes to lie.
    fn advance(&mut self, t_ns: i64) -> i64 {
        let excess_ns = t_ns - self.last_ns - self.max_gap_ns;
        if excess_ns > 0 {
            self.cut.count += 1;
            self.cut.removed_ns += excess_ns;
        }
        self.last_ns = t_ns;
        t_ns - self.cut.removed_ns
    }
}

/// The events of a timeline that are to be replayed, from 0 on.
pub(super) struct Base<I> {
    source: I,
    resolved: Arc<Resolved>,
    gaps: GapCutter,
    before_ns: i64,
    counts: ReplayCounts,
    is_done: bool,
}

impl<I> Base<I> {
    pub fn new(resolved: Arc<Resolved>, source: I) -> Self {
        let max_gap_ns = resolved.max_gap_ns.unwrap_or(i64::MAX);
        Self {
            source,
            resolved,
            gaps: GapCutter { max_gap_ns, last_ns: 0, cut: GapCut::default() },
            before_ns: 0,
            counts: ReplayCounts::default(),
            is_done: false,
        }
    }

    pub fn counts(&self) -> ReplayCounts {
        self.counts
    }

    /// Gaps cut so far; all of them once the last event was read.
    pub fn gap_cut(&self) -> GapCut {
        self.gaps.cut
    }

    /// Ends, once: the stretch after the last event is a gap, too.
    fn finish(&mut self) {
        if !self.is_done {
            self.is_done = true;
            self.gaps.advance((self.resolved.to_ns - self.resolved.from_ns).max(0));
        }
    }

    /// Refuses what no timeline of this crate holds: it would come out in disorder.
    fn check(&mut self, event: &Event) -> Result<(), ReplayError> {
        let (row, t_ns, before_ns) = (event.row, event.t_ns, self.before_ns);
        let span_ns = self.resolved.span_ns;
        if !(0..span_ns).contains(&t_ns) {
            return Err(ReplayError::OutsideSpan { row, t_ns, span_ns });
        }
        if t_ns < before_ns {
            return Err(ReplayError::NotAscending { row, t_ns, before_ns });
        }
        self.before_ns = t_ns;
        Ok(())
    }

    /// Decides about an event inside the slice.
    fn keeps(&mut self, event: &Event) -> bool {
        if !self.resolved.filter.keeps(event) {
            self.counts.filtered += 1;
            return false;
        }
        if let Some(thin) = self.resolved.thin
            && !stays(thin, self.resolved.seed, event)
        {
            self.counts.thinned += 1;
            return false;
        }
        self.counts.kept += 1;
        true
    }
}

fn stays(thin: Thin, seed: u64, event: &Event) -> bool {
    let bits = match thin.by {
        ThinBy::Session if event.session != 0 => draw(seed, Purpose::ThinSession, event.session, 0),
        _ => draw(seed, Purpose::ThinEvent, event.row, u64::from(event.copy)),
    };
    happens(bits, thin.p)
}

impl<E, I> Iterator for Base<I>
where
    I: Iterator<Item = Result<Event, E>>,
    E: From<ReplayError>,
{
    type Item = Result<Event, E>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.is_done {
            let mut event = match self.source.next() {
                Some(Ok(event)) => event,
                Some(Err(error)) => {
                    self.is_done = true;
                    return Some(Err(error));
                }
                None => break,
            };
            if let Err(error) = self.check(&event) {
                self.is_done = true;
                return Some(Err(error.into()));
            }
            if event.t_ns >= self.resolved.to_ns {
                break;
            }
            self.counts.read += 1;
            if event.t_ns < self.resolved.from_ns {
                self.counts.before_slice += 1;
            } else if self.keeps(&event) {
                event.t_ns = self.gaps.advance(event.t_ns - self.resolved.from_ns);
                return Some(Ok(event));
            }
        }
        self.finish();
        None
    }
}
