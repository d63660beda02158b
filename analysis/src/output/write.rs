//! Puts the results of the analysis into a run directory.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use openload_contract::suite::FILE_NAME;
use openload_contract::{Suite, Summary};

use super::{Results, baselines, csv, junit, markdown, report, suite};
use crate::suite::SuiteFolder;

/// Names of the result files, in the order in which they are written.
pub const NAMES: [&str; 5] =
    ["report.html", "summary.json", "summary.csv", "timeseries.csv", "junit.xml"];

/// Why the results could not be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// A file could not be written or renamed.
    #[error("cannot write {}", path.display())]
    Write {
        /// File the error is about.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The summary is not representable as JSON.
    #[error("cannot render the summary as JSON")]
    Json(#[from] serde_json::Error),
    /// The template of the report is broken.
    #[error("cannot render the report")]
    Report(#[from] minijinja::Error),
}

/// Writes every result file of a run and returns their paths.
///
/// Everything is rendered before the first byte is written, and each file appears under its
/// name only when it is complete. The same input gives the same bytes.
pub fn write_all(run_dir: &Path, results: &Results<'_>) -> Result<Vec<PathBuf>, OutputError> {
    let texts = [
        report::render(results)?,
        summary_json(results.summary)?,
        csv::summary(results.summary),
        csv::timeseries(results.seconds),
        junit::render(results.summary),
    ];
    NAMES.iter().zip(texts).map(|(name, text)| write(run_dir, name, &text)).collect()
}

/// Names of the pages of a suite, beside its `suite.json`.
pub const SUITE_NAMES: [&str; 3] = ["index.html", "summary.md", "junit.xml"];

/// Writes `suite.json` and the pages of a suite into its folder.
///
/// # Errors
/// When a file cannot be rendered or written.
pub fn write_suite(folder: &SuiteFolder) -> Result<(), OutputError> {
    let pages = [suite::page(folder)?, markdown::suite(folder.suite()), junit::suite(folder)];
    for (name, text) in SUITE_NAMES.iter().zip(pages) {
        write(folder.dir(), name, &text)?;
    }
    write(folder.dir(), FILE_NAME, &suite_json(folder.suite())?)?;
    Ok(())
}

/// Writes the page of baselines of a suite.
///
/// # Errors
/// When the file cannot be written.
pub fn write_baselines(path: &Path, folder: &SuiteFolder) -> Result<(), OutputError> {
    fs::write(path, baselines::page(folder))
        .map_err(|source| OutputError::Write { path: path.to_owned(), source })
}

/// Renders `suite.json`.
///
/// # Errors
/// When the suite is not representable as JSON.
pub fn suite_json(suite: &Suite) -> Result<String, OutputError> {
    Ok(serde_json::to_string_pretty(suite)? + "\n")
}

/// Adds a text to the end of a file, which is made when it is not there.
///
/// # Errors
/// When the file cannot be written.
pub fn append(path: &Path, text: &str) -> Result<(), OutputError> {
    let file = fs::OpenOptions::new().create(true).append(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|source| OutputError::Write { path: path.to_owned(), source })
}

/// Renders `summary.json`.
///
/// # Errors
/// When the summary is not representable as JSON.
pub fn summary_json(summary: &Summary) -> Result<String, OutputError> {
    Ok(serde_json::to_string_pretty(summary)? + "\n")
}

/// Writes a file under a partial name and renames it when it is complete.
fn write(run_dir: &Path, name: &str, text: &str) -> Result<PathBuf, OutputError> {
    let path = run_dir.join(name);
    let partial = run_dir.join(format!("{name}.partial"));
    fs::write(&partial, text)
        .map_err(|source| OutputError::Write { path: partial.clone(), source })?;
    fs::rename(&partial, &path)
        .map_err(|source| OutputError::Write { path: path.clone(), source })?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::PathBuf;

    use openload_contract::Summary;

    use super::super::fixture;
    use super::{summary_json, write_all};

    #[test]
    fn every_fixture_is_written_whole_and_the_same_each_time() {
        for fixture in fixture::all() {
            let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let paths = [first.path(), second.path()]
                .map(|dir| write_all(dir, &fixture.results()).unwrap());
            for (one, other) in paths[0].iter().zip(&paths[1]) {
                assert_eq!(fs::read(one).unwrap(), fs::read(other).unwrap(), "{one:?}");
            }
            let listed: BTreeSet<_> = paths[0].iter().cloned().collect();
            let found = fs::read_dir(first.path()).unwrap().map(|entry| entry.unwrap().path());
            assert_eq!(found.collect::<BTreeSet<PathBuf>>(), listed);
        }
    }

    #[test]
    fn the_summary_round_trips_through_json() {
        for fixture in fixture::all() {
            let text = summary_json(&fixture.summary).unwrap();
            assert_eq!(serde_json::from_str::<Summary>(&text).unwrap(), fixture.summary);
        }
    }

    #[test]
    fn a_missing_directory_is_named_in_the_error() {
        let fixture = fixture::pass();
        let missing = PathBuf::from("/nonexistent/run");
        let error = write_all(&missing, &fixture.results());
        assert!(error.unwrap_err().to_string().contains("/nonexistent/run"));
    }

    /// Writes every fixture below the directory that `OPENLOAD_RENDER_DIR` names, for a look.
    #[test]
    #[ignore = "writes files to look at; set OPENLOAD_RENDER_DIR"]
    fn render_fixtures() {
        let dir = PathBuf::from(std::env::var_os("OPENLOAD_RENDER_DIR").unwrap());
        for fixture in fixture::all() {
            let dir = dir.join(fixture.label);
            fs::create_dir_all(&dir).unwrap();
            write_all(&dir, &fixture.results()).unwrap();
        }
    }
}
