//! Settings of connections that do nothing beside the others, or more than one may think.
//!
//! Contradictions are refused where the profile is resolved. What is here runs as written,
//! but somebody who wrote it probably expects something else.

use std::net::IpAddr;

use crate::plan::{
    ConnectionPlan, ConnectionPolicy, Engine, Plan, Protocol, ReuseOrder, TargetAddress, TlsPlan,
};

/// Streams per connection when the profile does not say.
const STREAMS_DEFAULT: u32 = 100;

/// Lists what is probably not meant in how connections are made.
pub(super) fn about_connections(plan: &Plan) -> Vec<String> {
    let is_tls = matches!(plan.target, TargetAddress::Tcp { tls: true, .. });
    let mut found = Vec::new();
    let mut note = |applies: bool, text: &str| {
        if applies {
            found.push(format!("connection.{text}"));
        }
    };
    protocol(&plan.connection, &mut note);
    numbers(&plan.connection, &mut note);
    tls(&plan.connection.tls, is_tls, &mut note);
    note(
        plan.connection.dns_ttl_ns.is_some() && !has_name(&plan.target),
        "dns has no effect: the target has no name to look up",
    );
    found
}

fn protocol(plan: &ConnectionPlan, note: &mut impl FnMut(bool, &str)) {
    note(
        plan.protocol == Protocol::Http2 && plan.engine == Engine::Hyper,
        "engine has no effect: HTTP/2 is always spoken by hyper",
    );
    note(
        plan.protocol == Protocol::Http1 && plan.streams_per_connection != STREAMS_DEFAULT,
        "streams_per_connection has no effect: an HTTP/1.1 connection carries one request at a \
         time; write protocol = \"http2\"",
    );
}

fn numbers(plan: &ConnectionPlan, note: &mut impl FnMut(bool, &str)) {
    let most = plan.max_in_flight;
    note(
        plan.policy == ConnectionPolicy::PerRequest && plan.reuse == ReuseOrder::Fifo,
        "reuse has no effect: with the policy per-request no connection is used twice",
    );
    note(
        plan.policy == ConnectionPolicy::Fixed && plan.prewarm > 0,
        "prewarm has no effect: with the policy fixed all connections are opened before the run",
    );
    if let Some(connections) = plan.max_connections {
        note(
            connections > most,
            &format!(
                "max_connections = {connections} will not be reached: max_in_flight is {most}"
            ),
        );
    } else {
        note(
            plan.prewarm > most,
            &format!(
                "prewarm = {} is more than can be used: max_in_flight is {most}",
                plan.prewarm
            ),
        );
    }
}

fn tls(plan: &TlsPlan, is_tls: bool, note: &mut impl FnMut(bool, &str)) {
    if !is_tls {
        let is_plain = *plan == TlsPlan::default();
        note(!is_plain, "tls has no effect: the target is not reached over TLS (https://)");
        return;
    }
    note(
        plan.insecure,
        "tls.insecure: any certificate is accepted; whoever answers gets the requests",
    );
    note(
        plan.insecure && plan.ca.is_some(),
        "tls.ca has no effect: with insecure = true no certificate is checked",
    );
}

/// Tells whether the target's host is a name and not an address.
fn has_name(target: &TargetAddress) -> bool {
    matches!(target, TargetAddress::Tcp { host, .. } if host.parse::<IpAddr>().is_err())
}
