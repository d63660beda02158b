#![expect(missing_docs)]
mod decompose; mod error; mod groups; mod load; mod numeric; mod quantile; mod run; mod seconds; mod vitals;
#[cfg(test)]
mod testing;
pub use error::Error;
