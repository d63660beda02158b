//! The way to the target, found before the run: its address, and the protocol it speaks.

use std::time::Duration;

use super::RunError;
use super::thread::runtime;
use crate::clock::{Clock, Epoch};
use crate::pacer::{Pacer, Pacing};
use crate::plan::{Plan, Protocol, TargetAddress};
use crate::target::RunningTarget;
use crate::transport::{Address, Connector, Failure, Requests, TlsError, check_sources};

/// How workers reach the target.
pub(super) struct Route {
    address: Address,
    /// Host to ask for over TLS.
    tls_host: Option<String>,
}

impl Route {
    /// Resolves the plan's target; blocks while the resolver works.
    pub fn new(plan: &Plan, embedded: Option<&RunningTarget>) -> Self {
        match (&plan.target, embedded) {
            (_, Some(target)) => Self { address: target.address().into(), tls_host: None },
            (TargetAddress::Tcp { tls, host, port, .. }, None) => {
                let address = Address::resolve(host, *port, plan.connection.dns_ttl_ns);
                Self { address, tls_host: tls.then(|| host.clone()) }
            }
            (TargetAddress::Unix { path }, None) => {
                Self { address: Address::Unix(path.clone()), tls_host: None }
            }
            (TargetAddress::Embedded, None) => unreachable!("the built-in target was started"),
        }
    }

    /// Makes what opens connections, for one worker.
    pub fn connector<C: Clock>(&self, clock: C, plan: &Plan) -> Result<Connector<C>, TlsError> {
        let (address, host) = (self.address.clone(), self.tls_host.as_deref());
        Connector::new(clock, &plan.connection, address, host)
    }

    /// Prepares everything a worker will, and makes one connection and closes it without
    /// sending anything, so that what cannot work is found before the run: a target that is
    /// not there is said once, not a million times.
    ///
    /// Returns the protocol to speak. [`Protocol::Auto`] is settled here, once for the run.
    pub fn check(&self, plan: &Plan) -> Result<Protocol, RunError> {
        Requests::new(plan)?;
        check_sources(&plan.connection.source_addresses)?;
        let runtime = runtime(Pacing::Efficient).map_err(RunError::Thread)?;
        runtime.block_on(self.try_connecting(plan))
    }

    async fn try_connecting(&self, plan: &Plan) -> Result<Protocol, RunError> {
        let clock = Pacer::new(Epoch::now(), Pacing::Efficient).map_err(RunError::Thread)?;
        let connector = self.connector(clock, plan)?;
        let wanted = plan.connection.protocol;
        if !plan.connection.probe && wanted != Protocol::Auto {
            return Ok(wanted);
        }
        let timeout = Duration::from_nanos(plan.connection.connect_timeout_ns.unsigned_abs());
        let cause = match tokio::time::timeout(timeout, connector.probe()).await {
            Ok(Ok(is_http2)) => return Ok(settle(wanted, is_http2)),
            Ok(Err(Failure { cause, .. })) => cause,
            Err(_elapsed) => format!("no connection within {} ms", timeout.as_millis()),
        };
        if plan.connection.probe {
            return Err(RunError::Probe { cause });
        }
        Ok(settle(wanted, false))
    }
}

/// The protocol to speak with a target that does or does not speak HTTP/2.
fn settle(wanted: Protocol, is_http2: bool) -> Protocol {
    match wanted {
        Protocol::Auto if is_http2 => Protocol::Http2,
        Protocol::Auto => Protocol::Http1,
        settled => settled,
    }
}
