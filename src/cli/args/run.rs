//! Options of what sends load, and of the profile it comes from: a run, `gen plan`, `gen suite`.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::SystemTime;

use clap::ValueEnum;
use openload::pacer::Pacing;
use openload::profile::Overrides;
use openload_contract::ShardId;

use super::judge::VerdictArgs;

/// Where a plan comes from.
#[derive(Debug, clap::Args)]
pub struct ProfileArgs {
    /// Built-in profile (baseline, stress, spike, soak, mixed) or a TOML file.
    #[arg(long, value_name = "NAME|FILE", required = true)]
    pub profile: Option<String>,
    /// What is changed in it.
    #[command(flatten)]
    pub overrides: OverrideArgs,
}

/// What is changed in a profile.
#[derive(Debug, clap::Args)]
pub struct OverrideArgs {
    /// Where to send the requests, instead of the profile's target.
    #[arg(long, value_name = "URL")]
    pub target: Option<String>,
    /// What else is changed.
    #[command(flatten)]
    pub load: LoadArgs,
    /// Only this part of a distributed run: shard I of N, counted from 0.
    #[arg(long, value_name = "I/N", value_parser = shard, default_value = "0/1")]
    pub shard: ShardId,
}

/// What is changed in a profile, wherever its requests go.
#[derive(Debug, Clone, clap::Args)]
pub struct LoadArgs {
    /// Seed of everything random, instead of the profile's.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Multiply every rate.
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    pub rate_scale: f64,
    /// Multiply every duration of the load (timeouts and limits stay).
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    pub time_scale: f64,
    /// Set any key of the profile, for example --set phase.surge.rate=800.
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    pub set: Vec<(String, String)>,
    /// Only scenarios with such a tag.
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub tag: Vec<String>,
}

impl LoadArgs {
    /// The changes, with another target if one is given.
    pub fn overrides(&self, target: Option<String>) -> Overrides {
        Overrides {
            target,
            seed: self.seed,
            rate_scale: self.rate_scale,
            time_scale: self.time_scale,
            set: self.set.clone(),
            tags: self.tag.clone(),
        }
    }
}

/// A run of a profile.
#[derive(Debug, clap::Args)]
pub struct ProfileRunArgs {
    /// Profile and overrides.
    #[command(flatten)]
    pub profile: ProfileArgs,
    /// How it is run.
    #[command(flatten)]
    pub run: RunArgs,
}

/// Options of a run.
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    /// Run directory [default: results/<name>-<time>].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Worker threads [default: as few as the rate needs].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub workers: Option<u32>,
    /// Start at this time (RFC 3339), for runs on several machines.
    #[arg(long, value_name = "TIME", value_parser = start_time)]
    pub start_at: Option<SystemTime>,
    /// How to wait for an intended start.
    #[arg(long, value_enum, default_value_t = PacingArg::Precise)]
    pub pacing: PacingArg,
    /// Keep the workers on these processors, one each, and the other threads off them.
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub cpus: Vec<u32>,
    /// Validate and print the plan; send nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Record only; judge later with `gen analyze`.
    #[arg(long)]
    pub no_analysis: bool,
    /// How to show progress.
    #[arg(long, value_enum, default_value_t = Live::Auto)]
    pub live: Live,
    /// How the verdict is told.
    #[command(flatten)]
    pub verdict: VerdictArgs,
    /// Do not ask before sending much load to another machine.
    #[arg(long)]
    pub yes: bool,
}

/// Options of `gen suite`. A profile is shortened only as far as its objectives can be decided.
#[derive(Debug, clap::Args)]
pub struct SuiteArgs {
    /// Built-in profiles or TOML files, in order [default: baseline, stress, spike, mixed].
    #[arg(value_name = "NAME|FILE")]
    pub profiles: Vec<String>,
    /// Run the built-in soak too, which lasts for four hours.
    #[arg(long)]
    pub include_soak: bool,
    /// Where to send the requests, instead of the profiles' targets.
    #[arg(long, value_name = "URL")]
    pub target: Option<String>,
    /// What is changed in each profile.
    #[command(flatten)]
    pub load: LoadArgs,
    /// Folder of the suite [default: results/suite-<time>].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Pause between two runs.
    #[arg(long, value_name = "TIME", default_value = "5s")]
    pub cool_down: String,
    /// Worker threads of each run [default: as few as the rate needs].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub workers: Option<u32>,
    /// How to wait for an intended start.
    #[arg(long, value_enum, default_value_t = PacingArg::Precise)]
    pub pacing: PacingArg,
    /// List what would be run; send nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Run nothing; make the pages of this finished suite again, from its runs' summaries.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["profiles", "out", "dry_run"])]
    pub from: Option<PathBuf>,
    /// Write the measured values and the limits of later runs into this Markdown page.
    #[arg(long, value_name = "FILE")]
    pub baselines: Option<PathBuf>,
    /// Add the table and the objectives to this Markdown file, for the page of a build server.
    #[arg(long, value_name = "FILE")]
    pub summary_markdown: Option<PathBuf>,
    /// How to show progress.
    #[arg(long, value_enum, default_value_t = Live::Auto)]
    pub live: Live,
    /// Print what the suite comes to and nothing else.
    #[arg(long, short, conflicts_with = "json")]
    pub quiet: bool,
    /// Print suite.json to stdout and nothing else.
    #[arg(long)]
    pub json: bool,
    /// Do not ask before sending much load to another machine.
    #[arg(long)]
    pub yes: bool,
}

/// Options of `gen plan`.
#[derive(Debug, clap::Args)]
pub struct PlanArgs {
    /// Profile and overrides.
    #[command(flatten)]
    pub profile: ProfileArgs,
    /// Write every intended start to this Parquet file.
    #[arg(long, value_name = "FILE")]
    pub dump: Option<PathBuf>,
}

/// Ways to wait for an intended start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PacingArg {
    /// Sleep, then spin shortly.
    Precise,
    /// Sleep only.
    Efficient,
    /// Never sleep.
    Busy,
}

impl From<PacingArg> for Pacing {
    fn from(pacing: PacingArg) -> Self {
        match pacing {
            PacingArg::Precise => Self::Precise,
            PacingArg::Efficient => Self::Efficient,
            PacingArg::Busy => Self::Busy,
        }
    }
}

/// Ways to show progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Live {
    /// A changing line on a terminal, plain lines elsewhere.
    Auto,
    /// A line every five seconds.
    Plain,
    /// Nothing.
    None,
}

pub(super) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("expected KEY=VALUE, for example phase.surge.rate=800".to_owned()),
    }
}

fn shard(text: &str) -> Result<ShardId, String> {
    let expected = || "expected I/N with I below N, for example 0/3".to_owned();
    let (index, count) = text.split_once('/').ok_or_else(expected)?;
    let shard = ShardId {
        index: index.parse().map_err(|_| expected())?,
        count: count.parse().map_err(|_| expected())?,
    };
    if shard.index < shard.count && shard.count <= openload_contract::LANES {
        Ok(shard)
    } else {
        Err(format!("{}, and N at most {}", expected(), openload_contract::LANES))
    }
}

fn start_time(text: &str) -> Result<SystemTime, String> {
    let time = jiff::Timestamp::from_str(text).map_err(|error| error.to_string())?;
    let time = SystemTime::from(time);
    if time < SystemTime::now() { Err("lies in the past".to_owned()) } else { Ok(time) }
}
