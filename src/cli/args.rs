//! What can be typed.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::SystemTime;

use clap::{Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use openload::pacer::Pacing;
use openload::profile::Overrides;
#[cfg(feature = "analysis")]
use openload_analysis::compare::Options;
use openload_contract::ShardId;
use openload_contract::baseline::ComparedMetric;

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

const COMPARE_EXAMPLES: &str = "\
Examples:
  gen compare results/spike-a results/spike-b         a run against an earlier one, paired if the seed is the same
  gen compare --save main results/spike-a             keep it as results/baselines/main.json
  gen compare main results/spike-b                    a run against that baseline
  gen compare a1 a2 a3 a4 a5 --with b1 b2 b3 b4 b5    several runs on both sides: noise between runs counts

Exit codes: 0 no regression · 1 not comparable, or too few samples · 2 wrong usage · 5 regression";

const AB_EXAMPLES: &str = "\
Examples:
  gen ab --profile baseline --target-a http://10.0.0.1:8080 --target-b http://10.0.0.2:8080
  gen ab --profile my.toml --target-a unix:/run/old.sock --target-b unix:/run/new.sock --time-scale 0.2

Exit codes: 0 no regression from a to b · 1 could not run, or too few samples · 2 wrong usage ·
4 a run is invalid · 5 regression · 130 interrupted";

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
    /// JSON Schema of a baseline file.
    Baseline,
    /// JSON Schema of suite.json.
    Suite,
}

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

/// Options of `gen replay`.
#[derive(Debug, clap::Args)]
pub struct ReplayArgs {
    /// Timeline, as gen trace import writes it.
    pub trace: PathBuf,
    /// Play X times as fast.
    #[arg(long, value_name = "X")]
    pub speed: Option<f64>,
    /// Send X times as many requests: copies of each event at slightly different times, and of
    /// those a share.
    #[arg(long, value_name = "X")]
    pub amplify: Option<f64>,
    /// Greatest distance of a copy from its event.
    #[arg(long, value_name = "TIME", default_value = "1s")]
    pub jitter: String,
    /// Begin there: a time since the first event, or a date (RFC 3339).
    #[arg(long, value_name = "T")]
    pub from: Option<String>,
    /// End there.
    #[arg(long, value_name = "T")]
    pub to: Option<String>,
    /// Play it N times, one after another.
    #[arg(long = "loop", value_name = "N")]
    pub repeat: Option<u32>,
    /// Methods to send [default: GET,HEAD,OPTIONS]; events with another are left out.
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub methods: Vec<String>,
    /// Overrides; any key of a profile can be set, for example trace.max_gap=30s.
    #[command(flatten)]
    pub overrides: OverrideArgs,
    /// How it is run.
    #[command(flatten)]
    pub run: RunArgs,
}

/// What can be done with recorded traffic.
#[derive(Debug, Subcommand)]
pub enum TraceCommand {
    /// Convert recorded traffic into a timeline.
    Import(ImportArgs),
    /// Tell what is in a timeline: span, rates, burstiness, paths, sessions.
    Info(InfoArgs),
    /// Fit a profile to a timeline, and tell how far from Poisson it is.
    Fit(FitArgs),
    /// Write a timeline as GoReplay's .gor.
    Export(ExportArgs),
}

/// Options of `gen trace import`.
#[derive(Debug, clap::Args)]
pub struct ImportArgs {
    /// Logs: files (.gz and .zst too), patterns, or - for standard input.
    #[arg(required = true, value_name = "LOG")]
    pub inputs: Vec<String>,
    /// Format; auto looks at the first lines.
    #[arg(long, value_name = "NAME", default_value = "auto")]
    pub format: String,
    /// Timeline to write.
    #[arg(long, value_name = "FILE.parquet")]
    pub out: PathBuf,
    /// The log_format (nginx) or LogFormat (apache) that the log was written with.
    #[arg(long, value_name = "TEXT")]
    pub pattern: Option<String>,
    /// Where a field is: a JSON pointer, a column's name or its number.
    #[arg(long, value_name = "FIELD=PLACE", value_parser = key_value)]
    pub map: Vec<(String, String)>,
    /// What the recorded time is, where the format leaves it open.
    #[arg(long, value_enum)]
    pub moment: Option<MomentArg>,
    /// Requests per second, for formats without times.
    #[arg(long, value_name = "N")]
    pub rate: Option<f64>,
    /// How events with the same coarse stamp are spread over its step.
    #[arg(long, value_enum, default_value_t = WithinArg::Poisson)]
    pub within: WithinArg,
    /// Seed of the spreading.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Share of bad lines above which the import is refused.
    #[arg(long, value_name = "SHARE", default_value_t = 0.01)]
    pub max_bad: f64,
    /// Keep referer and user agent of a combined log.
    #[arg(long)]
    pub headers: bool,
    /// Keep headers that are dropped otherwise: cookie, authorization.
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub keep_header: Vec<String>,
    /// Replace client addresses and e-mail addresses by hashes.
    #[arg(long)]
    pub scrub_addresses: bool,
    /// Print the report as JSON to stdout and nothing else.
    #[arg(long)]
    pub json: bool,
}

/// What a recorded time is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MomentArg {
    /// When the request came.
    Start,
    /// When the response was complete.
    End,
}

/// How events with the same coarse stamp are spread over its step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WithinArg {
    /// As a Poisson process would lie, given their number.
    Poisson,
    /// At equal distances.
    Even,
    /// Not at all: all at its beginning.
    Start,
}

/// Options of `gen trace info`.
#[derive(Debug, clap::Args)]
pub struct InfoArgs {
    /// Timeline.
    pub trace: PathBuf,
    /// Print it as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Options of `gen trace fit`.
#[derive(Debug, clap::Args)]
pub struct FitArgs {
    /// Timeline.
    pub trace: PathBuf,
    /// Write the fitted profile into this file.
    #[arg(long, value_name = "FILE.toml")]
    pub out: Option<PathBuf>,
    /// Model to write; auto takes the one whose gaps are closer to those of the trace.
    #[arg(long, value_enum, default_value_t = ModelArg::Auto)]
    pub model: ModelArg,
    /// Most steps of the rate.
    #[arg(long, value_name = "N", default_value_t = 60)]
    pub steps: usize,
    /// Seed of the fitted profile, and of what it is compared with.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

/// Options of `gen trace export`.
#[derive(Debug, clap::Args)]
pub struct ExportArgs {
    /// Timeline.
    pub trace: PathBuf,
    /// File to write.
    #[arg(long, value_name = "FILE.gor")]
    pub out: PathBuf,
}

/// Models of a timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ModelArg {
    /// The closer of the two.
    Auto,
    /// Poisson arrivals whose rate changes in steps.
    Nhpp,
    /// Poisson arrivals with bursts: a rate of two states.
    Mmpp,
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
    /// Print the verdict only.
    #[arg(long, short, conflicts_with = "json")]
    pub quiet: bool,
    /// Print summary.json to stdout and nothing else.
    #[arg(long)]
    pub json: bool,
    /// Add the verdict and the objectives to this Markdown file, for the page of a build server.
    #[arg(long, value_name = "FILE")]
    pub summary_markdown: Option<PathBuf>,
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
    /// Add the verdicts and the objectives to this Markdown file, for the page of a build server.
    #[arg(long, value_name = "FILE")]
    pub summary_markdown: Option<PathBuf>,
}

/// Options of `gen compare`.
#[derive(Debug, clap::Args)]
#[command(after_help = COMPARE_EXAMPLES)]
pub struct CompareArgs {
    /// The base, one run or several, and last the run to compare with it: run directories,
    /// baseline files, or names of files in results/baselines.
    #[arg(required = true, value_name = "BASE… RUN")]
    pub runs: Vec<PathBuf>,
    /// Several runs to compare with the base; all others are the base.
    #[arg(long, value_name = "RUN", num_args = 1..)]
    pub with: Vec<PathBuf>,
    /// Save all runs named as results/baselines/NAME.json instead of comparing them.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["json", "allow", "threshold"])]
    pub save: Option<String>,
    /// Compare although this differs; say so.
    #[arg(long, value_name = "WHAT", value_enum, value_delimiter = ',')]
    pub allow: Vec<AllowArg>,
    /// Change that counts, for example p99=15% or error_share=0.5% [default: p50=5%, p99=10%,
    /// error_share=0.1%, goodput_share=1%].
    #[arg(long, value_name = "METRIC=SHARE", value_parser = threshold)]
    pub threshold: Vec<(ComparedMetric, f64)>,
    /// Print the verdict only.
    #[arg(long, short, conflicts_with = "json")]
    pub quiet: bool,
    /// Print the comparison as JSON to stdout and nothing else.
    #[arg(long)]
    pub json: bool,
}

#[cfg(feature = "analysis")]
impl CompareArgs {
    /// What was chosen for the comparison.
    pub fn options(&self) -> Options {
        Options {
            allow_target: self.allow.contains(&AllowArg::Target),
            allow_host: self.allow.contains(&AllowArg::Host),
            ..options(&self.threshold)
        }
    }
}

/// What may differ between runs that are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AllowArg {
    /// The target's address.
    Target,
    /// The machine the runs were made on.
    Host,
}

/// Options of `gen ab`.
#[derive(Debug, clap::Args)]
#[command(after_help = AB_EXAMPLES)]
pub struct AbArgs {
    /// Built-in profile (baseline, stress, spike, soak, mixed) or a TOML file.
    #[arg(long, value_name = "NAME|FILE")]
    pub profile: String,
    /// The target that is the base.
    #[arg(long, value_name = "URL")]
    pub target_a: String,
    /// The target that is compared with it.
    #[arg(long, value_name = "URL")]
    pub target_b: String,
    /// Folder of the two run directories, a and b [default: results/<name>-ab-<time>].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// What is changed in each profile.
    #[command(flatten)]
    pub load: LoadArgs,
    /// Change that counts, as for gen compare.
    #[arg(long, value_name = "METRIC=SHARE", value_parser = threshold)]
    pub threshold: Vec<(ComparedMetric, f64)>,
    /// How to show progress.
    #[arg(long, value_enum, default_value_t = Live::Auto)]
    pub live: Live,
    /// Print the verdict only.
    #[arg(long, short, conflicts_with = "json")]
    pub quiet: bool,
    /// Print the comparison as JSON to stdout and nothing else.
    #[arg(long)]
    pub json: bool,
    /// Do not ask before sending much load to another machine.
    #[arg(long)]
    pub yes: bool,
}

#[cfg(feature = "analysis")]
impl AbArgs {
    /// What was chosen for the comparison. The targets differ on purpose.
    pub fn options(&self) -> Options {
        Options { allow_target: true, ..options(&self.threshold) }
    }
}

#[cfg(feature = "analysis")]
fn options(thresholds: &[(ComparedMetric, f64)]) -> Options {
    let mut options = Options::default();
    thresholds.iter().for_each(|&(metric, share)| options.thresholds.set(metric, share));
    options
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

fn threshold(text: &str) -> Result<(ComparedMetric, f64), String> {
    let names = ComparedMetric::ALL.map(ComparedMetric::name).join(", ");
    let expected = || format!("expected METRIC=SHARE such as p99=15%; metrics are {names}");
    let (name, share) = text.split_once('=').ok_or_else(expected)?;
    let metric = ComparedMetric::ALL.into_iter().find(|metric| metric.name() == name.trim());
    let (number, unit) = match share.trim().strip_suffix('%') {
        Some(percent) => (percent.trim(), 0.01),
        None => (share.trim(), 1.0),
    };
    let share = number.parse::<f64>().map_err(|_| expected())? * unit;
    let is_possible = share.is_finite() && (0.0..10.0).contains(&share);
    metric.filter(|_| is_possible).map(|metric| (metric, share)).ok_or_else(expected)
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
