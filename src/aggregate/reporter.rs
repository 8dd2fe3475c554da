//! Which end's policy a record speaks of.

use crate::model::{Direction, EndpointKind, EndpointView, Flow, Reporter};

/// A record read as what its reporter saw: one direction of one endpoint.
///
/// Both ends of a connection report it. Each report is an observation of its own end only, so nothing is counted
/// twice: ingress comes from the destination's report alone, egress from the source's.
#[derive(Clone, Copy, Debug)]
pub struct Observation<'a> {
    /// The direction that the reporter's policy judged.
    pub direction: Direction,
    /// The reporter's end.
    pub subject: EndpointView<'a>,
    /// The other end.
    pub peer: EndpointView<'a>,
    /// The record.
    pub flow: &'a Flow<'a>,
}

/// Why a record is no observation of an endpoint's policy.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Filtered {
    /// A host that only forwarded the traffic wrote it.
    Forwarded,
    /// The reporter's end is neither workload nor host: no policy applies there.
    NoEndpoint,
}

impl Filtered {
    /// Returns a stable name for counters: `forwarded` or `no_endpoint`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Forwarded => "forwarded",
            Self::NoEndpoint => "no_endpoint",
        }
    }
}

impl<'a> Observation<'a> {
    /// Reads a record as its reporter's observation.
    ///
    /// # Errors
    ///
    /// When the record speaks of no endpoint's policy.
    pub fn of(flow: &'a Flow<'a>) -> Result<Self, Filtered> {
        let (direction, subject, peer) = match flow.reporter {
            Reporter::Source => (Direction::Egress, flow.source, flow.dest),
            Reporter::Destination => (Direction::Ingress, flow.dest, flow.source),
            Reporter::Forward => return Err(Filtered::Forwarded),
        };
        match subject.kind {
            EndpointKind::Workload | EndpointKind::Host => Ok(Self { direction, subject, peer, flow }),
            EndpointKind::NetworkSet | EndpointKind::Network => Err(Filtered::NoEndpoint),
        }
    }
}
