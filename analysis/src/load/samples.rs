//! Reading all arrivals of a run.
//!
//! Two threads share the work: one reads and sorts row groups, the other merges and packs rows. A channel of two row groups lies between them, so neither runs far ahead, and what comes out
//! does not depend on who is faster.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

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

/// Row groups that the reading thread may be ahead: enough that neither thread waits for the other
/// to be woken.
const AHEAD: usize = 2;

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
        let mut reader = Reader::new(&groups, columns, manifest);
        let (sender, receiver) = sync_channel(AHEAD);
        let (store, reader) = thread::scope(|scope| {
            let plan = &plan;
            let reading = scope.spawn(move || {
                let result = reader.read_all(plan, &sender);
                drop(sender);
                result.map(|()| reader)
            });
            let store = merged(&receiver);
            // A reader that nobody listens to any more ends by itself.
            drop(receiver);
            (store, parallel::join(reading))
        });
        let (store, Reader { kinds, digest, .. }) = (store?, reader?);
        Ok(Self { store: Arc::new(store), kinds: kinds.into_kinds(), digest })
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

/// A row group, and the earliest intended start in those that come after it.
type Step = (RowGroup, Option<i64>);

/// Row groups in the order of their earliest intended starts.
fn by_earliest(groups: &RowGroups) -> Result<Vec<Step>, Error> {
    let list = groups.groups();
    let earliest = if list.len() > 1 {
        // The files do not say what is in their row groups, so that column is read twice. It is
        // a fiftieth of the work.
        let found = parallel::map(list.len(), |index| earliest(groups, &list[index]));
        found.into_iter().collect::<Result<Vec<_>, Error>>()?
    } else {
        vec![i64::MIN; list.len()]
    };
    let mut order: Vec<(i64, RowGroup)> = earliest.into_iter().zip(list.iter().copied()).collect();
    order.sort_by_key(|&(earliest_ns, group)| (earliest_ns, group.first_row));
    let nexts = order.iter().skip(1).map(|&(earliest_ns, _)| Some(earliest_ns));
    let nexts: Vec<Option<i64>> = nexts.chain(std::iter::once(None)).collect();
    Ok(order.into_iter().zip(nexts).map(|((_, group), next)| (group, next)).collect())
}

fn earliest(groups: &RowGroups, group: &RowGroup) -> Result<i64, Error> {
    let mut earliest_ns = i64::MAX;
    for batch in groups.read(group, &["intended_ns"])? {
        let batch = batch?;
        let starts = required::<Int64Type>(&batch, "intended_ns")?.values();
        earliest_ns = starts.iter().copied().fold(earliest_ns, i64::min);
    }
    Ok(earliest_ns)
}

/// What is read: a sorted row group, and before which instant nothing more will come.
type Read = (Run, Option<i64>);

struct Reader<'a> {
    groups: &'a RowGroups,
    columns: &'a [&'static str],
    kinds: Kinds,
    digest: TimelineDigest,
}

impl<'a> Reader<'a> {
    fn new(groups: &'a RowGroups, columns: &'a [&'static str], manifest: &Manifest) -> Self {
        let (kinds, digest) = (Kinds::new(manifest), TimelineDigest::default());
        Self { groups, columns, kinds, digest }
    }

    fn read_all(&mut self, plan: &[Step], sender: &SyncSender<Read>) -> Result<(), Error> {
        for (group, next_ns) in plan {
            let arrivals = self.read(group)?;
            let run = Run::new(group.first_row, arrivals);
            if sender.send((run, *next_ns)).is_err() {
                break;
            }
        }
        Ok(())
    }

    fn read(&mut self, group: &RowGroup) -> Result<Arrivals, Error> {
        let mut arrivals = Arrivals::default();
        for batch in self.groups.read(group, self.columns)? {
            arrivals.append(&batch?, &mut self.kinds, &mut self.digest)?;
        }
        Ok(arrivals)
    }
}

/// Merges and packs what is read.
fn merged(receiver: &Receiver<Read>) -> Result<Store, Error> {
    let (mut merge, mut store) = (Merge::default(), StoreBuilder::default());
    for (run, next_ns) in receiver {
        merge.push(run);
        merge.pass_on(next_ns, &mut store);
        if store.len() >= ROWS_MAX as usize {
            return Err(Error::TooManyRows { max: ROWS_MAX });
        }
    }
    Ok(store.finish())
}
