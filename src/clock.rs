//! Time as a parameter.
//!
//! Everything that waits or stamps gets a [`Clock`]. Times are nanoseconds since the run's
//! start: an `i64` holds 292 years of them. The real clock reads the system's monotonic
//! clock; tests put simulated time in its place and run hours in milliseconds.

use std::future::Future;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

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
        Self::now().since_ns(self)
    }

    /// This start as nanoseconds since another one.
    pub fn since_ns(self, other: Self) -> i64 {
        match self.0.checked_duration_since(other.0) {
            Some(after) => nanos(after),
            None => -nanos(other.0 - self.0),
        }
    }

    /// The instant that lies `ns` after the start.
    pub fn instant(self, ns: i64) -> Instant {
        let distance = Duration::from_nanos(ns.unsigned_abs());
        if ns < 0 { self.0 - distance } else { self.0 + distance }
    }
}

/// Readings of both clocks of which [`UnixClock`] keeps the closest. A reading takes tens of
/// nanoseconds unless the thread loses its core between the two; sixteen times in a row it does not.
const PAIRED_READINGS: u32 = 16;

/// The wall clock as the monotonic clock tells it.
///
/// The distance between the two is taken once, so that times neither jump nor run backwards when
/// somebody sets the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnixClock {
    instant: Instant,
    unix_ns: i64,
    uncertainty_ns: i64,
}

impl UnixClock {
    /// Takes the distance between the clocks.
    pub fn new() -> Self {
        let first = Self::pair();
        (1..PAIRED_READINGS).map(|_| Self::pair()).fold(first, Self::closer)
    }

    /// Nanoseconds since 1970-01-01 00:00:00 UTC.
    pub fn now_unix_ns(&self) -> i64 {
        self.unix_ns + nanos(self.instant.elapsed())
    }

    /// The start that lies at a time of the wall clock.
    pub fn epoch_at(&self, unix_ns: i64) -> Epoch {
        Epoch(Epoch(self.instant).instant(unix_ns - self.unix_ns))
    }

    /// By how many ns the distance may be wrong either way.
    pub fn uncertainty_ns(&self) -> i64 {
        self.uncertainty_ns
    }

    /// Reads the wall clock between two readings of the monotonic one.
    fn pair() -> Self {
        let before = Instant::now();
        let wall = SystemTime::now();
        let half = before.elapsed() / 2;
        let unix_ns = wall.duration_since(UNIX_EPOCH).map_or(0, nanos);
        Self { instant: before + half, unix_ns, uncertainty_ns: nanos(half) }
    }

    fn closer(self, other: Self) -> Self {
        if other.uncertainty_ns < self.uncertainty_ns { other } else { self }
    }
}

impl Default for UnixClock {
    fn default() -> Self {
        Self::new()
    }
}

/// Nanoseconds of a duration, at most 292 years.
pub fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Epoch, UnixClock, nanos};
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    #[test]
    fn time_before_the_start_is_negative() {
        let epoch = Epoch::in_the_future(Duration::from_secs(100));
        assert!(epoch.elapsed_ns() < -99_000_000_000);
        assert_eq!(epoch.instant(-5), epoch.instant(0) - Duration::from_nanos(5));
    }
    #[test]
    fn the_unix_clock_agrees_with_the_wall_clock_and_never_runs_backwards() {
        let clock = UnixClock::new();
        let wall_ns = nanos(SystemTime::now().duration_since(UNIX_EPOCH).unwrap());
        let read_ns = clock.now_unix_ns();
        assert!((read_ns - wall_ns).abs() < 1_000_000_000, "{read_ns} and {wall_ns}");
        assert!(clock.now_unix_ns() >= read_ns);
        assert!(clock.uncertainty_ns() >= 0);
    }
}
