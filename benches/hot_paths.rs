//! What is done once per request: the next arrival, the text of a request, one row.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use openload::plan::Plan;
use openload::profile::{self, Overrides};
use openload::schedule::{LaneSet, Timeline};
use openload::transport::Requests;
use openload_contract::{Outcome, ShardId};
use openload_samples::{Chunk, Names, PartWriter, Rotation, Sample, schema, worker_dir};

/// Rows of a chunk as a worker hands them over.
const CHUNK_ROWS: u64 = 8_192;

fn plan(name: &str) -> Plan {
    profile::load(name, &Overrides::default()).expect("a built-in profile")
}

fn next_arrival(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("next arrival");
    group.throughput(Throughput::Elements(1));
    for (name, label) in [("baseline", "poisson, constant rate"), ("stress", "poisson, ramp")] {
        let plan = plan(name);
        let mut timeline = Timeline::new(&plan, LaneSet::ALL);
        group.bench_function(label, |bencher| {
            bencher.iter(|| {
                if timeline.peek().is_none() {
                    timeline = Timeline::new(&plan, LaneSet::ALL);
                }
                black_box(timeline.next())
            });
        });
    }
    group.finish();
}

fn render_request(criterion: &mut Criterion) {
    let requests = Requests::new(&plan("mixed")).expect("a built-in profile can be sent");
    let mut seq = 0;
    criterion.bench_function("render request", |bencher| {
        bencher.iter(|| {
            seq += 1;
            black_box(requests.render(0, seq))
        });
    });
}

fn sample(seq: u64) -> Sample {
    let noise = (seq.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44) as i64;
    Sample {
        seq,
        intended_ns: seq as i64 * 50_000 + noise % 50_000,
        lag_ns: noise % 30_000,
        connect_ns: Some(0),
        sent_ns: Some(noise % 60_000),
        ttfb_ns: Some(1_000_000 + noise),
        response_ns: 1_010_000 + noise,
        status: Some(200),
        outcome: Outcome::Ok,
        stream: 0,
        phase: 0,
        scenario: (seq % 4) as u16,
        request: (seq % 4) as u16,
        step: 0,
        bytes_in: 64,
        bytes_out: 0,
    }
}

fn chunk() -> Chunk {
    let mut chunk = Chunk::with_capacity(CHUNK_ROWS as usize);
    (0..CHUNK_ROWS).for_each(|seq| chunk.push(&sample(seq)));
    chunk
}

fn record_and_write(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rows");
    group.throughput(Throughput::Elements(CHUNK_ROWS));
    group.bench_function("record", |bencher| {
        bencher.iter_batched(
            || Chunk::with_capacity(CHUNK_ROWS as usize),
            |mut chunk| {
                (0..CHUNK_ROWS).for_each(|seq| chunk.push(&sample(seq)));
                chunk
            },
            BatchSize::LargeInput,
        );
    });
    let dir = tempfile::tempdir().expect("a temporary folder");
    let folder = worker_dir(dir.path(), ShardId::default(), 0);
    let mut writer =
        PartWriter::new(&folder, Rotation::default(), &[]).expect("a folder that can be written");
    let names = Names::new(&["main"], &["steady"], &["a", "b", "c", "d"], &["a", "b", "c", "d"]);
    let schema = schema();
    group.bench_function("write to journal and part", |bencher| {
        bencher.iter_batched(
            chunk,
            |chunk| {
                let batch = chunk.into_batch(&schema, &names).expect("the sample schema");
                writer.append(&batch, 0).expect("room on the disk");
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

criterion_group!(benches, next_arrival, render_request, record_and_write);
criterion_main!(benches);
