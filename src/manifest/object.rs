//! What a manifest holds.

use super::error::{Place, Warning};
use crate::model::Name;
use crate::policy::{
    HostEndpoint, Namespace, NetworkSet, Policy, Profile, ServiceAccount, ServiceEndpoints, Tier, Workload,
};

/// One object, and where it was read.
#[derive(Clone, PartialEq, Debug)]
pub struct Object {
    /// What it is.
    pub item: Item,
    /// Its name as the manifest has it. That of a policy may be another: a stored object keeps the name that its author
    /// gave it in an annotation, and before Calico 3.32 two names may be one policy's.
    pub written: Name,
    /// Where it begins.
    pub place: Place,
    /// What is hardly meant as it is written.
    pub warnings: Vec<Warning>,
}

/// The value of an object.
#[derive(Clone, PartialEq, Debug)]
pub enum Item {
    /// A tier.
    Tier(Tier),
    /// A policy of any kind.
    Policy(Box<Policy>),
    /// A network set, of a namespace or global.
    NetworkSet(NetworkSet),
    /// A host endpoint.
    HostEndpoint(HostEndpoint),
    /// A profile that was written by hand.
    Profile(Profile),
    /// A namespace.
    Namespace(Namespace),
    /// A service account.
    ServiceAccount(ServiceAccount),
    /// A pod to which policy applies.
    Workload(Workload),
    /// An endpoint slice.
    Service(ServiceEndpoints),
    /// An object that was understood and has no say.
    Unused(Unused),
}

/// An object of a kind that is known, which has no say in what policy does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unused {
    /// The kind.
    pub kind: &'static str,
    /// The namespace.
    pub namespace: Option<Name>,
    /// The name.
    pub name: Name,
    /// Why it has no say.
    pub reason: &'static str,
}

/// What may stand only once: kind, namespace and name. The storage form of a kind is the same kind.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Identity {
    pub(super) kind: &'static str,
    pub(super) namespace: Option<Name>,
    pub(super) name: Name,
}

impl Item {
    pub(super) fn identity(&self) -> Identity {
        let (kind, namespace, name) = match self {
            Self::Tier(it) => ("Tier", None, &it.name),
            Self::Policy(it) => (it.id.kind.as_str(), it.id.namespace.as_ref(), &it.id.name),
            Self::NetworkSet(it) if it.namespace.is_none() => ("GlobalNetworkSet", None, &it.name),
            Self::NetworkSet(it) => ("NetworkSet", it.namespace.as_ref(), &it.name),
            Self::HostEndpoint(it) => ("HostEndpoint", None, &it.name),
            Self::Profile(it) => ("Profile", None, &it.name),
            Self::Namespace(it) => ("Namespace", None, &it.name),
            Self::ServiceAccount(it) => ("ServiceAccount", Some(&it.namespace), &it.name),
            Self::Workload(it) => ("Pod", Some(&it.namespace), &it.name),
            Self::Service(it) => ("EndpointSlice", Some(&it.namespace), &it.slice),
            Self::Unused(it) => (it.kind, it.namespace.as_ref(), &it.name),
        };
        Identity { kind, namespace: namespace.cloned(), name: name.clone() }
    }
}
