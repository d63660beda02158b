//! nginx's `log_format`.

use super::error::PatternError;
use super::timing::Source;
use super::token::{Role, Token, Variable};
use crate::record::{Moment, SECOND_NS};

/// The step of `$msec` and of durations.
const MILLISECOND_NS: i64 = SECOND_NS / 1000;

/// Length of `01/Jul/1995:00:00:01 -0400`.
const CLF_BYTES: usize = 26;

/// Length of `1995-07-01T00:00:01-04:00`.
const RFC3339_BYTES: usize = 25;

/// A format and how its values are escaped.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Format {
    pub(super) text: String,
    pub(super) is_escaped: bool,
}

/// Takes a whole directive apart, `log_format name [escape=…] 'part' 'part';`; anything else is
/// the format itself.
pub(super) fn undirected(given: &str) -> Result<Format, PatternError> {
    let mut format = Format { text: String::new(), is_escaped: true };
    let trimmed = given.trim();
    let mut rest = if let Some(rest) = trimmed.strip_prefix("log_format") {
        // The name of the format.
        rest.trim_start().split_once(char::is_whitespace).map_or("", |(_, rest)| rest)
    } else if trimmed.starts_with(['\'', '"'])
        && trimmed.trim_end_matches(';').ends_with(['\'', '"'])
    {
        trimmed
    } else {
        given.clone_into(&mut format.text);
        return Ok(format);
    };
    loop {
        rest = rest.trim_start();
        let position = given.len().saturating_sub(rest.len());
        match rest.chars().next() {
            None | Some(';') => return Ok(format),
            Some(quote @ ('\'' | '"')) => {
                let used = unquote(&rest[1..], quote, &mut format.text).ok_or_else(|| {
                    let name = if quote == '"' { "\"" } else { "'" };
                    PatternError::Unclosed { opened: name, position, expected: name }
                })?;
                rest = &rest[1 + used..];
            }
            Some(_) => {
                let end = rest.find(|c: char| c.is_whitespace() || c == ';').unwrap_or(rest.len());
                match rest[..end].strip_prefix("escape=") {
                    Some(escape) => format.is_escaped = escape != "none",
                    None => format.text.push_str(&rest[..end]),
                }
                rest = &rest[end..];
            }
        }
    }
}

/// Appends a quoted string without its escapes; returns its length with the closing quote.
fn unquote(text: &str, quote: char, out: &mut String) -> Option<usize> {
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        if char == quote {
            return Some(at + char.len_utf8());
        }
        if char != '\\' {
            out.push(char);
            continue;
        }
        match chars.next()?.1 {
            't' => out.push('\t'),
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            escaped @ ('"' | '\'' | '\\') => out.push(escaped),
            other => out.extend(['\\', other]),
        }
    }
    None
}

/// Splits a format into literals and variables.
pub(super) fn tokens(format: &str) -> Result<Vec<Token>, PatternError> {
    let mut tokens = Vec::new();
    let mut rest = format;
    while let Some(at) = rest.find('$') {
        tokens.push(Token::Literal(rest.as_bytes()[..at].to_vec()));
        let position = format.len() - rest.len() + at;
        let after = &rest[at + 1..];
        let (name, end) = if let Some(braced) = after.strip_prefix('{') {
            let unclosed = PatternError::Unclosed { opened: "${", position, expected: "}" };
            let end = braced.find('}').ok_or(unclosed)?;
            (&braced[..end], end + 2)
        } else {
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let end = after.find(|c| !is_name(c)).unwrap_or(after.len());
            (&after[..end], end)
        };
        tokens.push(if name.is_empty() {
            Token::Literal(b"$".to_vec())
        } else {
            Token::Variable(variable(name))
        });
        rest = &after[end..];
    }
    tokens.push(Token::Literal(rest.as_bytes().to_vec()));
    Ok(tokens)
}

fn variable(name: &str) -> Variable {
    let written = format!("${name}");
    let end = |source| Role::Time(Moment::End, source);
    let role = match name {
        "time_local" => return Variable::with_width(&written, end(Source::Clf), CLF_BYTES),
        "time_iso8601" => {
            return Variable::with_width(&written, end(Source::Rfc3339), RFC3339_BYTES);
        }
        "msec" => end(Source::Epoch { unit_ns: SECOND_NS, step_ns: MILLISECOND_NS }),
        "request_time" => Role::Duration { unit_ns: SECOND_NS, step_ns: MILLISECOND_NS },
        "upstream_response_time" => Role::UpstreamDuration,
        "request" => Role::Request,
        "request_method" => Role::Method,
        "request_uri" => Role::Target,
        "uri" | "document_uri" => Role::Path,
        "args" | "query_string" => Role::Query,
        "server_protocol" => Role::Protocol,
        "status" => Role::Status,
        "body_bytes_sent" => Role::Bytes,
        "bytes_sent" => Role::Sent,
        "remote_addr" => Role::Client,
        "proxy_protocol_addr" => Role::Forwarded,
        "connection" => Role::Connection,
        "host" => Role::Host,
        "server_name" => Role::Server,
        "content_length" => Role::BodyBytes,
        "content_type" => Role::of_header("content-type"),
        name => name
            .strip_prefix("http_")
            .map_or(Role::Ignored, |header| Role::of_header(&header.replace('_', "-"))),
    };
    Variable::new(&written, role)
}
