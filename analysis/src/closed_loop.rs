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

use openload_contract::summary::ClosedLoop;

use crate::groups::services;
use crate::load::Columns;
use crate::run::Run;

/// Fewest users: what common tools start with.
const USERS_MIN: f64 = 10.0;

/// Users for each request in flight on a good day. A tester who sees all users busy adds more.
const USERS_PER_IN_FLIGHT: f64 = 2.0;

/// Makes the closed loop's report of a run from its measured rows.
pub fn closed_loop(run: &Run, columns: Columns<'_>) -> ClosedLoop {
    let mut rows = columns.rows(&columns.mask(|kind| kind.is_measured));
    rows.retain(|&row| columns.sent_ns(row as usize).is_some());
    let measured_s = run.covered_s(|_, phase| phase.role.is_measured());
    let median_s =
        services(run, columns, &rows).estimate(0.5).value.map_or(0.0, crate::numeric::ns_to_s);
    let rate = if measured_s > 0.0 { rows.len() as f64 / measured_s } else { 0.0 };
    let users = (USERS_PER_IN_FLIGHT * rate * median_s).ceil().max(USERS_MIN) as usize;
    let spans = rows.iter().map(|&row| {
        let row = row as usize;
        (columns.intended_ns[row], columns.service_ns(row).unwrap_or(0))
    });
    let taken = taken(spans, users);
    let reported: Vec<u32> =
        rows.iter().zip(&taken).filter(|(_, taken)| **taken).map(|(&row, _)| row).collect();
    ClosedLoop {
        users: users as u64,
        sent: reported.len() as u64,
        omitted: (rows.len() - reported.len()) as u64,
        response_time: services(run, columns, &reported).table(),
    }
}

/// Tells which requests, given by their start and the time they keep a user busy, find one of
/// `users` free; the starts ascend.
fn taken(requests: impl Iterator<Item = (i64, i64)>, users: usize) -> Vec<bool> {
    let mut busy_until = BinaryHeap::from(vec![Reverse(i64::MIN); users]);
    let mut find = |(start_ns, busy_ns): (i64, i64)| {
        let mut first = busy_until.peek_mut()?;
        if first.0 > start_ns {
            return None;
        }
        *first = Reverse(start_ns.saturating_add(busy_ns));
        Some(())
    };
    requests.map(|request| find(request).is_some()).collect()
}

#[cfg(test)]
mod tests {
    use super::taken;

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
