//! Names, hashes and addresses that follow from what a thing is called, so that every run gives it the same.

use std::net::Ipv4Addr;

use crate::model::Name;

/// The alphabet of Kubernetes' generated names: no vowels and no digits that look like one.
///
/// Source: `kubernetes/apimachinery`, `pkg/util/rand`.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// Returns a 64-bit hash of some text (FNV-1a, then mixed).
pub(super) fn hash_of(parts: &[&str]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for part in parts {
        for byte in part.bytes().chain([0]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    mix(hash)
}

/// Spreads a number over all 64 bits (the finalizer of SplitMix64).
pub(super) const fn mix(number: u64) -> u64 {
    let mut it = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    it ^ (it >> 31)
}

/// Returns a number below `bound` that follows from `hash`; 0 for a bound of 0.
pub(super) fn below(hash: u64, bound: u64) -> u64 {
    let scaled = (u128::from(hash) * u128::from(bound)) >> 64;
    u64::try_from(scaled).unwrap_or(0)
}

/// Returns `length` letters of the alphabet of generated names.
pub(super) fn letters(mut hash: u64, length: usize) -> String {
    let mut text = String::with_capacity(length);
    for _ in 0..length {
        let place = usize::try_from(below(hash, 27)).unwrap_or(0);
        text.push(ALPHABET.get(place).copied().map_or('b', char::from));
        hash = mix(hash);
    }
    text
}

/// Returns the address of a pod: somewhere in 10.244.0.0/14.
pub(super) fn pod_address(hash: u64) -> Ipv4Addr {
    let host = u32::try_from(below(hash, (1 << 18) - 2)).unwrap_or(0) + 1;
    Ipv4Addr::from_bits(u32::from(Ipv4Addr::new(10, 244, 0, 0)) | host)
}

/// Returns the address of a node, one for each of 65,000.
pub(super) fn node_address(node: u32) -> Ipv4Addr {
    let host = node % 65_000 + 10;
    Ipv4Addr::from_bits(u32::from(Ipv4Addr::new(10, 1, 0, 0)) | host)
}

/// Returns the name of a node, as a cloud's resolver spells it.
pub(super) fn node_name(node: u32) -> Name {
    let [a, b, c, d] = node_address(node).octets();
    Name::from(format!("ip-{a}-{b}-{c}-{d}.eu-central-1.compute.internal"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_names_use_the_alphabet_and_differ() {
        let one = letters(hash_of(&["shop", "web"]), 10);
        let two = letters(hash_of(&["shop", "db"]), 10);
        assert_eq!(one.len(), 10);
        assert_ne!(one, two);
        assert!(one.bytes().all(|it| ALPHABET.contains(&it)), "{one}");
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(hash_of(&["ab", "c"]), hash_of(&["a", "bc"]));
    }

    #[test]
    fn addresses_stay_in_their_networks() {
        for hash in [0, 1, u64::MAX / 2, u64::MAX] {
            let [a, b, ..] = pod_address(hash).octets();
            assert!(a == 10 && (244..248).contains(&b), "{hash}");
        }
        assert_eq!(&*node_name(0), "ip-10-1-0-10.eu-central-1.compute.internal");
        assert_ne!(node_name(300), node_name(44));
    }
}
