//! The timeline is a pure function of profile and seed.

use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt64Type};
use openload::profile::{self, Overrides};
use openload::schedule::{LaneSet, outline};
use openload_contract::{LANES, ShardId, TimelineDigest};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::support::{Bench, row_keys, run_gen, steady};

/// Digests of the built-in profiles. A change here is a change of every recorded run's
/// meaning: it needs a reason and a line in the change log.
const GOLDEN: [(&str, u64, &str); 5] = [
    ("baseline", 331962, "5d9c1d45226a401d03aa597d11412c55"),
    ("stress", 362170, "a503c0f1787a42920b52bd8dc5c21d6c"),
    ("spike", 15873, "4b1ef4f705fe434663ec5214ab495e5e"),
    ("soak", 720265, "384c99e2e7b7461d2d891faf2237fd0c"),
    ("mixed", 586759, "6630370dbb7119218b52efaa876cf169"),
];

#[test]
fn the_built_in_profiles_have_the_timelines_they_always_had() {
    let found = GOLDEN.map(|(name, ..)| {
        let plan = profile::load(name, &Overrides::default()).unwrap();
        let outline = outline(&plan, LaneSet::ALL);
        (name, outline.arrivals, outline.digest.to_string())
    });
    assert_eq!(found, GOLDEN.map(|(name, arrivals, digest)| (name, arrivals, digest.to_owned())));
}

fn dump(bench: &Bench, name: &str, profile: &str, shard: &str) -> Vec<(i64, u64)> {
    let file = bench.out(name);
    let path = bench.profile(profile);
    let output = run_gen(&[
        "plan",
        "--profile",
        path.to_str().unwrap(),
        "--shard",
        shard,
        "--dump",
        file.to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    read_dump(&file)
}

fn read_dump(path: &Path) -> Vec<(i64, u64)> {
    let file = std::fs::File::open(path).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let mut keys = Vec::new();
    for batch in reader {
        let batch = batch.unwrap();
        let seqs = batch.column_by_name("seq").unwrap().as_primitive::<UInt64Type>();
        let times = batch.column_by_name("intended_ns").unwrap().as_primitive::<Int64Type>();
        keys.extend(times.values().iter().copied().zip(seqs.values().iter().copied()));
    }
    keys
}

#[test]
fn dumps_of_shards_unite_to_the_dump_of_the_whole() {
    let bench = Bench::turn();
    let profile = steady(500, "poisson", 10, "");
    let whole = dump(&bench, "whole.parquet", &profile, "0/1");
    let mut united: Vec<(i64, u64)> = (0..3)
        .flat_map(|index| {
            dump(&bench, &format!("part-{index}.parquet"), &profile, &format!("{index}/3"))
        })
        .collect();
    united.sort_unstable();
    assert_eq!(united, whole);
}

#[test]
fn runs_with_1_2_and_8_workers_and_with_a_frozen_target_keep_the_planned_timeline() {
    let bench = Bench::turn();
    let profile = steady(400, "poisson", 3, "");
    let whole = dump(&bench, "whole.parquet", &profile, "0/1");
    let frozen =
        format!("{profile}[target.embedded]\nfreeze = {{ at = \"500ms\", for = \"1500ms\" }}\n");
    for (name, profile, workers) in [
        ("one", &profile, "1"),
        ("two", &profile, "2"),
        ("eight", &profile, "8"),
        ("frozen", &frozen, "2"),
    ] {
        let run = bench.run(name, profile, &["--no-analysis", "--workers", workers]);
        run.expect_exit(0);
        assert_eq!(row_keys(&run.rows()), whole, "{name}");
        let mut digest = TimelineDigest::default();
        whole.iter().for_each(|&(intended_ns, seq)| digest.add(seq, intended_ns));
        assert_eq!(run.manifest().timeline.unwrap().digest, digest.to_string());
        assert_eq!(run.manifest().lanes, LANES);
    }
}

/// The whole way: the profile's tables, workers and shards, `run.json`, and the analysis, which
/// draws the path of states again from the seed.
#[test]
fn bursts_and_clumps_are_the_same_for_any_division_and_pass_their_own_test() {
    let bench = Bench::turn();
    for (name, arrival) in [
        ("mmpp", "{ mmpp = { rates = [1, 6], stays = [\"200ms\", \"50ms\"] } }"),
        ("renewal", "{ renewal = { cv = 2, family = \"gamma\" } }"),
    ] {
        let profile = steady(400, "poisson", 3, "").replace("\"poisson\"", arrival);
        let whole = dump(&bench, &format!("{name}.parquet"), &profile, "0/1");
        let mut united: Vec<(i64, u64)> = (0..3)
            .flat_map(|index| {
                dump(&bench, &format!("{name}-{index}.parquet"), &profile, &format!("{index}/3"))
            })
            .collect();
        united.sort_unstable();
        assert_eq!(united, whole, "{name}");
        for workers in ["1", "2", "8"] {
            let run = bench.run(&format!("{name}-{workers}"), &profile, &["--workers", workers]);
            assert_eq!(row_keys(&run.rows()), whole, "{name}, {workers} workers");
            assert_eq!(run.manifest().streams[0].phases[0].arrival.name(), name);
            let summary = run.summary();
            let checks = summary["validity"]["checks"].as_array().unwrap();
            let law = checks.iter().find(|check| check["name"] == "timeline_law").unwrap();
            assert_eq!(law["level"], "ok", "{name}: {law}");
        }
    }
}

#[test]
fn shards_of_a_run_unite_to_the_timeline() {
    let bench = Bench::turn();
    let profile = steady(300, "poisson", 2, "");
    let whole = dump(&bench, "whole.parquet", &profile, "0/1");
    let mut united = Vec::new();
    for index in 0..3 {
        let run = bench.run(
            &format!("shard-{index}"),
            &profile,
            &["--shard", &format!("{index}/3"), "--no-analysis"],
        );
        run.expect_exit(0);
        assert_eq!(run.manifest().shard, ShardId { index, count: 3 });
        assert!(run.dir.join(format!("samples/shard={index:04}")).is_dir());
        united.extend(row_keys(&run.rows()));
    }
    united.sort_unstable();
    assert_eq!(united, whole);
}
