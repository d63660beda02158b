//! The promises and the known answers, on whole runs.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use openload_contract::{ArrivalKind, Outcome, RateLaw, ShardId, TimelineDigest};
use openload_samples::Chunk;

use super::clock::SimulatedClock;
use super::transport::{Behaviour, SimulatedTransport};
use super::{SECOND, constant_plan, phase, plan, trace_plan};
use crate::clock::Clock;
use crate::dispatch::{ChunkSink, Gauges, Recorder, StopLevel, StopSignal, Worker, WorkerReport};
use crate::plan::{ConnectionPlan, ConnectionPolicy, Plan, ReuseOrder};
use crate::replay::{Feed, Renderer, Timelines};
use crate::schedule::{Arrival, LaneSet, Timeline, outline};
use crate::target::{Freeze, ServiceLaw, TargetSpec};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row {
    seq: u64,
    intended_ns: i64,
    lag_ns: i64,
    connect_ns: Option<i64>,
    pool_wait_ns: Option<i64>,
    response_ns: i64,
    outcome: Outcome,
}

struct Collect(Rc<RefCell<Vec<Chunk>>>);

impl ChunkSink for Collect {
    fn take(&mut self, chunk: Chunk) -> Chunk {
        self.0.borrow_mut().push(chunk);
        Chunk::default()
    }
}

struct Finished {
    rows: Vec<Row>,
    reports: Vec<WorkerReport>,
    /// Connections the target has seen, and those among them that carried a request.
    connections: u64,
    used: u64,
}

impl Finished {
    fn digest(&self) -> TimelineDigest {
        let mut digest = TimelineDigest::default();
        self.reports.iter().for_each(|report| digest.merge(report.digest));
        digest
    }

    fn count(&self, outcome: Outcome) -> usize {
        self.rows.iter().filter(|row| row.outcome == outcome).count()
    }

    fn sorted_ms(&self) -> Vec<f64> {
        let mut times: Vec<f64> =
            self.rows.iter().map(|row| row.response_ns as f64 / 1e6).collect();
        times.sort_by(f64::total_cmp);
        times
    }
}

/// Runs `plan` with several workers that share one simulated target.
fn run(plan: &Plan, workers: u32, behaviour: Behaviour, stop_at_ns: Option<i64>) -> Finished {
    let clock = SimulatedClock::default();
    let target = SimulatedTransport::new(clock.clone(), &plan.embedded, behaviour);
    let counts = target.clone();
    let chunks = Rc::new(RefCell::new(Vec::new()));
    let stop = StopSignal::default();
    if let Some(stop_at_ns) = stop_at_ns {
        let (clock, stop) = (clock.clone(), stop.clone());
        clock.clone().spawn(async move {
            clock.sleep_until(stop_at_ns).await;
            stop.raise(StopLevel::Drain);
        });
    }
    let done = Rc::new(RefCell::new(Vec::new()));
    for worker in 0..workers {
        let lanes = LaneSet::of_worker(ShardId::default(), worker, workers);
        let recorder = Recorder::new(Box::new(Collect(Rc::clone(&chunks))), Arc::default());
        let feed = Feed::start(plan, Renderer::new(plan).unwrap(), lanes).unwrap();
        feed.iter().for_each(Feed::settle);
        let worker =
            Worker::new(plan, lanes, clock.clone(), target.clone(), recorder, stop.clone())
                .unwrap()
                .with_feed(feed);
        let done = Rc::clone(&done);
        clock.spawn(async move {
            let remains = worker.run().await;
            done.borrow_mut().push(remains);
        });
    }
    let (finished, waiting) = (Rc::clone(&done), clock.clone());
    clock.block_on(async move {
        while finished.borrow().len() < workers as usize {
            waiting.sleep_until(waiting.now_ns() + SECOND).await;
        }
    });
    let reports = done.take().into_iter().map(|remains| remains.report()).collect();
    let (connections, used) = counts.connections();
    Finished { rows: rows(&chunks.take()), reports, connections, used }
}

fn rows(chunks: &[Chunk]) -> Vec<Row> {
    let samples = chunks.iter().flat_map(Chunk::samples);
    let mut rows: Vec<Row> = samples
        .map(|sample| Row {
            seq: sample.seq,
            intended_ns: sample.intended_ns,
            lag_ns: sample.lag_ns,
            connect_ns: sample.connect_ns,
            pool_wait_ns: sample.pool_wait_ns,
            response_ns: sample.response_ns,
            outcome: sample.outcome,
        })
        .collect();
    rows.sort_by_key(|row| (row.intended_ns, row.seq));
    rows
}

fn poisson(seed: u64, rate: f64, length_s: i64) -> Plan {
    plan(seed, vec![phase("steady", ArrivalKind::Poisson, RateLaw::Constant { rate }, length_s)])
}

fn one_server(service: ServiceLaw, mean_s: f64) -> TargetSpec {
    TargetSpec { servers: 1, service, service_mean_s: mean_s, seed: 11, ..TargetSpec::default() }
}

/// Asserts that `measured` is within `share` of `expected`.
#[track_caller]
fn near(what: &str, measured: f64, expected: f64, share: f64) {
    assert!(
        (measured / expected - 1.0).abs() <= share,
        "{what}: measured {measured}, expected {expected} ± {} %",
        share * 100.0
    );
}

fn quantile(sorted: &[f64], p: f64) -> f64 {
    sorted[((sorted.len() as f64 * p - 1e-9).ceil() as usize).max(1) - 1]
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The closed form for a freeze of S seconds within T, at rate λ, service s, ρ = λ·s: the
/// response falls linearly from S to 0 over S / (1 − ρ).
#[test]
fn a_frozen_target_delays_completions_and_never_intended_starts() {
    let (rate, length_s, freeze_s, service_s) = (1000.0, 20.0, 1.0, 0.0001);
    let mut frozen = constant_plan(rate, 20);
    frozen.embedded = TargetSpec {
        freezes: vec![Freeze { at_s: 5.0, for_s: freeze_s }],
        ..one_server(ServiceLaw::Deterministic, service_s)
    };
    let result = run(&frozen, 1, Behaviour::Answer, None);
    assert_eq!(result.rows.len(), 20_000);
    for (index, row) in result.rows.iter().enumerate() {
        assert_eq!(row.intended_ns, index as i64 * 1_000_000);
        assert_eq!((row.lag_ns, row.outcome), (0, Outcome::Ok));
    }
    let idle = 1.0 - rate * service_s;
    let times = result.sorted_ms();
    let mean_s = service_s + freeze_s * freeze_s / (2.0 * length_s * idle);
    near("mean", mean(&times), mean_s * 1e3, 0.02);
    for p in [0.99, 0.999] {
        let expected_s = freeze_s - (1.0 - p) * length_s * idle + service_s;
        near("quantile", quantile(&times, p), expected_s * 1e3, 0.02);
    }
    let slow = times.iter().filter(|&&time| time > 100.0).count() as f64;
    near("over 100 ms", slow, rate * (freeze_s - 0.1) / idle, 0.02);
    // Spread evenly: each tenth of the freeze holds a tenth of the responses below 1 s.
    for tenth in 1..10 {
        let (low, high) = (f64::from(tenth) * 100.0, f64::from(tenth + 1) * 100.0);
        let inside = times.iter().filter(|&&time| time > low && time <= high).count() as f64;
        near("tenth", inside, rate * 0.1 / idle, 0.02);
    }
}

/// M/M/1 at load 0.7: mean 1/(μ−λ), quantiles −ln(1−p)/(μ−λ). The tolerance is three standard
/// deviations over 20 seeds of this simulation.
#[test]
fn poisson_arrivals_at_an_exponential_server_give_the_answer_of_m_m_1() {
    let (mu, lambda) = (100.0, 70.0);
    let mut plan = poisson(3, lambda, 6000);
    plan.embedded = one_server(ServiceLaw::Exponential, 1.0 / mu);
    let times = run(&plan, 1, Behaviour::Answer, None).sorted_ms();
    let scale_ms = 1e3 / (mu - lambda);
    near("mean", mean(&times), scale_ms, 0.05);
    near("p50", quantile(&times, 0.5), 2.0_f64.ln() * scale_ms, 0.04);
    near("p99", quantile(&times, 0.99), 100.0_f64.ln() * scale_ms, 0.12);
}

/// D/M/1: exponential with rate μ(1−σ), σ = exp(−(1−σ)μ/λ). A generator that confused
/// constant with Poisson arrivals would be off by half.
#[test]
fn constant_arrivals_at_an_exponential_server_give_the_answer_of_d_m_1() {
    let (mu, lambda) = (100.0, 70.0);
    let mut plan = constant_plan(lambda, 6000);
    plan.embedded = one_server(ServiceLaw::Exponential, 1.0 / mu);
    let times = run(&plan, 1, Behaviour::Answer, None).sorted_ms();
    let mut sigma = 0.5_f64;
    for _ in 0..200 {
        sigma = (-(1.0 - sigma) * mu / lambda).exp();
    }
    let scale_ms = 1e3 / (mu * (1.0 - sigma));
    near("mean", mean(&times), scale_ms, 0.05);
    near("p50", quantile(&times, 0.5), 2.0_f64.ln() * scale_ms, 0.04);
    near("p99", quantile(&times, 0.99), 100.0_f64.ln() * scale_ms, 0.12);
    assert!(mean(&times) < 0.7 * 1e3 / (mu - lambda), "D/M/1 is well below M/M/1");
}

#[test]
fn the_timeline_is_the_same_for_any_workers_and_any_target() {
    let fast = poisson(5, 400.0, 10);
    let expected = outline(&fast, LaneSet::ALL);
    let mut frozen = fast.clone();
    frozen.embedded.freezes = vec![Freeze { at_s: 2.0, for_s: 4.0 }];
    for plan in [&fast, &frozen] {
        for workers in [1, 2, 8] {
            let result = run(plan, workers, Behaviour::Answer, None);
            assert_eq!(result.digest(), expected.digest, "{workers} workers");
            assert_eq!(result.rows.len() as u64, expected.arrivals);
        }
    }
}

#[test]
fn every_arrival_is_one_row_whatever_the_target_does() {
    let mut plan = poisson(9, 300.0, 5);
    plan.connection.response_timeout_ns = SECOND;
    let arrivals: Vec<(i64, u64)> = Timeline::new(&plan, LaneSet::ALL)
        .map(|arrival| (arrival.intended_ns, arrival.seq))
        .collect();
    for (behaviour, outcome, share) in [
        (Behaviour::Answer, Outcome::Ok, 1.0),
        (Behaviour::Refuse, Outcome::ConnectError, 1.0),
        (Behaviour::Silence, Outcome::Timeout, 1.0),
        (Behaviour::ResetEveryThird, Outcome::Reset, 1.0 / 3.0),
    ] {
        let result = run(&plan, 2, behaviour, None);
        let rows: Vec<(i64, u64)> =
            result.rows.iter().map(|row| (row.intended_ns, row.seq)).collect();
        assert_eq!(rows, arrivals, "{behaviour:?}");
        let expected = arrivals.len() as f64 * share;
        assert!((result.count(outcome) as f64 - expected).abs() <= 1.0, "{behaviour:?}");
    }
}

/// Every arrival of a plan with a trace.
fn recorded(plan: &Plan, lanes: LaneSet) -> Vec<Arrival> {
    Timelines::new(plan, lanes).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn a_recorded_timeline_is_the_same_for_any_workers_shards_and_targets() {
    let dir = tempfile::tempdir().unwrap();
    let plan = trace_plan(dir.path(), 3_000, "speed = 2\ncopies = { n = 2, jitter = '1s' }");
    let whole = recorded(&plan, LaneSet::ALL);
    assert_eq!(whole.len(), 6_000);
    assert!(whole.is_sorted_by_key(|arrival| arrival.intended_ns));
    let mut digest = TimelineDigest::default();
    whole.iter().for_each(|arrival| digest.add(arrival.seq, arrival.intended_ns));
    let mut frozen = plan.clone();
    frozen.embedded.freezes = vec![Freeze { at_s: 2.0, for_s: 2.0 }];
    let mut sorted = whole.clone();
    sorted.sort_unstable();
    let keys: Vec<_> = sorted.iter().map(|arrival| (arrival.intended_ns, arrival.seq)).collect();
    for plan in [&plan, &frozen] {
        for workers in [1, 2, 8] {
            let result = run(plan, workers, Behaviour::Answer, None);
            let rows: Vec<_> = result.rows.iter().map(|row| (row.intended_ns, row.seq)).collect();
            assert_eq!(rows, keys, "{workers} workers");
            assert_eq!(result.digest(), digest);
            assert!(result.rows.iter().all(|row| row.lag_ns == 0));
        }
    }
    let shards = (0..3).map(|index| LaneSet::of_worker(ShardId { index, count: 3 }, 0, 1));
    let mut parts: Vec<Arrival> = shards.flat_map(|lanes| recorded(&plan, lanes)).collect();
    parts.sort_unstable();
    assert_eq!(parts, sorted);
}

#[test]
fn a_session_of_a_trace_belongs_to_one_lane_and_a_trace_runs_beside_phases() {
    let dir = tempfile::tempdir().unwrap();
    let plan = trace_plan(dir.path(), 2_000, "");
    let lanes: std::collections::BTreeSet<u64> =
        recorded(&plan, LaneSet::ALL).iter().map(|arrival| arrival.seq % 1024).collect();
    // The trace has 40 sessions.
    assert!((30..=40).contains(&lanes.len()), "{}", lanes.len());

    let mut both = plan;
    let mut steady = constant_plan(50.0, 10).streams.remove(0);
    steady.name = "steady".to_owned();
    both.streams.push(steady);
    let result = run(&both, 2, Behaviour::Answer, None);
    assert_eq!(result.rows.len(), 2_500);
    let mut arrivals = recorded(&both, LaneSet::ALL);
    arrivals.sort_unstable();
    let keys = arrivals.iter().map(|arrival| (arrival.intended_ns, arrival.seq));
    let rows = result.rows.iter().map(|row| (row.intended_ns, row.seq));
    assert_eq!(rows.collect::<Vec<_>>(), keys.collect::<Vec<_>>());
}

#[test]
fn arrivals_beyond_the_bound_in_flight_are_dropped_and_recorded() {
    let mut plan = constant_plan(100.0, 10);
    plan.connection.max_in_flight = 50;
    plan.embedded.freezes = vec![Freeze { at_s: 2.0, for_s: 3.0 }];
    let result = run(&plan, 1, Behaviour::Answer, None);
    assert_eq!(result.rows.len(), 1000);
    // 300 arrive while the target stands still, 50 of them are taken up. What was in
    // service when it froze still counts as in flight.
    let dropped = result.count(Outcome::Dropped);
    assert!((250..=252).contains(&dropped), "{dropped}");
    assert!(result.rows.iter().all(|row| row.lag_ns == 0));
}

#[test]
fn a_deadline_counts_from_the_intended_start() {
    let mut plan = constant_plan(100.0, 10);
    plan.connection.deadline_ns = Some(SECOND / 2);
    plan.embedded.freezes = vec![Freeze { at_s: 2.0, for_s: 3.0 }];
    let result = run(&plan, 1, Behaviour::Answer, None);
    let timeouts = result.rows.iter().filter(|row| row.outcome == Outcome::Timeout);
    assert!(timeouts.clone().count() >= 249);
    timeouts.for_each(|row| assert_eq!(row.response_ns, SECOND / 2));
}

#[test]
fn a_stop_in_the_middle_keeps_one_row_for_every_arrival_so_far() {
    let mut plan = poisson(2, 500.0, 60);
    plan.connection.drain_timeout_ns = SECOND;
    plan.embedded.freezes = vec![Freeze { at_s: 9.0, for_s: 100.0 }];
    let stop_ns = 10 * SECOND;
    let result = run(&plan, 2, Behaviour::Answer, Some(stop_ns));
    assert!(result.reports.iter().all(|report| report.is_interrupted));
    let before: usize = Timeline::new(&plan, LaneSet::ALL)
        .take_while(|arrival| arrival.intended_ns <= stop_ns)
        .count();
    // A worker looks for the stop when it wakes for its next arrival.
    assert!(result.rows.len().abs_diff(before) <= 4, "{} {before}", result.rows.len());
    assert!(result.count(Outcome::Cancelled) > 400);
    let rows: u64 = result.reports.iter().map(|report| report.arrivals).sum();
    assert_eq!(result.rows.len() as u64, rows);
}

#[test]
fn gauges_follow_the_rows() {
    let gauges = Arc::new(Gauges::default());
    let plan = constant_plan(100.0, 1);
    let clock = SimulatedClock::default();
    let target = SimulatedTransport::new(clock.clone(), &plan.embedded, Behaviour::Answer);
    let sink = Collect(Rc::default());
    let recorder = Recorder::new(Box::new(sink), Arc::clone(&gauges));
    let worker =
        Worker::new(&plan, LaneSet::ALL, clock.clone(), target, recorder, StopSignal::default());
    let remains = clock.block_on(worker.unwrap().run());
    assert_eq!((gauges.dispatched(), gauges.finished()), (100, 100));
    assert!(!remains.report().is_interrupted);
}

/// A target of one server with a service of 10 ms, behind a bounded pool.
fn bounded(rate: f64, length_s: i64, max_connections: u32) -> Plan {
    let mut plan = constant_plan(rate, length_s);
    plan.embedded = one_server(ServiceLaw::Deterministic, 0.01);
    plan.connection.max_connections = Some(max_connections);
    plan
}

/// Who waits in line for a connection waits as long as it would have in the target, in order.
#[test]
fn a_bounded_pool_lets_arrivals_wait_in_line_and_says_so() {
    let mut free = bounded(50.0, 10, 1_000);
    free.embedded.freezes = vec![Freeze { at_s: 2.0, for_s: 2.0 }];
    let tight = Plan {
        connection: ConnectionPlan { max_connections: Some(2), ..free.connection.clone() },
        ..free.clone()
    };
    let (free, tight) =
        (run(&free, 1, Behaviour::Answer, None), run(&tight, 1, Behaviour::Answer, None));
    let times = |rows: &[Row]| -> Vec<i64> { rows.iter().map(|row| row.response_ns).collect() };
    assert_eq!(times(&free.rows), times(&tight.rows));
    assert!(free.rows.iter().all(|row| row.pool_wait_ns == Some(0)));
    let waited = tight.rows.iter().filter(|row| row.pool_wait_ns > Some(0)).count();
    // 2 s of 50/s stand still, and what came meanwhile is worked off at 100/s against 50/s.
    assert!((190..=200).contains(&waited), "{waited}");
    assert!(tight.rows.iter().all(|row| row.lag_ns == 0 && row.connect_ns >= row.pool_wait_ns));
}

#[test]
fn a_deadline_passes_in_line_as_well() {
    let mut plan = bounded(100.0, 10, 1);
    plan.connection.deadline_ns = Some(SECOND / 2);
    plan.embedded.freezes = vec![Freeze { at_s: 2.0, for_s: 3.0 }];
    let result = run(&plan, 1, Behaviour::Answer, None);
    assert_eq!(result.rows.len(), 1000);
    let timeouts = result.rows.iter().filter(|row| row.outcome == Outcome::Timeout);
    assert!(timeouts.clone().count() >= 249);
    // Some had a connection by then and some had none: who waits is looked at every 5 ms.
    let limits = SECOND / 2..=SECOND / 2 + 5_000_000;
    timeouts.for_each(|row| assert!(limits.contains(&row.response_ns), "{row:?}"));
}

#[test]
fn connections_are_opened_before_the_run_kept_and_replaced_when_old() {
    for (policy, prewarm, lifetime_ns, expected) in [
        (ConnectionPolicy::Pool, 0, None, 1),
        (ConnectionPolicy::Pool, 5, None, 5),
        (ConnectionPolicy::Fixed, 8, None, 8),
        (ConnectionPolicy::PerRequest, 0, None, 500),
        // One a second for 10 s, and one that is open when it ends.
        (ConnectionPolicy::Pool, 0, Some(SECOND), 10),
    ] {
        let mut plan = bounded(50.0, 10, if prewarm > 0 { prewarm } else { 8 });
        (plan.connection.policy, plan.connection.prewarm) = (policy, prewarm);
        plan.connection.lifetime_ns = lifetime_ns;
        let result = run(&plan, 1, Behaviour::Answer, None);
        assert_eq!(result.connections, expected, "{policy:?} {prewarm} {lifetime_ns:?}");
        assert_eq!(result.count(Outcome::Ok), 500);
    }
}

#[test]
fn idle_connections_are_used_in_the_order_of_the_profile() {
    for (reuse, expected) in [(ReuseOrder::Lifo, 1), (ReuseOrder::Fifo, 4)] {
        let mut plan = bounded(20.0, 10, 4);
        (plan.connection.prewarm, plan.connection.reuse) = (4, reuse);
        let result = run(&plan, 1, Behaviour::Answer, None);
        assert_eq!(result.used, expected, "{reuse:?}");
    }
}
