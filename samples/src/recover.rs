//! Turning the journals that a killed run left behind into parts.

use std::fs::{self, File, TryLockError};
use std::path::Path;

use crate::group::PageFile;
use crate::journal::JournalReader;
use crate::paths::{PartPaths, journals};
use crate::{Error, part};

/// What [`recover`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recovered {
    /// Parts made from journals.
    pub parts: u32,
    /// Rows in those parts.
    pub rows: u64,
    /// Journals whose writer is still at work; they were left alone.
    pub still_written: u32,
}

/// Makes a part of every journal that no process is writing any more.
///
/// Calling it again, or after it was itself interrupted, gives the same files: a journal is
/// removed only after its part has its final name.
///
/// # Errors
/// When the file system refuses or a part cannot be written. Nothing is lost then.
pub fn recover(run_dir: &Path) -> Result<Recovered, Error> {
    let mut recovered = Recovered::default();
    for path in journals(run_dir)? {
        let Some(paths) = PartPaths::of_journal(&path) else { continue };
        let lock = File::open(&path).map_err(Error::io(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                recovered.still_written += 1;
                continue;
            }
            Err(TryLockError::Error(error)) => return Err(Error::io(&path)(error)),
        }
        let rows = if paths.closed.exists() { 0 } else { rebuild(&paths)? };
        remove_leftovers(&paths)?;
        if rows > 0 {
            recovered.parts += 1;
            recovered.rows += rows;
        }
    }
    Ok(recovered)
}

/// Puts the pages of a journal into a part; returns the number of rows.
fn rebuild(paths: &PartPaths) -> Result<u64, Error> {
    let Some(mut journal) = JournalReader::open(&paths.journal)? else { return Ok(0) };
    let notes = [("openload.recovered".to_owned(), "true".to_owned())];
    let mut parquet = PageFile::create(&paths.partial, &journal.names, &notes)?;
    let mut rows = 0;
    while let Some(pages) = journal.next_pages() {
        rows += pages.rows as u64;
        parquet.append(&pages, &journal.numbers)?;
    }
    if rows > 0 {
        part::finish(parquet, &journal.numbers, paths)?;
    }
    Ok(rows)
}

fn remove_leftovers(paths: &PartPaths) -> Result<(), Error> {
    for path in [&paths.partial, &paths.journal] {
        match fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io(path)(error));
            }
            _ => {}
        }
    }
    Ok(())
}
