//! All formats by name, and the one an input is in by its first bytes.

use std::io;

use thiserror::Error;

use super::alb::Alb;
use super::envoy::Envoy;
use super::functions::Functions2019;
use super::gor::Gor;
use super::haproxy::Haproxy;
use super::har::Har;
use super::json::{FieldMap, JsonLines};
use super::mooncake::Mooncake;
use super::ncsa::Ncsa;
use super::parquet_table::ParquetTable;
use super::pattern::{Pattern, PatternError};
use super::peeled::{Peeled, Wrapper};
use super::squid::Squid;
use super::table::{ColumnMap, Table};
use super::value::{Spacing, TimeForm, UnknownName};
use super::vegeta;
use super::w3c::W3c;
use super::windows::Windows;
use super::{Format, LineFormat, Sink};
use crate::record::{Moment, Record, Skip};

/// Names of all formats, with what they are.
pub const FORMATS: [(&str, &str); 27] = [
    ("combined", "Apache httpd and nginx, common and combined; the time is the start"),
    ("nginx-combined", "the same as nginx writes it: the time is the end"),
    ("nginx", "any log_format of nginx, given with --pattern"),
    ("apache", "any LogFormat of Apache httpd, given with --pattern"),
    ("json", "JSON lines, fields given with --map time=/ts --map target=/path …"),
    ("nginx-json", "JSON lines of nginx, fields found by their names"),
    ("caddy", "JSON lines of Caddy"),
    ("traefik", "JSON lines of Traefik"),
    ("envoy-json", "JSON lines of Envoy and Istio"),
    ("envoy", "Envoy's default text"),
    ("alb", "AWS application load balancer"),
    ("w3c", "W3C extended: IIS, and CloudFront's standard log"),
    ("squid", "Squid's native log"),
    ("haproxy", "HAProxy's HTTP log"),
    ("har", "HTTP archive 1.1 and 1.2"),
    ("gor", "GoReplay .gor"),
    ("vegeta-http", "vegeta's targets as text, evenly spaced at --rate"),
    ("vegeta-json", "vegeta's targets as JSON, with `ts` or evenly spaced at --rate"),
    ("vegeta-results", "vegeta's results as JSON"),
    ("vegeta-csv", "vegeta's results as CSV"),
    ("csv", "a table, columns given with --map time=column …, or of a known heading"),
    ("tsv", "the same, separated by tabs"),
    ("parquet", "the same as Parquet"),
    ("counts", "counts by second: offset_s,count"),
    ("azure-functions-2019", "invocations by minute"),
    ("mooncake", "JSON lines of the Mooncake traces"),
    ("servegen", "windows of ServeGen: requests are drawn from its model"),
];

/// Names and headings of tables that need no map.
const HEADINGS: [(&str, &str); 5] = [
    ("azure_llm", "TIMESTAMP,ContextTokens,GeneratedTokens"),
    ("burstgpt", "Timestamp,Model,Request tokens"),
    ("counts", "offset_s,count"),
    ("edgar", "ip,date,time,zone,cik,accession"),
    ("azure_functions_2021", "app,func,end_timestamp,duration"),
];

/// Formats of which the first bytes are tried, in this order: of two that fit alike the first.
const TRIED: [&str; 12] = [
    "alb",
    "haproxy",
    "squid",
    "envoy",
    "combined",
    "caddy",
    "traefik",
    "envoy-json",
    "mooncake",
    "vegeta-results",
    "vegeta-json",
    "nginx-json",
];

/// What a format may have to be told.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FormatOptions {
    /// What the recorded time is, where the format leaves it open.
    pub moment: Option<Moment>,
    /// The `log_format` or `LogFormat`.
    pub pattern: Option<String>,
    /// Places of fields, and settings, by name.
    pub map: Vec<(String, String)>,
    /// Requests per second, for formats without times.
    pub rate: Option<f64>,
    /// Whether referer and user agent of a combined log are kept: it doubles the cost of a line.
    pub keeps_headers: bool,
    /// Seed of formats that draw.
    pub seed: u64,
}

/// A format cannot be used as asked.
#[derive(Debug, Error)]
pub enum FormatError {
    /// There is no such format.
    #[error("there is no format called `{name}`; one of: {}", names())]
    Unknown {
        /// What was written.
        name: String,
    },
    /// No format fits the first lines.
    #[error("{input}: no known format fits its first lines; name one with --format ({})", names())]
    Undetected {
        /// Name of the input.
        input: String,
    },
    /// Something the format needs was not given.
    #[error("the format {format} needs {what}")]
    Missing {
        /// Name of the format.
        format: String,
        /// What is missing.
        what: &'static str,
    },
    /// A format string cannot be understood.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// A field or setting is not known.
    #[error(transparent)]
    Map(#[from] UnknownName),
}

fn names() -> String {
    FORMATS.map(|(name, _)| name).join(", ")
}

/// A format, ready to read.
enum Made {
    Lines(Box<dyn LineFormat>),
    Whole(Box<dyn Format>),
}

impl Made {
    fn lines(format: impl LineFormat + 'static) -> Self {
        Self::Lines(Box::new(format))
    }

    fn whole(format: impl Format + 'static) -> Self {
        Self::Whole(Box::new(format))
    }

    /// Reads lines that a container's runtime has wrapped, too.
    fn unwrapped(self, head: &[u8]) -> Box<dyn Format> {
        let first = head.split(|&byte| byte == b'\n').next().unwrap_or_default();
        match (self, Wrapper::of(first)) {
            (Self::Lines(format), Some(wrapper)) => Box::new(Peeled::new(wrapper, format)),
            (Self::Lines(format), None) => Box::new(format),
            (Self::Whole(format), _) => format,
        }
    }
}

/// Makes the format called `name` for an input that begins with `head`. `auto` looks at the head.
///
/// # Errors
/// When there is no such format, none fits, or something it needs is missing or wrong.
pub fn format(
    name: &str,
    input: &str,
    head: &[u8],
    options: &FormatOptions,
) -> Result<(String, Box<dyn Format>), FormatError> {
    let found;
    let name = if name == "auto" {
        found = detect(head, options)
            .ok_or_else(|| FormatError::Undetected { input: input.to_owned() })?;
        found
    } else {
        name
    };
    Ok((name.to_owned(), make(name, head, options)?.unwrapped(head)))
}

/// The format that `head` is in, by its name.
fn detect(head: &[u8], options: &FormatOptions) -> Option<&'static str> {
    if options.pattern.is_some() {
        let is_apache = options.pattern.as_ref().is_some_and(|pattern| pattern.contains('%'));
        return Some(if is_apache { "apache" } else { "nginx" });
    }
    let text = head.trim_ascii_start();
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let starts = |prefix: &str| text.starts_with(prefix.as_bytes());
    let holds = |part: &str| memchr::memmem::find(text, part.as_bytes()).is_some();
    if starts("PAR1") {
        return Some("parquet");
    }
    if holds("\n🐵🙈🙉") {
        return Some("gor");
    }
    if starts("{") && holds("\"log\"") && (holds("\"creator\"") || holds("\"entries\"")) {
        return Some("har");
    }
    if ["#Version", "#Fields", "#Software", "#Date"].iter().any(|prefix| starts(prefix)) {
        return Some("w3c");
    }
    if starts("HashOwner,HashApp,HashFunction") {
        return Some("azure-functions-2019");
    }
    if heading(text).is_some() || !options.map.is_empty() && !starts("{") {
        return Some("csv");
    }
    if !options.map.is_empty() {
        return Some("json");
    }
    let fits = |name: &&'static str| {
        let mut format = make(name, head, options).ok()?.unwrapped(head);
        let mut count = Count::default();
        format.read(&mut whole_lines(text), &mut count).ok()?;
        Some((*name, count))
    };
    let fitting = TRIED.iter().filter_map(fits).filter(|(_, count)| count.fits());
    // The first of those that find most.
    let best =
        fitting.reduce(|best, next| if next.1.records > best.1.records { next } else { best });
    best.map(|(name, _)| name).or_else(|| is_servegen(text).then_some("servegen"))
}

/// The table of which a text has the heading.
fn heading(text: &[u8]) -> Option<&'static str> {
    HEADINGS.iter().find(|(_, heading)| text.starts_with(heading.as_bytes())).map(|(name, _)| *name)
}

fn is_servegen(text: &[u8]) -> bool {
    let first = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let fields: Vec<&[u8]> = first.split(|&byte| byte == b',').collect();
    fields.len() == 6 && matches!(fields[3], b"Gamma" | b"Weibull" | b"")
}

/// The lines of a head but for one that may be cut off.
fn whole_lines(head: &[u8]) -> &[u8] {
    match memchr::memrchr(b'\n', head) {
        Some(end) => &head[..=end],
        None => head,
    }
}

/// Counts what a format finds.
#[derive(Debug, Default)]
struct Count {
    records: u64,
    bad: u64,
}

impl Count {
    /// Tells whether what was found is most of what is there.
    fn fits(&self) -> bool {
        self.records > 0 && self.records >= self.bad
    }
}

impl Sink for Count {
    fn record(&mut self, _place: u64, _record: &Record<'_>) -> io::Result<()> {
        self.records += 1;
        Ok(())
    }

    fn skip(&mut self, _place: u64, reason: Skip, _text: &[u8]) -> io::Result<()> {
        self.bad += u64::from(reason.is_bad());
        Ok(())
    }
}

fn make(name: &str, head: &[u8], options: &FormatOptions) -> Result<Made, FormatError> {
    let missing = |what| FormatError::Missing { format: name.to_owned(), what };
    let pattern = || options.pattern.as_deref().ok_or(missing("--pattern with the format string"));
    let spacing = || options.rate.and_then(Spacing::rate);
    let columns = || columns(head, options).and_then(|map| map.ok_or(missing(NEEDS_COLUMNS)));
    Ok(match name {
        "combined" | "common" => Made::lines(ncsa(options, Moment::Start)),
        "nginx-combined" => Made::lines(ncsa(options, Moment::End)),
        "nginx" => Made::lines(Pattern::nginx(pattern()?)?),
        "apache" => Made::lines(Pattern::apache(pattern()?)?),
        "json" => Made::lines(json(options)?.ok_or(missing(
            "the places of its fields: --map time=/ts --map target=/path, as JSON pointers",
        ))?),
        "nginx-json" => Made::lines(JsonLines::nginx()),
        "caddy" => Made::lines(JsonLines::new(FieldMap::caddy())),
        "traefik" => Made::lines(JsonLines::new(FieldMap::traefik())),
        "envoy-json" => Made::lines(JsonLines::new(FieldMap::envoy())),
        "envoy" => Made::lines(Envoy::default()),
        "alb" => Made::lines(Alb::default()),
        "w3c" => Made::lines(W3c::default()),
        "squid" => Made::lines(Squid),
        "haproxy" => Made::lines(Haproxy),
        "har" => Made::whole(Har::new()),
        "gor" => Made::whole(Gor),
        "vegeta-http" => {
            let spacing = spacing().ok_or(missing("--rate: its targets have no times"))?;
            Made::whole(vegeta::TargetsHttp::new(spacing))
        }
        "vegeta-json" => Made::lines(vegeta::targets_json(spacing())),
        "vegeta-results" => Made::lines(vegeta::results_json()),
        "vegeta-csv" => Made::whole(vegeta::results_csv()),
        "csv" => Made::whole(Table::csv(columns()?)),
        "tsv" => Made::whole(Table::tsv(columns()?)),
        "parquet" => Made::whole(ParquetTable::new(columns()?)),
        "counts" => Made::whole(Table::csv(ColumnMap::counts())),
        "azure-functions-2019" => Made::whole(Functions2019::default()),
        "mooncake" => Made::lines(Mooncake::default()),
        "servegen" => Made::whole(windows(options)?),
        _ => return Err(FormatError::Unknown { name: name.to_owned() }),
    })
}

fn ncsa(options: &FormatOptions, moment: Moment) -> Ncsa {
    let format = Ncsa::new(options.moment.unwrap_or(moment));
    if options.keeps_headers { format.with_headers() } else { format }
}

const NEEDS_COLUMNS: &str =
    "the names of its columns: --map time=when --map target=path, or #1 for the first";

/// The windows of ServeGen, or those between `from_s` and `until_s`.
fn windows(options: &FormatOptions) -> Result<Windows, UnknownName> {
    let mut windows = Windows::new(options.seed);
    for (name, value) in &options.map {
        let wrong = || UnknownName::new(value, "number of seconds", &["0", "86400"]);
        let seconds = value.parse().map_err(|_| wrong())?;
        match name.as_str() {
            "from_s" => windows.from_s = seconds,
            "until_s" => windows.until_s = seconds,
            _ => return Err(UnknownName::new(name, "setting", &["from_s", "until_s"])),
        }
    }
    Ok(windows)
}

/// Moves `time_unit` to the front: it decides how the time is read.
fn settings(options: &FormatOptions) -> Option<(TimeForm, Moment)> {
    (!options.map.is_empty()).then(|| (TimeForm::Rfc3339, options.moment.unwrap_or(Moment::Start)))
}

fn json(options: &FormatOptions) -> Result<Option<JsonLines>, UnknownName> {
    let Some((form, moment)) = settings(options) else { return Ok(None) };
    let mut map = FieldMap::new(form, moment);
    for (field, place) in &options.map {
        map.set(field, place)?;
    }
    Ok(Some(JsonLines::new(map)))
}

fn columns(head: &[u8], options: &FormatOptions) -> Result<Option<ColumnMap>, FormatError> {
    let Some((form, moment)) = settings(options) else {
        let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
        return Ok(match heading(text) {
            Some(name) => Some(ColumnMap::preset(name)?),
            None => None,
        });
    };
    let mut map = ColumnMap::new(form, moment);
    for (role, column) in &options.map {
        map.set(role, column)?;
    }
    Ok(Some(map))
}

#[cfg(test)]
mod tests {
    use super::{FORMATS, FormatError, FormatOptions, format, make};

    fn detected(head: &str) -> Result<String, FormatError> {
        let options = FormatOptions::default();
        format("auto", "test", head.as_bytes(), &options).map(|(name, _)| name)
    }

    #[test]
    fn formats_are_known_by_their_first_lines() {
        for (head, name) in [
            ("h - - [01/Jul/1995:00:00:01 -0400] \"GET / HTTP/1.0\" 200 6245\n", "combined"),
            ("\u{feff}#Version: 1.0\n#Fields: date time\n", "w3c"),
            (
                "1286536309.450    921 192.0.2.68 TCP_MISS/200 507 POST http://a.example/x - DIRECT/192.0.2.1 text/html\n",
                "squid",
            ),
            ("TIMESTAMP,ContextTokens,GeneratedTokens\n", "csv"),
            ("offset_s,count\n0,1\n", "csv"),
            ("HashOwner,HashApp,HashFunction,Trigger,1,2\n", "azure-functions-2019"),
            ("{\"log\": {\"version\": \"1.2\", \"creator\": {}}}", "har"),
            ("{\"timestamp\": 0, \"input_length\": 6758, \"output_length\": 500}\n", "mooncake"),
            ("{\"method\": \"GET\", \"url\": \"http://a.example/\", \"ts\": 5}\n", "vegeta-json"),
            ("0,0.016,0.35,Gamma,7.99,0.18\n", "servegen"),
            (
                "1 d7123dasd913jfd21312dasdhas31 127345969000000000 -1\nGET / HTTP/1.1\r\n\r\n\n🐵🙈🙉\n",
                "gor",
            ),
        ] {
            assert_eq!(detected(head).unwrap(), name, "{head}");
        }
        let message = detected("nothing of this\nis a log\n").err().unwrap().to_string();
        assert!(message.contains("--format"), "{message}");
    }

    #[test]
    fn every_format_can_be_made_or_says_what_it_needs() {
        for (name, _) in FORMATS {
            let needed = make(name, b"", &FormatOptions::default()).err();
            let is_named = needed.is_none_or(|error| error.to_string().contains("needs"));
            assert!(is_named, "{name}");
        }
        assert!(matches!(
            make("apachee", b"", &FormatOptions::default()).err(),
            Some(FormatError::Unknown { .. })
        ));
    }

    #[test]
    fn a_wrapped_log_is_read_inside_its_wrapping() {
        let head = "{\"log\":\"h - - [01/Jul/1995:00:00:01 -0400] \\\"GET / HTTP/1.0\\\" 200 6\\n\",\
                    \"stream\":\"stdout\",\"time\":\"2024-01-01T00:00:00Z\"}\n";
        assert_eq!(detected(head).unwrap(), "combined");
    }
}
