//! What can keep a run directory from being analysed.

use std::io;
use std::path::PathBuf;

use openload_contract::SCHEMA_VERSION;
use thiserror::Error;

/// A run directory could not be analysed.
#[derive(Debug, Error)]
pub enum Error {
    /// There is no manifest.
    #[error(
        "{}: cannot be read ({source}); give the directory of a run, the one that holds run.json",
        path.display()
    )]
    NoManifest {
        /// Where the manifest should be.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The manifest is not one.
    #[error("{}: not a manifest of a run ({source}); restore the file as `gen` wrote it", path.display())]
    BadManifest {
        /// The file.
        path: PathBuf,
        /// What is wrong in it, and where.
        source: serde_json::Error,
    },
    /// The run was written by another major version.
    #[error(
        "{}: schema version {found:?}, but this `gen` reads {SCHEMA_VERSION} and other minor \
         versions of it; analyse the run with the version of `gen` that made it",
        path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// What it says.
        found: String,
    },
    /// The monitor's file is there and cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A sample file could not be read.
    #[error(transparent)]
    Samples(#[from] openload_samples::Error),
    /// A row group holds a row that is earlier than its file says.
    #[error(
        "{}: the file is damaged: it holds an intended start of {found_ns} ns in a row group whose \
         least one should be {said_ns} ns; restore the file as `gen` wrote it",
        path.display()
    )]
    EarlierThanSaid {
        /// The file.
        path: PathBuf,
        /// Earliest intended start of the row group.
        found_ns: i64,
        /// What the footer says.
        said_ns: i64,
    },
    /// A row ended in a way this version does not know.
    #[error(
        "the samples hold the outcome {found:?}, which this `gen` does not know; analyse the run \
         with the version of `gen` that made it"
    )]
    UnknownOutcome {
        /// The name in the file.
        found: String,
    },
    /// A column of a batch is not what its schema promises.
    #[error("a batch of samples has no usable column `{column}`")]
    Column {
        /// Name of the column.
        column: &'static str,
    },
    /// More rows than a row number can count.
    #[error("more than {max} rows; analyse the shards of the run one by one")]
    TooManyRows {
        /// The bound.
        max: u32,
    },
    /// The engine of queries refused a frame.
    #[error("data frame: {0}")]
    Frame(#[from] polars::error::PolarsError),
}
