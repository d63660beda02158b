//! A transport without sockets: the queueing model answers.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::rc::Rc;
use std::task::{Context, Poll};

use openload_contract::Outcome;

use super::clock::SimulatedClock;
use crate::clock::Clock;
use crate::target::{QueueModel, TargetSpec};
use crate::transport::{Connection, Failure, Request, Stamps, Transport};

/// What the simulated target does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// Queue it and answer when the model says.
    Answer,
    /// Refuse the connection.
    Refuse,
    /// Accept and never answer.
    Silence,
    /// Break the connection after the first byte of every third response.
    ResetEveryThird,
}

/// A transport without sockets. Clones share one target.
#[derive(Clone)]
pub struct SimulatedTransport {
    clock: SimulatedClock,
    model: Rc<RefCell<QueueModel>>,
    behaviour: Behaviour,
    connections: Rc<Cell<u64>>,
    used: Rc<Cell<u64>>,
}

impl SimulatedTransport {
    /// Connections made so far, and those among them that carried a request.
    pub fn connections(&self) -> (u64, u64) {
        (self.connections.get(), self.used.get())
    }

    pub fn new(clock: SimulatedClock, spec: &TargetSpec, behaviour: Behaviour) -> Self {
        let model = Rc::new(RefCell::new(QueueModel::new(spec).unwrap()));
        Self { clock, model, behaviour, connections: Rc::default(), used: Rc::default() }
    }
}

impl Transport for SimulatedTransport {
    type Connection = SimulatedConnection;

    async fn connect(&self, stamps: Rc<Stamps>) -> Result<SimulatedConnection, Failure> {
        if self.behaviour == Behaviour::Refuse {
            let cause = "connection refused".to_owned();
            return Err(Failure { outcome: Outcome::ConnectError, cause });
        }
        self.connections.set(self.connections.get() + 1);
        Ok(SimulatedConnection { transport: self.clone(), stamps, is_used: false })
    }
}

pub struct SimulatedConnection {
    transport: SimulatedTransport,
    stamps: Rc<Stamps>,
    is_used: bool,
}

impl Connection for SimulatedConnection {
    async fn exchange(&mut self, _request: Request<'_>) -> Result<(), Failure> {
        let SimulatedTransport { clock, model, behaviour, used, .. } = &self.transport;
        if !std::mem::replace(&mut self.is_used, true) {
            used.set(used.get() + 1);
        }
        self.stamps.sent_ns.set(Some(clock.now_ns()));
        if *behaviour == Behaviour::Silence {
            pending::<()>().await;
        }
        let completion = model.borrow_mut().arrive(clock.now_ns());
        clock.wait_until(completion.finish_ns).await;
        self.stamps.note_received(clock.now_ns());
        if *behaviour == Behaviour::ResetEveryThird && completion.number % 3 == 2 {
            let cause = "connection reset".to_owned();
            return Err(Failure { outcome: Outcome::Reset, cause });
        }
        self.stamps.status.set(Some(completion.status));
        Ok(())
    }

    fn poll_closed(&mut self, _context: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }

    fn is_reusable(&mut self) -> bool {
        true
    }
}
