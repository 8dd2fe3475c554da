//! The answer for one flow, in the shape in which it is written.

use serde::Serialize;

use crate::cli::judging::{Answered, Asked, Rehearsal};
use crate::decode::Reject;
use crate::evaluate::{Answer, Verdict};
use crate::model::{Direction, Flow};

/// The answer for one record.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct FlowAnswer {
    /// The record's number, from 0.
    pub(super) flow: u64,
    #[serde(flatten)]
    pub(super) what: What,
}

/// What came of a record.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(untagged)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time, and nearly always the large one")]
pub(super) enum What {
    /// It was judged.
    Judged {
        /// Where it goes; tables show it.
        #[serde(skip)]
        route: Route,
        /// At the source; nothing where the source is no endpoint.
        egress: Option<EndAnswer>,
        /// At the destination; nothing where the destination is no endpoint.
        ingress: Option<EndAnswer>,
    },
    /// It cannot be read.
    Unread {
        /// Why.
        error: String,
    },
}

/// Where a flow goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Route {
    pub(super) source: String,
    pub(super) dest: String,
    pub(super) service: String,
}

/// The two answers for one end.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct EndAnswer {
    /// Whether no record can be of this end: the source has dropped the flow, by its record and by the policies, and
    /// with the candidates in force it would come as far as here. Only questions of what if have such ends.
    #[serde(skip_serializing_if = "is_false")]
    pub(super) synthesised: bool,
    pub(super) enforced: VerdictAnswer,
    pub(super) pending: VerdictAnswer,
}

/// One verdict.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct VerdictAnswer {
    pub(super) verdict: &'static str,
    pub(super) trace: Vec<String>,
    /// The staged policies that would deny.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) blame: Vec<String>,
    /// What an undetermined verdict lacks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) missing: Vec<&'static str>,
}

impl FlowAnswer {
    /// Judges both ends.
    pub(super) fn judged(rehearsal: &Rehearsal, number: u64, flow: &Flow<'_>) -> Self {
        let asked = Asked::of(flow);
        let witness = rehearsal.witness(flow);
        let end = |direction| {
            asked
                .has_end(direction)
                .then(|| rehearsal.judge(direction, &asked.connection(), witness.as_ref()))
        };
        let (egress, ingress) = (end(Direction::Egress), end(Direction::Ingress));
        let is_dropped = witness.is_some_and(|it| it.is_dropped_at_source());
        let synthesised = is_dropped && egress.as_ref().is_some_and(Answered::would_allow);
        let route = Route {
            source: asked.source.to_string(),
            dest: asked.dest.to_string(),
            service: asked.service(),
        };
        let egress = egress.map(EndAnswer::of);
        let ingress = ingress.map(|it| EndAnswer { synthesised, ..EndAnswer::of(it) });
        Self { flow: number, what: What::Judged { route, egress, ingress } }
    }

    /// Says why there is no answer.
    pub(super) fn unread(flow: u64, reject: &Reject) -> Self {
        Self { flow, what: What::Unread { error: reject.to_string() } }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
const fn is_false(it: &bool) -> bool {
    !*it
}

impl EndAnswer {
    fn of(answered: Answered) -> Self {
        let Answered { enforced, pending, blame } = answered;
        let blame = blame.iter().map(ToString::to_string).collect();
        Self {
            synthesised: false,
            enforced: VerdictAnswer::of(&enforced),
            pending: VerdictAnswer { blame, ..VerdictAnswer::of(&pending) },
        }
    }
}

impl VerdictAnswer {
    fn of(verdict: &Verdict) -> Self {
        let missing = match verdict.answer {
            Answer::Undetermined(missing) => missing.names().collect(),
            Answer::Allow | Answer::Deny => Vec::new(),
        };
        Self {
            verdict: verdict.answer.as_str(),
            trace: verdict.trace.lines().collect(),
            blame: Vec::new(),
            missing,
        }
    }
}
