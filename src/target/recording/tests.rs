//! Recordings of real requests, with both targets.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::*;
use crate::clock::nanos;
use crate::target::{RunningTarget, ServiceLaw, Target, TargetSpec};

fn target(is_instant: bool) -> Target {
    let target = Target::new(TargetSpec {
        service: ServiceLaw::Deterministic,
        service_mean_s: 0.0,
        ..TargetSpec::default()
    });
    if is_instant { target.instant() } else { target }
}

fn start(target: Target, tap: Tap) -> RunningTarget {
    target.record(tap).listen("127.0.0.1:0".parse().unwrap()).unwrap()
}

/// Sends `requests` on a connection of their own and reads until the target closes it.
fn say(target: &RunningTarget, requests: &[&str]) -> String {
    let mut stream = TcpStream::connect(target.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    for request in requests {
        stream.write_all(request.as_bytes()).unwrap();
    }
    let mut answers = Vec::new();
    stream.read_to_end(&mut answers).unwrap();
    String::from_utf8(answers).unwrap()
}

fn rows(path: &Path) -> Vec<RecordedRequest> {
    read_recording(path).unwrap().collect::<Result<_, _>>().unwrap()
}

fn unix_ns() -> i64 {
    nanos(SystemTime::now().duration_since(UNIX_EPOCH).unwrap())
}

const REQUESTS: [&str; 4] = [
    "GET /a/%20b?c=d&e HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "POST http://x/p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12345",
    "PUT /q HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n",
    "DELETE / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
];

#[test]
fn every_request_is_a_row_with_what_was_sent() {
    for is_instant in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("seen.parquet");
        let before_ns = unix_ns();
        let (tap, recording) = create_recording(&path).unwrap();
        let target = start(target(is_instant), tap);
        for _ in 0..2 {
            assert_eq!(say(&target, &REQUESTS).matches("HTTP/1.1 200").count(), 5);
        }
        assert_eq!(target.stop().requests, 8);
        assert!(!path.exists(), "a recording appears when it is finished");
        assert_eq!(recording.finish().unwrap(), 8);
        let after_ns = unix_ns();

        let rows = rows(&path);
        let expected =
            [("GET", "/a/%20b?c=d&e", 0), ("POST", "/p", 5), ("PUT", "/q", 4), ("DELETE", "/", 0)];
        for (number, (row, wanted)) in rows.iter().zip(expected.iter().cycle()).enumerate() {
            let found = (row.method.as_str(), row.target.as_str(), row.body_bytes);
            assert_eq!(found, *wanted, "instant: {is_instant}");
            assert_eq!(row.connection as usize, number / 4);
        }
        // The clocks were paired to far better than this.
        let slack_ns = 1_000_000;
        assert!(rows[0].received_unix_ns >= before_ns - slack_ns);
        assert!(rows[7].received_unix_ns <= after_ns + slack_ns);
        assert!(rows.is_sorted_by_key(|row| row.received_unix_ns));
    }
}

#[test]
fn a_request_whose_body_breaks_off_is_a_row_too() {
    for is_instant in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("seen.parquet");
        let (tap, recording) = create_recording(&path).unwrap();
        let target = start(target(is_instant), tap);
        let mut stream = TcpStream::connect(target.address()).unwrap();
        stream.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n123").unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        // The end of the answers is the end of the connection: by then the row is there.
        stream.read_to_end(&mut Vec::new()).unwrap();
        target.stop();
        assert_eq!(recording.finish().unwrap(), 1);
        assert_eq!(rows(&path)[0].body_bytes, 3, "instant: {is_instant}");
    }
}

#[test]
fn the_stamp_is_of_the_head_and_not_of_the_body() {
    const PAUSE: Duration = Duration::from_millis(200);
    for is_instant in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("seen.parquet");
        let (tap, recording) = create_recording(&path).unwrap();
        let target = start(target(is_instant), tap);
        let mut stream = TcpStream::connect(target.address()).unwrap();
        let head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1\r\n\r\n";
        stream.write_all(head).unwrap();
        std::thread::sleep(PAUSE);
        let body_ns = unix_ns();
        stream.write_all(b"1").unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
        target.stop();
        recording.finish().unwrap();
        // The target may have been slow to read the head, but not until the body was sent.
        assert!(rows(&path)[0].received_unix_ns < body_ns, "instant: {is_instant}");
    }
}

#[test]
fn what_cannot_be_written_is_said_before_anything_is_served() {
    let dir = tempfile::tempdir().unwrap();
    for path in [dir.path().to_owned(), dir.path().join("none/seen.parquet")] {
        let error = create_recording(&path).unwrap_err();
        assert!(matches!(error, RecordingError::Create { .. }), "{error}");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
}

#[test]
fn what_is_no_recording_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("seen.parquet");
    std::fs::write(&path, b"PAR1 not really").unwrap();
    assert!(matches!(read_recording(&path), Err(RecordingError::Parquet { .. })));
    let missing = dir.path().join("none.parquet");
    assert!(matches!(read_recording(&missing), Err(RecordingError::Io { .. })));
}
