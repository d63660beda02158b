//! Where connections come from: the addresses and ports of this machine.
//!
//! Two connections may not have the same four numbers, address and port on either side. Of
//! one address there are as many ports as the system gives out, about 28,000 on Linux; so
//! whoever wants more connections to one target names more addresses.
//!
//! A socket that is bound to an address before it is connected is given a port at once, at a
//! time when the system does not know yet where it will lead. It then refuses ports that are
//! free for this target but busy for another, or still wait out their last connection. Where
//! the ports are known, they are therefore named here, in turn, the one unused for longest
//! first, and the system checks all four numbers when it connects. (Linux has an option for
//! just that, `IP_BIND_ADDRESS_NO_PORT`, which the libraries in use do not offer.)

//!
//! Ports are also named when no address is, after some thousand connections: the system's own
//! search walks past every busy port, and with half of them busy that is a millisecond for each
//! connection, in the middle of the stall that opens them.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use thiserror::Error;
use tokio::net::{TcpSocket, TcpStream};

use crate::os;

/// Ports tried by name before the system is asked to search. With half of all ports busy,
/// sixteen are all busy once in 65,000 connections.
const PORTS_TRIED: usize = 16;

/// Connections whose ports the system finds by itself. Up to a few thousand busy ports its search
/// is quicker than naming one.
const SEARCHED_MAX: usize = 4_096;

/// Addresses to connect from, in turn.
#[derive(Debug)]
pub(super) struct Sources {
    addresses: Vec<IpAddr>,
    /// What the system gives out; empty where that is not known.
    ports: Vec<u16>,
    turn: Cell<usize>,
    port_turn: Cell<usize>,
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The address to connect from could not be taken.
    Source(IpAddr, io::Error),
    /// All ports of the address to connect from are taken.
    Ports,
    /// The target could not be reached.
    Target(io::Error),
}

impl Sources {
    pub fn new(addresses: &[IpAddr]) -> Self {
        // Workers begin at different ports, so as not to follow in each other's steps.
        let start = RandomState::new().hash_one(0) as usize;
        Self {
            addresses: addresses.to_vec(),
            ports: os::local_ports(),
            turn: Cell::new(0),
            port_turn: Cell::new(start),
        }
    }

    /// Tells whether `target` can be reached from one of the addresses.
    pub fn reach(&self, target: SocketAddr) -> bool {
        self.addresses.is_empty() || self.of_family(target).next().is_some()
    }

    /// Connects to `target` from the next address.
    pub async fn connect(&self, target: SocketAddr) -> Result<TcpStream, Refusal> {
        let Some(source) = self.next_address(target) else {
            return TcpStream::connect(target).await.map_err(without_ports);
        };
        for _ in 0..PORTS_TRIED.min(self.ports.len()) {
            let from = SocketAddr::new(source, self.next_port());
            // Nobody listens there now, but a socket can connect to itself.
            if from.port() == target.port() {
                continue;
            }
            let attempt = async { self.bound(from)?.connect(target).await };
            match attempt.await {
                Err(error) if is_taken(&error) => {}
                done => return done.map_err(Refusal::Target),
            }
        }
        // The system finds any port that is left.
        let socket =
            self.bound(SocketAddr::new(source, 0)).map_err(|error| match error.kind() {
                io::ErrorKind::AddrInUse => Refusal::Ports,
                _ => Refusal::Source(source, error),
            })?;
        socket.connect(target).await.map_err(without_ports)
    }

    fn of_family(&self, target: SocketAddr) -> impl Iterator<Item = IpAddr> + '_ {
        let addresses = self.addresses.iter().copied();
        addresses.filter(move |address| address.is_ipv6() == target.is_ipv6())
    }

    fn next_address(&self, target: SocketAddr) -> Option<IpAddr> {
        let count = self.of_family(target).count();
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        if self.addresses.is_empty() {
            return (turn >= SEARCHED_MAX).then(|| any_address(target));
        }
        self.of_family(target).nth(turn.checked_rem(count)?)
    }

    fn next_port(&self) -> u16 {
        let turn = self.port_turn.get();
        self.port_turn.set(turn.wrapping_add(1));
        self.ports[turn % self.ports.len()]
    }

    fn bound(&self, from: SocketAddr) -> io::Result<TcpSocket> {
        let socket = new_socket(from)?;
        // The permission to share a port with connections that lead elsewhere, or are over.
        if !self.ports.is_empty() {
            socket.set_reuseaddr(true)?;
        }
        socket.bind(from)?;
        Ok(socket)
    }
}

/// Leaves the address to the system.
fn any_address(target: SocketAddr) -> IpAddr {
    if target.is_ipv6() { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() }
}

fn new_socket(from: SocketAddr) -> io::Result<TcpSocket> {
    if from.is_ipv6() { TcpSocket::new_v6() } else { TcpSocket::new_v4() }
}

/// Another connection has the port, or these four numbers.
fn is_taken(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::AddrNotAvailable)
}

/// The system answers so when it finds no port for a connection.
fn without_ports(error: io::Error) -> Refusal {
    match error.kind() {
        io::ErrorKind::AddrNotAvailable => Refusal::Ports,
        _ => Refusal::Target(error),
    }
}

/// This machine does not have an address of `source_addresses`.
#[derive(Debug, Error)]
#[error(
    "cannot connect from {address} of connection.source_addresses: {cause}; `ip address` lists \
     this machine's addresses"
)]
pub struct SourceError {
    /// The address.
    pub address: IpAddr,
    /// What the system said.
    pub cause: io::Error,
}

/// Checks that this machine has all of `addresses`.
///
/// # Errors
/// Names the first that it does not have.
pub fn check_sources(addresses: &[IpAddr]) -> Result<(), SourceError> {
    for &address in addresses {
        UdpSocket::bind((address, 0)).map_err(|cause| SourceError { address, cause })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::{IpAddr, SocketAddr};

    use tokio::net::TcpListener;

    use super::{Refusal, Sources, check_sources};

    fn loopback(last: u8) -> IpAddr {
        IpAddr::from([127, 0, 0, last])
    }

    #[tokio::test]
    async fn connections_come_from_the_addresses_in_turn() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap();
        let sources = Sources::new(&[loopback(2), loopback(3)]);
        let mut seen = Vec::new();
        for _ in 0..4 {
            let _stream = sources.connect(target).await.unwrap();
            seen.push(listener.accept().await.unwrap().1.ip());
        }
        assert_eq!(seen, [loopback(2), loopback(3), loopback(2), loopback(3)]);
    }

    #[tokio::test]
    async fn ports_that_are_taken_are_passed_over() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap();
        let mut sources = Sources::new(&[loopback(2)]);
        let first = sources.connect(target).await.unwrap();
        let taken = first.local_addr().unwrap().port();
        sources.ports = vec![taken];
        let other = sources.connect(target).await.unwrap();
        assert_ne!(other.local_addr().unwrap().port(), taken);
    }

    /// A port that leads to one target is free for another.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_port_is_shared_between_targets() {
        let mut sources = Sources::new(&[loopback(2)]);
        let mut streams = Vec::new();
        for _ in 0..2 {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let stream = sources.connect(listener.local_addr().unwrap()).await.unwrap();
            sources.ports = vec![stream.local_addr().unwrap().port()];
            streams.push((stream, listener));
        }
        let ports: Vec<u16> =
            streams.iter().map(|(stream, _)| stream.local_addr().unwrap().port()).collect();
        assert_eq!(ports[0], ports[1]);
    }

    #[tokio::test]
    async fn an_address_of_another_machine_is_named() {
        let strange = IpAddr::from([192, 0, 2, 1]);
        assert_eq!(check_sources(&[loopback(1), strange]).unwrap_err().address, strange);
        assert!(check_sources(&[loopback(1)]).is_ok());
        let target = SocketAddr::from(([127, 0, 0, 1], 9));
        let refused = Sources::new(&[strange]).connect(target).await;
        let Err(Refusal::Source(named, error)) = refused else { panic!("{refused:?}") };
        assert_eq!((named, error.kind()), (strange, io::ErrorKind::AddrNotAvailable));
    }

    #[test]
    fn a_target_is_reached_from_its_own_family_only() {
        let (v4, v6) = ("127.0.0.1:80".parse().unwrap(), "[::1]:80".parse().unwrap());
        let sources = Sources::new(&[loopback(2)]);
        assert!(sources.reach(v4) && !sources.reach(v6));
        assert!(Sources::new(&[]).reach(v6));
    }
}
