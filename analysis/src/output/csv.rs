//! `summary.csv` and `timeseries.csv`, for spreadsheets and notebooks.
//!
//! The summary is tidy: one value a line, named by scope, name and metric, so that it can
//! be filtered and pivoted without knowing its shape. The time series is wide: one second a
//! line. Numbers are written in full, an absent value is an empty field.

use std::fmt::Write as _;

use openload_contract::Summary;
use openload_contract::objective::Unit;
use openload_contract::summary::{
    GroupSummary, Interval, LagQuantiles, QuantileNote, Quantiles, Recovery, SecondRow,
};

use super::escape;
use super::second::FIELDS;

/// Header of `summary.csv`.
const SUMMARY_HEADER: &str = "scope,name,metric,value,unit\n";

/// Renders `timeseries.csv`.
pub fn timeseries(seconds: &[SecondRow]) -> String {
    let mut text = String::from("t_s,phase");
    for field in &FIELDS {
        text.push(',');
        text.push_str(field.name);
    }
    text.push('\n');
    for row in seconds {
        push(&mut text, format_args!("{},{}", row.t_s, escape::csv(&row.phase)));
        for field in &FIELDS {
            text.push(',');
            if let Some(value) = (field.get)(row) {
                push(&mut text, format_args!("{value}"));
            }
        }
        text.push('\n');
    }
    text
}

/// Renders `summary.csv`.
pub fn summary(summary: &Summary) -> String {
    let mut table = Tidy(SUMMARY_HEADER.to_owned());
    let mut run = table.scope("run", &summary.run.name);
    run.text("verdict", summary.verdict.name());
    run.text("valid", if summary.validity.valid { "true" } else { "false" });
    run.value("planned", summary.run.planned_s, "s");
    run.value("duration", summary.run.duration_s, "s");
    table.scope("all", "").group(&summary.all);
    let groups = [
        ("phase", &summary.by_phase),
        ("scenario", &summary.by_scenario),
        ("request", &summary.by_request),
    ];
    for (scope, groups) in groups {
        for (name, group) in groups {
            table.scope(scope, name).group(group);
        }
    }
    objectives(summary, &mut table);
    for recovery in &summary.recovery {
        let name = format!("{}/{}", recovery.stream, recovery.phase);
        table.scope("recovery", &name).recovery(recovery);
    }
    for (series, drift) in &summary.drift {
        let mut scope = table.scope("drift", series);
        scope.text("text", &drift.text);
        scope.optional("change_24h", drift.change_24h, "ratio");
        scope.interval("change_24h", drift.change_24h_ci95, "ratio");
        scope.optional("change_run", drift.change_run, "ratio");
        scope.optional("p_value", drift.p_value, "");
    }
    table.0
}

fn objectives(summary: &Summary, table: &mut Tidy) {
    for result in &summary.objectives {
        let unit = unit_name(result.unit);
        let mut scope = table.scope("objective", &result.text);
        scope.text("met", if result.met { "true" } else { "false" });
        scope.value("limit", result.objective.bound.limit(), unit);
        scope.optional("measured", result.measured, unit);
        scope.interval("measured", result.ci95, unit);
    }
}

fn unit_name(unit: Unit) -> &'static str {
    match unit {
        Unit::Ms => "ms",
        Unit::PerSecond => "1/s",
        Unit::Ratio => "ratio",
    }
}

/// The tidy table as it grows.
struct Tidy(String);

impl Tidy {
    fn scope<'a>(&'a mut self, scope: &str, name: &str) -> Scope<'a> {
        Scope { prefix: format!("{scope},{}", escape::csv(name)), table: self }
    }
}

/// Lines of one scope and name.
struct Scope<'a> {
    prefix: String,
    table: &'a mut Tidy,
}

impl Scope<'_> {
    fn line(&mut self, metric: &str, value: &str, unit: &str) {
        let metric = escape::csv(metric);
        push(&mut self.table.0, format_args!("{},{metric},{value},{unit}\n", self.prefix));
    }

    fn text(&mut self, metric: &str, value: &str) {
        self.line(metric, &escape::csv(value), "");
    }

    fn value(&mut self, metric: &str, value: f64, unit: &str) {
        self.optional(metric, Some(value), unit);
    }

    fn optional(&mut self, metric: &str, value: Option<f64>, unit: &str) {
        self.line(metric, &value.map(|value| value.to_string()).unwrap_or_default(), unit);
    }

    fn interval(&mut self, metric: &str, interval: Interval, unit: &str) {
        self.optional(&format!("{metric}.ci95_low"), interval.low, unit);
        self.optional(&format!("{metric}.ci95_high"), interval.high, unit);
    }

    fn group(&mut self, group: &GroupSummary) {
        let counts = &group.requests;
        let counts = [
            ("intended", counts.intended),
            ("sent", counts.sent),
            ("completed", counts.completed),
            ("ok", counts.ok),
            ("failed", counts.failed),
            ("dropped", counts.dropped),
        ];
        self.counts("requests", counts);
        self.value("rate.offered", group.rate.offered, "1/s");
        self.value("rate.achieved", group.rate.achieved, "1/s");
        self.value("rate.goodput", group.rate.goodput, "1/s");
        self.line("rate.peak_1s", &group.rate.peak_1s.to_string(), "1/s");
        self.quantiles("response_time", &group.response_time);
        self.quantiles("response_time_ok", &group.response_time_ok);
        self.quantiles("service_time", &group.service_time);
        self.lag(&group.schedule_lag_us);
        let errors = &group.errors;
        self.counts("errors.by_outcome", errors.by_outcome.iter().map(|(k, v)| (k.as_str(), *v)));
        self.counts("errors.by_status", errors.by_status.iter().map(|(k, v)| (k.as_str(), *v)));
    }

    fn counts<'a>(&mut self, metric: &str, counts: impl IntoIterator<Item = (&'a str, u64)>) {
        for (name, count) in counts {
            self.line(&format!("{metric}.{name}"), &count.to_string(), "count");
        }
    }

    fn quantiles(&mut self, metric: &str, quantiles: &Quantiles) {
        self.counts(
            metric,
            [("count", quantiles.count), ("censored_count", quantiles.censored_count)],
        );
        self.optional(&format!("{metric}.mean"), quantiles.mean, "ms");
        for (name, _) in Quantiles::LEVELS {
            let metric = format!("{metric}.{name}");
            self.optional(&metric, quantiles.value(name), "ms");
            if let Some(interval) = quantiles.ci95.get(name) {
                self.interval(&metric, *interval, "ms");
            }
            if let Some(note) = quantiles.notes.get(name) {
                self.note(&metric, *note);
            }
        }
        self.optional(&format!("{metric}.max"), quantiles.max, "ms");
    }

    fn note(&mut self, metric: &str, note: QuantileNote) {
        match note {
            QuantileNote::Censored { at_least } => {
                self.optional(&format!("{metric}.at_least"), at_least, "ms");
            }
            QuantileNote::LowConfidence => self.text(&format!("{metric}.low_confidence"), "true"),
            QuantileNote::NeedsSamples { about } => {
                self.counts(metric, [("needs_samples", about)]);
            }
        }
    }

    fn lag(&mut self, lag: &LagQuantiles) {
        let values = [("p50", lag.p50), ("p99", lag.p99), ("p999", lag.p999), ("max", lag.max)];
        for (name, value) in values {
            self.optional(&format!("schedule_lag.{name}"), value, "us");
        }
    }

    fn recovery(&mut self, recovery: &Recovery) {
        self.text("recovered", if recovery.recovered { "true" } else { "false" });
        self.optional("recovery", recovery.recovery_s, "s");
        self.optional("at_least", recovery.at_least_s, "s");
        self.optional("degrade", recovery.degrade_s, "s");
        self.optional("drain", recovery.drain_s, "s");
        self.optional("baseline", recovery.baseline_ms, "ms");
        self.optional("band", recovery.band_ms, "ms");
        self.optional("peak", recovery.peak_ms, "ms");
        self.optional("area", recovery.area_s2, "s2");
        self.line("arrivals_out_of_band", &recovery.arrivals_out_of_band.to_string(), "count");
        self.line("backlog_peak", &recovery.backlog_peak.to_string(), "count");
    }
}

/// Appends formatted text.
fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments).expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::{summary, timeseries};

    #[test]
    fn the_summary_is_tidy() {
        let text = summary(&fixture::censored().summary);
        assert!(text.lines().all(|line| line.split(',').count() >= 5), "{text}");
        insta::assert_snapshot!("summary_csv", text);
    }

    #[test]
    fn the_time_series_has_a_line_a_second_and_quotes_names() {
        let mut fixture = fixture::fail();
        fixture.seconds.truncate(2);
        fixture.seconds[1].phase = "a,\"b\"".to_owned();
        insta::assert_snapshot!("timeseries_csv", timeseries(&fixture.seconds));
    }

    #[test]
    fn nothing_makes_a_header() {
        assert_eq!(timeseries(&[]).lines().count(), 1);
    }
}
