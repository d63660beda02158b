//! The target's end of a recording: one clock read per read, one row per request.

use std::cell::RefCell;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};

use arrow_array::builder::StringBuilder;
use arrow_array::types::UInt16Type;
use arrow_array::{
    ArrayRef, DictionaryArray, Int64Array, RecordBatch, StringArray, UInt16Array, UInt32Array,
    UInt64Array,
};
use arrow_schema::{ArrowError, SchemaRef};

use crate::clock::UnixClock;

/// Rows handed over at once. The writer may share the target's core: this many keep it busy for
/// some 0.2 ms, and waking it and starting a batch cost little for each.
pub(super) const CHUNK_ROWS: usize = 1024;

/// Bytes of targets at which a chunk is handed over early, so that long ones do not multiply the
/// memory.
const CHUNK_TARGET_BYTES: usize = 64 * 1024;

/// Methods at which a chunk is handed over early: they are searched one by one.
const CHUNK_METHODS: usize = 32;

/// Chunks in the channel: more than three seconds at 100,000 requests a second, and at most
/// 30 MB and the longest request's target.
pub(super) const CHANNEL_CHUNKS: usize = 320;

/// Where a target puts what it has seen: the near end of a recording.
#[derive(Debug, Clone)]
pub struct Tap {
    pub(super) clock: UnixClock,
    pub(super) sender: SyncSender<Chunk>,
    pub(super) is_overrun: Arc<AtomicBool>,
}

/// One request at the server.
#[derive(Debug, Clone, Copy)]
pub(in crate::target) struct Arrived<'a> {
    pub received_unix_ns: i64,
    pub connection: u32,
    pub method: &'a str,
    /// As it came; of an absolute URL only path and query are recorded.
    pub target: &'a str,
    pub body_bytes: u64,
}

/// Stamps and records on the target's thread.
#[derive(Debug)]
pub(in crate::target) struct Recorder {
    clock: UnixClock,
    chunk: RefCell<Chunk>,
    /// Gone once the recording has ended early.
    tap: RefCell<Option<Tap>>,
}

impl Recorder {
    pub fn new(tap: Tap) -> Self {
        Self { clock: tap.clock, chunk: RefCell::default(), tap: RefCell::new(Some(tap)) }
    }

    /// The wall clock, in ns since 1970.
    pub fn now_unix_ns(&self) -> i64 {
        self.clock.now_unix_ns()
    }

    /// Takes in one request; hands a full chunk over without waiting.
    pub fn record(&self, arrived: &Arrived<'_>) {
        let mut chunk = self.chunk.borrow_mut();
        chunk.push(arrived);
        if chunk.is_full() {
            let full = mem::take(&mut *chunk);
            self.hand_over(full);
        }
    }

    fn hand_over(&self, chunk: Chunk) {
        let mut tap = self.tap.borrow_mut();
        let Some(open) = &*tap else { return };
        match open.sender.try_send(chunk) {
            Ok(()) => {}
            // Letting go of the channel tells the writer to close.
            Err(TrySendError::Full(_)) => {
                open.is_overrun.store(true, Ordering::Relaxed);
                *tap = None;
            }
            // The writer has failed, and says why to whoever started it.
            Err(TrySendError::Disconnected(_)) => *tap = None,
        }
    }
}

impl Drop for Recorder {
    /// Nothing is served any more, so waiting for the writer delays nobody.
    fn drop(&mut self) {
        let chunk = self.chunk.take();
        if let Some(tap) = self.tap.take().filter(|_| !chunk.is_empty()) {
            // The writer's own error says more than a closed channel.
            let _ = tap.sender.send(chunk);
        }
    }
}

/// Some requests, by columns.
#[derive(Debug)]
pub(super) struct Chunk {
    received_unix_ns: Vec<i64>,
    connection: Vec<u32>,
    method: Vec<u16>,
    methods: Vec<String>,
    target: StringBuilder,
    body_bytes: Vec<u64>,
}

impl Default for Chunk {
    fn default() -> Self {
        Self {
            received_unix_ns: Vec::with_capacity(CHUNK_ROWS),
            connection: Vec::with_capacity(CHUNK_ROWS),
            method: Vec::with_capacity(CHUNK_ROWS),
            methods: Vec::new(),
            target: StringBuilder::with_capacity(CHUNK_ROWS, CHUNK_ROWS * 16),
            body_bytes: Vec::with_capacity(CHUNK_ROWS),
        }
    }
}

impl Chunk {
    pub fn rows(&self) -> usize {
        self.received_unix_ns.len()
    }

    /// The columns as a batch.
    pub fn into_batch(mut self, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
        let methods = Arc::new(StringArray::from_iter_values(self.methods)) as ArrayRef;
        let method = UInt16Array::from(self.method);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(self.received_unix_ns)),
            Arc::new(UInt32Array::from(self.connection)),
            Arc::new(DictionaryArray::<UInt16Type>::try_new(method, methods)?),
            Arc::new(self.target.finish()),
            Arc::new(UInt64Array::from(self.body_bytes)),
        ];
        RecordBatch::try_new(Arc::clone(schema), columns)
    }

    fn is_empty(&self) -> bool {
        self.rows() == 0
    }

    fn is_full(&self) -> bool {
        self.rows() >= CHUNK_ROWS
            || self.target.values_slice().len() >= CHUNK_TARGET_BYTES
            || self.methods.len() >= CHUNK_METHODS
    }

    fn push(&mut self, arrived: &Arrived<'_>) {
        let code = self.method_code(arrived.method);
        self.received_unix_ns.push(arrived.received_unix_ns);
        self.connection.push(arrived.connection);
        self.method.push(code);
        self.target.append_value(path_and_query(arrived.target));
        self.body_bytes.push(arrived.body_bytes);
    }

    fn method_code(&mut self, method: &str) -> u16 {
        let known = self.methods.iter().position(|known| known == method);
        let code = known.unwrap_or_else(|| {
            self.methods.push(method.to_owned());
            self.methods.len() - 1
        });
        u16::try_from(code).expect("a chunk holds few methods")
    }
}

/// Path and query of what stands in a request line.
fn path_and_query(target: &str) -> &str {
    if target.starts_with('/') {
        return target;
    }
    let Some((_, rest)) = target.split_once("://") else { return target };
    rest.find(['/', '?']).map_or("/", |start| &rest[start..])
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc::sync_channel;

    use super::{Arrived, CHUNK_ROWS, Recorder, Tap, path_and_query};
    use crate::clock::UnixClock;

    #[test]
    fn a_writer_that_is_too_slow_ends_the_recording_and_delays_nothing() {
        let (sender, chunks) = sync_channel(2);
        let is_overrun = Arc::new(AtomicBool::new(false));
        let tap = Tap { clock: UnixClock::new(), sender, is_overrun: Arc::clone(&is_overrun) };
        let recorder = Recorder::new(tap);
        let arrived = Arrived {
            received_unix_ns: 1,
            connection: 0,
            method: "GET",
            target: "/",
            body_bytes: 0,
        };
        (0..3 * CHUNK_ROWS - 1).for_each(|_| recorder.record(&arrived));
        assert!(!is_overrun.load(Ordering::Relaxed));
        (0..2 * CHUNK_ROWS).for_each(|_| recorder.record(&arrived));
        assert!(is_overrun.load(Ordering::Relaxed));
        // The channel is closed: the writer ends as soon as it has written what is in it.
        assert_eq!(chunks.iter().map(|chunk| chunk.rows()).sum::<usize>(), 2 * CHUNK_ROWS);
    }

    #[test]
    fn an_absolute_url_is_cut_to_path_and_query() {
        let cases = [
            ("/a?b=http://c/d", "/a?b=http://c/d"),
            ("http://host:80/a?b", "/a?b"),
            ("http://host", "/"),
            ("http://host?b", "?b"),
            ("*", "*"),
            ("host:443", "host:443"),
        ];
        for (target, expected) in cases {
            assert_eq!(path_and_query(target), expected, "{target}");
        }
    }
}
