//! Which profiles a suite runs, in which order, and how long each.
//!
//! A suite is several runs one after another. [`plan`] settles everything before the first of
//! them: every profile is loaded and checked, those without a scenario of the asked tags are
//! left out, and each gets its run directory and its length.
//!
//! `--time-scale` is meant to shorten a suite, not to make it pointless. A profile whose
//! objectives could no longer be decided is shortened only as far as they can be
//! ([`Plan::stretch`] tells), and the suite says so; it is never made longer than the profile
//! itself or than what was asked for.
//!
//! Nothing here runs anything: a suite is a list of plans.

use openload_contract::suite::LeftOut;
use thiserror::Error;

use openload_traces::TraceError;

use crate::plan::{Plan, TargetAddress};
use crate::profile::{self, BUILT_IN, Overrides, ProfileError};
use crate::replay;

/// The built-in profile that lasts for hours.
const SOAK: &str = "soak";

/// What is asked of a suite.
#[derive(Debug, Clone, PartialEq)]
pub struct SuiteRequest {
    /// Built-in names or files, in order; empty for the built-in ones.
    pub profiles: Vec<String>,
    /// Whether the built-in soak is among the built-in ones.
    pub include_soak: bool,
    /// What is changed in every profile; its tags choose profiles too.
    pub overrides: Overrides,
}

/// A suite, completely determined.
#[derive(Debug, Clone)]
pub struct SuitePlan {
    /// The runs in their order; never empty.
    pub runs: Vec<PlannedRun>,
    /// Profiles that are not part of it.
    pub left_out: Vec<LeftOut>,
}

/// One run of a suite.
#[derive(Debug, Clone)]
pub struct PlannedRun {
    /// What is run.
    pub plan: Plan,
    /// Run directory, relative to the suite's folder.
    pub dir: String,
    /// Factor on every duration.
    pub time_scale: f64,
    /// What the reader should know about how it is run, in words.
    pub notes: Vec<String>,
}

/// Why a suite cannot be run as it was asked for.
#[derive(Debug, Error)]
pub enum SuiteError {
    /// A profile or an override is wrong.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// A recorded timeline could not be read.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// A tag is that of no scenario.
    #[error("no profile of the suite has a scenario with the tag `{tag}`; there are: {known}")]
    UnknownTag {
        /// The tag.
        tag: String,
        /// Tags of all profiles.
        known: String,
    },
}

impl PlannedRun {
    /// Requests per second the built-in target can serve by its configuration; `None` for
    /// another target.
    pub fn capacity_per_s(&self) -> Option<f64> {
        let target = &self.plan.embedded;
        let is_known = self.plan.target == TargetAddress::Embedded && target.service_mean_s > 0.0;
        is_known.then(|| f64::from(target.servers) / target.service_mean_s)
    }
}

/// Plans a suite.
///
/// # Errors
/// When any of its profiles cannot be run; nothing has been sent then.
pub fn plan(request: &SuiteRequest) -> Result<SuitePlan, SuiteError> {
    let (names, mut left_out) = chosen(request);
    let mut known = Vec::new();
    let mut suite = SuitePlan { runs: Vec::new(), left_out: Vec::new() };
    for name in names {
        let tags = tags_of(&name, &request.overrides)?;
        let wanted = |tag: &&String| request.overrides.tags.contains(tag);
        let kept: Vec<String> = tags.iter().filter(wanted).cloned().collect();
        if kept.is_empty() && !request.overrides.tags.is_empty() {
            let tags = request.overrides.tags.join(", ");
            left_out.push(LeftOut { name, why: format!("no scenario is tagged {tags}") });
        } else {
            let overrides = Overrides { tags: kept, ..request.overrides.clone() };
            let run = planned(&name, &overrides, &suite.runs)?;
            suite.runs.push(run);
        }
        known.extend(tags);
    }
    known.sort();
    known.dedup();
    if let Some(tag) = request.overrides.tags.iter().find(|tag| !known.contains(tag)) {
        return Err(SuiteError::UnknownTag { tag: tag.clone(), known: known.join(", ") });
    }
    suite.left_out = left_out;
    Ok(suite)
}

/// Names of the profiles to run, and those that are left out by default.
fn chosen(request: &SuiteRequest) -> (Vec<String>, Vec<LeftOut>) {
    if !request.profiles.is_empty() {
        return (request.profiles.clone(), Vec::new());
    }
    let built_in = BUILT_IN.iter().map(|(name, _)| (*name).to_owned());
    let (run, long): (Vec<_>, Vec<_>) =
        built_in.partition(|name| request.include_soak || name != SOAK);
    let why = "lasts for hours; --include-soak adds it";
    (run, long.into_iter().map(|name| LeftOut { name, why: why.to_owned() }).collect())
}

/// Tags of a profile's scenarios.
fn tags_of(name: &str, overrides: &Overrides) -> Result<Vec<String>, ProfileError> {
    let all = Overrides { tags: Vec::new(), ..overrides.clone() };
    let plan = profile::load(name, &all)?;
    Ok(plan.scenarios.into_iter().flat_map(|scenario| scenario.tags).collect())
}

/// Loads a profile and shortens it as far as its objectives allow.
fn planned(
    name: &str,
    overrides: &Overrides,
    before: &[PlannedRun],
) -> Result<PlannedRun, SuiteError> {
    let asked = overrides.time_scale;
    let mut plan = profile::load(name, overrides)?;
    let time_scale = decidable(asked, plan.stretch);
    let mut notes = Vec::new();
    if time_scale > asked {
        notes.push(format!(
            "shortened to {time_scale} of its length, not to {asked}: shorter, its objectives \
             could not be decided"
        ));
        plan = profile::load(name, &Overrides { time_scale, ..overrides.clone() })?;
    }
    replay::prepare(&mut plan)?;
    let dir = unused_dir(&plan.name, before);
    Ok(PlannedRun { plan, dir, time_scale, notes })
}

/// The factor nearest to `asked` at which every objective can be decided, at most the whole
/// length; `stretch` is how many times longer the plan at `asked` would have to be.
fn decidable(asked: f64, stretch: f64) -> f64 {
    // Three decimals, rounded up: a person reads this number.
    let needed = (asked * stretch * 1e3 - 1e-6).ceil() / 1e3;
    if stretch > 1.0 { needed.min(1.0).max(asked) } else { asked }
}

/// A folder's name after the profile's, with a number where profiles share one.
fn unused_dir(name: &str, before: &[PlannedRun]) -> String {
    let safe = |letter: char| if letter.is_alphanumeric() { letter } else { '-' };
    let name: String = name.chars().map(safe).collect();
    let is_free = |dir: &String| before.iter().all(|run| run.dir != *dir);
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let mut candidates = std::iter::once(name.clone()).chain(numbered);
    candidates.find(is_free).expect("the numbers do not end")
}

#[cfg(test)]
mod tests {
    use super::{SuiteError, SuitePlan, SuiteRequest, decidable, plan};
    use crate::profile::Overrides;

    fn suite(profiles: &[&str], soak: bool, overrides: Overrides) -> Result<SuitePlan, SuiteError> {
        plan(&SuiteRequest {
            profiles: profiles.iter().map(|name| (*name).to_owned()).collect(),
            include_soak: soak,
            overrides,
        })
    }

    fn dirs(suite: &SuitePlan) -> Vec<&str> {
        suite.runs.iter().map(|run| run.dir.as_str()).collect()
    }

    #[test]
    fn the_built_in_profiles_run_in_order_and_soak_only_when_asked() {
        let short = suite(&[], false, Overrides::default()).unwrap();
        assert_eq!(dirs(&short), ["baseline", "stress", "spike", "mixed"]);
        assert_eq!(short.left_out[0].name, "soak");
        let whole = suite(&[], true, Overrides::default()).unwrap();
        assert_eq!(dirs(&whole), ["baseline", "stress", "spike", "soak", "mixed"]);
        assert!(whole.left_out.is_empty());
        assert!(suite(&["soak"], false, Overrides::default()).is_ok(), "named means asked for");
    }

    #[test]
    fn a_short_suite_still_decides_every_objective() {
        let overrides = Overrides { time_scale: 0.03, ..Overrides::default() };
        let suite = suite(&[], true, overrides).unwrap();
        let scales: Vec<f64> = suite.runs.iter().map(|run| run.time_scale).collect();
        // Half of the objective's minute and 5 s of calm, of the 40 s after the surge.
        assert_eq!(scales, [0.03, 0.03, 0.875, 0.03, 0.03]);
        for run in &suite.runs {
            assert_eq!(run.plan.warnings, Vec::<String>::new(), "{}", run.dir);
            assert_eq!(run.notes.len(), usize::from(run.dir == "spike"));
        }
    }

    #[test]
    fn nothing_is_made_longer_than_it_is_or_was_asked_for() {
        assert_eq!(decidable(0.5, 1.0), 0.5);
        assert_eq!(decidable(0.5, 1.5), 0.75);
        assert_eq!(decidable(0.5, 9.0), 1.0);
        assert_eq!(decidable(0.5, f64::INFINITY), 1.0);
        assert_eq!(decidable(2.0, 3.0), 2.0);
    }

    #[test]
    fn tags_choose_profiles_and_scenarios() {
        let tagged = |tag: &str| Overrides { tags: vec![tag.to_owned()], ..Overrides::default() };
        let write = suite(&[], false, tagged("write")).unwrap();
        assert_eq!(dirs(&write), ["mixed"]);
        assert_eq!(write.runs[0].plan.scenarios.len(), 2);
        assert_eq!(write.left_out.len(), 4);
        let error = suite(&[], false, tagged("rite")).unwrap_err().to_string();
        assert!(error.contains("`rite`") && error.contains("catalogue, read, write"), "{error}");
    }

    #[test]
    fn profiles_of_one_name_get_folders_of_their_own() {
        let twice = suite(&["spike", "spike"], false, Overrides::default()).unwrap();
        assert_eq!(dirs(&twice), ["spike", "spike-2"]);
    }

    #[test]
    fn capacity_is_known_of_the_built_in_target_alone() {
        let own = suite(&["baseline"], false, Overrides::default()).unwrap();
        assert_eq!(own.runs[0].capacity_per_s(), Some(1600.0));
        let target = Some("http://127.0.0.1:1".to_owned());
        let other = suite(&["baseline"], false, Overrides { target, ..Overrides::default() });
        assert_eq!(other.unwrap().runs[0].capacity_per_s(), None);
    }
}
