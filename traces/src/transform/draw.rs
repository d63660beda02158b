//! Chance that any reader finds again.
//!
//! What happens to an event is not drawn from a stream of random numbers, whose position would
//! depend on what was read before, but from a hash of the seed, the purpose and what the event
//! is. A reader that starts in the middle, reads twice or leaves things out finds the same.

use openload_contract::digest::mix;

/// What a number is drawn for. Draws for different purposes are independent.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    /// Whether an event is kept.
    ThinEvent = 1,
    /// Whether a session is kept.
    ThinSession,
    /// How far a copy of an event is moved.
    MoveEvent,
    /// How far a copy of a session is moved.
    MoveSession,
    /// Name of a session in a shifted copy.
    NameShifted,
    /// Name of a session in a moved copy.
    NameCopied,
    /// Name of a session in a repetition.
    NameRepeated,
}

/// 64 uniform bits.
pub(super) fn draw(seed: u64, purpose: Purpose, first: u64, second: u64) -> u64 {
    mix(mix(mix(mix(seed) ^ purpose as u64) ^ first) ^ second)
}

/// Tells whether something of probability `share` happens.
pub(super) fn happens(bits: u64, share: f64) -> bool {
    // 53 bits are what a number in [0, 1) holds exactly.
    const SCALE: f64 = 1.0 / (1_u64 << 53) as f64;
    ((bits >> 11) as f64) * SCALE < share
}

/// Turns uniform bits into a uniform number in `[0, bound)`; 0 when the bound is not above 0.
pub(super) fn below(bits: u64, bound: i64) -> i64 {
    let bound = u128::try_from(bound).unwrap_or(0);
    // At most `bound`, which is an i64.
    ((u128::from(bits) * bound) >> 64) as i64
}

/// Names the session that a copy of a session is: another one, and always the same. Nothing
/// stays nothing: 0 means that no session is known.
pub(super) fn other_session(session: u64, purpose: Purpose, copy: u64) -> u64 {
    match session {
        0 => 0,
        session => draw(session, purpose, copy, 0).max(1),
    }
}

#[cfg(test)]
mod tests {
    use super::{Purpose, below, draw, happens, other_session};

    #[test]
    fn draws_are_uniform_and_differ_by_purpose() {
        let draws = |purpose| (0..10_000).map(move |row| draw(7, purpose, row, 0));
        let kept = draws(Purpose::ThinEvent).filter(|&bits| happens(bits, 0.25)).count();
        // Binomial: 2,500 ± 43.
        assert!((2_330..=2_670).contains(&kept), "{kept}");
        let mean: f64 =
            draws(Purpose::MoveEvent).map(|bits| below(bits, 1_000) as f64).sum::<f64>() / 1e4;
        assert!((mean - 499.5).abs() < 12.0, "{mean}");
        let both = draws(Purpose::ThinEvent).zip(draws(Purpose::ThinSession));
        assert_eq!(both.filter(|(event, session)| event == session).count(), 0);
    }

    #[test]
    fn borders_hold() {
        assert_eq!(below(u64::MAX, 10), 9);
        assert_eq!(below(u64::MAX, i64::MAX), i64::MAX - 1);
        assert_eq!((below(u64::MAX, 0), below(u64::MAX, -5), below(0, 10)), (0, 0, 0));
        assert!(happens(u64::MAX, 1.0) && !happens(0, 0.0));
        assert_eq!(other_session(0, Purpose::NameCopied, 3), 0);
        assert_ne!(other_session(5, Purpose::NameCopied, 1), 5);
    }
}
