//! Turning the journals that a killed run left behind into parts.

use std::fs::{self, File, TryLockError};
use std::path::Path;

use crate::paths::{PartPaths, journals};
use crate::schema::schema;
use crate::{Error, journal, part};

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

/// Writes the rows of a journal as a part; returns their number.
fn rebuild(paths: &PartPaths) -> Result<u64, Error> {
    let notes = [("openload.recovered".to_owned(), "true".to_owned())];
    let partial = &paths.partial;
    let mut parquet = part::create_parquet(partial, &schema(), part::properties(&notes))?;
    let mut rows = 0;
    journal::read(&paths.journal, |batch| {
        rows += batch.num_rows() as u64;
        parquet.write(&batch).map_err(Error::parquet(partial))
    })?;
    let buffered = parquet.into_inner().map_err(Error::parquet(partial))?;
    let file = buffered.into_inner().map_err(|error| Error::io(partial)(error.into_error()))?;
    if rows > 0 {
        part::publish(&file, paths)?;
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
