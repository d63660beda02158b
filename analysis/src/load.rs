//! From sample files to one data frame in the order of the timeline.
//!
//! Ten million rows must fit well under 2 GiB, so a row is seven 64-bit columns and one small
//! code. The five names, the status and the outcome of a row take few distinct combinations;
//! each combination is a [`Kind`] and a row holds its number. Whatever depends on names is
//! decided once per kind and looked up per row.
//!
//! Rows are ordered by (intended start, number): the same frame whatever the order of parts
//! and rows on disk. Follow-up steps of sessions (`step` > 0) are counted and left out: they
//! are no arrivals.

use std::collections::HashMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Int64Type, UInt16Type, UInt64Type};
use arrow_array::{Array, ArrayRef, PrimitiveArray, RecordBatch};
use openload_contract::{Manifest, Outcome, TimelineDigest};
use openload_samples::PartReader;
use polars::prelude::*;

use crate::Error;
use crate::numeric::SECOND_NS;

/// Columns the analysis reads, in the order of the contract.
pub const COLUMNS: [&str; 14] = [
    "seq",
    "intended_ns",
    "lag_ns",
    "connect_ns",
    "sent_ns",
    "ttfb_ns",
    "response_ns",
    "status",
    "outcome",
    "stream",
    "phase",
    "scenario",
    "request",
    "step",
];

/// What the rows of one code have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// Stream of the profile.
    pub stream: String,
    /// Phase of the stream.
    pub phase: String,
    /// Scenario of the profile.
    pub scenario: String,
    /// Request of the scenario.
    pub request: String,
    /// Tags of the scenario.
    pub tags: Vec<String>,
    /// How the request ended.
    pub outcome: Outcome,
    /// HTTP status, if a response head arrived.
    pub status: Option<u16>,
    /// Whether the phase counts in the results.
    pub is_measured: bool,
}

/// The arrivals of a run.
#[derive(Debug, Clone)]
pub struct Samples {
    frame: DataFrame,
    kinds: Vec<Kind>,
    digest: TimelineDigest,
}

impl Samples {
    /// Reads all batches of a run.
    ///
    /// # Errors
    /// When a part cannot be read or holds what no version of `gen` wrote.
    pub fn load(batches: PartReader, manifest: &Manifest) -> Result<Self, Error> {
        let mut loader = Loader::new(manifest);
        let mut frame = empty_frame()?;
        for batch in batches {
            frame.vstack_mut_owned(loader.frame(&batch?)?)?;
            if frame.height() >= IdxSize::MAX as usize {
                return Err(Error::TooManyRows { max: IdxSize::MAX });
            }
        }
        Ok(Self { frame: in_order(frame)?, kinds: loader.kinds, digest: loader.digest })
    }

    /// Number of arrivals.
    pub fn len(&self) -> usize {
        self.frame.height()
    }

    /// Tells whether there is no arrival.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The kinds of rows; a row's code is a position here.
    pub fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// Digest of the arrivals, to compare with the manifest's.
    pub fn digest(&self) -> TimelineDigest {
        self.digest
    }

    /// The frame itself, for queries.
    pub fn frame(&self) -> &DataFrame {
        &self.frame
    }

    /// The columns as slices.
    ///
    /// # Errors
    /// Never for a frame that [`Samples::load`] made.
    pub fn columns(&self) -> Result<Columns<'_>, Error> {
        let times = |name: &str| self.frame.column(name)?.i64();
        Ok(Columns {
            intended_ns: times("intended_ns")?.cont_slice()?,
            lag_ns: times("lag_ns")?.cont_slice()?,
            response_ns: times("response_ns")?.cont_slice()?,
            connect_ns: times("connect_ns")?,
            sent_ns: times("sent_ns")?,
            ttfb_ns: times("ttfb_ns")?,
            kind: self.frame.column("kind")?.u32()?.cont_slice()?,
            kinds: &self.kinds,
        })
    }
}

/// The columns of all arrivals in the order of the timeline.
#[derive(Debug, Clone, Copy)]
pub struct Columns<'a> {
    /// Intended starts, ascending.
    pub intended_ns: &'a [i64],
    /// Schedule lags.
    pub lag_ns: &'a [i64],
    /// Response times, of failures the time until they failed.
    pub response_ns: &'a [i64],
    connect_ns: &'a Int64Chunked,
    sent_ns: &'a Int64Chunked,
    ttfb_ns: &'a Int64Chunked,
    kind: &'a [u32],
    kinds: &'a [Kind],
}

impl<'a> Columns<'a> {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.intended_ns.len()
    }

    /// Tells whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.intended_ns.is_empty()
    }

    /// Position of the row's kind.
    pub fn code(&self, row: usize) -> usize {
        self.kind[row] as usize
    }

    /// What the row is.
    pub fn kind(&self, row: usize) -> &'a Kind {
        &self.kinds[self.code(row)]
    }

    /// Time spent obtaining a connection; `None` when none was obtained.
    pub fn connect_ns(&self, row: usize) -> Option<i64> {
        self.connect_ns.get(row)
    }

    /// Bytes handed over, since the intended start; `None` when they never were.
    pub fn sent_ns(&self, row: usize) -> Option<i64> {
        self.sent_ns.get(row)
    }

    /// First byte of the response, since the intended start.
    pub fn ttfb_ns(&self, row: usize) -> Option<i64> {
        self.ttfb_ns.get(row)
    }

    /// Time from sent to completion.
    pub fn service_ns(&self, row: usize) -> Option<i64> {
        self.sent_ns(row).map(|sent_ns| self.response_ns[row].saturating_sub(sent_ns))
    }

    /// Instant of dispatch.
    pub fn dispatched_at(&self, row: usize) -> i64 {
        self.intended_ns[row].saturating_add(self.lag_ns[row])
    }

    /// Instant at which the bytes were handed over.
    pub fn sent_at(&self, row: usize) -> Option<i64> {
        self.sent_ns(row).map(|sent_ns| self.intended_ns[row].saturating_add(sent_ns))
    }

    /// Instant of completion or failure.
    pub fn finished_at(&self, row: usize) -> i64 {
        self.intended_ns[row].saturating_add(self.response_ns[row])
    }

    /// Time between dispatch and sent that went into no connection: the queue inside the
    /// generator. 0 for what was never sent.
    pub fn queue_ns(&self, row: usize) -> i64 {
        self.sent_ns(row).map_or(0, |sent_ns| {
            sent_ns
                .saturating_sub(self.lag_ns[row])
                .saturating_sub(self.connect_ns(row).unwrap_or(0))
        })
    }

    /// Rows whose intended start lies in `[start_ns, end_ns)`.
    pub fn between(&self, start_ns: i64, end_ns: i64) -> std::ops::Range<usize> {
        let first = self.intended_ns.partition_point(|&intended| intended < start_ns);
        let last = self.intended_ns.partition_point(|&intended| intended < end_ns);
        first..last.max(first)
    }

    /// The kinds, in the order of their codes.
    pub fn kinds_iter(&self) -> impl Iterator<Item = &'a Kind> {
        self.kinds.iter()
    }

    /// Decides a question once per kind, for lookups by [`Columns::code`].
    pub fn mask(&self, holds: impl Fn(&Kind) -> bool) -> Vec<bool> {
        self.kinds.iter().map(holds).collect()
    }

    /// Rows of the kinds in `mask`, in the order of the timeline.
    pub fn rows(&self, mask: &[bool]) -> Vec<u32> {
        let codes = (0..).zip(self.kind);
        codes.filter(|&(_, &code)| mask[code as usize]).map(|(row, _)| row).collect()
    }

    /// Rows of `range` of the kinds in `mask`, in the order of the timeline.
    pub fn rows_in(&self, range: std::ops::Range<usize>, mask: &[bool]) -> Vec<u32> {
        range.filter(|&row| mask[self.code(row)]).map(|row| row as u32).collect()
    }

    /// Deals the rows out to `groups` groups in one pass; kinds without a group are left out.
    pub fn partition(&self, group_of_kind: &[Option<usize>], groups: usize) -> Vec<Vec<u32>> {
        let mut parts = vec![Vec::new(); groups];
        for (row, &code) in (0..).zip(self.kind) {
            if let Some(group) = group_of_kind[code as usize] {
                parts[group].push(row);
            }
        }
        parts
    }
}

/// Codes of one batch's names in the names of the run.
type Remap = Vec<u16>;

/// What a row's kind is made from: codes of stream, phase, scenario, request and outcome, and
/// the status (0 for none).
type KindKey = [u16; 6];

/// Turns batches into frames with run-wide kinds.
struct Loader {
    warmups: Vec<(String, String)>,
    /// Tags by scenario.
    tags: HashMap<String, Vec<String>>,
    names: Vec<String>,
    name_codes: HashMap<String, u16>,
    kinds: Vec<Kind>,
    kind_codes: HashMap<KindKey, u32>,
    digest: TimelineDigest,
}

impl Loader {
    fn new(manifest: &Manifest) -> Self {
        let phases = manifest
            .streams
            .iter()
            .flat_map(|stream| stream.phases.iter().map(move |phase| (&stream.name, phase)));
        let warmups = phases
            .filter(|(_, phase)| !phase.role.is_measured())
            .map(|(stream, phase)| (stream.clone(), phase.name.clone()))
            .collect();
        let tags = manifest.scenarios.iter().map(|one| (one.name.clone(), one.tags.clone()));
        Self {
            warmups,
            tags: tags.collect(),
            names: Vec::new(),
            name_codes: HashMap::new(),
            kinds: Vec::new(),
            kind_codes: HashMap::new(),
            digest: TimelineDigest::default(),
        }
    }

    fn frame(&mut self, batch: &RecordBatch) -> Result<DataFrame, Error> {
        let step = required::<UInt16Type>(batch, "step")?;
        let arrivals: Vec<usize> = (0..step.len()).filter(|&row| step.value(row) == 0).collect();
        let seq = required::<UInt64Type>(batch, "seq")?;
        let intended = required::<Int64Type>(batch, "intended_ns")?;
        for &row in &arrivals {
            self.digest.add(seq.value(row), intended.value(row));
        }
        let seqs: Vec<u64> = arrivals.iter().map(|&row| seq.value(row)).collect();
        let mut columns = vec![UInt64Chunked::from_vec("seq".into(), seqs).into_column()];
        for name in ["intended_ns", "lag_ns", "response_ns"] {
            let values = required::<Int64Type>(batch, name)?;
            let values = arrivals.iter().map(|&row| values.value(row)).collect();
            columns.push(Int64Chunked::from_vec(name.into(), values).into_column());
        }
        for name in ["connect_ns", "sent_ns", "ttfb_ns"] {
            let values = column(batch, name)?.as_primitive_opt::<Int64Type>();
            let values = values.ok_or(Error::Column { column: name })?;
            let present =
                arrivals.iter().map(|&row| values.is_valid(row).then(|| values.value(row)));
            columns.push(Int64Chunked::from_iter_options(name.into(), present).into_column());
        }
        let kinds = self.kinds_of(batch, &arrivals)?;
        columns.push(UInt32Chunked::from_vec("kind".into(), kinds).into_column());
        Ok(DataFrame::new(arrivals.len(), columns)?)
    }

    fn kinds_of(&mut self, batch: &RecordBatch, arrivals: &[usize]) -> Result<Vec<u32>, Error> {
        let mut keys = vec![KindKey::default(); arrivals.len()];
        let dictionaries = ["stream", "phase", "scenario", "request", "outcome"];
        for (place, name) in dictionaries.into_iter().enumerate() {
            let array = column(batch, name)?;
            let array = array.as_dictionary_opt::<UInt16Type>();
            let array = array.ok_or(Error::Column { column: name })?;
            let remap = self.remap(array.values(), name)?;
            for (key, &row) in keys.iter_mut().zip(arrivals) {
                key[place] = array
                    .key(row)
                    .and_then(|code| remap.get(code).copied())
                    .ok_or(Error::Column { column: name })?;
            }
        }
        let status = column(batch, "status")?.as_primitive_opt::<UInt16Type>();
        let status = status.ok_or(Error::Column { column: "status" })?;
        for (key, &row) in keys.iter_mut().zip(arrivals) {
            key[5] = if status.is_valid(row) { status.value(row) } else { 0 };
        }
        self.codes_of(&keys)
    }

    /// Translates a batch's dictionary; parts may number the same names differently.
    fn remap(&mut self, values: &ArrayRef, column: &'static str) -> Result<Remap, Error> {
        let values = values.as_string_opt::<i32>().ok_or(Error::Column { column })?;
        Ok(values.iter().map(|name| self.name_code(name.unwrap_or_default())).collect())
    }

    fn name_code(&mut self, name: &str) -> u16 {
        if let Some(&code) = self.name_codes.get(name) {
            return code;
        }
        // A profile has a few dozen names; 16 bits are what the files use for each column.
        let code = u16::try_from(self.names.len()).unwrap_or(u16::MAX);
        self.names.push(name.to_owned());
        self.name_codes.insert(name.to_owned(), code);
        code
    }

    fn codes_of(&mut self, keys: &[KindKey]) -> Result<Vec<u32>, Error> {
        let mut codes = Vec::with_capacity(keys.len());
        // Neighbours are mostly of the same kind: remember the last one.
        let mut last: Option<(KindKey, u32)> = None;
        for &key in keys {
            let code = match last {
                Some((same, code)) if same == key => code,
                _ => self.kind_code(key)?,
            };
            last = Some((key, code));
            codes.push(code);
        }
        Ok(codes)
    }

    fn kind_code(&mut self, key: KindKey) -> Result<u32, Error> {
        if let Some(&code) = self.kind_codes.get(&key) {
            return Ok(code);
        }
        let [stream, phase, scenario, request, outcome] =
            [0, 1, 2, 3, 4].map(|place| self.names[usize::from(key[place])].clone());
        let outcome = Outcome::from_name(&outcome)
            .ok_or_else(|| Error::UnknownOutcome { found: outcome.clone() })?;
        let is_warmup = self.warmups.iter().any(|(s, p)| *s == stream && *p == phase);
        let status = (key[5] != 0).then_some(key[5]);
        let code = self.kinds.len() as u32;
        let is_measured = !is_warmup;
        let tags = self.tags.get(&scenario).cloned().unwrap_or_default();
        self.kinds.push(Kind {
            stream,
            phase,
            scenario,
            request,
            tags,
            outcome,
            status,
            is_measured,
        });
        self.kind_codes.insert(key, code);
        Ok(code)
    }
}

fn column<'a>(batch: &'a RecordBatch, name: &'static str) -> Result<&'a ArrayRef, Error> {
    batch.column_by_name(name).ok_or(Error::Column { column: name })
}

fn required<'a, T: ArrowPrimitiveType>(
    batch: &'a RecordBatch,
    name: &'static str,
) -> Result<&'a PrimitiveArray<T>, Error> {
    let array = column(batch, name)?.as_primitive_opt::<T>();
    array.filter(|array| array.null_count() == 0).ok_or(Error::Column { column: name })
}

fn empty_frame() -> Result<DataFrame, Error> {
    let mut columns = vec![UInt64Chunked::from_vec("seq".into(), Vec::new()).into_column()];
    let times = ["intended_ns", "lag_ns", "response_ns", "connect_ns", "sent_ns", "ttfb_ns"];
    for name in times {
        columns.push(Int64Chunked::from_vec(name.into(), Vec::new()).into_column());
    }
    columns.push(UInt32Chunked::from_vec("kind".into(), Vec::new()).into_column());
    Ok(DataFrame::new(0, columns)?)
}

/// Orders the rows by (intended start, number) and makes every column contiguous.
///
/// Column by column, so that no more than one column exists twice.
fn in_order(frame: DataFrame) -> Result<DataFrame, Error> {
    let height = frame.height();
    let order = timeline_order(&frame)?;
    let mut columns = Vec::new();
    for column in frame.into_columns() {
        if column.name() == "seq" {
            continue;
        }
        let column = column.rechunk();
        columns.push(match &order {
            Some(order) => column.take_slice(order)?.rechunk(),
            None => column,
        });
    }
    Ok(DataFrame::new(height, columns)?)
}

/// Row numbers in the order of the timeline; `None` when the rows are in it already.
fn timeline_order(frame: &DataFrame) -> Result<Option<Vec<IdxSize>>, Error> {
    let seq = frame.column("seq")?.rechunk();
    let intended = frame.column("intended_ns")?.rechunk();
    let (seq, intended) = (seq.u64()?.cont_slice()?, intended.i64()?.cont_slice()?);
    let place = |row: IdxSize| (intended[row as usize], seq[row as usize]);
    let mut order: Vec<IdxSize> = (0..seq.len() as IdxSize).collect();
    if order.is_sorted_by_key(|&row| place(row)) {
        return Ok(None);
    }
    // Stable, because that sort merges the sorted runs that workers and parts come in.
    order.sort_by_key(|&row| place(row));
    Ok(Some(order))
}

/// Second since the run's start of an instant.
pub fn second_of(instant_ns: i64) -> u64 {
    u64::try_from(instant_ns / SECOND_NS).unwrap_or(0)
}
