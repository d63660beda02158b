//! From sorted rows with recorded times to rows at their final times, in order.
//!
//! Rows arrive by (time, source, line). Those of a clock that is fine enough are final as they
//! are. The others come in groups of one source and one stamp: a group is gathered, its events
//! are given their places inside the step, and counts become as many events. Events can only move
//! forward inside their step and, if a duration is subtracted, back by that; so everything before
//! the next stamp less the longest duration is settled, and a window of that width is all that
//! is held back and sorted again. A window or a group beyond the memory budget goes through a
//! temporary file ([`crate::sort`]) instead.

use std::path::PathBuf;

use crate::error::TraceError;
use crate::event::TimeKind;
use crate::rows::{BATCH_BYTES, Bin, Key, Placed, Pool, Row, Rows, Timing};
use crate::sort::{Sorted, Sorter};
use crate::spread::{Counts, Draws, Phases, Shape, Within, instant_ns};
use crate::start::start_ns;

/// Bins from which on the rate inside them follows their neighbours.
pub(crate) const SHAPED_FROM_NS: i64 = 60 * crate::record::SECOND_NS;

/// What is known of a source after all of it was read.
#[derive(Debug, Clone, Default)]
pub(crate) struct SourceFacts {
    /// Step of its clock.
    pub resolution_ns: i64,
    /// What is added to every time.
    pub offset_ns: i64,
    /// Whether its rows are counts.
    pub is_counted: bool,
    /// Whether its rows were sorted by the recorded end although a duration is known.
    pub is_by_end: bool,
    /// Longest duration that is subtracted from an end.
    pub duration_max_ns: u64,
    /// Events per bin of a minute or more, by their stamps, in order.
    pub totals: Vec<(i64, u64)>,
}

/// Gives rows their final times.
pub(crate) struct Settler<'a> {
    /// By position among the inputs.
    pub sources: &'a [SourceFacts],
    pub seed: u64,
    pub within: Within,
    /// Steps from which on events are spread.
    pub coarse_from_ns: i64,
    pub directory: PathBuf,
    pub budget_bytes: usize,
    pub pool: Pool,
}

/// Where settled rows go.
pub(crate) type Deliver<'a> = dyn FnMut(Rows) -> Result<(), TraceError> + 'a;

impl Settler<'_> {
    /// Settles all rows and delivers them in order, in batches.
    pub fn run(&self, mut sorted: Sorted, deliver: &mut Deliver<'_>) -> Result<(), TraceError> {
        let lead_ns = self.lead_ns();
        let mut window =
            Window { rows: self.pool.take(), kept_bytes: 0, late: None, settler: self, deliver };
        let mut counts = Rows::default();
        while let Some(key) = sorted.peek() {
            let source = self.source(key);
            if source.is_counted {
                self.take_counts(&mut sorted, key, &mut counts, &mut window)?;
            } else if self.is_coarse(source.resolution_ns) {
                self.take_group(&mut sorted, key, &mut window)?;
            } else {
                sorted.next_into(&mut window.rows)?;
            }
            if window.is_full() {
                let settled_ns = sorted.peek().map(|next| next.time_ns.saturating_sub(lead_ns));
                window.release(settled_ns.unwrap_or(i64::MAX))?;
            }
        }
        window.finish()
    }

    /// Furthest that any row moves back.
    fn lead_ns(&self) -> i64 {
        let by_end = self.sources.iter().filter(|source| source.is_by_end);
        let longest = by_end.map(|source| source.duration_max_ns).max().unwrap_or(0);
        i64::try_from(longest).unwrap_or(i64::MAX)
    }

    fn source(&self, key: Key) -> &SourceFacts {
        const UNKNOWN: &SourceFacts = &SourceFacts {
            resolution_ns: 1,
            offset_ns: 0,
            is_counted: false,
            is_by_end: false,
            duration_max_ns: 0,
            totals: Vec::new(),
        };
        self.sources.get(key.source as usize).unwrap_or(UNKNOWN)
    }

    fn is_coarse(&self, resolution_ns: i64) -> bool {
        self.within != Within::Start && resolution_ns >= self.coarse_from_ns
    }

    fn draws(&self, key: Key, source: &SourceFacts) -> Draws {
        let bin_ns = key.time_ns.wrapping_sub(source.offset_ns);
        Draws { seed: self.seed, source: key.source, bin_ns }
    }

    /// Takes all rows of one source and stamp and spreads them over the step.
    fn take_group(
        &self,
        sorted: &mut Sorted,
        key: Key,
        window: &mut Window<'_, '_>,
    ) -> Result<(), TraceError> {
        let source = self.source(key);
        let is_same = |next: Option<Key>| {
            next.is_some_and(|next| (next.time_ns, next.source) == (key.time_ns, key.source))
        };
        // A stamp off the clock's grid was not cut to it, and is final.
        let draws = self.draws(key, source);
        if draws.bin_ns % source.resolution_ns != 0 {
            while is_same(sorted.peek()) {
                let first = window.rows.len();
                sorted.next_into(&mut window.rows)?;
                window.rows.set_times(first..first + 1, |row| Placed {
                    time_ns: start_ns(key.time_ns, row.kind, row.duration_ns),
                    kind: row.kind,
                });
            }
            return Ok(());
        }
        let first = window.rows.len();
        let enough_bytes = window.rows.size_bytes() + self.budget_bytes;
        while is_same(sorted.peek()) && window.rows.size_bytes() < enough_bytes {
            sorted.next_into(&mut window.rows)?;
        }
        let place = |row: Timing, phase: f64| {
            let instant_ns = instant_ns(key.time_ns, source.resolution_ns, phase);
            let time_ns = start_ns(instant_ns, row.kind, row.duration_ns);
            Placed { time_ns, kind: TimeKind::Synthetic }
        };
        if !is_same(sorted.peek()) {
            let count = (window.rows.len() - first) as u64;
            let mut phases = Phases::new(self.within, draws, 0, count);
            let last = window.rows.len();
            window.rows.set_times(first..last, |row| place(row, phases.next().unwrap_or_default()));
            return Ok(());
        }
        // The group does not fit: it is put aside to learn how many there are.
        let mut aside = Sorter::new(&self.directory, self.budget_bytes / 4);
        let mut part = Rows::default();
        window.rows.split_off(first, &mut part);
        aside.append(&part)?;
        part.clear();
        while is_same(sorted.peek()) {
            sorted.next_into(&mut part)?;
            if part.size_bytes() >= BATCH_BYTES || !is_same(sorted.peek()) {
                aside.append(&part)?;
                part.clear();
            }
        }
        let mut phases = Phases::new(self.within, draws, 0, aside.count());
        let mut aside = aside.finish()?;
        while aside.next_into(&mut window.rows)? {
            let index = window.rows.len() - 1;
            window
                .rows
                .set_times(index..index + 1, |row| place(row, phases.next().unwrap_or_default()));
            if window.is_full() {
                window.release(key.time_ns.saturating_sub(self.lead_ns()))?;
            }
        }
        Ok(())
    }

    /// Takes all counts of one source and stamp, and makes events of them.
    fn take_counts(
        &self,
        sorted: &mut Sorted,
        key: Key,
        counts: &mut Rows,
        window: &mut Window<'_, '_>,
    ) -> Result<(), TraceError> {
        let source = self.source(key);
        let draws = self.draws(key, source);
        let shape = shape(&source.totals, draws.bin_ns);
        let mut draws_used = 0_u64;
        while let Some(next) = sorted.peek() {
            if (next.time_ns, next.source) != (key.time_ns, key.source) {
                break;
            }
            counts.clear();
            sorted.next_into(counts)?;
            let Some(Row { bin, .. }) = counts.get(0) else { continue };
            let Bin { count, width_ns } =
                bin.unwrap_or(Bin { count: 1, width_ns: source.resolution_ns.unsigned_abs() });
            let width_ns = i64::try_from(width_ns).unwrap_or(i64::MAX);
            for phase in Phases::new(self.within, draws, draws_used, count) {
                let phase = if self.within == Within::Poisson { shape.place(phase) } else { phase };
                let time_ns = instant_ns(key.time_ns, width_ns, phase);
                let placed = Placed { time_ns, kind: TimeKind::Synthetic };
                window.rows.push_placed(counts.keys()[0], counts.encoded(0), placed);
                if window.is_full() {
                    window.release(key.time_ns.saturating_sub(self.lead_ns()))?;
                }
            }
            draws_used = draws_used.wrapping_add(Phases::draws_used(count));
        }
        Ok(())
    }
}

/// The course of the rate in a bin. A bin that is not listed had no event; beyond the first and
/// the last nothing is known, and the rate is taken to stay.
fn shape(totals: &[(i64, u64)], bin_ns: i64) -> Shape {
    let Ok(index) = totals.binary_search_by_key(&bin_ns, |total| total.0) else {
        return Shape::FLAT;
    };
    let here = totals[index];
    let beside = |other: Option<&(i64, u64)>, step_ns: i64| match other {
        None => here.1,
        Some(other) if other.0 == here.0.saturating_add(step_ns) => other.1,
        Some(_) => 0,
    };
    let before = beside(index.checked_sub(1).and_then(|index| totals.get(index)), -SHAPED_FROM_NS);
    let after = beside(totals.get(index + 1), SHAPED_FROM_NS);
    Shape::between(Counts { before: before as f64, here: here.1 as f64, after: after as f64 })
}

/// Rows at their final times that may not be all of their time yet.
struct Window<'a, 'd> {
    rows: Rows,
    /// Bytes that could not be released the last time.
    kept_bytes: usize,
    /// All later rows, once the window has outgrown the memory.
    late: Option<Sorter>,
    settler: &'a Settler<'a>,
    deliver: &'a mut Deliver<'d>,
}

impl Window<'_, '_> {
    /// Whether it is worth looking for rows to release.
    fn is_full(&self) -> bool {
        // What was kept before is not looked at again for every few rows.
        self.rows.size_bytes() >= BATCH_BYTES.max(2 * self.kept_bytes)
    }

    /// Delivers the rows before `settled_ns`.
    fn release(&mut self, settled_ns: i64) -> Result<(), TraceError> {
        self.rows.sort();
        if let Some(late) = &mut self.late {
            late.append(&self.rows)?;
            self.rows.clear();
            return Ok(());
        }
        let middle = self.rows.keys().partition_point(|key| key.time_ns < settled_ns);
        let mut rest = self.settler.pool.take();
        self.rows.split_off(middle, &mut rest);
        self.kept_bytes = rest.size_bytes();
        let settled = std::mem::replace(&mut self.rows, rest);
        if !settled.is_empty() {
            (self.deliver)(settled)?;
        }
        if self.kept_bytes > self.settler.budget_bytes / 2 {
            let Settler { directory, budget_bytes, .. } = self.settler;
            let mut late = Sorter::new(directory, *budget_bytes);
            late.append(&self.rows)?;
            self.rows.clear();
            self.kept_bytes = 0;
            self.late = Some(late);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(), TraceError> {
        self.release(i64::MAX)?;
        let Some(late) = self.late.take() else { return Ok(()) };
        let mut late = late.finish()?;
        let mut rows = Rows::default();
        while late.next_into(&mut rows)? {
            if rows.size_bytes() >= BATCH_BYTES {
                let empty = self.settler.pool.take();
                (self.deliver)(std::mem::replace(&mut rows, empty))?;
            }
        }
        if rows.is_empty() { Ok(()) } else { (self.deliver)(rows) }
    }
}
