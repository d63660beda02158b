//! `gen ab`: one timeline against two targets at once, and the comparison of the two.
//!
//! Both runs are made in this process and start at the same instant, so every arrival goes to both
//! targets at the same intended start, and what disturbs the generator or the machine
//! disturbs both alike. Each has its own workers, connections and run directory; nothing but the
//! clock is shared.

use std::path::Path;
use std::time::{Duration, SystemTime};

use openload::dispatch::{StopLevel, StopSignal};
use openload::os::StopRequests;
use openload::plan::Plan;
use openload::run::{RunHandle, RunOutcome, RunSettings, start, worker_count};
use openload_contract::{ExitCode, ShardId};

use super::analyze;
use super::args::{AbArgs, Live, LoadArgs, OverrideArgs, ProfileArgs};
use super::confirm::confirm;
use super::console::{self, Failure};
use super::plan::load;
use super::progress::ProgressLine;
use super::run::{TICK, default_out, stop_harder, tell_failures};

/// Time for both runs to get ready before their common start.
const HEAD_START: Duration = Duration::from_secs(1);
/// And for each connection that is opened before it.
const PREWARM_STEP: Duration = Duration::from_micros(500);

/// Sends one timeline to two targets and compares them.
pub fn command(args: &AbArgs) -> Result<ExitCode, Failure> {
    let a = load(&profile(args, &args.target_a, args.load.seed))?;
    let b = load(&profile(args, &args.target_b, Some(a.seed)))?;
    for plan in [&a, &b] {
        confirm(plan, args.yes)?;
    }
    let out = args.out.clone().unwrap_or_else(|| default_out(&format!("{}-ab", a.name)));
    let dirs = ["a", "b"].map(|side| out.join(side));
    let is_loud = !args.quiet && !args.json;
    if is_loud {
        console::say(introduce(&a, args, &out));
    }
    let connections = a.connection.prewarm.max(b.connection.prewarm);
    let start_at = SystemTime::now() + HEAD_START + PREWARM_STEP * connections;
    let [dir_a, dir_b] = &dirs;
    let first = begin(a, dir_a, start_at, is_loud)?;
    let second = match begin(b, dir_b, start_at, is_loud) {
        Ok(second) => second,
        Err(failure) => return Err(give_up(first, failure)),
    };
    if first.manifest().start_unix_ns != second.manifest().start_unix_ns {
        second.stop_signal().raise(StopLevel::Now);
        let _ = second.wait();
        let late = "error: the two runs were not ready at the same time; try again on a quieter \
                    machine";
        let failure = Failure { exit: ExitCode::CouldNotRun, message: late.to_owned() };
        return Err(give_up(first, failure));
    }
    let outcomes = watch([first, second], if is_loud { args.live } else { Live::None })?;
    for (side, outcome) in ["a", "b"].into_iter().zip(&outcomes) {
        if is_loud && !outcome.failures.is_empty() {
            console::say(format!("failures of {side}:"));
            tell_failures(&outcome.failures);
        }
    }
    judge(&outcomes, args)
}

/// The profile and the overrides of one side.
fn profile(args: &AbArgs, target: &str, seed: Option<u64>) -> ProfileArgs {
    ProfileArgs {
        profile: Some(args.profile.clone()),
        overrides: OverrideArgs {
            target: Some(target.to_owned()),
            load: LoadArgs { seed, ..args.load.clone() },
            shard: ShardId::default(),
        },
    }
}

fn introduce(plan: &Plan, args: &AbArgs, out: &Path) -> String {
    format!(
        "{} → a: {} and b: {} · about {:.0} requests to each in {:.0} s, up to {:.0}/s · seed {}\n\
         results in {}",
        plan.name,
        args.target_a,
        args.target_b,
        plan.expected_arrivals(),
        plan.end_ns() as f64 / 1e9,
        plan.peak_rate(),
        plan.seed,
        out.display(),
    )
}

/// Starts one side. It gets half of the processors to reckon with: the other side has the rest.
fn begin(
    plan: Plan,
    run_dir: &Path,
    start_at: SystemTime,
    is_loud: bool,
) -> Result<RunHandle, Failure> {
    let cores = (openload::os::cores() / 2).max(1);
    let shard = ShardId::default();
    let settings = RunSettings {
        run_dir: run_dir.to_owned(),
        workers: worker_count(&plan, shard, &[]).min(cores),
        shard,
        pacing: openload::pacer::Pacing::Precise,
        cpus: Vec::new(),
        cores,
        start_at: Some(start_at),
    };
    let handle = start(plan, settings).map_err(|error| Failure::could_not_run(&error))?;
    for warning in handle.warnings().iter().filter(|_| is_loud) {
        console::say(format!("warning: {warning}"));
    }
    Ok(handle)
}

/// Ends a side whose other side could not start.
fn give_up(handle: RunHandle, failure: Failure) -> Failure {
    handle.stop_signal().raise(StopLevel::Now);
    // The failure of the other side is the news.
    let _ = handle.wait();
    failure
}

/// Shows progress of the first side until both have ended; Ctrl-C and SIGTERM stop both.
fn watch(handles: [RunHandle; 2], live: Live) -> Result<Vec<RunOutcome>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::could_not_run(&error))?;
    let mut line = ProgressLine::new(live, handles[0].manifest());
    runtime.block_on(async {
        let mut requests = StopRequests::new();
        let stops: Vec<StopSignal> = handles.iter().map(RunHandle::stop_signal).collect();
        while !handles.iter().all(RunHandle::is_finished) {
            tokio::select! {
                () = requests.next() => stop_harder(&stops),
                () = tokio::time::sleep(TICK) => line.tick(&handles[0]),
            }
        }
    });
    line.clear();
    // Both sets of books are closed before the first error is told.
    let outcomes: Vec<_> = handles.into_iter().map(RunHandle::wait).collect();
    outcomes
        .into_iter()
        .map(|outcome| outcome.map_err(|error| Failure::could_not_run(&error)))
        .collect()
}

/// Judges each run by itself, then compares them.
#[cfg(feature = "analysis")]
fn judge(outcomes: &[RunOutcome], args: &AbArgs) -> Result<ExitCode, Failure> {
    use openload_contract::RunStatus;

    use super::analyze::Base;
    use super::compare;

    let (mut is_invalid, mut base, mut exit) = (false, None, ExitCode::Passed);
    for outcome in outcomes {
        let (analysis, comparison) = analyze::judged(&outcome.run_dir, base.as_ref())?;
        is_invalid |= analysis.summary.verdict.exit_code() == ExitCode::Invalid;
        if let Some(comparison) = comparison {
            compare::tell(&comparison, args.quiet, args.json)?;
            exit = compare::exit_code(&comparison);
        }
        base = Some(Base { path: outcome.run_dir.clone(), options: args.options() });
    }
    let is_interrupted = outcomes.iter().any(|one| one.status == RunStatus::Interrupted);
    Ok(match exit {
        _ if is_interrupted => ExitCode::Interrupted,
        ExitCode::CouldNotRun if is_invalid => ExitCode::Invalid,
        other => other,
    })
}

/// Says that this build cannot judge.
#[cfg(not(feature = "analysis"))]
fn judge(outcomes: &[RunOutcome], _args: &AbArgs) -> Result<ExitCode, Failure> {
    analyze::one(&outcomes[0].run_dir, &super::args::VerdictArgs::default())
}
