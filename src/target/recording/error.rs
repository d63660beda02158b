//! What can go wrong with a recording.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// A recording could not be written or read.
#[derive(Debug, Error)]
pub enum RecordingError {
    /// The file cannot be made.
    #[error(
        "cannot record into {}; choose a file in a folder that exists and may be written",
        path.display()
    )]
    Create {
        /// File that was asked for.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file system refused.
    #[error("cannot go on with the recording {}", path.display())]
    Io {
        /// File concerned.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Rows could not be encoded or decoded.
    #[error("cannot go on with the recording {}", path.display())]
    Parquet {
        /// File concerned.
        path: PathBuf,
        /// What the encoder or decoder said.
        source: parquet::errors::ParquetError,
    },
    /// The disk is slower than the requests.
    #[error(
        "the recording fell {backlog_rows} requests behind and was given up; the first {rows} are \
         in {}: record to a faster disk, or fewer requests a second",
        partial.display()
    )]
    Overrun {
        /// File with the rows up to there, under its partial name.
        partial: PathBuf,
        /// Rows in it.
        rows: u64,
        /// Rows that may wait to be written.
        backlog_rows: usize,
    },
    /// The file is no recording, or of another time.
    #[error("{}: {reason}", path.display())]
    Schema {
        /// File concerned.
        path: PathBuf,
        /// What was found, and what was expected.
        reason: String,
    },
    /// The writer's thread could not be started or has died.
    #[error("the thread that writes the recording is gone: {0}")]
    Thread(String),
}
