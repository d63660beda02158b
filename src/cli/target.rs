//! `gen target`: the built-in target as a server of its own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use openload::os::StopRequests;
use openload::profile::parse_duration_s;
use openload::target::recording::{Recording, Tap, create_recording};
use openload::target::{
    Faults, Freeze, RunningTarget, ServiceLaw, Target, TargetSpec, TargetStats, TlsFiles,
};
use openload_contract::ExitCode;

use super::args::{ServiceArg, TargetArgs};
use super::console::{self, Failure};

/// Serves until it is told to stop.
pub fn command(args: &TargetArgs) -> Result<ExitCode, Failure> {
    let (tap, mut recording) = args
        .record
        .as_deref()
        .map(create_recording)
        .transpose()
        .map_err(|error| Failure::could_not_run(&error))?
        .unzip();
    let stats = listen_and_serve(args, tap, recording.as_mut())?;
    console::say(format!(
        "{} requests on {} connections, {} answered, {} with status 503",
        stats.requests, stats.connections, stats.served, stats.errors
    ));
    if let (Some(recording), Some(file)) = (recording, &args.record) {
        let requests = recording.finish().map_err(|error| Failure::could_not_run(&error))?;
        console::say(format!("{requests} requests recorded in {}", file.display()));
    }
    Ok(ExitCode::Passed)
}

fn listen_and_serve(
    args: &TargetArgs,
    tap: Option<Tap>,
    recording: Option<&mut Recording>,
) -> Result<TargetStats, Failure> {
    let target = target(args, tap)?;
    if let Some(path) = args.listen.strip_prefix("unix:") {
        return serve_unix(target, PathBuf::from(path), recording);
    }
    let running =
        target.listen(address(&args.listen)?).map_err(|error| Failure::could_not_run(&error))?;
    let scheme = if args.tls_cert.is_some() { "https" } else { "http" };
    console::say(format!("listening on {scheme}://{}", running.address()));
    serve(running, recording)
}

#[cfg(unix)]
fn serve_unix(
    target: Target,
    path: PathBuf,
    recording: Option<&mut Recording>,
) -> Result<TargetStats, Failure> {
    let running = target.listen_unix(path).map_err(|error| Failure::could_not_run(&error))?;
    console::say(format!("listening on unix:{}", running.address().display()));
    serve(running, recording)
}

#[cfg(not(unix))]
fn serve_unix(
    _target: Target,
    _path: PathBuf,
    _recording: Option<&mut Recording>,
) -> Result<TargetStats, Failure> {
    Err(Failure::usage("there are no Unix sockets on this system"))
}

/// Serves until a person stops it or the recording has failed.
fn serve<A: Clone>(
    running: RunningTarget<A>,
    recording: Option<&mut Recording>,
) -> Result<TargetStats, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::could_not_run(&error))?;
    runtime.block_on(async {
        let mut stop = StopRequests::new();
        match recording {
            None => stop.next().await,
            Some(recording) => tokio::select! {
                () = stop.next() => {}
                () = recording.ended() => {}
            },
        }
    });
    Ok(running.stop())
}

fn target(args: &TargetArgs, tap: Option<Tap>) -> Result<Target, Failure> {
    let mut target = Target::new(spec(args)?).faults(faults(args));
    if args.instant {
        target = target.instant();
    }
    if args.busy {
        target = target.busy();
    }
    if let Some(tap) = tap {
        target = target.record(tap);
    }
    let Some(files) = tls_files(args) else { return Ok(target) };
    let config = files.load().map_err(|error| Failure::could_not_run(&error))?;
    Ok(target.tls(Arc::new(config)))
}

fn tls_files(args: &TargetArgs) -> Option<TlsFiles> {
    Some(TlsFiles {
        certificate: args.tls_cert.clone()?,
        key: args.tls_key.clone()?,
        client_ca: args.tls_client_ca.clone(),
    })
}

fn address(text: &str) -> Result<SocketAddr, Failure> {
    text.parse().map_err(|_| {
        Failure::usage(format!(
            "--listen {text}: expected an address and a port, for example 127.0.0.1:8080 or \
             [::1]:8080, or unix:/path"
        ))
    })
}

fn spec(args: &TargetArgs) -> Result<TargetSpec, Failure> {
    let freezes = args.freeze.iter().map(|text| {
        let (at_s, for_s) = two_durations("--freeze", text)?;
        Ok(Freeze { at_s, for_s })
    });
    let leak_s_per_s = match &args.leak {
        Some(text) => {
            let (grow_s, per_s) = two_durations("--leak", text)?;
            grow_s / per_s
        }
        None => 0.0,
    };
    Ok(TargetSpec {
        servers: args.servers,
        service: match args.service {
            ServiceArg::Deterministic => ServiceLaw::Deterministic,
            ServiceArg::Exponential => ServiceLaw::Exponential,
            ServiceArg::Lognormal => ServiceLaw::Lognormal { cv: args.cv },
        },
        service_mean_s: duration_s("--service-mean", &args.service_mean)?,
        error_rate: args.error_rate,
        freezes: freezes.collect::<Result<_, Failure>>()?,
        leak_s_per_s,
        leak_bytes: args.leak_bytes,
        body_bytes: args.body_bytes,
        seed: args.seed,
    })
}

fn faults(args: &TargetArgs) -> Faults {
    Faults {
        reset_share: args.reset_share,
        never_answer_share: args.never_answer_share,
        close_share: args.close_share,
        garbage_share: args.garbage_share,
    }
}

fn duration_s(option: &str, text: &str) -> Result<f64, Failure> {
    parse_duration_s(text.trim())
        .map_err(|error| Failure::usage(format!("{option} {text}: {error}")))
}

fn two_durations(option: &str, text: &str) -> Result<(f64, f64), Failure> {
    match text.split_once(',') {
        Some((first, second)) => Ok((duration_s(option, first)?, duration_s(option, second)?)),
        None => Err(Failure::usage(format!(
            "{option} {text}: expected two durations, for example 5s,1s"
        ))),
    }
}
