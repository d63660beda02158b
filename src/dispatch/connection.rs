//! The life of one connection: open it, carry jobs, wait idle for more.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use openload_contract::Outcome;

use super::deadline::Deadline;
use super::job::Job;
use super::pool::Slot;
use super::worker::WorkerState;
use crate::clock::Clock;
use crate::plan::ConnectionPolicy;
use crate::transport::{Connection, Failure, Stamps, Transport};

/// Opens a connection for `job` and keeps one open until there is nothing to carry and the
/// last one is closed, breaks, or is not to be kept. The pool counts it as open already.
pub(super) async fn carry<C: Clock, T: Transport>(
    worker: Rc<WorkerState<C>>,
    transport: Rc<T>,
    job: Job<C>,
) {
    let mut next = Some(job);
    while let Some(job) = next.take().or_else(|| worker.take_waiting()) {
        let asked_ns = worker.clock.now_ns();
        match OpenConnection::open(&worker, &*transport, job.arrival.intended_ns).await {
            Err(failure) => job.fail(failure),
            Ok(mut opened) => {
                let mut job = job;
                job.connected(worker.clock.now_ns() - asked_ns, &opened.stamps);
                next = opened.carry_from(job).await;
            }
        }
    }
    worker.pool.release();
}

/// Opens a connection at `start_ns`, before anything is to be sent, and keeps it like any
/// other. The pool counts it as open already.
pub(super) async fn warm_up<C: Clock, T: Transport>(
    worker: Rc<WorkerState<C>>,
    transport: Rc<T>,
    start_ns: i64,
) {
    worker.clock.sleep_until(start_ns).await;
    let attempt = OpenConnection::open(&worker, &*transport, worker.clock.now_ns()).await;
    // A connection that cannot be made now is tried again by the arrival that needs it.
    let next = match attempt {
        Ok(mut opened) => opened.carry_what_comes().await,
        Err(_) => None,
    };
    match next {
        Some(job) => carry(worker, transport, job).await,
        None => carry_waiting(worker, transport).await,
    }
}

/// Goes on with who waits in line, or gives the connection's place back.
async fn carry_waiting<C: Clock, T: Transport>(worker: Rc<WorkerState<C>>, transport: Rc<T>) {
    match worker.take_waiting() {
        Some(job) => carry(worker, transport, job).await,
        None => worker.pool.release(),
    }
}

/// An open connection with what belongs to it.
struct OpenConnection<'a, C: Clock, N: Connection> {
    worker: &'a Rc<WorkerState<C>>,
    connection: N,
    stamps: Rc<Stamps>,
    slot: Rc<Slot<C>>,
    deadline: Deadline<C>,
    opened_ns: i64,
}

impl<'a, C: Clock, N: Connection> OpenConnection<'a, C, N> {
    /// Opens a connection for an arrival that was intended for `intended_ns`.
    async fn open<T: Transport<Connection = N>>(
        worker: &'a Rc<WorkerState<C>>,
        transport: &T,
        intended_ns: i64,
    ) -> Result<Self, Failure> {
        let stamps = Rc::new(Stamps::default());
        let connection = connect(worker, transport, intended_ns, &stamps).await?;
        Ok(Self {
            worker,
            connection,
            stamps,
            slot: Slot::new(),
            deadline: Deadline::new(worker.clock.clone()),
            opened_ns: worker.clock.now_ns(),
        })
    }

    /// Carries `job` and all that come after it until the connection is gone; returns a job
    /// that came too late for it.
    async fn carry_from(&mut self, job: Job<C>) -> Option<Job<C>> {
        let is_whole = self.exchange(job).await;
        if is_whole { self.carry_what_comes().await } else { None }
    }

    /// Carries jobs as they come, until the connection is gone.
    async fn carry_what_comes(&mut self) -> Option<Job<C>> {
        while self.is_kept() {
            let mut job = match self.worker.take_waiting() {
                // Nothing of the job was sent yet, so a connection that was found closed can be
                // replaced without sending anything twice.
                Some(job) if !self.connection.is_reusable() => return Some(job),
                Some(job) => job,
                None => match self.wait_idle().await {
                    Some(job) => job,
                    None => {
                        let late = self.slot.close();
                        self.worker.pool.forget_closed();
                        return late;
                    }
                },
            };
            job.connected(0, &self.stamps);
            if !self.exchange(job).await {
                return None;
            }
        }
        None
    }

    /// Tells whether the connection is to carry another exchange.
    fn is_kept(&self) -> bool {
        let limits = &self.worker.limits;
        let has_expired = limits
            .lifetime_ns
            .is_some_and(|lifetime_ns| self.worker.clock.now_ns() - self.opened_ns >= lifetime_ns);
        limits.policy != ConnectionPolicy::PerRequest && !has_expired
    }

    /// Waits for the next job; `None` when the connection is closed first. A close is looked
    /// for before a job is taken: one that has arrived by then costs no request.
    async fn wait_idle(&mut self) -> Option<Job<C>> {
        let mut is_offered = false;
        poll_fn(|context| {
            if self.connection.poll_closed(context).is_ready() {
                return Poll::Ready(None);
            }
            if !is_offered {
                is_offered = true;
                self.worker.pool.offer(&self.slot);
            }
            self.slot.poll_next(context).map(Some)
        })
        .await
    }

    /// Sends the job's request and ends the job. Tells whether the exchange was carried to
    /// its end: a connection left in the middle of one is of no further use.
    async fn exchange(&mut self, mut job: Job<C>) -> bool {
        let (worker, deadline) = (self.worker, &mut self.deadline);
        let recorded = job.take_recorded();
        let request = match &recorded {
            None => worker.requests.get(job.arrival.scenario, job.arrival.seq),
            Some(recorded) => worker.requests.encoded(recorded.encoded()),
        };
        deadline.set(worker.limits.response_limit_ns(&job));
        let mut exchange = pin!(self.connection.exchange(request));
        let ended = poll_fn(|context| {
            if let Poll::Ready(ended) = exchange.as_mut().poll(context) {
                return Poll::Ready(Some(ended));
            }
            deadline.poll_passed(context).map(|()| None)
        })
        .await;
        let failure = match ended {
            Some(Ok(())) => {
                let outcome = worker.judge(&job);
                job.finish(outcome);
                return true;
            }
            Some(Err(failure)) => failure,
            None => Failure {
                outcome: Outcome::Timeout,
                cause: "no complete response in time".to_owned(),
            },
        };
        job.fail(failure);
        false
    }
}

async fn connect<C: Clock, T: Transport>(
    worker: &WorkerState<C>,
    transport: &T,
    intended_ns: i64,
    stamps: &Rc<Stamps>,
) -> Result<T::Connection, Failure> {
    let limits = &worker.limits;
    let give_up_ns = worker.clock.now_ns() + limits.connect_timeout_ns;
    let deadline_ns = limits.deadline_ns(intended_ns);
    let attempt = transport.connect(Rc::clone(stamps));
    match until(&worker.clock, give_up_ns.min(deadline_ns), attempt).await {
        Some(connected) => connected,
        None if deadline_ns < give_up_ns => Err(Failure::too_late_to_connect()),
        None => Err(Failure {
            outcome: Outcome::ConnectError,
            cause: format!("no connection within {} ms", limits.connect_timeout_ns / 1_000_000),
        }),
    }
}

/// Runs `work` until `limit_ns`; `None` when the time is up first.
async fn until<C: Clock, T>(clock: &C, limit_ns: i64, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    let mut limit = pin!(clock.sleep_until(limit_ns));
    poll_fn(|context| {
        if let Poll::Ready(done) = work.as_mut().poll(context) {
            return Poll::Ready(Some(done));
        }
        limit.as_mut().poll(context).map(|()| None)
    })
    .await
}
