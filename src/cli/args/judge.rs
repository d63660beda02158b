//! Options of what reads finished runs: `gen analyze`, `gen query`, `gen compare`, and `gen ab`.

use std::path::PathBuf;

use clap::ValueEnum;
#[cfg(feature = "analysis")]
use openload_analysis::compare::Options;
use openload_contract::baseline::ComparedMetric;

use super::run::{Live, LoadArgs};

const COMPARE_EXAMPLES: &str = "\
Examples:
  gen compare results/spike-a results/spike-b         a run against an earlier one, paired if the seed is the same
  gen compare --save main results/spike-a             keep it as results/baselines/main.json
  gen compare main results/spike-b                    a run against that baseline
  gen compare a1 a2 a3 a4 a5 --with b1 b2 b3 b4 b5    several runs on both sides: noise between runs counts
  gen compare --history nightly results/spike-*       in twenty runs or more: since when is a metric different

Exit codes: 0 no regression · 1 not comparable, or too few samples · 2 wrong usage · 5 regression";

const AB_EXAMPLES: &str = "\
Examples:
  gen ab --profile baseline --target-a http://10.0.0.1:8080 --target-b http://10.0.0.2:8080
  gen ab --profile my.toml --target-a unix:/run/old.sock --target-b unix:/run/new.sock --time-scale 0.2

Exit codes: 0 no regression from a to b · 1 could not run, or too few samples · 2 wrong usage ·
4 a run is invalid · 5 regression · 130 interrupted";

const QUERY_EXAMPLES: &str = "\
Tables: samples, one row a request (columns: gen schema samples); seconds, one row a second, as in
timeseries.csv. With several runs, the column run is the folder of each.

Examples:
  gen query \"SELECT outcome, COUNT(*) AS n FROM samples GROUP BY outcome\"
  gen query \"SELECT request, QUANTILE_DISC(response_ns, 0.99) / 1000000 AS p99_ms FROM samples
             WHERE outcome = 'ok' GROUP BY request ORDER BY p99_ms DESC\" results/spike-a
  gen query \"SELECT t_s, offered, in_flight FROM seconds ORDER BY in_flight DESC LIMIT 5\" --csv

Exit codes: 0 answered · 1 a run cannot be read · 2 wrong usage or query";

/// Options of `gen analyze`.
#[derive(Debug, clap::Args)]
pub struct AnalyzeArgs {
    /// Run directories.
    #[arg(required = true, value_name = "RUN-DIR")]
    pub runs: Vec<PathBuf>,
    /// How the verdicts are told.
    #[command(flatten)]
    pub verdict: VerdictArgs,
}

/// How a verdict is told, and what the run is held against.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct VerdictArgs {
    /// Compare with this too: a run directory, a baseline file, or the name of one in
    /// results/baselines. The report shows the comparison; a regression is exit code 5.
    #[arg(long, value_name = "BASE")]
    pub base: Option<PathBuf>,
    /// Print the verdict only; with a base, that of the comparison on a second line.
    #[arg(long, short, conflicts_with = "json")]
    pub quiet: bool,
    /// Print summary.json to stdout and nothing else.
    #[arg(long)]
    pub json: bool,
    /// Add verdict, objectives and comparison to this Markdown file, for the page of a build server.
    #[arg(long, value_name = "FILE")]
    pub summary_markdown: Option<PathBuf>,
}

impl VerdictArgs {
    /// Tells whether people are told what happens.
    pub fn is_loud(&self) -> bool {
        !self.quiet && !self.json
    }
}

/// Options of `gen query`.
#[derive(Debug, clap::Args)]
#[command(after_help = QUERY_EXAMPLES)]
pub struct QueryArgs {
    /// What is asked.
    #[arg(value_name = "SELECT")]
    pub sql: String,
    /// Run directories [default: the newest in results].
    #[arg(value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// Print CSV, every row and digit.
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
    /// Print JSON, an object a row.
    #[arg(long)]
    pub json: bool,
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
    /// Search all runs named, twenty or more, for changes: since when is a metric different?
    #[arg(long, conflicts_with_all = ["with", "threshold", "save"])]
    pub history: bool,
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
