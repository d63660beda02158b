//! The ways to a target: TCP, TLS, a Unix socket, a connection per request.

use std::sync::Arc;

use openload::target::{Target, TargetSpec};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::support::{Bench, arrivals, load, row_keys, steady};

#[test]
fn a_unix_socket_is_a_target() {
    let bench = Bench::turn();
    let socket = bench.out("target.sock");
    let target = Target::new(TargetSpec::default()).listen_unix(socket.clone()).unwrap();
    let profile = steady(200, "poisson", 2, "");
    let url = format!("unix:{}", socket.display());
    let run = bench.run("unix", &profile, &["--target", &url]);
    run.expect_exit(0);
    assert_eq!(row_keys(&run.rows()), arrivals(&load(&bench.profile(&profile))));
    assert_eq!(target.stats().requests as usize, run.rows().len());
}

fn tls_config() -> (ServerConfig, String) {
    let key = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
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
    let run = bench.run("each", &profile, &["--target", &url]);
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
