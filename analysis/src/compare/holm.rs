//! Many metrics, one probability of a false alarm.
//!
//! Holm, "A simple sequentially rejective multiple test procedure", *Scandinavian Journal of
//! Statistics* 6 (1979): the k-th smallest of m p-values is multiplied by m − k + 1, and none may
//! be smaller than the one before. Whatever the metrics have to do with each other, the
//! probability of any false rejection is at most the level.

/// Adjusts p-values for having been looked at together.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut reached = 0.0_f64;
    for (place, &index) in order.iter().enumerate() {
        let factor = (p_values.len() - place) as f64;
        reached = reached.max((factor * p_values[index]).min(1.0));
        adjusted[index] = reached;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::holm;

    /// R: `p.adjust(c(.01, .04, .03, .005), "holm")`.
    #[test]
    fn the_adjusted_values_are_those_of_r() {
        let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]);
        for (found, expected) in adjusted.into_iter().zip([0.03, 0.06, 0.06, 0.02]) {
            assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
        }
        assert_eq!(holm(&[]), [0.0; 0]);
        assert_eq!(holm(&[0.6, 0.9]), [1.0, 1.0]);
    }
}
