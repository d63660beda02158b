//! What the rows of a run have in common, by number.
//!
//! The five names, the status and the outcome of a row take few distinct combinations; each
//! combination is a [`Kind`] and a row holds its number. Whatever depends on names is decided once
//! per kind and looked up per row.

use std::array;
use std::collections::HashMap;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt16Type;
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray};
use openload_contract::{Manifest, Outcome};

use super::batch::among;
use crate::Error;

/// What the rows of one code have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// Stream of the profile.
    pub stream: String,
    /// Phase of the stream.
    pub phase: String,
    /// Scenario of the profile.
    pub scenario: String,
    /// Request of the scenario.
    pub request: String,
    /// Tags of the scenario.
    pub tags: Vec<String>,
    /// How the request ended.
    pub outcome: Outcome,
    /// HTTP status, if a response head arrived.
    pub status: Option<u16>,
    /// Whether the phase counts in the results.
    pub is_measured: bool,
}

/// What a row's kind is made from: the group's codes of stream, phase, scenario, request and
/// outcome, and the status (0 for none), 16 bits each.
type Key = u128;

/// Names of stream, phase, scenario, request and outcome, and the status (0 for none).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct NamedKind {
    names: [String; DICTIONARIES.len()],
    status: u16,
}

const DICTIONARIES: [&str; 5] = ["stream", "phase", "scenario", "request", "outcome"];
const CODE_BITS: u32 = u16::BITS;
const STATUS_SHIFT: u32 = DICTIONARIES.len() as u32 * CODE_BITS;

/// A column of a row group that says something of each row's kind.
struct Varying {
    /// A code of each row.
    codes: Vec<u16>,
    /// Where it stands in the key.
    shift: u32,
}

/// The kinds of a row group in the order in which they come, and the number of its kind for each of
/// the picked rows, or of all. Names that were not asked for are empty.
pub(super) fn kinds_of(
    batch: &RecordBatch,
    picked: Option<&[u32]>,
) -> Result<(Vec<NamedKind>, Vec<u32>), Error> {
    let mut every: Key = 0;
    let mut varying = Vec::new();
    let mut dictionaries: [Option<&StringArray>; DICTIONARIES.len()] = Default::default();
    let shifts = (0..).step_by(CODE_BITS as usize);
    for ((shift, name), dictionary) in shifts.zip(DICTIONARIES).zip(&mut dictionaries) {
        if let Some(array) = batch.column_by_name(name) {
            let (names, codes) = codes_of_names(array, picked, name)?;
            *dictionary = Some(names);
            add(codes, shift, &mut every, &mut varying);
        }
    }
    if let Some(status) = batch.column_by_name("status") {
        add(codes_of_status(status, picked)?, STATUS_SHIFT, &mut every, &mut varying);
    }
    let count = picked.map_or(batch.num_rows(), <[u32]>::len);
    let (keys, codes) = numbered(every, &varying, count);
    let name = |key: Key, place: usize| {
        let code = (key >> (place as u32 * CODE_BITS)) as u16;
        dictionaries[place].map_or("", |names| names.value(code.into())).to_owned()
    };
    let kind = |&key: &Key| NamedKind {
        names: array::from_fn(|place| name(key, place)),
        status: (key >> STATUS_SHIFT) as u16,
    };
    Ok((keys.iter().map(kind).collect(), codes))
}

/// The names of a column, and their codes of rows, or one for all.
fn codes_of_names<'a>(
    array: &'a ArrayRef,
    picked: Option<&[u32]>,
    column: &'static str,
) -> Result<(&'a StringArray, Vec<u16>), Error> {
    let wrong = || Error::Column { column };
    let array = array.as_dictionary_opt::<UInt16Type>().ok_or_else(wrong)?;
    let names = array.values().as_string_opt::<i32>().ok_or_else(wrong)?;
    let codes = among(picked, array.keys().values());
    let codes = one_if_constant(&codes).to_vec();
    let is_known = |row: usize| array.keys().is_valid(row);
    let are_known = array.keys().null_count() == 0
        || picked.is_some_and(|picked| picked.iter().all(|&row| is_known(row as usize)));
    let are_names = codes.iter().all(|&code| usize::from(code) < names.len());
    if are_known && are_names { Ok((names, codes)) } else { Err(wrong()) }
}

/// The keys of rows in the order in which they come, and the number of its key for each row.
fn numbered(every: Key, varying: &[Varying], count: usize) -> (Vec<Key>, Vec<u32>) {
    if varying.is_empty() {
        return (vec![every; count.min(1)], vec![0; count]);
    }
    let mut keys = Vec::new();
    let mut numbers: HashMap<Key, u32> = HashMap::new();
    // A few kinds make most rows: those met last, by a hash of their key.
    let mut recent: [Option<(Key, u32)>; RECENT] = [None; RECENT];
    let codes = (0..count).map(|row| {
        let of_row = |column: &Varying| Key::from(column.codes[row]) << column.shift;
        let key = varying.iter().fold(every, |key, column| key | of_row(column));
        let place = recent_place(key);
        if let Some((_, number)) = recent[place].filter(|&(same, _)| same == key) {
            return number;
        }
        let number = *numbers.entry(key).or_insert_with(|| {
            keys.push(key);
            keys.len() as u32 - 1
        });
        recent[place] = Some((key, number));
        number
    });
    let codes = codes.collect();
    (keys, codes)
}

/// Puts a column into the key of every row, or among those that vary.
fn add(codes: Vec<u16>, shift: u32, every: &mut Key, varying: &mut Vec<Varying>) {
    match codes.as_slice() {
        [] => {}
        &[code] => *every |= Key::from(code) << shift,
        _ => varying.push(Varying { codes, shift }),
    }
}

/// The statuses of rows, 0 for none, or one for all.
fn codes_of_status(array: &ArrayRef, picked: Option<&[u32]>) -> Result<Vec<u16>, Error> {
    let status =
        array.as_primitive_opt::<UInt16Type>().ok_or(Error::Column { column: "status" })?;
    if status.null_count() == 0 {
        return Ok(one_if_constant(&among(picked, status.values())).to_vec());
    }
    let codes: Vec<u16> = status.iter().map(Option::unwrap_or_default).collect();
    Ok(one_if_constant(&among(picked, &codes)).to_vec())
}

/// One code when all are the same.
fn one_if_constant(codes: &[u16]) -> &[u16] {
    let differ = |first: &u16| codes.iter().fold(0, |differ, code| differ | (code ^ first)) != 0;
    match codes.first() {
        Some(first) if !differ(first) => &codes[..1],
        _ => codes,
    }
}

/// Kinds that are remembered: more than a run of a few scenarios mixes.
const RECENT: usize = 64;

fn recent_place(key: Key) -> usize {
    let mixed = ((key >> 64) as u64 ^ key as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as usize % RECENT
}

/// Numbers the kinds of a run in the order of its row groups.
#[derive(Debug)]
pub(super) struct Kinds {
    warmups: Vec<(String, String)>,
    /// Tags by scenario.
    tags: HashMap<String, Vec<String>>,
    kinds: Vec<Kind>,
    codes: HashMap<NamedKind, u32>,
}

impl Kinds {
    pub fn new(manifest: &Manifest) -> Self {
        let phases = manifest
            .streams
            .iter()
            .flat_map(|stream| stream.phases.iter().map(move |phase| (&stream.name, phase)));
        let warmups = phases
            .filter(|(_, phase)| !phase.role.is_measured())
            .map(|(stream, phase)| (stream.clone(), phase.name.clone()))
            .collect();
        let tags = manifest.scenarios.iter().map(|one| (one.name.clone(), one.tags.clone()));
        Self { warmups, tags: tags.collect(), kinds: Vec::new(), codes: HashMap::new() }
    }

    /// The kinds in the order of their codes.
    pub fn into_kinds(self) -> Vec<Kind> {
        self.kinds
    }

    /// The codes in the run of the kinds of a row group.
    pub fn codes(&mut self, of_group: Vec<NamedKind>) -> Result<Vec<u32>, Error> {
        of_group.into_iter().map(|named| self.code(named)).collect()
    }

    fn code(&mut self, named: NamedKind) -> Result<u32, Error> {
        if let Some(&code) = self.codes.get(&named) {
            return Ok(code);
        }
        let NamedKind { names: [stream, phase, scenario, request, outcome], status } =
            named.clone();
        let outcome =
            Outcome::from_name(&outcome).ok_or(Error::UnknownOutcome { found: outcome })?;
        let is_measured = !self.warmups.iter().any(|(s, p)| *s == stream && *p == phase);
        let status = (status != 0).then_some(status);
        let tags = self.tags.get(&scenario).cloned().unwrap_or_default();
        let code = self.kinds.len() as u32;
        self.kinds.push(Kind {
            stream,
            phase,
            scenario,
            request,
            tags,
            outcome,
            status,
            is_measured,
        });
        self.codes.insert(named, code);
        Ok(code)
    }
}
