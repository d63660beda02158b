//! `index.html`: a suite in one page that opens offline and leads to the reports of its runs.
//!
//! Made like a report (see there): every word is rendered here, the template places it, and a
//! content security policy forbids the page every request. Its links are relative, so that a
//! folder can be moved or published as a whole.

use minijinja::{Environment, context};
use openload_contract::ExitCode;
use openload_contract::suite::{Ending, SuiteRun};
use serde::Serialize;
use serde_json::json;

use super::super::number;
use super::super::report::{
    Fact, TABLES, TABLES_NAME, Table, fact, objectives_table, started, template_value, trusted,
};
use super::super::text::verdict_word;
use super::super::words::{run_cells, suite_score, suite_word};
use crate::suite::SuiteFolder;

/// Name of the template; its ending turns escaping on.
const TEMPLATE: &str = "suite.html";

/// Headings behind the name and the verdict of a run.
const HEADINGS: [&str; 9] =
    ["Met", "Requests", "Failed", "p50 ms", "p95 ms", "p99 ms", "Offered", "Achieved", "Took"];

/// One run of the page.
#[derive(Debug, Serialize)]
struct Run {
    name: String,
    /// Where its section stands in the page.
    id: String,
    /// Its run directory, when there is a report in it.
    dir: Option<String>,
    verdict: String,
    class: &'static str,
    /// Cells under [`HEADINGS`]; empty when there is no result.
    cells: Vec<String>,
    /// What is said in place of cells.
    instead: String,
    reasons: Vec<String>,
    notes: Vec<String>,
    objectives: Option<Table>,
}

/// Renders `index.html`.
///
/// # Errors
/// When the template is broken.
pub fn page(folder: &SuiteFolder) -> Result<String, minijinja::Error> {
    let suite = folder.suite();
    let runs: Vec<Run> = (0..suite.runs.len()).map(|index| run(folder, index)).collect();
    let left_out: Vec<String> =
        suite.left_out.iter().map(|one| format!("{}: {}", one.name, one.why)).collect();
    let mut environment = Environment::new();
    environment.add_template(TABLES_NAME, TABLES)?;
    environment.add_template(TEMPLATE, include_str!("../../../assets/suite.html"))?;
    environment.get_template(TEMPLATE)?.render(context! {
        word => suite_word(suite),
        class => class(suite.worst()),
        score => suite_score(suite),
        started => started(suite.start_unix_ns),
        version => suite.gen_version.clone(),
        headings => HEADINGS.to_vec(),
        runs => template_value(json!(runs)),
        facts => template_value(json!(facts(folder))),
        left_out => left_out,
        style => trusted(include_str!("../../../assets/report.css")),
        script => trusted(include_str!("../../../assets/suite.js")),
    })
}

fn class(exit: ExitCode) -> &'static str {
    match exit {
        ExitCode::Passed => "pass",
        ExitCode::Invalid | ExitCode::Interrupted => "invalid",
        _ => "fail",
    }
}

fn facts(folder: &SuiteFolder) -> Vec<Fact> {
    let suite = folder.suite();
    let host = &suite.host;
    let mut targets: Vec<&str> = suite
        .runs
        .iter()
        .filter_map(|run| run.result.as_ref())
        .map(|result| result.run.target.as_str())
        .collect();
    targets.dedup();
    let mut facts = vec![
        fact("Started", started(suite.start_unix_ns)),
        fact("Target", targets.join(", ")),
        fact("Machine", format!("{}: {} {}, {} cores", host.name, host.os, host.arch, host.cores)),
        fact("Generator", format!("gen {}", suite.gen_version)),
        fact("Time scale", number::shortest(suite.time_scale)),
        fact("Cool-down", number::duration_s(suite.cool_down_s)),
        fact("Exit code", suite.exit_code.to_string()),
    ];
    if !suite.tags.is_empty() {
        facts.push(fact("Tags", suite.tags.join(", ")));
    }
    facts
}

fn run(folder: &SuiteFolder, index: usize) -> Run {
    let run = &folder.suite().runs[index];
    let (verdict, class, instead) = verdict(run);
    Run {
        name: run.name.clone(),
        id: format!("run-{}", index + 1),
        dir: run.result.is_some().then(|| run.dir.clone()),
        verdict,
        class,
        cells: run
            .result
            .as_ref()
            .map(|result| run_cells(result, ", interrupted").into())
            .unwrap_or_default(),
        instead,
        reasons: run.result.as_ref().map(|result| result.reasons.clone()).unwrap_or_default(),
        notes: run.notes.clone(),
        objectives: folder
            .summary(index)
            .filter(|summary| !summary.objectives.is_empty())
            .map(objectives_table),
    }
}

/// Word and style of a run's verdict, and what is said when it has no figures.
fn verdict(run: &SuiteRun) -> (String, &'static str, String) {
    match (&run.result, &run.ending) {
        (Some(result), _) => {
            let (word, _) = verdict_word(result.verdict);
            (word.to_owned(), result.verdict.name(), String::new())
        }
        (None, Ending::Failed { error }) => ("ERROR".to_owned(), "fail", error.clone()),
        (None, _) => ("NOT RUN".to_owned(), "quiet", "it has not run".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::fixture;
    use super::page;

    fn markup() -> String {
        let (_dir, folder) = fixture::suite();
        page(&folder).unwrap()
    }

    #[test]
    fn every_run_is_there_and_those_with_a_report_are_linked() {
        let page = markup();
        assert_eq!(page.matches("/report.html\"").count(), 2 * 3, "{page}");
        assert!(page.contains("href=\"spike/report.html\""));
        for word in ["PASS", "FAIL", "INVALID", "ERROR", "NOT RUN"] {
            assert!(page.contains(word), "{word}");
        }
        assert!(page.contains("connection refused"));
        assert_eq!(page.matches("<h1").count(), 1);
    }

    #[test]
    fn nothing_is_fetched_and_names_stay_text() {
        let page = markup();
        assert!(page.contains("default-src 'none'"));
        assert!(!page.contains("src=\"") && !page.contains("<img"));
        for target in page.split(" href=\"").skip(1) {
            let is_local = target.starts_with('#')
                || target.starts_with("data:")
                || target.split('"').next().is_some_and(|it| it.ends_with("/report.html"));
            assert!(is_local, "{target:.60}");
        }
    }
}
