//! `gen doctor`: what this host can measure, and how fast it can send.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use openload::doctor::{Budget, Calibration, Level, Report, examine};
use openload_contract::ExitCode;

use super::args::DoctorArgs;
use super::console::{self, Failure};

/// Examines this host, prints the report and keeps the calibration.
pub fn command(args: &DoctorArgs) -> Result<ExitCode, Failure> {
    let budget = if args.quick { Budget::Quick } else { Budget::Full };
    let scratch = Scratch::make()?;
    let report = examine(budget, &scratch.0, &mut |step| {
        if !args.json {
            console::say(format!("measuring: {step}"));
        }
    });
    // A quick look is too short to judge later runs by, and a disturbed machine is another one.
    let kept = if args.quick || !report.was_quiet() { None } else { keep(&report) };
    if args.json {
        console::print(json(&report));
    } else {
        console::print(screen(&report, kept.as_deref()));
    }
    Ok(if report.usable { ExitCode::Passed } else { ExitCode::CouldNotRun })
}

/// Where calibrations are kept; `None` without a home.
pub fn calibration_path() -> Option<PathBuf> {
    let named = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let cache = named("XDG_CACHE_HOME").filter(|path| path.is_absolute());
    let cache = cache.or_else(|| Some(named("HOME")?.join(".cache")))?;
    Some(cache.join("openload").join("calibration.json"))
}

/// Keeps what this host can send; says so when it cannot.
fn keep(report: &Report) -> Option<PathBuf> {
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let now_s = i64::try_from(now_s).unwrap_or(i64::MAX);
    let one = report.one_worker.as_ref()?;
    let calibration = Calibration::of_this_host(one, report.all_workers.as_ref(), now_s)?;
    let path = calibration_path()?;
    match calibration.save(&path) {
        Ok(()) => Some(path),
        Err(error) => {
            console::say(format!("warning: the calibration was not kept: {error}"));
            None
        }
    }
}

fn json(report: &Report) -> String {
    let mut text = serde_json::to_string_pretty(report).expect("a report has only string keys");
    text.push('\n');
    text
}

/// The report in one screen.
fn screen(report: &Report, kept: Option<&Path>) -> String {
    let mut text = format!("gen {} on {} · {}\n", report.gen_version, report.host, report.system);
    for finding in &report.findings {
        let level = match finding.level {
            Level::Ok => "ok",
            Level::Warn => "warn",
            Level::Bad => "BAD",
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{level:<5}{:<15} {}", finding.name, finding.value);
        if !finding.advice.is_empty() {
            let _ = writeln!(text, "{:<21}{}", "", finding.advice);
        }
    }
    let verdict = match (report.usable, report.findings.iter().all(|one| one.level == Level::Ok)) {
        (false, _) => "runs are impossible here until what is BAD is mended",
        (true, false) => "usable; mind the warnings",
        (true, true) => "usable",
    };
    let _ = writeln!(text, "{verdict}");
    match kept {
        Some(path) => {
            let _ = writeln!(text, "runs above these rates are warned about ({})", path.display());
        }
        None if !report.was_quiet() => {
            text.push_str("the rates are not kept for later runs: others use this machine\n");
        }
        None => {}
    }
    text
}

/// A folder for the short runs, removed in the end.
struct Scratch(PathBuf);

impl Scratch {
    fn make() -> Result<Self, Failure> {
        let folder = std::env::temp_dir().join(format!("gen-doctor-{}", std::process::id()));
        fs::create_dir_all(&folder).map_err(|error| Failure {
            exit: ExitCode::CouldNotRun,
            message: format!(
                "error: {}: {error}; set TMPDIR to a folder that can be written",
                folder.display()
            ),
        })?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed lies where the system cleans up.
        let _ = fs::remove_dir_all(&self.0);
    }
}
