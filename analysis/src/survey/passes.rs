//! The passes over the rows, each for all groups and measures at once.

use super::cells::{CELLS, FAILED, cell_of, span_of};
use super::measure::successes;
use super::select::{Catch, Selection};
use super::{Measure, Survey};
use crate::parallel;
use crate::precision::{Layout, Precision};
use crate::quantile::{CENSORED, Distribution, Estimate, of_sorted, rank};
use crate::rows::Rows;
use crate::store::Fields;

/// Up to this many rows are copied and sorted: their copies take less than the cells do.
const COPIED_MAX: usize = 1 << 17;

/// Groups times measures that share a pass: the cells of each take 57 kB for each thread.
const SLOTS_MAX: usize = 256;

/// What is asked of some rows.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    /// The rows; those of kinds without a group are left out.
    pub rows: Rows<'a>,
    /// Group of each kind.
    pub group_of_kind: Vec<Option<usize>>,
    /// Number of groups.
    pub groups: usize,
    /// What is measured of each row.
    pub measures: Vec<Measure>,
    /// Instants at which the load changes by design, ascending.
    pub starts_ns: Vec<i64>,
    /// Levels of the quantiles.
    pub levels: Vec<f64>,
}

impl<'a> Question<'a> {
    /// Asks one thing of one group.
    pub fn one(rows: Rows<'a>, measure: Measure, starts_ns: &[i64], levels: &[f64]) -> Self {
        Self {
            group_of_kind: rows.mask().iter().map(|&is_in| is_in.then_some(0)).collect(),
            rows,
            groups: 1,
            measures: vec![measure],
            starts_ns: starts_ns.to_vec(),
            levels: levels.to_vec(),
        }
    }

    /// Answers with a survey for each measure of each group.
    pub fn answer(&self) -> Vec<Vec<Survey>> {
        self.answer_copying(COPIED_MAX)
    }

    /// The same, copying up to so many rows.
    pub(super) fn answer_copying(&self, copied_max: usize) -> Vec<Vec<Survey>> {
        if self.rows.len_max() <= copied_max {
            let surveys = copies(self).into_iter().map(|(values, cuts)| {
                Distribution::new(values).with_cuts(cuts).survey(&self.levels)
            });
            return grouped(surveys.collect(), self.measures.len());
        }
        let parts = self
            .parts()
            .into_iter()
            .flat_map(|part| grouped(Passes::new(&part).surveys(), self.measures.len()));
        parts.collect()
    }
}

impl Question<'_> {
    /// Finds quantiles of one other measure, without intervals, for each group.
    pub fn quantiles_of(&self, measure: Measure, levels: &[f64]) -> Vec<Vec<Option<i64>>> {
        let (measures, levels) = (vec![measure], levels.to_vec());
        Question { measures, levels, starts_ns: Vec::new(), ..self.clone() }.quantiles(COPIED_MAX)
    }

    /// The values of the levels, for each measure of each group.
    fn quantiles(&self, copied_max: usize) -> Vec<Vec<Option<i64>>> {
        let levels = &self.levels;
        if self.rows.len_max() <= copied_max {
            let copies = copies(self).into_iter().map(|(mut values, _)| {
                values.sort_unstable();
                levels.iter().map(|&level| of_sorted(&values, level)).collect()
            });
            return copies.collect();
        }
        let parts = self.parts().into_iter().flat_map(|part| {
            let passes = Passes::new(&part);
            let mut tally = passes.tally();
            for slot in &mut tally {
                slot.selection.want(ranks(slot.selection.count(), levels));
            }
            passes.select(&mut tally);
            let values = tally.iter().map(|slot| {
                let count = slot.selection.count() as usize;
                let value = |&level: &f64| slot.selection.value(rank(count, level) as u64);
                levels.iter().map(value).collect()
            });
            values.collect::<Vec<_>>()
        });
        parts.collect()
    }

    /// The question in parts of so few groups that their cells fit into memory.
    fn parts(&self) -> Vec<Self> {
        let groups_max = (SLOTS_MAX / self.measures.len().max(1)).max(1);
        let firsts = (0..self.groups).step_by(groups_max);
        let parts = firsts.map(|first| {
            let groups = groups_max.min(self.groups - first);
            let group_of_kind = renumbered(&self.group_of_kind, first, groups);
            Self { group_of_kind, groups, ..self.clone() }
        });
        parts.collect()
    }
}

/// The groups from `first` on, numbered from 0.
fn renumbered(group_of_kind: &[Option<usize>], first: usize, count: usize) -> Vec<Option<usize>> {
    let group = |group: &Option<usize>| {
        group.and_then(|group| group.checked_sub(first)).filter(|&group| group < count)
    };
    group_of_kind.iter().map(group).collect()
}

fn grouped<T>(of_slots: Vec<T>, measures: usize) -> Vec<Vec<T>> {
    let mut of_slots = of_slots.into_iter();
    let mut groups = Vec::new();
    loop {
        let group: Vec<T> = of_slots.by_ref().take(measures).collect();
        if group.is_empty() {
            return groups;
        }
        groups.push(group);
    }
}

/// Surveys one measure of some rows.
pub fn survey(rows: &Rows<'_>, measure: Measure, starts_ns: &[i64], levels: &[f64]) -> Survey {
    let question = Question::one(rows.clone(), measure, starts_ns, levels);
    question.answer().into_iter().flatten().next().unwrap_or_default()
}

/// Finds quantiles of several measures of some rows, without intervals: for each measure the
/// values of the levels, `None` of nothing.
pub fn quantiles(rows: &Rows<'_>, measures: &[Measure], levels: &[f64]) -> Vec<Vec<Option<i64>>> {
    quantiles_copying(rows, measures, levels, COPIED_MAX)
}

/// The same, copying up to so many rows.
pub(super) fn quantiles_copying(
    rows: &Rows<'_>,
    measures: &[Measure],
    levels: &[f64],
    copied_max: usize,
) -> Vec<Vec<Option<i64>>> {
    let question = Question {
        measures: measures.to_vec(),
        ..Question::one(rows.clone(), Measure::Response, &[], levels)
    };
    question.quantiles(copied_max)
}

/// Copies the response times of rows, in the order of the timeline, and says where strata begin
/// among them; failures rank as infinitely slow. Eight bytes a row: for what needs every time.
pub fn response_times(rows: &Rows<'_>, starts_ns: &[i64]) -> (Vec<i64>, Vec<usize>) {
    let question = Question::one(rows.clone(), Measure::Response, starts_ns, &[]);
    copies(&question).into_iter().next().unwrap_or_default()
}

/// Ranks of levels among so many values.
fn ranks(count: u64, levels: &[f64]) -> Vec<u64> {
    let ranks = levels.iter().map(|&level| rank(count as usize, level) as u64);
    ranks.filter(|&rank| rank <= count).collect()
}

/// The values of each slot in the order of the timeline, and where strata begin among them.
fn copies(question: &Question<'_>) -> Vec<(Vec<i64>, Vec<usize>)> {
    let passes = Passes::new(question);
    let mut copies = vec![(Vec::new(), Vec::new()); passes.slots];
    let rows = question.rows.of_codes(|code| question.group_of_kind[code].is_some());
    for (index, stratum) in rows.cut_at(&question.starts_ns).iter().enumerate() {
        if index > 0 {
            copies.iter_mut().for_each(|(values, cuts)| cuts.push(values.len()));
        }
        passes.each(stratum, &mut |slot, value| copies[slot].0.push(value));
    }
    copies
}

/// A stretch of rows of one stratum.
struct Piece<'a> {
    stratum: usize,
    rows: Rows<'a>,
}

/// The rows in pieces for threads, and where their values go.
struct Passes<'a, 'q> {
    question: &'q Question<'a>,
    is_ok: Vec<bool>,
    fields: Fields,
    /// First slot of each kind's group; slots are those of the measures, group after group.
    slot_of_kind: Vec<usize>,
    slots: usize,
    pieces: Vec<Piece<'a>>,
}

/// What one thread sums up of a slot.
#[derive(Debug, Clone, Copy)]
struct Total {
    /// Values of the piece.
    count: u32,
    /// Of the finite values of all pieces.
    max: i64,
    sum: i128,
}

impl Default for Total {
    fn default() -> Self {
        Self { count: 0, max: i64::MIN, sum: 0 }
    }
}

impl Total {
    fn add(&mut self, value: i64) {
        self.count += 1;
        if value != CENSORED {
            self.sum += i128::from(value);
            self.max = self.max.max(value);
        }
    }
}

/// What the first pass finds of a slot.
struct Slot {
    selection: Selection,
    sum: i128,
    max: Option<i64>,
    /// Values in each piece.
    in_pieces: Vec<u32>,
}

impl<'a, 'q> Passes<'a, 'q> {
    fn new(question: &'q Question<'a>) -> Self {
        let measures = question.measures.len();
        let groups = &question.group_of_kind;
        let slot_of_kind = groups.iter().map(|group| group.unwrap_or(0) * measures);
        let rows = question.rows.of_codes(|code| groups[code].is_some());
        let strata = rows.cut_at(&question.starts_ns).into_iter().enumerate();
        let pieces = strata.flat_map(|(stratum, rows)| {
            rows.pieces().into_iter().map(move |rows| Piece { stratum, rows })
        });
        let fields = question.measures.iter().map(|measure| measure.fields());
        Self {
            question,
            is_ok: successes(question.rows.columns()),
            fields: fields.fold(Fields::KIND, |all, fields| all | fields),
            slot_of_kind: slot_of_kind.collect(),
            slots: question.groups * measures,
            pieces: pieces.collect(),
        }
    }

    /// Shows every value of some rows with its slot, in the order of the timeline.
    fn each(&self, rows: &Rows<'_>, see: &mut impl FnMut(usize, i64)) {
        rows.visit(self.fields, |decoded, places| {
            for (index, measure) in self.question.measures.iter().enumerate() {
                measure.each(decoded, places, &self.is_ok, |place, value| {
                    see(self.slot_of_kind[decoded.code(place)] + index, value);
                });
            }
        });
    }

    /// Counts all values in cells.
    fn tally(&self) -> Vec<Slot> {
        struct Sum {
            cells: Vec<u32>,
            totals: Vec<Total>,
            in_pieces: Vec<(usize, Vec<u32>)>,
        }
        let new = || Sum {
            cells: vec![0; self.slots * CELLS],
            totals: vec![Total::default(); self.slots],
            in_pieces: Vec::new(),
        };
        let sums = parallel::fold(self.pieces.len(), new, |sum, index| {
            sum.totals.iter_mut().for_each(|total| total.count = 0);
            self.each(&self.pieces[index].rows, &mut |slot, value| {
                sum.cells[slot * CELLS + cell_of(value)] += 1;
                sum.totals[slot].add(value);
            });
            let counts = sum.totals.iter().map(|total| total.count).collect();
            sum.in_pieces.push((index, counts));
        });
        let slots = (0..self.slots).map(|slot| {
            let mut cells = vec![0; CELLS];
            let mut in_pieces = vec![0; self.pieces.len()];
            for sum in &sums {
                let more = &sum.cells[slot * CELLS..(slot + 1) * CELLS];
                cells.iter_mut().zip(more).for_each(|(count, more)| *count += more);
                sum.in_pieces.iter().for_each(|(piece, counts)| in_pieces[*piece] = counts[slot]);
            }
            let selection = Selection::new(cells);
            let max = sums.iter().map(|sum| sum.totals[slot].max).max();
            Slot {
                sum: sums.iter().map(|sum| sum.totals[slot].sum).sum(),
                max: max.filter(|_| selection.finite() > 0),
                in_pieces,
                selection,
            }
        });
        slots.collect()
    }

    /// Finds the values of all ranks that were asked for.
    fn select(&self, tally: &mut [Slot]) {
        while tally.iter().any(|slot| slot.selection.is_open()) {
            let new = || tally.iter().map(|slot| slot.selection.catch()).collect::<Vec<Catch>>();
            let caught = parallel::fold(self.pieces.len(), new, |catches, index| {
                self.each(&self.pieces[index].rows, &mut |slot, value| catches[slot].see(value));
            });
            let mut by_slot: Vec<Vec<Catch>> = tally.iter().map(|_| Vec::new()).collect();
            for catches in caught {
                by_slot.iter_mut().zip(catches).for_each(|(slot, catch)| slot.push(catch));
            }
            let slots = tally.iter_mut().zip(by_slot);
            slots.for_each(|(slot, catches)| slot.selection.take(catches.into_iter()));
        }
    }

    fn surveys(&self) -> Vec<Survey> {
        let levels = &self.question.levels;
        let mut tally = self.tally();
        for slot in &mut tally {
            slot.selection.want(ranks(slot.selection.count(), levels));
        }
        self.select(&mut tally);
        let precisions = self.precisions(&tally);
        for (slot, precisions) in tally.iter_mut().zip(&precisions) {
            let (count, finite) = (slot.selection.count() as usize, slot.selection.finite());
            let ends = levels.iter().zip(precisions).flat_map(|(&level, precision)| {
                let (low, high) = Estimate::ranks(count, level, *precision);
                [Some(low), high].into_iter().flatten()
            });
            slot.selection.want(ends.filter(|&end| end >= 1 && end <= finite).collect());
        }
        self.select(&mut tally);
        let slots = tally.iter().zip(&precisions);
        slots.map(|(slot, precisions)| slot.survey(levels, precisions)).collect()
    }

    /// How well the share of values at or below each quantile is known, slot by slot.
    fn precisions(&self, tally: &[Slot]) -> Vec<Vec<Option<Precision>>> {
        let levels = &self.question.levels;
        let strata = 1 + self.pieces.iter().map(|piece| piece.stratum).max().unwrap_or(0);
        let counters: Vec<BatchCounter> = tally
            .iter()
            .map(|slot| BatchCounter::new(slot, levels, &self.pieces, strata))
            .collect();
        // At the beginning of each piece: how many values of its stratum came before.
        let before: Vec<Vec<u64>> = tally.iter().map(|slot| self.before(slot)).collect();
        let new = || {
            let counts = counters.iter().map(|counter| vec![0_u64; counter.room()]);
            counts.collect::<Vec<_>>()
        };
        let sums = parallel::fold(self.pieces.len(), new, |counts, index| {
            let piece = &self.pieces[index];
            let mut cursors: Vec<Cursor> = counters
                .iter()
                .zip(&before)
                .map(|(counter, before)| counter.cursor(piece.stratum, before[index]))
                .collect();
            self.each(&piece.rows, &mut |slot, value| {
                let (counter, cursor) = (&counters[slot], &mut cursors[slot]);
                if cursor.left == 0 {
                    counter.advance(cursor);
                }
                cursor.left -= 1;
                counts[slot][cursor.first + counter.class(value)] += 1;
            });
        });
        let all = counters.iter().enumerate().map(|(slot, counter)| {
            let mut counts = vec![0; counter.room()];
            for sum in &sums {
                counts.iter_mut().zip(&sum[slot]).for_each(|(count, more)| *count += more);
            }
            counter.precisions(levels, &counts)
        });
        all.collect()
    }

    fn before(&self, slot: &Slot) -> Vec<u64> {
        let (mut stratum, mut before) = (0, 0);
        let pieces = self.pieces.iter().zip(&slot.in_pieces);
        let counts = pieces.map(|(piece, &count)| {
            if piece.stratum != stratum {
                (stratum, before) = (piece.stratum, 0);
            }
            before += u64::from(count);
            before - u64::from(count)
        });
        counts.collect()
    }
}

impl Slot {
    fn survey(&self, levels: &[f64], precisions: &[Option<Precision>]) -> Survey {
        let (count, finite) = (self.selection.count() as usize, self.selection.finite());
        let at_rank = |rank: u64| self.selection.value(rank).filter(|_| rank <= finite);
        let estimates = levels.iter().zip(precisions).map(|(&level, &precision)| {
            let value = self.selection.value(rank(count, level) as u64);
            (level, Estimate::new(count, level, value, precision, at_rank))
        });
        Survey {
            count,
            finite: finite as usize,
            mean: (finite > 0).then(|| self.sum as f64 / finite as f64),
            max: self.max,
            estimates: estimates.collect(),
        }
    }
}

/// Class of a cell whose values must be looked at.
const DIVIDED: u8 = u8::MAX;

/// Counts the values of a slot by batch and by the quantiles they are above of.
struct BatchCounter {
    layout: Layout,
    /// Quantiles in ascending order.
    bounds: Vec<i64>,
    /// The cells of which no bound divides the values: how many bounds are below.
    classes: Vec<u8>,
    /// Place of each level's quantile in `bounds`.
    places: Vec<usize>,
    /// First batch of each stratum.
    first_batch: Vec<usize>,
}

/// Where in the batches a piece has got to.
struct Cursor {
    stratum: usize,
    batch: usize,
    /// Values that still belong to the batch.
    left: u64,
    /// Where the counts of the batch begin.
    first: usize,
}

impl BatchCounter {
    fn new(slot: &Slot, levels: &[f64], pieces: &[Piece<'_>], strata: usize) -> Self {
        let mut rows = vec![0; strata];
        for (piece, &count) in pieces.iter().zip(&slot.in_pieces) {
            rows[piece.stratum] += count as usize;
        }
        let layout = Layout::new(&rows);
        let count = slot.selection.count() as usize;
        let values: Vec<i64> = levels
            .iter()
            .map(|&level| slot.selection.value(rank(count, level) as u64).unwrap_or(CENSORED))
            .collect();
        let mut bounds = values.clone();
        bounds.sort_unstable();
        bounds.dedup();
        let places = values.iter().map(|value| bounds.partition_point(|bound| bound < value));
        let mut batches = 0;
        let first_batch = (0..strata).map(|stratum| {
            batches += layout.batches(stratum).max(1);
            batches - layout.batches(stratum).max(1)
        });
        let first_batch = first_batch.collect();
        let classes = (0..CELLS).map(|cell| {
            let span = span_of(cell);
            let is_divided = cell == FAILED || bounds.iter().any(|&bound| span.holds(bound));
            let below = bounds.iter().filter(|&&bound| bound < span.low).count();
            u8::try_from(below).ok().filter(|_| !is_divided).unwrap_or(DIVIDED)
        });
        let classes = classes.collect();
        Self { places: places.collect(), first_batch, classes, bounds, layout }
    }

    /// Number of counters.
    fn room(&self) -> usize {
        let last = self.first_batch.len() - 1;
        (self.first_batch[last] + self.layout.batches(last).max(1)) * (self.bounds.len() + 1)
    }

    /// How many of the bounds a value is above.
    fn class(&self, value: i64) -> usize {
        match self.classes[cell_of(value)] {
            DIVIDED => self.bounds.iter().map(|&bound| usize::from(value > bound)).sum(),
            class => class.into(),
        }
    }

    /// The batch in which a stratum's value number `at` lies, and what is left of it from there.
    fn cursor(&self, stratum: usize, at: u64) -> Cursor {
        let (mut batch, mut end) = (0, self.layout.batch_end(stratum, 0) as u64);
        while end <= at && batch + 1 < self.layout.batches(stratum).max(1) {
            batch += 1;
            end = self.layout.batch_end(stratum, batch) as u64;
        }
        let first = (self.first_batch[stratum] + batch) * (self.bounds.len() + 1);
        Cursor { stratum, batch, left: end.saturating_sub(at), first }
    }

    fn advance(&self, cursor: &mut Cursor) {
        let Cursor { stratum, batch, .. } = *cursor;
        let start = self.layout.batch_end(stratum, batch);
        *cursor = self.cursor(stratum, start as u64);
    }

    fn precisions(&self, levels: &[f64], counts: &[u64]) -> Vec<Option<Precision>> {
        let classes = self.bounds.len() + 1;
        let one = |(&level, &place): (&f64, &usize)| {
            let inside = |batch: &[u64]| batch[..=place].iter().sum::<u64>();
            let inside: Vec<u64> = counts.chunks(classes).map(inside).collect();
            let strata = (0..self.first_batch.len()).map(|stratum| {
                let first = self.first_batch[stratum];
                &inside[first..first + self.layout.batches(stratum)]
            });
            self.layout.share_precision(level, &strata.collect::<Vec<_>>())
        };
        levels.iter().zip(&self.places).map(one).collect()
    }
}
