//! What is done once per request: the next arrival, its release, the request, the response, one
//! row.

use std::hint::black_box;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use openload::clock::{Clock, UnixClock};
use openload::dispatch::{ChunkSink, Recorder, StopSignal, Worker};
use openload::pacer::{Pacer, Pacing};
use openload::plan::{Plan, StreamPlan};
use openload::profile::{self, Overrides};
use openload::schedule::{LaneSet, Timeline};
use openload::sink::Live;
use openload::transport::{Connection, Failure, Incoming, Request, Requests, Stamps, Transport};
use openload_contract::{ArrivalKind, GapFamily, Mmpp, Outcome, Renewal, ShardId};
use openload_samples::{
    Chunk, Encoder, JournalWriter, Names, PartWriter, Rotation, Sample, worker_dir,
};
use tokio::runtime::{Builder, LocalOptions};

/// Rows of a chunk as a worker hands them over.
const CHUNK_ROWS: u64 = 4_096;

fn plan(name: &str) -> Plan {
    profile::load(name, &Overrides::default()).expect("a built-in profile")
}

/// Many streams of their own rate, as a replayed trace of several sources has.
fn many_streams() -> Plan {
    let mut plan = plan("baseline");
    let stream = plan.streams[0].clone();
    plan.streams =
        (0..32).map(|number| StreamPlan { name: number.to_string(), ..stream.clone() }).collect();
    plan
}

/// The same rates with other arrivals.
fn arrivals(kind: &ArrivalKind) -> Plan {
    let mut plan = plan("baseline");
    for phase in plan.streams.iter_mut().flat_map(|stream| &mut stream.phases) {
        phase.arrival = kind.clone();
    }
    plan
}

fn mmpp() -> ArrivalKind {
    ArrivalKind::Mmpp(Mmpp { rates: vec![0.5, 3.0], stays_s: vec![1.5, 0.3] })
}

fn renewal(family: GapFamily) -> ArrivalKind {
    ArrivalKind::Renewal(Renewal { cv: 2.0, family })
}

fn next_arrival(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("next arrival");
    group.throughput(Throughput::Elements(1));
    for (plan, label) in [
        (plan("baseline"), "poisson, constant rate"),
        (plan("stress"), "poisson, ramp"),
        (arrivals(&ArrivalKind::Constant), "constant"),
        (arrivals(&mmpp()), "mmpp, two states"),
        (arrivals(&renewal(GapFamily::Gamma)), "renewal, gamma"),
        (arrivals(&renewal(GapFamily::Weibull)), "renewal, weibull"),
        (arrivals(&renewal(GapFamily::Lognormal)), "renewal, lognormal"),
        (many_streams(), "poisson, 32 streams"),
    ] {
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
    let mut group = criterion.benchmark_group("encode request");
    for (name, label) in [("baseline", "fixed"), ("mixed", "filled in")] {
        let requests = Requests::new(&plan(name)).expect("a built-in profile can be sent");
        let (mut seq, mut output) = (0, Vec::new());
        group.bench_function(label, |bencher| {
            bencher.iter(|| {
                seq += 1;
                output.clear();
                black_box(requests.get(0, seq).encode(&mut output))
            });
        });
    }
    group.finish();
}

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nserver: nginx\r\ndate: Tue, 24 Nov 2026 12:00:00 GMT\r\n\
    content-type: text/plain\r\ncontent-length: 16\r\nconnection: keep-alive\r\n\r\n0123456789abcdef";

fn parse_response(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse response");
    group.throughput(Throughput::Bytes(RESPONSE.len() as u64));
    let (mut incoming, stamps) = (Incoming::default(), Stamps::default());
    group.bench_function("six headers and a body", |bencher| {
        bencher.iter(|| {
            incoming.expect_response(false);
            incoming.take(black_box(RESPONSE), &stamps).expect("it is well-formed")
        });
    });
    group.finish();
}

/// A transport that answers at once and has no sockets.
struct Nothing<C>(C);

struct NoConnection<C>(C, Rc<Stamps>);

impl<C: Clock> Transport for Nothing<C> {
    type Connection = NoConnection<C>;

    async fn connect(&self, stamps: Rc<Stamps>) -> Result<NoConnection<C>, Failure> {
        Ok(NoConnection(self.0.clone(), stamps))
    }
}

impl<C: Clock> Connection for NoConnection<C> {
    async fn exchange(&mut self, _request: Request<'_>) -> Result<(), Failure> {
        let now_ns = self.0.now_ns();
        self.1.note_sent(now_ns);
        self.1.note_received(now_ns);
        self.1.status.set(Some(200));
        Ok(())
    }

    fn poll_closed(&mut self, _context: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }

    fn is_reusable(&mut self) -> bool {
        true
    }
}

struct Discard;

impl ChunkSink for Discard {
    fn take(&mut self, mut chunk: Chunk) -> Chunk {
        chunk.clear();
        chunk
    }
}

/// Everything between the timeline and the row but the socket: arrivals that are all due,
/// released in batches to connections that answer at once.
fn release(criterion: &mut Criterion) {
    let mut plan = plan("baseline");
    for phase in plan.streams.iter_mut().flat_map(|stream| &mut stream.phases) {
        phase.end_ns = phase.end_ns.min(10_000_000_000);
    }
    let arrivals = Timeline::new(&plan, LaneSet::ALL).count() as u64;
    let mut group = criterion.benchmark_group("release");
    group.throughput(Throughput::Elements(arrivals));
    group.sample_size(20);
    group.bench_function("arrival to row, no socket", |bencher| {
        bencher.iter(|| run_late(&plan));
    });
    group.finish();
}

/// Runs a plan whose every arrival was due long ago.
fn run_late(plan: &Plan) -> u64 {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
        .expect("a runtime");
    let clock = UnixClock::new();
    let epoch = clock.epoch_at(clock.now_unix_ns() - 20_000_000_000);
    let remains = runtime.block_on(async {
        let clock = Pacer::new(epoch, Pacing::Efficient).expect("a timer");
        let recorder = Recorder::new(Box::new(Discard), Arc::default());
        let (transport, stop) = (Nothing(clock.clone()), StopSignal::default());
        let worker = Worker::new(plan, LaneSet::ALL, clock, transport, recorder, stop);
        worker.expect("a built-in profile can be sent").run().await
    });
    drop(runtime);
    remains.report().arrivals
}

fn sample(seq: u64) -> Sample {
    let noise = (seq.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44) as i64;
    Sample {
        seq,
        intended_ns: seq as i64 * 50_000 + noise % 50_000,
        lag_ns: noise % 30_000,
        connect_ns: Some(0),
        pool_wait_ns: Some(0),
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

fn names() -> Names {
    Names::new(&["main"], &["steady"], &["a", "b", "c", "d"], &["a", "b", "c", "d"])
}

fn record(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rows");
    group.throughput(Throughput::Elements(CHUNK_ROWS));
    let mut reused = Chunk::with_capacity(CHUNK_ROWS as usize);
    let samples: Vec<Sample> = (0..CHUNK_ROWS).map(sample).collect();
    group.bench_function("record", |bencher| {
        bencher.iter(|| {
            reused.clear();
            samples.iter().for_each(|sample| reused.push(black_box(sample)));
        });
    });
    let (live, chunk) = (Live::new(), chunk());
    group.bench_function("live figures", |bencher| bencher.iter(|| live.add(black_box(&chunk))));
    group.finish();
}

fn write(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rows");
    group.throughput(Throughput::Elements(CHUNK_ROWS));
    let (names, chunk) = (names(), chunk());
    let mut encoder = Encoder::new(&names);
    group.bench_function("encode", |bencher| {
        bencher.iter(|| black_box(encoder.encode(black_box(&chunk))));
    });
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut journal = JournalWriter::create(&dir.path().join("journal"), &names)
        .expect("a folder that can be written");
    let pages = encoder.encode(&chunk);
    group.bench_function("journal", |bencher| {
        bencher.iter(|| journal.append(&pages, encoder.dictionaries()).expect("room on the disk"));
    });
    let folder = worker_dir(dir.path(), ShardId::default(), 0);
    let mut writer = PartWriter::new(&folder, names, Rotation::default(), &[])
        .expect("a folder that can be written");
    group.bench_function("encode, journal and part", |bencher| {
        bencher.iter(|| writer.append(black_box(&chunk), 0).expect("room on the disk"));
    });
    group.finish();
}

criterion_group!(benches, next_arrival, release, render_request, parse_response, record, write);
criterion_main!(benches);
