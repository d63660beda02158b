//! Rows on their way from a worker to the writer, column by column.
//!
//! A worker pushes samples into a [`Chunk`] and hands full chunks over; the writer turns
//! them into Arrow batches without looking at single rows again. Nothing here allocates
//! per row once the columns have their capacity.

use std::sync::Arc;

use arrow_array::types::{Int64Type, UInt16Type};
use arrow_array::{
    ArrayRef, DictionaryArray, Int64Array, PrimitiveArray, RecordBatch, StringArray, UInt16Array,
    UInt32Array, UInt64Array,
};
use arrow_buffer::{NullBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, SchemaRef};
use openload_contract::Outcome;

/// One row: what happened to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Number of the arrival.
    pub seq: u64,
    /// Intended start, ns since the run's start.
    pub intended_ns: i64,
    /// Dispatch minus intended start.
    pub lag_ns: i64,
    /// Time spent obtaining a connection.
    pub connect_ns: Option<i64>,
    /// Bytes handed to the socket, since the intended start.
    pub sent_ns: Option<i64>,
    /// First byte of the response, since the intended start.
    pub ttfb_ns: Option<i64>,
    /// Completion or failure, since the intended start.
    pub response_ns: i64,
    /// HTTP status.
    pub status: Option<u16>,
    /// How it ended.
    pub outcome: Outcome,
    /// Code in [`Names::streams`].
    pub stream: u16,
    /// Code in [`Names::phases`].
    pub phase: u16,
    /// Code in [`Names::scenarios`].
    pub scenario: u16,
    /// Code in [`Names::requests`].
    pub request: u16,
    /// 0 for an arrival, above 0 for follow-up steps.
    pub step: u16,
    /// Body bytes received.
    pub bytes_in: u32,
    /// Body bytes sent.
    pub bytes_out: u32,
}

/// The names behind the codes of the dictionary columns, fixed for the whole run.
#[derive(Debug, Clone)]
pub struct Names {
    streams: Arc<StringArray>,
    phases: Arc<StringArray>,
    scenarios: Arc<StringArray>,
    requests: Arc<StringArray>,
    outcomes: Arc<StringArray>,
}

impl Names {
    /// Collects the names of a run; a name's position is its code.
    pub fn new<S: AsRef<str>>(
        streams: &[S],
        phases: &[S],
        scenarios: &[S],
        requests: &[S],
    ) -> Self {
        fn array<S: AsRef<str>>(names: &[S]) -> Arc<StringArray> {
            Arc::new(StringArray::from_iter_values(names.iter().map(AsRef::as_ref)))
        }
        Self {
            streams: array(streams),
            phases: array(phases),
            scenarios: array(scenarios),
            requests: array(requests),
            outcomes: array(&Outcome::ALL.map(Outcome::name)),
        }
    }
}

/// Stands for null in a column of optional times; no time is that far from anything.
const NULL_NS: i64 = i64::MIN;
/// Stands for null in the status column; HTTP has no status 0.
const NULL_STATUS: u16 = 0;

/// Rows as columns.
#[derive(Debug, Default)]
pub struct Chunk {
    seq: Vec<u64>,
    intended_ns: Vec<i64>,
    lag_ns: Vec<i64>,
    connect_ns: Vec<i64>,
    sent_ns: Vec<i64>,
    ttfb_ns: Vec<i64>,
    response_ns: Vec<i64>,
    status: Vec<u16>,
    outcome: Vec<u16>,
    stream: Vec<u16>,
    phase: Vec<u16>,
    scenario: Vec<u16>,
    request: Vec<u16>,
    step: Vec<u16>,
    bytes_in: Vec<u32>,
    bytes_out: Vec<u32>,
}

impl Chunk {
    /// Makes an empty chunk that takes `capacity` rows without allocating.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            seq: Vec::with_capacity(capacity),
            intended_ns: Vec::with_capacity(capacity),
            lag_ns: Vec::with_capacity(capacity),
            connect_ns: Vec::with_capacity(capacity),
            sent_ns: Vec::with_capacity(capacity),
            ttfb_ns: Vec::with_capacity(capacity),
            response_ns: Vec::with_capacity(capacity),
            status: Vec::with_capacity(capacity),
            outcome: Vec::with_capacity(capacity),
            stream: Vec::with_capacity(capacity),
            phase: Vec::with_capacity(capacity),
            scenario: Vec::with_capacity(capacity),
            request: Vec::with_capacity(capacity),
            step: Vec::with_capacity(capacity),
            bytes_in: Vec::with_capacity(capacity),
            bytes_out: Vec::with_capacity(capacity),
        }
    }

    /// Appends one row.
    pub fn push(&mut self, sample: &Sample) {
        self.seq.push(sample.seq);
        self.intended_ns.push(sample.intended_ns);
        self.lag_ns.push(sample.lag_ns);
        self.connect_ns.push(sample.connect_ns.unwrap_or(NULL_NS));
        self.sent_ns.push(sample.sent_ns.unwrap_or(NULL_NS));
        self.ttfb_ns.push(sample.ttfb_ns.unwrap_or(NULL_NS));
        self.response_ns.push(sample.response_ns);
        self.status.push(sample.status.unwrap_or(NULL_STATUS));
        self.outcome.push(sample.outcome as u16);
        self.stream.push(sample.stream);
        self.phase.push(sample.phase);
        self.scenario.push(sample.scenario);
        self.request.push(sample.request);
        self.step.push(sample.step);
        self.bytes_in.push(sample.bytes_in);
        self.bytes_out.push(sample.bytes_out);
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.seq.len()
    }

    /// Tells whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.seq.is_empty()
    }

    /// Response times and outcomes of the rows, for live histograms.
    pub fn responses(&self) -> impl Iterator<Item = (i64, Outcome)> + '_ {
        self.response_ns
            .iter()
            .zip(&self.outcome)
            .map(|(&response_ns, &outcome)| (response_ns, Outcome::ALL[usize::from(outcome)]))
    }

    /// Schedule lags of the rows, for live histograms.
    pub fn lags(&self) -> &[i64] {
        &self.lag_ns
    }

    /// Turns the rows into an Arrow batch of `schema`.
    ///
    /// # Errors
    /// When `schema` is not [`crate::schema`], or a code has no name.
    pub fn into_batch(self, schema: &SchemaRef, names: &Names) -> Result<RecordBatch, ArrowError> {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(UInt64Array::from(self.seq)),
            Arc::new(Int64Array::from(self.intended_ns)),
            Arc::new(Int64Array::from(self.lag_ns)),
            Arc::new(optional_ns(self.connect_ns)),
            Arc::new(optional_ns(self.sent_ns)),
            Arc::new(optional_ns(self.ttfb_ns)),
            Arc::new(Int64Array::from(self.response_ns)),
            Arc::new(optional_status(self.status)),
            Arc::new(dictionary(self.outcome, &names.outcomes)?),
            Arc::new(dictionary(self.stream, &names.streams)?),
            Arc::new(dictionary(self.phase, &names.phases)?),
            Arc::new(dictionary(self.scenario, &names.scenarios)?),
            Arc::new(dictionary(self.request, &names.requests)?),
            Arc::new(UInt16Array::from(self.step)),
            Arc::new(UInt32Array::from(self.bytes_in)),
            Arc::new(UInt32Array::from(self.bytes_out)),
        ];
        RecordBatch::try_new(Arc::clone(schema), columns)
    }
}

fn optional_ns(values: Vec<i64>) -> PrimitiveArray<Int64Type> {
    let present: NullBuffer = values.iter().map(|&value| value != NULL_NS).collect();
    Int64Array::new(ScalarBuffer::from(values), Some(present))
}

fn optional_status(values: Vec<u16>) -> PrimitiveArray<UInt16Type> {
    let present: NullBuffer = values.iter().map(|&value| value != NULL_STATUS).collect();
    UInt16Array::new(ScalarBuffer::from(values), Some(present))
}

fn dictionary(
    codes: Vec<u16>,
    names: &Arc<StringArray>,
) -> Result<DictionaryArray<UInt16Type>, ArrowError> {
    DictionaryArray::try_new(UInt16Array::from(codes), Arc::clone(names) as ArrayRef)
}
