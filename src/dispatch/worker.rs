//! A worker: its lanes, its connections, its rows, one thread.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;

use openload_contract::{Outcome, TimelineDigest};
use openload_samples::Sample;
use openload_traces::TraceError;

use super::connection::{carry, warm_up};
use super::failures::Failures;
use super::job::Job;
use super::pool::{Placement, Pool};
use super::recorder::{Gauges, Recorder, RowCodes};
use super::source::Source;
use super::stop::{StopLevel, StopSignal};
use crate::clock::Clock;
use crate::plan::{ConnectionPlan, ConnectionPolicy, Expect, Plan, Protocol, ReuseOrder};
use crate::replay::{Ahead, Feed, RecordedRequest};
use crate::schedule::{Arrival, LaneSet, Timeline};
use crate::transport::{Failure, RequestError, Requests, Transport};

/// Arrivals sent in one go when several are due, before I/O gets its turn.
const BATCH_MAX: usize = 64;

/// Longest wait before looking whether the run is to stop.
const STOP_CHECK_NS: i64 = 50_000_000;

/// How often a worker looks for recorded arrivals that were not read yet.
const FEED_CHECK_NS: i64 = 1_000_000;

/// Rows are handed to the writer, and the pool's figures to the monitor, at least this often.
const FLUSH_NS: i64 = 250_000_000;

/// Time between the openings of two connections before the run. A run starts so much later for
/// each of them, and as much again for the handshake.
pub(crate) const PREWARM_STEP_NS: i64 = 250_000;

/// How often arrivals in line for a connection are looked at.
const EXPIRY_CHECK_NS: i64 = 5_000_000;

/// How often a draining worker looks whether it is done.
const DRAIN_CHECK_NS: i64 = 2_000_000;

/// Bounds of one worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// When connections are reused.
    pub policy: ConnectionPolicy,
    /// Which idle connection is used next.
    pub reuse: ReuseOrder,
    /// Most connections, or places on connections that carry several exchanges.
    pub connections_max: u32,
    /// Connections to open before the run.
    pub prewarm: u32,
    /// Age at which a connection carries nothing more.
    pub lifetime_ns: Option<i64>,
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
    /// Bounds on requests and connections are divided like the load, so that workers and
    /// shards share nothing while they run.
    pub fn of_share(plan: &ConnectionPlan, share: f64) -> Self {
        let of_share = |whole: u32| (f64::from(whole) * share).round() as u32;
        let places = match plan.protocol {
            Protocol::Http2 => plan.streams_per_connection,
            Protocol::Http1 | Protocol::Auto => 1,
        };
        let connections_max = plan.max_connections.map_or(u32::MAX, |max| of_share(max).max(1));
        Self {
            policy: plan.policy,
            reuse: plan.reuse,
            connections_max: connections_max.saturating_mul(places),
            prewarm: of_share(plan.prewarm).min(connections_max),
            lifetime_ns: plan.lifetime_ns,
            connect_timeout_ns: plan.connect_timeout_ns,
            response_timeout_ns: plan.response_timeout_ns,
            deadline_after_ns: plan.deadline_ns,
            drain_timeout_ns: plan.drain_timeout_ns,
            in_flight_max: of_share(plan.max_in_flight).max(1),
        }
    }

    /// When an arrival must be complete.
    pub(super) fn deadline_ns(&self, intended_ns: i64) -> i64 {
        self.deadline_after_ns.map_or(i64::MAX, |after| intended_ns.saturating_add(after))
    }

    /// Tells whether an arrival's deadline can pass while it waits for a connection.
    fn may_expire_in_line(&self) -> bool {
        self.deadline_after_ns.is_some() && self.connections_max < self.in_flight_max
    }

    /// When a job that has its connection must be complete.
    pub(super) fn response_limit_ns<C: Clock>(&self, job: &Job<C>) -> i64 {
        let limit_ns = job.connected_ns().saturating_add(self.response_timeout_ns);
        limit_ns.min(self.deadline_ns(job.arrival.intended_ns))
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
    pub pool: Pool<C>,
    pub failures: RefCell<Failures>,
    gauges: Arc<Gauges>,
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

    /// Takes the job that has waited longest for a connection.
    pub fn take_waiting(&self) -> Option<Job<C>> {
        let mut job = self.pool.take_waiting()?;
        job.admitted(self.clock.now_ns());
        Some(job)
    }

    pub fn note_end(&self, sample: &Sample) {
        self.in_flight.set(self.in_flight.get() - 1);
        self.recorder.borrow_mut().finish(sample);
    }
}

/// What a worker did.
#[derive(Debug)]
pub struct WorkerReport {
    /// Arrivals taken up: one row each.
    pub arrivals: u64,
    /// Fingerprint of those arrivals.
    pub digest: TimelineDigest,
    /// Whether the timeline was left before its end.
    pub is_interrupted: bool,
    /// Why a recorded timeline could not be read to its end, if it could not.
    pub failure: Option<TraceError>,
    /// Why requests failed.
    pub failures: Failures,
}

/// A worker: its lanes, its connections, its rows.
pub struct Worker<C: Clock, T: Transport> {
    state: Rc<WorkerState<C>>,
    transport: Rc<T>,
    source: Source,
    stop: StopSignal,
}

/// What remains of a worker when its tasks are gone.
pub struct WorkerRemains<C: Clock> {
    state: Rc<WorkerState<C>>,
    is_interrupted: bool,
    failure: Option<TraceError>,
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
        let limits = Limits::of_share(&plan.connection, lanes.share());
        let state = WorkerState {
            clock,
            limits,
            requests: Requests::new(plan)?,
            expects: expects.collect(),
            codes,
            pool: Pool::new(limits.reuse, limits.connections_max),
            failures: RefCell::default(),
            gauges: Arc::clone(recorder.gauges()),
            recorder: RefCell::new(recorder),
            in_flight: Cell::new(0),
            dropped: Cell::new(0),
        };
        Ok(Self {
            state: Rc::new(state),
            transport: Rc::new(transport),
            source: Source::new(Timeline::new(plan, lanes)),
            stop,
        })
    }

    /// Adds the recorded arrivals of the same lanes.
    #[must_use]
    pub fn with_feed(mut self, feed: Option<Feed>) -> Self {
        self.source.set_feed(feed);
        self
    }

    /// Dispatches the timeline and waits for what is in flight, within the drain timeout.
    ///
    /// Tasks of this worker may still be alive when this completes. The caller drops them
    /// (their rows then say `cancelled`) and closes the books with [`WorkerRemains::report`].
    pub async fn run(mut self) -> WorkerRemains<C> {
        let state = Rc::clone(&self.state);
        state.clock.spawn(flush_regularly(Rc::downgrade(&state)));
        if state.limits.may_expire_in_line() {
            state.clock.spawn(expire_in_line(Rc::downgrade(&state)));
        }
        self.warm_up();
        while self.stop.level() == StopLevel::Run {
            let next = self.source.peek();
            let now_ns = state.clock.now_ns();
            match next {
                Ahead::Over => break,
                Ahead::NotYet => self.wait_for(now_ns + FEED_CHECK_NS, now_ns).await,
                Ahead::Known(next) if next.intended_ns > now_ns => {
                    self.wait_for(next.intended_ns, now_ns).await;
                }
                Ahead::Known(_) => {
                    self.dispatch_due(now_ns);
                    state.clock.yield_now().await;
                }
            }
        }
        let is_interrupted = self.source.peek() != Ahead::Over;
        self.take_up_what_was_due();
        self.drain().await;
        WorkerRemains { state, is_interrupted, failure: self.source.take_failure() }
    }

    /// Opens the connections that are to be there before the first arrival, one after another:
    /// a target's backlog is not made for all of them at once.
    fn warm_up(&self) {
        let state = &self.state;
        let mut start_ns = state.clock.now_ns();
        for _ in 0..state.limits.prewarm {
            if state.pool.reserve() {
                let (worker, transport) = (Rc::clone(state), Rc::clone(&self.transport));
                state.clock.spawn(warm_up(worker, transport, start_ns));
                start_ns += PREWARM_STEP_NS;
            }
        }
    }

    /// Waits until an arrival is due or it is time to look for a stop.
    async fn wait_for(&mut self, due_ns: i64, now_ns: i64) {
        let clock = &self.state.clock;
        let check_ns = if self.source.is_behind() { FEED_CHECK_NS } else { STOP_CHECK_NS };
        let until_ns = due_ns.min(now_ns + check_ns);
        let wake = clock.wait_until(until_ns).await;
        self.state.gauges.note_wakeup(wake.late_ns);
        self.state.gauges.add_spin(wake.spun_ns);
    }

    /// Sends what is due at `now_ns`, at most a batch of it. What is late is sent as well, at
    /// once and with the lag it has.
    fn dispatch_due(&mut self, now_ns: i64) {
        for _ in 0..BATCH_MAX {
            let Some((next, request)) = self.source.take_due(now_ns) else { return };
            self.dispatch(next, request, now_ns);
        }
    }

    /// Sends one arrival: on an idle connection, else on a new one, else on the next that
    /// becomes free, unless too much is in flight.
    fn dispatch(&self, arrival: Arrival, request: Option<RecordedRequest>, now_ns: i64) {
        let state = &self.state;
        let is_full = state.in_flight.get() >= state.limits.in_flight_max;
        let job = Job::new(state, arrival, request, now_ns);
        if is_full {
            state.dropped.set(state.dropped.get() + 1);
            job.finish(Outcome::Dropped);
        } else if let Placement::Open(job) = state.pool.place(job) {
            state.clock.spawn(carry(Rc::clone(state), Rc::clone(&self.transport), job));
        }
    }

    /// After a stop: arrivals that were due and not yet taken up are rows too.
    fn take_up_what_was_due(&mut self) {
        let now_ns = self.state.clock.now_ns();
        while let Some((arrival, request)) = self.source.take_due(now_ns) {
            Job::new(&self.state, arrival, request, now_ns).fail(Failure {
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

/// Ends arrivals whose deadline passes while they wait for a connection. They wait in the
/// order of their intended starts, near enough, so the first is looked at alone.
async fn expire_in_line<C: Clock>(worker: Weak<WorkerState<C>>) {
    loop {
        let Some(state) = worker.upgrade() else { return };
        let now_ns = state.clock.now_ns();
        let has_expired =
            |job: &Job<C>| state.limits.deadline_ns(job.arrival.intended_ns) <= now_ns;
        while let Some(job) = state.pool.take_waiting_if(has_expired) {
            job.fail(Failure::too_late_to_connect());
        }
        let wait = state.clock.sleep_until(now_ns + EXPIRY_CHECK_NS);
        drop(state);
        wait.await;
    }
}

/// Hands rows to the writer a few times a second, so that a crash loses little, and shows how
/// many connections there are.
async fn flush_regularly<C: Clock>(worker: Weak<WorkerState<C>>) {
    loop {
        let Some(state) = worker.upgrade() else { return };
        state.recorder.borrow_mut().flush();
        state.gauges.set_connections(state.pool.open().into());
        state.gauges.set_waiting(state.pool.waiting().into());
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
        // Who still waits for a connection will not get one; dropping a job writes its row.
        while let Some(job) = self.state.pool.take_waiting() {
            drop(job);
        }
        self.state.gauges.set_connections(0);
        self.state.gauges.set_waiting(0);
        let mut recorder = self.state.recorder.borrow_mut();
        recorder.flush();
        assert_eq!(recorder.unfinished(), 0, "every arrival has its row");
        let mut failures = self.state.failures.take();
        failures.add_dropped(self.state.dropped.get(), self.state.limits.in_flight_max);
        WorkerReport {
            arrivals: recorder.dispatched(),
            digest: recorder.digest(),
            is_interrupted: self.is_interrupted,
            failure: self.failure,
            failures,
        }
    }
}
