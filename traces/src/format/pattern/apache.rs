//! Apache's `LogFormat`.

use super::error::PatternError;
use super::timing::{Piece, Source};
use super::token::{Role, Token, Variable};
use crate::record::{Moment, SECOND_NS};

const MILLISECOND_NS: i64 = SECOND_NS / 1000;
const MICROSECOND_NS: i64 = SECOND_NS / 1_000_000;

/// Length of `01/Jul/1995:00:00:01 -0400`.
const CLF_BYTES: usize = 26;

/// Takes a whole directive apart, `LogFormat "…" nickname`; anything else is the format itself.
pub(super) fn undirected(given: &str) -> Result<String, PatternError> {
    let Some(rest) = given.trim().strip_prefix("LogFormat") else {
        return Ok(unescaped(given));
    };
    let rest = rest.trim();
    let Some(inside) = rest.strip_prefix('"') else {
        let format = rest.split_whitespace().next().unwrap_or_default();
        return Ok(unescaped(format));
    };
    let position = given.find('"').unwrap_or_default();
    let mut is_escaped = false;
    let end = inside.find(|char| {
        let is_end = char == '"' && !is_escaped;
        is_escaped = char == '\\' && !is_escaped;
        is_end
    });
    let end = end.ok_or(PatternError::Unclosed { opened: "\"", position, expected: "\"" })?;
    Ok(unescaped(&inside[..end]))
}

/// Undoes the escapes of the configuration file and of the format, which do not collide.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        if char != '\\' {
            out.push(char);
            continue;
        }
        match chars.next() {
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some(escaped @ ('"' | '\\')) => out.push(escaped),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out
}

/// Splits a format into literals and variables.
pub(super) fn tokens(format: &str) -> Result<Vec<Token>, PatternError> {
    let mut tokens = Vec::new();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        tokens.push(Token::Literal(rest.as_bytes()[..at].to_vec()));
        let position = format.len() - rest.len() + at;
        let start = &rest[at..];
        // Conditions on the status, and which of internally redirected requests is meant.
        let after =
            start[1..].trim_start_matches(|c: char| "!<>,".contains(c) || c.is_ascii_digit());
        let (argument, after) = if let Some(braced) = after.strip_prefix('{') {
            let unclosed = PatternError::Unclosed { opened: "%{", position, expected: "}" };
            braced.split_once('}').ok_or(unclosed)?
        } else {
            ("", after)
        };
        let letter = after.chars().next().ok_or(PatternError::NoLetter { position })?;
        // Trailers have two letters: `%{Name}^ti`.
        let length = if letter == '^' { after.len().min(3) } else { letter.len_utf8() };
        let after = after.get(length..).ok_or(PatternError::NoLetter { position })?;
        let name = &start[..start.len() - after.len()];
        push_variable(name, argument, letter, &mut tokens)?;
        rest = after;
    }
    tokens.push(Token::Literal(rest.as_bytes().to_vec()));
    Ok(tokens)
}

fn push_variable(
    name: &str,
    argument: &str,
    letter: char,
    tokens: &mut Vec<Token>,
) -> Result<(), PatternError> {
    let role = match (letter, argument) {
        ('%', _) => {
            tokens.push(Token::Literal(b"%".to_vec()));
            return Ok(());
        }
        ('t', format) => return push_time(name, format, tokens),
        // The address of the connection, when a proxy in front told another.
        ('a' | 'h', "c") => Role::Ignored,
        ('a' | 'h', _) => Role::Client,
        ('r', _) => Role::Request,
        ('m', _) => Role::Method,
        ('U', _) => Role::Path,
        ('q', _) => Role::Query,
        ('H', _) => Role::Protocol,
        ('s', _) => Role::Status,
        ('b' | 'B', _) => Role::Bytes,
        ('O', _) => Role::Sent,
        ('D', _) | ('T', "us") => {
            Role::Duration { unit_ns: MICROSECOND_NS, step_ns: MICROSECOND_NS }
        }
        ('T', "ms") => Role::Duration { unit_ns: MILLISECOND_NS, step_ns: MILLISECOND_NS },
        ('T', _) => Role::Duration { unit_ns: SECOND_NS, step_ns: SECOND_NS },
        ('v' | 'V', _) => Role::Server,
        ('i', header) => Role::of_header(header),
        _ => Role::Ignored,
    };
    tokens.push(Token::Variable(Variable::new(name, role)));
    Ok(())
}

/// Reads `%t` and `%{…}t`.
fn push_time(name: &str, format: &str, tokens: &mut Vec<Token>) -> Result<(), PatternError> {
    let (moment, format) = match format.split_once(':') {
        Some(("end", format)) => (Moment::End, format),
        Some(("begin", format)) => (Moment::Start, format),
        _ => (Moment::Start, format),
    };
    let epoch = |unit_ns| Source::Epoch { unit_ns, step_ns: unit_ns };
    let source = match format {
        "" => {
            let time = Role::Time(moment, Source::Clf);
            tokens.push(Token::Literal(b"[".to_vec()));
            tokens.push(Token::Variable(Variable::with_width(name, time, CLF_BYTES)));
            tokens.push(Token::Literal(b"]".to_vec()));
            return Ok(());
        }
        "sec" => epoch(SECOND_NS),
        "msec" => epoch(MILLISECOND_NS),
        "usec" => epoch(MICROSECOND_NS),
        "msec_frac" => return push_fixed(name, moment, Source::Fraction(3), 3, tokens),
        "usec_frac" => return push_fixed(name, moment, Source::Fraction(6), 6, tokens),
        format => return push_date(name, moment, format, tokens),
    };
    tokens.push(Token::Variable(Variable::new(name, Role::Time(moment, source))));
    Ok(())
}

fn push_fixed(
    name: &str,
    moment: Moment,
    source: Source,
    width: usize,
    tokens: &mut Vec<Token>,
) -> Result<(), PatternError> {
    let variable = Variable::with_width(name, Role::Time(moment, source), width);
    tokens.push(Token::Variable(variable));
    Ok(())
}

/// Reads a format of strftime as literals and pieces of fixed width, so that blanks and colons
/// inside it do not end it.
fn push_date(
    name: &str,
    moment: Moment,
    format: &str,
    tokens: &mut Vec<Token>,
) -> Result<(), PatternError> {
    let mut chars = format.chars();
    while let Some(char) = chars.next() {
        if char != '%' {
            tokens.push(Token::Literal(char.to_string().into_bytes()));
            continue;
        }
        let directive = chars.next().unwrap_or(' ');
        let (piece, width) = match directive {
            'Y' => (Piece::Year, 4),
            'y' => (Piece::ShortYear, 2),
            'm' => (Piece::Month, 2),
            'b' | 'h' => (Piece::MonthName, 3),
            'd' | 'e' => (Piece::Day, 2),
            'H' => (Piece::Hour, 2),
            'M' => (Piece::Minute, 2),
            'S' => (Piece::Second, 2),
            'z' => (Piece::Zone, 5),
            'F' => {
                push_date(name, moment, "%Y-%m-%d", tokens)?;
                continue;
            }
            'T' => {
                push_date(name, moment, "%H:%M:%S", tokens)?;
                continue;
            }
            'R' => {
                push_date(name, moment, "%H:%M", tokens)?;
                continue;
            }
            'D' => {
                push_date(name, moment, "%m/%d/%y", tokens)?;
                continue;
            }
            's' => {
                let source = Source::Epoch { unit_ns: SECOND_NS, step_ns: SECOND_NS };
                let role = Role::Time(moment, source);
                tokens.push(Token::Variable(Variable::new(name, role)));
                continue;
            }
            // The day of the week and of the year add nothing; the zone's name is not unique.
            'a' | 'j' => {
                tokens.push(Token::Variable(Variable::with_width(name, Role::Ignored, 3)));
                continue;
            }
            'Z' => {
                tokens.push(Token::Variable(Variable::new(name, Role::Ignored)));
                continue;
            }
            '%' => {
                tokens.push(Token::Literal(b"%".to_vec()));
                continue;
            }
            directive => {
                return Err(PatternError::TimeDirective { directive, within: name.to_owned() });
            }
        };
        push_fixed(name, moment, Source::Piece(piece), width, tokens)?;
    }
    Ok(())
}
