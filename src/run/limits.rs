//! What the system allows a run, checked before anything is sent.
//!
//! A connection needs an open file (two when the built-in target holds its other end) and a
//! local port. What cannot be held would end as rows that blame the target, so it is found
//! here: a bound the user wrote is refused, with the limit, what is needed and the command that
//! raises it; a bound nobody wrote is lowered, with a warning.

use std::net::IpAddr;

use thiserror::Error;

use crate::os::{self, NetworkLimits, TimeWaitReuse};
use crate::plan::{ConnectionPolicy, Plan, Protocol, TargetAddress};

/// Open files kept back for samples, timers and libraries.
const FILES_RESERVED: u64 = 200;

/// How long a closed connection keeps its port; the kernel's constant.
const TIME_WAIT_S: f64 = 60.0;

/// The same where the port may be used again early.
const TIME_WAIT_REUSED_S: f64 = 1.0;

/// Connections the built-in target asks the kernel to hold for it.
const BACKLOG_WANTED: u32 = 4_096;

/// A limit of the system is too low for what the profile asks for.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum LimitError {
    /// Too few open files.
    #[error(
        "{key} = {asked} needs {needed} open files ({per_connection} for each connection, \
         {FILES_RESERVED} for everything else), and this system allows {limit}; raise the limit \
         with `ulimit -n {needed}` (beyond the hard limit: nofile in /etc/security/limits.conf), \
         or write {key} = {fitting} or less"
    )]
    OpenFiles {
        /// Key of the profile that bounds the connections.
        key: &'static str,
        /// The bound as it was written.
        asked: u32,
        /// Files of one connection in this process.
        per_connection: u64,
        /// Open files needed.
        needed: u64,
        /// Open files allowed.
        limit: u64,
        /// The greatest bound that can be held.
        fitting: u32,
    },
    /// Too few local ports.
    #[error(
        "{key} = {asked} needs {needed} local ports, and this system has {limit} for one target \
         address; widen the range with `sysctl -w net.ipv4.ip_local_port_range=\"1024 65535\"`, \
         name more source_addresses, or write {key} = {fitting} or less"
    )]
    Ports {
        /// Key of the profile that bounds the connections.
        key: &'static str,
        /// The bound as it was written.
        asked: u32,
        /// Ports needed at once.
        needed: u64,
        /// Ports there are.
        limit: u64,
        /// The greatest bound that can be held.
        fitting: u32,
    },
}

/// What the system allows.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemLimits {
    /// Open files of this process.
    pub open_files: Option<u64>,
    /// Bounds of the network stack.
    pub network: NetworkLimits,
}

impl SystemLimits {
    /// Raises the limit of open files as far as it may go and reads all limits.
    pub fn raise_and_read() -> Self {
        Self { open_files: os::raise_open_files_limit(), network: os::network_limits() }
    }
}

/// Makes `plan` fit the system; returns what was changed or may go wrong, in words.
///
/// `share` is the part of the load that this process sends.
///
/// # Errors
/// When a bound that the user wrote cannot be held.
pub(super) fn fit(
    plan: &mut Plan,
    share: f64,
    system: &SystemLimits,
) -> Result<Vec<String>, LimitError> {
    let mut warnings = Vec::new();
    warnings.extend(fit_open_files(plan, share, system.open_files)?);
    if !matches!(plan.target, TargetAddress::Unix { .. }) {
        warnings.extend(fit_ports(plan, share, system.network.ports)?);
        warnings.extend(ports_in_time_wait(plan, share, &system.network));
    }
    warnings.extend(short_backlog(plan, share, system.network.listen_backlog));
    Ok(warnings)
}

/// What bounds the connections of a run.
#[derive(Debug, Clone, Copy)]
struct Bound {
    /// Key of the profile.
    key: &'static str,
    /// Its value, for the whole run.
    asked: u32,
    /// Whether nobody wrote it.
    is_default: bool,
    /// Requests in flight that share a connection.
    per_connection: u32,
    /// Part of the load that this process sends.
    share: f64,
}

impl Bound {
    fn of(plan: &Plan, share: f64) -> Self {
        let connection = &plan.connection;
        let in_flight = Self {
            key: "max_in_flight",
            asked: connection.max_in_flight,
            is_default: connection.max_in_flight_is_default,
            per_connection: match connection.protocol {
                Protocol::Http2 => connection.streams_per_connection,
                // The target may choose HTTP/1.1.
                Protocol::Http1 | Protocol::Auto => 1,
            },
            share,
        };
        let Some(most) = connection.max_connections else { return in_flight };
        let written = Self {
            key: "max_connections",
            asked: most,
            is_default: false,
            per_connection: 1,
            share,
        };
        let is_kept = connection.policy == ConnectionPolicy::Fixed;
        let is_less = written.connections() < in_flight.connections();
        if is_kept || is_less { written } else { in_flight }
    }

    /// Connections in this process at most.
    fn connections(&self) -> u64 {
        let requests = (f64::from(self.asked) * self.share).ceil() as u64;
        requests.div_ceil(u64::from(self.per_connection.max(1)))
    }

    /// The greatest value that needs no more than `allowed` connections here; at least 1.
    fn fitting(&self, allowed: u64) -> u32 {
        let requests = allowed as f64 * f64::from(self.per_connection) / self.share;
        requests.floor().clamp(1.0, f64::from(u32::MAX)) as u32
    }
}

fn fit_open_files(
    plan: &mut Plan,
    share: f64,
    limit: Option<u64>,
) -> Result<Option<String>, LimitError> {
    let Some(limit) = limit else { return Ok(None) };
    let bound = Bound::of(plan, share);
    let per_connection = if plan.target == TargetAddress::Embedded { 2 } else { 1 };
    let needed = bound.connections() * per_connection + FILES_RESERVED;
    if needed <= limit {
        return Ok(None);
    }
    let Bound { key, asked, is_default, .. } = bound;
    let fitting = bound.fitting(limit.saturating_sub(FILES_RESERVED) / per_connection);
    if !is_default {
        return Err(LimitError::OpenFiles { key, asked, per_connection, needed, limit, fitting });
    }
    plan.connection.max_in_flight = fitting;
    Ok(Some(format!(
        "at most {fitting} requests in flight instead of {asked}: this system allows {limit} open \
         files (`ulimit -n {needed}` allows enough)"
    )))
}

/// Local ports for connections to one target address.
fn all_ports(plan: &Plan, ports: Option<u32>) -> Option<u64> {
    let sources = plan.connection.source_addresses.len().max(1);
    Some(u64::from(ports?) * sources as u64)
}

fn fit_ports(
    plan: &mut Plan,
    share: f64,
    ports: Option<u32>,
) -> Result<Option<String>, LimitError> {
    let Some(limit) = all_ports(plan, ports) else { return Ok(None) };
    let bound = Bound::of(plan, share);
    let needed = bound.connections();
    if needed <= limit {
        return Ok(None);
    }
    let Bound { key, asked, is_default, .. } = bound;
    let fitting = bound.fitting(limit);
    if !is_default {
        return Err(LimitError::Ports { key, asked, needed, limit, fitting });
    }
    plan.connection.max_in_flight = fitting;
    Ok(Some(format!(
        "at most {fitting} requests in flight instead of {asked}: this system has {limit} local \
         ports for one target (net.ipv4.ip_local_port_range)"
    )))
}

/// A connection per request leaves its port unusable for a while, if it is this side that
/// closes first. Which side does is known only when it happens: a warning.
fn ports_in_time_wait(plan: &Plan, share: f64, network: &NetworkLimits) -> Option<String> {
    let ports = all_ports(plan, network.ports)? as f64;
    let is_reused = match network.reuse {
        TimeWaitReuse::Always => true,
        TimeWaitReuse::Loopback => is_loopback(&plan.target),
        TimeWaitReuse::Never => false,
    };
    let hold_s = if is_reused { TIME_WAIT_REUSED_S } else { TIME_WAIT_S };
    let rate = plan.peak_rate() * share;
    let needed = rate * hold_s.min(plan.end_ns() as f64 / 1e9);
    let runs_out = plan.connection.policy == ConnectionPolicy::PerRequest && needed > ports;
    runs_out.then(|| {
        format!(
            "a connection per request at {rate:.0}/s leaves up to {needed:.0} local ports in \
             TIME_WAIT for {hold_s} s each, and this system has {ports} for one target: \
             connections will fail when they are used up; `sysctl -w net.ipv4.tcp_tw_reuse=1` and \
             `sysctl -w net.ipv4.ip_local_port_range=\"1024 65535\"` help, or policy = \"pool\", or \
             a rate below {:.0}/s",
            ports / hold_s,
        )
    })
}

fn is_loopback(target: &TargetAddress) -> bool {
    match target {
        TargetAddress::Embedded => true,
        TargetAddress::Unix { .. } => false,
        TargetAddress::Tcp { host, .. } => {
            host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        }
    }
}

/// A burst of connections that the kernel does not hold for the target waits for a second
/// and more before it is tried again.
fn short_backlog(plan: &Plan, share: f64, backlog: Option<u32>) -> Option<String> {
    let backlog = backlog?;
    let is_short =
        backlog < BACKLOG_WANTED && u64::from(backlog) < Bound::of(plan, share).connections();
    (plan.target == TargetAddress::Embedded && is_short).then(|| {
        format!(
            "the built-in target can hold {backlog} connections that wait to be accepted \
             (net.core.somaxconn): a burst of more is tried again after a second; `sysctl -w \
             net.core.somaxconn={BACKLOG_WANTED}` lets it hold enough"
        )
    })
}

#[cfg(test)]
mod tests {
    use openload_contract::{ArrivalKind, RateLaw};

    use super::{LimitError, SystemLimits, fit};
    use crate::os::{NetworkLimits, TimeWaitReuse};
    use crate::plan::{ConnectionPolicy, Plan, Protocol, TargetAddress};
    use crate::simulation::{phase, plan};

    fn planned(max_in_flight: u32, is_default: bool) -> Plan {
        let law = RateLaw::Constant { rate: 1_000.0 };
        let mut plan = plan(1, vec![phase("steady", ArrivalKind::Poisson, law, 120)]);
        plan.connection.max_in_flight = max_in_flight;
        plan.connection.max_in_flight_is_default = is_default;
        plan
    }

    fn files(open_files: u64) -> SystemLimits {
        SystemLimits { open_files: Some(open_files), ..SystemLimits::default() }
    }

    fn ports(ports: u32, reuse: TimeWaitReuse) -> SystemLimits {
        let network = NetworkLimits { ports: Some(ports), reuse, ..NetworkLimits::default() };
        SystemLimits { network, ..SystemLimits::default() }
    }

    #[test]
    fn a_bound_nobody_wrote_is_lowered_to_leave_room_for_the_writers_files() {
        let mut plan = planned(10_000, true);
        assert_eq!(fit(&mut plan, 1.0, &SystemLimits::default()).unwrap(), [""; 0]);
        assert_eq!(fit(&mut plan, 1.0, &files(1_000_000)).unwrap(), [""; 0]);
        let warnings = fit(&mut plan, 1.0, &files(1_024)).unwrap();
        // The built-in target holds the other end of each connection.
        assert_eq!(plan.connection.max_in_flight, 412);
        assert!(warnings[0].contains("1024 open files"), "{warnings:?}");
    }

    #[test]
    fn a_bound_that_was_written_is_refused_with_the_remedy() {
        let error = fit(&mut planned(20_000, false), 1.0, &files(20_000)).unwrap_err();
        let expected = LimitError::OpenFiles {
            key: "max_in_flight",
            asked: 20_000,
            per_connection: 2,
            needed: 40_200,
            limit: 20_000,
            fitting: 9_900,
        };
        assert_eq!(error, expected);
        assert!(error.to_string().contains("ulimit -n 40200"), "{error}");
    }

    #[test]
    fn connections_count_and_not_requests() {
        let mut plan = planned(20_000, false);
        plan.connection.max_connections = Some(100);
        assert_eq!(fit(&mut plan, 1.0, &files(1_024)).unwrap(), [""; 0]);
        plan.connection.max_connections = Some(500);
        let error = fit(&mut plan, 1.0, &files(1_024)).unwrap_err();
        assert!(error.to_string().starts_with("max_connections = 500 needs 1200 open"), "{error}");
        assert!(error.to_string().contains("max_connections = 412 or less"), "{error}");
        // Two hundred connections of a hundred streams.
        let mut plan = planned(20_000, false);
        plan.connection.protocol = Protocol::Http2;
        assert_eq!(fit(&mut plan, 1.0, &files(1_024)).unwrap(), [""; 0]);
    }

    #[test]
    fn each_source_address_has_ports_of_its_own() {
        let mut plan = planned(50_000, false);
        plan.connection.source_addresses = vec![[127, 0, 0, 2].into(), [127, 0, 0, 3].into()];
        let few = ports(28_232, TimeWaitReuse::Never);
        assert_eq!(fit(&mut plan, 1.0, &few).unwrap(), [""; 0]);
    }

    #[test]
    fn a_shard_needs_its_share_only() {
        let mut plan = planned(20_000, false);
        assert_eq!(fit(&mut plan, 0.25, &files(20_000)).unwrap(), [""; 0]);
        let mut plan = planned(20_000, true);
        fit(&mut plan, 0.5, &files(10_200)).unwrap();
        assert_eq!(plan.connection.max_in_flight, 10_000);
    }

    #[test]
    fn ports_bound_connections_over_tcp_only() {
        let few = ports(28_232, TimeWaitReuse::Never);
        let error = fit(&mut planned(30_000, false), 1.0, &few).unwrap_err();
        assert!(matches!(error, LimitError::Ports { fitting: 28_232, .. }), "{error:?}");
        let mut plan = planned(30_000, true);
        assert_eq!(fit(&mut plan, 1.0, &few).unwrap().len(), 1);
        assert_eq!(plan.connection.max_in_flight, 28_232);
        let mut plan = planned(30_000, false);
        plan.target = TargetAddress::Unix { path: "/tmp/socket".into() };
        assert_eq!(fit(&mut plan, 1.0, &few).unwrap(), [""; 0]);
    }

    #[test]
    fn ports_in_time_wait_are_warned_about() {
        let mut plan = planned(1_000, true);
        let warned = |plan: &mut Plan, reuse| {
            fit(plan, 1.0, &ports(28_232, reuse)).unwrap().concat().contains("TIME_WAIT")
        };
        assert!(!warned(&mut plan, TimeWaitReuse::Never));
        // 1,000/s for 60 s each are 60,000 ports; for 1 s each they are 1,000.
        plan.connection.policy = ConnectionPolicy::PerRequest;
        assert!(warned(&mut plan, TimeWaitReuse::Never));
        assert!(!warned(&mut plan, TimeWaitReuse::Loopback));
        plan.target = TargetAddress::Tcp {
            tls: false,
            host: "192.0.2.1".to_owned(),
            port: 80,
            base_path: String::new(),
        };
        assert!(warned(&mut plan, TimeWaitReuse::Loopback));
        assert!(!warned(&mut plan, TimeWaitReuse::Always));
    }

    #[test]
    fn a_short_backlog_of_the_built_in_target_is_warned_about() {
        let network = NetworkLimits { listen_backlog: Some(128), ..NetworkLimits::default() };
        let system = SystemLimits { network, ..SystemLimits::default() };
        let warnings = fit(&mut planned(1_000, true), 1.0, &system).unwrap();
        assert!(warnings[0].contains("net.core.somaxconn"), "{warnings:?}");
        assert_eq!(fit(&mut planned(100, true), 1.0, &system).unwrap(), [""; 0]);
    }
}
