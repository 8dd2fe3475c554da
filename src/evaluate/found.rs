//! What a walk finds: possible answers, hits, and what became of the staged policies.

use super::verdict::{Missing, StagedResult};
use crate::model::Action;

/// Who made a hit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Hitter {
    Policy(u32),
    /// A profile, by its place in the owner's list; a pod's first is that of its namespace.
    Profile(u32),
}

/// One hit, in few bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Hit {
    pub(super) by: Hitter,
    pub(super) action: Action,
    /// Nothing for the end of a tier.
    pub(super) rule: Option<u32>,
    /// For the end of a tier, the last policy of it that took part.
    pub(super) last: u32,
}

/// What may become of one staged policy: a set, over everything that may happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Results(u8);

impl Results {
    pub(super) const NO_MATCH: Self = Self(1 << 3);
    pub(super) const NOT_REACHED: Self = Self(1 << 4);
    /// It may not even apply.
    pub(super) const DOUBTFUL: Self = Self(0b11);

    pub(super) const fn of(actions: ActionSet) -> Self {
        Self(actions.0)
    }

    pub(super) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Leaves out what `other` holds.
    pub(super) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(super) const fn bits(self) -> u8 {
        self.0
    }

    /// Returns the result, if it is but one.
    pub(super) const fn single(self) -> StagedResult {
        match self {
            Self(0b001) => StagedResult::Allow,
            Self(0b010) => StagedResult::Deny,
            Self(0b100) => StagedResult::Pass,
            Self::NO_MATCH => StagedResult::NoMatch,
            Self::NOT_REACHED => StagedResult::NotReached,
            Self(_) => StagedResult::Undetermined,
        }
    }
}

/// A set of actions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct ActionSet(u8);

impl ActionSet {
    pub(super) const fn only(action: Action) -> Self {
        match action {
            Action::Allow => Self(0b001),
            Action::Deny => Self(0b010),
            Action::Pass => Self(0b100),
        }
    }

    pub(super) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn has_answer(self) -> bool {
        self.0 & 0b011 != 0
    }

    pub(super) const fn has_pass(self) -> bool {
        self.0 & 0b100 != 0
    }
}

/// What a walk found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
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
    pub(super) staged: Vec<(u32, Results)>,
}

impl Walked {
    pub(super) fn clear(&mut self) {
        let Self { may_allow, may_deny, is_error, missing, hits, hits_before_doubt, staged } = self;
        *may_allow = false;
        *may_deny = false;
        *is_error = false;
        *missing = Missing::NOTHING;
        hits.clear();
        *hits_before_doubt = None;
        staged.clear();
    }
}
