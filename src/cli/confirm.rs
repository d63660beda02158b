//! A question before load goes to a machine that is not this one.

use std::io::{self, BufRead, IsTerminal};
use std::net::{IpAddr, ToSocketAddrs};

use openload::plan::{Plan, TargetAddress};

use super::console::{self, Failure};

/// Arrivals per second above which a foreign target needs a yes.
const RATE_LIMIT: f64 = 1_000.0;

/// Asks once on a terminal, needs `--yes` elsewhere, when `plan` would send more than 1,000
/// requests per second, or recorded ones, to a machine that is not this one.
pub fn confirm(plan: &Plan, is_confirmed: bool) -> Result<(), Failure> {
    let peak = plan.peak_rate();
    let TargetAddress::Tcp { host, .. } = &plan.target else { return Ok(()) };
    let is_replay = plan.streams.iter().any(|stream| stream.trace.is_some());
    let needs_yes = is_replay || peak > RATE_LIMIT;
    if is_confirmed || !needs_yes || is_loopback(host) {
        return Ok(());
    }
    let what = if is_replay { "recorded requests" } else { "requests" };
    let question = format!("up to {peak:.0} {what} per second will be sent to {host}");
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(format!("{question}; add --yes to confirm")));
    }
    console::say(format!("{question}. Type yes to go on:"));
    let mut answer = String::new();
    match io::stdin().lock().read_line(&mut answer) {
        Ok(_) if answer.trim() == "yes" => Ok(()),
        _ => Err(Failure::usage("not confirmed, nothing was sent")),
    }
}

fn is_loopback(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        // A name that cannot be resolved is reported when the run starts.
        Err(_) => (host, 0)
            .to_socket_addrs()
            .is_ok_and(|mut addresses| addresses.all(|address| address.ip().is_loopback())),
    }
}
