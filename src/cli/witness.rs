//! What the end that wrote a record saw.

use crate::decode::parse_single_trace;
use crate::evaluate::{Connection, Evidence, Programs};
use crate::model::{Direction, Flow, RecordedAction, Reporter, Trace};

/// What a record tells of its own end: the way through the policies, and what came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Witness {
    pub(super) direction: Direction,
    action: RecordedAction,
    /// Empty when it is not known, or not of one way.
    trace: Trace,
}

impl Witness {
    /// Reads it; nothing where neither end wrote the record.
    pub(super) fn of(flow: &Flow<'_>) -> Option<Self> {
        let direction = match flow.reporter {
            Reporter::Source => Direction::Egress,
            Reporter::Destination => Direction::Ingress,
            Reporter::Forward => return None,
        };
        let trace = parse_single_trace(flow.enforced).unwrap_or_default();
        Some(Self { direction, action: flow.action, trace })
    }

    /// Returns what the trace tells of the policies in force.
    pub(super) fn evidence(&self, in_force: &Programs, connection: &Connection<'_>) -> Option<Evidence> {
        in_force.evidence(self.direction, connection, &self.trace, self.action)
    }
}
