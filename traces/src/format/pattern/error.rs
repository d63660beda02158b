//! What can be wrong with a format string.

/// Why a format string cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// No variable is a whole time.
    #[error("the format has no complete time, without which nothing can be replayed; add {add}")]
    NoTime {
        /// What to add, in the language of the format.
        add: &'static str,
    },
    /// Nothing tells where a variable ends.
    #[error(
        "`{first}` and `{second}` stand side by side, so nothing tells where the first ends; \
         put a character between them that occurs in neither"
    )]
    Adjacent {
        /// The variable whose end is unknown.
        first: String,
        /// The variable behind it.
        second: String,
    },
    /// A part of a date that is not read.
    #[error(
        "`%{directive}` in `{within}` is not read; use %Y %m %d %H %M %S %z, %b, %e, %y, %F, %T, \
         %R, %D or %s"
    )]
    TimeDirective {
        /// The letter.
        directive: char,
        /// The variable it stands in.
        within: String,
    },
    /// Something is opened and not closed.
    #[error("`{opened}` at byte {position} of the format is not closed by `{expected}`")]
    Unclosed {
        /// What opens it.
        opened: &'static str,
        /// Where, from 0.
        position: usize,
        /// What should close it.
        expected: &'static str,
    },
    /// A `%` with nothing behind it.
    #[error(
        "the `%` at byte {position} of the format has no letter; write `%%` for a percent sign"
    )]
    NoLetter {
        /// Where, from 0.
        position: usize,
    },
}
