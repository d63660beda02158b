//! The built-in target: a real HTTP server in front of a queueing model.

mod connection;
mod desk;
mod faults;
mod line;
mod listener;
mod model;
mod release;
mod server;
mod spec;

pub use desk::TargetStats;
pub use faults::{Fault, Faults, FaultsError};
pub use model::{Completion, QueueModel, SpecError};
pub use server::{RunningTarget, Target, TargetError};
pub use spec::{Freeze, ServiceLaw, TargetSpec};
