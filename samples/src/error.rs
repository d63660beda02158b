//! What can go wrong with sample files.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A sample file could not be written or read.
#[derive(Debug, Error)]
pub enum Error {
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// File or folder concerned.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Parquet could not be encoded or decoded.
    #[error("{}: {source}", path.display())]
    Parquet {
        /// File concerned.
        path: PathBuf,
        /// What the encoder or decoder said.
        source: parquet::errors::ParquetError,
    },
    /// An Arrow batch or stream could not be built or read.
    #[error("{}: {source}", path.display())]
    Arrow {
        /// File concerned.
        path: PathBuf,
        /// What the encoder or decoder said.
        source: arrow_schema::ArrowError,
    },
    /// The file does not hold the columns of a sample file.
    #[error("{}: {reason}", path.display())]
    Schema {
        /// File concerned.
        path: PathBuf,
        /// Which column, and what was expected.
        reason: String,
    },
}

impl Error {
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

    /// Tells whether the disk is full or over its quota, wherever in the chain it says so.
    pub fn is_disk_full(&self) -> bool {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(self);
        while let Some(error) = cause {
            if let Some(io) = error.downcast_ref::<io::Error>() {
                let kind = io.kind();
                return matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
            }
            cause = error.source();
        }
        // Both encoders may keep only the text of the system's error.
        self.to_string().contains("No space left on device")
    }
}
