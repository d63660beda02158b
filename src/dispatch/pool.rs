//! The connections of one worker, and who waits for one.
//!
//! An arrival takes an idle connection, else opens one, else, when `max_connections` are
//! open, waits in line. Nothing here waits or opens: [`Pool::place`] says what is to be done.
//!
//! The line has no bound of its own: who waits is in flight, and `max_in_flight` bounds that.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::job::Job;
use crate::clock::Clock;
use crate::plan::ReuseOrder;

/// Where an idle connection's task waits for its next job.
pub(super) struct Slot<C: Clock> {
    job: Cell<Option<Job<C>>>,
    waker: RefCell<Option<Waker>>,
    is_closed: Cell<bool>,
}

impl<C: Clock> Slot<C> {
    pub fn new() -> Rc<Self> {
        Rc::new(Self {
            job: Cell::new(None),
            waker: RefCell::new(None),
            is_closed: Cell::new(false),
        })
    }

    fn put(&self, job: Job<C>) {
        self.job.set(Some(job));
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// Completes with the next job.
    pub fn poll_next(&self, context: &mut Context<'_>) -> Poll<Job<C>> {
        if let Some(job) = self.job.take() {
            return Poll::Ready(job);
        }
        // The same task waits here each time, so the waker of the last time mostly fits.
        let mut waker = self.waker.borrow_mut();
        match &mut *waker {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        Poll::Pending
    }

    /// Refuses further jobs; hands out one that came at the last moment.
    pub fn close(&self) -> Option<Job<C>> {
        self.is_closed.set(true);
        self.job.take()
    }
}

/// What is to be done with a job that was offered to the pool.
pub(super) enum Placement<C: Clock> {
    /// Nothing: a connection has it, or it waits in line.
    Done,
    /// A connection is to be opened for it; it counts as open from now on.
    Open(Job<C>),
}

/// The connections of one worker, and who waits for one.
pub(super) struct Pool<C: Clock> {
    reuse: ReuseOrder,
    open_max: u32,
    /// Connections, those being made included.
    open: Cell<u32>,
    idle: RefCell<VecDeque<Rc<Slot<C>>>>,
    waiting: RefCell<VecDeque<Job<C>>>,
}

impl<C: Clock> Pool<C> {
    /// Makes a pool of at most `open_max` connections.
    pub fn new(reuse: ReuseOrder, open_max: u32) -> Self {
        Self {
            reuse,
            open_max,
            open: Cell::new(0),
            idle: RefCell::default(),
            waiting: RefCell::default(),
        }
    }

    /// Finds a place for `job`.
    pub fn place(&self, job: Job<C>) -> Placement<C> {
        if let Some(slot) = self.take_idle() {
            slot.put(job);
        } else if self.reserve() {
            return Placement::Open(job);
        } else {
            self.waiting.borrow_mut().push_back(job);
        }
        Placement::Done
    }

    /// Counts one more connection as open, if there may be one.
    pub fn reserve(&self) -> bool {
        let may_open = self.open.get() < self.open_max;
        self.open.set(self.open.get() + u32::from(may_open));
        may_open
    }

    /// Counts a connection as gone.
    pub fn release(&self) {
        self.open.set(self.open.get() - 1);
    }

    /// Connections, those being made included.
    pub fn open(&self) -> u32 {
        self.open.get()
    }

    /// Jobs that wait in line.
    pub fn waiting(&self) -> u32 {
        u32::try_from(self.waiting.borrow().len()).unwrap_or(u32::MAX)
    }

    /// Offers an idle connection for the next job.
    pub fn offer(&self, slot: &Rc<Slot<C>>) {
        self.idle.borrow_mut().push_back(Rc::clone(slot));
    }

    /// Takes the job that has waited longest.
    pub fn take_waiting(&self) -> Option<Job<C>> {
        self.waiting.borrow_mut().pop_front()
    }

    /// Takes the job that has waited longest if it satisfies `condition`.
    pub fn take_waiting_if(&self, condition: impl FnOnce(&Job<C>) -> bool) -> Option<Job<C>> {
        let mut waiting = self.waiting.borrow_mut();
        waiting.front().is_some_and(condition).then(|| waiting.pop_front()).flatten()
    }

    /// Forgets connections that were closed while idle. Cheap: called when one closes, it
    /// looks only at the ends of the line, where closed ones would be in the way.
    pub fn forget_closed(&self) {
        let mut idle = self.idle.borrow_mut();
        while idle.back().is_some_and(|slot| slot.is_closed.get()) {
            idle.pop_back();
        }
        while idle.front().is_some_and(|slot| slot.is_closed.get()) {
            idle.pop_front();
        }
    }

    /// The next idle connection in the order of reuse: the one used last, so that no more
    /// stay warm than are needed, or the one idle longest, so that all are used in turn.
    fn take_idle(&self) -> Option<Rc<Slot<C>>> {
        let mut idle = self.idle.borrow_mut();
        loop {
            let slot = match self.reuse {
                ReuseOrder::Lifo => idle.pop_back(),
                ReuseOrder::Fifo => idle.pop_front(),
            }?;
            if !slot.is_closed.get() {
                return Some(slot);
            }
        }
    }
}
