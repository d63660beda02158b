//! The manifest of a run: `run.json`.
//!
//! It is written when the run starts (status `running`), and again when it ends, each time
//! under a partial name that is renamed. A reader that finds `running` looks at a run that
//! is still going on or was killed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::arrival::ArrivalKind;
use crate::objective::Objective;
use crate::rate::RateLaw;
use crate::settings::AnalysisSettings;

/// Name of the manifest in a run directory.
pub const FILE_NAME: &str = "run.json";

/// How far a run got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Not ended, or ended without a chance to say so.
    Running,
    /// The whole timeline was dispatched and drained.
    Complete,
    /// Stopped before the end of the timeline.
    Interrupted,
}

/// What a phase is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Excluded from every measurement.
    Warmup,
    /// What a spike is compared with.
    Baseline,
    /// The surge itself.
    Spike,
    /// The stretch after a surge.
    Recovery,
    /// A rate on its way up or down.
    Ramp,
    /// An ordinary measured stretch.
    #[default]
    Steady,
    /// A long stretch that is searched for drift.
    Soak,
}

impl Role {
    /// Names the role as profiles do.
    pub fn name(self) -> &'static str {
        match self {
            Self::Warmup => "warmup",
            Self::Baseline => "baseline",
            Self::Spike => "spike",
            Self::Recovery => "recovery",
            Self::Ramp => "ramp",
            Self::Steady => "steady",
            Self::Soak => "soak",
        }
    }

    /// Tells whether the phase counts in the results.
    pub fn is_measured(self) -> bool {
        self != Self::Warmup
    }
}

/// One phase as it was planned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhaseRecord {
    /// Name, unique in its stream.
    pub name: String,
    /// What the phase is for.
    pub role: Role,
    /// Law of the arrivals.
    pub arrival: ArrivalKind,
    /// Law of the rate, relative to the beginning of the phase.
    pub rate: RateLaw,
    /// Beginning, ns since the run's start.
    pub start_ns: i64,
    /// End (exclusive), ns since the run's start.
    pub end_ns: i64,
}

/// One stream as it was planned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StreamRecord {
    /// Name, unique in the run.
    pub name: String,
    /// Phases in order, without gaps.
    pub phases: Vec<PhaseRecord>,
}

/// One scenario as it was planned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScenarioRecord {
    /// Name, unique in the run.
    pub name: String,
    /// Share relative to the other scenarios of its streams.
    pub weight: f64,
    /// Tags, for `--tag` and for objectives.
    pub tags: Vec<String>,
    /// Names of its requests.
    pub requests: Vec<String>,
}

/// Which part of a distributed run this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShardId {
    /// Number of this shard, from 0.
    pub index: u32,
    /// Number of shards.
    pub count: u32,
}

impl Default for ShardId {
    fn default() -> Self {
        Self { index: 0, count: 1 }
    }
}

/// The machine a run was made on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct HostRecord {
    /// Host name.
    pub name: String,
    /// Operating system and its version.
    pub os: String,
    /// Processor architecture.
    pub arch: String,
    /// Processors this process may use.
    pub cores: u32,
}

/// What was dispatched, known when the run ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineRecord {
    /// Arrivals of the timeline that belong to this run (or shard): one row each.
    pub arrivals: u64,
    /// [`crate::TimelineDigest`] of those arrivals.
    pub digest: String,
}

/// The manifest of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`crate::SCHEMA_VERSION`] of the writer.
    pub schema_version: String,
    /// Version of `gen` that made the run.
    pub gen_version: String,
    /// Identifies the run: its start in UTC and its seed.
    pub run_id: String,
    /// Name of the profile.
    pub name: String,
    /// How far the run got.
    pub status: RunStatus,
    /// Why it ended early, in words; empty otherwise.
    pub stopped_because: Option<String>,
    /// Seed of everything random.
    pub seed: u64,
    /// Wall clock at the run's start, ns since the Unix epoch.
    pub start_unix_ns: i64,
    /// Time from the run's start to the last row, once known.
    pub duration_ns: Option<i64>,
    /// Where the requests went.
    pub target: String,
    /// The profile as it ran, overrides included.
    pub profile: serde_json::Value,
    /// SHA-256 of the profile as it ran, in hexadecimal.
    pub profile_sha256: String,
    /// Streams with their phases.
    pub streams: Vec<StreamRecord>,
    /// Scenarios with their requests.
    pub scenarios: Vec<ScenarioRecord>,
    /// Pass/fail lines.
    pub objectives: Vec<Objective>,
    /// Constants of the analysis.
    pub analysis: AnalysisSettings,
    /// Lanes of each stream.
    pub lanes: u32,
    /// Worker threads of this process.
    pub workers: u32,
    /// Which part of a distributed run this is.
    pub shard: ShardId,
    /// Most requests in flight at once, over all workers of this process.
    pub max_in_flight: u64,
    /// How the workers wait: `precise`, `efficient` or `busy`.
    pub pacing: String,
    /// Longest time a worker spins before an intended start, in ns; 0 when it only sleeps,
    /// absent when it never sleeps or the writer of the file did not say.
    #[serde(default)]
    pub spin_ns: Option<i64>,
    /// Processors the workers were kept on; empty when that was left to the system.
    #[serde(default)]
    pub cpus: Vec<u32>,
    /// Machine of the run.
    pub host: HostRecord,
    /// What was dispatched; absent until the run ends.
    pub timeline: Option<TimelineRecord>,
}

impl Manifest {
    /// End of the timeline, ns since the run's start.
    pub fn planned_end_ns(&self) -> i64 {
        let ends = self.streams.iter().filter_map(|stream| stream.phases.last());
        ends.map(|phase| phase.end_ns).max().unwrap_or(0)
    }
}
