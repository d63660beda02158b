//! Simulated runs with known answers, for tests.

use std::path::Path;

use openload_contract::manifest::{HostRecord, TimelineRecord};
use openload_contract::monitor::{self, Vitals};
use openload_contract::seeding::{Purpose, generator_seed};
use openload_contract::{
    AnalysisSettings, ArrivalKind, Bound, Manifest, Metric, ModulatedCurve, Objective, Outcome,
    PhaseRecord, RateCurve, RateLaw, Role, RunStatus, SCHEMA_VERSION, ScenarioRecord, ShardId,
    StreamRecord, TimelineDigest,
};
use openload_samples::{Chunk, Names, PartWriter, Rotation, Sample, worker_dir};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::numeric::{resampler, s_to_ns};
use crate::run::Run;
use crate::store::{ArrivalColumns, Decoded, OptionalTimes, StoreBuilder};

/// Seed in the manifest of a simulated run.
const MANIFEST_SEED: u64 = 42;

/// Uniform shares in (0, 1].
pub fn uniform(seed: u64, count: usize) -> Vec<f64> {
    let mut random = resampler(seed, "uniform");
    (0..count).map(|_| 1.0 - random.random::<f64>()).collect()
}

/// Exponential variables of mean 1.
pub fn exponential(seed: u64, count: usize) -> Vec<f64> {
    uniform(seed, count).into_iter().map(|share| -share.ln()).collect()
}

/// Approximately normal variables: the sum of twelve uniform ones.
pub fn normal(seed: u64, count: usize) -> Vec<f64> {
    uniform(seed, 12 * count).chunks(12).map(|twelve| twelve.iter().sum::<f64>() - 6.0).collect()
}

/// AR(1) with coefficient `carry` and innovations of standard deviation 1.
pub fn autoregressive(seed: u64, count: usize, carry: f64) -> Vec<f64> {
    let burn_in = 100;
    let mut state = 0.0;
    let series = normal(seed, count + burn_in).into_iter().map(|innovation| {
        state = carry * state + innovation;
        state
    });
    series.skip(burn_in).collect()
}

/// Response times in ns of an M/M/1 queue with μ = 1/s at utilisation `load`.
pub fn lindley(seed: u64, count: usize, load: f64) -> Vec<i64> {
    queue(seed, seed ^ 0xabcd, count, load, 1.0)
}

/// The same with arrivals and services of their own seeds, the services `factor` times as long.
pub fn queue(arrivals: u64, services: u64, count: usize, load: f64, factor: f64) -> Vec<i64> {
    let gaps = exponential(arrivals, count);
    let services = exponential(services, count);
    // From the stationary law, which is empty with probability 1 − ρ.
    let start = uniform(arrivals ^ 0x77, 2);
    let mut wait = if start[0] < load { -start[1].ln() / (1.0 - load) } else { 0.0 };
    let rows = gaps.into_iter().zip(services).map(|(gap, service)| {
        let response = wait + factor * service;
        wait = (response - gap / load).max(0.0);
        s_to_ns(response)
    });
    rows.collect()
}

/// Poisson instants of a rate law over `length_s` seconds, in ns from its beginning.
pub fn poisson(seed: u64, law: &RateLaw, length_s: f64) -> Vec<i64> {
    let curve = RateCurve::new(law, length_s);
    let mut random = resampler(seed, "poisson");
    let mut area = 0.0;
    let mut instants = Vec::new();
    loop {
        area -= (1.0 - random.random::<f64>()).ln();
        match curve.instant(area) {
            Some(instant) => instants.push(s_to_ns(instant)),
            None => return instants,
        }
    }
}

/// Shape of one phase of a simulated run.
#[derive(Debug, Clone)]
pub struct PhasePlan {
    pub name: &'static str,
    pub role: Role,
    pub arrival: ArrivalKind,
    pub law: RateLaw,
    pub length_s: f64,
}

/// A Poisson phase of constant rate.
pub fn phase(name: &'static str, role: Role, rate: f64, length_s: f64) -> PhasePlan {
    let law = RateLaw::Constant { rate };
    PhasePlan { name, role, arrival: ArrivalKind::Poisson, law, length_s }
}

/// A run that never happened.
#[derive(Debug, Clone)]
pub struct Simulated {
    pub manifest: Manifest,
    pub rows: Vec<Sample>,
    pub vitals: Vec<Vitals>,
    pub workers: u32,
}

impl Simulated {
    /// Lays out the phases and fills them with arrivals that take `response_ns` each.
    pub fn new(phases: &[PhasePlan], response_ns: i64) -> Self {
        Self::seeded(phases, response_ns, 7)
    }

    /// The same with arrivals of another seed.
    pub fn seeded(phases: &[PhasePlan], response_ns: i64, seed: u64) -> Self {
        let mut run =
            Self { manifest: manifest(phases), rows: Vec::new(), vitals: Vec::new(), workers: 2 };
        for (code, plan) in phases.iter().enumerate() {
            let start_ns = run.manifest.streams[0].phases[code].start_ns;
            for instant in instants(plan, code, 1_000 * seed + code as u64) {
                let seq = run.rows.len() as u64;
                run.rows.push(sample(seq, start_ns + instant, code as u16, response_ns));
            }
        }
        run.seal();
        run
    }

    /// Serves the rows first come, first served, by one server with these service times.
    pub fn serve_fifo(&mut self, services_s: &[f64]) {
        let mut free_ns = 0;
        for (row, &service_s) in self.rows.iter_mut().zip(services_s) {
            let finish_ns = free_ns.max(row.intended_ns) + s_to_ns(service_s);
            free_ns = finish_ns;
            row.response_ns = finish_ns - row.intended_ns;
            row.ttfb_ns = Some(row.response_ns);
        }
    }

    /// Writes the timeline's count and digest into the manifest.
    pub fn seal(&mut self) {
        let mut digest = TimelineDigest::default();
        self.rows.iter().for_each(|row| digest.add(row.seq, row.intended_ns));
        let arrivals = self.rows.len() as u64;
        self.manifest.timeline = Some(TimelineRecord { arrivals, digest: digest.to_string() });
    }

    /// Stalls the generator: what is due in the stretch is dispatched at its end.
    pub fn stall_generator(&mut self, start_s: f64, length_s: f64) {
        let (start_ns, end_ns) = (s_to_ns(start_s), s_to_ns(start_s + length_s));
        for row in &mut self.rows {
            if (start_ns..end_ns).contains(&row.intended_ns) {
                delay(row, end_ns - row.intended_ns);
            }
        }
    }

    /// Adds an objective over all phases.
    pub fn objective(&mut self, metric: Metric, quantile: Option<f64>, bound: Bound) {
        self.manifest.objectives.push(objective(metric, quantile, bound));
    }

    /// Writes the run directory.
    pub fn write(&self, run_dir: &Path) {
        self.write_manifest(run_dir);
        for worker in 0..self.workers {
            let mut writer = self.writer(run_dir, worker);
            self.append(&mut writer, worker);
            writer.close().unwrap();
        }
        let lines: Vec<String> = self.vitals.iter().map(Vitals::to_line).collect();
        let text = format!("{}\n{}\n", monitor::header(), lines.join("\n"));
        std::fs::write(run_dir.join(monitor::FILE_NAME), text).unwrap();
    }

    /// Writes the run directory as a killed run leaves it: rows in journals only.
    pub fn write_killed(&self, run_dir: &Path) {
        self.write_manifest(run_dir);
        for worker in 0..self.workers {
            let mut writer = self.writer(run_dir, worker);
            self.append(&mut writer, worker);
            drop(writer);
        }
    }

    pub fn write_manifest(&self, run_dir: &Path) {
        let text = serde_json::to_string(&self.manifest).unwrap();
        std::fs::write(run_dir.join(openload_contract::manifest::FILE_NAME), text).unwrap();
    }

    fn writer(&self, run_dir: &Path, worker: u32) -> PartWriter {
        let dir = worker_dir(run_dir, ShardId::default(), worker);
        let phases = &self.manifest.streams[0].phases;
        let phases: Vec<&str> = phases.iter().map(|phase| phase.name.as_str()).collect();
        let names = Names::new(&["main"], &phases, &["browse", "buy"], &["get", "post"]);
        PartWriter::new(&dir, names, Rotation::default(), &[]).unwrap()
    }

    fn append(&self, writer: &mut PartWriter, worker: u32) {
        let rows =
            self.rows.iter().filter(|row| row.seq % u64::from(self.workers) == u64::from(worker));
        let rows: Vec<&Sample> = rows.collect();
        for chunk_rows in rows.chunks(8_192) {
            let mut chunk = Chunk::with_capacity(chunk_rows.len());
            chunk_rows.iter().for_each(|row| chunk.push(row));
            writer.append(&chunk, 0).unwrap();
        }
    }
}

/// Writes a run into a folder of its own and reads it back.
pub fn open(simulated: &Simulated) -> Run {
    let dir = tempfile::tempdir().unwrap();
    simulated.write(dir.path());
    Run::open(dir.path()).unwrap()
}

/// One arrival, as it is put into a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArrivalRow {
    pub intended_ns: i64,
    pub lag_ns: i64,
    pub response_ns: i64,
    pub connect_ns: Option<i64>,
    pub sent_ns: Option<i64>,
    pub ttfb_ns: Option<i64>,
    pub kind: u32,
}

/// Puts rows into a store.
pub fn append_rows(builder: &mut StoreBuilder, rows: &[ArrivalRow]) {
    let times = |time: fn(&ArrivalRow) -> i64| rows.iter().map(time).collect::<Vec<_>>();
    let optional = |time: fn(&ArrivalRow) -> Option<i64>| {
        let values: Vec<i64> = rows.iter().map(|row| time(row).unwrap_or(77)).collect();
        let known: Vec<bool> = rows.iter().map(|row| time(row).is_some()).collect();
        (values, known)
    };
    let intended_ns = times(|row| row.intended_ns);
    let lag_ns = times(|row| row.lag_ns);
    let response_ns = times(|row| row.response_ns);
    let connect_ns = optional(|row| row.connect_ns);
    let sent_ns = optional(|row| row.sent_ns);
    let ttfb_ns = optional(|row| row.ttfb_ns);
    let kind: Vec<u32> = rows.iter().map(|row| row.kind).collect();
    builder.append(&ArrivalColumns {
        intended_ns: &intended_ns,
        lag_ns: &lag_ns,
        response_ns: &response_ns,
        connect_ns: OptionalTimes { values: &connect_ns.0, known: &connect_ns.1 },
        sent_ns: OptionalTimes { values: &sent_ns.0, known: &sent_ns.1 },
        ttfb_ns: OptionalTimes { values: &ttfb_ns.0, known: &ttfb_ns.1 },
        kind: &kind,
    });
}

/// The row at a place of an unpacked block.
pub fn arrival(rows: &Decoded, place: usize) -> ArrivalRow {
    ArrivalRow {
        intended_ns: rows.intended_ns[place],
        lag_ns: rows.lag_ns[place],
        response_ns: rows.response_ns[place],
        connect_ns: rows.connect_ns(place),
        sent_ns: rows.sent_ns(place),
        ttfb_ns: rows.ttfb_ns(place),
        kind: rows.code(place) as u32,
    }
}

/// An objective over everything measured.
pub fn objective(metric: Metric, quantile: Option<f64>, bound: Bound) -> Objective {
    Objective {
        metric,
        quantile,
        bound,
        stream: None,
        phase: None,
        scenario: None,
        request: None,
        tag: None,
        window_s: None,
        strict: false,
        abort: None,
    }
}

/// Ends a row as a failure that was noticed when its response would have come.
pub fn fail(row: &mut Sample, outcome: Outcome) {
    row.outcome = outcome;
    row.status = (outcome == Outcome::HttpError).then_some(500);
    if outcome == Outcome::Dropped {
        (row.connect_ns, row.pool_wait_ns) = (None, None);
        (row.sent_ns, row.ttfb_ns) = (None, None);
        row.response_ns = row.lag_ns;
    }
}

/// Moves everything that happened to a row by `delay_ns`.
fn delay(row: &mut Sample, delay_ns: i64) {
    row.lag_ns += delay_ns;
    row.sent_ns = row.sent_ns.map(|sent_ns| sent_ns + delay_ns);
    row.ttfb_ns = row.ttfb_ns.map(|ttfb_ns| ttfb_ns + delay_ns);
    row.response_ns += delay_ns;
}

/// Instants of a phase; those of an MMPP lie along the path that the manifest's seed gives.
fn instants(plan: &PhasePlan, phase: usize, seed: u64) -> Vec<i64> {
    match &plan.arrival {
        ArrivalKind::Mmpp(mmpp) => {
            let path = generator_seed(MANIFEST_SEED, 0, phase, Purpose::Common);
            let words = Xoshiro256PlusPlus::seed_from_u64(path).random_iter();
            let curve = RateCurve::new(&plan.law, plan.length_s);
            let mut curve = ModulatedCurve::new(curve, mmpp, words);
            let mut random = resampler(seed, "poisson");
            let mut area = 0.0;
            std::iter::from_fn(move || {
                area -= (1.0 - random.random::<f64>()).ln();
                curve.instant(area).map(s_to_ns)
            })
            .collect()
        }
        ArrivalKind::Constant => {
            let curve = RateCurve::new(&plan.law, plan.length_s);
            (0..).map_while(|k| curve.instant(f64::from(k))).map(s_to_ns).collect()
        }
        _ => poisson(seed, &plan.law, plan.length_s),
    }
}

/// A good row: 20 µs of lag, an idle connection, sent 30 µs later.
pub fn sample(seq: u64, intended_ns: i64, phase: u16, response_ns: i64) -> Sample {
    Sample {
        seq,
        intended_ns,
        lag_ns: 20_000,
        connect_ns: Some(0),
        pool_wait_ns: Some(0),
        sent_ns: Some(50_000),
        ttfb_ns: Some(response_ns),
        response_ns,
        status: Some(200),
        outcome: Outcome::Ok,
        stream: 0,
        phase,
        scenario: u16::from(seq.is_multiple_of(10)),
        request: u16::from(seq.is_multiple_of(10)),
        step: 0,
        bytes_in: 100,
        bytes_out: 0,
    }
}

fn manifest(phases: &[PhasePlan]) -> Manifest {
    let mut start_ns = 0;
    let phases = phases.iter().map(|plan| {
        let end_ns = start_ns + s_to_ns(plan.length_s);
        let record = PhaseRecord {
            name: plan.name.to_owned(),
            role: plan.role,
            arrival: plan.arrival.clone(),
            rate: plan.law.clone(),
            start_ns,
            end_ns,
        };
        start_ns = end_ns;
        record
    });
    let phases = phases.collect();
    Manifest {
        schema_version: SCHEMA_VERSION.to_owned(),
        gen_version: "0.1.0".to_owned(),
        run_id: "2026-01-01T00-00-00Z-42".to_owned(),
        name: "simulated".to_owned(),
        status: RunStatus::Complete,
        stopped_because: None,
        is_aborted: false,
        seed: MANIFEST_SEED,
        start_unix_ns: 1_767_225_600_000_000_000,
        duration_ns: None,
        target: "http://127.0.0.1:8080".to_owned(),
        profile: serde_json::Value::Null,
        profile_sha256: String::new(),
        streams: vec![StreamRecord { name: "main".to_owned(), phases }],
        scenarios: vec![scenario("browse", 9.0, "get"), scenario("buy", 1.0, "post")],
        objectives: Vec::new(),
        analysis: AnalysisSettings::default(),
        lanes: openload_contract::LANES,
        workers: 2,
        shard: ShardId::default(),
        max_in_flight: 10_000,
        pacing: "precise".to_owned(),
        spin_ns: Some(50_000),
        cpus: Vec::new(),
        host: HostRecord { cores: 2, ..HostRecord::default() },
        timeline: None,
    }
}

fn scenario(name: &str, weight: f64, request: &str) -> ScenarioRecord {
    ScenarioRecord {
        name: name.to_owned(),
        weight,
        tags: Vec::new(),
        requests: vec![request.to_owned()],
    }
}
