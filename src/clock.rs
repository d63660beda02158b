//! Time as a parameter.
//!
//! Everything that waits or stamps gets a [`Clock`]. Times are nanoseconds since the run's
//! start: an `i64` holds 292 years of them. The real clock reads the system's monotonic
//! clock; tests put simulated time in its place and run hours in milliseconds.

use std::future::Future;
use std::time::{Duration, Instant};

/// A clock, and the means to run tasks that wait on it.
pub trait Clock: Clone + 'static {
    /// Nanoseconds since the run's start; negative before it.
    fn now_ns(&self) -> i64;

    /// Completes at `due_ns` or up to a few milliseconds later: for deadlines.
    fn sleep_until(&self, due_ns: i64) -> impl Future<Output = ()> + 'static;

    /// Completes at `due_ns`, as exactly as this clock can, or a little later where it is to
    /// save wake-ups.
    fn wait_until(&self, due_ns: i64) -> impl Future<Output = WakeUp>;

    /// Lets other tasks of this thread run, then completes.
    fn yield_now(&self) -> impl Future<Output = ()>;

    /// Starts a task on this thread.
    fn spawn(&self, task: impl Future<Output = ()> + 'static);
}

/// How a precise wait went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WakeUp {
    /// By how many ns it missed the instant it aimed for.
    pub late_ns: i64,
    /// Time spent spinning, in ns.
    pub spun_ns: i64,
}

/// The monotonic clock of the system, counted from a common start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch(Instant);

impl Epoch {
    /// Takes the present instant as the start.
    pub fn now() -> Self {
        Self(Instant::now())
    }

    /// The start that lies `ahead` from now.
    pub fn in_the_future(ahead: Duration) -> Self {
        Self(Instant::now() + ahead)
    }

    /// Nanoseconds since the start; negative before it.
    pub fn elapsed_ns(self) -> i64 {
        let now = Instant::now();
        match now.checked_duration_since(self.0) {
            Some(after) => nanos(after),
            None => -nanos(self.0 - now),
        }
    }

    /// The instant that lies `ns` after the start.
    pub fn instant(self, ns: i64) -> Instant {
        let distance = Duration::from_nanos(ns.unsigned_abs());
        if ns < 0 { self.0 - distance } else { self.0 + distance }
    }
}

/// Nanoseconds of a duration, at most 292 years.
pub fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::Epoch;
    use std::time::Duration;

    #[test]
    fn time_before_the_start_is_negative() {
        let epoch = Epoch::in_the_future(Duration::from_secs(100));
        assert!(epoch.elapsed_ns() < -99_000_000_000);
        assert_eq!(epoch.instant(-5), epoch.instant(0) - Duration::from_nanos(5));
    }
}
