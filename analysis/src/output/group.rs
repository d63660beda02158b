//! Groups of arrivals in the order a reader expects them.

use std::collections::BTreeMap;

use openload_contract::summary::{GroupSummary, QuantileNote};
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
    sorted.sort_by(|(_, a), (_, b)| {
        failed_share(b).total_cmp(&failed_share(a)).then(slowness(b).total_cmp(&slowness(a)))
    });
    sorted
}

/// Returns the 99th percentile, infinite where it falls among failures.
fn slowness(group: &GroupSummary) -> f64 {
    match group.response_time.notes.get("p99") {
        Some(QuantileNote::Censored { .. }) => f64::INFINITY,
        _ => group.response_time.p99.unwrap_or(0.0),
    }
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

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::{Named, phases, worst_first};

    fn names(groups: &[Named<'_>]) -> Vec<String> {
        groups.iter().map(|(name, _)| (*name).to_owned()).collect()
    }

    #[test]
    fn phases_stand_in_the_order_of_time() {
        let fixture = fixture::pass();
        let groups = phases(&fixture.summary, &fixture.manifest);
        assert_eq!(names(&groups), ["before", "surge", "after"]);
    }

    #[test]
    fn phases_of_several_streams_are_found_by_both_names() {
        let mut fixture = fixture::pass();
        let mut other = fixture.manifest.streams[0].clone();
        other.name = "background".to_owned();
        fixture.manifest.streams.push(other);
        let group = fixture.summary.all.clone();
        fixture.summary.by_phase = ["background/before", "main/after", "main/before"]
            .map(|it| (it.to_owned(), group.clone()))
            .into();
        let groups = phases(&fixture.summary, &fixture.manifest);
        assert_eq!(names(&groups), ["main/before", "main/after", "background/before"]);
    }

    #[test]
    fn failing_groups_come_before_slow_ones() {
        let fixture = fixture::fail();
        let groups = worst_first(&fixture.summary.by_request);
        assert_eq!(names(&groups), ["checkout", "cart", "browse"]);
    }
}
