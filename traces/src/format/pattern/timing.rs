//! Times in format strings: which of several to use, and how to put one together from parts.

use super::super::recent::RecentTime;
use super::token::{Role, Token};
use crate::record::{Moment, SECOND_NS};
use crate::time::{parse_clf, parse_decimal, parse_rfc3339};

/// How a variable tells a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// `01/Jul/1995:00:00:01 -0400`.
    Clf,
    /// `1995-07-01T00:00:01-04:00`.
    Rfc3339,
    /// Time since 1970 in units of `unit_ns`, written in steps of `step_ns`.
    Epoch { unit_ns: i64, step_ns: i64 },
    /// So many digits behind the point of a second.
    Fraction(u32),
    /// A part of a date.
    Piece(Piece),
}

/// A part of a date and time of day, of fixed width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    Year,
    /// The last two digits of a year between 1970 and 2069.
    ShortYear,
    Month,
    /// `Jan`.
    MonthName,
    Day,
    Hour,
    Minute,
    Second,
    /// `+0100`.
    Zone,
}

impl Piece {
    /// Where its digits stand in [`BLANK`].
    fn place(self) -> usize {
        match self {
            Self::Year | Self::ShortYear => 0,
            Self::Month | Self::MonthName => 5,
            Self::Day => 8,
            Self::Hour => 11,
            Self::Minute => 14,
            Self::Second => 17,
            Self::Zone => 19,
        }
    }
}

/// A date whose digits are not known yet; without a zone it is UTC.
const BLANK: [u8; 24] = *b"0000-00-00T00:00:00+0000";

/// The step a format without fractions has.
const WHOLE_SECOND: i64 = SECOND_NS;

/// Which of a format's times is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timing {
    /// What the instant is.
    pub(super) moment: Moment,
    /// What tells the second, or more. [`Source::Piece`] stands for all pieces.
    base: Source,
    /// Whether digits behind the point are told apart from it.
    has_fraction: bool,
    /// The finest step of the instant, ns.
    step_ns: i64,
}

impl Timing {
    /// Finds the best time in `tokens`. A start, or an end whose duration is known, is better
    /// than a mere end; then a finer one is better; then a start, which needs no subtraction.
    /// `duration_step_ns` is the step of the durations, if there are any.
    pub(super) fn choose(tokens: &[Token], duration_step_ns: Option<i64>) -> Option<Self> {
        let times: Vec<_> = tokens.iter().filter_map(time_of).collect();
        let timings = [Moment::Start, Moment::End]
            .into_iter()
            .flat_map(|moment| candidates(&times, moment))
            .collect::<Vec<_>>();
        timings.into_iter().min_by_key(|timing| {
            let is_end = timing.moment == Moment::End;
            let is_estimate = is_end && duration_step_ns.is_none();
            (is_estimate, timing.resolution_ns(duration_step_ns), is_end)
        })
    }

    /// The finest step of a start that is made from this, ns.
    pub(super) fn resolution_ns(&self, duration_step_ns: Option<i64>) -> i64 {
        match (self.moment, duration_step_ns) {
            (Moment::End, Some(step_ns)) => self.step_ns.max(step_ns),
            _ => self.step_ns,
        }
    }

    /// Tells whether a variable belongs to this time.
    pub(super) fn uses(&self, moment: Moment, source: Source) -> bool {
        moment == self.moment
            && match (self.base, source) {
                (_, Source::Fraction(_)) => self.has_fraction,
                (Source::Piece(_), Source::Piece(_)) => true,
                (base, source) => base == source,
            }
    }
}

fn time_of(token: &Token) -> Option<(Moment, Source)> {
    match token {
        Token::Variable(variable) => match variable.role {
            Role::Time(moment, source) => Some((moment, source)),
            _ => None,
        },
        Token::Literal(_) => None,
    }
}

/// Every whole time of one moment.
fn candidates(times: &[(Moment, Source)], moment: Moment) -> Vec<Timing> {
    let sources = || times.iter().filter(move |time| time.0 == moment).map(|&(_, source)| source);
    let fraction = sources()
        .filter_map(|source| match source {
            Source::Fraction(digits) => Some(digits),
            _ => None,
        })
        .max();
    let has = |wanted: &[Piece]| {
        sources().any(|source| matches!(source, Source::Piece(piece) if wanted.contains(&piece)))
    };
    let is_whole = has(&[Piece::Year, Piece::ShortYear])
        && has(&[Piece::Month, Piece::MonthName])
        && [Piece::Day, Piece::Hour, Piece::Minute, Piece::Second]
            .iter()
            .all(|&piece| has(&[piece]));
    sources()
        .filter_map(|base| {
            let step_ns = match base {
                Source::Clf | Source::Rfc3339 => WHOLE_SECOND,
                Source::Epoch { step_ns, .. } => step_ns,
                Source::Piece(_) if is_whole => WHOLE_SECOND,
                Source::Piece(_) | Source::Fraction(_) => return None,
            };
            let digits = fraction.filter(|_| step_ns == WHOLE_SECOND);
            let step_ns = digits.map_or(step_ns, fraction_step_ns);
            Some(Timing { moment, base, has_fraction: digits.is_some(), step_ns })
        })
        .collect()
}

/// The step that so many digits behind the point of a second leave.
fn fraction_step_ns(digits: u32) -> i64 {
    (WHOLE_SECOND / 10_i64.pow(digits.min(9))).max(1)
}

/// Puts the time of one line together.
#[derive(Debug)]
pub(super) struct Clock {
    base_ns: Option<i64>,
    fraction_ns: i64,
    date: [u8; BLANK.len()],
    has_pieces: bool,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self { base_ns: None, fraction_ns: 0, date: BLANK, has_pieces: false }
    }

    /// Takes in a value; `None` when it is no time.
    pub(super) fn set(
        &mut self,
        source: Source,
        value: &[u8],
        recent: &mut RecentTime,
    ) -> Option<()> {
        match source {
            Source::Clf => self.base_ns = Some(recent.read(value, parse_clf)?),
            Source::Rfc3339 => self.base_ns = Some(recent.read(value, parse_rfc3339)?),
            Source::Epoch { unit_ns, .. } => self.base_ns = Some(parse_decimal(value, unit_ns)?),
            Source::Fraction(digits) => {
                self.fraction_ns = parse_decimal(value, fraction_step_ns(digits))?;
            }
            Source::Piece(piece) => {
                self.has_pieces = true;
                self.set_piece(piece, value)?;
            }
        }
        Some(())
    }

    fn set_piece(&mut self, piece: Piece, value: &[u8]) -> Option<()> {
        let mut written = [0; 5];
        let written = match (piece, value) {
            (Piece::ShortYear, &[tens, ones]) => {
                // POSIX: 69 to 99 are of the last century.
                let century = if (tens, ones) >= (b'6', b'9') { *b"19" } else { *b"20" };
                written[..4].copy_from_slice(&[century[0], century[1], tens, ones]);
                &written[..4]
            }
            (Piece::MonthName, name) => {
                let number = month_number(name)?;
                written[..2].copy_from_slice(&[b'0' + number / 10, b'0' + number % 10]);
                &written[..2]
            }
            // `%e` pads with a blank.
            (Piece::Day, &[b' ', ones]) => {
                written[..2].copy_from_slice(&[b'0', ones]);
                &written[..2]
            }
            (_, value) => value,
        };
        let place = piece.place();
        self.date.get_mut(place..place + written.len())?.copy_from_slice(written);
        Some(())
    }

    /// The instant, once every part of it has been taken in.
    pub(super) fn time_ns(&self) -> Option<i64> {
        let base_ns = if self.has_pieces { parse_rfc3339(&self.date)? } else { self.base_ns? };
        base_ns.checked_add(self.fraction_ns)
    }
}

fn month_number(name: &[u8]) -> Option<u8> {
    const NAMES: [&[u8]; 12] = [
        b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov",
        b"Dec",
    ];
    let position = NAMES.iter().position(|known| known.eq_ignore_ascii_case(name))?;
    u8::try_from(position + 1).ok()
}
