//! What every HTTP/1.1 engine makes of the responses of good, odd and hostile servers.
//!
//! A scripted server says exactly the bytes of a case; the engine under test asks it once, and
//! once more when it thinks the connection may be used again.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use http::Method;
use openload_contract::Outcome;
use tokio::runtime::{Builder, LocalOptions};

use super::{
    Address, Connection, Connector, HyperTransport, LeanTransport, Requests, Stamps, Transport,
};
use crate::clock::Epoch;
use crate::pacer::{Pacer, Pacing};
use crate::plan::Plan;
use crate::simulation::constant_plan;
use crate::template::Template;

/// What the scripted server does after it has read the head of the first request.
#[derive(Debug, Clone)]
enum Act {
    /// Send these bytes at once.
    Say(Vec<u8>),
    /// Send these bytes one at a time.
    Drip(Vec<u8>),
    /// Let what was sent arrive by itself.
    Pause,
    /// Close in an orderly way.
    Close,
    /// Close with a reset.
    Reset,
}

/// What became of an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Whole { status: u16, body_bytes: u32, is_reusable: bool },
    Failed(Outcome),
}

const fn kept(status: u16, body_bytes: u32) -> Seen {
    Seen::Whole { status, body_bytes, is_reusable: true }
}

const fn last(status: u16, body_bytes: u32) -> Seen {
    Seen::Whole { status, body_bytes, is_reusable: false }
}

/// A response that says nothing but that the exchange worked.
const PLAIN: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

fn say(text: impl AsRef<[u8]>) -> Act {
    Act::Say(text.as_ref().to_vec())
}

/// Serves one client by the script; answers later requests plainly.
fn serve(listener: &TcpListener, script: &[Act]) {
    let (mut client, _) = listener.accept().unwrap();
    client.set_nodelay(true).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    if !read_head(&mut client) {
        return;
    }
    for act in script {
        // A client that has seen enough may be gone.
        let _ = match act {
            Act::Say(bytes) => client.write_all(bytes),
            Act::Drip(bytes) => bytes.iter().try_for_each(|byte| {
                thread::sleep(Duration::from_micros(200));
                client.write_all(&[*byte])
            }),
            Act::Pause => {
                thread::sleep(Duration::from_millis(20));
                Ok(())
            }
            Act::Close => return,
            Act::Reset => {
                let _ = socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO));
                return;
            }
        };
    }
    while read_head(&mut client) {
        let _ = client.write_all(PLAIN);
    }
}

/// Reads up to an empty line; false when the client is gone first.
fn read_head(client: &mut TcpStream) -> bool {
    let mut seen = Vec::new();
    let mut byte = [0];
    while !seen.ends_with(b"\r\n\r\n") {
        match client.read(&mut byte) {
            Ok(1) => seen.push(byte[0]),
            _ => return false,
        }
    }
    true
}

fn plan_of(method: Method, body: Option<&str>) -> Plan {
    let mut plan = constant_plan(1.0, 1);
    plan.scenarios[0].request.method = method;
    plan.scenarios[0].request.body = body.map(|body| Template::parse(body).unwrap());
    plan
}

async fn observe<T: Transport>(transport: T, plan: &Plan) -> Seen {
    let (requests, stamps) = (Requests::new(plan).unwrap(), Rc::new(Stamps::default()));
    let mut connection = transport.connect(Rc::clone(&stamps)).await.unwrap();
    let exchange = connection.exchange(requests.get(0, 1));
    let ended = tokio::time::timeout(Duration::from_secs(5), exchange).await;
    if let Err(failure) = ended.expect("no case hangs") {
        return Seen::Failed(failure.outcome);
    }
    assert!(stamps.first_byte_ns.get() <= stamps.last_byte_ns.get());
    assert!(stamps.sent_ns.get() <= stamps.first_byte_ns.get());
    let (status, body_bytes) = (stamps.status.get().unwrap(), stamps.bytes_in.get());
    // What follows the response, a close or garbage, is given the time to arrive.
    tokio::time::sleep(Duration::from_millis(30)).await;
    let is_reusable = connection.is_reusable();
    if is_reusable {
        let plain = plan_of(Method::GET, None);
        let requests = Requests::new(&plain).unwrap();
        connection.exchange(requests.get(0, 2)).await.expect("a kept connection works again");
        assert_eq!(stamps.status.get(), Some(200));
    }
    Seen::Whole { status, body_bytes, is_reusable }
}

#[derive(Debug, Clone, Copy)]
enum Engine {
    Lean,
    Hyper,
}

fn observe_engine(engine: Engine, address: SocketAddr, plan: &Plan) -> Seen {
    let runtime =
        Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap();
    runtime.block_on(async {
        let clock = Pacer::new(Epoch::now(), Pacing::Efficient).unwrap();
        let connector = Connector::new(Address::from(address), None, &plan.connection).unwrap();
        match engine {
            Engine::Lean => observe(LeanTransport::new(clock, connector), plan).await,
            Engine::Hyper => observe(HyperTransport::new(clock, connector), plan).await,
        }
    })
}

/// Runs a case on both engines.
#[track_caller]
fn check_with(plan: &Plan, script: &[Act], expected: &Seen) {
    for engine in [Engine::Lean, Engine::Hyper] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let script = script.to_vec();
        let server = thread::spawn(move || serve(&listener, &script));
        let seen = observe_engine(engine, address, plan);
        assert_eq!(&seen, expected, "{engine:?}");
        server.join().unwrap();
    }
}

#[track_caller]
fn check(script: &[Act], expected: &Seen) {
    check_with(&plan_of(Method::GET, None), script, expected);
}

#[test]
fn a_length_frames_the_body() {
    check(&[say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")], &kept(200, 5));
    check(&[say("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")], &kept(404, 0));
}

#[test]
fn a_body_may_be_larger_than_any_buffer() {
    let body = vec![b'x'; 1 << 20];
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    check(&[say(head), Act::Pause, say(&body)], &kept(200, 1 << 20));
}

#[test]
fn chunks_frame_the_body() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    check(&[say(format!("{head}5\r\nhello\r\n0\r\n\r\n"))], &kept(200, 5));
    let odd = format!("{head}5;a=b\r\nhello\r\n00B;c\r\n, my world\n\r\n0\r\n\r\n");
    check(&[say(odd)], &kept(200, 16));
}

#[test]
fn trailers_follow_the_chunks() {
    let text = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n\
                2\r\nok\r\n0\r\nx-sum: 7\r\nx-more: a\r\n\r\n";
    check(&[say(text)], &kept(200, 2));
}

#[test]
fn the_end_of_the_connection_may_frame_the_body() {
    let text = "HTTP/1.1 200 OK\r\n\r\nsome text";
    check(&[say(text), Act::Pause, say(" and more"), Act::Close], &last(200, 18));
    let unknown = "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nxyz";
    check(&[say(unknown), Act::Close], &last(200, 3));
}

#[test]
fn interim_responses_are_passed_over() {
    let text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n\
                HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\nok";
    check(&[say(text)], &kept(201, 2));
    let interim = "HTTP/1.1 102 Processing\r\n\r\n";
    check(&[say(interim), Act::Pause, say(PLAIN)], &kept(200, 0));
}

#[test]
fn some_statuses_have_no_body_whatever_they_say() {
    check(&[say("HTTP/1.1 204 No Content\r\n\r\n")], &kept(204, 0));
    check(&[say("HTTP/1.1 304 Not Modified\r\ncontent-length: 99\r\n\r\n")], &kept(304, 0));
}

#[test]
fn the_response_to_head_has_no_body() {
    let text = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n";
    check_with(&plan_of(Method::HEAD, None), &[say(text)], &kept(200, 0));
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    check_with(&plan_of(Method::HEAD, None), &[say(chunked)], &kept(200, 0));
}

#[test]
fn a_response_may_come_byte_by_byte() {
    let sized = b"HTTP/1.1 200 OK\r\nserver: x\r\ncontent-length: 5\r\n\r\nhello".to_vec();
    check(&[Act::Drip(sized)], &kept(200, 5));
    let chunked =
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
                    5;x\r\nhello\r\n0\r\na: b\r\n\r\n";
    check(&[Act::Drip(chunked.to_vec())], &kept(200, 5));
}

#[test]
fn a_head_may_be_long_but_not_endless() {
    let long =
        format!("HTTP/1.1 200 OK\r\nx-long: {}\r\ncontent-length: 2\r\n\r\nok", "a".repeat(60_000));
    check(&[say(long)], &kept(200, 2));
    let endless = format!("HTTP/1.1 200 OK\r\nx-long: {}", "a".repeat(1 << 20));
    check(&[say(endless)], &Seen::Failed(Outcome::ProtocolError));
}

#[test]
fn headers_may_be_many_but_not_without_number() {
    let headers = |count: usize| {
        let lines: String = (0..count).map(|index| format!("x-{index}: y\r\n")).collect();
        format!("HTTP/1.1 200 OK\r\n{lines}content-length: 2\r\n\r\nok")
    };
    check(&[say(headers(99))], &kept(200, 2));
    check(&[say(headers(200))], &Seen::Failed(Outcome::ProtocolError));
}

#[test]
fn the_target_says_whether_the_connection_goes_on() {
    let close = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nConnection: foo, Close\r\n\r\nok";
    check(&[say(close), Act::Close], &last(200, 2));
    let old = "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok";
    check(&[say(old), Act::Close], &last(200, 2));
    let old_kept = "HTTP/1.0 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive\r\n\r\nok";
    check(&[say(old_kept)], &kept(200, 2));
    let both = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\
                connection: keep-alive\r\n\r\nok";
    check(&[say(both), Act::Close], &last(200, 2));
}

#[test]
fn what_follows_a_response_ends_the_connection() {
    let text = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    check(&[say(format!("{text}HTTP/1.1 200 OK\r\n\r\n"))], &last(200, 2));
    check(&[say(text), Act::Pause, say("garbage")], &last(200, 2));
    check(&[say(text), Act::Close], &last(200, 2));
}

#[test]
fn two_framings_are_refused() {
    for headers in [
        "content-length: 5\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 5",
        "content-length: 5\r\ncontent-length: 6",
        "content-length: 5, 6",
        "content-length: +5",
        "content-length: 5 5",
        "content-length: 0x5",
        "content-length: 18446744073709551616",
    ] {
        let text = format!("HTTP/1.1 200 OK\r\n{headers}\r\n\r\nhello");
        check(&[say(text), Act::Close], &Seen::Failed(Outcome::ProtocolError));
    }
    let old = "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    check(&[say(old), Act::Close], &Seen::Failed(Outcome::ProtocolError));
}

#[test]
fn malformed_heads_are_protocol_errors() {
    for text in [
        "SSH-2.0-OpenSSH_9.2p1\r\n\r\n",
        "HTTP/1.1 2 OK\r\n\r\n",
        "HTTP/1.1 two hundred\r\n\r\n",
        "HTTP/3.0 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nname : value\r\n\r\n",
        "HTTP/1.1 200 OK\r\na: b\r\n folded\r\n\r\n",
        "HTTP/1.1 200 OK\r\na\0b: c\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n",
        "\0\u{1}\u{2}\u{3} not HTTP\r\n\r\n",
    ] {
        check(&[say(text), Act::Close], &Seen::Failed(Outcome::ProtocolError));
    }
}

#[test]
fn broken_chunks_are_protocol_errors() {
    for chunks in [
        "five\r\nhello\r\n",
        "-5\r\nhello\r\n",
        "5\r\nhelloo\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nhello",
        "5;x\nhello\r\n",
        "\r\nhello\r\n",
    ] {
        let text = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunks}");
        check(&[say(text), Act::Pause, Act::Close], &Seen::Failed(Outcome::ProtocolError));
    }
}

#[test]
fn a_connection_that_breaks_off_is_a_reset() {
    for text in [
        "",
        "HTTP/1.1 200 OK\r\ncontent-",
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
    ] {
        check(&[say(text), Act::Close], &Seen::Failed(Outcome::Reset));
        check(&[say(text), Act::Pause, Act::Reset], &Seen::Failed(Outcome::Reset));
    }
}

#[test]
fn a_target_may_answer_before_it_has_read_the_body() {
    let body = "x".repeat(8 << 20);
    let text = "HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno";
    let plan = plan_of(Method::POST, Some(&body));
    // The pause lets the answer arrive before the close resets the connection.
    let script = [say(text), Act::Pause, Act::Pause, Act::Close];
    check_with(&plan, &script, &last(413, 2));
}
