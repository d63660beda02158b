//! A row of runs and the changes in it, as people read it, and as JSON.

use openload_contract::baseline::ComparedMetric;
use openload_contract::history::{Change, History, MetricHistory};

use super::compare::{name_in, signed};
use super::text::{Page, Style, Tint, clip};
use super::words::in_unit;
use super::{OutputError, escape};

/// Characters of the column of names.
const NAME: usize = 22;

/// Renders a history for a terminal.
pub fn terminal(history: &History, style: Style) -> String {
    let mut page = Page::new(style);
    let changes: usize = history.metrics.iter().map(|metric| metric.changes.len()).sum();
    let profile = history.runs.first().map_or("", |run| run.name.as_str());
    let word = match changes {
        0 => "NO CHANGE".to_owned(),
        1 => "1 CHANGE".to_owned(),
        _ => format!("{changes} CHANGES"),
    };
    let tint = if changes == 0 { Tint::Good } else { Tint::Doubt };
    let profile = clip(&escape::terminal(profile), 24);
    page.tinted(&format!("{word}  {profile}   {} runs", history.runs.len()), &word, tint);
    for (label, run) in [("First", history.runs.first()), ("Last", history.runs.last())] {
        if let Some(run) = run {
            page.row(
                label,
                &format!("{}   {}", escape::terminal(&run.id), escape::terminal(&run.target)),
            );
        }
    }
    for metric in &history.metrics {
        for change in &metric.changes {
            page.tinted(&line(metric, change), &name(metric), tint_of(metric, change));
        }
    }
    let steady: Vec<String> =
        history.metrics.iter().filter(|metric| is_steady(metric)).map(name).collect();
    page.list("No change", &steady);
    let unknown: Vec<String> = history.metrics.iter().filter_map(not_searched).collect();
    page.whole("Note", &unknown);
    let warnings: Vec<String> =
        history.warnings.iter().map(|text| escape::terminal(text)).collect();
    page.whole("Note", &warnings);
    page.into_text()
}

/// Renders a history as JSON.
///
/// # Errors
/// When the history is not representable as JSON.
pub fn json(history: &History) -> Result<String, OutputError> {
    Ok(serde_json::to_string_pretty(history)? + "\n")
}

/// One change; how sure it is stands in the JSON, for all are below one p-value.
fn line(metric: &MetricHistory, change: &Change) -> String {
    let value = in_unit(metric.unit);
    format!(
        "  {:<NAME$} {} → {}  {}  from {} on, run {} of {}",
        clip(&name(metric), NAME),
        value(change.before),
        value(change.after),
        signed(metric.metric, change.change),
        escape::terminal(&change.first_run),
        change.index + 1,
        metric.values.len(),
    )
}

fn tint_of(metric: &MetricHistory, change: &Change) -> Tint {
    let is_more = change.change > 0.0;
    let is_worse = is_more != (metric.metric == ComparedMetric::GoodputShare);
    if is_worse { Tint::Bad } else { Tint::Good }
}

fn is_steady(metric: &MetricHistory) -> bool {
    metric.changes.is_empty() && not_searched(metric).is_none()
}

/// Why a metric was not searched.
fn not_searched(metric: &MetricHistory) -> Option<String> {
    let missing = metric.values.iter().filter(|value| value.is_none()).count();
    (missing > 0).then(|| {
        let (name, runs) = (name(metric), metric.values.len());
        format!("{name} was not searched: it has no value in {missing} of {runs} runs")
    })
}

fn name(metric: &MetricHistory) -> String {
    name_in(metric.metric, metric.phase.as_deref())
}

#[cfg(test)]
mod tests {
    use openload_contract::SCHEMA_VERSION;

    use super::*;
    use crate::output::compare::tests::example;

    #[test]
    fn changes_are_lines_and_what_did_not_change_is_named() {
        let change = Change {
            first_run: "2026-01-13T00-00-00Z-7".to_owned(),
            index: 12,
            before: 12.0,
            after: 15.0,
            change: 0.25,
            p_value: 0.0005,
        };
        let metric = |metric: ComparedMetric, values, changes| MetricHistory {
            phase: None,
            metric,
            unit: metric.unit(),
            values,
            changes,
        };
        let history = History {
            schema_version: SCHEMA_VERSION.to_owned(),
            p_max: 0.001,
            warnings: vec!["made by different versions".to_owned()],
            runs: vec![example().base[0].clone(); 25],
            metrics: vec![
                metric(ComparedMetric::P50, vec![Some(12.0); 25], vec![change]),
                metric(ComparedMetric::P99, vec![None; 25], Vec::new()),
                metric(ComparedMetric::ErrorShare, vec![Some(0.0); 25], Vec::new()),
            ],
        };
        let text = terminal(&history, Style::default());
        assert!(text.starts_with("1 CHANGE  spike   25 runs\n"), "{text}");
        let line = "12.0 ms → 15.0 ms  +25.0 %  from 2026-01-13T00-00-00Z-7 on, run 13 of 25";
        assert!(text.contains(line), "{text}");
        assert!(text.contains("No change") && text.contains("error share"), "{text}");
        assert!(text.contains("p99 was not searched: it has no value in 25 of 25 runs"), "{text}");
        assert_eq!(serde_json::from_str::<History>(&json(&history).unwrap()).unwrap(), history);
    }
}
