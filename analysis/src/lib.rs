//! What the samples of a run mean.
//!
//! The analysis reads a run directory and nothing else: the manifest, the sample files, the
//! generator's vital signs. [`analyze`] turns them into an [`Analysis`]: the summary with its
//! verdict, and the run second by second. It is a pure function of the directory: the same
//! files give the same answer each time and whatever the order of parts and rows in them;
//! resampling is seeded from the manifest.
//!
//! ```text
//! run.json ─┐                    ┌─ quantile, groups, seconds, decompose ─┐
//! samples/ ─┼─ run, load (store) ┼─ validity (fit, law, causes), warmup   ┼─ objectives ─ verdict
//! monitor ──┘                    └─ soak (drift, trend), recovery         ┘   warnings
//! ```
//!
//! [`compare`] holds runs against other runs; [`query`] answers SQL over them.
//!
//! Rows are read into packed blocks in the order of the timeline ([`load`], [`store`]), about ten
//! bytes each; statistics are functions from sets of them ([`rows`]) to values, one module each, with
//! the formula and its source at the top. No statistic holds memory for each row: what needs
//! quantiles of many goes through them a few times ([`survey`]). A value that the samples do not
//! support is absent, never a guess.
//!
//! The crate must not know the generator (clocks, HTTP, schedules) or terminals.

pub mod capacity;
pub mod causes;
pub mod change_point;
pub mod closed_loop;
pub mod compare;
pub mod decompose;
pub mod distance;
pub mod drift;
mod error;
pub mod fit;
#[cfg(test)]
mod golden;
pub mod groups;
pub mod heat;
pub mod instants;
pub mod law;
pub mod load;
pub mod numeric;
pub mod objectives;
pub mod output;
mod parallel;
pub mod precision;
pub mod quantile;
pub mod query;
pub mod recovery;
pub mod rows;
pub mod run;
pub mod seconds;
pub mod share;
pub mod soak;
pub mod store;
pub mod suite;
pub mod survey;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
pub mod trend;
pub mod validity;
pub mod verdict;
pub mod vitals;
pub mod warmup;
pub mod warnings;

use std::path::Path;

use openload_contract::summary::{RunFacts, SecondRow};
use openload_contract::{Manifest, SCHEMA_VERSION, Summary};
use openload_samples::Recovered;

pub use error::Error;
pub use run::Run;

use crate::numeric::{SECOND_NS, ns_to_s};

/// What a run comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Analysis {
    /// Everything that `summary.json` holds.
    pub summary: Summary,
    /// The run second by second: `timeseries.csv`.
    pub seconds: Vec<SecondRow>,
    /// How response times are spread over the run: the report's heat map.
    pub heat: heat::HeatMap,
    /// The manifest; its status is `interrupted` when the run was killed.
    pub manifest: Manifest,
    /// What was found in journals.
    pub recovered: Recovered,
}

impl Analysis {
    /// All of it, as the files of the run show it; compared with nothing.
    pub fn results(&self) -> output::Results<'_> {
        let Self { summary, seconds, heat, manifest, .. } = self;
        output::Results { summary, seconds, heat, manifest, comparison: None }
    }
}

/// Analyses a run directory; journals that a killed run left become parts first.
///
/// # Errors
/// When the directory is not one of a run, or a file cannot be read.
pub fn analyze(run_dir: &Path) -> Result<Analysis, Error> {
    let run = Run::open(run_dir)?;
    let seconds = seconds::seconds(&run);
    let summary = summary(&run, &seconds);
    let heat = heat::heat_map(run.samples.columns());
    Ok(Analysis { summary, seconds, heat, manifest: run.manifest, recovered: run.recovered })
}

fn summary(run: &Run, seconds: &[SecondRow]) -> Summary {
    let columns = run.samples.columns();
    let limits = groups::good_limits(&run.manifest.objectives, columns);
    let groups = groups::groups(run);
    let validity = validity::validity(run);
    let recovery = recovery::recoveries(run, &limits);
    let capacity = capacity::capacity(run, &limits);
    let counted_from = warmup::counted_from(run, seconds);
    let objectives = objectives::judge(run, &recovery, capacity.as_ref(), counted_from);
    let aborted_because =
        run.manifest.stopped_because.as_deref().filter(|_| run.manifest.is_aborted);
    let measured = groups.all.requests.intended;
    let (verdict, reasons) = verdict::verdict(&validity, measured, &objectives, aborted_because);
    Summary {
        schema_version: SCHEMA_VERSION.to_owned(),
        run: run_facts(run),
        verdict,
        reasons,
        warnings: warnings::warnings(run, &validity, &objectives, seconds),
        all: groups.all,
        by_phase: groups.by_phase,
        by_scenario: groups.by_scenario,
        by_request: groups.by_request,
        recovery,
        drift: soak::drifts(run, &limits),
        capacity,
        validity,
        tail: decompose::tail_blame(columns),
        closed_loop: closed_loop::closed_loop(run, columns),
        objectives,
        settings: run.manifest.analysis.clone(),
    }
}

fn run_facts(run: &Run) -> RunFacts {
    let manifest = &run.manifest;
    let last_ns = run.samples.columns().last_finish_ns();
    let mut arrival: Vec<String> =
        run.phases().map(|(_, phase)| phase.arrival.name().to_owned()).collect();
    arrival.sort();
    arrival.dedup();
    let host = &manifest.host;
    RunFacts {
        id: manifest.run_id.clone(),
        name: manifest.name.clone(),
        target: manifest.target.clone(),
        seed: manifest.seed,
        start_unix_ns: manifest.start_unix_ns,
        planned_s: manifest.planned_end_ns() as f64 / SECOND_NS as f64,
        duration_s: last_ns.map_or(0.0, ns_to_s),
        status: manifest.status,
        gen_version: manifest.gen_version.clone(),
        profile_sha256: manifest.profile_sha256.clone(),
        arrival,
        host: format!("{} {} ({} cores)", host.os, host.arch, host.cores),
    }
}
