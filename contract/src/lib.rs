//! What the generator and the analysis agree on, and nothing else.
//!
//! A run is handed over in files. This crate names what is in them: the sample columns
//! and their units ([`columns`]), the manifest `run.json` ([`Manifest`]), the arrival
//! processes and rate laws a timeline was drawn from ([`ArrivalKind`], [`RateLaw`]), the
//! objectives a run is held to ([`Objective`]), and what the analysis publishes
//! ([`Summary`], [`Suite`], [`Verdict`], [`ExitCode`]), and what it says of several runs
//! ([`Comparison`], [`History`], [`Baseline`]).
//!
//! It is a leaf: plain data, serde and a little arithmetic. It must not know tokio, hyper,
//! polars, clocks or terminals.

pub mod arrival;
pub mod baseline;
pub mod columns;
pub mod comparison;
pub mod digest;
pub mod history;
pub mod manifest;
pub mod mmpp;
pub mod monitor;
pub mod objective;
pub mod outcome;
pub mod rate;
pub mod renewal;
pub mod seeding;
pub mod settings;
pub mod suite;
pub mod summary;
pub mod verdict;

pub use arrival::ArrivalKind;
pub use baseline::Baseline;
pub use comparison::{Comparison, ComparisonVerdict};
pub use digest::TimelineDigest;
pub use history::History;
pub use manifest::{Manifest, PhaseRecord, Role, RunStatus, ScenarioRecord, ShardId, StreamRecord};
pub use mmpp::{Mmpp, ModulatedCurve};
pub use objective::{Bound, Metric, Objective};
pub use outcome::Outcome;
pub use rate::{RateCurve, RateLaw, Step};
pub use renewal::{GapFamily, GapLaw, Renewal};
pub use settings::{AnalysisSettings, Trim};
pub use suite::Suite;
pub use summary::Summary;
pub use verdict::{ExitCode, Verdict};

/// Version of everything written into a run directory: `major.minor`.
///
/// A reader refuses another major version and accepts any minor version of its own:
/// minor versions only add columns and keys.
pub const SCHEMA_VERSION: &str = "1.1";

/// Number of lanes a stream is cut into; workers and shards own whole lanes.
///
/// A thousand shards still find a lane each, and the heap that merges the lanes of one
/// worker stays ten comparisons deep.
pub const LANES: u32 = 1024;

/// Returns whether a file of schema version `found` can be read by this code.
pub fn is_readable_version(found: &str) -> bool {
    found.split('.').next() == SCHEMA_VERSION.split('.').next()
}

#[cfg(test)]
mod tests {
    use super::is_readable_version;

    #[test]
    fn a_minor_version_is_readable_and_a_major_one_is_not() {
        assert!(is_readable_version("1.0"));
        assert!(is_readable_version("1.7"));
        assert!(!is_readable_version("2.0"));
        assert!(!is_readable_version(""));
    }
}
