//! What goes into the store comes out of it.

use proptest::prelude::*;

use super::*;
use crate::testing::{ArrivalRow, append_rows, arrival};

/// Every row of a store.
fn rows(store: &Store) -> Vec<ArrivalRow> {
    let mut decoded = Decoded::new();
    let mut rows = Vec::new();
    for block in store.blocks() {
        decoded.load(block, Fields::ALL);
        rows.extend((0..block.len()).map(|place| arrival(&decoded, place)));
    }
    rows
}

fn stored(rows: &[ArrivalRow]) -> Store {
    let mut builder = StoreBuilder::default();
    // In several pieces, which end anywhere in a block.
    rows.chunks(700).for_each(|rows| append_rows(&mut builder, rows));
    builder.finish()
}

/// Times as they are, and as no run makes them.
fn time() -> impl Strategy<Value = i64> {
    prop_oneof![
        6 => 0..50_000_000_i64,
        1 => any::<i64>(),
        1 => prop::sample::select(vec![i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX]),
    ]
}

fn row() -> impl Strategy<Value = ArrivalRow> {
    let optional = || prop::option::weighted(0.9, time());
    (time(), time(), time(), (optional(), optional(), optional()), 0..1_000_u32).prop_map(
        |(intended_ns, lag_ns, response_ns, (connect_ns, sent_ns, ttfb_ns), kind)| ArrivalRow {
            intended_ns,
            lag_ns,
            response_ns,
            connect_ns,
            sent_ns,
            ttfb_ns,
            kind,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn rows_of_any_kind_come_back(mut wild in prop::collection::vec(row(), 0..2_500)) {
        wild.sort_by_key(|row| row.intended_ns);
        let store = stored(&wild);
        prop_assert_eq!(store.len(), wild.len());
        prop_assert!(rows(&store) == wild);
        let finishes = wild.iter().map(|row| row.intended_ns.saturating_add(row.response_ns));
        prop_assert_eq!(store.last_finish_ns(), finishes.max());
        for instant_ns in wild.iter().step_by(97).map(|row| row.intended_ns).chain([i64::MIN, 0, i64::MAX]) {
            let before = wild.partition_point(|row| row.intended_ns < instant_ns);
            prop_assert_eq!(store.rows_before(instant_ns), before);
        }
        for (block, rows) in store.blocks().iter().zip(wild.chunks(BLOCK_ROWS)) {
            prop_assert!(rows.iter().all(|row| row.lag_ns <= block.lag_bound_ns()));
        }
    }
}

/// Rows as a good run makes them, at 20,000 a second.
fn tame(count: i64) -> Vec<ArrivalRow> {
    let noise = |row: i64, range: u64| {
        (openload_contract::digest::mix(row.cast_unsigned()) % range).cast_signed()
    };
    let rows = (0..count).map(|row| ArrivalRow {
        intended_ns: row * 50_000 + noise(row, 40_000),
        lag_ns: noise(row + 1, 100_000),
        response_ns: 200_000 + noise(row + 2, 30_000_000),
        connect_ns: Some(0),
        sent_ns: Some(noise(row + 1, 100_000) + 12_000 + noise(row + 3, 16_000)),
        ttfb_ns: Some(noise(row + 2, 30_000_000) + 150_000 + noise(row + 4, 40_000)),
        kind: noise(row + 5, 12) as u32,
    });
    rows.collect()
}

#[test]
fn a_good_run_takes_less_than_sixteen_bytes_a_row() {
    let rows = tame(20_000);
    let each = stored(&rows).bytes() as f64 / rows.len() as f64;
    assert!(each < 16.0, "{each}");
}

#[test]
fn a_few_failures_widen_nothing_but_the_response() {
    let mut rows = tame(BLOCK_ROWS as i64);
    let before = stored(&rows).bytes();
    // Not the first of all, before which no time was known that it could store.
    for row in rows.iter_mut().step_by(100).skip(1) {
        (row.connect_ns, row.sent_ns, row.ttfb_ns) = (None, None, None);
    }
    // Three bits tell what is known.
    assert!(stored(&rows).bytes() - before <= 3 * BLOCK_ROWS / 8);
}
