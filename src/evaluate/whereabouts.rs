//! What is known of an endpoint's address, and whether it lies in prefixes.

use std::ops::RangeInclusive;

use crate::model::{IpAddr, IpNet};

/// An IP version.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    pub(super) const BOTH: [Self; 2] = [Self::V4, Self::V6];

    pub(super) const fn of(address: &IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    pub(super) const fn of_net(net: &IpNet) -> Self {
        match net {
            IpNet::V4(_) => Self::V4,
            IpNet::V6(_) => Self::V6,
        }
    }

    pub(super) const fn number(self) -> u8 {
        match self {
            Self::V4 => 4,
            Self::V6 => 6,
        }
    }
}

/// A set of IP versions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct FamilySet(u8);

impl FamilySet {
    pub(super) const ALL: Self = Self(0b11);

    pub(super) const fn only(family: Family) -> Self {
        match family {
            Family::V4 => Self(0b01),
            Family::V6 => Self(0b10),
        }
    }

    pub(super) const fn with(self, family: Family) -> Self {
        Self(self.0 | Self::only(family).0)
    }

    pub(super) const fn contains(self, family: Family) -> bool {
        self.0 & Self::only(family).0 != 0
    }

    /// Returns the version if it is but one.
    pub(super) const fn single(self) -> Option<Family> {
        match self.0 {
            0b01 => Some(Family::V4),
            0b10 => Some(Family::V6),
            _ => None,
        }
    }

    pub(super) fn iter(self) -> impl Iterator<Item = Family> {
        Family::BOTH.into_iter().filter(move |it| self.contains(*it))
    }
}

/// How much of where an endpoint may be lies in given prefixes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cover {
    /// Wherever it is, it lies in them.
    All,
    /// It may lie in them.
    Some,
    /// It lies in none of them.
    None,
}

/// What is known of an endpoint's address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Whereabouts {
    /// It is known.
    At(IpAddr),
    /// It lies in one of these prefixes.
    Within(Vec<IpNet>),
    /// `pub`: outside the private IPv4 ranges. Calico names every IPv6 address so.
    Public,
    /// `pvt`: inside the private IPv4 ranges.
    Private,
    /// Some address of these versions.
    Anywhere(FamilySet),
}

/// The private ranges of IPv4 (RFC 1918), which Calico's flow logs name `pvt`.
const PRIVATE: [(u8, u8, u8); 3] = [(10, 0, 8), (172, 16, 12), (192, 168, 16)];

fn private_nets() -> impl Iterator<Item = IpNet> {
    PRIVATE.into_iter().filter_map(|(a, b, len)| {
        let address = std::net::Ipv4Addr::new(a, b, 0, 0);
        ipnet::Ipv4Net::new(address, len).ok().map(IpNet::V4)
    })
}

/// Tells whether a prefix is one of those that a defect of Calico's checker loses.
pub(super) fn is_short(net: &IpNet) -> bool {
    short_lens(Family::of_net(net)).contains(&net.prefix_len())
}

pub(super) fn short_lens(family: Family) -> RangeInclusive<u8> {
    match family {
        Family::V4 => 25..=31,
        Family::V6 => 121..=127,
    }
}

/// Tells whether two prefixes share an address.
pub(super) fn overlap(a: &IpNet, b: &IpNet) -> bool {
    a.contains(b) || b.contains(a)
}

impl Whereabouts {
    /// Returns the IP versions that the address may have.
    pub(super) fn families(&self) -> FamilySet {
        match self {
            Self::At(address) => FamilySet::only(Family::of(address)),
            Self::Within(nets) => {
                nets.iter().fold(FamilySet::default(), |set, it| set.with(Family::of_net(it)))
            }
            Self::Public => FamilySet::ALL,
            Self::Private => FamilySet::only(Family::V4),
            Self::Anywhere(families) => *families,
        }
    }

    /// Returns the address, if it is known.
    pub(super) const fn address(&self) -> Option<IpAddr> {
        match self {
            Self::At(address) => Some(*address),
            Self::Within(_) | Self::Public | Self::Private | Self::Anywhere(_) => None,
        }
    }

    /// Tells whether this may be the address.
    pub(super) fn may_be(&self, address: &IpAddr) -> bool {
        let is_private = || private_nets().any(|it| it.contains(address));
        match self {
            Self::At(only) => only == address,
            Self::Within(nets) => nets.iter().any(|it| it.contains(address)),
            Self::Public => !is_private(),
            Self::Private => is_private(),
            Self::Anywhere(families) => families.contains(Family::of(address)),
        }
    }

    /// Tells how much of it lies in `nets`, as an address of this version; of either, when that is not known. `nets`
    /// must be merged: neighbours that make up a whole stand as the whole.
    pub(super) fn cover(&self, nets: &[IpNet], family: Option<Family>) -> Cover {
        let mut families = self.families().iter().filter(|it| family.is_none_or(|family| family == *it));
        let Some(first) = families.next() else {
            // The two ends do not go together: the record's own address stands.
            return self.families().iter().next().map_or(Cover::None, |it| self.cover_of(nets, it));
        };
        let cover = self.cover_of(nets, first);
        if families.all(|it| self.cover_of(nets, it) == cover) { cover } else { Cover::Some }
    }

    fn cover_of(&self, nets: &[IpNet], family: Family) -> Cover {
        let of_family = || nets.iter().filter(move |it| Family::of_net(it) == family);
        let inside = |net: &IpNet| of_family().any(|it| it.contains(net));
        let touched = |net: &IpNet| of_family().any(|it| overlap(it, net));
        let whole = || of_family().any(|it| it.prefix_len() == 0);
        match self {
            Self::At(address) => {
                if nets.iter().any(|net| net.contains(address)) {
                    Cover::All
                } else {
                    Cover::None
                }
            }
            Self::Within(parts) => {
                of_parts(parts.iter().filter(|it| Family::of_net(it) == family), inside, touched)
            }
            Self::Private => match family {
                Family::V4 => {
                    let private: Vec<IpNet> = private_nets().collect();
                    of_parts(private.iter(), inside, touched)
                }
                Family::V6 => Cover::None,
            },
            Self::Public => {
                let is_private = |net: &IpNet| private_nets().any(|it| it.contains(net));
                if whole() {
                    Cover::All
                } else if of_family().all(is_private) {
                    Cover::None
                } else {
                    Cover::Some
                }
            }
            Self::Anywhere(_) => {
                if whole() {
                    Cover::All
                } else if of_family().next().is_none() {
                    Cover::None
                } else {
                    Cover::Some
                }
            }
        }
    }
}

/// Sums up parts, of which each may lie inside, or be touched.
fn of_parts<'a, T: 'a>(
    parts: impl Iterator<Item = &'a T>,
    inside: impl Fn(&T) -> bool,
    touched: impl Fn(&T) -> bool,
) -> Cover {
    let (mut count, mut whole, mut some) = (0_usize, 0_usize, false);
    for part in parts {
        count += 1;
        if inside(part) {
            whole += 1;
        } else if touched(part) {
            some = true;
        }
    }
    if count > 0 && whole == count {
        Cover::All
    } else if whole > 0 || some {
        Cover::Some
    } else {
        Cover::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nets(text: &str) -> Vec<IpNet> {
        text.split_whitespace().map(|it| it.parse().unwrap()).collect()
    }

    #[track_caller]
    fn check(at: &Whereabouts, within: &str, family: Family, expect: Cover) {
        assert_eq!(at.cover(&nets(within), Some(family)), expect, "{at:?} in {within}");
    }

    #[test]
    fn pub_is_never_private_and_pvt_always_is() {
        check(&Whereabouts::Public, "10.0.0.0/8 192.168.7.0/24", Family::V4, Cover::None);
        check(&Whereabouts::Public, "0.0.0.0/0", Family::V4, Cover::All);
        check(&Whereabouts::Public, "203.0.113.0/24", Family::V4, Cover::Some);
        check(&Whereabouts::Public, "0.0.0.0/0", Family::V6, Cover::None);
        check(&Whereabouts::Public, "fd00::/8", Family::V6, Cover::Some);
        check(&Whereabouts::Private, "203.0.113.0/24", Family::V4, Cover::None);
        check(&Whereabouts::Private, "10.0.0.0/8", Family::V4, Cover::Some);
        check(&Whereabouts::Private, "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16", Family::V4, Cover::All);
        check(&Whereabouts::Private, "0.0.0.0/0", Family::V4, Cover::All);
    }

    #[test]
    fn a_set_is_covered_when_all_of_it_is() {
        let at = Whereabouts::Within(nets("10.0.0.0/24 10.0.1.0/24"));
        check(&at, "10.0.0.0/23", Family::V4, Cover::All);
        check(&at, "10.0.0.0/24", Family::V4, Cover::Some);
        check(&at, "10.9.0.0/24", Family::V4, Cover::None);
    }

    #[test]
    fn both_versions_are_covered_together() {
        let anywhere = Whereabouts::Anywhere(FamilySet::ALL);
        assert_eq!(anywhere.cover(&nets("0.0.0.0/0 ::/0"), None), Cover::All);
        assert_eq!(anywhere.cover(&nets("0.0.0.0/0"), None), Cover::Some);
        assert_eq!(Whereabouts::Public.cover(&nets("10.0.0.0/8"), None), Cover::None);
    }
}
