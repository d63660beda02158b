//! The thread that notes the generator's vital signs once a second.
//!
//! It reads what the system tells about this process, what the workers count in their
//! [`Gauges`] and how far the writer is behind, and appends a line to `monitor.csv`. It asks
//! nothing of the threads it watches: they store numbers whether it reads them or not.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use openload_contract::monitor::{FILE_NAME, Vitals, header};

use super::RunError;
use super::threads::ThreadTracker;
use crate::clock::{Epoch, nanos};
use crate::dispatch::Gauges;
use crate::os::{self, Disturbances};
use crate::sink::Backlog;

/// Reads the target's memory, where it can be read.
pub(super) type TargetMemory = Box<dyn Fn() -> Option<u64> + Send>;

/// What is watched besides the process itself.
pub(super) struct Watched {
    /// Memory of the target.
    pub target_memory: TargetMemory,
    /// Counters of each worker, by its number.
    pub gauges: Vec<Arc<Gauges>>,
    /// How far the writer is behind.
    pub backlog: Backlog,
}

/// Notes vital signs until it is dropped.
pub(super) struct Monitor {
    /// Dropping it ends the thread.
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Monitor {
    /// Starts the thread.
    pub fn start(run_dir: &Path, epoch: Epoch, watched: Watched) -> Result<Self, RunError> {
        let path = run_dir.join(FILE_NAME);
        let mut file = File::create(&path).map_err(RunError::io(&path))?;
        writeln!(file, "{}", header()).map_err(RunError::io(&path))?;
        let (end, ended) = channel::<()>();
        let mut probe = Probe::new(epoch, watched);
        let watch = move || {
            loop {
                match ended.recv_timeout(until_next_second(epoch)) {
                    Err(RecvTimeoutError::Timeout) => {}
                    // The last line is for the second that the end falls into.
                    _ => {
                        let _ = probe.note(&mut file);
                        return;
                    }
                }
                // A full disk also stops the samples, and they say so.
                let _ = probe.note(&mut file);
            }
        };
        let thread = std::thread::Builder::new()
            .name("gen-monitor".to_owned())
            .spawn(watch)
            .map_err(RunError::Thread)?;
        Ok(Self { end: Some(end), thread: Some(thread) })
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            // A monitor that panicked has nothing more to note.
            let _ = thread.join();
        }
    }
}

/// Reads the vital signs, and what they were at the line before.
struct Probe {
    epoch: Epoch,
    watched: Watched,
    wall_at_start_ns: i64,
    threads: ThreadTracker,
    disturbances: Disturbances,
    late_wakeups: u64,
}

impl Probe {
    fn new(epoch: Epoch, watched: Watched) -> Self {
        Self {
            epoch,
            watched,
            wall_at_start_ns: wall_ns() - epoch.elapsed_ns(),
            threads: ThreadTracker::default(),
            disturbances: Disturbances::default(),
            late_wakeups: 0,
        }
    }

    fn note(&mut self, file: &mut File) -> io::Result<()> {
        let vitals = self.read();
        // Before the start a look only sets what the first line counts from.
        if vitals.t_ns < 0 { Ok(()) } else { writeln!(file, "{}", vitals.to_line()) }
    }

    fn read(&mut self) -> Vitals {
        let t_ns = self.epoch.elapsed_ns();
        let threads = self.look_at_threads();
        let disturbances = self.look_at_disturbances();
        let gauges = &self.watched.gauges;
        let sum = |read: fn(&Gauges) -> u64| gauges.iter().map(|one| read(one)).sum::<u64>();
        let in_flight = sum(Gauges::dispatched).saturating_sub(sum(Gauges::finished));
        let late_wakeups = sum(Gauges::late_wakeups);
        let late_before = std::mem::replace(&mut self.late_wakeups, late_wakeups);
        let wake_late_max_ns = gauges.iter().map(|one| one.take_wake_late_max_ns()).max();
        Vitals {
            t_ns,
            cpu_ns: os::process_cpu_ns(),
            rss_bytes: os::resident_bytes(std::process::id()),
            target_rss_bytes: (self.watched.target_memory)(),
            wall_offset_ns: wall_ns() - t_ns - self.wall_at_start_ns,
            late_wakeups: Some(late_wakeups - late_before),
            wake_late_max_ns,
            in_flight: Some(in_flight),
            connections: Some(sum(Gauges::connections)),
            waiting: Some(sum(Gauges::waiting)),
            rows_queued: Some(self.watched.backlog.queued()),
            rows_kept: Some(self.watched.backlog.kept()),
            open_files: os::open_files(),
            major_faults: disturbances.major_faults,
            throttled_ns: disturbances.throttled_ns,
            steal_ns: disturbances.steal_ns,
            ..threads
        }
    }

    /// The part of a line that is about threads.
    fn look_at_threads(&mut self) -> Vitals {
        let spun_ns: Vec<i64> = self.watched.gauges.iter().map(|one| one.spin_ns()).collect();
        let used = self.threads.look(os::threads(), &spun_ns);
        Vitals {
            workers_cpu_ns: used.map(|used| used.workers_cpu_ns),
            worker_cpu_max_ns: used.map(|used| used.worker_cpu_max_ns),
            worker_busy_max_ns: used.map(|used| used.worker_busy_max_ns),
            worker_wait_max_ns: used.and_then(|used| used.worker_wait_max_ns),
            preemptions: used.and_then(|used| used.preemptions),
            writer_cpu_ns: used.map(|used| used.writer_cpu_ns),
            other_cpu_ns: used.map(|used| used.other_cpu_ns),
            spin_ns: used.map(|used| used.spin_ns),
            ..Vitals::default()
        }
    }

    /// What has disturbed the process since the last look.
    fn look_at_disturbances(&mut self) -> Disturbances {
        let now = os::disturbances();
        let before = std::mem::replace(&mut self.disturbances, now);
        Disturbances {
            major_faults: now.major_faults.zip(before.major_faults).map(|(now, old)| now - old),
            throttled_ns: now.throttled_ns.zip(before.throttled_ns).map(|(now, old)| now - old),
            steal_ns: now.steal_ns.zip(before.steal_ns).map(|(now, old)| now - old),
        }
    }
}

fn wall_ns() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, nanos)
}

fn until_next_second(epoch: Epoch) -> Duration {
    let into_ns = epoch.elapsed_ns().rem_euclid(1_000_000_000);
    Duration::from_nanos((1_000_000_000 - into_ns).unsigned_abs())
}
