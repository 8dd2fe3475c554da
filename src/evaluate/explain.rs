//! Says why: tier by tier, policy by policy, rule by rule.
//!
//! The conditions are those that the judge itself asks, in its order, so an explanation cannot say otherwise than the
//! verdict does.

use std::fmt;

use super::compose::{policy_selector, rule_namespace};
use super::connection::Connection;
use super::judging::{Case, Scratch};
use super::plan::{PlannedPolicy, PlannedTier, TierEnd};
use super::programs::Programs;
use super::reasons::{node_text, reason};
use super::rule::Part;
use super::truth::Truth;
use super::verdict::{Answer, Judgement, Missing, Outcome, Verdict};
use crate::model::{Direction, HitOwner, Name, PolicyHit, PolicyId, RuleIndex};
use crate::policy::{DefaultAction, RuleAction};

/// Why one end of a connection is judged as it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Explanation {
    /// The connection, as `wep shop/web -> wep shop/db tcp/5432`.
    pub connection: String,
    /// The verdicts.
    pub judgement: Judgement,
    /// The tiers that have policies for the end, in order.
    pub tiers: Vec<TierExplanation>,
    /// Policies for this direction that do not select the end, with their selectors; only those that could: of the
    /// end's namespace, or of none.
    pub others: Vec<(PolicyId, String)>,
}

/// What one tier does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TierExplanation {
    /// The name.
    pub name: Name,
    /// Its action where no rule matches; nothing for a chain that has none.
    pub end: Option<DefaultAction>,
    /// Whether a tier of this name exists.
    pub exists: bool,
    /// Its policies that apply, in order.
    pub policies: Vec<PolicyExplanation>,
}

/// What one policy does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PolicyExplanation {
    /// Which.
    pub policy: PolicyId,
    /// Whether it selects the end: surely, or perhaps.
    pub selects: Truth,
    /// The selector, as it is evaluated.
    pub selector: String,
    /// Its rules for the direction, in order.
    pub rules: Vec<RuleExplanation>,
    /// What it did to the enforced verdict, if anything.
    pub enforced: Option<PolicyHit>,
    /// What it did to the pending verdict, if anything.
    pub pending: Option<PolicyHit>,
}

/// Whether one rule matches, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuleExplanation {
    /// Its place.
    pub index: u32,
    /// What it does.
    pub action: RuleAction,
    /// Whether it matches.
    pub matches: Truth,
    /// Its conditions.
    pub reasons: Vec<Reason>,
}

/// Whether one condition holds, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reason {
    /// The condition.
    pub part: Part,
    /// Whether it holds.
    pub holds: Truth,
    /// A sentence: `destination port 6379 is not in 5432`.
    pub text: String,
}

/// Explains the judgement of one end of a connection.
#[must_use]
pub fn explain(programs: &Programs, direction: Direction, connection: &Connection<'_>) -> Explanation {
    programs.with_case(direction, connection, |case| {
        let mut scratch = Scratch::default();
        case.walk_both(&mut scratch);
        let judgement = case.judgement(&scratch);
        let tiers = case.plan.tiers.iter().map(|it| tier(case, connection, it, &judgement)).collect();
        let service = match connection.icmp {
            Some(message) => format!("{} {message}", connection.protocol),
            None => connection.protocol.with_port(connection.dest_port),
        };
        Explanation {
            connection: format!("{} -> {} {service}", connection.source, connection.dest),
            others: others(case, connection),
            judgement,
            tiers,
        }
    })
}

fn tier(
    case: &Case<'_>,
    connection: &Connection<'_>,
    tier: &PlannedTier,
    judgement: &Judgement,
) -> TierExplanation {
    let first = tier.policies.first().and_then(|it| case.programs.written(it.policy));
    TierExplanation {
        name: first.map_or_else(|| Name::from(""), |it| it.tier.clone()),
        end: match tier.end {
            TierEnd::Default(action) => Some(action),
            TierEnd::Dangling => Some(DefaultAction::Deny),
            TierEnd::FallThrough => None,
        },
        exists: tier.end != TierEnd::Dangling,
        policies: tier
            .policies
            .iter()
            .filter_map(|it| policy(case, connection, tier, it, judgement))
            .collect(),
    }
}

fn policy(
    case: &Case<'_>,
    connection: &Connection<'_>,
    tier: &PlannedTier,
    planned: &PlannedPolicy,
    judgement: &Judgement,
) -> Option<PolicyExplanation> {
    let written = case.programs.written(planned.policy)?;
    let compiled = case.programs.policy(planned.policy)?;
    let direction = case.service.direction;
    let namespace = rule_namespace(&written.id);
    let facts = case.facts();
    let switches = case.programs.switches();
    let rules = written.rules(direction).iter().zip(compiled.rules(direction)).zip(0_u32..);
    let rules = rules
        .map(|((rule, compiled), index)| {
            let (mut matches, mut reasons) = (Truth::True, Vec::new());
            let see = |part, holds| {
                matches = matches.and(holds);
                reasons.push(Reason { part, holds, text: reason(part, holds, rule, namespace, connection) });
                true
            };
            if tier.is_untranslated {
                compiled.each_part_untranslated(&facts, switches, see);
            } else {
                compiled.each_part(&facts, switches, see);
            }
            RuleExplanation { index, action: rule.action, matches, reasons }
        })
        .collect();
    let hit = |verdict: &Verdict| {
        let mut hits = verdict.trace.0.iter();
        hits.find(|it| matches!(&it.owner, HitOwner::Policy { policy, .. } if *policy == written.id)).cloned()
    };
    Some(PolicyExplanation {
        policy: written.id.clone(),
        selects: if planned.doubt.is_nothing() { Truth::True } else { Truth::Unknown(planned.doubt) },
        selector: node_text(policy_selector(written)),
        rules,
        enforced: hit(&judgement.enforced),
        pending: hit(&judgement.pending),
    })
}

fn others(case: &Case<'_>, connection: &Connection<'_>) -> Vec<(PolicyId, String)> {
    let direction = case.service.direction;
    let subject = match direction {
        Direction::Egress => connection.source,
        Direction::Ingress => connection.dest,
    };
    let planned: Vec<u32> =
        case.plan.tiers.iter().flat_map(|it| it.policies.iter().map(|it| it.policy)).collect();
    let could = |id: &PolicyId| id.namespace.is_none() || id.namespace == subject.namespace;
    let written = case.programs.set().policies().iter().zip(0_u32..);
    written
        .filter(|(it, index)| it.types.governs(direction) && could(&it.id) && !planned.contains(index))
        .map(|(it, _)| (it.id.clone(), node_text(policy_selector(it))))
        .collect()
}

/// Prints the explanation as indented text.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Judgement { direction, enforced, pending, outcome, blame, staged: _ } = &self.judgement;
        writeln!(f, "{direction} of {}", self.connection)?;
        writeln!(f, "enforced: {}", answer_text(enforced.answer))?;
        writeln!(f, "pending:  {}", answer_text(pending.answer))?;
        if let Outcome::WouldDeny { charged, .. } = outcome {
            let blame: Vec<String> = blame.iter().map(ToString::to_string).collect();
            writeln!(
                f,
                "the staged policies would deny it: charged to {charged}, to blame {}",
                blame.join(", ")
            )?;
        }
        for tier in &self.tiers {
            write!(f, "{tier}")?;
        }
        for (name, verdict) in [("enforced", enforced), ("pending", pending)] {
            if let Some(PolicyHit { owner: HitOwner::Profile(profile), action, .. }) = verdict.trace.0.last()
            {
                writeln!(f, "{name}: no tier decided; profile {profile}: {action}")?;
            }
        }
        for (policy, selector) in &self.others {
            writeln!(f, "{policy} does not select it: {selector}")?;
        }
        Ok(())
    }
}

impl fmt::Display for TierExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = match self.end {
            Some(DefaultAction::Deny) => "ends in deny",
            Some(DefaultAction::Pass) => "ends in pass",
            None => "has no end",
        };
        let exists = if self.exists { "" } else { ", does not exist" };
        writeln!(f, "tier {} ({end}{exists})", self.name)?;
        self.policies.iter().try_for_each(|it| write!(f, "{it}"))
    }
}

impl fmt::Display for PolicyExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let staged = if self.policy.kind.is_staged() { " (staged)" } else { "" };
        let selects = match self.selects {
            Truth::Unknown(missing) => format!("may select it, the record lacks {missing}"),
            Truth::True | Truth::False => "selects it".to_owned(),
        };
        writeln!(f, "  {}{staged} {selects}: {}", self.policy, self.selector)?;
        for rule in &self.rules {
            writeln!(f, "    {rule}")?;
        }
        for (name, hit) in [("enforced", &self.enforced), ("pending", &self.pending)] {
            match hit {
                Some(PolicyHit { rule: RuleIndex::EndOfTier, action, .. }) => {
                    writeln!(
                        f,
                        "    {name}: no rule of the tier matched; its end is charged here: {action}"
                    )?;
                }
                Some(PolicyHit { rule, action, .. }) => writeln!(f, "    {name}: {action} by rule {rule}")?,
                None => {}
            }
        }
        Ok(())
    }
}

/// Prints `rule 0 allow does not match: destination port 6379 is not in 5432`: what decides, and nothing else.
impl fmt::Display for RuleExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let action = match self.action {
            RuleAction::Terminal(action) => action.as_str(),
            RuleAction::Log => "log",
        };
        let (verb, telling): (&str, fn(Truth) -> bool) = match self.matches {
            Truth::True => ("matches", |_| true),
            Truth::False => ("does not match", |it| it == Truth::False),
            Truth::Unknown(_) => ("may match", |it| matches!(it, Truth::Unknown(_))),
        };
        write!(f, "rule {} {action} {verb}", self.index)?;
        let telling = self.reasons.iter().filter(|it| telling(it.holds)).map(|it| it.text.as_str());
        let text = telling.collect::<Vec<_>>().join("; ");
        if text.is_empty() { f.write_str(": it asks for nothing") } else { write!(f, ": {text}") }
    }
}

fn answer_text(answer: Answer) -> String {
    match answer {
        Answer::Undetermined(Missing::NOTHING) => "undetermined".to_owned(),
        Answer::Undetermined(missing) => format!("undetermined, the record lacks {missing}"),
        Answer::Allow | Answer::Deny => answer.as_str().to_owned(),
    }
}
