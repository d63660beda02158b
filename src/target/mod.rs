//! The built-in target: a real HTTP server in front of a queueing model.

mod connection;
mod desk;
mod faults;
mod front;
mod instant;
mod line;
mod listener;
mod model;
pub mod recording;
mod release;
mod server;
mod spec;
mod tls;

pub use desk::TargetStats;
pub use faults::{Fault, Faults, FaultsError};
pub use model::{Completion, QueueModel, SpecError};
pub use server::{RunningTarget, Target, TargetError};
pub use spec::{Freeze, ServiceLaw, TargetSpec};
pub use tls::{TlsFiles, TlsFilesError};

/// `GET` of this path is answered beside any queue, and neither counted nor recorded.
const HEALTH_CHECK: &str = "/healthz";
