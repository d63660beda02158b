//! Requests, prepared before the run and filled in per arrival.
//!
//! What does not change from request to request is put together once: for the lean engine as
//! bytes, for hyper as its own types. A request without places to fill in is one copy of
//! bytes that were made before the run.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, HeaderValue, USER_AGENT};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, Method, Uri};
use http_body_util::Full;
use openload_traces::record::Tokens;
use thiserror::Error;

use crate::plan::{Plan, RequestPlan, TargetAddress};
use crate::template::{Draws, Template};

/// A request as hyper takes it.
pub(super) type HttpRequest = http::Request<Full<Bytes>>;

/// A request of the plan cannot be sent.
#[derive(Debug, Error)]
pub enum RequestError {
    /// The path, once filled in, is not one.
    #[error("request `{request}`: `{path}` is not a path: {cause}")]
    Path {
        /// Name of the request.
        request: String,
        /// Path of one filling.
        path: String,
        /// What is wrong with it.
        cause: String,
    },
    /// A header, once filled in, cannot be sent.
    #[error("request `{request}`: header `{header}` cannot hold `{value}`")]
    Header {
        /// Name of the request.
        request: String,
        /// Name of the header.
        header: String,
        /// Value of one filling.
        value: String,
    },
    /// The target's name cannot be that of a host.
    #[error("`{authority}` cannot be named as the host of a request: {cause}")]
    Authority {
        /// Host and port.
        authority: String,
        /// What is wrong with them.
        cause: String,
    },
}

/// All requests of a plan, by scenario.
pub struct Requests {
    seed: u64,
    origin: Origin,
    requests: Vec<Prepared>,
}

impl Requests {
    /// Prepares the requests of `plan`, one per scenario, for its target.
    ///
    /// # Errors
    /// When a request cannot be sent. Functions in templates yield digits only, so one
    /// filling that can be sent means that all can.
    pub fn new(plan: &Plan) -> Result<Self, RequestError> {
        let origin = Origin::of(&plan.target)?;
        let prepared = plan.scenarios.iter().map(|scenario| {
            let prepared = Prepared::new(&scenario.request, &origin)?;
            prepared.try_http(Draws::new(plan.seed, 0), &scenario.request.name)?;
            Ok(prepared)
        });
        let requests = prepared.collect::<Result<_, RequestError>>()?;
        Ok(Self { seed: plan.seed, origin, requests })
    }

    /// The request of `scenario` for arrival `seq`.
    ///
    /// # Panics
    /// When `scenario` is not one of the plan.
    pub fn get(&self, scenario: u16, seq: u64) -> Request<'_> {
        let prepared = &self.requests[usize::from(scenario)];
        Request(Form::Prepared(prepared, Draws::new(self.seed, seq)))
    }

    /// The request of `scenario` for arrival `seq`, made for an event of a trace.
    ///
    /// # Panics
    /// When `scenario` is not one of the plan.
    pub fn for_event(&self, scenario: u16, seq: u64, tokens: Tokens) -> Request<'_> {
        let prepared = &self.requests[usize::from(scenario)];
        Request(Form::Prepared(prepared, Draws::new(self.seed, seq).with_tokens(tokens)))
    }

    /// A request that was put together before: see [`Encoded`].
    pub fn encoded<'a>(&'a self, encoded: Encoded<'a>) -> Request<'a> {
        Request(Form::Encoded(encoded, &self.origin))
    }
}

/// A request as bytes of HTTP/1.1: head and body as they are sent.
#[derive(Debug, Clone, Copy)]
pub struct Encoded<'a> {
    /// Head and body.
    pub bytes: &'a [u8],
    /// Length of the body.
    pub body_bytes: u32,
    /// Whether the response will have no body whatever its head says.
    pub is_head: bool,
}

/// The request of one arrival; it becomes bytes or types when a connection asks for them.
#[derive(Clone, Copy)]
pub struct Request<'a>(Form<'a>);

#[derive(Clone, Copy)]
enum Form<'a> {
    Prepared(&'a Prepared, Draws),
    Encoded(Encoded<'a>, &'a Origin),
}

impl Request<'_> {
    /// Tells whether the response will have no body whatever its head says.
    pub fn is_head(self) -> bool {
        match self.0 {
            Form::Prepared(prepared, _) => prepared.method == Method::HEAD,
            Form::Encoded(encoded, _) => encoded.is_head,
        }
    }

    /// Appends the request as HTTP/1.1 bytes to `output`; returns the length of its body.
    pub fn encode(self, output: &mut Vec<u8>) -> u32 {
        match self.0 {
            Form::Prepared(prepared, draws) => prepared.wire.encode(draws, output),
            Form::Encoded(encoded, _) => {
                output.extend_from_slice(encoded.bytes);
                encoded.body_bytes
            }
        }
    }

    /// The request as hyper takes it, with a path alone.
    pub(super) fn to_http(self) -> HttpRequest {
        let request = match self.0 {
            Form::Prepared(prepared, draws) => prepared.try_http(draws, "").ok(),
            Form::Encoded(encoded, _) => encoded.parse(),
        };
        request.expect("a request that was made once before can be made again")
    }

    fn origin(self) -> (Scheme, Authority) {
        let (scheme, authority) = match self.0 {
            Form::Prepared(prepared, _) => (&prepared.scheme, &prepared.authority),
            Form::Encoded(_, origin) => (&origin.scheme, &origin.authority),
        };
        (scheme.clone(), authority.clone())
    }

    /// The request as HTTP/2 wants it: scheme and authority in the URI, no `host`.
    pub(super) fn to_http2(self) -> HttpRequest {
        let mut request = self.to_http();
        let mut parts = std::mem::take(request.uri_mut()).into_parts();
        let (scheme, authority) = self.origin();
        (parts.scheme, parts.authority) = (Some(scheme), Some(authority));
        *request.uri_mut() =
            Uri::from_parts(parts).expect("a path joined to a scheme and an authority is a URI");
        request.headers_mut().remove(HOST);
        request
    }
}

/// Most headers of a request that was put together before.
pub(crate) const HEADERS_MAX: usize = 100;

impl Encoded<'_> {
    /// Takes the bytes apart again, as hyper wants them; `None` when they are no request. Characters
    /// that a path has in practice and not by RFC 3986 are percent-encoded where the types of
    /// `http` refuse them.
    pub(crate) fn parse(self) -> Option<HttpRequest> {
        let line_end = self.bytes.windows(2).position(|two| two == LINE_END)?;
        let mut words = self.bytes[..line_end].split(|&byte| byte == b' ');
        let (method, target) = (words.next()?, words.next()?);
        let rest = &self.bytes[line_end + LINE_END.len()..];
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let httparse::Status::Complete((head_bytes, headers)) =
            httparse::parse_headers(rest, &mut headers).ok()?
        else {
            return None;
        };
        let body = Bytes::copy_from_slice(rest.get(head_bytes..)?);
        let mut request = HttpRequest::new(Full::new(body));
        *request.method_mut() = Method::from_bytes(method).ok()?;
        let path = PathAndQuery::try_from(target).or_else(|_| {
            let mut encoded = Vec::new();
            push_encoded(target, |byte| !b"<>`\"\\^{|}".contains(&byte), &mut encoded);
            PathAndQuery::try_from(encoded)
        });
        *request.uri_mut() = Uri::from(path.ok()?);
        for header in headers {
            let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
            // The length of the body is hyper's to say.
            if name != CONTENT_LENGTH {
                request.headers_mut().append(name, HeaderValue::from_bytes(header.value).ok()?);
            }
        }
        Some(request)
    }
}

/// Appends bytes, percent-encoding those that are not to be kept.
pub(crate) fn push_encoded(bytes: &[u8], is_kept: impl Fn(u8) -> bool, output: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in bytes {
        if is_kept(byte) {
            output.push(byte);
        } else {
            output.extend([b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    }
}

/// What the requests of a run have in common: whom they ask.
pub(crate) struct Origin {
    scheme: Scheme,
    /// Host and port, as the `host` header has them.
    pub authority: Authority,
    /// Path before every path, without a slash at its end.
    pub base_path: String,
}

impl Origin {
    /// Whom the requests for `target` ask.
    ///
    /// # Errors
    /// When the target's name cannot be that of a host.
    pub fn of(target: &TargetAddress) -> Result<Self, RequestError> {
        let (is_tls, authority, base_path) = match target {
            TargetAddress::Tcp { tls, host, port, base_path } => {
                (*tls, authority(host, *port, *tls), base_path.clone())
            }
            TargetAddress::Embedded | TargetAddress::Unix { .. } => {
                (false, "localhost".to_owned(), String::new())
            }
        };
        let parsed = Authority::try_from(authority.as_str());
        Ok(Self {
            scheme: if is_tls { Scheme::HTTPS } else { Scheme::HTTP },
            authority: parsed
                .map_err(|error| RequestError::Authority { authority, cause: error.to_string() })?,
            base_path,
        })
    }
}

/// Host and port as the `Host` header wants them: the scheme's own port is left out.
fn authority(host: &str, port: u16, tls: bool) -> String {
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    if port == if tls { 443 } else { 80 } { host } else { format!("{host}:{port}") }
}

struct Prepared {
    method: Method,
    scheme: Scheme,
    authority: Authority,
    base_path: String,
    path: Template,
    /// The whole path, when nothing in it changes.
    fixed_uri: Option<Uri>,
    /// Headers that do not change, those of the protocol included.
    fixed_headers: HeaderMap,
    headers: Vec<(HeaderName, Template)>,
    body: Option<Template>,
    wire: Wire,
}

impl Prepared {
    fn new(plan: &RequestPlan, origin: &Origin) -> Result<Self, RequestError> {
        let mut fixed_headers = HeaderMap::new();
        let agent = concat!("openload/", env!("CARGO_PKG_VERSION"));
        fixed_headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        fixed_headers.insert(HOST, header_value(plan, "host", origin.authority.as_str())?);
        let mut headers = Vec::new();
        for (name, value) in &plan.headers {
            match value.as_literal() {
                Some(text) => {
                    fixed_headers.insert(name.clone(), header_value(plan, name.as_str(), text)?);
                }
                None => {
                    fixed_headers.remove(name);
                    headers.push((name.clone(), value.clone()));
                }
            }
        }
        let base_path = &origin.base_path;
        let fixed_uri = match plan.path.as_literal() {
            Some(path) => Some(uri(&plan.name, format!("{base_path}{path}").as_bytes())?),
            None => None,
        };
        let wire = Wire::new(plan, base_path, &fixed_headers, &headers);
        Ok(Self {
            method: plan.method.clone(),
            scheme: origin.scheme.clone(),
            authority: origin.authority.clone(),
            base_path: base_path.clone(),
            path: plan.path.clone(),
            fixed_uri,
            fixed_headers,
            headers,
            body: plan.body.clone(),
            wire,
        })
    }

    fn try_http(&self, draws: Draws, name: &str) -> Result<HttpRequest, RequestError> {
        let mut request = HttpRequest::new(Full::new(self.render_body(draws)));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = match &self.fixed_uri {
            Some(uri) => uri.clone(),
            None => {
                let mut path = self.base_path.clone().into_bytes();
                self.path.render(draws, &mut path);
                uri(name, &path)?
            }
        };
        *request.headers_mut() = self.fixed_headers.clone();
        for (header, template) in &self.headers {
            let mut text = Vec::new();
            template.render(draws, &mut text);
            let value = HeaderValue::from_bytes(&text).map_err(|_| RequestError::Header {
                request: name.to_owned(),
                header: header.to_string(),
                value: String::from_utf8_lossy(&text).into_owned(),
            })?;
            request.headers_mut().insert(header.clone(), value);
        }
        Ok(request)
    }

    fn render_body(&self, draws: Draws) -> Bytes {
        let Some(body) = &self.body else { return Bytes::new() };
        let mut text = Vec::new();
        body.render(draws, &mut text);
        Bytes::from(text)
    }
}

/// A request as bytes of HTTP/1.1, with the places still to be filled in.
enum Wire {
    /// Nothing changes: head and body as they are sent.
    Fixed { bytes: Vec<u8>, body_bytes: u32 },
    Filled {
        /// Request line up to the base path.
        start: Vec<u8>,
        path: Template,
        /// End of the request line and the headers that do not change.
        fixed_headers: Vec<u8>,
        /// `name: ` and value.
        headers: Vec<(Vec<u8>, Template)>,
        body: WireBody,
    },
}

enum WireBody {
    /// None, and no word about it.
    None,
    /// One that does not change, with its `content-length`, from the end of the headers on.
    Fixed {
        bytes: Vec<u8>,
        body_bytes: u32,
    },
    Filled(Template),
}

const LINE_END: &[u8] = b"\r\n";

impl Wire {
    fn new(
        plan: &RequestPlan,
        base_path: &str,
        fixed: &HeaderMap,
        filled: &[(HeaderName, Template)],
    ) -> Self {
        let mut fixed_headers = b" HTTP/1.1\r\n".to_vec();
        for (name, value) in fixed {
            fixed_headers.extend_from_slice(&header_start(name));
            fixed_headers.extend_from_slice(value.as_bytes());
            fixed_headers.extend_from_slice(LINE_END);
        }
        let headers =
            filled.iter().map(|(name, value)| (header_start(name), value.clone())).collect();
        let wire = Self::Filled {
            start: format!("{} {base_path}", plan.method).into_bytes(),
            path: plan.path.clone(),
            fixed_headers,
            headers,
            body: WireBody::new(plan),
        };
        wire.settle()
    }

    /// Puts everything together now, when there is nothing to fill in later.
    fn settle(self) -> Self {
        let Self::Filled { path, headers, body, .. } = &self else { return self };
        let is_fixed = path.as_literal().is_some() && headers.is_empty();
        if !is_fixed || matches!(body, WireBody::Filled(_)) {
            return self;
        }
        let mut bytes = Vec::new();
        let body_bytes = self.encode(Draws::new(0, 0), &mut bytes);
        Self::Fixed { bytes, body_bytes }
    }

    fn encode(&self, draws: Draws, output: &mut Vec<u8>) -> u32 {
        match self {
            Self::Fixed { bytes, body_bytes } => {
                output.extend_from_slice(bytes);
                *body_bytes
            }
            Self::Filled { start, path, fixed_headers, headers, body } => {
                output.extend_from_slice(start);
                path.render(draws, output);
                output.extend_from_slice(fixed_headers);
                for (name, value) in headers {
                    output.extend_from_slice(name);
                    value.render(draws, output);
                    output.extend_from_slice(LINE_END);
                }
                body.encode(draws, output)
            }
        }
    }
}

impl WireBody {
    fn new(plan: &RequestPlan) -> Self {
        // Methods that are meant to carry a body say so even when it is empty (RFC 9110 §8.6).
        let expects_body = [Method::POST, Method::PUT, Method::PATCH].contains(&plan.method);
        match &plan.body {
            None if !expects_body => Self::None,
            Some(body) if body.as_literal().is_none() => Self::Filled(body.clone()),
            body => {
                let text = body.as_ref().and_then(Template::as_literal).unwrap_or_default();
                let mut bytes = Vec::new();
                push_content_length(text.len(), &mut bytes);
                bytes.extend_from_slice(text.as_bytes());
                Self::Fixed { bytes, body_bytes: length_u32(text.len()) }
            }
        }
    }

    /// Appends what follows the headers; returns the length of the body.
    fn encode(&self, draws: Draws, output: &mut Vec<u8>) -> u32 {
        match self {
            Self::None => {
                output.extend_from_slice(LINE_END);
                0
            }
            Self::Fixed { bytes, body_bytes } => {
                output.extend_from_slice(bytes);
                *body_bytes
            }
            Self::Filled(template) => {
                // Its length is known once it is rendered and stands before it: both are
                // appended and change places, which needs no memory of its own.
                let start = output.len();
                template.render(draws, output);
                let end = output.len();
                push_content_length(end - start, output);
                let head = output.len() - end;
                output[start..].rotate_right(head);
                length_u32(end - start)
            }
        }
    }
}

fn header_start(name: &HeaderName) -> Vec<u8> {
    format!("{name}: ").into_bytes()
}

/// Appends the length of the body and the end of the head.
fn push_content_length(length: usize, output: &mut Vec<u8>) {
    output.extend_from_slice(b"content-length: ");
    output.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
    output.extend_from_slice(b"\r\n\r\n");
}

fn length_u32(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn header_value(plan: &RequestPlan, name: &str, text: &str) -> Result<HeaderValue, RequestError> {
    HeaderValue::from_str(text).map_err(|_| RequestError::Header {
        request: plan.name.clone(),
        header: name.to_owned(),
        value: text.to_owned(),
    })
}

fn uri(request: &str, path: &[u8]) -> Result<Uri, RequestError> {
    match PathAndQuery::try_from(path) {
        Ok(path) => Ok(Uri::from(path)),
        Err(error) => Err(RequestError::Path {
            request: request.to_owned(),
            path: String::from_utf8_lossy(path).into_owned(),
            cause: error.to_string(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, Method};

    use super::Requests;
    use crate::plan::Plan;
    use crate::simulation::{constant_plan, scenario};
    use crate::template::Template;

    fn plan(method: Method, path: &str, header: &str, body: Option<&str>) -> Plan {
        let mut plan = constant_plan(1.0, 1);
        plan.scenarios = vec![scenario("one", 1.0)];
        let request = &mut plan.scenarios[0].request;
        request.method = method;
        request.path = Template::parse(path).unwrap();
        request.headers = vec![(HeaderName::from_static("x-n"), Template::parse(header).unwrap())];
        request.body = body.map(|body| Template::parse(body).unwrap());
        plan
    }

    fn encoded(plan: &Plan, seq: u64) -> (String, u32) {
        let mut bytes = Vec::new();
        let body_bytes = Requests::new(plan).unwrap().get(0, seq).encode(&mut bytes);
        (String::from_utf8(bytes).unwrap(), body_bytes)
    }

    #[test]
    fn requests_are_encoded_as_http_1_1() {
        let agent = concat!("user-agent: openload/", env!("CARGO_PKG_VERSION"), "\r\n");
        let get = plan(Method::GET, "/a", "1", None);
        let expected = format!("GET /a HTTP/1.1\r\n{agent}host: localhost\r\nx-n: 1\r\n\r\n");
        assert_eq!(encoded(&get, 7), (expected, 0));
        let post = plan(Method::POST, "/a/{{seq()}}", "{{seq()}}", Some("n={{seq()}}"));
        let expected = format!(
            "POST /a/12 HTTP/1.1\r\n{agent}host: localhost\r\nx-n: 12\r\n\
             content-length: 4\r\n\r\nn=12"
        );
        assert_eq!(encoded(&post, 12), (expected, 4));
    }

    #[test]
    fn a_method_that_carries_a_body_says_when_it_is_empty() {
        assert!(
            encoded(&plan(Method::POST, "/", "1", None), 1)
                .0
                .ends_with("content-length: 0\r\n\r\n")
        );
        assert!(!encoded(&plan(Method::GET, "/", "1", None), 1).0.contains("content-length"));
    }

    /// Both engines send the same request.
    #[test]
    fn bytes_and_types_agree() {
        let post = plan(Method::PUT, "/{{uniform(1, 99)}}", "{{seq()}}", Some("{{uniform(1, 9)}}"));
        let requests = Requests::new(&post).unwrap();
        for seq in 0..50 {
            let http = requests.get(0, seq).to_http();
            let (bytes, _) = encoded(&post, seq);
            assert!(bytes.starts_with(&format!("PUT {} HTTP/1.1", http.uri())), "{bytes}");
            for (name, value) in http.headers() {
                let line = format!("{name}: {}\r\n", value.to_str().unwrap());
                assert!(bytes.contains(&line), "{line} in {bytes}");
            }
        }
    }
}
