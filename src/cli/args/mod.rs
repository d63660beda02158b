//! What can be typed: the commands here, their options by what they are about.

mod host;
mod judge;
mod run;
mod trace;

use clap::{Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub use host::*;
pub use judge::*;
pub use run::*;
pub use trace::*;

const EXAMPLES: &str = "\
Examples:
  gen --profile spike                                       the built-in spike, at the built-in target
  gen --profile my.toml --target http://127.0.0.1:8080      a profile of your own, at a real server
  gen --profile soak --time-scale 0.03                      four hours in seven minutes
  gen plan --profile spike                                  what would be sent, and when
  gen suite                                                 the built-in profiles, one table of verdicts
  gen doctor                                                what this host can measure and send

Exit codes: 0 objectives met · 1 could not run · 2 wrong usage or profile · 3 objectives missed ·
4 result invalid (the generator was too slow) · 5 regression against the base · 130 interrupted";

/// Open-model load generator: requests start when the timeline says, whatever the target does.
#[derive(Debug, Parser)]
#[command(name = "gen", version, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct Args {
    /// What to do; without a command, a run.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// A run.
    #[command(flatten)]
    pub run: ProfileRunArgs,
}

/// What `gen` can do besides a run.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the timeline of a profile; send nothing.
    Plan(PlanArgs),
    /// Replay a recorded timeline.
    Replay(ReplayArgs),
    /// Import recorded traffic, look at it, fit a profile to it.
    Trace {
        /// What to do with it.
        #[command(subcommand)]
        what: TraceCommand,
    },
    /// Judge finished, interrupted or killed runs (again).
    Analyze(AnalyzeArgs),
    /// Ask the samples of runs, in SQL.
    Query(QueryArgs),
    /// Compare runs with a base: what became slower, beyond chance and a threshold.
    Compare(CompareArgs),
    /// Send one timeline to two targets at once, and compare them.
    Ab(AbArgs),
    /// Run several profiles one after another, for one table of verdicts.
    Suite(SuiteArgs),
    /// Serve as a target with known timing.
    Target(TargetArgs),
    /// Measure this host: clock, timers, limits, highest rate on time.
    Doctor(DoctorArgs),
    /// Print the schema of a file format.
    Schema {
        /// Which format.
        what: SchemaKind,
    },
    /// Print completions for a shell.
    Completions {
        /// Which shell.
        shell: Shell,
    },
}

/// Formats with a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaKind {
    /// JSON Schema of a profile.
    Profile,
    /// Data dictionary of the sample files.
    Samples,
    /// Data dictionary of monitor.csv.
    Monitor,
    /// JSON Schema of summary.json.
    Summary,
    /// JSON Schema of what gen compare --json prints.
    Comparison,
    /// JSON Schema of what gen compare --history --json prints.
    History,
    /// JSON Schema of a baseline file.
    Baseline,
    /// JSON Schema of suite.json.
    Suite,
}
