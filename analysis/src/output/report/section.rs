//! What the run came to: the words and the tables of the page.

use std::collections::BTreeMap;

use openload_contract::objective::Unit;
use openload_contract::summary::{
    Capacity, Check, CheckLevel, Confidence, Drift, GroupSummary, ObjectiveResult, Quantiles,
    Recovery,
};
use openload_contract::{Bound, Manifest, Summary, Verdict};
use serde::Serialize;

use super::super::group::{self, Named};
use super::super::words::{
    closed_loop_text, fates, in_unit, measurement_word, recovery_text, score,
};
use super::super::{number, quantile};
use super::run::{self, Fact};
use super::table::{Cell, Table};
use crate::decompose::PARTS;

/// Quantiles of the table of the whole run.
const QUANTILES: [&str; 7] = ["p50", "p75", "p90", "p95", "p99", "p999", quantile::MAX];

/// Everything the template places.
#[derive(Debug, Serialize)]
pub struct Page {
    name: String,
    verdict: String,
    verdict_class: &'static str,
    score: String,
    measurement: &'static str,
    measurement_class: &'static str,
    started: String,
    length: String,
    fates: String,
    reasons: Vec<String>,
    warnings: Vec<String>,
    objectives: Table,
    tiles: Vec<Tile>,
    facts: Vec<Fact>,
    phases_planned: Table,
    quantiles: Table,
    remarks: Vec<String>,
    groups: Vec<Group>,
    outcomes: Table,
    statuses: Table,
    recovery: Vec<Spike>,
    drift: Table,
    checks: Table,
    late_seconds: String,
    tail: Table,
    tail_shares: Table,
    closed_loop: String,
    capacity_text: String,
    capacity: Table,
    profile: String,
    settings: Table,
    dictionary: Table,
    version: String,
}

/// One number above the fold.
#[derive(Debug, Serialize)]
struct Tile {
    label: &'static str,
    value: String,
    note: String,
}

/// One breakdown of the run.
#[derive(Debug, Serialize)]
struct Group {
    id: &'static str,
    title: &'static str,
    table: Table,
}

/// One spike.
#[derive(Debug, Serialize)]
struct Spike {
    text: String,
    table: Table,
}

/// Renders the text and the tables of the page.
pub fn page(summary: &Summary, manifest: &Manifest) -> Page {
    let measurement = measurement_word(summary);
    Page {
        name: summary.run.name.clone(),
        verdict: summary.verdict.name().to_uppercase(),
        verdict_class: summary.verdict.name(),
        score: score(summary) + ".",
        measurement,
        measurement_class: match measurement {
            "VALID" => "pass",
            "WARN" => "warn",
            _ => "invalid",
        },
        started: run::started(summary.run.start_unix_ns),
        length: run::length(summary),
        fates: fates(&summary.all),
        reasons: summary.reasons.clone(),
        warnings: summary.warnings.clone(),
        objectives: objectives(summary),
        tiles: tiles(&summary.all),
        facts: run::facts(summary, manifest),
        phases_planned: run::phases_planned(manifest),
        quantiles: quantiles(summary),
        remarks: quantile::remarks(&summary.all.response_time, &QUANTILES),
        groups: groups(summary, manifest),
        outcomes: counts("Failed arrivals by outcome", "outcome", &summary.all.errors.by_outcome),
        statuses: counts("Failed responses by status", "status", &summary.all.errors.by_status),
        recovery: summary.recovery.iter().map(spike).collect(),
        drift: drift(summary),
        checks: checks(&summary.validity.checks),
        late_seconds: late_seconds(&summary.validity.late_seconds),
        tail: tail(summary),
        tail_shares: tail_shares(summary),
        closed_loop: closed_loop_text(&summary.closed_loop),
        capacity_text: capacity_text(summary.capacity.as_ref()),
        capacity: capacity(summary.capacity.as_ref()),
        profile: serde_json::to_string_pretty(&manifest.profile).unwrap_or_default(),
        settings: run::settings(summary),
        dictionary: run::dictionary(),
        version: summary.run.gen_version.clone(),
    }
}

/// Tables the objectives.
pub fn objectives(summary: &Summary) -> Table {
    let headings = ["Objective", "Result", "#Limit", "#Measured", "#95 % interval", "Remark"];
    let mut table = Table::new("Objectives", &headings);
    for result in &summary.objectives {
        table.row([
            result.text.clone().into(),
            met(result, summary.verdict),
            limit(result).into(),
            result.measured_text.clone().into(),
            quantile::interval_of(result.ci95, in_unit(result.unit)).into(),
            remark(result).into(),
        ]);
    }
    table
}

fn met(result: &ObjectiveResult, verdict: Verdict) -> Cell {
    match (verdict, result.met) {
        (Verdict::Invalid, _) => Cell::styled("? undecided", "invalid"),
        (_, true) => Cell::styled("✓ met", "pass"),
        (_, false) => Cell::styled("✗ missed", "fail"),
    }
}

fn limit(result: &ObjectiveResult) -> String {
    let sign = match result.objective.bound {
        Bound::Max(_) => "≤",
        Bound::Min(_) => "≥",
    };
    format!("{sign} {}", in_unit(result.unit)(result.objective.bound.limit()))
}

fn remark(result: &ObjectiveResult) -> String {
    let doubt = match result.confidence {
        Confidence::Clear => None,
        Confidence::Borderline => Some("borderline: the interval covers the limit"),
        Confidence::Insufficient => Some("the samples do not support the value"),
    };
    let parts = [doubt, result.note.as_deref()];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn tiles(all: &GroupSummary) -> Vec<Tile> {
    let rate = &all.rate;
    let response = &all.response_time;
    let share = number::percent(group::failed_share(all));
    let ms = |name: &str| quantile::cell_with_unit(response, name);
    let tile = |label, value, note| Tile { label, value, note };
    vec![
        tile("Response time p50", ms("p50"), interval_note(response, "p50")),
        tile("Response time p99", ms("p99"), interval_note(response, "p99")),
        tile("Failed", share, format!("{} dropped", number::count(all.requests.dropped))),
        tile(
            "Offered rate",
            number::per_second(rate.offered),
            format!("peak {} in 1 s", number::count(rate.peak_1s)),
        ),
        tile(
            "Achieved rate",
            number::per_second(rate.achieved),
            format!("{} sent", number::count(all.requests.sent)),
        ),
        tile(
            "Goodput",
            number::per_second(rate.goodput),
            format!("{} ok", number::count(all.requests.ok)),
        ),
    ]
}

fn interval_note(quantiles: &Quantiles, name: &str) -> String {
    match quantile::interval_cell(quantiles, name).as_str() {
        "-" => "no interval".to_owned(),
        interval => format!("95 % CI {interval} ms"),
    }
}

fn quantiles(summary: &Summary) -> Table {
    let all = &summary.all;
    let mut headings = vec!["ms".to_owned(), "#rows".to_owned(), "#mean".to_owned()];
    headings.extend(QUANTILES.iter().map(|name| format!("#{}", quantile::label(name))));
    let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
    let mut table = Table::new("Quantiles in ms", &headings);
    let kinds = [
        ("Response time, all arrivals", &all.response_time),
        ("Response time, ok only", &all.response_time_ok),
        ("Service time, ok only", &all.service_time),
        ("What a closed loop would have said", &summary.closed_loop.response_time),
    ];
    for (label, quantiles) in kinds {
        let mean = number::or_dash(quantiles.mean, number::decimal);
        let head = [label.to_owned(), number::count(quantiles.count), mean];
        let values = QUANTILES.iter().map(|name| quantile::cell(quantiles, name));
        table.row(head.into_iter().chain(values));
        let head = ["95 % interval".to_owned(), String::new(), String::new()];
        let values = QUANTILES.iter().map(|name| quantile::interval_cell(quantiles, name));
        table.row(head.into_iter().chain(values).map(|text| Cell::styled(&text, "quiet")));
    }
    table
}

fn groups(summary: &Summary, manifest: &Manifest) -> Vec<Group> {
    let group =
        |id, title, groups: Vec<Named<'_>>| Group { id, title, table: breakdown(title, &groups) };
    vec![
        group("phases", "By phase", group::phases(summary, manifest)),
        group("scenarios", "By scenario", group::worst_first(&summary.by_scenario)),
        group("requests", "By request", group::worst_first(&summary.by_request)),
    ]
}

fn breakdown(title: &str, groups: &[Named<'_>]) -> Table {
    let headings = [
        "Name",
        "#arrivals",
        "#failed",
        "#dropped",
        "#offered",
        "#goodput",
        "#p50 ms",
        "#p90 ms",
        "#p95 ms",
        "#p99 ms",
        "#p99.9 ms",
        "#service p99 ms",
        "#lag p99",
    ];
    let mut table = Table::new(title, &headings);
    for (name, group) in groups {
        let response = |name| quantile::cell(&group.response_time, name);
        let lag = number::or_dash(group.schedule_lag_us.p99, |us| number::duration_ms(us / 1e3));
        table.row([
            (*name).to_owned(),
            number::count(group.requests.intended),
            number::percent(group::failed_share(group)),
            number::count(group.requests.dropped),
            number::per_second(group.rate.offered),
            number::per_second(group.rate.goodput),
            response("p50"),
            response("p90"),
            response("p95"),
            response("p99"),
            response("p999"),
            quantile::cell(&group.service_time, "p99"),
            lag,
        ]);
    }
    table
}

fn counts(caption: &str, what: &str, counts: &BTreeMap<String, u64>) -> Table {
    let mut table = Table::new(caption, &[what, "#count"]);
    for (name, count) in counts {
        table.row([name.clone(), number::count(*count)]);
    }
    table
}

fn spike(recovery: &Recovery) -> Spike {
    let mut table = Table::new(&format!("Recovery from {}", recovery.phase), &["", "#"]);
    let seconds = |value| number::or_dash(value, number::duration_s);
    let ms = |value| number::or_dash(value, number::duration_ms);
    let span = format!("{} to {}", seconds(Some(recovery.start_s)), seconds(Some(recovery.end_s)));
    let area = number::or_dash(recovery.area_s2, |area| format!("{} s²", number::decimal(area)));
    table.row(["Spike".to_owned(), span]);
    table.row(["Baseline, windowed p95".to_owned(), ms(recovery.baseline_ms)]);
    table.row(["Upper edge of the band".to_owned(), ms(recovery.band_ms)]);
    table.row(["Time to degrade".to_owned(), seconds(recovery.degrade_s)]);
    table.row(["Greatest windowed p95".to_owned(), ms(recovery.peak_ms)]);
    for (signal, time) in &recovery.by_signal {
        let time = time.map_or_else(|| "not recovered".to_owned(), number::duration_s);
        table.row([format!("Recovery by {}", signal.replace('_', " ")), time]);
    }
    table.row(["Arrivals out of band".to_owned(), number::count(recovery.arrivals_out_of_band)]);
    table.row(["Greatest backlog".to_owned(), number::count(recovery.backlog_peak)]);
    table.row(["Backlog drained after".to_owned(), seconds(recovery.drain_s)]);
    table.row(["Area over the baseline".to_owned(), area]);
    table.row(["Width of a window".to_owned(), seconds(Some(recovery.window_s))]);
    Spike { text: recovery_text(recovery), table }
}

fn drift(summary: &Summary) -> Table {
    let headings = ["Series", "Conclusion", "#Change in 24 h", "#95 % interval", "#p", "#Windows"];
    let mut table = Table::new("Drift", &headings);
    for (series, drift) in &summary.drift {
        table.row(drift_row(series, drift));
    }
    table
}

fn drift_row(series: &str, drift: &Drift) -> [String; 6] {
    [
        series.to_owned(),
        drift.text.clone(),
        number::or_dash(drift.change_24h, number::percent),
        quantile::interval_of(drift.change_24h_ci95, in_unit(Unit::Ratio)),
        number::or_dash(drift.p_value, number::decimal),
        format!("{} × {}", drift.windows, number::duration_s(drift.window_s)),
    ]
}

fn checks(checks: &[Check]) -> Table {
    let mut table = Table::new("Checks of the measurement", &["Check", "Result", "Detail"]);
    for check in checks {
        let level = match check.level {
            CheckLevel::Ok => Cell::styled("✓ ok", "pass"),
            CheckLevel::Warn => Cell::styled("! warn", "warn"),
            CheckLevel::Invalid => Cell::styled("✗ invalid", "fail"),
            CheckLevel::Skipped => Cell::styled("– not decided", "quiet"),
        };
        table.row([check.name.clone().into(), level, check.detail.clone().into()]);
    }
    table
}

fn late_seconds(late: &[u64]) -> String {
    late.iter().map(|second| format!("{second} s")).collect::<Vec<_>>().join(", ")
}

fn tail(summary: &Summary) -> Table {
    let headings = ["Part", "#mean", "#p99", "#mean in the slowest 1 %", "#share of it"];
    let mut table = Table::new("Parts of the response time", &headings);
    let whole: f64 = summary.tail.parts.values().map(|part| part.mean_in_tail).sum();
    for (name, part) in &summary.tail.parts {
        let share = if whole > 0.0 { part.mean_in_tail / whole } else { 0.0 };
        table.row([
            name.clone(),
            number::duration_ms(part.mean),
            number::duration_ms(part.p99),
            number::duration_ms(part.mean_in_tail),
            number::percent(share),
        ]);
    }
    table
}

/// For each quantile: where the time of the rows at or above it went.
fn tail_shares(summary: &Summary) -> Table {
    let mut headings = vec!["Requests from".to_owned()];
    headings.extend(PARTS.iter().map(|part| format!("#{part}")));
    let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
    let mut table = Table::new("Share of each part, by quantile of the response time", &headings);
    for (name, _) in Quantiles::LEVELS {
        let Some(shares) = summary.tail.shares.get(name) else { continue };
        let cells =
            PARTS.iter().map(|part| number::or_dash(shares.get(*part).copied(), number::percent));
        table.row(std::iter::once(quantile::label(name).to_owned()).chain(cells));
    }
    table
}

fn capacity_text(capacity: Option<&Capacity>) -> String {
    let Some(capacity) = capacity else { return String::new() };
    let mut text = format!("The target {}.", capacity.text);
    if let Some(knee) = capacity.knee_rps {
        let range = quantile::interval_of(capacity.knee_range, number::per_second);
        text.push_str(&format!(
            " The knee of p99 lies at {} ({range} when one step is left out); it moves with the \
             rates that were tried and decides nothing.",
            number::per_second(knee)
        ));
    }
    if let Some(law) = capacity.scalability {
        text.push_str(&format!(
            " Scalability law: λ {}, α {:.4}, β {:.6}",
            number::per_second(law.lambda),
            law.alpha,
            law.beta
        ));
        if let (Some(rate), Some(in_flight)) = (law.peak_rps, law.peak_in_flight) {
            let rate = number::per_second(rate);
            text.push_str(&format!(", greatest at {rate} with {in_flight:.0} in flight"));
        }
        text.push('.');
    }
    text
}

fn capacity(capacity: Option<&Capacity>) -> Table {
    let headings = [
        "Step",
        "#offered",
        "#goodput",
        "#of offered",
        "#p99",
        "#in flight",
        "#backlog grows by",
        "Sustained",
    ];
    let mut table = Table::new("Steps of constant rate", &headings);
    for step in capacity.map(|capacity| &capacity.steps[..]).unwrap_or_default() {
        let verdict = match &step.why {
            None => Cell::styled("✓ yes", "pass"),
            Some(why) => Cell::styled(&format!("✗ no: {why}"), "fail"),
        };
        let cells = [
            step.phase.clone(),
            number::per_second(step.offered),
            number::per_second(step.goodput),
            number::percent(step.goodput_share),
            number::or_dash(step.p99, number::duration_ms),
            number::decimal(step.in_flight),
            number::per_second(step.backlog_slope),
        ];
        table.row(cells.into_iter().map(Cell::from).chain([verdict]));
    }
    table
}
