//! The queue behind the built-in target: `servers` servers, one line, first come first served.
//!
//! [`QueueModel`] holds no clock and waits for nothing. It is told when a request arrives and
//! says when that request will be finished, which is known at once: under first come first
//! served nothing that arrives later can change it. With `F` the instants at which the servers
//! become free, `A` the arrival and `S` the service (Kiefer and Wolfowitz, 1955; for one
//! server Lindley, 1952):
//!
//! ```text
//! start  = max(A, min F)        finish = start + S        the least of F becomes finish
//! ```
//!
//! Service times and errors are pure functions of (seed, request number): whoever knows the
//! arrivals can compute every completion, so a test can hold a measured run against this
//! recursion row by row. Two things depend on time. In a freeze every server stands still:
//! work that overlaps it is longer by the overlap, and nothing starts. A leak makes the mean
//! service grow linearly with the arrival instant.
//!
//! Times are nanoseconds since the target's time zero; arrivals must not go back in time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rand::{Rng, RngExt, SeedableRng};
use rand_distr::{Distribution, Exp1, LogNormal};
use rand_xoshiro::{SplitMix64, Xoshiro256PlusPlus};

use super::spec::{Freeze, ServiceLaw, TargetSpec};

const NS_PER_S: f64 = 1e9;

/// Status of a request that was served.
const OK: u16 = 200;

/// Status of a request that was served in vain.
const SERVICE_UNAVAILABLE: u16 = 503;

/// Why a [`TargetSpec`] describes no queue.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum SpecError {
    /// Nobody would serve.
    #[error("servers is 0; the target needs at least 1")]
    NoServers,
    /// The mean service time is no time.
    #[error("service_mean_s is {0}; it must be a finite number of seconds, 0 or more")]
    ServiceMean(f64),
    /// The spread of the lognormal service is no spread.
    #[error("cv is {0}; the coefficient of variation must be finite and 0 or more")]
    Spread(f64),
    /// The share of errors is no share.
    #[error("error_rate is {0}; a share lies between 0 and 1")]
    ErrorRate(f64),
    /// A freeze has no place in time.
    #[error("the freeze of {for_s} s at {at_s} s is impossible; both must be finite, 0 or more")]
    Freeze {
        /// Beginning in seconds.
        at_s: f64,
        /// Length in seconds.
        for_s: f64,
    },
    /// The growth of the mean service time is no growth.
    #[error("leak_s_per_s is {0}; it must be finite and 0 or more")]
    Leak(f64),
}

/// What becomes of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Completion {
    /// Number of the request, counted from 0 in order of arrival.
    pub number: u64,
    /// When a server takes it up.
    pub start_ns: i64,
    /// When its answer is due.
    pub finish_ns: i64,
    /// HTTP status of the answer.
    pub status: u16,
}

/// The queue and its servers.
#[derive(Debug, Clone)]
pub struct QueueModel {
    free_ns: BinaryHeap<Reverse<i64>>,
    work: Work,
    calendar: Calendar,
    arrived: u64,
}

impl QueueModel {
    /// Makes the queue with all its servers idle.
    ///
    /// # Errors
    /// When a value of the spec is out of its range.
    pub fn new(spec: &TargetSpec) -> Result<Self, SpecError> {
        if spec.servers == 0 {
            return Err(SpecError::NoServers);
        }
        Ok(Self {
            free_ns: (0..spec.servers).map(|_| Reverse(i64::MIN)).collect(),
            work: Work::new(spec)?,
            calendar: Calendar::new(&spec.freezes)?,
            arrived: 0,
        })
    }

    /// Takes in the next request and says when it will be finished.
    pub fn arrive(&mut self, now_ns: i64) -> Completion {
        let number = self.arrived;
        self.arrived += 1;
        let task = self.work.task(number, now_ns);
        let Reverse(free_ns) = self.free_ns.pop().expect("there is at least one server");
        let start_ns = self.calendar.after_work(now_ns.max(free_ns), 0);
        let finish_ns = self.calendar.after_work(start_ns, task.service_ns);
        self.free_ns.push(Reverse(finish_ns));
        Completion { number, start_ns, finish_ns, status: task.status }
    }
}

/// What one request asks of a server.
struct Task {
    service_ns: i64,
    status: u16,
}

/// The law of the tasks.
#[derive(Debug, Clone)]
struct Work {
    key: u64,
    shape: Shape,
    mean_s: f64,
    leak_s_per_s: f64,
    error_rate: f64,
}

impl Work {
    fn new(spec: &TargetSpec) -> Result<Self, SpecError> {
        let &TargetSpec { service_mean_s: mean_s, leak_s_per_s, error_rate, .. } = spec;
        non_negative(mean_s).ok_or(SpecError::ServiceMean(mean_s))?;
        non_negative(leak_s_per_s).ok_or(SpecError::Leak(leak_s_per_s))?;
        if !(0.0..=1.0).contains(&error_rate) {
            return Err(SpecError::ErrorRate(error_rate));
        }
        let shape = Shape::new(spec.service)?;
        // Scrambled, so that the streams of neighbouring seeds do not share request numbers.
        let key = SplitMix64::seed_from_u64(spec.seed).next_u64();
        Ok(Self { key, shape, mean_s, leak_s_per_s, error_rate })
    }

    fn task(&self, number: u64, now_ns: i64) -> Task {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(self.key ^ number);
        // First the error: it takes one draw under every law, so the same requests fail.
        let fails = random.random::<f64>() < self.error_rate;
        let service_s = self.mean_at(now_ns) * self.shape.draw(&mut random);
        Task {
            service_ns: ns_from_s(service_s),
            status: if fails { SERVICE_UNAVAILABLE } else { OK },
        }
    }

    fn mean_at(&self, now_ns: i64) -> f64 {
        self.mean_s + self.leak_s_per_s * now_ns.max(0) as f64 / NS_PER_S
    }
}

/// A service law with mean 1.
#[derive(Debug, Clone)]
enum Shape {
    Constant,
    Exponential,
    Lognormal(LogNormal<f64>),
}

impl Shape {
    fn new(law: ServiceLaw) -> Result<Self, SpecError> {
        match law {
            ServiceLaw::Deterministic => Ok(Self::Constant),
            ServiceLaw::Exponential => Ok(Self::Exponential),
            ServiceLaw::Lognormal { cv } => non_negative(cv)
                .and_then(|cv| LogNormal::from_mean_cv(1.0, cv).ok())
                .map(Self::Lognormal)
                .ok_or(SpecError::Spread(cv)),
        }
    }

    fn draw(&self, random: &mut impl Rng) -> f64 {
        match self {
            Self::Constant => 1.0,
            Self::Exponential => Exp1.sample(random),
            Self::Lognormal(law) => law.sample(random),
        }
    }
}

/// When the servers work: always but in the freezes.
#[derive(Debug, Clone)]
struct Calendar {
    /// Beginnings and ends, in order of the beginnings; they may overlap.
    freezes_ns: Vec<(i64, i64)>,
}

impl Calendar {
    fn new(freezes: &[Freeze]) -> Result<Self, SpecError> {
        let mut freezes_ns = freezes.iter().map(freeze_ns).collect::<Result<Vec<_>, _>>()?;
        freezes_ns.sort_unstable();
        Ok(Self { freezes_ns })
    }

    /// The instant at which `work_ns` of work is done that began at `from_ns` or, when that lies in
    /// a freeze, at its end. No work at all gives the instant at which work can begin.
    fn after_work(&self, from_ns: i64, work_ns: i64) -> i64 {
        let (mut now_ns, mut left_ns) = (from_ns, work_ns);
        for &(begin_ns, end_ns) in &self.freezes_ns {
            // Nothing begins at the first instant of a freeze, but work may end there.
            if begin_ns >= now_ns.saturating_add(left_ns.max(1)) {
                break;
            }
            if end_ns > now_ns {
                left_ns -= (begin_ns - now_ns).max(0);
                now_ns = end_ns;
            }
        }
        now_ns.saturating_add(left_ns)
    }
}

fn freeze_ns(freeze: &Freeze) -> Result<(i64, i64), SpecError> {
    let &Freeze { at_s, for_s } = freeze;
    non_negative(at_s).and(non_negative(for_s)).ok_or(SpecError::Freeze { at_s, for_s })?;
    Ok((ns_from_s(at_s), ns_from_s(at_s + for_s)))
}

fn non_negative(value: f64) -> Option<f64> {
    (value.is_finite() && value >= 0.0).then_some(value)
}

/// Rounds to whole nanoseconds; what exceeds 292 years is cut off there.
fn ns_from_s(seconds: f64) -> i64 {
    (seconds * NS_PER_S).round() as i64
}

#[cfg(test)]
mod tests;
