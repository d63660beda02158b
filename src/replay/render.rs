//! From an event of a trace to a request, as bytes of HTTP/1.1.
//!
//! Path and query stay as they were recorded, byte for byte, but for what would change the
//! meaning of the request line: control bytes, blanks and bytes beyond ASCII are percent-encoded.
//! Headers of the connection are never those of the trace. What an import should have cleaned is
//! cleaned here again: a timeline can come from anywhere.

use http::{HeaderName, HeaderValue, Method};
use openload_traces::event::Event;

use crate::plan::{BodyRule, EventRequest, HostRule, Plan};
use crate::template::Draws;
use crate::transport::{HEADERS_MAX, Origin, RequestError, Requests, push_encoded};

/// Headers that belong to a connection, follow from the body, or say who is asked.
const OWN_HEADERS: [&str; 12] = [
    "host",
    "content-length",
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
    "http2-settings",
];

/// The header by which a target can tell replayed requests from others.
const MARK: &[u8] =
    concat!("x-replayed-by: openload/", env!("CARGO_PKG_VERSION"), "\r\n").as_bytes();

/// What a request is made of when only the length of its body was recorded.
const FILLING: &[u8; 64] = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// What the head and the body of a rendered request come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rendered {
    /// Length of the body.
    pub body_bytes: u32,
    /// Whether the method is HEAD.
    pub is_head: bool,
}

/// Makes the requests of all recorded streams of a plan.
pub struct Renderer {
    seed: u64,
    origin: Origin,
    requests: Requests,
    /// By stream; `None` for those that are not recorded.
    rules: Vec<Option<EventRequest>>,
}

impl Renderer {
    /// Prepares the rules of `plan`.
    ///
    /// # Errors
    /// When a request of the plan cannot be sent.
    pub fn new(plan: &Plan) -> Result<Self, RequestError> {
        let rule = |stream: &crate::plan::StreamPlan| {
            stream.trace.as_ref().map(|trace| trace.request.clone())
        };
        Ok(Self {
            seed: plan.seed,
            origin: Origin::of(&plan.target)?,
            requests: Requests::new(plan)?,
            rules: plan.streams.iter().map(rule).collect(),
        })
    }

    /// Appends the request of `event`, which is arrival `seq` of a stream and was given a
    /// scenario, to `output`.
    pub fn render(
        &self,
        event: &Event,
        (stream, scenario, seq): (u16, u16, u64),
        output: &mut Vec<u8>,
    ) -> Rendered {
        let rules = self.rules[usize::from(stream)].as_ref();
        match rules.filter(|_| !event.target.is_empty()) {
            Some(rules) => self.render_recorded(event, rules, seq, output),
            None => {
                let tokens = event.tokens.unwrap_or_default();
                let request = self.requests.for_event(scenario, seq, tokens);
                Rendered { body_bytes: request.encode(output), is_head: request.is_head() }
            }
        }
    }

    fn render_recorded(
        &self,
        event: &Event,
        rules: &EventRequest,
        seq: u64,
        output: &mut Vec<u8>,
    ) -> Rendered {
        let method: &[u8] = if event.method.is_empty() { b"GET" } else { &event.method };
        output.extend_from_slice(method);
        output.push(b' ');
        output.extend_from_slice(self.origin.base_path.as_bytes());
        push_target(&rewritten(&event.target, rules), output);
        output.extend_from_slice(b" HTTP/1.1\r\nhost: ");
        self.push_host(event, rules, output);
        output.extend_from_slice(b"\r\n");
        push_headers(event, rules, Draws::new(self.seed, seq), output);
        let body = Body::of(event, rules, method);
        if let Some(length) = body.length_said() {
            output.extend_from_slice(b"content-length: ");
            output.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
            output.extend_from_slice(b"\r\n");
        }
        output.extend_from_slice(b"\r\n");
        body.push(output);
        Rendered {
            body_bytes: u32::try_from(body.length()).unwrap_or(u32::MAX),
            is_head: method == Method::HEAD.as_str().as_bytes(),
        }
    }

    fn push_host(&self, event: &Event, rules: &EventRequest, output: &mut Vec<u8>) {
        let is_host = |host: &[u8]| {
            !host.is_empty() && host.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'/')
        };
        match &rules.host {
            HostRule::Keep if is_host(&event.host) => output.extend_from_slice(&event.host),
            HostRule::Named(name) => output.extend_from_slice(name.as_bytes()),
            HostRule::Keep | HostRule::Target => {
                output.extend_from_slice(self.origin.authority.as_str().as_bytes());
            }
        }
    }
}

fn rewritten<'a>(target: &'a [u8], rules: &EventRequest) -> std::borrow::Cow<'a, [u8]> {
    let mut target = std::borrow::Cow::Borrowed(target);
    for (pattern, replacement) in &rules.rewrite {
        if pattern.is_match(&target) {
            target = pattern.replace_all(&target, replacement.as_slice()).into_owned().into();
        }
    }
    target
}

/// Appends path and query byte for byte, but for bytes that would end them or the line: control
/// bytes, blanks and bytes beyond ASCII are percent-encoded.
fn push_target(target: &[u8], output: &mut Vec<u8>) {
    if target.first() != Some(&b'/') {
        output.push(b'/');
    }
    let target = target.split(|&byte| byte == b'#').next().unwrap_or_default();
    push_encoded(target, |byte| byte.is_ascii_graphic(), output);
}

/// Appends the recorded headers under the plan's rules, and the plan's own.
fn push_headers(event: &Event, rules: &EventRequest, draws: Draws, output: &mut Vec<u8>) {
    let mut has_agent = false;
    // Those that are set, the mark, host, agent and length have to fit beside them.
    let most = HEADERS_MAX.saturating_sub(rules.set.len() + 4);
    for (name, value) in headers(&event.headers).take(most) {
        let Ok(name) = HeaderName::from_bytes(name) else { continue };
        let is_own = OWN_HEADERS.contains(&name.as_str()) || rules.remove.contains(&name);
        if is_own || HeaderValue::from_bytes(value).is_err() {
            continue;
        }
        let renamed = rules.rename.iter().find(|(from, _)| *from == name).map(|(_, to)| to);
        let name = renamed.unwrap_or(&name);
        if rules.set.iter().any(|(set, _)| set == name) {
            continue;
        }
        has_agent |= name == http::header::USER_AGENT;
        push_header(name, value, output);
    }
    for (name, template) in &rules.set {
        has_agent |= name == http::header::USER_AGENT;
        output.extend_from_slice(name.as_str().as_bytes());
        output.extend_from_slice(b": ");
        template.render(draws, output);
        output.extend_from_slice(b"\r\n");
    }
    if !has_agent {
        let agent = concat!("openload/", env!("CARGO_PKG_VERSION"));
        push_header(&http::header::USER_AGENT, agent.as_bytes(), output);
    }
    if rules.is_marked {
        output.extend_from_slice(MARK);
    }
}

fn push_header(name: &HeaderName, value: &[u8], output: &mut Vec<u8>) {
    output.extend_from_slice(name.as_str().as_bytes());
    output.extend_from_slice(b": ");
    output.extend_from_slice(value);
    output.extend_from_slice(b"\r\n");
}

/// The headers of an event: name and value, blanks around the value left out.
fn headers(block: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    block.split(|&byte| byte == b'\n').filter_map(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let colon = line.iter().position(|&byte| byte == b':')?;
        Some((&line[..colon], line[colon + 1..].trim_ascii()))
    })
}

/// The body of a request made from an event.
enum Body<'a> {
    /// None, and no word about it.
    None,
    Recorded(&'a [u8]),
    Filling(u64),
}

/// Longest body that is made up: what was recorded as longer is sent as long as this.
const FILLING_BYTES_MAX: u64 = 16 << 20;

impl<'a> Body<'a> {
    fn of(event: &'a Event, rules: &EventRequest, method: &[u8]) -> Self {
        // Methods that are meant to carry a body say so even when it is empty (RFC 9110 §8.6).
        let expects_body = [&b"POST"[..], b"PUT", b"PATCH"].contains(&method);
        match (&event.body, event.body_bytes) {
            _ if rules.body == BodyRule::Empty && !expects_body => Self::None,
            _ if rules.body == BodyRule::Empty => Self::Filling(0),
            (Some(body), _) if expects_body || !body.is_empty() => Self::Recorded(body),
            (None, Some(bytes)) if expects_body || bytes > 0 => {
                Self::Filling(bytes.min(FILLING_BYTES_MAX))
            }
            _ if expects_body => Self::Filling(0),
            _ => Self::None,
        }
    }

    fn length(&self) -> u64 {
        match self {
            Self::None => 0,
            Self::Recorded(body) => body.len() as u64,
            Self::Filling(bytes) => *bytes,
        }
    }

    fn length_said(&self) -> Option<u64> {
        (!matches!(self, Self::None)).then(|| self.length())
    }

    fn push(&self, output: &mut Vec<u8>) {
        match self {
            Self::None => {}
            Self::Recorded(body) => output.extend_from_slice(body),
            Self::Filling(bytes) => {
                let filling = FILLING.iter().copied().cycle();
                output.extend(filling.take(usize::try_from(*bytes).unwrap_or(0)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, Method};
    use openload_traces::event::Event;
    use regex::bytes::Regex;

    use super::{Rendered, Renderer};
    use crate::plan::{BodyRule, EventRequest, HostRule, Plan, TargetAddress, TracePlan};
    use crate::simulation::constant_plan;
    use crate::template::Template;
    use crate::transport::Encoded;

    fn plan(request: EventRequest) -> Plan {
        let mut plan = constant_plan(1.0, 1);
        plan.target = TargetAddress::Tcp {
            tls: false,
            host: "127.0.0.1".to_owned(),
            port: 8080,
            base_path: "/base".to_owned(),
        };
        plan.streams[0].trace = Some(TracePlan {
            file: "none".into(),
            from: None,
            to: None,
            spec: Default::default(),
            seam_ns: None,
            methods: vec![Method::GET],
            request,
            scenario: 0,
            survey: None,
        });
        plan
    }

    fn event(target: &str) -> Event {
        Event { method: b"GET".to_vec(), target: target.into(), ..Event::default() }
    }

    /// Renders, and makes sure that what comes out is one request and nothing more.
    fn render(event: &Event, request: EventRequest) -> (String, Rendered) {
        let mut bytes = Vec::new();
        let renderer = Renderer::new(&plan(request)).unwrap();
        let rendered = renderer.render(event, (0, 0, 7), &mut bytes);
        let Rendered { body_bytes, is_head } = rendered;
        let parsed = Encoded { bytes: &bytes, body_bytes, is_head }.parse().expect("a request");
        assert_eq!(parsed.method() == Method::HEAD, is_head);
        let head_bytes = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        assert_eq!(bytes.len() - head_bytes, body_bytes as usize);
        (String::from_utf8_lossy(&bytes).into_owned(), rendered)
    }

    fn line(event: &Event, request: EventRequest) -> String {
        render(event, request).0.lines().next().unwrap().to_owned()
    }

    #[test]
    fn path_and_query_stay_byte_for_byte() {
        for target in
            ["/a/../b?x=%20&y=1;z", "/%E4%f6?a[]=1&b='c'", "/*~!$,()@:", "/<a>`\"\\^{|}?<b>"]
        {
            let expected = format!("GET /base{target} HTTP/1.1");
            assert_eq!(line(&event(target), EventRequest::default()), expected);
        }
    }

    #[test]
    fn bytes_that_would_change_the_request_line_are_encoded() {
        let split = "/x HTTP/1.1\r\nHost: elsewhere\r\n\r\nGET /y\0\u{e9}\"#fragment";
        let text = render(&event(split), EventRequest::default()).0;
        let expected =
            "GET /base/x%20HTTP/1.1%0D%0AHost:%20elsewhere%0D%0A%0D%0AGET%20/y%00%C3%A9\"";
        assert_eq!(text.lines().next().unwrap(), format!("{expected} HTTP/1.1"));
        assert_eq!(text.matches("host: ").count(), 1);
    }

    #[test]
    fn the_host_is_the_target_unless_the_plan_says_otherwise() {
        let recorded = Event { host: b"shop.example".to_vec(), ..event("/") };
        let host = |rule| {
            let request = EventRequest { host: rule, ..EventRequest::default() };
            render(&recorded, request).0.lines().nth(1).unwrap().to_owned()
        };
        assert_eq!(host(HostRule::Target), "host: 127.0.0.1:8080");
        assert_eq!(host(HostRule::Keep), "host: shop.example");
        assert_eq!(host(HostRule::Named("other.example".to_owned())), "host: other.example");
        let strange = Event { host: b"a\r\nb: c".to_vec(), ..event("/") };
        let request = EventRequest { host: HostRule::Keep, ..EventRequest::default() };
        assert!(render(&strange, request).0.contains("\r\nhost: 127.0.0.1:8080\r\n"));
    }

    #[test]
    fn headers_follow_the_rules_and_those_of_a_connection_are_never_replayed() {
        let block = "Host: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n\
                     Cookie: c=1\r\nX-Old: 1\r\nAccept: */*\r\nAuthorization: recorded\r\nbad name: x\r\n";
        let recorded = Event { headers: block.into(), ..event("/") };
        let request = EventRequest {
            remove: vec![HeaderName::from_static("cookie")],
            rename: vec![(HeaderName::from_static("x-old"), HeaderName::from_static("x-new"))],
            set: vec![(
                HeaderName::from_static("authorization"),
                Template::parse("Bearer {{seq()}}").unwrap(),
            )],
            is_marked: true,
            ..EventRequest::default()
        };
        let (text, _) = render(&recorded, request);
        let version = env!("CARGO_PKG_VERSION");
        let expected = format!(
            "GET /base/ HTTP/1.1\r\nhost: 127.0.0.1:8080\r\nx-new: 1\r\naccept: */*\r\n\
             authorization: Bearer 7\r\nuser-agent: openload/{version}\r\n\
             x-replayed-by: openload/{version}\r\n\r\n"
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn bodies_are_the_recorded_ones_or_as_long() {
        let rendered = |method: &str, body: Option<&str>, bytes, rule| {
            let event = Event {
                method: method.into(),
                body: body.map(Into::into),
                body_bytes: bytes,
                ..event("/")
            };
            render(&event, EventRequest { body: rule, ..EventRequest::default() })
        };
        let (text, rendered_one) = rendered("POST", Some("a=1"), None, BodyRule::Recorded);
        assert!(text.ends_with("content-length: 3\r\n\r\na=1"));
        assert_eq!(rendered_one.body_bytes, 3);
        assert_eq!(rendered("PUT", None, Some(100_000), BodyRule::Recorded).1.body_bytes, 100_000);
        assert!(rendered("POST", None, None, BodyRule::Recorded).0.contains("content-length: 0"));
        assert!(rendered("POST", Some("x"), None, BodyRule::Empty).0.contains("content-length: 0"));
        assert!(!rendered("GET", None, Some(0), BodyRule::Recorded).0.contains("content-length"));
        assert!(rendered("HEAD", None, None, BodyRule::Recorded).1.is_head);
    }

    #[test]
    fn rewriting_happens_before_anything_is_encoded() {
        let request = EventRequest {
            rewrite: vec![
                (Regex::new("^/v1/").unwrap(), b"/v2/".to_vec()),
                (Regex::new("id=([0-9]+)").unwrap(), b"key=<$1>".to_vec()),
            ],
            ..EventRequest::default()
        };
        assert_eq!(line(&event("/v1/a?id=12"), request), "GET /base/v2/a?key=<12> HTTP/1.1");
    }

    #[test]
    fn an_event_that_does_not_say_what_it_asked_for_sends_the_streams_own_request() {
        let unknown = Event { target: Vec::new(), ..event("") };
        assert!(line(&unknown, EventRequest::default()).starts_with("GET /base/items/"));
    }

    #[test]
    fn more_headers_than_a_request_may_have_are_left_out() {
        let many: String = (0..500).map(|number| format!("x-{number}: 1\r\n")).collect();
        let recorded = Event { headers: many.into(), ..event("/") };
        assert!(render(&recorded, EventRequest::default()).0.contains("x-90: 1"));
    }
}
