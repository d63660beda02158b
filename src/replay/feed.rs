//! Recorded arrivals with their requests, read ahead on a thread beside the worker.
//!
//! The thread reads, unpacks and renders; the worker takes batches that are ready. The channel
//! holds [`BATCHES_AHEAD`] batches, and a full one makes the thread wait: what is read ahead is
//! bounded by that, whatever the length of the trace.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;

use openload_traces::TraceError;
use openload_traces::event::Event;

use super::recording::Recordings;
use super::render::{Rendered, Renderer};
use crate::os;
use crate::plan::Plan;
use crate::schedule::{Arrival, LaneSet};
use crate::transport::Encoded;

/// Arrivals of a batch: at 20,000 a second a batch is taken 40 times a second.
const BATCH_EVENTS: usize = 512;

/// Bytes of requests after which a batch is closed before it is full.
const BATCH_BYTES: usize = 256 << 10;

/// Batches that may be ready: 16,000 arrivals, or 8 MiB of requests.
const BATCHES_AHEAD: usize = 32;

/// Arrivals and their requests.
#[derive(Debug, Default)]
struct Batch {
    arrivals: Vec<Arrival>,
    /// Where the request of each arrival ends in `bytes`.
    ends: Vec<usize>,
    rendered: Vec<Rendered>,
    bytes: Vec<u8>,
}

impl Batch {
    fn push(&mut self, renderer: &Renderer, arrival: Arrival, event: &Event) {
        let key = (arrival.stream, arrival.scenario, arrival.seq);
        let rendered = renderer.render(event, key, &mut self.bytes);
        self.arrivals.push(arrival);
        self.ends.push(self.bytes.len());
        self.rendered.push(rendered);
    }

    fn is_full(&self) -> bool {
        self.arrivals.len() >= BATCH_EVENTS || self.bytes.len() >= BATCH_BYTES
    }
}

/// The request of one recorded arrival, ready to be sent.
#[derive(Debug, Clone)]
pub struct RecordedRequest {
    batch: Arc<Batch>,
    position: usize,
}

impl RecordedRequest {
    /// The request as bytes.
    pub fn encoded(&self) -> Encoded<'_> {
        let start = self.position.checked_sub(1).map_or(0, |before| self.batch.ends[before]);
        let Rendered { body_bytes, is_head } = self.batch.rendered[self.position];
        let bytes = &self.batch.bytes[start..self.batch.ends[self.position]];
        Encoded { bytes, body_bytes, is_head }
    }
}

/// What a feed knows of the next arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ahead {
    /// The next arrival.
    Known(Arrival),
    /// There is one, or the end, and it is not read yet.
    NotYet,
    /// There is no further one.
    Over,
}

/// The recorded arrivals of one worker.
pub struct Feed {
    batches: Receiver<Result<Batch, TraceError>>,
    current: Arc<Batch>,
    position: usize,
    is_over: bool,
    failure: Option<TraceError>,
    /// Ends by itself when this is gone.
    #[cfg_attr(not(test), expect(dead_code, reason = "tests wait for it"))]
    thread: JoinHandle<()>,
}

impl Feed {
    /// Opens the recorded streams of `plan` for some lanes and waits until their first arrivals
    /// are ready; `None` when there is no recorded stream.
    ///
    /// # Errors
    /// When a file cannot be read or is no timeline, or no thread can be started.
    pub fn start(
        plan: &Plan,
        renderer: Renderer,
        lanes: LaneSet,
    ) -> Result<Option<Self>, TraceError> {
        if plan.streams.iter().all(|stream| stream.trace.is_none()) {
            return Ok(None);
        }
        let recordings = Recordings::new(plan, lanes)?;
        let (sender, batches) = sync_channel(BATCHES_AHEAD);
        let thread = std::thread::Builder::new()
            .name("gen-feed".to_owned())
            .spawn(move || {
                os::yield_to_other_threads();
                read_ahead(recordings, &renderer, &sender);
            })
            .map_err(|source| TraceError::Io { path: "gen-feed".into(), source })?;
        let mut feed = Self {
            batches,
            current: Arc::default(),
            position: 0,
            is_over: false,
            failure: None,
            thread,
        };
        let first = feed.batches.recv().map_err(|_| TryRecvError::Disconnected);
        feed.take_in(first);
        match feed.failure.take() {
            Some(error) => Err(error),
            None => Ok(Some(feed)),
        }
    }

    /// The next arrival, without taking it. Never waits.
    pub fn peek(&mut self) -> Ahead {
        if self.position >= self.current.arrivals.len() && !self.is_over {
            let next = self.batches.try_recv();
            self.take_in(next);
        }
        match self.current.arrivals.get(self.position) {
            Some(&arrival) => Ahead::Known(arrival),
            None if self.is_over => Ahead::Over,
            None => Ahead::NotYet,
        }
    }

    /// Takes the next arrival's request; to be called when [`Feed::peek`] knows one.
    ///
    /// # Panics
    /// When no arrival is known.
    pub fn take(&mut self) -> RecordedRequest {
        assert!(
            self.position < self.current.arrivals.len(),
            "an arrival is taken when it is known"
        );
        self.position += 1;
        RecordedRequest { batch: Arc::clone(&self.current), position: self.position - 1 }
    }

    /// Waits until everything is read, for traces that fit into the channel: simulated time does
    /// not wait for a thread.
    #[cfg(test)]
    pub fn settle(&self) {
        while !self.thread.is_finished() {
            std::thread::yield_now();
        }
    }

    /// Why the timeline ended early, if it did.
    pub fn take_failure(&mut self) -> Option<TraceError> {
        self.failure.take()
    }

    fn take_in(&mut self, received: Result<Result<Batch, TraceError>, TryRecvError>) {
        match received {
            Ok(Ok(batch)) => (self.current, self.position) = (Arc::new(batch), 0),
            Ok(Err(error)) => (self.failure, self.is_over) = (Some(error), true),
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => self.is_over = true,
        }
    }
}

fn read_ahead(
    recordings: Recordings,
    renderer: &Renderer,
    sender: &SyncSender<Result<Batch, TraceError>>,
) {
    let mut batch = Batch::default();
    for next in recordings {
        let message = match next {
            Err(error) => Err(error),
            Ok((arrival, event)) => {
                batch.push(renderer, arrival, &event);
                if !batch.is_full() {
                    continue;
                }
                Ok(std::mem::take(&mut batch))
            }
        };
        // What came before an error is replayed before it ends the run.
        let is_end = message.is_err();
        if is_end && !batch.arrivals.is_empty() {
            let _ = sender.send(Ok(std::mem::take(&mut batch)));
        }
        if sender.send(message).is_err() || is_end {
            // The worker is gone, or there is nothing more to come.
            return;
        }
    }
    if !batch.arrivals.is_empty() {
        let _ = sender.send(Ok(batch));
    }
}
