//! The account of what was generated, kept beside the records and not read from them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::link::Detail;
use super::prepared::Half;
use super::record::Exchange;
use super::topology::Topology;
use crate::evaluate::Judgement;
use crate::model::{Counters, Direction, Edge, RecordedAction};

/// Records by kind.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Tally {
    /// All records.
    pub records: u64,
    /// Of those, second copies.
    pub repeated: u64,
    /// Of those, records whose event time lies back, but within the lateness.
    pub late: u64,
    /// Of those, records whose event time lies back by more than the lateness. They are in no edge's counts.
    pub beyond: u64,
    /// Of those, garbage.
    pub poison: u64,
}

/// What an exact reader counts of one edge.
#[derive(Clone, PartialEq, Debug)]
pub struct ExpectedEdge {
    /// The edge, as its records show it.
    pub edge: Edge,
    /// What the policies say of what the records show.
    pub judgement: Arc<Judgement>,
    /// Records.
    pub flows: u64,
    /// Of those, records whose action is deny.
    pub flows_denied: u64,
    /// Sums over the records; live connections are not summed and stand at 0.
    pub counters: Counters,
}

/// Counts records by link and end.
#[derive(Debug, Default)]
pub(super) struct Account {
    counts: BTreeMap<(u64, Direction), Count>,
}

#[derive(Debug, Clone, Copy)]
struct Count {
    action: RecordedAction,
    flows: u64,
    sums: Counters,
}

impl Account {
    /// Adds one record.
    pub(super) fn add(&mut self, number: u64, half: &Half, exchange: &Exchange) {
        let key = (number, half.direction);
        let count = self.counts.entry(key).or_insert(Count {
            action: half.action,
            flows: 0,
            sums: Counters::default(),
        });
        let Exchange { live: _, started, completed, packets_forth, packets_back, bytes_forth, bytes_back } =
            *exchange;
        let (packets_in, packets_out, bytes_in, bytes_out) = match half.direction {
            Direction::Egress => (packets_back, packets_forth, bytes_back, bytes_forth),
            Direction::Ingress => (packets_forth, packets_back, bytes_forth, bytes_back),
        };
        count.flows += 1;
        count.sums.connections_started += started;
        count.sums.connections_completed += completed;
        count.sums.packets_in += packets_in;
        count.sums.packets_out += packets_out;
        count.sums.bytes_in += bytes_in;
        count.sums.bytes_out += bytes_out;
    }

    /// Returns the counts with their edges, judged by what the records show of them.
    pub(super) fn edges(
        &self,
        topology: &Topology,
        verdicts: &mut dyn FnMut(&Edge) -> Arc<Judgement>,
    ) -> Vec<ExpectedEdge> {
        let mut edges = Vec::with_capacity(self.counts.len());
        for (&(number, direction), count) in &self.counts {
            let (detail, flows_denied) = match count.action {
                RecordedAction::Allow => (Detail::Aggregated, 0),
                RecordedAction::Deny => (Detail::Full, count.flows),
            };
            let edge = topology.link(number).edge(direction, detail);
            let judgement = verdicts(&edge);
            edges.push(ExpectedEdge {
                edge,
                judgement,
                flows: count.flows,
                flows_denied,
                counters: count.sums,
            });
        }
        edges
    }
}
