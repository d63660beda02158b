//! `gen query`: SQL over the samples of runs.

use openload_contract::ExitCode;

use super::args::QueryArgs;
use super::console::Failure;

/// Answers a query over runs.
#[cfg(feature = "analysis")]
pub fn command(args: &QueryArgs) -> Result<ExitCode, Failure> {
    use openload_analysis::output::table;
    use openload_analysis::query::{QueryError, query};

    use super::console;

    let runs = if args.runs.is_empty() { vec![newest()?] } else { args.runs.clone() };
    let answer = query(&args.sql, &runs).map_err(|error| match error {
        QueryError::Run(error) => Failure::could_not_run(&error),
        error @ QueryError::Sql { .. } => Failure::usage(error),
    })?;
    console::print(if args.json {
        table::json(&answer)
    } else if args.csv {
        table::csv(&answer)
    } else {
        table::terminal(&answer)
    });
    Ok(ExitCode::Passed)
}

/// The run in `results/` that was begun last.
#[cfg(feature = "analysis")]
fn newest() -> Result<std::path::PathBuf, Failure> {
    use std::fs;

    use openload_contract::manifest;

    let folders = fs::read_dir("results").into_iter().flatten().filter_map(Result::ok);
    let begun = folders.filter_map(|folder| {
        let manifest = folder.path().join(manifest::FILE_NAME);
        let text = fs::read_to_string(manifest).ok()?;
        let manifest: serde_json::Value = serde_json::from_str(&text).ok()?;
        Some((manifest["start_unix_ns"].as_i64()?, folder.path()))
    });
    let newest = begun.max().map(|(_, path)| path);
    newest.ok_or_else(|| {
        Failure::usage(
            "there is no run in results/; name one: gen query \"SELECT …\" RUN, RUN being a \
             folder with a run.json",
        )
    })
}

/// Says that this build cannot answer.
#[cfg(not(feature = "analysis"))]
pub fn command(_args: &QueryArgs) -> Result<ExitCode, Failure> {
    Err(Failure {
        exit: ExitCode::CouldNotRun,
        message: "error: this gen was built without the analysis; one with its default features \
                  answers queries"
            .to_owned(),
    })
}
