//! The cluster, indexed by name and by address.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use prefix_trie::joint::JointPrefixMap;

use super::labels::{Group, Labels};
use super::whereabouts::{Family, FamilySet};
use crate::model::{IpAddr, IpNet, Name, Protocol};
use crate::policy::{Cluster, NamedPort, Profile};

/// What holds an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Holder {
    /// A pod, by its place in the cluster's list.
    Workload(usize),
    /// A host endpoint, likewise.
    Host(usize),
}

/// A network set, with its labels composed.
#[derive(Debug)]
pub(super) struct SetEntry {
    pub(super) labels: Labels,
    pub(super) nets: Vec<IpNet>,
    pub(super) has_domains: bool,
}

/// The endpoints of one Service, from all its slices.
#[derive(Debug, Default)]
pub(super) struct ServiceEntry {
    pub(super) addresses: HashSet<IpAddr>,
    pub(super) ports: HashMap<IpAddr, Vec<(Protocol, u16)>>,
}

type NamespacedName = (Name, Name);

/// The cluster of one policy set, indexed.
#[derive(Debug)]
pub(super) struct Roster {
    namespaces: HashMap<Name, Arc<Group>>,
    accounts: HashMap<NamespacedName, Arc<Group>>,
    pub(super) workload_labels: Vec<Labels>,
    pub(super) host_labels: Vec<Labels>,
    pub(super) sets: Vec<SetEntry>,
    by_name: HashMap<NamespacedName, usize>,
    by_prefix: HashMap<NamespacedName, Vec<usize>>,
    by_address: HashMap<IpAddr, Vec<Holder>>,
    host_by_name: HashMap<Name, usize>,
    set_by_name: HashMap<(Option<Name>, Name), usize>,
    /// Network sets by their prefixes.
    set_nets: JointPrefixMap<IpNet, Vec<usize>>,
    services: HashMap<NamespacedName, ServiceEntry>,
    /// The addresses of all Services; they need not be those of pods.
    served: HashSet<IpAddr>,
    profiles: HashMap<Name, usize>,
    families: FamilySet,
}

impl Roster {
    pub(super) fn new(cluster: &Cluster) -> Self {
        let namespaces: HashMap<Name, Arc<Group>> = cluster
            .namespaces
            .iter()
            .map(|it| (it.name.clone(), Arc::new(Group::of_namespace(&it.name, &it.labels))))
            .collect();
        let accounts = cluster
            .service_accounts
            .iter()
            .map(|it| {
                let key = (it.namespace.clone(), it.name.clone());
                (key, Arc::new(Group::of_account(&it.name, Some(&it.labels))))
            })
            .collect();
        let mut roster = Self {
            namespaces,
            accounts,
            workload_labels: Vec::with_capacity(cluster.workloads.len()),
            host_labels: Vec::with_capacity(cluster.host_endpoints.len()),
            sets: Vec::with_capacity(cluster.network_sets.len()),
            by_name: HashMap::new(),
            by_prefix: HashMap::new(),
            by_address: HashMap::new(),
            host_by_name: HashMap::new(),
            set_by_name: HashMap::new(),
            set_nets: JointPrefixMap::new(),
            services: HashMap::new(),
            served: HashSet::new(),
            profiles: HashMap::new(),
            families: FamilySet::default(),
        };
        roster.profiles =
            cluster.profiles.iter().enumerate().map(|(idx, it)| (it.name.clone(), idx)).collect();
        roster.add_workloads(cluster);
        roster.add_hosts(cluster);
        roster.add_sets(cluster);
        roster.add_services(cluster);
        roster
    }

    fn add_workloads(&mut self, cluster: &Cluster) {
        for (idx, pod) in cluster.workloads.iter().enumerate() {
            let account = (&pod.service_account, self.account(Some(&pod.namespace), &pod.service_account));
            let namespace = self.namespace(Some(&pod.namespace));
            self.workload_labels.push(Labels::of_workload(
                Some(&pod.labels),
                Some(&pod.namespace),
                namespace,
                Some(account),
            ));
            self.by_name.insert((pod.namespace.clone(), pod.name.clone()), idx);
            if let Some(prefix) = &pod.generate_name {
                self.by_prefix.entry((pod.namespace.clone(), prefix.clone())).or_default().push(idx);
            }
            for address in &pod.addresses {
                self.by_address.entry(*address).or_default().push(Holder::Workload(idx));
                self.families = self.families.with(Family::of(address));
            }
        }
    }

    fn add_hosts(&mut self, cluster: &Cluster) {
        for (idx, host) in cluster.host_endpoints.iter().enumerate() {
            let inherited: Vec<_> = host
                .profiles
                .iter()
                .filter_map(|it| self.profile(cluster, it))
                .map(|it| &it.labels_to_apply)
                .collect();
            self.host_labels.push(Labels::of_host(Some(&host.labels), &inherited));
            self.host_by_name.insert(host.name.clone(), idx);
            for address in &host.expected_ips {
                self.by_address.entry(*address).or_default().push(Holder::Host(idx));
            }
        }
    }

    fn add_sets(&mut self, cluster: &Cluster) {
        for (idx, set) in cluster.network_sets.iter().enumerate() {
            let namespace = set.namespace.as_ref().map(|it| (it, self.namespace(Some(it))));
            let labels = Labels::of_network_set(Some(&set.labels), namespace);
            let mut nets: Vec<IpNet> = set.nets.iter().map(IpNet::trunc).collect();
            nets.sort_unstable();
            nets.dedup();
            for net in &nets {
                self.set_nets.entry(*net).or_default().push(idx);
            }
            // Neighbours that make up a whole stand as the whole, so that it is seen to be covered.
            let nets = IpNet::aggregate(&nets);
            self.set_by_name.insert((set.namespace.clone(), set.name.clone()), idx);
            self.sets.push(SetEntry { labels, nets, has_domains: !set.domains.is_empty() });
        }
    }

    fn add_services(&mut self, cluster: &Cluster) {
        for slice in &cluster.services {
            let entry = self.services.entry((slice.namespace.clone(), slice.service.clone())).or_default();
            for address in &slice.addresses {
                entry.addresses.insert(*address);
                self.served.insert(*address);
                let ports = entry.ports.entry(*address).or_default();
                ports.extend(slice.ports.iter().filter_map(|it| Some((it.protocol, it.port?))));
                ports.sort_unstable();
                ports.dedup();
            }
        }
    }

    /// Returns the labels inherited from a namespace; of one that is not known, its name.
    pub(super) fn namespace(&self, name: Option<&Name>) -> Arc<Group> {
        let Some(name) = name else { return Arc::new(Group::of_unnamed_namespace()) };
        let known = self.namespaces.get(name).map(Arc::clone);
        known.unwrap_or_else(|| Arc::new(Group::of_unknown_namespace(name)))
    }

    /// Tells whether the catalog has a namespace.
    pub(super) fn has_namespace(&self, name: &str) -> bool {
        self.namespaces.contains_key(name)
    }

    /// Returns the labels inherited from a service account; of one that is not known, its name.
    pub(super) fn account(&self, namespace: Option<&Name>, name: &Name) -> Arc<Group> {
        let known = namespace.and_then(|it| self.accounts.get(&(it.clone(), name.clone()))).map(Arc::clone);
        known.unwrap_or_else(|| Arc::new(Group::of_account(name, None)))
    }

    /// Returns the pod of an exact name.
    pub(super) fn pod(&self, namespace: &Name, name: &Name) -> Option<usize> {
        self.by_name.get(&(namespace.clone(), name.clone())).copied()
    }

    /// Returns the pods whose `generateName` is `prefix`.
    pub(super) fn replicas(&self, namespace: &Name, prefix: &str) -> &[usize] {
        self.by_prefix.get(&(namespace.clone(), Name::from(prefix))).map_or(&[], Vec::as_slice)
    }

    pub(super) fn holders(&self, address: &IpAddr) -> &[Holder] {
        self.by_address.get(address).map_or(&[], Vec::as_slice)
    }

    pub(super) fn host(&self, name: &Name) -> Option<usize> {
        self.host_by_name.get(name).copied()
    }

    pub(super) fn network_set(&self, namespace: Option<&Name>, name: &Name) -> Option<usize> {
        self.set_by_name.get(&(namespace.cloned(), name.clone())).copied()
    }

    /// Returns the network sets that hold an address, each with its prefixes that do, the shortest first.
    pub(super) fn sets_at(&self, address: IpAddr) -> impl Iterator<Item = (usize, u8)> + '_ {
        let net = IpNet::from(address);
        let found: Vec<(usize, u8)> = self
            .set_nets
            .cover(&net)
            .flat_map(|(net, sets)| sets.iter().map(move |set| (*set, net.prefix_len())))
            .collect();
        found.into_iter()
    }

    /// Returns the longest prefix of a network set that holds an address.
    pub(super) fn longest_set_net(&self, address: IpAddr) -> Option<IpNet> {
        self.set_nets.get_lpm_prefix(&IpNet::from(address))
    }

    pub(super) fn service(&self, namespace: &Name, name: &Name) -> Option<&ServiceEntry> {
        self.services.get(&(namespace.clone(), name.clone()))
    }

    /// Tells whether some Service is served at an address.
    pub(super) fn serves(&self, address: &IpAddr) -> bool {
        self.served.contains(address)
    }

    /// Tells whether the catalog has any Service's endpoints at all.
    pub(super) fn has_services(&self) -> bool {
        !self.services.is_empty()
    }

    /// Returns the ports that Services are served on.
    pub(super) fn service_ports(&self) -> impl Iterator<Item = u16> + '_ {
        self.services.values().flat_map(|it| it.ports.values().flatten().map(|it| it.1))
    }

    /// Estimates the memory held, in bytes.
    pub(super) fn bytes(&self) -> usize {
        // A label is two counted texts that the set holds too; a composed one has a dozen.
        let composed = self.workload_labels.len() + self.host_labels.len() + self.sets.len();
        let names = self.by_name.capacity() + self.by_prefix.capacity() + self.by_address.capacity();
        composed * (size_of::<Labels>() + 12 * 2 * size_of::<Name>()) + names * 64 + self.set_nets.len() * 64
    }

    pub(super) fn profile<'c>(&self, cluster: &'c Cluster, name: &Name) -> Option<&'c Profile> {
        cluster.profiles.get(*self.profiles.get(name)?)
    }

    /// Returns the IP versions of the pods' addresses.
    pub(super) const fn families(&self) -> FamilySet {
        self.families
    }
}

/// Returns the ports of one name, as protocol and number.
pub(super) fn ports_named(ports: &[NamedPort], name: &Name) -> Vec<(Protocol, u16)> {
    let mut found: Vec<_> =
        ports.iter().filter(|it| it.name == *name).map(|it| (it.protocol, it.port)).collect();
    found.sort_unstable();
    found.dedup();
    found
}
