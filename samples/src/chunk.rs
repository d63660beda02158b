//! Rows on their way from a worker to the writer, column by column.
//!
//! A worker pushes samples into a [`Chunk`] and hands full chunks over; the writer encodes
//! them column by column and gives the empty chunk back. Nothing here allocates per row once
//! the columns have their capacity.

use openload_contract::Outcome;
use serde::{Deserialize, Serialize};

use crate::page::NAMES;

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
    /// Part of `connect_ns` spent waiting because no more connections were allowed.
    pub pool_wait_ns: Option<i64>,
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    outcomes: Vec<String>,
    streams: Vec<String>,
    phases: Vec<String>,
    scenarios: Vec<String>,
    requests: Vec<String>,
}

impl Names {
    /// Collects the names of a run; a name's position is its code.
    pub fn new<S: AsRef<str>>(
        streams: &[S],
        phases: &[S],
        scenarios: &[S],
        requests: &[S],
    ) -> Self {
        fn owned<S: AsRef<str>>(names: &[S]) -> Vec<String> {
            names.iter().map(|name| name.as_ref().to_owned()).collect()
        }
        Self {
            outcomes: owned(&Outcome::ALL.map(Outcome::name)),
            streams: owned(streams),
            phases: owned(phases),
            scenarios: owned(scenarios),
            requests: owned(requests),
        }
    }

    /// The names by column, in the order of [`crate::page::NAMES`].
    pub(crate) fn by_column(&self) -> [&[String]; NAMES.len()] {
        [&self.outcomes, &self.streams, &self.phases, &self.scenarios, &self.requests]
    }
}

/// Stands for null in a column of optional times; no time is that far from anything.
pub(crate) const NULL_NS: i64 = i64::MIN;
/// Stands for null in the status column; HTTP has no status 0.
pub(crate) const NULL_STATUS: u16 = 0;

/// Rows as columns.
#[derive(Debug, Default)]
pub struct Chunk {
    pub(crate) seq: Vec<i64>,
    pub(crate) intended_ns: Vec<i64>,
    pub(crate) lag_ns: Vec<i64>,
    pub(crate) connect_ns: Vec<i64>,
    pub(crate) pool_wait_ns: Vec<i64>,
    pub(crate) sent_ns: Vec<i64>,
    pub(crate) ttfb_ns: Vec<i64>,
    pub(crate) response_ns: Vec<i64>,
    pub(crate) status: Vec<u16>,
    pub(crate) outcome: Vec<u16>,
    pub(crate) stream: Vec<u16>,
    pub(crate) phase: Vec<u16>,
    pub(crate) scenario: Vec<u16>,
    pub(crate) request: Vec<u16>,
    pub(crate) step: Vec<u16>,
    pub(crate) bytes_in: Vec<u32>,
    pub(crate) bytes_out: Vec<u32>,
}

impl Chunk {
    /// Makes an empty chunk that takes `capacity` rows without allocating.
    pub fn with_capacity(capacity: usize) -> Self {
        let mut chunk = Self::default();
        chunk.reserve(capacity);
        chunk
    }

    /// Makes room for `rows` rows in all.
    pub fn reserve(&mut self, rows: usize) {
        let additional = rows.saturating_sub(self.len());
        self.seq.reserve(additional);
        self.intended_ns.reserve(additional);
        self.lag_ns.reserve(additional);
        self.connect_ns.reserve(additional);
        self.pool_wait_ns.reserve(additional);
        self.sent_ns.reserve(additional);
        self.ttfb_ns.reserve(additional);
        self.response_ns.reserve(additional);
        self.status.reserve(additional);
        self.outcome.reserve(additional);
        self.stream.reserve(additional);
        self.phase.reserve(additional);
        self.scenario.reserve(additional);
        self.request.reserve(additional);
        self.step.reserve(additional);
        self.bytes_in.reserve(additional);
        self.bytes_out.reserve(additional);
    }

    /// Appends one row.
    pub fn push(&mut self, sample: &Sample) {
        self.seq.push(sample.seq.cast_signed());
        self.intended_ns.push(sample.intended_ns);
        self.lag_ns.push(sample.lag_ns);
        self.connect_ns.push(sample.connect_ns.unwrap_or(NULL_NS));
        self.pool_wait_ns.push(sample.pool_wait_ns.unwrap_or(NULL_NS));
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

    /// Appends the rows of another chunk.
    pub fn extend(&mut self, other: &Self) {
        self.seq.extend_from_slice(&other.seq);
        self.intended_ns.extend_from_slice(&other.intended_ns);
        self.lag_ns.extend_from_slice(&other.lag_ns);
        self.connect_ns.extend_from_slice(&other.connect_ns);
        self.pool_wait_ns.extend_from_slice(&other.pool_wait_ns);
        self.sent_ns.extend_from_slice(&other.sent_ns);
        self.ttfb_ns.extend_from_slice(&other.ttfb_ns);
        self.response_ns.extend_from_slice(&other.response_ns);
        self.status.extend_from_slice(&other.status);
        self.outcome.extend_from_slice(&other.outcome);
        self.stream.extend_from_slice(&other.stream);
        self.phase.extend_from_slice(&other.phase);
        self.scenario.extend_from_slice(&other.scenario);
        self.request.extend_from_slice(&other.request);
        self.step.extend_from_slice(&other.step);
        self.bytes_in.extend_from_slice(&other.bytes_in);
        self.bytes_out.extend_from_slice(&other.bytes_out);
    }

    /// Appends the rows of another chunk, in an order of their positions.
    pub(crate) fn extend_in_order(&mut self, other: &Self, order: &[u32]) {
        gather(&mut self.seq, &other.seq, order);
        gather(&mut self.intended_ns, &other.intended_ns, order);
        gather(&mut self.lag_ns, &other.lag_ns, order);
        gather(&mut self.connect_ns, &other.connect_ns, order);
        gather(&mut self.pool_wait_ns, &other.pool_wait_ns, order);
        gather(&mut self.sent_ns, &other.sent_ns, order);
        gather(&mut self.ttfb_ns, &other.ttfb_ns, order);
        gather(&mut self.response_ns, &other.response_ns, order);
        gather(&mut self.status, &other.status, order);
        gather(&mut self.outcome, &other.outcome, order);
        gather(&mut self.stream, &other.stream, order);
        gather(&mut self.phase, &other.phase, order);
        gather(&mut self.scenario, &other.scenario, order);
        gather(&mut self.request, &other.request, order);
        gather(&mut self.step, &other.step, order);
        gather(&mut self.bytes_in, &other.bytes_in, order);
        gather(&mut self.bytes_out, &other.bytes_out, order);
    }

    /// Removes all rows and keeps the room they took.
    pub fn clear(&mut self) {
        self.seq.clear();
        self.intended_ns.clear();
        self.lag_ns.clear();
        self.connect_ns.clear();
        self.pool_wait_ns.clear();
        self.sent_ns.clear();
        self.ttfb_ns.clear();
        self.response_ns.clear();
        self.status.clear();
        self.outcome.clear();
        self.stream.clear();
        self.phase.clear();
        self.scenario.clear();
        self.request.clear();
        self.step.clear();
        self.bytes_in.clear();
        self.bytes_out.clear();
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

    /// The rows as they were pushed.
    pub fn samples(&self) -> impl Iterator<Item = Sample> + '_ {
        let time = |value: i64| (value != NULL_NS).then_some(value);
        (0..self.len()).map(move |row| Sample {
            seq: self.seq[row].cast_unsigned(),
            intended_ns: self.intended_ns[row],
            lag_ns: self.lag_ns[row],
            connect_ns: time(self.connect_ns[row]),
            pool_wait_ns: time(self.pool_wait_ns[row]),
            sent_ns: time(self.sent_ns[row]),
            ttfb_ns: time(self.ttfb_ns[row]),
            response_ns: self.response_ns[row],
            status: (self.status[row] != NULL_STATUS).then_some(self.status[row]),
            outcome: Outcome::ALL[usize::from(self.outcome[row])],
            stream: self.stream[row],
            phase: self.phase[row],
            scenario: self.scenario[row],
            request: self.request[row],
            step: self.step[row],
            bytes_in: self.bytes_in[row],
            bytes_out: self.bytes_out[row],
        })
    }
}

fn gather<T: Copy + PartialEq>(values: &mut Vec<T>, from: &[T], order: &[u32]) {
    // Most columns of names and sizes hold one value, whatever the order.
    if from.iter().all(|&value| value == from[0]) {
        values.extend_from_slice(from);
    } else {
        values.extend(order.iter().map(|&position| from[position as usize]));
    }
}
