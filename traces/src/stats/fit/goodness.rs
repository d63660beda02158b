//! How far apart two laws are, and whether chance explains it.

use serde::Serialize;

/// Terms of the series of the Kolmogorov distribution; the hundredth is below the last bit.
const TERMS: i32 = 100;

/// Result of a Kolmogorov–Smirnov test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct KolmogorovSmirnov {
    /// Greatest distance between the two distribution functions.
    pub distance: f64,
    /// Probability of a distance as great when the laws are equal.
    pub p_value: f64,
}

/// Result of an Anderson–Darling test, which looks harder at both tails.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct AndersonDarling {
    /// The statistic A².
    pub statistic: f64,
    /// Probability of one as great when the law is right.
    pub p_value: f64,
}

/// Tests ascending values against a law given by its distribution function; `None` without any.
pub fn kolmogorov_smirnov(sorted: &[f64], law: impl Fn(f64) -> f64) -> Option<KolmogorovSmirnov> {
    let count = sorted.len() as f64;
    let distances = (0_u32..).zip(sorted).map(|(rank, &value)| {
        let (expected, below) = (law(value), f64::from(rank) / count);
        (expected - below).max(below + 1.0 / count - expected)
    });
    let distance = distances.reduce(f64::max)?;
    Some(KolmogorovSmirnov { distance, p_value: kolmogorov(distance, count) })
}

/// Tests whether two lists of ascending values are of one law; `None` when one is empty.
pub fn kolmogorov_smirnov_two(first: &[f64], second: &[f64]) -> Option<KolmogorovSmirnov> {
    if first.is_empty() || second.is_empty() {
        return None;
    }
    let (count_1, count_2) = (first.len() as f64, second.len() as f64);
    let (mut at_1, mut at_2, mut distance) = (0, 0, 0.0_f64);
    while let (Some(&value_1), Some(&value_2)) = (first.get(at_1), second.get(at_2)) {
        // Equal values are passed on both sides before the distance is taken.
        let value = value_1.min(value_2);
        at_1 += first[at_1..].iter().take_while(|&&other| other <= value).count();
        at_2 += second[at_2..].iter().take_while(|&&other| other <= value).count();
        distance = distance.max((at_1 as f64 / count_1 - at_2 as f64 / count_2).abs());
    }
    let count = count_1 * count_2 / (count_1 + count_2);
    Some(KolmogorovSmirnov { distance, p_value: kolmogorov(distance, count) })
}

/// p-value of a Kolmogorov–Smirnov distance among `count` values (Stephens 1970).
fn kolmogorov(distance: f64, count: f64) -> f64 {
    let root = count.sqrt();
    let scaled = (root + 0.12 + 0.11 / root) * distance;
    if scaled < 0.2 {
        return 1.0;
    }
    let terms = (1..=TERMS).map(|k| {
        let sign = if k % 2 == 1 { 1.0 } else { -1.0 };
        sign * (-2.0 * f64::from(k * k) * scaled * scaled).exp()
    });
    (2.0 * terms.sum::<f64>()).clamp(0.0, 1.0)
}

/// Tests ascending values against Exp(1); `None` without any.
pub fn anderson_darling_exponential(sorted: &[f64]) -> Option<AndersonDarling> {
    let count = sorted.len() as f64;
    // A value of 0, as equal stamps leave it, has no logarithm; the least number has.
    let ln_below = |value: f64| (-(-value).exp_m1()).max(f64::MIN_POSITIVE).ln();
    let terms = (0_u32..).zip(sorted.iter().zip(sorted.iter().rev()));
    let terms = terms.map(|(rank, (&value, &opposite))| {
        (2.0 * f64::from(rank) + 1.0) * (ln_below(value) - opposite)
    });
    let sum: f64 = terms.sum();
    (!sorted.is_empty()).then(|| {
        let statistic = -count - sum / count;
        AndersonDarling { statistic, p_value: (1.0 - anderson_darling(statistic)).clamp(0.0, 1.0) }
    })
}

/// Distribution function of A² for many values (Marsaglia and Marsaglia 2004), right to 2·10⁻⁶.
fn anderson_darling(z: f64) -> f64 {
    let polynomial =
        |factors: [f64; 6]| factors.iter().rev().fold(0.0, |sum, factor| sum * z + factor);
    if z <= 0.0 {
        0.0
    } else if z < 2.0 {
        let factors = [2.000_12, 0.247_105, -0.064_982_1, 0.034_796_2, -0.011_672, 0.001_686_91];
        (-1.233_714_1 / z).exp() / z.sqrt() * polynomial(factors)
    } else {
        let factors = [1.0776, -2.306_95, 0.434_24, -0.082_433, 0.008_056, -0.000_314_6];
        (-polynomial(factors).exp()).exp()
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_distr::{Distribution, Exp1};
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;

    fn exponentials(seed: u64, count: usize) -> Vec<f64> {
        let mut chance = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut values: Vec<f64> = (0..count).map(|_| Exp1.sample(&mut chance)).collect();
        values.sort_unstable_by(f64::total_cmp);
        values
    }

    fn law(value: f64) -> f64 {
        -(-value).exp_m1()
    }

    #[test]
    fn what_is_exponential_is_rejected_as_often_as_promised() {
        let tests: [fn(u64) -> f64; 3] = [
            |seed| kolmogorov_smirnov(&exponentials(seed, 200), law).unwrap().p_value,
            |seed| anderson_darling_exponential(&exponentials(seed, 200)).unwrap().p_value,
            |seed| {
                let other = exponentials(seed + 10_000, 300);
                kolmogorov_smirnov_two(&exponentials(seed, 200), &other).unwrap().p_value
            },
        ];
        for p_value in tests {
            let rejected = (0..1_000).filter(|&seed| p_value(seed) < 0.05).count();
            // Binomial: 50 ± 7.
            assert!((25..=75).contains(&rejected), "{rejected}");
        }
    }

    #[test]
    fn what_is_not_is_found() {
        let wide: Vec<f64> = exponentials(1, 500).iter().map(|value| value * 1.5).collect();
        assert!(kolmogorov_smirnov(&wide, law).unwrap().p_value < 1e-3);
        assert!(anderson_darling_exponential(&wide).unwrap().p_value < 1e-3);
        assert!(kolmogorov_smirnov_two(&wide, &exponentials(2, 500)).unwrap().p_value < 1e-2);
    }

    #[test]
    fn known_values_come_out() {
        let ks = kolmogorov_smirnov(&[0.25, 0.5], |value| value).unwrap();
        assert_eq!(ks.distance, 0.5);
        let two = kolmogorov_smirnov_two(&[1.0, 1.0, 2.0], &[1.0, 3.0, 3.0]).unwrap();
        assert!((two.distance - 2.0 / 3.0).abs() < 1e-12);
        // Lewis (1961), whose table was simulated in part: 10 % at 1.933, 5 % at 2.492, 1 % at
        // 3.857.
        for (statistic, known) in [(1.933, 0.90), (2.492, 0.95), (3.857, 0.99)] {
            assert!((anderson_darling(statistic) - known).abs() < 5e-4);
        }
        assert_eq!(kolmogorov_smirnov(&[], law), None);
        assert_eq!(kolmogorov_smirnov_two(&[], &[1.0]), None);
        assert_eq!(anderson_darling_exponential(&[]), None);
        assert!(anderson_darling_exponential(&[0.0; 50]).unwrap().p_value < 1e-9);
    }
}
