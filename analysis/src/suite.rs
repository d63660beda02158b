//! The folder of a suite: `suite.json`, one run directory a run, and the pages that join them.
//!
//! The folder is written anew after every run, so that a suite that is interrupted or killed
//! leaves pages about the runs it made. Nothing is computed here: everything is repeated from
//! the runs' summaries.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use openload_contract::suite::{Ending, FILE_NAME, RunResult};
use openload_contract::{SCHEMA_VERSION, Suite, Summary, is_readable_version};
use thiserror::Error;

use crate::output::{self, OutputError};

/// A suite's folder could not be made or read.
#[derive(Debug, Error)]
pub enum SuiteError {
    /// The folder already holds a suite.
    #[error("{} already holds a suite; choose another directory with --out", path.display())]
    Occupied {
        /// The folder.
        path: PathBuf,
    },
    /// A file could not be read, or the folder not made.
    #[error("{}: {source}", path.display())]
    Io {
        /// File or folder concerned.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file does not hold what its name says.
    #[error("{}: {source}; restore the file as `gen` wrote it", path.display())]
    Bad {
        /// The file.
        path: PathBuf,
        /// What is wrong in it, and where.
        source: serde_json::Error,
    },
    /// The suite was written by another major version.
    #[error(
        "{}: schema version {found:?}, but this `gen` reads {SCHEMA_VERSION} and other minor \
         versions of it",
        path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// What it says.
        found: String,
    },
    /// The pages could not be written.
    #[error(transparent)]
    Output(#[from] OutputError),
}

/// A suite with the summaries of its runs.
#[derive(Debug, Clone)]
pub struct SuiteFolder {
    dir: PathBuf,
    suite: Suite,
    /// Of each run of the suite, once it is judged.
    summaries: Vec<Option<Summary>>,
}

impl SuiteFolder {
    /// Makes the folder for a suite that is about to run.
    ///
    /// # Errors
    /// When the folder holds a suite already, or cannot be made.
    pub fn create(dir: &Path, suite: Suite) -> Result<Self, SuiteError> {
        if dir.join(FILE_NAME).exists() {
            return Err(SuiteError::Occupied { path: dir.to_owned() });
        }
        fs::create_dir_all(dir)
            .map_err(|source| SuiteError::Io { path: dir.to_owned(), source })?;
        let summaries = vec![None; suite.runs.len()];
        Ok(Self { dir: dir.to_owned(), suite, summaries })
    }

    /// Opens the folder of a suite that was run, with the summaries its runs have now.
    ///
    /// # Errors
    /// When it is not the folder of a suite, or a summary cannot be read.
    pub fn open(dir: &Path) -> Result<Self, SuiteError> {
        let path = dir.join(FILE_NAME);
        let suite: Suite = read(&path)?;
        if !is_readable_version(&suite.schema_version) {
            return Err(SuiteError::Version { path, found: suite.schema_version });
        }
        let count = suite.runs.len();
        let mut folder = Self { dir: dir.to_owned(), suite, summaries: vec![None; count] };
        for index in 0..count {
            if folder.suite.runs[index].ending == Ending::Judged {
                let summary = folder.run_dir(index).join("summary.json");
                folder.judged(index, read(&summary)?);
            }
        }
        Ok(folder)
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The suite as far as it is known.
    pub fn suite(&self) -> &Suite {
        &self.suite
    }

    /// The summary of a run, once it is judged.
    pub fn summary(&self, index: usize) -> Option<&Summary> {
        self.summaries.get(index).and_then(Option::as_ref)
    }

    /// The run directory of a run.
    pub fn run_dir(&self, index: usize) -> PathBuf {
        self.dir.join(&self.suite.runs[index].dir)
    }

    /// Enters what a run came to.
    pub fn judged(&mut self, index: usize, summary: Summary) {
        let run = &mut self.suite.runs[index];
        run.ending = Ending::Judged;
        run.result = Some(RunResult::from(&summary));
        self.summaries[index] = Some(summary);
        self.suite.exit_code = self.suite.worst().code();
    }

    /// Enters that a run could not be made or judged.
    pub fn failed(&mut self, index: usize, error: String) {
        self.suite.runs[index].ending = Ending::Failed { error };
        self.suite.exit_code = self.suite.worst().code();
    }

    /// Writes `suite.json` and the pages.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self) -> Result<(), SuiteError> {
        Ok(output::write_suite(self)?)
    }
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, SuiteError> {
    let text = fs::read(path).map_err(|source| SuiteError::Io { path: path.to_owned(), source })?;
    serde_json::from_slice(&text)
        .map_err(|source| SuiteError::Bad { path: path.to_owned(), source })
}
