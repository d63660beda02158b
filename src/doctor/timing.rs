//! How well this host tells the time and wakes a thread.

use std::io;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::Serialize;

use crate::clock::{Clock, Epoch, nanos};
use crate::pacer::{Pacer, Pacing};

/// Time from one wake-up to the next one asked for: no multiple of a millisecond, so that a
/// timer with ticks cannot hit by chance.
const STEP_NS: i64 = 530_000;

/// A pause of a busy loop from here on is a gap: ten times what a system call takes.
const GAP_NS: i64 = 50_000;

/// What reading the clock costs and shows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct ClockFacts {
    /// Time one reading takes.
    pub read_ns: f64,
    /// Smallest step between two readings.
    pub resolution_ns: i64,
}

/// How late something was, over many times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, JsonSchema)]
pub struct Lateness {
    /// How often it was measured.
    pub count: usize,
    /// Median.
    pub p50_ns: i64,
    /// 99th percentile.
    pub p99_ns: i64,
    /// Greatest.
    pub max_ns: i64,
}

impl Lateness {
    /// Sums up measured times; all zero when there are none.
    pub fn of(mut late_ns: Vec<i64>) -> Self {
        late_ns.sort_unstable();
        Self {
            count: late_ns.len(),
            p50_ns: quantile(&late_ns, 0.5),
            p99_ns: quantile(&late_ns, 0.99),
            max_ns: late_ns.last().copied().unwrap_or(0),
        }
    }
}

/// The smallest of the sorted values that at least the share `level` does not exceed.
fn quantile(sorted: &[i64], level: f64) -> i64 {
    let rank = (level * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

/// Lateness of wake-ups by the way of waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Wakeups {
    /// The runtime's timer, for time-outs only.
    pub runtime: Lateness,
    /// The kernel's timer: `--pacing efficient`.
    pub kernel: Lateness,
    /// The kernel's timer, then a short spin: `--pacing precise`.
    pub spin: Lateness,
}

/// Pauses of a thread that never gives its processor away: the noise floor.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, JsonSchema)]
pub struct Gaps {
    /// Pauses of 50 µs and more per second.
    pub per_s: f64,
    /// The longest one.
    pub longest_ns: i64,
    /// Share of the time lost in them.
    pub lost_share: f64,
}

/// Measures the clock with `readings` readings.
pub fn clock(readings: u32) -> ClockFacts {
    let start = Instant::now();
    let mut last = start;
    let mut resolution_ns = i64::MAX;
    for _ in 0..readings {
        let now = Instant::now();
        let step_ns = nanos(now - last);
        if step_ns > 0 {
            resolution_ns = resolution_ns.min(step_ns);
        }
        last = now;
    }
    ClockFacts { read_ns: nanos(last - start) as f64 / f64::from(readings.max(1)), resolution_ns }
}

/// Measures `count` wake-ups of each kind, on this thread.
///
/// # Errors
/// When no runtime or no timer can be made.
pub fn wakeups(count: usize) -> io::Result<Wakeups> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let sleeping = Pacer::new(Epoch::now(), Pacing::Precise)?.spinning_for(Pacing::Precise, 0);
        let spinning = Pacer::new(Epoch::now(), Pacing::Precise)?;
        Ok(Wakeups {
            runtime: late(&sleeping, count, |due_ns| sleeping.sleep_until(due_ns)).await,
            kernel: late(&sleeping, count, |due_ns| sleeping.wait_until(due_ns)).await,
            spin: late(&spinning, count, |due_ns| spinning.wait_until(due_ns)).await,
        })
    })
}

async fn late<F: Future>(clock: &Pacer, count: usize, wait: impl Fn(i64) -> F) -> Lateness {
    let mut late_ns = Vec::with_capacity(count);
    for _ in 0..count {
        let due_ns = clock.now_ns() + STEP_NS;
        wait(due_ns).await;
        late_ns.push(clock.now_ns() - due_ns);
    }
    Lateness::of(late_ns)
}

/// Spins for `length` and notes what interrupted it.
pub fn gaps(length: Duration) -> Gaps {
    let start = Instant::now();
    let mut found_ns = Vec::new();
    let mut last = start;
    while last - start < length {
        let now = Instant::now();
        let pause_ns = nanos(now - last);
        if pause_ns >= GAP_NS {
            found_ns.push(pause_ns);
        }
        last = now;
    }
    let elapsed_s = (last - start).as_secs_f64();
    Gaps {
        per_s: found_ns.len() as f64 / elapsed_s,
        longest_ns: found_ns.iter().copied().max().unwrap_or(0),
        lost_share: found_ns.iter().sum::<i64>() as f64 / 1e9 / elapsed_s,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Lateness, clock, gaps, wakeups};

    #[test]
    fn quantiles_are_ranks() {
        let late = Lateness::of((1..=200).rev().collect());
        assert_eq!(late, Lateness { count: 200, p50_ns: 100, p99_ns: 198, max_ns: 200 });
        assert_eq!(Lateness::of(Vec::new()), Lateness::default());
    }

    #[test]
    fn every_kind_of_wake_up_is_measured_and_none_is_early() {
        let wakeups = wakeups(5).unwrap();
        for late in [wakeups.runtime, wakeups.kernel, wakeups.spin] {
            assert_eq!(late.count, 5);
            assert!(late.p50_ns >= 0 && late.p50_ns <= late.max_ns, "{late:?}");
        }
    }

    #[test]
    fn the_clock_moves_and_gaps_fit_into_the_time() {
        let clock = clock(1_000);
        assert!(clock.read_ns > 0.0 && clock.resolution_ns > 0, "{clock:?}");
        let gaps = gaps(Duration::from_millis(5));
        assert!((0.0..=1.0).contains(&gaps.lost_share), "{gaps:?}");
    }
}
