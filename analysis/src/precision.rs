//! How well the share of rows on one side of a value is known.
//!
//! Response times are autocorrelated: neighbours share a queue. In arrival order the rows are cut
//! into 30 batches; `I_j` is the share of batch j, and the variance of the mean share is estimated
//! as `var(I)/m · (1+r)/(1−r)`, r being the lag-1 autocorrelation of I in [0, .95] (Chen & Kelton
//! 2001; Alexopoulos et al. 2019), and never below `p(1−p)/n`.
//!
//! Phases of different load differ by design and not by chance. Where a group spans several, the
//! batches are laid inside each stretch (a stratum) in proportion to its rows, deviations are
//! taken from the stratum's own mean, and `v = Σ (n_s/n)² · var_s(I)/m_s · (1+r)/(1−r)` with r
//! pooled over the strata (Cochran, *Sampling Techniques*, §5.6). One stratum gives the formula
//! above. Without it, the percentiles of every run with a surge would look unknowable.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// Batches over all strata.
const BATCHES: usize = 30;
/// Fewer rows than this per batch make the batches' shares too coarse to estimate a variance.
const BATCH_ROWS_MIN: usize = 2;
/// A variance needs two batches.
const STRATUM_BATCHES_MIN: usize = 2;

/// How well a share of rows is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Precision {
    /// Variance of the share.
    pub variance: f64,
    /// Independent rows that would know it as well.
    pub effective: f64,
    /// Half-width of the share's 95 % interval.
    pub half_width: f64,
    /// Degrees of freedom of the variance.
    pub freedom: usize,
}

/// Estimates how well the share `level` of rows for which `is_inside` holds is known; the rows
/// are in arrival order, and a new stratum begins at each of the ascending `cuts`.
pub fn share_precision<T>(
    ordered: &[T],
    cuts: &[usize],
    level: f64,
    is_inside: impl Fn(&T) -> bool,
) -> Option<Precision> {
    let count = ordered.len();
    let independent = level * (1.0 - level) / count as f64;
    if count < BATCHES * BATCH_ROWS_MIN || independent <= 0.0 {
        return None;
    }
    let (variance, freedom) = mean_variance(ordered, cuts, |row| f64::from(is_inside(row)));
    Some(Precision::new(level, variance.max(independent), freedom))
}

impl Precision {
    fn new(level: f64, variance: f64, freedom: usize) -> Self {
        Self {
            variance,
            effective: level * (1.0 - level) / variance,
            half_width: student(freedom) * variance.sqrt(),
            freedom,
        }
    }
}

/// How batches lie in strata of which only the numbers of rows are known.
///
/// With it the estimate of [`share_precision`] needs no rows, only how many of each batch are
/// inside, and those can be counted while the rows go by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    count: usize,
    strata: Vec<usize>,
}

impl Layout {
    /// Lays batches in strata of so many rows.
    pub fn new(strata: &[usize]) -> Self {
        Self { count: strata.iter().sum(), strata: strata.to_vec() }
    }

    /// Number of batches of a stratum; 0 of a stratum of a few rows, which carries no information.
    pub fn batches(&self, stratum: usize) -> usize {
        batches(self.strata[stratum], self.count)
    }

    /// Row of the stratum at which a batch ends, and the next one begins. A stratum without
    /// batches ends with its first.
    pub fn batch_end(&self, stratum: usize, batch: usize) -> usize {
        let rows = self.strata[stratum];
        match self.batches(stratum) {
            0 => rows,
            batches => (batch + 1) * rows / batches,
        }
    }

    /// Estimates how well the share `level` is known of which `inside` says how many rows of each
    /// batch of each stratum are part.
    pub fn share_precision(&self, level: f64, inside: &[&[u64]]) -> Option<Precision> {
        let independent = level * (1.0 - level) / self.count as f64;
        if self.count < BATCHES * BATCH_ROWS_MIN || independent <= 0.0 {
            return None;
        }
        let strata = inside.iter().enumerate().filter(|(_, inside)| !inside.is_empty());
        let strata = strata.map(|(stratum, inside)| {
            let mut start = 0;
            let means = inside.iter().enumerate().map(|(batch, &inside)| {
                let end = self.batch_end(stratum, batch);
                let rows = end - std::mem::replace(&mut start, end);
                inside as f64 / rows as f64
            });
            Stratum::of_means(self.strata[stratum] as f64 / self.count as f64, means.collect())
        });
        let (variance, freedom) = variance_of(&strata.collect::<Vec<_>>());
        Some(Precision::new(level, variance.max(independent), freedom))
    }
}

/// Number of batches in a stratum of `rows` of `count` rows.
fn batches(rows: usize, count: usize) -> usize {
    let weight = rows as f64 / count as f64;
    let batches = ((BATCHES as f64 * weight).round() as usize).max(STRATUM_BATCHES_MIN);
    if rows < batches * BATCH_ROWS_MIN { 0 } else { batches }
}

/// Estimates the variance of the mean `score` of rows in arrival order from their batches, and
/// tells its degrees of freedom, at least one; a new stratum begins at each of the ascending
/// `cuts`.
pub fn mean_variance<T>(ordered: &[T], cuts: &[usize], score: impl Fn(&T) -> f64) -> (f64, usize) {
    let count = ordered.len();
    let strata: Vec<Stratum> =
        pieces(ordered, cuts).filter_map(|rows| Stratum::new(rows, count, &score)).collect();
    variance_of(&strata)
}

/// Variance of a mean from its strata, and its degrees of freedom, at least one.
fn variance_of(strata: &[Stratum]) -> (f64, usize) {
    let squares: f64 = strata.iter().map(Stratum::squares).sum();
    let products: f64 = strata.iter().map(Stratum::products).sum();
    let carry = if squares > 0.0 { (products / squares).clamp(0.0, 0.95) } else { 0.0 };
    let spread: f64 = strata.iter().map(Stratum::variance).sum();
    let freedom: usize = strata.iter().map(|stratum| stratum.deviations.len() - 1).sum();
    (spread * (1.0 + carry) / (1.0 - carry), freedom.max(1))
}

/// Cuts rows into pieces; empty pieces are left out.
fn pieces<'a, T>(ordered: &'a [T], cuts: &'a [usize]) -> impl Iterator<Item = &'a [T]> {
    let starts = std::iter::once(0).chain(cuts.iter().copied());
    let ends = cuts.iter().copied().chain(std::iter::once(ordered.len()));
    starts.zip(ends).map(|(start, end)| &ordered[start..end]).filter(|rows| !rows.is_empty())
}

/// The batches of one stratum.
struct Stratum {
    /// Rows of the stratum among all rows.
    weight: f64,
    /// Mean score of each batch less the mean of these means.
    deviations: Vec<f64>,
}

impl Stratum {
    /// Lays the stratum's part of the batches; a stratum of a few rows carries no information.
    fn new<T>(rows: &[T], count: usize, score: &impl Fn(&T) -> f64) -> Option<Self> {
        let batches = batches(rows.len(), count);
        if batches == 0 {
            return None;
        }
        let means = (0..batches).map(|batch| {
            let batch = &rows[batch * rows.len() / batches..(batch + 1) * rows.len() / batches];
            batch.iter().map(score).sum::<f64>() / batch.len() as f64
        });
        Some(Self::of_means(rows.len() as f64 / count as f64, means.collect()))
    }

    fn of_means(weight: f64, mut means: Vec<f64>) -> Self {
        let mean = means.iter().sum::<f64>() / means.len() as f64;
        means.iter_mut().for_each(|share| *share -= mean);
        Self { weight, deviations: means }
    }

    fn squares(&self) -> f64 {
        self.deviations.iter().map(|deviation| deviation * deviation).sum()
    }

    fn products(&self) -> f64 {
        self.deviations.windows(2).map(|pair| pair[0] * pair[1]).sum()
    }

    /// The stratum's part of the variance of the whole share, its batches being independent.
    fn variance(&self) -> f64 {
        let batches = self.deviations.len() as f64;
        self.weight * self.weight * self.squares() / (batches - 1.0) / batches
    }
}

/// Student's t(.975).
pub fn student(freedom: usize) -> f64 {
    let freedom = freedom.max(1) as f64;
    StudentsT::new(0.0, 1.0, freedom).map_or(1.96, |law| law.inverse_cdf(0.975))
}

#[cfg(test)]
mod tests {
    use super::share_precision;
    use crate::testing::{lindley, uniform};

    fn median(values: &[f64]) -> f64 {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted[sorted.len() / 2]
    }

    #[test]
    fn independent_rows_count_nearly_as_many_as_they_are() {
        let values = uniform(1, 9_000);
        let middle = median(&values);
        let precision = share_precision(&values, &[], 0.5, |&value| value <= middle).unwrap();
        assert!(precision.effective > 3_000.0, "{precision:?}");
    }

    /// Two loads of independent rows around different levels: without the cut between them the
    /// difference of the loads looks like chance.
    #[test]
    fn a_planned_change_of_load_is_not_taken_for_chance() {
        let mut values = uniform(2, 9_000);
        values[4_500..].iter_mut().for_each(|value| *value += 0.4);
        let middle = median(&values);
        let precision =
            |cuts: &[usize]| share_precision(&values, cuts, 0.5, |&value| value <= middle).unwrap();
        assert!(precision(&[]).effective < 100.0, "{:?}", precision(&[]));
        assert!(precision(&[4_500]).effective > 3_000.0, "{:?}", precision(&[4_500]));
    }

    /// Cuts where nothing changes cost little: the interval of an M/M/1 queue at load .8 covers as
    /// it does without them.
    #[test]
    fn cuts_where_nothing_changes_do_not_spoil_the_coverage() {
        let (count, level) = (20_000_usize, 0.5);
        let truth = (2.0_f64.ln() / 0.2 * 1e9) as i64;
        let covered = (0..200)
            .filter(|&seed| {
                let times = lindley(seed, count, 0.8);
                let mut sorted = times.clone();
                sorted.sort_unstable();
                let middle = sorted[count / 2 - 1];
                let precision =
                    share_precision(&times, &[4_000, 9_000], level, |&time| time <= middle);
                let half = precision.unwrap().half_width;
                let at = |share: f64| sorted[((count as f64 * share) as usize).clamp(1, count) - 1];
                (at(level - half)..=at(level + half)).contains(&truth)
            })
            .count();
        // 95 % nominal, .95 measured with one stratum; five standard errors of 200 runs are .08.
        assert!(covered >= 174, "{covered} of 200");
    }
}
