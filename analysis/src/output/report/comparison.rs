//! How the run differs from its base: a section of the page that only a run with a base has.

use openload_contract::comparison::{Answer, ComparedRun, Comparison, ComparisonVerdict};
use serde::Serialize;

use super::super::compare::{
    answer, detectable, interval, method_text, name, p_value, remarks, signed, threshold,
    verdict_text,
};
use super::super::number;
use super::super::words::in_unit;
use super::table::{Cell, Table};

/// What the template places.
#[derive(Debug, Serialize)]
pub struct Section {
    verdict: &'static str,
    class: &'static str,
    method: &'static str,
    reasons: Vec<String>,
    metrics: Table,
    detectable: String,
    notes: Vec<String>,
    runs: Table,
}

/// Renders the text and the tables of a comparison.
pub fn section(comparison: &Comparison) -> Section {
    let mut notes = comparison.warnings.clone();
    notes.extend(remarks(comparison));
    Section {
        verdict: verdict_text(comparison.verdict),
        class: match comparison.verdict {
            ComparisonVerdict::Regression => "fail",
            ComparisonVerdict::Improvement | ComparisonVerdict::NoRegression => "pass",
            ComparisonVerdict::TooFewSamples | ComparisonVerdict::Refused => "invalid",
        },
        method: comparison.method.map_or("", method_text),
        reasons: comparison.reasons.clone(),
        metrics: metrics(comparison),
        detectable: detectable(comparison).join(", "),
        notes,
        runs: runs(comparison),
    }
}

fn metrics(comparison: &Comparison) -> Table {
    let headings =
        ["Metric", "#base", "#run", "#change", "#95 % interval", "#counts from", "#p", "Answer"];
    let mut table = Table::new("Change of each metric", &headings);
    for metric in &comparison.metrics {
        let value = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), in_unit(metric.unit));
        let change = metric.change.map_or_else(|| "-".to_owned(), |it| signed(metric.metric, it));
        let class = match metric.answer {
            Answer::Worse => "fail",
            Answer::Better | Answer::Same => "pass",
            Answer::Unclear | Answer::TooFewSamples => "quiet",
        };
        let cells = [
            name(metric),
            value(metric.base),
            value(metric.run),
            change,
            interval(metric),
            threshold(metric),
            p_value(metric),
        ];
        let answer = Cell::styled(answer(metric.answer), class);
        table.row(cells.into_iter().map(Cell::from).chain([answer]));
    }
    table
}

fn runs(comparison: &Comparison) -> Table {
    let mut table = Table::new("Runs compared", &["Side", "Run", "Target", "#seed", "#arrivals"]);
    let mut add = |side: &str, run: &ComparedRun| {
        let (seed, arrivals) = (run.seed.to_string(), number::count(run.arrivals));
        table.row([side.to_owned(), run.id.clone(), run.target.clone(), seed, arrivals]);
    };
    comparison.base.iter().for_each(|run| add("base", run));
    comparison.run.iter().for_each(|run| add("run", run));
    table
}
