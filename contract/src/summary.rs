//! What the analysis publishes: `summary.json` and the rows of `timeseries.csv`.
//!
//! Durations are milliseconds unless the name says otherwise. A value that the samples do
//! not support is `null`, never a guess.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::manifest::RunStatus;
use crate::objective::{Objective, Unit};
use crate::settings::AnalysisSettings;
use crate::verdict::Verdict;

/// The whole result of one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// Schema version of this file.
    pub schema_version: String,
    /// What was run.
    pub run: RunFacts,
    /// What the run comes to.
    pub verdict: Verdict,
    /// Why the verdict is not `pass`, most important first; empty when it is.
    pub reasons: Vec<String>,
    /// What the reader should know although it does not change the verdict.
    pub warnings: Vec<String>,
    /// Counts, rates, quantiles and errors over all measured phases.
    #[serde(flatten)]
    pub all: GroupSummary,
    /// The same by phase (`stream/phase` when there is more than one stream).
    pub by_phase: BTreeMap<String, GroupSummary>,
    /// The same by scenario.
    pub by_scenario: BTreeMap<String, GroupSummary>,
    /// The same by request.
    pub by_request: BTreeMap<String, GroupSummary>,
    /// One record per spike.
    pub recovery: Vec<Recovery>,
    /// One record per series that was searched for drift.
    pub drift: BTreeMap<String, Drift>,
    /// Capacity of the target; `null` unless the run held several rates one after another.
    pub capacity: Option<Capacity>,
    /// Whether the measurement may be believed.
    pub validity: Validity,
    /// Where the response time of the slow requests went.
    pub tail: TailBlame,
    /// What a tool whose users wait for their answers would have reported.
    #[serde(default)]
    pub closed_loop: ClosedLoop,
    /// Each objective with its measured value.
    pub objectives: Vec<ObjectiveResult>,
    /// Constants that were used.
    pub settings: AnalysisSettings,
}

/// What was run, repeated from the manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunFacts {
    /// Identifies the run.
    pub id: String,
    /// Name of the profile.
    pub name: String,
    /// Where the requests went.
    pub target: String,
    /// Seed of everything random.
    pub seed: u64,
    /// Wall clock at the start, ns since the Unix epoch.
    pub start_unix_ns: i64,
    /// Length of the timeline in seconds.
    pub planned_s: f64,
    /// Time from the start to the last completion in seconds.
    pub duration_s: f64,
    /// How far the run got.
    pub status: RunStatus,
    /// Version of `gen` that made the run.
    pub gen_version: String,
    /// SHA-256 of the profile as it ran.
    pub profile_sha256: String,
    /// Arrival processes in use, for example `poisson`.
    pub arrival: Vec<String>,
    /// Operating system, architecture and cores of the generator's host.
    pub host: String,
}

/// Counts, rates, quantiles and errors of a group of arrivals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GroupSummary {
    /// Arrivals by fate: `intended` = `ok` + `failed`, and `failed` includes `dropped`.
    pub requests: RequestCounts,
    /// Rates over the intended time of the group.
    pub rate: Rates,
    /// Response time over all arrivals: failures rank as infinitely slow.
    pub response_time: Quantiles,
    /// Response time over successes only.
    pub response_time_ok: Quantiles,
    /// Service time (completion − sent) over successes.
    pub service_time: Quantiles,
    /// Schedule lag over all arrivals, in µs.
    pub schedule_lag_us: LagQuantiles,
    /// Failures by kind.
    pub errors: Errors,
}

/// Arrivals by fate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct RequestCounts {
    /// Arrivals of the timeline.
    pub intended: u64,
    /// Arrivals whose bytes were handed to a socket.
    pub sent: u64,
    /// Arrivals with a complete response, whatever it said.
    pub completed: u64,
    /// Arrivals that ended `ok`.
    pub ok: u64,
    /// Arrivals that did not.
    pub failed: u64,
    /// Arrivals not sent because `max_in_flight` was reached.
    pub dropped: u64,
}

/// The three rates, per second.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Rates {
    /// What the timeline asked for.
    pub offered: f64,
    /// What was really sent.
    pub achieved: f64,
    /// Successes within the response-time objective (all successes when there is none).
    pub goodput: f64,
    /// Greatest number of intended starts in one second.
    pub peak_1s: u64,
}

/// Quantiles of a distribution in ms. `null` means that the samples do not support a value.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Quantiles {
    /// Rows in the distribution.
    pub count: u64,
    /// Rows ranked as infinitely slow.
    pub censored_count: u64,
    /// Mean of the finite rows.
    pub mean: Option<f64>,
    /// Median.
    pub p50: Option<f64>,
    /// 75th percentile.
    pub p75: Option<f64>,
    /// 90th percentile.
    pub p90: Option<f64>,
    /// 95th percentile.
    pub p95: Option<f64>,
    /// 99th percentile.
    pub p99: Option<f64>,
    /// 99.9th percentile.
    pub p999: Option<f64>,
    /// Greatest finite value.
    pub max: Option<f64>,
    /// 95 % confidence interval by quantile name; a limit is `null` where there is none.
    pub ci95: BTreeMap<String, Interval>,
    /// What must be said about a quantile by its name: `censored`, `low_confidence`, or the
    /// number of samples that would support it.
    pub notes: BTreeMap<String, QuantileNote>,
}

impl Quantiles {
    /// Names and levels of the quantiles of every table.
    pub const LEVELS: [(&'static str, f64); 6] =
        [("p50", 0.5), ("p75", 0.75), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p999", 0.999)];

    /// Returns the value of a quantile by its name in [`Quantiles::LEVELS`].
    pub fn value(&self, name: &str) -> Option<f64> {
        match name {
            "p50" => self.p50,
            "p75" => self.p75,
            "p90" => self.p90,
            "p95" => self.p95,
            "p99" => self.p99,
            "p999" => self.p999,
            _ => None,
        }
    }
}

/// A closed interval; an absent end is unbounded.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Interval {
    /// Lower end.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
}

/// What must be said about a quantile.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum QuantileNote {
    /// It falls among failures: at least the greatest success.
    Censored {
        /// Greatest success in ms.
        at_least: Option<f64>,
    },
    /// Between 3 and 10 effective samples lie beyond it.
    LowConfidence,
    /// Fewer than 3 effective samples lie beyond it.
    NeedsSamples {
        /// About how many samples would support it.
        about: u64,
    },
}

/// Quantiles of the schedule lag in µs.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct LagQuantiles {
    /// Median.
    pub p50: Option<f64>,
    /// 99th percentile.
    pub p99: Option<f64>,
    /// 99.9th percentile.
    pub p999: Option<f64>,
    /// Greatest value.
    pub max: Option<f64>,
}

/// Failures by kind.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Errors {
    /// Rows by outcome, `ok` left out.
    pub by_outcome: BTreeMap<String, u64>,
    /// Rows by HTTP status, of complete responses that did not end `ok`.
    pub by_status: BTreeMap<String, u64>,
}

/// How the target came back after one spike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Recovery {
    /// Stream of the spike.
    pub stream: String,
    /// Phase of the spike.
    pub phase: String,
    /// Beginning of the spike, seconds since the run's start.
    pub start_s: f64,
    /// End of the spike, seconds since the run's start.
    pub end_s: f64,
    /// Whether the target was seen to be back in band and to stay there.
    pub recovered: bool,
    /// Seconds from the spike's end; `null` when not recovered.
    pub recovery_s: Option<f64>,
    /// When not recovered: the recovery took at least this long.
    pub at_least_s: Option<f64>,
    /// By response time, by error share and by goodput: seconds, `null` when not recovered.
    pub by_signal: BTreeMap<String, Option<f64>>,
    /// Centre of the baseline's windowed p95 in ms.
    pub baseline_ms: Option<f64>,
    /// Upper edge of the band in ms.
    pub band_ms: Option<f64>,
    /// Seconds from the spike's start to the first window out of band.
    pub degrade_s: Option<f64>,
    /// Greatest windowed p95 in ms; `null` when failures hide it.
    pub peak_ms: Option<f64>,
    /// Area between the windowed median and its baseline, in s².
    pub area_s2: Option<f64>,
    /// Arrivals in windows out of band.
    pub arrivals_out_of_band: u64,
    /// Greatest number of requests in flight.
    pub backlog_peak: u64,
    /// Seconds from the spike's end until the backlog is back in band.
    pub drain_s: Option<f64>,
    /// Resolution: the width of a window in seconds.
    pub window_s: f64,
    /// Anything that limits the conclusion, in words.
    pub note: Option<String>,
}

/// Whether one series drifts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Drift {
    /// The conclusion.
    pub shape: DriftShape,
    /// The conclusion in words, with its numbers.
    pub text: String,
    /// Windows used.
    pub windows: u64,
    /// Width of a window in seconds.
    pub window_s: f64,
    /// Where the windows begin, in seconds from the run's start.
    #[serde(default)]
    pub from_s: f64,
    /// Theil–Sen slope in units of the series per second.
    pub slope: Option<f64>,
    /// Fitted start in units of the series.
    pub start: Option<f64>,
    /// Change per 24 h as a share of the fitted start.
    pub change_24h: Option<f64>,
    /// 95 % confidence interval of `change_24h`.
    pub change_24h_ci95: Interval,
    /// Change over the run as a share of the fitted start.
    pub change_run: Option<f64>,
    /// p-value of the trend test.
    pub p_value: Option<f64>,
}

/// What a series does over a long run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DriftShape {
    /// No drift was found; the interval says how much could hide.
    None,
    /// A steady change.
    Drift,
    /// One sudden change.
    Step,
    /// A cycle.
    Cycle,
    /// A change that dies away: warm-up.
    Settling,
    /// Too few windows to tell.
    Insufficient,
}

/// Whether the measurement may be believed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Validity {
    /// Whether no check failed.
    pub valid: bool,
    /// Every check, in the order of the documentation.
    pub checks: Vec<Check>,
    /// Rows of the sample files with `step = 0`, warm-up included.
    pub rows: u64,
    /// Arrivals the manifest says were dispatched; `null` when the run did not end.
    pub arrivals: Option<u64>,
    /// Seconds (since the run's start) in which the generator was late, at most 20 of them.
    pub late_seconds: Vec<u64>,
    /// Why it was late, as far as its vital signs tell; the most frequent cause first. Empty
    /// when it was on time.
    #[serde(default)]
    pub causes: Vec<LateCause>,
    /// Distance between the arrivals sent and their law.
    pub fit: Fit,
}

/// One check of the measurement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// Short name.
    pub name: String,
    /// How it ended.
    pub level: CheckLevel,
    /// Measured value and limit, in words.
    pub detail: String,
}

/// Why the generator was late.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LateCause {
    /// Short name: `quota`, `steal`, `memory`, `displaced`, `worker_full`, `writer`, `stopped`
    /// or `timer`.
    pub cause: String,
    /// Late arrivals in the seconds that show this cause.
    pub late_arrivals: u64,
    /// Their share of all late arrivals.
    pub share: f64,
    /// What was found in the second that shows it best, in words.
    pub detail: String,
    /// What helps.
    pub advice: String,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckLevel {
    /// Nothing to say.
    Ok,
    /// Worth a look; the verdict stands.
    Warn,
    /// The measurement is invalid.
    Invalid,
    /// Could not be decided from these samples.
    Skipped,
}

/// Distance between the arrivals and their law.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Fit {
    /// Smallest Bonferroni-corrected p-value of the tests of the intended starts.
    pub intended_p_value: Option<f64>,
    /// Kolmogorov–Smirnov distance of the sent gaps from the intended law.
    pub sent_ks_distance: Option<f64>,
    /// Dispersion index sent over intended, by window (`10ms`, `100ms`, `1s`).
    pub dispersion_ratio: BTreeMap<String, f64>,
}

/// Where response time went: means in ms over all sent rows and over the slowest percent.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct TailBlame {
    /// Part name (`lag`, `queue`, `connect`, `server`, `transfer`) → figures.
    pub parts: BTreeMap<String, BlamePart>,
    /// Quantile name → part name → its share of the time of the rows at or above that quantile
    /// of the response time; the shares of a quantile add up to 1.
    #[serde(default)]
    pub shares: BTreeMap<String, BTreeMap<String, f64>>,
}

/// One part of the response time, in ms.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct BlamePart {
    /// Mean over all rows.
    pub mean: f64,
    /// 99th percentile over all rows.
    pub p99: f64,
    /// Mean over the rows at or above the 99th percentile of the response time.
    pub mean_in_tail: f64,
}

/// The report of a tool with a fixed number of users who wait for their answers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ClosedLoop {
    /// Users: twice the requests in flight at the median service time, at least 10.
    pub users: u64,
    /// Requests that found a user free.
    pub sent: u64,
    /// Requests that did not, and would not have been sent.
    pub omitted: u64,
    /// What it would have called response time: the service time of the successes it sent.
    pub response_time: Quantiles,
}

/// What the target can take, from stretches of constant rate.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Capacity {
    /// Highest rate below every one that failed, at which all objectives of [`CapacityStep`] held, per second.
    pub sustainable_rps: Option<f64>,
    /// Lowest rate at which one did not, per second.
    pub failing_rps: Option<f64>,
    /// The conclusion in words.
    pub text: String,
    /// The steps in the order of their rate.
    pub steps: Vec<CapacityStep>,
    /// Where the response time begins to rise (Kneedle); moves with the range of rates and
    /// decides nothing.
    pub knee_rps: Option<f64>,
    /// Range of the knee when each step in turn is left out.
    pub knee_range: Interval,
    /// Fit of the universal scalability law; `null` with fewer than six steps.
    pub scalability: Option<Scalability>,
}

/// A stretch of constant rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CapacityStep {
    /// Phase of the step (`stream/phase` when there is more than one stream).
    pub phase: String,
    /// Beginning of what is judged, its first fifth left out, seconds since the run's start.
    pub start_s: f64,
    /// Its end.
    pub end_s: f64,
    /// Arrivals per second.
    pub offered: f64,
    /// Successes within the response-time objective, per second.
    pub goodput: f64,
    /// Goodput as a share of what was offered.
    pub goodput_share: f64,
    /// 99th percentile of the response time in ms, failures ranked as infinitely slow.
    pub p99: Option<f64>,
    /// Mean number of requests in flight.
    pub in_flight: f64,
    /// Growth of the backlog, requests per second per second of the step.
    pub backlog_slope: f64,
    /// Whether the target sustains the rate.
    pub is_sustainable: bool,
    /// Why not, in words.
    pub why: Option<String>,
}

/// The universal scalability law `X(N) = λN / (1 + α(N−1) + βN(N−1))`, N the mean in flight.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Scalability {
    /// Throughput of one request at a time, per second.
    pub lambda: f64,
    /// Contention.
    pub alpha: f64,
    /// Coherency.
    pub beta: f64,
    /// Requests in flight at which the throughput is greatest; `null` when there is no such.
    pub peak_in_flight: Option<f64>,
    /// That throughput, per second.
    pub peak_rps: Option<f64>,
}

/// One objective with its measured value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ObjectiveResult {
    /// The objective as resolved.
    pub objective: Objective,
    /// The objective in words, for example `p95 response time ≤ 500 ms in before`.
    pub text: String,
    /// Unit of `measured` and of the limit.
    pub unit: Unit,
    /// The measured value; `null` when censored or insufficient.
    pub measured: Option<f64>,
    /// The measured value in words, for example `>= 812 ms (censored)`.
    pub measured_text: String,
    /// 95 % confidence interval of the measured value.
    pub ci95: Interval,
    /// Whether the objective is met.
    pub met: bool,
    /// How sure that is.
    pub confidence: Confidence,
    /// Anything the reader should know, in words.
    pub note: Option<String>,
}

/// How sure the answer to an objective is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// The interval lies on one side of the limit.
    Clear,
    /// The interval covers the limit.
    Borderline,
    /// The samples do not support the value.
    Insufficient,
}

/// One second of `timeseries.csv`. Arrivals are counted in the second of their intended
/// start, so a slow second shows where it began.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SecondRow {
    /// Second since the run's start.
    pub t_s: u64,
    /// Phase at the beginning of the second (of the first stream).
    pub phase: String,
    /// Intended starts.
    pub offered: u64,
    /// Requests really sent in this second, whenever they were intended.
    pub sent: u64,
    /// Complete responses in this second, whenever they were intended.
    pub completed: u64,
    /// Arrivals of this second that ended `ok`.
    pub ok: u64,
    /// Arrivals of this second that did not.
    pub failed: u64,
    /// Arrivals of this second that were dropped.
    pub dropped: u64,
    /// Arrivals of this second that ended `http_error`.
    pub http_error: u64,
    /// Arrivals of this second that ended `check_failed`.
    pub check_failed: u64,
    /// Arrivals of this second that ended `timeout`.
    pub timeout: u64,
    /// Arrivals of this second that ended `connect_error`.
    pub connect_error: u64,
    /// Arrivals of this second that ended `reset`.
    pub reset: u64,
    /// Arrivals of this second that ended `protocol_error`.
    pub protocol_error: u64,
    /// Arrivals of this second that were `cancelled`.
    pub cancelled: u64,
    /// Requests in flight at the end of the second.
    pub in_flight: u64,
    /// Response time of the successes: median, ms.
    pub response_p50_ms: Option<f64>,
    /// Response time of the successes: 90th percentile, ms.
    pub response_p90_ms: Option<f64>,
    /// Response time of the successes: 95th percentile, ms.
    pub response_p95_ms: Option<f64>,
    /// Response time of the successes: 99th percentile, ms.
    pub response_p99_ms: Option<f64>,
    /// Response time of the successes: maximum, ms.
    pub response_max_ms: Option<f64>,
    /// Service time of the successes: median, ms.
    pub service_p50_ms: Option<f64>,
    /// Service time of the successes: 99th percentile, ms.
    pub service_p99_ms: Option<f64>,
    /// Schedule lag: median, µs.
    pub lag_p50_us: Option<f64>,
    /// Schedule lag: 99th percentile, µs.
    pub lag_p99_us: Option<f64>,
    /// Schedule lag: maximum, µs.
    pub lag_max_us: Option<f64>,
    /// Generator's CPU use in this second, in cores.
    pub cpu_cores: Option<f64>,
    /// Generator's resident memory at the end of the second.
    pub rss_bytes: Option<u64>,
    /// Target's resident memory at the end of the second.
    pub target_rss_bytes: Option<u64>,
}
