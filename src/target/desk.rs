//! Where requests meet the queueing model.
//!
//! The [`Desk`] is what all connections of a target share: it stamps a request as arrived once
//! it has been read, asks the model when it is due, holds it until then, and says how it is to
//! be answered. A client that hangs up does not take its work out of the queue, as on a real
//! server that learns of it too late.

use std::cell::{Cell, RefCell};
use std::io;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::clock::{Clock, Epoch};
use crate::pacer::{Pacer, Pacing};

use super::faults::{Fault, Faults};
use super::model::QueueModel;
use super::release::ReleaseQueue;

/// What a target has seen so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TargetStats {
    /// Connections accepted.
    pub connections: u64,
    /// Requests taken into the queue; health checks do not count.
    pub requests: u64,
    /// Requests whose service is over.
    pub served: u64,
    /// Requests served in vain: answered with status 503.
    pub errors: u64,
    /// Requests whose answer was spoilt by a fault.
    pub faults: u64,
    /// Memory kept for good, in bytes.
    pub leaked_bytes: u64,
    /// Longest time by which an answer was released too late, in ns: the target's own fault.
    pub release_late_max_ns: i64,
}

/// The counts behind [`TargetStats`], written by the target's thread and read by any other.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) connections: AtomicU64,
    requests: AtomicU64,
    served: AtomicU64,
    errors: AtomicU64,
    faults: AtomicU64,
    leaked_bytes: AtomicU64,
    release_late_max_ns: AtomicI64,
}

impl Counters {
    /// Counts a request that was answered without a queue.
    pub(super) fn count_served_at_once(&self) {
        count(&self.requests);
        count(&self.served);
    }

    /// Reads all counts; they are not of one instant.
    pub(super) fn read(&self) -> TargetStats {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        TargetStats {
            connections: read(&self.connections),
            requests: read(&self.requests),
            served: read(&self.served),
            errors: read(&self.errors),
            faults: read(&self.faults),
            leaked_bytes: read(&self.leaked_bytes),
            release_late_max_ns: self.release_late_max_ns.load(Ordering::Relaxed),
        }
    }
}

/// Adds one to a count.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// A request whose service is over: how it is to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Served {
    pub(super) status: u16,
    pub(super) fault: Option<Fault>,
}

/// What all connections of a target share.
#[derive(Debug)]
pub(super) struct Desk {
    model: RefCell<QueueModel>,
    faults: Faults,
    pacer: Pacer,
    /// Time zero of the pacer.
    opened: Epoch,
    /// Time zero of the model, where somebody has set it.
    start: Arc<OnceLock<Epoch>>,
    /// Time zero of the model in the pacer's time, from the first request on.
    zero_ns: Cell<Option<i64>>,
    queue: ReleaseQueue,
    leak: Leak,
    counters: Arc<Counters>,
}

/// What a desk is made of.
#[derive(Debug)]
pub(super) struct DeskPlan {
    pub(super) model: QueueModel,
    pub(super) faults: Faults,
    /// Time zero, once somebody has set it.
    pub(super) start: Arc<OnceLock<Epoch>>,
    pub(super) leak_bytes: u64,
    pub(super) counters: Arc<Counters>,
}

impl Desk {
    /// Opens the desk on the current runtime.
    pub(super) fn new(plan: DeskPlan) -> io::Result<Self> {
        let DeskPlan { model, faults, start, leak_bytes, counters } = plan;
        let opened = Epoch::now();
        Ok(Self {
            model: RefCell::new(model),
            faults,
            pacer: Pacer::new(opened, Pacing::Precise)?,
            opened,
            start,
            zero_ns: Cell::new(None),
            queue: ReleaseQueue::default(),
            leak: Leak::new(leak_bytes),
            counters,
        })
    }

    /// Takes in a request that has just been read; completes when its service is over.
    pub(super) async fn serve(&self) -> Served {
        let now_ns = self.pacer.now_ns();
        let zero_ns = self.zero_ns(now_ns);
        let completion = self.model.borrow_mut().arrive(now_ns - zero_ns);
        count(&self.counters.requests);
        self.leak.grow(&self.counters.leaked_bytes);
        self.queue.wait_until(completion.finish_ns.saturating_add(zero_ns)).await;
        let fault = self.faults.of(completion.number);
        let served = Served { status: completion.status, fault };
        self.count_served(served);
        served
    }

    /// Time zero of the model in the pacer's time, fixed by the first request, which comes at
    /// `now_ns`.
    fn zero_ns(&self, now_ns: i64) -> i64 {
        let set_ns = || self.start.get().map(|start| start.since_ns(self.opened));
        let zero_ns = self.zero_ns.get().or_else(set_ns).unwrap_or(now_ns);
        self.zero_ns.set(Some(zero_ns));
        zero_ns
    }

    /// Releases requests whose service is over, for ever.
    pub(super) async fn release(&self) {
        let late = |late_ns| {
            self.counters.release_late_max_ns.fetch_max(late_ns, Ordering::Relaxed);
        };
        self.queue.run(&self.pacer, late).await;
    }

    fn count_served(&self, served: Served) {
        count(&self.counters.served);
        if served.fault.is_some() {
            count(&self.counters.faults);
        } else if served.status != 200 {
            count(&self.counters.errors);
        }
    }
}

/// Memory that is never given back while the target runs.
#[derive(Debug)]
struct Leak {
    kept: RefCell<Vec<Box<[u8]>>>,
    bytes: usize,
}

impl Leak {
    fn new(bytes: u64) -> Self {
        Self { kept: RefCell::default(), bytes: usize::try_from(bytes).unwrap_or(usize::MAX) }
    }

    fn grow(&self, leaked_bytes: &AtomicU64) {
        if self.bytes > 0 {
            // Zeroed pages would not be resident until somebody wrote to them.
            self.kept.borrow_mut().push(vec![1; self.bytes].into_boxed_slice());
            leaked_bytes.fetch_add(self.bytes as u64, Ordering::Relaxed);
        }
    }
}
