//! Which of the two targets attends to a client: the one with a queue, or the one that answers at
//! once.

use std::future::pending;

use super::connection::Service;
use super::instant::InstantService;
use super::line::Socket;

/// Attends to clients.
#[derive(Debug, Clone)]
pub(super) enum Front {
    /// Behind a queueing model.
    Model(Service),
    /// At once.
    Instant(InstantService),
}

impl Front {
    /// Answers the requests of one client until either side ends the connection.
    pub(super) async fn attend(self, socket: impl Socket, connection: u32) {
        match self {
            Self::Model(service) => service.attend(socket, connection).await,
            Self::Instant(service) => service.attend(socket, connection).await,
        }
    }

    /// Releases answers that wait for their instant, for ever.
    pub(super) async fn release(&self) {
        match self {
            Self::Model(service) => service.desk().release().await,
            Self::Instant(_) => pending().await,
        }
    }
}
