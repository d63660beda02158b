//! The life of one connection: obtain it, carry jobs, wait idle for more.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use openload_contract::Outcome;

use super::idle::Slot;
use super::job::Job;
use super::worker::WorkerState;
use crate::clock::Clock;
use crate::plan::ConnectionPolicy;
use crate::transport::{Connection, Failure, Stamps, Transport};

/// Opens a connection for `job` and keeps it until it is closed, breaks, or is not to be
/// kept.
pub(super) async fn carry<C: Clock, T: Transport>(
    worker: Rc<WorkerState<C>>,
    transport: Rc<T>,
    job: Job<C>,
) {
    let slot = Slot::new();
    let mut waiting = Some(job);
    while let Some(job) = waiting {
        waiting = carry_on_one_connection(&worker, &*transport, &slot, job).await;
    }
}

/// Carries jobs until the connection is gone; returns a job that came too late for it.
async fn carry_on_one_connection<C: Clock, T: Transport>(
    worker: &Rc<WorkerState<C>>,
    transport: &T,
    slot: &Rc<Slot<C>>,
    mut job: Job<C>,
) -> Option<Job<C>> {
    let stamps = Rc::new(Stamps::default());
    let asked_ns = worker.clock.now_ns();
    let mut connection = match connect(worker, transport, &job, &stamps).await {
        Ok(connection) => connection,
        Err(failure) => {
            job.fail(failure);
            return None;
        }
    };
    job.connected(worker.clock.now_ns() - asked_ns, &stamps);
    loop {
        let is_whole = exchange(worker, &mut connection, job).await;
        let is_kept = is_whole && worker.limits.policy == ConnectionPolicy::Pool;
        if !is_kept || !connection.is_reusable() {
            return None;
        }
        worker.idle.push(slot);
        let Some(next) = next_job(slot, &mut connection).await else {
            let late = slot.close();
            worker.idle.forget_closed();
            return late;
        };
        // Nothing of the job was sent yet, so a connection that was found closed can be
        // replaced without sending anything twice.
        if !connection.is_reusable() {
            return Some(next);
        }
        job = next;
        job.connected(0, &stamps);
    }
}

async fn connect<C: Clock, T: Transport>(
    worker: &WorkerState<C>,
    transport: &T,
    job: &Job<C>,
    stamps: &Rc<Stamps>,
) -> Result<T::Connection, Failure> {
    let limits = &worker.limits;
    let give_up_ns = worker.clock.now_ns() + limits.connect_timeout_ns;
    let deadline_ns = limits.deadline_ns(job.arrival.intended_ns);
    let attempt = transport.connect(Rc::clone(stamps));
    match until(&worker.clock, give_up_ns.min(deadline_ns), attempt).await {
        Some(connected) => connected,
        None if deadline_ns < give_up_ns => Err(Failure {
            outcome: Outcome::Timeout,
            cause: "the deadline passed before there was a connection".to_owned(),
        }),
        None => Err(Failure {
            outcome: Outcome::ConnectError,
            cause: format!("no connection within {} ms", limits.connect_timeout_ns / 1_000_000),
        }),
    }
}

/// Sends the job's request and ends the job. Tells whether the exchange was carried to its
/// end: a connection left in the middle of one is of no further use.
async fn exchange<C: Clock>(
    worker: &WorkerState<C>,
    connection: &mut impl Connection,
    job: Job<C>,
) -> bool {
    let limits = &worker.limits;
    let request = worker.requests.render(job.arrival.scenario, job.arrival.seq);
    let limit_ns = (worker.clock.now_ns() + limits.response_timeout_ns)
        .min(limits.deadline_ns(job.arrival.intended_ns));
    let failure = match until(&worker.clock, limit_ns, connection.exchange(request)).await {
        Some(Ok(())) => {
            let outcome = worker.judge(&job);
            job.finish(outcome);
            return true;
        }
        Some(Err(failure)) => failure,
        None => {
            Failure { outcome: Outcome::Timeout, cause: "no complete response in time".to_owned() }
        }
    };
    job.fail(failure);
    false
}

/// Waits for the next job; `None` when the connection is closed first.
async fn next_job<C: Clock>(slot: &Slot<C>, connection: &mut impl Connection) -> Option<Job<C>> {
    let mut next = pin!(slot.next());
    let mut closed = pin!(connection.closed());
    poll_fn(|context| {
        if let Poll::Ready(job) = next.as_mut().poll(context) {
            return Poll::Ready(Some(job));
        }
        closed.as_mut().poll(context).map(|()| None)
    })
    .await
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
