//! What the command line changes in a profile.
//!
//! Everything is applied to what the user wrote, before it is resolved. So each check
//! applies to the result, and the profile in the manifest is the one that ran.

use std::collections::BTreeSet;

use openload_contract::Metric;

use super::diagnostic::{Diagnostic, Fault, ProfileError};
use super::located::Located;
use super::nearest::{list, nearest};
use super::raw::{RawObjective, RawPhase, RawProfile, RawScenario};
use super::resolve::request_name;

/// What the command line changes in a profile.
#[derive(Debug, Clone, PartialEq)]
pub struct Overrides {
    /// `--target`: where the requests go.
    pub target: Option<String>,
    /// `--seed`.
    pub seed: Option<u64>,
    /// `--rate-scale`: multiplies every rate, and the limits of `throughput` objectives.
    pub rate_scale: f64,
    /// `--time-scale`: multiplies the durations of phases and of what happens in them, and
    /// what the built-in target does over time; timeouts and objectives stay.
    pub time_scale: f64,
    /// `--set`: dotted keys with their values.
    pub set: Vec<(String, String)>,
    /// `--tag`: keeps only scenarios with one of these tags.
    pub tags: Vec<String>,
}

impl Default for Overrides {
    fn default() -> Self {
        Self {
            target: None,
            seed: None,
            rate_scale: 1.0,
            time_scale: 1.0,
            set: Vec::new(),
            tags: Vec::new(),
        }
    }
}

impl Overrides {
    /// Refuses factors that make no sense.
    pub(super) fn check(&self) -> Result<(), ProfileError> {
        let factors = [("--rate-scale", self.rate_scale), ("--time-scale", self.time_scale)];
        let wrong = factors.into_iter().filter(|(_, factor)| !factor.is_finite() || *factor <= 0.0);
        let diagnostics: Vec<Diagnostic> = wrong
            .map(|(name, factor)| {
                let fault = Fault::new(format!("{name} {factor} is not possible"));
                fault.help("write a number above 0, such as 0.5").at(None)
            })
            .collect();
        if diagnostics.is_empty() { Ok(()) } else { Err(ProfileError { diagnostics }) }
    }

    /// Refuses factors for recorded arrivals, of which several things could be meant.
    pub(super) fn check_traces(&self, raw: &RawProfile) -> Result<(), ProfileError> {
        let of_streams = raw.stream.iter().filter_map(|stream| stream.trace.as_ref());
        if raw.trace.iter().chain(of_streams).next().is_none() {
            return Ok(());
        }
        let factors = [
            (
                "--rate-scale",
                self.rate_scale,
                "`copies` and `thin` change how many requests there are",
            ),
            ("--time-scale", self.time_scale, "`speed` plays a trace faster"),
        ];
        let meant = factors.into_iter().filter(|(_, factor, _)| *factor != 1.0);
        let diagnostics: Vec<Diagnostic> = meant
            .map(|(name, _, help)| {
                Fault::new(format!("{name} says nothing definite about a trace"))
                    .help(format!("under [trace], {help}"))
                    .at(None)
            })
            .collect();
        if diagnostics.is_empty() { Ok(()) } else { Err(ProfileError { diagnostics }) }
    }

    /// Applies what changes numbers: the seed and the factors.
    ///
    /// `--set` and `--target` came before, when the text was read; `--tag` comes last.
    pub(super) fn apply(&self, raw: &mut RawProfile) {
        raw.seed = self.seed.or(raw.seed);
        // A factor of 1 leaves what was written as it was written.
        if self.rate_scale != 1.0 {
            scale_rates(raw, self.rate_scale);
        }
        if self.time_scale != 1.0 {
            scale_times(raw, self.time_scale);
        }
    }

    /// Keeps only scenarios with one of the tags; returns what else was left out, in words.
    pub(super) fn keep_tagged(&self, raw: &mut RawProfile) -> Result<Vec<String>, ProfileError> {
        if self.tags.is_empty() {
            return Ok(Vec::new());
        }
        let known: BTreeSet<&str> =
            raw.scenario.iter().flat_map(|one| &one.tags).map(String::as_str).collect();
        let has_tag = |one: &RawScenario| one.tags.iter().any(|tag| self.tags.contains(tag));
        if let Some(tag) = self.tags.iter().find(|tag| !known.contains(tag.as_str())) {
            return Err(unknown_tag(tag, &known).at(None).into());
        }
        let kept = raw.scenario.iter().filter(|one| has_tag(one));
        let kept: BTreeSet<String> = kept.map(|one| one.name.get().clone()).collect();
        Ok(keep(raw, &kept))
    }
}

fn unknown_tag(tag: &str, known: &BTreeSet<&str>) -> Fault {
    let fault = Fault::new(format!("no scenario has the tag `{tag}`"))
        .nearest(nearest(tag, known.iter().copied()));
    match known.is_empty() {
        true => fault.help("no scenario of this profile has tags"),
        false => fault.help(format!("one of: {}", list(known.iter().copied()))),
    }
}

/// Keeps scenarios by name, and only the streams and objectives that still have any.
fn keep(raw: &mut RawProfile, kept: &BTreeSet<String>) -> Vec<String> {
    let mut left_out = Vec::new();
    raw.scenario.retain(|one| kept.contains(one.name.get()));
    for stream in &mut raw.stream {
        if let Some(names) = &mut stream.scenarios {
            names.get_mut().retain(|name| kept.contains(name.get()));
        }
    }
    raw.stream.retain(|stream| {
        let is_empty = stream.scenarios.as_ref().is_some_and(|names| names.get().is_empty());
        if is_empty {
            left_out.push(format!("--tag leaves out the stream `{}`", stream.name.get()));
        }
        !is_empty
    });
    let objectives = std::mem::take(&mut raw.objective);
    for objective in objectives {
        if selects_something(raw, &objective) {
            raw.objective.push(objective);
        } else {
            let metric = objective.metric.get().name();
            left_out.push(format!("--tag leaves out an objective on {metric}"));
        }
    }
    left_out
}

/// Tells whether everything an objective names is still there.
fn selects_something(raw: &RawProfile, objective: &RawObjective) -> bool {
    let is_in = |wanted: &Option<Located<String>>, names: Vec<&Located<String>>| {
        wanted.as_ref().is_none_or(|wanted| names.iter().any(|name| name.get() == wanted.get()))
    };
    let phases = raw.phase.iter().chain(raw.stream.iter().flat_map(|stream| &stream.phase));
    is_in(&objective.scenario, raw.scenario.iter().map(|one| &one.name).collect())
        && is_in(&objective.request, raw.scenario.iter().map(request_name).collect())
        && is_in(&objective.phase, phases.map(|phase| &phase.name).collect())
        && (raw.stream.is_empty()
            || is_in(&objective.stream, raw.stream.iter().map(|stream| &stream.name).collect()))
}

fn phases(raw: &mut RawProfile) -> impl Iterator<Item = &mut RawPhase> {
    raw.phase.iter_mut().chain(raw.stream.iter_mut().flat_map(|stream| &mut stream.phase))
}

fn scale_rates(raw: &mut RawProfile, factor: f64) {
    for phase in phases(raw) {
        phase.rate.get_mut().scale_rate(factor);
    }
    let throughputs =
        raw.objective.iter_mut().filter(|objective| *objective.metric.get() == Metric::Throughput);
    for limit in throughputs.flat_map(|one| [&mut one.max, &mut one.min]).flatten() {
        limit.get_mut().scale_rate(factor);
    }
}

fn scale_times(raw: &mut RawProfile, factor: f64) {
    for phase in phases(raw) {
        phase.duration.get_mut().scale(factor);
        phase.rate.get_mut().scale_time(factor);
        phase.arrival.get_mut().scale_time(factor);
    }
    for freeze in &mut raw.target.embedded.freeze.0 {
        freeze.at.get_mut().scale(factor);
        freeze.length.get_mut().scale(factor);
    }
    if let Some(leak) = &mut raw.target.embedded.leak {
        leak.per.get_mut().scale(factor);
    }
}
