//! What can be typed.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::SystemTime;

use clap::{Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use openload::pacer::Pacing;
use openload_contract::ShardId;

const EXAMPLES: &str = "\
Examples:
  gen --profile spike                                       the built-in spike, at the built-in target
  gen --profile my.toml --target http://127.0.0.1:8080      a profile of your own, at a real server
  gen --profile soak --time-scale 0.03                      four hours in seven minutes
  gen plan --profile spike                                  what would be sent, and when
  gen doctor                                                what this host can measure and send

Exit codes: 0 objectives met · 1 could not run · 2 wrong usage or profile · 3 objectives missed ·
4 result invalid (the generator was too slow) · 130 interrupted";

/// Open-model load generator: requests start when the timeline says, whatever the target does.
#[derive(Debug, Parser)]
#[command(name = "gen", version, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct Args {
    /// What to do; without a command, a run.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Options of a run.
    #[command(flatten)]
    pub run: RunArgs,
}

/// What `gen` can do besides a run.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the timeline of a profile; send nothing.
    Plan(PlanArgs),
    /// Judge finished, interrupted or killed runs (again).
    Analyze(AnalyzeArgs),
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
}

/// Where a plan comes from.
#[derive(Debug, clap::Args)]
pub struct ProfileArgs {
    /// Built-in profile (baseline, stress, spike, soak, mixed) or a TOML file.
    #[arg(long, value_name = "NAME|FILE", required = true)]
    pub profile: Option<String>,
    /// Where to send the requests, instead of the profile's target.
    #[arg(long, value_name = "URL")]
    pub target: Option<String>,
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
    /// Only this part of a distributed run: shard I of N, counted from 0.
    #[arg(long, value_name = "I/N", value_parser = shard, default_value = "0/1")]
    pub shard: ShardId,
}

/// Options of a run.
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    /// Profile and overrides.
    #[command(flatten)]
    pub profile: ProfileArgs,
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
    /// Print the verdict only.
    #[arg(long, short, conflicts_with = "json")]
    pub quiet: bool,
    /// Print summary.json to stdout and nothing else.
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

/// Options of `gen analyze`.
#[derive(Debug, clap::Args)]
pub struct AnalyzeArgs {
    /// Run directories.
    #[arg(required = true, value_name = "RUN-DIR")]
    pub runs: Vec<PathBuf>,
    /// Print the verdict only.
    #[arg(long, short, conflicts_with = "json")]
    pub quiet: bool,
    /// Print summary.json to stdout and nothing else.
    #[arg(long)]
    pub json: bool,
}

/// Options of `gen doctor`.
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {
    /// Look for a few seconds only; nothing is kept for later runs.
    #[arg(long)]
    pub quick: bool,
    /// Print the report as JSON to stdout and nothing else.
    #[arg(long)]
    pub json: bool,
}

/// Options of `gen target`.
#[derive(Debug, clap::Args)]
pub struct TargetArgs {
    /// Address to listen on; unix:/path for a Unix socket.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub listen: String,
    /// Servers behind the one queue.
    #[arg(long, default_value_t = 4)]
    pub servers: u32,
    /// Law of the service times.
    #[arg(long, value_enum, default_value_t = ServiceArg::Exponential)]
    pub service: ServiceArg,
    /// Mean service time.
    #[arg(long, value_name = "TIME", default_value = "2ms")]
    pub service_mean: String,
    /// Coefficient of variation of a lognormal service time.
    #[arg(long, default_value_t = 1.0)]
    pub cv: f64,
    /// Share of requests answered with status 503.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub error_rate: f64,
    /// Stand still from AT for FOR, counted from the first request, for example 5s,1s.
    #[arg(long, value_name = "AT,FOR")]
    pub freeze: Vec<String>,
    /// Let the mean service time grow by GROW per PER, for example 20ms,1h.
    #[arg(long, value_name = "GROW,PER")]
    pub leak: Option<String>,
    /// Keep this many bytes per request for good.
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    pub leak_bytes: u64,
    /// Body bytes of a response.
    #[arg(long, value_name = "BYTES", default_value_t = 64)]
    pub body_bytes: u32,
    /// Seed of service times and errors.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Share of responses that break off in the middle of the body.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub reset_share: f64,
    /// Share of requests that are never answered.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub never_answer_share: f64,
    /// Share of responses after which the connection is closed without notice.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub close_share: f64,
    /// Share of responses that are not HTTP.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub garbage_share: f64,
    /// Answer at once, HTTP/1.1 only: the target that is never the bottleneck.
    #[arg(long, conflicts_with_all = [
        "servers", "service", "service_mean", "cv", "error_rate", "freeze", "leak", "leak_bytes",
        "seed", "reset_share", "never_answer_share", "close_share", "garbage_share",
    ])]
    pub instant: bool,
    /// Never sleep: requests are noticed at once, for a whole processor.
    #[arg(long)]
    pub busy: bool,
    /// Record every request into this Parquet file: when it came, and what it was.
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Speak TLS with this certificate (PEM, with those between it and a root).
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Private key of the certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Let in only clients whose certificate comes from these roots (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_client_ca: Option<PathBuf>,
}

/// Laws of a service time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ServiceArg {
    /// Always the mean.
    Deterministic,
    /// Exponential.
    Exponential,
    /// Lognormal, with --cv.
    Lognormal,
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

fn key_value(text: &str) -> Result<(String, String), String> {
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
