//! What is chosen per run and not in the profile.

use std::path::PathBuf;
use std::time::SystemTime;

use openload_contract::ShardId;

use crate::os;
use crate::pacer::Pacing;
use crate::plan::Plan;

/// Arrivals per second that one worker is given without being asked.
const RATE_PER_WORKER: f64 = 20_000.0;

/// What is chosen per run and not in the profile.
#[derive(Debug, Clone)]
pub struct RunSettings {
    /// Run directory; made when it is not there.
    pub run_dir: PathBuf,
    /// Worker threads.
    pub workers: u32,
    /// Part of a distributed run.
    pub shard: ShardId,
    /// How workers wait.
    pub pacing: Pacing,
    /// Processors for the workers, one each, in turn; empty leaves it to the system.
    pub cpus: Vec<u32>,
    /// Processors that this process may use.
    pub cores: u32,
    /// Wall-clock time of the run's start; at once when absent.
    pub start_at: Option<SystemTime>,
}

impl RunSettings {
    /// Longest time a worker may spin before an intended start.
    pub fn spin_ns(&self) -> i64 {
        // Workers that take turns on a processor would spin in each other's time.
        let have_one_each = self.cpus.is_empty() || self.workers as usize <= self.cpus.len();
        let cores = if have_one_each { self.cores } else { self.workers };
        self.pacing.spin_ns(self.workers, cores)
    }

    /// Moves the calling thread, and those it starts from now on, off the processors of the
    /// workers, as far as there are others.
    pub(super) fn leave_worker_cpus(&self) {
        let mut others = os::thread_cpus();
        others.retain(|cpu| !self.cpus.contains(cpu));
        if !self.cpus.is_empty() && !others.is_empty() {
            // Where it is refused, the threads share what they have.
            let _ = os::pin_thread(&others);
        }
    }

    /// Processor that a worker is to stay on, if any.
    pub(super) fn cpu(&self, worker: u32) -> Option<u32> {
        let index = worker as usize % self.cpus.len().max(1);
        self.cpus.get(index).copied()
    }
}

/// Chooses the number of workers for a plan: as few as carry its peak rate, so that a small
/// run leaves the processors to others, and at most one on each of `cpus`, if any are named.
pub fn worker_count(plan: &Plan, shard: ShardId, cpus: &[u32]) -> u32 {
    let peak = plan.peak_rate() / f64::from(shard.count);
    let most = if cpus.is_empty() { os::cores() } else { cpus.len() as u32 };
    ((peak / RATE_PER_WORKER).ceil() as u32).clamp(1, most)
}
