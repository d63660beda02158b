//! What an import must keep true (TRACES.md, section 6: gates 6, 8 and 10), on real recordings.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::{fs, iter};

use flate2::read::MultiGzDecoder;
use jiff::{Timestamp, tz};
use openload_traces::event::{Event, TimeKind};
use openload_traces::format::catalogue::{FormatOptions, format};
use openload_traces::record::SECOND_NS;
use openload_traces::spread::Within;
use openload_traces::{ImportOptions, ImportReport, Input, InputInfo, TraceFile, import};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// Seed of the imports; every gate holds for others too, but one of a thousand KS tests fails.
const SEED: u64 = 11;

fn sample(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(name);
    let bytes = fs::read(path).unwrap();
    if !name.ends_with(".gz") {
        return bytes;
    }
    let mut unpacked = Vec::new();
    MultiGzDecoder::new(&bytes[..]).read_to_end(&mut unpacked).unwrap();
    unpacked
}

fn sample_path(name: &str) -> Input {
    Input::Path(Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(name))
}

/// A timeline that was imported and read back.
struct Imported {
    report: ImportReport,
    events: Vec<Event>,
    bytes: Vec<u8>,
}

impl Imported {
    fn of(name: &str, inputs: &[Input], options: &ImportOptions) -> Self {
        let make = |info: &InputInfo| {
            let (found, format) =
                format(name, &info.name, &info.head, &FormatOptions::default()).unwrap();
            assert!(name == "auto" || found == name);
            format
        };
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("timeline");
        let report = import(make, inputs, options, &out).unwrap();
        let events = TraceFile::open(&out).unwrap().events().map(Result::unwrap).collect();
        Self { report, events, bytes: fs::read(out).unwrap() }
    }

    fn starts_ns(&self) -> impl Iterator<Item = i64> {
        self.events.iter().map(|event| self.report.start_unix_ns + event.t_ns)
    }
}

fn options() -> ImportOptions {
    ImportOptions { seed: SEED, ..ImportOptions::default() }
}

fn written(directory: &Path, name: &str, text: impl AsRef<[u8]>) -> Input {
    let path: PathBuf = directory.join(name);
    fs::write(&path, text).unwrap();
    Input::Path(path)
}

/// The starts of Azure's conversations, ns since 1970, as recorded: in steps of 100 ns.
fn azure_ns() -> Vec<i64> {
    let text = String::from_utf8(sample("azure_llm_2023_conv.csv.gz")).unwrap();
    let stamps = text.lines().skip(1).map(|line| {
        let (stamp, _) = line.split_once(',').unwrap();
        let stamp: Timestamp = format!("{}Z", stamp.replace(' ', "T")).parse().unwrap();
        i64::try_from(stamp.as_nanosecond()).unwrap()
    });
    stamps.collect()
}

fn second_of(time_ns: i64) -> i64 {
    time_ns.div_euclid(SECOND_NS)
}

/// A combined log of requests with these starts, of which it keeps the second.
fn combined(starts_ns: &[i64]) -> String {
    let lines = starts_ns.iter().enumerate().map(|(index, &start_ns)| {
        let stamp = Timestamp::from_second(second_of(start_ns)).unwrap();
        let stamp = stamp.to_zoned(tz::TimeZone::UTC).strftime("%d/%b/%Y:%H:%M:%S %z").to_string();
        let client = index % 251;
        format!("192.0.2.{client} - - [{stamp}] \"GET /{index} HTTP/1.1\" 200 5 \"-\" \"a\"\n")
    });
    lines.collect()
}

/// Two-sided p of a Kolmogorov-Smirnov test of phases in [0, 1) against the uniform distribution,
/// by the asymptotic series with Stephens' correction (1970), good from a few tens of phases on.
fn ks_p(mut phases: Vec<f64>) -> f64 {
    phases.sort_by(f64::total_cmp);
    let count = phases.len() as f64;
    let distance = phases.iter().enumerate().fold(0.0_f64, |distance, (index, &phase)| {
        distance.max(phase - index as f64 / count).max((index + 1) as f64 / count - phase)
    });
    let scaled = (count.sqrt() + 0.12 + 0.11 / count.sqrt()) * distance;
    if scaled < 0.3 {
        return 1.0;
    }
    let term = |number: i32| {
        let k = f64::from(number);
        let sign = if number % 2 == 1 { 2.0 } else { -2.0 };
        sign * (-2.0 * k * k * scaled * scaled).exp()
    };
    (1..100).map(term).sum::<f64>().clamp(0.0, 1.0)
}

#[test]
fn the_test_of_phases_tells_uniform_ones_from_others() {
    let mut generator = Xoshiro256PlusPlus::seed_from_u64(5);
    let mut draws = |count: usize| -> Vec<f64> {
        iter::repeat_with(|| generator.random::<f64>()).take(count).collect()
    };
    let p: Vec<f64> = (0..200).map(|_| ks_p(draws(500))).collect();
    let below = p.iter().filter(|&&p| p < 0.1).count();
    assert!((8..=34).contains(&below), "{below} of 200 below 0.1");
    assert!(ks_p(draws(20_000).into_iter().map(|draw| draw * draw.sqrt()).collect()) < 1e-6);
    // Stephens' table: the 95 % point of the scaled distance is 1.358.
    let scale = 100.0_f64.sqrt() + 0.12 + 0.011;
    let shift = 1.358 / scale - 0.005;
    let shifted = (0..100).map(|index| (f64::from(index) + 0.5) / 100.0 + shift).collect();
    assert!((ks_p(shifted) - 0.05).abs() < 0.001);
}

// Gate 6: import truth.

/// Checks that each start is in the bin that was recorded for it, that bins have as many events as
/// were recorded, and returns the phases inside the bins.
fn check_bins(imported: &Imported, recorded: &BTreeMap<i64, u64>, bin_ns: i64) -> Vec<f64> {
    let mut bins: BTreeMap<i64, u64> = BTreeMap::new();
    let mut phases = Vec::new();
    for (start_ns, event) in imported.starts_ns().zip(&imported.events) {
        let floor_ns = start_ns.div_euclid(bin_ns) * bin_ns;
        assert_eq!(floor_ns, event.t_src_ns, "{event:?}");
        assert_eq!((event.kind, event.resolution_ns), (TimeKind::Synthetic, bin_ns));
        *bins.entry(floor_ns).or_default() += 1;
        phases.push((start_ns - floor_ns) as f64 / bin_ns as f64);
    }
    assert!(bins == *recorded);
    phases
}

fn tally(bins_ns: impl IntoIterator<Item = (i64, u64)>) -> BTreeMap<i64, u64> {
    let mut bins = BTreeMap::new();
    for (bin_ns, count) in bins_ns.into_iter().filter(|(_, count)| *count > 0) {
        *bins.entry(bin_ns).or_default() += count;
    }
    bins
}

#[test]
fn starts_of_a_log_in_seconds_are_in_their_seconds_at_uniform_phases() {
    let directory = tempfile::tempdir().unwrap();
    let truth = azure_ns();
    let log = written(directory.path(), "log", combined(&truth));
    let imported = Imported::of("combined", &[log], &options());
    assert_eq!(imported.events.len(), truth.len());
    let bins = tally(truth.iter().map(|&ns| (second_of(ns) * SECOND_NS, 1)));
    let p = ks_p(check_bins(&imported, &bins, SECOND_NS));
    assert!(p > 0.001, "p = {p}");
    // The lines of a second keep their order, and each event is of the second of its own line.
    for event in &imported.events {
        let index = event.seq as usize - 1;
        assert_eq!(event.target, format!("/{index}").into_bytes());
        assert_eq!(event.t_src_ns, second_of(truth[index]) * SECOND_NS);
    }
    let mut sorted = truth;
    sorted.sort_by_key(|&ns| second_of(ns));
    assert!(imported.starts_ns().zip(&sorted).all(|(a, &b)| second_of(a) == second_of(b)));
}

#[test]
fn starts_of_real_logs_in_seconds_are_in_their_seconds_at_uniform_phases() {
    // Bins by another way than the parser's: the text between the brackets.
    let seconds_of = |log: &[u8]| {
        let text = String::from_utf8_lossy(log).into_owned();
        let bins = text.lines().map(|line| {
            let (_, rest) = line.split_once('[').unwrap();
            let (stamp, _) = rest.split_once(']').unwrap();
            let stamp = jiff::Zoned::strptime("%d/%b/%Y:%H:%M:%S %z", stamp).unwrap();
            (stamp.timestamp().as_second() * SECOND_NS, 1)
        });
        tally(bins)
    };
    for name in ["nasa_19950701_first1000.clf.log", "elastic_apache_combined.log.gz"] {
        let imported = Imported::of("combined", &[sample_path(name)], &options());
        let p = ks_p(check_bins(&imported, &seconds_of(&sample(name)), SECOND_NS));
        assert!(p > 0.001, "{name}: p = {p}");
    }
}

#[test]
fn counts_become_as_many_events_in_each_bin_at_uniform_phases() {
    let name = "nasa_jul95_first20000_counts_1s.csv.gz";
    let imported = Imported::of("counts", &[sample_path(name)], &options());
    let text = String::from_utf8(sample(name)).unwrap();
    let bins = text.lines().skip(1).map(|line| {
        let (offset_s, count) = line.split_once(',').unwrap();
        (offset_s.parse::<i64>().unwrap() * SECOND_NS, count.parse().unwrap())
    });
    let p = ks_p(check_bins(&imported, &tally(bins), SECOND_NS));
    assert!(p > 0.001, "p = {p}");
}

#[test]
fn counts_of_minutes_become_as_many_events_in_each_minute() {
    // Inside minutes the rate follows the neighbours: phases are not uniform there.
    let name = "azure_functions_2019_counts_per_minute.csv";
    let imported = Imported::of("azure-functions-2019", &[sample_path(name)], &options());
    let text = String::from_utf8(sample(name)).unwrap();
    let cells = text.lines().skip(1).flat_map(|line| {
        let counts = line.split(',').skip(4).enumerate();
        counts.map(|(minute, count)| (minute as i64 * 60 * SECOND_NS, count.parse().unwrap()))
    });
    let bins: Vec<(i64, u64)> = cells.collect();
    // The sample's README says how many there are.
    assert_eq!(bins.iter().map(|(_, count)| count).sum::<u64>(), 4_525);
    check_bins(&imported, &tally(bins), 60 * SECOND_NS);
}

#[test]
fn another_import_makes_the_same_bytes_however_it_is_done() {
    let directory = tempfile::tempdir().unwrap();
    let truth = azure_ns();
    let parts: Vec<Input> = truth
        .chunks(truth.len().div_ceil(4))
        .enumerate()
        .map(|(part, starts)| written(directory.path(), &part.to_string(), combined(starts)))
        .collect();
    let with = |seed, sources_at_once, memory_bytes| {
        let options = ImportOptions { seed, sources_at_once, memory_bytes, ..options() };
        Imported::of("combined", &parts, &options).bytes
    };
    let one = with(SEED, 1, 48 << 20);
    assert!(one == with(SEED, 1, 48 << 20));
    assert!(one == with(SEED, 4, 48 << 20));
    assert!(one == with(SEED, 16, 128 << 10));
    assert!(one != with(SEED + 1, 4, 48 << 20));
}

// Gate 8: dirty input.

fn methods(imported: &Imported) -> Vec<(&str, usize)> {
    let mut methods: BTreeMap<&str, usize> = BTreeMap::new();
    for event in &imported.events {
        *methods.entry(std::str::from_utf8(&event.method).unwrap()).or_default() += 1;
    }
    methods.into_iter().collect()
}

fn check_clean(imported: &Imported) {
    for event in &imported.events {
        assert!(event.target.starts_with(b"/"), "{event:?}");
        assert!(event.target.iter().all(u8::is_ascii_graphic), "{event:?}");
        let is_control = |&byte: &u8| byte.is_ascii_control() && !b"\r\n".contains(&byte);
        assert!(!event.headers.iter().any(is_control), "{event:?}");
        let text = event.headers.escape_ascii().to_string();
        let lines = text.split_terminator("\\r\\n");
        assert!(lines.clone().all(|line| line.contains(": ") && !line.contains("\\n")), "{text}");
        // Only what the format reads as headers: nobody brought a line of their own.
        assert!(lines.count() <= 2, "{text}");
    }
    assert!(imported.events.is_sorted_by_key(|event| event.t_ns));
}

#[test]
fn the_log_with_binary_and_latin_1_is_imported_with_what_can_be_sent() {
    let inputs = [sample_path("pitfall_combined_binary_latin1.log")];
    let options = ImportOptions { max_bad_fraction: 0.25, ..options() };
    let imported = Imported::of("combined", &inputs, &options);
    // The counts are those of grep in tests/line_formats.rs: 200 lines, 170 of them with a time.
    // One request less can be sent: `GET ../../proc/ HTTP`.
    assert_eq!(methods(&imported), [("GET", 136), ("HEAD", 1), ("POST", 18)]);
    let report = &imported.report;
    assert_eq!((report.lines, report.kept, report.bad), (200, 155, 45));
    let skipped = [("bad_request", 15), ("malformed", 30)];
    let skipped = skipped.map(|(name, count)| (name.to_owned(), count));
    assert_eq!(report.skipped, BTreeMap::from(skipped));
    assert_eq!(report.lines - report.skipped["malformed"], 170);
    check_clean(&imported);
    let years = imported.starts_ns().map(|ns| Timestamp::from_second(second_of(ns)).unwrap());
    let mut years: Vec<i16> = years.map(|at| at.to_zoned(tz::TimeZone::UTC).year()).collect();
    years.dedup();
    assert_eq!(years.len(), 2);
    assert!(report.reordered > 0);
    let refused = import(
        |info| format("combined", &info.name, &info.head, &FormatOptions::default()).unwrap().1,
        &inputs,
        &self::options(),
        &tempfile::tempdir().unwrap().path().join("out"),
    );
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("45 of 200 lines are bad"), "{message}");
    assert!(!message.chars().any(|character| character.is_control() && character != '\n'));
}

#[test]
fn the_shuffled_log_of_elastic_is_imported_whole() {
    let imported =
        Imported::of("combined", &[sample_path("elastic_apache_combined.log.gz")], &options());
    // The README: 10,000 lines over 83 hours in minute 05 of each.
    assert_eq!(methods(&imported), [("GET", 9_952), ("HEAD", 42), ("OPTIONS", 1), ("POST", 5)]);
    let report = &imported.report;
    assert_eq!((report.lines, report.kept, report.bad), (10_000, 10_000, 0));
    assert_eq!(report.span_ns / SECOND_NS / 3600, 83);
    let minutes = imported.starts_ns().map(|ns| second_of(ns) / 60 % 60);
    assert_eq!(minutes.filter(|&minute| minute != 5).count(), 0);
    check_clean(&imported);
}

// Gate 10: latency fidelity.

/// Response times in units of the mean service time of one server that serves in the order of
/// arrival, with exponential service times, at a utilisation of 0.7: p50 and p99.
fn percentiles(starts_ns: &[i64], seed: u64) -> (f64, f64) {
    const UTILISATION: f64 = 0.7;
    let mut generator = Xoshiro256PlusPlus::seed_from_u64(seed);
    let span_ns = (starts_ns[starts_ns.len() - 1] - starts_ns[0]) as f64;
    let mean_ns = UTILISATION * span_ns / starts_ns.len() as f64;
    let mut free_ns = f64::NEG_INFINITY;
    let mut responses: Vec<f64> = starts_ns
        .iter()
        .map(|&start_ns| {
            let start_ns = (start_ns - starts_ns[0]) as f64;
            let service_ns = -mean_ns * (1.0 - generator.random::<f64>()).ln();
            free_ns = free_ns.max(start_ns) + service_ns;
            (free_ns - start_ns) / mean_ns
        })
        .collect();
    responses.sort_by(f64::total_cmp);
    let at = |share: f64| responses[(share * responses.len() as f64) as usize];
    (at(0.5), at(0.99))
}

/// The means over some seeds.
fn mean_percentiles(starts_ns: &[i64]) -> (f64, f64) {
    const SEEDS: u64 = 20;
    let sum = (0..SEEDS)
        .map(|seed| percentiles(starts_ns, seed))
        .fold((0.0, 0.0), |sum, next| (sum.0 + next.0, sum.1 + next.1));
    (sum.0 / SEEDS as f64, sum.1 / SEEDS as f64)
}

#[test]
#[expect(clippy::print_stdout, reason = "how near it is to the bounds, for those who ask")]
fn a_queue_behind_a_log_in_seconds_responds_as_behind_the_truth() {
    let directory = tempfile::tempdir().unwrap();
    let mut truth = azure_ns();
    let log = [written(directory.path(), "log", combined(&truth))];
    truth.sort_unstable();
    let (true_p50, true_p99) = mean_percentiles(&truth);
    // What TRACES.md measured, with services of its own. Its p99 of 55.1 is one of those that
    // seeds give here, from 44 to 102: the fullest minutes decide it.
    assert!((true_p50 / 3.04 - 1.0).abs() < 0.1, "p50 {true_p50}");
    let rebuilt = |within| {
        let options = ImportOptions { within, ..options() };
        let starts: Vec<i64> = Imported::of("combined", &log, &options).starts_ns().collect();
        mean_percentiles(&starts)
    };
    let (p50, p99) = rebuilt(Within::Poisson);
    let (error_50, error_99) = (p50 / true_p50 - 1.0, p99 / true_p99 - 1.0);
    println!(
        "p50 {true_p50:.3} -> {p50:.3} ({error_50:+.4}), p99 {true_p99:.2} -> {p99:.2} ({error_99:+.4})"
    );
    assert!(error_50.abs() < 0.03, "p50 {true_p50} became {p50}");
    assert!(error_99.abs() < 0.05, "p99 {true_p99} became {p99}");
    // The gate tells them apart: the others are wrong where they are known to be.
    for within in [Within::Start, Within::Even] {
        let (p50, _) = rebuilt(within);
        assert!((p50 / true_p50 - 1.0).abs() > 0.1, "{within:?}: p50 {true_p50} became {p50}");
    }
}

#[test]
fn a_table_with_fine_stamps_keeps_every_start_to_the_nanosecond() {
    let imported = Imported::of("auto", &[sample_path("azure_llm_2023_conv.csv.gz")], &options());
    let mut truth = azure_ns();
    truth.sort_unstable();
    assert!(imported.starts_ns().eq(truth));
    assert!(imported.events.iter().all(|event| event.kind == TimeKind::Start));
}
