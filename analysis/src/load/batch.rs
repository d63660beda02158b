//! From a batch of a sample file to rows that can be ordered.

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Int64Type, UInt16Type, UInt64Type};
use arrow_array::{Array, ArrayRef, PrimitiveArray, RecordBatch};
use openload_contract::TimelineDigest;

use super::kinds::Kinds;
use crate::Error;
use crate::store::ArrivalRow;

/// The arrivals of a row group, column by column, in the order of the file.
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
}

/// Times of which some are not known.
#[derive(Debug, Default)]
struct Optional {
    values: Vec<i64>,
    /// Which of them are known; empty as long as all are.
    known: Vec<bool>,
}

impl Optional {
    fn get(&self, row: usize) -> Option<i64> {
        let value = self.values.get(row).copied();
        value.filter(|_| self.known.get(row).copied().unwrap_or(true))
    }

    fn append(&mut self, array: &PrimitiveArray<Int64Type>, rows: &[usize]) {
        let before = self.values.len();
        self.values.extend(rows.iter().map(|&row| array.value(row)));
        if array.null_count() > 0 || !self.known.is_empty() {
            self.known.resize(before, true);
            self.known.extend(rows.iter().map(|&row| array.is_valid(row)));
        }
    }

    fn arrange(&mut self, order: &[u32]) {
        arrange(&mut self.values, order);
        arrange(&mut self.known, order);
    }
}

/// Puts the values of rows into an order; a column that was not read stays empty.
fn arrange<T: Copy>(values: &mut Vec<T>, order: &[u32]) {
    if !values.is_empty() {
        *values = order.iter().map(|&row| values[row as usize]).collect();
    }
}

impl Arrivals {
    /// Number of the row's arrival; 0 if it was not asked for.
    pub fn seq(&self, row: usize) -> u64 {
        self.seq.get(row).copied().unwrap_or(0)
    }

    /// Puts the rows into an order.
    ///
    /// Column by column: one of them fits into a processor's own cache, all together do not.
    pub fn arrange(&mut self, order: &[u32]) {
        arrange(&mut self.seq, order);
        let times = [&mut self.intended_ns, &mut self.lag_ns, &mut self.response_ns];
        times.into_iter().for_each(|times| arrange(times, order));
        let optional = [&mut self.connect_ns, &mut self.sent_ns, &mut self.ttfb_ns];
        optional.into_iter().for_each(|times| times.arrange(order));
        arrange(&mut self.kind, order);
    }

    /// One arrival.
    pub fn row(&self, row: usize) -> ArrivalRow {
        ArrivalRow {
            intended_ns: self.intended_ns[row],
            lag_ns: self.lag_ns.get(row).copied().unwrap_or(0),
            response_ns: self.response_ns[row],
            connect_ns: self.connect_ns.get(row),
            sent_ns: self.sent_ns.get(row),
            ttfb_ns: self.ttfb_ns.get(row),
            kind: self.kind[row],
        }
    }

    /// Takes the arrivals of a batch; follow-up steps of sessions are none.
    ///
    /// Columns that were not asked for stay empty: their times are 0 or unknown.
    pub fn append(
        &mut self,
        batch: &RecordBatch,
        kinds: &mut Kinds,
        digest: &mut TimelineDigest,
    ) -> Result<(), Error> {
        let step = required::<UInt16Type>(batch, "step")?.values();
        let rows: Vec<usize> = (0..step.len()).filter(|&row| step[row] == 0).collect();
        let intended = required::<Int64Type>(batch, "intended_ns")?.values();
        self.intended_ns.extend(rows.iter().map(|&row| intended[row]));
        if batch.column_by_name("seq").is_some() {
            let seq = required::<UInt64Type>(batch, "seq")?.values();
            rows.iter().for_each(|&row| digest.add(seq[row], intended[row]));
            self.seq.extend(rows.iter().map(|&row| seq[row]));
        }
        let times = [("lag_ns", &mut self.lag_ns), ("response_ns", &mut self.response_ns)];
        for (name, column) in times {
            if batch.column_by_name(name).is_some() {
                let values = required::<Int64Type>(batch, name)?.values();
                column.extend(rows.iter().map(|&row| values[row]));
            }
        }
        let optional = [
            ("connect_ns", &mut self.connect_ns),
            ("sent_ns", &mut self.sent_ns),
            ("ttfb_ns", &mut self.ttfb_ns),
        ];
        for (name, times) in optional {
            if let Some(values) = batch.column_by_name(name) {
                let values = values.as_primitive_opt::<Int64Type>();
                times.append(values.ok_or(Error::Column { column: name })?, &rows);
            }
        }
        kinds.append(batch, &rows, &mut self.kind)
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
