//! The two ends of a flow.

use std::fmt;

use super::labels::{LabelSet, LabelsText};
use super::name::Name;
use super::net::IpAddr;

/// What kind of thing stands at one end of a flow, as `source_type` and `dest_type` say.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum EndpointKind {
    /// A workload endpoint (`wep`): one pod, or all the replicas behind one aggregated name.
    Workload,
    /// A host endpoint (`hep`).
    Host,
    /// A network set (`ns`), namespaced or global.
    NetworkSet,
    /// An address that belongs to nothing that Calico knows (`net`), aggregated as `pub` or `pvt`.
    Network,
}

impl EndpointKind {
    /// Returns the spelling of flow records: `wep`, `hep`, `ns` or `net`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Workload => "wep",
            Self::Host => "hep",
            Self::NetworkSet => "ns",
            Self::Network => "net",
        }
    }
}

/// How far an endpoint's name is known.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum NameScope {
    /// The name is the endpoint's own.
    Exact,
    /// The name is what several endpoints share: a `generateName` with its trailing `*`, or `pub` and `pvt`.
    Aggregated,
}

/// One end of a flow, as text borrowed from the record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct EndpointView<'a> {
    /// What stands at this end.
    pub kind: EndpointKind,
    /// The namespace; nothing where the kind has none or the record writes `-`.
    pub namespace: Option<&'a str>,
    /// The most exact name that the record has; see [`NameScope`]. Empty when the record has none.
    pub name: &'a str,
    /// Whether the name is the endpoint's own.
    pub name_scope: NameScope,
    /// The address; nothing when it was aggregated away.
    pub address: Option<IpAddr>,
    /// The labels; nothing when the record does not carry them, which is not the same as having none.
    pub labels: Option<LabelsText<'a>>,
}

impl EndpointView<'_> {
    /// Copies the text out.
    #[must_use]
    pub fn to_endpoint(&self) -> Endpoint {
        Endpoint {
            kind: self.kind,
            namespace: self.namespace.map(Name::from),
            name: Name::from(self.name),
            name_scope: self.name_scope,
            address: self.address,
            labels: self.labels.map(LabelsText::parse),
        }
    }
}

/// One end of an edge, owned. `None` means *unknown* for address and labels, never *empty*.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Endpoint {
    /// What stands at this end.
    pub kind: EndpointKind,
    /// The namespace; nothing where the kind has none.
    pub namespace: Option<Name>,
    /// The most exact name that the record had; empty when it had none.
    pub name: Name,
    /// Whether the name is the endpoint's own.
    pub name_scope: NameScope,
    /// The address, if the record had it.
    pub address: Option<IpAddr>,
    /// The labels, if the record had them.
    pub labels: Option<LabelSet>,
}

/// Prints `wep shop/cart-7d4f*`, and the address where it is known.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind.as_str())?;
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(if self.name.is_empty() { "-" } else { &self.name })?;
        match self.address {
            Some(address) => write!(f, " ({address})"),
            None => Ok(()),
        }
    }
}
