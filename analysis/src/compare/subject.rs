//! A run as a comparison takes it: from its directory, or from a baseline file.

use std::path::{Path, PathBuf};

use openload_contract::RunStatus;
use openload_contract::baseline::{FOLDER, RunReading};

use super::baseline::{self, BaselineError};
use super::reading;
use crate::run::Run;
use crate::{validity, verdict};

/// A run that takes part in a comparison.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Identity and metrics.
    pub reading: RunReading,
    /// The run itself, when its samples are at hand.
    pub run: Option<Run>,
    /// Why its numbers must not be compared; empty when they may.
    pub faults: Vec<String>,
}

impl Subject {
    /// Reads a run.
    pub fn of_run(run: Run) -> Self {
        let reading = reading::of_run(&run);
        let faults = faults(&run, reading.arrivals);
        Self { reading, run: Some(run), faults }
    }

    /// Takes a run from a baseline: what was fit to be kept is fit to be compared.
    pub fn of_reading(reading: RunReading) -> Self {
        Self { reading, run: None, faults: Vec::new() }
    }

    /// Tells whether `path` stands for something that [`Subject::open`] may read.
    ///
    /// # Errors
    /// When there is nothing of that name.
    pub fn find(path: &Path) -> Result<(), BaselineError> {
        if path.exists() || baseline_path(path).is_some_and(|file| file.is_file()) {
            return Ok(());
        }
        Err(BaselineError::Missing { path: path.to_owned() })
    }

    /// Reads what `path` stands for: a run directory, a baseline file, or the name of a file in
    /// `results/baselines`.
    ///
    /// # Errors
    /// When it is none of them, or cannot be read.
    pub fn open(path: &Path) -> Result<Vec<Self>, BaselineError> {
        match baseline_path(path) {
            Some(file) => {
                let runs = baseline::read(&file)?.runs;
                Ok(runs.into_iter().map(Self::of_reading).collect())
            }
            None if path.exists() => Ok(vec![Self::of_run(Run::open(path)?)]),
            None => Err(BaselineError::Missing { path: path.to_owned() }),
        }
    }
}

/// The baseline file that a path stands for, if it does not stand for a run directory.
fn baseline_path(path: &Path) -> Option<PathBuf> {
    if path.is_dir() {
        return None;
    }
    if path.is_file() || path.extension().is_some_and(|extension| extension == "json") {
        return Some(path.to_owned());
    }
    let named = Path::new(FOLDER).join(format!("{}.json", path.display()));
    named.is_file().then_some(named)
}

fn faults(run: &Run, arrivals: u64) -> Vec<String> {
    if run.manifest.status != RunStatus::Complete {
        return vec!["it did not reach the end of its timeline".to_owned()];
    }
    let validity = validity::validity(run);
    let (_, reasons) = verdict::verdict(&validity, arrivals, &[], None);
    reasons
}
