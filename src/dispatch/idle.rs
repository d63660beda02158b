//! Idle connections, and the slot through which one is given its next job.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use super::job::Job;
use crate::clock::Clock;

/// Where an idle connection's task waits for its next job.
pub(super) struct Slot<C: Clock> {
    job: Cell<Option<Job<C>>>,
    waker: Cell<Option<Waker>>,
    is_closed: Cell<bool>,
}

impl<C: Clock> Slot<C> {
    pub fn new() -> Rc<Self> {
        Rc::new(Self { job: Cell::new(None), waker: Cell::new(None), is_closed: Cell::new(false) })
    }

    fn put(&self, job: Job<C>) {
        self.job.set(Some(job));
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Waits for the next job.
    pub async fn next(&self) -> Job<C> {
        poll_fn(|context| match self.job.take() {
            Some(job) => Poll::Ready(job),
            None => {
                self.waker.set(Some(context.waker().clone()));
                Poll::Pending
            }
        })
        .await
    }

    /// Refuses further jobs; hands out one that came at the last moment.
    pub fn close(&self) -> Option<Job<C>> {
        self.is_closed.set(true);
        self.job.take()
    }
}

/// The idle connections of one worker: the one used last is used next, so that no more stay
/// warm than are needed.
pub(super) struct IdleConnections<C: Clock> {
    slots: RefCell<Vec<Rc<Slot<C>>>>,
}

impl<C: Clock> IdleConnections<C> {
    pub fn new() -> Self {
        Self { slots: RefCell::new(Vec::new()) }
    }

    /// Offers a connection for the next job.
    pub fn push(&self, slot: &Rc<Slot<C>>) {
        self.slots.borrow_mut().push(Rc::clone(slot));
    }

    /// Gives `job` to an idle connection, or hands it back when there is none.
    pub fn give(&self, job: Job<C>) -> Option<Job<C>> {
        loop {
            let Some(slot) = self.slots.borrow_mut().pop() else { return Some(job) };
            if !slot.is_closed.get() {
                slot.put(job);
                return None;
            }
        }
    }

    /// Forgets connections that were closed while idle. Cheap: called when one closes, it
    /// looks only at the top of the stack, where closed ones would be in the way.
    pub fn forget_closed(&self) {
        let mut slots = self.slots.borrow_mut();
        while slots.last().is_some_and(|slot| slot.is_closed.get()) {
            slots.pop();
        }
    }
}
