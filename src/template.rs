//! Text with places that are filled in per request: `/items/{{uniform(1, 1000)}}`.
//!
//! A template is parsed once, when the profile is resolved. Rendering draws from a counter
//! keyed by the arrival's number, so the text of a request depends on the profile, the seed
//! and the arrival, and never on which worker sends it.

use openload_contract::digest::mix;
use openload_traces::record::Tokens;
use thiserror::Error;

/// A template could not be understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TemplateError {
    /// `{{` without `}}`.
    #[error("`{{{{` is not closed by `}}}}`")]
    Unclosed,
    /// A name that is no function.
    #[error(
        "unknown function `{found}`; known are uniform(low, high), seq(), and with a trace \
         input_tokens() and output_tokens()"
    )]
    UnknownFunction {
        /// What was written.
        found: String,
    },
    /// Arguments that do not fit the function.
    #[error("`{found}`: {expected}")]
    BadArguments {
        /// What was written.
        found: String,
        /// What the function takes.
        expected: &'static str,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Uniform { low: u64, high: u64 },
    Seq,
    InputTokens,
    OutputTokens,
}

/// Text with places that are filled in per request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

/// What the places of one request are filled from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draws {
    key: u64,
    seq: u64,
    tokens: Tokens,
}

impl Draws {
    /// Draws for arrival `seq` of a run with `seed`.
    pub fn new(seed: u64, seq: u64) -> Self {
        Self { key: mix(seed ^ mix(seq)), seq, tokens: Tokens::default() }
    }

    /// The same for an event of a trace that says how many tokens its request had.
    #[must_use]
    pub fn with_tokens(self, tokens: Tokens) -> Self {
        Self { tokens, ..self }
    }

    /// The `index`-th 64 random bits.
    fn bits(self, index: usize) -> u64 {
        mix(self.key.wrapping_add(index as u64))
    }
}

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    /// Names the place that cannot be understood and what is allowed there.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (call, after) = after.split_once("}}").ok_or(TemplateError::Unclosed)?;
            if !before.is_empty() {
                pieces.push(Piece::Literal(before.to_owned()));
            }
            pieces.push(parse_call(call.trim())?);
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Literal(rest.to_owned()));
        }
        Ok(Self { pieces })
    }

    /// Returns the text when nothing in it changes from request to request.
    pub fn as_literal(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [] => Some(""),
            [Piece::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// Tells whether a place is filled from an event of a trace.
    pub fn needs_trace(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::InputTokens | Piece::OutputTokens))
    }

    /// Appends the text for one request to `output`.
    pub fn render(&self, draws: Draws, output: &mut Vec<u8>) {
        for (index, piece) in self.pieces.iter().enumerate() {
            match piece {
                Piece::Literal(text) => output.extend_from_slice(text.as_bytes()),
                Piece::Uniform { low, high } => {
                    push_number(uniform(draws.bits(index), *low, *high), output);
                }
                Piece::Seq => push_number(draws.seq, output),
                Piece::InputTokens => push_number(draws.tokens.input, output),
                Piece::OutputTokens => push_number(draws.tokens.output, output),
            }
        }
    }
}

fn push_number(number: u64, output: &mut Vec<u8>) {
    output.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn parse_call(call: &str) -> Result<Piece, TemplateError> {
    let (name, arguments) = match call.split_once('(') {
        Some((name, rest)) => (name.trim(), rest.trim_end().strip_suffix(')').unwrap_or(rest)),
        None => (call, ""),
    };
    let arguments: Vec<&str> =
        arguments.split(',').map(str::trim).filter(|argument| !argument.is_empty()).collect();
    let bad = |expected| TemplateError::BadArguments { found: call.to_owned(), expected };
    match name {
        "uniform" => {
            let expected = "uniform takes two whole numbers, the lower first: uniform(1, 1000)";
            let [low, high] = arguments.as_slice() else { return Err(bad(expected)) };
            match (low.parse(), high.parse()) {
                (Ok(low), Ok(high)) if low <= high => Ok(Piece::Uniform { low, high }),
                _ => Err(bad(expected)),
            }
        }
        "seq" if arguments.is_empty() => Ok(Piece::Seq),
        "seq" => Err(bad("seq takes nothing: seq()")),
        "input_tokens" if arguments.is_empty() => Ok(Piece::InputTokens),
        "input_tokens" => Err(bad("input_tokens takes nothing: input_tokens()")),
        "output_tokens" if arguments.is_empty() => Ok(Piece::OutputTokens),
        "output_tokens" => Err(bad("output_tokens takes nothing: output_tokens()")),
        _ => Err(TemplateError::UnknownFunction { found: name.to_owned() }),
    }
}

/// Maps 64 random bits to `low..=high` (Lemire's multiplication; the bias of at most
/// range/2⁶⁴ is far below what any run can show).
fn uniform(bits: u64, low: u64, high: u64) -> u64 {
    let range = u128::from(high - low) + 1;
    low + ((u128::from(bits) * range) >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::{Draws, Template, TemplateError};

    fn render(template: &str, seq: u64) -> String {
        let mut output = Vec::new();
        Template::parse(template).unwrap().render(Draws::new(42, seq), &mut output);
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn the_same_arrival_gets_the_same_text_and_others_get_others() {
        let template = "/items/{{uniform(1, 1000000)}}?n={{seq()}}";
        assert_eq!(render(template, 7), render(template, 7));
        assert_ne!(render(template, 7), render(template, 8));
        assert!(render(template, 7).ends_with("?n=7"));
    }

    #[test]
    fn uniform_covers_its_range_evenly() {
        let mut counts = [0_u32; 4];
        for seq in 0..40_000 {
            let drawn: usize = render("{{uniform(10, 13)}}", seq).parse().unwrap();
            counts[drawn - 10] += 1;
        }
        // Four cells of 10,000 with a standard deviation of 87: five of them are 433.
        assert!(counts.iter().all(|&count| count.abs_diff(10_000) < 433), "{counts:?}");
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(Template::parse("{{uniform(1, 2)"), Err(TemplateError::Unclosed));
        let error = Template::parse("{{uniform(2, 1)}}").unwrap_err();
        assert!(error.to_string().contains("the lower first"));
        let error = Template::parse("{{unifrom(1, 2)}}").unwrap_err();
        assert!(error.to_string().contains("unknown function `unifrom`"));
    }

    #[test]
    fn constant_text_is_known_to_be_constant() {
        assert_eq!(Template::parse("/a").unwrap().as_literal(), Some("/a"));
        assert_eq!(Template::parse("").unwrap().as_literal(), Some(""));
        assert_eq!(Template::parse("{{seq()}}").unwrap().as_literal(), None);
    }
}
