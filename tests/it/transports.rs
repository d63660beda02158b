//! The ways to a target: TCP, TLS, a Unix socket, a connection per request, from where.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use openload::target::{Target, TargetSpec};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use crate::support::{Bench, PATIENT, arrivals, load, row_keys, steady};

#[test]
fn a_unix_socket_is_a_target() {
    let bench = Bench::turn();
    let socket = bench.out("target.sock");
    let target = Target::new(TargetSpec::default()).listen_unix(socket.clone()).unwrap();
    let profile = steady(200, "poisson", 2, "");
    let url = format!("unix:{}", socket.display());
    let run = bench.run_once("unix", &profile, &[&PATIENT[..], &["--target", &url]].concat());
    run.expect_exit(0);
    assert_eq!(row_keys(&run.rows()), arrivals(&load(&bench.profile(&profile))));
    assert_eq!(target.stats().requests as usize, run.rows().len());
}

/// A server's set-up with a certificate of its own for `localhost`, and that certificate.
pub fn tls_config() -> (ServerConfig, String) {
    tls_config_for(None)
}

/// A server's set-up, and its certificate; with `clients`, only those this root has signed
/// are served.
fn tls_config_for(clients: Option<CertificateDer<'static>>) -> (ServerConfig, String) {
    let key = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(root) => {
            let mut roots = RootCertStore::empty();
            roots.add(root).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let config = builder
        .with_single_cert(
            vec![key.cert.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.signing_key.serialize_der())),
        )
        .unwrap();
    (config, key.cert.pem())
}

#[test]
fn tls_is_checked_unless_the_user_says_otherwise() {
    let bench = Bench::turn();
    let (config, pem) = tls_config();
    let target = Target::new(TargetSpec::default())
        .tls(Arc::new(config))
        .listen("127.0.0.1:0".parse().unwrap())
        .unwrap();
    let url = format!("https://localhost:{}", target.address().port());
    let profile = steady(100, "poisson", 2, "");

    let unknown = bench.run("unknown", &profile, &["--target", &url]);
    unknown.expect_exit(1);
    assert!(unknown.stderr.contains("TLS handshake failed"), "{}", unknown.stderr);

    let ca = bench.out("ca.pem");
    std::fs::write(&ca, pem).unwrap();
    let trusted = format!("connection.tls.ca=\"{}\"", ca.display());
    for (name, set) in [("trusted", trusted.as_str()), ("insecure", "connection.tls.insecure=true")]
    {
        let run = bench.run(name, &profile, &["--target", &url, "--set", set]);
        run.expect_exit(0);
        assert_eq!(row_keys(&run.rows()), arrivals(&load(&bench.profile(&profile))), "{name}");
    }
}

#[test]
fn a_connection_per_request_opens_one_for_each() {
    let bench = Bench::turn();
    let target = Target::new(TargetSpec::default()).listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let profile = steady(100, "constant", 2, "[connection]\npolicy = \"per-request\"\n");
    let url = format!("http://{}", target.address());
    let run = bench.run_once("each", &profile, &[&PATIENT[..], &["--target", &url]].concat());
    run.expect_exit(0);
    // One more was made to see whether the target is there.
    assert_eq!(target.stats().connections, 201);
    assert!(run.rows().iter().all(|row| row.connect_ns.unwrap() > 0));
}

#[test]
fn ipv6_is_a_target() {
    let bench = Bench::turn();
    let Ok(target) = Target::new(TargetSpec::default()).listen("[::1]:0".parse().unwrap()) else {
        eprintln!("not tested: no IPv6 here");
        return;
    };
    let url = format!("http://{}", target.address());
    bench.run("v6", &steady(100, "poisson", 1, ""), &["--target", &url]).expect_exit(0);
}

#[test]
fn a_client_certificate_is_shown_and_what_is_wrong_with_it_is_said() {
    let bench = Bench::turn();
    let key = KeyPair::generate().unwrap();
    // Its own root.
    let own = CertificateParams::new(vec!["client".to_owned()]).unwrap().self_signed(&key).unwrap();
    let (config, _) = tls_config_for(Some(own.der().clone()));
    let target = Target::new(TargetSpec::default())
        .tls(Arc::new(config))
        .listen("127.0.0.1:0".parse().unwrap())
        .unwrap();
    let url = format!("https://localhost:{}", target.address().port());
    let (certificate_file, key_file) = (bench.out("client.pem"), bench.out("client-key.pem"));
    std::fs::write(&certificate_file, own.pem()).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    let shown = |certificate: &str, key: &str| {
        format!("tls = {{ insecure = true, certificate = {certificate:?}, key = {key:?} }}\n")
    };
    let run = |name: &str, tls: &str| {
        let profile = steady(100, "poisson", 1, &format!("[connection]\n{tls}"));
        bench.run(name, &profile, &["--target", &url])
    };
    let (certificate, key) = (certificate_file.to_str().unwrap(), key_file.to_str().unwrap());

    let good = run("good", &shown(certificate, key));
    good.expect_exit(0);
    assert!(good.stderr.contains("any certificate is accepted"), "{}", good.stderr);

    // Not one request may be answered; where the refusal overtakes the request, it is said.
    let missing = run("missing", "tls = { insecure = true }\n");
    assert!(missing.rows().iter().all(|row| row.outcome != "ok"));
    assert!(missing.stderr.contains("asks for a client certificate"), "{}", missing.stderr);

    let stranger = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls/");
    let (other, other_key) = (format!("{stranger}rsa.pem"), format!("{stranger}rsa-pkcs1-key.pem"));
    let wrong = run("wrong", &shown(&other, &other_key));
    assert!(wrong.rows().iter().all(|row| row.outcome != "ok"));
    assert!(wrong.stderr.contains("does not accept the client certificate"), "{}", wrong.stderr);

    let mismatched = run("mismatched", &shown(certificate, &other_key));
    mismatched.expect_exit(1);
    assert!(mismatched.stderr.contains("does not go with"), "{}", mismatched.stderr);
    let absent = run("absent", &shown(certificate, "/nowhere/key.pem"));
    absent.expect_exit(1);
    assert!(absent.stderr.contains("/nowhere/key.pem"), "{}", absent.stderr);
}

/// A server that counts where its connections come from.
fn counting_server() -> (u16, Arc<Mutex<BTreeMap<IpAddr, usize>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Arc::new(Mutex::new(BTreeMap::new()));
    let counts = Arc::clone(&seen);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            *counts.lock().unwrap().entry(stream.peer_addr().unwrap().ip()).or_insert(0) += 1;
            std::thread::spawn(move || answer(stream));
        }
    });
    (port, seen)
}

fn answer(stream: TcpStream) -> Option<()> {
    let mut writer = stream.try_clone().ok()?;
    for line in BufReader::new(stream).lines() {
        if line.ok()?.is_empty() {
            writer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").ok()?;
        }
    }
    Some(())
}

#[test]
fn connections_come_from_the_addresses_of_the_profile_in_turn() {
    let bench = Bench::turn();
    let (port, seen) = counting_server();
    let connection = "[connection]\npolicy = \"per-request\"\nprobe = false\n\
                      source_addresses = [\"127.0.0.2\", \"127.0.0.3\"]\n";
    let profile = steady(100, "constant", 2, connection);
    let url = format!("http://127.0.0.1:{port}");
    let run = bench.run_once(
        "sources",
        &profile,
        &[&PATIENT[..], &["--target", &url, "--workers", "1"]].concat(),
    );
    run.expect_exit(0);
    let expected = [2, 3].map(|last| (IpAddr::from([127, 0, 0, last]), 100));
    assert_eq!(*seen.lock().unwrap(), BTreeMap::from(expected));
}

#[test]
fn an_address_this_machine_does_not_have_is_found_before_the_run() {
    let bench = Bench::turn();
    let connection = "[connection]\nsource_addresses = [\"127.0.0.2\", \"192.0.2.1\"]\n";
    let run = bench.run("foreign", &steady(100, "constant", 1, connection), &[]);
    run.expect_exit(1);
    assert!(run.stderr.contains("192.0.2.1"), "{}", run.stderr);
}
