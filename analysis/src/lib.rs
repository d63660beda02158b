#![expect(missing_docs)]
mod decompose; mod drift; mod error; mod groups; mod law; mod load; mod numeric; mod quantile; mod recovery; mod run; mod seconds; mod soak; mod trend; mod validity; mod vitals; mod warmup;
#[cfg(test)]
mod testing;
pub use error::Error;
