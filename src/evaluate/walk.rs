//! Walks tiers, policies and rules, with a set of possible answers.
//!
//! A rule that may match adds its action to what is possible, and the walk goes on as though it did not match. A rule
//! that surely matches ends the policy. A policy that may apply adds what its rules do, and the walk goes on without
//! it. The set of answers at the end is exact as long as the doubts are independent of each other.
//!
//! The trace is that of the walk on which nothing doubtful happened: where all possible answers agree, it is one way
//! to get there.

use super::party::Owner;
use super::plan::{Plan, PlannedPolicy, PlannedTier, TierEnd};
use super::programs::Programs;
use super::rule::{CompiledRule, Facts};
use super::truth::Truth;
use super::verdict::{Missing, StagedResult};
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

/// Who made a hit.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Hitter {
    Policy(u32),
    /// A profile, by its place in the owner's list; a pod's first is that of its namespace.
    Profile(u32),
}

/// One hit, in few bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Hit {
    pub(super) by: Hitter,
    pub(super) action: Action,
    /// Nothing for the end of a tier.
    pub(super) rule: Option<u32>,
    /// For the end of a tier, the last policy of it that took part.
    pub(super) last: u32,
}

/// What a walk found.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Walked {
    pub(super) may_allow: bool,
    pub(super) may_deny: bool,
    /// Calico's checker would give up with an error.
    pub(super) is_error: bool,
    pub(super) missing: Missing,
    pub(super) hits: Vec<Hit>,
    /// How many hits there were at the first doubt.
    pub(super) hits_before_doubt: Option<usize>,
    /// What became of the staged policies, in the order of the plan.
    pub(super) staged: Vec<(u32, StagedResult)>,
}

impl Walked {
    fn clear(&mut self) {
        let Self { may_allow, may_deny, is_error, missing, hits, hits_before_doubt, staged } = self;
        *may_allow = false;
        *may_deny = false;
        *is_error = false;
        *missing = Missing::NOTHING;
        hits.clear();
        *hits_before_doubt = None;
        staged.clear();
    }

    /// Joins what was found for another IP version.
    pub(super) fn join(&mut self, other: &Self) {
        self.may_allow |= other.may_allow;
        self.may_deny |= other.may_deny;
        self.is_error |= other.is_error;
        self.missing = self.missing.union(other.missing);
        let shared = self.hits.iter().zip(&other.hits).take_while(|(a, b)| a == b).count();
        if self.may_allow && self.may_deny {
            let doubt = self.hits_before_doubt.unwrap_or(usize::MAX);
            self.hits_before_doubt =
                Some(doubt.min(other.hits_before_doubt.unwrap_or(usize::MAX)).min(shared));
        }
        for ((_, result), (_, other)) in self.staged.iter_mut().zip(&other.staged) {
            if result != other {
                *result = StagedResult::Undetermined;
            }
        }
    }
}

/// How the walk stands.
struct Walk<'a> {
    programs: &'a Programs,
    facts: &'a Facts<'a>,
    found: &'a mut Walked,
    /// Whether the walk surely comes this far.
    is_sure: bool,
    /// Whether the walk on which nothing doubtful happened comes this far.
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
    let mut walk = Walk { programs, facts, found, is_sure: true, is_main: true };
    let mut tiers = plan.tiers.iter();
    for tier in &mut tiers {
        if walk.tier(tier, scope) == Next::Ends {
            for tier in tiers {
                walk.not_reached(&tier.policies, scope);
            }
            return;
        }
    }
    walk.profiles(owner);
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
            self.found.staged.push((planned.policy, StagedResult::NotReached));
        }
    }

    fn tier(&mut self, tier: &PlannedTier, scope: Scope<'_>) -> Next {
        let (mut goes_on, mut may_be_present) = (false, false);
        let mut first: Option<PlannedPolicy> = None;
        let mut last = 0;
        let mut charged_at = None;
        for (idx, planned) in tier.policies.iter().enumerate() {
            if !scope.includes(planned) {
                continue;
            }
            let rules =
                self.programs.policy(planned.policy).map_or(&[][..], |it| it.rules(self.facts.direction));
            let applies = planned.doubt.is_nothing();
            if !applies {
                self.doubt(planned.doubt);
            }
            let (tried, passes) = self.policy(rules, tier.is_untranslated);
            goes_on |= passes;
            if planned.is_staged {
                let result = self.staged_result(planned, &tried);
                if first.is_none() && applies {
                    charged_at = Some(self.found.staged.len());
                }
                self.found.staged.push((planned.policy, result));
            }
            match tried.sure {
                Some((rule, action)) if applies => {
                    self.hit(Hit { by: Hitter::Policy(planned.policy), action, rule: Some(rule), last: 0 });
                    let rest = tier.policies.get(idx + 1..).unwrap_or_default();
                    self.not_reached(rest, scope);
                    self.is_main &= action == Action::Pass;
                    self.is_sure &= tried.doubtful.is_none_or(|it| it == Some(action));
                    return if goes_on { Next::Goes } else { Next::Ends };
                }
                Some(_) => self.is_sure = false,
                None if applies => {
                    first.get_or_insert(*planned);
                    last = planned.policy;
                    self.found.is_error |= self.is_error_at(tier);
                }
                None => may_be_present = true,
            }
            self.is_sure &= !tried.is_doubtful;
        }
        if let Some(first) = first {
            return self.end_of_tier(tier, first, last, goes_on, charged_at);
        }
        if !may_be_present {
            return Next::Goes;
        }
        match tier.end {
            TierEnd::Default(DefaultAction::Pass) | TierEnd::FallThrough => {}
            TierEnd::Default(DefaultAction::Deny) | TierEnd::Dangling => {
                self.answer(Action::Deny);
                self.found.is_error |= self.is_error_at(tier);
                self.is_sure = false;
            }
        }
        Next::Goes
    }

    fn is_error_at(&self, tier: &PlannedTier) -> bool {
        tier.end == TierEnd::Dangling && self.programs.switches().dangling_tier_is_error
    }

    /// Some policy surely applied, and the walk may get past all of them.
    fn end_of_tier(
        &mut self,
        tier: &PlannedTier,
        first: PlannedPolicy,
        last: u32,
        goes_on: bool,
        charged_at: Option<usize>,
    ) -> Next {
        let action = match tier.end {
            TierEnd::FallThrough => return Next::Goes,
            TierEnd::Default(DefaultAction::Pass) => Action::Pass,
            TierEnd::Default(DefaultAction::Deny) | TierEnd::Dangling => Action::Deny,
        };
        self.hit(Hit { by: Hitter::Policy(first.policy), action, rule: None, last });
        if action == Action::Pass {
            return Next::Goes;
        }
        self.is_main = false;
        if first.is_staged
            && let Some((_, result)) = charged_at.and_then(|it| self.found.staged.get_mut(it))
            && *result == StagedResult::NoMatch
        {
            *result = if self.is_sure { StagedResult::Deny } else { StagedResult::Undetermined };
        }
        if goes_on { Next::Goes } else { Next::Ends }
    }

    fn hit(&mut self, hit: Hit) {
        self.answer(hit.action);
        if self.is_main {
            self.found.hits.push(hit);
        }
    }

    /// Tries the rules of one policy; also tells whether one of them may leave the tier.
    fn policy(&mut self, rules: &[CompiledRule], is_untranslated: bool) -> (Tried, bool) {
        let switches = self.programs.switches();
        let mut tried = Tried { sure: None, is_doubtful: false, doubtful: None };
        let mut passes = false;
        for (rule, index) in rules.iter().zip(0_u32..) {
            let RuleAction::Terminal(action) = rule.action else { continue };
            let truth = if is_untranslated {
                rule.matches_untranslated(self.facts, switches)
            } else {
                rule.matches(self.facts, switches)
            };
            match truth {
                Truth::False => {}
                Truth::Unknown(missing) => {
                    self.doubt(missing);
                    self.answer(action);
                    passes |= action == Action::Pass;
                    tried.is_doubtful = true;
                    let agrees = tried.doubtful.is_none_or(|it| it == Some(action));
                    tried.doubtful = Some(agrees.then_some(action));
                }
                Truth::True => {
                    self.answer(action);
                    passes |= action == Action::Pass;
                    tried.sure = Some((index, action));
                    break;
                }
            }
        }
        (tried, passes)
    }

    fn staged_result(&self, planned: &PlannedPolicy, tried: &Tried) -> StagedResult {
        if !self.is_sure || !planned.doubt.is_nothing() {
            return StagedResult::Undetermined;
        }
        match (tried.sure, tried.doubtful) {
            (None, None) => StagedResult::NoMatch,
            (None, Some(_)) => StagedResult::Undetermined,
            (Some((_, action)), doubtful) => match (doubtful, action) {
                (Some(it), _) if it != Some(action) => StagedResult::Undetermined,
                (_, Action::Allow) => StagedResult::Allow,
                (_, Action::Deny) => StagedResult::Deny,
                (_, Action::Pass) => StagedResult::Pass,
            },
        }
    }

    fn profiles(&mut self, owner: &Owner) {
        match owner {
            // The profile of a namespace allows everything; that of a service account has no rule.
            Owner::Pod(_) => {
                self.hit(Hit { by: Hitter::Profile(0), action: Action::Allow, rule: Some(0), last: 0 });
            }
            Owner::Host(names) => self.host_profiles(names),
            Owner::UnknownHost | Owner::Nobody => {
                self.doubt(Missing::ENDPOINT);
                self.answer(Action::Allow);
                self.answer(Action::Deny);
            }
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
            let (tried, _) = self.policy_as_profile(rules);
            if let Some((rule, action)) = tried.sure {
                return self.hit(hit(action, rule));
            }
        }
        self.answer(Action::Deny);
    }

    /// As [`Walk::policy`]; there is nothing that a profile could pass to, so it denies.
    fn policy_as_profile(&mut self, rules: &[CompiledRule]) -> (Tried, bool) {
        let switches = self.programs.switches();
        let mut tried = Tried { sure: None, is_doubtful: false, doubtful: None };
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
                Truth::True => {
                    tried.sure = Some((index, action));
                    break;
                }
            }
        }
        (tried, false)
    }
}

/// What the rules of a policy did.
struct Tried {
    /// The rule that surely matched, and its action.
    sure: Option<(u32, Action)>,
    /// Whether a rule before it may have matched.
    is_doubtful: bool,
    /// What the doubtful rules do, if they all do the same.
    doubtful: Option<Option<Action>>,
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

/// Returns whether a host endpoint's traffic is on a port that no policy can close.
pub(super) fn is_failsafe(programs: &Programs, owner: &Owner, facts: &Facts<'_>) -> bool {
    let is_host = matches!(owner, Owner::Host(_) | Owner::UnknownHost);
    let failsafe = &programs.options().failsafe;
    let open = match facts.direction {
        Direction::Ingress => &failsafe.inbound,
        Direction::Egress => &failsafe.outbound,
    };
    is_host && facts.dest_port.is_some_and(|port| open.contains(&(facts.protocol, port)))
}
