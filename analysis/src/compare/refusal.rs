//! Why some runs must not be compared.
//!
//! A difference is worth a word only when everything but the target's behaviour was the same: the
//! load, the machine that made it, the place it went to. What differs is a reason to refuse; of the
//! target's address and the machine the user may say that the difference is meant.

use openload_contract::baseline::RunReading;

use super::{Options, Subject};

/// Difference of the offered rates that chance does not explain: five standard deviations of a
/// Poisson count, and at least one percent.
const RATE_DEVIATIONS: f64 = 5.0;
const RATE_SHARE: f64 = 0.01;

/// What stands in the way of a comparison, and what the reader should know.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Objections {
    /// Why the runs must not be compared.
    pub reasons: Vec<String>,
    /// Differences that were allowed or do not matter much.
    pub warnings: Vec<String>,
}

/// Looks for reasons not to compare the runs of both sides.
pub fn objections(base: &[Subject], run: &[Subject], options: Options) -> Objections {
    let mut found = Objections::default();
    for subject in base.iter().chain(run) {
        let faults = subject.faults.iter();
        let run_id = &subject.reading.run_id;
        found.reasons.extend(faults.map(|fault| format!("run {run_id} is not valid: {fault}")));
    }
    if let Some(first) = base.first() {
        for other in base[1..].iter().chain(run) {
            found.differences(&first.reading, &other.reading, options);
        }
    }
    let is_twice =
        |one: &Subject| base.iter().any(|other| other.reading.run_id == one.reading.run_id);
    if run.iter().any(is_twice) {
        found.warnings.push("the same run is on both sides".to_owned());
    }
    for list in [&mut found.reasons, &mut found.warnings] {
        let mut seen = std::collections::BTreeSet::new();
        list.retain(|text| seen.insert(text.clone()));
    }
    found
}

impl Objections {
    fn differences(&mut self, first: &RunReading, other: &RunReading, options: Options) {
        if first.load_sha256 != other.load_sha256 {
            self.reasons.push(format!(
                "the profiles differ: {} ({}) and {} ({}); compare runs of one profile, with the \
                 same overrides",
                first.name,
                short(&first.profile_sha256),
                other.name,
                short(&other.profile_sha256),
            ));
        }
        if first.target != other.target {
            let what = format!("the targets differ: {} and {}", first.target, other.target);
            self.object(what, "target", options.allow_target);
        }
        if first.host != other.host {
            let what = format!("the hosts differ: {} and {}", host(first), host(other));
            self.object(what, "host", options.allow_host);
        }
        if let Some(what) = rates_differ(first, other) {
            self.reasons.push(what);
        }
        if first.gen_version != other.gen_version {
            self.warnings.push(format!(
                "made by different versions of gen: {} and {}",
                first.gen_version, other.gen_version
            ));
        }
    }

    fn object(&mut self, what: String, name: &str, is_allowed: bool) {
        if is_allowed {
            self.warnings.push(what);
        } else {
            self.reasons.push(format!("{what}; --allow {name} compares them all the same"));
        }
    }
}

fn rates_differ(first: &RunReading, other: &RunReading) -> Option<String> {
    let counts = [first.arrivals as f64, other.arrivals as f64];
    let rates = [first.offered_per_s, other.offered_per_s];
    let deviation = (1.0 / counts[0].max(1.0) + 1.0 / counts[1].max(1.0)).sqrt();
    let difference = (rates[1] / rates[0] - 1.0).abs();
    let is_different = difference > RATE_SHARE.max(RATE_DEVIATIONS * deviation);
    is_different
        .then(|| format!("the offered rates differ: {:.1}/s and {:.1}/s", rates[0], rates[1]))
}

fn host(reading: &RunReading) -> String {
    let host = &reading.host;
    format!("{} ({}, {}, {} cores)", host.name, host.os, host.arch, host.cores)
}

/// The beginning of a hash, enough to tell it from another.
fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}
