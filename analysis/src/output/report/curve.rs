//! The percentile curve: how much slower the slow requests are.
//!
//! The horizontal axis is `1/(1 − p)`, the number of requests of which one is slower: 10
//! for p90, 1,000 for p99.9. The gap between response time and service time is what a tool
//! that waits for responses would not have seen.

use openload_contract::summary::{GroupSummary, QuantileNote, Quantiles};
use serde::Serialize;

use super::super::{number, quantile};
use super::chart::short;

/// The curves of a run.
#[derive(Debug, Serialize)]
pub struct Curve {
    /// One curve for each kind of time.
    pub series: Vec<CurveSeries>,
    /// The chart in words.
    pub description: String,
    /// Whether there is no point to draw.
    pub is_empty: bool,
}

/// One curve.
#[derive(Debug, Serialize)]
pub struct CurveSeries {
    /// What the curve shows.
    pub label: &'static str,
    /// Points from left to right.
    pub points: Vec<Point>,
}

/// One quantile.
#[derive(Debug, Serialize)]
pub struct Point {
    /// Name for people.
    pub name: String,
    /// `1/(1 − p)`.
    pub x: serde_json::Value,
    /// Value in ms.
    pub y: serde_json::Value,
    /// Lower end of the confidence interval in ms.
    pub low: serde_json::Value,
    /// Upper end of the confidence interval in ms.
    pub high: serde_json::Value,
    /// Whether few samples lie beyond it.
    pub is_doubtful: bool,
}

/// Lays out the curves of response time and service time.
pub fn curve(all: &GroupSummary) -> Curve {
    let mut kinds = vec![("response time (all)", &all.response_time)];
    if all.response_time_ok != all.response_time {
        kinds.push(("response time (ok)", &all.response_time_ok));
    }
    kinds.push(("service time (ok)", &all.service_time));
    let series: Vec<_> = kinds
        .into_iter()
        .map(|(label, quantiles)| CurveSeries { label, points: points(quantiles) })
        .collect();
    let is_empty = series.iter().all(|series| series.points.is_empty());
    Curve { series, description: describe(all), is_empty }
}

fn points(quantiles: &Quantiles) -> Vec<Point> {
    let mut points: Vec<Point> = Quantiles::LEVELS
        .iter()
        .filter_map(|(name, level)| {
            let value = quantiles.value(name)?;
            Some(point(quantiles, name, 1.0 / (1.0 - level), value))
        })
        .collect();
    // Of n rows, c of them failures, the greatest success has c + 1 at or beyond it.
    let beyond = quantiles.censored_count + 1;
    let x = quantiles.count as f64 / beyond as f64;
    let is_last = points.last().is_none_or(|last| last.x.as_f64().is_some_and(|end| x > end));
    if let (Some(max), true) = (quantiles.max, is_last) {
        points.push(point(quantiles, quantile::MAX, x, max));
    }
    points
}

fn point(quantiles: &Quantiles, name: &str, x: f64, y: f64) -> Point {
    let interval = quantiles.ci95.get(name).copied().unwrap_or_default();
    Point {
        name: quantile::label(name).to_owned(),
        x: short(Some(x)),
        y: short(Some(y)),
        low: short(interval.low),
        high: short(interval.high),
        is_doubtful: matches!(quantiles.notes.get(name), Some(QuantileNote::LowConfidence)),
    }
}

fn describe(all: &GroupSummary) -> String {
    let words = |quantiles: &Quantiles, name: &str| match quantile::cell_with_unit(quantiles, name)
    {
        cell if cell == "-" => "not known".to_owned(),
        cell => cell,
    };
    let pair = |name: &str| {
        format!(
            "{} response {}, service {}",
            quantile::label(name),
            words(&all.response_time, name),
            words(&all.service_time, name)
        )
    };
    format!(
        "{} arrivals. {}; {}; {}.",
        number::count(all.response_time.count),
        pair("p50"),
        pair("p99"),
        pair("p999")
    )
}

#[cfg(test)]
mod tests {
    use super::super::super::fixture;
    use super::curve;

    #[test]
    fn the_curve_ends_with_the_greatest_success_and_leaves_gaps_for_the_unknown() {
        let whole = curve(&fixture::pass().summary.all);
        let names = |index: usize, curve: &super::Curve| -> Vec<String> {
            curve.series[index].points.iter().map(|point| point.name.clone()).collect()
        };
        assert_eq!(names(0, &whole), ["p50", "p75", "p90", "p95", "p99", "p99.9", "max"]);
        let censored = curve(&fixture::censored().summary.all);
        // 60 of 1,200 failed: the greatest success lies at p95 and adds nothing.
        assert_eq!(names(0, &censored), ["p50", "p75", "p90", "p95"]);
        assert!(censored.series[0].points[3].is_doubtful);
        assert!(curve(&fixture::all_failed().summary.all).is_empty);
    }
}
