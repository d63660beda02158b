//! Baselines: what is kept of a run so that later ones can be compared with it.
//!
//! A file holds one or several runs of the same profile, each with what identifies it and the
//! value, interval and effective number of samples of every metric. That is a few kilobytes of
//! JSON, one value a line, fit to be kept under version control under `results/baselines`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::manifest::HostRecord;
use crate::objective::Unit;

/// Folder of the baselines, below the folder `gen` is used in.
pub const FOLDER: &str = "results/baselines";

/// A baseline file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Baseline {
    /// Schema version of this file.
    pub schema_version: String,
    /// The runs.
    pub runs: Vec<RunReading>,
}

/// What a comparison without samples needs of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunReading {
    /// Identifies the run.
    pub run_id: String,
    /// Name of the profile.
    pub name: String,
    /// Where the requests went.
    pub target: String,
    /// Seed of everything random.
    pub seed: u64,
    /// Wall clock at the start, ns since the Unix epoch.
    pub start_unix_ns: i64,
    /// Version of `gen` that made the run.
    pub gen_version: String,
    /// SHA-256 of the profile as it ran.
    pub profile_sha256: String,
    /// SHA-256 of the profile without its target's address.
    pub load_sha256: String,
    /// Machine of the run.
    pub host: HostRecord,
    /// Arrivals in measured phases.
    pub arrivals: u64,
    /// Arrivals of measured phases per second.
    pub offered_per_s: f64,
    /// Each metric, first over everything measured, then by phase when there are several.
    pub metrics: Vec<Reading>,
}

/// Value of a metric, and how well it is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reading {
    /// Phase (`stream/phase` when there is more than one stream); `null` is everything measured.
    pub phase: Option<String>,
    /// What was measured.
    pub metric: ComparedMetric,
    /// Rows it rests on.
    pub count: u64,
    /// The value, in ms or as a share; `null` when it falls among failures.
    pub value: Option<f64>,
    /// Lower end of its 95 % interval.
    pub low: Option<f64>,
    /// Upper end; `null` when failures or too few samples leave it open.
    pub high: Option<f64>,
    /// Independent samples that would know it as well.
    pub n_eff: f64,
    /// Degrees of freedom of the interval.
    pub freedom: u64,
    /// Share of the rows that failed.
    pub failed_share: f64,
}

/// What is compared between runs.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ComparedMetric {
    /// Median of the response time; failures rank as infinitely slow.
    P50,
    /// 99th percentile of the response time; failures rank as infinitely slow.
    P99,
    /// Share of arrivals that did not end `ok`.
    ErrorShare,
    /// Share of arrivals that ended `ok` within the response-time objective; only where the
    /// profile has one.
    GoodputShare,
}

impl ComparedMetric {
    /// Every metric, in the order of tables.
    pub const ALL: [Self; 4] = [Self::P50, Self::P99, Self::ErrorShare, Self::GoodputShare];

    /// Names the metric as files do.
    pub fn name(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::P99 => "p99",
            Self::ErrorShare => "error_share",
            Self::GoodputShare => "goodput_share",
        }
    }

    /// Level of the quantile, of a metric that is one.
    pub fn quantile(self) -> Option<f64> {
        match self {
            Self::P50 => Some(0.5),
            Self::P99 => Some(0.99),
            Self::ErrorShare | Self::GoodputShare => None,
        }
    }

    /// Unit of its values.
    pub fn unit(self) -> Unit {
        if self.quantile().is_some() { Unit::Ms } else { Unit::Ratio }
    }
}
