//! Which policies an end's traffic is put through, in order.

use std::sync::Arc;

use super::class::Class;
use super::compiled::{Chain, CompiledPolicy};
use super::gate::Gate;
use super::party::Owner;
use super::programs::Programs;
use super::truth::Truth;
use super::verdict::Missing;
use crate::model::Direction;
use crate::policy::{DefaultAction, Policy};

/// Rules of a policy up to which their gates are copied into the plan: nearly all policies, at 1.6 KB a policy and end. The
/// gates of larger ones, which may be of everything in the cluster, are shared.
const FEW_GATES: usize = 100;

/// One policy that applies, or may apply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct PlannedPolicy {
    /// Its place in the set.
    pub(super) policy: u32,
    pub(super) is_staged: bool,
    /// What is missing to know whether it selects the end; nothing when it does.
    pub(super) doubt: Missing,
    gates: Gates,
}

/// The gates of a policy's rules.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Gates {
    /// So many in the plan, from this place: those of a plan lie side by side, in the order in which they are asked.
    Few { start: u32, count: u32 },
    /// Shared with the programs, or put in the place of theirs.
    Many(Arc<[Gate]>),
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
    /// See [`Gates::Few`].
    gates: Vec<Gate>,
    /// Whether any staged policy takes part.
    pub(super) has_staged: bool,
}

impl PlannedPolicy {
    /// Puts other gates in the place of those of its rules.
    pub(super) fn set_gates(&mut self, gates: Vec<Gate>) {
        self.gates = Gates::Many(gates.into());
    }
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
        let mut applying: Vec<(Chain, u32, Missing)> = Vec::new();
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
                applying.push((policy.chain, *index, doubt));
            }
        }
        applying.sort_unstable_by_key(|(chain, index, _)| (*chain, *index));
        let mut plan = Self::default();
        let mut last = None;
        for (chain, index, doubt) in applying {
            let Some(policy) = programs.policy(index) else { continue };
            let planned = plan.planned(policy, index, doubt, direction);
            plan.has_staged |= planned.is_staged;
            let tier = policy.tier;
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

    fn planned(
        &mut self,
        policy: &CompiledPolicy,
        index: u32,
        doubt: Missing,
        direction: Direction,
    ) -> PlannedPolicy {
        let gates = policy.gates(direction);
        let place = (u32::try_from(self.gates.len()), u32::try_from(gates.len()));
        let gates = match place {
            (Ok(start), Ok(count)) if gates.len() <= FEW_GATES => {
                self.gates.extend_from_slice(gates);
                Gates::Few { start, count }
            }
            _ => Gates::Many(Arc::clone(gates)),
        };
        PlannedPolicy { policy: index, is_staged: policy.is_staged, doubt, gates }
    }

    /// Returns the gates of the rules of one of its policies, in their order.
    pub(super) fn gates<'a>(&'a self, planned: &'a PlannedPolicy) -> &'a [Gate] {
        match &planned.gates {
            Gates::Many(gates) => gates,
            Gates::Few { start, count } => {
                let (start, count) = (*start as usize, *count as usize);
                self.gates.get(start..start + count).unwrap_or_default()
            }
        }
    }

    /// Estimates the memory held, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let policies: usize = self.tiers.iter().map(|it| it.policies.capacity()).sum();
        self.tiers.capacity() * size_of::<PlannedTier>()
            + policies * size_of::<PlannedPolicy>()
            + self.gates.capacity() * size_of::<Gate>()
    }
}
