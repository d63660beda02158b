//! What the rows of a run have in common, by number.
//!
//! The five names, the status and the outcome of a row take few distinct combinations; each
//! combination is a [`Kind`] and a row holds its number. Whatever depends on names is decided once
//! per kind and looked up per row.

use std::collections::HashMap;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt16Type;
use arrow_array::{Array, ArrayRef, RecordBatch};
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

/// What a row's kind is made from: codes of stream, phase, scenario, request and outcome, and the
/// status (0 for none), 16 bits each.
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

/// Numbers the kinds of one row group as they come.
#[derive(Debug, Default)]
pub(super) struct GroupKinds {
    names: Vec<String>,
    name_codes: HashMap<String, u16>,
    keys: Vec<Key>,
    codes: HashMap<Key, u32>,
}

/// A column of a batch that says something of each row's kind.
struct Varying {
    /// A code of each row.
    codes: Vec<u16>,
    /// Where it stands in the key.
    shift: u32,
}

impl GroupKinds {
    /// The codes of the picked rows of a row group, or of all. Names that were not asked for are
    /// empty.
    pub fn codes(
        &mut self,
        batch: &RecordBatch,
        picked: Option<&[u32]>,
    ) -> Result<Vec<u32>, Error> {
        let mut every: Key = 0;
        let mut varying = Vec::new();
        let shifts = (0..).step_by(CODE_BITS as usize);
        for (shift, name) in shifts.zip(DICTIONARIES) {
            let of_column = match batch.column_by_name(name) {
                None => vec![self.name_code("")],
                Some(array) => self.codes_of_names(array, picked, name)?,
            };
            add(of_column, shift, &mut every, &mut varying);
        }
        if let Some(status) = batch.column_by_name("status") {
            add(codes_of_status(status, picked)?, STATUS_SHIFT, &mut every, &mut varying);
        }
        let count = picked.map_or(batch.num_rows(), <[u32]>::len);
        Ok(self.codes_of_keys(every, &varying, count))
    }

    /// What the codes of the keys mean.
    pub fn into_kinds(self) -> Vec<NamedKind> {
        let name = |key: Key, place: u32| {
            let code = (key >> (place * CODE_BITS)) as u16;
            self.names[usize::from(code)].clone()
        };
        let kind = |&key: &Key| NamedKind {
            names: [0, 1, 2, 3, 4].map(|place| name(key, place)),
            status: (key >> STATUS_SHIFT) as u16,
        };
        self.keys.iter().map(kind).collect()
    }

    /// Codes of the names of rows, or one for all. Parts may number the same names differently.
    fn codes_of_names(
        &mut self,
        array: &ArrayRef,
        picked: Option<&[u32]>,
        column: &'static str,
    ) -> Result<Vec<u16>, Error> {
        let array = array.as_dictionary_opt::<UInt16Type>().ok_or(Error::Column { column })?;
        let names = array.values().as_string_opt::<i32>().ok_or(Error::Column { column })?;
        let remap: Vec<u16> =
            names.iter().map(|name| self.name_code(name.unwrap_or_default())).collect();
        if array.keys().null_count() > 0 {
            let known: Vec<bool> = (0..array.len()).map(|row| array.is_valid(row)).collect();
            if among(picked, &known).contains(&false) {
                return Err(Error::Column { column });
            }
        }
        let codes = among(picked, array.keys().values());
        let codes = one_if_constant(&codes).iter();
        let code = |&code: &u16| remap.get(usize::from(code)).copied();
        codes.map(code).collect::<Option<_>>().ok_or(Error::Column { column })
    }

    fn name_code(&mut self, name: &str) -> u16 {
        if let Some(&code) = self.name_codes.get(name) {
            return code;
        }
        // A profile has a few dozen names; 16 bits are what the files use for each column.
        let code = u16::try_from(self.names.len()).unwrap_or(u16::MAX);
        self.names.push(name.to_owned());
        self.name_codes.insert(name.to_owned(), code);
        code
    }

    fn codes_of_keys(&mut self, every: Key, varying: &[Varying], count: usize) -> Vec<u32> {
        if varying.is_empty() {
            return if count > 0 { vec![self.code(every); count] } else { Vec::new() };
        }
        // A few kinds make most rows: those met last, by a hash of their key.
        let mut recent: [Option<(Key, u32)>; RECENT] = [None; RECENT];
        let codes = (0..count).map(|row| {
            let of_row = |column: &Varying| Key::from(column.codes[row]) << column.shift;
            let key = varying.iter().fold(every, |key, column| key | of_row(column));
            let place = recent_place(key);
            let code = match recent[place] {
                Some((same, code)) if same == key => code,
                _ => self.code(key),
            };
            recent[place] = Some((key, code));
            code
        });
        codes.collect()
    }

    fn code(&mut self, key: Key) -> u32 {
        let next = self.keys.len() as u32;
        let code = *self.codes.entry(key).or_insert(next);
        if code == next {
            self.keys.push(key);
        }
        code
    }
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
