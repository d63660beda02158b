//! All steps together, and repetition.

use std::sync::Arc;

use crate::event::Event;

use super::base::{Base, GapCut, ReplayCounts};
use super::copies::{self, CopyStage};
use super::draw::{Purpose, other_session};
use super::overlap::OverlapStage;
use super::spec::{ReplayError, ReplaySpec, Resolved};

/// Prepares the replay of a timeline.
///
/// `span_ns` is the timeline's length: its events lie in `[0, span_ns)`, in ascending order, and
/// [`Event::row`] tells them apart, for chance is decided by it. `open` opens the timeline from
/// its beginning. It is called once for each repetition and once or twice for each overlapping
/// copy, and each time it must give the same events. It is called here already, and the timeline
/// read through, when gaps are to be cut.
///
/// # Errors
/// When the specification is impossible for this timeline, or the timeline cannot be read.
pub fn replay<E, I, F>(
    spec: &ReplaySpec,
    seed: u64,
    span_ns: i64,
    open: F,
) -> Result<Replay<I, F>, E>
where
    F: Fn() -> Result<I, E>,
    I: Iterator<Item = Result<Event, E>>,
    E: From<ReplayError>,
{
    let resolved = Arc::new(spec.resolve(seed, span_ns)?);
    let gap_cut = match resolved.max_gap_ns {
        Some(_) => cut_gaps(&resolved, &open)?,
        None => GapCut::default(),
    };
    let base_length_ns = (resolved.to_ns - resolved.from_ns).max(0) - gap_cut.removed_ns;
    let lengths = Lengths::new(&resolved, base_length_ns)?;
    Ok(Replay {
        open: Arc::new(open),
        resolved,
        lengths,
        gap_cut,
        stage: None,
        repetition: 0,
        counts: ReplayCounts::default(),
        held_max: 0,
        has_failed: false,
    })
}

/// Finds which gaps are too long.
fn cut_gaps<E, I, F>(resolved: &Arc<Resolved>, open: &F) -> Result<GapCut, E>
where
    F: Fn() -> Result<I, E>,
    I: Iterator<Item = Result<Event, E>>,
    E: From<ReplayError>,
{
    let mut base = Base::new(Arc::clone(resolved), open()?);
    base.by_ref().try_for_each(|event| event.map(drop))?;
    Ok(base.gap_cut())
}

/// How long the timeline is from step to step, ns.
#[derive(Debug, Clone, Copy)]
struct Lengths {
    /// After gaps were cut.
    base_ns: i64,
    /// From the beginning of a repetition to that of the next.
    period_ns: i64,
    /// In the end.
    total_ns: i64,
}

impl Lengths {
    fn new(resolved: &Resolved, base_ns: i64) -> Result<Self, ReplayError> {
        let copies = resolved.copies;
        if copies.n > 1 && base_ns > 0 && copies.jitter_ns > base_ns {
            let jitter_ns = copies.jitter_ns;
            return Err(ReplayError::JitterTooLong { jitter_ns, length_ns: base_ns });
        }
        let repeat = resolved.repeat;
        let lengths = || {
            let copied_ns = copies::length_ns(copies, base_ns)?;
            let once_ns = resolved.speed.divide_length(copied_ns)?;
            let period_ns = once_ns.checked_add(repeat.seam_ns)?;
            let before_last_ns = period_ns.checked_mul(i64::from(repeat.times) - 1)?;
            let total_ns = before_last_ns.checked_add(once_ns)?;
            Some(Self { base_ns, period_ns, total_ns })
        };
        lengths().ok_or(ReplayError::TooLong)
    }
}

/// The events of a replay in the order in which they are sent; ends at the first error.
///
/// Times begin at 0. [`Event::row`] still names the row of the timeline, and [`Event::copy`] tells
/// apart the events that one row became; sessions of copies and repetitions are sessions of
/// their own.
pub struct Replay<I, F> {
    open: Arc<F>,
    resolved: Arc<Resolved>,
    lengths: Lengths,
    gap_cut: GapCut,
    stage: Option<CopyStage<OverlapStage<I, F>>>,
    repetition: u32,
    counts: ReplayCounts,
    held_max: usize,
    has_failed: bool,
}

impl<I, F> Replay<I, F> {
    /// Length of the whole replay, ns: all events lie in `[0, length_ns)`.
    pub fn length_ns(&self) -> i64 {
        self.lengths.total_ns
    }

    /// Gaps that were cut in the timeline, once, whatever the number of copies.
    pub fn gap_cut(&self) -> GapCut {
        self.gap_cut
    }

    /// Number of events that each kept event becomes.
    pub fn copies(&self) -> u64 {
        let Resolved { overlap, copies, repeat, .. } = &*self.resolved;
        u64::from(overlap.n) * u64::from(copies.n) * u64::from(repeat.times)
    }

    /// What became of the events that were read; all of them once the first repetition is over.
    pub fn counts(&self) -> ReplayCounts {
        match &self.stage {
            Some(stage) if self.repetition == 0 => stage.source().counts(),
            _ => self.counts,
        }
    }

    /// Most events that were ever held at once to put copies in order.
    pub fn held_max(&self) -> usize {
        self.stage.as_ref().map_or(0, CopyStage::held_max).max(self.held_max)
    }

    fn new_stage(&self) -> CopyStage<OverlapStage<I, F>> {
        let base_ns = self.lengths.base_ns;
        let overlap =
            OverlapStage::new(Arc::clone(&self.open), Arc::clone(&self.resolved), base_ns);
        CopyStage::new(overlap, self.resolved.copies, self.resolved.seed, base_ns)
    }

    fn end_repetition(&mut self) {
        self.counts = self.counts();
        self.held_max = self.held_max();
        self.stage = None;
        self.repetition += 1;
    }

    /// Puts an event of the present repetition where it is sent.
    fn place(&self, mut event: Event) -> Option<Event> {
        let once_ns = self.resolved.speed.divide(event.t_ns)?;
        // Less than the length of the whole replay, which was found to fit.
        event.t_ns = once_ns + self.lengths.period_ns * i64::from(self.repetition);
        if self.repetition > 0 {
            event.copy += self.repetition * self.resolved.overlap.n * self.resolved.copies.n;
            let number = u64::from(self.repetition);
            event.session = other_session(event.session, Purpose::NameRepeated, number);
        }
        Some(event)
    }
}

impl<E, I, F> Iterator for Replay<I, F>
where
    F: Fn() -> Result<I, E>,
    I: Iterator<Item = Result<Event, E>>,
    E: From<ReplayError>,
{
    type Item = Result<Event, E>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.repetition < self.resolved.repeat.times && !self.has_failed {
            if self.stage.is_none() {
                self.stage = Some(self.new_stage());
            }
            let placed = match self.stage.as_mut().and_then(Iterator::next) {
                Some(Ok(event)) => self.place(event).ok_or_else(|| ReplayError::TooLong.into()),
                Some(Err(error)) => Err(error),
                None => {
                    self.end_repetition();
                    continue;
                }
            };
            self.has_failed = placed.is_err();
            return Some(placed);
        }
        None
    }
}
