//! Groups of arrivals in the order a reader expects them.

use std::collections::BTreeMap;

use openload_contract::summary::GroupSummary;
use openload_contract::{Manifest, Summary};

use super::number;

/// One group with its name.
pub type Named<'a> = (&'a str, &'a GroupSummary);

/// Lists the phases in the order of time, not of the alphabet.
pub fn phases<'a>(summary: &'a Summary, manifest: &Manifest) -> Vec<Named<'a>> {
    let planned = planned_phases(manifest);
    let place = |name: &str| planned.iter().position(|phase| phase == name);
    let mut phases = named(&summary.by_phase);
    phases.sort_by_key(|(name, _)| place(name).unwrap_or(usize::MAX));
    phases
}

/// Lists groups with the worst first: by share of failures, then by the 99th percentile.
pub fn worst_first(groups: &BTreeMap<String, GroupSummary>) -> Vec<Named<'_>> {
    let mut sorted = named(groups);
    // An unknown quantile of a group that has arrivals hides failures or few samples.
    let p99 = |group: &GroupSummary| group.response_time.p99.unwrap_or(0.0);
    sorted.sort_by(|(_, a), (_, b)| {
        failed_share(b).total_cmp(&failed_share(a)).then(p99(b).total_cmp(&p99(a)))
    });
    sorted
}

/// Returns the share of a group's arrivals that did not end `ok`.
pub fn failed_share(group: &GroupSummary) -> f64 {
    number::share(group.requests.failed, group.requests.intended)
}

fn named(groups: &BTreeMap<String, GroupSummary>) -> Vec<Named<'_>> {
    groups.iter().map(|(name, group)| (name.as_str(), group)).collect()
}

/// Names every phase as the summary does: with its stream when there is more than one.
fn planned_phases(manifest: &Manifest) -> Vec<String> {
    let several = manifest.streams.len() > 1;
    let name = |stream: &str, phase: &str| match several {
        true => format!("{stream}/{phase}"),
        false => phase.to_owned(),
    };
    let streams = manifest.streams.iter();
    streams
        .flat_map(|stream| stream.phases.iter().map(move |phase| name(&stream.name, &phase.name)))
        .collect()
}
