//! The charts over time: what they show, in words and as data for the page's script.

use openload_contract::summary::{DriftShape, Recovery};
use openload_contract::{Bound, Manifest, Metric, Summary};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::super::number;
use super::super::second::{self, FIELDS, Steps};
use super::curve::Curve;
use crate::heat::{HeatColumn, HeatMap};

/// One chart that can be asked for.
struct Spec {
    id: &'static str,
    title: &'static str,
    unit: Unit,
    is_log: bool,
    /// Whether lines after the first that are 0 throughout are left out.
    is_sparse: bool,
    /// Label and column of each line.
    lines: &'static [(&'static str, &'static str)],
}

/// Unit of a vertical axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Unit {
    PerSecond,
    Ms,
    Us,
    Count,
    Cores,
    Bytes,
}

/// Every chart, in the order of the page.
const SPECS: [Spec; 7] = [
    Spec {
        id: "rate",
        title: "Arrivals and responses per second",
        unit: Unit::PerSecond,
        is_log: false,
        is_sparse: false,
        lines: &[
            ("offered", "offered"),
            ("achieved (sent)", "sent"),
            ("completed", "completed"),
            ("ok", "ok"),
        ],
    },
    Spec {
        id: "response",
        title: "Response time of the successes",
        unit: Unit::Ms,
        is_log: true,
        is_sparse: false,
        lines: &[
            ("p50", "response_p50_ms"),
            ("p90", "response_p90_ms"),
            ("p95", "response_p95_ms"),
            ("p99", "response_p99_ms"),
        ],
    },
    Spec {
        id: "errors",
        title: "Failed arrivals per second",
        unit: Unit::PerSecond,
        is_log: false,
        is_sparse: true,
        lines: &[
            ("all", "failed"),
            ("http_error", "http_error"),
            ("timeout", "timeout"),
            ("connect_error", "connect_error"),
            ("dropped", "dropped"),
            ("reset", "reset"),
            ("check_failed", "check_failed"),
            ("protocol_error", "protocol_error"),
            ("cancelled", "cancelled"),
        ],
    },
    Spec {
        id: "in-flight",
        title: "Requests in flight",
        unit: Unit::Count,
        is_log: false,
        is_sparse: false,
        lines: &[("in flight", "in_flight")],
    },
    Spec {
        id: "lag",
        title: "Schedule lag",
        unit: Unit::Us,
        is_log: true,
        is_sparse: false,
        lines: &[("p50", "lag_p50_us"), ("p99", "lag_p99_us"), ("max", "lag_max_us")],
    },
    Spec {
        id: "cpu",
        title: "Processor time of the generator",
        unit: Unit::Cores,
        is_log: false,
        is_sparse: false,
        lines: &[("cores in use", "cpu_cores")],
    },
    Spec {
        id: "memory",
        title: "Resident memory",
        unit: Unit::Bytes,
        is_log: false,
        is_sparse: false,
        lines: &[("generator", "rss_bytes"), ("target", "target_rss_bytes")],
    },
];

/// One chart of a run.
#[derive(Debug, Serialize)]
pub struct Chart {
    id: &'static str,
    title: &'static str,
    unit: Unit,
    is_log: bool,
    lines: Vec<Line>,
    limits: Vec<Limit>,
    /// The chart in words.
    description: String,
}

/// One line of a chart.
#[derive(Debug, Serialize)]
struct Line {
    label: &'static str,
    column: &'static str,
}

/// The limit of an objective, drawn where it applies.
#[derive(Debug, Serialize)]
struct Limit {
    label: String,
    value: f64,
    from_s: f64,
    to_s: f64,
}

impl Unit {
    fn render(self, value: f64) -> String {
        match self {
            Self::PerSecond => number::per_second(value),
            Self::Ms => number::duration_ms(value),
            Self::Us => number::duration_ms(value / 1e3),
            Self::Count => number::decimal(value),
            Self::Cores => format!("{} cores", number::decimal(value)),
            Self::Bytes => format!("{} MB", number::decimal(value / 1e6)),
        }
    }
}

/// Lays out the charts for which the run has values.
pub fn charts(steps: &Steps<'_>, summary: &Summary, manifest: &Manifest) -> Vec<Chart> {
    SPECS.iter().filter_map(|spec| chart(spec, steps, summary, manifest)).collect()
}

fn chart(spec: &Spec, steps: &Steps<'_>, summary: &Summary, manifest: &Manifest) -> Option<Chart> {
    let mut lines = vec![];
    let mut sentences = vec![];
    for (place, (label, column)) in spec.lines.iter().enumerate() {
        if place > 0 && spec.is_sparse && is_zero(steps, column) {
            continue;
        }
        if let Some(range) = describe_line(steps, column, spec.unit) {
            sentences.push(format!("{label}: {range}"));
            lines.push(Line { label, column });
        }
    }
    let limits = match spec.unit {
        Unit::Ms => limits(Metric::ResponseTime, 1.0, summary, manifest),
        Unit::Us => limits(Metric::ScheduleLag, 1e3, summary, manifest),
        _ => vec![],
    };
    (!lines.is_empty()).then(|| Chart {
        id: spec.id,
        title: spec.title,
        unit: spec.unit,
        is_log: spec.is_log,
        lines,
        limits,
        description: sentences.join("; ") + ".",
    })
}

/// Tells whether a column is 0 throughout.
fn is_zero(steps: &Steps<'_>, column: &str) -> bool {
    let values = second::find(column).map(|field| steps.column(field));
    values.into_iter().flatten().flatten().all(|value| value == 0.0)
}

/// Tells the range of a column in words; `None` when it has no values.
fn describe_line(steps: &Steps<'_>, column: &str, unit: Unit) -> Option<String> {
    let values = steps.column(second::find(column)?);
    let known: Vec<(u64, f64)> = steps
        .starts()
        .into_iter()
        .zip(values)
        .filter_map(|(start, value)| Some((start, value?)))
        .collect();
    let least = known.iter().map(|(_, value)| *value).reduce(f64::min)?;
    let most = known.iter().map(|(_, value)| *value).reduce(f64::max)?;
    if least == most {
        return Some(format!("{} throughout", unit.render(most)));
    }
    let (at, _) = known.iter().find(|(_, value)| *value == most)?;
    Some(format!("{} to {}, highest at {at} s", unit.render(least), unit.render(most)))
}

/// Lists upper limits on a metric, with the stretch of time in which each applies.
fn limits(metric: Metric, scale: f64, summary: &Summary, manifest: &Manifest) -> Vec<Limit> {
    let results = summary.objectives.iter().map(|result| &result.objective);
    results
        .filter(|objective| objective.metric == metric)
        .filter_map(|objective| {
            let Bound::Max(limit) = objective.bound else { return None };
            let level =
                objective.quantile.map(|level| format!("p{} ", number::shortest(level * 100.0)));
            let (from_s, to_s) = stretch(objective.phase.as_deref(), manifest);
            Some(Limit {
                label: format!("{}≤ {}", level.unwrap_or_default(), number::duration_ms(limit)),
                value: limit * scale,
                from_s,
                to_s,
            })
        })
        .collect()
}

/// Returns when a phase lasts; the whole run without a phase.
fn stretch(phase: Option<&str>, manifest: &Manifest) -> (f64, f64) {
    let phases = manifest.streams.iter().flat_map(|stream| &stream.phases);
    match phases.into_iter().find(|record| Some(record.name.as_str()) == phase) {
        Some(record) => (seconds(record.start_ns), seconds(record.end_ns)),
        None => (0.0, seconds(manifest.planned_end_ns())),
    }
}

fn seconds(ns: i64) -> f64 {
    ns as f64 / 1e9
}

/// Assembles the JSON block from which the script draws.
pub fn run_data(
    steps: &Steps<'_>,
    charts: &[Chart],
    curve: &Curve,
    heat: &HeatMap,
    summary: &Summary,
    manifest: &Manifest,
) -> Value {
    let used =
        |name: &str| charts.iter().flat_map(|chart| &chart.lines).any(|it| it.column == name);
    let columns: Map<String, Value> = FIELDS
        .iter()
        .filter(|field| used(field.name))
        .map(|field| {
            let values = steps.column(field).into_iter().map(short).collect();
            (field.name.to_owned(), Value::Array(values))
        })
        .collect();
    json!({
        "step_s": steps.width,
        "t_s": steps.starts(),
        "columns": columns,
        "charts": charts,
        "curve": curve,
        "heat": heat_data(heat),
        "phases": phases(manifest),
        "trends": trends(summary),
        "recovery": summary.recovery.iter().filter_map(bracket).collect::<Vec<_>>(),
    })
}

/// The heat map: each column is its failures and then cell, count, cell, count.
fn heat_data(heat: &HeatMap) -> Value {
    let column = |column: &HeatColumn| -> Vec<u64> {
        let cells = column.cells.iter().flat_map(|&(cell, count)| [u64::from(cell), count]);
        std::iter::once(column.failed).chain(cells).collect()
    };
    json!({
        "step_s": heat.step_s,
        "lowest_ms": heat.lowest_ms,
        "factor": heat.factor,
        "columns": heat.columns.iter().map(column).collect::<Vec<_>>(),
    })
}

/// Lists the phases of the first stream: those that the rows of the seconds name.
fn phases(manifest: &Manifest) -> Vec<Value> {
    let records = manifest.streams.first().map(|stream| stream.phases.as_slice());
    let phase = |record: &openload_contract::PhaseRecord| {
        json!({
            "name": record.name,
            "role": record.role,
            "from_s": seconds(record.start_ns),
            "to_s": seconds(record.end_ns),
        })
    };
    records.unwrap_or_default().iter().map(phase).collect()
}

/// Lays out the fitted lines of the drift analysis, each on the chart of its series.
fn trends(summary: &Summary) -> Vec<Value> {
    let places = [
        ("response_p50", "response", "p50"),
        ("response_p99", "response", "p99"),
        ("goodput", "rate", "goodput"),
        ("lag_p99", "lag", "p99"),
        ("target_memory", "memory", "target"),
    ];
    let trend = |(series, chart, label): (&str, &str, &str)| {
        let drift = summary.drift.get(series)?;
        let (slope, start, change) = (drift.slope?, drift.start?, drift.change_run?);
        let length_s = drift.windows as f64 * drift.window_s;
        let sign = if change < 0.0 { "" } else { "+" };
        let size = match drift.shape {
            DriftShape::None => "no drift".to_owned(),
            _ => format!("{sign}{} over the run", number::percent(change)),
        };
        Some(json!({
            "chart": chart,
            "from_s": drift.from_s,
            "to_s": drift.from_s + length_s,
            "from": start,
            "to": start + slope * length_s,
            "label": format!("{label}: {size}"),
        }))
    };
    places.into_iter().filter_map(trend).collect()
}

/// Lays out the bracket between the end of a spike and the recovery from it.
fn bracket(recovery: &Recovery) -> Option<Value> {
    let time = recovery.recovery_s.filter(|time| *time > 0.0)?;
    Some(json!({
        "from_s": recovery.end_s,
        "to_s": recovery.end_s + time,
        "label": format!("recovered in {}", number::duration_s(time)),
    }))
}

/// Cuts a number to four significant digits, and whole numbers to no point at all.
///
/// A chart cannot show more, and the page stays a third of the size.
pub fn short(value: Option<f64>) -> Value {
    let Some(value) = value.filter(|value| value.is_finite()) else { return Value::Null };
    let cut: f64 = format!("{value:.3e}").parse().unwrap_or(value);
    if cut.fract() == 0.0 && cut.abs() < 1e15 { json!(cut as i64) } else { json!(cut) }
}

#[cfg(test)]
mod tests {
    use super::super::super::{fixture, second};
    use super::{charts, short};

    #[test]
    fn numbers_are_cut_to_what_a_chart_can_show() {
        let texts = [Some(12.345_678), Some(185.0), Some(31_002_000.0), Some(0.0), None]
            .map(|value| short(value).to_string());
        assert_eq!(texts, ["12.35", "185", "31000000", "0", "null"]);
    }

    #[test]
    fn charts_without_values_are_left_out_and_limits_stay_in_their_phase() {
        let fixture = fixture::fail();
        let steps = second::thin(&fixture.seconds, 1_000);
        let charts = charts(&steps, &fixture.summary, &fixture.manifest);
        let ids: Vec<_> = charts.iter().map(|chart| chart.id).collect();
        assert_eq!(ids, ["rate", "response", "errors", "in-flight", "lag", "cpu", "memory"]);
        let memory = &charts[6];
        assert_eq!(memory.lines.len(), 1, "the target's memory was not read");
        let limit = &charts[1].limits[0];
        assert_eq!((limit.label.as_str(), limit.from_s, limit.to_s), ("p95 ≤ 250 ms", 20.0, 25.0));
    }

    #[test]
    fn nothing_recorded_makes_no_chart() {
        let fixture = fixture::empty();
        let steps = second::thin(&fixture.seconds, 1_000);
        assert_eq!(charts(&steps, &fixture.summary, &fixture.manifest).len(), 0);
    }
}
