//! The thread that writes the rows of all workers.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use openload_contract::ShardId;
use openload_samples::{Chunk, Error, Names, PartWriter, Rotation, worker_dir};

use super::backlog::Backlog;
use super::channel::{CHANNEL_CHUNKS, ChannelSink, Handover, SPARE_CHUNKS};
use super::live::Live;
use crate::clock::Epoch;
use crate::dispatch::{StopLevel, StopSignal};
use crate::os;

/// How often parts are looked at when no rows arrive.
const IDLE: Duration = Duration::from_millis(200);

/// What the writer needs to know.
pub struct WriterSetup {
    /// Run directory.
    pub run_dir: PathBuf,
    /// Part of a distributed run.
    pub shard: ShardId,
    /// Workers that will hand over rows.
    pub workers: u32,
    /// Names behind the codes of the rows.
    pub names: Names,
    /// Facts for the metadata of every file.
    pub notes: Vec<(String, String)>,
    /// When parts are closed.
    pub rotation: Rotation,
    /// The run's start.
    pub epoch: Epoch,
    /// What looks at the rows on their way.
    pub watcher: Option<Watcher>,
}

/// Looks at every chunk of rows before it is written.
pub type Watcher = Box<dyn FnMut(&Chunk) + Send>;

/// What became of the rows.
#[derive(Debug)]
pub struct WriterReport {
    /// Rows written.
    pub rows: u64,
    /// Rows that arrived after the file system had refused.
    pub rows_lost: u64,
    /// Why writing ended early.
    pub error: Option<Error>,
    /// Whether a worker had to stop because the writer was too slow.
    pub is_overrun: bool,
}

/// The thread that writes the rows of all workers.
pub struct Writer {
    sender: SyncSender<Handover>,
    /// The ways back of empty chunks that no worker has taken yet, by worker.
    spares: Vec<Option<Receiver<Chunk>>>,
    thread: JoinHandle<WriterReport>,
    live: Live,
    backlog: Backlog,
    stop: StopSignal,
    is_overrun: Arc<AtomicBool>,
}

impl Writer {
    /// Makes the folders and starts the thread. It stops the run when it cannot write.
    ///
    /// # Errors
    /// When a folder cannot be made or no thread started.
    pub fn start(setup: WriterSetup, stop: StopSignal) -> Result<Self, Error> {
        let (sender, receiver) = sync_channel(CHANNEL_CHUNKS);
        let (live, backlog) = (Live::new(), Backlog::default());
        let parts = (0..setup.workers).map(|worker| {
            let dir = worker_dir(&setup.run_dir, setup.shard, worker);
            PartWriter::new(&dir, setup.names.clone(), setup.rotation, &setup.notes)
        });
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        let spares = (0..setup.workers).map(|_| sync_channel(SPARE_CHUNKS));
        let (spare_senders, spares): (Vec<_>, Vec<_>) =
            spares.map(|(sender, receiver)| (sender, Some(receiver))).unzip();
        let mut state = WriterState {
            parts,
            spares: spare_senders,
            epoch: setup.epoch,
            watcher: setup.watcher,
            live: live.clone(),
            backlog: backlog.clone(),
            report: WriterReport { rows: 0, rows_lost: 0, error: None, is_overrun: false },
            stop: stop.clone(),
        };
        let thread = std::thread::Builder::new()
            .name("gen-writer".to_owned())
            .spawn(move || {
                os::yield_to_other_threads();
                state.receive_all(&receiver);
                state.close()
            })
            .map_err(Error::io(&setup.run_dir))?;
        Ok(Self { sender, spares, thread, live, backlog, stop, is_overrun: Arc::default() })
    }

    /// The way to this writer for one worker.
    ///
    /// # Panics
    /// When it was already given away.
    pub fn sink(&mut self, worker: u32) -> ChannelSink {
        let (sender, stop) = (self.sender.clone(), self.stop.clone());
        let spare = self.spares[worker as usize].take().expect("one sink a worker");
        let (backlog, is_overrun) = (self.backlog.clone(), Arc::clone(&self.is_overrun));
        ChannelSink::new(worker, sender, spare, backlog, stop, is_overrun)
    }

    /// The live figures of the rows.
    pub fn live(&self) -> Live {
        self.live.clone()
    }

    /// How far this writer is behind.
    pub fn backlog(&self) -> Backlog {
        self.backlog.clone()
    }

    /// Waits until all sinks are gone and every row is in a closed part.
    pub fn finish(self) -> WriterReport {
        let Self { sender, thread, is_overrun, .. } = self;
        drop(sender);
        let mut report = match thread.join() {
            Ok(report) => report,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        report.is_overrun = is_overrun.load(Ordering::Relaxed);
        report
    }
}

struct WriterState {
    parts: Vec<PartWriter>,
    /// The ways back of empty chunks, by worker.
    spares: Vec<SyncSender<Chunk>>,
    epoch: Epoch,
    watcher: Option<Watcher>,
    live: Live,
    backlog: Backlog,
    report: WriterReport,
    stop: StopSignal,
}

impl WriterState {
    fn receive_all(&mut self, receiver: &Receiver<Handover>) {
        loop {
            match receiver.recv_timeout(IDLE) {
                Ok(handover) => self.take(handover),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.close_due_parts();
        }
    }

    fn take(&mut self, handover: Handover) {
        let Handover { worker, mut chunk } = handover;
        self.live.add(&chunk);
        if let Some(watch) = &mut self.watcher {
            watch(&chunk);
        }
        self.record(worker, &chunk);
        self.backlog.note_written(chunk.len());
        chunk.clear();
        // A worker that has ended or has enough spare chunks does not need this one.
        let _ = self.spares[worker as usize].try_send(chunk);
    }

    fn record(&mut self, worker: u32, chunk: &Chunk) {
        let rows = chunk.len() as u64;
        if self.report.error.is_some() {
            self.report.rows_lost += rows;
            return;
        }
        match self.write(worker, chunk) {
            Ok(()) => self.report.rows += rows,
            Err(error) => {
                self.report.rows_lost += rows;
                self.give_up(error);
            }
        }
    }

    fn write(&mut self, worker: u32, chunk: &Chunk) -> Result<(), Error> {
        self.parts[worker as usize].append(chunk, self.epoch.elapsed_ns())
    }

    fn close_due_parts(&mut self) {
        if self.report.error.is_none() {
            let now_ns = self.epoch.elapsed_ns();
            let closed = self.parts.iter_mut().try_for_each(|part| part.close_if_due(now_ns));
            if let Err(error) = closed {
                self.give_up(error);
            }
        }
    }

    /// Stops the run and frees what an unfinished part takes; journals stay.
    fn give_up(&mut self, error: Error) {
        self.report.error = Some(error);
        self.parts.iter_mut().for_each(PartWriter::abandon);
        self.stop.raise(StopLevel::Now);
    }

    fn close(mut self) -> WriterReport {
        for mut part in std::mem::take(&mut self.parts) {
            if let Err(error) = part.close() {
                self.report.error.get_or_insert(error);
                part.abandon();
            }
        }
        self.report
    }
}
