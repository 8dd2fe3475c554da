//! What a new revision changes, so that only what it touches is judged again.

use std::collections::HashMap;
use std::sync::Arc;

use super::class::Class;
use super::compose::policy_selector;
use super::programs::Programs;
use super::truth::Truth;
use super::whereabouts::{Family, FamilySet};
use crate::model::{Direction, Endpoint, PolicyId};
use crate::policy::selector::Node;
use crate::policy::{Cluster, Policy, Types};

/// The difference between two revisions.
#[derive(Clone, Debug, Default)]
pub struct Change {
    is_everything: bool,
    /// Whether the cluster is another one, so that ends may be.
    is_of_ends: bool,
    /// What the policies select that came, went or changed, before and after, each with the directions it governs.
    selectors: Vec<(Types, Node)>,
    /// For each policy of the old set its place in the new one.
    places: Vec<Option<u32>>,
}

/// What a change does to the edges of one endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Touched {
    /// Edges into it may be judged otherwise than before.
    pub ingress: bool,
    /// Edges out of it may be.
    pub egress: bool,
    /// Edges of others may be, of which it is the peer.
    pub as_peer: bool,
}

impl Touched {
    const ALL: Self = Self { ingress: true, egress: true, as_peer: true };

    /// Tells whether the edges of one direction may be judged otherwise.
    #[must_use]
    pub const fn as_subject(self, direction: Direction) -> bool {
        match direction {
            Direction::Ingress => self.ingress,
            Direction::Egress => self.egress,
        }
    }
}

impl Change {
    /// Compares two revisions. Where the later one was not compiled from the earlier, or one from it, everything is
    /// taken for changed.
    pub(super) fn between(before: &Programs, after: &Programs) -> Self {
        let (old, new) = (before.set().policies(), after.set().policies());
        let mut change = Self { places: places(old, new), ..Self::default() };
        if !after.continues(before) || before.set().tiers() != after.set().tiers() {
            change.is_everything = true;
            return change;
        }
        if !std::ptr::eq(before.roster(), after.roster()) {
            change.is_of_ends = true;
            change.is_everything = reaches_beyond_ends(before, after);
        }
        let mut selectors = Vec::new();
        let mut touch = |it: &Policy| selectors.push((it.types, policy_selector(it)));
        for (policy, place) in old.iter().zip(&change.places) {
            let next = place.and_then(|it| new.get(usize::try_from(it).ok()?));
            if next.is_none_or(|it| !is_same(policy, it)) {
                touch(policy);
                next.into_iter().for_each(|it| touch(it));
            }
        }
        let origins = origins(&change.places, new.len());
        let came = new.iter().zip(&origins).filter(|(_, origin)| origin.is_none());
        came.for_each(|(policy, _)| touch(policy));
        change.selectors = selectors;
        change
    }

    /// Returns where a policy of the old set stands in the new one.
    pub(super) fn place(&self, old: u32) -> Option<u32> {
        *self.places.get(usize::try_from(old).ok()?)?
    }

    /// Tells whether nothing that was judged before stands: tiers or profiles have changed, say.
    #[must_use]
    pub const fn is_everything(&self) -> bool {
        self.is_everything
    }

    /// Tells which edges of an endpoint may be judged otherwise by `after` than by `before`, which must be the
    /// programs that were compared.
    #[must_use]
    pub fn touched(&self, before: &Programs, after: &Programs, endpoint: &Endpoint) -> Touched {
        if self.is_everything || (self.is_of_ends && is_another(before, after, endpoint)) {
            return Touched::ALL;
        }
        let mut touched = Touched::default();
        if self.selectors.is_empty() {
            return touched;
        }
        let party = after.party(endpoint);
        let Some(labels) = party.labels.as_deref() else { return touched };
        for (types, node) in &self.selectors {
            let is_new = (types.ingress && !touched.ingress) || (types.egress && !touched.egress);
            if is_new && labels.satisfy(node) != Truth::False {
                touched.ingress |= types.ingress;
                touched.egress |= types.egress;
            }
        }
        touched
    }
}

/// Tells whether a change of the cluster may show in edges of which both ends are what they were: by the profiles of
/// host endpoints, or by the IP versions that pods have.
fn reaches_beyond_ends(before: &Programs, after: &Programs) -> bool {
    let (old, new): (&Cluster, &Cluster) = (before.set().cluster(), after.set().cluster());
    let names = |it: &Cluster| it.namespaces.iter().map(|it| it.name.clone()).collect::<Vec<_>>();
    let has_hosts = !(old.host_endpoints.is_empty() && new.host_endpoints.is_empty());
    old.profiles != new.profiles
        || before.roster().families() != after.roster().families()
        || (has_hosts && names(old) != names(new))
}

/// Tells whether an endpoint answers some question of `before` otherwise under `after`.
fn is_another(before: &Programs, after: &Programs, endpoint: &Endpoint) -> bool {
    let (old, new) = (answers(before, endpoint), answers(after, endpoint));
    let asked = before.questions().len();
    let mut classes = old.1.iter().zip(&new.1);
    old.0 != new.0 || old.1.len() != new.1.len() || !classes.all(|(old, new)| old.agrees(new, asked))
}

/// Returns the classes of an endpoint, and the IP versions that its address may have.
fn answers(programs: &Programs, endpoint: &Endpoint) -> (FamilySet, Vec<Class>) {
    let party = programs.party(endpoint);
    let families = party.whereabouts.families();
    let asked = match party.whereabouts.address() {
        Some(_) => vec![families.single()],
        None => vec![Some(Family::V4), Some(Family::V6), None],
    };
    (families, asked.into_iter().map(|it| programs.class(&party, it)).collect())
}

/// Tells whether two policies are one. Sets that came one from the other share what did not change.
pub(super) fn is_same(one: &Arc<Policy>, other: &Arc<Policy>) -> bool {
    Arc::ptr_eq(one, other) || one == other
}

/// Finds the policies of the old set in the new one. Both are sorted alike, so they are found in one pass as long as
/// differences stand alone; the rest is looked up.
pub(super) fn places(old: &[Arc<Policy>], new: &[Arc<Policy>]) -> Vec<Option<u32>> {
    let mut places: Vec<Option<u32>> = Vec::with_capacity(old.len());
    let mut at = 0;
    let is = |idx: usize, policy: &Arc<Policy>| {
        new.get(idx).is_some_and(|it| Arc::ptr_eq(it, policy) || it.id == policy.id)
    };
    for (idx, policy) in old.iter().enumerate() {
        let next = old.get(idx + 1);
        let place = if is(at, policy) {
            at
        } else if is(at + 1, policy) {
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

fn looked_up(old: &[Arc<Policy>], new: &[Arc<Policy>]) -> Vec<Option<u32>> {
    let by_id: HashMap<&PolicyId, u32> = new.iter().map(|it| &it.id).zip(0_u32..).collect();
    old.iter().map(|it| by_id.get(&it.id).copied()).collect()
}

/// Returns for each of `count` new policies its place in the old set.
pub(super) fn origins(places: &[Option<u32>], count: usize) -> Vec<Option<usize>> {
    let mut origins = vec![None; count];
    for (old, new) in places.iter().enumerate() {
        let slot = new.and_then(|it| origins.get_mut(usize::try_from(it).ok()?));
        if let Some(slot) = slot {
            *slot = Some(old);
        }
    }
    origins
}
