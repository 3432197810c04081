//! How many connections each address has open, so that none of them takes all there are.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::rates::network_of;

/// The open connections by network. There are never more entries than connections.
#[derive(Debug)]
pub(super) struct Peers {
    open: Mutex<HashMap<IpAddr, usize>>,
    each_max: usize,
}

/// One open connection, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    peers: Arc<Peers>,
    network: IpAddr,
}

impl Peers {
    pub(super) fn new(each_max: usize) -> Arc<Self> {
        Arc::new(Self { open: Mutex::default(), each_max })
    }

    /// A place for a connection from an address; none where its network has as many as one may have.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let network = network_of(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(network).or_default();
        if *count >= self.each_max {
            return None;
        }
        *count += 1;
        Some(Place { peers: Arc::clone(self), network })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.peers.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_36_an_address_has_so_many_connections_and_others_have_theirs() {
        let peers = Peers::new(2);
        let [a, b] = ["9.9.9.9", "9.9.9.8"].map(|text| text.parse().expect("an address"));
        let held = (peers.admit(a), peers.admit(a));
        assert!(peers.admit(a).is_none());
        assert!(peers.admit(b).is_some());
        drop(held);
        assert!(peers.open.lock().expect("not poisoned").is_empty(), "what is closed is forgotten");
        assert!(peers.admit(a).is_some());
    }
}
