//! One connection before the run: a target that is not there is said once, not a million
//! times.

use std::rc::Rc;
use std::time::Duration;

use super::RunError;
use crate::clock::Clock;
use crate::transport::{Failure, HttpTransport, Stamps, Transport};

/// Makes one connection and closes it without sending anything.
pub(super) async fn probe<C: Clock + Unpin>(
    transport: &HttpTransport<C>,
    timeout: Duration,
) -> Result<(), RunError> {
    let attempt = transport.connect(Rc::new(Stamps::default()));
    let failure = match tokio::time::timeout(timeout, attempt).await {
        Ok(Ok(_connection)) => return Ok(()),
        Ok(Err(Failure { cause, .. })) => cause,
        Err(_elapsed) => format!("no connection within {} ms", timeout.as_millis()),
    };
    Err(RunError::Probe { cause: failure })
}
