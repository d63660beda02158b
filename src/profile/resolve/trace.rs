//! Recorded arrivals: the border between `[trace]` and plan. The file is not looked at here.

use http::{HeaderName, HeaderValue, Method};
use jiff::Timestamp;
use openload_contract::{ArrivalKind, PhaseRecord, RateLaw, Role};
use openload_traces::transform::{
    Copies, Filter, Overlap, PathPattern, Repeat, ReplaySpec, Thin, ThinBy,
};
use regex::bytes::Regex;

use crate::plan::{BodyRule, EventRequest, HostRule, TraceInstant, TracePlan};
use crate::profile::diagnostic::Fault;
use crate::profile::located::Located;
use crate::profile::quantity::parse_duration_s;
use crate::profile::trace::{RawBody, RawEventRequest, RawOrder, RawThinBy, RawTrace};

use super::{Checker, nanoseconds};

/// Most copies, overlapping rounds, and rounds one after another.
const TIMES_MAX: u32 = 100_000;

/// Methods a trace may send when it lists them. `CONNECT` and `TRACE` are never sent.
const METHODS: [&str; 7] = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"];

impl Checker<'_> {
    /// Reads a trace; its requests belong to the scenario at a position of the plan.
    pub(super) fn trace(&mut self, raw: &RawTrace, scenario: usize) -> Option<TracePlan> {
        let from = raw.from.as_ref().map(|written| self.instant(written));
        let to = raw.to.as_ref().map(|written| self.instant(written));
        let spec = self.spec(raw);
        let seam = raw.repeat.as_ref().and_then(|repeat| repeat.seam.as_ref());
        let seam = seam.map(|seam| self.duration_or_zero(seam));
        let methods: Vec<_> =
            raw.methods.get().iter().map(|written| self.replayed_method(written)).collect();
        let request = self.event_request(&raw.request);
        if raw.methods.get().is_empty() {
            let fault = Fault::new("no method is listed: nothing would be sent");
            self.report(&raw.methods, fault.help("leave `methods` out for GET, HEAD and OPTIONS"));
        }
        Some(TracePlan {
            file: raw.file.get().clone(),
            from: match from {
                Some(read) => Some(read?),
                None => None,
            },
            to: match to {
                Some(read) => Some(read?),
                None => None,
            },
            spec: spec?,
            seam_ns: match seam {
                Some(seam) => Some(nanoseconds(seam?)),
                None => None,
            },
            methods: methods.into_iter().collect::<Option<_>>()?,
            request: request?,
            scenario,
            survey: None,
        })
    }

    fn instant(&mut self, written: &Located<String>) -> Option<TraceInstant> {
        let text = written.get().trim();
        if let Ok(seconds) = parse_duration_s(text) {
            return Some(TraceInstant::SinceStart(nanoseconds(seconds)));
        }
        let read = text.parse::<Timestamp>().ok();
        let unix_ns = read.and_then(|time| i64::try_from(time.as_nanosecond()).ok());
        let fault = Fault::new(format!("`{text}` is neither a time since the start nor a date"))
            .help("write \"10m\", or \"2024-05-01T12:00:00Z\"");
        self.keep(written, unix_ns.map(TraceInstant::Unix).ok_or(fault))
    }

    fn spec(&mut self, raw: &RawTrace) -> Option<ReplaySpec> {
        let speed = self.finite(&raw.speed, "speed");
        if speed == Some(0.0) {
            let fault = Fault::new("a speed of 0 would never end");
            self.report(&raw.speed, fault.help("write a number above 0: 2 is twice as fast"));
        }
        let thin = raw.thin.as_ref().map(|thin| {
            let p = self.proportion(&thin.p);
            if p == Some(0.0) {
                self.report(&thin.p, Fault::new("a share of 0 leaves nothing to send"));
            }
            let by = match thin.by {
                RawThinBy::Event => ThinBy::Event,
                RawThinBy::Session => ThinBy::Session,
            };
            Some(Thin { p: p?, by })
        });
        let copies = raw.copies.as_ref().map(|copies| {
            let jitter_ns = self.duration_or_zero(&copies.jitter).map(nanoseconds);
            Some(Copies {
                n: self.times(&copies.n, "copies")?,
                jitter_ns: jitter_ns?,
                keep_session_order: raw.order == RawOrder::Session,
            })
        });
        let overlap = raw.overlap.as_ref().map(|overlap| {
            let shift_ns = self.duration_ns(&overlap.shift);
            Some(Overlap { n: self.times(&overlap.n, "rounds at once")?, shift_ns: shift_ns? })
        });
        let repeat = raw
            .repeat
            .as_ref()
            .map(|repeat| Some(Repeat { times: self.times(&repeat.times, "rounds")?, seam_ns: 0 }));
        let max_gap = raw.max_gap.as_ref().map(|gap| self.duration_ns(gap));
        let filter = self.filter(raw);
        Some(ReplaySpec {
            from_ns: 0,
            to_ns: None,
            filter: filter?,
            thin: all(thin)?,
            max_gap_ns: all(max_gap)?,
            overlap: all(overlap)?,
            copies: all(copies)?,
            speed: speed?,
            repeat: all(repeat)?.unwrap_or_default(),
        })
    }

    fn times(&mut self, written: &Located<u32>, what: &str) -> Option<u32> {
        let times = *written.get();
        if (1..=TIMES_MAX).contains(&times) {
            return Some(times);
        }
        let fault = Fault::new(format!("{times} {what} are not possible"));
        self.report(written, fault.help(format!("write 1 to {TIMES_MAX}")));
        None
    }

    fn filter(&mut self, raw: &RawTrace) -> Option<Filter> {
        let include: Vec<_> = raw.include.iter().map(|written| self.pattern(written)).collect();
        let exclude: Vec<_> = raw.exclude.iter().map(|written| self.pattern(written)).collect();
        let statuses: Vec<_> = raw.status.iter().map(|written| self.statuses(written)).collect();
        Some(Filter {
            // Methods are judged where requests are made, so that what is left out is counted.
            methods: Vec::new(),
            include: include.into_iter().collect::<Option<_>>()?,
            exclude: exclude.into_iter().collect::<Option<_>>()?,
            statuses: statuses.into_iter().collect::<Option<_>>()?,
        })
    }

    fn pattern(&mut self, written: &Located<String>) -> Option<PathPattern> {
        let read = PathPattern::new(written.get()).map_err(|error| no_regex(written, &error));
        self.keep(written, read)
    }

    fn regex(&mut self, written: &Located<String>) -> Option<Regex> {
        let read = Regex::new(written.get()).map_err(|error| no_regex(written, &error));
        self.keep(written, read)
    }

    fn statuses(&mut self, written: &Located<String>) -> Option<std::ops::RangeInclusive<u16>> {
        let text = written.get();
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let read = match (first.trim().parse(), last.trim().parse()) {
            (Ok(first), Ok(last)) if first <= last => Ok(first..=last),
            _ => Err(Fault::new(format!("`{text}` is neither a status nor a range of them"))
                .help("write \"404\" or \"200-399\"")),
        };
        self.keep(written, read)
    }

    fn replayed_method(&mut self, written: &Located<String>) -> Option<Method> {
        let text = written.get();
        if METHODS.contains(&text.as_str()) {
            return Method::from_bytes(text.as_bytes()).ok();
        }
        let fault = Fault::new(format!("`{text}` is no method that is replayed"))
            .help(format!("one of: {}", METHODS.join(", ")));
        self.report(written, fault);
        None
    }

    fn event_request(&mut self, raw: &RawEventRequest) -> Option<EventRequest> {
        let host = match raw.host.get().as_str() {
            "target" => Some(HostRule::Target),
            "keep" => Some(HostRule::Keep),
            name => {
                let is_host = !name.is_empty()
                    && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/')
                    && HeaderValue::try_from(name).is_ok();
                if !is_host {
                    let fault = Fault::new(format!("`{name}` is no host"));
                    let help = "write target, keep, or a name such as shop.example:8080";
                    self.report(&raw.host, fault.help(help));
                }
                is_host.then(|| HostRule::Named(name.to_owned()))
            }
        };
        let remove: Vec<_> =
            raw.remove.iter().map(|name| self.header_name(name.get(), name)).collect();
        let rename: Vec<_> = raw
            .rename
            .iter()
            .map(|(from, to)| {
                let (old, new) = (self.header_name(from, to), self.header_name(to.get(), to));
                old.zip(new)
            })
            .collect();
        let set: Vec<_> = raw.set.iter().map(|(name, value)| self.header(name, value)).collect();
        let rewrite: Vec<_> = raw
            .rewrite
            .iter()
            .map(|rewrite| {
                let replacement = rewrite.replace.get().clone().into_bytes();
                self.regex(&rewrite.pattern).map(|pattern| (pattern, replacement))
            })
            .collect();
        Some(EventRequest {
            host: host?,
            remove: remove.into_iter().collect::<Option<_>>()?,
            rename: rename.into_iter().collect::<Option<_>>()?,
            set: set.into_iter().collect::<Option<_>>()?,
            rewrite: rewrite.into_iter().collect::<Option<_>>()?,
            body: match raw.body {
                RawBody::Recorded => BodyRule::Recorded,
                RawBody::None => BodyRule::Empty,
            },
            is_marked: raw.mark,
        })
    }

    fn header_name(&mut self, name: &str, at: &Located<String>) -> Option<HeaderName> {
        let read = HeaderName::try_from(name).map_err(|_| {
            Fault::new(format!("the header `{name}` has a name that is not possible"))
                .help("names are letters, digits and `-`: x-request-id")
        });
        self.keep(at, read)
    }
}

fn no_regex(written: &Located<String>, error: &regex::Error) -> Fault {
    let cause = error.to_string();
    let cause = cause.lines().last().unwrap_or_default().trim_start_matches("error: ");
    Fault::new(format!("`{}` is no regular expression: {cause}", written.get()))
        .help("in TOML, write it in single quotes: '^/api/v[0-9]+/'")
}

/// Turns what may be absent or wrong into what may be absent, or nothing.
fn all<T>(read: Option<Option<T>>) -> Option<Option<T>> {
    match read {
        Some(read) => read.map(Some),
        None => Some(None),
    }
}

/// The one phase of a recorded stream, before its file was read.
pub(super) fn replay_phase() -> PhaseRecord {
    PhaseRecord {
        name: "replay".to_owned(),
        role: Role::Steady,
        arrival: ArrivalKind::Trace,
        rate: RateLaw::Constant { rate: 0.0 },
        start_ns: 0,
        end_ns: 0,
    }
}
