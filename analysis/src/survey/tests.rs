//! Going through the rows finds what sorting a copy of them finds.

use openload_contract::{Outcome, Role};
use proptest::prelude::*;

use super::passes::quantiles_copying;
use super::{Measure, Question, Survey};
use crate::decompose::PARTS;
use crate::run::Run;
use crate::testing::{Simulated, exponential, fail, open, phase};

/// A run of some thousand rows whose times are spread, the same, or absurd.
fn run(seed: u64) -> Run {
    let phases = [
        phase("warm", Role::Warmup, 400.0, 1.0),
        phase("calm", Role::Steady, 300.0, 6.0),
        phase("brief", Role::Steady, 20.0, 0.1),
        phase("busy", Role::Steady, 900.0, 4.0),
    ];
    let mut run = Simulated::seeded(&phases, 5_000_000, seed);
    let noise = exponential(seed, run.rows.len());
    for (row, noise) in run.rows.iter_mut().zip(noise) {
        row.lag_ns = (noise * 3e4) as i64;
        row.sent_ns = Some(row.lag_ns + 15_000);
        row.response_ns = match row.seq % 11 {
            0..4 => 5_000_000,
            4 => 5_000_000 + (row.seq % 3) as i64,
            5 => 1 << (row.seq % 62),
            _ => (noise * noise * 8e6) as i64 + 60_000,
        };
        row.ttfb_ns = Some(row.response_ns - 10_000);
        match row.seq % 29 {
            3 => fail(row, Outcome::Dropped),
            5 => fail(row, Outcome::HttpError),
            _ => {}
        }
        if seed % 2 == 1 && row.seq % 2 == 0 {
            fail(row, Outcome::Timeout);
        }
    }
    open(&run)
}

const MEASURES: [Measure; 6] = [
    Measure::Response,
    Measure::ResponseOk,
    Measure::Service,
    Measure::Lag,
    Measure::WithoutOwn,
    Measure::Recorded,
];

fn question(run: &Run, levels: Vec<f64>) -> Question<'_> {
    let columns = run.samples.columns();
    let group = |phase: &str| match phase {
        "calm" | "brief" => Some(0),
        "busy" => Some(1),
        _ => None,
    };
    Question {
        rows: columns.rows(|kind| kind.is_measured),
        group_of_kind: columns.kinds().iter().map(|kind| group(&kind.phase)).collect(),
        groups: 3,
        measures: MEASURES.to_vec(),
        starts_ns: run.starts_ns(),
        levels,
    }
}

#[test]
fn a_survey_is_that_of_a_copy() {
    for seed in 0..6 {
        let run = run(seed);
        let mut levels = Survey::table_levels();
        levels.extend([0.01, 0.333, 0.999_99, 1.0]);
        let question = question(&run, levels);
        let (copied, surveyed) = (question.answer_copying(usize::MAX), question.answer_copying(0));
        assert_eq!(copied.len(), 3);
        assert!(copied[0][0].count > 1_000 && copied[2][0].is_empty());
        for (copied, surveyed) in copied.iter().flatten().zip(surveyed.iter().flatten()) {
            assert_eq!(copied, surveyed);
        }
    }
}

#[test]
fn times_that_are_all_alike_are_not_kept() {
    // Cells of more than a hundred values would be counted in finer ones.
    let run = run(2);
    let rows = run.samples.columns().all().sent();
    let measures: Vec<Measure> = (0..PARTS.len()).map(Measure::Part).collect();
    let levels = [0.5, 0.99, 0.001];
    let copied = quantiles_copying(&rows, &measures, &levels, usize::MAX);
    assert_eq!(copied, quantiles_copying(&rows, &measures, &levels, 0));
    let none = run.samples.columns().rows(|_| false);
    assert_eq!(quantiles_copying(&none, &measures, &levels, 0), vec![vec![None; 3]; 5]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_quantile_is_that_of_a_sort(seed in 0_u64..40, level in 0.0001_f64..1.0) {
        let run = run(seed);
        let rows = run.samples.columns().all();
        let copied = quantiles_copying(&rows, &MEASURES, &[level], usize::MAX);
        prop_assert_eq!(copied, quantiles_copying(&rows, &MEASURES, &[level], 0));
    }
}
