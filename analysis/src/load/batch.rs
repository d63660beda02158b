//! From a row group of a sample file to its arrivals in the order of the timeline.

use std::borrow::Cow;

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Int64Type, UInt16Type, UInt64Type};
use arrow_array::{Array, ArrayRef, PrimitiveArray, RecordBatch};
use openload_contract::TimelineDigest;

use super::kinds::{NamedKind, kinds_of};
use super::order::{Ordered, ordered};
use crate::Error;
use crate::store::{ArrivalColumns, OptionalTimes};

/// The arrivals of a row group, column by column, in the order of the timeline.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    seq: Vec<u64>,
    pub intended_ns: Vec<i64>,
    lag_ns: Vec<i64>,
    response_ns: Vec<i64>,
    connect_ns: Optional,
    sent_ns: Optional,
    ttfb_ns: Optional,
    kind: Vec<u32>,
    /// The kinds of this group, by their number in `kind`.
    pub kinds: Vec<NamedKind>,
    pub digest: TimelineDigest,
}

/// Times of which some are not known.
#[derive(Debug, Default)]
struct Optional {
    values: Vec<i64>,
    /// Which of them are known; empty when all are.
    known: Vec<bool>,
}

impl Optional {
    fn new(places: &[u32], array: &PrimitiveArray<Int64Type>) -> Self {
        let is_known = |&place: &u32| array.is_valid(place as usize);
        let has_unknown = array.null_count() > 0;
        Self {
            values: taken(places, array.values()),
            known: if has_unknown { places.iter().map(is_known).collect() } else { Vec::new() },
        }
    }

    fn columns(&self) -> OptionalTimes<'_> {
        OptionalTimes { values: &self.values, known: &self.known }
    }
}

/// The values at some places, column by column: one of them fits into a processor's own cache, all
/// together do not.
fn taken<T: Copy>(places: &[u32], values: &[T]) -> Vec<T> {
    places.iter().map(|&place| values[place as usize]).collect()
}

/// The values of the rows that were picked, or all.
pub(super) fn among<'a, T: Copy>(picked: Option<&[u32]>, values: &'a [T]) -> Cow<'a, [T]> {
    match picked {
        None => Cow::Borrowed(values),
        Some(picked) => Cow::Owned(taken(picked, values)),
    }
}

/// A column of rows of several groups; empty if it was not read.
fn gathered<T: Copy>(
    groups: &[&Arrivals],
    rows: &[(u32, u32)],
    column: impl Fn(&Arrivals) -> &Vec<T>,
) -> Vec<T> {
    let columns: Vec<&[T]> = groups.iter().map(|group| column(group).as_slice()).collect();
    if columns.iter().all(|column| column.is_empty()) {
        return Vec::new();
    }
    rows.iter().map(|&(group, row)| columns[group as usize][row as usize]).collect()
}

impl Arrivals {
    /// Takes the arrivals of a row group; follow-up steps of sessions are none.
    ///
    /// Columns that were not asked for stay empty: their times are 0 or unknown.
    pub fn new(batch: &RecordBatch) -> Result<Self, Error> {
        let step = required::<UInt16Type>(batch, "step")?.values();
        let has_steps = step.iter().any(|&step| step != 0);
        let is_arrival = |&row: &u32| step[row as usize] == 0;
        let picked: Option<Vec<u32>> =
            has_steps.then(|| (0..step.len() as u32).filter(is_arrival).collect());
        let picked = picked.as_deref();

        let starts = among(picked, required::<Int64Type>(batch, "intended_ns")?.values());
        let numbers = match batch.column_by_name("seq") {
            Some(_) => among(picked, required::<UInt64Type>(batch, "seq")?.values()),
            None => Cow::default(),
        };
        let number = |place: usize| numbers.get(place).copied().unwrap_or(0);
        let Ordered { places, starts_ns } = ordered(&starts, number);
        let seq = if numbers.is_empty() { Vec::new() } else { taken(&places, &numbers) };
        let mut digest = TimelineDigest::default();
        seq.iter().zip(&starts_ns).for_each(|(&seq, &start_ns)| digest.add(seq, start_ns));
        let (kinds, codes) = kinds_of(batch, picked)?;
        let kind = taken(&places, &codes);

        let places = match picked {
            None => places,
            Some(picked) => taken(&places, picked),
        };
        let times = |name| -> Result<Vec<i64>, Error> {
            match batch.column_by_name(name) {
                Some(_) => Ok(taken(&places, required::<Int64Type>(batch, name)?.values())),
                None => Ok(Vec::new()),
            }
        };
        let optional = |name| -> Result<Optional, Error> {
            match batch.column_by_name(name) {
                Some(array) => {
                    let array = array.as_primitive_opt::<Int64Type>();
                    Ok(Optional::new(&places, array.ok_or(Error::Column { column: name })?))
                }
                None => Ok(Optional::default()),
            }
        };
        Ok(Self {
            seq,
            intended_ns: starts_ns,
            lag_ns: times("lag_ns")?,
            response_ns: times("response_ns")?,
            connect_ns: optional("connect_ns")?,
            sent_ns: optional("sent_ns")?,
            ttfb_ns: optional("ttfb_ns")?,
            kind,
            kinds,
            digest,
        })
    }

    /// Number of the row's arrival; 0 if it was not asked for.
    pub fn seq(&self, row: usize) -> u64 {
        self.seq.get(row).copied().unwrap_or(0)
    }

    /// The columns.
    pub fn columns(&self) -> ArrivalColumns<'_> {
        ArrivalColumns {
            intended_ns: &self.intended_ns,
            lag_ns: &self.lag_ns,
            response_ns: &self.response_ns,
            connect_ns: self.connect_ns.columns(),
            sent_ns: self.sent_ns.columns(),
            ttfb_ns: self.ttfb_ns.columns(),
            kind: &self.kind,
        }
    }

    /// Rows of several groups, which are given by their group and their place in it, with their
    /// intended starts.
    pub fn merged(groups: &[&Self], rows: &[(u32, u32)], intended_ns: Vec<i64>) -> Self {
        let optional = |of: fn(&Self) -> &Optional| {
            let values = gathered(groups, rows, |group| &of(group).values);
            let has_unknown = groups.iter().any(|group| !of(group).known.is_empty());
            let is_known = |&(group, row): &(u32, u32)| {
                let known = &of(groups[group as usize]).known;
                known.get(row as usize).copied().unwrap_or(true)
            };
            let known = if has_unknown { rows.iter().map(is_known).collect() } else { Vec::new() };
            Optional { values, known }
        };
        Self {
            intended_ns,
            lag_ns: gathered(groups, rows, |group| &group.lag_ns),
            response_ns: gathered(groups, rows, |group| &group.response_ns),
            connect_ns: optional(|group| &group.connect_ns),
            sent_ns: optional(|group| &group.sent_ns),
            ttfb_ns: optional(|group| &group.ttfb_ns),
            kind: gathered(groups, rows, |group| &group.kind),
            ..Self::default()
        }
    }

    /// Numbers the kinds as the run does instead of as this group does.
    pub fn renumber(&mut self, codes: &[u32]) {
        self.kind.iter_mut().for_each(|kind| *kind = codes[*kind as usize]);
    }
}

pub(super) fn column<'a>(
    batch: &'a RecordBatch,
    name: &'static str,
) -> Result<&'a ArrayRef, Error> {
    batch.column_by_name(name).ok_or(Error::Column { column: name })
}

pub(super) fn required<'a, T: ArrowPrimitiveType>(
    batch: &'a RecordBatch,
    name: &'static str,
) -> Result<&'a PrimitiveArray<T>, Error> {
    let array = column(batch, name)?.as_primitive_opt::<T>();
    array.filter(|array| array.null_count() == 0).ok_or(Error::Column { column: name })
}
