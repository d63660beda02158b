//! The only place that waits for a planned instant.
//!
//! A runtime's timer has ticks of a millisecond: at 10,000 arrivals per second it turns a
//! Poisson process into bursts of ten. The pacer sleeps on a kernel timer until a little
//! before the due instant and then yields in a loop, so that I/O goes on while it waits the
//! last microseconds. Sleeping alone is late by the wake-up time of the machine; spinning
//! alone takes a whole core. [`Pacing`] chooses.
//!
//! It runs on the worker's own thread. A pacer on another one would add a hand-over of 40 to
//! 60 µs to every arrival.

mod warmth;

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use crate::clock::{Clock, Epoch, WakeUp};
use crate::os;
use warmth::Warmth;

/// Time spent spinning before an instant after a short wait: it covers the wake-up of an idle
/// processor as measured on Linux (20–45 µs).
const SPIN_SHORT_NS: i64 = 50_000;

/// Longest time spent spinning before an instant. A processor that slept for milliseconds sleeps
/// deeper and comes back to cold caches: its wake-up took up to 200 µs, and then the first use
/// of the network code takes 60 µs more ([`Warmth`]).
const SPIN_LONGEST_NS: i64 = 400_000;

/// Share of a long wait that is spent spinning: what a longer spin costs stays below it.
const SPIN_SHARE: i64 = 32;

/// Time that must be left before an instant to warm up for it.
const WARM_UP_NS: i64 = 120_000;

/// Shortest time between two wake-ups, to save processor time. Arrivals that fall into it leave
/// together at its end.
const COALESCE_EFFICIENT_NS: i64 = 1_000_000;

/// The same where spinning is wanted and not possible. A nap shorter than the wake-up of the
/// machine costs more than it waits: at 60,000 arrivals per second it took a third of the core.
const COALESCE_SLEEPING_NS: i64 = 50_000;

/// How a worker waits for the next intended start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pacing {
    /// Sleep to shortly before the instant, then spin: on time, for some processor time.
    #[default]
    Precise,
    /// Sleep only, and wake up at most once a millisecond: for the least processor time.
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

    /// Longest time one of `workers` may spin before an instant, on a machine where this
    /// process may use `cores` processors.
    ///
    /// Spinning pays where a processor is left for everybody else. Where there is none, or a
    /// quota is used up by it, it would take the time from the very work it waits for.
    pub fn spin_ns(self, workers: u32, cores: u32) -> i64 {
        match self {
            Self::Precise if cores > workers => SPIN_LONGEST_NS,
            Self::Precise | Self::Efficient => 0,
            Self::Busy => i64::MAX,
        }
    }

    /// Shortest time between two wake-ups of a thread that may spin for `spin_ns`.
    fn coalesce_ns(self, spin_ns: i64) -> i64 {
        match self {
            Self::Efficient => COALESCE_EFFICIENT_NS,
            Self::Precise if spin_ns == 0 => COALESCE_SLEEPING_NS,
            Self::Precise | Self::Busy => 0,
        }
    }
}

/// The system's clock with precise waits, for the tasks of one thread.
#[derive(Debug, Clone)]
pub struct Pacer {
    epoch: Epoch,
    timer: Rc<os::PreciseTimer>,
    spin_ns: i64,
    /// Shortest time between two wake-ups.
    coalesce_ns: i64,
    /// The last wake-up.
    woken_ns: Rc<Cell<i64>>,
    /// What makes the first send after a long wait as quick as the others, where time is spent
    /// for that.
    warmth: Option<Rc<Warmth>>,
}

impl Pacer {
    /// Makes a pacer for the current thread's runtime; times count from `epoch`. It spins as
    /// one waiting thread may on this machine.
    ///
    /// # Errors
    /// When no timer can be made.
    pub fn new(epoch: Epoch, pacing: Pacing) -> io::Result<Self> {
        let spin_ns = pacing.spin_ns(1, os::cores());
        let (timer, woken_ns) =
            (Rc::new(os::PreciseTimer::new()?), Rc::new(Cell::new(i64::MIN / 2)));
        let coalesce_ns = pacing.coalesce_ns(spin_ns);
        let warmth = None;
        Ok(Self { epoch, timer, spin_ns, coalesce_ns, woken_ns, warmth })
    }

    /// The same pacer for a thread that may spin for `spin_ns` before an instant.
    #[must_use]
    pub fn spinning_for(self, pacing: Pacing, spin_ns: i64) -> Self {
        let spins_longer = pacing == Pacing::Precise && spin_ns > SPIN_SHORT_NS;
        // Without it the first send takes longer, which its row says.
        let warmth = if spins_longer { Warmth::new().ok().map(Rc::new) } else { None };
        Self { spin_ns, coalesce_ns: pacing.coalesce_ns(spin_ns), warmth, ..self }
    }

    /// Makes a pacer for another waiter of the same thread: a timer serves one wait at a time.
    ///
    /// # Errors
    /// When no timer can be made.
    pub fn another(&self) -> io::Result<Self> {
        let woken_ns = Rc::new(Cell::new(i64::MIN / 2));
        Ok(Self { timer: Rc::new(os::PreciseTimer::new()?), woken_ns, ..self.clone() })
    }
}

/// How long to spin at the end of a wait, where at most `longest_ns` are allowed.
fn spin_for(wait_ns: i64, longest_ns: i64) -> i64 {
    if longest_ns > SPIN_LONGEST_NS {
        return longest_ns;
    }
    (wait_ns / SPIN_SHARE).max(SPIN_SHORT_NS).min(longest_ns)
}

impl Clock for Pacer {
    fn now_ns(&self) -> i64 {
        self.epoch.elapsed_ns()
    }

    fn sleep_until(&self, due_ns: i64) -> impl Future<Output = ()> + 'static {
        tokio::time::sleep_until(self.epoch.instant(due_ns).into())
    }

    async fn wait_until(&self, due_ns: i64) -> WakeUp {
        let aim_ns = due_ns.max(self.woken_ns.get() + self.coalesce_ns);
        let mut now_ns = self.now_ns();
        let wait_ns = aim_ns - now_ns;
        let spin_ns = spin_for(wait_ns, self.spin_ns);
        if wait_ns > spin_ns {
            let nap_ns = wait_ns - spin_ns;
            self.timer.sleep(Duration::from_nanos(nap_ns.unsigned_abs())).await;
            now_ns = self.now_ns();
        }
        let spin_from_ns = now_ns;
        if aim_ns - now_ns > WARM_UP_NS
            && let Some(warmth) = &self.warmth
        {
            warmth.touch();
            now_ns = self.now_ns();
        }
        while now_ns < aim_ns {
            tokio::task::yield_now().await;
            now_ns = self.now_ns();
        }
        self.woken_ns.set(now_ns);
        WakeUp { late_ns: now_ns - aim_ns, spun_ns: now_ns - spin_from_ns }
    }

    async fn yield_now(&self) {
        tokio::task::yield_now().await;
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        tokio::task::spawn_local(task);
    }
}

#[cfg(test)]
mod tests {
    use super::{Pacing, SPIN_LONGEST_NS, SPIN_SHORT_NS, spin_for};

    #[test]
    fn spinning_needs_a_processor_left_for_others() {
        assert_eq!(Pacing::Precise.spin_ns(1, 2), SPIN_LONGEST_NS);
        assert_eq!(Pacing::Precise.spin_ns(2, 2), 0);
        assert_eq!(Pacing::Precise.spin_ns(1, 1), 0);
        assert_eq!(Pacing::Efficient.spin_ns(1, 64), 0);
        assert_eq!(Pacing::Busy.spin_ns(4, 1), i64::MAX);
    }

    #[test]
    fn a_spin_is_as_long_as_the_wake_up_before_it_and_no_larger_part_of_a_long_wait() {
        let longest_ns = Pacing::Precise.spin_ns(1, 2);
        assert_eq!(spin_for(100_000, longest_ns), SPIN_SHORT_NS);
        assert_eq!(spin_for(3_200_000, longest_ns), 100_000);
        assert_eq!(spin_for(1_000_000_000, longest_ns), SPIN_LONGEST_NS);
        assert_eq!(spin_for(1_000_000_000, Pacing::Efficient.spin_ns(1, 2)), 0);
        assert_eq!(spin_for(100, Pacing::Busy.spin_ns(1, 2)), i64::MAX);
    }
}
