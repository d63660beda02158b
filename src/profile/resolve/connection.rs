//! Connections, and the constants of the analysis.

use openload_contract::AnalysisSettings;
use rustls::pki_types::ServerName;

use crate::plan::{ConnectionPlan, ConnectionPolicy, TlsPlan};
use crate::profile::analysis::RawAnalysis;
use crate::profile::diagnostic::Fault;
use crate::profile::raw::{RawConnection, RawPolicy, RawTls};

use super::{Checker, to_ms};

impl Checker<'_> {
    pub(super) fn connection(&mut self, raw: &RawConnection) -> Option<ConnectionPlan> {
        let connect = self.duration_ns(&raw.connect_timeout);
        let response = self.duration_ns(&raw.response_timeout);
        let drain = self.duration_ns(&raw.drain_timeout);
        let deadline = raw.deadline.as_ref().map(|deadline| self.duration_ns(deadline));
        if *raw.max_in_flight.get() == 0 {
            let fault = Fault::new("every arrival would be dropped");
            self.report(&raw.max_in_flight, fault.help("write a whole number from 1 up"));
        }
        Some(ConnectionPlan {
            policy: match raw.policy {
                RawPolicy::Pool => ConnectionPolicy::Pool,
                RawPolicy::PerRequest => ConnectionPolicy::PerRequest,
            },
            connect_timeout_ns: connect?,
            response_timeout_ns: response?,
            deadline_ns: match deadline {
                Some(deadline) => Some(deadline?),
                None => None,
            },
            drain_timeout_ns: drain?,
            max_in_flight: *raw.max_in_flight.get(),
            max_in_flight_is_default: !raw.max_in_flight.is_written(),
            probe: raw.probe,
            tls: TlsPlan {
                insecure: raw.tls.insecure,
                ca: raw.tls.ca.clone(),
                server_name: self.server_name(&raw.tls),
            },
        })
    }

    fn server_name(&mut self, raw: &RawTls) -> Option<String> {
        let written = raw.server_name.as_ref()?;
        if ServerName::try_from(written.get().as_str()).is_err() {
            let fault = Fault::new(format!("`{}` is no server name", written.get()));
            self.report(written, fault.help("write a host name or an address: api.example"));
        }
        Some(written.get().clone())
    }

    pub(super) fn analysis(&mut self, raw: &RawAnalysis) -> Option<AnalysisSettings> {
        let times = [
            &raw.drift_window,
            &raw.recovery_window,
            &raw.recovery_hold,
            &raw.lag_p99_max,
            &raw.lag_late,
            &raw.gap_max,
        ]
        .map(|time| self.duration(time));
        let shares = [&raw.drift_p50, &raw.drift_p99, &raw.drift_memory, &raw.lag_late_share]
            .map(|share| self.share(share));
        let [drift_window, recovery_window, recovery_hold, lag_p99_max, lag_late, gap_max] = times;
        let [drift_p50, drift_p99, drift_memory, lag_late_share] = shares;
        Some(AnalysisSettings {
            drift_window_s: drift_window?,
            drift_window_samples: raw.drift_window_samples,
            drift_p50: drift_p50?,
            drift_p99: drift_p99?,
            drift_memory: drift_memory?,
            recovery_window_s: recovery_window?,
            recovery_hold_s: recovery_hold?,
            lag_p99_max_ms: to_ms(lag_p99_max?),
            lag_late_ms: to_ms(lag_late?),
            lag_late_share: lag_late_share?,
            gap_max_s: gap_max?,
        })
    }
}
