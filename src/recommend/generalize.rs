//! From needs to rules: needs that one rule can serve are joined.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::addresses::{AddressGroup, AddressKey};
use super::config::{Config, SameNamespace};
use super::form::{Form, Known, Target, net_targets};
use super::naming::{HostName, Naming, SetName};
use super::need::{NeedKey, Peer, takes_ports};
use super::ports::{self, PortEntries};
use super::recommendation::{Flag, PeerClass};
use crate::model::{Direction, IpAddr, IpNet, Name, Protocol};

/// How much wider than the evidence rules are made so that there are not too many. Each step includes the ones before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Lift {
    /// As narrow as the evidence allows.
    None,
    /// Whole ranges instead of single addresses.
    Ranges,
    /// Namespaces instead of Services.
    Namespaces,
    /// Any port.
    AnyPort,
}

impl Lift {
    pub(super) const STEPS: [Self; 4] = [Self::None, Self::Ranges, Self::Namespaces, Self::AnyPort];
}

/// Rules to be, and what no rule can serve.
#[derive(Debug, Default)]
pub(super) struct Generalized {
    /// Sorted by direction, class, target and protocol.
    pub(super) forms: Vec<Form>,
    /// Edges of the window whose peer no rule can name.
    pub(super) edges_unnamed: u64,
}

/// Whom a rule for a need has to speak about.
enum Resolved {
    Named(PeerClass, Vec<Target>),
    Address(PeerClass, Option<IpAddr>),
    Unnamed,
}

/// Which needs one rule serves.
type GroupKey = (Direction, PeerClass, Target, Option<Protocol>);

/// What the rule of a group has to say.
struct Group {
    ports: BTreeSet<u16>,
    any_port: bool,
    known: Known,
}

/// What the catalog and the settings make of needs.
#[derive(Debug)]
pub(super) struct Generalizer<'a> {
    namespace: &'a Name,
    naming: &'a Naming<'a>,
    config: &'a Config,
    lift: Lift,
    host_nets: Vec<IpNet>,
}

impl<'a> Generalizer<'a> {
    /// Prepares for the needs of `namespace`.
    pub(super) fn new(
        namespace: &'a Name,
        needs: &BTreeMap<NeedKey, Known>,
        naming: &'a Naming<'a>,
        config: &'a Config,
        lift: Lift,
    ) -> Self {
        let seen = needs.keys().filter_map(|key| match key.peer {
            Peer::Host(address) => address,
            Peer::Namespace(_)
            | Peer::NetworkSet { .. }
            | Peer::Address(_)
            | Peer::Private
            | Peer::Public => None,
        });
        let hosts: BTreeSet<IpAddr> = seen.chain(naming.host_addresses().iter().copied()).collect();
        let host_nets = hosts.into_iter().map(IpNet::from).collect();
        Self { namespace, naming, config, lift, host_nets }
    }

    /// Turns needs into forms. The same needs give the same forms in the same order.
    pub(super) fn generalize(&self, needs: &BTreeMap<NeedKey, Known>) -> Generalized {
        let mut groups = BTreeMap::<GroupKey, Group>::new();
        let mut addresses = BTreeMap::<AddressKey, AddressGroup>::new();
        let mut edges_unnamed = 0_u64;
        let added = needs.iter().filter_map(|(key, known)| {
            let twin = dns_twin(key).filter(|it| !needs.contains_key(it))?;
            Some((twin, Known { seen: known.seen, asked: None, flags: [Flag::Added].into() }))
        });
        let seen = needs.iter().map(|(key, known)| (key.clone(), known.clone()));
        for (key, mut known) in seen.chain(added) {
            if self.lift >= Lift::Namespaces && self.service(&key).is_some() {
                known.flags.insert(Flag::Lifted);
            }
            let NeedKey { direction, protocol, port, .. } = key;
            match self.resolve(&key) {
                Resolved::Named(class, targets) => {
                    for target in targets {
                        self.join(&mut groups, class, target, (direction, protocol, port), known.clone());
                    }
                }
                Resolved::Address(class, address) => {
                    match addresses.entry(AddressKey { direction, class, protocol, port }) {
                        Entry::Occupied(entry) => entry.into_mut().add(address, &known),
                        Entry::Vacant(entry) => {
                            entry.insert(AddressGroup::new(address, known));
                        }
                    }
                }
                Resolved::Unnamed => {
                    edges_unnamed = edges_unnamed.saturating_add(known.asked.map_or(0, |it| it.edges));
                }
            }
        }
        for (AddressKey { direction, class, protocol, port }, group) in addresses {
            for (target, known) in group.targets(class, protocol, self.lift >= Lift::Ranges, self.config) {
                self.join(&mut groups, class, target, (direction, protocol, port), known);
            }
        }
        let forms = groups.into_iter().flat_map(|(key, group)| self.forms(key, group)).collect();
        Generalized { forms, edges_unnamed }
    }

    fn resolve(&self, key: &NeedKey) -> Resolved {
        if let Some(target) = self.service(key).filter(|_| self.lift < Lift::Namespaces) {
            return Resolved::Named(PeerClass::Service, vec![target]);
        }
        match &key.peer {
            Peer::Namespace(name) if name == self.namespace => {
                Resolved::Named(PeerClass::SameNamespace, vec![Target::Namespace(name.clone())])
            }
            Peer::Namespace(name) => {
                Resolved::Named(PeerClass::Namespace, vec![Target::Namespace(name.clone())])
            }
            Peer::NetworkSet { namespace, name } => match self.naming.network_set(namespace.as_ref(), name) {
                Some(SetName::Label(key, value)) => Resolved::Named(
                    PeerClass::NetworkSet,
                    vec![Target::Labelled { namespace: namespace.clone(), key, value }],
                ),
                Some(SetName::Nets(nets)) => {
                    Resolved::Named(PeerClass::NetworkSet, net_targets(&nets, key.protocol))
                }
                None => Resolved::Unnamed,
            },
            Peer::Host(address) => match self.naming.host(*address) {
                Some(HostName::Label(label)) => {
                    Resolved::Named(PeerClass::Host, vec![Target::GlobalWith(label)])
                }
                Some(HostName::Global) => Resolved::Named(PeerClass::Host, vec![Target::Global]),
                None if self.host_nets.is_empty() => Resolved::Unnamed,
                None => Resolved::Named(PeerClass::Host, net_targets(&self.host_nets, key.protocol)),
            },
            Peer::Address(address) if self.config.is_private(*address) => {
                Resolved::Address(PeerClass::Private, Some(*address))
            }
            Peer::Address(address) => Resolved::Address(PeerClass::Public, Some(*address)),
            Peer::Private => Resolved::Address(PeerClass::Private, None),
            Peer::Public => Resolved::Address(PeerClass::Public, None),
        }
    }

    /// The Service by which a peer outside of the namespace was reached, where a rule that names it is known to match.
    fn service(&self, key: &NeedKey) -> Option<Target> {
        let service = key.service.as_ref()?;
        let address = match &key.peer {
            Peer::Namespace(name) if name == self.namespace => return None,
            Peer::NetworkSet { .. } => return None,
            Peer::Host(address) => *address,
            Peer::Address(address) => Some(*address),
            Peer::Namespace(_) | Peer::Private | Peer::Public => None,
        };
        let named = (&service.namespace, &service.name);
        let usable =
            self.config.service_rules && self.naming.service_has(named, key.protocol, key.port, address);
        usable.then(|| Target::Service { namespace: service.namespace.clone(), name: service.name.clone() })
    }

    fn join(
        &self,
        groups: &mut BTreeMap<GroupKey, Group>,
        class: PeerClass,
        target: Target,
        (direction, protocol, port): (Direction, Protocol, Option<u16>),
        mut known: Known,
    ) {
        // What is left to the next tier is left to it whole.
        let passed = class == PeerClass::SameNamespace && self.config.same_namespace == SameNamespace::Pass;
        if class == PeerClass::Host && matches!(target, Target::Nets(_)) {
            known.flags.insert(Flag::Brittle);
        }
        let port_unknown = takes_ports(protocol) && port.is_none();
        if port_unknown && !passed {
            known.flags.insert(Flag::AnyPort);
        }
        let key = (direction, class, target, (!passed).then_some(protocol));
        let group = match groups.entry(key) {
            Entry::Occupied(entry) => {
                let group = entry.into_mut();
                group.known.join(&known);
                group
            }
            Entry::Vacant(entry) => entry.insert(Group { ports: BTreeSet::new(), any_port: passed, known }),
        };
        group.any_port |= port_unknown;
        group.ports.extend(port);
    }

    /// Writes the forms of one group: more than one only where its ports do not fit into one rule.
    fn forms(&self, (direction, class, target, protocol): GroupKey, group: Group) -> Vec<Form> {
        let Group { ports, any_port, known: Known { seen, asked, mut flags } } = group;
        let lifted = !any_port && !ports.is_empty() && self.lift >= Lift::AnyPort;
        if lifted {
            flags.insert(Flag::Lifted);
        }
        let entries = if any_port || lifted {
            Vec::new()
        } else {
            let PortEntries { entries, dynamic } = ports::entries(&ports);
            flags.extend(dynamic.then_some(Flag::DynamicPorts));
            entries
        };
        let form = |ports: &[(u16, u16)]| Form {
            direction,
            class,
            target: target.clone(),
            protocol,
            ports: ports.to_vec(),
            flags: flags.clone(),
            seen,
            asked,
        };
        // A rule for a Service has the ports of the Service.
        if entries.is_empty() || matches!(target, Target::Service { .. }) {
            return vec![form(&[])];
        }
        entries.chunks(PORTS_PER_RULE_MAX).map(form).collect()
    }
}

/// How many entries the API takes in one list of ports.
const PORTS_PER_RULE_MAX: usize = 50;
/// Name servers are asked over UDP, and over TCP where an answer is too long: who needs one needs the other.
fn dns_twin(key: &NeedKey) -> Option<NeedKey> {
    let other = if key.protocol == Protocol::UDP { Protocol::TCP } else { Protocol::UDP };
    (key.direction == Direction::Egress && key.is_dns()).then(|| NeedKey { protocol: other, ..key.clone() })
}
