//! Rates: which law the written form is, and whether its numbers make sense.

use openload_contract::RateLaw;
use openload_contract::rate::Step;

use crate::profile::diagnostic::Fault;
use crate::profile::located::Located;
use crate::profile::quantity::{Frequency, Written, per_second};
use crate::profile::rate::{FORMS, RawLaw, RawRate, RawStep};

use super::Checker;

/// Greatest rate, per second. A hundred times what one machine can send; more is a slip.
const RATE_MAX: f64 = 1e7;

impl Checker<'_> {
    /// Reads a rate in a phase of `length_s` seconds.
    pub(super) fn rate_law(&mut self, rate: &Located<RawRate>, length_s: f64) -> Option<RateLaw> {
        match rate.get() {
            RawRate::Constant(written) => {
                let rate = self.rate(&Located::new(written.clone(), rate.span()))?;
                Some(RateLaw::Constant { rate })
            }
            RawRate::Steps(steps) => self.steps(rate, steps, length_s),
            RawRate::Law(law) => self.law(rate, law, length_s),
        }
    }

    /// Reads arrivals per second.
    fn rate(&mut self, written: &Located<Written<Frequency>>) -> Option<f64> {
        let read = per_second(written.get().scalar()).and_then(|rate| match rate {
            rate if rate > RATE_MAX => Err(Fault::new(format!("a rate of {rate}/s is too high"))
                .help("rates are at most 10 million per second")),
            rate => Ok(rate),
        });
        self.keep(written, read)
    }

    fn law(&mut self, at: &Located<RawRate>, law: &RawLaw, length_s: f64) -> Option<RateLaw> {
        match law {
            RawLaw { from: Some(from), to: Some(to), .. } if law.keys().len() == 2 => {
                let (from, to) = (self.rate(from), self.rate(to));
                Some(RateLaw::Ramp { from: from?, to: to? })
            }
            RawLaw { mean: Some(_), amplitude: Some(_), period: Some(_), .. }
                if law.keys().len() == 3 + usize::from(law.shift.is_some()) =>
            {
                self.sine(law)
            }
            RawLaw { base: Some(_), peak: Some(_), at: Some(_), length: Some(_), .. }
                if law.keys().len() == 4 =>
            {
                self.spike(at, law, length_s)
            }
            RawLaw { steps: Some(steps), .. } if law.keys().len() == 1 => {
                self.steps(at, steps, length_s)
            }
            _ => {
                let keys = law.keys().join(", ");
                self.report(at, Fault::new(format!("{{ {keys} }} is no rate law")).help(FORMS));
                None
            }
        }
    }

    fn sine(&mut self, law: &RawLaw) -> Option<RateLaw> {
        let written = law.amplitude.as_ref()?;
        let mean = self.rate(law.mean.as_ref()?);
        let amplitude = self.rate(written);
        let period_s = self.duration(law.period.as_ref()?);
        let shift = match &law.shift {
            Some(shift) => self.finite(shift, "a share of a period such as 0.25"),
            None => Some(0.0),
        };
        let (mean, amplitude) = (mean?, amplitude?);
        if amplitude > mean {
            let fault = Fault::new(format!("the amplitude {amplitude} is above the mean {mean}"))
                .label("the rate would become negative")
                .help(format!("the amplitude is at most the mean: {mean}"));
            self.report(written, fault);
            return None;
        }
        Some(RateLaw::Sine { mean, amplitude, period_s: period_s?, shift: shift? })
    }

    fn spike(&mut self, at: &Located<RawRate>, law: &RawLaw, length_s: f64) -> Option<RateLaw> {
        let base = self.rate(law.base.as_ref()?);
        let peak = self.rate(law.peak.as_ref()?);
        let at_s = self.duration_or_zero(law.at.as_ref()?);
        let for_s = self.duration(law.length.as_ref()?);
        let (at_s, for_s) = (at_s?, for_s?);
        self.within_phase(at, at_s + for_s, length_s, "the surge ends")?;
        Some(RateLaw::Spike { base: base?, peak: peak?, at_s, for_s })
    }

    fn steps(
        &mut self,
        at: &Located<RawRate>,
        steps: &[Located<RawStep>],
        length_s: f64,
    ) -> Option<RateLaw> {
        let timed = steps.iter().filter(|step| matches!(step.get(), RawStep::Timed(_))).count();
        if steps.is_empty() || (timed != 0 && timed != steps.len()) {
            let what = if steps.is_empty() { "has no steps" } else { "mixes two kinds of steps" };
            let help = "all steps are { rate, for }, or all are rates of equally long stretches";
            self.report(at, Fault::new(format!("the step list {what}")).help(help));
            return None;
        }
        let equal_s = length_s / steps.len() as f64;
        let steps: Vec<Option<Step>> = steps.iter().map(|step| self.step(step, equal_s)).collect();
        let steps: Vec<Step> = steps.into_iter().collect::<Option<_>>()?;
        let total_s = steps.iter().map(|step| step.duration_s).sum();
        self.within_phase(at, total_s, length_s, "the steps end")?;
        Some(RateLaw::Steps { steps })
    }

    fn step(&mut self, step: &Located<RawStep>, equal_s: f64) -> Option<Step> {
        match step.get() {
            RawStep::Equal(written) => {
                let rate = self.rate(&Located::new(written.clone(), step.span()))?;
                Some(Step { rate, duration_s: equal_s })
            }
            RawStep::Timed(timed) => {
                let (rate, duration_s) = (self.rate(&timed.rate), self.duration(&timed.length));
                Some(Step { rate: rate?, duration_s: duration_s? })
            }
        }
    }

    /// Refuses a law of which a part would never be reached.
    fn within_phase(
        &mut self,
        at: &Located<RawRate>,
        end_s: f64,
        length_s: f64,
        what: &str,
    ) -> Option<()> {
        // A billionth is left for the rounding of scaled times.
        if end_s <= length_s * (1.0 + 1e-9) {
            return Some(());
        }
        let fault = Fault::new(format!("{what} after {end_s} s, the phase after {length_s} s"))
            .help("make the phase longer or the parts of its rate shorter");
        self.report(at, fault);
        None
    }
}
