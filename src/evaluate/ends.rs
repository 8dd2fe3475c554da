//! A judge's table of ends: which class each is of, and which plan a class has.

use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::class::Class;
use super::plan::Plan;
use super::programs::Programs;
use super::whereabouts::{Family, FamilySet};
use crate::model::{Direction, Endpoint, EndpointKind, IpAddr, IpNet};

/// Named ends beyond this many are forgotten all at once: half a million replicas and hosts, some hundred megabytes.
/// Forgetting costs a new resolution for each, and no judgement.
const NAMED_MAX: usize = 500_000;

/// A class by its place in the table.
type ClassId = u32;

/// One end: the versions its address may have, with its class in each.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct End {
    pub(super) families: FamilySet,
    v4: Option<ClassId>,
    v6: Option<ClassId>,
}

impl End {
    const fn class(&self, family: Family) -> Option<ClassId> {
        match family {
            Family::V4 => self.v4,
            Family::V6 => self.v6,
        }
    }
}

/// An end by its place in the table; ends of one class in both versions share it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct EndId(pub(super) u32);

/// What tells apart addresses that nothing in the catalog holds: the longest prefix of a network set, and the longest
/// that a rule names.
type AddressRange = (Family, Option<IpNet>, Option<IpNet>);

type Map<K, V> = HashMap<K, V, FixedState>;

/// The ends that a judge has met.
#[derive(Debug, Default)]
pub(super) struct Ends {
    named: Map<Endpoint, EndId>,
    ranges: Map<AddressRange, EndId>,
    ends: Vec<End>,
    end_ids: Map<End, EndId>,
    classes: Vec<Arc<Class>>,
    class_ids: Map<Arc<Class>, ClassId>,
    plans: Vec<[Option<Arc<Plan>>; 2]>,
}

impl Ends {
    /// Returns the end of an endpoint, and meets it if it is new.
    pub(super) fn id(&mut self, programs: &Programs, endpoint: &Endpoint) -> EndId {
        if let Some(id) = self.named.get(endpoint) {
            return *id;
        }
        if endpoint.kind == EndpointKind::Network
            && let Some(address) = endpoint.address
            && programs.roster().holders(&address).is_empty()
        {
            return self.of_address(programs, endpoint, address);
        }
        let id = self.resolve(programs, endpoint);
        if self.named.len() >= NAMED_MAX {
            self.named.clear();
        }
        self.named.insert(endpoint.clone(), id);
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
        let mut class =
            |family| families.contains(family).then(|| self.class_id(programs.class(&party, family)));
        let end = End { families, v4: class(Family::V4), v6: class(Family::V6) };
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
        self.plans.push([None, None]);
        id
    }

    pub(super) fn end(&self, id: EndId) -> Option<End> {
        self.ends.get(usize::try_from(id.0).ok()?).copied()
    }

    /// Returns the class of an end in one version.
    pub(super) fn class(&self, end: End, family: Family) -> Option<&Class> {
        self.classes.get(usize::try_from(end.class(family)?).ok()?).map(Arc::as_ref)
    }

    /// Returns the class of an end in whichever version it has: for records whose two addresses do not go together.
    pub(super) fn any_class(&self, end: End) -> Option<&Class> {
        Family::BOTH.into_iter().find_map(|it| self.class(end, it))
    }

    /// Returns the plan of an end, made when first asked for. Which policies select an end does not depend on the
    /// version of its address.
    pub(super) fn plan(&mut self, programs: &Programs, end: End, direction: Direction) -> Option<Arc<Plan>> {
        let idx = usize::try_from(end.v4.or(end.v6)?).ok()?;
        let class = self.classes.get(idx)?;
        let [ingress, egress] = self.plans.get_mut(idx)?;
        let plan = match direction {
            Direction::Ingress => ingress,
            Direction::Egress => egress,
        };
        Some(Arc::clone(plan.get_or_insert_with(|| Arc::new(Plan::new(programs, class, direction)))))
    }

    pub(super) fn classes_len(&self) -> usize {
        self.classes.len()
    }

    /// Estimates the memory held, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let classes: usize = self.classes.iter().map(|it| it.bytes()).sum();
        let plans: usize = self.plans.iter().flatten().flatten().map(|it| it.bytes()).sum();
        let named = self.named.capacity() * (size_of::<Endpoint>() + size_of::<EndId>() + 1);
        classes + plans + named
    }
}
