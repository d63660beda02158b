//! What `gen compare` publishes: how one or several runs differ from their base.
//!
//! Durations are milliseconds, shares are between 0 and 1. A change of a duration is relative
//! (0.05 is 5 % slower), a change of a share is a difference (0.001 is 0.1 point). A value that
//! the samples do not support is `null`, never a guess.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::baseline::{ComparedMetric, RunReading};
use crate::objective::Unit;
use crate::summary::Interval;

/// The whole result of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// Schema version of this file.
    pub schema_version: String,
    /// What the comparison comes to.
    pub verdict: ComparisonVerdict,
    /// Why it could not be made, or what became worse, most important first.
    pub reasons: Vec<String>,
    /// What the reader should know although it does not change the verdict.
    pub warnings: Vec<String>,
    /// How the runs were compared; `null` when they were not.
    pub method: Option<Method>,
    /// Probability of calling a change that is within the threshold a regression, over the whole
    /// family of metrics; as much again for improvements.
    pub level: f64,
    /// Metrics that were tested together.
    pub family: u64,
    /// The base.
    pub base: Vec<ComparedRun>,
    /// What is compared with it.
    pub run: Vec<ComparedRun>,
    /// Each metric, first over everything measured, then by phase when there are several.
    pub metrics: Vec<MetricComparison>,
}

/// What a comparison comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ComparisonVerdict {
    /// A metric is worse by more than its threshold.
    Regression,
    /// None is worse, and one is better by more than its threshold.
    Improvement,
    /// No metric is shown to be worse or better by more than its threshold.
    NoRegression,
    /// Not one metric has the samples that a comparison needs.
    TooFewSamples,
    /// The runs are not comparable.
    Refused,
}

impl ComparisonVerdict {
    /// Names the verdict as the JSON does.
    pub fn name(self) -> &'static str {
        match self {
            Self::Regression => "regression",
            Self::Improvement => "improvement",
            Self::NoRegression => "no_regression",
            Self::TooFewSamples => "too_few_samples",
            Self::Refused => "refused",
        }
    }
}

/// How runs were compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Two runs of one timeline: differences between batches of the same arrivals.
    Paired,
    /// Each run's own interval, on the logarithmic scale (Welch).
    Unpaired,
    /// At least four runs on each side: Hodges–Lehmann and exact Mann–Whitney of their values.
    Ranks,
}

/// What of a run a reader of the comparison needs to find it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ComparedRun {
    /// Identifies the run.
    pub id: String,
    /// Name of the profile.
    pub name: String,
    /// Where the requests went.
    pub target: String,
    /// Seed of everything random.
    pub seed: u64,
    /// Version of `gen` that made the run.
    pub gen_version: String,
    /// Arrivals in measured phases.
    pub arrivals: u64,
}

impl From<&RunReading> for ComparedRun {
    fn from(run: &RunReading) -> Self {
        Self {
            id: run.run_id.clone(),
            name: run.name.clone(),
            target: run.target.clone(),
            seed: run.seed,
            gen_version: run.gen_version.clone(),
            arrivals: run.arrivals,
        }
    }
}

/// How one metric differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MetricComparison {
    /// Phase (`stream/phase` when there is more than one stream); `null` is everything measured.
    pub phase: Option<String>,
    /// What is compared.
    pub metric: ComparedMetric,
    /// Unit of `base` and `run`.
    pub unit: Unit,
    /// Value of the base; of several runs the middle of their values.
    pub base: Option<f64>,
    /// Value of what is compared with it.
    pub run: Option<f64>,
    /// Change from base to run: relative for durations, a difference for shares.
    pub change: Option<f64>,
    /// 95 % confidence interval of the change, of this metric alone.
    pub ci95: Interval,
    /// Change for the worse that counts.
    pub threshold: f64,
    /// p-value that the change for the worse is within the threshold, of this metric alone.
    pub p_worse: Option<f64>,
    /// The same over the family of metrics (Holm).
    pub p_worse_adjusted: Option<f64>,
    /// p-value that the change for the better is within the threshold, over the family (Holm).
    pub p_better_adjusted: Option<f64>,
    /// The conclusion.
    pub answer: Answer,
    /// Smallest true change for the worse that such a comparison finds in four of five cases.
    pub detectable: Option<f64>,
    /// Anything that limits the conclusion, in words.
    pub note: Option<String>,
}

/// What can be said of one metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Worse by more than the threshold.
    Worse,
    /// Better by more than the threshold.
    Better,
    /// The whole interval lies within the threshold.
    Same,
    /// The interval reaches beyond the threshold: neither is shown.
    Unclear,
    /// The samples do not support the metric.
    TooFewSamples,
}
