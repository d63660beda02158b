//! Access logs of AWS load balancers: Application, and Classic.
//!
//! ```text
//! type time elb client:port target:port request_processing_time target_processing_time
//!     response_processing_time elb_status target_status received sent "request" "agent" cipher
//!     protocol target_group "trace" "domain" "certificate" rule request_creation_time …
//! ```
//!
//! (one line). `time` is when the response was generated; `request_creation_time` is when the
//! request was received, and is preferred. The three processing times are in seconds, −1 when
//! unknown. AWS appends fields every now and then, so whatever follows is accepted. Files of
//! AWS are a best effort, not a full record.
//!
//! The Classic format has no type, ends behind `protocol`, and its time is when the request was
//! received.

use super::LineFormat;
use super::request::{
    address, duration, host_of, number, present, push_header, request_line, status,
};
use super::words::Words;
use crate::record::{Moment, Record, SECOND_NS, Skip};
use crate::time::parse_rfc3339;

/// Both times have six digits.
const MICROSECOND_NS: i64 = SECOND_NS / 1_000_000;

/// Reads access logs of AWS Application and Classic Load Balancers.
#[derive(Debug, Clone, Default)]
pub struct Alb {
    headers: Vec<u8>,
}

impl LineFormat for Alb {
    fn parse<'a>(&'a mut self, line: &'a [u8]) -> Result<Option<Record<'a>>, Skip> {
        let mut words = Words::new(line);
        let Some(first) = words.next() else { return Ok(None) };
        // Only the Classic format begins with a time.
        let classic_ns = parse_rfc3339(first);
        let end_ns = match classic_ns {
            Some(time_ns) => time_ns,
            None => {
                check_type(first)?;
                parse_rfc3339(words.expect()?).ok_or(Skip::BadTime)?
            }
        };
        words.pass(1)?;
        let client = words.expect()?;
        words.pass(1)?;
        let processing = [words.expect()?, words.expect()?, words.expect()?];
        let status = status(words.expect()?)?;
        words.pass(1)?;
        words.pass(1)?;
        let bytes = number(words.expect()?)?;
        let request = words.expect()?;
        let agent = words.next().unwrap_or_default();
        let mut domain = b"".as_slice();
        let mut created_ns = None;
        if classic_ns.is_none() {
            // Cipher, protocol, target group, trace; certificate, rule.
            domain = words.nth(4).map_or(domain, present);
            created_ns = words.nth(2).and_then(parse_rfc3339);
        }
        if request.starts_with(b"- - -") {
            return Err(Skip::NotHttp);
        }
        let request = request_line(request)?;
        let start_ns = classic_ns.or(created_ns);
        self.headers.clear();
        push_header(b"user-agent", agent, &mut self.headers);
        Ok(Some(Record {
            time_ns: start_ns.unwrap_or(end_ns),
            moment: if start_ns.is_some() { Moment::Start } else { Moment::End },
            resolution_ns: MICROSECOND_NS,
            duration_ns: total(processing)?
                .or_else(|| created_ns.and_then(|start_ns| end_ns.checked_sub(start_ns)))
                .filter(|&duration_ns| duration_ns >= 0),
            session: address(present(client)),
            method: request.method,
            target: request.target,
            host: if domain.is_empty() { host_of(request.target) } else { domain },
            headers: &self.headers,
            status,
            bytes,
            ..Record::default()
        }))
    }
}

/// Checks that a line's type is that of HTTP requests.
fn check_type(name: &[u8]) -> Result<(), Skip> {
    match name {
        b"http" | b"https" | b"h2" | b"grpc" | b"grpcs" => Ok(()),
        // What follows the opening of a WebSocket is not HTTP, and the line is of its whole life.
        b"ws" | b"wss" | b"tls" | b"tcp" => Err(Skip::NotHttp),
        _ => Err(Skip::Malformed),
    }
}

/// The sum of the processing times, unless one is unknown.
fn total(processing: [&[u8]; 3]) -> Result<Option<i64>, Skip> {
    processing.into_iter().try_fold(Some(0_i64), |total, text| {
        let part = duration(text, SECOND_NS)?;
        Ok(total.zip(part).and_then(|(total, part)| total.checked_add(part)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"https 2018-07-02T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 192.0.2.39:2817 10.0.0.1:80 0.086 0.048 0.037 200 201 0 57 "GET https://www.example.com:443/a?b HTTP/1.1" "curl/7.46.0" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067 "Root=1-58337281-1d84f3d73c47ec4e58577259" "www.example.org" "arn:aws:acm:us-east-2:123456789012:certificate/12345678-1234-1234-1234-123456789012" 1 2018-07-02T22:22:59.364000Z "authenticate,forward" "-" "-" "10.0.0.1:80" "200" "-" "-" TID_123456"#;

    fn parsed(line: &str) -> Result<(i64, Moment, Option<i64>, String), Skip> {
        let mut format = Alb::default();
        let record = format.parse(line.as_bytes())?.unwrap();
        let host = String::from_utf8(record.host.to_vec()).unwrap();
        Ok((record.time_ns, record.moment, record.duration_ns, host))
    }

    #[test]
    fn the_time_of_reception_is_preferred() {
        let mut format = Alb::default();
        let record = format.parse(LINE.as_bytes()).unwrap().unwrap();
        let expected = Record {
            time_ns: 1_530_570_179_364_000_000,
            moment: Moment::Start,
            resolution_ns: 1000,
            duration_ns: Some(171_000_000),
            session: b"192.0.2.39",
            method: b"GET",
            target: b"https://www.example.com:443/a?b",
            host: b"www.example.org",
            headers: b"user-agent: curl/7.46.0\r\n",
            status: Some(200),
            bytes: Some(57),
            ..Record::default()
        };
        assert_eq!(record, expected);
    }

    #[test]
    fn without_it_the_end_and_the_processing_times_must_do() {
        let line = LINE.replace("2018-07-02T22:22:59.364000Z", "-");
        let end_ns = 1_530_570_180_186_641_000;
        let host = "www.example.org".to_owned();
        assert_eq!(parsed(&line), Ok((end_ns, Moment::End, Some(171_000_000), host)));
        // The first version of the format ended behind the trace.
        let old = LINE.split(" \"www.example.org\"").next().unwrap();
        let host = "www.example.com:443".to_owned();
        assert_eq!(parsed(old), Ok((end_ns, Moment::End, Some(171_000_000), host)));
    }

    #[test]
    fn unknown_processing_times_are_replaced_by_the_difference() {
        let line = LINE.replace("0.048", "-1");
        assert_eq!(parsed(&line).unwrap().2, Some(822_641_000));
        let line = line.replace("2018-07-02T22:22:59.364000Z", "-");
        assert_eq!(parsed(&line).unwrap().2, None);
    }

    #[test]
    fn a_target_that_was_never_reached_is_an_arrival() {
        let line = LINE.replace("10.0.0.1:80 0.086 0.048 0.037 200 201", "- -1 -1 -1 503 -");
        let mut format = Alb::default();
        assert_eq!(format.parse(line.as_bytes()).unwrap().unwrap().status, Some(503));
    }

    #[test]
    fn the_classic_format_is_understood() {
        let line = r#"2015-05-13T23:39:43.945958Z my-loadbalancer 192.0.2.39:2817 10.0.0.1:80 0.000073 0.001048 0.000057 200 200 0 29 "GET http://www.example.com:80/ HTTP/1.1" "curl/7.38.0" - -"#;
        let host = "www.example.com:80".to_owned();
        let expected = (1_431_560_383_945_958_000, Moment::Start, Some(1_178_000), host);
        assert_eq!(parsed(line), Ok(expected));
        let tcp = line.replace("GET http://www.example.com:80/ HTTP/1.1", "- - - ");
        assert_eq!(parsed(&tcp), Err(Skip::NotHttp));
    }

    #[test]
    fn what_is_no_http_is_named() {
        let with = |from: &str, to: &str| LINE.replace(from, to);
        for (text, reason) in [
            (with("https 2018", "wss 2018"), Skip::NotHttp),
            (with("https 2018", "other 2018"), Skip::Malformed),
            (with("https 2018", "https x2018"), Skip::BadTime),
            (
                with("GET https://www.example.com:443/a?b HTTP/1.1", "- http://a:80- -"),
                Skip::BadRequest,
            ),
            (with(" 0.086 ", " soon "), Skip::BadNumber),
            ("http 2018-07-02T22:23:00.186641Z app/x 192.0.2.1:1 - 0".into(), Skip::Malformed),
        ] {
            assert_eq!(parsed(&text), Err(reason), "{text}");
        }
    }
}
