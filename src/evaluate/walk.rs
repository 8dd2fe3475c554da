//! Walks tiers, policies and rules, with a set of possible answers.
//!
//! A rule that may match adds its action to what is possible, and the walk goes on as though it did not match. A rule
//! that surely matches ends the policy. A policy that may apply adds what its rules do, and the walk goes on without
//! it. The set of answers at the end is exact as long as the doubts are independent of each other.
//!
//! The trace is that of the walk on which nothing doubtful happened: where all possible answers agree, it is one way
//! to get there.

use super::found::{ActionSet, Hit, Hitter, Results, Walked};
use super::gate::{Asked, Opening};
use super::party::Owner;
use super::plan::{Plan, PlannedPolicy, PlannedTier, TierEnd};
use super::programs::Programs;
use super::rule::{CompiledRule, Facts};
use super::truth::Truth;
use super::verdict::Missing;
use crate::model::{Action, Direction, Name};
use crate::policy::{DefaultAction, RuleAction};

/// Which policies take part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Scope<'a> {
    Enforced,
    /// The staged ones as though they were enforced.
    Pending,
    /// The enforced ones and these staged ones.
    With(&'a [u32]),
}

impl Scope<'_> {
    fn includes(self, planned: &PlannedPolicy) -> bool {
        !planned.is_staged
            || match self {
                Self::Enforced => false,
                Self::Pending => true,
                Self::With(some) => some.contains(&planned.policy),
            }
    }
}

/// How the walk stands.
struct Walk<'a> {
    programs: &'a Programs,
    plan: &'a Plan,
    facts: &'a Facts<'a>,
    asked: Asked<'a>,
    found: &'a mut Walked,
    /// Whether some way has ended with an answer already.
    has_ended: bool,
    /// Whether the way on which nothing doubtful happened comes this far.
    is_main: bool,
}

/// How a tier leaves the walk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Goes,
    Ends,
}

/// Walks a plan. `found` is overwritten.
pub(super) fn walk(
    programs: &Programs,
    plan: &Plan,
    owner: &Owner,
    scope: Scope<'_>,
    facts: &Facts<'_>,
    found: &mut Walked,
) {
    found.clear();
    let asked = Asked::of(facts);
    let mut walk = Walk { programs, plan, facts, asked, found, has_ended: false, is_main: true };
    match owner {
        Owner::Pod(_) | Owner::Forwarded => {}
        Owner::Host(_) => match failsafe(programs, facts) {
            Truth::True => {
                walk.found.may_allow = true;
                plan.tiers.iter().for_each(|it| walk.not_reached(&it.policies, scope));
                return;
            }
            Truth::Unknown(missing) => {
                walk.doubt(missing);
                walk.answer(Action::Allow);
                walk.has_ended = true;
            }
            Truth::False => {}
        },
        Owner::UnknownHost | Owner::Nobody => {
            walk.doubt(Missing::ENDPOINT);
            walk.answer(Action::Allow);
            walk.answer(Action::Deny);
            return;
        }
    }
    let mut tiers = plan.tiers.iter();
    while let Some(tier) = tiers.next() {
        if walk.tier(tier, scope) == Next::Ends {
            tiers.for_each(|it| walk.not_reached(&it.policies, scope));
            return;
        }
    }
    walk.profiles(owner);
}

/// How a tier stands.
#[derive(Default)]
struct Passage<'a> {
    /// Whether some way has left for the next tier.
    has_left: bool,
    /// The first policy that surely applied and surely did not end the tier, with its place among the staged.
    first: Option<(&'a PlannedPolicy, usize)>,
    last: u32,
    /// Whether a policy that only may apply stands before the first.
    maybe_before: bool,
    /// Whether a policy that only may apply may reach the end of the tier.
    maybe_present: bool,
    /// Whether a later policy may have decided.
    has_moved: bool,
}

impl Walk<'_> {
    fn doubt(&mut self, missing: Missing) {
        let hits = self.found.hits.len();
        self.found.hits_before_doubt.get_or_insert(hits);
        self.found.missing = self.found.missing.union(missing);
    }

    fn answer(&mut self, action: Action) {
        match action {
            Action::Allow => self.found.may_allow = true,
            Action::Deny => self.found.may_deny = true,
            Action::Pass => {}
        }
    }

    fn not_reached(&mut self, policies: &[PlannedPolicy], scope: Scope<'_>) {
        for planned in policies.iter().filter(|it| it.is_staged && scope.includes(it)) {
            self.found.staged.push((planned.policy, Results::NOT_REACHED));
        }
    }

    fn tier(&mut self, tier: &PlannedTier, scope: Scope<'_>) -> Next {
        let mut passage = Passage::default();
        for (idx, planned) in tier.policies.iter().enumerate() {
            if !scope.includes(planned) {
                continue;
            }
            if let Some(next) = self.planned(tier, planned, &mut passage) {
                let rest = tier.policies.get(idx + 1..).unwrap_or_default();
                self.not_reached(rest, scope);
                return next;
            }
        }
        if let Some((first, place)) = passage.first {
            return self.end_of_tier(tier, first, place, &passage);
        }
        if passage.maybe_present {
            match tier.end {
                TierEnd::Default(DefaultAction::Pass) | TierEnd::FallThrough => {}
                TierEnd::Default(DefaultAction::Deny) | TierEnd::Dangling => {
                    self.answer(Action::Deny);
                    self.found.is_error |= self.is_error_at(tier);
                    self.has_ended = true;
                }
            }
        }
        Next::Goes
    }

    /// Tries one policy; returns how the tier ends, if it surely ends here.
    fn planned<'p>(
        &mut self,
        tier: &PlannedTier,
        planned: &'p PlannedPolicy,
        passage: &mut Passage<'p>,
    ) -> Option<Next> {
        let applies = planned.doubt.is_nothing();
        if !applies {
            self.doubt(planned.doubt);
        }
        let tried = self.try_rules(planned, tier.is_untranslated);
        if planned.is_staged {
            let sure = tried.sure.map_or(Results::NO_MATCH, |(_, it)| Results::of(ActionSet::only(it)));
            let mut results = Results::of(tried.maybe).or(sure);
            if self.has_ended || passage.has_left {
                results = results.or(Results::NOT_REACHED);
            }
            if !applies {
                results = results.or(Results::DOUBTFUL);
            }
            self.found.staged.push((planned.policy, results));
        }
        let sure = tried.sure.map_or(ActionSet::default(), |(_, it)| ActionSet::only(it));
        let taken = tried.maybe.or(sure);
        passage.has_moved |= passage.first.is_some() && taken != ActionSet::default();
        passage.has_left |= taken.has_pass();
        self.has_ended |= taken.has_answer();
        match tried.sure {
            Some((rule, action)) if applies => {
                self.hit(Hit { by: Hitter::Policy(planned.policy), action, rule: Some(rule), last: 0 });
                self.is_main &= action == Action::Pass;
                return Some(if passage.has_left { Next::Goes } else { Next::Ends });
            }
            Some(_) => {}
            None if applies => {
                let place = self.found.staged.len().saturating_sub(1);
                passage.first.get_or_insert((planned, place));
                passage.last = planned.policy;
                self.found.is_error |= self.is_error_at(tier);
            }
            None => {
                passage.maybe_present = true;
                passage.maybe_before |= passage.first.is_none();
                self.found.is_error |= self.is_error_at(tier);
            }
        }
        None
    }

    fn is_error_at(&self, tier: &PlannedTier) -> bool {
        tier.end == TierEnd::Dangling && self.programs.switches().dangling_tier_is_error
    }

    /// Some policy surely applied, and the walk may get past all of them.
    fn end_of_tier(
        &mut self,
        tier: &PlannedTier,
        first: &PlannedPolicy,
        place: usize,
        passage: &Passage<'_>,
    ) -> Next {
        let action = match tier.end {
            TierEnd::FallThrough => return Next::Goes,
            TierEnd::Default(DefaultAction::Pass) => Action::Pass,
            TierEnd::Default(DefaultAction::Deny) | TierEnd::Dangling => Action::Deny,
        };
        let last = tier.phantom_last.map_or(passage.last, |it| it.max(passage.last));
        self.hit(Hit { by: Hitter::Policy(first.policy), action, rule: None, last });
        if action == Action::Pass {
            return Next::Goes;
        }
        self.is_main = false;
        self.has_ended = true;
        if first.is_staged
            && let Some((_, results)) = self.found.staged.get_mut(place)
        {
            // On every way that got past it the end is charged to it, unless another may be the first, or one
            // behind it may have decided.
            if !passage.has_moved && !passage.maybe_before {
                *results = results.without(Results::NO_MATCH);
            }
            *results = results.or(Results::of(ActionSet::only(Action::Deny)));
        }
        if passage.has_left { Next::Goes } else { Next::Ends }
    }

    fn hit(&mut self, hit: Hit) {
        self.answer(hit.action);
        if self.is_main {
            self.found.hits.push(hit);
        }
    }

    /// Tries the rules of one policy, and adds what they do to the possible answers.
    fn try_rules(&mut self, planned: &PlannedPolicy, is_untranslated: bool) -> Tried {
        let mut tried = Tried::default();
        for gate in self.plan.gates(planned) {
            let truth = match gate.opens(&self.asked) {
                // What rules say of the destination is another one there.
                _ if is_untranslated => self.ask_rule(planned.policy, gate.rule, true),
                Opening::Never => continue,
                Opening::Surely => Truth::True,
                Opening::Perhaps => self.ask_rule(planned.policy, gate.rule, false),
            };
            match truth {
                Truth::False => {}
                Truth::Unknown(missing) => {
                    self.doubt(missing);
                    self.answer(gate.action);
                    tried.maybe = tried.maybe.or(ActionSet::only(gate.action));
                }
                Truth::True => {
                    self.answer(gate.action);
                    tried.sure = Some((gate.rule, gate.action));
                    break;
                }
            }
        }
        tried
    }

    /// Asks all that a rule asks.
    #[inline(never)]
    fn ask_rule(&self, policy: u32, rule: u32, is_untranslated: bool) -> Truth {
        let rules = self.programs.policy(policy).map(|it| it.rules(self.facts.direction));
        let rule = rules.zip(usize::try_from(rule).ok()).and_then(|(rules, rule)| rules.get(rule));
        let Some(rule) = rule else { return Truth::False };
        let switches = self.programs.switches();
        if is_untranslated {
            rule.matches_untranslated(self.facts, switches)
        } else {
            rule.matches(self.facts, switches)
        }
    }

    fn profiles(&mut self, owner: &Owner) {
        match owner {
            // The profile of a namespace allows everything; that of a service account has no rule.
            Owner::Pod(_) => {
                self.hit(Hit { by: Hitter::Profile(0), action: Action::Allow, rule: Some(0), last: 0 });
            }
            Owner::Host(names) => self.host_profiles(names),
            // No profile stands behind these tiers: what they leave goes on its way.
            Owner::Forwarded => self.answer(Action::Allow),
            Owner::UnknownHost | Owner::Nobody => {}
        }
    }

    fn host_profiles(&mut self, names: &[Name]) {
        for (name, place) in names.iter().zip(0_u32..) {
            let hit = |action, rule| Hit { by: Hitter::Profile(place), action, rule: Some(rule), last: 0 };
            let Some(rules) = self.programs.profile_rules(name, self.facts.direction) else {
                match implied_profile(self.programs, name) {
                    Implied::Allows => return self.hit(hit(Action::Allow, 0)),
                    Implied::Empty => {}
                    Implied::Missing if self.programs.switches().missing_profile_skipped => {}
                    Implied::Missing => return self.hit(hit(Action::Deny, 0)),
                }
                continue;
            };
            if let Some((rule, action)) = self.try_profile(rules) {
                return self.hit(hit(action, rule));
            }
        }
        self.answer(Action::Deny);
    }

    /// As [`Walk::try_rules`]; there is nothing that a profile could pass to, so it denies.
    fn try_profile(&mut self, rules: &[CompiledRule]) -> Option<(u32, Action)> {
        let switches = self.programs.switches();
        for (rule, index) in rules.iter().zip(0_u32..) {
            let action = match rule.action {
                RuleAction::Log => continue,
                RuleAction::Terminal(Action::Allow) => Action::Allow,
                RuleAction::Terminal(Action::Deny | Action::Pass) => Action::Deny,
            };
            match rule.matches(self.facts, switches) {
                Truth::False => {}
                Truth::Unknown(missing) => {
                    self.doubt(missing);
                    self.answer(action);
                }
                Truth::True => return Some((index, action)),
            }
        }
        None
    }
}

/// What the rules of a policy did.
#[derive(Default)]
struct Tried {
    /// The rule that surely matched, and its action.
    sure: Option<(u32, Action)>,
    /// What rules before it may have done.
    maybe: ActionSet,
}

/// A profile that nobody wrote.
enum Implied {
    Allows,
    Empty,
    Missing,
}

fn implied_profile(programs: &Programs, name: &str) -> Implied {
    // The profile of automatically made host endpoints (Calico documentation).
    if name == "projectcalico-default-allow" {
        return Implied::Allows;
    }
    match name.strip_prefix("kns.") {
        Some(namespace) if programs.roster().has_namespace(namespace) => Implied::Allows,
        Some(_) => Implied::Missing,
        None if name.starts_with("ksa.") => Implied::Empty,
        None => Implied::Missing,
    }
}

/// Tells whether a host endpoint's traffic is on a port that no policy can close.
fn failsafe(programs: &Programs, facts: &Facts<'_>) -> Truth {
    let failsafe = &programs.options().failsafe;
    let open = match facts.direction {
        Direction::Ingress => &failsafe.inbound,
        Direction::Egress => &failsafe.outbound,
    };
    match facts.dest_port {
        Some(port) => Truth::from(open.contains(&(facts.protocol, port))),
        None if open.iter().any(|it| it.0 == facts.protocol) => Truth::Unknown(Missing::DEST_PORT),
        None => Truth::False,
    }
}
