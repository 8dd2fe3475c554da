//! What a rule can call a peer, given what is known of the cluster.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{IpAddr, IpNet, LabelSet, Name, Protocol};
use crate::policy::{Cluster, NetworkSet, ServiceEndpoints};

/// Names for peers. What it gives out is known to select the peer, and as little else as the language allows.
#[derive(Debug)]
pub(super) struct Naming<'a> {
    cluster: &'a Cluster,
    services: BTreeMap<(&'a Name, &'a Name), Vec<&'a ServiceEndpoints>>,
    hosts: Option<HostName>,
    host_addresses: BTreeSet<IpAddr>,
}

/// How rules name a network set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum SetName {
    /// By a label that nothing else in its scope carries.
    Label(Name, Name),
    /// By its prefixes: no label tells it from the rest.
    Nets(Vec<IpNet>),
}

/// How rules name hosts. `global()` selects whatever has no namespace, which are global network sets too; a rule
/// sees a host by the addresses of its host endpoint alone, and there is no label that every host must have.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum HostName {
    /// By a label that every host endpoint carries and no global network set.
    Label(Name),
    /// By having no namespace: there is no global network set.
    Global,
}

/// The name by which Calico's own objects carry theirs.
const NAME_LABEL: &str = "projectcalico.org/name";
/// Labels of nodes, which automatic host endpoints take over.
const HOST_LABELS: [&str; 2] = ["kubernetes.io/hostname", "kubernetes.io/os"];

impl<'a> Naming<'a> {
    /// Looks at the cluster.
    pub(super) fn new(cluster: &'a Cluster) -> Self {
        let mut services = BTreeMap::<_, Vec<_>>::new();
        for endpoints in &cluster.services {
            services.entry((&endpoints.namespace, &endpoints.service)).or_default().push(endpoints);
        }
        let host_addresses =
            cluster.host_endpoints.iter().flat_map(|it| it.expected_ips.iter().copied()).collect();
        Self { cluster, services, hosts: host_name(cluster), host_addresses }
    }

    /// Tells whether a rule that names the Service is known to match this backend, port and protocol.
    ///
    /// A peer whose address is known must be among the backends. SCTP is left out: Calico's checker matches no SCTP
    /// port of a Service.
    pub(super) fn service_has(
        &self,
        (namespace, name): (&Name, &Name),
        protocol: Protocol,
        port: Option<u16>,
        address: Option<IpAddr>,
    ) -> bool {
        let Some(port) = port.filter(|_| protocol != Protocol::SCTP) else { return false };
        let slices = self.services.get(&(namespace, name)).map_or(&[][..], Vec::as_slice);
        slices.iter().any(|slice| {
            let backend = match address {
                Some(address) => slice.addresses.contains(&address),
                None => !slice.addresses.is_empty(),
            };
            backend && slice.ports.iter().any(|it| it.protocol == protocol && it.port == Some(port))
        })
    }

    /// Returns how to name a network set; nothing when it is not known, or has neither a label nor prefixes.
    pub(super) fn network_set(&self, namespace: Option<&Name>, name: &Name) -> Option<SetName> {
        let is_it = |it: &&NetworkSet| it.namespace.as_ref() == namespace && it.name == *name;
        let set = self.cluster.network_sets.iter().find(is_it)?;
        let by_name = set.labels.get(NAME_LABEL).map(|value| (NAME_LABEL, value));
        let labels = by_name.into_iter().chain(set.labels.iter().map(|(key, value)| (key.as_str(), value)));
        for (key, value) in labels {
            if self.is_unique_to(set, key, value) {
                return Some(SetName::Label(Name::from(key), value.clone()));
            }
        }
        let nets: BTreeSet<IpNet> = set.nets.iter().map(IpNet::trunc).collect();
        (!nets.is_empty()).then(|| SetName::Nets(nets.into_iter().collect()))
    }

    /// Returns how to name the host with this address; nothing when only the address itself can.
    pub(super) fn host(&self, address: Option<IpAddr>) -> Option<HostName> {
        let known = address.is_none_or(|it| self.host_addresses.contains(&it));
        self.hosts.clone().filter(|_| known)
    }

    /// Returns the addresses of all hosts that are known.
    pub(super) const fn host_addresses(&self) -> &BTreeSet<IpAddr> {
        &self.host_addresses
    }

    /// Tells whether of all that a rule's selector sees in the set's scope only the set has this label.
    fn is_unique_to(&self, set: &NetworkSet, key: &str, value: &Name) -> bool {
        let has = |labels: &LabelSet| labels.get(key) == Some(value);
        let sets = self.cluster.network_sets.iter().filter(|it| it.namespace == set.namespace);
        let other_set = sets.filter(|it| it.name != set.name).any(|it| has(&it.labels));
        let other_endpoint = match &set.namespace {
            Some(namespace) => {
                self.cluster.workloads.iter().any(|it| it.namespace == *namespace && has(&it.labels))
            }
            None => self.cluster.host_endpoints.iter().any(|it| has(&it.labels)),
        };
        !other_set && !other_endpoint
    }
}

fn host_name(cluster: &Cluster) -> Option<HostName> {
    let hosts = &cluster.host_endpoints;
    let first = hosts.first()?;
    let global_sets: Vec<_> = cluster.network_sets.iter().filter(|it| it.namespace.is_none()).collect();
    if global_sets.is_empty() {
        return Some(HostName::Global);
    }
    let mut keys = HOST_LABELS.into_iter().chain(first.labels.iter().map(|(key, _)| key.as_str()));
    let usable = keys.find(|key| {
        hosts.iter().all(|it| it.labels.get(key).is_some())
            && global_sets.iter().all(|it| it.labels.get(key).is_none())
    });
    usable.map(|key| HostName::Label(Name::from(key)))
}
