//! Rows come in the order of the timeline, whatever the order on disk.

use std::path::Path;

use openload_contract::{Outcome, Role, ShardId};
use openload_samples::{Chunk, Names, PartWriter, Rotation, Sample, worker_dir};
use proptest::prelude::*;

use super::Samples;
use crate::store::Fields;
use crate::testing::{ArrivalRow, Simulated, arrival, fail, phase};

/// What the samples hold, in their order; the kind is left out.
fn rows(samples: &Samples) -> Vec<ArrivalRow> {
    let mut rows = Vec::new();
    samples.columns().all().visit(Fields::ALL, |decoded, places| {
        let row = |place| ArrivalRow { kind: 0, ..arrival(decoded, place) };
        rows.extend(places.iter().map(row));
    });
    rows
}

fn sorted(mut samples: Vec<Sample>) -> Vec<ArrivalRow> {
    samples.retain(|sample| sample.step == 0);
    samples.sort_by_key(|sample| (sample.intended_ns, sample.seq));
    let row = |sample: &Sample| ArrivalRow {
        intended_ns: sample.intended_ns,
        lag_ns: sample.lag_ns,
        response_ns: sample.response_ns,
        connect_ns: sample.connect_ns,
        sent_ns: sample.sent_ns,
        ttfb_ns: sample.ttfb_ns,
        kind: 0,
    };
    samples.iter().map(row).collect()
}

/// Writes rows as they are given: a part for each of `parts`, in chunks of `chunk_rows`.
fn write(run: &Simulated, dir: &Path, parts: usize, chunk_rows: usize) {
    run.write_manifest(dir);
    let rows_of_part = run.rows.len().div_ceil(parts).max(1);
    for (worker, rows) in (0..).zip(run.rows.chunks(rows_of_part)) {
        let folder = worker_dir(dir, ShardId::default(), worker);
        let names = Names::new(&["main"], &["hold"], &["browse", "buy"], &["get", "post"]);
        let mut writer = PartWriter::new(&folder, names, Rotation::default(), &[]).unwrap();
        for rows in rows.chunks(chunk_rows) {
            let mut chunk = Chunk::with_capacity(rows.len());
            rows.iter().for_each(|row| chunk.push(row));
            writer.append(&chunk, 0).unwrap();
        }
        writer.close().unwrap();
    }
}

fn loaded(run: &Simulated, parts: usize, chunk_rows: usize) -> Samples {
    let dir = tempfile::tempdir().unwrap();
    write(run, dir.path(), parts, chunk_rows);
    Samples::load(dir.path(), &run.manifest).unwrap()
}

/// Rows of a simulated run with some wild ones among them.
fn wild(count: usize, seed: u64) -> Simulated {
    let rate = count as f64 / 10.0;
    let mut run = Simulated::seeded(&[phase("hold", Role::Steady, rate, 10.0)], 1_000_000, seed);
    for row in &mut run.rows {
        match openload_contract::digest::mix(row.seq ^ seed) % 97 {
            0 => fail(row, Outcome::Dropped),
            1 => row.intended_ns = i64::MIN + row.seq as i64 % 3,
            2 => row.intended_ns = i64::MAX - row.seq as i64 % 3,
            3 => row.intended_ns = 5_000_000_000,
            4 => row.response_ns = i64::MAX,
            5 => row.step = 1,
            6 => row.ttfb_ns = None,
            _ => {}
        }
    }
    run
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn shuffled_rows_are_those_of_a_sort(
        seed in 0_u64..100,
        parts in 1_usize..7,
        keep in 1_usize..2_000,
        shift in 0_usize..2_000,
    ) {
        let mut run = wild(2_000, seed);
        let mixed = |row: &Sample| openload_contract::digest::mix(row.seq ^ seed << 20);
        if seed % 3 > 0 {
            run.rows.sort_by_key(mixed);
        }
        let length = run.rows.len();
        run.rows.rotate_left(shift % length);
        run.rows.truncate(keep);
        let samples = loaded(&run, parts, 300);
        prop_assert_eq!(rows(&samples), sorted(run.rows.clone()));
    }
}

#[test]
fn many_row_groups_out_of_order_are_merged() {
    let mut run = wild(300_000, 3);
    // What the workers wrote late comes first on disk.
    let length = run.rows.len();
    run.rows.rotate_left(length / 3);
    run.rows[length / 2..].reverse();
    let samples = loaded(&run, 2, 4_096);
    assert!(samples.len() > 290_000);
    assert!(rows(&samples) == sorted(run.rows.clone()));
}

#[test]
fn a_file_that_holds_earlier_rows_than_it_says_is_refused() {
    let run = Simulated::seeded(&[phase("hold", Role::Steady, 200.0, 10.0)], 1_000_000, 5);
    let dir = tempfile::tempdir().unwrap();
    write(&run, dir.path(), 2, 4_096);
    let part = worker_dir(dir.path(), ShardId::default(), 1).join("part-00000.parquet");
    let bytes = std::fs::read(&part).unwrap();
    let least =
        run.rows[run.rows.len().div_ceil(2)..].iter().map(|row| row.intended_ns).min().unwrap();
    let with_least = |other: i64| {
        let mut bytes = bytes.clone();
        let places =
            bytes.windows(8).enumerate().filter(|(_, eight)| **eight == least.to_le_bytes());
        let places: Vec<usize> = places.map(|(place, _)| place).collect();
        assert!(!places.is_empty(), "the footer says the least start");
        places
            .iter()
            .for_each(|&place| bytes[place..place + 8].copy_from_slice(&other.to_le_bytes()));
        std::fs::write(&part, bytes).unwrap();
        Samples::load(dir.path(), &run.manifest)
    };
    // Earlier than the truth is a bound, too.
    assert!(rows(&with_least(least - 1).unwrap()) == sorted(run.rows.clone()));
    let error = with_least(least + 1).unwrap_err().to_string();
    assert!(error.contains("part-00000.parquet: the file is damaged"), "{error}");
    let both = format!("{least} ns in a row group whose least one should be {} ns", least + 1);
    assert!(error.contains(&both), "{error}");
}
