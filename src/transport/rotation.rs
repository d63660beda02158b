//! Which of a host's addresses a connection tries, and in which order.
//!
//! Connections go to the addresses in turn, so that a host with several gets its load spread
//! as its name promises. An address that did not answer is set aside for a while: it is tried
//! again only where no other answers, and else not before its time is over. A name such as
//! `localhost`, of which only one of two families is served, so costs one refused attempt
//! every ten seconds and not one per second connection.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;

/// How long an address that did not answer is set aside, in ns. As long as a load balancer
/// takes between two health checks, by rule of thumb.
const SET_ASIDE_NS: i64 = 10_000_000_000;

/// The turns of one worker's connections.
#[derive(Debug, Default)]
pub(super) struct Rotation {
    turn: Cell<usize>,
    /// Addresses that did not answer, and until when they are set aside.
    set_aside: RefCell<Vec<(SocketAddr, i64)>>,
}

impl Rotation {
    /// Returns the addresses in the order in which the next connection tries them.
    pub fn order(&self, addresses: &[SocketAddr], now_ns: i64) -> Vec<SocketAddr> {
        let mut set_aside = self.set_aside.borrow_mut();
        set_aside.retain(|(_, until_ns)| *until_ns > now_ns);
        let is_well = |address: &SocketAddr| !set_aside.iter().any(|(one, _)| one == address);
        let (mut order, mut others): (Vec<_>, Vec<_>) = addresses.iter().partition(|a| is_well(a));
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        for part in [&mut order, &mut others] {
            let length = part.len().max(1);
            part.rotate_left(turn % length);
        }
        order.append(&mut others);
        order
    }

    /// Begins an attempt; unless it is told that there was an answer, the address is set
    /// aside when the attempt is dropped. A connection given up for its time-out is an
    /// attempt without answer, too.
    pub fn attempt(&self, address: SocketAddr, now_ns: i64) -> Attempt<'_> {
        Attempt { rotation: self, address, until_ns: now_ns.saturating_add(SET_ASIDE_NS) }
    }

    fn set_aside(&self, address: SocketAddr, until_ns: i64) {
        self.forget(address);
        self.set_aside.borrow_mut().push((address, until_ns));
    }

    fn forget(&self, address: SocketAddr) {
        self.set_aside.borrow_mut().retain(|(one, _)| *one != address);
    }
}

/// An attempt to reach an address.
#[must_use]
pub(super) struct Attempt<'a> {
    rotation: &'a Rotation,
    address: SocketAddr,
    until_ns: i64,
}

impl Attempt<'_> {
    /// Notes that there was an answer.
    pub fn answered(mut self) {
        self.rotation.forget(self.address);
        self.until_ns = i64::MIN;
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if self.until_ns > i64::MIN {
            self.rotation.set_aside(self.address, self.until_ns);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::{Rotation, SET_ASIDE_NS};

    fn addresses() -> [SocketAddr; 3] {
        [1, 2, 3].map(|last| SocketAddr::from(([10, 0, 0, last], 80)))
    }

    #[test]
    fn every_address_has_its_turn() {
        let ([a, b, c], rotation) = (addresses(), Rotation::default());
        assert_eq!(rotation.order(&[a, b, c], 0), [a, b, c]);
        assert_eq!(rotation.order(&[a, b, c], 0), [b, c, a]);
        assert_eq!(rotation.order(&[a, b, c], 0), [c, a, b]);
        assert_eq!(rotation.order(&[a, b, c], 0), [a, b, c]);
        assert!(rotation.order(&[], 0).is_empty());
    }

    #[test]
    fn an_address_without_answer_is_the_last_resort_until_its_time_is_over() {
        let ([a, b, c], rotation) = (addresses(), Rotation::default());
        drop(rotation.attempt(a, 5));
        let firsts: Vec<_> = (0..4).map(|_| rotation.order(&[a, b, c], 6)[0]).collect();
        assert_eq!(firsts, [b, c, b, c]);
        assert_eq!(rotation.order(&[a, b, c], 6)[2], a);
        let later = 5 + SET_ASIDE_NS;
        let firsts: Vec<_> = (0..3).map(|_| rotation.order(&[a, b, c], later)[0]).collect();
        assert_eq!(firsts, [c, a, b]);
    }

    #[test]
    fn an_answer_ends_the_time_aside() {
        let ([a, b, _], rotation) = (addresses(), Rotation::default());
        drop(rotation.attempt(a, 0));
        rotation.attempt(a, 1).answered();
        let firsts: Vec<_> = (0..2).map(|_| rotation.order(&[a, b], 1)[0]).collect();
        assert_eq!(firsts, [a, b]);
    }

    #[test]
    fn where_none_answers_all_are_tried() {
        let ([a, b, _], rotation) = (addresses(), Rotation::default());
        drop(rotation.attempt(a, 0));
        drop(rotation.attempt(b, 0));
        assert_eq!(rotation.order(&[a, b], 1).len(), 2);
    }
}
