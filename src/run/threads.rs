//! What the threads of a run have used between two looks.
//!
//! The system counts by thread and since the thread's start; a line of `monitor.csv` is about
//! a second and about parts of the program. Threads are told apart by their names. A thread
//! that has ended takes what it used since the last look with it.

use std::collections::HashMap;

use crate::os::ThreadUse;

/// Name of a worker's thread, before its number.
pub(super) const WORKER: &str = "gen-worker-";
const WRITER: &str = "gen-writer";

/// What the threads of a run have used since the last look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct ThreadShares {
    pub workers_cpu_ns: i64,
    pub worker_cpu_max_ns: i64,
    pub worker_busy_max_ns: i64,
    pub worker_wait_max_ns: Option<i64>,
    pub preemptions: Option<u64>,
    pub writer_cpu_ns: i64,
    pub other_cpu_ns: i64,
    pub spin_ns: i64,
}

impl ThreadShares {
    fn add_worker(&mut self, used: &ThreadUse, spun_ns: i64) {
        self.workers_cpu_ns += used.cpu_ns;
        self.worker_cpu_max_ns = self.worker_cpu_max_ns.max(used.cpu_ns);
        self.worker_busy_max_ns = self.worker_busy_max_ns.max(used.cpu_ns - spun_ns);
        self.worker_wait_max_ns = self.worker_wait_max_ns.max(used.wait_ns);
        if let Some(preemptions) = used.preemptions {
            *self.preemptions.get_or_insert(0) += preemptions;
        }
    }
}

/// Remembers what each thread had used at the last look.
#[derive(Debug, Default)]
pub(super) struct ThreadTracker {
    before: HashMap<u32, ThreadUse>,
    spun_before_ns: Vec<i64>,
}

impl ThreadTracker {
    /// Takes the threads as they are now, and the time each worker has spent spinning so far;
    /// `None` on a platform that does not list threads.
    pub fn look(&mut self, threads: Vec<ThreadUse>, spun_ns: &[i64]) -> Option<ThreadShares> {
        let spun_before_ns = std::mem::replace(&mut self.spun_before_ns, spun_ns.to_vec());
        let spun_since_ns = |worker: usize| {
            let before_ns = spun_before_ns.get(worker).copied().unwrap_or(0);
            spun_ns.get(worker).map_or(0, |now_ns| now_ns - before_ns)
        };
        if threads.is_empty() {
            return None;
        }
        let mut shares = ThreadShares {
            spin_ns: (0..spun_ns.len()).map(spun_since_ns).sum(),
            ..ThreadShares::default()
        };
        for thread in &threads {
            let used = since(thread, self.before.get(&thread.id));
            match thread.name.strip_prefix(WORKER).map(str::parse) {
                Some(Ok(worker)) => shares.add_worker(&used, spun_since_ns(worker)),
                _ if thread.name == WRITER => shares.writer_cpu_ns += used.cpu_ns,
                _ => shares.other_cpu_ns += used.cpu_ns,
            }
        }
        self.before = threads.into_iter().map(|thread| (thread.id, thread)).collect();
        Some(shares)
    }
}

/// What a thread has used since the last look; all of it when it is new.
fn since(now: &ThreadUse, before: Option<&ThreadUse>) -> ThreadUse {
    let Some(before) = before else { return now.clone() };
    ThreadUse {
        cpu_ns: now.cpu_ns - before.cpu_ns,
        wait_ns: now.wait_ns.zip(before.wait_ns).map(|(now, before)| now - before),
        preemptions: now.preemptions.zip(before.preemptions).map(|(now, before)| now - before),
        ..now.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::{ThreadShares, ThreadTracker};
    use crate::os::ThreadUse;

    fn thread(id: u32, name: &str, cpu_ns: i64, wait_ns: i64, preemptions: u64) -> ThreadUse {
        ThreadUse {
            id,
            name: name.to_owned(),
            cpu_ns,
            wait_ns: Some(wait_ns),
            preemptions: Some(preemptions),
        }
    }

    #[test]
    fn threads_are_told_apart_and_counted_from_the_last_look() {
        let mut tracker = ThreadTracker::default();
        let first = vec![
            thread(1, "gen", 50, 0, 0),
            thread(2, "gen-worker-0", 100, 10, 1),
            thread(3, "gen-worker-1", 200, 20, 2),
            thread(4, "gen-writer", 30, 0, 0),
        ];
        tracker.look(first, &[5, 50]);
        let second = vec![
            thread(1, "gen", 57, 0, 0),
            thread(2, "gen-worker-0", 1_000, 15, 4),
            thread(3, "gen-worker-1", 1_000, 120, 3),
            thread(4, "gen-writer", 41, 0, 0),
            thread(5, "target", 8, 0, 0),
        ];
        let expected = ThreadShares {
            workers_cpu_ns: 1_700,
            worker_cpu_max_ns: 900,
            // 900 − 295 of the first worker, 800 − 100 of the second.
            worker_busy_max_ns: 700,
            worker_wait_max_ns: Some(100),
            preemptions: Some(4),
            writer_cpu_ns: 11,
            other_cpu_ns: 15,
            spin_ns: 395,
        };
        assert_eq!(tracker.look(second, &[300, 150]), Some(expected));
        assert_eq!(tracker.look(Vec::new(), &[300, 150]), None);
    }
}
