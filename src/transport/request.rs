//! Requests, prepared before the run and filled in per arrival.

use bytes::Bytes;
use http::header::{HOST, HeaderValue, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Uri};
use http_body_util::Full;
use thiserror::Error;

use super::HttpRequest;
use crate::plan::{Plan, RequestPlan, TargetAddress};
use crate::template::{Draws, Template};

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
}

/// All requests of a plan, by scenario.
pub struct Requests {
    seed: u64,
    requests: Vec<Prepared>,
}

struct Prepared {
    method: Method,
    base_path: String,
    path: Template,
    /// The whole path, when nothing in it changes.
    fixed_uri: Option<Uri>,
    /// Headers that do not change, those of the protocol included.
    fixed_headers: HeaderMap,
    headers: Vec<(http::HeaderName, Template)>,
    body: Option<Template>,
}

impl Requests {
    /// Prepares the requests of `plan`, one per scenario, for its target.
    ///
    /// # Errors
    /// When a request cannot be sent. Functions in templates yield digits only, so one
    /// filling that can be sent means that all can.
    pub fn new(plan: &Plan) -> Result<Self, RequestError> {
        let (authority, base_path) = match &plan.target {
            TargetAddress::Tcp { tls, host, port, base_path } => {
                (authority(host, *port, *tls), base_path.as_str())
            }
            TargetAddress::Embedded | TargetAddress::Unix { .. } => ("localhost".to_owned(), ""),
        };
        let prepared = plan.scenarios.iter().map(|scenario| {
            let prepared = Prepared::new(&scenario.request, &authority, base_path)?;
            prepared.try_render(Draws::new(plan.seed, 0), &scenario.request.name)?;
            Ok(prepared)
        });
        Ok(Self { seed: plan.seed, requests: prepared.collect::<Result<_, RequestError>>()? })
    }

    /// Fills in the request of `scenario` for arrival `seq`.
    ///
    /// # Panics
    /// When `scenario` is not one of the plan.
    pub fn render(&self, scenario: u16, seq: u64) -> HttpRequest {
        let prepared = &self.requests[usize::from(scenario)];
        prepared
            .try_render(Draws::new(self.seed, seq), "")
            .expect("a request that was rendered once before the run can be rendered again")
    }
}

/// Host and port as the `Host` header wants them: the scheme's own port is left out.
fn authority(host: &str, port: u16, tls: bool) -> String {
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    if port == if tls { 443 } else { 80 } { host } else { format!("{host}:{port}") }
}

impl Prepared {
    fn new(plan: &RequestPlan, authority: &str, base_path: &str) -> Result<Self, RequestError> {
        let mut prepared = Self {
            method: plan.method.clone(),
            base_path: base_path.to_owned(),
            path: plan.path.clone(),
            fixed_uri: None,
            fixed_headers: HeaderMap::new(),
            headers: Vec::new(),
            body: plan.body.clone(),
        };
        let agent = concat!("openload/", env!("CARGO_PKG_VERSION"));
        prepared.fixed_headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        prepared.fixed_headers.insert(HOST, header_value(plan, "host", authority)?);
        for (name, value) in &plan.headers {
            match value.as_literal() {
                Some(text) => {
                    let value = header_value(plan, name.as_str(), text)?;
                    prepared.fixed_headers.insert(name.clone(), value);
                }
                None => prepared.headers.push((name.clone(), value.clone())),
            }
        }
        if let Some(path) = plan.path.as_literal() {
            prepared.fixed_uri = Some(uri(&plan.name, format!("{base_path}{path}"))?);
        }
        Ok(prepared)
    }

    fn try_render(&self, draws: Draws, name: &str) -> Result<HttpRequest, RequestError> {
        let mut request = HttpRequest::new(Full::new(self.render_body(draws)));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = match &self.fixed_uri {
            Some(uri) => uri.clone(),
            None => {
                let mut path = self.base_path.clone();
                self.path.render(draws, &mut path);
                uri(name, path)?
            }
        };
        *request.headers_mut() = self.fixed_headers.clone();
        for (header, template) in &self.headers {
            let mut text = String::new();
            template.render(draws, &mut text);
            let value = HeaderValue::from_str(&text).map_err(|_| RequestError::Header {
                request: name.to_owned(),
                header: header.to_string(),
                value: text,
            })?;
            request.headers_mut().insert(header.clone(), value);
        }
        Ok(request)
    }

    fn render_body(&self, draws: Draws) -> Bytes {
        let Some(body) = &self.body else { return Bytes::new() };
        let mut text = String::new();
        body.render(draws, &mut text);
        Bytes::from(text)
    }
}

fn header_value(plan: &RequestPlan, name: &str, text: &str) -> Result<HeaderValue, RequestError> {
    HeaderValue::from_str(text).map_err(|_| RequestError::Header {
        request: plan.name.clone(),
        header: name.to_owned(),
        value: text.to_owned(),
    })
}

fn uri(request: &str, path: String) -> Result<Uri, RequestError> {
    match PathAndQuery::try_from(path.as_str()) {
        Ok(path) => Ok(Uri::from(path)),
        Err(error) => {
            Err(RequestError::Path { request: request.to_owned(), path, cause: error.to_string() })
        }
    }
}
