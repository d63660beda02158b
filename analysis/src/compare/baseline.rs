//! Baseline files: writing what is kept of runs, and reading it back.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use openload_contract::baseline::FOLDER;
use openload_contract::{Baseline, SCHEMA_VERSION, is_readable_version};

use super::Subject;
use crate::Error;

/// A run or a baseline could not be used.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// A run directory could not be read.
    #[error(transparent)]
    Run(#[from] Error),
    /// There is nothing of that name.
    #[error(
        "{}: no run directory, no baseline file, and no name of one in {FOLDER}",
        path.display()
    )]
    Missing {
        /// What was named.
        path: PathBuf,
    },
    /// A file could not be read.
    #[error("{}: cannot be read; give a run directory or a baseline file", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not a baseline.
    #[error("{}: not a baseline; gen compare --save writes one", path.display())]
    Bad {
        /// The file.
        path: PathBuf,
        /// What is wrong in it, and where.
        source: serde_json::Error,
    },
    /// A baseline was written by another major version.
    #[error(
        "{}: schema version {found:?}, but this `gen` reads {SCHEMA_VERSION} and other minor \
         versions of it; save the baseline again",
        path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// What it says.
        found: String,
    },
    /// A baseline holds no run.
    #[error("{}: holds no run; save the baseline again", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A name that is not one of a file.
    #[error("`{name}` cannot name a baseline: use letters, digits, `-`, `_` and `.`, no `.` first")]
    Name {
        /// The name.
        name: String,
    },
    /// A run whose numbers must not be compared.
    #[error("run {run_id} cannot be a baseline: {reason}")]
    Unfit {
        /// The run.
        run_id: String,
        /// Why.
        reason: String,
    },
    /// A file could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Reads a baseline file.
///
/// # Errors
/// When it is not one, or was written by another major version.
pub fn read(path: &Path) -> Result<Baseline, BaselineError> {
    #[derive(serde::Deserialize)]
    struct Versioned {
        schema_version: String,
    }
    let text = fs::read_to_string(path)
        .map_err(|source| BaselineError::Read { path: path.to_owned(), source })?;
    let bad = |source| BaselineError::Bad { path: path.to_owned(), source };
    // The version comes first: another major version need not have the other keys.
    let Versioned { schema_version: found } = serde_json::from_str(&text).map_err(bad)?;
    if !is_readable_version(&found) {
        return Err(BaselineError::Version { path: path.to_owned(), found });
    }
    let baseline: Baseline = serde_json::from_str(&text).map_err(bad)?;
    if baseline.runs.is_empty() {
        return Err(BaselineError::Empty { path: path.to_owned() });
    }
    Ok(baseline)
}

/// Makes a baseline of runs.
///
/// # Errors
/// When the numbers of one must not be compared.
pub fn of_subjects(subjects: &[Subject]) -> Result<Baseline, BaselineError> {
    if let Some(unfit) = subjects.iter().find(|subject| !subject.faults.is_empty()) {
        let run_id = unfit.reading.run_id.clone();
        return Err(BaselineError::Unfit { run_id, reason: unfit.faults.join("; ") });
    }
    let runs = subjects.iter().map(|subject| subject.reading.clone()).collect();
    Ok(Baseline { schema_version: SCHEMA_VERSION.to_owned(), runs })
}

/// Writes a baseline as `results/baselines/NAME.json` below `root` and returns its path. One that is
/// there is replaced: version control keeps the old one.
///
/// # Errors
/// When the name is not one of a file, or the file cannot be written.
pub fn write(root: &Path, name: &str, baseline: &Baseline) -> Result<PathBuf, BaselineError> {
    let fits = |letter: char| letter.is_alphanumeric() || matches!(letter, '-' | '_' | '.');
    if name.is_empty() || name.len() > 100 || name.starts_with('.') || !name.chars().all(fits) {
        return Err(BaselineError::Name { name: name.to_owned() });
    }
    let folder = root.join(FOLDER);
    let path = folder.join(format!("{name}.json"));
    let partial = folder.join(format!("{name}.json.partial"));
    let mut text = serde_json::to_string_pretty(baseline).expect("a baseline has only string keys");
    text.push('\n');
    let done = fs::create_dir_all(&folder)
        .and_then(|()| fs::write(&partial, text))
        .and_then(|()| fs::rename(&partial, &path));
    match done {
        Ok(()) => Ok(path),
        Err(source) => Err(BaselineError::Write { path, source }),
    }
}
