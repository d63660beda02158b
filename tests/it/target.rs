//! `gen target` as a program of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};

use openload::target::recording::read_recording;

use crate::support::{Bench, PATIENT, gen_command, run_gen, signal, steady};

/// A target that has said where it listens.
pub struct Served {
    child: Child,
    stderr: BufReader<std::process::ChildStderr>,
    pub url: String,
}

/// Serves on a free port.
pub fn serve(options: &[&str]) -> Served {
    serve_at("127.0.0.1:0", options)
}

/// Serves at an address.
pub fn serve_at(listen: &str, options: &[&str]) -> Served {
    let mut child = gen_command()
        .args(["target", "--listen", listen])
        .args(options)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    let url = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{line}"));
    Served { url: url.to_owned(), child, stderr }
}

impl Served {
    /// Stops it; returns its exit code and what it said in the end.
    pub fn stop(mut self, name: &str) -> (i32, String) {
        signal(&self.child, name);
        let exit = self.child.wait().unwrap().code().unwrap();
        let mut said = String::new();
        self.stderr.read_to_string(&mut said).unwrap();
        (exit, said)
    }
}

fn get(url: &str, path: &str) {
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    stream.read_to_end(&mut Vec::new()).unwrap();
}

fn targets(file: &Path) -> Vec<String> {
    read_recording(file).unwrap().map(|row| row.unwrap().target).collect()
}

#[test]
fn a_recording_is_closed_when_the_target_is_stopped() {
    let bench = Bench::turn();
    for (name, options) in [("INT", ["--instant"].as_slice()), ("TERM", &[])] {
        let file = bench.out(&format!("{name}.parquet"));
        let record = ["--record", file.to_str().unwrap()];
        let served = serve(&[options, &record].concat());
        get(&served.url, "/one");
        get(&served.url, "/two?x");
        let (exit, said) = served.stop(name);
        assert_eq!(exit, 0, "{said}");
        assert!(said.contains("2 requests recorded in"), "{said}");
        assert_eq!(targets(&file), ["/one", "/two?x"]);
    }
}

#[test]
fn every_request_of_a_run_is_in_the_recording() {
    let bench = Bench::turn();
    let file = bench.out("seen.parquet");
    let served = serve(&["--instant", "--record", file.to_str().unwrap()]);
    let scenario = "[[scenario]]\nname = \"get\"\nrequest = { path = \"/{{seq()}}\" }\n";
    let profile = steady(500, "poisson", 1, scenario);
    let run = bench.run_once("run", &profile, &[&PATIENT[..], &["--target", &served.url]].concat());
    run.expect_exit(0);
    served.stop("INT");
    let mut seen: Vec<u64> = targets(&file).iter().map(|path| path[1..].parse().unwrap()).collect();
    let mut sent: Vec<u64> = run.rows().iter().map(|row| row.seq).collect();
    seen.sort_unstable();
    sent.sort_unstable();
    assert_eq!(seen, sent);
}

#[test]
fn a_recording_that_cannot_be_made_is_refused_at_the_start() {
    let output =
        run_gen(&["target", "--listen", "127.0.0.1:0", "--record", "/nowhere/seen.parquet"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("cannot record into /nowhere/seen.parquet"), "{said}");
}

#[test]
fn what_an_instant_target_cannot_do_is_refused() {
    let output = run_gen(&["target", "--instant", "--freeze", "1s,1s"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn tls_files_make_a_target_with_tls() {
    let bench = Bench::turn();
    let identity = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (cert, key) = (bench.out("cert.pem"), bench.out("key.pem"));
    std::fs::write(&cert, identity.cert.pem()).unwrap();
    std::fs::write(&key, identity.signing_key.serialize_pem()).unwrap();
    let (cert, key) = (cert.to_str().unwrap(), key.to_str().unwrap());
    let profile = steady(100, "poisson", 1, "");
    for instant in [&["--instant"][..], &[]] {
        let served = serve(&[instant, &["--tls-cert", cert, "--tls-key", key]].concat());
        let url = served.url.replace("127.0.0.1", "localhost");
        let trust = format!("connection.tls.ca=\"{cert}\"");
        let name = format!("tls{}", instant.len());
        bench.run(&name, &profile, &["--target", &url, "--set", &trust]).expect_exit(0);
        served.stop("INT");
    }

    // With the server's own certificate as the clients' root, a client shows that or nothing.
    let served = serve(&["--tls-cert", cert, "--tls-key", key, "--tls-client-ca", cert]);
    let url = served.url.replace("127.0.0.1", "localhost");
    let trust = format!("connection.tls.ca={cert:?}");
    let shown = format!("connection.tls={{ ca={cert:?}, certificate={cert:?}, key={key:?} }}");
    bench.run("known", &profile, &["--target", &url, "--set", &shown]).expect_exit(0);
    let unknown = bench.run("unknown", &profile, &["--target", &url, "--set", &trust]);
    assert!(unknown.rows().iter().all(|row| row.outcome != "ok"));
    assert!(unknown.stderr.contains("asks for a client certificate"), "{}", unknown.stderr);
    served.stop("INT");

    let output = run_gen(&["target", "--tls-cert", key, "--tls-key", key]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("there is no PEM certificate in"), "{said}");
}
