//! An explanation as other programs read it.

use serde::Serialize;

use crate::evaluate::{
    Answer, Explanation, Outcome, PolicyExplanation, Reason, RuleExplanation, TierExplanation, Truth, Verdict,
};
use crate::model::{PolicyHit, RuleIndex};
use crate::policy::{DefaultAction, RuleAction};

/// Both ends of a flow; nothing where an end is no endpoint.
#[derive(Debug, Serialize)]
pub(super) struct FlowShape {
    flow: u64,
    egress: Option<EndShape>,
    ingress: Option<EndShape>,
}

#[derive(Debug, Serialize)]
struct EndShape {
    connection: String,
    enforced: VerdictShape,
    pending: VerdictShape,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    blame: Vec<String>,
    tiers: Vec<TierShape>,
    not_selecting: Vec<OtherShape>,
}

#[derive(Debug, Serialize)]
struct VerdictShape {
    verdict: &'static str,
    trace: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
struct TierShape {
    tier: String,
    exists: bool,
    default_action: Option<&'static str>,
    policies: Vec<PolicyShape>,
}

#[derive(Debug, Serialize)]
struct PolicyShape {
    policy: String,
    staged: bool,
    selects: TruthShape,
    selector: String,
    rules: Vec<RuleShape>,
    enforced: Option<HitShape>,
    pending: Option<HitShape>,
}

#[derive(Debug, Serialize)]
struct RuleShape {
    rule: u32,
    action: &'static str,
    matches: TruthShape,
    reasons: Vec<ReasonShape>,
}

#[derive(Debug, Serialize)]
struct ReasonShape {
    holds: TruthShape,
    text: String,
}

/// What a policy did; the rule -1 is the end of its tier, charged to it.
#[derive(Debug, Serialize)]
struct HitShape {
    action: &'static str,
    rule: Option<i64>,
}

#[derive(Debug, Serialize)]
struct OtherShape {
    policy: String,
    selector: String,
}

/// `true`, `false`, or the names of what the record lacks.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum TruthShape {
    Known(bool),
    Unknown { missing: Vec<&'static str> },
}

impl FlowShape {
    /// Makes the shape.
    pub(super) fn of(flow: u64, egress: Option<&Explanation>, ingress: Option<&Explanation>) -> Self {
        Self { flow, egress: egress.map(EndShape::of), ingress: ingress.map(EndShape::of) }
    }
}

impl EndShape {
    fn of(explanation: &Explanation) -> Self {
        let Explanation { connection, judgement, tiers, others } = explanation;
        Self {
            connection: connection.clone(),
            enforced: VerdictShape::of(&judgement.enforced),
            pending: VerdictShape::of(&judgement.pending),
            outcome: match judgement.outcome {
                Outcome::Agrees => "agrees",
                Outcome::WouldDeny { .. } => "would-deny",
                Outcome::WouldAllow { .. } => "would-allow",
                Outcome::Undetermined { .. } => "undetermined",
            },
            blame: judgement.blame.iter().map(ToString::to_string).collect(),
            tiers: tiers.iter().map(TierShape::of).collect(),
            not_selecting: others
                .iter()
                .map(|(policy, selector)| OtherShape {
                    policy: policy.to_string(),
                    selector: selector.clone(),
                })
                .collect(),
        }
    }
}

impl VerdictShape {
    fn of(verdict: &Verdict) -> Self {
        let missing = match verdict.answer {
            Answer::Undetermined(missing) => missing.names().collect(),
            Answer::Allow | Answer::Deny => Vec::new(),
        };
        Self { verdict: verdict.answer.as_str(), trace: verdict.trace.lines().collect(), missing }
    }
}

impl TierShape {
    fn of(tier: &TierExplanation) -> Self {
        let TierExplanation { name, end, exists, policies } = tier;
        Self {
            tier: name.to_string(),
            exists: *exists,
            default_action: end.map(|it| match it {
                DefaultAction::Deny => "deny",
                DefaultAction::Pass => "pass",
            }),
            policies: policies.iter().map(PolicyShape::of).collect(),
        }
    }
}

impl PolicyShape {
    fn of(explanation: &PolicyExplanation) -> Self {
        let PolicyExplanation { policy, selects, selector, rules, enforced, pending } = explanation;
        Self {
            policy: policy.to_string(),
            staged: policy.kind.is_staged(),
            selects: TruthShape::of(*selects),
            selector: selector.clone(),
            rules: rules.iter().map(RuleShape::of).collect(),
            enforced: enforced.as_ref().map(HitShape::of),
            pending: pending.as_ref().map(HitShape::of),
        }
    }
}

impl RuleShape {
    fn of(rule: &RuleExplanation) -> Self {
        let RuleExplanation { index, action, matches, reasons } = rule;
        Self {
            rule: *index,
            action: match action {
                RuleAction::Terminal(action) => action.as_str(),
                RuleAction::Log => "log",
            },
            matches: TruthShape::of(*matches),
            reasons: reasons
                .iter()
                .map(|Reason { part: _, holds, text }| ReasonShape {
                    holds: TruthShape::of(*holds),
                    text: text.clone(),
                })
                .collect(),
        }
    }
}

impl HitShape {
    fn of(hit: &PolicyHit) -> Self {
        let rule = match hit.rule {
            RuleIndex::Rule(index) => Some(i64::from(index)),
            RuleIndex::EndOfTier => Some(-1),
            RuleIndex::Unknown => None,
        };
        Self { action: hit.action.as_str(), rule }
    }
}

impl TruthShape {
    fn of(truth: Truth) -> Self {
        match truth {
            Truth::True => Self::Known(true),
            Truth::False => Self::Known(false),
            Truth::Unknown(missing) => Self::Unknown { missing: missing.names().collect() },
        }
    }
}
