//! `gen compare`: runs against their base.

use openload_contract::ExitCode;

use super::args::CompareArgs;
use super::console::Failure;

/// Compares runs, or saves them as a baseline.
#[cfg(feature = "analysis")]
pub fn command(args: &CompareArgs) -> Result<ExitCode, Failure> {
    match &args.save {
        _ if args.history => judging::history(args),
        Some(name) => judging::save(name, args),
        None => {
            let (base, run) = sides(args)?;
            let comparison = compared(base, run, args.options())?;
            tell(&comparison, args.quiet, args.json)?;
            Ok(exit_code(&comparison))
        }
    }
}

/// Says that this build cannot judge.
#[cfg(not(feature = "analysis"))]
pub fn command(_args: &CompareArgs) -> Result<ExitCode, Failure> {
    Err(Failure {
        exit: ExitCode::CouldNotRun,
        message: "error: this gen was built without the analysis; one with its default features \
                  compares runs"
            .to_owned(),
    })
}

/// What is the base, and what is compared with it.
#[cfg(feature = "analysis")]
fn sides(args: &CompareArgs) -> Result<(&[std::path::PathBuf], &[std::path::PathBuf]), Failure> {
    if !args.with.is_empty() {
        return Ok((&args.runs, &args.with));
    }
    match args.runs.split_at(args.runs.len().saturating_sub(1)) {
        ([], _) => Err(Failure::usage(
            "a base and a run are needed: gen compare BASE RUN; several runs on both sides: gen \
             compare BASE… --with RUN…",
        )),
        sides => Ok(sides),
    }
}

#[cfg(feature = "analysis")]
pub use judging::{compared, exit_code, tell};

#[cfg(feature = "analysis")]
mod judging {
    use std::path::{Path, PathBuf};

    use openload_analysis::compare::history::history as search;
    use openload_analysis::compare::{Options, Subject, baseline};
    use openload_analysis::output;
    use openload_contract::{Comparison, ComparisonVerdict, ExitCode};

    use super::super::args::CompareArgs;
    use super::super::console::{self, Failure};

    /// Saves runs as a baseline.
    pub fn save(name: &str, args: &CompareArgs) -> Result<ExitCode, Failure> {
        let failed = |error: baseline::BaselineError| Failure::could_not_run(&error);
        let subjects = open(args.runs.iter().chain(&args.with))?;
        let file = baseline::of_subjects(&subjects).map_err(failed)?;
        let path = baseline::write(Path::new(""), name, &file).map_err(failed)?;
        if !args.quiet {
            let runs = if file.runs.len() == 1 { "run" } else { "runs" };
            console::say(format!("{} {runs} saved in {}", file.runs.len(), path.display()));
        }
        Ok(ExitCode::Passed)
    }

    /// Searches a row of runs for changes, and says where they are.
    pub fn history(args: &CompareArgs) -> Result<ExitCode, Failure> {
        let subjects = open(args.runs.iter())?;
        let history =
            search(&subjects, args.options()).map_err(|error| Failure::could_not_run(&error))?;
        let changes = history.metrics.iter().map(|metric| metric.changes.len()).sum::<usize>();
        if args.json {
            let text = output::history::json(&history);
            console::print(text.map_err(|error| Failure::could_not_run(&error))?);
        } else if args.quiet {
            console::print(format!("{changes}\n"));
        } else {
            let style = output::Style { color: console::wants_color() };
            console::print(output::history::terminal(&history, style));
        }
        Ok(ExitCode::Passed)
    }

    /// Compares runs with their base.
    pub fn compared(
        base: &[PathBuf],
        run: &[PathBuf],
        options: Options,
    ) -> Result<Comparison, Failure> {
        let (base, run) = (open(base.iter())?, open(run.iter())?);
        Ok(openload_analysis::compare::compare(&base, &run, options))
    }

    /// Says how runs differ.
    pub fn tell(comparison: &Comparison, quiet: bool, json: bool) -> Result<(), Failure> {
        if json {
            let text = output::compare::json(comparison);
            console::print(text.map_err(|error| Failure::could_not_run(&error))?);
        } else if quiet {
            console::print(format!("{}\n", comparison.verdict.name()));
        } else {
            let style = output::Style { color: console::wants_color() };
            console::print(output::compare::terminal(comparison, style));
        }
        Ok(())
    }

    /// What a comparison makes of a command.
    pub fn exit_code(comparison: &Comparison) -> ExitCode {
        match comparison.verdict {
            ComparisonVerdict::Regression => ExitCode::Regression,
            ComparisonVerdict::Improvement | ComparisonVerdict::NoRegression => ExitCode::Passed,
            ComparisonVerdict::TooFewSamples | ComparisonVerdict::Refused => ExitCode::CouldNotRun,
        }
    }

    fn open<'a>(paths: impl Iterator<Item = &'a PathBuf>) -> Result<Vec<Subject>, Failure> {
        let mut subjects = Vec::new();
        for path in paths {
            let opened = Subject::open(path).map_err(|error| Failure::could_not_run(&error))?;
            subjects.extend(opened);
        }
        Ok(subjects)
    }
}
