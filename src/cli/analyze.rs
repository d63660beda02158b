//! `gen analyze`: from a run directory to a verdict.

use std::path::Path;

use openload_contract::ExitCode;

use super::args::AnalyzeArgs;
use super::console::Failure;

/// Judges each run; the exit code is that of the worst.
pub fn command(args: &AnalyzeArgs) -> Result<ExitCode, Failure> {
    let mut worst = ExitCode::Passed;
    for run in &args.runs {
        let exit = one(run, args.quiet, args.json, args.summary_markdown.as_deref())?;
        if exit.code() > worst.code() {
            worst = exit;
        }
    }
    Ok(worst)
}

/// Judges one run, writes its results and prints the summary.
#[cfg(feature = "analysis")]
pub fn one(
    run_dir: &Path,
    quiet: bool,
    json: bool,
    markdown: Option<&Path>,
) -> Result<ExitCode, Failure> {
    use openload_analysis::output;
    use openload_contract::RunStatus;

    use super::console;

    let analysis = judged(run_dir)?;
    let (summary, manifest) = (&analysis.summary, &analysis.manifest);
    if let Some(path) = markdown {
        output::append(path, &output::markdown(summary))
            .map_err(|error| Failure::could_not_run(&error))?;
    }
    if json {
        let text = output::summary_json(summary);
        console::print(text.map_err(|error| Failure::could_not_run(&error))?);
    } else if quiet {
        console::print(format!("{}\n", summary.verdict.name()));
    } else {
        let style = output::Style { color: console::wants_color() };
        console::print(output::terminal(summary, manifest, run_dir, style));
    }
    let is_interrupted = summary.run.status != RunStatus::Complete && !manifest.is_aborted;
    Ok(if is_interrupted { ExitCode::Interrupted } else { summary.verdict.exit_code() })
}

/// Judges one run and writes its results; prints nothing.
#[cfg(feature = "analysis")]
pub fn judged(run_dir: &Path) -> Result<openload_analysis::Analysis, Failure> {
    let analysis =
        openload_analysis::analyze(run_dir).map_err(|error| Failure::could_not_run(&error))?;
    openload_analysis::output::write_all(
        run_dir,
        &analysis.summary,
        &analysis.seconds,
        &analysis.heat,
        &analysis.manifest,
    )
    .map_err(|error| Failure::could_not_run(&error))?;
    Ok(analysis)
}

/// Says that this build cannot judge.
#[cfg(not(feature = "analysis"))]
pub fn one(
    run_dir: &Path,
    _quiet: bool,
    _json: bool,
    _markdown: Option<&Path>,
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
