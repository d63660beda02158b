//! Where the requests go.

use std::net::Ipv6Addr;

use http::uri::PathAndQuery;

use crate::plan::TargetAddress;
use crate::profile::diagnostic::Fault;
use crate::profile::located::Located;
use crate::profile::nearest::nearest;

use super::Checker;

const FORMS: &str =
    "write `http://host:port`, `https://host`, `unix:/path/to/socket` or `embedded`";

impl Checker<'_> {
    pub(super) fn address(&mut self, url: &Located<String>) -> Option<TargetAddress> {
        let read = parse(url.get());
        self.keep(url, read)
    }
}

/// Reads the address of a target.
fn parse(url: &str) -> Result<TargetAddress, Fault> {
    if url == "embedded" {
        return Ok(TargetAddress::Embedded);
    }
    if let Some(path) = url.strip_prefix("unix:") {
        return unix(path.strip_prefix("//").unwrap_or(path));
    }
    let Some((scheme, rest)) = url.split_once("://") else {
        let fault = Fault::new(format!("`{url}` is no target")).help(FORMS);
        return Err(match nearest(url, ["embedded"]) {
            None if url.contains([':', '.']) => {
                fault.label(format!("did you mean `http://{url}`?"))
            }
            near => fault.nearest(near),
        });
    };
    match scheme.to_ascii_lowercase().as_str() {
        "http" => tcp(false, rest),
        "https" => tcp(true, rest),
        "unix" => unix(rest),
        _ => Err(Fault::new(format!("`{scheme}` is no protocol `gen` speaks"))
            .nearest(nearest(scheme, ["http", "https", "unix"]))
            .help(FORMS)),
    }
}

fn unix(path: &str) -> Result<TargetAddress, Fault> {
    // The longest path a socket address holds is 107 bytes on Linux.
    if path.starts_with('/') && path.len() <= 107 && !path.contains('\0') {
        return Ok(TargetAddress::Unix { path: path.into() });
    }
    Err(Fault::new(format!("`{path}` cannot be the path of a Unix socket"))
        .help("write an absolute path of at most 107 bytes: `unix:/run/app.sock`"))
}

fn tcp(tls: bool, rest: &str) -> Result<TargetAddress, Fault> {
    let refused = |what: &str, help: &str| {
        Err(Fault::new(format!("the target's URL has {what}")).help(help.to_owned()))
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if path.contains('#') {
        return refused("a fragment", "a fragment is never sent; leave out `#` and what follows");
    }
    if path.contains('?') {
        return refused("a query", "write queries in the `path` of a request");
    }
    if authority.contains('@') {
        return refused(
            "user info",
            "leave out what is before `@`; send an `authorization` header instead",
        );
    }
    let (host, port) = host_and_port(authority)?;
    let port = match port {
        Some(port) => parse_port(port)?,
        None if tls => 443,
        None => 80,
    };
    let base_path = path.trim_end_matches('/').to_owned();
    if !base_path.is_empty() && PathAndQuery::try_from(base_path.as_str()).is_err() {
        return refused("a path with forbidden characters", "write spaces as %20");
    }
    Ok(TargetAddress::Tcp { tls, host, port, base_path })
}

fn host_and_port(authority: &str) -> Result<(String, Option<&str>), Fault> {
    if let Some(inner) = authority.strip_prefix('[') {
        let (address, after) = inner.split_once(']').unwrap_or((inner, "?"));
        let port = after.strip_prefix(':');
        return match address.parse::<Ipv6Addr>() {
            Ok(address) if after.is_empty() || port.is_some() => Ok((address.to_string(), port)),
            _ => Err(Fault::new(format!("`{authority}` is no IPv6 address in brackets"))
                .help("write `http://[::1]:8080`")),
        };
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    if port.is_some_and(|port| port.contains(':')) {
        return Err(Fault::new(format!("`{authority}` has more than one `:`"))
            .help("write IPv6 addresses in brackets: `http://[::1]:8080`"));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if host.is_empty() || host.len() > 253 || !host.chars().all(allowed) {
        return Err(Fault::new(format!("`{host}` is no host name"))
            .help("letters, digits, `-` and `.`; international names in their `xn--` form"));
    }
    Ok((host.to_owned(), port))
}

fn parse_port(port: &str) -> Result<u16, Fault> {
    match port.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(Fault::new(format!("`{port}` is no port")).help("ports are 1 to 65535")),
    }
}

#[cfg(test)]
mod tests {
    use super::{TargetAddress, parse};

    fn tcp(tls: bool, host: &str, port: u16, base_path: &str) -> TargetAddress {
        let (host, base_path) = (host.to_owned(), base_path.to_owned());
        TargetAddress::Tcp { tls, host, port, base_path }
    }

    #[test]
    fn addresses_are_read() {
        let known = [
            ("embedded", TargetAddress::Embedded),
            ("http://localhost:8080", tcp(false, "localhost", 8080, "")),
            ("HTTP://a/", tcp(false, "a", 80, "")),
            ("https://a.example/api/v1/", tcp(true, "a.example", 443, "/api/v1")),
            ("http://[::1]:8080", tcp(false, "::1", 8080, "")),
            ("https://[fe80::0]", tcp(true, "fe80::", 443, "")),
            ("unix:/run/app.sock", TargetAddress::Unix { path: "/run/app.sock".into() }),
            ("unix:///run/app.sock", TargetAddress::Unix { path: "/run/app.sock".into() }),
        ];
        for (url, expected) in known {
            assert_eq!(parse(url), Ok(expected), "{url}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let wrong = [
            "",
            "localhost",
            "localhost:8080",
            "ftp://a",
            "http://",
            "http://:80",
            "http://a:",
            "http://a:0",
            "http://a:65536",
            "http://a:80:80",
            "http://u:p@a",
            "http://a/#x",
            "http://a/?x",
            "http://a b",
            "http://[::1",
            "http://[::1]8",
            "http://::1",
            "http://ü",
            "unix:",
            "unix:relative",
            "http://a/b c",
            "http://[::g]",
        ];
        for url in wrong {
            assert!(parse(url).is_err(), "{url}");
        }
    }
}
