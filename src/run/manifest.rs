//! Filling in the manifest of a run.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use openload_contract::{LANES, Manifest, RunStatus, SCHEMA_VERSION, ScenarioRecord, StreamRecord};

use super::RunSettings;
use crate::clock::nanos;
use crate::os;
use crate::plan::{Plan, TargetAddress};

/// Describes a run that is about to start.
pub(super) fn describe(plan: &Plan, settings: &RunSettings, start: SystemTime) -> Manifest {
    let start_unix_ns = start.duration_since(UNIX_EPOCH).map_or(0, nanos);
    Manifest {
        schema_version: SCHEMA_VERSION.to_owned(),
        gen_version: env!("CARGO_PKG_VERSION").to_owned(),
        run_id: run_id(start_unix_ns, plan.seed),
        name: plan.name.clone(),
        status: RunStatus::Running,
        stopped_because: None,
        is_aborted: false,
        seed: plan.seed,
        start_unix_ns,
        duration_ns: None,
        target: target_text(&plan.target),
        profile: plan.profile.clone(),
        profile_sha256: plan.profile_sha256.clone(),
        streams: streams(plan),
        scenarios: scenarios(plan),
        objectives: plan.objectives.clone(),
        analysis: plan.analysis.clone(),
        lanes: LANES,
        workers: settings.workers,
        shard: settings.shard,
        max_in_flight: plan.connection.max_in_flight.into(),
        pacing: settings.pacing.name().to_owned(),
        spin_ns: Some(settings.spin_ns()).filter(|&spin_ns| spin_ns != i64::MAX),
        cpus: settings.cpus.clone(),
        host: os::host(),
        timeline: None,
    }
}

fn run_id(start_unix_ns: i64, seed: u64) -> String {
    let start = Timestamp::from_nanosecond(start_unix_ns.into()).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{}-{seed}", start.strftime("%Y-%m-%dT%H-%M-%SZ"))
}

fn target_text(target: &TargetAddress) -> String {
    match target {
        TargetAddress::Embedded => "embedded".to_owned(),
        TargetAddress::Unix { path } => format!("unix:{}", path.display()),
        TargetAddress::Tcp { tls, host, port, base_path } => {
            let scheme = if *tls { "https" } else { "http" };
            let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
            format!("{scheme}://{host}:{port}{base_path}")
        }
    }
}

fn streams(plan: &Plan) -> Vec<StreamRecord> {
    let streams = plan.streams.iter();
    streams
        .map(|stream| StreamRecord { name: stream.name.clone(), phases: stream.phases.clone() })
        .collect()
}

fn scenarios(plan: &Plan) -> Vec<ScenarioRecord> {
    let scenarios = plan.scenarios.iter();
    scenarios
        .map(|scenario| ScenarioRecord {
            name: scenario.name.clone(),
            weight: scenario.weight,
            tags: scenario.tags.clone(),
            requests: vec![scenario.request.name.clone()],
        })
        .collect()
}
