//! What a tool whose users wait for their answers would have reported of the same run.
//!
//! A closed loop has a fixed number of users, and each of them sends its next request after the
//! answer to its last. While the target stands still the users stand still as well: the requests
//! that would have met the slow target are never sent, and their times never recorded. That is
//! coordinated omission, and here is what it would have hidden.
//!
//! The model takes the rows in the order of their intended starts. A row for which a user is free
//! is sent by that user, who is busy for the row's service time; a row for which nobody is free is
//! omitted. What such a tool reports are the service times of the successes among the rows taken.
//! It is a kind model: the requests it leaves out would have come later, into a queue they make
//! longer.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use openload_contract::summary::ClosedLoop;

use crate::groups::services;
use crate::load::Columns;
use crate::rows::Bitmap;
use crate::run::Run;
use crate::store::Fields;
use crate::survey::Survey;

/// Fewest users: what common tools start with.
const USERS_MIN: f64 = 10.0;

/// Users for each request in flight on a good day. A tester who sees all users busy adds more.
const USERS_PER_IN_FLIGHT: f64 = 2.0;

/// Makes the closed loop's report of a run from its measured rows.
pub fn closed_loop(run: &Run, columns: Columns<'_>) -> ClosedLoop {
    let rows = columns.rows(|kind| kind.is_measured).sent();
    let measured_s = run.covered_s(|_, phase| phase.role.is_measured());
    let median_ns = services(run, &rows, &[0.5]).estimate(0.5).value;
    let median_s = median_ns.map_or(0.0, crate::numeric::ns_to_s);
    let count = rows.count();
    let rate = if measured_s > 0.0 { count as f64 / measured_s } else { 0.0 };
    let users = (USERS_PER_IN_FLIGHT * rate * median_s).ceil().max(USERS_MIN) as usize;
    let mut users = Users::new(users);
    let (mut taken, mut sent) = (Bitmap::new(columns.len()), 0_usize);
    rows.visit(Fields::INTENDED | Fields::RESPONSE | Fields::SENT, |rows, places| {
        for (place, row) in places.numbered() {
            if users.take(rows.intended_ns[place], rows.service_ns(place).unwrap_or(0)) {
                taken.set(row);
                sent += 1;
            }
        }
    });
    let reported = rows.picked(Arc::new(taken));
    ClosedLoop {
        users: users.busy_until.len() as u64,
        sent: sent as u64,
        omitted: (count - sent) as u64,
        response_time: services(run, &reported, &Survey::table_levels()).table(),
    }
}

/// The users of a closed loop, by the instants at which they are free.
struct Users {
    busy_until: BinaryHeap<Reverse<i64>>,
}

impl Users {
    fn new(count: usize) -> Self {
        Self { busy_until: vec![Reverse(i64::MIN); count].into() }
    }

    /// Tells whether a request finds a user free, whom it then keeps busy; starts ascend.
    fn take(&mut self, start_ns: i64, busy_ns: i64) -> bool {
        let Some(mut first) = self.busy_until.peek_mut() else { return false };
        if first.0 > start_ns {
            return false;
        }
        *first = Reverse(start_ns.saturating_add(busy_ns));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::Users;

    /// Which requests, given by their start and how long they take, find a user free.
    fn taken(requests: impl Iterator<Item = (i64, i64)>, users: usize) -> Vec<bool> {
        let mut users = Users::new(users);
        requests.map(|(start_ns, busy_ns)| users.take(start_ns, busy_ns)).collect()
    }

    /// 1,000 requests a second, answered within 1 ms, but for one second in which the target
    /// stands still and answers all at its end: an open model sends 1,000 into it, ten users ten.
    #[test]
    fn a_stall_is_met_once_by_each_user() {
        let (ms, stall) = (1_000_000, 2_000..3_000);
        let requests: Vec<(i64, i64)> = (0..5_000)
            .map(|t| (t * ms, if stall.contains(&t) { (3_000 - t) * ms } else { ms / 2 }))
            .collect();
        let taken = taken(requests.iter().copied(), 10);
        let slow = requests.iter().zip(&taken).filter(|((_, busy), taken)| *busy > ms && **taken);
        assert_eq!(slow.count(), 10);
        assert_eq!(taken.iter().filter(|taken| **taken).count(), 5_000 - 999 + 9);
    }

    #[test]
    fn enough_users_omit_nothing() {
        let requests = (0..1_000).map(|t| (t, 50));
        assert!(taken(requests.clone(), 50).into_iter().all(|taken| taken));
        assert_eq!(taken(requests, 49).into_iter().filter(|taken| *taken).count(), 980);
    }
}
