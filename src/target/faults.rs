//! Ways in which the target breaks the protocol, to test who talks to it.
//!
//! The queueing model knows nothing of them: a request waits and is served first, and only
//! then does its answer go wrong. Which requests are struck is a pure function of their
//! number, and a request is struck at most once, so the shares add up to at most one.

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// Drawn once from the system's random source: it only has to differ from the keys of the model.
const KEY: u64 = 0x8f1b_5c2e_47d9_a063;

/// What goes wrong with one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The connection is reset in the middle of the body.
    Reset,
    /// The connection stays open and nothing is ever sent.
    NeverAnswer,
    /// The connection is closed after the answer, which did not announce it.
    Close,
    /// Bytes that are not HTTP are sent in place of the answer.
    Garbage,
}

/// Shares of the requests that are struck by each fault.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Faults {
    /// Share of [`Fault::Reset`].
    pub reset_share: f64,
    /// Share of [`Fault::NeverAnswer`].
    pub never_answer_share: f64,
    /// Share of [`Fault::Close`].
    pub close_share: f64,
    /// Share of [`Fault::Garbage`].
    pub garbage_share: f64,
}

/// Why fault shares cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum FaultsError {
    /// One share is no share.
    #[error("the share of a fault is {0}; a share lies between 0 and 1")]
    Share(f64),
    /// Together they exceed all requests.
    #[error("the shares of all faults add up to {0}; a request has at most one fault: at most 1")]
    Sum(f64),
}

impl Faults {
    /// Accepts shares between 0 and 1 that add up to at most 1.
    ///
    /// # Errors
    /// When they do not.
    pub fn check(&self) -> Result<(), FaultsError> {
        let shares = self.shares().map(|(_, share)| share);
        if let Some(&share) = shares.iter().find(|share| !(0.0..=1.0).contains(*share)) {
            return Err(FaultsError::Share(share));
        }
        let sum: f64 = shares.iter().sum();
        // Ten shares of 0.1 add up to a little more than 1.
        if sum > 1.0 + 1e-9 { Err(FaultsError::Sum(sum)) } else { Ok(()) }
    }

    /// The fault of request `number`, if any.
    pub fn of(&self, number: u64) -> Option<Fault> {
        let mut left: f64 = Xoshiro256PlusPlus::seed_from_u64(KEY ^ number).random();
        self.shares().into_iter().find_map(|(fault, share)| {
            left -= share;
            (left < 0.0).then_some(fault)
        })
    }

    fn shares(&self) -> [(Fault, f64); 4] {
        [
            (Fault::Reset, self.reset_share),
            (Fault::NeverAnswer, self.never_answer_share),
            (Fault::Close, self.close_share),
            (Fault::Garbage, self.garbage_share),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, Faults, FaultsError};

    const SOME: Faults =
        Faults { reset_share: 0.1, never_answer_share: 0.2, close_share: 0.3, garbage_share: 0.15 };

    fn share_of(wanted: Option<Fault>) -> f64 {
        (0..100_000).filter(|&number| SOME.of(number) == wanted).count() as f64 / 1e5
    }

    #[test]
    fn each_fault_strikes_its_share_of_the_requests() {
        // The standard deviation of a share over 100,000 requests is at most 0.0016.
        let shares = [
            (Some(Fault::Reset), 0.1),
            (Some(Fault::NeverAnswer), 0.2),
            (Some(Fault::Close), 0.3),
            (Some(Fault::Garbage), 0.15),
            (None, 0.25),
        ];
        for (fault, share) in shares {
            assert!((share_of(fault) - share).abs() < 0.007, "{fault:?}: {}", share_of(fault));
        }
    }

    #[test]
    fn a_share_of_one_strikes_every_request_and_none_strikes_none() {
        let all = Faults { close_share: 1.0, ..Faults::default() };
        assert!((0..1000).all(|number| all.of(number) == Some(Fault::Close)));
        assert!((0..1000).all(|number| Faults::default().of(number).is_none()));
    }

    #[test]
    fn impossible_shares_are_refused() {
        let with = |reset_share, close_share| Faults { reset_share, close_share, ..SOME }.check();
        assert_eq!(SOME.check(), Ok(()));
        assert_eq!(with(-0.1, 0.0), Err(FaultsError::Share(-0.1)));
        assert!(matches!(with(f64::NAN, 0.0), Err(FaultsError::Share(_))));
        assert!(matches!(with(0.5, 0.5), Err(FaultsError::Sum(_))));
    }
}
