//! Reading all arrivals of a run.
//!
//! Row groups are read and sorted by as many threads as there are processors, and merged and packed
//! by one more in the order of their earliest rows. What comes out does not depend on who is
//! faster.

use std::mem;
use std::path::Path;
use std::sync::Arc;

use arrow_array::types::Int64Type;
use openload_contract::{Manifest, TimelineDigest};
use openload_samples::{RowGroup, RowGroups};

use super::Columns;
use super::batch::{Arrivals, required};
use super::kinds::{Kind, Kinds};
use super::order::{Merge, Run};
use crate::Error;
use crate::parallel;
use crate::store::{Store, StoreBuilder};

/// Columns the analysis reads, in the order of the contract.
pub const COLUMNS: [&str; 14] = [
    "seq",
    "intended_ns",
    "lag_ns",
    "connect_ns",
    "sent_ns",
    "ttfb_ns",
    "response_ns",
    "status",
    "outcome",
    "stream",
    "phase",
    "scenario",
    "request",
    "step",
];

/// Columns that response times by phase and second need.
pub const RESPONSE_COLUMNS: [&str; 6] =
    ["intended_ns", "response_ns", "outcome", "stream", "phase", "step"];

/// Most rows of a run: a row number has 32 bits.
const ROWS_MAX: u32 = u32::MAX;

/// The arrivals of a run.
#[derive(Debug, Clone)]
pub struct Samples {
    store: Arc<Store>,
    kinds: Vec<Kind>,
    digest: TimelineDigest,
}

impl Samples {
    /// Reads all parts of a run.
    ///
    /// # Errors
    /// When a part cannot be read or holds what no version of `gen` wrote.
    pub fn load(run_dir: &Path, manifest: &Manifest) -> Result<Self, Error> {
        Self::load_columns(run_dir, manifest, &COLUMNS)
    }

    /// The same, of some columns: [`COLUMNS`], or [`RESPONSE_COLUMNS`]. The others are 0, empty or
    /// unknown.
    ///
    /// # Errors
    /// As [`Samples::load`].
    pub fn load_columns(
        run_dir: &Path,
        manifest: &Manifest,
        columns: &[&'static str],
    ) -> Result<Self, Error> {
        let groups = RowGroups::open(run_dir, columns)?;
        let plan = by_earliest(&groups)?;
        let mut loading = Loading::new(manifest);
        parallel::in_order(
            plan.len(),
            |index| read(&groups, &plan[index], columns),
            |arrivals| loading.take(arrivals?, &plan),
        )?;
        Ok(loading.finish())
    }

    /// Number of arrivals.
    pub fn len(&self) -> usize {
        self.store.len()
    }

    /// Tells whether there is no arrival.
    pub fn is_empty(&self) -> bool {
        self.store.is_empty()
    }

    /// The kinds of rows; a row's code is a position here.
    pub fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// Digest of the arrivals, to compare with the manifest's.
    pub fn digest(&self) -> TimelineDigest {
        self.digest
    }

    /// Bytes that the arrivals take in memory.
    pub fn bytes(&self) -> usize {
        self.store.bytes()
    }

    /// The columns.
    pub fn columns(&self) -> Columns<'_> {
        Columns::new(&self.store, &self.kinds)
    }
}

/// A row group with its earliest intended start.
#[derive(Debug, Clone, Copy)]
struct Step {
    group: RowGroup,
    earliest_ns: i64,
}

/// Row groups in the order of their earliest intended starts.
fn by_earliest(groups: &RowGroups) -> Result<Vec<Step>, Error> {
    let list = groups.groups();
    let steps = parallel::map(list.len(), |index| {
        let group = list[index];
        Ok(Step { group, earliest_ns: earliest(groups, &group)? })
    });
    let mut steps = steps.into_iter().collect::<Result<Vec<_>, Error>>()?;
    steps.sort_by_key(|step| (step.earliest_ns, step.group.first_row));
    Ok(steps)
}

/// The earliest intended start of a row group, as the file says; parts of an earlier version do
/// not, so that column is read twice.
fn earliest(groups: &RowGroups, group: &RowGroup) -> Result<i64, Error> {
    if let Some(earliest_ns) = groups.earliest(group) {
        return Ok(earliest_ns);
    }
    let batch = groups.read(group, &["intended_ns"])?;
    let starts = required::<Int64Type>(&batch, "intended_ns")?.values();
    Ok(starts.iter().copied().min().unwrap_or(i64::MAX))
}

/// Reads and sorts a row group.
fn read(groups: &RowGroups, step: &Step, columns: &[&'static str]) -> Result<Arrivals, Error> {
    let arrivals = Arrivals::new(&groups.read(&step.group, columns)?)?;
    match arrivals.intended_ns.first() {
        Some(&found_ns) if found_ns < step.earliest_ns => Err(Error::EarlierThanSaid {
            path: groups.path(&step.group).to_owned(),
            found_ns,
            said_ns: step.earliest_ns,
        }),
        _ => Ok(arrivals),
    }
}

/// Merges and packs what is read, in the order of the plan.
struct Loading {
    kinds: Kinds,
    digest: TimelineDigest,
    merge: Merge,
    store: StoreBuilder,
    /// Row groups taken.
    taken: usize,
}

impl Loading {
    fn new(manifest: &Manifest) -> Self {
        Self {
            kinds: Kinds::new(manifest),
            digest: TimelineDigest::default(),
            merge: Merge::default(),
            store: StoreBuilder::default(),
            taken: 0,
        }
    }

    fn take(&mut self, mut arrivals: Arrivals, plan: &[Step]) -> Result<(), Error> {
        let first_row = plan[self.taken].group.first_row;
        self.taken += 1;
        self.digest.merge(arrivals.digest);
        let codes = self.kinds.codes(mem::take(&mut arrivals.kinds))?;
        arrivals.renumber(&codes);
        self.merge.push(Run::new(first_row, arrivals));
        // Nothing earlier than the earliest row of the next group will come.
        let next_ns = plan.get(self.taken).map(|next| next.earliest_ns);
        self.merge.pass_on(next_ns, &mut self.store);
        if self.store.len() >= ROWS_MAX as usize {
            return Err(Error::TooManyRows { max: ROWS_MAX });
        }
        Ok(())
    }

    fn finish(self) -> Samples {
        let store = Arc::new(self.store.finish());
        Samples { store, kinds: self.kinds.into_kinds(), digest: self.digest }
    }
}
