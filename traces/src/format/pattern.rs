//! Logs in a format of the user's own: nginx's `log_format`, Apache's `LogFormat`.
//!
//! The format string, as it stands in the server's configuration, is compiled to a list of
//! literals and variables; a line is matched from left to right, a variable ending where the
//! next literal begins. What makes this more than splitting:
//!
//! - a value in quotes ends at the first quote that is not escaped and behind which the literal
//!   goes on, so that agents may hold quotes;
//! - lists of `$upstream_…` and of `X-Forwarded-For`, and request lines without quotes, hold
//!   blanks;
//! - times have known widths, and those of strftime are taken apart into pieces of fixed width;
//! - `$uri$is_args$args` and `%U%q` are one variable, and `$host$request_uri` ends at a slash.
//!
//! Several variables may say the same. Of times, the best is used: a start, or an end with a
//! duration, before a mere end; a fine one before a coarse one. `$request_uri` and `$request`
//! are preferred to `$uri`, which rewriting and normalising have changed. Variables that are not
//! known are matched and ignored.
//!
//! nginx's times are of the end. Apache's are of the start, except for `%{end:…}t`.

mod apache;
mod compile;
mod error;
mod nginx;
mod timing;
mod token;

pub use error::PatternError;

use compile::{Compiled, Part};
use timing::Clock;
use token::Role;

use super::LineFormat;
use super::recent::RecentTime;
use super::request::{
    check_method, duration, first_forwarded, host_of, number, present, push_header_with,
    request_line, status,
};
use super::unescape::{push_unescaped, unescaped};
use crate::record::{Record, SECOND_NS, Skip};

/// Reads lines of a format string.
#[derive(Debug)]
pub struct Pattern {
    compiled: Compiled,
    is_escaped: bool,
    recent: RecentTime,
    target: Vec<u8>,
    headers: Vec<u8>,
}

impl Pattern {
    /// Compiles a `log_format` of nginx: the string, or the whole directive.
    ///
    /// # Errors
    /// When the format has no time, or variables that nothing separates.
    pub fn nginx(format: &str) -> Result<Self, PatternError> {
        let format = nginx::undirected(format)?;
        let tokens = nginx::tokens(&format.text)?;
        let add = "`$msec` and `$request_time`, or at least `$time_local` or `$time_iso8601`";
        Ok(Self::new(compile::compile(tokens, add)?, format.is_escaped))
    }

    /// Compiles a `LogFormat` of Apache httpd: the string, or the whole directive.
    ///
    /// # Errors
    /// When the format has no time, or variables that nothing separates.
    pub fn apache(format: &str) -> Result<Self, PatternError> {
        let tokens = apache::tokens(&apache::undirected(format)?)?;
        let add = "`%{begin:usec}t`, or at least `%t`";
        Ok(Self::new(compile::compile(tokens, add)?, true))
    }

    fn new(compiled: Compiled, is_escaped: bool) -> Self {
        let (target, headers) = (Vec::new(), Vec::new());
        Self { compiled, is_escaped, recent: RecentTime::default(), target, headers }
    }
}

/// The values of one line that are of use, as they stand there; empty for `-`.
#[derive(Debug, Default)]
struct Values<'a> {
    request: &'a [u8],
    method: &'a [u8],
    target: &'a [u8],
    path: &'a [u8],
    query: &'a [u8],
    status: &'a [u8],
    bytes: Option<u64>,
    sent: Option<u64>,
    duration_ns: Option<i64>,
    client: &'a [u8],
    forwarded: &'a [u8],
    connection: &'a [u8],
    host: &'a [u8],
    server: &'a [u8],
    body_bytes: Option<u64>,
}

impl<'a> Values<'a> {
    /// Takes in a value that is neither time nor header.
    fn set(&mut self, role: &Role, written: &'a [u8]) -> Result<(), Skip> {
        let value = present(written);
        let place = match *role {
            Role::Duration { unit_ns, .. } => {
                self.duration_ns = duration(value, unit_ns)?;
                return Ok(());
            }
            Role::UpstreamDuration => {
                self.duration_ns = upstream_duration_ns(value)?;
                return Ok(());
            }
            Role::Bytes => {
                // Apache's `%b` writes `-` for zero.
                self.bytes = if written == b"-" { Some(0) } else { number(value)? };
                return Ok(());
            }
            Role::Sent => {
                self.sent = number(value)?;
                return Ok(());
            }
            Role::BodyBytes => {
                self.body_bytes = number(value)?;
                return Ok(());
            }
            Role::Request => &mut self.request,
            Role::Method => &mut self.method,
            Role::Target => &mut self.target,
            Role::Path => &mut self.path,
            Role::Query => &mut self.query,
            Role::Status => &mut self.status,
            Role::Client => &mut self.client,
            Role::Forwarded => &mut self.forwarded,
            Role::Connection => &mut self.connection,
            Role::Host => &mut self.host,
            Role::Server => &mut self.server,
            Role::Ignored | Role::Protocol | Role::Time(..) | Role::Header(_) => return Ok(()),
        };
        // Of two that mean the same, `$host` and `$http_host`, the first that is there counts.
        if place.is_empty() {
            *place = value;
        }
        Ok(())
    }

    /// What tells clients apart: what proxies in front say, the peer, or the connection.
    fn session(&self) -> &'a [u8] {
        let forwarded = first_forwarded(self.forwarded);
        [forwarded, self.client, self.connection]
            .into_iter()
            .find(|value| !value.is_empty())
            .unwrap_or_default()
    }
}

impl LineFormat for Pattern {
    fn parse<'a>(&'a mut self, line: &'a [u8]) -> Result<Option<Record<'a>>, Skip> {
        if line.trim_ascii().is_empty() {
            return Ok(None);
        }
        let compiled = &self.compiled;
        let mut values = Values::default();
        let mut clock = Clock::new();
        self.headers.clear();
        let mut rest = line;
        for part in &compiled.parts {
            match part {
                Part::Literal(text) => {
                    rest = rest.strip_prefix(&text[..]).ok_or(Skip::Malformed)?
                }
                Part::Variable(role, stop) => {
                    let length = stop.length(rest).ok_or(Skip::Malformed)?;
                    let (value, after) = rest.split_at_checked(length).ok_or(Skip::Malformed)?;
                    rest = after;
                    match role {
                        Role::Time(_, source) => {
                            clock.set(*source, value, &mut self.recent).ok_or(Skip::BadTime)?;
                        }
                        Role::Header(name) => {
                            let decode = if self.is_escaped { push_unescaped } else { push_plain };
                            push_header_with(name, value, &mut self.headers, decode);
                        }
                        role => values.set(role, value)?,
                    }
                }
            }
        }
        if !rest.trim_ascii().is_empty() {
            return Err(Skip::Malformed);
        }
        let time_ns = clock.time_ns().ok_or(Skip::BadTime)?;
        let (method, target) = method_and_target(compiled, &values)?;
        let target = if target.is_empty() && !values.path.is_empty() {
            self.target.clear();
            let push = if self.is_escaped { push_unescaped } else { push_plain };
            push(values.path, &mut self.target);
            let query = values.query.strip_prefix(b"?").unwrap_or(values.query);
            if !query.is_empty() {
                self.target.push(b'?');
                push(query, &mut self.target);
            }
            &self.target[..]
        } else if self.is_escaped {
            unescaped(target, &mut self.target)
        } else {
            target
        };
        let host = [values.host, values.server, host_of(target)];
        Ok(Some(Record {
            time_ns,
            moment: compiled.timing.moment,
            resolution_ns: compiled.resolution_ns,
            duration_ns: values.duration_ns,
            session: values.session(),
            method,
            target,
            host: host.into_iter().find(|host| !host.is_empty()).unwrap_or_default(),
            headers: &self.headers,
            body_bytes: values.body_bytes,
            status: status(values.status)?,
            bytes: values.bytes.or(values.sent),
            ..Record::default()
        }))
    }
}

/// Finds the method, and the target where it is written as the client sent it. Empty is what the
/// format does not have.
fn method_and_target<'a>(
    compiled: &Compiled,
    values: &Values<'a>,
) -> Result<(&'a [u8], &'a [u8]), Skip> {
    let (mut method, mut target) = (values.method, values.target);
    if compiled.has_request && (method.is_empty() || target.is_empty()) {
        let request = request_line(values.request)?;
        if method.is_empty() {
            method = request.method;
        }
        if target.is_empty() {
            target = request.target;
        }
    }
    if compiled.has_method || compiled.has_request {
        check_method(method)?;
    }
    if compiled.has_target && target.is_empty() && values.path.is_empty() {
        return Err(Skip::BadRequest);
    }
    Ok((method, target))
}

/// Adds up the attempts of `$upstream_response_time`: `0.010, 0.020 : 0.030`, with `-` for one
/// that never answered.
fn upstream_duration_ns(list: &[u8]) -> Result<Option<i64>, Skip> {
    let parts = list.split(|byte| b",: ".contains(byte)).filter(|part| !part.is_empty());
    parts.into_iter().try_fold(None, |total: Option<i64>, part| {
        let part = duration(part, SECOND_NS)?;
        Ok(match (total, part) {
            (Some(total), Some(part)) => Some(total.saturating_add(part)),
            (total, part) => total.or(part),
        })
    })
}

fn push_plain(text: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(text);
}

#[cfg(test)]
mod tests;
