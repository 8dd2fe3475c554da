//! What a recorded trace settles of what its record leaves open.
//!
//! A record often lacks what a rule asks for, yet its enforced trace is what came of that very rule, for every
//! connection that the record counts: Calico writes a record of its own for each trace. So the trace is evidence about
//! the policies that were in force, and where one of them is asked again, in a set that has it as it was, the answer is
//! known.
//!
//! ```text
//!   what the tier left      about a policy of the tier, in the order of evaluation
//!   ----------------------  ---------------------------------------------------------------------------
//!   a hit by rule k of P    before P: no rule matched; P: applied, and rule k matched first; behind P: nothing
//!   its end, charged to P   every one: no rule matched; P: applied
//!   nothing, passed by      every one: did not apply, for a tier with a policy that applies leaves a hit
//!   nothing, not reached    nothing
//! ```
//!
//! A trace that cannot be one of the set in force, by what is known without it, is no evidence about anything. Nor is
//! that of a host endpoint, whose traffic goes through chains of which flow logs do not tell. Of what can be one:
//!
//! - The end of a tier is charged to the last policy that applies. Where one behind P surely does, the trace is of a
//!   time before it. No more is made of the charge, which Calico's documents call arbitrary: whether a policy behind P
//!   applied that only may is left open.
//! - A rule that asks for an HTTP request is hit by whatever fulfils the rest of it, for the data plane leaves requests
//!   to a proxy. So such a rule may contradict a trace, but a hit by it tells nothing of what became of the request.
//!
//! Source of when a hit is left: `felix/rules`, `felix/collector` and `felix/calc` of projectcalico/calico.

use std::cmp::Ordering;

use super::compiled::Chain;
use super::connection::Connection;
use super::gate::Gate;
use super::judging::Case;
use super::party::Owner;
use super::plan::{Plan, PlannedPolicy, PlannedTier, TierEnd};
use super::programs::Programs;
use super::recorded::ends_as;
use super::truth::Truth;
use super::verdict::{Missing, Verdict};
use crate::model::{Action, Direction, HitOwner, PolicyHit, PolicyId, RecordedAction, RuleIndex, Trace};
use crate::policy::{DefaultAction, RuleAction};

/// What the trace of one end of a connection tells of the policies that were in force.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Evidence {
    direction: Direction,
    /// What is told of policies, by their places in the set that was in force, in ascending order.
    told: Vec<(u32, Told)>,
}

/// What is told of one policy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Told {
    /// It did not apply to the end.
    DidNotApply,
    /// Whether it applied or not, none of its rules matched.
    NoRuleMatched,
    /// It applied, and none of its rules matched.
    AppliedInVain,
    /// It applied, and this rule was the first to match.
    Matched(u32),
}

impl Evidence {
    fn of(case: &Case<'_>, trace: &Trace) -> Option<Self> {
        let Owner::Pod(namespace) = case.owner() else { return None };
        let mut reading = Reading { case, told: Vec::new() };
        let mut tiers = case.plan.tiers.iter();
        for hit in &trace.0 {
            match &hit.owner {
                HitOwner::Policy { tier, policy } => loop {
                    let planned = tiers.next()?;
                    if reading.is_called(planned, tier) {
                        break reading.hit(planned, policy, hit)?;
                    }
                    reading.passed_by(planned)?;
                },
                // A pod's profile allows, so nothing stands behind it.
                HitOwner::Profile(name) => {
                    let is_own = name.strip_prefix("kns.") == Some(namespace.as_str());
                    if !is_own || hit.action != Action::Allow {
                        return None;
                    }
                    tiers.by_ref().try_for_each(|it| reading.passed_by(it))?;
                }
            }
        }
        Some(Self { direction: case.service.direction, told: reading.told })
    }

    fn told(&self, place: u32) -> Option<Told> {
        let idx = self.told.binary_search_by_key(&place, |it| it.0).ok()?;
        self.told.get(idx).map(|it| it.1)
    }

    /// Puts what is told into a plan of `programs`. `origin` gives for a policy its place in the set that was in force,
    /// if it is the same there.
    fn settle(&self, programs: &Programs, plan: &mut Plan, origin: impl Fn(u32) -> Option<u32>) {
        let settle = |planned: &mut PlannedPolicy| {
            match origin(planned.policy).and_then(|it| self.told(it)) {
                None => {}
                Some(Told::DidNotApply) => return false,
                Some(Told::NoRuleMatched) => planned.set_gates(Vec::new()),
                Some(Told::AppliedInVain) => {
                    planned.doubt = Missing::NOTHING;
                    planned.set_gates(Vec::new());
                }
                Some(Told::Matched(rule)) => {
                    let policy = programs.policy(planned.policy);
                    let gates = policy.map_or(&[][..], |it| it.gates(self.direction));
                    let hit = gates.iter().find(|it| it.rule == rule);
                    planned.doubt = Missing::NOTHING;
                    planned.set_gates(hit.map(Gate::opened).into_iter().collect());
                }
            }
            true
        };
        plan.tiers.iter_mut().for_each(|it| it.policies.retain_mut(settle));
    }
}

/// A trace that is being read against what is known without it. Nothing where the two contradict each other.
struct Reading<'a> {
    case: &'a Case<'a>,
    told: Vec<(u32, Told)>,
}

impl<'a> Reading<'a> {
    fn is_called(&self, tier: &PlannedTier, name: &str) -> bool {
        let first = tier.policies.first().and_then(|it| self.case.programs.written(it.policy));
        first.is_some_and(|it| it.tier == name)
    }

    fn is(&self, place: u32, id: &PolicyId) -> bool {
        self.case.programs.written(place).is_some_and(|it| it.id == *id)
    }

    /// Whether each rule of a policy matches that decides something, with its place and what it does.
    fn rules(&self, planned: &PlannedPolicy) -> impl Iterator<Item = (u32, Action, Truth)> + use<'a> {
        let (programs, facts) = (self.case.programs, self.case.facts());
        let rules = programs.policy(planned.policy).map_or(&[][..], |it| it.rules(facts.direction));
        rules.iter().zip(0_u32..).filter_map(move |(rule, place)| match rule.action {
            RuleAction::Terminal(action) => Some((place, action, rule.matches(&facts, programs.switches()))),
            RuleAction::Log => None,
        })
    }

    fn surely_matches(&self, planned: &PlannedPolicy) -> bool {
        self.rules(planned).any(|(_, _, matches)| is_match(matches))
    }

    /// The tier left no hit.
    fn passed_by(&mut self, tier: &PlannedTier) -> Option<()> {
        for planned in enforced(tier) {
            if planned.doubt.is_nothing() {
                return None;
            }
            self.told.push((planned.policy, Told::DidNotApply));
        }
        Some(())
    }

    /// The tier left this hit.
    fn hit(&mut self, tier: &PlannedTier, policy: &PolicyId, hit: &PolicyHit) -> Option<()> {
        match hit.rule {
            RuleIndex::Rule(rule) => {
                for planned in enforced(tier) {
                    if self.is(planned.policy, policy) {
                        return self.matched(planned, rule, hit.action);
                    }
                    self.in_vain(planned)?;
                }
                None
            }
            RuleIndex::EndOfTier => self.ended(tier, policy, hit.action),
            // It may be a rule or the end.
            RuleIndex::Unknown => None,
        }
    }

    /// The policy was asked and did nothing, or did not apply.
    fn in_vain(&mut self, planned: &PlannedPolicy) -> Option<()> {
        let told = match (self.surely_matches(planned), planned.doubt.is_nothing()) {
            (false, _) => Told::NoRuleMatched,
            (true, false) => Told::DidNotApply,
            (true, true) => return None,
        };
        self.told.push((planned.policy, told));
        Some(())
    }

    fn matched(&mut self, planned: &PlannedPolicy, rule: u32, action: Action) -> Option<()> {
        // The one that was hit, or one before it that would have been.
        let (place, does, matches) =
            self.rules(planned).find(|(place, _, matches)| *place == rule || is_match(*matches))?;
        let may_match = match matches {
            Truth::True => true,
            Truth::False => false,
            // The data plane leaves requests to a proxy, so its hit does not tell what became of them.
            Truth::Unknown(missing) => !missing.contains(Missing::HTTP),
        };
        (place == rule && does == action && may_match)
            .then(|| self.told.push((planned.policy, Told::Matched(rule))))
    }

    fn ended(&mut self, tier: &PlannedTier, charged: &PolicyId, action: Action) -> Option<()> {
        let does = match tier.end {
            TierEnd::Default(DefaultAction::Pass) => Action::Pass,
            TierEnd::Default(DefaultAction::Deny) | TierEnd::Dangling => Action::Deny,
            TierEnd::FallThrough => return None,
        };
        let charged = self.charged(tier, charged)?;
        if does != action || tier.phantom_last.is_some_and(|it| it > charged) {
            return None;
        }
        for planned in enforced(tier) {
            match planned.policy.cmp(&charged) {
                Ordering::Equal if self.surely_matches(planned) => return None,
                Ordering::Equal => self.told.push((charged, Told::AppliedInVain)),
                Ordering::Greater if planned.doubt.is_nothing() => return None,
                Ordering::Less | Ordering::Greater => self.in_vain(planned)?,
            }
        }
        Some(())
    }

    /// Returns the place of a policy that the end of a tier may be charged to: one that is evaluated, or one that flow
    /// logs count to the tier though it is not evaluated for a pod; see [`PlannedTier::phantom_last`].
    fn charged(&self, tier: &PlannedTier, id: &PolicyId) -> Option<u32> {
        if let Some(planned) = enforced(tier).find(|it| self.is(it.policy, id)) {
            return Some(planned.policy);
        }
        let Case { programs, subject, service, .. } = self.case;
        let place = programs.set().policies().iter().position(|it| it.id == *id)?;
        let place = u32::try_from(place).ok()?;
        let policy = programs.policy(place)?;
        let is_phantom = policy.tier == tier.tier
            && !policy.is_staged
            && policy.chain != Chain::Normal
            && policy.types.governs(service.direction)
            && policy.selected.is_some_and(|it| subject.answer(it) != Truth::False);
        is_phantom.then_some(place)
    }
}

fn enforced(tier: &PlannedTier) -> impl Iterator<Item = &PlannedPolicy> {
    tier.policies.iter().filter(|it| !it.is_staged)
}

/// Tells whether the data plane surely takes a rule to match: it takes what is asked of requests as fulfilled.
const fn is_match(matches: Truth) -> bool {
    matches!(matches, Truth::True | Truth::Unknown(Missing::HTTP))
}

/// Tells whether a trace is that of one whole way: passes, and then a hit that did what the data plane did.
fn is_whole(trace: &Trace, action: RecordedAction) -> bool {
    trace.0.split_last().is_some_and(|(last, others)| {
        let ends = last.action != Action::Pass && ends_as(trace, action);
        ends && others.iter().all(|it| it.action == Action::Pass)
    })
}

impl Programs {
    /// Returns what a recorded enforced trace tells of the policies of these programs, which are those that were in
    /// force; nothing where it tells nothing.
    ///
    /// The trace must be that of the end that `direction` is judged at: a record's own end, of which the data plane did
    /// `action`. It must name policies as the set does: see [`Trace::named_by`]. A trace that does not end, that ends
    /// otherwise, or that cannot come of these policies tells nothing.
    #[must_use]
    pub fn evidence(
        &self,
        direction: Direction,
        connection: &Connection<'_>,
        trace: &Trace,
        action: RecordedAction,
    ) -> Option<Evidence> {
        if !is_whole(trace, action) {
            return None;
        }
        self.with_case(direction, connection, |case| Evidence::of(case, trace))
    }

    /// Judges one end of a connection by the enforced policies alone. What cannot be decided otherwise is as `evidence`
    /// tells that it was; it must be of the same connection, and of these programs.
    #[must_use]
    pub fn enforced(
        &self,
        direction: Direction,
        connection: &Connection<'_>,
        evidence: Option<&Evidence>,
    ) -> Verdict {
        self.enforced_by(direction, connection, evidence, Some)
    }

    /// As [`Programs::enforced`]. `origin` gives for a policy its place in the programs that the evidence is of, if it
    /// is the same there.
    pub(super) fn enforced_by(
        &self,
        direction: Direction,
        connection: &Connection<'_>,
        evidence: Option<&Evidence>,
        origin: impl Fn(u32) -> Option<u32>,
    ) -> Verdict {
        self.with_case(direction, connection, |case| {
            let Some(evidence) = evidence.filter(|it| it.direction == direction) else {
                return case.enforced();
            };
            let mut plan = case.plan.clone();
            evidence.settle(self, &mut plan, origin);
            Case { plan: &plan, ..*case }.enforced()
        })
    }
}
