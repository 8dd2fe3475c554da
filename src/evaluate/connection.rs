//! What the evaluator is asked about.

use crate::model::{Edge, Endpoint, Protocol};

/// Type and code of an ICMP message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct IcmpMessage {
    /// The type.
    pub icmp_type: u8,
    /// The code.
    pub code: u8,
}

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
    /// The ICMP message; flow records never carry it.
    pub icmp: Option<IcmpMessage>,
}

impl<'a> From<&'a Edge> for Connection<'a> {
    /// An edge keeps neither source port nor ICMP message: rules that ask for them cannot be judged on it.
    fn from(edge: &'a Edge) -> Self {
        Self {
            source: edge.source(),
            dest: edge.dest(),
            protocol: edge.protocol,
            source_port: None,
            dest_port: edge.port,
            icmp: None,
        }
    }
}
