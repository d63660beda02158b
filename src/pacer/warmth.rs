//! Keeps the way through the kernel's network code in the caches.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

/// A connection of this thread to itself.
///
/// After some milliseconds of sleep the first send of a thread takes 40 to 60 µs instead of 10:
/// the processor fetches the kernel's network code and its data from memory. A byte that this
/// thread sends to itself before the instant takes that time where nobody waits for it.
#[derive(Debug)]
pub(super) struct Warmth {
    sender: TcpStream,
    receiver: TcpStream,
}

impl Warmth {
    /// Connects over the loopback interface.
    pub fn new() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let sender = TcpStream::connect(listener.local_addr()?)?;
        let own = sender.local_addr()?;
        let receiver = loop {
            // Somebody else may have connected in between.
            let (stream, peer) = listener.accept()?;
            if peer == own {
                break stream;
            }
        };
        sender.set_nodelay(true)?;
        for stream in [&sender, &receiver] {
            stream.set_nonblocking(true)?;
        }
        Ok(Self { sender, receiver })
    }

    /// Sends a byte and takes it back. Whether that succeeds is of no consequence.
    pub fn touch(&self) {
        let _ = (&self.sender).write(&[0]);
        let _ = (&self.receiver).read(&mut [0; 16]);
    }
}

#[cfg(test)]
mod tests {
    use super::Warmth;

    #[test]
    fn what_was_sent_is_taken_back_however_often() {
        let warmth = Warmth::new().unwrap();
        (0..100_000).for_each(|_| warmth.touch());
        assert_eq!(
            warmth.receiver.peek(&mut [0; 16]).map_err(|error| error.kind()),
            Err(std::io::ErrorKind::WouldBlock)
        );
    }
}
