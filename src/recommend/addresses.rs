//! Addresses that belong to nothing that is known: single ones while they are few, else whole ranges.

use std::collections::BTreeSet;

use super::config::{Config, PublicFamilies};
use super::form::{Family, Known, Target, net_targets};
use super::recommendation::{Flag, PeerClass};
use crate::model::{Direction, IpAddr, IpNet, Protocol};

/// Which addresses are looked at together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct AddressKey {
    pub(super) direction: Direction,
    pub(super) class: PeerClass,
    pub(super) protocol: Protocol,
    pub(super) port: Option<u16>,
}

/// Addresses that are needed for one protocol and port.
#[derive(Debug)]
pub(super) struct AddressGroup {
    addresses: BTreeSet<IpAddr>,
    /// Some records had the address aggregated away.
    aggregated: bool,
    known: Known,
}

impl AddressGroup {
    pub(super) fn new(address: Option<IpAddr>, known: Known) -> Self {
        Self { addresses: address.into_iter().collect(), aggregated: address.is_none(), known }
    }

    pub(super) fn add(&mut self, address: Option<IpAddr>, known: &Known) {
        self.addresses.extend(address);
        self.aggregated |= address.is_none();
        self.known.join(known);
    }

    /// Returns the targets that together cover the addresses.
    pub(super) fn targets(
        self,
        class: PeerClass,
        protocol: Protocol,
        lifted: bool,
        config: &Config,
    ) -> Vec<(Target, Known)> {
        let Self { addresses, aggregated, known } = self;
        let forced = aggregated || addresses.len() > config.addresses_max;
        let mut ranges = Vec::new();
        if forced || lifted {
            for family in Family::BOTH.into_iter().filter(|it| it.carries(protocol)) {
                let unknown = aggregated && may_be(class, family, config);
                if unknown || addresses.iter().any(|it| Family::of(&IpNet::from(*it)) == family) {
                    ranges.push(Range::new(class, family, config));
                }
            }
        }
        // What the cluster itself uses, and what no range holds, keeps its own address.
        let single = addresses.into_iter().filter(|it| !ranges.iter().any(|range| range.contains(*it)));
        let single: Vec<IpNet> = single.map(IpNet::from).collect();
        let mut wide = known.clone();
        wide.flags.insert(Flag::AnyAddress);
        wide.flags.extend((!forced).then_some(Flag::Lifted));
        let wide = ranges.into_iter().map(|it| (it.target, wide.clone()));
        let narrow = net_targets(&single, protocol).into_iter().map(|it| (it, known.clone()));
        wide.chain(narrow).collect()
    }
}

/// Calico aggregates to `pvt` what lies in RFC 1918, and everything else, every IPv6 address among it, to `pub`.
fn may_be(class: PeerClass, family: Family, config: &Config) -> bool {
    match (class == PeerClass::Private, config.public_families, family) {
        (true, _, Family::V4)
        | (false, PublicFamilies::Both, _)
        | (false, PublicFamilies::V4, Family::V4)
        | (false, PublicFamilies::V6, Family::V6) => true,
        (true, _, Family::V6)
        | (false, PublicFamilies::V4, Family::V6)
        | (false, PublicFamilies::V6, Family::V4) => false,
    }
}

/// A whole range as a rule writes it.
#[derive(Debug)]
pub(super) struct Range {
    target: Target,
    /// It holds what lies in these…
    pub(super) nets: Vec<IpNet>,
    /// …and in none of these.
    pub(super) not_nets: Vec<IpNet>,
}

impl Range {
    fn new(class: PeerClass, family: Family, config: &Config) -> Self {
        if class == PeerClass::Private { Self::private(family, config) } else { Self::public(family, config) }
    }

    /// All private addresses of a version but the cluster's own.
    pub(super) fn private(family: Family, config: &Config) -> Self {
        Self {
            target: Target::Private(family),
            nets: of_family(&config.private_ranges, family),
            not_nets: of_family(&config.cluster_ranges, family),
        }
    }

    /// All addresses of a version but the private ones, the cluster's own and those that never leave a link.
    ///
    /// The rule names the whole version beside what it leaves out: Calico's checker takes a rule with nothing but
    /// `notNets` of one version to match every address of the other.
    pub(super) fn public(family: Family, config: &Config) -> Self {
        let (whole, special) = match family {
            Family::V4 => ("0.0.0.0/0", ["169.254.0.0/16", "224.0.0.0/4"]),
            Family::V6 => ("::/0", ["fe80::/10", "ff00::/8"]),
        };
        let mut not_nets = of_family(&config.private_ranges, family);
        not_nets.extend(of_family(&config.cluster_ranges, family));
        not_nets.extend(special.into_iter().filter_map(|it| it.parse::<IpNet>().ok()));
        not_nets.sort();
        not_nets.dedup();
        Self { target: Target::Public(family), nets: whole.parse().into_iter().collect(), not_nets }
    }

    fn contains(&self, address: IpAddr) -> bool {
        let in_any = |nets: &[IpNet]| nets.iter().any(|it| it.contains(&address));
        in_any(&self.nets) && !in_any(&self.not_nets)
    }
}

fn of_family(nets: &[IpNet], family: Family) -> Vec<IpNet> {
    nets.iter().copied().filter(|it| Family::of(it) == family).collect()
}
