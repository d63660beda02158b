//! The target that answers at once: an instrument that is never the bottleneck.
//!
//! [`super::connection`] serves HTTP through a library in front of a queueing model. Where there
//! is nothing to model, that costs two to three times what the exchange itself does, and a
//! generator would be measured against its own target. This one reads a request and writes a prepared
//! answer: one read and one write a request when they come one by one, one of each for
//! many when they are pipelined. It speaks HTTP/1.1 alone, and answers every method and path
//! alike.
//!
//! [`head`] and [`body`] understand what has been read and touch no socket; [`client`] owns
//! the socket. What is not valid HTTP/1.1, or can be read in two ways, is answered with status
//! 400 and closes the connection.

mod answers;
mod body;
mod client;
mod head;

pub(super) use client::InstantService;

#[cfg(test)]
mod tests;
