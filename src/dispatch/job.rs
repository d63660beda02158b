//! One arrival between its dispatch and its row.

use std::rc::Rc;

use openload_contract::Outcome;
use openload_samples::Sample;

use super::worker::WorkerState;
use crate::clock::Clock;
use crate::replay::RecordedRequest;
use crate::schedule::Arrival;
use crate::transport::{Failure, Stamps};

/// One arrival between its dispatch and its row.
///
/// A job ends in exactly one row: through [`Job::finish`], [`Job::fail`], or by being
/// dropped, which records it as cancelled. So no path through the program, a panic included,
/// can lose an arrival.
pub(super) struct Job<C: Clock> {
    pub arrival: Arrival,
    /// Its request, when it comes from a trace.
    recorded: Option<RecordedRequest>,
    dispatched_ns: i64,
    /// How long it waited until it might have a connection.
    pool_wait_ns: i64,
    connect_ns: Option<i64>,
    /// Stamps of the connection that carries the job, once it has one.
    stamps: Option<Rc<Stamps>>,
    worker: Rc<WorkerState<C>>,
    is_recorded: bool,
}

impl<C: Clock> Job<C> {
    /// Takes up an arrival at `now_ns`.
    pub fn new(
        worker: &Rc<WorkerState<C>>,
        arrival: Arrival,
        recorded: Option<RecordedRequest>,
        now_ns: i64,
    ) -> Self {
        worker.note_dispatch(&arrival);
        Self {
            arrival,
            recorded,
            dispatched_ns: now_ns,
            pool_wait_ns: 0,
            connect_ns: None,
            stamps: None,
            worker: Rc::clone(worker),
            is_recorded: false,
        }
    }

    /// Notes that a connection became free for it, or allowed, at `now_ns`.
    pub fn admitted(&mut self, now_ns: i64) {
        self.pool_wait_ns = now_ns - self.dispatched_ns;
    }

    /// Notes that a connection was obtained; opening it took `opening_ns`.
    pub fn connected(&mut self, opening_ns: i64, stamps: &Rc<Stamps>) {
        self.connect_ns = Some(self.pool_wait_ns + opening_ns);
        self.stamps = Some(Rc::clone(stamps));
    }

    /// Takes its request, when it comes from a trace.
    pub fn take_recorded(&mut self) -> Option<RecordedRequest> {
        self.recorded.take()
    }

    /// When it had its connection, but for what this thread did in between.
    pub fn connected_ns(&self) -> i64 {
        self.dispatched_ns + self.connect_ns.unwrap_or(self.pool_wait_ns)
    }

    /// Ends the job with a complete response, at its last byte.
    pub fn finish(mut self, outcome: Outcome) {
        let last_byte_ns = self.stamps.as_ref().and_then(|stamps| stamps.last_byte_ns.get());
        self.record(outcome, last_byte_ns);
    }

    /// Ends the job with a failure, whose cause is counted.
    pub fn fail(mut self, failure: Failure) {
        self.record(failure.outcome, None);
        self.worker.failures.borrow_mut().add(failure);
    }

    /// Status of the response, once its head has arrived.
    pub fn status(&self) -> Option<u16> {
        self.stamps.as_ref().and_then(|stamps| stamps.status.get())
    }

    /// Writes the row; the end is now when nothing says when it was.
    fn record(&mut self, outcome: Outcome, end_ns: Option<i64>) {
        if self.is_recorded {
            return;
        }
        self.is_recorded = true;
        let end_ns = end_ns.unwrap_or_else(|| self.worker.clock.now_ns());
        let sample = self.sample(outcome, end_ns);
        self.worker.note_end(&sample);
    }

    fn sample(&self, outcome: Outcome, end_ns: i64) -> Sample {
        let Arrival { intended_ns, seq, stream, scenario, .. } = self.arrival;
        let since = |stamp: Option<i64>| stamp.map(|ns| ns - intended_ns);
        let stamps = self.stamps.as_deref();
        Sample {
            seq,
            intended_ns,
            lag_ns: self.dispatched_ns - intended_ns,
            connect_ns: self.connect_ns,
            pool_wait_ns: self.connect_ns.map(|_| self.pool_wait_ns),
            sent_ns: since(stamps.and_then(|stamps| stamps.sent_ns.get())),
            ttfb_ns: since(stamps.and_then(|stamps| stamps.first_byte_ns.get())),
            response_ns: end_ns - intended_ns,
            status: self.status(),
            outcome,
            stream,
            phase: self.worker.codes.phase(&self.arrival),
            scenario,
            request: scenario,
            step: 0,
            bytes_in: stamps.map_or(0, |stamps| stamps.bytes_in.get()),
            bytes_out: stamps.map_or(0, |stamps| stamps.bytes_out.get()),
        }
    }
}

impl<C: Clock> Drop for Job<C> {
    fn drop(&mut self) {
        self.record(Outcome::Cancelled, None);
    }
}
