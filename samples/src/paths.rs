//! Where sample files lie, and what their names say.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use openload_contract::ShardId;

use crate::Error;

/// Folder of the sample files in a run directory.
pub const SAMPLES_DIR: &str = "samples";

const JOURNAL_SUFFIX: &str = ".journal";

/// Folder of one worker's parts, with Hive-style names that readers turn into columns.
pub fn worker_dir(run_dir: &Path, shard: ShardId, worker: u32) -> PathBuf {
    run_dir
        .join(SAMPLES_DIR)
        .join(format!("shard={:04}", shard.index))
        .join(format!("worker={worker:02}"))
}

/// The files of one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartPaths {
    /// The closed part.
    pub closed: PathBuf,
    /// The part while it is written.
    pub partial: PathBuf,
    /// Its journal.
    pub journal: PathBuf,
}

impl PartPaths {
    pub fn new(dir: &Path, number: u32) -> Self {
        Self::from_stem(dir, &format!("part-{number:05}"))
    }

    fn from_stem(dir: &Path, stem: &str) -> Self {
        Self {
            closed: dir.join(format!("{stem}.parquet")),
            partial: dir.join(format!("_{stem}.parquet.partial")),
            journal: dir.join(format!("_{stem}{JOURNAL_SUFFIX}")),
        }
    }

    /// The part a journal belongs to; `None` when the file is not a journal.
    pub fn of_journal(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let stem = name.strip_prefix('_')?.strip_suffix(JOURNAL_SUFFIX)?;
        Some(Self::from_stem(path.parent()?, stem))
    }
}

/// Lists the closed parts of a run, in the order of their paths.
///
/// # Errors
/// When a folder cannot be read. A run without a samples folder has no parts.
pub fn closed_parts(run_dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut parts = walk(&run_dir.join(SAMPLES_DIR))?;
    parts.retain(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.ends_with(".parquet") && !name.starts_with(['_', '.'])
    });
    Ok(parts)
}

/// Lists the journals of a run, in the order of their paths.
pub(crate) fn journals(run_dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut files = walk(&run_dir.join(SAMPLES_DIR))?;
    files.retain(|path| PartPaths::of_journal(path).is_some());
    Ok(files)
}

fn walk(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    let mut pending = vec![dir.to_owned()];
    while let Some(dir) = pending.pop() {
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(Error::io(&dir)(error)),
        };
        for entry in entries {
            let entry = entry.map_err(Error::io(&dir))?;
            let kind = entry.file_type().map_err(Error::io(&dir))?;
            if kind.is_dir() {
                pending.push(entry.path());
            } else {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}
