//! Several runs on each side: each run is one value.
//!
//! With the values `a` and `b` of m and n independent runs, U counts the pairs in which b is the
//! greater (a tie counts half). When both sides have the same law every choice of m of the m + n
//! ranks is equally likely, which gives the exact distribution of U (Mann & Whitney 1947). The
//! estimate of the shift is the median of all m·n differences, its interval lies between two of
//! them (Hodges & Lehmann 1963; Lehmann, *Nonparametrics*, §2.3).
//!
//! Three runs on each side cannot show anything at the 5 % level: the least two-sided p-value is
//! 2 / C(6, 3) = .1. Four can: 2 / C(8, 4) = .029.

use super::Effect;

/// Fewest runs on each side.
pub const RUNS_MIN: usize = 4;

/// Median of the differences between all values of `b` and all of `a`.
pub fn hodges_lehmann(a: &[f64], b: &[f64]) -> Option<f64> {
    crate::numeric::median(differences(a, b))
}

/// Pairs in which the value of `b` is the greater; a tie counts half.
pub fn mann_whitney_u(a: &[f64], b: &[f64]) -> f64 {
    let score = |&difference: &f64| {
        if difference > 0.0 {
            1.0
        } else if difference == 0.0 {
            0.5
        } else {
            0.0
        }
    };
    differences(a, b).iter().map(score).sum()
}

/// Two-sided p-value of the exact Mann–Whitney test.
pub fn two_sided(a: &[f64], b: &[f64]) -> f64 {
    let law = Law::new(a.len(), b.len());
    let u = mann_whitney_u(a, b);
    (2.0 * law.at_least(u).min(law.at_most(u))).min(1.0)
}

/// Tests the shift from `a` to `b` against ± `threshold`.
pub fn effect(a: &[f64], b: &[f64], threshold: f64) -> Effect {
    let law = Law::new(a.len(), b.len());
    let moved = |by: f64| -> Vec<f64> { b.iter().map(|value| value - by).collect() };
    let mut sorted = differences(a, b);
    sorted.sort_by(f64::total_cmp);
    let outside = law.outside();
    let finite = |value: f64| Some(value).filter(|value| value.is_finite());
    let end = |index: Option<usize>| index.and_then(|index| finite(sorted[index]));
    Effect {
        change: hodges_lehmann(a, b).and_then(finite),
        low: end(outside.checked_sub(1)),
        high: end((outside > 0).then(|| sorted.len() - outside)),
        p_worse: law.at_least(mann_whitney_u(a, &moved(threshold))),
        p_better: law.at_most(mann_whitney_u(a, &moved(-threshold))),
        error: None,
    }
}

/// Least one-sided p-value that so many runs can give.
pub fn least_p(a: usize, b: usize) -> f64 {
    Law::new(a, b).at_most(0.0)
}

/// Two values that both lie among failures differ by nothing that is known.
fn differences(a: &[f64], b: &[f64]) -> Vec<f64> {
    let pairs = b.iter().flat_map(|b| a.iter().map(move |a| b - a));
    pairs.map(|difference| if difference.is_nan() { 0.0 } else { difference }).collect()
}

/// Exact distribution of U when the sides have the same law.
struct Law {
    /// Probability of each value of U.
    probabilities: Vec<f64>,
}

impl Law {
    fn new(a: usize, b: usize) -> Self {
        // ways[k][u]: choices of k ranks for `b` so far whose pairs won are u. The rank that is
        // added beats the ranks below it that `a` kept.
        let mut ways = vec![vec![0.0_f64; a * b + 1]; b + 1];
        ways[0][0] = 1.0;
        for rank in 0..a + b {
            for chosen in (0..b.min(rank + 1)).rev() {
                let won = rank - chosen;
                for u in (won..=a * b).rev() {
                    ways[chosen + 1][u] += ways[chosen][u - won];
                }
            }
        }
        let counts = ways.swap_remove(b);
        let total: f64 = counts.iter().sum();
        Self { probabilities: counts.into_iter().map(|count| count / total).collect() }
    }

    /// P(U ≥ u); a half is cut, which can only make it larger.
    fn at_least(&self, u: f64) -> f64 {
        self.probabilities.iter().skip(u.floor() as usize).sum::<f64>().min(1.0)
    }

    /// P(U ≤ u); a half is rounded up, which can only make it larger.
    fn at_most(&self, u: f64) -> f64 {
        self.probabilities.iter().take(u.ceil() as usize + 1).sum::<f64>().min(1.0)
    }

    /// Differences at each end that lie outside the 95 % interval, and the one that bounds it.
    fn outside(&self) -> usize {
        let mut reached = 0.0;
        let inside = |&&probability: &&f64| {
            reached += probability;
            reached <= super::LEVEL
        };
        self.probabilities.iter().take_while(inside).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [f64; 5] = [1.1, 2.2, 3.3, 4.4, 5.5];
    const B: [f64; 5] = [2.0, 3.1, 4.2, 5.3, 6.4];

    #[test]
    fn shift_u_and_p_are_those_of_the_oracle() {
        assert!((hodges_lehmann(&A, &B).unwrap() - 0.9).abs() < 1e-9);
        assert_eq!(mann_whitney_u(&A, &B).to_string(), "15");
        assert!((two_sided(&A, &B) - 0.6905).abs() < 5e-5, "{}", two_sided(&A, &B));
    }

    /// Mann & Whitney 1947, table of n = 4: P(U ≤ 0, 1, 2 …) for m = 4 in seventieths.
    #[test]
    fn the_law_of_four_and_four_is_the_published_one() {
        let law = Law::new(4, 4);
        let counts: Vec<u64> =
            law.probabilities.iter().map(|p| (70.0 * p).round() as u64).collect();
        assert_eq!(counts, [1, 1, 2, 3, 5, 5, 7, 7, 8, 7, 7, 5, 5, 3, 2, 1, 1]);
        assert!((least_p(4, 4) - 1.0 / 70.0).abs() < 1e-12);
        // R: `wilcox.test(1:4, 5:8, conf.int = TRUE)` bounds the shift by the extremes.
        assert_eq!(law.outside(), 1);
    }

    #[test]
    fn a_shift_beyond_the_threshold_is_found_and_one_within_is_not() {
        let base = [1.00, 1.01, 1.02, 1.03, 1.04];
        let moved = base.map(|value| value + 0.30);
        let found = effect(&base, &moved, 0.10);
        assert!((found.change.unwrap() - 0.30).abs() < 1e-9);
        assert!(found.p_worse < 0.005 && found.p_better > 0.9, "{found:?}");
        assert!(found.low.unwrap() > 0.25 && found.high.unwrap() < 0.35, "{found:?}");
        let within = effect(&base, &moved, 0.40);
        assert!(within.p_worse > 0.9, "{within:?}");
    }

    #[test]
    fn failures_are_the_slowest_and_leave_the_shift_open() {
        let failed = effect(&[1.0, 1.1, 1.2, 1.3], &[f64::INFINITY; 4], 0.1);
        assert_eq!((failed.change, failed.low), (None, None));
        assert!((failed.p_worse - 1.0 / 70.0).abs() < 1e-12);
        let both = effect(&[f64::INFINITY; 4], &[f64::INFINITY; 4], 0.1);
        assert!(both.p_worse > 0.4, "{both:?}");
    }
}
