//! What the policies say of an edge.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::RecordError;
use super::policy::{HitRecord, PolicyRecord, RuleRecord, hits, trace_from};
use super::text::{missing_from, missing_names};
use crate::evaluate::{Answer, Outcome, StagedHit, StagedResult, Verdict};
use crate::model::{PolicyId, RuleRef};

/// One of the three answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AnswerRecord {
    /// The flow passes.
    Allow,
    /// The flow is dropped.
    Deny,
    /// The records do not carry what a deciding rule asks for.
    Undetermined,
}

/// An answer, and the hits that led to it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct VerdictRecord {
    /// The answer.
    pub answer: AnswerRecord,
    /// For an undetermined answer: the names of the attributes that the records lack. Else empty.
    pub missing: Vec<String>,
    /// The hits in the order of evaluation: passes, at most one a tier, then the one that decides.
    pub trace: Vec<HitRecord>,
}

/// The enforced verdict against the verdict with the staged policies in force.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OutcomeRecord {
    /// Both give the same answer.
    Agrees,
    /// Allowed now; the staged policies would drop it.
    WouldDeny,
    /// Dropped now; the staged policies would let it through.
    WouldAllow,
    /// One of the two could not be judged.
    Undetermined,
}

impl OutcomeRecord {
    /// Returns the outcome as it is written in the record.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agrees => "agrees",
            Self::WouldDeny => "would-deny",
            Self::WouldAllow => "would-allow",
            Self::Undetermined => "undetermined",
        }
    }
}

/// What one staged policy did with the edge.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StagedResultRecord {
    /// One of its rules let the flow through.
    Allow,
    /// One of its rules, or the end of its tier that is charged to it, dropped the flow.
    Deny,
    /// One of its rules left the tier.
    Pass,
    /// None of its rules matched.
    NoMatch,
    /// An earlier policy or tier decided.
    NotReached,
    /// Whether it matches could not be judged.
    Undetermined,
}

/// One staged policy that selects the subject and governs the direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct StagedHitRecord {
    /// The policy by its place in the order of evaluation of the record's policy set, counted from 0.
    pub policy: u32,
    /// What it did.
    pub result: StagedResultRecord,
}

/// The fields of a record that make up an outcome.
pub(super) struct OutcomeFields {
    pub(super) outcome: OutcomeRecord,
    pub(super) by: Option<RuleRecord>,
    pub(super) charged: Option<PolicyRecord>,
    pub(super) missing: Vec<String>,
}

impl From<&Outcome> for OutcomeFields {
    fn from(outcome: &Outcome) -> Self {
        let none = |outcome| Self { outcome, by: None, charged: None, missing: Vec::new() };
        match outcome {
            Outcome::Agrees => none(OutcomeRecord::Agrees),
            Outcome::WouldDeny { by, charged } => {
                Self { by: Some(by.into()), charged: Some(charged.into()), ..none(OutcomeRecord::WouldDeny) }
            }
            Outcome::WouldAllow { by } => Self { by: Some(by.into()), ..none(OutcomeRecord::WouldAllow) },
            Outcome::Undetermined { missing } => {
                Self { missing: missing_names(*missing), ..none(OutcomeRecord::Undetermined) }
            }
        }
    }
}

impl TryFrom<OutcomeFields> for Outcome {
    type Error = RecordError;

    fn try_from(fields: OutcomeFields) -> Result<Self, RecordError> {
        let OutcomeFields { outcome, by, charged, missing } = fields;
        let lacks = |field| RecordError::Outcome { outcome: outcome.as_str(), field };
        let rule = |by: Option<RuleRecord>| RuleRef::try_from(by.ok_or_else(|| lacks("by"))?);
        match outcome {
            OutcomeRecord::Agrees => Ok(Self::Agrees),
            OutcomeRecord::WouldDeny => Ok(Self::WouldDeny {
                by: rule(by)?,
                charged: PolicyId::from(charged.ok_or_else(|| lacks("charged"))?),
            }),
            OutcomeRecord::WouldAllow => Ok(Self::WouldAllow { by: rule(by)? }),
            OutcomeRecord::Undetermined => Ok(Self::Undetermined { missing: missing_from(&missing)? }),
        }
    }
}

impl From<&Verdict> for VerdictRecord {
    fn from(verdict: &Verdict) -> Self {
        let Verdict { answer, trace } = verdict;
        let (answer, missing) = match *answer {
            Answer::Allow => (AnswerRecord::Allow, Vec::new()),
            Answer::Deny => (AnswerRecord::Deny, Vec::new()),
            Answer::Undetermined(missing) => (AnswerRecord::Undetermined, missing_names(missing)),
        };
        Self { answer, missing, trace: hits(trace) }
    }
}

impl TryFrom<VerdictRecord> for Verdict {
    type Error = RecordError;

    fn try_from(record: VerdictRecord) -> Result<Self, RecordError> {
        let VerdictRecord { answer, missing, trace } = record;
        let answer = match answer {
            AnswerRecord::Allow => Answer::Allow,
            AnswerRecord::Deny => Answer::Deny,
            AnswerRecord::Undetermined => Answer::Undetermined(missing_from(&missing)?),
        };
        Ok(Self { answer, trace: trace_from(trace)? })
    }
}

impl From<&StagedHit> for StagedHitRecord {
    fn from(hit: &StagedHit) -> Self {
        let StagedHit { policy, result } = *hit;
        let result = match result {
            StagedResult::Allow => StagedResultRecord::Allow,
            StagedResult::Deny => StagedResultRecord::Deny,
            StagedResult::Pass => StagedResultRecord::Pass,
            StagedResult::NoMatch => StagedResultRecord::NoMatch,
            StagedResult::NotReached => StagedResultRecord::NotReached,
            StagedResult::Undetermined => StagedResultRecord::Undetermined,
        };
        Self { policy, result }
    }
}

impl From<StagedHitRecord> for StagedHit {
    fn from(record: StagedHitRecord) -> Self {
        let StagedHitRecord { policy, result } = record;
        let result = match result {
            StagedResultRecord::Allow => StagedResult::Allow,
            StagedResultRecord::Deny => StagedResult::Deny,
            StagedResultRecord::Pass => StagedResult::Pass,
            StagedResultRecord::NoMatch => StagedResult::NoMatch,
            StagedResultRecord::NotReached => StagedResult::NotReached,
            StagedResultRecord::Undetermined => StagedResult::Undetermined,
        };
        Self { policy, result }
    }
}
