//! `gen --profile …`: a run, its verdict, its exit code.

use std::path::PathBuf;
use std::time::Duration;

use openload::dispatch::{FailureKind, StopLevel, StopSignal};
use openload::doctor::Calibration;
use openload::os::StopRequests;
use openload::plan::{Plan, TargetAddress};
use openload::run::{RunHandle, RunOutcome, RunSettings, start, worker_count};
use openload_contract::{ExitCode, Outcome, RunStatus, ShardId};

use super::analyze;
use super::args::{ProfileRunArgs, RunArgs};
use super::confirm::confirm;
use super::console::{self, Failure};
use super::doctor::calibration_path;
use super::plan::{describe, describe_trace, load};
use super::progress::ProgressLine;

/// How often the run is looked at.
pub(super) const TICK: Duration = Duration::from_millis(50);

/// Most reasons of failure that are told.
const REASONS_MAX: usize = 6;

/// Runs a profile.
pub fn command(args: &ProfileRunArgs) -> Result<ExitCode, Failure> {
    run(load(&args.profile)?, args.profile.overrides.shard, &args.run)
}

/// Runs a plan, or one shard of it.
pub fn run(plan: Plan, shard: ShardId, args: &RunArgs) -> Result<ExitCode, Failure> {
    if args.dry_run {
        console::print(describe(&plan, shard)?);
        return Ok(ExitCode::Passed);
    }
    if args.verdict.is_loud() {
        tell_traces(&plan);
    }
    let is_recorded_only = is_recorded_only(shard.count > 1, args);
    if is_recorded_only && args.verdict.base.is_some() {
        return Err(Failure::usage(
            "--base compares a run that is judged, and this one is only recorded; later: gen \
             analyze RUN --base BASE",
        ));
    }
    #[cfg(feature = "analysis")]
    analyze::check_base(&args.verdict)?;
    confirm(&plan, args.yes)?;
    let outcome = record(plan, shard, args)?;
    judge(&outcome, is_recorded_only, args)
}

/// Runs a plan to its end and records it; judges nothing.
pub fn record(plan: Plan, shard: ShardId, args: &RunArgs) -> Result<RunOutcome, Failure> {
    let settings = settings(args, &plan, shard);
    let is_loud = args.verdict.is_loud();
    if is_loud {
        console::say(introduce(&plan, &settings));
        warn_above_calibration(&plan, &settings);
    }
    let handle = start(plan, settings).map_err(|error| Failure::could_not_run(&error))?;
    for warning in handle.warnings().iter().filter(|_| is_loud) {
        console::say(format!("warning: {warning}"));
    }
    let outcome = watch(handle, args)?;
    if is_loud {
        tell_failures(&outcome.failures);
    }
    Ok(outcome)
}

fn settings(args: &RunArgs, plan: &Plan, shard: ShardId) -> RunSettings {
    RunSettings {
        run_dir: args.out.clone().unwrap_or_else(|| default_out(&plan.name)),
        workers: args.workers.unwrap_or_else(|| worker_count(plan, shard, &args.cpus)),
        shard,
        pacing: args.pacing.into(),
        cpus: args.cpus.clone(),
        cores: openload::os::cores(),
        start_at: args.start_at,
    }
}

/// Says what of recorded traffic will be sent, before the first byte.
fn tell_traces(plan: &Plan) {
    for stream in &plan.streams {
        if let Some(trace) = &stream.trace {
            console::say(describe_trace(&stream.name, trace));
        }
    }
}

/// A new folder below `results/`, named after what runs and the time.
pub fn default_out(name: &str) -> PathBuf {
    let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    // A profile's name may hold anything; a folder's name should not.
    let safe = |letter: char| if letter.is_alphanumeric() { letter } else { '-' };
    let name: String = name.chars().map(safe).collect();
    PathBuf::from("results").join(format!("{name}-{now}"))
}

/// Says when the plan asks for more than this host was measured to send.
fn warn_above_calibration(plan: &Plan, settings: &RunSettings) {
    let calibration = calibration_path().and_then(|path| Calibration::load(&path));
    let peak = plan.peak_rate() / f64::from(settings.shard.count);
    if let Some(warning) = calibration.and_then(|host| host.warning(peak, settings.workers)) {
        console::say(format!("warning: {warning}"));
    }
}

/// The plan in one line, before anything is sent.
fn introduce(plan: &Plan, settings: &RunSettings) -> String {
    let target = match &plan.target {
        TargetAddress::Embedded => "the built-in target".to_owned(),
        TargetAddress::Unix { path } => path.display().to_string(),
        TargetAddress::Tcp { host, port, .. } => format!("{host}:{port}"),
    };
    let shard = match settings.shard.count {
        1 => String::new(),
        count => format!(" · shard {} of {count}", settings.shard.index),
    };
    let mut text = format!(
        "{} → {target} · about {:.0} requests in {:.0} s, up to {:.0}/s · seed {}{shard}\nresults in {}",
        plan.name,
        plan.expected_arrivals() / f64::from(settings.shard.count),
        plan.end_ns() as f64 / 1e9,
        plan.peak_rate(),
        plan.seed,
        settings.run_dir.display(),
    );
    for warning in &plan.warnings {
        text.push_str("\nwarning: ");
        text.push_str(warning);
    }
    text
}

/// Shows progress until the workers have ended; Ctrl-C and SIGTERM stop them.
fn watch(handle: RunHandle, args: &RunArgs) -> Result<RunOutcome, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::could_not_run(&error))?;
    let live = if args.verdict.is_loud() { args.live } else { super::args::Live::None };
    let mut line = ProgressLine::new(live, handle.manifest());
    runtime.block_on(async {
        let (mut requests, stop) = (StopRequests::new(), handle.stop_signal());
        while !handle.is_finished() {
            tokio::select! {
                () = requests.next() => stop_harder(std::slice::from_ref(&stop)),
                () = tokio::time::sleep(TICK) => line.tick(&handle),
            }
        }
    });
    line.clear();
    handle.wait().map_err(|error| Failure::could_not_run(&error))
}

/// Passes a request to stop on: the first drains, the second gives up.
pub(super) fn stop_harder(stops: &[StopSignal]) {
    let is_running = stops.iter().any(|stop| stop.level() == StopLevel::Run);
    let (level, message) = match is_running {
        true => (
            StopLevel::Drain,
            "\nstopping: nothing more is sent, waiting for what is in flight (once more to give \
             it up)",
        ),
        false => (StopLevel::Now, "\ngiving up what is in flight"),
    };
    console::say(message);
    stops.iter().for_each(|stop| stop.raise(level));
}

/// Says why requests failed and what can be done about it.
pub(super) fn tell_failures(failures: &[FailureKind]) {
    for kind in failures.iter().take(REASONS_MAX) {
        // A cause that ends in advice of its own knows more.
        let advice = if kind.cause.contains("; ") { "" } else { advice(kind.outcome) };
        console::say(format!(
            "{:>8} × {}: {}{advice}",
            kind.count,
            kind.outcome.name(),
            kind.cause
        ));
    }
    if failures.len() > REASONS_MAX {
        console::say(format!("         … and {} more reasons", failures.len() - REASONS_MAX));
    }
}

fn advice(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::ConnectError => " — is the target running and listening there?",
        Outcome::Timeout => " — raise response_timeout if the target is meant to be that slow",
        Outcome::Reset => " — the target closes connections; see its log and its keep-alive time",
        Outcome::Dropped => " — the target is behind, or max_in_flight is too small for it",
        Outcome::ProtocolError => " — does the target speak HTTP/1.1 on this port?",
        _ => "",
    }
}

/// Tells whether nobody judges the run: on request, as one of several shards, or for want of the
/// analysis.
fn is_recorded_only(is_shard: bool, args: &RunArgs) -> bool {
    args.no_analysis || is_shard || cfg!(not(feature = "analysis"))
}

fn judge(
    outcome: &RunOutcome,
    is_recorded_only: bool,
    args: &RunArgs,
) -> Result<ExitCode, Failure> {
    let is_interrupted = outcome.status == RunStatus::Interrupted && !outcome.is_aborted;
    let exit = if is_recorded_only {
        if args.verdict.is_loud() {
            console::say(format!(
                "recorded; judge it with gen analyze {}",
                outcome.run_dir.display()
            ));
        }
        ExitCode::Passed
    } else {
        analyze::one(&outcome.run_dir, &args.verdict)?
    };
    Ok(if is_interrupted { ExitCode::Interrupted } else { exit })
}
