//! From a worker to the writer without ever blocking the worker.
//!
//! The channel holds [`CHANNEL_CHUNKS`] chunks. When it is full the worker keeps its chunks
//! and tries again with the next one. A worker that keeps more than [`SPILL_ROWS_MAX`] rows
//! ends the run: rows are never dropped to keep up, and memory is not unlimited.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError};

use openload_samples::Chunk;

use super::backlog::Backlog;
use crate::dispatch::{ChunkSink, StopLevel, StopSignal};

/// Chunks in the channel: a few seconds of rows at high rates.
pub(super) const CHANNEL_CHUNKS: usize = 64;

/// Empty chunks on their way back to a worker; the writer frees what is more.
pub(super) const SPARE_CHUNKS: usize = 4;

/// Most rows a worker keeps while the writer is behind: about 400 MB.
const SPILL_ROWS_MAX: usize = 4_000_000;

/// A chunk and the worker it comes from.
pub(super) struct Handover {
    pub worker: u32,
    pub chunk: Chunk,
}

/// The worker's end of the way to the writer.
pub struct ChannelSink {
    worker: u32,
    sender: SyncSender<Handover>,
    /// Chunks that the writer has emptied.
    spare: Receiver<Chunk>,
    kept: VecDeque<Chunk>,
    kept_rows: usize,
    /// Most rows kept: [`SPILL_ROWS_MAX`] but in a test.
    kept_rows_max: usize,
    backlog: Backlog,
    stop: StopSignal,
    is_overrun: Arc<AtomicBool>,
}

impl ChannelSink {
    pub(super) fn new(
        worker: u32,
        sender: SyncSender<Handover>,
        spare: Receiver<Chunk>,
        backlog: Backlog,
        stop: StopSignal,
        is_overrun: Arc<AtomicBool>,
    ) -> Self {
        let kept = VecDeque::new();
        let kept_rows_max = SPILL_ROWS_MAX;
        Self { worker, sender, spare, kept, kept_rows: 0, kept_rows_max, backlog, stop, is_overrun }
    }

    fn keep(&mut self, chunk: Chunk) {
        self.kept_rows += chunk.len();
        self.backlog.note_taken(chunk.len());
        self.kept.push_back(chunk);
        if self.kept_rows > self.kept_rows_max {
            self.is_overrun.store(true, Ordering::Relaxed);
            self.stop.raise(StopLevel::Now);
        }
    }

    fn hand_over_kept(&mut self) {
        while let Some(chunk) = self.kept.pop_front() {
            let rows = chunk.len();
            match self.sender.try_send(Handover { worker: self.worker, chunk }) {
                // The writer is gone after an error, which ends the run by itself.
                Ok(()) | Err(TrySendError::Disconnected(_)) => {
                    self.kept_rows -= rows;
                    self.backlog.note_sent(rows);
                }
                Err(TrySendError::Full(handover)) => {
                    self.kept.push_front(handover.chunk);
                    return;
                }
            }
        }
    }
}

impl ChunkSink for ChannelSink {
    fn take(&mut self, chunk: Chunk) -> Chunk {
        self.keep(chunk);
        self.hand_over_kept();
        self.spare.try_recv().unwrap_or_default()
    }
}

impl Drop for ChannelSink {
    /// The worker has ended, so waiting for the writer delays nothing.
    fn drop(&mut self) {
        for chunk in self.kept.drain(..) {
            self.backlog.note_sent(chunk.len());
            if self.sender.send(Handover { worker: self.worker, chunk }).is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::Ordering;
    use std::sync::mpsc::{Receiver, sync_channel};

    use openload_contract::Outcome;
    use openload_samples::{Chunk, Sample};

    use super::{ChannelSink, Handover};
    use crate::dispatch::{ChunkSink, StopLevel, StopSignal};
    use crate::sink::Backlog;

    /// A sink that may keep three rows beside a channel that holds one chunk.
    fn sink() -> (ChannelSink, Receiver<Handover>) {
        let (sender, receiver) = sync_channel(1);
        let (_, spare) = sync_channel(1);
        let stop = StopSignal::default();
        let mut sink = ChannelSink::new(0, sender, spare, Backlog::default(), stop, Arc::default());
        sink.kept_rows_max = 3;
        (sink, receiver)
    }

    fn chunk(rows: usize) -> Chunk {
        let mut chunk = Chunk::default();
        for seq in 0..rows as u64 {
            chunk.push(&Sample {
                seq,
                intended_ns: 0,
                lag_ns: 0,
                connect_ns: None,
                pool_wait_ns: None,
                sent_ns: None,
                ttfb_ns: None,
                response_ns: 0,
                status: None,
                outcome: Outcome::Dropped,
                stream: 0,
                phase: 0,
                scenario: 0,
                request: 0,
                step: 0,
                bytes_in: 0,
                bytes_out: 0,
            });
        }
        chunk
    }

    fn lengths(handovers: impl Iterator<Item = Handover>) -> Vec<usize> {
        handovers.map(|given| given.chunk.len()).collect()
    }

    #[test]
    fn a_writer_that_is_behind_ends_the_run_at_the_bound_and_still_gets_every_row() {
        let (mut sink, receiver) = sink();
        let (stop, is_overrun) = (sink.stop.clone(), Arc::clone(&sink.is_overrun));
        for rows in [3, 1, 2] {
            sink.take(chunk(rows));
        }
        assert_eq!((sink.backlog.queued(), sink.backlog.kept()), (3, 3));
        assert_eq!((stop.level(), is_overrun.load(Ordering::Relaxed)), (StopLevel::Run, false));
        sink.take(chunk(1));
        assert_eq!((stop.level(), is_overrun.load(Ordering::Relaxed)), (StopLevel::Now, true));

        let writer = std::thread::spawn(move || lengths(receiver.iter()));
        drop(sink);
        assert_eq!(writer.join().unwrap(), [3, 1, 2, 1]);
    }

    #[test]
    fn a_writer_that_catches_up_gets_what_was_kept_first() {
        let (mut sink, receiver) = sink();
        let mut received = Vec::new();
        for rows in [3, 1, 2] {
            sink.take(chunk(rows));
        }
        while sink.backlog.kept() > 0 {
            received.push(receiver.try_recv().unwrap().chunk.len());
            sink.hand_over_kept();
        }
        sink.take(chunk(3));
        received.extend(lengths(receiver.try_iter()));
        sink.hand_over_kept();
        received.extend(lengths(receiver.try_iter()));
        assert_eq!(received, [3, 1, 2, 3]);
        assert_eq!(sink.stop.level(), StopLevel::Run);
    }
}
