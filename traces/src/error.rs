//! What can go wrong between an input and a timeline file.
//!
//! A line that is no request is not an error: it is counted, by reason. Only too many of them are.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::report::BadLine;

/// A timeline file could not be made or read.
#[derive(Debug, Error)]
pub enum TraceError {
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// File or folder concerned.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An input could not be read, or is not of the format it was taken for.
    #[error("{input}: {source}")]
    Input {
        /// Name of the input.
        input: String,
        /// What went wrong.
        source: io::Error,
    },
    /// Nothing was given to read, or a pattern that no file matches.
    #[error("no input: {0}")]
    NoInput(String),
    /// An input is compressed in a way that is not read.
    #[error("{input} is compressed with {kind}, which is not read here: decompress it first")]
    Compression {
        /// Name of the input.
        input: String,
        /// The compression found.
        kind: &'static str,
    },
    /// A compressed input is damaged, and more of it is lost than is tolerated.
    #[error(
        "{input} is damaged after {read_bytes} of its {size_bytes} bytes ({message}): more is lost \
         than the {:.1} % that are tolerated",
        100.0 * fraction_max
    )]
    Damaged {
        /// Name of the input.
        input: String,
        /// What the decompressor said.
        message: String,
        /// Bytes that were read before the damage.
        read_bytes: u64,
        /// Bytes of the whole input.
        size_bytes: u64,
        /// Share that is tolerated.
        fraction_max: f64,
    },
    /// Too many lines are no requests.
    #[error(
        "{bad} of {lines} lines are bad, more than the {:.1} % that are tolerated: is this the \
         right format?{}",
        100.0 * fraction_max,
        listed(first)
    )]
    TooManyBad {
        /// Bad lines.
        bad: u64,
        /// All lines that say something.
        lines: u64,
        /// Share that is tolerated.
        fraction_max: f64,
        /// The first of them.
        first: Vec<BadLine>,
    },
    /// Parquet could not be encoded or decoded.
    #[error("{}: {source}", path.display())]
    Parquet {
        /// File concerned.
        path: PathBuf,
        /// What the encoder or decoder said.
        source: parquet::errors::ParquetError,
    },
    /// An Arrow batch could not be built or read.
    #[error("{}: {source}", path.display())]
    Arrow {
        /// File concerned.
        path: PathBuf,
        /// What the encoder or decoder said.
        source: arrow_schema::ArrowError,
    },
    /// The file is no timeline.
    #[error("{} is no timeline file: {reason}; import it first", path.display())]
    NotATrace {
        /// File concerned.
        path: PathBuf,
        /// What is missing or different.
        reason: String,
    },
    /// The timeline was written by a version that this one cannot read.
    #[error(
        "{} is a timeline of version {found}, and this program reads {readable}: import it again",
        path.display()
    )]
    Version {
        /// File concerned.
        path: PathBuf,
        /// Version found.
        found: String,
        /// Version that can be read.
        readable: &'static str,
    },
    /// Rows that were put aside in a temporary file did not come back as they were.
    #[error("the temporary file in {} does not hold what was written into it", path.display())]
    Spilled {
        /// Folder of the file.
        path: PathBuf,
    },
    /// The timeline cannot be replayed as asked for.
    #[error(transparent)]
    Replay(#[from] crate::transform::ReplayError),
    /// An option has a value that makes no sense.
    #[error("{0}")]
    Option(String),
}

impl TraceError {
    /// Attaches a path to an error of the file system.
    pub fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_owned(), source }
    }

    pub(crate) fn parquet(path: &Path) -> impl FnOnce(parquet::errors::ParquetError) -> Self + '_ {
        move |source| Self::Parquet { path: path.to_owned(), source }
    }

    pub(crate) fn arrow(path: &Path) -> impl FnOnce(arrow_schema::ArrowError) -> Self + '_ {
        move |source| Self::Arrow { path: path.to_owned(), source }
    }
}

/// The lines, each on one of its own.
fn listed(lines: &[BadLine]) -> String {
    lines.iter().map(|line| format!("\n  {line}")).collect()
}
