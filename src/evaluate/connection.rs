//! What the evaluator is asked about.

use crate::model::{Edge, Endpoint, IcmpMessage, Protocol};

/// One connection's first packet with its final addresses. What is `None` is not known.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Connection<'a> {
    /// The end that opens it.
    pub source: &'a Endpoint,
    /// The end that is called.
    pub dest: &'a Endpoint,
    /// The IP protocol.
    pub protocol: Protocol,
    /// The source port.
    pub source_port: Option<u16>,
    /// The destination port.
    pub dest_port: Option<u16>,
    /// The ICMP message.
    pub icmp: Option<IcmpMessage>,
}

impl<'a> From<&'a Edge> for Connection<'a> {
    /// An edge keeps no source port: rules that ask for it cannot be judged on it.
    fn from(edge: &'a Edge) -> Self {
        let (dest_port, icmp) = edge.protocol.split_port(edge.port);
        let (source, dest) = (edge.source(), edge.dest());
        Self { source, dest, protocol: edge.protocol, source_port: None, dest_port, icmp }
    }
}
