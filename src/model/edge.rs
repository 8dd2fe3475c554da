//! Edges: who talks to whom on which port, seen from one end.

use std::fmt;

use super::endpoint::Endpoint;
use super::name::Name;
use super::net::{IcmpMessage, Protocol};

/// Which of an endpoint's two policy directions a flow is judged by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Direction {
    /// Into the endpoint: judged at the destination.
    Ingress,
    /// Out of the endpoint: judged at the source.
    Egress,
}

impl Direction {
    /// Returns `ingress` or `egress`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A Service by which a destination was reached.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ServiceRef {
    /// Its namespace.
    pub namespace: Name,
    /// Its name.
    pub name: Name,
    /// The name of its port; empty when it has none.
    pub port_name: Name,
}

/// One direction to one peer on one destination port: the smallest thing that is counted and judged.
///
/// One connection between two pods is two edges: egress at its source, reported by the source's node, and ingress
/// at its destination, reported by the destination's node.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Edge {
    /// Which of the subject's directions this is.
    pub direction: Direction,
    /// The end whose policies decide: the source for egress, the destination for ingress.
    pub subject: Endpoint,
    /// The other end.
    pub peer: Endpoint,
    /// The IP protocol.
    pub protocol: Protocol,
    /// The destination's port after translation; for ICMP the message, as [`IcmpMessage::from_port`] reads it. Nothing
    /// for other protocols without ports, or when the record does not tell.
    pub port: Option<u16>,
    /// The Service by which the destination was reached, where the record named one.
    pub service: Option<ServiceRef>,
}

impl Edge {
    /// Returns the ICMP message.
    #[must_use]
    pub fn icmp(&self) -> Option<IcmpMessage> {
        self.protocol.split_port(self.port).1
    }

    /// Returns the end that opened the connection.
    #[must_use]
    pub fn source(&self) -> &Endpoint {
        match self.direction {
            Direction::Egress => &self.subject,
            Direction::Ingress => &self.peer,
        }
    }

    /// Returns the end that was called.
    #[must_use]
    pub fn dest(&self) -> &Endpoint {
        match self.direction {
            Direction::Egress => &self.peer,
            Direction::Ingress => &self.subject,
        }
    }
}

/// Prints `wep shop/cart* -> wep data/ledger* tcp/5432 (egress)`.
impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let service = self.protocol.with_port(self.port);
        write!(f, "{} -> {} {service} ({})", self.source(), self.dest(), self.direction)
    }
}
