//! The instant target as its clients see it, through plain sockets.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use crate::target::{RunningTarget, Target, TargetSpec};

fn start(body_bytes: u32) -> RunningTarget {
    let spec = TargetSpec { body_bytes, ..TargetSpec::default() };
    Target::new(spec).instant().listen("127.0.0.1:0".parse().unwrap()).unwrap()
}

/// Sends `pieces` one after another, each by itself, then nothing more; returns all that comes.
fn converse(target: &RunningTarget, pieces: &[&[u8]]) -> String {
    let mut stream = TcpStream::connect(target.address()).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut sender = stream.try_clone().unwrap();
    let pieces: Vec<Vec<u8>> = pieces.iter().map(|piece| piece.to_vec()).collect();
    let sending = std::thread::spawn(move || {
        // The target may have hung up already.
        let _ = pieces.iter().try_for_each(|piece| sender.write_all(piece));
        let _ = sender.shutdown(Shutdown::Write);
    });
    let mut answers = Vec::new();
    // A target that hangs up on what it has not read resets the connection.
    let _ = stream.read_to_end(&mut answers);
    sending.join().unwrap();
    String::from_utf8(answers).unwrap()
}

const GET: &[u8] = b"GET /items/7 HTTP/1.1\r\nHost: target\r\n\r\n";
const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nxxx";

#[test]
fn a_request_that_comes_byte_by_byte_is_answered_once() {
    let target = start(3);
    let bytes: Vec<&[u8]> = GET.chunks(1).collect();
    assert_eq!(converse(&target, &bytes), ANSWER);
    let stats = target.stop();
    assert_eq!((stats.connections, stats.requests, stats.served), (1, 1, 1));
}

#[test]
fn pipelined_requests_are_all_answered_in_order() {
    let target = start(3);
    // More than one buffer of requests, and answers for several writes.
    let many = GET.repeat(5000);
    assert_eq!(converse(&target, &[&many]), ANSWER.repeat(5000));
    assert_eq!(target.stop().requests, 5000);
}

#[test]
fn what_belongs_to_a_body_is_no_request() {
    let target = start(3);
    let sized =
        [b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 39\r\n\r\n", &GET[..39], GET].concat();
    let chunked =
        b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n7\r\nGET / H\r\n0\r\n\r\n".as_slice();
    assert_eq!(converse(&target, &[&sized, chunked, GET]), ANSWER.repeat(4));
}

#[test]
fn a_large_body_passes_through_a_small_buffer() {
    let target = start(3);
    let head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n";
    let body = vec![b'b'; 1_000_000];
    assert_eq!(converse(&target, &[head, &body, GET]), ANSWER.repeat(2));
}

#[test]
fn an_answer_to_head_has_no_body() {
    let target = start(3);
    let head = b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n";
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n";
    assert_eq!(converse(&target, &[head, GET]), [answer, ANSWER].concat());
}

#[test]
fn the_last_request_of_a_connection_ends_it() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\nxxx";
    for last in ["GET / HTTP/1.1\r\nConnection: close\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"] {
        let target = start(3);
        assert_eq!(converse(&target, &[&[last.as_bytes(), GET].concat()]), answer);
    }
}

#[test]
fn a_client_that_waits_is_told_to_go_on() {
    let target = start(3);
    let head = b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n";
    let answers = converse(&target, &[head, b"1"]);
    assert_eq!(answers, ["HTTP/1.1 100 Continue\r\n\r\n", ANSWER].concat());
}

#[test]
fn what_is_not_http_1_1_is_refused() {
    let target = start(3);
    let cases: [&[u8]; 4] = [
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ];
    for case in cases {
        let answer = converse(&target, &[case]);
        assert!(answer.starts_with("HTTP/1.1 400 "), "{case:?}: {answer}");
    }
    assert_eq!(target.stop().requests, 0);
}

#[test]
fn a_head_without_an_end_is_refused() {
    let target = start(3);
    let field = [b"GET / HTTP/1.1\r\na: ".as_slice(), &[b'a'; 65_536 - 19]].concat();
    assert!(converse(&target, &[&field]).starts_with("HTTP/1.1 431 "));
}
