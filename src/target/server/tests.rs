//! The target as its clients see it, through plain sockets.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::*;
use crate::target::{Freeze, ServiceLaw};

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// One server that always takes this long.
fn steady(service: Duration) -> TargetSpec {
    TargetSpec {
        servers: 1,
        service: ServiceLaw::Deterministic,
        service_mean_s: service.as_secs_f64(),
        ..TargetSpec::default()
    }
}

fn instant() -> TargetSpec {
    steady(Duration::ZERO)
}

fn start(spec: TargetSpec) -> RunningTarget {
    Target::start(spec, LOOPBACK, None).unwrap()
}

fn start_faulty(faults: Faults) -> RunningTarget {
    Target::start_with_faults(instant(), faults, LOOPBACK, None).unwrap()
}

/// A connection on which nothing waits longer than 5 s.
fn connect(target: &RunningTarget) -> TcpStream {
    let stream = TcpStream::connect(target.address()).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream
}

#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

/// Reads to the end of the head, byte by byte.
fn read_head(stream: &mut impl Read) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    String::from_utf8(head).unwrap().to_ascii_lowercase()
}

fn content_length(head: &str) -> usize {
    let line = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    line.expect("a content-length").parse().unwrap()
}

fn exchange(stream: &mut (impl Read + Write), request: &str) -> Answer {
    stream.write_all(request.as_bytes()).unwrap();
    let head = read_head(stream);
    let length = if request.starts_with("HEAD") { 0 } else { content_length(&head) };
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    Answer { status: head[9..12].parse().unwrap(), head, body }
}

const GET: &str = "GET /items/7 HTTP/1.1\r\nHost: target\r\n\r\n";
const HEAD: &str = "HEAD / HTTP/1.1\r\nHost: target\r\n\r\n";
const POST: &str = "POST /a?b=c HTTP/1.1\r\nHost: target\r\nContent-Length: 3\r\n\r\nabc";
const CHUNKED: &str =
    "PUT / HTTP/1.1\r\nHost: target\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n";
const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: target\r\n\r\n";

#[test]
fn any_path_and_method_is_answered_on_one_connection() {
    let target = start(TargetSpec { body_bytes: 100, ..instant() });
    let mut stream = connect(&target);
    for request in [GET, POST, CHUNKED, HEAD, GET] {
        let answer = exchange(&mut stream, request);
        assert_eq!((answer.status, content_length(&answer.head)), (200, 100), "{request}");
    }
    let stats = target.stop();
    assert_eq!((stats.connections, stats.requests, stats.served), (1, 5, 5));
}

#[test]
fn an_empty_body_has_a_content_length_too() {
    let target = start(TargetSpec { body_bytes: 0, ..instant() });
    assert_eq!(exchange(&mut connect(&target), GET).body, b"");
}

#[test]
fn the_health_check_neither_queues_nor_counts() {
    let target = start(steady(Duration::from_secs(3600)));
    for _ in 0..3 {
        assert_eq!(exchange(&mut connect(&target), HEALTH).status, 200);
    }
    assert_eq!(target.stop().requests, 0);
}

#[test]
fn failing_requests_are_answered_with_503() {
    let target = start(TargetSpec { error_rate: 1.0, ..instant() });
    assert_eq!(exchange(&mut connect(&target), GET).status, 503);
    assert_eq!(target.stop().errors, 1);
}

/// Times of `count` requests, one after another on one connection, in order of length.
fn times(target: &RunningTarget, count: usize) -> Vec<Duration> {
    let mut stream = connect(target);
    let mut time = || {
        let sent = Instant::now();
        exchange(&mut stream, GET);
        sent.elapsed()
    };
    let mut times: Vec<Duration> = (0..count).map(|_| time()).collect();
    times.sort_unstable();
    times
}

#[test]
fn service_takes_as_long_as_it_should_without_rounding_to_a_millisecond() {
    const SERVICE: Duration = Duration::from_micros(1300);
    // What loopback, two wake-ups and two HTTP parsers may cost on a busy machine. A timer with
    // ticks of 1 ms would answer after 2 ms or more. A disturbed measurement is repeated.
    const BOUND: Duration = Duration::from_micros(1600);
    let target = start(steady(SERVICE));
    let median = || {
        let times = times(&target, 200);
        assert!(times[0] >= SERVICE, "an answer came early: {:?}", times[0]);
        times[100]
    };
    let medians: Vec<Duration> = (0..5).map(|_| median()).collect();
    assert!(medians.iter().any(|&median| median < BOUND), "{medians:?}");
}

/// When the answers to requests sent at once on several connections were there.
fn answered_after(target: &RunningTarget, connections: usize) -> Vec<Duration> {
    let mut streams: Vec<TcpStream> = (0..connections).map(|_| connect(target)).collect();
    let begin = Instant::now();
    for stream in &mut streams {
        stream.write_all(GET.as_bytes()).unwrap();
    }
    let answered = |mut stream: TcpStream| {
        thread::spawn(move || {
            read_head(&mut stream);
            begin.elapsed()
        })
    };
    let readers: Vec<_> = streams.into_iter().map(answered).collect();
    let mut times: Vec<Duration> = readers.into_iter().map(|one| one.join().unwrap()).collect();
    times.sort_unstable();
    times
}

#[test]
fn requests_wait_for_each_other_when_all_servers_are_busy() {
    let service = Duration::from_millis(50);
    let target = start(TargetSpec { servers: 2, ..steady(service) });
    let times = answered_after(&target, 6);
    for (position, &time) in (0..).zip(&times) {
        assert!(time >= service * (position / 2 + 1), "{times:?}");
    }
    assert!(times[5] < service * 6, "one at a time takes six turns: {times:?}");
}

#[test]
fn time_zero_is_the_first_request_unless_an_epoch_is_given() {
    let length = Duration::from_millis(300);
    let frozen = TargetSpec {
        freezes: vec![Freeze { at_s: 0.0, for_s: length.as_secs_f64() }],
        ..instant()
    };
    let target = start(frozen.clone());
    thread::sleep(length);
    assert!(times(&target, 1)[0] >= length, "the freeze begins with the first request");
    assert!(times(&target, 1)[0] < length / 2, "the freeze is over");

    let target = Target::start(frozen, LOOPBACK, Some(Epoch::now())).unwrap();
    thread::sleep(length);
    assert!(times(&target, 1)[0] < length / 2, "the freeze was over before the first request");
}

#[test]
fn an_epoch_may_lie_in_the_future() {
    let freeze = Freeze { at_s: 0.0, for_s: 1000.0 };
    let spec = TargetSpec { freezes: vec![freeze], ..instant() };
    let epoch = Epoch::in_the_future(Duration::from_secs(1000));
    let target = Target::start(spec, LOOPBACK, Some(epoch)).unwrap();
    assert_eq!(exchange(&mut connect(&target), GET).status, 200);
}

/// Reads until the connection ends; tells how it ended.
fn read_to_the_end(stream: &mut TcpStream) -> (Vec<u8>, Option<ErrorKind>) {
    let mut bytes = Vec::new();
    let error = stream.read_to_end(&mut bytes).err().map(|error| error.kind());
    (bytes, error)
}

#[test]
fn a_reset_comes_in_the_middle_of_the_body() {
    for body_bytes in [0, 64, 100_000] {
        let faults = Faults { reset_share: 1.0, ..Faults::default() };
        let target = Target::new(TargetSpec { body_bytes, ..instant() }).faults(faults);
        let target = target.listen(LOOPBACK).unwrap();
        let mut stream = connect(&target);
        stream.write_all(GET.as_bytes()).unwrap();
        let head = read_head(&mut stream);
        let (body, error) = read_to_the_end(&mut stream);
        assert!(body.len() < content_length(&head), "{} of {head}", body.len());
        assert_eq!(error, Some(ErrorKind::ConnectionReset));
        assert_eq!(target.stop().faults, 1);
    }
}

#[test]
fn a_request_that_is_never_answered_keeps_its_connection() {
    let target = start_faulty(Faults { never_answer_share: 1.0, ..Faults::default() });
    let mut stream = connect(&target);
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    stream.write_all(GET.as_bytes()).unwrap();
    let (bytes, error) = read_to_the_end(&mut stream);
    assert_eq!(bytes, b"");
    assert!(matches!(error, Some(ErrorKind::WouldBlock | ErrorKind::TimedOut)), "{error:?}");
    assert_eq!(target.stats().served, 1);
}

#[test]
fn a_close_follows_a_whole_answer_that_did_not_announce_it() {
    let target = start_faulty(Faults { close_share: 1.0, ..Faults::default() });
    let mut stream = connect(&target);
    let answer = exchange(&mut stream, GET);
    assert_eq!((answer.status, answer.body.len()), (200, 64));
    assert!(!answer.head.contains("connection:"), "{}", answer.head);
    assert_eq!(read_to_the_end(&mut stream), (Vec::new(), None));
}

#[test]
fn garbage_is_not_http() {
    let target = start_faulty(Faults { garbage_share: 1.0, ..Faults::default() });
    let mut stream = connect(&target);
    stream.write_all(GET.as_bytes()).unwrap();
    let (bytes, error) = read_to_the_end(&mut stream);
    assert_eq!(error, None);
    let mut headers = [httparse::EMPTY_HEADER; 16];
    assert!(httparse::Response::new(&mut headers).parse(&bytes).is_err(), "{bytes:?}");
}

#[test]
fn only_the_requests_of_the_share_are_struck() {
    let faults = Faults { close_share: 0.3, ..Faults::default() };
    let target = start_faulty(faults);
    let mut stream = connect(&target);
    for number in 0..100 {
        assert_eq!(exchange(&mut stream, GET).status, 200, "request {number}");
        if faults.of(number).is_some() {
            assert_eq!(read_to_the_end(&mut stream), (Vec::new(), None), "request {number}");
            stream = connect(&target);
        }
    }
    let struck = (0..100).filter(|&number| faults.of(number).is_some()).count() as u64;
    assert_eq!(target.stop().connections, struck + 1);
}

#[test]
fn memory_leaks_as_told() {
    let target = start(TargetSpec { leak_bytes: 1 << 20, ..instant() });
    times(&target, 3);
    assert_eq!(target.stop().leaked_bytes, 3 << 20);
}

#[test]
fn many_connections_are_served_at_once() {
    let target = start(instant());
    let mut streams: Vec<TcpStream> = (0..400).map(|_| connect(&target)).collect();
    assert!(streams.iter_mut().all(|stream| exchange(stream, GET).status == 200));
    assert_eq!(target.stop().connections, 400);
}

#[test]
fn stopping_is_prompt_though_requests_wait_and_frees_the_port() {
    let target = start(steady(Duration::from_secs(3600)));
    let address = target.address();
    let mut waiting = connect(&target);
    waiting.write_all(GET.as_bytes()).unwrap();
    exchange(&mut connect(&target), HEALTH);
    let begin = Instant::now();
    target.stop();
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    assert_eq!(waiting.read(&mut [0]).ok().unwrap_or(0), 0, "the connection is closed");
    let again = Target::start(instant(), address, None).unwrap();
    assert_eq!(exchange(&mut connect(&again), GET).status, 200);
}

#[test]
fn an_address_in_use_is_an_error_that_names_it() {
    let target = start(instant());
    let error = Target::start(instant(), target.address(), None).unwrap_err();
    assert!(error.to_string().contains(&target.address().to_string()), "{error}");
}

#[test]
fn a_wrong_spec_is_refused() {
    let spec = TargetSpec { servers: 0, ..TargetSpec::default() };
    assert!(matches!(Target::start(spec, LOOPBACK, None), Err(TargetError::Spec(_))));
    let faults = Faults { reset_share: 2.0, ..Faults::default() };
    let refused = Target::start_with_faults(instant(), faults, LOOPBACK, None);
    assert!(matches!(refused, Err(TargetError::Faults(_))));
}

/// A server's configuration with a certificate of its own, and a client's that trusts it.
fn tls_pair() -> (Arc<ServerConfig>, Arc<rustls::ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Arc::new(server), Arc::new(client))
}

#[test]
fn tls_is_spoken_when_configured() {
    let (server, client) = tls_pair();
    let target = Target::new(instant()).tls(server).listen(LOOPBACK).unwrap();
    let name = "localhost".try_into().unwrap();
    let session = rustls::ClientConnection::new(client, name).unwrap();
    let mut stream = rustls::StreamOwned::new(session, connect(&target));
    assert_eq!(exchange(&mut stream, GET).body.len(), 64);
    assert_eq!(exchange(&mut stream, POST).status, 200);
}

#[cfg(unix)]
#[test]
fn a_unix_socket_is_served_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("target.sock");
    let target = Target::new(instant()).listen_unix(path.clone()).unwrap();
    let mut stream = std::os::unix::net::UnixStream::connect(target.address()).unwrap();
    assert_eq!(exchange(&mut stream, GET).status, 200);
    assert!(matches!(
        Target::new(instant()).listen_unix(path.clone()),
        Err(TargetError::Listen { .. })
    ));
    assert!(path.exists(), "a refused target leaves the socket of the other alone");
    target.stop();
    assert!(!path.exists());
}
