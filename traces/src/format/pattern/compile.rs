//! Turns the tokens of a format string into what is matched against a line.

use memchr::memmem::Finder;
use memchr::{memchr, memchr_iter, memmem};

use super::super::unescape::is_escaped;
use super::error::PatternError;
use super::timing::{Source, Timing};
use super::token::{Role, Token, Variable};

/// A piece of a line.
#[derive(Debug, Clone)]
pub(super) enum Part {
    /// Bytes that must stand there.
    Literal(Vec<u8>),
    /// A value, and how its end is found.
    Variable(Role, Box<Stop>),
}

/// How the end of a value is found.
#[derive(Debug, Clone)]
pub(super) enum Stop {
    /// After so many bytes.
    Width(usize),
    /// Before the next such byte.
    Before(u8),
    /// Before the next literal.
    Literal(Finder<'static>),
    /// Before the next literal, which begins with a quote that is not escaped.
    Quoted { literal: Vec<u8>, is_last: bool },
    /// Before the next literal that does not lie inside a list.
    List(Finder<'static>),
    /// Before the literal behind a protocol, if there is one: a request line without quotes.
    Request(Finder<'static>),
    /// Before a protocol, if there is one: a target, which may have blanks.
    BeforeProtocol(Finder<'static>),
    /// At the end of the line.
    End,
}

impl Stop {
    /// The length of the value at the beginning of `text`.
    pub(super) fn length(&self, text: &[u8]) -> Option<usize> {
        match self {
            Self::Width(width) => (text.len() >= *width).then_some(*width),
            Self::Before(byte) => memchr(*byte, text),
            Self::Literal(finder) => finder.find(text),
            Self::Quoted { literal, is_last } => memchr_iter(b'"', text).find(|&at| {
                text[at..].strip_prefix(literal.as_slice()).is_some_and(|rest| {
                    (!is_last || rest.trim_ascii().is_empty()) && !is_escaped(text, at)
                })
            }),
            Self::List(finder) => finder.find_iter(text).find(|&at| {
                let (value, rest) = text.split_at(at);
                !value.ends_with(b",") && !value.ends_with(b" :") && !rest.starts_with(b" : ")
            }),
            Self::Request(finder) => {
                // Behind the blank before the protocol, which is none that ends the value.
                let start = memmem::find(text, b" HTTP/").map_or(0, |at| at + 1);
                finder.find(&text[start..]).map(|at| at + start)
            }
            Self::BeforeProtocol(finder) => {
                memmem::find(text, b" HTTP/").or_else(|| finder.find(text))
            }
            Self::End => Some(text.trim_ascii_end().len()),
        }
    }
}

/// A compiled format.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) parts: Vec<Part>,
    pub(super) timing: Timing,
    pub(super) resolution_ns: i64,
    pub(super) has_method: bool,
    pub(super) has_request: bool,
    pub(super) has_target: bool,
}

/// Compiles `tokens`. `time_to_add` is what an error proposes where there is no time.
pub(super) fn compile(
    tokens: Vec<Token>,
    time_to_add: &'static str,
) -> Result<Compiled, PatternError> {
    let mut tokens = trimmed(merged(fused(tokens)));
    let duration_step_ns = choose_duration(&mut tokens);
    let timing = Timing::choose(&tokens, duration_step_ns)
        .ok_or(PatternError::NoTime { add: time_to_add })?;
    for variable in variables(&mut tokens) {
        if let Role::Time(moment, source) = variable.role
            && !timing.uses(moment, source)
        {
            variable.role = Role::Ignored;
        }
    }
    let has = |wanted: &[Role]| {
        tokens.iter().any(
            |token| matches!(token, Token::Variable(variable) if wanted.contains(&variable.role)),
        )
    };
    Ok(Compiled {
        timing,
        resolution_ns: timing.resolution_ns(duration_step_ns),
        has_method: has(&[Role::Method]),
        has_request: has(&[Role::Request]),
        has_target: has(&[Role::Request, Role::Target, Role::Path]),
        parts: parts(&tokens)?,
    })
}

fn variables(tokens: &mut [Token]) -> impl Iterator<Item = &mut Variable> {
    tokens.iter_mut().filter_map(|token| match token {
        Token::Variable(variable) => Some(variable),
        Token::Literal(_) => None,
    })
}

/// Makes one variable of a path and the query right behind it, which nothing separates:
/// `$uri$is_args$args` and `%U%q`.
fn fused(tokens: Vec<Token>) -> Vec<Token> {
    let mut out: Vec<Token> = Vec::with_capacity(tokens.len());
    let mut rest =
        tokens.into_iter().filter(|token| *token != Token::Literal(Vec::new())).peekable();
    while let Some(mut token) = rest.next() {
        if let Token::Variable(path) = &mut token
            && path.role == Role::Path
        {
            let is_question = |next: &Token| matches!(next, Token::Variable(next) if next.name.contains("is_args"));
            let is_query =
                |next: &Token| matches!(next, Token::Variable(next) if next.role == Role::Query);
            if let Some(Token::Variable(question)) = rest.next_if(is_question) {
                path.name.push_str(&question.name);
            }
            if let Some(Token::Variable(query)) = rest.next_if(is_query) {
                path.name.push_str(&query.name);
            }
        }
        out.push(token);
    }
    out
}

/// Joins neighbouring literals.
fn merged(tokens: Vec<Token>) -> Vec<Token> {
    let mut out: Vec<Token> = Vec::with_capacity(tokens.len());
    for token in tokens {
        match (out.last_mut(), token) {
            (Some(Token::Literal(last)), Token::Literal(next)) => last.extend(next),
            (_, token) => out.push(token),
        }
    }
    out
}

/// Takes blanks off the end: lines may lack them, or have others.
fn trimmed(mut tokens: Vec<Token>) -> Vec<Token> {
    if let Some(Token::Literal(last)) = tokens.last_mut() {
        last.truncate(last.trim_ascii_end().len());
        if last.is_empty() {
            tokens.pop();
        }
    }
    tokens
}

/// Keeps the finest duration; returns its step. Those of upstream servers are used only where
/// there is no other: they lack what the client took.
fn choose_duration(tokens: &mut [Token]) -> Option<i64> {
    let finest = variables(tokens)
        .filter_map(|variable| match variable.role {
            Role::Duration { step_ns, .. } => Some(step_ns),
            _ => None,
        })
        .min();
    let mut upstream_step_ns = None;
    for variable in variables(tokens) {
        match variable.role {
            Role::Duration { step_ns, .. } if Some(step_ns) != finest => {
                variable.role = Role::Ignored;
            }
            Role::UpstreamDuration if finest.is_some() => variable.role = Role::Ignored,
            Role::UpstreamDuration => upstream_step_ns = Some(crate::record::SECOND_NS / 1000),
            _ => {}
        }
    }
    finest.or(upstream_step_ns)
}

fn parts(tokens: &[Token]) -> Result<Vec<Part>, PatternError> {
    let part = |at: usize| match &tokens[at] {
        Token::Literal(text) => Ok(Part::Literal(text.clone())),
        Token::Variable(variable) => {
            let stop = match tokens.get(at + 1) {
                None => fixed(variable).map_or(Stop::End, Stop::Width),
                Some(Token::Variable(next)) => before_variable(variable, next)?,
                Some(Token::Literal(literal)) => {
                    let previous = at.checked_sub(1).and_then(|at| tokens.get(at));
                    let following = tokens.get(at + 2);
                    before_literal(variable, literal, previous, following)
                }
            };
            Ok(Part::Variable(variable.role.clone(), Box::new(stop)))
        }
    };
    (0..tokens.len()).map(part).collect()
}

/// The width of a variable whose end must not be searched for.
fn fixed(variable: &Variable) -> Option<usize> {
    let is_time = matches!(variable.role, Role::Time(_, Source::Clf | Source::Rfc3339));
    variable.width.filter(|_| !is_time)
}

fn before_variable(variable: &Variable, next: &Variable) -> Result<Stop, PatternError> {
    match (variable.width, next.first_byte()) {
        (Some(width), _) => Ok(Stop::Width(width)),
        (None, Some(byte)) => Ok(Stop::Before(byte)),
        (None, None) => {
            Err(PatternError::Adjacent { first: variable.name.clone(), second: next.name.clone() })
        }
    }
}

fn before_literal(
    variable: &Variable,
    literal: &[u8],
    previous: Option<&Token>,
    following: Option<&Token>,
) -> Stop {
    if let Some(width) = fixed(variable) {
        return Stop::Width(width);
    }
    // Times have blanks, signs and colons themselves.
    let is_in_times = |byte: &u8| byte.is_ascii_alphanumeric() || b" +-:/.".contains(byte);
    if let Some(width) = variable.width
        && literal.first().is_some_and(is_in_times)
    {
        return Stop::Width(width);
    }
    let finder = || Finder::new(literal).into_owned();
    let opens = matches!(previous, Some(Token::Literal(text)) if text.ends_with(b"\""));
    if opens && literal.starts_with(b"\"") {
        return Stop::Quoted { literal: literal.to_vec(), is_last: following.is_none() };
    }
    let is_blank = literal.starts_with(b" ");
    let is_protocol =
        |token: &Token| matches!(token, Token::Variable(next) if next.role == Role::Protocol);
    if literal == b" " && following.is_some_and(is_protocol) {
        return Stop::BeforeProtocol(finder());
    }
    match variable.role {
        Role::Request if is_blank => Stop::Request(finder()),
        _ if variable.may_be_list() && is_blank => Stop::List(finder()),
        _ => Stop::Literal(finder()),
    }
}
