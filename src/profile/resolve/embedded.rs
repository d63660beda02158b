//! What the built-in target is told to do.

use crate::profile::diagnostic::Fault;
use crate::profile::embedded::{RawEmbedded, RawFreeze, RawService, RawServiceLaw};
use crate::profile::located::Located;
use crate::profile::quantity::{Share, Written};
use crate::target::{Freeze, ServiceLaw, TargetSpec};

use super::Checker;

/// Most servers. Each holds a place in a queue and costs next to nothing, but no real
/// service has more.
const SERVERS_MAX: u32 = 100_000;

impl Checker<'_> {
    pub(super) fn embedded(&mut self, raw: &RawEmbedded) -> Option<TargetSpec> {
        let servers = *raw.servers.get();
        if servers == 0 || servers > SERVERS_MAX {
            let fault = Fault::new(format!("{servers} servers are not possible"));
            self.report(&raw.servers, fault.help(format!("write 1 to {SERVERS_MAX}")));
        }
        let service = self.service(&raw.service);
        let mean = self.duration(&raw.service.mean);
        let error_rate = self.proportion(&raw.error_rate);
        let freezes: Vec<Option<Freeze>> =
            raw.freeze.0.iter().map(|freeze| self.freeze(freeze)).collect();
        let (leak_s_per_s, leak_bytes) = match &raw.leak {
            Some(leak) => {
                let grow = self.duration_or_zero(&leak.grow);
                let per = self.duration(&leak.per);
                (grow.zip(per).map(|(grow, per)| grow / per), leak.bytes)
            }
            None => (Some(0.0), 0),
        };
        Some(TargetSpec {
            servers,
            service: service?,
            service_mean_s: mean?,
            error_rate: error_rate?,
            freezes: freezes.into_iter().collect::<Option<_>>()?,
            leak_s_per_s: leak_s_per_s?,
            leak_bytes,
            body_bytes: raw.body_bytes,
            seed: raw.seed,
        })
    }

    /// Reads a share of at most 1.
    pub(super) fn proportion(&mut self, written: &Located<Written<Share>>) -> Option<f64> {
        let share = self.share(written)?;
        if share > 1.0 {
            self.report(written, above_one(share));
        }
        Some(share)
    }

    fn service(&mut self, raw: &RawService) -> Option<ServiceLaw> {
        match (raw.law.get(), &raw.cv) {
            (RawServiceLaw::Deterministic, None) => Some(ServiceLaw::Deterministic),
            (RawServiceLaw::Exponential, None) => Some(ServiceLaw::Exponential),
            (RawServiceLaw::Lognormal, Some(cv)) => {
                let what = "a coefficient of variation such as 1.5";
                self.finite(cv, what).map(|cv| ServiceLaw::Lognormal { cv })
            }
            (RawServiceLaw::Lognormal, None) => {
                let fault = Fault::new("a lognormal law needs `cv`");
                self.report(&raw.law, fault.help("add the coefficient of variation: cv = 1.5"));
                None
            }
            (_, Some(cv)) => {
                let fault = Fault::new("`cv` is only for the law `lognormal`");
                self.report(cv, fault.help("leave out `cv`, or write law = \"lognormal\""));
                None
            }
        }
    }

    fn freeze(&mut self, raw: &RawFreeze) -> Option<Freeze> {
        let (at_s, for_s) = (self.duration_or_zero(&raw.at), self.duration(&raw.length));
        Some(Freeze { at_s: at_s?, for_s: for_s? })
    }
}

/// A share above the whole: most likely a percentage without its sign.
pub(super) fn above_one(share: f64) -> Fault {
    Fault::new(format!("a share of {share} is more than the whole"))
        .label(format!("did you mean \"{share}%\"?"))
        .help("write a ratio from 0 to 1, or a percentage from \"0%\" to \"100%\"")
}
