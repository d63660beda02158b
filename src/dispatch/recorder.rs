//! Rows of one worker on their way to the writer.
//!
//! The recorder is the worker's only contact with storage: it fills a chunk and hands it to
//! a [`ChunkSink`] when it is full or a quarter of a second old. Handing over never blocks, and
//! gives an emptied chunk back, so that the same few chunks go round.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use openload_contract::TimelineDigest;
use openload_samples::{Chunk, Names, Sample};

use crate::plan::Plan;
use crate::schedule::Arrival;

/// Rows in a full chunk. The writer encodes a column of a chunk in one go and then lets others
/// have the core, which it may share with a worker; half as many rows would put a third of a
/// byte more of page headers on each.
const CHUNK_ROWS: usize = 4_096;

/// Takes full chunks. Implementations must not block.
pub trait ChunkSink {
    /// Takes a chunk over and gives an empty one for it, with its room if there is such a one.
    fn take(&mut self, chunk: Chunk) -> Chunk;
}

/// Counters that other threads may read while the worker runs. Only the worker writes them,
/// so a store is enough and no cache line is fought over.
#[derive(Debug, Default)]
pub struct Gauges {
    dispatched: AtomicU64,
    finished: AtomicU64,
    connections: AtomicU64,
    waiting: AtomicU64,
    late_wakeups: AtomicU64,
    wake_late_max_ns: AtomicI64,
    spin_ns: AtomicI64,
}

/// A wake-up later than this is counted: ten times what a healthy machine needs.
const LATE_WAKEUP_NS: i64 = 1_000_000;

impl Gauges {
    /// Arrivals taken up so far.
    pub fn dispatched(&self) -> u64 {
        self.dispatched.load(Ordering::Relaxed)
    }

    /// Arrivals with a row so far.
    pub fn finished(&self) -> u64 {
        self.finished.load(Ordering::Relaxed)
    }

    /// Connections open now.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Requests that wait for a connection now.
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Wake-ups more than 1 ms after the instant they were meant for, so far.
    pub fn late_wakeups(&self) -> u64 {
        self.late_wakeups.load(Ordering::Relaxed)
    }

    /// Takes the greatest lateness of a wake-up since the last call, in ns.
    pub fn take_wake_late_max_ns(&self) -> i64 {
        self.wake_late_max_ns.swap(0, Ordering::Relaxed)
    }

    /// Time spent spinning before intended starts so far, in ns.
    pub fn spin_ns(&self) -> i64 {
        self.spin_ns.load(Ordering::Relaxed)
    }

    /// Sets the number of open connections.
    pub fn set_connections(&self, connections: u64) {
        self.connections.store(connections, Ordering::Relaxed);
    }

    /// Sets the number of requests that wait for a connection.
    pub fn set_waiting(&self, requests: u64) {
        self.waiting.store(requests, Ordering::Relaxed);
    }

    /// Notes a wake-up `late_ns` after the instant it was meant for.
    pub fn note_wakeup(&self, late_ns: i64) {
        // The reader resets the maximum at any time, so raising it is one operation. It is
        // rare: once in a while per second.
        if late_ns > self.wake_late_max_ns.load(Ordering::Relaxed) {
            self.wake_late_max_ns.fetch_max(late_ns, Ordering::Relaxed);
        }
        if late_ns > LATE_WAKEUP_NS {
            increase(&self.late_wakeups);
        }
    }

    /// Adds time spent spinning before an intended start.
    pub fn add_spin(&self, ns: i64) {
        self.spin_ns.store(self.spin_ns() + ns, Ordering::Relaxed);
    }
}

/// Adds one to a counter that only the calling thread writes.
fn increase(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

/// Collects the rows of one worker.
pub struct Recorder {
    chunk: Chunk,
    sink: Box<dyn ChunkSink>,
    gauges: Arc<Gauges>,
    digest: TimelineDigest,
    dispatched: u64,
    finished: u64,
}

impl Recorder {
    /// Makes a recorder that hands chunks to `sink` and counts in `gauges`.
    pub fn new(sink: Box<dyn ChunkSink>, gauges: Arc<Gauges>) -> Self {
        Self {
            chunk: Chunk::with_capacity(CHUNK_ROWS),
            sink,
            gauges,
            digest: TimelineDigest::default(),
            dispatched: 0,
            finished: 0,
        }
    }

    /// Notes that an arrival was taken up.
    pub fn dispatch(&mut self, arrival: &Arrival) {
        self.digest.add(arrival.seq, arrival.intended_ns);
        self.dispatched += 1;
        self.gauges.dispatched.store(self.dispatched, Ordering::Relaxed);
    }

    /// Takes the row of an arrival.
    pub fn finish(&mut self, sample: &Sample) {
        self.chunk.push(sample);
        self.finished += 1;
        self.gauges.finished.store(self.finished, Ordering::Relaxed);
        if self.chunk.len() >= CHUNK_ROWS {
            self.flush();
        }
    }

    /// Hands over what there is.
    pub fn flush(&mut self) {
        if !self.chunk.is_empty() {
            let full = std::mem::take(&mut self.chunk);
            self.chunk = self.sink.take(full);
            self.chunk.reserve(CHUNK_ROWS);
        }
    }

    /// The counters that other threads read.
    pub fn gauges(&self) -> &Arc<Gauges> {
        &self.gauges
    }

    /// Arrivals taken up that have no row yet.
    pub fn unfinished(&self) -> u64 {
        self.dispatched - self.finished
    }

    /// Arrivals taken up so far.
    pub fn dispatched(&self) -> u64 {
        self.dispatched
    }

    /// Fingerprint of the arrivals taken up so far.
    pub fn digest(&self) -> TimelineDigest {
        self.digest
    }
}

/// From positions in the plan to codes in the dictionary columns.
#[derive(Debug, Clone)]
pub struct RowCodes {
    /// By stream, then phase: streams may share phase names, codes are by name.
    phases: Vec<Vec<u16>>,
}

impl RowCodes {
    /// Collects the names of `plan` and the codes of its phases.
    pub fn new(plan: &Plan) -> (Self, Names) {
        let mut names: Vec<&str> = Vec::new();
        let mut phases = Vec::new();
        for stream in &plan.streams {
            let codes = stream.phases.iter().map(|phase| code_of(&mut names, &phase.name));
            phases.push(codes.collect());
        }
        let streams: Vec<&str> = plan.streams.iter().map(|stream| stream.name.as_str()).collect();
        let scenarios: Vec<&str> =
            plan.scenarios.iter().map(|scenario| scenario.name.as_str()).collect();
        let requests: Vec<&str> =
            plan.scenarios.iter().map(|scenario| scenario.request.name.as_str()).collect();
        (Self { phases }, Names::new(&streams, &names, &scenarios, &requests))
    }

    /// Codes of the phases of each stream, in the order of the plan.
    pub fn by_stream(&self) -> &[Vec<u16>] {
        &self.phases
    }

    /// Code of the phase of an arrival.
    pub fn phase(&self, arrival: &Arrival) -> u16 {
        self.phases[usize::from(arrival.stream)][usize::from(arrival.phase)]
    }
}

/// The position of `name` among the names so far; a new name is appended.
fn code_of<'a>(names: &mut Vec<&'a str>, name: &'a str) -> u16 {
    let known = names.iter().position(|&known| known == name);
    let position = known.unwrap_or_else(|| {
        names.push(name);
        names.len() - 1
    });
    position as u16
}

#[cfg(test)]
mod tests {
    use super::Gauges;

    #[test]
    fn late_wakeups_are_counted_and_the_latest_is_taken_once() {
        let gauges = Gauges::default();
        for late_ns in [400_000, 7_000_000, 1_000_000, 2_000_000] {
            gauges.note_wakeup(late_ns);
        }
        assert_eq!(gauges.late_wakeups(), 2);
        assert_eq!(gauges.take_wake_late_max_ns(), 7_000_000);
        assert_eq!(gauges.take_wake_late_max_ns(), 0);
        gauges.add_spin(30);
        gauges.add_spin(12);
        assert_eq!(gauges.spin_ns(), 42);
    }
}
