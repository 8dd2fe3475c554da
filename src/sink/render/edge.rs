//! The record of one edge in one pane.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::endpoint::{EndpointRecord, ServiceRecord};
use super::error::RecordError;
use super::judgement::{OutcomeFields, OutcomeRecord, StagedHitRecord, VerdictRecord};
use super::policy::{PolicyRecord, RuleRecord};
use super::text::{check_schema, hexadecimal_u64, hexadecimal_u128, rfc3339};
use crate::aggregate::{EdgeDigest, EdgeReport, Finality, Pane, Totals};
use crate::evaluate::{Judgement, Outcome, StagedHit, Verdict};
use crate::model::{Direction, Edge, Endpoint, EventTime, PolicyId, Protocol, ServiceRef};
use crate::policy::Revision;

/// Which of the subject's two policy directions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DirectionRecord {
    /// Into the subject.
    Ingress,
    /// Out of the subject.
    Egress,
}

/// Whether counts may still grow.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum FinalityRecord {
    /// Some input partition has not passed the pane yet.
    Provisional,
    /// Every input partition has passed the pane.
    Final,
}

/// Absolute counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct TotalsRecord {
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
    /// The earliest event time, in milliseconds since the Unix epoch.
    pub first_seen_ms: i64,
    /// The latest event time, in milliseconds since the Unix epoch.
    pub last_seen_ms: i64,
}

/// One edge in one pane under one policy set: its counts, and what the policies say.
///
/// A record replaces an earlier one of the same [`EdgeRecord::key`] if its `revision` is not lower.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct EdgeRecord {
    /// The version of this shape; 1.
    pub schema: u32,
    /// The revision of the policy set that judged: 16 hexadecimal digits.
    pub policy_set: String,
    /// The pane's number: panes of its length since the Unix epoch.
    pub pane: i64,
    /// Begin of the pane, RFC 3339 in UTC.
    pub pane_start: String,
    /// Begin of the pane, in milliseconds since the Unix epoch.
    pub pane_start_ms: i64,
    /// End of the pane, not included, RFC 3339 in UTC.
    pub pane_end: String,
    /// End of the pane, not included, in milliseconds since the Unix epoch.
    pub pane_end_ms: i64,
    /// The edge's digest, equal on every process: 32 hexadecimal digits.
    pub edge: String,
    /// The subject's direction that was judged.
    pub direction: DirectionRecord,
    /// The end whose policies decide: the source for egress, the destination for ingress.
    pub subject: EndpointRecord,
    /// The other end.
    pub peer: EndpointRecord,
    /// The protocol's name in lower case, else its number.
    pub protocol: String,
    /// The protocol's number.
    pub protocol_number: u8,
    /// The destination's port after translation; for ICMP type × 256 + code. `null` for other protocols without ports,
    /// or when the record does not tell.
    pub port: Option<u16>,
    /// The Service by which the destination was reached; `null` when none is known.
    pub service: Option<ServiceRecord>,
    /// Counts in the pane.
    pub totals: TotalsRecord,
    /// Grows with every update of this record.
    pub revision: u64,
    /// Whether the counts may still grow.
    pub finality: FinalityRecord,
    /// With the enforced policies alone.
    pub enforced: VerdictRecord,
    /// With the staged policies evaluated as though they were enforced.
    pub pending: VerdictRecord,
    /// The one against the other.
    pub outcome: OutcomeRecord,
    /// The rule that makes the difference; `null` unless the outcome is a would-be deny or allow.
    pub by: Option<RuleRecord>,
    /// The staged policy that a would-be deny is charged to; else `null`.
    pub charged: Option<PolicyRecord>,
    /// The staged policies that each alone would deny; if none does, a smallest set that jointly denies. Empty unless
    /// the outcome is a would-be deny.
    pub blame: Vec<PolicyRecord>,
    /// For an undetermined outcome: the names of the attributes that the records lack. Else empty.
    pub missing: Vec<String>,
    /// The staged policies that select the subject in this direction, in the order of evaluation.
    pub staged: Vec<StagedHitRecord>,
}

impl EdgeRecord {
    /// The version of the shape that is written.
    pub const SCHEMA: u32 = 1;

    /// Returns the key for compaction: `<policy set>/<begin of the pane in ms>/<digest of the edge>`.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}/{}", self.policy_set, self.pane_start_ms, self.edge)
    }

    /// Writes the record as one line of JSON.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("text keys, text and whole numbers always serialize")
    }

    /// Reads a record.
    ///
    /// # Errors
    ///
    /// When it is not of this shape, or of a later version of it.
    pub fn from_json(json: &[u8]) -> Result<Self, RecordError> {
        let record: Self = serde_json::from_slice(json).map_err(RecordError::Shape)?;
        check_schema(record.schema, Self::SCHEMA)?;
        Ok(record)
    }
}

impl From<&EdgeReport> for EdgeRecord {
    fn from(report: &EdgeReport) -> Self {
        let EdgeReport { policy_set, pane, start, end, edge, digest, totals, revision, finality, judgement } =
            report;
        let Edge { direction, subject, peer, protocol, port, service } = &**edge;
        // The direction judged is the edge's own; it is written once.
        let Judgement { direction: _, enforced, pending, outcome, blame, staged } = &**judgement;
        let OutcomeFields { outcome, by, charged, missing } = outcome.into();
        Self {
            schema: Self::SCHEMA,
            policy_set: policy_set.to_string(),
            pane: pane.0,
            pane_start: rfc3339(*start),
            pane_start_ms: start.as_millis(),
            pane_end: rfc3339(*end),
            pane_end_ms: end.as_millis(),
            edge: digest.to_string(),
            direction: (*direction).into(),
            subject: subject.into(),
            peer: peer.into(),
            protocol: protocol.to_string(),
            protocol_number: protocol.0,
            port: *port,
            service: service.as_ref().map(ServiceRecord::from),
            totals: totals.into(),
            revision: *revision,
            finality: (*finality).into(),
            enforced: enforced.into(),
            pending: pending.into(),
            outcome,
            by,
            charged,
            blame: blame.iter().map(PolicyRecord::from).collect(),
            missing,
            staged: staged.iter().map(StagedHitRecord::from).collect(),
        }
    }
}

impl TryFrom<EdgeRecord> for EdgeReport {
    type Error = RecordError;

    fn try_from(record: EdgeRecord) -> Result<Self, RecordError> {
        let EdgeRecord {
            schema,
            policy_set,
            pane,
            pane_start: _,
            pane_start_ms,
            pane_end: _,
            pane_end_ms,
            edge,
            direction,
            subject,
            peer,
            protocol: _,
            protocol_number,
            port,
            service,
            totals,
            revision,
            finality,
            enforced,
            pending,
            outcome,
            by,
            charged,
            blame,
            missing,
            staged,
        } = record;
        check_schema(schema, EdgeRecord::SCHEMA)?;
        let direction = Direction::from(direction);
        Ok(Self {
            policy_set: Revision(hexadecimal_u64("policy set revision", &policy_set)?),
            pane: Pane(pane),
            start: EventTime::from_millis(pane_start_ms),
            end: EventTime::from_millis(pane_end_ms),
            edge: Arc::new(Edge {
                direction,
                subject: Endpoint::from(subject),
                peer: Endpoint::from(peer),
                protocol: Protocol(protocol_number),
                port,
                service: service.map(ServiceRef::from),
            }),
            digest: EdgeDigest(hexadecimal_u128("digest of an edge", &edge)?),
            totals: totals.into(),
            revision,
            finality: finality.into(),
            judgement: Arc::new(Judgement {
                direction,
                enforced: Verdict::try_from(enforced)?,
                pending: Verdict::try_from(pending)?,
                outcome: Outcome::try_from(OutcomeFields { outcome, by, charged, missing })?,
                blame: blame.into_iter().map(PolicyId::from).collect(),
                staged: staged.into_iter().map(StagedHit::from).collect(),
            }),
        })
    }
}

impl From<Direction> for DirectionRecord {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::Ingress => Self::Ingress,
            Direction::Egress => Self::Egress,
        }
    }
}

impl From<DirectionRecord> for Direction {
    fn from(direction: DirectionRecord) -> Self {
        match direction {
            DirectionRecord::Ingress => Self::Ingress,
            DirectionRecord::Egress => Self::Egress,
        }
    }
}

impl From<Finality> for FinalityRecord {
    fn from(finality: Finality) -> Self {
        match finality {
            Finality::Provisional => Self::Provisional,
            Finality::Final => Self::Final,
        }
    }
}

impl From<FinalityRecord> for Finality {
    fn from(finality: FinalityRecord) -> Self {
        match finality {
            FinalityRecord::Provisional => Self::Provisional,
            FinalityRecord::Final => Self::Final,
        }
    }
}

impl From<&Totals> for TotalsRecord {
    fn from(totals: &Totals) -> Self {
        let Totals {
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
        } = *totals;
        Self {
            flows,
            flows_denied,
            connections_started,
            connections_completed,
            packets_in,
            packets_out,
            bytes_in,
            bytes_out,
            first_seen_ms: first_seen.as_millis(),
            last_seen_ms: last_seen.as_millis(),
        }
    }
}

impl From<TotalsRecord> for Totals {
    fn from(record: TotalsRecord) -> Self {
        let TotalsRecord {
            flows,
            flows_denied,
            connections_started,
            connections_completed,
            packets_in,
            packets_out,
            bytes_in,
            bytes_out,
            first_seen_ms,
            last_seen_ms,
        } = record;
        Self {
            flows,
            flows_denied,
            connections_started,
            connections_completed,
            packets_in,
            packets_out,
            bytes_in,
            bytes_out,
            first_seen: EventTime::from_millis(first_seen_ms),
            last_seen: EventTime::from_millis(last_seen_ms),
        }
    }
}
