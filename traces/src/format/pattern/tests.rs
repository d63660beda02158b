use super::*;
use crate::record::Moment;

const TIME_NS: i64 = 804_571_201 * SECOND_NS;
const MILLISECOND_NS: i64 = SECOND_NS / 1000;

fn nginx(format: &str) -> Pattern {
    Pattern::nginx(format).unwrap()
}

fn apache(format: &str) -> Pattern {
    Pattern::apache(format).unwrap()
}

/// What one line says of its time: instant, moment, step, duration.
fn time(mut pattern: Pattern, line: &str) -> (i64, Moment, i64, Option<i64>) {
    let record = pattern.parse(line.as_bytes()).unwrap().unwrap();
    (record.time_ns, record.moment, record.resolution_ns, record.duration_ns)
}

/// Method and target of one line.
fn request(mut pattern: Pattern, line: &str) -> Result<(String, String), Skip> {
    let record = pattern.parse(line.as_bytes())?.unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Ok((text(record.method), text(record.target)))
}

#[test]
fn a_directive_of_nginx_is_read_whole() {
    let directive = r#"
        log_format timed escape=default '$remote_addr - $remote_user [$time_local] "$request" '
                         '$status $body_bytes_sent "$http_referer" "$http_user_agent" '
                         '"$http_x_forwarded_for" $host $msec rt=$request_time '
                         'urt=$upstream_response_time ${content_length}B;';
    "#;
    let line = r#"192.0.2.1 - john smith [01/Jul/1995:00:00:01 -0400] "POST /a\x22?b HTTP/1.1" 200 612 "-" "x \x22y\x22" "192.0.2.7, 10.0.0.1" a.example 804571201.250 rt=0.125 urt=0.100, - : 0.020 17B;"#;
    let mut pattern = nginx(directive);
    let expected = Record {
        time_ns: TIME_NS + 250 * MILLISECOND_NS,
        moment: Moment::End,
        resolution_ns: MILLISECOND_NS,
        duration_ns: Some(125 * MILLISECOND_NS),
        session: b"192.0.2.7",
        method: b"POST",
        target: b"/a\"?b",
        host: b"a.example",
        headers: b"user-agent: x \"y\"\r\n",
        body_bytes: Some(17),
        status: Some(200),
        bytes: Some(612),
        ..Record::default()
    };
    assert_eq!(pattern.parse(line.as_bytes()), Ok(Some(expected)));
}

#[test]
fn a_directive_of_apache_is_read_whole() {
    let directive = r#"LogFormat "%v:%p %h %l %u %t \"%r\" %>s %O \"%{Referer}i\" \"%{User-Agent}i\" %D" timed"#;
    let line = r#"a.example:80 192.0.2.1 - - [01/Jul/1995:00:00:01 -0400] "GET /a\"b HTTP/1.1" 200 612 "http://b/" "y" 4500"#;
    let expected = Record {
        time_ns: TIME_NS,
        moment: Moment::Start,
        resolution_ns: SECOND_NS,
        duration_ns: Some(4_500_000),
        session: b"192.0.2.1",
        method: b"GET",
        target: b"/a\"b",
        host: b"a.example",
        headers: b"referer: http://b/\r\nuser-agent: y\r\n",
        status: Some(200),
        bytes: Some(612),
        ..Record::default()
    };
    assert_eq!(apache(directive).parse(line.as_bytes()), Ok(Some(expected)));
}

#[test]
fn the_best_of_several_times_of_nginx_is_used() {
    let line = "[01/Jul/1995:00:00:01 -0400] 1995-07-01T00:00:01-04:00 804571201.007 0.5";
    let fine = nginx("[$time_local] $time_iso8601 $msec $request_time");
    let half = Some(500 * MILLISECOND_NS);
    let expected = (TIME_NS + 7 * MILLISECOND_NS, Moment::End, MILLISECOND_NS, half);
    assert_eq!(time(fine, line), expected);
    let coarse = nginx("[$time_local] $time_iso8601 $unknown $request_time");
    assert_eq!(time(coarse, line), (TIME_NS, Moment::End, SECOND_NS, half));
}

#[test]
fn times_without_brackets_have_known_widths() {
    let expected = (TIME_NS, Moment::End, SECOND_NS, None);
    assert_eq!(time(nginx("$time_local $status"), "01/Jul/1995:00:00:01 -0400 200"), expected);
    assert_eq!(time(nginx("$status $time_local"), "200 01/Jul/1995:00:00:01 -0400"), expected);
    assert_eq!(time(nginx("$time_iso8601-$status"), "1995-07-01T00:00:01-04:00-200"), expected);
}

#[test]
fn every_time_of_apache_is_read() {
    let start = |fraction_ns, step_ns| (TIME_NS + fraction_ns, Moment::Start, step_ns, None);
    let millisecond = MILLISECOND_NS;
    for (format, text, expected) in [
        ("%t", "[01/Jul/1995:00:00:01 -0400]", start(0, SECOND_NS)),
        ("%{sec}t", "804571201", start(0, SECOND_NS)),
        ("%{msec}t", "804571201250", start(250 * millisecond, millisecond)),
        ("%{begin:usec}t", "804571201250001", start(250_001_000, 1000)),
        ("%{sec}t.%{msec_frac}t", "804571201.250", start(250 * millisecond, millisecond)),
        (
            "[%{%d/%b/%Y %T}t.%{msec_frac}t %{%z}t]",
            "[01/Jul/1995 00:00:01.250 -0400]",
            start(250 * millisecond, millisecond),
        ),
        ("%{%Y%m%d%H%M%S%z}t%{usec_frac}t", "19950701000001-0400250001", start(250_001_000, 1000)),
        ("%{%e/%m/%y %R:%S}t", " 1/07/95 04:00:01", start(0, SECOND_NS)),
        ("%{%s}t", "804571201", start(0, SECOND_NS)),
        ("%{%a %F %T %Z}t", "Sat 1995-07-01 04:00:01 UTC", start(0, SECOND_NS)),
        (
            "%{end:msec}t",
            "804571201250",
            (TIME_NS + 250 * millisecond, Moment::End, millisecond, None),
        ),
    ] {
        assert_eq!(time(apache(format), text), expected, "{format}");
    }
}

#[test]
fn a_fine_end_with_a_duration_beats_a_coarse_start() {
    let line = "[01/Jul/1995:00:00:01 -0400] 804571201250 2000";
    let end_ns = TIME_NS + 250 * MILLISECOND_NS;
    let with = time(apache("%t %{end:msec}t %D"), line);
    assert_eq!(with, (end_ns, Moment::End, MILLISECOND_NS, Some(2_000_000)));
    // A duration in seconds makes the start no finer than it is.
    let coarse = time(apache("%t %{end:msec}t %T"), line);
    assert_eq!(coarse.1, Moment::Start);
    let without = time(apache("%t %{end:msec}t %I"), line);
    assert_eq!((without.0, without.1), (TIME_NS, Moment::Start));
}

#[test]
fn durations_have_their_units_and_the_finest_wins() {
    for (format, text, expected_ns) in [
        ("%D", "1500", 1_500_000),
        ("%T", "2", 2 * SECOND_NS),
        ("%{s}T", "2", 2 * SECOND_NS),
        ("%{ms}T", "2", 2 * MILLISECOND_NS),
        ("%{us}T", "2", 2000),
        ("%T %{ms}T %D", "0 1 1500", 1_500_000),
    ] {
        let line = format!("804571201 {text}");
        let duration_ns = time(apache(&format!("%{{sec}}t {format}")), &line).3;
        assert_eq!(duration_ns, Some(expected_ns), "{format}");
    }
}

#[test]
fn attempts_at_upstream_servers_are_added_up_and_come_second() {
    let upstream = |text: &str| {
        time(nginx("$msec $upstream_response_time $status"), &format!("804571201.000 {text} 200")).3
    };
    assert_eq!(upstream("0.100"), Some(100 * MILLISECOND_NS));
    assert_eq!(upstream("0.100, 0.020 : 0.003"), Some(123 * MILLISECOND_NS));
    assert_eq!(upstream("-, 0.020"), Some(20 * MILLISECOND_NS));
    assert_eq!(upstream("-"), None);
    let both = nginx("$msec $upstream_response_time $upstream_addr $request_time");
    let line = "804571201.000 0.100, 0.2 10.0.0.1:80, 10.0.0.2:80 0.350";
    assert_eq!(time(both, line).3, Some(350 * MILLISECOND_NS));
}

#[test]
fn requests_are_put_together_from_what_there_is() {
    let read = |method: &str, target: &str| Ok((method.to_owned(), target.to_owned()));
    for (format, text, expected) in [
        ("\"$request\"", "\"GET /a b HTTP/1.1\"", read("GET", "/a b")),
        ("\"$request\"", "\"GET /say \"x\" HTTP/1.1\"", read("GET", "/say \"x\"")),
        ("$request 200", "GET /a b HTTP/1.1 200", read("GET", "/a b")),
        ("$request 200", "GET /a 200", read("GET", "/a")),
        ("$uri $request_uri $request_method", "/b /a?x GET", read("GET", "/a?x")),
        ("$uri \"$request\"", "/b \"GET /a?x HTTP/1.1\"", read("GET", "/a?x")),
        ("$request_method $uri$is_args$args", "GET /a?b", read("GET", "/a?b")),
        ("$request_method $uri$is_args$args", "GET /a", read("GET", "/a")),
        ("$request_method $uri?$args", "GET /a?-", read("GET", "/a")),
        ("$request_method $uri $args", "GET /a b=c", read("GET", "/a?b=c")),
        ("$request_method $request_uri $server_protocol", "GET /a b HTTP/1.1", read("GET", "/a b")),
        ("$scheme://$host$request_uri $request_method", "http://h/a GET", read("GET", "/a")),
        ("$request_uri", "/a", read("", "/a")),
        ("$status", "200", read("", "")),
        ("\"$request\"", "\"\"", Err(Skip::BadRequest)),
        ("\"$request\"", "\"-\"", Err(Skip::BadRequest)),
        ("\"$request\"", r#""\x16\x03 \xC0""#, Err(Skip::BadRequest)),
        ("$request_method $uri", "- -", Err(Skip::BadRequest)),
        ("$request_method $uri", "GET -", Err(Skip::BadRequest)),
        ("$request_method $request_uri", "CONNECT a:443", Err(Skip::NotHttp)),
    ] {
        let pattern = nginx(&format!("$msec {format}"));
        let line = format!("804571201.000 {text}");
        assert_eq!(request(pattern, &line), expected, "{format}: {text}");
    }
    for (format, text, expected) in [
        ("\"%m %U%q %H\"", "\"GET /a?b HTTP/1.1\"", read("GET", "/a?b")),
        ("\"%m %U %q %H\"", "\"GET /a ?b HTTP/1.1\"", read("GET", "/a?b")),
        ("\"%m %U %q %H\"", "\"GET /a  HTTP/1.1\"", read("GET", "/a")),
        ("%U%q \"%r\"", "/b \"GET /a HTTP/1.1\"", read("GET", "/a")),
        ("%<U %!200,304{Foo}i 100%% %m", "/a - 100% GET", read("GET", "/a")),
    ] {
        let line = format!("804571201 {text}");
        let pattern = apache(&format!("%{{sec}}t {format}"));
        assert_eq!(request(pattern, &line), expected, "{format}: {text}");
    }
}

#[test]
fn escapes_are_undone_as_the_format_says() {
    let line = r"804571201.000 GET /\u0041\x42";
    let escaped = nginx("log_format a escape=json '$msec $request_method $request_uri';");
    assert_eq!(request(escaped, line).unwrap().1, "/AB");
    let raw = nginx("log_format a escape=none '$msec $request_method $request_uri';");
    assert_eq!(request(raw, line).unwrap().1, r"/\u0041\x42");
}

#[test]
fn json_in_a_log_format_is_a_format_like_any_other() {
    let format = r#"'{"t":$msec,"d":"$request_time","m":"$request_method",' '"u":"$request_uri","s":$status}'"#;
    let line = r#"{"t":804571201.500,"d":"0.001","m":"GET","u":"/a\"b","s":404}"#;
    let mut pattern = nginx(format);
    let record = pattern.parse(line.as_bytes()).unwrap().unwrap();
    assert_eq!((record.target, record.status), (&b"/a\"b"[..], Some(404)));
    assert_eq!(record.duration_ns, Some(MILLISECOND_NS));
}

#[test]
fn missing_values_are_missing_and_wrong_ones_are_named() {
    let mut pattern = apache("%{sec}t %h %b %D %>s %X");
    let record = pattern.parse(b"804571201 - - - - +").unwrap().unwrap();
    assert_eq!((record.session, record.bytes, record.status), (&b""[..], Some(0), None));
    assert_eq!(record.duration_ns, None);
    for (line, reason) in [
        ("then a 1 1 200 +", Skip::BadTime),
        ("804571201 a many 1 200 +", Skip::BadNumber),
        ("804571201 a 1 long 200 +", Skip::BadNumber),
        ("804571201 a 1 1 ok +", Skip::BadNumber),
        ("804571201 a 1", Skip::Malformed),
    ] {
        assert_eq!(pattern.parse(line.as_bytes()), Err(reason), "{line}");
    }
    assert_eq!(pattern.parse(b" "), Ok(None));
    let mut quoted = nginx("$msec \"$http_user_agent\"");
    assert!(quoted.parse(b"804571201.000 \"a\"  ").unwrap().is_some());
    assert_eq!(quoted.parse(b"804571201.000 \"a\" b"), Err(Skip::Malformed));
}

#[test]
fn headers_worth_replaying_are_kept_and_those_of_the_connection_are_not() {
    let format =
        "$msec \"$http_accept_language\" \"$http_connection\" \"$http_host\" \"$cookie_a\"";
    let mut pattern = nginx(format);
    let line = "804571201.000 \"de\" \"close\" \"a.example\" \"b\"";
    let record = pattern.parse(line.as_bytes()).unwrap().unwrap();
    assert_eq!(record.headers, b"accept-language: de\r\n");
    assert_eq!(record.host, b"a.example");
}

#[test]
fn sessions_fall_back_to_the_connection() {
    let mut pattern = nginx("$msec $remote_addr $connection");
    let parse = |pattern: &mut Pattern, line: &str| {
        pattern.parse(line.as_bytes()).unwrap().unwrap().session.to_vec()
    };
    assert_eq!(parse(&mut pattern, "804571201.000 192.0.2.1 77"), b"192.0.2.1");
    assert_eq!(parse(&mut pattern, "804571201.000 - 77"), b"77");
}

#[test]
fn errors_say_what_is_wrong() {
    let message = |result: Result<Pattern, PatternError>| result.unwrap_err().to_string();
    assert_eq!(
        message(Pattern::nginx("$remote_addr \"$request\"")),
        "the format has no complete time, without which nothing can be replayed; add `$msec` and \
         `$request_time`, or at least `$time_local` or `$time_iso8601`"
    );
    assert_eq!(
        message(Pattern::apache("%{%H:%M:%S}t %r")),
        "the format has no complete time, without which nothing can be replayed; add \
         `%{begin:usec}t`, or at least `%t`"
    );
    assert_eq!(
        message(Pattern::nginx("$msec $status$bytes_sent")),
        "`$status` and `$bytes_sent` stand side by side, so nothing tells where the first ends; \
         put a character between them that occurs in neither"
    );
    assert_eq!(
        message(Pattern::apache("%{%c}t")),
        "`%c` in `%{%c}t` is not read; use %Y %m %d %H %M %S %z, %b, %e, %y, %F, %T, %R, %D or %s"
    );
    assert_eq!(
        message(Pattern::apache("%t %{Referer")),
        "`%{` at byte 3 of the format is not closed by `}`"
    );
    assert_eq!(
        message(Pattern::nginx("log_format a '$msec")),
        "`'` at byte 13 of the format is not closed by `'`"
    );
    assert_eq!(
        message(Pattern::apache("%t %")),
        "the `%` at byte 3 of the format has no letter; write `%%` for a percent sign"
    );
    assert!(Pattern::nginx("").is_err());
}
