//! Which policies an end's traffic is put through, in order.

use std::sync::Arc;

use super::class::Class;
use super::gate::Gate;
use super::party::Owner;
use super::programs::Programs;
use super::truth::Truth;
use super::verdict::Missing;
use crate::model::Direction;
use crate::policy::{DefaultAction, Policy};

/// One policy that applies, or may apply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct PlannedPolicy {
    /// Its place in the set.
    pub(super) policy: u32,
    pub(super) is_staged: bool,
    /// What is missing to know whether it selects the end; nothing when it does.
    pub(super) doubt: Missing,
    /// The gates of its rules, which it shares with the programs.
    pub(super) gates: Arc<[Gate]>,
}

/// What stands at the end of a tier.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TierEnd {
    /// The tier's own action.
    Default(DefaultAction),
    /// The tier does not exist, and is taken for one that denies.
    Dangling,
    /// Chains of host endpoints before connection tracking and translation: whatever matches nothing goes on.
    FallThrough,
}

/// One tier that has policies for an end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct PlannedTier {
    pub(super) tier: u32,
    pub(super) end: TierEnd,
    pub(super) policies: Vec<PlannedPolicy>,
    /// Rules see the destination before translation, which the record does not have.
    pub(super) is_untranslated: bool,
    /// The last enforced policy that selects a pod and is not evaluated for it, being for host endpoints' first
    /// chains. Calico's flow logs count it when they look for the last policy of the tier.
    pub(super) phantom_last: Option<u32>,
}

/// The tiers that an end's traffic of one direction goes through.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Plan {
    pub(super) tiers: Vec<PlannedTier>,
    /// Whether any staged policy takes part.
    pub(super) has_staged: bool,
}

/// Which of a host endpoint's chains a policy stands in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Chain {
    Untracked,
    Untranslated,
    Normal,
}

impl Plan {
    pub(super) fn new(programs: &Programs, class: &Class, direction: Direction) -> Self {
        let is_host = match class.owner {
            Owner::Host(_) | Owner::UnknownHost => true,
            Owner::Pod(_) | Owner::Forwarded | Owner::Nobody => false,
        };
        Self::of(programs, class, direction, |_, chain| is_host || chain == Chain::Normal)
    }

    /// Plans for what goes through a host: the first chains see it as they see everything, and behind them stand the
    /// policies that apply on forward.
    pub(super) fn forwarded(programs: &Programs, host: &Class, direction: Direction) -> Self {
        let applies = |it: &Policy| it.global.apply_on_forward;
        Self::of(programs, host, direction, |policy, chain| {
            chain != Chain::Normal || programs.written(policy).is_some_and(applies)
        })
    }

    fn of(
        programs: &Programs,
        class: &Class,
        direction: Direction,
        takes: impl Fn(u32, Chain) -> bool,
    ) -> Self {
        let mut applying: Vec<(Chain, PlannedPolicy)> = Vec::new();
        let mut phantoms = Vec::new();
        for question in class.possible() {
            for index in programs.selected_by(question) {
                let Some(policy) = programs.policy(*index) else { continue };
                if !policy.types.governs(direction) {
                    continue;
                }
                if !takes(*index, policy.chain) {
                    let is_phantom = policy.chain != Chain::Normal && !policy.is_staged;
                    if is_phantom && class.answer(question) == Truth::True {
                        phantoms.push(*index);
                    }
                    continue;
                }
                let doubt = match class.answer(question) {
                    Truth::True => Missing::NOTHING,
                    Truth::Unknown(missing) if direction == Direction::Egress => missing,
                    Truth::Unknown(missing) => missing.seen_at_dest(),
                    Truth::False => continue,
                };
                let planned = PlannedPolicy {
                    policy: *index,
                    is_staged: policy.is_staged,
                    doubt,
                    gates: Arc::clone(policy.gates(direction)),
                };
                applying.push((policy.chain, planned));
            }
        }
        applying.sort_unstable_by_key(|(chain, it)| (*chain, it.policy));
        let mut plan = Self::default();
        let mut last = None;
        for (chain, planned) in applying {
            plan.has_staged |= planned.is_staged;
            let tier = programs.policy(planned.policy).map_or(u32::MAX, |it| it.tier);
            if last == Some((chain, tier))
                && let Some(tier) = plan.tiers.last_mut()
            {
                tier.policies.push(planned);
                continue;
            }
            last = Some((chain, tier));
            let end = match chain {
                Chain::Normal => programs.tier_end(tier),
                Chain::Untracked | Chain::Untranslated => TierEnd::FallThrough,
            };
            let is_untranslated = chain == Chain::Untranslated;
            let policies = vec![planned];
            plan.tiers.push(PlannedTier { tier, end, policies, is_untranslated, phantom_last: None });
        }
        for phantom in phantoms {
            let of = programs.policy(phantom).map(|it| it.tier);
            if let Some(tier) = plan.tiers.iter_mut().find(|it| Some(it.tier) == of) {
                tier.phantom_last = tier.phantom_last.max(Some(phantom));
            }
        }
        plan
    }

    /// Estimates the memory held, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let policies: usize = self.tiers.iter().map(|it| it.policies.capacity()).sum();
        self.tiers.capacity() * size_of::<PlannedTier>() + policies * size_of::<PlannedPolicy>()
    }
}
