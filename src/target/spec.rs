//! What the built-in target is told to do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Law of the service times.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServiceLaw {
    /// Always the mean.
    Deterministic,
    /// Exponential with the mean.
    Exponential,
    /// Lognormal with the mean and this coefficient of variation.
    Lognormal {
        /// Standard deviation over mean.
        cv: f64,
    },
}

/// A stretch of time in which no server works; what is in service stands still.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Freeze {
    /// Beginning, in seconds since the target's start.
    pub at_s: f64,
    /// Length in seconds.
    pub for_s: f64,
}

/// What the built-in target is told to do: `servers` servers behind one FIFO queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TargetSpec {
    /// Servers behind the queue.
    pub servers: u32,
    /// Law of the service times.
    pub service: ServiceLaw,
    /// Mean service time in seconds.
    pub service_mean_s: f64,
    /// Share of requests answered with status 503 after their service.
    pub error_rate: f64,
    /// Stretches in which no server works.
    pub freezes: Vec<Freeze>,
    /// Growth of the mean service time, in seconds per second: a slow leak.
    pub leak_s_per_s: f64,
    /// Memory kept for good per request, in bytes: a memory leak.
    pub leak_bytes: u64,
    /// Body bytes of a response.
    pub body_bytes: u32,
    /// Seed of service times and errors.
    pub seed: u64,
}

impl Default for TargetSpec {
    fn default() -> Self {
        Self {
            servers: 4,
            service: ServiceLaw::Exponential,
            service_mean_s: 0.002,
            error_rate: 0.0,
            freezes: Vec::new(),
            leak_s_per_s: 0.0,
            leak_bytes: 0,
            body_bytes: 64,
            seed: 1,
        }
    }
}
