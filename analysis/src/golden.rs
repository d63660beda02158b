//! The statistics held against numpy and scipy: `analysis/golden/make.py` made the file.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::capacity::scalability;
use crate::change_point::{line_squares, ranks};
use crate::law::{distance, kolmogorov};
use crate::numeric::{autocorrelation, median, robust_sd, variance};
use crate::objectives::wilson;
use crate::quantile::{binomial_ranks, of_sorted};
use crate::trend::{Line, MannKendall};

#[derive(Deserialize)]
struct Golden {
    series: Vec<Series>,
    binomial: Vec<Ranks>,
    wilson: Vec<Share>,
    kolmogorov: Vec<Uniform>,
    scalability: Throughput,
}

#[derive(Deserialize)]
struct Series {
    name: String,
    values: Vec<f64>,
    quantiles: BTreeMap<String, f64>,
    variance: f64,
    median: f64,
    robust_sd: f64,
    autocorrelation_1: f64,
    ranks: Vec<f64>,
    theil_sen: TheilSen,
    mann_kendall: Trend,
    line_squares: f64,
}

#[derive(Deserialize)]
struct TheilSen {
    slope: f64,
    intercept: f64,
}

#[derive(Deserialize)]
struct Trend {
    score: i64,
    variance: f64,
    p: f64,
}

#[derive(Deserialize)]
struct Ranks {
    n: u64,
    p: f64,
    low: u64,
    high: u64,
}

#[derive(Deserialize)]
struct Share {
    failed: u32,
    n: u32,
    low: f64,
    high: f64,
}

#[derive(Deserialize)]
struct Uniform {
    values: Vec<f64>,
    distance: f64,
    p: f64,
}

#[derive(Deserialize)]
struct Throughput {
    n: Vec<f64>,
    x: Vec<f64>,
    lambda: f64,
    alpha: f64,
    beta: f64,
    direct: [f64; 3],
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../golden/statistics.json")).unwrap()
}

#[track_caller]
fn assert_near(found: f64, expected: f64, relative: f64, what: &str) {
    let error = (found - expected).abs();
    assert!(error <= relative * expected.abs().max(1e-9), "{what}: {found}, expected {expected}");
}

#[test]
fn series_are_described_as_numpy_and_scipy_do() {
    for series in golden().series {
        let (name, values) = (&series.name, &series.values);
        let mut sorted = values.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        for (level, expected) in &series.quantiles {
            assert_eq!(
                of_sorted(&sorted, level.parse().unwrap()),
                Some(*expected),
                "{name} {level}"
            );
        }
        let middle = median(values.clone()).unwrap();
        assert_near(middle, series.median, 1e-12, name);
        assert_near(variance(values), series.variance, 1e-12, name);
        assert_near(robust_sd(values, middle), series.robust_sd, 1e-12, name);
        assert_near(autocorrelation(values, 1), series.autocorrelation_1, 1e-10, name);
        assert_eq!(ranks(values), series.ranks, "{name}");
        let times: Vec<f64> = (0..values.len()).map(|time| time as f64).collect();
        let line = Line::fit(&times, values).unwrap();
        assert_near(line.slope, series.theil_sen.slope, 1e-9, name);
        assert_near(line.start, series.theil_sen.intercept, 1e-9, name);
        assert_near(line_squares(&times, values), series.line_squares, 1e-9, name);
        let (test, expected) = (MannKendall::of(values), &series.mann_kendall);
        assert_eq!(test.score, expected.score, "{name}");
        assert_near(test.variance, expected.variance, 1e-12, name);
        assert_near(test.p_value, expected.p, 1e-6, name);
    }
}

#[test]
fn ranks_of_an_interval_are_those_of_the_binomial_law() {
    for Ranks { n, p, low, high } in golden().binomial {
        let expected = (low, (high <= n).then_some(high));
        assert_eq!(binomial_ranks(n, p), expected, "n {n}, p {p}");
    }
}

#[test]
fn shares_have_the_interval_of_wilson() {
    for Share { failed, n, low, high } in golden().wilson {
        let interval = wilson(f64::from(failed) / f64::from(n), f64::from(n));
        assert!((interval.low.unwrap() - low).abs() < 1e-7, "{failed} of {n}: {interval:?}");
        assert!((interval.high.unwrap() - high).abs() < 1e-7, "{failed} of {n}: {interval:?}");
    }
}

/// Stephens' formula is an approximation; scipy's p-values are exact.
#[test]
fn distances_have_nearly_their_exact_p_value() {
    for Uniform { values, distance: expected, p } in golden().kolmogorov {
        let found = distance(&values, |value| value);
        assert_near(found, expected, 1e-12, "distance");
        let found = kolmogorov(found, values.len());
        assert!((found - p).abs() < 0.005 + 0.05 * p, "{found}, exactly {p}");
    }
}

/// The linear form weighted for relative errors is near the direct fit of the law.
#[test]
fn the_scalability_law_is_fitted_as_least_squares_do() {
    let Throughput { n, x, lambda, alpha, beta, direct } = golden().scalability;
    let law = scalability(&n.into_iter().zip(x).collect::<Vec<_>>()).unwrap();
    for (found, expected) in [(law.lambda, lambda), (law.alpha, alpha), (law.beta, beta)] {
        assert_near(found, expected, 1e-6, "law");
    }
    assert_near(law.lambda, direct[0], 0.01, "λ");
    assert_near(law.alpha, direct[1], 0.05, "α");
    assert_near(law.beta, direct[2], 0.05, "β");
}
