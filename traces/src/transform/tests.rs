//! What comes out of whole specifications.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use openload_contract::digest::mix;
use proptest::prelude::{Just, Strategy, prop_assert, prop_assert_eq, proptest};

use crate::event::Event;
use crate::record::SECOND_NS;
use crate::stats::Burstiness;
use crate::time::parse_rfc3339;

use super::expected::{DispersionCurve, expected};
use super::*;

/// Events at these instants, each of them a session of its own with two more.
fn events(times_ns: &[i64]) -> Vec<Event> {
    let event =
        |(row, &t_ns): (u64, &i64)| Event { t_ns, row, session: 1 + row / 3, ..Event::default() };
    (0..).zip(times_ns).map(event).collect()
}

type Found = Result<Vec<Event>, ReplayError>;

fn run(spec: &ReplaySpec, seed: u64, span_ns: i64, source: &[Event]) -> Found {
    let open = || Ok(source.iter().cloned().map(Ok));
    let replay = replay(spec, seed, span_ns, open)?;
    let length_ns = replay.length_ns();
    let events: Vec<Event> = replay.collect::<Found>()?;
    assert!(events.is_sorted_by_key(|event| event.t_ns));
    assert!(events.iter().all(|event| (0..length_ns).contains(&event.t_ns)));
    Ok(events)
}

fn times(spec: &ReplaySpec, span_ns: i64, source_ns: &[i64]) -> Vec<i64> {
    let events = run(spec, 1, span_ns, &events(source_ns)).unwrap();
    events.iter().map(|event| event.t_ns).collect()
}

fn length_ns(spec: &ReplaySpec, span_ns: i64, source_ns: &[i64]) -> i64 {
    let source = events(source_ns);
    let open = || Ok::<_, ReplayError>(source.iter().cloned().map(Ok));
    replay(spec, 1, span_ns, open).unwrap().length_ns()
}

fn identity() -> ReplaySpec {
    ReplaySpec::default()
}

#[test]
fn the_default_changes_nothing() {
    let source = events(&[0, 0, 5, 9]);
    assert_eq!(run(&identity(), 1, 10, &source), Ok(source.clone()));
    assert_eq!(length_ns(&identity(), 10, &[0, 9]), 10);
    assert_eq!(run(&identity(), 1, 0, &[]), Ok(Vec::new()));
    assert_eq!(times(&identity(), 1, &[0]), [0]);
}

#[test]
fn a_slice_is_half_open_and_begins_at_zero() {
    let slice = |from_ns, to_ns| ReplaySpec { from_ns, to_ns, ..identity() };
    let source = [0, 4, 5, 5, 9, 10, 19];
    assert_eq!(times(&slice(5, Some(10)), 20, &source), [0, 0, 4]);
    assert_eq!(times(&slice(5, None), 20, &source), [0, 0, 4, 5, 14]);
    assert_eq!(times(&slice(0, Some(1_000)), 20, &source), source);
    assert_eq!(times(&slice(11, Some(15)), 20, &source), [0_i64; 0]);
    assert_eq!(length_ns(&slice(5, Some(10)), 20, &source), 5);
    assert_eq!(length_ns(&slice(0, Some(1_000)), 20, &source), 20);
}

#[test]
fn long_gaps_are_cut_those_at_both_ends_too() {
    let spec = ReplaySpec { max_gap_ns: Some(10), ..identity() };
    let source = [30, 35, 45, 145];
    assert_eq!(times(&spec, 200, &source), [10, 15, 25, 35]);
    let events = events(&source);
    let open = || Ok::<_, ReplayError>(events.iter().cloned().map(Ok));
    let replay = replay(&spec, 1, 200, open).unwrap();
    assert_eq!(replay.gap_cut(), GapCut { count: 3, removed_ns: 20 + 90 + 45 });
    assert_eq!(replay.length_ns(), 45);
    // The gap that counts is what the filter and the thinning left.
    assert_eq!(length_ns(&spec, 200, &[]), 10);
}

#[test]
fn overlapping_copies_wrap_around() {
    let overlap = |n, shift_ns| {
        let overlap = Some(Overlap { n, shift_ns });
        ReplaySpec { overlap, ..identity() }
    };
    assert_eq!(times(&overlap(2, 30), 100, &[0, 10, 80]), [0, 10, 10, 30, 40, 80]);
    assert_eq!(times(&overlap(2, 130), 100, &[0, 10, 80]), [0, 10, 10, 30, 40, 80]);
    assert_eq!(times(&overlap(3, 0), 100, &[5]), [5, 5, 5]);
    assert_eq!(times(&overlap(3, 100), 100, &[5]), [5, 5, 5]);
    assert_eq!(times(&overlap(3, i64::MAX), 0, &[]), [0_i64; 0]);
    // Rows and copies tell the events apart, and what wrapped is another session.
    let source = events(&[0, 10, 80]);
    let found = run(&overlap(2, 30), 1, 100, &source).unwrap();
    let keys: BTreeSet<(u64, u32)> = found.iter().map(|event| (event.row, event.copy)).collect();
    assert_eq!(keys.len(), 6);
    let sessions: BTreeSet<u64> = found.iter().map(|event| event.session).collect();
    assert_eq!(sessions.len(), 3);
}

#[test]
fn repetitions_follow_after_the_seam_with_sessions_of_their_own() {
    let spec = ReplaySpec { repeat: Repeat { times: 3, seam_ns: 7 }, ..identity() };
    assert_eq!(times(&spec, 10, &[0, 9]), [0, 9, 17, 26, 34, 43]);
    assert_eq!(length_ns(&spec, 10, &[0, 9]), 44);
    let found = run(&spec, 1, 10, &events(&[0, 9])).unwrap();
    assert_eq!(found.iter().map(|event| event.copy).collect::<Vec<_>>(), [0, 0, 1, 1, 2, 2]);
    let sessions: BTreeSet<u64> = found.iter().map(|event| event.session).collect();
    assert_eq!(sessions.len(), 3);
    // The seam is in replay time: the speed leaves it alone.
    let fast = ReplaySpec { speed: 10.0, ..spec };
    assert_eq!(times(&fast, 100, &[0, 90]), [0, 9, 17, 26, 34, 43]);
}

#[test]
fn sessions_are_kept_or_left_out_as_a_whole() {
    let source: Vec<i64> = (0..6_000).collect();
    let thin = Some(Thin { p: 0.25, by: ThinBy::Session });
    let found = run(&ReplaySpec { thin, ..identity() }, 5, 6_000, &events(&source)).unwrap();
    let mut kept = BTreeMap::new();
    found.iter().for_each(|event| *kept.entry(event.session).or_insert(0) += 1);
    assert!(kept.values().all(|&count| count == 3));
    // Binomial: 500 ± 19 of 2,000 sessions.
    assert!((420..=580).contains(&kept.len()), "{}", kept.len());
    // Without sessions every event is decided by itself.
    let nobody: Vec<Event> =
        events(&source).into_iter().map(|event| Event { session: 0, ..event }).collect();
    let found = run(&ReplaySpec { thin, ..identity() }, 5, 6_000, &nobody).unwrap();
    assert!((1_360..=1_640).contains(&found.len()), "{}", found.len());
}

#[test]
fn a_copied_session_keeps_its_order_and_gaps() {
    let source: Vec<i64> = (0..900).map(|k| k / 3 * 1_000 + k % 3 * 37).collect();
    let copies = Some(Copies { n: 3, jitter_ns: 50_000, keep_session_order: true });
    let spec = ReplaySpec { copies, ..identity() };
    let found = run(&spec, 9, 300_000, &events(&source)).unwrap();
    assert_eq!(found.len(), 2_700);
    let mut sessions: BTreeMap<u64, Vec<i64>> = BTreeMap::new();
    found.iter().for_each(|event| sessions.entry(event.session).or_default().push(event.t_ns));
    assert_eq!(sessions.len(), 900);
    for times in sessions.values() {
        assert_eq!([times[1] - times[0], times[2] - times[1]], [37, 37]);
    }
    assert_eq!(length_ns(&spec, 300_000, &source), 350_000);
}

#[test]
fn the_event_itself_stays_and_copies_are_moved_about_it() {
    let source: Vec<i64> = (0..2_000).map(|k| 1_000 * k).collect();
    let copies = Some(Copies { n: 4, jitter_ns: 10_000, keep_session_order: false });
    let found = run(&ReplaySpec { copies, ..identity() }, 3, 2_000_000, &events(&source)).unwrap();
    let of_copy = |copy| found.iter().filter(move |event| event.copy == copy);
    assert!(of_copy(0).map(|event| event.t_ns).eq(source.iter().copied()));
    for copy in 1..4 {
        let off: Vec<i64> = of_copy(copy)
            .filter(|event| (10..1_990).contains(&event.row))
            .map(|event| event.t_ns - 1_000 * event.row as i64)
            .collect();
        assert!(off.iter().all(|off| (-5_000..5_000).contains(off)));
        let mean = off.iter().sum::<i64>() as f64 / off.len() as f64;
        // A uniform of this width spreads by 2,887; the mean of 1,980 by 65.
        assert!(mean.abs() < 260.0, "{mean}");
    }
}

#[test]
fn a_constant_rate_stays_constant_up_to_the_ends() {
    let source: Vec<i64> = (0..10_000).map(|k| 100 * k).collect();
    let copies = Some(Copies { n: 11, jitter_ns: 200_000, keep_session_order: false });
    let found = run(&ReplaySpec { copies, ..identity() }, 3, 1_000_000, &events(&source)).unwrap();
    for bin in 0..20 {
        let bin = bin * 50_000..(bin + 1) * 50_000;
        let count = found.iter().filter(|event| bin.contains(&event.t_ns)).count() as f64;
        assert!((count / 5_500.0 - 1.0).abs() < 0.06, "{bin:?} {count}");
    }
}

#[test]
fn memory_is_bounded_by_the_jitter() {
    let source: Vec<i64> = (0..20_000).map(|k| 1_000 * k).collect();
    for keep_session_order in [false, true] {
        let copies = Some(Copies { n: 5, jitter_ns: 100_000, keep_session_order });
        let source = events(&source);
        let open = || Ok::<_, ReplayError>(source.iter().cloned().map(Ok));
        let mut replay = replay(&ReplaySpec { copies, ..identity() }, 1, 20_000_000, open).unwrap();
        assert_eq!(replay.by_ref().count(), 100_000);
        // 100 events lie inside one jitter.
        assert!((200..=5 * 102).contains(&replay.held_max()), "{}", replay.held_max());
    }
}

#[test]
fn nothing_is_read_twice_that_need_not_be() {
    let opened = Cell::new(0);
    let source = events(&[0, 5]);
    let opens = |spec: &ReplaySpec| {
        opened.set(0);
        let open = || {
            opened.set(opened.get() + 1);
            Ok::<_, ReplayError>(source.iter().cloned().map(Ok))
        };
        assert!(replay(spec, 1, 10, open).unwrap().all(|event| event.is_ok()));
        opened.get()
    };
    assert_eq!(opens(&identity()), 1);
    assert_eq!(opens(&ReplaySpec { max_gap_ns: Some(1), ..identity() }), 2);
    assert_eq!(opens(&ReplaySpec { repeat: Repeat { times: 3, seam_ns: 0 }, ..identity() }), 3);
    let overlap = Some(Overlap { n: 3, shift_ns: 2 });
    assert_eq!(opens(&ReplaySpec { overlap, ..identity() }), 5);
}

#[test]
fn what_became_of_the_events_is_counted() {
    let source: Vec<Event> = events(&(0..100).collect::<Vec<i64>>())
        .into_iter()
        .map(|event| Event { status: Some(200 + (event.row % 2) as u16 * 300), ..event })
        .collect();
    let filter = Filter { statuses: vec![200..=299], ..Filter::default() };
    let thin = Some(Thin { p: 0.5, by: ThinBy::Event });
    let repeat = Repeat { times: 2, seam_ns: 0 };
    let overlap = Some(Overlap { n: 2, shift_ns: 7 });
    let spec =
        ReplaySpec { from_ns: 20, to_ns: Some(80), filter, thin, repeat, overlap, ..identity() };
    let open = || Ok::<_, ReplayError>(source.iter().cloned().map(Ok));
    let mut replay = replay(&spec, 4, 100, open).unwrap();
    assert_eq!(replay.copies(), 4);
    let sent = replay.by_ref().count() as u64;
    let counts = replay.counts();
    assert_eq!((counts.read, counts.before_slice, counts.filtered), (80, 20, 30));
    assert_eq!(counts.kept + counts.thinned, 30);
    assert!(counts.kept > 5 && counts.thinned > 5);
    assert_eq!(sent, 4 * counts.kept);
}

#[test]
fn a_damaged_timeline_is_refused_and_its_errors_are_passed_on() {
    assert_eq!(
        run(&identity(), 1, 10, &events(&[0, 5, 4])),
        Err(ReplayError::NotAscending { row: 2, t_ns: 4, before_ns: 5 })
    );
    for (t_ns, spec) in
        [(10, identity()), (-1, identity()), (10, ReplaySpec { max_gap_ns: Some(5), ..identity() })]
    {
        assert_eq!(
            run(&spec, 1, 10, &events(&[t_ns])),
            Err(ReplayError::OutsideSpan { row: 0, t_ns, span_ns: 10 })
        );
    }
    let copies = Some(Copies { n: 2, jitter_ns: 11, keep_session_order: false });
    assert_eq!(
        run(&ReplaySpec { copies, ..identity() }, 1, 10, &events(&[1])),
        Err(ReplayError::JitterTooLong { jitter_ns: 11, length_ns: 10 })
    );
    let endless =
        ReplaySpec { repeat: Repeat { times: u32::MAX, seam_ns: i64::MAX }, ..identity() };
    assert_eq!(run(&endless, 1, 10, &events(&[1])), Err(ReplayError::TooLong));
    // After an error there is nothing more.
    let source = events(&[0, 5, 4, 6]);
    let open = || Ok::<_, ReplayError>(source.iter().cloned().map(Ok));
    let found: Vec<_> = replay(&identity(), 1, 10, open).unwrap().take(10).collect();
    assert!(found.last().unwrap().is_err());
    assert_eq!(found.iter().filter(|event| event.is_err()).count(), 1);
}

fn specs() -> impl Strategy<Value = ReplaySpec> {
    let slice = (0_i64..300, 400_i64..1_200);
    let base = (slice, 0.2_f64..1.0, proptest::option::of(1_i64..50));
    let scale = (1_u32..4, 0_i64..2_000, 1_u32..4, 0_i64..20, proptest::bool::ANY);
    let end = (0.1_f64..10.0, 1_u32..4, 0_i64..50);
    (base, scale, end, Just(())).prop_map(|(base, scale, end, ())| {
        let ((from_ns, to_ns), p, max_gap_ns) = base;
        let (overlaps, shift_ns, copies, jitter_ns, keep_session_order) = scale;
        let (speed, times, seam_ns) = end;
        ReplaySpec {
            from_ns,
            to_ns: Some(to_ns),
            filter: Filter::default(),
            thin: Some(Thin { p, by: ThinBy::Event }),
            max_gap_ns,
            overlap: Some(Overlap { n: overlaps, shift_ns }),
            copies: Some(Copies { n: copies, jitter_ns, keep_session_order }),
            speed,
            repeat: Repeat { times, seam_ns },
        }
    })
}

proptest! {
    #[test]
    fn counts_add_up_order_holds_and_the_seed_decides(
        spec in specs(), seed in 0_u64..1_000, mut source_ns in proptest::collection::vec(0_i64..1_000, 40..80),
    ) {
        source_ns.sort_unstable();
        let source = events(&source_ns);
        // `run` asserts that times ascend inside the length.
        let found = match run(&spec, seed, 1_000, &source) {
            Err(ReplayError::JitterTooLong { .. }) => return Ok(()),
            found => found.unwrap(),
        };
        let open = || Ok::<_, ReplayError>(source.iter().cloned().map(Ok));
        let mut replay = replay(&spec, seed, 1_000, open).unwrap();
        prop_assert_eq!(replay.by_ref().count(), found.len());
        prop_assert_eq!(found.len() as u64, replay.counts().kept * replay.copies());
        let keys: BTreeSet<(u64, u32)> = found.iter().map(|event| (event.row, event.copy)).collect();
        prop_assert_eq!(keys.len(), found.len());
        prop_assert!(found.iter().all(|event| u64::from(event.copy) < replay.copies()));
        prop_assert_eq!(run(&spec, seed, 1_000, &source).unwrap(), found);
    }
}

/// Instants of a Poisson process whose rate is one of two, as long as an exponential stay.
fn bursty(seed: u64, span_ns: i64) -> Vec<i64> {
    let mut state = seed;
    let mut exponential = |mean_ns: f64| {
        state = mix(state);
        -mean_ns * (1.0 - (state >> 11) as f64 / (1_u64 << 53) as f64).ln()
    };
    let (mut now, mut is_high, mut times) = (0.0, false, Vec::new());
    while now < span_ns as f64 {
        let end = now + exponential(if is_high { 3e9 } else { 12e9 });
        let gap_ns = if is_high { 1e9 / 20.0 } else { 1e9 / 3.0 };
        let mut next = now + exponential(gap_ns);
        while next < end.min(span_ns as f64) {
            times.push(next as i64);
            next += exponential(gap_ns);
        }
        (now, is_high) = (end, !is_high);
    }
    times
}

const WINDOWS_NS: [i64; 4] = [SECOND_NS / 10, SECOND_NS, 10 * SECOND_NS, 60 * SECOND_NS];

fn indices(
    times_ns: impl IntoIterator<Item = i64>,
    length_ns: i64,
    windows_ns: &[i64],
) -> Vec<f64> {
    let mut burstiness = Burstiness::new(0, windows_ns);
    times_ns.into_iter().for_each(|t_ns| burstiness.add(t_ns));
    let windows = burstiness.finish(length_ns).dispersion;
    windows.into_iter().map(|window| window.index.unwrap()).collect()
}

/// Means over seeds of the index of dispersion after a specification.
fn mean_indices(spec: &ReplaySpec, times_ns: &[i64], span_ns: i64, seeds: u64) -> Vec<f64> {
    let source = events(times_ns);
    let mut sums = vec![0.0; WINDOWS_NS.len()];
    for seed in 0..seeds {
        let found = run(spec, seed, span_ns, &source).unwrap();
        let length_ns = length_ns(spec, span_ns, times_ns);
        let indices = indices(found.iter().map(|event| event.t_ns), length_ns, &WINDOWS_NS);
        sums.iter_mut().zip(indices).for_each(|(sum, index)| *sum += index / seeds as f64);
    }
    sums
}

/// The index of dispersion at windows from 10 ms to 300 s, twelve to a decade, and at the windows
/// that a speed of 2 or 4 asks for: between long windows, of which there are few, it is rough.
fn curve(times_ns: &[i64], span_ns: i64) -> DispersionCurve {
    let grid = (0..54).map(|step| (1e7 * 10_f64.powf(f64::from(step) / 12.0)) as i64);
    let asked = [1, 2, 4].into_iter().flat_map(|speed| WINDOWS_NS.map(|window| speed * window));
    let windows: Vec<i64> = grid.chain(asked).collect();
    let indices = indices(times_ns.iter().copied(), span_ns, &windows);
    DispersionCurve::new(windows.into_iter().zip(indices))
}

#[test]
fn scaled_traces_are_as_bursty_as_the_formulas_say() {
    let span_ns = 3_600 * SECOND_NS;
    let source = bursty(11, span_ns);
    let curve = curve(&source, span_ns);
    let thin = ReplaySpec { thin: Some(Thin { p: 0.25, by: ThinBy::Event }), ..identity() };
    let copies = |jitter_ns, keep_session_order| ReplaySpec {
        copies: Some(Copies { n: 4, jitter_ns, keep_session_order }),
        ..identity()
    };
    for spec in [
        identity(),
        thin.clone(),
        ReplaySpec { speed: 4.0, ..identity() },
        copies(SECOND_NS / 2, false),
        copies(3 * SECOND_NS, false),
        ReplaySpec { speed: 2.0, ..copies(2 * SECOND_NS, false) },
        ReplaySpec { thin: thin.thin, ..copies(SECOND_NS, false) },
    ] {
        let known = expected(&spec, &curve, &WINDOWS_NS).dispersion;
        let is_drawn = spec.thin.is_some() || spec.copies.is_some();
        let found = mean_indices(&spec, &source, span_ns, if is_drawn { 20 } else { 1 });
        for (known, found) in known.iter().zip(found) {
            assert!((found / known.low - 1.0).abs() < 0.05, "{spec:?} {known:?} {found}");
        }
    }
}

/// The first 4,999 requests of the Azure conversation trace, ns since the first.
fn azure() -> (Vec<i64>, i64) {
    let text = include_bytes!("../../samples/azure_llm_2023_conv_first5000.csv");
    let lines = text.split(|&byte| byte == b'\n').skip(1).filter(|line| !line.is_empty());
    let stamps: Vec<i64> = lines
        .map(|line| parse_rfc3339(line.split(|&byte| byte == b',').next().unwrap()).unwrap())
        .collect();
    let times: Vec<i64> = stamps.iter().map(|stamp| stamp - stamps[0]).collect();
    let span_ns = times[times.len() - 1] + 1;
    (times, span_ns)
}

/// All numbers are printed by `samples/known_answers.py`, which shares no code with this crate.
#[test]
fn a_real_trace_is_scaled_as_another_program_scales_it() {
    let (source, span_ns) = azure();
    assert_eq!((source.len(), span_ns), (4_999, 1_023_123_220_001));
    let mut burstiness = Burstiness::new(0, &WINDOWS_NS);
    source.iter().for_each(|&t_ns| burstiness.add(t_ns));
    let figures = burstiness.finish(span_ns);
    assert_eq!(figures.peak_per_s, 12);
    assert!((figures.gap_cv2.unwrap() - 1.127_403_094_976).abs() < 1e-9);

    let exactly = |spec: &ReplaySpec, known: [f64; 4]| {
        let found = mean_indices(spec, &source, span_ns, 1);
        let is_near = |(found, known): (&f64, f64)| (found - known).abs() < 2e-6;
        assert!(found.iter().zip(known).all(is_near), "{spec:?} {found:?}");
    };
    exactly(&identity(), [1.045_000, 1.144_665, 1.668_129, 5.031_633]);
    let fast = ReplaySpec { speed: 4.0, ..identity() };
    exactly(&fast, [1.092_612, 1.418_631, 4.459_247, 3.229_357]);
    let overlap = Some(Overlap { n: 4, shift_ns: span_ns / 4 });
    exactly(&ReplaySpec { overlap, ..identity() }, [1.023_637, 0.981_453, 1.279_487, 1.454_633]);

    // Draws of another generator: four standard errors of both means.
    let about = |spec: &ReplaySpec, known: [f64; 4], tolerance: [f64; 4]| {
        let found = mean_indices(spec, &source, span_ns, 40);
        for ((found, known), tolerance) in found.iter().zip(known).zip(tolerance) {
            assert!((found - known).abs() < tolerance, "{spec:?} {found} {known}");
        }
    };
    let thin = Some(Thin { p: 0.25, by: ThinBy::Event });
    about(
        &ReplaySpec { thin, ..identity() },
        [1.0135, 1.0371, 1.1493, 1.9445],
        [0.010, 0.034, 0.103, 0.341],
    );
    let copies = |jitter_ns| ReplaySpec {
        copies: Some(Copies { n: 4, jitter_ns, keep_session_order: false }),
        ..identity()
    };
    about(&copies(SECOND_NS / 2), [1.6570, 4.0893, 6.6597, 20.1577], [0.015, 0.034, 0.042, 0.069]);
    about(&copies(5 * SECOND_NS), [1.1044, 1.9256, 6.5751, 19.8302], [0.013, 0.038, 0.104, 0.201]);
}
