//! One end of a connection, with everything that record and catalog say of it.
//!
//! What the record says of labels wins over the catalog, which knows how things are now and not how they were. What
//! the record lacks comes from the pod of that name, from the holder of the address, or from all the replicas behind
//! an aggregated name as far as they agree.
//!
//! A selector in a rule matches an *address*: the address of an endpoint, or one inside a network set. So a party
//! has, beside itself, *others*: network sets that cover its address, and endpoints that share it. Where the address
//! is not known, a set whose prefixes cover everywhere it may be is certain, one that covers some of it is possible,
//! and the answer hangs on the address. An end typed `net` whose address is not known belongs to nothing: an address
//! inside a set Calico types `ns`.

use std::borrow::Cow;

use super::labels::Labels;
use super::roster::{Holder, Roster, SetEntry};
use super::whereabouts::{Cover, Family, FamilySet, Whereabouts};
use crate::model::{Endpoint, EndpointKind, IpAddr, IpNet, Name, NameScope};
use crate::policy::{Cluster, HostEndpoint, NamedPort, Workload};

/// Something else that a party's address belongs to.
#[derive(Debug)]
pub(super) struct Other<'a> {
    pub(super) labels: &'a Labels,
    /// Its named ports; network sets have none.
    pub(super) ports: &'a [NamedPort],
    /// The length of the prefix that holds the address.
    pub(super) prefix_len: u8,
    /// Whether the address is known to belong to it.
    pub(super) belongs: Belongs,
}

/// How sure it is that an address belongs to something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Belongs {
    Surely,
    /// It depends on the address.
    ByAddress,
    /// It depends on the names that the address was answered for.
    ByDomain,
}

/// Whose profiles stand behind the tiers.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Owner {
    /// A pod of this namespace.
    Pod(Name),
    /// A host endpoint with these profiles.
    Host(Vec<Name>),
    /// A host endpoint that the catalog does not have.
    UnknownHost,
    /// Whoever it is, the traffic goes through a host endpoint, whose policies are asked.
    Forwarded,
    /// No endpoint that policy applies to.
    Nobody,
}

/// One end of a connection, resolved.
#[derive(Debug)]
pub(super) struct Party<'a> {
    pub(super) kind: EndpointKind,
    /// Its own labels; nothing for an end that has none.
    pub(super) labels: Option<Cow<'a, Labels>>,
    /// Whether its address is a member of what selects its labels.
    pub(super) is_member: bool,
    pub(super) whereabouts: Whereabouts,
    /// The named ports of each of the pods that it may be, or of the host; nothing when they are not known.
    pub(super) ports: Vec<&'a [NamedPort]>,
    pub(super) owner: Owner,
    /// The network set that it is, by its place in the list.
    own_set: Option<usize>,
    /// The host endpoint that it is, likewise.
    own_host: Option<usize>,
    /// The pods of the catalog that it may be.
    pods: Vec<usize>,
    roster: &'a Roster,
    cluster: &'a Cluster,
}

impl<'a> Party<'a> {
    /// Resolves an endpoint. `pod_networks` are the prefixes of pods, if they are known.
    pub(super) fn resolve(
        endpoint: &Endpoint,
        roster: &'a Roster,
        cluster: &'a Cluster,
        pod_networks: &[IpNet],
    ) -> Self {
        let unknown = Self {
            kind: endpoint.kind,
            labels: None,
            is_member: false,
            whereabouts: Whereabouts::Anywhere(FamilySet::ALL),
            ports: Vec::new(),
            owner: Owner::Nobody,
            own_set: None,
            own_host: None,
            pods: Vec::new(),
            roster,
            cluster,
        };
        match endpoint.kind {
            EndpointKind::Workload => unknown.into_workload(endpoint, pod_networks),
            EndpointKind::Host => unknown.into_host(endpoint),
            EndpointKind::NetworkSet => unknown.into_network_set(endpoint),
            EndpointKind::Network => Self { whereabouts: of_network(endpoint), ..unknown },
        }
    }

    fn into_workload(self, endpoint: &Endpoint, pod_networks: &[IpNet]) -> Self {
        let (roster, cluster) = (self.roster, self.cluster);
        let pods = pods_of(endpoint, roster, cluster);
        let known: Vec<&'a Workload> = pods.iter().filter_map(|it| cluster.workloads.get(*it)).collect();
        let of_pods: Vec<&'a Labels> = pods.iter().filter_map(|it| roster.workload_labels.get(*it)).collect();
        let namespace = endpoint.namespace.as_ref().or_else(|| known.first().map(|it| &it.namespace));
        let labels =
            if let Some(own) = &endpoint.labels {
                let account = own.get(super::compose::SERVICE_ACCOUNT);
                let labels = Labels::of_workload(
                    Some(own),
                    namespace,
                    roster.namespace(namespace),
                    account.map(|it| (it, roster.account(namespace, it))),
                );
                let of_catalog = Labels::agreeing(&of_pods).filter(|_| account.is_none());
                Cow::Owned(match of_catalog {
                    Some(of_catalog) => labels.with_account_of(&of_catalog),
                    None => labels,
                })
            } else if let [one] = of_pods.as_slice() {
                Cow::Borrowed(*one)
            } else {
                Cow::Owned(Labels::agreeing(&of_pods).unwrap_or_else(|| {
                    Labels::of_workload(None, namespace, roster.namespace(namespace), None)
                }))
            };
        let whereabouts = match endpoint.address {
            Some(address) => Whereabouts::At(address),
            None => of_pods_addresses(&known, pod_networks),
        };
        Self {
            labels: Some(labels),
            is_member: true,
            whereabouts,
            ports: known.iter().map(|it| it.ports.as_slice()).collect(),
            // Of a workload whose record has no namespace it is not known which policies are its own.
            owner: endpoint.namespace.clone().map_or(Owner::Nobody, Owner::Pod),
            pods,
            ..self
        }
    }

    fn into_host(self, endpoint: &Endpoint) -> Self {
        let (roster, cluster) = (self.roster, self.cluster);
        let by_address = || {
            roster.holders(endpoint.address.as_ref()?).iter().find_map(|it| match it {
                Holder::Host(idx) => Some(*idx),
                Holder::Workload(_) => None,
            })
        };
        let idx = roster.host(&endpoint.name).or_else(by_address);
        let known: Option<&'a HostEndpoint> = idx.and_then(|it| cluster.host_endpoints.get(it));
        let of_catalog = idx.and_then(|it| roster.host_labels.get(it));
        let labels = match (&endpoint.labels, of_catalog) {
            (Some(own), _) => {
                let profiles = known.map_or(&[] as &[Name], |it| it.profiles.as_slice());
                let inherited: Vec<_> = profiles
                    .iter()
                    .filter_map(|it| roster.profile(cluster, it))
                    .map(|it| &it.labels_to_apply)
                    .collect();
                Cow::Owned(Labels::of_host(Some(own), &inherited))
            }
            (None, Some(labels)) => Cow::Borrowed(labels),
            (None, None) => Cow::Owned(Labels::of_host(None, &[])),
        };
        let whereabouts = match (endpoint.address, known.map(|it| it.expected_ips.as_slice())) {
            (None, Some([only])) => Whereabouts::At(*only),
            (None, Some(some @ [_, ..])) => {
                Whereabouts::Within(some.iter().copied().map(IpNet::from).collect())
            }
            _ => at(endpoint),
        };
        let owner = known.map_or(Owner::UnknownHost, |it| Owner::Host(it.profiles.clone()));
        Self {
            labels: Some(labels),
            // Of a host endpoint that is known by its interface alone no address is in any set.
            is_member: known.is_none_or(|it| !it.expected_ips.is_empty()),
            whereabouts,
            ports: known.iter().map(|it| it.ports.as_slice()).collect(),
            owner,
            own_host: idx,
            ..self
        }
    }

    fn into_network_set(self, endpoint: &Endpoint) -> Self {
        let (roster, namespace) = (self.roster, endpoint.namespace.as_ref());
        let idx = roster.network_set(namespace, &endpoint.name);
        let entry = idx.and_then(|it| roster.sets.get(it));
        let labels = match (&endpoint.labels, entry) {
            (None, Some(entry)) => Cow::Borrowed(&entry.labels),
            (own, _) => Cow::Owned(Labels::of_network_set(
                own.as_ref(),
                namespace.map(|it| (it, roster.namespace(Some(it)))),
            )),
        };
        let whereabouts = match (endpoint.address, entry) {
            (None, Some(entry)) if !entry.nets.is_empty() && !entry.has_domains => {
                Whereabouts::Within(entry.nets.clone())
            }
            _ => at(endpoint),
        };
        Self { labels: Some(labels), is_member: true, whereabouts, own_set: idx, ..self }
    }

    /// Returns the pods of the catalog that it may be.
    pub(super) fn pods(&self) -> impl Iterator<Item = &'a Workload> + '_ {
        self.pods.iter().filter_map(|it| self.cluster.workloads.get(*it))
    }

    /// Calls `found` for everything else that the party's address, of this IP version, belongs to or may belong to.
    pub(super) fn for_others(&self, family: Option<Family>, mut found: impl FnMut(&Other<'a>)) {
        if let Some(address) = self.whereabouts.address() {
            self.others_at(address, &mut found);
        } else if self.kind != EndpointKind::Network {
            self.others_by_cover(family, &mut found);
        }
        match self.kind {
            EndpointKind::Network | EndpointKind::NetworkSet => {
                for (_, set) in self.other_sets().filter(|(_, it)| it.has_domains) {
                    let belongs = Belongs::ByDomain;
                    found(&Other { labels: &set.labels, ports: &[], prefix_len: HOST_LEN, belongs });
                }
            }
            EndpointKind::Workload | EndpointKind::Host => {}
        }
    }

    /// Returns how sure it is that the address of a network set is a member of it, where prefixes of the lengths
    /// `is_short` are lost, and longer ones that they cover; nothing when it surely is not. See
    /// [`Switches::short_set_members_lost`](super::options::Switches::short_set_members_lost).
    pub(super) fn belongs_to_rest(&self, is_short: impl Fn(&IpNet) -> bool) -> Option<Belongs> {
        let set = self.own_set.and_then(|it| self.cluster.network_sets.get(it));
        let Some(set) = set.filter(|it| it.nets.iter().any(&is_short)) else { return Some(Belongs::Surely) };
        let short: Vec<&IpNet> = set.nets.iter().filter(|it| is_short(it)).collect();
        let rest: Vec<IpNet> = set
            .nets
            .iter()
            .filter(|it| !is_short(it) && !short.iter().any(|short| short.contains(*it)))
            .map(IpNet::trunc)
            .collect();
        match self.whereabouts.cover(&IpNet::aggregate(&rest), None) {
            Cover::All => Some(Belongs::Surely),
            Cover::Some => Some(Belongs::ByAddress),
            Cover::None => None,
        }
    }

    fn other_sets(&self) -> impl Iterator<Item = (usize, &'a SetEntry)> + '_ {
        self.roster.sets.iter().enumerate().filter(|(idx, _)| self.own_set != Some(*idx))
    }

    fn others_at(&self, address: IpAddr, found: &mut impl FnMut(&Other<'a>)) {
        let (roster, cluster) = (self.roster, self.cluster);
        let belongs = Belongs::Surely;
        for holder in roster.holders(&address) {
            let (labels, ports) = match holder {
                Holder::Workload(idx) if !self.pods.contains(idx) => (
                    roster.workload_labels.get(*idx),
                    cluster.workloads.get(*idx).map(|it| it.ports.as_slice()),
                ),
                Holder::Host(idx) if self.own_host != Some(*idx) => (
                    roster.host_labels.get(*idx),
                    cluster.host_endpoints.get(*idx).map(|it| it.ports.as_slice()),
                ),
                Holder::Workload(_) | Holder::Host(_) => continue,
            };
            if let (Some(labels), Some(ports)) = (labels, ports) {
                found(&Other { labels, ports, prefix_len: HOST_LEN, belongs });
            }
        }
        for (idx, prefix_len) in roster.sets_at(address) {
            if let Some(set) = roster.sets.get(idx)
                && self.own_set != Some(idx)
            {
                found(&Other { labels: &set.labels, ports: &[], prefix_len, belongs });
            }
        }
    }

    fn others_by_cover(&self, family: Option<Family>, found: &mut impl FnMut(&Other<'a>)) {
        for (_, set) in self.other_sets() {
            let belongs = match self.whereabouts.cover(&set.nets, family) {
                Cover::None => continue,
                Cover::All => Belongs::Surely,
                Cover::Some => Belongs::ByAddress,
            };
            found(&Other { labels: &set.labels, ports: &[], prefix_len: 0, belongs });
        }
    }
}

/// The length of a whole address: that of endpoints, which stand for themselves.
const HOST_LEN: u8 = u8::MAX;

/// Returns the pods of the catalog that a record's end may be.
fn pods_of(endpoint: &Endpoint, roster: &Roster, cluster: &Cluster) -> Vec<usize> {
    let namespace = endpoint.namespace.as_ref();
    let prefix = endpoint.name.strip_suffix('*').filter(|_| endpoint.name_scope == NameScope::Aggregated);
    if endpoint.name_scope == NameScope::Exact
        && let Some(pod) = namespace.and_then(|it| roster.pod(it, &endpoint.name))
    {
        return vec![pod];
    }
    // An aggregated name names the pods of its `generateName` alone; of a name that is not in the catalog the holder of
    // the address is the pod.
    let is_named = |pod: &Workload| {
        let fits = |prefix: &str| pod.generate_name.as_ref().is_some_and(|it| it.as_str() == prefix);
        namespace.is_none_or(|it| pod.namespace == *it) && prefix.is_none_or(fits)
    };
    let at_address = endpoint.address.map(|it| roster.holders(&it)).unwrap_or_default().iter();
    let by_address: Vec<usize> = at_address
        .filter_map(|it| match it {
            Holder::Workload(idx) => Some(*idx),
            Holder::Host(_) => None,
        })
        .filter(|idx| cluster.workloads.get(*idx).is_some_and(is_named))
        .collect();
    match (namespace, by_address.as_slice()) {
        (Some(_), [_, ..]) | (None, [_]) => by_address,
        (Some(namespace), []) => prefix.map_or_else(Vec::new, |it| roster.replicas(namespace, it).to_vec()),
        (None, _) => Vec::new(),
    }
}

/// Returns where a pod is whose record has no address: at one of the addresses of the pods that it may be, if each of
/// them has some.
fn of_pods_addresses(pods: &[&Workload], pod_networks: &[IpNet]) -> Whereabouts {
    let mut addresses: Vec<IpAddr> = pods.iter().flat_map(|it| it.addresses.iter().copied()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    let has_each = pods.iter().all(|it| !it.addresses.is_empty());
    match addresses.as_slice() {
        [only] if has_each => Whereabouts::At(*only),
        [_, ..] if has_each => Whereabouts::Within(addresses.into_iter().map(IpNet::from).collect()),
        _ if pod_networks.is_empty() => Whereabouts::Anywhere(FamilySet::ALL),
        _ => Whereabouts::Within(pod_networks.to_vec()),
    }
}

fn of_network(endpoint: &Endpoint) -> Whereabouts {
    match (endpoint.address, endpoint.name.as_str()) {
        (Some(address), _) => Whereabouts::At(address),
        (None, "pub") => Whereabouts::Public,
        (None, "pvt") => Whereabouts::Private,
        (None, _) => Whereabouts::Anywhere(FamilySet::ALL),
    }
}

fn at(endpoint: &Endpoint) -> Whereabouts {
    endpoint.address.map_or(Whereabouts::Anywhere(FamilySet::ALL), Whereabouts::At)
}
