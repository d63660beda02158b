//! What a comparison needs of a run: its identity, and every metric with its interval.
//!
//! The same is kept in a baseline file, so comparing with a file gives the answer that comparing
//! with the run would have given, unless the two can be paired.

use openload_contract::Manifest;
use openload_contract::baseline::{ComparedMetric, Reading, RunReading};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::shares::wilson;
use crate::groups::{good_limits, is_good, responses};
use crate::numeric::ns_to_ms;
use crate::quantile::Distribution;
use crate::rows::Rows;
use crate::run::{Run, Scope};
use crate::share::share_survey;
use crate::store::{Decoded, Fields};
use crate::survey::Survey;

/// Reads a run.
pub fn of_run(run: &Run) -> RunReading {
    let manifest = &run.manifest;
    let arrivals = rows_of(run, None).count() as u64;
    let covered_s = run.covered_s(|stream, phase| Scope::default().covers(stream, phase));
    RunReading {
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
        metrics: metrics(run),
    }
}

/// Rows of a phase, or of everything measured, in the order of the timeline.
pub fn rows_of<'a>(run: &'a Run, phase: Option<&str>) -> Rows<'a> {
    run.samples.columns().rows(|kind| {
        let is_in = |key| run.phase_key(&kind.stream, &kind.phase) == key;
        kind.is_measured && phase.is_none_or(is_in)
    })
}

fn metrics(run: &Run) -> Vec<Reading> {
    let measured = run.phases().filter(|(_, phase)| phase.role.is_measured());
    let phases: Vec<String> =
        measured.map(|(stream, phase)| run.phase_key(stream, &phase.name)).collect();
    let phases = if phases.len() > 1 { phases } else { Vec::new() };
    let scopes = std::iter::once(None).chain(phases.into_iter().map(Some));
    let limits = good_limits(&run.manifest.objectives, run.samples.columns());
    scopes.flat_map(|phase| of_scope(run, phase, &limits)).collect()
}

fn of_scope(run: &Run, phase: Option<String>, limits: &[i64]) -> Vec<Reading> {
    let rows = rows_of(run, phase.as_deref());
    let kinds = run.samples.kinds();
    let levels: Vec<f64> =
        ComparedMetric::ALL.iter().filter_map(|metric| metric.quantile()).collect();
    let times = responses(run, &rows, &levels);
    let blank = Reading { phase, ..blank(&times, ComparedMetric::P50) };
    let limited = rows.of_codes(|code| limits[code] != i64::MAX);
    let has_limit = !limited.is_empty();
    let wanted = ComparedMetric::ALL.into_iter();
    wanted
        .filter(|&metric| metric != ComparedMetric::GoodputShare || has_limit)
        .map(|metric| {
            let blank = Reading { metric, ..blank.clone() };
            match metric.quantile() {
                Some(level) => of_quantile(&times, level, blank),
                None => of_share(run, &rows, blank, |rows, place| match metric {
                    ComparedMetric::GoodputShare => is_good(kinds, limits, rows, place),
                    _ => !kinds[rows.code(place)].outcome.is_ok(),
                }),
            }
        })
        .collect()
}

/// Reads a quantile of response times.
pub fn of_times(times: &Distribution, metric: ComparedMetric) -> Option<Reading> {
    let level = metric.quantile()?;
    let times = times.survey(&[level]);
    Some(of_quantile(&times, level, blank(&times, metric)))
}

/// A reading with nothing read yet.
fn blank(times: &Survey, metric: ComparedMetric) -> Reading {
    let failed = times.count - times.finite;
    Reading {
        phase: None,
        metric,
        count: times.count as u64,
        value: None,
        low: None,
        high: None,
        n_eff: 0.0,
        freedom: 1,
        failed_share: if times.is_empty() { 0.0 } else { failed as f64 / times.count as f64 },
    }
}

fn of_quantile(times: &Survey, level: f64, blank: Reading) -> Reading {
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
    rows: &Rows<'_>,
    blank: Reading,
    holds: impl Fn(&Decoded, usize) -> bool + Sync,
) -> Reading {
    let Some(found) = share_survey(rows, Fields::RESPONSE, &run.starts_ns(), holds) else {
        return blank;
    };
    let share = found.share;
    let effective = found.precision.map_or(found.rows as f64, |precision| precision.effective);
    let freedom = found.precision.map_or(found.rows.max(2) - 1, |precision| precision.freedom);
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
