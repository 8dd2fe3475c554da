//! What is known of an address, and whether it lies in prefixes.

use flowstage::model::{IpAddr, IpNet};

use super::truth::Truth;
use flowstage::evaluate::Missing;

/// What is known of an end's address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Address {
    Is(IpAddr),
    /// One of these: those of the pods that it may be.
    OneOf(Vec<IpAddr>),
    /// In one of these: those of the network set that it is.
    Within(Vec<IpNet>),
    /// One of the private IPv4 ranges: what flow records call `pvt`.
    Private,
    /// Outside of them, or IPv6: what flow records call `pub`.
    Public,
    Unknown,
}

/// The version of the Internet protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    V4,
    V6,
}

impl Family {
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    pub fn of_net(net: &IpNet) -> Self {
        Self::of(net.addr())
    }
}

impl Address {
    /// The families that it may have.
    pub fn families(&self) -> Vec<Family> {
        let may_have = |family: &Family| match self {
            Self::Is(address) => Family::of(*address) == *family,
            Self::OneOf(addresses) => addresses.iter().any(|it| Family::of(*it) == *family),
            Self::Within(nets) => nets.iter().any(|it| Family::of_net(it) == *family),
            Self::Private => *family == Family::V4,
            Self::Public | Self::Unknown => true,
        };
        [Family::V4, Family::V6].into_iter().filter(may_have).collect()
    }
}

/// Either end's address tells the family of both.
pub const EITHER_ADDRESS: Missing = Missing::SOURCE_ADDRESS.union(Missing::DEST_ADDRESS);

const PRIVATE: [&str; 3] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];
const EVERY_V4: &str = "0.0.0.0/0";
const EVERY_V6: &str = "::/0";

/// Whether the address lies in one of `nets`. Where that cannot be told, `which` is what to ask for. An address that
/// cannot be of `family`, since the two ends do not go together, is taken as it is.
pub fn lies_in(address: &Address, family: Option<Family>, nets: &[IpNet], which: Missing) -> Truth {
    let Some(family) = family else {
        let in_each = [Family::V4, Family::V6].map(|it| lies_in(address, Some(it), nets, which));
        return match in_each {
            [a, b] if a == b => a,
            [Truth::Unknown(missing), _] | [_, Truth::Unknown(missing)] => Truth::Unknown(missing),
            [_, _] => Truth::Unknown(which),
        };
    };
    let own = address.families();
    let family = if own.contains(&family) { family } else { own[0] };
    let within = |address: &IpAddr| Truth::of(nets.iter().any(|it| it.contains(address)));
    let space = match address {
        Address::Is(address) => return within(address),
        Address::OneOf(addresses) => {
            let possible = addresses.iter().filter(|it| Family::of(**it) == family);
            return Truth::agreed(possible.map(within), which);
        }
        Address::Within(nets) => nets.clone(),
        Address::Private => PRIVATE.map(net).to_vec(),
        Address::Public => {
            let mut space = outside(net(EVERY_V4), &PRIVATE.map(net));
            space.push(net(EVERY_V6));
            space
        }
        Address::Unknown => vec![net(EVERY_V4), net(EVERY_V6)],
    };
    let space: Vec<IpNet> = space.into_iter().filter(|it| Family::of_net(it) == family).collect();
    if space.iter().all(|it| is_covered(*it, nets)) {
        Truth::True
    } else if !space.iter().any(|it| nets.iter().any(|net| overlap(it, net))) {
        Truth::False
    } else {
        Truth::Unknown(which)
    }
}

fn net(text: &str) -> IpNet {
    text.parse().expect("a prefix")
}

fn overlap(a: &IpNet, b: &IpNet) -> bool {
    a.contains(b) || b.contains(a)
}

/// Whether every address of `block` lies in one of `nets`: in a single one, or each half of it in some.
fn is_covered(block: IpNet, nets: &[IpNet]) -> bool {
    if nets.iter().any(|it| it.contains(&block)) {
        return true;
    }
    if !nets.iter().any(|it| block.contains(it)) {
        return false;
    }
    halves(block).is_some_and(|halves| halves.into_iter().all(|half| is_covered(half, nets)))
}

/// The parts of `block` that lie outside of all of `holes`.
fn outside(block: IpNet, holes: &[IpNet]) -> Vec<IpNet> {
    if holes.iter().any(|it| it.contains(&block)) {
        return Vec::new();
    }
    if !holes.iter().any(|it| block.contains(it)) {
        return vec![block];
    }
    halves(block).map_or(Vec::new(), |halves| halves.into_iter().flat_map(|it| outside(it, holes)).collect())
}

fn halves(block: IpNet) -> Option<Vec<IpNet>> {
    Some(block.subnets(block.prefix_len() + 1).ok()?.collect())
}
