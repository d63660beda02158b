//! From readings to answers.

use openload_contract::SCHEMA_VERSION;
use openload_contract::baseline::{ComparedMetric, Reading};
use openload_contract::comparison::{
    Answer, ComparedRun, Comparison, ComparisonVerdict, Method, MetricComparison,
};
use openload_contract::summary::Interval;

use super::paired::Pairs;
use super::ranks::{self, RUNS_MIN};
use super::refusal::objections;
use super::{Effect, LEVEL, Options, Subject, holm, reading, shares, welch};
use crate::quantile::{Support, support};
use crate::run::Run;
use crate::survey::response_times;

/// Compares the runs of two sides.
pub fn compare(base: &[Subject], run: &[Subject], options: Options) -> Comparison {
    let mut objections = objections(base, run, options);
    let describe = |side: &[Subject]| -> Vec<ComparedRun> {
        side.iter().map(|subject| ComparedRun::from(&subject.reading)).collect()
    };
    let mut comparison = Comparison {
        schema_version: SCHEMA_VERSION.to_owned(),
        verdict: ComparisonVerdict::Refused,
        reasons: std::mem::take(&mut objections.reasons),
        warnings: objections.warnings,
        method: None,
        level: LEVEL,
        family: 0,
        base: describe(base),
        run: describe(run),
        metrics: Vec::new(),
    };
    if !comparison.reasons.is_empty() {
        return comparison;
    }
    let sides = Sides::new(base, run, options);
    let mut drafts = sides.drafts();
    let family = drafts.iter().filter(|draft| draft.effect.is_some()).count();
    adjust(&mut drafts);
    comparison.method = Some(sides.method());
    comparison.family = family as u64;
    if base.len().max(run.len()) == 1 {
        comparison.warnings.push(NOISE_BETWEEN_RUNS.to_owned());
    }
    comparison.metrics = drafts.iter().map(|draft| sides.answer(draft, family)).collect();
    comparison.verdict = verdict(&comparison.metrics);
    comparison.reasons = reasons(&comparison.metrics);
    comparison
}

/// What one pair of runs cannot know.
const NOISE_BETWEEN_RUNS: &str =
    "one run on each side shows the noise within a run; four on each side show that between runs";

/// Runs on both sides, and how they are held against each other.
struct Sides<'a> {
    base: &'a [Subject],
    run: &'a [Subject],
    /// Both runs, when they are of one timeline and their samples are at hand.
    pair: Option<(&'a Run, &'a Run)>,
    options: Options,
}

/// A metric on its way to an answer.
struct Draft {
    phase: Option<String>,
    metric: ComparedMetric,
    base: Option<f64>,
    run: Option<f64>,
    effect: Option<Effect>,
    adjusted: Option<(f64, f64)>,
    note: Option<String>,
}

impl<'a> Sides<'a> {
    fn new(base: &'a [Subject], run: &'a [Subject], options: Options) -> Self {
        let pair = match (base, run) {
            ([one], [other]) => one.run.as_ref().zip(other.run.as_ref()),
            _ => None,
        };
        Self { base, run, pair: pair.filter(|(a, b)| is_one_timeline(a, b)), options }
    }

    fn method(&self) -> Method {
        if self.base.len().min(self.run.len()) >= RUNS_MIN {
            Method::Ranks
        } else if self.pair.is_some() {
            Method::Paired
        } else {
            Method::Unpaired
        }
    }

    fn drafts(&self) -> Vec<Draft> {
        let first = self.base.first().map(|subject| subject.reading.metrics.as_slice());
        first.unwrap_or_default().iter().map(|wanted| self.draft(wanted)).collect()
    }

    fn draft(&self, wanted: &Reading) -> Draft {
        let metric = wanted.metric;
        let find = |side: &'a [Subject]| -> Option<Vec<&'a Reading>> {
            let of = |subject: &'a Subject| {
                let mut metrics = subject.reading.metrics.iter();
                metrics.find(|one| one.metric == metric && one.phase == wanted.phase)
            };
            side.iter().map(of).collect()
        };
        let mut draft = Draft {
            phase: wanted.phase.clone(),
            metric,
            base: None,
            run: None,
            effect: None,
            adjusted: None,
            note: None,
        };
        let Some((base, run)) = find(self.base).zip(find(self.run)) else {
            draft.note = Some("not measured in every run".to_owned());
            return draft;
        };
        (draft.base, draft.run) = (middle(&base), middle(&run));
        draft.note = base.iter().chain(&run).find_map(|reading| too_few(reading));
        if draft.note.is_none() {
            draft.effect = self.effect(wanted, &base, &run);
            if draft.effect.is_none() {
                draft.note = Some("falls among failures on both sides".to_owned());
            } else if base.iter().chain(&run).any(|reading| is_thin(reading)) {
                draft.note = Some("few samples lie beyond this quantile".to_owned());
            }
        }
        draft
    }

    fn effect(&self, wanted: &Reading, base: &[&Reading], run: &[&Reading]) -> Option<Effect> {
        let metric = wanted.metric;
        let threshold = self.options.thresholds.on_scale(metric);
        let Some(level) = metric.quantile() else {
            let (base, run) = (bad_shares(base), bad_shares(run));
            if self.method() == Method::Ranks {
                let values = |side: &[Reading]| -> Option<Vec<f64>> {
                    side.iter().map(|reading| reading.value).collect()
                };
                let sides = values(&base).zip(values(&run));
                return sides.map(|(base, run)| ranks::effect(&base, &run, threshold));
            }
            let (base, run): (Vec<_>, Vec<_>) = (base.iter().collect(), run.iter().collect());
            return shares::effect(&base, &run, threshold);
        };
        match (self.method(), self.pair) {
            (Method::Ranks, _) => {
                let log = |reading: &&Reading| {
                    reading.value.map_or(f64::INFINITY, |ms| ms.max(1e-6).ln())
                };
                let values = |side: &[&Reading]| side.iter().map(log).collect::<Vec<f64>>();
                let (base, run) = (values(base), values(run));
                let is_hopeless = |side: &[f64]| side.iter().all(|value| value.is_infinite());
                let is_known = !(is_hopeless(&base) && is_hopeless(&run));
                is_known.then(|| ranks::effect(&base, &run, threshold))
            }
            (_, Some((a, b))) if base[0].value.is_some() && run[0].value.is_some() => {
                pairs(a, b, wanted.phase.as_deref()).effect(level, threshold)
            }
            _ => welch::effect(base, run, level, threshold),
        }
    }

    fn answer(&self, draft: &Draft, family: usize) -> MetricComparison {
        let metric = draft.metric;
        let threshold = self.options.thresholds.of(metric);
        let on_scale = self.options.thresholds.on_scale(metric);
        let effect = draft.effect;
        let (low, high) = (effect.and_then(|it| it.low), effect.and_then(|it| it.high));
        let shown = |change: Option<f64>| change.map(|change| shown(metric, change));
        let ci95 = match metric {
            // What is worse for a duration is more, and for goodput less.
            ComparedMetric::GoodputShare => Interval { low: shown(high), high: shown(low) },
            _ => Interval { low: shown(low), high: shown(high) },
        };
        let (answer, remark) = self.conclude(draft, on_scale, family);
        let level = LEVEL / family.max(1) as f64;
        let detectable = effect.and_then(|effect| effect.detectable(on_scale, level));
        MetricComparison {
            phase: draft.phase.clone(),
            metric,
            unit: metric.unit(),
            base: draft.base,
            run: draft.run,
            change: shown(effect.and_then(|effect| effect.change)),
            ci95,
            threshold,
            p_worse: effect.map(|effect| effect.p_worse),
            p_worse_adjusted: draft.adjusted.map(|adjusted| adjusted.0),
            p_better_adjusted: draft.adjusted.map(|adjusted| adjusted.1),
            answer,
            detectable: detectable.map(|change| match metric.quantile() {
                Some(_) => change.exp_m1(),
                None => change,
            }),
            note: remark.or_else(|| draft.note.clone()),
        }
    }

    fn conclude(&self, draft: &Draft, threshold: f64, family: usize) -> (Answer, Option<String>) {
        let Some((effect, (worse, better))) = draft.effect.zip(draft.adjusted) else {
            return (Answer::TooFewSamples, None);
        };
        if worse <= LEVEL {
            let note = effect.change.is_none().then(|| "falls among failures".to_owned());
            return (Answer::Worse, note);
        }
        if better <= LEVEL {
            return (Answer::Better, None);
        }
        let is_inside = effect
            .low
            .zip(effect.high)
            .is_some_and(|(low, high)| low >= -threshold && high <= threshold);
        if is_inside {
            return (Answer::Same, None);
        }
        (Answer::Unclear, self.doubt(effect, family))
    }

    /// Why a metric that stands out by itself is not called worse or better.
    fn doubt(&self, effect: Effect, family: usize) -> Option<String> {
        if effect.p_worse.min(effect.p_better) > LEVEL {
            return None;
        }
        let (base, run) = (self.base.len(), self.run.len());
        let can_show =
            |more: usize| ranks::least_p(base + more, run + more) * family as f64 <= LEVEL;
        if self.method() == Method::Ranks && !can_show(0) {
            let more = (1..=RUNS_MIN).find(|&more| can_show(more)).unwrap_or(RUNS_MIN);
            return Some(format!(
                "too few runs for {family} metrics together; {more} more on each side would do"
            ));
        }
        Some(format!("stands out by itself, but not among {family} metrics together"))
    }
}

/// Tells whether two runs sent the same arrivals.
fn is_one_timeline(a: &Run, b: &Run) -> bool {
    a.manifest.seed == b.manifest.seed
        && a.samples.len() == b.samples.len()
        && a.samples.digest() == b.samples.digest()
        && a.phases().eq(b.phases())
}

fn pairs(a: &Run, b: &Run, phase: Option<&str>) -> Pairs {
    let (rows_a, rows_b) = (reading::rows_of(a, phase), reading::rows_of(b, phase));
    let (times_a, cuts) = response_times(&rows_a, &a.starts_ns());
    let (times_b, _) = response_times(&rows_b, &[]);
    Pairs::new(&times_a, &times_b, cuts)
}

/// Why the samples do not support a reading, and how many would.
fn too_few(reading: &Reading) -> Option<String> {
    let Some(level) = reading.metric.quantile() else {
        return (reading.count == 0).then(|| "no arrivals".to_owned());
    };
    if reading.count == 0 {
        return Some("no arrivals".to_owned());
    }
    let count = usize::try_from(reading.count).unwrap_or(usize::MAX);
    match support(count, reading.n_eff, level) {
        Support::Needs(about) => {
            Some(format!("{} arrivals, about {about} are needed", reading.count))
        }
        _ => None,
    }
}

/// Tells whether a quantile is claimed on few samples.
fn is_thin(reading: &Reading) -> bool {
    let count = usize::try_from(reading.count).unwrap_or(usize::MAX);
    let level = reading.metric.quantile();
    level.is_some_and(|level| support(count, reading.n_eff, level) == Support::Low)
}

/// Value that stands for a side in a table.
fn middle(side: &[&Reading]) -> Option<f64> {
    let values = side.iter().map(|reading| reading.value.unwrap_or(f64::INFINITY)).collect();
    crate::numeric::median(values).filter(|value| value.is_finite())
}

/// Shares of which more is worse.
fn bad_shares(side: &[&Reading]) -> Vec<Reading> {
    let turned = |reading: &&Reading| match reading.metric {
        ComparedMetric::GoodputShare => Reading {
            value: reading.value.map(|value| 1.0 - value),
            low: reading.high.map(|high| 1.0 - high),
            high: reading.low.map(|low| 1.0 - low),
            ..(*reading).clone()
        },
        _ => (*reading).clone(),
    };
    side.iter().map(turned).collect()
}

/// A change on the scale of the test as readers see it.
fn shown(metric: ComparedMetric, change: f64) -> f64 {
    match metric {
        ComparedMetric::P50 | ComparedMetric::P99 => change.exp_m1(),
        ComparedMetric::ErrorShare => change,
        ComparedMetric::GoodputShare => -change,
    }
}

/// Adjusts the p-values of all metrics that have some.
fn adjust(drafts: &mut [Draft]) {
    let effects = || drafts.iter().filter_map(|draft| draft.effect);
    let worse: Vec<f64> = effects().map(|effect| effect.p_worse).collect();
    let better: Vec<f64> = effects().map(|effect| effect.p_better).collect();
    let adjusted: Vec<(f64, f64)> =
        holm::holm(&worse).into_iter().zip(holm::holm(&better)).collect();
    let tested = drafts.iter_mut().filter(|draft| draft.effect.is_some());
    tested.zip(adjusted).for_each(|(draft, adjusted)| draft.adjusted = Some(adjusted));
}

fn verdict(metrics: &[MetricComparison]) -> ComparisonVerdict {
    let has = |answer| metrics.iter().any(|metric| metric.answer == answer);
    // Shares can be compared from the first arrival; without a duration little is known.
    let mut durations = metrics.iter().filter(|metric| metric.metric.quantile().is_some());
    if has(Answer::Worse) {
        ComparisonVerdict::Regression
    } else if durations.all(|metric| metric.answer == Answer::TooFewSamples) {
        ComparisonVerdict::TooFewSamples
    } else if has(Answer::Better) {
        ComparisonVerdict::Improvement
    } else {
        ComparisonVerdict::NoRegression
    }
}

fn reasons(metrics: &[MetricComparison]) -> Vec<String> {
    let worse = metrics.iter().filter(|metric| metric.answer == Answer::Worse);
    worse.map(crate::output::compare::reason).collect()
}
