//! Rolling Parquet parts of one worker.
//!
//! [`PartWriter::append`] encodes a chunk, writes its pages to the journal first and then
//! takes them into the open part; when the part is old or large enough, it is closed: footer,
//! sync, rename, and only then is its journal removed. At every instant each appended row is
//! in a closed part or in a journal.
//!
//! Chunks of a slow run are small, and small pages are mostly headers. Below
//! [`PAGE_ROWS_MIN`] rows the journal gets them at once and the part when they have become
//! [`PAGE_ROWS`]. They are then encoded twice, which at such rates is nothing.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::chunk::Chunk;
use crate::group::PageFile;
use crate::journal::JournalWriter;
use crate::page::{Dictionaries, Encoder};
use crate::paths::PartPaths;
use crate::{Error, Names};

/// A chunk of fewer rows waits for more before it becomes a page of the part.
const PAGE_ROWS_MIN: usize = 2_048;

/// Rows of a page made of small chunks.
const PAGE_ROWS: usize = 8_192;

/// When a part is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// Most rows in a part.
    pub rows_max: usize,
    /// Shortest life of a part, in ns.
    pub age_min_ns: i64,
    /// A part may live as long as the run so far divided by this: a long soak makes few files.
    pub age_share: i64,
    /// Longest life of a part, in ns.
    pub age_max_ns: i64,
}

impl Default for Rotation {
    fn default() -> Self {
        Self {
            rows_max: 1_000_000,
            age_min_ns: 10_000_000_000,
            age_share: 20,
            age_max_ns: 120_000_000_000,
        }
    }
}

struct OpenPart {
    paths: PartPaths,
    journal: JournalWriter,
    parquet: PageFile,
    encoder: Encoder,
    /// Rows that are in the journal and not yet in a page of the part.
    waiting: Chunk,
    opened_ns: i64,
    rows: usize,
}

impl OpenPart {
    fn append(&mut self, chunk: &Chunk) -> Result<(), Error> {
        let pages = self.encoder.encode(chunk);
        self.journal.append(&pages, self.encoder.dictionaries())?;
        self.rows += chunk.len();
        if self.waiting.is_empty() && chunk.len() >= PAGE_ROWS_MIN {
            return self.parquet.append(&pages, self.encoder.dictionaries());
        }
        self.waiting.extend(chunk);
        if self.waiting.len() >= PAGE_ROWS { self.append_waiting() } else { Ok(()) }
    }

    fn append_waiting(&mut self) -> Result<(), Error> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let pages = self.encoder.encode(&self.waiting);
        self.waiting.clear();
        self.parquet.append(&pages, self.encoder.dictionaries())
    }

    fn close(mut self) -> Result<(), Error> {
        self.append_waiting()?;
        finish(self.parquet, self.encoder.dictionaries(), &self.paths)
    }
}

/// Writes the parts of one worker, one after another.
pub struct PartWriter {
    dir: PathBuf,
    names: Names,
    notes: Vec<(String, String)>,
    rotation: Rotation,
    next_number: u32,
    open: Option<OpenPart>,
}

impl PartWriter {
    /// Prepares a writer for `dir`; `notes` go into every file's metadata.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn new(
        dir: &Path,
        names: Names,
        rotation: Rotation,
        notes: &[(String, String)],
    ) -> Result<Self, Error> {
        fs::create_dir_all(dir).map_err(Error::io(dir))?;
        let (dir, notes) = (dir.to_owned(), notes.to_vec());
        Ok(Self { dir, names, notes, rotation, next_number: 0, open: None })
    }

    /// Appends rows; `now_ns` is the time since the run's start.
    ///
    /// # Errors
    /// When the file system refuses. The rows of earlier calls stay recoverable.
    ///
    /// # Panics
    /// When a row has a code without a name.
    pub fn append(&mut self, chunk: &Chunk, now_ns: i64) -> Result<(), Error> {
        let mut part = match self.open.take() {
            Some(part) => part,
            None => self.start_part(now_ns)?,
        };
        part.append(chunk)?;
        self.open = Some(part);
        self.close_if_due(now_ns)
    }

    /// Closes the open part when it is old or large enough.
    ///
    /// # Errors
    /// When the file system refuses; the journal then stays.
    pub fn close_if_due(&mut self, now_ns: i64) -> Result<(), Error> {
        let Rotation { age_min_ns, age_share, age_max_ns, .. } = self.rotation;
        let age_due_ns = (now_ns / age_share).clamp(age_min_ns, age_max_ns);
        let is_due = self.open.as_ref().is_some_and(|part| {
            part.rows >= self.rotation.rows_max || now_ns - part.opened_ns >= age_due_ns
        });
        if is_due { self.close() } else { Ok(()) }
    }

    /// Closes the open part, if there is one.
    ///
    /// # Errors
    /// When the file system refuses; the journal then stays.
    pub fn close(&mut self) -> Result<(), Error> {
        self.open.take().map_or(Ok(()), OpenPart::close)
    }

    /// Leaves the open part to its journal: whoever recovers the run makes the part of it.
    ///
    /// The unfinished Parquet file is removed, which on a full disk makes the room that the
    /// manifest needs.
    pub fn abandon(&mut self) {
        self.open = None;
        if let Some(number) = self.next_number.checked_sub(1) {
            // A file that cannot be removed is in nobody's way: recovery overwrites it.
            let _ = fs::remove_file(PartPaths::new(&self.dir, number).partial);
        }
    }

    fn start_part(&mut self, now_ns: i64) -> Result<OpenPart, Error> {
        let paths = PartPaths::new(&self.dir, self.next_number);
        self.next_number += 1;
        Ok(OpenPart {
            journal: JournalWriter::create(&paths.journal, &self.names)?,
            parquet: PageFile::create(&paths.partial, &self.names, &self.notes)?,
            encoder: Encoder::new(&self.names),
            paths,
            waiting: Chunk::default(),
            opened_ns: now_ns,
            rows: 0,
        })
    }
}

/// Writes the footer of a part and publishes it.
pub(crate) fn finish(
    parquet: PageFile,
    dictionaries: &Dictionaries,
    paths: &PartPaths,
) -> Result<(), Error> {
    let file = parquet.finish(dictionaries)?;
    publish(&file, paths)
}

/// Makes a finished file durable, gives it its final name, and drops its journal.
fn publish(file: &File, paths: &PartPaths) -> Result<(), Error> {
    file.sync_all().map_err(Error::io(&paths.partial))?;
    fs::rename(&paths.partial, &paths.closed).map_err(Error::io(&paths.closed))?;
    match fs::remove_file(&paths.journal) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io(&paths.journal)(error))
        }
        _ => Ok(()),
    }
}
