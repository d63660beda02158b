//! The model against closed forms, in simulated time.
//!
//! Distributions are tested on [`RUNS`] independent runs with fixed seeds. The tolerance is the
//! sampling error itself: the mean over the runs must lie within four standard errors of the
//! known value (a true model fails 1 statistic in 16,000, and never by chance twice, as the seeds
//! are fixed), and the standard error must be below 2 % of it, so that the test can tell the
//! laws apart: the nearest pair differs by 14 %.

use proptest::prelude::*;

use super::*;

const RUNS: u64 = 16;
const ARRIVALS: usize = 60_000;
/// Requests left out at the beginning of a run, which starts empty: over 60 times the relaxation
/// time of the slowest queue here (M/M/1 at load 0.8: 1/(μ(1−√ρ)²) = 0.9 s, 72 arrivals).
const WARM_UP: usize = 5_000;

const MS: i64 = 1_000_000;
const S: i64 = 1_000_000_000;

/// Servers whose mean service is 10 ms, as in the table of known answers.
fn spec(servers: u32, service: ServiceLaw) -> TargetSpec {
    TargetSpec { servers, service, service_mean_s: 0.010, ..TargetSpec::default() }
}

fn model(spec: &TargetSpec) -> QueueModel {
    QueueModel::new(spec).unwrap()
}

#[derive(Clone, Copy)]
enum Arrivals {
    Poisson,
    Constant,
}

impl Arrivals {
    /// Arrival instants at `rate` per second, for ever.
    fn at(self, rate: f64, seed: u64) -> impl Iterator<Item = i64> {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed ^ 0xa5a5);
        let mut now_s = 0.0;
        std::iter::repeat_with(move || {
            let gap: f64 = if let Self::Poisson = self { Exp1.sample(&mut random) } else { 1.0 };
            now_s += gap / rate;
            ns_from_s(now_s)
        })
    }
}

/// Mean, median and 99th percentile of the response time, in ms.
type Figures = [f64; 3];

fn responses_ms(spec: &TargetSpec, arrivals: impl Iterator<Item = i64>) -> Vec<f64> {
    let mut model = model(spec);
    arrivals.map(|at| (model.arrive(at).finish_ns - at) as f64 / 1e6).collect()
}

fn figures(spec: &TargetSpec, arrivals: Arrivals, rate: f64, seed: u64) -> Figures {
    let spec = TargetSpec { seed, ..spec.clone() };
    let instants = arrivals.at(rate, seed).take(ARRIVALS);
    let mut responses = responses_ms(&spec, instants).split_off(WARM_UP);
    responses.sort_unstable_by(f64::total_cmp);
    let count = responses.len();
    let mean = responses.iter().sum::<f64>() / count as f64;
    [mean, responses[count / 2], responses[count * 99 / 100]]
}

/// Mean and standard error over independent runs.
fn estimate(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (count - 1.0) / count).sqrt())
}

/// Holds simulated figures against known ones; a `None` is not known.
fn assert_known(spec: &TargetSpec, arrivals: Arrivals, rate: f64, known: [Option<f64>; 3]) {
    let runs: Vec<Figures> = (1..=RUNS).map(|seed| figures(spec, arrivals, rate, seed)).collect();
    for (figure, known) in known.into_iter().enumerate() {
        let Some(known) = known else { continue };
        let (mean, error) = estimate(&runs.iter().map(|run| run[figure]).collect::<Vec<_>>());
        let off = (mean - known).abs();
        // The known values are given to 0.01 ms.
        assert!(off < 4.0 * error + 0.005, "figure {figure}: {mean} ± {error}, known {known}");
        assert!(error < 0.02 * known, "figure {figure}: {error} is too coarse for {known}");
    }
}

#[test]
fn m_m_1_has_the_known_response_times() {
    let spec = spec(1, ServiceLaw::Exponential);
    let (half, high) = ([20.00, 13.86, 92.10], [50.00, 34.66, 230.26]);
    assert_known(&spec, Arrivals::Poisson, 50.0, half.map(Some));
    assert_known(&spec, Arrivals::Poisson, 80.0, high.map(Some));
}

#[test]
fn m_d_1_has_the_known_response_times() {
    let spec = spec(1, ServiceLaw::Deterministic);
    // At load 0.5 the median is the atom at the service time itself, where P = 0.5: not tested.
    assert_known(&spec, Arrivals::Poisson, 50.0, [Some(15.00), None, Some(43.36)]);
    assert_known(&spec, Arrivals::Poisson, 80.0, [30.00, 22.76, 113.56].map(Some));
}

#[test]
fn d_m_1_has_the_known_response_times() {
    let spec = spec(1, ServiceLaw::Exponential);
    assert_known(&spec, Arrivals::Constant, 50.0, [12.55, 8.70, 57.80].map(Some));
    assert_known(&spec, Arrivals::Constant, 80.0, [26.93, 18.66, 124.00].map(Some));
}

#[test]
fn m_m_4_has_the_known_response_times() {
    let spec = spec(4, ServiceLaw::Exponential);
    assert_known(&spec, Arrivals::Poisson, 320.0, [17.45, 13.46, 68.93].map(Some));
}

#[test]
fn lognormal_service_obeys_pollaczek_and_khinchine() {
    // E S + λ E S² / (2(1 − ρ)), E S² = (E S)²(1 + cv²): 10 ms + 50 · 2e-4 · 1000 / 1 ms.
    let spec = spec(1, ServiceLaw::Lognormal { cv: 1.0 });
    assert_known(&spec, Arrivals::Poisson, 50.0, [Some(20.00), None, None]);
}

#[test]
fn one_server_follows_lindley_row_by_row() {
    for law in [ServiceLaw::Exponential, ServiceLaw::Lognormal { cv: 2.0 }] {
        let spec = spec(1, law);
        let (mut model, work) = (model(&spec), Work::new(&spec).unwrap());
        let (mut wait, mut service, mut last) = (0, 0, 0);
        for (number, at) in (0..).zip(Arrivals::Poisson.at(80.0, 3).take(20_000)) {
            wait = (wait + service - (at - last)).max(0);
            service = work.task(number, at).service_ns;
            last = at;
            let Completion { start_ns, finish_ns, .. } = model.arrive(at);
            assert_eq!((start_ns, finish_ns), (at + wait, at + wait + service), "row {number}");
        }
    }
}

/// Requests of one run of 60 s at 200/s, frozen for 2 s at 20 s: the mean, N(>0.5 s), N(>1 s).
fn freeze_figures(seed: u64) -> Figures {
    let spec = TargetSpec {
        service_mean_s: 0.001,
        freezes: vec![Freeze { at_s: 20.0, for_s: 2.0 }],
        ..spec(1, ServiceLaw::Deterministic)
    };
    let arrivals = Arrivals::Poisson.at(200.0, seed).take_while(|&at| at < 60 * S);
    let responses = responses_ms(&spec, arrivals);
    let over = |limit: f64| responses.iter().filter(|&&response| response > limit).count() as f64;
    [responses.iter().sum::<f64>() / responses.len() as f64, over(500.0), over(1000.0)]
}

#[test]
fn a_freeze_delays_as_many_requests_as_its_closed_form_says() {
    let runs: Vec<Figures> = (0..100).map(freeze_figures).collect();
    // One run's N(>1 s) has a standard deviation of 19. The closed form is a fluid limit: it
    // leaves out about one request per count and 0.1 ms of the mean.
    for (figure, known, bias) in [(0, 42.8, 0.2), (1, 375.0, 1.0), (2, 250.0, 1.0)] {
        let (mean, error) = estimate(&runs.iter().map(|run| run[figure]).collect::<Vec<_>>());
        assert!((mean - known).abs() < 4.0 * error + bias, "{figure}: {mean} ± {error}, {known}");
        assert!(error < 0.02 * known, "figure {figure}: {error} is too coarse for {known}");
    }
}

/// One server, 10 ms of service, frozen as told (in ms).
fn frozen(freezes_ms: &[(i64, i64)]) -> QueueModel {
    let freeze = |&(at, length): &(i64, i64)| Freeze {
        at_s: at as f64 / 1000.0,
        for_s: length as f64 / 1000.0,
    };
    let freezes = freezes_ms.iter().map(freeze).collect();
    model(&TargetSpec { freezes, ..spec(1, ServiceLaw::Deterministic) })
}

#[test]
fn work_in_progress_stands_still_in_a_freeze() {
    let served = |at_ms: i64, freezes_ms: &[(i64, i64)]| {
        let completion = frozen(freezes_ms).arrive(at_ms * MS);
        (completion.start_ns / MS, completion.finish_ns / MS)
    };
    assert_eq!(served(0, &[(4, 100)]), (0, 110), "6 ms were left");
    assert_eq!(served(0, &[(10, 100)]), (0, 10), "done as the freeze begins");
    assert_eq!(served(10, &[(10, 100)]), (110, 120), "nothing starts as the freeze begins");
    assert_eq!(served(50, &[(10, 100)]), (110, 120), "nothing starts in the freeze");
    assert_eq!(served(110, &[(10, 100)]), (110, 120), "the freeze is over");
    assert_eq!(served(0, &[(20, 5), (4, 10)]), (0, 20), "done as the second begins");
    assert_eq!(served(0, &[(18, 5), (4, 10)]), (0, 25), "two freezes, in any order");
    assert_eq!(served(0, &[(4, 100), (6, 10)]), (0, 110), "one within the other");
    assert_eq!(served(0, &[(4, 100), (50, 100)]), (0, 156), "one into the other");
}

#[test]
fn a_leak_lengthens_the_mean_service_linearly() {
    let spec = TargetSpec { leak_s_per_s: 0.001, ..spec(1, ServiceLaw::Deterministic) };
    let mut model = model(&spec);
    for second in 0..100 {
        let at = second * S;
        assert_eq!(model.arrive(at).finish_ns - at, 10 * MS + second * MS);
    }
}

#[test]
fn a_leak_does_not_start_before_time_zero() {
    let spec = TargetSpec { leak_s_per_s: 0.001, ..spec(1, ServiceLaw::Deterministic) };
    assert_eq!(model(&spec).arrive(-5 * S).finish_ns, -5 * S + 10 * MS);
}

#[test]
fn errors_have_their_share_and_are_the_same_under_every_law() {
    let failed = |law| {
        let mut model = model(&TargetSpec { error_rate: 0.05, ..spec(4, law) });
        (0..100_000).map(|at| model.arrive(at).status == 503).collect::<Vec<_>>()
    };
    let exponential = failed(ServiceLaw::Exponential);
    let share = exponential.iter().filter(|&&fails| fails).count() as f64 / 1e5;
    // The standard deviation of the share is 0.0007.
    assert!((share - 0.05).abs() < 0.003, "{share}");
    assert_eq!(exponential, failed(ServiceLaw::Deterministic));
}

#[test]
fn the_first_service_times_of_seed_1_never_change() {
    let work = Work::new(&spec(1, ServiceLaw::Exponential)).unwrap();
    let first: Vec<i64> = (0..4).map(|number| work.task(number, 0).service_ns).collect();
    assert_eq!(first, [8_706_757, 1_294_128, 499_187, 12_259_695]);
}

#[test]
fn values_out_of_range_are_refused() {
    let refused = |change: fn(&mut TargetSpec)| {
        let mut spec = TargetSpec::default();
        change(&mut spec);
        QueueModel::new(&spec).unwrap_err()
    };
    assert_eq!(refused(|spec| spec.servers = 0), SpecError::NoServers);
    assert_eq!(refused(|spec| spec.service_mean_s = -1.0), SpecError::ServiceMean(-1.0));
    assert_eq!(refused(|spec| spec.error_rate = 1.5), SpecError::ErrorRate(1.5));
    assert_eq!(refused(|spec| spec.leak_s_per_s = -0.1), SpecError::Leak(-0.1));
    let spread = refused(|spec| spec.service = ServiceLaw::Lognormal { cv: -1.0 });
    assert_eq!(spread, SpecError::Spread(-1.0));
    let freeze = refused(|spec| spec.freezes = vec![Freeze { at_s: 1.0, for_s: f64::INFINITY }]);
    assert!(matches!(freeze, SpecError::Freeze { .. }));
    assert!(matches!(refused(|spec| spec.error_rate = f64::NAN), SpecError::ErrorRate(_)));
}

/// Completions of arrivals that follow each other by `gaps_ms`.
fn completions(spec: &TargetSpec, gaps_ms: &[i64]) -> Vec<(i64, Completion)> {
    let mut model = model(spec);
    let mut now = 0;
    let arrive = |gap: &i64| {
        now += gap * MS;
        (now, model.arrive(now))
    };
    gaps_ms.iter().map(arrive).collect()
}

proptest! {
    #[test]
    fn starts_are_in_order_and_never_more_at_once_than_servers(
        servers in 1_u32..5, seed: u64, gaps_ms in prop::collection::vec(0_i64..20, 1..200),
    ) {
        let freezes = vec![Freeze { at_s: 0.1, for_s: 0.05 }];
        let spec = TargetSpec { seed, freezes, ..spec(servers, ServiceLaw::Exponential) };
        let all = completions(&spec, &gaps_ms);
        prop_assert_eq!(&all, &completions(&spec, &gaps_ms));
        prop_assert!(all.is_sorted_by_key(|(_, done)| done.start_ns));
        for &(at, done) in &all {
            prop_assert!(at <= done.start_ns && done.start_ns <= done.finish_ns);
            let serving = |other: &Completion| {
                other.start_ns <= done.start_ns && done.start_ns < other.finish_ns
            };
            let busy = all.iter().filter(|(_, other)| serving(other)).count();
            prop_assert!(busy <= servers as usize);
        }
    }
}
