//! The journal of a part: an Arrow IPC stream that is readable up to its last whole batch.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::SchemaRef;

use crate::Error;

/// Writes batches so that each one is in the system's hands when `append` returns.
///
/// The file is locked while it is open: whoever finds it unlocked knows that its writer
/// is gone.
pub(crate) struct JournalWriter {
    path: PathBuf,
    stream: StreamWriter<BufWriter<File>>,
}

impl JournalWriter {
    pub fn create(path: &Path, schema: &SchemaRef) -> Result<Self, Error> {
        let file = File::create(path).map_err(Error::io(path))?;
        file.lock().map_err(Error::io(path))?;
        let stream =
            StreamWriter::try_new(BufWriter::new(file), schema).map_err(Error::arrow(path))?;
        Ok(Self { path: path.to_owned(), stream })
    }

    pub fn append(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        self.stream.write(batch).map_err(Error::arrow(&self.path))?;
        self.stream.get_mut().flush().map_err(Error::io(&self.path))
    }
}

/// Reads the whole batches of a journal; whatever follows the last one is ignored.
pub(crate) fn read(
    path: &Path,
    mut each: impl FnMut(RecordBatch) -> Result<(), Error>,
) -> Result<(), Error> {
    let file = File::open(path).map_err(Error::io(path))?;
    // A journal torn inside its first message holds no rows at all.
    let Ok(stream) = StreamReader::try_new(BufReader::new(file), None) else { return Ok(()) };
    for batch in stream {
        match batch {
            Ok(batch) => each(batch)?,
            Err(_torn) => break,
        }
    }
    Ok(())
}
