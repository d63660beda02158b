//! What is measured of a row.

use crate::decompose::parts;
use crate::load::Columns;
use crate::quantile::CENSORED;
use crate::rows::Places;
use crate::store::{Decoded, Fields};

/// A time of a row; rows that do not have it are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Response time; failures rank as infinitely slow.
    Response,
    /// Response time of successes.
    ResponseOk,
    /// Response time as recorded, of failures the time until they failed.
    Recorded,
    /// Response time less what the generator itself took; failures rank as infinitely slow.
    WithoutOwn,
    /// Service time of successes.
    Service,
    /// Schedule lag.
    Lag,
    /// One of the parts of [`crate::decompose::PARTS`].
    Part(usize),
}

impl Measure {
    /// Columns that it needs.
    pub fn fields(self) -> Fields {
        match self {
            Self::Response | Self::ResponseOk | Self::Recorded => Fields::RESPONSE,
            Self::WithoutOwn | Self::Service => Fields::RESPONSE | Fields::SENT,
            Self::Lag => Fields::LAG,
            Self::Part(_) => Fields::ALL,
        }
    }

    /// Takes the value of each of some rows, with their place.
    #[inline(always)]
    pub(super) fn each(
        self,
        rows: &Decoded,
        places: &Places<'_>,
        is_ok: &[bool],
        mut take: impl FnMut(usize, i64),
    ) {
        let ok = |place: usize| is_ok[rows.code(place)];
        match self {
            Self::Response => places.iter().for_each(|place| {
                take(place, if ok(place) { rows.response_ns[place] } else { CENSORED });
            }),
            Self::ResponseOk => places
                .iter()
                .filter(|&place| ok(place) && rows.response_ns[place] != CENSORED)
                .for_each(|place| take(place, rows.response_ns[place])),
            Self::Recorded => places.iter().for_each(|place| take(place, rows.response_ns[place])),
            Self::WithoutOwn => places.iter().for_each(|place| {
                let own_ns = rows.lag_ns[place].saturating_add(rows.queue_ns(place));
                let without_ns = rows.response_ns[place].saturating_sub(own_ns);
                take(place, if ok(place) { without_ns } else { CENSORED });
            }),
            Self::Service => {
                for place in places.iter().filter(|&place| ok(place)) {
                    if let Some(service_ns) = rows.service_ns(place) {
                        take(place, service_ns);
                    }
                }
            }
            Self::Lag => places.iter().for_each(|place| take(place, rows.lag_ns[place])),
            Self::Part(part) => {
                for place in places.iter() {
                    if let Some(parts) = parts(rows, place) {
                        take(place, parts[part]);
                    }
                }
            }
        }
    }
}

/// Which kinds are successes.
pub(super) fn successes(columns: Columns<'_>) -> Vec<bool> {
    columns.mask(|kind| kind.outcome.is_ok())
}
