//! A worker: its lanes, its connections, its rows, one thread.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use openload_contract::{Outcome, TimelineDigest};
use openload_samples::Sample;

use super::connection::carry;
use super::failures::Failures;
use super::idle::IdleConnections;
use super::job::Job;
use super::recorder::{Recorder, RowCodes};
use super::stop::{StopLevel, StopSignal};
use crate::clock::Clock;
use crate::plan::{ConnectionPlan, ConnectionPolicy, Expect, Plan};
use crate::schedule::{Arrival, LaneSet, Timeline};
use crate::transport::{Failure, RequestError, Requests, Transport};

/// Arrivals sent in one go when several are due, before I/O gets its turn.
const BATCH_MAX: usize = 64;

/// Longest wait before looking whether the run is to stop.
const STOP_CHECK_NS: i64 = 50_000_000;

/// Rows are handed to the writer at least this often.
const FLUSH_NS: i64 = 250_000_000;

/// How often a draining worker looks whether it is done.
const DRAIN_CHECK_NS: i64 = 2_000_000;

/// Bounds of one worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// When connections are reused.
    pub policy: ConnectionPolicy,
    /// Longest time to make a connection.
    pub connect_timeout_ns: i64,
    /// Longest time from a connection to the complete response.
    pub response_timeout_ns: i64,
    /// Longest time from the intended start to the complete response.
    pub deadline_after_ns: Option<i64>,
    /// Longest time to wait for what is in flight at the end.
    pub drain_timeout_ns: i64,
    /// Most requests in flight at once.
    pub in_flight_max: u32,
}

impl Limits {
    /// The bounds of a worker that owns `share` of the run's lanes.
    ///
    /// The bound on requests in flight is divided like the load, so that workers and shards
    /// share nothing while they run.
    pub fn of_share(plan: &ConnectionPlan, share: f64) -> Self {
        let in_flight_max = (f64::from(plan.max_in_flight) * share).round().max(1.0);
        Self {
            policy: plan.policy,
            connect_timeout_ns: plan.connect_timeout_ns,
            response_timeout_ns: plan.response_timeout_ns,
            deadline_after_ns: plan.deadline_ns,
            drain_timeout_ns: plan.drain_timeout_ns,
            in_flight_max: in_flight_max as u32,
        }
    }

    /// When an arrival must be complete.
    pub(super) fn deadline_ns(&self, intended_ns: i64) -> i64 {
        self.deadline_after_ns.map_or(i64::MAX, |after| intended_ns.saturating_add(after))
    }
}

/// What the tasks of one worker share. One thread, so cells are enough.
pub(super) struct WorkerState<C: Clock> {
    pub clock: C,
    pub limits: Limits,
    pub requests: Requests,
    /// What a good response is, by scenario.
    expects: Vec<Expect>,
    pub codes: RowCodes,
    pub idle: IdleConnections<C>,
    pub failures: RefCell<Failures>,
    recorder: RefCell<Recorder>,
    in_flight: Cell<u32>,
    /// Arrivals dropped so far; their cause is written once, at the end.
    dropped: Cell<u64>,
}

impl<C: Clock> WorkerState<C> {
    pub fn note_dispatch(&self, arrival: &Arrival) {
        self.in_flight.set(self.in_flight.get() + 1);
        self.recorder.borrow_mut().dispatch(arrival);
    }

    /// Tells whether a complete response is a success.
    pub fn judge(&self, job: &Job<C>) -> Outcome {
        let expect = &self.expects[usize::from(job.arrival.scenario)];
        let is_accepted = job.status().is_some_and(|status| expect.accepts(status));
        if is_accepted { Outcome::Ok } else { Outcome::HttpError }
    }

    pub fn note_end(&self, sample: &Sample) {
        self.in_flight.set(self.in_flight.get() - 1);
        self.recorder.borrow_mut().finish(sample);
    }
}

/// What a worker did.
#[derive(Debug, Clone)]
pub struct WorkerReport {
    /// Arrivals taken up: one row each.
    pub arrivals: u64,
    /// Fingerprint of those arrivals.
    pub digest: TimelineDigest,
    /// Whether the timeline was left before its end.
    pub is_interrupted: bool,
    /// Why requests failed.
    pub failures: Failures,
}

/// A worker: its lanes, its connections, its rows.
pub struct Worker<C: Clock, T: Transport> {
    state: Rc<WorkerState<C>>,
    transport: Rc<T>,
    timeline: Timeline,
    stop: StopSignal,
}

/// What remains of a worker when its tasks are gone.
pub struct WorkerRemains<C: Clock> {
    state: Rc<WorkerState<C>>,
    is_interrupted: bool,
}

impl<C: Clock, T: Transport> Worker<C, T> {
    /// Makes the worker of `lanes`.
    ///
    /// # Errors
    /// When a request of the plan cannot be sent.
    pub fn new(
        plan: &Plan,
        lanes: LaneSet,
        clock: C,
        transport: T,
        recorder: Recorder,
        stop: StopSignal,
    ) -> Result<Self, RequestError> {
        let (codes, _) = RowCodes::new(plan);
        let expects = plan.scenarios.iter().map(|scenario| scenario.request.expect.clone());
        let state = WorkerState {
            clock,
            limits: Limits::of_share(&plan.connection, lanes.share()),
            requests: Requests::new(plan)?,
            expects: expects.collect(),
            codes,
            idle: IdleConnections::new(),
            failures: RefCell::default(),
            recorder: RefCell::new(recorder),
            in_flight: Cell::new(0),
            dropped: Cell::new(0),
        };
        Ok(Self {
            state: Rc::new(state),
            transport: Rc::new(transport),
            timeline: Timeline::new(plan, lanes),
            stop,
        })
    }

    /// Dispatches the timeline and waits for what is in flight, within the drain timeout.
    ///
    /// Tasks of this worker may still be alive when this completes. The caller drops them
    /// (their rows then say `cancelled`) and closes the books with [`WorkerRemains::report`].
    pub async fn run(mut self) -> WorkerRemains<C> {
        let state = Rc::clone(&self.state);
        state.clock.spawn(flush_regularly(Rc::downgrade(&state)));
        let mut sent_in_turn = 0;
        while let Some(&next) = self.timeline.peek() {
            if self.stop.level() > StopLevel::Run {
                break;
            }
            let now_ns = state.clock.now_ns();
            if next.intended_ns > now_ns {
                sent_in_turn = 0;
                state.clock.wait_until(next.intended_ns.min(now_ns + STOP_CHECK_NS)).await;
                continue;
            }
            self.timeline.next();
            self.dispatch(next);
            sent_in_turn += 1;
            if sent_in_turn == BATCH_MAX {
                sent_in_turn = 0;
                state.clock.yield_now().await;
            }
        }
        let is_interrupted = self.timeline.peek().is_some();
        self.take_up_what_was_due();
        self.drain().await;
        WorkerRemains { state, is_interrupted }
    }

    /// Sends one arrival: on an idle connection, else on a new one, unless too much is in
    /// flight.
    fn dispatch(&self, arrival: Arrival) {
        let is_full = self.state.in_flight.get() >= self.state.limits.in_flight_max;
        let job = Job::new(&self.state, arrival);
        if is_full {
            self.state.dropped.set(self.state.dropped.get() + 1);
            job.finish(Outcome::Dropped);
        } else if let Some(job) = self.state.idle.give(job) {
            let (state, transport) = (Rc::clone(&self.state), Rc::clone(&self.transport));
            self.state.clock.spawn(carry(state, transport, job));
        }
    }

    /// After a stop: arrivals that were due and not yet taken up are rows too.
    fn take_up_what_was_due(&mut self) {
        let now_ns = self.state.clock.now_ns();
        while let Some(arrival) = self.timeline.peek().copied()
            && arrival.intended_ns <= now_ns
        {
            self.timeline.next();
            Job::new(&self.state, arrival).fail(Failure {
                outcome: Outcome::Cancelled,
                cause: "the run was stopped".to_owned(),
            });
        }
    }

    async fn drain(&self) {
        let give_up_ns = self.state.clock.now_ns() + self.state.limits.drain_timeout_ns;
        while self.state.in_flight.get() > 0 && self.stop.level() < StopLevel::Now {
            let now_ns = self.state.clock.now_ns();
            if now_ns >= give_up_ns {
                break;
            }
            self.state.clock.sleep_until(now_ns + DRAIN_CHECK_NS).await;
        }
    }
}

/// Hands rows to the writer a few times a second, so that a crash loses little.
async fn flush_regularly<C: Clock>(worker: std::rc::Weak<WorkerState<C>>) {
    loop {
        let Some(state) = worker.upgrade() else { return };
        state.recorder.borrow_mut().flush();
        let wait = state.clock.sleep_until(state.clock.now_ns() + FLUSH_NS);
        drop(state);
        wait.await;
    }
}

impl<C: Clock> WorkerRemains<C> {
    /// Closes the books. To be called when the worker's tasks are gone.
    ///
    /// # Panics
    /// When an arrival has no row: the promise this program stands on.
    pub fn report(self) -> WorkerReport {
        let mut recorder = self.state.recorder.borrow_mut();
        recorder.flush();
        assert_eq!(recorder.unfinished(), 0, "every arrival has its row");
        let mut failures = self.state.failures.take();
        failures.add_dropped(self.state.dropped.get(), self.state.limits.in_flight_max);
        WorkerReport {
            arrivals: recorder.dispatched(),
            digest: recorder.digest(),
            is_interrupted: self.is_interrupted,
            failures,
        }
    }
}
