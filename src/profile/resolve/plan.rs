//! From what a user wrote to what runs.
//!
//! Everything that the shape of the profile does not settle is checked here: units, ranges,
//! names, sums. The checks do not stop at the first fault. Each one reports to a [`Checker`]
//! and returns nothing; at the end either nothing was reported and there is a [`Plan`], or
//! all diagnostics come back together.
//!
//! Resolving looks at nothing but the profile: no clock, no files, no environment. The seed
//! is already drawn.

use http::Method;

use crate::plan::{Plan, RequestPlan, ScenarioPlan};
use crate::profile::canonical;
use crate::profile::diagnostic::{Fault, ProfileError};
use crate::profile::located::Located;
use crate::profile::raw::RawProfile;
use crate::profile::source::Source;
use crate::profile::warnings::warnings;

use super::Checker;
use crate::template::Template;

/// Name of the scenario of requests made from recorded events.
const RECORDED: &str = "recorded";

/// Checks a profile and works out what it comes to.
pub(in crate::profile) fn resolve(
    source: &Source,
    raw: &RawProfile,
    seed: u64,
) -> Result<Plan, ProfileError> {
    let mut checker = Checker::new(source);
    match checker.plan(raw, seed) {
        Some(mut plan) if checker.faults() == 0 => {
            (plan.warnings, plan.stretch) = warnings(&plan);
            Ok(plan)
        }
        _ => Err(checker.into_error()),
    }
}

impl Checker<'_> {
    fn plan(&mut self, raw: &RawProfile, seed: u64) -> Option<Plan> {
        self.profile_name(&raw.name);
        self.has_trace =
            raw.trace.is_some() || raw.stream.iter().any(|stream| stream.trace.is_some());
        let target = self.address(&raw.target.url);
        let embedded = self.embedded(&raw.target.embedded);
        let connection = self.connection(&raw.connection, target.as_ref());
        let scenarios = self.scenarios(&raw.scenario);
        let streams = self.streams(raw);
        let recorded = self.recorded_scenario(raw, &scenarios);
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
            scenarios: scenarios.into_iter().chain(recorded).collect::<Option<_>>()?,
            objectives,
            analysis: analysis?,
            profile,
            profile_sha256,
            warnings: Vec::new(),
            stretch: 1.0,
        })
    }

    /// The scenario of requests made from recorded events, when there is a trace.
    fn recorded_scenario(
        &mut self,
        raw: &RawProfile,
        scenarios: &[Option<ScenarioPlan>],
    ) -> Option<Option<ScenarioPlan>> {
        let of_streams = raw.stream.iter().filter_map(|stream| stream.trace.as_ref());
        let traces: Vec<_> = raw.trace.iter().chain(of_streams).collect();
        let first = traces.first()?;
        let expects = traces.iter().map(|trace| self.expect(trace.request.expect.as_ref()));
        let expect = expects.last().unwrap_or_default();
        let taken = |name: &str| {
            scenarios.iter().flatten().any(|one| one.name == name || one.request.name == name)
        };
        let name =
            if taken(RECORDED) { format!("{RECORDED} requests") } else { RECORDED.to_owned() };
        let path = Template::parse("/").map_err(|error| Fault::new(error.to_string()));
        let request = RequestPlan {
            name: name.clone(),
            method: Method::GET,
            path: self.keep(&first.file, path)?,
            headers: Vec::new(),
            body: None,
            expect,
        };
        Some(Some(ScenarioPlan { name, weight: 1.0, tags: Vec::new(), request }))
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
