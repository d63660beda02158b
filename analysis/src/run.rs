//! A run directory, read: manifest, vital signs and arrivals.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use openload_contract::monitor::{self, Vitals};
use openload_contract::{Manifest, PhaseRecord, RateLaw, RunStatus, is_readable_version, manifest};
use openload_samples::{Recovered, recover};

use crate::Error;
use crate::load::{COLUMNS, Kind, Samples};

/// A run directory, read.
#[derive(Debug, Clone)]
pub struct Run {
    /// The manifest; its status is corrected when the run was killed.
    pub manifest: Manifest,
    /// The generator's vital signs, in the order of time; empty when none were recorded.
    pub vitals: Vec<Vitals>,
    /// The arrivals.
    pub samples: Samples,
    /// What was found in journals.
    pub recovered: Recovered,
    /// Whether the run ended without a chance to say so.
    pub was_killed: bool,
    /// End of what can be judged, ns since the run's start: the end of the timeline, or the
    /// last recorded intended start of a run that did not get there.
    pub end_ns: i64,
}

impl Run {
    /// Reads a run directory; journals that a killed run left become parts first.
    ///
    /// # Errors
    /// When the directory is not one of a run, or a file cannot be read.
    pub fn open(run_dir: &Path) -> Result<Self, Error> {
        Self::open_columns(run_dir, &COLUMNS)
    }

    /// The same, with some columns of the samples: see [`Samples::load_columns`].
    ///
    /// # Errors
    /// As [`Run::open`].
    pub fn open_columns(run_dir: &Path, columns: &[&'static str]) -> Result<Self, Error> {
        let mut manifest = read_manifest(run_dir)?;
        let recovered = recover(run_dir)?;
        let was_killed = manifest.status == RunStatus::Running && recovered.still_written == 0;
        if was_killed {
            manifest.status = RunStatus::Interrupted;
        }
        let samples = Samples::load_columns(run_dir, &manifest, columns)?;
        let vitals = read_vitals(run_dir)?;
        let end_ns = judged_end(&manifest, &samples);
        Ok(Self { manifest, vitals, samples, recovered, was_killed, end_ns })
    }

    /// Every phase with the name of its stream.
    pub fn phases(&self) -> impl Iterator<Item = (&str, &PhaseRecord)> {
        self.manifest
            .streams
            .iter()
            .flat_map(|stream| stream.phases.iter().map(move |phase| (stream.name.as_str(), phase)))
    }

    /// Key of a phase in tables: `stream/phase` when there is more than one stream.
    pub fn phase_key(&self, stream: &str, phase: &str) -> String {
        if self.manifest.streams.len() > 1 { format!("{stream}/{phase}") } else { phase.to_owned() }
    }

    /// Position of a phase's stream in the timeline and of the phase in its stream: with the
    /// seed, where its random numbers came from.
    pub fn position(&self, stream: &str, phase: &str) -> Option<(usize, usize)> {
        let streams = &self.manifest.streams;
        let stream_index = streams.iter().position(|one| one.name == stream)?;
        let phases = &streams[stream_index].phases;
        Some((stream_index, phases.iter().position(|one| one.name == phase)?))
    }

    /// The stretch of a phase that was run; empty when the run ended before it.
    pub fn span(&self, phase: &PhaseRecord) -> (i64, i64) {
        let start_ns = phase.start_ns.min(self.end_ns);
        (start_ns, phase.end_ns.min(self.end_ns))
    }

    /// Instants at which a phase of any stream begins, ascending, but for the first ones.
    pub fn starts_ns(&self) -> Vec<i64> {
        let starts: BTreeSet<i64> = self.phases().map(|(_, phase)| phase.start_ns).collect();
        starts.into_iter().filter(|&start_ns| start_ns > 0).collect()
    }

    /// Share of the timeline's lanes that this run's rows come from.
    ///
    /// Shard i of n owns the lanes whose number is i modulo n.
    pub fn lane_share(&self) -> f64 {
        let shard = self.manifest.shard;
        let lanes = self.manifest.lanes.max(1);
        let owned = lanes.saturating_sub(shard.index).div_ceil(shard.count.max(1));
        f64::from(owned) / f64::from(lanes)
    }

    /// Seconds covered by the phases for which `is_in` holds, counted once where streams
    /// overlap.
    pub fn covered_s(&self, is_in: impl Fn(&str, &PhaseRecord) -> bool) -> f64 {
        self.covered_from(i64::MIN, is_in)
    }

    /// The same, of the time from `from_ns` on.
    pub fn covered_from(&self, from_ns: i64, is_in: impl Fn(&str, &PhaseRecord) -> bool) -> f64 {
        let mut spans: Vec<(i64, i64)> = self
            .phases()
            .filter(|(stream, phase)| is_in(stream, phase))
            .map(|(_, phase)| self.span(phase))
            .collect();
        spans.sort_unstable();
        let (mut covered_ns, mut reached_ns) = (0, from_ns);
        for (start_ns, end_ns) in spans {
            covered_ns += (end_ns - start_ns.max(reached_ns)).max(0);
            reached_ns = reached_ns.max(end_ns);
        }
        crate::numeric::ns_to_s(covered_ns)
    }
}

/// Tells whether the rate law asks for the same rate throughout.
pub fn is_flat(law: &RateLaw) -> bool {
    match law {
        RateLaw::Constant { .. } => true,
        RateLaw::Ramp { from, to } => from == to,
        RateLaw::Sine { amplitude, .. } => *amplitude == 0.0,
        RateLaw::Steps { steps } => steps.windows(2).all(|pair| pair[0].rate == pair[1].rate),
        RateLaw::Spike { base, peak, .. } => base == peak,
    }
}

/// Which arrivals a statistic is about. Absent names select everything measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scope<'a> {
    /// Only this stream.
    pub stream: Option<&'a str>,
    /// Only this phase; naming a warm-up selects it.
    pub phase: Option<&'a str>,
    /// Only this scenario.
    pub scenario: Option<&'a str>,
    /// Only this request.
    pub request: Option<&'a str>,
    /// Only scenarios with this tag.
    pub tag: Option<&'a str>,
}

impl Scope<'_> {
    /// Tells whether rows of a kind are in the scope.
    pub fn holds(&self, kind: &Kind) -> bool {
        fn fits(wanted: Option<&str>, found: &str) -> bool {
            wanted.is_none_or(|wanted| wanted == found)
        }
        (kind.is_measured || self.phase.is_some())
            && fits(self.stream, &kind.stream)
            && fits(self.phase, &kind.phase)
            && fits(self.scenario, &kind.scenario)
            && fits(self.request, &kind.request)
            && self.tag.is_none_or(|wanted| kind.tags.iter().any(|tag| tag == wanted))
    }

    /// Tells whether a phase is in the scope.
    pub fn covers(&self, stream: &str, phase: &PhaseRecord) -> bool {
        self.stream.is_none_or(|wanted| wanted == stream)
            && self.phase.map_or(phase.role.is_measured(), |wanted| wanted == phase.name)
    }
}

/// Reads the manifest of a run directory.
pub(crate) fn read_manifest(run_dir: &Path) -> Result<Manifest, Error> {
    #[derive(serde::Deserialize)]
    struct Versioned {
        schema_version: String,
    }
    let path = run_dir.join(manifest::FILE_NAME);
    let text = fs::read_to_string(&path)
        .map_err(|source| Error::NoManifest { path: path.clone(), source })?;
    let bad = |source| Error::BadManifest { path: path.clone(), source };
    // The version comes first: another major version need not have the other keys.
    let Versioned { schema_version: found } = serde_json::from_str(&text).map_err(bad)?;
    if !is_readable_version(&found) {
        return Err(Error::Version { path, found });
    }
    serde_json::from_str(&text).map_err(bad)
}

fn read_vitals(run_dir: &Path) -> Result<Vec<Vitals>, Error> {
    let path = run_dir.join(monitor::FILE_NAME);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(monitor::read(&text)),
        Err(source) if source.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(Error::Io { path, source }),
    }
}

fn judged_end(manifest: &Manifest, samples: &Samples) -> i64 {
    let planned_ns = manifest.planned_end_ns();
    if manifest.status == RunStatus::Complete {
        return planned_ns;
    }
    let last = samples.columns().last_ns();
    last.map_or(0, |last| last.saturating_add(1)).clamp(0, planned_ns.max(0))
}
