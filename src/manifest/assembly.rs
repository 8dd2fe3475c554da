//! From the objects of all files to one policy set.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::error::{Error, Warning};
use super::nearest::nearest;
use super::object::{Identity, Item, Object};
use super::revision;
use crate::model::{CalicoVersion, Name};
use crate::policy::{Cluster, Policy, PolicySet, Tier};

/// A policy set, and what was found strange on the way.
#[derive(Clone, PartialEq, Debug)]
pub struct Assembled {
    /// The set.
    pub set: PolicySet,
    /// What is hardly meant as it is written, by place.
    pub warnings: Vec<Warning>,
}

/// Makes a policy set of objects. The order in which they come makes no difference.
///
/// # Errors
///
/// Where two objects have one identity; the error names both places.
pub fn assemble(objects: impl IntoIterator<Item = Object>) -> Result<Assembled, Vec<Error>> {
    assemble_for(objects, CalicoVersion::NEWEST)
}

/// As [`assemble`], by the rules of the release of Calico that the objects were read for.
///
/// # Errors
///
/// As [`assemble`].
pub fn assemble_for(
    objects: impl IntoIterator<Item = Object>,
    version: CalicoVersion,
) -> Result<Assembled, Vec<Error>> {
    let mut unique: BTreeMap<Identity, Object> = BTreeMap::new();
    let mut errors = Vec::new();
    for object in objects {
        let identity = object.item.identity();
        match unique.get(&identity) {
            None => drop(unique.insert(identity, object)),
            Some(first) => errors.push(twice(&identity, first, &object, version)),
        }
    }
    if !errors.is_empty() {
        errors.sort_by(|a, b| a.place.cmp(&b.place));
        return Err(errors);
    }
    let revision = revision::of(unique.values().map(|it| &it.item), version);
    let mut warnings: Vec<Warning> = unique.values().flat_map(|it| it.warnings.iter().cloned()).collect();
    warnings.extend(dangling(&unique, version));
    warnings.sort();
    let (mut tiers, mut policies, mut cluster) = (Vec::new(), Vec::<Arc<Policy>>::new(), Cluster::default());
    for Object { item, .. } in unique.into_values() {
        match item {
            Item::Tier(tier) => tiers.push(tier),
            Item::Policy(policy) => policies.push(Arc::from(policy)),
            Item::NetworkSet(set) => cluster.network_sets.push(set),
            Item::HostEndpoint(endpoint) => cluster.host_endpoints.push(endpoint),
            Item::Profile(profile) => cluster.profiles.push(profile),
            Item::Namespace(namespace) => cluster.namespaces.push(namespace),
            Item::ServiceAccount(account) => cluster.service_accounts.push(account),
            Item::Workload(workload) => cluster.workloads.push(workload),
            Item::Service(slice) => cluster.services.push(slice),
            Item::Unused(_) => {}
        }
    }
    // The tiers of the older admin kinds exist wherever such a policy does.
    for tier in implied_tiers(version) {
        if policies.iter().any(|it| it.tier == tier.name) && !tiers.iter().any(|it| it.name == tier.name) {
            tiers.push(tier);
        }
    }
    let set = PolicySet::of_version(version, tiers, policies, Arc::new(cluster), revision);
    Ok(Assembled { set, warnings })
}

fn twice(
    Identity { kind, namespace, name }: &Identity,
    first: &Object,
    second: &Object,
    version: CalicoVersion,
) -> Error {
    // The place that comes first is named as the first, whatever the order of reading.
    let (first, second) = if first.place <= second.place { (first, second) } else { (second, first) };
    let cause = if version.has_tier_in_names() && first.written != second.written {
        format!(
            "`{}` and `{}` are one policy in Calico {version}, which stands twice, first in {}",
            first.written, second.written, first.place
        )
    } else {
        format!("the object stands twice, first in {}", first.place)
    };
    let object = match namespace {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    };
    Error {
        place: second.place.clone(),
        object: Some(Name::from(object)),
        path: String::new(),
        cause,
        hint: None,
    }
}

/// The tiers that exist wherever a policy is in them: those of the older admin kinds, from the release on that brought
/// these.
fn implied_tiers(version: CalicoVersion) -> Vec<Tier> {
    if version < CalicoVersion::V3_29 { Vec::new() } else { Tier::of_older_admin_kinds().into() }
}

/// Finds policies in tiers that do not exist.
fn dangling(objects: &BTreeMap<Identity, Object>, version: CalicoVersion) -> Vec<Warning> {
    let mut known: BTreeSet<Name> =
        Tier::built_in_of(version).into_iter().chain(implied_tiers(version)).map(|it| it.name).collect();
    known.extend(objects.values().filter_map(|it| match &it.item {
        Item::Tier(tier) => Some(tier.name.clone()),
        Item::Policy(_)
        | Item::NetworkSet(_)
        | Item::HostEndpoint(_)
        | Item::Profile(_)
        | Item::Namespace(_)
        | Item::ServiceAccount(_)
        | Item::Workload(_)
        | Item::Service(_)
        | Item::Unused(_) => None,
    }));
    let mut warnings = Vec::new();
    for (Identity { kind, .. }, Object { item, place, .. }) in objects {
        let Item::Policy(policy) = item else { continue };
        if known.contains(&policy.tier) {
            continue;
        }
        let namespace = policy.id.namespace.as_ref().map(|it| format!("{it}/")).unwrap_or_default();
        let meant = nearest(&policy.tier, known.iter().map(Name::as_str));
        let meant = meant.map(|it| format!("; did you mean `{it}`?")).unwrap_or_default();
        warnings.push(Warning {
            place: place.clone(),
            object: Some(Name::from(format!("{kind} {namespace}{}", policy.id.name))),
            path: "spec.tier".to_owned(),
            cause: format!(
                "the tier `{}` does not exist; the policy is evaluated last, and its tier ends in deny{meant}",
                policy.tier
            ),
        });
    }
    warnings
}
