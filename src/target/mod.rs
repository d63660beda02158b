//! The built-in target: a real HTTP server in front of a queueing model.

mod spec;

pub use spec::{Freeze, ServiceLaw, TargetSpec};
