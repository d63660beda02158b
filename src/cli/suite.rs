//! `gen suite`: profiles one after another, one table, one folder, one exit code.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use openload::os::StopRequests;
use openload::profile::parse_duration_s;
use openload::suite::{PlannedRun, SuitePlan, SuiteRequest, plan};
use openload_analysis::output;
use openload_analysis::suite::SuiteFolder;
use openload_contract::suite::{Ending, SuiteRun};
use openload_contract::{ExitCode, ShardId, Suite};

use super::analyze;
use super::args::{RunArgs, SuiteArgs, VerdictArgs};
use super::confirm::confirm;
use super::console::{self, Failure};
use super::run;

/// Runs `gen suite`.
pub fn command(args: &SuiteArgs) -> Result<ExitCode, Failure> {
    if let Some(dir) = &args.from {
        let folder = SuiteFolder::open(dir).map_err(|error| Failure::could_not_run(&error))?;
        return show(&folder, args);
    }
    let cool_down = cool_down(args)?;
    let planned = plan(&request(args)).map_err(|error| match error {
        // Diagnostics of profiles are ready to print.
        openload::suite::SuiteError::Profile(error) => {
            Failure { exit: ExitCode::Usage, message: error.to_string() }
        }
        error => Failure::usage(error),
    })?;
    if args.dry_run {
        console::print(describe(&planned));
        return Ok(ExitCode::Passed);
    }
    // Profiles may have different targets, and some may replay: each is asked about.
    planned.runs.iter().try_for_each(|run| confirm(&run.plan, args.yes))?;
    let dir = args.out.clone().unwrap_or_else(|| run::default_out("suite"));
    let folder = SuiteFolder::create(&dir, suite(&planned, args, cool_down))
        .map_err(|error| Failure::could_not_run(&error))?;
    show(&run_all(planned, folder, args, cool_down)?, args)
}

fn request(args: &SuiteArgs) -> SuiteRequest {
    SuiteRequest {
        profiles: args.profiles.clone(),
        include_soak: args.include_soak,
        overrides: args.load.overrides(args.target.clone()),
    }
}

fn cool_down(args: &SuiteArgs) -> Result<Duration, Failure> {
    let wrong = || format!("--cool-down {}: write a time such as 5s or 1m", args.cool_down);
    let seconds = parse_duration_s(&args.cool_down).map_err(|_| Failure::usage(wrong()))?;
    Duration::try_from_secs_f64(seconds).map_err(|_| Failure::usage(wrong()))
}

/// What would be run, one line a run.
fn describe(planned: &SuitePlan) -> String {
    let mut text = String::new();
    for run in &planned.runs {
        let plan = &run.plan;
        text.push_str(&format!(
            "{:<16} {:>8.0} s  about {:>9.0} requests, up to {:.0}/s\n",
            run.dir,
            plan.end_ns() as f64 / 1e9,
            plan.expected_arrivals(),
            plan.peak_rate()
        ));
        for note in run.notes.iter().chain(&plan.warnings) {
            text.push_str(&format!("{:<16} {note}\n", ""));
        }
    }
    for one in &planned.left_out {
        text.push_str(&format!("{:<16} left out: {}\n", one.name, one.why));
    }
    text
}

/// The suite before its first run.
fn suite(planned: &SuitePlan, args: &SuiteArgs, cool_down: Duration) -> Suite {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let start_unix_ns = i64::try_from(now.as_nanos()).unwrap_or(i64::MAX);
    let run = |run: &PlannedRun| SuiteRun {
        name: run.plan.name.clone(),
        dir: run.dir.clone(),
        time_scale: run.time_scale,
        capacity_per_s: run.capacity_per_s(),
        notes: run.notes.clone(),
        ending: Ending::Waiting,
        result: None,
    };
    Suite {
        time_scale: args.load.time_scale,
        cool_down_s: cool_down.as_secs_f64(),
        tags: args.load.tag.clone(),
        runs: planned.runs.iter().map(run).collect(),
        left_out: planned.left_out.clone(),
        ..Suite::new(env!("CARGO_PKG_VERSION"), start_unix_ns, openload::os::host())
    }
}

/// Makes the runs in order, until somebody stops the suite.
fn run_all(
    planned: SuitePlan,
    mut folder: SuiteFolder,
    args: &SuiteArgs,
    pause: Duration,
) -> Result<SuiteFolder, Failure> {
    let is_loud = !args.quiet && !args.json;
    let count = planned.runs.len();
    for (index, run) in planned.runs.into_iter().enumerate() {
        if index > 0 && !waited(pause)? {
            break;
        }
        if is_loud {
            console::say(format!("\nrun {} of {count}", index + 1));
        }
        let run_args = run_args(args, folder.run_dir(index));
        let recorded = run::record(run.plan, ShardId::default(), &run_args);
        match recorded.and_then(|_| analyze::judged(&folder.run_dir(index), None)) {
            Ok((analysis, _)) => folder.judged(index, analysis.summary),
            Err(failure) => {
                console::report(&failure);
                let error = failure.message.trim_start_matches("error: ").to_owned();
                folder.failed(index, error);
            }
        }
        folder.write().map_err(|error| Failure::could_not_run(&error))?;
        let exit = folder.suite().runs[index].exit_code();
        if is_loud {
            console::say(verdict_line(&folder.suite().runs[index]));
        }
        if exit == ExitCode::Interrupted {
            break;
        }
    }
    Ok(folder)
}

fn run_args(args: &SuiteArgs, run_dir: PathBuf) -> RunArgs {
    RunArgs {
        out: Some(run_dir),
        workers: args.workers,
        start_at: None,
        pacing: args.pacing,
        cpus: Vec::new(),
        dry_run: false,
        no_analysis: false,
        live: args.live,
        verdict: VerdictArgs {
            base: None,
            quiet: args.quiet,
            json: args.json,
            summary_markdown: None,
        },
        yes: true,
    }
}

fn verdict_line(run: &SuiteRun) -> String {
    match &run.result {
        Some(result) => format!("{}: {}", run.name, result.verdict.name()),
        None => format!("{}: could not run", run.name),
    }
}

/// Lets the target and the system settle; tells whether the suite goes on.
fn waited(pause: Duration) -> Result<bool, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::could_not_run(&error))?;
    Ok(runtime.block_on(async {
        let mut requests = StopRequests::new();
        tokio::select! {
            () = requests.next() => false,
            () = tokio::time::sleep(pause) => true,
        }
    }))
}

/// Writes the pages, prints what was asked for and tells the exit code.
fn show(folder: &SuiteFolder, args: &SuiteArgs) -> Result<ExitCode, Failure> {
    let failure = |error: &dyn std::error::Error| Failure::could_not_run(error);
    let suite = folder.suite();
    folder.write().map_err(|error| failure(&error))?;
    if let Some(path) = &args.summary_markdown {
        output::append(path, &output::suite_markdown(suite)).map_err(|error| failure(&error))?;
    }
    if let Some(path) = &args.baselines {
        output::write_baselines(path, folder).map_err(|error| failure(&error))?;
    }
    if args.json {
        console::print(output::suite_json(suite).map_err(|error| failure(&error))?);
    } else if args.quiet {
        let verdicts: String = suite.runs.iter().map(|run| verdict_line(run) + "\n").collect();
        console::print(verdicts);
    } else {
        let style = output::Style { color: console::wants_color() };
        console::print(output::suite_terminal(suite, folder.dir(), style));
    }
    Ok(suite.worst())
}
