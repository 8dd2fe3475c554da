//! What the end that wrote a record saw.

use crate::decode::parse_single_trace;
use crate::evaluate::{Connection, Evidence, Programs};
use crate::model::{CalicoVersion, Direction, Flow, RecordedAction, Reporter, Trace};

/// What a record tells of its own end: the way through the policies, and what came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Witness {
    pub(super) direction: Direction,
    action: RecordedAction,
    /// Empty when it is not known, or not of one way.
    trace: Trace,
}

impl Witness {
    /// Reads it, of a record that a release of Calico wrote; nothing where neither end wrote the record.
    pub(super) fn of(flow: &Flow<'_>, version: CalicoVersion) -> Option<Self> {
        let direction = match flow.reporter {
            Reporter::Source => Direction::Egress,
            Reporter::Destination => Direction::Ingress,
            Reporter::Forward => return None,
        };
        let trace = parse_single_trace(flow.enforced).unwrap_or_default().named_by(version);
        Some(Self { direction, action: flow.action, trace })
    }

    /// Tells whether the source wrote the record, and dropped the flow: so it never came to the destination.
    pub(super) fn is_dropped_at_source(&self) -> bool {
        self.direction == Direction::Egress && self.action == RecordedAction::Deny
    }

    /// Returns what the trace tells of the policies in force.
    pub(super) fn evidence(&self, in_force: &Programs, connection: &Connection<'_>) -> Option<Evidence> {
        in_force.evidence(self.direction, connection, &self.trace, self.action)
    }
}
