//! What the tests of the formats share.

use std::io::{self, BufReader};
use std::path::PathBuf;

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{Format, Sink};
use crate::record::{Moment, Record, Skip, Tokens};

/// A record that owns its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owned {
    pub place: u64,
    pub time_ns: i64,
    pub moment: Moment,
    pub resolution_ns: i64,
    pub duration_ns: Option<i64>,
    pub count: u64,
    pub session: Vec<u8>,
    pub method: Vec<u8>,
    pub target: Vec<u8>,
    pub host: Vec<u8>,
    pub headers: Vec<u8>,
    pub body: Option<Vec<u8>>,
    pub body_bytes: Option<u64>,
    pub status: Option<u16>,
    pub bytes: Option<u64>,
    pub tag: Vec<u8>,
    pub tokens: Option<Tokens>,
}

/// Keeps all it is given.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub records: Vec<Owned>,
    pub skips: Vec<(u64, Skip)>,
}

impl Sink for Kept {
    fn record(&mut self, place: u64, record: &Record<'_>) -> io::Result<()> {
        self.records.push(Owned {
            place,
            time_ns: record.time_ns,
            moment: record.moment,
            resolution_ns: record.resolution_ns,
            duration_ns: record.duration_ns,
            count: record.count,
            session: record.session.to_vec(),
            method: record.method.to_vec(),
            target: record.target.to_vec(),
            host: record.host.to_vec(),
            headers: record.headers.to_vec(),
            body: record.body.map(<[u8]>::to_vec),
            body_bytes: record.body_bytes,
            status: record.status,
            bytes: record.bytes,
            tag: record.tag.to_vec(),
            tokens: record.tokens,
        });
        Ok(())
    }

    fn skip(&mut self, place: u64, reason: Skip, _: &[u8]) -> io::Result<()> {
        self.skips.push((place, reason));
        Ok(())
    }
}

/// Reads all of `input`, through a buffer so small that everything lies across its borders.
pub(crate) fn read_all(format: &mut dyn Format, input: &[u8]) -> io::Result<Kept> {
    let mut kept = Kept::default();
    format.read(&mut BufReader::with_capacity(61, input), &mut kept)?;
    Ok(kept)
}

/// A sample of this crate, unpacked if it is packed.
pub(crate) fn sample(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("samples").join(name);
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    if !name.ends_with(".gz") {
        return bytes;
    }
    let mut unpacked = Vec::new();
    io::Read::read_to_end(&mut flate2::bufread::MultiGzDecoder::new(&bytes[..]), &mut unpacked)
        .unwrap();
    unpacked
}

/// `count` damaged copies of `bytes`: flipped, removed, doubled and foreign bytes. The same ones
/// each time.
pub(crate) fn mutated(bytes: &[u8], count: usize) -> impl Iterator<Item = Vec<u8>> {
    const FOREIGN: &[u8] = b"\0\xff\xf0\x9f\"\\{}[],:-+.9eE\n\r\t @#=;%";
    let mut generator = Xoshiro256PlusPlus::seed_from_u64(7);
    (0..count).map(move |_| {
        let mut copy = bytes.to_vec();
        for _ in 0..generator.random_range(1..6) {
            let at = generator.random_range(0..copy.len().max(1)).min(copy.len());
            let length = generator.random_range(0..20).min(copy.len() - at);
            match generator.random_range(0..5) {
                0 if at < copy.len() => copy[at] ^= 1 << generator.random_range(0..8),
                1 => drop(copy.drain(at..at + length)),
                2 => {
                    let part = copy[at..at + length].to_vec();
                    copy.splice(at..at, part);
                }
                3 => copy.truncate(at),
                _ => copy.insert(at, FOREIGN[generator.random_range(0..FOREIGN.len())]),
            }
        }
        copy
    })
}
