//! The cluster that policies speak about: namespaces, accounts, sets, endpoints.

use crate::model::{IpAddr, IpNet, LabelSet, Name, Protocol};

/// A namespace and its labels.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Namespace {
    /// The name.
    pub name: Name,
    /// The labels.
    pub labels: LabelSet,
}

/// A service account and its labels.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ServiceAccount {
    /// The namespace.
    pub namespace: Name,
    /// The name.
    pub name: Name,
    /// The labels.
    pub labels: LabelSet,
}

/// A `NetworkSet` or, without a namespace, a `GlobalNetworkSet`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct NetworkSet {
    /// The namespace; nothing for a global set.
    pub namespace: Option<Name>,
    /// The name.
    pub name: Name,
    /// The labels that selectors see.
    pub labels: LabelSet,
    /// Its prefixes.
    pub nets: Vec<IpNet>,
    /// Domain names (Calico Enterprise); addresses behind them are not known here.
    pub domains: Vec<String>,
}

/// A port with a name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct NamedPort {
    /// The name.
    pub name: Name,
    /// The protocol.
    pub protocol: Protocol,
    /// The number.
    pub port: u16,
}

/// A pod that policy applies to: scheduled, not host-networked, not finished.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Workload {
    /// The namespace.
    pub namespace: Name,
    /// The pod's name.
    pub name: Name,
    /// The pod's own labels.
    pub labels: LabelSet,
    /// The name of its service account.
    pub service_account: Name,
    /// `metadata.generateName`, by which aggregated records name it with a trailing `*`.
    pub generate_name: Option<Name>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Its named container ports.
    pub ports: Vec<NamedPort>,
}

/// A host endpoint.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct HostEndpoint {
    /// The name.
    pub name: Name,
    /// The node.
    pub node: Name,
    /// The interface, `*` for all.
    pub interface_name: Option<Name>,
    /// The labels.
    pub labels: LabelSet,
    /// The addresses by which rules know it.
    pub expected_ips: Vec<IpAddr>,
    /// Its profiles, in order.
    pub profiles: Vec<Name>,
    /// Its named ports.
    pub ports: Vec<NamedPort>,
}

/// A profile that was written by hand; those of namespaces and service accounts are implied.
#[derive(Clone, PartialEq, Debug)]
pub struct Profile {
    /// The name.
    pub name: Name,
    /// Labels that endpoints with this profile inherit.
    pub labels_to_apply: LabelSet,
    /// Rules for traffic into the endpoint.
    pub ingress: Vec<super::rule::Rule>,
    /// Rules for traffic out of the endpoint.
    pub egress: Vec<super::rule::Rule>,
}

/// One port of a Service's endpoints.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ServicePort {
    /// The name; empty when it has none.
    pub name: Name,
    /// The protocol.
    pub protocol: Protocol,
    /// The pods' port; nothing for any.
    pub port: Option<u16>,
}

/// One `EndpointSlice`: addresses of a Service's endpoints.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ServiceEndpoints {
    /// The Service's namespace.
    pub namespace: Name,
    /// The Service's name.
    pub service: Name,
    /// The slice's own name.
    pub slice: Name,
    /// The addresses.
    pub addresses: Vec<IpAddr>,
    /// The ports, each of every address.
    pub ports: Vec<ServicePort>,
}

/// What is known of the cluster beside its policies. Absence of an object here means *not known*.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Cluster {
    /// Namespaces.
    pub namespaces: Vec<Namespace>,
    /// Service accounts.
    pub service_accounts: Vec<ServiceAccount>,
    /// Network sets, namespaced and global.
    pub network_sets: Vec<NetworkSet>,
    /// Pods.
    pub workloads: Vec<Workload>,
    /// Host endpoints.
    pub host_endpoints: Vec<HostEndpoint>,
    /// Profiles written by hand.
    pub profiles: Vec<Profile>,
    /// Endpoints of Services.
    pub services: Vec<ServiceEndpoints>,
}
