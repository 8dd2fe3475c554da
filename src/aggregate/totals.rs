//! What is counted of an edge.

use crate::model::{Counters, EventTime, RecordedAction};

/// Absolute counts of one edge in one pane or window.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Totals {
    /// Flow records.
    pub flows: u64,
    /// Of those, records whose recorded action was deny.
    pub flows_denied: u64,
    /// Connections that began.
    pub connections_started: u64,
    /// Connections that ended.
    pub connections_completed: u64,
    /// Packets towards the subject.
    pub packets_in: u64,
    /// Packets away from the subject.
    pub packets_out: u64,
    /// Bytes towards the subject.
    pub bytes_in: u64,
    /// Bytes away from the subject.
    pub bytes_out: u64,
    /// The earliest event time.
    pub first_seen: EventTime,
    /// The latest event time.
    pub last_seen: EventTime,
}

impl Totals {
    /// Returns the counts of one record.
    #[must_use]
    pub const fn of_flow(counters: &Counters, action: RecordedAction, end: EventTime) -> Self {
        Self {
            flows: 1,
            flows_denied: match action {
                RecordedAction::Allow => 0,
                RecordedAction::Deny => 1,
            },
            connections_started: counters.connections_started,
            connections_completed: counters.connections_completed,
            packets_in: counters.packets_in,
            packets_out: counters.packets_out,
            bytes_in: counters.bytes_in,
            bytes_out: counters.bytes_out,
            first_seen: end,
            last_seen: end,
        }
    }

    /// Returns counts of nothing, seen in the given span.
    #[must_use]
    pub(super) const fn zero(first_seen: EventTime, last_seen: EventTime) -> Self {
        Self {
            flows: 0,
            flows_denied: 0,
            connections_started: 0,
            connections_completed: 0,
            packets_in: 0,
            packets_out: 0,
            bytes_in: 0,
            bytes_out: 0,
            first_seen,
            last_seen,
        }
    }

    /// Adds other counts to these. Sums saturate; a record's own counters are bounded by the decoder.
    pub fn absorb(&mut self, other: &Self) {
        let Self {
            flows,
            flows_denied,
            connections_started,
            connections_completed,
            packets_in,
            packets_out,
            bytes_in,
            bytes_out,
            first_seen,
            last_seen,
        } = other;
        self.flows = self.flows.saturating_add(*flows);
        self.flows_denied = self.flows_denied.saturating_add(*flows_denied);
        self.connections_started = self.connections_started.saturating_add(*connections_started);
        self.connections_completed = self.connections_completed.saturating_add(*connections_completed);
        self.packets_in = self.packets_in.saturating_add(*packets_in);
        self.packets_out = self.packets_out.saturating_add(*packets_out);
        self.bytes_in = self.bytes_in.saturating_add(*bytes_in);
        self.bytes_out = self.bytes_out.saturating_add(*bytes_out);
        self.first_seen = self.first_seen.min(*first_seen);
        self.last_seen = self.last_seen.max(*last_seen);
    }
}
