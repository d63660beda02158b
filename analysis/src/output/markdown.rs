//! Verdicts and objectives as Markdown, for the summary pages of build servers.
//!
//! Short on purpose: such a page joins what many steps have to say. Everything else is in the
//! report.

use std::fmt::Write as _;

use openload_contract::comparison::Comparison;
use openload_contract::suite::{Ending, RunResult, SuiteRun};
use openload_contract::summary::{Confidence, ObjectiveResult};
use openload_contract::{Suite, Summary, Verdict};

use super::text::verdict_word;
use super::words::{in_unit, met_of, score, suite_score};
use super::{compare, escape, number, quantile};

/// Renders one run, and how it compares with a base if it was given one.
pub fn run(summary: &Summary, comparison: Option<&Comparison>) -> String {
    let mut text = String::new();
    let (word, _) = verdict_word(summary.verdict);
    let name = escape::markdown(&summary.run.name);
    // Writing to a String cannot fail.
    let _ = writeln!(text, "### {word}: {name} ({})\n", score(summary));
    let result = RunResult::from(summary);
    figures_head(&mut text, "");
    figures(&mut text, "", &result);
    text.push('\n');
    objectives(&mut text, &result);
    reasons(&mut text, &result);
    if let Some(comparison) = comparison {
        compared(&mut text, comparison);
    }
    text
}

/// Renders a suite.
pub fn suite(suite: &Suite) -> String {
    let mut text = format!("## gen suite: {}\n\n", suite_score(suite));
    figures_head(&mut text, "| run | verdict | objectives ");
    for run in &suite.runs {
        let name = escape::markdown(&run.name);
        match (&run.result, &run.ending) {
            (Some(result), _) => {
                let (word, _) = verdict_word(result.verdict);
                let head = format!("| {name} | {word} | {} ", met_of(result));
                figures(&mut text, &head, result);
            }
            (None, Ending::Failed { error }) => {
                let _ = writeln!(text, "| {name} | could not run: {} |", escape::markdown(error));
            }
            (None, _) => {
                let _ = writeln!(text, "| {name} | not run |");
            }
        }
    }
    text.push('\n');
    for run in &suite.runs {
        described(&mut text, run);
    }
    for left_out in &suite.left_out {
        let name = escape::markdown(&left_out.name);
        let _ = writeln!(text, "- left out: {name} ({})", escape::markdown(&left_out.why));
    }
    text
}

fn described(text: &mut String, run: &SuiteRun) {
    let Some(result) = &run.result else { return };
    let _ = writeln!(text, "#### {}\n", escape::markdown(&run.name));
    objectives(text, result);
    reasons(text, result);
    for note in &run.notes {
        let _ = writeln!(text, "{}\n", escape::markdown(note));
    }
}

fn figures_head(text: &mut String, before: &str) {
    let _ = writeln!(text, "{before}| requests | failed | p50 | p95 | p99 | achieved |");
    let columns = before.matches('|').count();
    let _ = writeln!(text, "{}|---:|---:|---:|---:|---:|---:|", "|---".repeat(columns));
}

fn figures(text: &mut String, before: &str, result: &RunResult) {
    let requests = &result.requests;
    let failed = number::percent(number::share(requests.failed, requests.intended));
    let ms = |name| quantile::cell_with_unit(&result.response_time, name);
    let _ = writeln!(
        text,
        "{before}| {} | {failed} | {} | {} | {} | {} |",
        number::count(requests.intended),
        ms("p50"),
        ms("p95"),
        ms("p99"),
        number::per_second(result.rate.achieved),
    );
}

fn objectives(text: &mut String, result: &RunResult) {
    if result.objectives.is_empty() {
        return;
    }
    text.push_str("| | objective | measured | 95 % interval |\n|---|---|---:|---:|\n");
    for objective in &result.objectives {
        let _ = writeln!(
            text,
            "| {} | {} | {}{} | {} |",
            mark(result.verdict, objective),
            escape::markdown(&objective.text),
            escape::markdown(&objective.measured_text),
            doubt(objective),
            quantile::interval_of(objective.ci95, in_unit(objective.unit)),
        );
    }
    text.push('\n');
}

fn mark(verdict: Verdict, objective: &ObjectiveResult) -> &'static str {
    match (verdict, objective.met) {
        (Verdict::Invalid, _) => "?",
        (_, true) => "✓",
        (_, false) => "✗",
    }
}

fn doubt(objective: &ObjectiveResult) -> &'static str {
    match objective.confidence {
        Confidence::Borderline => " (borderline)",
        Confidence::Clear | Confidence::Insufficient => "",
    }
}

fn reasons(text: &mut String, result: &RunResult) {
    // What is missed stands in the table; why a run is invalid stands nowhere else.
    if result.verdict == Verdict::Invalid {
        for reason in &result.reasons {
            let _ = writeln!(text, "- {}", escape::markdown(reason));
        }
        text.push('\n');
    }
}

fn compared(text: &mut String, comparison: &Comparison) {
    let bases: Vec<String> = comparison.base.iter().map(|run| escape::markdown(&run.id)).collect();
    let word = compare::verdict_text(comparison.verdict);
    let _ = writeln!(text, "#### {word} against {}\n", bases.join(", "));
    if !comparison.metrics.is_empty() {
        text.push_str("| metric | base | run | change | 95 % interval | limit | answer |\n");
        text.push_str("|---|---:|---:|---:|---:|---:|---|\n");
    }
    for metric in &comparison.metrics {
        let value = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), in_unit(metric.unit));
        let change = metric.change.map(|change| compare::signed(metric.metric, change));
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} |",
            escape::markdown(&compare::name(metric)),
            value(metric.base),
            value(metric.run),
            change.as_deref().unwrap_or("-"),
            compare::interval(metric),
            compare::threshold(metric),
            compare::answer(metric.answer),
        );
    }
    text.push('\n');
    // Why runs cannot be compared stands nowhere else; what became worse stands in the table.
    if comparison.metrics.is_empty() {
        for reason in &comparison.reasons {
            let _ = writeln!(text, "- {}", escape::markdown(reason));
        }
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use openload_contract::comparison::{Comparison, ComparisonVerdict};

    use super::super::{compare, fixture};
    use super::{run, suite};

    #[test]
    fn a_run_that_fails() {
        insta::assert_snapshot!("markdown_fail", run(&fixture::fail().summary, None));
    }

    #[test]
    fn an_invalid_run_says_why() {
        let text = run(&fixture::invalid().summary, None);
        assert!(text.starts_with("### INVALID: spike"), "{text}");
        assert!(text.contains("- schedule lag p99 48 ms"), "{text}");
    }

    #[test]
    fn a_base_adds_a_table() {
        let comparison = compare::tests::example();
        let with_base = run(&fixture::fail().summary, Some(&comparison));
        let added = with_base.strip_prefix(&run(&fixture::fail().summary, None)).unwrap();
        insta::assert_snapshot!("markdown_comparison", added);
        let reasons = vec!["the profiles differ | <b>".to_owned()];
        let refused = Comparison {
            verdict: ComparisonVerdict::Refused,
            metrics: Vec::new(),
            reasons,
            ..comparison
        };
        let text = run(&fixture::fail().summary, Some(&refused));
        assert!(text.contains("NOT COMPARABLE against 2026-01-01T00-00-00Z-42"), "{text}");
        assert!(text.contains("- the profiles differ") && !text.contains("<b>"), "{text}");
    }

    #[test]
    fn a_suite_of_every_ending() {
        let (_dir, folder) = fixture::suite();
        insta::assert_snapshot!("markdown_suite", suite(folder.suite()));
    }

    #[test]
    fn names_cannot_leave_their_cell() {
        let text = run(&fixture::hostile().summary, None);
        assert!(!text.contains("<img") && !text.contains("</script>"), "{text}");
        for line in text.lines().filter(|line| line.starts_with('|')) {
            let cells = line.replace("\\|", "").matches('|').count();
            assert!(cells == 7 || cells == 5, "{line}");
        }
    }
}
