//! Arrival processes: which one the written form is, and whether its numbers make sense.

use openload_contract::mmpp::STAY_MIN_S;
use openload_contract::renewal::{CV_MAX, CV_MIN};
use openload_contract::{ArrivalKind, Mmpp, Renewal};

use crate::profile::arrival::{FORMS, RawArrival, RawArrivalName, RawMmpp, RawRenewal};
use crate::profile::diagnostic::Fault;
use crate::profile::located::Located;
use crate::profile::quantity::{Time, Written};

use super::Checker;

/// Greatest relative rate of a state. They are relative: more is a slip.
const RELATIVE_RATE_MAX: f64 = 1e6;

impl Checker<'_> {
    /// Reads an arrival process.
    pub(super) fn arrival(&mut self, arrival: &Located<RawArrival>) -> Option<ArrivalKind> {
        let table = match arrival.get() {
            RawArrival::Named(RawArrivalName::Poisson) => return Some(ArrivalKind::Poisson),
            RawArrival::Named(RawArrivalName::Constant) => return Some(ArrivalKind::Constant),
            RawArrival::Named(RawArrivalName::Uniform) => return Some(ArrivalKind::Uniform),
            RawArrival::Table(table) => table,
        };
        match (&table.mmpp, &table.renewal) {
            (Some(mmpp), None) => self.mmpp(mmpp.get()).map(ArrivalKind::Mmpp),
            (None, Some(renewal)) => self.renewal(renewal.get()).map(ArrivalKind::Renewal),
            (written, _) => {
                let what = if written.is_some() { "two arrival processes" } else { "no process" };
                let fault = Fault::new(format!("the table of `arrival` holds {what}"));
                self.report(arrival, fault.help(FORMS));
                None
            }
        }
    }

    fn mmpp(&mut self, raw: &RawMmpp) -> Option<Mmpp> {
        let rates: Vec<Option<f64>> =
            raw.rates.get().iter().map(|rate| self.relative_rate(rate)).collect();
        let stays_s: Vec<Option<f64>> =
            raw.stays.get().iter().map(|stay| self.mean_stay(stay)).collect();
        let (states, stays) = (rates.len(), stays_s.len());
        let rates: Option<Vec<f64>> = rates.into_iter().collect();
        let stays_s: Option<Vec<f64>> = stays_s.into_iter().collect();
        if states < 2 {
            let fault = Fault::new("an MMPP has two states or more")
                .label(format!("this one has {states}"))
                .help("write a rate for each state, such as rates = [0.5, 3.0]");
            self.report(&raw.rates, fault);
            return None;
        }
        if stays != states {
            let fault = Fault::new(format!("{states} rates, but {stays} stays"))
                .help("each state has one of both, in the same order");
            self.report(&raw.stays, fault);
            return None;
        }
        let (rates, stays_s) = (rates?, stays_s?);
        if rates.iter().all(|&rate| rate == 0.0) {
            let fault = Fault::new("no state has a rate above 0")
                .help("a state may be silent, but not all: rates = [0, 1]");
            self.report(&raw.rates, fault);
            return None;
        }
        Some(Mmpp { rates, stays_s })
    }

    fn relative_rate(&mut self, written: &Located<f64>) -> Option<f64> {
        let rate = self.finite(written, "a number relative to the other states, such as 0.5")?;
        if rate > RELATIVE_RATE_MAX {
            let fault = Fault::new(format!("a relative rate of {rate} is too high")).help(format!(
                "rates of states are relative, at most {RELATIVE_RATE_MAX}; \
                 arrivals per second are the phase's `rate`"
            ));
            self.report(written, fault);
            return None;
        }
        Some(rate)
    }

    fn mean_stay(&mut self, written: &Located<Written<Time>>) -> Option<f64> {
        let stay_s = self.duration(written)?;
        // Half a nanosecond is left for the rounding of scaled times.
        if stay_s < STAY_MIN_S - 0.5e-9 {
            let fault =
                Fault::new(format!("a mean stay of {} is too short", written.get().scalar()))
                    .help(format!("stays last {} ms or more on average", STAY_MIN_S * 1e3));
            self.report(written, fault);
            return None;
        }
        Some(stay_s)
    }

    fn renewal(&mut self, raw: &RawRenewal) -> Option<Renewal> {
        let cv = self.finite(&raw.cv, "a standard deviation over a mean, such as 2.0")?;
        if cv != 0.0 && !(CV_MIN..=CV_MAX).contains(&cv) {
            let fault = Fault::new(format!("a coefficient of variation of {cv}"))
                .label("out of bounds")
                .help(format!("write 0 for constant pacing, or {CV_MIN} to {CV_MAX}"));
            self.report(&raw.cv, fault);
            return None;
        }
        Some(Renewal { cv, family: raw.family })
    }
}
