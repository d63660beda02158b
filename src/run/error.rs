//! Why a run could not start or could not be finished.

use std::io;
use std::path::{Path, PathBuf};

use openload_traces::TraceError;
use thiserror::Error;

use super::limits::LimitError;
use crate::target::TargetError;
use crate::transport::{RequestError, SourceError, TlsError};

/// A run could not start or could not be finished.
#[derive(Debug, Error)]
pub enum RunError {
    /// The run directory already holds a run.
    #[error("{} already holds a run; choose another directory with --out", path.display())]
    Occupied {
        /// The run directory.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// File or folder concerned.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The target does not answer.
    #[error(
        "the target does not answer: {cause}\nnothing was sent; start the target or correct \
         --target (probe = false under [connection] runs all the same)"
    )]
    Probe {
        /// What the system said, with the address.
        cause: String,
    },
    /// A limit of the system is too low for what the profile asks for.
    #[error("{0}\nnothing was sent; gen doctor shows all limits")]
    Limit(#[from] LimitError),
    /// TLS could not be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Connections cannot be made from an address of the profile.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A request cannot be sent.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// A recorded timeline could not be read.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// The built-in target could not be started.
    #[error("cannot start the built-in target: {0}")]
    Target(#[from] TargetError),
    /// A thread or its runtime could not be started.
    #[error("cannot start a worker: {0}")]
    Thread(io::Error),
    /// Rows could not be written.
    #[error("the run was stopped: {source}\n{}", advice(source, run_dir))]
    Samples {
        /// Run directory, which holds what was written.
        run_dir: PathBuf,
        /// What the file system said.
        source: openload_samples::Error,
    },
    /// Rows came faster than they could be written.
    #[error(
        "the run was stopped: rows came faster than {} takes them; use a faster disk or a \
         lower rate", run_dir.display()
    )]
    Overrun {
        /// Run directory, which holds what was written.
        run_dir: PathBuf,
    },
    /// A worker ended by a fault of this program.
    #[error("a worker failed: {cause}; this is a fault in gen, please report it")]
    Worker {
        /// The panic's message.
        cause: String,
    },
}

fn advice(error: &openload_samples::Error, run_dir: &Path) -> String {
    let kept = format!("what was written is kept; `gen analyze {}` reads it", run_dir.display());
    if error.is_disk_full() {
        format!("free some space or use another --out; {kept}")
    } else {
        kept
    }
}

impl RunError {
    /// Attaches a path to an error of the file system.
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_owned(), source }
    }
}
