//! Made-up runs for the tests of the outputs: a spike that passes, one that fails, and the
//! awkward ones. The numbers are illustrative, but they add up.

use std::collections::BTreeMap;

use openload_contract::manifest::{HostRecord, TimelineRecord};
use openload_contract::objective::Unit;
use openload_contract::suite::{Ending, LeftOut, SuiteRun};
use openload_contract::summary::{
    BlamePart, Check, CheckLevel, ClosedLoop, Confidence, Drift, DriftShape, Errors, Fit,
    GroupSummary, Interval, LagQuantiles, ObjectiveResult, QuantileNote, Quantiles, Rates,
    Recovery, RequestCounts, RunFacts, SecondRow, TailBlame, Validity,
};
use openload_contract::{
    AnalysisSettings, ArrivalKind, Bound, Comparison, Manifest, Metric, Objective, PhaseRecord,
    RateLaw, Role, RunStatus, SCHEMA_VERSION, ScenarioRecord, ShardId, StreamRecord, Suite,
    Summary, Verdict,
};

use super::Results;
use crate::heat::{HeatColumn, HeatMap};
use crate::suite::SuiteFolder;

/// A name that tries to leave every format it is put in.
pub const HOSTILE_NAME: &str = "</script><img src=x onerror=alert(1)>,\"'\u{1b}[31m";

/// Rate of a second of the made-up spike: 20 s of baseline, 5 s of surge, 40 s after it.
const BASE_RATE: u64 = 200;
const SPIKE_RATE: u64 = 1000;
const SPIKE: std::ops::Range<u64> = 20..25;
const END_S: u64 = 65;

/// One made-up run.
pub struct Fixture {
    /// Short name.
    pub label: &'static str,
    /// Result of the analysis.
    pub summary: Summary,
    /// The run second by second.
    pub seconds: Vec<SecondRow>,
    /// Its heat map.
    pub heat: HeatMap,
    /// What was run.
    pub manifest: Manifest,
    /// How it differs from its base.
    pub comparison: Option<Comparison>,
}

impl Fixture {
    /// What the files of the run are made from.
    pub fn results(&self) -> Results<'_> {
        let Self { summary, seconds, heat, manifest, comparison, .. } = self;
        Results { summary, seconds, heat, manifest, comparison: comparison.as_ref() }
    }
}

/// Returns every fixture.
pub fn all() -> Vec<Fixture> {
    vec![pass(), fail(), invalid(), censored(), all_failed(), empty(), hostile(), hour(), soak()]
}

/// Successes of each second around its median and its p99.
fn heat(seconds: &[SecondRow]) -> HeatMap {
    let factor = 10_f64.powf(0.125);
    let cell = |ms: Option<f64>| ms.map(|ms| (ms.max(0.1) / 0.1).log(factor) as u32);
    let column = |row: &SecondRow| {
        let most = cell(row.response_p50_ms).map(|cell| (cell, row.ok));
        let slow = cell(row.response_p99_ms).map(|cell| (cell, row.ok / 50));
        let mut cells: Vec<(u32, u64)> = [most, slow].into_iter().flatten().collect();
        cells.retain(|cell| cell.1 > 0);
        cells.dedup_by_key(|cell| cell.0);
        HeatColumn { cells, failed: row.failed }
    };
    HeatMap { step_s: 1, lowest_ms: 0.1, factor, columns: seconds.iter().map(column).collect() }
}

/// A suite with a run of every ending, and the folder it stands in.
pub fn suite() -> (tempfile::TempDir, SuiteFolder) {
    let names = ["spike", "surge", "late", "refused", "never"];
    let host = HostRecord {
        name: "bench".to_owned(),
        os: "Linux 6.12".to_owned(),
        arch: "x86_64".to_owned(),
        cores: 2,
    };
    let run = |name: &&str| SuiteRun {
        name: (*name).to_owned(),
        dir: (*name).to_owned(),
        time_scale: 1.0,
        capacity_per_s: Some(1_176.0),
        notes: vec![],
        ending: Ending::Waiting,
        result: None,
    };
    let mut suite = Suite {
        time_scale: 0.03,
        cool_down_s: 5.0,
        runs: names.iter().map(run).collect(),
        ..Suite::new("0.1.0", 1_795_395_848_000_000_000, host)
    };
    suite.runs[0].notes = vec!["shortened to 0.875 of its length, not to 0.03".to_owned()];
    suite.left_out.push(LeftOut { name: "soak".to_owned(), why: "lasts for hours".to_owned() });
    let dir = tempfile::tempdir().unwrap();
    let mut folder = SuiteFolder::create(dir.path(), suite).unwrap();
    folder.judged(0, pass().summary);
    folder.judged(1, fail().summary);
    folder.judged(2, invalid().summary);
    folder.failed(3, "the target does not answer: connection refused".to_owned());
    (dir, folder)
}

/// A spike that the target takes well.
pub fn pass() -> Fixture {
    let summary = Summary {
        schema_version: SCHEMA_VERSION.to_owned(),
        run: run_facts(),
        verdict: Verdict::Pass,
        reasons: vec![],
        warnings: vec![],
        all: group(18_000, &[], 1.0),
        by_phase: [
            ("before".to_owned(), group(4_000, &[], 0.5)),
            ("surge".to_owned(), group(5_000, &[], 2.0)),
            ("after".to_owned(), group(9_000, &[], 0.6)),
        ]
        .into(),
        by_scenario: [
            ("browse".to_owned(), group(12_600, &[], 0.9)),
            ("buy".to_owned(), group(5_400, &[], 1.3)),
        ]
        .into(),
        by_request: [
            ("browse".to_owned(), group(12_600, &[], 0.9)),
            ("cart".to_owned(), group(3_400, &[], 1.2)),
            ("checkout".to_owned(), group(2_000, &[], 1.4)),
        ]
        .into(),
        recovery: vec![recovery()],
        drift: [("response_p50".to_owned(), no_drift())].into(),
        capacity: None,
        validity: validity(18_000),
        tail: tail(),
        closed_loop: ClosedLoop {
            users: 10,
            sent: 17_890,
            omitted: 110,
            response_time: quantiles(17_890, 0, 0.9),
        },
        objectives: vec![
            objective(Metric::ResponseTime, Some(0.95), 500.0, 96.0, Some("before")),
            objective(Metric::ErrorRate, None, 0.01, 0.0, None),
            objective(Metric::RecoveryTime, None, 30_000.0, 6_500.0, None),
        ],
        settings: AnalysisSettings::default(),
    };
    let heat = heat(&seconds());
    let manifest = manifest(&summary);
    Fixture { label: "pass", seconds: seconds(), heat, manifest, summary, comparison: None }
}

/// The same spike with errors and a missed objective.
pub fn fail() -> Fixture {
    let mut fixture = pass();
    let failures = [("http_error", 98), ("timeout", 31), ("connect_error", 12)];
    let summary = &mut fixture.summary;
    summary.verdict = Verdict::Fail;
    summary.reasons = vec![
        "p95 response time ≤ 250 ms in surge: measured 310 ms [298, 327]; 94 % of the responses \
         over the limit lie between 21 s and 27 s"
            .to_owned(),
    ];
    summary.warnings = vec!["generator CPU above 80 % of its cores in 2 of 65 seconds".to_owned()];
    summary.all = group(18_000, &failures, 1.0);
    summary.by_phase.insert("surge".to_owned(), group(5_000, &failures, 2.0));
    summary.by_scenario.insert("buy".to_owned(), group(5_400, &failures, 1.3));
    summary.by_request.insert("checkout".to_owned(), group(2_000, &failures, 1.4));
    summary.objectives[0] =
        objective(Metric::ResponseTime, Some(0.95), 250.0, 310.0, Some("surge"));
    summary.objectives[1] = objective(Metric::ErrorRate, None, 0.01, 0.007_83, None);
    summary.validity.checks.push(check("cpu", CheckLevel::Warn, "83 % of 2 cores in 2 s"));
    for row in &mut fixture.seconds[20..27] {
        (row.ok, row.failed) = (row.offered - 20, 20);
        (row.http_error, row.timeout) = (14, 6);
    }
    fixture.seconds[22].dropped = 3;
    fixture.seconds[22].failed += 1;
    fixture.seconds[22].ok -= 1;
    fixture.manifest = manifest(&fixture.summary);
    let comparison = Some(super::compare::tests::example());
    Fixture { label: "fail", comparison, ..fixture }
}

/// A run in which the generator was late.
pub fn invalid() -> Fixture {
    let mut fixture = pass();
    let summary = &mut fixture.summary;
    summary.verdict = Verdict::Invalid;
    summary.reasons = vec!["schedule lag p99 48 ms in surge, limit 10 ms".to_owned()];
    summary.validity.valid = false;
    summary.validity.late_seconds = vec![21, 22, 23];
    summary.validity.checks[0] =
        check("schedule_lag", CheckLevel::Invalid, "p99 48 ms in surge, limit 10 ms");
    summary.all.schedule_lag_us.p99 = Some(48_000.0);
    summary.all.schedule_lag_us.p999 = Some(180_000.0);
    summary.all.schedule_lag_us.max = Some(210_000.0);
    Fixture { label: "invalid", ..fixture }
}

/// A short run whose high quantiles fall among failures or have too few samples.
pub fn censored() -> Fixture {
    let mut fixture = pass();
    let failures = [("dropped", 40), ("timeout", 20)];
    let summary = &mut fixture.summary;
    summary.verdict = Verdict::Fail;
    summary.reasons = vec!["p99 response time ≤ 500 ms: measured >= 812 ms (censored)".to_owned()];
    summary.all = group(1_200, &failures, 1.0);
    let response = &mut summary.all.response_time;
    (response.p99, response.p999) = (None, None);
    response.ci95.insert("p99".to_owned(), Interval { low: Some(612.0), high: None });
    response.ci95.remove("p999");
    response.notes = [
        ("p95".to_owned(), QuantileNote::LowConfidence),
        ("p99".to_owned(), QuantileNote::Censored { at_least: Some(812.0) }),
        ("p999".to_owned(), QuantileNote::NeedsSamples { about: 120_000 }),
    ]
    .into();
    summary.by_phase = [("before".to_owned(), summary.all.clone())].into();
    summary.by_scenario = [("browse".to_owned(), summary.all.clone())].into();
    summary.by_request = summary.by_scenario.clone();
    let censored = ObjectiveResult {
        measured: None,
        measured_text: ">= 812 ms (censored)".to_owned(),
        ci95: Interval { low: Some(612.0), high: None },
        ..objective(Metric::ResponseTime, Some(0.99), 500.0, 812.0, None)
    };
    let insufficient = ObjectiveResult {
        measured: None,
        measured_text: "needs about 120,000 samples".to_owned(),
        ci95: Interval::default(),
        confidence: Confidence::Insufficient,
        met: false,
        ..objective(Metric::ResponseTime, Some(0.999), 900.0, 900.0, None)
    };
    summary.objectives = vec![censored, insufficient];
    summary.recovery[0] = Recovery {
        recovered: false,
        recovery_s: None,
        at_least_s: Some(34.5),
        peak_ms: None,
        drain_s: None,
        note: Some("the run ended before the target was back in band".to_owned()),
        ..recovery()
    };
    summary.validity = validity(1_200);
    fixture.manifest = manifest(&fixture.summary);
    Fixture { label: "censored", ..fixture }
}

/// A target that refused every connection.
pub fn all_failed() -> Fixture {
    let mut fixture = pass();
    let summary = &mut fixture.summary;
    summary.verdict = Verdict::Fail;
    summary.reasons = vec!["error rate ≤ 1 %: measured 100 %".to_owned()];
    let refused = |intended| failed_group(intended);
    summary.all = refused(18_000);
    for group in summary.by_phase.values_mut().chain(summary.by_scenario.values_mut()) {
        *group = refused(group.requests.intended);
    }
    summary.by_request.values_mut().for_each(|group| *group = refused(group.requests.intended));
    summary.objectives = vec![objective(Metric::ErrorRate, None, 0.01, 1.0, None)];
    summary.recovery.clear();
    summary.tail = TailBlame::default();
    summary.closed_loop = ClosedLoop::default();
    for row in &mut fixture.seconds {
        *row = SecondRow {
            t_s: row.t_s,
            phase: row.phase.clone(),
            offered: row.offered,
            failed: row.offered,
            ..SecondRow::default()
        };
    }
    Fixture { label: "all_failed", ..fixture }
}

/// A run that was stopped before its first arrival.
pub fn empty() -> Fixture {
    let mut fixture = pass();
    let summary = &mut fixture.summary;
    summary.run.status = RunStatus::Interrupted;
    summary.run.duration_s = 0.0;
    summary.verdict = Verdict::Invalid;
    summary.reasons = vec!["there is nothing to judge: no arrival was recorded".to_owned()];
    summary.all = empty_group();
    summary.by_phase.clear();
    summary.by_scenario.clear();
    summary.by_request.clear();
    summary.recovery.clear();
    summary.drift.clear();
    summary.tail = TailBlame::default();
    summary.closed_loop = ClosedLoop::default();
    summary.objectives.clear();
    summary.validity = Validity::default();
    fixture.seconds.clear();
    fixture.heat = HeatMap::default();
    Fixture { label: "empty", ..fixture }
}

/// A run whose every name is hostile.
pub fn hostile() -> Fixture {
    let mut fixture = fail();
    let name = HOSTILE_NAME.to_owned();
    let summary = &mut fixture.summary;
    summary.run.name = name.clone();
    summary.run.target = name.clone();
    if let Some(comparison) = &mut fixture.comparison {
        comparison.base[0].target = name.clone();
        comparison.warnings = vec![name.clone()];
        comparison.metrics[0].phase = Some(name.clone());
    }
    summary.by_scenario = [(name.clone(), summary.all.clone())].into();
    summary.by_request = summary.by_scenario.clone();
    summary.by_phase = summary.by_scenario.clone();
    summary.reasons.push(name.clone());
    summary.warnings.push(name.clone());
    summary.objectives[0].text = name.clone();
    summary.objectives[0].note = Some(name.clone());
    summary.recovery[0].phase = name.clone();
    summary.all.errors.by_status = [(name.clone(), 98)].into();
    fixture.manifest = manifest(&fixture.summary);
    fixture.manifest.profile = serde_json::json!({ "name": name });
    fixture.manifest.streams[0].phases[1].name = name.clone();
    fixture.seconds.iter_mut().for_each(|row| row.phase = name.clone());
    Fixture { label: "hostile", ..fixture }
}

/// An hour of seconds.
pub fn hour() -> Fixture {
    lengthened("hour", 3_600)
}

/// Four hours of seconds.
pub fn soak() -> Fixture {
    lengthened("soak", 14_400)
}

fn lengthened(label: &'static str, length_s: u64) -> Fixture {
    let mut fixture = pass();
    fixture.seconds = (0..length_s)
        .map(|t_s| SecondRow { phase: "soak".to_owned(), ..second(t_s, BASE_RATE, t_s) })
        .collect();
    // As many columns as the analysis makes of so long a run.
    let step_s = length_s.div_ceil(300);
    fixture.heat = heat(&fixture.seconds);
    fixture.heat.step_s = step_s as i64;
    fixture.heat.columns.truncate(length_s.div_ceil(step_s) as usize);
    fixture.summary.run.planned_s = length_s as f64;
    fixture.summary.run.duration_s = length_s as f64 + 0.2;
    fixture.summary.recovery.clear();
    fixture.summary.by_phase = [("soak".to_owned(), fixture.summary.all.clone())].into();
    fixture.summary.objectives[0] =
        objective(Metric::ResponseTime, Some(0.95), 500.0, 96.0, Some("soak"));
    fixture.manifest = manifest(&fixture.summary);
    fixture.manifest.streams[0].phases = vec![phase("soak", Role::Soak, 0, length_s, BASE_RATE)];
    Fixture { label, ..fixture }
}

fn group(intended: u64, failures: &[(&str, u64)], slowness: f64) -> GroupSummary {
    let by_outcome: BTreeMap<String, u64> =
        failures.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
    let of = |name: &str| by_outcome.get(name).copied().unwrap_or(0);
    let failed: u64 = by_outcome.values().sum();
    let ok = intended - failed;
    let errors = of("http_error");
    let by_status = match errors {
        0 => BTreeMap::new(),
        _ => [("500".to_owned(), errors - errors / 2), ("503".to_owned(), errors / 2)].into(),
    };
    let requests = RequestCounts {
        intended,
        sent: intended - of("dropped") - of("connect_error"),
        completed: ok + errors,
        ok,
        failed,
        dropped: of("dropped"),
    };
    let response = quantiles(intended, failed, slowness);
    GroupSummary {
        requests,
        rate: Rates {
            offered: per_second(intended),
            achieved: per_second(requests.sent),
            goodput: per_second(ok),
            peak_1s: 1_043,
        },
        response_time_ok: quantiles(ok, 0, slowness),
        service_time: quantiles(ok, 0, slowness * 0.95),
        response_time: response,
        schedule_lag_us: LagQuantiles {
            p50: Some(21.0),
            p99: Some(410.0),
            p999: Some(1_210.0),
            max: Some(3_100.0),
        },
        errors: Errors { by_outcome, by_status },
    }
}

/// Cuts a number so short that it survives any JSON reader.
fn rounded(value: f64) -> f64 {
    (value * 1e5).round() / 1e5
}

fn per_second(count: u64) -> f64 {
    rounded(count as f64 / END_S as f64)
}

fn quantiles(count: u64, censored_count: u64, slowness: f64) -> Quantiles {
    let at = |value: f64| Some((value * slowness * 1e3).round() / 1e3);
    let values = [
        ("p50", 12.1),
        ("p75", 24.0),
        ("p90", 48.3),
        ("p95", 96.0),
        ("p99", 188.0),
        ("p999", 640.0),
    ];
    let interval = |value: f64| Interval { low: at(value * 0.96), high: at(value * 1.05) };
    Quantiles {
        count,
        censored_count,
        mean: at(21.4),
        p50: at(12.1),
        p75: at(24.0),
        p90: at(48.3),
        p95: at(96.0),
        p99: at(188.0),
        p999: at(640.0),
        max: at(902.0),
        ci95: values.map(|(name, value)| (name.to_owned(), interval(value))).into(),
        notes: BTreeMap::new(),
    }
}

fn failed_group(intended: u64) -> GroupSummary {
    let hopeless = QuantileNote::Censored { at_least: None };
    let notes = Quantiles::LEVELS.map(|(name, _)| (name.to_owned(), hopeless)).into();
    let response_time =
        Quantiles { count: intended, censored_count: intended, notes, ..Quantiles::default() };
    GroupSummary {
        requests: RequestCounts { intended, failed: intended, ..RequestCounts::default() },
        rate: Rates { offered: per_second(intended), peak_1s: 1_043, ..Rates::default() },
        response_time,
        response_time_ok: Quantiles::default(),
        service_time: Quantiles::default(),
        errors: Errors {
            by_outcome: [("connect_error".to_owned(), intended)].into(),
            by_status: BTreeMap::new(),
        },
        ..group(intended, &[], 1.0)
    }
}

fn empty_group() -> GroupSummary {
    GroupSummary {
        requests: RequestCounts::default(),
        rate: Rates::default(),
        response_time: Quantiles::default(),
        response_time_ok: Quantiles::default(),
        service_time: Quantiles::default(),
        schedule_lag_us: LagQuantiles::default(),
        errors: Errors::default(),
    }
}

fn objective(
    metric: Metric,
    quantile: Option<f64>,
    limit: f64,
    measured: f64,
    phase: Option<&str>,
) -> ObjectiveResult {
    let words = |value: f64| match metric.unit() {
        Unit::Ms => format!("{value} ms"),
        Unit::PerSecond => format!("{value}/s"),
        Unit::Ratio => format!("{:.2} %", value * 100.0),
    };
    let level = quantile.map(|level| format!("p{} ", level * 100.0)).unwrap_or_default();
    let place = phase.map(|phase| format!(" in {phase}")).unwrap_or_default();
    ObjectiveResult {
        objective: Objective {
            metric,
            quantile,
            bound: Bound::Max(limit),
            stream: None,
            phase: phase.map(str::to_owned),
            scenario: None,
            request: None,
            tag: None,
            window_s: None,
            strict: false,
            abort: None,
        },
        text: format!("{level}{} ≤ {}{place}", metric.name().replace('_', " "), words(limit)),
        unit: metric.unit(),
        measured: Some(measured),
        measured_text: words(measured),
        ci95: Interval {
            low: Some(rounded(measured * 0.96)),
            high: Some(rounded(measured * 1.05)),
        },
        met: measured <= limit,
        confidence: Confidence::Clear,
        note: None,
    }
}

fn recovery() -> Recovery {
    Recovery {
        stream: "main".to_owned(),
        phase: "surge".to_owned(),
        start_s: SPIKE.start as f64,
        end_s: SPIKE.end as f64,
        recovered: true,
        recovery_s: Some(6.5),
        at_least_s: None,
        by_signal: [
            ("response_time".to_owned(), Some(6.5)),
            ("error_rate".to_owned(), Some(2.0)),
            ("goodput".to_owned(), None),
        ]
        .into(),
        baseline_ms: Some(21.0),
        band_ms: Some(26.2),
        degrade_s: Some(0.5),
        peak_ms: Some(842.0),
        area_s2: Some(3.2),
        arrivals_out_of_band: 6_150,
        backlog_peak: 214,
        drain_s: Some(5.5),
        window_s: 0.5,
        note: None,
    }
}

fn no_drift() -> Drift {
    Drift {
        shape: DriftShape::Insufficient,
        text: "insufficient: 6 windows of 10 s, 30 needed".to_owned(),
        windows: 6,
        window_s: 10.0,
        from_s: 0.0,
        slope: None,
        start: None,
        change_24h: None,
        change_24h_ci95: Interval::default(),
        change_run: None,
        p_value: None,
    }
}

fn check(name: &str, level: CheckLevel, detail: &str) -> Check {
    Check { name: name.to_owned(), level, detail: detail.to_owned() }
}

fn validity(rows: u64) -> Validity {
    Validity {
        valid: true,
        checks: vec![
            check("schedule_lag", CheckLevel::Ok, "p99 0.41 ms, limit 10 ms"),
            check("rows", CheckLevel::Ok, "one row for each of the arrivals"),
            check("timeline_fit", CheckLevel::Ok, "p = 0.41, limit 0.0001"),
            check("clock", CheckLevel::Skipped, "one shard"),
        ],
        rows,
        arrivals: Some(rows),
        late_seconds: vec![],
        causes: vec![],
        fit: Fit {
            intended_p_value: Some(0.41),
            sent_ks_distance: Some(0.0021),
            dispersion_ratio: [("10ms".to_owned(), 1.01), ("1s".to_owned(), 1.0)].into(),
        },
    }
}

fn tail() -> TailBlame {
    let part = |mean, p99, mean_in_tail| BlamePart { mean, p99, mean_in_tail };
    let parts = [
        ("lag", part(0.02, 0.41, 0.4)),
        ("queue", part(0.01, 0.05, 0.1)),
        ("connect", part(0.3, 2.1, 14.0)),
        ("server", part(20.6, 181.0, 301.0)),
        ("transfer", part(0.4, 1.2, 1.9)),
    ];
    let shares = |lag, server| {
        let shares = [("lag", lag), ("queue", 0.0), ("connect", 0.01), ("server", server)];
        let rest = ("transfer", 1.0 - lag - 0.01 - server);
        shares.into_iter().chain([rest]).map(|(name, share)| (name.to_owned(), share)).collect()
    };
    TailBlame {
        parts: parts.map(|(name, part)| (name.to_owned(), part)).into(),
        shares: [("p50", shares(0.002, 0.97)), ("p99", shares(0.001, 0.98))]
            .map(|(name, shares)| (name.to_owned(), shares))
            .into(),
    }
}

fn run_facts() -> RunFacts {
    RunFacts {
        id: "2026-11-23T01-04-08Z-42".to_owned(),
        name: "spike".to_owned(),
        target: "http://127.0.0.1:8080".to_owned(),
        seed: 42,
        start_unix_ns: 1_795_395_848_000_000_000,
        planned_s: END_S as f64,
        duration_s: 65.2,
        status: RunStatus::Complete,
        gen_version: "0.1.0".to_owned(),
        profile_sha256: "9f3c".repeat(16),
        arrival: vec!["poisson".to_owned()],
        host: "linux x86_64, 2 cores".to_owned(),
    }
}

fn phase(name: &str, role: Role, start_s: u64, end_s: u64, rate: u64) -> PhaseRecord {
    let ns = |seconds: u64| seconds as i64 * 1_000_000_000;
    PhaseRecord {
        name: name.to_owned(),
        role,
        arrival: ArrivalKind::Poisson,
        rate: RateLaw::Constant { rate: rate as f64 },
        start_ns: ns(start_s),
        end_ns: ns(end_s),
    }
}

fn manifest(summary: &Summary) -> Manifest {
    let run = &summary.run;
    let scenarios = summary.by_scenario.keys().map(|name| ScenarioRecord {
        name: name.clone(),
        weight: 1.0,
        tags: vec![],
        requests: vec![name.clone()],
    });
    Manifest {
        schema_version: SCHEMA_VERSION.to_owned(),
        gen_version: run.gen_version.clone(),
        run_id: run.id.clone(),
        name: run.name.clone(),
        status: run.status,
        stopped_because: None,
        is_aborted: false,
        seed: run.seed,
        start_unix_ns: run.start_unix_ns,
        duration_ns: Some(65_200_000_000),
        target: run.target.clone(),
        profile: serde_json::json!({
            "name": run.name, "seed": run.seed, "target": { "url": run.target },
            "phase": [{ "name": "before", "rate": BASE_RATE }, { "name": "surge", "rate": SPIKE_RATE }],
        }),
        profile_sha256: run.profile_sha256.clone(),
        streams: vec![StreamRecord {
            name: "main".to_owned(),
            phases: vec![
                phase("before", Role::Baseline, 0, SPIKE.start, BASE_RATE),
                phase("surge", Role::Spike, SPIKE.start, SPIKE.end, SPIKE_RATE),
                phase("after", Role::Recovery, SPIKE.end, END_S, BASE_RATE),
            ],
        }],
        scenarios: scenarios.collect(),
        objectives: summary.objectives.iter().map(|result| result.objective.clone()).collect(),
        analysis: summary.settings.clone(),
        lanes: openload_contract::LANES,
        workers: 2,
        shard: ShardId::default(),
        max_in_flight: 4_096,
        pacing: "precise".to_owned(),
        spin_ns: Some(50_000),
        cpus: Vec::new(),
        host: HostRecord {
            name: "bench-1".to_owned(),
            os: "Linux 6.12".to_owned(),
            arch: "x86_64".to_owned(),
            cores: 2,
        },
        timeline: Some(TimelineRecord { arrivals: 18_000, digest: "5eed".repeat(4) }),
    }
}

fn seconds() -> Vec<SecondRow> {
    (0..END_S)
        .map(|t_s| {
            let phase = if t_s < SPIKE.start {
                "before"
            } else if SPIKE.contains(&t_s) {
                "surge"
            } else {
                "after"
            };
            let rate = if phase == "surge" { SPIKE_RATE } else { BASE_RATE };
            // The backlog of the surge: it grows through it and is worked off after it.
            let backlog = match t_s {
                20..25 => (t_s - 19) * 160,
                25..31 => 800 - (t_s - 24) * 130,
                _ => 0,
            };
            SecondRow { phase: phase.to_owned(), ..second(t_s, rate, backlog) }
        })
        .collect()
}

/// One second, slower by `backlog` ms, with a little noise that is the same each time.
fn second(t_s: u64, rate: u64, backlog: u64) -> SecondRow {
    let noise = (t_s * 2_654_435_761 % 1_000) as f64 / 1_000.0;
    let offered = rate + (noise * 30.0) as u64 - 15;
    let slow = if backlog < 1_000 { backlog as f64 } else { backlog as f64 / 200.0 };
    let ms = |value: f64| Some((value * (0.8 + 0.4 * noise) * 1e3).round() / 1e3);
    SecondRow {
        t_s,
        phase: String::new(),
        offered,
        sent: offered,
        completed: offered - offered.min(slow as u64 / 8),
        ok: offered,
        in_flight: 3 + slow as u64 / 4,
        response_p50_ms: ms(9.0 + 0.6 * slow),
        response_p90_ms: ms(16.0 + 0.8 * slow),
        response_p95_ms: ms(21.0 + 0.9 * slow),
        response_p99_ms: ms(38.0 + slow),
        response_max_ms: ms(61.0 + 1.1 * slow),
        service_p50_ms: ms(8.8 + 0.6 * slow),
        service_p99_ms: ms(37.0 + slow),
        lag_p50_us: ms(20.0),
        lag_p99_us: ms(310.0),
        lag_max_us: ms(900.0 + slow),
        cpu_cores: ms(0.21 + rate as f64 / 1_500.0),
        rss_bytes: Some(31_000_000 + t_s * 2_000),
        ..SecondRow::default()
    }
}
