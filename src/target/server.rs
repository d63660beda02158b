//! The built-in target as a whole: started, observed, stopped.
//!
//! A target is the known-answer instrument of this project's tests, so its own timing must be
//! honest. It runs on one thread of its own with a single-threaded runtime: connections, the
//! queueing model and the task that releases answers share their state without locks, and the
//! only wait that matters is the precise one for the next due instant. A request counts as
//! arrived when it has been read to its end, and its answer is handed to the socket at the
//! instant the model says, tens of microseconds late on an idle machine, never early.
//!
//! Time zero of freezes and leak is the epoch given, which may lie in the future, or else the
//! arrival of the first request. A target that answers at once has no model; what a
//! target sees can be recorded with either.

use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::mpsc;
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};

use rustls::ServerConfig;
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::oneshot;

use crate::clock::Epoch;
use crate::os;

use super::connection::Service;
use super::desk::{Counters, Desk, DeskPlan, TargetStats};
use super::faults::{Faults, FaultsError};
use super::front::Front;
use super::instant::InstantService;
use super::listener::Bound;
use super::model::{QueueModel, SpecError};
use super::recording::{Recorder, Tap};
use super::spec::TargetSpec;

/// Why a target did not start.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The spec describes no queue.
    #[error("the target's description is wrong")]
    Spec(#[from] SpecError),
    /// The faults cannot be had.
    #[error("the target's faults are wrong")]
    Faults(#[from] FaultsError),
    /// The address is not to be had.
    #[error("cannot listen on {place}; choose another address, or port 0 for a free one")]
    Listen {
        /// Address or path.
        place: String,
        /// What the system said.
        source: io::Error,
    },
    /// The system gave no thread, timer or event queue.
    #[error("cannot run the target's thread; are threads and open files left?")]
    Runtime(#[source] io::Error),
}

/// A target that is not started yet.
#[derive(Debug, Clone, Default)]
pub struct Target {
    spec: TargetSpec,
    faults: Faults,
    epoch: Option<Epoch>,
    tls: Option<Arc<ServerConfig>>,
    is_instant: bool,
    is_busy: bool,
    tap: Option<Tap>,
}

impl Target {
    /// Starts a target without faults on a TCP address; port 0 takes a free one.
    ///
    /// # Errors
    /// When the spec is out of range or the address is not to be had.
    pub fn start(
        spec: TargetSpec,
        listen: SocketAddr,
        epoch: Option<Epoch>,
    ) -> Result<RunningTarget, TargetError> {
        Self::start_with_faults(spec, Faults::default(), listen, epoch)
    }

    /// Starts a target whose answers go wrong as told.
    ///
    /// # Errors
    /// When spec or faults are out of range or the address is not to be had.
    pub fn start_with_faults(
        spec: TargetSpec,
        faults: Faults,
        listen: SocketAddr,
        epoch: Option<Epoch>,
    ) -> Result<RunningTarget, TargetError> {
        Self { spec, faults, epoch, ..Self::default() }.listen(listen)
    }

    /// Describes a target without faults, TLS or epoch.
    pub fn new(spec: TargetSpec) -> Self {
        Self { spec, ..Self::default() }
    }

    /// Lets answers go wrong.
    #[must_use]
    pub fn faults(self, faults: Faults) -> Self {
        Self { faults, ..self }
    }

    /// Fixes time zero of freezes and leak.
    #[must_use]
    pub fn epoch(self, epoch: Epoch) -> Self {
        Self { epoch: Some(epoch), ..self }
    }

    /// Speaks TLS on TCP addresses; a Unix socket stays plain. Where the configuration names no
    /// protocols, `h2` and `http/1.1` are offered, or what of them the target speaks.
    #[must_use]
    pub fn tls(self, config: Arc<ServerConfig>) -> Self {
        Self { tls: Some(config), ..self }
    }

    /// Answers at once and speaks HTTP/1.1 only: nothing of the spec but `body_bytes` counts, and
    /// there are no faults.
    #[must_use]
    pub fn instant(self) -> Self {
        Self { is_instant: true, ..self }
    }

    /// Never sleeps, for a whole processor: what arrives is noticed at once and not after the
    /// wake-up of an idle one, which is tens of microseconds.
    #[must_use]
    pub fn busy(self) -> Self {
        Self { is_busy: true, ..self }
    }

    /// Records every request.
    #[must_use]
    pub fn record(self, tap: Tap) -> Self {
        Self { tap: Some(tap), ..self }
    }

    /// Starts the target on a TCP address; port 0 takes a free one. Raises the process's limit of
    /// open files as far as it may go: every client takes one.
    ///
    /// # Errors
    /// When spec or faults are out of range or the address is not to be had.
    pub fn listen(mut self, address: SocketAddr) -> Result<RunningTarget, TargetError> {
        let is_instant = self.is_instant;
        let tls = self.tls.take().map(|config| with_protocols(config, is_instant));
        let plan = self.plan()?;
        let refused = |source| TargetError::Listen { place: address.to_string(), source };
        let (bound, address) = Bound::tcp(address, tls).map_err(refused)?;
        RunningTarget::start(address, bound, plan)
    }

    /// Starts the target on a Unix socket at a path where there is no file yet, and removes the
    /// socket in the end.
    ///
    /// # Errors
    /// When spec or faults are out of range or the socket cannot be made.
    #[cfg(unix)]
    pub fn listen_unix(self, path: PathBuf) -> Result<RunningTarget<PathBuf>, TargetError> {
        let plan = self.plan()?;
        let refused = |source| TargetError::Listen { place: path.display().to_string(), source };
        let bound = Bound::unix(path.clone()).map_err(refused)?;
        RunningTarget::start(path, bound, plan)
    }

    /// Checks everything that can be checked before a socket is made.
    fn plan(self) -> Result<ServicePlan, TargetError> {
        self.faults.check()?;
        let desk = DeskPlan {
            model: QueueModel::new(&self.spec)?,
            faults: self.faults,
            start: Arc::new(self.epoch.map(OnceLock::from).unwrap_or_default()),
            leak_bytes: self.spec.leak_bytes,
            counters: Arc::default(),
        };
        let Self { spec: TargetSpec { body_bytes, .. }, is_instant, is_busy, tap, .. } = self;
        Ok(ServicePlan { desk, body_bytes, is_instant, is_busy, tap })
    }
}

/// Fills in the protocols to be offered where a configuration names none.
fn with_protocols(config: Arc<ServerConfig>, is_instant: bool) -> Arc<ServerConfig> {
    if !config.alpn_protocols.is_empty() {
        return config;
    }
    let mut config = Arc::unwrap_or_clone(config);
    let offered: &[&str] = if is_instant { &["http/1.1"] } else { &["h2", "http/1.1"] };
    config.alpn_protocols = offered.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

/// A target that answers until it is stopped or dropped.
#[derive(Debug)]
pub struct RunningTarget<A = SocketAddr> {
    address: A,
    start: Arc<OnceLock<Epoch>>,
    server: ServerThread,
}

impl<A: Clone> RunningTarget<A> {
    fn start(address: A, bound: Bound, plan: ServicePlan) -> Result<Self, TargetError> {
        let start = Arc::clone(&plan.desk.start);
        Ok(Self { address, start, server: ServerThread::spawn(bound, plan)? })
    }

    /// Fixes time zero of freezes and leak, unless it is fixed already: by an epoch given
    /// before, or by the first request.
    pub fn count_from(&self, epoch: Epoch) {
        // Whoever came first has fixed it.
        let _ = self.start.set(epoch);
    }

    /// Where it listens: a socket address with its port, or the path of a Unix socket.
    pub fn address(&self) -> A {
        self.address.clone()
    }

    /// What it has seen so far.
    pub fn stats(&self) -> TargetStats {
        self.server.counters.read()
    }

    /// Tells from any thread, and after the target is gone, how many bytes it has kept for good.
    pub fn memory_kept(&self) -> impl Fn() -> u64 + Send + 'static {
        let counters = self.server.counters.clone();
        move || counters.read().leaked_bytes
    }

    /// Closes all connections, answered or not, and waits for the target's thread to end.
    /// Returns what it has seen.
    pub fn stop(self) -> TargetStats {
        let counters = self.server.counters.clone();
        drop(self);
        counters.read()
    }
}

/// The thread of a running target; dropping it ends it.
#[derive(Debug)]
struct ServerThread {
    counters: Arc<Counters>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl ServerThread {
    /// Starts the thread and waits until it accepts clients.
    fn spawn(bound: Bound, plan: ServicePlan) -> Result<Self, TargetError> {
        os::raise_open_files_limit();
        let counters = plan.desk.counters.clone();
        let (stop, stopped) = oneshot::channel();
        let (ready, opened) = mpsc::sync_channel(1);
        let thread = thread::Builder::new()
            .name("target".to_owned())
            .spawn(move || run_thread(bound, plan, stopped, &ready))
            .map_err(TargetError::Runtime)?;
        let server = Self { counters, stop: Some(stop), thread: Some(thread) };
        opened.recv().unwrap_or_else(|_| Err(died())).map(|()| server)
    }
}

impl Drop for ServerThread {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // The thread is gone already when it panicked.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn died() -> TargetError {
    TargetError::Runtime(io::Error::other("the thread ended before it was ready"))
}

/// What the target's thread makes its service from.
struct ServicePlan {
    desk: DeskPlan,
    body_bytes: u32,
    is_instant: bool,
    is_busy: bool,
    tap: Option<Tap>,
}

impl ServicePlan {
    /// Opens for business on the current runtime.
    fn open(self) -> io::Result<Front> {
        let recorder = self.tap.map(Recorder::new).map(Rc::new);
        if self.is_instant {
            let counters = self.desk.counters;
            return Ok(Front::Instant(InstantService::new(self.body_bytes, counters, recorder)));
        }
        let desk = Rc::new(Desk::new(self.desk)?);
        Ok(Front::Model(Service::new(desk, self.body_bytes, recorder)))
    }
}

/// Tells the starting thread how opening went. That thread waits for it: sending cannot fail
/// unless it was killed, and then nothing is left to do.
type Ready = mpsc::SyncSender<Result<(), TargetError>>;

fn run_thread(bound: Bound, plan: ServicePlan, stopped: oneshot::Receiver<()>, ready: &Ready) {
    let served = runtime().and_then(|runtime| runtime.block_on(run(bound, plan, stopped, ready)));
    if let Err(error) = served {
        let _ = ready.send(Err(TargetError::Runtime(error)));
    }
}

fn runtime() -> io::Result<LocalRuntime> {
    Builder::new_current_thread().enable_all().build_local(LocalOptions::default())
}

async fn run(
    bound: Bound,
    plan: ServicePlan,
    stopped: oneshot::Receiver<()>,
    ready: &Ready,
) -> io::Result<()> {
    let counters = Arc::clone(&plan.desk.counters);
    let (listener, is_busy) = (bound.open()?, plan.is_busy);
    let front = plan.open()?;
    let _ = ready.send(Ok(()));
    tokio::select! {
        _ = stopped => {}
        () = front.release() => {}
        () = listener.run(&front, &counters) => {}
        () = stay_awake(), if is_busy => {}
    }
    Ok(())
}

/// Keeps the runtime from sleeping, for ever.
async fn stay_awake() {
    loop {
        tokio::task::yield_now().await;
    }
}

#[cfg(test)]
mod tests;
