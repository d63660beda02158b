//! A limit that moves with every exchange, on a timer that mostly does not.
//!
//! A timer made for each request and given up a millisecond later costs more than reading
//! the response. A connection keeps one: it fires at the limit of some earlier exchange, looks
//! what the limit is by now, and goes on. With a response timeout of 30 s that is one timer
//! in 30 s for each connection, however many requests it carries.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::clock::Clock;

/// A limit that moves with every exchange.
pub(super) struct Deadline<C: Clock> {
    clock: C,
    limit_ns: i64,
    timer: Option<Timer>,
}

struct Timer {
    due_ns: i64,
    sleep: Pin<Box<dyn Future<Output = ()>>>,
}

impl<C: Clock> Deadline<C> {
    /// Makes a deadline that never passes.
    pub fn new(clock: C) -> Self {
        Self { clock, limit_ns: i64::MAX, timer: None }
    }

    /// Moves the limit.
    pub fn set(&mut self, limit_ns: i64) {
        self.limit_ns = limit_ns;
    }

    /// Completes when the limit has passed, up to a few milliseconds late.
    pub fn poll_passed(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            match &mut self.timer {
                // Early is well: it looks again. Late would not be.
                Some(timer) if timer.due_ns <= self.limit_ns => {
                    if timer.sleep.as_mut().poll(context).is_pending() {
                        return Poll::Pending;
                    }
                    let has_passed = timer.due_ns == self.limit_ns;
                    self.timer = None;
                    if has_passed || self.clock.now_ns() >= self.limit_ns {
                        return Poll::Ready(());
                    }
                }
                _ => {
                    let sleep = Box::pin(self.clock.sleep_until(self.limit_ns));
                    self.timer = Some(Timer { due_ns: self.limit_ns, sleep });
                }
            }
        }
    }
}
