//! From text to the types of [`raw`](super::raw): parse, apply `--set`, check the shape, read.
//!
//! `--set KEY=VALUE` is a line of TOML, and `--target URL` is `--set target.url=URL`. The
//! value is put into the parsed profile before anything is checked, and keeps its own place,
//! so that every check applies to it and says which argument is meant.

use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeArray, DeString, DeTable, DeValue, Deserializer};

use super::diagnostic::{Diagnostic, Fault, ProfileError};
use super::nearest::{list, nearest};
use super::raw::RawProfile;
use super::source::Source;
use super::structure;

type Value<'a> = Spanned<DeValue<'a>>;
type Key<'a> = Spanned<DeString<'a>>;
type Misplaced = (Range<usize>, Fault);

/// Reads a profile with its `--set` arguments.
pub(super) fn read(
    source: &mut Source,
    settings: &[(String, String)],
    target: Option<&str>,
) -> Result<RawProfile, ProfileError> {
    let text = source.profile().to_owned();
    let mut table = parse(source, &text)?;
    let mut wrong = Vec::new();
    for (key, value) in settings {
        if let Err((span, fault)) = set(source, table.get_mut(), key, value) {
            wrong.push(fault.at(source.place(&span)));
        }
    }
    let target = target.map(|url| set_target(source, table.get_mut(), url));
    if let Some(Err((span, fault))) = target {
        wrong.push(fault.at(source.place(&span)));
    }
    wrong.extend(structure::check(source, &table));
    if !wrong.is_empty() {
        return Err(ProfileError { diagnostics: wrong });
    }
    RawProfile::deserialize(Deserializer::from(table))
        .map_err(|error| foreign(source, &error).into())
}

fn parse<'a>(source: &Source, text: &'a str) -> Result<Spanned<DeTable<'a>>, ProfileError> {
    if text.trim().is_empty() {
        let fault = Fault::new("the profile is empty")
            .help("a profile has at least `name`, `[target]` and one `[[phase]]`");
        return Err(fault.at(source.place(&(0..0))).into());
    }
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Ok(table);
    }
    // What follows a mistake is often no mistake; a few are enough.
    let diagnostics = errors.iter().take(3).map(|error| foreign(source, error)).collect();
    Err(ProfileError { diagnostics })
}

/// Turns an error of the TOML library into ours.
fn foreign(source: &Source, error: &toml::de::Error) -> Diagnostic {
    let message = error.message().lines().next().unwrap_or("this is not TOML");
    let fault = Fault::new(message.to_owned());
    fault.at(error.span().and_then(|span| source.place(&span)))
}

/// Puts one `--set` argument into the profile.
fn set<'a>(
    source: &mut Source,
    table: &mut DeTable<'a>,
    key: &str,
    value: &'a str,
) -> Result<(), Misplaced> {
    let argument = format!("{key}={value}");
    let start = source.push("--set", &argument);
    let whole = start..start + argument.len();
    let path = parse_key(key, start).ok_or_else(|| {
        let help = "write a dotted key: connection.max_in_flight, phase.surge.rate, phase.0.rate";
        (start..start + key.len(), Fault::new(format!("`{key}` is no key")).help(help))
    })?;
    let value = parse_value(value, start + key.len() + 1, whole.end);
    put(table, &path, value)
}

/// Puts the `--target` argument where the profile names its own.
fn set_target<'a>(
    source: &mut Source,
    table: &mut DeTable<'a>,
    url: &'a str,
) -> Result<(), Misplaced> {
    let start = source.push("--target", url);
    let span = start..start + url.len();
    let path = ["target", "url"].map(|part| Spanned::new(span.clone(), part.into()));
    put(table, &path, Spanned::new(span, DeValue::String(url.into())))
}

/// Splits a dotted key; each part keeps its place.
fn parse_key(key: &str, start: usize) -> Option<Vec<Key<'static>>> {
    // A line of TOML with the key in front: its rules for quotes and dots hold.
    let line = format!("{key}=0");
    if key.contains(['\n', '\r', '=', '#']) {
        return None;
    }
    let mut level = DeTable::parse(&line).ok()?.into_inner();
    let mut path = Vec::new();
    loop {
        let (part, value) = level.into_iter().next()?;
        let span = part.span().start + start..part.span().end + start;
        path.push(Spanned::new(span, part.into_inner().into_owned().into()));
        match value.into_inner() {
            DeValue::Table(inner) => level = inner,
            _ => return Some(path),
        }
    }
}

/// Reads a value as TOML; what is no TOML is taken as text.
fn parse_value(text: &str, start: usize, end: usize) -> Value<'_> {
    match DeValue::parse(text) {
        Ok(value) => shift(value, start),
        Err(_) => Spanned::new(start..end, DeValue::String(text.into())),
    }
}

/// Walks down `path` and puts `value` there.
fn put<'a>(table: &mut DeTable<'a>, path: &[Key<'a>], value: Value<'a>) -> Result<(), Misplaced> {
    let Some((key, rest)) = path.split_first() else { return Ok(()) };
    if rest.is_empty() {
        // The old key would keep its old place.
        table.remove(key.get_ref().as_ref());
        table.insert(key.clone(), value);
        return Ok(());
    }
    if !table.contains_key(key.get_ref().as_ref()) {
        table.insert(key.clone(), Spanned::new(key.span(), DeValue::Table(DeTable::new())));
    }
    match table.get_mut(key.get_ref().as_ref()) {
        Some(inner) => put_inside(inner, key, rest, value),
        None => Ok(()),
    }
}

fn put_inside<'a>(
    inner: &mut Value<'a>,
    key: &Key<'a>,
    rest: &[Key<'a>],
    value: Value<'a>,
) -> Result<(), Misplaced> {
    match inner.get_mut() {
        DeValue::Table(table) => put(table, rest, value),
        DeValue::Array(items) => {
            let Some((chosen, deeper)) = rest.split_first() else { return Ok(()) };
            let item = choose(items, key.get_ref(), chosen)?;
            match deeper {
                [] => *item = value,
                _ => return put_inside(item, chosen, deeper, value),
            }
            Ok(())
        }
        _ => {
            let fault = Fault::new(format!("`{}` has no keys inside", key.get_ref()));
            Err((key.span(), fault))
        }
    }
}

/// Finds an element of a list by its position or by its `name`.
fn choose<'list, 'a>(
    items: &'list mut DeArray<'a>,
    list_name: &str,
    chosen: &Key<'a>,
) -> Result<&'list mut Value<'a>, Misplaced> {
    let names: Vec<Option<String>> = items.iter().map(|item| name_of(item.get_ref())).collect();
    let wanted = chosen.get_ref().as_ref();
    let by_name = names.iter().position(|name| name.as_deref() == Some(wanted));
    let position = by_name.or_else(|| wanted.parse().ok());
    let count = items.len();
    position.and_then(|position| items.get_mut(position)).ok_or_else(|| {
        let names: Vec<&str> = names.iter().flatten().map(String::as_str).collect();
        let positions = match count {
            1 => "position 0".to_owned(),
            count => format!("positions 0 to {}", count.saturating_sub(1)),
        };
        let allowed =
            if names.is_empty() { String::new() } else { list(names.iter().copied()) + ", or " };
        let fault = Fault::new(format!("there is no `{list_name}` called `{wanted}`"))
            .nearest(nearest(wanted, names))
            .help(format!("one of: {allowed}{positions}"));
        (chosen.span(), fault)
    })
}

fn name_of(item: &DeValue<'_>) -> Option<String> {
    item.as_table()?.get("name")?.get_ref().as_str().map(str::to_owned)
}

/// Moves a value's places by `offset`.
fn shift(value: Value<'_>, offset: usize) -> Value<'_> {
    let span = value.span().start + offset..value.span().end + offset;
    let inner = match value.into_inner() {
        DeValue::Array(items) => {
            DeValue::Array(items.into_iter().map(|item| shift(item, offset)).collect())
        }
        DeValue::Table(table) => {
            DeValue::Table(table.into_iter().map(|entry| shift_entry(entry, offset)).collect())
        }
        scalar => scalar,
    };
    Spanned::new(span, inner)
}

fn shift_entry<'a>((key, value): (Key<'a>, Value<'a>), offset: usize) -> (Key<'a>, Value<'a>) {
    let span = key.span().start + offset..key.span().end + offset;
    (Spanned::new(span, key.into_inner()), shift(value, offset))
}
