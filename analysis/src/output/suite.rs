//! A suite as people read it: one screen, and one page that leads to the reports of its runs.

mod page;
mod text;

pub use page::page;
pub use text::terminal;
