//! A comparison as people read it, and as JSON.
//!
//! Read top down like the summary of a run: the verdict, what was compared, every metric with its
//! change, interval and answer, what such a comparison can find at all, and what limits it.

use openload_contract::baseline::ComparedMetric;
use openload_contract::comparison::{
    Answer, ComparedRun, Comparison, ComparisonVerdict, Method, MetricComparison,
};

use super::text::{Page, Style, Tint, clip};
use super::words::in_unit;
use super::{OutputError, escape, number};

/// Characters of the column of names.
const NAME: usize = 20;
/// Most runs of a side that are listed.
const RUNS: usize = 5;

/// Renders a comparison for a terminal.
pub fn terminal(comparison: &Comparison, style: Style) -> String {
    let mut page = Page::new(style);
    head(&mut page, comparison);
    runs(&mut page, "Base", &comparison.base);
    runs(&mut page, "Run", &comparison.run);
    if !comparison.metrics.is_empty() {
        table(&mut page, comparison);
        page.list("Detectable", &detectable(comparison));
    }
    let safe = |texts: &[String]| texts.iter().map(|text| escape::terminal(text)).collect();
    let reasons: Vec<String> = safe(&comparison.reasons);
    page.whole("Why", &reasons);
    let mut notes: Vec<String> = safe(&comparison.warnings);
    notes.extend(remarks(comparison));
    page.whole("Note", &notes);
    page.into_text()
}

/// Renders a comparison as JSON.
///
/// # Errors
/// When the comparison is not representable as JSON.
pub fn json(comparison: &Comparison) -> Result<String, OutputError> {
    Ok(serde_json::to_string_pretty(comparison)? + "\n")
}

/// Says how a metric became worse: `p99 +25.3 % (+20.1 to +30.7 %), more than 10 %`.
pub fn reason(metric: &MetricComparison) -> String {
    let limit = threshold(metric);
    match metric.change {
        Some(change) => format!(
            "{} changed by {} ({}), beyond {limit}",
            name(metric),
            signed(metric.metric, change),
            interval(metric)
        ),
        None => format!("{} falls among failures", name(metric)),
    }
}

fn head(page: &mut Page, comparison: &Comparison) {
    let word = verdict_text(comparison.verdict);
    let tint = match comparison.verdict {
        ComparisonVerdict::Regression => Tint::Bad,
        ComparisonVerdict::Improvement | ComparisonVerdict::NoRegression => Tint::Good,
        ComparisonVerdict::TooFewSamples | ComparisonVerdict::Refused => Tint::Doubt,
    };
    let profile = comparison.base.first().map_or("", |run| run.name.as_str());
    let mut facts = vec![format!("{word}  {}", clip(&escape::terminal(profile), 24))];
    facts.extend(comparison.method.map(|method| method_text(method).to_owned()));
    page.tinted(&facts.join("   "), word, tint);
}

/// The verdict in words.
pub(super) fn verdict_text(verdict: ComparisonVerdict) -> &'static str {
    match verdict {
        ComparisonVerdict::Regression => "REGRESSION",
        ComparisonVerdict::Improvement => "IMPROVEMENT",
        ComparisonVerdict::NoRegression => "NO REGRESSION",
        ComparisonVerdict::TooFewSamples => "TOO FEW SAMPLES",
        ComparisonVerdict::Refused => "NOT COMPARABLE",
    }
}

pub(super) fn method_text(method: Method) -> &'static str {
    match method {
        Method::Paired => "paired: batches of the same arrivals",
        Method::Unpaired => "unpaired: each run's own interval",
        Method::Ranks => "by rank: each run is one value",
    }
}

fn runs(page: &mut Page, label: &str, runs: &[ComparedRun]) {
    for (index, run) in runs.iter().take(RUNS).enumerate() {
        let label = if index == 0 { label } else { "" };
        page.row(
            label,
            &format!(
                "{}   {}   {} arrivals",
                escape::terminal(&run.id),
                escape::terminal(&run.target),
                number::count(run.arrivals)
            ),
        );
    }
    if runs.len() > RUNS {
        page.row("", &format!("… and {} more", runs.len() - RUNS));
    }
}

fn table(page: &mut Page, comparison: &Comparison) {
    page.line(&format!(
        "    {:<NAME$}{:>9} {:>9} {:>8}  {:<19}{:>8}  {:<5} answer",
        "", "base", "run", "change", "95 % interval", "limit", "p"
    ));
    for metric in &comparison.metrics {
        let (mark, tint) = match metric.answer {
            Answer::Worse => ("x", Tint::Bad),
            Answer::Better => ("+", Tint::Good),
            Answer::Same => ("=", Tint::Good),
            Answer::Unclear | Answer::TooFewSamples => ("?", Tint::Doubt),
        };
        let value = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), in_unit(metric.unit));
        let change = metric.change.map_or_else(|| "-".to_owned(), |it| signed(metric.metric, it));
        let line = format!(
            "  {mark} {:<NAME$}{:>9} {:>9} {change:>8}  {:<19}{:>8}  {:<5} {}",
            clip(&name(metric), NAME - 1),
            value(metric.base),
            value(metric.run),
            interval(metric),
            threshold(metric),
            p_value(metric),
            answer(metric.answer),
        );
        page.tinted(&line, mark, tint);
    }
}

/// The smaller of the two p-values over the family: of what stands out more.
pub(super) fn p_value(metric: &MetricComparison) -> String {
    let both = metric.p_worse_adjusted.zip(metric.p_better_adjusted);
    match both.map(|(worse, better)| worse.min(better)) {
        None => "-".to_owned(),
        Some(p) if p < 0.001 => "<.001".to_owned(),
        Some(p) => format!("{p:.3}").trim_start_matches('0').to_owned(),
    }
}

pub(super) fn name(metric: &MetricComparison) -> String {
    name_in(metric.metric, metric.phase.as_deref())
}

/// Names a metric of a phase, or of everything measured.
pub(super) fn name_in(metric: ComparedMetric, phase: Option<&str>) -> String {
    let what = match metric {
        ComparedMetric::P50 => "p50",
        ComparedMetric::P99 => "p99",
        ComparedMetric::ErrorShare => "error share",
        ComparedMetric::GoodputShare => "goodput share",
    };
    match phase {
        Some(phase) => format!("{what} in {}", escape::terminal(phase)),
        None => what.to_owned(),
    }
}

pub(super) fn threshold(metric: &MetricComparison) -> String {
    let sign = if metric.metric == ComparedMetric::GoodputShare { -1.0 } else { 1.0 };
    signed(metric.metric, sign * metric.threshold)
}

pub(super) fn answer(answer: Answer) -> &'static str {
    match answer {
        Answer::Worse => "worse",
        Answer::Better => "better",
        Answer::Same => "same",
        Answer::Unclear => "unclear",
        Answer::TooFewSamples => "too few",
    }
}

/// A change with its sign: percent for durations, points for shares.
pub(super) fn signed(metric: ComparedMetric, change: f64) -> String {
    format!("{} {}", plus(metric, change), unit(metric))
}

fn unit(metric: ComparedMetric) -> &'static str {
    if metric.quantile().is_some() { "%" } else { "pt" }
}

fn plus(metric: ComparedMetric, change: f64) -> String {
    let percent = change * 100.0;
    // Digits of what is nearly nothing would look like a finding.
    let text = match metric.quantile() {
        Some(_) if percent.abs() >= 0.05 => number::decimal(percent),
        Some(_) => format!("{percent:.1}"),
        None => format!("{percent:.2}"),
    };
    match text.strip_prefix('-') {
        Some(size) => format!("−{size}"),
        None => format!("+{text}"),
    }
}

pub(super) fn interval(metric: &MetricComparison) -> String {
    let (plus, unit) = (|change| plus(metric.metric, change), unit(metric.metric));
    match (metric.ci95.low, metric.ci95.high) {
        (Some(low), Some(high)) => format!("{} to {} {unit}", plus(low), plus(high)),
        (Some(low), None) => format!("from {} {unit}", plus(low)),
        (None, Some(high)) => format!("to {} {unit}", plus(high)),
        (None, None) => "-".to_owned(),
    }
}

/// What such a comparison finds in four of five cases.
pub(super) fn detectable(comparison: &Comparison) -> Vec<String> {
    let known = comparison.metrics.iter().filter(|metric| metric.phase.is_none());
    known
        .filter_map(|metric| {
            let sign = if metric.metric == ComparedMetric::GoodputShare { -1.0 } else { 1.0 };
            let change = signed(metric.metric, sign * metric.detectable?);
            Some(format!("{} {change}", name(metric)))
        })
        .collect()
}

pub(super) fn remarks(comparison: &Comparison) -> Vec<String> {
    let noted = comparison.metrics.iter().filter_map(|metric| {
        Some(format!("{}: {}", name(metric), escape::terminal(metric.note.as_deref()?)))
    });
    noted.collect()
}

#[cfg(test)]
pub(super) mod tests {
    use openload_contract::SCHEMA_VERSION;
    use openload_contract::objective::Unit;
    use openload_contract::summary::Interval;

    use super::*;

    fn metric(metric: ComparedMetric, change: Option<f64>, answer: Answer) -> MetricComparison {
        let is_known = change.is_some();
        MetricComparison {
            phase: None,
            metric,
            unit: if metric.quantile().is_some() { Unit::Ms } else { Unit::Ratio },
            base: Some(0.012),
            run: Some(0.012 * (1.0 + change.unwrap_or(0.0))),
            change,
            ci95: Interval {
                low: change.map(|change| change - 0.0123),
                high: change.map(|change| change + 0.0123),
            },
            threshold: 0.05,
            p_worse: is_known.then_some(0.000_2),
            p_worse_adjusted: is_known.then_some(0.000_4),
            p_better_adjusted: is_known.then_some(1.0),
            answer,
            detectable: is_known.then_some(0.08),
            note: (!is_known).then(|| "12 arrivals, about 900 are needed".to_owned()),
        }
    }

    /// A regression with every answer but one.
    pub(in super::super) fn example() -> Comparison {
        let run = ComparedRun {
            id: "2026-01-01T00-00-00Z-42".to_owned(),
            name: "spike".to_owned(),
            target: "http://127.0.0.1:8080".to_owned(),
            seed: 42,
            gen_version: "0.1.0".to_owned(),
            arrivals: 18_000,
        };
        let metrics = vec![
            metric(ComparedMetric::P50, Some(0.253), Answer::Worse),
            metric(ComparedMetric::P99, None, Answer::TooFewSamples),
            metric(ComparedMetric::ErrorShare, Some(-0.0002), Answer::Same),
            metric(ComparedMetric::GoodputShare, Some(0.0), Answer::Unclear),
        ];
        Comparison {
            schema_version: SCHEMA_VERSION.to_owned(),
            verdict: ComparisonVerdict::Regression,
            reasons: vec![reason(&metrics[0])],
            warnings: Vec::new(),
            method: Some(Method::Paired),
            level: 0.025,
            family: 3,
            base: vec![run.clone()],
            run: vec![run],
            metrics,
        }
    }

    #[test]
    fn every_metric_is_one_line_with_its_answer() {
        let comparison = example();
        let text = terminal(&comparison, Style::default());
        assert_eq!(
            comparison.reasons,
            ["p50 changed by +25.3 % (+24.1 to +26.5 %), beyond +5.00 %"]
        );
        let line = |name: &str| {
            let found =
                text.lines().find(|line| line.get(4..).is_some_and(|rest| rest.starts_with(name)));
            found.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        };
        assert_eq!(
            line("p50").unwrap(),
            "x p50 12.0 µs 15.0 µs +25.3 % +24.1 to +26.5 % +5.00 % <.001 worse"
        );
        assert_eq!(line("p99").unwrap(), "? p99 12.0 µs 12.0 µs - - +5.00 % - too few");
        assert!(line("error share").unwrap().contains("−0.02 pt −1.25 to +1.21 pt"), "{text}");
        assert!(line("goodput").unwrap().ends_with("−5.00 pt <.001 unclear"), "{text}");
        assert!(text.contains("p99: 12 arrivals, about 900 are needed"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        assert_eq!(
            serde_json::from_str::<Comparison>(&json(&comparison).unwrap()).unwrap(),
            comparison
        );
    }
}
