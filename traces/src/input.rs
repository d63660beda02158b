//! Opening what was recorded: files, patterns, standard input; plain, gzip or zstd.
//!
//! Compression is found by the first bytes, never by the name. All members of a gzip file and all
//! frames of a zstd file are read, skippable frames are passed over. Bytes are counted and hashed
//! as they come from the file, before decompression, so that the hash is the one `sha256sum`
//! prints.
//!
//! A compressed file that breaks off or is damaged ends where the damage is: what came before is
//! kept, and [`Tally::damage`] says what happened, for the importer to judge. An error of the
//! file system is never mistaken for that.

use std::cmp::Ordering;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};

use crate::error::TraceError;

/// Bytes that are read at once.
const BUFFER_BYTES: usize = 256 << 10;

/// Bytes of an input's beginning that a format may be guessed by.
const HEAD_BYTES: usize = 64 << 10;

/// Bytes by which compressions are told apart.
const MAGIC_BYTES: usize = 6;

/// Something to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A file.
    Path(PathBuf),
    /// Standard input.
    Stdin,
}

impl Input {
    /// The path as it was given, or `-`.
    pub fn name(&self) -> String {
        match self {
            Self::Path(path) => path.display().to_string(),
            Self::Stdin => "-".to_owned(),
        }
    }
}

/// How an input is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip, one or several members.
    Gzip,
    /// zstd, one or several frames.
    Zstd,
}

impl Compression {
    /// The name that reports use.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// Finds the compression by an input's first bytes; the error is the name of one that is
    /// not read.
    fn detect(magic: &[u8]) -> Result<Self, &'static str> {
        match magic {
            [0x1f, 0x8b, ..] => Ok(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Ok(Self::Zstd),
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Err("bzip2"),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Err("xz"),
            [b'P', b'K', 3, 4, ..] => Err("zip"),
            [4, 0x22, 0x4d, 0x18, ..] => Err("lz4"),
            _ => Ok(Self::None),
        }
    }
}

/// What a format may be chosen by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputInfo {
    /// Position among the inputs.
    pub index: usize,
    /// Path as given, or `-`.
    pub name: String,
    /// How it is compressed.
    pub compression: Compression,
    /// Its first bytes after decompression, at most 64 KiB.
    pub head: Vec<u8>,
}

/// Turns arguments into inputs: `-` is standard input, a pattern with `*` or `?` is every file
/// that matches it, numbers in their names in numerical order. What exists under its name as
/// written is no pattern.
///
/// # Errors
/// When nothing matches, or standard input is named twice.
pub fn expand(arguments: &[String]) -> Result<Vec<Input>, TraceError> {
    let mut inputs = Vec::new();
    for argument in arguments {
        if argument == "-" {
            if inputs.contains(&Input::Stdin) {
                return Err(TraceError::Option("standard input can be read only once".to_owned()));
            }
            inputs.push(Input::Stdin);
        } else if argument.contains(['*', '?', '[']) && !Path::new(argument).exists() {
            inputs.extend(matches(argument)?.into_iter().map(Input::Path));
        } else {
            inputs.push(Input::Path(PathBuf::from(argument)));
        }
    }
    if inputs.is_empty() {
        return Err(TraceError::NoInput("name a file, or - for standard input".to_owned()));
    }
    Ok(inputs)
}

fn matches(pattern: &str) -> Result<Vec<PathBuf>, TraceError> {
    let paths = glob::glob(pattern)
        .map_err(|error| TraceError::Option(format!("the pattern {pattern} is none: {error}")))?;
    let mut found = Vec::new();
    for path in paths {
        let path = path.map_err(|error| {
            let path = error.path().to_owned();
            TraceError::Io { path, source: error.into() }
        })?;
        if path.is_file() {
            found.push(path);
        }
    }
    if found.is_empty() {
        return Err(TraceError::NoInput(format!("no file matches {pattern}")));
    }
    found.sort_by(|a, b| numerically(&a.to_string_lossy(), &b.to_string_lossy()));
    Ok(found)
}

/// Compares with every run of digits taken as a number: `log_2` is before `log_10`.
fn numerically(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a.as_bytes(), b.as_bytes());
    while let (Some(&x), Some(&y)) = (left.first(), right.first()) {
        if x.is_ascii_digit() && y.is_ascii_digit() {
            let (number, rest) = leading_number(left);
            let (other, other_rest) = leading_number(right);
            let order = number.len().cmp(&other.len()).then(number.cmp(other));
            if order != Ordering::Equal {
                return order;
            }
            (left, right) = (rest, other_rest);
        } else if x == y {
            (left, right) = (&left[1..], &right[1..]);
        } else {
            return x.cmp(&y);
        }
    }
    left.len().cmp(&right.len()).then(a.cmp(b))
}

/// The digits at the beginning without leading zeros, and what follows.
fn leading_number(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let zeros = digits.iter().take_while(|&&byte| byte == b'0').count();
    (&digits[zeros..], rest)
}

/// What was read of an input, as it came from the file.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Bytes read.
    pub bytes: u64,
    /// What the decompressor said when it could not go on.
    pub damage: Option<String>,
    /// Bytes that it had taken when it said so.
    pub damaged_at: u64,
    taken: u64,
    is_unreadable: bool,
    hash: Sha256,
}

impl Tally {
    /// SHA-256 of the bytes read, in hexadecimal digits.
    pub fn sha256(&self) -> String {
        self.hash.clone().finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// An opened input.
pub struct Opened {
    /// What a format may be chosen by.
    pub info: InputInfo,
    /// Its content.
    pub content: Box<dyn BufRead>,
    tally: Arc<Mutex<Tally>>,
    rest: Shared,
}

/// The reader below the decompressor, which may stop before the end.
type Shared = Arc<Mutex<Counted<Box<dyn Read + Send>>>>;

/// Opens an input.
///
/// # Errors
/// When it cannot be read, or is compressed in a way that is not read.
pub fn open(input: &Input, index: usize) -> Result<Opened, TraceError> {
    let reader: Box<dyn Read + Send> = match input {
        Input::Path(path) => Box::new(File::open(path).map_err(TraceError::io(path))?),
        Input::Stdin => Box::new(io::stdin()),
    };
    open_reader(reader, input.name(), index)
}

/// Opens anything that can be read.
///
/// # Errors
/// As [`open`].
pub fn open_reader(
    reader: Box<dyn Read + Send>,
    name: String,
    index: usize,
) -> Result<Opened, TraceError> {
    let failed = |source| TraceError::Input { input: name.clone(), source };
    let tally = Arc::new(Mutex::new(Tally::default()));
    let rest = Arc::new(Mutex::new(Counted { reader, tally: Arc::clone(&tally) }));
    let mut raw = BufReader::with_capacity(BUFFER_BYTES, Below(Arc::clone(&rest)));
    let magic = beginning(&mut raw, MAGIC_BYTES).map_err(failed)?;
    let compression = Compression::detect(&magic)
        .map_err(|kind| TraceError::Compression { input: name.clone(), kind })?;
    let raw = Cursor::new(magic).chain(raw);
    let taken = |reader| Taken { reader, tally: Arc::clone(&tally) };
    let mut content: Box<dyn BufRead> = match compression {
        Compression::None => Box::new(raw),
        Compression::Gzip => tolerant(MultiGzDecoder::new(taken(raw)), &tally),
        Compression::Zstd => {
            let decoder = zstd::stream::read::Decoder::with_buffer(taken(raw)).map_err(failed)?;
            tolerant(decoder, &tally)
        }
    };
    let head = beginning(&mut content, HEAD_BYTES).map_err(failed)?;
    let info = InputInfo { index, name, compression, head: head.clone() };
    let content = Box::new(Cursor::new(head).chain(content));
    Ok(Opened { info, content, tally, rest })
}

impl Opened {
    /// Reads what the format or the decompressor left, so that the hash is of the whole input,
    /// and returns what was read.
    ///
    /// # Errors
    /// When the input cannot be read.
    pub fn finish(self) -> io::Result<Tally> {
        io::copy(&mut *locked(&self.rest), &mut io::sink())?;
        let tally = locked(&self.tally).clone();
        Ok(tally)
    }
}

/// Reads up to `length` bytes, fewer only at the end.
fn beginning(reader: &mut impl Read, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.by_ref().take(length as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn tolerant<R: Read + 'static>(reader: R, tally: &Arc<Mutex<Tally>>) -> Box<dyn BufRead> {
    let tolerant = Tolerant { reader, tally: Arc::clone(tally), has_ended: false };
    Box::new(BufReader::with_capacity(BUFFER_BYTES, tolerant))
}

/// A panic elsewhere leaves counts behind that are as good as before.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts and hashes what is read.
struct Counted<R> {
    reader: R,
    tally: Arc<Mutex<Tally>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer);
        let mut tally = locked(&self.tally);
        match &read {
            Ok(count) => {
                tally.bytes += *count as u64;
                tally.hash.update(&buffer[..*count]);
            }
            Err(error) => tally.is_unreadable |= error.kind() != io::ErrorKind::Interrupted,
        }
        read
    }
}

/// The reader below, by reference.
struct Below(Shared);

impl Read for Below {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        locked(&self.0).read(buffer)
    }
}

/// Counts what is taken from a buffer, which is less than what was read into it.
struct Taken<R> {
    reader: R,
    tally: Arc<Mutex<Tally>>,
}

impl<R: Read> Read for Taken<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        locked(&self.tally).taken += count as u64;
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Taken<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.reader.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        locked(&self.tally).taken += count as u64;
        self.reader.consume(count);
    }
}

/// Ends at damage instead of failing.
struct Tolerant<R> {
    reader: R,
    tally: Arc<Mutex<Tally>>,
    has_ended: bool,
}

impl<R: Read> Read for Tolerant<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.has_ended {
            return Ok(0);
        }
        let error = match self.reader.read(buffer) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => error,
            read => return read,
        };
        let mut tally = locked(&self.tally);
        if tally.is_unreadable {
            return Err(error);
        }
        tally.damage = Some(error.to_string());
        tally.damaged_at = tally.taken;
        self.has_ended = true;
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression as Level;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Level::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn read(bytes: &[u8]) -> (Vec<u8>, Tally, Compression) {
        let reader = Box::new(Cursor::new(bytes.to_vec()));
        let mut opened = open_reader(reader, "test".to_owned(), 0).unwrap();
        let mut content = Vec::new();
        opened.content.read_to_end(&mut content).unwrap();
        let compression = opened.info.compression;
        assert!(content.starts_with(&opened.info.head));
        (content, opened.finish().unwrap(), compression)
    }

    /// Hard to compress, so that cuts lie inside the data.
    fn text(count: u64) -> Vec<u8> {
        (0..count).flat_map(|index| openload_contract::digest::mix(index).to_le_bytes()).collect()
    }

    #[test]
    fn every_member_and_frame_is_read_and_the_hash_is_of_the_file() {
        let (one, two) = (text(50_000), b"two\n".to_vec());
        let both = [&one[..], &two].concat();
        let skippable = [0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, b'a', b'b', b'c'];
        let frame = |text: &[u8]| zstd::encode_all(text, 1).unwrap();
        let frames = [&skippable[..], &frame(&one), &skippable, &frame(&two)].concat();
        for (bytes, expected) in [
            (both.clone(), Compression::None),
            ([gzip(&one), gzip(&two)].concat(), Compression::Gzip),
            (frames, Compression::Zstd),
        ] {
            let (content, tally, compression) = read(&bytes);
            assert_eq!(compression, expected);
            assert!(content == both, "{expected:?}");
            assert_eq!((tally.bytes, tally.damage.clone()), (bytes.len() as u64, None));
            let hash = Sha256::digest(&bytes);
            let digits: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(tally.sha256(), digits);
        }
    }

    #[test]
    fn what_comes_before_the_damage_is_kept() {
        let whole = text(100_000);
        for bytes in [gzip(&whole), zstd::encode_all(&whole[..], 1).unwrap()] {
            let cut = &bytes[..bytes.len() / 2];
            let (content, tally, _) = read(cut);
            assert!(content.len() > whole.len() / 3 && whole.starts_with(&content));
            assert!(tally.damage.is_some());
            assert_eq!(tally.damaged_at, cut.len() as u64);
        }
        // Something else behind a whole member.
        let member = gzip(b"a\n");
        let (content, tally, _) = read(&[&member[..], &[b'x'; 1_000]].concat());
        assert_eq!(content, b"a\n");
        assert!(tally.damage.is_some());
        let (at, end) = (member.len() as u64, member.len() as u64 + 1_000);
        assert_eq!(tally.bytes, end);
        assert!((at..at + 20).contains(&tally.damaged_at), "{tally:?}");
    }

    #[test]
    fn tiny_and_foreign_inputs_are_told_apart() {
        for bytes in [&b""[..], b"a", b"\x1f", b"BZ"] {
            assert_eq!(read(bytes).0, bytes);
        }
        let open = |bytes: &'static [u8]| open_reader(Box::new(bytes), "a.log".to_owned(), 0);
        for (bytes, kind) in
            [(&b"BZh91"[..], "bzip2"), (b"\xfd7zXZ\0", "xz"), (b"PK\x03\x04", "zip")]
        {
            let error = open(bytes).err().unwrap().to_string();
            assert_eq!(
                error,
                format!(
                    "a.log is compressed with {kind}, which is not read here: decompress it first"
                )
            );
        }
    }

    /// Gives some bytes and then fails.
    struct Failing(Cursor<Vec<u8>>);

    impl Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buffer)? {
                0 => Err(io::Error::other("the disk is gone")),
                count => Ok(count),
            }
        }
    }

    #[test]
    fn an_error_of_the_file_system_is_not_damage() {
        let mut bytes = gzip(&text(100_000));
        bytes.truncate(500_000);
        let reader = Box::new(Failing(Cursor::new(bytes)));
        let mut opened = open_reader(reader, "test".to_owned(), 0).unwrap();
        let error = opened.content.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "the disk is gone");
    }

    #[test]
    fn patterns_are_expanded_in_numerical_order() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["log_10", "log_9", "log_009a", "other", "literal*"] {
            File::create(directory.path().join(name)).unwrap();
        }
        std::fs::create_dir(directory.path().join("log_dir")).unwrap();
        let path = |name: &str| directory.path().join(name);
        let argument = |name: &str| path(name).display().to_string();
        let inputs = expand(&[argument("log_*"), "-".to_owned(), argument("literal*")]).unwrap();
        let expected = ["log_9", "log_009a", "log_10"].map(|name| Input::Path(path(name)));
        assert_eq!(inputs[..3], expected);
        assert_eq!(inputs[3..], [Input::Stdin, Input::Path(path("literal*"))]);
        let error = expand(&[argument("none*")]).unwrap_err().to_string();
        assert!(error.starts_with("no input: no file matches "), "{error}");
        assert!(expand(&[]).is_err());
        assert!(expand(&["-".to_owned(), "-".to_owned()]).is_err());
    }
}
