//! Short names for edges, equal on every process and in every release.

use sha2::{Digest, Sha256};

use super::report::EdgeDigest;
use crate::model::{Direction, Edge, Endpoint, IpAddr, NameScope};

/// Returns the first 128 bits of a SHA-256 over the edge's parts, each with its length before it.
pub(super) fn digest_edge(edge: &Edge) -> EdgeDigest {
    let Edge { direction, subject, peer, protocol, port, service } = edge;
    let mut hash = Sha256::new();
    hash.update([match direction {
        Direction::Ingress => 1,
        Direction::Egress => 2,
    }]);
    update_endpoint(&mut hash, subject);
    update_endpoint(&mut hash, peer);
    hash.update([protocol.0]);
    match port {
        Some(port) => hash.update([&[1][..], &port.to_be_bytes()].concat()),
        None => hash.update([0]),
    }
    match service {
        Some(service) => {
            hash.update([1]);
            for text in [&service.namespace, &service.name, &service.port_name] {
                update_text(&mut hash, text);
            }
        }
        None => hash.update([0]),
    }
    let digest = hash.finalize();
    let mut first = [0; 16];
    for (to, from) in first.iter_mut().zip(digest) {
        *to = from;
    }
    EdgeDigest(u128::from_be_bytes(first))
}

/// Returns the number by which the endpoints of a namespace find their partition of the partials log: FNV-1a, so it
/// is the same in every process and release.
pub(super) fn namespace_hash(namespace: Option<&str>) -> u64 {
    namespace.unwrap_or("").bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn update_endpoint(hash: &mut Sha256, endpoint: &Endpoint) {
    let Endpoint { kind, namespace, name, name_scope, address, labels } = endpoint;
    update_text(hash, kind.as_str());
    hash.update([u8::from(namespace.is_some())]);
    update_text(hash, namespace.as_deref().unwrap_or(""));
    update_text(hash, name);
    hash.update([match name_scope {
        NameScope::Exact => 1,
        NameScope::Aggregated => 2,
    }]);
    match address {
        None => hash.update([0]),
        Some(IpAddr::V4(it)) => hash.update([&[4][..], &it.octets()].concat()),
        Some(IpAddr::V6(it)) => hash.update([&[6][..], &it.octets()].concat()),
    }
    hash.update([u8::from(labels.is_some())]);
    let labels = labels.iter().flat_map(|it| it.iter());
    for (key, value) in labels {
        hash.update([1]);
        update_text(hash, key);
        update_text(hash, value);
    }
    hash.update([0]);
}

fn update_text(hash: &mut Sha256, text: &str) {
    hash.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
    hash.update(text.as_bytes());
}
