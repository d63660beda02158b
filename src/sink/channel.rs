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
        Self { worker, sender, spare, kept, kept_rows: 0, backlog, stop, is_overrun }
    }

    fn keep(&mut self, chunk: Chunk) {
        self.kept_rows += chunk.len();
        self.backlog.note_taken(chunk.len());
        self.kept.push_back(chunk);
        if self.kept_rows > SPILL_ROWS_MAX {
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
