//! The record of a recommendation.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::edge::{DirectionRecord, TotalsRecord};
use super::error::RecordError;
use super::need::NeedRecord;
use super::text::{Text, check_schema, hexadecimal_u64, rfc3339};
use crate::manifest;
use crate::model::EventTime;
use crate::policy::Revision;
use crate::recommend::{
    Fingerprint, Flag, Learned, Need, Omitted, PeerClass, Recommendation, RuleEvidence, Status,
};

/// How settled a recommendation is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub enum StatusRecord {
    /// Its rules still change.
    Learning,
    /// Its rules did not change lately, but not yet for the whole stabilization period.
    Stabilizing,
    /// Its rules did not change for the stabilization period.
    Stable,
}

/// What kind of peer a rule is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PeerClassRecord {
    /// Workloads of the same namespace.
    SameNamespace,
    /// A Service in another namespace.
    Service,
    /// Workloads of another namespace.
    Namespace,
    /// A network set.
    NetworkSet,
    /// Hosts.
    Host,
    /// Private addresses.
    Private,
    /// Public addresses.
    Public,
}

/// What a reader of a rule should know before relying on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FlagRecord {
    /// It, or a part of it, was not seen: DNS needs both UDP and TCP, and one was seen.
    Added,
    /// The peer chooses its ports; the rule has the interval that was measured.
    DynamicPorts,
    /// Records had aggregated the ports away, so the rule has none.
    AnyPort,
    /// Records had aggregated the addresses away, or there were too many, so the rule has whole ranges.
    AnyAddress,
    /// It names addresses of hosts, which change with the nodes.
    Brittle,
    /// It is wider than the evidence, because else there would be too many rules.
    Lifted,
}

impl PeerClassRecord {
    /// Returns the class as it is written in the record.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SameNamespace => PeerClass::SameNamespace.as_str(),
            Self::Service => PeerClass::Service.as_str(),
            Self::Namespace => PeerClass::Namespace.as_str(),
            Self::NetworkSet => PeerClass::NetworkSet.as_str(),
            Self::Host => PeerClass::Host.as_str(),
            Self::Private => PeerClass::Private.as_str(),
            Self::Public => PeerClass::Public.as_str(),
        }
    }
}

impl FlagRecord {
    /// Returns the flag as it is written in the record.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => Flag::Added.as_str(),
            Self::DynamicPorts => Flag::DynamicPorts.as_str(),
            Self::AnyPort => Flag::AnyPort.as_str(),
            Self::AnyAddress => Flag::AnyAddress.as_str(),
            Self::Brittle => Flag::Brittle.as_str(),
            Self::Lifted => Flag::Lifted.as_str(),
        }
    }
}

/// Why a rule is there.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct RuleEvidenceRecord {
    /// In which list of the policy the rule stands.
    pub direction: DirectionRecord,
    /// Its place in that list, counted from 0.
    pub rule: u32,
    /// The kind of peer.
    pub class: PeerClassRecord,
    /// What to know about it.
    pub flags: Vec<FlagRecord>,
    /// How many edges of the window asked for it.
    pub edges: u64,
    /// Their counts over the window; `null` when only earlier windows asked for the rule.
    pub totals: Option<TotalsRecord>,
    /// The earliest event time that asked for it, in milliseconds since the Unix epoch.
    pub first_seen_ms: i64,
    /// The latest event time that asked for it, in milliseconds since the Unix epoch.
    pub last_seen_ms: i64,
}

/// Edges of the window that made no rule, by the reason.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct OmittedRecord {
    /// All their flows were denied.
    pub denied: u64,
    /// A pod that talks to itself.
    pub itself: u64,
    /// An earlier tier decides them.
    pub decided_earlier: u64,
    /// The subject is no workload of the namespace.
    pub subject: u64,
    /// The records do not say who the peer is, or no rule can name it.
    pub peer_unknown: u64,
    /// No rule can name the protocol.
    pub protocol: u64,
}

/// A staged policy that is proposed for one namespace, why, and what it was learned from.
///
/// A record replaces the earlier one of its namespace.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct RecommendationRecord {
    /// The version of this shape; 1.
    pub schema: u32,
    /// The namespace it is for.
    #[schema(value_type = String)]
    pub namespace: Text,
    /// How settled it is.
    pub status: StatusRecord,
    /// The policy as the Kubernetes API takes it: `apiVersion`, `kind`, `metadata`, `spec`.
    #[schema(value_type = Object)]
    pub policy: serde_json::Value,
    /// The same policy as YAML, ready to be applied.
    pub yaml: String,
    /// Why each rule is there: ingress, then egress, in the order of the lists.
    pub evidence: Vec<RuleEvidenceRecord>,
    /// End of the window it was made from, RFC 3339 in UTC.
    pub window_end: String,
    /// End of the window it was made from, in milliseconds since the Unix epoch.
    pub window_end_ms: i64,
    /// When learning began for the namespace, RFC 3339 in UTC.
    pub learning_since: String,
    /// When learning began for the namespace, in milliseconds since the Unix epoch.
    pub learning_since_ms: i64,
    /// When its rules changed last, RFC 3339 in UTC.
    pub changed: String,
    /// When its rules changed last, in milliseconds since the Unix epoch.
    pub changed_ms: i64,
    /// The revision of the policy set that it was verified on top of: 16 hexadecimal digits.
    pub policy_set: String,
    /// A digest of what its rules mean, equal when they are: 16 hexadecimal digits.
    pub fingerprint: String,
    /// Edges of the window that were verified against it: none would be denied by it.
    pub edges_verified: u64,
    /// Edges of the window that cannot be judged with it, for want of an attribute in the records.
    pub edges_undetermined: u64,
    /// Edges of the window that are denied now and that it would let through.
    pub edges_would_allow: u64,
    /// Edges of the window that made no rule.
    pub omitted: OmittedRecord,
    /// What was seen to be needed, over all windows: from this the next owner of the namespace goes on.
    pub needs: Vec<NeedRecord>,
}

impl RecommendationRecord {
    /// The version of the shape that is written.
    pub const SCHEMA: u32 = 1;

    /// Returns the key for compaction: the namespace.
    #[must_use]
    pub fn key(&self) -> String {
        self.namespace.0.as_str().to_owned()
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

    /// Returns what was learned: all that a new owner of the namespace needs to go on.
    ///
    /// # Errors
    ///
    /// When a revision, a digest or a need does not read.
    pub fn learned(&self) -> Result<Learned, RecordError> {
        Ok(Learned {
            namespace: self.namespace.0.clone(),
            status: self.status.into(),
            needs: self.needs.iter().map(Need::try_from).collect::<Result<_, _>>()?,
            fingerprint: Fingerprint(hexadecimal_u64("fingerprint", &self.fingerprint)?),
            window_end: EventTime::from_millis(self.window_end_ms),
            learning_since: EventTime::from_millis(self.learning_since_ms),
            changed: EventTime::from_millis(self.changed_ms),
            policy_set: Revision(hexadecimal_u64("policy set revision", &self.policy_set)?),
        })
    }
}

impl TryFrom<&Recommendation> for RecommendationRecord {
    type Error = manifest::Inexpressible;

    /// Renders a recommendation; its policy is written as the manifest room writes it.
    fn try_from(recommendation: &Recommendation) -> Result<Self, manifest::Inexpressible> {
        let Recommendation {
            policy,
            evidence,
            learned,
            omitted,
            edges_verified,
            edges_undetermined,
            edges_would_allow,
        } = recommendation;
        let Learned {
            namespace,
            status,
            needs,
            fingerprint,
            window_end,
            learning_since,
            changed,
            policy_set,
        } = learned;
        Ok(Self {
            schema: Self::SCHEMA,
            namespace: namespace.into(),
            status: (*status).into(),
            policy: manifest::to_json(policy)?,
            yaml: manifest::write(policy)?,
            evidence: evidence.iter().map(RuleEvidenceRecord::from).collect(),
            window_end: rfc3339(*window_end),
            window_end_ms: window_end.as_millis(),
            learning_since: rfc3339(*learning_since),
            learning_since_ms: learning_since.as_millis(),
            changed: rfc3339(*changed),
            changed_ms: changed.as_millis(),
            policy_set: policy_set.to_string(),
            fingerprint: fingerprint.to_string(),
            edges_verified: *edges_verified,
            edges_undetermined: *edges_undetermined,
            edges_would_allow: *edges_would_allow,
            omitted: omitted.into(),
            needs: needs.iter().map(NeedRecord::from).collect(),
        })
    }
}

impl From<Status> for StatusRecord {
    fn from(status: Status) -> Self {
        match status {
            Status::Learning => Self::Learning,
            Status::Stabilizing => Self::Stabilizing,
            Status::Stable => Self::Stable,
        }
    }
}

impl From<StatusRecord> for Status {
    fn from(record: StatusRecord) -> Self {
        match record {
            StatusRecord::Learning => Self::Learning,
            StatusRecord::Stabilizing => Self::Stabilizing,
            StatusRecord::Stable => Self::Stable,
        }
    }
}

impl From<PeerClass> for PeerClassRecord {
    fn from(class: PeerClass) -> Self {
        match class {
            PeerClass::SameNamespace => Self::SameNamespace,
            PeerClass::Service => Self::Service,
            PeerClass::Namespace => Self::Namespace,
            PeerClass::NetworkSet => Self::NetworkSet,
            PeerClass::Host => Self::Host,
            PeerClass::Private => Self::Private,
            PeerClass::Public => Self::Public,
        }
    }
}

impl From<Flag> for FlagRecord {
    fn from(flag: Flag) -> Self {
        match flag {
            Flag::Added => Self::Added,
            Flag::DynamicPorts => Self::DynamicPorts,
            Flag::AnyPort => Self::AnyPort,
            Flag::AnyAddress => Self::AnyAddress,
            Flag::Brittle => Self::Brittle,
            Flag::Lifted => Self::Lifted,
        }
    }
}

impl From<&RuleEvidence> for RuleEvidenceRecord {
    fn from(evidence: &RuleEvidence) -> Self {
        let RuleEvidence { direction, rule, class, flags, edges, totals, first_seen, last_seen } = evidence;
        Self {
            direction: (*direction).into(),
            rule: *rule,
            class: (*class).into(),
            flags: flags.iter().copied().map(FlagRecord::from).collect(),
            edges: *edges,
            totals: totals.as_ref().map(TotalsRecord::from),
            first_seen_ms: first_seen.as_millis(),
            last_seen_ms: last_seen.as_millis(),
        }
    }
}

impl From<&Omitted> for OmittedRecord {
    fn from(omitted: &Omitted) -> Self {
        let Omitted { denied, itself, decided_earlier, subject, peer_unknown, protocol } = *omitted;
        Self { denied, itself, decided_earlier, subject, peer_unknown, protocol }
    }
}
