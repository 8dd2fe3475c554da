//! A judge's table of ends: which class each is of, and which plan a class has.

use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashTable};

use super::class::Class;
use super::plan::Plan;
use super::programs::Programs;
use super::whereabouts::{Family, FamilySet};
use crate::model::{Direction, Endpoint, EndpointKind, IpAddr, IpNet, LabelSet};

/// Named ends beyond this many are forgotten all at once: half a million replicas and hosts, some hundred megabytes.
/// Forgetting costs a new resolution for each, and no judgement.
const NAMED_MAX: usize = 500_000;

/// A class by its place in the table.
type ClassId = u32;

/// One end: the versions its address may have, with its class as an address of each, and of either.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct End {
    pub(super) families: FamilySet,
    v4: ClassId,
    v6: ClassId,
    either: ClassId,
}

impl End {
    const fn class(&self, family: Option<Family>) -> ClassId {
        match family {
            Some(Family::V4) => self.v4,
            Some(Family::V6) => self.v6,
            None => self.either,
        }
    }
}

/// An end by its place in the table; ends of one class in both versions share it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct EndId(pub(super) u32);

/// What tells apart addresses that nothing in the catalog holds, and no Service is served at: the longest prefix of a network set, and the longest
/// that a rule names.
type AddressRange = (Family, Option<IpNet>, Option<IpNet>);

type Map<K, V> = HashMap<K, V, FixedState>;

/// The plans of a class, as far as they were asked for.
#[derive(Debug, Default)]
struct Plans {
    ingress: Option<Plan>,
    egress: Option<Plan>,
}

impl Plans {
    const fn of(&self, direction: Direction) -> Option<&Plan> {
        match direction {
            Direction::Ingress => self.ingress.as_ref(),
            Direction::Egress => self.egress.as_ref(),
        }
    }

    const fn of_mut(&mut self, direction: Direction) -> &mut Option<Plan> {
        match direction {
            Direction::Ingress => &mut self.ingress,
            Direction::Egress => &mut self.egress,
        }
    }

    fn bytes(&self) -> usize {
        let plans = [&self.ingress, &self.egress].into_iter().flatten();
        size_of::<Self>() + plans.map(Plan::bytes).sum::<usize>()
    }
}

/// An endpoint that was met, as it was spelled.
#[derive(Debug)]
struct Named {
    endpoint: Endpoint,
    id: EndId,
}

impl Named {
    /// Hashes what tells endpoints apart. Of labels the lengths do: those that share a name seldom differ in labels,
    /// whose text lies scattered over the memory, and is compared at the end anyway.
    fn hash(endpoint: &Endpoint) -> u64 {
        let Endpoint { kind, namespace, name, name_scope: _, address, labels } = endpoint;
        let mut state = FixedState::default().build_hasher();
        (kind, namespace, name, address).hash(&mut state);
        for (key, value) in labels.iter().flat_map(LabelSet::iter) {
            state.write_usize((key.len() << 16) ^ value.len());
        }
        state.finish()
    }
}

/// The ends that a judge has met.
#[derive(Debug, Default)]
pub(super) struct Ends {
    named: HashTable<Named>,
    ranges: Map<AddressRange, EndId>,
    ends: Vec<End>,
    end_ids: Map<End, EndId>,
    classes: Vec<Arc<Class>>,
    class_ids: Map<Arc<Class>, ClassId>,
    plans: Vec<Plans>,
}

impl Ends {
    /// Returns the end of an endpoint, and meets it if it is new.
    pub(super) fn id(&mut self, programs: &Programs, endpoint: &Endpoint) -> EndId {
        let hash = Named::hash(endpoint);
        if let Some(known) = self.named.find(hash, |it| it.endpoint == *endpoint) {
            return known.id;
        }
        if endpoint.kind == EndpointKind::Network
            && let Some(address) = endpoint.address
            && programs.roster().holders(&address).is_empty()
            && !programs.roster().serves(&address)
        {
            return self.of_address(programs, endpoint, address);
        }
        let id = self.resolve(programs, endpoint);
        if self.named.len() >= NAMED_MAX {
            self.named.clear();
        }
        let named = Named { endpoint: endpoint.clone(), id };
        self.named.insert_unique(hash, named, |it| Named::hash(&it.endpoint));
        id
    }

    fn of_address(&mut self, programs: &Programs, endpoint: &Endpoint, address: IpAddr) -> EndId {
        let range = (
            Family::of(&address),
            programs.roster().longest_set_net(address),
            programs.questions().longest_net(address),
        );
        if let Some(id) = self.ranges.get(&range) {
            return *id;
        }
        let id = self.resolve(programs, endpoint);
        self.ranges.insert(range, id);
        id
    }

    fn resolve(&mut self, programs: &Programs, endpoint: &Endpoint) -> EndId {
        let party = programs.party(endpoint);
        let families = party.whereabouts.families();
        // An address that is known has one version, whatever the other end says.
        let end = if party.whereabouts.address().is_some() {
            let only = self.class_id(programs.class(&party, families.single()));
            End { families, v4: only, v6: only, either: only }
        } else {
            let mut class = |family| self.class_id(programs.class(&party, family));
            End { families, v4: class(Some(Family::V4)), v6: class(Some(Family::V6)), either: class(None) }
        };
        if let Some(id) = self.end_ids.get(&end) {
            return *id;
        }
        let id = EndId(u32::try_from(self.ends.len()).unwrap_or(u32::MAX));
        self.ends.push(end);
        self.end_ids.insert(end, id);
        id
    }

    fn class_id(&mut self, class: Class) -> ClassId {
        if let Some(id) = self.class_ids.get(&class) {
            return *id;
        }
        let id = ClassId::try_from(self.classes.len()).unwrap_or(ClassId::MAX);
        let class = Arc::new(class);
        self.classes.push(Arc::clone(&class));
        self.class_ids.insert(class, id);
        self.plans.push(Plans::default());
        id
    }

    pub(super) fn end(&self, id: EndId) -> Option<End> {
        self.ends.get(usize::try_from(id.0).ok()?).copied()
    }

    /// Returns the class of an end in one version, or in either.
    pub(super) fn class(&self, end: End, family: Option<Family>) -> Option<&Class> {
        self.classes.get(usize::try_from(end.class(family)).ok()?).map(Arc::as_ref)
    }

    /// Makes the plan of an end, if it was not asked for before. Which policies select an end does not depend on the
    /// version of its address.
    pub(super) fn make_plan(&mut self, programs: &Programs, end: End, direction: Direction) {
        let Ok(idx) = usize::try_from(end.either) else { return };
        if let (Some(class), Some(plans)) = (self.classes.get(idx), self.plans.get_mut(idx)) {
            plans.of_mut(direction).get_or_insert_with(|| Plan::new(programs, class, direction));
        }
    }

    /// Returns the plan that was made.
    pub(super) fn plan(&self, end: End, direction: Direction) -> Option<&Plan> {
        self.plans.get(usize::try_from(end.either).ok()?)?.of(direction)
    }

    pub(super) fn classes_len(&self) -> usize {
        self.classes.len()
    }

    /// Estimates the memory held, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let classes: usize = self.classes.iter().map(|it| it.bytes()).sum();
        let plans: usize = self.plans.iter().map(Plans::bytes).sum();
        let named = self.named.capacity() * (size_of::<Named>() + 1);
        classes + plans + named
    }
}
