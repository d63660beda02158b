//! What a format string consists of.

use super::timing::Source;
use crate::record::Moment;

/// A piece of a format string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// Bytes that stand in every line.
    Literal(Vec<u8>),
    /// A value.
    Variable(Variable),
}

/// A variable of a format string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Variable {
    /// How the user wrote it.
    pub(super) name: String,
    /// What it is good for.
    pub(super) role: Role,
    /// How many bytes it always has, if that is known.
    pub(super) width: Option<usize>,
}

impl Variable {
    /// A variable of varying width.
    pub(super) fn new(name: &str, role: Role) -> Self {
        Self { name: name.to_owned(), role, width: None }
    }

    /// A variable that always has `width` bytes.
    pub(super) fn with_width(name: &str, role: Role, width: usize) -> Self {
        Self { name: name.to_owned(), role, width: Some(width) }
    }

    /// The byte it always begins with, if there is one.
    pub(super) fn first_byte(&self) -> Option<u8> {
        matches!(self.role, Role::Target | Role::Path).then_some(b'/')
    }

    /// Tells whether it may be a list with blanks: `0.010, 0.020 : 0.030`.
    pub(super) fn may_be_list(&self) -> bool {
        matches!(self.role, Role::UpstreamDuration | Role::Forwarded)
            || self.name.starts_with("$upstream_")
    }
}

/// What a variable is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Role {
    /// Nothing here.
    Ignored,
    /// The instant of the request, or a part of it.
    Time(Moment, Source),
    /// Duration of the request in units of `unit_ns`, written in steps of `step_ns`.
    Duration {
        unit_ns: i64,
        step_ns: i64,
    },
    /// Durations of all attempts at an upstream server, in seconds.
    UpstreamDuration,
    /// Method, target and protocol.
    Request,
    Method,
    /// Path and query as the client sent them.
    Target,
    /// Path, perhaps with a query, as the server understood it.
    Path,
    Query,
    Protocol,
    Status,
    /// Bytes of the response's body.
    Bytes,
    /// Bytes of the whole response.
    Sent,
    /// Address of the peer.
    Client,
    /// Addresses that proxies in front report.
    Forwarded,
    /// Number of the connection.
    Connection,
    /// Host that was asked for.
    Host,
    /// Host as configured.
    Server,
    /// Length of the request's body.
    BodyBytes,
    /// A header of the request, in lower case.
    Header(Vec<u8>),
}

impl Role {
    /// The role of a request header.
    pub(super) fn of_header(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        match name.as_str() {
            "host" => Self::Host,
            "content-length" => Self::BodyBytes,
            "x-forwarded-for" | "x-real-ip" | "true-client-ip" | "cf-connecting-ip" => {
                Self::Forwarded
            }
            // They belong to the connection, or name the way a request came.
            "connection" | "keep-alive" | "proxy-connection" | "te" | "trailer" | "upgrade"
            | "transfer-encoding" | "expect" | "forwarded" | "via" | "x-forwarded-host"
            | "x-forwarded-proto" | "x-forwarded-port" => Self::Ignored,
            name if name.is_empty() || !name.bytes().all(super::super::request::is_token) => {
                Self::Ignored
            }
            name => Self::Header(name.as_bytes().to_vec()),
        }
    }
}
