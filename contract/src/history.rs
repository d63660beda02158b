//! What `gen compare --history` publishes: when, in a row of runs, a metric changed.
//!
//! Durations are milliseconds, shares are between 0 and 1. A change of a duration is relative, a
//! change of a share is a difference.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::baseline::ComparedMetric;
use crate::comparison::ComparedRun;
use crate::objective::Unit;

/// A row of runs and the changes in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct History {
    /// Schema version of this file.
    pub schema_version: String,
    /// Greatest p-value of a change.
    pub p_max: f64,
    /// What the reader should know.
    pub warnings: Vec<String>,
    /// The runs, oldest first.
    pub runs: Vec<ComparedRun>,
    /// Each metric, first over everything measured, then by phase when there are several.
    pub metrics: Vec<MetricHistory>,
}

/// One metric over the runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MetricHistory {
    /// Phase (`stream/phase` when there is more than one stream); `null` is everything measured.
    pub phase: Option<String>,
    /// What was measured.
    pub metric: ComparedMetric,
    /// Unit of the values.
    pub unit: Unit,
    /// Value of each run; `null` when it falls among failures. Such a row is not searched.
    pub values: Vec<Option<f64>>,
    /// Changes, in the order of the runs.
    pub changes: Vec<Change>,
}

/// Where a metric changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// First run after the change.
    pub first_run: String,
    /// Its position among the runs, from 0.
    pub index: u64,
    /// Median of the runs between the change before and this one.
    pub before: f64,
    /// Median of the runs between this change and the next one.
    pub after: f64,
    /// From before to after: relative for durations, a difference for shares.
    pub change: f64,
    /// p-value of the permutation test.
    pub p_value: f64,
}
