//! What a suite of runs comes to: `suite.json`.
//!
//! A suite is runs one after another in one folder. Each has its own run directory below it,
//! with everything a single run leaves; this file names them and repeats of each
//! `summary.json` what a table needs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::manifest::{HostRecord, RunStatus};
use crate::summary::{ObjectiveResult, Quantiles, Rates, RequestCounts, RunFacts};
use crate::verdict::{ExitCode, Verdict};
use crate::{SCHEMA_VERSION, Summary};

/// Name of this file in the suite's folder.
pub const FILE_NAME: &str = "suite.json";

/// The result of a suite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Suite {
    /// Schema version of this file.
    pub schema_version: String,
    /// Version of `gen` that made the runs.
    pub gen_version: String,
    /// Wall clock when the suite began, ns since the Unix epoch.
    pub start_unix_ns: i64,
    /// Factor on every duration that was asked for.
    pub time_scale: f64,
    /// Pause between two runs in seconds.
    pub cool_down_s: f64,
    /// Tags whose scenarios were run; empty for all.
    pub tags: Vec<String>,
    /// Machine the load came from.
    pub host: HostRecord,
    /// What the suite comes to: 0 when every run passed, else the exit code of the worst.
    pub exit_code: u8,
    /// The runs in their order.
    pub runs: Vec<SuiteRun>,
    /// Profiles that were not part of it.
    pub left_out: Vec<LeftOut>,
}

/// One run of a suite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SuiteRun {
    /// Name of the profile.
    pub name: String,
    /// Run directory, relative to the suite's folder.
    pub dir: String,
    /// Factor on every duration of this run.
    pub time_scale: f64,
    /// Requests per second the built-in target can serve by its configuration; `null` for
    /// another target.
    pub capacity_per_s: Option<f64>,
    /// What the reader should know about how it was run, in words.
    pub notes: Vec<String>,
    /// How it ended.
    pub ending: Ending,
    /// What it comes to; `null` when it could not run, or has not yet.
    pub result: Option<RunResult>,
}

/// How a run of a suite ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It has not begun.
    Waiting,
    /// It was made and judged.
    Judged,
    /// It could not be made or judged, for this reason.
    Failed {
        /// What was said, in words.
        error: String,
    },
}

/// What one run comes to, repeated from its `summary.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunResult {
    /// What was run.
    pub run: RunFacts,
    /// What it comes to.
    pub verdict: Verdict,
    /// Why the verdict is not `pass`.
    pub reasons: Vec<String>,
    /// Arrivals by fate.
    pub requests: RequestCounts,
    /// Rates over the intended time.
    pub rate: Rates,
    /// Response time over all arrivals, in ms.
    pub response_time: Quantiles,
    /// Each objective with its measured value.
    pub objectives: Vec<ObjectiveResult>,
}

/// A profile that was not part of a suite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LeftOut {
    /// Name of the profile.
    pub name: String,
    /// Why, in words.
    pub why: String,
}

impl Suite {
    /// Begins a suite in which nothing has run.
    pub fn new(gen_version: &str, start_unix_ns: i64, host: HostRecord) -> Self {
        Self {
            schema_version: SCHEMA_VERSION.to_owned(),
            gen_version: gen_version.to_owned(),
            start_unix_ns,
            time_scale: 1.0,
            cool_down_s: 0.0,
            tags: Vec::new(),
            host,
            exit_code: ExitCode::Passed.code(),
            runs: Vec::new(),
            left_out: Vec::new(),
        }
    }

    /// Tells what the suite comes to: the exit code of its worst run.
    ///
    /// Runs that have not begun count as interrupted: somebody stopped the suite before them.
    pub fn worst(&self) -> ExitCode {
        self.runs.iter().map(SuiteRun::exit_code).fold(ExitCode::Passed, ExitCode::worse)
    }
}

impl SuiteRun {
    /// Tells what the run alone would exit with.
    pub fn exit_code(&self) -> ExitCode {
        match (&self.ending, &self.result) {
            (Ending::Waiting, _) => ExitCode::Interrupted,
            (Ending::Failed { .. }, _) | (_, None) => ExitCode::CouldNotRun,
            (_, Some(result)) if result.run.status != RunStatus::Complete => ExitCode::Interrupted,
            (_, Some(result)) => result.verdict.exit_code(),
        }
    }
}

impl From<&Summary> for RunResult {
    fn from(summary: &Summary) -> Self {
        Self {
            run: summary.run.clone(),
            verdict: summary.verdict,
            reasons: summary.reasons.clone(),
            requests: summary.all.requests,
            rate: summary.all.rate,
            response_time: summary.all.response_time.clone(),
            objectives: summary.objectives.clone(),
        }
    }
}
