//! A judge's table of ends: which class each is of, and which plan a class has.

use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashTable};

use super::class::Class;
use super::party::Owner;
use super::plan::Plan;
use super::programs::Programs;
use super::verdict::JudgementId;
use super::whereabouts::{Family, FamilySet};
use crate::model::{Direction, Endpoint, EndpointKind, IpAddr, IpNet, LabelSet};

/// Named ends beyond this many are forgotten all at once: half a million replicas and hosts, some hundred megabytes.
/// Forgetting costs a new resolution for each, and no judgement.
const NAMED_MAX: usize = 500_000;

/// Bytes of classes and plans beyond which all are forgotten at once. A class takes a bit for each question of the
/// policies; a judge that knows 3,000 classes at 10,000 policies, and 100,000 edges, holds nine megabytes in all.
const BYTES_MAX: usize = 256 << 20;

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

/// An end by its place in a [`Judge`](super::Judge)'s table; ends of one class in both versions share it. Valid for the
/// judge that gave it, until that goes on under other programs or forgets what it has met.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct EndId {
    pub(super) place: u32,
    /// How often everything was forgotten before.
    round: u32,
}

/// What tells apart addresses that nothing in the catalog holds, and no Service is served at: the longest prefix of a
/// network set, and the longest that a rule names.
type AddressRange = (Family, Option<IpNet>, Option<IpNet>);

type Map<K, V> = HashMap<K, V, FixedState>;

/// The plans of a class, as far as they were asked for.
#[derive(Debug, Default)]
struct Plans {
    ingress: Planned,
    egress: Planned,
}

/// The plan of a class in one direction.
#[derive(Debug, Default)]
struct Planned {
    plan: Option<Plan>,
    /// The judgement of every connection, where it does not depend on the other end.
    settled: Option<JudgementId>,
}

impl Plans {
    const fn of(&self, direction: Direction) -> &Planned {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }

    const fn of_mut(&mut self, direction: Direction) -> &mut Planned {
        match direction {
            Direction::Ingress => &mut self.ingress,
            Direction::Egress => &mut self.egress,
        }
    }

    fn bytes(&self) -> usize {
        let plans = [&self.ingress, &self.egress].into_iter().flat_map(|it| &it.plan);
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
#[derive(Debug)]
pub(super) struct Ends {
    round: u32,
    bytes_max: usize,
    /// What classes and plans take.
    held: usize,
    named: HashTable<Named>,
    ranges: Map<AddressRange, EndId>,
    ends: Vec<End>,
    end_ids: Map<End, EndId>,
    classes: Vec<Arc<Class>>,
    /// The owner of each class, by number.
    owners: Vec<u32>,
    owner_ids: Map<Owner, u32>,
    class_ids: Map<Arc<Class>, ClassId>,
    plans: Vec<Plans>,
}

impl Ends {
    pub(super) fn new() -> Self {
        Self::bounded(BYTES_MAX)
    }

    pub(super) fn bounded(bytes_max: usize) -> Self {
        Self {
            round: 0,
            bytes_max,
            held: 0,
            named: HashTable::new(),
            ranges: Map::default(),
            ends: Vec::new(),
            end_ids: Map::default(),
            classes: Vec::new(),
            owners: Vec::new(),
            owner_ids: Map::default(),
            class_ids: Map::default(),
            plans: Vec::new(),
        }
    }

    /// Tells whether it holds all that it may. What is met then is forgotten with all the rest when the next is.
    pub(super) const fn is_full(&self) -> bool {
        self.held > self.bytes_max
    }

    /// Forgets everything; ids that were given are void.
    pub(super) fn forget(&mut self) {
        *self = Self { round: self.round.wrapping_add(1), ..Self::bounded(self.bytes_max) };
    }

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
        let id = EndId { place: u32::try_from(self.ends.len()).unwrap_or(u32::MAX), round: self.round };
        self.ends.push(end);
        self.end_ids.insert(end, id);
        id
    }

    fn class_id(&mut self, class: Class) -> ClassId {
        if let Some(id) = self.class_ids.get(&class) {
            return *id;
        }
        let id = ClassId::try_from(self.classes.len()).unwrap_or(ClassId::MAX);
        let owners = u32::try_from(self.owner_ids.len()).unwrap_or(u32::MAX);
        self.owners.push(*self.owner_ids.entry_ref(&class.owner).or_insert(owners));
        self.held += class.bytes();
        let class = Arc::new(class);
        self.classes.push(Arc::clone(&class));
        self.class_ids.insert(class, id);
        self.plans.push(Plans::default());
        id
    }

    /// Returns an end; nothing for one that was forgotten, or that another table gave.
    #[inline]
    pub(super) fn end(&self, id: EndId) -> Option<End> {
        let is_current = id.round == self.round;
        self.ends.get(usize::try_from(id.place).ok()?).copied().filter(|_| is_current)
    }

    /// Returns the owner of an end, by number. It does not depend on the version of the address.
    pub(super) fn owner(&self, end: End) -> u32 {
        let class = usize::try_from(end.either).ok();
        class.and_then(|it| self.owners.get(it)).copied().unwrap_or(u32::MAX)
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
            let held = &mut self.held;
            plans.of_mut(direction).plan.get_or_insert_with(|| {
                let plan = Plan::new(programs, class, direction);
                *held += plan.bytes();
                plan
            });
        }
    }

    /// Returns the plan that was made.
    pub(super) fn plan(&self, end: End, direction: Direction) -> Option<&Plan> {
        self.plans.get(usize::try_from(end.either).ok()?)?.of(direction).plan.as_ref()
    }

    /// Returns the judgement of everything that comes to an end or goes out of it, if it was [settled](Self::settle).
    #[inline]
    pub(super) fn settled(&self, end: End, direction: Direction) -> Option<JudgementId> {
        self.plans.get(usize::try_from(end.either).ok()?)?.of(direction).settled
    }

    /// Remembers a judgement that holds whatever the other end is: no policy applies, and what stands behind the tiers
    /// asks nothing.
    pub(super) fn settle(&mut self, end: End, direction: Direction, judgement: JudgementId) {
        if let Some(plans) = usize::try_from(end.either).ok().and_then(|it| self.plans.get_mut(it)) {
            plans.of_mut(direction).settled = Some(judgement);
        }
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
