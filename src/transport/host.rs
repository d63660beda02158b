//! The addresses of a host: looked up once, or again whenever they have become old.
//!
//! The system's resolver blocks, for seconds when a name server is silent. So only the first
//! look-up, before the run, is waited for. A later one happens on a thread of its own while
//! connections go on with the addresses known so far; when it fails, they stay. The thread
//! is left to itself: a resolver that hangs must not hold up the end of a run.
//!
//! What is due when is [`Lookups`], which knows neither clocks nor sockets.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openload_contract::Outcome;

use super::Failure;
use crate::clock::Epoch;

/// Longest time from a failed look-up to the next one, in ns. A second: soon enough to miss
/// little, and no load on a name server that is in trouble.
const RETRY_NS: i64 = 1_000_000_000;

/// Addresses in the resolver's order, never empty; or why there are none.
type Found = Result<Arc<[SocketAddr]>, Failure>;

/// A host and its addresses, shared by all workers.
#[derive(Debug)]
pub struct Host {
    name: String,
    port: u16,
    addresses: Addresses,
    /// From when the age of the addresses is counted, the same for all workers.
    epoch: Epoch,
}

#[derive(Debug)]
enum Addresses {
    Fixed(Found),
    /// Locked once per connection, and only for as long as it takes to look inside.
    Refreshed(Mutex<Lookups>),
}

impl Host {
    /// Looks a host name or literal address up; blocks while the resolver works. With
    /// `ttl_ns` that is repeated, without blocking, when so much time has passed.
    pub(super) fn resolve(name: &str, port: u16, ttl_ns: Option<i64>) -> Self {
        let found = look_up(name, port);
        let addresses = match ttl_ns {
            None => Addresses::Fixed(found),
            Some(ttl_ns) => Addresses::Refreshed(Mutex::new(Lookups::new(found, ttl_ns))),
        };
        Self { name: name.to_owned(), port, addresses, epoch: Epoch::now() }
    }

    /// A host known by its address.
    pub(super) fn at(address: SocketAddr) -> Self {
        Self {
            name: address.ip().to_string(),
            port: address.port(),
            addresses: Addresses::Fixed(Ok(Arc::new([address]))),
            epoch: Epoch::now(),
        }
    }

    /// Returns the addresses known now, and has them looked up again when they are old.
    pub(super) fn addresses(self: &Arc<Self>) -> Found {
        match &self.addresses {
            Addresses::Fixed(found) => found.clone(),
            Addresses::Refreshed(lookups) => {
                let now_ns = self.epoch.elapsed_ns();
                let (found, is_due) = lock(lookups).take(now_ns);
                if is_due {
                    self.refresh(now_ns);
                }
                found
            }
        }
    }

    fn refresh(self: &Arc<Self>, asked_ns: i64) {
        let host = Arc::clone(self);
        let work = move || host.store(asked_ns, look_up(&host.name, host.port));
        let thread = std::thread::Builder::new().name("gen-resolver".to_owned()).spawn(work);
        if let Err(error) = thread {
            self.store(asked_ns, Err(unresolved(&self.name, &error.to_string())));
        }
    }

    fn store(&self, asked_ns: i64, found: Found) {
        if let Addresses::Refreshed(lookups) = &self.addresses {
            lock(lookups).store(asked_ns, found);
        }
    }
}

/// Nothing under this lock can panic half-way.
fn lock(lookups: &Mutex<Lookups>) -> MutexGuard<'_, Lookups> {
    lookups.lock().unwrap_or_else(PoisonError::into_inner)
}

fn look_up(name: &str, port: u16) -> Found {
    let addresses =
        (name, port).to_socket_addrs().map_err(|error| unresolved(name, &error.to_string()))?;
    let addresses: Arc<[SocketAddr]> = addresses.collect();
    if addresses.is_empty() {
        return Err(unresolved(name, "the name has no address"));
    }
    Ok(addresses)
}

fn unresolved(name: &str, cause: &str) -> Failure {
    Failure { outcome: Outcome::ConnectError, cause: format!("cannot resolve `{name}`: {cause}") }
}

/// What was looked up last, and when that is to be repeated.
#[derive(Debug)]
struct Lookups {
    latest: Found,
    ttl_ns: i64,
    /// When the next look-up is due; the first use sets it.
    due_ns: Option<i64>,
    is_under_way: bool,
}

impl Lookups {
    fn new(latest: Found, ttl_ns: i64) -> Self {
        Self { latest, ttl_ns, due_ns: None, is_under_way: false }
    }

    /// Returns what is known, and whether the caller is to look again: one caller per turn.
    fn take(&mut self, now_ns: i64) -> (Found, bool) {
        let first_ns = now_ns.saturating_add(self.wait_ns());
        let due_ns = *self.due_ns.get_or_insert(first_ns);
        let is_due = now_ns >= due_ns && !self.is_under_way;
        self.is_under_way |= is_due;
        (self.latest.clone(), is_due)
    }

    /// Takes what a look-up begun at `asked_ns` has found. A failure replaces a failure only.
    fn store(&mut self, asked_ns: i64, found: Found) {
        self.is_under_way = false;
        let has_failed = found.is_err();
        if found.is_ok() || self.latest.is_err() {
            self.latest = found;
        }
        let wait_ns = if has_failed { self.ttl_ns.min(RETRY_NS) } else { self.ttl_ns };
        self.due_ns = Some(asked_ns.saturating_add(wait_ns));
    }

    fn wait_ns(&self) -> i64 {
        if self.latest.is_err() { self.ttl_ns.min(RETRY_NS) } else { self.ttl_ns }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;

    use super::{Found, Host, Lookups, unresolved};

    const TTL_NS: i64 = 30_000_000_000;

    fn found(last: u8) -> Found {
        Ok(Arc::new([SocketAddr::from(([10, 0, 0, last], 80))]))
    }

    fn failed(cause: &str) -> Found {
        Err(unresolved("a.example", cause))
    }

    #[test]
    fn addresses_are_looked_up_again_when_they_are_old() {
        let mut lookups = Lookups::new(found(1), TTL_NS);
        assert_eq!(lookups.take(5), (found(1), false));
        assert_eq!(lookups.take(5 + TTL_NS - 1), (found(1), false));
        assert_eq!(lookups.take(5 + TTL_NS), (found(1), true));
        lookups.store(5 + TTL_NS, found(2));
        assert_eq!(lookups.take(5 + TTL_NS + 1), (found(2), false));
        assert_eq!(lookups.take(5 + 2 * TTL_NS), (found(2), true));
    }

    #[test]
    fn the_old_addresses_serve_until_the_new_ones_are_there_and_nobody_asks_twice() {
        let mut lookups = Lookups::new(found(1), TTL_NS);
        let _ = lookups.take(0);
        assert_eq!(lookups.take(TTL_NS), (found(1), true));
        for later in 1..10 {
            assert_eq!(lookups.take(later * TTL_NS), (found(1), false));
        }
        lookups.store(TTL_NS, found(2));
        // It took so long that the next one is due at once.
        assert_eq!(lookups.take(9 * TTL_NS), (found(2), true));
    }

    #[test]
    fn a_failed_look_up_keeps_the_old_addresses_and_is_repeated_soon() {
        let mut lookups = Lookups::new(found(1), TTL_NS);
        let _ = lookups.take(0);
        let _ = lookups.take(TTL_NS);
        lookups.store(TTL_NS, failed("no answer"));
        let second = 1_000_000_000;
        assert_eq!(lookups.take(TTL_NS + second - 1), (found(1), false));
        assert_eq!(lookups.take(TTL_NS + second), (found(1), true));
    }

    #[test]
    fn a_host_that_could_not_be_resolved_may_appear_later() {
        let mut lookups = Lookups::new(failed("first"), TTL_NS);
        let second = 1_000_000_000;
        assert_eq!(lookups.take(0), (failed("first"), false));
        assert_eq!(lookups.take(second), (failed("first"), true));
        lookups.store(second, failed("second"));
        assert_eq!(lookups.take(2 * second), (failed("second"), true));
        lookups.store(2 * second, found(1));
        assert_eq!(lookups.take(3 * second), (found(1), false));
    }

    #[test]
    fn literal_addresses_need_no_resolver() {
        for (name, address) in [("127.0.0.1", "127.0.0.1:80"), ("::1", "[::1]:80")] {
            let host = Arc::new(Host::resolve(name, 80, None));
            assert_eq!(*host.addresses().unwrap(), [address.parse().unwrap()]);
        }
    }

    #[test]
    fn a_name_that_cannot_exist_is_a_failure_that_names_it() {
        let host = Arc::new(Host::resolve("no.such.name.invalid", 80, Some(TTL_NS)));
        let failure = host.addresses().unwrap_err();
        assert!(failure.cause.contains("no.such.name.invalid"), "{failure}");
    }
}
