//! What a new revision changes, so that only what it touches is judged again.

use std::collections::HashMap;

use super::compose::policy_selector;
use super::programs::Programs;
use super::truth::Truth;
use crate::model::{Direction, Endpoint, PolicyId};
use crate::policy::selector::Node;
use crate::policy::{Policy, Types};

/// The difference between two revisions.
#[derive(Clone, Debug, Default)]
pub struct Change {
    is_everything: bool,
    /// What the policies select that came, went or changed, before and after, each with the directions it governs.
    selectors: Vec<(Types, Node)>,
    /// For each policy of the old set its place in the new one.
    places: Vec<Option<u32>>,
}

impl Change {
    pub(super) const fn new(places: Vec<Option<u32>>) -> Self {
        Self { is_everything: false, selectors: Vec::new(), places }
    }

    pub(super) const fn everything(places: Vec<Option<u32>>) -> Self {
        Self { is_everything: true, selectors: Vec::new(), places }
    }

    pub(super) const fn touch_everything(&mut self) {
        self.is_everything = true;
    }

    pub(super) fn touch(&mut self, policy: &Policy) {
        self.selectors.push((policy.types, policy_selector(policy)));
    }

    pub(super) fn touch_removed(&mut self, old: &[Policy]) {
        for (policy, place) in old.iter().zip(&self.places) {
            if place.is_none() {
                self.selectors.push((policy.types, policy_selector(policy)));
            }
        }
    }

    /// Returns for each of `count` new policies its place in the old set.
    pub(super) fn origins(&self, count: usize) -> Vec<Option<usize>> {
        let mut origins = vec![None; count];
        for (old, new) in self.places.iter().enumerate() {
            let slot = new.and_then(|it| origins.get_mut(usize::try_from(it).ok()?));
            if let Some(slot) = slot {
                *slot = Some(old);
            }
        }
        origins
    }

    /// Returns where a policy of the old set stands in the new one.
    pub(super) fn place(&self, old: u32) -> Option<u32> {
        *self.places.get(usize::try_from(old).ok()?)?
    }

    /// Tells whether tiers or cluster have changed, so that nothing that was judged before stands.
    #[must_use]
    pub const fn is_everything(&self) -> bool {
        self.is_everything
    }

    /// Tells whether the judgement of an endpoint's edges may be another than before. `programs` are the new ones.
    #[must_use]
    pub fn touches(&self, programs: &Programs, direction: Direction, subject: &Endpoint) -> bool {
        if self.is_everything {
            return true;
        }
        let party = programs.party(subject);
        let Some(labels) = party.labels.as_deref() else { return false };
        let governing = self.selectors.iter().filter(|(types, _)| types.governs(direction));
        governing.into_iter().any(|(_, node)| labels.satisfy(node) != Truth::False)
    }
}

/// Finds the policies of the old set in the new one. Both are sorted alike, so they are found in one pass as long as
/// differences stand alone; the rest is looked up.
pub(super) fn places(old: &[Policy], new: &[Policy]) -> Vec<Option<u32>> {
    let mut places: Vec<Option<u32>> = Vec::with_capacity(old.len());
    let mut at = 0;
    let is = |idx: usize, id: &PolicyId| new.get(idx).is_some_and(|it| it.id == *id);
    for (idx, policy) in old.iter().enumerate() {
        let next = old.get(idx + 1).map(|it| &it.id);
        let place = if is(at, &policy.id) {
            at
        } else if is(at + 1, &policy.id) {
            at + 1
        } else if next.is_some_and(|it| is(at, it)) || (next.is_none() && at >= new.len()) {
            places.push(None);
            continue;
        } else {
            return looked_up(old, new);
        };
        places.push(u32::try_from(place).ok());
        at = place + 1;
    }
    places
}

fn looked_up(old: &[Policy], new: &[Policy]) -> Vec<Option<u32>> {
    let by_id: HashMap<&PolicyId, u32> = new.iter().map(|it| &it.id).zip(0_u32..).collect();
    old.iter().map(|it| by_id.get(&it.id).copied()).collect()
}
