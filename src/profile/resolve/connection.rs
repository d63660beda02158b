//! Connections: what is written, and what fits together.
//!
//! What contradicts itself is refused here, at its place. What merely has no effect is a
//! warning, in `profile::no_effect`.

use std::net::IpAddr;

use rustls::pki_types::ServerName;

use crate::plan::{
    ConnectionPlan, ConnectionPolicy, Engine, Protocol, ReuseOrder, TargetAddress, TlsPlan,
};
use crate::profile::diagnostic::Fault;
use crate::profile::located::Located;
use crate::profile::quantity::{Kind, Lookup, Scalar, Time, Written};
use crate::profile::raw::{RawConnection, RawEngine, RawPolicy, RawProtocol, RawReuse, RawTls};

use super::Checker;

const FROM_ONE_UP: &str = "write a whole number from 1 up";

impl Checker<'_> {
    /// Works out how connections are made to `target`, where that could be read.
    pub(super) fn connection(
        &mut self,
        raw: &RawConnection,
        target: Option<&TargetAddress>,
    ) -> Option<ConnectionPlan> {
        let connect = self.duration_ns(&raw.connect_timeout);
        let response = self.duration_ns(&raw.response_timeout);
        let drain = self.duration_ns(&raw.drain_timeout);
        let deadline = self.optional_ns(raw.deadline.as_ref());
        let lifetime = self.optional_ns(raw.lifetime.as_ref());
        let dns_ttl = self.lookup(&raw.dns);
        let source_addresses = self.source_addresses(&raw.source_addresses, target);
        let tls = self.tls(&raw.tls);
        self.above_zero(&raw.max_in_flight, "every arrival would be dropped");
        self.above_zero(&raw.streams_per_connection, "no connection could carry a request");
        self.how_many(raw);
        Some(ConnectionPlan {
            protocol: match raw.protocol {
                RawProtocol::Http1 => Protocol::Http1,
                RawProtocol::Http2 => Protocol::Http2,
                RawProtocol::Auto => Protocol::Auto,
            },
            engine: match raw.engine {
                RawEngine::Lean => Engine::Lean,
                RawEngine::Hyper => Engine::Hyper,
            },
            policy: match raw.policy.get() {
                RawPolicy::Pool => ConnectionPolicy::Pool,
                RawPolicy::PerRequest => ConnectionPolicy::PerRequest,
                RawPolicy::Fixed => ConnectionPolicy::Fixed,
            },
            reuse: match raw.reuse {
                RawReuse::Lifo => ReuseOrder::Lifo,
                RawReuse::Fifo => ReuseOrder::Fifo,
            },
            max_connections: raw.max_connections.as_ref().map(|most| *most.get()),
            prewarm: *raw.prewarm.get(),
            lifetime_ns: lifetime?,
            streams_per_connection: *raw.streams_per_connection.get(),
            dns_ttl_ns: dns_ttl?,
            source_addresses,
            connect_timeout_ns: connect?,
            response_timeout_ns: response?,
            deadline_ns: deadline?,
            drain_timeout_ns: drain?,
            max_in_flight: *raw.max_in_flight.get(),
            max_in_flight_is_default: !raw.max_in_flight.is_written(),
            probe: raw.probe,
            tls,
        })
    }

    /// Reads a duration that may be left out.
    fn optional_ns(&mut self, written: Option<&Located<Written<Time>>>) -> Option<Option<i64>> {
        match written {
            Some(written) => self.duration_ns(written).map(Some),
            None => Some(None),
        }
    }

    /// Reads after how long a name is looked up again; `Some(None)` is never.
    fn lookup(&mut self, written: &Located<Written<Lookup>>) -> Option<Option<i64>> {
        if written.get().is_once() {
            return Some(None);
        }
        if let Scalar::Text(text) = written.get().scalar()
            && !text.contains(|c: char| c.is_ascii_digit())
        {
            let fault = Fault::new(format!("`{text}` is neither \"once\" nor a duration"));
            self.report(written, fault.help(format!("write {}", Lookup::WHAT)));
            return None;
        }
        let time = Written::from(written.get().scalar().clone());
        self.duration_ns(&Located::new(time, written.span())).map(Some)
    }

    fn above_zero(&mut self, written: &Located<u32>, otherwise: &str) {
        if *written.get() == 0 {
            self.report(written, Fault::new(otherwise).help(FROM_ONE_UP));
        }
    }

    /// Checks the number of connections against the policy.
    fn how_many(&mut self, raw: &RawConnection) {
        let prewarm = *raw.prewarm.get();
        if let Some(most) = &raw.max_connections {
            self.above_zero(most, "without a connection nothing could be sent");
            if prewarm > *most.get() && *most.get() > 0 {
                let fault = Fault::new(format!("{prewarm} connections are more than are allowed"))
                    .label(format!("`max_connections` is {}", most.get()))
                    .help("write `prewarm` of at most `max_connections`");
                self.report(&raw.prewarm, fault);
            }
        }
        match raw.policy.get() {
            RawPolicy::Pool => {}
            RawPolicy::Fixed if raw.max_connections.is_none() => {
                let fault = Fault::new("the policy `fixed` does not say how many connections")
                    .help("add their number: max_connections = 100");
                self.report(&raw.policy, fault);
            }
            RawPolicy::Fixed => {}
            RawPolicy::PerRequest => self.never_kept(raw),
        }
    }

    /// With a connection per request there is nothing to keep.
    fn never_kept(&mut self, raw: &RawConnection) {
        let fault = |key: &str| {
            Fault::new(format!("`{key}` is about connections that are kept"))
                .label("`policy` is `per-request`: each carries one request")
                .help(format!("leave out `{key}`, or write policy = \"pool\""))
        };
        if *raw.prewarm.get() > 0 {
            self.report(&raw.prewarm, fault("prewarm"));
        }
        if let Some(lifetime) = &raw.lifetime {
            self.report(lifetime, fault("lifetime"));
        }
    }

    fn source_addresses(
        &mut self,
        written: &[Located<String>],
        target: Option<&TargetAddress>,
    ) -> Vec<IpAddr> {
        let mut read: Vec<IpAddr> = Vec::new();
        for one in written {
            let address = self.keep(one, source_address(one.get(), target));
            if address.is_some_and(|address| read.contains(&address)) {
                let fault = Fault::new(format!("`{}` is there twice", one.get()));
                self.report(one, fault.help("write each address once; they are taken in turn"));
            }
            read.extend(address);
        }
        read
    }

    fn tls(&mut self, raw: &RawTls) -> TlsPlan {
        match (&raw.certificate, &raw.key) {
            (Some(alone), None) => self.report(
                alone,
                Fault::new("a certificate without its key proves nothing")
                    .help("add the file of its private key: key = \"client-key.pem\""),
            ),
            (None, Some(alone)) => self.report(
                alone,
                Fault::new("a key without its certificate is never used")
                    .help("add the file of the certificate: certificate = \"client.pem\""),
            ),
            _ => {}
        }
        TlsPlan {
            insecure: raw.insecure,
            ca: raw.ca.clone(),
            server_name: self.server_name(raw),
            certificate: raw.certificate.as_ref().map(|path| path.get().clone()),
            key: raw.key.as_ref().map(|path| path.get().clone()),
        }
    }

    fn server_name(&mut self, raw: &RawTls) -> Option<String> {
        let written = raw.server_name.as_ref()?;
        if ServerName::try_from(written.get().as_str()).is_err() {
            let fault = Fault::new(format!("`{}` is no server name", written.get()));
            self.report(written, fault.help("write a host name or an address: api.example"));
        }
        Some(written.get().clone())
    }
}

/// Reads an address to connect from. Whether this machine has it is found when it is used.
fn source_address(text: &str, target: Option<&TargetAddress>) -> Result<IpAddr, Fault> {
    let wrong = |message: String, help: &str| Err(Fault::new(message).help(help.to_owned()));
    let Ok(address) = text.parse::<IpAddr>() else {
        return wrong(
            format!("`{text}` is no address"),
            "write addresses of this machine: [\"127.0.0.2\", \"127.0.0.3\"]",
        );
    };
    if address.is_unspecified() || address.is_multicast() {
        return wrong(
            format!("connections cannot be made from `{address}`"),
            "write addresses of this machine; `ip address` lists them",
        );
    }
    let (family, at) = match target {
        Some(TargetAddress::Unix { .. }) => {
            return wrong(
                "a Unix socket is not reached from an address".to_owned(),
                "leave out `source_addresses`",
            );
        }
        Some(TargetAddress::Embedded) => (Some(false), "the built-in target".to_owned()),
        Some(TargetAddress::Tcp { host, .. }) => {
            (host.parse::<IpAddr>().ok().map(|host| host.is_ipv6()), format!("`{host}`"))
        }
        None => (None, String::new()),
    };
    match family {
        Some(is_ipv6) if is_ipv6 != address.is_ipv6() => {
            let name = |is_ipv6| if is_ipv6 { "IPv6" } else { "IPv4" };
            wrong(
                format!("{at} cannot be reached from `{address}`"),
                &format!("it has {} addresses only; write such a one", name(is_ipv6)),
            )
        }
        _ => Ok(address),
    }
}
