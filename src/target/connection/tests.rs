//! HTTP/2 at the target: told apart from HTTP/1.1, queued like it, spoilt like it.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, LocalOptions};

use super::LocalExecutor;
use crate::target::recording::{create_recording, read_recording};
use crate::target::{Faults, RunningTarget, ServiceLaw, Target, TargetSpec};

const SERVICE: Duration = Duration::from_millis(20);

fn one_server(service: Duration) -> Target {
    Target::new(TargetSpec {
        servers: 1,
        service: ServiceLaw::Deterministic,
        service_mean_s: service.as_secs_f64(),
        ..TargetSpec::default()
    })
}

fn listen(target: Target) -> RunningTarget {
    target.listen("127.0.0.1:0".parse().unwrap()).unwrap()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut builder = Builder::new_current_thread();
    builder.enable_all().build_local(LocalOptions::default()).unwrap().block_on(future)
}

type Client = SendRequest<Empty<Bytes>>;

async fn connect(target: &RunningTarget) -> Client {
    let stream = TcpStream::connect(target.address()).await.unwrap();
    let (client, connection) = handshake(LocalExecutor, TokioIo::new(stream)).await.unwrap();
    tokio::task::spawn_local(async move {
        // A target that breaks off says so to the request.
        let _ = connection.await;
    });
    client
}

async fn exchange(
    mut client: Client,
    method: Method,
    path: &str,
) -> hyper::Result<(StatusCode, usize)> {
    let uri = format!("http://target{path}");
    let request = Request::builder().method(method).uri(uri).body(Empty::new()).unwrap();
    let response = client.send_request(request).await?;
    let status = response.status();
    Ok((status, response.into_body().collect().await?.to_bytes().len()))
}

#[test]
fn requests_of_one_connection_queue_like_any_others() {
    let target = listen(one_server(SERVICE));
    let begin = Instant::now();
    let after = block_on(async {
        let client = connect(&target).await;
        let requests: Vec<_> = (0..3)
            .map(|_| tokio::task::spawn_local(exchange(client.clone(), Method::GET, "/")))
            .collect();
        let mut after = Vec::new();
        for request in requests {
            assert_eq!(request.await.unwrap().unwrap(), (StatusCode::OK, 64));
            after.push(begin.elapsed());
        }
        after
    });
    for (number, after) in (1..).zip(after) {
        assert!(after >= SERVICE * number, "answer {number} after {after:?}");
    }
    let stats = target.stop();
    assert_eq!((stats.connections, stats.requests, stats.served), (1, 3, 3));
}

#[test]
fn an_answer_to_head_has_no_body() {
    let target = listen(one_server(Duration::ZERO));
    let answer = block_on(async { exchange(connect(&target).await, Method::HEAD, "/").await });
    assert_eq!(answer.unwrap(), (StatusCode::OK, 0));
}

#[test]
fn faults_strike_http2_too() {
    let shares = |reset_share, garbage_share, close_share| Faults {
        reset_share,
        garbage_share,
        close_share,
        ..Faults::default()
    };
    for faults in [shares(1.0, 0.0, 0.0), shares(0.0, 1.0, 0.0)] {
        let target = listen(one_server(Duration::ZERO).faults(faults));
        let failed = block_on(async { exchange(connect(&target).await, Method::GET, "/").await });
        assert!(failed.is_err(), "{faults:?}: {failed:?}");
        assert_eq!(target.stop().faults, 1);
    }
    let target = listen(one_server(Duration::ZERO).faults(shares(0.0, 0.0, 1.0)));
    block_on(async {
        let client = connect(&target).await;
        // Whether the answer gets through before the close is left open.
        let _ = exchange(client.clone(), Method::GET, "/").await;
        assert!(exchange(client, Method::GET, "/").await.is_err());
    });
}

#[test]
fn a_request_that_begins_like_the_preface_is_http_1_1() {
    let target = listen(one_server(Duration::ZERO));
    let mut stream = std::net::TcpStream::connect(target.address()).unwrap();
    stream.set_nodelay(true).unwrap();
    for byte in b"PRI / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" {
        stream.write_all(&[*byte]).unwrap();
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
}

#[test]
fn http2_requests_are_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("seen.parquet");
    let (tap, recording) = create_recording(&path).unwrap();
    let target = listen(one_server(Duration::ZERO).record(tap));
    block_on(async {
        let client = connect(&target).await;
        for path in ["/a?b", "/healthz", "/c"] {
            exchange(client.clone(), Method::GET, path).await.unwrap();
        }
    });
    target.stop();
    assert_eq!(recording.finish().unwrap(), 2);
    let rows = read_recording(&path).unwrap().map(Result::unwrap);
    let seen: Vec<_> = rows.map(|row| (row.connection, row.target)).collect();
    assert_eq!(seen, [(0, "/a?b".to_owned()), (0, "/c".to_owned())]);
}

fn tls_config() -> (Arc<rustls::ServerConfig>, rustls::ClientConfig) {
    let identity = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::Pkcs8(identity.signing_key.serialize_der().into());
    let server = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![identity.cert.der().clone()], key)
        .unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(identity.cert.der().clone()).unwrap();
    let mut client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    (Arc::new(server), client)
}

#[test]
fn what_the_target_speaks_is_offered_over_tls() {
    let (server, client) = tls_config();
    let client = Arc::new(client);
    for (target, chosen) in [
        (one_server(Duration::ZERO), b"h2".as_slice()),
        (one_server(Duration::ZERO).instant(), b"http/1.1"),
    ] {
        let target = listen(target.tls(server.clone()));
        block_on(async {
            let stream = TcpStream::connect(target.address()).await.unwrap();
            let name = ServerName::try_from("localhost").unwrap();
            let connector = tokio_rustls::TlsConnector::from(client.clone());
            let stream = connector.connect(name, stream).await.unwrap();
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(chosen));
            if chosen == b"h2" {
                let (client, connection) =
                    handshake(LocalExecutor, TokioIo::new(stream)).await.unwrap();
                tokio::task::spawn_local(connection);
                let answer = exchange(client, Method::GET, "/").await.unwrap();
                assert_eq!(answer, (StatusCode::OK, 64));
            }
        });
    }
}
