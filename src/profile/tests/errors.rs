//! What is refused, and how it is said. The snapshots are the specification.

use std::path::Path;

use crate::profile::{Overrides, load};

use super::{MINIMAL, resolve, snapshot};

/// Resolves [`MINIMAL`] with `from` replaced by `to`, and returns what is wrong.
fn changed(from: &str, to: &str) -> String {
    assert!(MINIMAL.contains(from), "{from}");
    refused(&MINIMAL.replace(from, to))
}

fn added(lines: &str) -> String {
    refused(&format!("{MINIMAL}{lines}"))
}

fn refused(text: &str) -> String {
    match resolve(text) {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(error) => error.to_string(),
    }
}

fn report(messages: impl IntoIterator<Item = String>) -> String {
    messages.into_iter().collect::<Vec<_>>().join("\n\n----\n\n")
}

#[test]
fn shape() {
    snapshot(
        "shape",
        &report([
            changed("rate = 100", "rat = 100\narival = \"poisson\"\nbanana = 1"),
            changed("seed = 1", "seeds = 1\nmax_in_flight = 5"),
            changed("seed = 1", "seed = -1"),
            changed("seed = 1", "seed = 1.5"),
            changed("seed = 1", "seed = 99999999999999999999"),
            changed("rate = 100", ""),
            changed("rate = 100", "rate = true"),
            changed("rate = 100", "rate = 100\nrole = \"basline\"\narrival = \"poison\""),
            changed("rate = 100", "rate = { frm = 1, to = 2 }"),
            changed("duration = \"10s\"", "duration = [1]"),
            changed("[[phase]]", "[phase]"),
            changed("name = \"test\"", "name = 5"),
            added("[connection]\nmax_in_flight = 5000000000\n"),
            added("[connection]\npolicy = \"per_request\"\nprobe = \"yes\"\n"),
            added("[connection.tls]\nunsecure = true\n"),
            added("[connection.tls]\nserver_name = \"a b\"\n"),
            added("[[objective]]\nmetric = \"latency\"\nmax = \"1s\"\n"),
            added(
                "[[scenario]]\nname = \"a\"\nrequest = { headers = { accept = 1 }, methods = \"GET\" }\n",
            ),
            added("[target.embedded]\nfreeze = { at = \"1s\", fro = \"1s\" }\n"),
            added("[target.embedded]\nfreeze = [{ at = \"1s\" }]\n"),
            refused("name = \"x\"\n"),
            refused(""),
            refused("# nothing\n"),
            refused("name = \n"),
            refused("name = \"a\"\nname = \"b\"\n"),
        ]),
    );
}

#[test]
fn quantities() {
    let duration = |text: &str| changed("duration = \"10s\"", &format!("duration = {text}"));
    let rate = |text: &str| changed("rate = 100", &format!("rate = {text}"));
    snapshot(
        "quantities",
        &report([
            duration("15"),
            duration("\"15\""),
            duration("\"10 parsecs\""),
            duration("\"0s\""),
            duration("\"-5s\""),
            duration("\"5s1m\""),
            duration("\"400000d\""),
            rate("-1"),
            rate("nan"),
            rate("inf"),
            rate("\"100\""),
            rate("\"100/fortnight\""),
            rate("2e7"),
            rate("0"),
            rate("[]"),
            rate("[1, { rate = 1, for = \"1s\" }]"),
            rate("[{ rate = 1, for = \"20s\" }]"),
            rate("{ from = 1 }"),
            rate("{ from = 1, to = 2, peak = 3 }"),
            rate("{ mean = 1, amplitude = 2, period = \"1s\" }"),
            rate("{ base = 1, peak = 2, at = \"9s\", for = \"2s\" }"),
        ]),
    );
}

#[test]
fn arrivals() {
    let arrival = |text: &str| changed("rate = 100", &format!("rate = 100\narrival = {text}"));
    snapshot(
        "arrivals",
        &report([
            arrival("\"mmpp\""),
            arrival("\"renewal\""),
            arrival("\"mmp\""),
            arrival("5"),
            arrival("{}"),
            arrival("{ poisson = {} }"),
            arrival(
                "{ mmpp = { rates = [1, 2], stays = [\"1s\", \"1s\"] }, renewal = { cv = 1 } }",
            ),
            arrival("{ mmpp = \"fast\" }"),
            arrival("{ mmpp = { rates = [1, 2] } }"),
            arrival("{ mmpp = { rate = [1, 2], stays = [\"1s\", \"1s\"] } }"),
            arrival("{ mmpp = { rates = 1, stays = \"1s\" } }"),
            arrival("{ mmpp = { rates = [], stays = [] } }"),
            arrival("{ mmpp = { rates = [1], stays = [\"1s\"] } }"),
            arrival("{ mmpp = { rates = [1, 2], stays = [\"1s\"] } }"),
            arrival("{ mmpp = { rates = [0, 0], stays = [\"1s\", \"1s\"] } }"),
            arrival("{ mmpp = { rates = [-1, nan, 1e9, \"2\"], stays = [\"1s\", \"1s\"] } }"),
            arrival("{ mmpp = { rates = [-1, nan, 1e9], stays = [1, \"0s\", \"999us\"] } }"),
            arrival("{ renewal = {} }"),
            arrival("{ renewal = { cv = \"2\" } }"),
            arrival("{ renewal = { cv = -1 } }"),
            arrival("{ renewal = { cv = 0.001 } }"),
            arrival("{ renewal = { cv = 101, family = \"gama\" } }"),
            arrival("{ renewal = { cv = 101, family = \"gamma\" } }"),
            changed("rate = 100", "rate = -1\narrival = { renewal = { cv = inf } }"),
        ]),
    );
}

#[test]
fn meaning() {
    let phase = "[[phase]]\nname = \"steady\"\nduration = \"10s\"\nrate = 1\n";
    let long = "[[phase]]\nname = \"long\"\nduration = \"100000d\"\nrate = 1e7\n";
    snapshot(
        "meaning",
        &report([
            added(phase),
            added(long),
            added(&format!("{long}{}", long.replace("\"long\"", "\"longer\""))),
            added("[[stream]]\nname = \"s\"\n"),
            refused("name = \"x\"\n[target]\nurl = \"embedded\"\n"),
            refused("name = \"x\"\nphase = []\n[target]\nurl = \"embedded\"\n"),
            refused(
                "name = \"x\"\n[target]\nurl = \"embedded\"\n[[stream]]\nname = \"s\"\nscenarios = [\"a\"]\n",
            ),
            changed("name = \"test\"", "name = \"../x\""),
            changed("\"embedded\"", "\"htpp://localhost\""),
            changed("\"embedded\"", "\"http://user:secret@localhost\""),
            changed("\"embedded\"", "\"http://localhost/#top\""),
            changed("\"embedded\"", "\"http://::1:8080\""),
            added("[connection]\nmax_in_flight = 0\nconnect_timeout = \"0s\"\ndeadline = 5\n"),
            added("[analysis]\nrecovery_hold = 5\ndrift_p50 = \"ten\"\n"),
            added(
                "[target.embedded]\nservers = 0\nerror_rate = 5\nservice = { law = \"lognormal\" }\n",
            ),
            added(
                "[target.embedded]\nservice = { law = \"exponential\", cv = 1 }\nfreeze = { at = 1, for = \"0s\" }\n",
            ),
        ]),
    );
}

#[test]
fn connections() {
    let connection = |lines: &str| added(&format!("[connection]\n{}\n", lines.replace("; ", "\n")));
    let to = |url: &str, lines: &str| {
        refused(&format!("{}[connection]\n{lines}\n", MINIMAL.replace("embedded", url)))
    };
    snapshot(
        "connections",
        &report([
            connection("protocol = \"h2\"; engine = \"fast\"; reuse = \"filo\""),
            connection("policy = \"fixed\""),
            connection("max_connections = 0; streams_per_connection = 0"),
            connection("max_connections = 5; prewarm = 6"),
            connection("policy = \"per-request\"; prewarm = 1; lifetime = \"5m\""),
            connection("lifetime = 5; dns = 30"),
            connection("dns = \"twice\""),
            connection("dns = \"0s\""),
            connection("source_addresses = \"127.0.0.2\""),
            connection("source_addresses = [\"localhost\", \"0.0.0.0\", \"224.0.0.1\"]"),
            connection("source_addresses = [\"127.0.0.2\", \"127.0.0.3\", \"127.0.0.2\"]"),
            connection("source_addresses = [\"::1\"]"),
            to("http://[::1]:8080", "source_addresses = [\"127.0.0.2\"]"),
            to("http://10.0.0.1", "source_addresses = [\"fd00::1\"]"),
            to("unix:/run/app.sock", "source_addresses = [\"127.0.0.2\"]"),
            connection("tls = { certificate = \"client.pem\" }"),
            connection("tls = { key = \"client-key.pem\" }"),
        ]),
    );
}

#[test]
fn scenarios() {
    let request =
        |request: &str| added(&format!("[[scenario]]\nname = \"a\"\nrequest = {request}\n"));
    snapshot(
        "scenarios",
        &report([
            added(
                "[[scenario]]\nname = \"a\"\nweight = 0\n[[scenario]]\nname = \"a\"\nweight = nan\n",
            ),
            added("[[scenario]]\nname = \"\"\n"),
            request("{ path = \"items\" }"),
            request("{ path = \"/a b\" }"),
            request("{ path = \"/a#b\" }"),
            request("{ path = \"/{{unifrom(1, 2)}}\" }"),
            request("{ path = \"/{{uniform(1, 2)\" }"),
            request("{ method = \"get\" }"),
            request("{ method = \"FETCH\" }"),
            request("{ headers = { \"a b\" = \"x\", content-length = \"5\", x = \"a\\nb\" } }"),
            request("{ expect = { status = [20, 200] } }"),
            request("{ expect = { status = [70000] } }"),
        ]),
    );
}

#[test]
fn objectives() {
    let objective = |lines: &str| added(&format!("[[objective]]\n{}\n", lines.replace("; ", "\n")));
    snapshot(
        "objectives",
        &report([
            objective("metric = \"error_rate\""),
            objective("metric = \"error_rate\"; max = 0.1; min = 0.1"),
            objective("metric = \"error_rate\"; max = \"500ms\""),
            objective("metric = \"error_rate\"; max = 5"),
            objective("metric = \"error_rate\"; max = 0.1; quantile = 0.5"),
            objective("metric = \"response_time\"; max = \"1s\""),
            objective("metric = \"response_time\"; quantile = 95; max = \"1s\""),
            objective("metric = \"response_time\"; quantile = 0; max = \"1s\""),
            objective("metric = \"response_time\"; quantile = 0.5; max = 500"),
            objective("metric = \"response_time\"; quantile = 0.5; max = \"5%\""),
            objective("metric = \"throughput\"; min = \"500ms\""),
            objective("metric = \"throughput\"; min = \"-500/s\""),
            objective(
                "metric = \"error_rate\"; max = 0.1; phase = \"stedy\"; scenario = \"x\"; stream = \"y\"; request = \"z\"",
            ),
            objective("metric = \"drift\"; quantile = 0.5; max = 0.1; window = \"5m\""),
            objective("metric = \"error_rate\"; max = 0.1; window = \"0s\""),
            objective(
                "metric = \"error_rate\"; max = 0.1; phase = \"w\"; [[phase]]; name = \"w\"; role = \"warmup\"; duration = \"1s\"; rate = 1",
            ),
        ]),
    );
}

#[test]
fn everything_wrong_with_the_meaning_is_said_at_once() {
    let text = MINIMAL.replace("\"10s\"", "10").replace("100", "-1").replace("embedded", "http://");
    let error = resolve(&format!("{text}[[objective]]\nmetric = \"drift\"\n")).unwrap_err();
    let lines: Vec<usize> =
        error.diagnostics.iter().filter_map(|one| one.place.as_ref()).map(|one| one.line).collect();
    assert_eq!(lines, [5, 9, 10, 12, 12]);
}

#[test]
fn hostile_text_does_not_reach_the_terminal() {
    let shown = changed("seed = 1", "\"\\u001b[31m\" = 1");
    assert!(!shown.contains('\u{1b}'), "{shown}");
}

#[test]
fn long_lines_are_cut_around_the_place() {
    let line = format!("rate = 100\ndescription = \"{}\"", "x".repeat(1000));
    let shown = changed("rate = 100", &line);
    assert!(shown.lines().all(|line| line.chars().count() < 220), "{shown}");
    let list = format!("rate = [{}\"x\", {}1]", "1, ".repeat(300), "1, ".repeat(300));
    snapshot("long_line", &changed("rate = 100", &list));
}

#[test]
fn many_faults_are_counted() {
    let shown = added(&"[[phase]]\nname = \"p\"\nduration = 1\nrate = 1\n".repeat(30));
    assert!(shown.ends_with("error: and 39 more"), "{shown}");
}

#[test]
fn files() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    std::fs::create_dir(folder.path().join("folder")).unwrap();
    let inside = |name: &str| folder.path().join(name).display().to_string();
    let failed = |path: &str| load(path, &Overrides::default()).unwrap_err().to_string();
    let shown = report([
        failed("spkie"),
        failed("banana"),
        failed(&inside("spkie.toml")),
        failed(&inside("folder")),
        failed(&write("big.toml", &vec![b'#'; 10_000_000])),
        failed(&write("latin.toml", b"name = \"x\"\n# caf\xe9\n")),
        failed(&write("empty.toml", b"")),
        failed(""),
    ]);
    let folder = folder.path().display().to_string();
    snapshot("files", &shown.replace(&folder, "DIR"));
}

#[test]
fn a_path_names_a_file_and_a_word_a_built_in_profile() {
    assert!(load("spike", &Overrides::default()).is_ok());
    assert!(load("./spike", &Overrides::default()).is_err());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles/spike.toml");
    assert!(load(&path.display().to_string(), &Overrides::default()).is_ok());
}
