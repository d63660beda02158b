//! `[trace]`: what it comes to, and what is wrong with it.

use openload_contract::ArrivalKind;
use openload_traces::transform::{Copies, Overlap, Repeat, Thin, ThinBy};

use crate::plan::{BodyRule, HostRule, Plan, TraceInstant, TracePlan};
use crate::profile::{Overrides, ProfileError, parse};

use super::resolve;

const HEAD: &str = "name = \"test\"\nseed = 1\n[target]\nurl = \"embedded\"\n";

fn trace(keys: &str) -> Result<Plan, ProfileError> {
    resolve(&format!("{HEAD}[trace]\nfile = \"shop.parquet\"\n{keys}\n"))
}

fn only(plan: &Plan) -> &TracePlan {
    plan.streams[0].trace.as_ref().unwrap()
}

fn refused(keys: &str) -> String {
    match trace(keys) {
        Ok(_) => panic!("accepted: {keys}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_short_trace_gets_the_defaults() {
    let plan = trace("").unwrap();
    let trace = only(&plan);
    assert_eq!(trace.file.to_str(), Some("shop.parquet"));
    assert_eq!(trace.spec, Default::default());
    assert_eq!((trace.from, trace.to, trace.seam_ns), (None, None, None));
    assert_eq!(trace.methods, ["GET", "HEAD", "OPTIONS"]);
    assert_eq!((&trace.request.host, trace.request.body), (&HostRule::Target, BodyRule::Recorded));
    assert!(trace.request.is_marked);
    let [phase] = plan.streams[0].phases.as_slice() else { panic!("one phase") };
    assert_eq!(phase.arrival, ArrivalKind::Trace);
    let names: Vec<&str> = plan.scenarios.iter().map(|scenario| scenario.name.as_str()).collect();
    assert_eq!((names.as_slice(), trace.scenario), (["default", "recorded"].as_slice(), 1));
    assert!(plan.warnings.is_empty(), "{:?}", plan.warnings);
}

#[test]
fn every_key_is_read() {
    let plan = trace(
        "from = \"10m\"\nto = \"1970-01-01T00:00:02Z\"\nspeed = 2\ncopies = { n = 3, jitter = \"500ms\" }\n\
         order = \"session\"\noverlap = { n = 2, shift = \"1h\" }\nthin = { p = \"30%\", by = \"session\" }\n\
         repeat = { times = 4, seam = \"1s\" }\nmax_gap = \"30s\"\nmethods = [\"POST\"]\n\
         include = ['^/a']\nexclude = ['b$', 'c']\nstatus = [\"200-399\", \"404\"]\n\
         [trace.request]\nhost = \"shop.example\"\nremove = [\"referer\"]\nrename = { x-old = \"x-new\" }\n\
         set = { x-n = \"{{seq()}}\" }\nrewrite = [{ match = '^/v1', replace = \"/v2\" }]\n\
         body = \"none\"\nmark = false\nexpect = { status = [204] }",
    )
    .unwrap();
    let trace = only(&plan);
    assert_eq!(trace.from, Some(TraceInstant::SinceStart(600_000_000_000)));
    assert_eq!(trace.to, Some(TraceInstant::Unix(2_000_000_000)));
    let spec = &trace.spec;
    assert_eq!(spec.thin, Some(Thin { p: 0.3, by: ThinBy::Session }));
    let copies = Copies { n: 3, jitter_ns: 500_000_000, keep_session_order: true };
    assert_eq!((spec.copies, spec.speed), (Some(copies), 2.0));
    assert_eq!(spec.overlap, Some(Overlap { n: 2, shift_ns: 3_600_000_000_000 }));
    assert_eq!(
        (spec.repeat, trace.seam_ns),
        (Repeat { times: 4, seam_ns: 0 }, Some(1_000_000_000))
    );
    assert_eq!(spec.max_gap_ns, Some(30_000_000_000));
    assert_eq!((spec.filter.include.len(), spec.filter.exclude.len()), (1, 2));
    assert_eq!(spec.filter.statuses, [200..=399, 404..=404]);
    assert_eq!(trace.methods, ["POST"]);
    let request = &trace.request;
    assert_eq!(request.host, HostRule::Named("shop.example".to_owned()));
    assert_eq!((request.remove.len(), request.rename.len(), request.set.len()), (1, 1, 1));
    assert_eq!((request.rewrite.len(), request.body), (1, BodyRule::Empty));
    assert!(!request.is_marked);
    assert_eq!(plan.scenarios[1].request.expect.status, [204]);
}

#[test]
fn what_cannot_be_meant_is_refused_at_its_place() {
    for (keys, message) in [
        ("speed = 0", "test.toml:7:9"),
        ("from = \"yesterday\"", "neither a time since the start nor a date"),
        ("copies = { n = 0, jitter = \"1s\" }", "0 copies are not possible"),
        ("thin = { p = 0 }", "a share of 0 leaves nothing to send"),
        ("thin = { p = 1.5 }", "more than the whole"),
        ("methods = []", "no method is listed"),
        ("methods = [\"TRACE\"]", "`TRACE` is no method that is replayed"),
        ("include = ['(']", "`(` is no regular expression"),
        ("status = [\"2xx\"]", "`2xx` is neither a status nor a range"),
        ("sped = 2", "did you mean `speed`"),
        ("[trace.request]\nhost = \"a/b\"", "`a/b` is no host"),
        ("[trace.request]\nremove = [\"a b\"]", "a name that is not possible"),
        ("[trace.request]\nset = { connection = \"close\" }", "is set by the connection"),
        ("[[phase]]\nname = \"p\"\nduration = \"1s\"\nrate = 1", "either phases or a trace"),
    ] {
        let said = refused(keys);
        assert!(said.contains(message), "{keys}:\n{said}");
    }
}

#[test]
fn factors_that_say_nothing_definite_and_tokens_without_a_trace_are_refused() {
    let text = format!("{HEAD}[trace]\nfile = \"shop.parquet\"\n");
    for overrides in [
        Overrides { rate_scale: 2.0, ..Overrides::default() },
        Overrides { time_scale: 0.5, ..Overrides::default() },
    ] {
        let said = parse("test.toml", &text, &overrides).unwrap_err().to_string();
        assert!(said.contains("says nothing definite about a trace"), "{said}");
    }
    let request =
        "[[scenario]]\nname = \"chat\"\nrequest = { path = \"/?n={{input_tokens()}}\" }\n";
    assert!(trace(request).is_ok());
    let said = super::with(request).unwrap_err().to_string();
    assert!(said.contains("no recorded events to take the tokens from"), "{said}");
}
