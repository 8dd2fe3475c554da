//! Needs: what a namespace was seen to need, one peer and port each.

use crate::model::{Direction, EventTime, IpAddr, Name, Protocol, ServiceRef};

/// Whom a namespace talks to, as far as records tell one from another.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Peer {
    /// Workloads of a namespace, which may be the subject's own.
    Namespace(Name),
    /// A network set.
    NetworkSet {
        /// Its namespace; nothing for a global set.
        namespace: Option<Name>,
        /// Its name.
        name: Name,
    },
    /// A host, by its address where the record had it.
    Host(Option<IpAddr>),
    /// An address that belongs to nothing that is known.
    Address(IpAddr),
    /// Some private address; the record had aggregated it away.
    Private,
    /// Some address that is not private; the record had aggregated it away.
    Public,
}

/// What tells one need from another.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NeedKey {
    /// The subject's direction.
    pub direction: Direction,
    /// The other end.
    pub peer: Peer,
    /// For egress: the Service by which the peer was reached, where it is known.
    pub service: Option<ServiceRef>,
    /// The IP protocol.
    pub protocol: Protocol,
    /// The destination's port after translation; nothing for protocols without ports, or when it is not known.
    pub port: Option<u16>,
}

impl NeedKey {
    /// Tells whether this is a question to a name server: by the port's number, or by the name that the Service of
    /// the cluster's DNS gives it (the pods behind it may listen elsewhere).
    #[must_use]
    pub fn is_dns(&self) -> bool {
        let named = |service: &ServiceRef| service.port_name == "dns" || service.port_name == "dns-tcp";
        let spoken = self.protocol == Protocol::UDP || self.protocol == Protocol::TCP;
        spoken && self.port.is_some() && (self.port == Some(53) || self.service.as_ref().is_some_and(named))
    }
}

impl NeedKey {
    /// Returns the need without its port and its Service, and without the address of a peer that is nothing but an
    /// address. There are few of these, whatever is sent.
    pub(super) fn coarser(self, is_private: impl Fn(IpAddr) -> bool) -> Self {
        let peer = match self.peer {
            Peer::Address(address) if is_private(address) => Peer::Private,
            Peer::Address(_) => Peer::Public,
            Peer::Host(_) => Peer::Host(None),
            Peer::Namespace(_) | Peer::NetworkSet { .. } | Peer::Private | Peer::Public => self.peer,
        };
        Self { direction: self.direction, peer, service: None, protocol: self.protocol, port: None }
    }
}

/// Since when and until when a need was seen. Joining two of them is idempotent, so that a window that is observed
/// twice, or overlaps with another, changes nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Seen {
    /// The earliest event time.
    pub first: EventTime,
    /// The latest event time.
    pub last: EventTime,
}

impl Seen {
    /// Widens to what either has seen.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        Self { first: self.first.min(other.first), last: self.last.max(other.last) }
    }
}

/// One need, and when it was seen over all windows.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Need {
    /// What is needed.
    pub key: NeedKey,
    /// When it was seen.
    pub seen: Seen,
}

/// Edges of a window that made no need, counted by the reason.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct Omitted {
    /// All their flows were denied. Denied flows are no evidence of a need.
    pub denied: u64,
    /// A pod that talks to itself; policy does not see it.
    pub itself: u64,
    /// A tier before ours decides them, so that our policy is never asked.
    pub decided_earlier: u64,
    /// The subject is no workload of the namespace.
    pub subject: u64,
    /// The record does not say who the peer is, or it is a network set that no rule can name.
    pub peer_unknown: u64,
    /// No rule can name the protocol.
    pub protocol: u64,
}

/// Why an edge makes no need.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Omission {
    Denied,
    Itself,
    DecidedEarlier,
    Subject,
    PeerUnknown,
    Protocol,
}

impl Omitted {
    pub(super) fn count(&mut self, omission: Omission) {
        let counter = match omission {
            Omission::Denied => &mut self.denied,
            Omission::Itself => &mut self.itself,
            Omission::DecidedEarlier => &mut self.decided_earlier,
            Omission::Subject => &mut self.subject,
            Omission::PeerUnknown => &mut self.peer_unknown,
            Omission::Protocol => &mut self.protocol,
        };
        *counter = counter.saturating_add(1);
    }
}

/// Tells whether a rule for the protocol may have ports. The API takes none for UDP-Lite.
pub(super) fn takes_ports(protocol: Protocol) -> bool {
    [Protocol::TCP, Protocol::UDP, Protocol::SCTP].contains(&protocol)
}
