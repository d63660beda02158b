//! Scenarios and the requests they send.

use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method};

use crate::plan::{Expect, RequestPlan, ScenarioPlan};
use crate::profile::diagnostic::Fault;
use crate::profile::located::Located;
use crate::profile::nearest::nearest;
use crate::profile::raw::{RawExpect, RawRequest, RawScenario};
use crate::template::{Draws, Template};

use super::Checker;

/// Headers that belong to the connection or follow from the body.
const RESERVED: [&str; 7] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
];

const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

impl Checker<'_> {
    /// Reads all scenarios; one that is wrong leaves a gap, so that positions stay.
    pub(super) fn scenarios(&mut self, raw: &[RawScenario]) -> Vec<Option<ScenarioPlan>> {
        let before = self.faults();
        self.unique("scenario", raw.iter().map(|scenario| &scenario.name));
        // Requests take the names of their scenarios: the same slip is told once.
        if self.faults() == before {
            self.unique("request", raw.iter().map(request_name));
        }
        raw.iter().map(|scenario| self.scenario(scenario)).collect()
    }

    fn scenario(&mut self, raw: &RawScenario) -> Option<ScenarioPlan> {
        let weight = *raw.weight.get();
        if !weight.is_finite() || weight <= 0.0 {
            let fault = Fault::new(format!("a weight of {weight} is not possible"))
                .help("weights are above 0; leave out a scenario that is not to run");
            self.report(&raw.weight, fault);
        }
        Some(ScenarioPlan {
            name: raw.name.get().clone(),
            weight,
            tags: raw.tags.clone(),
            request: self.request(request_name(raw).get(), &raw.request)?,
        })
    }

    fn request(&mut self, name: &str, raw: &RawRequest) -> Option<RequestPlan> {
        let method = self.method(&raw.method);
        let path = self.path(&raw.path);
        let headers: Vec<_> =
            raw.headers.iter().map(|(name, value)| self.header(name, value)).collect();
        let body = raw.body.as_ref().map(|body| self.template(body));
        let expect = self.expect(raw.expect.as_ref());
        Some(RequestPlan {
            name: name.to_owned(),
            method: method?,
            path: path?,
            headers: headers.into_iter().collect::<Option<_>>()?,
            body: match body {
                Some(body) => Some(body?),
                None => None,
            },
            expect,
        })
    }

    fn method(&mut self, written: &Located<String>) -> Option<Method> {
        let text = written.get();
        if METHODS.contains(&text.as_str()) {
            return Method::from_bytes(text.as_bytes()).ok();
        }
        let near = nearest(&text.to_lowercase(), METHODS);
        let fault = Fault::new(format!("`{text}` is no method `gen` sends"))
            .nearest(near)
            .help(format!("one of: {}", METHODS.join(", ")));
        self.report(written, fault);
        None
    }

    fn path(&mut self, written: &Located<String>) -> Option<Template> {
        let template = self.template(written)?;
        let text = written.get();
        let what = match text {
            text if !text.starts_with('/') => "does not begin with `/`",
            _ if sample(&template).contains('#') => "has a fragment, which is never sent",
            _ if PathAndQuery::try_from(sample(&template)).is_err() => {
                "has characters that no path may have"
            }
            _ => return Some(template),
        };
        let help = "write path and query only, spaces as %20: `/items/1?sort=price`";
        self.report(written, Fault::new(format!("the path `{text}` {what}")).help(help));
        None
    }

    pub(super) fn header(
        &mut self,
        name: &str,
        value: &Located<String>,
    ) -> Option<(HeaderName, Template)> {
        let template = self.template(value)?;
        let wrong = |what: &str| Fault::new(format!("the header `{name}` {what}"));
        let Ok(header) = HeaderName::try_from(name) else {
            let help = "names are letters, digits and `-`: content-type";
            self.report(value, wrong("has a name that is not possible").help(help));
            return None;
        };
        if RESERVED.contains(&header.as_str()) {
            self.report(value, wrong("is set by the connection; leave it out"));
        }
        if HeaderValue::try_from(sample(&template)).is_err() {
            self.report(value, wrong("has characters that no header may have"));
        }
        Some((header, template))
    }

    fn template(&mut self, written: &Located<String>) -> Option<Template> {
        let read = Template::parse(written.get()).map_err(|error| Fault::new(error.to_string()));
        let template = self.keep(written, read)?;
        if template.needs_trace() && !self.has_trace {
            let fault = Fault::new("there are no recorded events to take the tokens from");
            self.report(written, fault.help("add a `[trace]`, or write uniform(100, 2000)"));
        }
        Some(template)
    }

    pub(super) fn expect(&mut self, expect: Option<&RawExpect>) -> Expect {
        let statuses = expect.into_iter().flat_map(|expect| &expect.status);
        for status in statuses.clone().filter(|status| !(100..600).contains(status.get())) {
            let fault = Fault::new(format!("{} is no HTTP status", status.get()));
            self.report(status, fault.help("statuses are 100 to 599"));
        }
        Expect { status: statuses.map(|status| *status.get()).collect() }
    }
}

/// The name of a scenario's request.
pub(in crate::profile) fn request_name(raw: &RawScenario) -> &Located<String> {
    raw.request.name.as_ref().unwrap_or(&raw.name)
}

/// The text of some request. Places are filled with digits only, so one text stands for all.
fn sample(template: &Template) -> String {
    let mut text = Vec::new();
    template.render(Draws::new(0, 0), &mut text);
    String::from_utf8_lossy(&text).into_owned()
}
