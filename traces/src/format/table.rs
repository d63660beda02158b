//! Tables with a row a request, or a row a count, their columns named by a map.
//!
//! A [`ColumnMap`] binds roles (the time, a count, the method, …) to columns, by name or by
//! number, and tells the units. It serves text ([`Table`]) and Parquet
//! ([`super::parquet_table::ParquetTable`]) alike. A column that is bound and not there is an
//! error, not an empty value: a misspelt name must not lose half of a trace.
//!
//! A count column makes a row of `offset_s,count` that many requests somewhere in the bin that
//! begins at the offset. Times without a zone are UTC unless the map has an offset; numbers count
//! from the map's base, by default 1970 or the trace's own zero.

use std::io::{self, BufRead};

use super::json::moment;
pub use super::rows::Syntax;
use super::rows::{Fields, Row, Rows};
use super::value::{
    Clock, TimeForm, Unit, UnknownName, check_method, date, duration_ns, request_line, split_url,
    status, whole,
};
use super::{Format, Sink};
use crate::record::{Moment, Record, SECOND_NS, Skip, Tokens};
use crate::time::parse_time_of_day;

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    /// By its name in the heading.
    Named(String),
    /// By its position, from 1.
    Numbered(usize),
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The recorded instant, or its date when there is a time of day beside it.
    Time,
    /// The time of day.
    TimeOfDay,
    /// How long the request took.
    Duration,
    /// How many requests the row stands for.
    Count,
    /// The request line.
    Request,
    /// The method.
    Method,
    /// Path and query, or an absolute URL; the path alone when there is a query beside it.
    Target,
    /// The query, without its question mark.
    Query,
    /// What tells clients apart.
    Session,
    /// Host the request was for.
    Host,
    /// Status of the response.
    Status,
    /// Bytes of the response.
    Bytes,
    /// Bytes of the request's body.
    BodyBytes,
    /// A name by which like requests belong together.
    Tag,
    /// Tokens of the prompt.
    InputTokens,
    /// Tokens of the answer.
    OutputTokens,
    /// In EDGAR: number of the company.
    Cik,
    /// In EDGAR: number of the filing.
    Accession,
    /// In EDGAR: file of the filing, or what its name ends with.
    Extension,
}

impl Role {
    /// Every role with its name.
    pub const ALL: [(Self, &'static str); 19] = [
        (Self::Time, "time"),
        (Self::TimeOfDay, "time_of_day"),
        (Self::Duration, "duration"),
        (Self::Count, "count"),
        (Self::Request, "request"),
        (Self::Method, "method"),
        (Self::Target, "target"),
        (Self::Query, "query"),
        (Self::Session, "session"),
        (Self::Host, "host"),
        (Self::Status, "status"),
        (Self::Bytes, "bytes"),
        (Self::BodyBytes, "body_bytes"),
        (Self::Tag, "tag"),
        (Self::InputTokens, "input_tokens"),
        (Self::OutputTokens, "output_tokens"),
        (Self::Cik, "cik"),
        (Self::Accession, "accession"),
        (Self::Extension, "extension"),
    ];
}

/// A role and the column that holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The role.
    pub role: Role,
    /// The column.
    pub column: Column,
    /// The table need not have the column.
    pub is_optional: bool,
}

/// Which columns hold the parts of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnMap {
    /// Roles and columns; of several for one role the first that the table has.
    pub bindings: Vec<Binding>,
    /// How times are written.
    pub time_form: TimeForm,
    /// Step of the times in ns, where the writer fixes it.
    pub resolution_ns: Option<i64>,
    /// What numbers count from, ns since 1970 UTC.
    pub base_ns: i64,
    /// How far the clock of times without a zone is ahead of UTC.
    pub zone_offset_s: i64,
    /// What the time is.
    pub moment: Moment,
    /// Unit of durations that do not name theirs.
    pub duration_unit: Unit,
    /// Length of the bins that are counted, ns.
    pub bin_ns: i64,
    /// A point is written as a comma.
    pub is_decimal_comma: bool,
}

impl ColumnMap {
    /// A map that knows nothing but how times are written.
    pub fn new(time_form: TimeForm, moment: Moment) -> Self {
        Self {
            bindings: Vec::new(),
            time_form,
            resolution_ns: None,
            base_ns: 0,
            zone_offset_s: 0,
            moment,
            duration_unit: Unit::Seconds,
            bin_ns: SECOND_NS,
            is_decimal_comma: false,
        }
    }

    /// Binds roles to columns by name.
    #[must_use]
    pub fn with(mut self, columns: &[(Role, &str)]) -> Self {
        self.bindings.extend(columns.iter().map(|(role, name)| Binding {
            role: *role,
            column: Column::Named((*name).to_owned()),
            is_optional: false,
        }));
        self
    }

    /// Binds roles to columns by name, where the table has them.
    #[must_use]
    pub fn with_optional(mut self, columns: &[(Role, &str)]) -> Self {
        let first = self.bindings.len();
        self = self.with(columns);
        self.bindings[first..].iter_mut().for_each(|binding| binding.is_optional = true);
        self
    }

    /// Binds roles to columns by position, from 1.
    #[must_use]
    pub fn with_numbered(mut self, columns: &[(Role, usize)]) -> Self {
        self.bindings.extend(columns.iter().map(|(role, number)| Binding {
            role: *role,
            column: Column::Numbered(*number),
            is_optional: false,
        }));
        self
    }

    /// Takes a setting by its name, as users write it: a role with the name of a column or its
    /// number (`#3`), or `time_unit`, `duration_unit`, `moment`, `zone` (`+02:00`), `bin` (`60s`)
    /// or `decimal` (`point`, `comma`).
    ///
    /// # Errors
    /// When the name or the value is not known; the message names those that are.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), UnknownName> {
        match name {
            "time_unit" => self.time_form = value.parse()?,
            "duration_unit" => self.duration_unit = value.parse()?,
            "moment" => self.moment = moment(value)?,
            "zone" => {
                self.zone_offset_s =
                    zone(value).ok_or_else(|| UnknownName::new(value, "zone", &["+HH:MM", "Z"]))?;
            }
            "bin" => {
                let length = duration_ns(value.as_bytes(), Unit::Seconds).ok().flatten();
                self.bin_ns = length.filter(|&length| length > 0).ok_or_else(|| {
                    UnknownName::new(value, "length of a bin", &["100ms", "1s", "5m"])
                })?;
            }
            "decimal" => {
                self.is_decimal_comma = match value {
                    "point" => false,
                    "comma" => true,
                    _ => return Err(UnknownName::new(value, "decimal", &["point", "comma"])),
                };
            }
            _ => {
                let known = Role::ALL.iter().find(|(_, known)| *known == name);
                let Some((role, _)) = known else {
                    let settings =
                        ["time_unit", "duration_unit", "moment", "zone", "bin", "decimal"];
                    let roles = Role::ALL.iter().map(|(_, known)| *known);
                    let allowed = roles.chain(settings).collect::<Vec<_>>();
                    return Err(UnknownName::new(name, "role of a column", &allowed));
                };
                let number = value.strip_prefix('#').and_then(|number| number.parse().ok());
                let column = match number {
                    Some(0) => return Err(UnknownName::new(value, "column", &["#1", "#2", "…"])),
                    Some(number) => Column::Numbered(number),
                    None => Column::Named(value.to_owned()),
                };
                self.bindings.push(Binding { role: *role, column, is_optional: false });
            }
        }
        Ok(())
    }

    /// The language model traces of Azure: `TIMESTAMP,ContextTokens,GeneratedTokens`. The files
    /// name no zone; their paper has them in UTC.
    pub fn azure_llm() -> Self {
        let map = Self::new(TimeForm::Rfc3339, Moment::Start).with(&[
            (Role::Time, "TIMESTAMP"),
            (Role::InputTokens, "ContextTokens"),
            (Role::OutputTokens, "GeneratedTokens"),
        ]);
        // Seven digits after the point.
        Self { resolution_ns: Some(100), ..map }
    }

    /// BurstGPT: seconds since the trace began.
    pub fn burstgpt() -> Self {
        Self::new(TimeForm::Number(Unit::Seconds), Moment::Start)
            .with(&[
                (Role::Time, "Timestamp"),
                (Role::Tag, "Model"),
                (Role::InputTokens, "Request tokens"),
                (Role::OutputTokens, "Response tokens"),
            ])
            .with_optional(&[(Role::Session, "Session ID"), (Role::Duration, "Elapsed time")])
    }

    /// Counts per second, as a dashboard has them: `offset_s,count`.
    pub fn counts() -> Self {
        Self::new(TimeForm::Number(Unit::Seconds), Moment::Start)
            .with(&[(Role::Time, "offset_s"), (Role::Count, "count")])
    }

    /// The web log of the SEC's EDGAR, whose heading spells `extention`. The method is not
    /// recorded.
    pub fn edgar() -> Self {
        Self::new(TimeForm::Rfc3339, Moment::Start)
            .with(&[
                (Role::Session, "ip"),
                (Role::Time, "date"),
                (Role::TimeOfDay, "time"),
                (Role::Cik, "cik"),
                (Role::Accession, "accession"),
                (Role::Extension, "extention"),
                (Role::Extension, "extension"),
                (Role::Bytes, "size"),
            ])
            .with_optional(&[(Role::Status, "code")])
    }

    /// The invocations of Azure Functions of 2021: the end and the duration are recorded.
    pub fn azure_functions_2021() -> Self {
        Self::new(TimeForm::Number(Unit::Seconds), Moment::End).with(&[
            (Role::Session, "app"),
            (Role::Tag, "func"),
            (Role::Time, "end_timestamp"),
            (Role::Duration, "duration"),
        ])
    }

    /// The map with this name; there are `azure_llm`, `burstgpt`, `counts`, `edgar` and
    /// `azure_functions_2021`.
    ///
    /// # Errors
    /// When there is none; the message names those that are.
    pub fn preset(name: &str) -> Result<Self, UnknownName> {
        match name {
            "azure_llm" => Ok(Self::azure_llm()),
            "burstgpt" => Ok(Self::burstgpt()),
            "counts" => Ok(Self::counts()),
            "edgar" => Ok(Self::edgar()),
            "azure_functions_2021" => Ok(Self::azure_functions_2021()),
            _ => {
                let known = ["azure_llm", "burstgpt", "counts", "edgar", "azure_functions_2021"];
                Err(UnknownName::new(name, "preset for tables", &known))
            }
        }
    }

    /// Finds the position of each role among columns with these names; without names only
    /// numbered columns can be found.
    ///
    /// # Errors
    /// When a column that is bound and not optional is not there.
    pub(crate) fn positions(&self, names: Option<&[String]>) -> io::Result<Positions> {
        let mut positions: Positions = [None; Role::ALL.len()];
        for binding in &self.bindings {
            let position = &mut positions[binding.role as usize];
            if position.is_none() {
                *position = find(&binding.column, names);
            }
        }
        for binding in self.bindings.iter().filter(|binding| !binding.is_optional) {
            if positions[binding.role as usize].is_none() {
                return Err(missing(&binding.column, names));
            }
        }
        if positions[Role::Time as usize].is_none() {
            let reason = "the map of the table has no column for `time`: add one";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        Ok(positions)
    }
}

/// Position of the column of each role, from 0.
pub(crate) type Positions = [Option<usize>; Role::ALL.len()];

/// The cells of a row by role; empty where there is none.
pub(crate) type Cells<'a> = [&'a [u8]; Role::ALL.len()];

fn find(column: &Column, names: Option<&[String]>) -> Option<usize> {
    let named = |is_same: &dyn Fn(&str, &str) -> bool, wanted: &str| {
        names?.iter().position(|name| is_same(name.trim(), wanted))
    };
    match column {
        Column::Named(wanted) => named(&|name, wanted| name == wanted, wanted)
            .or_else(|| named(&|name, wanted| name.eq_ignore_ascii_case(wanted), wanted)),
        Column::Numbered(number) => {
            number.checked_sub(1).filter(|&at| names.is_none_or(|names| at < names.len()))
        }
    }
}

fn missing(column: &Column, names: Option<&[String]>) -> io::Error {
    const SHOWN: usize = 20;
    let column = match column {
        Column::Named(name) => format!("`{name}`"),
        Column::Numbered(number) => format!("number {number}"),
    };
    let reason = match names {
        None => format!(
            "the table has no column {column}: it is read without a heading, so columns go by number (`#1`)"
        ),
        Some(names) => {
            let shown = names.iter().take(SHOWN).map(|name| format!("`{}`", name.trim()));
            let shown = shown.collect::<Vec<_>>().join(", ");
            let more = if names.len() > SHOWN { ", …" } else { "" };
            format!(
                "the table has no column {column}, but {shown}{more}: bind the role to one of them"
            )
        }
    };
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

fn zone(text: &str) -> Option<i64> {
    if text == "Z" {
        return Some(0);
    }
    let (sign, rest) = match text.as_bytes() {
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let [h1, h2, b':', m1, m2] = *rest else { return None };
    let number = |tens: u8, ones: u8| whole(&[tens, ones]).ok().flatten();
    let (hours, minutes) = (number(h1, h2)?, number(m1, m2)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60) as i64)
}

/// Makes records of the cells of rows.
#[derive(Debug)]
pub(crate) struct RowReader {
    map: ColumnMap,
    clock: Clock,
    target: Vec<u8>,
}

impl RowReader {
    pub fn new(map: ColumnMap) -> Self {
        let clock = Clock::new(map.time_form, map.resolution_ns);
        Self { map, clock, target: Vec::new() }
    }

    /// The record of a row; `None` for a bin without requests.
    pub fn record<'a>(
        &'a mut self,
        cells: &Cells<'a>,
        positions: &Positions,
    ) -> Result<Option<Record<'a>>, Skip> {
        let map = &self.map;
        let get = |role: Role| cells[role as usize];
        let has = |role: Role| positions[role as usize].is_some();
        let mut buffer = Vec::new();
        let time_ns = time_ns(
            map,
            &mut self.clock,
            get(Role::Time),
            get(Role::TimeOfDay),
            has(Role::TimeOfDay),
        )
        .ok_or(Skip::BadTime)?;
        let mut count = 1;
        if has(Role::Count) {
            count =
                whole(with_point(map, get(Role::Count), &mut buffer))?.ok_or(Skip::BadNumber)?;
            if count == 0 {
                return Ok(None);
            }
        }
        let duration_ns =
            duration_ns(with_point(map, get(Role::Duration), &mut buffer), map.duration_unit)?;
        let mut whole_of = |role: Role| whole(with_point(map, cells[role as usize], &mut buffer));
        let (bytes, body_bytes) = (whole_of(Role::Bytes)?, whole_of(Role::BodyBytes)?);
        let (input, output) = (whole_of(Role::InputTokens)?, whole_of(Role::OutputTokens)?);
        let status = status(with_point(map, get(Role::Status), &mut buffer))?;

        let (mut method, mut target) = (present(get(Role::Method)), present(get(Role::Target)));
        if has(Role::Request) {
            (method, target) = request_line(get(Role::Request))?;
        }
        check_method(method)?;
        let mut host = present(get(Role::Host));
        self.target.clear();
        let mut is_made = has(Role::Accession);
        if is_made {
            push_edgar_target(
                &mut self.target,
                get(Role::Cik),
                get(Role::Accession),
                get(Role::Extension),
            )?;
        } else if let Some((of_url, origin_form)) = split_url(target) {
            host = if host.is_empty() { of_url } else { host };
            target = origin_form;
        }
        let query = present(get(Role::Query));
        if !query.is_empty() && !is_made {
            is_made = true;
            for part in [target, b"?", query.strip_prefix(b"?").unwrap_or(query)] {
                self.target.extend_from_slice(part);
            }
        }
        let has_tokens = input.is_some() || output.is_some();
        Ok(Some(Record {
            time_ns,
            moment: map.moment,
            resolution_ns: if has(Role::Count) { map.bin_ns } else { self.clock.resolution_ns() },
            duration_ns,
            count,
            session: present(get(Role::Session)),
            method,
            target: if is_made { &self.target } else { target },
            host,
            body_bytes,
            status,
            bytes,
            tag: present(get(Role::Tag)),
            tokens: has_tokens.then(|| Tokens {
                input: input.unwrap_or_default(),
                output: output.unwrap_or_default(),
            }),
            ..Record::default()
        }))
    }
}

fn present(text: &[u8]) -> &[u8] {
    super::value::recorded(text).unwrap_or_default()
}

/// The instant of a row.
fn time_ns(
    map: &ColumnMap,
    clock: &mut Clock,
    time: &[u8],
    time_of_day: &[u8],
    is_split: bool,
) -> Option<i64> {
    let time = time.trim_ascii();
    let zone_offset_ns = map.zone_offset_s.checked_mul(SECOND_NS)?;
    let time_ns = if is_split {
        let time_of_day = time_of_day.trim_ascii();
        let time_ns = date(time)?.checked_add(parse_time_of_day(time_of_day)?)?;
        clock.see(time_of_day);
        return time_ns.checked_sub(zone_offset_ns);
    } else {
        clock.read(with_point(map, time, &mut Vec::new()))?
    };
    match map.time_form {
        TimeForm::Rfc3339 if !has_zone(time) => time_ns.checked_sub(zone_offset_ns),
        TimeForm::Number(_) => time_ns.checked_add(map.base_ns),
        _ => Some(time_ns),
    }
}

/// Tells whether a date and time says its own zone.
fn has_zone(time: &[u8]) -> bool {
    time.get(19..).is_some_and(|rest| rest.iter().any(|byte| b"Zz+-".contains(byte)))
}

/// The text of a number with a point, whatever it is written with.
fn with_point<'a>(map: &ColumnMap, text: &'a [u8], buffer: &'a mut Vec<u8>) -> &'a [u8] {
    if !map.is_decimal_comma || !text.contains(&b',') {
        return text;
    }
    buffer.clear();
    buffer.extend(text.iter().map(|&byte| if byte == b',' { b'.' } else { byte }));
    buffer
}

/// Puts the path of a filing's file together. What begins with a point or a dash ends the name
/// that the filing's number begins; anything else is a file of its own in the filing's folder,
/// which is named by the number without its dashes.
fn push_edgar_target(
    target: &mut Vec<u8>,
    cik: &[u8],
    accession: &[u8],
    extension: &[u8],
) -> Result<(), Skip> {
    let cik = whole(cik)?.ok_or(Skip::BadRequest)?;
    let accession = present(accession);
    if accession.is_empty() {
        return Err(Skip::BadRequest);
    }
    target.extend_from_slice(format!("/Archives/edgar/data/{cik}/").as_bytes());
    if matches!(extension.first(), None | Some(b'.' | b'-')) {
        target.extend_from_slice(accession);
    } else {
        target.extend(accession.iter().filter(|&&byte| byte != b'-'));
        target.push(b'/');
    }
    target.extend_from_slice(extension);
    Ok(())
}

/// Reads a table in text.
#[derive(Debug, Clone)]
pub struct Table {
    /// Which columns hold what.
    pub map: ColumnMap,
    /// How the table is written.
    pub syntax: Syntax,
    /// Its first row names the columns.
    pub has_heading: bool,
}

impl Table {
    /// Reads a table with commas and a heading.
    pub fn csv(map: ColumnMap) -> Self {
        Self { map, syntax: Syntax::CSV, has_heading: true }
    }

    /// Reads a table with tabs and a heading.
    pub fn tsv(map: ColumnMap) -> Self {
        Self { map, syntax: Syntax::TSV, has_heading: true }
    }
}

impl Format for Table {
    fn read(&mut self, input: &mut dyn BufRead, sink: &mut dyn Sink) -> io::Result<()> {
        let mut rows = Rows::new(input, self.syntax);
        let mut reader = RowReader::new(self.map.clone());
        let mut columns = None;
        let mut positions = None;
        while let Some((number, row)) = rows.next_row()? {
            let fields = match row {
                Row::Whole(fields) => fields,
                Row::TooLong(start) => {
                    sink.skip(number, Skip::TooLong, start)?;
                    continue;
                }
                Row::Torn(line) => {
                    sink.skip(number, Skip::Malformed, line)?;
                    continue;
                }
            };
            let positions = match &positions {
                Some(positions) => positions,
                None if self.has_heading => {
                    let text = |field: &[u8]| String::from_utf8_lossy(field).into_owned();
                    let names = fields.iter().map(text).collect::<Vec<_>>();
                    positions = Some(self.map.positions(Some(&names))?);
                    columns = Some(names.len());
                    continue;
                }
                None => {
                    // Without a heading the first row shows how many columns there are.
                    columns = Some(fields.len());
                    positions.insert(self.map.positions(None)?)
                }
            };
            let record = if is_regular(fields, columns) {
                reader.record(&cells(fields, positions), positions)
            } else {
                Err(Skip::Malformed)
            };
            match record {
                Ok(Some(record)) => sink.record(number, &record)?,
                Ok(None) => {}
                Err(reason) => sink.skip(number, reason, fields.text())?,
            }
        }
        Ok(())
    }
}

/// Tells whether a row has the columns of the heading; blanks behind the last are let be.
fn is_regular(fields: &Fields, columns: Option<usize>) -> bool {
    columns.is_none_or(|columns| {
        fields.len() >= columns && fields.iter().skip(columns).all(<[u8]>::is_empty)
    })
}

fn cells<'a>(fields: &'a Fields, positions: &Positions) -> Cells<'a> {
    positions.map(|position| position.and_then(|at| fields.get(at)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::*;
    use crate::format::testing::{Kept, mutated, read_all, sample};
    use crate::format::value::date_time;

    fn read(map: ColumnMap, input: &str) -> Kept {
        read_all(&mut Table::csv(map), input.as_bytes()).unwrap()
    }

    #[test]
    fn every_row_of_azures_conversations_is_read() {
        // python3: r = list(csv.reader(open(...))); len(r) - 1, the sums of columns 2 and 3.
        let input = sample("azure_llm_2023_conv.csv.gz");
        let kept = read_all(&mut Table::csv(ColumnMap::azure_llm()), &input).unwrap();
        assert_eq!((kept.records.len(), kept.skips.len()), (19_366, 0));
        let tokens = kept.records.iter().filter_map(|record| record.tokens);
        let sums =
            tokens.fold((0, 0), |sums, tokens| (sums.0 + tokens.input, sums.1 + tokens.output));
        assert_eq!(sums, (22_361_870, 4_088_665));
        let first = &kept.records[0];
        assert_eq!(first.time_ns, date_time(b"2023-11-16T18:15:46.68059Z").unwrap());
        assert_eq!((first.resolution_ns, first.place), (100, 2));
    }

    #[test]
    fn every_row_of_edgar_is_read() {
        // python3: len(list(csv.reader(open(...)))) - 1; Counter of column 8; the sum of column 9.
        let input = sample("edgar_20170630_first28s.csv.gz");
        let kept = read_all(&mut Table::csv(ColumnMap::edgar()), &input).unwrap();
        assert_eq!((kept.records.len(), kept.skips.len()), (9_999, 0));
        assert_eq!(kept.records.iter().filter(|record| record.status == Some(301)).count(), 2_964);
        assert_eq!(
            kept.records.iter().filter_map(|record| record.bytes).sum::<u64>(),
            1_203_545_272
        );
        let first = &kept.records[0];
        assert_eq!(first.time_ns, date_time(b"2017-06-30T00:00:00Z").unwrap());
        assert_eq!((first.resolution_ns, &first.session[..]), (SECOND_NS, &b"10.70.231.240"[..]));
        let target = b"/Archives/edgar/data/1608552/0001047469-17-004337-index.htm";
        assert_eq!(first.target, target);
        let last = &kept.records[9_998];
        assert_eq!(last.time_ns - first.time_ns, 28 * SECOND_NS);
        assert_eq!(last.target, b"/Archives/edgar/data/935493/000129993305005389/exhibit1.htm");
    }

    /// Reads counts and compares what they come to: sum, rows, last offset and greatest count.
    fn check_counts(text: &[u8], (sum, rows, last_s, peak): (u64, usize, i64, u64)) {
        let kept = read_all(&mut Table::csv(ColumnMap::counts()), text).unwrap();
        assert_eq!(kept.records.iter().map(|record| record.count).sum::<u64>(), sum);
        assert_eq!((kept.records.len(), kept.skips.len()), (rows, 0));
        assert_eq!(kept.records[rows - 1].time_ns, last_s * SECOND_NS);
        assert_eq!(kept.records.iter().map(|record| record.count).max(), Some(peak));
        assert!(kept.records.iter().all(|record| record.resolution_ns == SECOND_NS));
    }

    // The numbers of both tests by python3: sum(int(r[1]) for r in rows), len(rows),
    // int(rows[-1][0]), max(int(r[1]) for r in rows) over csv.reader(gzip.open(…, "rt")) without
    // its first row.

    #[test]
    fn every_count_of_nasa_and_twitter_is_read() {
        let nasa = sample("nasa_jul95_first20000_counts_1s.csv.gz");
        check_counts(&nasa, (29_943, 20_000, 47_001, 9));
        let twitter = sample("twitter_sample_2021_first20000_counts_1s.csv.gz");
        check_counts(&twitter, (1_187_623, 20_000, 19_999, 274));
    }

    #[test]
    #[ignore = "needs the whole count files, unpacked, in the directory TRACES_WHOLE"]
    fn every_count_of_the_whole_files_is_read() {
        let folder = std::path::PathBuf::from(std::env::var_os("TRACES_WHOLE").unwrap());
        let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
        let nasa = read("nasa_jul95_counts_1s.csv");
        check_counts(&nasa, (1_864_593, 1_082_538, 2_332_798, 20));
        let twitter = read("twitter_sample_2021_d1-14_counts_1s.csv");
        check_counts(&twitter, (76_878_572, 1_184_298, 1_207_860, 388));
    }

    #[test]
    fn counts_are_spread_over_their_bin() {
        let mut map = ColumnMap::counts();
        map.set("bin", "60s").unwrap();
        let kept = read(map, "offset_s,count\n0,3\n60,0\n120,-\n180,1.0\n240,x\n");
        let counts = kept.records.iter().map(|record| (record.time_ns, record.count));
        assert_eq!(counts.collect::<Vec<_>>(), [(0, 3), (180 * SECOND_NS, 1)]);
        assert!(kept.records.iter().all(|record| record.resolution_ns == 60 * SECOND_NS));
        assert_eq!(kept.skips, [(4, Skip::BadNumber), (6, Skip::BadNumber)]);
    }

    #[test]
    fn burstgpt_has_sessions_or_not() {
        let old = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n5,ChatGPT,472,18,490,Conversation log\n";
        let new = "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n5,7,0.5,GPT-4,1,2,3,API log\n";
        let kept = read(ColumnMap::burstgpt(), old);
        assert_eq!(
            (kept.records[0].tokens, &kept.records[0].tag[..]),
            (Some(Tokens { input: 472, output: 18 }), &b"ChatGPT"[..])
        );
        let kept = read(ColumnMap::burstgpt(), new);
        assert_eq!(
            (&kept.records[0].session[..], kept.records[0].duration_ns),
            (&b"7"[..], Some(500_000_000))
        );
    }

    #[test]
    fn a_column_that_is_not_there_is_named_with_those_that_are() {
        let error =
            read_all(&mut Table::csv(ColumnMap::azure_llm()), b"TIME,Tokens\n").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert_eq!(
            error.to_string(),
            "the table has no column `TIMESTAMP`, but `TIME`, `Tokens`: bind the role to one of them"
        );
        let mut numbered = Table { has_heading: false, ..Table::csv(ColumnMap::azure_llm()) };
        assert!(read_all(&mut numbered, b"1,2\n").unwrap_err().to_string().contains("#1"));
        let map = ColumnMap::new(TimeForm::Rfc3339, Moment::Start).with(&[(Role::Count, "n")]);
        assert!(read_all(&mut Table::csv(map), b"n\n").unwrap_err().to_string().contains("`time`"));
    }

    #[test]
    fn zones_bases_and_commas_are_minded() {
        let mut map = ColumnMap::new(TimeForm::Rfc3339, Moment::Start).with(&[(Role::Time, "t")]);
        map.set("zone", "+02:00").unwrap();
        let kept =
            read(map, "t\n2024-06-01 12:00:00\n2024-06-01 12:00:00Z\n2024-06-01T12:00:00-01:00\n");
        let hours = kept.records.iter().map(|record| record.time_ns / SECOND_NS / 3600 % 24);
        assert_eq!(hours.collect::<Vec<_>>(), [10, 12, 13]);

        let mut map = ColumnMap::new(TimeForm::Number(Unit::Milliseconds), Moment::Start);
        for (name, value) in [
            ("time", "#1"),
            ("duration", "#2"),
            ("decimal", "comma"),
            ("duration_unit", "ms"),
            ("target", "#3"),
            ("query", "#4"),
        ] {
            map.set(name, value).unwrap();
        }
        map.base_ns = 1_000;
        let syntax = Syntax { delimiter: b';', quote: Some(b'"') };
        let mut table = Table { map, syntax, has_heading: false };
        let kept = read_all(&mut table, b"1,5;0,25;/a;b=c\n9223372036854775807;;/;\n").unwrap();
        let record = &kept.records[0];
        assert_eq!((record.time_ns, record.duration_ns), (1_501_000, Some(250_000)));
        assert_eq!(record.target, b"/a?b=c");
        assert_eq!(kept.skips, [(2, Skip::BadTime)]);
    }

    #[test]
    fn rows_that_do_not_fit_the_heading_are_counted() {
        let kept = read(ColumnMap::counts(), "offset_s,count\n1,1,\n2\n3,1,x\n4,\"1\n5,1");
        assert_eq!(kept.records.iter().map(|record| record.place).collect::<Vec<_>>(), [2, 6]);
        assert_eq!(kept.skips, [(3, Skip::Malformed), (4, Skip::Malformed), (5, Skip::Malformed)]);
    }

    #[test]
    fn wrong_settings_name_the_right_ones() {
        let mut map = ColumnMap::counts();
        for (name, value, allowed) in [
            ("tiem", "t", "time_of_day"),
            ("zone", "CET", "+HH:MM"),
            ("bin", "0s", "100ms"),
            ("decimal", "dot", "comma"),
            ("time", "#0", "#1"),
        ] {
            let error = map.set(name, value).unwrap_err().to_string();
            assert!(error.contains(allowed), "{error}");
        }
        assert!(ColumnMap::preset("azure").unwrap_err().to_string().contains("azure_llm"));
    }

    #[test]
    fn every_damage_gives_records_reasons_or_an_error() {
        let edgar = sample("edgar_20170630_first28s.csv.gz");
        let azure = sample("azure_llm_2023_conv.csv.gz");
        for (map, input) in
            [(ColumnMap::edgar(), &edgar[..1_000]), (ColumnMap::azure_llm(), &azure[..500])]
        {
            for input in mutated(input, 3_000) {
                let lines = input.split(|&byte| byte == b'\n').count();
                if let Ok(kept) = read_all(&mut Table::csv(map.clone()), &input) {
                    assert!(kept.records.len() + kept.skips.len() <= lines);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in any::<Vec<u8>>(), row in "[-0-9.,eE:+Z /]{0,40}") {
            for map in [ColumnMap::edgar(), ColumnMap::counts(), ColumnMap::azure_functions_2021()] {
                let mut table = Table { has_heading: false, ..Table::csv(map) };
                table.map.bindings.iter_mut().enumerate().for_each(|(position, binding)| {
                    binding.column = Column::Numbered(position + 1);
                });
                let _ = read_all(&mut table, &bytes);
                let _ = read_all(&mut table, row.as_bytes());
            }
        }
    }
}
