//! The arrival models of ServeGen (`*_windows.csv`).
//!
//! ServeGen does not publish the requests of a language model's clients, but what was fitted to
//! them: a row for each 600 s, `start_s,rate,cv,family,shape,scale`, without a heading. `rate` is
//! the mean rate per second, and the gaps follow a Gamma or Weibull distribution; a window with
//! an empty family had no traffic. **What is read from such a file is synthetic**: instants drawn
//! from the model, to the nanosecond, although the source knows nothing below its windows.
//!
//! In each window there are as many requests as were counted, `rate · 600` rounded, as in
//! ServeGen's own generator. One gap more than that is drawn, and all are scaled to fill the window:
//! so the distribution is the fitted one while the number is exact. The fitted scale cancels out,
//! which is as well: of the 3,883 Weibull windows of the files in `samples/` 827 have a scale that
//! misses the rate by more than a factor of two, and two by more than a thousand. With exponential gaps (shape 1) the
//! requests are those of a Poisson process of which the number is known.
//!
//! A window is drawn twice from the same seed, once for the sum and once for the instants: the
//! memory needed does not grow with the rate. The seed of a window is made of the seed and its
//! start, so windows do not depend on which others are read.

use std::io::{self, BufRead};

use openload_contract::digest::mix;
use rand::SeedableRng;
use rand_distr::{Distribution, Gamma, Weibull};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::rows::{Fields, Row, Rows, Syntax};
use super::value::number_ns;
use super::{Format, Sink};
use crate::record::{Record, SECOND_NS, Skip};

/// Length of a window.
const WINDOW_S: f64 = 600.0;

/// Highest mean rate per second that is taken for one: the highest of the files in
/// `samples/` is 2,894. A window's gaps are drawn before the first of its requests is known, so
/// that a digit too many in a higher rate would look like a program that hangs.
const RATE_MAX: f64 = 1e5;

/// Draws requests from the windows of ServeGen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Windows {
    /// What the draws depend on.
    pub seed: u64,
    /// Windows that begin before this are left out, s.
    pub from_s: f64,
    /// Windows that begin at this or later are left out, s.
    pub until_s: f64,
}

impl Windows {
    /// Draws from every window.
    pub fn new(seed: u64) -> Self {
        Self { seed, from_s: f64::NEG_INFINITY, until_s: f64::INFINITY }
    }
}

impl Format for Windows {
    fn read(&mut self, input: &mut dyn BufRead, sink: &mut dyn Sink) -> io::Result<()> {
        let mut rows = Rows::new(input, Syntax::CSV);
        while let Some((number, row)) = rows.next_row()? {
            let (window, text) = match row {
                Row::Whole(fields) => (Window::parse(fields), fields.text()),
                Row::TooLong(start) => (Err(Skip::TooLong), start),
                Row::Torn(line) => (Err(Skip::Malformed), line),
            };
            let drawn = window.and_then(|window| {
                let start_s = window.start_ns as f64 / SECOND_NS as f64;
                let is_wanted = (self.from_s..self.until_s).contains(&start_s);
                if is_wanted { Draw::new(window, self.seed) } else { Ok(None) }
            });
            match drawn {
                Err(reason) => sink.skip(number, reason, text)?,
                Ok(None) => {}
                Ok(Some(draw)) => {
                    for time_ns in draw {
                        sink.record(number, &Record { time_ns, ..Record::default() })?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// A row.
#[derive(Debug, Clone, Copy)]
struct Window {
    start_ns: i64,
    requests: u64,
    gaps: Option<Gaps>,
}

/// The distribution of the gaps, whatever their mean.
#[derive(Debug, Clone, Copy)]
enum Gaps {
    Gamma(Gamma<f64>),
    Weibull(Weibull<f64>),
}

impl Window {
    fn parse(fields: &Fields) -> Result<Self, Skip> {
        if fields.len() != 6 {
            return Err(Skip::Malformed);
        }
        let text = |column: usize| fields.get(column).unwrap_or_default().trim_ascii();
        let number = |column: usize| {
            let number = std::str::from_utf8(text(column)).ok()?.parse::<f64>().ok()?;
            number.is_finite().then_some(number)
        };
        let start_ns = number_ns(text(0), SECOND_NS).ok_or(Skip::BadTime)?;
        start_ns.checked_add(WINDOW_S as i64 * SECOND_NS).ok_or(Skip::BadTime)?;
        let rate = number(1).filter(|rate| (0.0..=RATE_MAX).contains(rate));
        let rate = rate.ok_or(Skip::BadNumber)?;
        let requests = (rate * WINDOW_S).round() as u64;
        let shape = number(4).ok_or(Skip::BadNumber);
        number(5).ok_or(Skip::BadNumber)?;
        let gaps = match text(3) {
            b"" if requests == 0 => None,
            b"Gamma" => Some(Gaps::Gamma(Gamma::new(shape?, 1.0).map_err(|_| Skip::BadNumber)?)),
            b"Weibull" => {
                Some(Gaps::Weibull(Weibull::new(1.0, shape?).map_err(|_| Skip::BadNumber)?))
            }
            _ => return Err(Skip::Malformed),
        };
        Ok(Self { start_ns, requests, gaps })
    }
}

/// The instants of a window, in order.
#[derive(Debug)]
struct Draw {
    gaps: Gaps,
    generator: Xoshiro256PlusPlus,
    start_ns: i64,
    /// Length of a unit of the drawn gaps, ns.
    unit_ns: f64,
    elapsed: f64,
    left: u64,
}

impl Draw {
    /// `None` when the window had no traffic.
    fn new(window: Window, seed: u64) -> Result<Option<Self>, Skip> {
        let Some(gaps) = window.gaps.filter(|_| window.requests > 0) else { return Ok(None) };
        let seed = mix(seed ^ mix(window.start_ns.cast_unsigned()));
        let generator = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut rehearsal = generator.clone();
        let total = (0..=window.requests).map(|_| gaps.draw(&mut rehearsal)).sum::<f64>();
        let unit_ns = WINDOW_S * SECOND_NS as f64 / total;
        // A shape may be so small that all gaps are nothing, or one of them everything.
        if !unit_ns.is_normal() {
            return Err(Skip::BadNumber);
        }
        let (start_ns, left) = (window.start_ns, window.requests);
        Ok(Some(Self { gaps, generator, start_ns, unit_ns, elapsed: 0.0, left }))
    }
}

impl Iterator for Draw {
    type Item = i64;

    fn next(&mut self) -> Option<i64> {
        self.left = self.left.checked_sub(1)?;
        self.elapsed += self.gaps.draw(&mut self.generator);
        let length_ns = WINDOW_S as i64 * SECOND_NS;
        let since_ns = (self.elapsed * self.unit_ns) as i64;
        Some(self.start_ns + since_ns.clamp(0, length_ns - 1))
    }
}

impl Gaps {
    fn draw(&self, generator: &mut Xoshiro256PlusPlus) -> f64 {
        match self {
            Self::Gamma(gamma) => gamma.sample(generator),
            Self::Weibull(weibull) => weibull.sample(generator),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};
    use statrs::distribution::{ContinuousCDF, Gamma as GammaLaw};
    use statrs::function::gamma::gamma;

    use super::*;
    use crate::format::testing::{mutated, read_all, sample};

    /// Counts, and gives up when there are too many.
    #[derive(Default)]
    struct Counted {
        records: u64,
        skips: Vec<(u64, Skip)>,
        last_ns: i64,
        is_sorted: bool,
        max: Option<u64>,
    }

    impl Sink for Counted {
        fn record(&mut self, _: u64, record: &Record<'_>) -> io::Result<()> {
            assert_eq!((record.resolution_ns, record.count), (1, 1));
            self.is_sorted =
                (self.records == 0 || self.is_sorted) && record.time_ns >= self.last_ns;
            self.last_ns = record.time_ns;
            self.records += 1;
            match self.max {
                Some(max) if self.records > max => Err(io::ErrorKind::QuotaExceeded.into()),
                _ => Ok(()),
            }
        }

        fn skip(&mut self, place: u64, reason: Skip, _: &[u8]) -> io::Result<()> {
            self.skips.push((place, reason));
            Ok(())
        }
    }

    #[test]
    fn each_window_has_its_number_of_requests() {
        // python3: sum(round(float(r[1]) * 600) for r in rows if first <= float(r[0]) < until)
        // over csv.reader(gzip.open(…, "rt")). Days of the busier clients have too many to draw
        // in a test: an hour of them is.
        for (name, until_s, expected) in [
            ("servegen_m-large_client112_windows.csv.gz", 86_400.0, 825_547),
            ("servegen_m-mid_client60_windows.csv.gz", 3_600.0, 415_679),
            ("servegen_m-small_client14_windows.csv.gz", 3_600.0, 54_083),
        ] {
            let mut counted = Counted::default();
            let mut windows = Windows { until_s, ..Windows::new(1) };
            windows.read(&mut &sample(name)[..], &mut counted).unwrap();
            assert_eq!((counted.records, &counted.skips[..]), (expected, &[][..]), "{name}");
            assert!(counted.is_sorted);
        }
    }

    #[test]
    fn every_window_of_the_real_files_is_understood() {
        // python3: len(rows), and the sum as above of all of them.
        for (name, expected) in [
            ("servegen_m-large_client112_windows.csv.gz", 15_719_148),
            ("servegen_m-mid_client60_windows.csv.gz", 1_132_066_800),
            ("servegen_m-small_client14_windows.csv.gz", 125_181_546),
        ] {
            let text = sample(name);
            let mut rows = Rows::new(&text[..], Syntax::CSV);
            let (mut windows, mut requests) = (0, 0);
            while let Some((_, row)) = rows.next_row().unwrap() {
                let Row::Whole(fields) = row else { panic!("{row:?}") };
                requests += Window::parse(fields).unwrap().requests;
                windows += 1;
            }
            assert_eq!((windows, requests), (2_016, expected), "{name}");
        }
    }

    /// Largest distance between the gaps of one window, in their mean, and a distribution.
    fn distance(row: &str, law: impl Fn(f64) -> f64) -> f64 {
        let kept = read_all(&mut Windows::new(3), row.as_bytes()).unwrap();
        let count = kept.records.len() as f64;
        let mut gaps =
            kept.records.windows(2).map(|pair| (pair[1].time_ns - pair[0].time_ns) as f64);
        let mut gaps = gaps.by_ref().map(|gap_ns| gap_ns * count / 600e9).collect::<Vec<_>>();
        gaps.sort_by(f64::total_cmp);
        let steps = gaps.len() as f64;
        let far = |(position, gap): (usize, &f64)| {
            let expected = law(*gap);
            (position as f64 / steps - expected)
                .abs()
                .max(((position + 1) as f64 / steps - expected).abs())
        };
        gaps.iter().enumerate().map(far).fold(0.0, f64::max)
    }

    #[test]
    fn gaps_follow_the_fitted_distribution() {
        // Kolmogorov's bound at 0.1 % for 60,000 gaps is 1.95 / sqrt(60,000) = 0.008.
        for shape in [0.4, 1.0, 3.0] {
            let law = GammaLaw::new(shape, shape).unwrap();
            assert!(distance(&format!("0,100,1,Gamma,{shape},7"), |gap| law.cdf(gap)) < 0.008);
            let scale = 1.0 / gamma(1.0 + 1.0 / shape);
            let law = |gap: f64| 1.0 - (-(gap / scale).powf(shape)).exp();
            assert!(distance(&format!("0,100,1,Weibull,{shape},7"), law) < 0.008, "{shape}");
        }
        // The measure tells distributions apart.
        let other = GammaLaw::new(0.5, 0.5).unwrap();
        assert!(distance("0,100,1,Gamma,0.4,7", |gap| other.cdf(gap)) > 0.02);
    }

    #[test]
    fn a_window_depends_on_seed_and_start_alone() {
        let rows = "0,2,1,Gamma,0.5,1\n600,2,1,Weibull,0.5,1\n";
        let read = |seed, rows: &str| {
            let kept = read_all(&mut Windows::new(seed), rows.as_bytes()).unwrap();
            kept.records.into_iter().map(|record| record.time_ns).collect::<Vec<_>>()
        };
        let both = read(1, rows);
        assert_eq!(both.len(), 2_400);
        assert!(both[1_199] < 600 * SECOND_NS && both[1_200] >= 600 * SECOND_NS);
        assert_eq!(both[1_200..], read(1, rows.split_once('\n').unwrap().1));
        assert_ne!(both, read(2, rows));
        let moved = read(1, "600,2,1,Gamma,0.5,1");
        assert_ne!(moved[0] - 600 * SECOND_NS, both[0]);
    }

    #[test]
    fn rows_that_are_no_windows_are_counted() {
        let rows = "0,0,0,,0,0\n0,1,1,,0,0\n0,1,1,Pareto,1,1\n0,x,1,Gamma,1,1\n0,1e9,1,Gamma,1,1\n\
                    0,1,1,Gamma,-1,1\n0,1,1,Weibull,NaN,1\n9e18,1,1,Gamma,1,1\n0,1,1,Gamma,1\n\
                    0,1,1,Weibull,0.0001,1\n";
        let kept = read_all(&mut Windows::new(1), rows.as_bytes()).unwrap();
        assert_eq!(kept.records, []);
        let reasons = [
            (2, Skip::Malformed),
            (3, Skip::Malformed),
            (4, Skip::BadNumber),
            (5, Skip::BadNumber),
            (6, Skip::BadNumber),
            (7, Skip::BadNumber),
            (8, Skip::BadTime),
            (9, Skip::Malformed),
            (10, Skip::BadNumber),
        ];
        assert_eq!(kept.skips, reasons);
    }

    #[test]
    fn no_damage_panics() {
        let rows = "600,0.1,1.25,Gamma,0.45,0.78\n1200,0.2,3,Weibull,0.4,0.03\n1800,0,0,,0,0\n";
        for input in mutated(rows.as_bytes(), 3_000) {
            let mut counted = Counted { max: Some(10_000), ..Counted::default() };
            let mut windows = Windows { until_s: 1e6, ..Windows::new(1) };
            // Where damage makes a rate high, the sink gives up.
            let rates = input.split(|&byte| byte == b'\n').filter_map(|row| {
                let rate = row.split(|&byte| byte == b',').nth(1)?;
                std::str::from_utf8(rate).ok()?.trim().parse::<f64>().ok()
            });
            if rates.fold(0.0, f64::max) < 1e4 {
                let _ = windows.read(&mut &input[..], &mut counted);
            }
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in any::<Vec<u8>>(), start in any::<i64>(), shape in any::<f64>()) {
            let _ = read_all(&mut Windows::new(1), &bytes);
            for family in ["Gamma", "Weibull"] {
                let row = format!("{start},0.1,1,{family},{shape},1");
                let kept = read_all(&mut Windows::new(1), row.as_bytes()).unwrap();
                assert!(kept.records.len() == 60 || kept.skips.len() == 1);
            }
        }
    }
}
