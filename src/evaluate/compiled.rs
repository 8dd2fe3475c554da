//! What programs are made of: policies and rules, compiled, and an index of what selects whom.

use std::sync::Arc;

use super::gate::{Gate, gates};
use super::question::QuestionId;
use super::rule::CompiledRule;
use crate::model::Direction;
use crate::policy::Types;

/// Which of a host endpoint's chains a policy stands in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Chain {
    Untracked,
    Untranslated,
    Normal,
}

/// One policy, compiled.
#[derive(Debug)]
pub(super) struct CompiledPolicy {
    /// The tier, by its place in the set; behind all those for tiers that do not exist.
    pub(super) tier: u32,
    pub(super) is_staged: bool,
    pub(super) types: Types,
    pub(super) chain: Chain,
    /// The question whether it applies; nothing for a policy that takes no part.
    pub(super) selected: Option<QuestionId>,
    pub(super) rules: Arc<Rules>,
}

/// The rules of a policy or profile, compiled.
#[derive(Debug, Default)]
pub(super) struct Rules {
    ingress: Vec<CompiledRule>,
    egress: Vec<CompiledRule>,
    ingress_gates: Arc<[Gate]>,
    egress_gates: Arc<[Gate]>,
}

impl Rules {
    pub(super) fn new(ingress: Vec<CompiledRule>, egress: Vec<CompiledRule>) -> Self {
        let ingress_gates = gates(&ingress, Direction::Ingress);
        let egress_gates = gates(&egress, Direction::Egress);
        Self { ingress, egress, ingress_gates, egress_gates }
    }

    /// Returns the rules of both directions.
    pub(super) fn all(&self) -> impl Iterator<Item = &CompiledRule> {
        self.ingress.iter().chain(&self.egress)
    }

    /// Estimates the memory held, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let gates = size_of_val(&*self.ingress_gates) + size_of_val(&*self.egress_gates);
        size_of::<Self>() + gates + self.all().map(CompiledRule::bytes).sum::<usize>()
    }

    pub(super) fn of(&self, direction: Direction) -> &[CompiledRule] {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }
}

impl CompiledPolicy {
    pub(super) fn rules(&self, direction: Direction) -> &[CompiledRule] {
        self.rules.of(direction)
    }

    pub(super) fn gates(&self, direction: Direction) -> &Arc<[Gate]> {
        match direction {
            Direction::Ingress => &self.rules.ingress_gates,
            Direction::Egress => &self.rules.egress_gates,
        }
    }
}

/// Policies by the question whether they apply.
#[derive(Debug, Default)]
pub(super) struct SelectedBy {
    /// For each question where its policies begin, and at last where those of the last end.
    starts: Vec<u32>,
    policies: Vec<u32>,
}

impl SelectedBy {
    pub(super) fn new(questions: usize, policies: &[CompiledPolicy]) -> Self {
        let place = |it: &CompiledPolicy| it.selected.and_then(|it| usize::try_from(it).ok());
        let mut starts = vec![0_u32; questions + 1];
        for question in policies.iter().filter_map(place) {
            if let Some(start) = starts.get_mut(question + 1) {
                *start += 1;
            }
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let mut next = starts.clone();
        let mut by_question = vec![0_u32; usize::try_from(sum).unwrap_or_default()];
        for (policy, index) in policies.iter().zip(0_u32..) {
            let next = place(policy).and_then(|it| next.get_mut(it));
            let Some(next) = next else { continue };
            let slot = usize::try_from(*next).ok().and_then(|it| by_question.get_mut(it));
            if let Some(slot) = slot {
                *slot = index;
                *next += 1;
            }
        }
        Self { starts, policies: by_question }
    }

    pub(super) fn of(&self, question: QuestionId) -> &[u32] {
        let Ok(question) = usize::try_from(question) else { return &[] };
        let bound = |idx: usize| self.starts.get(idx).and_then(|it| usize::try_from(*it).ok());
        let (Some(start), Some(end)) = (bound(question), bound(question + 1)) else { return &[] };
        self.policies.get(start..end).unwrap_or_default()
    }
}
