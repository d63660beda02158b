//! The thread of one worker: its runtime, its clock, and the transport the plan asks for.

use std::io;
use std::sync::Arc;

use tokio::runtime::{Builder, LocalOptions, LocalRuntime};

use super::RunError;
use super::route::Route;
use crate::clock::Epoch;
use crate::dispatch::{Gauges, Recorder, StopSignal, Worker, WorkerRemains, WorkerReport};
use crate::pacer::{Pacer, Pacing};
use crate::plan::{Engine, Plan, Protocol};
use crate::replay::Feed;
use crate::schedule::LaneSet;
use crate::sink::ChannelSink;
use crate::transport::{Http2Transport, HyperTransport, LeanTransport, Transport};

/// Tasks that run before the sockets and the next intended start are looked at again.
///
/// The runtime's own 61 would make an arrival wait for 61 responses to be read: 0.2 ms. At 8
/// a look costs each task an eighth of a system call, which those who only sleep need not pay.
const TASKS_PER_TURN: u32 = 8;
const TASKS_PER_TURN_EFFICIENT: u32 = 64;

/// What one worker's thread is made of.
pub(super) struct WorkerThread {
    pub plan: Arc<Plan>,
    pub route: Arc<Route>,
    pub lanes: LaneSet,
    pub epoch: Epoch,
    pub pacing: Pacing,
    pub spin_ns: i64,
    /// Processor to stay on, if any.
    pub cpu: Option<u32>,
    pub sink: ChannelSink,
    pub gauges: Arc<Gauges>,
    pub stop: StopSignal,
    /// Recorded arrivals, if there are any.
    pub feed: Option<Feed>,
}

impl WorkerThread {
    /// Runs the worker to its end and closes its books.
    pub fn run(self) -> Result<WorkerReport, RunError> {
        if let Some(cpu) = self.cpu {
            crate::os::pin_thread(&[cpu]).map_err(RunError::Thread)?;
        }
        let runtime = runtime(self.pacing).map_err(RunError::Thread)?;
        let remains = runtime.block_on(self.dispatch())?;
        // What is still in flight ends here, and each job writes its row.
        drop(runtime);
        Ok(remains.report())
    }

    async fn dispatch(self) -> Result<WorkerRemains<Pacer>, RunError> {
        let clock = Pacer::new(self.epoch, self.pacing).map_err(RunError::Thread)?;
        let clock = clock.spinning_for(self.pacing, self.spin_ns);
        let connector = self.route.connector(clock.clone(), &self.plan)?;
        let connection = &self.plan.connection;
        match (connection.protocol, connection.engine) {
            (Protocol::Http2, _) => {
                let streams = connection.streams_per_connection;
                let transport = Http2Transport::new(clock.clone(), connector, streams);
                self.dispatch_over(transport, clock).await
            }
            (_, Engine::Lean) => {
                let transport = LeanTransport::new(clock.clone(), connector);
                self.dispatch_over(transport, clock).await
            }
            (_, Engine::Hyper) => {
                let transport = HyperTransport::new(clock.clone(), connector);
                self.dispatch_over(transport, clock).await
            }
        }
    }

    async fn dispatch_over<T: Transport>(
        self,
        transport: T,
        clock: Pacer,
    ) -> Result<WorkerRemains<Pacer>, RunError> {
        let Self { plan, lanes, sink, gauges, stop, feed, .. } = self;
        let recorder = Recorder::new(Box::new(sink), gauges);
        let worker = Worker::new(&plan, lanes, clock, transport, recorder, stop)?;
        Ok(worker.with_feed(feed).run().await)
    }
}

/// A runtime on the current thread alone.
pub(super) fn runtime(pacing: Pacing) -> io::Result<LocalRuntime> {
    let tasks_per_turn = match pacing {
        Pacing::Precise | Pacing::Busy => TASKS_PER_TURN,
        Pacing::Efficient => TASKS_PER_TURN_EFFICIENT,
    };
    Builder::new_current_thread()
        .enable_all()
        .event_interval(tasks_per_turn)
        .build_local(LocalOptions::default())
}
