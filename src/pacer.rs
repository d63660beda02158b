//! The only place that waits for a planned instant.
//!
//! A runtime's timer has ticks of a millisecond: at 10,000 arrivals per second it turns a
//! Poisson process into bursts of ten. The pacer sleeps on a kernel timer until a little
//! before the due instant and then yields in a loop, so that I/O goes on while it waits the
//! last microseconds. Sleeping alone is late by the wake-up time of the machine; spinning
//! alone takes a whole core. [`Pacing`] chooses.

use std::future::Future;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use crate::clock::{Clock, Epoch};
use crate::os;

/// How a worker waits for the next intended start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pacing {
    /// Sleep to shortly before the instant, then spin: on time, for some processor time.
    #[default]
    Precise,
    /// Sleep only: late by one wake-up of the machine, for the least processor time.
    Efficient,
    /// Never sleep: on time, for a whole core.
    Busy,
}

impl Pacing {
    /// Names the pacing as the command line does.
    pub fn name(self) -> &'static str {
        match self {
            Self::Precise => "precise",
            Self::Efficient => "efficient",
            Self::Busy => "busy",
        }
    }

    /// Longest time spent spinning before an instant.
    ///
    /// 50 µs covers the wake-up of an idle processor as measured on Linux (20–45 µs).
    fn spin_ns(self) -> i64 {
        match self {
            Self::Precise => 50_000,
            Self::Efficient => 0,
            Self::Busy => i64::MAX,
        }
    }
}

/// The system's clock with precise waits, for the tasks of one thread.
#[derive(Debug, Clone)]
pub struct Pacer {
    epoch: Epoch,
    timer: Rc<os::PreciseTimer>,
    spin_ns: i64,
}

impl Pacer {
    /// Makes a pacer for the current thread's runtime; times count from `epoch`.
    ///
    /// # Errors
    /// When no timer can be made.
    pub fn new(epoch: Epoch, pacing: Pacing) -> io::Result<Self> {
        let timer = Rc::new(os::PreciseTimer::new()?);
        Ok(Self { epoch, timer, spin_ns: pacing.spin_ns() })
    }

    /// Makes a pacer for another waiter of the same thread: a timer serves one wait at a time.
    ///
    /// # Errors
    /// When no timer can be made.
    pub fn another(&self) -> io::Result<Self> {
        Ok(Self { timer: Rc::new(os::PreciseTimer::new()?), ..self.clone() })
    }
}

impl Clock for Pacer {
    fn now_ns(&self) -> i64 {
        self.epoch.elapsed_ns()
    }

    fn sleep_until(&self, due_ns: i64) -> impl Future<Output = ()> + 'static {
        tokio::time::sleep_until(self.epoch.instant(due_ns).into())
    }

    async fn wait_until(&self, due_ns: i64) {
        let ahead_ns = due_ns - self.now_ns();
        if ahead_ns > self.spin_ns {
            let nap = Duration::from_nanos((ahead_ns - self.spin_ns).unsigned_abs());
            self.timer.sleep(nap).await;
        }
        while self.now_ns() < due_ns {
            tokio::task::yield_now().await;
        }
    }

    async fn yield_now(&self) {
        tokio::task::yield_now().await;
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        tokio::task::spawn_local(task);
    }
}
