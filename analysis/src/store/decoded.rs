//! A block unpacked, as far as was asked for.

use std::ops::BitOr;

use super::block::{
    BLOCK_ROWS, Block, CONNECT, INTENDED, KIND, KNOWN, KNOWN_CONNECT, KNOWN_SENT, KNOWN_TTFB, LAG,
    QUEUE, RESPONSE, TRANSFER,
};
use super::lanes::unpack;

/// Which columns are wanted; the kind always comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fields(u8);

impl Fields {
    /// The kind alone.
    pub const KIND: Self = Self(0);
    /// Intended starts.
    pub const INTENDED: Self = Self(1);
    /// Schedule lags.
    pub const LAG: Self = Self(2);
    /// Response times.
    pub const RESPONSE: Self = Self(4);
    /// Times to connect.
    pub const CONNECT: Self = Self(8);
    /// Instants of sending, which need lag and connect.
    pub const SENT: Self = Self(2 | 8 | 16);
    /// Instants of the first byte, which need the response.
    pub const TTFB: Self = Self(4 | 32);
    /// Everything.
    pub const ALL: Self = Self(63);

    fn holds(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Fields {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

type Column = [i64; BLOCK_ROWS];

/// The columns of one block; those that were not asked for hold another block's values.
#[derive(Debug)]
pub struct Decoded {
    /// Intended starts.
    pub intended_ns: Column,
    /// Schedule lags.
    pub lag_ns: Column,
    /// Response times, of failures the time until they failed.
    pub response_ns: Column,
    kind: Column,
    known: Column,
    connect_ns: Column,
    sent_ns: Column,
    ttfb_ns: Column,
}

impl Decoded {
    /// Makes room for a block.
    pub fn new() -> Box<Self> {
        let column = [0; BLOCK_ROWS];
        Box::new(Self {
            intended_ns: column,
            lag_ns: column,
            response_ns: column,
            kind: column,
            known: column,
            connect_ns: column,
            sent_ns: column,
            ttfb_ns: column,
        })
    }

    /// Unpacks columns of a block.
    pub fn load(&mut self, block: &Block, fields: Fields) {
        let column = |column: usize, out: &mut Column| {
            let packed = block.columns[column];
            unpack(block.words_of(column), packed.width, packed.base, out);
        };
        column(KIND, &mut self.kind);
        if fields.holds(Fields::INTENDED) {
            column(INTENDED, &mut self.intended_ns);
            let mut now_ns = block.first_ns();
            for instant_ns in &mut self.intended_ns {
                now_ns = now_ns.wrapping_add(*instant_ns);
                *instant_ns = now_ns;
            }
        }
        if fields.holds(Fields::LAG) {
            column(LAG, &mut self.lag_ns);
        }
        if fields.holds(Fields::RESPONSE) {
            column(RESPONSE, &mut self.response_ns);
        }
        let is_partial = [Fields::CONNECT, Fields::SENT, Fields::TTFB];
        if is_partial.into_iter().any(|partial| fields.holds(partial)) {
            column(KNOWN, &mut self.known);
        }
        if fields.holds(Fields::CONNECT) {
            column(CONNECT, &mut self.connect_ns);
        }
        if fields.holds(Fields::SENT) {
            column(QUEUE, &mut self.sent_ns);
            let before = self.lag_ns.iter().zip(&self.connect_ns);
            for (sent_ns, (lag_ns, connect_ns)) in self.sent_ns.iter_mut().zip(before) {
                *sent_ns = sent_ns.wrapping_add(*lag_ns).wrapping_add(*connect_ns);
            }
        }
        if fields.holds(Fields::TTFB) {
            column(TRANSFER, &mut self.ttfb_ns);
            for (ttfb_ns, response_ns) in self.ttfb_ns.iter_mut().zip(&self.response_ns) {
                *ttfb_ns = response_ns.wrapping_sub(*ttfb_ns);
            }
        }
    }

    /// Position of the row's kind.
    pub fn code(&self, place: usize) -> usize {
        self.kind[place] as usize
    }

    /// Time spent obtaining a connection; `None` when none was obtained.
    pub fn connect_ns(&self, place: usize) -> Option<i64> {
        (self.known[place] & KNOWN_CONNECT != 0).then_some(self.connect_ns[place])
    }

    /// Bytes handed over, since the intended start; `None` when they never were.
    pub fn sent_ns(&self, place: usize) -> Option<i64> {
        (self.known[place] & KNOWN_SENT != 0).then_some(self.sent_ns[place])
    }

    /// First byte of the response, since the intended start.
    pub fn ttfb_ns(&self, place: usize) -> Option<i64> {
        (self.known[place] & KNOWN_TTFB != 0).then_some(self.ttfb_ns[place])
    }

    /// Time from sent to completion.
    pub fn service_ns(&self, place: usize) -> Option<i64> {
        self.sent_ns(place).map(|sent_ns| self.response_ns[place].saturating_sub(sent_ns))
    }

    /// Instant of dispatch.
    pub fn dispatched_at(&self, place: usize) -> i64 {
        self.intended_ns[place].saturating_add(self.lag_ns[place])
    }

    /// Instant at which the bytes were handed over.
    pub fn sent_at(&self, place: usize) -> Option<i64> {
        self.sent_ns(place).map(|sent_ns| self.intended_ns[place].saturating_add(sent_ns))
    }

    /// Instant of completion or failure.
    pub fn finished_at(&self, place: usize) -> i64 {
        self.intended_ns[place].saturating_add(self.response_ns[place])
    }

    /// Time between dispatch and sent that went into no connection: the queue inside the
    /// generator. 0 for what was never sent.
    pub fn queue_ns(&self, place: usize) -> i64 {
        self.sent_ns(place).map_or(0, |sent_ns| {
            sent_ns
                .saturating_sub(self.lag_ns[place])
                .saturating_sub(self.connect_ns(place).unwrap_or(0))
        })
    }
}
