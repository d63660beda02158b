//! Line formats against real files, lines as documentation has them, and lines that were damaged.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::collections::{BTreeMap, BTreeSet};
use std::{fs, io};

use jiff::Timestamp;
use openload_traces::format::alb::Alb;
use openload_traces::format::envoy::Envoy;
use openload_traces::format::haproxy::Haproxy;
use openload_traces::format::ncsa::Ncsa;
use openload_traces::format::pattern::Pattern;
use openload_traces::format::squid::Squid;
use openload_traces::format::w3c::W3c;
use openload_traces::format::{Format, LineFormat, Sink};
use openload_traces::record::{Moment, Record, Skip};
use proptest::prelude::{Just, Strategy, any, prop, prop_oneof, proptest};
use proptest::test_runner::Config;

/// What a whole file came to.
#[derive(Debug, Default)]
struct Totals {
    methods: BTreeMap<String, u64>,
    statuses: BTreeMap<u16, u64>,
    skips: BTreeMap<&'static str, u64>,
    sessions: BTreeSet<Vec<u8>>,
    seconds: BTreeSet<i64>,
    bytes: u64,
}

impl Totals {
    fn of(format: &mut dyn Format, file: &str) -> Self {
        let path = format!("{}/samples/{file}", env!("CARGO_MANIFEST_DIR"));
        let input = fs::read(&path).unwrap();
        let mut totals = Self::default();
        format.read(&mut &input[..], &mut totals).unwrap();
        totals
    }
}

impl Sink for Totals {
    fn record(&mut self, _: u64, record: &Record<'_>) -> io::Result<()> {
        let method = String::from_utf8(record.method.to_vec()).unwrap();
        *self.methods.entry(method).or_default() += 1;
        *self.statuses.entry(record.status.unwrap()).or_default() += 1;
        self.sessions.insert(record.session.to_vec());
        self.seconds.insert(record.time_ns);
        self.bytes += record.bytes.unwrap();
        Ok(())
    }

    fn skip(&mut self, _: u64, reason: Skip, _: &[u8]) -> io::Result<()> {
        *self.skips.entry(reason.name()).or_default() += 1;
        Ok(())
    }
}

fn counts<K: Ord + Clone, V: Clone>(pairs: &[(K, V)]) -> BTreeMap<K, V> {
    pairs.iter().cloned().collect()
}

#[test]
fn the_common_log_of_nasa_is_counted_as_awk_counts_it() {
    let totals = Totals::of(&mut Ncsa::new(Moment::Start), "nasa_19950701_first1000.clf.log");
    // awk '{print $6}' | sort | uniq -c
    assert_eq!(totals.methods, counts(&[("GET".to_owned(), 1000)]));
    // awk '{print $(NF-1)}' | sort | uniq -c
    assert_eq!(totals.statuses, counts(&[(200, 873), (302, 51), (304, 70), (404, 6)]));
    // awk '{print $1}' | sort -u | wc -l
    assert_eq!(totals.sessions.len(), 135);
    // awk '{print $4}' | sort -u | wc -l
    assert_eq!(totals.seconds.len(), 622);
    // awk '{sum += $NF} END {print sum}'
    assert_eq!(totals.bytes, 19_928_140);
    assert!(totals.skips.is_empty());
}

#[test]
fn the_combined_log_of_elastic_is_counted_as_awk_counts_it() {
    let totals = Totals::of(&mut Ncsa::new(Moment::Start), "elastic_apache_combined_first1000.log");
    // awk '{print $6}' | sort | uniq -c
    assert_eq!(totals.methods, counts(&[("GET".to_owned(), 997), ("HEAD".to_owned(), 3)]));
    // awk '{print $9}' | sort | uniq -c
    let statuses = [(200, 896), (206, 17), (301, 53), (304, 17), (404, 17)];
    assert_eq!(totals.statuses, counts(&statuses));
    // awk '{print $1}' | sort -u | wc -l
    assert_eq!(totals.sessions.len(), 220);
    // awk '{print $4}' | sort -u | wc -l
    assert_eq!(totals.seconds.len(), 462);
    // awk '{sum += $10} END {print sum}'
    assert_eq!(totals.bytes, 101_366_732);
    assert!(totals.skips.is_empty());
}

#[test]
fn the_combined_log_reads_the_same_through_its_format_strings() {
    let file = "elastic_apache_combined_first1000.log";
    let plain = Totals::of(&mut Ncsa::new(Moment::Start), file);
    let apache = r#"%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\""#;
    let nginx = "$remote_addr - $remote_user [$time_local] \"$request\" $status \
                 $body_bytes_sent \"$http_referer\" \"$http_user_agent\"";
    for mut pattern in [Pattern::apache(apache).unwrap(), Pattern::nginx(nginx).unwrap()] {
        let compiled = Totals::of(&mut pattern, file);
        assert_eq!(format!("{compiled:?}"), format!("{plain:?}"));
    }
}

#[test]
fn the_log_of_scanners_and_binary_is_counted_as_grep_counts_it() {
    let totals = Totals::of(&mut Ncsa::new(Moment::End), "pitfall_combined_binary_latin1.log");
    // LC_ALL=C grep -aoP '\] "\K[!#-~]+(?= [^"]+" \d{3} \d)' | grep -av '\\' | sort | uniq -c
    let methods = [("GET".to_owned(), 137), ("HEAD".to_owned(), 1), ("POST".to_owned(), 18)];
    assert_eq!(totals.methods, counts(&methods));
    // TLS hellos, raw bytes, empty requests: LC_ALL=C grep -acP '\] "(?![A-Z]+ )'
    // 30 lines of 200 are of a compressed log that was written into this one:
    // LC_ALL=C grep -acvP '\[\d\d/\w{3}/\d{4}:'
    assert_eq!(totals.skips, counts(&[("bad_request", 14), ("malformed", 30)]));
    // LC_ALL=C grep -aoP '\] "[A-Z]+ [^"]+" \d{3} \K\d+' | awk '{sum += $1} END {print sum}'
    assert_eq!(totals.bytes, 7_995_909);
}

/// One record in a line: time, moment, step, duration, session, host, method, target, status,
/// bytes; `-` for what is missing.
fn summary(record: &Record<'_>) -> String {
    let time = Timestamp::from_nanosecond(record.time_ns.into()).unwrap();
    let moment = if record.moment == Moment::Start { "start" } else { "end" };
    let step_us = record.resolution_ns / 1000;
    let text = |bytes: &[u8]| match bytes {
        b"" => "-".to_owned(),
        bytes => String::from_utf8_lossy(bytes).into_owned(),
    };
    let number = |value: Option<u64>| value.map_or("-".to_owned(), |value| value.to_string());
    let duration_us = number(record.duration_ns.map(|ns| ns.unsigned_abs() / 1000));
    let [session, host] = [record.session, record.host].map(text);
    let [method, target] = [record.method, record.target].map(text);
    let [status, bytes] = [record.status.map(u64::from), record.bytes].map(number);
    format!(
        "{time} {moment} ±{step_us}us {duration_us}us {session} {host} {method} {target} {status} {bytes}"
    )
}

/// Lines in the forms that the products' own documentation gives (addresses are those set aside
/// for examples), and what they say.
const DOCUMENTED: &[(&str, &str, &str)] = &[
    // httpd.apache.org/docs/2.4/logs.html
    (
        "apache",
        r#"127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326"#,
        "2000-10-10T20:55:36Z start ±1000000us -us 127.0.0.1 - GET /apache_pb.gif 200 2326",
    ),
    (
        "apache",
        r#"127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326 "http://www.example.com/start.html" "Mozilla/4.08 [en] (Win98; I ;Nav)""#,
        "2000-10-10T20:55:36Z start ±1000000us -us 127.0.0.1 - GET /apache_pb.gif 200 2326",
    ),
    (
        "apache",
        r#"www.example.com:443 2001:db8::7 - - [10/Oct/2000:13:55:36 +0000] "GET / HTTP/1.1" 304 -"#,
        "2000-10-10T13:55:36Z start ±1000000us -us 2001:db8::7 www.example.com:443 GET / 304 0",
    ),
    // doc.traefik.io/traefik/observability/access-logs
    (
        "apache",
        r#"192.0.2.1 - - [10/Oct/2000:13:55:36 +0000] "GET /who HTTP/1.1" 200 394 "-" "curl/8.1" 12 "whoami@docker" "http://192.0.2.80:80" 7ms"#,
        "2000-10-10T13:55:36Z start ±1000000us 7000us 192.0.2.1 - GET /who 200 394",
    ),
    // nginx.org/en/docs/http/ngx_http_log_module.html, the predefined format
    (
        "nginx",
        r#"192.0.2.1 - - [10/Oct/2000:13:55:36 +0200] "GET /\x22a\x22 HTTP/2.0" 206 12 "-" "curl/8.1""#,
        "2000-10-10T11:55:36Z end ±1000000us -us 192.0.2.1 - GET /\"a\" 206 12",
    ),
    // wiki.squid-cache.org/Features/LogFormat
    (
        "squid",
        "1066036250.603 310 192.0.2.68 TCP_MISS/200 15133 GET http://www.example.com/ - DIRECT/192.0.2.9 text/html",
        "2003-10-13T09:10:50.603Z end ±1000us 310000us 192.0.2.68 www.example.com GET http://www.example.com/ 200 15133",
    ),
    (
        "squid",
        "1286536308.779    180 192.0.2.224 TCP_IMS_HIT/304 176 GET http://www.example.com:81/a?b - NONE/- image/gif",
        "2010-10-08T11:11:48.779Z end ±1000us 180000us 192.0.2.224 www.example.com:81 GET http://www.example.com:81/a?b 304 176",
    ),
    (
        "squid",
        "1286536308.000  19120 192.0.2.224 TCP_MISS/503 1055 POST http://www.example.com/b user HIER_NONE/- -",
        "2010-10-08T11:11:48Z end ±1000us 19120000us 192.0.2.224 www.example.com POST http://www.example.com/b 503 1055",
    ),
    // envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage
    (
        "envoy",
        r#"[2016-04-15T20:17:00.310Z] "POST /api/v1/locations HTTP/2" 204 - 154 0 226 100 "192.0.2.28" "nsq2http" "cc21d9b0-cf5c-432b-8c7e-98aeb7988cd2" "locations" "tcp://192.0.2.1:80""#,
        "2016-04-15T20:17:00.31Z start ±1000us 226000us 192.0.2.28 locations POST /api/v1/locations 204 0",
    ),
    (
        "envoy",
        r#"[2019-03-06T09:31:27.354Z] "GET /status/418 HTTP/1.1" 418 - "-" 0 135 11 10 "-" "curl/7.60.0" "d209e46f-9ed5-9b61-bbdd-43e22662702a" "httpbin:8000" "192.0.2.16:80" outbound|8000||httpbin.foo.svc.cluster.local - 192.0.2.7:8000 192.0.2.8:46520 -"#,
        "2019-03-06T09:31:27.354Z start ±1000us 11000us 192.0.2.8 httpbin:8000 GET /status/418 418 135",
    ),
    (
        "envoy",
        r#"[2020-11-25T21:26:18.409Z] "GET /status/418 HTTP/1.1" 418 - via_upstream - "-" 0 135 4 4 "-" "curl/7.73.0-DEV" "84961386-6d84-929d-98bd-c5aee93b5c88" "httpbin:8000" "192.0.2.27:80" outbound|8000||httpbin.foo.svc.cluster.local 192.0.2.26:37652 192.0.2.45:8000 192.0.2.26:46520 - default"#,
        "2020-11-25T21:26:18.409Z start ±1000us 4000us 192.0.2.26 httpbin:8000 GET /status/418 418 135",
    ),
    (
        "envoy",
        r#"[2018-12-17T00:00:00.005Z] "- - -" 0 UF 0 0 5 - "-" "-" "-" "-" "192.0.2.1:3306""#,
        "not_http",
    ),
    // docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html
    (
        "alb",
        r#"http 2018-07-02T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 192.0.2.39:2817 10.0.0.1:80 0.000 0.001 0.000 200 200 34 366 "GET http://www.example.com:80/ HTTP/1.1" "curl/7.46.0" - - arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067 "Root=1-58337262-36d228ad5d99923122bbe354" "-" "-" 0 2018-07-02T22:22:48.364000Z "forward" "-" "-" "10.0.0.1:80" "200" "-" "-" TID_1234abcd5678ef90"#,
        "2018-07-02T22:22:48.364Z start ±1us 1000us 192.0.2.39 www.example.com:80 GET http://www.example.com:80/ 200 366",
    ),
    (
        "alb",
        r#"h2 2018-07-02T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 192.0.2.65:48160 10.0.0.66:9000 0.000 0.002 0.000 200 200 5 257 "GET https://10.0.2.105:773/ HTTP/2.0" "curl/7.46.0" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067 "Root=1-58337327-72bd00b0343d75b906739c42" "-" "-" 1 2018-07-02T22:22:48.364000Z "redirect" "https://example.com:80/" "-" "10.0.0.66:9000" "200" "-" "-""#,
        "2018-07-02T22:22:48.364Z start ±1us 2000us 192.0.2.65 10.0.2.105:773 GET https://10.0.2.105:773/ 200 257",
    ),
    (
        "alb",
        r#"https 2018-11-30T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 192.0.2.39:2817 - 0.000 0.001 0.000 502 - 34 366 "GET http://www.example.com:80/ HTTP/1.1" "curl/7.46.0" - - arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067 "Root=1-58337364-23a8c76965a2ef7629b185e3" "api.example.com" "session-reused" 0 2018-11-30T22:22:48.364000Z "forward" "-" "LambdaInvalidResponse" "-" "-" "-" "-""#,
        "2018-11-30T22:22:48.364Z start ±1us 1000us 192.0.2.39 api.example.com GET http://www.example.com:80/ 502 366",
    ),
    (
        "alb",
        r#"ws 2018-07-02T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 10.0.0.140:40914 10.0.1.192:8010 0.001 0.003 0.000 101 101 218 587 "GET http://10.0.0.30:80/ HTTP/1.1" "-" - - arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067 "Root=1-58337364-23a8c76965a2ef7629b185e3" "-" "-" 1 2018-07-02T22:22:48.364000Z "forward" "-" "-" "10.0.1.192:8010" "101" "-" "-""#,
        "not_http",
    ),
    // learn.microsoft.com, W3C Extended Log File Examples
    (
        "iis",
        "2002-05-02 17:42:15 192.0.2.255 - 192.0.2.80 80 GET /images/picture.jpg - 200 Mozilla/4.0+(compatible;MSIE+5.5;+Windows+2000+Server)",
        "2002-05-02T17:42:15Z end ±1000000us -us 192.0.2.255 - GET /images/picture.jpg 200 -",
    ),
    (
        "iis",
        "2002-05-02 17:42:16 192.0.2.254 DOMAIN\\user 192.0.2.80 80 POST /a.asp id=7 500 Mozilla/4.0+(compatible;MSIE+5.5)",
        "2002-05-02T17:42:16Z end ±1000000us -us 192.0.2.254 - POST /a.asp?id=7 500 -",
    ),
    ("iis", "#Fields: time cs-method cs-uri time-taken", "nothing"),
    // www.w3.org/TR/WD-logfile
    ("iis", "#Date: 12-Jan-1996 00:00:00", "nothing"),
    ("iis", "#Date: 1996-01-12 00:00:00", "nothing"),
    (
        "iis",
        "00:34:23 GET /foo/bar.html 0.5",
        "1996-01-12T00:34:23Z end ±1000000us 500000us - - GET /foo/bar.html - -",
    ),
    // docs.aws.amazon.com/AmazonCloudFront, standard logging reference
    (
        "cloudfront",
        "2019-12-04\t21:02:31\tLAX1\t392\t192.0.2.100\tGET\td111111abcdef8.cloudfront.net\t/index.html\t200\t-\tMozilla/5.0%20(Windows%20NT%2010.0)\t-\t-\tHit\tSOX4xwn4XV6Q4rgb7XiVGOHms_BGlTAC4KyHmureZmBNrjGdRLiNIQ==\td111111abcdef8.cloudfront.net\thttps\t23\t0.001\t-\tTLSv1.2\tECDHE-RSA-AES128-GCM-SHA256\tHit\tHTTP/2.0\t-\t-\t11040\t0.001\tHit\ttext/html\t78\t-\t-",
        "2019-12-04T21:02:31Z end ±1000000us 1000us 192.0.2.100 d111111abcdef8.cloudfront.net GET /index.html 200 392",
    ),
    (
        "cloudfront",
        "2019-12-13\t22:36:27\tSEA19-C1\t900\t192.0.2.200\tGET\td111111abcdef8.cloudfront.net\t/favicon.ico\t502\thttp://www.example.com/\tMozilla/5.0%20(Windows)\ta=b\t-\tError\t1pkpNfBQ39sYMnjjUQjmH2w1wdJnbHYTbag21o_3OfcQgPzdL2RSSQ==\twww.example.com\thttp\t675\t0.102\t-\t-\t-\tError\tHTTP/1.1\t-\t-\t25260\t0.102\tOriginDnsError\ttext/html\t507\t-\t-",
        "2019-12-13T22:36:27Z end ±1000000us 102000us 192.0.2.200 www.example.com GET /favicon.ico?a=b 502 900",
    ),
    (
        "cloudfront",
        "2019-12-13\t22:37:02\tSEA19-C2\t900\t2001:db8::2\tGET\td111111abcdef8.cloudfront.net\t/\t502\t-\tcurl/7.55.1\t-\t-\tError\tkBkDzGnceVtWHqSCqBUqtA_cEs2T3tFUBbnBNkB9El_uVRhHgcZfcw==\twww.example.com\thttp\t387\t0.103\t-\t-\t-\tError\tHTTP/1.1\t-\t-\t12644\t0.103\tOriginDnsError\ttext/html\t507\t-\t-",
        "2019-12-13T22:37:02Z end ±1000000us 103000us 2001:db8::2 www.example.com GET / 502 900",
    ),
    // docs.haproxy.org, configuration manual, section 8.2.3
    (
        "haproxy",
        r#"Feb  6 12:14:14 localhost haproxy[14389]: 192.0.2.2:33317 [06/Feb/2009:12:14:14.655] http-in static/srv1 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 {1wt.eu} {} "GET /index.html HTTP/1.1""#,
        "2009-02-06T12:14:14.655Z start ±1000us 109000us 192.0.2.2 - GET /index.html 200 2750",
    ),
    (
        "haproxy",
        r#"haproxy[674]: 127.0.0.1:33319 [15/Oct/2003:08:31:57.130] relais-http relais-http/Srv1 6559/0/7/147/6723 200 243 - - ---- 5/3/3/1/0 0/0 "HEAD / HTTP/1.0""#,
        "2003-10-15T08:31:57.13Z start ±1000us 6723000us 127.0.0.1 - HEAD / 200 243",
    ),
    (
        "haproxy",
        r#"haproxy[18113]: 127.0.0.1:34550 [15/Oct/2003:15:19:06.103] px-http px-http/<NOSRV> -1/-1/-1/-1/+50001 408 +2750 - - cR-- 2/2/2/0/0 0/0 "<BADREQ>""#,
        "bad_request",
    ),
    (
        "haproxy",
        r#"Feb  6 12:12:56 localhost haproxy[14387]: 192.0.2.2:33313 [06/Feb/2009:12:12:51.443] fnt bck/srv1 0/0/5007 212 -- 0/0/0/0/3 0/0"#,
        "not_http",
    ),
    // nginx.org, the format of the log module's example with an added duration; httpd.apache.org,
    // mod_log_config
    (
        "log_format",
        r#"192.0.2.1 - - [10/Oct/2000:13:55:36 +0000] "GET /a HTTP/1.1" 200 3021 "-" "curl/8" "1.48" 971186136.500 0.250"#,
        "2000-10-10T13:55:36.5Z end ±1000us 250000us 192.0.2.1 - GET /a 200 3021",
    ),
    (
        "log_format",
        r#"192.0.2.1 - two words [10/Oct/2000:13:55:36 +0000] "GET / HTTP/1.1" 499 0 "-" "a \x22b\x22" "-" 971186136.000 10.001"#,
        "2000-10-10T13:55:36Z end ±1000us 10001000us 192.0.2.1 - GET / 499 0",
    ),
    (
        "log_format",
        r#"192.0.2.1 - - [10/Oct/2000:13:55:36 +0000] "\x16\x03\x01" 400 157 "-" "-" "-" 971186136.000 0.000"#,
        "bad_request",
    ),
    (
        "LogFormat",
        r#"www.example.com 192.0.2.1 - - [10/Oct/2000:13:55:36 -0700] "GET /a?b HTTP/1.1" 200 5 971211336123456 2500"#,
        "2000-10-10T20:55:36.123456Z start ±1us 2500us 192.0.2.1 www.example.com GET /a?b 200 5",
    ),
    (
        "LogFormat",
        r#"www.example.com 192.0.2.1 - frank [10/Oct/2000:13:55:36 -0700] "PUT /\"a\" HTTP/1.1" 201 - 971211336000001 1"#,
        "2000-10-10T20:55:36.000001Z start ±1us 1us 192.0.2.1 www.example.com PUT /\"a\" 201 0",
    ),
    (
        "LogFormat",
        r#"www.example.com 192.0.2.1 - - [10/Oct/2000:13:55:36 -0700] "-" 408 - 971211336000001 1"#,
        "bad_request",
    ),
];

const CLOUDFRONT_FIELDS: &str = "date time x-edge-location sc-bytes c-ip cs-method cs(Host) \
    cs-uri-stem sc-status cs(Referer) cs(User-Agent) cs-uri-query cs(Cookie) x-edge-result-type \
    x-edge-request-id x-host-header cs-protocol cs-bytes time-taken x-forwarded-for ssl-protocol \
    ssl-cipher x-edge-response-result-type cs-protocol-version fle-status fle-encrypted-fields \
    c-port time-to-first-byte x-edge-detailed-result-type sc-content-type sc-content-len \
    sc-range-start sc-range-end";

const LOG_FORMAT: &str = "$remote_addr - $remote_user [$time_local] \"$request\" $status \
    $bytes_sent \"$http_referer\" \"$http_user_agent\" \"$gzip_ratio\" $msec $request_time";

const APACHE_FORMAT: &str = r#"%v %h %l %u %t \"%r\" %>s %b %{begin:usec}t %D"#;

fn format(name: &str) -> Box<dyn LineFormat> {
    match name {
        "apache" => Box::new(Ncsa::new(Moment::Start).with_headers()),
        "nginx" => Box::new(Ncsa::new(Moment::End)),
        "squid" => Box::new(Squid),
        "envoy" => Box::new(Envoy::default()),
        "alb" => Box::new(Alb::default()),
        "iis" => Box::new(W3c::with_fields(
            "date time c-ip cs-username s-ip s-port cs-method cs-uri-stem cs-uri-query sc-status \
             cs(User-Agent)",
        )),
        "cloudfront" => Box::new(W3c::with_fields(CLOUDFRONT_FIELDS)),
        "haproxy" => Box::new(Haproxy),
        "log_format" => Box::new(Pattern::nginx(LOG_FORMAT).unwrap()),
        "LogFormat" => Box::new(Pattern::apache(APACHE_FORMAT).unwrap()),
        other => panic!("{other} is no format of this test"),
    }
}

#[test]
fn documented_lines_say_what_the_documentation_says() {
    let mut formats: BTreeMap<&str, Box<dyn LineFormat>> = BTreeMap::new();
    for (name, line, expected) in DOCUMENTED {
        let format = formats.entry(name).or_insert_with(|| format(name));
        let said = match format.parse(line.as_bytes()) {
            Ok(Some(record)) => summary(&record),
            Ok(None) => "nothing".to_owned(),
            Err(reason) => reason.name().to_owned(),
        };
        assert_eq!(said, *expected, "{name}: {line}");
    }
}

/// One damage to a line; places are shares of its length.
#[derive(Debug, Clone)]
enum Damage {
    Flip(f64, u8),
    Cut(f64),
    Repeat(f64, f64),
    Insert(f64, u8),
    Remove(f64, f64),
}

impl Damage {
    fn apply(&self, line: &mut Vec<u8>) {
        let place = |share: f64| (line.len() as f64 * share) as usize;
        match *self {
            Self::Flip(at, bits) => {
                let at = place(at);
                if let Some(byte) = line.get_mut(at) {
                    *byte ^= bits;
                }
            }
            Self::Cut(at) => {
                let at = place(at);
                line.truncate(at);
            }
            Self::Repeat(a, b) => {
                let (start, end) = (place(a.min(b)), place(a.max(b)));
                let repeated = line[start..end].to_vec();
                line.splice(end..end, repeated);
            }
            Self::Insert(at, byte) => {
                let at = place(at);
                line.insert(at, byte);
            }
            Self::Remove(a, b) => {
                let (start, end) = (place(a.min(b)), place(a.max(b)));
                // Short holes: a line without its half says little.
                line.drain(start..end.min(start + 8));
            }
        }
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    let share = || 0.0..1.0_f64;
    let special = prop_oneof![
        Just(0_u8),
        Just(0xff),
        Just(b'"'),
        Just(b'\\'),
        Just(b' '),
        Just(b'['),
        Just(b']'),
        Just(b'-'),
        Just(b'\t'),
        Just(b'9'),
        any::<u8>()
    ];
    prop_oneof![
        (share(), any::<u8>()).prop_map(|(at, bits)| Damage::Flip(at, bits)),
        share().prop_map(Damage::Cut),
        (share(), share()).prop_map(|(a, b)| Damage::Repeat(a, b)),
        (share(), special).prop_map(|(at, byte)| Damage::Insert(at, byte)),
        (share(), share()).prop_map(|(a, b)| Damage::Remove(a, b)),
    ]
}

/// What must hold for every record whatever the line was.
fn check(record: &Record<'_>) {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    assert!(record.method.iter().all(is_token), "{:?}", record.method.escape_ascii());
    assert_ne!(record.method, b"CONNECT");
    assert_ne!(record.method, b"-");
    assert!(record.resolution_ns > 0);
    assert!(record.duration_ns.is_none_or(|duration_ns| duration_ns >= 0));
    assert!(record.headers.is_empty() || record.headers.ends_with(b"\r\n"));
    let headers = record.headers.strip_suffix(b"\r\n").unwrap_or_default();
    let text = String::from_utf8_lossy(headers);
    for header in text.split("\r\n").filter(|_| !headers.is_empty()) {
        assert!(header.contains(": "), "{header:?}");
        assert!(!header.contains(['\r', '\n', '\0']), "{header:?}");
    }
}

proptest! {
    #![proptest_config(Config { cases: 4000, failure_persistence: None, ..Config::default() })]

    #[test]
    fn damaged_lines_never_panic_and_never_say_what_cannot_be(
        which in 0..DOCUMENTED.len(),
        damages in prop::collection::vec(damage(), 1..5),
    ) {
        let (name, line, _) = DOCUMENTED[which];
        let mut line = line.as_bytes().to_vec();
        damages.iter().for_each(|damage| damage.apply(&mut line));
        let mut format = format(name);
        if let Ok(Some(record)) = format.parse(&line) {
            check(&record);
        }
        // Nothing of a line may stay for the next.
        let (_, whole, expected) = DOCUMENTED[which];
        if let (false, Ok(Some(record))) = (line.starts_with(b"#"), format.parse(whole.as_bytes())) {
            proptest::prop_assert!(name == "iis" || summary(&record) == expected);
        }
    }

    #[test]
    fn no_bytes_panic(bytes in any::<Vec<u8>>(), which in 0..DOCUMENTED.len()) {
        if let Ok(Some(record)) = format(DOCUMENTED[which].0).parse(&bytes) {
            check(&record);
        }
    }

    #[test]
    fn no_format_string_panics(
        nginx in "(\\$[a-z_]{0,12}|\\$\\{|log_format|escape=none|['\" };\\\\]|\\PC){0,12}",
        apache in "(%[!<>,0-9]{0,3}(\\{[a-z:%_A-Z]{0,9}\\}?)?[a-zA-Z^%]{0,3}|LogFormat|[\" \\\\]|\\PC){0,12}",
        line in any::<Vec<u8>>(),
    ) {
        for pattern in [Pattern::nginx(&nginx), Pattern::apache(&apache)] {
            match pattern {
                Ok(mut pattern) => drop(pattern.parse(&line)),
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
    }
}
