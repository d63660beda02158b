//! What was run: the part of the page that repeats the manifest and explains the files.

use openload_contract::columns::COLUMNS;
use openload_contract::{Manifest, RateLaw, RunStatus, Summary};
use serde::Serialize;

use super::super::number;
use super::table::Table;

/// One line of a list of facts.
#[derive(Debug, Serialize)]
pub struct Fact {
    label: &'static str,
    value: String,
}

/// Makes a line of a list of facts.
pub fn fact(label: &'static str, value: String) -> Fact {
    Fact { label, value }
}

/// Renders when the run started.
pub fn started(start_unix_ns: i64) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(start_unix_ns))
        .map(|start| start.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
        .unwrap_or_else(|_| "at an unknown time".to_owned())
}

/// Renders how long the run took, and whether it ended.
pub fn length(summary: &Summary) -> String {
    let took = number::duration_s(summary.run.duration_s);
    match summary.run.status {
        RunStatus::Complete => took,
        RunStatus::Interrupted => {
            format!("interrupted: {took} of {}", number::duration_s(summary.run.planned_s))
        }
        RunStatus::Running => format!("did not end; {took} recorded"),
    }
}

/// Lists what was run, where and by what.
pub fn facts(summary: &Summary, manifest: &Manifest) -> Vec<Fact> {
    let run = &summary.run;
    let mut facts = vec![
        fact("Target", run.target.clone()),
        fact("Arrival process", run.arrival.join(", ")),
        fact("Seed", run.seed.to_string()),
        fact("Run", run.id.clone()),
        fact("Started", started(run.start_unix_ns)),
        fact(
            "Length",
            format!("{} planned, {}", number::duration_s(run.planned_s), length(summary)),
        ),
        fact("Generator", format!("gen {} on {}", run.gen_version, run.host)),
        fact("Workers", format!("{}, pacing {}", manifest.workers, manifest.pacing)),
        fact("Shard", format!("{} of {}", manifest.shard.index + 1, manifest.shard.count)),
        fact("Most in flight", number::count(manifest.max_in_flight)),
        fact("Profile SHA-256", run.profile_sha256.clone()),
    ];
    facts.extend(manifest.stopped_because.clone().map(|why| fact("Stopped because", why)));
    facts
}

/// Tables the phases as they were planned.
pub fn phases_planned(manifest: &Manifest) -> Table {
    let headings = ["Phase", "Stream", "Role", "Arrivals", "Rate", "#From", "#To"];
    let mut table = Table::new("Planned phases", &headings);
    for stream in &manifest.streams {
        for phase in &stream.phases {
            let at = |ns: i64| number::duration_s(ns as f64 / 1e9);
            table.row([
                phase.name.clone(),
                stream.name.clone(),
                phase.role.name().to_owned(),
                phase.arrival.to_string(),
                rate(&phase.rate),
                at(phase.start_ns),
                at(phase.end_ns),
            ]);
        }
    }
    table
}

fn rate(law: &RateLaw) -> String {
    let per_second = number::per_second;
    match law {
        RateLaw::Constant { rate } => per_second(*rate),
        RateLaw::Ramp { from, to } => format!("{} to {}", per_second(*from), per_second(*to)),
        RateLaw::Sine { mean, amplitude, period_s, .. } => format!(
            "{} ± {} every {}",
            per_second(*mean),
            per_second(*amplitude),
            number::duration_s(*period_s)
        ),
        RateLaw::Steps { steps } => {
            let rates: Vec<_> = steps.iter().map(|step| per_second(step.rate)).collect();
            format!("steps {}", rates.join(", "))
        }
        RateLaw::Spike { base, peak, .. } => {
            format!("{} with a surge to {}", per_second(*base), per_second(*peak))
        }
    }
}

/// Tables the constants of the analysis.
pub fn settings(summary: &Summary) -> Table {
    let mut table = Table::new("Constants of the analysis", &["Constant", "#Value"]);
    if let Ok(serde_json::Value::Object(settings)) = serde_json::to_value(&summary.settings) {
        for (name, value) in settings {
            table.row([name, value.to_string()]);
        }
    }
    table
}

/// Tables the columns of the sample files.
pub fn dictionary() -> Table {
    let mut table = Table::new("Columns of the samples", &["Column", "Type", "Unit", "Meaning"]);
    for column in &COLUMNS {
        let optional = if column.nullable { "?" } else { "" };
        table.row([
            column.name.to_owned(),
            format!("{}{optional}", column.kind.name()),
            column.unit.to_owned(),
            column.doc.to_owned(),
        ]);
    }
    table
}
