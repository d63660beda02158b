//! The thread that writes a recording.

use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, JoinHandle};

use arrow_schema::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;
use tokio::sync::oneshot;

use super::error::RecordingError;
use super::recorder::{CHANNEL_CHUNKS, CHUNK_ROWS, Chunk, Tap};
use super::schema::{properties, schema};
use crate::clock::UnixClock;

/// Rows encoded before a thread that waits for this processor is let in: a tenth of a
/// millisecond.
const ROWS_AT_ONCE: usize = 512;

/// A recording under way: the far end of a [`Tap`].
#[derive(Debug)]
pub struct Recording {
    path: PathBuf,
    partial: PathBuf,
    thread: JoinHandle<Result<u64, RecordingError>>,
    ended: oneshot::Receiver<()>,
}

/// Starts a recording into `path`, which appears, or is replaced, when the recording is finished.
///
/// # Errors
/// When the file cannot be made.
pub fn create_recording(path: &Path) -> Result<(Tap, Recording), RecordingError> {
    let clock = UnixClock::new();
    let file = RecordingFile::create(path, &clock)?;
    let (sender, chunks) = sync_channel(CHANNEL_CHUNKS);
    let is_overrun = Arc::new(AtomicBool::new(false));
    let tap = Tap { clock, sender, is_overrun: Arc::clone(&is_overrun) };
    let (end, ended) = oneshot::channel::<()>();
    let partial = file.partial.clone();
    let thread = thread::Builder::new()
        .name("gen-recording".to_owned())
        .spawn(move || {
            // The target answers first.
            crate::os::yield_to_other_threads();
            // Dropped with the thread, however that ends.
            let _end = end;
            file.write(&chunks, &is_overrun)
        })
        .map_err(|error| RecordingError::Thread(error.to_string()))?;
    Ok((tap, Recording { path: path.to_owned(), partial, thread, ended }))
}

impl Recording {
    /// Completes when the writer has ended; while there is a target that records, it has failed.
    pub async fn ended(&mut self) {
        // Nothing is ever sent; the other end is dropped.
        let _ = (&mut self.ended).await;
    }

    /// Waits until everything is in the file, gives the file its name, and returns the number of
    /// requests in it. All targets that record into it must have been stopped.
    ///
    /// # Errors
    /// When something was not recorded.
    pub fn finish(self) -> Result<u64, RecordingError> {
        let died = |_| Err(RecordingError::Thread("it panicked".to_owned()));
        let rows = self.thread.join().unwrap_or_else(died)?;
        fs::rename(&self.partial, &self.path)
            .map_err(|source| RecordingError::Io { path: self.path, source })?;
        Ok(rows)
    }
}

/// The file under its partial name.
struct RecordingFile {
    partial: PathBuf,
    schema: SchemaRef,
    parquet: ArrowWriter<BufWriter<File>>,
    rows: u64,
}

impl RecordingFile {
    fn create(path: &Path, clock: &UnixClock) -> Result<Self, RecordingError> {
        let refused = |source| RecordingError::Create { path: path.to_owned(), source };
        if path.is_dir() {
            return Err(refused(io::Error::from(io::ErrorKind::IsADirectory)));
        }
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let file = BufWriter::new(File::create(&partial).map_err(refused)?);
        let schema = schema();
        let parquet = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties(clock)))
            .map_err(|source| RecordingError::Parquet { path: partial.clone(), source })?;
        Ok(Self { partial, schema, parquet, rows: 0 })
    }

    /// Writes chunks until the target lets go of the channel, then closes the file.
    fn write(
        mut self,
        chunks: &Receiver<Chunk>,
        is_overrun: &AtomicBool,
    ) -> Result<u64, RecordingError> {
        for chunk in chunks {
            self.append(chunk)?;
        }
        self.close(is_overrun.load(Ordering::Relaxed))
    }

    fn append(&mut self, chunk: Chunk) -> Result<(), RecordingError> {
        let refused = |source| RecordingError::Parquet { path: self.partial.clone(), source };
        let batch = chunk.into_batch(&self.schema).map_err(ParquetError::from).map_err(refused)?;
        for first in (0..batch.num_rows()).step_by(ROWS_AT_ONCE) {
            let rows = ROWS_AT_ONCE.min(batch.num_rows() - first);
            self.parquet.write(&batch.slice(first, rows)).map_err(refused)?;
            thread::yield_now();
        }
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    fn close(self, is_overrun: bool) -> Result<u64, RecordingError> {
        let Self { partial, parquet, rows, .. } = self;
        let refused = |source| RecordingError::Io { path: partial.clone(), source };
        let buffered = parquet
            .into_inner()
            .map_err(|source| RecordingError::Parquet { path: partial.clone(), source })?;
        let file = buffered.into_inner().map_err(|error| refused(error.into_error()))?;
        file.sync_all().map_err(refused)?;
        if is_overrun {
            let backlog_rows = CHANNEL_CHUNKS * CHUNK_ROWS;
            return Err(RecordingError::Overrun { partial, rows, backlog_rows });
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::sync::mpsc::sync_channel;

    use super::{RecordingError, RecordingFile};
    use crate::clock::UnixClock;

    #[test]
    fn a_recording_that_was_given_up_keeps_its_partial_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("seen.parquet");
        let file = RecordingFile::create(&path, &UnixClock::new()).unwrap();
        let (_, chunks) = sync_channel(1);
        let error = file.write(&chunks, &AtomicBool::new(true)).unwrap_err();
        let RecordingError::Overrun { partial, rows, .. } = &error else { panic!("{error}") };
        assert_eq!((partial.file_name().unwrap(), *rows), ("seen.parquet.partial".as_ref(), 0));
        assert!(partial.exists() && !path.exists());
    }
}
