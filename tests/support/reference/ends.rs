//! The two ends of a connection, and what selectors see of them.

use flowstage::evaluate::{Connection, Missing};
use flowstage::model::{Endpoint, EndpointKind, IpAddr, IpNet, Name, NameScope, Protocol};
use flowstage::policy::{Cluster, HostEndpoint, NamedPort, NetworkSet, Workload};

use super::address::{Address, Family};
use super::labels::{self, Labels, NAMESPACE, ORCHESTRATOR, SERVICE_ACCOUNT, Value};

/// Which end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    Source,
    Dest,
}

impl Side {
    fn pick(self, source: Missing, dest: Missing) -> Missing {
        match self {
            Self::Source => source,
            Self::Dest => dest,
        }
    }

    pub fn labels(self) -> Missing {
        self.pick(Missing::SOURCE_LABELS, Missing::DEST_LABELS)
    }

    pub fn address(self) -> Missing {
        self.pick(Missing::SOURCE_ADDRESS, Missing::DEST_ADDRESS)
    }

    pub fn port(self) -> Missing {
        self.pick(Missing::SOURCE_PORT, Missing::DEST_PORT)
    }

    pub fn namespace(self) -> Missing {
        self.pick(Missing::SOURCE_NAMESPACE, Missing::DEST_NAMESPACE)
    }

    pub fn service_account(self) -> Missing {
        self.pick(Missing::SOURCE_SERVICE_ACCOUNT, Missing::DEST_SERVICE_ACCOUNT)
    }
}

/// The named ports of an object.
#[derive(Clone, Debug)]
pub enum Ports {
    /// A pod or host that is not in the catalog.
    Unknown,
    /// Those of each pod that it may be. Sets have none.
    OneOf(Vec<Vec<NamedPort>>),
}

/// What selectors select: a pod, a host, a network set.
#[derive(Clone, Debug)]
pub struct Object {
    own: Labels,
    pub namespace_labels: Labels,
    pub account_labels: Labels,
    pub ports: Ports,
}

impl Object {
    /// A label as a selector sees it: the object's own, or one inherited from namespace or service account.
    pub fn label(&self, key: &str) -> Value {
        if let Some(key) = key.strip_prefix("pcns.") {
            self.namespace_labels.get(key)
        } else if let Some(key) = key.strip_prefix("pcsa.") {
            self.account_labels.get(key)
        } else {
            self.own.get(key)
        }
    }

    /// A pod: one of the catalog, or what a record says of one (`labels`), or both.
    fn pod(cluster: &Cluster, side: Side, record: Option<&Endpoint>, pods: &[&Workload]) -> Self {
        let namespace = match (record.and_then(|it| it.namespace.as_ref()), pods.first()) {
            (Some(name), _) => Value::Is(name.clone()),
            (None, Some(pod)) => Value::Is(pod.namespace.clone()),
            (None, None) => Value::Present(side.namespace()),
        };
        let recorded = record.and_then(|it| it.labels.as_ref());
        let own = match recorded {
            Some(labels) => Labels::of(labels),
            None if pods.is_empty() => Labels::unknown(side.labels()),
            None => {
                let each: Vec<Labels> = pods.iter().map(|it| Labels::of(&it.labels)).collect();
                Labels::agreed(&each, side.labels())
            }
        };
        let accounts: Vec<Value> = match recorded.and_then(|it| it.get(SERVICE_ACCOUNT)) {
            Some(name) => vec![Value::Is(name.clone())],
            None if pods.is_empty() => vec![Value::Present(side.service_account())],
            None => pods.iter().map(|it| Value::Is(it.service_account.clone())).collect(),
        };
        let account_labels: Vec<Labels> = accounts
            .iter()
            .map(|it| labels::of_service_account(cluster, &namespace, it, side.service_account()))
            .collect();
        let account = Value::agreed(&accounts, side.service_account());
        Self {
            own: own
                .without_reserved()
                .set(NAMESPACE, namespace.clone())
                .set(ORCHESTRATOR, Value::Is(Name::from("k8s")))
                .set(SERVICE_ACCOUNT, account),
            namespace_labels: labels::of_namespace(cluster, &namespace, side.namespace()),
            account_labels: Labels::agreed(&account_labels, side.service_account()),
            ports: if pods.is_empty() {
                Ports::Unknown
            } else {
                Ports::OneOf(pods.iter().map(|it| it.ports.clone()).collect())
            },
        }
    }

    /// A host endpoint: its own labels, those of its profiles; no namespace, no service account.
    fn host(cluster: &Cluster, side: Side, record: Option<&Endpoint>, host: Option<&HostEndpoint>) -> Self {
        let own = match (record.and_then(|it| it.labels.as_ref()), host) {
            (Some(labels), _) => Labels::of(labels),
            (None, Some(host)) => Labels::of(&host.labels),
            (None, None) => Labels::unknown(side.labels()).set(NAMESPACE, Value::Absent),
        };
        let profiles = host.map_or(&[] as &[Name], |it| it.profiles.as_slice());
        let own = profiles
            .iter()
            .filter_map(|name| cluster.profiles.iter().find(|it| it.name == *name))
            .fold(own, |own, profile| own.inherit(&profile.labels_to_apply));
        Self {
            own,
            namespace_labels: Labels::none(),
            account_labels: Labels::none(),
            ports: host.map_or(Ports::Unknown, |it| Ports::OneOf(vec![it.ports.clone()])),
        }
    }

    /// A network set: its own labels and those of its namespace; a global set has no namespace.
    fn set(cluster: &Cluster, side: Side, record: Option<&Endpoint>, set: Option<&NetworkSet>) -> Self {
        let own = match (record.and_then(|it| it.labels.as_ref()), set) {
            (Some(labels), _) => Labels::of(labels),
            (None, Some(set)) => Labels::of(&set.labels),
            (None, None) => Labels::unknown(side.labels()),
        };
        let namespace =
            record.map_or_else(|| set.and_then(|it| it.namespace.as_ref()), |it| it.namespace.as_ref());
        let namespace = namespace.map_or(Value::Absent, |it| Value::Is(it.clone()));
        let own = match &namespace {
            Value::Is(_) => own.set(NAMESPACE, namespace.clone()),
            _ => own.set(NAMESPACE, Value::Absent),
        };
        Self {
            own: own.set(ORCHESTRATOR, Value::Absent),
            namespace_labels: labels::of_namespace(cluster, &namespace, side.namespace()),
            account_labels: Labels::none(),
            ports: Ports::OneOf(vec![Vec::new()]),
        }
    }
}

/// One end of the connection.
#[derive(Debug)]
pub struct End<'a> {
    pub side: Side,
    pub endpoint: &'a Endpoint,
    pub address: Address,
    pub port: Option<u16>,
    /// What the record names; nothing for an address that belongs to nothing.
    pub own: Option<Object>,
    /// Other pods and hosts that have the address.
    pub others: Vec<Object>,
    /// Other network sets, with their prefixes, and whether they also hold domain names.
    pub sets: Vec<(Object, &'a [IpNet], bool)>,
    /// The pods of the catalog that it may be.
    pods: Vec<&'a Workload>,
    /// Whether it is a host that is known by its interface alone.
    is_without_address: bool,
}

impl<'a> End<'a> {
    fn new(cluster: &'a Cluster, side: Side, endpoint: &'a Endpoint, port: Option<u16>) -> Self {
        let pods = pods_of(cluster, endpoint);
        let host = host_of(cluster, endpoint);
        let set = set_of(cluster, endpoint);
        let own = match endpoint.kind {
            EndpointKind::Workload => Some(Object::pod(cluster, side, Some(endpoint), &pods)),
            EndpointKind::Host => Some(Object::host(cluster, side, Some(endpoint), host)),
            EndpointKind::NetworkSet => Some(Object::set(cluster, side, Some(endpoint), set)),
            EndpointKind::Network => None,
        };
        let address = address_of(endpoint, &pods, host, set);
        let known = if let Address::Is(it) = &address { Some(*it) } else { None };
        let at = |addresses: &[IpAddr]| known.is_some_and(|it| addresses.contains(&it));
        let other_pods = cluster
            .workloads
            .iter()
            .filter(|it| at(&it.addresses) && !pods.iter().any(|pod| std::ptr::eq(*pod, *it)))
            .map(|it| Object::pod(cluster, side, None, &[it]));
        let other_hosts = cluster
            .host_endpoints
            .iter()
            .filter(|it| at(&it.expected_ips) && !host.is_some_and(|host| std::ptr::eq(host, *it)))
            .map(|it| Object::host(cluster, side, None, Some(it)));
        let sets =
            cluster.network_sets.iter().filter(|it| !set.is_some_and(|set| std::ptr::eq(set, *it))).map(
                |it| (Object::set(cluster, side, None, Some(it)), it.nets.as_slice(), !it.domains.is_empty()),
            );
        Self {
            side,
            endpoint,
            address,
            port,
            own,
            others: other_pods.chain(other_hosts).collect(),
            sets: sets.collect(),
            is_without_address: host.is_some_and(|it| it.expected_ips.is_empty()),
            pods,
        }
    }

    /// What belongs to the address: what the record names, and what else has it. No address belongs to a host that is
    /// known by its interface alone.
    pub fn members(&self) -> impl Iterator<Item = &Object> {
        self.own.iter().filter(|_| !self.is_without_address).chain(&self.others)
    }

    /// The name of the namespace, from the record or from the pod.
    pub fn namespace(&self) -> Option<&Name> {
        self.endpoint.namespace.as_ref().or_else(|| self.pods.first().map(|it| &it.namespace))
    }

    /// The family that the end tells by its address.
    fn family(&self) -> Option<Family> {
        match self.address.families().as_slice() {
            [family] => Some(*family),
            _ => None,
        }
    }
}

/// The pods of the catalog that the record may speak of: by namespace and exact name; else by address; else, for an
/// aggregated name, all whose names were generated from it.
fn pods_of<'a>(cluster: &'a Cluster, endpoint: &Endpoint) -> Vec<&'a Workload> {
    if endpoint.kind != EndpointKind::Workload {
        return Vec::new();
    }
    let pods = |found: &dyn Fn(&Workload) -> bool| -> Vec<&'a Workload> {
        let in_namespace =
            |it: &Workload| endpoint.namespace.as_ref().is_none_or(|namespace| it.namespace == *namespace);
        cluster.workloads.iter().filter(|it| in_namespace(it) && found(it)).collect()
    };
    let is_exact = endpoint.name_scope == NameScope::Exact && !endpoint.name.is_empty();
    if is_exact && endpoint.namespace.is_some() {
        return pods(&|it| it.name == endpoint.name);
    }
    let fits = |it: &Workload| {
        endpoint.name.strip_suffix('*').is_none_or(|prefix| it.generate_name.as_deref() == Some(prefix))
    };
    let by_address = endpoint
        .address
        .map_or(Vec::new(), |address| pods(&|it| it.addresses.contains(&address) && fits(it)));
    // Without a namespace an address tells the pod where but one has it.
    if !by_address.is_empty() && (endpoint.namespace.is_some() || by_address.len() == 1) {
        return by_address;
    }
    match endpoint.name.strip_suffix('*') {
        Some(prefix) if endpoint.namespace.is_some() && endpoint.name_scope == NameScope::Aggregated => {
            pods(&|it| it.generate_name.as_deref() == Some(prefix))
        }
        _ => Vec::new(),
    }
}

/// A host endpoint of the catalog as policies select it.
pub fn object_of_host(cluster: &Cluster, name: &Name) -> Option<Object> {
    let host = cluster.host_endpoints.iter().find(|it| it.name == *name)?;
    Some(Object::host(cluster, Side::Dest, None, Some(host)))
}

pub fn host_of<'a>(cluster: &'a Cluster, endpoint: &Endpoint) -> Option<&'a HostEndpoint> {
    if endpoint.kind != EndpointKind::Host {
        return None;
    }
    cluster.host_endpoints.iter().find(|it| it.name == endpoint.name)
}

fn set_of<'a>(cluster: &'a Cluster, endpoint: &Endpoint) -> Option<&'a NetworkSet> {
    if endpoint.kind != EndpointKind::NetworkSet {
        return None;
    }
    cluster.network_sets.iter().find(|it| it.name == endpoint.name && it.namespace == endpoint.namespace)
}

/// The record's address; else one of those of the pods that it may be, if they all have some, or of the host; else one
/// inside of the set that it is, if that is one of prefixes alone.
fn address_of(
    endpoint: &Endpoint,
    pods: &[&Workload],
    host: Option<&HostEndpoint>,
    set: Option<&NetworkSet>,
) -> Address {
    if let Some(address) = endpoint.address {
        return Address::Is(address);
    }
    match endpoint.kind {
        EndpointKind::Workload => {
            let addresses: Vec<IpAddr> = pods.iter().flat_map(|it| it.addresses.iter().copied()).collect();
            if pods.iter().any(|it| it.addresses.is_empty()) { Address::Unknown } else { one_of(addresses) }
        }
        EndpointKind::Network if endpoint.name == "pvt" => Address::Private,
        EndpointKind::Network if endpoint.name == "pub" => Address::Public,
        EndpointKind::NetworkSet => match set {
            Some(set) if !set.nets.is_empty() && set.domains.is_empty() => Address::Within(set.nets.clone()),
            Some(_) | None => Address::Unknown,
        },
        EndpointKind::Host => one_of(host.map_or(Vec::new(), |it| it.expected_ips.clone())),
        EndpointKind::Network => Address::Unknown,
    }
}

fn one_of(mut addresses: Vec<IpAddr>) -> Address {
    addresses.sort();
    addresses.dedup();
    match addresses.as_slice() {
        [] => Address::Unknown,
        [address] => Address::Is(*address),
        _ => Address::OneOf(addresses),
    }
}

/// Both ends, with what the connection itself tells.
#[derive(Debug)]
pub struct Packet<'a> {
    pub source: End<'a>,
    pub dest: End<'a>,
    pub protocol: Protocol,
    /// The family, as the addresses tell it, or else the protocol.
    pub family: Option<Family>,
    pub icmp: Option<flowstage::model::IcmpMessage>,
}

impl<'a> Packet<'a> {
    pub fn new(cluster: &'a Cluster, connection: &Connection<'a>) -> Self {
        let source = End::new(cluster, Side::Source, connection.source, connection.source_port);
        let dest = End::new(cluster, Side::Dest, connection.dest, connection.dest_port);
        let by_protocol = match connection.protocol {
            Protocol::ICMP => Some(Family::V4),
            Protocol::ICMPV6 => Some(Family::V6),
            _ => None,
        };
        let family = source.family().or_else(|| dest.family()).or(by_protocol);
        Self { source, dest, protocol: connection.protocol, family, icmp: connection.icmp }
    }
}
