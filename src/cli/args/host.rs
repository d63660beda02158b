//! Options of `gen target` and `gen doctor`.

use std::path::PathBuf;

use clap::ValueEnum;

/// Options of `gen doctor`.
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {
    /// Look for a few seconds only; nothing is kept for later runs.
    #[arg(long)]
    pub quick: bool,
    /// Print the report as JSON to stdout and nothing else.
    #[arg(long)]
    pub json: bool,
}

/// Options of `gen target`.
#[derive(Debug, clap::Args)]
pub struct TargetArgs {
    /// Address to listen on; unix:/path for a Unix socket.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub listen: String,
    /// Servers behind the one queue.
    #[arg(long, default_value_t = 4)]
    pub servers: u32,
    /// Law of the service times.
    #[arg(long, value_enum, default_value_t = ServiceArg::Exponential)]
    pub service: ServiceArg,
    /// Mean service time.
    #[arg(long, value_name = "TIME", default_value = "2ms")]
    pub service_mean: String,
    /// Coefficient of variation of a lognormal service time.
    #[arg(long, default_value_t = 1.0)]
    pub cv: f64,
    /// Share of requests answered with status 503.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub error_rate: f64,
    /// Stand still from AT for FOR, counted from the first request, for example 5s,1s.
    #[arg(long, value_name = "AT,FOR")]
    pub freeze: Vec<String>,
    /// Let the mean service time grow by GROW per PER, for example 20ms,1h.
    #[arg(long, value_name = "GROW,PER")]
    pub leak: Option<String>,
    /// Keep this many bytes per request for good.
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    pub leak_bytes: u64,
    /// Body bytes of a response.
    #[arg(long, value_name = "BYTES", default_value_t = 64)]
    pub body_bytes: u32,
    /// Seed of service times and errors.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Share of responses that break off in the middle of the body.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub reset_share: f64,
    /// Share of requests that are never answered.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub never_answer_share: f64,
    /// Share of responses after which the connection is closed without notice.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub close_share: f64,
    /// Share of responses that are not HTTP.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub garbage_share: f64,
    /// Answer at once, HTTP/1.1 only: the target that is never the bottleneck.
    #[arg(long, conflicts_with_all = [
        "servers", "service", "service_mean", "cv", "error_rate", "freeze", "leak", "leak_bytes",
        "seed", "reset_share", "never_answer_share", "close_share", "garbage_share",
    ])]
    pub instant: bool,
    /// Never sleep: requests are noticed at once, for a whole processor.
    #[arg(long)]
    pub busy: bool,
    /// Record every request into this Parquet file: when it came, and what it was.
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Speak TLS with this certificate (PEM, with those between it and a root).
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Private key of the certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Let in only clients whose certificate comes from these roots (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_client_ca: Option<PathBuf>,
}

/// Laws of a service time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ServiceArg {
    /// Always the mean.
    Deterministic,
    /// Exponential.
    Exponential,
    /// Lognormal, with --cv.
    Lognormal,
}
