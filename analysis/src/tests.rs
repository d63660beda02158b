//! Whole run directories, written and analysed.

use std::path::Path;

use openload_contract::monitor::Vitals;
use openload_contract::summary::{CheckLevel, DriftShape};
use openload_contract::{
    ArrivalKind, Bound, GapFamily, Metric, Mmpp, Outcome, RateLaw, Renewal, Role, RunStatus,
    ShardId, Summary, Verdict,
};
use openload_samples::{Chunk, Names, PartWriter, Rotation, Sample, worker_dir};
use proptest::prelude::*;

use crate::store::Fields;
use crate::testing::{PhasePlan, Simulated, exponential, fail, phase};
use crate::{Analysis, Error, analyze, decompose};

const MS: i64 = 1_000_000;

fn analysed(run: &Simulated) -> Analysis {
    let dir = tempfile::tempdir().unwrap();
    run.write(dir.path());
    analyze(dir.path()).unwrap()
}

/// 1,000/s for 20 s, 5 ms each, p95 and errors judged.
fn clean() -> Simulated {
    let mut run = Simulated::new(&[phase("hold", Role::Steady, 1000.0, 20.0)], 5 * MS);
    run.objective(Metric::ResponseTime, Some(0.95), Bound::Max(50.0));
    run.objective(Metric::ErrorRate, None, Bound::Max(0.01));
    run
}

fn check_level(summary: &Summary, name: &str) -> CheckLevel {
    summary.validity.checks.iter().find(|check| check.name == name).unwrap().level
}

#[test]
fn a_clean_run_passes() {
    let run = clean();
    let Analysis { summary, seconds, .. } = analysed(&run);
    assert_eq!((summary.verdict, &summary.reasons), (Verdict::Pass, &vec![]), "{summary:#?}");
    let all = &summary.all;
    assert_eq!(all.requests.intended, run.rows.len() as u64);
    assert_eq!(all.requests.ok + all.requests.failed, all.requests.intended);
    assert!((all.rate.offered - 1000.0).abs() < 30.0);
    assert_eq!(all.rate.offered, all.rate.achieved);
    assert_eq!(all.response_time.p99, Some(5.0));
    assert_eq!(all.service_time.p99, Some(4.95));
    assert_eq!(all.schedule_lag_us.max, Some(20.0));
    assert_eq!(summary.by_phase["hold"], summary.all);
    let by_request: u64 = summary.by_request.values().map(|group| group.requests.intended).sum();
    assert_eq!(by_request, all.requests.intended);
    assert_eq!(seconds.iter().map(|second| second.offered).sum::<u64>(), all.requests.intended);
    assert_eq!(seconds.iter().map(|second| second.completed).sum::<u64>(), all.requests.ok);
    assert_eq!(seconds[3].response_p99_ms, Some(5.0));
    assert_eq!(seconds.last().unwrap().in_flight, 0);
    assert!(summary.validity.fit.intended_p_value.unwrap() > 1e-3);
    assert!(summary.validity.fit.sent_ks_distance.unwrap() < 0.02);
}

#[test]
fn a_stopped_generator_is_invalid_and_its_seconds_are_named() {
    let mut run = clean();
    run.stall_generator(7.8, 0.3);
    let summary = analysed(&run).summary;
    assert_eq!(summary.verdict, Verdict::Invalid);
    assert_eq!(check_level(&summary, "schedule_lag"), CheckLevel::Invalid);
    assert_eq!(summary.validity.late_seconds, [7, 8]);
    assert!(summary.reasons[0].contains("in seconds 7 and 8"), "{:?}", summary.reasons);
    assert!(summary.reasons[0].contains("--rate-scale"), "{:?}", summary.reasons);
}

/// The rules are tested beside them; this is the way from the file to the reader.
#[test]
fn a_late_run_names_the_cause() {
    let vitals = |second: i64| Vitals {
        t_ns: second * 1_000 * MS,
        cpu_ns: Some(second * 300 * MS),
        worker_cpu_max_ns: Some(200 * MS),
        worker_busy_max_ns: Some(150 * MS),
        worker_wait_max_ns: Some(MS),
        ..Vitals::default()
    };
    let mut run = clean();
    run.stall_generator(7.8, 0.3);
    run.vitals = (1..=20).map(vitals).collect();
    let summary = analysed(&run).summary;
    assert_eq!(summary.validity.causes[0].cause, "stopped");
    assert!(summary.reasons[0].contains("SIGSTOP"), "{:?}", summary.reasons);
    assert_eq!(check_level(&summary, "generator_cpu"), CheckLevel::Ok);
    // The same with the core full from then on; one of many cores is little of the process.
    run.manifest.host.cores = 16;
    run.vitals[7..].iter_mut().for_each(|line| line.worker_busy_max_ns = Some(990 * MS));
    let summary = analysed(&run).summary;
    assert_eq!(summary.validity.causes[0].cause, "worker_full");
    assert!(summary.reasons[0].contains("use --workers 3 or fewer"), "{:?}", summary.reasons);
    assert_eq!(check_level(&summary, "generator_cpu"), CheckLevel::Warn);
    // A run that is on time has nothing to explain.
    assert_eq!(analysed(&clean()).summary.validity.causes, []);
}

#[test]
fn a_silent_second_is_invalid_however_long_the_run() {
    let mut run = Simulated::new(&[phase("hold", Role::Steady, 20.0, 2_000.0)], 5 * MS);
    run.stall_generator(100.0, 1.2);
    let summary = analysed(&run).summary;
    assert_eq!(check_level(&summary, "dispatch_gap"), CheckLevel::Invalid);
    assert_eq!(summary.verdict, Verdict::Invalid);
}

#[test]
fn a_slow_target_fails_the_right_objective() {
    let mut run = clean();
    run.rows.iter_mut().for_each(|row| {
        row.response_ns = 80 * MS;
        row.ttfb_ns = Some(80 * MS);
    });
    let summary = analysed(&run).summary;
    assert_eq!(summary.verdict, Verdict::Fail);
    assert_eq!(summary.reasons, ["p95 response time ≤ 50 ms: measured 80 ms"]);
    assert_eq!(summary.all.rate.goodput, 0.0);
    assert!(summary.tail.parts["server"].mean > 79.0);
}

#[test]
fn lost_and_moved_rows_are_invalid() {
    let mut lost = clean();
    lost.rows.remove(500);
    let summary = analysed(&lost).summary;
    assert_eq!(summary.verdict, Verdict::Invalid);
    assert!(summary.reasons[0].contains("lost"), "{:?}", summary.reasons);
    let mut moved = clean();
    moved.rows[500].intended_ns += 1;
    assert_eq!(check_level(&analysed(&moved).summary, "reconciliation"), CheckLevel::Invalid);
}

#[test]
fn a_killed_run_is_recovered_judged_and_reported() {
    let mut run = clean();
    run.rows.retain(|row| row.intended_ns < 12_300 * MS);
    run.manifest.status = RunStatus::Running;
    run.manifest.timeline = None;
    let dir = tempfile::tempdir().unwrap();
    run.write_killed(dir.path());
    let first = analyze(dir.path()).unwrap();
    assert_eq!(first.recovered.rows, run.rows.len() as u64);
    assert_eq!(first.summary.run.status, RunStatus::Interrupted);
    assert_eq!(first.summary.verdict, Verdict::Pass, "{:?}", first.summary.reasons);
    assert!(first.summary.warnings[0].contains("killed: samples exist up to second 12"));
    assert!((first.summary.all.rate.offered - 1000.0).abs() < 40.0);
    let again = analyze(dir.path()).unwrap();
    assert_eq!(again.summary.all, first.summary.all);
}

#[test]
fn a_run_that_goes_on_is_left_alone() {
    let mut run = clean();
    run.manifest.status = RunStatus::Running;
    run.manifest.timeline = None;
    let dir = tempfile::tempdir().unwrap();
    run.write(dir.path());
    let folder = worker_dir(dir.path(), ShardId::default(), 9);
    let names = Names::new(&["main"], &["hold"], &["browse", "buy"], &["get", "post"]);
    let mut writer = PartWriter::new(&folder, names, Rotation::default(), &[]).unwrap();
    let mut chunk = Chunk::with_capacity(1);
    chunk.push(&run.rows[0]);
    writer.append(&chunk, 0).unwrap();
    let summary = analyze(dir.path()).unwrap().summary;
    assert_eq!(summary.run.status, RunStatus::Running);
    assert!(summary.warnings[0].contains("still being written"), "{:?}", summary.warnings);
}

#[test]
fn an_empty_run_says_so() {
    let mut run = clean();
    run.rows.clear();
    run.seal();
    let dir = tempfile::tempdir().unwrap();
    run.write_manifest(dir.path());
    let analysis = analyze(dir.path()).unwrap();
    assert_eq!(analysis.summary.verdict, Verdict::Invalid);
    assert!(analysis.summary.reasons[0].contains("no samples"), "{:?}", analysis.summary.reasons);
    assert!(analysis.seconds.is_empty());
    assert_eq!(analysis.summary.all.response_time.p50, None);
}

#[test]
fn a_run_that_ended_in_its_warm_up_says_so() {
    let warm = [phase("warm", Role::Warmup, 100.0, 5.0), phase("hold", Role::Steady, 100.0, 5.0)];
    let mut run = Simulated::new(&warm, 5 * MS);
    run.rows.retain(|row| row.phase == 0);
    run.manifest.status = RunStatus::Interrupted;
    run.seal();
    let summary = analysed(&run).summary;
    assert_eq!(summary.verdict, Verdict::Invalid);
    assert!(summary.reasons[0].contains("warm-up"), "{:?}", summary.reasons);
}

#[test]
fn follow_up_steps_are_no_arrivals() {
    let mut run = clean();
    let followers = run.rows.iter().take(100).map(|row| Sample { step: 1, ..*row });
    let followers: Vec<Sample> = followers.collect();
    let arrivals = run.rows.len() as u64;
    run.rows.extend(followers);
    let summary = analysed(&run).summary;
    assert_eq!((summary.validity.rows, summary.all.requests.intended), (arrivals, arrivals));
    assert_eq!(summary.verdict, Verdict::Pass, "{:?}", summary.reasons);
}

#[test]
fn a_damaged_row_does_not_ask_for_a_series_without_end() {
    let mut run = clean();
    run.rows[10].response_ns = i64::MAX / 2;
    run.rows[11].intended_ns = -5;
    let Analysis { summary, seconds, .. } = analysed(&run);
    assert_eq!(summary.verdict, Verdict::Invalid);
    assert!(seconds.len() < 4_000, "{}", seconds.len());
}

#[test]
fn one_row_and_only_failures_make_no_wrong_number() {
    let mut one = clean();
    one.rows.truncate(1);
    one.seal();
    let summary = analysed(&one).summary;
    assert_eq!(summary.all.requests.intended, 1);
    assert_eq!((summary.all.response_time.p50, summary.all.response_time.max), (None, Some(5.0)));
    let mut failed = clean();
    failed.rows.iter_mut().for_each(|row| fail(row, Outcome::Timeout));
    let summary = analysed(&failed).summary;
    assert_eq!(summary.verdict, Verdict::Fail, "{:?}", summary.reasons);
    assert_eq!((summary.all.response_time.p50, summary.all.response_time.mean), (None, None));
    assert_eq!(summary.all.errors.by_outcome["timeout"], failed.rows.len() as u64);
}

#[test]
fn another_major_version_and_a_wrong_folder_are_refused_in_words() {
    let mut run = clean();
    run.manifest.schema_version = "2.0".to_owned();
    let dir = tempfile::tempdir().unwrap();
    run.write_manifest(dir.path());
    let error = analyze(dir.path()).unwrap_err();
    assert!(matches!(&error, Error::Version { found, .. } if found == "2.0"), "{error}");
    std::fs::write(dir.path().join("run.json"), "{").unwrap();
    assert!(matches!(analyze(dir.path()).unwrap_err(), Error::BadManifest { .. }));
    let error = analyze(&dir.path().join("nothing")).unwrap_err().to_string();
    assert!(error.contains("run.json"), "{error}");
}

#[test]
fn a_broken_timeline_is_invalid() {
    let mut run = clean();
    // Thinned out to a constant train under a Poisson label.
    for (k, row) in (0..).zip(&mut run.rows) {
        row.intended_ns = k * MS;
    }
    run.seal();
    let summary = analysed(&run).summary;
    assert_eq!(check_level(&summary, "timeline_law"), CheckLevel::Invalid);
    let plan =
        PhasePlan { arrival: ArrivalKind::Constant, ..phase("hold", Role::Steady, 500.0, 10.0) };
    let mut constant = Simulated::new(&[plan], 5 * MS);
    assert_eq!(check_level(&analysed(&constant).summary, "timeline_law"), CheckLevel::Ok);
    constant.rows[77].intended_ns += 100;
    constant.seal();
    assert_eq!(check_level(&analysed(&constant).summary, "timeline_law"), CheckLevel::Invalid);
}

fn modulated() -> ArrivalKind {
    ArrivalKind::Mmpp(Mmpp { rates: vec![1.0, 10.0], stays_s: vec![0.5, 0.1] })
}

/// Judged by the rate alone the bursts would be impossible; along the path they are not.
#[test]
fn an_mmpp_is_judged_along_the_path_of_its_states() {
    let baseline = phase("before", Role::Baseline, 200.0, 10.0);
    let bursts = PhasePlan { arrival: modulated(), ..phase("hold", Role::Steady, 500.0, 20.0) };
    let mut run = Simulated::new(&[baseline, bursts], 5 * MS);
    let summary = analysed(&run).summary;
    assert_eq!(check_level(&summary, "timeline_law"), CheckLevel::Ok, "{:?}", summary.reasons);
    assert_eq!(summary.run.arrival, ["mmpp", "poisson"]);
    let distance = summary.validity.fit.sent_ks_distance.expect("both phases are judged");
    assert!(distance < 0.05, "{distance}");
    let p_value = summary.validity.fit.intended_p_value.expect("both phases are judged");
    assert!(p_value > 1e-3, "{p_value}");
    // The path of another seed has its bursts elsewhere.
    run.manifest.seed += 1;
    let summary = analysed(&run).summary;
    assert_eq!(check_level(&summary, "timeline_law"), CheckLevel::Invalid);
    run.manifest.seed -= 1;
    run.manifest.streams[0].phases[1].arrival = ArrivalKind::Poisson;
    let summary = analysed(&run).summary;
    assert_eq!(check_level(&summary, "timeline_law"), CheckLevel::Invalid);
}

fn check_detail(summary: &Summary, name: &str) -> String {
    let found = summary.validity.checks.iter().find(|check| check.name == name);
    found.expect("a check of this name").detail.clone()
}

#[test]
fn what_cannot_be_tested_is_named_with_the_reason() {
    let renewal = |cv| ArrivalKind::Renewal(Renewal { cv, family: GapFamily::Gamma });
    let plan = phase("hold", Role::Steady, 500.0, 20.0);
    let mut run = Simulated::new(&[plan], 5 * MS);
    let mut tested = |arrival: ArrivalKind| {
        run.manifest.streams[0].phases[0].arrival = arrival;
        let summary = analysed(&run).summary;
        (check_level(&summary, "timeline_law"), check_detail(&summary, "timeline_law"))
    };
    // Poisson arrivals are a renewal process of this cv and no other.
    assert_eq!(tested(renewal(1.0)).0, CheckLevel::Ok);
    assert_eq!(tested(renewal(1.3)).0, CheckLevel::Invalid);
    assert_eq!(tested(renewal(0.0)).0, CheckLevel::Invalid);
    let (level, detail) = tested(renewal(100.0));
    assert_eq!(
        (level, detail.as_str()),
        (CheckLevel::Skipped, "not tested: 1 phase (too few arrivals)")
    );
    let (level, detail) = tested(ArrivalKind::Mmpp(Mmpp { rates: vec![0.0], stays_s: vec![] }));
    assert_eq!(level, CheckLevel::Skipped);
    assert!(detail.contains("make no arrival process"), "{detail}");
    run.manifest.shard = ShardId { index: 0, count: 2 };
    run.manifest.streams[0].phases[0].arrival = renewal(1.0);
    let summary = analysed(&run).summary;
    assert!(check_detail(&summary, "timeline_law").contains("a shard has only some arrivals"));
}

#[test]
fn drops_fail_and_do_not_invalidate() {
    let mut run = clean();
    let dropped = 12_000 * MS..14_000 * MS;
    run.rows
        .iter_mut()
        .filter(|row| dropped.contains(&row.intended_ns))
        .filter(|row| row.seq % 2 == 0)
        .for_each(|row| fail(row, Outcome::Dropped));
    let summary = analysed(&run).summary;
    assert_eq!(summary.verdict, Verdict::Fail, "{:?}", summary.reasons);
    assert!(summary.warnings.iter().any(|warning| warning.contains("max_in_flight too small")));
    assert!(summary.all.requests.dropped > 900);
    assert!(summary.reasons.iter().any(|reason| reason.starts_with("error rate")));
}

#[test]
fn vital_signs_are_read() {
    let mut run = clean();
    let vitals = |second: i64| Vitals {
        t_ns: second * 1_000 * MS,
        cpu_ns: Some(second * 1_900 * MS),
        rss_bytes: Some(1_000),
        target_rss_bytes: None,
        wall_offset_ns: if second == 9 { -50 * MS } else { 0 },
        ..Vitals::default()
    };
    run.vitals = (1..=20).map(vitals).collect();
    let Analysis { summary, seconds, .. } = analysed(&run);
    assert_eq!(check_level(&summary, "clock"), CheckLevel::Invalid);
    assert_eq!(check_level(&summary, "generator_cpu"), CheckLevel::Warn);
    assert_eq!(seconds[5].cpu_cores, Some(1.9));
    assert_eq!(seconds[19].rss_bytes, Some(1_000));
}

/// Response times of a frozen target are its own: the run is valid.
#[test]
fn a_freeze_of_the_target_does_not_invalidate() {
    let mut run = Simulated::new(&[phase("hold", Role::Steady, 200.0, 60.0)], MS);
    let mut services = vec![0.001; run.rows.len()];
    let frozen = run.rows.iter().position(|row| row.intended_ns >= 30_000 * MS).unwrap();
    services[frozen] += 2.0;
    run.serve_fifo(&services);
    let Analysis { summary, seconds, .. } = analysed(&run);
    assert_eq!(summary.verdict, Verdict::Pass, "{:?}", summary.reasons);
    // The second in which it began shows it, not the one in which it ended.
    assert!(seconds[30].response_p50_ms.unwrap() > 1_000.0);
    assert!(seconds[33].response_p50_ms.unwrap() < 100.0);
    assert!(seconds[31].completed < 5 && seconds[31].in_flight > 300);
    // Ten users stand still with the target: all but ten of the 400 requests of the freeze, and
    // those of the backlog behind it, are never sent, and what is left shows no tail.
    let (open, closed) = (&summary.all.response_time, &summary.closed_loop);
    assert_eq!((closed.users, closed.sent + closed.omitted), (10, open.count));
    assert!((350..600).contains(&closed.omitted), "{closed:?}");
    assert!(open.max.unwrap() > 1_900.0 && closed.response_time.p99.unwrap() < 5.0, "{closed:?}");
}

/// The fifth of the requests that met a stopped generator lost their time there, the others did not.
#[test]
fn each_quantile_tells_where_its_time_went() {
    let mut run = clean();
    run.stall_generator(8.0, 1.0);
    let summary = analysed(&run).summary;
    for (name, shares) in &summary.tail.shares {
        let whole: f64 = shares.values().sum();
        assert!((whole - 1.0).abs() < 1e-9, "{name}: {shares:?}");
    }
    let lag = |name: &str| summary.tail.shares[name]["lag"];
    assert!(lag("p99") > 0.98, "{:?}", summary.tail.shares);
    assert!((0.7..0.9).contains(&lag("p50")), "{:?}", summary.tail.shares);
    run.rows.iter_mut().for_each(|row| row.ttfb_ns = row.sent_ns);
    let summary = analysed(&run).summary;
    assert_eq!(summary.tail.shares["p50"]["server"], 0.0);
}

/// `buy` is tagged; its requests are a tenth of all and take ten times as long.
#[test]
fn an_objective_for_a_tag_is_about_its_scenarios() {
    let mut run = clean();
    run.manifest.scenarios[1].tags = vec!["write".to_owned()];
    run.rows.iter_mut().filter(|row| row.scenario == 1).for_each(|row| row.response_ns = 50 * MS);
    run.objective(Metric::ResponseTime, Some(0.5), Bound::Max(20.0));
    run.objective(Metric::ResponseTime, Some(0.5), Bound::Max(20.0));
    run.manifest.objectives.last_mut().unwrap().tag = Some("write".to_owned());
    let objectives = analysed(&run).summary.objectives;
    let measured: Vec<_> = objectives[2..].iter().map(|one| (one.met, one.measured)).collect();
    assert_eq!(measured, [(true, Some(5.0)), (false, Some(50.0))]);
    assert!(objectives[3].text.ends_with("for tag write"), "{}", objectives[3].text);
}

#[test]
fn a_capacity_objective_is_judged_by_the_steps() {
    let steps = [("low", 200.0), ("middle", 400.0), ("high", 600.0)];
    let phases = steps.map(|(name, rate)| phase(name, Role::Steady, rate, 20.0));
    let mut run = Simulated::new(&phases, 5 * MS);
    run.objective(Metric::Capacity, None, Bound::Min(500.0));
    let late = run.rows.iter().position(|row| row.intended_ns >= 40_000 * MS).unwrap();
    run.rows[late..].iter_mut().step_by(10).for_each(|row| fail(row, Outcome::HttpError));
    let summary = analysed(&run).summary;
    let result = &summary.objectives[0];
    assert!(!result.met && (380.0..420.0).contains(&result.measured.unwrap()), "{result:?}");
    assert!(result.note.as_deref().unwrap().contains("goodput is 90.0 %"), "{result:?}");
    // One rate has no capacity: nothing is claimed.
    let mut flat = clean();
    flat.objective(Metric::Capacity, None, Bound::Min(500.0));
    let summary = analysed(&flat).summary;
    assert_eq!(summary.objectives.last().unwrap().measured, None);
    assert_eq!(summary.verdict, Verdict::Fail);
}

#[test]
fn a_queue_inside_the_generator_is_invalid() {
    let mut run = clean();
    run.rows.iter_mut().for_each(|row| {
        row.sent_ns = Some(3 * MS);
    });
    let summary = analysed(&run).summary;
    assert_eq!(check_level(&summary, "contribution"), CheckLevel::Invalid);
    assert!(summary.tail.parts["queue"].mean > 2.9);
    // The same wait for a connection is the target's.
    run.rows.iter_mut().for_each(|row| row.connect_ns = Some(3 * MS - 30_000));
    let summary = analysed(&run).summary;
    assert_eq!(summary.verdict, Verdict::Pass, "{:?}", summary.reasons);
}

#[test]
fn a_lag_that_is_small_but_felt_is_a_warning() {
    let mut run = clean();
    run.rows.iter_mut().step_by(20).for_each(|row| {
        row.lag_ns = 2 * MS;
        row.sent_ns = Some(2 * MS + 30_000);
    });
    let summary = analysed(&run).summary;
    assert_eq!(check_level(&summary, "schedule_lag"), CheckLevel::Warn);
    assert_eq!(summary.verdict, Verdict::Pass, "{:?}", summary.reasons);
    assert!(summary.warnings.iter().any(|warning| warning.contains("schedule lag")));
}

#[test]
fn a_stopped_run_is_judged_up_to_where_it_got() {
    let mut run = clean();
    run.rows.retain(|row| row.intended_ns < 8_500 * MS);
    run.manifest.status = RunStatus::Interrupted;
    run.manifest.stopped_because = Some("Ctrl-C".to_owned());
    run.seal();
    let summary = analysed(&run).summary;
    assert_eq!(summary.verdict, Verdict::Pass, "{:?}", summary.reasons);
    assert!(summary.warnings[0].contains("interrupted (Ctrl-C)"), "{:?}", summary.warnings);
    assert!((summary.all.rate.offered - 1000.0).abs() < 50.0, "{:?}", summary.all.rate);
    assert!(summary.validity.fit.intended_p_value.is_some());
}

#[test]
fn a_surge_inside_a_phase_is_a_spike() {
    let law = RateLaw::Spike { base: 200.0, peak: 1000.0, at_s: 15.0, for_s: 2.0 };
    let plan = PhasePlan { law, ..phase("all", Role::Steady, 200.0, 40.0) };
    let mut run = Simulated::new(&[plan], 2 * MS);
    run.serve_fifo(&vec![0.002; run.rows.len()]);
    run.objective(Metric::RecoveryTime, None, Bound::Max(15_000.0));
    let summary = analysed(&run).summary;
    let record = &summary.recovery[0];
    assert_eq!((record.start_s, record.end_s), (15.0, 17.0));
    // (1,000 − 500)·2 = 1,000 requests too many, drained at 500 − 200 a second.
    assert!((record.recovery_s.unwrap() - 3.5).abs() < 1.0, "{record:?}");
    assert!((record.backlog_peak as f64 - 1_000.0).abs() < 150.0, "{record:?}");
    assert!(summary.objectives[0].met, "{:?}", summary.objectives[0]);
}

#[test]
fn a_leak_of_the_target_is_found() {
    let mut run = Simulated::new(&[phase("soak", Role::Soak, 10.0, 900.0)], 5 * MS);
    let wobble = exponential(9, 900);
    let vitals = (1..=900).zip(wobble).map(|(second, wobble)| Vitals {
        t_ns: second * 1_000 * MS,
        target_rss_bytes: Some(50_000_000 + 20_000 * second as u64 + (wobble * 1e5) as u64),
        ..Vitals::default()
    });
    run.vitals = vitals.collect();
    run.objective(Metric::MemoryGrowth, None, Bound::Max(0.05));
    let summary = analysed(&run).summary;
    let memory = &summary.drift["target_memory"];
    assert_eq!(memory.shape, DriftShape::Drift, "{memory:?}");
    // 20 kB a second on 50 MB.
    assert!((memory.change_24h.unwrap() - 34.56).abs() < 2.0, "{memory:?}");
    assert!(!summary.objectives[0].met);
    assert_eq!(summary.verdict, Verdict::Fail);
}

#[test]
fn phases_of_several_streams_are_told_apart() {
    let mut run = clean();
    let mut second = run.manifest.streams[0].clone();
    second.name = "side".to_owned();
    run.manifest.streams.push(second);
    let summary = analysed(&run).summary;
    assert_eq!(summary.by_phase.keys().collect::<Vec<_>>(), ["main/hold", "side/hold"]);
    assert_eq!(summary.by_phase["side/hold"].requests.intended, 0);
}

#[test]
fn a_soak_that_slows_down_drifts() {
    let mut run = Simulated::new(&[phase("soak", Role::Soak, 50.0, 1_200.0)], 5 * MS);
    let noise = exponential(3, run.rows.len());
    for (row, noise) in run.rows.iter_mut().zip(noise) {
        let slower = row.intended_ns / 500_000;
        row.response_ns = 5 * MS + slower + (noise * 1e6) as i64;
        row.ttfb_ns = Some(row.response_ns);
    }
    run.objective(Metric::Drift, Some(0.5), Bound::Max(0.1));
    let summary = analysed(&run).summary;
    assert_eq!(summary.drift["response_p50"].shape, DriftShape::Drift, "{:#?}", summary.drift);
    assert_eq!(summary.drift["error_rate"].shape, DriftShape::None);
    assert!(!summary.objectives[0].met);
    assert_eq!(summary.verdict, Verdict::Fail);
}

/// Writes rows cut into `parts` parts, each with its own order of names.
fn write_scattered(run: &Simulated, dir: &Path, order: &[usize], parts: usize) {
    run.write_manifest(dir);
    let rows_of_part = order.len().div_ceil(parts);
    for (worker, rows) in (0..).zip(order.chunks(rows_of_part)) {
        let folder = worker_dir(dir, ShardId::default(), worker);
        let is_swapped = worker % 2 == 1;
        let names = if is_swapped { ["buy", "browse"] } else { ["browse", "buy"] };
        let names = Names::new(&["main"], &["hold"], &names, &["get", "post"]);
        let mut writer = PartWriter::new(&folder, names, Rotation::default(), &[]).unwrap();
        let mut chunk = Chunk::with_capacity(rows.len());
        for &row in rows {
            let mut sample = run.rows[row];
            if is_swapped {
                sample.scenario = 1 - sample.scenario;
            }
            chunk.push(&sample);
        }
        writer.append(&chunk, 0).unwrap();
        writer.close().unwrap();
    }
}

/// A run of about 1,000 rows of every fate.
fn motley(seed: u64) -> Simulated {
    let mut run = Simulated::seeded(&[phase("hold", Role::Steady, 200.0, 5.0)], 5 * MS, seed);
    let noise = exponential(seed, run.rows.len());
    for (row, noise) in run.rows.iter_mut().zip(noise) {
        row.response_ns += (noise * 4e6) as i64;
        row.ttfb_ns = Some(row.response_ns - 1_000);
        match row.seq % 23 {
            3 => fail(row, Outcome::Dropped),
            5 => fail(row, Outcome::HttpError),
            7 => {
                fail(row, Outcome::Timeout);
                row.ttfb_ns = None;
            }
            _ => {}
        }
    }
    run
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn the_order_of_rows_and_parts_does_not_matter(
        seed in 0_u64..50,
        parts in 1_usize..6,
        order in Just((0..900_usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let mut run = motley(seed);
        prop_assume!(run.rows.len() >= 900);
        run.rows.truncate(900);
        run.seal();
        run.objective(Metric::ResponseTime, Some(0.9), Bound::Max(20.0));
        let whole = tempfile::tempdir().unwrap();
        let scattered = tempfile::tempdir().unwrap();
        write_scattered(&run, whole.path(), &(0..900).collect::<Vec<_>>(), 1);
        write_scattered(&run, scattered.path(), &order, parts);
        let (whole, scattered) = (analyze(whole.path()).unwrap(), analyze(scattered.path()).unwrap());
        prop_assert_eq!(whole, scattered);
    }

    #[test]
    fn the_five_parts_add_up_to_the_response_time(seed in 0_u64..1000) {
        let run = crate::testing::open(&motley(seed));
        run.samples.columns().all().visit(Fields::ALL, |rows, places| {
            for place in places.iter() {
                if let Some(parts) = decompose::parts(rows, place) {
                    assert_eq!(parts.iter().sum::<i64>(), rows.response_ns[place]);
                } else {
                    assert!(rows.sent_ns(place).is_none());
                }
            }
        });
    }
}
