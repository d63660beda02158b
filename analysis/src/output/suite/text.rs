//! The one-screen summary at the end of a suite: a table of verdicts, then the objectives.

use std::path::Path;

use openload_contract::suite::{Ending, SuiteRun};
use openload_contract::{ExitCode, Suite};

use super::super::text::{LABEL, Page, Style, Tint, WIDTH, clip, mark, objective, verdict_word};
use super::super::words::{run_cells, suite_score, suite_word};
use super::super::{escape, write};

/// Most characters of a run's name.
const NAME: usize = LABEL - 2;
/// Characters of the columns behind it, apart from the first.
const COLUMN: usize = 10;

/// Renders the result of a suite for a terminal.
pub fn terminal(suite: &Suite, dir: &Path, style: Style) -> String {
    let mut page = Page { text: String::new(), style };
    let word = suite_word(suite);
    let head = format!("{word}  suite   {}   exit code {}", suite_score(suite), suite.exit_code);
    page.tinted(&head, word, tint(suite.worst()));
    heading(&mut page);
    for run in &suite.runs {
        run_row(&mut page, run);
    }
    for run in &suite.runs {
        objectives(&mut page, run);
    }
    let notes = suite.runs.iter().flat_map(|run| run.notes.iter().map(|note| (&run.name, note)));
    let notes: Vec<String> =
        notes.map(|(name, note)| escape::terminal(&format!("{name}: {note}"))).collect();
    page.paragraph("Note", &notes);
    let left_out: Vec<String> = suite
        .left_out
        .iter()
        .map(|one| escape::terminal(&format!("{}: {}", one.name, one.why)))
        .collect();
    page.paragraph("Left out", &left_out);
    page.row(
        "Files",
        &[&write::SUITE_NAMES[..], &[openload_contract::suite::FILE_NAME]].concat().join("  "),
    );
    let index = escape::shell(&dir.join("index.html").display().to_string());
    // A path is not cut: half of one is worse than a long line.
    page.text.push_str(&format!("{:<LABEL$}{index}   open it in a browser\n", "Next"));
    page.text
}

fn tint(exit: ExitCode) -> Tint {
    match exit {
        ExitCode::Passed => Tint::Good,
        ExitCode::ObjectivesMissed | ExitCode::Regression | ExitCode::CouldNotRun => Tint::Bad,
        ExitCode::Invalid | ExitCode::Usage | ExitCode::Interrupted => Tint::Doubt,
    }
}

fn heading(page: &mut Page) {
    let columns = ["requests", "failed", "p50 ms", "p95 ms", "p99 ms", "achieved", "took"];
    let columns: String = columns.iter().map(|name| format!("{name:>COLUMN$}")).collect();
    page.line(&format!("{:<LABEL$}{:<9}{:<9}{columns}", "", "verdict", "met"));
}

fn run_row(page: &mut Page, run: &SuiteRun) {
    let name = clip(&escape::terminal(&run.name), NAME);
    let Some(result) = &run.result else {
        let why = match &run.ending {
            Ending::Failed { error } => format!("could not run: {}", escape::terminal(error)),
            _ => "not run".to_owned(),
        };
        page.line(&format!("{name:<LABEL$}{why}"));
        return;
    };
    let (word, tint) = verdict_word(result.verdict);
    let [met, requests, failed, p50, p95, p99, _, achieved, took] = run_cells(result, " ✂");
    let cells = [requests, failed, p50, p95, p99, achieved, took];
    let cells: String = cells.iter().map(|cell| format!("{cell:>COLUMN$}")).collect();
    page.tinted(&format!("{name:<LABEL$}{word:<9}{met:<9}{cells}"), word, tint);
}

/// Lists a run's objectives, and why it is invalid when it is.
fn objectives(page: &mut Page, run: &SuiteRun) {
    let Some(result) = &run.result else { return };
    let mut label = clip(&escape::terminal(&run.name), NAME);
    for one in &result.objectives {
        let (mark, tint) = mark(result.verdict, one);
        page.tinted(&format!("{label:<LABEL$}{mark} {}", objective(one)), mark, tint);
        label.clear();
    }
    if result.verdict == openload_contract::Verdict::Invalid {
        for reason in &result.reasons {
            let reason = clip(&escape::terminal(reason), WIDTH - LABEL);
            page.line(&format!("{label:<LABEL$}{reason}"));
            label.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::super::fixture;
    use super::{Style, WIDTH, terminal};

    #[test]
    fn the_screen_of_a_suite_of_every_ending() {
        let (_dir, folder) = fixture::suite();
        let dir = Path::new("results/suite-20261123T010408Z");
        let text = terminal(folder.suite(), dir, Style::default());
        insta::assert_snapshot!("terminal_suite", text);
        for line in text.lines() {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
        let coloured = terminal(folder.suite(), dir, Style { color: true });
        assert!(coloured.starts_with("\u{1b}[1;33mUNFINISHED\u{1b}[0m  suite"), "{coloured}");
    }
}
