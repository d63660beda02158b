//! From what a user wrote to what runs.
//!
//! Everything that the shape of the profile does not settle is checked here: units, ranges,
//! names, sums. The checks do not stop at the first fault. Each one reports to a [`Checker`]
//! and returns nothing; at the end either nothing was reported and there is a [`Plan`], or
//! all diagnostics come back together.
//!
//! Resolving looks at nothing but the profile: no clock, no files, no environment. The seed
//! is already drawn.

mod address;
mod connection;
mod embedded;
mod objectives;
mod rate;
mod scenarios;
mod streams;

pub(super) use scenarios::request_name;
pub(super) use streams::{expected_arrivals, length_s};

use std::collections::HashMap;
use std::ops::Range;

use crate::plan::Plan;

use super::canonical;
use super::diagnostic::{Diagnostic, Fault, ProfileError};
use super::located::Located;
use super::quantity::{Share, Time, Written, not_negative, seconds, share};
use super::raw::RawProfile;
use super::source::Source;
use super::warnings::warnings;

/// Checks a profile and works out what it comes to.
pub(super) fn resolve(source: &Source, raw: &RawProfile, seed: u64) -> Result<Plan, ProfileError> {
    let mut checker = Checker { source, found: Vec::new() };
    match checker.plan(raw, seed) {
        Some(mut plan) if checker.found.is_empty() => {
            plan.warnings = warnings(&plan);
            Ok(plan)
        }
        _ => Err(checker.into_error()),
    }
}

/// Collects what is wrong.
pub(super) struct Checker<'a> {
    source: &'a Source,
    found: Vec<(usize, Diagnostic)>,
}

impl Checker<'_> {
    fn plan(&mut self, raw: &RawProfile, seed: u64) -> Option<Plan> {
        self.profile_name(&raw.name);
        let target = self.address(&raw.target.url);
        let embedded = self.embedded(&raw.target.embedded);
        let connection = self.connection(&raw.connection);
        let scenarios = self.scenarios(&raw.scenario);
        let streams = self.streams(raw);
        let objectives = self.objectives(raw);
        let analysis = self.analysis(&raw.analysis);
        let (profile, profile_sha256) = record(raw, seed);
        Some(Plan {
            name: raw.name.get().clone(),
            seed,
            target: target?,
            embedded: embedded?,
            target_pid: raw.target.pid,
            connection: connection?,
            streams: streams?,
            scenarios: scenarios.into_iter().collect::<Option<_>>()?,
            objectives,
            analysis: analysis?,
            profile,
            profile_sha256,
            warnings: Vec::new(),
        })
    }

    /// A run directory is named after the profile, so the name must be fit for one.
    fn profile_name(&mut self, name: &Located<String>) {
        let text = name.get();
        let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ');
        if text.is_empty() || text.len() > 100 || text.starts_with('.') || !text.chars().all(fits) {
            let fault = Fault::new(format!("`{text}` cannot name a run directory"))
                .help("write 1 to 100 letters, digits, `-`, `_` or `.`, no `.` first");
            self.report(name, fault);
        }
    }

    /// Reports a fault at a value.
    fn report<T>(&mut self, at: &Located<T>, fault: Fault) {
        self.report_at(at.span(), fault);
    }

    fn report_at(&mut self, span: Range<usize>, fault: Fault) {
        self.found.push((span.start, fault.at(self.source.place(&span))));
    }

    /// Keeps a value that could be read and reports the fault of one that could not.
    fn keep<T, V>(&mut self, at: &Located<T>, read: Result<V, Fault>) -> Option<V> {
        read.map_err(|fault| self.report(at, fault)).ok()
    }

    /// Reads a duration above 0, in seconds.
    fn duration(&mut self, written: &Located<Written<Time>>) -> Option<f64> {
        let read = seconds(written.get().scalar()).and_then(|read| match read {
            // Less than a nanosecond is nothing on our clock.
            read if read < 1e-9 => {
                let what = if read > 0.0 { "below a nanosecond" } else { "zero" };
                Err(Fault::new(format!("the duration is {what}"))
                    .help("write a duration above 0, such as \"15s\""))
            }
            read => Ok(read),
        });
        self.keep(written, read)
    }

    /// Reads a duration in seconds that may be 0.
    fn duration_or_zero(&mut self, written: &Located<Written<Time>>) -> Option<f64> {
        self.keep(written, seconds(written.get().scalar()))
    }

    /// Reads a duration above 0, in nanoseconds.
    fn duration_ns(&mut self, written: &Located<Written<Time>>) -> Option<i64> {
        self.duration(written).map(nanoseconds)
    }

    /// Reads a share of any size.
    fn share(&mut self, written: &Located<Written<Share>>) -> Option<f64> {
        self.keep(written, share(written.get().scalar()))
    }

    /// Reads a number that is neither infinite nor NaN nor negative.
    fn finite(&mut self, written: &Located<f64>, what: &str) -> Option<f64> {
        self.keep(written, not_negative(*written.get(), what))
    }

    /// Reports names that occur twice.
    fn unique<'n>(&mut self, what: &str, names: impl Iterator<Item = &'n Located<String>>) {
        let mut seen: HashMap<&str, Range<usize>> = HashMap::new();
        for name in names {
            if name.get().is_empty() {
                self.report(name, Fault::new(format!("a {what} needs a name")));
            }
            match seen.get(name.get().as_str()) {
                Some(first) => {
                    let line = self.source.place(first).map_or(0, |place| place.line);
                    let fault = Fault::new(format!("two {what}s are called `{}`", name.get()))
                        .label(format!("the first is in line {line}"))
                        .help("give each its own name");
                    self.report(name, fault);
                }
                None => {
                    seen.insert(name.get(), name.span());
                }
            }
        }
    }

    fn into_error(self) -> ProfileError {
        let mut found = self.found;
        found.sort_by_key(|(start, _)| *start);
        ProfileError { diagnostics: found.into_iter().map(|(_, diagnostic)| diagnostic).collect() }
    }
}

/// Rounds seconds to nanoseconds. Durations are at most 292 years, which fits.
fn nanoseconds(seconds: f64) -> i64 {
    (seconds * 1e9).round() as i64
}

/// Turns seconds into milliseconds; by way of whole nanoseconds, so that 0.333 s are 333 ms.
fn to_ms(seconds: f64) -> f64 {
    (seconds * 1e9).round() / 1e6
}

/// The profile for the manifest, and its hash.
///
/// The hash leaves the seed out: two runs of one profile with different seeds are runs of
/// the same profile, and the manifest names the seed anyway.
fn record(raw: &RawProfile, seed: u64) -> (serde_json::Value, String) {
    let mut profile = serde_json::to_value(raw).unwrap_or_default();
    if let Some(table) = profile.as_object_mut() {
        table.remove("seed");
    }
    let hash = canonical::sha256(&profile);
    if let Some(table) = profile.as_object_mut() {
        table.insert("seed".to_owned(), seed.into());
    }
    (profile, hash)
}
