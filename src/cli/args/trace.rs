//! Options of recorded traffic: `gen replay`, `gen trace`.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

use super::run::{OverrideArgs, RunArgs, key_value};

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
