//! Starts made from logs against the times at which a client really sent its requests.
//!
//! See `samples/known-truth/README.md`. All times are in ns; an error is reconstructed less true.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::collections::BTreeMap;
use std::fs;

use openload_traces::format::LineFormat;
use openload_traces::format::pattern::Pattern;
use openload_traces::format::squid::Squid;
use openload_traces::record::{Moment, Record, SECOND_NS};

const MILLISECOND_NS: i64 = SECOND_NS / 1000;

/// Two truncated stamps of a millisecond, of which one is taken from the other.
const FINE_NS: i64 = 2 * MILLISECOND_NS;

fn read(file: &str) -> String {
    let path = format!("{}/samples/known-truth/{file}", env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(path).unwrap()
}

fn number_of(target: &[u8]) -> Option<u32> {
    let target = std::str::from_utf8(target).unwrap();
    target.split_once("/r/")?.1.split('?').next()?.parse().ok()
}

fn start_ns(record: &Record<'_>) -> i64 {
    match record.moment {
        Moment::Start => record.time_ns,
        Moment::End => record.time_ns - record.duration_ns.unwrap(),
    }
}

/// The errors of all requests whose true start is known.
fn errors(server: &str, format: &mut dyn LineFormat) -> Vec<i64> {
    let truth = read(&format!("{server}.truth.csv"));
    let sent: BTreeMap<u32, i64> = truth
        .lines()
        .skip(1)
        .map(|line| {
            let (number, sent_ns) = line.split_once(',').unwrap();
            (number.parse().unwrap(), sent_ns.parse().unwrap())
        })
        .collect();
    let mut errors = Vec::new();
    for line in read(&format!("{server}.log")).lines() {
        // squid also logs the connection by which the maker saw that it was up.
        let Ok(Some(record)) = format.parse(line.as_bytes()) else { continue };
        if let Some(number) = number_of(record.target) {
            errors.push(start_ns(&record) - sent[&number]);
        }
    }
    assert_eq!(errors.len(), sent.len());
    errors
}

fn assert_within(errors: &[i64], least_ns: i64, most_ns: i64) {
    let (least, most) = (errors.iter().min().unwrap(), errors.iter().max().unwrap());
    assert!(*least >= least_ns && *most <= most_ns, "errors of {least} to {most} ns");
}

fn nginx(times: &str) -> Pattern {
    let format = "$remote_addr [TIMES] \"$request\" $status $body_bytes_sent FINE $request_time";
    let fine = if times == "$time_local" { "$other" } else { "$msec" };
    Pattern::nginx(&format.replace("TIMES", times).replace("FINE", fine)).unwrap()
}

fn apache(begin: &str, end: &str, time: &str) -> Pattern {
    Pattern::apache(&format!("%h %l %u {time} \"%r\" %>s %b {begin} {end} %D")).unwrap()
}

#[test]
fn msec_less_request_time_is_the_true_start() {
    assert_within(&errors("nginx", &mut nginx("$other")), -FINE_NS, FINE_NS);
}

#[test]
fn time_local_less_request_time_is_the_true_start_within_its_second() {
    let errors = errors("nginx", &mut nginx("$time_local"));
    assert_within(&errors, -SECOND_NS - FINE_NS, FINE_NS);
}

#[test]
fn times_of_apache_are_the_true_start() {
    let fine = &mut apache("%{begin:usec}t", "%{end:msec}t", "%t");
    assert_within(&errors("apache", fine), -FINE_NS, FINE_NS);
    let end = &mut apache("%X", "%{end:msec}t", "%t");
    assert_within(&errors("apache", end), -FINE_NS, FINE_NS);
    let whole = &mut apache("%X", "%X", "%t");
    assert_within(&errors("apache", whole), -SECOND_NS, FINE_NS);
}

#[test]
fn time_less_elapsed_of_squid_is_the_true_start() {
    assert_within(&errors("squid", &mut Squid), -FINE_NS, FINE_NS);
}
