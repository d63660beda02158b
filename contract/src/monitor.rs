//! The generator's own vital signs: `monitor.csv`, one line a second.
//!
//! The file is written by a thread of its own while the run lasts and flushed with each
//! line, so it survives whatever ends the run. The first line names the columns.
//!
//! The table below is the only definition: [`Vitals`], the header, the reader and the data
//! dictionary in `results/README.md` are made from it. Columns are only added, and only at
//! the end; a reader goes by the header, ignores names it does not know and takes what is
//! missing as empty. So any version of this code reads the files of any other.
//!
//! What counts "since the line before" does so in the first line since the run's start.

/// Name of the file in a run directory.
pub const FILE_NAME: &str = "monitor.csv";

/// One column of `monitor.csv`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MonitorColumn {
    /// Name in the header.
    pub name: &'static str,
    /// Unit of the numbers.
    pub unit: &'static str,
    /// What the value means.
    pub doc: &'static str,
}

macro_rules! vitals {
    ($($(#[doc = $doc:literal])+ $name:ident: $kind:ty, $unit:literal;)+) => {
        /// One line of `monitor.csv`. Empty fields are values this platform cannot read.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct Vitals {
            $($(#[doc = $doc])+ pub $name: $kind,)+
        }

        /// Every column of `monitor.csv`, in file order.
        pub const COLUMNS: &[MonitorColumn] = &[
            $(MonitorColumn {
                name: stringify!($name),
                unit: $unit,
                doc: concat!($($doc),+).trim_ascii(),
            },)+
        ];

        impl Vitals {
            fn texts(&self) -> Vec<String> {
                vec![$(self.$name.to_text(),)+]
            }

            /// Sets one field from its text; `None` when it cannot be read.
            fn set(&mut self, name: &str, text: &str) -> Option<()> {
                match name {
                    $(stringify!($name) => self.$name = Field::from_text(text)?,)+
                    // A column of a later version.
                    _ => {}
                }
                Some(())
            }
        }
    };
}

vitals! {
    /// When the line was written, on the monotonic clock.
    t_ns: i64, "ns since the run's start";
    /// User and system time gen has used since it was started.
    cpu_ns: Option<i64>, "ns";
    /// Resident memory of gen.
    rss_bytes: Option<u64>, "bytes";
    /// Resident memory of the target, where it can be read.
    target_rss_bytes: Option<u64>, "bytes";
    /// Wall clock minus monotonic clock, relative to the run's start: a step of the wall
    /// clock shows as a jump.
    wall_offset_ns: i64, "ns";
    /// Processor time of all workers together since the line before.
    workers_cpu_ns: Option<i64>, "ns";
    /// Processor time of the busiest worker since the line before.
    worker_cpu_max_ns: Option<i64>, "ns";
    /// Processor time less the time spent spinning, of the worker where this is most, since
    /// the line before.
    worker_busy_max_ns: Option<i64>, "ns";
    /// Longest time one worker was ready to run and had no processor, since the line before.
    worker_wait_max_ns: Option<i64>, "ns";
    /// How often workers were put off their processors while they had work, since the line
    /// before.
    preemptions: Option<u64>, "times";
    /// Processor time of the thread that writes the samples, since the line before.
    writer_cpu_ns: Option<i64>, "ns";
    /// Processor time of all other threads of gen since the line before, those of the
    /// built-in target among them.
    other_cpu_ns: Option<i64>, "ns";
    /// Time workers spent spinning before intended starts, all together, since the line
    /// before.
    spin_ns: Option<i64>, "ns";
    /// Wake-ups of workers more than 1 ms after the instant they were meant for, since the
    /// line before.
    late_wakeups: Option<u64>, "times";
    /// Greatest lateness of a worker's wake-up since the line before.
    wake_late_max_ns: Option<i64>, "ns";
    /// Requests in flight.
    in_flight: Option<u64>, "requests";
    /// Connections open.
    connections: Option<u64>, "connections";
    /// Requests that wait for a connection.
    waiting: Option<u64>, "requests";
    /// Rows handed to the writer and not written yet.
    rows_queued: Option<u64>, "rows";
    /// Rows the workers keep because the writer is behind.
    rows_kept: Option<u64>, "rows";
    /// Files and sockets gen has open.
    open_files: Option<u64>, "files";
    /// Pages gen had to read back from a disk since the line before.
    major_faults: Option<u64>, "pages";
    /// Time the control group's quota kept its threads from running, since the line before.
    throttled_ns: Option<i64>, "ns";
    /// Processor time the machine's host gave to others, all processors together, since the
    /// line before.
    steal_ns: Option<i64>, "ns";
}

/// A value as text in the file.
trait Field: Sized {
    fn to_text(&self) -> String;
    fn from_text(text: &str) -> Option<Self>;
}

impl Field for i64 {
    fn to_text(&self) -> String {
        self.to_string()
    }

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Field for u64 {
    fn to_text(&self) -> String {
        self.to_string()
    }

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl<T: Field> Field for Option<T> {
    fn to_text(&self) -> String {
        self.as_ref().map(Field::to_text).unwrap_or_default()
    }

    fn from_text(text: &str) -> Option<Self> {
        if text.is_empty() { Some(None) } else { T::from_text(text).map(Some) }
    }
}

/// Renders the first line, without its end.
pub fn header() -> String {
    let names: Vec<&str> = COLUMNS.iter().map(|column| column.name).collect();
    names.join(",")
}

impl Vitals {
    /// Renders one line, without its end.
    pub fn to_line(&self) -> String {
        self.texts().join(",")
    }
}

/// Reads a file of any version; lines that are torn or damaged are left out.
pub fn read(text: &str) -> Vec<Vitals> {
    let mut lines = text.split_inclusive('\n');
    let header = lines.next().unwrap_or_default().trim_end();
    let names: Vec<&str> = header.split(',').collect();
    lines.filter_map(|line| read_line(&names, line)).collect()
}

fn read_line(names: &[&str], line: &str) -> Option<Vitals> {
    // Without its end the last number may be cut.
    let fields: Vec<&str> = line.strip_suffix('\n')?.trim_end().split(',').collect();
    if fields.len() != names.len() {
        return None;
    }
    let mut vitals = Vitals::default();
    names.iter().zip(fields).try_for_each(|(name, text)| vitals.set(name, text))?;
    Some(vitals)
}

/// Renders the data dictionary as a Markdown table.
pub fn dictionary() -> String {
    let mut table = String::from("| column | unit | meaning |\n|---|---|---|\n");
    for MonitorColumn { name, unit, doc } in COLUMNS {
        table.push_str(&format!("| `{name}` | {unit} | {doc} |\n"));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::{COLUMNS, Vitals, dictionary, header, read};

    #[test]
    fn a_file_round_trips_and_torn_lines_are_left_out() {
        let first = Vitals { t_ns: 7, cpu_ns: Some(5), rows_kept: Some(9), ..Vitals::default() };
        let second = Vitals { t_ns: 8, steal_ns: Some(123_456), ..Vitals::default() };
        let text = format!("{}\n{}\n{}\n", header(), first.to_line(), second.to_line());
        assert_eq!(read(&text), [first, second]);
        for end in header().len() + 1..text.len() {
            assert!(read(&text[..end]).len() < 2, "{}", &text[..end]);
        }
        assert_eq!(read(""), []);
    }

    #[test]
    fn a_file_of_the_first_version_is_read() {
        let text = "t_ns,cpu_ns,rss_bytes,target_rss_bytes,wall_offset_ns\n1,2,3,,-4\n5,x,3,,4\n";
        let expected = Vitals {
            t_ns: 1,
            cpu_ns: Some(2),
            rss_bytes: Some(3),
            wall_offset_ns: -4,
            ..Vitals::default()
        };
        assert_eq!(read(text), [expected]);
    }

    /// The first version read the first five fields by their position.
    #[test]
    fn the_first_columns_stay_where_they_were() {
        assert!(header().starts_with("t_ns,cpu_ns,rss_bytes,target_rss_bytes,wall_offset_ns,"));
    }

    #[test]
    fn a_column_of_a_later_version_is_ignored() {
        let text = "later,t_ns,wall_offset_ns\nx,1,2\n";
        assert_eq!(read(text), [Vitals { t_ns: 1, wall_offset_ns: 2, ..Vitals::default() }]);
    }

    #[test]
    fn names_tell_the_unit_and_the_dictionary_has_a_line_for_each() {
        for column in COLUMNS {
            assert_eq!(column.name.ends_with("_ns"), column.unit.starts_with("ns"), "{column:?}");
            assert!(column.doc.ends_with('.'), "{column:?}");
        }
        assert_eq!(dictionary().lines().count(), COLUMNS.len() + 2);
    }
}
