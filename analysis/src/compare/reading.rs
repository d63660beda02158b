//! What a comparison needs of a run: its identity, and every metric with its interval.
//!
//! The same is kept in a baseline file, so comparing with a file gives the answer that comparing
//! with the run would have given, unless the two can be paired.

use openload_contract::Manifest;
use openload_contract::baseline::{ComparedMetric, Reading, RunReading};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::shares::wilson;
use crate::Error;
use crate::groups::{good_limits, is_good, responses};
use crate::load::Columns;
use crate::numeric::ns_to_ms;
use crate::precision::share_precision;
use crate::quantile::Distribution;
use crate::run::{Run, Scope};

/// Reads a run.
///
/// # Errors
/// When a column of the frame is unusable.
pub fn of_run(run: &Run) -> Result<RunReading, Error> {
    let columns = run.samples.columns()?;
    let manifest = &run.manifest;
    let arrivals = rows_of(run, columns, None).len() as u64;
    let covered_s = run.covered_s(|stream, phase| Scope::default().covers(stream, phase));
    Ok(RunReading {
        run_id: manifest.run_id.clone(),
        name: manifest.name.clone(),
        target: manifest.target.clone(),
        seed: manifest.seed,
        start_unix_ns: manifest.start_unix_ns,
        gen_version: manifest.gen_version.clone(),
        profile_sha256: manifest.profile_sha256.clone(),
        load_sha256: load_sha256(manifest),
        host: manifest.host.clone(),
        arrivals,
        offered_per_s: if covered_s > 0.0 { arrivals as f64 / covered_s } else { 0.0 },
        metrics: metrics(run, columns),
    })
}

/// Rows of a phase, or of everything measured, in the order of the timeline.
pub fn rows_of(run: &Run, columns: Columns<'_>, phase: Option<&str>) -> Vec<u32> {
    let mask = columns.mask(|kind| {
        let is_in = |key| run.phase_key(&kind.stream, &kind.phase) == key;
        kind.is_measured && phase.is_none_or(is_in)
    });
    columns.rows(&mask)
}

fn metrics(run: &Run, columns: Columns<'_>) -> Vec<Reading> {
    let measured = run.phases().filter(|(_, phase)| phase.role.is_measured());
    let phases: Vec<String> =
        measured.map(|(stream, phase)| run.phase_key(stream, &phase.name)).collect();
    let phases = if phases.len() > 1 { phases } else { Vec::new() };
    let scopes = std::iter::once(None).chain(phases.into_iter().map(Some));
    let limits = good_limits(&run.manifest.objectives, columns);
    scopes.flat_map(|phase| of_scope(run, columns, phase, &limits)).collect()
}

fn of_scope(
    run: &Run,
    columns: Columns<'_>,
    phase: Option<String>,
    limits: &[i64],
) -> Vec<Reading> {
    let rows = rows_of(run, columns, phase.as_deref());
    let times = responses(run, columns, &rows);
    let blank = Reading { phase, ..blank(&times, ComparedMetric::P50) };
    let has_limit = rows.iter().any(|&row| limits[columns.code(row as usize)] != i64::MAX);
    let wanted = ComparedMetric::ALL.into_iter();
    wanted
        .filter(|&metric| metric != ComparedMetric::GoodputShare || has_limit)
        .map(|metric| {
            let blank = Reading { metric, ..blank.clone() };
            match metric.quantile() {
                Some(level) => of_quantile(&times, level, blank),
                None => of_share(run, columns, &rows, blank, |row| match metric {
                    ComparedMetric::GoodputShare => is_good(columns, limits, row),
                    _ => !columns.kind(row).outcome.is_ok(),
                }),
            }
        })
        .collect()
}

/// Reads a quantile of response times.
pub fn of_times(times: &Distribution, metric: ComparedMetric) -> Option<Reading> {
    metric.quantile().map(|level| of_quantile(times, level, blank(times, metric)))
}

/// A reading with nothing read yet.
fn blank(times: &Distribution, metric: ComparedMetric) -> Reading {
    let failed = times.len() - times.finite_len();
    Reading {
        phase: None,
        metric,
        count: times.len() as u64,
        value: None,
        low: None,
        high: None,
        n_eff: 0.0,
        freedom: 1,
        failed_share: if times.is_empty() { 0.0 } else { failed as f64 / times.len() as f64 },
    }
}

fn of_quantile(times: &Distribution, level: f64, blank: Reading) -> Reading {
    if times.is_empty() {
        return blank;
    }
    let estimate = times.estimate(level);
    let value = estimate.value.filter(|_| !estimate.is_censored());
    Reading {
        value: value.map(ns_to_ms),
        low: estimate.low.map(ns_to_ms),
        high: estimate.high.map(ns_to_ms),
        n_eff: short(estimate.effective),
        freedom: estimate.freedom as u64,
        ..blank
    }
}

fn of_share(
    run: &Run,
    columns: Columns<'_>,
    rows: &[u32],
    blank: Reading,
    holds: impl Fn(usize) -> bool,
) -> Reading {
    if rows.is_empty() {
        return blank;
    }
    let is_inside = |row: &u32| holds(*row as usize);
    let share = rows.iter().filter(|row| is_inside(row)).count() as f64 / rows.len() as f64;
    let precision = share_precision(rows, &run.cuts(columns, rows), share, is_inside);
    let effective = precision.map_or(rows.len() as f64, |precision| precision.effective);
    let freedom = precision.map_or(rows.len().max(2) - 1, |precision| precision.freedom);
    let (low, high) = wilson(share, effective, freedom as f64);
    Reading {
        value: Some(brief(share)),
        low: Some(brief(low)),
        high: Some(brief(high)),
        n_eff: short(effective),
        freedom: freedom as u64,
        ..blank
    }
}

/// Rounds a number of samples to what is worth a place in a file.
fn short(effective: f64) -> f64 {
    (effective * 10.0).round() / 10.0
}

/// Rounds a share to nine places: short in a file, and read back to the last bit.
fn brief(share: f64) -> f64 {
    (share * 1e9).round() / 1e9
}

/// SHA-256 of the profile without its seed and its target's address, in hexadecimal: two runs
/// with the same one sent the same load, wherever they sent it.
fn load_sha256(manifest: &Manifest) -> String {
    let mut profile = manifest.profile.clone();
    if let Some(table) = profile.as_object_mut() {
        table.remove("seed");
        if let Some(target) = table.get_mut("target").and_then(Value::as_object_mut) {
            target.remove("url");
        }
    }
    let digest = Sha256::digest(canonical(&profile).as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes JSON with sorted keys: whether `serde_json` keeps their order depends on the features
/// some other crate asks for.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(table) => {
            let mut entries: Vec<_> = table.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            let entries: Vec<String> = entries
                .into_iter()
                .map(|(key, value)| format!("{}:{}", Value::from(key.as_str()), canonical(value)))
                .collect();
            format!("{{{}}}", entries.join(","))
        }
        Value::Array(list) => {
            format!("[{}]", list.iter().map(canonical).collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}
