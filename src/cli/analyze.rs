//! `gen analyze`: from a run directory to a verdict.

use openload_contract::ExitCode;

use super::args::AnalyzeArgs;
use super::console::Failure;

/// Judges each run; the exit code is that of the worst.
pub fn command(args: &AnalyzeArgs) -> Result<ExitCode, Failure> {
    let mut worst = ExitCode::Passed;
    for run in &args.runs {
        let exit = one(run, &args.verdict)?;
        if exit.code() > worst.code() {
            worst = exit;
        }
    }
    Ok(worst)
}

#[cfg(feature = "analysis")]
pub use judging::{Base, check_base, judged, one};

#[cfg(feature = "analysis")]
mod judging {
    use std::path::{Path, PathBuf};

    use openload_analysis::compare::{Options, Subject};
    use openload_analysis::{Analysis, output};
    use openload_contract::{Comparison, ExitCode, RunStatus};

    use super::super::args::VerdictArgs;
    use super::super::compare;
    use super::super::console::{self, Failure, print};

    /// What a run is held against.
    pub struct Base {
        /// Run directory, baseline file or name of one.
        pub path: PathBuf,
        /// How the two are compared.
        pub options: Options,
    }

    /// Judges one run, writes its results and prints the summary.
    pub fn one(run_dir: &Path, args: &VerdictArgs) -> Result<ExitCode, Failure> {
        let base = args.base.clone().map(|path| Base { path, options: Options::default() });
        let (analysis, comparison) = judged(run_dir, base.as_ref())?;
        let (summary, manifest) = (&analysis.summary, &analysis.manifest);
        if let Some(path) = &args.summary_markdown {
            output::append(path, &output::markdown(summary, comparison.as_ref()))
                .map_err(|error| Failure::could_not_run(&error))?;
        }
        if args.json {
            let text = output::summary_json(summary);
            print(text.map_err(|error| Failure::could_not_run(&error))?);
        } else if args.quiet {
            print(format!("{}\n", summary.verdict.name()));
            if let Some(comparison) = &comparison {
                print(format!("{}\n", comparison.verdict.name()));
            }
        } else {
            let style = output::Style { color: console::wants_color() };
            print(output::terminal(summary, manifest, run_dir, style));
            if let Some(comparison) = &comparison {
                print(format!("\n{}", output::compare::terminal(comparison, style)));
            }
        }
        let is_interrupted = summary.run.status != RunStatus::Complete && !manifest.is_aborted;
        Ok(match (summary.verdict.exit_code(), &comparison) {
            _ if is_interrupted => ExitCode::Interrupted,
            (ExitCode::Passed, Some(comparison)) => compare::exit_code(comparison),
            (exit, _) => exit,
        })
    }

    /// Judges one run, compares it with a base if there is one, and writes its results; prints
    /// nothing.
    pub fn judged(
        run_dir: &Path,
        base: Option<&Base>,
    ) -> Result<(Analysis, Option<Comparison>), Failure> {
        let analysis =
            openload_analysis::analyze(run_dir).map_err(|error| Failure::could_not_run(&error))?;
        let comparison = match base {
            Some(Base { path, options }) => {
                let runs = [run_dir.to_owned()];
                Some(compare::compared(std::slice::from_ref(path), &runs, *options)?)
            }
            None => None,
        };
        let results = output::Results { comparison: comparison.as_ref(), ..analysis.results() };
        output::write_all(run_dir, &results).map_err(|error| Failure::could_not_run(&error))?;
        Ok((analysis, comparison))
    }

    /// Complains about a base that is not there, before a run is made for it.
    pub fn check_base(args: &VerdictArgs) -> Result<(), Failure> {
        let base = args.base.as_deref();
        base.map_or(Ok(()), Subject::find).map_err(|error| Failure::could_not_run(&error))
    }
}

/// Says that this build cannot judge.
#[cfg(not(feature = "analysis"))]
pub fn one(
    run_dir: &std::path::Path,
    _args: &super::args::VerdictArgs,
) -> Result<ExitCode, Failure> {
    Err(Failure {
        exit: ExitCode::CouldNotRun,
        message: format!(
            "error: this gen was built without the analysis; the samples are in {}, and a gen \
             with its default features judges them with gen analyze",
            run_dir.display()
        ),
    })
}
