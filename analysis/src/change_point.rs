//! Where the level of a series changes.
//!
//! Optimal partitioning of the ranks under squared error, with a penalty of `3·ln n·σ̂²` for
//! each change and segments of at least five values: what PELT (Killick et al. 2012) finds
//! without visiting every split. A series has a hundred or so windows, so every split is
//! visited here.

use crate::numeric::{mean, robust_sd};

/// Fewest windows between two change points.
const SEGMENT_MIN: usize = 5;

/// Ranks from 1; ties share the mean of theirs.
pub fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut next = 0;
    for tied in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = next as f64 + 0.5 * (tied.len() + 1) as f64;
        tied.iter().for_each(|&index| ranks[index] = rank);
        next += tied.len();
    }
    ranks
}

/// Sum of squares around the mean.
pub fn squares(values: &[f64]) -> f64 {
    let center = mean(values);
    values.iter().map(|value| (value - center).powi(2)).sum()
}

/// Squares that the least-squares line leaves.
pub fn line_squares(times: &[f64], values: &[f64]) -> f64 {
    let (t_mean, y_mean) = (mean(times), mean(values));
    let pairs = || times.iter().zip(values).map(|(t, y)| (t - t_mean, y - y_mean));
    let spread: f64 = pairs().map(|(t, _)| t * t).sum();
    let shared: f64 = pairs().map(|(t, y)| t * y).sum();
    squares(values) - if spread > 0.0 { shared * shared / spread } else { 0.0 }
}

/// Beginnings of the segments after the first one, by optimal partitioning.
pub fn change_points(values: &[f64]) -> Vec<usize> {
    let count = values.len();
    let penalty = 3.0 * (count as f64).ln() * noise_variance(values);
    let cost = SegmentCost::new(values);
    // best[end]: cheapest partition of the first `end` values, and where its last segment begins.
    let mut best = vec![(f64::INFINITY, 0); count + 1];
    best[0] = (-penalty, 0);
    for end in SEGMENT_MIN..=count {
        let starts = std::iter::once(0).chain(SEGMENT_MIN..=end - SEGMENT_MIN);
        let starts = starts.filter(|&start| start + SEGMENT_MIN <= end);
        let options = starts.map(|start| (best[start].0 + cost.of(start, end) + penalty, start));
        best[end] = options.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((f64::INFINITY, 0));
    }
    let mut points = Vec::new();
    let mut end = count;
    while best[end].1 > 0 {
        end = best[end].1;
        points.push(end);
    }
    points.reverse();
    points
}

/// Variance of the noise, from differences of neighbours, which no level or slow trend enters.
fn noise_variance(values: &[f64]) -> f64 {
    let steps: Vec<f64> = values.windows(2).map(|pair| pair[1] - pair[0]).collect();
    (robust_sd(&steps, 0.0)).powi(2) / 2.0
}

/// Squared error of any segment around its mean, from running sums.
struct SegmentCost {
    sums: Vec<(f64, f64)>,
}

impl SegmentCost {
    fn new(values: &[f64]) -> Self {
        let mut sums = vec![(0.0, 0.0)];
        let (mut sum, mut square) = (0.0, 0.0);
        for value in values {
            sum += value;
            square += value * value;
            sums.push((sum, square));
        }
        Self { sums }
    }

    fn of(&self, start: usize, end: usize) -> f64 {
        let (low, high) = (self.sums[start], self.sums[end]);
        let sum = high.0 - low.0;
        (high.1 - low.1 - sum * sum / (end - start) as f64).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::normal;

    #[test]
    fn change_points_are_where_the_level_changes() {
        let level = |t: usize| {
            if t < 40 {
                0.0
            } else if t < 80 {
                50.0
            } else {
                20.0
            }
        };
        let noises = normal(9, 120);
        let values: Vec<f64> = (0..120).map(|t| level(t) + noises[t]).collect();
        assert_eq!(change_points(&ranks(&values)), [40, 80]);
    }
}
