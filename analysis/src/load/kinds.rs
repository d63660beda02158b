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

/// Codes of one batch's names in the names of the run.
type Remap = Vec<u16>;

/// What a row's kind is made from: codes of stream, phase, scenario, request and outcome, and
/// the status (0 for none).
type KindKey = [u16; 6];

/// Numbers the kinds of a run as they come.
#[derive(Debug)]
pub(super) struct Kinds {
    warmups: Vec<(String, String)>,
    /// Tags by scenario.
    tags: HashMap<String, Vec<String>>,
    names: Vec<String>,
    name_codes: HashMap<String, u16>,
    kinds: Vec<Kind>,
    kind_codes: HashMap<KindKey, u32>,
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
        Self {
            warmups,
            tags: tags.collect(),
            names: Vec::new(),
            name_codes: HashMap::new(),
            kinds: Vec::new(),
            kind_codes: HashMap::new(),
        }
    }

    /// The kinds in the order of their codes.
    pub fn into_kinds(self) -> Vec<Kind> {
        self.kinds
    }

    /// Appends the codes of some rows of a batch. Names that were not asked for are empty.
    pub fn append(
        &mut self,
        batch: &RecordBatch,
        rows: &[usize],
        codes: &mut Vec<u32>,
    ) -> Result<(), Error> {
        let mut keys = vec![KindKey::default(); rows.len()];
        let dictionaries = ["stream", "phase", "scenario", "request", "outcome"];
        for (place, name) in dictionaries.into_iter().enumerate() {
            let Some(array) = batch.column_by_name(name) else {
                let unnamed = self.name_code("");
                keys.iter_mut().for_each(|key| key[place] = unnamed);
                continue;
            };
            let array = array.as_dictionary_opt::<UInt16Type>();
            let array = array.ok_or(Error::Column { column: name })?;
            if array.keys().null_count() > 0 && rows.iter().any(|&row| array.is_null(row)) {
                return Err(Error::Column { column: name });
            }
            let remap = self.remap(array.values(), name)?;
            let names = array.keys().values();
            for (key, &row) in keys.iter_mut().zip(rows) {
                let code = remap.get(usize::from(names[row])).copied();
                key[place] = code.ok_or(Error::Column { column: name })?;
            }
        }
        if let Some(status) = batch.column_by_name("status") {
            let status = status.as_primitive_opt::<UInt16Type>();
            let status = status.ok_or(Error::Column { column: "status" })?;
            for (key, &row) in keys.iter_mut().zip(rows) {
                key[5] = if status.is_valid(row) { status.value(row) } else { 0 };
            }
        }
        self.append_codes(&keys, codes)
    }

    /// Translates a batch's dictionary; parts may number the same names differently.
    fn remap(&mut self, values: &ArrayRef, column: &'static str) -> Result<Remap, Error> {
        let values = values.as_string_opt::<i32>().ok_or(Error::Column { column })?;
        Ok(values.iter().map(|name| self.name_code(name.unwrap_or_default())).collect())
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

    fn append_codes(&mut self, keys: &[KindKey], codes: &mut Vec<u32>) -> Result<(), Error> {
        // A few kinds make most rows: those met last, by a hash of their key.
        let mut recent: [Option<(KindKey, u32)>; RECENT] = [None; RECENT];
        for &key in keys {
            let place = recent_place(key);
            let code = match recent[place] {
                Some((same, code)) if same == key => code,
                _ => self.code(key)?,
            };
            recent[place] = Some((key, code));
            codes.push(code);
        }
        Ok(())
    }

    fn code(&mut self, key: KindKey) -> Result<u32, Error> {
        if let Some(&code) = self.kind_codes.get(&key) {
            return Ok(code);
        }
        let [stream, phase, scenario, request, outcome] =
            [0, 1, 2, 3, 4].map(|place| self.names[usize::from(key[place])].clone());
        let outcome = Outcome::from_name(&outcome)
            .ok_or_else(|| Error::UnknownOutcome { found: outcome.clone() })?;
        let is_warmup = self.warmups.iter().any(|(s, p)| *s == stream && *p == phase);
        let status = (key[5] != 0).then_some(key[5]);
        let code = self.kinds.len() as u32;
        let is_measured = !is_warmup;
        let tags = self.tags.get(&scenario).cloned().unwrap_or_default();
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
        self.kind_codes.insert(key, code);
        Ok(code)
    }
}

/// Kinds that are remembered: more than a run of a few scenarios mixes.
const RECENT: usize = 64;

fn recent_place(key: KindKey) -> usize {
    let mixed = key.into_iter().fold(0_u32, |mixed, part| {
        (mixed ^ u32::from(part)).wrapping_mul(0x9e37_79b1).rotate_left(11)
    });
    mixed as usize % RECENT
}
